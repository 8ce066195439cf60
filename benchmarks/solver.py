"""The structured solver against HiGHS: single years, a sweep, windows of two days, cost per step, random programs.

    python -m benchmarks.solver years                 # hourly, sizing, 15-minute year against cold HiGHS
    python -m benchmarks.solver sweep --count 256     # beside HiGHS cold and warm, SciPy, PuLP, PyPSA, oemof.solph
    python -m benchmarks.solver windows --count 8760
    python -m benchmarks.solver horizon --plot cost_per_step.png
    python -m benchmarks.solver random --count 5000

Everything is timed in one run on the same machine, ours and theirs one after the other; compare ratios of one run.
Objectives must agree to 1e-6 relative, and our certificate is asked for at 1e-8.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.reference import program as program_of
from benchmarks.reference_year import reference_program
from benchmarks.registry import NO_DEMAND, SWEEP_YEARS, case_named, contenders_for, sweep_year
from benchmarks.run import run_apart
from vpp_sim.lp import LinearProgram, SolveOptions, solve, solve_batch

AGREEMENT = 1e-6
CORES = 2
PEERS = ("SciPy linprog highs-ds", "PuLP HiGHS", "PuLP CBC", "PyPSA HiGHS", "oemof.solph HiGHS")


def main() -> int:
    """Run one of the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["years", "sweep", "windows", "horizon", "random"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--sample", type=int, default=16, help="programs that HiGHS solves for its mean")
    parser.add_argument("--peers", type=int, default=3, help="years of the sweep for each other tool")
    parser.add_argument("--limit", type=float, default=300.0, help="longest time of another tool for one year [s]")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plot")
    arguments = parser.parse_args()
    agreed = {"years": years, "sweep": sweep, "windows": windows, "horizon": horizon, "random": random_programs}[
        arguments.what
    ](arguments)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0 if agreed else 1


def agree(one: float, other: float) -> bool:
    """Whether two objectives are the same to AGREEMENT."""
    same = abs(one - other) <= AGREEMENT * (1.0 + abs(other))
    if not same:
        print(f"OBJECTIVES DIFFER: {one!r} and {other!r}")
    return same


def ours(program: LinearProgram, repeats: int) -> tuple[float, float, Any]:
    """Seconds of the first solve in this process, median of further ones, and the solution."""
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        solution = solve(program, "structured")
        seconds.append(time.perf_counter() - started)
    return seconds[0], median(seconds[1:]), solution


def years(arguments: argparse.Namespace) -> bool:
    """One program at a time."""
    cases = {
        "hourly year": ({}, ("simplex", "ipm_without_crossover")),
        "sizing year": ({"sizes": True}, ("ipm_without_crossover", "simplex")),
        "15-minute year": ({"per_hour": 4}, ("simplex",)),
    }
    agreed = True
    for name, (settings, algorithms) in cases.items():
        program = reference_program(**settings)
        _ = program.matrix
        first, usual, solution = ours(program, arguments.repeats)
        note = "; ".join(solution.notes)
        print(f"{name}: structured {usual:.3f} s ({first:.2f} s at first; {note}), {solution.iterations} iterations")
        best = np.inf
        for algorithm in algorithms:
            reference = solve(program, "highs", SolveOptions(algorithm=algorithm))
            best = min(best, reference.seconds)
            print(f"    HiGHS {algorithm} {reference.seconds:.2f} s")
            agreed &= agree(solution.objective, reference.objective)
        print(f"    ratio to the best: {best / usual:.1f}")
    return agreed


def cold(numbers: list[int]) -> tuple[float, list[float]]:
    """HiGHS' simplex from nothing on each of the sweep's years."""
    seconds, objectives = 0.0, []
    for number in numbers:
        program = program_of(sweep_year(number))
        _ = program.matrix
        solution = solve(program, "highs", SolveOptions(algorithm="simplex"))
        seconds += solution.seconds
        objectives.append(solution.objective)
    return seconds, objectives


def warm(numbers: list[int]) -> tuple[float, list[float]]:
    """One HiGHS object whose bounds and costs are changed in place; the first solve, which is cold, is not counted."""
    return warm_programs([program_of(sweep_year(number)) for number in numbers])


def warm_programs(programs: list[LinearProgram]) -> tuple[float, list[float]]:
    """See `warm`; the programs share one matrix."""
    import highspy

    from vpp_sim.lp.solvers.highs import pass_program

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("solver", "simplex")
    seconds, objectives = 0.0, []
    for number, program in enumerate(programs):
        started = time.perf_counter()
        if number == 0:
            pass_program(highs, program)
        else:
            columns = np.arange(program.num_columns, dtype=np.int32)
            rows = np.arange(program.num_rows, dtype=np.int32)
            highs.changeColsCost(columns.size, columns, np.ascontiguousarray(program.cost))
            highs.changeColsBounds(columns.size, columns, program.lower.copy(), program.upper.copy())
            highs.changeRowsBounds(rows.size, rows, program.row_lower.copy(), program.row_upper.copy())
        highs.run()
        if number:
            seconds += time.perf_counter() - started
        objectives.append(highs.getInfo().objective_function_value)
    return seconds, objectives


def on_all_cores(work: Any, numbers: list[int]) -> tuple[float, list[float]]:
    """Wall seconds per program with one process per core, each on a consecutive part, and the objectives."""
    parts = [part.tolist() for part in np.array_split(np.array(numbers), CORES)]
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        results = pool.map(work, parts)
    solved = sum(len(part) - (1 if work is warm else 0) for part in parts)
    return max(seconds for seconds, _ in results) / solved, [o for _, objectives in results for o in objectives]


def sweep(arguments: argparse.Namespace) -> bool:
    """Many years with one matrix."""
    numbers = list(range(min(arguments.count or SWEEP_YEARS, SWEEP_YEARS)))

    def programs(chosen: list[int]) -> Iterator[LinearProgram]:
        for number in chosen:
            yield program_of(sweep_year(number))

    solve_batch(programs(numbers[:8]), "structured")
    built = time.perf_counter()
    for _ in programs(numbers):
        pass
    built = time.perf_counter() - built
    started = time.perf_counter()
    solutions = [(s.status, s.objective, s.iterations) for s in solve_batch(programs(numbers), "structured")]
    each = (time.perf_counter() - started - built) / len(numbers)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    iterations = [count for *_, count in solutions]
    solved = sum(status.name == "OPTIMAL" for status, *_ in solutions)
    print(f"structured: {each:.4f} s per year of {len(numbers)} ({solved} certified at 1e-8), {memory:.0f} MB")
    print(
        f"    iterations {min(iterations)} to {max(iterations)}; building them takes {built / len(numbers):.4f} s each",
        flush=True,
    )
    chosen = spread(numbers, arguments.sample)
    cold_each, objectives = on_all_cores(cold, chosen)
    agreed = all(agree(solutions[k][1], objective) for k, objective in zip(chosen, objectives, strict=True))
    print(f"HiGHS simplex, cold, one process per core: {cold_each:.3f} s per year; ratio {cold_each / each:.1f}")
    # a warm start lives off its neighbours: two consecutive stretches of the best order, through all axes but the seed
    warm_each, _ = on_all_cores(warm, numbers[: 4 * arguments.sample])
    print(
        f"HiGHS simplex, warm in its best order, one process per core: {warm_each:.3f} s; ratio {warm_each / each:.1f}"
    )
    agreed &= peers_on_the_sweep(spread(numbers, arguments.peers), each, [s[1] for s in solutions], arguments.limit)
    return agreed and solved == len(numbers)


def spread(numbers: list[int], count: int) -> list[int]:
    """Some of the numbers, evenly from the first to the last."""
    return [numbers[k] for k in np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(int)]


def peers_on_the_sweep(chosen: list[int], each: float, objectives: list[float], limit: float) -> bool:
    """Other tools on some of the years, from arrays to the answer, each in a process of its own.

    Their seconds are divided by the cores, as if they ran side by side without disturbing each other. What has no
    demand charge is compared with HiGHS on the same year without it.
    """
    agreed = True
    for contender in PEERS:
        charge = "" if contender in contenders_for("sweep_year_0") else NO_DEMAND
        seconds, memory = [], 0.0
        for number in chosen:
            name = f"sweep_year_{number}{charge}"
            result = run_apart(name, contender, 1, limit)
            if isinstance(result, str):
                print(f"{contender}: no result on {name}: {result}", flush=True)
                agreed &= result.startswith("stopped after")
                break
            reference = solve(program_of(case_named(name)), "highs").objective if charge else objectives[number]
            agreed &= agree(result["objective"], reference)
            seconds.append(result["build_seconds"] + result["solve_seconds"])
            memory = max(memory, result["peak_memory_mb"])
        if seconds:
            theirs = sum(seconds) / len(seconds) / CORES
            note = " (without the demand charge)" if charge else ""
            print(
                f"{contender}{note}, one process per core: {theirs:.3f} s per year (mean of {len(seconds)}); "
                f"ratio {theirs / each:.1f}; {memory:.0f} MB each",
                flush=True,
            )
    return agreed


def windows(arguments: argparse.Namespace) -> bool:
    """Windows of 48 h, one for each hour of a year, independent of each other."""
    count = arguments.count or 8760
    hours = [int(h) for h in np.linspace(0, 8760 - 48, count)]
    base = [reference_program(hours=48, first_hour=h, whole=8760) for h in hours]
    solve_batch(base[:1024], "structured")
    started, processor = time.perf_counter(), time.process_time()
    solutions = solve_batch(base, "auto")
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    each = seconds / count
    hopeless = sum(s.solver == "highs" and not s.is_optimal for s in solutions)
    other = sum(s.solver == "highs" for s in solutions) - hopeless
    print(
        f"structured: {count} windows in {seconds:.1f} s, {1e3 * each:.2f} ms each, {1e3 * processor / count:.2f} CPU"
    )
    print(f"    {other} solved by HiGHS, {hopeless} found to have no solution by it")
    part = base[: arguments.sample * 8]
    own = processor / count
    processor = time.process_time()
    reference = [solve(program, "highs") for program in part]
    cold_each, processor = sum(s.seconds for s in reference) / len(part), time.process_time() - processor
    print(
        f"HiGHS cold, one core: {1e3 * cold_each:.2f} ms; ratio to one process per core {cold_each / CORES / each:.1f}"
    )
    print(f"    ratio of CPU {processor / len(part) / own:.1f}")
    # a warm start changes costs and bounds only: it needs one matrix, so peaks in the same months
    same = [k for k in range(1, len(part)) if (part[k].matrix != part[0].matrix).nnz == 0]
    processor = time.process_time()
    seconds, _ = warm_programs([part[0], *(part[k] for k in same)])
    warm_each, processor = seconds / max(len(same), 1), time.process_time() - processor
    print(
        f"HiGHS warm, one core: {1e3 * warm_each:.2f} ms; ratio to one process per core {warm_each / CORES / each:.1f}"
    )
    print(f"    ratio of CPU {processor / (len(same) + 1) / own:.1f}")
    pairs = zip(solutions, reference, strict=False)
    return all(agree(one.objective, two.objective) for one, two in pairs if two.is_optimal)


def horizon(arguments: argparse.Namespace) -> bool:
    """Seconds per step and iteration from a month to twelve years of hours' steps."""
    points = []
    for per_hour, hours in ((1, 2190), (1, 8760), (2, 8760), (4, 8760), (12, 8760)):
        program = reference_program(hours=hours, per_hour=per_hour)
        _, usual, solution = ours(program, arguments.repeats)
        steps = hours * per_hour
        each = usual / steps / solution.iterations
        points.append((steps, each))
        print(
            f"{steps:>7} steps: {usual:.3f} s, {solution.iterations} iterations, {1e9 * each:.0f} ns per step of each"
        )
    if arguments.plot:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots()
        axes.semilogx([steps for steps, _ in points], [1e9 * each for _, each in points], marker="o")
        axes.set(xlabel="steps", ylabel="ns per step and iteration", ylim=(0, None))
        figure.savefig(arguments.plot)
    return True


def random_programs(arguments: argparse.Namespace) -> bool:
    """Random chain programs of the tests, against HiGHS."""
    path = Path(__file__).parents[1] / "tests" / "lp" / "structured" / "chain_programs.py"
    spec = importlib.util.spec_from_file_location("chain_programs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    count, each, wrong, missed, hopeless, done, largest = arguments.count or 5000, 25, 0, [], 0, 0, 0.0
    for shape in itertools.count(1000):
        if done >= count:
            break
        programs = [module.random_program(shape, numbers_seed=shape * 1009 + k, max_steps=336) for k in range(each)]
        for k, (program, solution) in enumerate(zip(programs, solve_batch(programs, "structured"), strict=True)):
            reference = solve(program, "highs")
            done += 1
            if not reference.is_optimal:
                hopeless += 1
                wrong += solution.is_optimal
            elif not solution.is_optimal:
                missed.append((shape, k, solution.message))
            else:
                largest = max(largest, abs(solution.objective - reference.objective) / (1.0 + abs(reference.objective)))
                wrong += not (agree(solution.objective, reference.objective) and solution.certificate.passed(1e-8))
    print(f"{done} programs: {wrong} wrong, {len(missed)} left to HiGHS, {hopeless} without a solution by either")
    print(f"    objectives differ by at most {largest:.1e}, relative")
    for shape, k, message in missed[:20]:
        print(f"    shape {shape}, numbers {k}: {message}")
    return wrong == 0


if __name__ == "__main__":
    sys.exit(main())

"""Whole processes, from the command to its end: a year in vpp_sim beside the same year written with PuLP and PyPSA.

    python -m benchmarks.whole                           # hourly year, three rounds
    python -m benchmarks.whole --step-minutes 15 --rounds 1
    python -m benchmarks.whole --days 7

"vpp_sim, same work" loads the scenario file, reads what its components read (weather, tariff, sessions, jobs), builds
the program, solves and certifies it. "vpp_sim, whole run" is `simulate` and `write_folder` without the page: it also
hands the plan back to sessions and solves again, runs the uncontrolled site, replays the physics, computes KPIs and
bills and writes the folder. The peers find the arrays ready in a file, which spares them weather, sessions and tariff.

Every contender is a process of its own in every round, and rounds take turns, since other work on a machine comes in
waves; the median of the rounds counts. Ratios are to the first line; processor time is user and system together.
Exits with 1 where objectives of the same work differ by more than 1e-6.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.processes import measured

AGREEMENT = 1e-6
SCENARIO = Path(__file__).parent / "cases" / "reference_year.yaml"

Seconds = dict[str, float]


def same_work(settings: list[str], folder: Path, solver: str) -> tuple[float, Seconds]:
    """From the file to the certified optimum, as the peers have it."""
    clock = _Clock()
    from vpp_sim import load_scenario
    from vpp_sim.dispatch import build_program
    from vpp_sim.lp import solve

    clock.lap("import")
    scenario = load_scenario(SCENARIO, settings=settings)
    inputs = scenario.read_inputs()
    clock.lap("load")
    program = build_program(scenario, inputs)
    _ = program.matrix
    clock.lap("build")
    solution = solve(program, solver)
    clock.lap("solve")
    if not solution.is_optimal or solution.certificate is None or not solution.certificate.passed(1e-6):
        raise RuntimeError(f"{solver}: {solution.status.word}, {solution.certificate}")
    # at equal cost ours also decides between plans, at prices that no peer pays
    plain = program.without_ties()
    return float(plain.cost @ solution.primal) + plain.cost_offset, clock.laps


def whole_run(settings: list[str], folder: Path, solver: str) -> tuple[float, Seconds]:
    """What `vpp-sim run --no-page` does; the objective is that of the plan that sessions can follow."""
    clock = _Clock()
    from vpp_sim import load_scenario, simulate, write_folder

    clock.lap("import")
    simulation = simulate(load_scenario(SCENARIO, settings=settings), solver=solver)
    if not simulation.summary.passed:
        raise RuntimeError("a check failed")
    clock.lap("simulate")
    write_folder(simulation, folder / "run")
    clock.lap("write")
    return simulation.optimal.objective, clock.laps


def pulp_direct(settings: list[str], folder: Path, solver: str) -> tuple[float, Seconds]:
    """The program written in PuLP."""
    clock = _Clock()
    from benchmarks.peers.pulp_direct import solve_with_pulp

    clock.lap("import")
    outcome = solve_with_pulp(_case(folder), solver)
    return outcome.objective, {**clock.laps, "build": outcome.build_seconds, "solve": outcome.solve_seconds}


def pypsa(settings: list[str], folder: Path) -> tuple[float, Seconds]:
    """The network in PyPSA."""
    clock = _Clock()
    from benchmarks.peers.pypsa_peer import solve_with_pypsa

    clock.lap("import")
    outcome = solve_with_pypsa(_case(folder))
    return outcome.objective, {**clock.laps, "build": outcome.build_seconds, "solve": outcome.solve_seconds}


#: By name; the first is the unit of ratios. A star marks work that is more than the others'.
CONTENDERS: dict[str, Callable[[list[str], Path], tuple[float, Seconds]]] = {
    "vpp_sim auto, same work": partial(same_work, solver="auto"),
    "vpp_sim highs, same work": partial(same_work, solver="highs"),
    "vpp_sim auto, whole run *": partial(whole_run, solver="auto"),
    "vpp_sim highs, whole run *": partial(whole_run, solver="highs"),
    "PuLP HiGHS": partial(pulp_direct, solver="HiGHS"),
    "PuLP CBC": partial(pulp_direct, solver="PULP_CBC_CMD"),
    "PyPSA HiGHS": pypsa,
}


class _Clock:
    def __init__(self) -> None:
        self.laps: Seconds = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now


def _case(folder: Path) -> object:
    with (folder / "case.pickle").open("rb") as file:
        return pickle.load(file)


def main() -> int:
    """All contenders, or one of them in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--step-minutes", type=int, default=60, choices=(15, 30, 60))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--contender", choices=[*CONTENDERS, "prepare"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    settings = [f"horizon.days={arguments.days}", f"horizon.step_minutes={arguments.step_minutes}"]
    if arguments.contender == "prepare":
        return _prepare(settings, arguments.folder, arguments.only)
    if arguments.contender:
        objective, seconds = CONTENDERS[arguments.contender](settings, arguments.folder)
        print(json.dumps({"objective": objective, "seconds": seconds}))
        return 0
    results = run_all(arguments.only, arguments.days, arguments.step_minutes, arguments.rounds)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"settings": settings, "results": results}, indent=1))
    return 0 if report(settings, results) else 1


def _prepare(settings: list[str], folder: Path, contenders: list[str]) -> int:
    """The arrays for the peers, and our contenders once, since what they compile is kept on disk."""
    from benchmarks.reference import from_scenario
    from vpp_sim import load_scenario

    with (folder / "case.pickle").open("wb") as file:
        pickle.dump(from_scenario(load_scenario(SCENARIO, settings=settings)), file)
    for name in contenders:
        if name.startswith("vpp_sim"):
            short = ["horizon.days=3"] if " highs" in name else []
            CONTENDERS[name]([*settings, *short], folder)
    return 0


def run_all(contenders: list[str], days: int, step_minutes: int, rounds: int) -> dict[str, dict[str, object]]:
    """Medians over the rounds for each contender, or its error."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.whole", "--days", str(days), "--step-minutes", str(step_minutes)]
        command += ["--folder", folder, "--contender"]
        prepared = measured([*command, "prepare", "--only", *contenders])
        if prepared.returncode != 0:
            raise RuntimeError(prepared.stderr)
        runs: dict[str, list[dict[str, object]]] = {name: [] for name in contenders}
        errors: dict[str, str] = {}
        for _ in range(rounds):
            for name in contenders:
                done = measured([*command, name])
                if done.returncode != 0:
                    errors[name] = done.last_error
                    continue
                said = json.loads(done.stdout.strip().splitlines()[-1])
                outside = {
                    "wall_seconds": done.wall_seconds,
                    "cpu_seconds": done.cpu_seconds,
                    "peak_memory_mb": done.peak_memory_mb,
                }
                runs[name].append(said | outside)
    return {name: {"error": errors[name]} if name in errors else _medians(runs[name]) for name in contenders}


def _medians(runs: list[dict[str, object]]) -> dict[str, object]:
    middle: dict[str, object] = {}
    for key, value in runs[0].items():
        entries = [run[key] for run in runs]
        middle[key] = {k: median(e[k] for e in entries) for k in value} if isinstance(value, dict) else median(entries)
    return middle


def report(settings: list[str], results: dict[str, dict[str, object]]) -> bool:
    """Print the table; whether all ran and those that did the same work agree."""
    print(f"\n{SCENARIO.name}, {', '.join(settings)}; medians; * does more than the others\n")
    print(f"{'contender':<28}{'objective':>16}{'wall s':>9}{'ratio':>7}{'cpu s':>8}{'peak MB':>9}  of which")
    unit = reference = None
    agreed = True
    for name, result in results.items():
        if "error" in result:
            print(f"{name:<28}did not run: {result['error']}")
            agreed = False
            continue
        wall, objective = result["wall_seconds"], result["objective"]
        unit = unit or wall
        remark = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in result["seconds"].items())
        if not name.endswith("*"):
            reference = objective if reference is None else reference
            apart = abs(objective - reference) / max(1.0, abs(reference))
            if apart > AGREEMENT:
                agreed, remark = False, f"{remark}; OBJECTIVE DIFFERS BY {apart:.1e}"
        print(
            f"{name:<28}{objective:>16.4f}{wall:>9.2f}{wall / unit:>7.2f}{result['cpu_seconds']:>8.2f}"
            f"{result['peak_memory_mb']:>9.0f}  {remark}"
        )
    return agreed


if __name__ == "__main__":
    sys.exit(main())

"""Runs every contender on a case, each in a process of its own, and prints objectives, times, ratios and memory.

    python -m benchmarks.run                          # the reference year, all contenders
    python -m benchmarks.run month --repeats 3
    python -m benchmarks.run scenario_year_no_demand  # with oemof.solph, which has no such charge
    python -m benchmarks.run sizing_year --limit 300  # free sizes of PV and battery; five minutes for each at most
    python -m benchmarks.run sweep_year_17            # one year of the 256 of `benchmarks.solver sweep`
    python -m benchmarks.run year --only "PyPSA HiGHS" "vpp_sim highs simplex"

A process solves a small case first (imports, compilation), then the case itself, `--repeats` times; the fastest
counts, since whatever else runs on a machine only ever adds time. All contenders run one after the other in one run
of this script: compare ratios of one run, not seconds of two. Who is too slow is stopped and listed as such. Exits
with 1 if objectives differ by more than 1e-6, or a contender fails.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from benchmarks.processes import measured
from benchmarks.registry import CASES, CONTENDERS, NO_DEMAND, case_named, contenders_for, small_case_like

AGREEMENT = 1e-6
PACKAGES = ("vpp-sim", "highspy", "pulp", "pypsa", "linopy", "oemof.solph", "numpy", "scipy")


def main() -> int:
    """The whole run, or one contender in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "case", nargs="?", default="year", help=f"{', '.join(CASES)[:90]}..., each also with {NO_DEMAND}"
    )
    parser.add_argument(
        "--only", nargs="+", choices=CONTENDERS, help="contenders to run; the first is the unit of ratios"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--limit", type=float, default=900.0, help="longest time for one contender [s]")
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case.removesuffix(NO_DEMAND) not in CASES:
        parser.error(f"no case {arguments.case!r}; one of {', '.join(CASES)}, each also with {NO_DEMAND}")
    if arguments.contender:
        print(json.dumps(measure(arguments.case, arguments.contender, arguments.repeats)))
        return 0
    results = {}
    for contender in arguments.only or contenders_for(arguments.case):
        results[contender] = run_apart(arguments.case, contender, arguments.repeats, arguments.limit)
        print(f"{contender}: {results[contender]}", file=sys.stderr)
    agreed = report(arguments.case, results)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"case": arguments.case, "versions": versions(), "results": results}, file, indent=1)
    return 0 if agreed else 1


def measure(case_name: str, contender: str, repeats: int) -> dict[str, float | None]:
    """Solve in this process; objective and times of the fastest repeat."""
    solve = CONTENDERS[contender]
    if (small := small_case_like(case_name)) != case_name:
        solve(case_named(small))
    case = case_named(case_name)
    outcomes = [solve(case) for _ in range(repeats)]
    best = min(outcomes, key=lambda outcome: outcome.build_seconds + outcome.solve_seconds)
    return {
        "objective": best.objective,
        "build_seconds": best.build_seconds,
        "solve_seconds": best.solve_seconds,
        "iterations": best.iterations,
    }


def run_apart(case_name: str, contender: str, repeats: int, limit_seconds: float) -> dict[str, float] | str:
    """What `measure` returns in a fresh process with the peak memory of that, or why it did not end well."""
    command = [sys.executable, "-m", "benchmarks.run", case_name, "--contender", contender, "--repeats", str(repeats)]
    done = measured(command, limit_seconds)
    if done.returncode != 0:
        return done.last_error
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**result, "peak_memory_mb": done.peak_memory_mb}


def report(case_name: str, results: dict[str, dict[str, float] | str]) -> bool:
    """Print the table; whether all contenders ran and agree on the objective."""
    print(f"\ncase {case_name}; {versions()}; {platform.python_version()}\n")
    columns = f"{'build s':>10}{'solve s':>10}{'whole s':>10}{'ratio':>8}{'iterations':>12}{'peak MB':>9}"
    print(f"{'contender':<24}{'objective':>18}{columns}")
    unit = reference = None
    agreed = True
    for name, result in results.items():
        if isinstance(result, str):
            print(f"{name:<24}no result: {result}")
            agreed &= result.startswith("stopped after")
            continue
        whole = result["build_seconds"] + result["solve_seconds"]
        unit, reference = unit or whole, result["objective"] if reference is None else reference
        apart = abs(result["objective"] - reference) / max(1.0, abs(reference))
        agreed &= apart <= AGREEMENT
        print(
            f"{name:<24}{result['objective']:>18.6f}{result['build_seconds']:>10.3f}{result['solve_seconds']:>10.3f}"
            f"{whole:>10.3f}{whole / unit:>8.2f}{result['iterations'] or '-':>12}{result['peak_memory_mb']:>9.0f}"
            + (f"  objective differs by {apart:.1e}" if apart > AGREEMENT else "")
        )
    return agreed


def versions() -> str:
    """Versions of what takes part."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)


if __name__ == "__main__":
    sys.exit(main())

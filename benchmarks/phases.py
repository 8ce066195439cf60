"""Where the time of one run goes: the reference year by phases, hourly and in 15-minute steps, and its peak memory.

    python -m benchmarks.phases
    python -m benchmarks.phases --solver auto --step-minutes 60 --runs 5

A fresh process loads the scenario file, simulates and writes the folder (without the page) `--runs` times, or until a
minute is over. The first run also pays for loading libraries, which happens where they are first needed; the median of
the further runs is our own work. The aims: building the program at most 5 % of the solves with HiGHS, everything but
the solves at most 1 s for an hourly year, and at most 600 MB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median

from benchmarks.processes import measured

SCENARIO = Path(__file__).parent / "cases" / "reference_year.yaml"
#: Phases in their order, with what belongs to them; "solves" are those of the plan, of the plan as handed back, and of
#: the uncontrolled site.
PHASES = {
    "start": "import of the package",
    "load": "scenario file, weather, PV, sessions, jobs, tariff",
    "build": "arrays to the linear program and its matrix",
    "solves": "inside the solver's backend",
    "hand-back": "certificates, plan handed back to sessions, series collected",
    "baseline": "uncontrolled site: build, hand-back, series",
    "kpi": "audit, ledger, KPIs, bills",
    "write": "result folder without the page",
}
LONGEST_SECONDS = 60.0
LARGEST_BUILD_SHARE, LARGEST_REST_SECONDS, LARGEST_MEMORY_MB = 0.05, 1.0, 600.0


def main() -> int:
    """Print a table for each length of step, or measure one in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solver", nargs="+", default=["auto", "highs"])
    parser.add_argument("--step-minutes", type=int, nargs="+", default=[60, 15])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(runs_here(arguments.days, arguments.step_minutes[0], arguments.solver[0], arguments.runs)))
        return 0
    for minutes, solver in product(arguments.step_minutes, arguments.solver):
        command = [sys.executable, "-m", "benchmarks.phases", "--inside", "--solver", solver]
        command += ["--step-minutes", str(minutes), "--days", str(arguments.days), "--runs", str(arguments.runs)]
        done = measured(command)
        if done.returncode != 0:
            print(f"steps of {minutes} min with {solver} did not run: {done.last_error}")
            return 1
        runs = json.loads(done.stdout.strip().splitlines()[-1])
        report(f"{arguments.days} days in steps of {minutes} min, solver {solver}", runs, done.peak_memory_mb)
    return 0


def runs_here(days: int, step_minutes: int, solver: str, count: int) -> list[dict[str, float]]:
    """Seconds by phase of each run in this process."""
    begun = at_first = time.perf_counter()
    from vpp_sim import load_scenario, simulate, write_folder

    start = time.perf_counter() - begun
    runs = []
    for _ in range(count):
        begun = time.perf_counter()
        scenario = load_scenario(SCENARIO, settings=[f"horizon.days={days}", f"horizon.step_minutes={step_minutes}"])
        loaded = time.perf_counter()
        simulation = simulate(scenario, solver=solver)
        simulated = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            write_folder(simulation, Path(folder) / "run")
            written = time.perf_counter()
        timings, plan, idle = simulation.timings, simulation.optimal.solver.seconds, simulation.baseline.solver.seconds
        runs.append(
            {
                "start": start,
                "load": loaded - begun + timings["load"],
                "build": timings["build"],
                "solves": plan + idle,
                "hand-back": timings["solve"] - plan,
                "baseline": timings["baseline"] - idle,
                "kpi": timings["kpi"],
                "write": written - simulated,
            }
        )
        start = 0.0
        if written - at_first > LONGEST_SECONDS:
            break
    return runs


def report(title: str, runs: list[dict[str, float]], peak_memory_mb: float) -> None:
    """Print the phases of the first run and the median of the others."""
    first, further = runs[0], runs[1:] or runs
    usual = {phase: median(run[phase] for run in further) for phase in PHASES}
    print(f"\n{title}: seconds of the first run in a process, and of further ones\n")
    for phase, what in PHASES.items():
        print(f"  {phase:<12}{first[phase]:>8.3f}{usual[phase]:>8.3f}  {what}")
    rest = [sum(seconds.values()) - seconds["solves"] for seconds in (first, usual)]
    share = usual["build"] / usual["solves"]
    print(f"  {'all':<12}{sum(first.values()):>8.3f}{sum(usual.values()):>8.3f}")
    print(f"  {'but solves':<12}{rest[0]:>8.3f}{rest[1]:>8.3f}  aim {LARGEST_REST_SECONDS:g} s for an hourly year")
    print(f"  build / solves {share:.1%}, aim {LARGEST_BUILD_SHARE:.0%}")
    print(f"  peak memory {peak_memory_mb:.0f} MB, aim {LARGEST_MEMORY_MB:g} MB for an hourly year")


if __name__ == "__main__":
    sys.exit(main())

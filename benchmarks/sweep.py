"""Years of a study by each route: batched structured solver, HiGHS warm-started along the study's order, HiGHS cold.

    python -m benchmarks.sweep                                    # the shipped study of 1,000 worlds: 64, 20, 20 cases
    python -m benchmarks.sweep --batch 32 --highs 4 --set horizon.days=28
    python -m benchmarks.sweep --study scenarios/studies/pv_battery_grid.yaml

Whole cases, from the file to the row of the table: reading, solving, hand-back to sessions and the second solve, KPIs,
and checks. Every route runs the beginning of the same order, with as many worker processes as cores, in a process of
its own. What 1,000 cases take is computed from the time per case; on a machine that others use as well, the processor
time is the fairer figure. Exits with 1 where the costs of cases that both ran differ by more than 1e-3 (two optimal
plans may be handed back to cars a little differently; optima themselves agree to 1e-6).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.processes import measured

STUDY = Path(__file__).parents[1] / "scenarios" / "studies" / "tariff_cost_seeds.yaml"
AGREEMENT = 1e-3


def run_route(study_path: Path, settings: list[str], route: str, count: int, workers: int) -> None:
    """What the measured process does; prints one line of JSON."""
    from vpp_sim.studies.pools import pool_for
    from vpp_sim.studies.run_cases import Chunk
    from vpp_sim.studies.study import load_study
    from vpp_sim.studies.sweep import LARGEST_CHUNK

    study = load_study(study_path, settings=settings)
    cases = study.in_good_order()[:count]
    size = min(LARGEST_CHUNK, -(-count // workers))
    chunks = [Chunk(route, tuple(cases[first : first + size])) for first in range(0, count, size)]
    started = time.perf_counter()
    costs, states = {}, {}
    with pool_for(study, None, workers, None) as pool:
        for finished in pool.run(chunks):
            for row in finished.rows:
                costs[row["case"]] = row.get("objective")
                states[row["case"]] = (row["status"], row["route"], row["reason"][:200])
    print(json.dumps({"costs": costs, "states": states, "seconds": time.perf_counter() - started}))


def main() -> int:
    """Measure all routes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--batch", type=int, default=64, help="cases of the batched route")
    parser.add_argument("--highs", type=int, default=20, help="cases of each of the two routes of HiGHS")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--route", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.route:
        run_route(given.study, given.settings, given.route, given.count, given.workers)
        return 0
    settings = [word for text in given.settings for word in ("--set", text)]
    print("route   cases   wall s/case   cpu s/case   cases/min   peak MB   1,000 cases, cpu min   ratio of cpu")
    costs: dict[str, dict[str, float]] = {}
    base = None
    for route, count in (("batch", given.batch), ("warm", given.highs), ("cold", given.highs)):
        command = [sys.executable, "-m", "benchmarks.sweep", "--study", str(given.study), *settings]
        if route != "batch":
            command += ["--set", "dispatch.solver=highs"]  # `auto` would take the structured solver for single cases
        run = measured([*command, "--route", route, "--count", str(count), "--workers", str(given.workers)])
        if run.returncode:
            print(run.stderr, file=sys.stderr)
            return run.returncode
        outcome = json.loads(run.stdout.strip().splitlines()[-1])
        costs[route] = outcome["costs"]
        per_case = run.cpu_seconds / count
        base = base or per_case
        print(
            f"{route:6} {count:6} {run.wall_seconds / count:13.2f} {per_case:12.2f} "
            f"{60 * count / run.wall_seconds:11.1f} {run.peak_memory_mb:9.0f} {1000 * per_case / 60:22.0f} "
            f"{per_case / base:14.1f}",
            flush=True,
        )
        for case, (status, used, reason) in outcome["states"].items():
            if status != "ok" or used != route:
                print(f"  case {case}: {status} by {used} {reason}")
    worst = max(
        abs(costs[a][case] - costs[b][case]) / abs(costs[b][case])
        for a, b in (("batch", "cold"), ("warm", "cold"))
        for case in costs[a].keys() & costs[b].keys()
        if costs[a][case] is not None and costs[b][case] is not None
    )
    print(f"costs of the same cases differ by at most {worst:.1e}")
    return int(worst > AGREEMENT)


if __name__ == "__main__":
    sys.exit(main())

"""1,000 hourly years on all cores, and 20 of the same by HiGHS, cold and warm-started in its best order.

    python -m benchmarks.sweep                                          # benchmarks/cases/thousand_years.yaml
    python -m benchmarks.sweep --batch 32 --highs 4 --set horizon.days=28
    python -m benchmarks.sweep --study scenarios/studies/tariff_cost_seeds.yaml --highs 4     # three free sizes

Whole cases, from the file to the row of the table: reading, solving, hand-back to sessions and the second solve, the
uncontrolled site where the study wants it, KPIs, and checks. The cases of each route are the first of the study's
good order, in chunks as a sweep cuts them, with as many worker processes as cores, in a process of its own. HiGHS has
one chain of neighbours per worker. Rows are kept in `--out` as they come: a run that was stopped goes on when started
again, and its rates are those of the cases that it ran itself. Exits with 1 where a case fails, or where the costs of
cases that two routes ran differ by more than 1e-3 (two optimal plans may be handed back to cars a little differently;
optima themselves agree to 1e-6).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import Measured, measured

STUDY = Path(__file__).parent / "cases" / "thousand_years.yaml"
AGREEMENT = 1e-3
ROUTES = ("batch", "warm", "cold")


def main() -> int:
    """Measure all routes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--batch", type=int, default=1000, help="cases of the batched route")
    parser.add_argument("--highs", type=int, default=20, help="cases of each of the two routes of HiGHS")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=float, help="longest time for a route [s]; what it finished by then counts")
    parser.add_argument("--out", type=Path, help="folder of the rows, to go on with after a stop")
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.route:
        run_route(given.study, given.settings, given.route, given.count, given.workers, given.out)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        return compared(given, out)


def compared(given: argparse.Namespace, out: Path) -> int:
    """Run the routes one after another and print a line for each."""
    print("route   cases   wall s/case   cpu s/case   cases/min   peak MB   1,000 cases, min   ratio of wall")
    rows: dict[str, dict[int, dict[str, Any]]] = {}
    base = None
    good = True
    for route in ROUTES:
        count = given.batch if route == "batch" else given.highs
        if not count:
            continue
        before = len(rows_of(out, route))
        run = measured_route(given, out, route, count)
        rows[route] = rows_of(out, route)
        done = len(rows[route]) - before
        if run.returncode and not run.too_slow:
            print(f"{route}: ended with {run.returncode}", file=sys.stderr)
            return run.returncode
        if done:
            wall = run.wall_seconds / done
            base = base or wall
            print(
                f"{route:6} {done:6} {wall:13.2f} {run.cpu_seconds / done:12.2f} {60 / wall:11.1f} "
                f"{run.peak_memory_mb:9.0f} {1000 * wall / 60:18.0f} {wall / base:15.1f}",
                flush=True,
            )
        if run.too_slow:
            print(f"  {run.last_error} with {done} of {count - before} cases; the seconds per case are a lower bound")
        if before:
            print(f"  {before} more from an earlier run")
        for number, row in sorted(rows[route].items()):
            if row["status"] != "ok" or row["route"] != route:
                print(f"  case {number}: {row['status']} by {row['route']} {row['reason']}")
            good &= row["status"] == "ok"
    for one in ROUTES[:-1]:
        for other in ROUTES[ROUTES.index(one) + 1 :]:
            good &= agree(one, other, rows)
    return int(not good)


def agree(one: str, other: str, rows: dict[str, dict[int, dict[str, Any]]]) -> bool:
    """Whether the costs of cases that both routes ran are the same to AGREEMENT."""
    both = rows.get(one, {}).keys() & rows.get(other, {}).keys()
    pairs = [(rows[one][number]["objective"], rows[other][number]["objective"]) for number in both]
    apart = [abs(mine - theirs) / max(abs(theirs), 1.0) for mine, theirs in pairs if None not in (mine, theirs)]
    if not apart:
        return True
    print(f"costs of {len(apart)} cases by {one} and {other} differ by at most {max(apart):.1e}")
    return max(apart) <= AGREEMENT


def measured_route(given: argparse.Namespace, out: Path, route: str, count: int) -> Measured:
    """One route in a process of its own."""
    settings = [word for text in given.settings for word in ("--set", text)]
    if route != "batch":
        settings += ["--set", "dispatch.solver=highs"]  # `auto` would take the structured solver for single cases
    command = [sys.executable, "-m", "benchmarks.sweep", "--study", str(given.study), *settings, "--out", str(out)]
    command += ["--route", route, "--count", str(count), "--workers", str(given.workers)]
    return measured(command, given.limit, show_errors=True)


def rows_of(out: Path, route: str) -> dict[int, dict[str, Any]]:
    """What the folder holds of a route, by case; a line that was cut off by a kill does not count."""
    file = out / f"{route}.jsonl"
    found = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[row["case"]] = row
    return found


def run_route(study_path: Path, settings: list[str], route: Any, count: int, workers: int, out: Path) -> None:
    """What the measured process does: runs the cases that the folder does not hold, and shows how far it is."""
    from vpp_sim.studies.pools import pool_for
    from vpp_sim.studies.run_cases import Chunk
    from vpp_sim.studies.study import load_study
    from vpp_sim.studies.sweep import LARGEST_CHUNK

    study = load_study(study_path, settings=settings)
    done = rows_of(out, route)
    cases = study.in_good_order()[:count]
    share = -(-len(cases) // workers)
    size = min(LARGEST_CHUNK, share) if route == "batch" else share
    chunks = []
    for first in range(0, len(cases), size):
        left = tuple(case for case in cases[first : first + size] if case.number not in done)
        if left:
            chunks.append(Chunk(route, left))
    total, finished_cases = sum(len(chunk.cases) for chunk in chunks), 0
    started = time.perf_counter()
    with pool_for(study, None, workers, None) as pool, (out / f"{route}.jsonl").open("a") as file:
        file.write("\n")  # behind a line that a kill may have cut off
        for finished in pool.run(chunks):
            for row in finished.rows:
                kept = {key: row.get(key) for key in ("case", "status", "route", "seconds", "reason", "objective")}
                file.write(json.dumps(kept) + "\n")
            file.flush()
            if finished.rows:
                finished_cases += len(finished.rows)
                passed = time.perf_counter() - started
                left_minutes = passed / finished_cases * (total - finished_cases) / 60
                print(
                    f"{route}: {finished_cases} of {total} cases, {60 * finished_cases / passed:.1f} a minute, "
                    f"{left_minutes:.1f} min left",
                    file=sys.stderr,
                    flush=True,
                )


if __name__ == "__main__":
    sys.exit(main())

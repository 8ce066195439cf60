"""A sweep: thousands of cases of one study, in a folder that is whole at every moment.

    study -> chunks of neighbouring cases -> rows, as they come -> parts -> results.parquet

Where several routes are open, one chunk by each begins the sweep, and the faster route takes the rest. Neither the
number of workers nor the order in which they finish decides which cases are solved together.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from vpp_sim.errors import InputError
from vpp_sim.studies.pools import Pool, pool_for
from vpp_sim.studies.routes import Route, possible_routes
from vpp_sim.studies.run_cases import Chunk
from vpp_sim.studies.store import RESULTS, Store, opened_store
from vpp_sim.studies.study import Case, Study, load_study

#: Cases in a chunk at least and at most: a batch fills lanes of eight, and a year takes about 20 MB in it.
SMALLEST_CHUNK, LARGEST_CHUNK = 8, 16
#: Fewer cases than this are not worth a measurement of routes.
WORTH_MEASURING = 48
#: Cases that the measurement gives to a route.
MEASURED_CASES = 8
#: Steps from which the batched solver is taken without a measurement.
LONG_STEPS = 960


@dataclass(frozen=True)
class Tally:
    """How far a sweep is."""

    total: int
    done: int
    failed: int
    #: Cases finished by this process, and the seconds it took for them.
    run: int
    seconds: float
    route: str = ""

    @property
    def per_minute(self) -> float:
        """Cases per minute of this process."""
        return 60.0 * self.run / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class SweepResult:
    """Where a sweep's table lies and how it went."""

    results: Path
    tally: Tally
    routes: dict[str, int]
    first_failure: str = ""


Watcher = Callable[[Tally], None]


def sweep(
    study: Study | str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    resume: bool = False,
    cluster: str | None = None,
    route: Route | None = None,
    watch: Watcher = lambda tally: None,
) -> SweepResult:
    """Run all cases of a study and write `results.parquet`, one row per case, into the folder `out`.

    Args:
        study: a study, or the path of its file.
        out: folder of the sweep; everything finished is safe in it at any moment.
        workers: processes; all cores if left out. One means this process.
        resume: go on with what the folder holds.
        cluster: address of a dask scheduler, or `local`, instead of own processes.
        route: `batch`, `warm` or `cold`; measured if left out.
        watch: told how far the sweep is.

    Raises:
        InputError: the study has faults; the folder holds something else or cannot be written; no cluster answers.
        KeyboardInterrupt: as it came, after what is finished was written.
    """
    study = study if isinstance(study, Study) else load_study(study)
    count = workers if workers is not None else cores()
    if count < 1:
        raise InputError(f"--workers: must be at least 1, got {count}")
    _check_route(study, route)
    with opened_store(Path(out), study, resume=resume) as store:
        running = _Running(store, watch)
        chosen = route or _chosen_route(study, store)
        left = [case for case in study.in_good_order() if case.number not in store.done]
        if left:
            count = max(1, min(count, -(-len(left) // 2)))
            try:
                with pool_for(study, store.series_folder, count, cluster) as pool:
                    running.through(pool, left, chosen)
            except BaseException:
                # also on Ctrl-C: what is finished becomes a table
                with suppress(InputError):
                    store.finish()
                raise
        return running.result(store.finish())


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chunk_size(num_cases: int) -> int:
    """Cases in a chunk: of the study alone, so that the same cases are solved together on any number of workers.

    >>> chunk_size(41), chunk_size(1000), chunk_size(100_000)
    (8, 16, 16)
    """
    return min(max(SMALLEST_CHUNK, 8 * (num_cases // (8 * 24))), LARGEST_CHUNK)


def _check_route(study: Study, wanted: Route | None) -> None:
    """Refuse a route that does not exist or is not open, before anything is written."""
    if wanted is None:
        return
    if wanted not in get_args(Route):
        raise InputError(f"--route: unknown route {wanted!r}; one of {', '.join(get_args(Route))}")
    solver = study.scenario(study.cases[0]).dispatch.solver
    if wanted not in (possible := possible_routes(solver)):
        raise InputError(f"--route {wanted}: not open with solver {solver}; one of {', '.join(possible)}")


def _chosen_route(study: Study, store: Store) -> Route | None:
    """The route noted earlier, or the only sensible one; None where it is to be measured."""
    first = study.scenario(study.cases[0])
    possible = possible_routes(first.dispatch.solver)
    noted = store.manifest().get("route")
    if noted in possible:
        chosen: Route = noted
        return chosen
    if len(possible) == 1:
        return possible[0]
    if len(study.cases) >= WORTH_MEASURING:
        return None
    return "batch" if "batch" in possible and first.grid.num_steps >= LONG_STEPS else "warm"


class _Running:
    """Takes rows from a pool to the store, and keeps count."""

    def __init__(self, store: Store, watch: Watcher) -> None:
        self.store, self.watch = store, watch
        self.started = time.perf_counter()
        self.before = len(store.done)
        self.run = self.failed = 0
        self.rows: list[dict[str, Any]] = []
        self._tell("")

    def through(self, pool: Pool, left: Sequence[Case], route: Route | None) -> None:
        """Run the cases that are left."""
        size = chunk_size(len(self.store.study.cases))
        if route is None:
            pilot, left = self._measured_chunks(left)
            self.rows = []
            self._take(pool, pilot, "measuring")
            route = self._fastest()
            self.store.flush()
            self.store.note(route=route)
        chunks = [Chunk(route, tuple(left[first : first + size])) for first in range(0, len(left), size)]
        self._take(pool, chunks, route)

    def _take(self, pool: Pool, chunks: Sequence[Chunk], label: str) -> None:
        for finished in pool.run(chunks):
            if not finished.rows:
                self.store.flush()
            self.store.add(finished)
            for row in finished.rows:
                self.run += 1
                self.failed += row["status"] != "ok"
                self.rows.append({key: row[key] for key in ("route", "status", "seconds")})
            self._tell(label)

    def _measured_chunks(self, left: Sequence[Case]) -> tuple[list[Chunk], Sequence[Case]]:
        solver = self.store.study.scenario(self.store.study.cases[0]).dispatch.solver
        routes: list[Route] = [route for route in possible_routes(solver) if route != "cold"]
        chunks = [
            Chunk(route, tuple(left[number * MEASURED_CASES : (number + 1) * MEASURED_CASES]))
            for number, route in enumerate(routes)
        ]
        return chunks, left[len(routes) * MEASURED_CASES :]

    def _fastest(self) -> Route:
        """The route with the least time per case; the first of a warm chain is a cold one."""
        times: dict[Route, list[float]] = {"batch": [], "warm": [], "cold": []}
        first_warm = True
        for row in self.rows:
            route: Route = row["route"]
            if row["status"] not in ("ok", "unverified"):
                continue
            if route == "warm" and first_warm:
                first_warm, route = False, "cold"
            times[route].append(row["seconds"])
        means = {route: sum(seconds) / len(seconds) for route, seconds in times.items() if seconds}
        return min(means, key=lambda route: means[route]) if means else "cold"

    def _tell(self, label: str) -> None:
        self.watch(self.tally(label))

    def tally(self, label: str = "") -> Tally:
        """How far the sweep is."""
        done = self.before + self.run
        seconds = time.perf_counter() - self.started
        return Tally(len(self.store.study.cases), done, self.failed, self.run, seconds, label)

    def result(self, results: Path) -> SweepResult:
        """How the sweep went, counted in its table."""
        rows = rows_in(results.parent, columns=["case", "status", "route", "reason"])
        failed = [row for row in rows if row["status"] != "ok"]
        routes = {route: sum(row["route"] == route for row in rows) for route in sorted({row["route"] for row in rows})}
        first = f"case {failed[0]['case']}: {failed[0]['status']}: {failed[0]['reason']}" if failed else ""
        return SweepResult(results, replace(self.tally(), done=len(rows), failed=len(failed)), routes, first)


def rows_in(folder: str | Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Rows of a sweep's table as mappings, in the order of the cases."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.ParquetFile(Path(folder) / RESULTS).read(columns=columns).to_pylist()
    return rows

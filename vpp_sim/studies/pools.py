"""Where chunks of cases are run: in this process, in processes of this machine, or on a dask cluster.

Every pool takes chunks and gives finished rows as they come, in any order. A worker process that dies (killed, out of
memory, a crash in native code) costs no more than the cases it was at: they are tried once more, each on its own, and
what kills its worker again is recorded as failed.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from vpp_sim.errors import DefectError, InputError, VppSimError
from vpp_sim.studies.run_cases import Chunk, Finished, Row, Worker, plain_value
from vpp_sim.studies.study import Case, Study, version

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

#: How often a pool says that it is alive.
TICK_SECONDS = 0.5
#: How long a scheduler may take to answer.
ANSWER_SECONDS = 20
#: What a worker process says first.
READY = "ready"
#: Tasks that a cluster may take back before that is held for its end.
MOST_CANCELLED = 1000
#: Chunks that are handed to a cluster ahead, per thread of it.
AHEAD = 3


class Pool(Protocol):
    """Runs chunks; a context manager that leaves nothing running behind."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, chunks: Iterable[Chunk]) -> Iterator[Finished]:
        """Rows as they come; an empty `Finished` now and then, so that the caller can see to other things."""
        ...


def lost_row(case: Case, route: str, reason: str) -> Row:
    """The row of a case whose worker died."""
    row: Row = {"case": case.number, "status": "worker_died", "route": route, "seconds": 0.0, "reason": reason}
    row.update({f"set.{path}": plain_value(path, value) for path, value in case.values})
    return row


class HerePool(AbstractContextManager["HerePool"]):
    """Runs chunks in this process."""

    def __init__(self, study: Study, series_folder: Path | None) -> None:
        self._worker = Worker(study, series_folder)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing runs besides."""

    def run(self, chunks: Iterable[Chunk]) -> Iterator[Finished]:
        """See `Pool.run`."""
        for chunk in chunks:
            yield from self._worker.run(chunk)


@dataclass
class _Hand:
    """One worker process, and the cases of its chunk that it has not finished."""

    process: BaseProcess
    pipe: Connection
    chunk: Chunk | None = None
    tried_before: bool = False
    #: Whether it has said that it runs.
    ready: bool = False


class LocalPool(AbstractContextManager["LocalPool"]):
    """Runs chunks in `size` processes of this machine, started afresh (spawn)."""

    def __init__(self, study: Study, series_folder: Path | None, size: int) -> None:
        self._study, self._series_folder = study, series_folder
        self._context = multiprocessing.get_context("spawn")
        self._hands = [self._started() for _ in range(size)]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hand in self._hands:
            with suppress(OSError):
                if error is None:
                    hand.pipe.send(None)
                else:
                    hand.process.kill()
            hand.pipe.close()
        for hand in self._hands:
            hand.process.join(5.0)
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()

    def _started(self) -> _Hand:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._study, self._series_folder), daemon=True, name="vpp-sim-sweep"
        )
        process.start()
        theirs.close()
        return _Hand(process, ours)

    def run(self, chunks: Iterable[Chunk]) -> Iterator[Finished]:
        """See `Pool.run`."""
        fresh = iter(chunks)
        again: deque[Chunk] = deque()
        while True:
            for hand in self._hands:
                if hand.chunk is None:
                    self._give(hand, fresh, again)
            busy = {hand.pipe: hand for hand in self._hands if hand.chunk is not None}
            if not busy:
                return
            ready = wait(list(busy), TICK_SECONDS)
            if not ready:
                yield Finished([])
            for pipe in ready:
                yield from self._heard(busy[pipe], again)  # type: ignore[index]  # only pipes were waited for

    def _give(self, hand: _Hand, fresh: Iterator[Chunk], again: deque[Chunk]) -> None:
        hand.tried_before = bool(again)
        chunk = again.popleft() if again else next(fresh, None)
        if chunk is None:
            return
        hand.chunk = chunk
        with suppress(OSError):  # a worker that died meanwhile is noticed when it is listened to
            hand.pipe.send(chunk)

    def _heard(self, hand: _Hand, again: deque[Chunk]) -> Iterator[Finished]:
        chunk = hand.chunk
        if chunk is None:
            return
        try:
            message = hand.pipe.recv()
        except (EOFError, OSError):
            yield from self._buried(hand, chunk, again)
            return
        if message == READY:
            hand.ready = True
        elif isinstance(message, Finished):
            done = {row["case"] for row in message.rows}
            hand.chunk = replace(chunk, cases=tuple(case for case in chunk.cases if case.number not in done))
            yield message
        elif isinstance(message, BaseException):
            raise message
        else:
            hand.chunk = None

    def _buried(self, hand: _Hand, chunk: Chunk, again: deque[Chunk]) -> Iterator[Finished]:
        """A worker died: another takes its place, and its cases are tried once more, each on its own."""
        hand.process.join()
        code = hand.process.exitcode or 0
        if not hand.ready and code > 0:
            raise InputError(
                f"a worker process could not be started (exit code {code}); a script that calls sweep() must do so "
                "below `if __name__ == '__main__':`, or use workers=1"
            )
        hand.pipe.close()
        alone = hand.tried_before and len(chunk.cases) == 1
        self._hands[self._hands.index(hand)] = self._started()
        if alone:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            hint = "; memory may have run out: fewer --workers, or --route warm" if code == -signal.SIGKILL else ""
            rows = [lost_row(case, chunk.route, f"the worker process died twice ({how}){hint}") for case in chunk.cases]
            yield Finished(rows)
        else:
            again.extend(replace(chunk, cases=(case,)) for case in chunk.cases)
            yield Finished([])


def _serve(pipe: Connection, study: Study, series_folder: Path | None) -> None:
    """What a worker process does: rows as they come, then None for each chunk, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker(study, series_folder)
    try:
        pipe.send(READY)
        while (chunk := pipe.recv()) is not None:
            try:
                for finished in worker.run(chunk):
                    pipe.send(finished)
                pipe.send(None)
            except Exception as error:
                pipe.send(error if isinstance(error, VppSimError) else DefectError(f"{type(error).__name__}: {error}"))
    except (EOFError, OSError):
        return


def _end_with_parent() -> None:
    """End this process when its parent has gone, however that went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class ClusterPool(AbstractContextManager["ClusterPool"]):
    """Runs chunks on a dask cluster: an address such as tcp://head:8786, a scheduler file, or `local`.

    The study is sent to each worker once; chunks hold numbers of cases only. Data files are read by the workers, so
    their paths must be the same everywhere (a shared file system).
    """

    def __init__(self, study: Study, series_folder: Path | None, address: str, size: int) -> None:
        distributed = _distributed()
        self._study, self._address = study, address
        self._cancelled = 0
        self._cluster: Any = None
        try:
            if address == "local":
                # the dashboard needs further packages and an open port
                self._cluster = distributed.LocalCluster(
                    n_workers=size,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    silence_logs=logging.ERROR,
                )
                self._client = distributed.Client(self._cluster)
            elif address.endswith(".json"):
                self._client = distributed.Client(scheduler_file=address, timeout=ANSWER_SECONDS)
            else:
                self._client = distributed.Client(address, timeout=ANSWER_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"--cluster {address}: no scheduler answers there ({error}); start one with `dask scheduler` and "
                "workers with `dask worker ADDRESS`, or use --cluster local"
            ) from None
        self._check_workers()
        # a task instead of scattered data: it is made anew should every worker that holds it die
        self._payload = self._client.submit(_kept, study, series_folder, key=f"study-{study.digest}", pure=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):
            self._client.cancel(self._payload)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def _check_workers(self) -> None:
        """The same version of this package, and every data file, on all workers."""
        self._client.wait_for_workers(1, timeout=60)
        files = (str(self._study.base.path.resolve()), *self._study.files)
        seen: dict[str, tuple[str, list[str]]] = self._client.run(_what_a_worker_has, files)
        for worker, (installed, missing) in seen.items():
            if installed != version():
                raise InputError(f"--cluster: worker {worker} has version {installed} of vpp-sim, this is {version()}")
            if missing:
                raise InputError(
                    f"--cluster: worker {worker} does not see {missing[0]}; put the study's files on a file system "
                    "that all nodes share"
                )

    def run(self, chunks: Iterable[Chunk]) -> Iterator[Finished]:
        """See `Pool.run`."""
        distributed = _distributed()
        fresh = iter(chunks)
        again: deque[Chunk] = deque()
        given: dict[Any, Chunk] = {}
        queue = distributed.as_completed(with_results=False)

        def give() -> bool:
            chunk = again.popleft() if again else next(fresh, None)
            if chunk is None:
                return False
            numbers = tuple(case.number for case in chunk.cases)
            future = self._client.submit(_run_numbers, self._payload, chunk.route, numbers, pure=False)
            given[future] = chunk
            queue.add(future)
            return True

        while len(given) < AHEAD * max(self._threads(), 1) and give():
            pass
        for future in queue:
            chunk = given.pop(future)
            yield from self._come_back(future, chunk, again)
            while len(given) < AHEAD * max(self._threads(), 1) and give():
                pass

    def _threads(self) -> int:
        return sum(self._client.nthreads().values())

    def _come_back(self, future: Any, chunk: Chunk, again: deque[Chunk]) -> Iterator[Finished]:
        distributed = _distributed()
        try:
            yield from future.result()
        except distributed.KilledWorker as error:
            if len(chunk.cases) > 1:
                again.extend(replace(chunk, cases=(case,)) for case in chunk.cases)
            else:
                yield Finished([lost_row(case, chunk.route, f"workers died: {error}") for case in chunk.cases])
        except CancelledError:
            self._cancelled += 1
            if self._client.status != "running" or self._cancelled > MOST_CANCELLED:
                raise InputError(
                    f"--cluster {self._address}: the scheduler is gone; what is finished is safe, and --resume goes on "
                    "with the rest, here or on another cluster"
                ) from None
            again.append(chunk)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError("--cluster needs dask.distributed: pip install 'vpp-sim[cluster]'") from None
    return distributed


def _kept(study: Study, series_folder: Path | None) -> tuple[Study, Path | None]:
    return study, series_folder


#: One worker object per thread, so that what cases share is read once in each.
_of_thread = threading.local()


def _run_numbers(payload: tuple[Study, Path | None], route: Any, numbers: tuple[int, ...]) -> list[Finished]:
    study, series_folder = payload
    asked = (study.digest, series_folder)
    if getattr(_of_thread, "asked", None) != asked:
        _of_thread.worker, _of_thread.asked = Worker(study, series_folder), asked
    worker: Worker = _of_thread.worker
    cases = worker.study.cases
    return list(worker.run(Chunk(route, tuple(cases[number] for number in numbers))))


def _what_a_worker_has(files: tuple[str, ...]) -> tuple[str, list[str]]:
    return version(), [file for file in files if not Path(file).exists()]


def pool_for(study: Study, series_folder: Path | None, workers: int, cluster: str | None) -> Pool:
    """The pool that was asked for."""
    if cluster is not None:
        return ClusterPool(study, series_folder, cluster, workers)
    return HerePool(study, series_folder) if workers == 1 else LocalPool(study, series_folder, workers)

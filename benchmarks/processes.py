"""A command measured from outside: wall time, processor time and peak memory of it and all it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Between two looks at the memory of a running command; a solver of its own that ends sooner is not seen.
SAMPLE_SECONDS = 0.01


@dataclass(frozen=True)
class Measured:
    """What a command said and took; processor time is user and system together."""

    returncode: int
    stdout: str
    stderr: str
    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    too_slow: bool = False

    @property
    def last_error(self) -> str:
        """Why it ended badly: the time limit, or the last line of the standard error."""
        if self.too_slow:
            return f"stopped after {self.wall_seconds:.0f} s"
        return (self.stderr.strip().splitlines() or ["no output"])[-1]


def measured(command: list[str], limit_seconds: float | None = None, *, show_errors: bool = False) -> Measured:
    """Run a command to its end or to a limit of time, with compiled modules kept as they are for every user.

    With `show_errors` its standard error is shown as it comes, and not kept.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        # a session of its own, so that a solver that runs as a program beside its caller is stopped with it
        shown = None if show_errors else err
        process = subprocess.Popen(command, stdout=out, stderr=shown, env=environment, start_new_session=True)
        watch = _Watch(process.pid, limit_seconds)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            watch.stop_all()
            raise
        finally:
            watch.ended.set()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.join()
        # elsewhere than on Linux; there it would also count what this process held when it started the other
        own_mb = usage.ru_maxrss / (1024.0**2 if sys.platform == "darwin" else 1024.0)
        out.seek(0)
        err.seek(0)
        return Measured(
            returncode=process.returncode,
            stdout=out.read(),
            stderr=err.read(),
            wall_seconds=wall,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_memory_mb=watch.peak_mb or own_mb,
            too_slow=watch.too_slow,
        )


class _Watch(threading.Thread):
    """Stops a process at its limit, and adds up the peaks of it and of the descendants that live beside it (Linux).

    The operating system's own figure for ended processes is that of the largest one, which misses a solver that is run
    as a program beside its caller.
    """

    def __init__(self, pid: int, limit_seconds: float | None) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.deadline = None if limit_seconds is None else time.perf_counter() + limit_seconds
        self.peak_mb = 0.0
        self.too_slow = False
        self.ended = threading.Event()

    def stop_all(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def run(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            if self.deadline is not None and time.perf_counter() > self.deadline:
                self.too_slow = True
                self.stop_all()
                return
            self.peak_mb = max(self.peak_mb, sum(_peak_mb(pid) for pid in _with_descendants(self.pid)))


def _with_descendants(pid: int) -> list[int]:
    found = [pid]
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        # a child that is not yet a program of its own still shows its parent's memory
        own = _read(Path(f"/proc/{pid}/cmdline"))
        for child in _read(listing).split():
            if _read(Path(f"/proc/{child}/cmdline")) != own:
                found += _with_descendants(int(child))
    return found


def _peak_mb(pid: int) -> float:
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024.0
    return 0.0


def _read(path: Path) -> str:
    """Text of a file under /proc; empty once its process has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""

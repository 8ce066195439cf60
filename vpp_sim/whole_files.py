"""Files and folders that are whole or absent, whatever happens to the process that writes them.

What is made lies beside its place under a name that begins with a dot, and is renamed in the end. A request to stop
(Ctrl-C, a queueing system's SIGTERM, a closed terminal) waits while things are renamed or cleared away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Requests to stop; the last does not exist everywhere.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
#: Names are kept short enough for file systems that allow 255 bytes, whatever the name of the place.
LONGEST_NAME = 40


@contextmanager
def undisturbed() -> Iterator[None]:
    """Requests to stop wait until the block is over. Threads other than the first are never asked to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    before: dict[int, Any] = {}
    try:
        for number in STOPPING:
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, lambda number, frame: asked.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked:
            signal.raise_signal(asked[0])


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes its place at the end of the block, or is removed."""
    made = path.with_name(f".{path.name[:LONGEST_NAME]}.{os.getpid()}.{threading.get_ident()}")
    try:
        yield made
        made.replace(path)
    except OSError as error:
        if error.filename == str(made):  # whoever reads the message knows the file by its own name
            error.filename = str(path)
        raise
    finally:
        with undisturbed(), contextlib.suppress(OSError):
            made.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; at the end of the block it takes the place of `folder` as a whole, or is removed."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    try:
        with undisturbed():
            made.append(_made_beside(folder))
        yield made[0]
        made[0].chmod(0o755)
        with _one_at_a_time(folder.parent), undisturbed():
            if folder.is_dir():
                made.append(_made_beside(folder))
                made[1].rmdir()
                folder.rename(made[1])
            try:
                made[0].rename(folder)
            except OSError:
                if len(made) > 1 and not folder.exists():
                    made[1].rename(folder)
                raise
    finally:
        with undisturbed():
            for left in made:
                shutil.rmtree(left, ignore_errors=True)


def reason(error: OSError) -> str:
    """Why the system refused, in its own words, whichever library passed the error on.

    >>> reason(OSError(28, "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"))
    'No space left on device'
    """
    return os.strerror(error.errno) if error.errno else str(error)


def _made_beside(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{folder.name[:LONGEST_NAME]}.", dir=folder.parent))


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Processes that rename something in a folder do so one after the other, where the file system has locks."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield

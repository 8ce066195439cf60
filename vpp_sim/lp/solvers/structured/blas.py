"""One thread for small dense systems, for as long as anybody solves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_at_work = 0
_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread within the block, and in every block that overlaps it; then give it its threads back.

    The border's systems have 10 to 200 unknowns. With two threads they were no faster on an idle machine, and where
    other processes were at work (a sweep's workers) the threads waited for each other: 23 ms instead of 0.2 ms each.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    global _at_work, _limit
    with _lock:
        if _at_work == 0:
            _limit = threadpool_limits(limits=1, user_api="blas")
        _at_work += 1
    try:
        yield
    finally:
        with _lock:
            _at_work -= 1
            if _at_work == 0:
                _limit.restore_original_limits()
                _limit = None

"""The case given to `scipy.optimize.linprog`: the same matrix, split into equations and inequalities for it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from benchmarks.reference import ReferenceCase, program
from benchmarks.registry import Outcome


def solve_with_linprog(case: ReferenceCase, method: str) -> Outcome:
    """Objective and times; `method` is `highs-ds` or `highs-ipm`."""
    started = time.perf_counter()
    ours = program(case)
    rows = sp.csr_array(ours.matrix)
    equal = ours.row_lower == ours.row_upper
    above = np.isfinite(ours.row_upper) & ~equal
    below = np.isfinite(ours.row_lower) & ~equal
    parts: dict[str, Any] = {
        "A_ub": sp.vstack([rows[above], -rows[below]]),
        "b_ub": np.concatenate([ours.row_upper[above], -ours.row_lower[below]]),
        "A_eq": rows[equal],
        "b_eq": ours.row_upper[equal],
        "bounds": np.column_stack([ours.lower, ours.upper]),
    }
    built = time.perf_counter()
    found = linprog(ours.cost, method=method, **parts)
    solved = time.perf_counter()
    if not found.success:
        raise RuntimeError(f"linprog {method}: {found.message}")
    return Outcome(float(found.fun) + ours.cost_offset, built - started, solved - built, int(found.nit))

"""Proof of optimality from the numbers alone: primal and dual residuals and the duality gap, trusting no solver.

With row duals y and reduced costs z = c - A'y, split by sign (v+ = max(v, 0), v- = max(-v, 0)), weak duality gives

    dual objective = sum(y+ row_lower - y- row_upper) + sum(z+ lower - z- upper)  <=  cost'x

for every feasible x. A y or z whose sign needs an infinite bound is a dual violation and is left out of the sum.
Residuals are relative to the size of the numbers that make the row or column (largest term, and 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp_sim.lp.program import FloatArray, LinearProgram


@dataclass(frozen=True)
class Certificate:
    """Largest relative violations and the relative gap between primal and dual objective (NaN without duals)."""

    primal_residual: float
    dual_residual: float
    gap: float
    primal_objective: float
    dual_objective: float

    def passed(self, tolerance: float = 1e-6) -> bool:
        """Whether everything that could be computed lies within `tolerance`; without duals only feasibility counts."""
        numbers = (self.primal_residual, self.dual_residual, self.gap)
        return self.primal_residual <= tolerance and all(not value > tolerance for value in numbers)

    @property
    def proves_optimality(self) -> bool:
        """Whether there were duals to prove it with."""
        return bool(np.isfinite(self.gap))


def _largest(values: FloatArray) -> float:
    return float(values.max()) if values.size else 0.0


def _excess(values: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    return np.maximum(np.maximum(lower - values, values - upper), 0.0)


def _bound_size(lower: FloatArray, upper: FloatArray) -> FloatArray:
    finite_low = np.where(np.isfinite(lower), np.abs(lower), 0.0)
    finite_high = np.where(np.isfinite(upper), np.abs(upper), 0.0)
    return np.maximum(finite_low, finite_high)


def certify(program: LinearProgram, primal: FloatArray, row_dual: FloatArray | None) -> Certificate:
    """Certificate of a point (num_columns,) and, where given, row duals (num_rows,)."""
    matrix = program.matrix
    absolute = abs(matrix)
    activity = matrix @ primal
    row_scale = 1.0 + np.maximum(absolute @ np.abs(primal), _bound_size(program.row_lower, program.row_upper))
    column_scale = 1.0 + _bound_size(program.lower, program.upper)
    primal_residual = max(
        _largest(_excess(activity, program.row_lower, program.row_upper) / row_scale),
        _largest(_excess(primal, program.lower, program.upper) / column_scale),
    )
    primal_objective = float(program.cost @ primal) + program.cost_offset
    if row_dual is None:
        return Certificate(primal_residual, np.nan, np.nan, primal_objective, np.nan)

    reduced = program.cost - matrix.T @ row_dual
    dual_size = 1.0 + np.abs(program.cost) + absolute.T @ np.abs(row_dual)
    largest_dual = 1.0 + float(np.abs(row_dual).max(initial=0.0))

    def support(values: FloatArray, lower: FloatArray, upper: FloatArray) -> tuple[float, FloatArray]:
        positive, negative = np.maximum(values, 0.0), np.maximum(-values, 0.0)
        bad = np.where(np.isfinite(lower), 0.0, positive) + np.where(np.isfinite(upper), 0.0, negative)
        low = positive @ np.where(np.isfinite(lower), lower, 0.0)
        high = negative @ np.where(np.isfinite(upper), upper, 0.0)
        return float(low - high), bad

    rows, row_bad = support(row_dual, program.row_lower, program.row_upper)
    columns, column_bad = support(reduced, program.lower, program.upper)
    dual_objective = rows + columns + program.cost_offset
    dual_residual = max(_largest(row_bad) / largest_dual, _largest(column_bad / dual_size))
    scale = 1.0 + max(abs(primal_objective), abs(dual_objective))
    gap = abs(primal_objective - dual_objective) / scale
    return Certificate(primal_residual, dual_residual, gap, primal_objective, dual_objective)

"""Proof of optimality from the numbers alone: primal and dual residuals and the duality gap, trusting no solver.

With row duals y and reduced costs z = c - A'y, split by sign (v+ = max(v, 0), v- = max(-v, 0)), weak duality gives

    dual objective = sum(y+ row_lower - y- row_upper) + sum(z+ lower - z- upper)  <=  cost'x

for every feasible x. A row dual whose sign needs an infinite bound is set to 0 first, which moves its error into z and
into the gap; a z whose sign needs an infinite bound is a dual violation and is left out of the sum.

Every residual is relative to the numbers that make it: a row's to its terms and to the bound it misses, a variable's
to the bound it misses, a reduced cost to the terms of its column, the gap to the larger objective without its
constant. A huge bound or dual elsewhere in the program must not make an error look small. Below 1 they
are absolute, or relative to the largest bound or cost where even that is below 1 (money in millions, power in GW).
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


def _floor(*arrays: FloatArray) -> float:
    """Below what size residuals count as absolute: 1, or the largest finite number where all are smaller."""
    largest = max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays)
    return min(1.0, largest) if largest > 0.0 else 1.0


def _excess(values: FloatArray, lower: FloatArray, upper: FloatArray, size: FloatArray | float) -> FloatArray:
    """By how much values miss their bounds, relative to `size` and the bound missed."""
    low = np.where(np.isfinite(lower), lower, values)
    high = np.where(np.isfinite(upper), upper, values)
    below = (low - values) / np.maximum(size, np.abs(low))
    above = (values - high) / np.maximum(size, np.abs(high))
    return np.maximum(np.maximum(below, above), 0.0)


def _sum_of_products(left: FloatArray, right: FloatArray) -> float:
    """Pairwise, which rounds less than `@`, and without threads, whose start takes 20 ms on a busy machine."""
    return float((left * right).sum())


def certify(program: LinearProgram, primal: FloatArray, row_dual: FloatArray | None) -> Certificate:
    """Certificate of a point (num_columns,) and, where given, row duals (num_rows,).

    A point or duals with NaN or infinity in them get infinite residuals.
    """
    primal_objective = _sum_of_products(program.cost, primal) + program.cost_offset
    if not np.isfinite(primal).all():
        return Certificate(np.inf, np.inf, np.inf, primal_objective, np.nan)
    matrix = program.matrix
    absolute = abs(matrix)
    size = _floor(program.row_lower, program.row_upper, program.lower, program.upper)
    row_size = np.maximum(size, absolute @ np.abs(primal))
    primal_residual = max(
        _largest(_excess(matrix @ primal, program.row_lower, program.row_upper, row_size)),
        _largest(_excess(primal, program.lower, program.upper, size)),
    )
    if row_dual is None:
        return Certificate(primal_residual, np.nan, np.nan, primal_objective, np.nan)
    if not np.isfinite(row_dual).all():
        return Certificate(primal_residual, np.inf, np.inf, primal_objective, np.nan)

    dual = np.where(np.isfinite(program.row_lower), row_dual, np.minimum(row_dual, 0.0))
    dual = np.where(np.isfinite(program.row_upper), dual, np.maximum(dual, 0.0))
    reduced = program.cost - matrix.T @ dual
    price = _floor(program.cost)
    reduced_size = np.maximum(price, np.abs(program.cost) + absolute.T @ np.abs(dual))

    def support(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
        low = _sum_of_products(np.maximum(values, 0.0), np.where(np.isfinite(lower), lower, 0.0))
        high = _sum_of_products(np.maximum(-values, 0.0), np.where(np.isfinite(upper), upper, 0.0))
        return low - high

    wrong = np.maximum(np.where(np.isfinite(program.lower), 0.0, reduced), 0.0)
    wrong += np.maximum(np.where(np.isfinite(program.upper), 0.0, -reduced), 0.0)
    dual_residual = _largest(wrong / reduced_size)
    without_offset = primal_objective - program.cost_offset
    dual_value = support(dual, program.row_lower, program.row_upper) + support(reduced, program.lower, program.upper)
    gap = abs(without_offset - dual_value) / max(size * price, abs(without_offset), abs(dual_value))
    return Certificate(primal_residual, dual_residual, gap, primal_objective, dual_value + program.cost_offset)

"""Proof of optimality from the numbers alone: primal and dual residuals and the duality gap, trusting no solver.

With row duals y and reduced costs z = c - A'y, split by sign (v+ = max(v, 0), v- = max(-v, 0)), weak duality gives

    dual objective = sum(y+ row_lower - y- row_upper) + sum(z+ lower - z- upper)  <=  cost'x

for every feasible x. A row dual whose sign needs an infinite bound is set to 0 first, which moves its error into z and
into the gap; a z whose sign needs an infinite bound is a dual violation and is left out of the sum.

Every residual is relative to the numbers that make it: a row's to its terms and to the bound it misses, a variable's
to the bound it misses, a reduced cost to the terms of its column, the gap to the larger objective without its
constant. A huge bound or dual elsewhere in the program must not make an error look small. Below 1 they
are absolute, or relative to the largest bound or cost where even that is below 1 (money in millions, power in GW).

That a program has no point is proved the same way, without costs (Farkas 1902): with z = A'y any point would have

    sum(y+ row_lower - y- row_upper)  <=  y'A x  =  z'x  <=  sum(z+ upper - z- lower)

so that none exists where the left sum is above the right one, whoever y comes from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp_sim.lp.alike import Alike
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


def signed_duals(program: LinearProgram, row_dual: FloatArray) -> FloatArray:
    """Row duals (num_rows,) without those whose sign needs an infinite bound."""
    dual = np.where(np.isfinite(program.row_lower), row_dual, np.minimum(row_dual, 0.0))
    return np.where(np.isfinite(program.row_upper), dual, np.maximum(dual, 0.0))


def support(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Sum of the smallest products of values with what lies between bounds; where that is endless, 0."""
    low = _sum_of_products(np.maximum(values, 0.0), np.where(np.isfinite(lower), lower, 0.0))
    high = _sum_of_products(np.maximum(-values, 0.0), np.where(np.isfinite(upper), upper, 0.0))
    return low - high


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

    dual = signed_duals(program, row_dual)
    reduced = program.cost - matrix.T @ dual
    price = _floor(program.cost)
    reduced_size = np.maximum(price, np.abs(program.cost) + absolute.T @ np.abs(dual))

    wrong = np.maximum(np.where(np.isfinite(program.lower), 0.0, reduced), 0.0)
    wrong += np.maximum(np.where(np.isfinite(program.upper), 0.0, -reduced), 0.0)
    dual_residual = _largest(wrong / reduced_size)
    without_offset = primal_objective - program.cost_offset
    dual_value = support(dual, program.row_lower, program.row_upper) + support(reduced, program.lower, program.upper)
    gap = abs(without_offset - dual_value) / max(size * price, abs(without_offset), abs(dual_value))
    return Certificate(primal_residual, dual_residual, gap, primal_objective, dual_value + program.cost_offset)


#: No proof of infeasibility rests on less than if every row and bound were looser by this share (below 1: by so much).
LOOSER = 1e-6
#: Multipliers below these shares of the largest are left out, one share after the other: an iterate's noise.
NOISE = (1e-10, 1e-8, 1e-6)
#: What is counted for a bound that is infinite: a point with larger numbers is none.
LARGEST = 1e10


def proves_infeasibility(program: LinearProgram, row_dual: FloatArray) -> bool:
    """Whether multipliers of the rows, (num_rows,), show that no point meets all rows and bounds, not even nearly.

    >>> from vpp_sim.lp import ProgramBuilder
    >>> builder = ProgramBuilder(num_steps=1)
    >>> flow = builder.variables("flow", upper=3.0)
    >>> builder.constrain("demand", [(flow, 1.0)], lower=4.0)
    >>> proves_infeasibility(builder.freeze(), np.array([1.0])), proves_infeasibility(builder.freeze(), np.zeros(1))
    (True, False)
    """
    largest = float(np.abs(row_dual).max(initial=0.0))
    if not 0.0 < largest < np.inf:
        return False
    matrix = program.matrix
    rounding = 64.0 * np.finfo(np.float64).eps * abs(matrix).T

    def most(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
        """The most that `values` times numbers between bounds, made a little looser, come to."""
        low, high = np.clip(lower, -LARGEST, LARGEST), np.clip(upper, -LARGEST, LARGEST)
        low, high = (bound + side * LOOSER * np.maximum(1.0, np.abs(bound)) for bound, side in ((low, -1), (high, 1)))
        return _sum_of_products(np.maximum(values, 0.0), high) - _sum_of_products(np.maximum(-values, 0.0), low)

    def of_columns(multipliers: FloatArray) -> FloatArray:
        values = matrix.T @ multipliers
        return np.where(np.abs(values) > rounding @ np.abs(multipliers), values, 0.0)

    for noise in NOISE:
        first = signed_duals(program, np.where(np.abs(row_dual) > noise * largest, row_dual / largest, 0.0))
        for multipliers in (first, _without_open_ends(program, first, of_columns(first))):
            # what the rows ask for at least, and what the columns give at most
            asked = -most(-multipliers, program.row_lower, program.row_upper)
            if asked > most(of_columns(multipliers), program.lower, program.upper):
                return True
    return False


def _without_open_ends(program: LinearProgram, multipliers: FloatArray, columns: FloatArray) -> FloatArray:
    """The multipliers without those of rows that pull columns towards a bound that is infinite."""
    sign = np.where((columns > 0.0) & ~np.isfinite(program.upper), 1.0, 0.0)
    sign -= np.where((columns < 0.0) & ~np.isfinite(program.lower), 1.0, 0.0)
    open_ended = np.flatnonzero(sign)
    entries = program.matrix[:, open_ended].tocoo()
    rows, places = entries.coords
    pulling = entries.data * multipliers[rows] * sign[open_ended][places] > 0.0
    kept = multipliers.copy()
    kept[rows[pulling]] = 0.0
    return kept


def certify_alike(alike: Alike, primal: FloatArray, row_dual: FloatArray) -> list[Certificate]:
    """`certify` for programs of one structure, (programs, columns) and (programs, rows), from their terms.

    The matrix is made from the same terms; programs that have no matrix need none made for this.
    """
    layout, n, count = alike.layout, alike.steps, alike.count
    known = np.atleast_1d(np.isfinite(primal).all(axis=1) & np.isfinite(row_dual).all(axis=1))
    x = primal if known.all() else np.where(known[:, None], primal, 0.0)
    y = row_dual if known.all() else np.where(known[:, None], row_dual, 0.0)
    blocks, rows, totals = layout.step_blocks, range(len(layout.row_blocks)), range(len(layout.total_rows))
    globals_, last = slice(layout.first_global_column, None), slice(layout.first_total_row, None)

    # (bounds, cost) of every group of columns and the bounds of every group of rows, each (1 or programs, ...)
    columns = [
        (alike.of_block("lower", i), alike.of_block("upper", i), alike.of_block("cost", i)) for i in range(len(blocks))
    ]
    columns.append((alike.of_globals("lower"), alike.of_globals("upper"), alike.of_globals("cost")))
    where = [slice(block.start, block.start + n) for block in blocks] + [globals_]
    limits = [(alike.of_row("row_lower", r), alike.of_row("row_upper", r)) for r in rows]
    limits.append((alike.of_totals("row_lower"), alike.of_totals("row_upper")))
    at_rows = [slice(block.start, block.start + n) for block in layout.row_blocks] + [last]

    def floor(arrays: list[FloatArray]) -> FloatArray:
        largest = np.zeros(count)
        for array in arrays:
            if array.size:
                largest = np.maximum(largest, np.where(np.isfinite(array), np.abs(array), 0.0).max(axis=1))
        return np.where(largest > 0.0, np.minimum(largest, 1.0), 1.0)[:, None]

    size = floor([bound for low, high, *_ in (*columns, *limits) for bound in (low, high)])
    price = floor([cost for *_, cost in columns])
    primal_objective, dual_value = np.zeros(count), np.zeros(count)
    primal_residual, dual_residual = np.zeros(count), np.zeros(count)

    def worst(so_far: FloatArray, values: FloatArray) -> FloatArray:
        return np.asarray(np.maximum(so_far, values.max(axis=1, initial=0.0)))

    def supports(values: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        gained = np.maximum(values, 0.0) * np.where(np.isfinite(low), low, 0.0)
        return np.asarray((gained - np.maximum(-values, 0.0) * np.where(np.isfinite(high), high, 0.0)).sum(axis=1))

    signed = np.empty_like(y)
    for r, ((low, high), at) in enumerate(zip(limits, at_rows, strict=True)):
        if r in rows:
            activity, terms = alike.activity(r, x)
        else:
            found = [alike.total_activity(number, x) for number in totals]
            activity = np.array([one for one, _ in found]).reshape(len(totals), count).T
            terms = np.array([one for _, one in found]).reshape(len(totals), count).T
        primal_residual = worst(primal_residual, _excess(activity, low, high, np.maximum(size, terms)))
        own = np.where(np.isfinite(low), y[:, at], np.minimum(y[:, at], 0.0))
        own = signed[:, at] = np.where(np.isfinite(high), own, np.maximum(own, 0.0))
        dual_value += supports(own, low, high)
    for i, ((low, high, cost), at) in enumerate(zip(columns, where, strict=True)):
        here = x[:, at]
        primal_residual = worst(primal_residual, _excess(here, low, high, size))
        primal_objective += (cost * here).sum(axis=1)
        product, terms = alike.transposed(i, signed) if i < len(blocks) else alike.transposed_globals(signed)
        reduced = cost - product
        wrong = np.maximum(np.where(np.isfinite(low), 0.0, reduced), 0.0)
        wrong += np.maximum(np.where(np.isfinite(high), 0.0, -reduced), 0.0)
        dual_residual = worst(dual_residual, wrong / np.maximum(price, np.abs(cost) + terms))
        dual_value += supports(reduced, low, high)
    scale = np.maximum(np.maximum((size * price)[:, 0], np.abs(primal_objective)), np.abs(dual_value))
    gap = np.abs(primal_objective - dual_value) / scale
    offset = np.array([program.cost_offset for program in alike.programs])
    numbers = np.stack((primal_residual, dual_residual, gap, primal_objective + offset, dual_value + offset))
    numbers[:, ~known] = np.array([np.inf, np.inf, np.inf, np.nan, np.nan])[:, None]
    return [Certificate(*one) for one in numbers.T.tolist()]

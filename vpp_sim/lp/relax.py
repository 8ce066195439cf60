"""Programs made looser: by numbers that their bounds depend on, or by a priced violation of rows and bounds.

A number theta that bounds depend on linearly (a limit, a size, a share) becomes a variable:

    lower + theta dl <= x <= upper + theta du,    row_lower + theta r <= A x <= row_upper + theta r,    theta >= 0

so that the least theta at which anything is feasible is the optimum of one linear program, which is a chain like the
program itself. What `elastic` and `with_peaks` make has columns and rows beyond the named blocks, and is for solvers
that read the matrix alone (HiGHS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vpp_sim.lp.program import FloatArray, GlobalBlock, GlobalTerm, LinearProgram, RowBlock, StepTerm, TotalRow
from vpp_sim.lp.solution import Solution

#: Relative difference below which numbers of two programs are the same.
SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Shift:
    """By how much the bounds of a program move per unit of one number: (num_columns,) and (num_rows,) arrays."""

    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray

    def agrees_with(self, other: Shift) -> bool:
        """Whether both are the same line."""
        pairs = ((getattr(self, side), getattr(other, side)) for side in ("lower", "upper", "row_lower", "row_upper"))
        return all(
            np.allclose(one, two, rtol=1e-6, atol=SAME * (1.0 + np.abs(two).max(initial=0.0))) for one, two in pairs
        )

    def slope(self, program: LinearProgram, solution: Solution) -> float:
        """Derivative of the optimum per unit of the number, from the duals; -inf where there are none."""
        reduced = solution.reduced_cost(program)
        if reduced is None or solution.row_dual is None:
            return -np.inf
        rows = np.where(solution.row_dual > 0, self.row_lower, self.row_upper)
        columns = np.where(reduced > 0, self.lower, self.upper)
        return float(solution.row_dual @ rows + reduced @ columns)


def shift_between(one: LinearProgram, other: LinearProgram, apart: float) -> Shift | None:
    """How bounds move per unit, from the programs at two numbers `apart`; None where more than bounds differs."""
    if one.structure != other.structure or not _same_matrix(one, other):
        return None
    moves = [
        _move(before, after, apart)
        for before, after in (
            (one.lower, other.lower),
            (one.upper, other.upper),
            (one.row_lower, other.row_lower),
            (one.row_upper, other.row_upper),
        )
    ]
    lower, upper, row_lower, row_upper = moves
    if lower is None or upper is None or row_lower is None or row_upper is None:
        return None
    both = np.isfinite(one.row_lower) & np.isfinite(one.row_upper)
    if not np.allclose(row_lower[both], row_upper[both], rtol=1e-6, atol=0.0):
        return None
    return Shift(lower, upper, row_lower, row_upper)


def shift_onto(shift: Shift, program: LinearProgram, other: LinearProgram) -> Shift:
    """The shift of a program's bounds as one of another program's, in the blocks and rows that both have by name."""
    lower, upper = np.zeros(other.num_columns), np.zeros(other.num_columns)
    row_lower, row_upper = np.zeros(other.num_rows), np.zeros(other.num_rows)
    columns = {block.name for block in program.step_blocks} | {block.name for block in program.global_blocks}
    names = [block.name for block in other.step_blocks] + [block.name for block in other.global_blocks]
    for name in (name for name in names if name in columns):
        here, there = program.columns(name), other.columns(name)
        lower[there], upper[there] = shift.lower[here], shift.upper[here]
    rows = {row.name for row in program.row_blocks} | {row.name for row in program.total_rows}
    names = [row.name for row in other.row_blocks] + [row.name for row in other.total_rows]
    for name in (name for name in names if name in rows):
        here, there = program.rows(name), other.rows(name)
        row_lower[there], row_upper[there] = shift.row_lower[here], shift.row_upper[here]
    return Shift(lower, upper, row_lower, row_upper)


def _move(before: FloatArray, after: FloatArray, apart: float) -> FloatArray | None:
    finite = np.isfinite(before)
    if (finite != np.isfinite(after)).any():
        return None
    old, new = np.where(finite, before, 0.0), np.where(finite, after, 0.0)
    changed = np.abs(new - old) > SAME * np.maximum(np.abs(old), np.abs(new))
    return np.where(changed, (new - old) / apart, 0.0)


def _same_matrix(one: LinearProgram, other: LinearProgram) -> bool:
    a, b = one.matrix, other.matrix
    return (
        np.array_equal(a.indptr, b.indptr)
        and np.array_equal(a.indices, b.indices)
        and np.allclose(a.data, b.data, rtol=SAME, atol=0.0)
    )


def with_shifts(program: LinearProgram, shifts: Sequence[Shift], most: FloatArray, prices: FloatArray) -> LinearProgram:
    """The program in which numbers are variables, at most `most` and at a price each; nothing else costs anything.

    Their columns stand behind those of the program, in the order of the shifts. It is a chain like the program: each
    number is a global, and a bound that moves with it becomes a row.
    """
    n, first = program.num_steps, program.num_columns
    # how each row's own bounds move; where both are finite they move together
    of_rows = [np.where(np.isfinite(program.row_lower), each.row_lower, each.row_upper) for each in shifts]

    def with_numbers(of_each: Sequence[FloatArray], at: slice) -> tuple[GlobalTerm, ...]:
        """The terms of the numbers in rows whose bounds move like this."""
        moves = ((first + number, -each[at]) for number, each in enumerate(of_each))
        return tuple(
            GlobalTerm(column, move if move.size > 1 else float(move[0])) for column, move in moves if move.any()
        )

    lower, upper = program.lower.copy(), program.upper.copy()
    rows = [
        replace(block, global_terms=(*block.global_terms, *with_numbers(of_rows, program.rows(block.name))))
        for block in program.row_blocks
    ]
    totals = [
        replace(total, global_terms=(*total.global_terms, *with_numbers(of_rows, program.rows(total.name))))
        for total in program.total_rows
    ]
    limits: list[tuple[FloatArray, FloatArray]] = []
    total_limits: list[tuple[FloatArray, FloatArray]] = []
    for side, bounds, wider in (("lower", lower, -np.inf), ("upper", upper, np.inf)):
        moves = [getattr(each, side) for each in shifts]
        for block_number, block in enumerate(program.step_blocks):
            at = program.columns(block.name)
            terms = with_numbers(moves, at)
            if not terms:
                continue
            own, other = bounds[at].copy(), np.full(n, wider)
            limits.append((own, -other) if side == "lower" else (-other, own))
            step_terms = (StepTerm(block_number, 0, 1.0),)
            rows.append(RowBlock(f"{block.name}_{side}_moved", len(rows) * n, step_terms, terms))
            # a bound that tightens stays as it is, beside the row that says more
            bounds[at] = np.where(_loosened(moves, at, side), wider, own)
        for group in program.global_blocks:
            for column in range(group.start, group.start + group.count):
                at = slice(column, column + 1)
                terms = with_numbers(moves, at)
                if not terms:
                    continue
                own, other = bounds[at].copy(), np.full(1, wider)
                total_limits.append((own, -other) if side == "lower" else (-other, own))
                name = f"{group.name}_{column - group.start}_{side}_moved"
                totals.append(TotalRow(name, 0, (), (GlobalTerm(column, 1.0), *terms)))
                bounds[at] = np.where(_loosened(moves, at, side), wider, own)
    split = program.first_total_row
    pieces = [
        (program.row_lower[:split], program.row_upper[:split]),
        *limits,
        (program.row_lower[split:], program.row_upper[split:]),
        *total_limits,
    ]
    return replace(
        program,
        global_blocks=(*program.global_blocks, GlobalBlock("changes", first, len(shifts))),
        row_blocks=tuple(rows),
        total_rows=tuple(replace(total, row=len(rows) * n + number) for number, total in enumerate(totals)),
        cost=np.concatenate([np.zeros(first), prices]),
        cost_offset=0.0,
        lower=np.concatenate([lower, np.zeros(len(shifts))]),
        upper=np.concatenate([upper, most]),
        row_lower=np.concatenate([low for low, _ in pieces]),
        row_upper=np.concatenate([high for _, high in pieces]),
    )


def _loosened(moves: Sequence[FloatArray], at: slice, side: str) -> NDArray[np.bool_]:
    """Where some number makes a bound looser."""
    sign = 1.0 if side == "upper" else -1.0
    return np.asarray(np.any([sign * each[at] > 0.0 for each in moves], axis=0))


@dataclass(frozen=True, eq=False)
class Violation:
    """By how much rows and bounds are missed, signed: above an upper bound > 0, below a lower bound < 0."""

    rows: FloatArray
    columns: FloatArray


def elastic(program: LinearProgram, rows: FloatArray, above: FloatArray, below: FloatArray) -> LinearProgram:
    """The program in which every row and bound may be missed at a price per unit, and nothing else costs anything.

    Prices are of rows either way, of columns above their upper and below their lower bounds.

    Behind its columns stand what is above and what is below in each row, then in each column.
    """
    slacks, columns = sp.eye_array(program.num_rows), sp.eye_array(program.num_columns)
    nothing = sp.csr_array((program.num_rows, 2 * program.num_columns))
    matrix = sp.vstack(
        [
            sp.hstack([program.matrix, -slacks, slacks, nothing]),
            sp.hstack([columns, sp.csr_array((program.num_columns, 2 * program.num_rows)), -columns, columns]),
        ]
    )
    free = np.full(program.num_columns, np.inf)
    more = 2 * (program.num_rows + program.num_columns)
    return _extended(
        program,
        matrix,
        cost=np.concatenate([np.zeros(program.num_columns), rows, rows, above, below]),
        lower=np.concatenate([-free, np.zeros(more)]),
        upper=np.concatenate([free, np.full(more, np.inf)]),
        row_lower=np.concatenate([program.row_lower, program.lower]),
        row_upper=np.concatenate([program.row_upper, program.upper]),
    )


def violation(program: LinearProgram, primal: FloatArray) -> Violation:
    """What a point of `elastic(program)` says about the rows and bounds of the program."""
    over, under, above, below = np.split(
        primal[program.num_columns : 3 * program.num_columns + 2 * program.num_rows],
        np.cumsum([program.num_rows, program.num_rows, program.num_columns]),
    )
    return Violation(over - under, above - below)


def with_peaks(program: LinearProgram, groups: Sequence[NDArray[np.int64]], price: float) -> LinearProgram:
    """The program in which the largest column of each group costs something more."""
    count = sum(group.size for group in groups)
    rows = np.arange(count)
    ones = np.ones(count)
    columns = np.concatenate(groups)
    of_group = np.repeat(np.arange(len(groups)), [group.size for group in groups])
    parts = sp.csr_array((ones, (rows, columns)), shape=(count, program.num_columns))
    peaks = sp.csr_array((-ones, (rows, of_group)), shape=(count, len(groups)))
    nothing = sp.csr_array((program.num_rows, len(groups)))
    return _extended(
        program,
        sp.vstack([sp.hstack([program.matrix, nothing]), sp.hstack([parts, peaks])]),
        cost=np.concatenate([program.cost, np.full(len(groups), price)]),
        lower=np.concatenate([program.lower, np.zeros(len(groups))]),
        upper=np.concatenate([program.upper, np.full(len(groups), np.inf)]),
        row_lower=np.concatenate([program.row_lower, np.full(count, -np.inf)]),
        row_upper=np.concatenate([program.row_upper, np.zeros(count)]),
    )


def _extended(
    program: LinearProgram,
    matrix: Any,
    *,
    cost: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    row_lower: FloatArray,
    row_upper: FloatArray,
) -> LinearProgram:
    grown = replace(
        program, cost_offset=0.0, cost=cost, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper
    )
    assembled = sp.csc_array(matrix)
    assembled.eliminate_zeros()
    assembled.sort_indices()
    assembled.indices = assembled.indices.astype(np.int32, copy=False)
    assembled.indptr = assembled.indptr.astype(np.int32, copy=False)
    grown.__dict__["matrix"] = assembled
    return grown


def activity(program: LinearProgram) -> tuple[FloatArray, FloatArray]:
    """Least and most that each row can come to within the bounds of its columns alone, (num_rows,) each."""
    up = program.matrix.maximum(0.0)
    down = program.matrix.minimum(0.0)
    least = _product(up, program.lower) + _product(down, program.upper)
    most = _product(up, program.upper) + _product(down, program.lower)
    return least, most


def _product(matrix: Any, values: FloatArray) -> FloatArray:
    """Matrix times a vector that may hold infinities of one sign."""
    cleaned = sp.csc_array(matrix)
    cleaned.eliminate_zeros()
    finite = np.where(np.isfinite(values), values, 0.0)
    product = cleaned @ finite
    infinite = ~np.isfinite(values)
    if infinite.any():
        signs = cleaned @ np.where(infinite, np.sign(values), 0.0)
        product = np.where(signs > 0.0, np.inf, np.where(signs < 0.0, -np.inf, product))
    return np.asarray(product)

"""From the lanes back to the program: primal values, row duals, and the duals of rows that had become bounds."""

from __future__ import annotations

import numpy as np

from vpp_sim.lp.program import FloatArray, LinearProgram
from vpp_sim.lp.solvers.structured.form import Box, Single, gathered, single_bounds, single_coefficient, total_of
from vpp_sim.lp.solvers.structured.interior_point import Interior

SNAP = 1e-9  # in the program's units: nearer to its bound, with the larger dual, a point is put on it


def gather_point(interior: Interior) -> FloatArray:
    """The state as (slots, lanes, steps + 1), one copy for all programs."""
    state = interior.state
    return np.ascontiguousarray(state.transpose(2, 0, 3, 1)).reshape(state.shape[2], -1, state.shape[1])


class Points:
    """Reads programs' points out of a finished interior-point run."""

    def __init__(self, interior: Interior) -> None:
        self.interior = interior
        self.numbers = interior.numbers
        self.point = gather_point(interior)

    def _slot(self, slot: int, chain: int) -> FloatArray:
        """One number of the state over the steps of a program."""
        layout = self.interior.layout
        if not layout.segmented:
            return self.point[slot, chain, : layout.num_steps]
        return np.concatenate([self.point[slot, lane, :end] for lane, end in enumerate(layout.lengths)])

    def _box(self, box: Box, chain: int) -> tuple[FloatArray, FloatArray, FloatArray | float]:
        p = self._slot(box.slot, chain)
        at = box.slot + 1
        zl = zu = 0.0  # type: FloatArray | float
        if box.lower != "none":
            zl = self._slot(at, chain)
            at += 1
        if box.upper != "none":
            zu = self._slot(at, chain)
        return p, np.asarray(zl), zu

    def solution(self, chain: int) -> tuple[FloatArray, FloatArray]:
        """(primal, row duals) of the program in a chain of this run, in the program's own units."""
        numbers, interior = self.numbers, self.interior
        q = int(interior.chains[chain])
        program = numbers.programs[q]
        n = program.num_steps
        size, unit = float(numbers.size_scale[q]), float(numbers.objective_scale[q])
        snap = SNAP * min(1.0, size)
        primal = np.empty(program.num_columns)
        dual = np.zeros(program.num_rows)
        for i, block in enumerate(program.step_blocks):
            column = numbers.form.columns[i]
            span = numbers.spans[i]
            p, zl, zu = self._box(column.box, chain)
            shift, low, high = span.shift[q], span.lower[q], span.upper[q]
            value = shift + (size * numbers.column_scale[i]) * p
            if column.box.lower != "none":
                value = np.where((p * size < snap) & (zl > p), np.maximum(low, shift), value)
            if column.box.upper != "none":
                near = (high - value) < snap
                value = np.where(near & (zu * size > high - value), high, value)
            value = np.clip(value, low, np.maximum(high, low))
            primal[block.start : block.start + n] = span.sign * value
        edge, barriers = numbers.edge, interior.edge
        base = program.first_global_column
        for k, offset in enumerate(edge.offsets):
            if offset >= 0:
                value = edge.sign[k, q] * (edge.shift[k, q] + size * barriers.p[k, chain])
                primal[base + offset] = value
        unused = numbers.structure.globals.unused
        if unused:
            primal[base + np.array(unused)] = numbers.unused[q]
        primal[base:] = np.clip(primal[base:], program.lower[base:], program.upper[base:])
        for r, number in enumerate(numbers.structure.equations):
            rows = slice(program.row_blocks[number].start, program.row_blocks[number].start + n)
            dual[rows] = self._slot(numbers.form.rows[r].slot, chain) * (unit * numbers.row_scale[number])
        for v, number in enumerate(numbers.bound_numbers):
            rows = slice(program.row_blocks[number].start, program.row_blocks[number].start + n)
            _, zl, zu = self._box(numbers.form.bound_rows[v].box, chain)
            dual[rows] = (zl - zu) * (numbers.bound_signs[v] * unit * numbers.row_scale[number])
        for d, number in enumerate(numbers.structure.totals):
            dual[program.total_rows[number].row] = interior.total_dual[d, chain] * unit * numbers.total_scale[d]
        dual = np.where(np.isneginf(program.row_lower), np.minimum(dual, 0.0), dual)
        dual = np.where(np.isposinf(program.row_upper), np.maximum(dual, 0.0), dual)
        if numbers.folded[q]:
            restore_folded(program, numbers.folded[q], numbers.structure.singles, dual)
        for single in numbers.structure.singles:
            restore_single(program, single, dual)
        return primal, dual


def restore_folded(
    program: LinearProgram,
    folded: dict[int, tuple[FloatArray, FloatArray]],
    singles: list[Single],
    dual: FloatArray,
) -> None:
    """Hand a reduced cost that leans on a folded row's bound to that row: y = z / a."""
    n = program.num_steps
    by_column: dict[int, list[int]] = {}
    for number in folded:
        by_column.setdefault(next(iter(gathered(program.row_blocks[number], 0))), []).append(number)
    for column, numbers in by_column.items():
        reduced = reduced_cost(program, column, dual)
        start = program.step_blocks[column].start
        low, high = program.lower[start : start + n], program.upper[start : start + n]
        for number in numbers:
            row_low, row_high = folded[number]
            low, high = np.maximum(low, row_low), np.minimum(high, row_high)
        for single in singles:  # a total row may bind tighter than a folded one
            if single.block == column:
                one, two = single_bounds(program, single)
                low[single.step], high[single.step] = max(low[single.step], one), min(high[single.step], two)
        left = np.ones(n, dtype=bool)
        own_low, own_high = program.lower[start : start + n], program.upper[start : start + n]
        for number in numbers:
            block = program.row_blocks[number]
            a = np.broadcast_to(np.asarray(total_of(gathered(block, 0)[column])), n)
            row_low, row_high = folded[number]
            leans = (reduced > 0.0) & (row_low == low) & (row_low > own_low)
            leans |= (reduced < 0.0) & (row_high == high) & (row_high < own_high)
            leans &= left & (a != 0.0)
            rows = slice(block.start, block.start + n)
            dual[rows] = np.where(leans, reduced / np.where(a == 0.0, 1.0, a), dual[rows])
            left &= ~leans


def restore_single(program: LinearProgram, single: Single, dual: FloatArray) -> None:
    """Hand the reduced cost of a variable that a total row with one entry bounds to that row."""
    if single.block >= 0:
        column = program.step_blocks[single.block].start + single.step
    else:
        column = program.first_global_column + single.offset
    matrix = program.matrix
    entries = slice(matrix.indptr[column], matrix.indptr[column + 1])
    reduced = float(program.cost[column] - matrix.data[entries] @ dual[matrix.indices[entries]])
    low, high = single_bounds(program, single)
    if (reduced > 0.0 and low > program.lower[column]) or (reduced < 0.0 and high < program.upper[column]):
        dual[program.total_rows[single.total].row] = reduced / single_coefficient(program, single)


def reduced_cost(program: LinearProgram, column: int, dual: FloatArray) -> FloatArray:
    """cost - A'y of one step block, (num_steps,), term by term."""
    n = program.num_steps
    start = program.step_blocks[column].start
    found = program.cost[start : start + n].copy()
    for block in program.row_blocks:
        y = dual[block.start : block.start + n]
        for term in block.step_terms:
            if term.block != column:
                continue
            product = np.asarray(term.coefficient) * y
            if term.lag == 0:
                found -= product
            else:
                found[:-1] -= product[1:]
    for total in program.total_rows:
        for term in total.step_terms:
            if term.block == column:
                found -= np.asarray(term.coefficient) * dual[total.row]
    return found

"""From the lanes back to the programs: primal values, row duals, and the duals of rows that had become bounds."""

from __future__ import annotations

import numpy as np

from vpp_sim.lp.alike import Alike
from vpp_sim.lp.program import FloatArray, IntArray
from vpp_sim.lp.solvers.structured.form import Box, Single
from vpp_sim.lp.solvers.structured.interior_point import Interior

SNAP = 1e-9  # in the program's units: nearer to its bound, with the larger dual, a point is put on it


def points_of(interior: Interior, chains: IntArray, alike: Alike) -> tuple[FloatArray, FloatArray]:
    """(primal, row duals) of the programs in some chains of a run, (chains, columns) and (chains, rows).

    `alike` has the programs of these chains, in their order.
    """
    return _Reading(interior, chains, alike).points()


class _Reading:
    """What reading the points of one run needs."""

    def __init__(self, interior: Interior, chains: IntArray, alike: Alike) -> None:
        self.interior, self.chains, self.alike = interior, chains, alike
        self.numbers = interior.numbers
        self.programs = interior.programs[chains]
        self.size = self.numbers.size_scale[self.programs][:, None]
        self.unit = self.numbers.objective_scale[self.programs][:, None]

    def slot(self, slot: int) -> FloatArray:
        """One number of the state, (chains, steps)."""
        layout, state = self.interior.layout, self.interior.state
        values = state[:, :, slot, :].transpose(0, 2, 1).reshape(-1, state.shape[1])
        if layout.segmented:
            return np.concatenate([values[lane, :end] for lane, end in enumerate(layout.lengths)])[None]
        return values[self.chains, : layout.num_steps]

    def box(self, box: Box) -> tuple[FloatArray, FloatArray | float, FloatArray | float]:
        """Distance to the lower bound and the two duals."""
        p, at = self.slot(box.slot), box.slot + 1
        zl = zu = 0.0  # type: FloatArray | float
        if box.lower != "none":
            zl = self.slot(at)
            at += 1
        if box.upper != "none":
            zu = self.slot(at)
        return p, zl, zu

    def own(self, values: FloatArray) -> FloatArray:
        """The part of an array (1 or programs, 1 or steps) that belongs to the chains."""
        return values if values.shape[0] == 1 else values[self.programs]

    def points(self) -> tuple[FloatArray, FloatArray]:
        numbers, alike, structure = self.numbers, self.alike, self.numbers.structure
        layout, n = alike.layout, alike.steps
        primal = np.empty((alike.count, layout.num_columns))
        dual = np.zeros((alike.count, layout.num_rows))
        snap = SNAP * np.minimum(1.0, self.size)
        for i, block in enumerate(layout.step_blocks):
            column, span = numbers.form.columns[i], numbers.spans[i]
            p, zl, zu = self.box(column.box)
            shift, low, high = self.own(span.shift), self.own(span.lower), self.own(span.upper)
            value = shift + (self.size * numbers.column_scale[i]) * p
            if column.box.lower != "none":
                value = np.where((p * self.size < snap) & (zl > p), np.maximum(low, shift), value)
            if column.box.upper != "none":
                short = high - value
                value = np.where((short < snap) & (zu * self.size > short), high, value)
            value = np.minimum(np.maximum(value, low), np.maximum(high, low))
            primal[:, block.start : block.start + n] = span.sign * value
        self.globals(primal[:, layout.first_global_column :])
        for r, number in enumerate(structure.equations):
            self.rows(dual, number)[:] = self.slot(numbers.form.rows[r].slot) * (self.unit * numbers.row_scale[number])
        for v, number in enumerate(numbers.bound_numbers):
            _, zl, zu = self.box(numbers.form.bound_rows[v].box)
            scale = numbers.bound_signs[v] * numbers.row_scale[number]
            self.rows(dual, number)[:] = (zl - zu) * (scale * self.unit)
        for d, number in enumerate(structure.totals):
            scale = self.unit[:, 0] * numbers.total_scale[d]
            dual[:, layout.first_total_row + number] = self.interior.total_dual[d, self.chains] * scale
        # a dual whose sign needs an infinite bound is rounding
        for number in range(len(layout.row_blocks)):
            rows = self.rows(dual, number)
            if np.isneginf(alike.of_row("row_lower", number)).any():
                np.minimum(rows, 0.0, out=rows, where=np.isneginf(alike.of_row("row_lower", number)))
            if np.isposinf(alike.of_row("row_upper", number)).any():
                np.maximum(rows, 0.0, out=rows, where=np.isposinf(alike.of_row("row_upper", number)))
        rows = dual[:, layout.first_total_row :]
        np.minimum(rows, 0.0, out=rows, where=np.isneginf(alike.of_totals("row_lower")))
        np.maximum(rows, 0.0, out=rows, where=np.isposinf(alike.of_totals("row_upper")))
        self.restore_folded(dual)
        for single in structure.singles:
            self.restore_single(single, dual)
        return primal, dual

    def rows(self, dual: FloatArray, number: int) -> FloatArray:
        """The part of the duals that belongs to a row block."""
        start = self.alike.layout.row_blocks[number].start
        return dual[:, start : start + self.alike.steps]

    def globals(self, values: FloatArray) -> None:
        """Write the globals, (chains, globals): those of the edge, and those in no row."""
        numbers, edge = self.numbers, self.numbers.edge
        values[:] = numbers.idle[self.programs]
        at = edge.offsets[:, self.programs]
        p = self.interior.edge.p[:, self.chains]
        there = edge.sign[:, self.programs] * (edge.shift[:, self.programs] + self.size[:, 0] * p)
        k, chain = np.nonzero(at >= 0)
        values[chain, at[k, chain]] = there[k, chain]
        low, high = self.alike.of_globals("lower"), self.alike.of_globals("upper")
        np.minimum(np.maximum(values, low), high, out=values)

    def restore_folded(self, dual: FloatArray) -> None:
        """Hand a reduced cost that leans on a folded row's bound to that row: y = z / a."""
        alike, folded = self.alike, self.numbers.folded
        by_column: dict[int, list[int]] = {}
        for number in folded:
            for column, _ in alike.terms(number):
                by_column.setdefault(column, []).append(number)
        for column, numbers in by_column.items():
            reduced = alike.of_block("cost", column) - alike.transposed(column, dual)[0]
            own_low, own_high = alike.of_block("lower", column), alike.of_block("upper", column)
            low = np.array(np.broadcast_to(own_low, reduced.shape))
            high = np.array(np.broadcast_to(own_high, reduced.shape))
            for number in numbers:
                row_low, row_high = (self.own(bound) for bound in folded[number])
                low, high = np.maximum(low, row_low), np.minimum(high, row_high)
            for single in self.numbers.structure.singles:  # a total row may bind tighter than a folded one
                if single.block == column:
                    one, two = (bound[self.programs] for bound in single.bounds(self.numbers.alike))
                    low[:, single.step] = np.maximum(low[:, single.step], one)
                    high[:, single.step] = np.minimum(high[:, single.step], two)
            left = np.ones(reduced.shape, dtype=bool)
            for number in numbers:
                (a,) = alike.terms(number).values()
                row_low, row_high = (self.own(bound) for bound in folded[number])
                leans = (reduced > 0.0) & (row_low == low) & (row_low > own_low)
                leans |= (reduced < 0.0) & (row_high == high) & (row_high < own_high)
                leans &= left & (a != 0.0)
                rows = self.rows(dual, number)
                rows[:] = np.where(leans, reduced / np.where(a == 0.0, 1.0, a), rows)
                left &= ~leans

    def restore_single(self, single: Single, dual: FloatArray) -> None:
        """Hand the reduced cost of a variable that a total row with one entry bounds to that row."""
        alike, layout = self.alike, self.alike.layout
        if single.block >= 0:
            reduced = (alike.of_block("cost", single.block) - alike.transposed(single.block, dual)[0])[:, single.step]
            own = (alike.of_block("lower", single.block), alike.of_block("upper", single.block))
            own_low, own_high = (np.broadcast_to(bound, (alike.count, alike.steps))[:, single.step] for bound in own)
        else:
            reduced = (alike.of_globals("cost") - alike.transposed_globals(dual)[0])[:, single.offset]
            own_low, own_high = alike.of_globals("lower")[:, single.offset], alike.of_globals("upper")[:, single.offset]
        low, high = (bound[self.programs] for bound in single.bounds(self.numbers.alike))
        leans = ((reduced > 0.0) & (low > own_low)) | ((reduced < 0.0) & (high < own_high))
        row = layout.first_total_row + single.total
        dual[:, row] = np.where(leans, reduced / single.coefficient[self.programs], dual[:, row])

"""Programs without what cannot move and what cannot bind, for a solver that has no presolve of its own.

A step block whose bounds coincide at every step is a number: its part of each row goes over to the row's bounds, its
cost to the offset. A row block without bounds, or of nothing but such numbers, asks for nothing. The duals of what is
left are duals of the whole with 0 for the rows taken out: a fixed variable may have any reduced cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vpp_sim.lp.program import FloatArray, GlobalTerm, IntArray, LinearProgram, RowBlock, StepBlock, StepTerm, TotalRow

#: By how much a row of fixed variables may miss its bounds, relative to its terms; beyond, a solver has to judge it.
MISSED = 1e-9


@dataclass(frozen=True, eq=False)
class Reduced:
    """A smaller program, and where its columns and rows stand in the whole one."""

    whole: LinearProgram
    program: LinearProgram
    columns: IntArray
    rows: IntArray
    fixed: FloatArray

    def restored(self, primal: FloatArray, row_dual: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A point and duals of the smaller program as those of the whole one."""
        if self.program is self.whole:
            return primal, row_dual
        all_primal, all_dual = self.fixed.copy(), np.zeros(self.whole.num_rows)
        all_primal[self.columns], all_dual[self.rows] = primal, row_dual
        return all_primal, all_dual


def reduced(programs: Sequence[LinearProgram]) -> list[Reduced]:
    """Programs of one structure, without what is fixed or free in all of them; they still share one structure."""
    first = programs[0]
    blocks = {
        number
        for number, block in enumerate(first.step_blocks)
        if all(_is_fixed(program, block) for program in programs)
    }
    free = {
        number for number, row in enumerate(first.row_blocks) if all(_is_free(program, row) for program in programs)
    }
    blocks = _leaving_rows_whole(first, blocks, free)
    if len(blocks) == len(first.step_blocks) or not (blocks or free):
        return [_unchanged(program) for program in programs]
    fixed = [_fixed_values(program, blocks) for program in programs]
    empty = {
        number
        for number, row in enumerate(first.row_blocks)
        if not row.global_terms and row.step_terms and all(term.block in blocks for term in row.step_terms)
    }
    if not all(
        _hold(programs, fixed, first.row_blocks[number]) for number in empty - free
    ):  # fixed numbers contradict a row: that is for a solver to say
        return [_unchanged(program) for program in programs]
    return [_without(program, blocks, free | empty, values) for program, values in zip(programs, fixed, strict=True)]


def _unchanged(program: LinearProgram) -> Reduced:
    nothing = np.zeros(0, dtype=np.int64)
    return Reduced(program, program, nothing, nothing, np.zeros(0))


def _span(program: LinearProgram, block: StepBlock | RowBlock) -> slice:
    return slice(block.start, block.start + program.num_steps)


def _is_fixed(program: LinearProgram, block: StepBlock) -> bool:
    at = _span(program, block)
    return bool((program.lower[at] == program.upper[at]).all())


def _is_free(program: LinearProgram, row: RowBlock) -> bool:
    at = _span(program, row)
    return bool(np.isneginf(program.row_lower[at]).all() and np.isposinf(program.row_upper[at]).all())


def _leaving_rows_whole(program: LinearProgram, blocks: set[int], free: set[int]) -> set[int]:
    """Those of the blocks without which no row is left with globals alone, and no total row with nothing."""
    rows: list[RowBlock | TotalRow] = [row for number, row in enumerate(program.row_blocks) if number not in free]
    rows = [row for row in rows if row.global_terms] + list(program.total_rows)
    found = set(blocks)
    for row in rows:
        own = {term.block for term in row.step_terms}
        if own and own <= blocks:
            found -= own
    return found


def _fixed_values(program: LinearProgram, blocks: set[int]) -> FloatArray:
    values = np.zeros(program.num_columns)
    for number in blocks:
        at = _span(program, program.step_blocks[number])
        values[at] = program.lower[at]
    return values


def _hold(programs: Sequence[LinearProgram], fixed: Sequence[FloatArray], row: RowBlock) -> bool:
    """Whether a row of fixed numbers meets its bounds in all programs."""
    for program, values in zip(programs, fixed, strict=True):
        at = _span(program, row)
        activity, size = _activity(program, row, values)
        room = MISSED * np.maximum(size, 1.0)
        if (activity < program.row_lower[at] - room).any() or (activity > program.row_upper[at] + room).any():
            return False
    return True


def _activity(program: LinearProgram, row: RowBlock, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum of a row block's step terms at given values, (num_steps,), and the sum of their sizes."""
    activity, size = np.zeros(program.num_steps), np.zeros(program.num_steps)
    for term in row.step_terms:
        here = values[_span(program, program.step_blocks[term.block])]
        if term.lag:
            here = np.concatenate([[0.0], here[:-1]])
        activity += term.coefficient * here
        size += np.abs(term.coefficient * here)
    return activity, size


def _without(program: LinearProgram, blocks: set[int], rows: set[int], fixed: FloatArray) -> Reduced:
    n = program.num_steps
    kept_blocks = [number for number in range(len(program.step_blocks)) if number not in blocks]
    kept_rows = [number for number in range(len(program.row_blocks)) if number not in rows]
    place = {number: position for position, number in enumerate(kept_blocks)}
    shift = program.first_global_column - len(kept_blocks) * n
    row_shift = program.first_total_row - len(kept_rows) * n
    steps = np.arange(n, dtype=np.int64)
    columns = [program.step_blocks[number].start + steps for number in kept_blocks]
    columns.append(np.arange(program.first_global_column, program.num_columns, dtype=np.int64))
    lines = [program.row_blocks[number].start + steps for number in kept_rows]
    lines.append(np.arange(program.first_total_row, program.num_rows, dtype=np.int64))
    at_columns, at_rows = np.concatenate(columns), np.concatenate(lines)

    def step_terms(row: RowBlock | TotalRow) -> tuple[StepTerm, ...]:
        return tuple(replace(term, block=place[term.block]) for term in row.step_terms if term.block in place)

    def global_terms(row: RowBlock | TotalRow) -> tuple[GlobalTerm, ...]:
        return tuple(replace(term, column=term.column - shift) for term in row.global_terms)

    given = program.matrix @ fixed
    smaller = LinearProgram(
        num_steps=n,
        step_blocks=tuple(
            StepBlock(program.step_blocks[number].name, position * n) for position, number in enumerate(kept_blocks)
        ),
        global_blocks=tuple(replace(block, start=block.start - shift) for block in program.global_blocks),
        row_blocks=tuple(
            RowBlock(row.name, position * n, step_terms(row), global_terms(row))
            for position, row in enumerate(program.row_blocks[number] for number in kept_rows)
        ),
        total_rows=tuple(
            TotalRow(row.name, row.row - row_shift, step_terms(row), global_terms(row)) for row in program.total_rows
        ),
        cost=program.cost[at_columns],
        cost_offset=program.cost_offset + float((program.cost * fixed).sum()),
        lower=program.lower[at_columns],
        upper=program.upper[at_columns],
        row_lower=(program.row_lower - given)[at_rows],
        row_upper=(program.row_upper - given)[at_rows],
    )
    return Reduced(program, smaller, at_columns, at_rows, fixed)

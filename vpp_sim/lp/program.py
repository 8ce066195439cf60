"""A linear program as frozen arrays and named ranges, with its per-step structure beside the sparse matrix.

    minimise    cost'x + cost_offset
    subject to  row_lower <= A x <= row_upper,   lower <= x <= upper

The columns are *step blocks* (one column per step) followed by *global blocks* (columns that belong to no step:
sizes, peaks, initial states). The rows are *row blocks* (one row per step) followed by *total rows* (one row each that
may sum over all steps). A row block's row at step t touches columns of step t (lag 0), of step t - 1 (lag 1; none at
step 0) and global columns, so the program is a chain with a narrow border. That description is kept: `matrix` is made
from it for general solvers, a structured solver reads it as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StepBlock:
    """`num_steps` columns, one per step, from column `start` on."""

    name: str
    start: int


@dataclass(frozen=True, eq=False)
class GlobalBlock:
    """`count` columns that belong to no step, from column `start` on."""

    name: str
    start: int
    count: int


@dataclass(frozen=True, eq=False)
class StepTerm:
    """Coefficient (scalar, or (num_steps,) by the row's step) on step block number `block`, `lag` steps back."""

    block: int
    lag: Literal[0, 1]
    coefficient: float | FloatArray


@dataclass(frozen=True, eq=False)
class GlobalTerm:
    """Coefficient (scalar or (num_steps,)) on a global column: one absolute column number, or one per step."""

    column: int | IntArray
    coefficient: float | FloatArray


@dataclass(frozen=True, eq=False)
class RowBlock:
    """`num_steps` rows, one per step, from row `start` on."""

    name: str
    start: int
    step_terms: tuple[StepTerm, ...]
    global_terms: tuple[GlobalTerm, ...]


@dataclass(frozen=True, eq=False)
class TotalRow:
    """One row that sums step columns over all steps (lag 0; a zero coefficient leaves a step out) and global columns.

    In a total row the columns of a global term are scalars.
    """

    name: str
    row: int
    step_terms: tuple[StepTerm, ...]
    global_terms: tuple[GlobalTerm, ...]


def range_starts(columns: IntArray) -> IntArray:
    """First step of each stretch over which an array of columns (num_steps,) is the same."""
    return np.concatenate(([0], np.flatnonzero(columns[1:] != columns[:-1]) + 1))


def serve_ranges(arrays: Sequence[IntArray], singles: Collection[int]) -> bool:
    """Whether each column in the arrays serves one range of steps of one array, and none is among the `singles`."""
    members = [column for array in arrays for column in array[range_starts(array)].tolist()]
    return len(set(members)) == len(members) and not set(members) & set(singles)


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """Arrays, names and structure of one linear program; see the module's docstring for the layout.

    `cost`, `lower`, `upper` have shape (num_columns,), `row_lower`, `row_upper` shape (num_rows,).
    """

    num_steps: int
    step_blocks: tuple[StepBlock, ...]
    global_blocks: tuple[GlobalBlock, ...]
    row_blocks: tuple[RowBlock, ...]
    total_rows: tuple[TotalRow, ...]
    cost: FloatArray
    cost_offset: float
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    #: The part of `cost` that only decides between points that cost the same otherwise; None where there is none.
    tie_cost: FloatArray | None = None

    def ties(self, primal: FloatArray) -> float:
        """What deciding between points of equal cost adds to the objective at a point."""
        return 0.0 if self.tie_cost is None else float((self.tie_cost * primal).sum())

    def without_ties(self) -> LinearProgram:
        """The program whose objective is the cost alone."""
        if self.tie_cost is None:
            return self
        return replace(self.with_numbers(cost=self.cost - self.tie_cost), tie_cost=None)

    @property
    def num_columns(self) -> int:
        """Number of variables."""
        return self.cost.size

    @property
    def num_rows(self) -> int:
        """Number of constraints."""
        return self.row_lower.size

    @property
    def first_global_column(self) -> int:
        """Column number at which the global blocks begin."""
        return len(self.step_blocks) * self.num_steps

    @property
    def first_total_row(self) -> int:
        """Row number at which the total rows begin."""
        return len(self.row_blocks) * self.num_steps

    @cached_property
    def _columns(self) -> dict[str, slice]:
        steps = {block.name: slice(block.start, block.start + self.num_steps) for block in self.step_blocks}
        return steps | {block.name: slice(block.start, block.start + block.count) for block in self.global_blocks}

    @cached_property
    def _rows(self) -> dict[str, slice]:
        steps = {block.name: slice(block.start, block.start + self.num_steps) for block in self.row_blocks}
        return steps | {total.name: slice(total.row, total.row + 1) for total in self.total_rows}

    def columns(self, name: str) -> slice:
        """Range of the columns of a step block or global block."""
        return self._columns[name]

    def rows(self, name: str) -> slice:
        """Range of the rows of a row block, or the one row of a total row."""
        return self._rows[name]

    def column_names(self) -> Iterator[str]:
        """`block[t]` for every column, in order; a global block of one column is just `block`."""
        for block in self.step_blocks:
            yield from (f"{block.name}[{step}]" for step in range(self.num_steps))
        for group in self.global_blocks:
            yield from ([group.name] if group.count == 1 else (f"{group.name}[{i}]" for i in range(group.count)))

    def row_names(self) -> Iterator[str]:
        """`block[t]` for every row, in order; a total row has its plain name."""
        for block in self.row_blocks:
            yield from (f"{block.name}[{step}]" for step in range(self.num_steps))
        yield from (total.name for total in self.total_rows)

    @cached_property
    def matrix(self) -> sp.csc_array:
        """The constraint matrix, (num_rows, num_columns), without explicit zeros, rows sorted in each column."""
        rows: list[IntArray] = []
        columns: list[IntArray] = []
        values: list[FloatArray] = []
        steps = np.arange(self.num_steps, dtype=np.int64)

        def add(row: IntArray, column: IntArray, value: FloatArray) -> None:
            keep = value != 0.0
            if not keep.all():
                row, column, value = row[keep], column[keep], value[keep]
            rows.append(row)
            columns.append(column)
            values.append(value)

        for block in self.row_blocks:
            for term in block.step_terms:
                at = steps[term.lag :]
                coefficient = np.broadcast_to(np.asarray(term.coefficient, dtype=np.float64), self.num_steps)
                add(block.start + at, self.step_blocks[term.block].start + at - term.lag, coefficient[term.lag :])
            for item in block.global_terms:
                column = np.broadcast_to(np.asarray(item.column, dtype=np.int64), self.num_steps)
                coefficient = np.broadcast_to(np.asarray(item.coefficient, dtype=np.float64), self.num_steps)
                add(block.start + steps, column, coefficient)
        for total in self.total_rows:
            for term in total.step_terms:
                coefficient = np.broadcast_to(np.asarray(term.coefficient, dtype=np.float64), self.num_steps)
                add(np.full(self.num_steps, total.row), self.step_blocks[term.block].start + steps, coefficient)
            for item in total.global_terms:
                coefficient = np.atleast_1d(np.asarray(item.coefficient, dtype=np.float64))
                add(np.array([total.row]), np.atleast_1d(np.asarray(item.column, dtype=np.int64)), coefficient)
        shape = (self.num_rows, self.num_columns)
        if not rows:
            return sp.csc_array(shape, dtype=np.float64)
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        # int32 indices: what HiGHS takes, and half the memory
        assembled = sp.coo_array(entries, shape=shape).tocsc()
        assembled.indices = assembled.indices.astype(np.int32, copy=False)
        assembled.indptr = assembled.indptr.astype(np.int32, copy=False)
        # terms on one place are summed, and may cancel
        assembled.eliminate_zeros()
        assembled.sort_indices()
        return assembled

    @cached_property
    def structure(self) -> str:
        """Digest of what programs share that can be solved side by side; values may differ.

        Where every array of columns cuts the horizon into ranges with a column of their own (billing months), its
        entry is that it does so: which columns, and where one range ends, may differ like a value. So a window of
        two days has one structure, whatever month it begins in.
        """
        parts = [str(self.num_steps)]
        parts += [f"|s {block.name}" for block in self.step_blocks]
        parts += [f"|g {group.name} {group.count}" for group in self.global_blocks]
        arrays: list[IntArray] = []
        singles: set[int] = set()
        rows: tuple[RowBlock | TotalRow, ...] = (*self.row_blocks, *self.total_rows)
        for row in rows:
            parts.append(f"|r {row.name}")
            parts += [f" {term.block} {term.lag}" for term in row.step_terms]
            for item in row.global_terms:
                column = np.asarray(item.column, dtype=np.int64)
                if column.ndim == 0:
                    singles.add(int(column))
                    parts.append(f" g{column}")
                    continue
                known = [k for k, array in enumerate(arrays) if array is column or np.array_equal(array, column)]
                if not known:
                    arrays.append(column)
                parts.append(f" a{known[0] if known else len(arrays) - 1}")
        digest = hashlib.sha256("".join(parts).encode())
        if not serve_ranges(arrays, singles):
            for array in arrays:
                digest.update(array.tobytes())
        return digest.hexdigest()

    def with_numbers(
        self,
        *,
        cost: FloatArray | None = None,
        lower: FloatArray | None = None,
        upper: FloatArray | None = None,
        row_lower: FloatArray | None = None,
        row_upper: FloatArray | None = None,
    ) -> LinearProgram:
        """The same matrix with other costs or bounds; the assembled matrix is shared, not rebuilt."""
        for given, own in ((cost, self.cost), (lower, self.lower), (upper, self.upper)):
            if given is not None and given.shape != own.shape:
                raise ValueError(f"a program of {self.num_columns} columns got numbers of shape {given.shape}")
        for given, own in ((row_lower, self.row_lower), (row_upper, self.row_upper)):
            if given is not None and given.shape != own.shape:
                raise ValueError(f"a program of {self.num_rows} rows got numbers of shape {given.shape}")
        changed = replace(
            self,
            cost=self.cost if cost is None else cost,
            lower=self.lower if lower is None else lower,
            upper=self.upper if upper is None else upper,
            row_lower=self.row_lower if row_lower is None else row_lower,
            row_upper=self.row_upper if row_upper is None else row_upper,
        )
        changed.__dict__["matrix"] = self.matrix
        return changed

"""Reads the chain structure of linear programs into the form that the kernels are written for.

The form is static: which columns, rows and border entries there are, which bounds exist, and of which kind each number
is (a constant of the code, one per lane, one per step for all lanes, one per step and lane). Programs of one form share
one set of kernels. `Numbers` are the arrays that the kernels read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vpp_sim.lp.program import FloatArray, IntArray, LinearProgram, RowBlock, TotalRow

MAX_BORDER = 24  # dense border columns and rows: each costs (rows per step) numbers of memory per step
MAX_STATES = 16
MAX_ROWS = 48

GlobalKind = Literal["perm", "live"]


class Declined(Exception):  # noqa: N818 - a verdict, not an error
    """The program lies outside of what the structured solver accepts; the text says why."""


@dataclass(frozen=True)
class Item:
    """One number per step and lane as the kernels see it; `value` for constants, else a position in its array."""

    kind: Literal["const", "lane", "shared", "full"]
    position: int = 0
    value: float = 0.0


@dataclass
class Box:
    """Static kind of the bounds of one variable (a column or a row's slack), shifted so that its lower bound is 0.

    `lower` and `upper` say whether the bound exists at all steps, at none, or at some (then `low_mask` or an infinite
    width tells them apart); `may_be_fixed` whether the width is 0 at some steps.
    """

    lower: Literal["all", "none", "some"]
    upper: Literal["all", "none", "some"]
    may_be_fixed: bool
    width: Item
    low_mask: Item
    slot: int = 0  # of p in the state; the duals follow

    @property
    def num_slots(self) -> int:
        """Numbers in the state: the value, and a dual for each bound."""
        return 1 + (self.lower != "none") + (self.upper != "none")


@dataclass
class Column:
    """One variable per step: its cost, box and entries in rows, totals and bound rows."""

    cost: Item
    box: Box
    rows: list[tuple[int, int, Item]] = field(default_factory=list)  # row, lag, coefficient
    totals: list[tuple[int, Item]] = field(default_factory=list)
    bound_rows: list[int] = field(default_factory=list)


@dataclass
class Row:
    """One equation per step (a slack, where there is one, is among the columns)."""

    rhs: Item
    globals: list[tuple[GlobalKind, int, Item]]
    is_state: bool
    slot: int = 0  # of its dual in the state


@dataclass
class BoundRow:
    """a x + sum(gamma g) - slack = rhs with at most one step variable: a bound that moves with globals."""

    column: int | None
    coefficient: Item
    globals: list[tuple[GlobalKind, int, Item]]
    rhs: Item
    box: Box


@dataclass
class Form:
    """Everything that decides the code of the kernels."""

    columns: list[Column]
    rows: list[Row]
    bound_rows: list[BoundRow]
    num_totals: int
    num_perm: int
    num_live: int
    segmented: bool
    order: list[int] = field(default_factory=list)  # local rows in elimination order, then state rows
    num_slots: int = 0
    num_full: int = 0
    num_shared: int = 0
    num_lane: int = 0

    def finish(self) -> Form:
        """Assign slots and the elimination order."""
        slot = 0
        for box in self.boxes():
            box.slot = slot
            slot += box.num_slots
        for row in self.rows:
            row.slot = slot
            slot += 1
        self.num_slots = slot
        neighbours: dict[int, set[int]] = {r: set() for r in range(len(self.rows))}
        for column in self.columns:
            touched = {r for r, lag, _ in column.rows if lag == 0}
            for r in touched:
                neighbours[r] |= touched
        local = [r for r, row in enumerate(self.rows) if not row.is_state]
        self.order = sorted(local, key=lambda r: len(neighbours[r])) + self.states
        return self

    @property
    def states(self) -> list[int]:
        """Rows with lagged terms, which couple neighbouring steps."""
        return [r for r, row in enumerate(self.rows) if row.is_state]

    @property
    def lag_columns(self) -> list[int]:
        """Columns that appear in lagged terms."""
        return [i for i, column in enumerate(self.columns) if any(lag for _, lag, _ in column.rows)]

    @property
    def partners(self) -> dict[int, int]:
        """State row -> the lagged column that is its own state, eliminated together with it."""
        found: dict[int, int] = {}
        for r in self.states:
            here = {
                i: {lag for row, lag, _ in self.columns[i].rows if row == r}
                for i in self.lag_columns
                if i not in found.values()
            }
            # the state that the row carries on has both lags in it
            choice = [i for i, lags in here.items() if lags == {0, 1}] or [i for i, lags in here.items() if 0 in lags]
            if choice:
                found[r] = choice[0]
        return found

    def boxes(self) -> list[Box]:
        """Boxes of columns and of bound rows' slacks, in the order of their slots."""
        return [column.box for column in self.columns] + [row.box for row in self.bound_rows]

    @property
    def num_border(self) -> int:
        """Spikes of a cut chain, total rows, dense and live globals."""
        return (len(self.states) if self.segmented else 0) + self.num_totals + self.num_perm + self.num_live

    def key(self) -> str:
        """Text that differs where the code differs."""
        return repr(
            (
                self.columns,
                self.rows,
                self.bound_rows,
                self.num_totals,
                self.num_perm,
                self.num_live,
                self.segmented,
                self.order,
            )
        )


# --- structure of a program, without its numbers --------------------------------------------------------------------


@dataclass
class RowPlan:
    """Where the terms of one row block go; terms on the same column and lag are summed."""

    number: int
    block: RowBlock
    lag0: dict[int, list[float | FloatArray]]
    lag1: dict[int, list[float | FloatArray]]
    globals: list[tuple[int, int]]  # (position of the global term, its key in Structure.globals)


@dataclass
class LiveBlock:
    """A global block used one column at a time over consecutive ranges of steps."""

    column_of_step: IntArray  # offset from the first global column
    starts: IntArray  # first step of each range
    members: IntArray  # global offset of each range


def total_of(terms: list[float | FloatArray]) -> float | FloatArray:
    """Sum of the coefficients of one variable."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def gathered(row: RowBlock | TotalRow, lag: int) -> dict[int, list[float | FloatArray]]:
    """Coefficients of a row by step block, for one lag."""
    found: dict[int, list[float | FloatArray]] = {}
    for term in row.step_terms:
        if term.lag == lag and not (np.ndim(term.coefficient) == 0 and term.coefficient == 0.0):
            found.setdefault(term.block, []).append(term.coefficient)
    return found


@dataclass
class Globals:
    """Which global columns are dense border columns, which live one at a time, which are in no row."""

    perm: list[int]  # offsets from the first global column
    live: list[LiveBlock]
    unused: list[int]

    def keys(self, program: LinearProgram, column: int | IntArray) -> list[tuple[GlobalKind, int, IntArray | None]]:
        """Border entries that a global term meets: (kind, number, mask of steps or None for all)."""
        first = program.first_global_column
        if np.ndim(column) == 0:
            offset = int(column) - first
            if offset in self.perm:
                return [("perm", self.perm.index(offset), None)]
            for number, block in enumerate(self.live):
                if offset in block.members:
                    return [("live", number, None)]
            raise Declined("a global column is used both over a range and at single steps")
        offsets = np.asarray(column) - first
        for number, block in enumerate(self.live):
            if np.array_equal(offsets, block.column_of_step):
                return [("live", number, None)]
        return [("perm", self.perm.index(int(o)), offsets == o) for o in np.unique(offsets)]


def classify_globals(program: LinearProgram) -> Globals:
    """Sort the global columns; raises Declined where there are too many dense ones."""
    first = program.first_global_column
    num = program.num_columns - first
    scalar_use: set[int] = set()
    arrays: list[IntArray] = []
    terms = [term for block in program.row_blocks for term in block.global_terms]
    terms += [term for total in program.total_rows for term in total.global_terms]
    for term in terms:
        if np.ndim(term.column) == 0:
            scalar_use.add(int(term.column) - first)
        else:
            offsets = np.asarray(term.column, dtype=np.int64) - first
            if offsets.size and (offsets == offsets[0]).all():
                scalar_use.add(int(offsets[0]))
            elif not any(offsets is known or np.array_equal(offsets, known) for known in arrays):
                arrays.append(offsets)
    live: list[LiveBlock] = []
    perm: set[int] = set(scalar_use)
    taken: set[int] = set()
    for offsets in arrays:
        starts = np.concatenate(([0], np.flatnonzero(np.diff(offsets)) + 1))
        members = offsets[starts]
        distinct = set(members.tolist())
        if len(distinct) == members.size and not distinct & (scalar_use | taken):
            live.append(LiveBlock(offsets, starts, members))
            taken |= distinct
        else:
            perm |= distinct
    if perm & taken:
        live = [block for block in live if not perm & set(block.members.tolist())]
        taken = set().union(*(set(block.members.tolist()) for block in live)) if live else set()
        for offsets in arrays:
            perm |= set(np.unique(offsets).tolist()) - taken
    unused = [j for j in range(num) if j not in perm and j not in taken]
    return Globals(sorted(perm), live, unused)


@dataclass(frozen=True)
class Single:
    """A total row with one entry: a bound of one variable (`block` and `step`, or a global `offset`)."""

    total: int
    block: int = -1
    step: int = -1
    offset: int = -1


@dataclass
class Structure:
    """Programs with the same `LinearProgram.structure` share this."""

    equations: list[int]  # row blocks that stay equations
    bounds: list[int]  # row blocks with at most one step variable, all inequalities
    totals: list[int]
    singles: list[Single]
    globals: Globals
    state_rows: set[int]


def single_entry(programs: list[LinearProgram], number: int) -> Single | None:
    """The one entry of a total row, if it is the same one in all programs."""
    found: Single | None = None
    for program in programs:
        total = program.total_rows[number]
        entries: list[Single] = []
        for block, values in gathered(total, 0).items():
            coefficient = np.broadcast_to(np.asarray(total_of(values)), program.num_steps)
            steps = np.flatnonzero(coefficient)[:2]
            entries += [Single(number, block=block, step=int(step)) for step in steps]
        for term in total.global_terms:
            if np.any(np.asarray(term.coefficient) != 0.0):
                column = int(np.asarray(term.column).reshape(-1)[0])
                entries.append(Single(number, offset=column - program.first_global_column))
        if len(entries) != 1 or (found is not None and entries[0] != found):
            return None
        found = entries[0]
    return found


def single_coefficient(program: LinearProgram, single: Single) -> float:
    """Coefficient of the one entry of a total row."""
    total = program.total_rows[single.total]
    if single.block >= 0:
        values = total_of(gathered(total, 0)[single.block])
        return float(np.broadcast_to(np.asarray(values), program.num_steps)[single.step])
    return float(sum(np.asarray(term.coefficient).reshape(-1)[0] for term in total.global_terms))


def single_bounds(program: LinearProgram, single: Single) -> tuple[float, float]:
    """Lower and upper bound that a total row with one entry puts on its variable."""
    a = single_coefficient(program, single)
    row = program.total_rows[single.total].row
    one, two = float(program.row_lower[row] / a), float(program.row_upper[row] / a)
    return (one, two) if a > 0.0 else (two, one)


def read_structure(programs: list[LinearProgram]) -> Structure:
    """Classify the rows of programs that share one structure."""
    program = programs[0]
    n = program.num_steps
    if n < 1 or not program.step_blocks:
        raise Declined("the program has no step variables")
    globals_ = classify_globals(program)
    equations, bounds, states = [], [], set()
    for number, block in enumerate(program.row_blocks):
        lag0, lag1 = gathered(block, 0), gathered(block, 1)
        rows = slice(block.start, block.start + n)
        always_open = all((q.row_lower[rows] < q.row_upper[rows]).all() for q in programs)
        if not lag1 and len(lag0) <= 1 and always_open:
            bounds.append(number)
        elif not lag0 and not lag1:
            raise Declined(f"row block {block.name} is an equation between globals at every step")
        else:
            equations.append(number)
            if lag1:
                states.add(number)
    totals, singles = [], []
    for number in range(len(program.total_rows)):
        single = single_entry(programs, number)
        if single is None:
            totals.append(number)
        else:
            singles.append(single)
    if len(equations) > MAX_ROWS:
        raise Declined(f"{len(equations)} equations per step, more than {MAX_ROWS}")
    if len(states) > MAX_STATES:
        raise Declined(f"{len(states)} coupled rows per step, more than {MAX_STATES}")
    border = len(globals_.perm) + len(globals_.live) + len(totals)
    if border > MAX_BORDER:
        raise Declined(f"{border} dense globals and total rows, more than {MAX_BORDER}")
    return Structure(equations, bounds, totals, singles, globals_, states)

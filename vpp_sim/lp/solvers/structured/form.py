"""Reads the chain structure of linear programs into the form that the kernels are written for.

The form is static: which columns, rows and border entries there are, which bounds exist, and of which kind each number
is (a constant of the code, one per lane, one per step for all lanes, one per step and lane). Programs of one form share
one set of kernels. `Numbers` are the arrays that the kernels read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vpp_sim.lp.alike import Alike
from vpp_sim.lp.program import FloatArray, IntArray, range_starts, serve_ranges

BoolArray = NDArray[np.bool_]

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


# --- structure of programs, without their numbers --------------------------------------------------------------------


@dataclass
class LiveBlock:
    """Global columns used one at a time over consecutive ranges of steps.

    Programs of one structure may change from one column to the next at different steps, and in different columns.
    """

    columns: IntArray  # (1 or programs, steps): offset from the first global column
    range_of_step: IntArray  # (1 or programs, steps): ranges counted from 0
    members: IntArray  # (1 or programs, ranges): offset of the column that serves a range, -1 where there are fewer

    @property
    def num_ranges(self) -> int:
        """Most ranges that any of the programs has."""
        return int(self.members.shape[1])

    @property
    def starts(self) -> IntArray:
        """First step of each range of the first program."""
        return range_starts(self.range_of_step[0])


def live_block(columns: IntArray) -> LiveBlock:
    """The ranges in (1 or programs, steps) offsets."""
    begins = np.ones(columns.shape, dtype=bool)
    begins[:, 1:] = columns[:, 1:] != columns[:, :-1]
    range_of_step = np.cumsum(begins, axis=1) - 1
    members = np.full((columns.shape[0], int(range_of_step[:, -1].max()) + 1), -1, dtype=np.int64)
    program, step = np.nonzero(begins)
    members[program, range_of_step[program, step]] = columns[program, step]
    return LiveBlock(columns, range_of_step, members)


@dataclass
class Globals:
    """Which global columns are dense border columns (offsets from the first), and which live one at a time."""

    perm: list[int]
    live: list[LiveBlock]

    def entries(self, columns: IntArray) -> list[tuple[GlobalKind, int, BoolArray | None]]:
        """Border entries that a global term meets: (kind, number, mask of steps or None for all)."""
        if columns.shape == (1, 1) and int(columns[0, 0]) in self.perm:
            return [("perm", self.perm.index(int(columns[0, 0])), None)]
        for number, block in enumerate(self.live):
            if np.array_equal(columns, block.columns):
                return [("live", number, None)]
        return [("perm", self.perm.index(int(o)), columns == o) for o in np.unique(columns)]


def classify_globals(alike: Alike) -> Globals:
    """Sort the global columns: those of arrays that cut the horizon into ranges live one at a time."""
    layout = alike.layout
    terms = [columns for row in range(len(layout.row_blocks)) for columns, _ in alike.global_terms(row)]
    totals = range(len(layout.row_blocks), len(layout.row_blocks) + len(layout.total_rows))
    terms += [columns for row in totals for columns, _ in alike.global_terms(row)]
    singles = {int(columns[0, 0]) for columns in terms if columns.shape == (1, 1)}
    arrays: list[IntArray] = []
    for columns in terms:
        if columns.shape != (1, 1) and not any(np.array_equal(columns, known) for known in arrays):
            arrays.append(columns)
    # the structure says that every array cuts the horizon so, or that all programs have the same arrays
    live: list[IntArray] = []
    taken = set(singles)
    for columns in arrays:
        own = set(columns[0].tolist())
        others = set().union(*(set(other[0].tolist()) for other in arrays if other is not columns))
        if serve_ranges([columns[0]], singles) and not own & others:
            live.append(columns)
        else:
            taken |= own
    return Globals(sorted(taken), [live_block(columns) for columns in live])


@dataclass(frozen=True)
class Single:
    """A total row with one entry: a bound of one variable (`block` and `step`, or a global `offset`)."""

    total: int
    coefficient: FloatArray  # (programs,)
    block: int = -1
    step: int = -1
    offset: int = -1

    def bounds(self, alike: Alike) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bound, each (programs,), that the row puts on its variable."""
        low = np.broadcast_to(alike.of_totals("row_lower")[:, self.total], alike.count) / self.coefficient
        high = np.broadcast_to(alike.of_totals("row_upper")[:, self.total], alike.count) / self.coefficient
        return np.where(self.coefficient > 0.0, low, high), np.where(self.coefficient > 0.0, high, low)


@dataclass
class Structure:
    """Programs with the same `LinearProgram.structure` share this."""

    equations: list[int]  # row blocks that stay equations
    bounds: list[int]  # row blocks with at most one step variable, all inequalities
    totals: list[int]
    singles: list[Single]
    globals: Globals
    state_rows: set[int]


def single_entry(alike: Alike, number: int) -> Single | None:
    """The one entry of a total row, if it is the same one in all programs."""
    row = len(alike.layout.row_blocks) + number
    found: list[Single] = []
    for (block, _), coefficient in alike.terms(row).items():
        steps = np.flatnonzero((coefficient != 0.0).any(axis=0))
        if steps.size > 1 or (coefficient.shape[1] == 1 and alike.steps > 1):
            return None
        values = np.broadcast_to(coefficient[:, steps[0]], alike.count)
        found.append(Single(number, values, block=block, step=int(steps[0])))
    by_offset: dict[int, FloatArray] = {}
    for columns, coefficient in alike.global_terms(row):
        offset = int(columns[0, 0])
        by_offset[offset] = by_offset.get(offset, np.zeros(alike.count)) + coefficient[:, 0]
    found += [Single(number, values, offset=offset) for offset, values in by_offset.items() if values.any()]
    return found[0] if len(found) == 1 and found[0].coefficient.all() else None


def read_structure(alike: Alike) -> Structure:
    """Classify the rows of programs that share one structure."""
    layout = alike.layout
    if alike.steps < 1 or not layout.step_blocks:
        raise Declined("the program has no step variables")
    globals_ = classify_globals(alike)
    equations, bounds, states = [], [], set()
    for number, block in enumerate(layout.row_blocks):
        lags = [lag for _, lag in alike.terms(number)]
        always_open = bool((alike.of_row("row_lower", number) < alike.of_row("row_upper", number)).all())
        if 1 not in lags and len(lags) <= 1 and always_open:
            bounds.append(number)
        elif not lags:
            raise Declined(f"row block {block.name} is an equation between globals at every step")
        else:
            equations.append(number)
            if 1 in lags:
                states.add(number)
    totals, singles = [], []
    for number in range(len(layout.total_rows)):
        single = single_entry(alike, number)
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

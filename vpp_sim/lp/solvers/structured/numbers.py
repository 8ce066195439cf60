"""Pours the numbers of programs that share a structure into lanes, shifted and scaled, and the solution back out.

A variable x of the program becomes x = sign (shift + scale p) with p >= 0 where it has a bound, a row is multiplied by
its block's scale, and objective and right-hand sides are divided by one power of two each, so that the kernels work
near 1 whatever the site's size. Scales are powers of two: they cost no accuracy.

Every number is an array over programs and steps as `Alike` gives it, of length 1 along what does not change, so what
the programs share is poured once, and the shape says which kind of number the kernels read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vpp_sim.lp.alike import Alike, before, compact
from vpp_sim.lp.program import FloatArray, IntArray
from vpp_sim.lp.solvers.structured.form import (
    BoundRow,
    Box,
    Column,
    Declined,
    Form,
    GlobalKind,
    Item,
    Row,
    Structure,
)
from vpp_sim.lp.solvers.structured.kernels import Slots
from vpp_sim.lp.solvers.structured.vector_code import LANES

FIXED_WIDTH = 1e-10  # relative to the scale: narrower variables do not move


def aligned(*shape: int) -> FloatArray:
    """Zeros that start on a cache line, as the kernels' vector loads need it."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 8)
    offset = (-raw.ctypes.data // 8) % 8
    return raw[offset : offset + size].reshape(shape)


def power_of_two(value: float) -> float:
    """Nearest power of two, 1 for what is not positive and finite."""
    return float(2.0 ** np.round(np.log2(value))) if 0.0 < value < np.inf else 1.0


@dataclass(frozen=True)
class Layout:
    """Which lane works on which program and which steps.

    One program may be cut into segments that are eliminated side by side (`segmented`); else each lane has one program
    from beginning to end. Idle lanes at the end repeat the last one.
    """

    num_steps: int
    num_programs: int
    starts: IntArray  # first step of each segment; (0,) where programs are not cut

    @property
    def segmented(self) -> bool:
        """Whether one program is cut over lanes."""
        return self.starts.size > 1

    @property
    def num_lanes(self) -> int:
        """Lanes with work."""
        return self.starts.size if self.segmented else self.num_programs

    @property
    def num_groups(self) -> int:
        """Vectors of lanes."""
        return -(-self.num_lanes // LANES)

    @property
    def lengths(self) -> IntArray:
        """Steps of each segment."""
        return np.diff(np.append(self.starts, self.num_steps))

    @property
    def longest(self) -> int:
        """Steps that the kernels run over."""
        return int(self.lengths.max())

    @property
    def lane_of(self) -> IntArray:
        """Real lane behind each lane of all groups."""
        return np.minimum(np.arange(self.num_groups * LANES), self.num_lanes - 1)


class Fields:
    """Collects the numbers that kernels read; their shape decides of which kind each is."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.lane: list[FloatArray] = []
        self.shared: list[FloatArray] = []
        self.full: list[FloatArray] = []

    def item(self, values: FloatArray) -> Item:
        """Register an array (1 or programs, 1 or steps)."""
        values = compact(values)
        if values.shape == (1, 1) and values[0, 0] in (0.0, 1.0, -1.0):
            return Item("const", value=float(values[0, 0]))
        if values.shape[1] == 1:
            self.lane.append(values)
            return Item("lane", len(self.lane) - 1)
        if values.shape[0] == 1 and not self.layout.segmented:
            self.shared.append(values)
            return Item("shared", len(self.shared) - 1)
        self.full.append(values)
        return Item("full", len(self.full) - 1)

    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(full, shared, lane) arrays for the kernels: (groups, steps + 1, fields, LANES), (steps + 1, fields), ..."""
        layout = self.layout
        groups, longest, lane_of = layout.num_groups, layout.longest, layout.lane_of
        full = aligned(groups, longest + 1, max(len(self.full), 1), LANES)
        if layout.segmented:
            index = np.minimum(layout.starts[:, None] + np.arange(longest + 1), layout.num_steps)[lane_of]
        for k, values in enumerate(self.full):
            if layout.segmented:
                lanes = np.append(values[0], 0.0)[index]
                full[:, :, k, :] = lanes.reshape(groups, LANES, -1).transpose(0, 2, 1)
            else:
                lanes = values if values.shape[0] == 1 or lane_of.size == values.shape[0] else values[lane_of]
                lanes = np.broadcast_to(lanes, (lane_of.size, longest))
                full[:, :longest, k, :] = lanes.reshape(groups, LANES, -1).transpose(0, 2, 1)
        shared = aligned(longest + 1, max(len(self.shared), 1))
        for k, values in enumerate(self.shared):
            shared[:longest, k] = values[0]
        lane = aligned(groups, max(len(self.lane), 1), LANES)
        programs = np.zeros(groups * LANES, dtype=np.int64) if layout.segmented else lane_of
        for k, values in enumerate(self.lane):
            lane[:, k, :] = values[:, 0] if values.shape[0] == 1 else values[programs, 0].reshape(groups, LANES)
        return full, shared, lane


@dataclass
class Span:
    """Bounds of one block after shifting, each (1 or programs, 1 or steps): x = sign (shift + p)."""

    sign: float
    shift: FloatArray
    lower: FloatArray
    upper: FloatArray


def span(lower: FloatArray, upper: FloatArray) -> Span:
    """Mirrored where there are upper bounds only; the shift is the lower bound, else the upper one, else 0."""
    sign = 1.0
    if not np.isfinite(lower).any() and np.isfinite(upper).any():
        lower, upper, sign = -upper, -lower, -1.0
    finite = np.isfinite(lower)
    shift = lower if finite.all() else np.where(finite, lower, np.where(np.isfinite(upper), upper, 0.0))
    return Span(sign, compact(shift), lower, upper)


@dataclass
class Edge:
    """Variables outside the steps, (num_edge, num_programs): dense globals, ranges of live ones, slacks of total rows.

    A program with fewer ranges than others has an edge of width and cost 0 in the place of each that it lacks.
    """

    sign: FloatArray
    shift: FloatArray
    width: FloatArray
    has_low: FloatArray
    cost: FloatArray
    offsets: IntArray  # global offset of each, -1 where it stands for no global


@dataclass
class Numbers:
    """What the interior-point loop needs, and what turns its points back into solutions."""

    alike: Alike
    structure: Structure
    form: Form
    layout: Layout
    full: FloatArray
    shared: FloatArray
    lane: FloatArray
    objective_scale: FloatArray  # (num_programs,)
    size_scale: FloatArray
    constant: FloatArray  # objective of the shifts, original units
    edge: Edge
    total_globals: FloatArray  # (num_totals, num_edge, num_programs): coefficients in total rows, slack -1
    total_rhs: FloatArray  # (num_totals, num_programs)
    spans: list[Span]
    bound_signs: list[float]
    bound_numbers: list[int]
    folded: dict[int, tuple[FloatArray, FloatArray]]  # row block -> bounds that it puts on its one column
    row_scale: dict[int, float]
    column_scale: list[float]
    total_scale: FloatArray
    idle: FloatArray  # (num_programs, global columns): values of those in no row
    pairs: FloatArray  # complementarity pairs per program

    @cached_property
    def slots(self) -> Slots:
        """Where things lie in the arrays that the kernels share with Python."""
        return Slots(self.form)

    @property
    def num_slacks(self) -> int:
        """Edge variables that are slacks of total rows: the last ones."""
        live = sum(block.num_ranges for block in self.structure.globals.live)
        return len(self.edge.cost) - self.form.num_perm - live


def _equilibrate(structure: Structure, alike: Alike) -> tuple[dict[int, float], list[float]]:
    """Powers of two per row block and column block; all 1 where coefficients lie within 1/16 to 16 anyway."""
    entries: list[tuple[int, int, float]] = []
    for number in (*structure.equations, *structure.bounds):
        for (block, _), coefficient in alike.terms(number).items():
            entries.append((number, block, float(np.abs(coefficient).max())))
    rows = dict.fromkeys((*structure.equations, *structure.bounds), 1.0)
    columns = [1.0] * len(alike.layout.step_blocks)
    if all(1 / 16 <= size <= 16 for _, _, size in entries):
        return rows, columns
    for _ in range(4):
        for by_row in (True, False):
            largest: dict[int, list[float]] = {}
            for r, c, size in entries:
                largest.setdefault(r if by_row else c, []).append(size * rows[r] * columns[c])
            for key, sizes in largest.items():
                factor = 1.0 / np.sqrt(max(sizes) * min(sizes))
                if by_row:
                    rows[key] *= factor
                else:
                    columns[key] *= factor
    return {r: power_of_two(s) for r, s in rows.items()}, [power_of_two(s) for s in columns]


def _at_bounds(low: FloatArray, high: FloatArray) -> None:
    """Let bounds that cross by rounding meet, in place; Declined where they cross by more."""
    crossed = low > high
    if (low - high > 1e-9 * (1.0 + np.abs(low)))[crossed].any():
        raise Declined("a total row with one entry contradicts a bound")
    low[crossed] = high[crossed]


class _Pour:
    """The steps of `pour`; what one needs of those before is kept here."""

    def __init__(self, alike: Alike, structure: Structure, layout: Layout) -> None:
        self.alike, self.structure, self.layout = alike, structure, layout
        self.count, self.steps = alike.count, alike.steps
        self.fields = Fields(layout)
        self.row_scale, self.column_scale = _equilibrate(structure, alike)
        blocks = range(len(alike.layout.step_blocks))
        self.lowers = [alike.of_block("lower", i) for i in blocks]
        self.uppers = [alike.of_block("upper", i) for i in blocks]
        self.global_low = np.array(np.broadcast_to(alike.of_globals("lower"), (self.count, self.num_globals)))
        self.global_high = np.array(np.broadcast_to(alike.of_globals("upper"), (self.count, self.num_globals)))
        self.constant = np.array([program.cost_offset for program in alike.programs])
        self.pairs = np.zeros(self.count)
        self.fold_singles()
        self.place_globals()
        self.fold_bound_rows()
        self.spans = [span(low, high) for low, high in zip(self.lowers, self.uppers, strict=True)]
        self.choose_scales()

    @property
    def num_globals(self) -> int:
        return self.alike.layout.num_columns - self.alike.layout.first_global_column

    def total(self, values: FloatArray) -> FloatArray:
        """Sum over the steps, (programs,)."""
        found = values.sum(axis=1) * (self.steps if values.shape[1] == 1 else 1)
        return np.broadcast_to(found, self.count)

    # --- globals ---------------------------------------------------------------------------------------------
    def fold_singles(self) -> None:
        """Total rows with one entry are bounds of their variable."""
        for single in self.structure.singles:
            low, high = single.bounds(self.alike)
            if single.block >= 0:
                shape = self.count, self.steps
                lower = self.lowers[single.block] = np.array(np.broadcast_to(self.lowers[single.block], shape))
                upper = self.uppers[single.block] = np.array(np.broadcast_to(self.uppers[single.block], shape))
                at = single.step
            else:
                lower, upper, at = self.global_low, self.global_high, single.offset
            lower[:, at] = np.maximum(lower[:, at], low)
            upper[:, at] = np.minimum(upper[:, at], high)
            _at_bounds(lower[:, at], upper[:, at])

    def place_globals(self) -> None:
        """An edge variable for every dense global and every range of a live one, shifted to its bound."""
        globals_ = self.structure.globals
        offsets = [np.full((1, self.count), j, dtype=np.int64) for j in globals_.perm]
        self.first_edge: list[int] = []
        for block in globals_.live:
            self.first_edge.append(sum(len(one) for one in offsets))
            offsets.append(np.broadcast_to(block.members, (self.count, block.num_ranges)).T)
        self.offsets = np.concatenate(offsets) if offsets else np.zeros((0, self.count), dtype=np.int64)
        there, program = self.offsets >= 0, np.arange(self.count)
        if self.num_globals:
            cost = np.broadcast_to(self.alike.of_globals("cost"), self.global_low.shape)
            low = np.where(there, self.global_low[program, self.offsets], 0.0)
            high = np.where(there, self.global_high[program, self.offsets], 0.0)
            self.global_cost = np.where(there, cost[program, self.offsets], 0.0)
        else:
            low = high = self.global_cost = np.zeros(self.offsets.shape)
        mirrored = ~np.isfinite(low) & np.isfinite(high)
        self.global_sign = np.where(mirrored, -1.0, 1.0)
        low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
        self.has_low = np.isfinite(low)
        self.global_shift = np.where(self.has_low, low, 0.0)
        self.global_width = np.where(self.has_low, high - self.global_shift, np.inf)

    def set_idle(self) -> FloatArray:
        """Values of the globals that are in no row of their program, at the best of their bounds."""
        if not self.num_globals:
            return np.zeros((self.count, 0))
        used = np.zeros((self.count, self.num_globals + 1), dtype=bool)
        used[np.arange(self.count), self.offsets] = True  # what is absent marks the last, which is none
        idle = ~used[:, :-1]
        cost = np.broadcast_to(self.alike.of_globals("cost"), idle.shape)
        nearest = np.clip(0.0, self.global_low, self.global_high)
        best = np.where(cost > 0.0, self.global_low, np.where(cost < 0.0, self.global_high, nearest))
        if not np.isfinite(best[idle]).all():
            raise Declined("a global variable in no row has a cost without end")
        best = np.where(idle, best, 0.0)
        self.constant += (cost * best).sum(axis=1)
        return best

    def on_steps(self, values: FloatArray, kind: GlobalKind, number: int) -> FloatArray:
        """A number of each edge (num_edge, programs), of the one that serves each step."""
        if kind == "perm":
            return compact(values[number][:, None])
        block, first = self.structure.globals.live[number], self.first_edge[number]
        ranges = values[first : first + block.num_ranges].T
        if (ranges == ranges[0, 0]).all():
            return ranges[:1, :1]
        shape = self.count, self.steps
        return np.take_along_axis(ranges, np.broadcast_to(block.range_of_step, shape), axis=1)

    def global_coefficients(self, row: int) -> dict[tuple[GlobalKind, int], FloatArray]:
        """Coefficient of each border entry in a row block, without the sign of the global."""
        found: dict[tuple[GlobalKind, int], FloatArray] = {}
        for columns, coefficient in self.alike.global_terms(row):
            for kind, number, mask in self.structure.globals.entries(columns):
                value = coefficient if mask is None else np.where(mask, coefficient, 0.0)
                found[kind, number] = found[kind, number] + value if (kind, number) in found else value
        return found

    # --- bound rows: what does not move goes into the columns' bounds ------------------------------------------
    def fold_bound_rows(self) -> None:
        self.bound_numbers: list[int] = []
        self.bound_low: dict[int, FloatArray] = {}
        self.bound_high: dict[int, FloatArray] = {}
        self.folded: dict[int, tuple[FloatArray, FloatArray]] = {}
        for number in self.structure.bounds:
            row = self.alike.layout.row_blocks[number]
            row_low, row_high = self.alike.of_row("row_lower", number), self.alike.of_row("row_upper", number)
            moving = np.zeros((1, 1), dtype=bool)
            for value in self.global_coefficients(number).values():
                moving = moving | (value != 0.0)
            if not moving.all():
                column, a = -1, np.zeros((1, 1))
                for (column, _), a in self.alike.terms(number).items():
                    with np.errstate(divide="ignore", invalid="ignore"):
                        one, two = row_low / a, row_high / a
                    acts = ~moving & (a != 0.0)
                    new_low = np.where(acts, np.where(a > 0.0, one, two), -np.inf)
                    new_high = np.where(acts, np.where(a > 0.0, two, one), np.inf)
                    self.lowers[column] = compact(np.maximum(self.lowers[column], new_low))
                    self.uppers[column] = compact(np.minimum(self.uppers[column], new_high))
                    self.folded[number] = new_low, new_high
                empty = ~moving & (a == 0.0)
                if (empty & ((row_low > 0.0) | (row_high < 0.0))).any():
                    raise Declined(f"row block {row.name} has an empty row that cannot hold")
                row_low = np.where(moving, row_low, -np.inf)
                row_high = np.where(moving, row_high, np.inf)
            if row.global_terms:
                self.bound_numbers.append(number)
                self.bound_low[number], self.bound_high[number] = row_low, row_high

    # --- scales --------------------------------------------------------------------------------------------------
    def shifted(self, number: int) -> FloatArray:
        """What the shifts of columns and globals contribute to a row block."""
        found = np.zeros((1, 1))
        for (i, lag), a in self.alike.terms(number).items():
            shift = self.spans[i].shift
            if shift.any():
                found = found + a * (self.spans[i].sign * (before(shift, self.steps) if lag else shift))
        for (kind, k), value in self.global_coefficients(number).items():
            shift = self.on_steps(self.global_shift, kind, k)
            if shift.any():
                found = found + value * self.on_steps(self.global_sign, kind, k) * shift
        return found

    def choose_scales(self) -> None:
        """One unit of size and one of money for each program."""
        alike = self.alike
        self.moved = {number: self.shifted(number) for number in self.structure.equations}
        sizes, costs = np.zeros(self.count), np.zeros(self.count)
        for number in self.structure.equations:
            low, high = alike.of_row("row_lower", number), alike.of_row("row_upper", number)
            side = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, 0.0))
            sizes = np.maximum(sizes, np.abs(side - self.moved[number]).max(axis=1) * self.row_scale[number])
        for own in self.spans if not sizes.all() else []:
            widths = np.abs(own.upper - own.shift)
            widest = np.where(np.isfinite(widths), widths, 0.0).max(axis=1)
            sizes = np.where(sizes == 0.0, np.maximum(sizes, widest), sizes)
        for i in range(len(self.spans)):
            costs = np.maximum(costs, np.abs(alike.of_block("cost", i)).max(axis=1) * self.column_scale[i])
        self.size_scale, self.objective_scale = _common(sizes), _common(costs)
        self.size = compact(self.size_scale[:, None])

    # --- columns and rows --------------------------------------------------------------------------------------
    def box(self, own: Span, scale: float) -> Box:
        """Static kinds of a span's bounds, and its width and mask registered as fields."""
        low, high = np.isfinite(own.lower), np.isfinite(own.upper)
        with np.errstate(invalid="ignore"):
            width = (own.upper - own.shift) / (self.size * scale)
        tight = low & (width <= FIXED_WIDTH)
        if (tight & (width < -1e-9)).any():
            raise Declined("a lower bound lies above its upper bound")
        width = np.where(tight, 0.0, width)
        for bounded in (low & ~tight, high & ~tight):
            self.pairs += self.total(bounded.astype(np.float64))
        none = Item("const")
        return Box(
            "all" if low.all() else ("some" if low.any() else "none"),
            "all" if high.all() else ("some" if high.any() else "none"),
            bool(tight.any()),
            self.fields.item(width) if high.any() else none,
            self.fields.item(low.astype(np.float64)) if low.any() and not low.all() else none,
        )

    def global_entries(self, number: int, scale: float) -> list[tuple[GlobalKind, int, Item]]:
        return [
            (kind, k, self.fields.item(value * (scale * self.on_steps(self.global_sign, kind, k))))
            for (kind, k), value in self.global_coefficients(number).items()
        ]

    def columns(self) -> list[Column]:
        found = []
        money = compact(self.objective_scale[:, None])
        for i, own in enumerate(self.spans):
            cost = self.alike.of_block("cost", i)
            if own.shift.any():
                self.constant += own.sign * self.total(cost * own.shift)
            item = self.fields.item(cost * (own.sign * self.column_scale[i]) / money)
            found.append(Column(item, self.box(own, self.column_scale[i])))
        return found

    def rows(self, columns: list[Column]) -> list[Row]:
        """The equations; an inequality gets a slack among the columns."""
        found: list[Row] = []
        for number in self.structure.equations:
            r, scale = len(found), self.row_scale[number]
            for (i, lag), a in self.alike.terms(number).items():
                item = self.fields.item(a * (scale * self.column_scale[i] * self.spans[i].sign))
                columns[i].rows.append((r, lag, item))
            entries = self.global_entries(number, scale)
            low = self.alike.of_row("row_lower", number) - self.moved[number]
            high = self.alike.of_row("row_upper", number)
            if (self.alike.of_row("row_lower", number) != high).any():
                own = span(low, high - self.moved[number])
                slack = Column(Item("const"), self.box(own, 1.0 / scale))
                slack.rows.append((r, 0, Item("const", value=-own.sign)))
                columns.append(slack)
                low = own.sign * own.shift
            found.append(Row(self.fields.item(low * scale / self.size), entries, number in self.structure.state_rows))
        return found

    def bound_rows(self, columns: list[Column]) -> list[BoundRow]:
        """sign (a x + gamma g) = shift + slack, in scaled units."""
        found: list[BoundRow] = []
        self.bound_signs: list[float] = []
        for number in self.bound_numbers:
            scale, moved = self.row_scale[number], self.shifted(number)
            own = span(self.bound_low[number] - moved, self.bound_high[number] - moved)
            turn = own.sign * scale
            column, coefficient = None, Item("const")
            for (i, _), a in self.alike.terms(number).items():
                column = i
                coefficient = self.fields.item(a * (turn * self.column_scale[i] * self.spans[i].sign))
                columns[i].bound_rows.append(len(found))
            entries = self.global_entries(number, turn)
            rhs = self.fields.item(own.shift * scale / self.size)
            found.append(BoundRow(column, coefficient, entries, rhs, self.box(own, 1.0 / scale)))
            self.bound_signs.append(own.sign)
        return found

    # --- total rows ----------------------------------------------------------------------------------------------
    def totals(self, columns: list[Column]) -> tuple[Edge, FloatArray, FloatArray, FloatArray]:
        """The edge with slacks of the total rows, those rows' coefficients on it, right-hand sides and scales."""
        alike, totals = self.alike, self.structure.totals
        first = len(alike.layout.row_blocks)
        shape = self.count, len(alike.layout.total_rows)
        lows = np.broadcast_to(alike.of_totals("row_lower"), shape)
        highs = np.broadcast_to(alike.of_totals("row_upper"), shape)
        slack_rows = [d for d, number in enumerate(totals) if (lows[:, number] < highs[:, number]).any()]
        m = len(self.offsets)
        edges = m + len(slack_rows), self.count
        edge = Edge(
            np.ones(edges), np.zeros(edges), np.full(edges, np.inf), np.ones(edges), np.zeros(edges),
            np.concatenate((self.offsets, np.full((len(slack_rows), self.count), -1, dtype=np.int64))),
        )  # fmt: skip
        edge.sign[:m], edge.shift[:m], edge.has_low[:m] = self.global_sign, self.global_shift, self.has_low
        edge.width[:m] = self.global_width / self.size_scale
        edge.cost[:m] = self.global_cost * self.global_sign / self.objective_scale
        self.constant += (self.global_cost * self.global_sign * self.global_shift).sum(axis=0)
        coefficients = np.zeros((len(totals), *edges))
        rhs, scales = np.zeros((len(totals), self.count)), np.ones(len(totals))
        for d, number in enumerate(totals):
            terms = alike.terms(first + number)
            sizes = [float(np.abs(a).max()) * self.column_scale[i] for (i, _), a in terms.items()]
            scales[d] = scale = 1.0 / power_of_two(max(sizes, default=1.0))
            moved = np.zeros(self.count)
            for (i, _), a in terms.items():
                own = self.spans[i]
                columns[i].totals.append((d, self.fields.item(a * (scale * self.column_scale[i] * own.sign))))
                moved = moved + own.sign * self.total(a * own.shift)
            for column, a in alike.global_terms(first + number):
                k = self.structure.globals.perm.index(int(column[0, 0]))
                coefficients[d, k] += a[:, 0] * (scale * self.global_sign[k])
                moved = moved + a[:, 0] * self.global_sign[k] * self.global_shift[k]
            low, high = lows[:, number] - moved, highs[:, number] - moved
            if d not in slack_rows:
                rhs[d] = low * (scale / self.size_scale)
                continue
            k = m + slack_rows.index(d)
            sign = np.where(~np.isfinite(low) & np.isfinite(high), -1.0, 1.0)
            low, high = np.where(sign > 0.0, low, -high), np.where(sign > 0.0, high, -low)
            edge.sign[k], edge.has_low[k] = sign, np.isfinite(low)
            edge.shift[k] = np.where(np.isfinite(low), low, 0.0)
            edge.width[k] = (high - edge.shift[k]) * (scale / self.size_scale)
            coefficients[d, k] = -sign
            rhs[d] = sign * edge.shift[k] * (scale / self.size_scale)
        return edge, coefficients, rhs, scales


def pour(alike: Alike, structure: Structure, layout: Layout) -> Numbers:
    """Form and numbers of programs that share `structure`; raises Declined for what the kernels cannot hold."""
    making = _Pour(alike, structure, layout)
    idle = making.set_idle()
    columns = making.columns()
    rows = making.rows(columns)
    bound_rows = making.bound_rows(columns)
    edge, total_globals, total_rhs, total_scale = making.totals(columns)
    globals_, fields = structure.globals, making.fields
    form = Form(
        columns, rows, bound_rows, len(structure.totals), len(globals_.perm), len(globals_.live), layout.segmented
    ).finish()
    form.num_full, form.num_shared, form.num_lane = len(fields.full), len(fields.shared), len(fields.lane)
    full, shared, lane = fields.arrays()
    return Numbers(
        alike=alike,
        structure=structure,
        form=form,
        layout=layout,
        full=full,
        shared=shared,
        lane=lane,
        objective_scale=making.objective_scale,
        size_scale=making.size_scale,
        constant=making.constant,
        edge=edge,
        total_globals=total_globals,
        total_rhs=total_rhs,
        spans=making.spans,
        bound_signs=making.bound_signs,
        bound_numbers=making.bound_numbers,
        folded=making.folded,
        row_scale=making.row_scale,
        column_scale=making.column_scale,
        total_scale=total_scale,
        idle=idle,
        pairs=making.pairs,
    )


def _common(sizes: FloatArray) -> FloatArray:
    """One power of two for all programs where they are alike, so that they can share numbers; else one each."""
    positive = np.where(sizes > 0.0, sizes, 1.0)
    if positive.max() <= 32.0 * positive.min():
        return np.full(sizes.size, power_of_two(float(np.sqrt(positive.max() * positive.min()))))
    return np.array([power_of_two(float(size)) for size in positive])

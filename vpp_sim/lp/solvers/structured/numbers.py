"""Pours the numbers of programs that share a structure into lanes, shifted and scaled, and the solution back out.

A variable x of the program becomes x = sign (shift + scale p) with p >= 0 where it has a bound, a row is multiplied by
its block's scale, and objective and right-hand sides are divided by one power of two each, so that the kernels work
near 1 whatever the site's size. Scales are powers of two: they cost no accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vpp_sim.lp.program import FloatArray, IntArray, LinearProgram, RowBlock
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
    gathered,
    single_bounds,
    total_of,
)
from vpp_sim.lp.solvers.structured.vector_code import LANES

Value = float | FloatArray
FIXED_WIDTH = 1e-10  # relative to the scale: narrower variables do not move
WIDER = {("const", "lane"): "lane", ("const", "shared"): "shared"}


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
    """Collects the numbers that kernels read and decides of which kind each is."""

    def __init__(self, layout: Layout, known: list[str] | None = None) -> None:
        self.layout = layout
        self.known = known or []
        self.kinds: list[str] = []
        self.lane: list[list[Value]] = []
        self.shared: list[FloatArray] = []
        self.full: list[list[Value]] = []

    def item(self, values: list[Value]) -> Item:
        """Register one number per program, scalar or (num_steps,)."""
        values = [_flat(value) for value in values]
        first = values[0]
        if all(isinstance(value, float) for value in values):
            same = all(value == first for value in values)
            kind = "const" if same and first in (0.0, 1.0, -1.0) else "lane"
        elif not self.layout.segmented and all(value is first or np.array_equal(value, first) for value in values[1:]):
            kind = "shared"
        else:
            kind = "full"
        number = len(self.kinds)
        if number < len(self.known):
            before = self.known[number]
            if before != kind and before != f"const {first}":
                pair = {before.split()[0], kind}
                kind = (
                    "full"
                    if "full" in pair or pair == {"lane", "shared"}
                    else ("shared" if "shared" in pair else "lane")
                )
        self.kinds.append(f"const {first}" if kind == "const" else kind)
        if kind == "const":
            return Item("const", value=float(first))
        if kind == "lane":
            self.lane.append(values)
            return Item("lane", len(self.lane) - 1)
        if kind == "shared":
            self.shared.append(np.broadcast_to(np.asarray(first), self.layout.num_steps))
            return Item("shared", len(self.shared) - 1)
        self.full.append(values)
        return Item("full", len(self.full) - 1)

    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(full, shared, lane) arrays for the kernels: (groups, steps + 1, fields, LANES), (steps + 1, fields), ..."""
        layout = self.layout
        groups, longest = layout.num_groups, layout.longest
        full = aligned(groups, longest + 1, max(len(self.full), 1), LANES)
        if layout.segmented:
            index = np.minimum(layout.starts[:, None] + np.arange(longest + 1), layout.num_steps)[layout.lane_of]
        for k, values in enumerate(self.full):
            if layout.segmented:
                extended = np.append(np.broadcast_to(np.asarray(values[0]), layout.num_steps), 0.0)
                full[:, :, k, :] = extended[index].reshape(groups, LANES, -1).transpose(0, 2, 1)
            else:
                stacked = np.zeros((groups * LANES, longest + 1))
                for lane, program in enumerate(layout.lane_of):
                    stacked[lane, :longest] = values[program]
                full[:, :, k, :] = stacked.reshape(groups, LANES, -1).transpose(0, 2, 1)
        shared = aligned(longest + 1, max(len(self.shared), 1))
        for k, array in enumerate(self.shared):
            shared[:longest, k] = array
        lane_values = aligned(groups, max(len(self.lane), 1), LANES)
        programs = np.zeros(groups * LANES, dtype=np.int64) if layout.segmented else layout.lane_of
        for k, values in enumerate(self.lane):
            lane_values[:, k, :] = np.array(values, dtype=np.float64)[programs].reshape(groups, LANES)
        return full, shared, lane_values


def _flat(value: Value) -> Value:
    """A plain float where the array is constant."""
    if np.ndim(value) == 0:
        return float(value)
    array = np.asarray(value)
    if array.size and array[0] == array[-1] and (array.size < 3 or (array == array[0]).all()):
        return float(array[0])
    return array


@dataclass
class Span:
    """Bounds of one block in all programs after shifting: x = sign (shift + p)."""

    sign: float
    shift: list[FloatArray]
    lower: list[FloatArray]
    upper: list[FloatArray]


@dataclass
class Edge:
    """Variables outside the steps, (num_edge, num_programs): used globals first, then slacks of total rows."""

    sign: FloatArray
    shift: FloatArray
    width: FloatArray
    has_low: FloatArray
    cost: FloatArray
    offsets: IntArray  # global offset of each, -1 for slacks


@dataclass
class Numbers:
    """What one call of the interior-point loop needs, and what turns its point back into solutions."""

    programs: list[LinearProgram]
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
    spans: list[Span] = field(default_factory=list)
    bound_signs: list[float] = field(default_factory=list)
    folded: list[dict[int, tuple[FloatArray, FloatArray]]] = field(default_factory=list)
    row_scale: dict[int, float] = field(default_factory=dict)
    column_scale: list[float] = field(default_factory=list)
    total_scale: FloatArray = field(default_factory=lambda: np.empty(0))
    bound_numbers: list[int] = field(default_factory=list)
    unused: list[FloatArray] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    pairs: FloatArray = field(default_factory=lambda: np.empty(0))  # complementarity pairs per program


def _slice(values: FloatArray, start: int, n: int) -> FloatArray:
    return values[start : start + n]


def _equilibrate(structure: Structure, programs: list[LinearProgram]) -> tuple[dict[int, float], list[float]]:
    """Powers of two per row block and column block; all 1 where coefficients lie within 1/16 to 16 anyway."""
    program = programs[0]
    entries: list[tuple[int, int, float]] = []
    for number in (*structure.equations, *structure.bounds):
        for term in program.row_blocks[number].step_terms:
            size = float(np.abs(term.coefficient).max())
            if size > 0.0:
                entries.append((number, term.block, size))
    rows = dict.fromkeys((*structure.equations, *structure.bounds), 1.0)
    columns = [1.0] * len(program.step_blocks)
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


def pour(
    programs: list[LinearProgram], structure: Structure, layout: Layout, known: list[str] | None = None
) -> Numbers:
    """Form and numbers of programs that share `structure`; raises Declined for what the kernels cannot hold."""
    first_program = programs[0]
    n = first_program.num_steps
    count = len(programs)
    globals_ = structure.globals
    fields = Fields(layout, known)
    row_scale, column_scale = _equilibrate(structure, programs)

    lowers = [[_slice(p.lower, block.start, n) for p in programs] for block in first_program.step_blocks]
    uppers = [[_slice(p.upper, block.start, n) for p in programs] for block in first_program.step_blocks]

    # --- globals ---------------------------------------------------------------------------------------------
    used = [*globals_.perm, *(int(j) for block in globals_.live for j in block.members)]
    edge_of = {offset: k for k, offset in enumerate(used)}
    base = first_program.first_global_column
    at = np.array([base + j for j in used], dtype=np.int64)
    edges_low, edges_high = [p.lower[base:].copy() for p in programs], [p.upper[base:].copy() for p in programs]
    for single in structure.singles:
        for q, program in enumerate(programs):
            low_bound, high_bound = single_bounds(program, single)
            if single.block >= 0:
                low_values, high_values = lowers[single.block][q].copy(), uppers[single.block][q].copy()
                lowers[single.block][q], uppers[single.block][q] = low_values, high_values
                position = single.step
            else:
                low_values, high_values, position = edges_low[q], edges_high[q], single.offset
            low_values[position] = max(low_values[position], low_bound)
            high_values[position] = min(high_values[position], high_bound)
            if low_values[position] > high_values[position]:
                gap = low_values[position] - high_values[position]
                if gap > 1e-9 * (1.0 + abs(low_values[position])):
                    raise Declined("a total row with one entry contradicts a bound")
                low_values[position] = high_values[position]
    global_low = np.array([values[at - base] for values in edges_low]).T.reshape(len(used), count)
    global_high = np.array([values[at - base] for values in edges_high]).T.reshape(len(used), count)
    global_cost = np.array([p.cost[at] for p in programs]).T.reshape(len(used), count)
    mirrored = ~np.isfinite(global_low) & np.isfinite(global_high)
    global_sign = np.where(mirrored, -1.0, 1.0)
    low = np.where(mirrored, -global_high, global_low)
    high = np.where(mirrored, -global_low, global_high)
    has_low = np.isfinite(low)
    global_shift = np.where(has_low, low, 0.0)
    global_width = np.where(has_low, high - global_shift, np.inf)

    def global_terms(row: RowBlock, q: int) -> dict[tuple[GlobalKind, int], Value]:
        """Coefficient of each border entry in program q's row, without the sign of the global."""
        found: dict[tuple[GlobalKind, int], list[Value]] = {}
        for term in programs[q].row_blocks[row].global_terms if isinstance(row, int) else row.global_terms:
            for kind, number, mask in globals_.keys(first_program, term.column):
                value = term.coefficient if mask is None else np.where(mask, term.coefficient, 0.0)
                found.setdefault((kind, number), []).append(value)
        return {key: total_of(values) for key, values in found.items()}

    def sign_of(kind: GlobalKind, number: int, q: int) -> Value:
        if kind == "perm":
            return float(global_sign[number, q])
        return _live_values(globals_.live[number], edge_of, global_sign[:, q])

    def shift_of(kind: GlobalKind, number: int, q: int) -> Value:
        if kind == "perm":
            return float(global_shift[number, q])
        return _live_values(globals_.live[number], edge_of, global_shift[:, q])

    # --- bound rows: fold what does not move into the columns' bounds ---------------------------------------------
    bound_numbers: list[int] = []
    bound_low: dict[int, list[FloatArray]] = {}
    bound_high: dict[int, list[FloatArray]] = {}
    folded: list[dict[int, tuple[FloatArray, FloatArray]]] = [{} for _ in programs]
    for number in structure.bounds:
        has_globals = bool(first_program.row_blocks[number].global_terms)
        kept_low, kept_high = [], []
        for q, program in enumerate(programs):
            block = program.row_blocks[number]
            row_low, row_high = _slice(program.row_lower, block.start, n), _slice(program.row_upper, block.start, n)
            moving = np.zeros(n, dtype=bool)
            for value in global_terms(block, q).values():
                moving |= np.asarray(value) != 0.0
            if not moving.all():
                still = ~moving
                terms = gathered(block, 0)
                if terms:
                    ((column, values),) = terms.items()
                    a = np.broadcast_to(np.asarray(total_of(values), dtype=np.float64), n)
                else:
                    column, a = -1, np.zeros(n)
                empty = still & (a == 0.0)
                if (empty & ((row_low > 0.0) | (row_high < 0.0))).any():
                    raise Declined(f"row block {block.name} has an empty row that cannot hold")
                if column >= 0:
                    with np.errstate(divide="ignore", invalid="ignore"):
                        one, two = row_low / a, row_high / a
                    acts = still & (a != 0.0)
                    new_low = np.where(acts, np.where(a > 0.0, one, two), -np.inf)
                    new_high = np.where(acts, np.where(a > 0.0, two, one), np.inf)
                    lowers[column][q] = np.maximum(lowers[column][q], new_low)
                    uppers[column][q] = np.minimum(uppers[column][q], new_high)
                    folded[q][number] = (new_low, new_high)
                row_low = np.where(still, -np.inf, row_low)
                row_high = np.where(still, np.inf, row_high)
            kept_low.append(row_low)
            kept_high.append(row_high)
        if has_globals:
            bound_numbers.append(number)
            bound_low[number], bound_high[number] = kept_low, kept_high

    # --- scales --------------------------------------------------------------------------------------------------
    def span(low_values: list[FloatArray], high_values: list[FloatArray]) -> Span:
        finite_low = [np.isfinite(v) for v in low_values]
        any_low = any(f.any() for f in finite_low)
        any_high = any(np.isfinite(v).any() for v in high_values)
        sign = 1.0
        if not any_low and any_high:
            low_values, high_values = [-v for v in high_values], [-v for v in low_values]
            finite_low = [np.isfinite(v) for v in low_values]
            sign = -1.0
        shift = [
            v if f.all() else np.where(f, v, np.where(np.isfinite(w), w, 0.0))
            for v, w, f in zip(low_values, high_values, finite_low, strict=True)
        ]
        return Span(sign, shift, low_values, high_values)

    spans = [span(lowers[i], uppers[i]) for i in range(len(lowers))]

    def shifted(terms: dict[int, list[Value]], lag: int, q: int) -> Value:
        """What the shifts of the columns contribute to a row."""
        total: Value = 0.0
        for i, values in terms.items():
            shift = spans[i].shift[q]
            if not shift.any():
                continue
            moved = shift if lag == 0 else np.concatenate(([0.0], shift[:-1]))
            total = total + np.asarray(total_of(values)) * (spans[i].sign * moved)
        return total

    def global_shifted(block: RowBlock, q: int) -> Value:
        total: Value = 0.0
        for (kind, number), value in global_terms(block, q).items():
            total = total + np.asarray(value) * sign_of(kind, number, q) * shift_of(kind, number, q)
        return total

    equation_rhs: dict[int, list[FloatArray]] = {}
    open_rows: set[int] = set()
    sizes = np.zeros(count)
    for number in structure.equations:
        equation_rhs[number] = []
        for q, program in enumerate(programs):
            block = program.row_blocks[number]
            row_low, row_high = _slice(program.row_lower, block.start, n), _slice(program.row_upper, block.start, n)
            if row_low is not row_high and not np.array_equal(row_low, row_high):
                open_rows.add(number)
            moved = shifted(gathered(block, 0), 0, q) + np.asarray(shifted(gathered(block, 1), 1, q))
            equation_rhs[number].append(np.asarray(moved + np.asarray(global_shifted(block, q))))
    for number in structure.equations:
        for q, program in enumerate(programs):
            block = program.row_blocks[number]
            row_low = _slice(program.row_lower, block.start, n)
            row_high = _slice(program.row_upper, block.start, n)
            known_side = np.where(np.isfinite(row_low), row_low, np.where(np.isfinite(row_high), row_high, 0.0))
            sizes[q] = max(sizes[q], float(np.abs(known_side - equation_rhs[number][q]).max()) * row_scale[number])
    for q in range(count):
        if sizes[q] == 0.0:
            for own in spans:
                widths = own.upper[q] - own.shift[q]
                finite = widths[np.isfinite(widths)]
                sizes[q] = max(sizes[q], float(np.abs(finite).max(initial=0.0)))
    costs = np.array(
        [
            max(
                max(
                    float(np.abs(_slice(p.cost, b.start, n)).max()) * column_scale[i]
                    for i, b in enumerate(p.step_blocks)
                ),
                float(np.abs(p.cost[at]).max(initial=0.0)) if len(used) <= 0 else 0.0,
            )
            for p in programs
        ]
    )
    size_scale = _common(sizes)
    objective_scale = _common(costs)

    pairs = np.zeros(count)

    def make_box(one: Span, scale: float) -> Box:
        """Static kinds of a span's bounds, and its width and mask registered as fields."""
        lows = [np.isfinite(v) for v in one.lower]
        highs = [np.isfinite(v) for v in one.upper]
        lower = "all" if all(f.all() for f in lows) else ("some" if any(f.any() for f in lows) else "none")
        upper = "all" if all(f.all() for f in highs) else ("some" if any(f.any() for f in highs) else "none")
        widths, fixed = [], False
        for q in range(count):
            with np.errstate(invalid="ignore"):
                width = (one.upper[q] - one.shift[q]) / (size_scale[q] * scale)
            tight = lows[q] & (width <= FIXED_WIDTH)
            if tight.any():
                if (width[tight] < -1e-9).any():
                    raise Declined("a lower bound lies above its upper bound")
                width = np.where(tight, 0.0, width)
                fixed = True
            widths.append(width)
            pairs[q] += int((lows[q] & ~tight).sum()) + int((highs[q] & ~tight).sum())
        none = Item("const")
        return Box(
            lower,  # type: ignore[arg-type]
            upper,  # type: ignore[arg-type]
            fixed,
            fields.item(widths) if upper != "none" else none,
            fields.item([f.astype(np.float64) for f in lows]) if lower == "some" else none,
        )

    # --- columns -----------------------------------------------------------------------------------------------
    constant = np.array([p.cost_offset for p in programs])
    columns: list[Column] = []
    for i, step_block in enumerate(first_program.step_blocks):
        own = spans[i]
        cost_values: list[Value] = []
        for q, program in enumerate(programs):
            cost = _slice(program.cost, step_block.start, n)
            constant[q] += own.sign * float(cost @ own.shift[q])
            cost_values.append(cost * (own.sign * column_scale[i] / objective_scale[q]))
        columns.append(Column(fields.item(cost_values), make_box(own, column_scale[i])))

    # --- equations ---------------------------------------------------------------------------------------------
    rows: list[Row] = []
    row_of: dict[int, int] = {}
    for number in structure.equations:
        block = first_program.row_blocks[number]
        r = row_of[number] = len(rows)
        scale = row_scale[number]
        for lag in (0, 1):
            for i in gathered(block, lag):
                values = [
                    np.asarray(total_of(gathered(p.row_blocks[number], lag).get(i, [0.0])))
                    * (scale * column_scale[i] * spans[i].sign)
                    for p in programs
                ]
                columns[i].rows.append((r, lag, fields.item(values)))
        entries: list[tuple[GlobalKind, int, Item]] = []
        per_program = [global_terms(p.row_blocks[number], q) for q, p in enumerate(programs)]
        for kind, k in per_program[0]:
            values = [np.asarray(per_program[q][kind, k]) * scale * sign_of(kind, k, q) for q in range(count)]
            entries.append((kind, k, fields.item(values)))
        rhs: list[Value] = []
        if number in open_rows:
            box_span = span(
                [_slice(p.row_lower, block.start, n) - equation_rhs[number][q] for q, p in enumerate(programs)],
                [_slice(p.row_upper, block.start, n) - equation_rhs[number][q] for q, p in enumerate(programs)],
            )
            slack = Column(Item("const"), make_box(box_span, 1.0 / scale))
            slack.rows.append((r, 0, Item("const", value=-box_span.sign)))
            columns.append(slack)
            rhs = [box_span.sign * box_span.shift[q] * scale / size_scale[q] for q in range(count)]
        else:
            rhs = [
                (_slice(p.row_lower, block.start, n) - equation_rhs[number][q]) * (scale / size_scale[q])
                for q, p in enumerate(programs)
            ]
        rows.append(Row(fields.item(rhs), entries, number in structure.state_rows))

    # --- bound rows --------------------------------------------------------------------------------------------
    bound_rows: list[BoundRow] = []
    bound_signs: list[float] = []
    for number in bound_numbers:
        block = first_program.row_blocks[number]
        scale = row_scale[number]
        moved = [
            np.asarray(shifted(gathered(p.row_blocks[number], 0), 0, q)) + global_shifted(p.row_blocks[number], q)
            for q, p in enumerate(programs)
        ]
        box_span = span(
            [bound_low[number][q] - moved[q] for q in range(count)],
            [bound_high[number][q] - moved[q] for q in range(count)],
        )
        turn = box_span.sign * scale
        terms = gathered(block, 0)
        moving_column = next(iter(terms)) if terms else None
        coefficient = Item("const")
        if moving_column is not None:
            coefficient = fields.item(
                [
                    np.asarray(total_of(gathered(p.row_blocks[number], 0).get(moving_column, [0.0])))
                    * (turn * column_scale[moving_column] * spans[moving_column].sign)
                    for p in programs
                ]
            )
            columns[moving_column].bound_rows.append(len(bound_rows))
        per_program = [global_terms(p.row_blocks[number], q) for q, p in enumerate(programs)]
        entries = []
        for kind, k in per_program[0]:
            values = [np.asarray(per_program[q][kind, k]) * turn * sign_of(kind, k, q) for q in range(count)]
            entries.append((kind, k, fields.item(values)))
        # sign (a x + gamma g) = shift + p, in scaled units
        rhs = [box_span.shift[q] * (scale / size_scale[q]) for q in range(count)]
        bound_rows.append(
            BoundRow(moving_column, coefficient, entries, fields.item(rhs), make_box(box_span, 1.0 / scale))
        )
        bound_signs.append(box_span.sign)

    # --- total rows ----------------------------------------------------------------------------------------------
    num_totals = len(structure.totals)
    slack_rows = [
        d
        for d, k in enumerate(structure.totals)
        if any(p.row_lower[p.total_rows[k].row] < p.row_upper[p.total_rows[k].row] for p in programs)
    ]
    num_edge = len(used) + len(slack_rows)
    total_globals = np.zeros((num_totals, num_edge, count))
    total_rhs = np.zeros((num_totals, count))
    total_scale = np.ones(num_totals)
    edge = Edge(
        np.ones((num_edge, count)),
        np.zeros((num_edge, count)),
        np.full((num_edge, count), np.inf),
        np.ones((num_edge, count)),
        np.zeros((num_edge, count)),
        np.array([*used, *([-1] * len(slack_rows))], dtype=np.int64),
    )
    m = len(used)
    edge.sign[:m], edge.shift[:m], edge.has_low[:m] = global_sign, global_shift, has_low
    edge.width[:m] = global_width / size_scale
    edge.cost[:m] = global_cost * global_sign / objective_scale
    constant += (global_cost * global_sign * global_shift).sum(axis=0)
    for d, number in enumerate(structure.totals):
        total = first_program.total_rows[number]
        blocks = gathered(total, 0)
        largest = max([float(np.abs(total_of(v)).max()) * column_scale[i] for i, v in blocks.items()], default=1.0)
        total_scale[d] = scale = 1.0 / power_of_two(largest)
        for i in blocks:
            values = [
                np.asarray(total_of(gathered(p.total_rows[number], 0).get(i, [0.0])))
                * (scale * column_scale[i] * spans[i].sign)
                for p in programs
            ]
            columns[i].totals.append((d, fields.item(values)))
        for q, program in enumerate(programs):
            here = program.total_rows[number]
            moved_total = 0.0
            for i, coefficients in gathered(here, 0).items():
                shift = spans[i].shift[q]
                moved_total += spans[i].sign * float((np.asarray(total_of(coefficients)) * shift).sum())
            for term in here.global_terms:
                k = edge_of[int(np.asarray(term.column).reshape(-1)[0]) - base]
                value = float(np.asarray(term.coefficient).reshape(-1)[0])
                total_globals[d, k, q] += value * scale * global_sign[k, q]
                moved_total += value * global_sign[k, q] * global_shift[k, q]
            row_low, row_high = program.row_lower[here.row] - moved_total, program.row_upper[here.row] - moved_total
            if d in slack_rows:
                k = m + slack_rows.index(d)
                sign = -1.0 if not np.isfinite(row_low) and np.isfinite(row_high) else 1.0
                low_, high_ = (row_low, row_high) if sign > 0 else (-row_high, -row_low)
                edge.sign[k, q] = sign
                edge.has_low[k, q] = np.isfinite(low_)
                edge.shift[k, q] = low_ if np.isfinite(low_) else 0.0
                edge.width[k, q] = (high_ - edge.shift[k, q]) * scale / size_scale[q]
                total_globals[d, k, q] = -sign
                total_rhs[d, q] = sign * edge.shift[k, q] * scale / size_scale[q]
            else:
                total_rhs[d, q] = row_low * scale / size_scale[q]

    # --- globals in no row -----------------------------------------------------------------------------------------
    unused: list[FloatArray] = []
    for program in programs:
        idle = np.array([base + j for j in globals_.unused], dtype=np.int64)
        q = len(unused)
        cost, low_idle, high_idle = program.cost[idle], edges_low[q][idle - base], edges_high[q][idle - base]
        nearest = np.clip(0.0, low_idle, high_idle)
        best = np.where(cost > 0.0, low_idle, np.where(cost < 0.0, high_idle, nearest))
        if not np.isfinite(best).all():
            raise Declined("a global variable in no row has a cost without end")
        unused.append(best)
        constant[q] += float(cost @ best)

    form = Form(
        columns, rows, bound_rows, num_totals, len(globals_.perm), len(globals_.live), layout.segmented
    ).finish()
    form.num_full, form.num_shared, form.num_lane = len(fields.full), len(fields.shared), len(fields.lane)
    full, shared, lane = fields.arrays()
    return Numbers(
        programs=programs,
        structure=structure,
        form=form,
        layout=layout,
        full=full,
        shared=shared,
        lane=lane,
        objective_scale=objective_scale,
        size_scale=size_scale,
        constant=constant,
        edge=edge,
        total_globals=total_globals,
        total_rhs=total_rhs,
        spans=spans,
        bound_signs=bound_signs,
        folded=folded,
        row_scale=row_scale,
        column_scale=column_scale,
        total_scale=total_scale,
        bound_numbers=bound_numbers,
        unused=unused,
        kinds=fields.kinds,
        pairs=pairs,
    )


def _common(sizes: FloatArray) -> FloatArray:
    """One power of two for all programs where they are alike, so that they can share numbers; else one each."""
    positive = np.where(sizes > 0.0, sizes, 1.0)
    if positive.max() <= 32.0 * positive.min():
        return np.full(sizes.size, power_of_two(float(np.sqrt(positive.max() * positive.min()))))
    return np.array([power_of_two(float(size)) for size in positive])


def _live_values(block: object, edge_of: dict[int, int], values: FloatArray) -> Value:
    """Value of the live global at each step, a float where all are equal."""
    from vpp_sim.lp.solvers.structured.form import LiveBlock

    assert isinstance(block, LiveBlock)
    members = values[[edge_of[int(j)] for j in block.members]]
    if (members == members[0]).all():
        return float(members[0])
    ends = np.append(block.starts[1:], block.column_of_step.size)
    return np.repeat(members, ends - block.starts)

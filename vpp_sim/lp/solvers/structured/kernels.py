"""The four sweeps of one interior-point iteration, written as vector code for one form; equations in the package docs.

    predict_forward    moves to the new point, residuals, factorisation and forward elimination
    predict_backward   affine direction, its step lengths and products
    correct_forward    right-hand side of centring and second order, forward elimination with the stored factors
    correct_backward   full direction and its step lengths

Numbering of unknowns within a step (the *front*): local rows, state rows of this step, state rows of the next step,
border (spikes of a cut chain, total rows, dense globals, the live globals).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vpp_sim.lp.solvers.structured.form import Box, Form, GlobalKind, Item
from vpp_sim.lp.solvers.structured.vector_code import (
    LANES,
    Code,
    Expr,
    Library,
    Variable,
    Vec,
    compile_module,
    is_cached,
)

NAMES = ["predict_forward", "predict_backward", "correct_forward", "correct_backward"]
# positions in the array of parameters
STATE, STEP, FACTOR, FULL, SHARED, LANE, VALUES, EVENTS, EVENT_OF_STEP, OUT, NUM_STEPS, FIRST, END, RECORDS, STRIDE = (
    range(15)
)
# slots of the per-lane values
PRIMAL_STEP, DUAL_STEP, TARGET, LEAST, MOST, PULL, UNIT, LENGTH, HEAD = range(9)
# slots of a live global in an event record; the eliminated column follows
LIVE_VALUE, LIVE_BARRIER, LIVE_ADD, LIVE_RETIRES, LIVE_ACTIVITY, LIVE_DIRECTION, LIVE_RHS, LIVE_PIVOT, LIVE_COLUMN = (
    range(9)
)
PIVOT_TOLERANCE = 1e-15
PIVOT_FLOOR = 1e-12
PROXIMAL = 1e-9
PROXIMAL_STATE = 1e-12


@dataclass
class Slots:
    """Where things lie in the arrays that Python and the kernels share."""

    form: Form

    @cached_property
    def num_states(self) -> int:
        """Rows that couple neighbouring steps."""
        return len(self.form.states)

    @cached_property
    def spikes(self) -> int:
        """Border places of the state rows that a segment begins with."""
        return self.num_states if self.form.segmented else 0

    @cached_property
    def num_border(self) -> int:
        """Places in the border."""
        return self.form.num_border

    @cached_property
    def first_live(self) -> int:
        """Border position of the first live global."""
        return self.num_border - self.form.num_live

    @cached_property
    def first_perm(self) -> int:
        """Border position of the first dense global."""
        return self.first_live - self.form.num_perm

    # per-lane values
    @cached_property
    def total_dual(self) -> int:
        """Duals of the total rows."""
        return HEAD

    @cached_property
    def perm_value(self) -> int:
        """Values of the dense globals."""
        return HEAD + self.form.num_totals

    @cached_property
    def border_step(self) -> int:
        """Direction of the border, in border order."""
        return self.perm_value + self.form.num_perm

    @cached_property
    def next_step(self) -> int:
        """Direction of the next segment's first state rows."""
        return self.border_step + self.num_border

    @cached_property
    def previous(self) -> int:
        """Values of the lag columns before the first step."""
        return self.next_step + self.num_states

    @cached_property
    def num_values(self) -> int:
        """Values per lane."""
        return self.previous + len(self.form.lag_columns)

    # factors of one step: pivots and right-hand sides, then the columns
    @cached_property
    def blocks(self) -> list[tuple[tuple[int, ...], list[int]]]:
        """What is eliminated together, in order: a row, or a state row with its state; and the places it reaches."""
        form = self.form
        nl = len(form.order) - self.num_states
        ns = self.num_states
        kept = list(form.partners.values())
        nx = len(kept)
        border = nl + 2 * ns + nx
        size = border + self.num_border
        filled = [[False] * size for _ in range(size)]
        carried = range(nl, nl + ns)
        for i in carried:
            for j in (*carried, *range(border, size)):
                filled[i][j] = filled[j][i] = True
        for number in range(len(form.columns)):
            entries = column_positions(form, number)
            if number in kept:
                me = nl + ns + kept.index(number)
                for j in entries:
                    filled[me][j] = filled[j][me] = True
                continue
            for i in entries:
                for j in entries:
                    filled[i][j] = True
        for position, r in enumerate(form.order):
            for kind, k, _ in form.rows[r].globals:
                j = self.front_of_global(kind, k)
                filled[position][j] = filled[j][position] = True
        left = set(range(nl + ns + nx))
        blocks: list[tuple[tuple[int, ...], list[int]]] = []
        for i in range(nl + ns):
            row = form.order[i]
            members = (i, nl + ns + kept.index(form.partners[row])) if row in form.partners else (i,)
            left -= set(members)
            later = [*sorted(left), *range(nl + ns + nx, size)]
            reached = [j for j in later if any(filled[m][j] for m in members)]
            for j in reached:
                for k in reached:
                    filled[j][k] = True
            blocks.append((members, reached))
        return blocks

    @cached_property
    def num_factor(self) -> int:
        """Numbers that one step keeps of its factorisation."""
        return sum((2 if len(members) == 1 else 5) + len(members) * len(reached) for members, reached in self.blocks)

    def front_of_global(self, kind: GlobalKind, number: int) -> int:
        """Front position of a global."""
        nl = len(self.form.order) - self.num_states
        at = self.first_perm if kind == "perm" else self.first_live
        return nl + 2 * self.num_states + len(self.form.partners) + at + number

    @cached_property
    def event_stride(self) -> int:
        """Numbers per event record."""
        return self.form.num_live * (LIVE_COLUMN + self.num_states + self.num_border)

    # results of predict_forward
    @cached_property
    def out_border(self) -> int:
        """Triangle of the border's Schur complement (i <= j, by rows), over next states and border."""
        return 8

    @cached_property
    def out_size(self) -> int:
        """Rows of the Schur complement: next states, then border."""
        return self.num_states + self.num_border

    @cached_property
    def out_rhs(self) -> int:
        """Right-hand side that belongs to it."""
        return self.out_border + self.out_size * (self.out_size + 1) // 2

    @cached_property
    def out_activity(self) -> int:
        """Activities of total rows, then A'y of dense and live globals."""
        return self.out_rhs + self.out_size

    @cached_property
    def num_out(self) -> int:
        """Results per lane."""
        return self.out_activity + self.form.num_totals + self.form.num_perm + self.form.num_live


def column_positions(form: Form, number: int) -> list[int]:
    """Front positions that a column touches."""
    nl = len(form.order) - len(form.states)
    ns = len(form.states)
    following = nl + ns + len(form.partners)
    border = following + ns
    spikes = ns if form.segmented else 0
    column = form.columns[number]
    found = []
    for r, lag, _ in column.rows:
        found.append(form.order.index(r) if lag == 0 else following + form.states.index(r))
    found += [border + spikes + d for d, _ in column.totals]
    for v in column.bound_rows:
        for kind, k, _ in form.bound_rows[v].globals:
            found.append(border + spikes + form.num_totals + (k if kind == "perm" else form.num_perm + k))
    return sorted(set(found))


def kernels(form: Form) -> Library:
    """Compiled sweeps of a form, from memory or disk where they were made before."""
    key = _key(form)
    found = _libraries.get(key)
    if found is None:
        found = compile_module(key, lambda module: write_kernels(module, form), NAMES)
        _libraries[key] = found
    return found


_libraries: dict[str, Library] = {}
_source_version: list[str] = []


def _key(form: Form) -> str:
    if not _source_version:
        from pathlib import Path

        here = Path(__file__)
        _source_version.append("".join((here.parent / name).read_text() for name in ("kernels.py", "vector_code.py")))
    return _source_version[0] + form.key()


def kernels_are_ready(form: Form) -> bool:
    """Whether the sweeps of a form need no compilation."""
    key = _key(form)
    return key in _libraries or is_cached(key)


def write_kernels(module: Any, form: Form) -> None:
    """Write the four sweeps."""
    slots = Slots(form)
    for name in NAMES:
        _Sweep(Code(module, name), form, slots, name).write()


@dataclass
class Barrier:
    """Quantities of one bounded variable at the current point; `moves` masks the lanes where it is free to move."""

    box: Box
    moves: Any
    low: Any  # mask of lanes with a lower bound, None for all; False where there is none
    high: Any
    p: Expr
    zl: Expr
    zu: Expr
    inverse_low: Expr  # 1 / v, 0 where there is no bound
    inverse_high: Expr
    h: Expr  # zl / v + zu / w


@dataclass
class Bound:
    """What a bound row a x + gamma g - slack = rhs adds, with the slack's curvature h."""

    weight: Expr  # a^2 h on the column
    h: Expr
    on_globals: dict[int, Expr]  # gamma by front position
    pulls: dict[int, Expr]  # - a gamma h, between column and global


class _Sweep:
    """Writes one of the sweeps."""

    def __init__(self, code: Code, form: Form, slots: Slots, name: str) -> None:
        self.c = code
        self.form = form
        self.slots = slots
        self.forward = name.endswith("forward")
        self.correct = name.startswith("correct")
        self.nl = len(form.order) - slots.num_states
        self.ns = slots.num_states
        self.nb = slots.num_border
        self.kept = {i: self.nl + self.ns + k for k, i in enumerate(form.partners.values())}
        self.next = self.nl + self.ns + len(self.kept)
        self.border = self.next + self.ns
        self.size = self.border + self.nb
        self.position = {r: i for i, r in enumerate(form.order)}
        self.loaded: dict[tuple[str, int, bool], Vec] = {}  # loads of this step; emptied where a branch begins

    # --- the loop ------------------------------------------------------------------------------------------------
    def write(self) -> None:
        c, s, form = self.c, self.slots, self.form
        b = c.builder
        arrays = {name: c.array(name) for name in (STATE, STEP, FACTOR, FULL, SHARED, LANE, VALUES, EVENTS, OUT)}
        flags = b.inttoptr(c.parameter(EVENT_OF_STEP), c.int.as_pointer())
        steps, records, stride = c.parameter(NUM_STEPS), c.parameter(RECORDS), c.parameter(STRIDE)
        with c.loop(c.parameter(FIRST), c.parameter(END)) as group:

            def base(name: int, doubles: int, rows: Any = None) -> Any:
                at = group if rows is None else b.mul(group, rows)
                return c.offset(arrays[name], b.mul(at, c.int(doubles)))

            self.lane = base(LANE, max(form.num_lane, 1) * LANES)
            self.values = base(VALUES, s.num_values * LANES)
            self.out = base(OUT, s.num_out * LANES)
            group_events = base(EVENTS, max(s.event_stride, 1) * LANES, records)
            group_state = base(STATE, form.num_slots * LANES, stride)
            group_step = base(STEP, form.num_slots * LANES, stride)
            group_factor = base(FACTOR, s.num_factor * LANES, stride)
            group_full = base(FULL, max(form.num_full, 1) * LANES, stride)
            counter = c.counter()
            if not self.forward:
                b.store(b.sub(records, c.int(1)), counter)
            self.begin()
            with c.loop(c.int(0), steps, down=not self.forward) as t:

                def at(pointer: Any, doubles: int, step: Any = t) -> Any:
                    return c.offset(pointer, b.mul(step, c.int(doubles)))

                following = b.add(t, c.int(1))
                self.state = at(group_state, form.num_slots * LANES)
                self.next_state = at(group_state, form.num_slots * LANES, following)
                self.step = at(group_step, form.num_slots * LANES)
                self.next_step = at(group_step, form.num_slots * LANES, following)
                self.factor = at(group_factor, s.num_factor * LANES)
                self.full = at(group_full, max(form.num_full, 1) * LANES)
                self.next_full = at(group_full, max(form.num_full, 1) * LANES, following)
                self.shared = at(arrays[SHARED], max(form.num_shared, 1))
                self.next_shared = at(arrays[SHARED], max(form.num_shared, 1), following)
                self.active = self.first = None
                if form.segmented:
                    now = c.splat(t)
                    self.active = c.above(c.load(self.values, LENGTH), now)
                    self.first = c.above(0.5, now)
                has_event = b.icmp_signed("!=", b.load(c.offset_int(flags, t), typ=c.int), c.int(0))
                if self.forward:
                    self.event = at(group_events, max(s.event_stride, 1) * LANES, c.read_int(counter))
                    self.forward_step()
                    if form.num_live:
                        with c.only_if(has_event):
                            self.retire()
                            b.store(b.add(c.read_int(counter), c.int(1)), counter)
                else:
                    if form.num_live:
                        with c.only_if(has_event):
                            self.loaded = {}
                            b.store(b.sub(c.read_int(counter), c.int(1)), counter)
                            self.event = at(group_events, max(s.event_stride, 1) * LANES, c.read_int(counter))
                            self.unretire()
                    self.event = at(group_events, max(s.event_stride, 1) * LANES, c.read_int(counter))
                    self.backward_step()
            self.end()
        b.ret_void()

    # --- numbers -------------------------------------------------------------------------------------------------
    def number(self, item: Item, *, ahead: bool = False) -> Expr:
        """A number of this step, or of the next one (coefficients of lagged terms, which belong to the next row)."""
        if item.kind == "const":
            return item.value
        key = (item.kind, item.position, ahead and item.kind != "lane")
        if key not in self.loaded:
            if item.kind == "lane":
                found = self.c.load(self.lane, item.position)
            elif item.kind == "shared":
                found = self.c.load_scalar(self.next_shared if ahead else self.shared, item.position)
            else:
                found = self.c.load(self.next_full if ahead else self.full, item.position)
            self.loaded[key] = found
        return self.loaded[key]

    def value(self, slot: int) -> Vec:
        key = ("value", slot, False)
        if key not in self.loaded:
            self.loaded[key] = self.c.load(self.values, slot)
        return self.loaded[key]

    def event_slot(self, live: int, what: int) -> int:
        return live * (LIVE_COLUMN + self.ns + self.nb) + what

    def global_value(self, kind: GlobalKind, number: int) -> Expr:
        if kind == "perm":
            return self.value(self.slots.perm_value + number)
        return self.c.load(self.event, self.event_slot(number, LIVE_VALUE))

    # --- the point -----------------------------------------------------------------------------------------------
    def moved(self, slot: int, length: Vec, *, ahead: bool = False) -> Expr:
        """A number of the state after the last step (frozen lanes have length 0 and keep it even against NaN).

        A negative length takes the last step back.
        """
        c = self.c
        old = c.load(self.next_state if ahead else self.state, slot)
        step = c.load(self.next_step if ahead else self.step, slot)
        return c.where(c.above(c.absolute(length), 0.0), old + length * step, old)

    def read_point(self) -> None:
        """The point at this step; predict_forward moves it first."""
        c, form = self.c, self.form
        move = self.forward and not self.correct
        if move:
            primal, dual = self.value(PRIMAL_STEP), self.value(DUAL_STEP)

        def read(slot: int, length: Any) -> Expr:
            if not move:
                return c.load(self.state, slot)
            new = self.moved(slot, length)
            c.store(new, self.state, slot)
            return new

        primal_length = primal if move else None
        dual_length = dual if move else None
        self.barriers: list[Barrier] = []
        for box in form.boxes():
            p = read(box.slot, primal_length)
            at = box.slot + 1
            zl: Expr = 0.0
            zu: Expr = 0.0
            if box.lower != "none":
                zl = read(at, dual_length)
                at += 1
            if box.upper != "none":
                zu = read(at, dual_length)
            self.barriers.append(self.barrier(box, p, zl, zu))
        if not self.correct:
            self.y = [read(row.slot, dual_length) for row in form.rows]
            self.y_next = [
                self.moved(form.rows[r].slot, dual, ahead=True) if move else c.load(self.next_state, form.rows[r].slot)
                for r in form.states
            ]

    def barrier(self, box: Box, p: Expr, zl: Expr, zu: Expr) -> Barrier:
        c = self.c
        moves = self.active
        low: Any = None if box.lower != "none" else False
        high: Any = None if box.upper != "none" else False
        width = self.number(box.width)
        if box.lower == "some":
            low = c.above(self.number(box.low_mask), 0.5)
        if box.may_be_fixed:
            wide = c.above(width, 0.0)
            if low is not None and low is not False:
                wide = c.builder.or_(wide, c.builder.not_(low))
            moves = c.both(moves, wide)
        if box.upper == "some":
            high = c.above(1e300, width)
        low = low if low is False else c.both(low, moves)
        high = high if high is False else c.both(high, moves)
        inverse_low = inverse_high = h = 0.0  # type: Expr
        if low is not False:
            inverse_low = c.where(low, 1.0 / c.where(low, p, 1.0), 0.0)
            h = zl * inverse_low
        if high is not False:
            inverse_high = c.where(high, 1.0 / c.where(high, width - p, 1.0), 0.0)
            h = h + zu * inverse_high
        return Barrier(box, moves, low, high, p, zl, zu, inverse_low, inverse_high, h)

    def residual_of_bound_row(self, v: int) -> Expr:
        """What a x + gamma g - slack lacks to its right-hand side."""
        row = self.form.bound_rows[v]
        barrier = self.barriers[len(self.form.columns) + v]
        left: Expr = self.number(row.rhs) + barrier.p
        if row.column is not None:
            left = left - self.number(row.coefficient) * self.barriers[row.column].p
        for kind, k, item in row.globals:
            left = left - self.number(item) * self.global_value(kind, k)
        return left

    def curvature(self) -> None:
        """theta of every column and its vector over the front, bound rows folded in.

        h = zl/v + zu/w + sum(a^2 h_slack); the cross terms with globals become entries - a gamma h_slack.
        """
        c, form = self.c, self.form
        self.theta: list[Expr] = []
        self.curve: list[Expr] = []  # without what bound rows add
        self.entries: list[dict[int, Expr]] = []
        self.h_slack = [self.barriers[len(form.columns) + v].h for v in range(len(form.bound_rows))]
        self.bounds: list[list[Bound]] = []
        for i, column in enumerate(form.columns):
            barrier = self.barriers[i]
            entries: dict[int, Expr] = {}

            def put(at: int, value: Expr, entries: dict[int, Expr] = entries) -> None:
                entries[at] = entries[at] + value if at in entries else value

            for r, lag, item in column.rows:
                if lag == 0:
                    put(self.position[r], self.number(item))
                else:
                    put(self.next + form.states.index(r), self.number(item, ahead=True))
            for d, item in column.totals:
                put(self.border + self.slots.spikes + d, self.number(item))
            bounds = []
            for v in column.bound_rows:
                row = form.bound_rows[v]
                a = self.number(row.coefficient)
                ah = a * self.h_slack[v]
                on_globals = {self.slots.front_of_global(kind, k): self.number(item) for kind, k, item in row.globals}
                pulls = {at: -1.0 * (gamma * ah) for at, gamma in on_globals.items()}
                for at, value in pulls.items():
                    put(at, value)
                bounds.append(Bound(a * ah, c.where(self.active, self.h_slack[v], 0.0), on_globals, pulls))
            self.bounds.append(bounds)
            self.curve.append(barrier.h + (PROXIMAL_STATE if i in self.kept else PROXIMAL))
            h = self.curve[-1]
            for bound in bounds:
                h = h + bound.weight
            self.theta.append(c.where(barrier.moves, 1.0 / c.vec(h), 0.0))
            self.entries.append(entries)

    # --- forward ---------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        c, form, s = self.c, self.form, self.slots
        self.loaded = {}
        if self.forward:
            zero: Expr = 0.0
            states = range(self.ns)
            if not self.correct:
                self.carry_matrix = {(i, j): c.variable(zero) for i in states for j in states if i <= j}
                self.carry_border = {(i, j): c.variable(zero) for i in states for j in range(self.nb)}
                self.border_matrix = {(i, j): c.variable(zero) for i in range(self.nb) for j in range(i, self.nb)}
                self.previous = {i: c.variable(self.value(s.previous + k)) for k, i in enumerate(form.lag_columns)}
                self.sums = {name: c.variable(zero) for name in ("row", "column", "products", "cost", "dual")}
                self.totals = [c.variable(zero) for _ in range(form.num_totals)]
                self.activity: dict[tuple[str, int], Variable] = {
                    (kind, k): c.variable(zero)
                    for kind, num in (("perm", form.num_perm), ("live", form.num_live))
                    for k in range(num)
                }
            self.carry_rhs = [c.variable(zero) for _ in states]
            self.border_rhs = [c.variable(zero) for _ in range(self.nb)]
        else:
            self.next_direction = [c.variable(self.value(s.next_step + k)) for k in range(self.ns)]
            self.live_direction = [
                c.variable(self.value(s.border_step + s.first_live + k)) for k in range(form.num_live)
            ]
            self.ratio_primal, self.ratio_dual = c.variable(), c.variable()
            self.products = [c.variable() for _ in range(3)]

    def forward_step(self) -> None:
        c, form, s = self.c, self.form, self.slots
        self.loaded = {}
        self.read_point()
        self.curvature()
        rhs: list[Expr] = [0.0] * self.size
        for k in range(self.ns):
            rhs[self.nl + k] = self.carry_rhs[k].get()
        for k in range(self.nb):
            rhs[self.border + k] = self.border_rhs[k].get()
        pull = self.corrections() if self.correct else self.residuals(rhs)
        for i in range(len(form.columns)):
            if i in self.kept:
                rhs[self.kept[i]] = rhs[self.kept[i]] - c.where(self.barriers[i].moves, pull[i], 0.0)
                continue
            amount = self.theta[i] * pull[i]
            if isinstance(amount, float) and amount == 0.0:
                continue
            for at, entry in self.entries[i].items():
                rhs[at] = rhs[at] - entry * amount
        if self.correct:
            for v, row in enumerate(form.bound_rows):
                for kind, k, item in row.globals:
                    at = s.front_of_global(kind, k)
                    rhs[at] = rhs[at] - self.number(item) * self.slack_pull[v]
            self.substitute_forward(rhs)
        else:
            self.eliminate(rhs)
        for k in range(self.nb):
            self.border_rhs[k].set(rhs[self.border + k])
        for k in range(self.ns):
            after = rhs[self.next + k]
            self.carry_rhs[k].set(
                after if self.active is None else c.where(self.active, after, self.carry_rhs[k].get())
            )

    def residuals(self, rhs: list[Expr]) -> list[Expr]:
        """Primal residuals into the right-hand side; the columns' pulls - (c - A'y) + sum(a h_slack r_bound)."""
        c, form, s = self.c, self.form, self.slots
        sums = {name: variable.get() for name, variable in self.sums.items()}
        y_total = [self.value(s.total_dual + d) for d in range(form.num_totals)]
        self.pull = self.value(PULL)
        r_bound: list[Expr] = []
        for v, bound in enumerate(form.bound_rows):
            barrier = self.barriers[len(form.columns) + v]
            if barrier.low is False and barrier.high is False:
                r_bound.append(0.0)
                continue
            bounded = (
                barrier.low
                if barrier.high is False
                else (
                    barrier.high
                    if barrier.low is False
                    else (
                        None
                        if barrier.low is None or barrier.high is None
                        else c.builder.or_(barrier.low, barrier.high)
                    )
                )
            )
            residual = c.where(bounded, self.residual_of_bound_row(v), 0.0)
            r_bound.append(residual)
            size = c.absolute(self.number(bound.rhs)) + self.value(UNIT)
            if bound.column is not None:
                size = size + c.absolute(self.number(bound.coefficient) * self.barriers[bound.column].p)
            relative = c.rough_ratio(c.absolute(residual), size)
            sums["row"] = c.larger(c.where(self.active, relative, 0.0), sums["row"])  # type: ignore[assignment]
            y = barrier.zl - barrier.zu
            sums["dual"] = sums["dual"] + c.where(barrier.moves, self.number(bound.rhs) * y, 0.0)  # type: ignore[assignment]
            for kind, k, item in bound.globals:
                gamma = self.number(item)
                at = s.front_of_global(kind, k)
                pulled = gamma * (barrier.h * residual)
                rhs[at] = rhs[at] - c.where(self.active, pulled, 0.0)
                activity = self.activity[kind, k]
                activity.set(activity.get() + c.where(self.active, gamma * y, 0.0))
        left: list[Expr] = [self.number(row.rhs) for row in form.rows]
        sizes: list[Expr] = [0.0] * len(left)
        pull: list[Expr] = []
        for i, column in enumerate(form.columns):
            barrier = self.barriers[i]
            cost = self.number(column.cost)
            reduced: Expr = cost
            for r, lag, item in column.rows:
                if lag == 0:
                    a = self.number(item)
                    term = a * barrier.p
                    left[r] = left[r] - term
                    sizes[r] = sizes[r] + c.absolute(term)
                    reduced = reduced - a * self.y[r]
                else:
                    term = self.number(item) * self.previous[i].get()
                    left[r] = left[r] - term
                    sizes[r] = sizes[r] + c.absolute(term)
                    reduced = reduced - self.number(item, ahead=True) * self.y_next[form.states.index(r)]
            for d, item in column.totals:
                a = self.number(item)
                total = self.totals[d]
                total.set(total.get() + c.where(self.active, a * barrier.p, 0.0))
                reduced = reduced - a * y_total[d]
            force: Expr = -1.0 * (self.pull * reduced)
            infeasible: Expr = reduced - barrier.zl + barrier.zu
            for v in column.bound_rows:
                a = self.number(form.bound_rows[v].coefficient)
                slack = self.barriers[len(form.columns) + v]
                force = force + a * (slack.h * r_bound[v])
                infeasible = infeasible - a * (slack.zl - slack.zu)
            pull.append(force)
            infeasible = c.where(barrier.moves, c.absolute(infeasible), 0.0)
            sums["column"] = c.larger(infeasible, sums["column"])  # type: ignore[assignment]
            sums["cost"] = sums["cost"] + c.where(self.active, cost * barrier.p, 0.0)  # type: ignore[assignment]
        for barrier in self.barriers:
            products: Expr = 0.0
            if barrier.low is not False:
                products = products + c.where(barrier.low, barrier.p * barrier.zl, 0.0)
            if barrier.high is not False:
                width = self.number(barrier.box.width)
                products = products + c.where(barrier.high, (width - barrier.p) * barrier.zu, 0.0)
                sums["dual"] = sums["dual"] - c.where(barrier.high, width * barrier.zu, 0.0)  # type: ignore[assignment]
            sums["products"] = sums["products"] + products  # type: ignore[assignment]
        for i in form.lag_columns:
            keep = self.previous[i]
            keep.set(c.where(self.active, self.barriers[i].p, keep.get()))
        for r, row in enumerate(form.rows):
            for kind, k, item in row.globals:
                gamma = self.number(item)
                term = gamma * self.global_value(kind, k)
                left[r] = left[r] - term
                sizes[r] = sizes[r] + c.absolute(term)
                at = s.front_of_global(kind, k)
                pulled = c.where(self.active, gamma * self.y[r], 0.0)
                rhs[at] = rhs[at] - self.pull * pulled
                activity = self.activity[kind, k]
                activity.set(activity.get() + pulled)
            residual = c.where(self.active, left[r], 0.0)
            size = c.larger(c.larger(sizes[r], c.absolute(self.number(row.rhs))), self.value(UNIT))
            relative = c.rough_ratio(c.absolute(residual), size)
            sums["row"] = c.larger(relative, sums["row"])  # type: ignore[assignment]
            sums["dual"] = sums["dual"] + c.where(self.active, self.number(row.rhs) * self.y[r], 0.0)  # type: ignore[assignment]
            rhs[self.position[r]] = rhs[self.position[r]] + residual
        for name, variable in self.sums.items():
            variable.set(sums[name])
        return pull

    def eliminate(self, rhs: list[Expr]) -> None:
        """Assemble the front, eliminate this step's rows, hand the rest on."""
        c, form, s = self.c, self.form, self.slots
        front: dict[tuple[int, int], Expr] = {}

        def add(i: int, j: int, value: Expr) -> None:
            at = (i, j) if i <= j else (j, i)
            front[at] = front[at] + value if at in front else value

        def get(i: int, j: int) -> Expr:
            return front.get((i, j) if i <= j else (j, i), 0.0)

        first_global = self.border + s.first_perm
        for (i, j), variable in self.carry_matrix.items():
            add(self.nl + i, self.nl + j, variable.get())
        for (i, j), variable in self.carry_border.items():
            add(self.nl + i, self.border + j, variable.get())
        for (i, j), variable in self.border_matrix.items():
            add(self.border + i, self.border + j, variable.get())
        for i in range(len(form.columns)):
            entries = sorted(self.entries[i].items())
            if i in self.kept:
                add(self.kept[i], self.kept[i], -1.0 * c.vec(self.curve[i]))
                for at, value in entries:
                    if at < first_global:
                        add(self.kept[i], at, value)
                continue
            for k, (at, value) in enumerate(entries):
                weighted = self.theta[i] * value
                for other, second in entries[k:]:
                    if at < first_global:
                        add(at, other, weighted * second)
            if self.bounds[i]:
                alone = c.where(self.barriers[i].moves, 0.0, 1.0)
                self.add_bounds(self.bounds[i], self.curve[i], self.theta[i], alone, add)
        for r, row in enumerate(form.rows):
            for kind, k, item in row.globals:
                add(self.position[r], s.front_of_global(kind, k), self.number(item))
        for v, bound_row in enumerate(form.bound_rows):
            if bound_row.column is not None:
                continue
            h = c.where(self.active, self.h_slack[v], 0.0)
            gammas = [(s.front_of_global(kind, k), self.number(item)) for kind, k, item in bound_row.globals]
            for k, (at, gamma) in enumerate(gammas):
                for other, second in gammas[k:]:
                    add(at, other, -1.0 * (gamma * second * h))
        diagonal = [get(i, i) for i in range(self.nl + self.ns)]
        # a shift of the size of the rounding errors to come keeps what they leave of a row's diagonal positive, and
        # consistent with its other entries; it acts as a proximal term on the row's dual
        for i, value in enumerate(diagonal):
            add(i, i, PIVOT_TOLERANCE * value + PIVOT_FLOOR)
        owner = {at: i for i, at in self.kept.items()}
        slot = 0
        for members, reached in s.blocks:
            place = members[0]
            if place == self.nl and self.first is not None:
                self.detach_spikes(front, add, get, rhs)
            stays = None  # mask of the lanes where this place is eliminated here
            if place >= self.nl and self.first is not None:
                stays = c.builder.not_(self.first)
            pivot = c.larger(get(place, place), PIVOT_FLOOR)
            usable = c.both(c.both(c.above(diagonal[place], 1e-40), self.active), stays)
            alone = c.where(usable, 1.0 / c.vec(pivot), 0.0)
            inverse: list[list[Expr]] = [[alone]]
            pulls: dict[int, Expr] = {}  # of bound rows between the state and globals
            if len(members) == 2:
                # [[p, a], [a, -q]] with p, q >= 0: its inverse [[q, a], [a, -p]] / (p q + a^2) subtracts nothing, so it
                # is accurate even where both p and q are tiny (an idle battery), where either alone would be no pivot
                state = members[1]
                moves, bounds = self.barriers[owner[state]].moves, self.bounds[owner[state]]
                p: Expr = c.larger(get(place, place), PIVOT_FLOOR)
                q = own = -1.0 * c.vec(get(state, state))
                for bound in bounds:
                    q = q + bound.weight
                    for at, value in bound.pulls.items():
                        pulls[at] = pulls[at] + value if at in pulls else value
                a = get(place, state)
                scale = 1.0 / c.vec(p * q + a * a)
                both = c.both(moves, stays)
                # in a segment's first step the row stays and the state goes alone
                first = None if self.first is None else c.both(self.first, moves)
                only_state = 0.0 if first is None else c.where(first, -1.0 / c.vec(q), 0.0)
                i12 = c.where(both, a * scale, 0.0)
                i22 = c.where(both, -1.0 * (p * scale), only_state)
                inverse = [[c.where(both, q * scale, alone), i12], [i12, i22]]
                if bounds:
                    fixed = 1.0 if first is None else c.where(first, 0.0, 1.0)
                    self.add_bounds(bounds, own, -1.0 * c.vec(i22), c.where(both, a * a * scale, fixed), add)
            for k, line in enumerate(inverse):
                for value in line[k:]:
                    c.store(value, self.factor, slot)
                    slot += 1
            right = [rhs[m] for m in members]
            for line in inverse:
                c.store(self.dot(line, right), self.factor, slot)
                slot += 1
            columns = [{j: get(m, j) for j in reached} for m in members]
            plain = columns[-1].copy()
            for at, value in pulls.items():
                columns[-1][at] = columns[-1][at] + value
            scaled: list[dict[int, Expr]] = []
            for line in inverse:
                scaled.append({j: self.dot(line, [column[j] for column in columns]) for j in reached})
                for j in reached:
                    c.store(scaled[-1][j], self.factor, slot)
                    slot += 1
            for k, j in enumerate(reached):
                rhs[j] = rhs[j] - self.dot([one[j] for one in scaled], right)
                for other in reached[k:]:
                    change = self.dot([one[j] for one in scaled], [column[other] for column in columns])
                    if j in pulls and other in pulls:  # the product of pulls has its place in add_bounds
                        of_row, of_state = columns
                        change = scaled[0][j] * of_row[other] + inverse[0][1] * (of_row[j] * of_state[other])
                        change = change + inverse[1][1] * (plain[j] * of_state[other] + pulls[j] * plain[other])
                    front[j, other] = get(j, other) - change
        for (i, j), variable in self.carry_matrix.items():
            after = get(self.next + i, self.next + j)
            variable.set(after if self.active is None else c.where(self.active, after, variable.get()))
        for (i, j), variable in self.carry_border.items():
            after = get(self.next + i, self.border + j)
            variable.set(after if self.active is None else c.where(self.active, after, variable.get()))
        for (i, j), variable in self.border_matrix.items():
            variable.set(get(self.border + i, self.border + j))

    @staticmethod
    def add_bounds(bounds: list[Bound], own: Expr, theta: Expr, alone: Expr, add: Any) -> None:
        """Between globals, what bound rows of one column leave once the column is eliminated.

        A row by itself leaves - gamma gamma' h (1 - a^2 h theta), here as - gamma gamma' h (rest theta + alone) with
        rest = the column's curvature without it, since the difference has no digits left where a bound acts.
        """
        for n, bound in enumerate(bounds):
            rest = own
            for m, other in enumerate(bounds):
                if m != n:
                    rest = rest + other.weight
            h = bound.h * (rest * theta + alone)
            gammas = list(bound.on_globals.items())
            for k, (at, gamma) in enumerate(gammas):
                for second, other_gamma in gammas[k:]:
                    add(at, second, -1.0 * (gamma * other_gamma * h))
            for other in bounds[:n]:
                for at, value in bound.pulls.items():
                    for second, other_value in other.pulls.items():
                        product = theta * (value * other_value)
                        add(at, second, product * 2.0 if at == second else product)

    @staticmethod
    def dot(left: list[Expr], right: list[Expr]) -> Expr:
        """Sum of products."""
        total: Expr = 0.0
        for one, two in zip(left, right, strict=True):
            total = total + one * two
        return total

    def detach_spikes(self, front: Any, add: Any, get: Any, rhs: list[Expr]) -> None:
        """In a segment's first step its state rows stay: they become the spikes and are not eliminated."""
        c = self.c
        rest = [*range(self.nl + self.ns, self.border), *range(self.border + self.slots.spikes, self.size)]
        for i in range(self.ns):
            row, spike = self.nl + i, self.border + i
            for j in range(i, self.ns):
                add(spike, self.border + j, c.where(self.first, get(row, self.nl + j), 0.0))
            for j in rest:
                add(spike, j, c.where(self.first, get(row, j), 0.0))
                if j < self.next and (row, j) in front:  # a kept state that is eliminated here must not see it twice
                    front[row, j] = c.where(self.first, 0.0, front[row, j])
            rhs[spike] = rhs[spike] + c.where(self.first, rhs[row], 0.0)

    def substitute_forward(self, rhs: list[Expr]) -> None:
        c, s = self.c, self.slots
        slot = 0
        for members, reached in s.blocks:
            if members[0] == self.nl and self.first is not None:
                for k in range(self.ns):
                    rhs[self.border + k] = rhs[self.border + k] + c.where(self.first, rhs[self.nl + k], 0.0)
            right = [rhs[m] for m in members]
            if len(members) == 1:
                inverse: list[list[Expr]] = [[c.load(self.factor, slot)]]
                slot += 1
            else:
                i11, i12, i22 = (c.load(self.factor, slot + k) for k in range(3))
                inverse = [[i11, i12], [i12, i22]]
                slot += 3
            for line in inverse:
                c.store(self.dot(line, right), self.factor, slot)
                slot += 1
            for one in right:
                for j in reached:
                    rhs[j] = rhs[j] - c.load(self.factor, slot) * one
                    slot += 1

    def corrections(self) -> list[Expr]:
        """Pulls of centring and second order: tau_l / v - tau_u / w with tau = target - products of the affine step."""
        form = self.form
        pulls = [self.correction(barrier) for barrier in self.barriers]
        self.slack_pull = pulls[len(form.columns) :]
        found = []
        for i, column in enumerate(form.columns):
            pull = pulls[i]
            for v in column.bound_rows:
                pull = pull + self.number(form.bound_rows[v].coefficient) * self.slack_pull[v]
            found.append(pull)
        return found

    def correction(self, barrier: Barrier) -> Expr:
        dp = self.c.load(self.step, barrier.box.slot)
        pull: Expr = 0.0
        if barrier.low is not False:
            pull = pull + self.low_target(barrier, dp) * barrier.inverse_low
        if barrier.high is not False:
            pull = pull - self.high_target(barrier, dp) * barrier.inverse_high
        return pull

    def low_target(self, barrier: Barrier, dp: Expr) -> Expr:
        """sigma mu - dv dzl, with dzl = - zl (1 + dv / v) of the affine step, within limits."""
        key = ("low", barrier.box.slot, False)
        if key not in self.loaded:
            second = dp * (barrier.zl * (1.0 + dp * barrier.inverse_low))
            self.loaded[key] = self.c.vec(self.limited(self.value(TARGET) + second))
        return self.loaded[key]

    def high_target(self, barrier: Barrier, dp: Expr) -> Expr:
        """sigma mu - dw dzu, with dw = - dp and dzu = - zu (1 + dw / w), within limits."""
        key = ("high", barrier.box.slot, False)
        if key not in self.loaded:
            second = dp * (barrier.zu * (1.0 - dp * barrier.inverse_high))
            self.loaded[key] = self.c.vec(self.limited(self.value(TARGET) - second))
        return self.loaded[key]

    def limited(self, target: Expr) -> Expr:
        """A product's target, no less than LEAST and no more than MOST."""
        least, most = self.value(LEAST), self.value(MOST)
        above = self.c.larger(target, least)
        return self.c.where(self.c.above(above, most), most, above)

    def retire(self) -> None:
        """Eliminate the live globals whose range ends here, in the lanes where it does; their places are free again."""
        c, s, form = self.c, self.slots, self.form
        places = range(self.ns + self.nb)  # next states, then border

        def matrix(i: int, j: int) -> Variable | None:
            i, j = min(i, j), max(i, j)
            if j < self.ns:
                return self.carry_matrix[i, j]
            if i < self.ns:
                return self.carry_border[i, j - self.ns]
            return self.border_matrix[i - self.ns, j - self.ns]

        def right(i: int) -> Variable:
            return self.carry_rhs[i] if i < self.ns else self.border_rhs[i - self.ns]

        for live in range(form.num_live):
            me = self.ns + s.first_live + live
            retires = c.above(c.load(self.event, self.event_slot(live, LIVE_RETIRES)), 0.5)
            others = [j for j in places if j != me]
            rhs = right(me).get() + c.load(self.event, self.event_slot(live, LIVE_ADD))
            if self.correct:
                inverse: Expr = c.load(self.event, self.event_slot(live, LIVE_PIVOT))
                column = {j: c.load(self.event, self.event_slot(live, LIVE_COLUMN) + j) for j in others}
                for j in others:
                    right(j).set(right(j).get() - column[j] * rhs)
            else:
                pivot = matrix(me, me).get() - c.load(self.event, self.event_slot(live, LIVE_BARRIER))  # type: ignore[union-attr]
                inverse = c.where(retires, 1.0 / c.vec(pivot), 0.0)
                plain = {j: matrix(me, j).get() for j in others}  # type: ignore[union-attr]
                for k, j in enumerate(others):
                    scaled = inverse * plain[j]
                    c.store(scaled, self.event, self.event_slot(live, LIVE_COLUMN) + j)
                    right(j).set(right(j).get() - scaled * rhs)
                    for other in others[k:]:
                        entry = matrix(j, other)
                        entry.set(entry.get() - scaled * plain[other])  # type: ignore[union-attr]
                for j in others:
                    matrix(me, j).set(c.where(retires, 0.0, matrix(me, j).get()))  # type: ignore[union-attr]
                matrix(me, me).set(c.where(retires, 0.0, matrix(me, me).get()))  # type: ignore[union-attr]
                activity = self.activity["live", live]
                c.store(activity.get(), self.event, self.event_slot(live, LIVE_ACTIVITY))
                activity.set(c.where(retires, 0.0, activity.get()))
                c.store(inverse, self.event, self.event_slot(live, LIVE_PIVOT))
            c.store(inverse * rhs, self.event, self.event_slot(live, LIVE_RHS))
            right(me).set(c.where(retires, 0.0, right(me).get()))

    # --- backward --------------------------------------------------------------------------------------------------
    def unretire(self) -> None:
        """Direction of the live globals whose range ended after this step."""
        c, s, form = self.c, self.slots, self.form
        for live in reversed(range(form.num_live)):
            me = self.ns + s.first_live + live
            retires = c.above(c.load(self.event, self.event_slot(live, LIVE_RETIRES)), 0.5)
            found: Expr = c.load(self.event, self.event_slot(live, LIVE_RHS))
            for j in range(self.ns + self.nb):
                if j == me:
                    continue
                if j < self.ns:
                    other: Expr = self.next_direction[j].get()
                elif j - self.ns >= s.first_live:
                    # places behind this one were eliminated after it and are known; a place before it that
                    # retired here too has a zero in this column
                    other = self.live_direction[j - self.ns - s.first_live].get()
                else:
                    other = self.value(s.border_step + j - self.ns)
                found = found - c.load(self.event, self.event_slot(live, LIVE_COLUMN) + j) * other
            chosen = c.where(retires, found, self.live_direction[live].get())
            self.live_direction[live].set(chosen)
            c.store(chosen, self.event, self.event_slot(live, LIVE_DIRECTION))

    def backward_step(self) -> None:
        c, s = self.c, self.slots
        self.loaded = {}
        self.read_point()
        self.curvature()
        u: list[Expr] = [0.0] * self.size
        for k in range(self.ns):
            u[self.next + k] = self.next_direction[k].get()
        for k in range(self.nb):
            live = k - s.first_live
            u[self.border + k] = self.live_direction[live].get() if live >= 0 else self.value(s.border_step + k)
        starts, slot = [], 0
        for members, reached in s.blocks:
            starts.append(slot)
            slot += (2 if len(members) == 1 else 5) + len(members) * len(reached)
        for (members, reached), start in reversed(list(zip(s.blocks, starts, strict=True))):
            place = start + (1 if len(members) == 1 else 3)
            entry = place + len(members)
            for m, member in enumerate(members):
                found: Expr = c.load(self.factor, place + m)
                for j in reached:
                    found = found - c.load(self.factor, entry) * u[j]
                    entry += 1
                if self.nl <= member < self.nl + self.ns and self.first is not None:
                    # a row that stayed is known from the border, and its own state still leans on it
                    found = c.where(self.first, u[self.border + member - self.nl], found)
                u[member] = found
        self.directions(u)
        for k in range(self.ns):
            here = u[self.nl + k]
            carried = self.next_direction[k]
            carried.set(here if self.active is None else c.where(self.active, here, carried.get()))

    def directions(self, u: list[Expr]) -> None:
        c, form, s = self.c, self.form, self.slots
        own: list[Expr] = []  # pulls of the columns, without those of bound rows
        slack_pull: list[Expr] = [0.0] * len(form.bound_rows)
        if self.correct:
            pulls = [self.correction(barrier) for barrier in self.barriers]
            own, slack_pull = pulls[: len(form.columns)], pulls[len(form.columns) :]
        else:
            y_total = [self.value(s.total_dual + d) for d in range(form.num_totals)]
            for column in form.columns:
                reduced: Expr = self.number(column.cost)
                for r, lag, item in column.rows:
                    if lag == 0:
                        reduced = reduced - self.number(item) * self.y[r]
                    else:
                        reduced = reduced - self.number(item, ahead=True) * self.y_next[form.states.index(r)]
                for d, item in column.totals:
                    reduced = reduced - self.number(item) * y_total[d]
                own.append(-1.0 * (self.value(PULL) * reduced))
        shift: list[Expr] = []  # what a slack moves by while its column stays
        for v, bound in enumerate(form.bound_rows):
            move: Expr = 0.0 if self.correct else -1.0 * c.vec(self.residual_of_bound_row(v))
            for kind, k, item in bound.globals:
                move = move + self.number(item) * u[s.front_of_global(kind, k)]
            shift.append(move)
        dp: list[Expr] = []
        slack_moves = shift.copy()
        for i, column in enumerate(form.columns):
            force = own[i]
            for at, entry in self.entries[i].items():
                if at < self.border + s.first_perm:
                    force = force + entry * u[at]
            moves, theta = self.barriers[i].moves, self.theta[i]
            given = [
                self.number(form.bound_rows[v].coefficient) * (slack_pull[v] - self.h_slack[v] * shift[v])
                for v in column.bound_rows
            ]
            # a dx + shift is a small difference where the bound acts, of which h takes 1e12 times the rounding errors;
            # with dx = theta (force + a (slack pull - h shift)) written out, what is large cancels exactly
            for n, v in enumerate(column.bound_rows):
                a = self.number(form.bound_rows[v].coefficient)
                total, rest = force + a * slack_pull[v], self.curve[i]
                for m, one in enumerate(given):
                    if m != n:
                        total, rest = total + one, rest + self.bounds[i][m].weight
                slack_moves[v] = c.where(moves, theta * (a * total + rest * shift[v]), shift[v])
            if i in self.kept:
                dp.append(c.where(moves, u[self.kept[i]], 0.0))
                continue
            for one in given:
                force = force + one
            dp.append(c.where(moves, theta * force, 0.0))
        for v in range(len(form.bound_rows)):
            barrier = self.barriers[len(form.columns) + v]
            bounded = barrier.low is not False or barrier.high is not False
            dp.append(c.where(barrier.moves, slack_moves[v], 0.0) if bounded else 0.0)
        ratio_primal, ratio_dual = self.ratio_primal.get(), self.ratio_dual.get()
        products: list[Expr] = [variable.get() for variable in self.products]
        for barrier, change in zip(self.barriers, dp, strict=True):
            affine: Expr = 0.0
            total = change
            if self.correct:
                affine = c.load(self.step, barrier.box.slot)
                total = change + affine
            c.store(total, self.step, barrier.box.slot)
            at = barrier.box.slot + 1
            if barrier.low is not False:
                relative = total * barrier.inverse_low
                # a lane without the bound has an inverse of 0 and so no ratio
                ratio_primal = c.larger(-1.0 * relative, ratio_primal)  # type: ignore[assignment]
                if self.correct:
                    target = self.low_target(barrier, affine)
                    dz = target * barrier.inverse_low - barrier.zl - barrier.zl * relative
                    dz = c.where(barrier.low, dz, 0.0)
                    c.store(dz, self.step, at)
                    ratio = c.rough_ratio(-1.0 * dz, c.where(barrier.low, barrier.zl, 1.0))
                    ratio_dual = c.larger(ratio, ratio_dual)  # type: ignore[assignment]
                else:
                    dz = c.where(barrier.low, -1.0 * (barrier.zl * (1.0 + relative)), 0.0)
                    ratio_dual = c.larger(c.where(barrier.low, 1.0 + relative, 0.0), ratio_dual)  # type: ignore[assignment]
                    products[0] = products[0] + c.where(barrier.low, total * barrier.zl, 0.0)
                    products[1] = products[1] + c.where(barrier.low, barrier.p * dz, 0.0)
                    products[2] = products[2] + c.where(barrier.low, total * dz, 0.0)
                at += 1
            elif barrier.box.lower != "none":
                at += 1
            if barrier.high is not False:
                relative = total * barrier.inverse_high  # = - dw / w
                ratio_primal = c.larger(relative, ratio_primal)  # type: ignore[assignment]
                if self.correct:
                    target = self.high_target(barrier, affine)
                    dz = target * barrier.inverse_high - barrier.zu + barrier.zu * relative
                    dz = c.where(barrier.high, dz, 0.0)
                    c.store(dz, self.step, at)
                    ratio = c.rough_ratio(-1.0 * dz, c.where(barrier.high, barrier.zu, 1.0))
                    ratio_dual = c.larger(ratio, ratio_dual)  # type: ignore[assignment]
                else:
                    dz = c.where(barrier.high, -1.0 * (barrier.zu * (1.0 - relative)), 0.0)
                    ratio_dual = c.larger(c.where(barrier.high, 1.0 - relative, 0.0), ratio_dual)  # type: ignore[assignment]
                    w = self.number(barrier.box.width) - barrier.p
                    products[0] = products[0] - c.where(barrier.high, total * barrier.zu, 0.0)
                    products[1] = products[1] + c.where(barrier.high, w * dz, 0.0)
                    products[2] = products[2] - c.where(barrier.high, total * dz, 0.0)
        self.ratio_primal.set(ratio_primal)
        self.ratio_dual.set(ratio_dual)
        for variable, value in zip(self.products, products, strict=True):
            variable.set(value)
        for r, row in enumerate(form.rows):
            dy = u[self.position[r]]
            if self.correct:
                dy = dy + c.load(self.step, row.slot)
            c.store(c.where(self.active, dy, 0.0), self.step, row.slot)

    # --- results -----------------------------------------------------------------------------------------------------
    def end(self) -> None:
        c, form, s = self.c, self.form, self.slots
        if not self.forward:
            for k, variable in enumerate((self.ratio_primal, self.ratio_dual, *self.products)):
                c.store(variable.get(), self.out, k)
            return
        for k in range(self.ns):
            c.store(self.carry_rhs[k].get(), self.out, s.out_rhs + k)
        for k in range(self.nb):
            c.store(self.border_rhs[k].get(), self.out, s.out_rhs + self.ns + k)
        if self.correct:
            return
        for k, variable in enumerate(self.sums.values()):
            c.store(variable.get(), self.out, k)
        slot = s.out_border
        for i in range(self.ns + self.nb):
            for j in range(i, self.ns + self.nb):
                if j < self.ns:
                    entry = self.carry_matrix[i, j]
                elif i < self.ns:
                    entry = self.carry_border[i, j - self.ns]
                else:
                    entry = self.border_matrix[i - self.ns, j - self.ns]
                c.store(entry.get(), self.out, slot)
                slot += 1
        slot = s.out_activity
        for total in self.totals:
            c.store(total.get(), self.out, slot)
            slot += 1
        for kind, num in (("perm", form.num_perm), ("live", form.num_live)):
            for k in range(num):
                c.store(self.activity[kind, k].get(), self.out, slot)
                slot += 1

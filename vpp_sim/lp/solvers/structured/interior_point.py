"""The interior-point loop around the kernels: step lengths, centring, the border's small systems, and when to stop.

A *chain* is one program. Its lanes are one lane of the kernels, or, where it is cut into segments, one lane for each.
Everything in this file is per chain or per border variable; what is per step happens in the kernels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vpp_sim.lp.program import FloatArray, IntArray
from vpp_sim.lp.solvers.structured import kernels as k
from vpp_sim.lp.solvers.structured.form import Item
from vpp_sim.lp.solvers.structured.numbers import FIXED_WIDTH, Numbers, aligned
from vpp_sim.lp.solvers.structured.vector_code import LANES

MAX_ITERATIONS = 120
STALL_LIMIT = 15
# costs that differ by a millionth decide between plans that cost the same: a run that meets the tolerance goes on to
# this share of it, for a few iterations at most (one or two nearly always do)
CLOSER = 0.03
CLOSER_LIMIT = 4
STRAINED = 0.25  # nor does it go on where rounding in the rows already uses so much of what they may miss
STEP_FACTOR = 0.9995
ROWS = 1.8  # rows may be this much less accurate than the gap: rounding in the program's own numbers ends there
# second-order terms are those of a full step: where the affine step is short they overshoot, so no product is aimed at
# less than a share of the common target, or at more than a few mu
LEAST_SHARE, MOST_SHARE = 0.1, 3.0
START_PRIMAL = 1.0  # in size scales
START_DUAL = 1.0  # in objective scales
PROJECTIONS = 6  # attempts to restore the rows of a point that is optimal otherwise
BoolArray = NDArray[np.bool_]


@dataclass
class Outcome:
    """Where the loop ended, per program."""

    converged: BoolArray
    done: BoolArray  # converged, failed or stalled: more iterations bring nothing
    iterations: IntArray
    gap: FloatArray
    row_residual: FloatArray
    column_residual: FloatArray


class Barriers:
    """The variables outside the steps, (num_edge, num_chains), with the same formulas as the kernels."""

    def __init__(self, numbers: Numbers, chains: IntArray) -> None:
        edge = numbers.edge
        self.width = edge.width[:, chains]
        self.cost = edge.cost[:, chains]
        self.low = edge.has_low[:, chains] > 0.5
        self.high = np.isfinite(self.width)
        fixed = self.low & (self.width <= FIXED_WIDTH)
        self.moves = ~fixed
        self.low = self.low & ~fixed
        self.high = self.high & ~fixed
        half = np.where(self.high, self.width / 2.0, np.inf)
        self.p = np.where(self.low, np.minimum(half, START_PRIMAL), 0.0)
        self.zl = np.where(self.low, START_DUAL, 0.0)
        self.zu = np.where(self.high, START_DUAL, 0.0)
        self.direction = np.zeros_like(self.p)
        self.refresh()

    def refresh(self) -> None:
        """Inverse distances and curvature at the current point."""
        self.inverse_low = np.where(self.low, 1.0 / np.where(self.low, self.p, 1.0), 0.0)
        self.gap_high = np.where(self.high, self.width - self.p, 1.0)
        self.inverse_high = np.where(self.high, 1.0 / self.gap_high, 0.0)
        h = self.zl * self.inverse_low + self.zu * self.inverse_high
        h = np.where(self.low | self.high, h, k.PROXIMAL)
        self.h = np.where(self.moves, h, 1e30)

    def move(self, primal: FloatArray, dual: FloatArray) -> None:
        """Take the step found by `correct`."""
        go = primal != 0.0
        self.p = np.where(go, self.p + primal * self.direction, self.p)
        self.zl = np.where(go, self.zl + dual * self.dzl, self.zl)
        self.zu = np.where(go, self.zu + dual * self.dzu, self.zu)

    def products(self) -> FloatArray:
        """Sum of distance times dual, per chain."""
        low = np.where(self.low, self.p * self.zl, 0.0)
        return np.asarray((low + np.where(self.high, self.gap_high * self.zu, 0.0)).sum(axis=0))

    def affine(self, dp: FloatArray) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        """Store the affine direction; largest ratios and the three sums of products."""
        self.direction = dp = np.where(self.moves, dp, 0.0)
        low, high = dp * self.inverse_low, dp * self.inverse_high
        dzl = np.where(self.low, -self.zl * (1.0 + low), 0.0)
        dzu = np.where(self.high, -self.zu * (1.0 - high), 0.0)
        primal = np.maximum(-low, high).max(axis=0, initial=0.0)
        ones_low, ones_high = np.where(self.low, 1.0 + low, 0.0), np.where(self.high, 1.0 - high, 0.0)
        dual = np.maximum(ones_low, ones_high).max(axis=0, initial=0.0)
        sums = [
            (dp * self.zl - dp * self.zu).sum(axis=0),
            (self.p * dzl + self.gap_high * dzu).sum(axis=0),
            (dp * (dzl - dzu)).sum(axis=0),
        ]
        self.product_low, self.product_high = dp * dzl, -dp * dzu
        return primal, dual, sums

    def pull(self, target: FloatArray, least: FloatArray, most: FloatArray) -> FloatArray:
        """tau_l / v - tau_u / w of the corrector."""
        self.target_low = np.clip(target - self.product_low, least, most)
        self.target_high = np.clip(target - self.product_high, least, most)
        return self.target_low * self.inverse_low - self.target_high * self.inverse_high

    def correct(self, dp: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Complete the direction; largest ratios."""
        self.direction = total = self.direction + np.where(self.moves, dp, 0.0)
        low, high = total * self.inverse_low, total * self.inverse_high
        self.dzl = np.where(self.low, self.target_low * self.inverse_low - self.zl * (1.0 + low), 0.0)
        self.dzu = np.where(self.high, self.target_high * self.inverse_high - self.zu * (1.0 - high), 0.0)
        primal = np.maximum(-low, high).max(axis=0, initial=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio_low = np.where(self.low, -self.dzl / self.zl, 0.0)
            ratio_high = np.where(self.high, -self.dzu / self.zu, 0.0)
        return primal, np.maximum(ratio_low, ratio_high).max(axis=0, initial=0.0)


@dataclass
class Saved:
    """Points of chains between two runs; the last axis is over the chains."""

    state: FloatArray  # (steps + 1, slots, chains)
    p: FloatArray  # (num_edge, chains), and the duals
    zl: FloatArray
    zu: FloatArray
    total_dual: FloatArray
    iterations: IntArray

    def only(self, chains: slice) -> Saved:
        """Some of the chains."""
        return Saved(*(getattr(self, each.name)[..., chains] for each in fields(self)))

    @classmethod
    def joined(cls, parts: list[Saved]) -> Saved:
        """The chains of several."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts], axis=-1) for each in fields(cls)))


class Interior:
    """State and loop for chains: a whole program that is cut, or some `programs` of a batch in one lane each."""

    def __init__(
        self,
        numbers: Numbers,
        library: object,
        programs: IntArray,
        pool: ThreadPoolExecutor | None = None,
        saved: Saved | None = None,
    ) -> None:
        self.numbers = numbers
        self.form = form = numbers.form
        self.slots = slots = numbers.slots
        layout = numbers.layout
        self.layout = layout
        self.pool = pool
        self.functions = library.functions  # type: ignore[attr-defined]
        self.steps = layout.longest
        self.segmented = layout.segmented
        if self.segmented:
            self.programs = np.zeros(1, dtype=np.int64)
            self.lanes = layout.lane_of
            self.groups = layout.num_groups
            self.full, self.lane = numbers.full, numbers.lane
            self.real = np.ones(1, dtype=bool)
            self.real_lane = np.arange(self.groups * LANES) < layout.num_lanes
        else:
            self.groups = -(-programs.size // LANES)
            places = np.arange(self.groups * LANES)
            self.programs = self.lanes = programs[np.minimum(places, programs.size - 1)]  # idle lanes repeat the last
            self.full, self.lane = self._gathered(numbers.full), self._gathered(numbers.lane)
            self.real = self.real_lane = places < programs.size
        shape = (self.groups, self.steps + 1)
        self.state = aligned(*shape, form.num_slots, LANES)
        self.step = aligned(*shape, form.num_slots, LANES)
        self.factor = aligned(*shape, slots.num_factor, LANES)
        self.values = aligned(self.groups, slots.num_values, LANES)
        self.out = aligned(self.groups, slots.num_out, LANES)
        self.edge = Barriers(numbers, self.programs)
        self.total_dual = np.zeros((form.num_totals, self.programs.size))
        self.iterations = np.zeros(self.programs.size, dtype=np.int64)
        self.num_perm = form.num_perm
        self._plan_events()
        self._plan_border()
        self._parameters()
        self._start()
        if saved is not None:
            self._resume(saved)

    def _gathered(self, array: FloatArray) -> FloatArray:
        """The lanes of these programs out of an array (groups, ..., LANES) over all programs."""
        first = int(self.programs[0])
        if first % LANES == 0 and np.array_equal(
            self.programs, np.minimum(np.arange(first, first + self.programs.size), self.layout.num_programs - 1)
        ):
            return array[first // LANES : first // LANES + self.groups]
        lanes = np.moveaxis(array, -1, 1)[self.programs // LANES, self.programs % LANES]
        found = aligned(self.groups, *array.shape[1:])
        found[:] = np.moveaxis(lanes.reshape(self.groups, LANES, *array.shape[1:-1]), 1, -1)
        return found

    def save(self, chains: IntArray) -> Saved:
        """The points of some chains of a batch, to go on with in other company."""
        state = np.moveaxis(self.state, -1, 1)[chains // LANES, chains % LANES]
        edge = self.edge
        return Saved(
            np.moveaxis(state, 0, -1), edge.p[:, chains], edge.zl[:, chains], edge.zu[:, chains],
            self.total_dual[:, chains], self.iterations[chains],
        )  # fmt: skip

    def _resume(self, saved: Saved) -> None:
        at = np.minimum(np.arange(self.programs.size), saved.iterations.size - 1)
        state = saved.state[..., at]
        self.state[:] = np.moveaxis(state.reshape(*state.shape[:2], self.groups, LANES), 2, 0)
        self.edge.p, self.edge.zl, self.edge.zu = saved.p[:, at], saved.zl[:, at], saved.zu[:, at]
        self.total_dual, self.iterations = saved.total_dual[:, at], saved.iterations[at]

    # --- set-up ------------------------------------------------------------------------------------------------
    def _plan_events(self) -> None:
        """Steps at which live globals end, and who lives in each lane and interval."""
        layout, form, slots = self.layout, self.form, self.slots
        live = self.numbers.structure.globals.live
        flags = np.zeros(self.steps + 1, dtype=np.int64)
        retiring: list[BoolArray] = []  # per block, (1 or lanes, steps): whether a range ends there
        member: list[IntArray] = []  # and the edge that lives there
        edge_start = form.num_perm
        if self.segmented:
            starts, lengths = layout.starts[self.lanes][:, None], layout.lengths[self.lanes][:, None]
            # behind a segment's end its last range goes on: the next one's global is not its own
            local = starts + np.minimum(np.arange(self.steps), lengths - 1)
        for block in live:
            ranges = block.range_of_step
            if self.segmented:
                range_ends = np.append(block.starts[1:], layout.num_steps)
                here = ranges[0][local]
                is_end = (local + 1 == range_ends[here]) & (np.arange(self.steps) < lengths)
                is_end &= (block.starts[here] >= starts) & (range_ends[here] <= starts + lengths)
            else:
                here = ranges if ranges.shape[0] == 1 else ranges[self.programs]
                is_end = np.ones(here.shape, dtype=bool)
                is_end[:, :-1] = here[:, 1:] != here[:, :-1]
            member.append(here + edge_start)
            retiring.append(is_end)
            edge_start += block.num_ranges
        if live:
            any_end = np.logical_or.reduce([ends.any(axis=0) for ends in retiring])
            flags[: self.steps] = any_end
        event_steps = np.flatnonzero(flags)
        self.records = event_steps.size + 1
        self.flags = flags
        self.events = aligned(self.groups, self.records, max(slots.event_stride, 1), LANES)
        # (records, live, lanes of all groups): edge number living there, and whether it ends
        at = np.append(event_steps, self.steps - 1)
        num_lanes = self.groups * LANES
        self.living = np.zeros((self.records, form.num_live, num_lanes), dtype=np.int64)
        self.ending = np.zeros((self.records, form.num_live, num_lanes), dtype=bool)
        self.crossing = np.full((form.num_live, num_lanes), -1, dtype=np.int64)
        for b in range(form.num_live):
            self.living[:, b, :] = member[b][:, at].T
            ends_here = retiring[b][:, at].T.copy()
            ends_here[-1] = False
            self.ending[:, b, :] = ends_here
            if self.segmented:
                last = np.take_along_axis(member[b], lengths - 1, axis=1)[:, 0]
                kept = ~np.take_along_axis(retiring[b], lengths - 1, axis=1)[:, 0]
                self.crossing[b] = np.where(kept, last, -1)
        if self.segmented:  # idle lanes repeat a real one and must not speak for it
            self.ending &= self.real_lane
            self.crossing[:, ~self.real_lane] = -1
        if form.num_live:
            # a view (groups, records, live, slots, lanes)
            self.live_events = self.events[:, :, : slots.event_stride].reshape(
                self.groups, self.records, form.num_live, -1, LANES
            )
            ending = self.ending.reshape(self.records, form.num_live, self.groups, LANES).transpose(2, 0, 1, 3)
            self.live_events[:, :, :, k.LIVE_RETIRES, :] = ending
        self.crossing_edges = np.unique(self.crossing[self.crossing >= 0])
        self.ended = np.nonzero(self.ending)  # record, live global and lane of every end of a range

    def _plan_border(self) -> None:
        """Where each lane's Schur complement goes in its chain's small system."""
        form, slots = self.form, self.slots
        ns, spikes = slots.num_states, slots.spikes
        dense = form.num_totals + form.num_perm
        size = ns + slots.num_border
        if self.segmented:
            segments = self.layout.num_lanes
            head = segments * ns
            crossing = self.crossing_edges
            self.unknowns = head + dense + crossing.size
            dummy = self.unknowns
            index = np.full((self.groups * LANES, size), dummy, dtype=np.int64)
            for lane in range(segments):
                if lane + 1 < segments:
                    index[lane, :ns] = (lane + 1) * ns + np.arange(ns)
                index[lane, ns : ns + spikes] = lane * ns + np.arange(ns)
                index[lane, ns + spikes : ns + spikes + dense] = head + np.arange(dense)
                for b in range(form.num_live):
                    who = self.crossing[b, lane]
                    if who >= 0:
                        index[lane, ns + slots.first_live + b] = head + dense + int(np.searchsorted(crossing, who))
            self.edge_unknown = np.concatenate((np.arange(form.num_perm), crossing))
            self.head = head
        else:
            self.unknowns = dense
            dummy = dense
            index = np.full((self.groups * LANES, size), dummy, dtype=np.int64)
            index[:, ns : ns + dense] = np.arange(dense)
            self.edge_unknown = np.arange(form.num_perm)
            self.head = 0
        self.index = index
        i, j = np.triu_indices(size)
        m = self.unknowns + 1
        self.chain_of_lane = (
            np.zeros(self.groups * LANES, dtype=np.int64) if self.segmented else np.arange(self.groups * LANES)
        )
        offset = self.chain_of_lane * (m * m)
        upper = offset[:, None] + index[:, i] * m + index[:, j]
        lower = offset[:, None] + index[:, j] * m + index[:, i]
        self.flat = np.concatenate((upper.ravel(), lower[:, i != j].ravel()))
        self.off_diagonal = i != j
        self.rhs_flat = (self.chain_of_lane[:, None] * m + index).ravel()
        if self.segmented:
            self.padding = ~self.real_lane
        first = self.head
        self.total_at = first + np.arange(form.num_totals)
        self.edge_at = first + form.num_totals + np.arange(self.edge_unknown.size)
        num_edge = self.numbers.edge.cost.shape[0]
        self.slacks = np.arange(num_edge - self.numbers.num_slacks, num_edge)
        self.total_coefficients = self.numbers.total_globals[:, :, self.programs]  # (totals, edge, chains)

    def _parameters(self) -> None:
        arrays = {
            k.STATE: self.state, k.STEP: self.step, k.FACTOR: self.factor, k.FULL: self.full,
            k.SHARED: self.numbers.shared, k.LANE: self.lane, k.VALUES: self.values, k.EVENTS: self.events,
            k.EVENT_OF_STEP: self.flags, k.OUT: self.out,
        }  # fmt: skip
        common = np.zeros(16, dtype=np.int64)
        for at, array in arrays.items():
            common[at] = array.ctypes.data
        common[k.NUM_STEPS], common[k.RECORDS], common[k.STRIDE] = self.steps, self.records, self.steps + 1
        common[k.FIRST], common[k.END] = 0, self.groups
        self.calls: list[IntArray] = []
        if self.pool is not None and self.groups > 1:
            bounds = np.linspace(0, self.groups, min(2, self.groups) + 1).astype(np.int64)
            for first, end in pairwise(bounds):
                part = common.copy()
                part[k.FIRST], part[k.END] = first, end
                self.calls.append(part)
        else:
            self.calls.append(common)

    def _sweep(self, name: str) -> None:
        function: Callable[[int], None] = self.functions[name]
        if len(self.calls) == 1:
            function(self.calls[0].ctypes.data)
            return
        assert self.pool is not None
        other = self.pool.submit(function, self.calls[1].ctypes.data)
        function(self.calls[0].ctypes.data)
        other.result()

    def _field(self, item: Item) -> FloatArray:
        """Values of a field, broadcastable to (groups, steps + 1, LANES)."""
        if item.kind == "const":
            return np.full((1, 1, 1), item.value)
        if item.kind == "lane":
            return self.lane[:, None, item.position, :]
        if item.kind == "shared":
            return self.numbers.shared[None, :, item.position, None]
        return self.full[:, :, item.position, :]

    def _start(self) -> None:
        """Inside the bounds, at most one size scale away from the lower one; all duals at the scale of the costs."""
        form = self.form
        for box in form.boxes():
            width = self._field(box.width) if box.upper != "none" else np.full((1, 1, 1), np.inf)
            p = np.minimum(width / 2.0, START_PRIMAL)
            p = np.where(width > 0.0, p, 0.0)
            if box.lower == "some":
                low = self._field(box.low_mask) > 0.5
                p = np.where(low, p, np.where(np.isfinite(width), -1.0, 0.0))
            elif box.lower == "none":
                low = np.zeros((1, 1, 1), dtype=bool)
                p = np.where(np.isfinite(width), -1.0, 0.0)
            else:
                low = np.ones((1, 1, 1), dtype=bool)
            moves = ~(low & (width <= 0.0))
            self.state[:, :, box.slot, :] = p
            at = box.slot + 1
            if box.lower != "none":
                self.state[:, :, at, :] = START_DUAL * (low & moves)
                at += 1
            if box.upper != "none":
                self.state[:, :, at, :] = START_DUAL * (np.isfinite(width) & moves)
        self.values[:, k.PRIMAL_STEP : k.DUAL_STEP + 1, :] = 0.0
        lengths = self.layout.lengths[self.lanes] if self.segmented else np.full(self.groups * LANES, self.steps)
        if self.segmented:
            lengths = np.where(self.real_lane, lengths, 0)
        self._write(k.LENGTH, lengths.astype(np.float64))
        # residuals count relative to a row's terms and one unit of the program
        self._write(k.UNIT, np.clip(1.0 / self.numbers.size_scale[self.programs], 1e-6, 1.0))
        if self.segmented:
            # what lies behind a segment's end is never moved by the kernels; clean it
            self.state_rows = np.array([form.rows[r].slot for r in form.states], dtype=np.int64)
            self.lag_slots = np.array([form.columns[i].box.slot for i in form.lag_columns], dtype=np.int64)
            for group in range(self.groups):
                for lane in range(LANES):
                    end = int(lengths[group * LANES + lane])
                    for row in form.rows:
                        self.state[group, end:, row.slot, lane] = 0.0

    def _write(self, slot: int, values: FloatArray) -> None:
        """Per-lane values (or per chain, broadcast over the lanes of a cut chain)."""
        self.values[:, slot, :] = np.broadcast_to(values, self.groups * LANES).reshape(self.groups, LANES)

    # --- one iteration -----------------------------------------------------------------------------------------
    def _lanes(self, slot: int) -> FloatArray:
        return self.out[:, slot, :].reshape(-1)

    def _sum(self, lanes: FloatArray) -> FloatArray:
        return lanes[self.real_lane].sum(keepdims=True) if self.segmented else lanes

    def _largest(self, lanes: FloatArray) -> FloatArray:
        return lanes[self.real_lane].max(keepdims=True) if self.segmented else lanes

    def _exchange(self, primal: float, dual: float) -> None:
        """Give each segment its neighbours' boundary values at the point that the next sweep moves to."""
        ns = self.slots.num_states
        lanes = np.arange(self.layout.num_lanes)
        group, lane = lanes // LANES, lanes % LANES
        lengths = self.layout.lengths
        y = self.state[group, 0][lanes, :, lane][:, self.state_rows]
        y = y + dual * self.step[group, 0][lanes, :, lane][:, self.state_rows] if dual else y
        for s in range(ns):
            slot = self.state_rows[s]
            self.state[group[:-1], lengths[:-1], slot, lane[:-1]] = y[1:, s]
        last = lengths - 1
        for number, slot in enumerate(self.lag_slots):
            p = self.state[group, last, slot, lane]
            if primal:
                p = p + primal * self.step[group, last, slot, lane]
            at = self.slots.previous + number
            self.values[group[1:], at, lane[1:]] = p[:-1]

    def _border_matrix(self) -> None:
        slots, form = self.slots, self.form
        if self.unknowns == 0:
            return
        m = self.unknowns + 1
        count = self.programs.size
        triangle = self.out[:, slots.out_border : slots.out_rhs, :].transpose(0, 2, 1).reshape(self.groups * LANES, -1)
        weights = np.concatenate((triangle.ravel(), triangle[:, self.off_diagonal].ravel()))
        summed = np.bincount(self.flat, weights, minlength=count * m * m).astype(np.float64)
        matrix = summed.reshape(count, m, m)[:, :-1, :-1]
        edge = self.edge
        n = self.edge_at.size
        if n:
            matrix[:, self.edge_at, self.edge_at] -= edge.h[self.edge_unknown].T
        if form.num_totals:
            cross = self.total_coefficients[:, self.edge_unknown, :].transpose(2, 0, 1)
            matrix[:, self.total_at[:, None], self.edge_at[None, :]] += cross
            matrix[:, self.edge_at[:, None], self.total_at[None, :]] += cross.transpose(0, 2, 1)
            if self.slacks.size:
                coefficients = self.total_coefficients[:, self.slacks, :]
                theta = 1.0 / edge.h[self.slacks]
                diagonal = (coefficients**2 * theta).sum(axis=1)
                matrix[:, self.total_at, self.total_at] += diagonal.T
        matrix = np.ascontiguousarray(matrix)
        # what does not move keeps a direction of 0: fixed globals, and rows and columns that nothing moves
        idle = np.zeros(matrix.shape[:2], dtype=bool)
        idle[:, self.edge_at] = ~edge.moves[self.edge_unknown].T
        matrix[idle] = 0.0
        matrix.transpose(0, 2, 1)[idle] = 0.0
        idle |= ~(np.abs(matrix).max(axis=2, initial=0.0) > 0.0)
        chain, at = np.nonzero(idle)
        matrix[chain, at, at] = 1.0
        bad = ~np.isfinite(matrix).all(axis=(1, 2))
        if bad.any():
            matrix[bad] = np.eye(self.unknowns)
        self.broken |= bad
        scale = np.ones(matrix.shape[:2])
        for _ in range(2):  # symmetric equilibration, which partial pivoting does not do by itself
            factor = 1.0 / np.sqrt(np.abs(matrix).max(axis=2, initial=0.0))
            matrix *= factor[:, :, None] * factor[:, None, :]
            scale *= factor
        self.matrix, self.border_scale, self.idle = matrix, scale, idle

    def _border_solve(self, edge_rhs: FloatArray, total_rhs: FloatArray, slack_pull: FloatArray) -> FloatArray:
        """Direction of the edge; writes the border's direction into the lanes' values.

        edge_rhs (num_edge, chains): minus the pull on each global, without the steps' part; total_rhs (totals, chains).
        """
        slots, form = self.slots, self.form
        count, m = self.programs.size, self.unknowns + 1
        lanes = self.out[:, slots.out_rhs : slots.out_activity, :].transpose(0, 2, 1).reshape(self.groups * LANES, -1)
        direction = np.zeros_like(self.edge.p)
        if self.unknowns:
            summed = np.bincount(self.rhs_flat, lanes.ravel(), minlength=count * m).astype(np.float64)
            rhs = summed.reshape(count, m)[:, :-1]
            rhs[:, self.edge_at] += edge_rhs[self.edge_unknown].T
            if form.num_totals:
                rhs[:, self.total_at] += total_rhs.T
                if self.slacks.size:
                    theta = 1.0 / self.edge.h[self.slacks]
                    coefficients = self.total_coefficients[:, self.slacks, :]
                    rhs[:, self.total_at] -= (coefficients * (theta * slack_pull)).sum(axis=1).T
            rhs = np.where(self.idle | ~np.isfinite(rhs), 0.0, rhs * self.border_scale)
            try:
                solution = np.linalg.solve(self.matrix, rhs[:, :, None])[:, :, 0]
            except np.linalg.LinAlgError:
                solution = np.zeros_like(rhs)
                for chain in range(count):
                    solution[chain] = np.linalg.lstsq(self.matrix[chain], rhs[chain], rcond=None)[0]
            solution *= self.border_scale
            padded = np.concatenate((solution, np.zeros((count, 1))), axis=1)
            per_lane = padded[self.chain_of_lane[:, None], self.index]  # (lanes, states + border)
            shaped = per_lane.reshape(self.groups, LANES, -1).transpose(0, 2, 1)
            ns = slots.num_states
            self.values[:, slots.border_step : slots.border_step + slots.num_border, :] = shaped[:, ns:, :]
            self.values[:, slots.next_step : slots.next_step + ns, :] = shaped[:, :ns, :]
            direction[self.edge_unknown] = solution[:, self.edge_at].T
            self.total_direction = solution[:, self.total_at].T
            if self.slacks.size:
                coefficients = self.total_coefficients[:, self.slacks, :]
                moved = (coefficients * self.total_direction[:, None, :]).sum(axis=0)
                direction[self.slacks] = (slack_pull + moved) / self.edge.h[self.slacks]
        else:
            self.total_direction = np.zeros((0, count))
        return direction

    def _collect_live(self, direction: FloatArray) -> None:
        """Directions of the live globals that ended inside the sweep."""
        if self.form.num_live == 0:
            return
        values = self.live_events[:, :, :, k.LIVE_DIRECTION, :].transpose(1, 2, 0, 3).reshape(self.ending.shape)
        record, live, lane = self.ended
        direction[self.living[record, live, lane], self.chain_of_lane[lane]] = values[record, live, lane]

    def _give_live(self, what: int, values: FloatArray) -> None:
        """Write a number of the edge (num_edge, chains) to where it lives."""
        if self.form.num_live:
            found = values[self.living, self.chain_of_lane]
            shaped = found.reshape(self.records, self.form.num_live, self.groups, LANES).transpose(2, 0, 1, 3)
            self.live_events[:, :, :, what, :] = shaped

    def _edge_activity(self) -> FloatArray:
        """A'y of every edge variable over the steps' rows, (num_edge, chains)."""
        slots, form = self.slots, self.form
        activity = np.zeros_like(self.edge.p)
        at = slots.out_activity + form.num_totals
        for number in range(form.num_perm):
            activity[number] = self._sum(self._lanes(at + number))
        if form.num_live:
            values = self.live_events[:, :, :, k.LIVE_ACTIVITY, :].transpose(1, 2, 0, 3).reshape(self.ending.shape)
            record, live, lane = self.ended
            activity[self.living[record, live, lane], self.chain_of_lane[lane]] = values[record, live, lane]
            if self.segmented:
                for b in range(form.num_live):
                    found = self._lanes(at + form.num_perm + b)
                    kept = np.flatnonzero((self.crossing[b] >= 0) & self.real_lane)
                    np.add.at(activity[:, 0], self.crossing[b, kept], found[kept])
        return activity

    def restrict(self, chains: IntArray) -> None:
        """Leave all other chains where they are in the next run."""
        keep = np.zeros(self.programs.size, dtype=bool)
        keep[chains] = True
        self.real = self.real & keep

    def run(self, tolerance: float, *, deadline: float | None = None, until_half: bool = False) -> Outcome:
        """Iterate until every chain has converged, failed or stalled, or `perf_counter` has passed `deadline`.

        `until_half` stops as soon as that is so for half of them, since the rest is better off in fuller company.
        """
        slots, form, edge, numbers = self.slots, self.form, self.edge, self.numbers
        programs = self.programs
        count = programs.size
        unit = (numbers.objective_scale * numbers.size_scale)[programs]
        constant = numbers.constant[programs]
        pairs = numbers.pairs[programs] + edge.low.sum(axis=0) + edge.high.sum(axis=0)
        pairs = np.maximum(pairs, 1.0)
        done = ~self.real
        enough = 0.5 * np.count_nonzero(self.real) if until_half else np.inf
        converged = np.zeros(count, dtype=bool)
        before = self.iterations
        bests = np.full((3, count), np.inf)
        since_best = np.zeros(count, dtype=np.int64)
        since_good = np.zeros(count, dtype=np.int64)
        primal = np.zeros(count)
        dual = np.zeros(count)
        gap = np.full(count, np.inf)
        row_residual = np.full(count, np.inf)
        column_residual = np.full(count, np.inf)
        self.broken = np.zeros(count, dtype=bool)
        self.total_step = np.zeros_like(self.total_dual)
        self.edge.dzl = np.zeros_like(edge.p)
        self.edge.dzu = np.zeros_like(edge.p)
        pulls = np.ones(count)  # 0 where the next direction only restores the rows
        projecting = np.zeros(count, dtype=bool)
        returned = np.zeros(count, dtype=bool)
        projections = np.zeros(count, dtype=np.int64)
        moved = np.ones(count, dtype=np.int64)
        total_rhs = numbers.total_rhs[:, programs]
        rhs_scale = 1e-3 + np.abs(total_rhs)
        with np.errstate(all="ignore"):
            for iteration in range(MAX_ITERATIONS + 1):
                self._write(k.PRIMAL_STEP, primal)
                self._write(k.DUAL_STEP, dual)
                if self.segmented:
                    self._exchange(float(primal[0]), float(dual[0]))
                edge.move(primal, dual)
                self.total_dual = np.where(dual != 0.0, self.total_dual + dual * self.total_step, self.total_dual)
                edge.refresh()
                for d in range(form.num_totals):
                    self._write(slots.total_dual + d, self.total_dual[d])
                for number in range(form.num_perm):
                    self._write(slots.perm_value + number, edge.p[number])
                self._give_live(k.LIVE_VALUE, edge.p)
                self._give_live(k.LIVE_BARRIER, edge.h)
                self._give_live(k.LIVE_ADD, pulls * edge.cost)
                self._write(k.PULL, pulls)
                self._sweep("predict_forward")
                # where are we
                totals_dual = (self.total_coefficients * self.total_dual[:, None, :]).sum(axis=0)
                activity = (
                    np.stack([self._sum(self._lanes(slots.out_activity + d)) for d in range(form.num_totals)])
                    if (form.num_totals)
                    else np.zeros((0, count))
                )
                total_left = total_rhs - activity - (self.total_coefficients * edge.p).sum(axis=1)
                edge_left = edge.cost - totals_dual - self._edge_activity() - edge.zl + edge.zu
                row_residual = self._largest(self._lanes(0))
                if form.num_totals:
                    size = np.maximum(rhs_scale, np.abs(activity))
                    row_residual = np.maximum(row_residual, (np.abs(total_left) / size).max(axis=0))
                column_residual = self._largest(self._lanes(1))
                edge_error = np.where(edge.moves, np.abs(edge_left), 0.0) / (1.0 + np.abs(edge.cost))
                column_residual = np.maximum(column_residual, edge_error.max(axis=0, initial=0.0))
                products = self._sum(self._lanes(2)) + edge.products()
                primal_objective = self._sum(self._lanes(3)) + (edge.cost * edge.p).sum(axis=0)
                dual_objective = self._sum(self._lanes(4)) + (total_rhs * self.total_dual).sum(axis=0)
                dual_objective = dual_objective - np.where(
                    edge.high, edge.zu * np.where(edge.high, edge.width, 0.0), 0.0
                ).sum(axis=0)
                mu = products / pairs
                whole = np.abs(constant + unit * primal_objective)
                gap = unit * np.abs(primal_objective - dual_objective) / (1.0 + whole)
                good = (gap <= tolerance) & (row_residual <= ROWS * tolerance) & (column_residual <= tolerance)
                good &= unit * products / (1.0 + whole) <= 4.0 * tolerance
                converged |= good & ~done
                since_good = since_good + (converged & ~done)
                strained = row_residual > STRAINED * ROWS * tolerance
                close = good & ((gap <= CLOSER * tolerance) | strained | (since_good > CLOSER_LIMIT))
                merit = np.maximum(np.maximum(gap, row_residual), column_residual)
                # of each measure, what it was when it last counted: slow progress adds up
                better = np.zeros(count, dtype=bool)
                for measure, best in zip((merit, mu, row_residual), bests, strict=True):
                    counts = measure < 0.9 * best
                    best[counts] = measure[counts]
                    better |= counts
                since_best = np.where(better, 0, since_best + moved)
                failed = ~np.isfinite(merit) | (since_best > STALL_LIMIT) | self.broken
                failed |= before + iteration >= MAX_ITERATIONS
                self.iterations = np.where(done, self.iterations, before + iteration)
                done = done | close | failed | returned
                late = deadline is not None and time.perf_counter() > deadline
                if done.all() or late or np.count_nonzero(done & self.real) >= enough:
                    break
                lost = converged & ~good & ~done
                if lost.any():  # it met the tolerance before its last step
                    returned |= lost
                    primal, dual = np.where(lost, -primal, 0.0), np.where(lost, -dual, 0.0)
                    moved = np.zeros(count, dtype=np.int64)
                    continue
                # where only rows are missing, a lane waits for one round, and takes a step without pulls in the next
                only_rows = (gap <= tolerance) & (column_residual <= tolerance) & (row_residual > ROWS * tolerance)
                waiting = only_rows & ~done & ~projecting & (projections < PROJECTIONS)
                projections = projections + waiting
                if waiting.any() and (waiting | done).all():
                    primal, dual = np.zeros(count), np.zeros(count)
                    moved = np.zeros(count, dtype=np.int64)
                    projecting, pulls = waiting, np.where(waiting, 0.0, 1.0)
                    continue
                # affine direction; without pulls it is the shortest way back to the rows
                self._border_matrix()
                slack_pull = pulls * totals_dual[self.slacks]
                edge_rhs = pulls * (edge.cost - totals_dual)
                direction = self._border_solve(edge_rhs, total_left, slack_pull)
                self._sweep("predict_backward")
                self._collect_live(direction)
                total_step = self.total_direction
                ratio_primal, ratio_dual, sums = edge.affine(direction)
                ratio_primal = np.maximum(ratio_primal, self._largest(self._lanes(0)))
                ratio_dual = np.maximum(ratio_dual, self._largest(self._lanes(1)))
                sums = [mine + self._sum(self._lanes(2 + at)) for at, mine in enumerate(sums)]
                a_primal, a_dual = _length(ratio_primal, 1.0), _length(ratio_dual, 1.0)
                after = (products + a_primal * sums[0] + a_dual * sums[1] + a_primal * a_dual * sums[2]) / pairs
                sigma = np.clip(after / mu, 0.0, 1.0) ** 3
                # products smaller than the tolerance asks for only worsen the conditioning
                floor = 0.03 * tolerance * (1.0 + whole) / (unit * pairs)
                target = np.where(done, mu, np.maximum(sigma * mu, floor))
                # centring and second order
                least, most = LEAST_SHARE * target, np.maximum(MOST_SHARE * mu, target)
                least, most = np.where(projecting, 0.0, least), np.where(projecting, 0.0, most)
                for slot, values in ((k.TARGET, target), (k.LEAST, least), (k.MOST, most)):
                    self._write(slot, values)
                pull = edge.pull(target, least, most)
                self._give_live(k.LIVE_ADD, -pull)
                self._sweep("correct_forward")
                direction = self._border_solve(-pull, np.zeros_like(total_left), pull[self.slacks])
                self._sweep("correct_backward")
                self._collect_live(direction)
                self.total_step = total_step + self.total_direction
                ratio_primal, ratio_dual = edge.correct(direction)
                ratio_primal = np.maximum(ratio_primal, self._largest(self._lanes(0)))
                ratio_dual = np.maximum(ratio_dual, self._largest(self._lanes(1)))
                primal = np.where(done | waiting, 0.0, _length(ratio_primal, STEP_FACTOR))
                dual = np.where(done | waiting | projecting, 0.0, _length(ratio_dual, STEP_FACTOR))
                moved = np.where(waiting, 0, 1)
                projecting, pulls = waiting, np.where(waiting, 0.0, 1.0)
        return Outcome(converged, done, self.iterations, gap, row_residual, column_residual)


def _length(ratio: FloatArray, factor: float) -> FloatArray:
    """Longest step up to 1 that keeps a share 1 - factor of the distance to the nearest bound."""
    return np.where(ratio > factor, factor / np.where(ratio > 0.0, ratio, 1.0), 1.0)

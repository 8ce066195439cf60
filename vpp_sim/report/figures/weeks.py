"""A span of the horizon step by step: supply above, use below, what is stored, and what a kWh costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.dispatch import Dispatch
from vpp_sim.report.figures.parts import Part, marginal_price, parts_of, prices_of, supply_order, use_order
from vpp_sim.report.figures.style import (
    BLACK,
    BLUE,
    GREY,
    INK,
    LARGEST_DRAWN,
    VERMILION,
    coarser,
    dates,
    figure_of,
    given_or_new,
    new_figure,
    thousands,
)
from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DAYS_PER_WEEK: Final = 7
#: A horizon of at most so many days is drawn whole.
LONGEST_WHOLE_DAYS: Final = 10
#: Letters of a legend that a line holds per inch, and how many the sample of a colour takes.
LETTERS_PER_INCH: Final = 18.5
LETTERS_PER_HANDLE: Final = 7
_COLD: Final = (12, 1, 2)
_WARM: Final = (6, 7, 8)


@dataclass(frozen=True)
class Span:
    """Steps `begin` to `end` (not included) of a horizon, and what they are called."""

    title: str
    begin: int
    end: int

    def of(self, values: FloatArray) -> FloatArray:
        """The part of a series that lies in the span."""
        return values[self.begin : self.end]


def sample_spans(result: Dispatch) -> list[Span]:
    """The whole of a short horizon; else a winter and a summer week, each like most of its season's in renewables.

    Weeks begin on Monday. A season is three months, of which the horizon must hold a whole week; where it holds none
    of either, the one week is in the middle of the horizon.
    """
    grid = result.grid
    if grid.num_days <= LONGEST_WHOLE_DAYS:
        return [Span(_titled("The whole horizon", grid, 0, grid.num_steps), 0, grid.num_steps)]
    begins = np.searchsorted(grid.day, np.arange(grid.num_days + 1))
    mondays = [
        day
        for day in range(grid.num_days - DAYS_PER_WEEK + 1)
        if grid.weekday[begins[day]] == 0 and grid.hour_of_day[begins[day]] == 0.0
    ]
    weeks = [(int(begins[day]), int(begins[day + DAYS_PER_WEEK])) for day in mondays]
    winter, summer = (_COLD, _WARM) if result.scenario.site.latitude >= 0 else (_WARM, _COLD)
    sun = _renewable_kw(result)
    spans = []
    for name, months in (("Winter week", winter), ("Summer week", summer)):
        inside = [
            (begin, end)
            for begin, end in weeks
            if grid.month_of_year[begin] in months and grid.month_of_year[end - 1] in months
        ]
        if inside:
            energies = np.array([sun[begin:end].sum() for begin, end in inside])
            begin, end = inside[int(np.argmin(np.abs(energies - np.median(energies))))]
            spans.append(Span(_titled(name, grid, begin, end), begin, end))
    if not spans and weeks:
        begin, end = weeks[len(weeks) // 2]
        spans.append(Span(_titled("A week", grid, begin, end), begin, end))
    return spans


def _renewable_kw(result: Dispatch) -> FloatArray:
    total = np.zeros(result.grid.num_steps)
    for part in parts_of(result):
        if part.flows.renewable_kw is not None:
            total = total + part.flows.renewable_kw
    return total


def _titled(words: str, grid: TimeGrid, begin: int, end: int) -> str:
    first, last = grid.local[begin], grid.local[end - 1]
    return f"{words}, {first.day} {first:%B %Y} to {last.day} {last:%B %Y}"


@dataclass(frozen=True, eq=False)
class _Axis:
    """Times of a span as edges of blocks of steps, and how series are brought to these blocks."""

    times: Any
    block: int
    span: Span

    def edges(self, values: FloatArray) -> FloatArray:
        """Block means with the last one doubled, as `step="post"` wants it."""
        means = coarser(self.span.of(values), self.block)
        return np.append(means, means[-1])

    def ends(self, values: FloatArray, first: float) -> FloatArray:
        """End-of-block states after the state before the span."""
        inside = self.span.of(values)
        last = np.minimum(np.arange(self.block, inside.size + self.block, self.block), inside.size) - 1
        return np.concatenate([[first], inside[last]])


def _axis(grid: TimeGrid, span: Span) -> _Axis:
    """Times go on evenly from the span's first local time: clocks that change inside a span do not fold the axis."""
    import pandas as pd

    steps = span.end - span.begin
    block = -(-steps // LARGEST_DRAWN)
    offsets = np.append(np.arange(0, steps, block), steps) * grid.step_minutes
    return _Axis((grid.local[span.begin] + pd.to_timedelta(offsets, unit="min")).to_numpy(), block, span)


def supply_and_use(result: Dispatch, span: Span, ax: Axes | None = None, *, legend: bool = True) -> Axes:
    """What components give to the bus above, what they take from it below; the sums mirror each other."""
    ax = given_or_new(ax)
    axis = _axis(result.grid, span)
    parts = parts_of(result)
    drawn: dict[str, Part] = {}
    for ordered, sign, power_of in ((supply_order(parts), 1.0, "gives_kw"), (use_order(parts), -1.0, "takes_kw")):
        base = np.zeros(axis.times.size)
        for part in ordered:
            power = axis.edges(getattr(part, power_of))
            if not power.any():
                continue
            drawn.setdefault(part.name, part)
            top = base + sign * power
            ax.fill_between(axis.times, base, top, step="post", color=part.colour, linewidth=0, alpha=0.92)
            base = top
    handles = [_patch(part.colour, part.label) for part in drawn.values()]
    available = [part.flows.renewable_available_kw for part in parts if part.flows.renewable_available_kw is not None]
    if available:
        total = axis.edges(np.sum(available, axis=0))
        generated = axis.edges(_renewable_kw(result))
        if (total - generated > 1e-3 * max(float(total.max()), 1e-9)).any():
            style = {"color": BLACK, "linewidth": 0.9, "linestyle": (0, (2, 1.5))}
            handles += ax.step(axis.times, total, where="post", label="renewable, before curtailment", **style)
    ax.axhline(0.0, color=INK, linewidth=0.8)
    ax.set_ylabel("← takes\u2003kW\u2003gives →")
    ax.set_xlim(axis.times[0], axis.times[-1])
    thousands(ax, signs=False)
    dates(ax)
    if legend:
        legend_above(ax, handles)
    return ax


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, label=label)


def legend_above(ax: Axes, handles: list[Any] | None = None) -> None:
    """Words above the axes, in one line or, where they are many, in several."""
    if handles is None:
        handles, _ = ax.get_legend_handles_labels()
    if not handles:
        return
    letters = sum(len(str(handle.get_label())) + LETTERS_PER_HANDLE for handle in handles)
    width = ax.get_position().width * figure_of(ax).get_figwidth()
    lines = max(1, math.ceil(letters / (LETTERS_PER_INCH * width)))
    options: dict[str, Any] = {
        "loc": "lower left",
        "bbox_to_anchor": (0.0, 1.0),
        "ncols": -(-len(handles) // lines),
        "borderaxespad": 0.2,
        "handlelength": 1.3,
        "columnspacing": 1.4,
        "borderpad": 0.0,
    }
    ax.legend(handles=handles, **options)


def stored_energy(result: Dispatch, span: Span, ax: Axes | None = None) -> Axes:
    """State of charge of every store that has one."""
    ax = given_or_new(ax, height=1.6)
    axis = _axis(result.grid, span)
    for part in parts_of(result):
        store = part.store
        if store is None or not store.capacity_kwh:
            continue
        before = store.initial_kwh if span.begin == 0 else float(store.stored_kwh[span.begin - 1])
        share = 100.0 * axis.ends(store.stored_kwh, before) / store.capacity_kwh
        ax.fill_between(axis.times, 0.0, share, color=part.colour, alpha=0.35, linewidth=0)
        ax.plot(axis.times, share, color=part.colour, label=part.label)
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 50, 100])
    ax.set_ylabel("stored, %")
    ax.set_xlim(axis.times[0], axis.times[-1])
    dates(ax)
    return ax


def price_lines(result: Dispatch, span: Span, ax: Axes | None = None) -> Axes:
    """The tariff's price of an imported kWh, and what one more kWh at the bus would have cost."""
    ax = given_or_new(ax, height=1.6)
    axis = _axis(result.grid, span)
    prices = prices_of(result)["import"]
    marginal = marginal_price(result)
    highest = max(float(span.of(prices).max()), 1e-9)
    ax.step(axis.times, axis.edges(prices), where="post", color=BLACK, label="price of import")
    if marginal is not None:
        line = axis.edges(marginal)
        ax.step(axis.times, line, where="post", color=VERMILION, linewidth=1.0, label="marginal price of the bus")
        limit = 2.0 * highest
        lowest = float(np.clip(min(line.min(), axis.edges(prices).min(), 0.0), -limit, 0.0))
        if line.max() > limit:
            ax.set_ylim(1.05 * lowest, limit)
            ax.plot([], [], linestyle="none", label="(peaks that set a demand charge reach beyond the frame)")
        else:
            ax.set_ylim(1.05 * lowest, 1.1 * max(highest, float(line.max())))
    else:
        ax.set_ylim(min(0.0, 1.1 * float(span.of(prices).min())), 1.1 * highest)
    ax.set_ylabel(f"{result.scenario.currency}/kWh")
    ax.set_xlim(axis.times[0], axis.times[-1])
    dates(ax)
    legend_above(ax)
    return ax


def dispatch_of_span(result: Dispatch, span: Span) -> Figure:
    """Supply and use, stored energy where there is a store, and prices, one below the other."""
    stores = any(part.has_state for part in parts_of(result))
    figure = new_figure(5.2 if stores else 4.3)
    heights = [3.4, 0.8, 1.0] if stores else [3.4, 1.0]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    supply_and_use(result, span, axes[0])
    if stores:
        stored_energy(result, span, axes[1])
    price_lines(result, span, axes[-1])
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)
    return figure


def moved_in_span(grid: TimeGrid, span: Span, came_kw: FloatArray, met_kw: FloatArray, ax: Axes | None = None) -> Axes:
    """Demand that may wait in one span: as it came, and as it was met."""
    ax = given_or_new(ax, height=2.4)
    axis = _axis(grid, span)
    came, met = axis.edges(came_kw), axis.edges(met_kw)
    ax.fill_between(axis.times, 0.0, came, step="post", color=GREY, alpha=0.45, linewidth=0, label="as it came")
    ax.step(axis.times, met, where="post", color=BLUE, label="as it was met")
    ax.set_ylabel("kW")
    ax.set_xlim(axis.times[0], axis.times[-1])
    ax.set_ylim(min(0.0, float(met.min())) * 1.05, None)
    thousands(ax)
    dates(ax, weekdays=False)
    return ax

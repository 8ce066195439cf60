"""Figures of a tariff study: what each basis costs, and along which number the cheapest one changes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpp_sim.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    lighter,
    new_figure,
    thousands,
)
from vpp_sim.report.formats import basis_words, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vpp_sim.studies.billing import BillingStudy, Search

_BASIS_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, INK)
_PARTS: Final = (("energy_cost", "imported energy", SKY), ("demand_cost", "charge for power", VERMILION))
_REST: Final = "wear, fixed charges and all else, less export"


def bases(study: BillingStudy) -> Figure:
    """Cost of every basis by part, with and without storage; the cheapest of each side named."""
    rows = study.rows
    figure = new_figure(0.9 + 0.36 * len(rows))
    ax: Any = figure.subplots()
    names = list(dict.fromkeys(row.name for row in rows))
    order = [
        row for name in names for side in (True, False) for row in rows if row.name == name and row.storage == side
    ]
    gaps = np.cumsum([0.0, *(0.35 if a.name != b.name else 0.0 for a, b in pairwise(order))])
    place = np.arange(len(order)) + gaps
    left = np.zeros(len(order))
    for field, label, colour in _PARTS:
        width = np.array([getattr(row, field) for row in order])
        shades = [colour if row.storage else lighter(colour, 0.45) for row in order]
        ax.barh(place, width, left=left, color=shades, height=0.82, label=label)
        left = left + width
    rest = np.array([row.other_cost for row in order])
    ax.barh(place, rest, left=left, color=GREY, height=0.82, label=_REST)
    totals = np.array([row.total_cost for row in order])
    for at, row in zip(place, order, strict=True):
        best = study.cheapest(storage=row.storage)
        least = row.total_cost if best is None else best.total_cost
        told = "cheapest" if row is best else percent(row.total_cost / least - 1.0, signed=True) if least > 0 else ""
        ax.text(max(row.total_cost, 0.0), at, f"  {number(row.total_cost)}  {told}", va="center", fontsize=8.5)
    ax.set_yticks(place, [_bar_label(study, row.name, row.storage) for row in order])
    ax.invert_yaxis()
    ax.set_xlim(min(0.0, float(totals.min())), 1.22 * max(float(totals.max()), 1.0))
    thousands(ax, "x")
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"cost over the horizon, {study.scenario.currency}")
    figure.legend(*_in_full_colour(ax), loc="outside upper left", ncols=3)
    return figure


def _bar_label(study: BillingStudy, name: str, storage: bool) -> str:
    if not study.storage_components:
        return basis_words(name)
    return f"{basis_words(name)}, {'with' if storage else 'without'} storage"


def _in_full_colour(ax: Axes) -> tuple[list[Any], list[str]]:
    from matplotlib.patches import Patch

    colours = {label: colour for _, label, colour in _PARTS} | {_REST: GREY}
    return [Patch(color=colour) for colour in colours.values()], list(colours)


def along(study: BillingStudy) -> Figure:
    """A panel per search: cost of every basis along a number; the band on top has the colour of the cheapest one."""
    searches = study.searches
    figure = new_figure(0.5 + 3.0 * len(searches))
    axes: Any = figure.subplots(len(searches), 1, squeeze=False)
    for search, ax in zip(searches, axes[:, 0], strict=True):
        _along(study, search, ax)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return figure


def _along(study: BillingStudy, search: Search, ax: Axes) -> None:
    names = list(dict.fromkeys(row.name for row in study.rows))
    table = search.table
    costs = table.drop(columns="value")
    for name in costs.columns:
        colour = _BASIS_COLOURS[names.index(str(name)) % len(_BASIS_COLOURS)]
        ax.plot(table["value"], costs[name], color=colour, marker="o", markersize=3, label=basis_words(str(name)))
    least = costs.min(axis=1).to_numpy(dtype=np.float64)
    low, high = float(np.nanmin(least)), float(np.nanmax(least))
    spread = max(high - low, 0.02 * abs(high), 1.0)
    # the dearest lines may leave the picture: what is cheapest, and by how much, is to be seen
    ax.set_ylim(low - 0.15 * spread, high + 0.75 * spread)
    ends = [search.along.low, *(switch.value for switch in search.switches), search.along.high]
    cheapest = [switch.below for switch in search.switches[:1]] + [switch.above for switch in search.switches]
    for begin, end, name in zip(ends, ends[1:], cheapest or [search.cheapest_at(0)], strict=False):
        if name:
            colour = _BASIS_COLOURS[names.index(name) % len(_BASIS_COLOURS)]
            ax.axvspan(begin, end, ymin=0.97, color=colour, linewidth=0)
    for switch in search.switches:
        ax.axvline(switch.value, color=INK, linewidth=0.9, linestyle="--")
        place = (switch.value, 0.93)
        ax.annotate(f" {number(switch.value)}", place, xycoords=("data", "axes fraction"), va="top", fontsize=8.5)
    if np.isfinite(search.base) and search.along.low <= search.base <= search.along.high:
        ax.axvline(search.base, color=GREY, linewidth=0.9, linestyle=":")
        ax.annotate(" now", (search.base, ax.get_ylim()[0]), va="bottom", fontsize=8.5, color=GREY)
    side = f", {'with' if search.storage else 'without'} storage" if study.storage_components else ""
    ax.set_title(f"{search.along.path.replace('_', ' ')}{side}")
    ax.set_xlim(search.along.low, search.along.high)
    thousands(ax)
    thousands(ax, "x")
    ax.set_xlabel(f"{search.along.path}{', ' + search.unit if search.unit else ''}")
    ax.set_ylabel(f"cost over the horizon, {study.scenario.currency}")

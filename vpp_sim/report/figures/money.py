"""The bill month by month, with control and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.kpi import Simulation
from vpp_sim.report.figures.style import (
    CONTROLLED,
    GREY,
    INK,
    UNCONTROLLED,
    given_or_new,
    lighter,
    thousands,
)
from vpp_sim.report.figures.weeks import legend_above
from vpp_sim.report.figures.year import month_ticks
from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Lines of a bill that are drawn one by one; more are drawn by kind.
MOST_LINES: Final = 8
KIND_WORDS: Final = {"energy": "energy", "demand": "demand charge", "fixed": "fixed charges", "export": "export"}
_KIND_COLOURS: Final = {"energy": "#0072B2", "demand": "#E69F00", "fixed": "#8C8C8C", "export": "#009E73"}
_BAR: Final = 0.38


def bill_by_line(lines: pd.DataFrame, grid: TimeGrid) -> dict[tuple[str, str], FloatArray]:
    """Amounts per billing month by (kind, line), energy first, dearest energy first; by kind where lines are many."""
    month = lines["month"].map({label: position for position, label in enumerate(grid.month_labels)})
    named = lines.assign(position=month)
    if named[["kind", "line"]].drop_duplicates().shape[0] > MOST_LINES:
        named["line"] = named["kind"].map(KIND_WORDS)
    found: dict[tuple[str, str], FloatArray] = {}
    price: dict[tuple[str, str], float] = {}
    for (kind, line), rows in named.groupby(["kind", "line"], sort=False):
        amounts = np.bincount(rows["position"], weights=rows["amount"], minlength=grid.num_months)
        key = str(kind), str(line)
        found[key] = np.asarray(amounts, dtype=np.float64)
        price[key] = float(rows["price"].mean())
    order = list(KIND_WORDS)
    return dict(sorted(found.items(), key=lambda entry: (order.index(entry[0][0]), -price[entry[0]])))


def line_colours(keys: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A colour per line of a bill: one hue per kind, lighter for each further line of it."""
    colours: dict[tuple[str, str], str] = {}
    seen: dict[str, int] = {}
    for kind, line in keys:
        rank = seen.get(kind, 0)
        colours[kind, line] = lighter(_KIND_COLOURS[kind], min(0.32 * rank, 0.8))
        seen[kind] = rank + 1
    return colours


def monthly_bills(simulation: Simulation, ax: Axes | None = None) -> Axes:
    """Stacked lines of every month's bill: left without control (hatched), right with control; export below zero."""
    from matplotlib.patches import Patch

    ax = given_or_new(ax, height=3.6)
    grid = simulation.optimal.grid
    now = bill_by_line(simulation.summary.bill.lines, grid)
    baseline = simulation.summary.baseline
    before = {} if baseline is None else bill_by_line(baseline.bill.lines, grid)
    keys = [*now, *(key for key in before if key not in now)]
    colours = line_colours(sorted(keys, key=lambda key: list(KIND_WORDS).index(key[0])))
    x = np.arange(grid.num_months)
    hatched: dict[str, Any] = {"hatch": "////", "edgecolor": "white", "linewidth": 0.0}
    for lines, offset, style in ((before, -_BAR / 2 - 0.01, hatched), (now, _BAR / 2 + 0.01, {})):
        above, below = np.zeros(grid.num_months), np.zeros(grid.num_months)
        for key, amounts in lines.items():
            base = np.where(amounts >= 0, above, below)
            ax.bar(x + offset, amounts, bottom=base, width=_BAR, color=colours[key], **style)
            above, below = above + np.maximum(amounts, 0.0), below + np.minimum(amounts, 0.0)
    handles = [Patch(facecolor=colours[key], label=key[1]) for key in colours if _any(now, before, key)]
    if before:
        left = Patch(facecolor=GREY, label="left: without control", hatch="////", edgecolor="white", linewidth=0.0)
        handles += [left, Patch(facecolor=GREY, label="right: with control")]
    ax.axhline(0.0, color=INK, linewidth=0.8)
    month_ticks(ax, grid)
    ax.set_ylabel(f"{simulation.scenario.currency} per month")
    thousands(ax)
    legend_above(ax, handles)
    return ax


def _any(now: dict[tuple[str, str], FloatArray], before: dict[tuple[str, str], FloatArray], key: Any) -> bool:
    return any(key in lines and bool(lines[key].any()) for lines in (now, before))


def monthly_peaks(simulation: Simulation, ax: Axes | None = None) -> Axes:
    """The highest import of every month as the bill measures it, with control and without."""
    ax = given_or_new(ax, height=2.2)
    grid = simulation.optimal.grid
    x = np.arange(grid.num_months)
    baseline = simulation.summary.baseline
    if baseline is not None:
        before = baseline.bill.demand["measured_kw"].to_numpy()
        ax.plot(x, before, "s--", color=UNCONTROLLED, markersize=4, label="without control")
    now = simulation.summary.bill.demand["measured_kw"].to_numpy()
    ax.plot(x, now, "o-", color=CONTROLLED, markersize=4, label="with control")
    ax.set_ylim(0, None)
    ax.set_xlim(-0.6, grid.num_months - 0.4)
    month_ticks(ax, grid)
    ax.set_ylabel("peak import, kW")
    thousands(ax)
    legend_above(ax)
    return ax

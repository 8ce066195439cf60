"""What soft limits left undone, over the horizon: a row for each thing that was short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from vpp_sim.components.base import FloatArray, Shortfall
from vpp_sim.report.figures.style import VERMILION, dates, new_figure, thousands
from vpp_sim.time_grid import TimeGrid
from vpp_sim.units import MINUTES_PER_HOUR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: From so many days on a bar is a day, else a step.
BARS_BY_DAY: Final = 14
#: Height of a row, and of the rest [in].
ROW, REST = 1.05, 0.45
HOURS_PER_DAY: Final = 24


def shortfalls_over_time(grid: TimeGrid, short: Sequence[tuple[str, Shortfall]]) -> Figure:
    """Bars over the horizon under the titles given: energy of a day (of a store, the most missing), or of each step."""
    from matplotlib.dates import date2num

    figure = new_figure(REST + ROW * len(short))
    axes = figure.subplots(len(short), 1, sharex=True, squeeze=False)[:, 0]
    by_day = grid.num_days >= BARS_BY_DAY
    first = grid.local[0].normalize() if by_day else grid.local[0]
    days = 1.0 if by_day else grid.step_minutes / (MINUTES_PER_HOUR * HOURS_PER_DAY)
    for ax, (title, shortfall) in zip(axes, short, strict=True):
        values = of_days(shortfall, grid) if by_day else shortfall.amount
        # by the clock at the start: a change of it would only shift the bars by an hour
        edges = date2num(first.tz_localize(None)) + days * np.arange(values.size + 1)
        ax.stairs(values, edges, fill=True, color=VERMILION)
        ax.set_ylabel("kWh" if shortfall.is_stored else "kWh a day" if by_day else "kW")
        ax.set_ylim(bottom=0.0)
        ax.set_xlim(edges[0], edges[-1])
        ax.set_title(title, fontweight="normal", fontsize=9)
        thousands(ax)
    axes[-1].xaxis_date()
    dates(axes[-1])
    return figure


def of_days(shortfall: Shortfall, grid: TimeGrid) -> FloatArray:
    """Energy of each day, or the most that was missing in a store on it, (num_days,) [kWh]."""
    found = np.zeros(grid.num_days)
    if shortfall.is_stored:
        np.maximum.at(found, grid.day, shortfall.amount)
    else:
        np.add.at(found, grid.day, shortfall.amount * grid.step_hours)
    return found

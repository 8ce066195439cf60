"""How well renewable generation meets the load in time: the ladder of periods, and the hours of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vpp_sim.kpi import Ledger, Summary
from vpp_sim.report.figures.style import CONTROLLED, GREEN, INK, UNCONTROLLED, figure_of, given_or_new
from vpp_sim.report.figures.year import HOURS, month_by_hour, month_ticks
from vpp_sim.report.formats import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Periods from coarse to fine, with the words of the figure.
LADDER: Final = {
    "matching_annual": "whole horizon",
    "matching_monthly": "month",
    "matching_daily": "day",
    "matching_hourly": "hour (24/7)",
    "matching_step": "step",
}
CLEAN: Final = "cfe_score_hourly"


def matching_ladder(summary: Summary, ax: Axes | None = None, *, step_minutes: int = 60) -> Axes:
    """Share of the load that renewable generation matches within ever shorter periods, and the carbon-free score.

    The finer the period, the less surplus of one time can stand for what is wanting at another. Points are the site
    without control.
    """
    ax = given_or_new(ax, height=2.7)
    kpis = summary.kpis
    before = {} if summary.baseline is None else summary.baseline.kpis
    names = [name for name in LADDER if name != "matching_step" or step_minutes < 60]
    labels = [LADDER[name] if name != "matching_step" else f"{step_minutes} minutes" for name in names]
    if CLEAN in kpis:
        names.append(CLEAN)
        labels.append("hour, with the clean\npart of the grid")
    for position, name in enumerate(names):
        value = kpis[name].value
        colour = GREEN if name == CLEAN else CONTROLLED
        ax.barh(position, 100 * value, height=0.62, color=colour)
        ax.text(101.5, position, percent(value), va="center", ha="left", color=INK, clip_on=False)
    was = [(position, before[name].value) for position, name in enumerate(names) if name in before]
    if was:
        positions, values = zip(*was, strict=True)
        ax.plot(
            100 * np.array(values), positions, "s", color=UNCONTROLLED, markersize=5, label="without control", zorder=3
        )
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)
    ax.set_yticks(range(len(names)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.set_xlabel("of the load, matched within every …, %")
    ax.grid(visible=False, axis="y")
    return ax


def matching_by_month_and_hour(ledger: Ledger, ax: Axes | None = None) -> Axes:
    """Share of the load that renewable energy covers, by month and hour of the day, as colours."""
    ax = given_or_new(ax, height=2.7)
    grid = ledger.grid
    covered = month_by_hour(ledger.renewable_to("load"), grid)
    load = month_by_hour(ledger.load_kw, grid)
    share = np.divide(covered, load, out=np.full(load.shape, np.nan), where=load > 0)
    image = ax.imshow(
        100 * share,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="cividis",
        vmin=0,
        vmax=100,
        extent=(-0.5, grid.num_months - 0.5, 0, HOURS),
    )
    month_ticks(ax, grid, most=6)
    ax.set_xlim(-0.5, grid.num_months - 0.5)
    ax.set_yticks(range(0, HOURS + 1, 6))
    ax.set_ylabel("hour of the day")
    ax.grid(visible=False)
    bar = figure_of(ax).colorbar(image, ax=ax, pad=0.02, aspect=16)
    bar.set_label("of the load from the site's own sun, %")
    bar.outline.set_visible(False)
    return ax

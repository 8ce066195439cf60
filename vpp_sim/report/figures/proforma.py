"""The money of a project over its years: cash flow, capacities, worth against the discount rate, what it depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.kpi import finance
from vpp_sim.kpi.economics import Proforma
from vpp_sim.kpi.lifetime import Schedule
from vpp_sim.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    given_or_new,
    lighter,
    thousands,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Lines of the cash flow with their words and colours, in the order in which they are stacked.
LINES: Final[Mapping[str, tuple[str, str]]] = {
    "energy_saving": ("energy saved", BLUE),
    "demand_saving": ("demand charge saved", ORANGE),
    "fixed_saving": ("fixed charges saved", GREY),
    "export_gain": ("export", SKY),
    "subsidy": ("subsidy", lighter(GREEN, 0.5)),
    "salvage": ("left at the end", lighter(PURPLE, 0.5)),
    "capital": ("capital", VERMILION),
    "replacement": ("replacement", lighter(VERMILION, 0.45)),
    "om": ("operation and maintenance", lighter(INK, 0.35)),
    "service": ("compensation and service", lighter(ORANGE, 0.6)),
    "tax": ("tax", lighter(INK, 0.65)),
}


def cash_flow(found: Proforma, currency: str, ax: Axes | None = None) -> Axes:
    """Every year's money by line as stacked bars, and its running total, as it is and discounted."""
    ax = given_or_new(ax, height=4.2)
    table = found.table
    years = table.index.to_numpy()
    above, below = np.zeros(years.size), np.zeros(years.size)
    for name, (words, colour) in LINES.items():
        if name not in table or not np.abs(table[name]).max() > 0:
            continue
        amounts = table[name].to_numpy() / 1e6
        ax.bar(years, amounts, bottom=np.where(amounts >= 0, above, below), color=colour, width=0.72, label=words)
        above, below = above + np.maximum(amounts, 0.0), below + np.minimum(amounts, 0.0)
    ax.plot(years, table["cumulative"] / 1e6, "o-", color=INK, markersize=3, label="running total")
    ax.plot(years, table["cumulative_discounted"] / 1e6, "--", color=INK, label="running total, discounted")
    ax.axhline(0.0, color=INK, linewidth=0.8)
    ax.set_xlim(-0.7, years[-1] + 0.7)
    ax.set_xticks(years[:: max(1, years.size // 21)])
    ax.set_xlabel("year; 0 is the start")
    ax.set_ylabel(f"million {currency}")
    thousands(ax)
    ax.legend(loc="upper left", ncols=2, fontsize=8)
    ax.margins(y=0.08)
    return ax


def capacities_left(
    capacities: pd.DataFrame, schedule: Schedule, labels: Mapping[str, str], ax: Axes | None = None
) -> Axes:
    """Share of its capacity that each part has in the middle of every year; dashes where it is replaced."""
    ax = given_or_new(ax, height=2.8)
    colours = [ORANGE, PURPLE, BLUE, GREEN, SKY, VERMILION]
    for position, name in enumerate(capacities.columns):
        colour = colours[position % len(colours)]
        ax.plot(capacities.index - 0.5, capacities[name] * 100, "o-", color=colour, markersize=3, label=labels[name])
        for entry in schedule.replacements:
            if entry.component == name:
                ax.axvline(entry.years, color=colour, linestyle="--", linewidth=1.0)
                ax.annotate(
                    f"{labels[name]} replaced\nafter {entry.years:.1f} years ({entry.reason})",
                    (entry.years, 1.0),
                    xycoords=("data", "axes fraction"),
                    xytext=(-4, -4),
                    textcoords="offset points",
                    ha="right",
                    va="top",
                    fontsize=8,
                )
    low = float(capacities.to_numpy().min()) * 100
    ax.set_ylim(min(low - 5, 75), 101.5)
    ax.set_xlim(0, len(capacities))
    ax.set_xlabel("years since the start")
    ax.set_ylabel("capacity left, %")
    ax.legend(loc="lower left")
    return ax


def worth_by_rate(found: Proforma, rate: float, currency: str, ax: Axes | None = None) -> Axes:
    """Net present value against the discount rate; it crosses zero at the internal rate of return."""
    ax = given_or_new(ax, height=2.8)
    flows = found.table["net"].to_numpy()
    internal = found.kpis["irr"].value
    top = max(0.15, rate * 1.5, internal * 1.25 if np.isfinite(internal) else 0.0)
    rates: FloatArray = np.linspace(0.0, min(top, 0.6), 121)
    worth = [finance.net_present_value(float(entry), flows) / 1e6 for entry in rates]
    ax.plot(rates * 100, worth, color=BLUE)
    ax.axhline(0.0, color=INK, linewidth=0.8)
    npv = found.kpis["npv"].value / 1e6
    ax.plot([rate * 100], [npv], "o", color=BLUE)
    ax.annotate(f"NPV {npv:,.2f} at {rate:.1%}", (rate * 100, npv), xytext=(8, 4), textcoords="offset points")
    if np.isfinite(internal) and internal <= rates[-1]:
        ax.plot([internal * 100], [0.0], "s", color=VERMILION)
        ax.annotate(f"IRR {internal:.1%}", (internal * 100, 0.0), xytext=(6, 6), textcoords="offset points")
    ax.set_xlabel("discount rate, %")
    ax.set_ylabel(f"NPV, million {currency}")
    thousands(ax)
    return ax


def tornado(rows: Sequence[tuple[str, float, float]], centre: float, currency: str, ax: Axes | None = None) -> Axes:
    """NPV when one assumption is worse or better, rows (words, NPV worse, NPV better), widest on top."""
    ax = given_or_new(ax, height=0.6 + 0.38 * len(rows))
    ordered = sorted(rows, key=lambda row: abs(row[2] - row[1]))
    for position, (_, worse, better) in enumerate(ordered):
        for value, colour in ((worse, VERMILION), (better, BLUE)):
            ax.barh(position, (value - centre) / 1e6, left=centre / 1e6, color=colour, height=0.62)
            ax.annotate(
                f"{value / 1e6:,.1f}",
                (value / 1e6, position),
                xytext=(3 if value >= centre else -3, 0),
                textcoords="offset points",
                ha="left" if value >= centre else "right",
                va="center",
                fontsize=8,
            )
    ax.set_yticks(range(len(ordered)), [row[0] for row in ordered])
    ax.axvline(centre / 1e6, color=INK, linewidth=0.8)
    ax.axvline(0.0, color=INK, linewidth=0.8, linestyle=":")
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"NPV, million {currency}")
    thousands(ax, "x")
    return ax

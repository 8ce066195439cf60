"""Figures of studies: cost against size, maps of two sizes, Pareto fronts, tornados, and runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.dispatch import Dispatch
from vpp_sim.report.figures.parts import marginal_price
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
    new_figure,
    thousands,
)
from vpp_sim.report.figures.weeks import legend_above, sample_spans, supply_and_use
from vpp_sim.report.figures.year import HOURS, month_by_hour
from vpp_sim.report.formats import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vpp_sim.studies.pareto import Front
    from vpp_sim.studies.sizing import Curve

#: Sizes drawn along a front.
_SIZE_COLOURS: Final = (ORANGE, PURPLE, GREEN, SKY, GREY)
#: Contour lines of the cost of a map: percent above its least.
_LEVELS: Final = (0.1, 0.5, 1, 2, 5, 10, 20, 50)


def words_of(path: str) -> str:
    """A capacity as an axis is called.

    >>> words_of("battery.energy_kwh"), words_of("data_centre.racks")
    ('battery energy, kWh', 'data centre racks')
    """
    name, _, field = path.partition(".")
    name = "PV" if name == "pv" else name
    for unit in ("kwh", "kw"):
        if field.endswith(f"_{unit}"):
            word = field.removesuffix(f"_{unit}").replace("_", " ")
            return f"{name.replace('_', ' ')} {word}, {'kWh' if unit == 'kwh' else 'kW'}"
    return f"{name} {field}".replace("_", " ")


def size_curve(curve: Curve, currency: str) -> Figure:
    """Cost against one size with the optimum marked; below it shares, the peak and cycles."""
    path = curve.axes[0].path
    table = curve.table[curve.table["feasible"]]
    x = table[path].to_numpy()
    figure = new_figure(7.2)
    cost, share, peak = figure.subplots(3, 1, sharex=True, height_ratios=[2.4, 1.2, 1.2])
    _cost_lines(cost, x, table, currency)
    best, least = curve.optimum[path], curve.optimum["total_cost"]
    for ax in (cost, share, peak):
        ax.axvline(best, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    net = float(table["net_saving"].iloc[0] + table["total_cost"].iloc[0]) - least
    cost.plot([best], [net], marker="o", color=VERMILION, zorder=5)
    right = best > 0.6 * x[-1]
    cost.annotate(
        f"least cost at {number(best)}",
        (best, net),
        xytext=(-8 if right else 8, -14),
        textcoords="offset points",
        ha="right" if right else "left",
    )
    share.plot(x, 100 * table["onsite_renewable_share"], color=GREEN, label="on-site renewable share")
    share.plot(x, 100 * table["own_use_of_available_cn650"], color=ORANGE, label="own use of what was available")
    share.set_ylabel("%")
    legend_above(share)
    peak.plot(x, table["peak_import_kw"], color=BLUE, label="peak import, kW (left)")
    peak.set_ylabel("kW")
    peak.set_ylim(0, 1.08 * max(float(table["peak_import_kw"].max()), 1e-9))
    thousands(peak)
    handles = list(peak.get_lines()[1:])
    if "equivalent_full_cycles" in table:
        cycles = peak.twinx()
        handles += cycles.plot(x, table["equivalent_full_cycles"], color=PURPLE, label="full cycles (right)")
        cycles.set_ylim(0, None)
        cycles.grid(visible=False)
        cycles.spines["right"].set_visible(True)
    legend_above(peak, handles)
    peak.set_xlabel(words_of(path))
    peak.set_xlim(x[0], x[-1])
    thousands(peak, "x")
    return figure


def _cost_lines(ax: Axes, x: FloatArray, table: pd.DataFrame, currency: str) -> None:
    saved = table["saving"].to_numpy()
    paid = table["investment_cost"].to_numpy()
    ax.plot(x, saved, color=GREEN, linewidth=1.0, label="saving of operation")
    ax.plot(x, paid - paid[0], color=ORANGE, linewidth=1.0, label="more annuity")
    ax.plot(x, table["net_saving"], color=BLUE, linewidth=2.0, label="net saving")
    ax.axhline(0.0, color=INK, linewidth=0.8)
    ax.set_ylabel(f"{currency} over the horizon,\nagainst the smallest size")
    thousands(ax)
    ax.legend(loc="upper left", ncols=4, bbox_to_anchor=(0.0, 1.12))


def size_map(curve: Curve, currency: str) -> Figure:
    """Two sizes: what the cost is above its least, as contour lines in percent, and the on-site share beside it."""
    first, second = curve.axes
    table = curve.table
    shape = (first.count, second.count)
    x, y = np.array(first.sizes), np.array(second.sizes)
    least = curve.optimum["total_cost"]

    def field(name: str) -> FloatArray:
        return np.asarray(table[name].to_numpy(dtype=np.float64).reshape(shape).T)

    above = np.maximum(100.0 * (field("total_cost") - least) / abs(least), 0.0)
    shares = 100.0 * field("onsite_renewable_share")
    figure = new_figure(4.6)
    cost, share = figure.subplots(1, 2, sharex=True, sharey=True)
    top = max(float(np.nanmax(above)), 2 * _LEVELS[0])
    # a band of colour between two lines each: near the least, where the choice is made, as many as far from it
    _filled(cost, x, y, above, [0.0, *(level for level in _LEVELS if level < top), top], "YlGnBu")
    cost.set_title(f"Cost above its least, {number(least)} {currency}")
    low, high = float(np.nanmin(shares)), float(np.nanmax(shares))
    every = 10 if high - low > 25 else 5 if high - low > 10 else 1
    inner = [level for level in range(0, 101, every) if low < level < high]
    _filled(share, x, y, shares, [low, *inner, high + 1e-9], "YlGn")
    share.set_title("On-site renewable share")
    best_x, best_y = curve.optimum[first.path], curve.optimum[second.path]
    for ax in (cost, share):
        ax.plot(*(axis.ravel() for axis in np.meshgrid(x, y)), ".", color=INK, markersize=2.5, alpha=0.5)
        star = ax.plot([best_x], [best_y], "*", markersize=13, color=VERMILION, clip_on=False, zorder=6)[0]
        star.set_markeredgecolor("white")
        ax.set_xlabel(words_of(first.path))
        thousands(ax, "x")
        ax.grid(visible=False)
    cost.set_ylabel(words_of(second.path))
    thousands(cost)
    where = f"{_amount_of(first.path, best_x)}, {_amount_of(second.path, best_y)}"
    figure.legend([star], [f"least cost: {where} (dots: what was computed)"], loc="outside lower center")
    return figure


def _amount_of(path: str, size: float) -> str:
    words, _, unit = words_of(path).partition(", ")
    return f"{words} {number(size)} {unit}".rstrip()


def _filled(ax: Axes, x: FloatArray, y: FloatArray, values: FloatArray, levels: Sequence[float], colours: str) -> None:
    """Bands between levels in percent, with lines and labels that can be read on dark and on light."""
    import matplotlib
    from matplotlib.colors import BoundaryNorm
    from matplotlib.patheffects import withStroke

    colour_map = matplotlib.colormaps[colours]
    ax.contourf(x, y, values, levels=levels, cmap=colour_map, norm=BoundaryNorm(levels, colour_map.N))
    if len(levels) > 2:
        lines = ax.contour(x, y, values, levels=levels[1:-1], colors=INK, linewidths=0.8)
        for text in ax.clabel(lines, fmt="%g %%", fontsize=8):
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


#: Measures of a front as axes say them: words, unit, and what one of that unit is inside.
_MEASURE_WORDS: Final[Mapping[str, tuple[str, str, float]]] = {
    "emissions_location": ("emissions, location-based", "t", 1e3),
    "emissions_market": ("emissions, market-based", "t", 1e3),
    "emissions_park": ("emissions by the park rule", "t", 1e3),
    "import": ("import", "MWh", 1e3),
    "peak_import": ("peak import", "kW", 1.0),
    "onsite_renewable_share": ("on-site renewable share", "%", 0.01),
    "hourly_matching": ("hourly matching", "%", 0.01),
}


def pareto_front(front: Front, currency: str) -> Figure:
    """The front with its knee, and the sizes along it where there are free ones."""
    words, unit, factor = _MEASURE_WORDS[front.measure]
    table = front.table
    x, cost = table["measure"].to_numpy() / factor, table["total_cost"].to_numpy()
    sizes = list(front.sizes)
    figure = new_figure(5.6 if sizes else 3.6)
    axes = figure.subplots(
        2 if sizes else 1, 1, sharex=True, squeeze=False, height_ratios=[2, 1.2][: 2 if sizes else 1]
    )
    top: Axes = axes[0][0]
    top.plot(x, cost, color=BLUE, marker="o", markersize=4)
    top.plot([x[front.knee]], [cost[front.knee]], marker="o", markersize=10, color=VERMILION, zorder=5)
    top.annotate(
        f"knee: {number(x[front.knee])} {unit}, {number(cost[front.knee])} {currency}",
        (x[front.knee], cost[front.knee]),
        xytext=(10, 10),
        textcoords="offset points",
    )
    top.set_ylabel(f"cost over the horizon, {currency}")
    thousands(top)
    for path, colour in zip(sizes, _SIZE_COLOURS, strict=False):
        axes[1][0].plot(x, table[path], color=colour, marker="o", markersize=3, label=words_of(path))
    bottom: Axes = axes[-1][0]
    if sizes:
        bottom.set_ylabel("size")
        bottom.set_ylim(0, None)
        thousands(bottom)
        legend_above(bottom)
    bottom.set_xlabel(f"{words}, {unit}")
    thousands(bottom, "x")
    return figure


def tornado(table: pd.DataFrame, base: float, unit: str, ax: Axes | None = None) -> Axes:
    """One bar a parameter: the figure of merit at its low and its high value; the longest bar on top."""
    ordered = table.iloc[np.argsort((table["at_high"] - table["at_low"]).abs().to_numpy())]
    ax = given_or_new(ax, height=1.0 + 0.45 * len(ordered))
    for row, (_, line) in enumerate(ordered.iterrows()):
        for side, colour in (("low", SKY), ("high", ORANGE)):
            value = float(line[f"at_{side}"])
            ax.barh(row, value - base, left=base, color=colour, height=0.6, label="" if row else f"{side} value")
            # where nothing changes, one label on each side
            outwards = value > base or (side == "high" and value >= base)
            ax.annotate(
                number(float(line[side])),
                (value, row),
                xytext=(4 if outwards else -4, 0),
                textcoords="offset points",
                ha="left" if outwards else "right",
                va="center",
                fontsize=8,
            )
    ax.axvline(base, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(ordered)), [str(path) for path in ordered["path"]])
    ax.set_xlabel(unit)
    ax.margins(x=0.15)
    ax.grid(visible=False, axis="y")
    legend_above(ax)
    thousands(ax, "x")
    return ax


def bus_price_by_month(result: Dispatch, ax: Axes | None = None) -> Axes:
    """What one more kWh of use costs by hour of the day, one line a month; empty where the solver gave no duals."""
    import matplotlib

    ax = given_or_new(ax)
    price = marginal_price(result)
    grid = result.grid
    if price is None:
        return ax
    table = month_by_hour(price, grid)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, max(grid.num_months, 2)))
    hours = np.arange(HOURS + 1)
    for month, label in enumerate(grid.month_labels):
        line = np.append(table[:, month], table[-1, month])
        ax.step(hours, line, where="post", color=colours[month], label=label, linewidth=1.2)
    finite = table[np.isfinite(table)]
    # hours that set a month's peak stand far above all others
    ax.set_ylim(min(0.0, 1.1 * float(finite.min())), 1.2 * float(np.quantile(finite, 0.97)))
    ax.set_xlim(0, HOURS)
    ax.set_xticks(range(0, HOURS + 1, 3))
    ax.set_xlabel("hour of the day")
    ax.set_ylabel(f"mean marginal price of the bus,\n{result.scenario.currency}/kWh")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), ncols=1)
    return ax


def same_week(results: Sequence[tuple[str, Dispatch]]) -> Figure:
    """Dispatch of several runs over the same span of the first one, on one scale."""
    span = sample_spans(results[0][1])[-1]
    figure = new_figure(0.4 + 2.6 * len(results))
    axes: Any = figure.subplots(len(results), 1, sharex=True, sharey=True, squeeze=False)
    for (name, result), ax in zip(results, axes[:, 0], strict=True):
        supply_and_use(result, span, ax)
        ax.set_title(name, pad=18)
    figure.suptitle(span.title, fontsize=10, x=0.01, ha="left")
    return figure

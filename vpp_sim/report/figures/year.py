"""The horizon as a whole: day x hour maps, sorted import, the load by origin, prices by hour, moved demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from vpp_sim.components.base import FloatArray
from vpp_sim.kpi import Ledger, Simulation
from vpp_sim.report.figures.parts import Part
from vpp_sim.report.figures.style import (
    BLUE,
    CONTROLLED,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SKY,
    UNCONTROLLED,
    dates,
    figure_of,
    given_or_new,
    lighter,
    thousands,
)
from vpp_sim.report.figures.weeks import legend_above
from vpp_sim.report.formats import larger_unit
from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOURS: Final = 24
#: Points that a sorted curve is drawn with.
CURVE_POINTS: Final = 400

ORIGIN_COLOURS: Final = {
    "renewable direct": ORANGE,
    "renewable through storage": GREEN,
    "grid through storage": SKY,
    "grid direct": GREY,
    "other supply": "#4D4D4D",
}


def day_by_hour(values: FloatArray, grid: TimeGrid) -> FloatArray:
    """Means by local hour and day, (24, num_days); NaN where a day has no such hour."""
    return _mean_by(values, grid.day, grid.num_days, grid)


def month_by_hour(values: FloatArray, grid: TimeGrid) -> FloatArray:
    """Means by local hour and billing month, (24, num_months)."""
    return _mean_by(values, grid.month, grid.num_months, grid)


def hour_profile(values: FloatArray, grid: TimeGrid) -> FloatArray:
    """Means by local hour of the day, (24,); NaN where the horizon has no such hour."""
    return _mean_by(values, np.zeros(grid.num_steps, dtype=np.int64), 1, grid)[:, 0]


def _mean_by(values: FloatArray, column: NDArray[np.int64], num_columns: int, grid: TimeGrid) -> FloatArray:
    cell = np.floor(grid.hour_of_day).astype(np.int64) * num_columns + column
    sums = np.bincount(cell, weights=values, minlength=HOURS * num_columns)
    counts = np.bincount(cell, minlength=HOURS * num_columns)
    means = np.divide(sums, counts, out=np.full(sums.size, np.nan), where=counts > 0)
    return np.asarray(means.reshape(HOURS, num_columns), dtype=np.float64)


def heat_map(
    values: FloatArray, grid: TimeGrid, label: str, ax: Axes | None = None, *, limits: tuple[float, float] | None = None
) -> Axes:
    """A series as colours: days across, hours of the day upwards."""
    from matplotlib.dates import date2num

    ax = given_or_new(ax, height=2.5)
    table = day_by_hour(values, grid)
    first = date2num(grid.local[0].normalize())
    low, high = limits if limits is not None else (float(np.nanmin(table)), float(np.nanmax(table)))
    image = ax.imshow(
        table,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="cividis",
        vmin=low,
        vmax=high,
        extent=(first, first + grid.num_days, 0, HOURS),
    )
    ax.xaxis_date()
    dates(ax)
    ax.set_yticks(range(0, HOURS + 1, 6))
    ax.set_ylabel("hour of the day")
    ax.grid(visible=False)
    bar = figure_of(ax).colorbar(image, ax=ax, pad=0.01, aspect=18, fraction=0.06)
    bar.set_label(label)
    bar.outline.set_visible(False)
    thousands(bar.ax)
    return ax


def state_of_charge(part: Part, grid: TimeGrid, ax: Axes | None = None) -> Axes:
    """The state of charge of one store over the horizon."""
    store = part.store
    if store is None or not store.capacity_kwh:
        raise ValueError(f"{part.name} has no state of charge")
    return heat_map(100.0 * store.stored_kwh / store.capacity_kwh, grid, "state of charge, %", ax, limits=(0, 100))


def duration_curves(simulation: Simulation, ax: Axes | None = None) -> Axes:
    """Import sorted from the largest step down, with control and without, over the share of the horizon."""
    from matplotlib.ticker import MaxNLocator

    ax = given_or_new(ax, height=3.2)
    summary = simulation.summary
    series: list[tuple[str, FloatArray, str, Any]] = [("with control", summary.ledger.import_kw, CONTROLLED, "-")]
    if summary.baseline is not None:
        series.insert(0, ("without control", summary.baseline.ledger.import_kw, UNCONTROLLED, (0, (4, 1.5))))
    peaks = [float(power.max()) for _, power, *_ in series]
    for label, power, colour, style in series:
        falling = np.sort(power)[::-1]
        # more points at the top, where the curve is steep and the peak is paid for
        at = np.unique(np.round((falling.size - 1) * np.linspace(0.0, 1.0, CURVE_POINTS) ** 2).astype(np.int64))
        hours = (at + 0.5) * simulation.optimal.grid.step_hours
        ax.plot(hours, falling[at], color=colour, linestyle=style, label=f"{label}, peak {falling[0]:,.0f} kW")
    ax.set_xlim(0, simulation.optimal.grid.horizon_hours)
    ax.set_ylim(0, 1.05 * max(*peaks, 1e-9) if len(peaks) > 1 else 1.05 * max(peaks[0], 1e-9))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=9 if ax.get_position().width > 0.5 else 5))
    ax.set_xlabel("hours in which the import is at least this high")
    ax.set_ylabel("import, kW")
    thousands(ax)
    thousands(ax, "x")
    legend_above(ax)
    return ax


def monthly_origins(ledger: Ledger, ax: Axes | None = None) -> Axes:
    """The load of every month by origin; above it, outlined, renewable energy that was exported or curtailed."""
    ax = given_or_new(ax, height=3.2)
    grid = ledger.grid

    def by_month(power_kw: FloatArray) -> FloatArray:
        sums = np.bincount(grid.month, weights=power_kw, minlength=grid.num_months) * grid.step_hours
        return np.asarray(sums, dtype=np.float64)

    origins = {name: by_month(power) for name, power in ledger.load_origins().items()}
    ordered = [name for name in ORIGIN_COLOURS if origins[name].sum() > 1e-6 * max(ledger.kwh(ledger.load_kw), 1e-9)]
    unused = {
        "exported": (by_month(ledger.renewable_to("export")), "///"),
        "curtailed": (by_month(ledger.renewable_available_kw - ledger.renewable_kw), "..."),
    }
    total = np.sum([origins[name] for name in ordered], axis=0) if ordered else np.zeros(grid.num_months)
    unit, factor = larger_unit("kWh", float(total.max()))
    base, x = np.zeros(grid.num_months), np.arange(grid.num_months)
    for name in ordered:
        ax.bar(x, origins[name] / factor, bottom=base, width=0.7, color=ORIGIN_COLOURS[name], label=name)
        base = base + origins[name] / factor
    for name, (energy, hatch) in unused.items():
        if energy.sum() > 1e-6 * max(ledger.kwh(ledger.load_kw), 1e-9):
            style: dict[str, Any] = {"facecolor": "white", "edgecolor": GREY, "linewidth": 0.6, "hatch": hatch}
            ax.bar(x, energy / factor, bottom=base, width=0.7, label=f"renewable, {name}", **style)
            base = base + energy / factor
    month_ticks(ax, grid)
    ax.set_ylabel(f"{unit} per month")
    thousands(ax)
    legend_above(ax)
    return ax


def month_ticks(ax: Axes, grid: TimeGrid, most: int = 18) -> None:
    """Names of the billing months below bars at 0, 1, 2, ...; only some of them where there are many."""
    every = max(1, -(-grid.num_months // most))
    positions = list(range(0, grid.num_months, every))
    ax.set_xticks(positions, [_month_name(grid.month_labels[position]) for position in positions])
    if grid.num_months < 4:
        ax.set_xlim(grid.num_months / 2 - 2.5, grid.num_months / 2 + 1.5)
    ax.grid(visible=False, axis="x")


def _month_name(label: str) -> str:
    """`Jan 25` of `2025-01`."""
    import datetime as dt

    return f"{dt.date.fromisoformat(f'{label}-01'):%b %y}"


def prices_by_month_and_hour(
    prices: FloatArray, grid: TimeGrid, label: str, ax: Axes | None = None, *, highest: float | None = None
) -> Axes:
    """Mean price by month and hour of the day, as colours; means above `highest` have the colour of it."""
    ax = given_or_new(ax, height=2.8)
    table = month_by_hour(prices, grid)
    largest = float(np.nanmax(table))
    beyond = highest is not None and largest > highest
    image = ax.imshow(
        table,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="cividis",
        vmax=highest if beyond else largest,
        extent=(-0.5, grid.num_months - 0.5, 0, HOURS),
    )
    month_ticks(ax, grid, most=6)
    ax.set_xlim(-0.5, grid.num_months - 0.5)
    ax.set_yticks(range(0, HOURS + 1, 6))
    ax.set_ylabel("hour of the day")
    ax.grid(visible=False)
    bar = figure_of(ax).colorbar(image, ax=ax, pad=0.02, aspect=16, extend="max" if beyond else "neither")
    bar.set_label(label)
    bar.outline.set_visible(False)
    return ax


def moved_by_hour(
    grid: TimeGrid,
    came_kw: FloatArray,
    met_kw: FloatArray,
    ax: Axes | None = None,
    *,
    title: str = "",
    legend: bool = True,
) -> Axes:
    """Demand that may wait, mean by hour of the day: as it came, and as it was met."""
    ax = given_or_new(ax, height=2.4)
    hours = np.arange(HOURS + 1)

    def edges(values: FloatArray) -> FloatArray:
        means = np.nan_to_num(hour_profile(values, grid))
        return np.append(means, means[-1])

    came, met = edges(came_kw), edges(met_kw)
    ax.fill_between(hours, 0.0, came, step="post", color=lighter(GREY, 0.4), linewidth=0, label="as it came")
    ax.step(hours, met, where="post", color=BLUE, label="as it was met")
    ax.set_xlim(0, HOURS)
    ax.set_ylim(min(0.0, float(met.min())) * 1.05, 1.08 * max(float(came.max()), float(met.max()), 1e-9))
    ax.set_xticks(range(0, HOURS + 1, 3))
    ax.set_xlabel("hour of the day")
    ax.set_ylabel(f"{title}\nmean kW" if title else "mean kW", color=INK)
    thousands(ax)
    if legend:
        legend_above(ax)
    return ax

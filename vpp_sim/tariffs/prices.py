"""Prices and periods of a tariff for every step of an axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vpp_sim.tariffs.model import DAY_CLASSES, MINUTES_PER_DAY, SLOT_MINUTES, Tariff
from vpp_sim.time_grid import TimeGrid

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def import_price_per_kwh(tariff: Tariff, grid: TimeGrid, series: FloatArray | None = None) -> FloatArray:
    """Price of an imported kWh, without demand charge and tiers, (num_steps,) [currency/kWh].

    A demand basis that takes transmission off the energy price (`nearby_consumption`) has done so here. A step that
    crosses a period's boundary has the mean price of its minutes. `series` is the purchase price per step
    where the tariff refers to a file (`tariff.import_series`).

    Raises:
        ValueError: the tariff refers to a series and none of the right length was given.
    """
    purchase = _price(tariff.energy.purchase_price_per_kwh, series, tariff.import_series is not None, grid)
    periods = tariff.energy.periods
    fixed = np.array([period.price_per_kwh or 0.0 for period in periods])
    ratio = np.array(
        [
            0.0 if period.price_per_kwh is not None else 1.0 if period.ratio is None else period.ratio
            for period in periods
        ]
    )
    period = _period_of_slot(tariff, grid)
    adders = float(sum(tariff.energy.adders_per_kwh.values())) - tariff.exempt_per_kwh
    return np.asarray(_mean(fixed, period) + _mean(ratio, period) * purchase + adders, dtype=np.float64)


def export_price_per_kwh(tariff: Tariff, grid: TimeGrid, series: FloatArray | None = None) -> FloatArray:
    """What is paid for an exported kWh, (num_steps,) [currency/kWh]; arguments as for `import_price_per_kwh`."""
    general = _price(tariff.export.price_per_kwh, series, tariff.export_series is not None, grid)
    periods = tariff.energy.periods
    own = np.array([period.export_price_per_kwh or 0.0 for period in periods])
    uses_general = np.array([float(period.export_price_per_kwh is None) for period in periods])
    period = _period_of_slot(tariff, grid)
    return np.asarray(_mean(own, period) + _mean(uses_general, period) * general, dtype=np.float64)


def period_of_step(tariff: Tariff, grid: TimeGrid) -> tuple[tuple[str, ...], IntArray]:
    """Labels of the tariff's periods, and for each step the position of the period in which it begins, (num_steps,).

    Periods of the same name, in other months or on other days, are one label.
    """
    names = [period.label for period in tariff.energy.periods]
    labels = tuple(dict.fromkeys(names))
    position = np.array([labels.index(name) for name in names], dtype=np.int64)
    return labels, position[_period_of_slot(tariff, grid)[:, 0]]


def _mean(of_period: FloatArray, period: IntArray) -> FloatArray:
    """Mean over a step's slots of a number that each period has; exactly that number where the slots agree."""
    values = of_period[period]
    same = (period == period[:, :1]).all(axis=1)
    return np.asarray(np.where(same, values[:, 0], values.mean(axis=1)), dtype=np.float64)


def _price(price: object, series: FloatArray | None, is_series: bool, grid: TimeGrid) -> FloatArray | float:
    if not is_series:
        return float(price) if isinstance(price, int | float) else 0.0
    if series is None or np.shape(series) != (grid.num_steps,):
        got = "none" if series is None else f"shape {np.shape(series)}"
        raise ValueError(f"the tariff's price is a series: pass it with shape ({grid.num_steps},), got {got}")
    return np.asarray(series, dtype=np.float64)


def _period_of_slot(tariff: Tariff, grid: TimeGrid) -> IntArray:
    """Position of the period in each 5-minute slot of each step, (num_steps, slots per step)."""
    table = np.full((12, len(DAY_CLASSES), MINUTES_PER_DAY // SLOT_MINUTES), -1, dtype=np.int64)
    for position, period in enumerate(tariff.energy.periods):
        months = np.array(period.months) - 1
        classes = np.array([DAY_CLASSES.index(day_class) for day_class in period.day_classes])
        for begin, end in period.spans:
            table[np.ix_(months, classes, np.arange(begin // SLOT_MINUTES, end // SLOT_MINUTES))] = position
    first = np.asarray(np.round(grid.hour_of_day * 60), dtype=np.int64) // SLOT_MINUTES
    slots = first[:, None] + np.arange(grid.step_minutes // SLOT_MINUTES)
    # A step that begins before midnight ends by midnight at the latest when it starts on its own multiple.
    slots = np.minimum(slots, table.shape[2] - 1)
    found = table[grid.month_of_year[:, None] - 1, _day_class(tariff, grid)[:, None], slots]
    return np.asarray(found, dtype=np.int64)


def _day_class(tariff: Tariff, grid: TimeGrid) -> IntArray:
    """Position in DAY_CLASSES of every step's day, (num_steps,)."""
    kind = np.clip(grid.weekday - 4, 0, 2)
    if tariff.holidays is not None:
        years = range(int(grid.local[0].year), int(grid.local[-1].year) + 1)
        dates = np.array(sorted(tariff.holidays.dates(years)), dtype="datetime64[D]")
        days = grid.local.to_numpy().astype("datetime64[D]")
        kind = np.where(np.isin(days, dates), DAY_CLASSES.index("holidays"), kind)
    return np.asarray(kind, dtype=np.int64)

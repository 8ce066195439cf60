"""The bill of a meter: from import and export per step alone, month by month and line by line.

Nothing here is shared with the linear program or with `prices.py`: hours are sorted into periods again, from the
calendar of the time stamps. Whoever optimises against the tariff must arrive at the same amounts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.tariffs.model import (
    AnyDemand,
    ContractedDemand,
    MaxDemand,
    NearbyConsumption,
    Period,
    Tariff,
    TransformerCapacity,
)
from vpp_sim.time_grid import TimeGrid

FloatArray = NDArray[np.float64]

COLUMNS = ("month", "line", "kind", "quantity", "unit", "price", "amount")
QUARTER_HOUR_MINUTES = 15


@dataclass(frozen=True, eq=False)
class Bill:
    """A bill: `lines` with the columns month, line, kind, quantity, unit, price, amount, and its totals.

    `kind` is energy, export, demand or fixed; an amount is what is paid, so export lines are negative. The price of an
    energy line is its amount per kWh; where prices change within the period it is the mean paid. `demand` tells for
    every billing month what was measured and what was billed [kW].
    """

    lines: pd.DataFrame
    demand: pd.DataFrame = field(repr=False)

    @cached_property
    def _amounts(self) -> dict[str, float]:
        return {str(kind): float(amount) for kind, amount in self.lines.groupby("kind")["amount"].sum().items()}

    def _amount(self, kind: str) -> float:
        return self._amounts.get(kind, 0.0)

    @property
    def energy_cost(self) -> float:
        """Paid for imported energy, tiers included [currency]."""
        return self._amount("energy")

    @property
    def demand_cost(self) -> float:
        """Paid for power [currency]."""
        return self._amount("demand")

    @property
    def fixed_cost(self) -> float:
        """Paid whatever happens [currency]."""
        return self._amount("fixed")

    @property
    def export_revenue(self) -> float:
        """Received for exported energy [currency]."""
        return -self._amount("export")

    @property
    def total(self) -> float:
        """What is paid in all, less what is received [currency]."""
        return self.energy_cost + self.demand_cost + self.fixed_cost - self.export_revenue


def bill(
    tariff: Tariff,
    grid: TimeGrid,
    import_kw: FloatArray,
    export_kw: FloatArray,
    *,
    import_series: FloatArray | None = None,
    export_series: FloatArray | None = None,
) -> Bill:
    """The whole bill of a horizon from the meter, both series (num_steps,) in kW and >= 0.

    A billing month that the horizon touches only partly is billed pro rata: demand and fixed charges, and the
    thresholds of tiers, times the share of its hours on the axis (`grid.month_shares`). Its measured demand is
    the highest of the hours seen.

    * energy: kWh of each period x its price; a step across a period's boundary is split by its minutes.
    * tiers: kWh of the month in each block x the block's adder.
    * max_demand: the highest mean of a clock quarter-hour (5-minute steps), else of a step; billed is the largest of
      that, `min_kw`, `min_share` x transformer_kva, and `ratchet.share` x the highest measured of the
      `ratchet.months` months before it.
    * contracted_demand: contracted_kw x price, and what is measured above contracted_kw x (1 + tolerance) x price x
      excess_factor.
    * transformer_kva: transformer_kva x price.
    * nearby_consumption: the charge for power above, and connected_kva x transmission price x average load factor x
      hours_per_month; imported energy without the transmission price.

    Args:
        tariff: prices and rules.
        grid: the time axis of the series.
        import_kw: mean power taken from the grid in each step.
        export_kw: mean power given to the grid in each step.
        import_series: purchase price per step [currency/kWh], where the tariff refers to a file.
        export_series: export price per step, likewise.

    Raises:
        ValueError: a series is absent, of the wrong length, negative or not finite, or the tariff's charge for power
            waits for a number of the site (`Tariff.at_site`).
    """
    imported = _meter("import_kw", import_kw, grid)
    exported = _meter("export_kw", export_kw, grid)
    purchase = _series("import_series", tariff.energy.purchase_price_per_kwh, import_series, grid)
    feed_in = _series("export_series", tariff.export.price_per_kwh, export_series, grid)
    stamps = grid.index.tz_convert(grid.timezone)
    codes, numbers = pd.factorize(np.asarray(stamps.year * 12 + stamps.month - 1))
    names = [f"{number // 12}-{number % 12 + 1:02d}" for number in numbers.tolist()]

    def of_months(values: FloatArray) -> list[float]:
        found: list[float] = np.bincount(codes, weights=values, minlength=len(names)).tolist()
        return found

    share = dict(zip(names, grid.month_shares.tolist(), strict=True))
    rows: list[tuple[Any, ...]] = []
    hours = grid.step_minutes / 60
    if tariff.demand.lacks:
        raise ValueError(f"demand.{tariff.demand.lacks}: the tariff leaves it to the site; give it with at_site()")
    adders = sum(tariff.energy.adders_per_kwh.values())
    if isinstance(tariff.demand, NearbyConsumption):
        adders -= tariff.demand.transmission_price_per_kwh
    import_kwh, export_kwh = imported * hours, exported * hours
    exports: dict[str, list[tuple[str, float, float]]] = {name: [] for name in names}
    for period in tariff.energy.periods:
        inside = _share_of_step(period, tariff, stamps, grid.step_minutes)
        base = purchase * (1.0 if period.ratio is None else period.ratio)
        price = np.full(grid.num_steps, period.price_per_kwh) if period.price_per_kwh is not None else base
        paid = feed_in if period.export_price_per_kwh is None else np.full(grid.num_steps, period.export_price_per_kwh)
        covered, listed = of_months(inside), of_months((price + adders) * inside)
        taken, cost = of_months(import_kwh * inside), of_months(import_kwh * inside * (price + adders))
        given, credit = of_months(export_kwh * inside), of_months(export_kwh * inside * paid)
        for number, month in enumerate(names):
            if covered[number] > 0:
                mean = cost[number] / taken[number] if taken[number] > 0 else listed[number] / covered[number]
                rows.append((month, period.label, "energy", taken[number], "kWh", mean, cost[number]))
            if given[number] > 0:
                exports[month].append((period.label, given[number], credit[number]))
    month_kwh = dict(zip(names, of_months(import_kwh), strict=True))
    rows += _tier_rows(tariff, month_kwh, share)
    rows += [
        (month, f"export {label}", "export", kwh, "kWh", -paid / kwh, -paid)
        for month, listed in exports.items()
        for label, kwh, paid in listed
    ]
    demand = _demand(tariff.demand, _measured_kw(imported, stamps, grid, codes, names), names)
    rows += _demand_rows(tariff.demand, demand, share)
    rows += [
        (month, label, "fixed", share[month], "month", amount, amount * share[month])
        for month in names
        for label, amount in tariff.fixed_per_month.items()
    ]
    lines = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"quantity": float, "price": float, "amount": float})
    order = {name: position for position, name in enumerate(names)}
    lines = lines.sort_values("month", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)
    return Bill(lines, demand)


def _meter(name: str, values: FloatArray, grid: TimeGrid) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (grid.num_steps,):
        raise ValueError(f"{name}: expected shape ({grid.num_steps},), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: must be finite")
    if array.min() < -1e-6 * max(1.0, float(np.abs(array).max())):
        raise ValueError(f"{name}: must be at least 0 kW, got {array.min():g}")
    return np.maximum(array, 0.0)


def _series(name: str, price: object, series: FloatArray | None, grid: TimeGrid) -> FloatArray:
    if price is None or isinstance(price, int | float):
        return np.full(grid.num_steps, float(price or 0.0))
    array = np.asarray(np.nan if series is None else series, dtype=np.float64)
    if array.shape != (grid.num_steps,) or not np.isfinite(array).all():
        raise ValueError(f"{name}: the tariff's price is a series; pass it with shape ({grid.num_steps},) and no NaN")
    return array


def _share_of_step(period: Period, tariff: Tariff, stamps: pd.DatetimeIndex, step_minutes: int) -> FloatArray:
    """Share of each step's minutes that lie in the period's hours, 0 on other days and months."""
    begin = np.asarray(stamps.hour * 60 + stamps.minute, dtype=np.float64)
    minutes = np.zeros(len(stamps))
    for first, last in period.spans:
        minutes += np.clip(np.minimum(begin + step_minutes, last) - np.maximum(begin, first), 0.0, None)
    applies = np.isin(np.asarray(stamps.month), period.months)
    if period.days != "all":
        weekday = np.asarray(stamps.day_name())
        rest = np.zeros(len(stamps), dtype=np.bool_)
        if tariff.holidays is not None:
            years = range(int(stamps.year.min()), int(stamps.year.max()) + 1)
            rest = np.isin(np.asarray(stamps.date), np.array(sorted(tariff.holidays.dates(years))))
        is_class = {
            "saturdays": (weekday == "Saturday") & ~rest,
            "sundays": (weekday == "Sunday") & ~rest,
            "holidays": rest,
        }
        is_class["workdays"] = ~(is_class["saturdays"] | is_class["sundays"] | rest)
        applies &= np.any([is_class[day_class] for day_class in period.days], axis=0)
    return np.asarray(np.where(applies, minutes / step_minutes, 0.0), dtype=np.float64)


def _tier_rows(tariff: Tariff, month_kwh: dict[str, float], share: dict[str, float]) -> list[tuple[Any, ...]]:
    """Lines of the block adders: the part of a month's energy between a threshold and the next."""
    rows: list[tuple[Any, ...]] = []
    ends = [*(tier.above_kwh for tier in tariff.tiers), np.inf][1:]
    for name, kwh in month_kwh.items():
        for tier, end in zip(tariff.tiers, ends, strict=True):
            inside = min(kwh, end * share[name]) - min(kwh, tier.above_kwh * share[name])
            label = f"tier above {tier.above_kwh * share[name]:g} kWh"
            rows.append((name, label, "energy", inside, "kWh", tier.adder_per_kwh, inside * tier.adder_per_kwh))
    return rows


def _measured_kw(
    imported: FloatArray, stamps: pd.DatetimeIndex, grid: TimeGrid, codes: NDArray[np.intp], names: list[str]
) -> dict[str, float]:
    """Highest mean of each month, over clock quarter-hours where steps divide them, else over steps."""
    if grid.step_minutes < QUARTER_HOUR_MINUTES and QUARTER_HOUR_MINUTES % grid.step_minutes == 0:
        windows = stamps.tz_convert("UTC").floor(f"{QUARTER_HOUR_MINUTES}min")
        frame = pd.DataFrame({"month": codes, "window": windows, "kw": imported})
        means = frame.groupby(["month", "window"], sort=False)["kw"].mean().reset_index()
        codes, imported = means["month"].to_numpy(), means["kw"].to_numpy()
    highest = np.full(len(names), -np.inf)
    np.maximum.at(highest, codes, imported)
    return dict(zip(names, highest.tolist(), strict=True))


def _demand(rule: AnyDemand, measured: dict[str, float], names: list[str]) -> pd.DataFrame:
    """What was measured and what is billed in every month [kW, or kVA of transformers]."""
    if isinstance(rule, NearbyConsumption):
        return _demand(rule.basic, measured, names).assign(basis=rule.basis)
    peaks = [measured[name] for name in names]
    billed = [0.0] * len(peaks)
    if isinstance(rule, MaxDemand):
        for position in range(len(peaks)):
            floor = max(rule.min_kw, rule.min_share * (rule.transformer_kva or 0.0))
            if rule.ratchet is not None:
                earlier = peaks[max(0, position - rule.ratchet.months) : position]
                floor = max([floor, *(rule.ratchet.share * peak for peak in earlier)])
            billed[position] = max(peaks[position], floor)
    elif isinstance(rule, ContractedDemand):
        billed = [float(rule.contracted_kw or 0.0)] * len(peaks)
    elif isinstance(rule, TransformerCapacity):
        billed = [float(rule.transformer_kva or 0.0)] * len(peaks)
    return pd.DataFrame({"month": names, "basis": rule.basis, "measured_kw": peaks, "billed_kw": billed})


def _demand_rows(rule: AnyDemand, demand: pd.DataFrame, share: dict[str, float]) -> list[tuple[Any, ...]]:
    """Demand lines; the price of a partial month is its share of the month's price."""
    rows: list[tuple[Any, ...]] = []
    if isinstance(rule, NearbyConsumption):
        connected = float(rule.connected_kva or 0.0)
        fee = rule.transmission_price_per_kwh * rule.average_load_factor * rule.hours_per_month
        rows = [
            (
                month,
                "nearby consumption fee",
                "demand",
                connected,
                "kVA",
                fee * share[month],
                connected * fee * share[month],
            )
            for month in demand["month"]
        ]
        return _demand_rows(rule.basic, demand, share) + rows
    for month, measured, billed in zip(demand["month"], demand["measured_kw"], demand["billed_kw"], strict=True):
        part = share[month]
        if isinstance(rule, MaxDemand):
            price = rule.price_per_kw_month * part
            rows.append((month, "maximum demand", "demand", billed, "kW", price, billed * price))
        elif isinstance(rule, ContractedDemand):
            price = rule.price_per_kw_month * part
            rows.append((month, "contracted demand", "demand", billed, "kW", price, billed * price))
            excess = max(0.0, measured - billed * (1 + rule.tolerance))
            if excess > 0:
                above = price * rule.excess_factor
                rows.append((month, "demand above contract", "demand", excess, "kW", above, excess * above))
        elif isinstance(rule, TransformerCapacity):
            price = rule.price_per_kva_month * part
            rows.append((month, "transformer capacity", "demand", billed, "kVA", price, billed * price))
    return rows

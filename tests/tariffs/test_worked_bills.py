"""Worked examples: what a bill must say, by hand and by a third reckoning in plain loops, and what the program pays.

`reckoned` below walks the steps one by one with the calendar of the standard library. It shares nothing with `bill` nor
with the rows of the program; all three must agree, line by line and in total.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from vpp_sim.components.base import Block, Bus, Component, Context, FloatArray, FreeSize, Inputs
from vpp_sim.components.battery import Battery
from vpp_sim.components.grid import Grid
from vpp_sim.components.load import Load
from vpp_sim.lp import ProgramBuilder, solve
from vpp_sim.tariffs import Bill, ContractedDemand, Tariff, bill, load_tariff
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site

ZONE = "Asia/Shanghai"
XINING = Site(latitude=36.62, longitude=101.78, altitude_m=2261)
FLAT = {"periods": [{"label": "all", "price_per_kwh": 0.5}]}
MAX = {"basis": "max_demand", "price_per_kw_month": 10.0}
BATTERY = {"power_kw": 50.0, "energy_kwh": 60.0, "charge_efficiency": 0.9, "discharge_efficiency": 0.9}


def axis(start: dt.datetime, days: float, minutes: int = 60) -> TimeGrid:
    return TimeGrid(start, minutes, round(days * 24 * 60 / minutes), ZONE)


def tariff_of(energy: Mapping[str, Any] = FLAT, **more: Any) -> Tariff:
    return load_tariff({"name": "test", "currency": "CNY", "energy": energy, **more})


def optimum(
    grid: TimeGrid,
    tariff: Tariff,
    load_kw: FloatArray,
    battery: Mapping[str, Any] | None = None,
    **connection: Any,
) -> tuple[float, FloatArray, dict[str, float]]:
    """Money in the objective (without the prices that decide ties), imported power, and global variables."""
    context = Context(grid, XINING, tariff, Path(), lambda: cast(Any, None))
    part = Grid(kind="grid", **{"import_limit_kw": 1e5, **connection})
    parts: dict[str, tuple[Component, Inputs]] = {
        "grid": (part, part.inputs(context)),
        "load": (Load(kind="load", profile=0.0), Inputs(series={"power_kw": load_kw})),
    }
    if battery is not None:
        parts["battery"] = (Battery(kind="battery", **battery), Inputs())
    builder = ProgramBuilder(grid.num_steps)
    bus = Bus(builder, grid, 0.0)
    for name, (component, inputs) in parts.items():
        component.add_to(Block(name, bus, context, inputs))
    bus.close()
    program = builder.freeze()
    solution = solve(program, "highs")
    assert solution.primal is not None
    assert solution.is_optimal
    globals_ = {block.name: float(solution.primal[program.columns(block.name)][0]) for block in program.global_blocks}
    found = {block.name: solution.primal[program.columns(block.name)] for block in program.step_blocks}
    return float(solution.objective) - program.ties(solution.primal), found["grid.import_kw"], globals_


def reckoned(tariff: Tariff, grid: TimeGrid, import_kw: FloatArray) -> dict[tuple[str, str], float]:
    """Amounts by month and line, step after step; for tariffs without tiers, export and series."""
    zone = ZoneInfo(grid.timezone)
    moment = grid.start.replace(tzinfo=zone).astimezone(dt.UTC)
    step = dt.timedelta(minutes=grid.step_minutes)
    days_off = set() if tariff.holidays is None else tariff.holidays.dates(range(grid.start.year, grid.start.year + 2))
    amounts: dict[tuple[str, str], float] = defaultdict(float)
    windows: dict[tuple[str, dt.datetime], list[float]] = defaultdict(list)
    hours: dict[str, float] = defaultdict(float)
    rule = tariff.demand
    off = getattr(rule, "transmission_price_per_kwh", 0.0)
    for power in import_kw:
        local = moment.astimezone(zone)
        month = local.strftime("%Y-%m")
        if local.date() in days_off:
            kind = "holidays"
        else:
            kind = ("workdays",) * 5 + ("saturdays", "sundays")
            kind = kind[local.weekday()]
        minute = local.hour * 60 + local.minute
        (period,) = [
            each
            for each in tariff.energy.periods
            if local.month in each.months
            and (each.days == "all" or kind in each.days)
            and any(begin <= minute < end for begin, end in each.spans)
        ]
        price = period.price_per_kwh
        if price is None:
            price = cast(float, tariff.energy.purchase_price_per_kwh) * (1.0 if period.ratio is None else period.ratio)
        price += sum(tariff.energy.adders_per_kwh.values()) - off
        amounts[month, period.label] += power * grid.step_minutes / 60 * price
        width = 15 if grid.step_minutes in (5, 15) else grid.step_minutes
        windows[month, local.replace(minute=local.minute - local.minute % width)].append(power)
        hours[month] += grid.step_minutes / 60
        moment += step
    peaks: dict[str, float] = defaultdict(float)
    for (month, _), powers in windows.items():
        peaks[month] = max(peaks[month], sum(powers) / len(powers))
    shares = {month: hours[month] / _hours_of(month, zone) for month in hours}
    for month, share in shares.items():
        for label, amount in tariff.fixed_per_month.items():
            amounts[month, label] += amount * share
    if rule.basis == "nearby_consumption":
        for month, share in shares.items():
            fee = rule.transmission_price_per_kwh * rule.average_load_factor * 730.0 * cast(float, rule.connected_kva)
            amounts[month, "nearby consumption fee"] += fee * share
        rule = rule.basic
    months = list(peaks)
    for number, month in enumerate(months):
        share = shares[month]
        if rule.basis == "max_demand":
            billed = max(peaks[month], rule.min_kw, rule.min_share * (rule.transformer_kva or 0.0))
            if rule.ratchet is not None:
                for earlier in months[max(0, number - rule.ratchet.months) : number]:
                    billed = max(billed, rule.ratchet.share * peaks[earlier])
            amounts[month, "maximum demand"] += billed * rule.price_per_kw_month * share
        elif rule.basis == "contracted_demand":
            declared = cast(float, rule.contracted_kw)
            amounts[month, "contracted demand"] += declared * rule.price_per_kw_month * share
            above = peaks[month] - declared * (1 + rule.tolerance)
            if above > 0:
                amounts[month, "demand above contract"] += above * rule.price_per_kw_month * rule.excess_factor * share
        elif rule.basis == "transformer_kva":
            amounts[month, "transformer capacity"] += (
                cast(float, rule.transformer_kva) * rule.price_per_kva_month * share
            )
    return dict(amounts)


def _hours_of(month: str, zone: ZoneInfo) -> float:
    year, number = (int(word) for word in month.split("-"))
    first = dt.datetime(year, number, 1, tzinfo=zone).astimezone(dt.UTC)
    following = dt.datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone).astimezone(dt.UTC)
    return (following - first) / dt.timedelta(hours=1)


def lines_of(result: Bill) -> dict[tuple[str, str], float]:
    return {(row.month, row.line): row.amount for row in result.lines.itertuples()}


def agreed(tariff: Tariff, grid: TimeGrid, import_kw: FloatArray, objective: float) -> dict[tuple[str, str], float]:
    """The lines of the bill, after all three reckonings were found to agree."""
    result = bill(tariff, grid, import_kw, np.zeros(grid.num_steps))
    lines = lines_of(result)
    by_hand = reckoned(tariff, grid, import_kw)
    assert _told(lines) == pytest.approx(_told(by_hand), rel=1e-9)
    assert result.total == pytest.approx(sum(by_hand.values()), rel=1e-9)
    assert objective == pytest.approx(result.total, rel=1e-7)
    return lines


def _told(lines: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Lines that are more than what a solver leaves above a declared demand."""
    return {key: amount for key, amount in lines.items() if abs(amount) > 1e-6}


@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_the_peak_in_the_last_quarter_hour_of_a_month(minutes: int) -> None:
    """40 kW, but 120 kW from 31 January 23:45 to midnight, and none after: the peak is January's, half the days long.

    The last day of January and the first of February: shares 1/31 and 1/28 of 10 per kW. In steps of an hour the
    quarter-hour is one of four: (3 x 40 + 120) / 4 = 60 kW.
    """
    grid = axis(dt.datetime(2025, 1, 31), 2, minutes)
    load = np.full(grid.num_steps, 40.0)
    last = 24 * 60 // minutes
    load[last - max(1, 15 // minutes) : last] = 60.0 if minutes == 60 else 120.0
    tariff = tariff_of(demand=MAX)
    objective, bought, _ = optimum(grid, tariff, load)
    lines = agreed(tariff, grid, bought, objective)
    peak = 60.0 if minutes == 60 else 120.0
    assert lines["2025-01", "maximum demand"] == pytest.approx(peak * 10 / 31)
    assert lines["2025-02", "maximum demand"] == pytest.approx(40 * 10 / 28)


@pytest.mark.parametrize(
    ("first", "january", "february"), [(-3, 120.0, 40.0), (-2, 280 / 3, 200 / 3), (0, 40.0, 120.0)]
)
def test_five_minute_steps_around_midnight_belong_to_their_own_quarter_hour(
    first: int, january: float, february: float
) -> None:
    """Three steps of 120 kW over 40 kW: all before midnight, two of them, none.

    Two before: (40 + 120 + 120) / 3 = 93.3 kW in January, (120 + 40 + 40) / 3 = 66.7 in February.
    """
    grid = axis(dt.datetime(2025, 1, 31), 2, 5)
    load = np.full(grid.num_steps, 40.0)
    midnight = 24 * 12
    load[midnight + first : midnight + first + 3] = 120.0
    tariff = tariff_of(demand=MAX)
    objective, bought, _ = optimum(grid, tariff, load)
    lines = agreed(tariff, grid, bought, objective)
    assert lines["2025-01", "maximum demand"] == pytest.approx(january * 10 / 31)
    assert lines["2025-02", "maximum demand"] == pytest.approx(february * 10 / 28)


def test_a_holiday_has_the_price_of_holidays() -> None:
    """1 October 2025 is a Wednesday and the National Day: 24 h x 10 kW at 0.2; the 30th of September pays 0.6."""
    energy = {
        "periods": [
            {"label": "work", "days": ["workdays"], "price_per_kwh": 0.6},
            {"label": "rest", "days": ["saturdays", "sundays", "holidays"], "price_per_kwh": 0.2},
        ]
    }
    grid = axis(dt.datetime(2025, 9, 30), 2)
    tariff = tariff_of(energy, holidays={"country": "CN"})
    objective, bought, _ = optimum(grid, tariff, np.full(48, 10.0))
    lines = agreed(tariff, grid, bought, objective)
    assert lines["2025-09", "work"] == pytest.approx(240 * 0.6)
    assert lines["2025-10", "rest"] == pytest.approx(240 * 0.2)
    assert objective == pytest.approx(240 * 0.8)


def test_a_kilowatt_of_the_month_that_sets_the_ratchet_costs_in_every_month_it_reaches() -> None:
    """Peaks 100, 40, 50, 10 kW, 80 % of the last two months: billed 100, 80, 80, 40, at 10 per kW: 3,000.

    One more kW in January is billed in January and at 0.8 in February and March: 10 + 8 + 8. One more in March is
    billed at 0.8 in April alone: 8, for March itself still pays January's 80.
    """
    grid = axis(dt.datetime(2025, 1, 1), 31 + 28 + 31 + 30)
    peaks = np.array([100.0, 40.0, 50.0, 10.0])
    tariff = tariff_of(demand={**MAX, "ratchet": {"share": 0.8, "months": 2}})
    free = {"periods": [{"label": "all", "price_per_kwh": 0.0}]}
    tariff = tariff.model_copy(update={"energy": tariff_of(free).energy})
    costs = []
    for more in ([0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]):
        objective, bought, _ = optimum(grid, tariff, (peaks + more)[grid.month])
        lines = agreed(tariff, grid, bought, objective)
        costs.append(objective)
        if not any(more):
            assert [lines[month, "maximum demand"] for month in grid.month_labels] == pytest.approx(
                [1000, 800, 800, 400]
            )
    assert costs[0] == pytest.approx(3000.0)
    assert costs[1] - costs[0] == pytest.approx(26.0)
    assert costs[2] - costs[0] == pytest.approx(8.0)


WEEK = {
    "purchase_price_per_kwh": 0.3,
    "adders_per_kwh": {"network": 0.1, "levy": 0.05},
    "periods": [
        {"label": "peak", "hours": "07-11, 17-22", "days": ["workdays"], "ratio": 1.6},
        {"label": "valley", "hours": "11-17", "days": ["workdays"], "ratio": 0.4},
        {"label": "night", "hours": "22-07", "days": ["workdays"]},
        {"label": "saturday", "days": ["saturdays"], "ratio": 0.8},
        {"label": "rest", "days": ["sundays", "holidays"], "price_per_kwh": 0.1},
    ],
}
NEARBY = {
    "basis": "nearby_consumption",
    "transmission_price_per_kwh": 0.1,
    "average_load_factor": 0.6,
    "connected_kva": 250.0,
}


@pytest.mark.parametrize(
    "demand",
    [
        {**MAX, "ratchet": {"share": 0.8, "months": 3}, "transformer_kva": 250.0, "min_share": 0.4},
        {"basis": "contracted_demand", "price_per_kw_month": 10.0, "contracted_kw": 120.0, "tolerance": 0.05},
        {**NEARBY, "basic": MAX},
    ],
    ids=["ratchet and floor", "contract", "nearby"],
)
def test_a_leap_year_that_starts_on_a_saturday(demand: dict[str, Any]) -> None:
    """2028: 1 January is a Saturday and a holiday, 29 February a Tuesday. The whole year, each of its lines."""
    grid = axis(dt.datetime(2028, 1, 1), 366)
    random = np.random.default_rng(3)
    load = 60.0 + 80.0 * random.random(grid.num_steps) ** 4
    tariff = tariff_of(WEEK, demand=demand, holidays={"country": "CN"}, fixed_per_month={"meter": 30.0})
    objective, bought, _ = optimum(grid, tariff, load)
    lines = agreed(tariff, grid, bought, objective)
    assert grid.local[0].day_name() == "Saturday"
    assert len({month for month, _ in lines}) == 12
    # the 29th of February is a workday: 9 of its hours are at peak
    day = (grid.local.month == 2) & (grid.local.day == 29)
    assert day.sum() == 24
    shorter = np.where(day, 0.0, bought)
    without = lines_of(bill(tariff, grid, shorter, np.zeros(grid.num_steps)))
    kwh = float(bought[day & np.isin(grid.local.hour, [7, 8, 9, 10, 17, 18, 19, 20, 21])].sum())
    price = 0.3 * 1.6 + 0.15 - (0.1 if demand["basis"] == "nearby_consumption" else 0.0)
    assert lines["2028-02", "peak"] - without["2028-02", "peak"] == pytest.approx(kwh * price)
    # the first day is a holiday, and as such no Saturday
    assert without["2028-01", "rest"] == pytest.approx(lines["2028-01", "rest"])
    assert lines["2028-01", "saturday"] > 0


def test_what_exceeds_the_contract_is_paid_double_above_five_percent() -> None:
    """30 days of June, 100 kW declared, 128 kW measured: 100 x 33, and (128 - 105) x 66."""
    grid = axis(dt.datetime(2025, 6, 1), 30)
    load = np.full(grid.num_steps, 50.0)
    load[400] = 128.0
    rule = {"basis": "contracted_demand", "price_per_kw_month": 33.0, "contracted_kw": 100.0, "tolerance": 0.05}
    tariff = tariff_of(demand=rule)
    objective, bought, _ = optimum(grid, tariff, load)
    lines = agreed(tariff, grid, bought, objective)
    assert lines["2025-06", "contracted demand"] == pytest.approx(3300.0)
    assert lines["2025-06", "demand above contract"] == pytest.approx(23 * 66)


def test_the_best_contract_of_four_months_is_found_with_the_dispatch() -> None:
    """Peaks 100, 60, 50, 40 kW; an excess costs three times: declaring one kW more costs 4 and saves 3 for each month
    above it, so that the second highest month decides: 60 kW declared, 40 kW above it in January, 10 (4 x 60 + 3 x 40).
    """
    grid = axis(dt.datetime(2025, 1, 1), 31 + 28 + 31 + 30)
    load = np.array([100.0, 60.0, 50.0, 40.0])[grid.month]
    free = {"periods": [{"label": "all", "price_per_kwh": 0.0}]}
    tariff = tariff_of(free, demand={"basis": "contracted_demand", "price_per_kw_month": 10.0, "excess_factor": 3.0})
    chosen = FreeSize(min=0, max=1000, cost_per_unit=0)
    objective, bought, sizes = optimum(grid, tariff, load, contracted_kw=chosen)
    assert sizes["grid.contracted_kw_size"] == pytest.approx(60.0)
    assert objective == pytest.approx(3600.0)
    agreed(tariff.at_site(contracted_kw=60.0), grid, bought, objective)


def test_forty_percent_of_the_transformers_must_be_declared() -> None:
    """Peaks of 10 kW behind 100 kVA: 40 kW are declared, though 10 would do; 7 of 31 days at 10 per kW."""
    grid = axis(dt.datetime(2025, 1, 5), 7)
    tariff = tariff_of(demand={"basis": "contracted_demand", "price_per_kw_month": 10.0})
    chosen = FreeSize(min=0, max=1000, cost_per_unit=0)
    objective, bought, sizes = optimum(
        grid, tariff, np.full(grid.num_steps, 10.0), contracted_kw=chosen, transformer_kva=100.0
    )
    assert sizes["grid.contracted_kw_size"] == pytest.approx(40.0)
    assert objective == pytest.approx(7 * 240 * 0.5 + 40 * 10 * 7 / 31)
    billed = tariff.at_site(transformer_kva=100.0, contracted_kw=40.0)
    agreed(billed, grid, bought, objective)
    assert isinstance(billed.demand, ContractedDemand)
    assert billed.demand.least_kw == 40.0


@pytest.mark.parametrize(
    "demand",
    [
        {**MAX, "ratchet": {"share": 0.9, "months": 1}, "transformer_kva": 200.0, "min_share": 0.4},
        {"basis": "contracted_demand", "price_per_kw_month": 30.0, "contracted_kw": 70.0, "tolerance": 0.05},
        {**NEARBY, "basic": {**MAX, "price_per_kw_month": 33.0}},
        {**NEARBY, "basic": {"basis": "transformer_kva", "transformer_kva": 250.0, "price_per_kva_month": 21.0}},
    ],
    ids=["ratchet and floor", "contract", "nearby on demand", "nearby on transformers"],
)
@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_with_a_battery_every_basis_is_what_was_optimised(demand: dict[str, Any], minutes: int) -> None:
    """Days over a month's end. The program pays exactly the bill, and the load without the battery would pay more."""
    grid = axis(dt.datetime(2025, 1, 31), 8, minutes) if minutes > 5 else axis(dt.datetime(2025, 1, 31, 12), 1, minutes)
    random = np.random.default_rng(5)
    load = 50.0 + 70.0 * random.random(grid.num_steps) ** 6
    tariff = tariff_of(WEEK, demand=demand, holidays={"country": "CN"})
    objective, bought, _ = optimum(grid, tariff, load, battery=BATTERY)
    agreed(tariff, grid, bought, objective)
    assert objective < bill(tariff, grid, load, np.zeros(grid.num_steps)).total

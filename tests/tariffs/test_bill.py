"""Bills against arithmetic by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp_sim.tariffs import Tariff, bill, export_price_per_kwh, import_price_per_kwh, load_tariff
from vpp_sim.time_grid import TimeGrid

ONE_PRICE = {"periods": [{"label": "all", "price_per_kwh": 0.5}]}

NEW_YEAR = dt.datetime(2025, 1, 1)


def axis(
    steps: int, minutes: int = 60, start: dt.datetime = dt.datetime(2025, 1, 1), zone: str = "Asia/Shanghai"
) -> Any:
    return TimeGrid(start, minutes, steps, zone)


def tariff_of(energy: dict[str, Any] = ONE_PRICE, **more: Any) -> Tariff:
    return load_tariff({"name": "test", "currency": "CNY", "energy": energy, **more})


def billed(tariff: Tariff, grid: TimeGrid, import_kw: Any, export_kw: Any = 0.0, **series: Any) -> Any:
    full = [np.broadcast_to(np.asarray(power, dtype=float), grid.num_steps) for power in (import_kw, export_kw)]
    return bill(tariff, grid, *full, **series)


def amounts(result: Any, kind: str) -> dict[tuple[str, str], float]:
    part = result.lines[result.lines["kind"] == kind]
    return {(row.month, row.line): row.amount for row in part.itertuples()}


def test_a_qinghai_january_line_by_line() -> None:
    """100 kW throughout, 200 kW in one hour of one peak, 10 kW exported from 12 to 13 h each day of January 2025.

    Peak 8 h, valley 8 h, flat 8 h a day. Energy 24,800 + 100 kWh at 0.621246, 24,800 at 0.25747, 24,800 at 0.4422;
    demand 200 kW at 33; export 310 kWh at 0.20.
    """
    grid = axis(744)
    load = np.full(744, 100.0)
    load[8] = 200.0
    sold = np.where(grid.hour_of_day == 12, 10.0, 0.0)
    result = billed(load_tariff("qinghai_two_part_2026_03"), grid, load, sold)
    assert list(result.lines.columns) == ["month", "line", "kind", "quantity", "unit", "price", "amount"]
    rows = result.lines.set_index("line")
    assert rows["quantity"].to_dict() == pytest.approx(
        {"peak": 24_900, "valley": 24_800, "flat": 24_800, "export valley": 310, "maximum demand": 200}
    )
    assert rows["price"].to_dict() == pytest.approx(
        {"peak": 0.621246, "valley": 0.25747, "flat": 0.4422, "export valley": -0.20, "maximum demand": 33.0}
    )
    assert set(result.lines["month"]) == {"2025-01"}
    assert result.energy_cost == pytest.approx(15469.0254 + 6385.256 + 10966.56)
    assert result.demand_cost == pytest.approx(6600.0)
    assert result.export_revenue == pytest.approx(62.0)
    assert result.fixed_cost == 0.0
    assert result.total == pytest.approx(39358.8414)
    assert result.lines["amount"].sum() == pytest.approx(result.total)
    np.testing.assert_allclose(result.lines["quantity"] * result.lines["price"], result.lines["amount"])


def test_a_partial_month_pays_its_share_of_demand_and_fixed_charges() -> None:
    """7 of 31 days: 7 / 31 of 33 x 50 kW and of 310 a month."""
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 33.0}, fixed_per_month={"meter": 310.0})
    result = billed(tariff, axis(7 * 24), 50.0)
    assert result.demand_cost == pytest.approx(33 * 50 * 7 / 31)
    assert result.fixed_cost == pytest.approx(70.0)


def test_months_are_those_of_the_local_clock() -> None:
    """16:00 UTC on 31 January is midnight in Xining: one hour of 10 kW belongs to January, one of 20 kW to February."""
    grid = axis(2, start=dt.datetime(2025, 1, 31, 23))
    assert amounts(billed(tariff_of(), grid, [10.0, 20.0]), "energy") == {
        ("2025-01", "all"): 5.0,
        ("2025-02", "all"): 10.0,
    }


@pytest.mark.parametrize(("minutes", "kw"), [(5, 40.0), (10, 60.0), (15, 40.0), (30, 30.0), (60, 25.0)])
def test_demand_is_the_mean_of_a_quarter_hour_or_of_a_longer_step(minutes: int, kw: float) -> None:
    """20 kW, but 80 kW from 00:05 to 00:10: 40 kW over the quarter-hour, 30 over half an hour, 25 over the hour.

    Ten-minute steps do not divide a quarter-hour and count alone: 20 and 100 kW have a mean of 60.
    """
    fine = np.full(12, 20.0)
    fine[1] = 100.0 if minutes == 10 else 80.0
    power = fine.reshape(60 // minutes, -1).mean(axis=1)
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 744.0})
    result = billed(tariff, axis(60 // minutes, minutes), power)
    assert result.demand["measured_kw"].tolist() == pytest.approx([kw])
    assert result.demand_cost == pytest.approx(kw)


def months_of(*peaks: float) -> tuple[TimeGrid, Any]:
    """Whole months from January 2025 with the given constant imports."""
    grid = axis(24 * int(np.cumsum([31, 28, 31, 30, 31, 30])[len(peaks) - 1]))
    return grid, np.array(peaks)[grid.month]


def test_a_ratchet_looks_back_over_its_months_only() -> None:
    """Peaks 100, 40, 50, 10 with 80 % of the last two months: 100, 80, 80, 40 (50 x 0.8); January's is forgotten."""
    grid, power = months_of(100, 40, 50, 10)
    ratchet = {"share": 0.8, "months": 2}
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 10.0, "ratchet": ratchet, "min_kw": 30.0})
    result = billed(tariff, grid, power)
    assert result.demand["billed_kw"].tolist() == pytest.approx([100, 80, 80, 40])
    assert list(amounts(result, "demand").values()) == pytest.approx([1000, 800, 800, 400])


def test_a_contract_is_paid_always_and_its_excess_at_double() -> None:
    """Contract 100 kW at 10, 5 % free: 90 kW pays 1,000; 104 kW too; 120 kW pays 15 kW x 20 more."""
    grid, power = months_of(90, 104, 120)
    rule = {"basis": "contracted_demand", "contracted_kw": 100.0, "price_per_kw_month": 10.0, "tolerance": 0.05}
    result = billed(tariff_of(demand=rule), grid, power)
    assert amounts(result, "demand") == pytest.approx(
        {
            ("2025-01", "contracted demand"): 1000.0,
            ("2025-02", "contracted demand"): 1000.0,
            ("2025-03", "contracted demand"): 1000.0,
            ("2025-03", "demand above contract"): 300.0,
        }
    )


def test_transformer_capacity_is_paid_whatever_is_imported() -> None:
    grid, power = months_of(0, 900)
    rule = {"basis": "transformer_kva", "transformer_kva": 1250.0, "price_per_kva_month": 21.0}
    result = billed(tariff_of(demand=rule), grid, power)
    assert result.demand_cost == pytest.approx(2 * 1250 * 21)
    assert result.demand["measured_kw"].tolist() == [0.0, 900.0]


def test_tiers_add_to_the_energy_above_their_thresholds() -> None:
    """January: 744 h x 10 kW = 7,440 kWh; 1,000 free, 4,000 at 0.1, the other 2,440 at 0.3.

    The first 14 days of February: thresholds halve to 500 and 2,500 of 3,360 kWh.
    """
    tiers = [{"above_kwh": 1000, "adder_per_kwh": 0.1}, {"above_kwh": 5000, "adder_per_kwh": 0.3}]
    result = billed(tariff_of(tiers=tiers), axis(744 + 14 * 24), 10.0)
    parts = amounts(result, "energy")
    assert parts["2025-01", "tier above 1000 kWh"] == pytest.approx(400.0)
    assert parts["2025-01", "tier above 5000 kWh"] == pytest.approx(732.0)
    assert parts["2025-02", "tier above 500 kWh"] == pytest.approx(200.0)
    assert parts["2025-02", "tier above 2500 kWh"] == pytest.approx(258.0)
    assert result.energy_cost == pytest.approx(0.5 * (7440 + 3360) + 400 + 732 + 200 + 258)


def test_a_price_series_is_billed_step_by_step() -> None:
    """Prices 0.2 and 0.6 on 10 and 30 kWh are 20 in all, a mean of 0.5; 5 kWh sold at 0.1."""
    reference = {"path": "p.csv", "unit": "per_mwh"}
    tariff = tariff_of({"purchase_price_per_kwh": reference}, export={"price_per_kwh": reference})
    result = billed(
        tariff,
        axis(2),
        [10.0, 30.0],
        [5.0, 0.0],
        import_series=np.array([0.2, 0.6]),
        export_series=np.array([0.1, 9.9]),
    )
    assert result.lines["price"].tolist() == pytest.approx([0.5, -0.1])
    assert result.total == pytest.approx(20 - 0.5)
    with pytest.raises(ValueError, match="import_series: the tariff's price is a series"):
        billed(tariff, axis(2), 1.0)


@pytest.mark.parametrize(
    ("power", "message"),
    [
        (np.ones(3), r"import_kw: expected shape \(2,\), got \(3,\)"),
        (np.array([1.0, np.nan]), "import_kw: must be finite"),
        (np.array([1.0, -1.0]), "import_kw: must be at least 0 kW, got -1"),
    ],
)
def test_a_meter_series_must_be_complete(power: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bill(tariff_of(), axis(2), power, np.zeros(2))


def test_rounding_of_a_solver_below_zero_is_no_export() -> None:
    assert billed(tariff_of(), axis(2), [100.0, -1e-9]).energy_cost == 50.0


def test_a_whole_leap_year_pays_twelve_whole_months() -> None:
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 33.0}, fixed_per_month={"meter": 5.0})
    result = billed(tariff, axis(8784, start=dt.datetime(2024, 1, 1)), 100.0)
    assert result.demand_cost == pytest.approx(12 * 3300)
    assert result.fixed_cost == pytest.approx(60.0)
    assert len(result.demand) == 12


def test_a_month_with_summer_time_has_its_743_hours() -> None:
    """March 2025 in Berlin lacks an hour; a whole month is still one month."""
    grid = axis(743, start=dt.datetime(2025, 3, 1), zone="Europe/Berlin")
    result = billed(tariff_of(fixed_per_month={"meter": 5.0}), grid, 1.0)
    assert result.fixed_cost == pytest.approx(5.0)
    assert result.energy_cost == pytest.approx(743 * 0.5)


SUMMER = [4, 5, 6, 7, 8, 9]
SEASONS = {
    "purchase_price_per_kwh": 0.3,
    "adders_per_kwh": {"network": 0.11, "levy": 0.02},
    "periods": [
        {"label": "summer day", "hours": "06:35-21", "months": SUMMER, "days": ["workdays"], "ratio": 1.4},
        {
            "label": "summer night",
            "hours": "21-06:35",
            "months": SUMMER,
            "days": ["workdays"],
            "ratio": 0.6,
        },
        {
            "label": "summer rest",
            "months": SUMMER,
            "days": ["saturdays", "sundays", "holidays"],
            "price_per_kwh": 0.1,
            "export_price_per_kwh": 0.01,
        },
        {"label": "winter", "months": [1, 2, 3, 10, 11, 12], "ratio": 1.0},
    ],
}


@settings(max_examples=25, deadline=None)
@given(
    day=st.integers(0, 700),
    minutes=st.sampled_from([5, 10, 15, 30, 60]),
    seed=st.integers(0, 2**32 - 1),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York"]),
)
def test_the_bill_and_the_prices_agree_though_they_share_no_code(day: int, minutes: int, seed: int, zone: str) -> None:
    """Ten days from any date: energy and export equal the sum of meter times price per step."""
    tariff = tariff_of(SEASONS, export={"price_per_kwh": 0.05}, holidays={"country": "CN"})
    grid = axis(240 * 60 // minutes, minutes, dt.datetime(2024, 1, 1) + dt.timedelta(days=day), zone)
    random = np.random.default_rng(seed)
    bought, sold = random.random(grid.num_steps) * 1000, random.random(grid.num_steps) * 100
    result = bill(tariff, grid, bought, sold)
    hours = grid.step_hours
    assert result.energy_cost == pytest.approx(float(bought @ import_price_per_kwh(tariff, grid)) * hours, rel=1e-9)
    assert result.export_revenue == pytest.approx(float(sold @ export_price_per_kwh(tariff, grid)) * hours, rel=1e-9)
    quantities = result.lines[result.lines["kind"] == "energy"]["quantity"]
    assert quantities.sum() == pytest.approx(bought.sum() * hours)

"""Prices per step: each hour in its period, each step with the mean of its minutes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from vpp_sim.tariffs import Tariff, export_price_per_kwh, import_price_per_kwh, load_tariff, period_of_step
from vpp_sim.time_grid import TimeGrid

NEW_YEAR = dt.datetime(2025, 1, 1)


def axis(
    steps: int, minutes: int = 60, start: dt.datetime = dt.datetime(2025, 1, 1), zone: str = "Asia/Shanghai"
) -> Any:
    return TimeGrid(start, minutes, steps, zone)


def tariff_of(energy: dict[str, Any], **more: Any) -> Tariff:
    return load_tariff({"name": "test", "currency": "CNY", "energy": energy, **more})


def test_a_qinghai_day_hour_by_hour() -> None:
    """Flat 23-07, peak 07-09, valley 09-17, peak 17-23."""
    tariff = load_tariff("qinghai_two_part_2026_03")
    labels, position = period_of_step(tariff, axis(24))
    names = [labels[p] for p in position]
    assert names == ["flat"] * 7 + ["peak"] * 2 + ["valley"] * 8 + ["peak"] * 6 + ["flat"]
    price = import_price_per_kwh(tariff, axis(24))
    assert price[[0, 8, 12]] == pytest.approx([0.4422, 0.2842 * 1.63 + 0.158, 0.2842 * 0.35 + 0.158])
    np.testing.assert_array_equal(export_price_per_kwh(tariff, axis(24)), 0.20)


def test_a_step_across_a_boundary_has_the_mean_of_its_minutes() -> None:
    """From 07:20 on 3 instead of 1: the hour from 07:00 has 20 minutes of 1 and 40 of 3; the fine steps are exact."""
    tariff = tariff_of(
        {
            "periods": [
                {"label": "low", "hours": "00-07:20", "price_per_kwh": 1.0},
                {"label": "high", "hours": "07:20-24", "price_per_kwh": 3.0},
            ]
        }
    )
    hourly = import_price_per_kwh(tariff, axis(24))
    assert hourly[6:9] == pytest.approx([1.0, 7 / 3, 3.0])
    for minutes in (5, 10, 15, 30):
        fine = import_price_per_kwh(tariff, axis(24 * 60 // minutes, minutes))
        np.testing.assert_allclose(fine.reshape(24, -1).mean(axis=1), hourly)


def test_months_and_kinds_of_days_have_their_own_prices() -> None:
    """2025: 4 April is a Friday and the Qingming holiday, 5 and 6 April are a weekend, 7 April is a Monday."""
    energy = {
        "periods": [
            {"label": "work", "days": ["workdays"], "months": [4], "price_per_kwh": 4.0},
            {"label": "saturday", "days": ["saturdays"], "months": [4], "price_per_kwh": 3.0},
            {"label": "sunday", "days": ["sundays"], "months": [4], "price_per_kwh": 2.0},
            {"label": "holiday", "days": ["holidays"], "months": [4], "price_per_kwh": 1.0},
            {"label": "other", "months": [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12], "price_per_kwh": 9.0},
        ]
    }
    grid = axis(24 * 37, start=dt.datetime(2025, 3, 31))
    daily = import_price_per_kwh(tariff_of(energy, holidays={"country": "CN"}), grid)[::24]
    # 31 March; then 1 to 7 April: Tuesday to Thursday, Friday and the weekend of the holiday, Monday
    assert daily[0] == 9.0
    assert daily[1:4].tolist() == [4.0, 4.0, 4.0]
    assert daily[4] == 1.0
    assert daily[8:14].tolist() == [4.0, 4.0, 4.0, 4.0, 3.0, 2.0]
    assert daily[31] == 9.0
    assert "holiday" in period_of_step(tariff_of(energy, holidays={"country": "CN"}), grid)[0]


def test_without_a_country_a_holiday_is_the_weekday_it_is() -> None:
    energy = {
        "periods": [
            {"label": "work", "days": ["workdays"], "price_per_kwh": 4.0},
            {"label": "rest", "days": ["saturdays", "sundays"], "price_per_kwh": 1.0},
        ]
    }
    new_year = import_price_per_kwh(tariff_of(energy), axis(24 * 5))[::24]
    assert new_year.tolist() == [4.0, 4.0, 4.0, 1.0, 1.0]


def test_periods_follow_the_wall_clock_over_summer_time() -> None:
    """In Berlin the day's price begins at 07:00 local time before and after clocks change on 30 March 2025."""
    energy = {
        "periods": [
            {"label": "night", "hours": "22-07", "price_per_kwh": 1.0},
            {"label": "day", "hours": "07-22", "price_per_kwh": 2.0},
        ]
    }
    grid = axis(24 + 23 + 24, start=dt.datetime(2025, 3, 29), zone="Europe/Berlin")
    price = import_price_per_kwh(tariff_of(energy), grid)
    expected = np.where((grid.hour_of_day >= 7) & (grid.hour_of_day < 22), 2.0, 1.0)
    np.testing.assert_array_equal(price, expected)


def test_a_series_takes_the_place_of_the_purchase_price() -> None:
    """Ratio and adders apply to the series; a period with its own price ignores it."""
    tariff = tariff_of(
        {
            "purchase_price_per_kwh": {"path": "p.csv", "unit": "per_mwh"},
            "adders_per_kwh": {"grid": 0.1, "levy": 0.05},
            "periods": [
                {"label": "a", "hours": "00-01", "ratio": 2.0},
                {"label": "b", "hours": "01-02"},
                {"label": "c", "hours": "02-24", "price_per_kwh": 0.9},
            ],
        },
        export={"price_per_kwh": {"path": "p.csv", "unit": "per_mwh"}},
    )
    spot = np.array([0.2, 0.3, 0.4])
    assert import_price_per_kwh(tariff, axis(3), spot) == pytest.approx([0.55, 0.45, 1.05])
    assert export_price_per_kwh(tariff, axis(3), spot).tolist() == spot.tolist()
    with pytest.raises(ValueError, match=r"pass it with shape \(3,\), got none"):
        import_price_per_kwh(tariff, axis(3))
    with pytest.raises(ValueError, match=r"got shape \(2,\)"):
        export_price_per_kwh(tariff, axis(3), spot[:2])


def test_export_may_pay_by_period() -> None:
    tariff = tariff_of(
        {
            "purchase_price_per_kwh": 0.5,
            "periods": [
                {"label": "noon", "hours": "10-14", "export_price_per_kwh": 0.05},
                {"label": "other", "hours": "14-10"},
            ],
        },
        export={"price_per_kwh": 0.2},
    )
    assert export_price_per_kwh(tariff, axis(24))[[9, 10, 13, 14]].tolist() == [0.2, 0.05, 0.05, 0.2]

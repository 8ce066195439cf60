"""A tariff whose charges rise against the price of energy: each price by its factor, energy as it is."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from vpp_sim.tariffs import bill
from vpp_sim.tariffs.model import Tariff
from vpp_sim.tariffs.scaled import scaled_tariff
from vpp_sim.time_grid import TimeGrid

FACTORS = {"demand": 2.0, "fixed": 3.0, "export": 0.5}


def tariff(**changes: Any) -> Tariff:
    content: dict[str, Any] = {
        "name": "test",
        "currency": "CNY",
        "energy": {
            "purchase_price_per_kwh": 0.3,
            "periods": [
                {"label": "day", "hours": "06-22", "export_price_per_kwh": 0.2},
                {"label": "night", "hours": "22-06", "ratio": 0.5},
            ],
        },
        "export": {"price_per_kwh": 0.1},
        "demand": {"basis": "max_demand", "price_per_kw_month": 30.0},
        "fixed_per_month": {"meter": 10.0},
    }
    return Tariff.model_validate(content | changes)


def test_every_charge_takes_its_own_factor() -> None:
    scaled, applied = scaled_tariff(tariff(), FACTORS)
    assert applied == FACTORS
    assert scaled.demand.price_per_kw_month == 60.0
    assert scaled.fixed_per_month == {"meter": 30.0}
    assert scaled.export.price_per_kwh == 0.05
    assert [period.export_price_per_kwh for period in scaled.energy.periods] == [0.1, None]
    assert scaled.energy.purchase_price_per_kwh == 0.3


@pytest.mark.parametrize(
    ("demand", "name", "price"),
    [
        ({"basis": "contracted_demand", "contracted_kw": 9.0, "price_per_kw_month": 30.0}, "price_per_kw_month", 60.0),
        (
            {"basis": "transformer_kva", "transformer_kva": 9.0, "price_per_kva_month": 20.0},
            "price_per_kva_month",
            40.0,
        ),
    ],
)
def test_whatever_the_demand_charge_is_based_on(demand: dict[str, Any], name: str, price: float) -> None:
    scaled, _ = scaled_tariff(tariff(demand=demand), FACTORS)
    assert getattr(scaled.demand, name) == price


def test_the_fee_for_nearby_consumption_rises_and_what_it_takes_off_energy_stays() -> None:
    """Demand charges double: 30 to 60 per kW, the fee of 0.1 x 0.4 x 730 per kVA by its load factor; not the 0.1."""
    given = {
        "basis": "nearby_consumption",
        "basic": {"basis": "max_demand", "price_per_kw_month": 30.0},
        "transmission_price_per_kwh": 0.1,
        "average_load_factor": 0.4,
        "connected_kva": 100.0,
    }
    before = tariff(demand=given)
    scaled, _ = scaled_tariff(before, FACTORS)
    grid = TimeGrid(dt.datetime(2025, 6, 1), 60, 720, "Asia/Shanghai")
    power = np.full(720, 50.0)
    bills = [bill(each, grid, power, 0 * power) for each in (before, scaled)]
    assert bills[0].demand_cost == pytest.approx(50 * 30 + 100 * 0.1 * 0.4 * 730)
    assert bills[1].demand_cost == pytest.approx(2 * bills[0].demand_cost)
    assert bills[1].energy_cost == pytest.approx(bills[0].energy_cost)


def test_no_demand_charge_stays_none() -> None:
    scaled, _ = scaled_tariff(tariff(demand={"basis": "none"}), FACTORS)
    assert scaled.demand.basis == "none"


def test_an_export_price_from_a_file_says_that_it_was_left() -> None:
    given = {"price_per_kwh": {"path": "prices.csv", "unit": "per_kwh"}}
    scaled, applied = scaled_tariff(tariff(export=given), FACTORS)
    assert applied["export"] == 1.0
    assert scaled.export == tariff(export=given).export

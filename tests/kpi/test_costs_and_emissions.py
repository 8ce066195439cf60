"""Costs and emissions by hand, and how figures of several components become the site's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vpp_sim.components.base import FreeSize, Kpi
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.kpi.table import _combined
from vpp_sim.scenario import scenario_from_mapping

FLAT = {"energy": {"purchase_price_per_kwh": 0.5}}
LOAD = {"kind": "load", "profile": 10.0}
STORE = {
    "kind": "battery",
    "power_kw": 10.0,
    "energy_kwh": 10.0,
    "charge_efficiency": 1.0,
    "discharge_efficiency": 1.0,
    "soc_min": 0.0,
    "soc_max": 1.0,
    "wear_cost_per_kwh": 0.05,
}


def one_day(tariff: dict[str, Any], base_dir: Path = Path(), **components: Any) -> Simulation:
    """The 2nd of June, a thirtieth of its month and a 365th of a year, in hours."""
    grid = {"kind": "grid", "import_limit_kw": 100.0}
    return simulate(
        scenario_from_mapping(
            {
                "name": "one day",
                "currency": "CNY",
                "horizon": {"start": "2025-06-02", "days": 1, "timezone": "Asia/Shanghai"},
                "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261.0},
                "weather": {"source": "climate", "climate": "xining", "seed": 1},
                "tariff": {"name": "t", "currency": "CNY"} | tariff,
                "components": {"grid": grid} | components,
            },
            base_dir=base_dir,
        )
    )


def figures(run: Simulation) -> dict[str, float]:
    assert [check for check in run.summary.checks if not check.passed] == []
    return {name: kpi.value for name, kpi in run.summary.kpis.items()}


def test_every_line_of_a_days_bill() -> None:
    tariff = {
        "energy": {"purchase_price_per_kwh": 0.5, "adders_per_kwh": {"network": 0.1}},
        "demand": {"basis": "max_demand", "price_per_kw_month": 30.0},
        "fixed_per_month": {"meter": 300.0},
    }
    kpis = figures(one_day(tariff, park=LOAD))
    assert kpis["energy_cost"] == pytest.approx(240 * 0.6)
    assert kpis["demand_cost"] == pytest.approx(10 * 30 / 30)
    assert kpis["fixed_cost"] == pytest.approx(300 / 30)
    assert kpis["operating_cost"] == kpis["baseline_operating_cost"] == pytest.approx(144 + 10 + 10)
    assert kpis["saving"] == kpis["wear_cost"] == kpis["penalty_cost"] == kpis["export_revenue"] == 0.0
    assert kpis["peak_import_kw"] == pytest.approx(10.0)


def test_wear_is_paid_and_the_saving_is_what_is_left() -> None:
    """10 kWh bought at 0.1 instead of 1.0, for 0.05 of wear each: 10 x (0.9 - 0.05) saved."""
    periods = [{"label": "low", "hours": "00-12", "ratio": 0.1}, {"label": "high", "hours": "12-24"}]
    tariff = {"energy": {"purchase_price_per_kwh": 1.0, "periods": periods}}
    kpis = figures(one_day(tariff, park=LOAD, store=STORE))
    assert kpis["wear_cost"] == pytest.approx(0.5)
    assert kpis["saving"] == pytest.approx(8.5)
    assert kpis["operating_cost"] == pytest.approx(120 * 0.1 + 120 * 1.0 - 8.5)
    assert kpis["equivalent_full_cycles"] == pytest.approx(1.0)
    assert kpis["storage_losses_kwh"] == pytest.approx(0.0, abs=1e-9)


def test_load_that_is_shed_costs_no_money_but_a_penalty() -> None:
    """Half of 10 kW sheds at 0.3, which is less than the 0.5 of the grid: the bill halves, the price stands apart."""
    park = LOAD | {"sheddable_share": 0.5, "value_of_lost_load_per_kwh": 0.3}
    kpis = figures(one_day(FLAT, park=park))
    assert kpis["unserved_load_kwh"] == pytest.approx(120.0)
    assert kpis["load_kwh"] == pytest.approx(120.0)
    assert kpis["penalty_cost"] == pytest.approx(36.0)
    assert kpis["operating_cost"] == pytest.approx(60.0)


def test_a_chosen_size_pays_its_annuity_for_the_days_simulated() -> None:
    size = {"min": 4.0, "max": 4.0, "cost_per_unit": 1000.0, "lifetime_years": 10.0, "om_per_unit_year": 7.3}
    run = one_day(FLAT, park=LOAD, store=STORE | {"energy_kwh": size, "power_kw": 1.0})
    kpis = figures(run)
    yearly = 4.0 * (1000.0 * 0.06 / (1 - 1.06**-10) + 7.3)
    assert kpis["investment_cost"] == pytest.approx(yearly / 365)
    assert FreeSize(**size).annual_cost_per_unit(0.06) == pytest.approx(yearly / 4.0)
    assert kpis["operating_cost"] == pytest.approx(120.0)  # an investment is no cost of operation
    assert run.optimal.sizes == {"store.energy_kwh": 4.0}


def test_emissions_are_the_import_of_each_hour_times_its_factor(tmp_path: Path) -> None:
    """0.2 kg/kWh in the first half of the day, 0.6 in the second; 240 kWh at 10 kW."""
    rows = [f"2025-06-02 {hour:02d}:00,{0.2 if hour < 12 else 0.6}" for hour in range(24)]
    (tmp_path / "factor.csv").write_text("\n".join(["time,kg", *rows]) + "\n")
    grid = {
        "kind": "grid",
        "import_limit_kw": 100.0,
        "emission_location_kg_per_kwh": {"path": "factor.csv", "column": "kg", "unit": "kg_per_kwh"},
        "clean_share": 0.25,
    }
    kpis = figures(one_day(FLAT, tmp_path, park=LOAD, grid=grid))
    assert kpis["emissions_location_kg"] == pytest.approx(120 * 0.2 + 120 * 0.6)
    assert kpis["emissions_market_kg"] == pytest.approx(240 * 0.6096)
    assert kpis["emissions_park_kg"] == pytest.approx(240 * 0.8273)
    assert kpis["park_tco2_per_tce"] == pytest.approx(0.8273 / 0.1229)
    assert kpis["cfe_score_hourly"] == pytest.approx(0.25)
    assert kpis["onsite_renewable_share"] == 0.0


def test_compute_carries_its_share_of_the_emissions() -> None:
    """8 racks of 1 kW, all working, PUE 1.25: 10 of the site's 20 kW. 8 racks x 0.5 PFLOPS are 4 PFLOP-days a day."""
    centre = {
        "kind": "data_centre",
        "racks": 8.0,
        "rack_power_kw": 1.0,
        "idle_share": 0.5,
        "pue": 1.25,
        "pflops_per_rack": 0.5,
        "classes": [{"name": "jobs", "arrivals_kw": 4.0}],
    }
    kpis = figures(one_day(FLAT, park=LOAD, compute=centre))
    assert kpis["data_centre_kwh"] == pytest.approx(240.0)
    assert kpis["pue"] == pytest.approx(1.25)
    assert kpis["pflop_hours"] == pytest.approx(96.0)
    assert kpis["kg_co2_per_pflop_day"] == pytest.approx(480 * 0.1796 / 2 / 4)


def test_figures_of_components_are_summed_taken_at_their_largest_or_divided_anew() -> None:
    """Cycles of 1 on 10 kWh and 2 on 30 kWh are 70 / 40 = 1.75 of the site, neither 3 nor 1.5."""
    one = {
        "wear": Kpi(1.0, "kWh", "sum"),
        "wait": Kpi(3.0, "h", "largest", "max"),
        "cycles": Kpi.ratio(10.0, 10.0, "-", "ratio"),
    }
    two = {
        "wear": Kpi(2.0, "kWh", "sum"),
        "wait": Kpi(2.0, "h", "largest", "max"),
        "cycles": Kpi.ratio(60.0, 30.0, "-", "ratio"),
    }
    site = {name: kpi.value for name, kpi in _combined({"a": one, "b": two, "c": {}}).items()}
    assert site == pytest.approx({"wear": 3.0, "wait": 3.0, "cycles": 1.75})
    assert _combined({"a": one})["cycles"].value == 1.0
    assert Kpi.ratio(1.0, 0.0, "-", "of nothing").value == 0.0


def test_two_batteries_count_cycles_by_their_energy() -> None:
    periods = [{"label": "low", "hours": "00-12", "ratio": 0.1}, {"label": "high", "hours": "12-24"}]
    tariff = {"energy": {"purchase_price_per_kwh": 1.0, "periods": periods}}
    idle = STORE | {"energy_kwh": 30.0, "power_kw": 0.0}
    run = one_day(tariff, park=LOAD, store=STORE, idle=idle)
    assert run.summary.components["store"]["equivalent_full_cycles"].value == pytest.approx(1.0)
    assert figures(run)["equivalent_full_cycles"] == pytest.approx(10.0 / 40.0)

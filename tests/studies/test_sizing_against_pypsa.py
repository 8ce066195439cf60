"""Sizes against an independent formulation: the same two sites written as PyPSA networks (extra `bench`)."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vpp_sim.components.base import FreeSize
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.studies.plans import Plan, Planner

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
SETTINGS = (
    "horizon.days=7",
    "charging=null",
    "data_centre=null",
    "tariff={name: two prices, currency: CNY, energy: {periods: [{label: dear, hours: '17-23', price_per_kwh: 0.9}, "
    "{label: cheap, hours: '23-17', price_per_kwh: 0.3}]}, export: {price_per_kwh: 0.1}}",
    "grid.export_limit_kw=200",
    "pv.capacity_kw={max: 3000, cost_per_unit: 1500, lifetime_years: 25, om_per_unit_year: 15}",
)
#: Energy and power each at a price of its own; and a container of two hours, by its energy.
CASES = {
    "separate": (
        "battery.energy_kwh={max: 5000, cost_per_unit: 400, lifetime_years: 15}",
        "battery.power_kw={max: 2000, cost_per_unit: 200, lifetime_years: 15}",
    ),
    "two hours": (
        "battery.energy_kwh={max: 5000, cost_per_unit: 450, lifetime_years: 15}",
        "battery.power_kw={max: 2500, cost_per_unit: 0}",
        "battery.duration_hours=2",
    ),
}


def annual(size: Any, scenario: Scenario) -> float:
    """Cost per unit over the horizon."""
    assert isinstance(size, FreeSize)
    return size.annual_cost_per_unit(scenario.economics.discount_rate) * scenario.grid.years


def network_of(scenario: Scenario, plan: Plan, duration_hours: float | None) -> Any:
    """The site as PyPSA sees it: prices and yield as series, a store between two links that share a size."""
    pypsa: Any = pytest.importorskip("pypsa")
    battery: Any = scenario.components["battery"]
    pv: Any = scenario.components["pv"]
    grid: Any = scenario.components["grid"]
    series = plan.dispatch.series
    index = pd.RangeIndex(scenario.grid.num_steps)
    network = pypsa.Network()
    network.set_snapshots(index)

    def over_time(values: np.ndarray) -> pd.Series:
        return pd.Series(values, index=index)

    network.add("Bus", ["site", "cells"])
    network.add("Load", "park", bus="site", p_set=over_time(series["park.power_kw"]))
    network.add(
        "Generator",
        "pv",
        bus="site",
        p_max_pu=over_time(series["pv.yield_kw_per_kwp"]),
        p_nom_extendable=True,
        p_nom_max=pv.capacity_kw.max,
        capital_cost=annual(pv.capacity_kw, scenario),
    )
    price_in, price_out = series["grid.import_price_per_kwh"], series["grid.export_price_per_kwh"]
    network.add("Generator", "import", bus="site", p_nom=grid.import_limit_kw, marginal_cost=over_time(price_in))
    network.add(
        "Generator", "export", bus="site", sign=-1, p_nom=grid.export_limit_kw, marginal_cost=over_time(-price_out)
    )
    charge, discharge = battery.charge_efficiency, battery.discharge_efficiency
    network.add(
        "Link",
        "charge",
        bus0="site",
        bus1="cells",
        efficiency=charge,
        p_nom_extendable=True,
        p_nom_max=battery.power_kw.max,
        capital_cost=annual(battery.power_kw, scenario),
    )
    # a link's size is that of its entrance, here at the cells
    network.add(
        "Link",
        "discharge",
        bus0="cells",
        bus1="site",
        efficiency=discharge,
        p_nom_extendable=True,
        marginal_cost=battery.wear_cost_per_kwh * discharge,
    )
    network.add(
        "Store",
        "cells",
        bus="cells",
        e_nom_extendable=True,
        e_nom_max=battery.energy_kwh.max,
        e_min_pu=battery.soc_min,
        e_max_pu=battery.soc_max,
        e_cyclic=True,
        capital_cost=annual(battery.energy_kwh, scenario),
    )
    network.optimize.create_model()
    link, store = network.model.variables["Link-p_nom"], network.model.variables["Store-e_nom"]
    network.model.add_constraints(link.sel(name="charge") - discharge * link.sel(name="discharge") == 0, name="same")
    if duration_hours is not None:
        row = store.sel(name="cells") - duration_hours * link.sel(name="charge") == 0
        network.model.add_constraints(row, name="duration")
    return network


@pytest.mark.filterwarnings("ignore")  # what other packages warn of is not ours
@pytest.mark.parametrize("case", CASES)
def test_pypsa_finds_the_same_cost_and_sizes(case: str) -> None:
    pytest.importorskip("pypsa")
    for name in ("pypsa", "linopy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    scenario = load_scenario(TINY, settings=[*SETTINGS, *CASES[case]])
    plan = Planner(scenario, solver="highs").plan(scenario)
    battery: Any = scenario.components["battery"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = network_of(scenario, plan, battery.duration_hours)
        _, condition = network.optimize.solve_model(solver_name="highs", output_flag=False)
    assert condition == "optimal"
    assert plan.cost == pytest.approx(float(network.objective + network.objective_constant), rel=1e-6)
    # the optimum is unique here, so the sizes are too
    assert plan.size("battery.energy_kwh") > 10
    assert plan.size("pv.capacity_kw") > 10
    assert plan.size("battery.energy_kwh") == pytest.approx(network.stores.e_nom_opt["cells"], rel=1e-4)
    assert plan.size("pv.capacity_kw") == pytest.approx(network.generators.p_nom_opt["pv"], rel=1e-4)

"""The reference case as a PyPSA network: stores for battery and waiting work, a custom constraint for the peaks."""

from __future__ import annotations

import logging
import time
import warnings

import numpy as np
import pandas as pd
import pypsa
import xarray as xr

from benchmarks.reference import ReferenceCase
from benchmarks.registry import Outcome


def solve_with_pypsa(case: ReferenceCase) -> Outcome:
    """Build the network, its model (linopy) and solve with HiGHS; the model belongs to the building."""
    for name in ("pypsa", "linopy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = _network(case)
        network.optimize.create_model()
        _add_demand_charge(network, case)
        if case.sizes is not None:
            _couple_powers(network, case)
        built = time.perf_counter()
        # handing arrays to the solver takes two thirds of the time that writing it a file takes, the default
        status, condition = network.optimize.solve_model(
            solver_name="highs", io_api="direct", log_to_console=False, output_flag=False
        )
    solved = time.perf_counter()
    if condition != "optimal":
        raise RuntimeError(f"PyPSA: {status}, {condition}")
    return Outcome(float(network.objective + network.objective_constant), built - started, solved - built)


def _network(case: ReferenceCase) -> pypsa.Network:
    battery, sizes = case.battery, case.sizes
    pv = {"p_nom": case.pv_kw}
    charge = {"p_nom": battery.power_kw}
    # PyPSA limits and prices a link at its entrance, which is the battery's side when it discharges
    discharge = {"p_nom": battery.power_kw / battery.discharge_efficiency}
    store = {"e_nom": battery.energy_kwh}
    if sizes is not None:
        pv = {"p_nom_extendable": True, "p_nom_max": sizes.largest_pv_kw, "capital_cost": sizes.pv_per_kw}
        charge = {"p_nom_extendable": True, "p_nom_max": sizes.largest_power_kw, "capital_cost": sizes.power_per_kw}
        discharge = {"p_nom_extendable": True}
        store = {"e_nom_extendable": True, "e_nom_max": sizes.largest_energy_kwh, "capital_cost": sizes.energy_per_kwh}
    network = pypsa.Network()
    snapshots = pd.date_range("2025-01-01", periods=case.num_steps, freq=pd.Timedelta(hours=case.step_hours))
    network.set_snapshots(snapshots)
    network.snapshot_weightings.loc[:, :] = case.step_hours

    def series(values: np.ndarray) -> pd.Series:
        return pd.Series(values, index=snapshots)

    network.add("Bus", ["site", "battery"])
    network.add("Load", "load", bus="site", p_set=series(case.load_kw))
    network.add("Generator", "pv", bus="site", p_max_pu=series(case.pv_yield), **pv)
    network.add("Generator", "import", bus="site", p_nom=case.import_limit_kw, marginal_cost=series(case.import_price))
    network.add(
        "Generator", "export", bus="site", sign=-1, p_nom=case.export_limit_kw, marginal_cost=series(-case.export_price)
    )
    network.add(
        "Link",
        "charge",
        bus0="site",
        bus1="battery",
        efficiency=battery.charge_efficiency,
        **charge,
    )
    network.add(
        "Link",
        "discharge",
        bus0="battery",
        bus1="site",
        efficiency=battery.discharge_efficiency,
        marginal_cost=battery.wear_per_kwh * battery.discharge_efficiency,
        **discharge,
    )
    network.add(
        "Store",
        "battery",
        bus="battery",
        e_min_pu=battery.soc_min,
        e_max_pu=battery.soc_max,
        e_cyclic=True,
        standing_loss=battery.self_discharge_per_hour,
        **store,
    )
    for flexible in case.flexible:
        # the backlog is a store below zero
        network.add("Bus", flexible.name)
        network.add("Load", flexible.name, bus=flexible.name, p_set=series(flexible.arrivals_kwh / case.step_hours))
        # PyPSA limits a link at its entrance, where the bus gives more than is served
        entering = flexible.power_kw if flexible.bus_kw_per_kw is None else flexible.power_kw * flexible.bus_kw_per_kw
        power, longest = float(entering.max()), float(flexible.longest_backlog_kwh.max())
        network.add(
            "Link",
            flexible.name,
            bus0="site",
            bus1=flexible.name,
            p_nom=power,
            p_max_pu=series(entering / power),
            efficiency=1.0 if flexible.bus_kw_per_kw is None else series(1.0 / flexible.bus_kw_per_kw),
        )
        network.add(
            "Store",
            flexible.name,
            bus=flexible.name,
            e_nom=longest,
            e_min_pu=series(-flexible.longest_backlog_kwh / longest),
            e_max_pu=0.0,
        )
        if flexible.missed_kw is not None:
            most = float(flexible.missed_kw.max())
            network.add(
                "Generator",
                f"{flexible.name} missed",
                bus=flexible.name,
                p_nom=most,
                p_max_pu=series(flexible.missed_kw / most),
                marginal_cost=flexible.missed_price_per_kwh,
            )
    return network


def _add_demand_charge(network: pypsa.Network, case: ReferenceCase) -> None:
    model = network.model
    months = pd.RangeIndex(case.num_months, name="month")
    peak = model.add_variables(lower=0.0, coords=[months], name="peak")
    bought = model.variables["Generator-p"].sel(name="import")
    month = xr.DataArray(case.month, coords={"snapshot": network.snapshots}, dims="snapshot")
    model.add_constraints(peak.sel(month=month) - bought >= 0.0, name="below_peak")
    model.objective = model.objective + case.demand_price_per_kw_month * peak.sum()


def _couple_powers(network: pypsa.Network, case: ReferenceCase) -> None:
    size = network.model.variables["Link-p_nom"]
    efficiency = case.battery.discharge_efficiency
    network.model.add_constraints(
        size.sel(name="charge") - efficiency * size.sel(name="discharge") == 0.0, name="one_converter"
    )

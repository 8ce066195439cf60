"""The reference case in oemof.solph, without the demand charge: Pyomo builds the model, HiGHS solves it.

A charge on the highest flow of each month has no place in solph without writing Pyomo rows by hand, so this peer takes
only cases whose demand charge is 0.
"""

from __future__ import annotations

import logging
import time
import warnings

import numpy as np
import pandas as pd
from oemof import solph

from benchmarks.reference import Flexible, ReferenceCase
from benchmarks.registry import Outcome


def solve_with_oemof(case: ReferenceCase) -> Outcome:
    """Build the energy system and its Pyomo model, and solve with HiGHS."""
    if case.demand_price_per_kw_month:
        raise ValueError("oemof.solph: only cases without a demand charge")
    logging.disable(logging.WARNING)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system = _system(case)
        model = solph.Model(system)
        if case.sizes is not None:
            site, battery = system.node["site"], system.node["battery"]
            power = model.InvestmentFlowBlock.invest
            solph.constraints.equate_variables(model, power[site, battery, 0], power[battery, site, 0])
        built = time.perf_counter()
        model.solve(solver="highs")  # raises where it finds no optimum
    solved = time.perf_counter()
    return Outcome(float(model.objective()), built - started, solved - built)


def _system(case: ReferenceCase) -> solph.EnergySystem:
    flow, battery, sizes = solph.Flow, case.battery, case.sizes
    pv, charge, discharge, energy = case.pv_kw, battery.power_kw, battery.power_kw, battery.energy_kwh
    if sizes is not None:
        pv = solph.Investment(ep_costs=sizes.pv_per_kw, maximum=sizes.largest_pv_kw)
        charge = solph.Investment(ep_costs=sizes.power_per_kw, maximum=sizes.largest_power_kw)
        discharge = solph.Investment(maximum=sizes.largest_power_kw)
        energy = solph.Investment(ep_costs=sizes.energy_per_kwh, maximum=sizes.largest_energy_kwh)
    # points in time: one more than steps
    index = pd.date_range("2025-01-01", periods=case.num_steps + 1, freq=pd.Timedelta(hours=case.step_hours))
    system = solph.EnergySystem(timeindex=index, infer_last_interval=False)
    site = solph.Bus("site")
    system.add(
        site,
        solph.components.Source("pv", outputs={site: flow(nominal_capacity=pv, max=case.pv_yield)}),
        solph.components.Source(
            "import", outputs={site: flow(nominal_capacity=case.import_limit_kw, variable_costs=case.import_price)}
        ),
        solph.components.Sink(
            "export", inputs={site: flow(nominal_capacity=case.export_limit_kw, variable_costs=-case.export_price)}
        ),
        solph.components.Sink("load", inputs={site: flow(nominal_capacity=1.0, fix=case.load_kw)}),
        solph.components.GenericStorage(
            "battery",
            inputs={site: flow(nominal_capacity=charge)},
            outputs={site: flow(nominal_capacity=discharge, variable_costs=battery.wear_per_kwh)},
            nominal_capacity=energy,
            min_storage_level=battery.soc_min,
            max_storage_level=battery.soc_max,
            loss_rate=battery.self_discharge_per_hour,
            inflow_conversion_factor=battery.charge_efficiency,
            outflow_conversion_factor=battery.discharge_efficiency,
            balanced=True,
        ),
    )
    for flexible in case.flexible:
        _add_flexible(system, site, flexible, case.step_hours)
    return system


def _add_flexible(system: solph.EnergySystem, site: solph.Bus, work: Flexible, step_hours: float) -> None:
    """Work that arrives on a bus, waits in a store, and is turned into work done by power of the site."""
    flow = solph.Flow
    queue, done = solph.Bus(f"{work.name} queue"), solph.Bus(f"{work.name} done")
    longest, power = float(work.longest_backlog_kwh.max()), float(work.power_kw.max())
    system.add(
        queue,
        done,
        solph.components.Source(
            f"{work.name} arrivals", outputs={queue: flow(nominal_capacity=1.0, fix=work.arrivals_kwh / step_hours)}
        ),
        solph.components.Sink(f"{work.name} finished", inputs={done: flow()}),
        solph.components.Converter(
            work.name,
            inputs={site: flow(), queue: flow(nominal_capacity=power, max=work.power_kw / power)},
            outputs={done: flow()},
            conversion_factors={site: 1.0 if work.bus_kw_per_kw is None else work.bus_kw_per_kw, queue: 1.0, done: 1.0},
        ),
        solph.components.GenericStorage(
            f"{work.name} waiting",
            inputs={queue: flow()},
            outputs={queue: flow()},
            nominal_capacity=longest,
            initial_storage_level=0.0,
            max_storage_level=np.concatenate([[0.0], work.longest_backlog_kwh / longest]),
            balanced=False,
        ),
    )
    if work.missed_kw is not None:
        most = float(work.missed_kw.max())
        missed = flow(nominal_capacity=most, max=work.missed_kw / most, variable_costs=work.missed_price_per_kwh)
        system.add(solph.components.Sink(f"{work.name} missed", inputs={queue: missed}))

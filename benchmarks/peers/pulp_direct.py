"""The reference case as a user of PuLP writes it: dictionaries of variables and one expression per row."""

from __future__ import annotations

import time
import warnings

import pulp

from benchmarks.reference import ReferenceCase
from benchmarks.registry import Outcome


def solve_with_pulp(case: ReferenceCase, solver: str = "HiGHS") -> Outcome:
    """Build the problem object by object and solve it with one of PuLP's solvers."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        # PuLP 3.3 announces PuLP 4
        warnings.simplefilter("ignore")
        problem = _build(case)
        built = time.perf_counter()
        problem.solve(pulp.getSolver(solver, msg=False))
    solved = time.perf_counter()
    if pulp.LpStatus[problem.status] != "Optimal":
        raise RuntimeError(f"PuLP with {solver}: {pulp.LpStatus[problem.status]}")
    return Outcome(pulp.value(problem.objective), built - started, solved - built)


def _build(case: ReferenceCase) -> pulp.LpProblem:
    dt, battery, steps = case.step_hours, case.battery, range(case.num_steps)
    keep = 1.0 - battery.self_discharge_per_hour * dt
    lowest, highest = battery.soc_min * battery.energy_kwh, battery.soc_max * battery.energy_kwh
    # plain lists: indexing numpy arrays element by element is slow, and a PuLP user learns that soon
    available, load = case.available_kw.tolist(), case.load_kw.tolist()
    import_price, export_price = case.import_price.tolist(), case.export_price.tolist()
    month = case.month.tolist()

    problem = pulp.LpProblem("reference", pulp.LpMinimize)
    variable, variables = problem.add_variable, problem.add_variable_dicts
    sizes = case.sizes
    if sizes is None:
        generation = {t: variable(f"generation_{t}", 0, available[t]) for t in steps}
        charge = variables("charge", steps, 0, battery.power_kw)
        discharge = variables("discharge", steps, 0, battery.power_kw)
        energy = variables("energy", steps, lowest, highest)
    else:
        generation, charge = variables("generation", steps, 0), variables("charge", steps, 0)
        discharge, energy = variables("discharge", steps, 0), variables("energy", steps, 0)
        pv_kw = variable("pv_kw", 0, sizes.largest_pv_kw)
        battery_kwh = variable("battery_kwh", 0, sizes.largest_energy_kwh)
        battery_kw = variable("battery_kw", 0, sizes.largest_power_kw)
        pv_yield = case.pv_yield.tolist()
    bought = variables("import", steps, 0, case.import_limit_kw)
    sold = variables("export", steps, 0, case.export_limit_kw)
    peak = variables("peak", range(case.num_months), 0)
    served, backlog, missed = {}, {}, {}
    for flexible in case.flexible:
        power, longest = flexible.power_kw.tolist(), flexible.longest_backlog_kwh.tolist()
        served[flexible.name] = {t: variable(f"{flexible.name}_served_{t}", 0, power[t]) for t in steps}
        backlog[flexible.name] = {t: variable(f"{flexible.name}_backlog_{t}", 0, longest[t]) for t in steps}
        if flexible.missed_kw is not None:
            most = flexible.missed_kw.tolist()
            missed[flexible.name] = {t: variable(f"{flexible.name}_missed_{t}", 0, most[t]) for t in steps}

    cost = pulp.lpSum(
        import_price[t] * dt * bought[t] - export_price[t] * dt * sold[t] + battery.wear_per_kwh * dt * discharge[t]
        for t in steps
    ) + case.demand_price_per_kw_month * pulp.lpSum(peak.values())
    for flexible in case.flexible:
        if flexible.missed_kw is not None:
            price = flexible.missed_price_per_kwh * dt
            cost += pulp.lpSum(price * power for power in missed[flexible.name].values())
    if sizes is None:
        problem += cost
    else:
        problem += cost + sizes.pv_per_kw * pv_kw + sizes.energy_per_kwh * battery_kwh + sizes.power_per_kw * battery_kw
        for t in steps:
            problem += generation[t] <= pv_yield[t] * pv_kw
            problem += charge[t] <= battery_kw
            problem += discharge[t] <= battery_kw
            problem += energy[t] <= battery.soc_max * battery_kwh
            problem += energy[t] >= battery.soc_min * battery_kwh
    bus_kw_per_kw = {
        flexible.name: [1.0] * case.num_steps if flexible.bus_kw_per_kw is None else flexible.bus_kw_per_kw.tolist()
        for flexible in case.flexible
    }
    for t in steps:
        # t - 1 of the first step is the last one: the year ends where it began
        previous = energy[t - 1] if t else energy[case.num_steps - 1]
        inflow = dt * battery.charge_efficiency * charge[t] - dt / battery.discharge_efficiency * discharge[t]
        problem += energy[t] == keep * previous + inflow
        problem += peak[month[t]] >= bought[t]
        flexible_power = pulp.lpSum(bus_kw_per_kw[name][t] * power[t] for name, power in served.items())
        problem += generation[t] + bought[t] + discharge[t] == load[t] + sold[t] + charge[t] + flexible_power
    for flexible in case.flexible:
        power, waiting, arrivals = served[flexible.name], backlog[flexible.name], flexible.arrivals_kwh.tolist()
        undone = missed.get(flexible.name)
        for t in steps:
            left = arrivals[t] - dt * power[t] if undone is None else arrivals[t] - dt * power[t] - dt * undone[t]
            problem += waiting[t] == (waiting[t - 1] + left if t else left)
    return problem

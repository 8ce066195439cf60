"""The reference year as programs: PV, cyclic battery, EV and compute backlogs, import and export, monthly peaks.

Every number of the sweep's axes (battery, PV, tariff, seed) is a bound, a cost or a right-hand side, so that all
scenarios of one length share one matrix, which is what a warm-started simplex wants, too.
"""

from __future__ import annotations

import numpy as np

from vpp_sim.lp import LinearProgram, ProgramBuilder

MONTH_HOURS = 730


def reference_program(
    *,
    hours: int = 8760,
    per_hour: int = 1,
    first_hour: int = 0,
    seed: int = 0,
    sizes: bool = False,
    battery_kwh: float = 3600.0,
    pv_kw: float = 3000.0,
    price_factor: float = 1.0,
    shifted_tariff: bool = False,
    whole: int = 8760,
) -> LinearProgram:
    """One program; a window of a year where `first_hour` and `hours` say so."""
    random = np.random.default_rng(seed)
    dt, steps_of_year = 1.0 / per_hour, whole * per_hour
    begin, count = first_hour * per_hour, hours * per_hour
    hour = np.arange(steps_of_year) * dt
    of_day = hour % 24
    day = (hour // 24).astype(int)
    clear = np.clip(np.sin((of_day - 6.5) / 12 * np.pi), 0, None) * random.uniform(0.2, 1, day.max() + 1)[day]
    evening = (16, 22) if shifted_tariff else (17, 23)
    high = ((of_day >= 7) & (of_day < 9)) | ((of_day >= evening[0]) & (of_day < evening[1]))
    price = np.where(high, 0.6212, np.where((of_day >= 9) & (of_day < 17), 0.2575, 0.4422)) * price_factor
    load = 600 + 300 * np.clip(np.sin((of_day - 8) / 10 * np.pi), 0, None) + random.uniform(0, 50, steps_of_year)
    arrivals = {name: random.gamma(1.0, mean, steps_of_year) * dt for name, _, mean in BACKLOGS}
    cut = slice(begin, begin + count)
    clear, price, load = clear[cut], price[cut], load[cut]
    month = np.minimum((hour[cut] / MONTH_HOURS).astype(int), 11)

    build = ProgramBuilder(count)
    first, last = np.zeros(count), np.zeros(count)
    first[0], last[-1] = 1.0, 1.0
    if sizes:
        share = hours / 8760
        pv = build.global_variables("pv.size", upper=20000, cost=2700 * 0.08 * share)
        energy = build.global_variables("battery.energy", upper=40000, cost=700 * 0.1 * share)
        power = build.global_variables("battery.power", upper=20000, cost=250 * 0.1 * share)
        made = build.variables("pv.generation")
        charge, discharge = build.variables("battery.charge"), build.variables("battery.discharge", cost=0.02 * dt)
        state = build.variables("battery.state")
        build.constrain("pv.limit", [(made, 1.0), (pv, -clear)], upper=0.0)
        build.constrain("battery.charge_limit", [(charge, 1.0), (power, -1.0)], upper=0.0)
        build.constrain("battery.discharge_limit", [(discharge, 1.0), (power, -1.0)], upper=0.0)
        build.constrain("battery.full", [(state, 1.0), (energy, -0.9)], upper=0.0)
        build.constrain("battery.empty", [(state, 1.0), (energy, -0.1)], lower=0.0)
    else:
        made = build.variables("pv.generation", upper=pv_kw * clear)
        charge = build.variables("battery.charge", upper=battery_kwh / 2)
        discharge = build.variables("battery.discharge", upper=battery_kwh / 2, cost=0.02 * dt)
        state = build.variables("battery.state", lower=0.1 * battery_kwh, upper=0.9 * battery_kwh)
    start = build.global_variables("battery.start", upper=1e5)
    keep, eta = 1.0 - 1e-5 * dt, 0.933
    flow = [(state, 1.0), (state.previous, -keep), (start, -first * keep), (charge, -dt * eta), (discharge, dt / eta)]
    build.constrain("battery.dynamics", flow, equals=0.0)
    build.constrain_total("battery.cycle", [(state, last), (start, -1.0)], equals=0.0)
    take = build.variables("grid.import", upper=6000, cost=price * dt)
    give = build.variables("grid.export", upper=2000, cost=-0.2 * dt)
    peak = build.global_variables("grid.peak", 12, cost=33.0)
    build.constrain("grid.peak_is", [(peak.at(month), 1.0), (take, -1.0)], lower=0.0)
    bus = [(made, 1.0), (take, 1.0), (give, -1.0), (discharge, 1.0), (charge, -1.0)]
    for name, delay, mean in BACKLOGS:
        come = arrivals[name][cut]
        wait = min(delay * per_hour, count)
        arrived = np.cumsum(come)
        due = np.concatenate([np.zeros(wait), arrived[:-wait]])
        due[-1] = arrived[-1]
        work = build.variables(f"{name}.power", upper=mean * 4)
        backlog = build.variables(f"{name}.backlog", upper=np.maximum(arrived - due, 0.0))
        build.constrain(f"{name}.dynamics", [(backlog, 1.0), (backlog.previous, -1.0), (work, dt)], equals=come)
        bus.append((work, -1.0))
    build.constrain("bus", bus, equals=load)
    return build.freeze()


BACKLOGS = (("vehicles", 6, 200.0), ("compute", 24, 350.0))

"""Random programs with chain structure, in the shape of dispatch problems: every block on and off."""

from __future__ import annotations

import numpy as np

from vpp_sim.lp import LinearProgram, ProgramBuilder


def random_program(seed: int, *, max_steps: int = 400, numbers_seed: int | None = None) -> LinearProgram:
    """A feasible program; `seed` decides its shape and `numbers_seed` (else the same) its numbers."""
    shape = np.random.default_rng(seed)
    hours = int(shape.choice([24, 48, 96, 168, 336]))
    per_hour = int(shape.choice([1, 1, 1, 4]))
    while hours * per_hour > max_steps:
        hours = hours // 2
    on = {name: bool(shape.random() < share) for name, share in SHARES.items()}
    return chain_program(hours, per_hour, on, np.random.default_rng(seed if numbers_seed is None else numbers_seed))


SHARES = {
    "pv": 0.8,
    "battery": 0.8,
    "vehicles": 0.6,
    "compute": 0.6,
    "second_class": 0.3,
    "export": 0.7,
    "peaks": 0.6,
    "many_peaks": 0.4,
    "sizes": 0.35,
    "cyclic": 0.6,
    "shared_racks": 0.4,
    "export_share": 0.25,
    "emission_cap": 0.2,
    "signed_net": 0.25,
    "shed": 0.3,
    "ramp": 0.2,
    "no_simultaneous": 0.25,
    "vehicle_to_grid": 0.25,
    "redundant": 0.15,
    "negative_prices": 0.4,
    "kiosk_or_campus": 0.3,
    "zero_capacity": 0.1,
}


def chain_program(hours: int, per_hour: int, on: dict[str, bool], rng: np.random.Generator) -> LinearProgram:
    """One program of the given blocks."""
    dt, steps = 1.0 / per_hour, hours * per_hour
    size = 1.0
    if on["kiosk_or_campus"]:
        size = float(rng.choice([0.05, 125.0]))
    hour = np.arange(steps) * dt
    of_day = hour % 24
    days = (hour // 24).astype(int)
    clear = np.clip(np.sin((of_day - 6.5) / 12 * np.pi), 0, None) * rng.uniform(0.1, 1, days.max() + 1)[days]
    price = np.where(of_day >= 17, 0.62, np.where((of_day >= 9), 0.26, 0.44)) * rng.uniform(0.5, 2.0)
    if on["negative_prices"]:
        price = price + rng.normal(0.0, 0.3, steps)
    load = size * (400 + 300 * np.clip(np.sin((of_day - 8) / 10 * np.pi), 0, None) + rng.uniform(0, 50, steps))
    build = ProgramBuilder(steps)
    bus = []
    first, last = np.zeros(steps), np.zeros(steps)
    first[0], last[-1] = 1.0, 1.0
    price_out = 0.2 if on["export"] else 0.0
    take = build.variables("grid.import", upper=size * 8000, cost=price * dt)
    # selling never pays more than buying costs, so that the program has an end
    give = build.variables("grid.export", upper=size * 2000 * on["export"], cost=-np.minimum(price_out, price) * dt)
    bus += [(take, 1.0), (give, -1.0)]
    if on["pv"]:
        kilowatts = 0.0 if on["zero_capacity"] else size * rng.uniform(200, 3000)
        if on["sizes"]:
            free = build.global_variables("pv.size", upper=size * 5000, cost=2700 * 0.08 * hours / 8760)
            made = build.variables("pv.generation")
            build.constrain("pv.limit", [(made, 1.0), (free, -clear)], upper=0.0)
        else:
            made = build.variables("pv.generation", upper=kilowatts * clear)
        bus.append((made, 1.0))
        if on["export_share"]:
            terms = [(give, dt)] + ([(free, -0.2 * float(clear.sum()) * dt)] if on["sizes"] else [])
            build.constrain_total(
                "export.share", terms, upper=0.0 if on["sizes"] else 0.2 * kilowatts * clear.sum() * dt
            )
    if on["battery"]:
        energy = 0.0 if on["zero_capacity"] else size * rng.uniform(100, 4000)
        loss = 1.0 - 1e-5 * dt
        eta = rng.uniform(0.85, 1.0)
        start = build.global_variables("battery.start", upper=np.inf if on["sizes"] else energy)
        if on["sizes"]:
            free_energy = build.global_variables("battery.energy", upper=size * 9000, cost=70 * hours / 8760)
            free_power = build.global_variables("battery.power", upper=size * 4000, cost=25 * hours / 8760)
            charge, discharge = build.variables("battery.charge"), build.variables("battery.discharge", cost=0.02 * dt)
            state = build.variables("battery.state")
            build.constrain("battery.charge_limit", [(charge, 1.0), (free_power, -1.0)], upper=0.0)
            build.constrain("battery.discharge_limit", [(discharge, 1.0), (free_power, -1.0)], upper=0.0)
            build.constrain("battery.full", [(state, 1.0), (free_energy, -0.9)], upper=0.0)
            build.constrain("battery.empty", [(state, 1.0), (free_energy, -0.1)], lower=0.0)
        else:
            charge = build.variables("battery.charge", upper=energy / 2)
            discharge = build.variables("battery.discharge", upper=energy / 2, cost=0.02 * dt)
            state = build.variables("battery.state", lower=0.1 * energy, upper=0.9 * energy)
            if on["no_simultaneous"]:
                build.constrain("battery.both", [(charge, 1.0), (discharge, 1.0)], upper=energy / 2)
        flow = [
            (state, 1.0),
            (state.previous, -loss),
            (start, -first * loss),
            (charge, -dt * eta),
            (discharge, dt / eta),
        ]
        build.constrain("battery.dynamics", flow, equals=0.0)
        if on["cyclic"]:
            build.constrain_total("battery.cycle", [(state, last), (start, -1.0)], equals=0.0)
        else:
            build.constrain_total("battery.begin", [(start, 1.0)], equals=0.0 if on["sizes"] else 0.5 * energy)
            if on["sizes"]:
                # an empty start needs an empty floor: the energy may be zero
                pass
        bus += [(discharge, 1.0), (charge, -1.0)]
        if on["ramp"]:
            build.constrain(
                "battery.ramp", [(charge, 1.0), (charge.previous, -1.0)], lower=-size * 500, upper=size * 500
            )
    if on["vehicles"]:
        power = _backlog(build, bus, "vehicles", 6, size * 200, steps, per_hour, dt, rng, two_way=on["vehicle_to_grid"])
        if on["redundant"]:
            build.constrain("vehicles.redundant", [(power, 2.0)], upper=size * 1e5)
    racks = []
    if on["compute"]:
        racks.append((_backlog(build, bus, "compute", 24, size * 300, steps, per_hour, dt, rng), 1.0))
        if on["second_class"]:
            racks.append((_backlog(build, bus, "batch", 4, size * 100, steps, per_hour, dt, rng), 1.0))
        if on["shared_racks"]:
            build.constrain("compute.racks", racks, upper=size * 1800)
    if on["shed"]:
        shed = build.variables("load.shed", upper=0.1 * load, cost=rng.uniform(0.3, 5.0) * dt)
        bus.append((shed, 1.0))
    if on["signed_net"]:
        net = build.variables("net", lower=-np.inf)
        build.constrain("net.is", [(net, 1.0), (take, -1.0), (give, 1.0)], equals=0.0)
    if on["peaks"]:
        if on["many_peaks"]:
            month = np.minimum(days // 2, 11)
            peak = build.global_variables("grid.peak", 12, cost=33.0 / 15)
            build.constrain("grid.peak_is", [(peak.at(month), 1.0), (take, -1.0)], lower=0.0)
        else:
            peak = build.global_variables("grid.peak", cost=33.0 * hours / 730)
            build.constrain("grid.peak_is", [(peak, 1.0), (take, -1.0)], lower=0.0)
    if on["emission_cap"]:
        most = size * 1400 * steps * dt
        build.constrain_total("import.cap", [(take, dt)], upper=most)
    build.constrain("bus", bus, equals=load)
    return build.freeze()


def _backlog(build, bus, name, delay, mean, steps, per_hour, dt, rng, *, two_way=False):
    """Work that arrives and may wait `delay` hours, as a backlog between its earliest and latest curves."""
    arrivals = rng.gamma(1.0, mean, steps) * dt
    wait = min(delay * per_hour, steps)
    arrived = np.cumsum(arrivals)
    due = np.concatenate([np.zeros(wait), arrived[:-wait]])
    due[-1] = arrived[-1]
    # strong enough for the last step, where everything left is due at once
    power = build.variables(
        f"{name}.power", upper=mean * 4 + (arrived[-1] - due[-2] if steps > 1 else arrived[-1]) / dt
    )
    backlog = build.variables(f"{name}.backlog", upper=np.maximum(arrived - due, 0.0))
    terms = [(backlog, 1.0), (backlog.previous, -1.0), (power, dt)]
    if two_way:
        back = build.variables(f"{name}.back", upper=mean, cost=0.05 * dt)
        terms.append((back, -dt / 0.9))
        bus.append((back, 1.0))
    build.constrain(f"{name}.dynamics", terms, equals=arrivals)
    bus.append((power, -1.0))
    return power

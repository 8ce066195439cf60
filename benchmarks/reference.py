"""The reference year as plain arrays, so that every tool is given exactly the same problem.

PV, a battery whose year ends where it began (the start is chosen), flexible loads between what has arrived and
what must be done, import and export at prices per step, and a demand charge on each month's highest import.
Powers in kW, means over a step; energies in kWh, end of step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the peers read cases without our package
    from vpp_sim.components import DataCentre, EvStation
    from vpp_sim.components.base import Inputs
    from vpp_sim.lp import LinearProgram
    from vpp_sim.scenario import Scenario
    from vpp_sim.time_grid import TimeGrid

SCENARIO_FILE = Path(__file__).parent / "cases" / "reference_year.yaml"

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Battery:
    """Energy e, charge c, discharge d: e[t] = keep e[t-1] + dt (charge_efficiency c - d / discharge_efficiency)."""

    power_kw: float
    energy_kwh: float
    charge_efficiency: float = 0.933
    discharge_efficiency: float = 0.933
    soc_min: float = 0.1
    soc_max: float = 0.9
    self_discharge_per_hour: float = 1e-5
    wear_per_kwh: float = 0.02


@dataclass(frozen=True)
class Flexible:
    """Work that arrives and may wait: 0 <= backlog <= longest_backlog_kwh, 0 <= served <= power_kw; (num_steps,).

    Serving takes `bus_kw_per_kw` from the bus (a PUE; None for 1). With a price, up to `missed_kw` may be left undone.
    """

    name: str
    power_kw: FloatArray
    arrivals_kwh: FloatArray
    longest_backlog_kwh: FloatArray
    bus_kw_per_kw: FloatArray | None = None
    missed_kw: FloatArray | None = None
    missed_price_per_kwh: float = 0.0


@dataclass(frozen=True)
class Sizes:
    """Costs over the horizon of PV, energy and power of the battery where these are free, and their largest values."""

    pv_per_kw: float = 220.0
    energy_per_kwh: float = 70.0
    power_per_kw: float = 25.0
    largest_pv_kw: float = 20000.0
    largest_energy_kwh: float = 40000.0
    largest_power_kw: float = 20000.0


@dataclass(frozen=True)
class ReferenceCase:
    """One site over num_steps steps of step_hours; all series (num_steps,), `month` counted from 0.

    With `sizes` the PV capacity and the battery's power and energy are chosen, whatever is given for them.
    """

    step_hours: float
    pv_kw: float
    pv_yield: FloatArray
    load_kw: FloatArray
    import_price: FloatArray
    export_price: FloatArray
    import_limit_kw: float
    export_limit_kw: float
    month: NDArray[np.int64]
    demand_price_per_kw_month: float
    battery: Battery
    flexible: tuple[Flexible, ...]
    sizes: Sizes | None = None

    @property
    def available_kw(self) -> FloatArray:
        return self.pv_kw * self.pv_yield

    @property
    def num_steps(self) -> int:
        return self.load_kw.size

    @property
    def num_months(self) -> int:
        return int(self.month.max()) + 1


def synthetic(hours: int = 8760, step_minutes: int = 60, seed: int = 0, free_sizes: bool = False) -> ReferenceCase:
    """A seeded year, or part of one: 3 MW of sun on days of random clarity, time-of-use prices, EV and compute."""
    rng = np.random.default_rng(seed)
    dt = step_minutes / 60.0
    num_steps = round(hours / dt)
    clock = np.arange(num_steps) * dt
    hour, day = clock % 24.0, (clock // 24.0).astype(np.int64)
    clarity = rng.uniform(0.2, 1.0, int(day[-1]) + 1)[day]
    season = 1.0 + 0.3 * np.cos((clock / 24.0 - 172.0) / 365.0 * 2.0 * np.pi)
    peak = ((hour >= 7) & (hour < 9)) | ((hour >= 17) & (hour < 23))
    valley = (hour >= 9) & (hour < 17)

    def waiting(name: str, delay_hours: float, mean_kw: float) -> Flexible:
        arrivals = np.maximum(rng.gamma(2.0, 0.5 * mean_kw, num_steps), 0.01 * mean_kw) * dt
        due_steps = round(delay_hours / dt)
        arrived = np.cumsum(arrivals)
        due = np.concatenate([np.zeros(due_steps), arrived])[:num_steps]
        due[-1] = arrived[-1]
        return Flexible(name, np.full(num_steps, 4.0 * mean_kw), arrivals, np.maximum(arrived - due, 0.0))

    return ReferenceCase(
        step_hours=dt,
        pv_kw=3000.0,
        pv_yield=clarity * season / 1.3 * np.clip(np.sin((hour - 6.5) / 12.0 * np.pi), 0.0, None),
        load_kw=600.0 + 300.0 * np.clip(np.sin((hour - 8.0) / 10.0 * np.pi), 0.0, None) + rng.uniform(0, 50, num_steps),
        import_price=np.where(peak, 0.6212, np.where(valley, 0.2575, 0.4422)),
        export_price=np.full(num_steps, 0.2),
        import_limit_kw=6000.0,
        export_limit_kw=2000.0,
        month=np.minimum((clock / 730.0).astype(np.int64), 11),
        demand_price_per_kw_month=33.0,
        battery=Battery(power_kw=1800.0, energy_kwh=3600.0),
        flexible=(waiting("ev", 6.0, 200.0), waiting("compute", 24.0, 350.0)),
        sizes=_part_of_a_year(Sizes(), hours) if free_sizes else None,
    )


def _part_of_a_year(sizes: Sizes, hours: int) -> Sizes:
    """The same sizes at their cost for some hours; the defaults are for a year."""
    share = hours / 8760.0
    return replace(
        sizes,
        pv_per_kw=sizes.pv_per_kw * share,
        energy_per_kwh=sizes.energy_per_kwh * share,
        power_per_kw=sizes.power_per_kw * share,
    )


def from_scenario(scenario: Scenario, inputs: Mapping[str, Inputs] | None = None) -> ReferenceCase:
    """The arrays of a scenario that has what the reference year has, so that every tool can be given the same problem.

    They come from the inputs and parameters of the components, not from our program.

    Raises:
        ValueError: the scenario has something that a ReferenceCase cannot say.
    """
    from vpp_sim.tariffs import MaxDemand

    inputs = scenario.read_inputs() if inputs is None else inputs
    parts: dict[str, list[str]] = {}
    for name, component in scenario.components.items():
        parts.setdefault(component.kind_name, []).append(name)
    single = {kind: names[0] for kind, names in parts.items() if len(names) == 1}
    if not {"pv", "battery", "grid"} <= single.keys():
        raise ValueError("a reference case needs exactly one each of pv, battery and grid")
    grid, tariff = scenario.grid, scenario.tariff
    pv, store, connection = (scenario.components[single[kind]] for kind in ("pv", "battery", "grid"))
    prices = inputs[single["grid"]].series
    plain_store = store.closure == "cyclic" and store.charge_from == "any" and store.export == "allowed"
    demand = tariff.demand
    if not plain_store or not isinstance(demand, MaxDemand) or demand.ratchet or demand.min_kw or tariff.tiers:
        raise ValueError("a reference case has a cyclic battery without rules and a plain charge on the highest demand")
    if any(component.free_sizes() for component in scenario.components.values()) or connection.outages:
        raise ValueError("a reference case of a scenario has given sizes and no outages")
    shares = grid.month_shares
    if grid.step_minutes < 15 or not np.allclose(shares, shares[0]):
        raise ValueError("a reference case has steps of 15 minutes or more and whole months, or a part of one")
    load = np.zeros(grid.num_steps)
    flexible: list[Flexible] = []
    for name in parts.get("load", []):
        if scenario.components[name].sheddable_share:
            raise ValueError(f"{name}: a reference case sheds no load")
        load += inputs[name].series["power_kw"]
    for name in parts.get("ev_station", []):
        flexible.append(_charging(name, scenario.components[name], inputs[name], grid))
    for name in parts.get("data_centre", []):
        work, idle_kw = _compute(name, scenario.components[name], inputs[name], grid)
        load += idle_kw
        flexible.append(work)
    return ReferenceCase(
        step_hours=grid.step_hours,
        pv_kw=pv.capacity_kw,
        pv_yield=inputs[single["pv"]].series["yield_kw_per_kwp"],
        load_kw=load,
        import_price=prices["import_price_per_kwh"],
        export_price=prices["export_price_per_kwh"],
        import_limit_kw=connection.import_limit_kw,
        export_limit_kw=connection.export_limit_kw,
        month=np.asarray(grid.month, dtype=np.int64),
        demand_price_per_kw_month=demand.price_per_kw_month * float(shares[0]),
        battery=Battery(
            power_kw=store.power_kw,
            energy_kwh=store.energy_kwh,
            charge_efficiency=store.charge_efficiency,
            discharge_efficiency=store.discharge_efficiency,
            soc_min=store.soc_min,
            soc_max=store.soc_max,
            self_discharge_per_hour=store.self_discharge_per_hour,
            wear_per_kwh=store.wear_cost_per_kwh,
        ),
        flexible=tuple(flexible),
    )


def _charging(name: str, station: EvStation, read: Inputs, grid: TimeGrid) -> Flexible:
    """The sum of the sessions of one managed station."""
    from vpp_sim.components.ev_station import backlog_room_kwh

    sessions = read.tables["sessions"]
    if station.mode != "managed" or station.charge_efficiency != 1.0 or sessions["class"].any():
        raise ValueError(f"{name}: a reference case charges one class, managed, metered at the charger")
    earliest, latest, connected = station.curves(sessions, grid)
    return Flexible(
        name=name,
        power_kw=np.minimum(connected, station.power_kw),
        arrivals_kwh=earliest,
        longest_backlog_kwh=backlog_room_kwh(earliest, latest),
        missed_kw=connected,
        missed_price_per_kwh=station.value_of_unserved_per_kwh,
    )


def _compute(name: str, centre: DataCentre, read: Inputs, grid: TimeGrid) -> tuple[Flexible, FloatArray]:
    """The one waiting class of a data centre, and the facility power of idle racks (num_steps,) [kW]."""

    if len(centre.classes) != 1 or not centre.classes[0].interruptible or not centre.classes[0].delay_steps(grid):
        raise ValueError(f"{name}: a reference case has one class of compute, which waits and may be interrupted")
    (work,) = centre.classes
    pue, arrivals = read.series["pue"], read.series[f"{work.name}_arrivals_kw"]
    racks_kw = centre.it_kw(centre.racks)
    power = min((1 - centre.idle_share) * racks_kw, work.ceiling_kw)
    longest = work.longest_backlog_kwh(arrivals, grid)
    waited = np.concatenate([[0.0], longest[:-1]])
    flexible = Flexible(
        name=name,
        power_kw=np.full(grid.num_steps, power),
        arrivals_kwh=arrivals * grid.step_hours,
        longest_backlog_kwh=longest,
        bus_kw_per_kw=pue,
        missed_kw=waited / grid.step_hours + arrivals,  # no more can be at hand: not a limit
        missed_price_per_kwh=work.value_of_missed_work_per_kwh,
    )
    return flexible, pue * centre.idle_share * racks_kw


def program(case: ReferenceCase) -> LinearProgram:
    """The case as our linear program, from its arrays."""
    from vpp_sim.lp import ProgramBuilder

    dt, battery = case.step_hours, case.battery
    keep = 1.0 - battery.self_discharge_per_hour * dt
    first, last = np.zeros(case.num_steps), np.zeros(case.num_steps)
    first[0], last[-1] = 1.0, 1.0
    builder = ProgramBuilder(case.num_steps)
    sizes = case.sizes
    wear = battery.wear_per_kwh * dt
    if sizes is None:
        generation = builder.variables("pv.generation_kw", upper=case.available_kw)
        charge = builder.variables("battery.charge_kw", upper=battery.power_kw)
        discharge = builder.variables("battery.discharge_kw", upper=battery.power_kw, cost=wear)
        lowest, highest = battery.soc_min * battery.energy_kwh, battery.soc_max * battery.energy_kwh
        energy = builder.variables("battery.energy_kwh", lower=lowest, upper=highest)
        start = builder.global_variables("battery.start_kwh", lower=lowest, upper=highest)
    else:
        pv = builder.global_variables("pv.size_kw", upper=sizes.largest_pv_kw, cost=sizes.pv_per_kw)
        kwh = builder.global_variables("battery.size_kwh", upper=sizes.largest_energy_kwh, cost=sizes.energy_per_kwh)
        kw = builder.global_variables("battery.size_kw", upper=sizes.largest_power_kw, cost=sizes.power_per_kw)
        generation = builder.variables("pv.generation_kw")
        charge = builder.variables("battery.charge_kw")
        discharge = builder.variables("battery.discharge_kw", cost=wear)
        energy = builder.variables("battery.energy_kwh")
        start = builder.global_variables("battery.start_kwh")
        builder.constrain("pv.limit", [(generation, 1.0), (pv, -case.pv_yield)], upper=0.0)
        builder.constrain("battery.charge_limit", [(charge, 1.0), (kw, -1.0)], upper=0.0)
        builder.constrain("battery.discharge_limit", [(discharge, 1.0), (kw, -1.0)], upper=0.0)
        builder.constrain("battery.full", [(energy, 1.0), (kwh, -battery.soc_max)], upper=0.0)
        builder.constrain("battery.empty", [(energy, 1.0), (kwh, -battery.soc_min)], lower=0.0)
    builder.constrain(
        "battery.dynamics",
        [
            (energy, 1.0),
            (energy.previous, -keep),
            (start, -keep * first),
            (charge, -dt * battery.charge_efficiency),
            (discharge, dt / battery.discharge_efficiency),
        ],
        equals=0.0,
    )
    builder.constrain_total("battery.cycle", [(energy, last), (start, -1.0)], equals=0.0)
    bought = builder.variables("grid.import_kw", upper=case.import_limit_kw, cost=case.import_price * dt)
    sold = builder.variables("grid.export_kw", upper=case.export_limit_kw, cost=-case.export_price * dt)
    peak = builder.global_variables("grid.peak_kw", case.num_months, cost=case.demand_price_per_kw_month)
    builder.constrain("grid.below_peak", [(peak.at(case.month), 1.0), (bought, -1.0)], lower=0.0)
    balance = [(generation, 1.0), (bought, 1.0), (sold, -1.0), (discharge, 1.0), (charge, -1.0)]
    for load in case.flexible:
        served = builder.variables(f"{load.name}.served_kw", upper=load.power_kw)
        backlog = builder.variables(f"{load.name}.backlog_kwh", upper=load.longest_backlog_kwh)
        queue = [(backlog, 1.0), (backlog.previous, -1.0), (served, dt)]
        if load.missed_kw is not None:
            price = load.missed_price_per_kwh * dt
            queue.append((builder.variables(f"{load.name}.missed_kw", upper=load.missed_kw, cost=price), dt))
        builder.constrain(f"{load.name}.queue", queue, equals=load.arrivals_kwh)
        balance.append((served, -1.0 if load.bus_kw_per_kw is None else -load.bus_kw_per_kw))
    builder.constrain("bus.balance", balance, equals=case.load_kw)
    return builder.freeze()

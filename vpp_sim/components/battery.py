"""Battery storage behind one inverter.

Equations of a step of dt hours (c = charge_kw, d = discharge_kw at the bus, e = energy_kwh at the end of the step):

    e[t] = (1 - self_discharge_per_hour * dt) e[t-1] + dt (charge_efficiency c[t] - d[t] / discharge_efficiency)
    c <= P,   d <= P,   soc_min E <= e <= soc_max E

Closure: `cyclic` ends where it began and the optimiser chooses where (a free size always closes so); `fixed` starts and
ends at given states, the end at a price per missing kWh where one is given. Wear costs money per kWh discharged at the
bus. A reserve for emergencies may be kept on top of soc_min: e >= reserve_soc E at all times, or with a price per kWh
and hour that is missing, e + missing_reserve_kwh >= reserve_soc E; so that it is used where that is worth more.

Valid for energies and powers at which the efficiencies are constant; losses of standby are in the self-discharge.
Source of the structure: Pozo, Contreras, Sauma (2014), doi:10.1016/j.ijepes.2014.05.020, eqs. (1)-(4); default
efficiencies 0.933 each way give the 0.87 AC round trip of 2025 tenders (assumption D). Ageing is in
`battery_ageing.py`; a dispatch keeps its capacity, a course of years (`studies.course`) lets it fade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from vpp_sim.components.adjustable import Adjustable
from vpp_sim.components.asset_cost import Condition
from vpp_sim.components.base import (
    OPPOSITE_FLOW_SHARE,
    STORED_ENERGY_PRICE,
    THROUGHPUT_PRICE,
    Block,
    Capacity,
    Check,
    Component,
    Context,
    FloatArray,
    Flows,
    FreeSize,
    Inputs,
    Kpi,
    OppositeFlows,
    Settlement,
    Shortfall,
    Store,
    Values,
    equation_check,
    limit_check,
)
from vpp_sim.components.battery_ageing import Ageing, Container, Progress, Stress, stress_of
from vpp_sim.fields import quantity
from vpp_sim.lp.builder import GlobalVariable, Term
from vpp_sim.profiles import profile_files, profile_series
from vpp_sim.tariffs import import_price_per_kwh

#: Beyond these a battery is possible but odd; assumptions.
MOST_C_RATE, MOST_HOURS = 15.0, 100.0
LEAST_ROUND_TRIP = 0.5
MOST_SELF_DISCHARGE = 0.005
ODD_WEAR = 10.0


class Battery(Component):
    """Parameters of a battery."""

    label: ClassVar[str] = "battery"
    colour: ClassVar[str] = "#CC79A7"
    cost_basis: ClassVar[str | None] = "energy_kwh"
    dispensable: ClassVar[bool] = True

    kind: Literal["battery"] = quantity("kind of component")
    power_kw: Capacity = quantity("largest charge or discharge power at the bus", unit="kW")
    energy_kwh: Capacity = quantity("energy between empty and full cells", unit="kWh")
    charge_efficiency: float = quantity("energy to the cells per energy from the bus", default=0.933, gt=0, le=1)
    discharge_efficiency: float = quantity("energy to the bus per energy from the cells", default=0.933, gt=0, le=1)
    soc_min: float = quantity("lowest state of charge", default=0.1, ge=0, le=1)
    soc_max: float = quantity("highest state of charge", default=0.9, ge=0, le=1)
    reserve_soc: float | None = quantity(
        "state of charge that is kept for emergencies, at all times", default=None, ge=0, le=1
    )
    value_of_missing_reserve_per_kwh_hour: float | None = quantity(
        "price of a kWh that is missing in the reserve for an hour, as when it is used; none: it is never used",
        unit="currency/kWh/h",
        default=None,
        gt=0,
    )
    self_discharge_per_hour: float = quantity("stored energy lost per hour", unit="1/h", default=0.0, ge=0, le=0.1)
    wear_cost_per_kwh: float = quantity("wear per kWh discharged", unit="currency/kWh", default=0.0, ge=0)
    closure: Literal["cyclic", "fixed"] = quantity(
        "how the horizon ends: where it began, or at soc_end", default="cyclic"
    )
    soc_start: float = quantity("state of charge at the start with closure fixed", default=0.5, ge=0, le=1)
    soc_end: float = quantity("state of charge at the end with closure fixed", default=0.5, ge=0, le=1)
    value_of_missing_end_per_kwh: float | None = quantity(
        "price of a kWh by which the end falls short of soc_end with closure fixed; none: it must be reached",
        unit="currency/kWh",
        default=None,
        ge=0,
    )
    max_c_rate: float | None = quantity("largest power per energy", unit="kW/kWh", default=None, gt=0)
    duration_hours: float | None = quantity(
        "energy_kwh per power_kw, held exactly; for sizes that are free", unit="h", default=None, gt=0
    )
    charge_from: Literal["any", "onsite"] = quantity("charge from anything, or from renewables on site", default="any")
    export: Literal["allowed", "forbidden"] = quantity("whether stored energy may leave the site", default="allowed")
    ageing: Ageing = quantity("how the cells age; no part of the dispatch", default_factory=Ageing)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.soc_min > self.soc_max:
            raise ValueError(f"soc_min: must be at most soc_max ({self.soc_max:g}), got {self.soc_min:g}")
        if self.reserve_soc is not None and self.reserve_soc > self.soc_max:
            raise ValueError(f"reserve_soc: must be at most soc_max ({self.soc_max:g}), got {self.reserve_soc:g}")
        if self.reserve_soc is None and self.value_of_missing_reserve_per_kwh_hour is not None:
            raise ValueError("value_of_missing_reserve_per_kwh_hour: needs a reserve_soc that it is the price of")
        if self.closure == "fixed":
            if isinstance(self.energy_kwh, FreeSize):
                raise ValueError("closure: a battery of free size closes cyclic; fixed states need a given energy_kwh")
            if self.reserve_soc is not None and self._least_soc > self.soc_end:
                raise ValueError(f"soc_end: must be at least reserve_soc ({self.reserve_soc:g}), got {self.soc_end:g}")
            for name in ("soc_start", "soc_end"):
                if not self.soc_min <= getattr(self, name) <= self.soc_max:
                    raise ValueError(f"{name}: must lie between soc_min and soc_max, got {getattr(self, name):g}")
        power, energy = self.power_kw, self.energy_kwh
        if self.duration_hours is not None and not isinstance(power, FreeSize) and not isinstance(energy, FreeSize):
            wanted = self.duration_hours * power
            if abs(energy - wanted) > 1e-6 * max(energy, wanted):
                raise ValueError(f"duration_hours: with {power:g} kW means {wanted:g} kWh, got energy_kwh {energy:g}")
        if self.max_c_rate is None or isinstance(power, FreeSize) or isinstance(energy, FreeSize):
            return self
        limit = self.max_c_rate * energy
        if power > limit * (1 + 1e-12):
            raise ValueError(f"power_kw: must be at most max_c_rate x energy_kwh = {limit:g} kW, got {power:g}")
        return self

    def retention(self, step_hours: float) -> float:
        """Share of the stored energy that is left after a step."""
        return 1.0 - self.self_discharge_per_hour * step_hours

    @property
    def _has_soft_reserve(self) -> bool:
        return self.reserve_soc is not None and self.value_of_missing_reserve_per_kwh_hour is not None

    @property
    def _least_soc(self) -> float:
        """The state of charge that holds at all times."""
        if self.reserve_soc is None or self._has_soft_reserve:
            return self.soc_min
        return max(self.soc_min, self.reserve_soc)

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """The file of the cells' temperature, if there is one."""
        given = self.ageing.temperature_celsius
        return () if isinstance(given, Container) else profile_files(given, base_dir)

    def inputs(self, context: Context) -> Inputs:
        """`cell_celsius`, where it is more than a number."""
        given = self.ageing.temperature_celsius
        notes = self._oddities(context)
        if isinstance(given, int | float):
            return Inputs(notes=notes)
        if isinstance(given, Container):
            celsius = np.clip(context.weather.temperature_celsius, given.min_celsius, given.max_celsius)
        else:
            celsius = profile_series(
                given,
                context.grid,
                quantity="temperature",
                base_dir=context.base_dir,
                path="ageing.temperature_celsius",
                plausible_max=60.0,
            )
        return Inputs(series={"cell_celsius": celsius}, notes=notes)

    def _oddities(self, context: Context) -> tuple[str, ...]:
        """Remarks on numbers that are possible but look as if something else were meant."""
        notes = []
        power, energy = self.power_kw, self.energy_kwh
        if not isinstance(power, FreeSize) and not isinstance(energy, FreeSize) and power > 0 and energy > 0:
            hours = energy / power
            if not 1 / MOST_C_RATE <= hours <= MOST_HOURS:
                unit = "energy_kwh in MWh, or power_kw in W" if hours < 1 else "energy_kwh in Wh, or power_kw in MW"
                notes.append(f"{energy:g} kWh at {power:g} kW last {hours:.3g} h; is {unit}?")
        efficiency = self.charge_efficiency * self.discharge_efficiency
        if efficiency < LEAST_ROUND_TRIP:
            notes.append(f"charge_efficiency and discharge_efficiency give back {efficiency:.1%} of the energy")
        if self.self_discharge_per_hour > MOST_SELF_DISCHARGE:
            kept = (1 - self.self_discharge_per_hour) ** 24
            notes.append(f"self_discharge_per_hour {self.self_discharge_per_hour:g} leaves {kept:.0%} after a day")
        ends = [
            name
            for name in ("soc_start", "soc_end", "value_of_missing_end_per_kwh")
            if getattr(self, name) != type(self).model_fields[name].default
        ]
        if self.closure == "cyclic" and ends:
            notes.append(f"{' and '.join(ends)} count with closure: fixed only; this battery ends where it began")
        tariff = context.tariff
        dearest = 0.0 if tariff.import_series else float(import_price_per_kwh(tariff, context.grid).max())
        if 0 < ODD_WEAR * dearest < self.wear_cost_per_kwh:
            notes.append(
                f"wear_cost_per_kwh {self.wear_cost_per_kwh:g} is far above the dearest import, {dearest:.3g} per kWh: "
                "no cycle pays; is it per MWh?"
            )
        return tuple(notes)

    def add_to(self, block: Block) -> None:
        """Charge, discharge, energy, their limits, the dynamics and the closure."""
        dt, steps = block.grid.step_hours, block.grid.num_steps
        power, energy = block.capacity("power_kw", self.power_kw), block.capacity("energy_kwh", self.energy_kwh)
        ties = self.tie_prices()
        charge = block.bounded("charge_kw", power)
        discharge = block.bounded(
            "discharge_kw", power, cost_per_kwh=self.wear_cost_per_kwh, tie_price=ties["discharge_kw"]
        )
        if isinstance(energy, GlobalVariable):
            state = block.variables("energy_kwh", tie_price=ties["energy_kwh"])
            block.constrain("energy_upper_kwh", [(state, 1.0), (energy, -self.soc_max)], upper=0.0)
            block.constrain("energy_lower_kwh", [(state, 1.0), (energy, -self._least_soc)], lower=0.0)
        else:
            lowest, highest = self._least_soc * energy, self.soc_max * energy
            state = block.variables("energy_kwh", lower=lowest, upper=highest, tie_price=ties["energy_kwh"])
        if self.reserve_soc is not None and self.value_of_missing_reserve_per_kwh_hour is not None:
            missing = block.variables("missing_reserve_kwh", cost_per_kwh=self.value_of_missing_reserve_per_kwh_hour)
            kept: list[Term] = [(state, 1.0), (missing, 1.0)]
            if isinstance(energy, GlobalVariable):
                block.constrain("reserve_kwh", [*kept, (energy, -self.reserve_soc)], lower=0.0)
            else:
                block.constrain("reserve_kwh", kept, lower=self.reserve_soc * energy)
        self._tie_sizes(block, power, energy)

        keep = self.retention(dt)
        dynamics: list[Term] = [
            (state, 1.0),
            (state.previous, -keep),
            (charge, -dt * self.charge_efficiency),
            (discharge, dt / self.discharge_efficiency),
        ]
        at_start, at_end = np.zeros(steps), np.zeros(steps)
        at_start[0] = at_end[-1] = 1.0
        if self.closure == "fixed" and not isinstance(energy, GlobalVariable):
            block.constrain("dynamics_kwh", dynamics, equals=at_start * keep * self.soc_start * energy)
            closing: list[Term] = [(state, at_end)]
            if self.value_of_missing_end_per_kwh is not None:
                price = self.value_of_missing_end_per_kwh
                closing.append((block.global_variables("missing_end_kwh", cost=price), 1.0))
            block.constrain_total("closure_kwh", closing, equals=self.soc_end * energy)
        else:
            initial = block.global_variables("initial_energy_kwh")
            block.constrain("dynamics_kwh", [*dynamics, (initial, -at_start * keep)], equals=0.0)
            block.constrain_total("closure_kwh", [(state, at_end), (initial, -1.0)], equals=0.0)

        block.inject(discharge, +1, role="discharge")
        block.inject(charge, -1, role="charge")
        if self.charge_from == "onsite":
            block.declare("onsite_charge", charge)
        if self.export == "forbidden":
            block.forbid_export_of_stored_energy()

    def _tie_sizes(self, block: Block, power: float | GlobalVariable, energy: float | GlobalVariable) -> None:
        """Power within `max_c_rate`, and energy at `duration_hours`, where a size is free."""
        for label, energy_factor in (
            ("c_rate_kw", self.max_c_rate),
            ("duration_kw", None if self.duration_hours is None else 1.0 / self.duration_hours),
        ):
            if energy_factor is None:
                continue
            free: list[Term] = []
            fixed = 0.0
            for capacity, factor in ((power, 1.0), (energy, -energy_factor)):
                if isinstance(capacity, GlobalVariable):
                    free.append((capacity, factor))
                else:
                    fixed += factor * capacity
            if free:
                lowest = -fixed if label == "duration_kw" else -np.inf
                block.constrain_total(label, free, lower=lowest, upper=-fixed)

    def uncontrolled(self) -> Self:
        """An idle battery: none at all."""
        absent = dict.fromkeys(
            ("max_c_rate", "duration_hours", "reserve_soc", "value_of_missing_reserve_per_kwh_hour"), None
        )
        return self.model_copy(update={"power_kw": 0.0, "energy_kwh": 0.0, "closure": "cyclic", **absent})

    def adjustable(self) -> tuple[Adjustable, ...]:
        """Sizes either way as far as they go together, the state's limits and ends, and what may be charged from."""
        found = [self._sized(each) for each in super().adjustable()]
        if not isinstance(self.energy_kwh, FreeSize):
            least = 0.0
            if self.max_c_rate is not None and not isinstance(self.power_kw, FreeSize):
                least = self.power_kw / self.max_c_rate
            found.append(self._sized(Adjustable("energy_kwh", "energy", "kWh", float(self.energy_kwh), least)))
        found.append(Adjustable("soc_min", "lowest state of charge", "-", self.soc_min, 0.0))
        if self.reserve_soc is not None and self._least_soc > self.soc_min:
            found.append(Adjustable("reserve_soc", "reserve", "-", self.reserve_soc, self.soc_min, less_service=True))
        found.append(Adjustable("soc_max", "highest state of charge", "-", self.soc_max, 1.0))
        if self.closure == "fixed":
            for name, words in (
                ("soc_start", "state of charge at the start"),
                ("soc_end", "state of charge at the end"),
            ):
                for limit in (self.soc_min, self.soc_max):
                    found.append(Adjustable(name, words, "-", getattr(self, name), limit))
            found.append(Adjustable("closure", "closure", "-", "fixed", "cyclic"))
        if self.charge_from == "onsite":
            found.append(Adjustable("charge_from", "charging", "-", "onsite", "any"))
        if self.export == "forbidden":
            found.append(Adjustable("export", "export of stored energy", "-", "forbidden", "allowed"))
        return tuple(found)

    def _sized(self, adjustable: Adjustable) -> Adjustable:
        """A size within what `max_c_rate` allows, and with the other size where `duration_hours` ties both."""
        power, energy, hours = self.power_kw, self.energy_kwh, self.duration_hours
        if isinstance(power, FreeSize) or isinstance(energy, FreeSize):
            return adjustable
        if hours is not None and adjustable.field == "energy_kwh":
            return replace(adjustable, with_it=lambda kwh: {"power_kw": kwh / hours})
        if hours is not None and adjustable.field == "power_kw":
            return replace(adjustable, with_it=lambda kw: {"energy_kwh": kw * hours})
        if self.max_c_rate is not None and adjustable.field == "power_kw":
            return replace(adjustable, limit=self.max_c_rate * energy)
        return adjustable

    def _initial_kwh(self, values: Values) -> float:
        if "initial_energy_kwh" in values.globals_:
            return float(values.globals_["initial_energy_kwh"][0])
        return self.soc_start * values.size("energy_kwh", self.energy_kwh)

    def flows(self, values: Values) -> Flows:
        """A store."""
        charge = values["charge_kw"]
        inflow = charge * self.charge_efficiency * values.grid.step_hours
        capacity = values.size("energy_kwh", self.energy_kwh)
        store = Store(charge, values["discharge_kw"], inflow, values["energy_kwh"], self._initial_kwh(values), capacity)
        return Flows(store=store)

    def opposite_flows(self) -> tuple[OppositeFlows, ...]:
        """Charge and discharge."""
        kept = self.charge_efficiency * self.discharge_efficiency
        return (OppositeFlows("charge_kw", "discharge_kw", kept, self.wear_cost_per_kwh),)

    def tie_prices(self) -> dict[str, float]:
        """Of equal plans the one that discharges least, and holds energy for the shortest time."""
        return {"discharge_kw": THROUGHPUT_PRICE, "energy_kwh": STORED_ENERGY_PRICE}

    def costs(self, values: Values) -> dict[str, float]:
        """Wear, and the price of an end below `soc_end` and of a reserve that is used."""
        found = {"wear_cost": self.wear_cost_per_kwh * values.energy_kwh("discharge_kw")}
        penalty = 0.0
        if self.value_of_missing_end_per_kwh is not None:
            penalty += self.value_of_missing_end_per_kwh * _missing_end_kwh(values)
        if self.value_of_missing_reserve_per_kwh_hour is not None:
            missing = float(_missing_reserve_kwh(values).sum()) * values.grid.step_hours
            penalty += self.value_of_missing_reserve_per_kwh_hour * missing
        if self.value_of_missing_end_per_kwh is not None or self._has_soft_reserve:
            found["penalty_cost"] = penalty
        return found

    def shortfalls(self, values: Values) -> tuple[Shortfall, ...]:
        """What the end lacks, in the last step, and what is taken from the reserve."""
        found = []
        if self.value_of_missing_end_per_kwh is not None:
            missing = np.zeros(values.grid.num_steps)
            missing[-1] = _missing_end_kwh(values) / values.grid.step_hours
            found.append(Shortfall("stored energy missing at the end", missing, self.value_of_missing_end_per_kwh))
        if self.value_of_missing_reserve_per_kwh_hour is not None:
            price = self.value_of_missing_reserve_per_kwh_hour
            found.append(Shortfall("reserve used", _missing_reserve_kwh(values), price, is_stored=True))
        return tuple(found)

    def kpis(self, values: Values) -> dict[str, Kpi]:
        """Cycles, throughput, and steps with charge and discharge at once."""
        discharged = values.energy_kwh("discharge_kw") / self.discharge_efficiency
        usable = (self.soc_max - self.soc_min) * values.size("energy_kwh", self.energy_kwh)
        both = simultaneous_steps(values["charge_kw"], values["discharge_kw"], values.size("power_kw", self.power_kw))
        return {
            "equivalent_full_cycles": Kpi.ratio(
                discharged,
                usable,
                "-",
                "energy discharged at the cells / usable energy (soc_max - soc_min) x energy_kwh",
            ),
            "battery_throughput_kwh": Kpi(values.energy_kwh("discharge_kw"), "kWh", "energy discharged at the bus"),
            "simultaneous_charge_discharge_steps": Kpi(
                float(both), "steps", "steps with charge and discharge both above 1e-4 of the power"
            ),
            **self._ageing_kpis(values),
        }

    def stress(self, values: Values) -> Stress:
        """What the horizon's use, repeated all the year, does to the cells; the battery must have a size."""
        energy = values["energy_kwh"]
        given = self.ageing.temperature_celsius
        celsius = np.full(energy.shape, float(given)) if isinstance(given, int | float) else values["cell_celsius"]
        return stress_of(energy, values.size("energy_kwh", self.energy_kwh), celsius, values.grid.step_hours)

    def _ageing_kpis(self, values: Values) -> dict[str, Kpi]:
        energy = values.size("energy_kwh", self.energy_kwh)
        if energy <= 0:
            return {}
        stress = self.stress(values)
        left = Progress().plus(stress.per_year).capacity
        life = stress.expected_life_years(self.ageing.end_of_life)
        basis = "BLAST-Lite large-format LFP, this use repeated from new"
        return {
            "battery_capacity_after_year": Kpi.ratio(
                left * energy, energy, "-", f"share of the capacity left after a year; {basis}"
            ),
            "battery_expected_life_years": Kpi.ratio(
                life * energy,
                energy,
                "a",
                f"years until {self.ageing.end_of_life:.0%} of the capacity are left, at most 100; {basis}",
            ),
            "battery_full_cycles_per_year": Kpi.ratio(
                stress.full_cycles_per_year * energy,
                energy,
                "-",
                "rainflow cycles a year, each counted by its depth as a share of the whole capacity (not the usable)",
            ),
        }

    def settle(self, values: Values, *, final: bool) -> Settlement:
        """Nothing to hand back; says where the use leaves the range of the ageing model."""
        if values.size("energy_kwh", self.energy_kwh) <= 0:
            return Settlement()
        return Settlement(notes=self.stress(values).notes)

    def yearly_wear(self, values: Values) -> Mapping[str, float]:
        """Progress of calendar and cycles."""
        if values.size("energy_kwh", self.energy_kwh) <= 0:
            return {}
        progress = self.stress(values).per_year
        return {"calendar": progress.calendar, "cycles": progress.cycles}

    def aged(self, condition: Condition, wear: Mapping[str, float], years: float) -> Condition:
        """Later, with the progress of the years on top."""
        before = Progress(condition.progress.get("calendar", 0.0), condition.progress.get("cycles", 0.0))
        now = before.plus(Progress(wear.get("calendar", 0.0), wear.get("cycles", 0.0)), years)
        progress = {"calendar": now.calendar, "cycles": now.cycles}
        return Condition(condition.years + years, now.capacity, progress)

    @property
    def end_of_life_capacity(self) -> float:
        """As the scenario says."""
        return self.ageing.end_of_life

    def in_condition(self, condition: Condition) -> Self:
        """The same inverter before less energy; power no more than the cells' C-rate allows."""
        energy, power = self.energy_kwh, self.power_kw
        if isinstance(energy, FreeSize) or isinstance(power, FreeSize):
            raise ValueError("a battery of free size has no condition; fix its sizes first")
        energy *= condition.capacity
        power = power if self.max_c_rate is None else min(power, self.max_c_rate * energy)
        return self.model_copy(update={"energy_kwh": energy, "power_kw": power})

    def replay(self, values: Values) -> list[Check]:
        """Dynamics, limits and closure from the arrays."""
        power, energy = values.size("power_kw", self.power_kw), values.size("energy_kwh", self.energy_kwh)
        state, charge, discharge = values["energy_kwh"], values["charge_kw"], values["discharge_kw"]
        initial = self._initial_kwh(values)
        before = np.concatenate([[initial], state[:-1]])
        stored = values.grid.step_hours * (charge * self.charge_efficiency - discharge / self.discharge_efficiency)
        lost = before * self.self_discharge_per_hour * values.grid.step_hours
        end = self.soc_end * energy - _missing_end_kwh(values) if self.closure == "fixed" else initial
        return [
            equation_check("dynamics", state - before, stored - lost, energy),
            limit_check("charge within power", charge, 0.0, power, power),
            limit_check("discharge within power", discharge, 0.0, power, power),
            limit_check("state of charge within limits", state, self.soc_min * energy, self.soc_max * energy, energy),
            *self._reserve_checks(values, energy),
            equation_check("closure", state[-1:], np.array([end]), energy),
        ]

    def _reserve_checks(self, values: Values, energy: float) -> list[Check]:
        """The reserve is held, but for what is told as missing; and no more is told than is missing."""
        if self.reserve_soc is None:
            return []
        wanted = self.reserve_soc * energy
        missing = np.maximum(wanted - values["energy_kwh"], 0.0)
        if self._has_soft_reserve:
            return [equation_check("reserve used is what is missing", _missing_reserve_kwh(values), missing, energy)]
        return [limit_check("reserve held", missing, 0.0, 0.0, energy)]


def _missing_reserve_kwh(values: Values) -> FloatArray:
    """What is missing in the reserve at the end of each step, (num_steps,)."""
    return values.series.get("missing_reserve_kwh", np.zeros(values.grid.num_steps))


def _missing_end_kwh(values: Values) -> float:
    return float(values.globals_["missing_end_kwh"][0]) if "missing_end_kwh" in values.globals_ else 0.0


def simultaneous_steps(charge_kw: FloatArray, discharge_kw: FloatArray, power_kw: float) -> int:
    """Number of steps in which both directions exceed `OPPOSITE_FLOW_SHARE` of the power (of at least 1 kW)."""
    return int(np.count_nonzero(np.minimum(charge_kw, discharge_kw) > OPPOSITE_FLOW_SHARE * max(power_kw, 1.0)))

"""A data centre whose work may wait: racks, classes of work with a longest delay, and cooling by the weather.

Powers of a step of dt hours (K = racks * rack_power_kw * occupancy, all in kW of servers, "IT"):

    it[t]       = idle_share K + sum over classes serve[t],        sum over classes serve[t] <= (1 - idle_share) K
    facility[t] = pue[t] * it[t]                                   (taken from the bus)

A class hands in work as dynamic IT power. Work that may not wait: serve = arrivals - missed. Work that may wait D whole
steps (max_delay_hours rounded down) stands in a queue, whose energy is a state of the chain:

    backlog[t] = backlog[t-1] + dt (arrivals[t] - start[t] - missed[t])
    0 <= backlog[t] <= dt (arrivals[t-D+1] + ... + arrivals[t])    (older work has left), 0 in the last step

which is the same as cumulative served work between arrivals up to t - D and arrivals up to t. The horizon begins with
an empty queue and ends with its work done or missed. Interruptible work may stop and go on in any step: start = serve.

Work that is not interruptible keeps running once started. For many small jobs whose run lengths are spread like an
exponential distribution with the mean run_hours, the power of the running jobs follows what was started by

    serve[t] = keep serve[t-1] + (1 - keep) start[t],   keep = exp(-dt / run_hours),   serve[-1] = serve[last step]

so that power may only taper as jobs end. The delay is then the wait until the start, and the jobs that run at the start
of the horizon are as many as those at its end (as in a cyclic battery), which conserves energy. This is a fluid
approximation: it is good where a class is many jobs, and its first step of service is discrete in dt.

Missed work is a soft limit with a price. `managed: false` runs everything as soon as the racks allow, classes with the
tightest delay first, and drops work when its delay is over, under the same rules of service as the managed centre.

Assumptions (certainty D): idle share 0.35 (0.25-0.45); 10 currency/kWh for missed work, of the order of the price of an
hour of an accelerator per kWh it draws. Rack of 2.5 kW: the counting unit of the region's statistics (A).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Discriminator, Tag, model_validator

from vpp_sim.components.adjustable import Adjustable
from vpp_sim.components.base import (
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
    Shortfall,
    Values,
    equation_check,
    limit_check,
    ranked,
)
from vpp_sim.components.pue import AIR_LIMIT_CELSIUS, LIQUID_LIMIT_CELSIUS, PlateauPue, plateau_pue
from vpp_sim.components.queueing import (
    Service,
    longest_wait_steps,
    moving_sum,
    running_power,
    served_at_once,
    whole_steps,
)
from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.lp.builder import GlobalVariable, StepVariable, Term
from vpp_sim.profiles import Profile, profile_files, profile_series
from vpp_sim.time_grid import TimeGrid


def _pue_form(value: Any) -> str:
    return "plateau" if isinstance(value, PlateauPue) or (isinstance(value, dict) and "model" in value) else "profile"


#: A number, a `PlateauPue`, or another profile.
Pue = Annotated[Annotated[PlateauPue, Tag("plateau")] | Annotated[Profile, Tag("profile")], Discriminator(_pue_form)]


#: No facility has more; 1.2 to 2 are usual.
MOST_PUE = 10.0
#: Decides ties: price of a kWh of work that waits as long as it may [currency/kWh]. Per hour it is higher for work that
#: may wait for less, whose delay would be the least certain figure at a solver's tolerance.
LONGEST_WAIT_PRICE = 4e-5
#: Racks of accelerators have up to 150 kW.
ODD_RACK_KW = 500.0

_RACKS_NEEDED = "racks: must be a number where managed is false: what runs at once depends on it"


class WorkClass(StrictModel):
    """A class of compute work."""

    name: str = quantity("name of the class; its series are named after it", pattern=r"^[a-z][a-z0-9_]*$")
    arrivals_kw: Profile = quantity("work handed in, as the dynamic IT power it would draw when run at once", unit="kW")
    max_delay_hours: float = quantity("longest wait; 0 for work that may not wait", unit="h", default=0.0, ge=0)
    max_kw: float | None = quantity("largest dynamic IT power of the class", unit="kW", default=None, ge=0)
    interruptible: bool = quantity("whether work may stop and go on at any time", default=True)
    run_hours: float | None = quantity(
        "mean run length of jobs that are not interruptible", unit="h", default=None, gt=0
    )
    value_of_missed_work_per_kwh: float = quantity(
        "price of a kWh of IT energy of work not done", unit="currency/kWh", default=10.0, ge=0
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.interruptible and self.run_hours is None:
            raise ValueError("run_hours: missing: work that is not interruptible needs the mean run length of its jobs")
        if self.interruptible and self.run_hours is not None:
            raise ValueError("run_hours: only with interruptible: false; leave it out, or set interruptible: false")
        return self

    @property
    def ceiling_kw(self) -> float:
        """Largest power of the class alone."""
        return math.inf if self.max_kw is None else self.max_kw

    def delay_steps(self, grid: TimeGrid) -> int:
        """Whole steps that work may wait."""
        return whole_steps(self.max_delay_hours, grid.step_hours)

    def keep(self, grid: TimeGrid) -> float:
        """Share of the running power that still runs a step later; 0 where jobs may be interrupted."""
        return 0.0 if self.run_hours is None else math.exp(-grid.step_hours / self.run_hours)

    def waits(self, grid: TimeGrid) -> bool:
        """Whether the class has a queue or running jobs that tie steps together."""
        return self.delay_steps(grid) > 0 or not self.interruptible

    def longest_backlog_kwh(self, arrivals_kw: FloatArray, grid: TimeGrid) -> FloatArray:
        """Most work that may stand in the queue at the end of each step, (num_steps,)."""
        longest = moving_sum(arrivals_kw, self.delay_steps(grid)) * grid.step_hours
        longest[-1] = 0.0
        return longest


@dataclass(frozen=True)
class _Work:
    """What happened to one class: powers [kW] and queue [kWh], each (num_steps,)."""

    job: WorkClass
    arrivals: FloatArray
    serve: FloatArray
    missed: FloatArray
    backlog: FloatArray


class DataCentre(Component):
    """Parameters of a data centre."""

    label: ClassVar[str] = "data centre"
    colour: ClassVar[str] = "#0072B2"
    cost_basis: ClassVar[str | None] = "racks"

    kind: Literal["data_centre"] = quantity("kind of component")
    racks: Capacity = quantity("racks that are installed", unit="racks")
    rack_power_kw: float = quantity("IT power of a rack at full work", unit="kW", default=2.5, gt=0)
    occupancy: float = quantity("share of the racks in use", default=1.0, ge=0, le=1)
    idle_share: float = quantity("share of the full IT power that is drawn without any work", default=0.35, ge=0, lt=1)
    classes: tuple[WorkClass, ...] = quantity("classes of work", default=())
    pue: Pue = quantity(
        "facility power per IT power: a number, {model: plateau, liquid_share}, or a profile (in unit fraction)"
    )
    pflops_per_rack: float | None = quantity("compute of a rack in use", unit="PFLOPS", default=None, gt=0)
    managed: bool = quantity("whether work may be moved within its delay; else it runs as soon as it can", default=True)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        doubled = [name for name, count in Counter(job.name for job in self.classes).items() if count > 1]
        if doubled:
            raise ValueError(f"classes: each needs a name of its own, got {', '.join(doubled)} more than once")
        if isinstance(self.pue, float) and self.pue < 1:
            raise ValueError(f"pue: must be at least 1, got {self.pue:g}")
        if isinstance(self.pue, float) and self.pue > MOST_PUE:
            percent = f"; {self.pue:g} % is {self.pue / 100:g}" if self.pue >= 100 else ""
            raise ValueError(f"pue: must be at most {MOST_PUE:g}, got {self.pue:g}{percent}")
        if not self.managed and isinstance(self.racks, FreeSize):
            raise ValueError(_RACKS_NEEDED)
        return self

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """Files of the arrivals and of the PUE."""
        profiles = [job.arrivals_kw for job in self.classes]
        if not isinstance(self.pue, PlateauPue):
            profiles.append(self.pue)
        return tuple(path for profile in profiles for path in profile_files(profile, base_dir))

    def inputs(self, context: Context) -> Inputs:
        """`pue` and each class's `<class>_arrivals_kw`."""
        series: dict[str, FloatArray] = {}
        notes: list[str] = []
        faults: list[Fault] = []
        try:
            series["pue"] = self._pue_series(context, notes)
        except InputError as error:
            faults.extend(error.faults)
        largest = self.it_kw(self.racks.max if isinstance(self.racks, FreeSize) else self.racks)
        for position, job in enumerate(self.classes):
            try:
                series[f"{job.name}_arrivals_kw"] = profile_series(
                    job.arrivals_kw,
                    context.grid,
                    quantity="power",
                    base_dir=context.base_dir,
                    path=f"classes[{position}].arrivals_kw",
                    plausible_max=largest,
                    ge=0.0,
                    notes=notes,
                )
            except InputError as error:
                faults.extend(error.faults)
            delay = job.delay_steps(context.grid) * context.grid.step_hours
            if delay < job.max_delay_hours * (1 - 1e-9):
                notes.append(
                    f"{job.name}: a delay of {job.max_delay_hours:g} h is {delay:g} h in whole steps (rounded down)"
                )
            if job.max_delay_hours >= context.grid.horizon_hours:
                hours = f"{job.max_delay_hours:g} h is as long as the horizon ({context.grid.horizon_hours:g} h)"
                notes.append(f"{job.name}: a delay of {hours}; is max_delay_hours in minutes?")
            if job.run_hours is not None and job.run_hours > job.max_delay_hours:
                notes.append(
                    f"{job.name}: run_hours {job.run_hours:g} is longer than max_delay_hours {job.max_delay_hours:g}, "
                    "which is the longest wait until a job starts, not until it ends"
                )
        if faults:
            raise InputError(faults)
        if self.rack_power_kw > ODD_RACK_KW:
            notes.append(f"rack_power_kw is {self.rack_power_kw:,.6g}; is it in W?")
        notes += self._too_much_work(series, context.grid)
        return Inputs(series=series, notes=tuple(notes))

    def _too_much_work(self, series: dict[str, FloatArray], grid: TimeGrid) -> list[str]:
        """A remark where the racks can never do all the work that is handed in."""
        most = (1 - self.idle_share) * self.it_kw(self.racks.max if isinstance(self.racks, FreeSize) else self.racks)
        arrivals = {job.name: series[f"{job.name}_arrivals_kw"] for job in self.classes}
        at_once = [job.name for job in self.classes if job.delay_steps(grid) == 0]
        now = sum((arrivals[name] for name in at_once), np.zeros(grid.num_steps))
        missed = max(
            float(np.maximum(now - most, 0.0).sum()) * grid.step_hours,
            sum(float(power.sum()) for power in arrivals.values()) * grid.step_hours - most * grid.horizon_hours,
        )
        if missed <= 1e-6 * most * grid.horizon_hours:
            return []
        reach = f"reaches {now.max():,.4g} kW" if now.max() > most else "is more in all than they can do"
        names = ", ".join(at_once if now.max() > most else arrivals)
        return [
            f"work handed in ({names}) {reach}, the racks do {most:,.4g} kW beside their idle power: at least "
            f"{missed:,.4g} kWh will be missed; more racks or occupancy, or less work, would do"
        ]

    def _pue_series(self, context: Context, notes: list[str]) -> FloatArray:
        if not isinstance(self.pue, PlateauPue):
            return profile_series(
                self.pue, context.grid, quantity="fraction", base_dir=context.base_dir, path="pue", ge=1.0, le=MOST_PUE
            )
        outside = context.weather.temperature_celsius
        for medium, share, limit in (
            ("air", 1 - self.pue.liquid_share, AIR_LIMIT_CELSIUS),
            ("liquid", self.pue.liquid_share, LIQUID_LIMIT_CELSIUS),
        ):
            warm = float((outside > limit).mean())
            if share > 0 and warm > 0:
                notes.append(f"{medium} cooling by chillers (assumed COP) above {limit:g} degC: {warm:.1%} of the time")
        return plateau_pue(outside, context.weather.pressure_pa, self.pue.liquid_share)

    def it_kw(self, racks: float) -> float:
        """IT power of a number of installed racks at full work [kW]."""
        return racks * self.rack_power_kw * self.occupancy

    def add_to(self, block: Block) -> None:
        """Service, missed work and queue of each class; shared racks; facility power."""
        racks = block.capacity("racks", self.racks)
        if not self.managed:
            if isinstance(racks, GlobalVariable):
                raise InputError(Fault(_RACKS_NEEDED))
            self._add_fixed(block, racks)
            return
        pue = block.inputs.series["pue"]
        largest = (1 - self.idle_share) * self.it_kw(self.racks.max if isinstance(self.racks, FreeSize) else self.racks)
        certain, running = np.zeros(block.grid.num_steps), list[tuple[StepVariable, int]]()
        for job in self.classes:
            if job.waits(block.grid):
                running.append((_add_waiting(block, job, largest, self.tie_prices()), +1))
            else:
                arrivals = block.inputs.series[f"{job.name}_arrivals_kw"]
                missed = block.variables(
                    f"{job.name}_missed_kw",
                    lower=np.maximum(arrivals - min(job.ceiling_kw, largest), 0.0),
                    upper=arrivals,
                    cost_per_kwh=job.value_of_missed_work_per_kwh,
                    tie_price=self.tie_prices()[f"{job.name}_missed_kw"],
                )
                certain = certain + arrivals
                running.append((missed, -1))
        for variable, sign in running:
            block.inject(variable, -sign, factor=pue)
            block.declare("it", variable, sign)
            block.declare("facility", variable, sign * pue)
        terms: list[Term] = [(variable, float(sign)) for variable, sign in running]
        if isinstance(racks, GlobalVariable):
            full = self.it_kw(1.0)
            _add_certain(block, certain)
            block.inject(racks, -1, factor=pue * (self.idle_share * full))
            block.declare("it", racks, self.idle_share * full)
            block.declare("facility", racks, pue * (self.idle_share * full))
            if running:
                shared: list[Term] = [*terms, (racks, -(1 - self.idle_share) * full)]
                block.constrain("shared_racks_kw", shared, upper=-certain)
        else:
            _add_certain(block, certain + self.idle_share * self.it_kw(racks))
            if len(running) > 1:  # a single class has the racks as its bound
                block.constrain("shared_racks_kw", terms, upper=largest - certain)

    def _add_fixed(self, block: Block, racks: float) -> None:
        """The same variables, all fixed, and no rows: nothing is left to decide."""
        total = np.zeros(block.grid.num_steps)
        for job, service in self._at_once(block.inputs.series, block.grid, racks):
            total = total + service.served
            block.variables(
                f"{job.name}_missed_kw",
                lower=service.missed,
                upper=service.missed,
                cost_per_kwh=job.value_of_missed_work_per_kwh,
            )
            if job.waits(block.grid):
                block.variables(f"{job.name}_serve_kw", lower=service.served, upper=service.served)
                block.variables(f"{job.name}_backlog_kwh", lower=service.backlog, upper=service.backlog)
        _add_certain(block, self.idle_share * self.it_kw(racks) + total)

    def _at_once(self, series: Any, grid: TimeGrid, racks: float) -> Iterator[tuple[WorkClass, Service]]:
        """Each class, tightest delay first, served as soon as the racks allow: kW, kW and kWh."""
        dt = grid.step_hours
        spare = np.full(grid.num_steps, (1 - self.idle_share) * self.it_kw(racks))
        for job in sorted(self.classes, key=lambda job: job.delay_steps(grid)):
            entering = _entering_kw(job, series[f"{job.name}_arrivals_kw"], grid, self.managed)
            room = np.minimum(spare, job.ceiling_kw)
            longest = job.longest_backlog_kwh(entering, grid)
            work = served_at_once(entering * dt, room * dt, longest)
            service = Service(work.served / dt, work.missed / dt, work.backlog)
            spare = np.maximum(spare - service.served, 0.0)
            yield job, service

    def adjustable(self) -> tuple[Adjustable, ...]:
        """Fewer racks, which draw less, and work that may be moved."""
        found = []
        if not isinstance(self.racks, FreeSize):
            found.append(Adjustable("racks", "racks", "racks", float(self.racks), 0.0, less_service=True))
        if not self.managed:
            found.append(Adjustable("managed", "managed", "-", False, True))
        return tuple(found)

    def uncontrolled(self) -> Self:
        """The same racks and work, run as soon as it can."""
        return self.model_copy(update={"managed": False})

    def _works(self, values: Values) -> list[_Work]:
        works = []
        for job in self.classes:
            arrivals = values[f"{job.name}_arrivals_kw"]
            missed = values[f"{job.name}_missed_kw"]
            entering = _entering_kw(job, arrivals, values.grid, self.managed)
            if job.waits(values.grid):
                serve, backlog = values[f"{job.name}_serve_kw"], values[f"{job.name}_backlog_kwh"]
            else:
                serve, backlog = arrivals - missed, np.zeros(values.grid.num_steps)
            works.append(_Work(job, entering, serve, missed, backlog))
        return works

    def _idle_kw(self, values: Values) -> float:
        return self.idle_share * self.it_kw(values.size("racks", self.racks))

    def _it_kw(self, values: Values) -> FloatArray:
        total = np.full(values.grid.num_steps, self._idle_kw(values))
        for work in self._works(values):
            total = total + work.serve
        return total

    def outputs(self, values: Values) -> dict[str, FloatArray]:
        """IT and facility power, service of work that may not wait, facility power if all work ran when handed in."""
        it = self._it_kw(values)
        outputs = {"it_kw": it, "facility_kw": values["pue"] * it}
        at_once = np.full(values.grid.num_steps, self._idle_kw(values))
        for work in self._works(values):
            at_once = at_once + _entering_kw(
                work.job, values[f"{work.job.name}_arrivals_kw"], values.grid, managed=False
            )
            if not work.job.waits(values.grid):
                outputs[f"{work.job.name}_serve_kw"] = work.serve
        return outputs | {"facility_at_once_kw": values["pue"] * at_once}

    def flows(self, values: Values) -> Flows:
        """A use."""
        it = self._it_kw(values)
        return Flows(use_kw=values["pue"] * it, measured_kw={"it": it, "facility": values["pue"] * it})

    def shifted(self, values: Values) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Facility power if all work ran when handed in, and as it was; the same of each class that may wait."""
        grid = values.grid
        classes = {
            f"class {work.job.name}": (
                _entering_kw(work.job, values[f"{work.job.name}_arrivals_kw"], grid, managed=False),
                work.serve,
            )
            for work in self._works(values)
            if work.job.waits(grid)
        }
        whole = {"facility power": (values["facility_at_once_kw"], values["facility_kw"])} if classes else {}
        return whole | classes

    def tie_prices(self) -> dict[str, float]:
        """Of equal plans the one that serves earliest; the class whose work may wait least is served and missed first.

        Classes are ranked by their longest delay, then by name: their order in the scenario does not matter.
        """
        if not self.managed:
            return {}
        prices = {}
        for rank, job in enumerate(sorted(self.classes, key=lambda job: (job.max_delay_hours, job.name))):
            prices[f"{job.name}_backlog_kwh"] = ranked(LONGEST_WAIT_PRICE / max(job.max_delay_hours, 1.0), rank)
            prices[f"{job.name}_missed_kw"] = ranked(THROUGHPUT_PRICE, len(self.classes) - 1 - rank)
        return prices

    def costs(self, values: Values) -> dict[str, float]:
        """What missed work was priced at."""
        works, dt = self._works(values), values.grid.step_hours
        return {"penalty_cost": sum(float(w.missed.sum()) * dt * w.job.value_of_missed_work_per_kwh for w in works)}

    def shortfalls(self, values: Values) -> tuple[Shortfall, ...]:
        """Work that was not done, by class."""
        return tuple(
            Shortfall(f"work of class {work.job.name} missed", work.missed, work.job.value_of_missed_work_per_kwh)
            for work in self._works(values)
        )

    def kpis(self, values: Values) -> dict[str, Kpi]:
        """Energy, PUE, work done and missed, delays; in all and by class."""
        works, dt = self._works(values), values.grid.step_hours
        it = self._it_kw(values)
        facility_kwh, it_kwh = float((values["pue"] * it).sum()) * dt, float(it.sum()) * dt
        found = {
            "data_centre_kwh": Kpi(facility_kwh, "kWh", "energy taken by the data centre, cooling and all"),
            "pue": Kpi.ratio(facility_kwh, it_kwh, "-", "facility energy / IT energy"),
        }
        found |= _service_kpis(works, values.grid, "", "of all classes that may wait")
        for work in works:
            found |= _service_kpis([work], values.grid, f"_{work.job.name}", f"of class {work.job.name}")
        if self.pflops_per_rack is not None:
            full = (1 - self.idle_share) * self.it_kw(1.0)
            served = sum(float(work.serve.sum()) * dt for work in works)
            hours = served / full * self.pflops_per_rack * self.occupancy if full > 0 else 0.0
            found["pflop_hours"] = Kpi(
                hours, "PFLOPS h", "IT energy of work done / dynamic power of the racks x their PFLOPS"
            )
        return found

    def replay(self, values: Values) -> list[Check]:
        """Queues from cumulative curves, racks, running jobs, and what must not be negative."""
        grid, dt = values.grid, values.grid.step_hours
        dynamic = (1 - self.idle_share) * self.it_kw(values.size("racks", self.racks))
        works = self._works(values)
        spare = dynamic - sum((work.serve for work in works), np.zeros(grid.num_steps))
        checks = [
            limit_check("racks shared", spare, 0.0, np.inf, dynamic),
            limit_check("facility power at least IT power", values["pue"], 1.0, np.inf, 1.0),
        ]
        for work in works:
            name, job = work.job.name, work.job
            peak = max(dynamic, float(work.arrivals.max(initial=0.0)))
            room = np.minimum(spare, job.ceiling_kw - work.serve)
            checks += [
                limit_check(f"{name}: service within its limit", work.serve, 0.0, job.ceiling_kw, peak),
                limit_check(f"{name}: missed work not negative", work.missed, 0.0, np.inf, peak),
            ]
            start = work.serve
            if self.managed and not job.interruptible:
                start = self._started_kw(values, work, checks)
            arrived, left = np.cumsum(work.arrivals) * dt, np.cumsum(start + work.missed) * dt
            delay = min(job.delay_steps(grid), grid.num_steps)
            due = np.concatenate([np.zeros(delay), arrived])[: grid.num_steps]
            due[-1] = arrived[-1]
            total = float(arrived[-1])
            waiting = np.diff(work.backlog, prepend=0.0) - (work.arrivals - start - work.missed) * dt
            checks += [
                limit_check(f"{name}: work leaves after it comes and within its delay", left, due, arrived, total),
                equation_check(f"{name}: queue step by step", waiting, np.zeros(grid.num_steps), peak * dt),
                equation_check(f"{name}: queue by cumulative curves", work.backlog, arrived - left, total),
            ]
            if not self.managed:
                idle_while_waiting = np.minimum(work.backlog / dt, room)
                checks.append(limit_check(f"{name}: no wait with racks free", idle_while_waiting, -np.inf, 0.0, peak))
        return checks

    def _started_kw(self, values: Values, work: _Work, checks: list[Check]) -> FloatArray:
        """Work started per step, after checking that running jobs follow from it."""
        job, grid = work.job, values.grid
        start = values[f"{job.name}_start_kw"]
        followed = running_power(start, job.keep(grid))
        scale = max(float(start.max(initial=0.0)), float(work.serve.max(initial=0.0)))
        checks += [
            equation_check(f"{job.name}: running jobs follow their starts", work.serve, followed, scale),
            limit_check(f"{job.name}: starts not negative", start, 0.0, np.inf, scale),
        ]
        return start


def _entering_kw(job: WorkClass, arrivals_kw: FloatArray, grid: TimeGrid, managed: bool) -> FloatArray:
    """Work as it comes to the queue: as handed in, or, unmanaged and not interruptible, as the power of its jobs."""
    return arrivals_kw if managed or job.interruptible else running_power(arrivals_kw, job.keep(grid))


def _add_certain(block: Block, it_kw: FloatArray) -> None:
    """IT power that no decision changes, with its cooling."""
    facility = block.inputs.series["pue"] * it_kw
    block.use(facility)
    block.declare_fixed("it", it_kw)
    block.declare_fixed("facility", facility)


def _add_waiting(block: Block, job: WorkClass, largest_kw: float, ties: Mapping[str, float]) -> StepVariable:
    """Variables and rows of a class with a queue; returns its power."""
    grid, dt = block.grid, block.grid.step_hours
    arrivals = block.inputs.series[f"{job.name}_arrivals_kw"]
    serve = block.variables(f"{job.name}_serve_kw", upper=min(job.ceiling_kw, largest_kw))
    missed_name, backlog_name = f"{job.name}_missed_kw", f"{job.name}_backlog_kwh"
    price = job.value_of_missed_work_per_kwh
    missed = block.variables(missed_name, cost_per_kwh=price, tie_price=ties[missed_name])
    longest = job.longest_backlog_kwh(arrivals, grid)
    backlog = block.variables(backlog_name, upper=longest, tie_price=ties[backlog_name])
    start = serve
    if not job.interruptible:
        keep = job.keep(grid)
        start = block.variables(f"{job.name}_start_kw")
        before = block.global_variables(f"{job.name}_running_at_start_kw")
        at_start, at_end = np.zeros(grid.num_steps), np.zeros(grid.num_steps)
        at_start[0] = at_end[-1] = 1.0
        running: list[Term] = [(serve, 1.0), (serve.previous, -keep), (before, -keep * at_start), (start, keep - 1)]
        block.constrain(f"{job.name}_running_kw", running, equals=0.0)
        block.constrain_total(f"{job.name}_running_closure_kw", [(serve, at_end), (before, -1.0)], equals=0.0)
    queue: list[Term] = [(backlog, 1.0), (backlog.previous, -1.0), (start, dt), (missed, dt)]
    block.constrain(f"{job.name}_queue_kwh", queue, equals=dt * arrivals)
    return serve


def _service_kpis(works: list[_Work], grid: TimeGrid, suffix: str, whose: str) -> dict[str, Kpi]:
    """Work done, missed and waiting, of one class or of all."""
    dt = grid.step_hours
    served = sum(float(work.serve.sum()) for work in works) * dt
    missed = sum(float(work.missed.sum()) for work in works) * dt
    queued = [work for work in works if work.job.delay_steps(grid) > 0]
    waited = sum(float(work.backlog.sum()) for work in queued) * dt
    came = sum(float(work.arrivals.sum()) for work in queued) * dt
    longest = max((longest_wait_steps(work.arrivals * dt, work.backlog) for work in queued), default=0) * dt
    return {
        f"compute_served_kwh{suffix}": Kpi(served, "kWh", "IT energy of work done, without idle power"),
        f"compute_missed_kwh{suffix}": Kpi(missed, "kWh", "IT energy of work that was not done"),
        f"compute_mean_delay_hours{suffix}": Kpi.ratio(
            waited, came, "h", f"sum of queue x step / work handed in, {whose}: mean wait until it runs or is missed"
        ),
        f"compute_worst_delay_hours{suffix}": Kpi(
            longest, "h", f"longest wait until work runs or is missed, first in first out, {whose}", "max"
        ),
    }

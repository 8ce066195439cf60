"""The course of a project through its years: capacities fade, parts are replaced, prices rise; each is dispatched.

Each year runs with the capacities of its middle. They depend on how the years before were run, so the years are
dispatched side by side with the wear of the reference year first, and again with their own until capacities stay.
Prices that rise apart from each other are in each year's dispatch; what all have in common is not, for it changes no
decision.

The fast variant dispatches the first, the middle and the last year of each span between replacements, and the years of
replacements, and lays a parabola through them. Its error is judged by the middle years: a straight line between the
ends would miss them by what `error` says, relative to their saving; the parabola goes through them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from vpp_sim.components.asset_cost import Condition
from vpp_sim.components.base import Check, Component, FloatArray, Inputs
from vpp_sim.dispatch import Dispatch, audit, dispatch
from vpp_sim.dispatch.run import Progress, SolveRequest, Steps, dispatch_steps
from vpp_sim.errors import DefectError, InputError, VppSimError
from vpp_sim.kpi import Simulation, finance, simulate
from vpp_sim.kpi.accounts import accounts_of
from vpp_sim.kpi.economics import Proforma, proforma, repeated
from vpp_sim.kpi.lifetime import Schedule, Wear, schedule_of
from vpp_sim.kpi.project import (
    Operation,
    Project,
    business_as_usual,
    mixed,
    operation_of,
    project_of,
    usual_from_baseline,
)
from vpp_sim.lp import Solution
from vpp_sim.scenario import Economics, Scenario
from vpp_sim.studies.routes import Answers
from vpp_sim.tariffs.scaled import scaled_tariff

if TYPE_CHECKING:
    import pandas as pd

#: Years that are dispatched side by side; more would keep too many programs at a time.
TOGETHER: Final = 10
#: Shares of capacity that differ by less are the same.
SAME_CAPACITY: Final = 0.002
#: Relative accuracy that is asked of the solver, a tenth of what the certificate wants.
ENOUGH: Final = 1e-7
#: Rounds after which capacities are taken as they are.
MOST_ROUNDS: Final = 4


@dataclass(frozen=True)
class Year:
    """What one year came to: its operation in prices of year 1, and how it wears the components."""

    operation: Operation
    wear: Wear


@dataclass(frozen=True)
class Increment:
    """What one component adds to all the others before tax, from the first year dispatched without it."""

    component: str
    capital: float
    first_year_saving: float
    npv: float
    irr: float
    payback_years: float


@dataclass(frozen=True, eq=False)
class Course:
    """The proforma of a course, with what it was made of.

    `capacity_residual` is the largest difference between a share of capacity that a year was dispatched with and the
    one that its course of wear comes to; `error` that of the fast variant, None where every year was dispatched.
    """

    scenario: Scenario
    reference: Simulation
    proforma: Proforma
    usual: Operation
    operations: tuple[Operation, ...]
    increments: tuple[Increment, ...]
    #: The first year under control with nothing bought, and the proforma against that instead of business as usual:
    #: what the purchase is worth to a site that is, or could be, under control without it.
    control: Operation
    against_control: Proforma
    dispatched: tuple[int, ...]
    rounds: int
    capacity_residual: float
    error: float | None
    checks: tuple[Check, ...]

    @property
    def control_saving(self) -> float:
        """What the first year saves against business as usual by control alone, with nothing bought."""
        return self.usual.bill - self.control.bill

    def capacities(self) -> pd.DataFrame:
        """Share of capacity in the middle of every year, by component that fades."""
        import pandas as pd

        middle = self.proforma.schedule.middle
        names = [name for name in middle[0] if any(year[name].capacity < 1 for year in middle)]
        rows = [{name: year[name].capacity for name in names} for year in middle]
        return pd.DataFrame(rows, index=pd.Index(range(1, len(middle) + 1), name="year"))


def course(
    scenario: Scenario,
    *,
    reference: Simulation | None = None,
    fast: bool = False,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Course:
    """The years of a scenario's project, and what it is worth against business as usual.

    Raises:
        InputError: nothing in the scenario has a price, or a part would be replaced more than once a year.
        InfeasibleError: a year cannot be run; says which.
    """
    if reference is None:
        reference = simulate(scenario, solver=solver, progress=progress)
    best = reference.optimal
    project = project_of(best, accounts_of(best).flows)
    if project is None:
        raise InputError(
            "no component has a price, so there is no project to judge; give one a `cost:`, e.g. "
            "battery.cost={capital_per_unit: 950, lifetime_years: 15}"
        )
    run = _Years(scenario, reference, project, solver, progress)
    progress("business as usual")
    usual, usual_check = run.business_as_usual()
    num = scenario.economics.num_years
    wear: list[Wear] = [run.wear_of(best)] * num
    schedule = schedule_of(run.parts, project.investments, wear)
    known: dict[int, tuple[Mapping[str, Condition], Year]] = {}
    error: float | None = None
    for rounds in range(1, MOST_ROUNDS + 1):
        knots = _knots(schedule, num) if fast else list(range(num))
        stale = [n for n in knots if n not in known or _apart(known[n][0], schedule.middle[n]) > SAME_CAPACITY]
        for n, year in run.years(stale, schedule, f"round {rounds}"):
            known[n] = (schedule.middle[n], year)
        years, error = _filled({n: known[n][1] for n in knots}, schedule, num, usual)
        before = schedule
        schedule = schedule_of(run.parts, project.investments, [year.wear for year in years])
        residual = max(_apart(was, now) for was, now in zip(before.middle, schedule.middle, strict=True))
        if residual <= SAME_CAPACITY:
            break
    operations = tuple(year.operation for year in years)
    basis = f"{'CRS-2' if fast else 'CRS-1'}{repeated(best)}"
    found = proforma(scenario.economics, scenario.currency, project, schedule, operations, usual, basis=basis)
    if repeated(best):
        told = f"a horizon of {best.grid.num_days} days stands for every year: run a whole year before judging"
        found = replace(found, notes=(told, *found.notes))
    progress("what each part adds")
    increments = tuple(run.increment(name, found, schedule) for name in sorted(project.absent))
    alone = run.without(project.absent, "control alone")
    return Course(
        scenario=scenario,
        reference=reference,
        proforma=found,
        usual=usual,
        operations=operations,
        increments=increments,
        control=alone,
        against_control=proforma(
            scenario.economics, scenario.currency, project, schedule, operations, alone, basis=basis
        ),
        dispatched=tuple(n + 1 for n in sorted(known)),
        rounds=rounds,
        capacity_residual=residual,
        error=error if fast else None,
        checks=tuple(check for check in (usual_check, *run.checks) if check is not None),
    )


class _Years:
    """Dispatches of one site in different years, from inputs that are read once."""

    def __init__(
        self, scenario: Scenario, reference: Simulation, project: Project, solver: str | None, progress: Progress
    ) -> None:
        self.scenario = scenario
        self.reference = reference
        self.project = project
        self.solver = solver
        self.progress = progress
        sizes = reference.optimal.sizes
        self.parts: dict[str, Component] = {}
        for name, part in scenario.components.items():
            prefix = f"{name}."
            own = {key.removeprefix(prefix): size for key, size in sizes.items() if key.startswith(prefix)}
            self.parts[name] = part.fixed_at(own)
        self.inputs = scenario.read_inputs()
        self.checks: list[Check] = []

    def wear_of(self, result: Dispatch) -> Wear:
        return {name: part.yearly_wear(result.values(name)) for name, part in result.scenario.components.items()}

    def business_as_usual(self) -> tuple[Operation, Check | None]:
        """Business as usual dispatched, and whether the bill of the uncontrolled load says the same."""
        without = business_as_usual(self.scenario, self.project, self.reference.optimal.sizes)
        given = {name: self.inputs[name] for name in without.components}
        result = dispatch(without, inputs=given, solver=self.solver)
        self._audit(result, "business as usual")
        usual = operation_of(result, accounts_of(result), self.project)
        baseline = self.reference.baseline
        other = usual_from_baseline(baseline, accounts_of(baseline), self.project)
        if other is None:
            return usual, None
        name = "business as usual: its dispatch costs what the bill of the uncontrolled load says"
        apart = abs(usual.bill - other.bill) / max(abs(usual.bill), 1.0)
        return usual, Check(name, apart, detail=f"{usual.bill:.2f} and {other.bill:.2f}")

    def years(self, wanted: Sequence[int], schedule: Schedule, word: str) -> Iterator[tuple[int, Year]]:
        """The years (from 0) of a schedule, dispatched side by side."""
        for begin in range(0, len(wanted), TOGETHER):
            chunk = list(wanted[begin : begin + TOGETHER])
            first, last = chunk[0] + 1, chunk[-1] + 1
            self.progress(
                f"dispatching years {first} to {last} ({word})" if len(chunk) > 1 else f"year {first} ({word})"
            )
            cases = [self._case(n, schedule.middle[n]) for n in chunk]
            steps = [dispatch_steps(scenario, inputs=inputs, solver=self.solver) for scenario, inputs, _ in cases]
            for n, (_, _, factors), result in zip(chunk, cases, completed_together(steps, chunk), strict=True):
                self._audit(result, f"year {n + 1}")
                operation = operation_of(result, accounts_of(result), self.project, factors)
                yield n, Year(operation, self.wear_of(result))

    def _case(
        self, n: int, conditions: Mapping[str, Condition]
    ) -> tuple[Scenario, Mapping[str, Inputs], Mapping[str, float]]:
        """Scenario, inputs and relative price factors of a year."""
        parts = {name: part.in_condition(conditions[name]) for name, part in self.parts.items()}
        scenario = self.scenario.replace_components(parts)
        economics = scenario.economics
        rise = {
            kind: ((1 + economics.rise(kind)) / (1 + economics.rise("energy"))) ** n
            for kind in ("demand", "fixed", "export")
        }
        if any(abs(factor - 1) > 1e-12 for factor in rise.values()):
            tariff, rise = scaled_tariff(scenario.tariff, rise)
            scenario = replace(scenario, tariff=tariff)
            return scenario, scenario.read_inputs(), rise
        context = scenario.context()
        inputs = {
            name: self.inputs[name] if part == self.scenario.components[name] else part.inputs(context)
            for name, part in parts.items()
        }
        return scenario, inputs, rise

    def _audit(self, result: Dispatch, word: str) -> None:
        checks = audit(result)
        failed = [check for check in checks if not check.passed]
        if failed:
            raise DefectError(f"{word}: {len(failed)} of our own checks failed, first: {failed[0].name}")
        worst = max(checks, key=lambda check: check.worst)
        self.checks.append(Check(f"{word}: the physics replayed from the series", worst.worst, detail=worst.name))

    def without(self, names: Collection[str], word: str) -> Operation:
        """The first year under control without some parts."""
        parts = {name: part for name, part in self.parts.items() if name not in names}
        scenario = self.scenario.replace_components(parts)
        result = dispatch(scenario, inputs={name: self.inputs[name] for name in parts}, solver=self.solver)
        self._audit(result, word)
        return operation_of(result, accounts_of(result), self.project)

    def increment(self, name: str, found: Proforma, schedule: Schedule) -> Increment:
        """What one part adds: the first year without it, its share shrinking with its capacity."""
        best = self.reference.optimal
        loses = self.without({name}, f"without {name}")
        has = operation_of(best, accounts_of(best), self.project)
        saving = mixed((1.0, loses), (-1.0, has))
        economics = self.scenario.economics
        shares = np.array([1.0, *(year[name].capacity for year in schedule.middle)])
        flow = np.sum(list(found.assets[name].values()), axis=0)
        for kind, amount in (
            ("energy", saving.energy),
            ("demand", saving.demand),
            ("fixed", saving.fixed),
            ("export", -saving.export),
        ):
            gained = amount * shares * (1 + economics.rise(kind)) ** (np.arange(flow.size) - 1.0)
            flow[1:] += gained[1:]
        no_salvage = flow - found.assets[name]["salvage"]
        rate = economics.nominal_rate
        return Increment(
            component=name,
            capital=-float(found.assets[name]["capital"][0]),
            first_year_saving=saving.bill,
            npv=finance.net_present_value(rate, flow),
            irr=finance.internal_rate(flow, rate).rate,
            payback_years=finance.payback_years(no_salvage),
        )


def completed_together(steps: Sequence[Steps[Dispatch]], numbers: Sequence[int]) -> list[Dispatch]:
    """What several dispatches come to, programs of one structure solved side by side.

    Raises:
        VppSimError: as the dispatch of a year does, with the year said first.
    """
    answers = Answers("batch")
    finished: dict[int, Dispatch] = {}
    waiting: dict[int, SolveRequest] = {}

    def advance(position: int, answer: Solution | Exception | None) -> None:
        waiting.pop(position, None)
        try:
            if isinstance(answer, Exception):
                raise answer
            waiting[position] = next(steps[position]) if answer is None else steps[position].send(answer)
        except StopIteration as stop:
            finished[position] = stop.value
        except VppSimError as error:
            dated = type(error)(f"year {numbers[position] + 1}: {error}")
            vars(dated).update(vars(error))
            raise dated from error

    for position in range(len(steps)):
        advance(position, None)
    stage = 0
    while waiting:
        positions = sorted(waiting)
        requests = [_enough(waiting[position]) for position in positions]
        found = answers.to_all(requests, [stage] * len(positions))
        for position, answer in zip(positions, found, strict=True):
            advance(position, answer)
        stage += 1
    return [finished[position] for position in range(len(steps))]


def _enough(request: SolveRequest) -> SolveRequest:
    """The request with an accuracy that is well within the certificate's, where none was asked for.

    A plan that was handed back pins many variables; the structured solver then stalls at 3e-8 with the 1e-8 of its
    default, and each of the years would fall back to a simplex of ten times its time.
    """
    if request.options.tolerance is not None:
        return request
    return replace(request, options=replace(request.options, tolerance=ENOUGH))


def _apart(first: Mapping[str, Condition], second: Mapping[str, Condition]) -> float:
    """Largest difference of shares of capacity."""
    return max((abs(first[name].capacity - second[name].capacity) for name in first), default=0.0)


def spans(schedule: Schedule, num: int) -> list[list[int]]:
    """Years (from 0) between replacements; a year with one is a span of its own."""
    broken = {entry.year - 1 for entry in schedule.replacements}
    found: list[list[int]] = []
    for n in range(num):
        if n in broken or n - 1 in broken or not found:
            found.append([n])
        else:
            found[-1].append(n)
    return found


def _knots(schedule: Schedule, num: int) -> list[int]:
    chosen: set[int] = set()
    for span in spans(schedule, num):
        chosen |= {span[0], span[len(span) // 2], span[-1]}
    return sorted(chosen)


def _filled(known: Mapping[int, Year], schedule: Schedule, num: int, usual: Operation) -> tuple[list[Year], float]:
    """Every year, those that are not known from a parabola through those of their span that are; and the error."""
    found: dict[int, Year] = dict(known)
    error = 0.0
    for span in spans(schedule, num):
        knots = [n for n in span if n in known]
        for n in span:
            if n not in found:
                found[n] = _interpolated([(k, known[k]) for k in knots], n)
        if len(knots) == 3 and len(span) > 3:
            first, middle, last = knots
            line = _interpolated([(first, known[first]), (last, known[last])], middle).operation.bill
            true = known[middle].operation.bill
            error = max(error, abs(line - true) / max(abs(usual.bill - true), 1e-9))
    return [found[n] for n in range(num)], error


def _interpolated(knots: Sequence[tuple[int, Year]], n: int) -> Year:
    """Lagrange's polynomial through the knots, for money, energy and wear alike."""
    weights = [float(np.prod([(n - other) / (own - other) for other, _ in knots if other != own])) for own, _ in knots]
    rows: list[FloatArray] = [np.array(astuple(year.operation)) for _, year in knots]
    operation = Operation(*np.sum([w * row for w, row in zip(weights, rows, strict=True)], axis=0).tolist())
    wear = {
        name: {
            key: sum(w * year.wear[name].get(key, 0.0) for w, (_, year) in zip(weights, knots, strict=True))
            for key in entries
        }
        for name, entries in knots[0][1].wear.items()
    }
    return Year(operation, wear)


def with_economics(
    found: Course, economics: Economics, capital_factor: float = 1.0, saving_factor: float = 1.0
) -> Proforma:
    """The same course under other economics, with capital and what is saved times a factor; nothing is dispatched."""
    project = found.proforma.project
    dearer = {
        name: replace(
            entry,
            capital=entry.capital * capital_factor,
            om_per_year=entry.om_per_year * capital_factor,
            replacement=entry.replacement * capital_factor,
            salvage=entry.salvage * capital_factor,
        )
        for name, entry in project.investments.items()
    }
    operations = [mixed((1 - saving_factor, found.usual), (saving_factor, year)) for year in found.operations]
    return proforma(
        economics,
        found.scenario.currency,
        replace(project, investments=dearer),
        found.proforma.schedule,
        operations,
        found.usual,
        basis="CRS-1",
    )

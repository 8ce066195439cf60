"""Runs the cases of a study, one after another or side by side, each to one row of the table of results.

A row is what a single run's summary says, by the same steps (`simulation_steps`), with what was set, how it went and
how long it took. A case that fails is a row as well, with its reason.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any, TypeVar

from vpp_sim.components.base import Context, Inputs
from vpp_sim.dispatch import Dispatch
from vpp_sim.dispatch.run import SolveRequest, Steps, dispatch_steps
from vpp_sim.errors import DefectError, InfeasibleError, InputError, SolverLimitError
from vpp_sim.kpi.simulate import simulation_steps
from vpp_sim.kpi.table import Summary, summarize
from vpp_sim.lp import Solution
from vpp_sim.scenario import Scenario
from vpp_sim.studies.routes import Answers, Route
from vpp_sim.studies.study import OVERRIDE, Case, Study
from vpp_sim.whole_files import reason, whole_file

Row = dict[str, Any]
T = TypeVar("T")

#: Longest reason that a row keeps.
LONGEST_REASON = 2000
#: Read inputs of components, and weather, that a worker keeps for other cases; about 1.5 MB each.
KEPT_INPUTS, KEPT_WEATHER = 64, 64


@dataclass(frozen=True)
class Chunk:
    """Cases that one worker runs, by one route."""

    route: Route
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Column:
    """What a column of the table of results holds."""

    unit: str
    definition: str


@dataclass(frozen=True)
class Finished:
    """Rows of cases that are done, and what their columns hold."""

    rows: list[Row]
    columns: dict[str, Column] = field(default_factory=dict)


class Worker:
    """Runs chunks of one study; keeps what cases share. `series_folder` is where time series go, if anywhere."""

    def __init__(self, study: Study, series_folder: Path | None = None) -> None:
        self.study = study
        self.series_folder = series_folder
        self._readings = _Readings()

    def run(self, chunk: Chunk) -> Iterator[Finished]:
        """Rows as they come: together by the route `batch`, else one by one."""
        answers = Answers(chunk.route)
        groups = [chunk.cases] if chunk.route == "batch" else [(case,) for case in chunk.cases]
        for group in groups:
            yield self._side_by_side(group, answers)

    def _side_by_side(self, cases: Sequence[Case], answers: Answers) -> Finished:
        running = [_Running(case, self._steps(case)) for case in cases]
        for one in running:
            one.begin()
        while waiting := [one for one in running if one.request is not None]:
            started = time.perf_counter()
            requests = [one.request for one in waiting if one.request is not None]
            solutions = answers.to_all(requests, [one.stage for one in waiting])
            share = (time.perf_counter() - started) / len(waiting)
            for one, solution in zip(waiting, solutions, strict=True):
                one.seconds += share
                one.go_on(solution)
        columns: dict[str, Column] = {}
        rows = [self._row(one, answers.route, columns) for one in running]
        return Finished(rows, columns)

    def _steps(self, case: Case) -> Steps[tuple[Dispatch, Summary]]:
        scenario = self._readings.with_weather(self.study.scenario(case))
        inputs = self._readings.inputs(scenario)
        if self.study.model.baseline:
            simulation = yield from simulation_steps(scenario, inputs=inputs)
            return simulation.optimal, simulation.summary
        optimal = yield from dispatch_steps(scenario, inputs=inputs)
        return optimal, summarize(optimal)

    def _row(self, one: _Running, route: Route, columns: dict[str, Column]) -> Row:
        row: Row = {"case": one.case.number, "status": "ok", "route": route, "seconds": 0.0, "reason": ""}
        row.update({f"set.{path}": plain_value(path, value) for path, value in one.case.values})
        error = one.error
        if error is None and one.result is not None:
            try:
                optimal, summary = one.result
                row.update(result_columns(optimal, summary, columns))
                if route == "batch" and optimal.solver.name != "structured":
                    row["route"] = "cold"
                failed = [check for check in summary.checks if not check.passed]
                if failed:
                    row["status"] = "unverified"
                    row["reason"] = "; ".join(f"{check.name}: {check.worst:.1e}" for check in failed)
            except Exception as problem:
                error = problem
            else:
                if self.series_folder is not None:
                    write_series(optimal, self.series_folder, one.case.number)
        if error is not None:
            row["status"], row["reason"] = told(error)
        row["seconds"] = one.seconds
        one.result = None
        return row


class _Running:
    """One case on its way: its generator, what it waits for, what it came to."""

    def __init__(self, case: Case, steps: Steps[tuple[Dispatch, Summary]]) -> None:
        self.case = case
        self.request: SolveRequest | None = None
        self.stage = -1
        self.seconds = 0.0
        self.result: tuple[Dispatch, Summary] | None = None
        self.error: Exception | None = None
        self._steps = steps

    def begin(self) -> None:
        self._advance(lambda: next(self._steps))

    def go_on(self, answer: Solution | Exception) -> None:
        if isinstance(answer, Exception):
            problem = answer
            self._advance(lambda: self._steps.throw(problem))
        else:
            solution = answer
            self._advance(lambda: self._steps.send(solution))

    def _advance(self, step: Callable[[], SolveRequest]) -> None:
        started = time.perf_counter()
        self.request = None
        try:
            self.request = step()
            self.stage += 1
        except StopIteration as finished:
            self.result = finished.value
        except Exception as error:
            self.error = error
        self.seconds += time.perf_counter() - started


class _Readings:
    """What was read or drawn for earlier cases, found again by everything that it depends on."""

    def __init__(self) -> None:
        self._weather: OrderedDict[Hashable, Any] = OrderedDict()
        self._inputs: OrderedDict[Hashable, Inputs] = OrderedDict()
        #: What of the context the components of a kind have looked at so far.
        self._looked_at: dict[type, frozenset[str]] = {}

    def with_weather(self, scenario: Scenario) -> Scenario:
        key = _key(scenario, "horizon", "site", "weather")
        if key not in self._weather:
            self._weather[key] = scenario.read_weather()
            _forget(self._weather, KEPT_WEATHER)
        return scenario.with_weather(self._weather[key])

    def inputs(self, scenario: Scenario) -> dict[str, Inputs]:
        found: dict[str, Inputs] = {}
        for name, component in scenario.components.items():
            kind = type(component)
            own = component.model_dump_json()
            known = self._key(scenario, name, own, kind)
            if known not in self._inputs:
                context = _Watched(**vars(scenario.context()))
                try:
                    read = component.inputs(context)
                except InputError:
                    # once more in the ordinary way, which places every fault in the scenario file
                    return scenario.read_inputs()
                self._looked_at[kind] = self._looked_at.get(kind, frozenset()) | context.looked_at
                known = self._key(scenario, name, own, kind)
                self._inputs[known] = read
                _forget(self._inputs, KEPT_INPUTS)
            self._inputs.move_to_end(known)
            found[name] = self._inputs[known]
        return found

    def _key(self, scenario: Scenario, name: str, own: str, kind: type) -> Hashable:
        outside = self._looked_at.get(kind, frozenset())
        weather = ("weather",) if "read_weather" in outside else ()
        tariff = ("tariff",) if "tariff" in outside else ()
        return name, own, _key(scenario, "horizon", "site", *weather, *tariff)


class _Watched(Context):
    """A context that remembers whether prices or weather were asked for."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("tariff", "read_weather"):
            looked_at = object.__getattribute__(self, "__dict__").setdefault("_looked_at", set())
            looked_at.add(name)
        return object.__getattribute__(self, name)

    @property
    def looked_at(self) -> frozenset[str]:
        """Names of what was asked for."""
        return frozenset(vars(self).get("_looked_at", ()))


def _key(scenario: Scenario, *parts: str) -> str:
    values = [getattr(scenario, part) for part in parts]
    return json.dumps([str(scenario.base_dir), [value.model_dump_json() for value in values]])


def _forget(kept: OrderedDict[Hashable, T], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def plain_value(path: str, value: Any) -> float | int | str | bool | None:
    """A value of a case as a table can hold it: dates in ISO form, mappings and lists as JSON.

    >>> plain_value("horizon.start", dt.date(2024, 2, 28)), plain_value("override", None), plain_value("x", {"a": 1})
    ('2024-02-28', '', '{"a": 1}')
    """
    if path == OVERRIDE:
        return "" if value is None else str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dt.date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)


def result_columns(optimal: Dispatch, summary: Summary, columns: dict[str, Column]) -> Row:
    """KPIs of the site by id, of components by `component.id`, sizes by `size.component.field`; fills in `columns`."""
    row: Row = {"objective": optimal.objective, "solver_gap": optimal.solver.gap}
    columns.setdefault("objective", Column(optimal.scenario.currency, "objective of the linear program"))
    columns.setdefault("solver_gap", Column("-", "relative gap between primal and dual objective, our certificate"))
    for name, kpi in summary.kpis.items():
        row[name] = _or_none(kpi.value)
        columns.setdefault(name, Column(kpi.unit, kpi.definition))
    for component, kpis in summary.components.items():
        for name, kpi in kpis.items():
            row[f"{component}.{name}"] = _or_none(kpi.value)
            columns.setdefault(f"{component}.{name}", Column(kpi.unit, f"{component}: {kpi.definition}"))
    for place, size in optimal.sizes.items():
        unit = "kWh" if place.endswith("_kwh") else "kW" if place.endswith("_kw") else "-"
        row[f"size.{place}"] = size
        columns.setdefault(f"size.{place}", Column(unit, f"size that the optimiser chose for {place}"))
    return row


def _or_none(value: float) -> float | None:
    """A number that is none (a ratio of nothing) is a gap in the table, which sums and means leave out."""
    return None if isnan(value) else value


def told(error: Exception) -> tuple[str, str]:
    """Status and reason of a case that failed."""
    words: dict[type[Exception], str] = {
        InputError: "bad_input",
        InfeasibleError: "infeasible",
        SolverLimitError: "solver_limit",
        DefectError: "defect",
        MemoryError: "out_of_memory",
    }
    for kind, word in words.items():
        if isinstance(error, kind):
            return word, (str(error) or kind.__name__)[:LONGEST_REASON]
    return "defect", f"{type(error).__name__}: {error}"[:LONGEST_REASON]


def write_series(optimal: Dispatch, folder: Path, number: int) -> None:
    """The time series of a case as `case-NUMBER.parquet`, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    target = folder / f"case-{number:07d}.parquet"
    try:
        with whole_file(target) as made:
            optimal.frame().to_parquet(made)
    except OSError as error:
        raise InputError(
            f"{target}: the time series cannot be written: {reason(error)}; what is finished is safe, and "
            "--resume goes on with the other cases once there is room"
        ) from error

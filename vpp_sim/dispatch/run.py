"""Runs one scenario: build, solve, hand back to sessions and jobs, and collect every series."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from vpp_sim.components.base import FloatArray, Inputs
from vpp_sim.dispatch.build import build_program, build_target_search, marginal_price_per_kwh
from vpp_sim.dispatch.result import Dispatch, SolveRecord
from vpp_sim.dispatch.targets import shortfall_name, target_duals
from vpp_sim.errors import DefectError, InfeasibleError, InputError, SolverLimitError
from vpp_sim.lp import LinearProgram, Solution, SolveOptions, SolveStatus, solve
from vpp_sim.scenario import Scenario

#: Our own certificate must pass at this relative accuracy, whatever solver was used.
CERTIFICATE_TOLERANCE = 1e-6
#: What a solver is asked for the second time, where its first answer does not pass.
TIGHT_TOLERANCE = 1e-9
#: Smaller absolute values of variables (kW, kWh) are a solver's rounding, far below any tolerance here.
DUST = 1e-9
#: Most solves after hand-backs. The first nearly always does; more are needed where the bus is short as well.
HAND_BACK_SOLVES = 4
#: Spans of shortfall that an explanation lists.
LISTED_SPANS = 5

Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class SolveRequest:
    """A program that a dispatch wants solved, by a solver's name and with its options."""

    program: LinearProgram
    solver: str
    options: SolveOptions

    def answer(self) -> Solution:
        """The solution of this request alone.

        Raises:
            InputError: the solver's name is not known.
        """
        try:
            return solve(self.program, self.solver, self.options)
        except ValueError as error:
            raise InputError(f"dispatch.solver: {error}") from error


#: Work that stops whenever it wants a program solved, so that a study can solve those of many scenarios together.
Steps = Generator[SolveRequest, Solution, T]


def completed(steps: Steps[T]) -> T:
    """What the steps come to, each request answered on its own."""
    try:
        request = next(steps)
        while True:
            request = steps.send(request.answer())
    except StopIteration as finished:
        result: T = finished.value
        return result


def dispatch(
    scenario: Scenario,
    *,
    inputs: Mapping[str, Inputs] | None = None,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Dispatch:
    """The optimal operation of a scenario, certified.

    `inputs` may be given where they were read already; `solver` overrides the scenario's.

    Raises:
        InputError: something outside cannot be read, or the solver's name is not known.
        InfeasibleError: no operation meets every limit, or the cost has no lower bound; says where it fails.
        SolverLimitError: the solver stopped before an optimum was certified.
    """
    return completed(dispatch_steps(scenario, inputs=inputs, solver=solver, progress=progress))


def dispatch_steps(
    scenario: Scenario,
    *,
    inputs: Mapping[str, Inputs] | None = None,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Steps[Dispatch]:
    """`dispatch` as steps: yields a request for every program and wants its solution sent back."""
    timings: dict[str, float] = {}
    started = time.perf_counter()
    if inputs is None:
        progress("reading inputs")
        inputs = scenario.read_inputs()
    timings["load"] = time.perf_counter() - started

    progress("building the program")
    started = time.perf_counter()
    program = build_program(scenario, inputs)
    _ = program.matrix
    timings["build"] = time.perf_counter() - started

    progress("solving")
    started = time.perf_counter()
    name = solver or scenario.dispatch.solver
    options = SolveOptions(time_limit_seconds=scenario.dispatch.time_limit_seconds, keep_basis=True)
    solution = yield from _solved(scenario, inputs, program, name, options)
    result = _collected(scenario, inputs, program, solution)
    result = yield from _handed_back(result, inputs, program, solution, name, options)
    timings["solve"] = time.perf_counter() - started
    return replace(result, timings=timings)


def solved_program(
    scenario: Scenario,
    inputs: Mapping[str, Inputs],
    program: LinearProgram,
    *,
    solver: str | None = None,
    warm_start: Solution | None = None,
    keep_basis: bool = False,
) -> Solution:
    """The certified optimum of a scenario's program, possibly with numbers that a study has changed.

    Raises:
        InputError, InfeasibleError, SolverLimitError: as `dispatch` does.
    """
    limit = scenario.dispatch.time_limit_seconds
    options = SolveOptions(time_limit_seconds=limit, warm_start=warm_start, keep_basis=keep_basis)
    return completed(_solved(scenario, inputs, program, solver or scenario.dispatch.solver, options))


def plan_of(scenario: Scenario, inputs: Mapping[str, Inputs], program: LinearProgram, solution: Solution) -> Dispatch:
    """The dispatch of a solved program as planned: classes of sessions divisible, nothing solved again after hand-back.

    Its cost is a lower bound of any operation, and the function of sizes and prices that duals are derivatives of.
    """
    result = _collected(scenario, inputs, program, solution)
    tables = dict(result.tables)
    for name, component in scenario.components.items():
        settlement = component.settle(result.values(name), final=False)
        tables.update({f"{name}.{key}": table for key, table in settlement.tables.items()})
    return replace(result, tables=tables)


def _solved(
    scenario: Scenario, inputs: Mapping[str, Inputs], program: LinearProgram, solver: str, options: SolveOptions
) -> Steps[Solution]:
    solution = yield SolveRequest(program, solver, options)
    if solution.status in (SolveStatus.INFEASIBLE, SolveStatus.INFEASIBLE_OR_UNBOUNDED):
        raise InfeasibleError(_shortfall_explained(scenario, inputs))
    if solution.status is SolveStatus.UNBOUNDED:
        raise InfeasibleError(
            "the cost has no lower bound: something is paid for without a limit; look for an export price above an "
            "import price without an export limit, or a negative cost"
        )
    if not solution.is_optimal:
        raise SolverLimitError(f"{solution.solver}: {solution.status.value} ({solution.message})")
    certificate = solution.certificate
    if certificate is None:
        raise SolverLimitError(f"{solution.solver} gave no point")
    if not certificate.passed(CERTIFICATE_TOLERANCE) and options.tolerance is None:
        # a solver's tolerance on prices is absolute; where little money is at stake it must be tighter
        return (yield from _solved(scenario, inputs, program, solver, replace(options, tolerance=TIGHT_TOLERANCE)))
    if not certificate.passed(CERTIFICATE_TOLERANCE) and options.algorithm is None and solver in ("auto", "highs"):
        # with a row over the whole horizon, HiGHS' presolve can give back a point that is none of the program's
        plain = replace(options, algorithm="simplex_without_presolve", warm_start=None)
        return (yield from _solved(scenario, inputs, program, solver, plain))
    if not certificate.passed(CERTIFICATE_TOLERANCE):
        raise SolverLimitError(
            f"{solution.solver} claims an optimum that does not stand our check: primal residual "
            f"{certificate.primal_residual:.1e}, dual residual {certificate.dual_residual:.1e}, "
            f"gap {certificate.gap:.1e} (at most {CERTIFICATE_TOLERANCE:g}); try another solver"
        )
    return solution


def _collected(
    scenario: Scenario, inputs: Mapping[str, Inputs], program: LinearProgram, solution: Solution
) -> Dispatch:
    """All series of a solution, with those that components derive."""
    primal = solution.primal
    if primal is None or solution.certificate is None:
        raise DefectError("a solution without a point cannot be collected")
    # a solver may overstep a bound by its tolerance, or leave dust on it; the arrays that leave here have neither
    primal = np.clip(np.where(np.abs(primal) < DUST, 0.0, primal), program.lower, program.upper)
    series: dict[str, FloatArray] = {}
    tables = {}
    notes: list[str] = list(scenario.notes)
    for name, read in inputs.items():
        series.update({f"{name}.{key}": array for key, array in read.series.items()})
        tables.update({f"{name}.{key}": table for key, table in read.tables.items()})
        notes.extend(f"{name}: {note}" for note in read.notes)
    series.update({block.name: primal[program.columns(block.name)] for block in program.step_blocks})
    globals_ = {block.name: primal[program.columns(block.name)] for block in program.global_blocks}
    sizes = {
        f"{name}.{field}": float(globals_[f"{name}.{field}_size"][0])
        for name, component in scenario.components.items()
        for field in component.free_sizes()
    }
    if solution.row_dual is not None:
        series["bus.marginal_price_per_kwh"] = marginal_price_per_kwh(scenario, program, solution.row_dual)
    certificate = solution.certificate
    record = SolveRecord(
        name=solution.solver,
        version=solution.solver_version,
        algorithm=solution.algorithm,
        status=solution.status.word,
        iterations=solution.iterations,
        seconds=solution.seconds,
        gap=certificate.gap,
        primal_residual=certificate.primal_residual,
        dual_residual=certificate.dual_residual,
        num_rows=program.num_rows,
        num_columns=program.num_columns,
        num_nonzeros=int(program.matrix.nnz),
        notes=solution.notes,
    )
    duals = target_duals(scenario.targets, program, solution)
    result = Dispatch(
        scenario, series, globals_, sizes, tables, solution.objective, record, tuple(notes), target_duals=duals
    )
    for name, component in scenario.components.items():
        derived = component.outputs(result.values(name))
        series.update({f"{name}.{key}": array for key, array in derived.items()})
    return result


def _handed_back(
    result: Dispatch,
    inputs: Mapping[str, Inputs],
    program: LinearProgram,
    solution: Solution,
    solver: str,
    options: SolveOptions,
) -> Steps[Dispatch]:
    """The dispatch after every component has handed its plan back, solved once more where a plan had to change."""
    scenario = result.scenario
    notes = list(result.notes)
    settled, again = result, solution
    iterations, seconds = result.solver.iterations, result.solver.seconds
    for solves in range(HAND_BACK_SOLVES + 1):
        settlements = {
            name: component.settle(settled.values(name), final=solves > 0)
            for name, component in scenario.components.items()
        }
        tables = dict(settled.tables)
        for name, settlement in settlements.items():
            tables.update({f"{name}.{key}": table for key, table in settlement.tables.items()})
            notes.extend(f"{name}: {note}" for note in settlement.notes if solves == 0)
        changed = any(settlement.pinned or settlement.at_least for settlement in settlements.values())
        if not changed or solves == HAND_BACK_SOLVES:
            break
        options = replace(options, warm_start=solution, keep_basis=False)
        pinned = _without_rows(
            _pinned(program, {name: (each.exact, {}) for name, each in settlements.items()}),
            [f"{name}.{label}" for name, each in settlements.items() for label in each.settled],
        )
        attempt = (yield SolveRequest(pinned, solver, options)) if solves == 0 else None
        if attempt is not None and _is_certified(attempt):
            again = attempt
        elif attempt is not None and attempt.is_optimal:
            # the site can go along, but the solver's point does not stand our check: asked again, more strictly
            again = yield from _solved(scenario, inputs, pinned, solver, options)
        else:
            pinned = _pinned(program, {name: (each.pinned, each.at_least) for name, each in settlements.items()})
            again = yield from _solved(scenario, inputs, pinned, solver, options)
        settled = _collected(scenario, inputs, pinned, again)
        iterations, seconds = iterations + settled.solver.iterations, seconds + settled.solver.seconds
    if again is solution:
        return replace(result, tables=tables, notes=tuple(notes))
    more = again.objective - solution.objective
    notes.append(
        f"carrying out the plan costs {more:.2f} {scenario.currency} ({more / max(abs(solution.objective), 1.0):.4%}) "
        "more than the plan of divisible classes, which is a lower bound of any operation"
    )
    record = replace(settled.solver, iterations=iterations, seconds=seconds)
    return replace(settled, tables=tables, notes=tuple(notes), solver=record)


def _is_certified(solution: Solution) -> bool:
    certificate = solution.certificate
    return solution.is_optimal and certificate is not None and certificate.passed(CERTIFICATE_TOLERANCE)


def _pinned(
    program: LinearProgram, values: Mapping[str, tuple[Mapping[str, FloatArray], Mapping[str, FloatArray]]]
) -> LinearProgram:
    """The program with variables of components at given values, and others not below given ones."""
    lower, upper = program.lower.copy(), program.upper.copy()
    for name, (fixed, at_least) in values.items():
        for quantity_name, array in fixed.items():
            columns = program.columns(f"{name}.{quantity_name}")
            lower[columns] = upper[columns] = array
        for quantity_name, array in at_least.items():
            columns = program.columns(f"{name}.{quantity_name}")
            lower[columns] = np.maximum(lower[columns], array)
            upper[columns] = np.maximum(upper[columns], array)
    return program.with_numbers(lower=lower, upper=upper)


def _without_rows(program: LinearProgram, names: Iterable[str]) -> LinearProgram:
    """The program in which some rows ask for nothing: rows of fixed variables only trouble solvers with rounding."""
    row_lower, row_upper = program.row_lower.copy(), program.row_upper.copy()
    for name in names:
        rows = program.rows(name)
        row_lower[rows], row_upper[rows] = -np.inf, np.inf
    return program.with_numbers(row_lower=row_lower, row_upper=row_upper)


def _shortfall_explained(scenario: Scenario, inputs: Mapping[str, Inputs]) -> str:
    """Why no operation meets every limit: the least energy by which the bus falls short or over, and when."""
    program = build_program(scenario, inputs, elastic=True)
    relaxed = solve(program, "highs")
    if not relaxed.is_optimal or relaxed.primal is None:
        alone = [name for name in scenario.components if not _can_stand_alone(scenario, inputs, name)]
        if alone:
            named = " and ".join(alone)
            which = (
                f"{named}: limits of its own contradict each other" if len(alone) == 1 else f"{named}, each by itself"
            )
            return (
                f"no operation meets every limit, even with power bought at any price, because of {which}; "
                "look at minimum states, losses, sizes and how the horizon ends"
            )
        return (
            "no operation meets every limit, even with power bought at any price: limits that span components "
            "(charge_from: onsite, export: forbidden) cannot be met; look at batteries and the renewable power there is"
        )
    lines = ["no operation meets every limit; the least change that would do, at the bus:"]
    for name, word, remedy in (
        ("bus.shortfall_kw", "short", "more import, generation, storage or sheddable load"),
        ("bus.surplus_kw", "over", "more export limit, storage or curtailable generation"),
    ):
        power = relaxed.primal[program.columns(name)]
        wanting = power > 1e-6 * max(1.0, float(power.max(initial=0.0)))
        if not wanting.any():
            continue
        lines.append(
            f"  {word} by {power.sum() * scenario.grid.step_hours:.1f} kWh in {int(wanting.sum())} steps, "
            f"at most {power.max():.1f} kW: {remedy}"
        )
        lines.extend(_spans(scenario, power, wanting))
    if len(lines) == 1 and scenario.targets:
        return _targets_explained(scenario, inputs)
    if len(lines) == 1:
        return (
            "the best plan for divisible demand cannot be carried out by single charging sessions: once each is served "
            "in its own time, the bus falls short; allow more import, generation, storage or sheddable load"
        )
    return "\n".join(lines)


def _targets_explained(scenario: Scenario, inputs: Mapping[str, Inputs]) -> str:
    """By how much the targets cannot be met, whatever it costs."""
    program = build_target_search(scenario, inputs)
    relaxed = solve(program, "highs")
    lines = ["the targets cannot be met together, whatever it costs; the least by which they are missed:"]
    if relaxed.primal is not None:
        for name, target in scenario.targets.items():
            missing = float(relaxed.primal[program.columns(shortfall_name(name))][0])
            if missing > 1e-6 * max(1.0, target.bound):
                lines.append(f"  targets.{name}: {target.measure} by {missing:,.1f} {target.meaning.shortfall_unit}")
    lines.append("lower the targets, give them a price, or allow larger sizes")
    return "\n".join(lines)


def _can_stand_alone(scenario: Scenario, inputs: Mapping[str, Inputs], name: str) -> bool:
    """Whether one component can be run where any power can be had and given away."""
    only = scenario.replace_components({name: scenario.components[name]})
    return solve(build_program(only, {name: inputs[name]}, elastic=True), "highs").is_optimal


def _spans(scenario: Scenario, power: FloatArray, wanting: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[str]:
    """The first spans of time in which power is wanting, as text."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanting, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    local = scenario.grid.local
    step = local[1] - local[0] if len(local) > 1 else None
    lines = []
    for begin, end in list(zip(begins, ends, strict=True))[:LISTED_SPANS]:
        until = local[end - 1] + step if step is not None else local[end - 1]
        lines.append(f"    {local[begin]:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}: {power[begin:end].max():.1f} kW")
    if len(begins) > LISTED_SPANS:
        lines.append(f"    and {len(begins) - LISTED_SPANS} more")
    return lines

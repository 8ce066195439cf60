"""Runs one scenario: build, solve, hand back to sessions and jobs, and collect every series."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

import numpy as np

from vpp_sim.components.base import FloatArray, Inputs, Settlement
from vpp_sim.dispatch.audit import audit
from vpp_sim.dispatch.build import build_program, marginal_price_per_kwh
from vpp_sim.dispatch.explain import explained
from vpp_sim.dispatch.one_way import both_ways, held_as_planned, held_one_way, refuse_other_solvers
from vpp_sim.dispatch.remedies import Tried, length
from vpp_sim.dispatch.result import Dispatch, SolveRecord
from vpp_sim.dispatch.shortfalls import with_shortfalls
from vpp_sim.dispatch.targets import target_duals
from vpp_sim.dispatch.unbounded import unboundedness_explained
from vpp_sim.errors import DefectError, InfeasibleError, InputError, SolverLimitError
from vpp_sim.lp import LinearProgram, Solution, SolveOptions, SolveStatus, solve
from vpp_sim.scenario import Scenario

#: Our own certificate must pass at this relative accuracy, whatever solver was used.
CERTIFICATE_TOLERANCE = 1e-6
#: What a solver is asked for the second time, where its first answer does not pass.
TIGHT_TOLERANCE = 1e-9
#: Smaller values of variables (kW, kWh) are a solver's rounding, far below any tolerance here; on sites above 1 kW, as
#: parts of the site's largest power, but never so large that rows of small numbers would not hold.
DUST, MOST_DUST = 1e-9, 1e-7
#: A hand-back that costs this share more than its plan is worth a look at the plan of the simpler site.
WORTH_A_SECOND_PLAN = 1e-4
#: Relative deviation in an audit from which a hand-back is no rounding but energy that nobody has.
UNSOUND = 1e-4
#: How long a change is tried that might make a site feasible, for steps up to those of an hourly year.
TRIAL_SECONDS = 10.0
#: Smallest difference of money that a note speaks of [currency].
WORTH_SAYING = 0.01
#: Most solves after hand-backs. The first nearly always does; more are needed where the bus is short as well.
HAND_BACK_SOLVES = 4

#: What says that there is no optimum; everything else that is none is a solver's failure.
NO_POINT = (SolveStatus.INFEASIBLE, SolveStatus.INFEASIBLE_OR_UNBOUNDED, SolveStatus.UNBOUNDED)

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


class NoPointError(Exception):
    """A program has no point, or no lowest one; `is_own` unless a study or a hand-back has changed its numbers."""

    def __init__(self, status: SolveStatus, program: LinearProgram) -> None:
        super().__init__(status.value)
        self.status = status
        self.program = program
        self.after_hand_back = False
        self.is_own = True


def dispatch(
    scenario: Scenario,
    *,
    inputs: Mapping[str, Inputs] | None = None,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
    tie_factor: float = 1.0,
) -> Dispatch:
    """The optimal operation of a scenario, certified.

    `inputs` may be given where they were read already; `solver` overrides the scenario's; `tie_factor` multiplies the
    prices that decide between plans of equal cost.

    Raises:
        InputError: something outside cannot be read, or the solver's name is not known.
        InfeasibleError: no operation meets every limit, or the cost has no lower bound; says where it fails, and which
            single changes would do.
        SolverLimitError: the solver stopped before an optimum was certified.
    """
    steps = dispatch_steps(
        scenario, inputs=inputs, solver=solver, progress=progress, remedies=True, tie_factor=tie_factor
    )
    return completed(steps)


def dispatch_steps(
    scenario: Scenario,
    *,
    inputs: Mapping[str, Inputs] | None = None,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
    remedies: bool = False,
    tie_factor: float = 1.0,
) -> Steps[Dispatch]:
    """`dispatch` as steps: yields a request for every program and wants its solution sent back.

    What would make an infeasible scenario feasible is looked for with `remedies` only: it takes many solves.
    """
    timings: dict[str, float] = {}
    started = time.perf_counter()
    if inputs is None:
        progress("reading inputs")
        inputs = scenario.read_inputs()
    timings["load"] = time.perf_counter() - started
    try:
        name = solver or scenario.dispatch.solver
        return (yield from _dispatched(scenario, inputs, name, timings, progress, tie_factor))
    except NoPointError as stopped:
        raise _infeasible(scenario, inputs, stopped, remedies=remedies, progress=progress) from None


def _dispatched(
    scenario: Scenario,
    inputs: Mapping[str, Inputs],
    name: str,
    timings: dict[str, float],
    progress: Progress,
    tie_factor: float = 1.0,
) -> Steps[Dispatch]:
    """The dispatch, or `NoPointError`."""
    progress("building the program")
    started = time.perf_counter()
    program = build_program(scenario, inputs, tie_factor=tie_factor)
    _ = program.matrix
    timings["build"] = time.perf_counter() - started

    progress("solving")
    started = time.perf_counter()
    options = SolveOptions(time_limit_seconds=scenario.dispatch.time_limit_seconds, keep_basis=True)
    result = yield from _best_carried_out(scenario, inputs, program, name, options, tie_factor)
    found = tuple(each.note(scenario) for each in both_ways(scenario, result.series))
    result = with_shortfalls(replace(result, notes=(*result.notes, *found)))
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
    try:
        return completed(_solved(program, solver or scenario.dispatch.solver, options))
    except NoPointError as stopped:
        # of numbers that a study holds fixed, nobody knows what else could be changed
        stopped.is_own = _is_own(program, scenario, inputs)
        raise _infeasible(scenario, inputs, stopped, remedies=stopped.is_own) from None


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


def _best_carried_out(
    scenario: Scenario,
    inputs: Mapping[str, Inputs],
    program: LinearProgram,
    solver: str,
    options: SolveOptions,
    tie_factor: float,
) -> Steps[Dispatch]:
    """The optimal plan after hand-back, or that of the simpler site where carrying it out comes to less.

    A plan that uses more freedom (V2G) may lose more when it is carried out than the freedom is worth.
    """
    plan, freer = yield from _planned_and_carried_out(scenario, inputs, program, solver, options)
    simpler = {name: component.simpler() for name, component in scenario.components.items()}
    changed = [name for name, component in simpler.items() if component is not None]
    # under shortage, a plan that discharges borrows what vehicles will miss; the audit sees where that cannot be
    is_sound = isinstance(freer, Dispatch) and (not changed or all(check.worst <= UNSOUND for check in audit(freer)))
    allowed = WORTH_A_SECOND_PLAN * max(abs(plan.objective), 1.0)
    if isinstance(freer, Dispatch) and is_sound and freer.objective - plan.objective <= allowed:
        return freer
    if changed:
        site = scenario.replace_components({n: simpler[n] or each for n, each in scenario.components.items()})
        other = build_program(site, inputs, tie_factor=tie_factor)
        try:
            _, result = yield from _planned_and_carried_out(site, inputs, other, solver, options)
        except (NoPointError, SolverLimitError) as error:
            result = error
        if isinstance(result, Dispatch) and (
            isinstance(freer, Exception) or not is_sound or result.objective < freer.objective
        ):
            note = f"{' and '.join(changed)}: carried out without discharge, which costs less than single vehicles'"
            notes = (*result.notes, f"{note} discharge would")
            return replace(result, scenario=scenario, notes=notes, plan_cost=plan.plan_cost)
    if isinstance(freer, Exception):
        raise freer
    return freer


def _planned_and_carried_out(
    scenario: Scenario, inputs: Mapping[str, Inputs], program: LinearProgram, solver: str, options: SolveOptions
) -> Steps[tuple[Dispatch, Dispatch | NoPointError | SolverLimitError]]:
    """The plan, and what comes of it, or why it cannot be carried out."""
    if scenario.dispatch.exact:
        refuse_other_solvers(solver)
    solution = yield from _solved(program, solver, options)
    plan = _collected(scenario, inputs, program, solution)
    plan = replace(plan, plan_cost=plan.objective)
    if scenario.dispatch.exact:
        held, found, how = held_one_way(scenario, program, solution, solver, options)
        if held is not program:
            solution = yield from _solved(held, solver, replace(options, warm_start=found))
        program = held
        exact = _collected(scenario, inputs, program, solution)
        plan = replace(exact, notes=(*exact.notes, how.note()), plan_cost=plan.objective, exact=how)
    try:
        carried_out = yield from _handed_back(plan, inputs, program, solution, solver, options)
        if scenario.dispatch.exact and both_ways(scenario, carried_out.series):
            # other prices may make opposite flows pay where the plan has none: then none is open that it does not use
            program = held_as_planned(scenario, program, solution)
            carried_out = yield from _handed_back(plan, inputs, program, solution, solver, options)
        return plan, replace(carried_out, plan_cost=plan.plan_cost, exact=plan.exact)
    except NoPointError as stopped:
        stopped.after_hand_back = True
        return plan, stopped
    except SolverLimitError as stopped:
        return plan, stopped


def _solved(program: LinearProgram, solver: str, options: SolveOptions) -> Steps[Solution]:
    solution = yield SolveRequest(program, solver, options)
    if solution.status in NO_POINT:
        raise NoPointError(solution.status, program)
    if not solution.is_optimal:
        raise SolverLimitError(f"{solution.solver}: {solution.status.value} ({solution.message})")
    certificate = solution.certificate
    if certificate is None:
        raise SolverLimitError(f"{solution.solver} gave no point")
    if not certificate.passed(CERTIFICATE_TOLERANCE) and options.tolerance is None:
        # a solver's tolerance on prices is absolute; where little money is at stake it must be tighter
        return (yield from _solved(program, solver, replace(options, tolerance=TIGHT_TOLERANCE)))
    if not certificate.passed(CERTIFICATE_TOLERANCE) and options.algorithm is None and solver in ("auto", "highs"):
        # with a row over the whole horizon, HiGHS' presolve can give back a point that is none of the program's
        plain = replace(options, algorithm="simplex_without_presolve", warm_start=None)
        return (yield from _solved(program, solver, plain))
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
    powers = [primal[program.columns(block.name)] for block in program.step_blocks if block.name.endswith("_kw")]
    largest = max([1.0, *(float(np.abs(power).max(initial=0.0)) for power in powers)])
    dust = min(DUST * largest, MOST_DUST)
    primal = np.clip(np.where(np.abs(primal) < dust, 0.0, primal), program.lower, program.upper)
    series: dict[str, FloatArray] = {}
    tables = {}
    notes: list[str] = [*scenario.notes, *scenario.weather_notes]
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
    return replace(result, objective=solution.objective - program.ties(primal))


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
        try:
            last = solves == HAND_BACK_SOLVES - 1
            how: Literal["exactly", "or not", "or less"]
            how = "or not" if solves == 0 else "exactly" if last else "or less"
            pinned, again = yield from _carried_out(program, settlements, solver, options, how)
        except NoPointError:
            if solves > 0:
                raise
            # the site cannot give the sessions all they need: then what the plan gives, and no more
            continue
        settled = _collected(scenario, inputs, pinned, again)
        iterations, seconds = iterations + settled.solver.iterations, seconds + settled.solver.seconds
    if again is solution:
        return replace(result, tables=tables, notes=tuple(notes))
    more = settled.objective - result.objective
    if more >= WORTH_SAYING:
        notes.append(
            f"carrying out the plan costs {more:.2f} {scenario.currency} "
            f"({more / max(abs(result.objective), 1.0):.4%}) more than the plan of divisible classes, which is a lower "
            "bound of any operation"
        )
    # why the plan went to which solver stays told, also where the solve after hand-back starts warm
    said = tuple(dict.fromkeys((*result.solver.notes, *settled.solver.notes)))
    record = replace(settled.solver, iterations=iterations, seconds=seconds, notes=said)
    return replace(settled, tables=tables, notes=tuple(notes), solver=record)


def _carried_out(
    program: LinearProgram,
    settlements: Mapping[str, Settlement],
    solver: str,
    options: SolveOptions,
    how: Literal["exactly", "or not", "or less"],
) -> Steps[tuple[LinearProgram, Solution]]:
    """The program with what settlements came to held fixed, solved.

    Where the site cannot go along, less is fixed, or with `or not` nothing is done. `exactly` fixes all of it whatever
    comes: what is left after too many solves must be what sessions really do.
    """
    exact = _without_rows(
        _pinned(program, {name: (each.exact, {}) for name, each in settlements.items()}),
        [f"{name}.{label}" for name, each in settlements.items() for label in each.settled],
    )
    attempt = yield SolveRequest(exact, solver, options)
    if is_certified(attempt):
        return exact, attempt
    if how == "or not" and attempt.status in NO_POINT:
        raise NoPointError(attempt.status, exact)
    if attempt.status not in NO_POINT or how == "exactly":
        # the site can go along, but the solver's point does not stand our check: asked again, more strictly
        return exact, (yield from _solved(exact, solver, options))
    pinned = _pinned(program, {name: (each.pinned, each.at_least) for name, each in settlements.items()})
    return pinned, (yield from _solved(pinned, solver, options))


def is_certified(solution: Solution) -> bool:
    """Whether this is an optimum that our own check has accepted."""
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


def _infeasible(
    scenario: Scenario,
    inputs: Mapping[str, Inputs],
    stopped: NoPointError,
    *,
    remedies: bool,
    progress: Progress = lambda phase: None,
) -> InfeasibleError:
    """The error that says why there is no optimum."""
    if stopped.status is not SolveStatus.INFEASIBLE:
        why = unboundedness_explained(scenario, stopped.program)
        if why is not None:
            return InfeasibleError(str(why), why.to_list())
    if stopped.status is SolveStatus.UNBOUNDED:
        return InfeasibleError(
            "the cost has no lower bound, says the solver, but no flow is paid for without a limit; try another solver"
        )
    trial = partial(_tried, carried_out=stopped.after_hand_back) if remedies else None
    pinned = stopped.program if stopped.after_hand_back or not stopped.is_own else None
    explanation = explained(
        scenario, inputs, pinned=pinned, after_hand_back=stopped.after_hand_back, trial=trial, progress=progress
    )
    return InfeasibleError(str(explanation), explanation.to_list())


def _tried(scenario: Scenario, inputs: Mapping[str, Inputs], *, carried_out: bool) -> Tried:
    """Whether a scenario has a certified plan, and (`carried_out`, or where in doubt) one that can be carried out."""
    try:
        if carried_out or any(component.simpler() is not None for component in scenario.components.values()):
            result = completed(_dispatched(scenario, inputs, "auto", {}, lambda phase: None))
        else:
            program = build_program(scenario, inputs)
            options = SolveOptions(time_limit_seconds=TRIAL_SECONDS * length(scenario))
            result = plan_of(scenario, inputs, program, completed(_solved(program, "auto", options)))
    except NoPointError:
        return Tried(False)
    except SolverLimitError:
        return Tried(None)
    once = [
        f"{each.component} then has {' and '.join(each.flows)} at once in {each.steps:,} steps, as no device can"
        for each in both_ways(scenario, result.series)
    ]
    undone = [
        float(short.amount.sum()) * scenario.grid.step_hours
        for name, component in scenario.components.items()
        for short in component.shortfalls(result.values(name))
        if not short.is_stored
    ]
    return Tried(True, sum(undone), "; ".join(once))


def _is_own(program: LinearProgram, scenario: Scenario, inputs: Mapping[str, Inputs]) -> bool:
    """Whether a program is that of the scenario, with no numbers changed by a study."""
    own = build_program(scenario, inputs)
    pairs = (
        (own.lower, program.lower),
        (own.upper, program.upper),
        (own.row_lower, program.row_lower),
        (own.row_upper, program.row_upper),
    )
    return all(np.array_equal(one, other) for one, other in pairs)

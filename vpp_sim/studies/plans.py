"""Plans: optima of one site's program under many settings of its numbers, each solved from the one before.

A plan is the dispatch before it is handed back to sessions: its cost is exactly the function that duals are the
derivatives of. Studies of sizes and targets compare plans; the run they end in is handed back as always.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import numpy as np
from pydantic import ValidationError

from vpp_sim.components.base import Component, FreeSize, Inputs
from vpp_sim.dispatch import Dispatch, build_program
from vpp_sim.dispatch.run import is_certified, plan_of, solved_program
from vpp_sim.errors import InputError, SolverLimitError, nearest
from vpp_sim.kpi import Summary, summarize
from vpp_sim.lp import LinearProgram, Solution, SolveOptions, SolveStatus, solve, solve_batch
from vpp_sim.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Plan:
    """One optimum: the scenario it belongs to, its program as solved, and what the solver returned."""

    scenario: Scenario
    inputs: Mapping[str, Inputs]
    program: LinearProgram
    solution: Solution

    @property
    def cost(self) -> float:
        """Bill, wear, penalties and annuities over the horizon: the objective without what decides ties."""
        return _money(self.program, self.solution)

    @property
    def years(self) -> float:
        """Length of the horizon."""
        return self.scenario.grid.years

    @cached_property
    def dispatch(self) -> Dispatch:
        """All series."""
        return plan_of(self.scenario, self.inputs, self.program, self.solution)

    @cached_property
    def summary(self) -> Summary:
        """KPIs, bill and checks."""
        return summarize(self.dispatch)

    def size(self, path: str) -> float:
        """A free size, by `component.field`."""
        return self.dispatch.sizes[path]

    def marginal_cost(self, path: str) -> float:
        """What one more unit of a size adds to the objective over the horizon, its own annuity included."""
        reduced = self.solution.reduced_cost(self.program)
        if reduced is None:
            raise InputError(f"the solver {self.solution.solver} gives no duals; use highs")
        return float(reduced[self.program.columns(size_column(path))][0])


#: How a solve ends where nothing meets every limit.
NO_POINT = (SolveStatus.INFEASIBLE, SolveStatus.INFEASIBLE_OR_UNBOUNDED)


#: How HiGHS is asked again where its answer does not stand our certificate: with a row over the whole horizon its
#: presolve can give back a point that is none of the program's, and its tolerances are absolute.
RETRIES = (
    SolveOptions(algorithm="simplex_without_presolve", keep_basis=True),
    SolveOptions(algorithm="simplex_without_presolve", tolerance=1e-9, keep_basis=True),
)


@dataclass(frozen=True)
class Variant:
    """A setting of the site: a scenario, mostly with the same inputs, and free sizes (`component.field`) at numbers."""

    scenario: Scenario
    pinned: Mapping[str, float] = field(default_factory=dict)
    #: Inputs of its own, where they are not those of the planner's scenario.
    inputs: Mapping[str, Inputs] | None = None


class Planner:
    """Solves variants of one site: those of one structure side by side, or by HiGHS each from the one before."""

    def __init__(self, scenario: Scenario, *, solver: str | None = None) -> None:
        self.inputs = scenario.read_inputs()
        self.solver = solver or scenario.dispatch.solver
        self._programs: dict[str, LinearProgram] = {}
        self._last: dict[tuple[int, int], Solution] = {}
        self._declined: set[str] = set()
        self._costs: dict[bytes, float] = {}

    def plan(self, scenario: Scenario, pinned: Mapping[str, float] | None = None) -> Plan:
        """The optimum of one variant.

        Raises:
            InfeasibleError, SolverLimitError: as `dispatch` does.
        """
        variant = Variant(scenario, pinned or {})
        found = self.plans([variant])[0]
        if found is not None:
            return found
        program = self._program(variant)
        return Plan(scenario, self.inputs, program, solved_program(scenario, self.inputs, program, solver=self.solver))

    def plans(self, variants: Sequence[Variant]) -> list[Plan | None]:
        """The optimum of each variant, None where nothing meets its limits.

        Raises:
            SolverLimitError: a solver stopped before an optimum was certified.
        """
        programs = [self._program(variant) for variant in variants]
        found: list[Plan | None] = []
        for variant, program, solution in zip(variants, programs, self._solutions(programs), strict=True):
            if solution.status in NO_POINT:
                found.append(None)
                continue
            found.append(Plan(variant.scenario, variant.inputs or self.inputs, program, solution))
        return found

    def remember(self, plan: Plan) -> None:
        """Keep the cost of a plan for `costs`."""
        self._costs[_numbers_of(plan.program)] = plan.cost - plan.program.cost_offset

    def costs(self, variants: Sequence[Variant]) -> list[float]:
        """The cost of each variant's optimum, NaN where nothing meets its limits; no program is kept.

        Programs that differ by a cost that no decision changes, and by nothing else, are solved once.

        Raises:
            SolverLimitError: a solver stopped before an optimum was certified.
        """
        programs = [self._built(variant) for variant in variants]
        keys = [_numbers_of(program) for program in programs]
        new = {key: program for key, program in zip(keys, programs, strict=True) if key not in self._costs}
        for (key, program), solution in zip(new.items(), self._solutions(list(new.values())), strict=True):
            cost = np.nan if solution.status in NO_POINT else _money(program, solution)
            self._costs[key] = cost - program.cost_offset
        return [self._costs[key] + program.cost_offset for key, program in zip(keys, programs, strict=True)]

    def _solutions(self, programs: Sequence[LinearProgram]) -> list[Solution]:
        """Each program's certified optimum, or that nothing meets its limits."""
        solutions = self._answers(programs)
        for solution in solutions:
            if solution.status not in NO_POINT and not is_certified(solution):
                raise SolverLimitError(f"{solution.solver}: {solution.status.value} ({solution.message})")
        return solutions

    def _answers(self, programs: Sequence[LinearProgram]) -> list[Solution]:
        if self.solver not in ("auto", "highs"):
            return solve_batch(programs, self.solver)
        answers: dict[int, Solution] = {}
        if self.solver == "auto":
            fit = [number for number, program in enumerate(programs) if program.structure not in self._declined]
            together = solve_batch([programs[number] for number in fit], "structured") if fit else []
            answers = {number: answer for number, answer in zip(fit, together, strict=True) if is_certified(answer)}
            # a structure that was declined or did not converge once is not tried again
            self._declined |= {programs[number].structure for number in fit if number not in answers}
        return [answers.get(number) or self._by_highs(program) for number, program in enumerate(programs)]

    def _by_highs(self, program: LinearProgram) -> Solution:
        """By simplex from the last basis of this shape; the first time by the interior point, which free sizes suit."""
        shape = program.num_rows, program.num_columns
        last = self._last.get(shape)
        options = SolveOptions(warm_start=last, keep_basis=True, algorithm=None if last is not None else "ipm")
        solution = solve(program, "highs", options)
        for again in RETRIES:
            if is_certified(solution) or solution.status in NO_POINT:
                break
            solution = solve(program, "highs", again)
        if is_certified(solution):
            self._last[shape] = solution
        return solution

    def program(self, scenario: Scenario) -> LinearProgram:
        """The program of a variant; built once."""
        return self._program(Variant(scenario))

    def _built(self, variant: Variant) -> LinearProgram:
        return build_program(variant.scenario, variant.inputs or self.inputs)

    def _program(self, variant: Variant) -> LinearProgram:
        digest = variant.scenario.digest()
        program = self._programs.get(digest)
        if program is None:
            program = self._programs[digest] = self._built(variant)
        if not variant.pinned:
            return program
        lower, upper = program.lower.copy(), program.upper.copy()
        for path, size in variant.pinned.items():
            columns = program.columns(size_column(path))
            lower[columns] = upper[columns] = size
        return program.with_numbers(lower=lower, upper=upper)


def _money(program: LinearProgram, solution: Solution) -> float:
    """The objective of an optimum without what decides ties."""
    return solution.objective - (0.0 if solution.primal is None else program.ties(solution.primal))


def _numbers_of(program: LinearProgram) -> bytes:
    """Digest of everything that decides the optimum: structure and numbers, without the cost that is fixed."""
    digest = hashlib.sha256(program.structure.encode())
    for numbers in (program.cost, program.lower, program.upper, program.row_lower, program.row_upper):
        digest.update(numbers.tobytes())
    digest.update(program.matrix.data.tobytes())
    return digest.digest()


def size_column(path: str) -> str:
    """The column of a free size."""
    return f"{path}_size"


def capacities(component: Component) -> dict[str, float | FreeSize]:
    """Every capacity of a component that can be free, by field name."""
    found: dict[str, float | FreeSize] = {}
    for name, declared in type(component).model_fields.items():
        value = getattr(component, name)
        if value is not None and FreeSize in get_args(declared.annotation):
            found[name] = value if isinstance(value, FreeSize) else float(value)
    return found


def with_free(scenario: Scenario, path: str, smallest: float, largest: float) -> Scenario:
    """The scenario with a capacity (`component.field`) free from smallest to largest, at its cost where it has one.

    Raises:
        InputError: there is no such capacity, or the component does not allow it to be free.
    """
    name, _, field = path.removeprefix("components.").partition(".")
    component = scenario.components.get(name)
    known = [f"{part}.{own}" for part, other in scenario.components.items() for own in capacities(other)]
    if component is None or field not in capacities(component):
        close = nearest(path, known)
        hint = f"did you mean {close}?" if close else f"one of {', '.join(known)}"
        raise InputError(f"{path}: is no capacity of this scenario; {hint}")
    value = getattr(component, field)
    if isinstance(value, FreeSize):
        free = value.model_copy(update={"min": smallest, "max": largest})
    else:
        free = FreeSize(min=smallest, max=largest, cost_per_unit=0.0)
    return scenario.with_components(**{name: _with_field(component, name, field, free)})


def _with_field(component: Component, name: str, field: str, free: FreeSize) -> Component:
    changed = component.model_copy(update={field: free})
    try:
        type(component).model_validate(changed.model_dump(by_alias=True))
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError(f"{name}.{field}: cannot be a free size: {reason}") from None
    return changed


def with_all_free(scenario: Scenario) -> Scenario:
    """The scenario with every capacity that allows it a free size; those given as numbers are held where they are."""
    for name, component in scenario.components.items():
        for own, value in capacities(component).items():
            if isinstance(value, FreeSize):
                continue
            try:
                scenario = with_free(scenario, f"{name}.{own}", value, value)
            except InputError:
                continue
    return scenario


def grid_of(smallest: float, largest: float, count: int) -> list[float]:
    """Even sizes from one end to the other.

    >>> grid_of(0, 10, 3)
    [0.0, 5.0, 10.0]
    """
    return [float(size) for size in np.linspace(smallest, largest, count)]

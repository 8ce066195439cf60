"""Which single change of a number or choice makes a site feasible: the least of each, tried by solving.

Components say what may be changed (`Component.adjustable`), targets have their bound. Where the bounds of the program
depend on a number linearly, which two builds of the program show, the least change is the optimum of a linear program;
otherwise it is found by halving. A number whose derivative says that it cannot help, because the least shortfall is
convex in it, is not tried. Every proposal is rounded up to three digits and then really run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from vpp_sim.components.adjustable import Adjustable, adjusted
from vpp_sim.components.base import FloatArray, Inputs
from vpp_sim.dispatch.build import build_program, build_target_search
from vpp_sim.dispatch.explanation import Remedy
from vpp_sim.dispatch.targets import row_name, shortfall_name
from vpp_sim.errors import InputError
from vpp_sim.lp import LinearProgram, Solution, SolveOptions, SolveStatus, solve
from vpp_sim.lp.relax import Shift, shift_between, shift_onto, with_shifts
from vpp_sim.scenario import Scenario


class Tried(NamedTuple):
    """Whether a scenario can be run (None: no solver ended in time), what is undone that has a price, and a remark."""

    runs: bool | None
    undone_kwh: float = 0.0
    remark: str = ""


#: Runs a scenario to see whether that can be done.
Trial = Callable[[Scenario, Mapping[str, Inputs]], Tried]
Builder = Callable[[Scenario, Mapping[str, Inputs]], LinearProgram]

#: How long one search takes at most, for steps up to those of an hourly year.
SOLVE_SECONDS = 20.0
#: Digits of a proposed change, and by how many of the last digit it may be raised until it is enough.
DIGITS, RAISES = 3, 4
#: A change of more than this many times the value, or of more than this where that is little, is none that anybody
#: would make.
MOST_TIMES, MOST_OF_LITTLE = 100.0, 1e4
#: Steps from which a trial takes so long that changes found by trials alone have a digit less.
MANY_STEPS = 4000
#: How often the largest change is halved in search of one that is enough.
HALVINGS = 6
#: Most rounds of Dinkelbach's method; two or three are usual. The last change is about the square root of what is left.
RATIOS = 12
RATIO_SETTLED, RATIO_AHEAD = 1e-5, 1e-3
#: Most steps of Newton's method for several numbers together.
NEWTON_STEPS = 20
#: Of several numbers those change that do what is wanting with a relative change of at most so many times the least.
COMPARABLE = 20.0
#: By what share each step goes further, since programs near the edge of what is feasible are the hardest.
FURTHER = 2e-3
#: A solve that takes longer is left, and a point a little further taken.
TOGETHER_SECONDS = 5.0
#: A shortfall that the largest change would make smaller by no more than this share is not made smaller.
NOTHING = 1e-9
HOURS_OF_YEAR = 8784
#: What is left of a shortfall counts from this share of it on.
LITTLE = 1e-6
#: Seconds after which no further change is tried, for steps up to those of an hourly year.
SEARCH_SECONDS = 40.0


@dataclass(frozen=True)
class Candidate:
    """Something of a component, or (`of_target`) the bound of a target, that may be changed."""

    owner: str
    adjustable: Adjustable
    of_target: bool = False

    @property
    def place(self) -> str:
        """As behind `--set`."""
        return f"{'targets.' if self.of_target else ''}{self.owner}.{self.adjustable.field}"

    @property
    def is_ratio(self) -> bool:
        """Whether it is the bound of a ratio."""
        return self.adjustable.unit == "-" or "/" in self.adjustable.unit

    @property
    def sign(self) -> float:
        """Whether the number rises or falls."""
        return 1.0 if self.limit > self.value else -1.0

    @property
    def value(self) -> float:
        """The number as it is."""
        return float(self.adjustable.value)

    @property
    def limit(self) -> float:
        """The number at most."""
        return float(self.adjustable.limit)

    @property
    def reach(self) -> float:
        """The largest change."""
        return min(abs(self.limit - self.value), self.most)

    @property
    def most(self) -> float:
        """The largest change that anybody would make."""
        return max(MOST_TIMES * abs(self.value), MOST_OF_LITTLE)

    def at(self, amount: float) -> float:
        """The number after a change."""
        if amount >= abs(self.limit - self.value):
            return self.limit
        return round(self.value + self.sign * amount, 12)

    def remedy(self, value: float | str | bool) -> Remedy:
        """The change to a value."""
        own, prefix = self.adjustable, self.place.removesuffix(self.adjustable.field)
        settings = {f"{prefix}{field}": entry for field, entry in own.settings(value).items()}
        owner = f"targets.{self.owner}" if self.of_target else self.owner
        return Remedy(owner, own.field, own.words, own.unit, own.value, value, settings, own.less_service)


def candidates(scenario: Scenario) -> list[Candidate]:
    """Everything that may be changed, components first."""
    found = [Candidate(name, each) for name, part in scenario.components.items() for each in part.adjustable()]
    for name, target in scenario.targets.items():
        if target.is_hard:
            meaning = target.meaning
            limit = 0.0 if meaning.bound == "at_least" else (1.0 if meaning.is_share else math.inf)
            # another bound than the rule's is no longer the rule
            own = {"measure": target.measure, "rule": None, "year": None} if target.rule is not None else {}
            bound = Adjustable(meaning.bound, "bound", meaning.unit, target.bound, limit, partial(_always, own))
            found.append(Candidate(name, bound, True))
    return [each for each in found if not each.adjustable.is_number or each.reach > 0.0]


def _always(fields: Mapping[str, Any], value: float) -> Mapping[str, Any]:
    return fields


def length(scenario: Scenario) -> float:
    """By how many times a scenario has more steps than a year has hours, at least 1."""
    return max(1.0, scenario.grid.num_steps / HOURS_OF_YEAR)


@dataclass(frozen=True)
class Relaxed:
    """A program that can always be solved and says how far the site is from feasible."""

    build: Builder
    program: LinearProgram
    solution: Solution


@dataclass(frozen=True)
class Line:
    """The program at a number as it is, how its bounds move with the number, and for how large a change."""

    program: LinearProgram
    shift: Shift
    reach: float


@dataclass(frozen=True)
class Search:
    """Looks for changes of one infeasible scenario; `by_trial` where its program alone says too little."""

    scenario: Scenario
    inputs: Mapping[str, Inputs]
    relaxed: Relaxed | None
    trial: Trial
    progress: Callable[[str], None]
    by_trial: bool = False
    #: Bounds of targets that can be reached with everything else as it is, as far as they were found.
    best_bounds: dict[str, float] = field(default_factory=dict, compare=False)
    _unsettled: set[Candidate] = field(default_factory=set, compare=False)
    _trials: dict[tuple[Candidate, float | str | bool], Tried] = field(default_factory=dict, compare=False)
    _own_program: list[LinearProgram | None] = field(default_factory=list, compare=False)
    _lines: dict[tuple[Builder, Candidate], Line | None] = field(default_factory=dict, compare=False)
    _begun: float = field(default_factory=time.monotonic, compare=False)

    @property
    def is_late(self) -> bool:
        """Whether the time for trying is over: longer for more steps than a year has hours."""
        return time.monotonic() > self._begun + SEARCH_SECONDS * length(self.scenario)

    def _within(self, seconds: float) -> SolveOptions:
        return SolveOptions(time_limit_seconds=seconds * length(self.scenario))

    def singles(self, among: Sequence[Candidate]) -> tuple[list[Remedy], list[Candidate], list[Candidate]]:
        """The least change of each that alone is enough; those of which none is; and those not settled in time.

        What is known to make the shortfall smaller is tried first, and what takes many trials last.
        """
        remedies: dict[Candidate, Remedy] = {}
        not_enough, not_tried = [], []
        ordered = sorted(among, key=lambda each: (self._takes_trials(each), not self.helps(each), not each.of_target))
        for number, candidate in enumerate(ordered, start=1):
            self.progress(f"looking for what would do, {number} of {len(among)}: {candidate.place}")
            if self.is_late and self._may_help(candidate):
                not_tried.append(candidate)
                continue
            remedy = self._single(candidate)
            if remedy is not None:
                remedies[candidate] = remedy
            elif candidate in self._unsettled:
                not_tried.append(candidate)
            else:
                not_enough.append(candidate)
        found = [remedies[each] for each in among if each in remedies and not each.adjustable.less_service]
        found += [remedies[each] for each in among if each in remedies and each.adjustable.less_service]
        return found, not_enough, not_tried

    def _takes_trials(self, candidate: Candidate) -> bool:
        """Whether a number moves no straight line of bounds all the way."""
        if not candidate.adjustable.is_number or (candidate.of_target and candidate.is_ratio):
            return False
        line = self._line(build_program, candidate)
        return self.by_trial or line is None or line.reach < candidate.reach

    def _single(self, candidate: Candidate) -> Remedy | None:
        if not candidate.adjustable.is_number:
            return self._proposed(candidate, candidate.adjustable.limit)
        if not self._may_help(candidate) or self._falls_short(candidate):
            return None
        if candidate.of_target and candidate.is_ratio:
            amount = self._least_by_ratio(candidate)
            return None if amount is None else self._rounded(candidate, amount)
        line = None if self.by_trial else self._line(build_program, candidate)
        if line is None:
            return self._halved(candidate)
        status, amount = least_change(line, self._within(SOLVE_SECONDS))
        if amount is not None:
            return self._rounded(candidate, amount)
        if status is not SolveStatus.INFEASIBLE:
            self._unsettled.add(candidate)
            return None
        return self._halved(candidate, beyond=line.reach) if line.reach < candidate.reach else None

    def _may_help(self, candidate: Candidate) -> bool:
        """Whether the derivative of the shortfall leaves room for the number to help at all."""
        needed = self.least_needed(candidate)
        return needed is None or needed <= candidate.reach * (1.0 + 1e-6)

    def _falls_short(self, candidate: Candidate) -> bool:
        """Whether even the largest change leaves something wanting, and no smaller one leaves less.

        What is wanting is convex in the number: where it still falls at the largest change, that is its least.
        """
        if self.relaxed is None or self.by_trial:
            return False
        line = self._line(self.relaxed.build, candidate)
        if line is None or line.reach < candidate.reach or line.program.structure != self.relaxed.program.structure:
            return False
        program = moved(self.relaxed.program, line.shift, candidate.reach)
        solution = solve(program, "auto", self._within(SOLVE_SECONDS))
        wanting = solution.is_optimal and solution.objective > LITTLE * self.relaxed.solution.objective
        return wanting and line.shift.slope(program, solution) <= 0.0

    def helps(self, candidate: Candidate) -> bool:
        """Whether a change of it makes the shortfall smaller, as far as that can be said."""
        if self.relaxed is None or not candidate.adjustable.is_number:
            return False
        slope = self._slope(self.relaxed, candidate)
        return slope is not None and slope < -NOTHING * self.relaxed.solution.objective / candidate.most

    def moves(self, candidate: Candidate) -> set[str]:
        """Step blocks whose upper bound depends on the number."""
        line = self._line(build_program, candidate) if candidate.adjustable.is_number else None
        if line is None:
            return set()
        blocks = line.program.step_blocks
        return {block.name for block in blocks if line.shift.upper[line.program.columns(block.name)].any()}

    def least_needed(self, candidate: Candidate) -> float | None:
        """A lower bound of the change that is needed, from duals; None where nothing can be said."""
        if self.relaxed is None:
            return None
        line, slope = self._line(self.relaxed.build, candidate), self._slope(self.relaxed, candidate)
        if slope is None or line is None or line.reach < candidate.reach:
            return None
        needed = self.relaxed.solution.objective / -slope if slope < 0.0 else math.inf
        return needed if needed <= candidate.most else math.inf

    def _slope(self, relaxed: Relaxed, candidate: Candidate) -> float | None:
        """By how much the shortfall rises per unit of the number, where it is; None where nothing can be said."""
        line = self._line(relaxed.build, candidate)
        if line is None or line.program.structure != relaxed.program.structure:
            return None
        return line.shift.slope(relaxed.program, relaxed.solution)

    def variant(self, changes: Mapping[Candidate, float | str | bool]) -> tuple[Scenario, dict[str, Inputs]] | None:
        """The scenario with changes and its inputs, read anew where a component changed; None where it is refused."""
        scenario, inputs = self.scenario, dict(self.inputs)
        try:
            for candidate, value in changes.items():
                settings = candidate.adjustable.settings(value)
                name = candidate.owner
                if candidate.of_target:
                    target = adjusted(scenario.targets[name], settings)
                    scenario = scenario.with_targets({**scenario.targets, name: target})
                else:
                    component = adjusted(scenario.components[name], settings)
                    scenario = scenario.replace_components({**scenario.components, name: component})
                    inputs[name] = component.inputs(scenario.context())
        except (ValidationError, InputError):
            return None
        return scenario, inputs

    def _is_enough(self, candidate: Candidate, value: float | str | bool) -> bool:
        return self._tried(candidate, value).runs is True

    def _tried(self, candidate: Candidate, value: float | str | bool) -> Tried:
        if (candidate, value) not in self._trials:
            made = self.variant({candidate: value})
            self._trials[candidate, value] = Tried(False) if made is None else self.trial(*made)
        found = self._trials[candidate, value]
        if found.runs is None:
            self._unsettled.add(candidate)
        return found

    def _proposed(self, candidate: Candidate, value: float | str | bool) -> Remedy | None:
        """The change to a value, if it is enough."""
        found = self._tried(candidate, value)
        if not found.runs:
            return None
        return replace(candidate.remedy(value), undone_kwh=found.undone_kwh, remark=found.remark)

    def _line(self, build: Builder, candidate: Candidate) -> Line | None:
        """How the program moves with a number, all the way or near where it is; None where it does not move so."""
        if (build, candidate) not in self._lines:
            found = self._line_found(candidate) if build is build_program else self._relaxed_line(candidate)
            self._lines[build, candidate] = found
        return self._lines[build, candidate]

    def _relaxed_line(self, candidate: Candidate) -> Line | None:
        """How the search moves with a number: as the program does, where both have the same blocks."""
        line, own = self._line(build_program, candidate), self._own()
        if line is None or self.relaxed is None or own is None or line.program.structure != own.structure:
            return None
        program = self.relaxed.program
        return Line(program, shift_onto(line.shift, line.program, program), line.reach)

    def _own(self) -> LinearProgram | None:
        """The scenario's own program."""
        if not self._own_program:
            self._own_program.append(self._built(build_program, {}))
        return self._own_program[0]

    def _line_found(self, candidate: Candidate) -> Line | None:
        near = max(1.0, 0.5 * abs(candidate.value))
        if math.isinf(candidate.limit):
            return self._line_to(candidate, near, candidate.reach)
        whole = self._line_to(candidate, candidate.reach, candidate.reach)
        return whole or (self._line_to(candidate, near, near) if near < candidate.reach else None)

    def _line_to(self, candidate: Candidate, far: float, reach: float) -> Line | None:
        other, middle = (self._built(build_program, {candidate: candidate.at(part * far)}) for part in (1.0, 0.5))
        if other is None or middle is None:
            return None
        half = shift_between(middle, other, 0.5 * far)
        # at the number itself a block may be absent (no share may be shed): then the line through two others counts
        own = self._own()
        whole = None if own is None else shift_between(own, other, far)
        if own is None or half is None or whole is None:
            return None if half is None else Line(moved(middle, half, -0.5 * far), half, reach)
        return Line(own, whole, reach) if whole.agrees_with(half) else None

    def _least_by_ratio(self, candidate: Candidate) -> float | None:
        """The least change of a bound on a ratio, which stands beside variables: Dinkelbach's method.

        The plan with the largest margin at one bound has a ratio of its own, which is the next bound. Each is met, and
        they come to the best there is faster than linearly (Dinkelbach 1967, doi:10.1287/mnsc.13.7.492).
        """
        amount = ahead = 0.0
        for _ in range(RATIOS):
            # a little ahead of the last bound, since at the best one the margin is 0 but for rounding
            here = self._built(build_target_search, {candidate: candidate.at(amount + ahead)})
            best = (
                None
                if here is None
                else solve(self._with_largest_margin(here, candidate), "auto", self._within(SOLVE_SECONDS))
            )
            if here is None or best is None or not best.is_optimal or best.primal is None:
                return None
            change = self._change_to_meet(candidate, amount + ahead, here, best.primal)
            if change is None:
                return None
            before, amount = amount, amount + ahead + change
            if abs(amount - before) <= RATIO_SETTLED * max(1.0, abs(candidate.value)):
                break
            ahead = min(RATIO_AHEAD * max(1.0, abs(candidate.value)), max(0.0, candidate.reach - amount))
        if not 0.0 < amount <= candidate.reach * (1.0 + 1e-9):
            return None
        self.best_bounds[candidate.owner] = candidate.value + candidate.sign * amount
        return amount

    def _change_to_meet(
        self, candidate: Candidate, amount: float, here: LinearProgram, primal: FloatArray
    ) -> float | None:
        """By how much the bound of a target must change further so that a plan of the search `here` just meets it."""
        step = 1e-3 * max(1.0, abs(candidate.value))
        there = self._built(build_target_search, {candidate: candidate.at(amount) + candidate.sign * step})
        if there is None:  # beyond the last bound there is, such as a share of 0
            step = -step
            there = self._built(build_target_search, {candidate: candidate.at(amount) + candidate.sign * step})
        if there is None:
            return None
        point = primal.copy()
        point[here.columns(shortfall_name(candidate.owner))] = 0.0
        rows = here.rows(row_name(candidate.owner))
        # by steps, of which the one that misses most counts
        missing, then = (float((each.row_lower - each.matrix @ point)[rows].max()) for each in (here, there))
        return None if missing == then else missing / (missing - then) * step

    def _with_largest_margin(self, program: LinearProgram, candidate: Candidate) -> LinearProgram:
        """The search in which one target has as much to spare as can be, and the other hard ones hold."""
        lower, upper, cost = program.lower.copy(), program.upper.copy(), np.zeros(program.num_columns)
        for name, target in self.scenario.targets.items():
            if target.is_hard and name != candidate.owner:
                upper[program.columns(shortfall_name(name))] = 0.0
        own = program.columns(shortfall_name(candidate.owner))
        lower[own], cost[own] = -np.inf, 1.0
        return program.with_numbers(lower=lower, upper=upper, cost=cost)

    def _built(self, build: Builder, changes: Mapping[Candidate, float | str | bool]) -> LinearProgram | None:
        made = self.variant(changes)
        return None if made is None else build(*made)

    def _rounded(self, candidate: Candidate, amount: float) -> Remedy | None:
        """The change with few digits that is enough."""
        for value in _rising_values(candidate, amount):
            remedy = self._proposed(candidate, value)
            if remedy is not None:
                return remedy
        return None

    def _halved(self, candidate: Candidate, *, beyond: float = 0.0) -> Remedy | None:
        """The least change of few digits that is enough, by trials: first its decade, then its digits.

        It is known to lie `beyond` some change.
        """
        digits = DIGITS if self.scenario.grid.num_steps < MANY_STEPS else DIGITS - 1
        # all the way may be refused, or too far
        reaches = [candidate.reach / 2.0**halvings for halvings in range(HALVINGS)]
        reaches = [each for each in reaches if each > beyond]
        reach = next((each for each in reaches if self._is_enough(candidate, candidate.at(each))), None)
        if reach is None:
            return None
        decade = math.floor(math.log10(reach))
        while decade > -6 and 10.0**decade > beyond and self._is_enough(candidate, candidate.at(10.0**decade)):
            decade -= 1
        unit = 10.0 ** (decade - digits + 1)
        low, high = max(10 ** (digits - 1), math.floor(beyond / unit)), 10**digits
        while high - low > 1:
            middle = (low + high) // 2
            amount = middle * unit
            if amount >= reach or self._is_enough(candidate, candidate.at(amount)):
                high = middle
            else:
                low = middle
        return self._proposed(candidate, candidate.at(min(high * unit, reach)))

    def combination(self, among: Sequence[Candidate]) -> list[Remedy]:
        """Changes of components that together are enough: if it can be without less service, and as few as can be."""
        self.progress("looking for what would do: several changes together")
        numbers = [each for each in among if each.adjustable.is_number and not each.of_target]
        # a number that may go both ways goes the first way, and must be a straight line with the others: a share
        # multiplies a size of its component
        useful = list(
            {each.place: each for each in reversed(numbers) if self._line(build_program, each) is not None}.values()
        )
        sized = {each.owner for each in useful if each.adjustable.unit != "-"}
        useful = [each for each in useful if each.adjustable.unit != "-" or each.owner not in sized]
        together = None if self.relaxed is None else self._lines_together(self.relaxed.build, useful)
        if together is None:
            return []
        program, shifts = together
        left_out = {each for each in shifts if each.adjustable.less_service}
        amounts = self._enough_together(program, shifts, left_out)
        if amounts is None and left_out:
            left_out = set()
            amounts = self._enough_together(program, shifts, left_out)
        if amounts is None:
            return []
        # leave out what the others can do without: less service first, then what contributes little
        small = sorted(amounts.items(), key=lambda item: (not item[0].adjustable.less_service, _relative(*item)))
        for candidate, _ in small:
            if len(amounts) <= 2 or self.is_late:
                break
            without = self._enough_together(program, shifts, left_out | {candidate})
            if without is not None and len(without) < len(amounts):
                left_out, amounts = left_out | {candidate}, without
        return self._together(amounts)

    def bounds_together(self, among: Sequence[Candidate]) -> list[Remedy]:
        """Bounds of all the targets that can be met together: those of the plan that misses least in sum."""
        relaxed = self.relaxed
        targets = [each for each in among if each.of_target]
        if relaxed is None or relaxed.solution.primal is None or relaxed.build is not build_target_search:
            return []
        self.progress("looking for what would do: bounds of several targets together")
        found = {each: self._change_to_meet(each, 0.0, relaxed.program, relaxed.solution.primal) for each in targets}
        amounts = {each: amount for each, amount in found.items() if amount is not None and amount > 0.0}
        return self._together(amounts) if amounts else []

    def _enough_together(
        self, program: LinearProgram, shifts: Mapping[Candidate, Shift], left_out: set[Candidate]
    ) -> dict[Candidate, float] | None:
        """Changes at which nothing is wanting; None where none were found.

        What is wanting is convex in them. From point to point each that helps there does an equal part of what is left,
        as its derivative says, which is never too much; what only helps beside others comes in when these have risen.
        """
        if self.relaxed is None:
            return None
        lines = {each: self._line(build_program, each) for each in shifts}
        reach = {each: line.reach for each, line in lines.items() if line is not None and each not in left_out}
        amounts = dict.fromkeys(reach, 0.0)
        wanting_before = math.inf
        for _ in range(NEWTON_STEPS):
            changed = program
            for each, amount in amounts.items():
                changed = moved(changed, shifts[each], amount)
            if self.is_late:
                return None
            solution = solve(changed, "auto", self._within(TOGETHER_SECONDS))
            if solution.status in (SolveStatus.TIME_LIMIT, SolveStatus.INACCURATE):
                amounts = {each: min(reach[each], amount * (1.0 + FURTHER)) for each, amount in amounts.items()}
                continue
            if not solution.is_optimal or solution.objective > wanting_before:
                return None
            wanting_before = solution.objective
            if wanting_before <= LITTLE * self.relaxed.solution.objective:
                return {each: amount for each, amount in amounts.items() if amount > 0.0}
            steps = self._steps(shifts, changed, solution, [each for each in reach if amounts[each] < reach[each]])
            if not steps:
                return None
            for each in amounts:
                further = amounts[each] + steps.get(each, 0.0) / len(steps)
                amounts[each] = min(reach[each], further * (1.0 + FURTHER))
        return None

    def _steps(
        self, shifts: Mapping[Candidate, Shift], program: LinearProgram, solution: Solution, among: Sequence[Candidate]
    ) -> dict[Candidate, float]:
        """What each number would have to change further to do all that is wanting, of those that do it best."""
        slopes = {each: shifts[each].slope(program, solution) for each in among}
        steps = {each: solution.objective / -slope for each, slope in slopes.items() if slope < 0.0}
        steps = {each: step for each, step in steps.items() if step <= each.most}
        best = min((_relative(each, step) for each, step in steps.items()), default=0.0)
        return {each: step for each, step in steps.items() if _relative(each, step) <= COMPARABLE * best}

    def _lines_together(
        self, build: Builder, among: Sequence[Candidate]
    ) -> tuple[LinearProgram, dict[Candidate, Shift]] | None:
        """The program and the shift of each number, at a point where every block is there."""
        near = {each: each.at(0.25 * min(each.reach, max(1.0, 0.5 * abs(each.value)))) for each in among}
        middle = self._built(build, near) if among else None
        if middle is None:
            return None
        program, shifts = middle, {}
        for each in among:
            far = each.at(min(each.reach, max(1.0, 0.5 * abs(each.value))))
            other = self._built(build, {**near, each: far})
            shift = None if other is None else shift_between(middle, other, abs(far - near[each]))
            if shift is not None:
                program = moved(program, shift, -abs(near[each] - each.value))
                shifts[each] = shift
        return (program, shifts) if shifts and len(shifts) == len(among) else None

    def _together(self, amounts: Mapping[Candidate, float]) -> list[Remedy]:
        """The changes, each rounded up, if they are enough."""
        for raises in range(RAISES):
            values = {candidate: rounded_up(candidate, amount, raises) for candidate, amount in amounts.items()}
            made = self.variant(values)
            found = Tried(False) if made is None else self.trial(*made)
            if found.runs:
                changes = [candidate.remedy(value) for candidate, value in values.items()]
                return [replace(remedy, undone_kwh=found.undone_kwh, remark=found.remark) for remedy in changes]
        return []


def least_change(line: Line, options: SolveOptions) -> tuple[SolveStatus, float | None]:
    """The least change of a number at which anything is feasible; None where there is none, or none was found."""
    wider = with_shifts(line.program, [line.shift], np.array([line.reach]), np.ones(1))
    solution = solve(wider, "auto", options)
    if not solution.is_optimal or solution.primal is None:
        return solution.status, None
    return solution.status, max(float(solution.primal[-1]), 0.0)


def _relative(candidate: Candidate, amount: float) -> float:
    """A change per what the number is."""
    return amount / max(1.0, abs(candidate.value))


def moved(program: LinearProgram, shift: Shift, by: float) -> LinearProgram:
    """The program with its bounds moved by a change of the number."""
    if by == 0.0:
        return program
    return program.with_numbers(
        lower=program.lower + by * shift.lower,
        upper=program.upper + by * shift.upper,
        row_lower=program.row_lower + by * shift.row_lower,
        row_upper=program.row_upper + by * shift.row_upper,
    )


def rounded_up(candidate: Candidate, amount: float, raises: int = 0) -> float:
    """The number after a change that is rounded up to a few digits, and raised by some of the last one.

    >>> rounded_up(Candidate("grid", Adjustable("import_limit_kw", "import limit", "kW", 3000.0, math.inf)), 411.52)
    3412.0
    """
    if amount <= 0.0:
        return candidate.at(0.0)
    last = 10.0 ** (math.floor(math.log10(amount) + 1e-9) - DIGITS + 1)
    # a solver's rounding is no reason for one more of the last digit
    return candidate.at((math.ceil(amount / last * (1.0 - 1e-7) - 1e-6) + raises) * last)


def _rising_values(candidate: Candidate, amount: float) -> Iterator[float]:
    """Numbers after a change that is rounded up, from the least on."""
    last = None
    for raises in range(RAISES):
        value = rounded_up(candidate, amount, raises)
        if value != last:
            yield value
        last = value

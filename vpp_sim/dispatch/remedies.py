"""Which single change of a number or choice makes a site feasible: the least of each, tried by solving.

Components say what may be changed (`Component.adjustable`), targets have their bound. Where the bounds of the program
depend on a number linearly, which two builds of the program show, the least change is the optimum of a linear program;
otherwise it is found by halving. A number whose derivative says that it cannot help, because the least shortfall is
convex in it, is not tried. Every proposal is rounded up to three digits and then really run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from pydantic import ValidationError

from vpp_sim.components.adjustable import Adjustable, adjusted
from vpp_sim.components.base import FloatArray, Inputs
from vpp_sim.dispatch.build import build_program, build_target_search
from vpp_sim.dispatch.explanation import Remedy
from vpp_sim.dispatch.targets import row_name, shortfall_name
from vpp_sim.errors import InputError
from vpp_sim.lp import LinearProgram, Solution, SolveOptions, solve
from vpp_sim.lp.relax import Shift, shift_between, with_shifts
from vpp_sim.scenario import Scenario

#: Whether a scenario can be run, found by running it.
Trial = Callable[[Scenario, Mapping[str, Inputs]], bool]
Builder = Callable[[Scenario, Mapping[str, Inputs]], LinearProgram]

#: How changes are searched: by simplex, for exact numbers.
OPTIONS = SolveOptions(algorithm="simplex", time_limit_seconds=300.0)
#: Digits of a proposed change, and by how many of the last digit it may be raised until it is enough.
DIGITS, RAISES = 3, 4
#: A change of more than this many times the value (or 1) is none that anybody would make.
MOST_TIMES = 1e4
#: How often the largest change is halved in search of one that is enough.
HALVINGS = 6
#: Most rounds of Dinkelbach's method; four are usual.
RATIOS = 12


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
        return min(abs(self.limit - self.value), MOST_TIMES * max(1.0, abs(self.value)))

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
        return Remedy(owner, own.field, own.words, own.unit, own.value, value, settings)


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

    def singles(self, among: Sequence[Candidate]) -> tuple[list[Remedy], list[Candidate]]:
        """The least change of each that alone is enough; and those of which none is."""
        remedies, not_enough = [], []
        for candidate in among:
            self.progress(f"looking for what would do: {candidate.place}")
            remedy = self._single(candidate)
            if remedy is not None:
                remedies.append(remedy)
            else:
                not_enough.append(candidate)
        return remedies, not_enough

    def _single(self, candidate: Candidate) -> Remedy | None:
        if not candidate.adjustable.is_number:
            value = candidate.adjustable.limit
            return candidate.remedy(value) if self._is_enough(candidate, value) else None
        if not self._may_help(candidate):
            return None
        if candidate.of_target and candidate.is_ratio:
            amount = self._least_by_ratio(candidate)
            return None if amount is None else self._rounded(candidate, amount)
        line = None if self.by_trial else self._line(build_program, candidate)
        if line is None:
            return self._halved(candidate)
        amounts = least_changes(line.program, [line.shift], [line.reach], [1.0])
        if amounts is None:
            return self._halved(candidate) if line.reach < candidate.reach else None
        return self._rounded(candidate, float(amounts[0]))

    def _may_help(self, candidate: Candidate) -> bool:
        """Whether the derivative of the shortfall leaves room for the number to help at all."""
        needed = self.least_needed(candidate)
        return needed is None or needed <= candidate.reach * (1.0 + 1e-6)

    def helps(self, candidate: Candidate) -> bool:
        """Whether a change of it makes the shortfall smaller, as far as that can be said."""
        needed = self.least_needed(candidate) if candidate.adjustable.is_number else None
        return needed is not None and math.isfinite(needed)

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
        line = self._line(self.relaxed.build, candidate)
        if line is None or line.reach < candidate.reach or line.program.structure != self.relaxed.program.structure:
            return None
        slope = line.shift.slope(self.relaxed.program, self.relaxed.solution)
        most = MOST_TIMES * max(1.0, abs(candidate.value))
        needed = self.relaxed.solution.objective / -slope if slope < 0.0 else math.inf
        return needed if needed <= most else math.inf

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
        made = self.variant({candidate: value})
        return made is not None and self.trial(*made)

    def _line(self, build: Builder, candidate: Candidate) -> Line | None:
        """How the program moves with a number, all the way or near where it is; None where it does not move so."""
        near = max(1.0, 0.5 * abs(candidate.value))
        if math.isinf(candidate.limit):
            return self._line_to(build, candidate, near, candidate.reach)
        whole = self._line_to(build, candidate, candidate.reach, candidate.reach)
        return whole or (self._line_to(build, candidate, near, near) if near < candidate.reach else None)

    def _line_to(self, build: Builder, candidate: Candidate, far: float, reach: float) -> Line | None:
        other, middle = (self._built(build, {candidate: candidate.at(part * far)}) for part in (1.0, 0.5))
        if other is None or middle is None:
            return None
        half = shift_between(middle, other, 0.5 * far)
        # at the number itself a block may be absent (no share may be shed): then the line through two others counts
        own = self._built(build, {})
        whole = None if own is None else shift_between(own, other, far)
        if own is None or half is None or whole is None:
            return None if half is None else Line(moved(middle, half, -0.5 * far), half, reach)
        return Line(own, whole, reach) if whole.agrees_with(half) else None

    def _least_by_ratio(self, candidate: Candidate) -> float | None:
        """The least change of a bound on a ratio, which stands beside variables: Dinkelbach's method.

        The plan with the largest margin at one bound has a ratio of its own, which is the next bound. Each is met, and
        they come to the best there is faster than linearly (Dinkelbach 1967, doi:10.1287/mnsc.13.7.492).
        """
        amount, step = 0.0, 1e-3 * max(1.0, abs(candidate.value))
        for _ in range(RATIOS):
            here = self._built(build_target_search, {candidate: candidate.at(amount)})
            there = self._built(build_target_search, {candidate: candidate.at(amount) + candidate.sign * step})
            if there is None:  # beyond the last bound there is, such as a share of 0
                step = -step
                there = self._built(build_target_search, {candidate: candidate.at(amount) + candidate.sign * step})
            if here is None or there is None:
                return None
            best = solve(self._with_largest_margin(here, candidate), "auto")
            if not best.is_optimal or best.primal is None:
                return None
            row = here.rows(row_name(candidate.owner))
            point = best.primal.copy()
            point[here.columns(shortfall_name(candidate.owner))] = 0.0
            missing, then = (float((each.row_lower - each.matrix @ point)[row][0]) for each in (here, there))
            if missing == then:
                return None
            change = missing / (missing - then) * step
            amount += change
            if abs(change) <= 1e-7 * max(1.0, abs(candidate.value)):
                break
        return amount if 0.0 < amount <= candidate.reach * (1.0 + 1e-9) else None

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
            if self._is_enough(candidate, value):
                return candidate.remedy(value)
        return None

    def _halved(self, candidate: Candidate) -> Remedy | None:
        """The least change of few digits that is enough, by trials: first its decade, then its digits."""
        # all the way may be refused, or too far
        reaches = [candidate.reach / 2.0**halvings for halvings in range(HALVINGS)]
        reach = next((each for each in reaches if self._is_enough(candidate, candidate.at(each))), None)
        if reach is None:
            return None
        decade = math.floor(math.log10(reach))
        while decade > -6 and self._is_enough(candidate, candidate.at(10.0**decade)):
            decade -= 1
        unit = 10.0 ** (decade - DIGITS + 1)
        low, high = 10 ** (DIGITS - 1), 10**DIGITS
        while high - low > 1:
            middle = (low + high) // 2
            amount = middle * unit
            if amount >= reach or self._is_enough(candidate, candidate.at(amount)):
                high = middle
            else:
                low = middle
        return candidate.remedy(candidate.at(min(high * unit, reach)))

    def combination(self, among: Sequence[Candidate]) -> list[Remedy]:
        """The least changes that together are enough, each counted against what it would at least take alone."""
        self.progress("looking for what would do: several changes together")
        useful = [each for each in among if each.adjustable.is_number and math.isfinite(self._weight(each))]
        lines = self._lines(useful)
        if lines is None:
            return []
        chosen = dict(zip(useful, lines[1], strict=True))
        amounts = self._least_together(lines[0], chosen)
        if amounts is None:
            return []
        # in the order of what each contributes, leave out all that the others can do without
        used = {each: amount / self._weight(each) for each, amount in amounts.items()}
        for candidate in sorted(useful, key=lambda each: used[each]):
            fewer = {each: shift for each, shift in chosen.items() if each != candidate}
            without = self._least_together(lines[0], fewer)
            if without is not None:
                chosen, amounts = fewer, without
        return self._together(amounts)

    def _least_together(
        self, program: LinearProgram, shifts: Mapping[Candidate, Shift]
    ) -> dict[Candidate, float] | None:
        prices = [1.0 / self._weight(each) for each in shifts]
        found = least_changes(program, list(shifts.values()), [each.reach for each in shifts], prices)
        return None if found is None else dict(zip(shifts, found.tolist(), strict=True))

    def _weight(self, candidate: Candidate) -> float:
        needed = self.least_needed(candidate)
        return max(1.0, abs(candidate.value)) if needed is None else needed

    def _lines(self, among: Sequence[Candidate]) -> tuple[LinearProgram, list[Shift]] | None:
        """The program and the shift of each number, at a point where every block is there."""
        if not among:
            return None
        near = {each: each.at(0.25 * min(each.reach, max(1.0, 0.5 * abs(each.value)))) for each in among}
        middle = self._built(build_program, near)
        if middle is None:
            return None
        program, shifts = middle, []
        for each in among:
            far = each.at(min(each.reach, max(1.0, 0.5 * abs(each.value))))
            other = self._built(build_program, {**near, each: far})
            shift = None if other is None else shift_between(middle, other, abs(far - near[each]))
            if shift is None:
                return None
            program = moved(program, shift, -abs(near[each] - each.value))
            shifts.append(shift)
        return program, shifts

    def _together(self, amounts: Mapping[Candidate, float]) -> list[Remedy]:
        """The changes, each rounded up, if they are enough."""
        for raises in range(RAISES):
            values = {candidate: rounded_up(candidate, amount, raises) for candidate, amount in amounts.items()}
            made = self.variant(values)
            if made is not None and self.trial(*made):
                return [candidate.remedy(value) for candidate, value in values.items()]
        return []


def least_changes(
    program: LinearProgram,
    shifts: Sequence[Shift],
    reach: Sequence[float] | FloatArray,
    prices: Sequence[float] | FloatArray,
) -> FloatArray | None:
    """The changes of least price at which anything is feasible; None where none are."""
    if not shifts:
        return None
    wider = with_shifts(program, shifts, np.asarray(reach, dtype=float), np.asarray(prices, dtype=float))
    # with a row over the whole horizon presolve takes longer than it saves
    whole = any(total.name.startswith("targets.") for total in program.total_rows)
    options = replace(OPTIONS, algorithm="simplex_without_presolve") if whole else OPTIONS
    solution = solve(wider, "highs", options)
    if not solution.is_optimal or solution.primal is None:
        return None
    return np.maximum(solution.primal[program.num_columns :], 0.0)


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

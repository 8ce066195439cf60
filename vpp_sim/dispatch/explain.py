"""Explains why a site cannot be run: what is wanting, where and when, and which single change would do.

Four searches, each on a program that can always be solved, from the mildest to the last resort:

1. hard targets may be missed: the least sum of what is missed, and by how much each is missed alone;
2. the bus may be short or over by any power: the least energy, and among these the least power (`build_bus_search`);
3. every limit of every component may be broken, with power free at the bus: limits that contradict each other;
4. before all of these, rows that the bounds of their own variables already make impossible, found by adding up.

Nothing here asks what kind a component is: names of blocks and `Component.adjustable` say all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from vpp_sim.components.base import FloatArray, Inputs
from vpp_sim.dispatch.build import (
    BALANCE,
    SHORTFALL,
    SURPLUS,
    TIE_BREAK,
    build_bus_search,
    build_program,
    build_target_search,
)
from vpp_sim.dispatch.explanation import Explanation, Finding, Remedy, days_in_words, exact, figure, joined, spans_of
from vpp_sim.dispatch.remedies import Relaxed, Search, Trial, candidates
from vpp_sim.dispatch.targets import row_name, shortfall_name
from vpp_sim.lp import LinearProgram, Solution, SolveOptions, solve
from vpp_sim.lp.program import GlobalBlock, StepBlock
from vpp_sim.lp.relax import activity, elastic, violation, with_peaks
from vpp_sim.scenario import Scenario

#: How what is wanting is searched: by simplex, for few steps that are short, and duals; presolve takes longer here.
OPTIONS = SolveOptions(algorithm="simplex_without_presolve", time_limit_seconds=120.0)
#: How what has no steps is searched.
SEARCH = SolveOptions(time_limit_seconds=120.0)
#: Relative size below which a shortfall is a solver's rounding.
WANTING = 1e-6
#: What is missed of a target counts from this share of the terms of its row on.
ROUNDING = 1e-7
#: How much dearer it is to break a law (a balance, a state's dynamics, a bound of 0) than a limit that was chosen.
LAW = 1e4
#: Meanings of rows that belong to no component.
BUS_ROWS = {
    "bus.onsite_charge_kw": "charging from renewables on site only (charge_from: onsite)",
    "bus.renewable_export_kw": "no export of stored energy (export: forbidden)",
}
#: What is said where the plan is feasible and carrying it out is not.
AFTER_HAND_BACK = (
    "as a plan for divisible demand all limits hold, but not once each charging session is served in its own time"
)
#: What is said where no search comes to an end, or none finds anything.
UNKNOWN = "what is wanting was not found in time, or is less than can be measured"
#: Sources that a message names.
NAMED_SOURCES = 6


def explained(
    scenario: Scenario,
    inputs: Mapping[str, Inputs],
    *,
    pinned: LinearProgram | None = None,
    after_hand_back: bool = False,
    trial: Trial | None = None,
    progress: Callable[[str], None] = lambda phase: None,
) -> Explanation:
    """Why nothing meets every limit of a scenario; with a `trial` (which runs a scenario) also what would do.

    `pinned` is the program that has no point where that is not the scenario's own: numbers that a study holds fixed,
    or (`after_hand_back`) what sessions must have.
    """
    progress("nothing meets every limit: finding out what is wanting")
    advice = AFTER_HAND_BACK if after_hand_back else ""
    findings: tuple[Finding, ...] = ()
    relaxed: Relaxed | None = None
    has_hard_targets = any(target.is_hard for target in scenario.targets.values())
    if has_hard_targets and pinned is None:
        findings, relaxed = _target_findings(scenario, inputs)
    if not findings:
        findings, relaxed = _bus_findings(scenario, inputs, pinned)
    if not findings and relaxed is None:
        findings = _own_findings(scenario, inputs)
        advice = "look at minimum states, losses, sizes and how the horizon ends"
    if not findings and has_hard_targets and pinned is not None:
        findings, relaxed = _target_findings(scenario, inputs)
    if any(finding.component == "targets" for finding in findings):
        advice = "a target with a price need not be met"
    if not findings:
        return Explanation(
            (Finding("site", "limits", "missed", "-", 0.0, UNKNOWN),),
            advice="widen the tightest limit a little, or try fewer days",
        )
    bus_is_short = relaxed is not None and findings[0].component == "bus"
    if pinned is not None:
        # what would help the divisible plan says nothing here: only trials do
        relaxed = None
    else:
        known = {finding.component for finding in findings} - {"bus"}
        further = _impossible(scenario, build_program(scenario, inputs))
        findings = (*findings, *(finding for finding in further if finding.component not in known))
    found = Explanation(findings, advice=advice, doubts=_doubts(inputs))
    if trial is None:
        return found
    found = _with_remedies(found, Search(scenario, inputs, relaxed, trial, progress, by_trial=pinned is not None))
    if bus_is_short and has_hard_targets and pinned is None and not (found.remedies or found.combination):
        return _without_targets(scenario, inputs, found, trial, progress)
    return found


def _without_targets(
    scenario: Scenario,
    inputs: Mapping[str, Inputs],
    found: Explanation,
    trial: Trial,
    progress: Callable[[str], None],
) -> Explanation:
    """Where a short bus and targets together leave no change that would do: what would do for the bus."""
    hard = [name for name, target in scenario.targets.items() if target.is_hard]
    rest = {name: target for name, target in scenario.targets.items() if not target.is_hard}
    bare = explained(scenario.with_targets(rest), inputs, trial=trial, progress=progress)
    words = (
        "changes are those that would do without" if bare.remedies or bare.combination else "nothing does even without"
    )
    advice = f"{words} the targets ({joined(hard)}), which none of what was tried can meet as well; run it again then"
    opening = f"{found.opening}, even without the targets ({joined(hard)})"
    return replace(bare, findings=found.findings, opening=opening, advice=advice)


def impossible(scenario: Scenario, inputs: Mapping[str, Inputs]) -> Explanation | None:
    """What cannot hold whatever is done, found without solving; None where nothing was found so."""
    findings = _impossible(scenario, build_program(scenario, inputs))
    if not findings:
        return None
    return Explanation(findings, advice="vpp-sim run looks for the changes that would do", doubts=_doubts(inputs))


def _doubts(inputs: Mapping[str, Inputs]) -> tuple[str, ...]:
    """What components ask about their numbers: `is it in W?`."""
    return tuple(f"{name}: {note}" for name, read in inputs.items() for note in read.notes if note.endswith("?"))


def _with_remedies(found: Explanation, search: Search) -> Explanation:
    """The explanation with what would do, the limits that are short first."""
    among = candidates(search.scenario)
    remedies, others, not_tried = search.singles(among)
    combination: list[Remedy] = []
    whole = [
        remedy for remedy in remedies if remedy.component in search.scenario.components and not remedy.less_service
    ]
    if not whole and not search.is_late:
        combination = search.combination(others)
    if not combination and all(remedy.less_service for remedy in remedies):
        combination = search.bounds_together(among)
    helping = [each for each in among if search.helps(each)]
    if search.relaxed is None and not search.by_trial:
        # nothing is known of what each does: all numbers of the components in question were tried
        named = {finding.component for finding in found.findings}
        helping = [each for each in among if each.adjustable.is_number and each.owner in named]
    moved = {name for each in helping for name in search.moves(each)}
    findings = tuple(
        replace(
            finding,
            words=finding.words + _best_bound(finding, search),
            at_limits={name: power for name, power in finding.at_limits.items() if name in moved},
        )
        for finding in found.findings
    )
    held = {name.partition(".")[0] for finding in findings for name in finding.at_limits}
    done = {place for remedy in remedies for place in remedy.settings}
    return replace(
        found,
        findings=findings,
        remedies=tuple(
            sorted(remedies, key=lambda each: (bool(each.remark), not (each.component in held and each.rises)))
        ),
        combination=tuple(combination),
        not_enough=tuple(dict.fromkeys(each.place for each in helping if each in others and each.place not in done)),
        not_tried=tuple(dict.fromkeys(each.place for each in not_tried)),
        searched=True,
    )


def _best_bound(finding: Finding, search: Search) -> str:
    """What can be reached of a target, in words."""
    if finding.component != "targets" or finding.limit not in search.best_bounds:
        return ""
    best = figure(search.best_bounds[finding.limit])
    return f"; with everything else as it is, {best} is the best there is, whatever is left undone for it"


def _bus_findings(
    scenario: Scenario, inputs: Mapping[str, Inputs], pinned: LinearProgram | None = None
) -> tuple[tuple[Finding, ...], Relaxed | None]:
    """By how much the bus is short or over, if that is all; no `Relaxed` where even any power would not do."""
    program = build_bus_search(scenario, inputs)
    if pinned is not None:
        program = _bounded_like(program, pinned)
    solution = solve(program, "highs", OPTIONS)
    if not solution.is_optimal or solution.primal is None:
        return (), None
    findings = []
    for name, word in ((SHORTFALL, "short"), (SURPLUS, "over")):
        power = solution.primal[program.columns(f"bus.{name}")]
        largest = float(power.max(initial=0.0))
        if largest <= WANTING * _scale(scenario, program):
            continue
        wanting = power > WANTING * max(1.0, largest)
        energy = float(power[wanting].sum()) * scenario.grid.step_hours
        what = "more power is needed" if word == "short" else "more power must go somewhere"
        findings.append(
            Finding(
                component="bus",
                limit="balance_kw",
                side=word,
                unit="kW",
                amount=largest,
                total=energy,
                total_unit="kWh",
                words=f"{word} by at most {figure(largest)} kW, {figure(energy)} kWh in all ({what})",
                num_steps=int(wanting.sum()),
                days=days_in_words(scenario.grid, wanting),
                spans=spans_of(scenario.grid, power, wanting),
                at_limits=_at_limits(program, solution.primal, wanting),
            )
        )
    return tuple(findings), Relaxed(build_bus_search, program, solution)


def _bounded_like(program: LinearProgram, other: LinearProgram) -> LinearProgram:
    """The program with the bounds of another one where both have blocks of one name."""
    lower, upper = program.lower.copy(), program.upper.copy()
    row_lower, row_upper = program.row_lower.copy(), program.row_upper.copy()
    for name in [block.name for block in other.step_blocks] + [block.name for block in other.global_blocks]:
        here, there = program.columns(name), other.columns(name)
        lower[here], upper[here] = other.lower[there], other.upper[there]
    rows = {row.name for row in other.row_blocks} | {row.name for row in other.total_rows}
    own = [row.name for row in program.row_blocks] + [row.name for row in program.total_rows]
    for name in (name for name in own if name in rows):
        here, there = program.rows(name), other.rows(name)
        row_lower[here], row_upper[here] = other.row_lower[there], other.row_upper[there]
    return program.with_numbers(lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)


def _scale(scenario: Scenario, program: LinearProgram) -> float:
    """What is small beside the site: the largest fixed use, at least 1 kW."""
    return max(1.0, float(np.abs(program.row_lower[program.rows(BALANCE)]).max(initial=0.0)))


def _at_limits(program: LinearProgram, primal: FloatArray, wanting: np.ndarray) -> dict[str, str]:
    """Powers of components that stand at their upper bound in every step in which something is wanting [kW]."""
    held = {}
    for block in program.step_blocks:
        columns = program.columns(block.name)
        upper, value = program.upper[columns][wanting], primal[columns][wanting]
        if block.name.startswith("bus.") or not block.name.endswith("_kw") or not (upper > 0.0).any():
            continue
        if (program.lower[columns][wanting] == upper).all():
            continue
        if np.isfinite(upper).all() and (value >= upper - WANTING * np.maximum(1.0, upper)).all():
            least, most = float(upper.min()), float(upper.max())
            held[block.name] = (
                f"{most:,.6g}" if most - least <= WANTING * most else f"{figure(least)} to {figure(most)}"
            )
    return held


def _target_findings(scenario: Scenario, inputs: Mapping[str, Inputs]) -> tuple[tuple[Finding, ...], Relaxed | None]:
    """By how much the hard targets are missed, whatever it costs; nothing where something else is wanting."""
    program = build_target_search(scenario, inputs)
    solution = solve(program, "auto", SEARCH)
    if not solution.is_optimal:
        return (), None
    hard = [name for name, target in scenario.targets.items() if target.is_hard]
    findings: list[Finding] = []
    impossible_alone: set[str] = set()
    for name in hard:
        missing = _missing(program, solution, name)
        if missing > 0.0:
            alone = _missing_alone(scenario, inputs, name) if len(hard) > 1 else missing
            impossible_alone |= {name} if alone > 0.0 else set()
            findings.append(_target_finding(scenario, name, missing, alone, [each for each in hard if each != name]))
    # one that cannot be met alone says more than that it stands in the way of another
    alone_impossible = [finding for finding in findings if finding.limit in impossible_alone]
    return tuple(alone_impossible or findings), Relaxed(build_target_search, program, solution)


def _target_finding(scenario: Scenario, name: str, missing: float, alone: float, others: Sequence[str]) -> Finding:
    """What is missed of a target: `missing` where the sum over all is least, `alone` without the others."""
    target = scenario.targets[name]
    unit = target.meaning.shortfall_unit
    what = f"targets.{name}: {target.measure} {target.meaning.bound} {exact(target.bound)}"
    if alone > 0.0:
        words = f"{what} is missed by at least {figure(alone)} {unit}"
        words += "; it cannot be met even alone" if others else ""
    else:
        words = f"{what} is missed by {figure(missing)} {unit}; alone it could be met, not together with "
        words += joined(list(others))
    amount = alone or missing
    return Finding("targets", name, "missed", unit, amount, words, total=amount, total_unit=unit)


def _missing(program: LinearProgram, solution: Solution, name: str) -> float:
    """What is missed of a target at a point of the search; 0 below a solver's rounding."""
    if solution.primal is None or shortfall_name(name) not in {block.name for block in program.global_blocks}:
        return 0.0
    missing = float(solution.primal[program.columns(shortfall_name(name))][0])
    terms = abs(program.matrix[program.rows(row_name(name)), :]) @ np.abs(solution.primal)
    return missing if missing > ROUNDING * float(terms.max(initial=1.0)) else 0.0


def _missing_alone(scenario: Scenario, inputs: Mapping[str, Inputs], name: str) -> float:
    """The least that is missed of a target where it is the only one."""
    only = scenario.with_targets({name: scenario.targets[name]})
    program = build_target_search(only, inputs)
    return _missing(program, solve(program, "auto", SEARCH), name)


def _own_findings(scenario: Scenario, inputs: Mapping[str, Inputs]) -> tuple[Finding, ...]:
    """Limits that contradict each other even where any power can be had and given away: the least that is broken."""
    program = build_bus_search(scenario, inputs)
    looser = elastic(program, *_prices(scenario, program))
    solution = solve(looser, "highs", OPTIONS)
    if not solution.is_optimal or solution.primal is None:
        return ()
    # of many ways to break as little, the one that is never far off
    broken = violation(program, solution.primal)
    groups = [
        first + np.arange(where.start, where.stop)
        for first, amounts, blocks in (
            (program.num_columns, broken.rows, [program.rows(row.name) for row in program.row_blocks]),
            (
                program.num_columns + 2 * program.num_rows,
                broken.columns,
                [program.columns(block.name) for block in program.step_blocks],
            ),
        )
        for where in blocks
        if amounts[where].any()
    ]
    if groups:
        level = solve(with_peaks(looser, groups, TIE_BREAK), "highs", OPTIONS)
        broken = violation(program, level.primal) if level.primal is not None else broken
    steps = [(block.name, broken.columns[program.columns(block.name)]) for block in program.step_blocks]
    steps += [(row.name, broken.rows[program.rows(row.name)]) for row in program.row_blocks]
    totals = [(block.name, broken.columns[program.columns(block.name)]) for block in program.global_blocks]
    totals += [(row.name, broken.rows[program.rows(row.name)]) for row in program.total_rows]
    findings = [_broken(scenario, name, sign * amounts, sign > 0, True) for name, amounts in steps for sign in (1, -1)]
    findings += [_broken(scenario, name, sign * each, sign > 0, False) for name, each in totals for sign in (1, -1)]
    return tuple(finding for finding in findings if finding is not None)


def _prices(scenario: Scenario, program: LinearProgram) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Prices of breaking rows, upper and lower bounds: of a power per kWh, of all else per unit; laws are dear."""
    rows = np.where(program.row_lower == program.row_upper, LAW, 1.0)
    per_unit = np.ones(program.num_columns)
    for block in program.step_blocks:
        if block.name.endswith("_kw"):
            per_unit[program.columns(block.name)] = scenario.grid.step_hours
    return rows, per_unit, np.where(program.lower == 0.0, LAW, per_unit)


def _broken(scenario: Scenario, name: str, amounts: FloatArray, above: bool, by_step: bool) -> Finding | None:
    """A block that is broken on one side, in words."""
    wanting = amounts > WANTING * max(1.0, float(np.abs(amounts).max(initial=0.0)))
    if not wanting.any():
        return None
    component, _, quantity = name.partition(".")
    unit = "kWh" if quantity.endswith("_kwh") else "kW" if "_kw" in quantity else "-"
    largest = float(amounts.max())
    side = "above its most" if above else "below its least"
    words = f"{BUS_ROWS.get(name, name)} is {side} by at least {figure(largest)} {unit}"
    words += ", even with power bought and given away at will"
    if not by_step:
        return Finding(component, quantity, "above" if above else "below", unit, largest, words)
    return Finding(
        component,
        quantity,
        "above" if above else "below",
        unit,
        largest,
        words,
        num_steps=int(wanting.sum()),
        days=days_in_words(scenario.grid, wanting),
        spans=spans_of(scenario.grid, amounts, wanting),
    )


def _impossible(scenario: Scenario, program: LinearProgram) -> tuple[Finding, ...]:
    """Rows that the bounds of their variables make impossible."""
    least, most = activity(program)
    under = program.row_lower - most
    over = least - program.row_upper
    tolerance = WANTING * np.maximum(1.0, np.maximum(_finite(program.row_lower), _finite(program.row_upper)))
    findings = []
    for block in program.row_blocks:
        rows = program.rows(block.name)
        for gap, short in ((under, True), (over, False)):
            wanting = gap[rows] > tolerance[rows]
            if wanting.any():
                findings.append(_impossible_steps(scenario, program, block.name, gap[rows], wanting, short))
    for total in program.total_rows:
        for gap in (under, over):
            amount = float(gap[total.row])
            if amount > tolerance[total.row]:
                component, _, limit = total.name.partition(".")
                words = f"{total.name}: misses its bound by at least {figure(amount)}, whatever is done"
                findings.append(Finding(component, limit, "missed", "-", amount, words))
    return tuple(findings)


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), np.abs(values), 0.0)


def _impossible_steps(
    scenario: Scenario, program: LinearProgram, name: str, gap: FloatArray, wanting: np.ndarray, short: bool
) -> Finding:
    component, _, limit = name.partition(".")
    step = int(np.argmax(gap))
    amount = float(gap[step])
    when = f"{scenario.grid.local[step]:%Y-%m-%d %H:%M}"
    words = (
        f"{BUS_ROWS.get(name, name)} cannot hold: it misses its bound by {figure(amount)} on {when}, whatever is done"
    )
    unit = "kWh" if limit.endswith("_kwh") else "kW" if "_kw" in limit else "-"
    if name == BALANCE and short:
        used = float(program.row_lower[program.rows(name)][step])
        flows = _flows(program, program.rows(name).start + step)
        used -= sum(power for _, power in flows if power < 0.0)
        sources = [(block, power) for block, power in flows if power > 0.0]
        total = sum(power for _, power in sources)
        listed = ", ".join(f"{block} {figure(power)}" for block, power in sources[:NAMED_SOURCES]) or "there are none"
        words = (
            f"fixed uses are above all that can be given or shed by {figure(amount)} kW on {when}: "
            f"{figure(used)} kW against {figure(total)} kW at most ({listed})"
        )
    return Finding(
        component,
        limit,
        "missed",
        unit,
        amount,
        words,
        num_steps=int(wanting.sum()),
        days=days_in_words(scenario.grid, wanting),
    )


def _flows(program: LinearProgram, row: int) -> list[tuple[str, float]]:
    """What each block can supply at most in one row of the balance, the largest first; uses that must be are < 0."""
    line = program.matrix[[row], :].tocoo()
    powers: dict[str, float] = {}
    blocks: list[StepBlock | GlobalBlock] = [*program.step_blocks, *program.global_blocks]
    starts = np.array([block.start for block in blocks])
    for column, factor in zip(line.coords[1], line.data, strict=True):
        most = float(max(factor * program.upper[column], factor * program.lower[column]))
        name = blocks[int(np.searchsorted(starts, column, side="right")) - 1].name
        powers[name] = powers.get(name, 0.0) + most
    return sorted(((name, power) for name, power in powers.items() if power != 0.0), key=lambda entry: -entry[1])

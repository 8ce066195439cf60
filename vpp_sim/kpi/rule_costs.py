"""What it costs to meet a rule: the plan with it against the plan without it, and the price of the next point.

Both are plans of divisible charging, before they are handed back to single sessions, so that the difference is the
rule's alone. Free sizes are chosen anew without the rule, so that their annuity is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vpp_sim.components.base import Inputs
from vpp_sim.dispatch import Dispatch, build_program
from vpp_sim.dispatch.result import ALL_RULES
from vpp_sim.dispatch.run import Progress, plan_of, solved_program
from vpp_sim.dispatch.targets import SAFE_SIDE, row_name
from vpp_sim.errors import SolverLimitError
from vpp_sim.kpi.targets import TargetOutcome, cost_of

#: Row and figure that differ by less are told as one.
SAME = 1e-5
#: A part of the plan's cost below this is a solver's tolerance.
NOTHING = 1e-7


def with_rule_costs(
    result: Dispatch,
    inputs: Mapping[str, Inputs],
    *,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Dispatch:
    """The dispatch with what its plan would cost without each target that is a rule, and without all of them."""
    scenario = result.scenario
    targets = scenario.targets
    rules = [name for name, target in targets.items() if target.rule is not None]
    if not rules:
        return result
    progress("pricing the rules")
    program = build_program(scenario, inputs)
    known = {block.name for block in program.row_blocks} | {row.name for row in program.total_rows}

    def plan_cost(left_out: list[str]) -> float:
        lower, upper = program.row_lower.copy(), program.row_upper.copy()
        for row in known & {row_name(name) for name in left_out}:
            # rows that ask for nothing: the shape stays, and with it what a solver has made of it
            lower[program.rows(row)], upper[program.rows(row)] = -np.inf, np.inf
        changed = program.with_numbers(row_lower=lower, row_upper=upper)
        solution = solved_program(scenario, inputs, changed, solver=solver)
        return plan_of(scenario, inputs, changed, solution).objective

    asked = {name: [name] for name in rules} | ({ALL_RULES: rules} if len(rules) > 1 else {})
    without, notes = {}, list(result.notes)
    for name, left_out in asked.items():
        try:
            without[name] = plan_cost(left_out)
        except SolverLimitError as error:
            # the run itself is solved; a price that cannot be found must not lose it
            notes.append(f"targets: what {name} costs is not known: {error}")
    return replace(result, cost_without=without, notes=tuple(notes))


def rule_sentences(result: Dispatch, outcomes: Mapping[str, TargetOutcome]) -> list[str]:
    """What every rule that is a target costs, in words."""
    said = [_sentence(result, name, outcome) for name, outcome in outcomes.items() if not np.isnan(outcome.cost)]
    if (cost := cost_of(result, ALL_RULES)) > NOTHING * max(abs(result.plan_cost or 0.0), 1.0):
        said.append(f"all rules together cost {_money(result, cost)}")
    return said


def _sentence(result: Dispatch, name: str, outcome: TargetOutcome) -> str:
    target, meaning = outcome.target, outcome.target.meaning
    bound = f"{target.bound * 100:g} %" if meaning.is_share else f"{target.bound:g} {meaning.unit}"
    verb = "meeting" if outcome.is_met else "aiming at"
    text = f"{verb} {target.rule} ({meaning.bound.replace('_', ' ')} {bound}, {target.year}) "
    plan = result.plan_cost or 0.0
    if abs(outcome.cost) <= NOTHING * max(abs(plan), 1.0):
        return text + "costs nothing: the cheapest plan meets it"
    currency = result.scenario.currency
    text += (
        f"costs {_money(result, outcome.cost)}: {plan:,.0f} {currency} with it, "
        f"{result.cost_without[name]:,.0f} without"
    )
    if not outcome.is_met:
        text += (
            f"; it is missed by {outcome.shortfall:,.0f} {meaning.shortfall_unit}, which at {target.price:g} "
            f"{currency}/{meaning.shortfall_unit} are {outcome.penalty:,.0f} of that"
        )
    if (penalties := _penalties(result)) > NOTHING * max(abs(plan), 1.0):
        text += (
            f"; with it, {penalties / _years(result):,.0f} {currency} are the price put on charging, work or load that "
            "is not served"
        )
    price = outcome.shadow_price / _years(result)
    if not np.isnan(price):
        unit = "percentage point" if meaning.is_share else outcome.shadow_unit
        text += f"; one {unit} more strictly would cost {price:,.0f} {currency} {_span(result)}"
    if target.measure in SAFE_SIDE and abs(outcome.by_ledger - outcome.achieved) > SAME:
        side = f"{outcome.achieved:.2%} by the row, {outcome.by_ledger:.2%} by the ledger"
        text += f". The row keeps to the safe side of the figure where storage holds grid energy: {side}"
    return text


def _penalties(result: Dispatch) -> float:
    """What is priced as not served, over the horizon: a rule may be met by turning demand away."""
    parts = result.scenario.components
    return sum(part.costs(result.values(name)).get("penalty_cost", 0.0) for name, part in parts.items())


def _years(result: Dispatch) -> float:
    """By what amounts are divided to be of a year; 1 where the horizon is none."""
    years = result.scenario.grid.years
    return years if years >= 1.0 - 1e-9 else 1.0


def _span(result: Dispatch) -> str:
    grid = result.scenario.grid
    return "a year" if grid.years >= 1.0 - 1e-9 else f"over these {grid.horizon_hours / 24:,.3g} days"


def _money(result: Dispatch, amount: float) -> str:
    return f"{amount / _years(result):,.0f} {result.scenario.currency} {_span(result)}"

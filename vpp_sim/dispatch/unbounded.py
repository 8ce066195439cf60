"""Explains why a cost has no lower bound: which flows are paid for without a limit, in which steps, at which prices.

A program is unbounded along a ray d that its bounds and rows never stop and that costs less than nothing:

    minimise c'd   with  d >= 0 where x has a lower bound,  d <= 0 where it has an upper one,  |d| <= 1,
                         A d >= 0 where a row has a lower bound,  A d <= 0 where it has an upper one
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vpp_sim.dispatch.explanation import Explanation, Finding, days_in_words, figure, joined, spans_of
from vpp_sim.lp import LinearProgram, SolveOptions, solve
from vpp_sim.scenario import Scenario

#: Smaller parts of a ray are a solver's rounding.
MOVES = 1e-7
#: Flows that the text names.
NAMED_FLOWS = 6


def unboundedness_explained(scenario: Scenario, program: LinearProgram) -> Explanation | None:
    """Which flows earn money without a limit; None where the cost is bounded along every ray."""
    ray = _ray(program)
    if ray is None:
        return None
    grid = scenario.grid
    gains = np.zeros(grid.num_steps)
    moving = np.zeros(grid.num_steps, dtype=bool)
    for block in program.step_blocks:
        columns = program.columns(block.name)
        gains -= program.cost[columns] * ray[columns]
        moving |= np.abs(ray[columns]) > MOVES
    total = -float(program.cost @ ray)
    earning = gains > MOVES * float(np.abs(gains).max(initial=0.0))
    wanting = earning if earning.any() else moving
    if wanting.any():
        step = int(np.argmax(np.where(wanting, gains, -np.inf)))
        flows = list(_flows(program, ray, step, grid.step_hours, scenario.currency))
        when = f"on {grid.local[step]:%Y-%m-%d %H:%M}"
        amount = float(gains[step]) / grid.step_hours if earning.any() else total
    else:
        flows, when, amount = [], "over the horizon", total
    flows += list(_global_flows(program, ray, scenario.currency))
    cheapest = min(_names(program), key=lambda name: float((program.cost * ray)[program.columns(name)].sum()))
    component, _, limit = cheapest.partition(".")
    unit = f"{scenario.currency}/kWh"
    words = (
        f"{joined([words for _, words in flows[:NAMED_FLOWS]])} may grow together without a limit, and each further "
        f"unit earns {figure(amount)} {scenario.currency} {when}"
    )
    finding = Finding(
        component,
        limit,
        "unbounded",
        unit,
        amount,
        words,
        num_steps=int(wanting.sum()),
        days=days_in_words(grid, wanting) if wanting.any() else "",
        spans=spans_of(grid, gains / grid.step_hours, wanting),
    )
    return Explanation(
        (finding,),
        opening="the cost has no lower bound",
        advice=f"give {cheapest} an upper limit, or correct the price that pays for it",
    )


def _ray(program: LinearProgram) -> np.ndarray | None:
    """A direction of falling cost that nothing stops; None where there is none."""
    rays = program.with_numbers(
        lower=np.where(np.isfinite(program.lower), 0.0, -1.0),
        upper=np.where(np.isfinite(program.upper), 0.0, 1.0),
        row_lower=np.where(np.isfinite(program.row_lower), 0.0, -np.inf),
        row_upper=np.where(np.isfinite(program.row_upper), 0.0, np.inf),
    )
    scale = float(np.abs(program.cost).max(initial=0.0))
    solution = solve(rays, "highs", SolveOptions(algorithm="simplex_without_presolve"))
    if solution.primal is None or not float(program.cost @ solution.primal) < -1e-6 * scale:
        return None
    return np.where(np.abs(solution.primal) > MOVES, solution.primal, 0.0)


def _names(program: LinearProgram) -> list[str]:
    return [block.name for block in program.step_blocks] + [block.name for block in program.global_blocks]


def _flows(
    program: LinearProgram, ray: np.ndarray, step: int, hours: float, currency: str
) -> Iterable[tuple[float, str]]:
    """What moves in one step, the dearest last: cost and words."""
    found = []
    for block in program.step_blocks:
        column = block.start + step
        if ray[column] != 0.0:
            price = float(program.cost[column]) / (hours if block.name.endswith("_kw") else 1.0)
            unit = "kWh" if block.name.endswith("_kw") else "unit"
            found.append((price, f"{block.name} (at {figure(price)} {currency}/{unit})"))
    return sorted(found)


def _global_flows(program: LinearProgram, ray: np.ndarray, currency: str) -> Iterable[tuple[float, str]]:
    for block in program.global_blocks:
        columns = program.columns(block.name)
        if ray[columns].any():
            price = float(program.cost[columns][np.argmax(np.abs(ray[columns]))])
            yield price, f"{block.name} (at {figure(price)} {currency}/unit)"

"""Opposite flows in one step: where they are, what they destroy and gain, and a dispatch without any of them.

A linear program may charge and discharge a store in the same step, with c, d > 0, which no inverter can. The store then
sees the net energy n = eta_c c - d / eta_d, which one flow alone gives too:

    c' = n / eta_c, d' = 0  where n >= 0,        c' = 0, d' = -n eta_d  where n < 0

with c' <= c and d' <= d, so that every limit holds and the store's states stay as they are. The bus is left with more:

    (d' - c') - (d - c) = d (1 / (eta_c eta_d) - 1)  where n >= 0,        c (1 - eta_c eta_d)  where n < 0

Let p be the bus' marginal price (the balance's dual) and w > 0 the price of a discharged kWh (wear, and what decides
ties).

**Where p >= 0 it does not happen.** With m the worth of a stored kWh, c > 0 is optimal only if p <= eta_c m and d > 0
only if p >= m / eta_d + w, at their upper limits or below. Together m (1 / eta_d - eta_c) <= -w < 0, so that m < 0
and p <= eta_c m < 0. So the optimum needs no repair where energy is worth anything: of plans of equal cost the price
that decides ties leaves none that does both, and what a solver's tolerance leaves is below the threshold of the
count. (Where a row ties a flow to others, as `charge_from: onsite` does, p is the price with that row's.) The same
holds for import with export: tariffs under which it would pay are refused, and at equal prices the tie price on
import forbids it.

**Where p < 0 it can pay**: energy is a burden (it cannot be exported or curtailed, or import is paid for), and the
store destroys some of it. This no repair can take away at equal cost. It is counted and valued: `gain` is -p times
the energy destroyed, less what the additional discharge costs, to first order what the site could not have without
it.

**Exactly** (`dispatch.exact: true`): where the optimum has one flow in every step, it is the answer. Else the smaller
flow of each step is held at 0: if that costs as much as the program without (a lower bound of everything), it is the
optimum. Else it is a mixed-integer program in which a binary opens one direction of a step; binaries stand where p < 0
or where both flows occur, the others have one anyway, and where they do not, they get one. HiGHS solves it in pieces
of the horizon (`vpp_sim/lp/one_of_two`, with the proof of its bound). The directions found are held and the linear
program is solved once more, for prices and the certificate. What is told is the gap: no plan that has one flow at a
time costs less by more than that share.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vpp_sim.components.base import OPPOSITE_FLOW_SHARE, FloatArray
from vpp_sim.dispatch.build import marginal_price_per_kwh
from vpp_sim.dispatch.result import OneWay
from vpp_sim.errors import InputError, SolverLimitError
from vpp_sim.lp import LinearProgram, Solution, SolveOptions
from vpp_sim.lp.one_of_two import EndlessError, choose_one_of_two
from vpp_sim.scenario import Scenario

#: Solvers that can do without opposite flows.
EXACT_SOLVERS = ("auto", "highs")
#: Relative gap at which the directions count as the best: that of every other solution here.
MIP_GAP = 1e-6
#: Seconds for finding them where the scenario says no `time_limit_seconds`: long negative prices take very long.
LONGEST_SECONDS = 300.0
#: Below this marginal price [currency/kWh] a step gets a binary from the start; prices that decide ties lie above.
WORTH_DESTROYING = -1e-5


@dataclass(frozen=True)
class BothWays:
    """Opposite flows of one component that occur in the same steps."""

    component: str
    flows: tuple[str, str]
    steps: int
    first_step: int
    destroyed_kwh: float
    gain: float

    def note(self, scenario: Scenario) -> str:
        """What happened, what it is worth, and what to do about it."""
        when = f"{scenario.grid.local[self.first_step]:%Y-%m-%d %H:%M}"
        return (
            f"{self.component}: {self.flows[0]} and {self.flows[1]} at once in {self.steps:,} steps, first at {when}, "
            f"which destroys {self.destroyed_kwh:,.1f} kWh and gains about {self.gain:,.2f} {scenario.currency}: "
            "energy is worth less than nothing there; dispatch.exact: true forbids it"
        )


def both_ways(scenario: Scenario, series: Mapping[str, FloatArray]) -> tuple[BothWays, ...]:
    """Every pair of opposite flows that occurs in one step."""
    found = []
    dt = scenario.grid.step_hours
    price = series.get("bus.marginal_price_per_kwh")
    for name, component in scenario.components.items():
        for pair in component.opposite_flows():
            into, out = (series.get(f"{name}.{flow}") for flow in (pair.into, pair.out))
            if into is None or out is None:
                continue
            at_once = np.minimum(into, out) > _threshold(into, out)
            if not at_once.any():
                continue
            kept = pair.efficiency
            stores = into * kept >= out
            lost = np.where(stores, out * (1.0 / kept - 1.0), into * (1.0 - kept)) * at_once
            spent = np.where(stores, out, into * kept) * at_once * pair.cost_per_kwh
            worth = np.zeros_like(into) if price is None else -price * lost
            found.append(
                BothWays(
                    component=name,
                    flows=(pair.into, pair.out),
                    steps=int(at_once.sum()),
                    first_step=int(np.argmax(at_once)),
                    destroyed_kwh=float(lost.sum()) * dt,
                    gain=float((worth - spent).sum()) * dt,
                )
            )
    return tuple(found)


def _threshold(into: FloatArray, out: FloatArray) -> float:
    return OPPOSITE_FLOW_SHARE * max(1.0, float(into.max(initial=0.0)), float(out.max(initial=0.0)))


def refuse_other_solvers(solver: str) -> None:
    """Raise InputError for a solver that solves linear programs only."""
    if solver not in EXACT_SOLVERS:
        raise InputError(
            f"dispatch.exact needs the solver {' or '.join(EXACT_SOLVERS)} (HiGHS), got {solver}: others solve linear "
            "programs only here; take another solver, or leave exact out"
        )


def held_one_way(
    scenario: Scenario, program: LinearProgram, solution: Solution, solver: str, options: SolveOptions
) -> tuple[LinearProgram, Solution, OneWay]:
    """The program with one direction open in every step, the best choice of them found, its optimum, and the gap.

    It is the program itself where its optimum has one flow at a time.

    Raises:
        InputError: a flow has no largest value.
        SolverLimitError: no choice was found in the time allowed.
    """
    started = time.perf_counter()
    into, out = _pairs(scenario, program)
    free = (program.upper[into] > 0.0) & (program.upper[out] > 0.0)
    into, out = into[free], out[free]
    if into.size == 0 or solution.row_dual is None:
        return program, solution, OneWay(0.0, 0, 0, time.perf_counter() - started)
    price = marginal_price_per_kwh(scenario, program, solution.row_dual)[into % program.num_steps]
    limited = replace(options, time_limit_seconds=options.time_limit_seconds or LONGEST_SECONDS)
    try:
        found = choose_one_of_two(program, solution, into, out, price < WORTH_DESTROYING, MIP_GAP, solver, limited)
    except EndlessError as error:
        raise InputError(
            f"dispatch.exact: {next(_names(program, error.columns))} has no largest value, which binaries need; give a "
            "number in place of a free size, and no overload_price_per_kwh"
        ) from None
    if found is None:
        raise SolverLimitError(
            "dispatch.exact: no plan that has one flow at a time was found; raise dispatch.time_limit_seconds, or "
            "leave exact out"
        )
    seconds = time.perf_counter() - started
    return found.program, found.solution, OneWay(found.gap, found.binaries, found.pieces, seconds)


def held_as_planned(scenario: Scenario, program: LinearProgram, solution: Solution) -> LinearProgram:
    """The program in which every step has the direction of a plan only, the larger flow's."""
    into, out = _pairs(scenario, program)
    if solution.primal is None:
        return program
    closed = np.where(solution.primal[into] > solution.primal[out], out, into)
    upper = program.upper.copy()
    upper[closed] = program.lower[closed]
    return program.with_numbers(upper=upper)


def _pairs(scenario: Scenario, program: LinearProgram) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns of all opposite flows, side by side."""
    known = {block.name for block in program.step_blocks}
    found = [np.zeros((2, 0), dtype=np.int64)]
    for name, component in scenario.components.items():
        for pair in component.opposite_flows():
            names = (f"{name}.{pair.into}", f"{name}.{pair.out}")
            if known.issuperset(names):
                found.append(np.array([np.arange(program.num_columns)[program.columns(each)] for each in names]))
    into, out = np.concatenate(found, axis=1)
    return into, out


def _names(program: LinearProgram, columns: NDArray[np.int64]) -> Iterator[str]:
    for block in program.step_blocks:
        own = np.arange(program.num_columns)[program.columns(block.name)]
        if np.isin(columns, own).any():
            yield block.name

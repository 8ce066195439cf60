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

**Exactly** (`dispatch.exact: true`): a mixed-integer program in which a binary z opens one direction of a step,
a <= A z, b <= B (1 - z). Binaries stand only in steps where the program without them had both flows; the steps in which
the answer has both are added, until there are none. That is exact: each program is a relaxation of the one with
binaries everywhere, and the last one's optimum is feasible there, so it is the optimum there. The directions found are
then held and the linear program is solved once more, for prices and the certificate. HiGHS alone does this.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vpp_sim.components.base import FloatArray
from vpp_sim.errors import InputError, SolverLimitError
from vpp_sim.lp import LinearProgram, Solution, SolveOptions
from vpp_sim.scenario import Scenario

#: Both flows of a pair must exceed this share of the pair's largest flow (at least 1 kW) to count.
THRESHOLD = 1e-6
#: Solvers that can do without opposite flows.
EXACT_SOLVERS = ("auto", "highs")
#: Relative gap at which the mixed-integer program counts as solved.
MIP_GAP = 1e-6
#: Seconds for all rounds together where the scenario says no `time_limit_seconds`: days that are alike take very long.
LONGEST_SECONDS = 300.0
#: Rounds of adding binaries; each adds at least one step, a few do.
ROUNDS = 50


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
    return THRESHOLD * max(1.0, float(into.max(initial=0.0)), float(out.max(initial=0.0)))


def refuse_other_solvers(solver: str) -> None:
    """Raise InputError for a solver that solves linear programs only."""
    if solver not in EXACT_SOLVERS:
        raise InputError(
            f"dispatch.exact needs the solver {' or '.join(EXACT_SOLVERS)} (HiGHS), got {solver}: others solve linear "
            "programs only here; take another solver, or leave exact out"
        )


def held_one_way(
    scenario: Scenario, program: LinearProgram, solution: Solution, options: SolveOptions
) -> tuple[LinearProgram, str]:
    """The program with one direction open in every step, the best choice of them, and how it was found.

    Raises:
        InputError: a flow has no largest value.
        SolverLimitError: no choice was found in the time allowed.
    """
    from vpp_sim.lp.solvers.highs import solve_one_way

    started = time.perf_counter()
    into, out = _pairs(scenario, program)
    primal = solution.primal
    if primal is None or into.size == 0:
        return program, "exact: nothing can flow both ways"
    free = (program.upper[into] > 0.0) & (program.upper[out] > 0.0)
    chosen = np.zeros(into.size, dtype=bool)
    gap, rounds = 0.0, 0
    while True:
        both = np.minimum(primal[into], primal[out]) > _threshold(primal[into], primal[out])
        more = both & free & ~chosen
        if not more.any():
            break
        chosen |= more
        _refuse_unbounded(scenario, program, into[chosen], out[chosen])
        rounds += 1
        left = (options.time_limit_seconds or LONGEST_SECONDS) - (time.perf_counter() - started)
        if rounds > ROUNDS or left <= 0:
            raise SolverLimitError(f"dispatch.exact: not done after {rounds - 1} rounds; raise time_limit_seconds")
        exact, gap = solve_one_way(
            program, into[chosen], out[chosen], MIP_GAP, replace(options, time_limit_seconds=left)
        )
        if exact.primal is None:
            raise SolverLimitError(f"dispatch.exact: {exact.status.value} ({exact.message})")
        primal = exact.primal
    stopped = ", stopped at the time limit: another choice may be better by that much" if gap > MIP_GAP else ""
    upper = program.upper.copy()
    smaller = np.where(primal[into] <= primal[out], into, out)[free]
    upper[smaller] = program.lower[smaller]
    seconds = time.perf_counter() - started
    note = (
        f"exact: one direction in every step, with {int(chosen.sum()):,} binaries in {rounds} rounds, "
        f"MIP gap {gap:.1e}{stopped}, {seconds:.1f} s"
    )
    return program.with_numbers(upper=upper), note


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


def _refuse_unbounded(
    scenario: Scenario, program: LinearProgram, into: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    for columns in (into, out):
        endless = columns[~np.isfinite(program.upper[columns])]
        if endless.size:
            name = next(_names(program, endless))
            raise InputError(
                f"dispatch.exact: {name} has no largest value, which binaries need; give a number in place of a free "
                "size, and no overload_price_per_kwh"
            )


def _names(program: LinearProgram, columns: NDArray[np.int64]) -> Iterator[str]:
    for block in program.step_blocks:
        own = np.arange(program.num_columns)[program.columns(block.name)]
        if np.isin(columns, own).any():
            yield block.name

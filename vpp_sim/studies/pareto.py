"""Two aims at once: the least cost at every level of a second measure (epsilon constraint), and the knee.

The front is exact: each point is the optimum under one more hard target. Its ends are the cheapest operation and the
best that the measure can be at any cost, found by maximising the target's own row; of a share, which is a ratio, by
Dinkelbach's iteration (Dinkelbach 1967, doi:10.1287/mnsc.13.7.492), which is exact after a few steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.dispatch.targets import row_name, shortfall_name
from vpp_sim.errors import InputError
from vpp_sim.lp import solve
from vpp_sim.scenario import Scenario
from vpp_sim.scenario.targets import MEASURES, Measure
from vpp_sim.studies.marginal import achieved, with_target
from vpp_sim.studies.plans import Plan, Planner, Variant
from vpp_sim.studies.sizing import CURVE_KPIS

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]

#: Words of the command line for measures.
SECOND_AIMS: Final[dict[str, Measure]] = {
    "emissions": "emissions_location",
    "emissions_location": "emissions_location",
    "emissions_market": "emissions_market",
    "emissions_park": "emissions_park",
    "import": "import",
    "peak": "peak_import",
    "onsite": "onsite_renewable_share",
    "matching": "hourly_matching",
}
MOST_POINTS = 200
#: Relative room that the best end leaves, so that a solver's tolerance does not make it infeasible.
END_ROOM = 1e-6
MOST_ITERATIONS = 12


@dataclass(frozen=True, eq=False)
class Front:
    """A Pareto front, cheapest end first: a row a point with `measure` (as its target sees it), `total_cost`, `price`
    (what one more unit of the measure costs there), the free `sizes` and KPIs; `knee` is the row farthest from the line
    between the ends."""

    measure: Measure
    table: pd.DataFrame
    knee: int
    sizes: tuple[str, ...] = ()


#: A share this little below 0 is a solver's rounding.
ROUNDING = 1e-6


def pareto(
    scenario: Scenario,
    aim: str = "emissions",
    points: int = 15,
    *,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Front:
    """The front of cost against a second aim (a key of SECOND_AIMS).

    Raises:
        InputError: the aim is not known, or cost alone already does the best that can be done.
        InfeasibleError, SolverLimitError: as `dispatch` does.
    """
    import pandas as pd

    if aim not in SECOND_AIMS:
        raise InputError(f"--and {aim}: one of {', '.join(SECOND_AIMS)}")
    if not 3 <= points <= MOST_POINTS:
        raise InputError(f"--points {points}: from 3 to {MOST_POINTS}")
    measure = SECOND_AIMS[aim]
    progress("reading inputs")
    planner = Planner(scenario, solver=solver)
    progress("least cost")
    cheapest = planner.plan(scenario)
    progress(f"best {measure}")
    start = achieved(cheapest, measure)
    if start < -ROUNDING:
        raise InputError(
            f"--and {aim}: {measure} of the cheapest operation is {start:.3g}, below 0, which no target can be: "
            "storage loses more than the site generates; give it plants, or choose another aim"
        )
    start = max(start, 0.0)
    end = best_possible(planner, scenario, measure, start)
    if abs(end - start) <= 1e-6 * max(abs(start), 1e-6):
        raise InputError(f"--and {aim}: the cheapest operation already has the best {measure} there is, {start:g}")
    bounds = np.linspace(start, end, points)[1:]
    progress(f"{points - 1} points of the front")
    plans = planner.plans([Variant(with_target(scenario, measure, float(bound))) for bound in bounds])
    found = [(start, cheapest)] + [
        (float(bound), plan) for bound, plan in zip(bounds, plans, strict=True) if plan is not None
    ]
    rows = [_row(measure, plan) for _, plan in found]
    table = pd.DataFrame(rows)
    knee = knee_of(table["measure"].to_numpy(), table["total_cost"].to_numpy())
    return Front(measure, table, knee, tuple(cheapest.dispatch.sizes))


def _row(measure: Measure, plan: Plan) -> dict[str, float]:
    kpis = plan.summary.kpis
    outcome = plan.summary.targets.get(f"study_{measure}")
    figures = {name: kpis[name].value for name in CURVE_KPIS if name in kpis}
    return {
        "measure": achieved(plan, measure),
        "total_cost": plan.cost,
        "price": 0.0 if outcome is None else outcome.shadow_price,
        **plan.dispatch.sizes,
        **figures,
    }


def best_possible(planner: Planner, scenario: Scenario, measure: Measure, start: float) -> float:
    """The best that a measure can be whatever it costs, with a trace of room."""
    bound = start
    for _ in range(MOST_ITERATIONS):
        plan = _furthest(planner, scenario, measure, bound)
        reached = achieved(plan, measure)
        if abs(reached - bound) <= 1e-9 * max(abs(bound), 1.0):
            break
        bound = reached
        if MEASURES[measure].unit != "-":
            break
    room = END_ROOM * max(abs(bound), abs(start))
    return bound - room if MEASURES[measure].bound == "at_least" else bound + room


def _furthest(planner: Planner, scenario: Scenario, measure: Measure, bound: float) -> Plan:
    """The plan with the largest margin over a bound of a measure, whatever it costs."""
    variant = with_target(scenario, measure, bound)
    soft = variant.with_targets(
        {
            name: target.model_copy(update={"price": 1.0}) if name == f"study_{measure}" else target
            for name, target in variant.targets.items()
        }
    )
    program = planner.program(soft)
    cost = np.zeros(program.num_columns)
    shortfall = program.columns(shortfall_name(f"study_{measure}"))
    if measure == "peak_import":
        cost[shortfall] = 1.0
        lower = program.row_lower.copy()
        lower[program.rows(row_name(f"study_{measure}"))] = 0.0
        program = program.with_numbers(cost=cost, row_lower=lower)
    else:
        row = program.matrix[[program.rows(row_name(f"study_{measure}")).start], :]
        cost = -np.asarray(row.todense(), dtype=np.float64).ravel()
        cost[shortfall] = 0.0
        program = program.with_numbers(cost=cost / np.abs(cost).max())
    solution = solve(program, "highs")
    if not solution.is_optimal:
        raise InputError(f"the best {measure} cannot be found: {solution.status.value}")
    return Plan(soft, planner.inputs, program, solution)


def knee_of(measure: FloatArray, cost: FloatArray) -> int:
    """The point farthest below the line between the ends, both scaled to 1: where the next step begins to cost more.

    >>> knee_of(np.array([4.0, 3.0, 2.0, 1.0]), np.array([0.0, 1.0, 2.0, 9.0]))
    2
    """
    x = (measure - measure[0]) / (measure[-1] - measure[0] or 1.0)
    y = (cost - cost[0]) / (cost[-1] - cost[0] or 1.0)
    return int(np.argmax(x - y))

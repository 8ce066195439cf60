"""Sizing: the capacities of least cost, what they are worth, and cost against size as a curve or a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from vpp_sim.components.base import FreeSize
from vpp_sim.errors import InputError
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.scenario import Scenario
from vpp_sim.studies.marginal import MarginalValue, marginal_values, tightening_costs
from vpp_sim.studies.plans import Plan, Planner, Variant, grid_of, with_free

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]

#: Most points of a curve or map.
MOST_POINTS = 2000
#: KPIs that a curve shows beside the costs, where the site has them.
CURVE_KPIS = (
    "operating_cost",
    "investment_cost",
    "penalty_cost",
    "onsite_renewable_share",
    "own_use_of_available_cn650",
    "peak_import_kw",
    "equivalent_full_cycles",
    "emissions_location_kg",
    "import_kwh",
    "curtailed_kwh",
)


@dataclass(frozen=True)
class Axis:
    """A capacity that a curve runs along, from smallest to largest in `count` points."""

    path: str
    smallest: float
    largest: float
    count: int

    @classmethod
    def parsed(cls, text: str) -> Axis:
        """An axis from `component.field=smallest:largest:count`.

        >>> Axis.parsed("battery.energy_kwh=0:20000:41")
        Axis(path='battery.energy_kwh', smallest=0.0, largest=20000.0, count=41)

        Raises:
            InputError: it does not read so.
        """
        path, equals, span = text.partition("=")
        try:
            smallest, largest, count = span.split(":")
            axis = cls(path.strip().removeprefix("components."), float(smallest), float(largest), int(count))
        except ValueError:
            axis = None
        if axis is None or not equals or not path.strip():
            raise InputError(f"--curve {text}: must be PATH=FROM:TO:POINTS, e.g. battery.energy_kwh=0:20000:41")
        if not 0 <= axis.smallest < axis.largest < np.inf or not 2 <= axis.count <= MOST_POINTS:
            raise InputError(f"--curve {text}: must rise from at least 0, with 2 to {MOST_POINTS} points")
        return axis

    @property
    def sizes(self) -> list[float]:
        """The sizes of the points."""
        return grid_of(self.smallest, self.largest, self.count)


@dataclass(frozen=True, eq=False)
class Curve:
    """Cost and KPIs against one or two sizes: a row a point, currency over the horizon.

    Columns: the axes' paths, other free sizes, `total_cost`, `net_saving` (against the smallest sizes, annuities
    included), `saving` (without annuities), CURVE_KPIS, and `feasible`. `optimum` holds the sizes of least cost within
    the axes, as the program finds them, and its `total_cost`.
    """

    axes: tuple[Axis, ...]
    table: pd.DataFrame
    optimum: dict[str, float]


@dataclass(frozen=True, eq=False)
class Sizing:
    """The best sizes: the run at these sizes, the plan they come from, the worth of the next unit, and curves."""

    simulation: Simulation
    plan: Plan
    marginal: list[MarginalValue]
    curve: Curve | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def sizes(self) -> dict[str, float]:
        """The sizes chosen, by `component.field`."""
        return dict(self.simulation.optimal.sizes)


def size(
    scenario: Scenario,
    *,
    axes: Sequence[Axis] = (),
    ranges: bool = True,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Sizing:
    """The sizes of least cost, with marginal values and, where axes are given, a curve or a map.

    Raises:
        InputError: nothing is free and no curve is asked for, or an axis is no capacity.
        InfeasibleError, SolverLimitError: as `dispatch` does.
    """
    free = [f"{name}.{own}" for name, component in scenario.components.items() for own in component.free_sizes()]
    if not free and not axes:
        raise InputError(
            "nothing to size: give a capacity as {min: 0, max: 20000, cost_per_unit: 950, lifetime_years: 15}, "
            "or ask for a curve with --curve battery.energy_kwh=0:20000:41"
        )
    for axis in axes:
        with_free(scenario, axis.path, axis.smallest, axis.largest)
    progress("reading inputs")
    planner = Planner(scenario, solver=solver)
    progress("finding the sizes")
    plan = planner.plan(scenario)
    simulation = simulate(scenario, solver=solver, progress=progress)
    progress("finding what the next unit is worth")
    marginal = marginal_values(planner, scenario, ranges=ranges) + tightening_costs(planner, scenario)
    curve = size_curve(planner, scenario, axes, progress=progress) if axes else None
    return Sizing(simulation, plan, marginal, curve, _notes(scenario, axes))


def _notes(scenario: Scenario, axes: Sequence[Axis]) -> tuple[str, ...]:
    notes = []
    for axis in axes:
        name, _, own = axis.path.partition(".")
        if not isinstance(getattr(scenario.components[name], own), FreeSize):
            notes.append(f"{axis.path} has no cost_per_unit in the scenario: the curve shows it for nothing")
    return tuple(notes)


def size_curve(
    planner: Planner, scenario: Scenario, axes: Sequence[Axis], *, progress: Progress = lambda phase: None
) -> Curve:
    """Cost and KPIs against one size or two; all other free sizes are chosen anew at each point.

    Raises:
        InputError: an axis is no capacity, there are more than two, or too many points.
    """
    import pandas as pd

    if not 1 <= len(axes) <= 2 or len({axis.path for axis in axes}) != len(axes):
        raise InputError("--curve: give one capacity, or two different ones for a map")
    if int(np.prod([axis.count for axis in axes])) > MOST_POINTS:
        raise InputError(f"--curve: at most {MOST_POINTS} points in all")
    for axis in axes:
        scenario = with_free(scenario, axis.path, axis.smallest, axis.largest)
    progress("finding the optimum of the curve")
    best = planner.plan(scenario)
    points = [dict(zip([axis.path for axis in axes], sizes, strict=True)) for sizes in _points(axes)]
    rows = []
    batch = 16
    for start in range(0, len(points), batch):
        progress(f"solving points {start + 1} to {min(start + batch, len(points))} of {len(points)}")
        chunk = points[start : start + batch]
        plans = planner.plans([Variant(scenario, point) for point in chunk])
        rows += [_row(point, plan) for point, plan in zip(chunk, plans, strict=True)]
    table = pd.DataFrame(rows)
    _add_savings(table)
    optimum = {axis.path: best.size(axis.path) for axis in axes}
    return Curve(tuple(axes), table, {**optimum, "total_cost": best.cost})


def _points(axes: Sequence[Axis]) -> list[tuple[float, ...]]:
    return list(product(*(axis.sizes for axis in axes)))


def _row(point: dict[str, float], plan: Plan | None) -> dict[str, float | bool]:
    if plan is None:
        return {**point, "feasible": False}
    kpis = plan.summary.kpis
    others = {path: value for path, value in plan.dispatch.sizes.items() if path not in point}
    figures = {name: kpis[name].value for name in CURVE_KPIS if name in kpis}
    return {**point, **others, "total_cost": plan.cost, **figures, "feasible": True}


def _add_savings(table: pd.DataFrame) -> None:
    """Savings against the first point that can be run, which has the smallest sizes; `saving` is without annuities."""
    if not bool(table["feasible"].any()):
        raise InputError("--curve: no point can be run; see what `vpp-sim run` says at one of its sizes")
    first = table[table["feasible"]].iloc[0]
    table["net_saving"] = first["total_cost"] - table["total_cost"]
    running = table["total_cost"] - table["investment_cost"]
    table["saving"] = first["total_cost"] - first["investment_cost"] - running

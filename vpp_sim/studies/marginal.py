"""What the next unit is worth: duals of sizes and targets in money a year, and how far they hold.

Every capacity of the site becomes a column of the program, those given as numbers held where they are. The reduced
cost of such a column is the derivative of the whole optimum, so it says what one more kWh, kW, kWp or rack would save;
what it would cost to buy stands beside it. Of what is not there at all it would say only that one more unit is worth so
much or less, without end on an island: there it is taken from a plan with one unit. The cost of an optimum is convex in
every size, so the next unit is worth ever less: `holds_from` and `holds_to` are sizes, found by solving again, up to
which its worth stays within a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vpp_sim.components.base import Component, FreeSize
from vpp_sim.kpi.targets import measured
from vpp_sim.scenario import Scenario
from vpp_sim.scenario.targets import Measure, Target
from vpp_sim.studies.plans import Plan, Planner, Variant, capacities, with_all_free
from vpp_sim.units import KG_PER_TONNE

#: Steps away from a size, as parts of it, at which its worth is looked at again.
RANGE_STEPS = (0.02, 0.1, 0.3, 1.0)
#: Relative change of a worth within which it is said to hold.
HOLDS_WITHIN = 0.1
#: A size below this is none; its worth is that of the first unit.
ABSENT, FIRST_UNIT = 1e-4, 1.0
#: A worth [currency a year and unit] below this is nothing.
NOTHING = 1e-3
PERCENTAGE_POINT = 0.01
#: Units of what is no size: as a sentence says them, and as the shadow price of a share does.
POINT, SHADOW_POINT, TONNE = "percentage point", "point", "tonne a year"
#: What is tightened by how much to see what it costs: a percentage point more, a tonne less.
TIGHTENINGS: tuple[tuple[Measure, str, float], ...] = (
    ("onsite_renewable_share", POINT, PERCENTAGE_POINT),
    ("emissions_location", TONNE, -KG_PER_TONNE),
)
#: A move below this part of its step is none: the share is all there is, or nothing is emitted.
SMALLEST_MOVE = 1e-4
#: Largest part of all emissions that is cut to see what a tonne costs.
LARGEST_CUT = 0.01


@dataclass(frozen=True)
class MarginalValue:
    """The worth of one more unit, in currency a year; of what adds up over time (kg, kWh) the unit is one a year.

    `worth` is what the site saves by it, `own_cost` its annuity with O&M (NaN where the scenario gives no price).
    `holds_from` and `holds_to` are sizes between which the worth stays within a tenth; NaN where it was not looked for.
    """

    path: str
    unit: str
    size: float
    worth: float
    own_cost: float
    holds_from: float
    holds_to: float

    def sentence(self, currency: str) -> str:
        """The value in words.

        >>> MarginalValue("battery.energy_kwh", "kWh", 3600, 49.7, np.nan, 3240, 4680).sentence("CNY")
        'one more kWh of battery.energy_kwh (now 3,600) saves 49.70 CNY a year; holds from 3,240 to 4,680'
        >>> MarginalValue("emissions_location", "tonne a year", 16.4, -354.4, np.nan, 16.24, 16.4).sentence("CNY")
        'one tonne a year less of emissions_location (now 16.4) costs 354.40 CNY a year; holds from 16.24 to 16.4'
        """
        is_target = self.path.startswith("targets.")
        how = "tighter for" if is_target else "less of" if self.unit == TONNE else "of"
        more = "" if how != "of" else "more "
        text = f"one {more}{self.unit} {how} {self.path} (now {self._shown(self.size)})"
        if abs(self.worth) < NOTHING:
            text += " costs nothing" if is_target else " is worth nothing"
        else:
            text += f" {'saves' if self.worth > 0 else 'costs'} {abs(self.worth):,.2f} {currency} a year"
        if np.isfinite(self.own_cost):
            text += f" and costs {self.own_cost:,.2f} a year to have"
        if np.isfinite(self.holds_from) and np.isfinite(self.holds_to):
            if self.holds_from == self.holds_to:
                text += "; holds for small changes only"
            else:
                text += f"; holds from {self._shown(self.holds_from)} to {self._shown(self.holds_to)}"
        return text

    def _shown(self, size: float) -> str:
        return f"{size:.2%}" if self.unit in (POINT, SHADOW_POINT) else f"{size:,.6g}"


def marginal_values(planner: Planner, scenario: Scenario, *, ranges: bool = True) -> list[MarginalValue]:
    """The worth of one more unit of every capacity, and of every target; `scenario` may have free sizes."""
    probe = with_all_free(scenario)
    plan = planner.plan(probe)
    paths = [(name, field) for name, component in probe.components.items() for field in component.free_sizes()]
    chosen = {f"{name}.{field}": plan.size(f"{name}.{field}") for name, field in paths}
    sizes = {path: size if size >= ABSENT else 0.0 for path, size in chosen.items()}
    # of what is not there, duals say only that one more unit is worth this or less: the first unit is looked at instead
    absent = [path for path, size in sizes.items() if size == 0.0]
    firsts = planner.plans([Variant(probe, {path: FIRST_UNIT}) for path in absent])
    told_by = dict.fromkeys(sizes, plan) | {path: first or plan for path, first in zip(absent, firsts, strict=True)}
    worths = {
        f"{n}.{field}": _worth(told_by[f"{n}.{field}"], f"{n}.{field}", probe.components[n]) for n, field in paths
    }
    wanted = [path for path, worth in worths.items() if ranges and abs(worth) >= NOTHING]
    others = iter(planner.plans([Variant(probe, {path: at}) for path in wanted for at in _around(sizes[path])]))
    values = []
    for name, field in paths:
        path, component = f"{name}.{field}", probe.components[name]
        size, worth = sizes[path], worths[path]
        low = high = np.nan
        if path in wanted:
            low, high = _held({at: next(others) for at in _around(size)}, path, component, size, worth)
        original = capacities(scenario.components[name])[field]
        own = (
            original.annual_cost_per_unit(scenario.economics.discount_rate)
            if isinstance(original, FreeSize)
            else np.nan
        )
        values.append(MarginalValue(path, unit_of(component, field), size, worth, own, low, high))
    return [*values, *_target_values(plan)]


def unit_of(component: Component, field: str) -> str:
    """The unit of a capacity as its field declares it, in the singular."""
    extra = type(component).model_fields[field].json_schema_extra
    unit = str(extra["unit"]) if isinstance(extra, dict) else "unit"
    return unit.removesuffix("s") if unit.islower() else unit


def _worth(plan: Plan, path: str, component: Component) -> float:
    """What one more unit of a size saves a year, before its own cost."""
    free = component.free_sizes()[path.split(".")[1]]
    annuity = free.annual_cost_per_unit(plan.scenario.economics.discount_rate)
    worth = annuity - plan.marginal_cost(path) / plan.years
    return worth if abs(worth) > 1e-9 else 0.0


def _around(size: float) -> list[float]:
    """Sizes on both sides of one, nearest first on each side; above 0 where the size is 0."""
    unit = size if size > 0 else 1.0
    below = [size * (1.0 - step) for step in RANGE_STEPS] if size > 0 else []
    return below + [size + unit * step for step in RANGE_STEPS]


def _held(
    plans: Mapping[float, Plan | None], path: str, component: Component, size: float, worth: float
) -> tuple[float, float]:
    """The outermost sizes looked at, without a gap, at which the worth is still within a tenth."""
    ends = []
    for side in (-1.0, 1.0):
        end = size
        for at in sorted((at for at in plans if (at - size) * side > 0), key=lambda at: abs(at - size)):
            plan = plans[at]
            if plan is None or abs(_worth(plan, path, component) - worth) > HOLDS_WITHIN * abs(worth):
                break
            end = at
        ends.append(end)
    return ends[0], ends[1]


def _target_values(plan: Plan) -> list[MarginalValue]:
    """What one more unit of every target costs, as a negative worth."""
    values = []
    for name, outcome in plan.summary.targets.items():
        nothing = (np.nan, np.nan, np.nan)
        unit, bound, worth = outcome.shadow_unit, outcome.target.bound, -outcome.shadow_price
        if outcome.target.meaning.adds_up:
            unit, bound = f"{unit} a year", bound / plan.years
        else:
            worth /= plan.years
        values.append(MarginalValue(f"targets.{name}", unit, bound, worth, *nothing))
    return values


def tightening_costs(planner: Planner, scenario: Scenario) -> list[MarginalValue]:
    """What one more percentage point of on-site share and one tonne of CO2 less would cost, by solving again.

    Sizes given as numbers do not move, free ones do. A measure that nothing can better is left out.
    """
    plan = planner.plan(scenario)
    moves: list[tuple[Measure, str, float, float]] = []
    for measure, unit, step in TIGHTENINGS:
        now = achieved(plan, measure)
        move = min(step, 1.0 - now) if step > 0 else -min(-step, LARGEST_CUT * now)
        # a store that takes more from the grid than it saves of it has a share below 0, which no target can have
        if abs(move) > SMALLEST_MOVE * abs(step) and now + move >= 0.0:
            moves.append((measure, unit, now, move))
    variants = [Variant(with_target(scenario, measure, now + move)) for measure, _, now, move in moves]
    values = []
    for (measure, unit, now, move), tighter in zip(moves, planner.plans(variants), strict=True):
        if tighter is None:
            continue
        cost = (tighter.cost - plan.cost) / abs(move)
        # an amount of the horizon is told as one a year, and so is its cost: their ratio stays
        per, scale = (
            (PERCENTAGE_POINT / plan.years, 1.0) if unit == POINT else (KG_PER_TONNE, KG_PER_TONNE * plan.years)
        )
        ends = sorted((now / scale, (now + move) / scale))
        values.append(MarginalValue(measure, unit, now / scale, -cost * per, np.nan, *ends))
    return values


def achieved(plan: Plan, measure: Measure) -> float:
    """A measure of a plan as a target would see it."""
    return measured(Target.of(measure, 0.0), plan.summary.ledger)[0]


def with_target(scenario: Scenario, measure: Measure, bound: float) -> Scenario:
    """The scenario with one more hard target."""
    return scenario.with_targets({**scenario.targets, f"study_{measure}": Target.of(measure, bound)})

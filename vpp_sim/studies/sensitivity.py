"""One parameter at a time: what a figure of merit becomes when each is low and high and all else stays (a tornado)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vpp_sim.errors import InputError, nearest
from vpp_sim.scenario import Scenario
from vpp_sim.scenario.layers import parsed_path
from vpp_sim.scenario.load import scenario_from_mapping
from vpp_sim.studies.plans import Plan, Planner

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]

TOTAL_COST = "total_cost"


@dataclass(frozen=True)
class Swing:
    """A number of the scenario by its path, and its low and high value: numbers, or changes in percent."""

    path: str
    low: str
    high: str

    @classmethod
    def parsed(cls, text: str) -> Swing:
        """A swing from `path=low:high`.

        >>> Swing.parsed("battery.energy_kwh=-20%:+20%").values(3600.0)
        (2880.0, 4320.0)
        >>> Swing.parsed("economics.discount_rate=0.04:0.08").values(0.06)
        (0.04, 0.08)

        Raises:
            InputError: it does not read so.
        """
        path, _, ends = text.partition("=")
        low, colon, high = ends.partition(":")
        found = cls(path.strip(), low.strip(), high.strip())
        try:
            lower, upper = found.values(1.0)
        except ValueError:
            lower, upper = 0.0, 0.0
        if not colon or not found.path or lower == upper:
            raise InputError(f"--vary {text}: must be PATH=LOW:HIGH, e.g. battery.energy_kwh=-20%:+20%")
        return found

    def values(self, base: float) -> tuple[float, float]:
        """The two values, given the base one."""
        return _value(self.low, base), _value(self.high, base)


def _value(text: str, base: float) -> float:
    if text.endswith("%"):
        return round(base * (1.0 + float(text[:-1]) / 100.0), 12)
    return float(text)


@dataclass(frozen=True, eq=False)
class Tornado:
    """`table` has a row a parameter: `path`, `base_value`, `low`, `high`, and the figure of merit `at_low`, `at_high`;
    `base` is the figure of merit of the scenario as it is."""

    figure: str
    unit: str
    base: float
    table: pd.DataFrame


def tornado(
    scenario: Scenario,
    swings: Sequence[Swing],
    figure: str = TOTAL_COST,
    *,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Tornado:
    """The figure of merit (`total_cost` or the id of a KPI) at the low and high value of each parameter.

    Plans are compared, before they are handed back to sessions; sizes that are free are chosen anew each time.

    Raises:
        InputError: a path that leads to no number, or a figure that the site has not.
        InfeasibleError, SolverLimitError: as `dispatch` does.
    """
    import pandas as pd

    if not swings:
        raise InputError("--vary: give at least one parameter, e.g. --vary battery.energy_kwh=-20%:+20%")
    mapping = scenario.to_mapping()
    found = [(swing, _full_path(scenario, swing), _number_at(mapping, scenario, swing)) for swing in swings]
    progress("base case")
    plan = Planner(scenario, solver=solver).plan(scenario)
    base = _merit(plan, figure)
    unit = scenario.currency if figure == TOTAL_COST else plan.summary.kpis[figure].unit.removeprefix("-")
    rows = []
    for swing, path, value in found:
        low, high = swing.values(value)
        merits = []
        for end in (low, high):
            progress(f"{swing.path} = {end:g}")
            variant = scenario_from_mapping(_with_number(mapping, path, end), base_dir=scenario.base_dir)
            merits.append(_merit(Planner(variant, solver=solver).plan(variant), figure))
        rows.append([swing.path, value, low, high, *merits])
    table = pd.DataFrame(rows, columns=["path", "base_value", "low", "high", "at_low", "at_high"])
    return Tornado(figure, unit, base, table)


def _merit(plan: Plan, figure: str) -> float:
    if figure == TOTAL_COST:
        return plan.cost
    kpis = plan.summary.kpis
    if figure not in kpis:
        close = nearest(figure, kpis)
        hint = f"did you mean {close}?" if close else f"{TOTAL_COST} or one of {', '.join(kpis)}"
        raise InputError(f"--kpi {figure}: this site has no such KPI; {hint}")
    return kpis[figure].value


def _full_path(scenario: Scenario, swing: Swing) -> tuple[str | int, ...]:
    path = parsed_path(swing.path)
    return ("components", *path) if path and path[0] in scenario.components else path


def _number_at(mapping: dict[str, Any], scenario: Scenario, swing: Swing) -> float:
    target: Any = mapping
    for part in _full_path(scenario, swing):
        try:
            target = target[part]
        except (KeyError, IndexError, TypeError):
            known = [str(key) for key in target] if isinstance(target, dict) else []
            close = nearest(str(part), known)
            hint = (
                f"did you mean {close}?" if close else f"one of {', '.join(known)}" if known else "nothing lies below"
            )
            raise InputError(f"--vary {swing.path}: there is no {part}; {hint}") from None
    if isinstance(target, bool) or not isinstance(target, int | float):
        raise InputError(f"--vary {swing.path}: is {target!r}, which is no number")
    return float(target)


def _with_number(mapping: dict[str, Any], path: tuple[str | int, ...], value: float) -> dict[str, Any]:
    from copy import deepcopy

    changed = deepcopy(mapping)
    target: Any = changed
    for part in path[:-1]:
        target = target[part]
    whole = isinstance(target[path[-1]], int) and float(value).is_integer()
    target[path[-1]] = int(value) if whole else value
    return changed

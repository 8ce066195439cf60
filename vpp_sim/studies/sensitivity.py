"""One parameter at a time: what a figure of merit becomes when each is low and high and all else stays (a tornado)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vpp_sim.errors import InputError, nearest
from vpp_sim.scenario import Scenario
from vpp_sim.scenario.layers import parsed_path
from vpp_sim.scenario.load import scenario_from_mapping
from vpp_sim.studies.plans import Planner

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

    parameters = parameters_of(scenario, swings)
    progress("base case")
    base, unit = merit_of(scenario, figure, solver)
    rows = []
    for parameter in parameters:
        merits = []
        for end in (parameter.low, parameter.high):
            progress(f"{parameter.swing.path} = {end:g}")
            merits.append(merit_of(variant_of(scenario, {parameter: end}), figure, solver)[0])
        rows.append([parameter.swing.path, parameter.base, parameter.low, parameter.high, *merits])
    table = pd.DataFrame(rows, columns=["path", "base_value", "low", "high", "at_low", "at_high"])
    return Tornado(figure, unit, base, table)


@dataclass(frozen=True)
class Parameter:
    """A number of a scenario that is varied: where it stands in the resolved scenario, what it is, and its ends."""

    swing: Swing
    place: tuple[str | int, ...]
    base: float
    low: float
    high: float


def parameters_of(scenario: Scenario, swings: Sequence[Swing]) -> list[Parameter]:
    """The numbers that swings name.

    Raises:
        InputError: there are none, or a path leads to no number.
    """
    if not swings:
        raise InputError("--vary: give at least one parameter, e.g. --vary battery.energy_kwh=-20%:+20%")
    mapping = scenario.to_mapping()
    found = []
    for swing in swings:
        path = parsed_path(swing.path)
        place = ("components", *path) if path and path[0] in scenario.components else path
        base = _number_at(mapping, place, swing)
        found.append(Parameter(swing, place, base, *swing.values(base)))
    return found


def variant_of(scenario: Scenario, values: Mapping[Parameter, float]) -> Scenario:
    """The scenario with other numbers, checked like any other.

    Raises:
        InputError: a number that the scenario does not take.
    """
    changed = deepcopy(scenario.to_mapping())
    for parameter, value in values.items():
        target: Any = changed
        for part in parameter.place[:-1]:
            target = target[part]
        last = parameter.place[-1]
        target[last] = int(value) if isinstance(target[last], int) and float(value).is_integer() else value
    return scenario_from_mapping(changed, base_dir=scenario.base_dir)


def merit_of(scenario: Scenario, figure: str, solver: str | None) -> tuple[float, str]:
    """A figure of merit of a scenario's plan, and its unit.

    Raises:
        InputError: the site has no such figure.
        InfeasibleError, SolverLimitError: as `dispatch` does.
    """
    plan = Planner(scenario, solver=solver).plan(scenario)
    if figure == TOTAL_COST:
        return plan.cost, scenario.currency
    kpis = plan.summary.kpis
    if figure not in kpis:
        close = nearest(figure, [TOTAL_COST, *kpis])
        hint = f"did you mean {close}?" if close else f"{TOTAL_COST} or one of {', '.join(kpis)}"
        raise InputError(f"--kpi {figure}: this site has no such KPI; {hint}")
    return kpis[figure].value, kpis[figure].unit.removeprefix("-")


def _number_at(mapping: dict[str, Any], place: tuple[str | int, ...], swing: Swing) -> float:
    target: Any = mapping
    for part in place:
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

"""What became of each target, from the ledger's series alone: reached or not, by how much, when, and at what price.

The measures are those of `dispatch/targets.py`, computed once more in code that shares nothing with the rows there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vpp_sim.components.base import Check, FloatArray, Kpi
from vpp_sim.dispatch import Dispatch
from vpp_sim.kpi.ledger import Ledger
from vpp_sim.kpi.shares import periods
from vpp_sim.scenario.targets import Target
from vpp_sim.units import KGCE_PER_KWH

#: Relative to the amount that a share refers to, or to the bound: a shortfall below this is a solver's tolerance.
TARGET_TOLERANCE = 1e-6
#: Times that the account of a shortfall names.
LISTED_TIMES = 3
PERCENT = 0.01


@dataclass(frozen=True)
class TargetOutcome:
    """One target after a run.

    `achieved` is the measure as its row sees it, `by_ledger` the KPI of that name, which follows the origin of stored
    energy. `shortfall` is in the target's unit (kWh, kg, kW), `penalty` what it cost. `shadow_price` is what a bound
    tighter by one unit (kg, kWh, kW, a percentage `point`, a hundredth of another ratio) would cost over the horizon;
    NaN where no solver told. `cost` is what the target adds to the plan over the horizon, where it was asked for.
    """

    target: Target
    achieved: float
    by_ledger: float
    shortfall: float
    scale: float
    penalty: float
    shadow_price: float
    times: tuple[str, ...]
    cost: float = np.nan

    @property
    def is_met(self) -> bool:
        """Whether the bound holds up to tolerance."""
        return self.shortfall <= TARGET_TOLERANCE * max(self.scale, 1.0)

    @property
    def shadow_unit(self) -> str:
        """What the shadow price is per."""
        meaning = self.target.meaning
        if meaning.is_share:
            return "point"
        return f"hundredth {meaning.unit}" if meaning.is_ratio else meaning.unit


def target_outcomes(result: Dispatch, ledger: Ledger, kpis: Mapping[str, Kpi]) -> dict[str, TargetOutcome]:
    """Every target of the scenario by name."""
    found = {}
    for name, target in result.scenario.targets.items():
        value, reference = measured(target, ledger)
        is_ratio = target.meaning.is_ratio
        over = target.bound - value if target.meaning.bound == "at_least" else value - target.bound
        missing = max(over * reference, 0.0)
        scale = reference if is_ratio else max(target.bound, 1.0)
        missing = missing if missing > TARGET_TOLERANCE * 1e-3 * scale else 0.0
        dual = result.target_duals.get(name, np.nan)
        found[name] = TargetOutcome(
            target=target,
            achieved=value,
            by_ledger=kpis[target.meaning.kpi].value if target.meaning.kpi in kpis else np.nan,
            shortfall=missing,
            scale=scale,
            penalty=missing * (target.price or 0.0),
            shadow_price=dual * reference * PERCENT if is_ratio else dual,
            times=_times(target, ledger) if missing > TARGET_TOLERANCE * scale else (),
            cost=cost_of(result, name),
        )
    return found


def cost_of(result: Dispatch, name: str) -> float:
    """What a target, or all rules, add to the cost of the plan over the horizon; NaN where nobody asked."""
    without = result.cost_without.get(name)
    return np.nan if result.plan_cost is None or without is None else result.plan_cost - without


def measured(target: Target, ledger: Ledger) -> tuple[float, float]:
    """The measure, and the energy that a share refers to (1 for what is no share)."""
    numerator, denominator = _series(target, ledger)
    if target.measure == "peak_import":
        return float(numerator.max()), 1.0
    if denominator is None:
        return ledger.kwh(numerator), 1.0
    reference = ledger.kwh(denominator)
    return (ledger.kwh(numerator) / reference if reference > 0 else 0.0), reference


def _series(target: Target, ledger: Ledger) -> tuple[FloatArray, FloatArray | None]:
    """Numerator and denominator of a measure per step, (num_steps,) in kW; no denominator where it is no share."""
    load, bought, sold = ledger.load_kw, ledger.import_kw, ledger.export_kw
    match target.limited:
        case "onsite_renewable_share":
            return load - bought, load
        case "own_use_of_available":
            return ledger.renewable_kw - sold, ledger.renewable_available_kw
        case "own_use_of_load":
            return ledger.renewable_kw - sold, load + ledger.charge_kw - ledger.discharge_kw
        case "export_of_available":
            return sold, ledger.renewable_available_kw
        case "hourly_matching":
            return load - _unmatched(ledger), load
        case "emissions_location" | "emissions_market" | "emissions_park":
            return bought * ledger.import_factors[target.limited.removeprefix("emissions_")], None
        case "park_intensity":
            return bought * ledger.import_factors["park"], load * KGCE_PER_KWH
        case "pue":
            return ledger.measured_kw("facility"), ledger.measured_kw("it")
        case "ev_valley_share":
            return ledger.measured_kw("ev_valley_charge"), ledger.measured_kw("ev_charge")
        case "import" | "peak_import":
            return bought, None


def _unmatched(ledger: Ledger) -> FloatArray:
    """Import less export of each hour where that is positive, spread evenly over the hour's steps, (num_steps,)."""
    hour = periods(ledger.grid)["hourly"]
    mean = np.bincount(hour, weights=ledger.import_kw - ledger.export_kw) / np.bincount(hour)
    return np.maximum(mean, 0.0)[hour]


def _times(target: Target, ledger: Ledger) -> tuple[str, ...]:
    """When most is wanting: steps for a power, months (days on short horizons) for all else."""
    grid = ledger.grid
    numerator, denominator = _series(target, ledger)
    if target.measure == "peak_import":
        over = numerator - target.bound
        first = np.argsort(-over, kind="stable")[:LISTED_TIMES]
        steps = int(np.count_nonzero(over > TARGET_TOLERANCE * max(target.bound, 1.0)))
        listed = [f"{grid.local[step]:%Y-%m-%d %H:%M}: {over[step]:,.1f} kW" for step in first if over[step] > 0]
        return (*listed, f"{steps:,} steps in all")
    sign = 1.0 if target.meaning.bound == "at_least" else -1.0
    # every period is held to the bound, or to its even part of a total
    wanted = target.bound * denominator if denominator is not None else target.bound / grid.horizon_hours
    wanting = sign * (wanted - numerator)
    months = grid.num_months > 1
    period = grid.month if months else grid.day
    sums = np.bincount(period, weights=wanting) * grid.step_hours
    worst = [number for number in np.argsort(-sums, kind="stable")[:LISTED_TIMES] if sums[number] > 0]
    first_steps = [int(np.argmax(period == number)) for number in worst]
    form = "%Y-%m" if months else "%Y-%m-%d"
    unit = target.meaning.shortfall_unit
    return tuple(
        f"{grid.local[step]:{form}}: {sums[number]:,.1f} {unit}"
        for number, step in zip(worst, first_steps, strict=True)
    )


def target_checks(outcomes: Mapping[str, TargetOutcome]) -> list[Check]:
    """Every hard target holds."""
    return [
        Check(f"targets.{name}: holds", outcome.shortfall / max(outcome.scale, 1.0), TARGET_TOLERANCE)
        for name, outcome in outcomes.items()
        if outcome.target.is_hard
    ]

"""Rules on a run: every figure that a policy document asks for, held against its threshold.

The verdict follows from the KPIs of the run and the scenario alone, so that a result folder can be judged again, for
another year too. A rule on what the site does not have does not apply; it is never counted as met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from vpp_sim.components.base import Kpi
from vpp_sim.policies import PolicyDocument, Rule
from vpp_sim.scenario import Scenario
from vpp_sim.time_grid import TimeGrid
from vpp_sim.units import HOURS_PER_DAY, KG_PER_TONNE, KGCE_PER_KWH

Verdict = Literal["met", "not met", "does not apply"]

#: A figure this far beyond its threshold is a solver's tolerance, as of targets.
RULE_TOLERANCE: Final = 1e-6
#: Horizons shorter than this, or longer than the other, are no year [d].
YEAR_DAYS: Final = (360, 370)

STANDING: Final = {
    "direct": "speaks of such a site",
    "park": "of the whole park; the site is compared",
    "analogy": "by analogy",
}


@dataclass(frozen=True)
class RuleOutcome:
    """One rule on one run.

    `margin` is by how much the figure lies on the right side of the threshold, below 0 on the wrong one; NaN where the
    rule does not apply. `with_certificates` is the figure where certificates count, else NaN. `reason` says why a rule
    does not apply, `remarks` what is to be known when the verdict is read.
    """

    id: str
    document: PolicyDocument
    rule: Rule
    year: int
    threshold: float
    value: float
    with_certificates: float
    reason: str
    remarks: tuple[str, ...]

    @property
    def margin(self) -> float:
        """Distance to the threshold, positive on the right side."""
        return self._margin(self.value)

    @property
    def verdict(self) -> Verdict:
        """What is to be said of the rule."""
        return self._verdict(self.value)

    @property
    def verdict_with_certificates(self) -> Verdict | None:
        """The same after certificates; None where these do not count."""
        return None if np.isnan(self.with_certificates) else self._verdict(self.with_certificates)

    def _margin(self, value: float) -> float:
        return value - self.threshold if self.rule.bound == "at_least" else self.threshold - value

    def _verdict(self, value: float) -> Verdict:
        if self.reason:
            return "does not apply"
        return "met" if self._margin(value) >= -RULE_TOLERANCE else "not met"


def rule_outcomes(kpis: Mapping[str, Kpi], scenario: Scenario, *, year: int | None = None) -> tuple[RuleOutcome, ...]:
    """Every rule of the scenario's documents on a run with these KPIs; `year` overrides whose thresholds hold."""
    chosen = next(each for each in (year, scenario.policy.year, scenario.grid.local[0].year) if each is not None)
    return tuple(
        _outcome(document, rule, kpis, scenario, int(chosen))
        for document in scenario.documents
        for rule in document.rules
    )


def is_a_year(grid: TimeGrid) -> bool:
    """Whether a horizon is about as long as a year, as rules speak of years."""
    return YEAR_DAYS[0] <= grid.horizon_hours / HOURS_PER_DAY <= YEAR_DAYS[1]


def energy_tce_per_year(kpis: Mapping[str, Kpi], scenario: Scenario) -> float:
    """Electricity used in a year as coal equivalent [tce/a]."""
    return kpis["load_kwh"].value * KGCE_PER_KWH / KG_PER_TONNE / scenario.grid.years


def _outcome(
    document: PolicyDocument, rule: Rule, kpis: Mapping[str, Kpi], scenario: Scenario, year: int
) -> RuleOutcome:
    park = scenario.policy.park_tce_per_year
    size = energy_tce_per_year(kpis, scenario) if park is None else park
    threshold = rule.threshold(year, size)
    reason = _reason(rule, kpis, scenario, year)
    applies = not reason

    def value(name: str | None) -> float:
        return kpis[name].value if applies and name is not None and name in kpis else np.nan

    return RuleOutcome(
        id=document.rule_id(rule),
        document=document,
        rule=rule,
        year=year,
        threshold=threshold.value if threshold is not None else np.nan,
        value=value(rule.kpi),
        with_certificates=value(rule.kpi_with_certificates),
        reason=reason,
        remarks=tuple(_remarks(rule, scenario, size, is_given=park is not None)) if applies else (),
    )


def _reason(rule: Rule, kpis: Mapping[str, Kpi], scenario: Scenario, year: int) -> str:
    """Why a rule does not apply; empty where it does."""
    for name, words in rule.needs.items():
        if name not in kpis or kpis[name].value <= 0:
            return words
    if rule.kpi not in kpis:
        return rule.absent
    if year < rule.first_year:
        return f"in force from {rule.first_year}"
    if rule.only_without_continuous_spot_market and scenario.policy.continuous_spot_market is not False:
        runs = scenario.policy.continuous_spot_market
        return "the spot market runs continuously" if runs else "whether the spot market runs continuously is not said"
    return ""


def _remarks(rule: Rule, scenario: Scenario, size_tce: float, *, is_given: bool) -> list[str]:
    remarks = []
    if not is_a_year(scenario.grid):
        days = scenario.grid.horizon_hours / HOURS_PER_DAY
        remarks.append(f"judged on {days:,.4g} days; the rule speaks of a year")
    smallest = min(threshold.from_tce_per_year for threshold in rule.thresholds)
    if rule.standing == "park" and size_tce < smallest:
        whose = "the park" if is_given else "the site"
        remarks.append(f"{whose} uses {size_tce:,.0f} tce a year, the rule begins at {smallest:,.0f}")
    return remarks

"""Rules in words: thresholds, figures, margins and verdicts as people read them, one run or several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vpp_sim.kpi import Simulation, Summary
from vpp_sim.kpi.policy import STANDING, RuleOutcome, is_a_year
from vpp_sim.kpi.rule_costs import rule_sentences
from vpp_sim.policies import Rule
from vpp_sim.report.formats import CERTAINTY, MINUS, amount, number, percent
from vpp_sim.scenario.policy import certificate_price
from vpp_sim.units import HOURS_PER_DAY

if TYPE_CHECKING:
    import pandas as pd


def figure_text(value: float, rule: Rule) -> str:
    """A figure or threshold with its unit; a dash where there is none."""
    if rule.unit == "%":
        return percent(value)
    return number(value) + _unit(value, rule)


def value_text(outcome: RuleOutcome) -> str:
    """The figure of a run, with as many digits as tell it from the threshold where it misses that."""
    text, rule = figure_text(outcome.value, outcome.rule), outcome.rule
    if outcome.verdict != "not met" or text != figure_text(outcome.threshold, rule):
        return text
    if rule.unit == "%":
        return f"{100 * outcome.value:.6g} %"
    return f"{outcome.value:.6g}{_unit(outcome.value, rule)}"


def _unit(value: float, rule: Rule) -> str:
    return "" if rule.unit == "-" or not np.isfinite(value) else f" {rule.unit}"


def threshold_text(outcome: RuleOutcome) -> str:
    """What is asked: `≥ 30 %`."""
    if not np.isfinite(outcome.threshold):
        return "–"
    sign = "≥" if outcome.rule.bound == "at_least" else "≤"
    if outcome.rule.unit == "%":
        return f"{sign} {outcome.threshold * 100:g} %"
    return f"{sign} {figure_text(outcome.threshold, outcome.rule)}"


def margin_text(outcome: RuleOutcome) -> str:
    """By how much the figure is on the right side, signed; in points for percents."""
    margin = outcome.margin
    if not np.isfinite(margin):
        return "–"
    if outcome.rule.unit == "%":
        points = margin * 100
        shown = f"{abs(points):.1f}" if abs(points) >= 0.05 else number(abs(points))
        return f"{MINUS if points < 0 and shown != '0' else '+' if points > 0 and shown != '0' else ''}{shown} points"
    return _signed(margin) + ("" if outcome.rule.unit == "-" else f" {outcome.rule.unit}")


def _signed(value: float) -> str:
    text = number(abs(value))
    return text if text == "0" else f"{MINUS if value < 0 else '+'}{text}"


@dataclass(frozen=True)
class RuleRow:
    """One rule as the page shows it."""

    outcome: RuleOutcome
    asked: str
    later: str
    value: str
    margin: str
    verdict: str
    certificates: str
    standing: str
    remarks: str


def rule_rows(outcomes: Sequence[RuleOutcome]) -> list[RuleRow]:
    """Rules for the page, in the order of their documents: those that speak of the site first."""
    order = list(STANDING)
    rows = []
    for outcome in sorted(outcomes, key=lambda outcome: order.index(outcome.rule.standing)):
        after = outcome.verdict_with_certificates
        rows.append(
            RuleRow(
                outcome=outcome,
                asked=threshold_text(outcome),
                later=_later(outcome),
                value=value_text(outcome),
                margin=margin_text(outcome),
                verdict=outcome.verdict,
                certificates=(
                    f"{figure_text(outcome.with_certificates, outcome.rule)}, {after}" if after is not None else ""
                ),
                standing=STANDING[outcome.rule.standing],
                remarks="; ".join([*outcome.remarks, *([outcome.rule.note] if outcome.rule.note else [])]),
            )
        )
    return rows


def _later(outcome: RuleOutcome) -> str:
    """The next threshold that is known already."""
    coming = [each for each in outcome.rule.thresholds if each.from_year > outcome.year]
    if not coming:
        return ""
    following = min(coming, key=lambda each: each.from_year)
    bound = f"{following.value * 100:g} %" if outcome.rule.unit == "%" else f"{following.value:g}"
    return f"{bound} from {following.from_year}"


#: Rules by standing, as they are counted.
_WHOSE = {
    "direct": "that speak of such a site",
    "park": "meant for a whole park",
    "analogy": "taken by analogy",
}


def verdict_words(outcomes: Sequence[RuleOutcome]) -> str:
    """How many rules are met, by what they speak of, in a sentence.

    >>> verdict_words(())
    'no rule applies'
    """
    said = []
    for standing, whose in _WHOSE.items():
        judged = [outcome for outcome in outcomes if outcome.rule.standing == standing and not outcome.reason]
        if judged:
            said.append(f"{sum(outcome.verdict == 'met' for outcome in judged)} of {len(judged)} {whose}")
    return "rules met: " + ", ".join(said) if said else "no rule applies"


def policy_section(simulation: Simulation) -> dict[str, object]:
    """What the page says of rules, emissions and certificates."""
    summary, scenario = simulation.summary, simulation.scenario
    outcomes = summary.rules
    return {
        "words": verdict_words(outcomes),
        "days": "" if is_a_year(scenario.grid) else number(scenario.grid.horizon_hours / HOURS_PER_DAY),
        "year": outcomes[0].year if outcomes else None,
        "year_is_given": scenario.policy.year is not None,
        "rows": rule_rows(outcomes),
        "costs": rule_sentences(simulation.optimal, summary.targets),
        "emissions": emission_rows(summary),
        "certificates": certificate_words(simulation),
        "covered": percent(scenario.policy.certificates.share).replace(".0", ""),
        "certainty": CERTAINTY,
    }


def emission_rows(summary: Summary) -> list[dict[str, str]]:
    """Emissions by every way of counting, against the site without control."""
    words = {
        "emissions_location_kg": "location-based: the province's mix",
        "emissions_market_kg": "market-based: the mix without traded non-fossil energy",
        "emissions_market_after_certificates_kg": "market-based, after certificates",
        "emissions_park_kg": "as the zero-carbon-park test counts",
    }
    before = {} if summary.baseline is None else summary.baseline.kpis
    return [
        {
            "words": text,
            "now": amount(summary.kpis[name].value, "kg"),
            "before": amount(before[name].value, "kg") if name in before else "–",
            "definition": summary.kpis[name].definition,
        }
        for name, text in words.items()
        if name in summary.kpis
    ]


def certificate_words(simulation: Simulation) -> str:
    """How many certificates the rest takes and what they cost, in a sentence or two."""
    kpis, scenario = simulation.summary.kpis, simulation.scenario
    share = scenario.policy.certificates.share
    text = (
        f"Green certificates for {percent(share).replace('.0', '')} of the import: "
        f"{number(kpis['certificates_mwh'].value)} certificates of 1 MWh"
    )
    price = certificate_price(scenario.policy, scenario.documents, scenario.currency)
    if price is None or "certificate_cost" not in kpis:
        return f"{text}; no price is known in {scenario.currency}, policy.certificates.price_per_mwh gives one."
    cost = kpis["certificate_cost"].value
    text += f" at {price.price_per_mwh:g} {scenario.currency}, {number(cost)} {scenario.currency} in all"
    operating = kpis["operating_cost"].value
    if operating > 0:
        text += f" ({percent(cost / operating)} of the operating cost, and not in it)"
    source = f"{price.source}; certainty {price.certainty}, {CERTAINTY[price.certainty]}"
    return f"{text}. Price: {source}{f'; {price.note}' if price.note else ''}."


def policy_frame(runs: Mapping[str, Sequence[RuleOutcome]]) -> pd.DataFrame:
    """Every rule on every run, a row each: what a spreadsheet wants."""
    import pandas as pd

    rows = [
        {
            "run": name,
            "rule": outcome.id,
            "title": outcome.rule.title,
            "document": outcome.document.document,
            "standing": outcome.rule.standing,
            "year": outcome.year,
            "bound": outcome.rule.bound,
            "threshold": outcome.threshold,
            "unit": outcome.rule.unit,
            "value": outcome.value,
            "margin": outcome.margin,
            "verdict": outcome.verdict,
            "with_certificates": outcome.with_certificates,
            "verdict_with_certificates": outcome.verdict_with_certificates,
            "remarks": "; ".join([outcome.reason] if outcome.reason else outcome.remarks),
        }
        for name, outcomes in runs.items()
        for outcome in outcomes
    ]
    return pd.DataFrame(rows)

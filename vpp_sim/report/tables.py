"""KPIs as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vpp_sim.kpi.rule_costs import rule_sentences
from vpp_sim.report.formats import HEADLINES, SHARES, amount, change, in_order, number, percent, total

if TYPE_CHECKING:
    from rich.table import Table

    from vpp_sim.dispatch import Dispatch
    from vpp_sim.kpi import Summary
    from vpp_sim.kpi.targets import TargetOutcome


def kpi_table(summary: Summary, currency: str) -> Table:
    """All KPIs of the site, the headlines first, beside those of the uncontrolled site where there is one."""
    from rich.table import Table

    before = {} if summary.baseline is None else summary.baseline.kpis
    table = Table(title=f"KPIs with control and without, money in {currency}", title_justify="left")
    table.add_column("KPI", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for heading in ("with control", "without", "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    names = in_order(summary.kpis)
    for name, follower in zip(names, [*names[1:], ""], strict=True):
        kpi, earlier = summary.kpis[name], before.get(name)
        value, unit = (percent(kpi.value), "") if name in SHARES else (total(kpi.value, kpi.unit), kpi.unit)
        was = "" if earlier is None else percent(earlier.value) if name in SHARES else total(earlier.value, kpi.unit)
        table.add_row(
            name,
            "" if unit == "-" else unit,
            value,
            was,
            "" if earlier is None else change(name, kpi.value, earlier.value),
            style="bold" if name in HEADLINES else None,
            end_section=name in HEADLINES and follower not in HEADLINES,
        )
    return table


def target_table(outcomes: Mapping[str, TargetOutcome], currency: str) -> Table:
    """What became of each target; the shadow price is what a bound tighter by one unit would cost."""
    from rich.table import Table

    table = Table(title=f"Targets, money in {currency}", title_justify="left")
    for heading in ("target", "measure"):
        table.add_column(heading, no_wrap=True)
    for heading in ("wanted", "reached", "short by", "penalty", "shadow price"):
        table.add_column(heading, justify="right")
    for name, outcome in outcomes.items():
        target, unit = outcome.target, outcome.target.meaning.unit

        def told(value: float, unit: str = unit) -> str:
            return percent(value) if unit == "-" else amount(value, unit)

        sign = "≥" if target.meaning.bound == "at_least" else "≤"
        missing = "" if outcome.is_met else amount(outcome.shortfall, target.meaning.shortfall_unit)
        table.add_row(
            name,
            target.limited,
            f"{sign} {told(target.bound)}",
            told(outcome.achieved),
            missing,
            number(outcome.penalty) if target.price is not None else "hard",
            f"{number(outcome.shadow_price)}/{outcome.shadow_unit}",
        )
    return table


def target_lines(result: Dispatch, outcomes: Mapping[str, TargetOutcome]) -> list[str]:
    """What targets that are rules cost, and when most is wanting of those that are missed."""
    return rule_sentences(result, outcomes) + [
        f"targets.{name} is missed most at {'; '.join(found.times)}" for name, found in outcomes.items() if found.times
    ]

"""KPIs as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpp_sim.report.formats import HEADLINES, SHARES, change, in_order, number, percent

if TYPE_CHECKING:
    from rich.table import Table

    from vpp_sim.kpi import Summary


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
        value, unit = (percent(kpi.value), "") if name in SHARES else (number(kpi.value), kpi.unit)
        was = "" if earlier is None else percent(earlier.value) if name in SHARES else number(earlier.value)
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

"""Several runs side by side: one table of KPIs, bill and sizes, and a page with it and the same week of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vpp_sim.errors import InputError
from vpp_sim.kpi import Simulation
from vpp_sim.report.figures import page_style, svg
from vpp_sim.report.figures.studies import same_week
from vpp_sim.report.formats import HEADLINES, in_order, number

if TYPE_CHECKING:
    import pandas as pd

#: Relative difference below which runs agree.
SAME = 1e-6


def comparison(runs: Mapping[str, Simulation]) -> pd.DataFrame:
    """A row for every KPI, line of the bill and size, a column for every run; columns `group`, `name`, `unit` before.

    Raises:
        InputError: the runs are in different currencies.
    """
    import pandas as pd

    currencies = {run.scenario.currency for run in runs.values()}
    if len(currencies) > 1:
        raise InputError(f"compare: the runs are in different currencies: {', '.join(sorted(currencies))}")
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for name, run in runs.items():
        kpis = run.summary.kpis
        for key in in_order(kpis):
            group = "headline" if key in HEADLINES else "kpi"
            rows.setdefault((group, key, kpis[key].unit), {})[name] = kpis[key].value
    for name, run in runs.items():
        amounts = run.summary.bill.lines.groupby(["kind", "line"], sort=False)["amount"].sum()
        for line, value in amounts.items():
            words = ": ".join(str(part) for part in (line if isinstance(line, tuple) else (line,)))
            rows.setdefault(("bill", words, run.scenario.currency), {})[name] = float(value)
    for name, run in runs.items():
        for path, value in run.optimal.sizes.items():
            rows.setdefault(("size", path, ""), {})[name] = value
    order = {"headline": 0, "kpi": 1, "bill": 2, "size": 3}
    ordered = sorted(rows.items(), key=lambda entry: order[entry[0][0]])
    listed = [[*key, *(values.get(name, float("nan")) for name in runs)] for key, values in ordered]
    return pd.DataFrame(listed, columns=["group", "name", "unit", *runs])


def differing(table: pd.DataFrame) -> pd.DataFrame:
    """The rows in which the runs are not all the same."""
    values = table.iloc[:, 3:]
    spread = values.max(axis=1) - values.min(axis=1)
    scale = values.abs().max(axis=1).clip(lower=1.0)
    missing = values.isna().any(axis=1)
    return table[(spread > SAME * scale) | missing]


def comparison_page(runs: Mapping[str, Simulation], table: pd.DataFrame) -> str:
    """One self-contained page: the rows that differ, and the dispatch of the same week."""
    from html import escape

    with page_style():
        figure = same_week([(name, run.optimal) for name, run in runs.items()])
        picture = svg(figure, "week", "Dispatch of the same week in every run")
    heads = "".join(f"<th>{escape(name)}</th>" for name in runs)
    lines = []
    for _, row in differing(table).iterrows():
        unit = "" if row["unit"] == "-" else row["unit"]
        cells = "".join(f"<td>{number(float(row[name]))}</td>" for name in runs)
        lines.append(f"<tr><th>{escape(row['name'])}</th><td class=unit>{escape(unit)}</td>{cells}</tr>")
    return _PAGE.format(title=escape(" and ".join(runs)), heads=heads, rows="\n".join(lines), picture=picture)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .2rem .8rem; border-bottom: 1px solid #ddd; text-align: right; font-variant-numeric: tabular-nums; }}
tbody th {{ text-align: left; font-weight: normal; }}
td.unit {{ text-align: left; color: #666; }}
svg {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
<h1>Runs side by side</h1>
<h2>The same week</h2>
{picture}
<h2>What differs</h2>
<table>
<thead><tr><th></th><th></th>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""

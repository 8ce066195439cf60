"""What soft limits left undone, for a page: totals of each thing that was short, and its largest spans of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vpp_sim.components.base import Shortfall
from vpp_sim.dispatch import Dispatch
from vpp_sim.dispatch.shortfalls import TABLE
from vpp_sim.report.figures.parts import labels_of
from vpp_sim.report.formats import number

if TYPE_CHECKING:
    import pandas as pd

#: Spans of time that are listed, the dearest first.
SPANS_SHOWN: Final = 12


def short_of(result: Dispatch) -> list[tuple[str, str, Shortfall, pd.DataFrame]]:
    """Everything that was short: component, its label, the shortfall and its spans."""
    labels, found = labels_of(result), []
    for name, component in result.scenario.components.items():
        values = result.values(name)
        table = values.tables.get(TABLE)
        if table is None:
            continue
        for shortfall in component.shortfalls(values):
            spans = table[table["what"] == shortfall.what]
            if not spans.empty:
                found.append((name, labels[name], shortfall, spans))
    return found


def shortfall_rows(result: Dispatch) -> dict[str, Any]:
    """Rows of totals and of the dearest spans; empty where nothing was short."""
    import pandas as pd

    short = short_of(result)
    if not short:
        return {}
    totals = [
        {
            "what": f"{label}: {shortfall.what}",
            "spans": f"{len(spans):,}",
            "hours": number(float(spans["hours"].sum())),
            "energy": _energy(shortfall, float(spans["energy_kwh"].max()), float(spans["energy_kwh"].sum())),
            "power": "–" if shortfall.is_stored else f"{number(float(spans['peak_kw'].max()))} kW",
            "price": f"{number(shortfall.price_per_kwh)} per kWh{' and hour' if shortfall.is_stored else ''}",
            "cost": number(float(spans["cost"].sum())),
        }
        for _, label, shortfall, spans in short
    ]
    tables = [spans.assign(what=f"{label}: " + spans["what"]) for _, label, _, spans in short]
    every = pd.concat(tables, ignore_index=True)
    dearest = every.sort_values(["cost", "begin"], ascending=[False, True], kind="stable").head(SPANS_SHOWN)
    listed = [
        {
            "what": row["what"],
            "begin": f"{row['begin']:%Y-%m-%d %H:%M}",
            "end": f"{row['end']:%Y-%m-%d %H:%M}",
            "energy": number(row["energy_kwh"]),
            "power": number(row["peak_kw"]) if row["peak_kw"] > 0.0 else "–",
            "cost": number(row["cost"]),
        }
        for row in dearest.to_dict("records")
    ]
    return {
        "totals": totals,
        "spans": listed,
        "count": f"{len(every):,}",
        "files": [f"{name}.{TABLE}.parquet" for name in dict.fromkeys(name for name, *_ in short)],
    }


def _energy(shortfall: Shortfall, most: float, total: float) -> str:
    return f"up to {number(most)} kWh" if shortfall.is_stored else f"{number(total)} kWh"

"""What a site asked for and did not get, at the price put on it: spans of time with their size, by component."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vpp_sim.components.base import Shortfall
from vpp_sim.dispatch.result import Dispatch
from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    import pandas as pd

#: A power below this share of the component's largest power (and below 1e-6 kW) is a solver's rounding.
NOTHING = 1e-6
#: The table of a component's shortfalls; absent where there are none.
TABLE = "shortfalls"


def with_shortfalls(result: Dispatch) -> Dispatch:
    """The dispatch with a table `component.shortfalls` and a note for every component that went short."""
    tables, notes = dict(result.tables), list(result.notes)
    for name, component in result.scenario.components.items():
        values = result.values(name)
        largest_kw, largest_kwh = (
            max(
                (float(np.abs(each).max(initial=0.0)) for key, each in values.series.items() if key.endswith(unit)),
                default=0.0,
            )
            for unit in ("_kw", "_kwh")
        )
        table = shortfall_table(component.shortfalls(values), result.grid, largest_kw, largest_kwh)
        if table.empty:
            continue
        tables[f"{name}.{TABLE}"] = table
        for what, rows in table.groupby("what", sort=False):
            # of several that are equal but for rounding, the first
            worst = rows[rows["energy_kwh"] >= rows["energy_kwh"].max() * (1.0 - NOTHING)].to_dict("records")[0]
            spans = f"{len(rows):,} spans of time" if len(rows) > 1 else "one span of time"
            stored = worst["peak_kw"] == 0.0
            much = f"up to {worst['energy_kwh']:,.1f}" if stored else f"{rows['energy_kwh'].sum():,.1f}"
            power = "" if stored else f", up to {worst['peak_kw']:,.1f} kW"
            notes.append(
                f"{name}: {what}: {much} kWh in {spans}, priced at {rows['cost'].sum():,.2f} "
                f"{result.scenario.currency}; most from {worst['begin']:%Y-%m-%d %H:%M} to "
                f"{worst['end']:%Y-%m-%d %H:%M}: {worst['energy_kwh']:,.1f} kWh{power}"
            )
    return replace(result, tables=tables, notes=tuple(notes))


def shortfall_table(
    shortfalls: tuple[Shortfall, ...], grid: TimeGrid, largest_kw: float = 0.0, largest_kwh: float = 0.0
) -> pd.DataFrame:
    """One row per span: what, begin, end (local time), hours, energy_kwh, peak_kw, cost.

    Of what is missing in a store, `energy_kwh` is the most at any time of the span, and there is no power: `peak_kw` is
    0. `largest_kw` and `largest_kwh` are the component's largest power and store, by which a shortfall is told from
    rounding.
    """
    import pandas as pd

    step = pd.Timedelta(minutes=grid.step_minutes)
    rows = []
    for shortfall in shortfalls:
        amount = shortfall.amount
        largest = largest_kwh if shortfall.is_stored else largest_kw
        short = amount > NOTHING * max(1.0, largest, float(amount.max(initial=0.0)))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], short, [False]]).astype(np.int8)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            total, most = float(amount[begin:end].sum()) * grid.step_hours, float(amount[begin:end].max())
            rows.append(
                {
                    "what": shortfall.what,
                    "begin": grid.local[begin],
                    "end": grid.local[end - 1] + step,
                    "hours": float(end - begin) * grid.step_hours,
                    "energy_kwh": most if shortfall.is_stored else total,
                    "peak_kw": 0.0 if shortfall.is_stored else most,
                    "cost": total * shortfall.price_per_kwh,
                }
            )
    columns = ["what", "begin", "end", "hours", "energy_kwh", "peak_kw", "cost"]
    return pd.DataFrame(rows, columns=columns)

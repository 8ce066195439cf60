"""The rows of every target, hard and soft, as text on three steps of a park with PV and a connection.

Load 1, 2, 3 kW (6 kWh), PV of 10 kW with 0, 5 and 7.5 kW to be had (12.5 kWh), import and export; a bound of 0.75 on a
share makes every coefficient a number that can be checked by eye. After a change that is meant:

    VPP_SIM_WRITE_GOLDEN=1 pytest tests/golden
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from vpp_sim.components import REGISTRY
from vpp_sim.components.base import Block, Bus, Context, Inputs
from vpp_sim.dispatch.targets import add_targets
from vpp_sim.lp import LinearProgram, ProgramBuilder
from vpp_sim.scenario.targets import MEASURES, Target
from vpp_sim.tariffs import load_tariff
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site

XINING = Site(latitude=36.62, longitude=101.78, altitude_m=2261)
FOLDER = Path(__file__).parent / "targets"

TARIFF = {
    "name": "t",
    "currency": "CNY",
    "energy": {
        "purchase_price_per_kwh": 0.5,
        "periods": [
            {"label": "valley", "hours": "00-01", "ratio": 0.5},
            {"label": "flat", "hours": "01-24", "ratio": 1.0},
        ],
    },
}
PARK: dict[str, tuple[dict[str, Any], dict[str, list[float]]]] = {
    "park": ({"kind": "load", "profile": 1.0}, {"power_kw": [1.0, 2.0, 3.0]}),
    "pv": ({"kind": "pv", "capacity_kw": 10.0}, {"yield_kw_per_kwp": [0.0, 0.5, 0.75]}),
    "grid": (
        {"kind": "grid", "import_limit_kw": 100.0, "export_limit_kw": 20.0},
        {
            "import_price_per_kwh": [0.25, 0.5, 0.5],
            "export_price_per_kwh": [0.125, 0.125, 0.125],
            "import_available": [1.0, 1.0, 1.0],
            "export_available": [1.0, 1.0, 1.0],
            "emission_location_kg_per_kwh": [0.25, 0.5, 0.75],
            "emission_market_kg_per_kwh": [0.5, 0.5, 0.5],
            "emission_park_kg_per_kwh": [0.75, 0.75, 0.75],
        },
    ),
}
CENTRE = (
    {
        "kind": "data_centre",
        "racks": 4.0,
        "idle_share": 0.25,
        "pue": 1.25,
        "classes": [{"name": "now", "arrivals_kw": 1}],
    },
    {"pue": [1.25, 1.5, 1.25], "now_arrivals_kw": [2.0, 2.0, 2.0]},
)
SESSIONS = "arrival,departure,energy_kwh,max_kw\n2025-01-01 00:00,2025-01-01 03:00,6,8\n"
CARS = {"kind": "ev_station", "power_kw": 12.0, "sessions": {"path": "sessions.csv"}}

#: Bounds of measures that are no share: 3 kWh, kg, kW; a ratio of 1.25; 2 t CO2 per t of coal equivalent.
BOUNDS = {"pue": 1.25, "park_intensity": 2.0}
#: Name of the text: measure and length of a step.
CASES: dict[str, tuple[Any, int]] = {measure: (measure, 60) for measure in MEASURES}
CASES["hourly_matching_half_hours"] = ("hourly_matching", 30)


def target_program(folder: Path, measure: Any, step_minutes: int) -> LinearProgram:
    """LP text of the park with a measure as a hard target, and as a soft one at 2 per unit."""
    (folder / "sessions.csv").write_text(SESSIONS)
    grid = TimeGrid(dt.datetime(2025, 1, 1), step_minutes=step_minutes, num_steps=3, timezone="Asia/Shanghai")
    context = Context(grid, XINING, load_tariff(TARIFF, folder), folder, read_weather=cast(Any, None))
    builder = ProgramBuilder(grid.num_steps)
    bus = Bus(builder, grid, 0.06)
    site: dict[str, tuple[Mapping[str, Any], Mapping[str, list[float]] | None]] = {**PARK}
    if measure == "pue":
        site["centre"] = CENTRE
    if measure == "ev_valley_share":
        site["cars"] = (CARS, None)
    for name, (fields, series) in site.items():
        component = REGISTRY[fields["kind"]].model_validate(fields)
        read = component.inputs(context) if series is None else Inputs({key: np.array(v) for key, v in series.items()})
        component.add_to(Block(name, bus, context, read))
    bus.close()
    meaning = MEASURES[measure]
    bound = {meaning.bound: BOUNDS.get(measure, 0.75 if meaning.is_share else 3.0)}
    targets = {
        "hard": Target.model_validate({"measure": measure, **bound}),
        "soft": Target.model_validate({"measure": measure, **bound, "price": 2.0}),
    }
    add_targets(bus, targets)
    program = builder.freeze()
    # what energy costs, and what decides ties, is the components' own text
    cost = np.zeros(program.num_columns)
    cost[program.columns("targets.soft_shortfall")] = program.cost[program.columns("targets.soft_shortfall")]
    return program.with_numbers(cost=cost)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_rows_of_a_target_are_what_they_were(
    name: str, tmp_path: Path, check_golden: Callable[[LinearProgram, Path], None]
) -> None:
    check_golden(target_program(tmp_path, *CASES[name]), FOLDER / f"{name}.lp")


def test_every_text_of_targets_has_a_case() -> None:
    assert {file.stem for file in FOLDER.glob("*.lp")} == set(CASES)

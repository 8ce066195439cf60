"""The rows, costs and bounds that each component writes, as text on three steps: what changes in them shows in a diff.

After a change that is meant, write them anew and read the difference before committing it:

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
from vpp_sim.lp import LinearProgram, ProgramBuilder
from vpp_sim.tariffs import load_tariff
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site

XINING = Site(latitude=36.62, longitude=101.78, altitude_m=2261)
FOLDER = Path(__file__).parent / "blocks"

FREE = {"min": 5.0, "max": 50.0, "cost_per_unit": 365.0, "lifetime_years": 10.0}
STORE = {"kind": "battery", "power_kw": 10.0, "energy_kwh": 40.0, "charge_efficiency": 0.9, "discharge_efficiency": 0.8}
GRID = {"kind": "grid", "import_limit_kw": 100.0, "export_limit_kw": 20.0}
PRICES = {
    "import_price_per_kwh": [0.5, 0.25, 1.0],
    "export_price_per_kwh": [0.125, 0.125, 0.25],
    "import_available": [1.0, 0.0, 1.0],
    "export_available": [1.0, 1.0, 0.0],
    "emission_location_kg_per_kwh": [0.25, 0.25, 0.5],
    "emission_market_kg_per_kwh": [0.5, 0.5, 0.5],
    "emission_park_kg_per_kwh": [0.75, 0.75, 0.75],
    "clean_share": [0.5, 0.75, 0.5],
}
CENTRE = {"kind": "data_centre", "racks": 16.0, "idle_share": 0.25, "pue": 1.25}
ARRIVALS = {"pue": [1.25, 1.5, 1.25], "online_arrivals_kw": [4.0, 40.0, 4.0], "batch_arrivals_kw": [8.0, 0.0, 2.0]}
ONLINE = {"name": "online", "arrivals_kw": 1.0}
BATCH = {"name": "batch", "arrivals_kw": 1.0, "max_delay_hours": 2.0}
SESSIONS = """arrival,departure,energy_kwh,max_kw
2025-01-01 00:00,2025-01-01 03:00,6,8
2025-01-01 01:00,2025-01-01 02:30,8,8
"""
CARS = {"kind": "ev_station", "power_kw": 12.0, "charge_efficiency": 0.8, "sessions": {"path": "sessions.csv"}}


def tariff(**changes: Any) -> dict[str, Any]:
    return {"name": "t", "currency": "CNY", "energy": {"purchase_price_per_kwh": 0.5}} | changes


#: Name of the text: component, inputs where they are not read, and a tariff where it matters.
CASES: dict[str, tuple[Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any]]] = {
    "battery_cyclic": (STORE | {"wear_cost_per_kwh": 0.02, "self_discharge_per_hour": 0.01}, {}, {}),
    "battery_fixed": (STORE | {"closure": "fixed", "soc_start": 0.5, "soc_end": 0.25}, {}, {}),
    "battery_soft": (
        STORE
        | {"closure": "fixed", "value_of_missing_end_per_kwh": 2.0}
        | {"reserve_soc": 0.25, "value_of_missing_reserve_per_kwh_hour": 0.5},
        {},
        {},
    ),
    "battery_free": (STORE | {"power_kw": FREE, "energy_kwh": FREE, "max_c_rate": 0.5}, {}, {}),
    "battery_onsite": (STORE | {"charge_from": "onsite", "export": "forbidden"}, {}, {}),
    "data_centre_managed": (CENTRE | {"classes": [ONLINE, BATCH]}, ARRIVALS, {}),
    "data_centre_free": (CENTRE | {"racks": FREE, "classes": [ONLINE, BATCH]}, ARRIVALS, {}),
    "data_centre_not_interruptible": (
        CENTRE | {"classes": [BATCH | {"interruptible": False, "run_hours": 2.0}]},
        ARRIVALS,
        {},
    ),
    "data_centre_uncontrolled": (CENTRE | {"classes": [ONLINE, BATCH], "managed": False}, ARRIVALS, {}),
    "ev_station_managed": (CARS, None, {}),
    "ev_station_free": (CARS | {"power_kw": FREE, "laxity_classes": 1}, None, {}),
    "ev_station_uncontrolled": (CARS | {"mode": "uncontrolled"}, None, {}),
    "ev_station_v2g": (CARS | {"mode": "v2g", "v2g": {"battery_kwh": 20.0}, "laxity_classes": 1}, None, {}),
    "grid_plain": (GRID, PRICES, {}),
    "grid_free_limit": (GRID | {"import_limit_kw": FREE}, PRICES, {}),
    "grid_uncontrolled": (GRID | {"overload_price_per_kwh": 100.0}, PRICES, {}),
    "grid_max_demand": (
        GRID,
        PRICES,
        {
            "demand": {"basis": "max_demand", "price_per_kw_month": 31.0, "min_kw": 10.0},
            "fixed_per_month": {"meter": 62.0},
        },
    ),
    "grid_ratchet_and_tiers": (
        GRID,
        PRICES,
        {
            "demand": {"basis": "max_demand", "price_per_kw_month": 31.0, "ratchet": {"share": 0.8, "months": 2}},
            "tiers": [{"above_kwh": 0.0, "adder_per_kwh": 0.05}, {"above_kwh": 744.0, "adder_per_kwh": 0.1}],
        },
    ),
    "grid_contracted": (
        GRID,
        PRICES,
        {
            "demand": {
                "basis": "contracted_demand",
                "contracted_kw": 40.0,
                "price_per_kw_month": 31.0,
                "tolerance": 0.05,
            }
        },
    ),
    "load": ({"kind": "load", "profile": 1.0}, {"power_kw": [1.0, 2.0, 3.0]}, {}),
    "load_sheddable": (
        {"kind": "load", "profile": 1.0, "sheddable_share": 0.5, "value_of_lost_load_per_kwh": 4.0},
        {"power_kw": [1.0, 2.0, 3.0]},
        {},
    ),
    "pv": ({"kind": "pv", "capacity_kw": 10.0}, {"yield_kw_per_kwp": [0.0, 0.5, 0.75]}, {}),
    "pv_free": ({"kind": "pv", "capacity_kw": FREE}, {"yield_kw_per_kwp": [0.0, 0.5, 0.75]}, {}),
}


def block_program(
    folder: Path, fields: Mapping[str, Any], series: Mapping[str, Any] | None, rules: Mapping[str, Any]
) -> LinearProgram:
    """LP text of one component on the bus, three hours at the turn of a year at 6 %."""
    (folder / "sessions.csv").write_text(SESSIONS)
    grid = TimeGrid(dt.datetime(2025, 1, 1), step_minutes=60, num_steps=3, timezone="Asia/Shanghai")
    context = Context(grid, XINING, load_tariff(tariff(**rules), folder), folder, read_weather=cast(Any, None))
    component = REGISTRY[fields["kind"]].model_validate(fields)
    if series is None:
        inputs = component.inputs(context)
    else:
        inputs = Inputs(series={name: np.array(values) for name, values in series.items()})
    builder = ProgramBuilder(grid.num_steps)
    bus = Bus(builder, grid, 0.06)
    component.add_to(Block("it", bus, context, inputs))
    bus.close()
    return builder.freeze()


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_block_is_what_it_was(
    name: str, tmp_path: Path, check_golden: Callable[[LinearProgram, Path], None]
) -> None:
    check_golden(block_program(tmp_path, *CASES[name]), FOLDER / f"{name}.lp")


def test_every_kind_has_a_text_and_every_text_a_case() -> None:
    assert {fields["kind"] for fields, *_ in CASES.values()} == set(REGISTRY)
    assert {file.stem for file in FOLDER.glob("*.lp")} == set(CASES)

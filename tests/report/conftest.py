"""Small runs of several shapes, solved once for all tests of the report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from vpp_sim.kpi import Simulation, simulate
from vpp_sim.report.folder import write_folder
from vpp_sim.scenario.load import scenario_from_mapping

CARS = {
    "name": "cars",
    "sessions_per_day": 12,
    "energy_kwh": 28,
    "energy_sigma": 0.4,
    "charger_power_kw": 60,
    "dwell_hours": 4,
    "arrival_peaks": [{"hour": 9.0, "spread_hours": 1.0}],
}
PV = {"kind": "pv", "capacity_kw": 300, "tilt_deg": 35, "azimuth_deg": 180}
BATTERY = {"kind": "battery", "power_kw": 100, "energy_kwh": 200, "wear_cost_per_kwh": 0.05}
CHARGING = {"kind": "ev_station", "power_kw": 120, "fleets": [CARS]}
DATA_CENTRE = {
    "kind": "data_centre",
    "racks": 40,
    "pue": 1.25,
    "classes": [
        {"name": "online", "arrivals_kw": {"generator": "interactive_compute", "mean": 26, "seed": 11}},
        {"name": "training", "arrivals_kw": 12, "max_delay_hours": 24},
    ],
}
PARK = {"kind": "load", "profile": {"generator": "industrial_park", "peak": 90, "seed": 21}}
GRID = {"kind": "grid", "import_limit_kw": 400}

#: Shapes of sites and horizons that a page must cope with: (days, step_minutes, components).
SHAPES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "whole": (
        3,
        60,
        {"pv": PV, "battery": BATTERY, "charging": CHARGING, "data_centre": DATA_CENTRE, "park": PARK, "grid": GRID},
    ),
    "only a load": (3, 60, {"park": PARK, "grid": GRID}),
    "no battery": (20, 60, {"pv": PV, "charging": CHARGING, "park": PARK, "grid": GRID}),
    "no sun": (1, 60, {"battery": BATTERY, "park": PARK, "grid": GRID}),
    "two of a kind, quarter-hours": (
        40,
        15,
        {
            "pv": PV,
            "east": {**PV, "azimuth_deg": 90},
            "first": BATTERY,
            "second": {**BATTERY, "energy_kwh": 400},
            "park": PARK,
            "workshop": {"kind": "load", "profile": 20},
            "grid": {**GRID, "export_limit_kw": 200},
        },
    ),
    "half a year": (200, 60, {"pv": PV, "battery": BATTERY, "park": PARK, "grid": GRID}),
}


@cache
def simulated(shape: str) -> Simulation:
    """The run of one of SHAPES."""
    days, step_minutes, components = SHAPES[shape]
    mapping = {
        "name": f"Site <{shape}>",
        "currency": "CNY",
        "horizon": {
            "start": "2025-04-28",
            "days": days,
            "step_minutes": step_minutes,
            "timezone": "Asia/Shanghai",
        },
        "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261},
        "weather": {"source": "climate", "climate": "xining", "seed": 1},
        "tariff": "qinghai_two_part_2026_03",
        "components": components,
    }
    return simulate(scenario_from_mapping(mapping, base_dir=Path.cwd()))


@pytest.fixture(scope="session")
def simulation_of() -> Callable[[str], Simulation]:
    """The run of a shape by its name."""
    return simulated


@pytest.fixture(scope="session", params=SHAPES)
def any_shape(request: pytest.FixtureRequest) -> str:
    """Every shape, one after the other."""
    return str(request.param)


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    """Three days with every kind of component."""
    return simulated("whole")


@pytest.fixture(scope="session")
def written(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that tests may read but not change."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_folder(simulation, folder, command="test", page=lambda simulation: "<p>page</p>\n")
    return folder


@pytest.fixture
def run_folder(written: Path, tmp_path: Path) -> Path:
    """A copy of the run folder, free to be altered."""
    return Path(shutil.copytree(written, tmp_path / "run"))

"""A small site for tests of whole dispatches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpp_sim.scenario import Scenario, scenario_from_mapping

SmallSite = Callable[..., Scenario]


def small_site(base_dir: Path = Path(), *, tariff: Any = None, **components: Any) -> Scenario:
    """One day of hours at 0.5 per kWh, a grid of 100 kW, and what is given; keys of the frame may be given too."""
    frame = {key: components.pop(key) for key in ("horizon", "dispatch", "weather") if key in components}
    horizon = {"start": "2025-06-02", "days": 1, "step_minutes": 60, "timezone": "Asia/Shanghai"}
    return scenario_from_mapping(
        {
            "name": "small",
            "currency": "CNY",
            "horizon": horizon | frame.pop("horizon", {}),
            "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261.0},
            "weather": {"source": "climate", "climate": "xining", "seed": 1},
            "tariff": {"name": "t", "currency": "CNY", "energy": {"purchase_price_per_kwh": 0.5}} | (tariff or {}),
            "components": {"grid": {"kind": "grid", "import_limit_kw": 100.0}} | components,
        }
        | frame,
        base_dir=base_dir,
    )


@pytest.fixture(scope="session")
def site() -> SmallSite:
    """`site(base_dir, tariff=..., name={kind: ...})`."""
    return small_site


def sessions_file(folder: Path, rows: list[tuple[str, str, float, float]]) -> dict[str, Any]:
    """A session table of (arrival, departure, energy_kwh, max_kw) on 2 June 2025."""
    lines = ["arrival,departure,energy_kwh,max_kw"]
    lines += [f"2025-06-02 {begin},2025-06-02 {end},{energy},{power}" for begin, end, energy, power in rows]
    path = folder / "sessions.csv"
    path.write_text("\n".join(lines) + "\n")
    return {"kind": "ev_station", "power_kw": 100.0, "sessions": {"path": str(path)}}


@pytest.fixture
def station(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`station(rows, **fields)`: a charging station with sessions of one day."""

    def make(rows: list[tuple[str, str, float, float]], **fields: Any) -> dict[str, Any]:
        return sessions_file(tmp_path, rows) | {"value_of_unserved_per_kwh": 10.0} | fields

    return make

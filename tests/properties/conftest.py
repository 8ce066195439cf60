"""Random valid scenarios: every component on and off, tight and loose, on calendars that bite."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# derandomized: a run of the suite proves the same things every time; `long` looks for what nobody thought of
# (pytest tests/properties --hypothesis-profile=long)
settings.register_profile(
    "quick", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.register_profile(
    "long", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)

Mapping_ = dict[str, Any]
WriteSeries = Callable[[str, list[float], tuple[str, str]], str]

STARTS = [
    # ordinary days, the turn of a month, of a year, a leap day, clocks going forward and back
    ("2025-06-02", "Asia/Shanghai"),
    ("2025-01-31", "Asia/Shanghai"),
    ("2025-12-31", "Asia/Shanghai"),
    ("2024-02-28", "Asia/Shanghai"),
    ("2025-03-30", "Europe/Berlin"),
    ("2025-10-26", "Europe/Berlin"),
]


def _maybe(draw: st.DrawFn, chance: float = 0.5) -> bool:
    return draw(st.floats(0, 1)) < chance


def _size(draw: st.DrawFn, sizes: list[float], *, free: float = 0.15) -> Any:
    """A number, or now and then a size for the optimiser to choose."""
    number = draw(st.sampled_from(sizes))
    if not _maybe(draw, free):
        return number
    return {"min": draw(st.sampled_from([0.0, 0.25 * number])), "max": number, "cost_per_unit": 50.0}


def _tariff(draw: st.DrawFn, write: WriteSeries, start: tuple[str, str]) -> Mapping_:
    energy: Mapping_
    match draw(st.sampled_from(["flat", "periods", "series", "negative"])):
        case "flat":
            energy = {"purchase_price_per_kwh": draw(st.sampled_from([0.0, 0.5]))}
        case "periods":
            energy = {
                "purchase_price_per_kwh": 0.3,
                "adders_per_kwh": {"network": 0.1},
                "periods": [
                    {"label": "peak", "hours": "07:10-09, 17-23", "ratio": 1.6},
                    {"label": "valley", "hours": "09-17", "ratio": 0.35, "export_price_per_kwh": 0.05},
                    {"label": "night", "hours": "23-07:10", "price_per_kwh": 0.25},
                ],
            }
        case kind:
            lowest = -0.3 if kind == "negative" else 0.05
            hourly = draw(st.lists(st.floats(lowest, 0.9).map(lambda price: round(price, 3)), min_size=4, max_size=24))
            energy = {"purchase_price_per_kwh": {"path": write("price", hourly, start), "unit": "per_kwh"}}
    tariff: Mapping_ = {"name": "drawn", "currency": "CNY", "energy": energy}
    if _maybe(draw):
        tariff["export"] = {"price_per_kwh": draw(st.sampled_from([0.0, 0.15, 0.4]))}
    match draw(st.sampled_from(["none", "max_demand", "max_demand", "contracted_demand", "transformer_kva"])):
        case "max_demand":
            tariff["demand"] = {"basis": "max_demand", "price_per_kw_month": draw(st.sampled_from([3.0, 33.0]))}
            if _maybe(draw, 0.3):
                tariff["demand"]["ratchet"] = {"share": 0.8, "months": 2}
            if _maybe(draw, 0.3):
                tariff["demand"]["min_kw"] = 60.0
        case "contracted_demand":
            tariff["demand"] = {
                "basis": "contracted_demand",
                "contracted_kw": draw(st.sampled_from([20.0, 120.0])),
                "price_per_kw_month": 30.0,
                "tolerance": draw(st.sampled_from([0.0, 0.05])),
            }
        case "transformer_kva":
            tariff["demand"] = {"basis": "transformer_kva", "transformer_kva": 500.0, "price_per_kva_month": 21.0}
    if _maybe(draw, 0.2):
        tariff["tiers"] = [
            {"above_kwh": draw(st.sampled_from([0.0, 900.0])), "adder_per_kwh": 0.02},
            {"above_kwh": 6000.0, "adder_per_kwh": 0.1},
        ]
    if _maybe(draw, 0.2):
        tariff["fixed_per_month"] = {"meter": 100.0}
    return tariff


def _battery(draw: st.DrawFn) -> Mapping_:
    battery: Mapping_ = {
        "kind": "battery",
        "power_kw": _size(draw, [0.0, 10.0, 60.0]),
        "energy_kwh": _size(draw, [20.0, 150.0]),
        "wear_cost_per_kwh": draw(st.sampled_from([0.0, 0.02])),
        "self_discharge_per_hour": draw(st.sampled_from([0.0, 0.001, 0.05])),
        "charge_from": draw(st.sampled_from(["any", "any", "onsite"])),
        "export": draw(st.sampled_from(["allowed", "allowed", "forbidden"])),
    }
    if battery["self_discharge_per_hour"]:
        # cells that leak can only stay above a least state where there is power to refill them
        battery["soc_min"] = 0.0
    if _maybe(draw, 0.3):
        battery |= {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    if battery["power_kw"] == 10.0 and _maybe(draw) and not isinstance(battery["energy_kwh"], Mapping):
        # fixed ends that idling or a little charging reaches, for a random site need not have the power for more
        battery |= {"closure": "fixed", "soc_start": 0.5, "soc_end": draw(st.sampled_from([0.3, 0.45]))}
        battery["self_discharge_per_hour"] = 0.0
    if _maybe(draw, 0.2) and isinstance(battery["power_kw"], Mapping):
        battery["max_c_rate"] = 0.5
        battery["power_kw"]["min"] = 0.0
    return battery


def _station(draw: st.DrawFn) -> Mapping_:
    fleets = []
    for number in range(draw(st.integers(1, 2))):
        fleet: Mapping_ = {
            "name": f"fleet{number}",
            "sessions_per_day": draw(st.sampled_from([1, 6, 25])),
            "count": draw(st.sampled_from(["poisson", "exact"])),
            "arrival_peaks": [
                {
                    "hour": draw(st.sampled_from([2.0, 8.0, 12.5, 22.0])),
                    "spread_hours": draw(st.sampled_from([0.0, 2.0])),
                }
            ],
            "energy_kwh": draw(st.sampled_from([5.0, 20.0])),
            "energy_sigma": draw(st.sampled_from([0.0, 0.6])),
            "charger_power_kw": draw(st.sampled_from([7.0, 60.0])),
            "seed": draw(st.integers(0, 50)),
        }
        fleet |= (
            {"departure_hour": 6.5} if _maybe(draw, 0.3) else {"dwell_hours": draw(st.sampled_from([0.3, 3.0, 9.0]))}
        )
        fleets.append(fleet)
    station: Mapping_ = {
        "kind": "ev_station",
        "mode": draw(st.sampled_from(["uncontrolled", "managed", "managed", "v2g"])),
        "fleets": fleets,
        "charge_efficiency": draw(st.sampled_from([1.0, 0.9])),
        "laxity_classes": draw(st.integers(1, 3)),
    }
    powers = [15.0, 60.0, 500.0]
    station["power_kw"] = draw(st.sampled_from(powers)) if station["mode"] == "uncontrolled" else _size(draw, powers)
    if station["mode"] == "v2g":
        station["v2g"] = {
            "battery_kwh": draw(st.sampled_from([15.0, 60.0])),
            "arrival_soc": draw(st.sampled_from([0.2, 0.6])),
            # at no cost at all, cycling cars for nothing is as good as not
            "wear_cost_per_kwh": draw(st.sampled_from([0.02, 0.1])),
            "discharge_efficiency": draw(st.sampled_from([1.0, 0.93])),
        }
    return station


def _data_centre(draw: st.DrawFn) -> Mapping_:
    classes = [{"name": "online", "arrivals_kw": {"generator": "interactive_compute", "mean": 10.0}}]
    if _maybe(draw, 0.7):
        training: Mapping_ = {
            "name": "training",
            "arrivals_kw": {"generator": "job_arrivals", "mean": 10.0, "seed": draw(st.integers(0, 50))},
            "max_delay_hours": draw(st.sampled_from([0.4, 4.0, 24.0, 200.0])),
        }
        if _maybe(draw, 0.3):
            training["max_kw"] = 25.0
        if _maybe(draw, 0.3):
            training |= {"interruptible": False, "run_hours": draw(st.sampled_from([0.5, 6.0]))}
        classes.append(training)
    centre: Mapping_ = {"kind": "data_centre", "classes": classes, "racks": _size(draw, [12.0, 40.0])}
    centre["pue"] = draw(st.sampled_from([1.2, {"model": "plateau", "liquid_share": 0.5}]))
    if _maybe(draw, 0.3):
        centre["pflops_per_rack"] = 0.5
    return centre


def _load(draw: st.DrawFn, write: WriteSeries, start: tuple[str, str]) -> Mapping_:
    hourly = st.lists(st.floats(0, 60).map(lambda power: round(power, 2)), min_size=3, max_size=24)
    profile: Any = draw(st.sampled_from([20.0, {"generator": "office_park", "peak": 50.0}, "series"]))
    if profile == "series":
        profile = {"path": write("load", draw(hourly), start), "unit": "kW"}
    load: Mapping_ = {"kind": "load", "profile": profile}
    if _maybe(draw, 0.3):
        load |= {"sheddable_share": draw(st.sampled_from([0.2, 1.0])), "value_of_lost_load_per_kwh": 3.0}
    return load


def _grid(draw: st.DrawFn, start: str) -> Mapping_:
    grid: Mapping_ = {
        "kind": "grid",
        "import_limit_kw": _size(draw, [60.0, 150.0, 3000.0], free=0.1),
        "export_limit_kw": draw(st.sampled_from([0.0, 30.0, 1000.0])),
        "if_export_pays_more": "no_export",
    }
    if _maybe(draw, 0.2):
        what = draw(st.sampled_from(["export", "both", "import"]))
        grid["outages"] = [{"start": f"{start} 10:20", "end": f"{start} 12:00", "what": what}]
    return grid


@st.composite
def _scenarios(draw: st.DrawFn, write: WriteSeries) -> Mapping_:
    start, zone = draw(st.sampled_from(STARTS))
    step = draw(st.sampled_from([60, 60, 30, 15, 15, 10, 5]))
    days = draw(st.integers(1, 5 if step == 60 else 3 if step >= 15 else 1))
    components: Mapping_ = {"grid": _grid(draw, start)}
    if _maybe(draw, 0.8):
        components["park"] = _load(draw, write, (start, zone))
    if _maybe(draw, 0.6):
        components["pv"] = {"kind": "pv", "capacity_kw": _size(draw, [40.0, 150.0])}
    for number in range(draw(st.integers(0, 2))):
        components[f"battery{number}"] = _battery(draw)
    if _maybe(draw, 0.6):
        components["charging"] = _station(draw)
    if _maybe(draw, 0.5):
        components["compute"] = _data_centre(draw)
    tariff = _tariff(draw, write, (start, zone))
    if components.get("charging", {}).get("mode") == "v2g":
        # discharging against a shortage borrows from energy that cars will miss; handing that back to single cars is
        # not exact (the audit says so), hence V2G only where nothing is short
        components["charging"]["power_kw"] = 500.0
        components["grid"] |= {"import_limit_kw": 3000.0, "outages": []}
        tariff.pop("demand", None)
    return {
        "name": "drawn",
        "currency": "CNY",
        "horizon": {"start": start, "days": days, "step_minutes": step, "timezone": zone},
        "site": {"latitude": 36.62, "longitude": 101.78 if zone == "Asia/Shanghai" else 10.0, "altitude_m": 2261.0},
        "weather": {"source": "climate", "climate": "xining", "seed": draw(st.integers(1, 5))},
        "tariff": tariff,
        "components": dict(draw(st.permutations(list(components.items())))),
    }


@pytest.fixture(scope="session")
def write_series(tmp_path_factory: pytest.TempPathFactory) -> WriteSeries:
    """Writes hourly values, repeated for a week from a start, to a file named by its content; returns its path."""
    folder = tmp_path_factory.mktemp("series")

    def write(column: str, hourly: list[float], start: tuple[str, str]) -> str:
        import pandas as pd

        digest = hashlib.sha256(repr((hourly, start)).encode()).hexdigest()[:12]
        path = folder / f"{column}_{digest}.csv"
        if not path.exists():
            times = pd.date_range(start[0], periods=24 * 7, freq="h", tz=start[1])
            values = [hourly[position % len(hourly)] for position in range(len(times))]
            pd.DataFrame({"time": times, column: values}).to_csv(path, index=False)
        return str(path)

    return write


@pytest.fixture(scope="session")
def scenarios(write_series: WriteSeries) -> st.SearchStrategy[Mapping_]:
    """Mappings that `scenario_from_mapping` takes."""
    return _scenarios(write_series)


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")

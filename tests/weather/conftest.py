"""A known sky, and the same sky written in every file format.

The sky is pvlib's (SPA positions, Ineichen clear sky, a cloud factor per day), so it shares no code with the package.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from vpp_sim.errors import InputError
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site, Weather, WeatherSource, read_weather

XINING = Site(latitude=36.62, longitude=101.78, altitude_m=2261)
_SOURCES: TypeAdapter[Any] = TypeAdapter(WeatherSource)


def source(**given: Any) -> Any:
    """A source as a scenario would give it."""
    return _SOURCES.validate_python(given)


def grid_of(
    start: str = "2025-01-01", *, days: float = 365, step_minutes: int = 60, timezone: str = "Asia/Shanghai"
) -> TimeGrid:
    """A grid of whole days."""
    steps = round(days * 1440 / step_minutes)
    return TimeGrid(dt.datetime.fromisoformat(start), step_minutes=step_minutes, num_steps=steps, timezone=timezone)


def weather_of(base_dir: Path, grid: TimeGrid | None = None, site: Site = XINING, **given: Any) -> Weather:
    """`read_weather` of a source given as a mapping."""
    return read_weather(source(**given), grid or grid_of(), site, base_dir)


def fault_of(base_dir: Path, grid: TimeGrid | None = None, site: Site = XINING, **given: Any) -> str:
    """The text of the error that reading a source ends with."""
    with pytest.raises(InputError) as caught:
        weather_of(base_dir, grid, site, **given)
    return str(caught.value)


class Sky:
    """Five-minute sky of Xining over 2024-12-30 to 2026-01-02 UTC, and its means over rows of any length and offset."""

    def __init__(self) -> None:
        from pvlib import atmosphere, clearsky, solarposition

        self.first = pd.Timestamp("2024-12-30", tz="UTC")
        index = pd.date_range(self.first + pd.Timedelta(minutes=2.5), periods=368 * 288, freq="5min")
        sun = solarposition.get_solarposition(
            index, XINING.latitude, XINING.longitude, altitude=XINING.altitude_m, method="nrel_numpy", delta_t=69.0
        )
        zenith = sun["zenith"].to_numpy()
        airmass = atmosphere.get_absolute_airmass(atmosphere.get_relative_airmass(zenith), 77_000)
        with np.errstate(divide="ignore", invalid="ignore"):
            clear = clearsky.ineichen(zenith, airmass, 2.5, altitude=XINING.altitude_m)
        up = np.maximum(np.cos(np.radians(zenith)), 0)
        clouds = np.repeat(0.55 + 0.45 * np.sin(np.arange(368) * 2.4) ** 2, 288)
        # clouds change at 18 h UTC, deep in the night of Xining
        clouds = np.roll(clouds, -72)
        dni = np.nan_to_num(clear["dni"]) * clouds**3
        dhi = np.where(up > 0, np.nan_to_num(clear["ghi"]) * clouds - dni * up, 0.0)
        self.columns = {
            "ghi": dni * up + np.maximum(dhi, 0),
            "dni": dni,
            "dhi": np.maximum(dhi, 0),
            "temp": 5
            + 15 * np.sin(2 * np.pi * (np.arange(index.size) / 288 - 105) / 365.25)
            - 6 * np.cos(2 * np.pi * (np.arange(index.size) / 288 + 1 / 12)),
        }

    def rows(self, begin: str, number: int, minutes: int = 60) -> dict[str, np.ndarray]:
        """Means over `number` rows from a UTC time on."""
        skip = round((pd.Timestamp(begin, tz="UTC") - self.first) / pd.Timedelta(minutes=5))
        per_row = minutes // 5
        return {
            name: values[skip : skip + number * per_row].reshape(number, per_row).mean(axis=1)
            for name, values in self.columns.items()
        }


@pytest.fixture(scope="session")
def sky() -> Sky:
    return Sky()


EPW_HEADER = """LOCATION,Xining,Qinghai,CHN,Test,528660,36.62,101.78,8.0,2261.0
DESIGN CONDITIONS,0
TYPICAL/EXTREME PERIODS,0
GROUND TEMPERATURES,0
HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0
COMMENTS 1,a known sky
COMMENTS 2,none
DATA PERIODS,1,1,Data,Sunday, 1/ 1,12/31"""


def epw_lines(rows: dict[str, np.ndarray]) -> list[str]:
    """Lines of an EPW file whose row i has the i-th values."""
    times = pd.date_range("2025-01-01", periods=rows["ghi"].size, freq="h")
    rest = "0,0,0,0,180,2.5,3,3,20.0,999,9,999999999,0,0.0,0,88,0.2,0.0,1.0"
    return EPW_HEADER.splitlines() + [
        f"{t.year},{t.month},{t.day},{t.hour + 1},0,?9?9,{temp:.2f},-5.0,50,77000,9999,9999,200,"
        f"{ghi:.2f},{dni:.2f},{dhi:.2f},{rest}"
        for t, temp, ghi, dni, dhi in zip(times, rows["temp"], rows["ghi"], rows["dni"], rows["dhi"], strict=True)
    ]


def tmy3_lines(rows: dict[str, np.ndarray]) -> list[str]:
    """Lines of a TMY3 file whose row i has the i-th values."""
    columns = {
        "GHI (W/m^2)": rows["ghi"],
        "DNI (W/m^2)": rows["dni"],
        "DHI (W/m^2)": rows["dhi"],
        "Dry-bulb (C)": rows["temp"],
        "RHum (%)": np.full(rows["ghi"].size, 50),
        "Pressure (mbar)": np.full(rows["ghi"].size, 770),
        "Wspd (m/s)": np.full(rows["ghi"].size, 2.5),
    }
    times = pd.date_range("2025-01-01", periods=rows["ghi"].size, freq="h")
    lines = ['528660,"XINING",QH,8.0,36.62,101.78,2261', "Date (MM/DD/YYYY),Time (HH:MM)," + ",".join(columns)]
    for number, t in enumerate(times):
        values = ",".join(f"{values[number]:.2f}" for values in columns.values())
        lines.append(f"{t:%m/%d/%Y},{t.hour + 1:02d}:00,{values}")
    return lines


_PVGIS_LOCATION = {"latitude": 36.62, "longitude": 101.78, "elevation": 2261.0}


def pvgis_hourly(rows: dict[str, np.ndarray], start: str = "2025-01-01", minute: int = 30) -> dict[str, Any]:
    """What PVGIS answers to `seriescalc` for the horizontal plane, with components."""
    times = pd.date_range(start, periods=rows["ghi"].size, freq="h")
    hours = [
        {
            "time": f"{t:%Y%m%d:%H}{minute:02d}",
            "Gb(i)": round(ghi - dhi, 2),
            "Gd(i)": round(dhi, 2),
            "Gr(i)": 0.0,
            "H_sun": 0.0,
            "T2m": round(temp, 2),
            "WS10m": 2.5,
            "Int": 0.0,
        }
        for t, ghi, dhi, temp in zip(times, rows["ghi"], rows["dhi"], rows["temp"], strict=True)
    ]
    return {
        "inputs": {
            "location": _PVGIS_LOCATION,
            "meteo_data": {"radiation_db": "PVGIS-ERA5", "meteo_db": "ERA5", "year_min": 2025, "year_max": 2025},
            "mounting_system": {"fixed": {"slope": {"value": 0, "optimal": False}}},
            "pv_module": {"technology": "c-Si", "peak_power": None, "system_loss": None},
        },
        "outputs": {"hourly": hours},
        "meta": {
            "inputs": {"location": {"description": "Selected location"}},
            "outputs": {"hourly": {"type": "time series"}},
        },
    }


def pvgis_tmy(rows: dict[str, np.ndarray], offset_hours: float | None = None) -> dict[str, Any]:
    """What PVGIS answers to `tmy`."""
    times = pd.date_range("2025-01-01", periods=rows["ghi"].size, freq="h")
    hours = [
        {
            "time(UTC)": f"{2005 + t.month}{t:%m%d:%H}00",
            "T2m": round(temp, 2),
            "RH": 50.0,
            "G(h)": round(ghi, 2),
            "Gb(n)": round(dni, 2),
            "Gd(h)": round(dhi, 2),
            "IR(h)": 280.0,
            "WS10m": 2.5,
            "WD10m": 180.0,
            "SP": 77_000.0,
        }
        for t, ghi, dni, dhi, temp in zip(times, rows["ghi"], rows["dni"], rows["dhi"], rows["temp"], strict=True)
    ]
    location = dict(_PVGIS_LOCATION)
    if offset_hours is not None:
        location["irradiance time offset"] = offset_hours
    return {
        "inputs": {"location": location, "meteo_data": {"radiation_db": "PVGIS-SARAH3", "meteo_db": "ERA5"}},
        "outputs": {
            "months_selected": [{"month": month, "year": 2005 + month} for month in range(1, 13)],
            "tmy_hourly": hours,
        },
        "meta": {
            "inputs": {"location": {"description": "Selected location"}},
            "outputs": {"tmy_hourly": {"type": "time series"}},
        },
    }


def nasa_power(rows: dict[str, np.ndarray], start: str = "2025-01-01") -> dict[str, Any]:
    """What NASA POWER's hourly point service answers."""
    times = pd.date_range(start, periods=rows["ghi"].size, freq="h")
    keys = [f"{t:%Y%m%d%H}" for t in times]
    constant = np.ones(len(keys))
    columns = {
        "ALLSKY_SFC_SW_DWN": rows["ghi"],
        "ALLSKY_SFC_SW_DNI": rows["dni"],
        "ALLSKY_SFC_SW_DIFF": rows["dhi"],
        "T2M": rows["temp"],
        "WS10M": 2.5 * constant,
        "PS": 77.0 * constant,
        "RH2M": 50 * constant,
    }
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [101.78, 36.62, 2261.0]},
        "properties": {
            "parameter": {
                name: {key: round(float(value), 2) for key, value in zip(keys, values, strict=True)}
                for name, values in columns.items()
            }
        },
        "header": {
            "title": "NASA/POWER Source Native Resolution Hourly Data",
            "api": {"version": "v2.8.0", "name": "POWER Hourly API"},
            "sources": ["SYN1DEG", "MERRA2", "POWER"],
            "fill_value": -999.0,
            "time_standard": "UTC",
            "start": keys[0][:8],
            "end": keys[-1][:8],
        },
        "messages": [],
        "parameters": {name: {"units": "", "longname": name} for name in columns},
        "times": {"data": 0.9, "process": 0.1},
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Any], Path]:
    """Write lines, text or JSON content into the test's folder."""

    def written(name: str, content: Any) -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else None
            if isinstance(content, list):
                text = "\n".join(content) + "\n"
            path.write_text(json.dumps(content) if text is None else text, encoding="utf-8")
        return path

    return written


@pytest.fixture(scope="session")
def year_rows(sky: Sky) -> dict[str, np.ndarray]:
    """Hourly means of the year 2025 by the clock of UTC+8."""
    return sky.rows("2024-12-31 16:00", 8760)


@pytest.fixture
def epw(year_rows: dict[str, np.ndarray]) -> list[str]:
    """Lines of a right EPW file of the known sky."""
    return epw_lines(year_rows)


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The functions above (test modules cannot import from here)."""
    return SimpleNamespace(
        site=XINING,
        source=source,
        grid_of=grid_of,
        weather_of=weather_of,
        fault_of=fault_of,
        epw_lines=epw_lines,
        tmy3_lines=tmy3_lines,
        pvgis_hourly=pvgis_hourly,
        pvgis_tmy=pvgis_tmy,
        nasa_power=nasa_power,
    )

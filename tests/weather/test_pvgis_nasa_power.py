"""Files of PVGIS and NASA POWER: the known sky read back from UTC, years that stand for others, and wrong files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest


def year_of_utc(sky: Any, late_minutes: int = 0) -> dict[str, np.ndarray]:
    """Rows of the calendar year 2025 by UTC, each the mean of an hour that begins `late_minutes` after the hour."""
    begin = pd.Timestamp("2025-01-01") + pd.Timedelta(minutes=late_minutes)
    return dict(sky.rows(str(begin), 8760))


def inner(values: np.ndarray) -> np.ndarray:
    """Without the first and last day, where a year of UTC does not reach the local year."""
    return values[24:-24]


def test_pvgis_hours_of_era5_are_means_of_the_hour(
    kit: Any, write: Callable[..., Path], sky: Any, year_rows: dict[str, np.ndarray]
) -> None:
    """Labels at half past the hour: rows stand as they are; the first 8 local hours come from the year's other end."""
    path = write("p.json", kit.pvgis_hourly(year_of_utc(sky), minute=30))
    weather = kit.weather_of(path.parent, source="pvgis", path="p.json")
    np.testing.assert_allclose(inner(weather.ghi_w_per_m2), inner(year_rows["ghi"]), atol=0.06)
    np.testing.assert_allclose(inner(weather.temperature_celsius), inner(year_rows["temp"]), atol=0.01)
    assert inner(weather.dhi_w_per_m2).sum() == pytest.approx(inner(year_rows["dhi"]).sum(), rel=5e-3)
    assert weather.notes[:1] == (
        "the file does not cover the whole horizon (2025-01-01 to 2025-12-31); its year 2025 stands for it",
    )
    assert weather.source_description == "PVGIS hourly series of (36.62, 101.78, 2,261 m)"


def test_pvgis_hours_of_satellites_are_centred_on_their_minute(
    kit: Any, write: Callable[..., Path], sky: Any, year_rows: dict[str, np.ndarray]
) -> None:
    """A value at 00:10 is the mean from 23:40 to 00:40: no false shift, hours near the truth, energy kept."""
    path = write("p.json", kit.pvgis_hourly(year_of_utc(sky, -20), minute=10))
    weather = kit.weather_of(path.parent, source="pvgis", path="p.json")
    assert not any("moved" in note for note in weather.notes)
    error = np.abs(inner(weather.ghi_w_per_m2) - inner(year_rows["ghi"])).mean()
    assert error < 0.01 * year_rows["ghi"].mean()


def test_pvgis_csv_reads_as_json_does(kit: Any, write: Callable[..., Path], sky: Any) -> None:
    content = kit.pvgis_hourly(year_of_utc(sky))
    header = [
        "Latitude (decimal degrees):\t36.620",
        "Longitude (decimal degrees):\t101.780",
        "Elevation (m):\t2261",
        "Radiation database:\tPVGIS-ERA5",
        "",
        "",
        "Slope: 0 deg.",
        "Azimuth: 0 deg.",
        "time,Gb(i),Gd(i),Gr(i),H_sun,T2m,WS10m,Int",
    ]
    hours = [",".join(str(value) for value in hour.values()) for hour in content["outputs"]["hourly"]]
    write("p.csv", [*header, *hours, "", "Gb(i): Beam (direct) irradiance on the inclined plane (W/m2)"])
    folder = write("p.json", content).parent
    csv, data = (kit.weather_of(folder, source="pvgis", path=name) for name in ("p.csv", "p.json"))
    np.testing.assert_array_equal(csv.ghi_w_per_m2, data.ghi_w_per_m2)
    np.testing.assert_array_equal(csv.temperature_celsius, data.temperature_celsius)
    assert csv.source_description == data.source_description


def test_a_typical_year_of_pvgis(
    kit: Any, write: Callable[..., Path], sky: Any, year_rows: dict[str, np.ndarray]
) -> None:
    """Radiation 0.1761 h (10 minutes) after the hour as the file says, temperature at the hour; wrapped from UTC."""
    rows = year_of_utc(sky, 10 - 30)
    rows["temp"] = year_of_utc(sky, -30)["temp"]
    path = write("t.json", kit.pvgis_tmy(rows, offset_hours=0.1761))
    weather = kit.weather_of(path.parent, source="pvgis", path="t.json")
    assert weather.notes == (
        "a typical year, mapped onto 2025-01-01 to 2025-12-31 by month, day and hour at UTC+0 (no summer time)",
    )
    error = np.abs(inner(weather.ghi_w_per_m2) - inner(year_rows["ghi"])).mean()
    assert error < 0.01 * year_rows["ghi"].mean()
    assert np.abs(inner(weather.temperature_celsius) - inner(year_rows["temp"])).max() < 0.2
    assert weather.pressure_pa.mean() == pytest.approx(77_000)


def test_nasa_power_hours_are_means_from_the_label_on(
    kit: Any, write: Callable[..., Path], sky: Any, year_rows: dict[str, np.ndarray]
) -> None:
    path = write("n.json", kit.nasa_power(year_of_utc(sky)))
    weather = kit.weather_of(path.parent, source="nasa_power", path="n.json")
    np.testing.assert_allclose(inner(weather.ghi_w_per_m2), inner(year_rows["ghi"]), atol=0.06)
    np.testing.assert_allclose(inner(weather.temperature_celsius), inner(year_rows["temp"]), atol=0.01)
    assert weather.pressure_pa.mean() == pytest.approx(77_000)
    assert weather.relative_humidity.mean() == pytest.approx(0.5)
    assert weather.source_description == "NASA POWER hourly series of (36.62, 101.78, 2,261 m)"


def test_dated_hours_that_cover_the_horizon_are_used_as_dated(
    kit: Any, write: Callable[..., Path], sky: Any, year_rows: dict[str, np.ndarray]
) -> None:
    """Ten days from a file of three weeks: no note on years."""
    rows = {name: values[: 24 * 21] for name, values in year_of_utc(sky).items()}
    path = write("n.json", kit.nasa_power(rows))
    weather = kit.weather_of(path.parent, kit.grid_of("2025-01-05", days=10), source="nasa_power", path="n.json")
    np.testing.assert_allclose(weather.ghi_w_per_m2, year_rows["ghi"][96 : 96 + 240], atol=0.06)
    assert weather.notes == ()


def test_a_whole_year_stands_for_another_one_and_says_so(
    kit: Any, write: Callable[..., Path], sky: Any, year_rows: dict[str, np.ndarray]
) -> None:
    """2025 for 2028: by month, day and hour; 29 February repeats the 28th."""
    path = write("n.json", kit.nasa_power(year_of_utc(sky)))
    grid = kit.grid_of("2028-02-27", days=4)
    weather = kit.weather_of(path.parent, grid, source="nasa_power", path="n.json")
    first = 24 * 57
    np.testing.assert_allclose(weather.temperature_celsius[:16], year_rows["temp"][first : first + 16], atol=0.01)
    np.testing.assert_allclose(weather.temperature_celsius[56:72], weather.temperature_celsius[32:48], atol=0.01)
    assert weather.notes == (
        "the file does not cover the whole horizon (2028-02-27 to 2028-03-01); its year 2025 stands for it",
        "a typical year, mapped onto 2028-02-27 to 2028-03-01 by month, day and hour at UTC+0 (no summer time)",
        "29 February, which the typical year lacks, repeats 28 February",
    )


def test_days_that_are_missing_are_named(kit: Any, write: Callable[..., Path], sky: Any) -> None:
    rows = {name: values[24 * 30 : 24 * 60] for name, values in year_of_utc(sky).items()}
    path = write("n.json", kit.nasa_power(rows, start="2025-01-31"))
    told = kit.fault_of(path.parent, kit.grid_of("2025-01-29", days=40), source="nasa_power", path="n.json")
    assert told == (
        "n.json: does not cover the horizon: 2025-01-29 to 2025-01-31 (3 days) and 2025-03-02 to 2025-03-09 (8 days) "
        "missing; the file has 2025-01-31 to 2025-03-01. Move the horizon, or give a file with these days or with a "
        "whole calendar year"
    )


def without(content: dict[str, Any], *path: str) -> dict[str, Any]:
    copy = json.loads(json.dumps(content))
    at = copy
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return copy


def changed_hour(content: dict[str, Any], number: int, **changes: Any) -> dict[str, Any]:
    copy = json.loads(json.dumps(content))
    copy["outputs"]["hourly"][number].update(changes)
    return copy


def dropped_hour(content: dict[str, Any], number: int) -> dict[str, Any]:
    copy = json.loads(json.dumps(content))
    del copy["outputs"]["hourly"][number]
    return copy


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda good: json.dumps(good)[:5000], "p.json:1: not valid JSON (*): cut off? download it again from PVGIS"),
        (
            lambda good: {"message": "Location over the sea. Please, select another location", "status": 400},
            "p.json: PVGIS answered with an error: Location over the sea. Please, select another location; "
            "ask again for another place or year",
        ),
        (
            lambda good: "[1, 2]",
            "p.json:1: not a file of PVGIS: must be JSON or begin with 'Latitude (decimal degrees)'*",
        ),
        (lambda good: {"outputs": {}}, "p.json:1: not a file of PVGIS: no outputs.hourly or outputs.tmy_hourly in it*"),
        (
            lambda good: {**good, "outputs": {"hourly": [{"T2m": 1.0, "Int": 0.0}] * 30}},
            "p.json: cannot be read as a file of PVGIS (KeyError: 'time'); download or export it again",
        ),
        (
            lambda good: changed_hour(good, 5, T2m="cold"),
            "p.json: temp_air: must be a number, got 'cold'",
        ),
        (
            lambda good: dropped_hour(good, 5),
            "p.json: 1 rows missing between 2025-01-01T04:30 and 2025-01-01T06:30 UTC; "
            "every row must be there once, in order",
        ),
        (
            lambda good: changed_hour(good, 5, **{"Gr(i)": 30.0}),
            "p.json: the hourly file of PVGIS is for a tilted plane; ask for angle=0",
        ),
        (
            lambda good: {
                **good,
                "outputs": {"hourly": [{**hour, "Gd(i)": None} for hour in good["outputs"]["hourly"]]},
            },
            "p.json: Gb(i) + Gd(i): missing in 8,760 rows, first here; fill them or use another file",
        ),
    ],
)
def test_a_wrong_pvgis_file_is_told(
    kit: Any, write: Callable[..., Path], sky: Any, change: Callable[[Any], Any], text: str
) -> None:
    path = write("p.json", change(kit.pvgis_hourly(year_of_utc(sky))))
    told = kit.fault_of(path.parent, source="pvgis", path="p.json")
    if "*" in text:
        head, tail = text.split("*")
        assert told.startswith(head)
        assert told.endswith(tail)
    else:
        assert told == text


def test_components_are_needed_from_pvgis(kit: Any, write: Callable[..., Path], sky: Any) -> None:
    content = kit.pvgis_hourly(year_of_utc(sky))
    for hour in content["outputs"]["hourly"]:
        hour["G(i)"] = hour.pop("Gb(i)")
    path = write("p.json", content)
    assert kit.fault_of(path.parent, source="pvgis", path="p.json") == (
        "p.json: the hourly file of PVGIS has no beam and diffuse parts (Gb(i), Gd(i)); "
        "ask for components=1 and angle=0"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda good: {"header": "", "messages": ["The end date is after the last available date."], "times": {}},
            "n.json:1: not a file of NASA POWER: no properties.parameter and header.fill_value in it "
            "(it says: The end date is after the last available date)*",
        ),
        (lambda good: "time,ghi", "n.json:1: not a JSON file of NASA POWER: must begin with '{', got 'time,ghi'*"),
        (
            lambda good: without(good, "properties", "parameter", "T2M"),
            "n.json: T2M missing; ask NASA POWER for these parameters",
        ),
        (
            lambda good: without(good, "properties", "parameter", "T2M", "2025010105"),
            "n.json: T2M: 1 missing*",
        ),
        (
            lambda good: {**good, "header": {**good["header"], "time_standard": "LST"}},
            "n.json: the times are in LST; ask NASA POWER for time-standard=utc",
        ),
        (
            lambda good: {**good, "header": {**good["header"], "fill_value": 0.0}},
            "n.json: ALLSKY_SFC_SW_DWN: missing in *",
        ),
    ],
)
def test_a_wrong_nasa_power_file_is_told(
    kit: Any, write: Callable[..., Path], sky: Any, change: Callable[[Any], Any], text: str
) -> None:
    path = write("n.json", change(kit.nasa_power(year_of_utc(sky))))
    if text == "n.json: T2M: 1 missing*":  # one hour of temperature is harmless
        weather = kit.weather_of(path.parent, source="nasa_power", path="n.json")
        assert "T2M: 1 missing rows were interpolated" in weather.notes
        return
    told = kit.fault_of(path.parent, source="nasa_power", path="n.json")
    assert told.startswith(text[:-1]) if text.endswith("*") else told == text


def test_fill_values_of_nasa_power_are_missing(kit: Any, write: Callable[..., Path], sky: Any) -> None:
    content = kit.nasa_power(year_of_utc(sky))
    for key in list(content["properties"]["parameter"]["ALLSKY_SFC_SW_DWN"])[-48:]:
        content["properties"]["parameter"]["ALLSKY_SFC_SW_DWN"][key] = -999.0
    path = write("n.json", content)
    assert kit.fault_of(path.parent, source="nasa_power", path="n.json") == (
        "n.json: ALLSKY_SFC_SW_DWN: missing in 48 rows, first here; fill them or use another file"
    )

"""EPW and TMY3 files: the known sky read back, and every way a file can be wrong, with its exact words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Lines = list[str]


def test_an_epw_file_gives_the_sky_it_was_written_from(
    kit: Any, write: Callable[..., Path], epw: Lines, year_rows: dict[str, np.ndarray]
) -> None:
    write("sky.epw", epw)
    weather = kit.weather_of(write("sky.epw", epw).parent, source="epw", path="sky.epw")
    np.testing.assert_allclose(weather.ghi_w_per_m2, year_rows["ghi"], atol=0.06)
    assert weather.dhi_w_per_m2.sum() == pytest.approx(year_rows["dhi"].sum(), rel=0.005)
    assert weather.dni_w_per_m2.sum() == pytest.approx(year_rows["dni"].sum(), rel=0.01)
    assert weather.pressure_pa.mean() == pytest.approx(77_000)
    assert weather.relative_humidity.mean() == pytest.approx(0.5)
    assert weather.wind_speed_m_per_s.mean() == pytest.approx(2.5)
    # the temperature of a row stands at its end: the mean of an hour lies between two rows
    between = (year_rows["temp"] + np.roll(year_rows["temp"], 1)) / 2
    assert np.abs(weather.temperature_celsius - between).max() < 0.2
    assert weather.notes == (
        "a typical year, mapped onto 2025-01-01 to 2025-12-31 by month, day and hour at UTC+8 (no summer time)",
    )
    assert weather.source_description == "EPW typical year of Xining (36.62, 101.78, 2,261 m)"


def test_an_epw_file_whose_rows_are_late_is_moved(
    kit: Any, write: Callable[..., Path], sky: Any, year_rows: dict[str, np.ndarray]
) -> None:
    """As in the file of Xining: rows are centred on the start of their hour."""
    path = write("late.epw", kit.epw_lines(sky.rows("2024-12-31 15:30", 8760)))
    weather = kit.weather_of(path.parent, source="epw", path="late.epw")
    assert weather.notes[0] == (
        "the radiation of the file is centred 0.50 h after solar noon: all rows were moved by -30 min, "
        "at unchanged energy"
    )
    assert np.abs(weather.ghi_w_per_m2 - year_rows["ghi"]).mean() < 0.012 * year_rows["ghi"].mean()


def test_a_leap_year_epw_keeps_its_29_february(kit: Any, write: Callable[..., Path], sky: Any) -> None:
    """8,784 rows: used as they are in a leap year, without the 29th in others."""
    rows = sky.rows("2024-12-31 16:00", 8784)
    lines = kit.epw_lines(rows)
    import pandas as pd

    times = pd.date_range("2024-01-01", periods=8784, freq="h")
    body = []
    for line, time in zip(lines[8:], times, strict=True):
        fields = line.split(",")
        fields[:4] = [str(time.year), str(time.month), str(time.day), str(time.hour + 1)]
        body.append(",".join(fields))
    path = write("leap.epw", lines[:8] + body)
    leap = kit.weather_of(path.parent, kit.grid_of("2024-02-28", days=3), source="epw", path="leap.epw")
    plain = kit.weather_of(path.parent, kit.grid_of("2025-02-28", days=2), source="epw", path="leap.epw")
    assert not any("29 February" in note for note in leap.notes)
    assert leap.temperature_celsius[12] == pytest.approx(plain.temperature_celsius[12])
    assert leap.temperature_celsius[60] == pytest.approx(plain.temperature_celsius[36])
    assert leap.temperature_celsius[36] != pytest.approx(plain.temperature_celsius[36])


def test_weather_of_another_place_is_said(kit: Any, write: Callable[..., Path], epw: Lines) -> None:
    from vpp_sim.weather import Site

    path = write("sky.epw", epw)
    lanzhou = Site(latitude=36.05, longitude=103.88, altitude_m=1517)
    weather = kit.weather_of(path.parent, None, lanzhou, source="epw", path="sky.epw")
    assert weather.notes[0] == "the weather belongs to a place 199 km away at 2,261 m; the site stands at 1,517 m"


def edited(lines: Lines, row: int, field: int, value: str) -> Lines:
    """One field of one data row replaced."""
    changed = list(lines)
    fields = changed[8 + row].split(",")
    fields[field] = value
    changed[8 + row] = ",".join(fields)
    return changed


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda lines: [], "x.epw: the file is empty; download or export it again"),
        (lambda lines: b"\x00\x01\x02 EPW", "x.epw: is a binary file; give a text file as its source publishes it"),
        (lambda lines: b"PK\x03\x04zip", "x.epw: is a packed archive; unpack it and give the file inside"),
        (
            lambda lines: "time,ghi\n2025-01-01,0\n",
            "x.epw:1: not an EPW file: must begin with LOCATION, got 'time,ghi'; "
            "it looks like a plain table: source: csv",
        ),
        (
            lambda lines: '{"outputs": {}}',
            "x.epw:1: not an EPW file: must begin with LOCATION, got '{\"outputs\": {}}'; "
            "it looks like JSON: source: pvgis?",
        ),
        (
            lambda lines: ["LOCATION,Xining,Qinghai", *lines[1:]],
            "x.epw:1: LOCATION must have a name, latitude, longitude, time zone and elevation "
            "in fields 2, 7, 8, 9 and 10",
        ),
        (lambda lines: lines[:8], "x.epw:8: the file ends in its header: no hours; download it again"),
        (
            lambda lines: lines[:5000],
            "x.epw:5000: 4,992 hours where an EPW file has 8,760: the file is cut off; download it again",
        ),
        (
            lambda lines: [*lines[:5000], lines[5000][:30]],
            "x.epw:5001: the row has 9 fields where an EPW file has 22 or more: cut off?",
        ),
        (
            lambda lines: [*lines[:108], lines[107], *lines[108:]],
            "x.epw:109: a doubled hour: expected 1/5 hour 5, got 1/5 hour 4; a typical year has every hour once",
        ),
        (
            lambda lines: [*lines[:108], *lines[110:]],
            "x.epw:109: hours are missing or out of order: expected 1/5 hour 5, got 1/5 hour 7; "
            "a typical year has every hour once",
        ),
        (lambda lines: edited(lines, 12, 13, "sunny"), "x.epw:21: ghi: must be a number, got 'sunny'"),
        (lambda lines: edited(lines, 12, 6, "warm"), "x.epw:21: temp_air: must be a number, got 'warm'"),
        (
            lambda lines: edited(lines, 12, 13, "-50"),
            "x.epw:21: ghi: must not be negative, got -50 W/m2; mend the rows or choose another column",
        ),
        (
            lambda lines: edited(lines, 12, 13, "3600"),
            "x.epw:21: ghi: must lie between 0 and 1,600 W/m2, got 3,600; "
            "is it a sum or in another unit? declare the unit, or mend the row",
        ),
        (
            lambda lines: edited(edited(lines, 12, 13, "9999"), 13, 13, "9999"),
            "x.epw:21: ghi: missing in 2 rows, first here; fill them or use another file",
        ),
        (
            lambda lines: edited(lines, 12, 6, "-120"),
            "x.epw:21: temp_air: must lie between -90 and 65 degC, got -120; correct or remove the row",
        ),
        (
            lambda lines: edited(lines, 12, 1, "one"),
            "x.epw: cannot be read as an EPW file (ValueError: time data *",
        ),
    ],
)
def test_a_wrong_epw_file_is_told(
    kit: Any, write: Callable[..., Path], epw: Lines, change: Callable[[Lines], Any], text: str
) -> None:
    content = change(epw)
    path = write("x.epw", content if content else "")
    told = kit.fault_of(path.parent, source="epw", path="x.epw")
    if text.endswith("*"):
        assert told.startswith(text[:-1].split("(")[0])
        assert told.endswith("download or export it again")
    else:
        assert told == text


def test_four_hours_without_temperature_are_too_many(kit: Any, write: Callable[..., Path], epw: Lines) -> None:
    for row in range(12, 16):
        epw = edited(epw, row, 6, "99.9")
    path = write("x.epw", epw)
    assert kit.fault_of(path.parent, source="epw", path="x.epw") == (
        "x.epw:21: temp_air: missing for 4 h on end (up to 3 h are interpolated), first missing here; "
        "fill the rows or use another file"
    )


def test_missing_parts_and_air_are_replaced_and_said(
    kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray]
) -> None:
    """9999 in DNI and DHI, 999999 in pressure, 999 in humidity and wind: Erbs, standard atmosphere, assumptions."""
    lines = kit.epw_lines({**year_rows, "dni": np.full(8760, 9999.0), "dhi": np.full(8760, 9999.0)})
    lines = [line.replace(",50,77000,", ",999,999999,").replace(",180,2.5,", ",180,999,") for line in lines]
    path = write("x.epw", lines)
    weather = kit.weather_of(path.parent, source="epw", path="x.epw")
    assert weather.notes[:6] == (
        "dni is missing in 8,760 rows and was not used",
        "dhi is missing in 8,760 rows and was not used",
        "wind speed is not in the file: 1 m/s assumed",
        "pressure is not in the file: 77.0 kPa, the standard atmosphere at 2261 m",
        "relative humidity is not in the file: 0.50 assumed",
        "the file has global radiation only: decomposed into direct and diffuse after Erbs (1982)",
    )
    assert weather.ghi_w_per_m2.sum() == pytest.approx(year_rows["ghi"].sum(), rel=1e-4)


def test_a_path_that_leads_nowhere(kit: Any, write: Callable[..., Path], epw: Lines) -> None:
    folder = write("xining.epw", epw).parent
    assert kit.fault_of(folder, source="epw", path="xinin.epw") == "xinin.epw: no such file; did you mean xining.epw?"
    assert kit.fault_of(folder, source="epw", path=".") == ".: is a folder; give a weather file"
    assert kit.fault_of(folder, source="epw", path="gone/a.epw") == "gone/a.epw: no such file"


def test_a_tmy3_file_gives_the_sky_it_was_written_from(
    kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray]
) -> None:
    path = write("sky.csv", kit.tmy3_lines(year_rows))
    weather = kit.weather_of(path.parent, source="tmy3", path="sky.csv")
    np.testing.assert_allclose(weather.ghi_w_per_m2, year_rows["ghi"], atol=0.06)
    assert weather.pressure_pa.mean() == pytest.approx(77_000)
    assert weather.source_description == "TMY3 typical year of XINING (36.62, 101.78, 2,261 m)"


def test_the_tmy3_file_of_pvlib(kit: Any) -> None:
    """Sand Point, Alaska: 8,760 hours of NREL; GHI 2.27 kWh/m2/d as the file sums, parts close, clock on solar noon."""
    import pvlib

    from vpp_sim.weather import Site

    folder = Path(pvlib.__file__).parent / "data"
    sand_point = Site(latitude=55.317, longitude=-160.517, altitude_m=7)
    grid = kit.grid_of("2023-01-01", timezone="America/Anchorage")
    weather = kit.weather_of(folder, grid, sand_point, source="tmy3", path="703165TY.csv")
    assert not any("moved" in note or "close" in note for note in weather.notes)
    lines = (folder / "703165TY.csv").read_text().splitlines()[2:]
    ghi, dhi = (sum(float(line.split(",")[field]) for line in lines) for field in (4, 10))
    assert weather.ghi_w_per_m2.sum() == pytest.approx(ghi, rel=2e-3)
    assert weather.dhi_w_per_m2.sum() == pytest.approx(dhi, rel=0.02)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda lines: "\n".join(["a,b", "c,d", "1,2"]),
            "x.csv:2: not a TMY3 file: line 2 must begin with 'Date (MM/DD/YYYY)', got 'c,d'; "
            "it looks like a plain table: source: csv",
        ),
        (
            lambda lines: [*lines[:3000], lines[3000][:25]],
            "x.csv:3001: the row has 4 fields where the header has 9: cut off?",
        ),
        (
            lambda lines: lines[:3000],
            "x.csv:3000: 2,998 hours where a TMY3 file has 8,760: the file is cut off; download it again",
        ),
        (
            lambda lines: [*lines[:20], lines[20].replace(":00,", ":00,x"), *lines[21:]],
            "x.csv:21: ghi: must be a number, got 'x0.01'",
        ),
    ],
)
def test_a_wrong_tmy3_file_is_told(
    kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray], change: Callable[[Lines], Any], text: str
) -> None:
    path = write("x.csv", change(kit.tmy3_lines(year_rows)))
    assert kit.fault_of(path.parent, source="tmy3", path="x.csv") == text

"""Plain CSV files: columns, units, labels and zones; and every way a file can be wrong, with its exact words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

COLUMNS = {"ghi_w_per_m2": "GHI", "temperature_celsius": "T", "dhi_w_per_m2": "DHI"}
Lines = list[str]


def lines_of(
    rows: dict[str, np.ndarray],
    *,
    start: str = "2025-01-01",
    minutes: int = 60,
    zone: str | None = None,
    label: int = 0,
) -> Lines:
    """Lines of a CSV file; times `label` minutes after the begin of their rows."""
    times = pd.date_range(start, periods=rows["ghi"].size, freq=f"{minutes}min", tz=zone) + pd.Timedelta(minutes=label)
    return ["time,GHI,T,DHI"] + [
        f"{time.isoformat()},{ghi:.3f},{temp:.3f},{dhi:.3f}"
        for time, ghi, temp, dhi in zip(times, rows["ghi"], rows["temp"], rows["dhi"], strict=True)
    ]


def test_local_times_and_offsets_mean_the_same(
    kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray]
) -> None:
    """Without an offset times are the grid's local ones; with one they are what they say."""
    folder = write("local.csv", lines_of(year_rows)).parent
    write("offset.csv", lines_of(year_rows, zone="Asia/Shanghai"))
    write("utc.csv", lines_of(year_rows, start="2024-12-31T16:00"))
    for name, zone in (("local.csv", None), ("offset.csv", None), ("utc.csv", "UTC"), ("local.csv", "+08:00")):
        weather = kit.weather_of(folder, source="csv", path=name, columns=COLUMNS, timezone=zone)
        np.testing.assert_allclose(weather.ghi_w_per_m2, year_rows["ghi"], atol=0.06)
        np.testing.assert_allclose(weather.temperature_celsius, year_rows["temp"], atol=0.001)
        assert weather.notes[:3] == (
            "wind speed is not in the file: 1 m/s assumed",
            "pressure is not in the file: 77.0 kPa, the standard atmosphere at 2261 m",
            "relative humidity is not in the file: 0.50 assumed",
        )


@pytest.mark.parametrize(("label", "at"), [("start", 0), ("middle", 30), ("end", 60)])
def test_labels_stand_where_the_scenario_says(
    kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray], label: str, at: int
) -> None:
    path = write("x.csv", lines_of(year_rows, label=at))
    weather = kit.weather_of(path.parent, source="csv", path="x.csv", columns=COLUMNS, label=label)
    np.testing.assert_allclose(weather.ghi_w_per_m2, year_rows["ghi"], atol=0.06)
    assert not any("moved" in note for note in weather.notes)


def test_a_wrong_label_is_detected(kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray]) -> None:
    """Rows labelled at their end but read as if at their start are an hour late, and are moved back."""
    path = write("x.csv", lines_of(year_rows, label=60))
    weather = kit.weather_of(path.parent, source="csv", path="x.csv", columns=COLUMNS)
    assert any("all rows were moved by -1 h, at unchanged energy" in note for note in weather.notes)
    np.testing.assert_allclose(weather.ghi_w_per_m2, year_rows["ghi"], atol=0.06)


def test_units_are_converted(kit: Any, write: Callable[..., Path], sky: Any) -> None:
    """kWh/m2 per quarter hour, kelvin, km/h, hPa and percent, behind comment lines, with semicolons."""
    rows = sky.rows("2024-12-31 16:00", 35_040, 15)
    times = pd.date_range("2025-01-01", periods=35_040, freq="15min")
    lines = ["# measured on the roof", "# by us", "when;sum;kelvin;wind;p;rh"]
    lines += [
        f"{time:%Y-%m-%d %H:%M};{ghi / 4000:.6f};{temp + 273.15:.2f};9.0;770.0;50"
        for time, ghi, temp in zip(times, rows["ghi"], rows["temp"], strict=True)
    ]
    columns = {
        "ghi_w_per_m2": {"column": "sum", "unit": "kWh/m2"},
        "temperature_celsius": {"column": "kelvin", "unit": "K"},
        "wind_speed_m_per_s": {"column": "wind", "unit": "km/h"},
        "pressure_pa": {"column": "p", "unit": "hPa"},
        "relative_humidity": {"column": "rh", "unit": "percent"},
    }
    path = write("x.csv", lines)
    weather = kit.weather_of(
        path.parent, kit.grid_of(step_minutes=15), source="csv", path="x.csv", time="when", columns=columns
    )
    np.testing.assert_allclose(weather.ghi_w_per_m2, rows["ghi"], atol=0.3)
    np.testing.assert_allclose(weather.temperature_celsius, rows["temp"], atol=0.006)
    assert weather.wind_speed_m_per_s.mean() == pytest.approx(2.5)
    assert weather.pressure_pa.mean() == pytest.approx(77_000)
    assert weather.relative_humidity.mean() == pytest.approx(0.5)


def test_wall_clock_times_with_summer_time(kit: Any, write: Callable[..., Path], sky: Any) -> None:
    """Local times of Berlin without offsets: the hour missing in March and doubled in October are understood."""
    utc = pd.date_range("2025-01-01", periods=8760, freq="h", tz="Europe/Berlin")
    rows = sky.rows("2024-12-31 23:00", 8760)
    lines = ["time,GHI,T,DHI"] + [
        f"{time:%Y-%m-%d %H:%M},{ghi:.3f},{temp:.3f},{dhi:.3f}"
        for time, ghi, temp, dhi in zip(utc, rows["ghi"], rows["temp"], rows["dhi"], strict=True)
    ]
    path = write("x.csv", lines)
    grid = kit.grid_of(timezone="Europe/Berlin")
    weather = kit.weather_of(path.parent, grid, source="csv", path="x.csv", columns=COLUMNS)
    np.testing.assert_allclose(weather.ghi_w_per_m2, rows["ghi"], atol=0.06)
    write("x.csv", [*lines[:2100], lines[2100].replace(lines[2100][:16], "2025-03-30 02:30"), *lines[2101:]])
    told = kit.fault_of(path.parent, grid, source="csv", path="x.csv", columns=COLUMNS)
    assert told.startswith("x.csv:2: time: the times do not fit the clock changes of Europe/Berlin (")
    assert told.endswith("write them with their offset from UTC, or give timezone as an offset such as '+08:00'")


def edited(lines: Lines, row: int, field: int, value: str) -> Lines:
    changed = list(lines)
    fields = changed[1 + row].split(",")
    fields[field] = value
    changed[1 + row] = ",".join(fields)
    return changed


def scaled(lines: Lines, field: int, factor: float, offset: float = 0.0) -> Lines:
    changed = lines[:1]
    for line in lines[1:]:
        fields = line.split(",")
        fields[field] = f"{float(fields[field]) * factor + offset:.6f}"
        changed.append(",".join(fields))
    return changed


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda lines: "", "x.csv: the file is empty; download or export it again"),
        (lambda lines: b"GHI\x00\x01", "x.csv: is a binary file; give a text file as its source publishes it"),
        (lambda lines: lines[:2], "x.csv:2: needs two rows or more below its header"),
        (
            lambda lines: ["LOCATION,Xining,Qinghai,CHN", *lines],
            "x.csv:1: not a plain CSV file; it looks like an EnergyPlus file: source: epw",
        ),
        (
            lambda lines: ["time,GHI_,T,DHI", *lines[1:]],
            "x.csv: weather.columns.ghi_w_per_m2: no column 'GHI' in line 1; did you mean GHI_?",
        ),
        (
            lambda lines: ["a,b,T,DHI", *lines[1:]],
            "x.csv: weather.time: no column 'time' in line 1; the file has a, b, T, DHI\n"
            "x.csv: weather.columns.ghi_w_per_m2: no column 'GHI' in line 1; did you mean DHI?",
        ),
        (
            lambda lines: [*lines[:50], lines[50] + ",7", *lines[51:]],
            "x.csv:51: the row has 5 fields where the header has 4: cut off?",
        ),
        (lambda lines: [*lines[:50], "", *lines[50:]], "x.csv:51: the row is empty; remove it or fill it"),
        (lambda lines: edited(lines, 40, 1, "high"), "x.csv:42: GHI: must be a number, got 'high'"),
        (
            lambda lines: edited(lines, 40, 1, ""),
            "x.csv:42: GHI: missing in 1 rows, first here; fill them or use another file",
        ),
        (
            lambda lines: edited(lines, 40, 1, "-50"),
            "x.csv:42: GHI: must not be negative, got -50 W/m2; mend the rows or choose another column",
        ),
        (
            lambda lines: edited(lines, 40, 0, "31.12.2025"),
            "x.csv:42: time: must be a time such as 2025-01-31 17:00 or 2025-01-31T17:00+08:00, got '31.12.2025'",
        ),
        (
            lambda lines: edited(lines, 40, 0, "2025-01-02T16:00:00Z"),
            "x.csv:42: time: some times have an offset from UTC and some have none; write all alike",
        ),
        (
            lambda lines: [*lines[:41], lines[40], *lines[41:]],
            "x.csv:42: time: doubled row 2025-01-02T07:00 UTC; every row must be there once, in order",
        ),
        (
            lambda lines: [*lines[:41], *lines[44:]],
            "x.csv:42: time: 3 rows missing between 2025-01-02T07:00 and 2025-01-02T11:00 UTC; "
            "every row must be there once, in order",
        ),
        (
            lambda lines: [*lines[:41], lines[42], lines[41], *lines[43:]],
            "x.csv:42: time: 1 rows missing between 2025-01-02T07:00 and 2025-01-02T09:00 UTC (and 2 more places); "
            "every row must be there once, in order",
        ),
        (
            lambda lines: scaled(lines, 1, 1e-3),
            "x.csv: GHI: no sun in the whole file, the largest value is 1.18 W/m2; is it in kW/m2? declare the unit",
        ),
        (
            lambda lines: scaled(lines, 1, 0.25),
            "x.csv: GHI: even the clearest rows have 23 % of the radiation above the atmosphere "
            "(a clear sky has 70 to 80 %); is it a sum per row or in another unit? declare the unit",
        ),
        (
            lambda lines: scaled(lines, 1, 3.6),
            "x.csv:13: GHI: must lie between 0 and 1,600 W/m2, got 1,634.09 (and * more rows); "
            "is it a sum or in another unit? declare the unit, or mend the row",
        ),
        (
            lambda lines: scaled(lines, 2, 1.0, 273.15),
            "x.csv:2: T: must lie between -90 and 65 degC, got * (and 8,759 more rows); "
            "is it in kelvin? declare the unit",
        ),
    ],
)
def test_a_wrong_csv_file_is_told(
    kit: Any,
    write: Callable[..., Path],
    year_rows: dict[str, np.ndarray],
    change: Callable[[Lines], Any],
    text: str,
) -> None:
    path = write("x.csv", change(lines_of(year_rows)))
    told = kit.fault_of(path.parent, source="csv", path="x.csv", columns=COLUMNS)
    if "*" in text:
        head, tail = text.split("*")
        assert told.startswith(head)
        assert told.endswith(tail)
    else:
        assert told == text


def test_unknown_units_and_zones_are_told(
    kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray]
) -> None:
    folder = write("x.csv", lines_of(year_rows)).parent
    odd = {**COLUMNS, "ghi_w_per_m2": {"column": "GHI", "unit": "suns"}}
    assert kit.fault_of(folder, source="csv", path="x.csv", columns=odd) == (
        "weather.columns.ghi_w_per_m2.unit: unknown unit 'suns'; one of W/m2, kW/m2, Wh/m2, kWh/m2, J/cm2, MJ/m2"
    )
    assert kit.fault_of(folder, source="csv", path="x.csv", columns=COLUMNS, timezone="Asia/Xining") == (
        "weather.timezone: unknown zone 'Asia/Xining'; give a name such as Asia/Shanghai or an offset such as '+08:00'"
    )


def test_a_horizon_beyond_the_file_is_told(
    kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray]
) -> None:
    short = {name: values[:240] for name, values in year_rows.items()}
    path = write("x.csv", lines_of(short))
    told = kit.fault_of(path.parent, kit.grid_of(days=12), source="csv", path="x.csv", columns=COLUMNS)
    assert told == (
        "x.csv: does not cover the horizon: 2025-01-11 to 2025-01-12 (2 days) missing; the file has 2025-01-01 to "
        "2025-01-10. Move the horizon, or give a file with these days or with a whole calendar year"
    )


def test_zero_offsets_at_night_are_cut(kit: Any, write: Callable[..., Path], year_rows: dict[str, np.ndarray]) -> None:
    """A pyranometer reads -2 W/m2 at night: set to 0 and said."""
    lines = lines_of({**year_rows, "ghi": np.where(year_rows["ghi"] == 0, -2.0, year_rows["ghi"])})
    path = write("x.csv", lines)
    weather = kit.weather_of(path.parent, source="csv", path="x.csv", columns=COLUMNS)
    assert weather.notes[0].startswith("GHI: ")
    assert weather.notes[0].endswith("slightly negative values (down to -2.0 W/m2, a zero offset) were set to 0")
    assert (weather.ghi_w_per_m2 >= 0).all()

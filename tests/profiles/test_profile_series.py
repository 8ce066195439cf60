"""Series from files on the time axis: what each layout, calendar and unit comes out as."""

from __future__ import annotations

import datetime as dt
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from vpp_sim.errors import InputError
from vpp_sim.profiles import Profile, profile_files, profile_series
from vpp_sim.time_grid import TimeGrid

PROFILE: TypeAdapter[Any] = TypeAdapter(Profile)
ZONE = "Asia/Shanghai"


def axis(steps: int, minutes: int = 60, start: dt.datetime = dt.datetime(2025, 1, 1), zone: str = ZONE) -> TimeGrid:
    return TimeGrid(start, minutes, steps, zone)


def series(folder: Path, grid: TimeGrid, quantity: str = "power", **spec: Any) -> Any:
    profile = PROFILE.validate_python({"path": "x.csv", "unit": "kW", **spec})
    return profile_series(profile, grid, quantity=quantity, base_dir=folder)


LAYOUTS: dict[str, str] = {
    "comma": "time,kw\n2025-01-01 00:00,1.5\n2025-01-01 01:00,2\n",
    "byte order mark and Windows line ends": "\ufefftime,kw\r\n2025-01-01 00:00,1.5\r\n2025-01-01 01:00,2\r\n",
    "semicolon and decimal comma": "time;kw\n01.01.2025 00:00;1,5\n01.01.2025 01:00;2,0\n",
    "tab": "kw\ttime\n1.5\t2025/1/1 0:00\n+2\t2025/1/1 1:00\n",
    "remarks above": "# source: meter 7\n#\n\ntime,kw\n2025-01-01T00:00,1.5\n2025-01-01T01:00,2e0\n",
    "quoted": '"time","kw"\n"2025-01-01 00:00:00","1.5"\n"2025-01-01 01:00:00","2"\n',
    "other columns beside": "site,kw,time,note\na,1.5,2025-01-01 00:00,x\na,2,2025-01-01 01:00,\n",
    "offsets": "time,kw\n2024-12-31T16:00:00+00:00,1.5\n2024-12-31T17:00:00Z,2\n",
    "offsets of hours": "time,kw\n2025-01-01 00:00:00+08,1.5\n2025-01-01 01:00:00+08,2\n",
    "spaces": "time, kw\n2025-01-01 00:00, 1.5\n2025-01-01 01:00, 2 \n",
    "no header": "2025-01-01 00:00,1.5\n2025-01-01 01:00,2\n",
    "no times": "kw\n1.5\n2\n",
    "one number a line": "1.5\n2\n",
    "blank lines at the end": "1.5\n2\n\n\n",
    "blank line in the middle": "time,kw\n2025-01-01 00:00,1.5\n\n2025-01-01 01:00,2\n",
    "no line end": "1.5\n2",
    "rows of separators at the end": "time,kw\n2025-01-01 00:00,1.5\n2025-01-01 01:00,2\n,\n,\n",
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_the_same_numbers_come_out_of_every_layout(layout: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(LAYOUTS[layout].encode())
    assert series(tmp_path, axis(2)).tolist() == [1.5, 2.0]
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(LAYOUTS[layout].encode()))
    assert series(tmp_path, axis(2), path="x.csv.gz").tolist() == [1.5, 2.0]


def test_a_column_without_a_header_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,10\n2,20\n")
    assert series(tmp_path, axis(2), column="2").tolist() == [10.0, 20.0]


def test_parquet_with_a_time_index_a_column_or_none(tmp_path: Path) -> None:
    times = pd.date_range("2025-01-01", periods=3, freq="h", tz=ZONE, name="time")
    frame = pd.DataFrame({"kw": [1.0, 2.0, 3.0], "kvar": [9, 9, 9]}, index=times)
    frame.to_parquet(tmp_path / "index.parquet")
    frame.reset_index().to_parquet(tmp_path / "column.parquet", index=False)
    frame.reset_index(drop=True)[["kw"]].to_parquet(tmp_path / "bare.parquet")
    frame.reset_index().astype({"time": str, "kw": str}).to_parquet(tmp_path / "text.parquet", index=False)
    for name in ("index", "column", "text"):
        assert series(tmp_path, axis(2), path=f"{name}.parquet", column="kw").tolist() == [1.0, 2.0]
    assert series(tmp_path, axis(3), path="bare.parquet").tolist() == [1.0, 2.0, 3.0]
    assert series(tmp_path, axis(3), path="index.parquet", column="kvar").tolist() == [9.0] * 3


def test_units_are_converted_and_scaled(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("v\n1\n2\n")
    assert series(tmp_path, axis(2), unit="MW", scale=0.5).tolist() == [500.0, 1000.0]
    assert series(tmp_path, axis(2), "price", unit="per_mwh").tolist() == [0.001, 0.002]
    assert series(tmp_path, axis(2), "fraction", unit="percent").tolist() == [0.01, 0.02]
    assert series(tmp_path, axis(2), "emission_factor", unit="t_per_mwh").tolist() == [1.0, 2.0]


def test_metered_energy_is_a_power_and_a_power_an_energy(tmp_path: Path) -> None:
    """Quarter-hours of 1 and 3 kWh are 4 and 12 kW; in half an hour that is a mean of 8 kW, or 4 kWh."""
    (tmp_path / "x.csv").write_text("time,v\n2025-01-01 00:00,1\n2025-01-01 00:15,3\n")
    assert series(tmp_path, axis(1, 30), unit="kWh").tolist() == [8.0]
    assert series(tmp_path, axis(2, 15), unit="kWh").tolist() == [4.0, 12.0]
    assert series(tmp_path, axis(1, 30), "energy", unit="kWh").tolist() == [4.0]
    assert series(tmp_path, axis(1, 30), "energy", unit="kW").tolist() == [1.0]
    assert series(tmp_path, axis(6, 5), "energy", unit="kWh") == pytest.approx([1 / 3] * 3 + [1.0] * 3)


def test_a_label_at_the_end_of_the_step_moves_the_series_back(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,kw\n2025-01-01 01:00,1\n2025-01-01 02:00,2\n")
    assert series(tmp_path, axis(2), label="end").tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match="covers 2025-01-01 01:00 to 2025-01-01 03:00"):
        series(tmp_path, axis(2))


def test_times_without_offset_are_in_the_zone_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,kw\n2024-12-31 16:00,1\n2024-12-31 17:00,2\n")
    assert series(tmp_path, axis(2), timezone="UTC").tolist() == [1.0, 2.0]


def test_short_gaps_are_interpolated_where_that_is_asked_for(tmp_path: Path) -> None:
    """A missing value at 01:00, and the rows of 03:00 and 04:00 missing, lie on straight lines."""
    (tmp_path / "x.csv").write_text(
        "time,kw\n2025-01-01 00:00,1\n2025-01-01 01:00,\n2025-01-01 02:00,3\n2025-01-01 05:00,9\n2025-01-01 06:00,9\n"
    )
    assert series(tmp_path, axis(7), fill="interpolate") == pytest.approx([1, 2, 3, 5, 7, 9, 9])


def test_a_missing_value_does_not_hide_in_a_file_of_one_column(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("kw\n1\n\n3\n")
    with pytest.raises(InputError, match=r"x\.csv:3: kw: 1 missing value"):
        series(tmp_path, axis(3))
    assert series(tmp_path, axis(3), fill="interpolate").tolist() == [1.0, 2.0, 3.0]


def test_summer_time_days_have_23_and_25_hours(tmp_path: Path) -> None:
    """Wall clock in Berlin: 02:00 is left out on 30 March, and stands twice, in order, on 26 October 2025."""
    spring = axis(23, start=dt.datetime(2025, 3, 30), zone="Europe/Berlin")
    hours = [hour for hour in range(24) if hour != 2]
    rows = "".join(f"2025-03-30 {hour:02d}:00,{hour}\n" for hour in hours)
    (tmp_path / "x.csv").write_text("time,kw\n" + rows)
    assert series(tmp_path, spring).tolist() == hours
    autumn = axis(25, start=dt.datetime(2025, 10, 26), zone="Europe/Berlin")
    hours = [0, 1, 2, *range(2, 24)]
    rows = "".join(f"2025-10-26 {hour:02d}:00,{value}\n" for value, hour in enumerate(hours))
    (tmp_path / "x.csv").write_text("time,kw\n" + rows)
    assert series(tmp_path, autumn).tolist() == list(range(25))


def test_quarter_hours_of_the_doubled_hour_keep_their_order(tmp_path: Path) -> None:
    autumn = axis(12, 15, dt.datetime(2025, 10, 26, 1), "Europe/Berlin")
    clock = [f"{hour:02d}:{minute:02d}" for hour in (1, 2, 2) for minute in (0, 15, 30, 45)]
    rows = "".join(f"2025-10-26 {time},{value}\n" for value, time in enumerate(clock))
    (tmp_path / "x.csv").write_text("time,kw\n" + rows)
    assert series(tmp_path, autumn).tolist() == list(range(12))


def year_file(folder: Path, days: int, minutes: int = 60) -> None:
    """A year whose value is the day (from 1) plus a thousandth of the minute of the day."""
    steps = 1440 // minutes
    values = np.repeat(np.arange(1, days + 1), steps) + np.tile(np.arange(steps) * minutes, days) / 1000
    (folder / "x.csv").write_text("\n".join(map(str, values)) + "\n")


def test_a_typical_year_is_placed_by_the_calendar_whatever_the_horizon(tmp_path: Path) -> None:
    """Value of 1 July (day 182) at 07:00, on 1 July of 2025 whose weekday the file knows nothing of."""
    year_file(tmp_path, 365)
    july = axis(2, start=dt.datetime(2025, 7, 1, 7))
    assert series(tmp_path, july) == pytest.approx([182.420, 182.480])
    whole = series(tmp_path, axis(8760))
    assert whole[0] == 1.0
    assert whole[-1] == pytest.approx(365 + 1.380)
    over_new_year = series(tmp_path, axis(2, start=dt.datetime(2025, 12, 31, 23)))
    assert over_new_year == pytest.approx([365 + 1.380, 1.0])


def test_a_year_of_8760_hours_repeats_28_february_in_a_leap_year(tmp_path: Path) -> None:
    """Day 59 is 28 February: used on 28 and 29 February 2024; 1 March is day 60 of the file as always."""
    year_file(tmp_path, 365)
    found = series(tmp_path, axis(8784, start=dt.datetime(2024, 1, 1)))
    days = np.floor(found[::24])
    assert days[57:61].tolist() == [58, 59, 59, 60]
    assert days[-1] == 365


def test_a_year_of_8784_hours_loses_29_february_in_a_common_year(tmp_path: Path) -> None:
    year_file(tmp_path, 366)
    days = np.floor(series(tmp_path, axis(8760))[::24])
    assert days[57:61].tolist() == [58, 59, 61, 62]
    leap = series(tmp_path, axis(8784, start=dt.datetime(2024, 1, 1)))
    np.testing.assert_array_equal(np.floor(leap[::24]), np.arange(1, 367))


@pytest.mark.parametrize("minutes", [1, 5, 10, 15, 20, 30, 60])
def test_a_typical_year_may_have_any_step(minutes: int, tmp_path: Path) -> None:
    """The mean over an hour does not depend on the step of the file beyond what the file itself says."""
    year_file(tmp_path, 365, minutes)
    found = series(tmp_path, axis(24, start=dt.datetime(2025, 2, 1)))
    within = np.arange(0, 60, minutes).mean() / 1000
    assert found == pytest.approx(32 + np.arange(24) * 0.060 + within)


def test_a_typical_year_follows_the_wall_clock_over_summer_time(tmp_path: Path) -> None:
    year_file(tmp_path, 365)
    spring = series(tmp_path, axis(4, start=dt.datetime(2025, 3, 30), zone="Europe/Berlin"))
    assert spring == pytest.approx([89.0, 89.060, 89.180, 89.240])
    autumn = series(tmp_path, axis(4, start=dt.datetime(2025, 10, 26, 1), zone="Europe/Berlin"))
    assert autumn == pytest.approx([299.060, 299.120, 299.120, 299.180])


def test_a_typical_year_in_another_zone_is_shifted(tmp_path: Path) -> None:
    year_file(tmp_path, 365)
    found = series(tmp_path, axis(2, start=dt.datetime(2025, 1, 2)), timezone="UTC")
    assert found == pytest.approx([1.960, 1.0 + 17 * 0.060])


def test_a_typical_year_may_be_half_an_hour_off_the_site(tmp_path: Path) -> None:
    """Kolkata is 2.5 h behind Xining: midnight there is 21:30 of the day before, half of 21 h and half of 22 h."""
    year_file(tmp_path, 365)
    found = series(tmp_path, axis(2, start=dt.datetime(2025, 1, 2)), timezone="Asia/Kolkata")
    assert found == pytest.approx([1 + 21.5 * 0.060, 1 + 22.5 * 0.060])


def test_a_dated_file_is_cut_to_the_horizon(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-12-30", periods=200, freq="h")
    pd.DataFrame({"kw": np.arange(200.0)}, index=stamps.rename("time")).to_csv(tmp_path / "x.csv")
    assert series(tmp_path, axis(3)).tolist() == [48.0, 49.0, 50.0]


def test_daily_and_odd_steps_are_held_and_averaged_exactly(tmp_path: Path) -> None:
    """40-minute values 3, 6, 9 over two hours: means 3 * 40 + 6 * 20 = 4 * 60, then 6 * 20 + 9 * 40 = 8 * 60."""
    (tmp_path / "x.csv").write_text("time,kw\n2025-01-01 00:00,3\n2025-01-01 00:40,6\n2025-01-01 01:20,9\n")
    assert series(tmp_path, axis(2)) == pytest.approx([4.0, 8.0])
    (tmp_path / "x.csv").write_text("time,kw\n2025-01-01,24\n2025-01-02,48\n")
    assert series(tmp_path, axis(48)).tolist() == [24.0] * 24 + [48.0] * 24
    assert series(tmp_path, axis(48), "energy", unit="kWh").tolist() == [1.0] * 24 + [2.0] * 24


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1\n2\n")
    assert series(tmp_path, axis(2)).tolist() == [1.0, 2.0]
    (tmp_path / "x.csv").write_text("3\n4\n")
    os.utime(tmp_path / "x.csv", ns=(1, 1))
    assert series(tmp_path, axis(2)).tolist() == [3.0, 4.0]


def test_what_comes_back_may_be_changed_without_harm(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1\n2\n")
    series(tmp_path, axis(2))[0] = 99.0
    assert series(tmp_path, axis(2)).tolist() == [1.0, 2.0]


def test_a_plain_number_is_a_mean_or_an_energy_per_hour() -> None:
    quarter = axis(2, 15)
    assert profile_series(8.0, quarter, quantity="power", base_dir=Path()).tolist() == [8.0, 8.0]
    assert profile_series(8.0, quarter, quantity="energy", base_dir=Path()).tolist() == [2.0, 2.0]


def test_a_run_hashes_the_files_of_its_profiles(tmp_path: Path) -> None:
    assert profile_files(PROFILE.validate_python({"path": "a/b.csv", "unit": "kW"}), tmp_path) == (
        tmp_path / "a/b.csv",
    )
    assert profile_files(PROFILE.validate_python({"generator": "office_park"}), tmp_path) == ()
    assert profile_files(3.0, tmp_path) == ()


RealData = Callable[[str], Path]


@pytest.mark.real
def test_doe_building_loads_are_read_as_they_are(real_data: RealData) -> None:
    """One number a line, shares of the year's energy: they add up to 1."""
    folder = real_data("load_reopt_doe")
    path = "crb8760_norm_Boulder_LargeOffice.dat"
    hourly = series(folder, axis(8760), "fraction", path=path, unit="fraction")
    assert hourly.sum() == pytest.approx(1.0, abs=1e-6)
    assert series(folder, axis(35040, 15), "fraction", path=path, unit="fraction").mean() == pytest.approx(
        hourly.mean()
    )


@pytest.mark.real
def test_doubled_hours_of_a_real_price_file_are_refused_with_their_rows(real_data: RealData) -> None:
    with pytest.raises(InputError) as caught:
        series(real_data("prices_hourly"), axis(24), "price", path="AU-NSW_2024.csv", unit="per_mwh")
    told = str(caught.value).splitlines()
    assert told[0] == "AU-NSW_2024.csv:747: Datetime: 2024-02-01 00:00 stands twice; remove one of the rows"
    assert told[-1].endswith("2024-11-01 00:00 stands twice; remove one of the rows (and 1 more like this)")


@pytest.mark.real
def test_a_day_missing_from_a_real_price_file_is_refused(real_data: RealData) -> None:
    """The German file lacks 31 January 2024 when read as UTC, and cannot be local time."""
    spec = {"path": "DE-LU_2024.csv", "unit": "per_mwh"}
    with pytest.raises(InputError) as caught:
        series(real_data("prices_hourly"), axis(24), "price", timezone="UTC", **spec)
    assert str(caught.value) == (
        "DE-LU_2024.csv:721: Price (EUR/MWh): 24 missing rows after this line; complete the file "
        "(at most 3 in a row can be interpolated)"
    )
    with pytest.raises(InputError, match="2024-03-31 02:00 does not exist in Europe/Berlin"):
        series(real_data("prices_hourly"), axis(24), "price", timezone="Europe/Berlin", **spec)


@pytest.mark.real
def test_a_whole_real_price_year_is_read(real_data: RealData) -> None:
    grid = axis(8784, start=dt.datetime(2024, 1, 1), zone="Asia/Seoul")
    found = series(real_data("prices_hourly"), grid, "price", path="KR_2024.csv", unit="per_mwh")
    assert found[:3].tolist() == pytest.approx([94.090, 87.910, 78.860])


@pytest.mark.real
def test_a_measured_pv_plant_is_read_from_its_archive(real_data: RealData) -> None:
    """Power of a 50 MW plant in quarter-hours, local time without offset, beside irradiance and weather."""
    grid = axis(8760, start=dt.datetime(2019, 1, 1))
    path = "solar_site1_50MW_15min_2019_2020.csv.gz"
    found = series(real_data("pv_stategrid_china"), grid, path=path, column="Power (MW)", unit="MW")
    assert 0.15 < found.mean() / 50_000 < 0.25
    assert found.max() <= 51_000

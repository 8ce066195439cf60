"""Rows onto steps: energy kept, no sun at night, clocks, calendars; against the known sky at five minutes."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.errors import InputError
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site
from vpp_sim.weather.inspect_rows import centroid_delay_hours, inspected
from vpp_sim.weather.on_grid import erbs_diffuse_share, onto_grid
from vpp_sim.weather.series import DHI, DNI, GHI, HUMIDITY, PRESSURE, TEMPERATURE, WIND, Rows
from vpp_sim.weather.sun import sun_over_grid

UTC8 = 480


def rows_of(values: dict[str, np.ndarray], *, start: str = "2024-12-31T16:00", **changes: Any) -> Rows:
    """Dated hourly rows of the known sky."""
    number = values["ghi"].size
    given: dict[str, Any] = {
        "file": "sky.csv",
        "description": "a known sky",
        "values": {
            GHI: values["ghi"],
            DHI: values["dhi"],
            TEMPERATURE: values["temp"],
            WIND: np.full(number, 2.5),
            PRESSURE: np.full(number, 77_000.0),
            HUMIDITY: np.full(number, 0.5),
        },
        "nominal_start": int(np.datetime64(start, "m").astype(np.int64)),
        "row_minutes": 60,
        "clock_minutes": UTC8,
        "typical": False,
    }
    return Rows(**{**given, **changes})


def test_aligned_hours_come_back_as_they_were(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    weather = onto_grid(rows_of(year_rows), kit.grid_of(), kit.site)
    np.testing.assert_allclose(weather.ghi_w_per_m2, year_rows["ghi"], atol=0.06)  # where the sun only touches the row
    np.testing.assert_allclose(weather.dhi_w_per_m2, year_rows["dhi"], atol=3.0)  # beam below 2.9 deg is diffuse
    np.testing.assert_allclose(weather.temperature_celsius, year_rows["temp"], atol=1e-12)
    assert weather.dni_w_per_m2.sum() == pytest.approx(year_rows["dni"].sum(), rel=0.01)


@pytest.mark.parametrize("step_minutes", [5, 10, 15, 30])
def test_refined_hours_keep_their_energy_and_follow_the_sky(
    kit: Any, sky: Any, year_rows: dict[str, np.ndarray], step_minutes: int
) -> None:
    """Every hour keeps GHI, DHI and temperature; the steps inside stay near the true sky (its hours are smooth)."""
    weather = onto_grid(rows_of(year_rows), kit.grid_of(step_minutes=step_minutes), kit.site)
    hours = weather.ghi_w_per_m2.reshape(8760, -1).mean(axis=1)
    np.testing.assert_allclose(hours, year_rows["ghi"], rtol=1e-9, atol=0.06)
    np.testing.assert_allclose(
        weather.temperature_celsius.reshape(8760, -1).mean(axis=1), year_rows["temp"], atol=1e-12
    )
    truth = sky.rows("2024-12-31 16:00", 8760 * 60 // step_minutes, step_minutes)
    assert np.abs(weather.ghi_w_per_m2 - truth["ghi"]).mean() < 0.012 * truth["ghi"].mean()
    inside = slice(120 // step_minutes, -120 // step_minutes)  # beyond the file, its edge rows are repeated
    assert np.abs(weather.temperature_celsius - truth["temp"])[inside].max() < 0.05
    lit = truth["ghi"] > 100
    assert np.abs(weather.dni_w_per_m2 - truth["dni"])[lit].mean() < 0.02 * truth["dni"][lit].mean()


def test_raw_interpolation_would_be_worse(kit: Any, sky: Any, year_rows: dict[str, np.ndarray]) -> None:
    """What the clear-sky index is for: linear irradiance between hours misses three times as much."""
    truth = sky.rows("2024-12-31 16:00", 35_040, 15)["ghi"]
    ours = onto_grid(rows_of(year_rows), kit.grid_of(step_minutes=15), kit.site).ghi_w_per_m2
    linear = np.interp(np.arange(35_040) / 4 + 0.125, np.arange(8760) + 0.5, year_rows["ghi"])
    assert np.abs(ours - truth).mean() < 0.3 * np.abs(linear - truth).mean()


@pytest.mark.parametrize("step_minutes", [5, 15, 60])
def test_nothing_shines_at_night_and_the_parts_close(
    kit: Any, year_rows: dict[str, np.ndarray], step_minutes: int
) -> None:
    grid = kit.grid_of(step_minutes=step_minutes)
    weather = onto_grid(rows_of(year_rows), grid, kit.site)
    sun = sun_over_grid(grid, kit.site)
    dark = sun.daylight == 0
    for part in (weather.ghi_w_per_m2, weather.dni_w_per_m2, weather.dhi_w_per_m2):
        assert (part[dark] == 0).all()
        assert (part >= 0).all()
    rest = weather.dni_w_per_m2 * sun.direction.up + weather.dhi_w_per_m2 - weather.ghi_w_per_m2
    assert np.abs(rest).mean() < 0.002 * weather.ghi_w_per_m2.mean()


def test_coarser_steps_are_means_of_finer_rows(kit: Any, sky: Any) -> None:
    """15-minute rows onto hours: plain means."""
    values = sky.rows("2024-12-31 16:00", 35_040, 15)
    weather = onto_grid(rows_of(values, row_minutes=15), kit.grid_of(), kit.site)
    np.testing.assert_allclose(weather.ghi_w_per_m2, values["ghi"].reshape(8760, 4).mean(axis=1), atol=0.06)
    np.testing.assert_allclose(weather.temperature_celsius, values["temp"].reshape(8760, 4).mean(axis=1), atol=1e-9)


def test_rows_between_the_steps_are_split(kit: Any, sky: Any) -> None:
    """Rows that begin at half past: the energy of the year stays, and hours come near the truth."""
    values = sky.rows("2024-12-31 15:30", 8761)
    rows = rows_of(values, radiation_phase=-30, air_phase=-30)
    weather = onto_grid(rows, kit.grid_of(), kit.site)
    truth = sky.rows("2024-12-31 16:00", 8760)
    assert weather.ghi_w_per_m2.sum() == pytest.approx(truth["ghi"].sum(), rel=1e-3)
    assert np.abs(weather.ghi_w_per_m2 - truth["ghi"]).mean() < 0.01 * truth["ghi"].mean()


def test_erbs_by_hand(kit: Any) -> None:
    """kt = 0.5: DHI/GHI = 0.9511 - 0.1604 kt + 4.388 kt^2 - 16.638 kt^3 + 12.336 kt^4 = 0.6592 (Erbs 1982)."""
    from vpp_sim.weather.sun import extraterrestrial_w_per_m2, sun_means

    begin = int(np.datetime64("2025-06-21T05:00", "m").astype(np.int64))  # 13 to 14 h in Xining
    sun = sun_means(begin, 60, 1, kit.site)
    outside = extraterrestrial_w_per_m2(sun.day_of_year) * sun.direction.up
    kt = 0.5
    expected = 0.9511 - 0.1604 * kt + 4.388 * kt**2 - 16.638 * kt**3 + 12.336 * kt**4
    share = erbs_diffuse_share(kt * outside, begin, 60, kit.site)
    assert share[0] == pytest.approx(expected, abs=0.01)  # pvlib's solar constant is 0.4 % larger
    overcast = erbs_diffuse_share(0.1 * outside, begin, 60, kit.site)
    assert overcast[0] == pytest.approx(1 - 0.09 * 0.1, abs=1e-3)


@pytest.mark.parametrize(
    ("timezone", "summer_noon"),
    [("Asia/Shanghai", 13.3), ("Europe/Berlin", 7.3), ("UTC", 5.3), ("Asia/Kathmandu", 11.0)],
)
def test_a_typical_year_stands_at_its_own_standard_time(
    kit: Any, year_rows: dict[str, np.ndarray], timezone: str, summer_noon: float
) -> None:
    """The sun does not care for the grid's zone or its summer time: the July noon is where that zone's clock has it."""
    rows = rows_of(year_rows, typical=True)
    grid = kit.grid_of("2025-07-01", days=20, step_minutes=15, timezone=timezone)
    weather = onto_grid(rows, grid, kit.site)
    by_hour = np.array([weather.ghi_w_per_m2[grid.hour_of_day == hour].sum() for hour in np.arange(0, 24, 0.25)])
    angle = np.angle((by_hour * np.exp(2j * np.pi * (np.arange(0, 24, 0.25) + 0.125) / 24)).sum())
    assert (angle * 24 / 2 / np.pi) % 24 == pytest.approx(summer_noon, abs=0.15)


def test_a_day_of_23_hours_has_23_hours_of_weather(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    grid = TimeGrid(dt.datetime(2025, 3, 30), step_minutes=60, num_steps=23, timezone="Europe/Berlin")
    weather = onto_grid(rows_of(year_rows, typical=True), grid, kit.site)
    np.testing.assert_allclose(weather.temperature_celsius, year_rows["temp"][24 * 88 + 7 : 24 * 88 + 30], atol=1e-9)


@pytest.mark.parametrize("late_minutes", [-85, -30, 30, 60, 85])
def test_shifted_rows_are_found_and_moved_back(
    kit: Any, sky: Any, year_rows: dict[str, np.ndarray], late_minutes: int
) -> None:
    """Rows that say noon `late_minutes` after it is noon are moved back by as much, energy kept, and it is said."""
    begin = np.datetime64("2024-12-31T16:00") - np.timedelta64(late_minutes, "m")
    rows = rows_of(sky.rows(str(begin).replace("T", " "), 8760), typical=True)
    assert centroid_delay_hours(rows, kit.site) == pytest.approx(late_minutes / 60, abs=0.03)
    moved = inspected(rows, kit.site, "auto")
    assert moved.radiation_phase == -late_minutes
    assert moved.air_phase == -late_minutes
    assert "after solar noon" in moved.notes[0] if late_minutes > 0 else "before solar noon" in moved.notes[0]
    weather = onto_grid(moved, kit.grid_of(), kit.site)
    assert weather.ghi_w_per_m2.sum() == pytest.approx(rows.values[GHI].sum(), rel=2e-3)
    assert np.abs(weather.ghi_w_per_m2 - year_rows["ghi"]).mean() < 0.012 * year_rows["ghi"].mean()


def test_right_rows_are_left_alone(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    rows = inspected(rows_of(year_rows, typical=True), kit.site, "auto")
    assert rows.radiation_phase == 0
    assert rows.notes == ()


def test_a_shift_can_be_prescribed(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    rows = inspected(rows_of(year_rows), kit.site, -0.5)
    assert rows.radiation_phase == -30
    assert rows.notes[0] == "all rows were moved by -30 min as the scenario says"
    assert inspected(rows_of(year_rows), kit.site, 0.0).notes == ()


def test_a_clock_that_is_hours_off_is_refused(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    """A file in UTC taken for local time: 8 hours."""
    with pytest.raises(InputError) as caught:
        inspected(rows_of(year_rows, start="2025-01-01T00:00"), kit.site, "auto")
    assert str(caught.value) == (
        "sky.csv: ghi_w_per_m2: the radiation is centred 8.0 h after solar noon at longitude 101.78: the file's time "
        "zone, the label of its rows or the site is wrong; correct that, or set shift_hours"
    )


def test_a_short_file_with_sun_at_night_is_refused(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    rows = rows_of(year_rows, start="2025-01-01T00:00").cut(0, 24 * 5)
    with pytest.raises(InputError) as caught:
        inspected(replace(rows, first_line=2), kit.site, "auto")
    assert "falls into the night at the site, first here" in str(caught.value)
    assert str(caught.value).startswith("sky.csv:")


def test_parts_that_do_not_close_are_set_aside(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    """DNI capped at 600 W/m2 as in the CSWD files: GHI is decomposed, and the note says how far it was off."""
    rows = rows_of(year_rows)
    capped = replace(rows, values={**rows.values, DNI: np.minimum(year_rows["dni"], 600.0)})
    kept = inspected(replace(rows, values={**rows.values, DNI: year_rows["dni"]}), kit.site, "auto")
    assert kept.notes == ()
    assert DHI in kept.values
    found = inspected(capped, kit.site, "auto")
    assert DHI not in found.values
    assert found.notes[0].startswith(
        "direct and diffuse radiation of the file do not close with the global one: DNI sin(h)"
    )
    assert "largest DNI 600 W/m2" in found.notes[0]
    assert onto_grid(found, kit.grid_of(), kit.site).ghi_w_per_m2.sum() == pytest.approx(year_rows["ghi"].sum())


def test_direct_without_diffuse_is_enough(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    rows = rows_of(year_rows)
    values = {name: series for name, series in rows.values.items() if name != DHI}
    found = inspected(replace(rows, values={**values, DNI: year_rows["dni"]}), kit.site, "auto")
    assert np.abs(found.values[DHI] - year_rows["dhi"]).mean() < 0.02 * year_rows["dhi"].mean()
    only = inspected(replace(rows, values=values), kit.site, "auto")
    assert only.notes == ("the file has global radiation only: decomposed into direct and diffuse after Erbs (1982)",)


def test_what_a_file_lacks_is_assumed_and_said(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    rows = rows_of(year_rows)
    bare = replace(rows, values={name: rows.values[name] for name in (GHI, DHI, TEMPERATURE)})
    found = inspected(bare, kit.site, "auto")
    assert found.notes == (
        "wind speed is not in the file: 1 m/s assumed",
        "pressure is not in the file: 77.0 kPa, the standard atmosphere at 2261 m",
        "relative humidity is not in the file: 0.50 assumed",
    )
    assert found.values[PRESSURE][0] == pytest.approx(76_953, abs=1)


def test_short_gaps_of_temperature_are_interpolated(kit: Any, year_rows: dict[str, np.ndarray]) -> None:
    temperature = year_rows["temp"].copy()
    temperature[100:103] = np.nan
    rows = rows_of(year_rows)
    found = inspected(replace(rows, values={**rows.values, TEMPERATURE: temperature}), kit.site, "auto")
    assert found.notes == ("temperature_celsius: 3 missing rows were interpolated",)
    np.testing.assert_allclose(
        found.values[TEMPERATURE][100:103], np.interp([1, 2, 3], [0, 4], temperature[[99, 103]]), atol=1e-9
    )


def test_a_polar_site_has_night_and_day(kit: Any) -> None:
    """80 N: nothing in December, no error, steps all finite."""
    arctic = Site(latitude=80, longitude=15, altitude_m=0)
    number = 24 * 10
    zeros = {"ghi": np.zeros(number), "dhi": np.zeros(number), "temp": np.full(number, -20.0)}
    rows = rows_of(zeros, start="2025-12-10T00:00")
    weather = onto_grid(rows, kit.grid_of("2025-12-11", days=5, timezone="UTC"), arctic)
    assert (weather.ghi_w_per_m2 == 0).all()
    assert np.isfinite(weather.dni_w_per_m2).all()


def test_a_missing_folder_is_not_needed_for_rows(kit: Any, year_rows: dict[str, np.ndarray], tmp_path: Path) -> None:
    """A file name with blanks and Chinese characters works."""
    path = tmp_path / "西宁 2025.epw"
    path.write_text("\n".join(kit.epw_lines(year_rows)) + "\n", encoding="utf-8")
    weather = kit.weather_of(tmp_path, source="epw", path="西宁 2025.epw")
    assert weather.ghi_w_per_m2.sum() == pytest.approx(year_rows["ghi"].sum(), rel=1e-3)

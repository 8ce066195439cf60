"""Synthetic series: the same for the same seed at every step length and in every window, of the stated mean or peak."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from vpp_sim.profiles import Profile, profile_series
from vpp_sim.time_grid import TimeGrid

PROFILE: TypeAdapter[Any] = TypeAdapter(Profile)
SPECS: dict[str, dict[str, Any]] = {
    "office_park": {"generator": "office_park", "seed": 3},
    "industrial_park": {"generator": "industrial_park", "seed": 3},
    "interactive_compute": {"generator": "interactive_compute", "seed": 3, "mean": 400.0},
    "job_arrivals": {"generator": "job_arrivals", "seed": 3, "mean": 250.0},
    "constant": {"generator": "constant", "value": 7.0},
}


def drawn(spec: dict[str, Any], grid: TimeGrid, quantity: str = "power") -> Any:
    return profile_series(PROFILE.validate_python(spec), grid, quantity=quantity, base_dir=Path())


def axis(
    hours: int, minutes: int = 60, start: dt.datetime = dt.datetime(2025, 1, 1), zone: str = "Asia/Shanghai"
) -> Any:
    return TimeGrid(start, minutes, hours * 60 // minutes, zone)


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize("minutes", [5, 10, 15, 30])
def test_hourly_means_do_not_depend_on_the_step(name: str, minutes: int) -> None:
    hourly = drawn(SPECS[name], axis(24 * 30))
    fine = drawn(SPECS[name], axis(24 * 30, minutes))
    np.testing.assert_allclose(fine.reshape(-1, 60 // minutes).mean(axis=1), hourly, rtol=1e-12)


@pytest.mark.parametrize("name", list(SPECS))
def test_a_window_sees_what_the_whole_horizon_sees(name: str) -> None:
    """Three weeks over the turn of the year are the same whether drawn alone or as part of two years."""
    two_years = drawn(SPECS[name], axis(17520))
    start = dt.datetime(2025, 12, 20, 6)
    window = drawn(SPECS[name], axis(24 * 21, start=start))
    first = (start - dt.datetime(2025, 1, 1)) // dt.timedelta(hours=1)
    np.testing.assert_array_equal(window, two_years[first : first + 24 * 21])


@pytest.mark.parametrize("name", list(SPECS))
def test_series_are_finite_and_not_negative_and_differ_by_seed_and_year(name: str) -> None:
    year = drawn(SPECS[name], axis(8760))
    assert np.isfinite(year).all()
    assert (year >= 0).all()
    np.testing.assert_array_equal(year, drawn(SPECS[name], axis(8760)))
    if name != "constant":
        assert not np.array_equal(year, drawn({**SPECS[name], "seed": 4}, axis(8760)))
        assert not np.array_equal(year, drawn(SPECS[name], axis(8760, start=dt.datetime(2026, 1, 1))))


@pytest.mark.parametrize("start", [dt.datetime(2024, 1, 1), dt.datetime(2025, 1, 1)])
def test_the_peak_of_a_park_and_the_mean_of_compute_hold_for_every_calendar_year(start: dt.datetime) -> None:
    grid = axis(8784 if start.year == 2024 else 8760, start=start)
    assert drawn(SPECS["office_park"], grid).max() == 1.0
    assert drawn({**SPECS["industrial_park"], "peak": 900.0}, grid).max() == pytest.approx(900.0)
    assert drawn(SPECS["interactive_compute"], grid).mean() == pytest.approx(400.0, rel=1e-12)
    assert drawn(SPECS["job_arrivals"], grid).mean() == pytest.approx(250.0, rel=1e-12)


def test_energies_are_rates_times_the_step() -> None:
    power, energy = (drawn(SPECS["job_arrivals"], axis(24, 15), quantity) for quantity in ("power", "energy"))
    np.testing.assert_allclose(energy, power / 4)


def test_offices_rest_at_night_and_weekends_and_heat_in_winter() -> None:
    grid = axis(8760)
    load = drawn(SPECS["office_park"], grid)
    noon, night = (grid.hour_of_day == 14), (grid.hour_of_day == 3)
    workday = grid.weekday < 5
    assert load[noon & workday].mean() > 3 * load[night & workday].mean()
    assert load[noon & ~workday].mean() < 0.6 * load[noon & workday].mean()
    assert load[grid.month_of_year == 1].mean() > 1.2 * load[grid.month_of_year == 7].mean()


def test_jobs_come_in_bursts_of_the_stated_size() -> None:
    """Days vary by about the burstiness; without it, and with many equal jobs, an hour hardly varies at all."""
    grid = axis(8760)
    bursty = drawn({**SPECS["job_arrivals"], "burstiness": 1.5}, grid).reshape(-1, 24).sum(axis=1)
    assert 1.0 < bursty.std() / bursty.mean() < 2.2
    even = {"burstiness": 0.0, "spread": 0.0, "office_hours": 0.0, "jobs_per_day": 24_000.0}
    steady = drawn({**SPECS["job_arrivals"], **even}, grid)
    assert steady.std() / steady.mean() == pytest.approx(1 / np.sqrt(1000), rel=0.05)


def test_summer_time_moves_with_the_wall_clock() -> None:
    """In Berlin the low at 3 h local time stays at 3 h after clocks change; in UTC it would move to 1 h."""
    grid = axis(24 * 14, start=dt.datetime(2025, 7, 7), zone="Europe/Berlin")
    spec = {"generator": "interactive_compute", "mean": 1.0, "noise": 0.0}
    by_hour = drawn(spec, grid).reshape(-1, 24).mean(axis=0)
    assert by_hour.argmin() in (3, 4)
    assert by_hour.argmax() == 20

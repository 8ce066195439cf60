"""The time axis: elapsed steps, local calendar, billing months, leap years and daylight saving."""

import datetime as dt

import numpy as np
import pytest

from vpp_sim.errors import InputError
from vpp_sim.time_grid import TimeGrid


def grid(start: str, minutes: int, steps: int, zone: str = "Asia/Shanghai") -> TimeGrid:
    return TimeGrid(dt.datetime.fromisoformat(start), minutes, steps, zone)


def test_a_calendar_year_is_one_year_leap_or_not() -> None:
    assert grid("2025-01-01", 60, 8760).years == 1.0
    assert grid("2024-01-01", 60, 8784).years == 1.0
    assert grid("2025-01-01", 60, 24).years == pytest.approx(24 / 8760)


@pytest.mark.parametrize("minutes", [5, 10, 15, 30, 60])
def test_months_of_a_leap_year_are_whole_at_every_step(minutes: int) -> None:
    year = grid("2024-01-01", minutes, 8784 * 60 // minutes)
    assert year.num_months == 12
    np.testing.assert_allclose(year.month_shares, 1.0)
    assert np.bincount(year.month)[1] * year.step_hours == 29 * 24
    assert year.month_labels[1] == "2024-02"


def test_a_horizon_over_new_year_counts_billing_months_on() -> None:
    span = grid("2024-12-31 22:00", 60, 5)
    assert span.month.tolist() == [0, 0, 1, 1, 1]
    assert span.month_labels == ("2024-12", "2025-01")
    assert span.month_shares.tolist() == pytest.approx([2 / 744, 3 / 744])
    assert span.weekday.tolist() == [1, 1, 2, 2, 2]


def test_daylight_saving_gives_days_of_23_and_25_hours() -> None:
    year = grid("2025-01-01", 60, 8760, "Europe/Berlin")
    hours_per_day = np.bincount(year.day)
    assert sorted(set(hours_per_day.tolist())) == [23, 24, 25]
    np.testing.assert_allclose(year.month_shares, 1.0)
    assert year.years == 1.0
    assert len(set(year.index)) == 8760  # elapsed time: no step twice, although the wall clock shows one hour twice


def test_what_is_no_axis_is_refused() -> None:
    with pytest.raises(InputError, match="step_minutes: must be one of"):
        grid("2025-01-01", 7, 10)
    with pytest.raises(InputError, match="num_steps: must be at least 1, got 0"):
        grid("2025-01-01", 60, 0)
    with pytest.raises(InputError, match="must be local time without an offset"):
        TimeGrid(dt.datetime(2025, 1, 1, tzinfo=dt.UTC), 60, 1, "Asia/Shanghai")

"""The sun's position against pvlib's SPA, and its means over steps against arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vpp_sim.weather.sun import (
    Site,
    clear_beam,
    extraterrestrial_w_per_m2,
    hour_angle_deg,
    pressure_at_pa,
    substep_minutes,
    sun_direction,
    sun_means,
    sun_over_grid,
)


def minutes_of(index: pd.DatetimeIndex) -> np.ndarray:
    return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[m]").astype(np.float64)


@pytest.mark.parametrize(("latitude", "longitude"), [(36.62, 101.78), (-33.9, 18.4), (64.1, -21.9), (0.0, 179.5)])
@pytest.mark.parametrize("year", [1999, 2024, 2049])
def test_directions_agree_with_spa(latitude: float, longitude: float, year: int) -> None:
    """Three places, one at the date line, in three years, every 97 minutes: within 0.02 deg of the SPA of pvlib."""
    from pvlib import solarposition

    index = pd.date_range(f"{year}-01-01", f"{year}-12-31", freq="97min", tz="UTC")
    ours = sun_direction(minutes_of(index), Site(latitude=latitude, longitude=longitude, altitude_m=0))
    spa = solarposition.get_solarposition(index, latitude, longitude, method="nrel_numpy", delta_t=69.0)
    elevation, azimuth = np.radians(spa["elevation"].to_numpy()), np.radians(spa["azimuth"].to_numpy())
    chord = np.sqrt(
        (ours.up - np.sin(elevation)) ** 2
        + (ours.north - np.cos(elevation) * np.cos(azimuth)) ** 2
        + (ours.east - np.cos(elevation) * np.sin(azimuth)) ** 2
    )
    assert np.degrees(chord).max() < 0.02
    np.testing.assert_allclose(ours.up**2 + ours.north**2 + ours.east**2, 1.0, atol=3e-5)


def test_the_hour_angle_is_0_at_solar_noon(kit: Any) -> None:
    """The highest sun of a day stands where the hour angle passes 0, within a minute."""
    minutes = substep_minutes(int(minutes_of(pd.DatetimeIndex(["2025-05-05T00:00Z"]))[0]), 288)
    angle = (hour_angle_deg(minutes, kit.site) + 180) % 360 - 180
    highest = int(np.argmax(sun_direction(minutes, kit.site).up))
    assert abs(angle[highest]) < 15 / 60 * 2.6  # half a sub-step, 15 deg an hour


def test_means_are_those_of_a_finer_sampling(kit: Any) -> None:
    """Twelve sub-steps an hour: the weighted mean direction of an hour agrees with one made of 5-minute steps."""
    hours, fine = (sun_over_grid(kit.grid_of("2025-06-20", days=2, step_minutes=step), kit.site) for step in (60, 5))
    weight = (clear_beam(fine.direction.up) * (fine.daylight > 0)).reshape(-1, 12)
    lit = weight.sum(axis=1) > 0
    for part in ("east", "north", "up"):
        values = getattr(fine.direction, part).reshape(-1, 12)
        mean = (values * weight).sum(axis=1)[lit] / weight.sum(axis=1)[lit]
        np.testing.assert_allclose(getattr(hours.direction, part)[lit], mean, atol=1e-12)
        assert (getattr(hours.direction, part)[~lit] == 0).all()
    np.testing.assert_allclose(hours.daylight, fine.daylight.reshape(-1, 12).mean(axis=1), atol=1e-12)


def test_polar_night_has_no_sun(kit: Any) -> None:
    dark = sun_over_grid(kit.grid_of("2025-12-20", days=2), Site(latitude=80, longitude=15, altitude_m=0))
    assert (dark.daylight == 0).all()
    assert (dark.direction.up == 0).all()


def test_the_day_of_year_turns_with_the_year() -> None:
    start = int(minutes_of(pd.DatetimeIndex(["2024-12-31T22:00Z"]))[0])
    days = sun_means(start, 60, 4, Site(latitude=0, longitude=0, altitude_m=0)).day_of_year
    assert days.tolist() == [366, 366, 1, 1]


def test_the_solar_constant_and_the_standard_atmosphere() -> None:
    """Perihelion in early January (+3.3 %), aphelion in early July; 76.95 kPa at Xining, 0.76 of sea level."""
    january, july = extraterrestrial_w_per_m2(np.array([1, 183]))
    assert january == pytest.approx(1361.1 * 1.033, rel=1e-4)
    assert july == pytest.approx(1361.1 * 0.967, rel=1e-4)
    assert pressure_at_pa(0) == pytest.approx(101_325)
    assert pressure_at_pa(2261) == pytest.approx(77_000, rel=2e-3)

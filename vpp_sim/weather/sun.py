"""Where the sun stands: positions at five-minute sub-steps and their means over the steps of a time grid.

Steps are means, the sun moves: a position at the middle of an hour is wrong at sunrise and sunset. So everything
here is evaluated at the middle of sub-steps of five minutes (`SUBSTEP_MINUTES`, which divides every step length),
and a step gets the mean of the sun's unit vector over its sunlit part, weighted with the beam of a clear sky:

    v = sum(w s) / sum(w),   w = exp(-0.059 / sin(h)) for h > 0, else 0        (s = unit vector, h = elevation)

With these weights `GHI = DNI * v.up + DHI` holds for hourly means, not only for instants, and the beam on a tilted
plane with normal n is `DNI * max(n . v, 0)`.

Position: low-precision formulas of the Astronomical Almanac (Michalsky 1988, doi:10.1016/0038-092X(88)90045-X),
0.01 deg from 1950 to 2050, without refraction. They are used instead of pvlib's SPA because a year of sub-steps
(105,120 instants) takes about 15 ms; a test holds them to pvlib's SPA within 0.02 deg.
Clear-sky shape: Haurwitz, Insolation in relation to cloudiness and cloud density, Journal of Meteorology 2, 1945:
1098 sin(h) exp(-0.059 / sin(h)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from vpp_sim.fields import StrictModel, quantity
from vpp_sim.time_grid import TimeGrid

FloatArray = NDArray[np.float64]

SUBSTEP_MINUTES: Final = 5
MINUTES_PER_DAY: Final = 1440
SOLAR_CONSTANT_W_PER_M2: Final = 1361.1  # Gueymard 2018, doi:10.1016/j.solener.2018.04.001
_J2000_DAYS: Final = 10957.5  # days from 1970-01-01 00:00 to 2000-01-01 12:00 UTC
_HAURWITZ_EXPONENT: Final = 0.059


class Site(StrictModel):
    """Where the microgrid stands."""

    latitude: float = quantity("latitude, north positive", unit="deg", ge=-90, le=90)
    longitude: float = quantity("longitude, east positive", unit="deg", ge=-180, le=180)
    altitude_m: float = quantity("height above sea level", unit="m", ge=-500, le=8000)

    @field_validator("latitude", mode="before")
    @classmethod
    def _not_a_longitude(cls, value: object) -> object:
        if isinstance(value, int | float) and 90 < abs(value) <= 180:
            raise ValueError(f"must lie between -90 and 90 deg, got {value:g}; are latitude and longitude swapped?")
        return value


@dataclass(frozen=True)
class SunDirection:
    """Unit vector towards the sun in the site's frame; `up` is the sine of the elevation. Arrays of equal shape."""

    east: FloatArray
    north: FloatArray
    up: FloatArray


@dataclass(frozen=True)
class SunMeans:
    """Sun of each step, arrays of shape (num_steps,): beam-weighted mean direction while it is up, 0 at night.

    `daylight` is the share of the step with the sun above the horizon, `day_of_year` the UTC day (1 to 366).
    """

    direction: SunDirection
    daylight: FloatArray
    day_of_year: NDArray[np.int64]


def sun_direction(minutes: FloatArray, site: Site) -> SunDirection:
    """Direction of the sun at UTC minutes since 1970, which must ascend.

    Declination and Greenwich hour angle are evaluated at every midnight and interpolated linearly (error below
    0.002 deg); only the daily rotation is evaluated per instant.

    >>> noon = np.array([(20_089 * 24 + 12) * 60.0])  # 2025-01-01 12:00 UTC
    >>> sun = sun_direction(noon, Site(latitude=0, longitude=0, altitude_m=0))
    >>> round(float(np.degrees(np.arcsin(sun.up[0]))), 1)
    67.0
    """
    days, declination, _ = _daily(minutes)
    at = minutes / MINUTES_PER_DAY
    hour_angle = np.radians(hour_angle_deg(minutes, site))
    sin_declination = np.interp(at, days, np.sin(declination))
    cos_declination = np.interp(at, days, np.cos(declination))
    sin_latitude, cos_latitude = np.sin(np.radians(site.latitude)), np.cos(np.radians(site.latitude))
    cos_hour = cos_declination * np.cos(hour_angle)
    return SunDirection(
        east=-cos_declination * np.sin(hour_angle),
        north=sin_declination * cos_latitude - sin_latitude * cos_hour,
        up=sin_declination * sin_latitude + cos_latitude * cos_hour,
    )


def _daily(minutes: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """UTC midnights around the minutes [days since 1970], declination [rad], Greenwich hour angle [deg]."""
    days = np.arange(np.floor(minutes[0] / MINUTES_PER_DAY), np.ceil(minutes[-1] / MINUTES_PER_DAY) + 1.5)
    n = days - _J2000_DAYS
    mean_longitude = 280.460 + 0.9856474 * n
    anomaly = np.radians(357.528 + 0.9856003 * n)
    ecliptic = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * n)
    right_ascension = np.degrees(np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic)))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    hour_angle = (15 * (6.697375 + 0.0657098242 * n) - right_ascension) % 360  # near 180 at midnight: never wraps
    return days, declination, hour_angle


def hour_angle_deg(minutes: FloatArray, site: Site) -> FloatArray:
    """Hour angle of the sun at UTC minutes since 1970, which must ascend: 0 at solar noon, 15 an hour, not wrapped."""
    days, _, midnight_hour_angle = _daily(minutes)
    at = minutes / MINUTES_PER_DAY
    return np.asarray(np.interp(at, days, midnight_hour_angle) + 360 * (at - np.floor(at)) + site.longitude)


def clear_beam(up: FloatArray) -> FloatArray:
    """Relative normal beam of a clear sky, `exp(-0.059 / sin(h))`, 0 while the sun is down."""
    return np.where(up > 0, np.exp(-_HAURWITZ_EXPONENT / np.maximum(up, 1e-4)), 0.0)


def clear_shape(up: FloatArray) -> FloatArray:
    """Global irradiance of a clear sky after Haurwitz [W/m2], 0 while the sun is down.

    >>> clear_shape(np.array([-0.1, 0.5, 1.0])).round(1).tolist()
    [0.0, 487.9, 1035.1]
    """
    return np.asarray(1098.0 * np.maximum(up, 0.0) * clear_beam(up), dtype=np.float64)


def extraterrestrial_w_per_m2(day_of_year: NDArray[np.int64]) -> FloatArray:
    """Irradiance on a plane facing the sun above the atmosphere: `1361.1 (1 + 0.033 cos(2 pi doy / 365))`.

    Duffie and Beckman, Solar Engineering of Thermal Processes, equation 1.4.1a.
    """
    return np.asarray(SOLAR_CONSTANT_W_PER_M2 * (1 + 0.033 * np.cos(2 * np.pi * day_of_year / 365)), dtype=np.float64)


def substep_minutes(first_minute: int, number: int) -> FloatArray:
    """UTC minutes since 1970 at the middle of `number` sub-steps from `first_minute` on."""
    return np.asarray(first_minute + SUBSTEP_MINUTES * (np.arange(number) + 0.5), dtype=np.float64)


def sun_means(first_minute: int, step_minutes: int, num_steps: int, site: Site) -> SunMeans:
    """Sun of equal steps from a UTC minute since 1970 on."""
    per_step = step_minutes // SUBSTEP_MINUTES
    minutes = substep_minutes(first_minute, num_steps * per_step)
    sun = sun_direction(minutes, site)
    weight = clear_beam(sun.up).reshape(num_steps, per_step)
    total = weight.sum(axis=1)
    share = np.divide(1.0, total, out=np.zeros(num_steps), where=total > 0)

    def mean(part: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("ij,ij->i", part.reshape(num_steps, per_step), weight) * share)

    days = ((first_minute + np.arange(num_steps) * step_minutes) // MINUTES_PER_DAY).astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.int64) + 1
    return SunMeans(
        direction=SunDirection(mean(sun.east), mean(sun.north), mean(sun.up)),
        daylight=np.mean(sun.up.reshape(num_steps, per_step) > 0, axis=1),
        day_of_year=day_of_year,
    )


def first_minute(grid: TimeGrid) -> int:
    """UTC minutes since 1970 at the start of the grid."""
    return int(grid.index[0].value // 60_000_000_000)


def sun_over_grid(grid: TimeGrid, site: Site) -> SunMeans:
    """Sun of each step of the grid."""
    return sun_means(first_minute(grid), grid.step_minutes, grid.num_steps, site)


def pressure_at_pa(altitude_m: float) -> float:
    """Air pressure of the standard atmosphere, `101325 (1 - 2.25577e-5 z)^5.25588` (ISO 2533).

    >>> round(pressure_at_pa(2261))
    76953
    """
    return float(101_325.0 * (1 - 2.25577e-5 * altitude_m) ** 5.25588)

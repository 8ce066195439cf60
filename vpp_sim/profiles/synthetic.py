"""Seeded synthetic series: park loads, interactive compute and job arrivals. All shapes here are assumptions.

Each is drawn for whole calendar years hour by hour, from the seed and the year alone, and an hour's value holds
for the hour. So the same hour of the same year has the same value in every horizon, window and step length. The
shapes are made up to look plausible for a northern Chinese site; they are fitted to no measurement.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.fields import StrictModel, quantity
from vpp_sim.profiles.resample import resampled
from vpp_sim.time_grid import TimeGrid

FloatArray = NDArray[np.float64]


class Generator(Protocol):
    """A named generator: a rate (kW, kWh per hour, fraction ...) for every step of an axis."""

    def rate(self, grid: TimeGrid) -> FloatArray:
        """Mean rate in each step, (num_steps,)."""
        ...


class _Hours:
    """The hours of one local calendar year: `local` wall clock, and year shares for seasons."""

    def __init__(self, year: int, timezone: str) -> None:
        zone = ZoneInfo(timezone)
        begin = pd.Timestamp(year=year, month=1, day=1, tz=zone)
        end = pd.Timestamp(year=year + 1, month=1, day=1, tz=zone)
        self.begin = begin.tz_convert("UTC").tz_localize(None)
        self.count = int((end - begin) / pd.Timedelta(hours=1))
        local = pd.date_range(begin, periods=self.count, freq="h").tz_localize(None)
        self.hour = np.asarray(local.hour, dtype=np.int64)
        self.weekday = np.asarray(local.day_of_week, dtype=np.int64)
        self.day = np.asarray(local.day_of_year, dtype=np.int64) - 1
        #: 1 in mid-January, -1 in mid-July
        self.winter = np.cos(2 * np.pi * (self.day - 14) / 365.25)


class _YearlyGenerator(StrictModel):
    """Base of generators that are drawn a calendar year at a time."""

    seed: int = quantity("seed of the random numbers; the same seed gives the same series", default=0, ge=0)

    def rate(self, grid: TimeGrid) -> FloatArray:
        """Mean rate in each step, (num_steps,); hours are held, so every step length has the same hourly means."""
        first, last = int(grid.local[0].year), int(grid.local[-1].year)
        years = [_year(self, year, grid.timezone) for year in range(first, last + 1)]
        begin = grid.index[0].tz_convert("UTC").tz_localize(None)
        offset = int((begin - years[0][0]) / pd.Timedelta(minutes=1))
        return resampled(
            np.concatenate([values for _, values in years]),
            minutes=60,
            offset_minutes=offset,
            num_steps=grid.num_steps,
            step_minutes=grid.step_minutes,
            kind="mean",
        )

    def hourly(self, hours: _Hours, random: np.random.Generator) -> FloatArray:
        """Rate in every hour of one year."""
        raise NotImplementedError


@lru_cache(maxsize=64)
def _year(generator: _YearlyGenerator, year: int, timezone: str) -> tuple[pd.Timestamp, FloatArray]:
    hours = _Hours(year, timezone)
    values = generator.hourly(hours, np.random.default_rng([generator.seed, year]))
    values.flags.writeable = False
    return hours.begin, values


def _wandering(random: np.random.Generator, count: int, memory: float) -> FloatArray:
    """Standard normal series with lag-1 correlation `memory`, (count,)."""
    from scipy.linalg import solve_banded

    shocks = random.standard_normal(count) * np.sqrt(1 - memory**2)
    shocks[0] /= np.sqrt(1 - memory**2)
    # x[t] - memory x[t-1] = shocks[t]; scipy.signal would say it in a word and take half a second to import
    recursion = np.vstack([np.ones(count), np.full(count, -memory)])
    return np.asarray(solve_banded((1, 0), recursion, shocks), dtype=np.float64)


class Constant(StrictModel):
    """The same value always; for a scenario that swaps generators by name."""

    generator: Literal["constant"] = quantity("name of the generator")
    value: float = quantity("value, in the unit used inside for the quantity; per hour for energies")

    def rate(self, grid: TimeGrid) -> FloatArray:
        """The value, (num_steps,)."""
        return np.full(grid.num_steps, self.value)


#: Relative load by hour of a weekday, 0-11 and 12-23 h.
_OFFICE_DAY = np.ravel(
    [
        [0.24, 0.23, 0.23, 0.23, 0.24, 0.27, 0.36, 0.55, 0.80, 0.94, 0.98, 0.97],
        [0.88, 0.92, 0.98, 0.97, 0.93, 0.82, 0.62, 0.48, 0.40, 0.34, 0.29, 0.26],
    ]
)
_INDUSTRY_DAY = np.ravel(
    [
        [0.62, 0.60, 0.59, 0.59, 0.60, 0.63, 0.70, 0.82, 0.94, 0.99, 1.00, 0.97],
        [0.90, 0.96, 1.00, 0.99, 0.97, 0.92, 0.86, 0.82, 0.78, 0.73, 0.68, 0.64],
    ]
)
_ONLINE_DAY = np.ravel(
    [
        [0.72, 0.62, 0.55, 0.52, 0.52, 0.56, 0.66, 0.80, 0.95, 1.08, 1.14, 1.13],
        [1.06, 1.08, 1.14, 1.16, 1.14, 1.10, 1.12, 1.20, 1.26, 1.24, 1.10, 0.90],
    ]
)


class _ParkLoad(_YearlyGenerator):
    """Base of load shapes whose highest hour of each calendar year is `peak`."""

    peak: float = quantity("highest hourly value of the calendar year, in the unit used inside", default=1.0, gt=0)
    noise: float = quantity(
        "standard deviation of the hourly noise, as a share of the load", default=0.04, ge=0, le=0.5
    )

    def _scaled(self, shape: FloatArray, random: np.random.Generator) -> FloatArray:
        noisy = shape * np.maximum(1.0 + self.noise * _wandering(random, len(shape), 0.7), 0.05)
        return np.asarray(noisy * (self.peak / noisy.max()), dtype=np.float64)


class OfficePark(_ParkLoad):
    """Office buildings: a weekday hump from 8 to 18 h, quiet nights and weekends, more in winter (heating, light)."""

    generator: Literal["office_park"] = quantity("name of the generator")
    weekend_share: float = quantity("daytime activity at weekends as a share of a weekday's", default=0.35, ge=0, le=1)
    season: float = quantity(
        "how much mid-winter lies above the yearly mean, as a share (negative: summer peak)",
        default=0.15,
        ge=-0.8,
        le=0.8,
    )

    def hourly(self, hours: _Hours, random: np.random.Generator) -> FloatArray:
        """Rate in every hour of one year."""
        weekday = _OFFICE_DAY
        weekend = weekday.min() + (weekday - weekday.min()) * self.weekend_share
        day = np.where(hours.weekday < 5, weekday[hours.hour], weekend[hours.hour])
        return self._scaled(day * (1 + self.season * hours.winter), random)


class IndustrialPark(_ParkLoad):
    """Industry in shifts: a high base at night, a flat day, a weaker Sunday, little season."""

    generator: Literal["industrial_park"] = quantity("name of the generator")
    saturday_share: float = quantity("Saturday's load as a share of a weekday's", default=0.9, ge=0, le=1)
    sunday_share: float = quantity("Sunday's load as a share of a weekday's", default=0.7, ge=0, le=1)
    season: float = quantity(
        "how much mid-winter lies above the yearly mean, as a share (negative: summer peak)",
        default=0.05,
        ge=-0.8,
        le=0.8,
    )

    def hourly(self, hours: _Hours, random: np.random.Generator) -> FloatArray:
        """Rate in every hour of one year."""
        week = np.array([1.0] * 5 + [self.saturday_share, self.sunday_share])
        day = _INDUSTRY_DAY[hours.hour] * week[hours.weekday]
        return self._scaled(day * (1 + self.season * hours.winter), random)


class InteractiveCompute(_YearlyGenerator):
    """Online work of a data centre: low at 3-4 h, highest in the evening, less at weekends; yearly mean is exact."""

    generator: Literal["interactive_compute"] = quantity("name of the generator")
    mean: float = quantity("mean over each calendar year, in the unit used inside (energy: per hour)", gt=0)
    swing: float = quantity("how far the daily pattern is followed: 0 flat, 1 in full", default=1.0, ge=0, le=1)
    weekend_share: float = quantity("work at weekends as a share of a weekday's", default=0.85, gt=0, le=1)
    noise: float = quantity("standard deviation of the hourly noise, as a share", default=0.05, ge=0, le=0.5)

    def hourly(self, hours: _Hours, random: np.random.Generator) -> FloatArray:
        """Rate in every hour of one year."""
        day = 1 + self.swing * (_ONLINE_DAY / _ONLINE_DAY.mean() - 1)
        week = np.where(hours.weekday < 5, 1.0, self.weekend_share)
        noisy = day[hours.hour] * week * np.maximum(1 + self.noise * _wandering(random, hours.count, 0.8), 0.05)
        return np.asarray(noisy * (self.mean / noisy.mean()), dtype=np.float64)


class JobArrivals(_YearlyGenerator):
    """Work of AI or HPC jobs as it is handed in: random numbers of jobs of lognormal energy, in bursts of days.

    Hours draw a Poisson number of jobs; its intensity follows working hours and a gamma variable per day whose
    coefficient of variation is `burstiness`. The yearly mean is exact.
    """

    generator: Literal["job_arrivals"] = quantity("name of the generator")
    mean: float = quantity("mean work handed in over each calendar year [kW, i.e. kWh per hour]", gt=0)
    jobs_per_day: float = quantity("mean number of jobs in a day", default=40.0, gt=0, le=100_000)
    spread: float = quantity("standard deviation of the logarithm of a job's energy", default=1.0, ge=0, le=3)
    burstiness: float = quantity("coefficient of variation of a day's intensity", default=0.8, ge=0, le=5)
    office_hours: float = quantity(
        "share of jobs handed in by the working-day pattern, the rest evenly", default=0.7, ge=0, le=1
    )

    def hourly(self, hours: _Hours, random: np.random.Generator) -> FloatArray:
        """Rate in every hour of one year."""
        pattern = _OFFICE_DAY[hours.hour] * np.where(hours.weekday < 5, 1.0, 0.35)
        intensity = self.office_hours * pattern / pattern.mean() + (1 - self.office_hours)
        if self.burstiness > 0:
            shape = self.burstiness**-2
            intensity = intensity * (random.gamma(shape, 1 / shape, int(hours.day[-1]) + 1))[hours.day]
        jobs = random.poisson(intensity * self.jobs_per_day / 24)
        energy = random.lognormal(0.0, self.spread, int(jobs.sum()))
        work = np.bincount(np.repeat(np.arange(hours.count), jobs), weights=energy, minlength=hours.count)
        total = work.sum()
        return work * (self.mean * hours.count / total) if total > 0 else np.full(hours.count, self.mean)

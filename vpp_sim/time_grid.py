"""The one time axis: equal steps from a start in a stated time zone, their local calendar and billing months."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.errors import InputError, nearest
from vpp_sim.units import HOURS_PER_YEAR, MINUTES_PER_HOUR

STEP_MINUTES = (5, 10, 15, 30, 60)


def known_zone(name: str) -> str:
    """The name of a time zone, if it is one.

    Raises:
        ValueError: it is not; says what may have been meant.
    """
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # an abbreviation (CST) is short for several zones; what it looks like says nothing
        close = nearest(name, available_timezones()) if "/" in name else None
        hint = f"did you mean {close}?" if close else "write an IANA name such as Asia/Shanghai"
        raise ValueError(f"unknown time zone {name!r}; {hint}") from None
    return name


@dataclass(frozen=True)
class TimeGrid:
    """Equal steps of real time; the label of a step stands at its start.

    `start` is local wall-clock time in `timezone` (IANA name). Steps are equal in elapsed time, so a zone with
    daylight saving has a day of 23 and one of 25 hours; calendar properties are local.

    >>> grid = TimeGrid(dt.datetime(2025, 1, 1), step_minutes=60, num_steps=8760, timezone="Asia/Shanghai")
    >>> grid.step_hours, grid.num_months, grid.index[0].isoformat()
    (1.0, 12, '2025-01-01T00:00:00+08:00')
    """

    start: dt.datetime
    step_minutes: int
    num_steps: int
    timezone: str

    def __post_init__(self) -> None:
        if self.step_minutes not in STEP_MINUTES:
            raise InputError(f"step_minutes: must be one of {STEP_MINUTES}, got {self.step_minutes}")
        if self.num_steps < 1:
            raise InputError(f"num_steps: must be at least 1, got {self.num_steps}")
        if self.start.tzinfo is not None:
            raise InputError("start: must be local time without an offset; the zone stands in timezone")

    @property
    def step_hours(self) -> float:
        """Length of a step [h]."""
        return self.step_minutes / MINUTES_PER_HOUR

    @property
    def horizon_hours(self) -> float:
        """Length of the whole axis [h]."""
        return self.num_steps * self.step_hours

    @property
    def years(self) -> float:
        """Length of the axis in years of 8,760 h; a calendar year, leap or not, is exactly 1."""
        if self.num_months == 12 and np.allclose(self.month_shares, 1.0):
            return 1.0
        return self.horizon_hours / HOURS_PER_YEAR

    @cached_property
    def index(self) -> pd.DatetimeIndex:
        """Start of every step, (num_steps,), with UTC offset, named `time`."""
        first = pd.Timestamp(self.start.replace(tzinfo=ZoneInfo(self.timezone)))
        return pd.date_range(first, periods=self.num_steps, freq=f"{self.step_minutes}min", name="time")

    @cached_property
    def local(self) -> pd.DatetimeIndex:
        """Wall-clock start of every step without offset, (num_steps,); doubled where clocks go back."""
        return self.index.tz_localize(None)

    @cached_property
    def hour_of_day(self) -> NDArray[np.float64]:
        """Local hour of the step's start, (num_steps,), e.g. 17.25."""
        return np.asarray(self.local.hour + self.local.minute / MINUTES_PER_HOUR, dtype=np.float64)

    @cached_property
    def month_of_year(self) -> NDArray[np.int64]:
        """Local calendar month, (num_steps,), 1 to 12."""
        return np.asarray(self.local.month, dtype=np.int64)

    @cached_property
    def month(self) -> NDArray[np.int64]:
        """Billing month (calendar month) of every step counted from the first, (num_steps,), from 0."""
        months = np.asarray(self.local.year * 12 + self.local.month, dtype=np.int64)
        return np.asarray(months - months[0], dtype=np.int64)

    @property
    def num_months(self) -> int:
        """Number of billing months that the axis touches."""
        return int(self.month[-1]) + 1

    @cached_property
    def month_labels(self) -> tuple[str, ...]:
        """`2025-01`, one per billing month."""
        first = self.local[0].to_period("M")
        return tuple(str(first + offset) for offset in range(self.num_months))

    @cached_property
    def month_shares(self) -> NDArray[np.float64]:
        """Share of each billing month's hours that lies on the axis, (num_months,); 1 for a whole month."""
        zone = ZoneInfo(self.timezone)
        first = self.local[0].to_period("M")
        hours = np.bincount(self.month, minlength=self.num_months) * self.step_hours
        shares = np.empty(self.num_months)
        for position in range(self.num_months):
            begin = pd.Timestamp((first + position).start_time.to_pydatetime().replace(tzinfo=zone))
            end = pd.Timestamp((first + position + 1).start_time.to_pydatetime().replace(tzinfo=zone))
            shares[position] = hours[position] / ((end.value - begin.value) / 3.6e12)
        return shares

    @cached_property
    def day(self) -> NDArray[np.int64]:
        """Local calendar day of every step counted from the first, (num_steps,), from 0."""
        midnight = self.local.normalize()
        return np.asarray((midnight - midnight[0]).days, dtype=np.int64)

    @property
    def num_days(self) -> int:
        """Number of local calendar days that the axis touches."""
        return int(self.day[-1]) + 1

    @cached_property
    def weekday(self) -> NDArray[np.int64]:
        """Local day of the week, (num_steps,), Monday 0 to Sunday 6."""
        return np.asarray(self.local.day_of_week, dtype=np.int64)

"""The only place that changes the resolution of a series, exactly, for means and for sums.

A value of a file holds for its whole step. Coarser steps take the mean (power, price, yield) or the sum (energy) of
what they cover; finer steps hold a mean and share a sum equally. So the integral over time is kept to rounding,
and a series that is resampled up and down again comes back unchanged.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.time_grid import TimeGrid

FloatArray = NDArray[np.float64]
Kind = Literal["mean", "sum"]

MINUTES_PER_DAY: Final = 1440
DAYS_COMMON: Final = 365
DAYS_LEAP: Final = 366
FIRST_DAY_AFTER_29_FEBRUARY: Final = 59


def resampled(
    values: FloatArray, *, minutes: int, offset_minutes: int, num_steps: int, step_minutes: int, kind: Kind
) -> FloatArray:
    """Series (num_steps,) with steps of `step_minutes` from one with steps of `minutes`.

    The first step begins `offset_minutes` after the first value; the values must cover all steps.

    >>> resampled(np.array([1.0, 3.0]), minutes=60, offset_minutes=30, num_steps=2, step_minutes=30, kind="mean")
    array([1., 3.])
    >>> resampled(np.array([1.0, 3.0]), minutes=30, offset_minutes=0, num_steps=1, step_minutes=60, kind="sum")
    array([4.])
    """
    piece = math.gcd(minutes, step_minutes, offset_minutes)
    pieces = num_steps * (step_minutes // piece)
    position = (offset_minutes // piece + np.arange(pieces)) // (minutes // piece)
    if offset_minutes < 0 or position[-1] >= len(values):
        raise ValueError("the values do not cover the steps asked for")
    return _gathered(values[position], num_steps, piece / minutes, kind)


def calendar_resampled(values: FloatArray, *, minutes: int, grid: TimeGrid, timezone: str, kind: Kind) -> FloatArray:
    """Series (num_steps,) on the axis from a typical year, by month, day and wall-clock time in `timezone`.

    `values` begins on 1 January 00:00 and covers 365 or 366 days. Weekdays are not moved: the value of 1 January is
    used on 1 January whatever day of the week that is. Where the axis has a 29 February and the year has not, 28
    February is used again; where only the year has one, it is left out. Where clocks go forward an hour of the
    year is left out, where they go back one is used twice.
    """
    starts = grid.index.tz_convert(timezone).tz_localize(None)
    piece = math.gcd(minutes, grid.step_minutes, int(starts[0].minute))
    per_step = grid.step_minutes // piece
    moments = pd.DatetimeIndex(np.repeat(starts.to_numpy(), per_step)) + pd.to_timedelta(
        np.tile(np.arange(per_step) * piece, grid.num_steps), unit="min"
    )
    day = np.asarray(moments.day_of_year, dtype=np.int64) - 1
    leap_moment = np.asarray(moments.is_leap_year)
    leap_year = len(values) * minutes == DAYS_LEAP * MINUTES_PER_DAY
    if leap_year:
        day += ~leap_moment & (day >= FIRST_DAY_AFTER_29_FEBRUARY)
    else:
        day -= leap_moment & (day >= FIRST_DAY_AFTER_29_FEBRUARY)
    minute = day * MINUTES_PER_DAY + np.asarray(moments.hour * 60 + moments.minute, dtype=np.int64)
    return _gathered(values[minute // minutes], grid.num_steps, piece / minutes, kind)


def _gathered(pieces: FloatArray, num_steps: int, share: float, kind: Kind) -> FloatArray:
    """Means or sums of equal numbers of pieces per step; `share` is how much of its value's step a piece is."""
    rows = pieces.reshape(num_steps, -1)
    if kind == "mean":
        found = rows.mean(axis=1) if rows.shape[1] > 1 else rows[:, 0].copy()
    else:
        found = rows.sum(axis=1) * share
    return np.asarray(found, dtype=np.float64)

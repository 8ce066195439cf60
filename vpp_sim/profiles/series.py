"""A profile of any form as one array on the time axis, in the unit used inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.profiles.columns import FloatArray, capped
from vpp_sim.profiles.model import FileProfile
from vpp_sim.profiles.read import Series, read_series
from vpp_sim.profiles.resample import Kind, calendar_resampled, resampled
from vpp_sim.time_grid import TimeGrid
from vpp_sim.units import FACTORS, POWER_UNIT_WORDS, PRICE_UNIT_WORDS, unit_in_name

#: How many times above the largest plausible value a series must be to be called wrong.
IMPLAUSIBLE: Final = 100.0
#: No value of any quantity is larger in its inside unit: a TW, or what a solver could not work with.
ABSURD: Final = 1e9
#: A value this many times above all but a thousandth of its series is told.
SPIKE: Final = 10.0
_WORTH_A_LOOK: Final = 24  # values; a shorter series may well be constant
MINUTES_PER_YEAR: Final = (525_600, 527_040)
FILE_STEPS: Final = (1, 5, 10, 15, 20, 30, 60)


def profile_series(
    profile: Any,
    grid: TimeGrid,
    *,
    quantity: str,
    base_dir: Path,
    path: str = "",
    plausible_max: float | None = None,
    ge: float | None = None,
    le: float | None = None,
    notes: list[str] | None = None,
) -> FloatArray:
    """Values of a `Profile` on the axis, (num_steps,), in the inside unit of `quantity` (a key of `units.FACTORS`).

    Power, price, factor, fraction, yield and temperature are means over the step, energy is the sum in the step. A
    plain number and a generator give a rate: for `energy` they are per hour, so a step gets its share of it. A file
    of power may be declared in an energy unit (metered kWh per interval) and the other way round.

    A file with times must cover the horizon. A file without times is a typical year if it has 8,760 h or 8,784 h of
    values in steps of 1, 5, 10, 15, 20, 30 or 60 minutes, and is then placed by the calendar (see
    `calendar_resampled`: weekdays are not moved, 29 February repeats 28 February where the file has none); otherwise
    it must have exactly the values of the horizon.

    Args:
        profile: the number, `FileProfile` or generator.
        grid: the time axis.
        quantity: key of `units.FACTORS`.
        base_dir: folder that relative paths start from.
        path: dotted place of the profile in the scenario, for faults.
        plausible_max: largest value that makes sense; a series that reaches 100 times as much is refused, since its
            unit is declared wrongly (W declared as kW). Bounds are in the inside unit, for `energy` per hour.
        ge: least allowed value.
        le: largest allowed value.
        notes: takes remarks on what is possible but odd in a file.

    Raises:
        InputError: with a fault for every value, row or key that cannot be used.
    """
    bounds = _Bounds(quantity, plausible_max, ge, le)
    if isinstance(profile, FileProfile):
        return _from_file(profile, grid, quantity, Path(base_dir), path, bounds, [] if notes is None else notes)
    rate = np.full(grid.num_steps, float(profile)) if isinstance(profile, int | float) else profile.rate(grid)
    faults = bounds.faults(rate, quantity_unit(quantity))
    if faults:
        raise InputError(Fault(faults[0][1], path=path))
    return rate * grid.step_hours if quantity == "energy" else np.asarray(rate, dtype=np.float64)


def profile_files(profile: Any, base_dir: Path) -> tuple[Path, ...]:
    """Files that a profile reads, for a run to hash; empty for numbers and generators."""
    return (Path(base_dir) / profile.path,) if isinstance(profile, FileProfile) else ()


def quantity_unit(quantity: str) -> str:
    """The unit used inside for a quantity.

    >>> quantity_unit("power"), quantity_unit("price")
    ('kW', 'per_kwh')
    """
    return next(unit for unit, factor in FACTORS[quantity].items() if factor == 1.0)


class _Bounds:
    """What values of a series are allowed, and how a breach is told."""

    def __init__(self, quantity: str, plausible_max: float | None, ge: float | None, le: float | None) -> None:
        self.quantity = quantity
        self.plausible_max = plausible_max
        self.ge = -np.inf if ge is None else ge
        self.le = np.inf if le is None else le

    def faults(self, rate: FloatArray, unit: str, factor: float = 1.0) -> list[tuple[int, str]]:
        """Position and text of every value that is outside, or of the largest if it is implausible.

        `rate` is in the inside unit; texts tell the values as declared, in `unit`, one of which is `factor` inside.
        """
        if factor <= 0:
            unit, factor = quantity_unit(self.quantity), 1.0
        spaced = "" if unit in ("fraction", "-") else f" {unit}"
        low, high = max(self.ge, -ABSURD), min(self.le, ABSURD)
        outside = np.flatnonzero((rate < low) | (rate > high))
        if (not outside.size or rate.max() > high) and (implausible := self._implausible(rate, unit, factor)):
            return implausible
        if low == 0 and outside.size > 1 and rate.max() <= 0 and np.ptp(rate) > 0:
            first = int(outside[0])
            message = f"must be at least 0{spaced}, got {rate[first] / factor:.6g}, and no value is above 0"
            return [(first, f"{message}; if the file counts the other way round, set scale: -1")]
        told = []
        for position in outside:
            value = float(rate[position])
            words, bound = ("at least", low) if value < low else ("at most", high)
            hint = self._hint(value, unit) if value > high else ""
            told.append(
                (int(position), f"must be {words} {bound / factor:.6g}{spaced}, got {value / factor:.6g}{hint}")
            )
        return told

    def _hint(self, value: float, unit: str) -> str:
        """In which other unit a value that is too large would be possible."""
        if self.quantity in ("fraction", "yield"):
            if not 2 < value <= 100:
                return ""
            other = "unit: percent" if unit == "fraction" else "scale: 0.01"
            return f"; is it in percent? {value:g} % is {value / 100:g}, and a file can have {other}"
        known = FACTORS[self.quantity]
        fitting = [name for name, factor in known.items() if factor < 1 and value * factor <= min(self.le, ABSURD)]
        return f"; is it in {max(fitting, key=lambda name: known[name])}?" if fitting else ""

    def _implausible(self, rate: FloatArray, unit: str, factor: float) -> list[tuple[int, str]]:
        if self.plausible_max is None or self.plausible_max <= 0:
            return []
        position = int(np.argmax(np.abs(rate)))
        largest = abs(float(rate[position]))
        if largest < IMPLAUSIBLE * self.plausible_max:
            return []
        told = (
            f"the largest value, {largest / factor:,.6g} {unit}, is {largest / self.plausible_max:,.0f} times what is "
            f"plausible here ({self.plausible_max:,.6g} {quantity_unit(self.quantity)})"
        )
        known = FACTORS[self.quantity]
        declared = known.get(unit, 0.0)
        fitting = [name for name in known if largest * known[name] <= 10 * self.plausible_max * declared]
        if not fitting:
            return [(position, f"{told}; check the unit")]
        best = max(fitting, key=lambda name: known[name])
        return [(position, f"{told}: looks like {best}, declared {unit}; set unit: {best}")]


def _from_file(
    profile: FileProfile,
    grid: TimeGrid,
    quantity: str,
    base_dir: Path,
    path: str,
    bounds: _Bounds,
    notes: list[str],
) -> FloatArray:
    factor, is_total = _declared(profile.unit, quantity, path)
    series = read_series(profile, base_dir, path, default_timezone=grid.timezone)
    minutes = series.minutes or _minutes_of_undated(series, grid, profile)
    factor *= profile.scale * (60 / minutes if is_total else 1.0)
    rate = series.values * factor
    wrong = bounds.faults(rate, profile.unit, factor)
    if wrong:
        raise InputError(capped([series.fault(position, text) for position, text in wrong]))
    notes += _oddities(series, profile, quantity, grid, minutes)
    kind: Kind = "sum" if quantity == "energy" else "mean"
    values = rate * (minutes / 60) if kind == "sum" else rate
    if series.start is None and len(values) * minutes in MINUTES_PER_YEAR:
        timezone = profile.timezone or grid.timezone
        return calendar_resampled(values, minutes=minutes, grid=grid, timezone=timezone, kind=kind)
    return resampled(
        values,
        minutes=minutes,
        offset_minutes=_offset_minutes(series, minutes, grid),
        num_steps=grid.num_steps,
        step_minutes=grid.step_minutes,
        kind=kind,
    )


def _oddities(series: Series, profile: FileProfile, quantity: str, grid: TimeGrid, minutes: int) -> list[str]:
    """Remarks on a file's column: its name, values that do not change, a single spike, a leap day."""
    values = series.values
    found = []
    words = {"power": POWER_UNIT_WORDS, "energy": POWER_UNIT_WORDS, "price": PRICE_UNIT_WORDS}.get(quantity, {})
    if (told := unit_in_name(series.column, words)) is not None and told != profile.unit:
        found.append(f"its name says {told}, it is read in {profile.unit}; is one of them wrong?")
    if values.size >= _WORTH_A_LOOK:
        sizes = np.abs(values)
        position, common = int(np.argmax(sizes)), np.sort(sizes)[-1 - max(1, values.size // 1000)]
        if np.ptp(values) == 0:
            found.append(f"the same value throughout, {values[0]:g}" if values[0] else "zero throughout")
        elif sizes[position] > SPIKE * common > 0:
            row = f" (line {series.rows[position]})" if series.rows[position] > 0 else ""
            what = f"the largest value, {values[position]:,.6g}{row}, is far above all others, up to {common:,.6g}"
            found.append(f"{what}; a fault of the meter?")
    has_leap_day = ((grid.local.month == 2) & (grid.local.day == 29)).any()
    if series.start is None and values.size * minutes == MINUTES_PER_YEAR[1] and not has_leap_day:
        found.append(f"{values.size:,} values are a leap year, placed by date: its 29 February is not used")
    # a remark names the file alone: a run folder, which has absolute paths, must remark the same when read again
    return [f"{Path(series.file).name}: {series.column}: {note}" for note in found]


def _declared(unit: str, quantity: str, path: str) -> tuple[float, bool]:
    """Factor of the declared unit to the inside one, and whether values are totals of their interval."""
    known = FACTORS[quantity]
    if unit in known:
        return known[unit], quantity == "energy"
    other = {"power": "energy", "energy": "power"}.get(quantity)
    if other is not None and unit in FACTORS[other]:
        return FACTORS[other][unit], other == "energy"
    allowed = [*known, *(FACTORS[other] if other else ())]
    close = next((name for name in allowed if name.lower() == unit.lower()), None) or nearest(unit, allowed)
    hint = f"did you mean {close}? " if close else ""
    raise InputError(
        Fault(
            f"unknown unit {unit!r} of {quantity.replace('_', ' ')}; {hint}one of {', '.join(allowed)}",
            path=f"{path}.unit" if path else "unit",
        )
    )


def _minutes_of_undated(series: Series, grid: TimeGrid, profile: FileProfile) -> int:
    """Step of a series without times: that of a typical year, else that which fills the horizon."""
    count = len(series.values)
    for minutes in FILE_STEPS:
        if count * minutes in MINUTES_PER_YEAR:
            return minutes
    horizon = grid.num_steps * grid.step_minutes
    for minutes in FILE_STEPS:
        if count * minutes == horizon:
            return minutes
    raise InputError(
        Fault(
            f"has {count:,} values and no times: neither a year (8,760 hourly or 35,040 quarter-hourly values; "
            f"8,784 or 35,136 with a 29 February) nor the {grid.num_steps:,} steps of the horizon; "
            "complete the file or add a column with the times",
            path=series.column,
            file=profile.path,
        )
    )


def _offset_minutes(series: Series, minutes: int, grid: TimeGrid) -> int:
    """Minutes from the first value to the start of the horizon, which the series must cover."""
    if series.start is None:
        return 0
    begin = grid.index[0].tz_convert("UTC").tz_localize(None)
    end = begin + pd.Timedelta(minutes=grid.num_steps * grid.step_minutes)
    first, last = series.start, series.start + pd.Timedelta(minutes=minutes * len(series.values))
    if first <= begin and end <= last:
        return int((begin - first) / pd.Timedelta(minutes=1))

    def told(moment: pd.Timestamp) -> str:
        return f"{moment.tz_localize('UTC').tz_convert(grid.timezone):%Y-%m-%d %H:%M}"

    raise InputError(
        Fault(
            f"covers {told(first)} to {told(last)} ({grid.timezone}), the horizon is {told(begin)} to {told(end)}; "
            "move the horizon or give a file that covers it (a full year without times is used as a typical year)",
            path=series.column,
            file=series.file,
        )
    )

"""Rows of a file as they can be used: what cannot be is refused, what can be repaired is repaired and said.

In this order, each with a sentence in the notes where it did something:

1. magnitudes that cannot be (wrong units, damaged rows), negative radiation, missing values;
2. the clock: the centroid of the radiation must fall on solar noon. The energy-weighted mean hour angle of the sun is
   its distance; beyond 15 minutes all rows are moved (in steps of five minutes), beyond 3 hours the file is refused;
3. radiation at night: more than 2 % of the energy means a wrong zone, label or place;
4. closure: where `DNI sin(h) + DHI` misses GHI by more than 3 % in total or 10 % in the mean of rows, both are set
   aside and GHI is decomposed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from vpp_sim.errors import Fault, InputError
from vpp_sim.units import MINUTES_PER_HOUR, WEATHER_UNIT_WORDS, unit_in_name
from vpp_sim.weather.climate import notes_on_place
from vpp_sim.weather.series import (
    DHI,
    DNI,
    GHI,
    HUMIDITY,
    PRESSURE,
    RADIATION,
    TEMPERATURE,
    WIND,
    FloatArray,
    Rows,
)
from vpp_sim.weather.sun import (
    MINUTES_PER_DAY,
    SUBSTEP_MINUTES,
    Site,
    SunMeans,
    extraterrestrial_w_per_m2,
    hour_angle_deg,
    pressure_at_pa,
    sun_means,
)

_LIMITS: Final = {
    GHI: (-5.0, 1600.0),
    DNI: (-5.0, 1300.0),
    DHI: (-5.0, 1200.0),
    TEMPERATURE: (-90.0, 65.0),
    WIND: (0.0, 75.0),
    PRESSURE: (30_000.0, 110_000.0),
    HUMIDITY: (0.0, 1.5),
}
_UNITS: Final = {
    **dict.fromkeys(RADIATION, "W/m2"),
    TEMPERATURE: "degC",
    WIND: "m/s",
    PRESSURE: "Pa",
    HUMIDITY: "as a fraction",
}
_WIND_ASSUMED: Final = 1.0
_HUMIDITY_ASSUMED: Final = 0.5
_LONGEST_GAP_HOURS: Final = 3
_MIN_DAYS_FOR_CLOCK: Final = 20
_MIN_DAYS_FOR_BRIGHTNESS: Final = 90
_LARGEST_UNNOTICED_SHIFT_HOURS: Final = 0.25
_LARGEST_SHIFT_HOURS: Final = 3.0
_SHIFT_NOTED_HOURS: Final = 0.75  # of few days, whose clouds could also be the reason
_HOTTEST_MEAN_CELSIUS: Final = 42.0  # the hottest months measured have 39 to 41


def inspected(rows: Rows, site: Site, shift_hours: float | Literal["auto"]) -> Rows:
    """Complete and plausible rows, centred on solar noon, with DHI only where it closes with GHI.

    Raises:
        InputError: values that cannot be, missing radiation, a clock that is wrong by hours, radiation at night.
    """
    if rows.place is not None:
        rows = rows.noted(*notes_on_place(rows.place, site))
    rows = _completed(_plausible(rows), site)
    rows = _on_solar_noon(rows, site, shift_hours)
    sun = sun_means(rows.nominal_start + rows.radiation_phase, rows.row_minutes, rows.num_rows, site)
    _refuse_night(rows, sun)
    _refuse_dim(rows, sun)
    return _closed(rows, sun)


def _fault(rows: Rows, message: str, column: str = "", row: int | None = None) -> Fault:
    line = None if row is None else rows.line(row)
    return Fault(message, path=rows.name(column) if column else "", file=rows.file, line=line)


def _plausible(rows: Rows) -> Rows:
    faults: list[Fault] = []
    values = dict(rows.values)
    notes: list[str] = []
    for column, series in rows.values.items():
        low, high = _LIMITS[column]
        wrong = np.flatnonzero((series < low) | (series > high))
        if wrong.size:
            faults.append(_fault(rows, _what_cannot_be(rows, column, series, wrong), column, int(wrong[0])))
        elif column in RADIATION:
            below = series < 0
            if below.any():
                notes.append(
                    f"{rows.name(column)}: {below.sum():,} slightly negative values (down to "
                    f"{series[below].min():.1f} W/m2, a zero offset) were set to 0"
                )
            values[column] = np.where(below, 0.0, series)
        elif column == HUMIDITY:
            above = series > 1.03  # a little more is rounding
            if above.any():
                notes.append(
                    f"{rows.name(column)}: {above.sum():,} values above saturation (up to "
                    f"{100 * series[above].max():.0f} %) were set to 100 %"
                )
            values[column] = np.minimum(series, 1.0)
    faults += _too_hot(rows) if not faults else []
    notes += _monotonous(rows)
    ghi = rows.values[GHI]
    known = ghi[np.isfinite(ghi)]
    if not faults and known.size and known.max() <= 2.0 and rows.num_rows * rows.row_minutes >= MINUTES_PER_DAY:
        why = "is it in kW/m2? declare the unit" if known.max() > 0 else "give another column"
        faults.append(
            _fault(rows, f"no sun in the whole file, the largest value is {known.max():.3g} W/m2; {why}", GHI)
        )
    if faults:
        raise InputError(faults)
    return replace(rows, values=values).noted(*notes)


def _too_hot(rows: Rows) -> list[Fault]:
    """A mean temperature that no place on earth has."""
    celsius = rows.values[TEMPERATURE]
    known = celsius[np.isfinite(celsius)]
    if known.size == 0 or rows.num_rows * rows.row_minutes < MINUTES_PER_DAY or known.mean() <= _HOTTEST_MEAN_CELSIUS:
        return []
    message = f"the mean is {known.mean():.0f} degC; is it in Fahrenheit (unit: degF)? declare the unit"
    return [_fault(rows, message, TEMPERATURE)]


def _monotonous(rows: Rows) -> list[str]:
    """A temperature that never changes, and units in the names of columns that were taken for others."""
    notes = []
    for column in rows.values:
        unit = _UNITS[column] if column != HUMIDITY else "fraction"
        declared = rows.units.get(column, unit)
        if (told := unit_in_name(rows.name(column), WEATHER_UNIT_WORDS)) is not None and told != declared:
            notes.append(f"{rows.name(column)} is read in {declared}; its name says {told}: declare the unit if so")
    celsius = rows.values[TEMPERATURE]
    known = celsius[np.isfinite(celsius)]
    if rows.num_rows * rows.row_minutes >= MINUTES_PER_DAY and known.size > 1 and np.ptp(known) == 0:
        notes.append(f"{rows.name(TEMPERATURE)} has the same value, {known[0]:g} degC, in all rows")
    return notes


def _what_cannot_be(rows: Rows, column: str, series: FloatArray, wrong: NDArray[np.int64]) -> str:
    value = float(series[wrong[0]])
    low, high = _LIMITS[column]
    more = f" (and {wrong.size - 1:,} more rows)" if wrong.size > 1 else ""
    unit = _UNITS[column]
    remedy = "correct or remove the row"
    if column in RADIATION:
        if value < 0:
            return f"must not be negative, got {value:g} W/m2{more}; mend the rows or choose another column"
        remedy = "is it a sum or in another unit? declare the unit, or mend the row"
    elif column == TEMPERATURE and 180 < value < 340:
        remedy = "is it in kelvin? declare the unit"
    elif column == TEMPERATURE and high < value < 140:
        remedy = "is it in Fahrenheit (unit: degF)? declare the unit, or mend the row"
    elif column == HUMIDITY and value <= 110:
        remedy = "is it in percent? declare the unit"
    elif column == PRESSURE and (300 < value < 1100 or 30 < value < 110):
        remedy = f"is it in {'hPa' if value > 200 else 'kPa'}? declare the unit"
    low = 0.0 if column in RADIATION else low
    return f"must lie between {low:,g} and {high:,g} {unit}, got {value:,g}{more}; {remedy}"


def _completed(rows: Rows, site: Site) -> Rows:
    """Missing values filled where that is harmless, refused where it is not."""
    values = dict(rows.values)
    notes: list[str] = []
    faults: list[Fault] = []
    missing = np.flatnonzero(np.isnan(values[GHI]))
    if missing.size:
        faults.append(
            _fault(
                rows,
                f"missing in {missing.size:,} rows, first here; fill them or use another file",
                GHI,
                int(missing[0]),
            )
        )
    gap = _longest_gap(np.isnan(values[TEMPERATURE]))
    if gap * rows.row_minutes > _LONGEST_GAP_HOURS * MINUTES_PER_HOUR:
        first = int(np.flatnonzero(np.isnan(values[TEMPERATURE]))[0])
        hours = gap * rows.row_minutes / MINUTES_PER_HOUR
        faults.append(
            _fault(
                rows,
                f"missing for {hours:g} h on end (up to {_LONGEST_GAP_HOURS} h are interpolated), first missing here; "
                "fill the rows or use another file",
                TEMPERATURE,
                first,
            )
        )
    if faults:
        raise InputError(faults)
    for column in (DNI, DHI):
        if column in values and np.isnan(values[column]).any():
            notes.append(f"{rows.name(column)} is missing in {np.isnan(values[column]).sum():,} rows and was not used")
            del values[column]
    pressure = pressure_at_pa(site.altitude_m)
    fallbacks = {
        WIND: (_WIND_ASSUMED, f"wind speed is not in the file: {_WIND_ASSUMED:g} m/s assumed"),
        PRESSURE: (
            pressure,
            f"pressure is not in the file: {pressure / 1000:.1f} kPa, the standard atmosphere at {site.altitude_m:g} m",
        ),
        HUMIDITY: (_HUMIDITY_ASSUMED, f"relative humidity is not in the file: {_HUMIDITY_ASSUMED:.2f} assumed"),
    }
    for column in (TEMPERATURE, *fallbacks):
        series = values.get(column)
        absent = np.ones(rows.num_rows, dtype=bool) if series is None else np.isnan(series)
        if column in fallbacks and absent.mean() > 0.1:
            assumed, note = fallbacks[column]
            values[column] = np.full(rows.num_rows, assumed)
            notes.append(note)
        elif series is not None and absent.any():
            known = np.flatnonzero(~absent)
            values[column] = np.interp(np.arange(rows.num_rows), known, series[known])
            notes.append(f"{rows.name(column)}: {absent.sum():,} missing rows were interpolated")
    return replace(rows, values=values).noted(*notes)


def _longest_gap(missing: NDArray[np.bool_]) -> int:
    """Largest number of missing rows on end.

    >>> _longest_gap(np.array([False, True, True, False, True]))
    2
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0


def centroid_delay_hours(rows: Rows, site: Site) -> float:
    """How long after solar noon the radiation is centred [h], between -12 and 12.

    Circular energy-weighted mean of the hour angle at the middle of the rows: `arg(sum(GHI exp(i H))) / 15`.
    """
    begin = rows.nominal_start + rows.radiation_phase
    middles = begin + rows.row_minutes * (np.arange(rows.num_rows) + 0.5)
    angle = np.radians(hour_angle_deg(np.asarray(middles), site))
    ghi = rows.values[GHI]
    return float(np.degrees(np.arctan2((ghi * np.sin(angle)).sum(), (ghi * np.cos(angle)).sum())) / 15)


def _on_solar_noon(rows: Rows, site: Site, shift_hours: float | Literal["auto"]) -> Rows:
    if shift_hours != "auto":
        minutes = SUBSTEP_MINUTES * round(shift_hours * MINUTES_PER_HOUR / SUBSTEP_MINUTES)
        return (
            rows.moved(minutes).noted(f"all rows were moved by {_minutes(minutes)} as the scenario says")
            if minutes
            else rows
        )
    if abs(site.latitude) > 66:
        return rows
    delay = centroid_delay_hours(rows, site)
    if rows.num_rows * rows.row_minutes < _MIN_DAYS_FOR_CLOCK * MINUTES_PER_DAY:
        if rows.num_rows * rows.row_minutes < MINUTES_PER_DAY or abs(delay) <= _SHIFT_NOTED_HOURS:
            return rows
        return rows.noted(
            f"the radiation of the file is centred {abs(delay):.1f} h {'after' if delay > 0 else 'before'} solar noon, "
            "in too few days to tell clouds from a wrong clock; check its time zone and the label of its rows"
        )
    if abs(delay) > _LARGEST_SHIFT_HOURS:
        raise InputError(
            _fault(
                rows,
                f"the radiation is centred {abs(delay):.1f} h {'after' if delay > 0 else 'before'} solar noon at "
                f"longitude {site.longitude:g}: the file's time zone, the label of its rows or the site is wrong; "
                "correct that, or set shift_hours",
                GHI,
            )
        )
    minutes = -SUBSTEP_MINUTES * round(delay * MINUTES_PER_HOUR / SUBSTEP_MINUTES)
    if abs(delay) <= _LARGEST_UNNOTICED_SHIFT_HOURS or minutes == 0:
        return rows
    return rows.moved(minutes).noted(
        f"the radiation of the file is centred {abs(delay):.2f} h {'after' if delay > 0 else 'before'} solar noon: "
        f"all rows were moved by {_minutes(minutes)}, at unchanged energy"
    )


def _minutes(minutes: int) -> str:
    """A signed span of time.

    >>> _minutes(-85), _minutes(30)
    ('-1 h 25 min', '+30 min')
    """
    hours, rest = divmod(abs(minutes), MINUTES_PER_HOUR)
    text = " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))
    return ("-" if minutes < 0 else "+") + text


def _refuse_night(rows: Rows, sun: SunMeans) -> None:
    ghi = rows.values[GHI]
    dark = (sun.daylight == 0) & (ghi > 0)
    share = float(ghi[dark].sum() / max(ghi.sum(), 1e-9))
    if share > 0.02:
        raise InputError(
            _fault(
                rows,
                f"{100 * share:.0f} % of the radiation falls into the night at the site, first here: the file's time "
                "zone, the label of its rows or the site is wrong; correct that, or set shift_hours",
                GHI,
                int(np.flatnonzero(dark)[0]),
            )
        )


def _refuse_dim(rows: Rows, sun: SunMeans) -> None:
    """A season without a clear hour is a sum per row or another unit, not weather."""
    if rows.num_rows * rows.row_minutes < _MIN_DAYS_FOR_BRIGHTNESS * MINUTES_PER_DAY:
        return
    outside = extraterrestrial_w_per_m2(sun.day_of_year) * sun.direction.up * sun.daylight
    high = outside > 200
    if not high.any():
        return
    clear = float(np.quantile(rows.values[GHI][high] / outside[high], 0.99))
    if clear < 0.35:
        raise InputError(
            _fault(
                rows,
                f"even the clearest rows have {100 * clear:.0f} % of the radiation above the atmosphere "
                "(a clear sky has 70 to 80 %); is it a sum per row or in another unit? declare the unit",
                GHI,
            )
        )


def _closed(rows: Rows, sun: SunMeans) -> Rows:
    values = dict(rows.values)
    ghi = values[GHI]
    total = max(float(ghi.sum()), 1e-9)
    if DNI not in values and DHI not in values:
        return rows.noted("the file has global radiation only: decomposed into direct and diffuse after Erbs (1982)")
    if DNI in values and DHI in values:
        rest = values[DNI] * sun.direction.up + values[DHI] - ghi
        ratio, scatter = 1 + float(rest.sum()) / total, float(np.abs(rest).sum()) / total
        if abs(ratio - 1) > 0.03 or scatter > 0.10:
            del values[DHI], values[DNI]
            return replace(rows, values=values).noted(
                f"direct and diffuse radiation of the file do not close with the global one: DNI sin(h) + DHI is "
                f"{100 * ratio:.1f} % of GHI (mean deviation of rows {100 * scatter:.0f} %, largest DNI "
                f"{rows.values[DNI].max():.0f} W/m2); GHI was decomposed after Erbs (1982) instead"
            )
    elif DNI in values:
        values[DHI] = np.clip(ghi - values[DNI] * sun.direction.up, 0.0, ghi)
    values.pop(DNI, None)
    return replace(rows, values=values)

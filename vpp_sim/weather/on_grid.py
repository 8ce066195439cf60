"""Rows onto the steps of a time grid, keeping the energy and the mean of every row.

Radiation. Every row covers some sub-steps of five minutes. Its GHI is spread over them along the clear-sky shape S
(Haurwitz) times a clear-sky index that is linear between the rows' middles, and scaled so that the row keeps its mean:

    ghi(t) = f k(t) S(t),   mean over the row of ghi = GHI of the row

Nothing falls on sub-steps with the sun down. The diffuse share of a row is the file's DHI / GHI or, where there is
none, Erbs' (Erbs, Klein and Duffie 1982, doi:10.1016/0038-092X(82)90302-4), evaluated on the row. Then

    dhi(t) = share ghi(t),   dni(t) = (ghi(t) - dhi(t)) / sin(h)

with two limits that turn beam into diffuse: none below 2.9 deg of elevation, and no more than an exceptionally clear
sky passes, 1361 * 0.85^(sin(h)^-0.678) (the form of Meinel and Meinel, Applied Solar Energy, 1976, who have
0.7 for a usual sky).
Steps are means of their sub-steps, so that steps of 5, 15 and 60 minutes of the same rows have the same hourly means.

Temperature and pressure are linear between the rows' middles plus the constant per row that keeps its mean; wind and
dryness (1 - relative humidity) are linear times such a factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather.series import DHI, GHI, HUMIDITY, PRESSURE, TEMPERATURE, WIND, FloatArray, Rows, Weather
from vpp_sim.weather.sun import (
    MINUTES_PER_DAY,
    SUBSTEP_MINUTES,
    Site,
    clear_shape,
    first_minute,
    substep_minutes,
    sun_direction,
    sun_means,
)

_LOWEST_SINE: Final = 0.05  # of the elevation with beam
_DAYS_TO_29_FEBRUARY: Final = 59


@dataclass(frozen=True)
class _Spread:
    """Row instances that cover the grid: which row, from which minute on, and how sub-steps fall onto grid steps."""

    row: NDArray[np.int64]
    begin: int
    row_minutes: int
    grid_begin: int
    step_minutes: int
    num_steps: int

    @property
    def per_row(self) -> int:
        return self.row_minutes // SUBSTEP_MINUTES

    @property
    def middles(self) -> FloatArray:
        return np.asarray(self.begin + self.row_minutes * (np.arange(self.row.size) + 0.5))

    @property
    def substeps(self) -> FloatArray:
        return substep_minutes(self.begin, self.row.size * self.per_row)

    def to_steps(self, substeps: FloatArray) -> FloatArray:
        """Means over the grid's steps of values on the sub-steps."""
        skip = (self.grid_begin - self.begin) // SUBSTEP_MINUTES
        per_step = self.step_minutes // SUBSTEP_MINUTES
        window = substeps.reshape(-1)[skip : skip + self.num_steps * per_step]
        return np.asarray(window.reshape(self.num_steps, per_step).mean(axis=1))


def onto_grid(rows: Rows, grid: TimeGrid, site: Site) -> Weather:
    """Weather over the steps of the grid from complete, checked rows."""
    lost, (ghi, dni, dhi) = _radiation(rows, _spread(rows, grid, rows.radiation_phase), site)
    spread = _spread(rows, grid, rows.air_phase)
    air = {name: _mean_preserving(rows.values[name], spread) for name in (TEMPERATURE, PRESSURE)}
    wind = _mean_preserving(rows.values[WIND], spread, positive=True)
    dryness = _mean_preserving(1 - rows.values[HUMIDITY], spread, positive=True)
    notes = [*rows.notes]
    if lost > 1e-3:
        notes.append(f"{100 * lost:.1f} % of the radiation lies in rows without sun and was left out")
    return Weather(
        ghi_w_per_m2=ghi,
        dni_w_per_m2=dni,
        dhi_w_per_m2=dhi,
        temperature_celsius=air[TEMPERATURE],
        wind_speed_m_per_s=wind,
        pressure_pa=air[PRESSURE],
        relative_humidity=np.clip(1 - dryness, 0.0, 1.0),
        notes=tuple(notes),
        source_description=rows.description,
    )


def rows_of_days(rows: Rows) -> NDArray[np.int64]:
    """Day of a typical year's rows for each day of a leap year, (366,); a missing 29 February is the 28th."""
    num_days = rows.num_rows * rows.row_minutes // MINUTES_PER_DAY
    days = np.arange(366)
    return days if num_days == 366 else np.where(days >= _DAYS_TO_29_FEBRUARY, days - 1, days)


def _spread(rows: Rows, grid: TimeGrid, phase: int) -> _Spread:
    grid_begin = first_minute(grid)
    grid_end = grid_begin + grid.num_steps * grid.step_minutes
    length = rows.row_minutes
    origin = rows.nominal_start + phase
    pad = -(-120 // length)
    number = np.arange((grid_begin - origin) // length - pad, -((origin - grid_end) // length) + pad)
    if rows.typical:
        clock = rows.nominal_start + number * length + rows.clock_minutes
        day, minute = np.divmod(clock, MINUTES_PER_DAY)
        dates = day.astype("datetime64[D]")
        years = dates.astype("datetime64[Y]")
        day_of_year = (dates - years).astype(np.int64)
        num_years = years.astype(np.int64) + 1970
        leap = (num_years % 4 == 0) & ((num_years % 100 != 0) | (num_years % 400 == 0))
        in_leap_year = day_of_year + (~leap & (day_of_year >= _DAYS_TO_29_FEBRUARY))
        row = rows_of_days(rows)[in_leap_year] * (MINUTES_PER_DAY // length) + minute // length
    else:
        row = np.clip(number, 0, rows.num_rows - 1)
    return _Spread(
        row=row,
        begin=int(origin + number[0] * length),
        row_minutes=length,
        grid_begin=grid_begin,
        step_minutes=grid.step_minutes,
        num_steps=grid.num_steps,
    )


def _radiation(rows: Rows, spread: _Spread, site: Site) -> tuple[float, tuple[FloatArray, FloatArray, FloatArray]]:
    """Share of the energy without sun, and GHI, DNI and DHI of the grid's steps."""
    ghi_rows = rows.values[GHI][spread.row]
    if DHI in rows.values:
        dhi_rows = rows.values[DHI][spread.row]
        share = np.clip(np.divide(dhi_rows, ghi_rows, out=np.ones_like(ghi_rows), where=ghi_rows > 0), 0.0, 1.0)
    else:
        share = erbs_diffuse_share(ghi_rows, spread.begin, spread.row_minutes, site)
    up = sun_direction(spread.substeps, site).up.reshape(-1, spread.per_row)
    shape = clear_shape(up)
    clear = shape.mean(axis=1)
    lit = 20 * clear > ghi_rows
    index = np.clip(np.divide(ghi_rows, clear, out=np.zeros_like(clear), where=lit), 0.01, 3.0)
    # the first and last index of a day hold through the neighbouring rows, so that days do not mix over the night
    index = np.where(lit, index, np.where(np.roll(lit, 1), np.roll(index, 1), np.roll(index, -1)))
    ghi = np.interp(spread.substeps, spread.middles, index).reshape(shape.shape) * shape
    mean = ghi.mean(axis=1)
    ghi *= np.divide(ghi_rows, mean, out=np.zeros_like(mean), where=lit & (mean > 0))[:, None]
    total = float(ghi_rows.sum())
    lost = 1 - float(ghi.mean(axis=1).sum()) / total if total > 0 else 0.0

    beam = ghi * (1 - share)[:, None]
    high = up > _LOWEST_SINE
    dni = np.divide(beam, up, out=np.zeros_like(beam), where=high)
    strong = dni > 300.0
    dni[strong] = np.minimum(dni[strong], 1361.0 * 0.85 ** (up[strong] ** -0.678))
    dhi = ghi - dni * np.where(high, up, 0.0)
    return lost, (spread.to_steps(ghi), spread.to_steps(dni), spread.to_steps(np.maximum(dhi, 0.0)))


def erbs_diffuse_share(ghi: FloatArray, begin: int, row_minutes: int, site: Site) -> FloatArray:
    """DHI / GHI after Erbs of rows that follow each other from a UTC minute on, (num_rows,); 1 at night.

    Elevation is the beam-weighted mean of the sunlit part of the row, GHI the mean over that part.
    """
    from pvlib import irradiance

    sun = sun_means(begin, row_minutes, ghi.size, site)
    lit = (sun.daylight > 0) & (ghi > 0)
    share = np.ones_like(ghi)
    if lit.any():
        while_up = ghi[lit] / sun.daylight[lit]
        zenith = np.degrees(np.arccos(np.clip(sun.direction.up[lit], 0, 1)))
        share[lit] = irradiance.erbs(while_up, zenith, sun.day_of_year[lit])["dhi"] / while_up
    return np.clip(share, 0.0, 1.0)


def _mean_preserving(rows: FloatArray, spread: _Spread, positive: bool = False) -> FloatArray:
    """Means over the grid's steps of a quantity given as row means; `positive` ones are scaled, never below 0."""
    rows = rows[spread.row]
    if spread.row_minutes == spread.step_minutes and (spread.grid_begin - spread.begin) % spread.row_minutes == 0:
        skip = (spread.grid_begin - spread.begin) // spread.row_minutes
        return rows[skip : skip + spread.num_steps]
    substeps = np.interp(spread.substeps, spread.middles, rows).reshape(-1, spread.per_row)
    means = substeps.mean(axis=1)
    if positive:
        substeps *= np.divide(rows, means, out=np.zeros_like(means), where=means > 0)[:, None]
    else:
        substeps += (rows - means)[:, None]
    return spread.to_steps(substeps)

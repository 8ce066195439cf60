"""`read_weather`: a source onto a time grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vpp_sim.errors import Fault, InputError
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather.climate import climate_rows, is_path, load_climate
from vpp_sim.weather.csv_file import read_csv
from vpp_sim.weather.epw_tmy3 import read_epw, read_tmy3
from vpp_sim.weather.inspect_rows import inspected
from vpp_sim.weather.nasa_power import read_nasa_power
from vpp_sim.weather.on_grid import onto_grid
from vpp_sim.weather.pvgis import read_pvgis
from vpp_sim.weather.series import Rows, Weather
from vpp_sim.weather.sources import ClimateSource, CsvSource, FileSource, WeatherSource
from vpp_sim.weather.sun import MINUTES_PER_DAY, Site, first_minute
from vpp_sim.weather.text import text_of

_TOLERANCE_MINUTES = 120  # at either end of the horizon; the nearest row, at night, is repeated there
_DAYS_AROUND = 200  # of a long series are kept beside the horizon


def read_weather(source: WeatherSource, grid: TimeGrid, site: Site, base_dir: Path) -> Weather:
    """Weather over the steps of the grid; paths are relative to `base_dir`.

    Raises:
        InputError: an unknown climate, a file that cannot be read or used, or one that does not cover the horizon.
    """
    if isinstance(source, ClimateSource):
        if abs(site.latitude) > 66:
            raise InputError(
                Fault(
                    f"synthetic years are for latitudes up to 66 deg, got {site.latitude:g}; give a weather file",
                    path="weather.source",
                )
            )
        rows = climate_rows(load_climate(source.climate, base_dir), source.seed, site)
    else:
        rows = inspected(covering(read_rows(source, base_dir, grid), grid), site, source.shift_hours)
    return onto_grid(rows.noted(*_calendar_notes(rows, grid)), grid, site)


def read_rows(source: FileSource, base_dir: Path, grid: TimeGrid) -> Rows:
    """The rows of a file as it has them; missing values are NaN. A CSV file's times may be in the grid's zone.

    Raises:
        InputError: the file cannot be read or is not what its source says, with line and remedy.
    """
    text = text_of(base_dir / source.path, source.path)
    if isinstance(source, CsvSource):
        return read_csv(text, source, grid)
    reader = {"epw": read_epw, "tmy3": read_tmy3, "pvgis": read_pvgis, "nasa_power": read_nasa_power}[source.source]
    return reader(text, source.path)


def source_files(source: WeatherSource, base_dir: Path) -> tuple[Path, ...]:
    """Files beside the package that a source reads; a run hashes them."""
    if not isinstance(source, ClimateSource):
        return (base_dir / source.path,)
    if isinstance(source.climate, str) and is_path(source.climate):
        return (base_dir / source.climate,)
    return ()


def covering(rows: Rows, grid: TimeGrid) -> Rows:
    """Rows that cover the grid: the dated ones, or a whole year of them that stands for a typical one.

    Raises:
        InputError: the file neither covers the horizon nor holds a whole calendar year.
    """
    if rows.typical:
        return rows
    begin, end = first_minute(grid), first_minute(grid) + grid.num_steps * grid.step_minutes
    phases = (rows.radiation_phase, rows.air_phase)
    first = rows.nominal_start + max(phases)
    last = rows.nominal_start + rows.num_rows * rows.row_minutes + min(phases)
    if first <= begin + _TOLERANCE_MINUTES and end <= last + _TOLERANCE_MINUTES:
        per_day = MINUTES_PER_DAY // rows.row_minutes
        before = (begin - rows.nominal_start) // rows.row_minutes - _DAYS_AROUND * per_day
        after = (end - rows.nominal_start) // rows.row_minutes + _DAYS_AROUND * per_day
        return rows.cut(max(0, before), min(rows.num_rows, after))
    years = _whole_years(rows)
    if not years:
        raise InputError(Fault(_what_is_missing(rows, grid, first, last), file=rows.file))
    wanted = grid.start.year
    year = wanted if wanted in years else max(years)
    return replace(rows.cut(*years[year]), typical=True).noted(
        f"the file does not cover the whole horizon ({_span(grid)}); its year {year} stands for it"
    )


def _whole_years(rows: Rows) -> dict[int, tuple[int, int]]:
    """Calendar years that the rows hold whole, by the file's clock: first row and the one after the last."""
    clock = rows.nominal_start + rows.clock_minutes
    end = clock + rows.num_rows * rows.row_minutes
    years = {}
    for year in range(
        *(
            int(np.datetime64(minute, "m").astype("datetime64[Y]").astype(int)) + 1970 + later
            for minute, later in ((clock, 0), (end, 1))
        )
    ):
        begins, ends = (int(np.datetime64(f"{at:04d}-01-01", "m").astype(np.int64)) for at in (year, year + 1))
        if begins >= clock and ends <= end and (begins - clock) % rows.row_minutes == 0:
            years[year] = ((begins - clock) // rows.row_minutes, (ends - clock) // rows.row_minutes)
    return years


def _span(grid: TimeGrid) -> str:
    return f"{grid.local[0]:%Y-%m-%d} to {grid.local[-1]:%Y-%m-%d}"


def _what_is_missing(rows: Rows, grid: TimeGrid, first: int, last: int) -> str:
    """Which local days of the horizon lie outside of the rows."""
    starts = first_minute(grid) + np.arange(grid.num_steps) * grid.step_minutes
    outside = (starts < first) | (starts + grid.step_minutes > last)
    days = np.unique(grid.day[outside])
    midnight = grid.local[0].normalize()
    spans = np.split(days, np.flatnonzero(np.diff(days) > 1) + 1)
    told = []
    for span in spans:
        ends = [
            f"{midnight.to_pydatetime().date() + (np.timedelta64(int(day), 'D')).item():%Y-%m-%d}"
            for day in (span[0], span[-1])
        ]
        told.append(ends[0] if span.size == 1 else f"{ends[0]} to {ends[1]} ({span.size} days)")
    have = [
        f"{np.datetime64(minute + rows.clock_minutes, 'm').astype('datetime64[D]')}" for minute in (first, last - 1)
    ]
    return (
        f"does not cover the horizon: {' and '.join(told)} missing; the file has {have[0]} to {have[1]}. "
        "Move the horizon, or give a file with these days or with a whole calendar year"
    )


def _calendar_notes(rows: Rows, grid: TimeGrid) -> list[str]:
    if not rows.typical:
        return []
    offset = rows.clock_minutes / 60
    notes = [f"a typical year, mapped onto {_span(grid)} by month, day and hour at UTC{offset:+g} (no summer time)"]
    leap = bool(((grid.local.month == 2) & (grid.local.day == 29)).any())
    if leap and rows.num_rows * rows.row_minutes == 365 * MINUTES_PER_DAY:
        notes.append("29 February, which the typical year lacks, repeats 28 February")
    return notes

"""Plain CSV files: comment lines (#) at the top, a header, one row per step, with columns as the scenario maps them."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.time_grid import STEP_MINUTES, TimeGrid
from vpp_sim.units import MINUTES_PER_HOUR
from vpp_sim.weather.series import Rows
from vpp_sim.weather.sources import CsvSource, column_of, units_of
from vpp_sim.weather.sun import SUBSTEP_MINUTES
from vpp_sim.weather.text import check_equal_steps, guess, numbers_of, parsed, refused, shortened, utc_minutes


def read_csv(text: str, source: CsvSource, grid: TimeGrid) -> Rows:
    """A plain CSV file: comment lines (#) at the top, a header, one row per step."""
    file = source.path
    lines = text.splitlines()
    comments = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    header = lines[comments]
    delimiter = max(",;\t", key=header.count)
    if header.upper().startswith("LOCATION,") or header.startswith(("{", "Latitude (decimal")):
        raise refused(f"not a plain CSV file{guess(text)}", file, comments + 1)
    names = [name.strip().strip('"') for name in header.split(delimiter)]
    wanted: dict[str, tuple[str, str | None]] = {
        key: column_of(given) for key, given in dict(source.columns).items() if given is not None
    }
    faults = []
    for place, name in [
        ("weather.time", source.time),
        *((f"weather.columns.{key}", name) for key, (name, _) in wanted.items()),
    ]:
        if name not in names:
            close = nearest(name, names)
            have = ", ".join(shortened(known) for known in names[:8]) + (", ..." if len(names) > 8 else "")
            hint = f"did you mean {close}?" if close else f"the file has {have}"
            faults.append(Fault(f"no column '{name}' in line {comments + 1}; {hint}", path=place, file=file))
    for key, (_, unit) in wanted.items():
        if unit is not None and unit not in units_of(key):
            faults.append(
                Fault(f"unknown unit '{unit}'; one of {', '.join(units_of(key))}", path=f"weather.columns.{key}.unit")
            )
    if faults:
        raise InputError(faults)
    for number, line in enumerate(lines[comments + 1 :]):
        if line.count(delimiter) != len(names) - 1 and '"' not in line:
            raise refused(
                f"the row has {line.count(delimiter) + 1} fields where the header has {len(names)}: cut off?"
                if line.strip()
                else "the row is empty; remove it or fill it",
                file,
                comments + 2 + number,
            )
    if len(lines) < comments + 3:
        raise refused("needs two rows or more below its header", file, len(lines))
    frame = parsed(
        lambda: pd.read_csv(
            io.StringIO("\n".join(lines[comments:]) + "\n"),
            sep=delimiter,
            skipinitialspace=True,
            dtype={source.time: str},
        ),
        file,
        "a CSV file",
    )
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    first_line = comments + 2
    labels, clock_minutes = _csv_times(frame[source.time], source, grid, first_line)
    row_minutes = int(np.median(np.diff(labels)))
    if row_minutes not in (*STEP_MINUTES, 20):
        raise refused(
            f"rows are {row_minutes} minutes apart; must be one of {', '.join(map(str, sorted((*STEP_MINUTES, 20))))}",
            file,
            first_line + 1,
            source.time,
        )
    check_equal_steps(labels, row_minutes, file, first_line, source.time)
    per_row = MINUTES_PER_HOUR / row_minutes
    values = {}
    for key, (name, unit) in wanted.items():
        units = units_of(key)
        factor, offset = units[unit] if unit is not None else (1.0, 0.0)
        if unit is not None and key.endswith("_w_per_m2") and not unit.startswith(("W/", "kW/")):
            factor *= per_row
        values[key] = numbers_of(frame, name, name, file, first_line) * factor + offset
    before = {"start": 0, "middle": row_minutes / 2, "end": row_minutes}[source.label]
    begin = labels[0] - before
    nominal = int(-(-(begin + clock_minutes) // row_minutes) * row_minutes - clock_minutes)
    phase = SUBSTEP_MINUTES * round((begin - nominal) / SUBSTEP_MINUTES)
    return Rows(
        file=file,
        description=f"CSV series {Path(file).name}",
        values=values,
        nominal_start=nominal,
        row_minutes=row_minutes,
        clock_minutes=clock_minutes,
        typical=False,
        radiation_phase=phase,
        air_phase=phase,
        first_line=first_line,
        names={key: name for key, (name, _) in wanted.items()},
        units={key: unit for key, (_, unit) in wanted.items() if unit is not None},
    )


def _csv_times(
    series: pd.Series[Any], source: CsvSource, grid: TimeGrid, first_line: int
) -> tuple[NDArray[np.int64], int]:
    """UTC minutes since 1970 of the labels, and the clock's standard offset from UTC."""
    file, name = source.path, source.time
    words = series.astype("str").str.strip()
    offsets = words.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True)
    times = pd.to_datetime(words, format="ISO8601", errors="coerce", utc=True)
    bad = np.flatnonzero(times.isna().to_numpy())
    if bad.size:
        word = shortened(words.iloc[int(bad[0])])
        raise refused(
            f"must be a time such as 2025-01-31 17:00 or 2025-01-31T17:00+08:00, got '{word}'",
            file,
            first_line + int(bad[0]),
            name,
        )
    if offsets.any() and not offsets.all():
        odd = int(np.flatnonzero((offsets != offsets.iloc[0]).to_numpy())[0])
        raise refused(
            "some times have an offset from UTC and some have none; write all alike", file, first_line + odd, name
        )
    zone = _zone(source.timezone or grid.timezone)
    start = times.iloc[0].to_pydatetime()
    clock_minutes = min(
        round((moment.utcoffset() or dt.timedelta(0)).total_seconds() / 60)
        for moment in (dt.datetime(start.year, month, 1, tzinfo=zone) for month in (1, 7))
    )
    if offsets.all():
        return utc_minutes(pd.DatetimeIndex(times)), clock_minutes
    local = pd.DatetimeIndex(times).tz_localize(None)
    try:
        placed = local.tz_localize(zone, ambiguous="infer", nonexistent="raise")
    except Exception as error:  # pandas 2 raises the errors of pytz, pandas 3 ValueError
        raise refused(
            f"the times do not fit the clock changes of {source.timezone or grid.timezone} ({shortened(str(error))}); "
            "write them with their offset from UTC, or give timezone as an offset such as '+08:00'",
            file,
            first_line,
            name,
        ) from None
    return utc_minutes(placed), clock_minutes


def _zone(name: str) -> dt.tzinfo:
    """A zone by IANA name or as an offset such as +08:00.

    >>> _zone("+08:00").utcoffset(None)
    datetime.timedelta(seconds=28800)
    """
    try:
        if name[:1] in "+-":
            return dt.datetime.strptime(name, "%z").tzinfo or dt.UTC
        return ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise refused(
            f"unknown zone '{name}'; give a name such as Asia/Shanghai or an offset such as '+08:00'",
            "",
            None,
            "weather.timezone",
        ) from None

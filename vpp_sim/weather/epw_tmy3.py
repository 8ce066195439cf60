"""EPW and TMY3 files, read by pvlib.iotools: typical years in local standard time.

In both formats radiation is the sum over the hour that ends at the label, and other values stand at the label.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from vpp_sim.units import MINUTES_PER_HOUR
from vpp_sim.weather.series import DHI, DNI, GHI, HUMIDITY, PRESSURE, TEMPERATURE, WIND, Place, Rows
from vpp_sim.weather.text import (
    check_typical_hours,
    guess,
    nominal_start,
    numbers_of,
    parsed_as_file,
    refused,
    shortened,
    whole_numbers_of,
)

_EPW_HEADER_LINES: Final = 8
_EPW_FIELDS: Final = 22  # up to wind speed; later ones may be absent
_MOST_EPW_FIELDS: Final = 35  # with one more, pandas would take the first for an index and move all others


def read_epw(text: str, file: str) -> Rows:
    """An EnergyPlus weather file: a typical year in local standard time."""
    from pvlib.iotools import read_epw as parse

    lines = text.splitlines()
    head = lines[0].split(",")
    if head[0].upper() != "LOCATION":
        raise refused(f"not an EPW file: must begin with LOCATION, got '{shortened(lines[0])}'{guess(text)}", file, 1)
    try:
        clock_minutes = round(float(head[8]) * MINUTES_PER_HOUR)
        place = Place(float(head[6]), float(head[7]), float(head[9]))
    except (ValueError, IndexError):
        raise refused(
            "LOCATION must have a name, latitude, longitude, time zone and elevation in fields 2, 7, 8, 9 and 10",
            file,
            1,
        ) from None
    rows = lines[_EPW_HEADER_LINES:]
    if not rows:
        raise refused("the file ends in its header: no hours; download it again", file, len(lines))
    for number, line in enumerate(rows):
        fields = line.count(",") + 1
        if not _EPW_FIELDS <= fields <= _MOST_EPW_FIELDS:
            few = fields < _EPW_FIELDS
            wanted = f"{_EPW_FIELDS} or more: cut off?" if few else f"at most {_MOST_EPW_FIELDS}: a comma too many?"
            raise refused(
                f"the row has {fields} fields where an EPW file has {wanted}", file, _EPW_HEADER_LINES + 1 + number
            )
    frame: pd.DataFrame = parsed_as_file(lambda path: parse(path)[0], "\n".join(lines) + "\n", file, "an EPW file")
    first_line = _EPW_HEADER_LINES + 1
    month, day, hour = (whole_numbers_of(frame, name, file, first_line) for name in ("month", "day", "hour"))
    days = check_typical_hours(month, day, hour - 1, file, first_line, "an EPW file")
    columns = {
        GHI: ("ghi", 9000.0, 1.0),
        DNI: ("dni", 9000.0, 1.0),
        DHI: ("dhi", 9000.0, 1.0),
        TEMPERATURE: ("temp_air", 99.0, 1.0),
        WIND: ("wind_speed", 998.0, 1.0),
        PRESSURE: ("atmospheric_pressure", 900_000.0, 1.0),
        HUMIDITY: ("relative_humidity", 998.0, 0.01),
    }
    values = {}
    for key, (name, missing, factor) in columns.items():
        numbers = numbers_of(frame, name, name, file, first_line)
        values[key] = np.where(numbers >= missing, np.nan, numbers) * factor
    return Rows(
        file=file,
        description=f"EPW typical year of {head[1]} {place}",
        place=place,
        values=values,
        nominal_start=nominal_start(days, clock_minutes),
        row_minutes=60,
        clock_minutes=clock_minutes,
        typical=True,
        air_phase=30,
        first_line=first_line,
        names={key: name for key, (name, _, _) in columns.items()},
    )


def read_tmy3(text: str, file: str) -> Rows:
    """A TMY3 file: a typical year in local standard time."""
    from pvlib.iotools import read_tmy3 as parse

    lines = text.splitlines()
    header = lines[1] if len(lines) > 1 else ""
    if "Date (MM/DD/YYYY)" not in header or "Time (HH:MM)" not in header:
        raise refused(
            f"not a TMY3 file: line 2 must begin with 'Date (MM/DD/YYYY)', got '{shortened(header)}'{guess(text)}",
            file,
            min(2, len(lines)),
        )
    width = header.count(",")
    for number, line in enumerate(lines[2:]):
        if line.count(",") != width:
            raise refused(
                f"the row has {line.count(',') + 1} fields where the header has {width + 1}: cut off?", file, number + 3
            )
    frame, meta = parsed_as_file(
        lambda path: parse(path, map_variables=True), "\n".join(lines) + "\n", file, "a TMY3 file"
    )
    clock_minutes = round(meta["TZ"] * MINUTES_PER_HOUR)
    begins = pd.DatetimeIndex(frame.index).tz_localize(None) - pd.Timedelta(hours=1)
    days = check_typical_hours(
        np.asarray(begins.month, dtype=np.int64),
        np.asarray(begins.day, dtype=np.int64),
        np.asarray(begins.hour, dtype=np.int64),
        file,
        3,
        "a TMY3 file",
    )
    columns = {
        GHI: ("ghi", 1.0),
        DNI: ("dni", 1.0),
        DHI: ("dhi", 1.0),
        TEMPERATURE: ("temp_air", 1.0),
        WIND: ("wind_speed", 1.0),
        PRESSURE: ("pressure", 100.0),
        HUMIDITY: ("relative_humidity", 0.01),
    }
    values = {}
    for key, (name, factor) in columns.items():
        numbers = numbers_of(frame, name, name, file, 3)
        values[key] = np.where(numbers <= -9900, np.nan, numbers) * factor
    name = lines[0].split(",")[1].strip('"')
    place = Place(meta["latitude"], meta["longitude"], meta["altitude"])
    return Rows(
        file=file,
        description=f"TMY3 typical year of {name} {place}",
        place=place,
        values=values,
        nominal_start=nominal_start(days, clock_minutes),
        row_minutes=60,
        clock_minutes=clock_minutes,
        typical=True,
        air_phase=30,
        first_line=3,
        names={key: name for key, (name, _) in columns.items()},
    )

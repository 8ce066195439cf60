"""Files of PVGIS, JSON or CSV, read by pvlib.iotools.

Hourly series (`seriescalc`): UTC, values at the minute in the label (satellite images 10 to 50 minutes after the hour,
ERA5 at 30), for the horizontal plane. Typical years (`tmy`): UTC, air at the hour, radiation `irradiance time offset`
after it where the file says so.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vpp_sim.units import MINUTES_PER_HOUR
from vpp_sim.weather.series import DHI, DNI, GHI, HUMIDITY, PRESSURE, TEMPERATURE, WIND, Place, Rows
from vpp_sim.weather.sun import SUBSTEP_MINUTES
from vpp_sim.weather.text import (
    check_equal_steps,
    check_typical_hours,
    columns_of,
    guess,
    json_of,
    message_of,
    nominal_start,
    numbers_of,
    parsed,
    refused,
    utc_minutes,
)


def read_pvgis(text: str, file: str) -> Rows:
    """A file of PVGIS: a typical year (`tmy`) or hours of real years on the horizontal plane (`seriescalc`)."""
    from pvlib import iotools

    if text.lstrip().startswith("{"):
        content = json_of(text, file, "PVGIS")
        if "message" in content and "outputs" not in content:
            raise refused(
                f"PVGIS answered with an error: {message_of(text)}; ask again for another place or year", file
            )
        outputs = content.get("outputs")
        known = [key for key in ("tmy_hourly", "hourly") if isinstance(outputs, dict) and key in outputs]
        if not known:
            raise refused(f"not a file of PVGIS: no outputs.hourly or outputs.tmy_hourly in it{guess(text)}", file, 1)
        form, typical = "json", known[0] == "tmy_hourly"
        inputs = content.get("inputs")
        location = inputs.get("location", {}) if isinstance(inputs, dict) else {}
    elif text.startswith("Latitude (decimal degrees)"):
        form, typical = "csv", "time(UTC)" in text
        location = {}
        for line in text.splitlines()[:4]:
            key, _, value = line.partition(":")
            location[key.split("(")[0].strip().lower()] = value.strip()
    else:
        raise refused(
            f"not a file of PVGIS: must be JSON or begin with 'Latitude (decimal degrees)'{guess(text)}", file, 1
        )

    def frame_of() -> pd.DataFrame:
        if typical:
            stream: Any = io.StringIO(text) if form == "json" else io.BytesIO(text.encode())
            return pd.DataFrame(iotools.read_pvgis_tmy(stream, pvgis_format=form, map_variables=True)[0])
        return pd.DataFrame(iotools.read_pvgis_hourly(io.StringIO(text), pvgis_format=form, map_variables=True)[0])

    frame = parsed(frame_of, file, "a file of PVGIS")
    if frame.empty:
        raise refused("a file of PVGIS without hours; download it again", file)
    place = Place(*(float(location.get(key, np.nan)) for key in ("latitude", "longitude", "elevation")))
    return _typical(frame, location, place, file) if typical else _hourly(frame, place, file)


def _typical(frame: pd.DataFrame, location: Mapping[str, Any], place: Place, file: str) -> Rows:
    labels = pd.DatetimeIndex(frame.index)
    days = check_typical_hours(
        np.asarray(labels.month, dtype=np.int64),
        np.asarray(labels.day, dtype=np.int64),
        np.asarray(labels.hour, dtype=np.int64),
        file,
        1,
        "a typical year of PVGIS",
    )
    names = {
        GHI: "ghi",
        DNI: "dni",
        DHI: "dhi",
        TEMPERATURE: "temp_air",
        WIND: "wind_speed",
        PRESSURE: "pressure",
        HUMIDITY: "relative_humidity",
    }
    values = columns_of(frame, names, file)
    values[HUMIDITY] = values[HUMIDITY] / 100
    offset = location.get("irradiance time offset", 0.0)
    minutes = SUBSTEP_MINUTES * round(float(offset) * MINUTES_PER_HOUR / SUBSTEP_MINUTES)
    return Rows(
        file=file,
        description=f"PVGIS typical year of {place}",
        place=place,
        values=values,
        nominal_start=nominal_start(days, 0),
        row_minutes=60,
        clock_minutes=0,
        typical=True,
        radiation_phase=minutes - 30,
        air_phase=-30,
        names=names,
    )


def _hourly(frame: pd.DataFrame, place: Place, file: str) -> Rows:
    if "poa_direct" not in frame or "poa_sky_diffuse" not in frame:
        raise refused(
            "the hourly file of PVGIS has no beam and diffuse parts (Gb(i), Gd(i)); ask for components=1 and angle=0",
            file,
        )
    reflected = (
        numbers_of(frame, "poa_ground_diffuse", "Gr(i)", file, None) if "poa_ground_diffuse" in frame else np.zeros(1)
    )
    if (reflected > 0.5).any():
        raise refused("the hourly file of PVGIS is for a tilted plane; ask for angle=0", file)
    names = {GHI: "Gb(i) + Gd(i)", DHI: "poa_sky_diffuse", TEMPERATURE: "temp_air", WIND: "wind_speed"}
    values = columns_of(frame, {key: name for key, name in names.items() if key != GHI}, file)
    values[GHI] = values[DHI] + numbers_of(frame, "poa_direct", "Gb(i)", file, None)
    labels = utc_minutes(pd.DatetimeIndex(frame.index))
    minute = int(labels[0] % MINUTES_PER_HOUR)
    check_equal_steps(labels, 60, file, None)
    middle = SUBSTEP_MINUTES * round(minute / SUBSTEP_MINUTES)
    return Rows(
        file=file,
        description=f"PVGIS hourly series of {place}",
        place=place,
        values=values,
        nominal_start=int(labels[0]) - minute,
        row_minutes=60,
        clock_minutes=0,
        typical=False,
        radiation_phase=middle - 30,
        air_phase=middle - 30,
        names=names,
    )

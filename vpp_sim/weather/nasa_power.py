"""JSON files of NASA POWER's hourly point service: means over the hour that begins at the label, UTC.

pvlib.iotools asks that service but reads no file of it, so the file is read here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vpp_sim.weather.series import DHI, DNI, GHI, HUMIDITY, PRESSURE, TEMPERATURE, WIND, Place, Rows
from vpp_sim.weather.text import (
    check_equal_steps,
    guess,
    json_of,
    message_of,
    numbers_of,
    parsed,
    refused,
    shortened,
    utc_minutes,
)


def read_nasa_power(text: str, file: str) -> Rows:
    """A JSON file of NASA POWER's hourly point service, time standard UTC."""
    if not text.lstrip().startswith("{"):
        first = shortened(text.splitlines()[0])
        raise refused(
            f"not a JSON file of NASA POWER: must begin with '{{', got '{first}'{guess(text)}",
            file,
            1,
        )
    content = json_of(text, file, "NASA POWER")
    try:
        parameters = content["properties"]["parameter"]
        fill = float(content["header"]["fill_value"])
        longitude, latitude, altitude = (float(value) for value in content["geometry"]["coordinates"])
        standard = str(content["header"].get("time_standard", "UTC"))
    except (KeyError, TypeError, ValueError):
        message = message_of(text)
        told = f" (it says: {message})" if message else ""
        raise refused(
            f"not a file of NASA POWER: no properties.parameter and header.fill_value in it{told}{guess(text)}",
            file,
            1,
        ) from None
    if standard != "UTC":
        raise refused(f"the times are in {standard}; ask NASA POWER for time-standard=utc", file)
    names = {
        GHI: "ALLSKY_SFC_SW_DWN",
        DNI: "ALLSKY_SFC_SW_DNI",
        DHI: "ALLSKY_SFC_SW_DIFF",
        TEMPERATURE: "T2M",
        WIND: "WS10M",
        PRESSURE: "PS",
        HUMIDITY: "RH2M",
    }
    if absent := [names[key] for key in (GHI, TEMPERATURE) if names[key] not in parameters]:
        raise refused(f"{' and '.join(absent)} missing; ask NASA POWER for these parameters", file)
    place = Place(latitude, longitude, altitude)
    frame = parsed(lambda: pd.DataFrame(parameters), file, "a file of NASA POWER")
    index = parsed(lambda: pd.to_datetime(frame.index, format="%Y%m%d%H", utc=True), file, "a file of NASA POWER")
    labels = utc_minutes(pd.DatetimeIndex(index))
    check_equal_steps(labels, 60, file, None)
    factors = {PRESSURE: 1000.0, HUMIDITY: 0.01}
    values = {}
    for key, name in names.items():
        if name in frame:
            numbers = numbers_of(frame, name, name, file, None)
            values[key] = np.where(numbers == fill, np.nan, numbers) * factors.get(key, 1.0)
    return Rows(
        file=file,
        description=f"NASA POWER hourly series of {place}",
        place=place,
        values=values,
        nominal_start=int(labels[0]),
        row_minutes=60,
        clock_minutes=0,
        typical=False,
        names=names,
    )

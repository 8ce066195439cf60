"""Two forms of weather: rows as a file has them, and `Weather`, the means over the steps of a time grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

GHI: Final = "ghi_w_per_m2"
DNI: Final = "dni_w_per_m2"
DHI: Final = "dhi_w_per_m2"
TEMPERATURE: Final = "temperature_celsius"
WIND: Final = "wind_speed_m_per_s"
PRESSURE: Final = "pressure_pa"
HUMIDITY: Final = "relative_humidity"
RADIATION: Final = (GHI, DNI, DHI)
AIR: Final = (TEMPERATURE, WIND, PRESSURE, HUMIDITY)


@dataclass(frozen=True)
class Weather:
    """Weather over the steps of a time grid: arrays of shape (num_steps,), means over each step.

    GHI, DNI and DHI close (`GHI = DNI * sin(elevation) + DHI`); DNI is the mean over the whole step, so it is small
    in a step of which the sun sees only a part. `relative_humidity` is a fraction.
    """

    ghi_w_per_m2: FloatArray
    dni_w_per_m2: FloatArray
    dhi_w_per_m2: FloatArray
    temperature_celsius: FloatArray
    wind_speed_m_per_s: FloatArray
    pressure_pa: FloatArray
    relative_humidity: FloatArray
    notes: tuple[str, ...] = ()
    source_description: str = ""


@dataclass(frozen=True)
class Place:
    """Where a file's weather belongs, as the file says; NaN where it does not say.

    >>> print(Place(36.72, 101.75, 2295.2))
    (36.72, 101.75, 2,295 m)
    """

    latitude: float
    longitude: float
    altitude_m: float

    def __str__(self) -> str:
        return f"({self.latitude:.2f}, {self.longitude:.2f}, {self.altitude_m:,.0f} m)"

    def distance_km(self, latitude: float, longitude: float) -> float:
        """Distance on the plane of longitude and latitude, good for some hundreds of kilometres."""
        east = (self.longitude - longitude) * np.cos(np.radians(latitude))
        return float(111.2 * np.hypot(self.latitude - latitude, east))


@dataclass(frozen=True)
class Rows:
    """Weather as a file has it: equal rows, each a mean over `row_minutes`.

    Row 0 has the nominal time `nominal_start` (UTC minutes since 1970); its radiation is the mean from
    `nominal_start + radiation_phase` on, its other values the mean from `nominal_start + air_phase` on (minutes). A
    value that the file gives for an instant is treated as the mean of the row centred at that instant.
    `clock_minutes` is the offset of the file's clock from UTC; where `typical`, the year is nominal and only month,
    day and time in that clock count. Row 0 stands in line `first_line` of the file (None where lines say nothing).
    `names` and `units` say what the file calls a column and in which unit it was read, where that is known.
    """

    file: str
    description: str
    values: Mapping[str, FloatArray]
    nominal_start: int
    row_minutes: int
    clock_minutes: int
    typical: bool
    place: Place | None = None
    radiation_phase: int = 0
    air_phase: int = 0
    first_line: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self.values[GHI].size)

    def line(self, row: int) -> int | None:
        """Line of a row in the file."""
        return None if self.first_line is None else self.first_line + row

    def name(self, column: str) -> str:
        """What the file calls a column."""
        return self.names.get(column, column)

    def noted(self, *notes: str) -> Rows:
        """The same rows with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def moved(self, minutes: int) -> Rows:
        """The same rows, all values moved in time."""
        return replace(self, radiation_phase=self.radiation_phase + minutes, air_phase=self.air_phase + minutes)

    def cut(self, first: int, stop: int) -> Rows:
        """Rows `first` to before `stop`."""
        return replace(
            self,
            values={name: values[first:stop] for name, values in self.values.items()},
            nominal_start=self.nominal_start + first * self.row_minutes,
            first_line=None if self.first_line is None else self.first_line + first,
        )

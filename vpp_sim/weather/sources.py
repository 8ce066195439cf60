"""What a scenario may write under `weather:`, one strict model per `source`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vpp_sim.fields import StrictModel, quantity
from vpp_sim.weather.climate import ClimateFacts


class ClimateSource(StrictModel):
    """A seeded synthetic year from monthly facts."""

    source: Literal["climate"] = quantity("a synthetic year from monthly facts")
    climate: str | ClimateFacts = quantity(
        "name of an embedded climate, path of a YAML file with monthly facts, or the facts themselves",
        default="xining",
    )
    seed: int = quantity("seed of the synthetic year: the same seed gives the same weather", default=1, ge=0)


class _FileSource(StrictModel):
    """What all files have in common."""

    path: str = quantity("weather file; relative to the scenario's folder, or absolute", min_length=1)
    shift_hours: float | Literal["auto"] = quantity(
        "how far all rows are moved in time; auto: so that the radiation is centred on solar noon",
        unit="h",
        default="auto",
    )

    @model_validator(mode="after")
    def _moderate_shift(self) -> _FileSource:
        if isinstance(self.shift_hours, float) and abs(self.shift_hours) > 12:
            raise ValueError(f"shift_hours must lie between -12 and 12 h, got {self.shift_hours:g}")
        return self


class EpwSource(_FileSource):
    """An EnergyPlus weather file (typical year)."""

    source: Literal["epw"] = quantity("an EnergyPlus weather file, a typical year")


class Tmy3Source(_FileSource):
    """A TMY3 file of NREL (typical year)."""

    source: Literal["tmy3"] = quantity("a TMY3 file of NREL, a typical year")


class PvgisSource(_FileSource):
    """A file of PVGIS, JSON or CSV: a typical year (tmy) or hours of real years on the horizontal plane."""

    source: Literal["pvgis"] = quantity("a file of PVGIS (JSON or CSV), typical year or hourly series")


class NasaPowerSource(_FileSource):
    """A file of NASA POWER's hourly point service, JSON."""

    source: Literal["nasa_power"] = quantity("a JSON file of NASA POWER's hourly point service")


class CsvColumn(StrictModel):
    """A column of a CSV file with its unit."""

    column: str = quantity("name of the column in the file", min_length=1)
    unit: str = quantity("unit of the column in the file")


class CsvColumns(StrictModel):
    """Which column holds what; a bare name means that the column has the unit in the key."""

    ghi_w_per_m2: str | CsvColumn = quantity("global horizontal irradiance", unit="W/m2")
    temperature_celsius: str | CsvColumn = quantity("air temperature", unit="degC")
    dni_w_per_m2: str | CsvColumn | None = quantity("direct normal irradiance", unit="W/m2", default=None)
    dhi_w_per_m2: str | CsvColumn | None = quantity("diffuse horizontal irradiance", unit="W/m2", default=None)
    wind_speed_m_per_s: str | CsvColumn | None = quantity("wind speed at 10 m", unit="m/s", default=None)
    pressure_pa: str | CsvColumn | None = quantity("station pressure", unit="Pa", default=None)
    relative_humidity: str | CsvColumn | None = quantity("relative humidity, a fraction", default=None)


class CsvSource(_FileSource):
    """A plain CSV file with one row per step and a column of times."""

    source: Literal["csv"] = quantity("a plain CSV file")
    columns: CsvColumns = quantity("which column of the file holds what")
    time: str = quantity("name of the column of times", default="time")
    timezone: str | None = quantity(
        "zone of times written without offset: an IANA name or an offset such as '+08:00'; default: the horizon's",
        default=None,
    )
    label: Literal["start", "middle", "end"] = quantity("where in its row a time stands", default="start")


FileSource = EpwSource | Tmy3Source | PvgisSource | NasaPowerSource | CsvSource
WeatherSource = Annotated[
    ClimateSource | EpwSource | Tmy3Source | PvgisSource | NasaPowerSource | CsvSource, Field(discriminator="source")
]

#: Units that a CSV column may have, and (factor, offset) into the unit of the key: value * factor + offset.
#: `per row` marks an energy per row, which is divided by the row's length in hours.
CSV_UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "irradiance": {"W/m2": (1.0, 0.0), "kW/m2": (1e3, 0.0)},
    "irradiation per row": {
        "Wh/m2": (1.0, 0.0),
        "kWh/m2": (1e3, 0.0),
        "J/cm2": (1e4 / 3600, 0.0),
        "MJ/m2": (1e6 / 3600, 0.0),
    },
    "temperature_celsius": {"degC": (1.0, 0.0), "K": (1.0, -273.15), "degF": (5 / 9, -160 / 9)},
    "wind_speed_m_per_s": {"m/s": (1.0, 0.0), "km/h": (1 / 3.6, 0.0)},
    "pressure_pa": {"Pa": (1.0, 0.0), "hPa": (1e2, 0.0), "mbar": (1e2, 0.0), "kPa": (1e3, 0.0)},
    "relative_humidity": {"fraction": (1.0, 0.0), "percent": (1e-2, 0.0)},
}


def units_of(key: str) -> dict[str, tuple[float, float]]:
    """Units that a column of `CsvColumns` may have."""
    if key.endswith("_w_per_m2"):
        return {**CSV_UNITS["irradiance"], **CSV_UNITS["irradiation per row"]}
    return CSV_UNITS[key]


def column_of(given: str | CsvColumn | Any) -> tuple[str, str | None]:
    """Name and unit (None: the key's) of a column."""
    return (given, None) if isinstance(given, str) else (given.column, given.unit)

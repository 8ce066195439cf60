"""What a user may write where a series is wanted: a number, `{path, column, unit}` or `{generator, seed, ...}`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from vpp_sim.fields import StrictModel, quantity
from vpp_sim.profiles.synthetic import Constant, IndustrialPark, InteractiveCompute, JobArrivals, OfficePark
from vpp_sim.time_grid import known_zone


class FileProfile(StrictModel):
    """A column of a CSV, `.csv.gz`, one-number-a-line or Parquet file, with the unit it is in."""

    path: str = quantity("file, relative to the scenario file", min_length=1)
    column: str | None = quantity(
        "column with the values (by name, or by number from 1 where the file has no header); "
        "may be left out where only one column has numbers",
        default=None,
    )
    unit: str = quantity("unit of the column, e.g. kW, MWh, per_mwh, fraction, percent")
    time_column: str | None = quantity("column with the times; found by itself where only one has dates", default=None)
    timezone: str | None = quantity(
        "IANA zone of times without an offset, and of the calendar of a typical year; the site's zone if left out",
        default=None,
    )
    label: Literal["start", "end"] = quantity(
        "whether a time stands at the start or the end of its step", default="start"
    )
    fill: Literal["refuse", "interpolate"] = quantity(
        "what to do with missing values and hours: refuse, or interpolate gaps of up to 3 hours", default="refuse"
    )
    scale: float = quantity("factor applied to every value", default=1.0)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        return None if name is None else known_zone(name)


GeneratedProfile = Annotated[
    Constant | OfficePark | IndustrialPark | InteractiveCompute | JobArrivals, Discriminator("generator")
]


def _form(value: Any) -> str | None:
    """Which form of a profile was meant; None where it cannot be told."""
    if isinstance(value, dict):
        return "generator" if "generator" in value else "file"
    if isinstance(value, FileProfile):
        return "file"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return "generator" if hasattr(value, "generator") else None


#: A field type: a plain number, a `FileProfile` or a `GeneratedProfile`.
Profile = Annotated[
    Annotated[float, Field(allow_inf_nan=False), Tag("number")]
    | Annotated[FileProfile, Tag("file")]
    | Annotated[GeneratedProfile, Tag("generator")],
    Discriminator(
        _form,
        custom_error_type="profile_form",
        custom_error_message="must be a number, {path, column, unit} or {generator, seed, ...}",
    ),
]

"""Columns as a file has them, before they are a series: numbers, times, and the line of each row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.errors import Fault, InputError, nearest

if TYPE_CHECKING:
    from vpp_sim.profiles.model import FileProfile

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_FAULTS = 10


@dataclass(frozen=True, eq=False)
class Times:
    """Times of one column, naive: UTC where they carry an offset, else local."""

    name: str
    stamps: pd.DatetimeIndex
    is_utc: bool


@dataclass(frozen=True, eq=False)
class Columns:
    """Values (missing ones are NaN) and times as found in a file, with the line of each row (row of Parquet)."""

    name: str
    values: FloatArray
    times: Times | None
    rows: IntArray


def capped(faults: Sequence[Fault]) -> list[Fault]:
    """The first ten faults, the last of them saying how many more there are."""
    listed = list(faults[:MAX_FAULTS])
    if len(faults) > MAX_FAULTS:
        last = listed[-1]
        more = len(faults) - MAX_FAULTS
        listed[-1] = Fault(f"{last.message} (and {more:,} more like this)", last.path, last.file, last.line)
    return listed


def refusal(profile: FileProfile, message: str, *, column: str = "", line: int | None = None) -> InputError:
    """The error for one thing that is wrong with a file."""
    return InputError(Fault(message, path=column, file=profile.path, line=line))


def refuse_rows(profile: FileProfile, column: str, told: Iterable[tuple[int, str]]) -> None:
    """Raise all faults of a column, given as (line, message); do nothing where there are none."""
    faults = [Fault(message, path=column, file=profile.path, line=line) for line, message in told]
    if faults:
        raise InputError(capped(faults))


def position_of(profile: FileProfile, name: str, names: Sequence[str]) -> int:
    """Position of a named column."""
    found = [position for position, known in enumerate(names) if known == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise refusal(profile, f"column {name!r} stands {len(found)} times in the header; rename all but one")
    close = next((each for each in names if each.lower() == name.lower()), None) or nearest(name, names)
    known = ", ".join(repr(each) for each in list(names)[:12]) + (", ..." if len(names) > 12 else "")
    raise refusal(profile, f"no column {name!r}; " + (f"did you mean {close!r}?" if close else f"the file has {known}"))


def only_time_column(profile: FileProfile, names: Sequence[str], positions: Sequence[int]) -> int | None:
    """The one position that holds times, if any."""
    if len(positions) > 1:
        known = ", ".join(repr(names[position]) for position in positions)
        raise refusal(profile, f"several columns hold times ({known}); name one as time_column")
    return positions[0] if positions else None


def only_value_column(profile: FileProfile, names: Sequence[str], positions: Sequence[int]) -> int:
    """The one position that holds numbers."""
    if len(positions) == 1:
        return positions[0]
    if not positions:
        raise refusal(profile, "no column holds numbers")
    known = ", ".join(repr(names[position]) for position in positions[:12])
    raise refusal(profile, f"several columns hold numbers ({known}); say which with column")

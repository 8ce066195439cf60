"""A column of a file as a series with equal steps and no gaps, or every fault with its row and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.profiles.columns import Columns, FloatArray, IntArray, refusal, refuse_rows
from vpp_sim.profiles.parquet_file import parquet_columns
from vpp_sim.profiles.text_file import text_columns
from vpp_sim.profiles.times import even_steps, moments_of

if TYPE_CHECKING:
    from vpp_sim.profiles.model import FileProfile

LONGEST_GAP_MINUTES: Final = 180
TEXT_ENDINGS: Final = (".csv", ".tsv", ".txt", ".dat", ".csv.gz", ".tsv.gz", ".txt.gz", ".dat.gz")
PARQUET_ENDINGS: Final = (".parquet", ".pq")


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers of one column as read, in their declared unit, without gaps.

    `start` is the start of the first step in UTC (naive) and `minutes` the step; both None where the file has no
    times. `rows` gives the line of each value (row of Parquet), or -1 where it was filled in.
    """

    values: FloatArray
    start: pd.Timestamp | None
    minutes: int | None
    file: str
    column: str
    rows: IntArray

    def fault(self, position: int, message: str) -> Fault:
        """A fault about one value."""
        row = int(self.rows[position])
        return Fault(message, path=self.column, file=self.file, line=row if row > 0 else None)


def read_series(profile: FileProfile, base_dir: Path, path: str = "", *, default_timezone: str) -> Series:
    """The column a profile names, checked, with equal steps and gaps filled where the profile asks for it.

    A file that did not change is read once.

    Raises:
        InputError: no such file or column; text, NaN, gaps, doubled or unordered times; with rows and remedy.
    """
    place = base_dir / profile.path
    where = f"{path}.path" if path else "path"
    if place.is_dir():
        raise InputError(Fault(f"{profile.path!r} is a folder; give a CSV or Parquet file", path=where))
    if not place.exists():
        siblings = [entry.name for entry in place.parent.iterdir()] if place.parent.is_dir() else []
        close = nearest(place.name, siblings)
        hint = f"did you mean {close}?" if close else f"paths start from {base_dir}"
        raise InputError(Fault(f"no such file {profile.path!r}; {hint}", path=where))
    try:
        stamp = place.stat()
        return _read(profile, str(place), stamp.st_mtime_ns, stamp.st_size, default_timezone)
    except OSError as error:
        raise InputError(Fault(f"{profile.path!r} cannot be read: {error.strerror or error}", path=where)) from None


@lru_cache(maxsize=64)
def _read(profile: FileProfile, place: str, _changed: int, size: int, default_timezone: str) -> Series:
    if size == 0:
        raise refusal(profile, "the file is empty")
    read = parquet_columns if is_parquet(profile, Path(place)) else text_columns
    series = _series_of(profile, read(profile, Path(place)), default_timezone)
    series.values.flags.writeable = False
    return series


def is_parquet(profile: FileProfile, place: Path) -> bool:
    """Whether a file is Parquet.

    Raises:
        InputError: it is neither that nor text, or has a name that misleads.
    """
    name = place.name.lower()
    with place.open("rb") as stream:
        begin = stream.read(4)
    by_name = name.endswith(PARQUET_ENDINGS)
    if not by_name and not name.endswith(TEXT_ENDINGS):
        raise refusal(profile, f"unknown ending {place.suffix!r}; save it as CSV (.csv, .csv.gz) or Parquet (.parquet)")
    if by_name != begin.startswith(b"PAR1"):
        raise refusal(profile, "is no Parquet file" if by_name else "is a Parquet file; name it .parquet")
    if name.endswith(".gz") != begin.startswith(b"\x1f\x8b"):
        raise refusal(
            profile, "is not gzipped; name it .csv" if name.endswith(".gz") else "is gzipped; name it .csv.gz"
        )
    return by_name


def _series_of(profile: FileProfile, columns: Columns, default_timezone: str) -> Series:
    infinite = np.flatnonzero(np.isinf(columns.values))
    refuse_rows(profile, columns.name, [(int(columns.rows[p]), "must be a finite number, got inf") for p in infinite])
    times, rows, values = columns.times, columns.rows, columns.values
    if times is None:
        return Series(_filled(profile, columns.name, values, rows, 60), None, None, profile.path, columns.name, rows)
    moments = moments_of(profile, times, rows, profile.timezone or default_timezone)
    minutes, position = even_steps(profile, times, rows, moments)
    spread = np.full(int(position[-1]) + 1, np.nan)
    spread_rows = np.full(len(spread), -1, dtype=np.int64)
    spread[position] = values
    spread_rows[position] = rows
    start = moments[0] - pd.Timedelta(minutes=minutes if profile.label == "end" else 0)
    found = _filled(profile, columns.name, spread, spread_rows, minutes)
    return Series(found, start, minutes, profile.path, columns.name, spread_rows)


def _filled(profile: FileProfile, name: str, values: FloatArray, rows: IntArray, minutes: int) -> FloatArray:
    """Values without NaN: refused, or interpolated where the profile asks for it and the gap is short."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    longest = max(1, LONGEST_GAP_MINUTES // minutes)
    told = []
    for begin, end in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        inner = begin > 0 and end < len(values)
        count = end - begin
        fillable = inner and count <= longest
        if fillable and profile.fill == "interpolate":
            continue
        written = rows[begin] > 0
        what = ("missing value" if written else "missing row") + ("s" if count > 1 else "")
        if fillable:
            remedy = "complete the file or set fill: interpolate"
        elif inner:
            remedy = f"complete the file (at most {longest} in a row can be interpolated)"
        else:
            remedy = "complete the file (nothing can be interpolated at its ends)"
        after = "" if written else " after this line"
        told.append((int(rows[begin] if written else rows[begin - 1]), f"{count} {what}{after}; {remedy}"))
    refuse_rows(profile, name, told)
    known = np.flatnonzero(~missing)
    found = values.copy()
    found[missing] = np.interp(np.flatnonzero(missing), known, values[known])
    return found

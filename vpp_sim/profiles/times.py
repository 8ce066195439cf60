"""Times of a file: understood in one format, placed in UTC, and laid on equal steps."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from vpp_sim.profiles.columns import IntArray, Times, refusal, refuse_rows

if TYPE_CHECKING:
    from vpp_sim.profiles.model import FileProfile

DATE_LIKE = re.compile(r"\s*(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})([T ].*)?")
_OFFSET = r"\d(Z|[+-]\d{2}(:?\d{2})?)$"


def short(text: str) -> str:
    """A cell cut to a length that fits a message."""
    return text if len(text) <= 40 else text[:37] + "..."


def parsed_times(profile: FileProfile, cells: Any, rows: IntArray, name: str) -> Times:
    """Times of text cells (a pyarrow array), all in the format of the first one.

    ISO 8601, `2025/1/31 17:00` and `31.01.2025 17:00` are understood; `1/2/2025` is not, since day and month could be
    confused.
    """
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells)
    first = cells[0].as_py() or ""
    layout = _format_of(profile, first, name, int(rows[0]))
    has_offset = np.asarray(pc.match_substring_regex(cells, _OFFSET)) & (":" in first)
    is_utc = bool(has_offset[0])
    what = "lacks the offset that the first time has" if is_utc else "has an offset and the first time has none"
    refuse_rows(
        profile,
        name,
        [
            (int(rows[p]), f"time {short(cells[int(p)].as_py())!r} {what} ({first}); write all alike")
            for p in np.flatnonzero(has_offset != is_utc)
        ],
    )
    stamps = pd.to_datetime(pd.Series(cells.to_pandas()), format=layout, errors="coerce", utc=is_utc)
    refuse_rows(
        profile,
        name,
        [
            (int(rows[p]), f"must be a time like the first one ({first}), got {short(cells[int(p)].as_py() or '')!r}")
            for p in np.flatnonzero(stamps.isna().to_numpy())
        ],
    )
    index = pd.DatetimeIndex(stamps)
    return Times(name, index.tz_localize(None) if is_utc else index, is_utc)


def _format_of(profile: FileProfile, first: str, name: str, line: int) -> str:
    """The format of times, from the first one; refuses what reads two ways."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?", first):
        return "ISO8601"
    found = re.fullmatch(r"(\d{4}([-/])\d{1,2}[-/]\d{1,2}|\d{1,2}\.\d{1,2}\.\d{4})([T ]\d{1,2}:\d{2}(:\d{2})?)?", first)
    if found is None:
        confusing = re.match(r"\d{1,2}[/-]\d{1,2}[/-]\d{2,4}", first)
        hint = " (day and month could be confused)" if confusing else ""
        raise refusal(
            profile, f"time {short(first)!r} is not understood{hint}; write 2025-01-31 17:00", column=name, line=line
        )
    mark = found[2]
    date = f"%Y{mark}%m{mark}%d" if mark else "%d.%m.%Y"
    clock = "" if not found[3] else f"{found[3][0]}%H:%M" + (":%S" if found[4] else "")
    return date + clock


def moments_of(profile: FileProfile, times: Times, rows: IntArray, timezone: str) -> pd.DatetimeIndex:
    """Naive UTC of times; where clocks go back the doubled hour is told apart by its order in the file."""
    local = times.stamps
    if times.is_utc:
        return local
    zone = ZoneInfo(timezone)
    summer = local.tz_localize(zone, ambiguous=np.ones(len(local), dtype=np.bool_), nonexistent="NaT")
    winter = local.tz_localize(zone, ambiguous=np.zeros(len(local), dtype=np.bool_), nonexistent="NaT")
    standard = _standard_zone(zone, int(local[0].year))
    remedy = f"if the file keeps standard time all year set timezone: {standard}, else write times with their offset"
    refuse_rows(
        profile,
        times.name,
        [
            (int(rows[p]), f"{_told(local, p)} does not exist in {timezone} (clocks go forward); {remedy}")
            for p in np.flatnonzero(np.asarray(summer.isna()))
        ],
    )
    found = summer.tz_convert(None).to_numpy().copy()
    late = winter.tz_convert(None).to_numpy()
    doubled = np.flatnonzero(found != late)
    told = []
    for group in np.split(doubled, np.flatnonzero(np.diff(doubled) > 1) + 1):
        if not len(group):
            continue
        back = np.flatnonzero(np.diff(local.to_numpy()[group]) <= np.timedelta64(0))
        if len(back) == 1:
            after = group[back[0] + 1 :]
            found[after] = late[after]
        else:
            what = (
                f"{_told(local, group[0])} happens twice in {timezone} (clocks go back) and the file does not show both"
            )
            told.append((int(rows[group[0]]), f"{what} in order; {remedy}"))
    refuse_rows(profile, times.name, told)
    return pd.DatetimeIndex(found)


def _told(stamps: pd.DatetimeIndex, position: Any) -> str:
    return f"{stamps[int(position)]:%Y-%m-%d %H:%M}"


def _standard_zone(zone: ZoneInfo, year: int) -> str:
    """IANA name of the fixed offset that a zone keeps in winter."""
    offsets = [dt.datetime(year, month, 1, tzinfo=zone).utcoffset() or dt.timedelta() for month in (1, 7)]
    hours = min(offsets).total_seconds() / 3600
    return f"Etc/GMT{-hours:+.0f}" if hours == int(hours) and hours else "UTC"


def even_steps(profile: FileProfile, times: Times, rows: IntArray, moments: pd.DatetimeIndex) -> tuple[int, IntArray]:
    """The file's step in minutes, and each row's position counted in such steps; missing rows leave holes."""
    if len(moments) < 2:
        raise refusal(profile, "has a single row; a series with times needs at least two", column=times.name)
    seconds = np.asarray((moments - moments[0]) / pd.Timedelta(seconds=1), dtype=np.float64)
    steps = np.diff(seconds)
    refuse_rows(
        profile,
        times.name,
        [
            (
                int(rows[p + 1]),
                f"{_told(times.stamps, p + 1)} stands twice; remove one of the rows"
                if steps[p] == 0
                else f"{_told(times.stamps, p + 1)} comes after {_told(times.stamps, p)}; sort the rows by time",
            )
            for p in np.flatnonzero(steps <= 0)
        ],
    )
    usual = Counter(steps.tolist()).most_common(1)[0][0]
    if usual % 60:
        raise refusal(profile, f"has steps of {usual:g} s; steps must be whole minutes", column=times.name)
    minutes = int(usual // 60)
    refuse_rows(
        profile,
        times.name,
        [
            (
                int(rows[p]),
                f"{times.stamps[int(p)]:%Y-%m-%d %H:%M:%S} is off the {minutes}-minute steps of the file; "
                "irregular times are not resampled, bring the file to equal steps",
            )
            for p in np.flatnonzero(seconds % usual)
        ],
    )
    return minutes, np.asarray(seconds / usual, dtype=np.float64).round().astype(np.int64)

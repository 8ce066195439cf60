"""Weather files as text and tables: what is wrong with one is said with its line before a reader stumbles over it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.units import HOURS_PER_DAY
from vpp_sim.weather.climate import NOMINAL_YEAR
from vpp_sim.weather.series import FloatArray

MAX_BYTES: Final = 500_000_000

_Read = TypeVar("_Read")


def text_of(path: Path, file: str) -> str:
    """The text of a weather file, UTF-8 or Latin-1; `file` is its name as the user gave it.

    Raises:
        InputError: no such file, a folder, unreadable, empty, packed, binary, or above 500 MB.
    """
    if path.is_dir():
        raise InputError(Fault("is a folder; give a weather file", file=file))
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        raise InputError(Fault(f"no such file; did you mean {close}?" if close else "no such file", file=file))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(Fault(f"is larger than {MAX_BYTES / 1e6:.0f} MB; cut it to the years needed", file=file))
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(Fault(f"cannot be read: {error.strerror or error}", file=file)) from None
    if not raw.strip():
        raise InputError(Fault("the file is empty; download or export it again", file=file))
    if raw[:2] in (b"PK", b"\x1f\x8b"):
        raise InputError(Fault("is a packed archive; unpack it and give the file inside", file=file))
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(Fault("is UTF-16 text; save it as UTF-8", file=file))
    if b"\0" in raw:
        raise InputError(Fault("is a binary file; give a text file as its source publishes it", file=file))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def refused(message: str, file: str, line: int | None = None, path: str = "") -> InputError:
    """The error of one fault in a file."""
    return InputError(Fault(message, path=path, file=file, line=line))


def guess(text: str) -> str:
    """The end of a message that says which source a text rather belongs to, or nothing."""
    head = text.lstrip()[:3000]
    first = head.splitlines()[0] if head else ""
    if head.startswith("{"):
        kind = "nasa_power" if '"parameter"' in head or "POWER" in head else "pvgis"
        return f"; it looks like JSON: source: {kind}?"
    if first.upper().startswith("LOCATION,"):
        return "; it looks like an EnergyPlus file: source: epw"
    if first.startswith("Latitude (decimal degrees)"):
        return "; it looks like a file of PVGIS: source: pvgis"
    if "Date (MM/DD/YYYY)" in head:
        return "; it looks like a TMY3 file: source: tmy3"
    if first.lstrip("#").count(",") >= 1 or first.count(";") >= 1:
        return "; it looks like a plain table: source: csv"
    return ""


def shortened(text: str) -> str:
    """At most 40 characters of a text."""
    return text if len(text) <= 40 else text[:37] + "..."


def parsed(parse: Callable[[], _Read], file: str, what: str) -> _Read:
    """What a reader returns; whatever it raises on a damaged file becomes an input error."""
    try:
        return parse()
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())
        raise refused(
            f"cannot be read as {what} ({type(error).__name__}: {shortened(reason)}); download or export it again", file
        ) from None


def parsed_as_file(parse: Callable[[str], _Read], text: str, file: str, what: str) -> _Read:
    """What a reader that wants a path makes of a text (not all versions of pvlib read buffers).

    The copy is ASCII, since those readers open files in the encoding of the machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "weather.txt"
        copy.write_text(text, encoding="ascii", errors="replace")
        return parsed(lambda: parse(str(copy)), file, what)


def json_of(text: str, file: str, who: str) -> dict[str, Any]:
    """The mapping in a JSON text."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise refused(
            f"not valid JSON ({error.msg}): cut off? download it again from {who}", file, error.lineno
        ) from None
    except RecursionError:
        raise refused(f"not a file of {who}: nested without end; download it again", file) from None
    if not isinstance(content, dict):
        raise refused(f"not a file of {who}: a mapping is expected at its top; download it again", file, 1)
    return content


def message_of(answer: str) -> str:
    """What a service says of its error in JSON: `message`, `messages` or `detail`; empty where it says nothing.

    >>> message_of('{"message": "Location over the sea. Please, select another location", "status": 400}')
    'Location over the sea. Please, select another location'
    >>> message_of('{"detail": [{"loc": ["query", "start"], "msg": "not a date"}]}'), message_of("<html>")
    ('not a date', '')
    """
    try:
        content = json.loads(answer)
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return ""
    told = content.get("message") or content.get("messages") or content.get("detail") or ""
    if isinstance(told, list):
        told = "; ".join(str(one.get("msg", one)) if isinstance(one, dict) else str(one) for one in told)
    return " ".join(str(told).split()).rstrip(".")[:300]


def numbers_of(frame: pd.DataFrame, column: Any, name: str, file: str, first_line: int | None) -> FloatArray:
    """A column as numbers, NaN where it is empty.

    Raises:
        InputError: text in the column, at its line.
    """
    series = frame[column]
    if pd.api.types.is_numeric_dtype(series):
        return np.asarray(series, dtype=np.float64)
    numbers = pd.to_numeric(series, errors="coerce")
    words = series.astype("str").str.strip()
    empty = series.isna() | words.isin(["", "nan", "NaN", "NA", "null", "None"])
    bad = np.flatnonzero((numbers.isna() & ~empty).to_numpy())
    if bad.size:
        word = shortened(words.iloc[int(bad[0])])
        hint = "; write a decimal point" if word.count(",") == 1 and word.replace(",", "").isdigit() else ""
        line = None if first_line is None else first_line + int(bad[0])
        raise refused(f"must be a number, got '{word}'{hint}", file, line, name)
    return np.asarray(numbers, dtype=np.float64)


def whole_numbers_of(frame: pd.DataFrame, column: str, file: str, first_line: int) -> NDArray[np.int64]:
    """A column as whole numbers."""
    numbers = numbers_of(frame, column, column, file, first_line)
    bad = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.round(numbers)))
    if bad.size:
        raise refused("must be a whole number", file, first_line + int(bad[0]), column)
    return numbers.astype(np.int64)


def columns_of(frame: pd.DataFrame, names: Mapping[str, str], file: str) -> dict[str, FloatArray]:
    """Columns as numbers by our names; every one must be there."""
    absent = [name for name in names.values() if name not in frame]
    if absent:
        raise refused(f"no {', '.join(absent)} in the file; download it again with all parts", file)
    return {key: numbers_of(frame, name, name, file, None) for key, name in names.items()}


def nominal_start(num_days: int, clock_minutes: int) -> int:
    """UTC minutes since 1970 of a typical year's begin in a clock."""
    year = NOMINAL_YEAR if num_days == 365 else NOMINAL_YEAR - 1
    return int(np.datetime64(f"{year}-01-01", "m").astype(np.int64)) - clock_minutes


def check_typical_hours(
    month: NDArray[np.int64],
    day: NDArray[np.int64],
    hour: NDArray[np.int64],
    file: str,
    first_line: int | None,
    what: str,
) -> int:
    """Number of days of a typical year whose rows run from 1 January, hour 0, to 31 December, hour 23.

    Raises:
        InputError: a doubled, missing or misplaced hour at its line, or too few or too many rows.
    """
    number = month.size

    def line(row: int) -> int | None:
        return None if first_line is None else first_line + row

    days = 366 if ((month == 2) & (day == 29)).any() else 365
    start = np.datetime64("2024-01-01" if days == 366 else "2025-01-01", "h")
    expected = start + np.arange(days * HOURS_PER_DAY)
    dates = expected.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    usable = min(number, expected.size)
    wrong = np.flatnonzero(
        (month[:usable] != (months[:usable].astype(np.int64) % 12 + 1))
        | (day[:usable] != (dates[:usable] - months[:usable]).astype(np.int64) + 1)
        | (hour[:usable] != np.arange(usable) % HOURS_PER_DAY)
    )
    if wrong.size:
        at = int(wrong[0])
        day_of_month = (dates[at] - months[at]).astype(np.int64) + 1
        wanted = f"{months[at].astype(np.int64) % 12 + 1}/{day_of_month} hour {at % HOURS_PER_DAY + 1}"
        got = f"{month[at]}/{day[at]} hour {hour[at] + 1}"
        same = at > 0 and (month[at], day[at], hour[at]) == (month[at - 1], day[at - 1], hour[at - 1])
        kind = "a doubled hour" if same else "hours are missing or out of order"
        raise refused(f"{kind}: expected {wanted}, got {got}; a typical year has every hour once", file, line(at))
    if number != expected.size:
        raise refused(
            f"{number:,} hours where {what} has {expected.size:,}: the file is "
            f"{'cut off' if number < expected.size else 'too long'}; download it again",
            file,
            line(number - 1),
        )
    return days


def check_equal_steps(
    labels: NDArray[np.int64], row_minutes: int, file: str, first_line: int | None, column: str = ""
) -> None:
    """Rows follow each other without doubled, missing or misplaced ones."""
    steps = np.diff(labels)
    wrong = np.flatnonzero(steps != row_minutes)
    if not wrong.size:
        return
    at = int(wrong[0])
    line = None if first_line is None else first_line + at + 1
    before, here = (np.datetime64(int(labels[row]), "m") for row in (at, at + 1))
    more = f" (and {wrong.size - 1} more places)" if wrong.size > 1 else ""
    if steps[at] == 0:
        what = f"doubled row {here} UTC"
    elif steps[at] < 0:
        what = f"out of order: {here} UTC after {before} UTC"
    elif steps[at] % row_minutes == 0:
        what = f"{steps[at] // row_minutes - 1} rows missing between {before} and {here} UTC"
    else:
        what = f"uneven step of {steps[at]} minutes where rows are {row_minutes} apart"
    raise refused(f"{what}{more}; every row must be there once, in order", file, line, column)


def utc_minutes(index: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Minutes since 1970 of times with a zone."""
    naive = index.tz_convert("UTC").tz_localize(None)
    return np.asarray(naive.to_numpy().astype("datetime64[m]").astype(np.int64))

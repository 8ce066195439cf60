"""Text files: separated by comma, semicolon or tab, with or without a header, also one number a line, also gzipped.

`#` lines and blank lines at the top and a byte order mark are passed over. Where semicolons or tabs separate
columns a comma is a decimal comma. A blank cell and the words nan, NA, N/A, null and none are missing values.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpp_sim.profiles.columns import (
    Columns,
    FloatArray,
    IntArray,
    only_time_column,
    only_value_column,
    position_of,
    refusal,
    refuse_rows,
)
from vpp_sim.profiles.times import DATE_LIKE, parsed_times, short

if TYPE_CHECKING:
    from vpp_sim.profiles.model import FileProfile

MISSING_WORDS: Final = frozenset({"", "nan", "-nan", "na", "n/a", "#n/a", "null", "none"})
SNIFFED_BYTES: Final = 65_536


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out, from its first lines."""

    delimiter: str
    names: tuple[str, ...]
    first_line: int
    sample: tuple[tuple[str, ...], ...]


def text_columns(profile: FileProfile, place: Path) -> Columns:
    """The value column and, where there is one, the time column of a text file."""
    layout = layout_of(profile, place)
    time_position = _time_position(profile, layout)
    value_position = _value_position(profile, layout, time_position)
    wanted = [value_position] if time_position is None else [value_position, time_position]
    cells, rows = cells_of(profile, place, layout, wanted)
    if not len(rows):
        raise refusal(profile, "has no rows")
    name = layout.names[value_position]
    values = numbers(profile, cells[0], rows, name, decimal_comma=layout.delimiter != ",")
    times = None if time_position is None else parsed_times(profile, cells[1], rows, layout.names[time_position])
    return Columns(name, values, times, rows)


def layout_of(profile: FileProfile, place: Path) -> Layout:
    """Delimiter, header and first rows.

    Raises:
        InputError: not a table of text in UTF-8, or one without rows.
    """
    try:
        with gzip.open(place, "rb") if place.name.lower().endswith(".gz") else place.open("rb") as stream:
            raw = stream.read(SNIFFED_BYTES)
    except (EOFError, gzip.BadGzipFile) as error:
        raise refusal(profile, f"cannot be unpacked ({error}); pack it again") from None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refusal(profile, "is UTF-16 text; save it as UTF-8 CSV")
    if b"\0" in raw:
        raise refusal(
            profile, f"is {'an Excel file' if raw.startswith(b'PK') else 'binary'}; save it as CSV or Parquet"
        )
    try:
        text = (raw if len(raw) < SNIFFED_BYTES else raw[: raw.rfind(b"\n") + 1]).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refusal(profile, "is not UTF-8; save it as UTF-8 CSV", line=raw[: error.start].count(b"\n") + 1) from None
    if text.lstrip()[:1] in ("<", "{", "["):
        what = "a page of the web" if text.lstrip().startswith("<") else "JSON"
        raise refusal(profile, f"looks like {what}, not a table; save it as CSV")
    lines = text.splitlines()
    skipped = 0
    while skipped < len(lines) and (not lines[skipped].strip() or lines[skipped].lstrip().startswith("#")):
        skipped += 1
    body = [line for line in lines[skipped : skipped + 50] if line.strip()]
    if not body:
        raise refusal(profile, "has no rows")
    delimiter = _delimiter(body[:10])
    table = [tuple(cell.strip() for cell in row) for row in csv.reader(body, delimiter=delimiter)]
    first = table[0]
    named = {profile.column, profile.time_column} & set(first)
    has_header = bool(named) or not any(_is_number(cell) or DATE_LIKE.fullmatch(cell) for cell in first)
    names = first if has_header else tuple(str(position + 1) for position in range(len(first)))
    sample = tuple(table[1:] if has_header else table)
    if not sample:
        raise refusal(profile, "has a header and no rows")
    return Layout(delimiter, names, skipped + 1 + has_header, sample)


def _delimiter(lines: Sequence[str]) -> str:
    """The mark that stands as often in most lines as in the first; of two, semicolon and tab before comma."""

    def agreeing(mark: str) -> int:
        return sum(line.count(mark) == lines[0].count(mark) for line in lines) if mark in lines[0] else 0

    return max((";", "\t", ","), key=agreeing)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _time_position(profile: FileProfile, layout: Layout) -> int | None:
    """Position of the time column: the one named, or the only one that holds dates."""
    if profile.time_column is not None:
        return position_of(profile, profile.time_column, layout.names)
    first = layout.sample[0]
    dated = [
        position
        for position, (name, cell) in enumerate(zip(layout.names, first, strict=False))
        if name != profile.column and DATE_LIKE.fullmatch(cell)
    ]
    return only_time_column(profile, layout.names, dated)


def _value_position(profile: FileProfile, layout: Layout, time_position: int | None) -> int:
    if profile.column is not None:
        return position_of(profile, profile.column, layout.names)
    others = [position for position in range(len(layout.names)) if position != time_position]
    if len(others) == 1:
        return others[0]
    numeric = [p for p in others if all(len(row) > p and _is_number(row[p]) for row in layout.sample[:5])]
    return only_value_column(profile, layout.names, numeric)


def cells_of(profile: FileProfile, place: Path, layout: Layout, wanted: Sequence[int]) -> tuple[list[Any], IntArray]:
    """Text of the wanted columns (pyarrow arrays), and the line of each row."""
    import pyarrow as pa
    import pyarrow.csv as pv

    names = [str(position) for position in range(len(layout.names))]
    keep = [names[position] for position in wanted]
    strange: dict[int, str] = {}
    blank: set[int] = set()

    def on_strange_row(row: Any) -> str:
        line = int(row.number)
        if (row.text or "").strip():
            strange[line] = _ragged(row.actual_columns, row.expected_columns, layout.delimiter)
        else:
            blank.add(line)
        return "skip"

    def parsed(handler: Any) -> Any:
        """The table; rows can only be counted, to say which is strange, when read by one thread."""
        compressed = place.name.lower().endswith(".gz")
        return pv.read_csv(
            pa.CompressedInputStream(pa.OSFile(str(place)), "gzip") if compressed else str(place),
            read_options=pv.ReadOptions(
                column_names=names, skip_rows=layout.first_line - 1, use_threads=handler is None, block_size=1 << 22
            ),
            parse_options=pv.ParseOptions(
                delimiter=layout.delimiter, ignore_empty_lines=False, invalid_row_handler=handler
            ),
            convert_options=pv.ConvertOptions(
                include_columns=keep, column_types=dict.fromkeys(keep, pa.string()), strings_can_be_null=False
            ),
        )

    try:
        try:
            table = parsed(None)
        except pa.ArrowInvalid:
            table = parsed(on_strange_row)
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())
        is_encoding = "UTF8" in reason.replace("-", "").upper()
        raise refusal(
            profile, "is not UTF-8 throughout; save it as UTF-8 CSV" if is_encoding else f"cannot be read: {reason}"
        ) from None
    refuse_rows(profile, "", sorted(strange.items()))
    found = [table.column(name).combine_chunks() for name in keep]
    rows = np.arange(layout.first_line, layout.first_line + table.num_rows + len(blank), dtype=np.int64)
    rows = rows[~np.isin(rows, np.array(sorted(blank), dtype=np.int64))]
    return _without_blank_rows(found, rows)


def _ragged(actual: int, expected: int, delimiter: str) -> str:
    """What is wrong with a row of another number of columns than the header has."""
    if actual < expected:
        hint = "; is it cut off?"
    else:
        hint = "; are there decimal commas? separate columns by semicolons then" if delimiter == "," else ""
    return f"has {actual} column{'s' if actual != 1 else ''}, expected {expected}{hint}"


def _without_blank_rows(found: list[Any], rows: IntArray) -> tuple[list[Any], IntArray]:
    """Rows whose time and value are both blank are no rows; of values without times only those at the end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    blank = np.logical_and.reduce([np.asarray(pc.equal(pc.utf8_trim_whitespace(cells), "")) for cells in found])
    if not blank.any():
        return found, rows
    if len(found) == 1:
        blank[: np.flatnonzero(~blank)[-1] + 1 if not blank.all() else 0] = False
    return [cells.filter(pa.array(~blank)) for cells in found], rows[~blank]


def numbers(profile: FileProfile, cells: Any, rows: IntArray, name: str, *, decimal_comma: bool) -> FloatArray:
    """Numbers of text cells (a pyarrow array), missing ones as NaN; text is refused with its rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells)
    text = cells
    for attempt in ("as it is", "cleaned"):
        if attempt == "cleaned":
            missing = pc.is_in(pc.utf8_lower(cells), value_set=pa.array(sorted(MISSING_WORDS)))
            text = pc.if_else(missing, pa.scalar(None, pa.string()), cells)
            if decimal_comma:
                text = pc.replace_substring_regex(text, r"^([+-]?\d*),(\d+([eE][+-]?\d+)?)$", r"\1.\2")
            text = pc.replace_substring_regex(text, r"^\+", "")
        try:
            values: FloatArray = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
            return values
        except pa.ArrowInvalid:
            continue
    is_number = pc.match_substring_regex(text, r"(?i)^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^-?inf(inity)?$|^nan$")
    wrong = np.flatnonzero(~np.asarray(pc.fill_null(is_number, True)))
    told = [(int(rows[p]), cells[int(p)].as_py()) for p in wrong]
    refuse_rows(profile, name, [(line, f"must be a number, got {short(cell)!r}{_remedy(cell)}") for line, cell in told])
    raise refusal(profile, "has numbers that cannot be read; write them like -1234.5", column=name)


def _remedy(cell: str) -> str:
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", cell):
        return "; write it without thousands separators"
    if re.fullmatch(r"[+-]?\d{1,3}([. ]\d{3})+(,\d+)?", cell):
        return "; write it without thousands separators"
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "; write a decimal point"
    if re.fullmatch(r"[+-]?[\d.]+\s*[A-Za-z%/]+", cell):
        return "; write the number alone, its unit stands in the scenario"
    return "; leave the cell empty where the value is missing"

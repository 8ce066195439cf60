"""Parquet files: a numeric column with a time column, a time index, or neither; rows are counted from 1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vpp_sim.profiles.columns import (
    Columns,
    FloatArray,
    IntArray,
    Times,
    only_time_column,
    only_value_column,
    position_of,
    refusal,
    refuse_rows,
)
from vpp_sim.profiles.text_file import numbers
from vpp_sim.profiles.times import DATE_LIKE, parsed_times

if TYPE_CHECKING:
    from vpp_sim.profiles.model import FileProfile


def parquet_columns(profile: FileProfile, place: Path) -> Columns:
    """The value column and, where there is one, the time column or index of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(place) as file:
            names = [field.name for field in file.schema_arrow]
            if file.metadata.num_rows == 0:
                raise refusal(profile, "has no rows")
            time_position = _time_position(profile, file, names)
            value_position = _value_position(profile, file, names, time_position)
            wanted = [names[position] for position in (value_position, time_position) if position is not None]
            table = file.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise refusal(profile, f"cannot be read as Parquet: {' '.join(str(error).split())}") from None
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    name = names[value_position]
    values = _values(profile, table.column(name).combine_chunks(), rows, name)
    times = None
    if time_position is not None:
        time_name = names[time_position]
        times = _times(profile, table.column(time_name).combine_chunks(), rows, time_name)
    return Columns(name, values, times, rows)


def _time_position(profile: FileProfile, file: Any, names: list[str]) -> int | None:
    import pyarrow as pa

    if profile.time_column is not None:
        return position_of(profile, profile.time_column, names)
    kinds = [field.type for field in file.schema_arrow]
    stamped = [p for p, kind in enumerate(kinds) if pa.types.is_timestamp(kind) and names[p] != profile.column]
    index_names = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
    indexed = [p for p in stamped if names[p] in index_names]
    if not stamped:
        text = [p for p, kind in enumerate(kinds) if _is_text(kind) and names[p] != profile.column]
        if text:
            head = next(file.iter_batches(batch_size=1, columns=[names[p] for p in text]))
            stamped = [p for p in text if DATE_LIKE.fullmatch(head.column(names[p])[0].as_py() or "")]
    return only_time_column(profile, names, indexed or stamped)


def _value_position(profile: FileProfile, file: Any, names: list[str], time_position: int | None) -> int:
    if profile.column is not None:
        return position_of(profile, profile.column, names)
    kinds = [field.type for field in file.schema_arrow]
    return only_value_column(profile, names, [p for p, k in enumerate(kinds) if _is_numeric(k) and p != time_position])


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_numeric(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _values(profile: FileProfile, cells: Any, rows: IntArray, name: str) -> FloatArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_text(cells.type):
        return numbers(profile, pc.fill_null(cells.cast(pa.string()), ""), rows, name, decimal_comma=False)
    if not _is_numeric(cells.type):
        raise refusal(profile, f"must hold numbers, holds {cells.type}", column=name)
    values: FloatArray = cells.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _times(profile: FileProfile, cells: Any, rows: IntArray, name: str) -> Times:
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = np.flatnonzero(np.asarray(cells.is_null()))
    refuse_rows(profile, name, [(int(rows[p]), "the time is missing; remove the row or complete it") for p in missing])
    if _is_text(cells.type):
        return parsed_times(profile, pc.fill_null(cells.cast(pa.string()), ""), rows, name)
    if not (pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type)):
        raise refusal(profile, f"must hold times, holds {cells.type}", column=name)
    stamps = pd.DatetimeIndex(cells.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    return Times(name, stamps, bool(pa.types.is_timestamp(cells.type) and cells.type.tz is not None))

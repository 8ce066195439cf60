"""The folder of a sweep: whole after every moment, whatever happens to the process that writes it.

study.json        what was asked for (digest, number of cases, routes), so that only the same study is gone on with
study.yaml        the study as it was read
parts/*.parquet   rows of finished cases, a file per handful; each is written aside and renamed
series/*.parquet  time series per case, where the study keeps them
results.parquet   all rows, one per case, in the order of the cases: made of the parts at the end
columns.csv       unit and definition of every column
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpp_sim.errors import Fault, InputError
from vpp_sim.studies.run_cases import Column, Finished, Row
from vpp_sim.studies.study import OVERRIDE, Study, version
from vpp_sim.whole_files import reason, undisturbed, whole_file

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "study.json"
STUDY_FILE = "study.yaml"
RESULTS = "results.parquet"
COLUMNS = "columns.csv"
PARTS, SERIES = "parts", "series"
LOCK = ".lock"
#: Finished rows wait at most this long, or until they are so many, for the next part.
LONGEST_WAIT_SECONDS = 0.5
MOST_WAITING = 500
#: So many small parts are joined to a larger one.
JOINED_PARTS = 100
_METADATA = b"vpp_sim.columns"
#: Columns of every row, with what they hold.
FIXED_COLUMNS = {
    "case": Column("-", "number of the case, from 0, in the order of the study"),
    "status": Column("-", "ok, or why there is no result: bad_input, infeasible, solver_limit, unverified, ..."),
    "route": Column("-", "how the programs were solved: batch (structured solver), warm or cold (HiGHS)"),
    "seconds": Column("s", "time that the case took on one core; its share where cases were solved side by side"),
    "reason": Column("-", "what went wrong, in words"),
}


class Store:
    """The folder of one sweep, open for writing; use `opened_store`."""

    def __init__(self, folder: Path, study: Study) -> None:
        self.folder = folder
        self.study = study
        self.columns: dict[str, Column] = dict(FIXED_COLUMNS)
        self.done: set[int] = set()
        self._waiting: list[Row] = []
        self._last_write = time.monotonic()
        self._next = 0
        self._small: list[Path] = []

    @property
    def series_folder(self) -> Path | None:
        """Where time series go, if they are kept."""
        return self.folder / SERIES if self.study.model.series else None

    def read_parts(self) -> None:
        """Find what is done already; parts that were not finished are cleared away."""
        for path in sorted((self.folder / PARTS).iterdir()):
            if path.name.startswith(".") or path.suffix != ".parquet":
                path.unlink()
                continue
            try:
                table = _read(path)
            except (OSError, ValueError):  # spoilt, as by a power failure: its cases are done again
                path.unlink()
                continue
            self.done.update(table.column("case").to_pylist())
            self.columns.update(_columns_of(table))
            self._next = max(self._next, int(path.stem.rpartition("-")[2]) + 1)
            if path.stem.startswith("part"):
                self._small.append(path)

    def add(self, finished: Finished) -> None:
        """Take rows; they are on disk within half a second of steady work, or after `flush`."""
        self.columns.update({name: column for name, column in finished.columns.items() if name not in self.columns})
        self._waiting.extend(finished.rows)
        waited = time.monotonic() - self._last_write
        if waited > LONGEST_WAIT_SECONDS or len(self._waiting) >= MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as one part; a request to stop waits, lest rows be written twice."""
        with undisturbed():
            if self._waiting:
                self._small.append(self._write(_table(self._waiting, self.columns, self.study), "part"))
                self.done.update(row["case"] for row in self._waiting)
                self._waiting = []
                if len(self._small) >= JOINED_PARTS:
                    self._join()
            self._last_write = time.monotonic()

    def _join(self) -> None:
        """Many small parts as a larger one; a crash in between leaves rows twice, which reading puts right."""
        self._write(_joined([_read(path) for path in self._small]), "joined")
        for path in self._small:
            path.unlink()
        self._small = []

    def _write(self, table: pa.Table, kind: str) -> Path:
        path = self.folder / PARTS / f"{kind}-{self._next:07d}.parquet"
        self._next += 1
        with self.writing():
            write_whole(table, path)
        return path

    def manifest(self) -> dict[str, Any]:
        """What `study.json` holds."""
        content: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        return content

    def note(self, **entries: Any) -> None:
        """Add entries to `study.json`."""
        with self.writing():
            _write_text(
                self.folder / MANIFEST, json.dumps({**self.manifest(), **entries}, indent=2, ensure_ascii=False)
            )

    def finish(self) -> Path:
        """All rows as `results.parquet`, in the order of the cases."""
        self.flush()
        with self.writing():
            tables = [_read(path) for path in sorted((self.folder / PARTS).glob("[!.]*.parquet"))]
            path = self.folder / RESULTS
            if tables:
                write_whole(_in_order(_joined(tables), self.columns), path)
            self._write_columns()
        return path

    def _write_columns(self) -> None:
        lines = [["column", "unit", "definition"]]
        lines += [[name, self.columns[name].unit, self.columns[name].definition] for name in in_order(self.columns)]
        with (
            whole_file(self.folder / COLUMNS) as made,
            made.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows(lines)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What cannot be written becomes a message that says what is safe and how to go on."""
        try:
            yield
        except OSError as error:
            raise self.cannot_write(error) from error

    def cannot_write(self, error: OSError) -> InputError:
        """The message for a file that could not be written."""
        return InputError(
            Fault(
                f"cannot be written: {reason(error)}; {len(self.done):,} of {len(self.study.cases):,} cases "
                "are safe, and --resume goes on with the others once there is room",
                file=str(self.folder),
            )
        )


@contextmanager
def opened_store(folder: Path, study: Study, *, resume: bool) -> Iterator[Store]:
    """The folder of a sweep, begun or gone on with, locked against a second process.

    Raises:
        InputError: the folder holds something else, another study, or results while `resume` is not asked for;
            another process writes to it; it cannot be written.
    """
    folder = folder.absolute()
    store = Store(folder, study)
    begun = (folder / MANIFEST).is_file()
    if folder.exists() and not begun and (not folder.is_dir() or _foreign(folder)):
        raise InputError(f"{folder}: exists and is not the folder of a sweep; choose another --out")
    with store.writing():
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        if study.model.series:
            (folder / SERIES).mkdir(exist_ok=True)
    with _locked(folder):
        if begun:
            _same_study(store)
            store.read_parts()
            if not resume:
                raise InputError(
                    f"{folder}: holds {len(store.done):,} of {len(study.cases):,} finished cases of this study; "
                    "go on with --resume, or choose another --out"
                )
        else:
            with store.writing():
                _write_text(folder / STUDY_FILE, _as_yaml(study))
                _write_text(folder / MANIFEST, json.dumps(_beginning(study), indent=2, ensure_ascii=False))
        for path in (path for axis in study.axes for path in axis.paths):
            what = "named override of the base" if path == OVERRIDE else f"what was set at {path}"
            store.columns.setdefault(f"set.{path}", Column("-", what))
        try:
            yield store
        finally:
            with undisturbed():
                for left in (*folder.glob(".study.*"), *folder.glob(f"{PARTS}/.*"), *folder.glob(f"{SERIES}/.*")):
                    left.unlink(missing_ok=True)


def _foreign(folder: Path) -> bool:
    """Whether a folder holds anything that a sweep killed at its very beginning would not have left."""
    own = {PARTS, SERIES, LOCK, STUDY_FILE}
    unfinished = (f".{STUDY_FILE}.", f".{MANIFEST}.")
    return any(entry.name not in own and not entry.name.startswith(unfinished) for entry in folder.iterdir())


def _beginning(study: Study) -> dict[str, Any]:
    return {
        "version": version(),
        "name": study.model.name,
        "digest": study.digest,
        "num_cases": len(study.cases),
        "files": dict(study.files),
    }


def _same_study(store: Store) -> None:
    """Refuse to mix cases of two studies, or of two versions, in one table."""
    folder, study, kept = store.folder, store.study, store.manifest()
    if kept["digest"] != study.digest:
        changed = [file for file, digest in study.files.items() if kept["files"].get(file) not in (None, digest)]
        what = f"{changed[0]} has changed" if changed else "the study or its base scenario has changed"
        raise InputError(f"{folder}: holds another study: {what} since it was begun; choose another --out")
    if kept["version"] != version():
        raise InputError(
            f"{folder}: was begun with version {kept['version']}, this is {version()}; choose another --out, so that "
            "one table does not hold results of both"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process may write to a folder; the lock goes with the process, however it ends."""
    with (folder / LOCK).open("a") as file:
        try:
            import fcntl
        except ImportError:  # not on this system; the folder is then not locked
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another sweep is writing to it; wait for its end, or stop it") from None
        except OSError:  # a file system without locks
            pass
        yield


def write_whole(table: pa.Table, path: Path) -> None:
    """Write a table aside and rename it; an error leaves nothing behind.

    It is not forced to the disk, which takes up to a second: what a power failure spoils is found and done again.
    """
    import pyarrow.parquet as pq

    with whole_file(path) as made, made.open("wb") as file:
        pq.write_table(table, file, compression="zstd", store_schema=False)


def _write_text(path: Path, text: str) -> None:
    with whole_file(path) as made:
        made.write_text(text + "\n", encoding="utf-8")


def _read(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).read()


def _columns_of(table: pa.Table) -> dict[str, Column]:
    text = (table.schema.metadata or {}).get(_METADATA, b"{}")
    return {name: Column(*entry) for name, entry in json.loads(text).items()}


def _table(rows: Sequence[Row], columns: Mapping[str, Column], study: Study) -> pa.Table:
    """Rows as a table; the type of a column follows from the whole study, not from the rows at hand."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    arrays, fields = [], []
    for name in names:
        kind = _type_of(name, study)
        values = [row.get(name) for row in rows]
        if kind == pa.string():
            values = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        arrays.append(pa.array(values, type=kind))
        fields.append(pa.field(name, kind))
    described = {name: [column.unit, column.definition] for name, column in columns.items()}
    metadata = {_METADATA: json.dumps(described, ensure_ascii=False).encode()}
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))


def _type_of(name: str, study: Study) -> pa.DataType:
    import pyarrow as pa

    if name == "case":
        return pa.int64()
    if name in ("status", "route", "reason"):
        return pa.string()
    if not name.startswith("set."):
        return pa.float64()
    return pa.float64() if study.is_numeric(name.removeprefix("set.")) else pa.string()


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    described: dict[str, Column] = {}
    for table in tables:
        described.update(_columns_of(table))
    whole = pa.concat_tables([table.replace_schema_metadata(None) for table in tables], promote_options="default")
    text = json.dumps({name: [column.unit, column.definition] for name, column in described.items()})
    return whole.replace_schema_metadata({_METADATA: text.encode()})


def _in_order(table: pa.Table, columns: Mapping[str, Column]) -> pa.Table:
    """One row per case, sorted; fixed columns first, then what was set, then results."""
    import numpy as np

    numbers = table.column("case").to_numpy()
    _, first = np.unique(numbers, return_index=True)
    names = table.column_names
    return table.select([name for name in in_order({**columns, **dict.fromkeys(names)}) if name in names]).take(first)


def in_order(names: Iterable[str]) -> list[str]:
    """Columns in an order that does not depend on which case was finished first.

    Fixed ones, what was set, sizes, figures of the site, figures of components; the reason last.
    """

    def place(name: str) -> tuple[int, int, str]:
        if name in FIXED_COLUMNS:
            return (9 if name == "reason" else 0, list(FIXED_COLUMNS).index(name), "")
        if name.startswith("set."):
            return 1, 0, ""  # in the order of the study
        group = 2 if name in ("objective", "solver_gap") else 3 if name.startswith("size.") else 5 if "." in name else 4
        return group, 0, name

    return sorted(names, key=place)


def _as_yaml(study: Study) -> str:
    """The study as it was read, as JSON, which is YAML as well."""
    content = study.model.model_dump(mode="json", by_alias=True, exclude_none=True)
    content["base"] = str(study.base.path.resolve())
    return json.dumps(content, indent=2, ensure_ascii=False)

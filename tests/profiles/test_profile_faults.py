"""Everything that can be wrong with a series, and the exact text that says where it is and what to do."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from vpp_sim.errors import InputError
from vpp_sim.profiles import Profile, profile_series
from vpp_sim.time_grid import TimeGrid
from vpp_sim.yaml_lines import faults_from_validation

PROFILE: TypeAdapter[Any] = TypeAdapter(Profile)
FOUR_HOURS = TimeGrid(dt.datetime(2025, 1, 1), 60, 4, "Asia/Shanghai")
HOURS = [f"2025-01-01 {hour:02d}:00" for hour in range(4)]


def table(rows: list[str], header: str = "time,kw") -> str:
    return "\n".join([header, *rows]) + "\n"


def told(folder: Path, spec: dict[str, Any], grid: TimeGrid = FOUR_HOURS, **asked: Any) -> str:
    """The fault text, with the temporary folder written as DIR."""
    with pytest.raises(InputError) as caught:
        profile_series(
            PROFILE.validate_python({"unit": "kW", **spec}),
            grid,
            **{"quantity": "power", "base_dir": folder, "path": "load.profile", **asked},
        )
    return str(caught.value).replace(str(folder), "DIR")


FILES: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    # what is wrong: (content of load.csv, other keys of the profile, text)
    "empty": ("", {}, "load.csv: the file is empty"),
    "only blank lines": ("\n\n", {}, "load.csv: has no rows"),
    "only a header": ("time,kw\n", {}, "load.csv: has a header and no rows"),
    "binary": (b"PK\x00\x01", {}, "load.csv: is an Excel file; save it as CSV or Parquet"),
    "other binary": (b"\x7fELF\x00", {}, "load.csv: is binary; save it as CSV or Parquet"),
    "UTF-16": ("kw\n1\n".encode("utf-16"), {}, "load.csv: is UTF-16 text; save it as UTF-8 CSV"),
    "Latin-1": ("zeit,größe\n".encode("latin-1"), {}, "load.csv:1: is not UTF-8; save it as UTF-8 CSV"),
    "Parquet by another name": (b"PAR1....", {}, "load.csv: is a Parquet file; name it .parquet"),
    "gzip by another name": (gzip.compress(b"kw\n1\n"), {}, "load.csv: is gzipped; name it .csv.gz"),
    "no such column": (
        table([f"{hour},1" for hour in HOURS]),
        {"column": "kW"},
        "load.csv: no column 'kW'; did you mean 'kw'?",
    ),
    "no such column and none like it": (
        table([f"{hour},1" for hour in HOURS]),
        {"column": "power"},
        "load.csv: no column 'power'; the file has 'time', 'kw'",
    ),
    "no such time column": (
        table([f"{hour},1" for hour in HOURS]),
        {"time_column": "times"},
        "load.csv: no column 'times'; did you mean 'time'?",
    ),
    "column name doubled": (
        table([f"{hour},1,2" for hour in HOURS], "time,kw,kw"),
        {"column": "kw"},
        "load.csv: column 'kw' stands 2 times in the header; rename all but one",
    ),
    "several columns": (
        table([f"{hour},1,2" for hour in HOURS], "time,kw,kvar"),
        {},
        "load.csv: several columns hold numbers ('kw', 'kvar'); say which with column",
    ),
    "several time columns": (
        table([f"{hour},{hour},1" for hour in HOURS], "utc,local,kw"),
        {},
        "load.csv: several columns hold times ('utc', 'local'); name one as time_column",
    ),
    "no numbers": (
        table([f"{hour},a,b" for hour in HOURS], "time,x,y"),
        {},
        "load.csv: no column holds numbers",
    ),
    "text": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},off", f"{HOURS[2]},3", f"{HOURS[3]},?"]),
        {},
        "load.csv:3: kw: must be a number, got 'off'; leave the cell empty where the value is missing\n"
        "load.csv:5: kw: must be a number, got '?'; leave the cell empty where the value is missing",
    ),
    "a unit behind the number": (
        table([f"{hour},5 kW" for hour in HOURS[:1]]),
        {},
        "load.csv:2: kw: must be a number, got '5 kW'; write the number alone, its unit stands in the scenario",
    ),
    "thousands separators": (
        table([f'{hour},"1,200.5"' for hour in HOURS[:1]]),
        {"column": "kw"},
        "load.csv:2: kw: must be a number, got '1,200.5'; write it without thousands separators",
    ),
    "thousands separators of the continent": (
        "time;kw\n2025-01-01 00:00;1.200,5\n",
        {"column": "kw"},
        "load.csv:2: kw: must be a number, got '1.200,5'; write it without thousands separators",
    ),
    "decimal comma in a comma file": (
        table([f'{hour},"1,5"' for hour in HOURS[:1]]),
        {"column": "kw"},
        "load.csv:2: kw: must be a number, got '1,5'; write a decimal point",
    ),
    "infinite": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},inf"]),
        {},
        "load.csv:3: kw: must be a finite number, got inf",
    ),
    "NaN": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},NaN", f"{HOURS[2]},", f"{HOURS[3]},4"]),
        {},
        "load.csv:3: kw: 2 missing values; complete the file or set fill: interpolate",
    ),
    "missing at the end": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},2", f"{HOURS[2]},3", f"{HOURS[3]},"]),
        {"fill": "interpolate"},
        "load.csv:5: kw: 1 missing value; complete the file (nothing can be interpolated at its ends)",
    ),
    "a missing hour": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},2", f"{HOURS[3]},4"]),
        {},
        "load.csv:3: kw: 1 missing row after this line; complete the file or set fill: interpolate",
    ),
    "a long gap": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},2", "2025-01-01 06:00,7"]),
        {"fill": "interpolate"},
        "load.csv:3: kw: 4 missing rows after this line; complete the file (at most 3 in a row can be interpolated)",
    ),
    "a doubled hour": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},2", f"{HOURS[1]},2", f"{HOURS[2]},3", f"{HOURS[3]},4"]),
        {},
        "load.csv:4: time: 2025-01-01 01:00 stands twice; remove one of the rows",
    ),
    "not sorted": (
        table([f"{HOURS[0]},1", f"{HOURS[2]},2", f"{HOURS[1]},2", f"{HOURS[3]},4"]),
        {},
        "load.csv:4: time: 2025-01-01 01:00 comes after 2025-01-01 02:00; sort the rows by time",
    ),
    "irregular": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},2", f"{HOURS[2]},3", "2025-01-01 03:10,4"]),
        {},
        "load.csv:5: time: 2025-01-01 03:10:00 is off the 60-minute steps of the file; irregular times are not "
        "resampled, bring the file to equal steps",
    ),
    "steps of seconds": (
        table([f"2025-01-01 00:00:{second:02d},1" for second in range(0, 60, 20)]),
        {},
        "load.csv: time: has steps of 20 s; steps must be whole minutes",
    ),
    "a single row": (
        table([f"{HOURS[0]},1"]),
        {},
        "load.csv: time: has a single row; a series with times needs at least two",
    ),
    "a time that is none": (
        table([f"{HOURS[0]},1", "2025-01-01 24:00,2", "later,3"]),
        {},
        "load.csv:3: time: must be a time like the first one (2025-01-01 00:00), got '2025-01-01 24:00'\n"
        "load.csv:4: time: must be a time like the first one (2025-01-01 00:00), got 'later'",
    ),
    "day and month": (
        table(["01/02/2025 00:00,1", "01/02/2025 01:00,2"]),
        {},
        "load.csv:2: time: time '01/02/2025 00:00' is not understood (day and month could be confused); "
        "write 2025-01-31 17:00",
    ),
    "a named time column without times": (
        table([f"{n},1" for n in range(4)], "step,kw"),
        {"time_column": "step"},
        "load.csv:2: step: time '0' is not understood; write 2025-01-31 17:00",
    ),
    "offsets on some times only": (
        table(["2025-01-01 00:00+08:00,1", "2025-01-01 01:00,2"]),
        {},
        "load.csv:3: time: time '2025-01-01 01:00' lacks the offset that the first time has "
        "(2025-01-01 00:00+08:00); write all alike",
    ),
    "offsets on later times only": (
        table(["2025-01-01 00:00,1", "2025-01-01 01:00Z,2"]),
        {},
        "load.csv:3: time: time '2025-01-01 01:00Z' has an offset and the first time has none "
        "(2025-01-01 00:00); write all alike",
    ),
    "too many columns": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},2,5"]),
        {},
        "load.csv:3: has 3 columns, expected 2; are there decimal commas? separate columns by semicolons then",
    ),
    "too many columns below remarks": (
        "# a\n# b\n" + table([f"{HOURS[0]},1", f"{HOURS[1]},2,5"]),
        {},
        "load.csv:5: has 3 columns, expected 2; are there decimal commas? separate columns by semicolons then",
    ),
    "too few columns": (
        table([f"{HOURS[0]},1", "", f"{HOURS[1]}"]),
        {},
        "load.csv:4: has 1 column, expected 2; is it cut off?",
    ),
    "another time": (
        table([f"2024-01-01 {hour:02d}:00,1" for hour in range(4)]),
        {},
        "load.csv: kw: covers 2024-01-01 00:00 to 2024-01-01 04:00 (Asia/Shanghai), the horizon is 2025-01-01 00:00 to "
        "2025-01-01 04:00; move the horizon or give a file that covers it (a full year without times is used as a "
        "typical year)",
    ),
    "one hour too short": (
        table([f"{hour},1" for hour in HOURS[:3]]),
        {},
        "load.csv: kw: covers 2025-01-01 00:00 to 2025-01-01 03:00 (Asia/Shanghai), the horizon is 2025-01-01 00:00 to "
        "2025-01-01 04:00; move the horizon or give a file that covers it (a full year without times is used as a "
        "typical year)",
    ),
    "wrong length": (
        "kw\n" + "1\n" * 8759,
        {},
        "load.csv: kw: has 8,759 values and no times: neither a year (8,760 hourly or 35,040 quarter-hourly values; "
        "8,784 or 35,136 with a 29 February) nor the 4 steps of the horizon; "
        "complete the file or add a column with the times",
    ),
    "negative": (
        table([f"{HOURS[0]},1", f"{HOURS[1]},-2", f"{HOURS[2]},3", f"{HOURS[3]},-0.5"]),
        {},
        "load.csv:3: kw: must be at least 0 kW, got -2\nload.csv:5: kw: must be at least 0 kW, got -0.5",
    ),
    "kW that look like W": (
        table([f"{HOURS[0]},900000", f"{HOURS[1]},1250000", f"{HOURS[2]},3", f"{HOURS[3]},4"]),
        {},
        "load.csv:3: kw: the largest value, 1.25e+06 kW, is 1,250 times what is plausible here (1,000 kW): "
        "looks like W, declared kW; set unit: W",
    ),
    "MW that look like kW": (
        table([f"{HOURS[0]},900", f"{HOURS[1]},1250", f"{HOURS[2]},3", f"{HOURS[3]},4"]),
        {"unit": "MW"},
        "load.csv:3: kw: the largest value, 1,250 MW, is 1,250 times what is plausible here (1,000 kW): "
        "looks like kW, declared MW; set unit: kW",
    ),
    "far too large": (
        table([f"{HOURS[0]},9", f"{HOURS[1]},1e12", f"{HOURS[2]},3", f"{HOURS[3]},4"]),
        {},
        "load.csv:3: kw: the largest value, 1e+12 kW, is 1,000,000,000 times what is plausible here (1,000 kW); "
        "check the unit",
    ),
}


@pytest.mark.parametrize("name", list(FILES))
def test_a_file_that_cannot_be_used_says_which_row_and_what_to_do(name: str, tmp_path: Path) -> None:
    content, spec, message = FILES[name]
    (tmp_path / "load.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert told(tmp_path, {"path": "load.csv", **spec}, ge=0, plausible_max=1000.0) == message


def test_only_the_first_ten_faults_are_told(tmp_path: Path) -> None:
    rows = [f"{stamp:%Y-%m-%d %H:%M},x" for stamp in pd.date_range("2025-01-01", periods=30, freq="h")]
    (tmp_path / "load.csv").write_text(table(rows))
    lines = told(tmp_path, {"path": "load.csv", "column": "kw"}).splitlines()
    assert len(lines) == 10
    assert lines[-1] == (
        "load.csv:11: kw: must be a number, got 'x'; leave the cell empty where the value is missing "
        "(and 20 more like this)"
    )


def test_the_unit_must_be_known_for_the_quantity(tmp_path: Path) -> None:
    place = {"path": "load.csv", "unit": "kw"}
    assert told(tmp_path, place) == (
        "load.profile.unit: unknown unit 'kw' of power; did you mean kW? one of kW, W, MW, GW, kWh, Wh, MWh, GWh, J, "
        "kJ, MJ, GJ"
    )
    assert told(tmp_path, {**place, "unit": "EUR"}, quantity="price") == (
        "load.profile.unit: unknown unit 'EUR' of price; one of per_kwh, per_mwh"
    )


def test_a_place_that_is_no_file_is_told_at_the_profile(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "load.csv").write_text("kw\n1\n")
    (tmp_path / "load.xlsx").write_text("x")
    assert told(tmp_path, {"path": "laod.csv"}) == "load.profile.path: no such file 'laod.csv'; did you mean load.csv?"
    assert told(tmp_path, {"path": "x/y.csv"}) == "load.profile.path: no such file 'x/y.csv'; paths start from DIR"
    assert told(tmp_path, {"path": "folder.csv"}) == (
        "load.profile.path: 'folder.csv' is a folder; give a CSV or Parquet file"
    )
    assert told(tmp_path, {"path": "load.xlsx"}) == (
        "load.xlsx: unknown ending '.xlsx'; save it as CSV (.csv, .csv.gz) or Parquet (.parquet)"
    )


def test_broken_archives_and_parquet_files_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(table([f"{hour},1" for hour in HOURS]).encode())
    (tmp_path / "cut.csv.gz").write_bytes(packed[:-12])
    (tmp_path / "plain.csv.gz").write_text("kw\n1\n")
    (tmp_path / "text.parquet").write_text("kw\n1\n")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    assert told(tmp_path, {"path": "cut.csv.gz"}).startswith("cut.csv.gz: cannot be unpacked (")
    assert told(tmp_path, {"path": "plain.csv.gz"}) == "plain.csv.gz: is not gzipped; name it .csv"
    assert told(tmp_path, {"path": "text.parquet"}) == "text.parquet: is no Parquet file"
    assert told(tmp_path, {"path": "cut.parquet"}).startswith("cut.parquet: cannot be read as Parquet: ")


def test_a_byte_that_is_no_utf_8_is_found_far_down_too(tmp_path: Path) -> None:
    rows = "".join(f"{stamp:%Y-%m-%d %H:%M},5\n" for stamp in pd.date_range("2025-01-01", periods=8759, freq="h"))
    (tmp_path / "load.csv").write_bytes(b"time,kw\n" + rows.encode() + b"2025-12-31 23:00,5\xb0\n")
    assert told(tmp_path, {"path": "load.csv"}) == "load.csv: is not UTF-8 throughout; save it as UTF-8 CSV"


def test_parquet_faults_name_the_row_and_the_column(tmp_path: Path) -> None:
    times = pd.date_range("2025-01-01", periods=4, freq="h", name="time")
    frames: dict[str, pd.DataFrame] = {
        "nan": pd.DataFrame({"kw": [1.0, np.nan, 3.0, 4.0]}, index=times),
        "text": pd.DataFrame({"kw": ["1", "x", "3", "4"]}, index=times),
        "flags": pd.DataFrame({"kw": [True, False, True, True]}, index=times),
        "twice": pd.DataFrame({"kw": [1.0] * 4}, index=times[[0, 1, 1, 2]]),
        "empty": pd.DataFrame({"kw": np.empty(0)}),
        "lost": pd.DataFrame({"kw": [1.0] * 4, "when": [times[0], None, times[2], times[3]]}),
    }
    for name, frame in frames.items():
        frame.to_parquet(tmp_path / f"{name}.parquet")
    spec = {"column": "kw"}
    assert told(tmp_path, {"path": "nan.parquet", **spec}) == (
        "nan.parquet:2: kw: 1 missing value; complete the file or set fill: interpolate"
    )
    assert told(tmp_path, {"path": "text.parquet", **spec}) == (
        "text.parquet:2: kw: must be a number, got 'x'; leave the cell empty where the value is missing"
    )
    assert told(tmp_path, {"path": "flags.parquet", **spec}) == "flags.parquet: kw: must hold numbers, holds bool"
    assert told(tmp_path, {"path": "twice.parquet", **spec}) == (
        "twice.parquet:3: time: 2025-01-01 01:00 stands twice; remove one of the rows"
    )
    assert told(tmp_path, {"path": "empty.parquet", **spec}) == "empty.parquet: has no rows"
    assert told(tmp_path, {"path": "lost.parquet", **spec}) == (
        "lost.parquet:2: when: the time is missing; remove the row or complete it"
    )
    assert told(tmp_path, {"path": "nan.parquet", "column": "k"}) == "nan.parquet: no column 'k'; did you mean 'kw'?"
    assert told(tmp_path, {"path": "twice.parquet", "time_column": "kw", "column": "kw"}) == (
        "twice.parquet: kw: must hold times, holds double"
    )


def berlin_rows(stamps: list[str]) -> str:
    return table([f"{stamp},{position}" for position, stamp in enumerate(stamps)])


def test_standard_time_in_a_zone_with_summer_time_is_recognised(tmp_path: Path) -> None:
    """02:00 on 30 March 2025 and a single 02:00 on 26 October do not exist, or exist twice, in Berlin."""
    spring = TimeGrid(dt.datetime(2025, 3, 30), 60, 4, "Europe/Berlin")
    (tmp_path / "spring.csv").write_text(berlin_rows([f"2025-03-30 {hour:02d}:00" for hour in range(6)]))
    assert told(tmp_path, {"path": "spring.csv"}, spring) == (
        "spring.csv:4: time: 2025-03-30 02:00 does not exist in Europe/Berlin (clocks go forward); if the file keeps "
        "standard time all year set timezone: Etc/GMT-1, else write times with their offset"
    )
    autumn = TimeGrid(dt.datetime(2025, 10, 26), 60, 4, "Europe/Berlin")
    (tmp_path / "autumn.csv").write_text(berlin_rows([f"2025-10-26 {hour:02d}:00" for hour in range(6)]))
    assert told(tmp_path, {"path": "autumn.csv"}, autumn) == (
        "autumn.csv:4: time: 2025-10-26 02:00 happens twice in Europe/Berlin (clocks go back) and the file does not "
        "show both in order; if the file keeps standard time all year set timezone: Etc/GMT-1, else write times with "
        "their offset"
    )


@pytest.mark.parametrize(
    ("written", "messages"),
    [
        ("load.csv", ["must be a number, {path, column, unit} or {generator, seed, ...}, got 'load.csv'"]),
        (True, ["must be a number, {path, column, unit} or {generator, seed, ...}, got true"]),
        (None, ["must be a number, {path, column, unit} or {generator, seed, ...}, got nothing"]),
        (float("nan"), ["must be a finite number, got nan"]),
        ({"path": "a.csv"}, [".unit: missing: unit of the column, e.g. kW, MWh, per_mwh, fraction, percent"]),
        ({"path": "a.csv", "unit": "kW", "colunm": "b"}, [".colunm: unknown key; did you mean column?"]),
        ({"path": "a.csv", "unit": "kW", "label": "middle"}, [".label: must be one of start, end, got 'middle'"]),
        (
            {"path": "a.csv", "unit": "kW", "timezone": "Asia/Shangai"},
            [".timezone: unknown time zone 'Asia/Shangai'; did you mean Asia/Shanghai?"],
        ),
        (
            {"generator": "office", "seed": 1},
            [
                "unknown generator 'office'; did you mean office_park? one of constant, industrial_park, "
                "interactive_compute, job_arrivals, office_park"
            ],
        ),
        ({"generator": "office_park", "peek": 1}, [".peek: unknown key; did you mean peak?"]),
        ({"generator": "office_park", "seed": -1}, [".seed: must be at least 0, got -1"]),
        (
            {"generator": "job_arrivals"},
            [".mean: missing: mean work handed in over each calendar year [kW, i.e. kWh per hour]"],
        ),
    ],
)
def test_what_is_written_wrongly_is_told_for_the_form_that_was_meant(written: Any, messages: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        PROFILE.validate_python(written)
    faults = faults_from_validation(caught.value, {}, "", ("profile",), model=Profile)
    assert [str(fault) for fault in faults] == [
        f"profile{text}" if text.startswith(".") else f"profile: {text}" for text in messages
    ]


def test_numbers_and_generators_are_held_against_bounds_too() -> None:
    ask: Callable[..., Any] = profile_series
    with pytest.raises(InputError, match=r"^load\.profile: must be at least 0 kW, got -3$"):
        ask(-3.0, FOUR_HOURS, quantity="power", base_dir=Path(), path="load.profile", ge=0)
    generator = PROFILE.validate_python({"generator": "constant", "value": 1.5})
    with pytest.raises(InputError, match=r"^share: must be at most 1, got 1\.5$"):
        ask(generator, FOUR_HOURS, quantity="fraction", base_dir=Path(), path="share", le=1)

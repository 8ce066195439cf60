"""A corpus of mistakes that people make: each ends in a message that says where it is and what would be right.

`corpus/*.yaml` lists them, a file an area. A case is a good base with one edit:

    - fault: what was done wrong
      site.yaml: {"power_kw: 180": power_kw: 180 kW}   # in a file of the base: text that stands there once, to new
      load.csv: the whole text of a file               # or all of it anew, or {made: NAME}, a function of MADE below
      command: check site.yaml                         # (default)
      good: check site.yaml                            # the command without the fault, where that is in it
      ends: 2                                          # exit code (default 2); 0 where it is odd but possible
      place: "site.yaml:{line}: battery.power_kw"      # how the message begins; {line} is the line of the edit
      says: [a number, write the number alone]         # words it must have
"""

import gzip
import io
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vpp_sim.cli.main import exit_code
from vpp_sim.yaml_lines import read_yaml

CORPUS = Path(__file__).parent / "corpus"
#: Of the processor; a hang that waits is ended after three times as long, whatever else the machine has to do.
LIMIT_SECONDS = 10
#: What a message must never be made of.
NEVER = ("Traceback", "defect of vpp_sim", "Errno", "pydantic", "<class", "object at 0x")


@dataclass(frozen=True)
class Case:
    """One planted fault; see the module."""

    area: str
    fault: str
    place: str
    says: tuple[str, ...]
    command: str = "check site.yaml"
    good: str = ""
    ends: int = 2
    edits: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, area: str, written: dict[str, Any]) -> "Case":
        edits = {key: value for key, value in written.items() if "." in key}
        rest = {key: value for key, value in written.items() if key not in edits}
        says = rest.pop("says")
        return cls(area=area, edits=edits, says=tuple(says) if isinstance(says, list) else (str(says),), **rest)

    @property
    def good_command(self) -> str:
        return self.good or self.command


def _cases() -> list[Case]:
    return [
        Case.of(path.stem, written) for path in sorted(CORPUS.glob("*.yaml")) for written in read_yaml(path)[0]["cases"]
    ]


CASES = _cases()


def _picture() -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 20


def _archive(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, "0" * 1000)
    return packed.getvalue()


def _shifted(text: str, hours: int) -> str:
    """A table whose values stand so many rows later."""
    head, *rows = text.splitlines()
    stamps, values = [row.split(",", 1)[0] for row in rows], [row.split(",", 1)[1] for row in rows]
    moved = values[-hours:] + values[:-hours]
    return "\n".join([head, *(f"{stamp},{value}" for stamp, value in zip(stamps, moved, strict=True))]) + "\n"


def _scaled(text: str, factor: float, column: int = 1, plus: float = 0.0) -> str:
    """A table with one column of numbers times a factor."""
    head, *rows = text.splitlines()
    found = []
    for row in rows:
        cells = row.split(",")
        cells[column] = f"{float(cells[column]) * factor + plus:.6g}"
        found.append(",".join(cells))
    return "\n".join([head, *found]) + "\n"


def _aliases() -> str:
    lines = ["x-a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"x-a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines) + "\n"


def _year(rows: int) -> str:
    return "hall\n" + "40\n" * rows


def _two_days(text: str) -> str:
    """The rows of the base's horizon, with an hour to either side."""
    head, *rows = text.splitlines()
    return "\n".join([head, *(row for row in rows if "2025-06-08 23" <= row < "2025-06-11 01")]) + "\n"


def _without(text: str, day: str) -> str:
    return "\n".join(row for row in text.splitlines() if not row.startswith(day)) + "\n"


def _restamped(text: str, hours: int = 0, start: str = "2025-06-09 00:00") -> str:
    """The rows with the times of another span, hour by hour."""
    head, *rows = text.splitlines()
    first = datetime.fromisoformat(start) + timedelta(hours=hours)
    stamps = [f"{first + timedelta(hours=number):%Y-%m-%d %H:%M}" for number in range(len(rows))]
    return (
        "\n".join([head, *(f"{stamp},{row.split(',', 1)[1]}" for stamp, row in zip(stamps, rows, strict=True))]) + "\n"
    )


def _serial(text: str) -> str:
    """Times as a spreadsheet counts them, in days since 1900."""
    head, *rows = text.splitlines()
    return "\n".join([head, *(f"{45817 + n / 24:.4f},{row.split(',', 1)[1]}" for n, row in enumerate(rows))]) + "\n"


#: Files that are better made than written, from the text of the base's file of the same name.
MADE: dict[str, Callable[[str], str | bytes]] = {
    "picture": lambda text: _picture(),
    "excel": lambda text: _archive("xl/workbook.xml"),
    "zip": lambda text: _archive("load.csv"),
    "utf16": lambda text: text.encode("utf-16"),
    "gbk": lambda text: text.replace("name: ", "name: 西宁 ", 1).encode("gbk"),
    "gbk_table": lambda text: text.replace("load", "负荷", 1).encode("gbk"),
    "gzipped": lambda text: gzip.compress(text.encode()),
    "half": lambda text: text[: len(text) // 2],
    "six_megabytes": lambda text: text + "# filling\n" * 600_000,
    "nul": lambda text: text.encode().replace(b"battery", b"bat\0tery", 1),
    "aliases": lambda text: text + _aliases(),
    "deep": lambda text: text + "x-deep: " + "[" * 5000 + "]" * 5000 + "\n",
    "semicolons": lambda text: text.replace(",", ";"),
    "later_1": lambda text: _shifted(text, 1),
    "later_2": lambda text: _shifted(text, 2),
    "later_8": lambda text: _shifted(text, 8),
    "earlier_8": lambda text: _shifted(text, -8),
    "thousandth": lambda text: _scaled(text, 1e-3),
    "thousandfold": lambda text: _scaled(text, 1e3),
    "hundredfold": lambda text: _scaled(text, 1e2),
    "negated": lambda text: _scaled(text, -1),
    "constant": lambda text: _scaled(text, 0, plus=50),
    "zero": lambda text: _scaled(text, 0),
    "fahrenheit": lambda text: _scaled(text, 1.8, column=2, plus=32),
    "kelvin": lambda text: _scaled(text, 1, column=2, plus=273.15),
    "same_temperature": lambda text: _scaled(text, 0, column=2, plus=20),
    "energy_thousandfold": lambda text: _scaled(text, 1e3, column=3),
    "power_thousandfold": lambda text: _scaled(text, 1e3, column=4),
    "later_4": lambda text: _shifted(text, 4),
    "kilojoules": lambda text: _scaled(text, 3.6),
    "two_days_in_utc": lambda text: _two_days(_shifted(text, -8)),
    "two_days_late": lambda text: _two_days(_shifted(text, 3)),
    "doubled_noon": lambda text: text.replace("2025-06-03 12:00", "2025-06-03 11:00"),
    "no_3_june": lambda text: _without(text, "2025-06-03"),
    "no_day": lambda text: _without(text, "2025-06-10"),
    "reversed": lambda text: "\n".join([text.splitlines()[0], *reversed(text.splitlines()[1:])]) + "\n",
    "continental": lambda text: text.replace(",", ";").replace(".", ","),
    "semicolons_and_commas": lambda text: text.replace(",22", ";22"),
    "gbk_sessions": lambda text: text.replace("b,", "北,", 1).encode("gbk"),
    "longer_rows": lambda text: re.sub(r"(?m)(\d)$", r"\1,0", text),
    "two_columns": lambda text: re.sub(r"(?m)(\d)$", r"\1,7", text).replace("time,load", "time,load,kvar"),
    "same_columns": lambda text: re.sub(r"(?m)(\d)$", r"\1,7", text).replace("time,load", "time,load,load"),
    "american": lambda text: re.sub(r"2025-(\d\d)-(\d\d)", r"\1/\2/2025", text),
    "serial_dates": lambda text: _serial(text),
    "in_utc": lambda text: re.sub(r"(:00),", r"\1Z,", text),
    "other_year": lambda text: text.replace("2025-", "2024-"),
    "end_labels": lambda text: _restamped(text, hours=1),
    "spring": lambda text: _restamped(text, start="2025-03-29 00:00"),
    "later_load": lambda text: _restamped(text, hours=72),
    "later_yield": lambda text: _restamped(text, hours=72),
    "later_prices": lambda text: _restamped(text, hours=72),
    "digits": lambda text: text.replace("energy_kwh: 360", "energy_kwh: " + "9" * 5000),
    "digits_400": lambda text: text.replace("energy_kwh: 360", "energy_kwh: " + "9" * 400),
    "two_days_early": lambda text: _two_days(_shifted(text, -1)),
    "long_name": lambda text: text.replace("path: load.csv", f"path: {'x' * 300}.csv"),
    "with_epw": lambda text: re.sub(r"(?s)  source: csv.*?tariff:", "  source: epw\n  path: year.epw\ntariff:", text),
    "epw_with_commas": lambda text: "\n".join(
        ["LOCATION,A,B,C,D,E,36.6,101.8,8,2261", *["X,0"] * 7, *["0," * 35] * 24]
    ),
    "no_components": lambda text: text[: text.index("components:")],
    "year_8759": lambda text: _year(8759),
    "year_8761": lambda text: _year(8761),
    "year_8784": lambda text: _year(8784),
    "decimal_commas": lambda text: "\n".join(row.replace(".", ",") for row in text.splitlines()) + "\n",
}


def plant(case: Case, folder: Path) -> int | None:
    """Make the case's edits; the line of the first one."""
    found: int | None = None
    for name, edit in case.edits.items():
        path = folder / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if isinstance(edit, dict) and "made" in edit:
            after: str | bytes = MADE[edit["made"]](before)
        elif isinstance(edit, dict):
            after = before
            for old, new in edit.items():
                assert after.count(str(old)) == 1, f"{name} has {after.count(str(old))} times {old!r}"
                found = found or after[: after.index(str(old))].count("\n") + 1
                after = after.replace(str(old), str(new))
        elif edit is None:
            path.unlink()
            continue
        else:
            after = str(edit)
        assert after != before
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(after if isinstance(after, bytes) else after.encode())
    return found


class TookTooLongError(BaseException):
    """Not an `Exception`, so that nobody but the test catches it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def is_told(case: Case, place: str, out: str, err: str) -> bool:
    """Whether one message begins with the place and has all words; explanations of code 3 have several lines."""
    lines = (out if case.ends == 0 else err).splitlines()
    if case.ends == 3:
        lines = ["\n".join(lines)]
    return any(line.startswith(place) and all(word in line for word in case.says) for line in lines)


def check(case: Case, line: int | None, code: int, out: str, err: str) -> None:
    place = case.place.replace("{line}", str(line)).replace("{folder}", str(Path.cwd()))
    shown = f"\n{place} {case.says}\n--- exit code {code}\n{err}\n--- stdout\n{out}"
    assert code == case.ends, shown
    assert not any(word in err for word in NEVER), shown
    assert is_told(case, place, out, err), shown
    assert max(map(len, err.splitlines()), default=0) < 600, shown


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.area}: {case.fault}")
def test_a_planted_fault_ends_in_the_right_message(
    case: Case, base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(base.parent))
    line = plant(case, base)
    before = tree(base)
    begun = time.process_time()
    with time_limit(3 * LIMIT_SECONDS):
        code = exit_code(shlex.split(case.command))
    assert time.process_time() - begun < LIMIT_SECONDS
    told = capsys.readouterr()
    check(case, line, code, told.out, told.err)
    left = tree(base) - before
    if code == 3:  # a run leaves the folder that says why it has no result
        assert {Path(name).name for name in left if (base / name).is_file()} <= {"run.json", "scenario.yaml"}
    elif code != 0:
        assert not left, "something was left behind"


@pytest.mark.parametrize("command", sorted({case.good_command for case in CASES}))
def test_the_base_is_good_without_the_fault(command: str, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a case could pass whatever its edit does: the message must come from the edit."""
    code = exit_code(shlex.split(command))
    out, err = capsys.readouterr()
    assert code == 0, err
    for case in CASES:
        if case.good_command == command and case.ends == 0:
            assert not is_told(case, case.place, out, err), case.fault


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.ends == 3 and "run" in case.command], ids=lambda case: case.fault
)
def test_the_first_remedy_of_an_infeasible_site_is_one(
    case: Case, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the explanation says would be enough is given to the same command, which then ends well."""
    plant(case, base)
    assert exit_code(shlex.split(case.command)) == 3
    remedies = re.findall(r"(?m)^ +((?:--set \S+ ?)+)", capsys.readouterr().err)
    assert remedies
    assert exit_code(shlex.split(f"{case.command} {remedies[0]}")) == 0, capsys.readouterr().err


SHELL = ("text: a device that never ends", "components: PUE in percent", "infeasible: connection a little too small")


@pytest.mark.parametrize("name", SHELL)
def test_as_a_process_of_its_own_it_ends_alike(name: str, base: Path) -> None:
    case = next(case for case in CASES if f"{case.area}: {case.fault}" == name)
    line = plant(case, base)
    command = [sys.executable, "-m", "vpp_sim", *shlex.split(case.command)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    check(case, line, ended.returncode, ended.stdout, ended.stderr)


def test_the_corpus_has_150_cases_that_differ() -> None:
    assert len({(case.area, case.fault) for case in CASES}) == len(CASES)
    edits = {(case.command, repr(sorted(case.edits.items()))) for case in CASES}
    assert len(edits) == len(CASES) >= 150
    assert all(case.edits or case.good for case in CASES)
    assert all(len(case.place) >= 3 and all(len(word) >= 2 for word in case.says) and case.says for case in CASES)

"""Inputs that nobody thought of: mutated scenarios, tariffs, studies and tables end in an input error or well.

Hypothesis takes good texts apart: lines dropped, doubled, moved and re-indented, values replaced by nasty ones, bytes
flipped, files cut. Whatever comes out, a reader answers within seconds, with `InputError` where it cannot be used;
warnings are errors here. What was found so far stands in `corpus/`. Quick and the same in every run of the suite;

    VPP_SIM_FUZZ=2000 pytest tests/faults/test_fuzzed_inputs.py        looks further, each time elsewhere
"""

import datetime as dt
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from vpp_sim.cli.main import exit_code
from vpp_sim.errors import InputError
from vpp_sim.profiles import FileProfile, profile_series
from vpp_sim.profiles.sessions import SessionFile, read_sessions
from vpp_sim.scenario import load_scenario
from vpp_sim.studies.study import load_study
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site, WeatherSource, read_weather
from vpp_sim.yaml_lines import parse_yaml

LONG = os.environ.get("VPP_SIM_FUZZ")
LIMIT_SECONDS = 10.0
GRID = TimeGrid(dt.datetime(2025, 6, 9), 60, 48, "Asia/Shanghai")
XINING = Site(latitude=36.62, longitude=101.78, altitude_m=2261)
SOURCE: TypeAdapter[Any] = TypeAdapter(WeatherSource)


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """So many examples in the suite, the same ones always; as many as VPP_SIM_FUZZ says where it is set."""
    return settings(
        max_examples=int(LONG) if LONG else examples,
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


NASTY = [
    *(
        "",
        "~",
        "null",
        "true",
        "no",
        "0",
        "-0.0",
        "-1",
        "1",
        "2",
        "1e9",
        "1e308",
        "-1e308",
        "1e-308",
        "5e-324",
        "1e400",
    ),
    *(".inf", "-.inf", ".nan", "nan", "inf", "9" * 25, "9" * 400, "0x10", "1_000", "1,5", "3,600", "95 %", "12 kW"),
    *(
        "[]",
        "{}",
        "[1, 2]",
        "{a: 1}",
        "{min: 1, max: 2, cost_per_unit: 3}",
        "[[[]]]",
        "'",
        '"',
        "!!int 3",
        "!x y",
        "&a",
    ),
    *("*a", "<<", "2025-02-30", "2025-06-09", "0001-01-01", "9999-12-31", "2025-06-09T00:00:00Z", "12:30", "12:30:45"),
    *(
        "中文",
        "💡",
        "\u202e",
        "\ufeff",
        "\u2028",
        "\x85",
        " ",
        "\t",
        "- a",
        "? b",
        "a: b: c",
        "|",
        ">",
        "@x",
        "`x",
        "#",
    ),
    *(
        "---",
        "...",
        "%YAML 1.1",
        "/dev/zero",
        "/dev/null",
        "..",
        "/",
        "~/x",
        "x" * 300 + ".csv",
        '"a\\0b"',
        '"\\ud800"',
    ),
    *("\\N", "C:\\x", "load.csv", "site.yaml", "weather.csv", "flat", "Asia/Shanghai", "UTC", "00-24", "23-07", "peak"),
]
CELLS = [
    *("", " ", "nan", "NaN", "inf", "-inf", "1e400", "1e308", "-1e308", "5e-324", "-1", "0", "9" * 400, "0x10", "1_0"),
    *(
        "abc",
        "1,5",
        "1.234,5",
        "12 kW",
        "50%",
        "#DIV/0!",
        "--",
        "null",
        '"',
        '"1',
        "'",
        "💡",
        "\u202e",
        "\x85",
        "\u2028",
    ),
    *("2025-06-09 03:00", "2025-06-09T03:00:00+08:00", "2025-06-09 03:00Z", "2025-06-31 00:00", "0001-01-01 00:00"),
    *(
        "9999-12-31 23:00",
        "1677-01-01 00:00",
        "2262-12-31 00:00",
        "24:00",
        "06/09/2025",
        "1749427200",
        "2025-06-09",
        "-",
    ),
]


@st.composite
def broken_lines(draw: st.DrawFn, text: str, values: list[str], marks: str) -> str:
    """A text with one to four edits of lines; `marks` are what values stand behind."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(
            st.sampled_from(["value", "value", "value", "value", "drop", "double", "swap", "indent", "noise", "cut"])
        )
        if kind == "value":
            places = [place for place, mark in enumerate(lines[at]) if mark in marks]
            if places:
                place = draw(st.sampled_from(places))
                ends = [end for end in places if end > place] or [len(lines[at])]
                end = draw(st.sampled_from([ends[0], len(lines[at])]))
                lines[at] = (
                    lines[at][: place + 1]
                    + draw(st.sampled_from(["", " "]))
                    + draw(st.sampled_from(values))
                    + lines[at][end:]
                )
        elif kind == "drop":
            del lines[at : at + draw(st.sampled_from([1, 1, 3]))]
        elif kind == "double":
            lines.insert(draw(st.integers(0, len(lines))), lines[at])
        elif kind == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == "indent":
            lines[at] = draw(st.sampled_from(["\t", " ", "  ", "    ", "- "])) + lines[at].lstrip()
        elif kind == "noise":
            place = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:place] + draw(st.text(max_size=3)) + lines[at][place:]
        else:
            lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return draw(st.sampled_from(["\n", "\n", "\n", "\r\n"])).join(lines) + draw(st.sampled_from(["\n", "\n", ""]))


def survives(read: Callable[[], object]) -> None:
    """The call gives something or an input error with a message, within seconds."""
    begun = time.process_time()
    try:
        read()
    except InputError as error:
        told = error
    else:
        told = InputError("it went well")
    assert str(told).strip()
    assert all("\n" not in fault.message for fault in told.faults)
    assert time.process_time() - begun < LIMIT_SECONDS


def written(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))


@pytest.mark.parametrize("name", ["site.yaml", "small.yaml", "tariff.yaml", "berlin.yaml"])
@fuzzed(40)
@given(draws=st.data())
def test_mutated_scenarios_and_tariffs(name: str, good_base: Path, base: Path, draws: st.DataObject) -> None:
    """Through `check`, which reads every file that is named; exit code 1 would be a defect of ours, 3 is infeasible."""
    text = (good_base / name).read_text()
    written(base / name, draws.draw(broken_lines(text, NASTY, ":[,{")))
    scenario = base / ("site.yaml" if name == "tariff.yaml" else name)
    survives(lambda: load_scenario(scenario))
    begun = time.process_time()
    assert exit_code(["check", str(scenario)]) in (0, 2, 3)
    assert time.process_time() - begun < LIMIT_SECONDS


@fuzzed(25)
@given(draws=st.data())
def test_mutated_studies(good_base: Path, base: Path, draws: st.DataObject) -> None:
    written(base / "study.yaml", draws.draw(broken_lines((good_base / "study.yaml").read_text(), NASTY, ":[,{")))
    survives(lambda: load_study(base / "study.yaml"))


@fuzzed(60)
@given(
    text=st.one_of(
        st.text(), st.text(alphabet=" \n\t:-[]{},&*!|>'\"%@`#?ab01.~<"), st.binary().map(lambda b: b.decode("latin-1"))
    )
)
def test_any_text_as_yaml(text: str) -> None:
    survives(lambda: parse_yaml(text))


@fuzzed(40)
@given(path=st.text(alphabet="abgrid.[]0-=batteryenergy_kwh ", max_size=20), value=st.sampled_from(NASTY))
def test_any_setting(path: str, value: str, base: Path) -> None:
    survives(lambda: load_scenario(base / "small.yaml", settings=[f"{path}={value}"]))
    survives(lambda: load_scenario(base / "small.yaml", settings=[f"battery.energy_kwh{path}={value}"]))


FLIPPED = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4)


def with_bytes_flipped(raw: bytes, flips: list[tuple[int, int]]) -> bytes:
    changed = bytearray(raw)
    for place, value in flips:
        changed[place % len(changed)] = value
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "quantity", "unit"),
    [("load.csv", "power", "kW"), ("prices.csv", "price", "per_mwh"), ("autumn.csv", "energy", "kWh")],
)
@fuzzed(50)
@given(draws=st.data())
def test_mutated_series(name: str, quantity: str, unit: str, good_base: Path, base: Path, draws: st.DataObject) -> None:
    raw = (good_base / name).read_text()
    if draws.draw(st.booleans()):
        written(base / name, draws.draw(broken_lines(raw, CELLS, ",\n")))
    else:
        (base / name).write_bytes(with_bytes_flipped(raw.encode(), draws.draw(FLIPPED)))
    zone = draws.draw(st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "UTC"]))
    grid = TimeGrid(dt.datetime(2025, 10, 25) if name == "autumn.csv" else GRID.start, 60, 48, zone)
    fill = draws.draw(st.sampled_from(["refuse", "interpolate"]))
    profile = FileProfile(path=name, unit=unit, fill=fill)  # type: ignore[arg-type]
    notes: list[str] = []
    survives(lambda: profile_series(profile, grid, quantity=quantity, base_dir=base, ge=0.0, notes=notes))


@fuzzed(80)
@given(draws=st.data())
def test_mutated_sessions(good_base: Path, base: Path, draws: st.DataObject) -> None:
    raw = (good_base / "sessions.csv").read_text()
    if draws.draw(st.integers(0, 3)):
        written(base / "sessions.csv", draws.draw(broken_lines(raw, CELLS, ",\n")))
    else:
        (base / "sessions.csv").write_bytes(with_bytes_flipped(raw.encode(), draws.draw(FLIPPED)))
    table = SessionFile(path="sessions.csv", repeat=draws.draw(st.booleans()))
    zone = draws.draw(st.sampled_from(["Asia/Shanghai", "Europe/Berlin"]))
    survives(lambda: read_sessions(table, TimeGrid(GRID.start, 60, 48, zone), base))


def rows_in_utc(folder: Path) -> list[tuple[dt.datetime, float, float]]:
    """Time in UTC, radiation and temperature of the base's weather."""
    rows = [line.split(",") for line in (folder / "weather.csv").read_text().splitlines()[1:]]
    hours = dt.timedelta(hours=8)
    return [(dt.datetime.fromisoformat(stamp) - hours, float(ghi), float(celsius)) for stamp, ghi, celsius in rows]


def nasa_power(folder: Path) -> str:
    rows = rows_in_utc(folder)
    parameters = {
        "ALLSKY_SFC_SW_DWN": {f"{stamp:%Y%m%d%H}": ghi for stamp, ghi, _ in rows},
        "T2M": {f"{stamp:%Y%m%d%H}": celsius for stamp, _, celsius in rows},
    }
    document = {
        "geometry": {"coordinates": [101.78, 36.62, 2261]},
        "header": {"fill_value": -999.0, "time_standard": "UTC"},
        "properties": {"parameter": parameters},
    }
    return json.dumps(document, indent=0)


def pvgis(folder: Path) -> str:
    parts = {"Gr(i)": 0, "H_sun": 0, "WS10m": 2.0, "Int": 0}
    hourly = [
        {"time": f"{stamp:%Y%m%d:%H}30", "Gb(i)": ghi * 0.7, "Gd(i)": ghi * 0.3, "T2m": celsius, **parts}
        for stamp, ghi, celsius in rows_in_utc(folder)
    ]
    slope = {"fixed": {"slope": {"value": 0, "optimal": False}}}
    database = {"radiation_db": "PVGIS-ERA5", "meteo_db": "ERA5", "year_min": 2025, "year_max": 2025}
    location = {"latitude": 36.62, "longitude": 101.78, "elevation": 2261}
    inputs = {"location": location, "meteo_data": database, "mounting_system": slope, "pv_module": {}}
    about = {"inputs": {"location": {}}, "outputs": {"hourly": {"type": "time series"}}}
    return json.dumps({"inputs": inputs, "outputs": {"hourly": hourly}, "meta": about}, indent=0)


def epw(folder: Path) -> str:
    head = "LOCATION,Xining,Qinghai,CHN,CSWD,528660,36.62,101.78,8.0,2261.0"
    rows = []
    for number in range(8760):
        begin = dt.datetime(2025, 1, 1) + dt.timedelta(hours=number)
        ghi = 300 if 9 <= begin.hour < 17 else 0
        rest = ",".join(["0"] * 19)
        rows.append(f"2025,{begin.month},{begin.day},{begin.hour + 1},60,?9,5.0,1.0,40,77000,0,0,0,{ghi},0,100,{rest}")
    return "\n".join([head, *(["X,0"] * 7), *rows]) + "\n"


FORMS: dict[str, tuple[Callable[[Path], str], dict[str, Any], str]] = {
    "csv": (
        lambda folder: (folder / "weather.csv").read_text(),
        {"columns": {"ghi_w_per_m2": "ghi", "temperature_celsius": "temperature"}},
        ",\n",
    ),
    "nasa_power": (nasa_power, {}, ":,[{"),
    "pvgis": (pvgis, {}, ":,[{"),
    "epw": (epw, {}, ","),
}


@pytest.mark.parametrize("form", FORMS)
@fuzzed(25)
@given(draws=st.data())
def test_mutated_weather(form: str, good_base: Path, base: Path, draws: st.DataObject) -> None:
    make, more, marks = FORMS[form]
    raw = make(good_base)
    path = base / f"mutated.{form}"
    if draws.draw(st.integers(0, 3)):
        written(path, draws.draw(broken_lines(raw, CELLS, marks)))
    else:
        path.write_bytes(with_bytes_flipped(raw.encode(), draws.draw(FLIPPED)))
    source = SOURCE.validate_python({"source": form, "path": path.name, **more})
    survives(lambda: read_weather(source, GRID, XINING, base))


def test_the_texts_that_are_mutated_are_good(good_base: Path, base: Path) -> None:
    for form, (make, more, _) in FORMS.items():
        written(base / f"good.{form}", make(good_base))
        source = SOURCE.validate_python({"source": form, "path": f"good.{form}", **more})
        assert read_weather(source, GRID, XINING, base).ghi_w_per_m2.max() > 250

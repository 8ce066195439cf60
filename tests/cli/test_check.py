"""`vpp-sim check`: a summary of what a site is, or every fault of its text and its files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vpp_sim.cli.main import exit_code

FOLDER = Path(__file__).parents[2] / "scenarios"
TINY = str(FOLDER / "tiny.yaml")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_scenarios_pass(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["check", str(path)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith(f"{path}: ")
    assert told.out.endswith("0 input files read; no fault found\n")


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["check", TINY, "--set", "battery.energy_kwh=500"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{TINY}: Tiny site"
    assert lines[1] == "horizon: 3 days from 2025-06-09 00:00 Asia/Shanghai, 72 steps of 60 min"
    assert lines[2].startswith("tariff: qinghai_two_part_2026_03 [CNY], ")
    assert lines[3].startswith("weather: climate, GHI ")
    rows = {line.split()[0]: line.split() for line in lines[5:] if line and not line.startswith((" ", "note"))}
    assert rows["battery"][1:] == ["battery", "power_kw", "180,", "energy_kwh", "500"]
    assert any(line.startswith("note: weather: synthetic year of Xining (seed 1)") for line in lines)
    assert not any(line != line.rstrip() for line in lines)


def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["check", TINY, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["horizon"] == {
        "start": "2025-06-09 00:00", "days": 3, "step_minutes": 60, "steps": 72, "timezone": "Asia/Shanghai",
    }  # fmt: skip
    assert report["components"]["battery"]["sizes"] == {"power_kw": 180.0, "energy_kwh": 360.0}
    training = report["components"]["data_centre"]["inputs"]["training_arrivals_kw"]
    assert training == {"mean": 12.0, "min": 12.0, "max": 12.0, "energy_kwh": 864.0}
    assert report["components"]["charging"]["tables"]["sessions"] > 0
    assert report["files"] == []


def test_faults_of_the_text_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["check", TINY, "--set", "battery.energi_kwh=500", "--override", "x"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "--override: unknown override 'x'; the scenario has no overrides\n"
        "--set battery.energi_kwh: unknown key; did you mean energy_kwh?\n"
    )


def test_faults_of_weather_and_inputs_come_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("year.epw").write_text("no weather\n")
    Path("load.csv").write_text("power\n" + "5\n" * 10)
    Path("site.yaml").write_text(
        f"extends: {TINY}\nweather:\n  source: epw\n  path: year.epw\n"
        "components:\n  park:\n    profile: {path: load.csv, unit: kW}\n  roof:\n    kind: load\n    profile: -1\n"
    )
    assert exit_code(["check", "site.yaml"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert any(line.startswith("year.epw") for line in told)
    assert any(line.startswith("load.csv") for line in told)
    negative = "a load must be at least 0 kW, got -1; generation is a component of its own (pv)"
    assert f"site.yaml:10: roof.profile: {negative}" in told
    assert len(told) == len(set(told))


def test_a_real_weather_file_from_the_command_line(
    real_data: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = real_data("weather/CHN_Qinghai.Xining.528660_CSWD.epw")
    year = str(FOLDER / "xining_6mw.yaml")
    assert exit_code(["check", year, "--set", f"weather={{source: epw, path: {path}}}", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["weather"]["source"] == "epw"
    assert report["weather"]["ghi_kwh_per_m2"] == pytest.approx(1553, rel=0.01)
    assert report["files"] == [str(path)]


def test_real_sessions_from_the_command_line(
    real_data: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(iter(sorted(real_data("ev_acn").glob("*.csv*"))))
    year = str(FOLDER / "xining_6mw.yaml")
    station = (
        f"charging={{kind: ev_station, power_kw: 1200, sessions: {{path: {path}, charger_power_kw: 7, repeat: true}}}}"
    )
    code = exit_code(["check", year, "--set", station, "--format", "json"])
    told = capsys.readouterr()
    assert code == 0, told.err
    report = json.loads(told.out)
    assert report["components"]["charging"]["tables"]["sessions"] > 1000


def test_fixed_uses_above_all_sources_are_found_without_solving(capsys: pytest.CaptureFixture[str]) -> None:
    """A site of 80 kW of fixed load and more on 30 kW of grid with a battery that gives nothing."""
    small = ["--set", "grid.import_limit_kw=30", "--set", "battery.power_kw=0"]
    assert exit_code(["check", TINY, *small]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("no operation meets every limit: fixed uses are above all that can be given or shed by ")
    assert "grid.import_kw 30" in told.err
    assert told.err.endswith("  vpp-sim run looks for the changes that would do\n")

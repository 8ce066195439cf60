"""`vpp-sim policy`: one run, several side by side, another year, and what the exit code says."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path

import pytest

from vpp_sim.cli.main import exit_code

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"


def invoke(*words: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The tiny site, and the same with more sun and no vehicles."""
    place = tmp_path_factory.mktemp("runs")
    changes: dict[str, list[str]] = {
        "plain": [],
        "sunny": ["pv.capacity_kw=800", "components.charging=null", "horizon.start=2030-06-10"],
    }
    for name, settings in changes.items():
        words = [word for setting in settings for word in ("--set", setting)]
        code, _, said = invoke("run", TINY, "--no-page", "--out", place / name, *words)
        assert code == 0, said
    return [place / name for name in changes]


def test_one_run_is_a_table_of_rules(folders: list[Path]) -> None:
    code, out, _ = invoke("policy", folders[0])
    assert code == 0
    assert "thresholds of 2025" in out
    line = next(line for line in out.splitlines() if "ndrc_650_2025.own_use_of_load" in line)
    assert "≥ 30 %" in line
    assert "met" in line
    assert "plain: rules met: 3 of 3 that speak of such a site" in out
    assert "judged on 3 days" in out


def test_runs_of_different_years_say_each_threshold(folders: list[Path]) -> None:
    code, out, _ = invoke("policy", *folders)
    assert code == 0
    assert "each run's year, 2025 to 2030" in out
    assert "≥ 30 %: 32.0 %" in out
    assert "≥ 35 %:" in out
    assert "does not apply: no" in out  # the second run has no vehicles


def test_a_year_changes_the_verdict_and_strict_the_exit_code(folders: list[Path]) -> None:
    def verdict(*more: object) -> tuple[int, str]:
        code, out, _ = invoke("policy", folders[0], "--format", "json", *more)
        return code, json.loads(out)["plain"]["ndrc_650_2025.own_use_of_load"]["verdict"]

    assert verdict() == (0, "met")
    assert verdict("--year", 2030) == (0, "not met")
    assert verdict("--year", 2030, "--strict") == (1, "not met")


def test_the_json_is_what_the_summary_of_the_run_holds(folders: list[Path]) -> None:
    _, out, _ = invoke("policy", folders[1], "--format", "json")
    summary = json.loads((folders[1] / "summary.json").read_text(encoding="utf-8"))
    assert json.loads(out)["sunny"] == summary["policy"]


def test_the_csv_has_a_row_for_every_rule_and_run(folders: list[Path]) -> None:
    _, out, _ = invoke("policy", *folders, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 18
    assert {row["run"] for row in rows} == {"plain", "sunny"}
    for row in rows:
        if row["verdict"] != "does not apply":
            side = 1 if row["bound"] == "at_least" else -1
            assert float(row["margin"]) == pytest.approx(side * (float(row["value"]) - float(row["threshold"])))


def test_without_a_folder_the_rules_are_listed() -> None:
    code, out, _ = invoke("policy")
    assert code == 0
    for rule in ("ndrc_650_2025.own_use_of_load", "ndrc_910_2025.carbon_per_energy", "v2g_pilots_2024.valley_charging"):
        assert rule in out
    assert "≥ 35 % from 2030" in out
    code, listed, _ = invoke("policy", "--format", "csv")
    assert code == 0
    assert len(list(csv.DictReader(io.StringIO(listed)))) == 11  # nine rules, two of them with two thresholds


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    code, _, said = invoke("policy", tmp_path)
    assert code == 2
    assert "is this the folder of a run?" in said


def test_the_result_folder_of_size_is_judged_too(tmp_path: Path) -> None:
    free = "pv.capacity_kw={max: 900, cost_per_unit: 2700, lifetime_years: 25}"
    rule = "targets={own: {rule: ndrc_650_2025.own_use_of_load, year: 2030}}"
    words = ["--no-ranges", "--no-page", "--solver", "highs", "--set", free, "--set", rule, "--out", tmp_path / "sized"]
    code, out, said = invoke("size", TINY, *words)
    assert code == 0, said
    assert "meeting ndrc_650_2025.own_use_of_load (at least 35 %, 2030) costs" in out
    code, out, _ = invoke("policy", tmp_path / "sized", "--format", "json", "--year", 2030)
    assert code == 0
    assert json.loads(out)["sized"]["ndrc_650_2025.own_use_of_load"]["verdict"] == "met"

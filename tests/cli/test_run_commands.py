"""The commands around a run: run, verify, report, export, on the tiny site."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vpp_sim.cli.main import exit_code

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    output: str


def invoke(*words: object) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code([str(word) for word in words])
    return Result(code, out.getvalue(), out.getvalue() + err.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny site with its page."""
    target = tmp_path_factory.mktemp("run") / "tiny"
    result = invoke("run", TINY, "--out", target)
    assert result.exit_code == 0, result.output
    return target


def test_run_writes_every_file_and_says_where(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    wanted = {"summary.json", "timeseries.parquet", "bill.csv", "run.json", "scenario.yaml", "report.html"}
    assert wanted <= names
    assert not [path for path in folder.parent.iterdir() if path != folder]  # nothing temporary is left


def test_the_summary_has_every_fixed_id_with_unit_and_definition(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    fixed = [
        "load_kwh",
        "renewable_available_kwh",
        "renewable_generation_kwh",
        "curtailed_kwh",
        "import_kwh",
        "export_kwh",
        "peak_import_kw",
        "storage_losses_kwh",
        "onsite_renewable_share",
        "self_consumption",
        "self_sufficiency",
        "own_use_of_available_cn650",
        "own_use_of_load_cn650",
        "export_of_available_cn650",
        "matching_annual",
        "matching_monthly",
        "matching_daily",
        "matching_hourly",
        "matching_step",
        "cfe_score_hourly",
        "energy_cost",
        "demand_cost",
        "fixed_cost",
        "export_revenue",
        "wear_cost",
        "operating_cost",
        "baseline_operating_cost",
        "saving",
        "emissions_location_kg",
        "emissions_market_kg",
        "emissions_park_kg",
        "park_tco2_per_tce",
        "ev_energy_kwh",
        "ev_unserved_kwh",
        "data_centre_kwh",
        "pue",
        "compute_mean_delay_hours",
        "compute_missed_kwh",
        "equivalent_full_cycles",
    ]
    kpis = summary["kpis"]
    assert [name for name in fixed if name not in kpis] == []
    assert all(set(kpi) == {"value", "unit", "definition"} and kpi["definition"] for kpi in kpis.values())
    assert summary["status"] == "optimal"
    assert summary["checks"]["passed"] is True
    assert {"scenario", "objective", "solver", "horizon", "components", "sizes"} <= summary.keys()


def test_the_record_has_timings_solver_and_memory(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert {"load", "build", "solve", "kpi", "write", "report"} <= record["timings"].keys()
    solver = record["solver"]
    assert {"name", "version", "status", "iterations", "gap", "primal_residual", "dual_residual"} <= solver.keys()
    assert solver["gap"] < 1e-6
    assert 50 < record["peak_memory_mb"] < 2000


def test_the_series_are_indexed_by_time_with_offset(folder: Path) -> None:
    series = pd.read_parquet(folder / "timeseries.parquet")
    assert series.index.name == "time"
    assert str(series.index.tz) == "Asia/Shanghai"
    assert {"grid.import_kw", "battery.energy_kwh", "pv.generation_kw", "bus.marginal_price_per_kwh"} <= set(series)


def test_verify_passes_and_fails_after_a_change(folder: Path, tmp_path: Path) -> None:
    import shutil

    passed = invoke("verify", folder)
    assert passed.exit_code == 0, passed.output
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    text = (copy / "bill.csv").read_text(encoding="utf-8")
    digit = next(character for character in reversed(text) if character.isdigit())
    at = text.rindex(digit)
    (copy / "bill.csv").write_text(text[:at] + str((int(digit) + 1) % 10) + text[at + 1 :], encoding="utf-8")
    failed = invoke("verify", copy)
    assert failed.exit_code == 1
    assert "FAILED: bill.csv is as it was written" in failed.output


def test_verify_of_something_else_is_bad_input(tmp_path: Path) -> None:
    result = invoke("verify", tmp_path)
    assert result.exit_code == 2
    assert "is this the folder of a run?" in result.output


def test_report_makes_the_page_anew_and_the_folder_still_verifies(folder: Path) -> None:
    (folder / "report.html").unlink()
    assert invoke("report", folder).exit_code == 0
    assert (folder / "report.html").stat().st_size > 10_000
    assert invoke("verify", folder).exit_code == 0


def test_the_resolved_scenario_runs_again_to_the_same_result(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert invoke("run", folder / "scenario.yaml", "--out", again, "--no-page").exit_code == 0
    first = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    second = json.loads((again / "summary.json").read_text(encoding="utf-8"))
    assert second["objective"] == pytest.approx(first["objective"], rel=1e-9)
    digests = [
        json.loads((place / "run.json").read_text(encoding="utf-8"))["scenario_digest"] for place in (folder, again)
    ]
    assert digests[0] == digests[1]


def test_json_on_stdout_is_the_summary(tmp_path: Path) -> None:
    result = invoke(
        "run", TINY, "--out", tmp_path / "x", "--no-page", "--format", "json", "--set", "battery.energy_kwh=0"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["kpis"]["equivalent_full_cycles"]["value"] == 0


def test_two_solvers_find_the_same_cost(folder: Path, tmp_path: Path) -> None:
    result = invoke("run", TINY, "--out", tmp_path / "cbc", "--no-page", "--solver", "pulp:CBC")
    assert result.exit_code == 0, result.output
    ours, theirs = (
        json.loads((place / "summary.json").read_text(encoding="utf-8"))["objective"]
        for place in (folder, tmp_path / "cbc")
    )
    assert theirs == pytest.approx(ours, rel=1e-7)


@pytest.mark.parametrize("option", ["--lp", "--mps"])
def test_an_exported_program_has_the_same_optimum(option: str, tmp_path: Path) -> None:
    import highspy

    from vpp_sim.dispatch import build_program
    from vpp_sim.lp import solve
    from vpp_sim.scenario import load_scenario

    target = tmp_path / f"tiny.{option[2:]}"
    result = invoke("export", TINY, option, target)
    assert result.exit_code == 0, result.output
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(target))
    highs.run()
    scenario = load_scenario(TINY)
    ours = solve(build_program(scenario, scenario.read_inputs()), "highs")
    assert highs.getObjectiveValue() == pytest.approx(ours.objective, rel=1e-9)


BAD_RUNS: dict[str, tuple[list[Any], int, str]] = {
    "no such file": (["run", "nowhere.yaml"], 2, "nowhere.yaml"),
    "unknown solver": (["run", TINY, "--solver", "cplx"], 2, "unknown solver 'cplx'"),
    "a limit too small": (["run", TINY, "--set", "grid.import_limit_kw=10"], 3, "no operation meets every limit"),
    "a file in place of the folder": (["run", TINY, "--no-page", "--out", TINY], 2, ""),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_what_cannot_run_ends_with_its_exit_code_and_a_message(case: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    words, code, text = BAD_RUNS[case]
    result = invoke(*words)
    assert result.exit_code == code, result.output
    assert text in result.output
    assert "Traceback" not in result.output
    left = [path.name for path in (tmp_path / "results").glob("*/*")]
    assert sorted(left) == (["run.json", "scenario.yaml"] if code == 3 else [])  # nothing half-written


def test_a_site_that_cannot_be_run_leaves_why_as_data_and_no_result_is_lost(tmp_path: Path) -> None:
    """First alone, then beside a result, which stays; a later result takes the place of a failure."""
    out = tmp_path / "site"
    tight = ["run", TINY, "--no-page", "--out", out, "--set", "grid.import_limit_kw=60"]
    failed = invoke(*tight)
    assert failed.exit_code == 3
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "infeasible"
    assert failed.output.startswith(record["explanation"])
    (finding,) = (entry for entry in record["findings"] if entry["limit"] == "balance_kw" and entry["spans"])
    assert {"component", "limit", "side", "unit", "amount", "spans", "remedies"} <= finding.keys()
    assert finding["limit_that_is_short"] == "grid.import_limit_kw"
    for command in (["verify", out], ["report", out], ["compare", out, out]):
        refused = invoke(*command)
        assert refused.exit_code == 2
        assert "this run has no result, for its site cannot be run: no operation meets" in refused.output
    remedy = finding["remedies"][0]["set"]
    settings = [word for place, value in remedy.items() for word in ("--set", f"{place}={value}")]
    assert invoke(*tight, *settings).exit_code == 0
    good = (out / "run.json").read_bytes()
    assert invoke(*tight).exit_code == 3
    assert (out / "run.json").read_bytes() == good
    assert json.loads((tmp_path / "site.infeasible" / "run.json").read_text(encoding="utf-8"))["status"] == "infeasible"

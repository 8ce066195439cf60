"""Sweeps on the tiny site: the same numbers as single runs, whatever route, workers, interruption or cluster."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vpp_sim.cli.main import exit_code
from vpp_sim.errors import InputError
from vpp_sim.kpi import simulate
from vpp_sim.studies import store as store_module
from vpp_sim.studies.pools import LocalPool
from vpp_sim.studies.run_cases import Chunk, result_columns
from vpp_sim.studies.study import load_study
from vpp_sim.studies.sweep import rows_in, sweep

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
SMALL = """
name: small study
base: {base}
set: {{horizon.days: 1}}
baseline: false
vary:
  battery.energy_kwh: [0, 180, 360]
  pv.capacity_kw: {{from: 100, to: 400, step: 100}}
"""


def study_file(folder: Path, text: str = SMALL, name: str = "study.yaml") -> Path:
    path = folder / name
    path.write_text(text.format(base=TINY), encoding="utf-8")
    return path


def invoke(*words: object) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = exit_code([str(word) for word in words])
    return code, out.getvalue()


def table(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "results.parquet").set_index("case")


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study, each case as a single run would be."""
    folder = tmp_path_factory.mktemp("cold")
    sweep(study_file(folder), folder / "out", workers=1, route="cold")
    return folder


def test_a_row_says_what_a_single_run_says(tmp_path: Path) -> None:
    """Every KPI of every case, with the baseline, to 1e-9; a sweep that had its own arithmetic would differ."""
    text = SMALL.replace("baseline: false", "").replace("[0, 180, 360]", "[0, 360]").replace("step: 100", "step: 300")
    path = study_file(tmp_path, text)
    sweep(path, tmp_path / "out", workers=1, route="cold")
    study = load_study(path)
    found = table(tmp_path / "out")
    assert len(found) == len(study.cases) == 4
    for case in study.cases:
        run = simulate(study.scenario(case))
        alone = result_columns(run.optimal, run.summary, {})
        for name, value in alone.items():
            expected = np.nan if value is None else value
            assert found.loc[case.number, name] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("route", ["warm", "batch"])
def test_routes_agree_within_the_tolerance(cold: Path, tmp_path: Path, route: Any, monkeypatch: Any) -> None:
    """Costs and energies do not depend on how programs were solved, and the table says how they were."""
    monkeypatch.setattr("vpp_sim.studies.routes.SMALLEST_BATCH", 1)
    sweep(cold / "study.yaml", tmp_path / "out", workers=1, route=route)
    found, expected = table(tmp_path / "out"), table(cold / "out")
    assert (found["status"] == "ok").all()
    assert set(found["route"]) == {route}
    for name in ("objective", "operating_cost", "energy_cost", "demand_cost", "load_kwh", "import_kwh"):
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=1e-3, err_msg=name)


def test_results_do_not_depend_on_the_number_of_workers(cold: Path, tmp_path: Path) -> None:
    """Two processes give the very numbers of one, also where each case starts from the one before."""
    sweep(cold / "study.yaml", tmp_path / "two", workers=2, route="warm")
    sweep(cold / "study.yaml", tmp_path / "one", workers=1, route="warm")
    one, two = (table(tmp_path / name).drop(columns="seconds") for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)


def test_the_route_is_measured_where_that_is_worth_it(tmp_path: Path, monkeypatch: Any) -> None:
    """Both routes begin; the manifest notes the faster one, which takes the rest."""
    monkeypatch.setattr("vpp_sim.studies.sweep.WORTH_MEASURING", 12)
    monkeypatch.setattr("vpp_sim.studies.sweep.MEASURED_CASES", 4)
    result = sweep(study_file(tmp_path), tmp_path / "out", workers=1)
    noted = json.loads((tmp_path / "out" / "study.json").read_text(encoding="utf-8"))["route"]
    assert noted in ("batch", "warm", "cold")
    assert result.tally.done == 12
    assert sum(result.routes.values()) == 12


def test_a_case_that_fails_is_a_row_with_its_reason(tmp_path: Path) -> None:
    """An infeasible case and one with a wrong value neither stop the study nor vanish."""
    text = """
name: failing
base: {base}
set: {{horizon.days: 1}}
baseline: false
zip:
  - {{grid.import_limit_kw: [300, 1, 300], battery.soc_min: [0.1, 0.1, 0.1]}}
vary:
  battery.soc_max: [0.9, 0.05]
"""
    path = study_file(tmp_path, text.replace("0.1, 0.1, 0.1", "0.1, 0.1, 0.01"))
    result = sweep(path, tmp_path / "out", workers=1, route="warm")
    found = table(tmp_path / "out")
    # zip changes fastest after vary: cases are (soc_max, row of the group)
    assert found["status"].tolist() == ["ok", "infeasible", "ok", "bad_input", "bad_input", "ok"]
    assert "no operation meets every limit: the bus is short by" in found.loc[1, "reason"]
    assert "soc_max" in found.loc[3, "reason"]
    assert found.loc[[0, 2, 5], "reason"].eq("").all()
    assert result.tally.failed == 3
    assert result.first_failure.startswith("case 1: infeasible")
    assert found.loc[1, "set.grid.import_limit_kw"] == 1.0
    assert np.isnan(found.loc[1, "operating_cost"])


def test_columns_have_unit_and_definition(cold: Path) -> None:
    listed = pd.read_csv(cold / "out" / "columns.csv").set_index("column")
    found = table(cold / "out")
    assert set(found.columns) <= set(listed.index)
    assert listed.loc["operating_cost", "unit"] == "CNY"
    assert listed["definition"].notna().all()


FREE = "horizon.days: 1, battery.energy_kwh: {{max: 500, cost_per_unit: 10}}"


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases with a free size and a saving, and two that cannot be; the folder of the sweep."""
    folder = tmp_path_factory.mktemp("sized")
    text = SMALL.replace("baseline: false", "").replace(
        "battery.energy_kwh: [0, 180, 360]", "grid.import_limit_kw: [9, 600]"
    )
    text = text.replace("step: 100", "step: 300").replace("horizon.days: 1", FREE)
    sweep(study_file(folder, text), folder / "out", workers=1, route="cold")
    return folder / "out"


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
@pytest.mark.parametrize("page", ["README.md", "docs/sweeps.md"])
def test_the_lines_that_read_results_do(page: str, library: str, sized: Path) -> None:
    """The very lines of README and docs, on a sweep's table: a line that nobody ran is wrong sooner or later."""
    module = pytest.importorskip(library)
    text = (TINY.parents[1] / page).read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith(f"{library}.") and "results.parquet" in line]
    found = eval(
        re.sub(r"(results/worlds|DIR)/results.parquet", str(sized / "results.parquet"), line), {library: module}
    )
    ok = table(sized).query("status == 'ok'")
    assert len(ok) == 2
    if page == "README.md" and library == "pandas":
        assert found[0.5] == pytest.approx(ok["size.battery.energy_kwh"].median())
    elif page == "README.md" and library == "polars":
        assert found["operating_cost"][0] == pytest.approx(ok["operating_cost"].mean())
    elif page == "README.md":
        assert sorted(found.fetchall())[1] == ("ok", 2, pytest.approx(ok["operating_cost"].mean()))
    else:
        pairs = {
            "pandas": lambda: list(found.dropna().items()),
            "polars": lambda: list(found.select("set.pv.capacity_kw", "saving").iter_rows()),
            "duckdb": lambda: found.fetchall(),
        }[library]()
        assert dict(pairs) == pytest.approx(dict(zip(ok["set.pv.capacity_kw"], ok["saving"], strict=True)))


def test_time_series_are_kept_on_request(tmp_path: Path) -> None:
    path = study_file(tmp_path, SMALL.replace("[0, 180, 360]", "[180]"))
    assert invoke("sweep", path, "--out", tmp_path / "out", "--workers", 1, "--series", "--route", "cold")[0] == 0
    names = sorted(entry.name for entry in (tmp_path / "out" / "series").iterdir())
    assert names == [f"case-{number:07d}.parquet" for number in range(4)]
    series = pd.read_parquet(tmp_path / "out" / "series" / names[3])
    kept = table(tmp_path / "out").loc[3, "import_kwh"]
    assert series["grid.import_kw"].sum() == pytest.approx(kept)  # steps of one hour


# --- interruption ---


def started(path: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vpp_sim", "sweep", str(path), "--out", str(out), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rows_on_disk(out: Path) -> dict[int, float]:
    """Seconds of every case in the parts: a number that no second run of the case would repeat."""
    rows: dict[int, float] = {}
    parts = out / "parts"
    for part in sorted(parts.glob("[!.]*.parquet")) if parts.is_dir() else ():
        frame = pd.read_parquet(part, columns=["case", "seconds"])
        assert not set(rows) & set(frame["case"])
        rows.update(zip(frame["case"], frame["seconds"], strict=True))
    return rows


def wait_for_parts(out: Path, process: subprocess.Popen[str], number: int) -> None:
    """Until so many parts have been added, or the process has ended."""
    before = len(list(out.glob("parts/[!.]*.parquet")))
    for _ in range(1200):
        time.sleep(0.05)
        if process.poll() is not None or len(list(out.glob("parts/[!.]*.parquet"))) >= before + number:
            return
    pytest.fail("no rows came")


def test_killed_at_any_moment_nothing_is_lost_or_repeated(tmp_path: Path) -> None:
    """kill -9 again and again; every row that was on disk stays as it was, and in the end each case stands once."""
    path = study_file(tmp_path, SMALL.replace("step: 100", "step: 12"))
    out = tmp_path / "out"
    kept: dict[int, float] = {}
    random = np.random.default_rng(3)
    for workers in ("2", "1"):
        process = started(path, out, "--workers", workers, "--route", "warm", "--resume")
        wait_for_parts(out, process, 1)
        time.sleep(float(random.uniform(0.0, 0.4)))
        process.kill()
        process.communicate()
        now = rows_on_disk(out)
        assert kept.items() <= now.items()
        kept = now
    assert 0 < len(kept) < 78
    process = started(path, out, "--workers", "1", "--route", "warm", "--resume")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    found = table(out)
    assert found.index.tolist() == list(range(78))
    assert (found["status"] == "ok").all()
    assert kept.items() <= found["seconds"].to_dict().items()
    assert f"{78 - len(kept)} of them now" in output


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    path = study_file(tmp_path, SMALL.replace("step: 100", "step: 2"))
    out = tmp_path / "out"
    process = started(path, out, "--workers", "2", "--route", "warm")
    wait_for_parts(out, process, 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "--resume goes on" in output
    assert "Traceback" not in output
    assert set(table(out).index) == set(rows_on_disk(out))


def test_ctrl_c_right_after_a_part_was_written_writes_no_row_twice(tmp_path: Path, monkeypatch: Any) -> None:
    """The worst moment: the rows are on disk, and are still among those that wait."""
    path, out = study_file(tmp_path, SMALL.replace("step: 100", "step: 300")), tmp_path / "out"
    whole = store_module.write_whole
    asked: list[Path] = []

    def interrupted(content: Any, target: Path) -> None:
        whole(content, target)
        if not asked:
            asked.append(target)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(store_module, "write_whole", interrupted)
    monkeypatch.setattr(store_module, "LONGEST_WAIT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        sweep(path, out, workers=1, route="cold")
    assert asked
    assert set(table(out).index) == set(rows_on_disk(out))


def test_a_worker_that_dies_costs_no_case_and_one_that_always_kills_is_recorded(tmp_path: Path) -> None:
    """Whoever is at case 0 is killed: it is tried twice and recorded; the others run in the workers that follow."""
    study = load_study(study_file(tmp_path))
    rows: list[dict[str, Any]] = []
    killed: list[int] = []
    with LocalPool(study, None, 1) as pool:
        for finished in pool.run([Chunk("warm", study.cases[:3])]):
            rows += finished.rows
            hand = pool._hands[0]
            if hand.chunk is not None and hand.chunk.cases[:1] == study.cases[:1] and hand.process.pid not in killed:
                assert hand.process.pid is not None
                killed.append(hand.process.pid)
                os.kill(hand.process.pid, signal.SIGKILL)
    assert len(killed) == 2
    assert {row["case"]: row["status"] for row in rows} == {0: "worker_died", 1: "ok", 2: "ok"}
    reason = next(row["reason"] for row in rows if row["case"] == 0)
    assert "SIGKILL" in reason
    assert "memory may have run out" in reason


def test_a_full_disk_is_a_message_and_the_rest_goes_on(tmp_path: Path, monkeypatch: Any) -> None:
    """After two parts there is no room; what was written stays readable, and --resume does the others."""
    path = study_file(tmp_path)
    written: list[Path] = []
    whole = store_module.write_whole
    monkeypatch.setattr(store_module, "LONGEST_WAIT_SECONDS", 0.0)

    def full(content: Any, target: Path) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(target)
        whole(content, target)

    monkeypatch.setattr(store_module, "write_whole", full)
    code, output = invoke("sweep", path, "--out", tmp_path / "out", "--workers", 1, "--route", "cold")
    assert code == 2
    assert "cannot be written: No space left on device; 2 of 12 cases are safe" in output
    assert len(rows_on_disk(tmp_path / "out")) == 2
    monkeypatch.setattr(store_module, "write_whole", whole)
    code, output = invoke("sweep", path, "--out", tmp_path / "out", "--workers", 1, "--route", "cold", "--resume")
    assert code == 0
    assert "10 of them now" in output
    assert len(table(tmp_path / "out")) == 12


# --- folders that are not what was asked for ---


def test_another_study_is_not_gone_on_with(cold: Path) -> None:
    changed = cold / "changed.yaml"
    changed.write_text((cold / "study.yaml").read_text().replace("180", "190"), encoding="utf-8")
    with pytest.raises(InputError, match="holds another study: the study or its base scenario has changed"):
        sweep(changed, cold / "out", resume=True)


def test_a_finished_sweep_is_not_overwritten_and_resuming_it_does_nothing(cold: Path) -> None:
    before = rows_in(cold / "out")
    with pytest.raises(InputError, match="holds 12 of 12 finished cases"):
        sweep(cold / "study.yaml", cold / "out")
    assert sweep(cold / "study.yaml", cold / "out", resume=True).tally.run == 0
    assert rows_in(cold / "out") == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="exists and is not the folder of a sweep"):
        sweep(study_file(tmp_path), tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study.yaml", "thesis.txt"]


def test_two_sweeps_do_not_write_to_one_folder(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = study_file(tmp_path)
    (tmp_path / "out" / "parts").mkdir(parents=True)
    with (tmp_path / "out" / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(InputError, match="another sweep is writing to it"):
            sweep(path, tmp_path / "out", workers=1)


def test_many_small_parts_are_joined(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(store_module, "LONGEST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(store_module, "JOINED_PARTS", 4)
    sweep(study_file(tmp_path), tmp_path / "out", workers=1, route="cold")
    names = sorted(part.name[:6] for part in (tmp_path / "out" / "parts").glob("[!.]*.parquet"))
    assert names == ["joined"] * 3
    assert len(table(tmp_path / "out")) == 12


def test_a_route_that_the_solver_does_not_allow_is_refused(tmp_path: Path) -> None:
    path = study_file(tmp_path)
    for words, message in (
        (("dispatch.solver=highs", "batch"), "not open"),
        (("battery.soc_min=0.1", "slow"), "unknown"),
    ):
        code, output = invoke("sweep", path, "--out", tmp_path / words[1], "--set", words[0], "--route", words[1])
        assert code == 2
        assert message in output


def test_programs_of_one_structure_share_it(tmp_path: Path) -> None:
    """What the route `batch` rests on: cases that differ in numbers have one structure."""
    from vpp_sim.dispatch import build_program

    study = load_study(study_file(tmp_path))
    programs = [build_program(scenario, scenario.read_inputs()) for scenario in map(study.scenario, study.cases[:3])]
    assert len({program.structure for program in programs}) == 1

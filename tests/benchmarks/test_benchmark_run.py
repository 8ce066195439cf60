"""The benchmark drivers: every tool gets the same problem, so every tool finds the same optimum."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[2]
PEERS = {"pypsa": "PyPSA HiGHS", "oemof": "oemof.solph HiGHS"}
INSTALLED = {name for module, name in PEERS.items() if find_spec(module)}


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.chdir(PROJECT)


@pytest.mark.parametrize(
    ("case", "contenders"),
    [
        ("sizing_week", ["vpp_sim highs simplex", "PuLP CBC"]),
        ("scenario_week", ["vpp_sim highs simplex", "PyPSA HiGHS"]),
        ("scenario_week_no_demand", ["vpp_sim highs simplex", "oemof.solph HiGHS"]),
        ("sizing_week_no_demand", ["vpp_sim highs simplex", "oemof.solph HiGHS"]),
    ],
)
def test_all_contenders_agree_on_a_week(case, contenders, tmp_path):
    # a peer with another problem would make every ratio of times worthless
    from benchmarks.processes import measured

    contenders = [name for name in contenders if name not in PEERS.values() or name in INSTALLED]
    if len(contenders) == 1:
        pytest.skip("its peer is not installed")
    file = tmp_path / "results.json"
    done = measured([sys.executable, "-m", "benchmarks.run", case, "--json", str(file), "--only", *contenders])
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(file.read_text())["results"]
    assert list(results) == contenders
    objective = results[contenders[0]]["objective"]
    assert objective > 0.0
    for name, result in results.items():
        assert result["objective"] == pytest.approx(objective, rel=1e-6), name
        assert result["peak_memory_mb"] > 10.0
        assert f"{name:<24}" in done.stdout


def test_who_is_too_slow_is_stopped_and_listed():
    # hidden, or counted as a failure of the comparison, the table would flatter one side
    from benchmarks.processes import measured

    command = [sys.executable, "-m", "benchmarks.run", "sweep_year_0", "--limit", "0.5", "--only", "PuLP CBC"]
    done = measured(command)
    assert done.returncode == 0, done.stderr
    assert "PuLP CBC                no result: stopped after" in done.stdout
    assert done.wall_seconds < 30.0


def test_years_of_the_sweep_differ_in_numbers_alone():
    # another matrix would rule out a warm start, and equal years would be no sweep
    from benchmarks.reference import program
    from benchmarks.registry import SWEEP_YEARS, sweep_year

    programs = [program(sweep_year(number)) for number in (0, 1, 4, 16, SWEEP_YEARS - 1)]
    first = programs[0]
    assert all(abs(other.matrix - first.matrix).max() == 0.0 for other in programs[1:])
    numbers = [
        (q.upper[np.isfinite(q.upper)].sum(), q.lower.sum(), q.cost.sum(), q.row_lower[q.rows("bus.balance")].sum())
        for q in programs
    ]
    assert len(set(numbers)) == len(programs)


@pytest.mark.parametrize("step_minutes", [60, 15])
def test_the_arrays_for_the_peers_are_the_scenario(step_minutes):
    # taken from inputs and parameters by code of their own; a fault in either shows as another optimum
    from benchmarks.reference import SCENARIO_FILE, from_scenario, program
    from vpp_sim import load_scenario
    from vpp_sim.dispatch import build_program
    from vpp_sim.lp import solve

    scenario = load_scenario(SCENARIO_FILE, settings=["horizon.days=7", f"horizon.step_minutes={step_minutes}"])
    inputs = scenario.read_inputs()
    ours = build_program(scenario, inputs).without_ties()
    arrays = program(from_scenario(scenario, inputs))
    assert (ours.num_rows, ours.num_columns) == (arrays.num_rows, arrays.num_columns)
    assert solve(ours, "highs").objective == pytest.approx(solve(arrays, "highs").objective, rel=1e-9)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("battery.charge_from=onsite", "cyclic battery without rules"),
        ("tariff=flat", "plain charge on the highest demand"),
        ("horizon.days=45", "whole months, or a part of one"),
        ("charging.laxity_classes=2", "charges one class"),
        ("park.sheddable_share=0.1", "sheds no load"),
    ],
)
def test_what_the_peers_cannot_say_is_refused(setting, message):
    from benchmarks.reference import SCENARIO_FILE, from_scenario
    from vpp_sim import load_scenario

    settings = ["horizon.days=3", setting]
    if setting.startswith("park"):
        settings.append("park.value_of_lost_load_per_kwh=5")
    with pytest.raises(ValueError, match=message):
        from_scenario(load_scenario(SCENARIO_FILE, settings=settings))


def test_whole_processes_of_the_same_work_agree(tmp_path):
    from benchmarks.processes import measured

    file = tmp_path / "results.json"
    contenders = ["vpp_sim highs, same work", "PuLP HiGHS"]
    command = [sys.executable, "-m", "benchmarks.whole", "--days", "3", "--rounds", "1", "--json", str(file)]
    done = measured([*command, "--only", *contenders])
    assert done.returncode == 0, done.stdout + done.stderr
    ours, theirs = (json.loads(file.read_text())["results"][name] for name in contenders)
    assert ours["objective"] == pytest.approx(theirs["objective"], rel=1e-6)
    for result in (ours, theirs):
        assert result["wall_seconds"] > sum(result["seconds"].values()) > 0.0
        assert result["cpu_seconds"] > 0.0


def test_phases_add_up_to_a_run():
    from benchmarks.phases import PHASES, report, runs_here

    first, second = runs_here(days=3, step_minutes=60, solver="highs", count=2)
    assert list(first) == list(second) == list(PHASES)
    assert all(seconds >= 0.0 for run in (first, second) for seconds in run.values())
    assert first["solves"] > 0.0
    report("three days", [first, second], 1.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
def test_memory_of_a_program_beside_its_caller_counts_once():
    # 200 MB held by a child process while its parent waits
    from benchmarks.processes import measured

    child = "import time; block = bytearray(200_000_000); time.sleep(0.3)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    done = measured([sys.executable, "-c", parent])
    assert done.returncode == 0
    assert 200.0 < done.peak_memory_mb < 280.0
    assert done.wall_seconds > 0.3

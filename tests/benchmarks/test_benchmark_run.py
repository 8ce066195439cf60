"""The benchmark driver: every tool gets the same problem, so every tool finds the same optimum."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CONTENDERS = ["vpp_sim highs simplex", "vpp_sim pulp:CBC", "PuLP HiGHS", "PyPSA HiGHS"]


@pytest.mark.parametrize("case", ["week", "sizing_week"])
def test_all_contenders_agree_on_a_week(case, tmp_path):
    # a peer with another problem would make every ratio of times worthless
    contenders = CONTENDERS if find_spec("pypsa") else CONTENDERS[:-1]
    file = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.run", case, "--json", str(file), "--only", *contenders]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(file.read_text())["results"]
    assert list(results) == contenders
    objective = results[contenders[0]]["objective"]
    assert objective > 0.0
    for name, result in results.items():
        assert result["objective"] == pytest.approx(objective, rel=1e-6), name
        assert result["peak_memory_mb"] > 10.0
        assert f"{name:<24}" in done.stdout

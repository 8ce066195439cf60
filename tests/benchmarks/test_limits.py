"""The cases of benchmarks.limits, small: they run, and memory stays in proportion."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT)


@pytest.mark.parametrize(("name", "steps"), [("cars", 2 * 96), ("long_csv", 2 * 24)])
def test_a_small_case_runs_in_little_memory(name: str, steps: int, tmp_path: Path) -> None:
    from benchmarks.limits import run

    found = run(name, 2 / 365, tmp_path, page=False)
    assert "error" not in found, found
    assert found["steps"] == steps
    assert 50 < found["peak_memory_mb"] < 700


def test_fifty_components_are_fifty(tmp_path: Path) -> None:
    from benchmarks.limits import CASES, components

    assert len(components(tmp_path, 0.01)["components"]) == 50
    assert set(CASES) == {"components", "cars", "long_csv", "wide_csv"}

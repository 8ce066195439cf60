"""A sweep on a real dask scheduler with several worker processes; skipped where dask.distributed is not installed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vpp_sim.errors import InputError
from vpp_sim.studies.pools import ClusterPool
from vpp_sim.studies.run_cases import Chunk
from vpp_sim.studies.study import load_study
from vpp_sim.studies.sweep import sweep

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
STUDY = f"""
name: small study
base: {TINY}
set: {{horizon.days: 1}}
baseline: false
vary:
  battery.energy_kwh: [0, 180, 360]
  pv.capacity_kw: {{from: 100, to: 400, step: 50}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY, encoding="utf-8")
    return file


def test_without_dask_the_message_says_what_to_install(path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'vpp-sim\[cluster\]'"):
        sweep(path, tmp_path / "out", cluster="local")


@pytest.mark.filterwarnings("default")  # what dask warns of is not ours
def test_two_workers_one_of_them_killed_give_what_one_process_gives(path: Path, tmp_path: Path) -> None:
    """One scheduler, two worker processes, one killed in the middle: every case once, the same numbers."""
    distributed = pytest.importorskip("distributed")
    study = load_study(path)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        ClusterPool(study, None, cluster.scheduler_address, 2) as pool,
    ):
        rows: list[dict[str, Any]] = []
        killed = 0
        for finished in pool.run([Chunk("cold", study.cases[first : first + 3]) for first in range(0, 21, 3)]):
            rows += finished.rows
            if not killed:
                killed = next(worker.pid for worker in cluster.workers.values() if worker.pid)
                os.kill(killed, signal.SIGKILL)
        sweep(path, tmp_path / "cluster", cluster=cluster.scheduler_address, route="cold")
    assert killed
    assert sorted(row["case"] for row in rows) == list(range(21))
    assert {row["status"] for row in rows} == {"ok"}
    sweep(path, tmp_path / "here", workers=1, route="cold")
    on_cluster, here = (
        pd.read_parquet(tmp_path / name / "results.parquet").drop(columns="seconds") for name in ("cluster", "here")
    )
    pd.testing.assert_frame_equal(on_cluster, here)


@pytest.mark.filterwarnings("default")
def test_an_address_where_nobody_answers_is_a_message(path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("vpp_sim.studies.pools.ANSWER_SECONDS", 1)
    with pytest.raises(InputError, match="no scheduler answers there"):
        sweep(path, tmp_path / "out", cluster="tcp://127.0.0.1:9")

"""benchmarks.profile counts what the sweeps really touch, and its clocks miss nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT)


def test_needs_and_clocks_of_eight_windows() -> None:
    """Each number of the state and each of the factors is touched once; all processor time has a part."""
    from benchmarks.profile import clocked, needs_of, programs_of
    from vpp_sim.lp import SolveOptions, solve_batch
    from vpp_sim.lp.solvers.structured import interior_point, kernels
    from vpp_sim.lp.solvers.structured.vector_code import LANES

    programs, options = programs_of("windows", 8), SolveOptions(threads=1)
    plain = solve_batch(programs, "structured", options)
    init = interior_point.Interior.__init__
    started = time.thread_time()
    clock, run = clocked(programs, options)
    passed = time.thread_time() - started
    assert interior_point.Interior.__init__ is init  # the solver is as it was
    assert clock.total == pytest.approx(passed, rel=0.05)
    assert clock.seconds["certificate"] > 0.0
    assert all(solution.is_optimal for solution in plain)

    forward = needs_of(run.form)["predict_forward"]
    slots = run.form.num_slots
    assert {slot for array, slot in forward.read if array == kernels.STATE} == set(range(slots))
    assert {slot for array, slot in forward.written if array == kernels.STATE} == set(range(slots))
    assert len([1 for array, _ in forward.written if array == kernels.FACTOR]) == run.slots.num_factor
    fewest = 8 * LANES * (3 * slots + run.slots.num_factor)  # state read and written, direction read, factors written
    assert fewest <= forward.bytes <= fewest + 8 * LANES * (run.form.num_full + run.form.num_shared)
    assert forward.divisions >= len(run.form.columns)
    for name in kernels.NAMES:
        assert clock.steps[name] == clock.calls[name] * 48
        assert clock.seconds[name] > 0.0

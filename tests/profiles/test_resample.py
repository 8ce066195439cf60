"""Resampling keeps totals, whatever the two resolutions and however they lie to each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_sim.profiles.resample import resampled

STEPS = [1, 5, 10, 15, 20, 30, 60, 180]


@given(
    minutes=st.sampled_from(STEPS),
    step_minutes=st.sampled_from([5, 10, 15, 30, 60]),
    offset_steps=st.integers(0, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_totals_are_kept(minutes: int, step_minutes: int, offset_steps: int, seed: int) -> None:
    """Over a whole number of both steps the integral of a mean and the sum of a sum stay, to 1e-12."""
    span = math.lcm(minutes, step_minutes) * 4
    offset = offset_steps * minutes
    values = np.random.default_rng(seed).normal(100.0, 50.0, (span + offset) // minutes)
    inside = values[offset_steps:]
    steps = span // step_minutes
    mean = resampled(
        values, minutes=minutes, offset_minutes=offset, num_steps=steps, step_minutes=step_minutes, kind="mean"
    )
    total = resampled(
        values, minutes=minutes, offset_minutes=offset, num_steps=steps, step_minutes=step_minutes, kind="sum"
    )
    scale = np.abs(inside).sum()
    assert abs(mean.sum() * step_minutes - inside.sum() * minutes) <= 1e-12 * scale * minutes
    assert abs(total.sum() - inside.sum()) <= 1e-12 * scale


def test_up_and_down_again_changes_nothing() -> None:
    values = np.random.default_rng(1).random(24)
    fine = resampled(values, minutes=60, offset_minutes=0, num_steps=288, step_minutes=5, kind="mean")
    np.testing.assert_allclose(
        resampled(fine, minutes=5, offset_minutes=0, num_steps=24, step_minutes=60, kind="mean"), values, rtol=1e-14
    )


def test_a_step_may_begin_within_a_value() -> None:
    """Hours 1, 2, 3 from 00:30 on: half of 1 and half of 2, then half of 2 and half of 3; sums take half of each."""
    values = np.array([1.0, 2.0, 3.0])
    found = [
        resampled(values, minutes=60, offset_minutes=30, num_steps=2, step_minutes=60, kind=kind).tolist()
        for kind in ("mean", "sum")  # type: ignore[misc]
    ]
    assert found == [[1.5, 2.5], [1.5, 2.5]]


@pytest.mark.parametrize(("offset", "steps"), [(-60, 1), (0, 4), (180, 1)])
def test_steps_outside_of_the_values_are_an_error(offset: int, steps: int) -> None:
    with pytest.raises(ValueError, match="do not cover"):
        resampled(np.ones(3), minutes=60, offset_minutes=offset, num_steps=steps, step_minutes=60, kind="mean")

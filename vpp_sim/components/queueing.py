"""Work that waits: moving sums, service as soon as possible, and waiting times, over steps of equal length.

Work is divisible and leaves a queue first in, first out. `arrivals` and `capacity` are amounts per step, `backlog` is
what waits at the end of a step; all have shape (num_steps,).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def whole_steps(hours: float, step_hours: float) -> int:
    """Number of whole steps in a span of time; the rest is dropped.

    >>> whole_steps(4.0, 1.0), whole_steps(0.7, 0.25), whole_steps(0.3, 0.1)
    (4, 2, 3)
    """
    return math.floor(hours / step_hours + 1e-9)


def moving_sum(values: FloatArray, window: int) -> FloatArray:
    """Sum of each value and those before it, `window` in all (fewer at the start).

    Sums of 2, 4, 8, ... values are added up: log(window) passes, and no difference of long cumulative sums, which
    would lose digits over a year.

    >>> moving_sum(np.array([1.0, 2.0, 4.0, 8.0]), 3)
    array([ 1.,  3.,  7., 14.])
    """
    total = np.zeros_like(values)
    span, width, done = values, 1, 0
    window = min(window, len(values))
    while window > 0:
        if window & 1:
            total[done:] += span[: len(values) - done]
            done += width
        longer = span.copy()
        longer[width:] += span[: len(values) - width]
        span, width, window = longer, 2 * width, window >> 1
    return total


@dataclass(frozen=True)
class Service:
    """What a queue did: served, missed (left unserved) and waiting at the end of the step, each (num_steps,)."""

    served: FloatArray
    missed: FloatArray
    backlog: FloatArray


def served_at_once(arrivals: FloatArray, capacity: FloatArray, ceiling: FloatArray) -> Service:
    """Service as soon as the capacity allows; work that waits beyond the `ceiling` of the backlog is missed.

    The backlog is Lindley's recursion with a ceiling, b[t] = clip(b[t-1] + arrivals[t] - capacity[t], 0, ceiling[t]).
    One step is a map x -> min(max(x + shift, low), high); such maps compose to maps of the same form, so all steps
    together take log2(num_steps) passes over arrays (parallel prefix, Hillis and Steele 1986,
    doi:10.1145/7902.7903).

    >>> work = served_at_once(np.array([5.0, 0.0, 0.0]), np.array([2.0, 2.0, 2.0]), np.array([9.0, 0.5, 0.0]))
    >>> work.served, work.missed, work.backlog
    (array([2. , 2. , 0.5]), array([0. , 0.5, 0. ]), array([3. , 0.5, 0. ]))
    """
    shift, low, high = arrivals - capacity, np.zeros_like(arrivals), np.array(ceiling, dtype=np.float64)
    reach = 1
    while reach < len(shift):
        before_shift, before_low, before_high = shift[:-reach], low[:-reach], high[:-reach]
        own_shift, own_low, own_high = shift[reach:], low[reach:], high[reach:]
        joined_low = np.clip(before_low + own_shift, own_low, own_high)
        joined_high = np.clip(before_high + own_shift, own_low, own_high)
        joined_shift = before_shift + own_shift
        shift, low, high = (
            np.concatenate([array[:reach], joined])
            for array, joined in ((shift, joined_shift), (low, joined_low), (high, joined_high))
        )
        reach *= 2
    backlog = np.clip(shift, low, high)
    at_hand = np.concatenate([[0.0], backlog[:-1]]) + arrivals
    served = np.minimum(at_hand, capacity)
    return Service(served, np.maximum(at_hand - served - ceiling, 0.0), backlog)


def longest_wait_steps(arrivals: FloatArray, backlog: FloatArray) -> int:
    """Most steps that any work stood in the queue, from the cumulative curves, first in, first out.

    Amounts below 1e-6 of the largest arrival (at least 1e-6) are not counted.

    >>> longest_wait_steps(np.array([10.0, 0.0, 4.0, 0.0]), np.array([10.0, 5.0, 4.0, 0.0]))
    2
    """
    tolerance = 1e-6 * max(float(arrivals.max(initial=0.0)), 1.0)
    arrived = np.cumsum(arrivals)
    left = arrived - backlog
    left_before = np.concatenate([[0.0], left[:-1]])
    oldest = np.searchsorted(arrived, left_before + tolerance, side="right")
    wait = np.where(left - left_before > tolerance, np.arange(len(arrivals)) - oldest, 0)
    return int(wait.max(initial=0))


def running_power(started: FloatArray, keep: float) -> FloatArray:
    """Power of jobs that end at random, from the work started per step [same unit], (num_steps,).

        running[t] = keep * running[t-1] + (1 - keep) * started[t],      running[-1] = running[num_steps - 1]

    The cyclic start makes the sums of both equal.

    >>> running_power(np.array([7.0, 0.0, 0.0]), 0.5)
    array([4., 2., 1.])
    """
    power = (1.0 - keep) * started
    reach, weight = 1, keep
    while reach < len(power) and weight > 0.0:  # the sum over 1, 2, 4, ... earlier steps, each weighted keep^k
        power = power + np.concatenate([np.zeros(reach), weight * power[:-reach]])
        reach, weight = 2 * reach, weight * weight
    decay = keep ** np.arange(1, len(started) + 1)
    return np.asarray(power + decay * (power[-1] / (1.0 - decay[-1])), dtype=np.float64)

"""Hands a station's plan back to its sessions, step by step: what must be taken first, then least laxity first.

Within a step of dt hours a session with energy x, o hours connected in the step and `left` hours after it can end
between

    low  = max(latest curve at the step's end,   x - down o)
    high = min(earliest curve at the step's end, x + up o)

It must move to at least `low` and at most `high`; what the station's plan has beyond that goes to the sessions in order
of laxity (left - remaining / up), least first when charging, most first when discharging. The plan that is followed is
that of the whole station: classes only sharpen the program, and where the cars of one cannot take their part in a step,
those of another take it, which the bus does not notice. What a vehicle holds beyond its need
is lent (V2G): it is put where it can stay longest, and taken back from those that leave soonest. No more is
discharged in a step than was planned there, since the bus need not have room for it; a vehicle may leave with more
than it wanted. A shortfall is made up as soon as the connected sessions can take it, by following the plan's
cumulative energy. Where the bus has no more to give, `most_kw` also bounds what must be taken: what is then missing
at departure stays unserved. A vehicle is then also discharged where it cannot reach its need any more, if the plan
says so, but never so far that it could not be back at what it came with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


def hand_back(
    sessions: pd.DataFrame,
    num_classes: int,
    limits: Mapping[str, FloatArray],
    plan_kw: FloatArray | None,
    station_kw: float,
    charge_efficiency: float,
    discharge_efficiency: float,
    grid: TimeGrid,
    *,
    most_kw: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Net power into the vehicles of each class (num_classes, num_steps) and energy per session [kWh].

    `sessions` are sorted by arrival; `limits` has rates and depths per session (`up`, `down`, `depth`, `headroom`);
    `plan_kw` (num_steps,) is net power into the vehicles, or None to charge on arrival, first come first served.
    `station_kw` limits the bus power of charging and of discharging; `most_kw` (num_steps,) what may go into the
    vehicles at all.
    """
    on_arrival = plan_kw is None
    plan = np.zeros(grid.num_steps) if plan_kw is None else np.ascontiguousarray(plan_kw)
    most = np.full_like(plan, np.inf) if most_kw is None else np.ascontiguousarray(most_kw)
    return _kernel()(  # type: ignore[no-any-return]
        sessions["arrival_hours"].to_numpy(dtype=np.float64),
        sessions["end_hours"].to_numpy(dtype=np.float64),
        sessions["need_kwh"].to_numpy(dtype=np.float64),
        limits["up"],
        limits["down"],
        limits["depth"],
        limits["headroom"],
        sessions["class"].to_numpy(dtype=np.int64),
        num_classes,
        plan,
        most,
        on_arrival,
        float(station_kw) * charge_efficiency,
        float(station_kw) / discharge_efficiency,
        grid.step_hours,
    )


@cache
def _kernel() -> Callable[..., Any]:
    """The compiled loop; imported and compiled (or read from the cache on disk) at first use."""
    import numba

    try:
        return numba.njit(cache=True)(_hand_back)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for compiled code: neither beside this file nor in a home may be written to
        return numba.njit(_hand_back)  # type: ignore[no-any-return]


def _hand_back(
    arrival: FloatArray,
    end: FloatArray,
    need: FloatArray,
    up: FloatArray,
    down: FloatArray,
    depth: FloatArray,
    headroom: FloatArray,
    numbers: NDArray[np.int64],
    num_classes: int,
    plan: FloatArray,
    most: FloatArray,
    on_arrival: bool,
    station_up: float,
    station_down: float,
    dt: float,
) -> tuple[FloatArray, FloatArray]:
    num_steps, num_sessions = plan.size, arrival.size
    net = np.zeros((num_classes, num_steps))
    energy = np.zeros(num_sessions)
    ahead = 0.0  # cumulative plan not yet followed
    active = np.empty(num_sessions, dtype=np.int64)
    num_active = 0
    following = 0
    low = np.empty(num_sessions)
    high = np.empty(num_sessions)
    floor = np.empty(num_sessions)
    lax = np.empty(num_sessions)
    bus_is_short = bool(np.isfinite(most).all())
    for step in range(num_steps):
        begin, finish = step * dt, (step + 1) * dt
        kept = 0
        for place in range(num_active):
            i = active[place]
            if end[i] > begin + 1e-12:
                active[kept] = i
                kept += 1
            else:
                # what left with a vehicle beyond its need was not planned: it is not asked back from those that follow
                ahead += max(energy[i] - need[i], 0.0)
        num_active = kept
        while following < num_sessions and arrival[following] < finish:
            if end[following] > begin:
                active[num_active] = following
                num_active += 1
            following += 1
        room_up, room_down = station_up * dt, station_down * dt
        allowed = most[step] * dt  # what may still be charged in the step
        # what may still be discharged: the bus need not have room for more than planned
        returnable = max(-plan[step], 0.0) * dt
        # what must move, whatever the plan: latest and earliest curves at the end of the step
        for place in range(num_active):
            i = active[place]
            hours = min(end[i], finish) - max(arrival[i], begin)
            left = max(end[i] - finish, 0.0)
            lowest = need[i] - up[i] * left
            if lowest < -depth[i]:
                lowest = -depth[i]
            highest = need[i] + (headroom[i] if left > 0.0 else 0.0)
            if down[i] * left < headroom[i]:
                highest = need[i] + down[i] * left
            low[i] = max(lowest, energy[i] - down[i] * hours)
            high[i] = min(highest, energy[i] + up[i] * hours)
            floor[i] = max(max(-depth[i], -up[i] * left), energy[i] - down[i] * hours)
            lax[i] = left - (need[i] - energy[i]) / up[i]
            if low[i] > high[i]:
                low[i] = high[i]
            must = 0.0
            if energy[i] < low[i] and not on_arrival:
                must = min(min(low[i] - energy[i], room_up), allowed)
                room_up -= must
                allowed -= must
            elif energy[i] > high[i]:
                must = -min(min(energy[i] - high[i], room_down), returnable)
                room_down += must
                returnable += must
            energy[i] += must
            net[numbers[i], step] += must
        if on_arrival:
            for place in range(num_active):
                i = active[place]
                more = min(max(high[i] - energy[i], 0.0), room_up)
                energy[i] += more
                room_up -= more
                net[numbers[i], step] += more
            continue
        here = active[:num_active]
        order = here[np.argsort(lax[here])]
        leaving = here[np.argsort(end[here])]
        ahead += plan[step] * dt - net[:, step].sum()
        for phase in range(3 if bus_is_short else 2):
            for place in range(num_active):
                back = num_active - 1 - place
                if ahead > 0.0 and phase < 2:
                    # first what is wanted, least laxity first; then what is lent, to those that stay longest
                    i = order[place] if phase == 0 else leaving[back]
                    top = min(high[i], need[i]) if phase == 0 else high[i]
                    more = min(min(max(top - energy[i], 0.0), room_up), min(ahead, allowed))
                    energy[i] += more
                    room_up -= more
                    allowed -= more
                    ahead -= more
                    net[numbers[i], step] += more
                elif ahead < 0.0:
                    # first what was lent, from those that leave soonest; then by laxity, most first, what will be made
                    # up; at last what will not
                    i = leaving[place] if phase == 0 else order[back]
                    bottom = max(low[i], need[i]) if phase == 0 else low[i] if phase == 1 else floor[i]
                    less = min(min(max(energy[i] - bottom, 0.0), min(room_down, returnable)), -ahead)
                    energy[i] -= less
                    room_down -= less
                    returnable -= less
                    ahead += less
                    net[numbers[i], step] -= less
    return net / dt, energy

"""Ageing of large-format LFP cells: capacity left after years of a use that is known step by step.

NREL BLAST-Lite, model of a commercial LFP/graphite cell of more than 250 Ah (certainty A), fitted to the tests of
doi:10.1016/j.est.2023.109042:

    q = 1 - q_cal - q_cyc
    q_cal = k_cal days^0.526    k_cal = 8.37e4 exp(-5210/T) exp(-3560 Ua(SOC)/T)
    q_cyc = k_cyc EFC^0.828     k_cyc = (4.38e-8 + 1.55e-8 DOD + 1.68e-7 C) (exp(2190/T) + exp(-1.55e5/T))

with T in K, the anode's potential Ua in V, the depth of discharge DOD and the C-rate C of a cycle, and EFC the energy
charged and discharged by half over the *whole* capacity of the day, not its usable part.

Under changing stress the model is stepped by dq = k p (q/k)^((p-1)/p) dx. In z = q^(1/p) that reads dz = k^(1/p) dx:
each hour and each cycle adds its own part to a *progress* z, in any order, and q = z^p is exact. A year is therefore
two numbers, and n equal years are n times these.

Cycles are counted by rainflow (ASTM E1049, package `rainflow`), each with its depth and its mean C-rate.

Valid where cells were tested: 10 to 45 degC, cycles of 0.8 to 1 deep, charging up to 0.65 C, discharging up to 1 C.
Shallower cycles are an extrapolation in a term that is small (1.55e-8 DOD beside 4.38e-8 + 1.68e-7 C). Fade is of
capacity only: efficiency and power stay. The fit knows nothing of a sudden loss below about 70 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from vpp_sim.components.base import FloatArray
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.profiles import Profile
from vpp_sim.units import HOURS_PER_DAY, HOURS_PER_YEAR, KELVIN_OFFSET

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CALENDAR_EXPONENT: Final = 0.526
CYCLE_EXPONENT: Final = 0.828
TESTED_CELSIUS: Final = (10.0, 45.0)
TESTED_CHARGE_C_RATE: Final = 0.65
#: Cells were cycled 0.8 to 1 deep; from here on down it is said that cycles are shallower.
SHALLOW: Final = 0.7
TESTED_DISCHARGE_C_RATE: Final = 1.0
#: Swings of the state of charge below this are a solver's dust, not cycles. States are rounded to it before cycles are
#: counted, so that two peaks at the same limit are equal: which of them closes a cycle must not hang on dust.
LEAST_SWING: Final = 1e-4
#: Hours with less than this rate of the whole energy [1/h] are rest (dust, self-discharge), no part of a mean C-rate.
LEAST_C_RATE: Final = 1e-3
#: No battery is expected to last longer, whatever the fit says.
LONGEST_LIFE_YEARS: Final = 100.0


class Container(StrictModel):
    """The air around the cells: the weather's, held between two limits by heating and cooling."""

    min_celsius: float = quantity("temperature below which it is heated", unit="degC", ge=-40, le=60)
    max_celsius: float = quantity("temperature above which it is cooled", unit="degC", ge=-40, le=60)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_celsius > self.max_celsius:
            raise ValueError(
                f"min_celsius: must be at most max_celsius ({self.max_celsius:g}), got {self.min_celsius:g}"
            )
        return self


class Ageing(StrictModel):
    """How the cells age."""

    model: Literal["lfp_large_format"] = quantity("cells the model was fitted to", default="lfp_large_format")
    temperature_celsius: Profile | Container = quantity(
        "temperature of the cells: a number, a series, or the limits of a heated and cooled container",
        unit="degC",
        default=25.0,
    )
    end_of_life: float = quantity(
        "share of the capacity at which the battery is replaced; 0.7 to 0.8 is usual", default=0.8, ge=0.5, lt=1
    )


@dataclass(frozen=True)
class Progress:
    """Ageing so far, in the measure in which it adds up: z = q^(1/p) of time and of cycles."""

    calendar: float = 0.0
    cycles: float = 0.0

    def plus(self, other: Progress, times: float = 1.0) -> Progress:
        """After `times` of another progress on top."""
        return Progress(self.calendar + times * other.calendar, self.cycles + times * other.cycles)

    @property
    def calendar_loss(self) -> float:
        """Share of the capacity lost to time."""
        return float(self.calendar**CALENDAR_EXPONENT)

    @property
    def cycle_loss(self) -> float:
        """Share of the capacity lost to cycles."""
        return float(self.cycles**CYCLE_EXPONENT)

    @property
    def capacity(self) -> float:
        """Share of the capacity that is left.

        One equivalent full cycle a day of 0.9 at 0.25 C, on average half full, at 25 degC, after 5 and 10 years:

        >>> day = day_of(efc=1.0, soc=0.5, depth=0.9, c_rate=0.25, celsius=25.0)
        >>> [round(Progress().plus(day, 365 * years).capacity, 3) for years in (5, 10)]
        [0.897, 0.825]
        """
        return max(1.0 - self.calendar_loss - self.cycle_loss, 0.0)


def day_of(*, efc: float, soc: float, depth: float, c_rate: float, celsius: float) -> Progress:
    """Progress of a day of constant stress."""
    kelvin = celsius + KELVIN_OFFSET
    calendar = float(calendar_rate(kelvin, soc)) ** (1 / CALENDAR_EXPONENT)
    cycles = float(cycle_rate(kelvin, depth, c_rate)) ** (1 / CYCLE_EXPONENT) * efc
    return Progress(calendar, cycles)


def anode_potential_volts(soc: ArrayLike) -> FloatArray:
    """Potential of the graphite against lithium [V] at a state of charge.

        x = 0.0085 + SOC (0.78 - 0.0085)
        Ua = 0.6379 + 0.5416 exp(-305.5309 x) + 0.044 tanh(-(x - 0.1958)/0.1088) - 0.1978 tanh((x - 1.0571)/0.0854)
             - 0.6875 tanh((x + 0.0117)/0.0529) - 0.0175 tanh((x - 0.5692)/0.0875)

    >>> float(anode_potential_volts(0.5).round(4))
    0.1233
    """
    x = 0.0085 + np.asarray(soc, dtype=np.float64) * (0.78 - 0.0085)
    return np.asarray(
        0.6379
        + 0.5416 * np.exp(-305.5309 * x)
        + 0.044 * np.tanh(-(x - 0.1958) / 0.1088)
        - 0.1978 * np.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * np.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * np.tanh((x - 0.5692) / 0.0875)
    )


def calendar_rate(kelvin: ArrayLike, soc: ArrayLike) -> FloatArray:
    """k_cal of the module, per day^0.526."""
    t = np.asarray(kelvin, dtype=np.float64)
    return np.asarray(8.37e4 * np.exp(-5210.0 / t) * np.exp(-3560.0 * anode_potential_volts(soc) / t))


def cycle_rate(kelvin: ArrayLike, depth: ArrayLike, c_rate: ArrayLike) -> FloatArray:
    """k_cyc of the module, per EFC^0.828."""
    t = np.asarray(kelvin, dtype=np.float64)
    stress = 4.38e-8 + 1.55e-8 * np.asarray(depth, dtype=np.float64) + 1.68e-7 * np.asarray(c_rate, dtype=np.float64)
    return np.asarray(stress * (np.exp(2190.0 / t) + np.exp(-1.55e5 / t)))


@dataclass(frozen=True, eq=False)
class Cycles:
    """Rainflow cycles: depth (range of the state of charge), count (1 or 0.5), and steps from turn to turn."""

    depth: FloatArray
    count: FloatArray
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @property
    def equivalent_full(self) -> float:
        """Sum of depth x count."""
        return float((self.depth * self.count).sum())


def rainflow_cycles(soc: FloatArray) -> Cycles:
    """The cycles of a state of charge; swings below `LEAST_SWING` are dropped before counting.

    >>> found = rainflow_cycles(np.array([0.1, 0.9, 0.5, 0.6, 0.1]))
    >>> found.depth.round(3).tolist(), found.count.tolist(), round(found.equivalent_full, 3)
    ([0.1, 0.8, 0.8], [1.0, 0.5, 0.5], 0.9)
    """
    import rainflow

    turns = turning_points(soc)
    states = np.round(soc[turns] / LEAST_SWING) * LEAST_SWING
    found = np.array(
        [(depth, count, turns[begin], turns[end]) for depth, _, count, begin, end in _cycles(rainflow, states)]
    ).reshape(-1, 4)
    steps = found[:, 2:].astype(np.int64)
    return Cycles(found[:, 0], found[:, 1], steps.min(axis=1, initial=soc.size), steps.max(axis=1, initial=0))


def _cycles(rainflow: object, values: FloatArray) -> Sequence[tuple[float, float, float, int, int]]:
    """What the package counts; it wants two points at least."""
    return [] if values.size < 2 else list(rainflow.extract_cycles(values.tolist()))  # type: ignore[attr-defined]


def turning_points(soc: FloatArray) -> NDArray[np.int64]:
    """Steps at which a state of charge turns, with the first and the last; dust is no turn.

    >>> turning_points(np.array([0.1, 0.5, 0.5, 0.9, 0.9, 0.2])).tolist()
    [0, 4, 5]
    """
    whole = np.round(soc / LEAST_SWING)
    change = np.diff(whole)
    moves = np.flatnonzero(change)
    if moves.size == 0:
        return np.zeros(1, dtype=np.int64)
    turns = moves[1:][np.sign(change[moves[1:]]) != np.sign(change[moves[:-1]])]
    return np.unique(np.concatenate([[0], turns, [soc.size - 1]])).astype(np.int64)


@dataclass(frozen=True)
class Stress:
    """What a span of use does to the cells: its progress per year, and the use that it comes from."""

    per_year: Progress
    full_cycles_per_year: float
    mean_soc: float
    mean_depth: float
    notes: tuple[str, ...] = ()

    def expected_life_years(self, end_of_life: float) -> float:
        """Years of the same use until the capacity has fallen to `end_of_life`, at most 100.

        >>> day = day_of(efc=1.0, soc=0.5, depth=0.9, c_rate=0.25, celsius=25.0)
        >>> round(Stress(Progress().plus(day, 365), 365.0, 0.5, 0.9).expected_life_years(0.825), 1)
        10.0
        """
        return years_until(Progress(), self.per_year, end_of_life)


def years_until(begin: Progress, per_year: Progress, end_of_life: float) -> float:
    """Years of a use until the capacity has fallen to `end_of_life`, from a progress on; at most 100."""
    low, high = 0.0, LONGEST_LIFE_YEARS
    if begin.plus(per_year, high).capacity > end_of_life:
        return LONGEST_LIFE_YEARS
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if begin.plus(per_year, middle).capacity > end_of_life else (low, middle)
    return high


def stress_of(energy_kwh: FloatArray, capacity_kwh: float, celsius: FloatArray, step_hours: float) -> Stress:
    """The stress of a span of use, taken as repeated all the year.

    Args:
        energy_kwh: stored energy at the end of each step, (num_steps,).
        capacity_kwh: energy between empty and full cells at the time.
        celsius: temperature of the cells, (num_steps,).
        step_hours: length of a step.
    """
    soc = np.clip(energy_kwh / capacity_kwh, 0.0, 1.0)
    kelvin = celsius + KELVIN_OFFSET
    repeats = HOURS_PER_YEAR / (soc.size * step_hours)
    days = step_hours / HOURS_PER_DAY
    calendar = float((calendar_rate(kelvin, soc) ** (1 / CALENDAR_EXPONENT)).sum()) * days

    cycles = rainflow_cycles(soc)
    moved = np.concatenate([[0.0], np.abs(np.diff(soc))])
    active = moved > LEAST_C_RATE * step_hours
    swing, hours = np.cumsum(moved), np.cumsum(active) * step_hours
    lasted = hours[cycles.last] - hours[cycles.first]
    c_rate = (swing[cycles.last] - swing[cycles.first]) / np.maximum(lasted, step_hours)
    warmth = np.concatenate([[0.0], np.cumsum(kelvin)])
    mean_kelvin = (warmth[cycles.last + 1] - warmth[cycles.first]) / (cycles.last + 1 - cycles.first)
    rate = cycle_rate(mean_kelvin, cycles.depth, c_rate)
    worn = float((rate ** (1 / CYCLE_EXPONENT) * cycles.count * cycles.depth).sum())

    full = cycles.equivalent_full
    depth = float((cycles.depth**2 * cycles.count).sum()) / full if full > 0 else 0.0
    notes = _range_notes(soc, celsius, step_hours)
    if 0 < depth < SHALLOW:
        notes += (
            f"ageing: cycles are {depth:.2f} deep on average, the model was fitted to 0.8 and more; depth is its "
            "smallest term",
        )
    return Stress(Progress(calendar * repeats, worn * repeats), full * repeats, float(soc.mean()), depth, notes)


def _range_notes(soc: FloatArray, celsius: FloatArray, step_hours: float) -> tuple[str, ...]:
    """Where temperature and power leave the range that the model was fitted in."""
    notes = []
    low, high = TESTED_CELSIUS
    outside = float(np.mean((celsius < low) | (celsius > high)))
    if outside > 0:
        notes.append(
            f"ageing: cells at {celsius.min():.0f} to {celsius.max():.0f} degC, {outside:.0%} of the time outside the "
            f"{low:.0f} to {high:.0f} degC that the model was fitted in; the expected life is an extrapolation"
        )
    rate = np.diff(soc) / step_hours
    for word, fastest, limit in (
        ("charged", float(rate.max(initial=0.0)), TESTED_CHARGE_C_RATE),
        ("discharged", float(-rate.min(initial=0.0)), TESTED_DISCHARGE_C_RATE),
    ):
        if fastest > limit * (1 + 1e-6):
            notes.append(
                f"ageing: cells {word} at up to {fastest:.2f} C, above the {limit:g} C that the model was fitted in; "
                "the expected life is an extrapolation, real cells may age faster"
            )
    return tuple(notes)


def marginal_wear_per_kwh(
    stress: Stress, end_of_life: float, *, replacement_cost: float, discharged_kwh_per_year: float, discount_rate: float
) -> float:
    """What one more kWh discharged adds to the yearly cost of replacing the battery [currency/kWh].

    A replacement C every L years costs the annuity A = C r / (1 - (1 + r)^-L). More use x shortens the life: with
    q_cal(L) + q_cyc(L) = 1 - end_of_life,

        dL/L = -w dx/x,    w = 0.828 q_cyc / (0.526 q_cal + 0.828 q_cyc)
        wear = dA/dx = w L/x * C r (1 + r)^-L ln(1 + r) / (1 - (1 + r)^-L)^2        (at r = 0: w C / (L x))

    so that calendar ageing, which comes anyway, is no cost of use. 0 where nothing is discharged.

    >>> day = day_of(efc=1.0, soc=0.5, depth=0.9, c_rate=0.25, celsius=25.0)
    >>> use = Stress(Progress().plus(day, 365), 365.0, 0.5, 0.9)
    >>> [round(marginal_wear_per_kwh(use, 0.8, replacement_cost=500.0, discharged_kwh_per_year=365.0,
    ...                              discount_rate=rate), 4) for rate in (0.0, 0.06)]
    [0.0987, 0.0976]
    """
    if discharged_kwh_per_year <= 0 or replacement_cost <= 0:
        return 0.0
    life = stress.expected_life_years(end_of_life)
    end = Progress().plus(stress.per_year, life)
    by_time, by_use = CALENDAR_EXPONENT * end.calendar_loss, CYCLE_EXPONENT * end.cycle_loss
    weight = by_use / (by_time + by_use)
    if discount_rate == 0:
        return weight * replacement_cost / (life * discharged_kwh_per_year)
    left = (1 + discount_rate) ** -life
    slope = discount_rate * left * np.log1p(discount_rate) / (1 - left) ** 2
    return float(weight * life / discharged_kwh_per_year * replacement_cost * slope)

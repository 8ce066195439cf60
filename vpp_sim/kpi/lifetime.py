"""How the components of a site wear over the years, and when they are replaced."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vpp_sim.components.asset_cost import Condition, Investment, blended
from vpp_sim.components.base import Component
from vpp_sim.errors import InputError

#: What a year's use adds to the wear of each component, by name.
Wear = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Replacement:
    """A component is replaced `years` after the start, because its age or its capacity has reached the limit."""

    component: str
    years: float
    reason: str

    @property
    def year(self) -> int:
        """The year it falls in, from 1; one at the end of a year falls in that year."""
        return max(math.ceil(self.years - 1e-6), 1)


@dataclass(frozen=True, eq=False)
class Schedule:
    """Conditions at the middle of every year (index 0 is year 1), what is replaced, and what is left at the end."""

    middle: tuple[Mapping[str, Condition], ...]
    replacements: tuple[Replacement, ...]
    #: Share of its life that each component with a price has left at the end.
    life_left: Mapping[str, float]

    def shares(self, names: Collection[str], investments: Mapping[str, Investment]) -> list[float]:
        """Mean share of capacity left in every year of some components, weighted by capital; 1 where there are none."""
        weights = {name: investments[name].capital for name in names}
        total = sum(weights.values())
        if total <= 0:
            return [1.0] * len(self.middle)
        return [sum(weights[name] * year[name].capacity for name in weights) / total for year in self.middle]


#: A part that wears out faster is no investment but a mistake in its numbers.
MOST_REPLACEMENTS_A_YEAR = 50


def schedule_of(
    parts: Mapping[str, Component], investments: Mapping[str, Investment], wear: Sequence[Wear]
) -> Schedule:
    """The course of all components through `len(wear)` years.

    A component with a price is replaced when its capacity or its age reaches the limit; in a year with a replacement
    its capacity is the mean of both by time. One without a price is never replaced. Nothing is replaced in the last
    year, for nobody would: it runs on.

    Raises:
        InputError: something would be replaced more than MOST_REPLACEMENTS_A_YEAR times in one year.
    """
    middle: list[dict[str, Condition]] = [{} for _ in wear]
    replacements: list[Replacement] = []
    life_left: dict[str, float] = {}
    for name, part in parts.items():
        now = part.initial_condition()
        lifetime = investments[name].lifetime_years if name in investments else None
        for n, year in enumerate(wear):
            own = year.get(name, {})
            replaceable = lifetime is not None and n < len(wear) - 1
            passed, mean, earlier = 0.0, now, len(replacements)
            while passed < 1.0:
                share = _worn_out(part, now, own, lifetime or 1.0, until=1.0 - passed) if replaceable else None
                span = 1.0 - passed if share is None else share
                mean = blended(mean, part.aged(now, own, span / 2), passed / (passed + span))
                now = part.aged(now, own, span)
                passed += span
                if share is None:
                    break
                by_age = lifetime is not None and now.years >= lifetime - 1e-6
                replacements.append(Replacement(name, n + passed, "age" if by_age else "capacity"))
                now = Condition()
                if len(replacements) - earlier > MOST_REPLACEMENTS_A_YEAR:
                    raise InputError(
                        f"{name}: would be replaced more than {MOST_REPLACEMENTS_A_YEAR} times in year {n + 1}; "
                        "look at its lifetime_years, its use and its end_of_life"
                    )
            middle[n][name] = mean
        if lifetime is not None:
            limit = part.end_of_life_capacity
            by_capacity = (now.capacity - limit) / (1 - limit) if limit > 0 else 1.0
            life_left[name] = max(min(1 - now.years / lifetime, by_capacity), 0.0)
    replacements.sort(key=lambda entry: entry.years)
    return Schedule(tuple(middle), tuple(replacements), life_left)


def _worn_out(
    part: Component, now: Condition, wear: Mapping[str, float], lifetime: float, *, until: float = 1.0
) -> float | None:
    """The part of the coming year after which a limit is reached; None where none is reached in `until`."""

    def beyond(share: float) -> bool:
        then = part.aged(now, wear, share)
        return then.years >= lifetime - 1e-9 or then.capacity <= part.end_of_life_capacity

    if not beyond(until) or until <= 0:
        return None
    low, high = 0.0, until
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return high

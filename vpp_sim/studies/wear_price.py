"""The wear price of a battery that agrees with its ageing: price -> dispatch -> ageing -> price, to a fixed point.

A dispatch cycles the battery as long as a cycle earns more than `wear_cost_per_kwh`; how it is cycled says what a kWh
more takes from its life (`battery_ageing.marginal_wear_per_kwh`, WEAR-1). A higher price means fewer cycles; as fade
grows by less than in proportion (EFC^0.828) and calendar ageing goes on, the implied price p -> f(p) changes slowly, so
that p = f(p) is met within a few dispatches: first p = f(p), then secants on f(p) - p, held between the prices known
to be too low and too high. Where the price hits an edge of the tariff (cycles pay just below it and not above), f jumps
over p: the bracket closes on the edge, which is then the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vpp_sim.components.base import Component
from vpp_sim.components.battery import Battery
from vpp_sim.components.battery_ageing import marginal_wear_per_kwh
from vpp_sim.dispatch import Dispatch, dispatch
from vpp_sim.dispatch.run import Progress
from vpp_sim.errors import InputError
from vpp_sim.scenario import Scenario

#: Prices that differ by less, relative to the price, are the same.
TOLERANCE: Final = 0.01
MOST_RUNS: Final = 10


@dataclass(frozen=True, eq=False)
class WearPrice:
    """A battery's wear price and how it was found: `runs` are pairs of the price put in and the price that came out."""

    component: str
    price_per_kwh: float
    runs: tuple[tuple[float, float], ...]
    converged: bool
    scenario: Scenario
    dispatch: Dispatch

    @property
    def residual(self) -> float:
        """Difference between the last price and what its dispatch implies, relative."""
        price, implied = self.runs[-1]
        return abs(implied - price) / max(price, 1e-9)


def consistent_wear_price(
    scenario: Scenario,
    component: str | None = None,
    *,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> WearPrice:
    """The wear price of one battery at which its dispatch and its ageing agree, and the scenario with it.

    Raises:
        InputError: there is no such battery, or it has no price to be replaced at, or no given size.
    """
    name = _battery_of(scenario, component)
    inputs = scenario.read_inputs()
    runs: list[tuple[float, float]] = []
    low, high = 0.0, float("inf")
    price = _part(scenario, name).wear_cost_per_kwh
    converged = False
    while True:
        progress(f"wear price {price:.4f} per kWh, run {len(runs) + 1}")
        tried = _with_price(scenario, name, price)
        result = dispatch(tried, inputs=inputs, solver=solver)
        implied = _implied(result, name)
        runs.append((price, implied))
        if implied > price:
            low = max(low, price)
        else:
            high = min(high, price)
        closed = high < float("inf") and high - low <= TOLERANCE * high / 2
        converged = closed or abs(implied - price) <= TOLERANCE * max(price, 1e-9)
        if converged or len(runs) >= MOST_RUNS:
            return WearPrice(name, price, tuple(runs), converged, tried, result)
        price = _next(runs, low, high)


def _next(runs: list[tuple[float, float]], low: float, high: float) -> float:
    """The next price to try: the implied one first, then the secant's, the middle where that leaves the bracket."""
    price, implied = runs[-1]
    if len(runs) >= 2:
        (before, said), slope_of = runs[-2], price - runs[-2][0]
        bend = (implied - price) - (said - before)
        if bend != 0:
            implied = price - (implied - price) * slope_of / bend
    if low < implied < high:
        return implied
    return (low + high) / 2 if high < float("inf") else 2 * max(price, 1e-3)


def _battery_of(scenario: Scenario, component: str | None) -> str:
    found = [name for name, part in scenario.components.items() if isinstance(part, Battery)]
    if component is None and len(found) == 1:
        component = found[0]
    if component not in found:
        listed = ", ".join(found) or "none"
        raise InputError(f"a wear price is of one battery; the batteries here: {listed}")
    part = _part(scenario, component)
    if part.free_sizes():
        raise InputError(f"{component}: choose its size first (vpp-sim size); a wear price needs a given one")
    investment = part.investment({})
    if investment is None or investment.replacement <= 0:
        raise InputError(f"{component}: give it a `cost:` with a price, which wear is a part of")
    return component


def _part(scenario: Scenario, name: str) -> Battery:
    part = scenario.components[name]
    if not isinstance(part, Battery):
        raise InputError(f"{name} is not a battery")
    return part


def _with_price(scenario: Scenario, name: str, price: float) -> Scenario:
    changed: Mapping[str, Component] = {name: _part(scenario, name).model_copy(update={"wear_cost_per_kwh": price})}
    return scenario.with_components(**changed)


def _implied(result: Dispatch, name: str) -> float:
    """WEAR-1 for the use that a dispatch makes of a battery; 0 where it is not used, for then the price is too high."""
    part, values = _part(result.scenario, name), result.values(name)
    discharged = values.energy_kwh("discharge_kw") / values.grid.years
    if discharged <= 0:
        return 0.0
    investment = part.investment({})
    return marginal_wear_per_kwh(
        part.stress(values),
        part.ageing.end_of_life,
        replacement_cost=0.0 if investment is None else investment.replacement,
        discharged_kwh_per_year=discharged,
        discount_rate=result.scenario.economics.discount_rate,
    )

"""Remarks on numbers of a site that are possible but look as if they were in another unit, or meant something else.

Nothing here refuses: a pump of 2 kW beside a plant of 3 MW is odd and right. What cannot be is refused by the fields
and readers; what only looks odd beside the rest of the site is told here, by component.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import median
from typing import TYPE_CHECKING, Final, get_args

from vpp_sim.components.base import Component, FreeSize, Inputs

if TYPE_CHECKING:
    from vpp_sim.scenario.model import Scenario

#: How many times smaller or larger than the site's other powers a power is odd; another unit makes it 1,000 times.
ODD_POWER: Final = 200.0
#: Price of a kW or kWh of a capacity, in kWh of the site's mean import price: 950 CNY/kWh at 0.44 are 2,200.
ODD_COST: Final = (20.0, 3e5)
#: A discount rate above this is odd.
ODD_RATE: Final = 0.25


def plausibility_notes(components: Mapping[str, Component], inputs: Mapping[str, Inputs]) -> dict[str, list[str]]:
    """Remarks by component, for those that there are any on."""
    notes: dict[str, list[str]] = {name: [] for name in components}
    powers = {name: dict(_powers(component, inputs[name])) for name, component in components.items() if name in inputs}
    for name, own in powers.items():
        others = [max(other.values()) for who, other in powers.items() if who != name and other]
        notes[name] += [_odd_power(what, kw, median(others)) for what, kw in own.items() if len(others) > 1]
    price = _mean_import_price(inputs)
    for name, component in components.items():
        notes[name] += [_odd_cost(what, cost, price) for what, cost in _costs(component)]
    return {name: [note for note in found if note] for name, found in notes.items() if any(found)}


def economic_notes(scenario: Scenario) -> list[str]:
    """Remarks on the scenario's economics."""
    rate = scenario.economics.discount_rate
    return [f"economics.discount_rate is {rate:.0%} a year; is it meant?"] if rate > ODD_RATE else []


def _capacities(component: Component) -> Iterator[tuple[str, float | FreeSize]]:
    """Every capacity that is given, by field."""
    for name, declared in type(component).model_fields.items():
        value = getattr(component, name)
        if value is not None and any(FreeSize in (part, *get_args(part)) for part in get_args(declared.annotation)):
            yield name, value


def _powers(component: Component, inputs: Inputs) -> Iterator[tuple[str, float]]:
    """Capacities in kW above 0 (of a free size its largest), or the largest power of what has none."""
    capacities = dict(_capacities(component))
    for name, value in capacities.items():
        kw = value.max if isinstance(value, FreeSize) else value
        if name.endswith("_kw") and kw > 0:
            yield name, float(kw)
    if not capacities and "power_kw" in inputs.series:
        kw = float(inputs.series["power_kw"].max(initial=0.0))
        if kw > 0:
            yield "power_kw", kw


def _odd_power(name: str, kw: float, usual: float) -> str:
    if usual / ODD_POWER < kw < usual * ODD_POWER:
        return ""
    if kw >= 1e5 and math.log10(kw).is_integer():
        return ""  # a round number that stands for no limit
    unit = "MW" if kw < usual else "W"
    return f"{name} of {kw:,.6g} kW is odd beside the site's other powers, around {usual:,.3g} kW; is it in {unit}?"


def _mean_import_price(inputs: Mapping[str, Inputs]) -> float:
    """Mean price of an imported kWh, 0 where nobody has one."""
    series = [read.series["import_price_per_kwh"] for read in inputs.values() if "import_price_per_kwh" in read.series]
    return float(series[0].mean()) if series else 0.0


def _costs(component: Component) -> Iterator[tuple[str, float]]:
    """Prices above 0 of a kW or kWh of capacities."""
    for name, value in _capacities(component):
        if isinstance(value, FreeSize) and name.endswith(("_kw", "_kwh")) and value.cost_per_unit > 0:
            yield f"{name}.cost_per_unit", value.cost_per_unit
    basis, cost = component.cost_basis or "", component.cost
    if cost is not None and basis.endswith(("_kw", "_kwh")) and cost.capital_per_unit > 0:
        yield "cost.capital_per_unit", cost.capital_per_unit


def _odd_cost(name: str, cost: float, price: float) -> str:
    low, high = ODD_COST
    if price <= 0 or low <= cost / price <= high:
        return ""
    unit = "W or Wh" if cost / price < low else "MW or MWh"
    return f"{name} of {cost:,.6g} is odd beside a mean import price of {price:.3g} per kWh; is it per {unit}?"

"""What is drawn of a site: what each component gives to the bus and takes from it, under one label and colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vpp_sim.components.base import FloatArray, Flows, Store
from vpp_sim.dispatch import Dispatch
from vpp_sim.report.figures.style import lighter
from vpp_sim.tariffs import export_price_per_kwh, import_price_per_kwh

#: How a component is placed in a stack: by the first of these that it has.
_SUPPLY_ORDER = ("renewable_kw", "other_supply_kw", "store", "import_kw")
_USE_ORDER = ("use_kw", "store", "export_kw")


@dataclass(frozen=True, eq=False)
class Part:
    """A component in figures: powers (num_steps,) [kW] given to the bus and taken from it, both >= 0."""

    name: str
    label: str
    colour: str
    flows: Flows
    gives_kw: FloatArray
    takes_kw: FloatArray

    @property
    def store(self) -> Store | None:
        """The store, if the component is one."""
        return self.flows.store

    @property
    def has_state(self) -> bool:
        """Whether it has a state of charge; a store of the ledger need not (vehicles that come and go have none)."""
        return self.store is not None and bool(self.store.capacity_kwh)

    @property
    def initial(self) -> str:
        """The label as the first words of a sentence."""
        return self.label[:1].upper() + self.label[1:]


def labels_of(result: Dispatch) -> dict[str, str]:
    """The label of every component by name, with the name where that says more or where labels are alike."""
    components = result.scenario.components
    counts = Counter(component.label for component in components.values())
    return {
        name: component.label
        if counts[component.label] == 1 and _words(name) & _words(component.label)
        else f"{component.label} ({name.replace('_', ' ')})"
        for name, component in components.items()
    }


def _words(text: str) -> set[str]:
    return set(text.lower().replace("_", " ").split())


def parts_of(result: Dispatch) -> list[Part]:
    """Every component that gives or takes power, in the scenario's order."""
    labels = labels_of(result)
    seen: Counter[str] = Counter()
    parts = []
    for name, component in result.scenario.components.items():
        flows = component.flows(result.values(name))
        gives, takes = _gives(flows, result.grid.num_steps), _takes(flows, result.grid.num_steps)
        if not gives.any() and not takes.any():
            continue
        colour = lighter(component.colour, min(0.3 * seen[component.colour], 0.75))
        seen[component.colour] += 1
        parts.append(Part(name, labels[name], colour, flows, gives, takes))
    return parts


def supply_order(parts: list[Part]) -> list[Part]:
    """Parts that give power, from the bottom of the stack up: renewables first, the grid last."""
    return sorted((part for part in parts if part.gives_kw.any()), key=lambda part: _rank(part.flows, _SUPPLY_ORDER))


def use_order(parts: list[Part]) -> list[Part]:
    """Parts that take power, from the axis outwards: loads first, export last."""
    return sorted((part for part in parts if part.takes_kw.any()), key=lambda part: _rank(part.flows, _USE_ORDER))


def _rank(flows: Flows, order: tuple[str, ...]) -> int:
    return next((rank for rank, name in enumerate(order) if getattr(flows, name) is not None), len(order))


def _gives(flows: Flows, num_steps: int) -> FloatArray:
    stored = None if flows.store is None else flows.store.discharge_kw
    return _sum(num_steps, flows.renewable_kw, flows.other_supply_kw, flows.import_kw, stored)


def _takes(flows: Flows, num_steps: int) -> FloatArray:
    stored = None if flows.store is None else flows.store.charge_kw
    return _sum(num_steps, flows.use_kw, flows.export_kw, stored)


def _sum(num_steps: int, *arrays: FloatArray | None) -> FloatArray:
    total = np.zeros(num_steps)
    for array in arrays:
        if array is not None:
            total = total + array
    return total


def prices_of(result: Dispatch) -> dict[str, FloatArray]:
    """The tariff's prices per step, `import` and `export` [currency/kWh], with series where it refers to such."""
    flows = (component.flows(result.values(name)) for name, component in result.scenario.components.items())
    series: Mapping[str, FloatArray] = next((flow.price_series for flow in flows if flow.price_series), {})
    tariff, grid = result.scenario.tariff, result.grid
    return {
        "import": import_price_per_kwh(tariff, grid, series.get("import")),
        "export": export_price_per_kwh(tariff, grid, series.get("export")),
    }


def marginal_price(result: Dispatch) -> FloatArray | None:
    """What one more kWh at the bus would cost in each step; None where the solver gave no duals."""
    return result.series.get("bus.marginal_price_per_kwh")

"""What a site buys, what it is compared with, and what a year of operation costs.

**Business as usual** is the same site without what the project buys: everything that generates or stores and carries a
price (`cost:` or a free size) is not there, everything else is there and uncontrolled (vehicles charge on arrival, work
runs at once). It is spared the capital, operation, maintenance and replacement of what is not there, and pays the whole
bill. Components that serve a demand stand on both sides, so their costs cancel, unless `cost.in_baseline` says
otherwise. What has no price (an existing plant, control itself) is on both sides or free; the page says which.

Wear priced in the optimisation is no cash: the replacement is. Only wear of what is never replaced here (vehicles) is
paid. Prices of the scenario are those of year 1; flows fall at the end of their year; capital is paid at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace

import numpy as np

from vpp_sim.components.asset_cost import Investment
from vpp_sim.components.base import Flows
from vpp_sim.dispatch import Dispatch, baseline_scenario
from vpp_sim.kpi.accounts import Accounts
from vpp_sim.kpi.cost import tariff_as_billed
from vpp_sim.scenario import Scenario
from vpp_sim.tariffs import bill


@dataclass(frozen=True)
class Operation:
    """One year of operation: bill by kind in prices of year 1, other money paid, and energy [kWh]."""

    energy: float = 0.0
    demand: float = 0.0
    fixed: float = 0.0
    export: float = 0.0
    compensation: float = 0.0
    penalty: float = 0.0
    load_kwh: float = 0.0
    generation_kwh: float = 0.0
    discharge_kwh: float = 0.0
    emissions_kg: float = 0.0

    @property
    def bill(self) -> float:
        """What is paid to the grid, less what it pays."""
        return self.energy + self.demand + self.fixed - self.export


def mixed(*parts: tuple[float, Operation]) -> Operation:
    """A weighted sum of operations.

    >>> mixed((2.0, Operation(energy=1.0)), (-1.0, Operation(energy=0.5))).energy
    1.5
    """
    sums = np.sum([weight * np.array(astuple(operation)) for weight, operation in parts], axis=0)
    return Operation(*sums.tolist())


@dataclass(frozen=True, eq=False)
class Project:
    """What is bought: investments by component, and which of them business as usual does without."""

    investments: Mapping[str, Investment]
    #: Names of components that are not there in business as usual.
    absent: frozenset[str]
    #: Names of what is bought that generates, and that stores.
    plants: frozenset[str]
    stores: frozenset[str]
    #: Names of what generates or stores without a price: there already, on both sides, and free.
    unpriced: frozenset[str] = frozenset()

    @property
    def bought(self) -> dict[str, Investment]:
        """What only the project pays for."""
        return {name: entry for name, entry in self.investments.items() if not entry.in_baseline}


def project_of(result: Dispatch, flows: Mapping[str, Flows]) -> Project | None:
    """The project of a dispatched scenario, or None where nothing in it has a price."""
    parts = result.scenario.components
    found: dict[str, Investment] = {}
    for name, component in parts.items():
        investment = component.investment(result.values(name).sizes)
        if investment is not None:
            found[name] = investment
    bought = [name for name, entry in found.items() if not entry.in_baseline]
    if not bought:
        return None
    return Project(
        investments=found,
        absent=frozenset(name for name in bought if parts[name].dispensable),
        plants=frozenset(name for name in bought if flows[name].renewable_kw is not None),
        stores=frozenset(name for name in bought if flows[name].store is not None),
        unpriced=frozenset(name for name, part in parts.items() if part.dispensable and name not in found),
    )


def operation_of(
    result: Dispatch,
    accounts: Accounts,
    project: Project,
    relative: Mapping[str, float] | None = None,
) -> Operation:
    """The operation of a dispatch, scaled to a year; `relative` are factors that were on its prices, by bill kind."""
    grid, scenario = result.grid, result.scenario
    flows, ledger, costs = accounts.flows, accounts.ledger, accounts.costs
    own = {name: component.costs(result.values(name)) for name, component in scenario.components.items()}
    unit = {"demand": 1.0, "fixed": 1.0, "export": 1.0, **(relative or {})}
    location = ledger.import_factors.get("location")
    generation = [flows[name].renewable_kw for name in project.plants if name in flows]
    discharge = [store.discharge_kw for name in project.stores if name in flows and (store := flows[name].store)]
    year = Operation(
        energy=costs.bill.energy_cost,
        demand=costs.bill.demand_cost / unit["demand"],
        fixed=costs.bill.fixed_cost / unit["fixed"],
        export=costs.bill.export_revenue / unit["export"],
        compensation=sum(entry.get("wear_cost", 0.0) for name, entry in own.items() if name not in project.investments),
        penalty=sum(entry.get("penalty_cost", 0.0) for entry in own.values()),
        load_kwh=ledger.kwh(ledger.load_kw),
        generation_kwh=sum(ledger.kwh(power) for power in generation if power is not None),
        discharge_kwh=sum(ledger.kwh(power) for power in discharge),
        emissions_kg=0.0 if location is None else ledger.kwh(ledger.import_kw * location),
    )
    return mixed((1 / grid.years, year))


def business_as_usual(scenario: Scenario, project: Project, sizes: Mapping[str, float]) -> Scenario:
    """The uncontrolled site without what the project buys; one more dispatch gives its bill."""
    uncontrolled = baseline_scenario(scenario, sizes)
    return uncontrolled.with_components(**dict.fromkeys(project.absent))


def usual_from_baseline(baseline: Dispatch, accounts: Accounts, project: Project) -> Operation | None:
    """Business as usual without a dispatch of its own, from the uncontrolled site with everything in it.

    Stores are idle there, so where the project has no plant it is business as usual already; where every plant is the
    project's, the whole load is imported. None where some plants stay and some do not.
    """
    flows, ledger = accounts.flows, accounts.ledger
    operation = operation_of(baseline, accounts, project)
    supplying = {
        name for name, flow in flows.items() if flow.renewable_kw is not None or flow.other_supply_kw is not None
    }
    if not supplying & project.absent:
        return operation
    if supplying - project.absent:
        return None
    series = next((flow.price_series for flow in flows.values() if flow.price_series), {})
    paid = bill(
        tariff_as_billed(baseline.scenario.tariff, flows),
        baseline.grid,
        ledger.load_kw,
        np.zeros_like(ledger.load_kw),
        import_series=series.get("import"),
        export_series=series.get("export"),
    )
    location = ledger.import_factors.get("location")
    emitted = 0.0 if location is None else ledger.kwh(ledger.load_kw * location)
    year = 1 / baseline.grid.years
    return replace(
        operation,
        energy=paid.energy_cost * year,
        demand=paid.demand_cost * year,
        fixed=paid.fixed_cost * year,
        export=0.0,
        generation_kwh=0.0,
        discharge_kwh=0.0,
        emissions_kg=emitted * year,
    )

"""What the horizon costs: the bill recomputed from the meter, wear, penalties, investment, and whether they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vpp_sim.components.base import Check, Flows, Kpi
from vpp_sim.dispatch import Dispatch
from vpp_sim.kpi.ledger import Ledger
from vpp_sim.tariffs import Bill, Tariff, bill


@dataclass(frozen=True, eq=False)
class Costs:
    """The bill and all other money of a dispatch, in currency over the horizon."""

    bill: Bill
    wear_cost: float
    penalty_cost: float
    investment_cost: float
    target_penalty: float = 0.0

    @property
    def operating_cost(self) -> float:
        """Bill and wear."""
        return float(self.bill.total + self.wear_cost)

    @property
    def total(self) -> float:
        """Everything that the objective holds."""
        return self.operating_cost + self.penalty_cost + self.target_penalty + self.investment_cost


def costs_of(result: Dispatch, ledger: Ledger, flows: Mapping[str, Flows], target_penalty: float = 0.0) -> Costs:
    """The costs of a dispatch; the bill comes from the meter series alone, the price of missed targets is given."""
    scenario = result.scenario
    own: dict[str, float] = {"wear_cost": 0.0, "penalty_cost": 0.0}
    for name, component in scenario.components.items():
        for key, amount in component.costs(result.values(name)).items():
            own[key] += amount
    investment = 0.0
    for name, component in scenario.components.items():
        for field, size in component.free_sizes().items():
            annual = size.annual_cost_per_unit(scenario.economics.discount_rate)
            investment += annual * result.sizes[f"{name}.{field}"] * scenario.grid.years
    series = next((flow.price_series for flow in flows.values() if flow.price_series), {})
    recomputed = bill(
        tariff_as_billed(scenario.tariff, flows),
        scenario.grid,
        ledger.import_kw,
        ledger.export_kw,
        import_series=series.get("import"),
        export_series=series.get("export"),
    )
    own_costs = own["wear_cost"], own["penalty_cost"], investment
    return Costs(recomputed, *own_costs, target_penalty)


def tariff_as_billed(tariff: Tariff, flows: Mapping[str, Flows]) -> Tariff:
    """The tariff with the declared demand and the transformers that the connection has."""
    declared = next((flow.contracted_kw for flow in flows.values() if flow.contracted_kw is not None), None)
    transformers = next((flow.transformer_kva for flow in flows.values() if flow.transformer_kva is not None), None)
    return tariff.at_site(transformers, declared)


def target_cost_kpis(costs: Costs, currency: str) -> dict[str, Kpi]:
    """What missed targets cost."""
    words = "prices put on soft targets that are missed; not part of operating_cost"
    return {"target_penalty_cost": Kpi(costs.target_penalty, currency, words)}


def cost_kpis(costs: Costs, currency: str) -> dict[str, Kpi]:
    """Costs over the horizon, by kind."""
    return {
        "energy_cost": Kpi(costs.bill.energy_cost, currency, "imported energy on the bill, with adders and tiers"),
        "demand_cost": Kpi(costs.bill.demand_cost, currency, "charge for power on the bill"),
        "fixed_cost": Kpi(costs.bill.fixed_cost, currency, "fixed charges on the bill"),
        "export_revenue": Kpi(costs.bill.export_revenue, currency, "credit for exported energy on the bill"),
        "wear_cost": Kpi(costs.wear_cost, currency, "wear per discharged kWh of storage and vehicles"),
        "penalty_cost": Kpi(
            costs.penalty_cost, currency, "prices put on load, charging or work not served; not part of operating_cost"
        ),
        "investment_cost": Kpi(costs.investment_cost, currency, "annuity and O&M of the sizes that were chosen"),
        "operating_cost": Kpi(costs.operating_cost, currency, "energy + demand + fixed - export revenue + wear"),
        "operating_cost_with_penalty": Kpi(
            costs.operating_cost + costs.penalty_cost + costs.target_penalty,
            currency,
            "operating_cost + penalty_cost + target_penalty_cost",
        ),
    }


def cost_check(result: Dispatch, costs: Costs) -> Check:
    """The optimiser's objective against the bill and the other costs, which share no code with it."""
    scale = max(1.0, abs(costs.total))
    name = "cost: the recomputed bill, wear, penalties and investment equal the objective"
    return Check(
        name, abs(result.objective - costs.total) / scale, detail=f"{result.objective:.6f} and {costs.total:.6f}"
    )

"""What a dispatch comes to in energy and money, once: flows by component, ledger, costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vpp_sim.components.base import Flows
from vpp_sim.dispatch import Dispatch
from vpp_sim.kpi.cost import Costs, costs_of
from vpp_sim.kpi.ledger import Ledger, ledger_of_flows


@dataclass(frozen=True, eq=False)
class Accounts:
    """Flows by component, the ledger made of them, and the costs with the bill."""

    flows: Mapping[str, Flows]
    ledger: Ledger
    costs: Costs


def accounts_of(result: Dispatch) -> Accounts:
    """The accounts of a dispatch."""
    parts = result.scenario.components
    flows = {name: part.flows(result.values(name)) for name, part in parts.items()}
    ledger = ledger_of_flows(flows.values(), result.grid)
    return Accounts(flows, ledger, costs_of(result, ledger, flows))

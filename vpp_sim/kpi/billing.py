"""One metered import and export billed on every basis that the tariff offers.

Nothing is dispatched again: the run was optimised for the basis in use, so that a basis which looks cheaper here is
cheaper, and one that looks dearer may be so only because nobody ran the site for it (`studies.billing` does). A
declared demand that nobody has given is the best one in hindsight:

    least over L >= floor of   sum over months  share[m] * (L + excess_factor * max(0, peak[m] - L (1 + tolerance)))

which is convex and piecewise linear in L, so that one of the floor and peak[m] / (1 + tolerance) is the best. Where an
excess costs double, that is the median month: half of the months then exceed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.dispatch import Dispatch
from vpp_sim.kpi.accounts import Accounts
from vpp_sim.kpi.cost import tariff_as_billed
from vpp_sim.tariffs import AnyDemand, Bill, ContractedDemand, Tariff, basic_rule, bill


@dataclass(frozen=True)
class BasisBill:
    """A bill on one basis [currency over the horizon]; `contracted_kw` is NaN where nothing is declared.

    `chosen` says that the declared demand is the best in hindsight, not one that was given. `lacks` names the number of
    the site without which this basis cannot be billed; its amounts are NaN then.
    """

    name: str
    basis: str
    in_use: bool
    energy_cost: float = np.nan
    demand_cost: float = np.nan
    total: float = np.nan
    contracted_kw: float = np.nan
    chosen: bool = False
    lacks: str = ""


def bills_on_every_basis(result: Dispatch, accounts: Accounts) -> list[BasisBill]:
    """The bill of a dispatch's meter on every basis offered, the one in use first."""
    tariff = tariff_as_billed(result.scenario.tariff, accounts.flows)
    series = next((flow.price_series for flow in accounts.flows.values() if flow.price_series), {})
    used = accounts.costs.bill
    peaks = used.demand["measured_kw"].to_numpy(dtype=np.float64)
    found = []
    for name, rule in tariff.offered().items():
        in_use = rule is tariff.demand
        level, chosen = np.nan, False
        basic = basic_rule(rule)
        if isinstance(basic, ContractedDemand):
            if basic.contracted_kw is None:
                rule, chosen = rule.at_site(None, best_contract_kw(basic, peaks, result.grid.month_shares)), True
            level = float(getattr(basic_rule(rule), "contracted_kw", np.nan))
        if rule.lacks:
            found.append(BasisBill(name, rule.basis, in_use, lacks=rule.lacks))
            continue
        paid = used if in_use else _billed(tariff, rule, result, accounts, series)
        found.append(BasisBill(name, rule.basis, in_use, paid.energy_cost, paid.demand_cost, paid.total, level, chosen))
    return found


def _billed(
    tariff: Tariff, rule: AnyDemand, result: Dispatch, accounts: Accounts, series: Mapping[str, FloatArray]
) -> Bill:
    return bill(
        tariff.with_demand(rule),
        result.grid,
        accounts.ledger.import_kw,
        accounts.ledger.export_kw,
        import_series=series.get("import"),
        export_series=series.get("export"),
    )


def best_contract_kw(rule: ContractedDemand, peaks_kw: FloatArray, shares: FloatArray) -> float:
    """The declared demand that would have cost least, given what was measured in each month (num_months,).

    >>> rule = ContractedDemand(basis="contracted_demand", price_per_kw_month=10.0)
    >>> best_contract_kw(rule, np.array([100.0, 60.0, 50.0, 40.0]), np.ones(4))
    50.0
    """

    def cost(level: float) -> float:
        excess = np.maximum(0.0, peaks_kw - level * (1 + rule.tolerance))
        return float((shares * (level + rule.excess_factor * excess)).sum())

    levels = [rule.least_kw, *(float(peak) / (1 + rule.tolerance) for peak in peaks_kw)]
    return min((level for level in levels if level >= rule.least_kw), key=lambda level: (cost(level), level))

"""The project's cash flow against business as usual (see `project.py`), and what it is worth.

Prices of the scenario are those of year 1; flows fall at the end of their year; capital is paid at the start; all
money is nominal. Every figure names its formula, which `finance.FORMULAS` spells out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vpp_sim.components.asset_cost import Investment
from vpp_sim.components.base import FloatArray, Kpi
from vpp_sim.dispatch import Dispatch
from vpp_sim.kpi import finance
from vpp_sim.kpi.accounts import Accounts, accounts_of
from vpp_sim.kpi.lifetime import Schedule, schedule_of
from vpp_sim.kpi.project import Operation, Project, mixed, operation_of, project_of, usual_from_baseline
from vpp_sim.scenario.economics import Economics

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("energy", "demand", "fixed")


@dataclass(frozen=True, eq=False)
class Proforma:
    """The cash flow year by year (row 0 is the start), the figures that follow, and remarks.

    Columns of `table` are nominal money, received (+) or paid (-), but for `cumulative`, `discounted`,
    `cumulative_discounted`, the two bills (paid is +) and what ends in `_kwh` or `_kg`. `assets` has the life-cycle
    flows of each component bought.
    """

    table: pd.DataFrame
    assets: Mapping[str, Mapping[str, FloatArray]]
    kpis: Mapping[str, Kpi]
    schedule: Schedule
    project: Project
    notes: tuple[str, ...] = field(default=())


def proforma(
    economics: Economics,
    currency: str,
    project: Project,
    schedule: Schedule,
    operations: Sequence[Operation],
    usual: Operation,
    *,
    basis: str,
) -> Proforma:
    """The cash flow of a project and its figures.

    Args:
        economics: rates, tax, loan.
        currency: three letters.
        project: what is bought.
        schedule: replacements, and what is left at the end.
        operations: the site with the project, year 1 to N, in prices of year 1.
        usual: the site without, a year.
        basis: formula id of how the years were found.
    """
    import pandas as pd

    num = economics.num_years
    if len(operations) != num:
        raise ValueError(f"operations: one for each of {num} years, got {len(operations)}")
    years = np.arange(num + 1)
    assets = {name: _asset_flows(entry, name, economics, schedule) for name, entry in project.bought.items()}
    lines = {"capital": _total(assets, "capital", num)}
    start_subsidy = 0.0
    if economics.subsidy is not None:
        lines["subsidy"] = _subsidy(economics, -float(lines["capital"][0]), operations)
        start_subsidy = float(lines["subsidy"][0])
    for kind in KINDS:
        lines[f"{kind}_saving"] = (getattr(usual, kind) - _of(operations, kind)) * _risen(economics, kind)
    lines["export_gain"] = (_of(operations, "export") - usual.export) * _risen(economics, "export")
    for kind in (*(f"{kind}_saving" for kind in KINDS), "export_gain"):
        lines[kind][0] = 0.0
    service = _of(operations, "compensation") - usual.compensation
    service += np.maximum(_of(operations, "penalty") - usual.penalty, 0.0)
    service[0] = 0.0
    if np.abs(service).max() > 1e-6 * max(abs(usual.bill), 1.0):
        lines["service"] = -service * _risen(economics, "om")
    for key in ("om", "replacement", "salvage"):
        lines[key] = _total(assets, key, num)
    table = pd.DataFrame(lines, index=pd.Index(years, name="year"))
    before_tax = table.sum(axis=1).to_numpy()

    bought = -(lines["capital"] + lines["replacement"])
    bought[0] -= start_subsidy
    profit = before_tax + bought
    if economics.tax is not None:
        profit = profit - finance.written_off(np.maximum(bought, 0.0), economics.tax.depreciation_years)
        table["tax"] = -_tax(economics, profit)
    net = before_tax + (table["tax"].to_numpy() if economics.tax is not None else 0.0)
    table["net"] = net
    table["cumulative"] = np.cumsum(net)
    table["discounted"] = net * finance.discount_factors(economics.nominal_rate, num)
    table["cumulative_discounted"] = np.cumsum(table["discounted"].to_numpy())
    if economics.loan is not None:
        principal = economics.loan.share * (-lines["capital"][0] - start_subsidy)
        interest, repaid = finance.loan_payments(principal, economics.loan.rate, economics.loan.years, num)
        table["loan_drawn"] = np.where(years == 0, principal, 0.0)
        table["loan_interest"], table["loan_repaid"] = -interest, -repaid
        table["equity"] = before_tax + table[["loan_drawn", "loan_interest", "loan_repaid"]].sum(axis=1)
        table["equity"] -= _tax(economics, profit - interest)
    for name, listed in (("bill_usual", [usual] * num), ("bill_project", list(operations))):
        table[name] = _bill(economics, listed)
    for key in ("load_kwh", "generation_kwh", "discharge_kwh", "emissions_kg"):
        table[key] = _of(operations, key)
    table["emissions_usual_kg"] = _of([usual] * num, "emissions_kg")

    kpis = _kpis(economics, currency, project, schedule, table, assets, basis)
    notes = _notes(economics, project, table, kpis)
    return Proforma(table, assets, kpis, schedule, project, notes)


def _of(operations: Sequence[Operation], name: str) -> FloatArray:
    """One entry of every year, with 0 before the first."""
    return np.array([0.0, *(getattr(operation, name) for operation in operations)])


def _risen(economics: Economics, line: str) -> FloatArray:
    """Factor on prices of year 1; 1 at the start."""
    return np.asarray((1 + economics.rise(line)) ** np.maximum(np.arange(economics.num_years + 1.0) - 1, 0.0))


def _total(assets: Mapping[str, Mapping[str, FloatArray]], key: str, num: int) -> FloatArray:
    return np.asarray(np.sum([np.zeros(num + 1), *(flows[key] for flows in assets.values())], axis=0))


def _bill(economics: Economics, operations: Sequence[Operation]) -> FloatArray:
    """The nominal bill of every year, paid is +."""
    paid = np.sum([_of(operations, kind) * _risen(economics, kind) for kind in KINDS], axis=0)
    net: FloatArray = paid - _of(operations, "export") * _risen(economics, "export")
    return net


def _subsidy(economics: Economics, capital: float, operations: Sequence[Operation]) -> FloatArray:
    given = economics.subsidy
    if given is None:
        return np.zeros(economics.num_years + 1)
    years = np.arange(economics.num_years + 1)
    paid = np.where(years <= given.years, given.per_generated_kwh * _of(operations, "generation_kwh"), 0.0)
    paid[0] = min(given.capital_share * capital + given.amount, capital)
    return paid


def _tax(economics: Economics, profit: FloatArray) -> FloatArray:
    if economics.tax is None:
        return np.zeros_like(profit)
    return finance.tax_paid(profit, economics.tax.rate, carried_forward=economics.tax.losses == "carried_forward")


def _asset_flows(asset: Investment, name: str, economics: Economics, schedule: Schedule) -> dict[str, FloatArray]:
    """Capital, operation and maintenance, replacement and salvage of one component, (num_years + 1,) each.

    What is left at the end counts at the smaller of what was paid for it and what a new one costs by then.
    """
    num = economics.num_years
    flows = {key: np.zeros(num + 1) for key in ("capital", "om", "replacement", "salvage")}
    flows["capital"][0] = -asset.capital
    flows["om"][1:] = -asset.om_per_year * _risen(economics, "om")[1:]
    dearer = 1 + economics.rise("replacement")
    paid = asset.capital
    for entry in schedule.replacements:
        if entry.component == name:
            paid = asset.replacement * dearer**entry.years
            flows["replacement"][entry.year] += asset.salvage * dearer**entry.years - paid
    if economics.salvage == "linear":
        worth = min(paid, asset.replacement * dearer**num)
        flows["salvage"][num] = asset.salvage + schedule.life_left[name] * (worth - asset.salvage)
    return flows


def _kpis(
    economics: Economics,
    currency: str,
    project: Project,
    schedule: Schedule,
    table: pd.DataFrame,
    assets: Mapping[str, Mapping[str, FloatArray]],
    basis: str,
) -> dict[str, Kpi]:
    rate, real, num = economics.nominal_rate, economics.real_rate, economics.num_years
    net = table["net"].to_numpy()
    salvage = table["salvage"].to_numpy()
    capital = -float(net[0])
    taxed = "after tax" if economics.tax is not None else "before tax"
    told = f"against business as usual over {num} years, {taxed} and before financing, at {rate:.2%} nominal"
    internal = finance.internal_rate(net, rate)
    npv = finance.net_present_value(rate, net)
    no_salvage = net - salvage
    savings = [f"{kind}_saving" for kind in KINDS]
    first = float(table[[*savings, "export_gain"]].to_numpy()[1].sum())

    def kpi(value: float, unit: str, words: str, formula: str) -> Kpi:
        return Kpi(float(value), unit, f"{words} [{formula}, {basis}]")

    found = {
        "npv": kpi(npv, currency, f"net present value {told}", "NPV-1"),
        "irr": kpi(internal.rate, "-", f"internal rate of return {told}{_added(internal.words)}", "IRR-1"),
        "mirr": kpi(finance.modified_internal_rate(rate, net), "-", f"modified rate of return {told}", "MIRR-1"),
        "payback_years": kpi(finance.payback_years(no_salvage), "a", f"simple payback, {taxed}", "PB-1"),
        "discounted_payback_years": kpi(
            finance.payback_years(no_salvage * finance.discount_factors(rate, num)),
            "a",
            f"payback at {rate:.2%}, {taxed}",
            "PB-2",
        ),
        "npv_without_salvage": kpi(
            finance.net_present_value(rate, no_salvage), currency, "npv if nothing is left at the end", "NPV-1"
        ),
        "capital_cost": kpi(
            sum(entry.capital for entry in project.bought.values()), currency, "what the project buys", "NPC-1"
        ),
        "first_year_saving": kpi(
            first,
            currency,
            "bill of business as usual - bill of the project in year 1, prices of the scenario",
            "NPC-1",
        ),
        "replacements": kpi(
            float(sum(entry.component in project.bought for entry in schedule.replacements)),
            "-",
            "components bought again within the years",
            "NPC-1",
        ),
    }
    if capital > 0:
        found["profitability_index"] = kpi((npv + capital) / capital, "-", "worth per money put in", "PI-1")
    found |= _levelised(project, table, assets, (rate, real), currency, kpi)
    lifecycle = table[["capital", "om", "replacement", "salvage", *table.columns.intersection(["subsidy", "service"])]]
    load = table["load_kwh"].to_numpy()
    for name, words, costs in (
        ("net_present_cost", "the site with the project", table["bill_project"] - lifecycle.sum(axis=1)),
        ("baseline_net_present_cost", "business as usual", table["bill_usual"]),
    ):
        paid = costs.to_numpy()
        found[name] = kpi(finance.net_present_value(rate, paid), currency, f"{words}, before tax", "NPC-1")
        found[name.replace("net_present_cost", "cost_of_energy")] = kpi(
            finance.levelised_cost(rate, real, paid, load), f"{currency}/kWh", f"{words}, per kWh of load", "COE-1"
        )
    if "equity" in table:
        equity = table["equity"].to_numpy()
        own = finance.internal_rate(equity, rate)
        words = f"of the owner's own money, after the loan, {taxed}"
        found["equity_npv"] = kpi(finance.net_present_value(rate, equity), currency, f"npv {words}", "NPV-1")
        found["equity_irr"] = kpi(own.rate, "-", f"rate of return {words}{_added(own.words)}", "IRR-1")
    return found


def _added(words: str) -> str:
    return f"; {words}" if words else ""


def _levelised(
    project: Project,
    table: pd.DataFrame,
    assets: Mapping[str, Mapping[str, FloatArray]],
    rates: tuple[float, float],
    currency: str,
    kpi: Callable[[float, str, str, str], Kpi],
) -> dict[str, Kpi]:
    """LCOE of the plants and LCOS of the storage that are bought, where there are any."""
    found = {}
    for name, formula, members, energy, words in (
        ("lcoe", "LCOE-1", project.plants, "generation_kwh", "life-cycle cost of the plants per kWh generated"),
        ("lcos", "LCOS-1", project.stores, "discharge_kwh", "life-cycle cost of storage, without energy, per kWh out"),
    ):
        if members:
            costs = -np.sum([flow for member in sorted(members) for flow in assets[member].values()], axis=0)
            value = finance.levelised_cost(*rates, costs, table[energy].to_numpy())
            found[name] = kpi(value, f"{currency}/kWh", words, formula)
    return found


def _notes(economics: Economics, project: Project, table: pd.DataFrame, kpis: Mapping[str, Kpi]) -> tuple[str, ...]:
    """What a reader should know before trusting the figures."""
    notes = []
    internal = finance.internal_rate(table["net"].to_numpy(), economics.nominal_rate)
    if internal.words:
        notes.append(f"internal rate of return: {internal.words}")
    both = sorted(name for name, entry in project.investments.items() if entry.in_baseline)
    if both:
        notes.append(f"{', '.join(both)}: on both sides, so that what they cost cancels")
    if project.unpriced:
        notes.append(
            f"{', '.join(sorted(project.unpriced))}: no price, so taken as there already, on both sides, and free; "
            "what its control brings is not the purchase's"
        )
    salvage = kpis["npv"].value - kpis["npv_without_salvage"].value
    if abs(salvage) > 0.1 * max(abs(kpis["npv"].value), 1.0):
        notes.append(
            f"{salvage:,.0f} of the NPV is what is left at the end; without it {kpis['npv'].value - salvage:,.0f}"
        )
    if economics.tax is None:
        notes.append("before tax: give economics.tax to see what is left after it")
    return tuple(notes)


def screening(
    optimal: Dispatch,
    baseline: Dispatch,
    accounts: Accounts | None = None,
    baseline_accounts: Accounts | None = None,
) -> Proforma | None:
    """The proforma from one year alone (SCR-1), without a dispatch more; None where nothing has a price.

    The first year's use is repeated, savings shrink with the capacities left, worn components are replaced. None also
    where some plants are bought and others are there already: then business as usual needs a dispatch of its own.
    """
    if not any(part.cost is not None or part.free_sizes() for part in optimal.scenario.components.values()):
        return None
    accounts = accounts or accounts_of(optimal)
    baseline_accounts = baseline_accounts or accounts_of(baseline)
    project = project_of(optimal, accounts.flows)
    if project is None:
        return None
    usual = usual_from_baseline(baseline, baseline_accounts, project)
    if usual is None:
        return None
    scenario = optimal.scenario
    economics, num = scenario.economics, scenario.economics.num_years
    wear = {name: part.yearly_wear(optimal.values(name)) for name, part in scenario.components.items()}
    schedule = schedule_of(scenario.components, project.investments, [wear] * num)
    best = operation_of(optimal, accounts, project)
    planted = operation_of(baseline, baseline_accounts, project)
    plants = schedule.shares(project.plants, project.investments)
    stores = schedule.shares(project.stores, project.investments)
    years = [
        mixed((1 - plant, usual), (plant - store, planted), (store, best))
        for plant, store in zip(plants, stores, strict=True)
    ]
    return proforma(economics, scenario.currency, project, schedule, years, usual, basis=f"SCR-1{repeated(optimal)}")


def repeated(result: Dispatch) -> str:
    """What must be said where a horizon stands for a year that it does not fill; empty else."""
    if abs(result.grid.years - 1) < 0.01:
        return ""
    return f", {result.grid.num_days} days repeated"

"""All KPIs of a run in one table, against the uncontrolled site, with every check that was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vpp_sim.components.base import Check, Kpi
from vpp_sim.dispatch import Dispatch, audit
from vpp_sim.dispatch.one_way import both_ways
from vpp_sim.dispatch.run import CERTIFICATE_TOLERANCE
from vpp_sim.kpi.accounts import Accounts
from vpp_sim.kpi.certificates import certificate_kpis, data_centre_kpis
from vpp_sim.kpi.cost import cost_check, cost_kpis, costs_of, target_cost_kpis
from vpp_sim.kpi.economics import Proforma, screening
from vpp_sim.kpi.emissions import emission_kpis
from vpp_sim.kpi.ledger import Ledger, ledger_of_flows
from vpp_sim.kpi.policy import RuleOutcome, rule_outcomes
from vpp_sim.kpi.shares import energy_kpis, share_kpis
from vpp_sim.kpi.targets import TargetOutcome, target_checks, target_outcomes
from vpp_sim.tariffs import Bill


@dataclass(frozen=True, eq=False)
class Summary:
    """What a run says: KPIs of the site by id, KPIs by component, the bill, the ledger and the checks."""

    kpis: Mapping[str, Kpi]
    components: Mapping[str, Mapping[str, Kpi]]
    bill: Bill
    ledger: Ledger
    checks: tuple[Check, ...]
    baseline: Summary | None = field(default=None)
    targets: Mapping[str, TargetOutcome] = field(default_factory=dict)
    #: What the components that have a price are worth, from this year alone.
    screening: Proforma | None = field(default=None)
    #: What KPIs were made of; of a summary that was just made.
    accounts: Accounts | None = field(default=None, repr=False)
    #: What became of every rule of the scenario's policy documents.
    rules: tuple[RuleOutcome, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check has passed."""
        return all(check.passed for check in self.checks)


def summarize(result: Dispatch, baseline: Dispatch | None = None) -> Summary:
    """KPIs, bill, ledger and checks of a dispatch; with the uncontrolled dispatch also the saving."""
    parts = result.scenario.components
    flows = {name: part.flows(result.values(name)) for name, part in parts.items()}
    ledger = ledger_of_flows(flows.values(), result.grid)
    own = {name: part.kpis(result.values(name)) for name, part in parts.items()}
    energy = {**energy_kpis(ledger), **share_kpis(ledger), **emission_kpis(ledger)}
    energy |= data_centre_kpis(ledger, flows, own)
    energy |= certificate_kpis(ledger, energy, result.scenario)
    combined = _combined(own)
    targets = target_outcomes(result, ledger, {**energy, **combined})
    costs = costs_of(result, ledger, flows, sum(outcome.penalty for outcome in targets.values()))
    accounts = Accounts(flows, ledger, costs)
    kpis = {
        **energy,
        **cost_kpis(costs, result.scenario.currency),
        **(target_cost_kpis(costs, result.scenario.currency) if targets else {}),
        **combined,
    }
    kpis.update(_compute_intensity(kpis))
    kpis.update(_both_ways_kpis(result))
    rules = rule_outcomes(kpis, result.scenario)
    checks = [*audit(result), ledger.check(), cost_check(result, costs), *_certificate_checks(result)]
    checks += target_checks(targets)
    if baseline is None:
        return Summary(kpis, own, costs.bill, ledger, tuple(checks), targets=targets, accounts=accounts, rules=rules)

    uncontrolled = summarize(baseline)
    before, now = uncontrolled.kpis["operating_cost"].value, kpis["operating_cost"].value
    currency = result.scenario.currency
    kpis["baseline_operating_cost"] = Kpi(before, currency, "operating cost of the same site uncontrolled")
    kpis["saving"] = Kpi(before - now, currency, "baseline_operating_cost - operating_cost")
    if (overload := uncontrolled.kpis.get("overload_kwh")) is not None:
        kpis["baseline_overload_kwh"] = replace(overload, definition=f"{overload.definition}, of the site uncontrolled")
    checks += [replace(check, name=f"baseline: {check.name}") for check in uncontrolled.checks]
    screened = screening(result, baseline, accounts, uncontrolled.accounts)
    if screened is not None:
        kpis.update(screened.kpis)
    return Summary(kpis, own, costs.bill, ledger, tuple(checks), uncontrolled, targets, screened, accounts, rules)


def _combined(own: Mapping[str, Mapping[str, Kpi]]) -> dict[str, Kpi]:
    """The components' KPIs as figures of the site: summed, the largest, or a ratio of sums."""
    combined: dict[str, Kpi] = {}
    for kpis in own.values():
        for name, kpi in kpis.items():
            before = combined.get(name)
            if before is None:
                combined[name] = kpi
            elif kpi.combine == "ratio":
                numerator, denominator = before.numerator + kpi.numerator, before.denominator + kpi.denominator
                combined[name] = Kpi.ratio(numerator, denominator, kpi.unit, kpi.definition)
            elif kpi.combine == "max":
                combined[name] = replace(kpi, value=max(before.value, kpi.value))
            else:
                combined[name] = replace(kpi, value=before.value + kpi.value)
    return combined


def _both_ways_kpis(result: Dispatch) -> dict[str, Kpi]:
    """What opposite flows in one step destroy and gain, where a component can have such."""
    if not any(part.opposite_flows() for part in result.scenario.components.values()):
        return {}
    found = both_ways(result.scenario, result.series)
    destroyed, gain = sum(each.destroyed_kwh for each in found), sum(each.gain for each in found)
    words = "what that gains to first order: -(price of one more kWh of use) x energy, less wear"
    return {
        "simultaneous_destroyed_kwh": Kpi(
            destroyed, "kWh", "energy destroyed by charging and discharging in one step, at the bus"
        ),
        "simultaneous_gain": Kpi(gain, result.scenario.currency, words),
    }


def _compute_intensity(kpis: Mapping[str, Kpi]) -> dict[str, Kpi]:
    """kg CO2 per PFLOP-day, where the scenario says how many PFLOPS its racks have."""
    work, emitted = kpis.get("pflop_hours"), kpis.get("emissions_location_kg")
    if work is None or emitted is None or work.value <= 0 or kpis["load_kwh"].value <= 0:
        return {}
    share = kpis["data_centre_kwh"].value / kpis["load_kwh"].value
    return {
        "kg_co2_per_pflop_day": Kpi.ratio(
            emitted.value * share,
            work.value / 24.0,
            "kg/PFLOP-day",
            "location-based emissions x data centre's share of the load / compute delivered",
        )
    }


def _certificate_checks(result: Dispatch) -> list[Check]:
    record = result.solver
    named = {
        "certificate: primal residual": record.primal_residual,
        "certificate: dual residual": record.dual_residual,
        "certificate: gap between primal and dual objective": record.gap,
    }
    if result.ties is not None:
        named["ties: what deciding between equal plans can cost, of the money that changes hands"] = result.ties.share
    # a solver that gives no duals leaves the last two unknown: then only feasibility is checked, and the run says so
    return [Check(name, worst, CERTIFICATE_TOLERANCE) for name, worst in named.items() if worst == worst]

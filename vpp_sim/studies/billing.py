"""The charge for power as a decision: the site optimised on each basis its tariff offers, with and without storage.

Every basis is billed in full and stands inside the program, so each figure is the least cost of the site on that basis
and not the bill of a dispatch that was made for another. Storage is taken away by leaving out the components that hold
energy and without which the site still serves all its demand.

Where the cheapest basis changes along one number (`Along`): the costs of all bases are found at evenly spaced values;
between neighbours whose cheapest basis differs, the root of the difference of the two costs is closed in on by the
Illinois variant of false position on costs of the program (Dowell and Jarratt 1971, doi:10.1007/BF01934364), until it
is known to SWITCH_TOLERANCE of the range or the two costs differ by a millionth. A third basis that is cheaper at the
root splits the interval. A basis that is cheapest only between two neighbouring values is not seen; give more points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from vpp_sim.components.base import Check, Component, FreeSize, Inputs
from vpp_sim.dispatch.run import Progress
from vpp_sim.errors import InputError
from vpp_sim.kpi.cost import tariff_as_billed
from vpp_sim.scenario import Scenario
from vpp_sim.scenario.load import scenario_from_mapping
from vpp_sim.studies.plans import Plan, Planner, Variant, capacities
from vpp_sim.studies.sensitivity import Swing, parameters_of, variant_of
from vpp_sim.tariffs import AnyDemand, ContractedDemand, MaxDemand, Tariff, basic_rule

if TYPE_CHECKING:
    import pandas as pd

Storage = Literal["both", "with", "without"]

#: How exactly a switch is known, as a share of the range searched.
SWITCH_TOLERANCE: Final = 1e-4
#: Costs that differ by less, relative, are equal: what solvers leave.
EQUAL_COSTS: Final = 1e-7
#: Costs that differ by less, relative, are as good as crossing.
CLOSE_COSTS: Final = 1e-6
MOST_TRIALS: Final = 40
MOST_POINTS: Final = 101
DEFAULT_POINTS: Final = 5
#: Default ranges, as multiples of what the site has.
STORAGE_RANGE: Final = (0.0, 2.0)
LARGEST_TRANSFORMER: Final = 2.0
#: Most quarter-hours that are solved unasked to see what longer steps understate.
MOST_QUARTER_HOURS: Final = 5_000
QUARTER_HOUR_MINUTES: Final = 15

#: Numbers that a search knows by a word of its own, with their unit; every other is reached by its path.
WORDS: Final[Mapping[str, str]] = {
    "transformer_kva": "kVA",
    "demand_price_per_kw_month": "currency/kW/month",
    "capacity_price_per_kva_month": "currency/kVA/month",
    "transmission_price_per_kwh": "currency/kWh",
    "average_load_factor": "",
    "storage_scale": "times the storage there is",
}


@dataclass(frozen=True)
class Along:
    """A number along which the cheapest basis is looked for: a word of WORDS or a path, from `low` to `high`."""

    path: str
    low: float
    high: float
    points: int = DEFAULT_POINTS

    @classmethod
    def parsed(cls, text: str) -> Along:
        """A range from `PATH=FROM:TO` or `PATH=FROM:TO:POINTS`.

        >>> Along.parsed("transformer_kva=2000:5000")
        Along(path='transformer_kva', low=2000.0, high=5000.0, points=5)

        Raises:
            InputError: it does not read so.
        """
        path, _, span = text.partition("=")
        try:
            ends = span.split(":")
            found = cls(path.strip(), float(ends[0]), float(ends[1]), *(int(each) for each in ends[2:3]))
            sound = len(ends) <= 3 and bool(found.path) and np.isfinite([found.low, found.high]).all()
        except (ValueError, IndexError):
            sound = False
        if not sound:
            raise InputError(
                f"--along {text}: must be PATH=FROM:TO or PATH=FROM:TO:POINTS, e.g. transformer_kva=2000:5000"
            )
        if not found.low < found.high or not 2 <= found.points <= MOST_POINTS:
            raise InputError(f"--along {text}: must rise, with 2 to {MOST_POINTS} points")
        return found


@dataclass(frozen=True, eq=False)
class BasisCost:
    """The least cost of the site on one basis, with or without storage; money over the horizon.

    `total_cost` is the objective: the bill, wear, penalties and the annuities of free sizes. `contracted_kw` is the
    declared demand (NaN where the basis has none), `chosen` whether it is the best one.
    """

    name: str
    basis: str
    storage: bool
    in_use: bool
    energy_cost: float
    demand_cost: float
    other_cost: float
    total_cost: float
    peak_kw: float
    mean_peak_kw: float
    import_kwh: float
    contracted_kw: float = np.nan
    chosen: bool = False
    #: Months in which the tariff's rebate on demand would be granted, and what it would take off; in no other figure.
    rebate_months: int = 0
    rebate: float = 0.0


@dataclass(frozen=True)
class Switch:
    """The value of a number at which one basis takes over from another as the cheapest, and the cost there."""

    value: float
    below: str
    above: str
    total_cost: float


@dataclass(frozen=True, eq=False)
class Search:
    """Costs of every basis along a number: `table` has the value and a column a basis (NaN where it cannot be run).

    Its rows are the even values and the switches. `base` is the value of the scenario, NaN where it has several.
    """

    along: Along
    unit: str
    storage: bool
    base: float
    table: pd.DataFrame
    switches: list[Switch]

    def cheapest_at(self, row: int) -> str:
        """The cheapest basis at a row of the table; empty where nothing can be run."""
        costs = self.table.drop(columns="value").iloc[row]
        return str(costs.idxmin()) if bool(costs.notna().any()) else ""


@dataclass(frozen=True)
class Understatement:
    """The basis in use on the steps of the scenario and on quarter-hours: means of the monthly peaks, and costs."""

    storage: bool
    step_minutes: int
    mean_peak_kw: float
    quarter_hour_mean_peak_kw: float
    demand_cost: float
    quarter_hour_demand_cost: float

    @property
    def share(self) -> float:
        """What the longer steps leave out of the mean monthly peak, as a share of it."""
        return self.quarter_hour_mean_peak_kw / self.mean_peak_kw - 1.0 if self.mean_peak_kw > 0 else 0.0


@dataclass(frozen=True, eq=False)
class BillingStudy:
    """What each basis costs (`rows`, in the order offered, with storage first), and where the cheapest one changes.

    `left_out` says why a basis on offer could not be compared, by name and `with` or `without` storage.
    """

    scenario: Scenario
    storage_components: tuple[str, ...]
    rows: list[BasisCost]
    left_out: dict[str, str] = field(default_factory=dict)
    searches: list[Search] = field(default_factory=list)
    understatements: list[Understatement] = field(default_factory=list)
    checks: tuple[Check, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a table, with what storage saves on each basis."""
        import pandas as pd

        without = {row.name: row.total_cost for row in self.rows if not row.storage}
        listed = [
            {
                **vars(row),
                "saving_by_storage": without.get(row.name, np.nan) - row.total_cost if row.storage else np.nan,
            }
            for row in self.rows
        ]
        return pd.DataFrame(listed)

    def cheapest(self, *, storage: bool) -> BasisCost | None:
        """The cheapest basis with or without storage; None where that was not looked at."""
        rows = [row for row in self.rows if row.storage == storage]
        return min(rows, key=lambda row: row.total_cost) if rows else None


@dataclass(frozen=True, eq=False)
class _Case:
    """The site on one basis, with or without storage."""

    name: str
    in_use: bool
    storage: bool
    chosen: bool
    scenario: Scenario


def compare_bases(
    scenario: Scenario,
    *,
    storage: Storage = "both",
    along: Sequence[Along] | None = None,
    quarter_hours: bool | None = None,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> BillingStudy:
    """The site optimised on every basis its tariff offers, with and without storage, and where the cheapest changes.

    Args:
        scenario: the site; its tariff's `demand` and `demand_options` are the bases.
        storage: which of the two to look at.
        along: numbers to search a switch along; `transformer_kva` and `storage_scale` where left out, none if empty.
        quarter_hours: for steps of 30 and 60 minutes, also solve the basis in use on quarter-hours to see what the
            steps understate; where left out, up to MOST_QUARTER_HOURS of them.
        solver: overrides the scenario's.
        progress: told what is being done.

    Raises:
        InputError: the tariff offers one basis only, or a search is along nothing that there is.
        InfeasibleError, SolverLimitError: as `dispatch` does, for the basis in use.
    """
    if len(scenario.tariff.offered()) < 2:
        raise InputError(
            f"the tariff {scenario.tariff.name} offers one charge for power only, {scenario.tariff.demand.basis}; "
            "give it others to choose from under demand_options (vpp_sim/tariffs/data/qinghai_two_part_2026_03.yaml "
            "shows how)"
        )
    progress("reading inputs")
    planner = Planner(scenario, solver=solver)
    progress("the basis in use")
    stores = _stores(planner.plan(scenario))
    sides = _sides(storage, stores)
    for each in along or ():
        at, _ = _setter(scenario, each, stores)
        for end in (each.low, each.high):
            at(scenario, end)
    cases, left_out = _cases(scenario, stores, sides)
    progress(f"{len(cases)} cases: every basis, with and without storage")
    rows, checks = _solved(planner, scenario, cases, left_out)
    study = BillingStudy(scenario, stores, rows, left_out, checks=checks)
    searches = []
    for side in sides:
        found = [case for case in cases if case.storage == side and _key(case.name, side) not in left_out]
        for each in _default_searches(study, side) if along is None else along:
            # a size of the storage changes nothing where there is none
            of_storage = each.path == "storage_scale" or each.path.removeprefix("components.").split(".")[0] in stores
            if found and (side or not of_storage):
                progress(f"the cheapest basis along {each.path}, {'with' if side else 'without'} storage")
                searches.append(_search(planner, scenario, found, each, stores))
    understated = []
    for side in sides:
        case = next((case for case in cases if case.in_use and case.storage == side), None)
        if case is not None and _wants_quarter_hours(case.scenario, quarter_hours):
            progress(f"the basis in use on quarter-hours, {'with' if side else 'without'} storage")
            understated += _understatement(case, planner.plans([_variant(planner, scenario, case.scenario)])[0], solver)
    return replace(study, searches=searches, understatements=understated)


def _stores(plan: Plan) -> tuple[str, ...]:
    """Components that hold energy and can be done without."""
    accounts = plan.summary.accounts
    flows = {} if accounts is None else accounts.flows
    parts = plan.scenario.components
    return tuple(name for name, flow in flows.items() if flow.store is not None and parts[name].dispensable)


def _sides(storage: Storage, stores: tuple[str, ...]) -> tuple[bool, ...]:
    if storage == "with" and not stores:
        raise InputError("the site has no storage that it could do without; leave --with-storage out")
    if not stores or storage == "without":
        return (False,)
    return (True,) if storage == "with" else (True, False)


def _key(name: str, storage: bool) -> str:
    return f"{name}, {'with' if storage else 'without'} storage"


def _connection(scenario: Scenario) -> str:
    """The component that knows the declared demand and the transformers."""
    return next(name for name, part in scenario.components.items() if "contracted_kw" in type(part).model_fields)


def _cases(scenario: Scenario, stores: tuple[str, ...], sides: tuple[bool, ...]) -> tuple[list[_Case], dict[str, str]]:
    """The site on each basis and side, and why some cannot be."""
    name = _connection(scenario)
    connection = scenario.components[name]
    transformers, declared = getattr(connection, "transformer_kva"), getattr(connection, "contracted_kw")  # noqa: B009
    cases, left_out = [], {}
    for offer, rule in scenario.tariff.offered().items():
        in_use = rule is scenario.tariff.demand
        for variant, contract, chosen in _contracts(offer, rule, connection, transformers, declared):
            level = contract.max if isinstance(contract, FreeSize) else contract
            here = rule.at_site(transformers, level)
            basic = basic_rule(here)
            if here.lacks:
                left_out[offer] = f"give {name}.{here.lacks}"
                continue
            if isinstance(basic, ContractedDemand) and level is not None and level < basic.least_kw - 1e-9:
                left_out[variant] = f"{name}.contracted_kw: {basic.too_little(level)}"
                continue
            part = connection.model_copy(update={"contracted_kw": contract})
            site = replace(scenario, tariff=scenario.tariff.with_demand(rule)).with_components(**{name: part})
            for side in sides:
                there = site if side else site.with_components(**dict.fromkeys(stores))
                cases.append(_Case(variant, in_use and variant == offer, side, chosen, there))
    return sorted(cases, key=lambda case: not case.storage), left_out


def _contracts(
    offer: str, rule: AnyDemand, connection: Component, transformers: float | None, declared: float | FreeSize | None
) -> list[tuple[str, float | FreeSize | None, bool]]:
    """Names of an offer, the declared demand of each, and whether that is the best: as given, and the best one."""
    basic = basic_rule(rule.at_site(transformers, None))
    if not isinstance(basic, ContractedDemand):
        return [(offer, None, False)]
    given = declared if declared is not None else basic.contracted_kw
    if isinstance(given, FreeSize):
        return [(offer, given, True)]
    limit = getattr(connection, "import_limit_kw")  # noqa: B009
    largest = limit.max if isinstance(limit, FreeSize) else limit
    best = FreeSize(min=0.0, max=max(largest, basic.least_kw), cost_per_unit=0.0)
    if given is None:
        return [(offer, best, True)]
    return [(offer, float(given), False), (f"{offer}, best level", best, True)]


def _inputs(base: Scenario, known: Mapping[str, Inputs], scenario: Scenario) -> dict[str, Inputs]:
    """Inputs of a variant: those of changed components, and of the connection, whose prices may change, read again."""
    context, connection = scenario.context(), _connection(scenario)
    return {
        name: known[name] if name != connection and part == base.components.get(name) else part.inputs(context)
        for name, part in scenario.components.items()
    }


def _variant(planner: Planner, base: Scenario, scenario: Scenario) -> Variant:
    return Variant(scenario, inputs=_inputs(base, planner.inputs, scenario))


def _solved(
    planner: Planner, base: Scenario, cases: list[_Case], left_out: dict[str, str]
) -> tuple[list[BasisCost], tuple[Check, ...]]:
    """The row of every case that can be run; the others get their reason into `left_out`."""
    rows: list[BasisCost] = []
    checks: list[Check] = []
    plans = planner.plans([_variant(planner, base, case.scenario) for case in cases])
    for case, plan in zip(cases, plans, strict=True):
        key = _key(case.name, case.storage)
        if plan is None:
            left_out[key] = "nothing meets every limit of the site"
            continue
        planner.remember(plan)
        rows.append(_row(case, plan))
        checks += [replace(check, name=f"{key}: {check.name}") for check in plan.summary.checks]
    return rows, tuple(checks)


def _row(case: _Case, plan: Plan) -> BasisCost:
    kpis, bill, accounts = plan.summary.kpis, plan.summary.bill, plan.summary.accounts
    energy, demand = kpis["energy_cost"].value, kpis["demand_cost"].value
    peaks = bill.demand["measured_kw"]
    billed = case.scenario.tariff if accounts is None else tariff_as_billed(case.scenario.tariff, accounts.flows)
    return BasisCost(
        name=case.name,
        basis=case.scenario.tariff.demand.basis,
        storage=case.storage,
        in_use=case.in_use,
        energy_cost=energy,
        demand_cost=demand,
        other_cost=plan.dispatch.objective - energy - demand,
        total_cost=plan.dispatch.objective,
        peak_kw=float(peaks.max()),
        mean_peak_kw=float(peaks.mean()),
        import_kwh=kpis["import_kwh"].value,
        contracted_kw=float(getattr(basic_rule(billed.demand), "contracted_kw", np.nan)),
        chosen=case.chosen,
        **_rebate(plan, billed),
    )


def _rebate(plan: Plan, billed: Tariff) -> dict[str, Any]:
    """Months in which the rebate on demand would be granted for the meter of a plan, and what it would take off."""
    rule, basic, grid = billed.demand_rebate, basic_rule(billed.demand), plan.scenario.grid
    if rule is None or not isinstance(basic, MaxDemand | ContractedDemand) or basic.transformer_kva is None:
        return {}
    imported = np.bincount(grid.month, plan.summary.ledger.import_kw) * grid.step_hours
    granted = imported >= rule.kwh_per_kva_month * basic.transformer_kva * grid.month_shares
    lines = plan.summary.bill.lines
    demand = lines[(lines["kind"] == "demand") & (lines["unit"] == "kW")]
    months = {label for label, yes in zip(grid.month_labels, granted, strict=True) if yes}
    paid = float(demand.loc[demand["month"].isin(months), "amount"].sum())
    return {"rebate_months": len(months), "rebate": rule.share * paid}


def _default_searches(study: BillingStudy, storage: bool) -> list[Along]:
    """The transformers, from what the least peak of the side needs, and storage from none to twice what there is."""
    found = []
    connection = study.scenario.components[_connection(study.scenario)]
    transformers = getattr(connection, "transformer_kva")  # noqa: B009
    peaks = [row.peak_kw for row in study.rows if row.storage == storage]
    if transformers is not None and peaks:
        low = max(float(np.ceil(1.05 * min(peaks) / 10.0) * 10.0), 10.0)
        found.append(Along("transformer_kva", low, LARGEST_TRANSFORMER * max(transformers, low)))
    parts = [study.scenario.components[name] for name in study.storage_components]
    if storage and parts and not any(part.free_sizes() for part in parts):
        found.append(Along("storage_scale", *STORAGE_RANGE))
    return found


def _search(planner: Planner, base: Scenario, cases: list[_Case], along: Along, stores: tuple[str, ...]) -> Search:
    """Costs of the cases at even values, and the switches between them."""
    import pandas as pd

    at, now = _setter(base, along, stores)
    side = cases[0].storage
    known: dict[tuple[str, float], float] = {}

    def costs(value: float, wanted: Sequence[_Case]) -> dict[str, float]:
        return costs_at([value], wanted)[0]

    def costs_at(values: Sequence[float], wanted: Sequence[_Case]) -> list[dict[str, float]]:
        new = []
        for value in values:
            there = {case.name: case for case in _cases(at(base, value), stores, (side,))[0]}
            missing = [case.name for case in wanted if (case.name, value) not in known]
            known.update({(name, value): np.nan for name in missing if name not in there})
            new += [(name, value, there[name].scenario) for name in missing if name in there]
        found = planner.costs([_variant(planner, base, scenario) for _, _, scenario in new])
        known.update({(name, value): cost for (name, value, _), cost in zip(new, found, strict=True)})
        return [{case.name: known[case.name, value] for case in wanted} for value in values]

    values = [float(value) for value in np.linspace(along.low, along.high, along.points)]
    listed = costs_at(values, cases)
    by_name = {case.name: case for case in cases}

    def between(low: float, high: float, below: str, above: str, depth: int = 0) -> list[Switch]:
        """Switches between two values at which different bases are cheapest."""

        def difference(value: float) -> float:
            pair = costs(value, [by_name[below], by_name[above]])
            return _difference(pair[below], pair[above])

        enough = CLOSE_COSTS * max(abs(cost) for cost in costs(low, [by_name[below]]).values())
        root = crossing(difference, low, high, SWITCH_TOLERANCE * (along.high - along.low), enough)
        there = costs(root, cases)
        third = _cheapest(there, prefer=(below, above))
        if third not in (below, above) and depth < len(cases):
            return between(low, root, below, third, depth + 1) + between(root, high, third, above, depth + 1)
        return [Switch(root, below, above, there[above])]

    switches: list[Switch] = []
    current = ""
    for low, high, before, after in zip(values, values[1:], listed, listed[1:], strict=False):
        current = _cheapest(before, prefer=(current,))
        following = _cheapest(after, prefer=(current,))
        if current and following and following != current:
            switches += between(low, high, current, following)
        current = following
    # the switches are points of the lines as well
    values = sorted({*values, *(switch.value for switch in switches)})
    table = pd.DataFrame([{"value": value, **costs(value, cases)} for value in values])
    unit = WORDS.get(along.path, "").replace("currency", base.currency)
    return Search(along, unit, side, now, table, switches)


def _difference(left: float, right: float) -> float:
    """left - right, where what cannot be run costs without end."""
    if np.isnan(left) or np.isnan(right):
        return 0.0 if np.isnan(left) and np.isnan(right) else np.inf if np.isnan(left) else -np.inf
    return left - right


def _cheapest(costs: Mapping[str, float], prefer: tuple[str, ...]) -> str:
    """The cheapest basis; among equal ones a preferred one. Empty where none can be run."""
    runnable = {name: cost for name, cost in costs.items() if not np.isnan(cost)}
    if not runnable:
        return ""
    least = min(runnable.values())
    equal = [name for name, cost in runnable.items() if cost <= least + EQUAL_COSTS * max(1.0, abs(least))]
    return next((name for name in prefer if name in equal), equal[0])


def crossing(
    difference: Callable[[float], float], low: float, high: float, tolerance: float, enough: float = 0.0
) -> float:
    """Where a difference that is not above 0 at `low` and not below 0 at `high` is 0.

    Known to `tolerance` in its argument, or so that the difference is `enough` at most. Illinois' false position,
    halving where an end is infinite.

    >>> round(crossing(lambda x: x**3 - 2.0, 0.0, 2.0, 1e-9), 6)
    1.259921
    """
    at_low, at_high = difference(low), difference(high)
    side = 0
    for _ in range(MOST_TRIALS):
        if high - low <= tolerance or at_low == 0.0 or at_high == 0.0:
            break
        middle = (low + high) / 2
        if np.isfinite(at_low) and np.isfinite(at_high) and at_high > at_low:
            middle = low - at_low * (high - low) / (at_high - at_low)
            # an end that is met exactly would never be passed
            middle = min(max(middle, low + 0.25 * tolerance), high - 0.25 * tolerance)
        value = difference(middle)
        if abs(value) <= enough:
            return middle
        if value < 0:
            low, at_low = middle, value
            at_high = at_high / 2 if side < 0 else at_high
            side = -1
        else:
            high, at_high = middle, value
            at_low = at_low / 2 if side > 0 else at_low
            side = 1
    if at_low == 0.0:
        return low
    return high if at_high == 0.0 else (low + high) / 2


def _setter(
    scenario: Scenario, along: Along, stores: tuple[str, ...]
) -> tuple[Callable[[Scenario, float], Scenario], float]:
    """How the site gets another value of the number, and the value it has (NaN where it has none or several).

    Raises:
        InputError: there is no such number.
    """
    name = _connection(scenario)
    if along.path == "transformer_kva":
        if along.low <= 0:
            raise InputError("--along transformer_kva: must be above 0 kVA")
        own = getattr(scenario.components[name], "transformer_kva")  # noqa: B009
        return lambda site, value: _behind(site, name, value), np.nan if own is None else float(own)
    if along.path == "storage_scale":
        if along.low < 0:
            raise InputError("--along storage_scale: must be at least 0")
        if not stores:
            raise InputError("--along storage_scale: the site has no storage that it could do without")
        return lambda site, value: _scaled(site, stores, value), 1.0
    if along.path in WORDS:
        return _price_setter(scenario, along)
    try:
        (parameter,) = parameters_of(scenario, [Swing(along.path, str(along.low), str(along.high))])
    except InputError as error:
        words = f"; or one of {', '.join(WORDS)}"
        raise InputError(str(error).replace("--vary", "--along") + words) from None
    return lambda site, value: variant_of(site, {parameter: value}), parameter.base


def _with(scenario: Scenario, name: str, **numbers: Any) -> Scenario:
    return scenario.with_components(**{name: scenario.components[name].model_copy(update=numbers)})


def _behind(scenario: Scenario, name: str, transformer_kva: float) -> Scenario:
    """The site behind other transformers, which carry their kVA at power factor 1 at most."""
    limit = getattr(scenario.components[name], "import_limit_kw")  # noqa: B009
    carried = limit if isinstance(limit, FreeSize) else min(limit, transformer_kva)
    return _with(scenario, name, transformer_kva=transformer_kva, import_limit_kw=carried)


def _scaled(scenario: Scenario, stores: tuple[str, ...], factor: float) -> Scenario:
    """The site with every capacity of its storage times a factor; at 0 without it."""
    if factor == 0:
        return scenario.with_components(**dict.fromkeys(stores))
    for name in stores:
        sizes = capacities(scenario.components[name])
        if any(isinstance(size, FreeSize) for size in sizes.values()):
            raise InputError(
                f"--along storage_scale: the sizes of {name} are free; give numbers, or use another search"
            )
        scenario = _with(scenario, name, **{own: factor * float(size) for own, size in sizes.items()})  # type: ignore[arg-type]
    return scenario


def _price_setter(scenario: Scenario, along: Along) -> tuple[Callable[[Scenario, float], Scenario], float]:
    """Sets a price or load factor wherever the charges for power have it."""
    word = along.path.removeprefix("demand_").removeprefix("capacity_")
    found = {
        float(getattr(part, word))
        for rule in scenario.tariff.offered().values()
        for part in (rule, basic_rule(rule))
        if hasattr(part, word)
    }
    if not found:
        raise InputError(f"--along {along.path}: no charge for power of the tariff {scenario.tariff.name} has one")
    if along.low < 0 or (word == "average_load_factor" and along.high > 1):
        raise InputError(f"--along {along.path}: out of its range")

    def changed(rule: AnyDemand, value: float) -> AnyDemand:
        update: dict[str, Any] = {word: value} if hasattr(rule, word) else {}
        inner = getattr(rule, "basic", None)
        if inner is not None:
            update["basic"] = changed(inner, value)
        return rule.model_copy(update=update)

    def at(site: Scenario, value: float) -> Scenario:
        options = {name: changed(rule, value) for name, rule in site.tariff.demand_options.items()}
        update = {"demand": changed(site.tariff.demand, value), "demand_options": options}
        return replace(site, tariff=site.tariff.model_copy(update=update))

    return at, found.pop() if len(found) == 1 else np.nan


def _wants_quarter_hours(scenario: Scenario, asked: bool | None) -> bool:
    """Whether demand is measured here on longer steps of whole quarter-hours, which are wanted or few enough."""
    grid = scenario.grid
    count, rest = divmod(grid.step_minutes, QUARTER_HOUR_MINUTES)
    if rest or count <= 1 or not isinstance(basic_rule(scenario.tariff.demand), MaxDemand | ContractedDemand):
        return False
    return grid.num_steps * count <= MOST_QUARTER_HOURS if asked is None else asked


def _understatement(case: _Case, plan: Plan | None, solver: str | None) -> list[Understatement]:
    """The basis in use on quarter-hours, at the sizes chosen on the longer steps; nothing where it cannot be run."""
    if plan is None:
        return []
    sizes: dict[str, dict[str, float]] = {}
    for path, size in plan.dispatch.sizes.items():
        name, _, own = path.partition(".")
        sizes.setdefault(name, {})[own] = size
    parts = {name: part.fixed_at(sizes.get(name, {})) for name, part in case.scenario.components.items()}
    mapping = case.scenario.replace_components(parts).to_mapping()
    mapping["horizon"] = {**mapping["horizon"], "step_minutes": QUARTER_HOUR_MINUTES}
    finer = scenario_from_mapping(mapping, base_dir=case.scenario.base_dir)
    fine = Planner(finer, solver=solver).plans([Variant(finer)])[0]
    if fine is None:
        return []
    return [
        Understatement(
            case.storage,
            case.scenario.grid.step_minutes,
            float(plan.summary.bill.demand["measured_kw"].mean()),
            float(fine.summary.bill.demand["measured_kw"].mean()),
            plan.summary.bill.demand_cost,
            fine.summary.bill.demand_cost,
        )
    ]

"""The contract of a component, the block it writes into, and the one sign rule.

**Sign rule.** Every variable is >= 0 and its name gives the direction. The only signed quantity is net power,
positive *into the bus*: `inject(variable, +1)` is supply, `inject(variable, -1)` is use. The bus of a site balances
in each step:

    sum over components of (sign * power_kw) = 0

**Contract.** A component is one frozen model in one file. It reads what it needs from outside in `inputs`, writes its
variables, rows and costs in `add_to`, and explains itself afterwards: `outputs` (derived series), `flows` (what the
energy ledger needs), `costs` (money that is on no bill), `kpis`, and `replay` (its physics again, from the arrays
alone, in code that shares nothing with `add_to`). Nobody else asks what kind a component is.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vpp_sim.components.adjustable import Adjustable
from vpp_sim.components.asset_cost import AssetCost, Condition, Investment
from vpp_sim.fields import StrictModel, quantity, unit_of
from vpp_sim.lp.builder import GlobalVariable, ProgramBuilder, StepVariable, Term
from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    import pandas as pd

    from vpp_sim.tariffs import Tariff
    from vpp_sim.weather import Site, Weather

FloatArray = NDArray[np.float64]

#: Relative accuracy that every replayed equation must meet (model.md, section 6).
REPLAY_TOLERANCE = 1e-6

# Ties. Where several plans cost the same, the one that is taken must not depend on the solver, the number of threads or
# the order of the components. These prices decide, and are in no figure: storage is used least, what can be made is not
# thrown away, service is earliest, and stores are charged latest and emptied first (cells age less while empty).
# A plan can cost more than the cheapest only where prices differ by less than these. They are meant beside prices of
# the order of 0.1 to 1, and multiplied where a site's lie elsewhere; `dispatch/ties.py` finds what they cost. They lie
# well above a solver's tolerance on prices (1e-9 is asked for).
#: Price of a kWh of work or charging that waits for an hour [currency/kWh/h].
EARLIEST_SERVICE_PRICE = 1e-6
#: Price of a kWh that is stored for an hour [currency/kWh/h].
STORED_ENERGY_PRICE = 5e-7
#: Price of a kWh that is discharged, missed, shed or imported [currency/kWh]: none of it for nothing.
THROUGHPUT_PRICE = 1e-6
#: What a kWh that could be generated and is not is worth [currency/kWh]: less than storing it for nothing costs.
CURTAILED_ENERGY_PRICE = 5e-7
#: Of things that could do the same (classes of a component, components of a site) each next one's price is lower.
RANK_WEIGHT = 0.17
NAME_WEIGHT = 0.13


def ranked(price: float, rank: int) -> float:
    """The tie price of the thing that comes `rank`-th among its like.

    >>> [round(ranked(1.0, rank), 3) for rank in range(3)]
    [1.0, 0.855, 0.746]
    """
    return price / (1.0 + RANK_WEIGHT * rank)


def name_weight(name: str) -> float:
    """What a component's tie prices are multiplied by, from its name alone: 1 to 1.13.

    >>> name_weight("battery") != name_weight("battery2")
    True
    """
    return 1.0 + NAME_WEIGHT * zlib.crc32(name.encode()) / 2**32


#: Opposite flows count as simultaneous where both exceed this share of the device's largest flow. An interior point
#: leaves up to a hundred-thousandth of it where energy is worth next to nothing, as in hours of curtailment.
OPPOSITE_FLOW_SHARE = 1e-4
#: Nothing is larger (a TW, a TWh); beyond it a program's numbers lie too far apart for any solver.
MOST_CAPACITY = 1e9


class FreeSize(StrictModel):
    """A capacity that the optimiser chooses, with its cost: `{min: 0, max: 20000, cost_per_unit: 950}`."""

    min: float = quantity("smallest size that may be chosen", unit="unit of the field", default=0.0, ge=0)
    max: float = quantity("largest size that may be chosen", unit="unit of the field", ge=0, le=MOST_CAPACITY)
    cost_per_unit: float = quantity("investment per unit of size", unit="currency/unit", ge=0)
    lifetime_years: float = quantity("years until it must be bought again", unit="a", default=15.0, gt=0)
    om_per_unit_year: float = quantity("operation and maintenance", unit="currency/unit/a", default=0.0, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min: must be at most max ({self.max:g}), got {self.min:g}")
        return self

    def annual_cost_per_unit(self, discount_rate: float) -> float:
        """Annuity of the investment plus O&M [currency per unit and year].

        Capital recovery factor r / (1 - (1 + r)^-n), which is 1/n at r = 0.

        >>> size = FreeSize(max=1, cost_per_unit=1000, lifetime_years=10)
        >>> round(size.annual_cost_per_unit(0.06), 4), size.annual_cost_per_unit(0.0)
        (135.868, 100.0)
        """
        n = self.lifetime_years
        recovery = 1 / n if discount_rate == 0 else discount_rate / (1 - (1 + discount_rate) ** -n)
        return self.cost_per_unit * recovery + self.om_per_unit_year


#: A capacity of at least 0: a number, or a FreeSize for the optimiser to choose. (The bound is here and not in the
#: fields, where it would be held against the FreeSize too.)
Capacity = Annotated[float, Field(ge=0, le=MOST_CAPACITY)] | FreeSize


@dataclass(frozen=True)
class Context:
    """The outside as a component sees it: the time axis, the place, the weather (read when first asked for), prices."""

    grid: TimeGrid
    site: Site
    tariff: Tariff
    base_dir: Path
    read_weather: Callable[[], Weather]

    @property
    def weather(self) -> Weather:
        """The weather of the horizon; read once."""
        return self.read_weather()


@dataclass(frozen=True)
class Inputs:
    """What a component read from outside: series (num_steps,) named `quantity_unit`, tables, and remarks on them."""

    series: Mapping[str, FloatArray] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Values:
    """One component's own slice of a result: its inputs, its variables by quantity, its sizes and tables."""

    grid: TimeGrid
    series: Mapping[str, FloatArray]
    sizes: Mapping[str, float] = field(default_factory=dict)
    globals_: Mapping[str, FloatArray] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def __getitem__(self, quantity_name: str) -> FloatArray:
        return self.series[quantity_name]

    def size(self, quantity_name: str, capacity: Capacity) -> float:
        """The number of a capacity: as given, or as the optimiser chose it."""
        return self.sizes[quantity_name] if isinstance(capacity, FreeSize) else float(capacity)

    def energy_kwh(self, quantity_name: str) -> float:
        """Sum of a power series over the horizon [kWh]."""
        return float(self.series[quantity_name].sum()) * self.grid.step_hours


@dataclass(frozen=True)
class Kpi:
    """A number with its unit and definition.

    `combine` says what the site's figure is when several components report the same id: their `sum`, the `max`, or
    the `ratio` of the summed numerators and denominators.
    """

    value: float
    unit: str
    definition: str
    combine: Literal["sum", "max", "ratio"] = "sum"
    numerator: float = 0.0
    denominator: float = 0.0

    @classmethod
    def ratio(cls, numerator: float, denominator: float, unit: str, definition: str) -> Kpi:
        """A ratio of sums; 0 where the denominator is 0."""
        value = numerator / denominator if denominator else 0.0
        return cls(value, unit, definition, "ratio", numerator, denominator)


@dataclass(frozen=True)
class Check:
    """One statement that was verified: its name, the worst relative deviation, and whether that is small enough."""

    name: str
    worst: float
    tolerance: float = REPLAY_TOLERANCE
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether the deviation is a number within the tolerance."""
        return bool(self.worst <= self.tolerance)


def equation_check(name: str, left: FloatArray, right: FloatArray, scale: float) -> Check:
    """`left == right` everywhere, relative to `scale` (at least 1)."""
    deviation = np.abs(np.asarray(left) - np.asarray(right))
    return _worst(name, deviation, scale)


def limit_check(
    name: str, values: FloatArray, lower: FloatArray | float, upper: FloatArray | float, scale: float
) -> Check:
    """`lower <= values <= upper` everywhere, relative to `scale` (at least 1)."""
    return _worst(name, np.maximum(np.maximum(lower - values, values - upper), 0.0), scale)


def _worst(name: str, deviation: FloatArray, scale: float) -> Check:
    flat = np.atleast_1d(deviation)
    if flat.size == 0:
        return Check(name, 0.0)
    position = int(np.argmax(np.where(np.isnan(flat), np.inf, flat)))
    return Check(name, float(flat[position]) / max(scale, 1.0), detail=f"worst at step {position}")


@dataclass(frozen=True)
class Store:
    """A store for the energy ledger, all (num_steps,): bus powers, energy into the cells, end-of-step energy."""

    charge_kw: FloatArray
    discharge_kw: FloatArray
    inflow_kwh: FloatArray
    stored_kwh: FloatArray
    initial_kwh: float
    #: The energy that is a state of charge of 1, where there is such a thing.
    capacity_kwh: float | None = None


@dataclass(frozen=True)
class Flows:
    """What a component supplies to and takes from the bus, by role, for the energy ledger; arrays (num_steps,)."""

    renewable_kw: FloatArray | None = None
    renewable_available_kw: FloatArray | None = None
    other_supply_kw: FloatArray | None = None
    use_kw: FloatArray | None = None
    store: Store | None = None
    import_kw: FloatArray | None = None
    export_kw: FloatArray | None = None
    #: Per imported kWh: `location`, `market`, `park` in kg CO2, and `clean_share`; only where there is import.
    import_factors: Mapping[str, FloatArray] = field(default_factory=dict)
    #: Prices read from files, `import` and `export`, where the tariff refers to such; what the bill is made with.
    price_series: Mapping[str, FloatArray] = field(default_factory=dict)
    #: Powers that targets and rules refer to, by the role that the block declared them with.
    measured_kw: Mapping[str, FloatArray] = field(default_factory=dict)
    #: Declared demand [kW] and capacity of the transformers [kVA] in place of the tariff's.
    contracted_kw: float | None = None
    transformer_kva: float | None = None


@dataclass(frozen=True)
class Shortfall:
    """What was asked for and not given: its name, its power (num_steps,) [kW], and the price put on a kWh.

    Where a store holds too little (`is_stored`), `amount` is what is missing in it at the end of each step [kWh], and
    the price is per kWh and hour.
    """

    what: str
    amount: FloatArray
    price_per_kwh: float
    is_stored: bool = False


@dataclass(frozen=True)
class OppositeFlows:
    """Two flows [kW] of which a device has one at a time: `into` it and `out` of it, by quantity.

    A kWh into it gives `efficiency` kWh out of it, at `cost_per_kwh` of what comes out.
    """

    into: str
    out: str
    efficiency: float = 1.0
    cost_per_kwh: float = 0.0


class Bus:
    """Collects what the blocks of one site push: injections, fixed uses, and limits that span components."""

    def __init__(
        self, builder: ProgramBuilder, grid: TimeGrid, discount_rate: float, *, tie_scale: float = 1.0
    ) -> None:
        self.builder = builder
        self.grid = grid
        self.discount_rate = discount_rate
        self.tie_scale = tie_scale
        self._balance: list[Term] = []
        self._roles: dict[str, list[Term]] = {}
        self._fixed_kw: dict[str, FloatArray] = {"use": np.zeros(grid.num_steps)}
        self._export_of_stored_energy_forbidden = False

    def inject(
        self, variable: StepVariable | GlobalVariable, sign: int, role: str | None, factor: FloatArray | float = 1.0
    ) -> None:
        """Enter `factor` (scalar or (num_steps,)) times a variable into the balance, positive into the bus."""
        self._balance.append((variable, sign * factor))
        if role is None:
            self.declare("use", variable, -sign * factor)
        else:
            self.declare(role, variable, factor)

    def declare(self, role: str, variable: StepVariable | GlobalVariable, factor: FloatArray | float = 1.0) -> None:
        """Say that `factor` times a variable has a role in limits that span components."""
        self._roles.setdefault(role, []).append((variable, factor))

    def declare_fixed(self, role: str, power_kw: FloatArray | float) -> None:
        """Say that a power that no decision changes has a role in limits that span components."""
        self._fixed_kw[role] = self._fixed_kw.get(role, np.zeros(self.grid.num_steps)) + power_kw

    def offer_renewable(self, capacity: float | GlobalVariable, share: FloatArray) -> None:
        """Say that renewable power of `share * capacity` is available, (num_steps,) kW per unit."""
        if isinstance(capacity, GlobalVariable):
            self.declare("available", capacity, share)
        else:
            self.declare_fixed("available", share * capacity)

    def total(self, role: str) -> tuple[list[Term], float]:
        """Everything of a role, summed over the horizon: terms for a total row (kW) and what is fixed of it."""
        terms: list[Term] = []
        for variable, factor in self._roles.get(role, []):
            if isinstance(variable, GlobalVariable):
                terms.append((variable, float(np.broadcast_to(factor, self.grid.num_steps).sum())))
            else:
                terms.append((variable, factor))
        return terms, float(self._fixed_kw[role].sum()) if role in self._fixed_kw else 0.0

    def terms(self, role: str) -> list[Term]:
        """Everything of a role in each step [kW]."""
        return list(self._roles.get(role, []))

    def use(self, power_kw: FloatArray | float) -> None:
        """Enter a fixed use into the balance."""
        self.declare_fixed("use", power_kw)

    def forbid_export_of_stored_energy(self) -> None:
        """Export may not exceed the renewable generation of its step."""
        self._export_of_stored_energy_forbidden = True

    def close(self) -> None:
        """Write the balance and the limits that span components."""
        self.builder.constrain("bus.balance_kw", self._balance, equals=self._fixed_kw["use"])
        renewable: list[Term] = [(variable, -factor) for variable, factor in self._roles.get("renewable", [])]
        onsite_charge = self._roles.get("onsite_charge", [])
        if onsite_charge:
            self.builder.constrain("bus.onsite_charge_kw", [*onsite_charge, *renewable], upper=0.0)
        export = self._roles.get("export", [])
        if self._export_of_stored_energy_forbidden and export:
            self.builder.constrain("bus.renewable_export_kw", [*export, *renewable], upper=0.0)


class Block:
    """One component's place in the program: everything it adds is named `component.quantity_unit`."""

    def __init__(self, name: str, bus: Bus, context: Context, inputs: Inputs) -> None:
        self.name = name
        self.grid = bus.grid
        self.context = context
        self.inputs = inputs
        self._bus = bus
        self._builder = bus.builder

    def variables(
        self,
        quantity_name: str,
        *,
        lower: object = 0.0,
        upper: object = np.inf,
        cost_per_kwh: object = 0.0,
        tie_price: float = 0.0,
    ) -> StepVariable:
        """A power per step [kW] (or a state [kWh], then without cost) with bounds, and a cost per kWh of it.

        `tie_price` decides between plans of equal cost: per kWh of a power, per kWh and hour of a state.
        """
        dt = self.grid.step_hours
        return self._builder.variables(
            f"{self.name}.{quantity_name}",
            lower=lower,
            upper=upper,
            cost=np.asarray(cost_per_kwh, dtype=np.float64) * dt,
            tie_cost=tie_price * name_weight(self.name) * self._bus.tie_scale * dt,
        )

    def global_variables(
        self, quantity_name: str, count: int = 1, *, lower: object = 0.0, upper: object = np.inf, cost: object = 0.0
    ) -> GlobalVariable:
        """Variables that belong to no step; the cost is per unit over the horizon."""
        return self._builder.global_variables(
            f"{self.name}.{quantity_name}", count, lower=lower, upper=upper, cost=cost
        )

    def constrain(self, label: str, terms: list[Term], **bounds: object) -> None:
        """One row per step; `lower`, `upper` or `equals`."""
        self._builder.constrain(f"{self.name}.{label}", terms, **bounds)

    def constrain_total(self, label: str, terms: list[Term], **bounds: float) -> None:
        """One row over all steps; `lower`, `upper` or `equals`."""
        self._builder.constrain_total(f"{self.name}.{label}", terms, **bounds)

    def capacity(self, quantity_name: str, value: Capacity) -> float | GlobalVariable:
        """A capacity as a number, or as a variable `component.quantity_size` that pays its annuity for the horizon."""
        if not isinstance(value, FreeSize):
            return float(value)
        cost = value.annual_cost_per_unit(self._bus.discount_rate) * self.grid.years
        return self.global_variables(f"{quantity_name}_size", lower=value.min, upper=value.max, cost=cost)

    def bounded(
        self,
        quantity_name: str,
        capacity: float | GlobalVariable,
        share: FloatArray | float = 1.0,
        *,
        cost_per_kwh: object = 0.0,
        tie_price: float = 0.0,
    ) -> StepVariable:
        """A power of at most `share * capacity`: a bound where the capacity is a number, else a row."""
        if not isinstance(capacity, GlobalVariable):
            upper = np.asarray(share) * capacity
            return self.variables(quantity_name, upper=upper, cost_per_kwh=cost_per_kwh, tie_price=tie_price)
        variable = self.variables(quantity_name, cost_per_kwh=cost_per_kwh, tie_price=tie_price)
        self.constrain(f"{quantity_name}_limit", [(variable, 1.0), (capacity, -share)], upper=0.0)
        return variable

    def inject(
        self,
        variable: StepVariable | GlobalVariable,
        sign: int,
        role: str | None = None,
        *,
        factor: FloatArray | float = 1.0,
    ) -> None:
        """Enter a power into the bus balance, positive into the bus: `factor` kW (scalar or per step) per unit.

        A global variable (a size) enters every step. Roles that limits across components and targets refer to:
        `renewable`, `other_supply`, `import`, `export`, `charge`, `discharge`; without one it is a use, or less of it.
        """
        self._bus.inject(variable, sign, role, factor)

    def declare(self, role: str, variable: StepVariable | GlobalVariable, factor: FloatArray | float = 1.0) -> None:
        """Say that `factor` times a variable has one more role: `onsite_charge`, `emissions_location` (kg/kWh), ..."""
        self._bus.declare(role, variable, factor)

    def declare_fixed(self, role: str, power_kw: FloatArray | float) -> None:
        """Say that a power that no decision changes has a role; beside `declare`."""
        self._bus.declare_fixed(role, power_kw)

    def offer_renewable(self, capacity: float | GlobalVariable, share: FloatArray) -> None:
        """Say that renewable power of `share * capacity` is available, (num_steps,) kW per unit."""
        self._bus.offer_renewable(capacity, share)

    def use(self, power_kw: FloatArray | float) -> None:
        """Enter a fixed use of power into the bus balance."""
        self._bus.use(power_kw)

    def add_cost(self, amount: float) -> None:
        """A cost that no decision changes."""
        self._builder.cost_offset += amount

    def forbid_export_of_stored_energy(self) -> None:
        """Export may not exceed the renewable generation of its step."""
        self._bus.forbid_export_of_stored_energy()


@dataclass(frozen=True)
class Settlement:
    """What happened to a plan when it was handed back to what it stands for (sessions, jobs).

    `exact` holds variables by quantity at the values that carrying it out gives, `settled` the labels of rows that
    speak of these alone and need no solving any more. Where the rest of the site cannot go along with those, `pinned`
    holds the fewer that must be re-solved at these values, `at_least` those that must not be below. All are empty
    where the plan can be carried out as it is. `tables` go into the result.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pinned: Mapping[str, FloatArray] = field(default_factory=dict)
    at_least: Mapping[str, FloatArray] = field(default_factory=dict)
    exact: Mapping[str, FloatArray] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Component(StrictModel, ABC):
    """What every component is and can; see the module's docstring. Subclasses declare `kind` as a Literal."""

    #: How the component is drawn and listed.
    label: ClassVar[str]
    colour: ClassVar[str]
    #: Whether a site must have exactly one of this kind.
    exactly_one: ClassVar[bool] = False
    #: The capacity that `cost.capital_per_unit` is per unit of.
    cost_basis: ClassVar[str | None] = None
    #: Whether a site serves all its demand without it: business as usual is the site without what was bought.
    dispensable: ClassVar[bool] = False

    cost: AssetCost | None = quantity("what it costs to buy, keep and replace; for the proforma", default=None)

    @property
    def kind_name(self) -> str:
        """The word of this kind in a scenario file."""
        return str(getattr(self, "kind"))  # noqa: B009  (declared by each subclass as its own Literal)

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """Files that `inputs` will read; they are checked for existence and hashed."""
        return ()

    def inputs(self, context: Context) -> Inputs:
        """Everything from outside, on the time axis. Raises InputError with every fault found."""
        return Inputs()

    @abstractmethod
    def add_to(self, block: Block) -> None:
        """Write variables, rows, costs and injections."""

    @abstractmethod
    def uncontrolled(self) -> Self:
        """The same component without its flexibility."""

    def fixed_at(self, sizes: Mapping[str, float]) -> Self:
        """The same component with every FreeSize replaced by the size chosen."""
        return self.model_copy(update={name: value for name, value in sizes.items() if name in type(self).model_fields})

    def free_sizes(self) -> dict[str, FreeSize]:
        """The capacities that the optimiser chooses, by field name."""
        pairs = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in pairs if isinstance(value, FreeSize)}

    def adjustable(self) -> tuple[Adjustable, ...]:
        """Numbers and choices of which one might make an infeasible site feasible: here every capacity, upwards."""
        found = []
        for name, declared in type(self).model_fields.items():
            value = getattr(self, name)
            if value is None or FreeSize not in get_args(declared.annotation):
                continue
            unit = unit_of(type(self), name)
            words = name.removesuffix(f"_{unit.lower()}").replace("_", " ")
            if isinstance(value, FreeSize):
                found.append(Adjustable(f"{name}.max", f"largest {words}", unit, value.max, np.inf))
            else:
                found.append(Adjustable(name, words, unit, float(value), np.inf))
        return tuple(found)

    def settle(self, values: Values, *, final: bool) -> Settlement:
        """Hand the plan back to what it stands for; when `final`, it may not ask more of the bus than planned."""
        return Settlement()

    def simpler(self) -> Self | None:
        """The same with less freedom, whose plan can be carried out more closely; None where there is no such thing.

        What it can do, this component can do too, so that it is a plan for both.
        """
        return None

    def outputs(self, values: Values) -> dict[str, FloatArray]:
        """Series that follow from inputs and variables, by `quantity_unit`."""
        return {}

    @abstractmethod
    def flows(self, values: Values) -> Flows:
        """What was supplied to and taken from the bus, for the ledger."""

    def shifted(self, values: Values) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Demand that may wait: power (num_steps,) [kW] as it came and as it was met, by what figures call it."""
        return {}

    def costs(self, values: Values) -> dict[str, float]:
        """Money in the objective that is on no bill, by KPI id (`wear_cost`, `penalty_cost`)."""
        return {}

    def shortfalls(self, values: Values) -> tuple[Shortfall, ...]:
        """What soft limits with a price left undone, after the plan was carried out."""
        return ()

    def opposite_flows(self) -> tuple[OppositeFlows, ...]:
        """Flows of which a real device has one at a time; a linear program may have both where energy is a burden."""
        return ()

    def tie_prices(self) -> dict[str, float]:
        """By quantity: the price that decides between plans of equal cost, as `add_to` gives it to the block."""
        return {}

    def price_level(self, inputs: Inputs) -> float | None:
        """Size of the price of energy, where it has one [currency/kWh]; what tie prices are measured by."""
        return None

    def kpis(self, values: Values) -> dict[str, Kpi]:
        """What nobody else could compute."""
        return {}

    @abstractmethod
    def replay(self, values: Values) -> list[Check]:
        """The physics once more from the arrays alone."""

    def investment(self, sizes: Mapping[str, float]) -> Investment | None:
        """What it costs at its size; `sizes` are those chosen by the optimiser. None where nobody says a price."""
        cost, free = self.cost, self.free_sizes()
        if cost is None and not free:
            return None
        capital = om = 0.0
        lifetimes = [size.lifetime_years for size in free.values()]
        for name, size in free.items():
            capital += size.cost_per_unit * sizes[name]
            om += size.om_per_unit_year * sizes[name]
        if cost is None:
            return Investment(capital, om, min(lifetimes), capital, 0.0, not self.dispensable)
        priced = cost.capital
        if self.cost_basis is not None and self.cost_basis not in free:
            priced += cost.capital_per_unit * float(getattr(self, self.cost_basis))
        capital += priced
        return Investment(
            capital=capital,
            om_per_year=om + cost.om_share * priced,
            lifetime_years=cost.lifetime_years,
            replacement=cost.replacement_share * capital,
            salvage=cost.salvage_share * capital,
            in_baseline=not self.dispensable if cost.in_baseline is None else cost.in_baseline,
        )

    def initial_condition(self) -> Condition:
        """How worn it is at the start."""
        return Condition()

    def yearly_wear(self, values: Values) -> Mapping[str, float]:
        """What a year of the horizon's use adds to its `Condition.progress`."""
        return {}

    def aged(self, condition: Condition, wear: Mapping[str, float], years: float) -> Condition:
        """The condition after `years` more in which each year wears like `wear`."""
        return Condition(condition.years + years, condition.capacity, condition.progress)

    @property
    def end_of_life_capacity(self) -> float:
        """Share of the capacity at which it is replaced; 0 where only age counts."""
        return 0.0

    def in_condition(self, condition: Condition) -> Self:
        """The component with the capacity that a condition leaves; free sizes must have been fixed."""
        return self


def as_arrays(series: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Series as float64 arrays."""
    return {name: np.asarray(values, dtype=np.float64) for name, values in series.items()}

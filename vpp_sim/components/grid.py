"""The grid connection: limits, the tariff as costs of the optimisation, outages, emission factors.

With i = import_kw, x = export_kw, months m and steps of dt hours:

    0 <= i[t] <= import_limit * available[t],    0 <= x[t] <= export_limit * available[t]
    cost = sum dt (price_in[t] i[t] - price_out[t] x[t]) + demand + tiers + fixed

    max_demand          peak[m] >= mean of i over each clock quarter-hour of m     price * share[m] * billed[m]
                        billed[m] >= peak[m], min_kw, min_share * transformer, ratchet * peak of the n months before
    contracted_demand   excess[m] >= i[t] - contracted (1 + tolerance)             price * factor * share[m] * excess[m]
                        contracted >= min_share * transformer                      price * share[m] * contracted
    transformer_kva                                                                price * share[m] * transformer
    nearby_consumption  one of these three, and a fee that no decision changes: price_in is without transmission
    tiers               above[m, k] >= sum dt i[t] - threshold[k] share[m]         (adder[k] - adder[k-1]) * above[m, k]

`share[m]` is the part of month m that lies on the axis: a partial month pays that part of demand and fixed charges.
Steps of 5 minutes are averaged to quarter-hours by a running sum; longer ones, and those of 10 minutes, which do not
divide a quarter-hour, count with their own mean. `tariffs.bill` recomputes all of it from the meter in other code.

With `overload_price_per_kwh` the import limit is soft: overload[t] >= i[t] - import_limit * available[t] at that price.
The uncontrolled site has it so: where it would break the limit, it takes the power all the same and says how much.

A run that re-plans within a month carries its peak by raising the lower bound of `peak_kw[0]`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pydantic import model_validator

from vpp_sim.components.adjustable import Adjustable
from vpp_sim.components.base import (
    OPPOSITE_FLOW_SHARE,
    THROUGHPUT_PRICE,
    Block,
    Capacity,
    Check,
    Component,
    Context,
    FloatArray,
    Flows,
    FreeSize,
    Inputs,
    Kpi,
    OppositeFlows,
    Shortfall,
    Values,
    limit_check,
)
from vpp_sim.components.grid_charges import add_demand_charge, add_tiers, has_quarter_hours
from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.lp.builder import GlobalVariable, StepVariable
from vpp_sim.profiles import FileProfile, Profile, profile_files, profile_series
from vpp_sim.tariffs import (
    AnyDemand,
    ContractedDemand,
    MaxDemand,
    SeriesReference,
    Tariff,
    basic_rule,
    export_price_per_kwh,
    import_price_per_kwh,
)
from vpp_sim.tariffs.plausible import price_notes
from vpp_sim.time_grid import TimeGrid

#: Price of an overload of the uncontrolled site [currency/kWh]: above all others, for it is the last resort.
UNCONTROLLED_OVERLOAD_PRICE = 100.0

#: No kWh of electricity emits more; the worst oil and coal plants have 1.2 to 1.5.
MOST_KG_PER_KWH = 3.0

#: Profiles of the grid's emissions: name in `Flows.import_factors`, field, quantity, largest sensible value.
FACTORS = (
    ("location", "emission_location_kg_per_kwh", "emission_factor", MOST_KG_PER_KWH),
    ("market", "emission_market_kg_per_kwh", "emission_factor", MOST_KG_PER_KWH),
    ("park", "emission_park_kg_per_kwh", "emission_factor", MOST_KG_PER_KWH),
    ("clean_share", "clean_share", "fraction", 1.0),
)
EMISSION_FACTORS = tuple(name for name, _, kind, _ in FACTORS if kind == "emission_factor")

#: Where the defaults of the emission factors are true: Qinghai (degrees, its corners), and the clocks of China.
QINGHAI = ((31.5, 39.3), (89.3, 103.2))
CHINA = ("Asia/Shanghai", "Asia/Urumqi")
#: Fields by the place whose number their default is.
DEFAULTS_OF = {
    "Qinghai": ("emission_location_kg_per_kwh", "clean_share"),
    "China": ("emission_market_kg_per_kwh", "emission_park_kg_per_kwh"),
}


class Outage(StrictModel):
    """A time without grid."""

    start: dt.datetime = quantity("first moment without grid, local time")
    end: dt.datetime = quantity("first moment with grid again, local time")
    what: Literal["both", "import", "export"] = quantity("what is interrupted", default="both")

    @model_validator(mode="after")
    def _forward_in_local_time(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end must be local times without an offset")
        if self.end <= self.start:
            raise ValueError(f"end: must be after start ({self.start}), got {self.end}")
        return self


class Grid(Component):
    """Parameters of the grid connection."""

    label: ClassVar[str] = "grid"
    colour: ClassVar[str] = "#4D4D4D"
    cost_basis: ClassVar[str | None] = "import_limit_kw"
    exactly_one: ClassVar[bool] = True

    kind: Literal["grid"] = quantity("kind of component")
    import_limit_kw: Capacity = quantity("largest import", unit="kW")
    export_limit_kw: float = quantity("largest export", unit="kW", default=0.0, ge=0)
    contracted_kw: Capacity | None = quantity(
        "declared demand in place of the tariff's, where that bills one; free, it is chosen at the tariff's price",
        unit="kW",
        default=None,
    )
    transformer_kva: float | None = quantity(
        "capacity of the connected transformers in place of the tariff's, where that bills one or rests on one",
        unit="kVA",
        default=None,
        gt=0,
    )
    if_export_pays_more: Literal["refuse", "no_export"] = quantity(
        "what to do in steps where an exported kWh pays more than an imported one costs: refuse the scenario, "
        "or export nothing in these steps",
        default="refuse",
    )
    overload_price_per_kwh: float | None = quantity(
        "price of import above import_limit_kw or in an outage; never exceeded if left out",
        unit="currency/kWh",
        default=None,
        ge=0,
    )
    outages: list[Outage] = quantity("times without grid", default_factory=list)
    emission_location_kg_per_kwh: Profile = quantity(
        "emission factor of the place; default Qinghai 2023 (certainty B)", unit="kg/kWh", default=0.1796
    )
    emission_market_kg_per_kwh: Profile = quantity(
        "emission factor without traded non-fossil energy; default China 2023 (certainty A)",
        unit="kg/kWh",
        default=0.6096,
    )
    emission_park_kg_per_kwh: Profile = quantity(
        "emission factor of the zero-carbon-park test; default fossil power, China 2023 (certainty A)",
        unit="kg/kWh",
        default=0.8273,
    )
    clean_share: Profile = quantity(
        "carbon-free share of the grid's energy; default Qinghai's generation (certainty B)", default=0.897
    )

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """Files of emission factors; those of prices belong to the tariff."""
        return tuple(path for _, field, *_ in FACTORS for path in profile_files(getattr(self, field), base_dir))

    def inputs(self, context: Context) -> Inputs:
        """Prices, emission factors and availability per step.

        Raises:
            InputError: a file that cannot be used; steps in which an exported kWh pays more than an imported one costs.
        """
        grid, tariff = context.grid, context.tariff
        self._check_demand(tariff)
        notes: list[str] = []
        wanted: dict[str, Callable[[], FloatArray]] = {
            field: partial(
                profile_series,
                getattr(self, field),
                grid,
                quantity=kind,
                base_dir=context.base_dir,
                path=field,
                ge=0,
                le=largest,
                notes=notes,
            )
            for _, field, kind, largest in FACTORS
        }
        for name, reference in (("import_series", tariff.import_series), ("export_series", tariff.export_series)):
            if reference is not None:
                wanted[f"{name}_per_kwh"] = partial(_price_series, reference, context, f"tariff.{name}", notes)
        series = _all_read(wanted)
        import_price = import_price_per_kwh(tariff, grid, series.get("import_series_per_kwh"))
        export_price = export_price_per_kwh(tariff, grid, series.get("export_series_per_kwh"))
        series |= {"import_price_per_kwh": import_price, "export_price_per_kwh": export_price}
        series["import_available"] = _availability(self.outages, ("both", "import"), grid)
        export_available = _availability(self.outages, ("both", "export"), grid)
        series["export_available"] = self._where_it_may_export(export_price, import_price, export_available, context)
        notes += price_notes(tariff, import_price, series.get("import_series_per_kwh"))
        notes = [*_notes(tariff, grid, self.outages), *self._foreign_factors(context), *notes]
        return Inputs(series=series, notes=tuple(notes))

    def _has_default(self, name: str) -> bool:
        return bool(getattr(self, name) == type(self).model_fields[name].default)

    def _foreign_factors(self, context: Context) -> list[str]:
        """Remarks on emission factors left at the numbers of a place where the site does not stand.

        What counts is the number, not whether it was written: a run folder has all of them.
        """
        place = (context.site.latitude, context.site.longitude)
        inside = {
            "Qinghai": all(low <= at <= high for at, (low, high) in zip(place, QINGHAI, strict=True)),
            "China": context.grid.timezone in CHINA,
        }
        found = []
        for where, fields in DEFAULTS_OF.items():
            same = [f"{name} {getattr(self, name):g}" for name in fields if self._has_default(name)]
            if same and not inside[where]:
                which = "those" if len(same) > 1 else "that"
                found.append(
                    f"{' and '.join(same)}: {which} of {where}, where the site does not stand; give its own grid's"
                )
        return found

    def _demand_rule(self, tariff: Tariff) -> AnyDemand:
        """The charge for power with this connection's numbers; of a declared demand that is free, its largest."""
        declared = self.contracted_kw.max if isinstance(self.contracted_kw, FreeSize) else self.contracted_kw
        return tariff.at_site(self.transformer_kva, declared).demand

    def _check_demand(self, tariff: Tariff) -> None:
        """Raises InputError where the tariff's charge for power and the connection do not fit."""
        rule = self._demand_rule(tariff)
        basic = basic_rule(rule)
        if self.contracted_kw is not None and not isinstance(basic, ContractedDemand):
            told, path = f"the tariff {tariff.name} bills no contracted demand; leave it out", "contracted_kw"
            raise InputError(Fault(told, path=path))
        if rule.lacks:
            choice = (
                ", or {min: 0, max: ..., cost_per_unit: 0} to have it chosen" if rule.lacks == "contracted_kw" else ""
            )
            told = f"missing: the tariff {tariff.name} bills by {rule.basis} and leaves it to the site; give a number"
            raise InputError(Fault(told + choice, path=rule.lacks))
        if isinstance(basic, ContractedDemand) and (basic.contracted_kw or 0.0) < basic.least_kw - 1e-9:
            path = "contracted_kw.max" if isinstance(self.contracted_kw, FreeSize) else "contracted_kw"
            raise InputError(Fault(basic.too_little(basic.contracted_kw or 0.0), path=path))

    def _where_it_may_export(
        self, export_price: FloatArray, import_price: FloatArray, available: FloatArray, context: Context
    ) -> FloatArray:
        """Availability of export, less the steps in which importing to export would pay."""
        pays = (export_price > import_price + 1e-9) & (available > 0)
        if self.export_limit_kw == 0 or self.import_limit_kw == 0 or not pays.any():
            return available
        if self.if_export_pays_more == "no_export":
            return np.where(pays, 0.0, available)
        first = int(np.argmax(pays))
        raise InputError(
            Fault(
                f"in {int(pays.sum()):,} of {pays.size:,} steps, first at {context.grid.local[first]:%Y-%m-%d %H:%M}, "
                f"an exported kWh pays {export_price[first]:g} and an imported one costs {import_price[first]:g}, so "
                "importing to export would earn money; correct the tariff, set export_limit_kw: 0, or set "
                "if_export_pays_more: no_export",
                path="export_limit_kw",
            )
        )

    def add_to(self, block: Block) -> None:
        """Import, export, and everything that the tariff charges."""
        tariff, series = block.context.tariff, block.inputs.series
        limit = block.capacity("import_limit_kw", self.import_limit_kw)
        price = series["import_price_per_kwh"] + sum(
            tier.adder_per_kwh for tier in tariff.tiers if tier.above_kwh == 0.0
        )
        bought = self._bought(block, limit, price)
        sold = block.variables(
            "export_kw",
            upper=self.export_limit_kw * series["export_available"],
            cost_per_kwh=-series["export_price_per_kwh"],
        )
        block.inject(bought, +1, role="import")
        block.inject(sold, -1, role="export")
        for name in EMISSION_FACTORS:
            block.declare(f"emissions_{name}", bought, series[f"emission_{name}_kg_per_kwh"])
        add_demand_charge(block, self._demand_rule(tariff), bought, self.contracted_kw)
        add_tiers(block, tariff, bought)
        block.add_cost(sum(tariff.fixed_per_month.values()) * float(block.grid.month_shares.sum()))

    def _bought(self, block: Block, limit: float | GlobalVariable, price: FloatArray) -> StepVariable:
        """Import within its limit, or above it at a price."""
        available, tie = block.inputs.series["import_available"], self.tie_prices()["import_kw"]
        if self.overload_price_per_kwh is None:
            return block.bounded("import_kw", limit, available, cost_per_kwh=price, tie_price=tie)
        bought = block.variables("import_kw", cost_per_kwh=price, tie_price=tie)
        overload = block.variables("overload_kw", cost_per_kwh=self.overload_price_per_kwh)
        if isinstance(limit, GlobalVariable):
            block.constrain("import_kw_limit", [(bought, 1.0), (overload, -1.0), (limit, -available)], upper=0.0)
        else:
            block.constrain("import_kw_limit", [(bought, 1.0), (overload, -1.0)], upper=limit * available)
        return bought

    def adjustable(self) -> tuple[Adjustable, ...]:
        """Limits upwards, both ways."""
        export = Adjustable("export_limit_kw", "export limit", "kW", self.export_limit_kw, np.inf)
        return (*super().adjustable(), export)

    def uncontrolled(self) -> Self:
        """The same connection, which gives what is asked of it: a site without control does not mind its limit."""
        if self.overload_price_per_kwh is not None:
            return self
        return self.model_copy(update={"overload_price_per_kwh": UNCONTROLLED_OVERLOAD_PRICE})

    def opposite_flows(self) -> tuple[OppositeFlows, ...]:
        """Import and export."""
        return (OppositeFlows("import_kw", "export_kw"),)

    def tie_prices(self) -> dict[str, float]:
        """Of equal plans the one that imports least: importing to export at the same price is never one of them."""
        return {"import_kw": THROUGHPUT_PRICE}

    def price_level(self, inputs: Inputs) -> float:
        """Mean of the import price, whatever its sign."""
        return float(np.abs(inputs.series["import_price_per_kwh"]).mean())

    def costs(self, values: Values) -> dict[str, float]:
        """What overload was priced at."""
        if self.overload_price_per_kwh is None:
            return {}
        return {"penalty_cost": self.overload_price_per_kwh * values.energy_kwh("overload_kw")}

    def flows(self, values: Values) -> Flows:
        """Import and export with their factors, and the prices that came from files."""
        named = {"import": "import_series_per_kwh", "export": "export_series_per_kwh"}
        return Flows(
            import_kw=values["import_kw"],
            export_kw=values["export_kw"],
            import_factors={name: values[field] for name, field, *_ in FACTORS},
            price_series={name: values[field] for name, field in named.items() if field in values.series},
            contracted_kw=None if self.contracted_kw is None else values.size("contracted_kw", self.contracted_kw),
            transformer_kva=self.transformer_kva,
        )

    def shortfalls(self, values: Values) -> tuple[Shortfall, ...]:
        """Import above the limit, or in an outage."""
        if self.overload_price_per_kwh is None:
            return ()
        what = "import above the limit or in an outage"
        return (Shortfall(what, values["overload_kw"], self.overload_price_per_kwh),)

    def kpis(self, values: Values) -> dict[str, Kpi]:
        """Steps with import and export at once."""
        both = np.minimum(values["import_kw"], values["export_kw"])
        threshold = OPPOSITE_FLOW_SHARE * max(1.0, float(values["import_kw"].max(initial=0.0)))
        found = {
            "simultaneous_import_export_steps": Kpi(
                float(np.count_nonzero(both > threshold)),
                "steps",
                "steps with import and export both above 1e-4 of the largest import",
            )
        }
        if self.overload_price_per_kwh is not None:
            energy, power = values.energy_kwh("overload_kw"), float(values["overload_kw"].max(initial=0.0))
            found["overload_kwh"] = Kpi(energy, "kWh", "import above the limit of the connection or in an outage")
            found["overload_peak_kw"] = Kpi(power, "kW", "largest import above the limit or in an outage", "max")
        return found

    def replay(self, values: Values) -> list[Check]:
        """Both directions within their limits, nothing in an outage, and no money made by import and export at once."""
        limit = values.size("import_limit_kw", self.import_limit_kw)
        bought, sold = values["import_kw"], values["export_kw"]
        overload = values.series.get("overload_kw", np.zeros(values.grid.num_steps))
        allowed = values["import_available"] * limit + overload
        given = values["export_available"] * self.export_limit_kw
        pays = values["export_price_per_kwh"] > values["import_price_per_kwh"] + 1e-9
        return [
            limit_check("import within limit", bought, 0.0, allowed, limit),
            limit_check("overload not negative", overload, 0.0, np.inf, limit),
            limit_check("export within limit", sold, 0.0, given, self.export_limit_kw),
            limit_check(
                "no import and export at once where that pays", np.minimum(bought, sold) * pays, 0.0, 0.0, limit
            ),
        ]


def _all_read(wanted: Mapping[str, Callable[[], FloatArray]]) -> dict[str, FloatArray]:
    """Every series, or the faults of all of them at once."""
    series: dict[str, FloatArray] = {}
    faults: list[Fault] = []
    for name, read in wanted.items():
        try:
            series[name] = read()
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    return series


def _price_series(reference: SeriesReference, context: Context, path: str, notes: list[str]) -> FloatArray:
    profile = FileProfile(**reference.model_dump())
    return profile_series(profile, context.grid, quantity="price", base_dir=context.base_dir, path=path, notes=notes)


def _availability(outages: list[Outage], kinds: tuple[str, ...], grid: TimeGrid) -> FloatArray:
    """1 in steps with grid, 0 in steps that an outage touches, (num_steps,)."""
    available = np.ones(grid.num_steps)
    zone = ZoneInfo(grid.timezone)
    ends = grid.index + pd.Timedelta(minutes=grid.step_minutes)
    for outage in outages:
        if outage.what in kinds:
            start, end = (pd.Timestamp(moment.replace(tzinfo=zone)) for moment in (outage.start, outage.end))
            available[np.asarray((grid.index < end) & (ends > start))] = 0.0
    return available


def _notes(tariff: Tariff, grid: TimeGrid, outages: list[Outage]) -> tuple[str, ...]:
    """Remarks on what is used beyond its validity."""
    notes = []
    first, last = grid.local[0].date(), grid.local[-1].date()
    if (tariff.valid_from and first < tariff.valid_from) or (tariff.valid_to and last > tariff.valid_to):
        valid = f"{tariff.valid_from or '...'} to {tariff.valid_to or '...'}"
        notes.append(f"tariff {tariff.name} is valid {valid} and is used unchanged for {first} to {last}")
    if tariff.assumptions:
        about = "; ".join(source.about for source in tariff.assumptions)
        notes.append(f"assumptions in tariff {tariff.name}: {about}")
    if isinstance(basic_rule(tariff.demand), MaxDemand | ContractedDemand) and not has_quarter_hours(grid):
        notes.append(f"demand is measured as the mean of {grid.step_minutes}-minute steps, not of quarter-hours")
    begin, end = grid.local[0], grid.local[-1] + pd.Timedelta(minutes=grid.step_minutes)
    for outage in outages:
        if outage.end <= begin or outage.start >= end:
            notes.append(f"the outage from {outage.start} to {outage.end} lies outside the horizon")
    return tuple(notes)

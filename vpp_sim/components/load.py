"""A fixed electricity demand, of which a share may be shed at a price.

    use[t] = power_kw[t] - unserved_kw[t],    0 <= unserved_kw[t] <= sheddable_share * power_kw[t]

The power is the profile as it is, or scaled so that its largest step equals `peak_kw`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from vpp_sim.components.adjustable import Adjustable
from vpp_sim.components.base import (
    THROUGHPUT_PRICE,
    Block,
    Check,
    Component,
    Context,
    FloatArray,
    Flows,
    Inputs,
    Kpi,
    Shortfall,
    Values,
    limit_check,
)
from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import quantity
from vpp_sim.profiles import Profile, profile_files, profile_series

#: Price of a kWh that is shed, proposed where a scenario names none [currency/kWh]: above any tariff's.
SUGGESTED_VALUE_OF_LOST_LOAD = 100.0


class Load(Component):
    """Parameters of a demand."""

    label: ClassVar[str] = "load"
    colour: ClassVar[str] = "#A6A6A6"

    kind: Literal["load"] = quantity("kind of component")
    profile: Profile = quantity("power over time: a number, a file or a generator", unit="kW")
    peak_kw: float | None = quantity(
        "scale the profile so that its largest step is this", unit="kW", default=None, ge=0
    )
    sheddable_share: float = quantity("share of the power that may be shed in any step", default=0.0, ge=0, le=1)
    value_of_lost_load_per_kwh: float | None = quantity(
        "price of a kWh that is shed", unit="currency/kWh", default=None, ge=0
    )

    @model_validator(mode="after")
    def _shedding_has_a_price(self) -> Self:
        if self.sheddable_share > 0 and self.value_of_lost_load_per_kwh is None:
            raise ValueError(
                "value_of_lost_load_per_kwh: missing: a sheddable share needs a price of a kWh that is shed"
            )
        return self

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """The profile's file, if it has one."""
        return profile_files(self.profile, base_dir)

    def inputs(self, context: Context) -> Inputs:
        """`power_kw`."""
        if isinstance(self.profile, int | float) and self.profile < 0:
            message = f"a load must be at least 0 kW, got {self.profile:g}; generation is a component of its own (pv)"
            raise InputError(Fault(message, path="profile"))
        notes: list[str] = []
        power = profile_series(
            self.profile, context.grid, quantity="power", base_dir=context.base_dir, path="profile", ge=0.0, notes=notes
        )
        if self.peak_kw is not None:
            power = scaled_to_peak(power, self.peak_kw)
        if not power.any() and not notes:
            notes.append("its power is zero throughout the horizon")
        return Inputs(series={"power_kw": power}, notes=tuple(notes))

    def add_to(self, block: Block) -> None:
        """A fixed use, and what may be shed of it."""
        power = block.inputs.series["power_kw"]
        block.use(power)
        if self.sheddable_share > 0:
            price = self.value_of_lost_load_per_kwh
            most, tie = self.sheddable_share * power, self.tie_prices()["unserved_kw"]
            unserved = block.variables("unserved_kw", upper=most, cost_per_kwh=price, tie_price=tie)
            block.inject(unserved, +1)

    def uncontrolled(self) -> Self:
        """The same: shedding is for want, not for control."""
        return self

    def adjustable(self) -> tuple[Adjustable, ...]:
        """More shedding, which needs a price, and a lower peak where it was given."""
        priced = self.value_of_lost_load_per_kwh is not None
        price = {} if priced else {"value_of_lost_load_per_kwh": SUGGESTED_VALUE_OF_LOST_LOAD}
        share = Adjustable("sheddable_share", "sheddable share", "-", self.sheddable_share, 1.0, lambda _: price, True)
        peak = (
            () if self.peak_kw is None else (Adjustable("peak_kw", "peak", "kW", self.peak_kw, 0.0, less_service=True),)
        )
        return (share, *peak)

    def _unserved(self, values: Values) -> FloatArray:
        return values.series.get("unserved_kw", np.zeros(values.grid.num_steps))

    def flows(self, values: Values) -> Flows:
        """A use."""
        return Flows(use_kw=values["power_kw"] - self._unserved(values))

    def tie_prices(self) -> dict[str, float]:
        """Nothing is shed for nothing."""
        return {"unserved_kw": THROUGHPUT_PRICE}

    def costs(self, values: Values) -> dict[str, float]:
        """What shedding was priced at."""
        unserved = float(self._unserved(values).sum()) * values.grid.step_hours
        return {"penalty_cost": unserved * (self.value_of_lost_load_per_kwh or 0.0)}

    def shortfalls(self, values: Values) -> tuple[Shortfall, ...]:
        """Load that was shed."""
        return (Shortfall("load shed", self._unserved(values), self.value_of_lost_load_per_kwh or 0.0),)

    def kpis(self, values: Values) -> dict[str, Kpi]:
        """Energy that was shed."""
        unserved = float(self._unserved(values).sum()) * values.grid.step_hours
        return {"unserved_load_kwh": Kpi(unserved, "kWh", "energy of loads that was shed")}

    def replay(self, values: Values) -> list[Check]:
        """Shedding within its share."""
        power = values["power_kw"]
        scale = float(np.max(power, initial=0.0))
        return [limit_check("shed within its share", self._unserved(values), 0.0, self.sheddable_share * power, scale)]


def scaled_to_peak(power_kw: FloatArray, peak_kw: float) -> FloatArray:
    """The profile (num_steps,) scaled so that its largest step is `peak_kw`.

    >>> scaled_to_peak(np.array([1.0, 4.0]), 10.0)
    array([ 2.5, 10. ])
    """
    largest = float(power_kw.max())
    if largest <= 0:
        raise InputError(Fault("a profile that is zero throughout cannot be scaled; leave peak_kw out", path="peak_kw"))
    return power_kw * (peak_kw / largest)

"""Targets of a site over its whole horizon: what each measure means, and whether it must hold or has a price."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Self

from pydantic import model_validator

from vpp_sim.fields import StrictModel, quantity

Measure = Literal[
    "onsite_renewable_share",
    "own_use_of_available",
    "own_use_of_load",
    "export_of_available",
    "hourly_matching",
    "emissions_location",
    "emissions_market",
    "emissions_park",
    "import",
    "peak_import",
]


class Meaning(NamedTuple):
    """A measure: which bound it takes, the unit of that bound and of a shortfall, and the KPI that the ledger gives."""

    bound: Literal["at_least", "at_most"]
    unit: str
    shortfall_unit: str
    kpi: str


MEASURES: Final[dict[Measure, Meaning]] = {
    "onsite_renewable_share": Meaning("at_least", "-", "kWh", "onsite_renewable_share"),
    "own_use_of_available": Meaning("at_least", "-", "kWh", "own_use_of_available_cn650"),
    "own_use_of_load": Meaning("at_least", "-", "kWh", "own_use_of_load_cn650"),
    "export_of_available": Meaning("at_most", "-", "kWh", "export_of_available_cn650"),
    "hourly_matching": Meaning("at_least", "-", "kWh", "matching_hourly"),
    "emissions_location": Meaning("at_most", "kg", "kg", "emissions_location_kg"),
    "emissions_market": Meaning("at_most", "kg", "kg", "emissions_market_kg"),
    "emissions_park": Meaning("at_most", "kg", "kg", "emissions_park_kg"),
    "import": Meaning("at_most", "kWh", "kWh", "import_kwh"),
    "peak_import": Meaning("at_most", "kW", "kW", "peak_import_kw"),
}


class Target(StrictModel):
    """One target; its exact row stands in `dispatch/targets.py`. Hard without a price, soft with one."""

    measure: Measure = quantity("what is limited")
    at_least: float | None = quantity("smallest share wanted", default=None, ge=0, le=1)
    at_most: float | None = quantity("largest share, energy, power or mass wanted", default=None, ge=0)
    price: float | None = quantity(
        "price of a unit that is wanting (kWh of a share or an energy, kg, kW); without a price the target must hold",
        unit="currency/unit",
        default=None,
        gt=0,
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        wanted = MEASURES[self.measure].bound
        other = "at_most" if wanted == "at_least" else "at_least"
        if getattr(self, other) is not None:
            raise ValueError(f"{other}: {self.measure} is limited by {wanted}; write {wanted} in its place")
        if getattr(self, wanted) is None:
            raise ValueError(f"{wanted}: missing: {self.measure} needs {wanted} [{self.meaning.unit}]")
        if self.meaning.unit == "-" and self.bound > 1:
            raise ValueError(f"{wanted}: must be a share of at most 1, got {self.bound:g}")
        return self

    @classmethod
    def of(cls, measure: Measure, bound: float, price: float | None = None) -> Target:
        """A target from its measure and bound, whichever side that is on.

        >>> Target.of("peak_import", 800.0).at_most
        800.0
        """
        return cls.model_validate({"measure": measure, MEASURES[measure].bound: bound, "price": price})

    @property
    def meaning(self) -> Meaning:
        """What the measure means."""
        return MEASURES[self.measure]

    @property
    def bound(self) -> float:
        """The number that is not to be crossed."""
        value = self.at_least if self.meaning.bound == "at_least" else self.at_most
        return float(value if value is not None else 0.0)

    @property
    def is_hard(self) -> bool:
        """Whether it must hold, whatever it costs."""
        return self.price is None

    def moved_to(self, bound: float) -> Target:
        """The same target with another bound."""
        return self.model_copy(update={self.meaning.bound: bound})

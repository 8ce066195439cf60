"""Targets of a site over its whole horizon: what each measure means, and whether it must hold or has a price."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Self, cast

from pydantic import model_validator

from vpp_sim.fields import StrictModel, quantity
from vpp_sim.yaml_lines import percent_hint

Measure = Literal[
    "onsite_renewable_share",
    "own_use_of_available",
    "own_use_of_load",
    "export_of_available",
    "hourly_matching",
    "emissions_location",
    "emissions_market",
    "emissions_park",
    "park_intensity",
    "pue",
    "ev_valley_share",
    "import",
    "peak_import",
]


class Meaning(NamedTuple):
    """A measure: which bound it takes, the unit of that bound and of a shortfall, and the KPI that the ledger gives."""

    bound: Literal["at_least", "at_most"]
    unit: str
    shortfall_unit: str
    kpi: str

    @property
    def is_share(self) -> bool:
        """Whether it is a part of a whole, told in percent."""
        return self.unit == "-"

    @property
    def is_ratio(self) -> bool:
        """Whether it is a ratio of two sums over the horizon."""
        return self.is_share or "/" in self.unit

    @property
    def adds_up(self) -> bool:
        """Whether it is an amount of the horizon: twice as long, twice as much."""
        return self.unit in ("kg", "kWh")


MEASURES: Final[dict[Measure, Meaning]] = {
    "onsite_renewable_share": Meaning("at_least", "-", "kWh", "onsite_renewable_share"),
    "own_use_of_available": Meaning("at_least", "-", "kWh", "own_use_of_available_cn650"),
    "own_use_of_load": Meaning("at_least", "-", "kWh", "own_use_of_load_cn650"),
    "export_of_available": Meaning("at_most", "-", "kWh", "export_of_available_cn650"),
    "hourly_matching": Meaning("at_least", "-", "kWh", "matching_hourly"),
    "emissions_location": Meaning("at_most", "kg", "kg", "emissions_location_kg"),
    "emissions_market": Meaning("at_most", "kg", "kg", "emissions_market_kg"),
    "emissions_park": Meaning("at_most", "kg", "kg", "emissions_park_kg"),
    "park_intensity": Meaning("at_most", "t/t", "kg", "park_tco2_per_tce"),
    "pue": Meaning("at_most", "kWh/kWh", "kWh", "pue"),
    "ev_valley_share": Meaning("at_least", "-", "kWh", "ev_valley_share"),
    "import": Meaning("at_most", "kWh", "kWh", "import_kwh"),
    "peak_import": Meaning("at_most", "kW", "kW", "peak_import_kw"),
}


class Target(StrictModel):
    """One target; its exact row stands in `dispatch/targets.py`. Hard without a price, soft with one.

    Instead of measure and bound it may name a `rule`, from which both follow when the scenario is loaded.
    """

    measure: Measure | None = quantity("what is limited", default=None)
    at_least: float | None = quantity("smallest share wanted", default=None, ge=0, le=1)
    at_most: float | None = quantity("largest share, energy, power or mass wanted", default=None, ge=0)
    price: float | None = quantity(
        "price of a unit that is wanting (kWh of a share or an energy, kg, kW); without a price the target must hold",
        unit="currency/unit",
        default=None,
        gt=0,
    )
    rule: str | None = quantity(
        "rule of a policy document instead of measure and bound, e.g. ndrc_650_2025.own_use_of_load", default=None
    )
    year: int | None = quantity(
        "year whose threshold of the rule holds; policy.year, or that of the horizon, if left out",
        unit="a",
        default=None,
        ge=1990,
        le=2200,
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if self.rule is not None and (self.measure is None or not self.has_bound):
            return self
        if self.year is not None and self.rule is None:
            raise ValueError("year: belongs to a rule; name it with rule: DOCUMENT.RULE, or take the year out")
        if self.measure is None:
            raise ValueError(f"measure: missing: one of {', '.join(MEASURES)}; or rule: DOCUMENT.RULE")
        wanted = MEASURES[self.measure].bound
        other = "at_most" if wanted == "at_least" else "at_least"
        if getattr(self, other) is not None:
            raise ValueError(f"{other}: {self.measure} is limited by {wanted}; write {wanted} in its place")
        if getattr(self, wanted) is None:
            raise ValueError(f"{wanted}: missing: {self.measure} needs {wanted} [{self.meaning.unit}]")
        if self.meaning.is_share and self.bound > 1:
            raise ValueError(f"{wanted}: must be a share of at most 1, got {self.bound:g}{percent_hint(self.bound)}")
        return self

    @classmethod
    def of(cls, measure: Measure, bound: float, price: float | None = None) -> Target:
        """A target from its measure and bound, whichever side that is on.

        >>> Target.of("peak_import", 800.0).at_most
        800.0
        """
        return cls.model_validate({"measure": measure, MEASURES[measure].bound: bound, "price": price})

    @property
    def has_bound(self) -> bool:
        """Whether a bound is given."""
        return self.at_least is not None or self.at_most is not None

    @property
    def limited(self) -> Measure:
        """The measure; of a rule, once the scenario is loaded."""
        return cast(Measure, self.measure)

    @property
    def meaning(self) -> Meaning:
        """What the measure means."""
        return MEASURES[self.limited]

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

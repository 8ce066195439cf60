"""What a component costs to buy, keep and replace, and how worn it is: written once for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vpp_sim.fields import StrictModel, quantity


class AssetCost(StrictModel):
    """Money of one component, in prices of today: `{capital_per_unit: 950, lifetime_years: 15}`."""

    capital: float = quantity("price to buy it, whatever its size", unit="currency", default=0.0, ge=0)
    capital_per_unit: float = quantity(
        "price to buy it per unit of its size: kWp of PV, kWh of a battery, kW of a charging station, racks, kW of a "
        "grid connection; a free size's own cost_per_unit takes its place",
        unit="currency/unit",
        default=0.0,
        ge=0,
    )
    om_share: float = quantity(
        "operation and maintenance a year, as a share of the capital", unit="1/a", default=0.01, ge=0, le=1
    )
    lifetime_years: float = quantity(
        "years until it is replaced; a battery may reach the end of its capacity before", unit="a", gt=0, le=100
    )
    replacement_share: float = quantity("price of a replacement today, as a share of the capital", default=1.0, ge=0)
    salvage_share: float = quantity(
        "what is got for it when it is worn out, as a share of the capital; below 0 where removal costs",
        default=0.0,
        ge=-1,
        le=1,
    )
    in_baseline: bool | None = quantity(
        "whether business as usual has it too, so that its costs cancel; if left out, no for what generates or stores, "
        "yes for what serves a demand and for the grid connection",
        default=None,
    )


@dataclass(frozen=True)
class Investment:
    """What one component costs at the size it has, in currency of today."""

    capital: float
    om_per_year: float
    lifetime_years: float
    replacement: float
    salvage: float
    in_baseline: bool


@dataclass(frozen=True)
class Condition:
    """How worn a component is: years in service, share of its capacity left, and what its own model keeps."""

    years: float = 0.0
    capacity: float = 1.0
    progress: Mapping[str, float] = field(default_factory=dict)


def blended(first: Condition, second: Condition, share: float) -> Condition:
    """The mean of two conditions, the first counting `share`."""
    years = share * first.years + (1 - share) * second.years
    return Condition(years, share * first.capacity + (1 - share) * second.capacity)

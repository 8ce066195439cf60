"""The `economics` of a scenario: how money of different years is compared, and what tax and banks take."""

from __future__ import annotations

from typing import Literal

from vpp_sim.fields import StrictModel, quantity


class Escalation(StrictModel):
    """Nominal yearly rise of prices by line; what is left out rises with inflation."""

    energy: float | None = quantity("price of imported energy", unit="1/a", default=None, gt=-0.5, le=0.5)
    demand: float | None = quantity("demand charge", unit="1/a", default=None, gt=-0.5, le=0.5)
    fixed: float | None = quantity("fixed charges", unit="1/a", default=None, gt=-0.5, le=0.5)
    export: float | None = quantity("price of exported energy", unit="1/a", default=None, gt=-0.5, le=0.5)
    om: float | None = quantity("operation and maintenance", unit="1/a", default=None, gt=-0.5, le=0.5)
    replacement: float | None = quantity(
        "price of replacements; below 0 where technology gets cheaper", unit="1/a", default=None, gt=-0.5, le=0.5
    )


class Subsidy(StrictModel):
    """Money that is given to the project."""

    capital_share: float = quantity("share of the capital, paid at the start", default=0.0, ge=0, le=1)
    amount: float = quantity("amount paid at the start", unit="currency", default=0.0, ge=0)
    per_generated_kwh: float = quantity(
        "paid for generation of the project's plants", unit="currency/kWh", default=0.0, ge=0
    )
    years: int = quantity("years in which generation is paid for", unit="a", default=20, ge=1, le=100)


class Tax(StrictModel):
    """Tax on what the project earns after operation, interest and depreciation."""

    rate: float = quantity("share of the taxable profit", ge=0, lt=1)
    depreciation_years: int = quantity(
        "years over which what was bought is written off in equal parts", unit="a", default=10, ge=1, le=100
    )
    losses: Literal["carried_forward", "used_elsewhere"] = quantity(
        "whether a loss waits for the project's own profits, or lowers its owner's tax in the same year",
        default="carried_forward",
    )


class Loan(StrictModel):
    """A loan on the capital, paid back in equal yearly amounts."""

    share: float = quantity("share of the capital after subsidies that is borrowed", ge=0, le=1)
    rate: float = quantity("nominal yearly interest", unit="1/a", ge=0, le=1)
    years: int = quantity("years until it is paid back", unit="a", ge=1, le=100)


class Economics(StrictModel):
    """Money over years."""

    discount_rate: float = quantity("yearly discount rate", default=0.06, ge=0, le=1)
    discount_rate_is: Literal["nominal", "real"] = quantity(
        "whether inflation is in the discount rate or comes on top", default="nominal"
    )
    inflation: float = quantity("yearly rise of all prices", unit="1/a", default=0.0, gt=-0.2, le=0.5)
    lifetime_years: float = quantity("years over which the project is judged", unit="a", default=20.0, gt=0, le=100)
    escalation: Escalation = quantity("how prices rise, where not with inflation", default_factory=Escalation)
    salvage: Literal["linear", "none"] = quantity(
        "what is left at the end counts with the share of its life that is left, or not at all", default="linear"
    )
    subsidy: Subsidy | None = quantity("money given to the project", default=None)
    tax: Tax | None = quantity("tax on the project's profit", default=None)
    loan: Loan | None = quantity("a loan on the capital", default=None)

    @property
    def nominal_rate(self) -> float:
        """Discount rate of nominal money.

        >>> round(Economics(discount_rate=0.05, discount_rate_is="real", inflation=0.02).nominal_rate, 6)
        0.071
        """
        if self.discount_rate_is == "nominal":
            return self.discount_rate
        return (1 + self.discount_rate) * (1 + self.inflation) - 1

    @property
    def real_rate(self) -> float:
        """Discount rate of money with the buying power of today.

        >>> round(Economics(discount_rate=0.071, inflation=0.02).real_rate, 6)
        0.05
        """
        return (1 + self.nominal_rate) / (1 + self.inflation) - 1

    @property
    def num_years(self) -> int:
        """Whole years of the cash flow."""
        return max(round(self.lifetime_years), 1)

    def rise(self, line: str) -> float:
        """Nominal yearly rise of a line of `escalation`."""
        given: float | None = getattr(self.escalation, line)
        return self.inflation if given is None else given

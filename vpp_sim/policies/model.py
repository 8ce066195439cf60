"""A policy document as data: its rules, each a figure of a run held against a threshold that may change with the year.

A rule names the figure (`kpi`, an id of `summary.json`), the side of the threshold that is right, and, where the
figure can be a row of the linear program, the `measure` of a target that is that row.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, Self

from pydantic import model_validator

from vpp_sim.fields import StrictModel, quantity

Certainty = Literal["A", "B", "C", "D", "M"]
CERTAINTY_DOC = (
    "A official text or two agreeing sources, B one good source; assumptions: C weak, D derived, M unverified"
)
NAME = r"^[a-z][a-z0-9_]*$"


class Threshold(StrictModel):
    """A bound and from when, and for parks of which size, it holds."""

    value: float = quantity("the bound, a fraction where the unit is %", ge=0)
    from_year: int = quantity("first year in which it holds", unit="a", ge=1990, le=2200)
    from_tce_per_year: float = quantity(
        "yearly energy use of the park from which it holds", unit="tce/a", default=0.0, ge=0
    )


class Rule(StrictModel):
    """One demand of a document."""

    name: str = quantity("short name, lower case", pattern=NAME)
    title: str = quantity("what is asked, in a few words", min_length=1)
    definition: str = quantity("how the figure is made, and which reading of the text is taken", min_length=1)
    kpi: str = quantity("id of the figure in summary.json", pattern=NAME)
    kpi_with_certificates: str | None = quantity(
        "id of the figure after green certificates, where the rule counts these", default=None, pattern=NAME
    )
    bound: Literal["at_least", "at_most"] = quantity("which side of the threshold is right")
    unit: str = quantity("unit of figure and threshold; % for fractions that are told in percent", min_length=1)
    thresholds: list[Threshold] = quantity("thresholds by year and size of the park", min_length=1)
    standing: Literal["direct", "park", "analogy"] = quantity(
        "whether the rule speaks of such a site, of the park around it, or is taken by analogy"
    )
    measure: str | None = quantity("measure of a target that is this rule, where it is linear", default=None)
    needs: dict[str, str] = quantity(
        "ids of figures that must be above 0, and what is said where they are not", default_factory=dict
    )
    absent: str = quantity("what is said where the figure itself is absent", default="the run has no such figure")
    only_without_continuous_spot_market: bool = quantity(
        "whether it holds only where the spot market does not run continuously", default=False
    )
    source: str = quantity("where threshold and definition come from", min_length=1)
    certainty: Certainty = quantity(CERTAINTY_DOC)
    note: str = quantity("remark", default="")

    @model_validator(mode="after")
    def _thresholds_once(self) -> Self:
        keys = [(threshold.from_year, threshold.from_tce_per_year) for threshold in self.thresholds]
        if len(set(keys)) != len(keys):
            raise ValueError("thresholds: two of them hold from the same year for the same size of park; keep one")
        if self.unit == "%" and max(threshold.value for threshold in self.thresholds) > 1:
            raise ValueError("thresholds: with unit % a value is a fraction of at most 1, e.g. 0.6 for 60 %")
        return self

    @property
    def first_year(self) -> int:
        """The year from which the rule is in force."""
        return min(threshold.from_year for threshold in self.thresholds)

    def threshold(self, year: int, tce_per_year: float = 0.0) -> Threshold | None:
        """The threshold in force in a year for a park of a size; None before the rule.

        Of parks smaller than every size that the rule names, the smallest size's.

        >>> rule = Rule.model_validate(dict(
        ...     name="r", title="t", definition="d", kpi="k", bound="at_least", unit="%", standing="direct",
        ...     thresholds=[{"value": 0.3, "from_year": 2025}, {"value": 0.35, "from_year": 2030}],
        ...     source="s", certainty="A"))
        >>> [getattr(rule.threshold(year), "value", None) for year in (2024, 2029, 2030)]
        [None, 0.3, 0.35]
        """
        begun = [threshold for threshold in self.thresholds if threshold.from_year <= year]
        if not begun:
            return None
        latest = max(threshold.from_year for threshold in begun)
        sizes = sorted(
            (threshold for threshold in begun if threshold.from_year == latest),
            key=lambda threshold: threshold.from_tce_per_year,
        )
        fitting = [threshold for threshold in sizes if threshold.from_tce_per_year <= tce_per_year]
        return fitting[-1] if fitting else sizes[0]


class CertificatePrice(StrictModel):
    """What a green certificate of one MWh costs."""

    price_per_mwh: float = quantity("price of the certificate of 1 MWh", unit="currency/MWh", ge=0)
    currency: str = quantity("currency of the price, three letters", min_length=3, max_length=3)
    source: str = quantity("where it comes from", min_length=1)
    certainty: Certainty = quantity(CERTAINTY_DOC)
    note: str = quantity("remark, e.g. its range", default="")


class PolicyDocument(StrictModel):
    """A notice, plan or market report, with what follows from it for a site."""

    name: str = quantity("short name, lower case, with the year", pattern=NAME)
    title: str = quantity("what it is about, in English", min_length=1)
    document: str = quantity("name and number of the document, as it is cited", min_length=1)
    issued: dt.date | None = quantity("date of issue, where known", default=None)
    timezones: list[str] = quantity(
        "IANA time zones of the places it speaks of; everywhere if left out", default_factory=list
    )
    speaks_of: str = quantity("which projects or parks it binds", default="")
    rules: list[Rule] = quantity("what it demands", default_factory=list)
    certificate: CertificatePrice | None = quantity("price of green certificates, where it tells one", default=None)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.rules and self.certificate is None:
            raise ValueError("rules: missing: a document needs rules or the price of certificates")
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules: two rules have the same name")
        return self

    def rule_id(self, rule: Rule) -> str:
        """`document.rule`, as targets and results name it."""
        return f"{self.name}.{rule.name}"

"""A tariff as data: periods with prices, export, demand charge, tiers, fixed charges, and where each number is from.

The price of an imported kWh in a period is

    price = purchase_price * ratio + sum of adders        or        price = price_per_kwh + sum of adders

so that a time-of-use ratio acts on the purchase price only, as in Qinghai (青发改价格〔2024〕179号), where line loss,
transmission, system operation and funds are added unchanged. Months are calendar months in local time.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import Discriminator, Field, field_validator, model_validator

from vpp_sim.errors import nearest
from vpp_sim.fields import StrictModel, quantity

MINUTES_PER_DAY: Final = 1440
#: Period boundaries lie on multiples of this, the shortest step.
SLOT_MINUTES: Final = 5
DAY_CLASSES: Final = ("workdays", "saturdays", "sundays", "holidays")

DayClass = Literal["workdays", "saturdays", "sundays", "holidays"]
Span = tuple[int, int]


class SeriesReference(StrictModel):
    """A price that changes with time, in a file; whoever computes prices reads it and passes the array."""

    path: str = quantity("CSV or Parquet file with the prices, relative to the tariff's file", min_length=1)
    column: str | None = quantity("column with the prices; may be left out where only one has numbers", default=None)
    unit: Literal["per_kwh", "per_mwh"] = quantity("unit of the prices")
    time_column: str | None = quantity("column with the times", default=None)
    timezone: str | None = quantity("zone of times without an offset; the site's zone if left out", default=None)
    label: Literal["start", "end"] = quantity("whether a time stands at the start or end of its step", default="start")
    fill: Literal["refuse", "interpolate"] = quantity("what to do with short gaps", default="refuse")
    scale: float = quantity("factor applied to every price, e.g. an exchange rate", default=1.0)


class Period(StrictModel):
    """Hours of some days in some months that have one price."""

    label: str = quantity("name of the period on the bill, e.g. peak", min_length=1)
    hours: str | list[str] = quantity(
        "local hours such as 07-09 or 17:30-23:00, several as a list or with commas; 23-07 means 23-24 and 00-07",
        unit="h of the day",
        default="00-24",
    )
    days: Literal["all"] | list[DayClass] = quantity(
        "days it applies on: all, or a list of workdays (Monday to Friday), saturdays, sundays, holidays", default="all"
    )
    months: list[Annotated[int, Field(ge=1, le=12)]] = quantity(
        "calendar months it applies in, 1 to 12; all if left out",
        default_factory=lambda: list(range(1, 13)),
        min_length=1,
    )
    ratio: float | None = quantity("factor on the purchase price only", default=None, ge=0, le=100)
    price_per_kwh: float | None = quantity("price instead of purchase price x ratio", unit="currency/kWh", default=None)
    export_price_per_kwh: float | None = quantity(
        "paid for export in this period; the tariff's export price if left out",
        unit="currency/kWh",
        default=None,
    )

    @field_validator("hours")
    @classmethod
    def _understood_hours(cls, hours: str | list[str]) -> str | list[str]:
        spans_of(hours)
        return hours

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if self.ratio is not None and self.price_per_kwh is not None:
            raise ValueError("ratio: stands beside price_per_kwh; keep one of them")
        return self

    @property
    def spans(self) -> tuple[Span, ...]:
        """Minutes of the day covered, as [begin, end) pairs."""
        return spans_of(self.hours)

    @property
    def day_classes(self) -> tuple[DayClass, ...]:
        """Kinds of days covered."""
        return DAY_CLASSES if self.days == "all" else tuple(self.days)


def spans_of(hours: str | list[str]) -> tuple[Span, ...]:
    """Minutes of the day that a text of hours covers, as [begin, end) pairs; a span over midnight is split.

    >>> spans_of("07-09, 17:30-23"), spans_of("23-07")
    (((420, 540), (1050, 1380)), ((1380, 1440), (0, 420)))
    """
    texts = hours if isinstance(hours, list) else hours.split(",")
    spans: list[Span] = []
    for text in texts:
        found = re.fullmatch(r"\s*(\d{1,2})(?::(\d{2}))?\s*(?:-|–|to)\s*(\d{1,2})(?::(\d{2}))?\s*", text)
        if found is None:
            raise ValueError(f"hours {text.strip()!r} are not understood; write 07-09 or 17:30-23:00")
        begin, end = int(found[1]) * 60 + int(found[2] or 0), int(found[3]) * 60 + int(found[4] or 0)
        if max(begin, end) > MINUTES_PER_DAY or max(int(found[2] or 0), int(found[4] or 0)) > 59:
            raise ValueError(f"hours {text.strip()!r} do not exist; a day has 00:00 to 24:00")
        if begin % SLOT_MINUTES or end % SLOT_MINUTES:
            raise ValueError(f"hours {text.strip()!r} must lie on multiples of {SLOT_MINUTES} minutes")
        if begin == end:
            raise ValueError(f"hours {text.strip()!r} cover nothing; write 00-24 for a whole day")
        spans.extend([(begin, end)] if begin < end else [(begin, MINUTES_PER_DAY), (0, end)])
    return tuple(span for span in spans if span[0] < span[1])


class Energy(StrictModel):
    """The price of imported energy."""

    purchase_price_per_kwh: float | SeriesReference | None = quantity(
        "price of the energy itself, which ratios act on: a number, or a series in a file",
        unit="currency/kWh",
        default=None,
    )
    adders_per_kwh: dict[str, float] = quantity(
        "charges by name that are added to every imported kWh unchanged", unit="currency/kWh", default_factory=dict
    )
    periods: list[Period] = quantity(
        "periods that cover every hour exactly once; one for all hours if left out",
        default_factory=lambda: [Period(label="all hours")],
        min_length=1,
    )

    @model_validator(mode="after")
    def _priced(self) -> Self:
        for period in self.periods:
            if period.price_per_kwh is None and self.purchase_price_per_kwh is None:
                raise ValueError(
                    f"periods: {period.label!r} has no price; give purchase_price_per_kwh or its own price_per_kwh"
                )
        return self


class Export(StrictModel):
    """What is paid for exported energy."""

    price_per_kwh: float | SeriesReference = quantity(
        "price of an exported kWh: a number, or a series in a file", unit="currency/kWh", default=0.0
    )


class Ratchet(StrictModel):
    """A floor under the billed demand from earlier peaks."""

    share: float = quantity("share of the earlier peak that is billed at least", gt=0, le=1)
    months: int = quantity("number of earlier months looked back at, within the horizon", ge=1, le=24)


class NoDemandCharge(StrictModel):
    """No charge for power."""

    basis: Literal["none"] = quantity("what the demand charge is based on")

    def at_site(self, transformer_kva: float | None, contracted_kw: float | None) -> Self:
        """The rule with the numbers of a site in place of its own."""
        return self

    @property
    def lacks(self) -> str:
        """The number of the site without which nothing can be billed; empty where there is all."""
        return ""


class MaxDemand(StrictModel):
    """The highest mean import of a month is billed, in clock windows of 15 minutes.

    Steps of 5 minutes are averaged over the quarter-hour. Those of 30 and 60 minutes count with their own mean, never
    above that of their highest quarter-hour; those of 10 minutes, which do not divide 15, may be above or below.
    """

    basis: Literal["max_demand"] = quantity("what the demand charge is based on")
    price_per_kw_month: float = quantity("price of the billed demand", unit="currency/kW/month", ge=0)
    ratchet: Ratchet | None = quantity("floor under the billed demand from earlier peaks", default=None)
    min_kw: float = quantity("least demand billed in every month", unit="kW", default=0.0, ge=0)
    transformer_kva: float | None = quantity("capacity of the connected transformers", unit="kVA", default=None, gt=0)
    min_share: float = quantity("least demand billed as a share of transformer_kva", default=0.0, ge=0, le=1)

    @property
    def least_kw(self) -> float:
        """Least demand billed in every month [kW]."""
        return max(self.min_kw, self.min_share * (self.transformer_kva or 0.0))

    def at_site(self, transformer_kva: float | None, contracted_kw: float | None) -> Self:
        """The rule with the numbers of a site in place of its own."""
        return _replaced(self, transformer_kva=transformer_kva)

    @property
    def lacks(self) -> str:
        """The number of the site without which nothing can be billed; empty where there is all."""
        return "transformer_kva" if self.min_share > 0 and self.transformer_kva is None else ""


class ContractedDemand(StrictModel):
    """A declared demand is billed every month, and what is measured above it at a multiple of the price."""

    basis: Literal["contracted_demand"] = quantity("what the demand charge is based on")
    contracted_kw: float | None = quantity(
        "declared demand; left out where the connection of a scenario says it", unit="kW", default=None, ge=0
    )
    price_per_kw_month: float = quantity("price of the declared demand", unit="currency/kW/month", ge=0)
    excess_factor: float = quantity("price of what exceeds it, as a multiple of the price", default=2.0, ge=1)
    tolerance: float = quantity("share by which it may be exceeded at no charge", default=0.0, ge=0, le=1)
    transformer_kva: float | None = quantity("capacity of the connected transformers", unit="kVA", default=None, gt=0)
    min_share: float = quantity("least declared demand as a share of transformer_kva", default=0.4, ge=0, le=1)

    @model_validator(mode="after")
    def _declared_enough(self) -> Self:
        if self.contracted_kw is not None and self.contracted_kw < self.least_kw - 1e-9:
            raise ValueError(f"contracted_kw: {self.too_little(self.contracted_kw)}")
        return self

    def too_little(self, contracted_kw: float) -> str:
        """What is to be said of a declared demand below the least one."""
        share = f"{self.min_share * 100:g} % of transformer_kva, {self.least_kw:g} kW"
        return f"must be at least {share}, got {contracted_kw:g}"

    @property
    def least_kw(self) -> float:
        """Least demand that may be declared [kW]."""
        return self.min_share * (self.transformer_kva or 0.0)

    def at_site(self, transformer_kva: float | None, contracted_kw: float | None) -> Self:
        """The rule with the numbers of a site in place of its own."""
        return _replaced(self, transformer_kva=transformer_kva, contracted_kw=contracted_kw)

    @property
    def lacks(self) -> str:
        """The number of the site without which nothing can be billed; empty where there is all."""
        return "contracted_kw" if self.contracted_kw is None else ""


class TransformerCapacity(StrictModel):
    """The capacity of the transformers is billed, whatever is imported."""

    basis: Literal["transformer_kva"] = quantity("what the demand charge is based on")
    transformer_kva: float | None = quantity(
        "capacity of the connected transformers; left out where the connection of a scenario says it",
        unit="kVA",
        default=None,
        ge=0,
    )
    price_per_kva_month: float = quantity("price of the capacity", unit="currency/kVA/month", ge=0)

    def at_site(self, transformer_kva: float | None, contracted_kw: float | None) -> Self:
        """The rule with the numbers of a site in place of its own."""
        return _replaced(self, transformer_kva=transformer_kva)

    @property
    def lacks(self) -> str:
        """The number of the site without which nothing can be billed; empty where there is all."""
        return "transformer_kva" if self.transformer_kva is None else ""


BasicDemand = Annotated[MaxDemand | ContractedDemand | TransformerCapacity, Discriminator("basis")]


class NearbyConsumption(StrictModel):
    """A monthly fee on the connected capacity in place of the transmission price (发改价格〔2025〕1192号).

        fee = charge for power as before + transmission_price x average_load_factor x hours_per_month x connected_kva

    and the transmission price is taken off every imported kWh. It pays where the connection is used more than the mean
    one: import / (connected_kva x hours) above average_load_factor.
    """

    basis: Literal["nearby_consumption"] = quantity("what the demand charge is based on")
    basic: BasicDemand = quantity("the charge for power of the customer, which stays")
    transmission_price_per_kwh: float = quantity(
        "energy price of transmission and distribution at the voltage; a part of the price of imported energy",
        unit="currency/kWh",
        ge=0,
    )
    average_load_factor: float = quantity("mean load factor that the authority publishes", ge=0, le=1)
    connected_kva: float | None = quantity(
        "capacity connected to the public grid; the transformers' if left out", unit="kVA", default=None, ge=0
    )
    hours_per_month: float = quantity("hours of a month in the fee", unit="h/month", default=730.0, gt=0, le=744)

    def at_site(self, transformer_kva: float | None, contracted_kw: float | None) -> Self:
        """The rule with the numbers of a site in place of its own; a connected capacity of its own stays."""
        connected = transformer_kva if self.connected_kva is None else None
        return _replaced(self, basic=self.basic.at_site(transformer_kva, contracted_kw), connected_kva=connected)

    @property
    def lacks(self) -> str:
        """The number of the site without which nothing can be billed; empty where there is all."""
        return self.basic.lacks or ("transformer_kva" if self.connected_kva is None else "")


Demand = Annotated[
    NoDemandCharge | MaxDemand | ContractedDemand | TransformerCapacity | NearbyConsumption, Discriminator("basis")
]
AnyDemand = NoDemandCharge | MaxDemand | ContractedDemand | TransformerCapacity | NearbyConsumption
_Rule = TypeVar("_Rule", bound=StrictModel)


def _replaced(rule: _Rule, **numbers: Any) -> _Rule:
    """The rule with those numbers that are given."""
    return rule.model_copy(update={name: value for name, value in numbers.items() if value is not None})


def basic_rule(rule: AnyDemand) -> NoDemandCharge | MaxDemand | ContractedDemand | TransformerCapacity:
    """The charge for power itself: the rule, or what a fee of nearby consumption stands on."""
    return rule.basic if isinstance(rule, NearbyConsumption) else rule


class DemandRebate(StrictModel):
    """A lower price of demand in months in which much energy flows through the transformers."""

    kwh_per_kva_month: float = quantity("import of a month per kVA from which on it is granted", unit="kWh/kVA", gt=0)
    share: float = quantity("part of the price of measured or declared demand that is taken off", gt=0, le=1)


class Tier(StrictModel):
    """A block of a month's import with its own adder: from `above_kwh` up to the next tier."""

    above_kwh: float = quantity("imported energy of the month from which the adder applies", unit="kWh/month", ge=0)
    adder_per_kwh: float = quantity("added to the price of the energy in the block", unit="currency/kWh", ge=0)


class Holidays(StrictModel):
    """Which days count as holidays: the public holidays that the `holidays` library knows.

    Working days that a country moves to a weekend (China does) count as the weekend day they are.
    """

    country: str = quantity("ISO 3166 code of the country, two letters, e.g. CN")
    subdivision: str | None = quantity("code of the state or province where its holidays differ", default=None)

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = _countries()
        if self.country not in known:
            close = nearest(self.country, known)
            hint = f"did you mean {close}?" if close else "write two letters such as CN"
            raise ValueError(f"country: unknown country {self.country!r}; {hint}")
        if self.subdivision is not None and self.subdivision not in known[self.country]:
            listed = ", ".join(known[self.country]) or "none"
            raise ValueError(
                f"subdivision: unknown subdivision {self.subdivision!r} of {self.country}; one of {listed}"
            )
        return self

    def dates(self, years: range) -> frozenset[dt.date]:
        """Public holidays in the years."""
        import holidays

        return frozenset(holidays.country_holidays(self.country, subdiv=self.subdivision, years=years))


@lru_cache(maxsize=1)
def _countries() -> dict[str, list[str]]:
    import holidays

    return {country: list(codes) for country, codes in holidays.list_supported_countries().items()}


class Source(StrictModel):
    """Where a number comes from and how sure it is."""

    about: str = quantity("which number or rule")
    source: str = quantity("document, law or page it was taken from")
    certainty: Literal["A", "B", "C", "D", "M"] = quantity(
        "A official text or two agreeing sources, B one good source; assumptions: C weak, D derived, M unverified"
    )
    note: str = quantity("remark, e.g. the range of an assumption", default="")


class Tariff(StrictModel):
    """Prices and rules at one grid connection, valid from a date."""

    name: str = quantity("short name", min_length=1)
    title: str = quantity("what it is, in a line", default="")
    currency: str = quantity("currency of all prices, three letters", min_length=3, max_length=3)
    valid_from: dt.date | None = quantity(
        "first day of validity; later years of a horizon use it unchanged", default=None
    )
    valid_to: dt.date | None = quantity("last day of validity, where known", default=None)
    sources: list[Source] = quantity("where the numbers come from", default_factory=list)
    energy: Energy = quantity("price of imported energy")
    export: Export = quantity("price of exported energy", default_factory=Export)
    demand: Demand = quantity("charge for power", default_factory=lambda: NoDemandCharge(basis="none"))
    demand_options: dict[str, Demand] = quantity(
        "charges for power by name that the customer may choose instead; those on the basis in use give way to it",
        default_factory=dict,
    )
    demand_rebate: DemandRebate | None = quantity(
        "lower price of demand in months of much import; told beside the costs of `vpp-sim tariff`, in no bill, for it "
        "would make the program one of integers",
        default=None,
    )
    tiers: list[Tier] = quantity("adders that rise with the import of a month", default_factory=list)
    fixed_per_month: dict[str, float] = quantity(
        "charges by name that depend on nothing", unit="currency/month", default_factory=dict
    )
    holidays: Holidays | None = quantity("public holidays; none if left out", default=None)

    @model_validator(mode="after")
    def _covers_every_hour_once(self) -> Self:
        faults = list(_schedule_faults(self.energy.periods, with_holidays=self.holidays is not None))
        if faults:
            raise ValueError("energy.periods: every hour needs exactly one period: " + "; ".join(faults))
        return self

    @model_validator(mode="after")
    def _tiers_rise(self) -> Self:
        for before, after in zip(self.tiers, self.tiers[1:], strict=False):
            if after.above_kwh <= before.above_kwh:
                raise ValueError(f"tiers: above_kwh must rise, got {after.above_kwh:g} after {before.above_kwh:g}")
            if after.adder_per_kwh < before.adder_per_kwh:
                raise ValueError(
                    f"tiers: an adder that falls ({before.adder_per_kwh:g} to {after.adder_per_kwh:g}) "
                    "rewards using more (not convex); use one price for all"
                )
        return self

    @model_validator(mode="after")
    def _valid_span(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to: {self.valid_to} lies before valid_from {self.valid_from}")
        return self

    @model_validator(mode="after")
    def _transmission_is_part_of_the_price(self) -> Self:
        adders = sum(self.energy.adders_per_kwh.values())
        for place, rule in (
            ("demand", self.demand),
            *((f"demand_options.{n}", r) for n, r in self.demand_options.items()),
        ):
            price = rule.transmission_price_per_kwh if isinstance(rule, NearbyConsumption) else 0.0
            if adders > 0 and price > adders + 1e-12:
                raise ValueError(
                    f"{place}: transmission_price_per_kwh {price:g} is more than all adders of the energy price "
                    f"together ({adders:g}), of which it is a part"
                )
        return self

    @property
    def exempt_per_kwh(self) -> float:
        """What the basis of the demand charge takes off every imported kWh [currency/kWh]."""
        return self.demand.transmission_price_per_kwh if isinstance(self.demand, NearbyConsumption) else 0.0

    def offered(self) -> dict[str, AnyDemand]:
        """Every charge for power there is to choose from by name, the one in use first."""
        chosen = (self.demand.basis, basic_rule(self.demand).basis)
        others = {
            name: rule for name, rule in self.demand_options.items() if (rule.basis, basic_rule(rule).basis) != chosen
        }
        name = next((n for n, rule in self.demand_options.items() if n not in others), self.demand.basis)
        return {name: self.demand, **others}

    def with_demand(self, rule: AnyDemand) -> Tariff:
        """The same prices with another charge for power."""
        return self.model_copy(update={"demand": rule})

    def at_site(self, transformer_kva: float | None = None, contracted_kw: float | None = None) -> Tariff:
        """The tariff whose charges for power have the numbers of a site in place of their own, where given."""
        options = {name: rule.at_site(transformer_kva, contracted_kw) for name, rule in self.demand_options.items()}
        demand = self.demand.at_site(transformer_kva, contracted_kw)
        return self.model_copy(update={"demand": demand, "demand_options": options})

    @property
    def import_series(self) -> SeriesReference | None:
        """The file with the purchase price, where it is a series."""
        price = self.energy.purchase_price_per_kwh
        return price if isinstance(price, SeriesReference) else None

    @property
    def export_series(self) -> SeriesReference | None:
        """The file with the export price, where it is a series."""
        price = self.export.price_per_kwh
        return price if isinstance(price, SeriesReference) else None

    @property
    def assumptions(self) -> tuple[Source, ...]:
        """Numbers that are assumptions: weak, derived or unverified."""
        return tuple(source for source in self.sources if source.certainty in ("C", "D", "M"))

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """Files with price series, for a run to hash."""
        return tuple(
            Path(base_dir) / reference.path
            for reference in (self.import_series, self.export_series)
            if reference is not None
        )


def _schedule_faults(periods: list[Period], *, with_holidays: bool) -> Iterator[str]:
    """Hours that no period or several periods cover, each told once with all the days and months it concerns."""
    found: dict[str, dict[str, set[int]]] = {}
    for day_class in DAY_CLASSES if with_holidays else DAY_CLASSES[:3]:
        for month in range(1, 13):
            owners: list[list[str]] = [[] for _ in range(MINUTES_PER_DAY // SLOT_MINUTES)]
            for period in periods:
                if day_class in period.day_classes and month in period.months:
                    for begin, end in period.spans:
                        for slot in range(begin // SLOT_MINUTES, end // SLOT_MINUTES):
                            owners[slot].append(period.label)
            for told in _runs(owners):
                found.setdefault(told, {}).setdefault(day_class, set()).add(month)
    for told, where in found.items():
        classes = list(where)
        months = sorted(set.union(*where.values()))
        days = "" if len(classes) == (4 if with_holidays else 3) else " on " + ", ".join(classes)
        spans = "" if len(months) == 12 else " in months " + ", ".join(str(month) for month in months)
        yield told + days + spans


def _runs(owners: list[list[str]]) -> Iterator[str]:
    """Faulty runs of slots in one day, as text."""
    begin = 0
    for slot in range(1, len(owners) + 1):
        if slot < len(owners) and owners[slot] == owners[begin]:
            continue
        span = f"{_clock(begin)}-{_clock(slot)}"
        if not owners[begin]:
            yield f"no period covers {span}"
        elif len(owners[begin]) > 1:
            yield f"{span} is in {' and '.join(owners[begin])}"
        begin = slot


def _clock(slot: int) -> str:
    return f"{slot * SLOT_MINUTES // 60:02d}:{slot * SLOT_MINUTES % 60:02d}"

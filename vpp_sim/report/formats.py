"""Numbers as people read them: thousands separators, digits that mean something, percent only here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from vpp_sim.components.base import Kpi

#: What a run is judged by first, with the words of a headline.
HEADLINES: Final[Mapping[str, str]] = {
    "saving": "Saving",
    "operating_cost": "Operating cost",
    "onsite_renewable_share": "On-site renewable share",
    "peak_import_kw": "Peak import",
    "import_kwh": "Import from the grid",
    "emissions_location_kg": "Emissions, location-based",
}

#: Dimensionless KPIs that are a part of a whole or a rate, and so may be read in percent (PUE or cycles may not).
SHARES: Final = (
    "onsite_renewable_share",
    "self_consumption",
    "self_sufficiency",
    "own_use_of_available_cn650",
    "own_use_of_load_cn650",
    "export_of_available_cn650",
    "matching_annual",
    "matching_monthly",
    "matching_daily",
    "matching_hourly",
    "matching_step",
    "cfe_score_hourly",
    "clean_share_with_certificates",
    "data_centre_green_share",
    "data_centre_green_share_with_certificates",
    "ev_valley_share",
    "battery_capacity_after_year",
    "irr",
    "mirr",
    "equity_irr",
)

#: What the letters behind numbers mean.
CERTAINTY: Final[Mapping[str, str]] = {
    "A": "official text or two agreeing sources",
    "B": "one good source",
    "C": "assumption: weak source",
    "D": "assumption: derived",
    "M": "assumption: unverified",
}

#: Larger units by the unit inside: from which value on, the word, and how many of the inside unit one is.
_LARGER: Final[Mapping[str, tuple[tuple[float, str, float], ...]]] = {
    "kWh": ((1e6, "GWh", 1e6), (1e4, "MWh", 1e3)),
    "kW": ((1e5, "MW", 1e3),),
    "kg": ((1e7, "kt", 1e6), (1e4, "t", 1e3)),
}

#: From this ratio on, a change is told as a factor and not in percent.
LARGEST_CHANGE: Final = 10.0

#: What a solver leaves where it means nothing.
NOISE: Final = 1e-5

#: A kWh, a kg, a unit of money: less than this part of it is not worth a digit.
LEAST_TOTAL: Final = 0.005

MINUS: Final = "\N{MINUS SIGN}"


def number(value: float) -> str:
    """At least three significant digits, thousands separated, a true minus sign; a dash where there is no number.

    >>> number(1234567.8), number(45.678), number(0.012345), number(-3.0), number(1e-9), number(float("nan"))
    ('1,234,568', '45.7', '0.0123', '−3', '0', '–')
    """
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size < NOISE:
        return "0"
    if size < 1e-4:
        text = f"{size:.2g}"
    else:
        decimals = 0 if size >= 100 else max(2 - math.floor(math.log10(size)), 0)
        text = f"{size:,.{decimals}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    return text if value > 0 or text == "0" else MINUS + text


def total(value: float, unit: str) -> str:
    """A number of a KPI; of energies, masses and money less than half a hundredth is nothing.

    >>> total(0.00247, "CNY"), total(0.00247, "kg/kWh"), total(0.0124, "kWh"), total(7.0, "kWh")
    ('0', '0.00247', '0.0124', '7')
    """
    adds_up = unit in ("kWh", "kg") or (len(unit) == 3 and unit.isalpha() and unit.isupper())
    return "0" if adds_up and abs(value) < LEAST_TOTAL else number(value)


def percent(share: float, *, signed: bool = False) -> str:
    """A fraction in percent with one decimal.

    >>> percent(0.4567), percent(-0.031, signed=True), percent(0.002, signed=True)
    ('45.7 %', '−3.1 %', '+0.2 %')
    """
    if not math.isfinite(share):
        return "–"
    value = round(share * 100, 1) + 0.0
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{abs(value):.1f} %"


def larger_unit(unit: str, largest: float) -> tuple[str, float]:
    """A unit in which numbers of this size are easy to read, and how many of `unit` one of it is.

    >>> larger_unit("kWh", 2.5e6), larger_unit("kWh", 900.0), larger_unit("CNY", 1e9)
    (('GWh', 1000000.0), ('kWh', 1.0), ('CNY', 1.0))
    """
    for threshold, word, factor in _LARGER.get(unit, ()):
        if abs(largest) >= threshold:
            return word, factor
    return unit, 1.0


def basis_words(name: str) -> str:
    """The name of a basis of the charge for power as figures and tables say it.

    >>> basis_words("contracted_demand, best level"), basis_words("transformer_kva")
    ('contracted demand, best level', 'transformer capacity')
    """
    return (
        name.replace("transformer_kva", "transformer capacity")
        .replace("max_demand", "maximum demand")
        .replace("_", " ")
    )


def amount(value: float, unit: str) -> str:
    """A number with its unit, in a larger one where that reads better; `-` is no unit.

    >>> amount(12_345_678.0, "kWh"), amount(980.0, "kW"), amount(1.2345, "-")
    ('12.3 GWh', '980 kW', '1.23')
    """
    word, factor = larger_unit(unit, value)
    return number(value / factor) + ("" if word == "-" else f" {word}")


def kpi_amount(name: str, kpi: Kpi) -> str:
    """A KPI as a headline gives it: shares in percent, all else with its unit."""
    return percent(kpi.value) if name in SHARES else amount(kpi.value, kpi.unit)


def change(name: str, now: float, before: float) -> str:
    """How a KPI differs from that of the uncontrolled site: points for shares, else percent; empty where equal.

    >>> change("import_kwh", 90.0, 100.0), change("self_consumption", 0.8, 0.75), change("import_kwh", 1.0, 1.0)
    ('−10.0 %', '+5.0 points', '')
    """
    if name in SHARES:
        points = round((now - before) * 100, 1)
        return f"{MINUS if points < 0 else '+'}{abs(points):.1f} points" if points else ""
    if abs(now - before) <= max(NOISE, 1e-9 * max(abs(now), abs(before))):
        return ""
    if abs(before) <= NOISE:
        return "from 0"
    if now / before >= LARGEST_CHANGE:
        return f"× {number(now / before)}"
    text = percent((now - before) / abs(before), signed=True)
    return text if any(digit in text for digit in "123456789") else ""


def in_order(kpis: Mapping[str, Kpi]) -> list[str]:
    """Ids of KPIs, the headlines first."""
    first = [name for name in HEADLINES if name in kpis]
    return first + [name for name in kpis if name not in HEADLINES]

"""Factors that are not 1: units a user may declare, and what one of them is in the unit used inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MINUTES_PER_HOUR: Final = 60
SECONDS_PER_HOUR: Final = 3600
HOURS_PER_DAY: Final = 24
HOURS_PER_YEAR: Final = 8760.0
KWH_PER_MWH: Final = 1000.0
KG_PER_TONNE: Final = 1000.0
KELVIN_OFFSET: Final = 273.15
PA_PER_KPA: Final = 1000.0
#: Coal equivalent of electricity by its calorific value, kgce/kWh (发改环资〔2025〕910号 uses it; certainty M).
KGCE_PER_KWH: Final = 0.1229

#: How many of the inside unit one declared unit is, by quantity. The inside unit has the factor 1.
FACTORS: Final[dict[str, dict[str, float]]] = {
    "power": {"kW": 1.0, "W": 1e-3, "MW": 1e3, "GW": 1e6},
    "energy": {
        "kWh": 1.0,
        "Wh": 1e-3,
        "MWh": 1e3,
        "GWh": 1e6,
        "J": 1 / 3.6e6,
        "kJ": 1 / 3.6e3,
        "MJ": 1 / 3.6,
        "GJ": 1e3 / 3.6,
    },
    "price": {"per_kwh": 1.0, "per_mwh": 1e-3},
    "emission_factor": {"kg_per_kwh": 1.0, "g_per_kwh": 1e-3, "kg_per_mwh": 1e-3, "t_per_mwh": 1.0},
    "irradiance": {"W/m2": 1.0, "kW/m2": 1e3},
    "temperature": {"degC": 1.0},
    "fraction": {"fraction": 1.0, "percent": 1e-2},
    "yield": {"kW/kWp": 1.0, "W/kWp": 1e-3},
}

#: Words in names of columns, in small letters, that say a unit.
POWER_UNIT_WORDS: Final = {"w": "W", "kw": "kW", "mw": "MW", "wh": "Wh", "kwh": "kWh", "mwh": "MWh"}
PRICE_UNIT_WORDS: Final = {"kwh": "per_kwh", "mwh": "per_mwh"}
WEATHER_UNIT_WORDS: Final = {
    **dict.fromkeys(("degf", "fahrenheit", "°f"), "degF"),
    **dict.fromkeys(("degc", "celsius", "°c"), "degC"),
    **dict.fromkeys(("kelvin", "degk"), "K"),
    **dict.fromkeys(("hpa", "mbar"), "hPa"),
    "kpa": "kPa",
    "percent": "percent",
}


def unit_in_name(name: str, words: Mapping[str, str]) -> str | None:
    """The unit that a column's name ends in or has in brackets, if its words say one.

    >>> unit_in_name("load [MW]", POWER_UNIT_WORDS), unit_in_name("price_per_mwh", PRICE_UNIT_WORDS)
    ('MW', 'per_mwh')
    >>> unit_in_name("mw_of_hall", POWER_UNIT_WORDS), unit_in_name("load", POWER_UNIT_WORDS)
    (None, None)
    """
    parts = re.findall(r"[^\W_]+|°[cfCF]", name)
    return words.get(parts[-1].lower()) if parts else None

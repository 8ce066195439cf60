"""Remarks on prices that are possible but look as if they were in another unit."""

from __future__ import annotations

from typing import Final

import numpy as np

from vpp_sim.tariffs.model import Tariff
from vpp_sim.tariffs.prices import FloatArray

#: Order of magnitude of what a kWh costs a business, by currency: an assumption, good to a factor of five.
TYPICAL_PER_KWH: Final = {
    **dict.fromkeys(("EUR", "USD", "GBP", "CHF", "CAD", "AUD", "NZD", "SGD"), 0.2),
    **dict.fromkeys(("CNY", "HKD", "BRL", "PLN", "MYR", "ILS", "SAR", "AED"), 0.6),
    **dict.fromkeys(("SEK", "NOK", "DKK", "ZAR", "MXN", "TRY", "TWD", "THB", "CZK"), 2.0),
    **dict.fromkeys(("INR", "RUB", "PHP", "JPY", "HUF", "KES"), 15.0),
    **dict.fromkeys(("KRW", "CLP"), 150.0),
    **dict.fromkeys(("VND", "IDR"), 2000.0),
}
#: Largest price of a kW and month, in kWh of the mean import price; 33 CNY at 0.44 are 75.
ODD_DEMAND: Final = 2000.0
ODD_RATIO: Final = 10.0


def price_notes(tariff: Tariff, import_price: FloatArray, purchase_price: FloatArray | None = None) -> list[str]:
    """Remarks on a tariff and the import price that it makes, (num_steps,); `purchase_price` where it is a series."""
    mean = float(import_price.mean())
    notes = []
    if not import_price.any():
        notes.append(f"in tariff {tariff.name} every imported kWh costs nothing")
    given = tariff.energy.purchase_price_per_kwh
    bought = float(np.mean(purchase_price)) if purchase_price is not None else given
    for what, price in (("an imported kWh costs", mean), ("the purchase price is", bought)):
        unit = _other_unit(float(price), tariff.currency) if isinstance(price, int | float) else ""
        if unit:
            notes.append(f"in tariff {tariff.name} {what} {price:,.4g} {tariff.currency} on average; is it {unit}?")
            break
    for period in tariff.energy.periods:
        if period.ratio is not None and period.ratio > ODD_RATIO:
            notes.append(f"in tariff {tariff.name} period {period.label} has a ratio of {period.ratio:g}; is it meant?")
    demand = getattr(tariff.demand, "price_per_kw_month", getattr(tariff.demand, "price_per_kva_month", 0.0))
    if mean > 0 and demand > ODD_DEMAND * mean:
        notes.append(
            f"in tariff {tariff.name} the demand charge, {demand:,.6g} {tariff.currency} per kW and month, is odd "
            f"beside {mean:.3g} per kWh; is it per MW?"
        )
    return notes


def _other_unit(price: float, currency: str) -> str:
    """Which unit a price per kWh rather looks to be in; empty where it looks right or nobody knows."""
    typical = TYPICAL_PER_KWH.get(currency, 0.0)
    if price <= 0 or typical <= 0:
        return ""
    if price > 200 * typical:
        return "per MWh"
    if price > 25 * typical:
        return "in hundredths (cents, fen)"
    return "per kWh, read as per_mwh" if price < typical / 150 else ""

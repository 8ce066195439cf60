"""Green certificates for the grid energy that is left: how many, what they cost, and what is left after them.

A certificate stands for 1 MWh. They are counted beside the operating cost, never in it: nobody has to buy them. Of the
imported energy, the same share is covered in every step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from vpp_sim.components.base import Flows, Kpi
from vpp_sim.kpi.ledger import Ledger
from vpp_sim.scenario import Scenario
from vpp_sim.scenario.policy import certificate_price
from vpp_sim.units import KWH_PER_MWH

#: A part of a certificate below this is a solver's rounding and buys no more.
LEAST_MWH = 1e-6


def data_centre_kpis(
    ledger: Ledger, flows: Mapping[str, Flows], own: Mapping[str, Mapping[str, Kpi]]
) -> dict[str, Kpi]:
    """Where the data centres' energy came from: in each step they have the site's mix."""
    names = [name for name, kpis in own.items() if "data_centre_kwh" in kpis]
    used = [power for name in names if (power := flows[name].use_kw) is not None]
    if not used:
        return {}
    power = np.sum(used, axis=0)
    of_load = np.divide(power, ledger.load_kw, out=np.zeros_like(power), where=ledger.load_kw > 0)
    green = ledger.kwh(ledger.renewable_to("load") * of_load)
    words = "renewable energy of the site that reaches the data centre, by the site's mix of each step / its energy"
    return {"data_centre_green_share": Kpi.ratio(green, ledger.kwh(power), "-", words)}


def certificate_kpis(ledger: Ledger, kpis: Mapping[str, Kpi], scenario: Scenario) -> dict[str, Kpi]:
    """Certificates, their cost where a price is known, and the figures that count them."""
    share = scenario.policy.certificates.share
    mwh = max(share * kpis["import_kwh"].value / KWH_PER_MWH - LEAST_MWH, 0.0)
    count = float(math.ceil(mwh))
    covered = f"green certificates for {100 * share:g} % of the import"
    found = {
        "certificates_mwh": Kpi(count, "MWh", f"{covered}, whole certificates of 1 MWh"),
    }
    price = certificate_price(scenario.policy, scenario.documents, scenario.currency)
    if price is not None:
        found["certificate_cost"] = Kpi(
            count * price.price_per_mwh,
            scenario.currency,
            f"certificates x {price.price_per_mwh:g} per MWh (certainty {price.certainty}); not part of operating_cost",
        )
    left = 1.0 - share
    if (market := kpis.get("emissions_market_kg")) is not None:
        words = f"emissions_market after {covered}"
        found["emissions_market_after_certificates_kg"] = Kpi(left * market.value, "kg", words)
    if (park := kpis.get("park_tco2_per_tce")) is not None:
        words = f"park_tco2_per_tce after {covered}, which count as free of emissions (assumption M)"
        found["park_tco2_per_tce_with_certificates"] = Kpi(left * park.value, "t/t", words)
    origins = ledger.load_origins()
    from_grid = ledger.kwh(origins["grid direct"]) + ledger.kwh(origins["grid through storage"])
    load, own = kpis["load_kwh"].value, kpis["onsite_renewable_share"].value
    found["clean_share_with_certificates"] = Kpi.ratio(
        own * load + share * from_grid, load, "-", f"(renewable energy delivered to load + {covered}) / load"
    )
    if (green := kpis.get("data_centre_green_share")) is not None:
        found["data_centre_green_share_with_certificates"] = Kpi(
            green.value + share * (1.0 - green.value), "-", f"data_centre_green_share with {covered}"
        )
    return found

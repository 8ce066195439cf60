"""Emissions of the imported electricity by the factors in use, and the carbon-free score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vpp_sim.components.base import Kpi
from vpp_sim.kpi.ledger import Ledger
from vpp_sim.units import KG_PER_TONNE, KGCE_PER_KWH

FACTOR_WORDS = {
    "location": "location-based factor (the province's mix)",
    "market": "market-based factor (the mix without traded non-fossil energy)",
    "park": "factor of the zero-carbon-park rule (fossil power unless set otherwise)",
}


def emission_kpis(ledger: Ledger) -> dict[str, Kpi]:
    """Grid energy times each factor that the grid connection states, and the park indicator."""
    kpis: dict[str, Kpi] = {}
    factors: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = ledger.import_factors
    for name, words in FACTOR_WORDS.items():
        if name not in factors:
            continue
        mean = float(np.mean(factors[name]))
        kpis[f"emissions_{name}_kg"] = Kpi(
            ledger.kwh(ledger.import_kw * factors[name]), "kg", f"imported energy x {words}, mean {mean:.4f} kg/kWh"
        )
    if "park" in factors:
        kpis["park_tco2_per_tce"] = Kpi.ratio(
            kpis["emissions_park_kg"].value / KG_PER_TONNE,
            ledger.kwh(ledger.load_kw) * KGCE_PER_KWH / KG_PER_TONNE,
            "t/t",
            f"emissions_park / (load x {KGCE_PER_KWH} kgce/kWh), 发改环资〔2025〕910号; meant for a whole park",
        )
    if "clean_share" in factors:
        kpis["cfe_score_hourly"] = _carbon_free_score(ledger)
    return kpis


def _carbon_free_score(ledger: Ledger) -> Kpi:
    """Share of the load that own clean supply and the clean part of the grid's energy cover.

    Energy that came from the grid through storage is as clean as the grid was when it was stored.
    """
    clean_share, flow = ledger.import_factors["clean_share"], ledger.flow_kw
    stored_clean = ledger.pool.share_of(flow["grid", "storage"] * clean_share)
    clean_kw = ledger.renewable_to("load") + flow["grid", "load"] * clean_share + flow["storage", "load"] * stored_clean
    return Kpi.ratio(
        ledger.kwh(clean_kw),
        ledger.kwh(ledger.load_kw),
        "-",
        "(own clean energy delivered + grid energy delivered, direct and through storage, x grid clean share of the "
        "hour it was imported in) / load",
    )

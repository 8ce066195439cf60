"""A tariff whose demand charge, fixed charges and export price have risen against the price of energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vpp_sim.tariffs.model import ContractedDemand, MaxDemand, SeriesReference, Tariff, TransformerCapacity


def scaled_tariff(tariff: Tariff, factors: Mapping[str, float]) -> tuple[Tariff, dict[str, float]]:
    """The tariff with its prices times `factors` (`demand`, `fixed`, `export`), and the factors that were applied.

    An export price from a file is left as it is: its factor comes back as 1.
    """
    demand, fixed, export = (factors.get(kind, 1.0) for kind in ("demand", "fixed", "export"))
    rule = tariff.demand
    changes: dict[str, Any] = {}
    if isinstance(rule, MaxDemand | ContractedDemand):
        changes["demand"] = rule.model_copy(update={"price_per_kw_month": rule.price_per_kw_month * demand})
    elif isinstance(rule, TransformerCapacity):
        changes["demand"] = rule.model_copy(update={"price_per_kva_month": rule.price_per_kva_month * demand})
    changes["fixed_per_month"] = {name: amount * fixed for name, amount in tariff.fixed_per_month.items()}
    price = tariff.export.price_per_kwh
    if isinstance(price, SeriesReference):
        export = 1.0
    else:
        changes["export"] = tariff.export.model_copy(update={"price_per_kwh": price * export})
        periods = [
            period
            if period.export_price_per_kwh is None
            else period.model_copy(update={"export_price_per_kwh": period.export_price_per_kwh * export})
            for period in tariff.energy.periods
        ]
        changes["energy"] = tariff.energy.model_copy(update={"periods": periods})
    return tariff.model_copy(update=changes), {"demand": demand, "fixed": fixed, "export": export}

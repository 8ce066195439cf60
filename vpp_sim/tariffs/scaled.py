"""A tariff whose demand charge, fixed charges and export price have risen against the price of energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vpp_sim.tariffs.model import (
    AnyDemand,
    NearbyConsumption,
    NoDemandCharge,
    SeriesReference,
    Tariff,
    TransformerCapacity,
)


def scaled_tariff(tariff: Tariff, factors: Mapping[str, float]) -> tuple[Tariff, dict[str, float]]:
    """The tariff with its prices times `factors` (`demand`, `fixed`, `export`), and the factors that were applied.

    An export price from a file is left as it is: its factor comes back as 1.
    """
    demand, fixed, export = (factors.get(kind, 1.0) for kind in ("demand", "fixed", "export"))
    changes: dict[str, Any] = {"demand": _scaled_demand(tariff.demand, demand)}
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


def _scaled_demand(rule: AnyDemand, factor: float) -> AnyDemand:
    if isinstance(rule, NoDemandCharge):
        return rule
    if isinstance(rule, NearbyConsumption):
        # the fee is in proportion to the load factor; what it takes off the price of energy must stay
        load_factor = rule.average_load_factor * factor
        return rule.model_copy(update={"basic": _scaled_demand(rule.basic, factor), "average_load_factor": load_factor})
    if isinstance(rule, TransformerCapacity):
        return rule.model_copy(update={"price_per_kva_month": rule.price_per_kva_month * factor})
    return rule.model_copy(update={"price_per_kw_month": rule.price_per_kw_month * factor})

"""What electricity costs at the grid connection: dated tariffs, prices per step, and the bill from the meter alone."""

from vpp_sim.tariffs.bill import Bill, bill
from vpp_sim.tariffs.load import load_tariff, tariff_content, tariff_names
from vpp_sim.tariffs.model import (
    AnyDemand,
    ContractedDemand,
    MaxDemand,
    NearbyConsumption,
    NoDemandCharge,
    Period,
    SeriesReference,
    Tariff,
    Tier,
    TransformerCapacity,
    basic_rule,
)
from vpp_sim.tariffs.prices import export_price_per_kwh, import_price_per_kwh, period_of_step

__all__ = [
    "AnyDemand",
    "Bill",
    "ContractedDemand",
    "MaxDemand",
    "NearbyConsumption",
    "NoDemandCharge",
    "Period",
    "SeriesReference",
    "Tariff",
    "Tier",
    "TransformerCapacity",
    "basic_rule",
    "bill",
    "export_price_per_kwh",
    "import_price_per_kwh",
    "load_tariff",
    "period_of_step",
    "tariff_content",
    "tariff_names",
]

"""What electricity costs at the grid connection: dated tariffs, prices per step, and the bill from the meter alone."""

from vpp_sim.tariffs.bill import Bill, bill
from vpp_sim.tariffs.load import load_tariff, tariff_names
from vpp_sim.tariffs.model import (
    ContractedDemand,
    MaxDemand,
    NoDemandCharge,
    Period,
    SeriesReference,
    Tariff,
    Tier,
    TransformerCapacity,
)
from vpp_sim.tariffs.prices import export_price_per_kwh, import_price_per_kwh, period_of_step

__all__ = [
    "Bill",
    "ContractedDemand",
    "MaxDemand",
    "NoDemandCharge",
    "Period",
    "SeriesReference",
    "Tariff",
    "Tier",
    "TransformerCapacity",
    "bill",
    "export_price_per_kwh",
    "import_price_per_kwh",
    "load_tariff",
    "period_of_step",
    "tariff_names",
]

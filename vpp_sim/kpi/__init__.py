"""Dispatch -> numbers with unit and definition: energy ledger, shares, bill, emissions."""

from vpp_sim.kpi.ledger import Ledger, energy_ledger
from vpp_sim.kpi.table import Summary, summarize

__all__ = ["Ledger", "Summary", "energy_ledger", "summarize"]

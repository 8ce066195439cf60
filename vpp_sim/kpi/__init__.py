"""Dispatch -> numbers with unit and definition: energy ledger, shares, bill, emissions."""

from vpp_sim.kpi.ledger import Ledger, energy_ledger
from vpp_sim.kpi.simulate import Simulation, simulate
from vpp_sim.kpi.table import Summary, summarize

__all__ = ["Ledger", "Simulation", "Summary", "energy_ledger", "simulate", "summarize"]

"""The registry `kind -> class`: adding a component touches its own file and the lines here."""

from __future__ import annotations

from vpp_sim.components.base import Component
from vpp_sim.components.battery import Battery
from vpp_sim.components.data_centre import DataCentre
from vpp_sim.components.ev_station import EvStation
from vpp_sim.components.grid import Grid
from vpp_sim.components.load import Load
from vpp_sim.components.pv import Pv

REGISTRY: dict[str, type[Component]] = {
    "battery": Battery,
    "data_centre": DataCentre,
    "ev_station": EvStation,
    "grid": Grid,
    "load": Load,
    "pv": Pv,
}

__all__ = ["REGISTRY", "Battery", "Component", "DataCentre", "EvStation", "Grid", "Load", "Pv"]

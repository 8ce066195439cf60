"""Scenario files: from YAML to a Scenario, or to every fault with its line."""

from vpp_sim.scenario.load import load_scenario, scenario_from_mapping
from vpp_sim.scenario.model import DispatchOptions, Economics, Horizon, Scenario

__all__ = ["DispatchOptions", "Economics", "Horizon", "Scenario", "load_scenario", "scenario_from_mapping"]

"""Scenario files: from YAML to a Scenario, or to every fault with its line."""

from vpp_sim.scenario.economics import Economics
from vpp_sim.scenario.load import ScenarioFile, load_scenario, read_scenario_file, scenario_from_mapping
from vpp_sim.scenario.model import DispatchOptions, Horizon, Scenario

__all__ = [
    "DispatchOptions",
    "Economics",
    "Horizon",
    "Scenario",
    "ScenarioFile",
    "load_scenario",
    "read_scenario_file",
    "scenario_from_mapping",
]

"""The uncontrolled site: every component without its flexibility, at the sizes that were chosen."""

from __future__ import annotations

from collections.abc import Mapping

from vpp_sim.scenario import Scenario


def baseline_scenario(scenario: Scenario, sizes: Mapping[str, float]) -> Scenario:
    """The scenario with every component `uncontrolled()`, at `sizes` (`component.field`) where free; no targets."""
    idle = {}
    for name, component in scenario.components.items():
        prefix = f"{name}."
        own = {key[len(prefix) :]: size for key, size in sizes.items() if key.startswith(prefix)}
        idle[name] = component.fixed_at(own).uncontrolled()
    return scenario.replace_components(idle).with_targets({})

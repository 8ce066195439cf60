"""Replays a dispatch from its arrays: the bus balance and every component's physics, in code of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vpp_sim.components.base import Check, Flows, equation_check
from vpp_sim.dispatch.result import Dispatch


def audit(result: Dispatch) -> list[Check]:
    """Every statement that was checked, the bus first; a dispatch is sound when all have passed."""
    scenario = result.scenario
    flows = {name: component.flows(result.values(name)) for name, component in scenario.components.items()}
    supply = np.zeros(result.grid.num_steps)
    use = np.zeros(result.grid.num_steps)
    for flow in flows.values():
        supply += _sum(flow, "renewable_kw", "other_supply_kw", "import_kw")
        use += _sum(flow, "use_kw", "export_kw")
        if flow.store is not None:
            supply += flow.store.discharge_kw
            use += flow.store.charge_kw
    scale = float(np.max(use, initial=0.0))
    checks = [equation_check("bus: supply equals use in every step", supply, use, scale)]
    finite = all(np.isfinite(array).all() for array in result.series.values())
    checks.append(Check("bus: every series is finite", 0.0 if finite else np.inf))
    for name, component in scenario.components.items():
        checks += [replace(check, name=f"{name}: {check.name}") for check in component.replay(result.values(name))]
    return checks


def _sum(flow: Flows, *names: str) -> np.ndarray[tuple[int], np.dtype[np.float64]] | float:
    total: np.ndarray[tuple[int], np.dtype[np.float64]] | float = 0.0
    for name in names:
        array = getattr(flow, name)
        if array is not None:
            total = total + array
    return total

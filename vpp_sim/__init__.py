"""vpp_sim: the optimal year of a microgrid with PV, storage, EV charging and flexible compute, certified.

from pathlib import Path
from vpp_sim import load_scenario, simulate, write_folder

run = simulate(load_scenario("scenarios/xining_6mw.yaml"))
run.summary.kpis["saving"].value
write_folder(run, Path("results/xining"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vpp_sim.dispatch import Dispatch
    from vpp_sim.errors import VppSimError
    from vpp_sim.kpi import Simulation, Summary, simulate, summarize
    from vpp_sim.report.folder import read_folder, write_folder
    from vpp_sim.report.verification import verify_folder
    from vpp_sim.scenario import Scenario, load_scenario
    from vpp_sim.studies.sizing import size
    from vpp_sim.studies.study import load_study
    from vpp_sim.studies.sweep import sweep

#: Where each public name lives; it is imported when first used, so that the command line answers at once.
_HOMES = {
    "Dispatch": "vpp_sim.dispatch",
    "Scenario": "vpp_sim.scenario",
    "Simulation": "vpp_sim.kpi",
    "Summary": "vpp_sim.kpi",
    "VppSimError": "vpp_sim.errors",
    "load_scenario": "vpp_sim.scenario",
    "load_study": "vpp_sim.studies.study",
    "read_folder": "vpp_sim.report.folder",
    "simulate": "vpp_sim.kpi",
    "size": "vpp_sim.studies.sizing",
    "summarize": "vpp_sim.kpi",
    "sweep": "vpp_sim.studies.sweep",
    "verify_folder": "vpp_sim.report.verification",
    "write_folder": "vpp_sim.report.folder",
}

__all__ = [
    "Dispatch",
    "Scenario",
    "Simulation",
    "Summary",
    "VppSimError",
    "load_scenario",
    "load_study",
    "read_folder",
    "simulate",
    "size",
    "summarize",
    "sweep",
    "verify_folder",
    "write_folder",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'vpp_sim' has no attribute {name!r}")
    return getattr(import_module(home), name)

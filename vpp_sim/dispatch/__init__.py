"""Scenario -> program -> Dispatch: the optimal run and the uncontrolled one, each replayed by an audit."""

from vpp_sim.dispatch.audit import audit
from vpp_sim.dispatch.baseline import baseline_scenario
from vpp_sim.dispatch.build import build_program
from vpp_sim.dispatch.explain import impossible
from vpp_sim.dispatch.result import Dispatch, SolveRecord
from vpp_sim.dispatch.run import dispatch

__all__ = ["Dispatch", "SolveRecord", "audit", "baseline_scenario", "build_program", "dispatch", "impossible"]

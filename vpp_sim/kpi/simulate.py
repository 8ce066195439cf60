"""The whole of one run: the optimal dispatch, the uncontrolled one, and what both come to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from vpp_sim.components.base import Inputs
from vpp_sim.dispatch import Dispatch, baseline_scenario
from vpp_sim.dispatch.run import Progress, Steps, completed, dispatch_steps
from vpp_sim.dispatch.ties import with_tie_loss
from vpp_sim.kpi.rule_costs import with_rule_costs
from vpp_sim.kpi.table import Summary, summarize
from vpp_sim.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Simulation:
    """One scenario run: `optimal` and `baseline` (the same site uncontrolled) and their summary.

    `timings` in seconds by phase: `load`, `build`, `solve`, `ties` (what deciding between equal plans costs), `rules`
    (pricing rules that are targets), `baseline`, `kpi`.
    """

    optimal: Dispatch
    baseline: Dispatch
    summary: Summary
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def scenario(self) -> Scenario:
        """The scenario as resolved."""
        return self.optimal.scenario


def simulate(scenario: Scenario, *, solver: str | None = None, progress: Progress = lambda phase: None) -> Simulation:
    """Dispatch a scenario with and without control and compute every KPI and check.

    Targets that are rules are priced, and so is deciding between equal plans, by solving once more without each.

    Raises:
        InputError, InfeasibleError, SolverLimitError: as `dispatch` does.
    """
    return completed(simulation_steps(scenario, solver=solver, progress=progress, priced=True, remedies=True))


def simulation_steps(
    scenario: Scenario,
    *,
    inputs: Mapping[str, Inputs] | None = None,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
    priced: bool = False,
    remedies: bool = False,
) -> Steps[Simulation]:
    """`simulate` as steps, for studies that solve many scenarios together; `inputs` where they were read already.

    What takes a solve of its own (rules, ties) is priced with `priced` only.
    """
    started = time.perf_counter()
    if inputs is None:
        progress("reading inputs")
        inputs = scenario.read_inputs()
    reading = time.perf_counter() - started
    optimal = yield from dispatch_steps(scenario, inputs=inputs, solver=solver, progress=progress, remedies=remedies)
    began = time.perf_counter()
    if priced:
        optimal = with_tie_loss(optimal, inputs, solver=solver, progress=progress)
    middle = time.perf_counter()
    if priced:
        optimal = with_rule_costs(optimal, inputs, solver=solver, progress=progress)
    started = time.perf_counter()
    progress("running the site uncontrolled")
    uncontrolled = baseline_scenario(scenario, optimal.sizes)
    baseline = yield from dispatch_steps(uncontrolled, inputs=inputs, solver=solver)
    solved = time.perf_counter()
    progress("computing KPIs and checks")
    summary = summarize(optimal, baseline)
    finished = time.perf_counter()
    timings = {**optimal.timings, "load": reading, "baseline": solved - started, "kpi": finished - solved}
    timings |= {"ties": middle - began} if optimal.ties is not None else {}
    timings |= {"rules": started - middle} if optimal.cost_without else {}
    return Simulation(optimal, baseline, summary, timings)

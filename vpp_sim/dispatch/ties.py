"""What deciding between plans of equal cost can cost: measured for every run, and made smaller where it is too much.

The prices that decide (`components/base.py`) are a second objective in one program. They choose the plan x, whose cost
c'x may lie above the least cost. The program without them gives, by its duals, a cost that no plan is below, whatever
its solver says; the difference is a bound of what was lost, proven from the run's own numbers. It is held against the
money that changes hands, the sum of |c| x, since the cost itself may be near zero. Where it is more than `MOST_LOSS` of
that, the prices are divided and the site is planned again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vpp_sim.components.base import Inputs
from vpp_sim.dispatch.build import build_program
from vpp_sim.dispatch.result import Dispatch, TieBreak
from vpp_sim.dispatch.run import Progress, dispatch, solved_program
from vpp_sim.errors import InfeasibleError, SolverLimitError

#: Share of the money that changes hands that deciding ties may cost.
MOST_LOSS = 1e-6
#: Smaller prices aim at this share of what is allowed.
AIM = 0.3
#: Prices are not divided by more at once, nor more often: below a solver's tolerance they decide nothing.
SMALLEST_FACTOR = 1e-3
ATTEMPTS = 3


def with_tie_loss(
    result: Dispatch,
    inputs: Mapping[str, Inputs],
    *,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Dispatch:
    """The dispatch with what deciding ties cost it at most; planned again at smaller prices where that is too much."""
    factor = 1.0
    for attempt in range(ATTEMPTS):
        progress("pricing what decides between equal plans")
        try:
            found = _measured(result, inputs, factor, solver)
        except (SolverLimitError, InfeasibleError) as error:
            note = f"what deciding between plans of equal cost costs is not known: {error}"
            return replace(result, notes=(*result.notes, note))
        if found.share <= MOST_LOSS or attempt == ATTEMPTS - 1:
            break
        factor *= max(AIM * MOST_LOSS / found.share, SMALLEST_FACTOR)
        result = dispatch(result.scenario, inputs=inputs, solver=solver, progress=progress, tie_factor=factor)
    notes = result.notes
    if factor != 1.0:
        notes = (
            *notes,
            f"prices that decide between plans of equal cost are {1.0 / factor:,.0f} times smaller than usual, since "
            "the site's own differ by little: figures on which no money depends may differ between solvers",
        )
    return replace(result, ties=found, notes=notes)


def _measured(result: Dispatch, inputs: Mapping[str, Inputs], factor: float, solver: str | None) -> TieBreak:
    """Of the plan, before it was handed back to sessions."""
    scenario = result.scenario
    program = build_program(scenario, inputs, tie_factor=factor).without_ties()
    solution = solved_program(scenario, inputs, program, solver=solver)
    certificate, primal = solution.certificate, solution.primal
    if certificate is None or primal is None or result.plan_cost is None:
        raise SolverLimitError(f"{solution.solver} gave no point")
    proven = bool(np.isfinite(certificate.dual_objective))
    least = certificate.dual_objective if proven else solution.objective
    turnover = float(np.abs(program.cost * primal).sum()) + abs(program.cost_offset)
    loss = max(result.plan_cost - least, 0.0)
    return TieBreak(factor, loss, loss / max(turnover, abs(result.plan_cost), np.finfo(float).tiny))

"""Structured interior-point solver."""

from vpp_sim.lp.solvers.structured.solver import (
    StructuredSolver,
    attempt_for_auto,
    declined,
    solve_together,
    try_structured,
)

__all__ = ["StructuredSolver", "attempt_for_auto", "declined", "solve_together", "try_structured"]

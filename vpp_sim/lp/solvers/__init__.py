"""The solver backends behind one function; each is one file with a class of the same small protocol."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

from vpp_sim.lp.certificate import certify
from vpp_sim.lp.program import LinearProgram
from vpp_sim.lp.solution import Solution, SolveOptions


class Solver(Protocol):
    """A backend: a name for records, and one function from program to solution.

    It fills in status, primal, duals, objective, iterations and basis as far as it has them; `solve` below adds the
    time and the certificate. It raises only for what the caller can mend (an unknown option, a missing program).
    """

    name: str

    def solve(self, program: LinearProgram, options: SolveOptions) -> Solution:
        """Solve one program."""
        ...


def solver_by_name(name: str) -> Solver:
    """The backend of a name: `auto`, `highs`, or `pulp:NAME` for a solver that PuLP knows (`pulp:CBC`).

    Raises:
        ValueError: for a name that no backend has.
    """
    if name in ("auto", "highs"):
        from vpp_sim.lp.solvers.highs import HighsSolver

        return HighsSolver()
    if name == "pulp" or name.startswith("pulp:"):
        from vpp_sim.lp.solvers.pulp_bridge import PulpSolver

        return PulpSolver(name.partition(":")[2] or "CBC")
    raise ValueError(f"unknown solver {name!r}; one of auto, highs, pulp:CBC, pulp:HiGHS, pulp:NAME")


def solve(program: LinearProgram, solver: str = "auto", options: SolveOptions | None = None) -> Solution:
    """Solve a program with a named backend; the solution carries our own certificate and the time taken."""
    backend = solver_by_name(solver)
    started = time.perf_counter()
    solution = backend.solve(program, options or SolveOptions())
    seconds = time.perf_counter() - started
    certificate = None
    if solution.primal is not None:
        certificate = certify(program, solution.primal, solution.row_dual)
    return replace(solution, seconds=seconds, certificate=certificate)

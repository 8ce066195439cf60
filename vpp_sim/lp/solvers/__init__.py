"""The solver backends behind one function; each is one file with a class of the same small protocol."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from vpp_sim.lp.certificate import certify
from vpp_sim.lp.program import LinearProgram
from vpp_sim.lp.solution import Solution, SolveOptions, SolveStatus


class Solver(Protocol):
    """A backend: a name for records, and one function from program to solution.

    It fills in status, primal, duals, objective, iterations and basis as far as it has them; `solve` below adds the
    time and the certificate. It raises only for what the caller can mend (an unknown option, a missing program).
    """

    name: str

    def solve(self, program: LinearProgram, options: SolveOptions) -> Solution:
        """Solve one program."""
        ...


class AutoSolver:
    """The structured solver where it takes the program and converges, HiGHS otherwise; the notes say why."""

    name = "auto"

    def solve(self, program: LinearProgram, options: SolveOptions) -> Solution:
        """Solve one program; an algorithm of HiGHS, or a basis to start from, means HiGHS."""
        from vpp_sim.lp.solvers.highs import HighsSolver
        from vpp_sim.lp.solvers.structured import attempt_for_auto

        warm = options.warm_start is not None and options.warm_start.basis is not None
        if options.algorithm is not None or warm:
            return HighsSolver().solve(program, options)
        started = time.perf_counter()
        attempt = attempt_for_auto(program, options)
        if attempt.solution.status in (SolveStatus.OPTIMAL, SolveStatus.TIME_LIMIT, SolveStatus.INFEASIBLE):
            return attempt.solution
        if options.time_limit_seconds is not None:
            left = max(options.time_limit_seconds - (time.perf_counter() - started), 0.0)
            options = replace(options, time_limit_seconds=left)
        solution = HighsSolver().solve(program, options)
        return replace(solution, notes=(*solution.notes, f"not the structured solver: {attempt.reason}"))


def solver_by_name(name: str) -> Solver:
    """The backend of a name: `auto`, `highs`, `structured`, or `pulp:NAME` for a solver that PuLP knows (`pulp:CBC`).

    Raises:
        ValueError: for a name that no backend has.
    """
    if name == "auto":
        return AutoSolver()
    if name == "highs":
        from vpp_sim.lp.solvers.highs import HighsSolver

        return HighsSolver()
    if name == "structured":
        from vpp_sim.lp.solvers.structured import StructuredSolver

        return StructuredSolver()
    if name == "pulp" or name.startswith("pulp:"):
        from vpp_sim.lp.solvers.pulp_bridge import PulpSolver

        return PulpSolver(name.partition(":")[2] or "CBC")
    raise ValueError(f"unknown solver {name!r}; one of auto, highs, structured, pulp:CBC, pulp:HiGHS, pulp:NAME")


def solve(program: LinearProgram, solver: str = "auto", options: SolveOptions | None = None) -> Solution:
    """Solve a program with a named backend; the solution carries our own certificate and the time taken."""
    backend = solver_by_name(solver)
    started = time.perf_counter()
    solution = backend.solve(program, options or SolveOptions())
    seconds = time.perf_counter() - started
    certificate = solution.certificate
    if certificate is None and solution.primal is not None:
        certificate = certify(program, solution.primal, solution.row_dual)
    return replace(solution, seconds=seconds, certificate=certificate)


def solve_batch(
    programs: Iterable[LinearProgram], solver: str = "auto", options: SolveOptions | None = None
) -> list[Solution]:
    """Solve many programs; those that share a structure are solved side by side by the structured solver.

    The programs may come from a generator: they are taken a few dozen at a time and not kept. What the structured
    solver declines or does not converge on goes to HiGHS under `auto`, with the reason in the notes. `seconds` of a
    solution is its batch's time divided by its programs.
    """
    options = options or SolveOptions()
    if solver not in ("auto", "structured"):
        return [solve(program, solver, options) for program in programs]
    from vpp_sim.lp.solvers.structured import solve_together

    return solve_together(programs, options, fall_back=solver == "auto")

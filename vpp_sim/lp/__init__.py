"""Sparse linear programs with chain structure, their solvers and certificates; knows nothing of energy."""

from vpp_sim.lp.builder import GlobalVariable, ProgramBuilder, StepVariable
from vpp_sim.lp.certificate import Certificate, certify
from vpp_sim.lp.program import LinearProgram
from vpp_sim.lp.solution import Basis, Solution, SolveOptions, SolveStatus
from vpp_sim.lp.solvers import solve, solve_batch

__all__ = [
    "Basis",
    "Certificate",
    "GlobalVariable",
    "LinearProgram",
    "ProgramBuilder",
    "Solution",
    "SolveOptions",
    "SolveStatus",
    "StepVariable",
    "certify",
    "solve",
    "solve_batch",
]

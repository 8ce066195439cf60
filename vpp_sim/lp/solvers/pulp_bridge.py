"""Any solver that PuLP knows, through PuLP's own model objects: the second opinion, and the door to other solvers.

What a solver gives through PuLP is what PuLP passes on: statuses are few, duals are missing for some (GLPK, SCIP), and
solvers that are run as programs lose digits in text files (CBC answers with 8). The certificate tells whether
that was good enough.
"""

from __future__ import annotations

import inspect
import math
import tempfile
import warnings
from typing import Any

import numpy as np

from vpp_sim.lp.program import FloatArray, LinearProgram
from vpp_sim.lp.solution import Solution, SolveOptions, SolveStatus
from vpp_sim.lp.solvers.highs import DUAL_TOLERANCE

# Short names, each with PuLP's own names in the order in which they are tried, and what to install for them.
FAMILIES: dict[str, tuple[tuple[str, ...], str]] = {
    "CBC": (
        ("PULP_CBC_CMD", "COIN_CMD"),
        "reinstall PuLP, whose wheels ship CBC, or put the program `cbc` on the PATH",
    ),
    "HiGHS": (("HiGHS", "HiGHS_CMD"), "pip install highspy, or put the program `highs` on the PATH"),
    "GLPK": (("GLPK_CMD", "PYGLPK"), "put the program `glpsol` on the PATH (package glpk-utils or glpk)"),
    "GUROBI": (("GUROBI", "GUROBI_CMD"), "pip install gurobipy, with a licence"),
    "CPLEX": (("CPLEX_PY", "CPLEX_CMD"), "pip install cplex, with a licence"),
    "SCIP": (("SCIP_PY", "SCIP_CMD", "FSCIP_CMD"), "pip install pyscipopt, or put the program `scip` on the PATH"),
    "XPRESS": (("XPRESS_PY", "XPRESS", "XPRESS_CMD"), "pip install xpress, with a licence"),
    "MOSEK": (("MOSEK",), "pip install mosek, with a licence"),
    "COPT": (("COPT", "COPT_DLL", "COPT_CMD"), "pip install coptpy, with a licence"),
}


class PulpSolver:
    """Backend `pulp:NAME`; NAME is a short name from FAMILIES or one of `pulp.listSolvers()`, in any case.

    Raises:
        ValueError: for a name that PuLP does not know, or a solver that is not installed.
    """

    def __init__(self, name: str = "CBC") -> None:
        short, own_names, install = _family(name)
        available = [own for own in own_names if _make(own).available()]
        if not available:
            here = ", ".join(own for own in _known() if _make(own).available())
            missing = " or ".join(own_names)
            raise ValueError(f"pulp:{short} is not installed here ({missing}): {install}; installed: {here}")
        self.pulp_name = available[0]
        self.name = f"pulp:{short}"

    def solve(self, program: LinearProgram, options: SolveOptions) -> Solution:
        """Solve one program; see `Solver.solve`. It heeds time limit, threads, tolerance (CBC, HiGHS), verbose."""
        import pulp

        common: dict[str, Any] = {"solver": self.name, "solver_version": f"PuLP {pulp.__version__} {self.pulp_name}"}
        if (program.lower > program.upper).any() or (program.row_lower > program.row_upper).any():
            # not every file format can say this
            return Solution(status=SolveStatus.INFEASIBLE, message="a lower bound lies above its upper bound", **common)
        with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="vpp_sim_pulp_") as folder:
            # PuLP 3.3 announces PuLP 4 with a warning per object
            warnings.simplefilter("ignore")
            model = _PulpModel(program)
            solver = _make(self.pulp_name, **self._settings(options))
            if hasattr(solver, "tmpDir"):
                solver.tmpDir = folder
            try:
                status, word = _outcome(model.problem, solver)
                if status is SolveStatus.INFEASIBLE and program.cost.any():
                    # PuLP also says so where the solver says infeasible or unbounded; without costs the latter is out
                    without_costs = _PulpModel(program.with_numbers(cost=np.zeros(program.num_columns)))
                    if _outcome(without_costs.problem, solver)[0] is SolveStatus.OPTIMAL:
                        status, word = SolveStatus.UNBOUNDED, f"{word}; feasible without costs"
            except Exception as error:  # every vendor's interface raises its own kinds
                return Solution(status=SolveStatus.ERROR, message=f"{type(error).__name__}: {error}", **common)
        if status is not SolveStatus.OPTIMAL:
            stopped = status is SolveStatus.ERROR and options.time_limit_seconds is not None
            return Solution(status=SolveStatus.TIME_LIMIT if stopped else status, message=word, **common)
        primal = model.primal()
        objective = float((program.cost * primal).sum()) + program.cost_offset
        return Solution(
            status=status, primal=primal, row_dual=model.row_dual(), objective=objective, message=word, **common
        )

    def _settings(self, options: SolveOptions) -> dict[str, Any]:
        accepted = inspect.signature(type(_make(self.pulp_name)).__init__).parameters
        settings: dict[str, Any] = {"msg": options.verbose}
        is_cbc = self.pulp_name in FAMILIES["CBC"][0]
        is_highs = self.pulp_name == "HiGHS"
        if options.time_limit_seconds is not None:
            seconds = options.time_limit_seconds
            settings["timeLimit"] = seconds if is_cbc or is_highs else math.ceil(seconds)
        if options.threads is not None and "threads" in accepted:
            settings["threads"] = options.threads
        if is_cbc:
            settings["mip"] = False
        dual = DUAL_TOLERANCE if options.tolerance is None else options.tolerance
        if is_cbc:
            settings["options"] = [f"dualTolerance {dual!r}"]
        if is_highs:
            settings["dual_feasibility_tolerance"] = dual
        if options.tolerance is not None and is_cbc:
            settings["options"].append(f"primalTolerance {options.tolerance!r}")
        if options.tolerance is not None and is_highs:
            settings["primal_feasibility_tolerance"] = options.tolerance
        return settings


class _PulpModel:
    """A program as PuLP objects; empty columns without cost, and free rows, have no place there and stay outside."""

    def __init__(self, program: LinearProgram) -> None:
        import pulp

        self._program = program
        self.problem = problem = pulp.LpProblem("program", pulp.LpMinimize)
        # zero-padded: PuLP sorts the variables by name again and again, which is quick when they are in order
        new_variable = getattr(problem, "add_variable", pulp.LpVariable)
        self._variables = variables = [
            new_variable(f"x{column:07d}", low, high)
            for column, (low, high) in enumerate(zip(_or_none(program.lower), _or_none(program.upper), strict=True))
        ]
        costs = program.cost.tolist()
        problem += pulp.LpAffineExpression([(variables[column], cost) for column, cost in enumerate(costs) if cost])

        rows = program.matrix.tocsr()
        columns, values, starts = rows.indices.tolist(), rows.data.tolist(), rows.indptr.tolist()
        # a row with two different bounds is two constraints, whose duals add up to the row's
        self._constraints: list[tuple[int, Any]] = []
        for row, (low, high) in enumerate(zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)):
            span = slice(starts[row], starts[row + 1])
            pairs = [(variables[column], value) for column, value in zip(columns[span], values[span], strict=True)]
            if low == high:
                senses = [("e", pulp.LpConstraintEQ, low)]
            else:
                senses = [("g", pulp.LpConstraintGE, low)] if low != -math.inf else []
                senses += [("l", pulp.LpConstraintLE, high)] if high != math.inf else []
            for letter, sense, bound in senses:
                constraint = pulp.LpConstraint(pulp.LpAffineExpression(pairs), sense, rhs=bound)
                problem.addConstraint(constraint, f"{letter}{row:07d}")
                self._constraints.append((row, constraint))

    def primal(self) -> FloatArray:
        """The point found, put back into bounds that lost digits broke; left-out columns as near 0 as may be."""
        values = np.array([variable.varValue or 0.0 for variable in self._variables], dtype=np.float64)
        return np.clip(values, self._program.lower, self._program.upper)

    def row_dual(self) -> FloatArray | None:
        """Duals of the rows, or None where the solver gave none."""
        duals = [constraint.pi for _, constraint in self._constraints]
        if any(dual is None for dual in duals):
            return None
        row_dual = np.zeros(self._program.num_rows)
        np.add.at(row_dual, [row for row, _ in self._constraints], duals)
        return row_dual


def _outcome(problem: Any, solver: Any) -> tuple[SolveStatus, str]:
    """Solve, and say how it ended; ERROR stands for every end without an answer."""
    import pulp

    problem.solve(solver)
    word = pulp.LpStatus[problem.status]
    if problem.sol_status == pulp.constants.LpSolutionIntegerFeasible:
        # PuLP calls a run that stopped early optimal when it left a point behind
        return SolveStatus.ERROR, f"{word}, but stopped early"
    status = {
        pulp.LpStatusOptimal: SolveStatus.OPTIMAL,
        pulp.LpStatusInfeasible: SolveStatus.INFEASIBLE,
        pulp.LpStatusUnbounded: SolveStatus.UNBOUNDED,
    }.get(problem.status, SolveStatus.ERROR)
    return status, word


def _or_none(bounds: FloatArray) -> list[float | None]:
    return [bound if math.isfinite(bound) else None for bound in bounds.tolist()]


def _known() -> list[str]:
    import pulp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(dict.fromkeys(pulp.listSolvers()))


def _make(pulp_name: str, **settings: Any) -> Any:
    import pulp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pulp.getSolver(pulp_name, **{"msg": False, **settings})


def _family(name: str) -> tuple[str, tuple[str, ...], str]:
    """The name as it is written, PuLP's names to try for it, and what to install if none is there."""
    for short, (own_names, install) in FAMILIES.items():
        if name.lower() == short.lower():
            return short, own_names, install
    known = _known()
    for own in known:
        if name.lower() == own.lower():
            install = next((text for names, text in FAMILIES.values() if own in names), "see PuLP's list of solvers")
            return own, (own,), install
    raise ValueError(f"PuLP knows no solver {name!r}; short names: {', '.join(FAMILIES)}; its own: {', '.join(known)}")

"""What a solver returns: status, primal and dual values, and the certificate that we computed ourselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from vpp_sim.lp.program import FloatArray, LinearProgram

if TYPE_CHECKING:
    from vpp_sim.lp.certificate import Certificate


class SolveStatus(Enum):
    """How a solve ended; each value is a sentence that says what to try next."""

    OPTIMAL = "optimal"
    INFEASIBLE = "no point meets all constraints: loosen a bound or a limit"
    UNBOUNDED = "the objective falls without end: a cost has the wrong sign, or an upper bound is missing"
    INFEASIBLE_OR_UNBOUNDED = (
        "infeasible or unbounded, not told apart: solve again without presolve, or with zero costs"
    )
    TIME_LIMIT = "stopped at the time limit: raise it, or try another solver"
    ITERATION_LIMIT = "stopped at the iteration limit: raise it, or try another solver"
    INACCURATE = "stalled before the tolerance was met: try another solver, or a looser tolerance"
    ERROR = "the solver failed: see its message, and try another solver"

    @property
    def word(self) -> str:
        """The status as one lower-case word for tables and files, e.g. `time_limit`."""
        return self.name.lower()


@dataclass(frozen=True)
class SolveOptions:
    """What may be asked of any backend; one that has no such setting ignores it.

    `warm_start` is an earlier solution of a program of the same shape that kept its basis (`keep_basis`).
    """

    time_limit_seconds: float | None = None
    tolerance: float | None = None
    algorithm: str | None = None
    threads: int | None = None
    warm_start: Solution | None = None
    keep_basis: bool = False
    verbose: bool = False


@dataclass(frozen=True, eq=False)
class Basis:
    """A simplex basis, kept as HiGHS holds it: copying a year's into arrays and back takes a sixth of a second."""

    num_columns: int
    num_rows: int
    held: Any


@dataclass(frozen=True, eq=False)
class Solution:
    """One solve of one program.

    `row_dual` (num_rows,) is the change of the objective per unit of the row's binding bound, `reduced_cost`
    (num_columns,) likewise per unit of a variable's bound; both are None where the solver gives no duals, and all
    arrays are None where there is no point to show.
    """

    status: SolveStatus
    solver: str
    solver_version: str = ""
    algorithm: str = ""
    primal: FloatArray | None = None
    row_dual: FloatArray | None = None
    objective: float = np.nan
    iterations: int = 0
    seconds: float = 0.0
    message: str = ""
    basis: Basis | None = None
    certificate: Certificate | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def is_optimal(self) -> bool:
        """Whether the solver claims an optimum (the certificate says whether it is one)."""
        return self.status is SolveStatus.OPTIMAL

    def reduced_cost(self, program: LinearProgram) -> FloatArray | None:
        """cost - A'y, (num_columns,), from the row duals; None where there are none."""
        if self.row_dual is None:
            return None
        return np.asarray(program.cost - program.matrix.T @ self.row_dual)

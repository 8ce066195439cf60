"""HiGHS: a failure on the way back from its presolve does not end a run."""

import highspy
import numpy as np
import pytest

from vpp_sim.lp.builder import ProgramBuilder
from vpp_sim.lp.solution import SolveOptions, SolveStatus
from vpp_sim.lp.solvers import solve


class FailsAfterPresolve(highspy.Highs):  # type: ignore[misc]
    """HiGHS as it behaves on the zero-carbon year: an error unless presolve is off."""

    def getModelStatus(self):
        failed = self.getOptionValue("presolve")[1] != "off"
        return highspy.HighsModelStatus.kSolveError if failed else super().getModelStatus()


def test_a_failure_after_presolve_is_solved_again_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = ProgramBuilder(2)
    power = builder.variables("a.power_kw", upper=5.0, cost=2.0)
    builder.constrain("a.need_kw", [(power, 1.0)], lower=np.array([1.0, 3.0]))
    program = builder.freeze()
    monkeypatch.setattr(highspy, "Highs", FailsAfterPresolve)
    solution = solve(program, "highs", SolveOptions())
    assert solution.status is SolveStatus.OPTIMAL
    assert solution.objective == pytest.approx(8.0)
    assert "HiGHS failed after its presolve and solved the program without it" in solution.notes

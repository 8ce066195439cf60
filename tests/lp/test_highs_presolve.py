"""HiGHS: a failure on the way back from its presolve does not end a run."""

import highspy
import numpy as np
import pytest

from vpp_sim.lp.builder import ProgramBuilder
from vpp_sim.lp.solution import SolveOptions, SolveStatus
from vpp_sim.lp.solvers import solve


class FailsAfterPresolve(highspy.Highs):  # type: ignore[misc]
    """HiGHS as it behaves on the zero-carbon year (an error), and on a small site with a ratchet (nothing at all)."""

    ends_in = highspy.HighsModelStatus.kSolveError

    def getModelStatus(self):
        failed = self.getOptionValue("presolve")[1] != "off"
        return self.ends_in if failed else super().getModelStatus()


@pytest.mark.parametrize("status", ["kSolveError", "kNotset", "kUnknown"])
def test_a_failure_after_presolve_is_solved_again_without_it(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    monkeypatch.setattr(FailsAfterPresolve, "ends_in", getattr(highspy.HighsModelStatus, status))
    builder = ProgramBuilder(2)
    power = builder.variables("a.power_kw", upper=5.0, cost=2.0)
    builder.constrain("a.need_kw", [(power, 1.0)], lower=np.array([1.0, 3.0]))
    program = builder.freeze()
    monkeypatch.setattr(highspy, "Highs", FailsAfterPresolve)
    solution = solve(program, "highs", SolveOptions())
    assert solution.status is SolveStatus.OPTIMAL
    assert solution.objective == pytest.approx(8.0)
    assert "HiGHS failed after its presolve and solved the program without it" in solution.notes

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


class MissesRows(highspy.Highs):  # type: ignore[misc]
    """HiGHS as it behaves on two weeks with an on-site target: a good basis, and a point that misses rows by 1e-3."""

    def getSolution(self):
        found = super().getSolution()
        found.col_value = [value + 0.01 * (column < 3) for column, value in enumerate(found.col_value)]
        return found


def test_a_point_that_misses_rows_is_computed_again_from_its_basis(monkeypatch: pytest.MonkeyPatch) -> None:
    # by hand: state 4, 2 + 3, 2.5 + 3; the start of 4 is at its upper bound, those of 3 are what the need asks for
    builder = ProgramBuilder(3)
    state = builder.variables("a.state_kwh")
    start = builder.variables("a.start_kw", upper=np.array([4.0, 9.0, 9.0]), cost=np.array([-1.0, 1.0, 1.0]))
    builder.constrain("a.chain_kwh", [(state, 1.0), (state.previous, -0.5), (start, -1.0)], equals=0.0)
    builder.constrain("a.need_kwh", [(state, 1.0)], lower=np.array([0.0, 5.0, 5.5]))
    program = builder.freeze()
    monkeypatch.setattr(highspy, "Highs", MissesRows)
    solution = solve(program, "highs", SolveOptions())
    assert solution.primal == pytest.approx([4.0, 5.0, 5.5, 4.0, 3.0, 3.0], abs=1e-12)
    assert solution.objective == pytest.approx(2.0, abs=1e-12)
    assert solution.certificate is not None
    assert solution.certificate.passed(1e-12)
    assert any("computed again from the basis" in note for note in solution.notes)

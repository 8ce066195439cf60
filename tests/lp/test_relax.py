"""Numbers of a program that become variables: the least change, the same on every solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vpp_sim.lp import LinearProgram, ProgramBuilder, solve
from vpp_sim.lp.relax import Shift, shift_between, with_shifts


def site(limit: float, energy: float, budget: float = 1e3, *, steps: int = 96) -> LinearProgram:
    """A supply of at most `limit` and `budget` in all, a store of `energy`, and a demand of 4 by night and 1 by day."""
    builder = ProgramBuilder(steps)
    supply = builder.variables("supply", upper=limit, cost=1.0)
    stored = builder.variables("stored", upper=energy)
    charge, discharge = builder.variables("charge"), builder.variables("discharge")
    start = builder.global_variables("start", upper=energy)
    demand = np.where(np.arange(steps) % 24 < 6, 4.0, 1.0)
    builder.constrain("balance", [(supply, 1.0), (charge, -1.0), (discharge, 1.0)], equals=demand)
    at_start, at_end = np.zeros(steps), np.zeros(steps)
    at_start[0] = at_end[-1] = 1.0
    rows = [(stored, 1.0), (stored.previous, -1.0), (charge, -1.0), (discharge, 1.0), (start, -at_start)]
    builder.constrain("dynamics", rows, equals=0.0)
    builder.constrain_total("closure", [(stored, at_end), (start, -1.0)], equals=0.0)
    builder.constrain_total("budget", [(supply, 1.0)], upper=budget)
    return builder.freeze()


def least(program: LinearProgram, shift: Shift, solver: str) -> float:
    wider = with_shifts(program, [shift], np.array([1e3]), np.ones(1))
    solution = solve(wider, solver)
    assert solution.is_optimal
    assert solution.certificate is not None
    assert solution.certificate.passed()
    return solution.objective


@pytest.mark.parametrize("solver", ["highs", "structured"])
@pytest.mark.parametrize(
    ("own", "other", "needed"),
    [
        # six hours of 4 from a supply of 2 take 12 from the store; a store of 6 leaves 18 for six hours, 3 each
        (lambda: site(2.0, 6.0), lambda: site(3.0, 6.0), 1.0),
        # a bound of a global moves with that of the store
        (lambda: site(2.0, 6.0), lambda: site(2.0, 7.0), 6.0),
        # four days of 24 + 18 are 168; a row over all steps
        (lambda: site(4.0, 6.0, 100.0), lambda: site(4.0, 6.0, 101.0), 68.0),
    ],
)
def test_the_least_change_of_a_number_is_that_worked_by_hand(
    own: Callable[[], LinearProgram], other: Callable[[], LinearProgram], needed: float, solver: str
) -> None:
    program = own()
    assert not solve(program, "highs").is_optimal
    shift = shift_between(program, other(), 1.0)
    assert shift is not None
    assert least(program, shift, solver) == pytest.approx(needed, rel=1e-6)


def test_numbers_keep_a_program_a_chain() -> None:
    """Each adds a global, and a row block for each block of bounds that moves; nothing else changes."""
    program = site(2.0, 6.0)
    limit, store = shift_between(program, site(3.0, 6.0), 1.0), shift_between(program, site(2.0, 7.0), 1.0)
    assert limit is not None
    assert store is not None
    wider = with_shifts(program, [limit, store], np.full(2, 10.0), np.ones(2))
    assert wider.num_columns == program.num_columns + 2
    names = [block.name for block in wider.row_blocks[len(program.row_blocks) :]]
    assert names == ["supply_upper_moved", "stored_upper_moved"]
    assert [row.name for row in wider.total_rows] == ["closure", "budget", "start_0_upper_moved"]
    assert wider.matrix.shape == (wider.num_rows, wider.num_columns)
    np.testing.assert_array_equal(
        wider.matrix[: program.first_total_row, : program.num_columns].toarray(),
        program.matrix[: program.first_total_row].toarray(),
    )

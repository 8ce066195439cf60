"""What is fixed or free is taken out before the structured solver sees it, and put back: the same optimum and duals."""

from __future__ import annotations

import numpy as np
import pytest

from vpp_sim.lp import LinearProgram, ProgramBuilder, SolveStatus, certify, solve, solve_batch
from vpp_sim.lp.reduce import reduced


def _site(car_kw: list[float], limit_kw: float = 5.0) -> LinearProgram:
    """Three steps: grid power at 1, 3, 2 and a battery of 4 kWh serve a car whose power is fixed, and 2 kW of load."""
    build = ProgramBuilder(3)
    bought = build.variables("grid", upper=10.0, cost=np.array([1.0, 3.0, 2.0]))
    car = build.variables("car", lower=np.array(car_kw), upper=np.array(car_kw), cost=0.5)
    due = build.variables("due", lower=0.0, upper=20.0)
    state = build.variables("state", upper=4.0)
    charge = build.variables("charge", lower=-10.0, upper=10.0)
    build.constrain("free", [(due, 1.0), (due.previous, -1.0), (car, 1.0)])
    build.constrain("car_limit", [(car, 1.0)], upper=limit_kw)
    build.constrain("battery", [(state, 1.0), (state.previous, -1.0), (charge, -1.0)], equals=0.0)
    build.constrain("bus", [(bought, 1.0), (car, -1.0), (charge, -1.0)], equals=2.0)
    return build.freeze()


def test_what_is_fixed_goes_into_bounds_and_offset_by_hand():
    # cars 1, 2, 3: the bus needs 3, 4, 5; the battery shifts 4 kWh from 3 (step 1) to 1 (step 0); 7 + 0 + 10 + cars 3
    program = _site([1.0, 2.0, 3.0])
    (smaller,) = reduced([program])
    assert [block.name for block in smaller.program.step_blocks] == ["grid", "due", "state", "charge"]
    assert [row.name for row in smaller.program.row_blocks] == ["battery", "bus"]
    assert smaller.program.cost_offset == 3.0
    assert smaller.program.row_lower[smaller.program.rows("bus")].tolist() == [3.0, 4.0, 5.0]
    solution = solve(program, "structured")
    assert solution.objective == pytest.approx(20.0, rel=1e-8)
    assert solution.primal[program.columns("car")].tolist() == [1.0, 2.0, 3.0]
    assert solution.primal[program.columns("grid")] == pytest.approx([7.0, 0.0, 5.0], abs=1e-6)
    assert solution.row_dual[program.rows("free")].tolist() == [0.0, 0.0, 0.0]
    assert solution.row_dual[program.rows("bus")][[0, 2]] == pytest.approx([1.0, 2.0], abs=1e-6)
    assert certify(program, solution.primal, solution.row_dual).passed(1e-8)


def test_only_what_is_fixed_in_all_programs_is_taken_out():
    one, other = _site([1.0, 2.0, 3.0]), _site([0.0, 0.0, 5.0])
    upper = other.upper.copy()
    upper[other.columns("car")] = [1.0, 0.0, 5.0]
    loose = other.with_numbers(upper=upper)
    assert [len(each.program.step_blocks) for each in reduced([one, other])] == [4, 4]
    assert [len(each.program.step_blocks) for each in reduced([one, loose])] == [5, 5]
    objectives = [solution.objective for solution in solve_batch([one, other, loose, one], "structured")]
    assert objectives == pytest.approx([solve(p, "highs").objective for p in (one, other, loose, one)], rel=1e-7)


def test_fixed_numbers_that_break_a_row_stay_infeasible():
    # a car at 3 kW behind a limit of 2.5 kW: taking the row out would hide that
    program = _site([1.0, 2.0, 3.0], limit_kw=2.5)
    assert reduced([program])[0].program is program
    assert solve(program, "structured").status is SolveStatus.INFEASIBLE


def test_an_equation_of_globals_is_not_left_behind():
    # total row of one fixed block: without its block it would have no entry; with a global it would bind that alone
    build = ProgramBuilder(2)
    used, fixed = build.variables("used", upper=3.0, cost=1.0), build.variables("fixed", lower=1.0, upper=1.0)
    size = build.global_variables("size", upper=9.0, cost=1.0)
    build.constrain("need", [(used, 1.0), (fixed, 1.0)], lower=2.0)
    build.constrain("below_size", [(size, 1.0), (fixed, -1.0)], lower=0.0)
    build.constrain_total("all", [(fixed, 1.0)], upper=2.0)
    program = build.freeze()
    assert len(reduced([program])[0].program.step_blocks) == 2
    assert solve(program, "structured").objective == pytest.approx(3.0, rel=1e-8)


@pytest.mark.parametrize("shape", [1, 8, 20, 33])
def test_random_programs_with_a_fixed_block_agree_with_highs(shape, random_program):
    """A block held where the optimum has it costs nothing; held a little off, HiGHS says how much."""
    rng = np.random.default_rng(shape)
    programs = []
    for k in range(4):
        program = random_program(shape, numbers_seed=31 * shape + k, max_steps=96)
        block = program.step_blocks[shape % len(program.step_blocks)]
        at = slice(block.start, block.start + program.num_steps)
        best = solve(program, "highs").primal[at]
        held = np.clip(best * rng.uniform(0.999, 1.0, best.size), program.lower[at], program.upper[at])
        lower, upper = program.lower.copy(), program.upper.copy()
        lower[at] = upper[at] = held
        programs.append(program.with_numbers(lower=lower, upper=upper))
    for program, solution in zip(programs, solve_batch(programs, "auto"), strict=True):
        reference = solve(program, "highs")
        assert solution.status == reference.status
        if reference.is_optimal:
            assert solution.objective == pytest.approx(reference.objective, rel=1e-6, abs=1e-6)
            assert certify(program, solution.primal, solution.row_dual).passed(1e-7)

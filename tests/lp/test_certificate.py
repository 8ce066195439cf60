"""The certificate passes what is optimal and fails everything else, however the wrongness is dressed up."""

from dataclasses import replace

import numpy as np
import pytest

from vpp_sim.lp import LinearProgram, ProgramBuilder, certify, solve
from vpp_sim.lp.certificate import proves_infeasibility


def optimum(program: LinearProgram) -> tuple[np.ndarray, np.ndarray]:
    solution = solve(program)
    assert solution.is_optimal
    return solution.primal.copy(), solution.row_dual.copy()


def exact(known) -> tuple[np.ndarray, np.ndarray]:
    """The point and duals known by hand."""
    program = known.program
    primal, dual = np.zeros(program.num_columns), np.zeros(program.num_rows)
    for name, values in known.primal.items():
        primal[program.columns(name)] = values
    for name, values in known.row_dual.items():
        dual[program.rows(name)] = values
    return primal, dual


@pytest.mark.parametrize(
    "name", ["arbitrage", "transport", "demand_charge", "fixed", "free", "ranges", "large_numbers"]
)
def test_the_hand_computed_optimum_is_proven_to_rounding(name, known_by_name):
    known = known_by_name(name)
    certificate = certify(known.program, *exact(known))
    assert certificate.passed(1e-14), certificate
    assert certificate.proves_optimality
    assert certificate.primal_objective == pytest.approx(known.objective, rel=1e-14)
    assert certificate.dual_objective == pytest.approx(known.objective, rel=1e-14)


def test_a_point_that_breaks_a_row_fails_by_the_size_of_the_break(known_by_name):
    known = known_by_name("transport")
    primal, dual = exact(known)
    primal[known.program.columns("b")] = [9.9, 0, 10]  # 9.9 of the 10 demanded in market 0
    certificate = certify(known.program, primal, dual)
    assert certificate.primal_residual == pytest.approx(0.1 / 10.0)
    assert certificate.dual_residual == 0.0
    assert not certificate.passed()


def test_a_point_that_breaks_a_bound_fails_by_the_size_of_the_break(known_by_name):
    known = known_by_name("arbitrage")
    primal, dual = exact(known)
    primal[known.program.columns("bought")] = [3, 1.2, 3, 1]
    primal[known.program.columns("charge")] = [1.001, 0, 1, 0]
    certificate = certify(known.program, primal, dual)
    assert certificate.primal_residual == pytest.approx(0.001, rel=0.2)
    assert not certificate.passed()


def test_a_feasible_but_worse_point_fails_by_the_money_it_loses(known_by_name):
    # the store stays idle: 2 x (1 + 4 + 2 + 5) = 24 instead of 18.8
    known = known_by_name("arbitrage")
    _, dual = exact(known)
    primal = np.zeros(known.program.num_columns)
    primal[known.program.columns("bought")] = 2.0
    certificate = certify(known.program, primal, dual)
    assert certificate.primal_residual == 0.0
    assert certificate.dual_residual == 0.0
    assert certificate.gap == pytest.approx(5.2 / 24.0)
    assert not certificate.passed()


def test_a_wrong_dual_fails(known_by_name):
    known = known_by_name("transport")
    primal, dual = exact(known)
    # too high a price in market 0: a could earn on it, which it cannot at its cost; dual infeasible by 4 of its terms
    wrong = dual.copy()
    wrong[0] = 15.0
    certificate = certify(known.program, primal, wrong)
    assert certificate.dual_residual == pytest.approx(6.0 / (9.0 + 15.0))
    # too low a price: feasible, but it proves less
    wrong[0] = 7.0
    certificate = certify(known.program, primal, wrong)
    assert certificate.dual_residual == 0.0
    assert certificate.gap == pytest.approx(20.0 / 420.0)
    # the sign that other packages use
    certificate = certify(known.program, primal, -dual)
    assert not certificate.passed(0.1)


def test_a_dual_of_the_wrong_sign_is_no_help_and_no_harm_by_itself(known_by_name):
    # "demand >= d" has no use for a negative price: it counts as 0, and the loss shows in the gap
    known = known_by_name("transport")
    primal, dual = exact(known)
    dual[0] = -1.0
    certificate = certify(known.program, primal, dual)
    assert certificate.dual_residual == 0.0
    assert certificate.gap == pytest.approx(90.0 / 420.0)


def test_without_duals_only_feasibility_is_judged(known_by_name):
    known = known_by_name("arbitrage")
    primal = np.zeros(known.program.num_columns)
    primal[known.program.columns("bought")] = 2.0
    certificate = certify(known.program, primal, None)
    assert certificate.passed()
    assert not certificate.proves_optimality
    primal[known.program.columns("bought")] = 1.9
    assert not certify(known.program, primal, None).passed()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_never_pass(bad, known_by_name):
    known = known_by_name("transport")
    primal, dual = exact(known)
    primal_bad, dual_bad = primal.copy(), dual.copy()
    primal_bad[0], dual_bad[0] = bad, bad
    assert not certify(known.program, primal_bad, dual).passed(1.0)
    assert not certify(known.program, primal_bad, None).passed(1.0)
    certificate = certify(known.program, primal, dual_bad)
    assert not certificate.passed(1.0)
    assert not certificate.proves_optimality


def test_a_huge_upper_bound_does_not_excuse_a_broken_lower_bound():
    # relative to the upper bound of 1e9 a level of -50 would look like 5e-8
    builder = ProgramBuilder(1)
    x = builder.variables("x", upper=1e9, cost=1.0)
    builder.constrain("row", [(x, 1.0)], lower=-100.0, upper=1e9)
    program = builder.freeze()
    assert certify(program, np.array([0.0]), np.array([0.0])).passed()
    assert certify(program, np.array([-50.0]), np.array([0.0])).primal_residual == pytest.approx(50.0)
    # and the same for a row
    builder = ProgramBuilder(1)
    x = builder.variables("x", lower=-np.inf, cost=1.0)
    builder.constrain("row", [(x, 1.0)], lower=0.0, upper=1e9)
    assert certify(builder.freeze(), np.array([-50.0]), np.array([1.0])).primal_residual == pytest.approx(1.0)


def test_a_huge_dual_elsewhere_does_not_excuse_a_wrong_one():
    # a penalty of 1e7 in one row; in the other the dual has the sign of a bound that is not there
    builder = ProgramBuilder(2)
    x = builder.variables("x", cost=[1e7, 1.0])
    builder.constrain("row", [(x, 1.0)], lower=[1.0, 3.0])
    program = builder.freeze()
    primal = np.array([1.0, 3.0])
    assert certify(program, primal, np.array([1e7, 1.0])).passed(1e-15)
    # judged by the larger dual, 1.5 too high would be 1.5e-7
    assert certify(program, primal, np.array([1e7, 2.5])).dual_residual == pytest.approx(1.5 / 3.5)


def test_a_large_constant_does_not_hide_the_gap(known_by_name):
    known = known_by_name("arbitrage")
    primal, dual = exact(known)
    idle = np.zeros(known.program.num_columns)
    idle[known.program.columns("bought")] = 2.0
    program = replace(known.program, cost_offset=1e9)
    assert certify(program, primal, dual).passed()
    assert certify(program, idle, dual).gap == pytest.approx(5.2 / 24.0)
    assert certify(program, idle, dual).primal_objective == 1e9 + 24.0


@pytest.mark.parametrize("money", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("amount", [1e-9, 1.0, 1e9])
def test_units_do_not_change_the_verdict(money, amount, known_by_name):
    # in thousands of millions, or in nanowatts: the idle store stays as wrong as it is, the optimum as right
    known = known_by_name("arbitrage")
    program = known.program
    scaled = program.with_numbers(
        cost=program.cost * money,
        lower=program.lower * amount,
        upper=program.upper * amount,
        row_lower=program.row_lower * amount,
        row_upper=program.row_upper * amount,
    )
    primal, dual = exact(known)
    assert certify(scaled, primal * amount, dual * money).passed(1e-12)
    idle = np.zeros(program.num_columns)
    idle[program.columns("bought")] = 2.0 * amount
    assert certify(scaled, idle, dual * money).gap == pytest.approx(5.2 / 24.0)
    less = primal.copy()
    less[program.columns("bought")] -= 0.1
    assert certify(scaled, less * amount, dual * money).primal_residual > 1e-2
    # each price doubled
    assert not certify(scaled, primal * amount, 2.0 * dual * money).passed(1e-2)


def test_every_single_change_of_an_optimum_on_a_long_chain_is_noticed(long_arbitrage):
    # the largest change that may pass is what the tolerance of 1e-6 says, not what scaling forgives
    program = long_arbitrage(200, 7)
    primal, dual = optimum(program)
    assert certify(program, primal, dual).passed(1e-9)
    rng = np.random.default_rng(0)
    for column in rng.choice(program.num_columns, 60, replace=False):
        wrong = primal.copy()
        wrong[column] += 1e-3 * max(1.0, abs(wrong[column]))
        assert not certify(program, wrong, dual).passed(), column
    for row in rng.choice(program.num_rows, 60, replace=False):
        wrong = dual.copy()
        wrong[row] += 0.1
        certificate = certify(program, primal, wrong)
        # a dual may be moved where another dual solution lies, but never without that being one
        assert not certificate.passed() or certificate.dual_objective == pytest.approx(
            certificate.primal_objective, rel=1e-6
        ), row
    worse = optimum(program.with_numbers(cost=program.cost[::-1].copy()))[0]
    certificate = certify(program, worse, dual)
    assert certificate.primal_residual < 1e-9
    assert certificate.gap > 1e-2


def short_by(amount: float, *, peak: bool = False) -> LinearProgram:
    """A store of 2 kWh, filled at the start, and 4 + amount kWh of demand against 2 kW of supply in the second step."""
    builder = ProgramBuilder(2)
    supply = builder.variables("supply", upper=[0.0, 2.0])
    energy = builder.variables("energy", upper=2.0)
    taken = builder.variables("taken")
    rows = [(energy, 1.0), (energy.previous, -1.0), (taken, 1.0)]
    builder.constrain("store", rows, equals=[2.0, 0.0])
    builder.constrain("demand", [(supply, 1.0), (taken, 1.0)], equals=[0.0, 4.0 + amount])
    if peak:
        builder.constrain("peak_row", [(supply, 1.0), (builder.global_variables("peak", cost=1.0), -1.0)], upper=0.0)
    return builder.freeze()


def test_multipliers_prove_that_there_is_no_point():
    """Energy in hand, what the store gives over both steps and the supply come to 4, less than is asked for."""
    program = short_by(0.5)
    # store rows -1 each, demand rows 1 each: 4.5 - 2 asked, at most 2 of supply given
    multipliers = np.array([-1.0, -1.0, 1.0, 1.0])
    assert proves_infeasibility(program, multipliers)
    assert proves_infeasibility(program, 1e6 * multipliers)
    assert not proves_infeasibility(program, -multipliers)
    assert not proves_infeasibility(program, np.array([0.0, 0.0, 1.0, 1.0]))


def test_the_same_multipliers_prove_nothing_where_there_is_a_point():
    for amount in (0.0, -0.5, 1e-7):  # the last is within what any solver calls feasible
        assert not proves_infeasibility(short_by(amount), np.array([-1.0, -1.0, 1.0, 1.0]))


def test_noise_on_a_variable_without_a_bound_does_not_spoil_a_proof_nor_make_one():
    """A peak that may be as large as it likes: its row is left out of the proof; left in, it would give anything."""
    with_noise = np.array([-1.0, -1.0, 1.0, 1.0, -1e-3, -1e-3])
    assert proves_infeasibility(short_by(0.5, peak=True), with_noise)
    assert not proves_infeasibility(short_by(0.0, peak=True), with_noise)


def test_nothing_proves_a_program_infeasible_that_has_an_optimum(known_by_name):
    random = np.random.default_rng(0)
    for name in ("arbitrage", "transport", "demand_charge", "fixed", "free", "ranges", "large_numbers"):
        program = known_by_name(name).program
        for _ in range(200):
            multipliers = random.normal(size=program.num_rows) * 10.0 ** random.uniform(-12, 12, program.num_rows)
            assert not proves_infeasibility(program, multipliers), name

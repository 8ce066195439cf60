"""Every backend finds the known answers, its duals mean what Solution says, and options do what they promise."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vpp_sim.lp import ProgramBuilder, SolveOptions, SolveStatus, solve
from vpp_sim.lp.solvers import pulp_bridge, solver_by_name


def test_known_programs_end_as_known(known, backend):
    # a wrong status here would reach a user as a wrong reason for having no plan
    solution = backend(known.program)
    assert solution.status is known.status, solution.message
    if known.status is not SolveStatus.OPTIMAL:
        assert solution.primal is None
        assert solution.certificate is None
        return
    program = known.program
    assert solution.objective == pytest.approx(known.objective, rel=1e-6, abs=1e-6)
    assert solution.objective == pytest.approx(float(program.cost @ solution.primal) + program.cost_offset, rel=1e-12)
    assert solution.certificate.proves_optimality
    assert solution.certificate.passed(1e-6), solution.certificate
    for name, values in known.primal.items():
        scale = max(1.0, float(np.abs(values).max()))
        np.testing.assert_allclose(solution.primal[program.columns(name)], values, atol=backend.digits * scale)
    for name, values in known.row_dual.items():
        np.testing.assert_allclose(solution.row_dual[program.rows(name)], values, atol=backend.digits)


def test_row_duals_are_the_change_of_the_objective_per_unit_of_the_bound(backend, known_by_name):
    # computed by moving each bound: a backend with the opposite sign, or half the dual of a range, fails
    for name in ("arbitrage", "demand_charge", "ranges"):
        program = known_by_name(name).program
        solution = backend(program)
        for row in range(program.num_rows):
            step = 1e-3
            moved = program.with_numbers(
                row_lower=program.row_lower + step * (np.arange(program.num_rows) == row),
                row_upper=program.row_upper + step * (np.arange(program.num_rows) == row),
            )
            change = (solve(moved).objective - solution.objective) / step
            assert solution.row_dual[row] == pytest.approx(change, abs=20 * backend.digits), (name, row)


def test_reduced_costs_are_the_change_of_the_objective_per_unit_of_a_binding_bound(backend, known_by_name):
    program = known_by_name("arbitrage").program
    reduced = backend(program).reduced_cost(program)
    # charge is at its limit in steps 0 and 2, where 1 kW more saves 0.9 x 4 less the price
    np.testing.assert_allclose(reduced[program.columns("charge")], [-2.6, 0.4, -1.6, 0.5], atol=backend.digits)
    np.testing.assert_allclose(reduced[program.columns("energy")], [0, 0, -1, 5], atol=backend.digits)


@pytest.mark.parametrize("solver", ["pulp:CBC", "pulp:HiGHS"])
def test_backends_agree_with_highs_on_random_programs(solver, random_program):
    optimal = 0
    for seed in range(25):
        program = random_program(seed)
        mine, theirs = solve(program), solve(program, solver)
        assert theirs.status is mine.status, seed
        if mine.is_optimal:
            optimal += 1
            assert theirs.objective == pytest.approx(mine.objective, rel=1e-7, abs=1e-7), seed
            assert mine.certificate.passed(1e-6), (seed, mine.certificate)
            assert theirs.certificate.passed(1e-6), (seed, theirs.certificate)
    assert optimal >= 8


@pytest.mark.parametrize("solver", ["pulp:CBC", "pulp:HiGHS"])
def test_pulp_agrees_with_highs_to_seven_digits_on_a_long_chain(solver, long_arbitrage):
    program = long_arbitrage(600, 3)
    mine, theirs = solve(program), solve(program, solver)
    assert theirs.objective == pytest.approx(mine.objective, rel=1e-7)
    assert theirs.certificate.passed(1e-6), theirs.certificate
    assert theirs.solver == solver
    assert theirs.solver_version.startswith("PuLP ")


@pytest.mark.parametrize("solver", ["highs", "pulp:HiGHS", "pulp:CBC"])
def test_a_time_limit_ends_in_that_status_without_a_point(solver, long_arbitrage):
    solution = solve(long_arbitrage(4000, 1), solver, SolveOptions(time_limit_seconds=0.01))
    assert solution.status is SolveStatus.TIME_LIMIT
    assert solution.primal is None
    assert "time limit" in solution.status.value


def test_a_basis_shortens_the_next_solve(long_arbitrage):
    program = long_arbitrage(1000, 1)
    first = solve(program, "highs", SolveOptions(keep_basis=True))
    changed = program.with_numbers(upper=program.upper * 1.01)
    cold, warm = solve(changed), solve(changed, "highs", SolveOptions(warm_start=first))
    assert warm.objective == pytest.approx(cold.objective, rel=1e-9)
    assert warm.iterations < cold.iterations / 4
    assert solve(program, "highs", SolveOptions(warm_start=first)).iterations == 0
    # without keep_basis there is nothing to start from, which is no fault
    assert cold.basis is None
    assert solve(program, "highs", SolveOptions(warm_start=cold)).is_optimal


def test_a_basis_of_another_shape_is_refused(known_by_name):
    program = known_by_name("transport").program
    first = solve(program, "highs", SolveOptions(keep_basis=True))
    wrong = replace(first, basis=replace(first.basis, num_columns=5))
    with pytest.raises(ValueError, match="a basis of 5 columns and 5 rows does not fit a program of 6 and 5"):
        solve(program, "highs", SolveOptions(warm_start=wrong))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "simplx"}, "unknown algorithm 'simplx' for HiGHS; one of choose, simplex"),
        ({"tolerance": 1e-20}, "does not take 1e-20 for its option primal_feasibility_tolerance"),
        ({"time_limit_seconds": -1.0}, "does not take -1.0 for its option time_limit"),
        ({"threads": -3}, "does not take -3 for its option threads"),
    ],
)
def test_options_that_highs_does_not_take_are_said(options, message, known_by_name):
    with pytest.raises(ValueError, match=message):
        solve(known_by_name("transport").program, "highs", SolveOptions(**options))


def test_the_number_of_threads_may_change_from_solve_to_solve(known_by_name):
    # HiGHS ends such a run with an error unless its pool of threads is reset
    program = known_by_name("transport").program
    for threads in (1, 2, 1, None):
        for solver in ("highs", "pulp:CBC"):
            assert solve(program, solver, SolveOptions(threads=threads)).is_optimal


@pytest.mark.parametrize("solver", ["highs", "pulp:HiGHS", "pulp:CBC"])
def test_a_tighter_tolerance_is_passed_on(solver, long_arbitrage):
    solution = solve(long_arbitrage(300, 5), solver, SolveOptions(tolerance=1e-9))
    assert solution.is_optimal
    assert solution.certificate.passed(1e-7)


@pytest.mark.parametrize("solver", ["highs", "pulp:HiGHS", "pulp:CBC"])
def test_solvers_print_only_when_asked(solver, known_by_name, capfd):
    program = known_by_name("transport").program
    solve(program, solver)
    silent = capfd.readouterr()
    assert silent.out == ""
    assert silent.err == ""
    solve(program, solver, SolveOptions(verbose=True))
    assert "ptimal" in capfd.readouterr().out


@pytest.mark.parametrize("solver", ["highs", "pulp:HiGHS", "pulp:CBC"])
def test_no_files_are_left_behind(solver, known_by_name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    for name in ("transport", "infeasible", "unbounded"):
        solve(known_by_name(name).program, solver)
    assert os.listdir(tmp_path) == []


def test_unknown_and_missing_solvers_say_what_there_is(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="unknown solver 'glop'; one of auto, highs"):
        solver_by_name("glop")
    with pytest.raises(ValueError, match=r"PuLP knows no solver 'glop'; short names: CBC, HiGHS, GLPK.*GLPK_CMD"):
        solver_by_name("pulp:glop")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"GLPK_CMD or PYGLPK.*glpsol.*installed: .*PULP_CBC_CMD, HiGHS"):
        solver_by_name("pulp:glpk")
    with pytest.raises(ValueError, match=r"pulp:CPLEX_CMD is not installed here.*pip install cplex"):
        solver_by_name("pulp:cplex_cmd")


@pytest.mark.parametrize(
    ("written", "name", "pulp_name"),
    [
        ("pulp", "pulp:CBC", "PULP_CBC_CMD"),
        ("pulp:cbc", "pulp:CBC", "PULP_CBC_CMD"),
        ("pulp:highs", "pulp:HiGHS", "HiGHS"),
        ("pulp:pulp_cbc_cmd", "pulp:PULP_CBC_CMD", "PULP_CBC_CMD"),
    ],
)
def test_names_are_found_in_any_case(written, name, pulp_name):
    solver = solver_by_name(written)
    assert isinstance(solver, pulp_bridge.PulpSolver)
    assert (solver.name, solver.pulp_name) == (name, pulp_name)


def _with_pulp_solver(monkeypatch: pytest.MonkeyPatch, act: Callable[[object], int]) -> None:
    """Put a PuLP solver in HiGHS' place that solves with HiGHS and then lets `act` change what is known."""
    import pulp

    class Changed(pulp.HiGHS):
        def actualSolve(self, problem):
            super().actualSolve(problem)
            return act(problem)

    monkeypatch.setattr(pulp_bridge, "_make", lambda name, **settings: Changed(**{"msg": False, **settings}))


def test_a_solver_without_duals_gives_none_and_no_proof(known_by_name, monkeypatch: pytest.MonkeyPatch):
    def forget(problem):
        for constraint in problem.constraints():
            constraint.pi = None
        return problem.status

    _with_pulp_solver(monkeypatch, forget)
    solution = solve(known_by_name("transport").program, "pulp:HiGHS")
    assert solution.is_optimal
    assert solution.row_dual is None
    assert solution.certificate.passed()
    assert not solution.certificate.proves_optimality


def test_a_vendor_s_own_error_becomes_a_status(known_by_name, monkeypatch: pytest.MonkeyPatch):
    def refuse(problem):
        raise RuntimeError("no licence")

    _with_pulp_solver(monkeypatch, refuse)
    solution = solve(known_by_name("transport").program, "pulp:HiGHS")
    assert solution.status is SolveStatus.ERROR
    assert solution.message == "RuntimeError: no licence"


def test_a_claim_of_infeasibility_is_checked_without_costs(known_by_name, monkeypatch: pytest.MonkeyPatch):
    # PuLP turns HiGHS' "infeasible or unbounded" into infeasible
    import pulp

    def call_it_infeasible(problem):
        if problem.status == pulp.LpStatusUnbounded:
            problem.assignStatus(pulp.LpStatusInfeasible)
        return problem.status

    _with_pulp_solver(monkeypatch, call_it_infeasible)
    assert solve(known_by_name("unbounded").program, "pulp:HiGHS").status is SolveStatus.UNBOUNDED
    assert solve(known_by_name("infeasible").program, "pulp:HiGHS").status is SolveStatus.INFEASIBLE


def test_infeasible_or_unbounded_is_told_apart(known_by_name, monkeypatch: pytest.MonkeyPatch):
    # without presolve the interior method ends undecided on this one; the simplex method then decides
    import highspy

    original = highspy.Highs.run
    statuses = []

    def run_without_presolve(self):
        self.setOptionValue("presolve", "off")
        result = original(self)
        statuses.append(self.getModelStatus())
        return result

    monkeypatch.setattr(highspy.Highs, "run", run_without_presolve)
    program = known_by_name("unbounded_along_the_chain").program
    solution = solve(program, "highs", SolveOptions(algorithm="ipm_without_crossover"))
    assert statuses == [highspy.HighsModelStatus.kUnboundedOrInfeasible, highspy.HighsModelStatus.kUnbounded]
    assert solution.status is SolveStatus.UNBOUNDED


def test_every_status_says_what_to_try_next():
    for status in SolveStatus:
        assert status is SolveStatus.OPTIMAL or ":" in status.value
        assert status.word == status.name.lower()


def test_an_empty_program_is_optimal_at_its_offset(backend):
    builder = ProgramBuilder(3)
    builder.cost_offset = 7.5
    solution = backend(builder.freeze())
    assert solution.is_optimal
    assert solution.objective == 7.5
    assert solution.certificate.passed()


def test_solve_measures_time_and_certifies(known_by_name):
    solution = solve(known_by_name("transport").program)
    assert solution.seconds > 0.0
    assert solution.solver == "highs"
    assert solution.solver_version.count(".") == 2


def test_a_program_with_a_number_that_highs_refuses_is_said():
    builder = ProgramBuilder(1)
    builder.variables("x")
    frozen = builder.freeze().with_numbers(lower=np.array([np.inf]))
    with pytest.raises(ValueError, match=r"HiGHS refuses the program.*lower bound is \+inf"):
        solve(frozen)

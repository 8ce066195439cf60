"""The structured solver against HiGHS, against hand arithmetic, and against itself in other company."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from vpp_sim import load_scenario
from vpp_sim.dispatch.run import dispatch_steps
from vpp_sim.lp import LinearProgram, ProgramBuilder, Solution, SolveOptions, SolveStatus, certify, solve, solve_batch
from vpp_sim.lp.alike import Alike
from vpp_sim.lp.certificate import certify_alike
from vpp_sim.lp.solvers.structured import declined, interior_point, try_structured
from vpp_sim.lp.solvers.structured import solver as structured_solver

SHAPES, EACH = 44, 12  # 528 programs; one compilation (about 0.4 s) per shape


@pytest.mark.parametrize("shape", range(SHAPES))
def test_random_batches_agree_with_highs(shape, random_program):
    """Objective within 1e-6, certificate at 1e-8, same status: a wrong elimination or bound would show."""
    programs = [random_program(shape, numbers_seed=977 * shape + k, max_steps=192) for k in range(EACH)]
    attempts = try_structured(programs, SolveOptions())
    for program, attempt in zip(programs, attempts, strict=True):
        reference = solve(program, "highs")
        if not reference.is_optimal:
            assert not attempt.solution.is_optimal
            continue
        assert attempt.solution.is_optimal, attempt.reason
        assert attempt.solution.objective == pytest.approx(reference.objective, rel=1e-6, abs=1e-6)
        certificate = certify(program, attempt.solution.primal, attempt.solution.row_dual)
        assert certificate.proves_optimality
        assert certificate.passed(1e-8)


@pytest.mark.parametrize("shape", [3, 17, 29, 55, 61, 72])
def test_a_cut_chain_is_the_same_program(shape, monkeypatch, random_program):
    """One program in eight segments and uncut in one lane: the same optimum, so the joints lose nothing."""
    program = random_program(shape, max_steps=400)
    cut = try_structured([program], SolveOptions())[0].solution
    monkeypatch.setattr(structured_solver, "SHORTEST_CUT", 10**9)
    whole = try_structured([program], SolveOptions())[0].solution
    assert cut.is_optimal
    assert whole.is_optimal
    assert cut.objective == pytest.approx(whole.objective, rel=2e-8)


def test_a_result_does_not_depend_on_its_batch(random_program):
    """Alone, among its like, and beside one that has no solution: the same objective to the tolerance."""
    programs = [random_program(5, numbers_seed=k, max_steps=96) for k in range(10)]
    broken = programs[3].with_numbers(row_lower=programs[3].row_lower + 1e9, row_upper=programs[3].row_upper + 1e9)
    batch = solve_batch([*programs[:3], broken, *programs[4:]], "structured")
    assert batch[3].status in (SolveStatus.INFEASIBLE, SolveStatus.INFEASIBLE_OR_UNBOUNDED)
    for k in (0, 2, 4, 9):
        alone = solve(programs[k], "structured")
        assert batch[k].objective == pytest.approx(alone.objective, rel=3e-8)


def test_stragglers_go_on_together(random_program, monkeypatch):
    """Sixty-four programs that need 13 to 28 iterations, and two without a solution: moved into fuller vectors.

    They end as if alone: lanes moved without their duals, globals or counts would start anew, or end elsewhere.
    """
    programs = [random_program(17, numbers_seed=k, max_steps=48) for k in range(64)]
    for k in (5, 30):
        low, high = programs[k].row_lower + 1e9, programs[k].row_upper + 1e9
        programs[k] = programs[k].with_numbers(row_lower=low, row_upper=high)
    sizes = []
    start = interior_point.Interior.__init__

    def counted(self, numbers, library, chosen, *rest):
        sizes.append(chosen.size)
        start(self, numbers, library, chosen, *rest)

    monkeypatch.setattr(interior_point.Interior, "__init__", counted)
    together = try_structured(programs, SolveOptions(threads=1))
    assert sizes[0] == 64
    assert len(sizes) > 2
    assert all(after <= before / 2 for before, after in itertools.pairwise(sizes))
    for program, attempt in zip(programs, together, strict=True):
        alone = try_structured([program], SolveOptions())[0].solution
        # one of those without a point may end without duals that prove it, and is left to HiGHS
        assert attempt.solution.is_optimal is alone.is_optimal
        if alone.is_optimal:
            assert attempt.solution.objective == pytest.approx(alone.objective, rel=3e-8)
            assert certify(program, attempt.solution.primal, attempt.solution.row_dual).passed(1e-8)


def _months(changes: list[int], steps: int, first: int = 0) -> LinearProgram:
    """Two stores of unlike size under a price for the peak of each month; a month ends before each of `changes`."""
    build = ProgramBuilder(steps)
    hour = np.arange(steps)
    bought = build.variables("bought", upper=9.0, cost=1.0 + np.sin(hour / 3.8 + first))
    bus = [(bought, 1.0)]
    for name, size in (("small", 1.0), ("large", 6.0)):
        charge = build.variables(f"{name}.charge", upper=size / 3)
        discharge = build.variables(f"{name}.discharge", upper=size / 3, cost=0.02)
        state = build.variables(f"{name}.state", upper=size)
        flow = [(state, 1.0), (state.previous, -0.999), (charge, -0.95), (discharge, 1 / 0.95)]
        build.constrain(f"{name}.dynamics", flow, equals=0.0)
        bus += [(discharge, 1.0), (charge, -1.0)]
    peak = build.global_variables("peak", 12, cost=3.0)
    at = first + np.searchsorted(changes, hour, side="right")
    build.constrain("peak_is", [(peak.at(at), 1.0), (bought, -1.0)], lower=0.0)
    build.constrain("bus", bus, equals=2.0 + np.cos(hour / 5.0 + first) + (hour % 24 == 18))
    return build.freeze()


def test_windows_across_months_are_one_batch():
    """Whatever month a window begins in and wherever that ends within it: one structure, one batch, HiGHS' optima.

    The last has three months; a peak that served another lane's range, or none, would change the objective.
    """
    programs = [_months([48 - k] if k % 4 else [], 48, first=k % 11) for k in range(20)] + [_months([7, 30], 48)]
    assert len({program.structure for program in programs}) == 1
    attempts = try_structured(programs, SolveOptions())
    for program, attempt in zip(programs, attempts, strict=True):
        assert attempt.solution.is_optimal, attempt.reason
        assert attempt.solution.objective == pytest.approx(solve(program, "highs").objective, rel=1e-6)
        assert certify(program, attempt.solution.primal, attempt.solution.row_dual).passed(1e-8)


def test_months_of_unlike_length_in_a_cut_chain():
    """31, 28 and 1 days, cut into segments of 7 to 10: behind a segment's end its own month's peak goes on."""
    program = _months([248, 472], 480)
    attempt = try_structured([program], SolveOptions())[0]
    assert attempt.solution.is_optimal, attempt.reason
    assert attempt.solution.objective == pytest.approx(solve(program, "highs").objective, rel=1e-6)


def test_sixty_days_with_free_sizes_and_fixed_sessions():
    """The sizing study over 60 days, and again with the charging sessions fixed as they were handed back.

    Without the proximal term on the columns the second stalled at 1e-7: 1/h of 1e13 amplified rounding of its duals.
    """
    scenario = load_scenario("scenarios/studies/storage_sizing.yaml", settings=["horizon.days=60"])
    steps = dispatch_steps(scenario, solver="structured")
    answer = None
    for _ in range(2):
        program = steps.send(answer).program
        attempt = try_structured([program], SolveOptions())[0]
        assert attempt.solution.is_optimal, attempt.reason
        assert attempt.solution.certificate.passed(1e-8)
        answer = attempt.solution


@pytest.mark.parametrize("shape", [5, 11, 20])
def test_certificates_of_a_batch_are_those_of_its_programs(shape, random_program):
    """From terms or from the matrix: the same residuals and gap, of optima and of points and duals that are not."""
    programs = [random_program(shape, numbers_seed=k, max_steps=48) for k in range(6)]
    solutions = [attempt.solution for attempt in try_structured(programs, SolveOptions())]
    random = np.random.default_rng(shape)
    primal, dual = np.array([one.primal for one in solutions]), np.array([one.row_dual for one in solutions])
    primal[1:4] += random.normal(0.0, 0.1, primal[1:4].shape)
    dual[2:5] += random.normal(0.0, 0.1, dual[2:5].shape)
    dual[5, 3] = np.nan
    for q, found in enumerate(certify_alike(Alike(programs), primal, dual)):
        expected = certify(programs[q], primal[q], dual[q])
        for name in ("primal_residual", "dual_residual", "gap", "dual_objective"):
            if q < 5:
                assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-6, abs=1e-11), name
        assert found.passed(1e-8) == expected.passed(1e-8) == (q == 0)


def test_mixed_structures_keep_their_order(random_program):
    """A batch of two structures, interleaved, comes back in the order it was given, also from a generator."""
    programs = [random_program(2 + (k % 2), numbers_seed=k, max_steps=48) for k in range(6)]
    together = solve_batch(iter(programs))
    for program, solution in zip(programs, together, strict=True):
        assert solution.objective == pytest.approx(solve(program, "highs").objective, rel=1e-6)
        assert solution.certificate.passed(1e-6)


def _store(steps: int = 48, **options: float) -> LinearProgram:
    build = ProgramBuilder(steps)
    price = 1.0 + np.sin(np.arange(steps) / 4.0) + options.get("tilt", 0.01) * np.arange(steps)
    load = 1.0 + 0.3 * np.cos(np.arange(steps) / 5.0)
    take = build.variables("take", upper=options.get("limit", 3.0), cost=price)
    give = build.variables("charge", upper=0.8)
    get = build.variables("discharge", upper=0.8)
    state = build.variables("state", upper=4.0)
    build.constrain("dynamics", [(state, 1.0), (state.previous, -1.0), (give, -0.9), (get, 1 / 0.9)], equals=0.0)
    build.constrain("bus", [(take, 1.0), (give, -1.0), (get, 1.0)], equals=load + options.get("more", 0.0))
    early = np.where(np.arange(steps) < steps // 2, 1.0, 0.0)
    build.constrain_total("quota", [(take, early)], upper=float(load @ early) + 2.0)
    return build.freeze()


def test_duals_are_prices():
    """A row's dual lies between the slopes of the objective to both sides; where they agree, so does HiGHS."""
    program = _store()
    mine, other = solve(program, "structured"), solve(program, "highs")
    step, unique = 1e-3, 0
    for row in (*range(program.rows("bus").start, program.rows("bus").stop, 5), program.rows("quota").start):
        slopes = []
        for sign in (-1.0, 1.0):
            low, high = program.row_lower.copy(), program.row_upper.copy()
            low[row] += sign * step
            high[row] += sign * step
            moved = solve(program.with_numbers(row_lower=low, row_upper=high), "highs")
            slopes.append(sign * (moved.objective - other.objective) / step)
        assert slopes[0] - 1e-5 <= mine.row_dual[row] <= slopes[1] + 1e-5
        if slopes[1] - slopes[0] < 1e-6:
            unique += 1
            assert mine.row_dual[row] == pytest.approx(other.row_dual[row], abs=1e-5)
    assert unique >= 4


def test_hand_computed_optimum():
    """Two steps, one store: buy 3 at price 1, one of it through the store, and 1 at price 0.5: 3.5 in all."""
    build = ProgramBuilder(2)
    take = build.variables("take", upper=[10.0, 1.0], cost=[1.0, 0.5])
    state = build.variables("state", upper=5.0)
    build.constrain("balance", [(take, 1.0), (state, -1.0), (state.previous, 1.0)], equals=2.0)
    solution = solve(build.freeze(), "structured")
    assert solution.objective == pytest.approx(3.5, rel=1e-7)
    assert solution.primal == pytest.approx([3.0, 1.0, 1.0, 0.0], abs=1e-5)


def test_infeasible_and_unbounded_end_in_that_status():
    """Never an optimum: infeasible where the duals prove it, else the verdict is HiGHS'."""
    infeasible = _store(more=10.0)
    assert solve(infeasible, "structured").status in (SolveStatus.INFEASIBLE, SolveStatus.INFEASIBLE_OR_UNBOUNDED)
    assert solve(infeasible).status in (SolveStatus.INFEASIBLE, SolveStatus.INFEASIBLE_OR_UNBOUNDED)
    # shown by the duals of the stalled run; HiGHS is not asked
    assert "proved by the duals" in solve(infeasible, "structured").message
    build = ProgramBuilder(4)
    free = build.variables("free", cost=-1.0)
    other = build.variables("other")
    build.constrain("tie", [(free, 1.0), (other, -1.0)], equals=0.0)
    unbounded = build.freeze()
    for name in ("structured", "auto"):
        assert solve(unbounded, name).status in (SolveStatus.UNBOUNDED, SolveStatus.INFEASIBLE_OR_UNBOUNDED)


def test_what_it_declines_goes_to_highs_with_the_reason():
    """An equation between globals at every step has no place in the chain; auto says why and solves it."""
    build = ProgramBuilder(120)
    flow = build.variables("flow", upper=2.0, cost=1.0)
    level = build.global_variables("level", 2, upper=5.0)
    build.constrain("tie", [(level.at(0), 1.0), (level.at(1), -1.0)], equals=0.0)
    build.constrain("need", [(flow, 1.0), (level.at(0), 1.0)], lower=3.0)
    program = build.freeze()
    assert "between globals" in declined(program)
    solution = solve(program)
    assert solution.is_optimal
    assert solution.solver == "highs"
    assert any("between globals" in note for note in solution.notes)


def test_auto_does_not_wait_for_a_compiler_on_a_small_program():
    """96 steps take HiGHS some 20 ms; compiling kernels for them takes longer, so auto leaves it, and says so."""
    fresh = _store(130, tilt=0.02)
    solution = solve(fresh)
    assert solution.solver == "highs"
    assert any("kernels" in note for note in solution.notes)
    assert solve(fresh, "structured").is_optimal  # compiles
    assert solve(fresh).solver == "structured"  # and from now on auto takes it


def test_bounds_that_rows_make():
    """Rows with one variable, empty rows and total rows with one entry become bounds and get their duals back."""
    build = ProgramBuilder(30)
    x = build.variables("x", lower=-np.inf, cost=1.0)
    y = build.variables("y", upper=4.0, cost=-0.5)
    build.constrain("floor", [(x, 2.0)], lower=3.0)
    build.constrain("ceiling", [(y, -1.0)], lower=-2.0)
    build.constrain("nothing", [(y, 0.0)], upper=1.0)
    build.constrain("link", [(x, 1.0), (y, 1.0), (y.previous, -1.0)], lower=0.0)
    last = np.zeros(30)
    last[-1] = 1.0
    build.constrain_total("end", [(y, last)], equals=1.0)
    program = build.freeze()
    solution = solve(program, "structured")
    assert solution.is_optimal
    assert solution.certificate.passed(1e-8)
    assert solution.objective == pytest.approx(solve(program, "highs").objective, rel=1e-7)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_units_do_not_matter(factor, random_program):
    """The same site in watts or gigawatts and in cents: the optimum scales, the certificate holds."""
    program = random_program(11, max_steps=96)
    scaled = program.with_numbers(
        cost=program.cost * 100.0,
        lower=program.lower * factor,
        upper=program.upper * factor,
        row_lower=program.row_lower * factor,
        row_upper=program.row_upper * factor,
    )
    base, other = solve(program, "structured"), solve(scaled, "structured")
    assert base.is_optimal
    assert other.is_optimal
    assert other.objective == pytest.approx(base.objective * 100.0 * factor, rel=1e-6, abs=1e-6)


def test_tolerance_is_settable():
    """A looser tolerance stops earlier; a tighter one still passes."""
    program = _store(96)
    loose = solve(program, "structured", SolveOptions(tolerance=1e-2))
    tight = solve(program, "structured", SolveOptions(tolerance=1e-10))
    assert loose.iterations < tight.iterations
    assert tight.is_optimal
    assert tight.certificate.passed(1e-10)


def test_the_time_limit_holds():
    """With no time at all it stops after its first look at the point, and says so; no other solver is asked."""
    options = SolveOptions(time_limit_seconds=0.0)
    program = _store(200)
    assert solve(program, "structured").is_optimal  # its kernels are there, so that auto takes it
    for solution in (
        try_structured([program], options)[0].solution,
        solve(program, "structured", options),
        solve(program, "auto", options),
        *solve_batch([_store(more=0.01 * k) for k in range(12)], "auto", options),
    ):
        assert solution.solver == "structured"
        assert solution.status is SolveStatus.TIME_LIMIT
        assert solution.primal is None
        assert solution.message.startswith("stopped at the time limit after 0 iterations")


def test_the_time_limit_is_one_for_both_solvers(monkeypatch):
    """HiGHS gets what the structured solver left of it, not the whole limit once more."""
    given = []

    def slow(program, options):
        time.sleep(0.05)
        return structured_solver._refused("slow")

    def recorded(self, program, options):
        given.append(options.time_limit_seconds)
        return Solution(status=SolveStatus.TIME_LIMIT, solver="highs")

    monkeypatch.setattr("vpp_sim.lp.solvers.structured.attempt_for_auto", slow)
    monkeypatch.setattr("vpp_sim.lp.solvers.highs.HighsSolver.solve", recorded)
    assert solve(_store(200), "auto", SolveOptions(time_limit_seconds=10.0)).status is SolveStatus.TIME_LIMIT
    assert 0.0 < given[0] <= 9.95
    solve(_store(200), "auto", SolveOptions(time_limit_seconds=0.01))
    assert given[1] == 0.0


def test_a_spoilt_cache_file_is_compiled_again(tmp_path, monkeypatch):
    """Object code that is not what was written is never run: it is compiled and written anew."""
    from vpp_sim.lp.solvers.structured import kernels

    monkeypatch.setenv("VPP_SIM_CACHE", str(tmp_path))
    program = _store(64)
    monkeypatch.setattr(kernels, "_libraries", {})
    assert solve(program, "structured").is_optimal
    (file,) = tmp_path.glob("*.o")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(kernels, "_libraries", {})
    again = solve(program, "structured")
    assert again.is_optimal
    assert any("compiled" in note for note in again.notes)
    assert file.stat().st_size == len(whole)


def test_blas_has_one_thread_while_anybody_solves_and_its_own_again_after():
    """The last of those that overlap gives the threads back, whoever came first."""
    from threadpoolctl import threadpool_info

    from vpp_sim.lp.solvers.structured.blas import one_blas_thread

    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    before = threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == before

"""HiGHS through highspy: arrays are handed over whole, duals and basis come back, a basis may be given to start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vpp_sim.lp.program import FloatArray, LinearProgram
from vpp_sim.lp.solution import Basis, Solution, SolveOptions, SolveStatus

if TYPE_CHECKING:
    from vpp_sim.lp.one_of_two import Piece, PieceSolution

#: What HiGHS is asked for of prices, where nothing else is said (its own default is 1e-7): the prices that decide
#: between plans of equal cost are a few 1e-7 per kWh. It takes no more iterations.
DUAL_TOLERANCE = 1e-9
#: Steps of iterative refinement of such a point.
REFINEMENTS = 2
#: A point that misses a row by more than this (kW, kWh) is computed again from its basis.
ROWS_MISSED = 1e-6
#: Costs that are all smaller are multiplied: money in millions, say.
SMALL_COST = 2.0**-7
ALGORITHMS = ("choose", "simplex", "simplex_without_presolve", "ipm", "pdlp", "ipm_without_crossover")


class HighsSolver:
    """Backend `highs`; `options.algorithm` is one of ALGORITHMS."""

    name = "highs"

    def solve(self, program: LinearProgram, options: SolveOptions) -> Solution:
        """Solve one program; see `Solver.solve`."""
        import highspy

        algorithm = options.algorithm or "choose"
        if algorithm not in ALGORITHMS:
            raise ValueError(f"unknown algorithm {algorithm!r} for HiGHS; one of {', '.join(ALGORITHMS)}")
        if options.threads is not None:
            # HiGHS keeps one pool of threads for the process and fails when another number is asked of it
            highspy.Highs.resetGlobalScheduler(True)
        highs = highspy.Highs()
        set_option(highs, "output_flag", options.verbose)
        set_option(highs, "solver", algorithm.partition("_")[0])
        if algorithm == "simplex_without_presolve":
            set_option(highs, "presolve", "off")
        if algorithm == "ipm_without_crossover":
            set_option(highs, "run_crossover", "off")
        if options.time_limit_seconds is not None:
            set_option(highs, "time_limit", float(options.time_limit_seconds))
        set_option(highs, "dual_feasibility_tolerance", DUAL_TOLERANCE)
        if options.tolerance is not None:
            for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance", "ipm_optimality_tolerance"):
                set_option(highs, name, options.tolerance)
            if algorithm == "pdlp":
                set_option(highs, "pdlp_optimality_tolerance", options.tolerance)
        if options.threads is not None:
            set_option(highs, "threads", options.threads)
        scale = cost_scale(program)
        pass_program(highs, program if scale == 1.0 else program.with_numbers(cost=program.cost * scale))
        warm_start = options.warm_start
        if warm_start is not None and warm_start.basis is not None:
            set_basis(highs, warm_start.basis, program)
        highs.run()
        if highs.getModelStatus() == highspy.HighsModelStatus.kUnboundedOrInfeasible:
            # an interior or first-order method stops here; the simplex method on the whole program tells which
            set_option(highs, "solver", "simplex")
            set_option(highs, "presolve", "off")
            highs.run()
        notes: tuple[str, ...] = ()
        failures = (
            highspy.HighsModelStatus.kSolveError,
            highspy.HighsModelStatus.kNotset,
            highspy.HighsModelStatus.kUnknown,
        )
        if algorithm in ("choose", "simplex") and highs.getModelStatus() in failures:
            # seen in 1.15.1: the reduced program is solved, but the way back to the whole one ends in an error, in no
            # status at all, or in a point that is none (rows that chain many steps with a factor far below 1)
            highs.clearSolver()
            set_option(highs, "presolve", "off")
            highs.run()
            notes = ("HiGHS failed after its presolve and solved the program without it",)
        solution = read_solution(highs, program, algorithm, keep_basis=options.keep_basis)
        if scale != 1.0 and solution.row_dual is not None:
            solution = replace(solution, row_dual=solution.row_dual / scale)
        if _rows_missed(program, solution.primal) > ROWS_MISSED:
            refined = basic_point(highs, program, solution.primal)
            if refined is not None and _rows_missed(program, refined) <= ROWS_MISSED:
                objective = float((program.cost * refined).sum()) + program.cost_offset
                solution = replace(solution, primal=refined, objective=objective)
                notes = (*notes, "the point of HiGHS missed rows that its basis meets; computed again from the basis")
        return replace(solution, notes=(*solution.notes, *notes))


def cost_scale(program: LinearProgram) -> float:
    """What costs are multiplied by for HiGHS, whose tolerance on prices is absolute; 1 unless all of them are small.

    A power of two, so that nothing is rounded.
    """
    largest = float(np.abs(program.cost).max(initial=0.0))
    return 1.0 if largest == 0.0 or largest >= SMALL_COST else float(2.0 ** -np.floor(np.log2(largest)))


def _rows_missed(program: LinearProgram, primal: FloatArray | None) -> float:
    """By how much a point misses the row that it misses most; 0 where there is no point."""
    if primal is None or program.num_rows == 0:
        return 0.0
    activity = program.matrix @ primal
    return float(np.maximum(program.row_lower - activity, activity - program.row_upper).max())


def basic_point(highs: Any, program: LinearProgram, primal: FloatArray | None) -> FloatArray | None:
    """The point of HiGHS' last basis, factorised by us with iterative refinement; None where it has none.

    HiGHS 1.15.1 can end at a good basis (condition 1e6 seen) with values of basic variables that miss rows by 1e-3 and
    that it does not check against the rows: the residual of B x_B = b - N x_N, which this makes small again.
    """
    import highspy
    from scipy.sparse import csc_array, hstack, identity
    from scipy.sparse.linalg import splu

    basis = highs.getBasis()
    if primal is None or not basis.valid:
        return None
    basic = highspy.HighsBasisStatus.kBasic
    columns = np.array([status == basic for status in basis.col_status], dtype=bool)
    rows = np.array([status == basic for status in basis.row_status], dtype=bool)
    if int(columns.sum() + rows.sum()) != program.num_rows:
        return None
    at_upper = np.array([status == highspy.HighsBasisStatus.kUpper for status in basis.row_status], dtype=bool)
    active = np.where(at_upper, program.row_upper, program.row_lower)
    matrix = csc_array(program.matrix)
    fixed = np.where(columns, 0.0, np.clip(primal, program.lower, program.upper))
    wanted = np.where(rows, 0.0, np.where(np.isfinite(active), active, 0.0)) - matrix @ fixed
    square = csc_array(hstack([matrix[:, columns], -identity(program.num_rows, format="csc")[:, rows]]))
    try:
        factors = splu(square)
    except RuntimeError:  # exactly singular
        return None
    found = factors.solve(wanted)
    for _ in range(REFINEMENTS):
        found += factors.solve(wanted - square @ found)
    fixed[columns] = found[: int(columns.sum())]
    return fixed


def solve_one_way(piece: Piece, accuracy: float, options: SolveOptions, start: FloatArray | None) -> PieceSolution:
    """The piece in which of each pair of columns one is 0.

    `accuracy` is the difference between the bound and the point's cost at which it is solved; `start` a point to
    improve.
    """
    import highspy

    from vpp_sim.lp.one_of_two import PieceSolution

    highs = highspy.Highs()
    set_option(highs, "output_flag", options.verbose)
    set_option(highs, "mip_rel_gap", 0.0)
    set_option(highs, "mip_abs_gap", accuracy)
    if options.time_limit_seconds is not None and np.isfinite(options.time_limit_seconds):
        set_option(highs, "time_limit", float(options.time_limit_seconds))
    if options.threads is not None:
        highspy.Highs.resetGlobalScheduler(True)
        set_option(highs, "threads", options.threads)
    pass_program(highs, piece)
    first, second = piece.first, piece.second
    pairs, columns = first.size, piece.num_columns
    highs.addVars(pairs, np.zeros(pairs), np.ones(pairs))
    switch = np.arange(columns, columns + pairs, dtype=np.int32)
    integer = np.full(pairs, highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(pairs, switch, integer)
    # first <= its bound x switch,  second <= its bound x (1 - switch)
    starts = np.arange(0, 4 * pairs, 2, dtype=np.int32)
    indices = np.stack([np.concatenate([first, second]), np.concatenate([switch, switch])], axis=1).ravel()
    weights = np.concatenate([-piece.upper[first], piece.upper[second]])
    values = np.stack([np.ones(2 * pairs), weights], axis=1).ravel()
    upper = np.concatenate([np.zeros(pairs), piece.upper[second]])
    lower = np.full(2 * pairs, -np.inf)
    highs.addRows(2 * pairs, lower, upper, 4 * pairs, starts, indices.astype(np.int32), values)
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = np.concatenate([start, start[first] > start[second]]).tolist()
        highs.setSolution(known)
    highs.run()
    status = highs.getModelStatus()
    if status not in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kTimeLimit):
        return PieceSolution(-np.inf)
    info = highs.getInfo()
    bound, is_solved = float(info.mip_dual_bound), status == highspy.HighsModelStatus.kOptimal
    if info.primal_solution_status != int(highspy.SolutionStatus.kSolutionStatusFeasible):
        return PieceSolution(bound, is_solved=is_solved)
    values = np.array(highs.getSolution().col_value, dtype=np.float64)
    return PieceSolution(bound, values[:columns], values[columns:] > 0.5, is_solved)


def set_option(highs: Any, name: str, value: object) -> None:
    """Set an option of HiGHS, which itself only returns a status for a value that it does not take."""
    import highspy

    if highs.setOptionValue(name, value) == highspy.HighsStatus.kError:
        raise ValueError(f"HiGHS does not take {value!r} for its option {name}")


def pass_program(highs: Any, program: LinearProgram | Piece) -> None:
    """Hand the arrays of a program to a Highs object, with infinities as HiGHS writes them (they are the same)."""
    import highspy

    matrix = program.matrix
    status = highs.passModel(
        program.num_columns,
        program.num_rows,
        int(matrix.nnz),
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        program.cost_offset,
        np.ascontiguousarray(program.cost),
        np.ascontiguousarray(program.lower),
        np.ascontiguousarray(program.upper),
        np.ascontiguousarray(program.row_lower),
        np.ascontiguousarray(program.row_upper),
        matrix.indptr,
        matrix.indices,
        matrix.data,
        np.zeros(program.num_columns, dtype=np.int32),
    )
    if status == highspy.HighsStatus.kError:
        raise ValueError(
            "HiGHS refuses the program: a number is NaN, a lower bound is +inf, an upper bound is -inf, "
            "or a coefficient is above 1e15"
        )


def set_basis(highs: Any, basis: Basis, program: LinearProgram) -> None:
    """Start the next run from a basis of a program of the same shape."""
    shape = (basis.num_columns, basis.num_rows)
    if shape != (program.num_columns, program.num_rows):
        raise ValueError(
            f"warm start: a basis of {shape[0]} columns and {shape[1]} rows does not fit a program of "
            f"{program.num_columns} and {program.num_rows}"
        )
    highs.setBasis(basis.held)


def read_solution(highs: Any, program: LinearProgram, algorithm: str, *, keep_basis: bool) -> Solution:
    """Status, point, duals and, where asked for, the basis of a Highs object after a run."""
    import highspy

    kind = highspy.HighsModelStatus
    model_status = highs.getModelStatus()
    # HiGHS calls a program without columns empty whatever its rows ask for
    rows_hold = not ((program.row_lower > 0.0) | (program.row_upper < 0.0)).any()
    status = {
        kind.kOptimal: SolveStatus.OPTIMAL,
        kind.kInfeasible: SolveStatus.INFEASIBLE,
        kind.kUnbounded: SolveStatus.UNBOUNDED,
        kind.kUnboundedOrInfeasible: SolveStatus.INFEASIBLE_OR_UNBOUNDED,
        kind.kTimeLimit: SolveStatus.TIME_LIMIT,
        kind.kIterationLimit: SolveStatus.ITERATION_LIMIT,
        kind.kModelEmpty: SolveStatus.OPTIMAL if rows_hold else SolveStatus.INFEASIBLE,
        kind.kUnknown: SolveStatus.INACCURATE,
    }.get(model_status, SolveStatus.ERROR)
    info = highs.getInfo()
    counts = (info.simplex_iteration_count, info.ipm_iteration_count, getattr(info, "pdlp_iteration_count", 0))
    iterations = sum(max(count, 0) for count in counts)
    common = {
        "solver": "highs",
        "solver_version": str(highs.version()),
        "algorithm": algorithm,
        "iterations": iterations,
        "message": highs.modelStatusToString(model_status),
    }
    if status is not SolveStatus.OPTIMAL:
        return Solution(status=status, **common)
    found = highs.getSolution()
    primal = np.array(found.col_value, dtype=np.float64)
    row_dual = np.array(found.row_dual, dtype=np.float64) if found.dual_valid else None
    basis = None
    last = highs.getBasis() if keep_basis else None
    if last is not None and last.valid:
        basis = Basis(program.num_columns, program.num_rows, last)
    objective = float((program.cost * primal).sum()) + program.cost_offset
    return Solution(status=status, primal=primal, row_dual=row_dual, objective=objective, basis=basis, **common)

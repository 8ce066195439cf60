"""Written programs are read back by HiGHS as they were, by CBC to the same optimum, and can be read by people."""

import re
import subprocess
from pathlib import Path

import highspy
import numpy as np
import pytest
import scipy.sparse as sp

from vpp_sim.lp import LinearProgram, ProgramBuilder, SolveStatus, solve
from vpp_sim.lp.export import lp_text, write_lp, write_mps

WRITERS = {"lp": write_lp, "mps": write_mps}


def read_back(path: Path):
    """HiGHS' model of a file, without a warning from its reader."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    status = highs.readModel(str(path))
    assert status == highspy.HighsStatus.kOk, path.read_text()
    return highs


def written_name(name: str) -> str:
    return name.replace("[", "(").replace("]", ")")


def compare_with_file(program: LinearProgram, path: Path, exact_ranges: bool = True) -> None:
    """Every number of the program is in the file, to the last digit."""
    lp = read_back(path).getLp()
    columns, rows = list(lp.col_names_), list(lp.row_names_)
    assert sorted(columns) == sorted(map(written_name, program.column_names()))
    order = [columns.index(written_name(name)) for name in program.column_names()]
    np.testing.assert_array_equal(np.array(lp.col_cost_)[order], program.cost)
    np.testing.assert_array_equal(np.array(lp.col_lower_)[order], program.lower)
    np.testing.assert_array_equal(np.array(lp.col_upper_)[order], program.upper)
    assert lp.offset_ == program.cost_offset
    matrix = sp.csc_array(
        (lp.a_matrix_.value_, lp.a_matrix_.index_, lp.a_matrix_.start_), shape=(len(rows), len(columns))
    ).tocsr()
    lower, upper = np.array(lp.row_lower_), np.array(lp.row_upper_)
    for row, name in enumerate(map(written_name, program.row_names())):
        own = program.matrix[[row]].toarray()
        if path.suffix == ".mps" and np.isinf(program.row_lower[row]) and np.isinf(program.row_upper[row]):
            # an N row, which HiGHS drops
            assert name not in rows
            continue
        place = rows.index(name)
        np.testing.assert_array_equal(matrix[[place]].toarray()[:, order], own)
        low, high = lower[place], upper[place]
        if f"{name}~upper" in rows:
            second = rows.index(f"{name}~upper")
            np.testing.assert_array_equal(matrix[[second]].toarray()[:, order], own)
            high = upper[second]
        if exact_ranges:
            assert (low, high) == (program.row_lower[row], program.row_upper[row]), name
        else:
            assert low == pytest.approx(program.row_lower[row], rel=1e-15, abs=1e-15)
            assert high == pytest.approx(program.row_upper[row], rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("kind", WRITERS)
def test_known_programs_come_back_number_for_number_and_solve_alike(kind, known, tmp_path):
    path = tmp_path / f"program.{kind}"
    WRITERS[kind](known.program, path)
    program = known.program
    if not (program.lower > program.upper).any() and program.num_columns and "cancelled" not in program._rows:
        compare_with_file(program, path)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(path))
    highs.run()
    statuses = {
        SolveStatus.OPTIMAL: highspy.HighsModelStatus.kOptimal,
        SolveStatus.INFEASIBLE: highspy.HighsModelStatus.kInfeasible,
        SolveStatus.UNBOUNDED: highspy.HighsModelStatus.kUnbounded,
    }
    if program.num_columns:
        assert highs.getModelStatus() == statuses[known.status]
    if known.status is SolveStatus.OPTIMAL:
        assert highs.getInfo().objective_function_value == pytest.approx(known.objective, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("kind", WRITERS)
def test_random_programs_come_back(kind, random_program, tmp_path):
    path = tmp_path / f"program.{kind}"
    for seed in range(30):
        program = random_program(seed)
        WRITERS[kind](program, path)
        # MPS keeps the width of a range rather than its other end
        compare_with_file(program, path, exact_ranges=kind == "lp")


@pytest.mark.parametrize("kind", WRITERS)
def test_numbers_of_seventeen_digits_and_odd_sizes_survive(kind, tmp_path):
    builder = ProgramBuilder(3)
    builder.cost_offset = -1234567.8901234567
    x = builder.variables(
        "x", lower=[-0.1, -1e-7, 1 / 3], upper=[0.1 + 0.2, 2e-7, 1e15], cost=[1 / 7, -np.pi * 1e5, 1e-9]
    )
    builder.constrain("row", [(x, [1 / 3, -1e-6, 123456.78901234567])], lower=[-np.inf, 1e-9, 0.1 + 0.7])
    builder.constrain("equal", [(x, [1.0, -1.0, 2.0])], equals=[0.1 + 0.2, 4.000000000000001, -1e-12])
    path = tmp_path / f"program.{kind}"
    WRITERS[kind](builder.freeze(), path)
    compare_with_file(builder.freeze(), path)


@pytest.mark.parametrize("kind", WRITERS)
def test_contradictory_rows_stay_contradictory(kind, tmp_path):
    # a range of MPS would turn 3 <= x <= 1 into 1 <= x <= 3
    builder = ProgramBuilder(2)
    x = builder.variables("x", cost=1.0)
    builder.constrain("row", [(x, 1.0)], lower=3.0, upper=[1.0, 5.0])
    path = tmp_path / f"program.{kind}"
    WRITERS[kind](builder.freeze(), path)
    highs = read_back(path)
    highs.run()
    assert highs.modelStatusToString(highs.getModelStatus()) == "Infeasible"


@pytest.mark.parametrize("kind", WRITERS)
def test_cbc_reads_the_same_optimum(kind, long_arbitrage, tmp_path):
    # a second reader, written by other people
    from vpp_sim.lp.solvers.pulp_bridge import _make

    program = long_arbitrage(48, 2)
    path = tmp_path / f"program.{kind}"
    WRITERS[kind](program, path)
    command = [_make("PULP_CBC_CMD").path, str(path), "-initialSolve"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    objective = float(re.search(r"Optimal objective (\S+)", output).group(1))
    # of an LP file CBC drops the constant of the objective
    constant = program.cost_offset if kind == "lp" else 0.0
    assert solve(program).objective - constant == pytest.approx(objective, rel=1e-8)


def test_lp_text_reads_like_the_model(known_by_name):
    assert lp_text(known_by_name("ranges").program).splitlines() == [
        "\\ 2 steps, 4 columns, 4 rows",
        "Minimize",
        " objective: x(0) - x(1)",
        "Subject To",
        " nothing_asked(0): x(0) - 3 y(0) >= -inf",
        " nothing_asked(1): x(1) - 3 y(1) >= -inf",
        " range(0): x(0) + y(0) >= 2",
        " range(0)~upper: x(0) + y(0) <= 6",
        " range(1): x(1) + y(1) >= 2",
        " range(1)~upper: x(1) + y(1) <= 6",
        "Bounds",
        " y(0) <= 1",
        " y(1) <= 1",
        "End",
    ]
    assert " store(2): - 0.9 charge(2) + discharge(2) - energy(1) + energy(2) = 0\n" in lp_text(
        known_by_name("arbitrage").program
    )


@pytest.mark.parametrize("kind", WRITERS)
def test_names_that_readers_would_misread_are_changed_and_stay_different(kind, tmp_path):
    names = ["free", "e9", "End", "2nd", ".dot", "a b", "a-b", "a+b", "储能.charge_kw", "st", "x" * 400, "x" * 401]
    builder = ProgramBuilder(2)
    for place, name in enumerate(names):
        x = builder.global_variables(name, upper=10.0, cost=-float(place + 1))
        builder.constrain_total(f"row {name}", [(x, 1.0)], upper=float(place))
    y = builder.variables("energy.e[3]", cost=1.0)
    builder.constrain("objective", [(y, 1.0)], lower=1.0)
    program = builder.freeze()
    path = tmp_path / f"program.{kind}"
    WRITERS[kind](program, path)
    highs = read_back(path)
    lp = highs.getLp()
    assert {"_free", "_e9", "_End", "_2nd", "_.dot", "a_b", "a_b~2", "a_b~3", "__.charge_kw", "_st"} <= set(
        lp.col_names_
    )
    assert "energy.e_3_(0)" in lp.col_names_
    assert "_objective(0)" in lp.row_names_
    assert max(map(len, [*lp.col_names_, *lp.row_names_])) <= 255
    highs.run()
    assert highs.getInfo().objective_function_value == pytest.approx(solve(program).objective)


def test_lines_stay_below_what_readers_take(long_arbitrage, tmp_path):
    builder = ProgramBuilder(500)
    x = builder.variables("a_rather_long_component_name.charging_power_kw", cost=np.linspace(0.1, 1.0, 500))
    builder.constrain_total("all_of_them", [(x, np.linspace(1.0, 2.0, 500))], lower=100.0)
    program = builder.freeze()
    assert max(map(len, lp_text(program).splitlines())) <= 500
    write_lp(program, tmp_path / "program.lp")
    compare_with_file(program, tmp_path / "program.lp")


def test_mps_states_an_exact_range_where_there_is_one(tmp_path):
    # one end and the width give the other end exactly from one side only: 0.9 - 0.8 is not 0.1 in floating point
    builder = ProgramBuilder(2)
    x = builder.variables("x", lower=-1.0, cost=1.0)
    builder.constrain("row", [(x, 1.0)], lower=[0.1, -0.9], upper=[0.9, -0.1])
    write_mps(builder.freeze(), tmp_path / "program.mps")
    compare_with_file(builder.freeze(), tmp_path / "program.mps")
    assert re.findall(r"^ ([GL]) row", (tmp_path / "program.mps").read_text(), re.MULTILINE) == ["G", "L"]

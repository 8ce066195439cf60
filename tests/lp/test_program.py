"""Names, ranges, structure and changed numbers of a program."""

import numpy as np
import pytest

from vpp_sim.lp import LinearProgram, ProgramBuilder


def build(upper: float = 5.0, steps: int = 2, extra: bool = False, months: tuple[int, ...] = (0, 1)) -> LinearProgram:
    builder = ProgramBuilder(steps)
    flow = builder.variables("pump.flow", upper=upper)
    size = builder.global_variables("pump.size")
    peak = builder.global_variables("peak", 2)
    at = peak.at(np.resize(np.array(months), steps))
    builder.constrain("pump.limit", [(flow, 1.0), (size, -1.0), *([(flow.previous, 1.0)] if extra else [])], upper=0.0)
    builder.constrain("below", [(at, 1.0), (flow, -1.0)], lower=0.0)
    builder.constrain_total("all", [(flow, 1.0)], upper=9.0)
    return builder.freeze()


def test_names_and_ranges_follow_the_layout():
    program = build()
    assert list(program.column_names()) == ["pump.flow[0]", "pump.flow[1]", "pump.size", "peak[0]", "peak[1]"]
    assert list(program.row_names()) == ["pump.limit[0]", "pump.limit[1]", "below[0]", "below[1]", "all"]
    assert (program.num_columns, program.num_rows) == (5, 5)
    assert (program.first_global_column, program.first_total_row) == (2, 4)
    assert program.columns("pump.flow") == slice(0, 2)
    assert program.columns("peak") == slice(3, 5)
    assert program.rows("below") == slice(2, 4)
    assert program.rows("all") == slice(4, 5)
    with pytest.raises(KeyError):
        program.columns("all")


def test_structure_is_the_same_exactly_when_only_numbers_differ():
    # a solver that reuses memory or a basis by this digest would go wrong if it missed a change of shape
    program = build()
    assert program.structure == build(upper=7.0).structure
    others = [build(steps=3), build(extra=True), build(steps=3, months=(0, 1, 1))]
    assert len({program.structure, *(other.structure for other in others)}) == 4


def test_which_column_serves_which_range_of_steps_is_a_number():
    # windows of two days share a structure whatever month they begin in, and wherever it ends within them
    of_windows = {build(steps=4, months=months).structure for months in ((0, 1, 1, 1), (0, 0, 0, 1), (1, 1, 0, 0))}
    assert of_windows == {build(steps=4, months=(1, 1, 1, 1)).structure}
    # a column that comes back serves no range: then all programs of a structure must have the same columns
    assert build(steps=4, months=(0, 1, 0, 1)).structure != build(steps=4, months=(0, 1, 1, 0)).structure


def test_with_numbers_shares_the_matrix_and_checks_shapes():
    program = build()
    changed = program.with_numbers(upper=np.full(5, 3.0), row_lower=np.zeros(5))
    assert changed.matrix is program.matrix
    assert changed.cost is program.cost
    np.testing.assert_array_equal(changed.upper, 3.0)
    np.testing.assert_array_equal(program.upper[:2], 5.0)
    assert changed.structure == program.structure
    # HiGHS would read past the end of a shorter array
    with pytest.raises(ValueError, match=r"a program of 5 columns got numbers of shape \(4,\)"):
        program.with_numbers(cost=np.zeros(4))
    with pytest.raises(ValueError, match=r"a program of 5 rows got numbers of shape \(6,\)"):
        program.with_numbers(row_upper=np.zeros(6))


def test_the_matrix_has_sorted_int32_indices_and_no_zeros():
    # HiGHS takes the arrays as they are
    builder = ProgramBuilder(4)
    x, y = builder.variables("x"), builder.variables("y")
    builder.constrain("cancels", [(x, 1.0), (y, 2.0), (x, -1.0), (x.previous, np.array([1.0, 0.0, 3.0, 0.0]))])
    builder.constrain("adds", [(y, 1.0), (y, 1.5)])
    matrix = builder.freeze().matrix
    assert matrix.indices.dtype == np.int32
    assert matrix.indptr.dtype == np.int32
    assert matrix.has_sorted_indices
    assert (matrix.data != 0.0).all()
    expected = np.zeros((8, 8))
    expected[2, 1] = 3.0
    expected[range(4), range(4, 8)] = 2.0
    expected[range(4, 8), range(4, 8)] = 2.5
    np.testing.assert_array_equal(matrix.toarray(), expected)


def test_a_program_without_rows_has_an_empty_matrix():
    builder = ProgramBuilder(2)
    builder.variables("x")
    assert builder.freeze().matrix.shape == (0, 2)

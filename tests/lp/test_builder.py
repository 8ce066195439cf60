"""The builder turns blocks and terms into the right matrix, and refuses what would only show later."""

import numpy as np
import pytest

from vpp_sim.lp import ProgramBuilder


def test_blocks_become_the_matrix_that_the_rows_describe():
    # by hand: x 0-2, y 3-5, size 6, month 7-8; rows: dynamics 0-2, cap 3-5, then two totals
    builder = ProgramBuilder(3)
    x = builder.variables("x", upper=[1.0, 2.0, 3.0], cost=5.0)
    size = builder.global_variables("size", cost=9.0)
    y = builder.variables("y", lower=-1.0)
    month = builder.global_variables("month", 2, upper=[7.0, 8.0])
    builder.constrain("dynamics", [(x, 1.0), (x.previous, [-10.0, -20.0, -30.0]), (y, 2.0)], equals=[1.0, 2.0, 3.0])
    builder.constrain_total("sum", [(x, [1.0, 0.0, 4.0]), (month.at(1), -1.0)], upper=6.0)
    builder.constrain("cap", [(y, 1.0), (size, -0.5), (month.at(np.array([0, 0, 1])), [3.0, 4.0, 5.0])], lower=-2.0)
    builder.constrain_total("low", [(size, 1.0)], lower=1.0)
    program = builder.freeze()
    expected = [
        [1, 0, 0, 2, 0, 0, 0, 0, 0],
        [-20, 1, 0, 0, 2, 0, 0, 0, 0],
        [0, -30, 1, 0, 0, 2, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, -0.5, 3, 0],
        [0, 0, 0, 0, 1, 0, -0.5, 4, 0],
        [0, 0, 0, 0, 0, 1, -0.5, 0, 5],
        [1, 0, 4, 0, 0, 0, 0, 0, -1],
        [0, 0, 0, 0, 0, 0, 1, 0, 0],
    ]
    np.testing.assert_array_equal(program.matrix.toarray(), expected)
    np.testing.assert_array_equal(program.cost, [5, 5, 5, 0, 0, 0, 9, 0, 0])
    np.testing.assert_array_equal(program.lower, [0, 0, 0, -1, -1, -1, 0, 0, 0])
    np.testing.assert_array_equal(program.upper, [1, 2, 3, *[np.inf] * 4, 7, 8])
    np.testing.assert_array_equal(program.row_lower, [1, 2, 3, -2, -2, -2, -np.inf, 1])
    np.testing.assert_array_equal(program.row_upper, [1, 2, 3, np.inf, np.inf, np.inf, 6, np.inf])


def test_freezing_twice_gives_two_programs():
    builder = ProgramBuilder(2)
    x = builder.variables("x")
    first = builder.freeze()
    builder.constrain("row", [(x, 1.0)], lower=1.0)
    assert first.num_rows == 0
    assert builder.freeze().num_rows == 2


def test_arrays_of_the_caller_may_change_afterwards():
    # the matrix is made late: a program that shared the caller's array would change with it
    builder = ProgramBuilder(2)
    bound, coefficient = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    x = builder.variables("x", upper=bound)
    builder.constrain("row", [(x, coefficient)], upper=bound)
    bound[:] = -1.0
    program = builder.freeze()
    coefficient[:] = 0.0
    np.testing.assert_array_equal(program.matrix.toarray(), [[3, 0], [0, 4]])
    np.testing.assert_array_equal(program.upper, [1, 2])
    np.testing.assert_array_equal(program.row_upper, [1, 2])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda b, x, g: b.variables("x"), "the name x is used twice"),
        (lambda b, x, g: b.constrain("g", [(x, 1.0)]), "the name g is used twice"),
        (lambda b, x, g: b.variables("y", upper=[1.0, 2.0]), r"y: expected a scalar or shape \(3,\), got \(2,\)"),
        (lambda b, x, g: b.global_variables("h", 2, cost=[1.0] * 3), r"h: expected a scalar or shape \(2,\)"),
        (lambda b, x, g: b.variables("y", cost=np.nan), "y: NaN"),
        (lambda b, x, g: b.variables("y", cost=np.inf), "y: infinity in a cost"),
        (lambda b, x, g: b.variables("y", lower=np.inf), r"y: a lower bound of \+infinity"),
        (lambda b, x, g: b.variables("y", upper=[1.0, -np.inf, 2.0]), "y: .*upper bound of -infinity"),
        (lambda b, x, g: b.constrain("r", [(x, np.array([1.0, 2.0]))]), "r: coefficient of x: expected a scalar"),
        (lambda b, x, g: b.constrain("r", [(x, np.inf)]), "r: coefficient of x: infinity"),
        (lambda b, x, g: b.constrain("r", [(x, 1.0)], equals=np.nan), "r: NaN"),
        (lambda b, x, g: b.constrain("r", [(x, 1.0)], equals=1.0, upper=2.0), "r: give either equals or"),
        (lambda b, x, g: b.constrain("r", [(g, 1.0)]), r"g has 2 variables; say which with .at\(...\)"),
        (lambda b, x, g: b.constrain("r", [(g.at(2), 1.0)]), "g: positions must be whole numbers from 0 to 1, got 2"),
        (lambda b, x, g: b.constrain("r", [(g.at(-1), 1.0)]), "g: positions must be whole numbers"),
        (lambda b, x, g: b.constrain("r", [(g.at(np.array([0.0, 1.0, 1.0])), 1.0)]), "g: positions must be whole"),
        (lambda b, x, g: b.constrain("r", [(g.at(np.array([0, 1])), 1.0)]), "r: coefficient of g: expected one"),
        (lambda b, x, g: b.constrain("r", [(x.previous.previous, 1.0)]), "x: a row reaches one step back"),
        (lambda b, x, g: b.constrain_total("t", [(x.previous, 1.0)]), "t: a total row takes no lagged terms"),
        (lambda b, x, g: b.constrain_total("t", [(g.at(0), np.ones(3))]), "t: .*one at a time"),
        (lambda b, x, g: b.constrain_total("t", [(g.at(np.array([0, 1, 1])), 1.0)]), "t: .*one at a time"),
        (lambda b, x, g: b.constrain_total("t", [(x, 1.0)], lower=np.nan), "t: NaN"),
        (lambda b, x, g: b.constrain_total("t", [(g.at(0), np.nan)]), "t: coefficient of g: NaN"),
        (lambda b, x, g: ProgramBuilder(0), "at least one step, got 0"),
    ],
)
def test_mistakes_are_refused_where_they_are_made(build, message):
    builder = ProgramBuilder(3)
    x = builder.variables("x")
    g = builder.global_variables("g", 2)
    with pytest.raises(ValueError, match=message):
        build(builder, x, g)


def test_a_variable_of_another_builder_is_refused():
    # its block number would silently mean another variable here
    other = ProgramBuilder(3)
    foreign, foreign_global = other.variables("foreign"), other.global_variables("foreign_size")
    builder = ProgramBuilder(3)
    builder.variables("x")
    builder.global_variables("size")
    for variable in (foreign, foreign_global):
        with pytest.raises(ValueError, match=f"row: {variable.name} is a variable of another program"):
            builder.constrain("row", [(variable, 1.0)])
        with pytest.raises(ValueError, match=f"total: {variable.name} is a variable of another program"):
            builder.constrain_total("total", [(variable, 1.0)])
        builder = ProgramBuilder(3)
        builder.variables("x")

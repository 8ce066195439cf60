"""Programs as text for humans and other solvers: CPLEX-LP (readable) and free MPS (exact), written from the arrays.

Numbers are written with the digits that give the same float back. Names stay as they are where the formats allow it:
`battery.charge_kw[17]` is written `battery.charge_kw(17)`, anything but ASCII letters, digits, `_` and `.` becomes `_`,
and a name that a reader could take for a number or a keyword gets a `_` in front.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from vpp_sim.lp.program import FloatArray, LinearProgram

OBJECTIVE = "objective"
# Readers stop at 255 characters per name (an index and `~upper` follow) and 510 per line (CPLEX).
LONGEST_NAME = 225
LONGEST_LINE = 500
# What a reader takes for a number, or for a word of its own.
MISREAD = re.compile(
    r"|[0-9.].*|e([0-9e.].*)?"
    r"|free|inf|infinity|st|s\.t\.|bounds?|end|gen|generals?|integers?|bin|binary|binaries|semis?|sos[12]?"
    r"|min|max|minimi[sz]e|maximi[sz]e|minimum|maximum|subject|such|that|to"
    r"|name|rows|columns|rhs|ranges|endata|objsense|objective",
    re.IGNORECASE,
)


def lp_text(program: LinearProgram) -> str:
    r"""The program in CPLEX-LP format; a row with two different finite bounds is two rows, `name` and `name~upper`.

    >>> from vpp_sim.lp import ProgramBuilder
    >>> builder = ProgramBuilder(num_steps=2)
    >>> flow = builder.variables("pump.flow", upper=3.0, cost=[1.0, 2.5])
    >>> builder.constrain_total("demand", [(flow, 1.0)], lower=4.0)
    >>> print(lp_text(builder.freeze()))
    \ 2 steps, 2 columns, 1 rows
    Minimize
     objective: pump.flow(0) + 2.5 pump.flow(1)
    Subject To
     demand: pump.flow(0) + pump.flow(1) >= 4
    Bounds
     pump.flow(0) <= 3
     pump.flow(1) <= 3
    End
    <BLANKLINE>
    """
    return "\n".join(_lp_lines(program)) + "\n"


def write_lp(program: LinearProgram, path: str | Path) -> None:
    """Write `lp_text` to a file."""
    Path(path).write_text(lp_text(program), encoding="ascii")


def write_mps(program: LinearProgram, path: str | Path) -> None:
    """Write the program as free MPS.

    MPS states a row with two different finite bounds as one bound and their distance, so that the other
    bound may come back one rounding off. Rows without bounds are written as N rows, which many readers drop.
    """
    Path(path).write_text("\n".join(_mps_lines(program)) + "\n", encoding="ascii")


def _lp_lines(program: LinearProgram) -> Iterator[str]:
    columns, rows = _column_names(program), _row_names(program)
    matrix = program.matrix.tocsr()
    costs = program.cost
    # a column without entries would not be seen at all without its zero in the objective
    shown = np.flatnonzero((costs != 0.0) | (np.diff(program.matrix.indptr) == 0))
    terms = _signed(costs[shown], [columns[column] for column in shown.tolist()])
    if program.cost_offset:
        terms.append(_sign(program.cost_offset) + _number(abs(program.cost_offset)))
    yield f"\\ {program.num_steps} steps, {program.num_columns} columns, {program.num_rows} rows"
    yield "Minimize"
    yield from _wrapped(f" {OBJECTIVE}:", terms, "")
    yield "Subject To"
    entries = _signed(matrix.data, [columns[column] for column in matrix.indices.tolist()])
    starts = matrix.indptr.tolist()
    nothing = [f"+ 0 {columns[0] if columns else '_nothing'}"]
    for row, (low, high) in enumerate(zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)):
        terms = entries[starts[row] : starts[row + 1]] or nothing
        if low == high:
            yield from _wrapped(f" {rows[row]}:", terms, f"= {_number(low)}")
        elif high == math.inf:
            yield from _wrapped(f" {rows[row]}:", terms, f">= {_number(low)}")
        elif low == -math.inf:
            yield from _wrapped(f" {rows[row]}:", terms, f"<= {_number(high)}")
        else:
            yield from _wrapped(f" {rows[row]}:", terms, f">= {_number(low)}")
            yield from _wrapped(f" {rows[row]}~upper:", terms, f"<= {_number(high)}")
    yield "Bounds"
    for name, low, high in zip(columns, program.lower.tolist(), program.upper.tolist(), strict=True):
        if low == high:
            yield f" {name} = {_number(low)}"
        elif low == -math.inf and high == math.inf:
            yield f" {name} free"
        elif low != 0.0 and high == math.inf:
            yield f" {name} >= {_number(low)}"
        elif low == 0.0 and high > 0.0:
            if high != math.inf:
                yield f" {name} <= {_number(high)}"
        else:
            yield f" {_number(low)} <= {name} <= {_number(high)}"
    yield "End"


def _mps_lines(program: LinearProgram) -> Iterator[str]:
    columns, rows, matrix = _column_names(program), _row_names(program), program.matrix
    row_lower, row_upper = program.row_lower, program.row_upper
    contradictory = np.flatnonzero(row_lower > row_upper)
    if contradictory.size:
        # a range cannot say it: two rows
        matrix = sp.vstack([matrix, matrix[contradictory]], format="csc")
        rows += [f"{rows[row]}~upper" for row in contradictory.tolist()]
        row_lower = np.append(row_lower, np.full(contradictory.size, -np.inf))
        row_upper = np.append(row_upper, row_upper[contradictory])
        row_upper[contradictory] = np.inf
    yield "NAME program"
    yield "ROWS"
    yield f" N {OBJECTIVE}"
    sides: list[str] = []
    ranges: list[str] = []
    for name, low, high in zip(rows, row_lower.tolist(), row_upper.tolist(), strict=True):
        bound = 0.0
        if low == high:
            kind, bound = "E", low
        elif low == -math.inf and high == math.inf:
            kind = "N"
        elif high == math.inf:
            kind, bound = "G", low
        elif low == -math.inf:
            kind, bound = "L", high
        else:
            # of the two ways the one that gives both bounds back exactly, if any
            kind, bound = ("G", low) if low + (high - low) == high else ("L", high)
            ranges.append(f" RNG {name} {_number(high - low)}")
        yield f" {kind} {name}"
        if bound:
            sides.append(f" RHS {name} {_number(bound)}")
    yield "COLUMNS"
    numbers = _numbers(matrix.data)
    lines = [f"{rows[row]} {number}" for row, number in zip(matrix.indices.tolist(), numbers, strict=True)]
    starts = matrix.indptr.tolist()
    for column, (name, cost) in enumerate(zip(columns, program.cost.tolist(), strict=True)):
        first, last = starts[column], starts[column + 1]
        if cost or first == last:
            yield f" {name} {OBJECTIVE} {_number(cost)}"
        yield from [f" {name} {line}" for line in lines[first:last]]
    yield "RHS"
    if program.cost_offset:
        yield f" RHS {OBJECTIVE} {_number(-program.cost_offset)}"
    yield from sides
    if ranges:
        yield "RANGES"
        yield from ranges
    yield "BOUNDS"
    for name, low, high in zip(columns, program.lower.tolist(), program.upper.tolist(), strict=True):
        if low == high:
            yield f" FX BND {name} {_number(low)}"
            continue
        if low == -math.inf:
            yield f" {'FR' if high == math.inf else 'MI'} BND {name}"
        elif low != 0.0 or high < 0.0:
            yield f" LO BND {name} {_number(low)}"
        if high != math.inf:
            yield f" UP BND {name} {_number(high)}"
    yield "ENDATA"


def _sign(value: float) -> str:
    return "- " if value < 0.0 else "+ "


def _number(value: float) -> str:
    text = repr(value)
    return text.removesuffix(".0")


def _numbers(values: FloatArray) -> list[str]:
    # few different numbers in many places: a coefficient is mostly the same at every step
    different, places = np.unique(values, return_inverse=True)
    texts = [_number(value) for value in different.tolist()]
    return [texts[place] for place in places.tolist()]


def _signed(values: FloatArray, names: list[str]) -> list[str]:
    """Terms `+ 2.5 name`, `- name`."""
    different, places = np.unique(values, return_inverse=True)
    texts = [_sign(value) + ("" if abs(value) == 1.0 else f"{_number(abs(value))} ") for value in different.tolist()]
    return [texts[place] + name for place, name in zip(places.tolist(), names, strict=True)]


def _wrapped(head: str, terms: list[str], tail: str) -> Iterator[str]:
    """One line, or several that stay below the longest that readers take."""
    if terms:
        terms = [terms[0].removeprefix("+ "), *terms[1:]]
    line = " ".join([head, *terms, tail]).rstrip()
    if len(line) <= LONGEST_LINE:
        yield line
        return
    line = head
    for word in (*terms, tail):
        if len(line) + 1 + len(word) > LONGEST_LINE:
            yield line
            line = "  "
        line += f" {word}"
    yield line.rstrip()


def _legal(names: Iterable[str]) -> list[str]:
    """Names that every reader takes, all different, in the same order."""
    taken: set[str] = set()
    legal: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_.]", "_", name)[:LONGEST_NAME]
        if MISREAD.fullmatch(plain):
            plain = f"_{plain}"
        unique = plain
        number = 2
        while unique in taken:
            unique = f"{plain}~{number}"
            number += 1
        taken.add(unique)
        legal.append(unique)
    return legal


def _indexed(name: str, count: int) -> list[str]:
    return [f"{name}({position})" for position in range(count)]


def _column_names(program: LinearProgram) -> list[str]:
    steps, globals_ = program.step_blocks, program.global_blocks
    legal = _legal([*(block.name for block in steps), *(block.name for block in globals_)])
    names = [_indexed(name, program.num_steps) for name in legal[: len(steps)]]
    for name, block in zip(legal[len(steps) :], globals_, strict=True):
        names.append([name] if block.count == 1 else _indexed(name, block.count))
    return list(chain.from_iterable(names))


def _row_names(program: LinearProgram) -> list[str]:
    blocks, totals = program.row_blocks, program.total_rows
    legal = _legal([*(block.name for block in blocks), *(total.name for total in totals)])
    return [
        *chain.from_iterable(_indexed(name, program.num_steps) for name in legal[: len(blocks)]),
        *legal[len(blocks) :],
    ]

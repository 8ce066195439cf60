"""Programs of one structure side by side: every number as an array over programs and steps, as small as it can be.

An array has shape (1 or programs, 1 or steps): an axis along which nothing changes has length 1, so what the programs
share is held and computed once, and arithmetic follows the rules of broadcasting.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from vpp_sim.lp.program import FloatArray, IntArray, LinearProgram, RowBlock, TotalRow

Numbers = Literal["cost", "lower", "upper", "row_lower", "row_upper"]


def compact(array: FloatArray) -> FloatArray:
    """The same numbers without axes along which they do not change.

    >>> compact(np.array([[1.0, 2.0], [1.0, 2.0]]))
    array([[1., 2.]])
    """
    if array.shape[0] > 1 and array[0, 0] == array[-1, 0] and array[0, -1] == array[-1, -1]:
        array = array[:1] if (array == array[0]).all() else array
    if array.shape[1] > 1 and array[0, 0] == array[0, -1] and array[-1, 0] == array[-1, -1]:
        array = array[:, :1] if (array == array[:, :1]).all() else array
    return array


def stacked(values: Sequence[float | FloatArray]) -> FloatArray:
    """One scalar or array (num_steps,) for each program as one compact array."""
    first = values[0]
    if all(value is first for value in values):
        return compact(np.asarray(first, dtype=np.float64).reshape(1, -1))
    try:
        found = np.array(values, dtype=np.float64)
    except ValueError:  # some are numbers, others have one for each step
        steps = max(np.size(value) for value in values)
        found = np.array([np.broadcast_to(np.asarray(value, dtype=np.float64), steps) for value in values])
    return compact(found[:, None] if found.ndim == 1 else found)


def before(values: FloatArray, steps: int) -> FloatArray:
    """Values one step back, with 0 in the first step."""
    found = np.zeros((values.shape[0], steps))
    found[:, 1:] = values[:, : steps - 1] if values.shape[1] > 1 else values
    return found


class Alike:
    """Numbers of programs that share `LinearProgram.structure`; `layout` is the first of them."""

    def __init__(self, programs: Sequence[LinearProgram]) -> None:
        self.programs = list(programs)
        self.layout = self.programs[0]
        self.count = len(self.programs)
        self.steps = self.layout.num_steps
        self._arrays: dict[Numbers, FloatArray] = {}
        self._terms: dict[int, dict[tuple[int, int], FloatArray]] = {}
        self._globals: dict[int, list[tuple[IntArray, FloatArray]]] = {}

    def slice_of(self, name: Numbers, start: int, stop: int) -> FloatArray:
        """One of the programs' arrays from `start` to `stop`, (1 or programs, stop - start)."""
        found = self._arrays.get(name)
        if found is None:
            arrays: list[FloatArray] = [getattr(program, name) for program in self.programs]
            first = arrays[0]
            found = first[None] if all(array is first for array in arrays) else np.array(arrays)
            self._arrays[name] = found
        return found[:, start:stop]

    def of_block(self, name: Numbers, number: int) -> FloatArray:
        """Cost or bounds of a step block."""
        start = self.layout.step_blocks[number].start
        return compact(self.slice_of(name, start, start + self.steps))

    def of_row(self, name: Numbers, number: int) -> FloatArray:
        """Bounds of a row block."""
        start = self.layout.row_blocks[number].start
        return compact(self.slice_of(name, start, start + self.steps))

    def of_globals(self, name: Numbers) -> FloatArray:
        """Cost or bounds of all global columns, (1 or programs, global columns)."""
        return self.slice_of(name, self.layout.first_global_column, self.layout.num_columns)

    def of_totals(self, name: Numbers) -> FloatArray:
        """Bounds of all total rows, (1 or programs, total rows)."""
        return self.slice_of(name, self.layout.first_total_row, self.layout.num_rows)

    @cached_property
    def _rows(self) -> list[list[RowBlock | TotalRow]]:
        """For each row block, then each total row, that row in all programs that do not share it with the first."""
        found: list[list[RowBlock | TotalRow]] = []
        for kind in ("row_blocks", "total_rows"):
            held = [getattr(program, kind) for program in self.programs]
            same = all(rows is held[0] for rows in held)
            for number in range(len(held[0])):
                found.append([held[0][number]] if same else [rows[number] for rows in held])
        return found

    def terms(self, row: int) -> dict[tuple[int, int], FloatArray]:
        """Coefficients of a row block, or of total row `row - number of row blocks`, by (step block, lag).

        Terms on one place are summed, and what is 0 throughout is left out.
        """
        found = self._terms.get(row)
        if found is None:
            found = {}
            rows = self._rows[row]
            for position, term in enumerate(rows[0].step_terms):
                value = stacked([one.step_terms[position].coefficient for one in rows])
                key = (term.block, term.lag)
                found[key] = compact(found[key] + value) if key in found else value
            found = {key: value for key, value in found.items() if value.any()}
            self._terms[row] = found
        return found

    def global_terms(self, row: int) -> list[tuple[IntArray, FloatArray]]:
        """Global terms of a row as (columns counted from the first global one, coefficients), both compact arrays."""
        found = self._globals.get(row)
        if found is None:
            found = []
            first = self.layout.first_global_column
            rows = self._rows[row]
            for position in range(len(rows[0].global_terms)):
                terms = [one.global_terms[position] for one in rows]
                columns = _columns([term.column for term in terms]) - first
                found.append((columns, stacked([term.coefficient for term in terms])))
            self._globals[row] = found
        return found

    def activity(self, row: int, primal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A x of a row block, (programs, steps), and the sum of |a x|; `primal` is (programs, columns)."""
        n, layout = self.steps, self.layout
        total, size = np.zeros((self.count, n)), np.zeros((self.count, n))
        for (block, lag), a in self.terms(row).items():
            start = layout.step_blocks[block].start
            x = primal[:, start : start + n]
            product = a * (before(x, n) if lag else x)
            total += product
            size += np.abs(product)
        for columns, a in self.global_terms(row):
            at = layout.first_global_column + columns
            x = primal[:, at[0]] if at.shape[0] == 1 else np.take_along_axis(primal, at, axis=1)
            total += a * x
            size += np.abs(a * x)
        return total, size

    def total_activity(self, number: int, primal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A x of a total row, (programs,), and the sum of |a x|."""
        row = len(self.layout.row_blocks) + number
        total, size = np.zeros(self.count), np.zeros(self.count)
        for (block, _), a in self.terms(row).items():
            start = self.layout.step_blocks[block].start
            product = a * primal[:, start : start + self.steps]
            total += product.sum(axis=1)
            size += np.abs(product).sum(axis=1)
        for columns, a in self.global_terms(row):
            product = a[:, 0] * primal[:, self.layout.first_global_column + int(columns[0, 0])]
            total += product
            size += np.abs(product)
        return total, size

    def transposed(self, block: int, dual: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A'y of a step block, (programs, steps), and the sum of |a y|; `dual` is (programs, rows)."""
        n = self.steps
        total, size = np.zeros((self.count, n)), np.zeros((self.count, n))
        for row in range(len(self._rows)):
            for (number, lag), a in self.terms(row).items():
                if number == block:
                    product = a * self._duals(row, dual)
                    here, there = (slice(n - 1), slice(1, n)) if lag else (slice(n), slice(n))
                    total[:, here] += product[:, there]
                    size[:, here] += np.abs(product[:, there])
        return total, size

    def transposed_globals(self, dual: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A'y of the global columns, (programs, global columns), and the sum of |a y|."""
        num = self.layout.num_columns - self.layout.first_global_column
        total, size = np.zeros((self.count, num)), np.zeros((self.count, num))
        for row in range(len(self._rows)):
            for columns, a in self.global_terms(row):
                product = a * self._duals(row, dual)
                if columns.shape[1] == 1:
                    total[:, columns[0, 0]] += product.sum(axis=1)
                    size[:, columns[0, 0]] += np.abs(product).sum(axis=1)
                    continue
                at = (np.arange(self.count)[:, None] * num + columns).ravel()
                for found, values in ((total, product), (size, np.abs(product))):
                    found += np.bincount(at, values.ravel(), minlength=self.count * num).reshape(found.shape)
        return total, size

    def _duals(self, row: int, dual: FloatArray) -> FloatArray:
        """Duals of a row block (programs, steps), or of a total row (programs, 1)."""
        blocks = self.layout.row_blocks
        if row < len(blocks):
            return dual[:, blocks[row].start : blocks[row].start + self.steps]
        return dual[:, self.layout.first_total_row + row - len(blocks)][:, None]

    def only(self, chosen: IntArray) -> Alike:
        """Some of the programs; what was stacked before is taken over."""
        part = Alike([self.programs[q] for q in chosen])
        part._arrays = {name: array if array.shape[0] == 1 else array[chosen] for name, array in self._arrays.items()}
        part._terms = {
            row: {key: value if value.shape[0] == 1 else value[chosen] for key, value in terms.items()}
            for row, terms in self._terms.items()
        }
        part._globals = {
            row: [tuple(v if v.shape[0] == 1 else v[chosen] for v in term) for term in terms]  # type: ignore[misc]
            for row, terms in self._globals.items()
        }
        return part


def _columns(given: Sequence[int | IntArray]) -> IntArray:
    """Columns of one global term in all programs, (1 or programs, 1 or steps): 1 step only where given as a number."""
    first = given[0]
    if np.ndim(first) == 0:
        return np.array([[int(first)]], dtype=np.int64)  # the structure says that all programs have the same
    if all(columns is first for columns in given):
        return np.asarray(first, dtype=np.int64)[None]
    found = np.array(given, dtype=np.int64)
    return found[:1] if (found == found[0]).all() else found

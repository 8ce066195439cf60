"""Appends variables and constraints as arrays, one call per block of steps, and freezes them into a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vpp_sim.lp.program import (
    FloatArray,
    GlobalBlock,
    GlobalTerm,
    IntArray,
    LinearProgram,
    RowBlock,
    StepBlock,
    StepTerm,
    TotalRow,
)


@dataclass(frozen=True)
class StepVariable:
    """Handle of one variable per step; `previous` stands for the same variable one step back."""

    name: str
    block: int
    lag: Literal[0, 1] = 0

    @property
    def previous(self) -> StepVariable:
        """The variable one step back; in a constraint's first step the term is absent."""
        return StepVariable(self.name, self.block, 1)


@dataclass(frozen=True, eq=False)
class GlobalVariable:
    """Handle of `count` variables that belong to no step; `at` picks one, or one for each step.

    Until the program is frozen its columns are counted from the first global one.
    """

    name: str
    first: int
    count: int
    picked: int | IntArray | None = None

    def at(self, position: int | IntArray) -> GlobalVariable:
        """One of the variables, by position, or with an array (num_steps,) one for each step."""
        return GlobalVariable(self.name, self.first, self.count, position)

    @property
    def offset(self) -> int | IntArray:
        """Column or columns meant, counted from the first global column."""
        if self.picked is None:
            if self.count != 1:
                raise ValueError(f"{self.name} has {self.count} variables; say which with .at(...)")
            return self.first
        return self.first + self.picked


Term = tuple[StepVariable | GlobalVariable, float | FloatArray]


class ProgramBuilder:
    """Collects blocks of variables and rows for a horizon of `num_steps` steps.

    >>> builder = ProgramBuilder(num_steps=2)
    >>> flow = builder.variables("flow", upper=3.0, cost=[1.0, 2.0])
    >>> builder.constrain_total("demand", [(flow, 1.0)], lower=4.0)
    >>> builder.freeze().matrix.toarray()
    array([[1., 1.]])
    """

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.cost_offset = 0.0
        self._names: set[str] = set()
        self._steps: list[tuple[str, FloatArray, FloatArray, FloatArray]] = []
        self._globals: list[tuple[str, FloatArray, FloatArray, FloatArray]] = []
        self._num_globals = 0
        self._rows: list[tuple[str, list[Term], FloatArray, FloatArray]] = []
        self._totals: list[tuple[str, list[Term], float, float]] = []

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"the name {name} is used twice in one program")
        self._names.add(name)

    def _filled(self, name: str, value: object, size: int) -> FloatArray:
        array = np.asarray(value, dtype=np.float64)
        if array.ndim and array.shape != (size,):
            raise ValueError(f"{name}: expected a scalar or shape ({size},), got {array.shape}")
        if np.isnan(array).any():
            raise ValueError(f"{name}: NaN in a number of the program")
        return np.broadcast_to(array, size)

    def variables(self, name: str, *, lower: object = 0.0, upper: object = np.inf, cost: object = 0.0) -> StepVariable:
        """Add one variable per step; bounds and cost are scalars or shape (num_steps,)."""
        self._claim(name)
        n = self.num_steps
        self._steps.append(
            (name, self._filled(name, lower, n), self._filled(name, upper, n), self._filled(name, cost, n))
        )
        return StepVariable(name, len(self._steps) - 1)

    def global_variables(
        self, name: str, count: int = 1, *, lower: object = 0.0, upper: object = np.inf, cost: object = 0.0
    ) -> GlobalVariable:
        """Add `count` variables that belong to no step; bounds and cost are scalars or shape (count,)."""
        self._claim(name)
        first = self._num_globals
        self._globals.append(
            (name, self._filled(name, lower, count), self._filled(name, upper, count), self._filled(name, cost, count))
        )
        self._num_globals += count
        return GlobalVariable(name, first, count)

    def constrain(
        self,
        name: str,
        terms: Sequence[Term],
        *,
        lower: object = -np.inf,
        upper: object = np.inf,
        equals: object = None,
    ) -> None:
        """Add one row per step: lower <= sum of terms <= upper, or = equals; all scalars or shape (num_steps,)."""
        self._claim(name)
        low, high = (lower, upper) if equals is None else (equals, equals)
        for variable, coefficient in terms:
            self._filled(f"{name}: coefficient of {variable.name}", coefficient, self.num_steps)
        bounds = self._filled(name, low, self.num_steps), self._filled(name, high, self.num_steps)
        self._rows.append((name, list(terms), *bounds))

    def constrain_total(
        self,
        name: str,
        terms: Sequence[Term],
        *,
        lower: float = -np.inf,
        upper: float = np.inf,
        equals: float | None = None,
    ) -> None:
        """Add a single row: step variables are summed over all steps with their coefficients (0 leaves a step out)."""
        self._claim(name)
        for variable, coefficient in terms:
            if isinstance(variable, StepVariable):
                if variable.lag:
                    raise ValueError(f"{name}: a total row takes no lagged terms; shift the coefficients instead")
                self._filled(f"{name}: coefficient of {variable.name}", coefficient, self.num_steps)
            elif np.ndim(variable.offset) or np.ndim(coefficient):
                raise ValueError(f"{name}: a total row takes global variables one at a time")
        low, high = (lower, upper) if equals is None else (equals, equals)
        self._totals.append((name, list(terms), float(low), float(high)))

    def freeze(self) -> LinearProgram:
        """The program as it stands; the builder may go on to be extended and frozen again."""
        n = self.num_steps
        first_global = len(self._steps) * n
        step_blocks = tuple(StepBlock(name, i * n) for i, (name, *_) in enumerate(self._steps))
        starts = np.cumsum([0, *(low.size for _, low, _, _ in self._globals)])
        global_blocks = tuple(
            GlobalBlock(name, first_global + int(start), low.size)
            for start, (name, low, _, _) in zip(starts, self._globals, strict=False)
        )

        def split(terms: list[Term]) -> tuple[tuple[StepTerm, ...], tuple[GlobalTerm, ...]]:
            steps, globals_ = [], []
            for variable, coefficient in terms:
                value = float(coefficient) if np.ndim(coefficient) == 0 else np.asarray(coefficient, dtype=np.float64)
                if isinstance(variable, StepVariable):
                    steps.append(StepTerm(variable.block, variable.lag, value))
                else:
                    globals_.append(GlobalTerm(first_global + variable.offset, value))
            return tuple(steps), tuple(globals_)

        row_blocks = tuple(RowBlock(name, i * n, *split(terms)) for i, (name, terms, _, _) in enumerate(self._rows))
        first_total = len(self._rows) * n
        total_rows = tuple(
            TotalRow(name, first_total + i, *split(terms)) for i, (name, terms, _, _) in enumerate(self._totals)
        )
        columns = [*self._steps, *self._globals]

        def joined(arrays: list[FloatArray]) -> FloatArray:
            return np.concatenate(arrays) if arrays else np.empty(0)

        return LinearProgram(
            num_steps=n,
            step_blocks=step_blocks,
            global_blocks=global_blocks,
            row_blocks=row_blocks,
            total_rows=total_rows,
            cost=joined([cost for *_, cost in columns]),
            cost_offset=self.cost_offset,
            lower=joined([low for _, low, _, _ in columns]),
            upper=joined([high for _, _, high, _ in columns]),
            row_lower=joined([low for *_, low, _ in self._rows] + [np.array([low]) for *_, low, _ in self._totals]),
            row_upper=joined([high for *_, high in self._rows] + [np.array([high]) for *_, high in self._totals]),
        )

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
        if self.lag:
            raise ValueError(f"{self.name}: a row reaches one step back and no further; add a variable that carries it")
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
        positions = np.asarray(position)
        if not np.issubdtype(positions.dtype, np.integer) or not ((positions >= 0) & (positions < self.count)).all():
            raise ValueError(f"{self.name}: positions must be whole numbers from 0 to {self.count - 1}, got {position}")
        return GlobalVariable(self.name, self.first, self.count, positions.copy() if positions.ndim else int(positions))

    @property
    def offset(self) -> int | IntArray:
        """Column or columns meant, counted from the first global column."""
        if self.picked is None:
            if self.count != 1:
                raise ValueError(f"{self.name} has {self.count} variables; say which with .at(...)")
            return self.first
        return self.first + self.picked


def _limits(name: str, lower: object, upper: object, equals: object) -> tuple[object, object]:
    if equals is None:
        return lower, upper
    if np.isfinite(np.asarray(lower, dtype=np.float64)).any() or np.isfinite(np.asarray(upper, dtype=np.float64)).any():
        raise ValueError(f"{name}: give either equals or lower and upper")
    return equals, equals


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
        if num_steps < 1:
            raise ValueError(f"a program has at least one step, got {num_steps}")
        self.num_steps = num_steps
        self.cost_offset = 0.0
        self._names: set[str] = set()
        self._steps: list[tuple[str, FloatArray, FloatArray, FloatArray]] = []
        self._ties: list[FloatArray] = []
        self._globals: list[tuple[str, FloatArray, FloatArray, FloatArray]] = []
        self._num_globals = 0
        self._rows: list[tuple[str, list[Term], FloatArray, FloatArray]] = []
        self._totals: list[tuple[str, list[Term], float, float]] = []

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"the name {name} is used twice in one program")
        self._names.add(name)

    def _filled(self, name: str, value: object, size: int, *, finite: bool = False) -> FloatArray:
        """A copy of the value as (size,), so that later changes of the caller's array do not reach the program."""
        array = np.array(value, dtype=np.float64)
        if array.ndim and array.shape != (size,):
            raise ValueError(f"{name}: expected a scalar or shape ({size},), got {array.shape}")
        if np.isnan(array).any():
            raise ValueError(f"{name}: NaN in a number of the program")
        if finite and np.isinf(array).any():
            raise ValueError(f"{name}: infinity in a cost or coefficient")
        return np.broadcast_to(array, size)

    def _between(self, name: str, lower: object, upper: object, size: int) -> tuple[FloatArray, FloatArray]:
        low, high = self._filled(name, lower, size), self._filled(name, upper, size)
        if (low == np.inf).any() or (high == -np.inf).any():
            raise ValueError(f"{name}: a lower bound of +infinity or an upper bound of -infinity leaves no value")
        return low, high

    def _checked(self, name: str, terms: Sequence[Term]) -> list[Term]:
        """The terms with coefficients as checked floats or copied arrays (num_steps,)."""
        checked: list[Term] = []
        for variable, coefficient in terms:
            what = f"{name}: coefficient of {variable.name}"
            if isinstance(variable, StepVariable):
                own = variable.block < len(self._steps) and self._steps[variable.block][0] == variable.name
            else:
                own = any(first[0] == variable.name for first in self._globals)
                if np.ndim(variable.offset) and np.shape(variable.offset) != (self.num_steps,):
                    raise ValueError(f"{what}: expected one position or one for each of {self.num_steps} steps")
            if not own:
                raise ValueError(f"{name}: {variable.name} is a variable of another program")
            filled = self._filled(what, coefficient, self.num_steps, finite=True)
            checked.append((variable, float(filled[0]) if np.ndim(coefficient) == 0 else filled))
        return checked

    def variables(
        self,
        name: str,
        *,
        lower: object = 0.0,
        upper: object = np.inf,
        cost: object = 0.0,
        tie_cost: object = 0.0,
    ) -> StepVariable:
        """Add one variable per step; bounds and costs are scalars or shape (num_steps,).

        `tie_cost` is added to `cost`, and decides between points that cost the same without it.
        """
        self._claim(name)
        bounds = self._between(name, lower, upper, self.num_steps)
        ties = self._filled(name, tie_cost, self.num_steps, finite=True)
        self._steps.append((name, *bounds, self._filled(name, cost, self.num_steps, finite=True) + ties))
        self._ties.append(ties)
        return StepVariable(name, len(self._steps) - 1)

    def global_variables(
        self, name: str, count: int = 1, *, lower: object = 0.0, upper: object = np.inf, cost: object = 0.0
    ) -> GlobalVariable:
        """Add `count` variables that belong to no step; bounds and cost are scalars or shape (count,)."""
        self._claim(name)
        first = self._num_globals
        bounds = self._between(name, lower, upper, count)
        self._globals.append((name, *bounds, self._filled(name, cost, count, finite=True)))
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
        low, high = _limits(name, lower, upper, equals)
        self._rows.append((name, self._checked(name, terms), *self._between(name, low, high, self.num_steps)))

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
            elif np.ndim(variable.offset) or np.ndim(coefficient):
                raise ValueError(f"{name}: a total row takes global variables one at a time")
        low, high = _limits(name, lower, upper, equals)
        (low_one,), (high_one,) = self._between(name, low, high, 1)
        self._totals.append((name, self._checked(name, terms), float(low_one), float(high_one)))

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
            for variable, value in terms:
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
            tie_cost=joined([*self._ties, np.zeros(self._num_globals)]) if any(t.any() for t in self._ties) else None,
        )

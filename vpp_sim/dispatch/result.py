"""A dispatch: every series, size and table of one solved scenario, and how it was solved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from vpp_sim.components.base import FloatArray, Values
from vpp_sim.scenario import Scenario
from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

#: In `Dispatch.cost_without`: the plan without any target that is a rule; no target can be called so.
ALL_RULES: Final = "all rules"


@dataclass(frozen=True)
class SolveRecord:
    """How a program was solved, for `summary.json` and `run.json`; the three residuals are of our own certificate."""

    name: str
    version: str
    algorithm: str
    status: str
    iterations: int
    seconds: float
    gap: float
    primal_residual: float
    dual_residual: float
    num_rows: int
    num_columns: int
    num_nonzeros: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OneWay:
    """How one direction was chosen for every step (`dispatch.exact`): no other choice costs less by more than `gap`."""

    gap: float
    binaries: int
    pieces: int
    seconds: float

    def note(self) -> str:
        """How, how well, and in what time."""
        how = f"{self.binaries:,} binaries in {self.pieces:,} pieces" if self.binaries else "no binary needed"
        stopped = "; stopped at the time limit: another choice may be better by that share of the cost"
        return (
            f"exact: one direction in every step, {how}, gap {self.gap:.1e}, {self.seconds:.1f} s"
            f"{stopped if self.gap > 1e-6 else ''}"
        )


@dataclass(frozen=True)
class TieBreak:
    """What deciding between plans of equal cost can have cost at most [currency], and as a share of the money that
    changes hands; `factor` multiplies the prices that decide."""

    factor: float
    loss: float
    share: float


@dataclass(frozen=True, eq=False)
class Dispatch:
    """One solved scenario.

    `series` are arrays (num_steps,) by `component.quantity_unit`: inputs, variables and derived series alike;
    `globals_` the variables that belong to no step; `sizes` the capacities the optimiser chose, by `component.field`;
    `tables` by `component.table`. `objective` is in currency over the horizon; `target_duals` say by target what
    one more kWh, kg or kW of shortfall would save. `plan_cost` is the objective before the plan was handed back to
    sessions; where it was asked for, `cost_without` says by target what the plan would cost without it (and without all
    rules, by `ALL_RULES`). `exact` says how directions were chosen, where that was asked for; `ties`
    what deciding between equal plans cost, where it was measured.
    """

    scenario: Scenario
    series: Mapping[str, FloatArray]
    globals_: Mapping[str, FloatArray]
    sizes: Mapping[str, float]
    tables: Mapping[str, pd.DataFrame]
    objective: float
    solver: SolveRecord
    notes: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    target_duals: Mapping[str, float] = field(default_factory=dict)
    plan_cost: float | None = None
    cost_without: Mapping[str, float] = field(default_factory=dict)
    exact: OneWay | None = None
    ties: TieBreak | None = None

    @property
    def grid(self) -> TimeGrid:
        """The time axis."""
        return self.scenario.grid

    def values(self, component: str) -> Values:
        """One component's own slice."""
        return Values(
            grid=self.grid,
            series=_slice(self.series, component),
            sizes=_slice(self.sizes, component),
            globals_=_slice(self.globals_, component),
            tables=_slice(self.tables, component),
        )

    def frame(self) -> pd.DataFrame:
        """All series as one table with index `time`."""
        import pandas as pd

        return pd.DataFrame(dict(self.series), index=self.grid.index)


def _slice(entries: Mapping[str, T], component: str) -> dict[str, T]:
    prefix = f"{component}."
    return {name[len(prefix) :]: value for name, value in entries.items() if name.startswith(prefix)}

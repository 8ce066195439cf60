"""A small site for hand-worked problems: components on one bus beside a supply with given prices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pytest

from vpp_sim.components.base import Block, Bus, Check, Component, Context, FloatArray, Flows, Inputs, Values, as_arrays
from vpp_sim.lp import LinearProgram, ProgramBuilder, solve
from vpp_sim.tariffs import load_tariff
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site


class Supply(Component):
    """Stands in for the grid: power at the input `price_per_kwh` up to `limit_kw`, sold at `sell_per_kwh`."""

    label: ClassVar[str] = "supply"
    colour: ClassVar[str] = "#000000"

    kind: Literal["supply"] = "supply"
    limit_kw: float = 1e6
    sell_per_kwh: tuple[float, ...] | None = None

    def add_to(self, block: Block) -> None:
        price = block.inputs.series["price_per_kwh"]
        block.inject(block.variables("import_kw", upper=self.limit_kw, cost_per_kwh=price), +1)
        if self.sell_per_kwh is not None:
            sold = block.variables("export_kw", upper=self.limit_kw, cost_per_kwh=-np.array(self.sell_per_kwh))
            block.inject(sold, -1, role="export")

    def uncontrolled(self) -> Self:
        return self

    def flows(self, values: Values) -> Flows:
        return Flows(import_kw=values["import_kw"], export_kw=values.series.get("export_kw"))

    def replay(self, values: Values) -> list[Check]:
        return []


class Sun(Component):
    """Free renewable power up to the input `available_kw`."""

    label: ClassVar[str] = "sun"
    colour: ClassVar[str] = "#000000"

    kind: Literal["sun"] = "sun"

    def add_to(self, block: Block) -> None:
        available = block.inputs.series["available_kw"]
        block.inject(block.variables("generation_kw", upper=available), +1, role="renewable")

    def uncontrolled(self) -> Self:
        return self

    def flows(self, values: Values) -> Flows:
        return Flows(renewable_kw=values["generation_kw"], renewable_available_kw=values["available_kw"])

    def replay(self, values: Values) -> list[Check]:
        return []


@dataclass(frozen=True)
class SolvedSite:
    """The optimum of a small site; the objective is without what decides between equal plans."""

    objective: float
    program: LinearProgram
    components: Mapping[str, Component]
    slices: Mapping[str, Values]
    ties: float

    def values(self, component: str) -> Values:
        return self.slices[component]

    def kpis(self, component: str) -> dict[str, float]:
        return {key: kpi.value for key, kpi in self.components[component].kpis(self.slices[component]).items()}


SolveSite = Callable[..., SolvedSite]


def small_context(steps: int, step_minutes: int = 60, weather: Any = None) -> Context:
    grid = TimeGrid(dt.datetime(2025, 1, 1), step_minutes=step_minutes, num_steps=steps, timezone="Asia/Shanghai")
    return Context(
        grid=grid,
        site=Site(latitude=36.62, longitude=101.78, altitude_m=2261),
        tariff=load_tariff("flat"),
        base_dir=Path(),
        read_weather=lambda: weather,
    )


def solved_site(
    components: Mapping[str, Component],
    prices: Any,
    *,
    inputs: Mapping[str, Mapping[str, Any]] | None = None,
    step_minutes: int = 60,
    limit_kw: float = 1e6,
    sell_per_kwh: tuple[float, ...] | None = None,
    discount_rate: float = 0.0,
) -> SolvedSite:
    """Solve a site for one price per step; `inputs` replaces what components would read from outside.

    Proves each time that the optimum is certified, that supply equals use, and that every replayed equation holds.
    """
    price = np.asarray(prices, dtype=np.float64)
    context = small_context(len(price), step_minutes)
    site = {**components, "supply": Supply(limit_kw=limit_kw, sell_per_kwh=sell_per_kwh)}
    given = {**(inputs or {}), "supply": {"price_per_kwh": price}}
    read = {
        name: Inputs(series=as_arrays(given[name])) if name in given else component.inputs(context)
        for name, component in site.items()
    }
    builder = ProgramBuilder(len(price))
    bus = Bus(builder, context.grid, discount_rate)
    for name, component in site.items():
        component.add_to(Block(name, bus, context, read[name]))
    bus.close()
    program = builder.freeze()
    solution = solve(program, "highs")
    assert solution.is_optimal, solution.status.value
    assert solution.certificate is not None
    assert solution.certificate.passed()
    assert solution.primal is not None

    slices = {}
    for name, component in site.items():
        prefix = f"{name}."
        series: dict[str, FloatArray] = dict(read[name].series)
        globals_, sizes = {}, {}
        for block in program.step_blocks:
            if block.name.startswith(prefix):
                series[block.name[len(prefix) :]] = solution.primal[program.columns(block.name)]
        for group in program.global_blocks:
            if group.name.startswith(prefix):
                own = group.name[len(prefix) :]
                globals_[own] = solution.primal[program.columns(group.name)]
                if own.endswith("_size"):
                    sizes[own.removesuffix("_size")] = float(globals_[own][0])
        values = Values(context.grid, series, sizes, globals_, read[name].tables)
        settlement = component.settle(values, final=False)
        assert not settlement.pinned, "a hand-worked plan must be one that can be carried out"
        outputs = component.outputs(values)
        slices[name] = Values(
            context.grid, series | outputs, sizes, globals_, {**read[name].tables, **settlement.tables}
        )
    _assert_replay(site, slices)
    ties = program.ties(solution.primal)
    return SolvedSite(solution.objective - ties, program, site, slices, ties)


def _assert_replay(site: Mapping[str, Component], slices: Mapping[str, Values]) -> None:
    net: Any = 0.0
    for name, component in site.items():
        for check in component.replay(slices[name]):
            assert check.passed, (name, check)
        flows = component.flows(slices[name])
        for power, sign in (
            (flows.renewable_kw, 1),
            (flows.other_supply_kw, 1),
            (flows.import_kw, 1),
            (flows.export_kw, -1),
            (flows.use_kw, -1),
        ):
            net = net + (0.0 if power is None else sign * power)
        if flows.store is not None:
            net = net + flows.store.discharge_kw - flows.store.charge_kw
    np.testing.assert_allclose(net, 0.0, atol=1e-6)


@pytest.fixture(scope="session")
def solve_site() -> SolveSite:
    """`solved_site` for tests: `solve_site({name: component}, prices, inputs={name: {series: values}})`."""
    return solved_site


@pytest.fixture(scope="session")
def sun() -> Component:
    """Free renewable power up to the input `available_kw`."""
    return Sun()


@pytest.fixture(scope="session")
def context_of() -> Callable[..., Context]:
    """`context_of(steps, step_minutes, weather)`: an outside without a site, a tariff or files."""
    return small_context

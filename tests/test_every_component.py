"""One contract over the registry: what every kind of component must do, whatever it is.

A new kind needs one entry in `EXAMPLES`; everything else is found from its fields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from vpp_sim.components import REGISTRY
from vpp_sim.components.base import Block, Bus, Component, FreeSize
from vpp_sim.dispatch import Dispatch, audit, dispatch
from vpp_sim.lp import ProgramBuilder
from vpp_sim.scenario import Scenario, scenario_from_mapping

UNITS = (
    *("_kw", "_kwh", "_per_kwh", "_w_per_m2", "_celsius", "_pa", "_hours", "_m_per_s", "_deg"),
    # dimensionless
    *("pue", "share", "_available", "_kw_per_kwp", "yield", "efficiency"),
)


@dataclass(frozen=True)
class Example:
    """A component that does something on the site below, and what makes it nothing."""

    fields: Mapping[str, Any]
    #: Changes that leave nothing of it. None for a kind that a site cannot be without.
    nothing: Mapping[str, Any] | None = None
    #: How far the objective may differ when each step is split in two, relative: rounding where everything is held
    #: over the hour; sun and sessions are not (their energy agrees, the demand charge sees a higher peak).
    half_steps: float = 1e-9


EXAMPLES = {
    "battery": Example({"power_kw": 40.0, "energy_kwh": 80.0}, nothing={"power_kw": 0.0, "energy_kwh": 0.0}),
    "data_centre": Example(
        {
            "racks": 40.0,
            "pue": {"model": "plateau"},
            "classes": [
                {"name": "online", "arrivals_kw": {"generator": "interactive_compute", "mean": 20.0}},
                {
                    "name": "training",
                    "arrivals_kw": {"generator": "job_arrivals", "mean": 15.0},
                    "max_delay_hours": 12.0,
                },
            ],
        },
        nothing={"racks": 0.0, "classes": []},
        half_steps=1e-5,  # temperature moves within the hour
    ),
    "ev_station": Example(
        {
            "power_kw": 120.0,
            "fleets": [
                {
                    "name": "visitors",
                    "sessions_per_day": 20,
                    "arrival_peaks": [{"hour": 12.0, "spread_hours": 2.0}],
                    "dwell_hours": 4.0,
                    "energy_kwh": 20.0,
                    "charger_power_kw": 60.0,
                }
            ],
        },
        nothing={"power_kw": 0.0, "value_of_unserved_per_kwh": 0.0},
        half_steps=0.02,
    ),
    "grid": Example({"import_limit_kw": 500.0, "export_limit_kw": 100.0}),
    "load": Example(
        {
            "profile": {"generator": "office_park", "peak": 60.0},
            "sheddable_share": 0.1,
            "value_of_lost_load_per_kwh": 0.5,
        },
        nothing={"profile": 0.0},
    ),
    "pv": Example({"capacity_kw": 30.0}, nothing={"capacity_kw": 0.0}, half_steps=0.005),
}

KINDS = pytest.mark.parametrize("kind", sorted(REGISTRY))


def site(kind: str | None, changes: Mapping[str, Any] | None = None, **frame: Any) -> Scenario:
    """A grid connection with a demand charge and an office, with or without the component `subject`."""
    components: dict[str, Any] = {"office": {"kind": "load", "profile": {"generator": "office_park", "peak": 50.0}}}
    if kind != "grid":
        components["grid"] = {"kind": "grid", "import_limit_kw": 2000.0, "export_limit_kw": 1000.0}
    if kind is not None:
        components["subject"] = {"kind": kind, **EXAMPLES[kind].fields, **(changes or {})}
    horizon = {"start": "2025-06-02", "days": 2, "step_minutes": 60, "timezone": "Asia/Shanghai"}
    return scenario_from_mapping(
        {
            "name": "contract",
            "currency": "CNY",
            "horizon": horizon | frame,
            "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261.0},
            "weather": {"source": "climate", "climate": "xining", "seed": 1},
            "tariff": "qinghai_two_part_2026_03",
            "components": components,
        },
        base_dir=Path(),
    )


@cache
def solved(kind: str | None) -> Dispatch:
    """The example of a kind, solved once; None is the site without it."""
    return dispatch(site(kind))


def capacities(kind: str) -> list[str]:
    """Fields of the example that may be a free size."""
    fields = REGISTRY[kind].model_fields
    return [name for name in EXAMPLES[kind].fields if FreeSize in get_args(fields[name].annotation)]


def models_below(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model in an annotation, and in its fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from models_below(info.annotation)
    for inner in get_args(annotation):
        yield from models_below(inner)


def test_every_kind_has_an_example() -> None:
    assert set(EXAMPLES) == set(REGISTRY)


@KINDS
def test_every_field_says_what_it_means_and_in_which_unit(kind: str) -> None:
    for model in {REGISTRY[kind], *models_below(REGISTRY[kind])}:
        for name, info in model.model_fields.items():
            extra = info.json_schema_extra
            assert info.description, f"{model.__name__}.{name} has no doc"
            assert isinstance(extra, dict), f"{model.__name__}.{name} was not made with quantity()"
            assert extra["unit"], f"{model.__name__}.{name} has no unit"
            if name.endswith("_kw"):
                assert extra["unit"] == "kW", f"{model.__name__}.{name} is in {extra['unit']}"


@KINDS
def test_the_registry_knows_it_by_its_own_word(kind: str) -> None:
    cls = REGISTRY[kind]
    assert get_args(cls.model_fields["kind"].annotation) == (kind,)
    assert cls.label
    assert cls.__doc__


def test_no_two_kinds_look_alike() -> None:
    for look in ("label", "colour"):
        assert len({getattr(cls, look) for cls in REGISTRY.values()}) == len(REGISTRY), look


@KINDS
def test_it_builds_with_vectors_only(kind: str) -> None:
    """Eight times the steps take about as many calls of Python and C functions: no loop runs over steps."""
    calls = []
    for days in (4, 32):
        scenario = site(kind, days=days)
        component, inputs = scenario.components["subject"], scenario.read_inputs()["subject"]
        builder = ProgramBuilder(scenario.grid.num_steps)
        block = Block("subject", Bus(builder, scenario.grid, 0.06), scenario.context(), inputs)
        scenario.grid.month_shares  # noqa: B018  (cached: read before counting)
        calls.append(_calls_of(component, block))
    # demand charges and sessions may add a little per month and per class, a loop over steps adds thousands
    assert calls[1] <= 1.5 * calls[0] + 100


def _calls_of(component: Component, block: Block) -> int:
    count = 0

    def tick(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(tick)
    try:
        component.add_to(block)
    finally:
        sys.setprofile(before)
    return count


@KINDS
def test_the_bus_balances_and_every_equation_is_replayed(kind: str) -> None:
    result = solved(kind)
    component = result.scenario.components["subject"]
    assert [check for check in audit(result) if not check.passed] == []
    assert component.replay(result.values("subject"))
    flows = [part.flows(result.values(name)) for name, part in result.scenario.components.items()]
    used = sum(float(flow.use_kw.sum()) for flow in flows if flow.use_kw is not None)
    assert used > 0


@KINDS
def test_series_are_named_with_their_unit_and_have_one_value_per_step(kind: str) -> None:
    result = solved(kind)
    for name, values in result.values("subject").series.items():
        assert values.shape == (result.grid.num_steps,), name
        assert np.isfinite(values).all(), name
        assert name.endswith(UNITS), f"{name} does not end in a unit"


@KINDS
def test_kpis_say_what_they_are(kind: str) -> None:
    result = solved(kind)
    for key, kpi in result.scenario.components["subject"].kpis(result.values("subject")).items():
        assert np.isfinite(kpi.value), key
        assert kpi.unit, key
        assert kpi.definition, key


@KINDS
def test_nothing_of_it_is_as_if_it_were_not_there(kind: str) -> None:
    if (nothing := EXAMPLES[kind].nothing) is None:
        assert REGISTRY[kind].exactly_one
        return
    assert dispatch(site(kind, nothing)).objective == pytest.approx(solved(None).objective, rel=1e-9)


@KINDS
def test_it_changes_something(kind: str) -> None:
    """The example is not idle, or the tests here would prove nothing."""
    if kind != "grid":
        assert solved(kind).objective != pytest.approx(solved(None).objective, rel=1e-6)


@KINDS
def test_a_free_size_that_is_pinned_is_the_size(kind: str) -> None:
    """One physics for dispatch and sizing: {min: s, max: s, cost_per_unit: 0} is s."""
    pinned = {
        name: {"min": EXAMPLES[kind].fields[name], "max": EXAMPLES[kind].fields[name], "cost_per_unit": 0.0}
        for name in capacities(kind)
    }
    for changes in [{name: size} for name, size in pinned.items()] + ([pinned] if len(pinned) > 1 else []):
        result = dispatch(site(kind, changes))
        assert result.objective == pytest.approx(solved(kind).objective, rel=1e-7), changes
        assert [check for check in audit(result) if not check.passed] == []
        fixed = result.scenario.components["subject"].fixed_at(
            {name: result.sizes[f"subject.{name}"] for name in changes}
        )
        assert not fixed.free_sizes()


@KINDS
def test_twice_the_steps_at_half_the_length_agree(kind: str) -> None:
    assert dispatch(site(kind, step_minutes=30)).objective == pytest.approx(
        solved(kind).objective, rel=EXAMPLES[kind].half_steps
    )


@KINDS
def test_without_its_flexibility_it_never_costs_less(kind: str) -> None:
    scenario = site(kind)
    plain = scenario.components["subject"].uncontrolled()
    assert plain.uncontrolled() == plain
    result = dispatch(scenario.with_components(subject=plain))
    best = solved(kind).objective
    assert result.objective >= best - 1e-7 * abs(best)
    assert [check for check in audit(result) if not check.passed] == []


@KINDS
def test_the_order_of_components_does_not_matter(kind: str) -> None:
    scenario = site(kind)
    turned = scenario.replace_components(dict(reversed(scenario.components.items())))
    assert dispatch(turned).objective == pytest.approx(solved(kind).objective, rel=1e-9)


@KINDS
def test_it_can_be_written_down_and_read_again(kind: str) -> None:
    component = site(kind).components["subject"]
    assert type(component).model_validate(component.model_dump()) == component

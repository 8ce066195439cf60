"""The course of a project through its years, and the wear price that agrees with ageing, on small sites."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.dispatch import dispatch
from vpp_sim.errors import InfeasibleError, InputError
from vpp_sim.kpi import simulate
from vpp_sim.scenario import Scenario, load_scenario, scenario_from_mapping
from vpp_sim.studies.course import Course, course, spans
from vpp_sim.studies.wear_price import TOLERANCE, consistent_wear_price

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"


def tiny(*settings: str) -> Scenario:
    return load_scenario(TINY, settings=settings)


@cache
def years(fast: bool = False) -> Course:
    return course(tiny(), fast=fast)


def test_every_year_is_dispatched_with_what_is_left_of_its_capacities() -> None:
    found = years()
    assert found.dispatched == tuple(range(1, 21))
    assert found.capacity_residual < 0.002
    assert all(check.passed for check in found.checks)
    middle = found.proforma.schedule.middle[7]
    worn = tiny()
    worn = worn.replace_components({name: part.in_condition(middle[name]) for name, part in worn.components.items()})
    again = simulate(worn)
    # equal optima may share the money between bill and wear a little differently
    assert found.operations[7].bill == pytest.approx(again.summary.bill.total / again.optimal.grid.years, rel=2e-4)


def test_the_battery_is_replaced_and_the_cash_flow_follows() -> None:
    found = years()
    (replacement,) = found.proforma.schedule.replacements
    assert (replacement.component, replacement.reason) == ("battery", "age")
    assert replacement.years == pytest.approx(15.0)
    paid = found.proforma.table["replacement"]
    assert paid[15] == pytest.approx(-0.55 * 950 * 360)
    left = found.capacities()["battery"]
    assert (np.diff(left[:15]) < 0).all()
    assert left[16] > left[1] - 0.01


def test_savings_shrink_but_less_than_the_estimate_of_one_year_says() -> None:
    """The cost of the best operation is convex in capacities: the estimate (SCR-1) is never above the course."""
    found = years()
    estimate = found.reference.summary.screening
    assert estimate is not None
    saved = found.proforma.table["energy_saving"] + found.proforma.table["demand_saving"]
    guessed = estimate.table["energy_saving"] + estimate.table["demand_saving"]
    assert (saved[1:] >= guessed[1:] - 1e-6 * saved[1]).all()
    assert (guessed[1:] >= 0.97 * saved[1:]).all()
    assert estimate.kpis["npv"].value <= found.proforma.kpis["npv"].value


def test_business_as_usual_is_the_uncontrolled_load_on_the_grid() -> None:
    """Dispatched, and billed from the load of the uncontrolled site by other code."""
    found = years()
    check = found.checks[0]
    assert check.name.startswith("business as usual: its dispatch costs")
    assert check.passed
    kept = simulate(tiny("pv.cost=null"))
    without_battery = course(tiny("pv.cost=null", "economics.lifetime_years=2"), reference=None)
    assert without_battery.usual.bill == pytest.approx(
        kept.baseline.objective / kept.baseline.grid.years, rel=1e-3
    )  # the plant has no price, so it is there already: business as usual is the uncontrolled site


def test_the_fast_course_says_how_far_it_may_be_off() -> None:
    full, fast = years(), years(fast=True)
    assert len(fast.dispatched) < 10
    assert fast.error is not None
    exact, guess = (found.proforma.table["net"].to_numpy() for found in (full, fast))
    assert np.abs(guess - exact)[1:-1].max() <= fast.error * exact[1]
    worth = [found.proforma.kpis["npv"].value for found in (full, fast)]
    assert worth[1] == pytest.approx(worth[0], rel=1e-3)


def test_spans_break_at_replacements() -> None:
    assert [len(span) for span in spans(years().proforma.schedule, 20)] == [14, 1, 5]


def test_prices_that_rise_apart_are_in_each_dispatch() -> None:
    """A demand charge that rises by a fifth a year is met with lower peaks, billed at the prices of year 1."""
    rising = course(tiny("economics.lifetime_years=6", "economics.escalation.demand=0.2"))
    demand = [year.demand for year in rising.operations]
    energy = [year.energy for year in rising.operations]
    assert demand[-1] < demand[0]
    assert energy[-1] > energy[0]
    flat = course(tiny("economics.lifetime_years=6"))
    assert demand[-1] < flat.operations[-1].demand


def test_a_year_that_cannot_be_run_is_named() -> None:
    """All charging must come from a connection that is only just enough while the battery is new."""
    site: dict[str, Any] = {
        "name": "edge",
        "currency": "CNY",
        "horizon": {"start": "2025-06-02", "days": 1, "timezone": "Asia/Shanghai"},
        "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261.0},
        "weather": {"source": "climate", "climate": "xining", "seed": 1},
        "tariff": "qinghai_two_part_2026_03",
        "components": {
            "office": {"kind": "load", "profile": {"generator": "office_park", "peak": 100.0, "seed": 1}},
            "battery": {
                "kind": "battery",
                "power_kw": 100.0,
                "energy_kwh": 200.0,
                "cost": {"capital_per_unit": 950.0, "lifetime_years": 15.0},
            },
            "grid": {"kind": "grid", "import_limit_kw": 1000.0},
        },
        "economics": {"lifetime_years": 8},
    }
    roomy = scenario_from_mapping(site, base_dir=Path())
    low, high = 10.0, 100.0
    for _ in range(12):  # the smallest connection that is enough while the battery is new
        middle = (low + high) / 2
        limited = roomy.with_components(grid=roomy.components["grid"].model_copy(update={"import_limit_kw": middle}))
        try:
            dispatch(limited)
            high = middle
        except InfeasibleError:
            low = middle
    tight = roomy.with_components(grid=roomy.components["grid"].model_copy(update={"import_limit_kw": high}))
    with pytest.raises(InfeasibleError, match=r"^year \d+: no operation"):
        course(tight)


def test_without_a_price_there_is_no_project() -> None:
    with pytest.raises(InputError, match="no component has a price"):
        course(tiny("pv.cost=null", "battery.cost=null"))


def test_what_a_part_adds_is_the_year_without_it() -> None:
    found = years()
    adds = {entry.component: entry for entry in found.increments}
    assert set(adds) == {"battery", "pv"}
    bare = dispatch(tiny().with_components(battery=None))
    whole = found.reference.optimal
    wear = found.reference.summary.kpis["wear_cost"].value
    ties = 1e-3 * whole.objective
    lost = (bare.objective - whole.objective + wear) / whole.grid.years
    assert adds["battery"].first_year_saving == pytest.approx(lost, abs=ties)
    assert adds["battery"].npv < 0 < adds["pv"].npv
    assert 0 < found.control_saving < found.proforma.kpis["first_year_saving"].value
    # against a site under control the worth is less by the present value of what control alone saves
    worth = found.proforma.kpis["npv"].value - found.against_control.kpis["npv"].value
    assert worth == pytest.approx(found.control_saving * (1 - 1.06**-20) / 0.06, rel=1e-6)


@pytest.mark.parametrize("start", [0.0, 0.5, 3.0])
def test_the_wear_price_agrees_with_its_own_ageing(start: float) -> None:
    """From a price far too low, too high, and one at which the battery stands still, the same price comes out."""
    found = consistent_wear_price(tiny(f"battery.wear_cost_per_kwh={start}"))
    price, implied = found.runs[-1]
    assert found.converged
    assert implied == pytest.approx(price, rel=TOLERANCE * 1.01)
    assert found.price_per_kwh == pytest.approx(0.0692, rel=0.03)
    assert len(found.runs) <= 8
    assert found.scenario.components["battery"].wear_cost_per_kwh == found.price_per_kwh


def test_a_dear_battery_cycles_less() -> None:
    cheap = consistent_wear_price(tiny())
    dear = consistent_wear_price(tiny("battery.cost.capital_per_unit=3000"))
    assert dear.converged
    assert dear.price_per_kwh > 2 * cheap.price_per_kwh
    given = [found.dispatch.values("battery").energy_kwh("discharge_kw") for found in (cheap, dear)]
    assert given[1] < given[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("battery.cost=null",), "give it a `cost:`"),
        (("battery.energy_kwh={max: 500, cost_per_unit: 950}",), "choose its size first"),
        (("components.battery=null",), "the batteries here: none"),
    ],
)
def test_a_wear_price_needs_a_battery_with_a_size_and_a_price(settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        consistent_wear_price(tiny(*settings))

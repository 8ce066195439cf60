"""The cash flow of a project against business as usual, by hand and by identities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.components import Battery, Pv
from vpp_sim.components.asset_cost import Condition, Investment
from vpp_sim.errors import InputError
from vpp_sim.kpi import simulate
from vpp_sim.kpi.economics import Proforma, proforma
from vpp_sim.kpi.finance import FORMULAS, net_present_value
from vpp_sim.kpi.lifetime import Schedule, schedule_of
from vpp_sim.kpi.project import Operation, Project, mixed
from vpp_sim.scenario import load_scenario
from vpp_sim.scenario.economics import Economics

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
USUAL = Operation(energy=1000.0, demand=200.0, fixed=50.0, load_kwh=2000.0)
BETTER = Operation(energy=700.0, demand=150.0, fixed=50.0, export=10.0, load_kwh=2000.0, generation_kwh=600.0)


def project(**changes: Any) -> Project:
    plant = Investment(
        **{
            "capital": 1500.0,
            "om_per_year": 15.0,
            "lifetime_years": 25.0,
            "replacement": 1500.0,
            "salvage": 0.0,
            "in_baseline": False,
            **changes,
        }
    )
    return Project({"pv": plant}, frozenset({"pv"}), frozenset({"pv"}), frozenset())


def schedule(years: int, left: float = 0.2) -> Schedule:
    return Schedule(tuple({"pv": Condition()} for _ in range(years)), (), {"pv": left})


def judged(bought: Project | None = None, plan: Schedule | None = None, **economics: Any) -> Proforma:
    rules = Economics(**{"discount_rate": 0.10, "lifetime_years": 3.0, **economics})
    years = rules.num_years
    return proforma(rules, "CNY", bought or project(), plan or schedule(years), [BETTER] * years, USUAL, basis="CRS-1")


def test_a_project_of_three_years_by_hand() -> None:
    """Saves 300 + 50 + 10 a year for 15 of O&M; a fifth of 1500 is left: 345/1.1 + 345/1.21 + (345 + 300)/1.331."""
    found = judged()
    assert found.table["net"].tolist() == pytest.approx([-1500, 345, 345, 645])
    worth = -1500 + 345 / 1.1 + 345 / 1.21 + 645 / 1.331
    assert found.kpis["npv"].value == pytest.approx(worth)
    assert found.kpis["npv_without_salvage"].value == pytest.approx(worth - 300 / 1.331)
    assert found.kpis["first_year_saving"].value == pytest.approx(360)
    assert np.isnan(found.kpis["payback_years"].value)
    lcoe = (1500 + 15 * (1 / 1.1 + 1 / 1.21 + 1 / 1.331) - 300 / 1.331) / (600 * (1 / 1.1 + 1 / 1.21 + 1 / 1.331))
    assert found.kpis["lcoe"].value == pytest.approx(lcoe)


def test_net_present_costs_differ_by_the_worth() -> None:
    found = judged(inflation=0.02, escalation={"energy": 0.05, "demand": -0.01})
    apart = found.kpis["baseline_net_present_cost"].value - found.kpis["net_present_cost"].value
    assert apart == pytest.approx(found.kpis["npv"].value)


def test_each_line_rises_at_its_own_rate() -> None:
    """Year 1 is at the scenario's prices; what has no rate of its own follows inflation."""
    found = judged(inflation=0.02, escalation={"energy": 0.10})
    table = found.table
    assert table["energy_saving"].tolist() == pytest.approx([0, 300, 330, 363])
    assert table["demand_saving"].tolist() == pytest.approx([0, 50, 51, 52.02])
    assert table["om"].tolist() == pytest.approx([0, -15, -15.3, -15.606])
    assert table["bill_usual"].tolist()[1] == pytest.approx(1250)


def test_real_and_nominal_rates_agree_when_everything_inflates() -> None:
    """At 5 % real and 2 % inflation on all prices, flows of year n are those without inflation times 1.02^(n - 1)."""
    inflated = judged(discount_rate=0.05, discount_rate_is="real", inflation=0.02, salvage="none")
    flow = judged(salvage="none").table["net"].to_numpy()
    risen = np.concatenate([flow[:1], flow[1:] * 1.02 ** np.arange(3)])
    assert inflated.kpis["npv"].value == pytest.approx(net_present_value(1.05 * 1.02 - 1, risen))


def test_tax_by_hand() -> None:
    """1500 written off over 3 years: 345 - 500 is a loss of 155, twice; the third year's 645 - 500 = 145 carries it."""
    taxed = judged(tax={"rate": 0.25, "depreciation_years": 3})
    assert taxed.table["tax"].tolist() == pytest.approx([0, 0, 0, 0])
    used = judged(tax={"rate": 0.25, "depreciation_years": 3, "losses": "used_elsewhere"})
    assert used.table["tax"].tolist() == pytest.approx([0, 38.75, 38.75, -36.25])
    assert "before tax" not in " ".join(used.notes)


def test_a_loan_at_the_discount_rate_changes_no_worth() -> None:
    """Borrowing at the rate at which money is discounted is worth nothing; the own money's rate of return moves."""
    found = judged(loan={"share": 0.6, "rate": 0.10, "years": 3})
    assert found.kpis["equity_npv"].value == pytest.approx(found.kpis["npv"].value)
    assert found.table["equity"].tolist()[0] == pytest.approx(-600)
    assert found.kpis["equity_irr"].value < found.kpis["irr"].value < 0.10


def test_subsidies_lower_capital_and_pay_for_generation() -> None:
    found = judged(subsidy={"capital_share": 0.2, "amount": 100, "per_generated_kwh": 0.1, "years": 2})
    assert found.table["subsidy"].tolist() == pytest.approx([400, 60, 60, 0])
    assert found.table["net"].tolist()[0] == pytest.approx(-1100)


def test_what_stands_on_both_sides_cancels() -> None:
    both = project()
    charger = Investment(900.0, 9.0, 10.0, 900.0, 0.0, in_baseline=True)
    with_charger = Project({**both.investments, "charger": charger}, both.absent, both.plants, both.stores)
    found = judged(with_charger)
    assert found.kpis["npv"].value == pytest.approx(judged().kpis["npv"].value)
    assert "charger: on both sides" in " ".join(found.notes)


def test_what_has_no_price_is_told_to_be_there_already() -> None:
    run = simulate(load_scenario(TINY, settings=["pv.cost=null", "horizon.days=1"]))
    assert run.summary.screening is not None
    assert run.summary.screening.project.unpriced == {"pv"}
    assert "pv: no price, so taken as there already" in " ".join(run.summary.screening.notes)
    assert "no price" not in " ".join(judged().notes)


def test_service_not_given_is_paid_for_but_never_earned() -> None:
    worse = mixed((1.0, BETTER), (1.0, Operation(penalty=40.0)))
    rules = Economics(discount_rate=0.1, lifetime_years=3.0)
    found = proforma(rules, "CNY", project(), schedule(3), [worse] * 3, USUAL, basis="CRS-1")
    assert found.table["service"].tolist() == pytest.approx([0, -40, -40, -40])
    overloaded = mixed((1.0, USUAL), (1.0, Operation(penalty=1e6)))
    found = proforma(rules, "CNY", project(), schedule(3), [BETTER] * 3, overloaded, basis="CRS-1")
    assert "service" not in found.table


def test_every_figure_names_a_formula_that_is_printed() -> None:
    for name, kpi in judged(loan={"share": 0.5, "rate": 0.05, "years": 2}).kpis.items():
        formula = kpi.definition.rpartition("[")[2].partition(",")[0]
        assert formula in FORMULAS, name


def battery(**cost: Any) -> Battery:
    return Battery(
        kind="battery",
        power_kw=50.0,
        energy_kwh=100.0,
        cost={"capital_per_unit": 900.0, "replacement_share": 0.5, "lifetime_years": 15.0, **cost},
    )


def test_costs_of_a_component_by_hand() -> None:
    entry = battery(capital=1000.0, salvage_share=0.1).investment({})
    assert entry == Investment(91000.0, 910.0, 15.0, 45500.0, 9100.0, in_baseline=False)
    free = Battery(
        kind="battery",
        power_kw={"max": 9.0, "cost_per_unit": 100.0, "lifetime_years": 12.0, "om_per_unit_year": 1.0},
        energy_kwh=100.0,
    )
    assert free.investment({"power_kw": 5.0}) == Investment(500.0, 5.0, 12.0, 500.0, 0.0, in_baseline=False)
    assert Pv(kind="pv", capacity_kw=5.0).investment({}) is None


def test_a_battery_is_replaced_when_its_capacity_meets_the_limit() -> None:
    """Cycles alone: q^(1/p) grows by z a year, 0.2 is reached after 0.2^(1/0.828) / z = 4.5 years."""
    part = battery()
    wear = {"battery": {"calendar": 0.0, "cycles": 0.2 ** (1 / 0.828) / 4.5}}
    entry = part.investment({})
    assert entry is not None
    plan = schedule_of({"battery": part}, {"battery": entry}, [wear] * 12)
    assert [replacement.years for replacement in plan.replacements] == pytest.approx([4.5, 9.0])
    assert [(replacement.year, replacement.reason) for replacement in plan.replacements] == [
        (5, "capacity"),
        (9, "capacity"),
    ]
    assert plan.middle[0]["battery"].capacity == pytest.approx(1 - 0.2 * (0.5 / 4.5) ** 0.828)
    assert plan.life_left["battery"] == pytest.approx(1 - (3.0 / 4.5) ** 0.828, abs=1e-6)
    found = proforma(
        Economics(lifetime_years=12.0),
        "CNY",
        Project({"battery": entry}, frozenset({"battery"}), frozenset(), frozenset({"battery"})),
        plan,
        [BETTER] * 12,
        USUAL,
        basis="CRS-1",
    )
    assert np.flatnonzero(found.table["replacement"]).tolist() == [5, 9]
    assert found.table["replacement"].sum() == pytest.approx(-2 * 45000)


def test_age_replaces_what_is_little_used_but_nobody_buys_in_the_last_year() -> None:
    part = battery(lifetime_years=6.0)
    entry = part.investment({})
    assert entry is not None
    plan = schedule_of({"battery": part}, {"battery": entry}, [{}] * 12)
    assert [(replacement.years, replacement.reason) for replacement in plan.replacements] == [
        (pytest.approx(6.0), "age")
    ]
    assert plan.life_left["battery"] == pytest.approx(0.0, abs=1e-6)


def test_what_has_no_price_is_never_replaced() -> None:
    part = Battery(kind="battery", power_kw=50.0, energy_kwh=100.0)
    plan = schedule_of({"battery": part}, {}, [{"battery": {"calendar": 0.0, "cycles": 0.1}}] * 5)
    assert plan.replacements == ()
    assert plan.middle[-1]["battery"].capacity < 0.8


def test_cells_that_wear_out_within_months_are_replaced_each_time() -> None:
    part = battery()
    entry = part.investment({})
    assert entry is not None
    hard = {"battery": {"calendar": 0.0, "cycles": 1.0}}
    plan = schedule_of({"battery": part}, {"battery": entry}, [hard] * 3)
    gaps = np.diff([0.0, *(replacement.years for replacement in plan.replacements)])
    np.testing.assert_allclose(gaps, gaps[0])  # the same use wears every battery out after the same time
    assert gaps[0] < 0.5
    assert plan.replacements[-1].years < 2.0  # nothing is replaced in the last year
    with pytest.raises(InputError, match="more than 50 times in year 1"):
        schedule_of({"battery": part}, {"battery": entry}, [{"battery": {"calendar": 0.0, "cycles": 1e4}}] * 3)


def test_pv_loses_its_share_every_year() -> None:
    part = Pv(kind="pv", capacity_kw=10.0, age_years=2.0, degradation_per_year=0.01)
    later = part.aged(part.initial_condition(), {}, 3.0)
    assert (later.years, later.capacity) == (5.0, pytest.approx(0.99**5))
    assert part.in_condition(later).age_years == 5.0
    given = Pv(kind="pv", capacity_kw=10.0, yield_profile=0.2)
    assert given.in_condition(given.aged(Condition(), {}, 2.0)).capacity_kw == pytest.approx(10 * 0.995**2)


def test_a_price_changes_no_dispatch() -> None:
    """What was bought is paid for, whatever is done with it; only what it is worth changes."""
    tiny = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
    priced = simulate(load_scenario(tiny))
    free = simulate(load_scenario(tiny, settings=["pv.cost=null", "battery.cost=null"]))
    assert priced.optimal.objective == free.optimal.objective
    assert set(priced.summary.kpis) - set(free.summary.kpis) >= {"npv", "irr", "payback_years", "lcoe", "lcos"}
    assert "3 days repeated" in priced.summary.kpis["npv"].definition

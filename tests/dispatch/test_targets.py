"""Targets: each row against the ledger that shares no code with it, soft ones at their price, hard ones explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vpp_sim.errors import InfeasibleError, InputError
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.scenario.targets import MEASURES, Measure, Target

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
#: PV and storage large enough to reach every target, and a price at which export pays.
LARGE = (
    "pv.capacity_kw=900",
    "battery.energy_kwh=1500",
    "battery.power_kw=600",
    "grid.export_limit_kw=400",
    "grid.if_export_pays_more=no_export",
    "tariff={extends: qinghai_two_part_2026_03, export: {price_per_kwh: 0.2}}",
)
#: Targets that bind on the large site, tighter than its cheapest operation.
BINDING: dict[Measure, float] = {
    "onsite_renewable_share": 0.85,
    "own_use_of_available": 0.9,
    "own_use_of_load": 0.85,
    "export_of_available": 0.05,
    "hourly_matching": 0.85,
    "emissions_location": 300.0,
    "emissions_market": 1000.0,
    "emissions_park": 1400.0,
    "park_intensity": 1.0,
    "pue": 1.249,
    "ev_valley_share": 0.8,
    "import": 1800.0,
    "peak_import": 60.0,
}


def large(*settings: str) -> Scenario:
    return load_scenario(TINY, settings=[*LARGE, *settings])


def with_one(scenario: Scenario, measure: Measure, bound: float, price: float | None = None) -> Scenario:
    return scenario.with_targets({"one": Target.of(measure, bound, price)})


@pytest.fixture(scope="module")
def cheapest() -> Simulation:
    return simulate(large())


@pytest.mark.parametrize("measure", BINDING)
def test_a_hard_target_holds_binds_and_is_never_above_what_the_ledger_says(
    measure: Measure, cheapest: Simulation
) -> None:
    run = simulate(with_one(large(), measure, BINDING[measure]))
    assert run.summary.passed
    outcome = run.summary.targets["one"]
    assert outcome.is_met
    least = MEASURES[measure].bound == "at_least"
    side = 1.0 if least else -1.0
    assert side * (outcome.by_ledger - outcome.achieved) >= -1e-6 * max(1.0, abs(outcome.achieved))
    assert run.optimal.objective > cheapest.optimal.objective  # it binds, or the test would prove nothing
    assert outcome.achieved == pytest.approx(BINDING[measure], rel=2e-3)
    assert outcome.shadow_price > 0


@pytest.mark.parametrize(
    "measure",
    [
        "onsite_renewable_share",
        "emissions_location",
        "peak_import",
        "export_of_available",
        "own_use_of_load",
        "park_intensity",
        "ev_valley_share",
    ],
)
def test_the_shadow_price_is_what_a_tighter_bound_costs(measure: Measure) -> None:
    from vpp_sim.studies.plans import Planner

    scenario = large()
    planner = Planner(scenario, solver="highs")
    bound = BINDING[measure]
    unit = 0.01 if MEASURES[measure].is_ratio else 1.0
    step = (1e-5 if MEASURES[measure].bound == "at_least" else -1e-5) * max(bound, 1.0)
    here = planner.plan(with_one(scenario, measure, bound))
    there = planner.plan(with_one(scenario, measure, bound + step))
    lower, upper = (plan.summary.targets["one"].shadow_price for plan in (here, there))
    # duals are those of the objective, with the prices that decide ties; the cost alone is a little apart
    for share, after, before in (
        (1e-4, there.solution.objective, here.solution.objective),
        (3e-4, there.cost, here.cost),
    ):
        slope = (after - before) / abs(step) * unit
        assert lower * (1 - share) - 1e-6 <= slope <= upper * (1 + share) + 1e-6


def test_a_soft_target_is_missed_where_its_price_is_lower_and_the_objective_still_adds_up() -> None:
    targets = {
        "green": Target.of("onsite_renewable_share", 0.9, price=0.05),
        "peak": Target.of("peak_import", 20.0, price=2.0),
        "matched": Target.of("hourly_matching", 0.95, price=0.02),
    }
    run = simulate(large().with_targets(targets))
    summary = run.summary
    assert summary.passed  # among them: bill, wear and the prices of targets equal the objective
    assert all(not outcome.is_met and outcome.times for outcome in summary.targets.values())
    penalty = sum(outcome.shortfall * (outcome.target.price or 0.0) for outcome in summary.targets.values())
    assert summary.kpis["target_penalty_cost"].value == pytest.approx(penalty)
    with_penalty = summary.kpis["operating_cost_with_penalty"].value
    assert with_penalty == pytest.approx(summary.kpis["operating_cost"].value + penalty)
    assert summary.targets["peak"].target.price == pytest.approx(summary.targets["peak"].shadow_price, rel=1e-6)


def test_a_dear_soft_target_is_a_hard_one() -> None:
    soft = simulate(with_one(large(), "emissions_location", 300.0, price=1e3))
    hard = simulate(with_one(large(), "emissions_location", 300.0))
    assert soft.optimal.objective == pytest.approx(hard.optimal.objective, rel=1e-6)
    assert soft.summary.kpis["target_penalty_cost"].value == pytest.approx(0.0, abs=1e-3)


def test_hourly_matching_on_quarter_hours_nets_within_the_hour() -> None:
    # charged from the site's own sun alone, the row is exactly the ledger's KPI
    run = simulate(with_one(large("horizon.step_minutes=15", "battery.charge_from=onsite"), "hourly_matching", 0.85))
    outcome = run.summary.targets["one"]
    assert run.summary.passed
    assert outcome.by_ledger == pytest.approx(outcome.achieved, abs=1e-6)


@pytest.mark.parametrize(
    ("measure", "gone", "words"),
    [("pue", "data_centre", "no data centre"), ("ev_valley_share", "charging", "no vehicles are charged")],
)
def test_a_target_on_what_the_site_does_not_have_is_refused(measure: Measure, gone: str, words: str) -> None:
    # without the refusal it would be met by nothing
    with pytest.raises(InputError, match=words):
        simulate(with_one(large(f"components.{gone}=null"), measure, BINDING[measure]))


def test_targets_that_cannot_be_met_say_by_how_much() -> None:
    with pytest.raises(InfeasibleError, match=r"targets\.one: peak_import at_most 1 is missed by at least [\d.,]+ kW"):
        simulate(load_scenario(TINY).with_targets({"one": Target.of("peak_import", 1.0)}))


def test_the_uncontrolled_site_has_no_targets(cheapest: Simulation) -> None:
    run = simulate(with_one(large(), "peak_import", 60.0))
    assert run.baseline.objective == pytest.approx(cheapest.baseline.objective, rel=1e-9)


def test_a_folder_with_targets_verifies_and_says_what_became_of_them(tmp_path: Path) -> None:
    import json

    from vpp_sim.report.folder import write_folder
    from vpp_sim.report.verification import verify_folder

    run = simulate(with_one(large(), "emissions_park", 1400.0))
    write_folder(run, tmp_path / "run")
    assert all(check.passed for check in verify_folder(tmp_path / "run"))
    written = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))["targets"]["one"]
    assert written["met"] is True
    assert written["unit"] == "kg"
    assert written["shadow_price"] > 0


WRONG: dict[str, tuple[str, str]] = {
    "the other side": ("{a: {measure: peak_import, at_least: 0.5}}", "is limited by at_most"),
    "no bound": ("{a: {measure: import}}", "needs at_most"),
    "a share above 1": ("{a: {measure: export_of_available, at_most: 20}}", "a share of at most 1"),
    "no price": ("{a: {measure: import, at_most: 1, price: 0}}", "greater than 0"),
    "no such measure": ("{a: {measure: green, at_least: 0.5}}", "measure"),
    "a wrong name": ("{A-b: {measure: import, at_most: 1}}", "name must be lower-case"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_targets_are_refused_in_words(case: str) -> None:
    text, words = WRONG[case]
    with pytest.raises(InputError) as caught:
        load_scenario(TINY, settings=[f"targets={text}"])
    assert words in str(caught.value) or case == "no price"
    assert "targets" in str(caught.value)


def test_one_value_of_a_target_is_reached_by_its_path(tmp_path: Path) -> None:
    scenario: Any = load_scenario(
        TINY, settings=["targets={a: {measure: import, at_most: 1}}", "targets.a.at_most=5000", "targets.a.price=2"]
    )
    assert scenario.targets["a"] == Target.of("import", 5000.0, 2.0)

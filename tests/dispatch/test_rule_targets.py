"""Rules as targets: the row holds the rule's figure, its cost is the difference of two plans, and words say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vpp_sim.errors import InfeasibleError, InputError, SolverLimitError
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.kpi.rule_costs import rule_sentences
from vpp_sim.scenario import Scenario, load_scenario, scenario_from_mapping
from vpp_sim.scenario.targets import Target

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
LARGE = (
    "pv.capacity_kw=900",
    "battery.energy_kwh=1500",
    "battery.power_kw=600",
    "dispatch.solver=highs",
)


def large(*settings: str) -> Scenario:
    return load_scenario(TINY, settings=[*LARGE, *settings])


@pytest.fixture(scope="module")
def cheapest() -> Simulation:
    return simulate(large())


@pytest.fixture(scope="module")
def held() -> Simulation:
    """Two rules: clean energy of parks must hold and binds, own use of the load is met anyway."""
    rules = "targets={clean: {rule: ndrc_910_2025.clean_share}, own: {rule: ndrc_650_2025.own_use_of_load, year: 2030}}"
    return simulate(large(rules))


def test_a_rule_gives_measure_and_bound_of_its_year() -> None:
    by_year = {}
    for year in (2025, 2029, 2030):
        scenario = large(f"targets={{own: {{rule: ndrc_650_2025.own_use_of_load, year: {year}}}}}")
        target = scenario.targets["own"]
        assert (target.measure, target.year) == ("own_use_of_load", year)
        by_year[year] = target.at_least
    assert by_year == {2025: 0.30, 2029: 0.30, 2030: 0.35}
    of_policy = large("targets={own: {rule: ndrc_650_2025.own_use_of_load}}", "policy={year: 2031}")
    assert (of_policy.targets["own"].at_least, of_policy.targets["own"].year) == (0.35, 2031)
    of_horizon = large("targets={own: {rule: ndrc_650_2025.own_use_of_load}}")
    assert (of_horizon.targets["own"].at_least, of_horizon.targets["own"].year) == (0.30, 2025)
    of_park = large("targets={c: {rule: ndrc_910_2025.carbon_per_energy}}", "policy={park_tce_per_year: 2000000}")
    assert of_park.targets["c"].at_most == 0.3


def test_the_resolved_scenario_loads_again_with_the_same_targets(held: Simulation) -> None:
    scenario = held.scenario
    assert scenario_from_mapping(scenario.to_mapping(), base_dir=scenario.base_dir) == scenario


def test_the_row_holds_the_rule_and_the_verdict_of_the_run_says_so(cheapest: Simulation, held: Simulation) -> None:
    before = {each.id: each for each in cheapest.summary.rules}["ndrc_910_2025.clean_share"]
    after = {each.id: each for each in held.summary.rules}["ndrc_910_2025.clean_share"]
    assert (before.verdict, after.verdict) == ("not met", "met")
    outcome = held.summary.targets["clean"]
    assert outcome.achieved == pytest.approx(0.9, abs=1e-6)
    assert after.value == outcome.by_ledger >= outcome.achieved - 1e-9  # the row is on the safe side
    assert held.summary.passed


def test_constraint_and_figure_agree_where_storage_holds_the_sites_own_sun() -> None:
    run = simulate(large("battery.charge_from=onsite", "targets={clean: {rule: ndrc_910_2025.clean_share}}"))
    value = next(each.value for each in run.summary.rules if each.id == "ndrc_910_2025.clean_share")
    assert value == pytest.approx(0.9, abs=1e-6)
    assert "safe side" not in rule_sentences(run.optimal, run.summary.targets)[0]


def test_the_cost_of_a_rule_is_the_difference_of_two_plans(cheapest: Simulation, held: Simulation) -> None:
    outcome = held.summary.targets["clean"]
    without = simulate(large())
    assert outcome.cost > 0
    # plans differ from runs only by what handing back to sessions costs
    difference = held.optimal.objective - without.optimal.objective
    assert outcome.cost == pytest.approx(difference, rel=1e-2)
    assert held.summary.targets["own"].cost == pytest.approx(0.0, abs=1e-6 * abs(held.optimal.objective))


def test_the_price_of_a_point_lies_between_finite_steps() -> None:
    def plan_cost(bound: float) -> tuple[float, float]:
        run = simulate(large().with_targets({"clean": Target.of("onsite_renewable_share", bound)}))
        rule = Target.model_validate(
            {"measure": "onsite_renewable_share", "at_least": bound, "rule": "ndrc_910_2025.clean_share", "year": 2025}
        )
        priced = simulate(large().with_targets({"clean": rule}))
        assert run.optimal.objective == pytest.approx(priced.optimal.objective, rel=1e-6)
        return float(priced.optimal.plan_cost or 0.0), priced.summary.targets["clean"].shadow_price

    step = 1e-5
    (low, price), (high, above) = plan_cost(0.9), plan_cost(0.9 + step)
    slope = (high - low) / step * 0.01
    assert price * (1 - 1e-3) <= slope <= above * (1 + 1e-3)


def test_the_words_name_rule_cost_and_next_point(held: Simulation) -> None:
    clean, own = rule_sentences(held.optimal, held.summary.targets)[:2]
    assert clean.startswith("meeting ndrc_910_2025.clean_share (at least 90 %, 2025) costs ")
    assert "over these 3 days" in clean  # three days are never blown up to a year
    assert "one percentage point more strictly would cost" in clean
    assert (
        own == "meeting ndrc_650_2025.own_use_of_load (at least 35 %, 2030) costs nothing: the cheapest plan meets it"
    )


def test_a_row_that_is_stricter_than_its_figure_says_so() -> None:
    # the small site charges its battery from the grid as well, whose losses the row counts against it
    rule = {"measure": "onsite_renewable_share", "at_least": 0.316, "rule": "ndrc_910_2025.clean_share", "year": 2025}
    run = simulate(load_scenario(TINY).with_targets({"clean": Target.model_validate(rule)}))
    outcome = run.summary.targets["clean"]
    assert outcome.by_ledger > outcome.achieved + 1e-4
    words = rule_sentences(run.optimal, run.summary.targets)[0]
    assert "The row keeps to the safe side" in words
    assert f"{outcome.achieved:.2%} by the row, {outcome.by_ledger:.2%} by the ledger" in words


def test_a_soft_rule_that_is_too_dear_is_missed_and_said_so() -> None:
    run = simulate(large("targets={clean: {rule: ndrc_910_2025.clean_share, price: 0.01}}"))
    assert run.summary.passed
    text = rule_sentences(run.optimal, run.summary.targets)[0]
    assert text.startswith("aiming at ndrc_910_2025.clean_share ")
    outcome = run.summary.targets["clean"]
    assert f"it is missed by {outcome.shortfall:,.0f} kWh, which at 0.01 CNY/kWh are {outcome.penalty:,.0f}" in text
    verdict = next(each.verdict for each in run.summary.rules if each.id == "ndrc_910_2025.clean_share")
    assert verdict == "not met"


def test_what_would_make_an_impossible_rule_possible_can_be_set_as_it_is_written() -> None:
    import re
    import shlex

    rule = "targets={clean: {rule: ndrc_910_2025.clean_share, year: 2026}}"
    with pytest.raises(InfeasibleError) as caught:
        simulate(load_scenario(TINY, settings=[rule]))
    line = next(line for line in str(caught.value).splitlines() if "--set targets.clean.at_least" in line)
    settings = shlex.split(re.split(r" {3,}", line.strip())[0])[1::2]
    run = simulate(load_scenario(TINY, settings=[rule, *settings]))
    assert run.summary.passed
    assert run.scenario.targets["clean"].rule is None


def test_a_price_that_no_solver_finds_does_not_lose_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_: object, **__: object) -> None:
        raise SolverLimitError("highs: stopped at its time limit")

    monkeypatch.setattr("vpp_sim.kpi.rule_costs.solved_program", stops)
    run = simulate(large("targets={clean: {rule: ndrc_910_2025.clean_share}}"))
    assert run.summary.passed
    assert rule_sentences(run.optimal, run.summary.targets) == []
    assert any("what clean costs is not known: highs" in note for note in run.optimal.notes)


WRONG: dict[str, tuple[str, str]] = {
    "misspelt": ("{a: {rule: ndrc_650_2025.own_use_of_lod}}", "did you mean ndrc_650_2025.own_use_of_load?"),
    "document left out": ("{a: {rule: own_use_of_load}}", "did you mean ndrc_650_2025.own_use_of_load?"),
    "not linear": ("{a: {rule: data_centres_2024.green_share}}", "is not linear"),
    "before the rule": ("{a: {rule: ndrc_650_2025.own_use_of_load, year: 2020}}", "in force from 2025, not in 2020"),
    "another bound": ("{a: {rule: ndrc_650_2025.own_use_of_load, at_least: 0.4}}", "take them out, or the rule"),
    "another measure": ("{a: {rule: ndrc_650_2025.own_use_of_load, measure: import}}", "take them out, or the rule"),
    "a year alone": ("{a: {measure: import, at_most: 3, year: 2030}}", "belongs to a rule"),
    "nothing": ("{a: {price: 3}}", "measure: missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rules_are_refused_in_words(case: str) -> None:
    text, words = WRONG[case]
    with pytest.raises(InputError) as caught:
        large(f"targets={text}")
    assert words in str(caught.value)
    assert "targets.a" in str(caught.value)


def test_a_folder_keeps_what_rules_cost_and_verify_sees_a_changed_verdict(held: Simulation, tmp_path: Path) -> None:
    import json

    from vpp_sim.report.folder import read_folder, read_run_document, seal, write_folder
    from vpp_sim.report.verification import verify_folder

    folder = tmp_path / "run"
    write_folder(held, folder)
    assert all(check.passed for check in verify_folder(folder))
    again = read_folder(folder)
    assert rule_sentences(again.optimal, again.summary.targets) == rule_sentences(held.optimal, held.summary.targets)
    path = folder / "summary.json"
    written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert written["targets"]["clean"]["cost"] == pytest.approx(held.summary.targets["clean"].cost)
    rule = written["policy"]["data_centres_2021.pue"]
    assert rule["verdict"] == "not met"
    rule["verdict"] = "met"
    path.write_text(json.dumps(written), encoding="utf-8")
    seal(folder, read_run_document(folder))  # whoever does so may also seal the folder again
    failed = [check.name for check in verify_folder(folder) if not check.passed]
    assert failed == ["summary.json: policy follow from the series"]

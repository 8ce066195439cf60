"""What must hold on any site: every check passes, freedom never costs, and nothing depends on order, money or step."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vpp_sim.components.base import Kpi
from vpp_sim.dispatch import Dispatch, audit, dispatch
from vpp_sim.errors import InfeasibleError
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.scenario import Scenario, scenario_from_mapping

Strategy = st.SearchStrategy[dict[str, Any]]
Change = Callable[[dict[str, Any]], None]

#: Two optima may differ by the solver's tolerance, and by what decides between equal plans (1e-6 per kWh and hour).
SAME = 2e-6


def examples(number: int) -> Any:
    """A number of examples in the suite; the profile's own (`--hypothesis-profile=long`) otherwise."""
    chosen = settings.get_profile("quick")
    current = settings.default
    return current if current is settings.get_profile("long") else settings(chosen, max_examples=number)


def loaded(mapping: dict[str, Any], base_dir: Path) -> Scenario:
    return scenario_from_mapping(mapping, base_dir=base_dir)


def run_or_none(mapping: dict[str, Any], base_dir: Path) -> Simulation | None:
    """A run; None where the site cannot be run, which must be explained."""
    try:
        return simulate(loaded(mapping, base_dir))
    except InfeasibleError as error:
        why = str(error)
    assert any(words in why for words in ("short by", "over by", "missed by", "above its most", "below its least")), why
    return None


def solved(mapping: dict[str, Any], base_dir: Path) -> Dispatch | None:
    try:
        return dispatch(loaded(mapping, base_dir))
    except InfeasibleError:
        return None


def parts(mapping: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    return (part for part in mapping["components"].values() if part["kind"] == kind)


def without_hand_back(mapping: dict[str, Any]) -> bool:
    """Whether the optimum is that of one linear program: a plan handed back to sessions is near it, not at it."""
    return all(station["mode"] == "uncontrolled" for station in parts(mapping, "ev_station"))


def changed(mapping: dict[str, Any], change: Change) -> dict[str, Any]:
    other = copy.deepcopy(mapping)
    change(other)
    return other


def same(one: Dispatch, other: Dispatch) -> None:
    assert other.objective == pytest.approx(one.objective, rel=SAME, abs=1e-4)


@examples(80)
@given(data=st.data())
def test_every_check_passes_and_the_uncontrolled_site_is_never_cheaper(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    """Balance, limits, states, certificate, ledger, and the objective against the recomputed bill, on both sides.

    The costs compared hold the prices of what was not served, since the uncontrolled site may leave other work undone.
    """
    mapping = data.draw(scenarios, "scenario")
    run = run_or_none(mapping, base_dir)
    if run is None:
        return
    assert [check for check in run.summary.checks if not check.passed] == []
    money_over_years = run.summary.screening.kpis.keys() if run.summary.screening is not None else ()
    for kpis in (run.summary.kpis, *run.summary.components.values()):
        for name, kpi in kpis.items():
            # a project may have no rate of return and may never pay back
            assert np.isfinite(kpi.value) or name in money_over_years, name
    assert shares_in_order(run)
    # a battery that must end lower or higher, and work that may not be interrupted once racks are short, are not the
    # same task on both sides
    fixed = any(battery.get("closure") == "fixed" for battery in parts(mapping, "battery"))
    ties = [job for centre in parts(mapping, "data_centre") for job in centre["classes"]]
    if not fixed and all(job.get("interruptible", True) for job in ties):
        invested = run.summary.kpis["investment_cost"].value
        # single sessions are served by a rule, which may be a little off the best, and more where the station is short
        rule = 0.1 if run.summary.kpis.get("ev_unserved_kwh", Kpi(0.0, "", "")).value > 1e-3 else 0.02
        slack = SAME if without_hand_back(mapping) else rule
        best = run.optimal.objective
        assert run.baseline.objective + invested >= best - slack * max(abs(best), 1.0) - 1e-4


def shares_in_order(run: Simulation) -> bool:
    kpis = {name: kpi.value for name, kpi in run.summary.kpis.items()}
    finer = [kpis[f"matching_{name}"] for name in ("annual", "monthly", "daily", "hourly", "step")]
    shares = ("onsite_renewable_share", "self_consumption", "self_sufficiency", "cfe_score_hourly")
    return (
        all(coarse >= fine - 1e-9 for coarse, fine in itertools.pairwise(finer))
        and all(-1e-9 <= kpis[name] <= 1 + 1e-9 for name in shares)
        and kpis["curtailed_kwh"] >= -1e-6
        and kpis["storage_losses_kwh"] >= -1e-4 - 1e-6 * kpis["load_kwh"]
    )


def wider_export(mapping: dict[str, Any]) -> None:
    grid = next(parts(mapping, "grid"))
    grid["export_limit_kw"] = 2 * grid["export_limit_kw"] + 25.0


def bigger_battery(mapping: dict[str, Any]) -> None:
    for battery in parts(mapping, "battery"):
        if not isinstance(battery["power_kw"], dict) and not isinstance(battery["energy_kwh"], dict):
            battery["power_kw"] *= 2


def more_patience(mapping: dict[str, Any]) -> None:
    for centre in parts(mapping, "data_centre"):
        for job in centre["classes"]:
            if job.get("interruptible", True) and "max_delay_hours" in job:
                job["max_delay_hours"] *= 2


def another_battery(mapping: dict[str, Any]) -> None:
    mapping["components"]["extra"] = {"kind": "battery", "power_kw": 20.0, "energy_kwh": 40.0, "soc_min": 0.0}


FREEDOMS = [wider_export, bigger_battery, more_patience, another_battery]


@examples(30)
@given(data=st.data())
def test_adding_freedom_never_costs_more(scenarios: Strategy, base_dir: Path, data: st.DataObject) -> None:
    mapping = data.draw(scenarios.filter(without_hand_back), "scenario")
    before = solved(mapping, base_dir)
    assume(before is not None)
    assert before is not None
    change = data.draw(st.sampled_from(FREEDOMS), "freedom")
    after = solved(changed(mapping, change), base_dir)
    assert after is not None, "more freedom made it infeasible"
    assert after.objective <= before.objective + SAME * max(abs(before.objective), 1.0)


def scale_money(mapping: dict[str, Any], factor: float) -> None:
    """Every number that is money, per unit or in all; series of prices by their own factor."""
    money = ("price", "cost", "value_of", "adder", "om_per")

    def scaled(node: Any, is_money: bool) -> Any:
        if isinstance(node, dict):
            if "path" in node and is_money:
                return node | {"scale": factor}
            return {key: scaled(value, is_money or any(word in key for word in money)) for key, value in node.items()}
        if isinstance(node, list):
            return [scaled(value, is_money) for value in node]
        return node * factor if is_money and isinstance(node, float) else node

    for key in ("tariff", "components"):
        mapping[key] = scaled(mapping[key], False)
    if "fixed_per_month" in mapping["tariff"]:
        mapping["tariff"]["fixed_per_month"]["meter"] *= factor
    for station in parts(mapping, "ev_station"):
        station["value_of_unserved_per_kwh"] = 50.0 * factor
        if "v2g" in station:
            station["v2g"].setdefault("wear_cost_per_kwh", 0.1 * factor)
    for centre in parts(mapping, "data_centre"):
        for job in centre["classes"]:
            job["value_of_missed_work_per_kwh"] = 10.0 * factor


@examples(25)
@given(data=st.data(), factor=st.sampled_from([0.25, 4.0]))
def test_scaling_all_money_scales_the_objective(
    scenarios: Strategy, base_dir: Path, data: st.DataObject, factor: float
) -> None:
    mapping = data.draw(scenarios.filter(without_hand_back), "scenario")
    one = solved(mapping, base_dir)
    assume(one is not None)
    other = solved(changed(mapping, lambda content: scale_money(content, factor)), base_dir)
    assert one is not None
    assert other is not None
    # what decides between equal plans is no money and does not scale
    assert other.objective == pytest.approx(factor * one.objective, rel=1e-5, abs=0.1)


@examples(25)
@given(data=st.data())
def test_the_order_of_components_changes_no_unique_quantity(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    mapping = data.draw(scenarios.filter(without_hand_back), "scenario")
    one = solved(mapping, base_dir)
    assume(one is not None)
    assert one is not None
    shuffled = dict(data.draw(st.permutations(list(mapping["components"].items())), "order"))
    other = solved(mapping | {"components": shuffled}, base_dir)
    assert other is not None
    same(one, other)
    for check in audit(other):
        assert check.passed, check


@examples(25)
@given(data=st.data())
def test_two_equal_batteries_are_one_of_twice_the_size(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    mapping = data.draw(scenarios.filter(without_hand_back), "scenario")
    mapping["components"] = {name: part for name, part in mapping["components"].items() if part["kind"] != "battery"}
    half = {
        "kind": "battery",
        "power_kw": data.draw(st.sampled_from([5.0, 40.0]), "power"),
        "energy_kwh": data.draw(st.sampled_from([20.0, 90.0]), "energy"),
        "wear_cost_per_kwh": 0.01,
        "charge_from": data.draw(st.sampled_from(["any", "onsite"]), "charge_from"),
    }
    whole = half | {"power_kw": 2 * half["power_kw"], "energy_kwh": 2 * half["energy_kwh"]}
    one = solved(mapping | {"components": mapping["components"] | {"store": whole}}, base_dir)
    assume(one is not None)
    two = solved(mapping | {"components": mapping["components"] | {"left": half, "right": dict(half)}}, base_dir)
    assert one is not None
    assert two is not None
    same(one, two)


STEPS = {60: 30, 30: 15}


@examples(25)
@given(data=st.data())
def test_half_the_step_changes_nothing_where_the_inputs_do_not(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    """Loads, prices and work held over the hour; no sun, no sessions, no leak (which is compounded per step)."""
    mapping = data.draw(scenarios, "scenario")
    mapping["components"] = {
        name: part
        for name, part in mapping["components"].items()
        if part["kind"] in ("grid", "load", "battery", "data_centre")
    }
    for battery in parts(mapping, "battery"):
        battery["self_discharge_per_hour"] = 0.0
    for centre in parts(mapping, "data_centre"):
        centre["pue"] = 1.2
        for job in centre["classes"]:
            job.pop("run_hours", None)
            job.pop("interruptible", None)
            job["max_delay_hours"] = np.floor(job.get("max_delay_hours", 0.0))
    next(parts(mapping, "grid")).pop("outages", None)
    assume("periods" not in mapping["tariff"]["energy"])  # theirs begin at 07:10, within the hour
    mapping["horizon"]["step_minutes"] = data.draw(st.sampled_from(list(STEPS)), "step")
    one = solved(mapping, base_dir)
    assume(one is not None)
    assert one is not None
    other = solved(mapping | {"horizon": mapping["horizon"] | {"step_minutes": STEPS[one.grid.step_minutes]}}, base_dir)
    assert other is not None
    same(one, other)

"""Explained failures: every amount by hand, every remedy solved again, and one per cent less of it shown not to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vpp_sim.components.adjustable import adjusted
from vpp_sim.components.base import Block
from vpp_sim.components.load import Load
from vpp_sim.dispatch import dispatch
from vpp_sim.dispatch.explain import impossible
from vpp_sim.dispatch.run import completed, dispatch_steps
from vpp_sim.errors import InfeasibleError
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.scenario.targets import Target

SmallSite = Callable[..., Scenario]
Station = Callable[..., dict[str, Any]]

LOAD = {"kind": "load", "profile": 50.0}
#: A lossless battery that may be emptied and filled.
STORE = {
    "kind": "battery",
    "power_kw": 100.0,
    "energy_kwh": 80.0,
    "charge_efficiency": 1.0,
    "discharge_efficiency": 1.0,
    "soc_min": 0.0,
    "soc_max": 1.0,
}
#: 20 kW in every step of the day.
SUN = {"kind": "pv", "capacity_kw": 40.0, "yield_profile": 0.5}
CENTRE = {
    "kind": "data_centre",
    "racks": 40.0,
    "idle_share": 0.3,
    "pue": 1.2,
    "classes": [{"name": "jobs", "arrivals_kw": 40.0, "max_delay_hours": 4.0}],
}


def grid(limit: Any, *hours: tuple[int, int], **fields: Any) -> dict[str, Any]:
    """A connection, without grid from one hour to another."""
    outages = [{"start": f"2025-06-02 {a:02d}:00", "end": f"2025-06-02 {b:02d}:00"} for a, b in hours]
    return {"kind": "grid", "import_limit_kw": limit, "outages": outages} | fields


@dataclass(frozen=True)
class Case:
    """A site that cannot be run; what is wanting, and the values that would each be enough, all worked by hand."""

    components: Mapping[str, Any]
    finding: Mapping[str, Any]
    remedies: Mapping[str, Any]
    targets: Mapping[str, Target] = field(default_factory=dict)
    headline: str = ""


CASES = {
    "a connection of 40 kW for 50 kW": Case(
        {"grid": grid(40.0), "park": LOAD},
        {
            "component": "bus",
            "side": "short",
            "amount": 10.0,
            "total": 240.0,
            "limit_that_is_short": "grid.import_limit_kw",
        },
        {"grid.import_limit_kw": 50.0, "park.sheddable_share": 0.2},
        headline="grid import limit 40 kW is short by 10 kW on 2025-06-02 00:00 to 2025-06-03 00:00",
    ),
    "two outages: 50 kW for 3 h": Case(
        {"grid": grid(100.0, (8, 10), (20, 21)), "park": LOAD},
        {"component": "bus", "side": "short", "amount": 50.0, "total": 150.0, "num_steps": 3},
        {"park.sheddable_share": 1.0},
        headline="the bus is short by 50 kW on 2025-06-02 08:00-10:00",
    ),
    "an outage of 100 kWh, a battery of 80 kWh": Case(
        {"grid": grid(100.0, (8, 10)), "park": LOAD, "store": STORE},
        {"component": "bus", "side": "short", "amount": 10.0, "total": 20.0},
        {"store.energy_kwh": 100.0, "park.sheddable_share": 0.2},
    ),
    "an outage of 50 kW, a battery of 30 kW": Case(
        {"grid": grid(100.0, (8, 9)), "park": LOAD, "store": STORE | {"power_kw": 30.0}},
        {"component": "bus", "side": "short", "amount": 20.0, "limit_that_is_short": "store.power_kw"},
        {"store.power_kw": 50.0, "park.sheddable_share": 0.4},
        headline="store power 30 kW is short by 20 kW on 2025-06-02 08:00-09:00",
    ),
    "half of a battery kept full": Case(
        {"grid": grid(100.0, (8, 10)), "park": LOAD, "store": STORE | {"energy_kwh": 100.0, "soc_min": 0.5}},
        {"component": "bus", "side": "short", "total": 50.0},
        {"store.energy_kwh": 200.0, "store.soc_min": 0.0, "park.sheddable_share": 0.5},
    ),
    "a size that is tied to its C-rate": Case(
        # 20 kW are wanting; the cells allow 40 kW, so that no power alone is enough
        {"grid": grid(100.0, (8, 9)), "park": LOAD, "store": STORE | {"power_kw": 30.0, "max_c_rate": 0.5}},
        {"component": "bus", "side": "short", "amount": 20.0},
        {"park.sheddable_share": 0.4},
    ),
    "sun and grid: 20 + 20 kW for 50 kW": Case(
        {"grid": grid(20.0), "park": LOAD, "sun": SUN},
        {"component": "bus", "side": "short", "amount": 10.0},
        {"grid.import_limit_kw": 30.0, "sun.capacity_kw": 60.0, "park.sheddable_share": 0.2},
    ),
    "a battery that must end 40 kWh lower on a site that uses nothing": Case(
        {"store": STORE | {"energy_kwh": 100.0, "closure": "fixed", "soc_start": 0.5, "soc_end": 0.1}},
        {"component": "bus", "side": "over", "total": 40.0, "amount": 40.0 / 24},
        {
            "grid.export_limit_kw": 1.67,
            "store.energy_kwh": 0.0,
            "store.soc_start": 0.1,
            "store.soc_end": 0.5,
            "store.closure": "cyclic",
        },
    ),
    "cells that leak and cannot be charged": Case(
        # 100 kWh x 0.1 x 0.01 a step, through a charger of 0.8
        {
            "park": LOAD,
            "store": STORE
            | {
                "power_kw": 0.0,
                "energy_kwh": 100.0,
                "soc_min": 0.1,
                "self_discharge_per_hour": 0.01,
                "charge_efficiency": 0.8,
            },
        },
        {"component": "store", "limit": "charge_kw", "side": "above", "amount": 0.125},
        {"store.power_kw": 0.125, "store.energy_kwh": 0.0, "store.soc_min": 0.0},
        headline="store power 0 kW is short by 0.125 kW",
    ),
    "from 20 to 80 % of 1,000 kWh in a day with 10 kW": Case(
        {
            "park": LOAD,
            "store": STORE
            | {"power_kw": 10.0, "energy_kwh": 1000.0, "closure": "fixed", "soc_start": 0.2, "soc_end": 0.8},
        },
        {"component": "store", "limit": "charge_kw", "side": "above", "amount": 15.0},
        {
            "store.power_kw": 25.0,
            "store.energy_kwh": 400.0,
            "store.soc_start": 0.56,
            "store.soc_end": 0.44,
            "store.closure": "cyclic",
        },
    ),
    "charged from the sun where there is none": Case(
        {
            "park": LOAD,
            "store": STORE
            | {"energy_kwh": 96.0, "closure": "fixed", "soc_start": 0.25, "soc_end": 0.75, "charge_from": "onsite"},
        },
        {"component": "bus", "limit": "onsite_charge_kw", "side": "above", "amount": 2.0},
        {
            "store.energy_kwh": 0.0,
            "store.soc_start": 0.75,
            "store.soc_end": 0.25,
            "store.closure": "cyclic",
            "store.charge_from": "any",
        },
    ),
    "a reserve that an hour without grid needs": Case(
        # of 80 kWh, 40 are kept, and 50 are used
        {"grid": grid(200.0, (8, 9)), "park": LOAD, "store": STORE | {"reserve_soc": 0.5}},
        {"component": "bus", "side": "short", "amount": 10.0, "total": 10.0},
        {"store.energy_kwh": 100.0, "store.reserve_soc": 0.375, "park.sheddable_share": 0.2},
    ),
    "racks that idle above the connection": Case(
        # 0.9 kW a rack and 40 kW of work, which may be missed: 36 kW against 20 kW
        {"grid": grid(20.0), "centre": CENTRE},
        {"component": "bus", "side": "short", "amount": 16.0},
        {"grid.import_limit_kw": 36.0, "centre.racks": 22.2},
    ),
    "work that runs at once": Case(
        # 1.2 x (0.3 x 100 + 40) = 84 kW; 4 kW less are 4.45 racks of 0.9 kW
        {"grid": grid(80.0), "centre": CENTRE | {"managed": False}},
        {"component": "bus", "side": "short", "amount": 4.0},
        {"grid.import_limit_kw": 84.0, "centre.racks": 35.55, "centre.managed": True},
    ),
    "a peak that the target does not allow": Case(
        {"park": LOAD},
        {"component": "targets", "limit": "peak", "side": "missed", "amount": 5.0, "unit": "kW"},
        {"targets.peak.at_most": 50.0, "park.sheddable_share": 0.1},
        targets={"peak": Target.of("peak_import", 45.0)},
    ),
    "a share that the sun does not give": Case(
        # 20 of 50 kW are 0.4; shedding a third leaves 33.3 kW
        {"park": LOAD, "sun": SUN},
        {"component": "targets", "limit": "green", "side": "missed", "amount": 240.0, "unit": "kWh"},
        {"targets.green.at_least": 0.4, "sun.capacity_kw": 60.0, "park.sheddable_share": 0.334},
        targets={"green": Target.of("onsite_renewable_share", 0.6)},
    ),
    "a free size whose largest is too small": Case(
        {"grid": grid({"min": 0.0, "max": 40.0, "cost_per_unit": 1.0}), "park": LOAD},
        {"component": "bus", "side": "short", "amount": 10.0},
        {"grid.import_limit_kw.max": 50.0, "park.sheddable_share": 0.2},
    ),
    "free sizes that a ratio forbids": Case(
        # at least 50 kW for two hours need 100 kWh, and there may be 40
        {
            "park": LOAD,
            "store": STORE
            | {
                "power_kw": {"min": 50.0, "max": 60.0, "cost_per_unit": 1.0},
                "energy_kwh": {"min": 0.0, "max": 40.0, "cost_per_unit": 1.0},
                "duration_hours": 2.0,
            },
        },
        {"component": "store", "side": "below", "amount": 30.0},
        {"store.energy_kwh.max": 100.0},
    ),
}


def site_of(case: Case, site: SmallSite) -> Scenario:
    return site(**case.components).with_targets(case.targets)


def failure(scenario: Scenario) -> InfeasibleError:
    with pytest.raises(InfeasibleError) as caught:
        dispatch(scenario)
    return caught.value


def changed(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """As `--set` would make it."""
    by_owner: dict[str, dict[str, Any]] = {}
    for place, value in settings.items():
        owner, _, inner = place.removeprefix("targets.").partition(".")
        by_owner.setdefault(owner, {})[inner] = value
    for owner, fields in by_owner.items():
        if owner in scenario.targets:
            scenario = scenario.with_targets({**scenario.targets, owner: adjusted(scenario.targets[owner], fields)})
        else:
            scenario = scenario.with_components(**{owner: adjusted(scenario.components[owner], fields)})
    return scenario


def can_be_run(scenario: Scenario) -> bool:
    try:
        completed(dispatch_steps(scenario))
    except InfeasibleError:
        return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_what_is_wanting_and_what_would_do_are_those_worked_by_hand(name: str, site: SmallSite) -> None:
    case = CASES[name]
    scenario = site_of(case, site)
    error = failure(scenario)
    found = error.findings[0]
    for key, value in case.finding.items():
        assert found[key] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), key
    assert str(error).startswith(f"no operation meets every limit: {case.headline}")
    assert {remedy["component"] + "." + remedy["field"]: remedy["to"] for remedy in error.remedies} == {
        place: pytest.approx(value) if isinstance(value, float) else value for place, value in case.remedies.items()
    }
    for remedy in error.remedies:
        assert can_be_run(changed(scenario, remedy["set"])), remedy["words"]
        if remedy["change"] is not None:
            less = remedy["from"] + 0.99 * remedy["change"]
            place = next(iter(remedy["set"]))
            assert not can_be_run(changed(scenario, {**remedy["set"], place: less})), remedy["words"]


def test_where_no_single_change_is_enough_the_least_together_is_named(site: SmallSite) -> None:
    """In an hour without grid two loads of 50 and 60 kW must both be shed whole."""
    scenario = site(grid=grid(200.0, (8, 9)), park=LOAD, works={"kind": "load", "profile": 60.0})
    error = failure(scenario)
    assert error.remedies == []
    together = error.findings[0]["combination"]
    assert {remedy["component"]: remedy["to"] for remedy in together} == {"park": 1.0, "works": 1.0}
    assert can_be_run(
        changed(scenario, {place: value for remedy in together for place, value in remedy["set"].items()})
    )
    assert "no single change is enough; together these are, tried by solving again" in str(error)


def test_targets_that_contradict_each_other_are_told_from_those_that_cannot_be_met(
    site: SmallSite, tmp_path: Path
) -> None:
    """Grid energy is clean until noon: 24 kWh stored save 24 of 600 kg, and raise the import that may not rise."""
    hours = [f"2025-06-02 {hour:02d}:00,{0.0 if hour < 12 else 1.0}" for hour in range(24)]
    (tmp_path / "factor.csv").write_text("\n".join(["time,kg", *hours]) + "\n")
    factor = {"path": str(tmp_path / "factor.csv"), "column": "kg", "unit": "kg_per_kwh"}
    scenario = site(
        grid=grid(100.0, emission_location_kg_per_kwh=factor), park=LOAD, store=STORE | {"energy_kwh": 24.0}
    )
    flat, clean = Target.of("peak_import", 50.0), Target.of("emissions_location", 580.0)
    assert can_be_run(scenario.with_targets({"flat": flat}))
    assert can_be_run(scenario.with_targets({"clean": clean}))
    error = failure(scenario.with_targets({"flat": flat, "clean": clean}))
    assert "alone it could be met, not together with" in str(error)
    # 1.67 kW more in each of twelve hours carry 20 kWh past noon
    bounds = {remedy["component"]: remedy["to"] for remedy in error.remedies if remedy["field"] == "at_most"}
    assert bounds == {"targets.flat": pytest.approx(51.67), "targets.clean": pytest.approx(600.0)}
    hopeless = failure(scenario.with_targets({"flat": flat, "clean": Target.of("emissions_location", 570.0)}))
    assert "targets.clean: emissions_location at_most 570 is missed by at least" in str(hopeless)
    assert "it cannot be met even alone" in str(hopeless)


def test_targets_that_cannot_be_met_are_told_with_what_can_be_reached(site: SmallSite) -> None:
    """20 of 50 kW come from the sun: a share of 0.4, and 30 kW of import; 60 kW of modules would do for both."""
    targets = {"green": Target.of("onsite_renewable_share", 0.6), "flat": Target.of("peak_import", 25.0)}
    error = failure(site(park=LOAD, sun=SUN).with_targets(targets))
    found = {each["limit"]: each["amount"] for each in error.findings}
    assert found == {"green": pytest.approx(240.0), "flat": pytest.approx(5.0)}
    assert str(error).count("it cannot be met even alone") == 3
    remedies = {remedy["component"]: remedy["to"] for remedy in error.remedies}
    assert remedies == {"sun": pytest.approx(60.0), "park": pytest.approx(0.334)}
    alone = failure(site(park=LOAD, sun=SUN).with_targets({"green": targets["green"]}))
    assert "with everything else as it is, 0.4 is the best there is" in str(alone)


def test_only_the_target_that_cannot_be_met_alone_is_told(site: SmallSite) -> None:
    """A share of 0.6 cannot be; a peak of 31 kW can, and does not come into it."""
    targets = {"green": Target.of("onsite_renewable_share", 0.6), "flat": Target.of("peak_import", 31.0)}
    error = failure(site(park=LOAD, sun=SUN).with_targets(targets))
    assert [each["limit"] for each in error.findings] == ["green"]


def test_several_targets_may_be_lowered_together(site: SmallSite) -> None:
    """Nothing gives renewable energy here: a share of 0 and all the 50 kW of import, or no load at all."""
    targets = {"green": Target.of("onsite_renewable_share", 0.6), "flat": Target.of("peak_import", 25.0)}
    error = failure(site(park=LOAD, grid=grid(50.0)).with_targets(targets))
    assert {each["component"]: each["to"] for each in error.remedies} == {"park": 1.0}
    together = {each["component"]: each["to"] for each in error.findings[0]["combination"]}
    assert together == {"targets.green": 0.0, "targets.flat": pytest.approx(50.0)}
    assert "no other single change is enough; together these are" in str(error)


def test_what_is_built_comes_before_what_is_given_up(site: SmallSite, tmp_path: Path) -> None:
    """50 kW all day from a sun of twelve hours: 100 kW of modules and a store of 600 kWh, and no load shed."""
    hours = [f"2025-06-02 {hour:02d}:00,{1.0 if 6 <= hour < 18 else 0.0}" for hour in range(24)]
    (tmp_path / "yield.csv").write_text("\n".join(["time,kw", *hours]) + "\n")
    day = {"path": str(tmp_path / "yield.csv"), "column": "kw", "unit": "kW/kWp"}
    sun = {"kind": "pv", "capacity_kw": 50.0, "yield_profile": day}
    scenario = site(park=LOAD, sun=sun, store=STORE | {"power_kw": 200.0}).with_targets(
        {"green": Target.of("onsite_renewable_share", 1.0)}
    )
    error = failure(scenario)
    assert "no other single change is enough; together these are" in str(error)
    together = {each["component"]: each["to"] for each in error.findings[0]["combination"]}
    assert set(together) == {"sun", "store"}
    # each in proportion to what it would at least take: one of them is as small as can be
    assert min(together["sun"] / 100.0, together["store"] / 600.0) == pytest.approx(1.0, abs=0.02)
    places = {place: value for each in error.findings[0]["combination"] for place, value in each["set"].items()}
    assert can_be_run(changed(scenario, places))


def test_a_short_bus_is_explained_though_a_target_cannot_be_met_either(site: SmallSite) -> None:
    """10 of 50 kW are missing, and half of the load is to come from a sun that there is not."""
    works = {"kind": "load", "profile": 50.0, "peak_kw": None}
    scenario = site(grid=grid(40.0), park=works).with_targets({"green": Target.of("onsite_renewable_share", 0.5)})
    scenario = scenario.with_components(park=Fixed(kind="load", profile=50.0))
    error = failure(scenario)
    assert str(error).startswith("no operation meets every limit, even without the targets (green): ")
    assert {remedy["component"] + "." + remedy["field"]: remedy["to"] for remedy in error.remedies} == {
        "grid.import_limit_kw": 50.0
    }
    assert "which none of what was tried can meet as well" in str(error)


class Fixed(Load):
    """A load of which nothing may be shed, whatever is said."""

    def adjustable(self) -> Any:
        return ()


def test_a_remedy_says_what_it_leaves_undone(site: SmallSite) -> None:
    """36 kW keep the racks idling, and none of 40 kW of work is done: 960 kWh a day."""
    error = failure(site(grid=grid(20.0), centre=CENTRE))
    (more,) = (each for each in error.remedies if each["component"] == "grid")
    assert more["undone_kwh"] == pytest.approx(960.0)
    assert "then 960 kWh that have a price are not given" in str(error)


def test_a_remedy_that_no_device_can_do_says_so(site: SmallSite) -> None:
    """Half of the sun is used; the rest would be, if a store destroyed it by charging and discharging at once."""
    store = STORE | {"power_kw": 1.0, "charge_efficiency": 0.8, "discharge_efficiency": 0.8}
    scenario = site(grid=grid(100.0, export_limit_kw=0.0), park=LOAD | {"profile": 10.0}, sun=SUN, store=store)
    error = failure(scenario.with_targets({"own": Target.of("own_use_of_available", 0.9)}))
    (power,) = (each for each in error.remedies if each["field"] == "power_kw")
    assert "store then has charge_kw and discharge_kw at once in" in power["remark"]


def test_what_was_not_settled_in_time_is_not_called_useless(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpp_sim.dispatch.remedies.SEARCH_SECONDS", -1.0)
    error = failure(site(grid=grid(40.0), park=LOAD))
    assert error.remedies == []
    assert set(error.findings[0]["not_tried"]) == {"grid.import_limit_kw", "park.sheddable_share"}
    assert "not settled for want of time: " in str(error)
    assert "not enough alone" not in str(error)


def test_a_year_with_a_target_out_of_reach_is_refused_in_seconds() -> None:
    """Without a grid factor of 0 nothing gets below it; HiGHS took from ten seconds to minutes to say so."""
    scenario = load_scenario(Path(__file__).resolve().parents[2] / "scenarios" / "xining_6mw.yaml")
    scenario = scenario.with_targets({"green": Target.of("onsite_renewable_share", 0.9)})
    begun = time.process_time()
    with pytest.raises(InfeasibleError) as caught:
        completed(dispatch_steps(scenario))
    assert time.process_time() - begun < 20.0
    (found,) = caught.value.findings
    assert found["words"].startswith("targets.green: onsite_renewable_share at_least 0.9 is missed by at least 3,8")


def test_charging_on_arrival_may_be_slower_or_managed(site: SmallSite, station: Station) -> None:
    """10 kW for an hour on top of 50 kW, with 55 kW of grid: 5 kW for two hours, or when there is room."""
    cars = station([("08:00", "10:00", 10.0, 10.0)], mode="uncontrolled")
    scenario = site(grid=grid(55.0), park=LOAD, cars=cars)
    error = failure(scenario)
    assert error.findings[0]["amount"] == pytest.approx(5.0)
    assert error.findings[0]["spans"] == ({"start": "2025-06-02 08:00", "end": "2025-06-02 09:00", "amount": 5.0},)
    found = {remedy["component"] + "." + remedy["field"]: remedy["to"] for remedy in error.remedies}
    assert found == {
        "grid.import_limit_kw": 60.0,
        "park.sheddable_share": 0.1,
        "cars.power_kw": 5.0,
        "cars.mode": "managed",
    }


def test_of_many_days_the_evenings_are_counted(site: SmallSite) -> None:
    """Ten days with an hour without grid each, at seven in the evening."""
    outages = [{"start": f"2025-06-{day:02d} 19:00", "end": f"2025-06-{day:02d} 20:00"} for day in range(2, 12)]
    error = failure(site(horizon={"days": 30}, grid=grid(100.0, outages=outages), park=LOAD))
    assert "the bus is short by 50 kW on 2025-06-02 19:00-20:00, 10 evenings of 30 days; " in str(error)
    assert len(error.findings[0]["spans"]) == 10
    assert str(error).count("2025-06-") == 1 + 5 * 2 + 1
    assert "    and 5 more\n" in str(error)


def test_without_remedies_the_explanation_says_what_is_wanting_and_no_more(site: SmallSite) -> None:
    """Thousands of cases of a sweep must not each look for changes."""
    with pytest.raises(InfeasibleError) as caught:
        completed(dispatch_steps(site(grid=grid(40.0), park=LOAD)))
    assert caught.value.findings[0]["amount"] == pytest.approx(10.0)
    assert caught.value.remedies == []
    assert "--set" not in str(caught.value)


def test_a_kind_that_nobody_knows_is_explained_by_its_own_words(site: SmallSite) -> None:
    """A component made here: its limit is found, named and changed without a line about it anywhere else."""

    class Turbine(Load):
        """A load of nothing with a supply of `peak_kw` that is turned about."""

        def add_to(self, block: Block) -> None:
            block.inject(block.bounded("spin_kw", float(self.peak_kw or 0.0)), +1, role="other_supply")

        def adjustable(self) -> Any:
            (_, peak) = super().adjustable()
            return (type(peak)("peak_kw", "spinning power", "kW", peak.value, float("inf")),)

        def inputs(self, context: Any) -> Any:
            return Load(kind="load", profile=0.0).inputs(context)

    turbine = Turbine(kind="load", profile=1.0, peak_kw=4.0)
    error = failure(site(grid=grid(30.0), park=LOAD).with_components(turbine=turbine))
    assert error.findings[0]["at_limits"] == {"turbine.spin_kw": "4", "grid.import_kw": "30"} or set(
        error.findings[0]["at_limits"]
    ) == {"turbine.spin_kw", "grid.import_kw"}
    found = {remedy["component"] + "." + remedy["field"]: remedy["to"] for remedy in error.remedies}
    assert found["turbine.peak_kw"] == pytest.approx(20.0)


class Furnace(Load):
    """Burns any power there is, for 0.8 a kWh: a component whose author forgot a limit."""

    def add_to(self, block: Block) -> None:
        block.inject(block.variables("burnt_kw", cost_per_kwh=-0.8), -1)


def test_what_is_paid_for_without_a_limit_is_named_with_its_prices(site: SmallSite) -> None:
    """Import at 0.5 and, above the limit, 0.1 more, to burn it for 0.8: 0.2 a kWh without end."""
    scenario = site(grid=grid(10.0, overload_price_per_kwh=0.1)).with_components(oven=Furnace(kind="load", profile=0.0))
    error = failure(scenario)
    assert str(error).startswith("the cost has no lower bound: ")
    for words in ("oven.burnt_kw (at -0.8 CNY/kWh)", "grid.import_kw (at 0.5", "grid.overload_kw (at 0.1", "0.2 CNY"):
        assert words in str(error)
    assert "give oven.burnt_kw an upper limit" in str(error)
    assert error.findings[0]["component"] == "oven"
    assert error.findings[0]["amount"] == pytest.approx(0.2, abs=1e-5)
    assert error.findings[0]["num_steps"] == 24


def test_with_a_limit_the_same_is_bounded(site: SmallSite) -> None:
    result = dispatch(site(grid=grid(10.0)).with_components(oven=Furnace(kind="load", profile=0.0)))
    assert result.objective == pytest.approx(24 * 10.0 * (0.5 - 0.8))


def test_what_adding_up_shows_needs_no_solving(site: SmallSite) -> None:
    """60 kW of fixed use against 30 + 20 kW of sources; a battery's power counts, its energy does not."""
    scenario = site(grid=grid(30.0), park=LOAD | {"profile": 60.0}, sun=SUN)
    why = impossible(scenario, scenario.read_inputs())
    assert why is not None
    assert why.findings[0].amount == pytest.approx(10.0)
    assert "60 kW against 50 kW at most (grid.import_kw 30, sun.generation_kw 20)" in str(why)
    enough = scenario.with_components(store=adjusted(site(store=STORE).components["store"], {"energy_kwh": 1.0}))
    assert impossible(enough, enough.read_inputs()) is None
    assert not can_be_run(enough)


def test_a_plan_that_single_vehicles_cannot_carry_out_is_told_as_such(site: SmallSite, station: Station) -> None:
    """In the hour without grid the one car that could lend energy has just left; a class of both could, in sum."""
    cars = station(
        [("00:00", "06:00", 2.0, 5.0), ("05:00", "12:00", 2.0, 5.0)],
        mode="v2g",
        laxity_classes=1,
        v2g={"battery_kwh": 30.0, "arrival_soc": 0.3, "soc_min": 0.3},
    )
    scenario = site(grid=grid(6.0, (6, 7)), park=LOAD | {"profile": 5.0}, cars=cars)
    error = failure(scenario)
    assert "but not once each charging session is served in its own time" in str(error)
    assert error.findings[0]["spans"][0]["start"] == "2025-06-02 06:00"
    (remedy,) = (each for each in error.remedies if each["component"] == "park")
    assert can_be_run(changed(scenario, remedy["set"]))

"""What a change of the question does to the answer: cost follows size and money, and nothing depends on names, on
where a horizon is cut, or on how finely it is.

Relations of programs are exact: they are tested on the plan (`plan_cost`), which is one linear program whatever the
site. What single charging sessions make of a plan is near it, by how much is tested by its own relations.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from vpp_sim.dispatch import Dispatch, build_program, dispatch
from vpp_sim.dispatch.run import plan_of, solved_program
from vpp_sim.errors import InfeasibleError
from vpp_sim.scenario import Scenario, load_scenario, scenario_from_mapping

Mapping_ = dict[str, Any]
Strategy = st.SearchStrategy[Mapping_]
Change = Callable[[Mapping_], None]

#: Two optima may differ by the solver's tolerance, and by what decides between equal plans (1e-6 per kWh and hour).
SAME = 2e-6


def examples(number: int) -> Any:
    """A number of examples in the suite; the profile's own (`--hypothesis-profile=long`) otherwise."""
    chosen = settings.get_profile("quick")
    current = settings.default
    return current if current is settings.get_profile("long") else settings(chosen, max_examples=number)


def loaded(mapping: Mapping_, base_dir: Path) -> Scenario:
    return scenario_from_mapping(mapping, base_dir=base_dir)


def plan_of_site(scenario: Scenario, solver: str = "auto") -> Dispatch | None:
    """The best plan before anything is handed back to single sessions; None where the site cannot be run."""
    inputs = scenario.read_inputs()
    program = build_program(scenario, inputs)
    try:
        return plan_of(scenario, inputs, program, solved_program(scenario, inputs, program, solver=solver))
    except InfeasibleError:
        return None


def plan_cost(scenario: Scenario, solver: str = "auto") -> float | None:
    plan = plan_of_site(scenario, solver)
    return None if plan is None else plan.objective


def cost(mapping: Mapping_, base_dir: Path, *changes: Change) -> float | None:
    return plan_cost(loaded(changed(mapping, *changes), base_dir))


def parts(mapping: Mapping_, kind: str) -> Iterator[Mapping_]:
    return (part for part in mapping["components"].values() if part["kind"] == kind)


def changed(mapping: Mapping_, *changes: Change) -> Mapping_:
    other = copy.deepcopy(mapping)
    for change in changes:
        change(other)
    return other


def is_same(one: float | None, other: float | None, rel: float = SAME) -> None:
    assert one is not None
    assert other is not None
    assert other == pytest.approx(one, rel=rel, abs=1e-4)


# -- adding freedom never costs more --------------------------------------------------------------------------------


def factor_of(value: Any, factor: float) -> Any:
    """A capacity, given or free, made larger."""
    return value | {"max": value["max"] * factor} if isinstance(value, dict) else value * factor


def wider_import(mapping: Mapping_) -> None:
    grid = next(parts(mapping, "grid"))
    grid["import_limit_kw"] = factor_of(grid["import_limit_kw"], 2.0)


def wider_export(mapping: Mapping_) -> None:
    grid = next(parts(mapping, "grid"))
    grid["export_limit_kw"] = 2 * grid["export_limit_kw"] + 25.0


def no_outage(mapping: Mapping_) -> None:
    next(parts(mapping, "grid")).pop("outages", None)


def more_power(mapping: Mapping_) -> None:
    for battery in parts(mapping, "battery"):
        battery["power_kw"] = factor_of(battery["power_kw"], 2.0)


def more_energy(mapping: Mapping_) -> None:
    """A larger battery that may stay as empty as the smaller one could, so what was possible still is."""
    for battery in parts(mapping, "battery"):
        if battery.get("closure") != "fixed" and "max_c_rate" not in battery:
            battery["energy_kwh"] = factor_of(battery["energy_kwh"], 2.0)
            battery["soc_min"] = battery.get("soc_min", 0.1) / 2


def wider_soc(mapping: Mapping_) -> None:
    for battery in parts(mapping, "battery"):
        battery |= {"soc_min": 0.0, "soc_max": 1.0}


def any_charge(mapping: Mapping_) -> None:
    for battery in parts(mapping, "battery"):
        battery |= {"charge_from": "any", "export": "allowed"}


def less_wear(mapping: Mapping_) -> None:
    for battery in parts(mapping, "battery"):
        battery["wear_cost_per_kwh"] /= 2


def another_battery(mapping: Mapping_) -> None:
    mapping["components"]["extra"] = {"kind": "battery", "power_kw": 20.0, "energy_kwh": 40.0, "soc_min": 0.0}


def more_patience(mapping: Mapping_) -> None:
    for centre in parts(mapping, "data_centre"):
        for job in centre["classes"]:
            if "max_delay_hours" in job:
                job["max_delay_hours"] = 2 * job["max_delay_hours"] + 1.0


def no_class_limit(mapping: Mapping_) -> None:
    for centre in parts(mapping, "data_centre"):
        for job in centre["classes"]:
            job.pop("max_kw", None)


def more_shedding(mapping: Mapping_) -> None:
    for load in parts(mapping, "load"):
        load.setdefault("value_of_lost_load_per_kwh", 3.0)
        load["sheddable_share"] = min(1.0, load.get("sheddable_share", 0.0) + 0.3)


def larger_station(mapping: Mapping_) -> None:
    for station in parts(mapping, "ev_station"):
        if station["mode"] != "uncontrolled":
            station["power_kw"] = factor_of(station["power_kw"], 2.0)


def managed(mapping: Mapping_) -> None:
    for station in parts(mapping, "ev_station"):
        if station["mode"] == "uncontrolled":
            station["mode"] = "managed"


def may_discharge(mapping: Mapping_) -> None:
    for station in parts(mapping, "ev_station"):
        if station["mode"] == "managed":
            station |= {"mode": "v2g", "v2g": {"battery_kwh": 60.0, "wear_cost_per_kwh": 0.02}}


def more_sun(mapping: Mapping_) -> None:
    for plant in parts(mapping, "pv"):
        plant["capacity_kw"] = factor_of(plant["capacity_kw"], 1.5)


FREEDOMS: list[Change] = [
    wider_import,
    wider_export,
    no_outage,
    more_power,
    more_energy,
    wider_soc,
    any_charge,
    less_wear,
    another_battery,
    more_patience,
    no_class_limit,
    more_shedding,
    larger_station,
    managed,
    may_discharge,
    more_sun,
]


@examples(25)
@given(data=st.data())
def test_adding_freedom_never_costs_more(scenarios: Strategy, base_dir: Path, data: st.DataObject) -> None:
    mapping = data.draw(scenarios, "scenario")
    doing = [change for change in FREEDOMS if changed(mapping, change) != mapping]
    change = data.draw(st.sampled_from(doing), "freedom")
    before = cost(mapping, base_dir)
    assume(before is not None)
    assert before is not None
    after = cost(mapping, base_dir, change)
    assert after is not None, "more freedom made it infeasible"
    assert after <= before + SAME * max(abs(before), 1.0)


# -- size, money, names, and what is nothing ------------------------------------------------------------------------

#: Fields that are an amount of power or energy, wherever they stand; those that are prices of one are told apart.
AMOUNTS = ("_kw", "_kwh", "_kva", "racks", "mean", "peak")


def scale_size(mapping: Mapping_, factor: float) -> None:
    """All powers and energies, and what is paid by the month and not by the kW."""

    def scaled(node: Any, key: str) -> Any:
        if isinstance(node, dict) and {"min", "max"} <= node.keys():
            return node | {"min": node["min"] * factor, "max": node["max"] * factor}
        if isinstance(node, dict) and "path" in node:
            return node | {"scale": factor} if node["unit"] == "kW" else node
        if isinstance(node, dict):
            return {name: scaled(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [scaled(value, key) for value in node]
        is_amount = (key.endswith(AMOUNTS) or key == "profile") and "_per_" not in key
        return node * factor if is_amount and isinstance(node, float) else node

    mapping["components"] = scaled(mapping["components"], "")
    for part in ("demand", "tiers"):
        if part in mapping["tariff"]:
            mapping["tariff"][part] = scaled(mapping["tariff"][part], "")
    if "fixed_per_month" in mapping["tariff"]:
        mapping["tariff"]["fixed_per_month"]["meter"] *= factor


@examples(12)
@given(data=st.data(), factor=st.sampled_from([0.25, 8.0]))
def test_a_site_of_twice_the_size_costs_twice(
    scenarios: Strategy, base_dir: Path, data: st.DataObject, factor: float
) -> None:
    mapping = data.draw(scenarios, "scenario")
    one = cost(mapping, base_dir)
    assume(one is not None)
    assert one is not None
    is_same(factor * one, cost(mapping, base_dir, lambda content: scale_size(content, factor)), rel=1e-5)


def scale_money(mapping: Mapping_, factor: float) -> None:
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


@examples(12)
@given(data=st.data(), factor=st.sampled_from([0.25, 7.1]))
def test_another_currency_scales_the_cost(
    scenarios: Strategy, base_dir: Path, data: st.DataObject, factor: float
) -> None:
    mapping = data.draw(scenarios, "scenario")
    one = cost(mapping, base_dir)
    assume(one is not None)
    assert one is not None
    # what decides between equal plans is no money and does not scale
    is_same(factor * one, cost(mapping, base_dir, lambda content: scale_money(content, factor)), rel=1e-5)


def nothing_of_each_kind(mapping: Mapping_) -> None:
    mapping["components"] |= {
        "aaa_battery": {"kind": "battery", "power_kw": 0.0, "energy_kwh": 0.0},
        "mmm_load": {"kind": "load", "profile": 0.0},
        "nnn_pv": {"kind": "pv", "capacity_kw": 0.0, "yield_profile": 0.5},
        "zzz_racks": {"kind": "data_centre", "racks": 0.0, "pue": 1.2, "classes": []},
    }


@examples(8)
@given(data=st.data())
def test_what_has_no_size_is_as_if_it_were_not_there(scenarios: Strategy, base_dir: Path, data: st.DataObject) -> None:
    mapping = data.draw(scenarios, "scenario")
    one = cost(mapping, base_dir)
    assume(one is not None)
    is_same(one, cost(mapping, base_dir, nothing_of_each_kind))


@examples(12)
@given(data=st.data())
def test_names_and_order_of_components_change_no_unique_quantity(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    mapping = data.draw(scenarios, "scenario")
    one = cost(mapping, base_dir)
    assume(one is not None)
    shuffled = data.draw(st.permutations(list(mapping["components"].items())), "order")
    renamed = {
        f"{letter}_{number}": part for number, (letter, (_, part)) in enumerate(zip("zyxwvuts", shuffled, strict=False))
    }
    is_same(one, cost(mapping | {"components": renamed}, base_dir))


def halved(part: Mapping_) -> Mapping_:
    """One of two equal halves of a component."""
    whole: Mapping_ = {"components": {"part": copy.deepcopy(part)}, "tariff": {}}
    scale_size(whole, 0.5)
    half: Mapping_ = whole["components"]["part"]
    return half


@examples(12)
@given(data=st.data())
def test_two_halves_of_every_component_are_the_whole(scenarios: Strategy, base_dir: Path, data: st.DataObject) -> None:
    """Storage, chargers (with half of every session's energy and power), racks with half of the work, sun and load."""
    mapping = data.draw(scenarios, "scenario")
    one = cost(mapping, base_dir)
    assume(one is not None)
    halves: Mapping_ = {}
    for name, part in mapping["components"].items():
        if part["kind"] == "grid":
            halves[name] = part
        else:
            halves |= {f"{name}_left": halved(part), f"{name}_right": halved(part)}
    is_same(one, cost(mapping | {"components": halves}, base_dir))


@examples(8)
@given(data=st.data())
def test_a_load_in_two_unequal_parts_is_the_same_load(scenarios: Strategy, base_dir: Path, data: st.DataObject) -> None:
    mapping = data.draw(scenarios.filter(lambda content: any(parts(content, "load"))), "scenario")
    one = cost(mapping, base_dir)
    assume(one is not None)

    def split(content: Mapping_) -> None:
        for name, part in list(content["components"].items()):
            if part["kind"] == "load":
                for share, suffix in ((0.3, "small"), (0.7, "large")):
                    piece: Mapping_ = {"components": {"part": copy.deepcopy(part)}, "tariff": {}}
                    scale_size(piece, share)
                    content["components"][f"{name}_{suffix}"] = piece["components"]["part"]
                del content["components"][name]

    is_same(one, cost(mapping, base_dir, split))


@examples(8)
@given(data=st.data())
def test_a_limit_that_does_not_bind_may_go(scenarios: Strategy, base_dir: Path, data: st.DataObject) -> None:
    mapping = data.draw(scenarios, "scenario")
    scenario = loaded(mapping, base_dir)
    assume(not any(isinstance(part.get("import_limit_kw"), dict) for part in parts(mapping, "grid")))
    try:
        plan = dispatch(scenario)
    except InfeasibleError:
        assume(False)
    grid = next(parts(mapping, "grid"))
    slack = float(plan.series["grid.import_kw"].max()) < grid["import_limit_kw"] - 1.0
    assume(slack and without_hand_back(mapping))
    is_same(
        plan.objective,
        cost(mapping, base_dir, lambda content: next(parts(content, "grid")).update(import_limit_kw=1e5)),
    )


def without_hand_back(mapping: Mapping_) -> bool:
    """Whether the dispatch is the plan: no sessions that it would have to be handed back to."""
    return all(station["mode"] == "uncontrolled" for station in parts(mapping, "ev_station"))


# -- time -----------------------------------------------------------------------------------------------------------

STEPS = (60, 30, 15, 5)
HELD_OVER_THE_HOUR = ("grid", "load", "battery", "data_centre", "ev_station")


def at(mapping: Mapping_, start: str, folder: Path) -> Mapping_:
    """The same site with the same series from another day in Shanghai, where no clock is changed."""

    def moved(node: Any) -> Any:
        if isinstance(node, dict) and "path" in node:
            table = pd.read_csv(node["path"])
            table["time"] = pd.date_range(start, periods=len(table), freq="h", tz="Asia/Shanghai")
            path = folder / f"{Path(node['path']).stem}_{start}.csv"
            table.to_csv(path, index=False)
            return node | {"path": str(path)}
        return {key: moved(value) for key, value in node.items()} if isinstance(node, dict) else node

    mapping = changed(mapping, no_outage)
    horizon = mapping["horizon"] | {"start": start, "timezone": "Asia/Shanghai"}
    return mapping | {"horizon": horizon} | {key: moved(mapping[key]) for key in ("tariff", "components")}


def keep(mapping: Mapping_, *kinds: str) -> Mapping_:
    """The site with components of these kinds only."""
    kept = {name: part for name, part in mapping["components"].items() if part["kind"] in kinds}
    return mapping | {"components": kept}


@examples(12)
@given(data=st.data(), days=st.sampled_from([1, 7, 14]))
def test_days_later_is_the_same(scenarios: Strategy, base_dir: Path, data: st.DataObject, days: int) -> None:
    """Within a month, without sun, weekdays or drawn sessions, which the calendar changes; series are moved along."""
    mapping = keep(data.draw(scenarios, "scenario"), "grid", "load", "battery")
    for load in parts(mapping, "load"):
        if "generator" in str(load["profile"]):
            load["profile"] = 25.0
    one = cost(at(mapping, "2025-06-02", base_dir), base_dir)
    assume(one is not None)
    is_same(one, cost(at(mapping, f"2025-06-{2 + days:02d}", base_dir), base_dir))


@examples(12)
@given(data=st.data())
def test_two_months_cost_what_each_costs(scenarios: Strategy, base_dir: Path, data: st.DataObject) -> None:
    """A horizon is cut at the turn of a month; batteries begin the second half as they end the first."""
    mapping = keep(data.draw(scenarios, "scenario"), "grid", "load", "battery", "pv")
    mapping["tariff"].get("demand", {}).pop("ratchet", None)  # looks back over the cut
    for part in mapping["components"].values():
        assume(not any(isinstance(value, dict) and "cost_per_unit" in value for value in part.values()))
    for battery in parts(mapping, "battery"):
        battery |= {"closure": "fixed", "soc_start": 0.5, "soc_end": 0.5, "self_discharge_per_hour": 0.0}
    mapping = at(mapping, "2025-01-31", base_dir)
    mapping["horizon"]["days"] = 2
    whole = plan_of_site(loaded(mapping, base_dir))
    assume(whole is not None)
    assert whole is not None
    half = whole.grid.num_steps // 2
    first, second = copy.deepcopy(mapping), copy.deepcopy(mapping)
    first["horizon"]["days"] = second["horizon"]["days"] = 1
    second["horizon"]["start"] = "2025-02-01"
    for name, part in mapping["components"].items():
        if part["kind"] == "battery":
            share = float(whole.series[f"{name}.energy_kwh"][half - 1]) / part["energy_kwh"]
            first["components"][name]["soc_end"] = second["components"][name]["soc_start"] = share
    one, other = cost(first, base_dir), cost(second, base_dir)
    assert one is not None
    assert other is not None
    is_same(whole.objective, one + other)


def held_over_the_hour(mapping: Mapping_) -> None:
    """Only what is the same however an hour is cut: no leak (compounded per step), no delay of half an hour."""
    for battery in parts(mapping, "battery"):
        battery["self_discharge_per_hour"] = 0.0
    for centre in parts(mapping, "data_centre"):
        centre["pue"] = 1.2
        for job in centre["classes"]:
            job.pop("run_hours", None)
            job.pop("interruptible", None)
            job["max_delay_hours"] = float(np.floor(job.get("max_delay_hours", 0.0)))
    no_outage(mapping)


def costs_by_step(mapping: Mapping_, base_dir: Path, steps: tuple[int, ...]) -> list[float]:
    found = [cost(mapping | {"horizon": mapping["horizon"] | {"step_minutes": step}}, base_dir) for step in steps]
    if found[0] is None:
        reject()
    assert None not in found, "infeasible with shorter steps"
    return [value for value in found if value is not None]


@examples(8)
@given(data=st.data())
def test_shorter_steps_change_nothing_where_the_inputs_do_not(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    """Loads, prices, yields and work held over the hour, and demand charges on them, at 60, 30, 15 and 5 minutes."""
    mapping = keep(
        changed(data.draw(scenarios, "scenario"), held_over_the_hour), "grid", "load", "battery", "data_centre"
    )
    assume("periods" not in mapping["tariff"]["energy"])  # theirs begin at 07:10, within the hour
    mapping["components"]["roof"] = {"kind": "pv", "capacity_kw": 40.0, "yield_profile": 0.4}
    mapping["horizon"]["days"] = 1
    steps = data.draw(st.sampled_from([(60, 30, 15), (60, 5)]), "steps")
    first, *others = costs_by_step(mapping, base_dir, steps)
    assert others == pytest.approx([first] * len(others), rel=SAME, abs=1e-4)


@examples(8)
@given(data=st.data())
def test_shorter_steps_only_tell_more_of_when_cars_come(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    """Sessions begin and end within the hour, so that a plan in hours allows more than one in minutes, never less."""
    mapping = keep(changed(data.draw(scenarios, "scenario"), held_over_the_hour, managed), *HELD_OVER_THE_HOUR)
    assume("periods" not in mapping["tariff"]["energy"])
    assume(any(parts(mapping, "ev_station")))
    mapping["horizon"]["days"] = 1
    steps = data.draw(st.sampled_from([(60, 30, 15), (60, 5)]), "steps")
    found = costs_by_step(mapping, base_dir, steps)
    for coarse, fine in itertools.pairwise(found):
        assert coarse <= fine + SAME * max(abs(fine), 1.0)


def test_what_longer_steps_leave_out_of_a_peak_is_its_price(base_dir: Path) -> None:
    """A load that changes every quarter-hour: the charge of each step length is that of the mean it can see."""
    quarters = np.round(40 + 30 * np.sin(np.arange(96) * 1.7), 2)
    times = pd.date_range("2025-06-02", periods=96, freq="15min", tz="Asia/Shanghai")
    pd.DataFrame({"time": times, "load": quarters}).to_csv(base_dir / "quarters.csv", index=False)
    price = 30.0
    mapping: Mapping_ = {
        "name": "metered",
        "currency": "CNY",
        "horizon": {"start": "2025-06-02", "days": 1, "timezone": "Asia/Shanghai"},
        "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261.0},
        "weather": {"source": "climate", "climate": "xining", "seed": 1},
        "tariff": {
            "name": "t",
            "currency": "CNY",
            "energy": {"purchase_price_per_kwh": 0.5},
            "demand": {"basis": "max_demand", "price_per_kw_month": price},
        },
        "components": {
            "grid": {"kind": "grid", "import_limit_kw": 500.0},
            "load": {"kind": "load", "profile": {"path": str(base_dir / "quarters.csv"), "unit": "kW"}},
        },
    }
    energy = 0.5 * quarters.sum() / 4
    wanted = [
        energy + price / 30 * quarters.reshape(-1, quarters_per_step).mean(axis=1).max()
        for quarters_per_step in (4, 2, 1, 1)
    ]
    assert costs_by_step(mapping, base_dir, STEPS) == pytest.approx(wanted, rel=1e-9)


def test_a_leak_is_compounded_by_the_step_and_converges(base_dir: Path) -> None:
    """(1 - leak dt) per step is of first order in dt: half the step, about half the error, and never more than it."""
    hourly = [0.1] * 6 + [0.9] * 6 + [0.2] * 6 + [0.8] * 6
    times = pd.date_range("2025-06-02", periods=24, freq="h", tz="Asia/Shanghai")
    pd.DataFrame({"time": times, "price": hourly}).to_csv(base_dir / "leaky.csv", index=False)
    leak, energy = 0.05, 100.0
    mapping: Mapping_ = {
        "name": "leaky",
        "currency": "CNY",
        "horizon": {"start": "2025-06-02", "days": 1, "timezone": "Asia/Shanghai"},
        "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261.0},
        "weather": {"source": "climate", "climate": "xining", "seed": 1},
        "tariff": {
            "name": "t",
            "currency": "CNY",
            "energy": {"purchase_price_per_kwh": {"path": str(base_dir / "leaky.csv"), "unit": "per_kwh"}},
        },
        "components": {
            "grid": {"kind": "grid", "import_limit_kw": 500.0},
            "load": {"kind": "load", "profile": 50.0},
            "store": {
                "kind": "battery",
                "power_kw": 20.0,
                "energy_kwh": energy,
                "soc_min": 0.0,
                "soc_max": 1.0,
                "self_discharge_per_hour": leak,
            },
        },
    }
    hour, half, quarter, finest = costs_by_step(mapping, base_dir, STEPS)
    errors = [abs(found - finest) for found in (hour, half, quarter)]
    # what leaks within an hour of what is stored, at the dearest price, both ways of counting it
    assert errors[0] <= 24 * leak**2 * energy * 0.9
    assert errors[1] <= 0.6 * errors[0]
    assert errors[2] <= 0.6 * errors[1]
    assert errors[0] > 1e-3, "nothing leaked, so nothing was tested"


# -- shipped sites, on both solvers, as they are carried out ---------------------------------------------------------

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


@pytest.mark.parametrize(
    ("name", "solver"), [("xining_6mw", "structured"), ("xining_6mw", "highs"), ("green_compute_park", "highs")]
)
def test_a_shipped_site_obeys_every_relation(name: str, solver: str) -> None:
    """A week in June: money, order, freedom, and two halves of the site's largest flexible parts."""
    site = load_scenario(SCENARIOS / f"{name}.yaml", settings=["horizon.days=7", "horizon.start=2025-06-02"])
    one = plan_cost(site, solver)
    assert one is not None
    turned = site.replace_components(dict(reversed(site.components.items())))
    is_same(one, plan_cost(turned, solver))
    battery = site.components["battery"]
    power, energy = battery.power_kw, battery.energy_kwh  # type: ignore[attr-defined]
    half = battery.model_copy(update={"power_kw": power / 2, "energy_kwh": energy / 2})
    is_same(one, plan_cost(site.with_components(battery=half, twin=half), solver))
    larger = battery.model_copy(update={"power_kw": power * 1.5})
    freer = plan_cost(site.with_components(battery=larger), solver)
    assert freer is not None
    assert freer <= one + SAME * abs(one)


@examples(12)
@given(data=st.data())
def test_carried_out_v2g_is_no_dearer_than_managed_and_managed_no_dearer_than_on_arrival(
    scenarios: Strategy, base_dir: Path, data: st.DataObject
) -> None:
    """Not of plans but of what single vehicles do; each is as near to its plan as the run says."""
    mapping = data.draw(scenarios.filter(lambda content: any(parts(content, "ev_station"))), "scenario")
    for station in parts(mapping, "ev_station"):
        if isinstance(station["power_kw"], dict):
            station["power_kw"] = 60.0  # charging on arrival needs a size that is given
    next(parts(mapping, "grid"))["import_limit_kw"] = 3000.0
    no_outage(mapping)

    def mode(word: str) -> float:
        def change(content: Mapping_) -> None:
            for station in parts(content, "ev_station"):
                station["mode"] = word
                if word == "v2g":
                    station["v2g"] = {"battery_kwh": 60.0, "wear_cost_per_kwh": 0.02}

        return dispatch(loaded(changed(mapping, change), base_dir)).objective

    try:
        on_arrival, managed_, v2g = mode("uncontrolled"), mode("managed"), mode("v2g")
    except InfeasibleError:
        assume(False)
    assert v2g <= managed_ + SAME * max(abs(managed_), 1.0) + 1e-3
    assert managed_ <= on_arrival + SAME * max(abs(on_arrival), 1.0) + 1e-3

"""Sizes, what the next unit is worth, curves, fronts, tornados: against finite steps, fine sweeps and hand-set runs."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vpp_sim.cli.main import exit_code
from vpp_sim.components.base import FreeSize
from vpp_sim.errors import InputError
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.studies.marginal import marginal_values, tightening_costs, with_target
from vpp_sim.studies.pareto import pareto
from vpp_sim.studies.plans import Planner, Variant, capacities, with_all_free, with_free
from vpp_sim.studies.sensitivity import Swing, tornado
from vpp_sim.studies.sizing import Axis, size, size_curve

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
BATTERY = "battery.energy_kwh={max: 2000, cost_per_unit: 600, lifetime_years: 15, om_per_unit_year: 6}"
PV = "pv.capacity_kw={max: 2000, cost_per_unit: 2700, lifetime_years: 25, om_per_unit_year: 27}"


def tiny(*settings: str) -> Scenario:
    return load_scenario(TINY, settings=settings)


@pytest.fixture(scope="module")
def sized() -> tuple[Planner, Scenario]:
    scenario = tiny(BATTERY, PV)
    return Planner(scenario, solver="highs"), scenario


def test_every_capacity_can_be_free_and_held_where_it_is_costs_the_same() -> None:
    scenario = tiny()
    planner = Planner(scenario, solver="highs")
    free = with_all_free(scenario)
    named = {f"{name}.{own}" for name, part in free.components.items() for own in part.free_sizes()}
    assert named == {
        "pv.capacity_kw",
        "battery.power_kw",
        "battery.energy_kwh",
        "charging.power_kw",
        "data_centre.racks",
        "grid.import_limit_kw",
    }
    assert planner.plan(free).cost == pytest.approx(planner.plan(scenario).cost, rel=1e-9)


def test_the_worth_of_the_next_unit_lies_between_finite_steps_of_both_sides() -> None:
    # a connection and a station that bind, so that every capacity of the site is worth something
    scenario = tiny("grid.import_limit_kw=125", "charging.power_kw=40", "battery.power_kw=30", "tariff=flat")
    scenario = with_all_free(scenario)
    planner = Planner(scenario, solver="highs")
    here = planner.plan(scenario)
    for value in marginal_values(planner, scenario, ranges=False):
        step = 1e-4 * value.size
        less, more = planner.plans([Variant(scenario, {value.path: value.size + side * step}) for side in (-1, 1)])
        assert less is not None
        assert more is not None
        falling = (less.cost - here.cost) / step / here.years
        rising = (here.cost - more.cost) / step / here.years
        tolerance = 1e-5 * max(abs(falling), abs(rising)) + 1e-3
        assert rising - tolerance <= value.worth <= falling + tolerance, value


def test_the_range_of_a_worth_is_one_in_which_it_holds() -> None:
    scenario = tiny()
    planner = Planner(scenario, solver="highs")
    found = {value.path: value for value in marginal_values(planner, scenario)}
    value = found["battery.energy_kwh"]
    assert value.holds_from < value.size < value.holds_to
    probe = with_all_free(scenario)
    for end in (value.holds_from, value.holds_to):
        plan = planner.plan(probe, {value.path: end})
        assert -plan.marginal_cost(value.path) / plan.years == pytest.approx(value.worth, rel=0.1)
    assert "one more kWh of battery.energy_kwh (now 360) saves" in value.sentence("CNY")


def test_at_the_best_size_the_next_unit_is_worth_its_own_cost(sized: tuple[Planner, Scenario]) -> None:
    planner, scenario = sized
    values = {value.path: value for value in marginal_values(planner, scenario, ranges=False)}
    for path in ("battery.energy_kwh", "pv.capacity_kw"):
        assert values[path].worth == pytest.approx(values[path].own_cost, rel=1e-6)


def test_no_point_of_a_fine_sweep_beats_the_optimum(sized: tuple[Planner, Scenario]) -> None:
    planner, scenario = sized
    best = planner.plan(scenario)
    for path in ("battery.energy_kwh", "pv.capacity_kw"):
        at = best.size(path)
        around = at + np.linspace(-0.02, 0.02, 21) * at
        costs = [plan.cost for plan in planner.plans([Variant(scenario, {path: size}) for size in around]) if plan]
        assert len(costs) == 21
        assert min(costs) >= best.cost - 1e-7 * abs(best.cost)
        assert costs[10] == pytest.approx(best.cost, rel=1e-9)
        assert np.diff(costs, 2).min() >= -1e-6 * abs(best.cost)  # the cost is convex in a size


def test_a_target_is_among_the_marginal_values_in_words() -> None:
    scenario = tiny(BATTERY, PV, "targets={co2: {measure: emissions_location, at_most: 500}}")
    planner = Planner(scenario, solver="highs")
    found = {value.path: value for value in marginal_values(planner, scenario, ranges=False)}
    value = found["targets.co2"]
    here = planner.plan(scenario)
    tighter = planner.plan(tiny(BATTERY, PV, "targets={co2: {measure: emissions_location, at_most: 499.99}}"))
    # the price of a kg, whatever the horizon: 500 kg in three days are 60,833 a year
    assert -value.worth == pytest.approx((tighter.cost - here.cost) / 0.01, rel=1e-3)
    assert "one kg a year tighter for targets.co2 (now 60,833.3) costs" in value.sentence("CNY")


def test_a_fixed_duration_ties_energy_to_power() -> None:
    power = "battery.power_kw={max: 500, cost_per_unit: 100}"
    scenario = tiny(BATTERY, power, "battery.duration_hours=2.5")
    plan = Planner(scenario, solver="highs").plan(scenario)
    assert plan.size("battery.energy_kwh") > 10
    assert plan.size("battery.energy_kwh") == pytest.approx(2.5 * plan.size("battery.power_kw"), rel=1e-9)
    with pytest.raises(InputError, match=r"with 180 kW means 450 kWh, got energy_kwh 360"):
        tiny("battery.duration_hours=2.5")


def test_a_declared_demand_is_chosen_at_the_tariffs_price_and_billed_so() -> None:
    from vpp_sim.kpi import simulate

    tariff = (
        "tariff={extends: qinghai_two_part_2026_03, demand: {basis: contracted_demand, contracted_kw: 300, "
        "price_per_kw_month: 33, excess_factor: 2}}"
    )
    given = simulate(tiny(tariff))
    run = simulate(tiny(tariff, "grid.contracted_kw={max: 400, cost_per_unit: 0}"))
    assert run.summary.passed  # among them: the recomputed bill equals the objective
    chosen = run.optimal.sizes["grid.contracted_kw"]
    assert 0 < chosen < 300
    assert run.optimal.objective < given.optimal.objective
    # excess costs twice the price of what is declared, so declaring the peak of the one month is best
    assert chosen == pytest.approx(run.summary.kpis["peak_import_kw"].value, rel=1e-6)
    fixed = simulate(tiny(tariff, f"grid.contracted_kw={chosen}"))
    assert fixed.optimal.objective == pytest.approx(run.optimal.objective, rel=1e-6)
    with pytest.raises(InputError, match="bills no contracted demand"):
        simulate(tiny("grid.contracted_kw=100"))


def test_a_curve_has_its_optimum_and_savings_against_the_smallest_size(sized: tuple[Planner, Scenario]) -> None:
    planner, scenario = sized
    curve = size_curve(planner, scenario, [Axis.parsed("battery.energy_kwh=0:1500:16")])
    table = curve.table
    assert table["battery.energy_kwh"].tolist() == np.linspace(0, 1500, 16).tolist()
    assert table["total_cost"].min() >= curve.optimum["total_cost"] - 1e-6
    assert table["net_saving"].iloc[0] == 0
    np.testing.assert_allclose(
        table["net_saving"], table["saving"] - (table["investment_cost"] - table["investment_cost"].iloc[0]), atol=1e-6
    )
    assert curve.optimum["battery.energy_kwh"] == pytest.approx(planner.plan(scenario).size("battery.energy_kwh"))


def test_a_point_that_cannot_be_run_is_marked_and_not_hidden() -> None:
    # half a megawatt of converter on too little energy breaks the C-rate
    scenario = tiny("battery.max_c_rate=1")
    curve = size_curve(Planner(scenario, solver="highs"), scenario, [Axis.parsed("battery.energy_kwh=0:400:5")])
    assert curve.table["feasible"].tolist() == [False, False, True, True, True]


def test_the_front_is_exact_convex_and_its_price_is_its_slope() -> None:
    scenario = tiny(BATTERY, PV)
    front = pareto(scenario, "emissions", 9, solver="highs")
    x, cost = front.table["measure"].to_numpy(), front.table["total_cost"].to_numpy()
    assert len(front.table) == 9
    assert np.all(np.diff(x) < 0)
    assert np.all(np.diff(cost) > 0)
    slopes = -np.diff(cost) / np.diff(x)
    assert np.all(np.diff(slopes) > -1e-9)
    price = front.table["price"].to_numpy()
    assert np.all(price[:-1] <= slopes + 1e-6)
    assert np.all(slopes <= price[1:] + 1e-6)
    assert 0 < front.knee < 8
    assert x[-1] < 0.01 * x[0]  # free PV and storage can do without the grid


@pytest.mark.parametrize("aim", ["onsite", "peak", "matching"])
def test_the_far_end_of_a_front_cannot_be_bettered(aim: str) -> None:
    from vpp_sim.scenario.targets import MEASURES

    scenario = tiny()
    front = pareto(scenario, aim, 3, solver="highs")
    end = float(front.table["measure"].iloc[-1])
    better = 1.001 * end if MEASURES[front.measure].bound == "at_least" else 0.999 * end
    planner = Planner(scenario, solver="highs")
    assert planner.plans([Variant(with_target(scenario, front.measure, better))]) == [None]


def test_tightening_costs_what_the_front_says() -> None:
    scenario = tiny(BATTERY, PV)
    planner = Planner(scenario, solver="highs")
    values = {value.path: value for value in tightening_costs(planner, scenario)}
    assert values["onsite_renewable_share"].worth < 0
    tonne, plan = values["emissions_location"], planner.plan(scenario)
    assert "one tonne a year less of emissions_location (now" in tonne.sentence("CNY")
    kg = sum(plan.summary.ledger.import_kw * plan.summary.ledger.import_factors["location"]) * scenario.grid.step_hours
    assert tonne.size == pytest.approx(kg / 1000 / scenario.grid.years)
    # the front's first step costs about as much: its slope only rises
    front = pareto(scenario, "emissions", 30, solver="highs").table
    per_tonne = 1000 * (front["total_cost"][1] - front["total_cost"][0]) / (front["measure"][0] - front["measure"][1])
    # three days or a year, a tonne is a tonne: its price has no length of a horizon in it
    assert 0.5 * per_tonne < -tonne.worth <= per_tonne * (1 + 1e-6)


def test_a_site_that_charges_on_arrival_can_be_sized() -> None:
    """Whose power must be given is left out of what could be more; all else has its worth."""
    scenario = tiny(BATTERY, "charging.mode=uncontrolled", "horizon.days=1")
    planner = Planner(scenario, solver="highs")
    paths = [value.path for value in marginal_values(planner, scenario, ranges=False)]
    assert "battery.energy_kwh" in paths
    assert "charging.power_kw" not in paths
    with pytest.raises(InputError, match="charging on arrival needs a given power, not a free one"):
        tiny("charging.mode=uncontrolled", "charging.power_kw={max: 100, cost_per_unit: 1}")


def test_a_store_without_a_plant_can_be_sized() -> None:
    """It buys more than the load uses: its on-site share is below 0, which no target can be."""
    scenario = tiny("pv.capacity_kw=0")
    planner = Planner(scenario, solver="highs")
    assert [value.path for value in tightening_costs(planner, scenario)] == ["emissions_location"]
    with pytest.raises(InputError, match="below 0, which no target can be: storage loses more"):
        pareto(scenario, "onsite", 3, solver="highs")


def test_an_island_can_be_no_greener() -> None:
    scenario = tiny(
        "grid.import_limit_kw=0", PV, BATTERY, "park.sheddable_share=1", "park.value_of_lost_load_per_kwh=9"
    )
    planner = Planner(scenario, solver="highs")
    assert tightening_costs(planner, scenario) == []


@pytest.mark.parametrize("solver", ["highs", "structured"])
def test_the_first_unit_of_what_is_not_there_is_worth_what_it_saves(solver: str) -> None:
    """Duals of a connection of 0 kW have no upper end; of a battery of 0 kWh they may be anything up to its price."""
    shed = ["park.sheddable_share=1", "park.value_of_lost_load_per_kwh=9", "data_centre.racks=0"]
    scenario = tiny("grid.import_limit_kw=0", PV, "battery.energy_kwh={max: 100, cost_per_unit: 90000}", *shed)
    planner = Planner(scenario, solver=solver)
    found = {value.path: value for value in marginal_values(planner, scenario, ranges=False)}
    years = scenario.grid.years
    for path, other in (
        ("grid.import_limit_kw", tiny("grid.import_limit_kw=1", *[PV, "battery.energy_kwh=0", *shed])),
        ("battery.energy_kwh", tiny("grid.import_limit_kw=0", *[PV, "battery.energy_kwh=1", *shed])),
    ):
        saved = (planner.plan(scenario).cost - planner.plan(other).cost) / years
        assert found[path].size == 0.0
        assert 0.5 * saved < found[path].worth <= saved * (1 + 1e-6)
        assert saved > 0


def test_a_tornado_moves_one_number_at_a_time() -> None:
    scenario = tiny()
    found = tornado(
        scenario,
        [Swing.parsed("battery.energy_kwh=-50%:+50%"), Swing.parsed("tariff.demand.price_per_kw_month=20:50")],
        solver="highs",
    )
    planner = Planner(scenario, solver="highs")
    by_hand = planner.plan(tiny("battery.energy_kwh=180")).cost
    assert found.table["at_low"].iloc[0] == pytest.approx(by_hand, rel=1e-9)
    assert found.table["at_low"].iloc[0] > found.base > found.table["at_high"].iloc[0]
    assert found.table["at_low"].iloc[1] < found.base < found.table["at_high"].iloc[1]
    for text, words in (
        ("battery.energy=1:2", "did you mean energy_kwh"),
        ("battery.kind=1:2", "is no number"),
        ("battery.energy_kwh=1", "must be PATH=LOW:HIGH"),
    ):
        with pytest.raises(InputError, match=words):
            tornado(scenario, [Swing.parsed(text)], solver="highs")


def test_morris_and_sobol_rank_what_a_tornado_ranks() -> None:
    pytest.importorskip("SALib")
    from vpp_sim.studies.indices import indices

    scenario = tiny("charging=null", "data_centre=null")
    swings = [Swing.parsed("pv.capacity_kw=150:450"), Swing.parsed("pv.tilt_deg=33:37")]
    screened = indices(scenario, swings, samples=3, solver="highs")
    assert screened.plans == 9
    assert screened.unit == "CNY"
    large, small = screened.table["mu_star"]
    assert large > 20 * small > 0
    shares = indices(scenario, swings, method="sobol", samples=4, solver="highs").table
    assert shares["total"][0] > 0.5 > shares["total"][1]
    again = indices(scenario, swings, samples=3, solver="highs")
    pd.testing.assert_frame_equal(again.table, screened.table)  # the seed decides
    with pytest.raises(InputError, match="at least two"):
        indices(scenario, swings[:1])
    with pytest.raises(InputError, match="a power of 2"):
        indices(scenario, swings, method="sobol", samples=6)


def test_what_cannot_be_sized_is_refused_in_words() -> None:
    scenario = tiny()
    with pytest.raises(InputError, match="nothing to size"):
        size(scenario)
    with pytest.raises(InputError, match=r"did you mean battery\.energy_kwh"):
        with_free(scenario, "battery.energy_kw", 0, 1)
    with pytest.raises(InputError, match="cannot be a free size: closure"):
        with_free(tiny("battery.closure=fixed"), "battery.energy_kwh", 0, 1)
    for text in ("battery.energy_kwh", "battery.energy_kwh=5:1:3", "battery.energy_kwh=0:1:1", "=0:1:3"):
        with pytest.raises(InputError, match="--curve"):
            Axis.parsed(text)
    assert isinstance(capacities(tiny(BATTERY).components["battery"])["energy_kwh"], FreeSize)


def command(*words: object) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = exit_code([str(word) for word in words])
    return code, out.getvalue()


def test_size_writes_a_folder_that_verifies_and_compare_puts_it_beside_a_run(tmp_path: Path) -> None:
    free = ("--set", BATTERY)
    code, text = command(
        "size",
        TINY,
        *free,
        "--curve",
        "battery.energy_kwh=0:800:5",
        "--no-ranges",
        "--no-page",
        "--out",
        tmp_path / "a",
    )
    assert code == 0, text
    assert "one more kWh of battery.energy_kwh" in text
    assert "note: pv: " in text, "what a run remarks on counts for its sizes too"
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"summary.json", "marginal_values.csv", "curve.csv", "curve.png", "bus_price.png"} <= names
    assert command("verify", tmp_path / "a")[0] == 0
    (tmp_path / "a" / "curve.csv").write_text("changed", encoding="utf-8")
    assert command("verify", tmp_path / "a")[0] == 1

    assert command("run", TINY, "--no-page", "--out", tmp_path / "b")[0] == 0
    code, text = command("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "both")
    assert code == 0, text
    table = pd.read_csv(tmp_path / "both" / "comparison.csv").set_index("name")
    summary = json.loads((tmp_path / "b" / "summary.json").read_text(encoding="utf-8"))
    assert table.loc["operating_cost", "b"] == pytest.approx(summary["kpis"]["operating_cost"]["value"])
    assert np.isnan(table.loc["battery.energy_kwh", "b"])  # a size was chosen in the first run only
    page = (tmp_path / "both" / "comparison.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert command("compare", tmp_path / "a", "--out", tmp_path / "c")[0] == 2
    shutil.copytree(tmp_path / "b", tmp_path / "twin")
    code, text = command("compare", tmp_path / "b", tmp_path / "twin", "--out", tmp_path / "c")
    assert code == 0
    assert "these runs do not differ" in text


def test_a_front_says_what_part_of_its_cost_is_demand_turned_away(tmp_path: Path) -> None:
    """Where PV and battery are given, emissions fall no further than by shedding load, at 4 a kWh."""
    shed = ["park.sheddable_share=0.5", "park.value_of_lost_load_per_kwh=4", "horizon.days=1"]
    words = [word for setting in shed for word in ("--set", setting)]
    code, text = command("pareto", TINY, *words, "--points", 3, "--out", tmp_path / "front")
    assert code == 0, text
    table = pd.read_csv(tmp_path / "front" / "front.csv")
    assert table["penalty_cost"].iloc[-1] > 100
    last = text.split("not served, point by point, CNY: ")[1].splitlines()[0].split(", ")[-1]
    assert float(last.replace(",", "")) == pytest.approx(table["penalty_cost"].iloc[-1], rel=0.01)


def test_pareto_and_sensitivity_write_their_tables(tmp_path: Path) -> None:
    code, text = command("pareto", TINY, "--and", "peak", "--points", 4, "--out", tmp_path / "front")
    assert code == 0, text
    assert len(pd.read_csv(tmp_path / "front" / "front.csv")) == 4
    assert (tmp_path / "front" / "front.png").stat().st_size > 5000
    code, text = command(
        "sensitivity", TINY, "--vary", "pv.capacity_kw=-20%:+20%", "--kpi", "import_kwh", "--out", tmp_path / "one"
    )
    assert code == 0, text
    assert "import_kwh, kWh" in text
    assert command("pareto", TINY, "--and", "nothing", "--out", tmp_path / "x")[0] == 2
    assert command("pareto", TINY, "--out", tmp_path)[0] == 2  # a folder that holds something else is left alone


def test_a_map_of_two_sizes_is_a_full_grid(sized: tuple[Planner, Scenario], tmp_path: Path) -> None:
    from vpp_sim.report.figures.studies import size_map
    from vpp_sim.report.study_folder import png

    planner, scenario = sized
    axes = [Axis.parsed("battery.energy_kwh=0:1000:3"), Axis.parsed("pv.capacity_kw=0:900:4")]
    curve = size_curve(planner, scenario, axes)
    assert len(curve.table) == 12
    assert curve.table["total_cost"].min() >= curve.optimum["total_cost"] - 1e-6
    assert len(png(lambda: size_map(curve, "CNY"))) > 5000

"""One whole site, several solvers: the same money, and the same figures where there is only one answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from vpp_sim.dispatch import dispatch
from vpp_sim.dispatch.build import build_program
from vpp_sim.dispatch.ties import with_tie_loss
from vpp_sim.kpi import Simulation, Summary, simulate, summarize
from vpp_sim.lp import solve
from vpp_sim.scenario import Scenario, load_scenario

SmallSite = Callable[..., Scenario]

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


def differing(ours: Summary, theirs: Summary, rel: float) -> dict[str, tuple[float, float]]:
    """KPIs of the site and of every component that are not the same; amounts below 1e-3 (kWh, currency) are dust."""
    pairs = {name: (kpi.value, theirs.kpis[name].value) for name, kpi in ours.kpis.items()}
    for part, kpis in ours.components.items():
        for name, kpi in kpis.items():
            pairs[f"{part}.{name}"] = (kpi.value, theirs.components[part][name].value)
    return {name: (a, b) for name, (a, b) in pairs.items() if b != pytest.approx(a, rel=rel, abs=1e-3, nan_ok=True)}


@pytest.fixture(scope="module")
def solved_by(site: SmallSite) -> Callable[[str], Simulation]:
    jobs = {"name": "jobs", "arrivals_kw": {"generator": "job_arrivals", "mean": 8.0}, "max_delay_hours": 6.0}
    online = {"name": "online", "arrivals_kw": {"generator": "interactive_compute", "mean": 8.0}}
    fleet = {
        "name": "cars",
        "sessions_per_day": 6,
        "arrival_peaks": [{"hour": 9.0}],
        "dwell_hours": 6.0,
        "energy_kwh": 15.0,
        "charger_power_kw": 22.0,
    }
    scenario = site(
        horizon={"days": 2},
        tariff={
            "energy": {
                "purchase_price_per_kwh": 0.5,
                "periods": [{"label": "high", "hours": "17-23", "ratio": 1.6}, {"label": "low", "hours": "23-17"}],
            },
            "demand": {"basis": "max_demand", "price_per_kw_month": 33.0},
        },
        pv={"kind": "pv", "capacity_kw": 80.0},
        store={"kind": "battery", "power_kw": 30.0, "energy_kwh": 90.0, "wear_cost_per_kwh": 0.02},
        park={"kind": "load", "profile": {"generator": "office_park", "peak": 40.0}},
        compute={"kind": "data_centre", "racks": 20.0, "pue": 1.2, "classes": [online, jobs]},
        cars={"kind": "ev_station", "mode": "uncontrolled", "power_kw": 100.0, "fleets": [fleet]},
    )
    return cache(lambda solver: simulate(scenario, solver=solver))


@pytest.mark.parametrize("solver", ["pulp:CBC", "pulp:HiGHS", "structured", "auto"])
def test_every_solver_finds_what_highs_finds(solved_by: Callable[[str], Simulation], solver: str) -> None:
    ours, theirs = solved_by("highs"), solved_by(solver)
    assert theirs.optimal.objective == pytest.approx(ours.optimal.objective, rel=1e-7)
    assert theirs.baseline.objective == pytest.approx(ours.baseline.objective, rel=1e-7)
    assert [check for check in theirs.summary.checks if not check.passed] == []
    assert differing(ours.summary, theirs.summary, rel=1e-5) == {}
    # all that is paid is unique, up to what decides between equal plans
    assert theirs.summary.kpis["operating_cost"].value == pytest.approx(
        ours.summary.kpis["operating_cost"].value, rel=1e-6
    )


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("tiny", 3),
        ("xining_6mw", 14),
        ("green_compute_park", 14),
        ("valley_charging_depot", 14),
        ("zero_carbon_park", 14),
    ],
)
def test_ties_are_decided_by_the_scenario_alone(name: str, days: int) -> None:
    """Every KPI is the same whatever the solver, its method, its threads and the order of the components.

    If nothing decided between plans of equal cost, cycles, delays and the life of the battery would differ by percents.
    An interior point ends within its tolerance of the optimum, so that what only ties decide is a little less sharp:
    in these five the least sharp figure is the delay of the work that may wait for four hours, by 3e-5.
    """
    scenario = load_scenario(SCENARIOS / f"{name}.yaml", settings=(f"horizon.days={days}",))
    inputs = scenario.read_inputs()
    turned = scenario.replace_components(dict(reversed(scenario.components.items())))
    ours = summarize(dispatch(scenario, inputs=inputs, solver="highs"))
    for variant, solver, rel in (
        (turned, "highs", 1e-6),
        (scenario, "pulp:CBC", 2e-5),  # its answer is a text of eight digits
        (scenario, "structured", 1e-4),
    ):
        theirs = summarize(dispatch(variant, inputs=inputs, solver=solver))
        assert differing(ours, theirs, rel) == {}, solver
        bill = [kpi.value for kpi in (ours.kpis["operating_cost"], theirs.kpis["operating_cost"])]
        assert bill[1] == pytest.approx(bill[0], rel=1e-6 if solver == "highs" else 1e-4)


@pytest.mark.parametrize("name", ["tiny", "green_compute_park", "zero_carbon_park"])
def test_deciding_ties_costs_less_than_a_millionth(name: str) -> None:
    """The bound that the run gives, against the money of both plans as HiGHS finds it."""
    days = 3 if name == "tiny" else 14
    scenario = load_scenario(SCENARIOS / f"{name}.yaml", settings=(f"horizon.days={days}",))
    inputs = scenario.read_inputs()
    program = build_program(scenario, inputs)
    found = with_tie_loss(dispatch(scenario, inputs=inputs), inputs).ties
    assert found is not None
    assert found.factor == 1.0
    assert 0.0 <= found.share <= 1e-6
    alone, chosen = solve(program.without_ties(), "highs"), solve(program, "highs")
    assert chosen.primal is not None
    assert program.ties(chosen.primal) > 0.0
    loss = chosen.objective - program.ties(chosen.primal) - alone.objective
    assert -1e-9 * abs(alone.objective) <= loss <= found.loss + 1e-8 * abs(alone.objective)


def test_prices_that_differ_by_little_are_not_outvoted_by_ties(site: SmallSite) -> None:
    """Two prices 2e-6 apart: storing for half a day pays, but not at the usual prices of ties: they shrink."""
    periods = [{"label": "a", "hours": "08-20", "ratio": 1.000004}, {"label": "b", "hours": "20-08", "ratio": 1.0}]
    tariff = {"energy": {"purchase_price_per_kwh": 0.5, "periods": periods}}
    lossless = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_cost_per_kwh": 0.0}
    store = {"kind": "battery", "power_kw": 50.0, "energy_kwh": 500.0, **lossless}
    load = {"kind": "load", "profile": 50.0}
    run = simulate(site(tariff=tariff, store=store, park=load)).optimal
    assert run.ties is not None
    assert run.ties.factor < 0.5
    assert run.ties.share <= 1e-6
    assert run.series["store.discharge_kw"].sum() > 1.0
    assert any("times smaller than usual" in note for note in run.notes)


@pytest.mark.parametrize("unit", [1e6, 1e-4])
def test_money_in_another_unit_leads_to_the_same_plan(site: SmallSite, unit: float) -> None:
    """Prices in millions, or in a currency of small value: what decides ties goes with them."""

    def in_unit(factor: float) -> Scenario:
        periods = [{"label": "high", "hours": "08-20", "ratio": 1.6}, {"label": "low", "hours": "20-08", "ratio": 0.4}]
        jobs = {"name": "jobs", "arrivals_kw": 5.0, "max_delay_hours": 6.0}
        jobs["value_of_missed_work_per_kwh"] = 10.0 / factor
        return site(
            tariff={"energy": {"purchase_price_per_kwh": 0.5 / factor, "periods": periods}},
            store={"kind": "battery", "power_kw": 20.0, "energy_kwh": 40.0},
            park={"kind": "load", "profile": {"generator": "office_park", "peak": 20.0}},
            hall={"kind": "data_centre", "racks": 10.0, "pue": 1.2, "classes": [jobs]},
        )

    ours, theirs = (summarize(dispatch(in_unit(factor))) for factor in (1.0, unit))
    assert theirs.kpis["operating_cost"].value * unit == pytest.approx(ours.kpis["operating_cost"].value, rel=1e-6)
    for name in ("battery_throughput_kwh", "compute_mean_delay_hours"):
        assert theirs.kpis[name].value == pytest.approx(ours.kpis[name].value, rel=1e-4), name

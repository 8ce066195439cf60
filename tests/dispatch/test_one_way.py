"""Charge and discharge in one step: found, valued and, exactly, forbidden; against every choice of directions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vpp_sim.components import REGISTRY
from vpp_sim.dispatch import dispatch
from vpp_sim.dispatch.build import build_program
from vpp_sim.dispatch.one_way import both_ways
from vpp_sim.errors import InputError
from vpp_sim.kpi import summarize
from vpp_sim.lp import one_of_two, solve
from vpp_sim.scenario import Scenario

SmallSite = Callable[..., Scenario]

#: A customer paid to take energy, on a connection that must not be exceeded, with a store too small for all of it.
STORE = {"kind": "battery", "power_kw": 20.0, "energy_kwh": 40.0, "soc_min": 0.0, "soc_max": 1.0}
LOAD = {"kind": "load", "profile": 5.0}


def paid_to_take(site: SmallSite, more_tariff: dict[str, Any] | None = None, **changes: Any) -> Scenario:
    """Six hours of a negative price in a day, no export."""
    periods = [
        {"label": "paid", "hours": "02-08", "price_per_kwh": -0.2},
        {"label": "dear", "hours": "08-20", "price_per_kwh": 0.6},
        {"label": "night", "hours": "20-02", "price_per_kwh": 0.1},
    ]
    energy = {"purchase_price_per_kwh": 0.3, "periods": periods}
    return site(tariff={"energy": energy} | (more_tariff or {}), **{"store": STORE, "park": LOAD, **changes})


def test_destroying_energy_is_counted_and_valued(site: SmallSite) -> None:
    """At -0.2 per kWh the store does both at once; what is said to be gained is at least what forbidding it costs."""
    loose = paid_to_take(site)
    run = dispatch(loose, solver="highs")
    (found,) = both_ways(loose, run.series)
    assert found.component == "store"
    assert found.steps >= 1
    kpis = summarize(run).kpis
    assert kpis["simultaneous_charge_discharge_steps"].value == found.steps
    assert kpis["simultaneous_destroyed_kwh"].value == pytest.approx(found.destroyed_kwh)
    assert any("dispatch.exact: true forbids it" in note for note in run.notes)
    # while both flows run, every kWh that is destroyed is paid for with 0.2
    assert found.gain == pytest.approx(0.2 * found.destroyed_kwh, rel=1e-3)
    strict = dispatch(paid_to_take(site, dispatch={"exact": True}))
    assert both_ways(loose, strict.series) == ()
    assert 0 < strict.objective - run.objective <= found.gain * (1 + 1e-3)


def test_the_exact_mode_finds_the_best_of_all_directions(site: SmallSite) -> None:
    """Every one of 2^6 choices of a direction in the hours that are paid for, each solved as a linear program."""
    scenario = paid_to_take(site, dispatch={"exact": True})
    exact = dispatch(scenario)
    inputs = scenario.read_inputs()
    program = build_program(scenario, inputs)
    charge = np.arange(program.num_columns)[program.columns("store.charge_kw")]
    discharge = np.arange(program.num_columns)[program.columns("store.discharge_kw")]
    best = np.inf
    for choice in itertools.product((False, True), repeat=6):
        upper = program.upper.copy()
        for hour, charges in zip(range(2, 8), choice, strict=True):
            upper[(discharge if charges else charge)[hour]] = 0.0
        solution = solve(program.with_numbers(upper=upper), "highs")
        assert solution.primal is not None
        both = np.minimum(solution.primal[charge], solution.primal[discharge])
        assert both.max() < 1e-6, "no other hour does both: the choices are all there are"
        best = min(best, solution.objective)
    assert exact.objective == pytest.approx(best, abs=1e-3)
    assert any(note.startswith("exact: one direction in every step") for note in exact.notes)
    assert all(check.passed for check in summarize(exact).checks)


def test_a_month_of_days_that_are_alike_is_solved_exactly(site: SmallSite) -> None:
    """180 equal hours in which two stores destroy energy; branch and bound on the whole of it does not end in a minute.

    Every second of it counts: pieces that are equal are solved once, and what they choose fits together.
    """
    second = STORE | {"power_kw": 10.0, "energy_kwh": 33.0}
    scenario = paid_to_take(site, second=second, horizon={"days": 30}, dispatch={"exact": True})
    run = dispatch(scenario)
    assert run.exact is not None
    assert run.exact.binaries == 360
    assert run.exact.pieces == 30
    assert run.exact.gap <= 1e-6
    assert both_ways(scenario, run.series) == ()
    assert run.plan_cost is not None
    assert run.plan_cost < run.objective - 1.0
    assert all(check.passed for check in summarize(run).checks)


@pytest.fixture(scope="module")
def tied_together(site: SmallSite) -> Scenario:
    """Five unlike days that a demand charge and the store's cyclic closure tie together."""
    tariff = {"demand": {"basis": "max_demand", "price_per_kw_month": 33.0}}
    park = {"kind": "load", "profile": {"generator": "office_park", "peak": 20.0}}
    return paid_to_take(site, park=park, horizon={"days": 5}, dispatch={"exact": True}, more_tariff=tariff)


def test_pieces_come_to_what_the_whole_program_does(tied_together: Scenario) -> None:
    """Against one mixed-integer program of all steps, written here and solved by SciPy."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, hstack, vstack

    run = dispatch(tied_together)
    assert run.exact is not None
    assert run.exact.gap <= 1e-6
    program = build_program(tied_together, tied_together.read_inputs())
    steps, columns = program.num_steps, program.num_columns
    into, out = (np.arange(columns)[program.columns(f"store.{flow}_kw")] for flow in ("charge", "discharge"))
    rows, place = np.arange(steps), np.concatenate([np.arange(steps)] * 2)
    charges = coo_array((np.repeat([1.0, -20.0], steps), (place, np.concatenate([into, columns + rows]))))
    discharges = coo_array((np.repeat([1.0, 20.0], steps), (place, np.concatenate([out, columns + rows]))))
    own = hstack([program.matrix, coo_array((program.num_rows, steps))])
    ends = np.concatenate([np.zeros(steps), np.full(steps, 20.0)])
    whole = milp(
        np.concatenate([program.cost, np.zeros(steps)]),
        integrality=np.repeat([0, 1], [columns, steps]),
        bounds=Bounds(np.append(program.lower, np.zeros(steps)), np.append(program.upper, np.ones(steps))),
        constraints=LinearConstraint(
            vstack([own, charges, discharges]),
            np.append(program.row_lower, np.full(2 * steps, -np.inf)),
            np.append(program.row_upper, ends),
        ),
        options={"mip_rel_gap": 1e-7},
    )
    ties = program.ties(whole.x[:columns])
    assert run.objective == pytest.approx(whole.fun + program.cost_offset - ties, rel=2e-6)


def test_a_gap_that_is_left_is_told_and_holds(tied_together: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without time for more than a first plan its bound stands; the best cost lies between it and the plan's."""
    exact = dispatch(tied_together)
    monkeypatch.setattr(one_of_two, "LEAST_SECONDS", 299.99)
    hasty = dispatch(tied_together)
    assert hasty.exact is not None
    assert hasty.exact.gap > 1e-6
    assert "another choice may be better" in hasty.exact.note()
    assert hasty.exact.note() in hasty.notes
    assert both_ways(tied_together, hasty.series) == ()
    assert hasty.objective * (1 - hasty.exact.gap) - 1e-6 <= exact.objective <= hasty.objective + 1e-6


def test_the_directions_outlast_the_hand_back_to_sessions(site: SmallSite) -> None:
    """Sessions that differ in a class: solved again after hand-back, the program still has one flow at a time."""
    fleet = {
        "name": "cars",
        "sessions_per_day": 12,
        "arrival_peaks": [{"hour": 1.0}],
        "dwell_hours": 6.0,
        "energy_kwh": 15.0,
        "charger_power_kw": 11.0,
    }
    cars = {"kind": "ev_station", "power_kw": 30.0, "fleets": [fleet], "laxity_classes": 1}
    scenario = paid_to_take(site, cars=cars, horizon={"days": 4}, dispatch={"exact": True})
    run = dispatch(scenario)
    assert any("moved from the plan when it was handed back" in note for note in run.notes)
    assert run.exact is not None
    assert run.exact.binaries > 0
    assert both_ways(scenario, run.series) == ()
    assert summarize(run).kpis["simultaneous_charge_discharge_steps"].value == 0


def test_import_and_export_at_the_same_price_do_not_run_at_once(site: SmallSite) -> None:
    """What is imported to be exported neither costs nor gains; the tie price leaves none of it, with any solver."""
    grid = {"kind": "grid", "import_limit_kw": 100.0, "export_limit_kw": 100.0}
    tariff = {"energy": {"purchase_price_per_kwh": 0.5}, "export": {"price_per_kwh": 0.5}}
    scenario = site(grid=grid, tariff=tariff, park=LOAD, sun={"kind": "pv", "capacity_kw": 30.0})
    for solver in ("highs", "structured", "pulp:CBC"):
        run = dispatch(scenario, solver=solver)
        assert both_ways(scenario, run.series) == ()
        assert run.series["grid.export_kw"].max() > 1.0


def test_where_energy_is_worth_anything_exact_is_the_same(site: SmallSite) -> None:
    loose = site(store=STORE, park=LOAD)
    strict = site(store=STORE, park=LOAD, dispatch={"exact": True})
    assert dispatch(strict).objective == pytest.approx(dispatch(loose).objective, rel=1e-9)
    assert "exact: one direction in every step, no binary needed, gap" in " ".join(dispatch(strict).notes)


@pytest.mark.parametrize("solver", ["structured", "pulp:CBC"])
def test_solvers_of_linear_programs_decline_the_exact_mode(site: SmallSite, solver: str) -> None:
    with pytest.raises(InputError, match=r"dispatch\.exact needs the solver auto or highs"):
        dispatch(paid_to_take(site, dispatch={"exact": True}), solver=solver)


def test_a_free_size_that_would_need_binaries_is_named(site: SmallSite) -> None:
    power = {"min": 10.0, "max": 30.0, "cost_per_unit": 10.0}
    with pytest.raises(InputError, match=r"store\.charge_kw has no largest value"):
        dispatch(paid_to_take(site, store=STORE | {"power_kw": power}, dispatch={"exact": True}))


def test_every_component_that_stores_names_its_opposite_flows() -> None:
    assert {name for name in REGISTRY if "opposite_flows" in REGISTRY[name].__dict__} == {
        "battery",
        "ev_station",
        "grid",
    }

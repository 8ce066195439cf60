"""How a dispatch fails: what it says, where and what next; and what it asks of a solver before it believes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vpp_sim import lp
from vpp_sim.dispatch import dispatch, run
from vpp_sim.errors import InfeasibleError, InputError, SolverLimitError
from vpp_sim.kpi import simulate
from vpp_sim.lp import LinearProgram, Solution, SolveOptions, SolveStatus
from vpp_sim.scenario import Scenario, load_scenario

SmallSite = Callable[..., Scenario]
SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
LOAD = {"kind": "load", "profile": 50.0}


def test_a_shortage_is_told_in_energy_power_and_spans_of_time(site: SmallSite) -> None:
    outages = [
        {"start": "2025-06-02 08:00", "end": "2025-06-02 10:00"},
        {"start": "2025-06-02 20:00", "end": "2025-06-02 21:00"},
    ]
    grid = {"kind": "grid", "import_limit_kw": 100.0, "outages": outages}
    with pytest.raises(InfeasibleError) as caught:
        dispatch(site(grid=grid, park=LOAD))
    assert str(caught.value).splitlines()[:4] == [
        "no operation meets every limit: the bus is short by 50 kW on 2025-06-02 08:00-10:00; "
        "park sheddable share of 1 (1 more) would do",
        "  short by at most 50 kW, 150 kWh in all (more power is needed) in 3 steps",
        "    2025-06-02 08:00 to 2025-06-02 10:00: 50 kW",
        "    2025-06-02 20:00 to 2025-06-02 21:00: 50 kW",
    ]


def test_of_many_spans_the_first_five_are_listed(site: SmallSite) -> None:
    outages = [
        {"start": f"2025-06-02 {hour:02d}:00", "end": f"2025-06-02 {hour + 1:02d}:00"} for hour in range(0, 14, 2)
    ]
    grid = {"kind": "grid", "import_limit_kw": 100.0, "outages": outages}
    with pytest.raises(InfeasibleError, match=r"350 kWh in all .* in 7 steps") as caught:
        dispatch(site(grid=grid, park=LOAD))
    assert "    2025-06-02 08:00 to 2025-06-02 09:00: 50 kW\n    and 2 more\n" in str(caught.value)


def test_a_surplus_that_nothing_takes_is_told(site: SmallSite) -> None:
    """A battery that must end 40 kWh lower, on a site that uses nothing: they have nowhere to go.

    (With losses they would: charging and discharging at once burns them.)
    """
    battery = {"kind": "battery", "power_kw": 50.0, "energy_kwh": 100.0, "closure": "fixed", "soc_end": 0.1}
    with pytest.raises(InfeasibleError, match="more power must go somewhere") as caught:
        dispatch(site(store=battery | {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}))
    assert "over by at most 1.667 kW, 40 kWh in all" in str(caught.value)


def test_a_component_that_contradicts_itself_is_named(site: SmallSite) -> None:
    """Cells that leak, must not fall below 10 %, and cannot be charged: 10 kWh x 0.01 / 0.933 = 0.107 kW are short."""
    leaking = {"kind": "battery", "power_kw": 0.0, "energy_kwh": 100.0, "self_discharge_per_hour": 0.01}
    with pytest.raises(InfeasibleError) as caught:
        dispatch(site(leaking=leaking, park=LOAD))
    assert str(caught.value).startswith("no operation meets every limit: leaking power 0 kW is short by 0.108 kW; ")
    assert "leaking.charge_kw is above its most by at least 0.1072 kW, even with power bought" in str(caught.value)


def test_a_price_that_pays_without_limit_is_told(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The door refuses such tariffs; should one come through, the words are about money and not about limits."""

    def unbounded(program: LinearProgram, solver: str = "auto", options: SolveOptions | None = None) -> Solution:
        return Solution(status=SolveStatus.UNBOUNDED, solver="fake")

    monkeypatch.setattr(run, "solve", unbounded)
    with pytest.raises(InfeasibleError, match="the cost has no lower bound"):
        dispatch(site(park=LOAD))


def test_a_time_limit_ends_in_its_own_error(site: SmallSite) -> None:
    scenario = site(
        horizon={"days": 28, "step_minutes": 15},
        dispatch={"time_limit_seconds": 1e-6, "solver": "highs"},
        park={"kind": "load", "profile": {"generator": "office_park", "peak": 50.0}},
        store={"kind": "battery", "power_kw": 50.0, "energy_kwh": 100.0},
    )
    with pytest.raises(SolverLimitError, match="highs: stopped at the time limit: raise it, or try another solver"):
        dispatch(scenario)


def test_an_unknown_solver_is_bad_input(site: SmallSite) -> None:
    with pytest.raises(InputError, match=r"dispatch\.solver: PuLP knows no solver 'nonesuch'"):
        dispatch(site(park=LOAD), solver="pulp:nonesuch")
    with pytest.raises(InputError, match=r"dispatch\.solver: unknown solver 'simplex'"):
        dispatch(site(park=LOAD), solver="simplex")


class Liar:
    """Solves with HiGHS and shifts the answer until it was asked for the tight tolerance often enough."""

    def __init__(self, honest_from: int) -> None:
        self.asked: list[float | None] = []
        self.honest_from = honest_from

    def __call__(self, program: LinearProgram, solver: str = "auto", options: SolveOptions | None = None) -> Solution:
        self.asked.append(options.tolerance if options else None)
        solution = lp.solve(program, "highs", options)
        if len(self.asked) > self.honest_from:
            return solution
        assert solution.primal is not None
        primal = solution.primal.copy()
        primal[program.columns("grid.import_kw")] += 1.0
        return replace(solution, primal=primal, certificate=lp.certify(program, primal, solution.row_dual))


def test_an_optimum_that_does_not_stand_our_check_is_refused(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    liar = Liar(honest_from=99)
    monkeypatch.setattr(run, "solve", liar)
    with pytest.raises(SolverLimitError) as caught:
        dispatch(site(park=LOAD))
    assert "highs claims an optimum that does not stand our check: primal residual 2.0e-02" in str(caught.value)
    # the third time HiGHS is asked without its presolve
    assert liar.asked == [None, run.TIGHT_TOLERANCE, run.TIGHT_TOLERANCE]


def test_a_doubtful_optimum_is_asked_for_once_more_at_a_tight_tolerance(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Solvers meet prices to 1e-7 in absolute terms: on a site where little money is at stake that is not enough."""
    liar = Liar(honest_from=1)
    monkeypatch.setattr(run, "solve", liar)
    assert dispatch(site(park=LOAD)).objective == pytest.approx(24 * 50 * 0.5)
    assert liar.asked == [None, run.TIGHT_TOLERANCE]


def test_the_uncontrolled_site_may_overload_the_connection_and_says_how_much(site: SmallSite) -> None:
    """60 kW of load on a 50 kW connection for 6 of 24 h, with a battery that covers it: without control 60 kWh over.

    Once such a run failed: the baseline cannot be run within a limit that only control can keep.
    """
    grid = {
        "kind": "grid",
        "import_limit_kw": 50.0,
        "outages": [{"start": "2025-06-02 03:00", "end": "2025-06-02 04:00"}],
    }
    load = {"kind": "load", "profile": {"generator": "constant", "value": 30.0}}
    busy = {"kind": "data_centre", "racks": 24.0, "rack_power_kw": 1.0, "idle_share": 0.0, "pue": 1.0}
    work = {"name": "jobs", "arrivals_kw": 24.0, "max_delay_hours": 4.0}
    store = {"kind": "battery", "power_kw": 80.0, "energy_kwh": 200.0}
    result = simulate(site(grid=grid, park=load, busy=busy | {"classes": [work]}, store=store))
    assert result.summary.passed
    assert "overload_kwh" not in result.summary.kpis
    # 54 kW in the hour without grid, 4 kW above the limit in the other 23
    assert result.summary.kpis["baseline_overload_kwh"].value == pytest.approx(54.0 + 23 * 4.0)
    assert result.summary.baseline is not None
    assert result.summary.baseline.kpis["overload_peak_kw"].value == pytest.approx(54.0)
    assert result.baseline.series["grid.import_kw"].sum() == pytest.approx(24 * 54.0)
    assert result.summary.kpis["baseline_operating_cost"].value == pytest.approx(0.5 * 24 * 54.0)


def test_the_second_solve_starts_where_the_first_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that is handed back and changed is solved again from the first basis, not from nothing."""
    starts: list[bool] = []
    honest = lp.solve

    def watched(program: LinearProgram, solver: str = "auto", options: SolveOptions | None = None) -> Solution:
        warm = options.warm_start if options else None
        starts.append(warm is not None and warm.basis is not None)
        return honest(program, solver, options)

    monkeypatch.setattr(run, "solve", watched)
    # cars that stay for an hour and a half on steps of an hour: some must charge when the plan would rather not
    scenario = load_scenario(SCENARIOS / "xining_6mw.yaml", settings=("horizon.days=7",))
    result = dispatch(scenario, solver="highs")
    assert starts[0] is False
    assert len(starts) > 1
    assert all(starts[1:])
    assert any(note.startswith("carrying out the plan costs") for note in result.notes)
    assert np.isfinite(result.objective)

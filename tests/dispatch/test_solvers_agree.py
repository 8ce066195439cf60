"""One whole site, several solvers: the same money, and the same figures where there is only one answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from vpp_sim.kpi import Simulation, simulate
from vpp_sim.scenario import Scenario

SmallSite = Callable[..., Scenario]

#: Figures that every optimum shares, however it is reached.
UNIQUE = ("load_kwh", "renewable_available_kwh", "ev_energy_kwh", "ev_unserved_kwh", "data_centre_kwh", "penalty_cost")


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
    for name in UNIQUE:
        assert theirs.summary.kpis[name].value == pytest.approx(ours.summary.kpis[name].value, rel=1e-6, abs=1e-4), name
    # all that is paid is unique, up to what decides between equal plans
    assert theirs.summary.kpis["operating_cost"].value == pytest.approx(
        ours.summary.kpis["operating_cost"].value, rel=1e-6
    )

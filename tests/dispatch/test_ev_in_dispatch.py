"""Charging stations in whole dispatches: what the bus gives, what sessions get, what is paid for what they miss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.dispatch import Dispatch, audit, dispatch
from vpp_sim.kpi import simulate
from vpp_sim.scenario import Scenario, load_scenario

DEPOT = Path(__file__).resolve().parents[2] / "scenarios" / "valley_charging_depot.yaml"
SmallSite = Callable[..., Scenario]
Station = Callable[..., dict[str, Any]]


def failed(result: Dispatch) -> list[Any]:
    return [check for check in audit(result) if not check.passed]


@pytest.mark.parametrize("mode", ["uncontrolled", "managed"])
def test_the_bus_gives_what_the_vehicles_get_and_the_losses(site: SmallSite, station: Station, mode: str) -> None:
    """9 kWh into a vehicle at 0.9 are 10 kWh from the bus in every mode; once, charging on arrival took only 9."""
    result = dispatch(site(cars=station([("08:00", "12:00", 9.0, 5.0)], mode=mode, charge_efficiency=0.9)))
    assert result.series["cars.charge_kw"].sum() == pytest.approx(10.0)
    assert result.tables["cars.sessions"]["charged_kwh"].sum() == pytest.approx(9.0)
    assert result.objective == pytest.approx(0.5 * 10.0, abs=1e-4)
    assert failed(result) == []


def test_what_is_not_charged_costs_the_same_with_and_without_control(site: SmallSite, station: Station) -> None:
    """10 kW for two cars that want 10 kWh each within one hour: 10 kWh go unserved, at 10 per kWh, either way.

    Without the price on the uncontrolled side, control would seem to cost more than no control.
    """
    cars = station([("08:00", "09:00", 10.0, 10.0), ("08:00", "09:00", 10.0, 10.0)], power_kw=10.0)
    run = simulate(site(cars=cars))
    assert run.summary.baseline is not None
    for kpis in (run.summary.kpis, run.summary.baseline.kpis):
        assert kpis["ev_unserved_kwh"].value == pytest.approx(10.0)
        assert kpis["penalty_cost"].value == pytest.approx(100.0)
    assert run.optimal.objective == pytest.approx(0.5 * 10.0 + 100.0, abs=1e-4)
    assert run.baseline.objective == pytest.approx(run.optimal.objective, abs=1e-4)
    assert run.summary.passed


def test_energy_that_the_bus_cannot_give_is_missed_by_sessions(site: SmallSite, station: Station) -> None:
    """A limit of 4 kW against 3 h x 10 kWh: 12 kWh are charged, 18 are missed; energy is neither made nor lost."""
    result = dispatch(
        site(
            grid={"kind": "grid", "import_limit_kw": 4.0},
            cars=station([("08:00", "11:00", 15.0, 10.0), ("08:00", "11:00", 15.0, 10.0)]),
        )
    )
    charged = result.tables["cars.sessions"]["charged_kwh"]
    assert charged.sum() == pytest.approx(12.0)
    assert result.series["cars.charge_kw"].sum() == pytest.approx(12.0)
    assert result.objective == pytest.approx(0.5 * 12.0 + 10.0 * 18.0, abs=1e-3)
    assert failed(result) == []


def test_a_plan_that_no_car_can_follow_is_changed_and_solved_again(site: SmallSite, station: Station) -> None:
    """The second car is there in the dear hour 09 only; the first, from 08 to 12, may charge at any time.

    In sum, 10 kWh must be charged by 10:00 and 20 by 12:00, so the program would charge at 08 and 10, for 2. But what
    is charged at 08 is the first car's, the second needs its 10 kWh at 09: 0.1 x 10 + 1 x 10 = 11.
    """
    periods = [{"label": "cheap", "hours": "10-09", "ratio": 0.1}, {"label": "dear", "hours": "09-10"}]
    result = dispatch(
        site(
            tariff={"energy": {"purchase_price_per_kwh": 1.0, "periods": periods}},
            cars=station([("08:00", "12:00", 10.0, 10.0), ("09:00", "10:00", 10.0, 10.0)], laxity_classes=1),
        )
    )
    assert result.objective == pytest.approx(11.0, abs=1e-3)
    assert "cars: 10 kWh of EV charging (50.00%) moved from the plan when it was handed back to the sessions" in (
        result.notes
    )
    assert any(note.startswith("carrying out the plan costs 9.00 CNY") for note in result.notes)
    np.testing.assert_allclose(result.tables["cars.sessions"]["charged_kwh"], 10.0)
    np.testing.assert_allclose(result.series["cars.charge_kw"][8:11], [10.0, 10.0, 0.0], atol=1e-7)
    assert failed(result) == []


def fleet(**changes: Any) -> dict[str, Any]:
    return {
        "name": "cars",
        "sessions_per_day": 25,
        "arrival_peaks": [{"hour": 22.0, "spread_hours": 0.0}],
        "departure_hour": 6.5,
        "energy_kwh": 5.0,
        "charger_power_kw": 7.0,
        "seed": 48,
        **changes,
    }


def test_a_free_station_keeps_its_size_when_the_plan_is_carried_out(site: SmallSite, station: Station) -> None:
    """A free power: the second solve once chose a smaller station than the one the cars had been given.

    The plan charges 10 kW at 08 and at 10, the cars really charge 10 kW at 08 and at 09: the station stays 10 kW.
    """
    periods = [{"label": "cheap", "hours": "10-09", "ratio": 0.1}, {"label": "dear", "hours": "09-10"}]
    size = {"min": 0.0, "max": 60.0, "cost_per_unit": 1.0}
    result = dispatch(
        site(
            tariff={"energy": {"purchase_price_per_kwh": 1.0, "periods": periods}},
            cars=station(
                [("08:00", "12:00", 10.0, 10.0), ("09:00", "10:00", 10.0, 10.0)], laxity_classes=1, power_kw=size
            ),
        )
    )
    assert any("carrying out the plan costs" in note for note in result.notes)
    assert result.sizes["cars.power_kw"] == pytest.approx(10.0)
    assert failed(result) == []


def test_a_fleet_that_nobody_uses_is_idle(site: SmallSite) -> None:
    """A sweep over sessions_per_day begins at 0; a Poisson day may be empty too."""
    run = simulate(site(cars={"kind": "ev_station", "power_kw": 50.0, "fleets": [fleet(sessions_per_day=0)]}))
    assert run.summary.passed
    assert run.summary.kpis["ev_energy_kwh"].value == 0.0
    assert "cars: no session arrives on the horizon" in run.optimal.notes
    assert np.all(run.optimal.series["cars.charge_kw"] == 0.0)


@pytest.mark.parametrize(
    "changes",
    [(), ("depot.power_kw=900",), ("grid.import_limit_kw=900",), ("depot.fleets[0].energy_sigma=0.6",)],
    ids=["as shipped", "tight station", "tight connection", "unlike vehicles"],
)
def test_discharging_vehicles_never_make_a_site_dearer(changes: tuple[str, ...]) -> None:
    """What managed charging can do, vehicles that may also discharge can do; once they cost 1.3 % more on the depot.

    The cost is that of what single vehicles do, and nothing that they need is left out of it.
    """
    results = {
        mode: dispatch(load_scenario(DEPOT, settings=(*changes, "horizon.days=21", f"depot.mode={mode}")))
        for mode in ("managed", "v2g")
    }
    assert results["v2g"].objective <= results["managed"].objective * (1 + 1e-6)
    assert all(failed(result) == [] for result in results.values())

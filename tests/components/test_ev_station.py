"""Charging stations: problems worked by hand, sessions that cannot be served, and the hand-back of plans."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp_sim.components.ev_hand_back import hand_back
from vpp_sim.components.ev_station import EvStation, V2g, energy_between, ramp_level
from vpp_sim.errors import InputError
from vpp_sim.profiles.sessions import ArrivalPeak, Fleet, SessionFile, drawn_sessions, read_sessions
from vpp_sim.time_grid import TimeGrid

START = dt.datetime(2025, 1, 1)


def stamp(hours: float) -> str:
    return (START + dt.timedelta(hours=hours)).isoformat(sep=" ")


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`station([(arrival, departure, energy, power), ...], **fields)`: a station with exactly these sessions."""
    monkeypatch.chdir(tmp_path)

    def make(sessions: list[tuple[float, float, float, float]], **fields: Any) -> EvStation:
        rows = [(stamp(begin), stamp(end), energy, power) for begin, end, energy, power in sessions]
        table = pd.DataFrame(rows, columns=["arrival", "departure", "energy_kwh", "max_kw"])
        table.to_csv(tmp_path / "sessions.csv", index=False)
        return EvStation(kind="ev_station", sessions=SessionFile(path="sessions.csv"), **{"power_kw": 100.0, **fields})

    return make


def test_managed_charging_takes_the_cheapest_hour_of_the_stay(station: Any, solve_site: Any) -> None:
    # 10 kWh at 10 kW, any one of four hours: the one at 1 per kWh; uncontrolled it would be the first, at 3
    cars = station([(0, 4, 10, 10)])
    prices = [3.0, 1.0, 2.0, 4.0]
    site = solve_site({"cars": cars}, prices)
    np.testing.assert_allclose(site.values("cars")["charge_kw"], [0, 10, 0, 0], atol=1e-9)
    assert site.objective == pytest.approx(10.0 + 10 * 1 * 1e-6)  # and the hour it waited, at the tie-breaking price
    assert solve_site({"cars": cars.uncontrolled()}, prices).objective == pytest.approx(30.0)


def test_a_part_of_an_hour_connected_gives_a_part_of_the_power(station: Any, solve_site: Any) -> None:
    # connected from 0:30 to 2:00 at 10 kW: at most 5 kWh in the first hour; of 12 kWh, 7 fall into the dear hour
    site = solve_site({"cars": station([(0.5, 2, 12, 10)])}, [1.0, 5.0])
    np.testing.assert_allclose(site.values("cars")["charge_kw"], [5, 7])
    assert site.objective == pytest.approx(5 * 1 + 7 * 5)


def test_a_station_too_small_leaves_energy_unserved_at_its_price(station: Any, solve_site: Any) -> None:
    # two cars want 10 kWh each within the same hour, the station gives 15 kW: 5 kWh are missed at 7 per kWh
    cars = station([(0, 1, 10, 10), (0, 1, 10, 10)], power_kw=15.0, value_of_unserved_per_kwh=7.0, laxity_classes=1)
    site = solve_site({"cars": cars}, [2.0, 2.0])
    assert site.objective == pytest.approx(15 * 2 + 5 * 7)
    assert site.kpis("cars")["ev_unserved_kwh"] == pytest.approx(5.0)


def test_v2g_sells_what_the_car_brought_and_charges_it_again_by_departure(station: Any, solve_site: Any) -> None:
    # a car with 20 of 40 kWh may go down to 10, wants 30 at departure: sells 10 at 5, buys 20 at 1
    v2g = V2g(battery_kwh=40, arrival_soc=0.5, soc_min=0.25, discharge_efficiency=1.0, wear_cost_per_kwh=0.0)
    site = solve_site(
        {"cars": station([(0, 3, 10, 10)], mode="v2g", v2g=v2g)}, [5.0, 1.0, 1.0], sell_per_kwh=(5.0, 1.0, 1.0)
    )
    assert site.objective == pytest.approx(-30.0, abs=1e-3)
    values = site.values("cars")
    np.testing.assert_allclose(values["discharge_kw"], [10, 0, 0], atol=1e-9)
    np.testing.assert_allclose(values["charge_kw"], [0, 10, 10], atol=1e-9)
    flows = site.components["cars"].flows(values)
    # of 20 kWh charged 10 come back: half of the charging is storage, half is use
    assert flows.use_kw.sum() == pytest.approx(10.0)
    assert flows.store.discharge_kw.sum() == pytest.approx(flows.store.charge_kw.sum())


def test_a_session_that_wants_more_than_its_charger_gives_is_said(station: Any, context_of: Any) -> None:
    cars = station([(0, 2, 30, 10)])
    inputs = cars.inputs(context_of(4))
    assert inputs.notes == (
        "1 of 1 sessions want more than their charger gives while they stay "
        "(10 kWh in all, counted as unserved; the first is 0)",
    )
    assert inputs.tables["sessions"]["need_kwh"].tolist() == [20.0]


def test_energy_by_step_equals_levels_by_sorting_and_is_nothing_where_nobody_is() -> None:
    """At night it is 0, not what is left of sums of 200 powers that came and went."""
    grid = TimeGrid(START, step_minutes=15, num_steps=96, timezone="Asia/Shanghai")
    random = np.random.default_rng(5)
    starts, powers = random.uniform(5, 20, 200), random.uniform(1, 50, 200) / 7
    ends = starts + random.uniform(0, 3, 200)
    energy = energy_between(starts, ends, powers, grid)
    at = np.arange(1.0, 97) * 0.25
    levels = ramp_level(starts, powers, at) - ramp_level(ends, powers, at)
    np.testing.assert_allclose(np.cumsum(energy), levels, atol=1e-8)
    assert (energy[:20] == 0.0).all()
    assert (energy[92:] == 0.0).all()
    assert energy.sum() == pytest.approx((powers * (ends - starts)).sum())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([15, 60]))
def test_handing_back_serves_every_session_when_the_station_is_large(seed: int, number: int, minutes: int) -> None:
    # whatever the plan asks, least laxity first must meet every deadline: here the plan asks for nothing at all
    random = np.random.default_rng(seed)
    arrival = np.sort(random.uniform(0, 20, number))
    power = random.uniform(3, 50, number)
    dwell = random.uniform(0.3, 4, number)
    need = power * dwell * random.uniform(0, 1, number)
    table = pd.DataFrame(
        {"arrival_hours": arrival, "end_hours": np.minimum(arrival + dwell, 24), "need_kwh": need, "class": 0}
    )
    table["need_kwh"] = np.minimum(need, power * (table["end_hours"] - arrival))
    zero = np.zeros(number)
    limits = {"up": power, "down": zero, "depth": zero, "headroom": zero}
    grid = TimeGrid(START, step_minutes=minutes, num_steps=24 * 60 // minutes, timezone="Asia/Shanghai")
    net, energy = hand_back(table, 1, limits, np.zeros(grid.num_steps), 1e9, 1.0, 1.0, grid)
    np.testing.assert_allclose(energy, table["need_kwh"], atol=1e-7)
    assert net.sum() * grid.step_hours == pytest.approx(energy.sum())
    idle, nothing = hand_back(
        table, 1, limits, np.zeros(grid.num_steps), 1e9, 1.0, 1.0, grid, most_kw=np.zeros(grid.num_steps)
    )
    assert not idle.any()
    assert not nothing.any()


def test_a_fleet_is_the_same_on_any_horizon_and_step() -> None:
    fleet = Fleet(
        name="cars",
        sessions_per_day=40,
        arrival_peaks=(ArrivalPeak(hour=12, spread_hours=2),),
        dwell_hours=2,
        energy_kwh=28,
        energy_sigma=0.5,
        charger_power_kw=60,
    )
    month = drawn_sessions(fleet, TimeGrid(START, 15, 31 * 96, "Asia/Shanghai"))
    week = drawn_sessions(fleet, TimeGrid(START, 60, 7 * 24, "Asia/Shanghai"))
    columns = ["arrival_hours", "departure_hours", "energy_kwh"]
    pd.testing.assert_frame_equal(month[columns].head(len(week)), week[columns])
    assert month["energy_kwh"].mean() == pytest.approx(28, rel=0.05)
    assert len(month) == pytest.approx(40 * 31, rel=0.1)
    slack = month["departure_hours"] - month["arrival_hours"] - month["energy_kwh"] / 60
    assert (slack > 0).all()


SESSION_FAULTS = {
    "departure": (
        "arrival,departure,energy_kwh,max_kw\n2025-01-01 08:00,2025-01-01 07:00,5,7\n",
        "s.csv:2: departure: departure is not after arrival; a stay past midnight ends on the next day",
    ),
    "text": (
        "arrival,departure,energy_kwh,max_kw\n2025-01-01 08:00,2025-01-01 09:00,five,7\n",
        "s.csv:2: energy_kwh: not a number, got 'five'",
    ),
    "stamp": (
        "arrival,departure,energy_kwh,max_kw\nmorning,2025-01-01 09:00,5,7\n",
        "s.csv:2: arrival: not a date and time, got 'morning'; write it like 2025-03-01 08:15:00",
    ),
    "negative": (
        "arrival,departure,energy_kwh,max_kw\n2025-01-01 08:00,2025-01-01 09:00,-5,7\n",
        "s.csv:2: energy_kwh: energy must be at least 0 kWh",
    ),
    "no power": (
        "arrival,departure,energy_kwh\n2025-01-01 08:00,2025-01-01 09:00,5\n",
        "s.csv: max_kw: no column max_kw; give charger_power_kw, the largest power of a session [kW]",
    ),
    "no column": (
        "arrive,departure,energy_kwh,max_kw\n2025-01-01 08:00,2025-01-01 09:00,5,7\n",
        "s.csv: missing column, needed under one of these names: arrival, connectionTime; "
        "did you mean its column arrive?",
    ),
    "another year": (
        "arrival,departure,energy_kwh,max_kw\n2019-01-01 08:00,2019-01-01 09:00,5,7\n",
        "s.csv: no session arrives on the horizon; repeat: true maps whole weeks onto it",
    ),
    "empty": ("arrival,departure,energy_kwh,max_kw\n", "s.csv: has a header and no rows"),
}


@pytest.mark.parametrize("case", SESSION_FAULTS)
def test_faulty_session_tables_say_where_and_what(case: str, tmp_path: Path) -> None:
    text, message = SESSION_FAULTS[case]
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    grid = TimeGrid(START, 60, 48, "Asia/Shanghai")
    with pytest.raises(InputError) as caught:
        read_sessions(SessionFile(path="s.csv"), grid, tmp_path)
    assert str(caught.value) == message


def test_stamps_with_an_offset_are_converted(tmp_path: Path) -> None:
    text = "arrival,departure,energy_kwh,max_kw\n2025-01-01 00:30:00+00:00,2025-01-01 02:00:00+00:00,5,7\n"
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    sessions, _ = read_sessions(SessionFile(path="s.csv"), TimeGrid(START, 60, 48, "Asia/Shanghai"), tmp_path)
    assert sessions["arrival_hours"].tolist() == [8.5]


@pytest.mark.real
def test_real_sessions_are_repeated_by_weekday_and_served(real_data: Any) -> None:
    folder = real_data("ev_acn")
    table = SessionFile(path="caltech_2019-05-01_2019-08-31.csv.gz", charger_power_kw=6.656, repeat=True)
    grid = TimeGrid(START, 60, 28 * 24, "Asia/Shanghai")
    sessions, notes = read_sessions(table, grid, folder)
    assert notes[0] == (
        "caltech_2019-05-01_2019-08-31.csv.gz: 16 whole weeks of sessions repeated over the horizon by weekday and hour"
    )
    weekday = (sessions["arrival_hours"] // 24 + START.weekday()) % 7
    per_day = np.bincount(weekday.astype(int), minlength=7)
    assert per_day[:5].min() > 2 * per_day[5:].max()  # a workplace: few cars at weekends
    assert sessions["arrival_hours"].mod(24).between(6, 20).mean() > 0.9

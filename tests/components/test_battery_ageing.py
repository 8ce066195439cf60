"""Ageing of cells: the published check values, the stepped model, hand-counted cycles, warnings and the wear price."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from vpp_sim.components.battery import Battery
from vpp_sim.components.battery_ageing import (
    CYCLE_EXPONENT,
    Container,
    Progress,
    Stress,
    anode_potential_volts,
    cycle_rate,
    day_of,
    marginal_wear_per_kwh,
    rainflow_cycles,
    stress_of,
    turning_points,
    years_until,
)
from vpp_sim.components.load import Load

CHECK = {"efc": 1.0, "soc": 0.5, "depth": 0.9, "c_rate": 0.25, "celsius": 25.0}


@pytest.mark.parametrize(("years", "capacity"), [(5, 0.897), (10, 0.825)])
def test_the_published_check_values_come_out(years: int, capacity: float) -> None:
    """One full cycle a day at half charge, 0.9 deep, 0.25 C, 25 degC (facts of Xining, BLAST-Lite)."""
    assert Progress().plus(day_of(**CHECK), 365 * years).capacity == pytest.approx(capacity, abs=5e-4)


def test_the_anode_is_where_the_source_says() -> None:
    assert float(anode_potential_volts(0.5)) == pytest.approx(0.1233, abs=5e-5)
    potential = anode_potential_volts(np.linspace(0.0, 1.0, 101))
    assert (np.diff(potential) < 1e-6).all()  # fuller cells have a lower anode and age faster


def test_progress_is_what_small_steps_of_the_model_come_to() -> None:
    """dq = k p (q/k)^((p-1)/p) dx in a thousand steps per day, over three days of different stress."""
    days = [0.2, 1.4, 0.7]
    loss, total = 1e-12, Progress()
    for efc in days:
        k = float(cycle_rate(298.15, 0.9, 0.1 + efc / 10))
        for _ in range(1000):
            loss += k * CYCLE_EXPONENT * (loss / k) ** ((CYCLE_EXPONENT - 1) / CYCLE_EXPONENT) * efc / 1000
        total = total.plus(day_of(**{**CHECK, "efc": efc, "c_rate": 0.1 + efc / 10}))
    assert total.cycle_loss == pytest.approx(loss, rel=2e-3)


def test_a_year_of_equal_days_is_the_closed_form() -> None:
    """Four hours up and four down by 0.2 each, idle between: 0.8 full cycles a day, 0.8 deep, at 0.2 C."""
    day = np.concatenate([np.full(6, 0.1), 0.1 + 0.2 * np.arange(1, 5), np.full(8, 0.9), 0.9 - 0.2 * np.arange(1, 5)])
    energy = np.tile(np.concatenate([day, np.full(2, 0.1)]), 365) * 500.0
    stress = stress_of(energy, 500.0, np.full(energy.size, 25.0), 1.0)
    assert stress.full_cycles_per_year == pytest.approx(0.8 * 365, rel=1e-3)
    assert stress.mean_depth == pytest.approx(0.8, rel=1e-3)
    rate = float(cycle_rate(298.15, 0.8, 0.2))
    assert Progress().plus(stress.per_year).cycle_loss == pytest.approx(rate * (0.8 * 365) ** 0.828, rel=0.01)


def test_half_the_step_ages_alike() -> None:
    rng = np.random.default_rng(3)
    hourly = np.cumsum(rng.choice([-0.2, 0.0, 0.2], 24 * 30)) % 1.0
    halves = np.stack([(np.roll(hourly, 1) + hourly) / 2, hourly], axis=1).ravel()
    halves[0] = hourly[0]
    one, two = (
        stress_of(soc * 100, 100.0, np.full(soc.size, 25.0), hours) for soc, hours in ((hourly, 1.0), (halves, 0.5))
    )
    assert two.full_cycles_per_year == pytest.approx(one.full_cycles_per_year, rel=1e-9)
    assert two.expected_life_years(0.8) == pytest.approx(one.expected_life_years(0.8), rel=0.01)


def test_cycles_are_counted_by_rainflow() -> None:
    """The example of ASTM E1049 (fig. 6): ranges 3, 4, 4, 8, 9, 8, 6, the 4 of E-F a full cycle."""
    peaks = np.array([-2.0, 1, -3, 5, -1, 3, -4, 4, -2])
    found = rainflow_cycles(peaks / 10)
    counted = sorted(zip((found.depth * 10).round(6).tolist(), found.count.tolist(), strict=True))
    assert counted == [(3.0, 0.5), (4.0, 0.5), (4.0, 1.0), (6.0, 0.5), (8.0, 0.5), (8.0, 0.5), (9.0, 0.5)]


def test_dust_of_a_solver_is_no_cycle() -> None:
    soc = np.tile([0.5, 0.5 + 1e-8], 100)
    assert rainflow_cycles(soc).equivalent_full == 0.0
    assert turning_points(soc).tolist() == [0]
    still = stress_of(soc * 10, 10.0, np.full(200, 25.0), 1.0)
    assert still.per_year.cycles == 0.0
    assert still.expected_life_years(0.8) > 50


def test_heat_and_a_full_battery_age_faster() -> None:
    def left(soc: float, celsius: float) -> float:
        stress = stress_of(np.full(48, soc), 1.0, np.full(48, celsius), 1.0)
        return Progress().plus(stress.per_year, 10).capacity

    assert left(0.5, 40.0) < left(0.5, 25.0) < left(0.5, 15.0)
    assert left(0.95, 25.0) < left(0.3, 25.0)


@pytest.mark.parametrize(
    ("soc", "celsius", "said"),
    [
        ([0.1, 0.9], 25.0, "charged at up to 0.80 C, above the 0.65 C"),
        ([0.1, 0.5, 0.9], -5.0, "100% of the time outside the 10 to 45 degC"),
        ([0.4, 0.5, 0.6], 25.0, "cycles are 0.20 deep on average"),
        ([0.1, 0.5, 0.9], 25.0, ""),
    ],
)
def test_use_outside_the_tested_range_is_told(soc: list[float], celsius: float, said: str) -> None:
    states = np.array(soc + soc[-2::-1])
    notes = stress_of(states, 1.0, np.full(states.size, celsius), 1.0).notes
    assert (said in " ".join(notes)) if said else notes == ()


def test_the_life_ends_where_the_capacity_meets_the_limit() -> None:
    year = Progress().plus(day_of(**CHECK), 365)
    life = years_until(Progress(), year, 0.8)
    assert Progress().plus(year, life).capacity == pytest.approx(0.8, abs=1e-9)
    half = years_until(Progress().plus(year, 4.0), year, 0.8)
    assert half == pytest.approx(life - 4.0, abs=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.06])
def test_the_wear_price_is_the_slope_of_the_replacement_annuity(rate: float) -> None:
    """A thousandth more use, the annuity of a replacement anew: the difference quotient."""
    cost, discharged = 500.0, 300.0

    def annuity(use: float) -> float:
        day = day_of(**{**CHECK, "efc": use})
        life = Stress(Progress().plus(day, 365), 0.0, 0.5, 0.9).expected_life_years(0.8)
        return cost / life if rate == 0 else cost * rate / (1 - (1 + rate) ** -life)

    slope = (annuity(1.0005) - annuity(0.9995)) / (0.001 * discharged)
    stress = Stress(Progress().plus(day_of(**CHECK), 365), 365.0, 0.5, 0.9)
    price = marginal_wear_per_kwh(
        stress, 0.8, replacement_cost=cost, discharged_kwh_per_year=discharged, discount_rate=rate
    )
    assert price == pytest.approx(slope, rel=1e-3)


def test_a_battery_fades_by_its_own_progress() -> None:
    part = Battery(kind="battery", power_kw=50.0, energy_kwh=100.0, max_c_rate=0.5)
    day = day_of(**CHECK)
    wear = {"calendar": 365 * day.calendar, "cycles": 365 * day.cycles}
    later = part.aged(part.aged(part.initial_condition(), wear, 4.0), wear, 6.0)
    assert later.years == pytest.approx(10.0)
    assert later.capacity == pytest.approx(0.825, abs=5e-4)
    worn = part.in_condition(later)
    assert worn.energy_kwh == pytest.approx(82.5, abs=0.05)
    assert worn.power_kw == pytest.approx(41.3, abs=0.05)  # the C-rate holds for what is left


def test_a_container_is_heated_and_cooled_between_its_limits(context_of: Any) -> None:
    """Outside -10, 20 and 35 degC, held between 15 and 30."""
    weather = SimpleNamespace(temperature_celsius=np.array([-10.0, 20.0, 35.0]))
    part = Battery(
        kind="battery",
        power_kw=50.0,
        energy_kwh=100.0,
        ageing={"temperature_celsius": {"min_celsius": 15.0, "max_celsius": 30.0}},
    )
    read = part.inputs(context_of(3, weather=weather))
    np.testing.assert_allclose(read.series["cell_celsius"], [15.0, 20.0, 30.0])
    with pytest.raises(ValidationError, match="min_celsius: must be at most max_celsius"):
        Container(min_celsius=30.0, max_celsius=15.0)


def test_a_cold_battery_warns_in_its_run(solve_site: Any) -> None:
    cold = Battery(kind="battery", power_kw=5.0, energy_kwh=10.0, ageing={"temperature_celsius": 0.0})
    site = solve_site({"battery": cold, "load": Load(kind="load", profile=10.0)}, [0.1, 0.5, 0.1, 0.5])
    notes = cold.settle(site.values("battery"), final=False).notes
    assert any("outside the 10 to 45 degC" in note for note in notes)
    kpis = site.kpis("battery")
    assert 0.5 < kpis["battery_capacity_after_year"] < 1.0
    assert kpis["battery_full_cycles_per_year"] == pytest.approx(8760 / 2 * 5 * 0.933 / 10, rel=0.3)

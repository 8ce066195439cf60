"""Batteries against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from vpp_sim.components.base import Component
from vpp_sim.components.battery import Battery, simultaneous_steps


def battery(**changes: Any) -> Battery:
    return Battery(
        **{"kind": "battery", "power_kw": 5.0, "energy_kwh": 10.0, "soc_min": 0.0, "soc_max": 1.0, **changes}
    )


def load(power_kw: float) -> Component:
    from vpp_sim.components.load import Load

    return Load(kind="load", profile=power_kw)


def test_a_cycle_pays_the_price_difference_less_the_losses(solve_site: Any) -> None:
    """Charge 5 kW at 0.1, keep 0.9 of it, discharge 0.9 of that at 0.5: 0.1 * 15 + 0.5 * (10 - 4.05) = 4.475."""
    cell = battery(charge_efficiency=0.9, discharge_efficiency=0.9)
    site = solve_site({"battery": cell, "load": load(10.0)}, [0.1, 0.5])
    assert site.objective == pytest.approx(4.475)
    values = site.values("battery")
    np.testing.assert_allclose(values["charge_kw"], [5.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(values["discharge_kw"], [0.0, 4.05], atol=1e-9)
    assert site.kpis("battery")["equivalent_full_cycles"] == pytest.approx(4.5 / 10)


@pytest.mark.parametrize(("wear", "discharged"), [(0.3, 4.05), (0.4, 0.0)])
def test_wear_stops_a_cycle_that_earns_less(solve_site: Any, wear: float, discharged: float) -> None:
    """A kWh discharged earns 0.5 - 0.1 / 0.81 = 0.3765: it pays at a wear of 0.3, not at 0.4."""
    cell = battery(charge_efficiency=0.9, discharge_efficiency=0.9, wear_cost_per_kwh=wear)
    site = solve_site({"battery": cell, "load": load(10.0)}, [0.1, 0.5])
    assert site.values("battery").energy_kwh("discharge_kw") == pytest.approx(discharged, abs=1e-9)
    assert cell.costs(site.values("battery"))["wear_cost"] == pytest.approx(wear * discharged, abs=1e-9)


def test_fixed_ends_replace_what_was_lost_when_that_is_cheapest(solve_site: Any) -> None:
    """5 kWh at both ends, a tenth lost per hour: 5 / 0.9 kWh after hour 1 need 5 / 0.9 - 4.5 = 1.0556 kWh at price 1.

    Waiting for hour 2 would need 5 - 0.9 * 4.5 = 0.95 kWh at price 2.
    """
    cell = battery(
        closure="fixed", self_discharge_per_hour=0.1, charge_efficiency=1.0, discharge_efficiency=1.0, power_kw=10.0
    )
    site = solve_site({"battery": cell}, [1.0, 2.0])
    assert site.objective == pytest.approx(5 / 0.9 - 4.5)
    np.testing.assert_allclose(site.values("battery")["energy_kwh"], [5 / 0.9, 5.0])


@pytest.mark.parametrize(("value", "missing", "cost"), [(0.5, 3.0, 1.5), (2.0, 0.0, 3.0)])
def test_an_end_with_a_price_is_reached_where_that_is_cheaper(
    solve_site: Any, value: float, missing: float, cost: float
) -> None:
    """From 5 to 8 kWh of 10 without losses: 3 kWh at 1 per kWh, or not at the price of what is missing."""
    lossless = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    cell = battery(closure="fixed", soc_end=0.8, value_of_missing_end_per_kwh=value, **lossless)
    site = solve_site({"battery": cell}, [1.0, 1.0])
    values = site.values("battery")
    assert site.objective == pytest.approx(cost)
    assert values["energy_kwh"][-1] == pytest.approx(8.0 - missing)
    assert cell.costs(values)["penalty_cost"] == pytest.approx(value * missing)
    (short,) = cell.shortfalls(values)
    np.testing.assert_allclose(short.amount, [0.0, missing], atol=1e-9)
    assert all(check.passed for check in cell.replay(values))


RESERVE = {"power_kw": 10.0, "charge_efficiency": 1.0, "discharge_efficiency": 1.0, "reserve_soc": 0.4}


def test_a_reserve_is_never_touched(solve_site: Any) -> None:
    """Of 10 kWh, 4 are kept: 6 kWh are bought at 0.1 in place of 0.5: 0.1 x 16 + 0.5 x 4 = 3.6."""
    cell = battery(**RESERVE)
    site = solve_site({"battery": cell, "load": load(10.0)}, [0.1, 0.5])
    values = site.values("battery")
    assert site.objective == pytest.approx(3.6)
    np.testing.assert_allclose(values["energy_kwh"], [10.0, 4.0], atol=1e-9)
    assert cell.shortfalls(values) == ()
    assert all(check.passed for check in cell.replay(values))
    assert not all(check.passed for check in battery(**RESERVE | {"reserve_soc": 0.5}).replay(values))


@pytest.mark.parametrize(("price", "used", "cost"), [(0.3, 4.0, 3.2), (0.5, 0.0, 3.6)])
def test_a_reserve_with_a_price_is_used_where_that_is_worth_more(
    solve_site: Any, price: float, used: float, cost: float
) -> None:
    """Each kWh of it saves 0.4, and is missing for an hour: at 0.3 all is used, 0.1 x 20 + 0.3 x 4 = 3.2."""
    cell = battery(**RESERVE, value_of_missing_reserve_per_kwh_hour=price)
    site = solve_site({"battery": cell, "load": load(10.0)}, [0.1, 0.5])
    values = site.values("battery")
    assert site.objective == pytest.approx(cost)
    assert cell.costs(values)["penalty_cost"] == pytest.approx(price * used, abs=1e-9)
    (short,) = cell.shortfalls(values)
    assert short.is_stored
    np.testing.assert_allclose(short.amount, [0.0, used], atol=1e-9)
    assert all(check.passed for check in cell.replay(values))


def test_a_free_size_is_large_enough_for_its_reserve(solve_site: Any) -> None:
    """10 kWh of cycle pay as without a reserve; with half of the cells kept, 20 kWh of them: 0.1 x 20 + 0.1 x 20."""
    size = {"max": 100.0, "cost_per_unit": 0.1 * 8760 / 2, "lifetime_years": 1.0}
    for price in (None, 10.0):
        reserve = {"reserve_soc": 0.5, "value_of_missing_reserve_per_kwh_hour": price}
        cell = battery(**RESERVE | reserve | {"power_kw": 20.0, "energy_kwh": size})
        site = solve_site({"battery": cell, "load": load(10.0)}, [0.1, 0.5])
        assert site.values("battery").sizes["energy_kwh"] == pytest.approx(20.0)
        assert site.objective == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"reserve_soc": 0.9, "soc_max": 0.8}, "reserve_soc: must be at most soc_max"),
        ({"value_of_missing_reserve_per_kwh_hour": 1.0}, "value_of_missing_reserve_per_kwh_hour: needs a reserve_soc"),
        ({"reserve_soc": 0.6, "closure": "fixed", "soc_end": 0.5}, "soc_end: must be at least reserve_soc"),
    ],
)
def test_a_reserve_that_cannot_be_meant_is_refused(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError, match=place):
        battery(**fields)


def test_an_end_that_cannot_be_reached_needs_a_price(solve_site: Any) -> None:
    """Without power 5 kWh stay 5 kWh: 3 kWh short of the end, at 7 per kWh."""
    cell = battery(closure="fixed", soc_end=0.8, power_kw=0.0, value_of_missing_end_per_kwh=7.0)
    assert solve_site({"battery": cell}, [1.0, 1.0]).objective == pytest.approx(21.0)


def test_a_free_size_grows_to_what_pays(solve_site: Any) -> None:
    """Two hours cost 0.1 per kWh of cells, a cycle earns 0.4: 10 kWh cover hour 2; 0.1 * 20 + 0.1 * 10 = 3."""
    size = {"max": 100.0, "cost_per_unit": 0.1 * 8760 / 2, "lifetime_years": 1.0}
    cell = battery(power_kw=20.0, energy_kwh=size, charge_efficiency=1.0, discharge_efficiency=1.0)
    site = solve_site({"battery": cell, "load": load(10.0)}, [0.1, 0.5])
    assert site.objective == pytest.approx(3.0)
    assert site.values("battery").sizes == {"energy_kwh": pytest.approx(10.0)}


def test_power_is_bound_to_a_free_energy_by_the_c_rate(solve_site: Any) -> None:
    """Power 10 kW at most 0.5 per kWh of cells: 20 kWh must be bought for 10 kW, though 10 kWh are cycled."""
    size = {"max": 100.0, "cost_per_unit": 0.1 * 8760 / 2, "lifetime_years": 1.0}
    cell = battery(power_kw=10.0, energy_kwh=size, max_c_rate=0.5, charge_efficiency=1.0, discharge_efficiency=1.0)
    site = solve_site({"battery": cell, "load": load(10.0)}, [0.1, 0.5])
    assert site.values("battery").sizes["energy_kwh"] == pytest.approx(20.0)
    assert site.objective == pytest.approx(0.1 * 20 + 0.1 * 20)


def test_charging_from_the_site_only_takes_what_the_sun_gives(solve_site: Any, sun: Component) -> None:
    """Cheap imports may not be stored, 3 kWh of sun may: they replace imports at 1 an hour later."""
    cell = battery(charge_efficiency=1.0, discharge_efficiency=1.0, charge_from="onsite")
    site = solve_site(
        {"battery": cell, "sun": sun, "load": load(3.0)}, [0.1, 1.0], inputs={"sun": {"available_kw": [3.0, 0.0]}}
    )
    np.testing.assert_allclose(site.values("battery")["charge_kw"], [3.0, 0.0], atol=1e-9)
    assert site.objective == pytest.approx(0.3)  # the load's first hour is imported, the sun is stored


def test_stored_energy_may_be_kept_from_the_grid(solve_site: Any, sun: Component) -> None:
    """2 kWh of sun in hour 1 sell at 0.2 then or, stored, at 0.5 an hour later where that is allowed."""
    earned = {}
    for rule in ("allowed", "forbidden"):
        cell = battery(charge_efficiency=1.0, discharge_efficiency=1.0, export=rule)
        site = solve_site(
            {"battery": cell, "sun": sun},
            [1.0, 1.0],
            inputs={"sun": {"available_kw": [2.0, 0.0]}},
            sell_per_kwh=(0.2, 0.5),
        )
        earned[rule] = -site.objective
    assert earned == {"allowed": pytest.approx(1.0), "forbidden": pytest.approx(0.4)}


def test_uncontrolled_is_idle(solve_site: Any) -> None:
    site = solve_site({"battery": battery().uncontrolled(), "load": load(10.0)}, [0.1, 0.5])
    assert site.objective == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"soc_min": 0.9, "soc_max": 0.1}, "soc_min: must be at most soc_max"),
        ({"closure": "fixed", "soc_end": 0.95, "soc_max": 0.9}, "soc_end: must lie between"),
        ({"closure": "fixed", "energy_kwh": {"max": 9.0, "cost_per_unit": 1.0}}, "closes cyclic"),
        ({"max_c_rate": 0.25}, "power_kw: must be at most max_c_rate x energy_kwh = 2.5 kW, got 5"),
    ],
)
def test_contradictions_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        battery(**changes)


def test_simultaneous_steps_counts_both_directions_above_the_threshold() -> None:
    """What an interior point leaves of both flows in hours of curtailment, a hundred-thousandth, is none of them."""
    assert simultaneous_steps(np.array([1.0, 1.0, 1e-9, 1e-4]), np.array([0.0, 0.5, 1.0, 1.0]), 10.0) == 1

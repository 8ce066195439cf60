"""Loads against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from vpp_sim.components.load import Load, scaled_to_peak
from vpp_sim.errors import InputError


def load(**changes: Any) -> Load:
    return Load(**{"kind": "load", "profile": 10.0, **changes})


def test_a_load_pays_the_price_of_its_energy(solve_site: Any) -> None:
    """Half hours: 4 kW and 8 kW at 0.5 and 0.25 per kWh cost 0.5 * (2 + 2) = 2."""
    site = solve_site({"load": load()}, [0.5, 0.25], inputs={"load": {"power_kw": [4.0, 8.0]}}, step_minutes=30)
    assert site.objective == pytest.approx(0.5 * (4 * 0.5 + 8 * 0.25))


def test_shedding_is_for_prices_above_the_value_of_lost_load(solve_site: Any) -> None:
    """A fifth of 10 kW is worth 1 per kWh: shed at price 3, served at 0.5: 0.5 * 10 + 3 * 8 + 1 * 2 = 31."""
    flexible = load(sheddable_share=0.2, value_of_lost_load_per_kwh=1.0)
    site = solve_site({"load": flexible}, [0.5, 3.0])
    assert site.objective == pytest.approx(31.0)
    np.testing.assert_allclose(site.values("load")["unserved_kw"], [0.0, 2.0], atol=1e-9)
    assert site.kpis("load") == {"unserved_load_kwh": pytest.approx(2.0)}
    assert flexible.costs(site.values("load")) == {"penalty_cost": pytest.approx(2.0)}


def test_shedding_is_for_want(solve_site: Any) -> None:
    """A supply of 7 kW leaves 3 of 10 kW unserved in each of two hours: 2 * (7 * 0.5 + 3 * 100) = 607."""
    site = solve_site({"load": load(sheddable_share=0.5, value_of_lost_load_per_kwh=100.0)}, [0.5, 0.5], limit_kw=7.0)
    assert site.objective == pytest.approx(607.0)


def test_a_profile_is_scaled_to_its_peak(context_of: Any) -> None:
    assert load(profile=2.0, peak_kw=9.0).inputs(context_of(3)).series["power_kw"].tolist() == [9.0, 9.0, 9.0]
    with pytest.raises(InputError, match="peak_kw: a profile that is zero throughout"):
        scaled_to_peak(np.zeros(3), 9.0)


def test_a_negative_load_is_refused(context_of: Any) -> None:
    with pytest.raises(InputError, match="profile: a load must be at least 0 kW, got -1"):
        load(profile=-1.0).inputs(context_of(3))


def test_shedding_needs_a_price() -> None:
    with pytest.raises(ValidationError, match="value_of_lost_load_per_kwh: missing"):
        load(sheddable_share=0.1)


def test_uncontrolled_is_the_same() -> None:
    assert load().uncontrolled() == load()

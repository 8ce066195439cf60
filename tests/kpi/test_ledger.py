"""The energy ledger: hand-worked hours, exact balances on random sites, and the order of finer and coarser matching."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp_sim.components.base import Flows, Store
from vpp_sim.kpi.ledger import Ledger, ledger_of_flows
from vpp_sim.kpi.shares import energy_kpis, matched_kwh, periods, share_kpis
from vpp_sim.time_grid import TimeGrid


def hours(number: int, minutes: int = 60) -> TimeGrid:
    return TimeGrid(dt.datetime(2025, 1, 1), minutes, number, "Asia/Shanghai")


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def three_hours() -> Ledger:
    """PV 10 in the first hour against a load of 4: 5 into a lossless store, 1 exported; then 3 out of it; then grid.

    The store begins empty, is charged 5 from PV and 1 from the grid in the second hour, gives 3 and 3.
    """
    store = Store(
        charge_kw=array(5, 1, 0, 0),
        discharge_kw=array(0, 0, 3, 3),
        inflow_kwh=array(5, 1, 0, 0),
        stored_kwh=array(5, 6, 3, 0),
        initial_kwh=0.0,
    )
    return ledger_of_flows(
        [
            Flows(renewable_kw=array(10, 0, 0, 0), renewable_available_kw=array(12, 0, 0, 0)),
            Flows(use_kw=array(4, 2, 3, 5)),
            Flows(store=store),
            Flows(import_kw=array(0, 3, 0, 2), export_kw=array(1, 0, 0, 0)),
        ],
        hours(4),
    )


def test_every_kwh_of_four_hours_is_traced() -> None:
    ledger = three_hours()
    origins = {name: power.sum() for name, power in ledger.load_origins().items()}
    # the store holds 5 renewable and 1 grid kWh when it begins to give: five sixths of the 6 kWh given are renewable
    assert origins == pytest.approx(
        {
            "renewable direct": 4.0,
            "renewable through storage": 5.0,
            "grid direct": 4.0,
            "grid through storage": 1.0,
            "other supply": 0.0,
        }
    )
    assert ledger.check().passed


def test_shares_of_four_hours_by_every_definition() -> None:
    ledger = three_hours()
    shares = {name: kpi.value for name, kpi in share_kpis(ledger).items()}
    assert shares["onsite_renewable_share"] == pytest.approx(9 / 14)
    assert shares["self_sufficiency"] == pytest.approx(9 / 14)
    assert shares["self_consumption"] == pytest.approx(9 / 10)  # 1 of 10 is exported
    assert shares["own_use_of_available_cn650"] == pytest.approx(9 / 12)  # 2 are curtailed
    assert shares["own_use_of_load_cn650"] == pytest.approx(9 / 14)  # a lossless store adds nothing to the load
    assert shares["export_of_available_cn650"] == pytest.approx(1 / 12)
    # renewable reaching load or export per hour: 5, 0, 2.5, 2.5 against loads of 4, 2, 3, 5
    assert shares["matching_hourly"] == pytest.approx((4 + 0 + 2.5 + 2.5) / 14)
    assert shares["matching_annual"] == pytest.approx(10 / 14)
    energies = {name: kpi.value for name, kpi in energy_kpis(ledger).items()}
    assert energies["curtailed_kwh"] == pytest.approx(2.0)
    assert energies["storage_losses_kwh"] == pytest.approx(0.0)


def test_a_cyclic_store_starts_with_the_mix_it_ends_with() -> None:
    # half of every charge is renewable, so half of what the store holds and gives is, from the first hour on
    store = Store(
        charge_kw=array(0, 4, 0, 4),
        discharge_kw=array(3, 0, 3, 0),
        inflow_kwh=array(0, 3, 0, 3),
        stored_kwh=array(2, 5, 2, 5),
        initial_kwh=5.0,
    )
    ledger = ledger_of_flows(
        [
            Flows(renewable_kw=array(0, 2, 0, 2), renewable_available_kw=array(0, 2, 0, 2)),
            Flows(use_kw=array(3, 0, 3, 0)),
            Flows(store=store),
            Flows(import_kw=array(0, 2, 0, 2)),
        ],
        hours(4),
    )
    np.testing.assert_allclose(ledger.storage_renewable_share, 0.5)
    assert ledger.load_origins()["renewable through storage"].sum() == pytest.approx(3.0)
    assert ledger.storage_losses_kwh == pytest.approx(2.0)  # 8 in, 6 out, no change


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([15, 60]))
def test_any_site_balances_and_finer_matching_is_never_above_coarser(seed: int, number: int, minutes: int) -> None:
    random = np.random.default_rng(seed)
    step = minutes / 60
    renewable, load = random.uniform(0, 10, number), random.uniform(0, 10, number)
    charge = random.uniform(0, 5, number) * random.integers(0, 2, number)
    stored, discharge, level = np.empty(number), np.empty(number), 2.0
    for t in range(number):
        discharge[t] = min(random.uniform(0, 5), level / step)
        level += (0.9 * charge[t] - discharge[t]) * step
        level = stored[t] = max(level, 0.0)
    net = load + charge - renewable - discharge
    ledger = ledger_of_flows(
        [
            Flows(renewable_kw=renewable, renewable_available_kw=renewable),
            Flows(use_kw=load),
            Flows(store=Store(charge, discharge, 0.9 * charge * step, stored, 2.0)),
            Flows(import_kw=np.maximum(net, 0), export_kw=np.maximum(-net, 0)),
        ],
        hours(number, minutes),
    )
    assert ledger.check().passed
    for position, source in enumerate([renewable, discharge, np.zeros(number), np.maximum(net, 0)]):
        given_away = sum(ledger.flow_kw[("renewable", "storage", "other", "grid")[position], use] for use in USES)
        np.testing.assert_allclose(given_away, source, atol=1e-9)
    # storage cannot give more renewable energy than reached it and was there at the start
    through = (discharge * ledger.storage_renewable_share).sum() * step
    reached = (0.9 * ledger.flow_kw["renewable", "storage"]).sum() * step
    assert through <= reached + 2.0 + 0.9 * ledger.flow_kw["storage", "storage"].sum() * step + 1e-9
    reaching = ledger.renewable_to("load") + ledger.renewable_to("export")
    matched = [matched_kwh(reaching, load, period, ledger.grid) for period in periods(ledger.grid).values()]
    assert all(finer <= coarser + 1e-9 for coarser, finer in itertools.pairwise(matched))


USES = ("load", "storage", "export")

"""Annuity, present value, internal rates, payback and levelised cost against arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vpp_sim.kpi.finance import (
    FORMULAS,
    capital_recovery_factor,
    internal_rate,
    levelised_cost,
    loan_payments,
    modified_internal_rate,
    net_present_value,
    payback_years,
    tax_paid,
    written_off,
)


def flows(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_annuity_by_hand() -> None:
    """1,000 over 3 years at 10 %: 1000 x 0.1 / (1 - 1/1.331) = 402.1148; its payments are worth 1,000 today."""
    annuity = 1000 * capital_recovery_factor(0.10, 3)
    assert annuity == pytest.approx(402.1148, abs=5e-5)
    assert annuity / 1.1 + annuity / 1.21 + annuity / 1.331 == pytest.approx(1000)
    assert capital_recovery_factor(0.0, 4) == 0.25


def test_net_present_value_by_hand() -> None:
    """-1000 + 500/1.1 + 400/1.21 + 300/1.331 = -1000 + 454.5455 + 330.5785 + 225.3944."""
    assert net_present_value(0.10, flows(-1000, 500, 400, 300)) == pytest.approx(10.5184, abs=5e-5)


def test_internal_rate_by_hand() -> None:
    """-100 + 60/q + 60/q^2 = 0: q = (60 + sqrt(3600 + 24000)) / 200 = 1.1306624."""
    found = internal_rate(flows(-100, 60, 60))
    assert found.rate == pytest.approx((60 + 27600**0.5) / 200 - 1)
    assert (found.sign_changes, found.words) == (1, "")


def test_two_internal_rates_are_both_told() -> None:
    """(1.1 - q)(1.2 - q) x -100 = -100 q^2 + 230 q - 132: 10 and 20 %, the one near the discount rate is given."""
    found = internal_rate(flows(-100, 230, -132), near=0.18)
    assert found.all_rates == pytest.approx((0.1, 0.2))
    assert found.rate == pytest.approx(0.2)
    assert "changes its sign 2 times" in found.words


def test_a_replacement_makes_more_sign_changes_but_one_rate() -> None:
    found = internal_rate(flows(-1000, 300, 300, 300, -200, 300, 300, 300))
    assert found.sign_changes == 3
    assert len(found.all_rates) == 1
    assert net_present_value(found.rate, flows(-1000, 300, 300, 300, -200, 300, 300, 300)) == pytest.approx(0, abs=1e-6)


def test_without_a_gain_there_is_no_rate() -> None:
    assert np.isnan(internal_rate(flows(-100, -5, -5)).rate)
    assert np.isnan(modified_internal_rate(0.05, flows(-100, -5)))
    less_than_given = internal_rate(flows(-100, 40, 40)).rate
    assert less_than_given == pytest.approx((40 + 17600**0.5) / 200 - 1)


def test_modified_rate_by_hand() -> None:
    """500 x 1.21 + 400 x 1.1 + 300 = 1345 after three years from 1000: 1.345^(1/3) - 1."""
    assert modified_internal_rate(0.10, flows(-1000, 500, 400, 300)) == pytest.approx(1.345 ** (1 / 3) - 1)


def test_payback_by_hand() -> None:
    """1000 = 400 + 400 + half of 400; at 10 % it is 363.64 + 330.58 + 300.53 and 5.26 of the fourth year's 273.21."""
    year = flows(-1000, 400, 400, 400, 400)
    assert payback_years(year) == pytest.approx(2.5)
    discounted = year / 1.1 ** np.arange(5)
    assert payback_years(discounted) == pytest.approx(3 + 5.2596 / 273.2054, abs=1e-4)
    assert np.isnan(payback_years(flows(-1000, 100)))


def test_levelised_cost_by_hand() -> None:
    """Two years at 10 %: (1000 + 20/1.1 + 20/1.21) / (600/1.1 + 600/1.21) = 1034.7107 / 1041.3223."""
    assert levelised_cost(0.1, 0.1, flows(1000, 20, 20), flows(0, 600, 600)) == pytest.approx(1034.7107 / 1041.3223)


def test_levelised_cost_is_the_price_that_makes_the_flow_worth_nothing() -> None:
    """With inflation: a price of today that rises with it pays the nominal costs exactly."""
    rate, inflation = 0.08, 0.03
    real = (1 + rate) / (1 + inflation) - 1
    n = np.arange(11)
    energy = np.where(n > 0, 500 * 0.99**n, 0.0)
    costs = np.where(n == 0, 2000.0, 30 * (1 + inflation) ** n)
    price = levelised_cost(rate, real, costs, energy)
    assert net_present_value(rate, price * (1 + inflation) ** n * energy - costs) == pytest.approx(0, abs=1e-9)


def test_a_loan_is_paid_back_with_interest() -> None:
    """1,000 at 5 % over 2 years: 537.80 a year; interest 50 and 25.61."""
    interest, repaid = loan_payments(1000, 0.05, 2, 4)
    assert (interest + repaid)[1:3] == pytest.approx([537.8049, 537.8049])
    assert repaid.sum() == pytest.approx(1000)
    interest, repaid = loan_payments(900, 0.0, 3, 2)  # longer than the project: the rest falls due
    assert repaid.tolist() == [0, 300, 600]


def test_depreciation_writes_off_all_that_was_bought() -> None:
    yearly = written_off(flows(100, 0, 0, 60, 0), 2)
    assert yearly.tolist() == [0, 50, 50, 0, 60]


@pytest.mark.parametrize(("carried", "expected"), [(True, [0, 0, 0, 15]), (False, [0, -25, 15, 25])])
def test_losses_wait_or_are_used_at_once(carried: bool, expected: list[float]) -> None:
    assert tax_paid(flows(0, -100, 60, 100), 0.25, carried_forward=carried).tolist() == expected


def test_every_formula_is_spelled_out() -> None:
    assert all(len(text) > 30 for text in FORMULAS.values())

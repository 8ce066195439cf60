"""Money over years: present value, internal rates, payback, levelised cost, loans. Flows are (num_years + 1,) arrays.

A flow at index n is paid at the end of year n, index 0 today; positive is received. Primitives are numpy-financial's.
Formulas have ids, which stand beside every figure that they give.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpp_sim.components.base import FloatArray

#: What every figure of the proforma is, by formula id. F[n]: net cash flow of year n, r: nominal discount rate.
FORMULAS: Final[Mapping[str, str]] = {
    "NPV-1": "NPV = sum over n = 0..N of F[n] / (1 + r)^n; flows at the end of years, capital at n = 0",
    "IRR-1": "IRR = the rate i with sum of F[n] / (1 + i)^n = 0; where F changes sign more than once, all such rates "
    "above -100 % are listed and the one nearest to r is given",
    "MIRR-1": "MIRR = (future value at r of the positive F / - present value at r of the negative F)^(1/N) - 1",
    "PB-1": "simple payback = time from which on the sum of F stays at or above 0, linear within a year; salvage is "
    "left out",
    "PB-2": "discounted payback = the same with F[n] / (1 + r)^n",
    "LCOE-1": "LCOE = discounted life-cycle cost per discounted generation (the definition of IEA/NEA and NREL): "
    "(capital + sum (O&M + replacement - salvage)[n] / (1 + r)^n) / sum G[n] / (1 + r_real)^n of the project's "
    "renewable plants; G = generation after curtailment; in prices of today, before subsidies, tax and financing. Not "
    "ours: annuity over one year's yield (no degradation), cost over undiscounted kWh, and total cost of the site per "
    "kWh of load (that is COE-1)",
    "LCOS-1": "LCOS without charging energy = (capital + sum (O&M + replacement - salvage)[n] / (1 + r)^n) / sum D[n] "
    "/ (1 + r_real)^n of the project's storage; D = energy discharged at the bus. The price spread that storage lives "
    "on must exceed it by the losses",
    "NPC-1": "net present cost = sum of all costs[n] / (1 + r)^n: bill, O&M, capital, replacement, less export, "
    "subsidy and salvage, before tax and financing; NPC(business as usual) - NPC(project) = NPV before tax",
    "COE-1": "cost of energy of the site = net present cost / sum load[n] / (1 + r_real)^n",
    "CRF-1": "annuity of a capital C over n years = C r / (1 - (1 + r)^-n), C/n at r = 0",
    "PI-1": "profitability index = (NPV + capital after subsidy) / capital after subsidy",
    "SCR-1": "screening: year n's money = business as usual + g[n] (uncontrolled with plants - business as usual) "
    "+ s[n] (optimal - uncontrolled with plants), with the shares of capacity left in generation g and storage s; the "
    "cost of the best operation is convex in capacities, so each part shrinks by less than its share",
    "CRS-1": "course: every year dispatched anew with the capacities of its middle",
    "CRS-2": "course, fast: the first, middle and last year between replacements and the years of replacements "
    "dispatched with the capacities of their middle, the others from a parabola through them",
    "WEAR-1": "wear = w L/x C r (1 + r)^-L ln(1 + r) / (1 - (1 + r)^-L)^2: what one more kWh discharged adds to the "
    "annuity of replacing the battery (price C, life L, yearly discharge x, w the weight of cycles in the fade)",
}


def formulas_in(definitions: Iterable[str]) -> list[tuple[str, str]]:
    """The formulas that some definitions name, in brackets, with their text; each once, in order.

    >>> [name for name, _ in formulas_in(["worth [NPV-1, CRS-1]", "a time [PB-1, CRS-1]", "no formula (NPV-1)"])]
    ['NPV-1', 'PB-1', 'CRS-1']
    """
    named = {word for text in definitions for word in re.split("[][, ]+", text.partition("[")[2])}
    return [(name, text) for name, text in FORMULAS.items() if name in named]


def capital_recovery_factor(rate: float, years: float) -> float:
    """Annuity of a capital of 1 (CRF-1).

    >>> round(capital_recovery_factor(0.06, 10), 6), capital_recovery_factor(0.0, 10)
    (0.135868, 0.1)
    """
    return 1 / years if rate == 0 else rate / (1 - (1 + rate) ** -years)


def discount_factors(rate: float, num_years: int) -> FloatArray:
    """(1 + r)^-n for n = 0 to num_years."""
    return np.asarray((1 + rate) ** -np.arange(num_years + 1.0))


def net_present_value(rate: float, flows: FloatArray) -> float:
    """NPV-1.

    >>> round(net_present_value(0.10, np.array([-1000.0, 500.0, 400.0, 300.0])), 2)
    10.52
    """
    import numpy_financial as npf

    return float(npf.npv(rate, flows))


@dataclass(frozen=True)
class InternalRate:
    """IRR-1: the rate (nan where there is none), all rates, and how often the flow changes its sign."""

    rate: float
    all_rates: tuple[float, ...]
    sign_changes: int

    @property
    def words(self) -> str:
        """What must be said beside the rate; empty where it is the only one."""
        if self.sign_changes == 0:
            return "the flow never changes its sign: there is no rate"
        if not self.all_rates:
            return "no rate makes the flow worth nothing"
        if self.sign_changes == 1:
            return ""
        listed = ", ".join(f"{rate:.2%}" for rate in self.all_rates)
        many = f"the flow changes its sign {self.sign_changes} times"
        if len(self.all_rates) == 1:
            return f"{many}, but only one rate solves it"
        return f"{many} and {listed} all solve it: judge by NPV or MIRR"


def internal_rate(flows: FloatArray, near: float = 0.0) -> InternalRate:
    """Internal rate of return, with every other rate that solves the same equation.

    >>> internal_rate(np.array([-100.0, 60.0, 60.0])).rate.__round__(6)
    0.130662
    >>> internal_rate(np.array([-100.0, 230.0, -132.0])).words
    'the flow changes its sign 2 times and 10.00%, 20.00% all solve it: judge by NPV or MIRR'
    """
    import numpy_financial as npf

    signs = np.sign(flows[flows != 0])
    changes = int(np.count_nonzero(np.diff(signs)))
    if changes == 0:
        return InternalRate(float("nan"), (), 0)
    roots = np.polynomial.polynomial.polyroots(np.trim_zeros(flows, "b"))
    real = np.real(roots[(np.abs(np.imag(roots)) < 1e-7 * np.maximum(np.abs(roots), 1.0)) & (np.real(roots) > 1e-6)])
    scale = float(np.abs(flows).sum())
    found = sorted(
        rate
        for rate in (1 / real - 1).tolist()
        if abs(net_present_value(rate, flows)) < 1e-6 * scale * max(1, 1 + rate)
    )
    rates = tuple(rate for i, rate in enumerate(found) if i == 0 or rate - found[i - 1] > 1e-7)
    if not rates:
        return InternalRate(float("nan"), (), changes)
    rate = float(npf.irr(flows)) if len(rates) == 1 else min(rates, key=lambda other: abs(other - near))
    return InternalRate(rate if np.isfinite(rate) else rates[0], rates, changes)


def modified_internal_rate(rate: float, flows: FloatArray) -> float:
    """MIRR-1, financed and reinvested at the same rate; nan without flows of both signs.

    >>> round(modified_internal_rate(0.10, np.array([-1000.0, 500.0, 400.0, 300.0])), 6)
    0.103843
    """
    import numpy_financial as npf

    if not ((flows > 0).any() and (flows < 0).any()):
        return float("nan")
    return float(npf.mirr(flows, rate, rate))


def payback_years(flows: FloatArray) -> float:
    """PB-1: time from which on the sum stays at or above 0; nan where it never does.

    >>> payback_years(np.array([-1000.0, 400.0, 400.0, 400.0])), payback_years(np.array([-1000.0, 400.0]))
    (2.5, nan)

    A replacement in year 3 takes it below once more, so that it is paid back for good in year 4:

    >>> payback_years(np.array([-100.0, 60.0, 60.0, -40.0, 60.0])).__round__(6)
    3.333333
    """
    total = np.cumsum(flows)
    below = np.flatnonzero(total < -1e-9 * max(float(np.abs(flows).sum()), 1.0))
    if below.size == 0:
        return 0.0
    last = int(below[-1])
    if last == len(flows) - 1:
        return float("nan")
    return float(last - total[last] / flows[last + 1])


def levelised_cost(rate: float, real_rate: float, costs: FloatArray, energy_kwh: FloatArray) -> float:
    """LCOE-1, LCOS-1, COE-1: discounted nominal costs per energy discounted at the real rate; nan without energy.

    1,000 today and 50 a year for 300 kWh a year over 10 years at 6 %: (1,000 + 50 x 7.3601) / (300 x 7.3601)

    >>> years = np.r_[0.0, np.ones(10)]
    >>> round(levelised_cost(0.06, 0.06, 50 * years + np.r_[1000.0, np.zeros(10)], 300 * years), 4)
    0.6196
    """
    energy = net_present_value(real_rate, energy_kwh)
    return net_present_value(rate, costs) / energy if energy > 0 else float("nan")


def loan_payments(principal: float, rate: float, years: int, num_years: int) -> tuple[FloatArray, FloatArray]:
    """Interest and repayment of a loan in equal yearly amounts, (num_years + 1,) each; a rest falls due at the end.

    >>> interest, repaid = loan_payments(1000.0, 0.05, 2, 3)
    >>> interest.round(2).tolist(), repaid.round(2).tolist()
    ([0.0, 50.0, 25.61, 0.0], [0.0, 487.8, 512.2, 0.0])
    """
    import numpy_financial as npf

    interest, repaid = np.zeros(num_years + 1), np.zeros(num_years + 1)
    last = min(years, num_years)
    n = np.arange(1, last + 1)
    if rate == 0:
        repaid[1 : last + 1] = principal / years
    else:
        interest[1 : last + 1] = -npf.ipmt(rate, n, years, principal)
        repaid[1 : last + 1] = -npf.ppmt(rate, n, years, principal)
    repaid[last] += principal - repaid.sum()
    return interest, repaid


def written_off(bought: FloatArray, years: int) -> FloatArray:
    """Straight-line depreciation of what was bought at each index, from the year after; what is left goes last.

    >>> written_off(np.array([100.0, 0.0, 0.0, 60.0, 0.0]), 2).tolist()
    [0.0, 50.0, 50.0, 0.0, 60.0]
    """
    num = len(bought)
    yearly = np.zeros(num)
    for year in np.flatnonzero(bought):
        first, last = min(int(year) + 1, num - 1), min(int(year) + years, num - 1)
        yearly[first : last + 1] += bought[year] / years
        yearly[num - 1] += bought[year] * max(1 - (last - first + 1) / years, 0.0)
    return yearly


def tax_paid(profit: FloatArray, rate: float, *, carried_forward: bool) -> FloatArray:
    """Tax of each year's taxable profit; losses wait for later profits, or give tax back at once.

    >>> tax_paid(np.array([0.0, -100.0, 60.0, 100.0]), 0.25, carried_forward=True).tolist()
    [0.0, 0.0, 0.0, 15.0]
    """
    if not carried_forward:
        return profit * rate
    # what was taxed so far is the highest running total of profit, never below 0
    taxed = np.maximum.accumulate(np.maximum(np.cumsum(profit), 0.0))
    return np.diff(taxed, prepend=0.0) * rate

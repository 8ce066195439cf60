"""Demand charge and tiers of a tariff inside the optimisation; the equations stand in `grid.py`."""

from __future__ import annotations

import numpy as np

from vpp_sim.components.base import Block, Capacity, FloatArray
from vpp_sim.lp.builder import GlobalVariable, StepVariable, Term
from vpp_sim.tariffs import (
    AnyDemand,
    ContractedDemand,
    MaxDemand,
    NearbyConsumption,
    Tariff,
    TransformerCapacity,
)
from vpp_sim.time_grid import TimeGrid

QUARTER_HOUR_MINUTES = 15


def has_quarter_hours(grid: TimeGrid) -> bool:
    """Whether steps make up clock quarter-hours, or are longer than one and whole quarter-hours."""
    return QUARTER_HOUR_MINUTES % grid.step_minutes == 0


def _measured(block: Block, bought: StepVariable) -> tuple[StepVariable, FloatArray]:
    """What a demand meter reads: variable and factor (num_steps,) whose product is the mean of a window at its end."""
    grid = block.grid
    if grid.step_minutes >= QUARTER_HOUR_MINUTES or not has_quarter_hours(grid):
        return bought, np.ones(grid.num_steps)
    minute = np.asarray(grid.local.minute, dtype=np.int64) % QUARTER_HOUR_MINUTES
    starts = minute == 0
    starts[0] = True
    window = np.cumsum(starts) - 1
    ends = np.append(starts[1:], True)
    total = block.variables("quarter_hour_sum_kw")
    running: list[Term] = [(total, 1.0), (total.previous, -(~starts).astype(np.float64)), (bought, -1.0)]
    block.constrain("quarter_hour_mean_kw", running, equals=0.0)
    return total, np.where(ends, 1.0 / np.bincount(window)[window], 0.0)


def add_demand_charge(block: Block, rule: AnyDemand, bought: StepVariable, contracted: Capacity | None = None) -> None:
    """What a rule with the numbers of the site charges for power; `contracted` [kW] is a declared demand to choose."""
    grid = block.grid
    shares = grid.month_shares
    if isinstance(rule, NearbyConsumption):
        fee = rule.transmission_price_per_kwh * rule.average_load_factor * rule.hours_per_month
        block.add_cost(fee * (rule.connected_kva or 0.0) * float(shares.sum()))
        add_demand_charge(block, rule.basic, bought, contracted)
    elif isinstance(rule, TransformerCapacity):
        block.add_cost((rule.transformer_kva or 0.0) * rule.price_per_kva_month * float(shares.sum()))
    elif isinstance(rule, MaxDemand):
        reading, factor = _measured(block, bought)
        price = rule.price_per_kw_month * shares
        if rule.ratchet is None:
            peak = block.global_variables("peak_kw", grid.num_months, lower=rule.least_kw, cost=price)
        else:
            peak = block.global_variables("peak_kw", grid.num_months)
            _add_ratchet(block, rule, peak, price)
        block.constrain("peak_limit_kw", [(peak.at(grid.month), 1.0), (reading, -factor)], lower=0.0)
    elif isinstance(rule, ContractedDemand):
        declared = block.capacity("contracted_kw", (rule.contracted_kw or 0.0) if contracted is None else contracted)
        charge = rule.price_per_kw_month * float(shares.sum())
        reading, factor = _measured(block, bought)
        price = rule.price_per_kw_month * rule.excess_factor * shares
        excess = block.global_variables("excess_kw", grid.num_months, cost=price)
        above: list[Term] = [(excess.at(grid.month), 1.0), (reading, -factor)]
        if isinstance(declared, GlobalVariable):
            billed = block.global_variables("contracted_billed_kw", cost=charge)
            block.constrain_total("contracted_billed_kw_limit", [(billed, 1.0), (declared, -1.0)], lower=0.0)
            block.constrain("excess_limit_kw", [*above, (declared, 1 + rule.tolerance)], lower=0.0)
            if rule.least_kw > 0:
                block.constrain_total("contracted_least_kw", [(declared, 1.0)], lower=rule.least_kw)
        else:
            block.add_cost(declared * charge)
            block.constrain("excess_limit_kw", above, lower=-declared * (1 + rule.tolerance))


def _add_ratchet(block: Block, rule: MaxDemand, peak: GlobalVariable, price: FloatArray) -> None:
    """What is billed: the month's own peak, and a share of each peak before it."""
    if rule.ratchet is None:
        return
    billed = block.global_variables("billed_kw", block.grid.num_months, lower=rule.least_kw, cost=price)
    for month in range(block.grid.num_months):
        for earlier in range(max(0, month - rule.ratchet.months), month + 1):
            share = 1.0 if earlier == month else rule.ratchet.share
            terms: list[Term] = [(billed.at(month), 1.0), (peak.at(earlier), -share)]
            block.constrain_total(f"billed_limit_kw_{month}_{earlier}", terms, lower=0.0)


def add_tiers(block: Block, tariff: Tariff, bought: StepVariable) -> None:
    """Energy above each threshold pays the rise of the adder there; a threshold of 0 is part of the price."""
    grid = block.grid
    before = 0.0
    for number, tier in enumerate(tariff.tiers):
        rise, before = tier.adder_per_kwh - before, tier.adder_per_kwh
        if tier.above_kwh == 0.0:
            continue
        above = block.global_variables(f"tier_{number}_kwh", grid.num_months, cost=rise)
        for month in range(grid.num_months):
            hours = np.where(grid.month == month, grid.step_hours, 0.0)
            terms: list[Term] = [(above.at(month), 1.0), (bought, -hours)]
            threshold = tier.above_kwh * float(grid.month_shares[month])
            block.constrain_total(f"tier_{number}_limit_kwh_{month}", terms, lower=-threshold)

"""Scenario -> LinearProgram: every component writes its block, the bus writes the balance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vpp_sim.components.base import Block, Bus, FloatArray, Inputs
from vpp_sim.dispatch.targets import add_targets, shortfall_name
from vpp_sim.lp import LinearProgram, ProgramBuilder
from vpp_sim.scenario import Scenario

#: The row block whose dual is the marginal price of the bus.
BALANCE = "bus.balance_kw"


def build_program(scenario: Scenario, inputs: Mapping[str, Inputs], *, elastic: bool = False) -> LinearProgram:
    """The program of a scenario from the inputs of its components.

    With `elastic` the bus may also be short or over by any power, at a price of 1 per kWh and nothing else in the
    objective: the optimum is then the least energy by which the site falls short, and where.
    """
    builder = ProgramBuilder(scenario.grid.num_steps)
    bus = Bus(builder, scenario.grid, scenario.economics.discount_rate)
    context = scenario.context()
    for name, component in scenario.components.items():
        component.add_to(Block(name, bus, context, inputs[name]))
    if not elastic:
        bus.close()
        add_targets(bus, scenario.targets)
        return builder.freeze()
    block = Block("bus", bus, context, Inputs())
    block.inject(block.variables("shortfall_kw"), +1)
    block.inject(block.variables("surplus_kw"), -1)
    bus.close()
    program = builder.freeze()
    cost = np.zeros(program.num_columns)
    for name in ("bus.shortfall_kw", "bus.surplus_kw"):
        cost[program.columns(name)] = scenario.grid.step_hours
    return program.with_numbers(cost=cost)


def build_target_search(scenario: Scenario, inputs: Mapping[str, Inputs]) -> LinearProgram:
    """The program in which every target may be missed at a price of 1 per unit and nothing else costs anything."""
    builder = ProgramBuilder(scenario.grid.num_steps)
    bus = Bus(builder, scenario.grid, scenario.economics.discount_rate)
    context = scenario.context()
    for name, component in scenario.components.items():
        component.add_to(Block(name, bus, context, inputs[name]))
    bus.close()
    add_targets(bus, scenario.targets, all_at_price=1.0)
    program = builder.freeze()
    cost = np.zeros(program.num_columns)
    for name in scenario.targets:
        cost[program.columns(shortfall_name(name))] = 1.0
    return program.with_numbers(cost=cost)


def marginal_price_per_kwh(scenario: Scenario, program: LinearProgram, row_dual: FloatArray) -> FloatArray:
    """What one more kWh of use costs in each step, (num_steps,): the balance's dual per step length."""
    return np.asarray(row_dual[program.rows(BALANCE)] / scenario.grid.step_hours, dtype=np.float64)

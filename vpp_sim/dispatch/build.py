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
#: Variables of the bus by which a search lets it be short or over.
SHORTFALL, SURPLUS = "shortfall_kw", "surplus_kw"
#: Mean prices of energy beside which the prices of ties need no scale [currency/kWh].
USUAL_PRICES = (0.02, 5.0)
#: Price of a kW of the largest shortfall in a search for the least energy [kWh/kW].
TIE_BREAK = 1e-3


def build_program(scenario: Scenario, inputs: Mapping[str, Inputs], *, tie_factor: float = 1.0) -> LinearProgram:
    """The program of a scenario from the inputs of its components; `tie_factor` multiplies the prices of ties."""
    bus = _filled_bus(scenario, inputs, tie_factor)
    bus.close()
    add_targets(bus, scenario.targets)
    return bus.builder.freeze()


def build_bus_search(scenario: Scenario, inputs: Mapping[str, Inputs]) -> LinearProgram:
    """The program without targets in which the bus may be short or over by any power, and nothing else costs anything.

    The optimum is the least energy by which the site falls short or over, and among these the least power.
    """
    bus = _filled_bus(scenario, inputs)
    block = Block("bus", bus, scenario.context(), Inputs())
    costs: dict[str, float] = {}
    for name, sign in ((SHORTFALL, +1), (SURPLUS, -1)):
        power = block.variables(name)
        largest = block.global_variables(f"largest_{name}")
        block.inject(power, sign)
        block.constrain(f"{name}_limit", [(power, 1.0), (largest, -1.0)], upper=0.0)
        costs |= {f"bus.{name}": scenario.grid.step_hours, f"bus.largest_{name}": TIE_BREAK}
    bus.close()
    return _costing_only(bus.builder.freeze(), costs)


def build_target_search(scenario: Scenario, inputs: Mapping[str, Inputs]) -> LinearProgram:
    """The program in which every target may be missed, the hard ones at 1 per unit, and nothing else costs anything."""
    bus = _filled_bus(scenario, inputs)
    bus.close()
    add_targets(bus, scenario.targets, all_at_price=1.0)
    program = bus.builder.freeze()
    known = {block.name for block in program.global_blocks}
    hard = [shortfall_name(name) for name, target in scenario.targets.items() if target.is_hard]
    return _costing_only(program, {name: 1.0 for name in hard if name in known})


def tie_scale(scenario: Scenario, inputs: Mapping[str, Inputs]) -> float:
    """What prices of ties are multiplied by, so that they are small beside the site's own; 1 where these are usual."""
    known = (component.price_level(inputs[name]) for name, component in scenario.components.items())
    level = max((each for each in known if each is not None), default=0.0)
    low, high = USUAL_PRICES
    return 1.0 if level <= 0.0 else level / min(max(level, low), high)


def _filled_bus(scenario: Scenario, inputs: Mapping[str, Inputs], tie_factor: float = 1.0) -> Bus:
    """The bus with the blocks of all components, not yet balanced."""
    scale = tie_scale(scenario, inputs) * tie_factor
    builder = ProgramBuilder(scenario.grid.num_steps)
    bus = Bus(builder, scenario.grid, scenario.economics.discount_rate, tie_scale=scale)
    context = scenario.context()
    for name, component in scenario.components.items():
        component.add_to(Block(name, bus, context, inputs[name]))
    return bus


def _costing_only(program: LinearProgram, costs: Mapping[str, float]) -> LinearProgram:
    """The program in which only these variables cost anything."""
    cost = np.zeros(program.num_columns)
    for name, price in costs.items():
        cost[program.columns(name)] = price
    return program.with_numbers(cost=cost)


def marginal_price_per_kwh(scenario: Scenario, program: LinearProgram, row_dual: FloatArray) -> FloatArray:
    """What one more kWh of use costs in each step, (num_steps,): the balance's dual per step length."""
    return np.asarray(row_dual[program.rows(BALANCE)] / scenario.grid.step_hours, dtype=np.float64)

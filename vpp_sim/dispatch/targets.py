"""Targets as rows of the program, from the roles that components have declared.

Sums over the horizon, with g renewable generation, a what was available of it, i import, x export, o other supply and
L the load (what is used; of charging with V2G the part that does not come back):

    onsite_renewable_share   sum(L - i)      >= bound * sum(L)
    own_use_of_available     sum(g - x)      >= bound * sum(a)
    own_use_of_load          sum(g - x)      >= bound * sum(g + o + i - x)      (load and storage losses)
    export_of_available      sum(x)          <= bound * sum(a)
    hourly_matching          sum(L) - sum over hours of u   >= bound * sum(L),   u >= i - x of the hour,  u >= 0
    emissions_*              sum(i * factor) <= bound
    park_intensity           sum(i * factor) <= bound * sum(L) * 0.1229 kgce/kWh
    pue                      sum(energy of the data centre) <= bound * sum(energy of its IT)
    ev_valley_share          sum(charging in valley hours) >= bound * sum(charging)
    import                   sum(i)          <= bound
    peak_import              i[t]            <= bound   in every step

From `emissions_*` on, the rows are exactly the KPIs of the same name. The ledger's shares follow the origin of stored
energy, which is not linear; the first five rows take all stored energy as renewable, but charge the site for every
imported kWh when it is imported, and take all export as renewable. So they are **exact where storage holds renewable
energy alone, and otherwise on the safe side**: where stored energy ends as it began, the ledger's share is never worse
than the row's (the ledger spares the site the losses of grid energy in storage). Hourly matching on steps shorter than
an hour nets import against export within the hour, as its KPI does; there the safe side is proved only for storage that
is charged from renewable energy.

A soft target has a variable `targets.NAME_shortfall` (kWh, kg or kW) that mends its row at the target's price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from vpp_sim.components.base import Bus, FloatArray
from vpp_sim.errors import Fault, InputError
from vpp_sim.lp import GlobalVariable, LinearProgram, Solution
from vpp_sim.lp.builder import Term
from vpp_sim.scenario.targets import Measure, Target
from vpp_sim.units import KGCE_PER_KWH, MINUTES_PER_HOUR

LOAD = {"use": 1.0}
LOAD_AND_LOSSES = {"renewable": 1.0, "other_supply": 1.0, "import": 1.0, "export": -1.0}
OWN_USE = {"renewable": 1.0, "export": -1.0}

#: Measures whose row keeps to the safe side of the KPI wherever storage holds energy from the grid.
SAFE_SIDE: tuple[Measure, ...] = (
    "onsite_renewable_share",
    "own_use_of_available",
    "own_use_of_load",
    "export_of_available",
    "hourly_matching",
)


def add_targets(bus: Bus, targets: Mapping[str, Target], *, all_at_price: float | None = None) -> None:
    """Write the rows of every target, once all components have written theirs.

    With `all_at_price` every target is soft at that price, to find by how much the hard ones cannot be met.
    """
    for name, target in targets.items():
        price = target.price if all_at_price is None else all_at_price
        shortfall = None
        if price is not None:
            shortfall = bus.builder.global_variables(shortfall_name(name), cost=price)
        _add_target(bus, row_name(name), target, shortfall)


def row_name(name: str) -> str:
    """The row or rows of a target."""
    return f"targets.{name}"


def shortfall_name(name: str) -> str:
    """The variable of a soft target by which it may be missed."""
    return f"targets.{name}_shortfall"


def _add_target(bus: Bus, row: str, target: Target, shortfall: GlobalVariable | None) -> None:
    """`margin + shortfall >= 0`, or that for the import of every step."""
    mend: list[Term] = [] if shortfall is None else [(shortfall, 1.0)]
    if target.measure == "peak_import":
        over: list[Term] = [(variable, -factor) for variable, factor in bus.terms("import")]
        if over:
            bus.builder.constrain(row, [*over, *mend], lower=-target.bound)
        return
    margin, fixed = _margin(bus, row, target)
    if margin:
        bus.builder.constrain_total(row, [*margin, *mend], lower=-fixed)


def _margin(bus: Bus, row: str, target: Target) -> tuple[list[Term], float]:
    """By how much the horizon is on the right side of a target, as terms and a fixed part [kWh or kg]."""
    bound = target.bound
    match target.limited:
        case "onsite_renewable_share":
            return _weighted(bus, (LOAD, 1.0 - bound), ({"import": 1.0}, -1.0))
        case "own_use_of_available":
            return _weighted(bus, (OWN_USE, 1.0), ({"available": 1.0}, -bound))
        case "own_use_of_load":
            return _weighted(bus, (OWN_USE, 1.0), (LOAD_AND_LOSSES, -bound))
        case "export_of_available":
            return _weighted(bus, ({"available": 1.0}, bound), ({"export": 1.0}, -1.0))
        case "hourly_matching":
            load, fixed = _weighted(bus, (LOAD, 1.0 - bound))
            return [*load, _unmatched(bus, row)], fixed
        case "park_intensity":
            return _weighted(bus, (LOAD, bound * KGCE_PER_KWH), ({"emissions_park": 1.0}, -1.0))
        case "pue":
            _needs(bus, row, "it", "the site has no data centre")
            return _weighted(bus, ({"it": 1.0}, bound), ({"facility": 1.0}, -1.0))
        case "ev_valley_share":
            _needs(bus, row, "ev_charge", "no vehicles are charged, or the tariff has no period called valley")
            return _weighted(bus, ({"ev_valley_charge": 1.0}, 1.0), ({"ev_charge": 1.0}, -bound))
        case measure:
            terms, fixed = _weighted(bus, ({measure: 1.0}, -1.0))
            return terms, fixed + bound


def _needs(bus: Bus, row: str, role: str, otherwise: str) -> None:
    """A target on what the site does not have is refused; it would be met by nothing."""
    terms, fixed = bus.total(role)
    if not terms and fixed == 0.0:
        raise InputError(Fault(f"cannot be held: {otherwise}; take the target out", path=row))


def _weighted(bus: Bus, *sums: tuple[Mapping[str, float], float]) -> tuple[list[Term], float]:
    """Weighted sums of roles over the horizon, one term per variable, and what is fixed of them."""
    weights: dict[str, float] = {}
    for roles, weight in sums:
        for role, sign in roles.items():
            weights[role] = weights.get(role, 0.0) + sign * weight
    terms: list[Term] = []
    fixed = 0.0
    for role, weight in weights.items():
        own, constant = bus.total(role)
        terms += [(variable, weight * bus.grid.step_hours * factor) for variable, factor in own]
        fixed += weight * bus.grid.step_hours * constant
    return terms, fixed


def _unmatched(bus: Bus, row: str) -> Term:
    """The term of what no renewable energy of the same hour meets [-kWh]: at least import less export of the hour."""
    grid, builder = bus.grid, bus.builder
    net: list[Term] = [(variable, -factor) for variable, factor in bus.terms("import")]
    net += bus.terms("export")
    unmatched = builder.variables(f"{row}_unmatched_kw")
    last = np.ones(grid.num_steps)
    if grid.step_minutes < MINUTES_PER_HOUR:
        first, last = hour_edges(grid.num_steps, grid.step_minutes)
        running = builder.variables(f"{row}_net_import_kw", lower=-np.inf)
        summed: list[Term] = [(running, 1.0), (running.previous, first - 1.0), *net]
        builder.constrain(f"{row}_hour_sum", summed, equals=0.0)
        net = [(running, -last)]
    builder.constrain(f"{row}_unmatched", [(unmatched, 1.0), *net], lower=0.0)
    return unmatched, -grid.step_hours * last


def hour_edges(num_steps: int, step_minutes: int) -> tuple[FloatArray, FloatArray]:
    """1 in the first and in the last step of every hour from the start of the horizon, else 0.

    >>> [edge.tolist() for edge in hour_edges(5, 30)]
    [[1.0, 0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0, 1.0]]
    """
    per_hour = MINUTES_PER_HOUR // step_minutes
    step = np.arange(num_steps)
    first = step % per_hour == 0
    last = (step % per_hour == per_hour - 1) | (step == num_steps - 1)
    return first.astype(np.float64), last.astype(np.float64)


def target_duals(targets: Iterable[str], program: LinearProgram, solution: Solution) -> dict[str, float]:
    """By target: what the optimum would save if the target could be missed by one more kWh, kg or kW; >= 0."""
    if solution.row_dual is None:
        return {}
    known = {block.name for block in program.row_blocks} | {row.name for row in program.total_rows}
    named = ((name, row_name(name)) for name in targets)
    return {name: float(solution.row_dual[program.rows(row)].sum()) for name, row in named if row in known}

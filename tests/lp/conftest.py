"""Small linear programs with known answers, and the backends that all have to find them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from vpp_sim.lp import LinearProgram, ProgramBuilder, Solution, SolveOptions, SolveStatus, solve


@dataclass(frozen=True)
class KnownProgram:
    """A program and what is known of its solution; `primal` and `row_dual` by name, where they are unique."""

    program: LinearProgram
    status: SolveStatus = SolveStatus.OPTIMAL
    objective: float = np.nan
    primal: dict[str, list[float]] = field(default_factory=dict)
    row_dual: dict[str, list[float]] = field(default_factory=dict)


def arbitrage() -> KnownProgram:
    """A store of 1 kWh that charges at 90 %, prices 1, 4, 2, 5, load 2 kW.

    It charges fully in both cheap hours. Of the first 0.9 kWh, 0.1 is kept for the last hour, which fills the store
    to its brim in between; another kWh in the first three hours is worth 4, in the last 5.
    """
    builder = ProgramBuilder(4)
    charge = builder.variables("charge", upper=1.0)
    discharge = builder.variables("discharge", upper=2.0)
    energy = builder.variables("energy", upper=1.0)
    bought = builder.variables("bought", cost=[1.0, 4.0, 2.0, 5.0])
    builder.constrain("balance", [(bought, 1.0), (discharge, 1.0), (charge, -1.0)], equals=2.0)
    builder.constrain(
        "store", [(energy, 1.0), (energy.previous, -1.0), (charge, -0.9), (discharge, np.ones(4))], equals=0.0
    )
    return KnownProgram(
        builder.freeze(),
        objective=18.8,
        primal={
            "charge": [1, 0, 1, 0],
            "discharge": [0, 0.8, 0, 1],
            "energy": [0.9, 0.1, 1, 0],
            "bought": [3, 1.2, 3, 1],
        },
        row_dual={"balance": [1, 4, 2, 5], "store": [-4, -4, -4, -5]},
    )


def cyclic_store() -> KnownProgram:
    """A lossless store whose level before the first step is chosen and must come back: buys 2 at price 1, 0 at 3."""
    builder = ProgramBuilder(2)
    charge = builder.variables("charge", upper=1.0)
    discharge = builder.variables("discharge", upper=1.0)
    energy = builder.variables("energy", upper=2.0)
    start = builder.global_variables("start", upper=2.0)
    bought = builder.variables("bought", cost=[1.0, 3.0])
    builder.constrain("balance", [(bought, 1.0), (discharge, 1.0), (charge, -1.0)], equals=1.0)
    builder.constrain(
        "store",
        [(energy, 1.0), (energy.previous, -1.0), (start, [-1.0, 0.0]), (charge, -1.0), (discharge, 1.0)],
        equals=0.0,
    )
    builder.constrain_total("cycle", [(energy, [0.0, 1.0]), (start, -1.0)], equals=0.0)
    return KnownProgram(builder.freeze(), objective=2.0, primal={"bought": [2, 0], "charge": [1, 0]})


def transport() -> KnownProgram:
    """Two plants, three markets (the steps); plant a is cheaper but gives only 30, and 1 more would save 3."""
    builder = ProgramBuilder(3)
    a = builder.variables("a", cost=[8.0, 6.0, 10.0])
    b = builder.variables("b", cost=[9.0, 12.0, 13.0])
    builder.constrain("demand", [(a, 1.0), (b, 1.0)], lower=[10.0, 25.0, 15.0])
    builder.constrain_total("supply_a", [(a, 1.0)], upper=30.0)
    builder.constrain_total("supply_b", [(b, 1.0)], upper=30.0)
    return KnownProgram(
        builder.freeze(),
        objective=420.0,
        primal={"a": [0, 25, 5], "b": [10, 0, 10]},
        row_dual={"demand": [9, 9, 13], "supply_a": [-3], "supply_b": [0]},
    )


def demand_charge() -> KnownProgram:
    """Two months of two steps with a peak price each (10 and 6), and at most 13 bought in all: 1 must be shed.

    Shedding costs 20. In step 1 it also saves 1 of energy and 10 of the peak, so it happens there.
    """
    builder = ProgramBuilder(4)
    bought = builder.variables("bought", cost=1.0)
    shed = builder.variables("shed", cost=20.0)
    peak = builder.global_variables("peak", 2, cost=[10.0, 6.0])
    builder.constrain("balance", [(bought, 1.0), (shed, 1.0)], equals=[3.0, 5.0, 2.0, 4.0])
    builder.constrain("below_peak", [(peak.at(np.array([0, 0, 1, 1])), 1.0), (bought, -1.0)], lower=0.0)
    builder.constrain_total("quota", [(bought, 1.0)], upper=13.0)
    return KnownProgram(
        builder.freeze(),
        objective=97.0,
        primal={"bought": [3, 4, 2, 4], "shed": [0, 1, 0, 0], "peak": [4, 4]},
        row_dual={"balance": [10, 20, 10, 16], "below_peak": [0, 10, 0, 6], "quota": [-9]},
    )


def degenerate() -> KnownProgram:
    """Every point of x + y = 2 is optimal, and a second row touches one of them: neither point nor duals are unique."""
    builder = ProgramBuilder(3)
    x = builder.variables("x", cost=1.0)
    y = builder.variables("y", cost=1.0)
    builder.constrain("both", [(x, 1.0), (y, 1.0)], lower=2.0)
    builder.constrain("twice", [(x, 2.0), (y, 2.0)], lower=4.0)
    builder.constrain("lean", [(x, 1.0), (y, 2.0)], lower=2.0)
    return KnownProgram(builder.freeze(), objective=6.0)


def fixed() -> KnownProgram:
    """x is fixed at 3, y makes up the rest to 5; the objective has a constant of 1000."""
    builder = ProgramBuilder(2)
    builder.cost_offset = 1000.0
    x = builder.variables("x", lower=3.0, upper=3.0, cost=2.0)
    y = builder.variables("y", cost=1.0)
    builder.constrain("sum", [(x, 1.0), (y, 1.0)], equals=5.0)
    return KnownProgram(builder.freeze(), objective=1016.0, primal={"x": [3, 3], "y": [2, 2]}, row_dual={"sum": [1, 1]})


def free() -> KnownProgram:
    """min 2a + b with a >= 3 - x, b >= x + 1 and x free: best at x = 3."""
    builder = ProgramBuilder(2)
    x = builder.variables("x", lower=-np.inf)
    a = builder.variables("a", cost=2.0)
    b = builder.variables("b", cost=1.0)
    builder.constrain("above", [(x, 1.0), (a, 1.0)], lower=3.0)
    builder.constrain("below", [(x, 1.0), (b, -1.0)], upper=-1.0)
    return KnownProgram(
        builder.freeze(),
        objective=8.0,
        primal={"x": [3, 3], "a": [0, 0], "b": [4, 4]},
        row_dual={"above": [1, 1], "below": [-1, -1]},
    )


def ranges() -> KnownProgram:
    """2 <= x + y <= 6 binds below in step 0 (x costs 1) and above in step 1 (x earns 1); one row is without bounds."""
    builder = ProgramBuilder(2)
    x = builder.variables("x", cost=[1.0, -1.0])
    y = builder.variables("y", upper=1.0)
    builder.constrain("nothing_asked", [(x, 1.0), (y, -3.0)])
    builder.constrain("range", [(x, 1.0), (y, 1.0)], lower=2.0, upper=6.0)
    return KnownProgram(
        builder.freeze(),
        objective=-5.0,
        primal={"x": [1, 6], "y": [1, 0]},
        row_dual={"nothing_asked": [0, 0], "range": [1, -1]},
    )


def negative_bounds() -> KnownProgram:
    """x in [-5, -2], z in (-inf, 4] and w in [-1, inf): x + z >= -1 with x at 3 and z at 1 a piece, w at 7."""
    builder = ProgramBuilder(2)
    x = builder.variables("x", lower=-5.0, upper=-2.0, cost=3.0)
    z = builder.variables("z", lower=-np.inf, upper=4.0, cost=1.0)
    builder.variables("w", lower=-1.0, cost=7.0)
    builder.constrain("sum", [(x, 1.0), (z, 1.0)], lower=-1.0)
    return KnownProgram(
        builder.freeze(),
        objective=-36.0,
        primal={"x": [-5, -5], "z": [4, 4], "w": [-1, -1]},
    )


def zero_columns() -> KnownProgram:
    """Variables in no row, with and without cost, and rows without terms that ask for nothing impossible."""
    builder = ProgramBuilder(2)
    builder.variables("idle", lower=2.0, upper=5.0)
    builder.variables("idle_below", upper=-2.0, lower=-5.0)
    builder.variables("idle_free", lower=-np.inf)
    builder.variables("priced", lower=1.0, cost=3.0)
    builder.global_variables("paid", upper=4.0, cost=-2.0)
    x = builder.variables("x", cost=1.0)
    builder.constrain("row", [(x, 1.0)], lower=1.0)
    builder.constrain("empty", [], lower=-1.0, upper=1.0)
    builder.constrain("cancelled", [(x, 1.0), (x, -1.0)], upper=0.0)
    return KnownProgram(
        builder.freeze(),
        objective=0.0,
        primal={"priced": [1, 1], "paid": [4], "x": [1, 1]},
        row_dual={"row": [1, 1], "empty": [0, 0]},
    )


def no_rows() -> KnownProgram:
    """Only bounds."""
    builder = ProgramBuilder(2)
    builder.variables("x", lower=2.0, cost=[1.0, 2.0])
    return KnownProgram(builder.freeze(), objective=6.0, primal={"x": [2, 2]})


def large_numbers() -> KnownProgram:
    """The transport in other units: amounts x 1e5, costs x 1e-3."""
    known = transport()
    program = known.program
    scaled = program.with_numbers(
        cost=program.cost * 1e-3, row_lower=program.row_lower * 1e5, row_upper=program.row_upper * 1e5
    )
    return KnownProgram(
        scaled,
        objective=420.0 * 1e2,
        primal={name: [value * 1e5 for value in values] for name, values in known.primal.items()},
        row_dual={name: [value * 1e-3 for value in values] for name, values in known.row_dual.items()},
    )


def infeasible() -> KnownProgram:
    """x + y >= 4 with x <= 2, y <= 1."""
    builder = ProgramBuilder(3)
    x = builder.variables("x", upper=2.0, cost=1.0)
    y = builder.variables("y", upper=1.0)
    builder.constrain("row", [(x, 1.0), (y, 1.0)], lower=4.0)
    return KnownProgram(builder.freeze(), SolveStatus.INFEASIBLE)


def infeasible_along_the_chain() -> KnownProgram:
    """No bound is broken by a single row: the level must rise by 1 each step, and may not pass 2 in all."""
    builder = ProgramBuilder(4)
    level = builder.variables("level", cost=-1.0)
    builder.constrain("rise", [(level, 1.0), (level.previous, -1.0)], lower=1.0)
    builder.constrain_total("cap", [(level, 1.0)], upper=2.0)
    return KnownProgram(builder.freeze(), SolveStatus.INFEASIBLE)


def infeasible_bounds() -> KnownProgram:
    """A variable's lower bound lies above its upper one."""
    builder = ProgramBuilder(1)
    x = builder.variables("x", lower=2.0, upper=1.0, cost=1.0)
    builder.constrain("row", [(x, 1.0)], lower=0.0)
    return KnownProgram(builder.freeze(), SolveStatus.INFEASIBLE)


def infeasible_empty_row() -> KnownProgram:
    """A row without terms asks for 1."""
    builder = ProgramBuilder(2)
    x = builder.variables("x", lower=2.0, cost=1.0)
    builder.constrain("row", [(x, 0.0)], lower=1.0)
    return KnownProgram(builder.freeze(), SolveStatus.INFEASIBLE)


def infeasible_without_variables() -> KnownProgram:
    """No variables at all, and a row that asks for 2."""
    builder = ProgramBuilder(2)
    builder.constrain("row", [], lower=2.0)
    return KnownProgram(builder.freeze(), SolveStatus.INFEASIBLE)


def infeasible_and_unbounded() -> KnownProgram:
    """The objective would fall without end if there were a feasible point."""
    builder = ProgramBuilder(2)
    x = builder.variables("x", cost=-1.0)
    y = builder.variables("y", upper=1.0)
    builder.constrain("row", [(x, 1.0), (y, 1.0)], lower=0.0)
    builder.constrain("impossible", [(y, 1.0)], lower=2.0)
    return KnownProgram(builder.freeze(), SolveStatus.INFEASIBLE)


def unbounded() -> KnownProgram:
    """x earns without limit, as far as y follows."""
    builder = ProgramBuilder(3)
    x = builder.variables("x", cost=-1.0)
    y = builder.variables("y")
    builder.constrain("row", [(x, 1.0), (y, -1.0)], equals=0.0)
    return KnownProgram(builder.freeze(), SolveStatus.UNBOUNDED)


def unbounded_along_the_chain() -> KnownProgram:
    """Unbounded, in a form that an interior method without presolve cannot tell from infeasible."""
    builder = ProgramBuilder(3)
    x = builder.variables("x", cost=-1.0)
    y = builder.variables("y")
    z = builder.variables("z", lower=-np.inf)
    builder.constrain("row", [(x, 1.0), (x.previous, -0.5), (y, -1.0)], equals=0.0)
    builder.constrain("other", [(x, 1.0), (x.previous, -0.5), (y, -3.0), (z, 1.0)], lower=1.0)
    return KnownProgram(builder.freeze(), SolveStatus.UNBOUNDED)


KNOWN = (
    arbitrage,
    cyclic_store,
    transport,
    demand_charge,
    degenerate,
    fixed,
    free,
    ranges,
    negative_bounds,
    zero_columns,
    no_rows,
    large_numbers,
    infeasible,
    infeasible_along_the_chain,
    infeasible_bounds,
    infeasible_empty_row,
    infeasible_without_variables,
    infeasible_and_unbounded,
    unbounded,
    unbounded_along_the_chain,
)


@dataclass(frozen=True)
class Backend:
    """A solver and algorithm; `digits` is how well a point and duals that it finds agree with exact ones."""

    solver: str
    algorithm: str | None = None
    digits: float = 1e-6

    def __call__(self, program: LinearProgram, **options: object) -> Solution:
        return solve(program, self.solver, SolveOptions(algorithm=self.algorithm, **options))

    def __str__(self) -> str:
        return self.solver if self.algorithm is None else f"{self.solver}-{self.algorithm}"


# Another backend becomes one line here, and then has to pass everything in this folder.
BACKENDS = (
    Backend("highs", "choose"),
    Backend("highs", "simplex"),
    Backend("highs", "ipm"),
    Backend("highs", "ipm_without_crossover", digits=1e-4),
    Backend("highs", "pdlp", digits=1e-4),
    Backend("pulp:CBC"),
    Backend("pulp:HiGHS"),
)


@pytest.fixture(params=KNOWN, ids=lambda make: make.__name__)
def known(request: pytest.FixtureRequest) -> KnownProgram:
    return request.param()


@pytest.fixture
def known_by_name() -> Callable[[str], KnownProgram]:
    """One of the known programs, by its name."""
    by_name = {make.__name__: make for make in KNOWN}
    return lambda name: by_name[name]()


@pytest.fixture(params=BACKENDS, ids=str)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param


@pytest.fixture
def long_arbitrage() -> Callable[[int, int], LinearProgram]:
    """A store against random prices and loads over many steps, with a peak price: (num_steps, seed) -> program."""

    def make(num_steps: int, seed: int) -> LinearProgram:
        rng = np.random.default_rng(seed)
        builder = ProgramBuilder(num_steps)
        builder.cost_offset = 12.5
        charge = builder.variables("store.charge_kw", upper=10.0)
        discharge = builder.variables("store.discharge_kw", upper=10.0, cost=0.01)
        energy = builder.variables("store.energy_kwh", lower=2.0, upper=40.0)
        start = builder.global_variables("store.start_kwh", upper=40.0)
        bought = builder.variables("grid.import_kw", cost=rng.uniform(-0.1, 1.0, num_steps))
        sold = builder.variables("grid.export_kw", upper=5.0, cost=-0.2)
        peak = builder.global_variables("grid.peak_kw", cost=3.0)
        first = np.zeros(num_steps)
        first[0] = -1.0
        last = np.zeros(num_steps)
        last[-1] = 1.0
        builder.constrain(
            "store.balance",
            [(energy, 1.0), (energy.previous, -0.999), (start, first), (charge, -0.95), (discharge, 1.0 / 0.95)],
            equals=0.0,
        )
        builder.constrain_total("store.cycle", [(energy, last), (start, -1.0)], equals=0.0)
        builder.constrain("grid.below_peak", [(peak, 1.0), (bought, -1.0)], lower=0.0)
        builder.constrain(
            "bus",
            [(bought, 1.0), (sold, -1.0), (discharge, 1.0), (charge, -1.0)],
            equals=rng.uniform(0.0, 20.0, num_steps),
        )
        builder.constrain("ramp", [(bought, 1.0), (bought.previous, -1.0)], lower=-15.0, upper=15.0)
        return builder.freeze()

    return make


@pytest.fixture
def random_program() -> Callable[[int], LinearProgram]:
    """Small programs with every kind of bound, feasible or not, by seed."""

    def make(seed: int) -> LinearProgram:
        rng = np.random.default_rng(seed)
        num_steps = int(rng.integers(1, 5))

        def bounds(shape: int, width: float) -> tuple[np.ndarray, np.ndarray]:
            low = np.round(rng.normal(0.0, 4.0, shape), 2)
            high = low + np.round(rng.uniform(0.0, width, shape), 2)
            kind = rng.integers(0, 6, shape)
            low = np.where((kind == 0) | (kind == 1), -np.inf, low)
            high = np.where((kind == 1) | (kind == 2), np.inf, np.where(kind == 3, low, high))
            return low, high

        builder = ProgramBuilder(num_steps)
        builder.cost_offset = float(rng.normal())
        variables = []
        for index in range(int(rng.integers(1, 5))):
            low, high = bounds(num_steps, 8.0)
            cost = np.where(np.isinf(low), -1.0, 1.0) * np.round(np.abs(rng.normal(0.0, 2.0, num_steps)), 2)
            cost = np.where(np.isinf(low) & np.isinf(high), 0.0, cost)
            variables.append(builder.variables(f"x{index}", lower=low, upper=high, cost=cost))
        size = builder.global_variables("size", lower=-3.0, upper=9.0, cost=float(np.round(rng.normal(), 2)))
        for index in range(int(rng.integers(1, 4))):
            low, high = bounds(num_steps, 12.0)
            terms = [(x, np.round(rng.normal(0.0, 2.0, num_steps), 1)) for x in variables if rng.random() < 0.8]
            terms += [(x.previous, float(np.round(rng.normal(), 1))) for x in variables if rng.random() < 0.4]
            terms.append((size, float(np.round(rng.normal(), 1))))
            builder.constrain(f"row{index}", terms, lower=low, upper=high)
        builder.constrain_total("total", [(variables[0], 1.0), (size, 1.0)], lower=-30.0, upper=60.0)
        return builder.freeze()

    return make

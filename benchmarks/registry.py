"""What is compared: cases by name, and contenders that solve a case. A new one is one more line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.reference import SCENARIO_FILE, ReferenceCase, from_scenario, program, synthetic


@dataclass(frozen=True)
class Outcome:
    """What a contender found, and the seconds from the arrays to the model and from the model to the answer."""

    objective: float
    build_seconds: float
    solve_seconds: float
    iterations: int | None = None  # None where the tool does not tell


def _scenario(*settings: str) -> ReferenceCase:
    from vpp_sim import load_scenario

    return from_scenario(load_scenario(SCENARIO_FILE, settings=settings))


def sweep_year(number: int) -> ReferenceCase:
    """One of 256 years: 4 seeds of weather, load and work, prices, sizes of battery and PV, in this order.

    Numbers count in the order that suits a warm start best: neighbours differ in the size of the PV.
    """
    axes = range(4), (0.9, 1.0, 1.1, 1.2), (1200.0, 2400.0, 3600.0, 7200.0), (1000.0, 2000.0, 3000.0, 4500.0)
    places = np.unravel_index(number, [len(axis) for axis in axes])
    seed, prices, battery_kwh, pv_kw = (axis[int(place)] for axis, place in zip(axes, places, strict=True))
    case = synthetic(seed=seed)
    battery = replace(case.battery, energy_kwh=battery_kwh, power_kw=battery_kwh / 2.0)
    return replace(case, pv_kw=pv_kw, battery=battery, import_price=case.import_price * prices)


SWEEP_YEARS = 256

CASES: dict[str, Callable[[], ReferenceCase]] = {
    "week": partial(synthetic, hours=168),
    "month": partial(synthetic, hours=730),
    "year": synthetic,
    "year_15min": partial(synthetic, step_minutes=15),
    "scenario_week": partial(_scenario, "horizon.days=7"),
    "scenario_year": _scenario,
    "scenario_year_15min": partial(_scenario, "horizon.step_minutes=15"),
    "sizing_week": partial(synthetic, hours=168, free_sizes=True),
    "sizing_year": partial(synthetic, free_sizes=True),
    **{f"sweep_year_{number}": partial(sweep_year, number) for number in range(SWEEP_YEARS)},
}
NO_DEMAND = "_no_demand"


def case_named(name: str) -> ReferenceCase:
    """A case of CASES; with `_no_demand` behind its name, without the charge on each month's highest import."""
    case = CASES[name.removesuffix(NO_DEMAND)]()
    return replace(case, demand_price_per_kw_month=0.0) if name.endswith(NO_DEMAND) else case


def _ours(case: ReferenceCase, solver: str, algorithm: str | None = None) -> Outcome:
    from vpp_sim.lp import SolveOptions, solve

    started = time.perf_counter()
    linear_program = program(case)
    built = time.perf_counter()
    solution = solve(linear_program, solver, SolveOptions(algorithm=algorithm))
    solved = time.perf_counter()
    if not solution.is_optimal or solution.certificate is None or not solution.certificate.passed(1e-6):
        raise RuntimeError(f"{solver}: {solution.status.word}, {solution.message}, {solution.certificate}")
    return Outcome(solution.objective, built - started, solved - built, solution.iterations or None)


def _pulp(case: ReferenceCase, solver: str) -> Outcome:
    from benchmarks.peers.pulp_direct import solve_with_pulp

    return solve_with_pulp(case, solver)


def _pypsa(case: ReferenceCase) -> Outcome:
    from benchmarks.peers.pypsa_peer import solve_with_pypsa

    return solve_with_pypsa(case)


def _oemof(case: ReferenceCase) -> Outcome:
    from benchmarks.peers.oemof_peer import solve_with_oemof

    return solve_with_oemof(case)


def _linprog(case: ReferenceCase, method: str) -> Outcome:
    from benchmarks.peers.scipy_peer import solve_with_linprog

    return solve_with_linprog(case, method)


CONTENDERS: dict[str, Callable[[ReferenceCase], Outcome]] = {
    "vpp_sim highs simplex": partial(_ours, solver="highs", algorithm="simplex"),
    "vpp_sim highs ipm": partial(_ours, solver="highs", algorithm="ipm_without_crossover"),
    "vpp_sim structured": partial(_ours, solver="structured"),
    "vpp_sim pulp:HiGHS": partial(_ours, solver="pulp:HiGHS"),
    "vpp_sim pulp:CBC": partial(_ours, solver="pulp:CBC"),
    "SciPy linprog highs-ds": partial(_linprog, method="highs-ds"),
    "PuLP HiGHS": partial(_pulp, solver="HiGHS"),
    "PuLP CBC": partial(_pulp, solver="PULP_CBC_CMD"),
    "PyPSA HiGHS": _pypsa,
    "oemof.solph HiGHS": _oemof,
}


def contenders_for(case_name: str) -> list[str]:
    """Names of those who can say the case: oemof.solph has no charge on the highest import of a month."""
    return [name for name in CONTENDERS if not name.startswith("oemof") or case_name.endswith(NO_DEMAND)]


def small_case_like(case_name: str) -> str:
    """A week of the same kind, to import and compile everything before the clock runs."""
    kind = case_name.partition("_")[0]
    week = f"{kind}_week" if f"{kind}_week" in CASES else "week"
    return week + NO_DEMAND if case_name.endswith(NO_DEMAND) else week

"""What is compared: cases by name, and contenders that solve a case. A new one is one more line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.reference import SCENARIO_FILE, ReferenceCase, from_scenario, program, synthetic


@dataclass(frozen=True)
class Outcome:
    """What a contender found, and the seconds from the arrays to the model and from the model to the answer."""

    objective: float
    build_seconds: float
    solve_seconds: float


def _scenario(*settings: str) -> ReferenceCase:
    from vpp_sim import load_scenario

    return from_scenario(load_scenario(SCENARIO_FILE, settings=settings))


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
}


def _ours(case: ReferenceCase, solver: str, algorithm: str | None = None) -> Outcome:
    from vpp_sim.lp import SolveOptions, solve

    started = time.perf_counter()
    linear_program = program(case)
    built = time.perf_counter()
    solution = solve(linear_program, solver, SolveOptions(algorithm=algorithm))
    solved = time.perf_counter()
    if not solution.is_optimal or solution.certificate is None or not solution.certificate.passed(1e-6):
        raise RuntimeError(f"{solver}: {solution.status.word}, {solution.message}, {solution.certificate}")
    return Outcome(solution.objective, built - started, solved - built)


def _pulp(case: ReferenceCase, solver: str) -> Outcome:
    from benchmarks.peers.pulp_direct import solve_with_pulp

    return solve_with_pulp(case, solver)


def _pypsa(case: ReferenceCase) -> Outcome:
    from benchmarks.peers.pypsa_peer import solve_with_pypsa

    return solve_with_pypsa(case)


CONTENDERS: dict[str, Callable[[ReferenceCase], Outcome]] = {
    "vpp_sim highs simplex": partial(_ours, solver="highs", algorithm="simplex"),
    "vpp_sim highs ipm": partial(_ours, solver="highs", algorithm="ipm_without_crossover"),
    "vpp_sim pulp:HiGHS": partial(_ours, solver="pulp:HiGHS"),
    "vpp_sim pulp:CBC": partial(_ours, solver="pulp:CBC"),
    "PuLP HiGHS": partial(_pulp, solver="HiGHS"),
    "PuLP CBC": partial(_pulp, solver="PULP_CBC_CMD"),
    "PyPSA HiGHS": _pypsa,
}

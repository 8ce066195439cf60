"""Which of many parameters matter, all varied at once: Morris screening and Sobol indices, by SALib (extra).

morris   mu_star, the mean size of a parameter's effect over its range, and sigma, how much that depends on the
         others (Morris 1991, doi:10.1080/00401706.1991.10484804; Campolongo 2007, doi:10.1016/j.envsoft.2006.10.004);
         samples x (parameters + 1) plans
sobol    first and total, the shares of the variance that a parameter explains alone and with all others (Saltelli
         2010, doi:10.1016/j.cpc.2009.09.018); samples x (parameters + 2) plans, samples a power of 2
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vpp_sim.errors import InputError
from vpp_sim.scenario import Scenario
from vpp_sim.studies.sensitivity import TOTAL_COST, Swing, merit_of, parameters_of, variant_of

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]
Method = Literal["morris", "sobol"]

#: Levels of Morris' grid, the usual choice for few trajectories.
LEVELS = 4
MOST_PLANS = 20_000


@dataclass(frozen=True, eq=False)
class Indices:
    """`table` has a row a parameter: `path`, `low`, `high`, and `mu_star`, `mu`, `sigma` [unit of the figure] or
    `first`, `total` [-], each with `_confidence` where SALib gives it (95 %). `plans` is how many were solved."""

    method: Method
    figure: str
    unit: str
    plans: int
    table: pd.DataFrame


def indices(
    scenario: Scenario,
    swings: Sequence[Swing],
    figure: str = TOTAL_COST,
    *,
    method: Method = "morris",
    samples: int = 8,
    seed: int = 1,
    solver: str | None = None,
    progress: Progress = lambda phase: None,
) -> Indices:
    """Morris or Sobol indices of a figure of merit over the ranges of the parameters, drawn evenly.

    Raises:
        InputError: SALib is not installed, fewer than two parameters, a path that leads to no number.
        InfeasibleError, SolverLimitError: a sampled scenario cannot be run.
    """
    import pandas as pd

    parameters = parameters_of(scenario, swings)
    if len(parameters) < 2:
        raise InputError("--vary: indices compare parameters; give at least two")
    sample, analyze = _methods(method)
    power_of_two = samples >= 2 and samples & (samples - 1) == 0
    if samples < 2 or (method == "sobol" and not power_of_two):
        raise InputError(f"--samples {samples}: at least 2, and a power of 2 for sobol")
    problem = {
        "num_vars": len(parameters),
        "names": [parameter.swing.path for parameter in parameters],
        "bounds": [sorted((parameter.low, parameter.high)) for parameter in parameters],
    }
    points = sample(problem, samples, seed)
    if len(points) > MOST_PLANS:
        raise InputError(
            f"--samples {samples}: makes {len(points):,} plans, at most {MOST_PLANS:,}; use `vpp-sim sweep`"
        )
    values = np.empty(len(points))
    unit = ""
    for number, point in enumerate(points):
        progress(f"plan {number + 1} of {len(points)}")
        variant = variant_of(scenario, dict(zip(parameters, map(float, point), strict=True)))
        values[number], unit = merit_of(variant, figure, solver)
    table = pd.DataFrame(
        {"path": problem["names"], **_ends(problem["bounds"]), **analyze(problem, points, values, seed)}
    )
    return Indices(method, figure, unit, len(points), table)


def _ends(bounds: Any) -> dict[str, list[float]]:
    return {"low": [low for low, _ in bounds], "high": [high for _, high in bounds]}


def _methods(method: Method) -> tuple[Callable[..., Any], Callable[..., dict[str, Any]]]:
    """Sampling and analysis of a method, as SALib does them."""
    try:
        from SALib.analyze import morris as morris_analysis
        from SALib.analyze import sobol as sobol_analysis
        from SALib.sample import morris as morris_sample
        from SALib.sample import sobol as sobol_sample
    except ImportError:
        raise InputError(
            "Morris and Sobol indices need SALib: pip install 'vpp-sim[sensitivity]', or leave --method out"
        ) from None

    def columns(found: Any, names: dict[str, str]) -> dict[str, Any]:
        return {ours: np.asarray(found[theirs], dtype=np.float64) for ours, theirs in names.items()}

    if method == "morris":
        names = {"mu_star": "mu_star", "mu": "mu", "sigma": "sigma", "mu_star_confidence": "mu_star_conf"}
        return (
            lambda problem, size, seed: morris_sample.sample(problem, size, num_levels=LEVELS, seed=seed),
            lambda problem, x, y, seed: columns(
                morris_analysis.analyze(problem, x, y, num_levels=LEVELS, seed=seed), names
            ),
        )
    names = {"first": "S1", "total": "ST", "first_confidence": "S1_conf", "total_confidence": "ST_conf"}
    return (
        lambda problem, size, seed: sobol_sample.sample(problem, size, calc_second_order=False, seed=seed),
        lambda problem, x, y, seed: columns(
            sobol_analysis.analyze(problem, y, calc_second_order=False, seed=seed), names
        ),
    )

"""The three ways in which the programs of cases are solved; which one is best is measured, not believed.

    batch   programs of one structure side by side in the structured solver
    warm    HiGHS from the basis of the case before, along an order in which neighbours are alike
    cold    each program on its own, as a single run does

All answers are certified alike, so routes differ within the tolerance of the certificate only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from vpp_sim.dispatch.run import SolveRequest
from vpp_sim.lp import LinearProgram, Solution, solve_batch

Route = Literal["batch", "warm", "cold"]
ROUTES: tuple[Route, ...] = ("batch", "warm", "cold")
#: Programs that are solved side by side at least; fewer go to HiGHS.
SMALLEST_BATCH = 3
#: What is asked of a program that is solved once more with variables at given values; our certificate asks for 1e-6.
PINNED_TOLERANCE = 1e-7


def possible_routes(solver: str) -> tuple[Route, ...]:
    """The routes that a scenario's choice of a solver leaves open.

    >>> possible_routes("highs"), possible_routes("pulp:CBC")
    (('warm', 'cold'), ('cold',))
    """
    if solver == "auto":
        return ROUTES
    return ("warm", "cold") if solver == "highs" else ("cold",)


class Answers:
    """Answers requests by one route; under `warm` it remembers the last solution of every structure."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._last: dict[tuple[str, int], Solution] = {}

    def to_all(self, requests: Sequence[SolveRequest], stages: Sequence[int]) -> list[Solution | Exception]:
        """A solution, or what went wrong, for every request; `stages` count the requests of a case from 0."""
        if self.route != "batch":
            return [self._one(request, stage) for request, stage in zip(requests, stages, strict=True)]
        answers: dict[int, Solution | Exception] = {}
        for members in _alike(requests):
            if len(members) >= SMALLEST_BATCH:
                answers.update(_together(requests, members))
            else:
                answers.update({number: _alone(requests[number]) for number in members})
        return [answers[number] for number in range(len(requests))]

    def _one(self, request: SolveRequest, stage: int) -> Solution | Exception:
        if self.route == "cold":
            return _alone(request)
        key = (request.program.structure, stage)
        options = replace(
            request.options, keep_basis=True, warm_start=request.options.warm_start or self._last.get(key)
        )
        solver = "highs" if request.solver == "auto" else request.solver
        answer = _alone(SolveRequest(request.program, solver, options))
        if isinstance(answer, Solution) and answer.is_optimal:
            self._last[key] = replace(answer, primal=None, row_dual=None)
            return answer
        self._last.pop(key, None)
        return _alone(request)


def _alone(request: SolveRequest) -> Solution | Exception:
    try:
        return request.answer()
    except Exception as error:
        return error


def _alike(requests: Sequence[SolveRequest]) -> list[list[int]]:
    """Numbers of the requests that can be solved side by side."""
    groups: dict[object, list[int]] = {}
    for number, request in enumerate(requests):
        options = request.options
        again = options.warm_start is not None
        key = (request.program.structure, request.solver, options.tolerance, options.time_limit_seconds, again)
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def _together(requests: Sequence[SolveRequest], members: Sequence[int]) -> dict[int, Solution | Exception]:
    programs: list[LinearProgram] = [requests[number].program for number in members]
    first = requests[members[0]]
    tolerance = first.options.tolerance
    if tolerance is None and first.options.warm_start is not None:
        # fixed variables are equal to their bounds up to rounding only, so rows of them cannot close any better
        tolerance = PINNED_TOLERANCE
    options = replace(first.options, warm_start=None, keep_basis=False, threads=1, tolerance=tolerance)
    try:
        solutions = solve_batch(programs, first.solver, options)
    except Exception:
        return {number: _alone(requests[number]) for number in members}
    return dict(zip(members, solutions, strict=True))

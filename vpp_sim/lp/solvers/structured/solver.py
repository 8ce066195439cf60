"""The backend `structured`: one program cut into segments, or a batch of programs in lanes, or a reason why not."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from vpp_sim.lp.alike import Alike
from vpp_sim.lp.certificate import Certificate, certify, certify_alike, proves_infeasibility
from vpp_sim.lp.program import FloatArray, IntArray, LinearProgram
from vpp_sim.lp.reduce import Reduced, reduced
from vpp_sim.lp.solution import Solution, SolveOptions, SolveStatus
from vpp_sim.lp.solvers.structured.blas import one_blas_thread
from vpp_sim.lp.solvers.structured.form import Declined, Structure, read_structure
from vpp_sim.lp.solvers.structured.vector_code import LANES

if TYPE_CHECKING:
    from vpp_sim.lp.solvers.structured.interior_point import Interior, Outcome, Saved
    from vpp_sim.lp.solvers.structured.numbers import Numbers
    from vpp_sim.lp.solvers.structured.vector_code import Library

DEFAULT_TOLERANCE = 1e-8
#: What `auto` accepts of a run that stalls short of the default: the tolerance at which HiGHS calls a point optimal.
STALLED_TOLERANCE = 1e-7
BATCH = 64, 1024  # fewest and most programs taken at once from a batch
BATCH_STEPS = 60_000  # and between these, as many as have so many steps
SHORTEST_CUT = 96  # steps below which a program is not cut into segments
SHORTEST_AUTO = 96  # steps below which `auto` takes HiGHS: both need about 10 ms there
SHORTEST_COMPILED = 4000  # steps from which compiling (0.4 to 1 s) and solving beat a HiGHS solve
VERSION = "1"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def segment_starts(num_steps: int, structure: Structure) -> IntArray:
    """Where to cut one program so that its segments fill lanes and cores.

    A live global must end inside a segment or fill it whole, so cuts lie on the ends of ranges, or split them evenly.
    """
    whole = np.zeros(1, dtype=np.int64)
    if num_steps < SHORTEST_CUT:
        return whole
    live = structure.globals.live
    ranges = live[0].starts if live else whole
    lengths = np.diff(np.append(ranges, num_steps))
    best, best_cost = whole, float(num_steps)
    threads = min(cores(), 2)
    for target in (8, 16) if num_steps >= 1024 and threads > 1 else (8,):
        aim = num_steps / target
        if ranges.size >= target:
            nearest = np.searchsorted(ranges, np.arange(target) * aim - 0.5)
            starts = np.unique(ranges[np.minimum(nearest, ranges.size - 1)])
        else:
            pieces = np.maximum(1, np.floor(lengths / aim + 1e-9)).astype(np.int64)
            starts = np.concatenate(
                [first + (np.arange(k) * length) // k for first, length, k in zip(ranges, lengths, pieces, strict=True)]
            )
        groups = -(-starts.size // LANES)
        cost = -(-groups // threads) * float(np.diff(np.append(starts, num_steps)).max()) + 2.0 * starts.size
        if starts.size > 1 and cost < best_cost and _fits(starts, num_steps, structure):
            best, best_cost = starts.astype(np.int64), cost
    return best


def _fits(starts: IntArray, num_steps: int, structure: Structure) -> bool:
    """Whether no segment holds both the end of a range that began before it and the start of another."""
    ends = np.append(starts[1:], num_steps)
    for block in structure.globals.live:
        range_ends = np.append(block.starts[1:], num_steps)
        first = np.searchsorted(block.starts, starts, side="right") - 1
        last = np.searchsorted(block.starts, ends - 1, side="right") - 1
        whole_inside = (block.starts[first] >= starts) & (range_ends[last] <= ends)
        if not (whole_inside | (first == last)).all():
            return False
    return True


@dataclass
class Attempt:
    """What the interior-point method found for one program, or why it found nothing."""

    solution: Solution
    reason: str = ""
    stalled_at: Solution | None = None


class StructuredSolver:
    """Backend `structured`; see the package's docstring."""

    name = "structured"

    def solve(self, program: LinearProgram, options: SolveOptions) -> Solution:
        """Solve one program; where that fails, HiGHS is asked whether it is infeasible or unbounded."""
        attempt = try_structured([program], options)[0]
        if attempt.solution.is_optimal:
            return attempt.solution
        return _second_opinion(program, attempt, options, fall_back=False)


def declined(program: LinearProgram) -> str | None:
    """Why the structured solver does not take a program, None where it does."""
    try:
        read_structure(Alike([program]))
    except Declined as error:
        return str(error)
    return None


def _refused(reason: str) -> Attempt:
    status = SolveStatus.ERROR
    message = f"structured solver: {reason}"
    return Attempt(Solution(status=status, solver="structured", solver_version=VERSION, message=message), reason)


def try_structured(programs: list[LinearProgram], options: SolveOptions, *, lenient: bool = False) -> list[Attempt]:
    """Attempt programs that share one structure, together; never raises for what a program is like.

    When `lenient` and no tolerance is asked for, a stalled run is taken if it passes at STALLED_TOLERANCE, and says so.
    """
    from vpp_sim.lp.solvers.structured.numbers import Layout, pour

    def one_by_one() -> list[Attempt]:
        return [attempt for program in programs for attempt in try_structured([program], options, lenient=lenient)]

    smaller = reduced(programs)
    try:
        alike = Alike([each.program for each in smaller])
        structure = read_structure(alike)
        n = programs[0].num_steps
        # few programs fill lanes better one after another, each cut into segments
        if len(programs) == 1:
            layout = Layout(n, 1, segment_starts(n, structure))
        elif len(programs) < 4 and n >= 1024:
            return one_by_one()
        else:
            layout = Layout(n, len(programs), np.zeros(1, dtype=np.int64))
        numbers = pour(alike, structure, layout)
    except Declined as error:
        return [_refused(str(error))] if len(programs) == 1 else one_by_one()
    return _run(numbers, smaller, options, lenient=lenient)


def attempt_for_auto(program: LinearProgram, options: SolveOptions) -> Attempt:
    """One program, if it is one that this solver takes and is likely to be the faster on; else the reason why not."""
    from vpp_sim.lp.solvers.structured.kernels import kernels_are_ready
    from vpp_sim.lp.solvers.structured.numbers import Layout, pour

    n = program.num_steps
    if n < SHORTEST_AUTO:
        return _refused(f"{n} steps: HiGHS is as fast below {SHORTEST_AUTO}")
    smaller = reduced([program])
    try:
        alike = Alike([smaller[0].program])
        structure = read_structure(alike)
        numbers = pour(alike, structure, Layout(n, 1, segment_starts(n, structure)))
    except Declined as error:
        return _refused(str(error))
    if n < SHORTEST_COMPILED and not kernels_are_ready(numbers.form):
        return _refused(f"no compiled kernels for this structure, and {n} steps take HiGHS less than compiling them")
    return _run(numbers, smaller, options, lenient=True)[0]


def _run(numbers: Numbers, smaller: list[Reduced], options: SolveOptions, *, lenient: bool) -> list[Attempt]:
    from vpp_sim.lp.solvers.structured.kernels import kernels

    layout = numbers.layout
    tolerance = DEFAULT_TOLERANCE if options.tolerance is None else options.tolerance
    library = kernels(numbers.form)
    threads = min(options.threads or cores(), 2)
    limit = options.time_limit_seconds
    deadline = None if limit is None else time.perf_counter() + limit * layout.num_programs
    notes = () if library.from_cache else ("kernels compiled for this structure and kept on disk",)
    run = _Run(numbers, smaller, library, tolerance, notes, deadline)
    todo = np.arange(layout.num_programs)
    with ThreadPoolExecutor(threads) as pool, one_blas_thread():
        if layout.segmented:
            run.part(todo, None, until_half=False, pool=pool if threads > 1 and layout.num_groups > 1 else None)
        else:
            saved: Saved | None = None
            # several groups at once where they are short, so that Python's share of an iteration stays small
            at_once = LANES * int(np.clip(8192 // (layout.longest + 1), 1, 32))
            while todo.size:
                # a lane that is done idles until its group is: from time to time the others move together
                until_half = todo.size > LANES
                cuts = [slice(first, first + at_once) for first in range(0, todo.size, at_once)]
                pieces = [(todo[cut], saved and saved.only(cut), until_half) for cut in cuts]
                alone = threads == 1 or len(pieces) == 1
                done = map(run.unpacked, pieces) if alone else pool.map(run.unpacked, pieces)
                left = [part for part in done if part is not None]
                if not left:
                    break
                todo = np.concatenate([programs for programs, _ in left])
                saved = type(left[0][1]).joined([points for _, points in left])
    found = [run.attempts[q] for q in range(layout.num_programs)]
    return [_taken_though_stalled(attempt) for attempt in found] if lenient and options.tolerance is None else found


def _proved_infeasible(program: LinearProgram, row_dual: FloatArray, attempt: Attempt) -> Attempt:
    """The verdict that there is no point, where the duals of a stalled run prove it; else the attempt as it is.

    Without a point the duals grow without end along a ray that shows why, so that nobody else need be asked.
    """
    if not proves_infeasibility(program, row_dual):
        return attempt
    message = f"no point: proved by the duals after {attempt.solution.iterations} iterations"
    return Attempt(replace(attempt.solution, status=SolveStatus.INFEASIBLE, message=message))


def _taken_though_stalled(attempt: Attempt) -> Attempt:
    """An attempt that stalled near enough, as an optimum whose notes say where."""
    stalled = attempt.stalled_at
    if stalled is None or stalled.certificate is None or not stalled.certificate.passed(STALLED_TOLERANCE):
        return attempt
    note = f"structured solver {attempt.reason}; taken at {STALLED_TOLERANCE:.0e}"
    return Attempt(replace(stalled, status=SolveStatus.OPTIMAL, notes=(*stalled.notes, note)))


@dataclass
class _Run:
    """One call's numbers and kernels, and what was found so far."""

    numbers: Numbers
    smaller: list[Reduced]
    library: Library
    tolerance: float
    notes: tuple[str, ...]
    deadline: float | None
    attempts: dict[int, Attempt] = field(default_factory=dict)

    def unpacked(self, piece: tuple[IntArray, Saved | None, bool]) -> tuple[IntArray, Saved] | None:
        """`part` with its arguments in one."""
        programs, saved, until_half = piece
        return self.part(programs, saved, until_half=until_half)

    def part(
        self,
        programs: IntArray,
        saved: Saved | None,
        *,
        until_half: bool,
        pool: ThreadPoolExecutor | None = None,
    ) -> tuple[IntArray, Saved] | None:
        """Work on some programs; those that are to go on in other company are given back."""
        from vpp_sim.lp.solvers.structured.interior_point import Interior

        interior = Interior(self.numbers, self.library, programs, pool, saved)
        rest = None
        # a second, stricter run where the loop's own measures were kinder than the certificate
        for strictness in (2.0, 40.0):
            outcome = interior.run(self.tolerance / strictness, deadline=self.deadline, until_half=until_half)
            late = self.deadline is not None and time.perf_counter() > self.deadline
            open_chains = np.flatnonzero(interior.real & ~outcome.done)
            if open_chains.size and not late:
                rest = interior.programs[open_chains], interior.save(open_chains)
            chains = np.flatnonzero(interior.real & (outcome.done | late))
            again = self.judge(interior, outcome, chains, late=late)
            if not again.size or late:
                break
            interior.restrict(again)
            until_half = False
        return rest

    def judge(self, interior: Interior, outcome: Outcome, chains: IntArray, *, late: bool) -> IntArray:
        """Write the attempts of some chains; gives those that converged, but not to what the certificate asks."""
        from vpp_sim.lp.solvers.structured.outcome import points_of

        for chain in chains[~np.isfinite(outcome.gap[chains])]:
            q = int(interior.programs[chain])
            self.attempts[q] = self._attempt(None, None, None, int(outcome.iterations[chain]), late=late)
        chains = chains[np.isfinite(outcome.gap[chains])]
        if not chains.size:
            return chains
        alike = self.numbers.alike.only(interior.programs[chains])
        primal, dual = points_of(interior, chains, alike)
        wholes = [self.smaller[q] for q in interior.programs[chains]]
        if any(each.program is not each.whole for each in wholes):
            restored = [each.restored(*point) for each, *point in zip(wholes, primal, dual, strict=True)]
            primal, dual = np.array([one for one, _ in restored]), np.array([one for _, one in restored])
            alike = Alike([each.whole for each in wholes])
        again = []
        for place, (chain, certificate) in enumerate(zip(chains, certify_alike(alike, primal, dual), strict=True)):
            q, iterations = int(interior.programs[chain]), int(outcome.iterations[chain])
            unfinished = late and not outcome.done[chain]
            attempt = self._attempt(primal[place], dual[place], certificate, iterations, late=unfinished)
            if attempt.reason and not outcome.converged[chain]:
                attempt = _proved_infeasible(wholes[place].whole, dual[place], attempt)
            self.attempts[q] = attempt
            if outcome.converged[chain] and attempt.reason:
                again.append(chain)
        return np.array(again, dtype=np.int64)

    def _attempt(
        self,
        primal: FloatArray | None,
        dual: FloatArray | None,
        certificate: Certificate | None,
        iterations: int,
        *,
        late: bool,
    ) -> Attempt:
        passed = certificate is not None and certificate.passed(self.tolerance)
        status, reason = SolveStatus.OPTIMAL, ""
        if not passed:
            status = SolveStatus.TIME_LIMIT if late else SolveStatus.INACCURATE
            reason = f"{'stopped at the time limit' if late else 'stalled'} after {iterations} iterations"
            if certificate is not None:
                reason += (
                    f" at gap {certificate.gap:.1e}, residuals {certificate.primal_residual:.1e} primal, "
                    f"{certificate.dual_residual:.1e} dual, with {self.tolerance:.0e} asked"
                )
        solution = Solution(
            status=status,
            solver="structured",
            solver_version=VERSION,
            algorithm="interior point",
            primal=primal,
            row_dual=dual,
            objective=certificate.primal_objective if certificate else np.nan,
            iterations=iterations,
            message=reason or "converged",
            certificate=certificate,
            notes=self.notes,
        )
        if passed:
            return Attempt(solution)
        without = replace(solution, primal=None, row_dual=None, objective=np.nan, certificate=None)
        return Attempt(without, reason, solution)


def batches(programs: Iterable[LinearProgram]) -> Iterator[list[tuple[int, LinearProgram]]]:
    """Numbered programs of one structure each, as they come: few long ones or many short ones at a time."""
    numbered = iter(enumerate(programs))
    for first in numbered:
        size = int(np.clip(BATCH_STEPS // first[1].num_steps, *BATCH))
        by_structure: dict[str, list[tuple[int, LinearProgram]]] = {}
        for item in itertools.chain([first], itertools.islice(numbered, size - 1)):
            by_structure.setdefault(item[1].structure, []).append(item)
        yield from by_structure.values()


def solve_together(programs: Iterable[LinearProgram], options: SolveOptions, *, fall_back: bool) -> list[Solution]:
    """Solutions of programs in their order; see `solvers.solve_batch`."""
    found: dict[int, Solution] = {}
    for batch in batches(programs):
        started = time.perf_counter()
        attempts = try_structured([program for _, program in batch], options, lenient=fall_back)
        each = (time.perf_counter() - started) / len(batch)
        for (number, program), attempt in zip(batch, attempts, strict=True):
            solution = replace(attempt.solution, seconds=each)
            if not solution.is_optimal:
                solution = _second_opinion(program, attempt, options, fall_back=fall_back)
            found[number] = solution
    return [found[number] for number in sorted(found)]


def _second_opinion(program: LinearProgram, attempt: Attempt, options: SolveOptions, *, fall_back: bool) -> Solution:
    """HiGHS' solution of a program that was not solved here; without `fall_back` only its verdict counts."""
    from vpp_sim.lp.solvers.highs import HighsSolver

    if attempt.solution.status in (SolveStatus.TIME_LIMIT, SolveStatus.INFEASIBLE):
        return attempt.solution
    started = time.perf_counter()
    verdict = HighsSolver().solve(program, replace(options, algorithm=None, tolerance=None, warm_start=None))
    hopeless = (SolveStatus.INFEASIBLE, SolveStatus.UNBOUNDED, SolveStatus.INFEASIBLE_OR_UNBOUNDED)
    if not fall_back and verdict.status not in hopeless:
        return attempt.solution
    certificate = None if verdict.primal is None else certify(program, verdict.primal, verdict.row_dual)
    notes = (*verdict.notes, f"not the structured solver: {attempt.reason}")
    return replace(verdict, certificate=certificate, notes=notes, seconds=time.perf_counter() - started)

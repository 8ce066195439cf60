"""Linear programs in which of two columns one must be 0, for many pairs: a choice, and how far from the best it can be.

Every choice of the column that is held at 0 gives a linear program, whose optimum is a plan and an *upper* bound. A
*lower* bound is what the program costs without the demand; a mixed-integer program with a binary z per pair,

    first <= its bound z,    second <= its bound (1 - z)

raises it. Over a long horizon of days that are alike no branch and bound ends: n days with k equal orders each are k^n
equal plans. So the horizon is cut into pieces, each with its own binaries, at the prices of the program without them:

    minimise c'x  subject to  A x in [l, u]   >=   sum over pieces of  (minimise the piece's cost at prices y)

A row that belongs to no piece (one over all steps) is priced at its dual y; a column that rows of two pieces share (a
state at the boundary, a peak, a size) is copied into each, and its copies, which need not agree any more, are priced so
that the prices cancel where they do: a copy costs the sum of y A over the rows of its own piece, and the owner what is
left. That is a Lagrangian relaxation (Geoffrion 1974, doi 10.1007/BFb0120690), valid for whatever y; at the duals of
the program without binaries it is at least the bound of that program, which is the sum over pieces of their parts of
it. Where the pieces agree on what they share, which they do if they are cut where a store is empty or full and it costs
to have it otherwise, the plan put together from them is the best one, and the two bounds meet. Reduced costs at the cut
are split in halves, so that both sides have a reason to agree.

If the bounds do not meet, four pieces at a time become one, at last the whole. The best plan and the highest bound
count, whatever they came from, so that the gap holds also where the time was not enough. Equal pieces are solved once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vpp_sim.lp.certificate import signed_duals, support
from vpp_sim.lp.program import FloatArray, IntArray, LinearProgram
from vpp_sim.lp.solution import Solution, SolveOptions
from vpp_sim.lp.solvers import solve

BoolArray = NDArray[np.bool_]

#: Both columns of a pair must exceed this share of their upper bounds (at least 1) to count as both.
THRESHOLD = 1e-4
#: Of the pieces of a round this many become one in the next.
MERGED = 4
#: Solves with more pairs held, until no pair has both; each holds at least one pair more, a few do.
MOST_HOLDS = 50
#: A piece may take this many times its share of the time that is left, as most need far less.
PATIENCE = 8.0
#: Share of the time that is left that pieces may take; the rest is for making a plan of what they chose.
SHARE_OF_TIME = 0.8
#: Nothing more is tried in less time than this.
LEAST_SECONDS = 1.0
#: Gaps are relative to the cost, or to this where it is smaller.
SMALLEST_COST = 1e-6


@dataclass(frozen=True, eq=False)
class OneOfTwo:
    """A choice for every pair: the program that holds it, its optimum, and a cost that no other choice is below."""

    program: LinearProgram
    solution: Solution
    bound: float
    binaries: int
    pieces: int

    @property
    def gap(self) -> float:
        """By which share of the cost another choice could be better."""
        return relative_gap(self.solution.objective, self.bound)


def relative_gap(cost: float, bound: float) -> float:
    """Of an upper and a lower bound; 0 where rounding has put them the wrong way round.

    >>> relative_gap(-10.0, -10.5), relative_gap(np.inf, 1.0)
    (0.05, inf)
    """
    if not np.isfinite(cost) or not np.isfinite(bound):
        return float(np.inf)
    return max(cost - bound, 0.0) / max(abs(cost), SMALLEST_COST)


def choose_one_of_two(
    program: LinearProgram,
    relaxed: Solution,
    first: IntArray,
    second: IntArray,
    likely: BoolArray,
    gap: float,
    solver: str,
    options: SolveOptions,
) -> OneOfTwo | None:
    """The best choice found for pairs of columns, within `gap` or for `options.time_limit_seconds`; None without any.

    `relaxed` is the program's own optimum, with duals; if it has one of each pair, it is the answer. `first`, `second`
    are columns of one step each, with lower bounds of 0. Binaries stand where `likely` says and where both occur on the
    way; elsewhere both do not occur.

    Raises:
        EndlessError: a column that needs a binary has no upper bound.
    """
    search = _Search(program, relaxed, first, second, solver, options)
    if not search.both(relaxed.primal).any():
        return OneOfTwo(program, relaxed, relaxed.objective, 0, 0)
    search.chosen = likely | search.both(relaxed.primal)
    search.hold(relaxed.primal, None)
    runs = 1
    while search.chosen.any() and search.gap > gap and search.time_left > LEAST_SECONDS:
        cuts, before = search.cuts(runs), int(search.chosen.sum())
        if search.solve_pieces(cuts, gap):
            if cuts.size == 2 and int(search.chosen.sum()) == before:
                break
            runs *= MERGED
    return search.result()


class EndlessError(Exception):
    """Columns that need a binary and have no upper bound."""

    def __init__(self, columns: IntArray) -> None:
        super().__init__(f"{columns.size} columns without an upper bound")
        self.columns = columns


class _Search:
    """The best plan and the highest bound so far."""

    def __init__(
        self,
        program: LinearProgram,
        relaxed: Solution,
        first: IntArray,
        second: IntArray,
        solver: str,
        options: SolveOptions,
    ) -> None:
        if relaxed.primal is None or relaxed.row_dual is None:
            raise ValueError("the program's own optimum, with duals, is where a choice begins")
        self.program, self.solver, self.options = program, solver, options
        self.first, self.second = first, second
        self.step = first % program.num_steps
        self.started = time.perf_counter()
        self.relaxed_point = relaxed.primal
        self.rows = program.matrix.tocsr()
        self.dual = signed_duals(program, relaxed.row_dual)
        self.reduced = program.cost - program.matrix.T @ self.dual
        self.relaxed_bound = (
            program.cost_offset
            + support(self.dual, program.row_lower, program.row_upper)
            + support(self.reduced, program.lower, program.upper)
        )
        self.bound = self.relaxed_bound
        self.best: tuple[LinearProgram, Solution] | None = None
        self.warm = relaxed if relaxed.basis is not None else None
        self.chosen: BoolArray = np.zeros(first.size, dtype=bool)
        self.pieces = 0
        self.known: dict[bytes, PieceSolution] = {}

    @property
    def time_left(self) -> float:
        limit = self.options.time_limit_seconds
        return np.inf if limit is None else limit - (time.perf_counter() - self.started)

    @property
    def gap(self) -> float:
        return np.inf if self.best is None else relative_gap(self.best[1].objective, self.bound)

    def result(self) -> OneOfTwo | None:
        if self.best is None:
            return None
        return OneOfTwo(*self.best, self.bound, int(self.chosen.sum()) if self.pieces else 0, self.pieces)

    def both(self, point: FloatArray | None) -> BoolArray:
        """Which pairs have both columns above 0."""
        if point is None:
            return np.zeros(self.first.size, dtype=bool)
        first, second = point[self.first], point[self.second]
        largest = np.minimum(self.program.upper[self.first], self.program.upper[self.second])
        largest = np.where(np.isfinite(largest), largest, max(first.max(initial=0.0), second.max(initial=0.0)))
        return np.asarray(np.minimum(first, second) > THRESHOLD * np.maximum(largest, 1.0))

    def hold(self, point: FloatArray | None, opens: BoolArray | None) -> None:
        """The plan that holds the smaller of each chosen pair (or what `opens` does not say), and others as need be.

        Only pairs that would have both are held: the others have one without being told to.
        """
        if point is None:
            return
        opened = np.asarray(point[self.first] > point[self.second]) if opens is None else opens
        held = self.chosen.copy()
        for _ in range(MOST_HOLDS):
            upper = self.program.upper.copy()
            closed = np.where(opened, self.second, self.first)[held]
            upper[closed] = self.program.lower[closed]
            held_program = self.program.with_numbers(upper=upper)
            left = None if self.options.time_limit_seconds is None else max(self.time_left, 1.0)
            options = replace(self.options, time_limit_seconds=left, warm_start=self.warm, keep_basis=True)
            solution = solve(held_program, self.solver, options)
            if not solution.is_optimal or solution.primal is None:
                return
            self.warm = solution if solution.basis is not None else None
            more = self.both(solution.primal) & ~held
            if not more.any():
                break
            held |= more
            self.chosen |= more
            opened = np.where(more, solution.primal[self.first] > solution.primal[self.second], opened)
        else:
            return
        if self.best is None or solution.objective < self.best[1].objective:
            self.best = (held_program, solution)

    def cuts(self, runs: int) -> IntArray:
        """Boundaries of pieces with `runs` runs of steps with binaries each; first 0, last the number of steps.

        Between two runs the cut is where each state at the end of a step is bound the most: its smallest reduced cost.
        """
        n = self.program.num_steps
        busy = np.zeros(n + 2, dtype=bool)
        busy[1 + self.step[self.chosen]] = True
        edges = np.flatnonzero(busy[1:] != busy[:-1])
        begins, ends = edges[::2], edges[1::2]
        states = sorted({t.block for row in self.program.row_blocks for t in row.step_terms if t.lag == 1})
        firmness = np.full(n, np.inf)
        for block in states:
            start = self.program.step_blocks[block].start
            firmness = np.minimum(firmness, np.abs(self.reduced[start : start + n]))
        found = [0]
        for number in range(runs - 1, begins.size - 1, runs):
            between = np.arange(ends[number] - 1, begins[number + 1])
            found.append(int(between[np.argmax(firmness[between])]) + 1)
        return np.array([*found, n])

    def solve_pieces(self, cuts: IntArray, gap: float) -> bool:
        """One round: a mixed-integer program per piece; raises the bound, and makes a plan of what the pieces chose.

        Whether every piece was solved; those that were not in their share of the time are tried again the next time.
        """
        from vpp_sim.lp.solvers.highs import solve_one_way

        needed = np.concatenate([self.first[self.chosen], self.second[self.chosen]])
        endless = needed[~np.isfinite(self.program.upper[needed])]
        if endless.size:
            raise EndlessError(endless)
        count = cuts.size - 1
        until = self.time_left * (1.0 - SHARE_OF_TIME) if np.isfinite(self.time_left) else 0.0
        scale = abs(self.best[1].objective if self.best is not None else self.bound)
        accuracy = 0.25 * gap * max(scale, SMALLEST_COST) / count
        point, opens = self.relaxed_point.copy(), self.relaxed_point[self.first] > self.relaxed_point[self.second]
        more, all_solved = 0.0, True
        for number, piece in enumerate(self.split(cuts)):
            found = self.known.get(piece.key)
            left = self.time_left - until
            if (found is None or not found.is_solved) and left > 0:
                allowed = min(left, PATIENCE * left / (count - number))
                start = self.best[1].primal if count == 1 and self.best is not None else None
                options = replace(self.options, time_limit_seconds=allowed)
                found = self.known[piece.key] = solve_one_way(piece, accuracy, options, start)
            if found is None:
                all_solved = False
                continue
            all_solved &= found.is_solved
            more += max(found.bound - piece.relaxed_bound, 0.0)
            if found.point is not None and found.first_open is not None:
                point[piece.own] = found.point[: piece.own.size]
                opens[piece.pairs] = found.first_open
        self.bound = max(self.bound, self.relaxed_bound + more)
        self.pieces = count
        self.chosen |= self.both(point)
        self.hold(point, np.where(self.chosen, opens, point[self.first] > point[self.second]))
        return all_solved

    def split(self, cuts: IntArray) -> Iterator[Piece]:
        """The pieces between the cuts, one after the other."""
        count = cuts.size - 1
        if count == 1:
            columns, rows = np.arange(self.program.num_columns), np.arange(self.program.num_rows)
            yield self._piece(columns, columns[:0], rows, np.ones(columns.size), self.chosen)
            return
        n = self.program.num_steps
        states = sorted({t.block for row in self.program.row_blocks for t in row.step_terms if t.lag == 1})
        for begin, end in pairwise(cuts):
            steps = np.arange(begin, end)
            own = (np.array([b.start for b in self.program.step_blocks])[:, None] + steps).ravel()
            rows = (np.array([b.start for b in self.program.row_blocks])[:, None] + steps).ravel()
            used = np.unique(self.rows[rows].indices)
            others = used[(used >= self.program.first_global_column) | (used % n < begin) | (used % n >= end)]
            share = np.ones(own.size + others.size)
            at_the_end = [self.program.step_blocks[block].start + end - 1 for block in states]
            if end < n:
                share[: own.size][np.isin(own, at_the_end)] = 0.5
            share[own.size :] = np.where(others < self.program.first_global_column, 0.5, 1.0 / count)
            yield self._piece(own, others, rows, share, self.chosen & (self.step >= begin) & (self.step < end))

    def _piece(self, own: IntArray, others: IntArray, rows: IntArray, share: FloatArray, pairs: BoolArray) -> Piece:
        program = self.program
        columns = np.concatenate([own, others])
        matrix = sp.csc_array(self.rows[rows][:, columns])
        reduced = self.reduced[columns] * share
        row_lower, row_upper = program.row_lower[rows], program.row_upper[rows]
        lower, upper = program.lower[columns], program.upper[columns]
        place = np.full(program.num_columns, -1, dtype=np.int64)
        place[columns] = np.arange(columns.size)
        bound = support(self.dual[rows], row_lower, row_upper) + support(reduced, lower, upper)
        return Piece(
            matrix=matrix,
            cost=matrix.T @ self.dual[rows] + reduced,
            lower=lower,
            upper=upper,
            row_lower=row_lower,
            row_upper=row_upper,
            first=place[self.first[pairs]],
            second=place[self.second[pairs]],
            own=own,
            pairs=pairs,
            relaxed_bound=bound,
        )


@dataclass(frozen=True, eq=False)
class Piece:
    """Some steps of a program: its `own` columns and copies of others, with the pairs that get binaries."""

    matrix: sp.csc_array
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    first: IntArray
    second: IntArray
    own: IntArray
    pairs: BoolArray
    relaxed_bound: float
    cost_offset: float = 0.0

    @property
    def num_columns(self) -> int:
        """Number of variables without the binaries."""
        return self.cost.size

    @property
    def num_rows(self) -> int:
        """Number of constraints without those of the binaries."""
        return self.row_lower.size

    @property
    def key(self) -> bytes:
        """The same for pieces with the same numbers."""
        arrays = (self.cost, self.lower, self.upper, self.row_lower, self.row_upper, self.matrix.data)
        places = (self.matrix.indices, self.matrix.indptr, self.first, self.second)
        return b"|".join(array.tobytes() for array in (*arrays, *places))


@dataclass(frozen=True, eq=False)
class PieceSolution:
    """A cost that no point of a piece is below, the best point found, and which pairs have their first column open."""

    bound: float
    point: FloatArray | None = None
    first_open: BoolArray | None = None
    is_solved: bool = True

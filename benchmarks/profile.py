"""Where the structured solver's time goes: its sweeps against this machine's memory and arithmetic, and Python around.

    python -m benchmarks.profile                                # every case
    python -m benchmarks.profile windows --count 2048 --plot profile.png

Three things are measured in one run: what the machine can do (a triad in numba, sums of products and divisions in
the solver's own vector code), what the sweeps must do (bytes, operations and divisions of one step, counted while
their code is written anew), and the seconds of each sweep and of each part of the solver around them. The solver runs
as it is: its functions are wrapped by clocks from outside. Bytes are those that differ within a step: what a step reads
of its neighbour it reads from the cache. Clocks run with one thread, since two disturb each other's Python; the wall
time with all threads stands beside it.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.reference import program as program_of
from benchmarks.reference_year import reference_program
from benchmarks.registry import SWEEP_YEARS, case_named, sweep_year
from vpp_sim.lp import LinearProgram, SolveOptions, solve_batch
from vpp_sim.lp.solvers.structured import interior_point, kernels, numbers, outcome, solver
from vpp_sim.lp.solvers.structured.vector_code import LANES, Code, compile_module

MEGABYTE = 2**20
THREADS = 2
BATCHES = {"sweep": 64, "windows": 2048}
CASES = ("year", "sizing_year", "year_15min", *BATCHES)
#: Arrays that the sweeps walk through; all others are as small for a year as for a day.
PER_STEP = {
    kernels.STATE: "state", kernels.STEP: "step", kernels.FACTOR: "factor", kernels.FULL: "numbers",
    kernels.SHARED: "shared numbers",
}  # fmt: skip


# --- the machine -----------------------------------------------------------------------------------------------------


def triad_gigabytes(megabytes: float, threads: int) -> float:
    """GB/s of a[i] = b[i] + 3 c[i] over three arrays of so many MB together, best of several; 24 bytes for each i."""
    import numba

    @numba.njit
    def one(a: Any, b: Any, c: Any) -> None:
        for i in range(a.size):
            a[i] = b[i] + 3.0 * c[i]

    @numba.njit(parallel=True)
    def repeated(a: Any, b: Any, c: Any, times: int) -> None:
        share = a.size // numba.get_num_threads()
        for part in numba.prange(numba.get_num_threads()):
            mine = slice(part * share, (part + 1) * share)
            for _ in range(times):
                one(a[mine], b[mine], c[mine])

    numba.set_num_threads(threads)
    size = int(megabytes * MEGABYTE / 24)
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)
    times = max(1, int(5e7 / (24 * size)))
    repeated(a, b, c, 1)
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        repeated(a, b, c, times)
        seconds.append(time.perf_counter() - started)
    return 24 * size * times / min(seconds) / 1e9


def vector_seconds() -> tuple[float, float]:
    """Seconds that one core needs for one multiplication with addition, and for one division, of LANES numbers.

    Many that do not wait for each other, in registers.
    """
    side_by_side, rounds = 16, 500_000

    def write(module: Any) -> None:
        for name in ("products", "divisions"):
            code = Code(module, name)
            held = [code.variable(1.0 + 0.01 * k) for k in range(side_by_side)]
            with code.loop(code.int(0), code.parameter(0)):
                for one in held:
                    one.set(one.get() * 0.5 + 1.0 if name == "products" else 1.5 / one.get())
            total: Any = 0.0
            for one in held:
                total = total + one.get()
            code.store(total, code.array(1), 0)
            code.builder.ret_void()

    library = compile_module("benchmarks.profile 1", write, ["products", "divisions"])
    raw = np.zeros(2 * LANES)
    at = raw.ctypes.data + (-raw.ctypes.data) % 64
    parameters = np.array([rounds, at], dtype=np.int64)
    found = []
    for name in ("products", "divisions"):
        seconds = []
        for _ in range(5):
            started = time.thread_time()
            library.functions[name](parameters.ctypes.data)
            seconds.append(time.thread_time() - started)
        found.append(min(seconds) / (rounds * side_by_side))
    return found[0], found[1]


# --- what a sweep must do --------------------------------------------------------------------------------------------


@dataclass
class Needs:
    """Of one sweep over one step of LANES lanes: what it touches, in vectors, and what it computes."""

    read: set[tuple[int, int]] = field(default_factory=set)  # array and slot
    written: set[tuple[int, int]] = field(default_factory=set)
    operations: int = 0  # additions and multiplications
    divisions: int = 0
    rough_divisions: int = 0  # in single precision

    @property
    def bytes(self) -> int:
        """Read and written once each."""
        touched = [array for array, _ in self.read] + [array for array, _ in self.written]
        return sum(8 if array == kernels.SHARED else 8 * LANES for array in touched)

    @property
    def flops(self) -> int:
        """Of all lanes, a division counted as one."""
        return LANES * (self.operations + self.divisions + self.rough_divisions)


class Counting(Code):
    """Counts what is written; what stands in a branch for the ends of live ranges is rare and left out."""

    made: dict[str, Needs] = {}

    def __init__(self, module: Any, name: str) -> None:
        super().__init__(module, name)
        self.needs = self.made[name] = Needs()
        self.rare = False
        self.behind: dict[int, tuple[Any, int]] = {}  # pointer -> itself, kept alive, and its array

    def array(self, number: int) -> Any:
        pointer = super().array(number)
        self.behind[id(pointer)] = pointer, number
        return pointer

    def offset(self, pointer: Any, doubles: Any) -> Any:
        found = super().offset(pointer, doubles)
        if id(pointer) in self.behind:
            self.behind[id(found)] = found, self.behind[id(pointer)][1]
        return found

    def _note(self, places: set[tuple[int, int]], pointer: Any, slot: int) -> None:
        array = self.behind[id(pointer)][1]
        if array in PER_STEP and not self.rare:
            places.add((array, slot))

    def load(self, pointer: Any, slot: int) -> Any:
        self._note(self.needs.read, pointer, slot)
        return super().load(pointer, slot)

    def load_scalar(self, pointer: Any, slot: int) -> Any:
        self._note(self.needs.read, pointer, slot)
        return super().load_scalar(pointer, slot)

    def store(self, value: Any, pointer: Any, slot: int) -> None:
        self._note(self.needs.written, pointer, slot)
        super().store(value, pointer, slot)

    def _emit(self, operation: str, left: Any, right: Any) -> Any:
        if not self.rare:
            if operation == "fdiv":
                self.needs.divisions += 1
            else:
                self.needs.operations += 1
        return super()._emit(operation, left, right)

    def rough_ratio(self, left: Any, right: Any) -> Any:
        self.needs.rough_divisions += not self.rare
        return super().rough_ratio(left, right)

    @contextmanager
    def only_if(self, condition: Any) -> Iterator[None]:
        with super().only_if(condition):
            self.rare = True
            yield
            self.rare = False


def needs_of(form: Any) -> dict[str, Needs]:
    """What each sweep of a form needs for one step."""
    from llvmlite import ir  # type: ignore[import-untyped]

    Counting.made = {}
    with replaced(kernels, "Code", Counting):
        kernels.write_kernels(ir.Module("counted"), form)
    return Counting.made


# --- clocks ----------------------------------------------------------------------------------------------------------


@contextmanager
def replaced(owner: Any, name: str, other: Any) -> Iterator[None]:
    """An attribute, for a while."""
    before = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, before)


@dataclass
class Clock:
    """Processor seconds of each part, without those of the parts that it calls; one thread only."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    steps: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # steps x vectors of each sweep
    _inner: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Of all parts."""
        return sum(self.seconds.values())

    @contextmanager
    def running(self, part: str) -> Iterator[None]:
        """Count what happens inside as `part`."""
        self._inner.append(0.0)
        started = time.thread_time()
        try:
            yield
        finally:
            passed = time.thread_time() - started
            self.seconds[part] += passed - self._inner.pop()
            self.calls[part] += 1
            if self._inner:
                self._inner[-1] += passed

    def watched(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function, counted as `part`."""

        @wraps(function)
        def wrapped(*given: Any, **named: Any) -> Any:
            with self.running(part):
                return function(*given, **named)

        return wrapped

    def sweep(self, name: str, function: Callable[[int], None]) -> Callable[[int], None]:
        """A compiled sweep, with the steps that it walks."""

        def wrapped(address: int) -> None:
            parameters = (ctypes.c_int64 * 16).from_address(address)
            vectors = parameters[kernels.END] - parameters[kernels.FIRST]
            self.steps[name] += vectors * parameters[kernels.NUM_STEPS]
            with self.running(name):
                function(address)

        return wrapped


#: Parts of the solver: what they are called in the table, and where they are looked up.
PARTS: list[tuple[str, Any, str]] = [
    ("take out what is fixed", solver, "reduced"),
    ("read structure", solver, "read_structure"),
    ("numbers into lanes", numbers, "pour"),
    ("iteration, outside of sweeps", interior_point.Interior, "run"),
    ("small dense systems", interior_point.Interior, "_border_matrix"),
    ("small dense systems", interior_point.Interior, "_border_solve"),
    ("arrays of a run", interior_point.Interior, "__init__"),
    ("regroup", interior_point.Interior, "save"),
    ("points back", outcome, "points_of"),
    ("certificate", solver, "certify_alike"),
    ("certificate", solver, "certify"),
    ("HiGHS' second opinion", solver, "_second_opinion"),
]


@dataclass
class Profile:
    """One case."""

    name: str
    programs: int
    steps: int
    iterations: float  # mean of the programs
    seconds: float  # with one thread and no clocks
    seconds_all_threads: float
    clock: Clock
    needs: dict[str, Needs]
    megabytes: float  # of the arrays that one sweep of the first run walks through


def profile(name: str, programs: list[LinearProgram], repeats: int) -> Profile:
    """Solve a case without clocks, then with them."""
    alone, together = SolveOptions(threads=1), SolveOptions(threads=THREADS)
    for program in programs[:1]:
        _ = program.matrix
    solve_batch(programs, "auto", together)
    seconds: dict[int, list[float]] = {1: [], THREADS: []}
    for options in (alone, together) * repeats:
        started = time.perf_counter()
        solutions = solve_batch(programs, "auto", options)
        seconds[options.threads or 1].append(time.perf_counter() - started)
    clock, run = min((clocked(programs, alone) for _ in range(repeats)), key=lambda found: found[0].total)
    walked = run.state.nbytes + run.step.nbytes + run.factor.nbytes + run.full.nbytes
    own = [s.iterations for s in solutions if s.solver == "structured" and s.iterations is not None]
    return Profile(
        name, len(programs), programs[0].num_steps, float(np.mean(own)), median(seconds[1]), median(seconds[THREADS]),
        clock, needs_of(run.form), walked / MEGABYTE,
    )  # fmt: skip


def clocked(programs: list[LinearProgram], options: SolveOptions) -> tuple[Clock, Any]:
    """One solve with its clock, and the first of its runs."""
    clock, seen = Clock(), []
    plain_init = interior_point.Interior.__init__

    def init(self: Any, numbers: Any, *given: Any, **named: Any) -> None:
        plain_init(self, numbers, *given, **named)
        self.functions = {part: clock.sweep(part, function) for part, function in self.functions.items()}
        seen.append(self)

    with ExitStack() as stack:
        stack.enter_context(replaced(interior_point.Interior, "__init__", init))
        for part, owner, attribute in PARTS:
            stack.enter_context(replaced(owner, attribute, clock.watched(getattr(owner, attribute), part)))
        with clock.running("rest"):
            solve_batch(programs, "auto", options)
    return clock, seen[0]


def programs_of(name: str, count: int | None) -> list[LinearProgram]:
    """The programs of a case: one of the registry, or of a batch some that lie evenly in it."""
    if name == "windows":
        hours = np.linspace(0, 8760 - 48, count or BATCHES[name]).astype(int)
        return [reference_program(hours=48, first_hour=int(hour), whole=8760) for hour in hours]
    if name == "sweep":
        chosen = np.linspace(0, SWEEP_YEARS - 1, min(count or BATCHES[name], SWEEP_YEARS)).astype(int)
        return [program_of(sweep_year(int(number))) for number in chosen]
    return [program_of(case_named(name))]


# --- tables and figure -----------------------------------------------------------------------------------------------


def floor_seconds(needs: Needs, product: float, division: float) -> float:
    """Least time of one step's arithmetic where nothing waits: half of the operations fuse in pairs at best."""
    return needs.operations / 2 * product + (needs.divisions + needs.rough_divisions / 4) * division


def show(one: Profile, bandwidth: float, product: float, division: float, console: Console) -> None:
    """The sweeps and the parts of one case."""
    clock = one.clock
    what = f"{one.programs} x {one.steps} steps" if one.programs > 1 else f"{one.steps} steps"
    table = Table(
        title=f"{one.name}: {what}, {one.iterations:.1f} iterations, {one.seconds:.3f} s with one thread, "
        f"{one.seconds_all_threads:.3f} s with {THREADS}; a sweep walks {one.megabytes:.1f} MB"
    )
    heads = ("sweep", "calls", "seconds", "ns/step", "bytes/step", "GB/s", "of triad", "flop/step", "divisions")
    for head in (*heads, "GFLOP/s", "arithmetic floor"):
        table.add_column(head, justify="left" if head == "sweep" else "right")
    for name in kernels.NAMES:
        needs, seconds, steps = one.needs[name], clock.seconds[name], clock.steps[name]
        each = seconds / steps
        table.add_row(
            name, str(clock.calls[name]), f"{seconds:.3f}", f"{1e9 * each:.0f}", str(needs.bytes),
            f"{needs.bytes / each / 1e9:.1f}", f"{needs.bytes / each / 1e9 / bandwidth:.0%}", str(needs.flops),
            f"{needs.divisions} + {needs.rough_divisions}", f"{needs.flops / each / 1e9:.1f}",
            f"{floor_seconds(needs, product, division) / each:.0%}",
        )  # fmt: skip
    console.print(table)
    total = clock.total
    sweeps = sum(clock.seconds[name] for name in kernels.NAMES)
    parts = Table(title=f"{one.name}: all parts, {total:.3f} processor seconds with one thread and clocks")
    for head in ("part", "seconds", "share", "calls", "us/program"):
        parts.add_column(head, justify="left" if head == "part" else "right")
    rows = [("sweeps", sweeps, sum(clock.calls[name] for name in kernels.NAMES))]
    others = [(part, seconds, clock.calls[part]) for part, seconds in clock.seconds.items()]
    rows += sorted((row for row in others if row[0] not in kernels.NAMES), key=lambda row: -row[1])
    for part, seconds, calls in rows:
        share = f"{seconds / total:.1%}"
        parts.add_row(part, f"{seconds:.3f}", share, str(calls), f"{1e6 * seconds / one.programs:.0f}")
    console.print(parts)


def main() -> int:
    """Measure the machine, then the cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "cases", nargs="*", default=list(CASES), help="year, year_15min, sizing_year, sweep, windows ..."
    )
    parser.add_argument("--count", type=int, help="programs of sweep and windows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plot", help="picture of the sweeps under the machine's roofs")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    product, division = vector_seconds()
    console.print(
        f"one core: {2 * LANES / product / 1e9:.1f} GFLOP/s of products with additions, "
        f"{1e9 * division:.1f} ns for {LANES} divisions"
    )
    near = 0.0
    for size in (1.0, 8.0, 64.0, 768.0):
        both = [triad_gigabytes(size * threads, threads) for threads in (1, THREADS)]
        near = max(near, both[0])
        console.print(
            f"triad over {size:g} MB for each thread: {both[0]:.1f} GB/s with one thread, {both[1]:.1f} with {THREADS}"
        )
    found = []
    for name in arguments.cases:
        one = profile(name, programs_of(name, arguments.count), arguments.repeats)
        bandwidth = triad_gigabytes(one.megabytes, 1)
        console.print(f"\n{name}: triad over {one.megabytes:.1f} MB: {bandwidth:.1f} GB/s")
        show(one, bandwidth, product, division, console)
        found.append((one, bandwidth))
    if arguments.plot:
        draw(found, near, 2 * LANES / product / 1e9, arguments.plot)
    return 0


def draw(found: list[tuple[Profile, float]], near: float, peak: float, path: str) -> None:
    """Sweeps under the machine's roofs (left), and what share of a case each part takes (right).

    `near` is the triad's GB/s within a core's own cache, `peak` the most GFLOP/s.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (roof, shares) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    intensity = np.geomspace(0.1, 10.0, 50)
    roof.loglog(intensity, np.minimum(near * intensity, peak), color="black", label="own cache, and arithmetic")
    for number, (one, bandwidth) in enumerate(found):
        colour = f"C{number}"
        roof.loglog(intensity, np.minimum(bandwidth * intensity, peak), color=colour, linestyle=":")
        for name, marker in zip(kernels.NAMES, "o^sv", strict=True):
            needs, each = one.needs[name], one.clock.seconds[name] / one.clock.steps[name]
            label = f"{one.name}, dotted: triad over {one.megabytes:.1f} MB" if name == kernels.NAMES[0] else None
            place = needs.flops / needs.bytes, needs.flops / each / 1e9
            roof.plot(*place, color=colour, marker=marker, linestyle="", label=label)
    roof.set(xlabel="operations per byte", ylabel="10^9 operations per second, one core", xlim=(0.1, 10.0))
    roof.set_title(
        "sweeps: " + ", ".join(f"{m} {n.replace('_', ' ')}" for m, n in zip("○△□▽", kernels.NAMES, strict=True)),
        fontsize=9,
    )
    roof.legend(fontsize=8, loc="lower right")
    names = [*kernels.NAMES, *dict.fromkeys(part for part, *_ in PARTS), "rest"]
    left = np.zeros(len(found))
    colours = plt.get_cmap("tab20").colors
    for colour, name in zip(colours, names, strict=False):
        share = np.array([100 * one.clock.seconds.get(name, 0.0) / one.clock.total for one, _ in found])
        shares.barh([one.name for one, _ in found], share, left=left, color=colour, label=name.replace("_", " "))
        left += share
    shares.invert_yaxis()
    shares.set(xlabel="% of the processor time of a solve", xlim=(0, 100))
    shares.legend(fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())

"""What a sweep is: a base scenario, what varies, and the list of cases that this makes, always in the same order.

    base: ../xining_6mw.yaml
    set: {horizon.days: 28}                       # for every case
    vary:
      battery.energy_kwh: [0, 3600, 7200]
      pv.capacity_kw: {from: 1000, to: 5000, count: 5}
      weather.seed: {from: 1, to: 20, step: 1}
      override: [null, no_battery]                # named overrides of the base
    zip:                                          # values that change together
      - {charging.fleets[0].sessions_per_day: [120, 240], charging.power_kw: [1200, 2400]}
    sample: {method: lhs, size: 1000, seed: 1}    # instead of the whole grid

Without `sample` the cases are the grid: every combination, the last key changing fastest. With it, they are points of
a Latin hypercube or of a scrambled Sobol sequence, one dimension per key of `vary` and per group of `zip`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError, model_validator

from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.scenario import Scenario, ScenarioFile, read_scenario_file
from vpp_sim.scenario.layers import reference_fault
from vpp_sim.yaml_lines import Path_, faults_from_validation, line_of, read_yaml

#: The key that stands for named overrides of the base instead of a path.
OVERRIDE = "override"
MOST_CASES = 1_000_000
#: Values of one key that are each tried on the base before a sweep begins; of longer lists, these many evenly spread.
TRIED_VALUES = 40


class Range(StrictModel):
    """Numbers from one end to the other, both included."""

    first: float = quantity("first value", alias="from")
    last: float = quantity("last value", alias="to")
    count: int | None = quantity("how many values", default=None, ge=2, le=MOST_CASES)
    step: float | None = quantity("distance of the values", default=None, gt=0)
    scale: Literal["linear", "log"] = quantity("even steps, or even ratios", default="linear")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.last <= self.first:
            raise ValueError(f"to: must be above from, {self.first:g}, got {self.last:g}")
        if self.count is not None and self.step is not None:
            raise ValueError("step: give count or step, not both")
        if self.step is not None and (steps := (self.last - self.first) / self.step) > MOST_CASES:
            raise ValueError(f"step: gives {steps:,.0f} values, at most {MOST_CASES:,}; take a larger step")
        if self.scale == "log" and (self.first <= 0 or self.step is not None):
            raise ValueError("scale: log needs a positive from, and count instead of step")
        return self

    @property
    def is_continuous(self) -> bool:
        """Whether any number between the ends may be drawn."""
        return self.count is None and self.step is None

    def at(self, share: NDArray[np.float64]) -> list[float]:
        """The numbers at shares in [0, 1] of the way from the first to the last."""
        if self.scale == "log":
            raw = self.first * (self.last / self.first) ** share
        else:
            raw = self.first + (self.last - self.first) * share
        return [_tidy(value) for value in raw]

    def listed(self) -> list[float]:
        """All values of a range with a count or a step."""
        if self.step is not None:
            whole = int((self.last - self.first) / self.step * (1 + 1e-12) + 1e-9)
            return [_tidy(self.first + position * self.step) for position in range(whole + 1)]
        return self.at(np.linspace(0.0, 1.0, self.count or 2))


class Sample(StrictModel):
    """How points are drawn from the space that `vary` and `zip` span."""

    method: Literal["lhs", "sobol"] = quantity("Latin hypercube, or scrambled Sobol sequence")
    size: int = quantity("number of cases", ge=1, le=MOST_CASES)
    seed: int = quantity("seed of the draw", default=0, ge=0)


class StudyModel(StrictModel):
    """The keys of a study file."""

    name: str = quantity("what the study is called", min_length=1, max_length=200)
    description: str = quantity("what it is to find out", default="")
    base: str = quantity("the scenario file that all cases change")
    override: tuple[str, ...] = quantity("named overrides of the base for every case", default=())
    settings: dict[str, Any] = quantity("values by path for every case", alias="set", default_factory=dict)
    vary: dict[str, list[Any] | Range] = quantity("values by path, a list or a range", default_factory=dict)
    groups: list[dict[str, list[Any] | Range]] = quantity(
        "groups of paths whose values change together", alias="zip", default_factory=list
    )
    sample: Sample | None = quantity("points drawn instead of the whole grid", default=None)
    baseline: bool = quantity("whether the uncontrolled site is run too, for the saving", default=True)
    series: bool = quantity("whether every case's time series is kept", default=False)


@dataclass(frozen=True)
class Axis:
    """One dimension of a study: its paths, and the values they take together; a continuous one has a range instead."""

    paths: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...] = ()
    range: Range | None = None

    def point(self, shares: NDArray[np.float64]) -> list[tuple[Any, ...]]:
        """The values at shares in [0, 1) of the axis."""
        if self.range is not None:
            return [(value,) for value in self.range.at(shares)]
        return [self.values[int(share * len(self.values))] for share in shares]

    def tried(self) -> list[tuple[Any, ...]]:
        """Values to try before a study begins."""
        if self.range is not None:
            return [(self.range.first,), (self.range.last,)]
        chosen = np.unique(np.linspace(0, len(self.values) - 1, min(len(self.values), TRIED_VALUES)).round())
        return [self.values[int(position)] for position in chosen]


@dataclass(frozen=True)
class Case:
    """One case of a study: its number, and what it changes; `values` are by path, in the order of the study."""

    number: int
    values: tuple[tuple[str, Any], ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """Names of overrides of the base."""
        return tuple(value for path, value in self.values if path == OVERRIDE and value is not None)

    @property
    def settings(self) -> tuple[str, ...]:
        """Texts `path=value` as `--set` takes them."""
        return tuple(setting(path, value) for path, value in self.values if path != OVERRIDE)


@dataclass(frozen=True, eq=False)
class Study:
    """A study file with its base: everything that a worker needs to run a case, small enough to be sent around."""

    model: StudyModel
    base: ScenarioFile
    settings: tuple[str, ...]
    axes: tuple[Axis, ...]
    #: SHA-256 of every data file that cases may read, by absolute path.
    files: Mapping[str, str]

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All cases, numbered from 0."""
        if self.model.sample is None:
            return tuple(self._grid())
        return tuple(self._sampled(self.model.sample))

    def _grid(self) -> list[Case]:
        counts = [len(axis.values) for axis in self.axes]
        places = (
            np.stack(np.unravel_index(np.arange(prod(counts)), counts), axis=1) if counts else np.zeros((1, 0), int)
        )
        return [
            self._case(number, [axis.values[place] for axis, place in zip(self.axes, row, strict=True)])
            for number, row in enumerate(places.tolist())
        ]

    def _sampled(self, sample: Sample) -> list[Case]:
        drawn = sampled_unit_cube(sample, len(self.axes))
        columns = [axis.point(drawn[:, number]) for number, axis in enumerate(self.axes)]
        return [self._case(number, list(row)) for number, row in enumerate(zip(*columns, strict=True))]

    def _case(self, number: int, chosen: Sequence[tuple[Any, ...]]) -> Case:
        pairs = [
            pair
            for axis, values in zip(self.axes, chosen, strict=True)
            for pair in zip(axis.paths, values, strict=True)
        ]
        return Case(number, tuple(pairs))

    def scenario(self, case: Case, *, check_files: bool = False) -> Scenario:
        """The scenario of a case.

        Raises:
            InputError: what the case asks for cannot be.
        """
        return self.base.scenario(
            overrides=(*self.model.override, *case.overrides),
            settings=(*self.settings, *case.settings),
            check_files=check_files,
            check_unused=False,
        )

    def is_numeric(self, path: str) -> bool:
        """Whether all values of a path are numbers."""
        for axis in self.axes:
            if path in axis.paths:
                position = axis.paths.index(path)
                return all(_is_number(values[position]) for values in axis.values)
        return False

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what follows from them is made anew where it is wanted."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides what the cases are: the study, its base, and the content of every data file."""
        text = json.dumps(
            {
                "study": self.model.model_dump(mode="json", by_alias=True, exclude={"description"}),
                "settings": self.settings,
                "base": self.base.layer.content,
                "files": dict(sorted(self.files.items())),
            },
            sort_keys=True,
            default=str,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def in_good_order(self) -> list[Case]:
        """The cases in an order in which neighbours are alike, for shared inputs and warm starts.

        What is read or drawn anew (seeds, weather, names) changes slowest; the numbers of the rest are halved again
        and again along their widest spread, so that every stretch of the order is a small box of the space.
        """
        cases = self.cases
        if not cases or not self.axes:
            return list(cases)
        paths = [path for axis in self.axes for path in axis.paths]
        columns = [[case.values[position][1] for case in cases] for position in range(len(paths))]
        slow, fast = [], []
        for path, column in zip(paths, columns, strict=True):
            numeric = all(_is_number(value) for value in column)
            if numeric and not _changes_inputs(path):
                numbers = np.array(column, dtype=np.float64)
                span = float(np.ptp(numbers))
                fast.append((numbers - numbers.min()) / span if span else np.zeros(len(cases)))
            else:
                ranks = {text: rank for rank, text in enumerate(sorted({_text(value) for value in column}))}
                slow.append(np.array([ranks[_text(value)] for value in column]))
        slow.sort(key=lambda ranks: int(ranks.max()))
        keys = np.stack(slow, axis=1) if slow else np.zeros((len(cases), 1), dtype=np.int64)
        _, group = np.unique(keys, axis=0, return_inverse=True)
        place = np.stack(fast, axis=1) if fast else np.zeros((len(cases), 1))
        ordered: list[int] = []
        by_group = np.argsort(group, kind="stable")
        for members in np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1):
            ordered.extend(_halved(members, place))
        return [cases[number] for number in ordered]


def load_study(
    path: str | Path, *, settings: Sequence[str] = (), series: bool | None = None, baseline: bool | None = None
) -> Study:
    """A study from its file, every key and value tried on the base.

    `settings` are further `path=value` texts for every case; `series` and `baseline` override the file's where given.

    Raises:
        InputError: every fault found, at its line of the study or of the base.
    """
    path = Path(path)
    content, lines = read_yaml(path)
    if "components" in content and "base" not in content:
        raise InputError(Fault(f"is a scenario, not a study; a study names it as base: {path.name}", file=str(path)))
    content = {key: value for key, value in content.items() if not str(key).startswith("x-")}
    try:
        model = TypeAdapter(StudyModel).validate_python(content)
    except ValidationError as error:
        raise InputError(faults_from_validation(error, lines, str(path), model=StudyModel)) from None
    chosen = {"series": series, "baseline": baseline}
    model = model.model_copy(update={key: value for key, value in chosen.items() if value is not None})
    base_path = path.parent / model.base
    if (problem := reference_fault(model.base, path.parent)) is not None:
        raise InputError(Fault(problem, path="base", file=str(path), line=line_of(("base",), lines)))
    reader = _Trying(model, path, lines, read_scenario_file(base_path), tuple(settings))
    return reader.study()


class _Trying:
    """Makes the axes of a study and tries every value on the base, collecting faults with their lines."""

    def __init__(
        self, model: StudyModel, path: Path, lines: Mapping[Path_, int], base: ScenarioFile, more: tuple[str, ...]
    ) -> None:
        self.model, self.path, self.lines, self.base = model, path, lines, base
        self.settings = (*(setting(key, value) for key, value in model.settings.items()), *more)
        self.faults: dict[Fault, None] = {}
        self.files: set[Path] = set()

    def study(self) -> Study:
        axes = [self._axis(("vary",), {key: values}) for key, values in self.model.vary.items()]
        axes += [self._axis(("zip", position), group) for position, group in enumerate(self.model.groups)]
        self._no_path_twice()
        self._raise()
        size = self.model.sample.size if self.model.sample else prod(len(axis.values) for axis in axes if axis)
        if size > MOST_CASES:
            self._fault((), f"{size:,} cases, at most {MOST_CASES:,}; use shorter lists, or sample: {{size: ...}}")
        self._raise()
        found = tuple(axis for axis in axes if axis is not None)
        study = Study(self.model, self.base, self.settings, found, {})
        self._try(study, Case(0, ()), ("set",))
        self._raise()
        for axis in found:
            for values in axis.tried():
                self._try(study, Case(0, tuple(zip(axis.paths, values, strict=True))), self._place_of(axis))
        self._raise()
        return replace(study, files={str(file.resolve()): _sha256(file) for file in sorted(self.files)})

    def _fault(self, path: Path_, message: str) -> None:
        shown = ".".join(str(part) for part in path)
        self.faults[Fault(message, path=shown, file=str(self.path), line=line_of(path, self.lines))] = None

    def _raise(self) -> None:
        if self.faults:
            raise InputError(self.faults)

    def _axis(self, above: Path_, group: Mapping[str, list[Any] | Range]) -> Axis | None:
        columns: dict[str, list[Any]] = {}
        for key, values in group.items():
            if isinstance(values, Range) and values.is_continuous:
                if self.model.sample is not None and above == ("vary",):
                    return Axis((key,), range=values)
                self._fault((*above, key), "a range needs count or step here")
                return None
            columns[key] = values.listed() if isinstance(values, Range) else list(values)
            if not columns[key]:
                self._fault((*above, key), "needs at least one value")
        lengths = {key: len(values) for key, values in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            self._fault(above, f"values that change together must be as many: {listed}")
        if self.faults or not columns:
            if not columns:
                self._fault(above, "a group needs at least one path")
            return None
        return Axis(tuple(columns), tuple(zip(*columns.values(), strict=True)))

    def _no_path_twice(self) -> None:
        seen = dict.fromkeys(self.model.vary, "vary")
        for position, group in enumerate(self.model.groups):
            for key in group:
                if key in seen:
                    self._fault(("zip", position, key), f"stands in {seen[key]} already; a path can vary in one place")
                seen[key] = f"zip[{position}]"

    def _place_of(self, axis: Axis) -> Path_:
        for position, group in enumerate(self.model.groups):
            if tuple(group) == axis.paths:
                return ("zip", position)
        return ("vary", axis.paths[0])

    def _try(self, study: Study, case: Case, place: Path_) -> None:
        try:
            scenario = study.scenario(case, check_files=True)
        except InputError as error:
            # what only clashes with another value of the base may be right in other cases, and is told there if not
            alone = [fault for fault in error.faults if place[0] == "set" or not fault.file]
            for fault in alone:
                self.faults[self._as_of_the_study(fault, place)] = None
            return
        self.files.update(scenario.files())

    def _as_of_the_study(self, fault: Fault, place: Path_) -> Fault:
        """A fault of a setting at the study's line instead of at a `--set` that nobody typed."""
        if fault.file or not (fault.path.startswith("--") or not fault.path):
            return fault
        if fault.path == "--override" and place[0] == "set":
            return Fault(fault.message, "override", str(self.path), line_of(("override",), self.lines))
        path = fault.path.removeprefix("--set ").removeprefix("--")
        if any(path.startswith(text.partition("=")[0]) for text in self.settings) and place[0] != "set":
            return fault
        at = (*place, path) if (*place, path) in self.lines else place
        return Fault(fault.message, f"{place[0]}.{path}", str(self.path), line_of(at, self.lines))


def sampled_unit_cube(sample: Sample, dimensions: int) -> NDArray[np.float64]:
    """Points in [0, 1)^dimensions, (size, dimensions); the same for the same seed."""
    from scipy.stats import qmc

    if dimensions == 0:
        return np.zeros((sample.size, 0))
    maker = qmc.LatinHypercube if sample.method == "lhs" else qmc.Sobol
    random = np.random.default_rng(sample.seed)
    try:
        sequence = maker(dimensions, rng=random)
    except TypeError:  # before SciPy 1.15
        sequence = maker(dimensions, seed=random)
    # a Sobol sequence is balanced at powers of two; a shorter one is its beginning
    size = sample.size if sample.method == "lhs" else 1 << (sample.size - 1).bit_length()
    drawn = sequence.random(size)[: sample.size]
    return np.minimum(np.asarray(drawn, dtype=np.float64), np.nextafter(1.0, 0.0))


def setting(path: str, value: Any) -> str:
    """A value as `--set` takes it.

    >>> setting("battery.energy_kwh", 3600), setting("weather", {"source": "climate", "seed": 2})
    ('battery.energy_kwh=3600', 'weather={"source": "climate", "seed": 2}')
    """
    return f"{path}={_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, dt.date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def version() -> str:
    """Version of the installed package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("vpp-sim")
    except PackageNotFoundError:
        return "(not installed)"


def _tidy(value: float) -> float | int:
    """A number to ten digits, whole where it is."""
    rounded = float(f"{value:.10g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _changes_inputs(path: str) -> bool:
    """Whether a path is likely to change what is read or drawn, and not only bounds and prices."""
    first, last = path.split(".")[0], path.split(".")[-1]
    return last == "seed" or first in ("weather", "site", "horizon")


def _halved(members: NDArray[np.int64], place: NDArray[np.float64]) -> list[int]:
    """Members in the order of a tree that halves them along their widest spread again and again."""
    if members.size <= 2:
        return [int(member) for member in members]
    inside = place[members]
    axis = int(np.argmax(np.ptp(inside, axis=0)))
    ordered = members[np.argsort(inside[:, axis], kind="stable")]
    if np.ptp(inside[:, axis]) == 0.0:
        return [int(member) for member in ordered]
    middle = ordered.size // 2
    return [*_halved(ordered[:middle], place), *_halved(ordered[middle:], place)]


def _sha256(file: Path) -> str:
    if not file.is_file():
        return "absent"
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

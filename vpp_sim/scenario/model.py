"""What a scenario is: one site over one horizon, with everything that a dispatch needs, frozen."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, field_validator, model_validator

from vpp_sim.components.base import Component, Context, Inputs
from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.lp.solvers import solver_by_name
from vpp_sim.policies import shipped_documents
from vpp_sim.scenario.economics import Economics
from vpp_sim.scenario.layers import Layer, parsed_path, with_references
from vpp_sim.scenario.plausible import economic_notes, plausibility_notes
from vpp_sim.scenario.policy import Policy
from vpp_sim.scenario.targets import Target
from vpp_sim.time_grid import STEP_MINUTES, TimeGrid, known_zone
from vpp_sim.units import HOURS_PER_DAY, MINUTES_PER_HOUR
from vpp_sim.weather import Site, Weather, WeatherSource, read_weather, source_files

if TYPE_CHECKING:
    from vpp_sim.policies import PolicyDocument
    from vpp_sim.tariffs import Tariff

#: Above this difference between a zone's clock and the sun a remark is due; Kashgar on Beijing time is 3 h.
CLOCK_AGAINST_SUN_HOURS = 3.5
DEGREES_PER_HOUR = 15.0


class Horizon(StrictModel):
    """The span of time that is simulated."""

    start: dt.datetime = quantity("first step: a date, or a local time such as 2025-01-01 06:00")
    days: int = quantity("length in local calendar days", unit="d", ge=1, le=3660)
    step_minutes: Literal[5, 10, 15, 30, 60] = quantity("length of a step", unit="min", default=60)
    timezone: str = quantity("IANA name of the local time zone, e.g. Asia/Shanghai")

    @field_validator("start", mode="before")
    @classmethod
    def _local_start(cls, value: object) -> dt.datetime:
        wanted = f"must be a date such as 2025-01-01 or a local time such as 2025-01-01 06:00, got {value!r}"
        if isinstance(value, str):
            try:
                value = dt.datetime.fromisoformat(value)
            except ValueError:
                raise ValueError(wanted) from None
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            value = dt.datetime.combine(value, dt.time())
        if not isinstance(value, dt.datetime):
            raise ValueError(wanted)
        if value.tzinfo is not None:
            raise ValueError(f"must be local time without an offset, got {value}; the zone stands in timezone")
        if not 1950 <= value.year <= 2200:
            raise ValueError(f"must lie in the years 1950 to 2200, got {value.year}")
        return value

    @field_validator("step_minutes", mode="before")
    @classmethod
    def _known_step(cls, value: object) -> object:
        if isinstance(value, bool) or value not in STEP_MINUTES:
            raise ValueError(f"must be one of {', '.join(map(str, STEP_MINUTES))} min, got {value}")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return known_zone(name)

    @model_validator(mode="after")
    def _start_on_a_step(self) -> Self:
        into_hour = dt.timedelta(minutes=self.start.minute, seconds=self.start.second)
        if into_hour % dt.timedelta(minutes=self.step_minutes) or self.start.microsecond:
            raise ValueError(f"start: must lie on a step of {self.step_minutes} min, got {self.start:%H:%M:%S}")
        return self

    def time_grid(self) -> TimeGrid:
        """The axis; its end is `days` calendar days later, so that a day of 23 or 25 hours is whole."""
        zone = ZoneInfo(self.timezone)
        end = (self.start + dt.timedelta(days=self.days)).replace(tzinfo=zone)
        span = end.astimezone(dt.UTC) - self.start.replace(tzinfo=zone).astimezone(dt.UTC)
        return TimeGrid(self.start, self.step_minutes, span // dt.timedelta(minutes=self.step_minutes), self.timezone)


class DispatchOptions(StrictModel):
    """How the best operation is found."""

    strategy: Literal["optimal"] = quantity("perfect foresight over the whole horizon", default="optimal")
    solver: str = quantity("solver of the linear program: auto, highs, structured, or pulp:NAME", default="auto")
    time_limit_seconds: float | None = quantity("longest time for one solve", unit="s", default=None, gt=0)
    exact: bool = quantity(
        "never charge and discharge, or import and export, in one step, by binaries where it would pay; HiGHS "
        "only, for 300 s where no time limit is given, and the gap that is left is told",
        default=False,
    )

    @field_validator("solver")
    @classmethod
    def _known_solver(cls, name: str) -> str:
        solver_by_name(name)
        return name


class Frame(StrictModel):
    """The keys of a scenario file besides its components; a file may also have keys that begin with `x-`."""

    name: str = quantity("what the site is called", min_length=1, max_length=200)
    description: str = quantity("what it is for, in a sentence or two", default="")
    currency: str = quantity("currency of all money, three letters, e.g. CNY")
    horizon: Horizon = quantity("the span of time that is simulated")
    site: Site = quantity("where the site stands")
    weather: WeatherSource = quantity("where sun and temperature come from")
    tariff: str | dict[str, Any] = quantity("a tariff's name, a file, or a tariff written out")
    components: dict[Any, Any] = quantity("the components of the site by name")
    targets: dict[str, Target] = quantity("what the site is to reach over the horizon, by name", default_factory=dict)
    dispatch: DispatchOptions = quantity("how the best operation is found", default_factory=DispatchOptions)
    economics: Economics = quantity("money over years", default_factory=Economics)
    policy: Policy = quantity("rules the site is held against, and green certificates", default_factory=Policy)
    extends: str | None = quantity("a scenario file that this one changes", default=None)
    overrides: dict[str, dict[str, Any]] = quantity(
        "named changes to this scenario, applied with --override NAME", default_factory=dict
    )

    @field_validator("currency")
    @classmethod
    def _three_letters(cls, word: str) -> str:
        if not re.fullmatch(r"[A-Z]{3}", word):
            raise ValueError(f"must be three capital letters such as CNY, got {word!r}")
        return word

    @field_validator("targets")
    @classmethod
    def _plain_names(cls, targets: dict[str, Target]) -> dict[str, Target]:
        wrong = [name for name in targets if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]
        if wrong:
            raise ValueError(
                f"a target's name must be lower-case letters, digits and _, beginning with a letter, got {wrong[0]!r}"
            )
        return targets


class _Lazy:
    """What a scenario reads once and shares with its variants of the same place and time."""

    grid: TimeGrid | None = None
    weather: Weather | None = None


@dataclass(frozen=True, eq=False)
class Scenario:
    """One site over one horizon, as `load_scenario` makes it: checked as far as can be without reading series.

    Two scenarios are equal when `to_mapping` says the same, wherever they were loaded from.
    """

    name: str
    description: str
    currency: str
    horizon: Horizon
    site: Site
    weather: Any
    tariff: Tariff
    components: dict[str, Component]
    dispatch: DispatchOptions
    economics: Economics
    base_dir: Path
    source: Path | None = None
    targets: dict[str, Target] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    #: The policy documents that the site is held against.
    documents: tuple[PolicyDocument, ...] = ()
    #: The text this was read from, for faults that show only when files are read.
    layer: Layer = field(default_factory=lambda: Layer({}), repr=False)
    _lazy: _Lazy = field(default_factory=_Lazy, repr=False)

    @property
    def grid(self) -> TimeGrid:
        """The time axis."""
        if self._lazy.grid is None:
            self._lazy.grid = self.horizon.time_grid()
        return self._lazy.grid

    def read_weather(self) -> Weather:
        """The weather on the time axis; read once.

        Raises:
            InputError: a file that is absent or cannot be used.
        """
        if self._lazy.weather is None:
            try:
                self._lazy.weather = read_weather(self.weather, self.grid, self.site, self.base_dir)
            except InputError as error:
                raise InputError([self._placed(fault, "weather") for fault in error.faults]) from None
        return self._lazy.weather

    @property
    def weather_notes(self) -> tuple[str, ...]:
        """Remarks on the weather, where anything has asked for it."""
        return () if self._lazy.weather is None else tuple(f"weather: {note}" for note in self._lazy.weather.notes)

    def context(self) -> Context:
        """The outside as components see it."""
        return Context(self.grid, self.site, self.tariff, self.base_dir, self.read_weather)

    def read_inputs(self) -> dict[str, Inputs]:
        """Everything that components read from outside, by component.

        Raises:
            InputError: every fault of every component, at its line of the scenario file.
        """
        context = self.context()
        found: dict[str, Inputs] = {}
        faults: dict[Fault, None] = {}
        for name, component in self.components.items():
            try:
                found[name] = component.inputs(context)
            except InputError as error:
                faults.update(dict.fromkeys(self._placed(fault, "components", name) for fault in error.faults))
        if faults:
            raise InputError(faults)
        for name, notes in plausibility_notes(self.components, found).items():
            found[name] = replace(found[name], notes=(*found[name].notes, *notes))
        return found

    def _placed(self, fault: Fault, *above: str) -> Fault:
        """A fault of a reader, at the place in the scenario that asked for the reading; others stay as they are."""
        if fault.file or (fault.path.startswith(("weather", "--set ")) and above[0] != "weather"):
            return fault
        inside = parsed_path(fault.path)
        if inside[:1] == (above[-1],):
            inside = inside[1:]
        return self.layer.fault((*above, *inside), fault.message)

    def files(self) -> tuple[Path, ...]:
        """Every data file that a run reads, each once."""
        listed = list(source_files(self.weather, self.base_dir))
        listed += self.tariff.files(self.base_dir)
        for component in self.components.values():
            listed += component.files(self.base_dir)
        return tuple(dict.fromkeys(listed))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Remarks on what is allowed but unusual."""
        zone = ZoneInfo(self.horizon.timezone)
        year = self.horizon.start.year
        offsets = [dt.datetime(year, month, 1, tzinfo=zone).utcoffset() or dt.timedelta() for month in (1, 7)]
        hours = min(offsets).total_seconds() / (MINUTES_PER_HOUR * 60)
        apart = (hours - self.site.longitude / DEGREES_PER_HOUR + HOURS_PER_DAY / 2) % HOURS_PER_DAY - HOURS_PER_DAY / 2
        notes = economic_notes(self)
        if abs(apart) > CLOCK_AGAINST_SUN_HOURS:
            notes.append(
                f"site.longitude {self.site.longitude:g} deg and {self.horizon.timezone} (UTC{hours:+g} h) are "
                f"{abs(apart):.1f} h apart; check the sign of the longitude and the time zone"
            )
        return tuple(notes)

    def to_mapping(self) -> dict[str, Any]:
        """The scenario as resolved, plain data: nothing left to inherit or to look up, paths of files absolute.

        `scenario_from_mapping` makes an equal scenario of it.
        """
        mapping = {
            "name": self.name,
            "description": self.description,
            "currency": self.currency,
            "horizon": self.horizon,
            "site": self.site,
            "weather": self.weather,
            "tariff": self.tariff,
            "components": self.components,
            "targets": self.targets,
            "dispatch": self.dispatch,
            "economics": self.economics,
            "policy": self.policy.model_copy(update={"documents": self._documents_as_written()}),
        }
        plain = {key: _plain(value) for key, value in mapping.items()}
        absolute: dict[str, Any] = with_references(plain, lambda path: str((self.base_dir / path).resolve()))
        return absolute

    def _documents_as_written(self) -> list[str | PolicyDocument] | None:
        """Documents by name where they come with the package, else whole."""
        if self.policy.documents is None:
            return None
        shipped = shipped_documents()
        return [document.name if document.name in shipped else document for document in self.documents]

    def digest(self) -> str:
        """SHA-256 of `to_mapping`; the same for equal scenarios."""
        text = json.dumps(self.to_mapping(), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def with_targets(self, targets: Mapping[str, Target]) -> Scenario:
        """The same site with these targets and no others."""
        return replace(self, targets=dict(targets))

    def with_weather(self, weather: Weather) -> Scenario:
        """The same scenario with its weather read already, e.g. by another one of the same place, time and source."""
        lazy = _Lazy()
        lazy.grid, lazy.weather = self.grid, weather
        return replace(self, _lazy=lazy)

    def replace_components(self, components: Mapping[str, Component]) -> Scenario:
        """The same site with these components; the weather is not read again."""
        return replace(self, components=dict(components))

    def with_components(self, **components: Component | None) -> Scenario:
        """The same site with some components replaced or added, or (None) taken away."""
        kept = {name: part for name, part in {**self.components, **components}.items() if part is not None}
        return self.replace_components(kept)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.to_mapping() == other.to_mapping()

    def __hash__(self) -> int:
        return hash(self.digest())


def _plain(value: Any) -> Any:
    """Models and containers as plain data that YAML can hold."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {fields[name].alias or name: _plain(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {key if isinstance(key, int) else str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, frozenset | set):
        return sorted(_plain(entry) for entry in value)
    if isinstance(value, dt.time):
        return value.isoformat(timespec="minutes")
    if isinstance(value, Path):
        return str(value)
    return value

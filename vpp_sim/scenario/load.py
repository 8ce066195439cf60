"""From YAML to a Scenario, or to every fault with its line.

file -> layers (extends, overrides, settings) -> one mapping with the place of each value -> models -> Scenario
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from vpp_sim.components import REGISTRY
from vpp_sim.components.base import Component
from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.policies import PolicyDocument
from vpp_sim.scenario.layers import (
    Layer,
    Place,
    file_references,
    is_file_name,
    is_foreign,
    merged,
    parsed_path,
    reference_fault,
    with_references,
)
from vpp_sim.scenario.model import Frame, Scenario
from vpp_sim.scenario.policy import with_rules
from vpp_sim.scenario.settings import TOP_KEYS, override_faults, with_overrides, with_settings
from vpp_sim.scenario.targets import Target
from vpp_sim.tariffs import Tariff, load_tariff
from vpp_sim.yaml_lines import Path_, faults_from_validation, read_yaml

#: Names that mean something else in results and in settings.
RESERVED_NAMES = frozenset({"bus", *TOP_KEYS})
_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Names of components are parts of file names, which most systems allow 255 bytes.
LONGEST_NAME = 100
_PRIVATE = "x-"


def load_scenario(
    path: str | Path, *, overrides: Sequence[str] = (), settings: Sequence[str] = (), check_files: bool = True
) -> Scenario:
    """The scenario of a YAML file, with its base files, the named overrides and then the settings applied.

    Checks everything that can be checked without reading series: keys, values, names, the tariff, and that every
    file is there.

    Args:
        path: the file.
        overrides: names from the file's `overrides`, applied in order.
        settings: texts such as `battery.energy_kwh=8000`, applied in order; the value is YAML.
        check_files: whether every file referred to must be there; a run that was moved can do without.

    Raises:
        InputError: every fault found, with file and line.
    """
    return read_scenario_file(path).scenario(overrides=overrides, settings=settings, check_files=check_files)


@dataclass(frozen=True)
class ScenarioFile:
    """A scenario file read once, with those it extends, for many scenarios that differ in overrides and settings."""

    path: Path
    layer: Layer
    #: Tariffs that were read already, by what the scenario says under `tariff`.
    tariffs: dict[str, Tariff] = field(default_factory=dict, repr=False, compare=False)

    def scenario(
        self,
        *,
        overrides: Sequence[str] = (),
        settings: Sequence[str] = (),
        check_files: bool = True,
        check_unused: bool = True,
    ) -> Scenario:
        """What `load_scenario` gives; without `check_unused`, faults inside overrides that are not asked for pass.

        Raises:
            InputError: every fault found, with file and line.
        """
        folder = self.path.parent
        chosen, unknown = with_overrides(self.layer, overrides)
        chosen, wrong = with_settings(chosen, settings, folder)
        faults = [*override_faults(self.layer), *unknown, *wrong]
        scenario = _Loading(chosen, folder, self.path, faults, check_files, self.tariffs).scenario()
        if check_unused:
            faults += _faults_of_unused_overrides(self, overrides, faults)
        if scenario is None or faults:
            raise InputError(dict.fromkeys(faults))
        return scenario


def read_scenario_file(path: str | Path) -> ScenarioFile:
    """A scenario file and the files it extends, as text that has not been checked yet.

    Raises:
        InputError: a file that cannot be read, or that extends itself.
    """
    return ScenarioFile(Path(path), _with_bases(Path(path), ()))


def scenario_from_mapping(
    mapping: Mapping[str, Any],
    *,
    base_dir: str | Path,
    file: str = "",
    lines: Mapping[Path_, int] | None = None,
) -> Scenario:
    """The scenario of plain data as a scenario file holds it, without `extends` and with `overrides` unused.

    Args:
        mapping: the content, e.g. of `Scenario.to_mapping`.
        base_dir: folder that relative paths start from.
        file: name that faults carry.
        lines: from `read_yaml`, for faults.

    Raises:
        InputError: every fault found.
    """
    layer = Layer.of_file(dict(mapping), lines or {}, file).without("overrides")
    faults: list[Fault] = []
    if layer.content.get("extends") is not None:
        faults.append(layer.fault(("extends",), "only a file can extend another; use load_scenario"))
    scenario = _Loading(layer, Path(base_dir), None, faults).scenario()
    if scenario is None or faults:
        raise InputError(dict.fromkeys(faults))
    return scenario


def _with_bases(path: Path, above: tuple[tuple[Path, Path], ...]) -> Layer:
    """A file laid on the chain of files it extends; `above` are the files that led here, as named and resolved."""
    content, lines = read_yaml(path)
    if not above and (other := _other_document(content)) is not None:
        raise InputError(Fault(other, file=str(path), line=1))
    layer = Layer.of_file({key: value for key, value in content.items() if not _is_private(key)}, lines, str(path))
    reference = layer.content.get("extends")
    layer = layer.without("extends")
    if reference is None:
        return layer
    here = layer.place(()).file
    line = lines.get(("extends",))

    def refuse(message: str) -> InputError:
        return InputError(Fault(message, path="extends", file=here, line=line))

    if not isinstance(reference, str):
        raise refuse(f"must be the path of a scenario file, got {reference!r}")
    if (problem := reference_fault(reference, path.parent)) is not None:
        raise refuse(problem)
    base_path = path.parent / reference
    chain = (*above, (path, path.resolve()))
    if base_path.resolve() in [resolved for _, resolved in chain]:
        names = " -> ".join(str(named) for named, _ in chain)
        raise refuse(f"goes round in a circle: {names} -> {base_path}; take one `extends` out")
    base = _with_bases(base_path, chain)
    if base_path.resolve().parent != path.resolve().parent:
        base = Layer(_rebased(base.content, os.path.dirname(reference)), base.places)
    return merged(base, layer)


def _other_document(content: Mapping[str, Any]) -> str | None:
    """What a file is that is no scenario, and what to do with it."""
    if content.keys() & {"components", "extends"}:
        return None
    if {"vary", "zip", "base"} & content.keys():
        return "is a study, not a scenario; run it with `vpp-sim sweep`, or give the scenario that it names as base"
    if "energy" in content:
        return "is a tariff, not a scenario; a scenario names it as tariff: FILE"
    return None


def _is_private(key: object) -> bool:
    return isinstance(key, str) and key.startswith(_PRIVATE)


def _rebased(content: dict[str, Any], folder: str) -> dict[str, Any]:
    """Content of a base file in another folder, with its references as seen from the file that extends it."""

    def seen_from_here(reference: str) -> str:
        return reference if is_foreign(reference) else os.path.join(folder, reference)

    moved: dict[str, Any] = with_references(content, seen_from_here)
    return moved


def _faults_of_unused_overrides(file: ScenarioFile, used: Sequence[str], known: Sequence[Fault]) -> list[Fault]:
    """Wrong keys and values inside overrides that were not asked for, which would otherwise stay unseen.

    An override may build on another one, so what seems missing under it alone is no fault.
    """
    layer = file.layer
    overrides = layer.content.get("overrides")
    found: dict[Fault, None] = {}
    for name, change in overrides.items() if isinstance(overrides, dict) else ():
        if name in used or not isinstance(change, dict):
            continue
        faults: list[Fault] = []
        _Loading(with_overrides(layer, [name])[0], file.path.parent, None, faults, tariffs=file.tariffs).scenario()
        own = {(place.file, place.line) for path, place in layer.places.items() if path[:2] == ("overrides", name)}
        found.update(
            dict.fromkeys(
                fault for fault in faults if (fault.file, fault.line) in own and not fault.message.startswith("missing")
            )
        )
    return [fault for fault in found if fault not in known]


@dataclass
class _Loading:
    """One pass over a merged layer; collects faults instead of stopping at the first."""

    layer: Layer
    base_dir: Path
    source: Path | None
    faults: list[Fault] = field(default_factory=list)
    check_files: bool = True
    tariffs: dict[str, Tariff] = field(default_factory=dict)

    def scenario(self) -> Scenario | None:
        """The scenario, or None where a fault was found."""
        before = len(self.faults)
        content = self.layer.content
        frame_content = {key: value for key, value in content.items() if not _is_private(key)}
        frame: Frame | None = self._validated(Frame, frame_content, ())
        components = self._components(content.get("components"))
        tariff = self._tariff(content.get("tariff"))
        if self.check_files:
            self._check_references()
        if frame is not None and tariff is not None and tariff.currency != frame.currency:
            self._fault(
                ("currency",),
                f"is {frame.currency}, but the tariff is in {tariff.currency}; choose a tariff in {frame.currency}",
            )
        if frame is None or tariff is None or len(self.faults) > before:
            return None
        documents, targets = self._rules(frame)
        if len(self.faults) > before:
            return None
        return Scenario(
            name=frame.name,
            description=frame.description,
            currency=frame.currency,
            horizon=frame.horizon,
            site=frame.site,
            weather=frame.weather,
            tariff=tariff,
            components=components,
            dispatch=frame.dispatch,
            economics=frame.economics,
            base_dir=self.base_dir,
            source=self.source,
            targets=targets,
            policy=frame.policy,
            documents=documents,
            layer=self.layer,
        )

    def _rules(self, frame: Frame) -> tuple[tuple[PolicyDocument, ...], dict[str, Target]]:
        """The policy documents of the scenario, and its targets with those that are rules filled in."""
        try:
            documents = frame.policy.read_documents(frame.horizon.timezone, self.base_dir)
        except InputError as error:
            for fault in error.faults:
                path = parsed_path(fault.path)
                self.faults.append(fault if fault.file else self.layer.fault(path, fault.message))
            return (), {}
        targets, wrong = with_rules(frame.targets, documents, frame.policy, frame.horizon.start.year)
        for fault in wrong:
            self._fault(parsed_path(fault.path), fault.message)
        return documents, targets

    def _fault(self, path: Path_, message: str) -> None:
        self.faults.append(self.layer.fault(path, message))

    def _validated(self, model: type[BaseModel], content: Any, above: Path_) -> Any:
        """The model of some content, or None and faults."""
        try:
            return model.model_validate(content)
        except ValidationError as error:
            # lines are stood for by numbers of places, since a value may come from any file or from a setting
            numbered: dict[Path_, int] = {path: number for number, path in enumerate(self.layer.places)}
            paths: list[Path_] = list(self.layer.places)
            for fault in faults_from_validation(error, numbered, "", above, model=model):
                place = self.layer.places[paths[fault.line]] if fault.line is not None else Place()
                shown = ("--set " if place.setting else "") + fault.path.removeprefix("components.")
                self.faults.append(Fault(fault.message, path=shown, file=place.file, line=place.line))
            return None

    def _components(self, content: object) -> dict[str, Component]:
        found: dict[str, Component] = {}
        if not isinstance(content, dict):
            return found  # told with the frame
        first_of_kind: dict[str, str] = {}
        for name, part in content.items():
            path = ("components", name)
            self._check_name(name, path)
            kind = self._kind(part, path)
            if kind is None:
                continue
            if kind.exactly_one and first_of_kind.setdefault(part["kind"], name) != name:
                self._fault(path, f"a second {part['kind']} beside {first_of_kind[part['kind']]}; keep one")
            component = self._validated(kind, part, path)
            if component is not None:
                found[name] = component
        for word, kind in REGISTRY.items():
            if kind.exactly_one and word not in first_of_kind:
                self._fault(("components",), f"missing: one of kind {word}; add {word}: {{kind: {word}, ...}}")
        return found

    def _check_name(self, name: object, path: Path_) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._fault(path, "a component's name must be lower-case letters, digits and _, beginning with a letter")
        elif len(name) > LONGEST_NAME:
            self._fault(path, f"a component's name must be at most {LONGEST_NAME} letters, got {len(name)}")
        elif name in RESERVED_NAMES:
            self._fault(path, f"the name {name} is reserved; call the component something else")

    def _kind(self, part: object, path: Path_) -> type[Component] | None:
        known = ", ".join(sorted(REGISTRY))
        if not isinstance(part, dict):
            got = "nothing" if part is None else repr(part)
            self._fault(path, f"must be a mapping with kind: one of {known}, got {got}")
            return None
        word = part.get("kind")
        if word is None:
            hint = f"write kind: {path[-1]}" if path[-1] in REGISTRY else f"one of {known}"
            self._fault(path, f"missing: kind; {hint}")
            return None
        if not isinstance(word, str) or word not in REGISTRY:
            close = nearest(str(word), REGISTRY)
            hint = f"did you mean {close}? " if close else ""
            place = self.layer.place((*path, "kind"))
            shown = self.layer.fault(path, "").path
            self.faults.append(Fault(f"unknown kind '{word}'; {hint}one of {known}", shown, place.file, place.line))
            return None
        return REGISTRY[word]

    def _tariff(self, content: object) -> Tariff | None:
        if not isinstance(content, str | dict):
            return None  # told with the frame
        words = repr(content)
        if (known := self.tariffs.get(words)) is not None:
            return known
        try:
            return self.tariffs.setdefault(words, load_tariff(content, self.base_dir))
        except InputError as error:
            if not isinstance(content, str) or not is_file_name(content) or (self.base_dir / content).is_file():
                for fault in error.faults:
                    path = parsed_path(fault.path)
                    path = path if path[:1] == ("tariff",) else ("tariff", *path)
                    self.faults.append(fault if fault.file else self.layer.fault(path, fault.message))
            return None

    def _check_references(self) -> None:
        """Every reference to a file must be a file, named in a way that works on other machines too."""
        named = {
            key: self.layer.content[key]
            for key in ("weather", "tariff", "components", "policy")
            if key in self.layer.content
        }
        for path, reference in file_references(named):
            if (problem := reference_fault(reference, self.base_dir)) is not None:
                self._fault(path, problem)

"""Scenario text in layers: base files, named overrides, settings; each value knows its place.

Mappings merge deeply, everything else is replaced. `null` takes a key of the layer below away (a component, or a
parameter, which so falls back to its default). A mapping that names another form than the one below (another `kind`,
`source`, `generator` or `model`, or a file in the place of one of the latter) replaces it whole, for their keys differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vpp_sim.errors import Fault, nearest
from vpp_sim.yaml_lines import Path_, dotted_path

_FORMS = ("kind", "source", "generator", "model")


@dataclass(frozen=True)
class Place:
    """Where a value was written: a line of a file, or a setting on the command line (no file)."""

    file: str = ""
    line: int | None = None
    setting: bool = False


@dataclass(frozen=True)
class Layer:
    """Plain content, and the place of its keys and list entries by path."""

    content: dict[str, Any]
    places: dict[Path_, Place] = field(default_factory=dict)

    @classmethod
    def of_file(cls, content: dict[str, Any], lines: Mapping[Path_, int], file: str) -> Layer:
        """What `read_yaml` gave."""
        return cls(content, {(): Place(file), **{path: Place(file, line) for path, line in lines.items()}})

    def place(self, path: Path_) -> Place:
        """Place of a path, or of the nearest key above it."""
        for length in range(len(path), -1, -1):
            if (found := self.places.get(path[:length])) is not None:
                return found
        return Place()

    def fault(self, path: Path_, message: str) -> Fault:
        """A fault at a path, in the words of whoever wrote that value."""
        place = self.place(path)
        return Fault(message, path=shown_path(path, place), file=place.file, line=place.line)

    def below(self, *path: str | int) -> Layer:
        """The part of a layer below a path, as a layer of its own."""
        content: Any = self.content
        for part in path:
            content = content[part]
        places = {key[len(path) :]: place for key, place in self.places.items() if key[: len(path)] == path}
        return Layer(content, places)

    def without(self, *keys: str) -> Layer:
        """The layer without some of its top-level keys."""
        return Layer(
            {key: value for key, value in self.content.items() if key not in keys},
            {path: place for path, place in self.places.items() if not path or path[0] not in keys},
        )

    def with_value(self, path: Path_, value: Any, place: Place) -> Layer:
        """The layer with one value replaced (None: taken away); every mapping on the way must be there."""
        content = copied(self.content)
        target: Any = content
        for part in path[:-1]:
            target = target[part]
        if value is None and isinstance(target, dict) and path[-1] in target:
            del target[path[-1]]
        else:
            target[path[-1]] = value
        places = {key: at for key, at in self.places.items() if key[: len(path)] != path}
        places[path] = place
        return Layer(content, places)


def shown_path(path: Path_, place: Place = Place()) -> str:
    """A path as faults show it: components by their name alone, settings as they are typed.

    >>> shown_path(("components", "battery", "power_kw")), shown_path(("site", "latitude"), Place(setting=True))
    ('battery.power_kw', '--set site.latitude')
    """
    short = path[1:] if len(path) > 1 and path[0] == "components" and isinstance(path[1], str) else path
    return ("--set " if place.setting else "") + dotted_path(short)


def merged(base: Layer, over: Layer) -> Layer:
    """`over` laid on `base`.

    >>> base = Layer({"components": {"a": {"kind": "pv", "capacity_kw": 1}, "b": {"kind": "load"}}})
    >>> merged(base, Layer({"components": {"a": {"capacity_kw": 2}, "b": None}})).content
    {'components': {'a': {'kind': 'pv', 'capacity_kw': 2}}}
    """
    content, places = copied(base.content), dict(base.places)
    _merge(content, over.content, (), places, over.places)
    return Layer(content, places)


def _merge(
    content: dict[str, Any],
    over: Mapping[str, Any],
    above: Path_,
    places: dict[Path_, Place],
    over_places: Mapping[Path_, Place],
) -> None:
    for key, value in over.items():
        path = (*above, key)
        below = content.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and not _other_form(below, value):
            _merge(below, value, path, places, over_places)
            continue
        for old in [old for old in places if old[: len(path)] == path]:
            del places[old]
        if value is None and key in content:
            del content[key]
            continue
        content[key] = copied(value)
        places.update({new: place for new, place in over_places.items() if new[: len(path)] == path})


def _other_form(below: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    for word in _FORMS:
        if word in value:
            return bool(below.get(word) != value[word])
    return "path" in value and "path" not in below and ("generator" in below or "model" in below)


def copied(content: Any) -> Any:
    """A copy of nested containers."""
    if isinstance(content, dict):
        return {key: copied(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [copied(value) for value in content]
    return content


def parsed_path(text: str) -> Path_:
    """The parts of a dotted path.

    >>> parsed_path("charging.fleets[0].energy_kwh")
    ('charging', 'fleets', 0, 'energy_kwh')
    """
    return tuple(
        int(part) if position and part.isdigit() else part
        for position, part in enumerate(re.findall(r"[^.\[\]]+", text))
    )


def is_reference(key: object, value: object) -> bool:
    """Whether a key's value names a file: always below `path`; below three others where it is no known name."""
    if not isinstance(value, str):
        return False
    return key == "path" or (key in ("tariff", "climate", "extends") and is_file_name(value))


def is_file_name(word: str) -> bool:
    """Whether a word that may be a name or a file is a file."""
    return word.endswith((".yaml", ".yml")) or "/" in word or "\\" in word or is_foreign(word)


def file_references(content: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    """Every reference to a file, with its place."""
    if isinstance(content, dict):
        for key, value in content.items():
            if is_reference(key, value):
                yield (*path, key), value
            else:
                yield from file_references(value, (*path, key))
    elif isinstance(content, list | tuple):
        for position, value in enumerate(content):
            yield from file_references(value, (*path, position))


def with_references(content: Any, change: Callable[[str], str]) -> Any:
    """A copy of nested containers with `change` applied to every reference to a file."""
    if isinstance(content, dict):
        return {
            key: change(value) if is_reference(key, value) else with_references(value, change)
            for key, value in content.items()
        }
    if isinstance(content, list | tuple):
        return [with_references(value, change) for value in content]
    return content


def is_foreign(reference: str) -> bool:
    """Whether a reference is nothing that can be joined to a folder (a home folder or a URL)."""
    return reference.startswith("~") or "://" in reference


def reference_fault(reference: str, base_dir: Path) -> str | None:
    """What is wrong with a reference to a file, or None."""
    if reference.startswith("~"):
        return f"~ is not expanded, got '{reference}'; write the path out, or relative to the scenario file"
    if "://" in reference:
        return f"must be a file on this machine, got '{reference}'; download it first and give its path"
    path = base_dir / reference
    try:
        if path.is_dir():
            return f"'{reference}' is a folder; give a file"
        if path.is_file():
            return None
    except OSError as error:
        return f"'{reference[:60]}' cannot be a file: {error.strerror}"
    if not path.parent.is_dir():
        return f"no such file '{reference}'; there is no folder '{path.parent}'"
    close = nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    if close is not None:
        return f"no such file '{reference}'; did you mean {close}?"
    return f"no such file '{reference}'" + ("" if path.is_absolute() else "; paths begin at the scenario file's folder")

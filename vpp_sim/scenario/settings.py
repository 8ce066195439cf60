"""Changes from outside a scenario file: named overrides and `--set path=value`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.scenario.layers import Layer, Place, merged, shown_path
from vpp_sim.scenario.model import Frame
from vpp_sim.tariffs import tariff_content
from vpp_sim.yaml_lines import Path_, parse_yaml

TOP_KEYS = tuple(Frame.model_fields)
_NOT_IN_OVERRIDES = ("extends", "overrides")
_PART = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")


def with_overrides(layer: Layer, names: Iterable[str]) -> tuple[Layer, list[Fault]]:
    """The layer with the named overrides laid on it in order, without the key `overrides`; and unknown names."""
    known = layer.content.get("overrides")
    known = known if isinstance(known, dict) else {}
    faults = []
    result = layer.without("overrides")
    for name in names:
        if isinstance(known.get(name), dict):
            result = merged(result, layer.below("overrides", name).without(*_NOT_IN_OVERRIDES))
        else:
            close = nearest(name, known)
            listed = f"one of {', '.join(known)}" if known else "the scenario has no overrides"
            hint = f"did you mean {close}? " if close else ""
            faults.append(Fault(f"unknown override '{name}'; {hint}{listed}", path="--override"))
    return result, faults


def override_faults(layer: Layer) -> list[Fault]:
    """Keys of a whole file inside overrides, whether they are applied or not; other faults show when they are."""
    overrides = layer.content.get("overrides")
    allowed = ", ".join(word for word in TOP_KEYS if word not in _NOT_IN_OVERRIDES)
    return [
        layer.fault(("overrides", name, key), f"has no place inside an override; one of {allowed}")
        for name, change in (overrides.items() if isinstance(overrides, dict) else ())
        for key in (change if isinstance(change, dict) else ())
        if key in _NOT_IN_OVERRIDES
    ]


def with_settings(layer: Layer, settings: Iterable[str], base_dir: Path) -> tuple[Layer, list[Fault]]:
    """The layer with `path=value` texts applied in order, each value known to be a setting; and those that fail."""
    faults: list[Fault] = []
    for text in settings:
        try:
            layer = _with_setting(layer, text, base_dir)
        except InputError as error:
            faults += error.faults
    return layer, faults


def _with_setting(layer: Layer, text: str, base_dir: Path) -> Layer:
    name, equals, value_text = text.partition("=")
    name = name.strip()
    place = Place(setting=True)

    def refuse(message: str) -> InputError:
        return InputError(Fault(message, path=f"--set {name}".rstrip()))

    if not equals or not name:
        raise refuse("must be PATH=VALUE, e.g. --set battery.energy_kwh=8000")
    if not value_text.strip():
        raise refuse(f"missing value; write {name}=VALUE, or {name}=null to take it away")
    path = _path_of(name)
    if path is None:
        raise refuse("cannot be read as a path; write e.g. battery.energy_kwh or charging.fleets[0].energy_kwh")
    path = _from_top(layer, path, refuse)
    try:
        value = parse_yaml(f"value: {value_text}")[0]["value"]
    except InputError as error:
        raise refuse(error.faults[0].message) from None
    layer, path = _with_room(_with_inherited(layer, path, base_dir), path, refuse)
    if value is None and path[:1] == ("components",) and len(path) == 2 and path[1] not in layer.content["components"]:
        raise refuse(_unknown(str(path[1]), "component", layer.content["components"]))
    return layer.with_value(path, value, place)


def _path_of(name: str) -> Path_ | None:
    parts: list[str | int] = []
    for piece in name.split("."):
        found = _PART.fullmatch(piece)
        if found is None:
            return None
        parts.append(int(found[1]) if found[1].isdigit() and parts else found[1])
        parts += [int(number) for number in re.findall(r"\d+", found[2])]
    return tuple(parts)


def _from_top(layer: Layer, path: Path_, refuse: Any) -> Path_:
    """The path from the top of the file, where it may begin with a component's name."""
    components = layer.content.get("components")
    names = [name for name in components if isinstance(name, str)] if isinstance(components, dict) else []
    keys = [key for key in TOP_KEYS if key not in _NOT_IN_OVERRIDES]
    first = str(path[0])
    if first in keys:
        if first == "components" and len(path) > 2 and path[1] not in names:
            raise refuse(_unknown(str(path[1]), "component", names))
        if path == ("components",):
            raise refuse("name the component, e.g. components.battery")
        return path
    if first in names:
        return ("components", *path)
    raise refuse(_unknown(first, "name", [*names, *keys]))


def _unknown(word: str, noun: str, known: Iterable[str]) -> str:
    listed = list(known)
    close = nearest(word, listed)
    return f"unknown {noun} '{word}'; " + (f"did you mean {close}?" if close else f"one of {', '.join(listed)}")


def _with_inherited(layer: Layer, path: Path_, base_dir: Path) -> Layer:
    """The layer with room for a number inside the tariff.

    A tariff that is only named is written as one that extends it. As that would replace whole parts, the part in which
    a number is set is written out, so that all else in it stays: the hours where the price is set. Who sets the basis
    of the demand charge begins that part anew.
    """
    if path[0] != "tariff" or len(path) < 2:
        return layer
    tariff, at = layer.content.get("tariff"), layer.place(("tariff",))
    if isinstance(tariff, str):
        tariff = {"extends": tariff}
        layer = layer.with_value(("tariff",), tariff, at)
    if len(path) == 2 or path[2] == "basis" or not isinstance(tariff, dict) or path[1] in tariff:
        return layer
    if not isinstance(parent := tariff.get("extends"), str):
        return layer
    with contextlib.suppress(InputError):  # told where the tariff is read
        inherited = tariff_content(parent, base_dir).get(str(path[1]))
        if isinstance(inherited, dict | list):
            layer = layer.with_value(("tariff", path[1]), inherited, at)
    return layer


def _with_room(layer: Layer, path: Path_, refuse: Any) -> tuple[Layer, Path_]:
    """The layer with empty mappings for absent keys on the way to the last part of the path."""
    target: Any = layer.content
    for depth, part in enumerate(path):
        above = shown_path(path[:depth])
        if isinstance(target, list):
            if not isinstance(part, int):
                raise refuse(f"{above} is a list; write {above}[0] to {above}[{len(target) - 1}]")
            if part >= len(target):
                raise refuse(f"{above} has {len(target)} entries; the last is {above}[{len(target) - 1}]")
        elif not isinstance(target, dict):
            raise refuse(f"{above} is {target!r}, which has no key {part}; set {above} to a mapping")
        elif depth < len(path) - 1 and target.get(part) is None:
            room: dict[str | int, Any] = {}
            for inner in reversed(path[depth + 1 : -1]):
                room = {inner: room}
            return layer.with_value(path[: depth + 1], room, Place(setting=True)), path
        if depth < len(path) - 1:
            target = target[part]
    return layer, path

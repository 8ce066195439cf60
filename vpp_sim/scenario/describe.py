"""What the parameters of a model are, for people: words for types, bounds and defaults, read from the fields."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vpp_sim.components.base import FreeSize
from vpp_sim.profiles import FileProfile, GeneratedProfile

#: Models that are told once for all, with the word that stands for them elsewhere.
SIZE, PROFILE = "size", "profile"


@dataclass(frozen=True)
class Parameter:
    """One key that may be written: its meaning, type in words, unit, bounds and default."""

    name: str
    takes: str
    unit: str
    bounds: str
    default: str
    doc: str
    models: tuple[type[BaseModel], ...] = ()

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default == "required"


def parameters(model: type[BaseModel]) -> list[Parameter]:
    """Every key of a model.

    >>> [p.name for p in parameters(FreeSize) if p.required]
    ['max', 'cost_per_unit']
    """
    # what all components share is declared first and told last
    fields = sorted(model.model_fields.items(), key=lambda entry: entry[0] == "cost")
    return [_parameter(field.alias or name, field) for name, field in fields]


def profile_forms() -> list[type[BaseModel]]:
    """The models that may stand where a profile is wanted, besides a plain number."""
    return [FileProfile, *(member for member in _members(GeneratedProfile) if isinstance(member, type))]


def nested_models(model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """Models inside a model, with the key they stand at, each once, outermost first; shared ones left out."""
    found: list[tuple[str, type[BaseModel]]] = []
    for parameter in parameters(model):
        for inner in parameter.models:
            if inner not in [known for _, known in found]:
                found.append((parameter.name, inner))
                found += [(f"{parameter.name}.{name}", deeper) for name, deeper in nested_models(inner)]
    return found


def _parameter(name: str, field: FieldInfo) -> Parameter:
    extra = field.json_schema_extra
    unit = str(extra.get("unit", "-")) if isinstance(extra, dict) else "-"
    return Parameter(
        name=name,
        takes=_words(field.annotation),
        unit="" if unit == "-" else unit,
        bounds=_bounds(field),
        default=_default(field),
        doc=field.description or "",
        models=tuple(dict.fromkeys(_models(field.annotation))),
    )


def _members(annotation: Any) -> Iterator[Any]:
    """The members of a union, or the annotation itself, bare."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    members = list(_members(annotation))
    for member in members:
        if isinstance(member, type) and issubclass(member, BaseModel):
            if member is not FreeSize and FileProfile not in members:
                yield member
        else:
            for inner in get_args(member):
                yield from _models(inner)


def _keys(model: Any) -> list[str]:
    return list(model.model_fields)


_PLAIN = {float: "number", int: "whole number", str: "text", bool: "true or false", type(None): ""}


def _words(annotation: Any) -> str:
    """A type in words."""
    members = list(_members(annotation))
    words = []
    is_profile = FileProfile in members
    for member in members:
        origin = get_origin(member)
        if is_profile and (member is float or (isinstance(member, type) and issubclass(member, BaseModel))):
            forms = (float, *profile_forms())
            word = PROFILE if member in forms else f"{{{', '.join(_keys(member))}}}"
        elif member in _PLAIN:
            word = _PLAIN[member]
        elif member is FreeSize:
            word = SIZE
        elif origin is Literal:
            word = ", ".join(str(value) for value in get_args(member))
        elif origin in (list, tuple, set, frozenset):
            word = f"list of {_words(get_args(member)[0])}"
        elif member is Any:
            word = "anything"
        elif origin is dict:
            inner = _words(get_args(member)[1])
            word = "mapping" if inner == "anything" else f"mapping to {inner}"
        elif isinstance(member, type) and issubclass(member, BaseModel):
            word = f"{{{', '.join(_keys(member))}}}" if len(_keys(member)) < 5 else "mapping"
        else:
            word = {"datetime": "date or time", "date": "date", "time": "time of day"}.get(
                getattr(member, "__name__", ""), str(member)
            )
        if word and word not in words:
            words.append(word)
    return " or ".join(words)


def _bounds(field: FieldInfo) -> str:
    """Bounds as written in mathematics, e.g. `> 0, <= 1`."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in signs.items()
        if getattr(bound, name, None) is not None
    ]
    return ", ".join(found)


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None:
        value = field.default_factory()  # type: ignore[call-arg]
    elif value is PydanticUndefined:
        return "required"
    if value is None or value == () or value == [] or value == {}:
        return "none"
    if isinstance(value, BaseModel) or (isinstance(value, list) and isinstance(value[0], BaseModel)):
        return "its own defaults"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)

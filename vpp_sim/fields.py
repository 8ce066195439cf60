"""Fields of the models that users write: every number once with its unit, its bounds and its meaning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticUndefined

#: No quantity is larger in any unit that a user may write.
MOST = 1e15
#: None that is not 0 is smaller.
LEAST = 1e-12


class StrictModel(BaseModel):
    """Base of all models a user writes: frozen, no unknown keys, no NaN or infinity, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=False,
        validate_default=False,
        arbitrary_types_allowed=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _no_absurd_number(cls, content: object) -> object:
        """Numbers that no quantity can have would overflow somewhere far from where they were written."""
        for key, value in content.items() if isinstance(content, dict) else ():
            if cls._wants(key, float) and (absurd := next(_absurd_in(value), None)) is not None:
                raise ValueError(f"{key}: must be 0, or from {LEAST:g} to {MOST:g} in size, got {absurd:.6g}")
        return content

    @model_validator(mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, content: object) -> object:
        """`energy_kwh: true` would otherwise be 1 kWh; as the word `true` it is refused like any other text."""
        if not isinstance(content, dict) or not any(isinstance(value, bool) for value in content.values()):
            return content
        return {key: _word(value) if cls._wants(key, int, float) else value for key, value in content.items()}

    @classmethod
    def _wants(cls, name: str, *numbers: type) -> bool:
        """Whether a field takes one of some kinds of numbers, and no truth value."""
        field = cls.model_fields.get(name)
        annotation: Any = None if field is None else field.annotation
        return bool(_takes(annotation, numbers))


@cache
def _takes(annotation: Any, numbers: tuple[type, ...]) -> bool:
    types = set(_types_in(annotation))
    return bool(types & set(numbers)) and bool not in types


def _absurd_in(value: object) -> Iterator[float]:
    """Finite numbers beyond MOST and LEAST in a value and what is inside it; infinite ones are told by their field."""
    if isinstance(value, int | float) and math.isfinite(value) and value and not LEAST <= abs(value) <= MOST:
        yield float(value)
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _absurd_in(inner)


def _word(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _types_in(annotation: Any) -> Iterator[Any]:
    """An annotation and everything inside its unions and containers."""
    yield annotation
    for inner in get_args(annotation):
        yield from _types_in(inner)


def unit_of(model: type[BaseModel], name: str) -> str:
    """The unit of a field that was made with `quantity`; `-` for none."""
    extra = model.model_fields[name].json_schema_extra
    return str(extra.get("unit", "-")) if isinstance(extra, dict) else "-"


def quantity(
    doc: str,
    *,
    unit: str = "-",
    default: Any = PydanticUndefined,
    default_factory: Any = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    **more: Any,
) -> Any:
    """A pydantic field with its meaning, unit (`-` for none) and bounds, required unless a default is given.

    The validator, the error text, the JSON Schema and `vpp-sim kinds` all read what is written here.
    """
    options: dict[str, Any] = {"description": doc, "json_schema_extra": {"unit": unit}, **more}
    if default_factory is not None:
        options["default_factory"] = default_factory
    elif default is not PydanticUndefined:
        options["default"] = default
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    options.update({name: value for name, value in bounds.items() if value is not None})
    return Field(**options)

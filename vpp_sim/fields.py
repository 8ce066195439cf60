"""Fields of the models that users write: every number once with its unit, its bounds and its meaning."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticUndefined


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

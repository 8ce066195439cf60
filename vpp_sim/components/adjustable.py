"""What about a component (or a target) could be changed to make a site feasible that is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vpp_sim.fields import StrictModel

Model = TypeVar("Model", bound=StrictModel)


def _nothing(value: float) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Adjustable:
    """A number that may go from `value` towards `limit` (which may be infinite), or a choice that may become `limit`.

    `field` is its place below the component, as behind `--set component.`; `with_it` gives other fields that must go
    along with a number. `less_service` says that less is done of what the site is for: proposed last.
    """

    field: str
    words: str
    unit: str
    value: float | str | bool
    limit: float | str | bool
    with_it: Callable[[float], Mapping[str, Any]] = _nothing
    less_service: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is a number and not a choice."""
        return isinstance(self.value, int | float) and not isinstance(self.value, bool)

    def settings(self, value: Any) -> dict[str, Any]:
        """Every field to set, by place, for this value."""
        return {self.field: value, **(self.with_it(value) if self.is_number else {})}


def adjusted(model: Model, settings: Mapping[str, Any]) -> Model:
    """The model with fields (`field`, or `field.inner` of a model in a field) set, and validated like any other.

    Raises:
        pydantic.ValidationError: the fields do not go together.
    """
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    for place, value in settings.items():
        name, _, inner = place.partition(".")
        fields[name] = adjusted(fields[name], {inner: value}) if inner else value
    return type(model).model_validate(fields)

"""The JSON Schema of scenario files, from the models: kinds by their `kind`, units and meanings in the descriptions."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Discriminator, create_model

from vpp_sim.components import REGISTRY
from vpp_sim.scenario.model import Frame
from vpp_sim.tariffs import Tariff, tariff_names

_DATE_OR_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?$"
_NAME = "^[a-z][a-z0-9_]*$"


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario file.

    A file that extends another, and an override, may give any part of a scenario, so what they leave out, and their
    components, are checked only when the file is loaded.
    """
    kinds: Any = reduce(or_, REGISTRY.values())
    types: dict[str, Any] = {
        "tariff": str | Tariff,
        "components": dict[str, Annotated[kinds, Discriminator("kind")]],
    }
    fields: dict[str, Any] = {name: (kind, Frame.model_fields[name]) for name, kind in types.items()}
    whole = create_model("Scenario", __base__=Frame, **fields)
    schema: dict[str, Any] = _readable(whole.model_json_schema())
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "vpp_sim scenario"
    schema["description"] = Frame.__doc__
    properties = schema["properties"]
    tariff = schema["$defs"]["Tariff"]
    tariff["properties"]["extends"] = {"type": "string", "description": "a tariff that this one changes"}
    tariff.pop("required")
    for option in properties["tariff"]["anyOf"]:
        if option.get("type") == "string":
            option["examples"] = list(tariff_names())
    components = {**properties["components"], "propertyNames": {"pattern": _NAME}}
    whole_parts = {name: properties[name] for name in ("horizon", "site", "weather", "targets")}
    whole_parts["components"] = components
    for name, part in whole_parts.items():
        properties[name] = _partial(part, schema["$defs"])
    properties["overrides"]["additionalProperties"] = {
        "type": "object",
        "properties": {key: value for key, value in properties.items() if key not in ("extends", "overrides")},
        "additionalProperties": False,
    }
    schema["patternProperties"] = {"^x-": {"description": "anchors and remarks; not read"}}
    schema["if"] = {"required": ["extends"]}
    schema["then"] = {}
    schema["else"] = {"required": schema.pop("required"), "properties": whole_parts}
    return schema


def _partial(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A part of a scenario as a change may give it: nothing is required, and null takes an entry away."""
    described = {"description": part["description"], "type": "object"}
    if "$ref" in part:
        model = definitions[part["$ref"].removeprefix("#/$defs/")]
        return {**described, "properties": model["properties"], "additionalProperties": False}
    if isinstance(part.get("additionalProperties"), dict):
        return {**described, "additionalProperties": {"type": ["object", "null"]}}
    return described


def _readable(schema: Any) -> Any:
    """The schema with units in the descriptions, where editors show them, and dates as YAML writes them."""
    if isinstance(schema, list):
        return [_readable(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _readable(value) for key, value in schema.items()}
    unit = changed.get("unit")
    if isinstance(unit, str):
        if unit == "-":
            del changed["unit"]
        elif "description" in changed:
            changed["description"] += f" [{unit}]"
    if changed.get("format") in ("date-time", "date"):
        del changed["format"]
        changed["pattern"] = _DATE_OR_TIME
    return changed

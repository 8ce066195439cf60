"""The JSON Schema: complete, with units and meanings, and in agreement with what the loader takes."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from vpp_sim.components import REGISTRY
from vpp_sim.scenario.describe import parameters
from vpp_sim.scenario.schema import scenario_schema
from vpp_sim.yaml_lines import parse_yaml, read_yaml

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
SCHEMA = scenario_schema()


def as_json(value: Any) -> Any:
    """Dates and times as the text they are written as."""
    if isinstance(value, dict):
        return {key: as_json(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [as_json(entry) for entry in value]
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date) else value


def fits(value: Any) -> list[str]:
    """What of a value does not fit the schema."""
    jsonschema = pytest.importorskip("jsonschema")  # nbformat brings it
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(as_json(value))]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_shipped_scenarios_fit_the_schema(path: Path) -> None:
    assert fits(read_yaml(path)[0]) == []


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("kind: battery", "kind: hydrogen"),
        ("power_kw: 10", "power_kw: ten"),
        ("power_kw: 10, ", ""),
        ("energy_kwh: 20", "energy_kwh: 20, charge_efficiency: 93"),
        ("energy_kwh: 20", "energy_kwh: 20, charge_eff: 0.9"),
        ("  battery", "  Battery"),
        ("days: 3", "days: 0"),
        ("days: 3", "days: 3, step_minutes: 20"),
        ("start: 2025-01-01", "start: soon"),
        ("name: Site\n", ""),
        ("name: Site", "nam: Site"),
        ("source: climate", "source: wishes"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(good: str, was: str, becomes: str) -> None:
    assert fits(parse_yaml(good)[0]) == []
    assert was in good
    assert fits(parse_yaml(good.replace(was, becomes, 1))[0]) != []


def test_a_file_that_extends_another_may_be_partial(good: str) -> None:
    text = "extends: site.yaml\nhorizon: {days: 2}\ncomponents: {battery: {energy_kwh: 4}, grid: null}\nx-note: 3\n"
    assert fits(parse_yaml(text.replace("days: 2", "dys: 2"))[0]) != []
    assert fits(parse_yaml(text)[0]) == []
    assert fits(parse_yaml(good + "overrides: {a: {components: {battery: null}}}\n")[0]) == []
    assert fits(parse_yaml(good + "overrides: {a: {compnents: {battery: null}}}\n")[0]) != []
    assert fits(parse_yaml(good.replace("tariff: flat", "tariff: {extends: flat}"))[0]) == []


def test_every_parameter_of_every_kind_stands_in_it_with_unit_and_meaning() -> None:
    for model in REGISTRY.values():
        properties = SCHEMA["$defs"][model.__name__]["properties"]
        for parameter in parameters(model):
            described = properties[parameter.name]["description"]
            assert parameter.doc in described
            if parameter.unit:
                assert described.endswith(f"[{parameter.unit}]")


def test_every_kind_is_one_choice_told_apart_by_its_kind() -> None:
    choice = SCHEMA["else"]["properties"]["components"]["additionalProperties"]
    assert choice["discriminator"]["propertyName"] == "kind"
    assert sorted(choice["discriminator"]["mapping"]) == sorted(REGISTRY)
    assert len(choice["oneOf"]) == len(REGISTRY)

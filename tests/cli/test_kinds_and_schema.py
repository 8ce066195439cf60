"""`vpp-sim kinds` and `schema`: what the models say, and nothing else."""

import json
from pathlib import Path

import pytest

from vpp_sim.cli.main import exit_code
from vpp_sim.components import REGISTRY
from vpp_sim.scenario.model import Frame
from vpp_sim.scenario.schema import scenario_schema

#: What is told besides components: what they share, a scenario with its parts, documents, and the file of a sweep.
PARTS = ["scenario", "horizon", "site", "weather", "targets", "dispatch", "economics", "policy", "tariff"]
TOPICS = [*sorted(REGISTRY), "profile", "size", *PARTS, "policy_document", "study"]


def test_every_kind_is_listed_with_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["kinds", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert list(listed) == TOPICS
    assert all(text.endswith((".", "`.")) for text in listed.values())
    assert exit_code(["kinds"]) == 0
    told = capsys.readouterr().out
    for name in listed:
        assert f"\n{name} " in told


@pytest.mark.parametrize("kind", TOPICS)
def test_every_parameter_has_a_meaning(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["kinds", kind, "--format", "json"]) == 0
    for model in json.loads(capsys.readouterr().out):
        for parameter in model["parameters"]:
            assert parameter["doc"]
            assert parameter["takes"], parameter
            leaked = "<" in parameter["takes"] or "typing" in parameter["takes"] or "(" in parameter["default"]
            assert not leaked, "a class has leaked into the words for a type"
            assert parameter["default"] or parameter["takes"] == "text"


def test_a_parameter_with_its_unit_bounds_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["kinds", "battery", "--format", "json"]) == 0
    (battery, *_) = json.loads(capsys.readouterr().out)
    parameters = {parameter["name"]: parameter for parameter in battery["parameters"]}
    assert parameters["charge_efficiency"] == {
        "name": "charge_efficiency",
        "takes": "number",
        "unit": "",
        "bounds": "> 0, <= 1",
        "default": "0.933",
        "doc": "energy to the cells per energy from the bus",
    }
    assert parameters["power_kw"]["takes"] == "number or size"
    assert parameters["power_kw"]["unit"] == "kW"
    assert parameters["power_kw"]["default"] == "required"
    assert parameters["closure"]["takes"] == "cyclic, fixed"


def test_models_inside_a_kind_have_tables_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["kinds", "ev_station"]) == 0
    told = capsys.readouterr().out
    for title in ("ev_station", "ev_station: fleets", "ev_station: fleets.arrival_peaks", "ev_station: v2g"):
        assert f"{title}\nparameter " in told


def test_every_part_of_a_scenario_can_be_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Who writes a tariff or names a weather file needs no other text than this."""
    assert set(Frame.model_fields) - set(TOPICS) == {
        "name",
        "description",
        "currency",
        "components",
        "extends",
        "overrides",
    }
    assert exit_code(["kinds", "tariff"]) == 0
    told = capsys.readouterr().out
    for title in ("tariff: energy.periods", "tariff: demand (basis: contracted_demand)", "tariff: holidays"):
        assert f"{title}\nparameter " in told
    assert exit_code(["kinds", "weather"]) == 0
    assert "weather (source: csv): columns\nparameter " in capsys.readouterr().out


def test_an_unknown_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["kinds", "batery"]) == 2
    assert capsys.readouterr().err == (f"unknown kind 'batery'; did you mean battery? one of {', '.join(TOPICS)}\n")


def test_the_schema_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == scenario_schema()
    target = tmp_path / "schema.json"
    assert exit_code(["schema", "--out", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: written\n"
    assert json.loads(target.read_text()) == scenario_schema()

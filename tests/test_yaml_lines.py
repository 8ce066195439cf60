"""YAML files: what is read, what is refused, and that each fault points at its line with a text that helps."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal, Self

import pytest
from pydantic import Discriminator, TypeAdapter, ValidationError, model_validator

from vpp_sim.errors import InputError
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.yaml_lines import dotted_path, faults_from_validation, line_of, parse_yaml, read_yaml


def refusal(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, file="bad.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_values_are_plain_and_every_key_and_entry_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "\n# a comment\nname: Xining\nsizes: [1, 2.5, 1e3, -4, .5, 100_000]\nflags:\n  a: true\n  b: no\n  c:\n"
        "when: {day: 2025-01-31, time: 2025-01-31 17:00, clock: 17:00}\nlist:\n  - x: 1\n    y: '2'\n  - x: 3\n",
        encoding="utf-8-sig",
    )
    content, lines = read_yaml(path)
    assert content == {
        "name": "Xining",
        "sizes": [1, 2.5, 1000.0, -4, 0.5, 100_000],
        "flags": {"a": True, "b": "no", "c": None},
        "when": {"day": dt.date(2025, 1, 31), "time": dt.datetime(2025, 1, 31, 17), "clock": "17:00"},
        "list": [{"x": 1, "y": "2"}, {"x": 3}],
    }
    assert type(content) is dict
    assert type(content["list"]) is list
    assert lines["name",] == 3
    assert lines["flags", "c"] == 8
    assert lines["list", 0, "y"] == 12
    assert lines["list", 1, "x"] == 13
    assert lines["list", 1] == 13
    assert lines[()] == 3


def test_impossible_dates_stay_text_and_enormous_numbers_are_infinite_for_the_model_to_refuse() -> None:
    content, _ = parse_yaml("day: 2025-02-30\nnumber: " + "9" * 5000 + "\nless: -" + "9" * 400 + "\n")
    assert content == {"day": "2025-02-30", "number": float("inf"), "less": float("-inf")}


def test_an_alias_repeats_its_anchor_without_sharing_it() -> None:
    content, lines = parse_yaml("a: &x\n  power: 1\nb: *x\n")
    assert content == {"a": {"power": 1}, "b": {"power": 1}}
    assert content["a"] is not content["b"]
    assert lines["b",] == 3
    assert lines["b", "power"] == 2


def test_aliases_that_expand_without_bound_are_refused_quickly() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refusal("\n".join(rows)) == [
        "bad.yaml:5: more than 100,000 values (aliases counted as often as used); put series into CSV files"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad.yaml: the file is empty; expected a mapping of `key: value` lines"),
        ("  \n# only a comment\n", "bad.yaml:1: must be a mapping of `key: value` lines, got nothing"),
        ("- 1\n- 2\n", "bad.yaml:1: must be a mapping of `key: value` lines, got a list"),
        ("just words\n", "bad.yaml:1: must be a mapping of `key: value` lines, got 'just words'"),
        (
            "a: !!python/object:os.system x\n",
            "bad.yaml:1: tag 'tag:yaml.org,2002:python/object:os.system' is not allowed; write plain values",
        ),
        ("a: 1\nb: !secret x\n", "bad.yaml:2: tag '!secret' is not allowed; write plain values"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "bad.yaml:3: merge keys (<<) are not allowed; write the keys out"),
        ("a: 1\n? [b, c]\n: 2\n", "bad.yaml:2: a key must be plain text"),
        ("a: &x [*x]\n", "bad.yaml:1: alias *x has no anchor &x that ends before it"),
        ("a: 1\n---\nb: 2\n", "bad.yaml:2: a second document begins here; write one document per file"),
        (
            "a: 1\n b: 2\n",
            "bad.yaml:2: not valid YAML: mapping values are not allowed here; "
            "check indentation, quotes and brackets here",
        ),
        (
            "a:\n\tb: 2\n",
            "bad.yaml:2: not valid YAML: found character '\\t' that cannot start any token; "
            "indent with spaces, not tabs",
        ),
        (
            "a: [1, 2\nb: 3\n",
            "bad.yaml:2: not valid YAML: expected ',' or ']', but got ':'; check indentation, quotes and brackets here",
        ),
    ],
)
def test_what_is_refused_says_where_and_what_next(text: str, message: str) -> None:
    assert refusal(text) == [message]


def test_every_doubled_key_is_told_with_both_lines() -> None:
    assert refusal("a:\n  b: 1\n  b: 2\nc: 1\na: 3\n") == [
        "bad.yaml:3: a.b: doubled key; it stands already in line 2",
        "bad.yaml:5: a: doubled key; it stands already in line 1",
    ]


def test_deep_nesting_is_refused_and_does_not_overflow_the_stack() -> None:
    assert refusal("a: " + "[" * 5000 + "]" * 5000) == ["bad.yaml:1: nested deeper than 50 levels"]


def test_files_that_are_no_yaml_are_refused_with_a_remedy(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            read_yaml(path)
        return str(caught.value).replace(str(tmp_path), "DIR")

    (tmp_path / "site.yaml").write_text("a: 1\n")
    (tmp_path / "binary.yaml").write_bytes(b"a: 1\nb: \x00\x01\x02")
    (tmp_path / "latin.yaml").write_bytes("a: 1\nname: Zürich\n".encode("latin-1"))
    (tmp_path / "control.yaml").write_bytes(b"a: \x07\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * 5_000_001)
    assert message(tmp_path / "sit.yaml") == "DIR/sit.yaml: no such file; did you mean site.yaml?"
    assert message(tmp_path / "none" / "x.yaml") == "DIR/none/x.yaml: no such file"
    assert message(tmp_path) == "DIR: is a folder; give a YAML file"
    assert message(tmp_path / "binary.yaml") == "DIR/binary.yaml:2: is binary or not UTF-8; save it as UTF-8 text"
    assert message(tmp_path / "latin.yaml") == "DIR/latin.yaml:2: is binary or not UTF-8; save it as UTF-8 text"
    assert message(tmp_path / "large.yaml") == (
        "DIR/large.yaml: 5.0 MB is too large (at most 5 MB); put series into CSV or Parquet files"
    )
    assert message(tmp_path / "control.yaml").startswith("DIR/control.yaml: not valid YAML: ")


class Span(StrictModel):
    min: float = quantity("smallest size", unit="kW", default=0.0, ge=0)
    max: float = quantity("largest size", unit="kW", ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min: must be at most max ({self.max:g}), got {self.min:g}")
        return self


class Store(StrictModel):
    kind: Literal["store"] = quantity("kind of component")
    power_kw: float | Span = quantity("largest charge or discharge power at the bus", unit="kW")
    energy_kwh: float = quantity("energy it can hold", unit="kWh", ge=0)
    charge_efficiency: float = quantity("share of the energy that arrives", gt=0, le=1, default=0.9)
    mode: Literal["slow", "fast"] = quantity("how it charges", default="slow")
    count: int = quantity("how many", default=1, ge=1, lt=10)
    spans: list[Span] = quantity("spans", default_factory=list, max_length=2)
    span: Span | None = quantity("a span", default=None)
    begin: dt.date | None = quantity("first day", default=None)
    shared: bool = quantity("whether it is shared", default=False)


class Wire(StrictModel):
    kind: Literal["wire"] = quantity("kind of component")


class Site(StrictModel):
    name: str = quantity("name")
    parts: dict[str, Annotated[Store | Wire, Discriminator("kind")]] = quantity("parts by name")


STORE = "kind: store, power_kw: 1, energy_kwh: 2"


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("kind: store, energy_kwh: 2", "power_kw: missing: largest charge or discharge power at the bus [kW]"),
        ("kind: store, power_kw: 1, energy_kwh: -4", "energy_kwh: must be at least 0 kWh, got -4"),
        ("kind: store, power_kw: 1, energy_kwh: [2]", "energy_kwh: must be a number [kWh], got a list"),
        ("kind: store, power_kw: 1, energy_kwh: .inf", "energy_kwh: must be a finite number [kWh], got inf"),
        (
            "kind: store, power_kw: 1, energy_kwh: '3,6'",
            "energy_kwh: must be a number [kWh], got '3,6'; write a decimal point",
        ),
        (
            "kind: store, power_kw: 1, energy_kwh: 2 MWh",
            "energy_kwh: must be a number [kWh], got '2 MWh'; write the number alone, in kWh",
        ),
        ("kind: store, power_kw: 1, energy_kwh: ", "energy_kwh: must be a number [kWh], got nothing"),
        (STORE + ", charge_eff: 1", "charge_eff: unknown key; did you mean charge_efficiency?"),
        (
            STORE + ", zzz: 1",
            "zzz: unknown key; "
            "one of begin, charge_efficiency, count, energy_kwh, kind, mode, power_kw, shared, span, spans",
        ),
        (STORE + ", charge_efficiency: 95", "charge_efficiency: must be at most 1, got 95 (a fraction: 95 % is 0.95)"),
        (STORE + ", charge_efficiency: 0", "charge_efficiency: must be above 0, got 0"),
        (
            STORE + ", charge_efficiency: 90%",
            "charge_efficiency: must be a number, got '90%'; write a fraction such as 0.95 for 95 %",
        ),
        (STORE + ", mode: fsat", "mode: must be one of slow, fast, got 'fsat'; did you mean fast?"),
        (STORE + ", count: 2.5", "count: must be a whole number, got 2.5"),
        (STORE + ", count: 10", "count: must be below 10, got 10"),
        (STORE + ", begin: 2025-02-30", "begin: must be a date such as 2025-01-31, got '2025-02-30'"),
        (STORE + ", shared: perhaps", "shared: must be true or false, got 'perhaps'"),
        (STORE + ", spans: 3", "spans: must be a list, got 3"),
        (STORE + ", spans: [{max: 1}, {max: 1}, {max: 1}]", "spans: must have at most 2 entries, got 3"),
        (STORE + ", spans: [{max: 1}, {min: -1, max: 1}]", "spans[1].min: must be at least 0 kW, got -1"),
        (
            "kind: store, power_kw: {min: 5, max: 2}, energy_kwh: 2",
            "power_kw.min: must be at most max (2), got 5",
        ),
        (
            "kind: store, power_kw: 1, energy_kwh: 2,000",
            "[0]: a key must be text, got 0; write numbers without commas (1000, not 1,000)",
        ),
        ("kind: store, power_kw: 1, energy_kwh: true", "energy_kwh: must be a number [kWh], got 'true'"),
        (STORE + ", span: 4", "span: must be a mapping with min, max, got 4"),
        (
            "kind: store, power_kw: abc, energy_kwh: 2",
            "power_kw: must be a number [kW] or a mapping with min, max, got 'abc'",
        ),
        ("kind: store, power_kw: {max: -1}, energy_kwh: 2", "power_kw.max: must be at least 0 kW, got -1"),
        ("kind: store, power_kw: {mx: 1, max: 2}, energy_kwh: 2", "power_kw.mx: unknown key; did you mean max?"),
    ],
)
def test_each_kind_of_fault_has_its_text(store: str, message: str) -> None:
    content, lines = parse_yaml(f"name: x\nparts:\n  a: {{{store}}}\n")
    with pytest.raises(ValidationError) as caught:
        Site.model_validate(content)
    faults = faults_from_validation(caught.value, lines, "bad.yaml", model=Site)
    assert [str(fault) for fault in faults] == [f"bad.yaml:3: parts.a{'' if message.startswith('[') else '.'}{message}"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("{kind: hydrogen}", "unknown kind 'hydrogen'; one of store, wire"),
        ("{kind: stor}", "unknown kind 'stor'; did you mean store? one of store, wire"),
        ("{a: 1}", "missing: kind, one of store, wire"),
        ("3", "must be a mapping with kind: store or wire, got 3"),
    ],
)
def test_a_wrong_tag_names_the_known_ones(part: str, message: str) -> None:
    content, lines = parse_yaml(f"name: x\nparts:\n  a: {part}\n")
    with pytest.raises(ValidationError) as caught:
        Site.model_validate(content)
    faults = faults_from_validation(caught.value, lines, "bad.yaml", model=Site)
    assert [str(fault) for fault in faults] == [f"bad.yaml:3: parts.a: {message}"]


def test_all_faults_come_at_once_in_the_order_of_their_lines_below_a_prefix() -> None:
    text = "site:\n  parts:\n    a:\n      kind: store\n      energy_kwh: -4\n      charge_eff: 1\n  name: 3\n"
    content, lines = parse_yaml(text)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Site).validate_python(content["site"])
    faults = faults_from_validation(caught.value, lines, "bad.yaml", ("site",), model=Site)
    assert [str(fault) for fault in faults] == [
        "bad.yaml:3: site.parts.a.power_kw: missing: largest charge or discharge power at the bus [kW]",
        "bad.yaml:5: site.parts.a.energy_kwh: must be at least 0 kWh, got -4",
        "bad.yaml:6: site.parts.a.charge_eff: unknown key; did you mean charge_efficiency?",
        "bad.yaml:7: site.name: must be text, got 3",
    ]


def test_without_a_file_the_fault_has_path_and_text_only() -> None:
    with pytest.raises(ValidationError) as caught:
        Span.model_validate({"max": -1})
    assert [str(f) for f in faults_from_validation(caught.value, {}, "", model=Span)] == [
        "max: must be at least 0 kW, got -1"
    ]


def test_the_line_of_a_path_is_that_of_the_nearest_known_key() -> None:
    lines = {("a",): 3, ("a", "b"): 4, (): 1}
    assert line_of(("a", "b", 0), lines) == 4
    assert line_of(("a", "z"), lines) == 3
    assert line_of(("q",), lines) == 1
    assert line_of(("q",), {}) is None
    assert dotted_path(("a", 0, "b", 1)) == "a[0].b[1]"

"""Base files, overrides and settings: what wins, what is refused, and that faults point at who wrote the value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vpp_sim.components import Battery, Load
from vpp_sim.errors import InputError
from vpp_sim.profiles import FileProfile
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.scenario.layers import Layer, merged

Faults = Callable[..., list[str]]


def battery_of(scenario: Scenario) -> Battery:
    battery = scenario.components["battery"]
    assert isinstance(battery, Battery)
    return battery


def refusal(path: str, **options: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_scenario(path, **options)  # type: ignore[arg-type]
    return [str(fault) for fault in caught.value.faults]


class TestMerging:
    @pytest.mark.parametrize(
        ("base", "over", "result"),
        [
            ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
            ({"a": [1, 2, 3]}, {"a": [4]}, {"a": [4]}),
            ({"a": {"x": 1}, "b": 2}, {"a": None}, {"b": 2}),
            ({"a": {"x": 1}}, {"a": {"x": None}}, {"a": {}}),
            ({"a": 1}, {"b": None}, {"a": 1, "b": None}),
            ({"a": {"x": 1}}, {"a": 5}, {"a": 5}),
            # another form replaces the mapping, since its keys differ
            ({"w": {"source": "climate", "seed": 1}}, {"w": {"source": "epw", "path": "p"}}, None),
            ({"w": {"kind": "pv", "capacity_kw": 1}}, {"w": {"kind": "load", "profile": 1}}, None),
            ({"p": {"generator": "office_park", "seed": 1}}, {"p": {"path": "a.csv", "unit": "kW"}}, None),
            ({"p": {"path": "a.csv", "unit": "kW"}}, {"p": {"generator": "office_park"}}, None),
            # the same form does not
            ({"w": {"source": "epw", "path": "p"}}, {"w": {"path": "q"}}, {"w": {"source": "epw", "path": "q"}}),
            (
                {"w": {"source": "epw", "path": "p"}},
                {"w": {"source": "epw", "shift_hours": 0}},
                {"w": {"source": "epw", "path": "p", "shift_hours": 0}},
            ),
        ],
    )
    def test_mappings_merge_and_the_rest_is_replaced(self, base: dict, over: dict, result: dict | None) -> None:
        assert merged(Layer(base), Layer(over)).content == (over if result is None else result)

    def test_neither_layer_is_changed(self) -> None:
        base, over = {"a": {"x": [1]}}, {"a": {"y": [2]}}
        together = merged(Layer(base), Layer(over)).content
        together["a"]["x"].append(9)
        together["a"]["y"].append(9)
        assert base == {"a": {"x": [1]}}
        assert over == {"a": {"y": [2]}}


class TestExtends:
    def test_a_chain_of_files_with_the_last_word_for_the_last(self, folder: Path, good: str) -> None:
        (folder / "site.yaml").write_text(good)
        (folder / "larger.yaml").write_text(
            "extends: site.yaml\nname: Larger\ncomponents: {battery: {energy_kwh: 40, soc_min: 0.2}}\n"
        )
        (folder / "largest.yaml").write_text(
            "extends: larger.yaml\ncomponents:\n  battery: {energy_kwh: 80}\n  park: {kind: load, profile: 3}\n"
        )
        scenario = load_scenario("largest.yaml")
        assert scenario.name == "Larger"
        assert battery_of(scenario) == Battery(kind="battery", power_kw=10, energy_kwh=80, soc_min=0.2)
        assert list(scenario.components) == ["battery", "grid", "park"]

    def test_null_takes_a_component_away_and_a_parameter_back_to_its_default(self, folder: Path, good: str) -> None:
        (folder / "site.yaml").write_text(good.replace("energy_kwh: 20", "energy_kwh: 20, soc_min: 0.3"))
        (folder / "a.yaml").write_text("extends: site.yaml\ncomponents: {battery: null}\n")
        (folder / "b.yaml").write_text("extends: site.yaml\ncomponents: {battery: {soc_min: null}}\n")
        assert list(load_scenario("a.yaml").components) == ["grid"]
        assert battery_of(load_scenario("b.yaml")).soc_min == 0.1

    def test_a_null_for_something_that_is_not_there_is_a_fault(self, folder: Path, good: str) -> None:
        (folder / "site.yaml").write_text(good)
        (folder / "a.yaml").write_text("extends: site.yaml\ncomponents:\n  batery: null\n")
        assert refusal("a.yaml")[0].startswith("a.yaml:3: batery: must be a mapping with kind: one of ")

    def test_faults_point_at_the_file_that_wrote_the_value(self, folder: Path, good: str) -> None:
        (folder / "site.yaml").write_text(good.replace("days: 3", "days: 0").replace("power_kw: 10", "power_kw: -1"))
        (folder / "a.yaml").write_text("extends: site.yaml\ncomponents:\n  battery:\n    power_kw: -2\n    soc: 3\n")
        assert refusal("a.yaml") == [
            "a.yaml:4: battery.power_kw: must be at least 0 kW, got -2",
            "a.yaml:5: battery.soc: unknown key; did you mean soc_min?",
            "site.yaml:3: horizon.days: must be at least 1 d, got 0",
        ]

    def test_files_of_a_base_in_another_folder_lie_beside_the_base(self, folder: Path, good: str) -> None:
        base = folder / "base"
        base.mkdir()
        (base / "load.csv").write_text("power\n" + "5\n" * 72)
        (base / "cheap.yaml").write_text("extends: flat\nname: cheap\n")
        (base / "site.yaml").write_text(
            good.replace("tariff: flat", "tariff: cheap.yaml")
            + "  park: {kind: load, profile: {path: load.csv, unit: kW}}\n"
        )
        (folder / "mine.csv").write_text("power\n" + "7\n" * 72)
        (folder / "a.yaml").write_text(
            "extends: base/site.yaml\ncomponents: {shed: {kind: load, profile: {path: mine.csv, unit: kW}}}\n"
        )
        scenario = load_scenario("a.yaml")
        assert [str(path) for path in scenario.files()] == ["base/load.csv", "mine.csv"]
        assert scenario.tariff.name == "cheap"
        park = scenario.components["park"]
        assert isinstance(park, Load)
        assert isinstance(park.profile, FileProfile)
        inputs = scenario.read_inputs()
        assert inputs["park"].series["power_kw"].sum() == 5 * 72
        assert inputs["shed"].series["power_kw"].sum() == 7 * 72

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("a.yaml", "goes round in a circle: a.yaml -> a.yaml; take one `extends` out"),
            ("bas.yaml", "no such file 'bas.yaml'; did you mean base.yaml?"),
            (
                "~/base.yaml",
                "~ is not expanded, got '~/base.yaml'; write the path out, or relative to the scenario file",
            ),
            ("3", "must be the path of a scenario file, got 3"),
            (".", "'.' is a folder; give a file"),
        ],
    )
    def test_what_cannot_be_extended(self, folder: Path, good: str, reference: str, message: str) -> None:
        (folder / "base.yaml").write_text(good)
        (folder / "a.yaml").write_text(f"name: A\nextends: {reference}\n")
        assert refusal("a.yaml") == [f"a.yaml:2: extends: {message}"]

    def test_a_longer_circle_is_told_whole(self, folder: Path) -> None:
        for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
            (folder / f"{name}.yaml").write_text(f"extends: {base}.yaml\n")
        assert refusal("a.yaml") == [
            "c.yaml:1: extends: goes round in a circle: a.yaml -> b.yaml -> c.yaml -> a.yaml; take one `extends` out"
        ]


OVERRIDES = """\
overrides:
  large: {components: {battery: {energy_kwh: 80}}}
  lone:
    components: {battery: null}
  cheap:
    tariff: {extends: flat, demand: {basis: max_demand, price_per_kw_month: 10}}
"""


class TestOverrides:
    def test_named_changes_are_applied_in_order(self, folder: Path, good: str) -> None:
        (folder / "site.yaml").write_text(good + OVERRIDES)
        assert battery_of(load_scenario("site.yaml")).energy_kwh == 20
        assert battery_of(load_scenario("site.yaml", overrides=["large"])).energy_kwh == 80
        assert "battery" not in load_scenario("site.yaml", overrides=["large", "lone"]).components
        cheap = load_scenario("site.yaml", overrides=["cheap"])
        assert cheap.tariff.demand.basis == "max_demand"
        assert "overrides" not in cheap.to_mapping()

    def test_an_unknown_name_gets_the_nearest(self, faults: Faults, good: str) -> None:
        assert faults(good + OVERRIDES, overrides=["larg"]) == [
            "--override: unknown override 'larg'; did you mean large? one of large, lone, cheap"
        ]
        assert faults(good, overrides=["large"]) == [
            "--override: unknown override 'large'; the scenario has no overrides"
        ]

    @pytest.mark.parametrize("applied", [[], ["wrong"]])
    def test_faults_inside_are_told_even_where_it_is_not_applied(
        self, faults: Faults, good: str, applied: list[str]
    ) -> None:
        text = (
            good
            + "overrides:\n  wrong:\n    components:\n      battery: {power_kw: -3, soc: 1}\n    horizn: {days: 2}\n"
        )
        expected = [
            "bad.yaml:13: battery.power_kw: must be at least 0 kW, got -3",
            "bad.yaml:13: battery.soc: unknown key; did you mean soc_min?",
            "bad.yaml:14: horizn: unknown key; did you mean horizon?",
        ]
        assert faults(text, overrides=applied) == expected

    def test_an_override_may_build_on_another(self, folder: Path, good: str) -> None:
        (folder / "site.yaml").write_text(
            good
            + "overrides:\n  park: {components: {park: {kind: load, profile: 3}}}\n"
            + "  more: {components: {park: {profile: 6}}}\n"
        )
        scenario = load_scenario("site.yaml", overrides=["park", "more"])
        assert scenario.components["park"] == Load(kind="load", profile=6)
        assert list(load_scenario("site.yaml").components) == ["battery", "grid"]

    def test_no_files_inside_an_override(self, faults: Faults, good: str) -> None:
        (told,) = faults(good + "overrides:\n  wrong: {extends: other.yaml}\n")
        assert told.startswith("bad.yaml:11: overrides.wrong.extends: has no place inside an override; one of ")


class TestSettings:
    @pytest.mark.parametrize(
        ("setting", "energy_kwh"),
        [
            ("battery.energy_kwh=8000", 8000),
            ("components.battery.energy_kwh=8e3", 8000),
            (" battery.energy_kwh = 8_000 ", 8000),
            ("battery={kind: battery, power_kw: 1, energy_kwh: 2}", 2),
        ],
    )
    def test_a_value_is_reached_by_its_path(self, folder: Path, good: str, setting: str, energy_kwh: float) -> None:
        (folder / "site.yaml").write_text(good)
        assert battery_of(load_scenario("site.yaml", settings=[setting])).energy_kwh == energy_kwh

    @pytest.mark.parametrize("named", ["qinghai_two_part_2026_03", "tariffs/mine.yaml", "{extends: tariffs/mine.yaml}"])
    def test_a_number_of_a_named_tariff_is_set_and_all_else_of_it_stays(
        self, folder: Path, good: str, named: str
    ) -> None:
        """The rest of the part was dropped without a word: a price set took the hours and the adders away."""
        (folder / "tariffs").mkdir()
        (folder / "tariffs" / "mine.yaml").write_text("extends: qinghai_two_part_2026_03\nname: mine\n")
        (folder / "site.yaml").write_text(good.replace("tariff: flat", f"tariff: {named}"))
        before = load_scenario("site.yaml").tariff
        words = ["demand.price_per_kw_month=29.7", "energy.purchase_price_per_kwh=0.3", "energy.periods[1].ratio=0.4"]
        after = load_scenario("site.yaml", settings=[f"tariff.{word}" for word in words]).tariff
        expected = before.model_dump()
        expected["demand"]["price_per_kw_month"] = 29.7
        expected["energy"]["purchase_price_per_kwh"] = 0.3
        expected["energy"]["periods"][1]["ratio"] = 0.4
        assert after.model_dump() == expected
        other = ["tariff.demand.basis=transformer_kva", "tariff.demand.price_per_kva_month=21"]
        assert load_scenario("site.yaml", settings=other).tariff.demand.model_dump(exclude_none=True) == {
            "basis": "transformer_kva",
            "price_per_kva_month": 21.0,
        }

    def test_every_part_of_the_file_can_be_set(self, folder: Path, good: str) -> None:
        (folder / "site.yaml").write_text(good)
        (folder / "year.epw").write_text("")
        scenario = load_scenario(
            "site.yaml",
            settings=[
                "name=Other",
                "horizon.days=7",
                "dispatch.solver=highs",
                "economics={discount_rate: 0.05}",
                "weather={source: epw, path: year.epw}",
                "tariff.demand={basis: max_demand, price_per_kw_month: 12}",
                "battery.soc_min=0.3",
                "battery.soc_min=null",
                "components.park={kind: load, profile: {generator: office_park}}",
                "park.profile.peak=30",
            ],
        )
        assert scenario.name == "Other"
        assert scenario.horizon.days == 7
        assert scenario.dispatch.solver == "highs"
        assert scenario.economics.discount_rate == 0.05
        assert scenario.weather.path == "year.epw"
        assert (scenario.tariff.name, scenario.tariff.demand.basis) == ("flat", "max_demand")
        assert battery_of(scenario).soc_min == 0.1
        assert scenario.components["park"] == Load.model_validate(
            {"kind": "load", "profile": {"generator": "office_park", "peak": 30}}
        )
        gone = load_scenario("site.yaml", settings=["battery=null"])
        assert list(gone.components) == ["grid"]

    def test_entries_of_lists_are_reached_by_number(self, folder: Path, good: str) -> None:
        text = good + "  dc: {kind: data_centre, racks: 4, pue: 1.2, classes: [{name: a, arrivals_kw: 1}]}\n"
        (folder / "site.yaml").write_text(text)
        for path in ("dc.classes[0].arrivals_kw", "dc.classes.0.arrivals_kw"):
            centre = load_scenario("site.yaml", settings=[f"{path}=2"]).to_mapping()["components"]["dc"]
            assert centre["classes"][0]["arrivals_kw"] == 2

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("battery.energy_kwh=-1", "--set battery.energy_kwh: must be at least 0 kWh, got -1"),
            ("battery.energi_kwh=1", "--set battery.energi_kwh: unknown key; did you mean energy_kwh?"),
            ("batery.energy_kwh=1", "--set batery.energy_kwh: unknown name 'batery'; did you mean battery?"),
            (
                "components.batery.energy_kwh=1",
                "--set components.batery.energy_kwh: unknown component 'batery'; did you mean battery?",
            ),
            ("horizn.days=1", "--set horizn.days: unknown name 'horizn'; did you mean horizon?"),
            ("horizon.dys=1", "--set horizon.dys: unknown key; did you mean days?"),
            ("battery.power_kw", "--set battery.power_kw: must be PATH=VALUE, e.g. --set battery.energy_kwh=8000"),
            ("=3", "--set: must be PATH=VALUE, e.g. --set battery.energy_kwh=8000"),
            (
                "battery.power_kw=",
                "--set battery.power_kw: missing value; write battery.power_kw=VALUE, "
                "or battery.power_kw=null to take it away",
            ),
            (
                "battery..power_kw=1",
                "--set battery..power_kw: cannot be read as a path; "
                "write e.g. battery.energy_kwh or charging.fleets[0].energy_kwh",
            ),
            (
                "battery.power_kw.max=1",
                "--set battery.power_kw.max: battery.power_kw is 10, which has no key max; "
                "set battery.power_kw to a mapping",
            ),
            ("components=3", "--set components: name the component, e.g. components.battery"),
            ("components.tank=null", "--set components.tank: unknown component 'tank'; one of battery, grid"),
            (
                "weather={source: epw, path: x.epw}",
                "--set weather.path: no such file 'x.epw'; paths begin at the scenario file's folder",
            ),
            (
                "battery.power_kw=[1",
                "--set battery.power_kw: not valid YAML: expected ',' or ']', but got '<stream end>'; "
                "check indentation, quotes and brackets here",
            ),
        ],
    )
    def test_each_kind_of_fault_has_its_text(self, faults: Faults, good: str, setting: str, message: str) -> None:
        assert faults(good, settings=[setting]) == [message]

    def test_list_entries_that_are_not_there(self, faults: Faults, good: str) -> None:
        text = good + "  dc: {kind: data_centre, racks: 4, pue: 1.2, classes: [{name: a, arrivals_kw: 1}]}\n"
        assert faults(text, settings=["dc.classes[1].arrivals_kw=2", "dc.classes.name=b"]) == [
            "--set dc.classes[1].arrivals_kw: dc.classes has 1 entries; the last is dc.classes[0]",
            "--set dc.classes.name: dc.classes is a list; write dc.classes[0] to dc.classes[0]",
        ]

    def test_faults_of_settings_and_of_the_file_come_together(self, faults: Faults, good: str) -> None:
        text = good.replace("days: 3", "days: 0")
        assert faults(text, overrides=["none"], settings=["batery.x=1", "grid.import_limit_kw=-2"])[:2] == [
            "--override: unknown override 'none'; the scenario has no overrides",
            "--set batery.x: unknown name 'batery'; did you mean battery?",
        ]

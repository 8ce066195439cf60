"""Scenario files: each kind of fault has its exact text and line, all at once; what is right is loaded as meant."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from vpp_sim.components import Battery, Grid
from vpp_sim.errors import InputError
from vpp_sim.scenario import load_scenario, scenario_from_mapping
from vpp_sim.yaml_lines import parse_yaml, read_yaml

Faults = Callable[..., list[str]]
KINDS = "battery, data_centre, ev_station, grid, load, pv"


def test_a_good_file_is_loaded_as_it_says(folder: Path, good: str) -> None:
    (folder / "site.yaml").write_text(good)
    scenario = load_scenario("site.yaml")
    assert scenario.name == "Site"
    assert scenario.grid.num_steps == 72
    assert scenario.grid.timezone == "Asia/Shanghai"
    assert scenario.tariff.name == "flat"
    assert list(scenario.components) == ["battery", "grid"]
    assert scenario.components["battery"] == Battery(kind="battery", power_kw=10, energy_kwh=20)
    assert scenario.source == Path("site.yaml")
    assert scenario.base_dir == Path()
    assert scenario.dispatch.solver == "auto"
    assert scenario.economics.discount_rate == 0.06
    assert scenario.notes == ()
    assert scenario.files() == ()


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        # the frame
        ("name: Site\n", "", "bad.yaml:1: name: missing: what the site is called"),
        ("name: Site", "name: 2025", "bad.yaml:1: name: must be text, got 2025"),
        (
            "currency: CNY",
            "curency: CNY",
            "bad.yaml:1: currency: missing: currency of all money, three letters, e.g. CNY\n"
            "bad.yaml:2: curency: unknown key; did you mean currency?",
        ),
        ("CNY", "Yuan", "bad.yaml:2: currency: must be three capital letters such as CNY, got 'Yuan'"),
        ("CNY", "EUR", "bad.yaml:2: currency: is EUR, but the tariff is in CNY; choose a tariff in EUR"),
        (
            "latitude: 36.62",
            "latitude: 136.62",
            "bad.yaml:4: site.latitude: must lie between -90 and 90 deg, got 136.62; are latitude and longitude "
            "swapped?",
        ),
        (
            "latitude: 36.62",
            "latitude: 36.62N",
            "bad.yaml:4: site.latitude: must be a number [deg], got '36.62N'; write the number alone, in deg",
        ),
        # horizon
        (
            "start: 2025-01-01",
            "start: 2025",
            "bad.yaml:3: horizon.start: must be a date such as 2025-01-01 or a local time such as 2025-01-01 06:00, "
            "got 2025",
        ),
        (
            "start: 2025-01-01",
            "start: 2025-02-30",
            "bad.yaml:3: horizon.start: must be a date such as 2025-01-01 or a local time such as 2025-01-01 06:00, "
            "got '2025-02-30'",
        ),
        (
            "start: 2025-01-01",
            "start: 2025-01-01T06:00:00+08:00",
            "bad.yaml:3: horizon.start: must be local time without an offset, got 2025-01-01 06:00:00+08:00; "
            "the zone stands in timezone",
        ),
        (
            "start: 2025-01-01",
            "start: 2025-01-01 06:10",
            "bad.yaml:3: horizon.start: must lie on a step of 60 min, got 06:10:00",
        ),
        (
            "start: 2025-01-01",
            "start: 1800-01-01",
            "bad.yaml:3: horizon.start: must lie in the years 1950 to 2200, got 1800",
        ),
        ("days: 3", "days: 0", "bad.yaml:3: horizon.days: must be at least 1 d, got 0"),
        ("days: 3", "days: 3661", "bad.yaml:3: horizon.days: must be at most 3660 d, got 3661"),
        ("days: 3", "days: 2.5", "bad.yaml:3: horizon.days: must be a whole number [d], got 2.5"),
        ("days: 3", "days: yes", "bad.yaml:3: horizon.days: must be a whole number [d], got 'yes'"),
        ("days: 3", "days: true", "bad.yaml:3: horizon.days: must be a whole number [d], got 'true'"),
        (
            "days: 3",
            "days: 3, step_minutes: 20",
            "bad.yaml:3: horizon.step_minutes: must be one of 5, 10, 15, 30, 60 min, got 20",
        ),
        (
            "Asia/Shanghai",
            "Asia/Shangai",
            "bad.yaml:3: horizon.timezone: unknown time zone 'Asia/Shangai'; did you mean Asia/Shanghai?",
        ),
        (
            "Asia/Shanghai",
            "Beijing",
            "bad.yaml:3: horizon.timezone: unknown time zone 'Beijing'; write an IANA name such as Asia/Shanghai",
        ),
        ("Asia/Shanghai", "8", "bad.yaml:3: horizon.timezone: must be text, got 8"),
        # weather and tariff
        (
            "{source: climate}",
            "climate",
            "bad.yaml:5: weather: must be a mapping with source: climate or csv or epw or nasa_power or pvgis or tmy3, "
            "got 'climate'",
        ),
        (
            "{source: climate}",
            "{source: epv}",
            "bad.yaml:5: weather: unknown source 'epv'; did you mean epw? "
            "one of climate, csv, epw, nasa_power, pvgis, tmy3",
        ),
        (
            "{source: climate}",
            "{source: epw, path: year.epw}",
            "bad.yaml:5: weather.path: no such file 'year.epw'; paths begin at the scenario file's folder",
        ),
        (
            "{source: climate}",
            "{source: epw, path: /nowhere/year.epw}",
            "bad.yaml:5: weather.path: no such file '/nowhere/year.epw'; there is no folder '/nowhere'",
        ),
        (
            "{source: climate}",
            "{source: epw, path: ~/year.epw}",
            "bad.yaml:5: weather.path: ~ is not expanded, got '~/year.epw'; "
            "write the path out, or relative to the scenario file",
        ),
        (
            "{source: climate}",
            "{source: epw, path: https://a.org/y.epw}",
            "bad.yaml:5: weather.path: must be a file on this machine, got 'https://a.org/y.epw'; "
            "download it first and give its path",
        ),
        ("{source: climate}", "{source: epw, path: .}", "bad.yaml:5: weather.path: '.' is a folder; give a file"),
        (
            "{source: climate}",
            "{source: climate, climate: other/facts.yaml}",
            "bad.yaml:5: weather.climate: no such file 'other/facts.yaml'; there is no folder 'other'",
        ),
        ("tariff: flat", "tariff: flatt", "bad.yaml:6: tariff: unknown tariff 'flatt'; did you mean flat?"),
        ("tariff: flat", "tariff: 5", "bad.yaml:6: tariff: must be text or a mapping, got 5"),
        (
            "tariff: flat",
            "tariff: mine.yaml",
            "bad.yaml:6: tariff: no such file 'mine.yaml'; paths begin at the scenario file's folder",
        ),
        (
            "tariff: flat",
            "tariff:\n  extends: flat\n  demnd: {basis: none}",
            "bad.yaml:8: tariff.demnd: unknown key; did you mean demand?",
        ),
        # components
        ("components:", "components: [1]\nx-rest:", "bad.yaml:7: components: must be a mapping, got a list"),
        (
            "  battery:",
            "  Battery:",
            "bad.yaml:8: Battery: a component's name must be lower-case letters, digits and _, beginning with a letter",
        ),
        (
            "  battery:",
            "  3:",
            "bad.yaml:8: components[3]: a component's name must be lower-case letters, digits and _, "
            "beginning with a letter",
        ),
        (
            "  battery:",
            "  bus:",
            "bad.yaml:8: bus: the name bus is reserved; call the component something else",
        ),
        (
            "  grid: {kind: grid, import_limit_kw: 100}\n",
            "",
            "bad.yaml:7: components: missing: one of kind grid; add grid: {kind: grid, ...}",
        ),
        (
            "  grid: {",
            "  other: {kind: grid, import_limit_kw: 1}\n  grid: {",
            "bad.yaml:10: grid: a second grid beside other; keep one",
        ),
        ("kind: battery, ", "", "bad.yaml:8: battery: missing: kind; write kind: battery"),
        ("battery: {kind: battery, ", "store: {", f"bad.yaml:8: store: missing: kind; one of {KINDS}"),
        (
            "kind: battery",
            "kind: hydrogen",
            f"bad.yaml:8: battery: unknown kind 'hydrogen'; one of {KINDS}",
        ),
        (
            "kind: battery",
            "kind: batery",
            f"bad.yaml:8: battery: unknown kind 'batery'; did you mean battery? one of {KINDS}",
        ),
        (
            "{kind: battery, power_kw: 10, energy_kwh: 20}",
            "",
            f"bad.yaml:8: battery: must be a mapping with kind: one of {KINDS}, got nothing",
        ),
        (
            "power_kw: 10, ",
            "",
            "bad.yaml:8: battery.power_kw: missing: largest charge or discharge power at the bus [kW]",
        ),
        ("energy_kwh: 20", "energy_kwh: -4", "bad.yaml:8: battery.energy_kwh: must be at least 0 kWh, got -4"),
        (
            "energy_kwh: 20",
            "energy_kwh: .inf",
            "bad.yaml:8: battery.energy_kwh: must be a finite number [kWh], got inf",
        ),
        (
            "energy_kwh: 20",
            "energy_kwh: 20, charge_eff: 0.9",
            "bad.yaml:8: battery.charge_eff: unknown key; did you mean charge_efficiency?",
        ),
        (
            "energy_kwh: 20",
            "energy_kwh: 20, charge_efficiency: 93.3",
            "bad.yaml:8: battery.charge_efficiency: must be at most 1, got 93.3 (a fraction: 93.3 % is 0.933)",
        ),
        (
            "energy_kwh: 20",
            "energy_kwh: 20, charge_efficiency: 93.3 %",
            "bad.yaml:8: battery.charge_efficiency: must be a number, got '93.3 %'; "
            "write a fraction such as 0.95 for 95 %",
        ),
        (
            "energy_kwh: 20",
            "energy_kwh: 20, self_discharge_per_hour: 0.1 %",
            "bad.yaml:8: battery.self_discharge_per_hour: must be a number [1/h], got '0.1 %'; "
            "write a fraction such as 0.95 for 95 %",
        ),
        (
            "energy_kwh: 20",
            "energy_kwh: 1,000",
            "bad.yaml:8: battery[0]: a key must be text, got 0; write numbers without commas (1000, not 1,000)",
        ),
        (
            "import_limit_kw: 100",
            "import_limit_kw: 100, export_limit_kw: 3000 kW",
            "bad.yaml:9: grid.export_limit_kw: must be a number [kW], got '3000 kW'; write the number alone, in kW",
        ),
        (
            "import_limit_kw: 100",
            "import_limit_kw: 100, export_limit_kw: on",
            "bad.yaml:9: grid.export_limit_kw: must be a number [kW], got 'on'",
        ),
        (
            "energy_kwh: 20",
            "energy_kwh: 20, soc_min: 0.9, soc_max: 0.2",
            "bad.yaml:8: battery.soc_min: must be at most soc_max (0.2), got 0.9",
        ),
        (
            "power_kw: 10",
            "power_kw: {max: 5, cost: 3}",
            "bad.yaml:8: battery.power_kw.cost_per_unit: missing: investment per unit of size [currency/unit]\n"
            "bad.yaml:8: battery.power_kw.cost: unknown key; did you mean cost_per_unit?",
        ),
        (
            "  battery:",
            "  park: {kind: load, profile: {path: load.csv, unit: kW}}\n  battery:",
            "bad.yaml:8: park.profile.path: no such file 'load.csv'; paths begin at the scenario file's folder",
        ),
        # dispatch and economics
        (
            "tariff: flat",
            "tariff: flat\ndispatch: {solver: cplex}",
            "bad.yaml:7: dispatch.solver: unknown solver 'cplex'; "
            "one of auto, highs, structured, pulp:CBC, pulp:HiGHS, pulp:NAME",
        ),
        (
            "tariff: flat",
            "tariff: flat\neconomics: {discount_rate: 6}",
            "bad.yaml:7: economics.discount_rate: must be at most 1, got 6 (a fraction: 6 % is 0.06)",
        ),
    ],
)
def test_each_kind_of_fault_has_its_text(faults: Faults, good: str, was: str, becomes: str, message: str) -> None:
    assert was in good
    assert "\n".join(faults(good.replace(was, becomes, 1))) == message


def test_every_fault_comes_at_once_in_the_order_of_its_line(faults: Faults) -> None:
    assert faults(
        "name: Site\ncurrency: CNY\nhorizon: {start: 2025-01-01, days: 0, timezone: Asia/Shanghai}\n"
        "site: {latitude: 36.62, longitude: 101.78, altitude_m: 2261}\nweather: {source: climate}\ncomponents:\n"
        "  battery:\n    kind: battery\n    energy_kwh: -4\n    charge_eff: 0.9\n  tank: {kind: hydrogen}\n"
        "  park: {kind: load, profile: {path: load.csv, unit: kW}}\n"
    ) == [
        "bad.yaml:1: tariff: missing: a tariff's name, a file, or a tariff written out",
        "bad.yaml:3: horizon.days: must be at least 1 d, got 0",
        "bad.yaml:6: components: missing: one of kind grid; add grid: {kind: grid, ...}",
        "bad.yaml:7: battery.power_kw: missing: largest charge or discharge power at the bus [kW]",
        "bad.yaml:9: battery.energy_kwh: must be at least 0 kWh, got -4",
        "bad.yaml:10: battery.charge_eff: unknown key; did you mean charge_efficiency?",
        f"bad.yaml:11: tank: unknown kind 'hydrogen'; one of {KINDS}",
        "bad.yaml:12: park.profile.path: no such file 'load.csv'; paths begin at the scenario file's folder",
    ]


@pytest.mark.parametrize("name", ["Asia", "../etc/passwd", "''"])
def test_a_folder_or_a_path_is_no_time_zone(faults: Faults, good: str, name: str) -> None:
    (told,) = faults(good.replace("Asia/Shanghai", name))
    assert told.startswith("bad.yaml:3: horizon.timezone: unknown time zone ")


def test_bad_yaml_is_told_with_its_line(faults: Faults, good: str) -> None:
    assert faults(good + "  pv: {kind: pv, capacity_kw: 3\n")[0].startswith("bad.yaml:11: not valid YAML: ")
    assert faults(good + "x-tag: !!python/object:os.system echo\n") == [
        "bad.yaml:10: tag 'tag:yaml.org,2002:python/object:os.system' is not allowed; write plain values"
    ]
    assert faults(good + "name: Other\n") == ["bad.yaml:10: name: doubled key; it stands already in line 1"]


def test_a_file_that_is_not_there_says_which_one_is_near(folder: Path, good: str) -> None:
    (folder / "site.yaml").write_text(good)
    with pytest.raises(InputError) as caught:
        load_scenario("sites.yaml")
    assert str(caught.value) == "sites.yaml: no such file; did you mean site.yaml?"


def test_anchors_may_stand_below_keys_that_begin_with_x(folder: Path, good: str) -> None:
    text = good.replace("components:", "x-size: &size 40\ncomponents:").replace("energy_kwh: 20", "energy_kwh: *size")
    (folder / "site.yaml").write_text(text)
    battery = load_scenario("site.yaml").components["battery"]
    assert isinstance(battery, Battery)
    assert battery.energy_kwh == 40


@pytest.mark.parametrize(
    ("word", "value"), [("1e3", 1000.0), ("1_000", 1000.0), ("'1000'", 1000.0), ("+1000", 1000.0), (".5", 0.5)]
)
def test_numbers_may_be_written_as_people_write_them(folder: Path, good: str, word: str, value: float) -> None:
    (folder / "site.yaml").write_text(good.replace("import_limit_kw: 100", f"import_limit_kw: {word}"))
    grid = load_scenario("site.yaml").components["grid"]
    assert isinstance(grid, Grid)
    assert grid.import_limit_kw == value


@pytest.mark.parametrize(
    ("start", "days", "timezone", "steps"),
    [
        ("2025-01-01", 365, "Asia/Shanghai", 8760),
        ("2024-01-01", 366, "Asia/Shanghai", 8784),
        ("2025-03-30", 1, "Europe/Berlin", 23),
        ("2025-10-26", 1, "Europe/Berlin", 25),
        ("2025-01-01 06:00", 2, "Asia/Shanghai", 48),
    ],
)
def test_the_horizon_counts_local_calendar_days(
    folder: Path, good: str, start: str, days: int, timezone: str, steps: int
) -> None:
    text = good.replace("start: 2025-01-01, days: 3, timezone: Asia/Shanghai", "start: S, days: D, timezone: Z")
    (folder / "site.yaml").write_text(
        text.replace(" S,", f" {start},").replace(" D,", f" {days},").replace(" Z}", f" {timezone}}}")
    )
    grid = load_scenario("site.yaml").grid
    assert grid.num_steps == steps
    assert grid.start == dt.datetime.fromisoformat(start)


def test_a_clock_far_from_the_sun_is_a_remark_and_no_fault(folder: Path, good: str) -> None:
    (folder / "site.yaml").write_text(good.replace("longitude: 101.78", "longitude: -101.78"))
    assert load_scenario("site.yaml").notes == (
        "site.longitude -101.78 deg and Asia/Shanghai (UTC+8 h) are 9.2 h apart; "
        "check the sign of the longitude and the time zone",
    )
    (folder / "site.yaml").write_text(good.replace("longitude: 101.78", "longitude: 75.99"))  # Kashgar
    assert load_scenario("site.yaml").notes == ()


def test_as_resolved_it_loads_again_to_an_equal_scenario_anywhere(folder: Path, good: str) -> None:
    (folder / "load.csv").write_text("power\n" + "5\n" * 72)
    (folder / "site.yaml").write_text(good + "  park: {kind: load, profile: {path: load.csv, unit: kW}}\n")
    scenario = load_scenario("site.yaml")
    mapping = scenario.to_mapping()
    assert mapping["components"]["park"]["profile"]["path"] == str((folder / "load.csv").resolve())
    assert mapping["tariff"]["name"] == "flat"
    assert "extends" not in mapping
    elsewhere = scenario_from_mapping(mapping, base_dir="/")
    assert elsewhere == scenario
    assert hash(elsewhere) == hash(scenario)
    assert elsewhere.digest() == scenario.digest()
    assert elsewhere.files() == (folder / "load.csv",)
    assert scenario.with_components(battery=None) != scenario


def test_a_moved_run_loads_without_its_files(folder: Path, good: str) -> None:
    (folder / "site.yaml").write_text(good + "  park: {kind: load, profile: {path: gone.csv, unit: kW}}\n")
    scenario = load_scenario("site.yaml", check_files=False)
    assert [str(path) for path in scenario.files()] == ["gone.csv"]


def test_a_mapping_without_file_and_lines_has_faults_by_path(good: str) -> None:
    content, lines = parse_yaml(good.replace("energy_kwh: 20", "energy_kwh: -4"))
    with pytest.raises(InputError) as caught:
        scenario_from_mapping(content, base_dir=".")
    assert str(caught.value) == "battery.energy_kwh: must be at least 0 kWh, got -4"
    with pytest.raises(InputError) as caught:
        scenario_from_mapping(content, base_dir=".", file="a.yaml", lines=lines)
    assert str(caught.value) == "a.yaml:8: battery.energy_kwh: must be at least 0 kWh, got -4"
    with pytest.raises(InputError) as caught:
        scenario_from_mapping({**parse_yaml(good)[0], "extends": "b.yaml"}, base_dir=".")
    assert "extends: only a file can extend another; use load_scenario" in str(caught.value)


def test_faults_of_input_files_are_told_together_and_those_of_values_at_their_line(folder: Path, good: str) -> None:
    (folder / "short.csv").write_text("power\n" + "5\n" * 10)
    (folder / "site.yaml").write_text(
        good
        + "  a: {kind: load, profile: {path: short.csv, unit: kW}}\n"
        + "  b: {kind: load, profile: -3}\n"
        + "  c:\n    kind: load\n    profile: {path: short.csv, unit: kg}\n"
    )
    with pytest.raises(InputError) as caught:
        load_scenario("site.yaml").read_inputs()
    files = {fault.file for fault in caught.value.faults}
    assert files == {"short.csv", "site.yaml"}
    told = [str(fault) for fault in caught.value.faults if fault.file == "site.yaml"]
    assert told[0].startswith("site.yaml:11: b.profile: a load must be at least 0 kW, got -3; ")
    assert told[1].startswith("site.yaml:14: c.profile.unit: unknown unit 'kg' of power")


def test_weather_is_read_once_for_a_scenario_and_its_variants(
    folder: Path, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vpp_sim.scenario.model as model

    calls = []

    def counted(*arguments: object) -> object:
        calls.append(arguments)
        return object()

    monkeypatch.setattr(model, "read_weather", counted)
    (folder / "site.yaml").write_text(good)
    scenario = load_scenario("site.yaml")
    assert not calls
    variant = scenario.replace_components({"grid": scenario.components["grid"]})
    assert variant.context().weather is scenario.context().weather
    assert len(calls) == 1
    assert variant.grid is scenario.grid


def test_the_resolved_mapping_is_plain_data(folder: Path, good: str) -> None:
    (folder / "site.yaml").write_text(good)

    def check(value: object) -> None:
        assert value is None or type(value) in (dict, list, str, int, float, bool, dt.date, dt.datetime)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(inner)

    check(load_scenario("site.yaml").to_mapping())
    assert read_yaml("site.yaml")[0]["name"] == "Site"

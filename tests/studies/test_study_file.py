"""Study files: which cases they make, in what order, and what is told about faults."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vpp_sim.errors import InputError
from vpp_sim.studies.study import Sample, load_study, sampled_unit_cube

SITE = """
name: Tiny
currency: CNY
horizon: {start: 2025-06-09, days: 1, timezone: Asia/Shanghai}
site: {latitude: 36.62, longitude: 101.78, altitude_m: 2261}
weather: {source: climate, climate: xining, seed: 1}
tariff: qinghai_two_part_2026_03
components:
  pv: {kind: pv, capacity_kw: 300}
  battery: {kind: battery, power_kw: 180, energy_kwh: 360}
  park: {kind: load, profile: 90}
  grid: {kind: grid, import_limit_kw: 300}
overrides:
  no_battery: {components: {battery: null}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(f"name: study\nbase: site.yaml\n{text}", encoding="utf-8")
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_study(path)
    return [str(fault).replace(f"{path}:", "") for fault in caught.value.faults]


def test_a_grid_is_every_combination_the_last_key_fastest(folder: Path) -> None:
    study = load_study(
        write(folder, "vary:\n  battery.energy_kwh: [0, 360]\n  pv.capacity_kw: {from: 100, to: 300, step: 100}\n")
    )
    assert [tuple(value for _, value in case.values) for case in study.cases] == [
        (0, 100), (0, 200), (0, 300), (360, 100), (360, 200), (360, 300),
    ]  # fmt: skip
    assert [case.number for case in study.cases] == list(range(6))
    assert study.cases[4].settings == ("battery.energy_kwh=360", "pv.capacity_kw=200")


def test_zipped_values_change_together_and_overrides_are_an_axis(folder: Path) -> None:
    text = "vary:\n  override: [null, no_battery]\nzip:\n  - {pv.capacity_kw: [100, 200], pv.tilt_deg: [10, 20]}\n"
    study = load_study(write(folder, text))
    assert [(case.overrides, case.settings) for case in study.cases] == [
        ((), ("pv.capacity_kw=100", "pv.tilt_deg=10")),
        ((), ("pv.capacity_kw=200", "pv.tilt_deg=20")),
        (("no_battery",), ("pv.capacity_kw=100", "pv.tilt_deg=10")),
        (("no_battery",), ("pv.capacity_kw=200", "pv.tilt_deg=20")),
    ]
    assert "battery" not in study.scenario(study.cases[3]).components


def test_values_may_be_mappings(folder: Path) -> None:
    text = "vary:\n  weather: [{source: climate, climate: xining, seed: 5}]\n"
    text += "set: {tariff: {extends: qinghai_two_part_2026_03}}\n"
    scenario = load_study(write(folder, text)).scenario(load_study(folder / "study.yaml").cases[0])
    assert scenario.weather.seed == 5
    assert scenario.tariff.currency == "CNY"


@pytest.mark.parametrize("method", ["lhs", "sobol"])
def test_samples_are_even_in_every_dimension_and_repeat_with_their_seed(method: str) -> None:
    """64 points: exactly one in each of 64 equal strips of every dimension; another seed gives others."""
    first = sampled_unit_cube(Sample(method=method, size=64, seed=1), 3)
    strips = np.sort(np.floor(first * 64).astype(int), axis=0)
    np.testing.assert_array_equal(strips, np.arange(64)[:, None].repeat(3, axis=1))
    np.testing.assert_array_equal(first, sampled_unit_cube(Sample(method=method, size=64, seed=1), 3))
    assert not np.array_equal(first, sampled_unit_cube(Sample(method=method, size=64, seed=2), 3))


def test_a_sample_draws_ranges_and_lists(folder: Path) -> None:
    text = (
        "vary:\n  pv.capacity_kw: {from: 10, to: 1000, scale: log}\n  weather.seed: {from: 1, to: 4, step: 1}\n"
        "  battery.soc_max: [0.8, 0.9]\nsample: {method: lhs, size: 40, seed: 7}\n"
    )
    cases = load_study(write(folder, text)).cases
    capacity, seed, soc = (
        np.array(column, dtype=float) for column in zip(*[[v for _, v in c.values] for c in cases], strict=True)
    )
    assert len(cases) == 40
    assert 10 <= capacity.min() < 12 < 900 < capacity.max() <= 1000
    assert (capacity < 100).sum() == 20  # half of the draws below the geometric mean
    assert [(seed == number).sum() for number in (1, 2, 3, 4)] == [10] * 4
    assert (soc == 0.8).sum() == 20


def test_the_good_order_keeps_weather_together_and_neighbours_alike(folder: Path) -> None:
    text = (
        "vary:\n  battery.energy_kwh: {from: 0, to: 700, step: 100}\n  weather.seed: [1, 2, 3]\n"
        "  pv.capacity_kw: {from: 100, to: 800, step: 100}\n"
    )
    study = load_study(write(folder, text))
    ordered = study.in_good_order()
    assert sorted(case.number for case in ordered) == list(range(192))
    seeds = [dict(case.values)["weather.seed"] for case in ordered]
    assert sum(before != after for before, after in pairwise(seeds)) == 2
    box = [dict(case.values) for case in ordered[:16]]
    assert (
        max(values["battery.energy_kwh"] for values in box) - min(values["battery.energy_kwh"] for values in box) <= 300
    )


def test_the_digest_follows_what_cases_are(folder: Path) -> None:
    path = write(folder, "vary: {battery.energy_kwh: [0, 360]}\n")
    first = load_study(path).digest
    assert load_study(path).digest == first
    assert load_study(write(folder, "description: words\nvary: {battery.energy_kwh: [0, 360]}\n")).digest == first
    assert load_study(write(folder, "vary: {battery.energy_kwh: [0, 361]}\n")).digest != first
    assert load_study(path, settings=["pv.tilt_deg=20"]).digest != first
    (folder / "site.yaml").write_text(SITE.replace("capacity_kw: 300", "capacity_kw: 301"), encoding="utf-8")
    assert load_study(write(folder, "vary: {battery.energy_kwh: [0, 360]}\n")).digest != first


def test_a_changed_data_file_changes_the_digest(folder: Path) -> None:
    def with_profile(scale: int) -> str:
        lines = ["time,kw", *(f"2025-06-09 {hour:02d}:00,{scale * hour}" for hour in range(24))]
        (folder / "park.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        study = load_study(write(folder, "set: {park.profile: {path: park.csv, column: kw, unit: kW}}\n"))
        assert list(study.files) == [str((folder / "park.csv").resolve())]
        return study.digest

    assert with_profile(1) != with_profile(2)


def test_all_faults_stand_at_their_lines(folder: Path) -> None:
    text = "vary:\n  battry.energy_kwh: [0, 360]\n  pv.capacity_kw: [100, -4]\n  override: [no_batery]\n"
    assert faults_of(write(folder, text)) == [
        "4: vary.battry.energy_kwh: unknown name 'battry'; did you mean battery?",
        "5: vary.pv.capacity_kw: must be at least 0 kW, got -4",
        "6: vary.override: unknown override 'no_batery'; did you mean no_battery? one of no_battery",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("vary: {pv.capacity_kw: {from: 1, to: 2}}\n", "3: vary.pv.capacity_kw: a range needs count or step here"),
        ("vary: {pv.capacity_kw: []}\n", "3: vary.pv.capacity_kw: needs at least one value"),
        (
            "zip:\n  - {pv.capacity_kw: [1, 2], pv.tilt_deg: [1]}\n",
            "4: zip.0: values that change together must be as many: pv.capacity_kw has 2, pv.tilt_deg has 1",
        ),
        (
            "vary: {pv.tilt_deg: [1]}\nzip:\n  - {pv.tilt_deg: [1]}\n",
            "5: zip.0.pv.tilt_deg: stands in vary already; a path can vary in one place",
        ),
        ("varry: {pv.tilt_deg: [1]}\n", "3: varry: unknown key; did you mean vary?"),
        ("set: {pv.tilt: 3}\n", "3: set.pv.tilt: unknown key; did you mean tilt_deg?"),
    ],
)
def test_a_fault_says_where_and_what_next(folder: Path, text: str, fault: str) -> None:
    assert faults_of(write(folder, text)) == [fault]


def test_too_many_cases_are_refused(folder: Path) -> None:
    text = "vary:\n  pv.capacity_kw: {from: 0, to: 2000, step: 1}\n  pv.tilt_deg: {from: 0, to: 80, step: 0.1}\n"
    assert faults_of(write(folder, text))[0].startswith("1: 1,602,801 cases, at most 1,000,000")


def test_a_base_that_is_not_there_is_named(folder: Path) -> None:
    path = folder / "study.yaml"
    path.write_text("name: study\nbase: sites.yaml\n", encoding="utf-8")
    assert faults_of(path) == ["2: base: no such file 'sites.yaml'; did you mean site.yaml?"]

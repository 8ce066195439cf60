"""The scenarios that come with the project: loaded, read to the last input, and as large as they say."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vpp_sim.components import DataCentre
from vpp_sim.profiles import profile_series
from vpp_sim.scenario import load_scenario, scenario_from_mapping

FOLDER = Path(__file__).parents[2] / "scenarios"
TEMPLATE = Path(__file__).parents[2] / "vpp_sim" / "scenario" / "templates" / "site.yaml"
FILES = [*sorted(FOLDER.glob("*.yaml")), TEMPLATE]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_loads_reads_and_resolves_to_itself(path: Path) -> None:
    scenario = load_scenario(path)
    inputs = scenario.read_inputs()
    assert set(inputs) == set(scenario.components)
    assert scenario.notes == ()
    again = scenario_from_mapping(scenario.to_mapping(), base_dir="/")
    assert again == scenario
    assert scenario.files() == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_override_applies(path: Path) -> None:
    plain = load_scenario(path)
    for name in re.findall(r"^  (\w+):", path.read_text().partition("\noverrides:\n")[2], flags=re.MULTILINE):
        assert load_scenario(path, overrides=[name]) != plain, name


@pytest.mark.parametrize("name", ["xining_6mw", "green_compute_park", "valley_charging_depot"])
def test_every_number_of_a_component_has_a_certainty(name: str) -> None:
    """A number in a scenario file stands on a line with a letter A to M, or follows one that says it for a block."""
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    begin, end = lines.index("components:"), lines.index("overrides:")
    bare = [
        line
        for line in lines[begin:end]
        if re.search(r"^\s+\w+_(kw|kwh|deg|hours|share|per_kwh|per_rack|per_day|sigma|hour|soc):? ?.*\d", line)
        and not re.search(r"# .*\b[ABCDM]\b", line)
    ]
    allowed = ("discharge_efficiency", "rack_power_kw", "sessions_per_day", "weekend_factor", "energy_sigma")
    allowed += ("charger_power_kw", "departure_hour", "mean:", "arrivals_kw")
    assert [line for line in bare if not any(word in line for word in allowed)] == []


@pytest.mark.parametrize(("name", "racks", "mean_kw"), [("xining_6mw", 400, 380), ("green_compute_park", 1000, 950)])
def test_the_work_handed_in_is_what_the_comment_says(name: str, racks: int, mean_kw: float) -> None:
    """65 % of the dynamic power of the racks in use; of it 31 % (Xining) may wait."""
    scenario = load_scenario(FOLDER / f"{name}.yaml")
    centre = scenario.components["data_centre"]
    assert isinstance(centre, DataCentre)
    assert centre.racks == racks
    means = {
        job.name: profile_series(job.arrivals_kw, scenario.grid, quantity="power", base_dir=FOLDER).mean()
        for job in centre.classes
    }
    assert sum(means.values()) == pytest.approx(mean_kw, rel=1e-3)
    assert sum(means.values()) == pytest.approx(0.65 * (1 - centre.idle_share) * centre.it_kw(racks), rel=1e-3)
    if name == "xining_6mw":
        waiting = sum(means[job.name] for job in centre.classes if job.max_delay_hours > 0)
        assert waiting / sum(means.values()) == pytest.approx(0.305, abs=0.005)


def test_a_real_weather_year_takes_the_place_of_the_climate(real_data: Callable[[str], Path]) -> None:
    path = next(file for file in sorted(real_data("weather").glob("*.epw")) if "ining" in file.name)
    scenario = load_scenario(FOLDER / "xining_6mw.yaml", settings=[f"weather={{source: epw, path: {path}}}"])
    assert scenario.files() == (path,)
    assert Path(scenario.to_mapping()["weather"]["path"]) == path.resolve()
    weather = scenario.read_weather()
    assert weather.ghi_w_per_m2.sum() / 1000 == pytest.approx(1553, rel=0.01)
    assert weather.temperature_celsius.mean() == pytest.approx(5.94, abs=0.1)

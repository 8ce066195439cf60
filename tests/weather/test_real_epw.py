"""Four CSWD files of north-west China: their traps are found, their sums kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.weather import Site
from vpp_sim.weather.sun import sun_over_grid

pytestmark = pytest.mark.real

#: file, site, GHI [kWh/m2], mean temperature, how late its rows are [h], share that DNI and DHI reach of GHI [%]
STATIONS = [
    ("CHN_Qinghai.Xining.528660_CSWD.epw", (36.72, 101.75, 2295), 1553.3, 5.94, 0.49, 90.2),
    ("CHN_Qinghai.Golmud.528180_CSWD.epw", (36.42, 94.90, 2808), 1955.7, 5.79, 1.44, 85.3),
    ("CHN_Qinghai.Gangca.527540_CSWD.epw", (37.33, 100.13, 3302), 1828.0, 0.66, 0.57, 83.2),
    ("CHN_Gansu.Lanzhou.528890_CSWD.epw", (36.05, 103.88, 1517), 1403.3, 10.25, 0.51, 93.9),
]


@pytest.mark.parametrize(("name", "place", "ghi", "temperature", "late", "closing"), STATIONS)
def test_the_traps_of_the_cswd_files_are_found(
    kit: Any,
    real_data: Callable[[str], Path],
    name: str,
    place: tuple[float, float, float],
    ghi: float,
    temperature: float,
    late: float,
    closing: float,
) -> None:
    site = Site(latitude=place[0], longitude=place[1], altitude_m=place[2])
    weather = kit.weather_of(real_data("weather"), None, site, source="epw", path=name)
    assert weather.ghi_w_per_m2.mean() * 8.76 == pytest.approx(ghi, rel=3e-3)
    assert weather.temperature_celsius.mean() == pytest.approx(temperature, abs=0.01)
    notes = [note for note in weather.notes if "saturation" not in note]
    assert (len(notes) < len(weather.notes)) == ("Gangca" in name)  # up to 146 % of humidity stand in that file
    moved, decomposed, mapped = notes[:3]
    assert float(moved.split("centred ")[1].split(" h")[0]) == pytest.approx(late, abs=0.03)
    assert moved.endswith("at unchanged energy")
    assert float(decomposed.split("+ DHI is ")[1].split(" %")[0]) == pytest.approx(closing, abs=0.5)
    assert "largest DNI 78" in decomposed
    assert mapped.startswith("a typical year")
    sun = sun_over_grid(kit.grid_of(), site)
    assert (weather.ghi_w_per_m2[sun.daylight == 0] == 0).all()
    delay = (weather.ghi_w_per_m2 * sun.direction.east).sum() / (weather.ghi_w_per_m2 * sun.direction.up).sum()
    assert abs(np.degrees(delay)) < 2.5  # 10 minutes
    assert weather.dni_w_per_m2.max() < 1200
    rest = weather.dni_w_per_m2 * sun.direction.up + weather.dhi_w_per_m2 - weather.ghi_w_per_m2
    assert abs(rest.mean()) < 0.01 * weather.ghi_w_per_m2.mean()


def test_the_year_of_xining_keeps_its_extremes(kit: Any, real_data: Callable[[str], Path]) -> None:
    """-18.2 and 30.7 degC, pressure 77.2 kPa, humidity 57 %."""
    weather = kit.weather_of(real_data("weather"), source="epw", path=STATIONS[0][0])
    assert weather.temperature_celsius.min() == pytest.approx(-18.2, abs=0.05)
    assert weather.temperature_celsius.max() == pytest.approx(30.7, abs=0.05)
    assert weather.pressure_pa.mean() == pytest.approx(77_228, abs=5)
    assert weather.relative_humidity.mean() == pytest.approx(0.572, abs=0.002)


def test_the_synthetic_year_resembles_the_file(kit: Any, real_data: Callable[[str], Path]) -> None:
    """Same GHI, direct share within 4 %, spread of hourly clearness within a fifth."""
    real = kit.weather_of(real_data("weather"), source="epw", path=STATIONS[0][0])
    ours = kit.weather_of(real_data("weather"), source="climate", climate="xining", seed=1)
    assert ours.ghi_w_per_m2.sum() == pytest.approx(real.ghi_w_per_m2.sum(), rel=3e-3)
    assert ours.dni_w_per_m2.sum() == pytest.approx(real.dni_w_per_m2.sum(), rel=0.04)
    sun = sun_over_grid(kit.grid_of(), kit.site)
    high = sun.direction.up > 0.3
    spread = [(w.ghi_w_per_m2[high] / sun.direction.up[high]).std() for w in (real, ours)]
    assert spread[1] == pytest.approx(spread[0], rel=0.2)

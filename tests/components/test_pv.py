"""PV against arithmetic by hand, against pvlib's own chain, and against the facts of Xining."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from vpp_sim.components.base import Context, FreeSize, Inputs
from vpp_sim.components.pv import (
    PlaneOfArray,
    Pv,
    ac_yield,
    cell_temperature_celsius,
    dc_yield,
    effective_irradiance,
    plane_of_array,
)
from vpp_sim.errors import InputError
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site, Weather, WeatherSource, read_weather
from vpp_sim.weather.sun import SunDirection, SunMeans, sun_over_grid

XINING = Site(latitude=36.62, longitude=101.78, altitude_m=2261)
EPW = {"source": "epw", "path": "CHN_Qinghai.Xining.528660_CSWD.epw"}
HOURS_PER_YEAR = 8760


def pv(**changes: Any) -> Pv:
    return Pv(**{"kind": "pv", "capacity_kw": 1.0, **changes})


def grid_of(step_minutes: int = 60, days: int = 365, start: str = "2025-01-01") -> TimeGrid:
    return TimeGrid(
        dt.datetime.fromisoformat(start), step_minutes, days * 1440 // step_minutes, timezone="Asia/Shanghai"
    )


def inputs_of(
    source: dict[str, Any], grid: TimeGrid | None = None, folder: Path = Path("nowhere"), **changes: Any
) -> Inputs:
    """What a plant at Xining reads from a weather source."""
    grid = grid or grid_of()
    weather = read_weather(TypeAdapter(WeatherSource).validate_python(source), grid, XINING, folder)
    context = Context(grid=grid, site=XINING, tariff=cast(Any, None), base_dir=folder, read_weather=lambda: weather)
    return pv(**changes).inputs(context)


def sky(ghi: Any, dni: Any, dhi: Any, air: float = 10.0, wind: float = 1.0) -> Weather:
    arrays = [np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (ghi, dni, dhi)]
    ones = np.ones_like(arrays[0])
    return Weather(*arrays, air * ones, wind * ones, 77_000 * ones, 0.5 * ones)


def sun_at(elevation_deg: float, azimuth_deg: float, day_of_year: int = 81) -> SunMeans:
    elevation, azimuth = np.radians(elevation_deg), np.radians(azimuth_deg)
    parts = (np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation))
    return SunMeans(SunDirection(*(np.array([part]) for part in parts)), np.ones(1), np.array([day_of_year]))


def test_the_sun_serves_the_load_and_the_rest_is_curtailed(solve_site: Any) -> None:
    """20 kWp with yields 0, 0.3, 0.8 give 0, 6, 16 kW to 10 kW of load at price 1: 10 + 4 + 0; 6 kW curtailed."""
    from vpp_sim.components.load import Load

    site = solve_site(
        {"pv": pv(capacity_kw=20.0), "load": Load(kind="load", profile=10.0)},
        [1.0, 1.0, 1.0],
        inputs={"pv": {"yield_kw_per_kwp": [0.0, 0.3, 0.8]}},
    )
    assert site.objective == pytest.approx(14.0)
    np.testing.assert_allclose(site.values("pv")["generation_kw"], [0.0, 6.0, 10.0], atol=1e-7)
    np.testing.assert_allclose(site.values("pv")["curtailed_kw"], [0.0, 0.0, 6.0], atol=1e-7)
    assert site.kpis("pv") == {"pv_yield_kwh_per_kwp": pytest.approx(1.1)}


@pytest.mark.parametrize(("cost_per_kw", "size", "objective"), [(0.4, 20.0, 8.0), (1.2, 0.0, 20.0)])
def test_a_free_size_is_built_while_it_pays(solve_site: Any, cost_per_kw: float, size: float, objective: float) -> None:
    """Two hours of 10 kW at price 1 and a yield of 0.5: a kWp saves 1; at 0.4 all 20 kWp are built, at 1.2 none."""
    from vpp_sim.components.load import Load

    per_unit = cost_per_kw * 10 * HOURS_PER_YEAR / 2  # ten years' life, two hours of horizon
    free = FreeSize(max=50.0, cost_per_unit=per_unit, lifetime_years=10)
    site = solve_site(
        {"pv": pv(capacity_kw=free), "load": Load(kind="load", profile=10.0)},
        [1.0, 1.0],
        inputs={"pv": {"yield_kw_per_kwp": [0.5, 0.5]}},
    )
    assert site.objective == pytest.approx(objective)
    assert site.values("pv").sizes["capacity_kw"] == pytest.approx(size, abs=1e-6)


def test_nobody_pays_to_export(solve_site: Any) -> None:
    """10 kW of sun, sold at -0.1, 0.2 and 0.0 per kWh: curtailed in the first hour, sold in the second: -2."""
    site = solve_site({"pv": pv(capacity_kw=10.0, yield_profile=1.0)}, [1.0, 1.0, 1.0], sell_per_kwh=(-0.1, 0.2, 0.0))
    assert site.objective == pytest.approx(-2.0)
    np.testing.assert_allclose(site.values("pv")["generation_kw"][:2], [0.0, 10.0], atol=1e-7)


def test_a_plane_that_faces_the_sun_by_hand() -> None:
    """Sun 30 deg high in the south, plane tilted by 60 deg: cos(aoi) = 1, Rb = 2.

    DNI 800, DHI 100, GHI 500, E0 = 1361.1 (1 + 0.033 cos(2 pi 81/365)): A = 0.5842;
    sky = 100 (2 A + 0.75 (1 - A)), ground = 500 * 0.2 * 0.25 = 25.
    """
    plane = plane_of_array(sky(500, 800, 100), sun_at(30, 180), 60, 180, 0.2)
    share = 800 / (1361.1 * (1 + 0.033 * np.cos(2 * np.pi * 81 / 365)))
    assert plane.beam[0] == pytest.approx(800)
    assert plane.sky[0] == pytest.approx(100 * (2 * share + 0.75 * (1 - share)))
    assert plane.ground[0] == pytest.approx(25)


def test_a_horizontal_plane_sees_the_horizontal_irradiance() -> None:
    """And a plane that turns its back to the sun sees no beam."""
    plane = plane_of_array(sky(500, 800, 100), sun_at(30, 180), 0, 180, 0.2)
    assert plane.total[0] == pytest.approx(500)
    north = plane_of_array(sky(500, 800, 100), sun_at(30, 180), 90, 0, 0.2)
    assert north.beam[0] == 0
    assert north.cos_incidence[0] == 0


def test_the_glass_reflects_as_in_pvlib() -> None:
    from pvlib import iam

    angles = np.array([0.0, 30.0, 60.0, 80.0, 89.0])
    none = np.zeros(5)
    beam = PlaneOfArray(np.full(5, 100.0), none, none, np.cos(np.radians(angles)))
    np.testing.assert_allclose(effective_irradiance(beam, 35), 100 * iam.martin_ruiz(angles), rtol=1e-9)
    for tilt in (0.0, 20.0, 90.0):
        diffuse = iam.martin_ruiz_diffuse(max(tilt, 1e-3))
        sky_share, ground_share = diffuse.values() if isinstance(diffuse, dict) else diffuse
        plane = PlaneOfArray(none[:1], np.array([100.0]), np.array([10.0]), none[:1])
        expected = 100 * sky_share + 10 * ground_share
        assert effective_irradiance(plane, tilt)[0] == pytest.approx(float(expected), rel=1e-3)


def test_cells_by_hand() -> None:
    """800 W/m2, 20 degC, 1 m/s: 20 + 800 / 31.84 = 45.13 degC; 1 + 20.13 * -0.0035 of the power, 0.744 kW/kWp."""
    cell = cell_temperature_celsius(np.array([800.0]), np.array([20.0]), np.array([1.0]))
    assert cell[0] == pytest.approx(20 + 800 / 31.84)
    assert dc_yield(np.array([800.0]), cell, -0.0035, 1.0)[0] == pytest.approx(0.8 * (1 - 0.0035 * (cell[0] - 25)))


def test_the_inverter_by_hand() -> None:
    """Half load of PVWatts: eta = 0.97/0.9637 (-0.0162 * 0.5 - 0.0059/0.5 + 0.9858); full load is clipped at 1/1.2."""
    half = 0.5 / (1.2 * 0.97)
    eta = 0.97 / 0.9637 * (-0.0162 * 0.5 - 0.0059 / 0.5 + 0.9858)
    assert ac_yield(np.array([half]), 0.97, 1.2)[0] == pytest.approx(eta * half)
    assert ac_yield(np.array([1.3]), 0.97, 1.2)[0] == pytest.approx(1 / 1.2)
    assert ac_yield(np.array([0.0]), 0.97, 1.2)[0] == 0.0


def test_the_plane_agrees_with_pvlib_at_five_minutes() -> None:
    """Two clear June days against pvlib's own transposition with its SPA positions."""
    from pvlib import irradiance, solarposition

    grid = grid_of(5, days=2, start="2025-06-20")
    weather = read_weather(
        TypeAdapter(WeatherSource).validate_python({"source": "climate", "seed": 1}), grid, XINING, Path("nowhere")
    )
    ours = plane_of_array(weather, sun_over_grid(grid, XINING), 30, 150, 0.2)
    middle = grid.index + pd.Timedelta(minutes=2.5)
    spa = solarposition.get_solarposition(middle, 36.62, 101.78, method="nrel_numpy", delta_t=69.0)
    theirs = irradiance.get_total_irradiance(
        30,
        150,
        spa["zenith"].to_numpy(),
        spa["azimuth"].to_numpy(),
        weather.dni_w_per_m2,
        weather.ghi_w_per_m2,
        weather.dhi_w_per_m2,
        dni_extra=1318.0,
        albedo=0.2,
        model="haydavies",
    )
    high = spa["zenith"].to_numpy() < 87
    np.testing.assert_allclose(ours.total[high], theirs["poa_global"][high], rtol=5e-3, atol=0.5)
    assert ours.total.sum() == pytest.approx(theirs["poa_global"].sum(), rel=2e-3)


def test_directions_and_seasons_make_sense() -> None:
    """East peaks before noon and west after; steep planes win in winter, flat ones in summer; all are dark at night."""
    found = {
        name: inputs_of({"source": "climate"}, tilt_deg=tilt, azimuth_deg=azimuth).series["yield_kw_per_kwp"]
        for name, tilt, azimuth in (("east", 30, 90), ("west", 30, 270), ("flat", 5, 180), ("steep", 60, 180))
    }
    mean = {name: series.reshape(365, 24).mean(axis=0) for name, series in found.items()}
    assert mean["east"].argmax() < 13 < mean["west"].argmax()
    january, june = slice(0, 31 * 24), slice(151 * 24, 181 * 24)
    assert found["steep"][january].sum() > found["flat"][january].sum()
    assert found["steep"][june].sum() < found["flat"][june].sum()
    for series in found.values():
        assert (series >= 0).all()
        assert series.max() <= 1 / 1.2 + 1e-12
        assert (series.reshape(365, 24)[:, [0, 1, 2, 3, 4, 22, 23]] == 0).all()


def test_losses_age_heat_and_clipping_act_as_they_should() -> None:
    """Each moves the yield in its direction; DC losses of 10 % cost 9 to 11 % where nothing is clipped."""
    plain = {"soiling_loss": 0.0, "snow_loss": 0.0, "other_loss": 0.0, "dc_ac_ratio": 0.5}

    def total(**changes: Any) -> float:
        return float(inputs_of({"source": "climate"}, **{**plain, **changes}).series["yield_kw_per_kwp"].sum())

    base = total()
    assert total(other_loss=0.1) == pytest.approx(0.9 * base, rel=0.01)
    assert total(soiling_loss=0.05, snow_loss=0.05) == pytest.approx(0.9025 * base, rel=0.01)
    assert total(age_years=20.0) == pytest.approx(0.995**20 * base, rel=0.01)
    assert total(temperature_coefficient_per_kelvin=0.0) != pytest.approx(base, rel=1e-4)
    assert total(dc_ac_ratio=2.0) < 0.85 * base
    assert total(albedo=0.7) > base


@pytest.mark.real
def test_xining_has_the_light_and_the_yield_that_are_known(real_data: Callable[[str], Path]) -> None:
    """POA(35 deg) 1,772 kWh/m2 from GHI with Erbs (facts; 1,763 by Hay-Davies), yield 1,400 to 1,600 kWh/kWp."""
    found = inputs_of(EPW, folder=real_data("weather"))
    assert found.series["poa_w_per_m2"].sum() / 1000 == pytest.approx(1772, rel=0.01)
    assert 1400 < found.series["yield_kw_per_kwp"].sum() < 1600
    assert found.notes[-1].endswith("kWh per kWp over the horizon (Hay-Davies, Martin-Ruiz, Faiman, PVWatts)")
    quarter = inputs_of(EPW, grid_of(15), real_data("weather"))
    assert quarter.series["poa_w_per_m2"].sum() / 4000 == pytest.approx(
        found.series["poa_w_per_m2"].sum() / 1000, rel=2e-3
    )


@pytest.mark.real
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_synthetic_year_yields_what_the_file_yields(real_data: Callable[[str], Path], seed: int) -> None:
    """Within 3 % for every seed (measured over 50 seeds: -1.0 to -0.3 %), and in every quarter within 8 %."""
    real = inputs_of(EPW, folder=real_data("weather")).series["yield_kw_per_kwp"]
    ours = inputs_of({"source": "climate", "seed": seed}).series["yield_kw_per_kwp"]
    assert ours.sum() == pytest.approx(real.sum(), rel=0.03)
    quarters = [series.reshape(4, -1).sum(axis=1) for series in (ours, real)]
    np.testing.assert_allclose(quarters[0], quarters[1], rtol=0.08)


def test_the_synthetic_yield_does_not_depend_on_the_step() -> None:
    yields = [
        inputs_of({"source": "climate"}, grid_of(step)).series["yield_kw_per_kwp"].mean() * HOURS_PER_YEAR
        for step in (60, 15, 5)
    ]
    np.testing.assert_allclose(yields, yields[0], rtol=2e-3)
    assert 1400 < yields[0] < 1600


def test_a_yield_may_come_from_elsewhere(context_of: Any, tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_text("yield\n0\n250\n700\n", encoding="utf-8")
    profile = {"path": "y.csv", "column": "yield", "unit": "W/kWp"}
    plant = pv(yield_profile=profile)
    context = Context(
        grid=context_of(3).grid,
        site=XINING,
        tariff=cast(Any, None),
        base_dir=tmp_path,
        read_weather=lambda: pytest.fail("weather is not needed"),
    )
    found = plant.inputs(context)
    assert found.series["yield_kw_per_kwp"] == pytest.approx([0.0, 0.25, 0.7])
    assert found.notes == ("yield from a profile, not from weather",)
    assert plant.files(tmp_path) == (tmp_path / "y.csv",)
    assert pv().files(tmp_path) == ()


def test_a_yield_and_a_plane_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="tilt_deg: has no effect beside a yield_profile; leave out one of them"):
        pv(yield_profile=0.5, tilt_deg=20.0)
    assert pv(yield_profile=0.5, tilt_deg=35.0).tilt_deg == 35.0  # the default, as a resolved scenario writes it


def test_a_negative_yield_is_refused(context_of: Any) -> None:
    with pytest.raises(InputError, match=r"yield_profile: must be at least 0 kW/kWp, got -0\.1"):
        pv(yield_profile=-0.1).inputs(context_of(3))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"capacity_kw": -1.0}, "capacity_kw"),
        ({"tilt_deg": 91.0}, "tilt_deg"),
        ({"temperature_coefficient_per_kelvin": 0.4}, "temperature_coefficient_per_kelvin"),
        ({"soiling_loss": 2.0}, "soiling_loss"),
    ],
)
def test_impossible_parameters_are_refused(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        pv(**changes)


def test_uncontrolled_is_the_same() -> None:
    assert pv().uncontrolled() == pv()

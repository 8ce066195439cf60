"""The synthetic year: its statistics against the stated facts, its seeds, its windows, and bad facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.errors import InputError
from vpp_sim.weather import Site
from vpp_sim.weather.climate import (
    MONTH_OF_DAY,
    ClimateFacts,
    climate_rows,
    load_climate,
    mean_preserving_days,
    red_noise,
    saturation_pressure_pa,
)
from vpp_sim.weather.series import GHI, HUMIDITY, TEMPERATURE, WIND
from vpp_sim.weather.sun import extraterrestrial_w_per_m2, sun_means

SEEDS = (0, 1, 2, 3, 12345)
NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def facts() -> ClimateFacts:
    return load_climate("xining", NOWHERE)


def monthly(daily: np.ndarray) -> np.ndarray:
    return np.array([daily[month == MONTH_OF_DAY].mean() for month in range(12)])


@pytest.mark.parametrize("seed", SEEDS)
def test_months_have_the_stated_radiation_and_temperature(kit: Any, facts: ClimateFacts, seed: int) -> None:
    """Far inside 3 % and 0.5 degC, for every seed, on the calendar of the grid."""
    grid = kit.grid_of()
    weather = kit.weather_of(NOWHERE, grid, source="climate", climate="xining", seed=seed)
    for month in range(12):
        here = grid.month_of_year == month + 1
        assert weather.ghi_w_per_m2[here].mean() * 0.024 == pytest.approx(facts.ghi_kwh_per_m2_day[month], rel=0.003)
        assert weather.temperature_celsius[here].mean() == pytest.approx(
            facts.temperature_mean_celsius[month], abs=0.05
        )
        assert weather.relative_humidity[here].mean() == pytest.approx(facts.relative_humidity[month], abs=0.01)
        assert weather.wind_speed_m_per_s[here].mean() == pytest.approx(facts.wind_speed_m_per_s[month], rel=0.05)
    assert weather.ghi_w_per_m2.mean() * 8.76 == pytest.approx(1553, rel=0.005)
    assert weather.temperature_celsius.mean() == pytest.approx(5.94, abs=0.1)


def clearness(facts: ClimateFacts, seed: int, site: Site) -> np.ndarray:
    """Daily clearness index of a synthetic year."""
    rows = climate_rows(facts, seed, site)
    sun = sun_means(rows.nominal_start, 60, rows.num_rows, site)
    outside = extraterrestrial_w_per_m2(sun.day_of_year) * sun.direction.up * sun.daylight
    return rows.values[GHI].reshape(365, 24).sum(axis=1) / outside.reshape(365, 24).sum(axis=1)


def test_days_have_the_stated_clearness_spread_and_memory(kit: Any, facts: ClimateFacts) -> None:
    """Mean and spread in every month and seed; the autocorrelation in the mean of 40 seeds (one year has +-0.05)."""
    correlations = []
    for seed in range(40):
        kt = clearness(facts, seed, kit.site)
        assert kt.min() > 0
        assert kt.max() < 0.85
        anomaly = kt - monthly(kt)[MONTH_OF_DAY]
        correlations.append(np.corrcoef(anomaly[1:], anomaly[:-1])[0, 1])
        if seed < 5:
            np.testing.assert_allclose(monthly(kt), facts.clearness_mean, atol=0.015)
            np.testing.assert_allclose(np.sqrt(monthly(anomaly**2)), facts.clearness_std, atol=0.01)
    assert np.mean(correlations) == pytest.approx(facts.clearness_autocorrelation, abs=0.03)


def test_days_have_the_stated_extremes_and_shape(kit: Any, facts: ClimateFacts) -> None:
    """Daily maxima and minima by month; coldest before sunrise, warmest in the early afternoon (clock of UTC+7)."""
    temperature = climate_rows(facts, 1, kit.site).values[TEMPERATURE].reshape(365, 24)
    np.testing.assert_allclose(monthly(temperature.max(axis=1)), facts.temperature_max_celsius, atol=0.4)
    np.testing.assert_allclose(monthly(temperature.min(axis=1)), facts.temperature_min_celsius, atol=0.4)
    day = temperature.mean(axis=0)
    assert 4 <= day.argmin() <= 6
    assert 13 <= day.argmax() <= 15


def test_clear_days_have_a_wider_range_of_temperature(kit: Any, facts: ClimateFacts) -> None:
    """The typical year of Xining has a correlation of 0.8 between the daily range and the clear-sky index."""
    rows = climate_rows(facts, 1, kit.site)
    span = np.ptp(rows.values[TEMPERATURE].reshape(365, 24), axis=1)
    assert np.corrcoef(span, clearness(facts, 1, kit.site))[0, 1] > 0.6


def test_hours_are_physical(kit: Any, facts: ClimateFacts) -> None:
    weather = kit.weather_of(NOWHERE, source="climate", climate="xining", seed=3)
    assert weather.ghi_w_per_m2.max() < 1300
    assert weather.dni_w_per_m2.max() < 1150
    assert (weather.dhi_w_per_m2 <= weather.ghi_w_per_m2 + 1e-9).all()
    assert weather.relative_humidity.min() >= 0.05
    assert weather.relative_humidity.max() <= 1
    assert weather.wind_speed_m_per_s.min() >= 0
    np.testing.assert_allclose(weather.pressure_pa, 76_953, rtol=1e-4)
    wet = weather.relative_humidity * saturation_pressure_pa(weather.temperature_celsius)
    assert np.corrcoef(weather.relative_humidity, weather.temperature_celsius)[0, 1] < 0
    assert wet.max() < 4000


def test_noon_is_symmetric_and_night_is_dark(kit: Any) -> None:
    """The energy is centred on solar noon within 6 minutes; nothing while the sun is down."""
    grid = kit.grid_of(step_minutes=15)
    weather = kit.weather_of(NOWHERE, grid, source="climate", climate="xining", seed=1)
    sun = sun_means(int(grid.index[0].value // 60e9), 15, grid.num_steps, kit.site)
    assert (weather.ghi_w_per_m2[sun.daylight == 0] == 0).all()
    east = (weather.ghi_w_per_m2 * sun.direction.east).sum() / (weather.ghi_w_per_m2 * sun.direction.up).sum()
    assert abs(east) < np.radians(1.5)


def test_the_same_seed_gives_the_same_year_whatever_numpy_did_before(kit: Any, facts: ClimateFacts) -> None:
    climate_rows.cache_clear()
    np.random.seed(7)  # noqa: NPY002  (the global state is the point)
    one = climate_rows(facts, 4, kit.site)
    climate_rows.cache_clear()
    np.random.seed(8)  # noqa: NPY002
    np.random.random(100)  # noqa: NPY002
    two = climate_rows(facts, 4, kit.site)
    other = climate_rows(facts, 5, kit.site)
    for name in one.values:
        np.testing.assert_array_equal(one.values[name], two.values[name])
    for name in (GHI, TEMPERATURE, WIND, HUMIDITY):
        assert not np.array_equal(one.values[name], other.values[name])


def test_a_year_of_a_seed_stays_what_it_is(kit: Any, facts: ClimateFacts) -> None:
    """Golden: the sums that seed 1 gives, so that a change of the generator is seen."""
    rows = climate_rows(facts, 1, kit.site)
    noon = rows.values[GHI].reshape(365, 24)[[0, 100, 200, 300], 12]
    np.testing.assert_allclose(noon, GOLDEN_NOON, rtol=1e-5)


GOLDEN_NOON = [270.02412, 240.69496, 658.81209, 692.47501]


@pytest.mark.parametrize("step_minutes", [5, 10, 15, 30])
def test_finer_steps_have_the_same_hourly_means(kit: Any, step_minutes: int) -> None:
    hourly = kit.weather_of(NOWHERE, kit.grid_of(), source="climate", climate="xining", seed=1)
    fine = kit.weather_of(NOWHERE, kit.grid_of(step_minutes=step_minutes), source="climate", climate="xining", seed=1)
    for name in ("ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2", "temperature_celsius", "wind_speed_m_per_s"):
        means = getattr(fine, name).reshape(8760, -1).mean(axis=1)
        np.testing.assert_allclose(means, getattr(hourly, name), atol=2e-9, rtol=1e-9, err_msg=name)


def test_a_short_horizon_is_a_window_of_the_year(kit: Any) -> None:
    year = kit.weather_of(NOWHERE, kit.grid_of(), source="climate", climate="xining", seed=1)
    days = kit.weather_of(NOWHERE, kit.grid_of("2025-06-10", days=3), source="climate", climate="xining", seed=1)
    first = 24 * (31 + 28 + 31 + 30 + 31 + 9)
    for name in ("ghi_w_per_m2", "dni_w_per_m2", "temperature_celsius", "relative_humidity"):
        np.testing.assert_allclose(getattr(days, name), getattr(year, name)[first : first + 72], rtol=1e-9, atol=1e-9)


def test_a_horizon_may_cross_new_year_and_29_february(kit: Any) -> None:
    """The year repeats: 2 January after New Year is the 2 January before; 29 February is the 28th, and said so."""
    year = kit.weather_of(NOWHERE, kit.grid_of("2027-01-01", days=60), source="climate", climate="xining", seed=1)
    turn = kit.weather_of(NOWHERE, kit.grid_of("2027-12-30", days=70), source="climate", climate="xining", seed=1)
    np.testing.assert_allclose(turn.temperature_celsius[72:96], year.temperature_celsius[24:48], atol=1e-9)
    at_28 = 24 * (2 + 31 + 27)
    days = turn.temperature_celsius[at_28 : at_28 + 48].reshape(2, 24)
    np.testing.assert_allclose(days[0, 1:], days[1, 1:], atol=1e-9)  # hour 0 is that of the day before at UTC+7
    assert "29 February, which the typical year lacks, repeats 28 February" not in year.notes
    assert any(note.startswith("29 February, which") for note in turn.notes)


def test_notes_say_that_it_is_synthetic_and_where_it_belongs(kit: Any) -> None:
    here = kit.weather_of(NOWHERE, kit.grid_of(days=1), source="climate", climate="xining")
    assert here.source_description == "synthetic year of Xining, seed 1"
    assert here.notes[0].startswith("synthetic year of Xining (seed 1) from monthly facts")
    assert here.notes[1] == (
        "a typical year, mapped onto 2025-01-01 to 2025-01-01 by month, day and hour at UTC+7 (no summer time)"
    )
    golmud = Site(latitude=36.42, longitude=94.9, altitude_m=2807)
    away = kit.weather_of(NOWHERE, kit.grid_of(days=1), golmud, source="climate", climate="xining")
    assert any("the weather belongs to a place 616 km away at 2,261 m" in note for note in away.notes)


def test_an_unknown_climate_gets_a_suggestion(kit: Any) -> None:
    assert kit.fault_of(NOWHERE, source="climate", climate="xinin") == (
        "weather.climate: unknown climate 'xinin'; did you mean xining?"
    )
    assert kit.fault_of(NOWHERE, source="climate", climate="berlin") == (
        "weather.climate: unknown climate 'berlin'; one of xining, or the path of a .yaml file"
    )


def test_polar_sites_are_refused(kit: Any) -> None:
    tromso = Site(latitude=69.6, longitude=18.9, altitude_m=0)
    assert kit.fault_of(NOWHERE, None, tromso, source="climate", climate="xining") == (
        "weather.source: synthetic years are for latitudes up to 66 deg, got 69.6; give a weather file"
    )


def test_facts_come_from_a_file_or_inline(kit: Any, tmp_path: Path, facts: ClimateFacts) -> None:
    """The same facts give the same year whichever way they are given."""
    named = kit.weather_of(tmp_path, kit.grid_of(days=3), source="climate", climate="xining", seed=2)
    inline = kit.weather_of(
        tmp_path, kit.grid_of(days=3), source="climate", climate=facts.model_dump(mode="python"), seed=2
    )
    text = "\n".join(
        f"{key}: {list(value) if isinstance(value, tuple) else value}" for key, value in facts.model_dump().items()
    )
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    filed = kit.weather_of(tmp_path, kit.grid_of(days=3), source="climate", climate="mine.yaml", seed=2)
    for other in (inline, filed):
        np.testing.assert_array_equal(other.ghi_w_per_m2, named.ghi_w_per_m2)
        np.testing.assert_array_equal(other.temperature_celsius, named.temperature_celsius)


def edited(facts: ClimateFacts, **changes: Any) -> dict[str, Any]:
    content = facts.model_dump()
    for name, (month, value) in changes.items():
        content[name] = tuple(value if at == month else old for at, old in enumerate(content[name]))
    return content


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"ghi_kwh_per_m2_day": (6, 62.8)},
            "weather.climate.ghi_kwh_per_m2_day[6]: must lie between 0.01 and 13, got 62.8",
        ),
        (
            {"relative_humidity": (0, 47.0)},
            "weather.climate.relative_humidity[0]: must lie between 0.01 and 1, got 47 (a fraction: 47 % is 0.47)",
        ),
        (
            {"temperature_mean_celsius": (3, 17.0)},
            "weather.climate.temperature_mean_celsius[3]: must lie between the daily minimum 1.3 and maximum 16.4, "
            "not in the outer fifths, got 17",
        ),
        (
            {"clearness_std": (2, 0.4)},
            "Xining: clearness_std[2]: a mean of 0.51 with a standard deviation of 0.4 does not fit between "
            "0.02 and 0.80 (0.95 of the clear sky)",
        ),
        (
            {"ghi_kwh_per_m2_day": (1, 4.62)},
            "Xining: ghi_kwh_per_m2_day[1]: 4.62 kWh/m2/d contradicts a clearness of 0.58: that would be 3.67",
        ),
    ],
)
def test_facts_that_cannot_be_are_told(
    kit: Any, facts: ClimateFacts, changes: dict[str, tuple[int, float]], text: str
) -> None:
    assert kit.fault_of(NOWHERE, source="climate", climate=edited(facts, **changes)) == text


def test_a_file_of_facts_is_checked_with_lines(kit: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: A\nsource: me\nlatitude: 136\nlongitud: 2\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        kit.weather_of(tmp_path, source="climate", climate="bad.yaml")
    told = str(caught.value).splitlines()
    assert "bad.yaml:3: latitude: must be at most 66 deg, got 136" in told
    assert "bad.yaml:4: longitud: unknown key; did you mean longitude?" in told


def test_red_noise_has_unit_variance_and_its_memory() -> None:
    noise = red_noise(np.random.default_rng(0), 200_000, 0.8)
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(noise[1:], noise[:-1])[0, 1] == pytest.approx(0.8, abs=0.01)


def test_monthly_means_survive_the_smoothing() -> None:
    facts = [-6.8, -4.9, 2.3, 8.2, 12.2, 15.7, 17.7, 16.0, 11.9, 5.9, -1.2, -6.3]
    days = mean_preserving_days(facts)
    np.testing.assert_allclose(monthly(days), facts, atol=1e-12)
    assert np.abs(np.diff(days)).max() < 0.4

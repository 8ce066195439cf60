"""A synthetic year from monthly facts: the same seed gives the same hours, whatever the step.

Radiation. The daily clearness index Kt of a month has a beta distribution between 0.02 and 0.95 of the clear sky's,
with the stated mean and standard deviation. A month's days take the evenly spaced quantiles of it, in the rank order of
a first-order autoregressive series; so every seed has the month's mean and spread, and seeds differ in the order of
days. The days are scaled (by a few per cent) to the stated GHI of the month. Within a day, hourly clear-sky indices
scatter around the day's, most on half-cloudy days (standard deviation `4 s kc (1 - kc)`), at unchanged daily energy.
Clear sky: Ineichen and Perez 2002 (doi:10.1016/S0038-092X(02)00045-2) with the turbidity tables of pvlib.

Temperature. Monthly mean, daily maximum and minimum are interpolated so that their monthly means are kept (Rymes and
Myers 2001, doi:10.1016/S0038-092X(01)00052-4, solved here as 12 linear equations); a day rises from its minimum at
sunrise to its maximum 2.5 h after solar noon along `c^p`, c a raised cosine and p such that the daily mean fits. Clear
days have a wider range. Day-to-day anomalies are autoregressive, with zero mean in every month.

Wind speed is Weibull (shape 1.5) with an hourly autocorrelation of 0.87; humidity follows from a vapour pressure that
is constant over the day (Magnus); pressure is the standard atmosphere's. These serve the cooling of modules and data
centres, not wind power. The year is typical: it has 365 days and belongs to no calendar year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.units import HOURS_PER_DAY
from vpp_sim.weather.series import GHI, HUMIDITY, PRESSURE, TEMPERATURE, WIND, Place, Rows
from vpp_sim.weather.sun import Site, extraterrestrial_w_per_m2, pressure_at_pa, sun_means
from vpp_sim.yaml_lines import faults_from_validation, read_yaml

FloatArray = NDArray[np.float64]
Months = tuple[float, ...]

DATA_FOLDER: Final = Path(__file__).parent / "data"
NOMINAL_YEAR: Final = 2025  # of typical years; not a leap year
DAYS: Final = 365
HOURS: Final = DAYS * HOURS_PER_DAY
MONTH_OF_DAY: Final = np.repeat(np.arange(12), (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))

_LOWEST_CLEARNESS: Final = 0.02
_LOST_TO_RANKS: Final = 0.06  # of the autocorrelation, to sorting within months; measured over 100 seeds
_CLEAREST_DAY: Final = 0.95  # of the clear sky; the clearest day of the CSWD year of Xining has 0.92
_HOURLY_INDEX_LIMITS: Final = (0.02, 1.1)
_HOURLY_INDEX_AUTOCORRELATION: Final = 0.3  # assumption; the CSWD year has none, measured skies have more
_RANGE_SENSITIVITY: Final = (
    0.9  # relative change of the daily temperature range per relative change of Kt (CSWD Xining)
)
_HOURS_NOON_TO_MAXIMUM: Final = 2.5
_WIND_AUTOCORRELATION: Final = 0.87
_WEIBULL_SHAPE: Final = 1.5


def _monthly(doc: str, unit: str = "-", **bounds: float) -> Any:
    return quantity(f"{doc}, January to December", unit=unit, min_length=12, max_length=12, **bounds)


class ClimateFacts(StrictModel):
    """Monthly facts of a place, twelve values each."""

    name: str = quantity("what the place is called")
    source: str = quantity("where the facts come from")
    latitude: float = quantity("latitude of the place, north positive", unit="deg", ge=-66, le=66)
    longitude: float = quantity("longitude of the place, east positive", unit="deg", ge=-180, le=180)
    altitude_m: float = quantity("height of the place above sea level", unit="m", ge=-500, le=8000)
    ghi_kwh_per_m2_day: Months = _monthly("mean daily global horizontal irradiation", "kWh/m2/d")
    clearness_mean: Months = _monthly("mean daily clearness index Kt")
    clearness_std: Months = _monthly("standard deviation of the daily clearness index")
    clearness_autocorrelation: float = quantity("lag-1 autocorrelation of the daily Kt anomaly", ge=0, le=0.9)
    hourly_clearness_spread: float = quantity(
        "standard deviation of hourly clear-sky indices around the day's on a half-cloudy day",
        default=0.2,
        ge=0,
        le=0.5,
    )
    temperature_mean_celsius: Months = _monthly("mean temperature", "degC")
    temperature_max_celsius: Months = _monthly("mean daily maximum temperature", "degC")
    temperature_min_celsius: Months = _monthly("mean daily minimum temperature", "degC")
    temperature_day_std_celsius: float = quantity(
        "standard deviation of daily mean temperatures around the season", unit="degC", default=2.5, ge=0, le=15
    )
    temperature_day_autocorrelation: float = quantity("lag-1 autocorrelation of those", default=0.65, ge=0, le=0.95)
    wind_speed_m_per_s: Months = _monthly("mean wind speed at 10 m", "m/s")
    relative_humidity: Months = _monthly("mean relative humidity")

    def faults(self) -> list[Fault]:
        """What the facts contradict among themselves, one fault per month and quantity."""
        faults: list[Fault] = []
        limits = {
            "ghi_kwh_per_m2_day": (0.01, 13.0),
            "clearness_mean": (0.05, 0.85),
            "clearness_std": (0.0, 0.4),
            "temperature_mean_celsius": (-70.0, 60.0),
            "temperature_max_celsius": (-70.0, 70.0),
            "temperature_min_celsius": (-90.0, 60.0),
            "wind_speed_m_per_s": (0.0, 40.0),
            "relative_humidity": (0.01, 1.0),
        }
        for name, (low, high) in limits.items():
            for month, value in enumerate(getattr(self, name)):
                if not low <= value <= high:
                    hint = " (a fraction: 47 % is 0.47)" if name == "relative_humidity" and 1 < value <= 100 else ""
                    faults.append(
                        Fault(f"must lie between {low:g} and {high:g}, got {value:g}{hint}", path=f"{name}[{month}]")
                    )
        lowest, mean, highest = (
            self.temperature_min_celsius,
            self.temperature_mean_celsius,
            self.temperature_max_celsius,
        )
        for month in range(12):
            span = highest[month] - lowest[month]
            if span <= 0 or not 0.2 * span <= mean[month] - lowest[month] <= 0.8 * span:
                faults.append(
                    Fault(
                        f"must lie between the daily minimum {lowest[month]:g} and maximum {highest[month]:g}, "
                        f"not in the outer fifths, got {mean[month]:g}",
                        path=f"temperature_mean_celsius[{month}]",
                    )
                )
        return faults


def embedded_climates() -> list[str]:
    """Names of the climates that come with the package.

    >>> embedded_climates()
    ['xining']
    """
    return sorted(path.stem for path in DATA_FOLDER.glob("*.yaml"))


def is_path(climate: str) -> bool:
    """Whether a climate is given as a file rather than by name."""
    return climate.endswith((".yaml", ".yml")) or "/" in climate or "\\" in climate


def load_climate(climate: str | ClimateFacts, base_dir: Path) -> ClimateFacts:
    """Monthly facts by name, from a file or as given.

    Raises:
        InputError: an unknown name, or a file whose facts are not complete and plausible.
    """
    if isinstance(climate, ClimateFacts):
        if faults := climate.faults():
            raise InputError([replace(fault, path=f"weather.climate.{fault.path}") for fault in faults])
        return climate
    if is_path(climate):
        path, file = base_dir / climate, climate
    else:
        known = embedded_climates()
        if climate not in known:
            close = nearest(climate, known)
            raise InputError(
                Fault(
                    f"unknown climate '{climate}'; "
                    + (
                        f"did you mean {close}?" if close else f"one of {', '.join(known)}, or the path of a .yaml file"
                    ),
                    path="weather.climate",
                )
            )
        path, file = DATA_FOLDER / f"{climate}.yaml", f"{climate}.yaml"
    try:
        content, lines = read_yaml(path)
    except InputError as error:
        raise InputError([Fault(fault.message, fault.path, file, fault.line) for fault in error.faults]) from None
    try:
        facts = ClimateFacts.model_validate(content)
    except ValidationError as error:
        raise InputError(faults_from_validation(error, lines, file, model=ClimateFacts)) from None
    if faults := facts.faults():
        raise InputError(
            [Fault(fault.message, fault.path, file, lines.get((fault.path.split("[")[0],))) for fault in faults]
        )
    return facts


_FAR_KM: Final = 300.0


@lru_cache(maxsize=8)
def climate_rows(facts: ClimateFacts, seed: int, site: Site) -> Rows:
    """The synthetic typical year at a site: 8,760 hourly rows in the site's standard time (UTC + longitude / 15)."""
    clock_minutes = round(site.longitude / 15) * 60
    start = int(np.datetime64(f"{NOMINAL_YEAR}-01-01", "m").astype(np.int64)) - clock_minutes
    clear_ghi, extraterrestrial = _clear_year(start, site)
    radiation_seed, air_seed = np.random.SeedSequence([seed, 20_250_101]).spawn(2)
    place = Place(facts.latitude, facts.longitude, facts.altitude_m)
    try:
        ghi, kt_days = _radiation(facts, clear_ghi, extraterrestrial, np.random.default_rng(radiation_seed))
    except InputError:
        distance_km = place.distance_km(site.latitude, site.longitude)
        if distance_km < _FAR_KM:
            raise
        message = (
            f"the climate of {facts.name} {place} cannot be at the site ({site.latitude:g}, {site.longitude:g}), "
            f"{distance_km:,.0f} km away; check latitude and longitude, or give a weather file or facts of the place"
        )
        raise InputError(Fault(message, path="weather.climate")) from None
    rng = np.random.default_rng(air_seed)
    temperature = _temperature(facts, kt_days, clear_ghi, site, clock_minutes, rng)
    notes = [f"synthetic year of {facts.name} (seed {seed}) from monthly facts ({facts.source}), not a measured year"]
    notes += notes_on_place(place, site)
    return Rows(
        file="",
        description=f"synthetic year of {facts.name}, seed {seed}",
        values={
            GHI: ghi,
            TEMPERATURE: temperature,
            WIND: _wind(facts, rng),
            PRESSURE: np.full(HOURS, pressure_at_pa(site.altitude_m)),
            HUMIDITY: _humidity(facts, temperature),
        },
        nominal_start=start,
        row_minutes=60,
        clock_minutes=clock_minutes,
        typical=True,
        notes=tuple(notes),
    )


def notes_on_place(place: Place, site: Site) -> list[str]:
    """A sentence where weather belongs to a place that is not the site's."""
    distance_km = place.distance_km(site.latitude, site.longitude)
    if not distance_km > 50 and not abs(place.altitude_m - site.altitude_m) > 300:
        return []
    return [
        f"the weather belongs to a place {distance_km:.0f} km away at {place.altitude_m:,.0f} m; "
        f"the site stands at {site.altitude_m:,.0f} m"
    ]


def _clear_year(start: int, site: Site) -> tuple[FloatArray, FloatArray]:
    """Clear-sky and extraterrestrial horizontal irradiance of the nominal year's hours [W/m2], (8760,) each."""
    import pandas as pd
    from pvlib import atmosphere, clearsky

    sun = sun_means(start, 60, HOURS, site)
    zenith = np.degrees(np.arccos(np.clip(sun.direction.up, 0, 1)))
    normal = extraterrestrial_w_per_m2(sun.day_of_year)
    airmass = atmosphere.get_absolute_airmass(
        atmosphere.get_relative_airmass(np.where(sun.daylight > 0, zenith, 90.0)), pressure_at_pa(site.altitude_m)
    )
    months = pd.date_range(f"{NOMINAL_YEAR}-01-01", periods=12, freq="MS")
    turbidity = clearsky.lookup_linke_turbidity(
        months, site.latitude, site.longitude, interp_turbidity=False
    ).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):  # at the horizon
        clear = clearsky.ineichen(
            zenith, airmass, _hourly(_month_weights() @ turbidity), altitude=site.altitude_m, dni_extra=normal
        )["ghi"]
    return (
        np.where(sun.daylight > 0, np.nan_to_num(clear), 0.0) * sun.daylight,
        normal * sun.direction.up * sun.daylight,
    )


def _radiation(
    facts: ClimateFacts, clear_ghi: FloatArray, extraterrestrial: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Hourly GHI [W/m2], (8760,), and the daily clearness index, (365,)."""
    from scipy.special import betaincinv

    clear_days = _by_day(clear_ghi).sum(axis=1)
    extra_days = _by_day(extraterrestrial).sum(axis=1)
    order = red_noise(rng, DAYS, min(0.99, facts.clearness_autocorrelation + _LOST_TO_RANKS))
    kt = np.empty(DAYS)
    faults: list[Fault] = []
    for month in range(12):
        days = np.flatnonzero(month == MONTH_OF_DAY)
        highest = _CLEAREST_DAY * clear_days[days].sum() / extra_days[days].sum()
        mean, std = facts.clearness_mean[month], facts.clearness_std[month]
        centre = (mean - _LOWEST_CLEARNESS) / (highest - _LOWEST_CLEARNESS)
        spread = (std / (highest - _LOWEST_CLEARNESS)) ** 2
        if not 0 < centre < 1 or spread >= 0.95 * centre * (1 - centre):
            faults.append(
                Fault(
                    f"a mean of {mean:g} with a standard deviation of {std:g} does not fit between "
                    f"{_LOWEST_CLEARNESS:g} and {highest:.2f} ({_CLEAREST_DAY:g} of the clear sky)",
                    path=f"clearness_std[{month}]",
                )
            )
            continue
        concentration = centre * (1 - centre) / max(spread, 1e-8) - 1
        quantiles = (np.argsort(np.argsort(order[days], kind="stable"), kind="stable") + 0.5) / days.size
        shares = betaincinv(centre * concentration, (1 - centre) * concentration, quantiles)
        kt[days] = _LOWEST_CLEARNESS + (highest - _LOWEST_CLEARNESS) * shares
        target = 1000.0 * facts.ghi_kwh_per_m2_day[month] * days.size
        scale = target / (kt[days] * extra_days[days]).sum()
        if not 0.9 < scale < 1.1:
            faults.append(
                Fault(
                    f"{facts.ghi_kwh_per_m2_day[month]:g} kWh/m2/d contradicts a clearness of {mean:g}: "
                    f"that would be {facts.ghi_kwh_per_m2_day[month] / scale:.2f}",
                    path=f"ghi_kwh_per_m2_day[{month}]",
                )
            )
        kt[days] *= scale
    if faults:
        raise InputError([fault.at(file=facts.name) for fault in faults])

    index = kt * extra_days / clear_days
    scatter = 4 * facts.hourly_clearness_spread * np.clip(index * (1 - index), 0, None)
    noise = red_noise(rng, HOURS, _HOURLY_INDEX_AUTOCORRELATION)
    hourly = _by_day(np.repeat(index, HOURS_PER_DAY) + np.repeat(scatter, HOURS_PER_DAY) * noise)
    clear = _by_day(clear_ghi)
    for _ in range(4):  # limits and energy in turn; what little is left after that goes to the energy
        hourly = np.clip(hourly, *_HOURLY_INDEX_LIMITS)
        hourly = hourly * (kt * extra_days / (hourly * clear).sum(axis=1))[:, None]
    return np.asarray((hourly * clear).ravel()), kt


def _temperature(
    facts: ClimateFacts,
    kt_days: FloatArray,
    clear_ghi: FloatArray,
    site: Site,
    clock_minutes: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Hourly temperature [degC], (8760,)."""
    from scipy.special import gammaln

    mean = mean_preserving_days(facts.temperature_mean_celsius)
    span = mean_preserving_days(facts.temperature_max_celsius) - mean_preserving_days(facts.temperature_min_celsius)
    depth = (mean - mean_preserving_days(facts.temperature_min_celsius)) / span
    anomaly = red_noise(rng, DAYS, facts.temperature_day_autocorrelation) * facts.temperature_day_std_celsius
    relative = 1 + _RANGE_SENSITIVITY * (kt_days / _month_means(kt_days)[MONTH_OF_DAY] - 1)
    relative = np.clip(relative, 0.3, 1.8)
    span = span * relative / _month_means(relative)[MONTH_OF_DAY]

    # mean of ((1 + cos) / 2)^p over a period is gamma(p + 1/2) / (sqrt(pi) gamma(p + 1)); p from the wanted mean
    powers = np.linspace(0.05, 6, 200)
    means = np.exp(gammaln(powers + 0.5) - gammaln(powers + 1)) / np.sqrt(np.pi)
    power = np.interp(-depth, -means, powers)

    day_length = _by_day(clear_ghi > 0).sum(axis=1)
    noon = 12 - (4 * site.longitude - clock_minutes) / 60
    lowest, highest = noon - day_length / 2, noon + _HOURS_NOON_TO_MAXIMUM
    hour = np.arange(HOURS_PER_DAY)[None, :] + 0.5
    rise = (highest - lowest)[:, None]
    since = (hour - lowest[:, None]) % HOURS_PER_DAY
    phase = np.where(since < rise, since / rise - 1, (since - rise) / (HOURS_PER_DAY - rise))  # -1 and 1: minimum
    shape = ((1 + np.cos(np.pi * phase)) / 2) ** power[:, None] - depth[:, None]
    temperature = (_hourly(mean + anomaly) + _hourly(span) * shape.ravel()).astype(np.float64)
    months = np.repeat(MONTH_OF_DAY, HOURS_PER_DAY)
    drift = np.asarray(facts.temperature_mean_celsius) - np.bincount(months, temperature) / np.bincount(months)
    return np.asarray(temperature + _hourly(mean_preserving_days(drift.tolist())))


def _wind(facts: ClimateFacts, rng: np.random.Generator) -> FloatArray:
    """Hourly wind speed [m/s], (8760,)."""
    from scipy.special import ndtr

    exceeded = ndtr(-red_noise(rng, HOURS, _WIND_AUTOCORRELATION))
    speed = (-np.log(np.clip(exceeded, 1e-12, 1))) ** (1 / _WEIBULL_SHAPE)
    months = np.repeat(MONTH_OF_DAY, HOURS_PER_DAY)
    monthly = np.bincount(months, speed) / np.bincount(months)
    return np.asarray(speed * (np.asarray(facts.wind_speed_m_per_s) / monthly)[months])


def saturation_pressure_pa(temperature_celsius: FloatArray) -> FloatArray:
    """Saturation vapour pressure after Magnus, `611.2 exp(17.62 T / (243.12 + T))` (WMO Guide No. 8, annex 4.B).

    >>> saturation_pressure_pa(np.array([0.0, 20.0])).round().tolist()
    [611.0, 2333.0]
    """
    return np.asarray(611.2 * np.exp(17.62 * temperature_celsius / (243.12 + temperature_celsius)), dtype=np.float64)


def _humidity(facts: ClimateFacts, temperature: FloatArray) -> FloatArray:
    """Hourly relative humidity, (8760,): constant vapour pressure over a day, monthly means as stated."""
    saturated = saturation_pressure_pa(temperature)
    vapour = np.repeat(_by_day(saturated).mean(axis=1), HOURS_PER_DAY)
    months = np.repeat(MONTH_OF_DAY, HOURS_PER_DAY)
    target: FloatArray = np.asarray(facts.relative_humidity, dtype=np.float64)
    factor = target.copy()
    humidity = target[months]
    for _ in range(8):  # clipping at saturation makes it slightly nonlinear
        humidity = np.asarray(np.clip(factor[months] * vapour / saturated, 0.05, 1.0))
        factor *= target / (np.bincount(months, humidity) / np.bincount(months))
    return humidity


def red_noise(rng: np.random.Generator, length: int, autocorrelation: float) -> FloatArray:
    """Periodic first-order autoregressive series of unit variance, (length,)."""
    white = rng.standard_normal(length)
    kernel = np.sqrt(1 - autocorrelation**2) * autocorrelation ** np.arange(length)
    return np.asarray(np.fft.irfft(np.fft.rfft(white) * np.fft.rfft(kernel), length), dtype=np.float64)


def mean_preserving_days(monthly: Sequence[float]) -> FloatArray:
    """Daily values, (365,), linear and periodic between mid-months, whose monthly means are the given ones.

    >>> days = mean_preserving_days([0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1])
    >>> [round(float(days[MONTH_OF_DAY == month].mean()), 6) for month in (0, 6)]
    [0.0, 6.0]
    """
    weights = _month_weights()
    averages = np.stack([weights[month == MONTH_OF_DAY].mean(axis=0) for month in range(12)])
    return np.asarray(weights @ np.linalg.solve(averages, np.asarray(monthly, dtype=np.float64)))


def _month_weights() -> FloatArray:
    """Weights of 12 mid-month values in the days, (365, 12): linear and periodic in between."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(MONTH_OF_DAY))])
    middle = (starts[:-1] + starts[1:]) / 2
    nodes = np.concatenate([[middle[-1] - DAYS], middle, [middle[0] + DAYS]])
    day = np.arange(DAYS) + 0.5
    return np.stack(
        [np.interp(day, nodes, np.concatenate([[unit[-1]], unit, [unit[0]]])) for unit in np.eye(12)], axis=1
    )


def _by_day(hourly: NDArray[Any]) -> NDArray[Any]:
    return hourly.reshape(DAYS, HOURS_PER_DAY)


def _month_means(daily: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(MONTH_OF_DAY, daily) / np.bincount(MONTH_OF_DAY))


def _hourly(daily: FloatArray) -> FloatArray:
    """Daily values as hourly ones, (8760,), linear and periodic between middays."""
    hours = (np.arange(HOURS) + 0.5) / HOURS_PER_DAY
    days = np.arange(-1, DAYS + 1) + 0.5
    return np.asarray(np.interp(hours, days, np.concatenate([[daily[-1]], daily, [daily[0]]])))

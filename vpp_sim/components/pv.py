"""Photovoltaics: a fixed plane under the weather, or a yield given from elsewhere.

Written into the program, with the yield y in kW per kWp and the peak power C:

    0 <= generation_kw[t] <= C y[t];    what is not generated is curtailed

Chain from weather to yield (all means over the step; pvlib's functions where it has them):

1. plane of array after Hay and Davies 1980 (pvlib `haydavies`), isotropic ground reflection:
   beam = DNI cos(aoi),  sky = DHI [A Rb + (1 - A)(1 + cos tilt)/2],  A = DNI / E0,  Rb = cos(aoi) / sin(h),
   ground = albedo GHI (1 - cos tilt)/2. The sun is the beam-weighted mean direction of the step (`weather.sun`).
   Perez 1990 gives 2 % more at Xining, but 0.5 % less in 15-min steps than in hours; Hay and Davies 0.1 %.
2. reflection of the glass after Martin and Ruiz 2001, doi:10.1016/S0927-0248(00)00408-6, a = 0.16
3. cell temperature after Faiman 2008, doi:10.1002/pip.813: T + POA / (25 + 6.84 v), free-standing modules
4. DC power after PVWatts (Dobos 2014, doi:10.2172/1158421, eq. 8): POA/1000 (1 + gamma (Tc - 25)) (1 - losses) per kWp
5. inverter after PVWatts (eq. 11): part-load efficiency, and clipping at 1 / dc_ac_ratio

Valid for fixed planes without near shading, whose inverters are fully available; no spectral or low-light effects.
Default losses are assumptions: 2 % soiling, 1 % snow, 6 % others (mismatch 1, wiring 2, connections 0.5, initial
degradation 1.5, standstill 1; PVWatts has 14 % in all); degradation 0.5 % a year (Jordan and Kurtz 2013,
doi:10.1002/pip.1182).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from vpp_sim.components.asset_cost import Condition
from vpp_sim.components.base import (
    CURTAILED_ENERGY_PRICE,
    Block,
    Capacity,
    Check,
    Component,
    Context,
    FloatArray,
    Flows,
    FreeSize,
    Inputs,
    Kpi,
    Values,
    limit_check,
)
from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import quantity
from vpp_sim.profiles import FileProfile, Profile, profile_files, profile_series
from vpp_sim.units import HOURS_PER_DAY

if TYPE_CHECKING:
    from vpp_sim.weather import Weather
    from vpp_sim.weather.sun import SunMeans

_STANDARD_IRRADIANCE_W_PER_M2 = 1000.0
_STANDARD_CELL_CELSIUS = 25.0
_MOST_YIELD = 2.0  # kW per kWp that no cloud edge on a cold day reaches
_MOST_AT_NIGHT = 0.05  # share of a yield; a label at the other end of an hour puts less there


class Pv(Component):
    """Parameters of a PV plant; several planes are several components."""

    label: ClassVar[str] = "PV"
    colour: ClassVar[str] = "#E69F00"
    cost_basis: ClassVar[str | None] = "capacity_kw"
    dispensable: ClassVar[bool] = True

    kind: Literal["pv"] = quantity("kind of component")
    capacity_kw: Capacity = quantity("peak DC power of the modules under standard conditions", unit="kW")
    tilt_deg: float = quantity("tilt of the modules from the horizontal", unit="deg", default=35.0, ge=0, le=90)
    azimuth_deg: float = quantity(
        "direction the modules face, clockwise from north", unit="deg", default=180.0, ge=0, le=360
    )
    albedo: float = quantity("reflectance of the ground", default=0.2, ge=0, le=1)
    temperature_coefficient_per_kelvin: float = quantity(
        "change of power per kelvin of cell temperature above 25 degC", unit="1/K", default=-0.0035, ge=-0.01, le=0
    )
    soiling_loss: float = quantity("share of the light lost to dirt", default=0.02, ge=0, lt=1)
    snow_loss: float = quantity("share of the light lost to snow", default=0.01, ge=0, lt=1)
    other_loss: float = quantity(
        "share of the DC power lost to mismatch, wiring, initial degradation and standstill", default=0.06, ge=0, lt=1
    )
    inverter_efficiency: float = quantity("efficiency of the inverter at its rated power", default=0.97, gt=0, le=1)
    dc_ac_ratio: float = quantity("peak DC power of the modules per AC power of the inverter", default=1.2, gt=0, le=5)
    degradation_per_year: float = quantity("share of the power lost per year of age", default=0.005, ge=0, le=0.1)
    age_years: float = quantity("age of the modules", unit="a", default=0.0, ge=0, le=60)
    yield_profile: Profile | None = quantity(
        "AC power per peak power from elsewhere, instead of weather and the fields on planes, losses and inverter",
        unit="kW/kWp",
        default=None,
    )

    @model_validator(mode="after")
    def _one_origin_of_the_yield(self) -> Self:
        if self.yield_profile is None:
            return self
        for name, field in type(self).model_fields.items():
            if name not in ("kind", "capacity_kw", "yield_profile", "cost") and getattr(self, name) != field.default:
                raise ValueError(f"{name}: has no effect beside a yield_profile; leave out one of them")
        return self

    def _refuse_night(self, given: FloatArray, context: Context) -> None:
        """A yield of which much falls into the night has another clock than the site."""
        from vpp_sim.weather.sun import sun_over_grid

        dark = sun_over_grid(context.grid, context.site).daylight == 0
        share = float(given[dark].sum()) / max(float(given.sum()), 1e-9)
        if share > _MOST_AT_NIGHT:
            first = context.grid.local[int(np.argmax(dark & (given > 0)))]
            message = (
                f"{share:.0%} of the yield falls into the night at the site, first at {first:%Y-%m-%d %H:%M}; the time "
                "zone of the file (timezone:), the label of its rows (label:) or the site's longitude is wrong"
            )
            raise InputError(Fault(message, path="yield_profile"))

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """The profile's file, if it has one."""
        return () if self.yield_profile is None else profile_files(self.yield_profile, base_dir)

    def inputs(self, context: Context) -> Inputs:
        """`yield_kw_per_kwp`, and from weather `poa_w_per_m2` and `cell_celsius`."""
        if self.yield_profile is not None:
            notes = ["yield from a profile, not from weather"]
            given = profile_series(
                self.yield_profile,
                context.grid,
                quantity="yield",
                base_dir=context.base_dir,
                path="yield_profile",
                plausible_max=1.0,
                ge=0.0,
                le=_MOST_YIELD,
                notes=notes,
            )
            if isinstance(self.yield_profile, FileProfile) and context.grid.horizon_hours >= HOURS_PER_DAY:
                self._refuse_night(given, context)
            return Inputs(series={"yield_kw_per_kwp": given}, notes=tuple(notes))
        from vpp_sim.weather.sun import sun_over_grid

        weather = context.weather
        sun = sun_over_grid(context.grid, context.site)
        plane = plane_of_array(weather, sun, self.tilt_deg, self.azimuth_deg, self.albedo)
        cell = cell_temperature_celsius(plane.total, weather.temperature_celsius, weather.wind_speed_m_per_s)
        yields = ac_yield(
            dc_yield(
                effective_irradiance(plane, self.tilt_deg),
                cell,
                self.temperature_coefficient_per_kelvin,
                self.remaining_share(),
            ),
            self.inverter_efficiency,
            self.dc_ac_ratio,
        )
        series = {"yield_kw_per_kwp": yields, "poa_w_per_m2": plane.total, "cell_celsius": cell}
        hours = context.grid.step_hours
        notes = []
        away = 180.0 if context.site.latitude < 0 else 0.0
        if abs(context.site.latitude) > 23.5 and self.tilt_deg >= 10 and _apart_deg(self.azimuth_deg, away) < 60:
            towards, equator = ("south", "north, 0") if context.site.latitude < 0 else ("north", "south, 180")
            notes.append(
                f"azimuth_deg {self.azimuth_deg:g} faces {towards}, away from the sun; it counts from north clockwise, "
                f"the equator lies {equator}"
            )
        note = (
            f"{plane.total.sum() * hours / 1000:,.0f} kWh/m2 on the plane give {yields.sum() * hours:,.0f} kWh per kWp "
            "over the horizon (Hay-Davies, Martin-Ruiz, Faiman, PVWatts)"
        )
        return Inputs(series=series, notes=(note, *notes))

    def remaining_share(self) -> float:
        """What losses and age leave of the DC power.

        >>> round(Pv(kind="pv", capacity_kw=1, soiling_loss=0.1, snow_loss=0, other_loss=0.5, age_years=2).
        ...       remaining_share(), 6)
        0.445511
        """
        losses = (1 - self.soiling_loss) * (1 - self.snow_loss) * (1 - self.other_loss)
        return float(losses * (1 - self.degradation_per_year) ** self.age_years)

    def add_to(self, block: Block) -> None:
        """Generation within the yield."""
        capacity = block.capacity("capacity_kw", self.capacity_kw)
        yields = block.inputs.series["yield_kw_per_kwp"]
        generation = block.bounded("generation_kw", capacity, yields, tie_price=self.tie_prices()["generation_kw"])
        block.inject(generation, +1, role="renewable")
        block.offer_renewable(capacity, yields)

    def tie_prices(self) -> dict[str, float]:
        """Nothing is curtailed for nothing."""
        return {"generation_kw": -CURTAILED_ENERGY_PRICE}

    def uncontrolled(self) -> Self:
        """The same: it generates what the balance takes."""
        return self

    def initial_condition(self) -> Condition:
        """As old as the scenario says."""
        return self.aged(Condition(), {}, self.age_years)

    def aged(self, condition: Condition, wear: Mapping[str, float], years: float) -> Condition:
        """Older; each year takes its share."""
        left = (1 - self.degradation_per_year) ** years
        return Condition(condition.years + years, condition.capacity * left)

    def in_condition(self, condition: Condition) -> Self:
        """A plant of that age; of a given yield only the share that is left."""
        if self.yield_profile is None:
            return self.model_copy(update={"age_years": condition.years})
        if isinstance(self.capacity_kw, FreeSize):
            raise ValueError("capacity_kw: a free size has no condition; fix it first")
        return self.model_copy(update={"capacity_kw": self.capacity_kw * condition.capacity})

    def _available(self, values: Values) -> FloatArray:
        return values["yield_kw_per_kwp"] * values.size("capacity_kw", self.capacity_kw)

    def outputs(self, values: Values) -> dict[str, FloatArray]:
        """Available and curtailed power."""
        available = self._available(values)
        return {"available_kw": available, "curtailed_kw": np.maximum(available - values["generation_kw"], 0.0)}

    def flows(self, values: Values) -> Flows:
        """A renewable supply."""
        return Flows(renewable_kw=values["generation_kw"], renewable_available_kw=self._available(values))

    def kpis(self, values: Values) -> dict[str, Kpi]:
        """Yield and performance ratio of the plant."""
        capacity = values.size("capacity_kw", self.capacity_kw)
        produced = capacity * float(values["yield_kw_per_kwp"].sum()) * values.grid.step_hours
        found = {
            "pv_yield_kwh_per_kwp": Kpi.ratio(
                produced, capacity, "kWh/kWp", "available AC energy over the horizon / peak DC power"
            )
        }
        if "poa_w_per_m2" in values.series:
            light = capacity * float(values["poa_w_per_m2"].sum()) * values.grid.step_hours
            found["pv_performance_ratio"] = Kpi.ratio(
                produced,
                light / _STANDARD_IRRADIANCE_W_PER_M2,
                "-",
                "available AC energy / energy that the light on the plane would give at standard efficiency",
            )
        return found

    def replay(self, values: Values) -> list[Check]:
        """Generation within what is available, and the yield within the inverter."""
        available = self._available(values)
        scale = float(np.max(available, initial=0.0))
        checks = [limit_check("generation within what is available", values["generation_kw"], 0.0, available, scale)]
        if self.yield_profile is None:
            yields = values["yield_kw_per_kwp"]
            checks.append(limit_check("yield within the inverter", yields, 0.0, 1 / self.dc_ac_ratio, 1.0))
        return checks


@dataclass(frozen=True)
class PlaneOfArray:
    """Irradiance on the modules by origin [W/m2] and the cosine of the beam's angle of incidence, (num_steps,)."""

    beam: FloatArray
    sky: FloatArray
    ground: FloatArray
    cos_incidence: FloatArray

    @property
    def total(self) -> FloatArray:
        """All light on the plane [W/m2]."""
        return self.beam + self.sky + self.ground


def _apart_deg(one: float, other: float) -> float:
    """Angle between two directions.

    >>> _apart_deg(350, 10)
    20
    """
    return abs((one - other + 180) % 360 - 180)


def plane_of_array(weather: Weather, sun: SunMeans, tilt_deg: float, azimuth_deg: float, albedo: float) -> PlaneOfArray:
    """Irradiance on a fixed plane; equation 1 of the module."""
    from pvlib import irradiance

    from vpp_sim.weather.sun import extraterrestrial_w_per_m2

    tilt, azimuth = np.radians(tilt_deg), np.radians(azimuth_deg)
    towards = sun.direction
    normal = (np.sin(tilt) * np.sin(azimuth), np.sin(tilt) * np.cos(azimuth), np.cos(tilt))
    cosine = np.maximum(normal[0] * towards.east + normal[1] * towards.north + normal[2] * towards.up, 0.0)
    sky = irradiance.haydavies(
        tilt_deg,
        azimuth_deg,
        weather.dhi_w_per_m2,
        weather.dni_w_per_m2,
        extraterrestrial_w_per_m2(sun.day_of_year),
        projection_ratio=cosine / np.maximum(towards.up, 0.02),
    )
    ground = weather.ghi_w_per_m2 * albedo * (1 - np.cos(tilt)) / 2
    return PlaneOfArray(weather.dni_w_per_m2 * cosine, np.asarray(sky), ground, cosine)


def effective_irradiance(plane: PlaneOfArray, tilt_deg: float) -> FloatArray:
    """Light that passes the glass [W/m2], (num_steps,); equation 2 of the module.

    Beam: `(1 - exp(-cos(aoi) / a)) / (1 - exp(-1 / a))`; diffuse: `1 - exp(-(c1 + c2 t) t / a)` with c1 = 4 / (3 pi),
    c2 = a / 2 - 0.154 and t of the sky or the ground (Martin and Ruiz 2001, equations 3a to 3c; tilt b in radians).
    """
    a, b = 0.16, max(np.radians(tilt_deg), 1e-6)
    beam = (1 - np.exp(-plane.cos_incidence / a)) / (1 - np.exp(-1 / a))

    def diffuse(t: float) -> float:
        return float(1 - np.exp(-(4 / (3 * np.pi) + (a / 2 - 0.154) * t) * t / a))

    sky = diffuse(np.sin(b) + (np.pi - b - np.sin(b)) / (1 + np.cos(b)))
    ground = diffuse(np.sin(b) + (b - np.sin(b)) / (1 - np.cos(b)))
    return np.asarray(plane.beam * beam + plane.sky * sky + plane.ground * ground)


def cell_temperature_celsius(
    poa_w_per_m2: FloatArray, air_celsius: FloatArray, wind_speed_m_per_s: FloatArray
) -> FloatArray:
    """Temperature of the cells [degC], (num_steps,); equation 3 of the module.

    >>> cell_temperature_celsius(np.array([0.0, 800.0]), np.array([5.0, 20.0]), np.array([3.0, 1.0])).round(3).tolist()
    [5.0, 45.126]
    """
    from pvlib import temperature

    return np.asarray(temperature.faiman(poa_w_per_m2, air_celsius, wind_speed_m_per_s, u0=25.0, u1=6.84))


def dc_yield(
    effective_w_per_m2: FloatArray, cell_celsius: FloatArray, coefficient_per_kelvin: float, remaining_share: float
) -> FloatArray:
    """DC power per peak power [kW/kWp], (num_steps,); equation 4 of the module.

    >>> dc_yield(np.array([1000.0, 500.0]), np.array([25.0, 45.0]), -0.0035, 1.0).round(6).tolist()
    [1.0, 0.465]
    """
    heated = 1 + coefficient_per_kelvin * (cell_celsius - _STANDARD_CELL_CELSIUS)
    return effective_w_per_m2 / _STANDARD_IRRADIANCE_W_PER_M2 * np.maximum(heated, 0.0) * remaining_share


def ac_yield(dc_kw_per_kwp: FloatArray, inverter_efficiency: float, dc_ac_ratio: float) -> FloatArray:
    """AC power per peak power [kW/kWp], (num_steps,), clipped at `1 / dc_ac_ratio`; equation 5 of the module.

    >>> ac_yield(np.array([0.0, 0.5, 1.0]), 0.97, 1.25).round(4).tolist()
    [0.0, 0.4863, 0.8]
    """
    from pvlib import inverter

    return np.asarray(inverter.pvwatts(dc_kw_per_kwp, 1 / (dc_ac_ratio * inverter_efficiency), inverter_efficiency))

"""Power usage effectiveness (PUE) of a data centre: facility power per IT power, from the air outside.

The model for a plateau site, with the share f of the heat that leaves by liquid and the density of the air relative to
15 degC at sea level, r = p / 101.325 kPa * 288.15 K / (T + 273.15 K):

    PUE = 1 + (1 - f) / COP_air + f / COP_liquid + 0.055 + 0.02

    free cooling:  COP_air = 10 r^2  up to 20 degC,   COP_liquid = 20 r^0.3  up to 32 degC

0.055 is power supply and 0.02 lighting and the rest. Certainty C: one preprint, whose tables the formulas reproduce;
for Xining the yearly mean is about 1.23 (air) and 1.15 (80 % liquid).

Above the free-cooling limits the source gives no numbers. *Assumption* (D, meant to be on the safe side): chillers
take over little by little, so the COP falls linearly from its value at the limit to 3.0 at 35 degC for air (about the
full-load COP of an air-cooled chiller) and to 5.0 at 45 degC for liquid (warm water loop with a trim chiller), and
stays there; it never rises with temperature. The PUE is continuous in temperature and pressure.

Valid from -40 to 45 degC and 50 to 105 kPa; humidity does not enter (indirect cooling, no evaporation).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from vpp_sim.fields import StrictModel, quantity
from vpp_sim.units import KELVIN_OFFSET

FloatArray = NDArray[np.float64]

STANDARD_PRESSURE_PA: Final = 101_325.0
STANDARD_TEMPERATURE_KELVIN: Final = 288.15
POWER_SUPPLY_SHARE: Final = 0.055
OTHER_SHARE: Final = 0.02
AIR_LIMIT_CELSIUS: Final = 20.0
LIQUID_LIMIT_CELSIUS: Final = 32.0
#: Assumption: temperature and COP where the fall from free cooling to chillers ends.
AIR_CHILLER: Final = (35.0, 3.0)
LIQUID_CHILLER: Final = (45.0, 5.0)


class PlateauPue(StrictModel):
    """PUE from the temperature and pressure outside: `{model: plateau, liquid_share: 0.8}`."""

    model: Literal["plateau"] = quantity("name of the model")
    liquid_share: float = quantity("share of the heat that is taken away by liquid", default=0.0, ge=0, le=1)


def plateau_pue(temperature_celsius: FloatArray, pressure_pa: FloatArray, liquid_share: float) -> FloatArray:
    """PUE by the formulas in the module's docstring, in the shape of the temperature.

    >>> warm, cold = np.array([25.0]), np.array([6.0])
    >>> [plateau_pue(cold, np.array([77_000.0]), share).round(4).item() for share in (0.0, 0.8)]
    [1.2375, 1.1505]
    >>> plateau_pue(warm, np.array([77_000.0]), 0.0).round(4).item()
    1.2869
    """
    air = _cop(temperature_celsius, pressure_pa, (10.0, 2.0), AIR_LIMIT_CELSIUS, AIR_CHILLER)
    liquid = _cop(temperature_celsius, pressure_pa, (20.0, 0.3), LIQUID_LIMIT_CELSIUS, LIQUID_CHILLER)
    cooling = (1.0 - liquid_share) / air + liquid_share / liquid
    return np.asarray(1.0 + cooling + POWER_SUPPLY_SHARE + OTHER_SHARE, dtype=np.float64)


def _cop(
    temperature_celsius: FloatArray,
    pressure_pa: FloatArray,
    law: tuple[float, float],
    limit_celsius: float,
    chiller: tuple[float, float],
) -> FloatArray:
    """`factor * r ** exponent` up to the limit, then linear to the chiller's COP (or flat where that is not lower)."""
    factor, exponent = law
    free = np.minimum(temperature_celsius, limit_celsius)
    ratio = pressure_pa / STANDARD_PRESSURE_PA * STANDARD_TEMPERATURE_KELVIN / (free + KELVIN_OFFSET)
    at_limit = factor * ratio**exponent
    end_celsius, end_cop = chiller
    progress = np.clip((temperature_celsius - limit_celsius) / (end_celsius - limit_celsius), 0.0, 1.0)
    return np.asarray(at_limit - progress * np.maximum(at_limit - end_cop, 0.0), dtype=np.float64)

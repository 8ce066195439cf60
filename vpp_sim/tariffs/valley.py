"""The valley hours of a tariff, which rules on charging refer to."""

from __future__ import annotations

import numpy as np

from vpp_sim.tariffs.model import Tariff
from vpp_sim.tariffs.prices import FloatArray, _mean, _period_of_slot
from vpp_sim.time_grid import TimeGrid

#: What the label of a period has in it where the tariff calls these hours a valley.
VALLEY_WORDS = ("valley", "谷", "off-peak", "off_peak", "offpeak")


def valley_share(tariff: Tariff, grid: TimeGrid) -> FloatArray | None:
    """Share of every step that lies in a period called valley, (num_steps,); None where the tariff has none."""
    labels = [period.label.lower() for period in tariff.energy.periods]
    valley = np.array([float(any(word in label for word in VALLEY_WORDS)) for label in labels])
    return _mean(valley, _period_of_slot(tariff, grid)) if valley.any() else None

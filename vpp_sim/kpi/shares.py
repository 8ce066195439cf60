"""Renewable shares of a site by every definition in use, from the ledger.

`R` is renewable power reaching load or export, direct or through storage; `L` the load. Own use in the sense of
发改能源〔2025〕650号 is renewable generation less renewable export: storage losses are inside the project.
Self-consumption and self-sufficiency: Luthander et al. (2015), doi:10.1016/j.apenergy.2014.12.028.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vpp_sim.components.base import FloatArray, Kpi
from vpp_sim.kpi.ledger import Ledger
from vpp_sim.time_grid import TimeGrid


def energy_kpis(ledger: Ledger) -> dict[str, Kpi]:
    """Energies at the bus and at the grid connection."""
    kwh = ledger.kwh
    available, generated = kwh(ledger.renewable_available_kw), kwh(ledger.renewable_kw)
    return {
        "load_kwh": Kpi(kwh(ledger.load_kw), "kWh", "all electricity used on site: loads, data centre, EV charging"),
        "renewable_available_kwh": Kpi(available, "kWh", "renewable energy before curtailment"),
        "renewable_generation_kwh": Kpi(generated, "kWh", "renewable energy after curtailment"),
        "curtailed_kwh": Kpi(available - generated, "kWh", "renewable energy available and not generated"),
        "import_kwh": Kpi(kwh(ledger.import_kw), "kWh", "energy taken from the grid"),
        "export_kwh": Kpi(kwh(ledger.export_kw), "kWh", "energy given to the grid"),
        "peak_import_kw": Kpi(float(ledger.import_kw.max()), "kW", "largest step mean of import"),
        "storage_losses_kwh": Kpi(ledger.storage_losses_kwh, "kWh", "charged - discharged - change of stored energy"),
    }


def share_kpis(ledger: Ledger) -> dict[str, Kpi]:
    """Every share; a share of nothing is 0."""
    kwh = ledger.kwh
    load, generated = kwh(ledger.load_kw), kwh(ledger.renewable_kw)
    available = kwh(ledger.renewable_available_kw)
    to_load, to_export = kwh(ledger.renewable_to("load")), kwh(ledger.renewable_to("export"))
    origins = ledger.load_origins()
    from_grid = kwh(origins["grid direct"]) + kwh(origins["grid through storage"])
    own_use = generated - to_export
    kpis = {
        "onsite_renewable_share": Kpi.ratio(
            to_load, load, "-", "renewable energy delivered to load, direct and through storage after losses / load"
        ),
        "self_consumption": Kpi.ratio(
            own_use, generated, "-", "renewable energy used on site including storage losses / renewable generation"
        ),
        "self_sufficiency": Kpi.ratio(
            load - from_grid, load, "-", "(load - import used for load, direct or through storage) / load"
        ),
        "own_use_of_available_cn650": Kpi.ratio(
            own_use, available, "-", "own use / available generation (curtailed energy stays in the denominator)"
        ),
        "own_use_of_load_cn650": Kpi.ratio(
            own_use, load + ledger.storage_losses_kwh, "-", "own use / (load + storage losses)"
        ),
        "export_of_available_cn650": Kpi.ratio(to_export, available, "-", "renewable export / available generation"),
    }
    reaching = ledger.renewable_to("load") + ledger.renewable_to("export")
    for name, period in periods(ledger.grid).items():
        kpis[f"matching_{name}"] = Kpi.ratio(
            matched_kwh(reaching, ledger.load_kw, period, ledger.grid),
            load,
            "-",
            f"sum over periods ({name}) of min(renewable reaching load or export, load) / load",
        )
    return kpis


def periods(grid: TimeGrid) -> dict[str, NDArray[np.int64]]:
    """Number of the period of every step, (num_steps,), from coarse to fine."""
    steps = np.arange(grid.num_steps, dtype=np.int64)
    return {
        "annual": np.zeros(grid.num_steps, dtype=np.int64),
        "monthly": grid.month,
        "daily": grid.day,
        "hourly": (steps * grid.step_minutes) // 60,
        "step": steps,
    }


def matched_kwh(supply_kw: FloatArray, load_kw: FloatArray, period: NDArray[np.int64], grid: TimeGrid) -> float:
    """Sum over periods of the smaller of supply and load, both summed within the period [kWh]."""
    supply, load = np.bincount(period, weights=supply_kw), np.bincount(period, weights=load_kw)
    return float(np.minimum(supply, load).sum()) * grid.step_hours

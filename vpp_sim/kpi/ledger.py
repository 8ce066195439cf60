"""The energy ledger: where every kWh of a site came from and where it went, step by step.

In each step, sources and uses are laid end to end in a fixed order and matched where they overlap:

    sources: renewable, storage, other supply, grid          uses: load, storage, export

so renewable power serves the load first, then charges storage, then is exported, and the grid covers the rest. Each
share lies between the same cumulative sums on both sides, so the ledger balances exactly wherever the bus does.

A store keeps a proportional mix of its origins (all stores of a site are one pool). With e the stored energy, i the
energy that reaches the cells in a step, R, D and C its charging from renewables, from storage and in all, the renewable
energy r in store follows

    share[t] = (r[t-1] + i R / C) / (e[t-1] + i - i D / C),      r[t] = share[t] e[t]

a linear recurrence, solved as one banded system. The mix at the start is the mix at the end (a site in its steady
course); where nothing flows through, it counts as not renewable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import solve_banded

from vpp_sim.components.base import Check, FloatArray, Flows, equation_check
from vpp_sim.dispatch import Dispatch
from vpp_sim.time_grid import TimeGrid

SOURCES = ("renewable", "storage", "other", "grid")
USES = ("load", "storage", "export")


@dataclass(frozen=True, eq=False)
class StoragePool:
    """All stores of a site as one: stored energy at the ends of steps and at the start, energy into the cells per step
    [kWh], charging in all and from storage itself [kW]; arrays (num_steps,)."""

    stored_kwh: FloatArray
    initial_kwh: float
    inflow_kwh: FloatArray
    charge_kw: FloatArray
    from_storage_kw: FloatArray

    def share_of(self, charge_part_kw: FloatArray) -> FloatArray:
        """Share of a part of the charging in what the pool gives in each step, (num_steps,); see the module."""
        stored, initial, inflow = self.stored_kwh, self.initial_kwh, self.inflow_kwh
        before = np.concatenate([[initial], stored[:-1]])
        per_charge = np.divide(inflow, self.charge_kw, out=np.zeros_like(inflow), where=self.charge_kw > 0)
        part_in = per_charge * charge_part_kw
        pool = before + inflow - per_charge * self.from_storage_kw
        full = pool > 1e-9 * max(1.0, float(stored.max(initial=0.0)))
        keep = np.minimum(np.divide(stored, pool, out=np.zeros_like(stored), where=full), 1.0)
        # r[t] - keep[t] r[t-1] = keep[t] part_in[t], for a start of 0 and, apart, for a start of 1 and no inflow
        band = np.zeros((2, stored.size))
        band[0] = 1.0
        band[1, :-1] = -keep[1:]
        right = np.zeros((stored.size, 2))
        right[:, 0] = keep * part_in
        right[0, 1] = keep[0]
        from_inflow, from_start = solve_banded((1, 0), band, right).T
        start = 0.0
        if initial > 0.0:
            growth = stored[-1] / initial - from_start[-1]
            if growth > 1e-9:
                start = min(max(from_inflow[-1] / growth, 0.0), initial)
        held_before = np.concatenate([[start], (from_inflow + start * from_start)[:-1]])
        share = np.divide(held_before + part_in, pool, out=np.zeros_like(pool), where=full)
        return np.asarray(np.clip(share, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class Ledger:
    """Powers (num_steps,) in kW from each source to each use, and the mix of the storage.

    `flow_kw[(source, use)]`; `storage_renewable_share` is the renewable share of what the storage gives in each step,
    `pool` tells the share of any other origin.
    """

    grid: TimeGrid
    flow_kw: dict[tuple[str, str], FloatArray]
    pool: StoragePool
    storage_renewable_share: FloatArray
    load_kw: FloatArray
    renewable_kw: FloatArray
    renewable_available_kw: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    import_kw: FloatArray
    export_kw: FloatArray
    storage_losses_kwh: float
    import_factors: dict[str, FloatArray]
    measured: dict[str, FloatArray] = field(default_factory=dict)

    def measured_kw(self, role: str) -> FloatArray:
        """A power that targets refer to, by its role, (num_steps,); 0 where no component has it."""
        return self.measured.get(role, np.zeros(self.grid.num_steps))

    def kwh(self, power_kw: FloatArray) -> float:
        """Energy of a power series over the horizon."""
        return float(power_kw.sum()) * self.grid.step_hours

    def renewable_to(self, use: str) -> FloatArray:
        """Renewable power that reaches a use, direct and through storage, (num_steps,) [kW]."""
        return self.flow_kw["renewable", use] + self.flow_kw["storage", use] * self.storage_renewable_share

    def load_origins(self) -> dict[str, FloatArray]:
        """The load by origin, (num_steps,) [kW] each; they add up to the load."""
        stored = self.flow_kw["storage", "load"]
        return {
            "renewable direct": self.flow_kw["renewable", "load"],
            "renewable through storage": stored * self.storage_renewable_share,
            "grid direct": self.flow_kw["grid", "load"],
            "grid through storage": stored * (1.0 - self.storage_renewable_share),
            "other supply": self.flow_kw["other", "load"],
        }

    def check(self) -> Check:
        """The origins of the load add up to the load in every step."""
        total = np.sum(list(self.load_origins().values()), axis=0)
        return equation_check("ledger: origins add up to the load", total, self.load_kw, float(self.load_kw.max()))


def energy_ledger(result: Dispatch) -> Ledger:
    """The ledger of a dispatch, from the flows that its components declare."""
    parts = result.scenario.components
    return ledger_of_flows([part.flows(result.values(name)) for name, part in parts.items()], result.grid)


def ledger_of_flows(flows: Iterable[Flows], grid: TimeGrid) -> Ledger:
    """The ledger of a set of flows on one bus."""
    flows = list(flows)

    def total(name: str) -> FloatArray:
        arrays = [array for flow in flows if (array := getattr(flow, name)) is not None]
        return np.sum(arrays, axis=0) if arrays else np.zeros(grid.num_steps)

    stores = [flow.store for flow in flows if flow.store is not None]
    zero = np.zeros(grid.num_steps)
    charge: FloatArray = sum((store.charge_kw for store in stores), start=zero)
    discharge: FloatArray = sum((store.discharge_kw for store in stores), start=zero)
    inflow: FloatArray = sum((store.inflow_kwh for store in stores), start=zero)
    stored: FloatArray = sum((store.stored_kwh for store in stores), start=zero)
    initial = float(sum(store.initial_kwh for store in stores))

    renewable, load = total("renewable_kw"), total("use_kw")
    supply = [renewable, discharge, total("other_supply_kw"), total("import_kw")]
    use = [load, charge, total("export_kw")]
    flow_kw = _matched(supply, use)
    pool = StoragePool(stored, initial, inflow, charge, flow_kw["storage", "storage"])
    losses = float((charge - discharge).sum()) * grid.step_hours - (float(stored[-1]) - initial if stores else 0.0)
    factors = next((dict(flow.import_factors) for flow in flows if flow.import_factors), {})
    measured: dict[str, FloatArray] = {}
    for flow in flows:
        for role, power in flow.measured_kw.items():
            measured[role] = measured.get(role, 0.0) + power
    return Ledger(
        grid=grid,
        flow_kw=flow_kw,
        pool=pool,
        storage_renewable_share=pool.share_of(flow_kw["renewable", "storage"]),
        load_kw=load,
        renewable_kw=renewable,
        renewable_available_kw=total("renewable_available_kw"),
        charge_kw=charge,
        discharge_kw=discharge,
        import_kw=supply[3],
        export_kw=use[2],
        storage_losses_kwh=losses,
        import_factors=factors,
        measured=measured,
    )


def _matched(supply: list[FloatArray], use: list[FloatArray]) -> dict[tuple[str, str], FloatArray]:
    """Overlap of cumulative sources and cumulative uses, in the fixed order."""
    ends_of_supply = np.cumsum(supply, axis=0)
    ends_of_use = np.cumsum(use, axis=0)
    flow: dict[tuple[str, str], FloatArray] = {}
    for i, source in enumerate(SOURCES):
        for j, sink in enumerate(USES):
            begin = np.maximum(ends_of_supply[i] - supply[i], ends_of_use[j] - use[j])
            end = np.minimum(ends_of_supply[i], ends_of_use[j])
            flow[source, sink] = np.maximum(end - begin, 0.0)
    return flow

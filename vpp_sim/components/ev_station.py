"""Charging station: sessions charged on arrival, managed, or with discharge to the site (V2G).

A session i arrives at a_i, leaves at b_i, wants n_i kWh into its vehicle and may draw r_i kW. With u_i =
charge_efficiency r_i, v_i = r_i / discharge_efficiency (0 unless v2g), the energy x_i charged since arrival lies
between

    latest(t)   = max(-D_i, -v_i (t - a_i), n_i - u_i (b_i - t))        D_i: depth that may be discharged below arrival
    earliest(t) = min(n_i + H_i, u_i (t - a_i), n_i + v_i (b_i - t))    H_i: headroom above the need (0 unless v2g)

Sessions of like laxity (dwell minus least charging time) form a class k, in which energy is divisible. With E the sum
of x_i, U and L the sums of the curves at the ends of steps, the program has per class the backlog q = U - E:

    q[t] = q[t-1] + (U[t] - U[t-1]) - dt (charge_efficiency c[t] - d[t] / discharge_efficiency + unserved[t])
    0 <= q <= U - L,   c, d <= connected power,   sum over classes of c (and of d) <= power_kw

With v2g, unserved energy must not stand in for energy discharged: no vehicle leaves with less than it came with, so
that E stays above the latest curves F of the same sessions if they wanted nothing, and h = E - F >= 0:

    h[t] = h[t-1] - (F[t] - F[t-1]) + dt (charge_efficiency c[t] - d[t] / discharge_efficiency)

The sum over sessions is a relaxation: a plan within it may ask more of the connected cars than they can take. So the
plan is handed back to every session, least laxity first; what sessions must take at the latest comes first. Where
that changes a class's power, the program is solved once more with the power pinned, so that the dispatch is what the
cars really do. Energy that a session does not get, for whatever reason, is unserved and reported.

Sources: aggregate flexibility by cumulative curves: Xu, Vandael, Deconinck et al., doi:10.1109/TSG.2015.2458292;
least-laxity-first: Dertouzos and Mok, doi:10.1109/32.58762.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vpp_sim.components.adjustable import Adjustable
from vpp_sim.components.base import (
    EARLIEST_SERVICE_PRICE,
    THROUGHPUT_PRICE,
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
    OppositeFlows,
    Settlement,
    Shortfall,
    Store,
    Values,
    equation_check,
    limit_check,
    ranked,
)
from vpp_sim.components.ev_hand_back import hand_back
from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.lp.builder import GlobalVariable, StepVariable, Term
from vpp_sim.profiles.sessions import Fleet, SessionFile, drawn_sessions, read_sessions
from vpp_sim.tariffs.valley import valley_share
from vpp_sim.time_grid import TimeGrid

if TYPE_CHECKING:
    import pandas as pd

#: A step's power may differ by this much [kW, per kW of the plan's largest where that is more] from the plan before the
#: program is solved again.
HAND_BACK_TOLERANCE_KW = 1e-6
#: Energy below this share of the largest step's is rounding.
NOTHING = 1e-11

#: Above these a session in the middle of all is odd: the largest lorries have 1,000 kWh and 1,000 kW.
ODD_SESSION_KWH, ODD_SESSION_KW = 1500.0, 1500.0


class V2g(StrictModel):
    """What the vehicles allow when they may discharge to the site (mode v2g)."""

    battery_kwh: float = quantity("usable battery of a vehicle", unit="kWh", gt=0)
    arrival_soc: float = quantity("state of charge on arrival", default=0.5, ge=0, le=1)
    soc_min: float = quantity("lowest state of charge while discharging", default=0.3, ge=0, le=1)
    discharge_efficiency: float = quantity("energy to the bus per energy from the vehicle", default=0.93, gt=0, le=1)
    wear_cost_per_kwh: float = quantity("wear per kWh discharged", unit="currency/kWh", default=0.1, ge=0)


class EvStation(Component):
    """Parameters of a charging station."""

    label: ClassVar[str] = "EV charging"
    colour: ClassVar[str] = "#56B4E9"
    cost_basis: ClassVar[str | None] = "power_kw"

    kind: Literal["ev_station"] = quantity("kind of component")
    mode: Literal["uncontrolled", "managed", "v2g"] = quantity(
        "charged on arrival, charged when best, or also discharged", default="managed"
    )
    power_kw: Capacity = quantity("largest power of the whole station, each way", unit="kW")
    fleets: tuple[Fleet, ...] = quantity("sessions drawn from distributions", default=())
    sessions: SessionFile | None = quantity("sessions of a file", default=None)
    charge_efficiency: float = quantity(
        "energy counted for a session per energy from the bus (1 where sessions are metered at the charger)",
        default=1.0,
        gt=0,
        le=1,
    )
    laxity_classes: Annotated[int, Field(strict=True)] = quantity(
        "classes of like laxity; more follow the sessions closer and solve slower", default=2, ge=1, le=8
    )
    value_of_unserved_per_kwh: float = quantity(
        "price of a kWh not charged by departure (assumption: above a month's demand charge of a kW)",
        unit="currency/kWh",
        default=50.0,
        ge=0,
    )
    v2g: V2g | None = quantity("what vehicles allow in mode v2g", default=None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.fleets) == (self.sessions is not None):
            raise ValueError("fleets: give exactly one of fleets and sessions")
        if (self.mode == "v2g") and self.v2g is None:
            raise ValueError("v2g: missing: mode v2g needs the vehicles' battery_kwh")
        if self.mode == "uncontrolled" and isinstance(self.power_kw, FreeSize):
            raise ValueError("power_kw: charging on arrival needs a given power, not a free one")
        names = [fleet.name for fleet in self.fleets]
        if len(set(names)) != len(names):
            raise ValueError("fleets: two fleets have the same name")
        return self

    def files(self, base_dir: Path) -> tuple[Path, ...]:
        """The session file, if any."""
        return () if self.sessions is None else (base_dir / self.sessions.path,)

    def inputs(self, context: Context) -> Inputs:
        """Session table with class numbers, and the curves of every class; the same in every mode."""
        import pandas as pd

        grid = context.grid
        notes: tuple[str, ...] = ()
        if self.sessions is not None:
            sessions, notes = read_sessions(self.sessions, grid, context.base_dir)
        else:
            drawn = [drawn_sessions(fleet, grid) for fleet in self.fleets]
            sessions = pd.concat([table for table in drawn if len(table)] or drawn[:1], ignore_index=True)
            sessions = sessions.sort_values("arrival_hours", kind="stable", ignore_index=True)
        if sessions.empty:
            notes = (*notes, "no session arrives on the horizon")
        notes = (*notes, *_oddities(sessions), *(note for fleet in self.fleets for note in _short_stays(fleet)))
        sessions, more_notes = self._prepared(sessions, grid)
        series = {"on_arrival_kw": self._on_arrival_kw(sessions, grid)}
        if (valley := valley_share(context.tariff, grid)) is not None:
            series["valley_share"] = valley
        return Inputs(series=series, tables={"sessions": sessions}, notes=(*notes, *more_notes))

    def _prepared(self, sessions: pd.DataFrame, grid: TimeGrid) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Adds what can be delivered at all (`need_kwh`), on the horizon, and the class of each session."""
        notes = []
        sessions = sessions.copy()
        beyond = sessions["departure_hours"].to_numpy() > grid.horizon_hours
        if beyond.any():
            notes.append(f"{int(beyond.sum())} sessions reach beyond the horizon and count until its end")
        end = np.minimum(sessions["departure_hours"], grid.horizon_hours)
        dwell = (end - sessions["arrival_hours"]).to_numpy()
        full_dwell = (sessions["departure_hours"] - sessions["arrival_hours"]).to_numpy()
        rate = sessions["max_kw"].to_numpy() * self.charge_efficiency
        wanted = sessions["energy_kwh"].to_numpy() * np.where(beyond, dwell / full_dwell, 1.0)
        need = np.minimum(wanted, rate * dwell)
        short = wanted - need > 1e-9
        if short.any():
            first = sessions["session_id"].iloc[int(np.argmax(short))]
            notes.append(
                f"{int(short.sum())} of {len(sessions)} sessions want more than their charger gives while they stay "
                f"({float((wanted - need).sum()):.0f} kWh in all, counted as unserved; the first is {first})"
            )
        sessions["end_hours"] = end
        sessions["wanted_kwh"] = wanted
        sessions["need_kwh"] = need
        sessions["class"] = laxity_class(dwell - need / rate, need, self.laxity_classes)
        return sessions, tuple(notes)

    def _on_arrival_kw(self, sessions: pd.DataFrame, grid: TimeGrid) -> FloatArray:
        """Power (num_steps,) when every session charges at full power from its arrival, without a station limit."""
        power = sessions["max_kw"].to_numpy()
        arrival = sessions["arrival_hours"].to_numpy()
        done = arrival + sessions["need_kwh"].to_numpy() / (power * self.charge_efficiency)
        return energy_between(arrival, done, power, grid) / grid.step_hours

    def _limits(self, sessions: pd.DataFrame) -> dict[str, FloatArray]:
        """Per session: rates each way into the vehicle, depth and headroom [kW, kWh]."""
        need, dwell = sessions["need_kwh"].to_numpy(), (sessions["end_hours"] - sessions["arrival_hours"]).to_numpy()
        up = sessions["max_kw"].to_numpy() * self.charge_efficiency
        if self.mode != "v2g" or self.v2g is None:
            zero = np.zeros(len(sessions))
            return {"up": up, "down": zero, "depth": zero, "headroom": zero}
        down = sessions["max_kw"].to_numpy() / self.v2g.discharge_efficiency
        arrived = self.v2g.arrival_soc * self.v2g.battery_kwh
        depth = np.full(len(sessions), max(arrived - self.v2g.soc_min * self.v2g.battery_kwh, 0.0))
        headroom = np.maximum(self.v2g.battery_kwh - arrived - need, 0.0)
        # a short stay cannot use all of it: where the two ramps of a curve cross
        depth = np.minimum(depth, np.maximum(down * (up * dwell - need) / (up + down), 0.0))
        headroom = np.minimum(headroom, np.maximum(up * (need + down * dwell) / (up + down) - need, 0.0))
        return {"up": up, "down": down, "depth": depth, "headroom": headroom}

    def curves(self, sessions: pd.DataFrame, grid: TimeGrid) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Increments per step of the earliest curve and of the latest one [kWh], and connected power [kW]."""
        limits = self._limits(sessions)
        up, down, depth, headroom = limits["up"], limits["down"], limits["depth"], limits["headroom"]
        arrival, end = sessions["arrival_hours"].to_numpy(), sessions["end_hours"].to_numpy()
        need, power = sessions["need_kwh"].to_numpy(), sessions["max_kw"].to_numpy()
        fall = np.divide(headroom, down, out=np.zeros_like(down), where=down > 0)
        sink = np.divide(depth, down, out=np.zeros_like(down), where=down > 0)
        full = arrival + (need + headroom) / up
        earliest = energy_between(arrival, full, up, grid) - energy_between(end - fall, end, down, grid)
        begin = end - (need + depth) / up
        latest = energy_between(begin, end, up, grid) - energy_between(arrival, arrival + sink, down, grid)
        connected = energy_between(arrival, end, power, grid) / grid.step_hours
        return earliest, latest, connected

    def floor(self, sessions: pd.DataFrame, grid: TimeGrid) -> FloatArray:
        """Increments per step of the latest curve if the sessions wanted nothing [kWh]: what they must hold anyway."""
        limits = self._limits(sessions)
        up, down, depth = limits["up"], limits["down"], limits["depth"]
        arrival, end = sessions["arrival_hours"].to_numpy(), sessions["end_hours"].to_numpy()
        sink = np.divide(depth, down, out=np.zeros_like(down), where=down > 0)
        sinking = energy_between(arrival, arrival + sink, down, grid)
        return energy_between(end - depth / up, end, up, grid) - sinking

    def add_to(self, block: Block) -> None:
        """Charge, discharge and backlog per class, and the station's limit; fixed charging where uncontrolled."""
        sessions = block.inputs.tables["sessions"]
        if self.mode == "uncontrolled":
            self._add_uncontrolled(block, sessions)
            return
        grid, dt = block.grid, block.grid.step_hours
        station = block.capacity("power_kw", self.power_kw)
        charging: list[Term] = []
        discharging: list[Term] = []
        numbers, ties = np.unique(sessions["class"].to_numpy()), self.tie_prices()
        connected_at_once = np.zeros(grid.num_steps)
        for number in numbers:
            earliest, latest, connected = self.curves(sessions[sessions["class"] == number], grid)
            connected_at_once += connected
            room = backlog_room_kwh(earliest, latest)
            name = f"class{number}"
            charge = block.variables(f"{name}_charge_kw", upper=connected)
            backlog = block.variables(f"{name}_backlog_kwh", upper=room, tie_price=ties[f"{name}_backlog_kwh"])
            charging.append((charge, 1.0))
            self._add_charge(block, charge)
            row: list[Term] = [(backlog, 1.0), (backlog.previous, -1.0), (charge, dt * self.charge_efficiency)]
            if self.mode == "v2g" and self.v2g is not None:
                wear = self.v2g.wear_cost_per_kwh
                discharge_name = f"{name}_discharge_kw"
                discharge = block.variables(
                    discharge_name, upper=connected, cost_per_kwh=wear, tie_price=ties[discharge_name]
                )
                discharging.append((discharge, 1.0))
                block.inject(discharge, +1, role="discharge")
                # the part of the charging that comes back is no use, as in `flows`
                block.declare("use", discharge, -1.0 / (self.charge_efficiency * self.v2g.discharge_efficiency))
                row.append((discharge, -dt / self.v2g.discharge_efficiency))
                held = block.variables(f"{name}_held_kwh")
                moved: list[Term] = [(held, 1.0), (held.previous, -1.0), (charge, -dt * self.charge_efficiency)]
                moved.append((discharge, dt / self.v2g.discharge_efficiency))
                floor = self.floor(sessions[sessions["class"] == number], grid)
                block.constrain(f"{name}_held", moved, equals=-floor)
            # also where the station could serve all: the bus may be short
            price = self.value_of_unserved_per_kwh
            unserved_name = f"{name}_unserved_kw"
            unserved = block.variables(
                unserved_name, upper=connected, cost_per_kwh=price, tie_price=ties[unserved_name]
            )
            row.append((unserved, dt))
            block.constrain(f"{name}_backlog", row, equals=earliest)
        for label, terms in (("charge_limit", charging), ("discharge_limit", discharging)):
            if terms and isinstance(station, GlobalVariable):
                block.constrain(label, [*terms, (station, -1.0)], upper=0.0)
            elif terms and not isinstance(station, GlobalVariable) and (connected_at_once > station).any():
                block.constrain(label, terms, upper=station)

    def _add_uncontrolled(self, block: Block, sessions: pd.DataFrame) -> None:
        """Charging on arrival, first come first served within the station's limit."""
        if isinstance(self.power_kw, FreeSize):
            raise InputError(Fault("charging on arrival needs a given power, not a free one", path="power_kw"))
        into_vehicles, served = hand_back(
            sessions,
            self.laxity_classes,
            self._limits(sessions),
            None,
            self.power_kw,
            self.charge_efficiency,
            1.0,
            block.grid,
        )
        for number, power in enumerate(into_vehicles / self.charge_efficiency):
            if power.any():
                self._add_charge(block, block.variables(f"class{number}_charge_kw", lower=power, upper=power))
        block.add_cost(_missing_kwh(sessions["need_kwh"], served) * self.value_of_unserved_per_kwh)

    def _add_charge(self, block: Block, charge: StepVariable) -> None:
        """Charging as a use, and how much of it lies in the tariff's valley."""
        block.inject(charge, -1)
        valley = block.inputs.series.get("valley_share")
        if valley is not None:
            block.declare("ev_charge", charge)
            block.declare("ev_valley_charge", charge, valley)

    def adjustable(self) -> tuple[Adjustable, ...]:
        """Charging on arrival draws on the bus at any cost: less power, or managed. All else may go unserved."""
        if self.mode != "uncontrolled" or isinstance(self.power_kw, FreeSize):
            return super().adjustable()
        power = Adjustable("power_kw", "power", "kW", float(self.power_kw), 0.0, less_service=True)
        return (power, Adjustable("mode", "mode", "-", "uncontrolled", "managed"))

    def simpler(self) -> Self | None:
        """Without discharge: single vehicles follow such a plan more closely than one that lends energy."""
        return self.model_copy(update={"mode": "managed"}) if self.mode == "v2g" else None

    def uncontrolled(self) -> Self:
        """Every session charges on arrival at full power."""
        return self.model_copy(update={"mode": "uncontrolled"})

    def _classes(self, values: Values, quantity_name: str) -> dict[int, FloatArray]:
        """Series of every class that has the quantity, by class number."""
        found = {}
        for number in range(self.laxity_classes):
            series = values.series.get(f"class{number}_{quantity_name}")
            if series is not None:
                found[number] = series
        return found

    def _total(self, values: Values, quantity_name: str) -> FloatArray:
        total = np.zeros(values.grid.num_steps)
        for series in self._classes(values, quantity_name).values():
            total += series
        return total

    @property
    def _discharge_efficiency(self) -> float:
        return self.v2g.discharge_efficiency if self.v2g is not None else 1.0

    def settle(self, values: Values, *, final: bool) -> Settlement:
        """Hand the plan back to the sessions; pin the energy charged so far where they cannot follow it."""
        sessions = values.tables["sessions"]
        station = values.size("power_kw", self.power_kw)
        plan = most = None
        if self.mode != "uncontrolled":
            charge, discharge = self._classes(values, "charge_kw"), self._classes(values, "discharge_kw")
            most = self._total(values, "charge_kw") * self.charge_efficiency
            plan = most - self._total(values, "discharge_kw") / self._discharge_efficiency
        cars = (sessions, self.laxity_classes, self._limits(sessions))
        given = (self.charge_efficiency, self._discharge_efficiency, values.grid)
        net, served = hand_back(*cars, plan, station, *given)
        tolerance = HAND_BACK_TOLERANCE_KW * max(1.0, float(np.abs(plan).max()) if plan is not None else 0.0)
        if final and plan is not None and np.abs(net.sum(axis=0) - plan).max() > tolerance:
            # the bus had less to give than the sessions asked for
            net, served = hand_back(*cars, plan, station, *given, most_kw=most)
        table = sessions.assign(charged_kwh=served)
        if plan is None or np.abs(net.sum(axis=0) - plan).max() <= tolerance:
            return Settlement(tables={"sessions": table})
        # dust of a solver that works from the inside would trouble the next one
        moved = float(np.abs(net.sum(axis=0) - plan).sum() / 2 * values.grid.step_hours)
        net = np.where(np.abs(net) > HAND_BACK_TOLERANCE_KW, net, 0.0)
        # what the sessions do, exactly; pinning only the energy so far lets a bus that is short leave more unserved
        exact: dict[str, FloatArray] = {}
        pinned: dict[str, FloatArray] = {}
        if "power_kw" in values.sizes:
            pinned["power_kw_size"] = np.array([station])
        at_least: dict[str, FloatArray] = {}
        for number in charge:
            earliest, latest, _ = self.curves(sessions[sessions["class"] == number], values.grid)
            backlog = np.cumsum(earliest - net[number] * values.grid.step_hours)
            backlog = np.where(np.abs(backlog) > HAND_BACK_TOLERANCE_KW, backlog, 0.0)
            # a backlog above its room is unserved energy, which the program must pay for; one below 0 is energy that
            # vehicles cannot give back in time, because the station's power is taken: they leave with it
            lost = np.maximum.accumulate(np.maximum(backlog - backlog_room_kwh(earliest, latest), 0.0))
            pinned[f"class{number}_backlog_kwh"] = backlog - lost
            at_least[f"class{number}_unserved_kw"] = np.diff(lost, prepend=0.0) / values.grid.step_hours
            # by session: what one vehicle leaves with beyond its need does not make up for what another lacks
            exact[f"class{number}_unserved_kw"] = _missing_kw(table[table["class"] == number], values.grid)
            exact[f"class{number}_charge_kw"] = np.maximum(net[number], 0.0) / self.charge_efficiency
            if number in discharge:
                exact[f"class{number}_discharge_kw"] = np.maximum(-net[number], 0.0) * self._discharge_efficiency
        share = moved / max(float(sessions["need_kwh"].sum()), 1e-9)
        note = (
            f"{moved:.0f} kWh of EV charging ({share:.2%}) moved from the plan when it was handed back to the sessions"
        )
        return Settlement(
            tables={"sessions": table},
            pinned=pinned,
            at_least=at_least,
            exact={**pinned, **exact},
            settled=(
                *(f"class{number}_backlog" for number in charge),
                *(f"class{number}_held" for number in discharge),
            ),
            notes=(note,),
        )

    def outputs(self, values: Values) -> dict[str, FloatArray]:
        """Station power each way."""
        return {"charge_kw": self._total(values, "charge_kw"), "discharge_kw": self._total(values, "discharge_kw")}

    def flows(self, values: Values) -> Flows:
        """A use; with V2G, the part of the charging that comes back is a store, the rest a use.

        The part is the same share of every step's charging, so that the store ends where it began: share x charged
        energy x efficiencies = discharged energy.
        """
        charge, discharge = self._total(values, "charge_kw"), self._total(values, "discharge_kw")
        returned = float(discharge.sum()) / self._discharge_efficiency
        charged = float(charge.sum()) * self.charge_efficiency
        measured = {}
        if "valley_share" in values.series:
            measured = {"ev_charge": charge, "ev_valley_charge": charge * values["valley_share"]}
        if returned <= 0.0 or charged <= 0.0:
            return Flows(use_kw=charge, measured_kw=measured)
        share = min(returned / charged, 1.0)
        dt = values.grid.step_hours
        inflow = share * charge * self.charge_efficiency * dt
        level = np.cumsum(inflow - discharge / self._discharge_efficiency * dt)
        lowest = min(0.0, float(level.min()))
        store = Store(share * charge, discharge, inflow, level - lowest, -lowest)
        return Flows(use_kw=(1.0 - share) * charge, store=store, measured_kw=measured)

    def shifted(self, values: Values) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Charging if all began on arrival, and net charging as it was."""
        return {"station power": (values["on_arrival_kw"], values["charge_kw"] - values["discharge_kw"])}

    def opposite_flows(self) -> tuple[OppositeFlows, ...]:
        """Charge and discharge of each class, which are handed back to its sessions as one flow."""
        if self.mode != "v2g" or self.v2g is None:
            return ()
        kept, wear = self.charge_efficiency * self.v2g.discharge_efficiency, self.v2g.wear_cost_per_kwh
        return tuple(
            OppositeFlows(f"class{number}_charge_kw", f"class{number}_discharge_kw", kept, wear)
            for number in range(self.laxity_classes)
        )

    def tie_prices(self) -> dict[str, float]:
        """Of equal plans the one that discharges least and charges earliest, the class of least laxity first."""
        if self.mode == "uncontrolled":
            return {}
        prices = {}
        for number in range(self.laxity_classes):
            prices[f"class{number}_backlog_kwh"] = ranked(EARLIEST_SERVICE_PRICE, number)
            prices[f"class{number}_discharge_kw"] = ranked(THROUGHPUT_PRICE, number)
            prices[f"class{number}_unserved_kw"] = ranked(THROUGHPUT_PRICE, self.laxity_classes - 1 - number)
        return prices

    def costs(self, values: Values) -> dict[str, float]:
        """Wear of discharging, and the price of what the program left unserved."""
        unserved = float(self._total(values, "unserved_kw").sum()) * values.grid.step_hours
        if self.mode == "uncontrolled":
            sessions = values.tables["sessions"]
            unserved = _missing_kwh(sessions["need_kwh"], sessions["charged_kwh"])
        wear = self.v2g.wear_cost_per_kwh if self.v2g is not None else 0.0
        discharged = float(self._total(values, "discharge_kw").sum()) * values.grid.step_hours
        return {"penalty_cost": unserved * self.value_of_unserved_per_kwh, "wear_cost": discharged * wear}

    def shortfalls(self, values: Values) -> tuple[Shortfall, ...]:
        """Energy that sessions could have been given and leave without, in the step in which each leaves."""
        missing = _missing_kw(values.tables["sessions"], values.grid)
        return (Shortfall("charging not done by departure", missing, self.value_of_unserved_per_kwh),)

    def kpis(self, values: Values) -> dict[str, Kpi]:
        """Energy, what was not served, and how many sessions that touched."""
        dt = values.grid.step_hours
        sessions = values.tables["sessions"]
        missing = (sessions["wanted_kwh"] - sessions["charged_kwh"]).to_numpy()
        missing = np.where(missing > 1e-6, missing, 0.0)  # less is the solver's tolerance
        charged = float(self._total(values, "charge_kw").sum()) * dt
        discharged = float(self._total(values, "discharge_kw").sum()) * dt
        valley = {}
        if "valley_share" in values.series:
            in_valley = float((self._total(values, "charge_kw") * values["valley_share"]).sum()) * dt
            words = "energy taken for charging in hours of the tariff whose period is called valley / all of it"
            valley = {"ev_valley_share": Kpi.ratio(in_valley, charged, "-", words)}
        return valley | {
            "ev_energy_kwh": Kpi(charged - discharged, "kWh", "EV charging less V2G discharge, at the bus"),
            "ev_unserved_kwh": Kpi(
                float(missing.sum()), "kWh", "energy that sessions wanted and did not get by departure"
            ),
            "ev_sessions": Kpi(float(len(sessions)), "sessions", "charging sessions that arrive on the horizon"),
            "ev_unserved_sessions": Kpi(
                float(np.count_nonzero(missing > 1e-3)), "sessions", "sessions that miss more than 0.001 kWh"
            ),
            "ev_discharge_kwh": Kpi(discharged, "kWh", "V2G discharge at the bus"),
        }

    def replay(self, values: Values) -> list[Check]:
        """Station and charger limits, the sessions' curves, and the sessions' energies against the station's."""
        grid = values.grid
        sessions = values.tables["sessions"]
        charge, discharge = self._total(values, "charge_kw"), self._total(values, "discharge_kw")
        station = values.size("power_kw", self.power_kw)
        served = sessions["charged_kwh"].to_numpy()
        need = sessions["need_kwh"].to_numpy()
        into_vehicles = charge * self.charge_efficiency - discharge / self._discharge_efficiency
        limits = self._limits(sessions)
        headroom = limits["headroom"]  # 0 unless v2g
        total = float(need.sum())
        largest = float(need.max(initial=0.0))
        checks = [
            limit_check("charging within station power", charge, 0.0, station, station),
            limit_check("discharging within station power", discharge, 0.0, station, station),
            limit_check("no session gets more than it can take", served, -np.inf, need + headroom, largest),
            equation_check(
                "sessions add up to the station",
                np.array([served.sum()]),
                np.array([into_vehicles.sum() * grid.step_hours]),
                total,
            ),
        ]
        up, arrival = limits["up"], sessions["arrival_hours"].to_numpy()
        at = np.arange(1.0, grid.num_steps + 1) * grid.step_hours
        peak = need + headroom
        earliest = ramp_level(arrival, up, at) - ramp_level(arrival + peak / up, up, at)
        delivered = np.cumsum(into_vehicles) * grid.step_hours
        checks.append(limit_check("never earlier than the sessions allow", delivered, -np.inf, earliest, total))
        return checks


def _oddities(sessions: pd.DataFrame) -> tuple[str, ...]:
    """Remarks on sessions that are possible but look as if they were in another unit."""
    notes = []
    for column, most, unit in (("energy_kwh", ODD_SESSION_KWH, "Wh"), ("max_kw", ODD_SESSION_KW, "W")):
        middle = float(sessions[column].median()) if len(sessions) else 0.0
        if middle > most:
            name = {"max_kw": "max_kw or charger_power_kw"}.get(column, column)
            kilo = "kWh" if unit == "Wh" else "kW"
            notes.append(f"{name} is {middle:,.6g} {kilo} for the session in the middle; is it in {unit}?")
    return tuple(notes)


def _short_stays(fleet: Fleet) -> tuple[str, ...]:
    """A remark where the mean stay is too short for the mean energy, and stays are made longer."""
    needed = fleet.energy_kwh / fleet.charger_power_kw
    if fleet.dwell_hours is None or fleet.dwell_hours >= needed:
        return ()
    return (
        f"{fleet.name}: dwell_hours {fleet.dwell_hours:g} is too short for {fleet.energy_kwh:g} kWh at "
        f"{fleet.charger_power_kw:g} kW ({needed:.3g} h); stays are made as long as charging takes",
    )


def _missing_kw(sessions: pd.DataFrame, grid: TimeGrid) -> FloatArray:
    """What sessions could have been given and were not, in the step in which each leaves, (num_steps,)."""
    missing = (sessions["need_kwh"] - sessions["charged_kwh"]).to_numpy()
    missing = np.where(missing > HAND_BACK_TOLERANCE_KW, missing, 0.0)
    step = np.ceil(sessions["end_hours"].to_numpy() / grid.step_hours - 1e-9).astype(np.int64) - 1
    return np.bincount(np.clip(step, 0, grid.num_steps - 1), missing, grid.num_steps) / grid.step_hours


def _missing_kwh(need_kwh: Any, served_kwh: Any) -> float:
    """What sessions could have been given and were not [kWh]."""
    return float(np.maximum(np.asarray(need_kwh) - np.asarray(served_kwh), 0.0).sum())


def backlog_room_kwh(earliest_kwh: FloatArray, latest_kwh: FloatArray) -> FloatArray:
    """How far a class may lie behind its earliest curve at the end of each step, from both curves' increments [kWh].

    Nothing may be left when the horizon ends.
    """
    room = np.maximum(np.cumsum(earliest_kwh - latest_kwh), 0.0)
    room[-1] = 0.0
    return room


def laxity_class(laxity_hours: FloatArray, need_kwh: FloatArray, num_classes: int) -> NDArray[np.int64]:
    """Class number of each session: `num_classes` groups of about equal energy, in order of laxity.

    Laxity is the time a session stays beyond what its charging takes at the least [h].

    >>> laxity_class(np.array([0.0, 5.0, 1.0, 9.0]), np.ones(4), 2)
    array([0, 1, 0, 1])
    """
    order = np.argsort(laxity_hours, kind="stable")
    before = np.cumsum(need_kwh[order]) - need_kwh[order]
    total = max(float(need_kwh.sum()), 1e-12)
    classes = np.empty(laxity_hours.size, dtype=np.int64)
    classes[order] = np.minimum((before / total * num_classes).astype(np.int64), num_classes - 1)
    return classes


def energy_between(starts_hours: FloatArray, ends_hours: FloatArray, powers: FloatArray, grid: TimeGrid) -> FloatArray:
    """Energy in each step (num_steps,) of powers that run from a start to an end each, within the horizon [kWh].

    >>> import datetime as dt
    >>> grid = TimeGrid(dt.datetime(2025, 1, 1), step_minutes=60, num_steps=3, timezone="Asia/Shanghai")
    >>> energy_between(np.array([0.25, 1.0]), np.array([1.5, 9.0]), np.array([4.0, 1.0]), grid)
    array([3., 3., 1.])
    """
    dt, n = grid.step_hours, grid.num_steps
    times = np.maximum(np.concatenate([starts_hours, ends_hours]), 0.0)
    slopes = np.concatenate([powers, -powers])
    step = np.floor(times / dt).astype(np.int64)
    within = step < n
    step, times, slopes = step[within], times[within], slopes[within]
    in_first = np.bincount(step, weights=slopes * ((step + 1) * dt - times), minlength=n)
    running = np.bincount(step + 1, weights=slopes, minlength=n + 1)[:n]
    energy = in_first + dt * np.cumsum(running)
    # powers that come and go leave rounding behind, which would be energy due while nobody is there
    return np.where(energy > NOTHING * energy.max(initial=0.0), energy, 0.0)


def ramp_level(times_hours: FloatArray, slopes: FloatArray, at_hours: FloatArray) -> FloatArray:
    """sum_i slope_i max(at - time_i, 0) at given times, by sorting: written to check `energy_between`."""
    order = np.argsort(times_hours)
    slope = np.concatenate([[0.0], np.cumsum(slopes[order])])
    moment = np.concatenate([[0.0], np.cumsum(slopes[order] * times_hours[order])])
    passed = np.searchsorted(times_hours[order], at_hours)
    return np.asarray(slope[passed] * at_hours - moment[passed], dtype=np.float64)

"""Charging sessions: read from a table or drawn for a fleet, as one row a session on the horizon's clock.

A session table has the columns

    session_id, fleet, arrival_hours, departure_hours, energy_kwh, max_kw

with hours of elapsed time since the start of the horizon. Sessions that reach beyond the horizon are kept as they are;
who charges them decides what to do with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.profiles.columns import MAX_FAULTS, position_of
from vpp_sim.profiles.model import FileProfile
from vpp_sim.profiles.read import is_parquet
from vpp_sim.profiles.series import ABSURD
from vpp_sim.profiles.text_file import cells_of, layout_of
from vpp_sim.profiles.times import short
from vpp_sim.time_grid import TimeGrid
from vpp_sim.units import HOURS_PER_DAY, SECONDS_PER_HOUR

COLUMNS = ("session_id", "fleet", "arrival_hours", "departure_hours", "energy_kwh", "max_kw")

#: Column names read as they are, best first. ACN-Data: Lee, Li, Low (2019), doi:10.1145/3307772.3328313.
ARRIVAL_NAMES = ("arrival", "connectionTime")
DEPARTURE_NAMES = ("departure", "disconnectTime")
ENERGY_NAMES = ("energy_kwh", "delivered_energy (kWh)", "kWhDelivered")

HOURS_PER_WEEK = 7 * HOURS_PER_DAY
#: A drawn session stays at least this much longer than its charger needs, so that it can be served.
LEAST_SLACK = 1.05


class ArrivalPeak(StrictModel):
    """One bump of the arrival distribution: a normal distribution around an hour of the day."""

    hour: float = quantity("middle of the arrivals", unit="h of the day", ge=0, lt=24)
    spread_hours: float = quantity("standard deviation of the arrivals", unit="h", default=1.0, ge=0, le=12)
    weight: float = quantity("weight among the peaks", default=1.0, gt=0)


class Fleet(StrictModel):
    """Sessions drawn from distributions, the same for the same seed and calendar day whatever the step or horizon."""

    name: str = quantity("name of the fleet", pattern=r"^[a-z][a-z0-9_]*$")
    sessions_per_day: float = quantity("mean number of sessions on a working day", unit="1/d", ge=0, le=100_000)
    count: Literal["poisson", "exact"] = quantity(
        "number per day random, or always the mean rounded", default="poisson"
    )
    weekend_factor: float = quantity("sessions on Saturday and Sunday relative to a working day", default=1.0, ge=0)
    arrival_peaks: tuple[ArrivalPeak, ...] = quantity("when they arrive", min_length=1)
    dwell_hours: float | None = quantity("mean time from arrival to departure", unit="h", default=None, gt=0, le=168)
    dwell_sigma: float = quantity("spread of the dwell (sigma of its logarithm)", default=0.5, ge=0, le=2)
    departure_hour: float | None = quantity(
        "departure at this hour next after arrival, instead of dwell_hours",
        unit="h of the day",
        default=None,
        ge=0,
        lt=24,
    )
    energy_kwh: float = quantity("mean energy of a session", unit="kWh", gt=0)
    energy_sigma: float = quantity("spread of the energy (sigma of its logarithm)", default=0.0, ge=0, le=2)
    charger_power_kw: float = quantity("largest power of one session", unit="kW", gt=0)
    seed: int = quantity("seed of the random numbers", default=1, ge=0)


class SessionFile(StrictModel):
    """A table of real sessions (CSV, gzipped CSV or Parquet); ACN-Data columns are read as they are."""

    path: str = quantity("file with arrival, departure and energy per session")
    charger_power_kw: float | None = quantity(
        "largest power of a session where the file has no max_kw", unit="kW", default=None, gt=0
    )
    repeat: bool = quantity(
        "repeat the file's whole weeks over the horizon by weekday and local hour, whatever their year", default=False
    )


def drawn_sessions(fleet: Fleet, grid: TimeGrid) -> pd.DataFrame:
    """Sessions of a fleet that arrive on the horizon; see the module for the columns.

    Every calendar day has a random stream of its own (seed, day), so a longer horizon or another step changes nothing.
    Energy is lognormal with the stated mean; a dwell too short for its energy is made LEAST_SLACK times what it needs.

    Raises:
        InputError: when neither or both of dwell_hours and departure_hour are given.
    """
    if (fleet.dwell_hours is None) == (fleet.departure_hour is None):
        raise InputError(Fault("give exactly one of dwell_hours and departure_hour", path=f"fleets.{fleet.name}"))
    return _drawn(fleet.model_dump_json(), grid).copy()


@lru_cache(maxsize=8)
def _drawn(fleet_json: str, grid: TimeGrid) -> pd.DataFrame:
    """`drawn_sessions`, once for the cases of a study that share a fleet: a year of cars takes 50 ms."""
    fleet = Fleet.model_validate_json(fleet_json)
    zone = ZoneInfo(grid.timezone)
    midnights = grid.local.normalize().unique()
    weights = np.array([peak.weight for peak in fleet.arrival_peaks])
    hours = np.array([peak.hour for peak in fleet.arrival_peaks])
    spreads = np.array([peak.spread_hours for peak in fleet.arrival_peaks])
    start = grid.index[0]
    parts: list[NDArray[np.float64]] = []
    for midnight in midnights:  # days, not steps
        random = np.random.default_rng([fleet.seed, midnight.toordinal()])
        expected = fleet.sessions_per_day * (fleet.weekend_factor if midnight.weekday() >= 5 else 1.0)
        number = int(random.poisson(expected)) if fleet.count == "poisson" else round(expected)
        peak = random.choice(weights.size, size=number, p=weights / weights.sum())
        arrival = np.mod(hours[peak] + spreads[peak] * random.standard_normal(number), HOURS_PER_DAY)
        energy = fleet.energy_kwh * _lognormal_of_mean_one(random, fleet.energy_sigma, number)
        if fleet.departure_hour is not None:
            dwell = np.mod(fleet.departure_hour - arrival, HOURS_PER_DAY)
        else:
            dwell = (fleet.dwell_hours or 0.0) * _lognormal_of_mean_one(random, fleet.dwell_sigma, number)
        dwell = np.maximum(dwell, LEAST_SLACK * energy / fleet.charger_power_kw)
        begin = pd.Timestamp(midnight.to_pydatetime().replace(tzinfo=zone))
        offset = (begin - start).total_seconds() / SECONDS_PER_HOUR
        parts.append(np.column_stack([offset + arrival, offset + arrival + dwell, energy]))
    rows = np.concatenate(parts) if parts else np.empty((0, 3))
    rows = rows[(rows[:, 0] >= 0) & (rows[:, 0] < grid.horizon_hours)]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return pd.DataFrame(
        {
            "session_id": [f"{fleet.name}-{number}" for number in range(len(rows))],
            "fleet": fleet.name,
            "arrival_hours": rows[:, 0],
            "departure_hours": rows[:, 1],
            "energy_kwh": rows[:, 2],
            "max_kw": fleet.charger_power_kw,
        }
    )


def _lognormal_of_mean_one(random: np.random.Generator, sigma: float, number: int) -> NDArray[np.float64]:
    return np.asarray(np.exp(sigma * random.standard_normal(number) - sigma**2 / 2))


def read_sessions(table: SessionFile, grid: TimeGrid, base_dir: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Sessions of a file that arrive on the horizon, and remarks on what was left out or mapped.

    Stamps with an offset are converted to the horizon's zone; stamps without one are local. With `repeat`, the local
    wall clock of the file counts, and week k of the horizon (from the Monday on or before its start) takes the file's
    whole week k modulo their number.

    Raises:
        InputError: for a missing file or column, unreadable stamps, departures before arrivals, negative energies, no
            power, or no session on the horizon; every faulty row is named (the first ten of a kind).
    """
    path = base_dir / table.path
    rows = _read_rows(path, table.path)
    arrival_name = rows.named(ARRIVAL_NAMES)
    departure_name = rows.named(DEPARTURE_NAMES)
    energy_name = rows.named(ENERGY_NAMES)
    if "max_kw" not in rows.frame and table.charger_power_kw is None:
        message = "no column max_kw; give charger_power_kw, the largest power of a session [kW]"
        raise InputError(Fault(message, file=table.path, path="max_kw"))

    arrival = _stamps(rows, grid, table, arrival_name)
    departure = _stamps(rows, grid, table, departure_name)
    energy = rows.numbers(energy_name)
    power = (
        rows.numbers("max_kw")
        if "max_kw" in rows.frame
        else np.full(len(arrival), float(table.charger_power_kw or 0.0))
    )
    after = "departure is not after arrival; a stay past midnight ends on the next day"
    rows.refuse(departure <= arrival, departure_name, after)
    rows.refuse(energy < 0, energy_name, "energy must be at least 0 kWh")
    rows.refuse(power <= 0, "max_kw", "power must be above 0 kW")
    if rows.faults:
        raise InputError(rows.faults)
    known = "session_id" in rows.frame
    ids = rows.frame["session_id"].astype(str) if known else pd.Series(range(len(arrival))).astype(str)
    sessions = pd.DataFrame(
        {
            "session_id": ids.to_numpy(),
            "fleet": path.name.split(".")[0],
            "arrival_hours": arrival,
            "departure_hours": departure,
            "energy_kwh": energy,
            "max_kw": power,
        }
    )
    notes: list[str] = []
    name = Path(table.path).name  # not its folder: a run folder has absolute paths, and must remark the same
    if doubled := int(sessions.duplicated().sum()):
        first = sessions["session_id"][sessions.duplicated()].iloc[0]
        notes.append(f"{name}: {doubled} sessions stand twice, the first is {first}; remove the copies")
    if table.repeat:
        sessions, weeks = _repeated(sessions, grid, table.path)
        notes.append(f"{name}: {weeks} whole weeks of sessions repeated over the horizon by weekday and hour")
    on_horizon = (sessions["arrival_hours"] >= 0) & (sessions["arrival_hours"] < grid.horizon_hours)
    if not on_horizon.any():
        message = "no session arrives on the horizon; repeat: true maps whole weeks onto it"
        raise InputError(Fault(message, file=table.path))
    outside = int((~on_horizon).sum())
    if outside:
        notes.append(f"{name}: {outside} of {len(sessions)} sessions arrive outside of the horizon and are left out")
    kept = sessions[on_horizon].sort_values("arrival_hours", kind="stable").reset_index(drop=True)
    return kept, tuple(notes)


@dataclass
class _Rows:
    """A table of sessions as its file has it: known columns, the line of each row (row of Parquet), and faults."""

    file: str
    names: Sequence[str]
    frame: pd.DataFrame
    lines: NDArray[np.int64]
    decimal_comma: bool = False
    faults: list[Fault] = field(default_factory=list)

    def named(self, wanted: tuple[str, ...]) -> str:
        """The column that has one of the names."""
        for name in wanted:
            if name in self.frame:
                return name
        guess = nearest(wanted[0], self.names)
        hint = f"; did you mean its column {guess}?" if guess else f"; the file has {', '.join(self.names[:12])}"
        message = f"missing column, needed under one of these names: {', '.join(wanted)}{hint}"
        raise InputError(Fault(message, file=self.file))

    def refuse(self, bad: NDArray[np.bool_], name: str, message: str) -> None:
        """A fault for each bad row, the first ten of them."""
        for row in np.flatnonzero(bad)[:MAX_FAULTS]:
            told = message.replace("{got}", short(str(self.frame[name].iloc[row])) if name in self.frame else "")
            self.faults.append(Fault(told, path=name, file=self.file, line=int(self.lines[row])))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as finite numbers, where it has no fault."""
        column = self.frame[name]
        if self.decimal_comma:
            column = column.astype(str).str.replace(",", ".")
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
        absurd = np.isfinite(values) & (np.abs(values) > ABSURD)
        self.refuse(~np.isfinite(values), name, "not a number, got '{got}'")
        self.refuse(absurd, name, f"must be at most {ABSURD:g}, got {{got}}")
        return np.where(np.isfinite(values) & ~absurd, values, 1.0)


def _read_rows(path: Path, shown: str) -> _Rows:
    import pyarrow as pa

    profile = FileProfile(path=shown, unit="kWh")
    known = ("session_id", "max_kw", *ARRIVAL_NAMES, *DEPARTURE_NAMES, *ENERGY_NAMES)
    try:
        if not path.is_file():
            raise InputError(Fault("no such file", file=shown))
        if path.stat().st_size == 0:
            raise InputError(Fault("the file is empty", file=shown))
        if is_parquet(profile, path):
            frame = pd.read_parquet(path)
            if frame.empty:
                raise InputError(Fault("has no rows", file=shown))
            frame.columns = pd.Index([str(name) for name in frame.columns])
            return _Rows(shown, list(frame.columns), frame, np.arange(1, len(frame) + 1, dtype=np.int64))
        layout = layout_of(profile, path)
        wanted = [position_of(profile, name, layout.names) for name in known if name in layout.names]
        columns, lines = cells_of(profile, path, layout, wanted) if wanted else ([], np.empty(0, dtype=np.int64))
    except (pa.ArrowException, ValueError, OSError) as error:
        raise InputError(Fault(f"cannot be read as a table: {str(error).splitlines()[0]}", file=shown)) from None
    frame = pd.DataFrame(
        {layout.names[position]: cells.to_pandas() for position, cells in zip(wanted, columns, strict=True)}
    )
    if wanted and frame.empty:
        raise InputError(Fault("has no rows", file=shown))
    return _Rows(shown, layout.names, frame, lines, decimal_comma=layout.delimiter != ",")


def _stamps(rows: _Rows, grid: TimeGrid, table: SessionFile, name: str) -> NDArray[np.float64]:
    """Hours since the horizon's start; with `repeat` on the file's own wall clock."""
    text = rows.frame[name].astype(str).str.strip()
    start = grid.index[0]
    has_offset = text.str.contains(r"\d(?:Z|[+-]\d\d(?::?\d\d)?)$", regex=True) & text.str.contains(":")
    differs = np.asarray(has_offset != has_offset.iloc[0], dtype=np.bool_)
    rows.refuse(
        differs,
        name,
        "'{got}' has an offset from UTC where others have none, or none where they have one; write all alike",
    )
    twice = np.zeros(len(text), dtype=np.bool_)
    if table.repeat:
        stamps = pd.to_datetime(text.str.slice(0, 19), errors="coerce", format="ISO8601")
        hours = (stamps - start.tz_localize(None)) / pd.Timedelta(hours=1)
    elif has_offset.iloc[0]:
        stamps = pd.to_datetime(text.where(~differs), errors="coerce", format="ISO8601", utc=True)
        hours = (stamps - start) / pd.Timedelta(hours=1)
    else:
        stamps = pd.to_datetime(text.where(~differs), errors="coerce", format="ISO8601")
        local = stamps.dt.tz_localize(grid.timezone, ambiguous="NaT", nonexistent="shift_forward")
        hours = (local - start) / pd.Timedelta(hours=1)
        twice = np.asarray(stamps.notna() & local.isna(), dtype=np.bool_)
    values: NDArray[np.float64] = np.asarray(hours, dtype=np.float64)
    bad = np.isnan(values) & ~differs
    rows.refuse(
        bad & twice,
        name,
        f"'{{got}}' happens twice in {grid.timezone} (clocks go back); write all times with "
        "their offset, like 2025-10-26 02:30:00+02:00",
    )
    rows.refuse(bad & ~twice, name, "not a date and time, got '{got}'; write it like 2025-03-01 08:15:00")
    return values


def _repeated(sessions: pd.DataFrame, grid: TimeGrid, file: str) -> tuple[pd.DataFrame, int]:
    """The whole weeks (Monday to Sunday) of the sessions, repeated from the Monday on or before the horizon's start."""
    start = grid.local[0]
    monday = (start.normalize() - pd.Timedelta(days=int(start.weekday())) - start).total_seconds() / SECONDS_PER_HOUR
    since_monday = sessions["arrival_hours"].to_numpy() - monday
    week = np.floor(since_monday / HOURS_PER_WEEK).astype(np.int64)
    # a first or last week that begins or ends inside the table is not whole
    first = int(week.min()) + (0 if since_monday.min() - week.min() * HOURS_PER_WEEK < HOURS_PER_DAY else 1)
    last = int(week.max()) - (0 if since_monday.max() - week.max() * HOURS_PER_WEEK >= 6 * HOURS_PER_DAY else 1)
    weeks = last - first + 1
    if weeks < 1:
        raise InputError(Fault("repeat: true needs at least one whole week, Monday to Sunday", file=file))
    whole = sessions[(week >= first) & (week <= last)]
    own_week = week[(week >= first) & (week <= last)] - first
    copies = []
    num_weeks = int(np.ceil((grid.horizon_hours - monday) / HOURS_PER_WEEK))
    for target in range(num_weeks):  # weeks, not steps
        chosen = own_week == target % weeks
        copy = whole[chosen].copy()
        shift = (target - (first + target % weeks)) * HOURS_PER_WEEK
        copy["arrival_hours"] += shift
        copy["departure_hours"] += shift
        copy["session_id"] = copy["session_id"] + f"@w{target}"
        copies.append(copy)
    return pd.concat(copies, ignore_index=True), weeks

"""Charging sessions: read from a table or drawn for a fleet, as one row a session on the horizon's clock.

A session table has the columns

    session_id, fleet, arrival_hours, departure_hours, energy_kwh, max_kw

with hours of elapsed time since the start of the horizon. Sessions that reach beyond the horizon are kept as they are;
who charges them decides what to do with the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.fields import StrictModel, quantity
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
    frame = _read_frame(path, table.path)
    names = [str(name) for name in frame.columns]
    arrival_name = _column(names, ARRIVAL_NAMES, table.path)
    departure_name = _column(names, DEPARTURE_NAMES, table.path)
    energy_name = _column(names, ENERGY_NAMES, table.path)
    if "max_kw" not in names and table.charger_power_kw is None:
        message = "no column max_kw; give charger_power_kw, the largest power of a session [kW]"
        raise InputError(Fault(message, file=table.path, path="max_kw"))

    faults: list[Fault] = []
    arrival = _stamps(frame[arrival_name], grid, table, arrival_name, faults)
    departure = _stamps(frame[departure_name], grid, table, departure_name, faults)
    energy = _numbers(frame[energy_name], table.path, energy_name, faults)
    power = (
        _numbers(frame["max_kw"], table.path, "max_kw", faults)
        if "max_kw" in names
        else np.full(len(frame), float(table.charger_power_kw or 0.0))
    )
    _refuse_rows(departure <= arrival, table.path, departure_name, "departure is not after arrival", faults)
    _refuse_rows(energy < 0, table.path, energy_name, "energy must be at least 0 kWh", faults)
    _refuse_rows(power <= 0, table.path, "max_kw", "power must be above 0 kW", faults)
    if faults:
        raise InputError(faults)
    ids = frame["session_id"].astype(str) if "session_id" in names else pd.Series(range(len(frame))).astype(str)
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
    if table.repeat:
        sessions, weeks = _repeated(sessions, grid, table.path)
        notes.append(f"{table.path}: {weeks} whole weeks of sessions repeated over the horizon by weekday and hour")
    on_horizon = (sessions["arrival_hours"] >= 0) & (sessions["arrival_hours"] < grid.horizon_hours)
    if not on_horizon.any():
        message = "no session arrives on the horizon; repeat: true maps whole weeks onto it"
        raise InputError(Fault(message, file=table.path))
    outside = int((~on_horizon).sum())
    if outside:
        notes.append(
            f"{table.path}: {outside} of {len(sessions)} sessions arrive outside of the horizon and are left out"
        )
    kept = sessions[on_horizon].sort_values("arrival_hours", kind="stable").reset_index(drop=True)
    return kept, tuple(notes)


def _read_frame(path: Path, shown: str) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(Fault("no such file", file=shown))
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, encoding="utf-8-sig")
    except (UnicodeDecodeError, ValueError, OSError) as error:
        message = f"cannot be read as a table: {str(error).splitlines()[0]}"
        raise InputError(Fault(message, file=shown)) from error
    if frame.empty:
        raise InputError(Fault("the table has no rows", file=shown))
    return frame


def _column(names: list[str], wanted: tuple[str, ...], file: str) -> str:
    for name in wanted:
        if name in names:
            return name
    guess = nearest(wanted[0], names)
    hint = f"; did you mean its column {guess}?" if guess else ""
    raise InputError(Fault(f"missing column, needed under one of these names: {', '.join(wanted)}{hint}", file=file))


def _stamps(
    column: pd.Series, grid: TimeGrid, table: SessionFile, name: str, faults: list[Fault]
) -> NDArray[np.float64]:
    """Hours since the horizon's start; with `repeat` on the file's own wall clock."""
    text = column.astype(str).str.strip()
    start = grid.index[0]
    if table.repeat:
        stamps = pd.to_datetime(text.str.slice(0, 19), errors="coerce", format="ISO8601")
        hours = (stamps - start.tz_localize(None)).dt.total_seconds() / SECONDS_PER_HOUR
    elif text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True).all():
        stamps = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
        hours = (stamps - start).dt.total_seconds() / SECONDS_PER_HOUR
    else:
        naive = pd.to_datetime(text, errors="coerce", format="ISO8601")
        local = naive.dt.tz_localize(grid.timezone, ambiguous="NaT", nonexistent="shift_forward")
        hours = (local - start).dt.total_seconds() / SECONDS_PER_HOUR
    values: NDArray[np.float64] = np.asarray(hours, dtype=np.float64)
    bad = np.flatnonzero(np.isnan(values))
    for row in bad[:10]:
        message = f"not a date and time, got {text.iloc[row]!r}; write it like 2025-03-01 08:15:00"
        faults.append(Fault(message, path=name, file=table.path, line=int(row) + 2))
    return values


def _numbers(column: pd.Series, file: str, name: str, faults: list[Fault]) -> NDArray[np.float64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    for row in np.flatnonzero(~np.isfinite(values))[:10]:
        faults.append(Fault(f"not a number, got {column.iloc[row]!r}", path=name, file=file, line=int(row) + 2))
    return values


def _refuse_rows(bad: NDArray[np.bool_], file: str, name: str, message: str, faults: list[Fault]) -> None:
    for row in np.flatnonzero(bad)[:10]:
        faults.append(Fault(message, path=name, file=file, line=int(row) + 2))


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

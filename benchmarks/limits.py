"""How large a scenario may be: time and memory of runs far above the usual, each as a whole command from a file.

    python -m benchmarks.limits                            # all of them, minutes
    python -m benchmarks.limits components --share 0.08    # a month
    python -m benchmarks.limits --share 0.02               # all of them, small

    components   a year of 5-minute steps (105,120) with 50 components
    cars         a year of 1,000 cars, each with a session of its own every day, from a table of 365,000 sessions
    long_csv     a load read from a file of 200 MB: ten years at one minute, of which one is wanted
    wide_csv     a load read from a file of 200 MB: a year at 5 minutes, one of 200 columns

A line says what ran, its steps, wall and processor time, peak memory and the size of the result folder. Exits with 1
where a run fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import measured

Scenario = dict[str, Any]
START = "2025-01-01"


def site(days: int, step_minutes: int, components: Scenario) -> Scenario:
    """A site in Xining with these components."""
    return {
        "name": "limits",
        "currency": "CNY",
        "horizon": {"start": START, "days": days, "step_minutes": step_minutes, "timezone": "Asia/Shanghai"},
        "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261},
        "weather": {"source": "climate", "climate": "xining", "seed": 1},
        "tariff": "qinghai_two_part_2026_03",
        "components": components,
    }


def days_of(share: float) -> int:
    return max(1, round(365 * share))


def components(folder: Path, share: float) -> Scenario:
    """Roofs in many directions, batteries, work that waits, loads, one grid: 50 components in all."""
    parts: Scenario = {"grid": {"kind": "grid", "import_limit_kw": 20000}}
    for number in range(20):
        direction = {"tilt_deg": 10 + number, "azimuth_deg": 90 + 9 * number}
        parts[f"roof{number}"] = {"kind": "pv", "capacity_kw": 100 + 10 * number, **direction}
    for number in range(4):
        store = {"power_kw": 200, "energy_kwh": 400 + 100 * number, "wear_cost_per_kwh": 0.02 + 0.01 * number}
        parts[f"battery{number}"] = {"kind": "battery", **store}
    for number in range(2):
        jobs = {"name": "jobs", "arrivals_kw": {"generator": "job_arrivals", "mean": 50, "seed": number}}
        parts[f"hall{number}"] = {
            "kind": "data_centre",
            "racks": 200,
            "pue": {"model": "plateau"},
            "classes": [{**jobs, "max_delay_hours": 12}],
        }
    for number in range(23):
        parts[f"load{number}"] = {"kind": "load", "profile": {"generator": "office_park", "peak": 50, "seed": number}}
    return site(days_of(share), 5, parts)


def cars(folder: Path, share: float) -> Scenario:
    """A table of sessions: every car comes once a day, at its own hour, for some hours."""
    days, count = days_of(share), max(20, round(1000 * min(1.0, 5 * share)))
    random = np.random.default_rng(1)
    day = np.repeat(np.arange(days), count)
    arrival = day * 1440 + np.clip(random.normal(9.0, 3.0, day.size), 0, 22) * 60
    stay = np.clip(random.normal(6.0, 2.0, day.size), 1.0, 14.0) * 60
    energy = np.clip(random.normal(20.0, 6.0, day.size), 4.0, 6.6 * stay / 60)
    start = np.datetime64(START, "m")
    begin, end = (start + np.round(minutes).astype("timedelta64[m]") for minutes in (arrival, arrival + stay))
    with (folder / "sessions.csv").open("w") as file:
        file.write("session_id,arrival,departure,energy_kwh,max_kw\n")
        for number, (first, last, kwh) in enumerate(zip(begin, end, energy, strict=True)):
            file.write(f"s{number},{str(first).replace('T', ' ')},{str(last).replace('T', ' ')},{kwh:.2f},7\n")
    return site(
        days,
        15,
        {
            "grid": {"kind": "grid", "import_limit_kw": 20000},
            "pv": {"kind": "pv", "capacity_kw": 2000},
            "battery": {"kind": "battery", "power_kw": 500, "energy_kwh": 1000, "wear_cost_per_kwh": 0.05},
            "park": {"kind": "load", "profile": {"generator": "office_park", "peak": 800}},
            "cars": {"kind": "ev_station", "power_kw": 3000, "sessions": {"path": "sessions.csv"}},
        },
    )


def _profile_site(days: int, step_minutes: int) -> Scenario:
    return site(
        days,
        step_minutes,
        {
            "grid": {"kind": "grid", "import_limit_kw": 20000},
            "battery": {"kind": "battery", "power_kw": 500, "energy_kwh": 1000},
            "load": {"kind": "load", "profile": {"path": "load.csv", "column": "power", "unit": "kW"}},
        },
    )


def _write_csv(path: Path, days: int, seconds: int, columns: int) -> None:
    """Rows of a time and `columns` values, of which the first is called power; written a day at a time."""
    start = np.datetime64(START, "s")
    per_day = 86400 // seconds
    value = "," + ",".join(["%.2f"] * columns)
    with path.open("w") as file:
        file.write("time,power" + "".join(f",c{number}" for number in range(1, columns)) + "\n")
        for day in range(days):
            at = start + np.arange(day * per_day, (day + 1) * per_day) * np.timedelta64(seconds, "s")
            power = 500 + 300 * np.sin(np.arange(per_day) / per_day * 2 * np.pi)
            for time, kw in zip(np.datetime_as_string(at, unit="s"), power, strict=True):
                file.write(time.replace("T", " ") + value % tuple([kw] * columns) + "\n")


def long_csv(folder: Path, share: float) -> Scenario:
    """Five million rows of two columns."""
    days = days_of(share)
    _write_csv(folder / "load.csv", 10 * days, 60, 2)
    return _profile_site(days, 60)


def wide_csv(folder: Path, share: float) -> Scenario:
    """A hundred thousand rows of many columns, of which one is wanted."""
    days = days_of(share)
    _write_csv(folder / "load.csv", days, 300, 270)
    return _profile_site(days, 60)


CASES: dict[str, Callable[[Path, float], Scenario]] = {
    "components": components,
    "cars": cars,
    "long_csv": long_csv,
    "wide_csv": wide_csv,
}


def run(name: str, share: float, folder: Path, *, page: bool = True) -> dict[str, Any]:
    """One case as a command, and what it took."""
    scenario = folder / "scenario.json"
    scenario.write_text(json.dumps(CASES[name](folder, share)))
    files = sum(path.stat().st_size for path in folder.iterdir())
    command = [sys.executable, "-m", "vpp_sim", "run", str(scenario), "--out", str(folder / "out"), "--format", "json"]
    found = measured(command if page else [*command, "--no-page"])
    result: dict[str, Any] = {
        "case": name,
        "input_mb": files / 1e6,
        "wall_seconds": found.wall_seconds,
        "cpu_seconds": found.cpu_seconds,
        "peak_memory_mb": found.peak_memory_mb,
    }
    if found.returncode:
        return result | {"error": found.last_error}
    record = json.loads((folder / "out" / "run.json").read_text())
    summary = json.loads((folder / "out" / "summary.json").read_text())
    return result | {
        "steps": summary["horizon"]["steps"],
        "solver": record["solver"]["name"],
        "columns": record["solver"]["num_columns"],
        "timings": record["timings"],
        "output_mb": sum(path.stat().st_size for path in (folder / "out").iterdir()) / 1e6,
    }


def main() -> int:
    """Run the cases asked for, each in a folder of its own that is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which: {', '.join(CASES)} [all]")
    parser.add_argument("--share", type=float, default=1.0, help="share of the year [1]")
    parser.add_argument("--no-page", action="store_true", help="leave report.html out")
    asked = parser.parse_args()
    if unknown := set(asked.cases) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}; one of {', '.join(CASES)}")
    print(f"{'case':<12}{'input MB':>9}{'steps':>9}{'columns':>11}{'wall s':>9}{'cpu s':>8}{'peak MB':>9}{'out MB':>8}")
    failed = False
    for name in asked.cases or CASES:
        with tempfile.TemporaryDirectory() as folder:
            result = run(name, asked.share, Path(folder), page=not asked.no_page)
        sizes = f"{name:<12}{result['input_mb']:>9.1f}"
        took = f"{result['wall_seconds']:>9.1f}{result['cpu_seconds']:>8.1f}{result['peak_memory_mb']:>9.0f}"
        if "error" in result:
            failed = True
            print(f"{sizes}{'':>20}{took}  {result['error']}", flush=True)
            continue
        phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in result["timings"].items())
        print(
            f"{sizes}{result['steps']:>9,}{result['columns']:>11,}{took}{result['output_mb']:>8.1f}  "
            f"{result['solver']}: {phases}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

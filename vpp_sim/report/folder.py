"""The result folder of a run: written whole or not at all, read back, and verified from the files alone.

    summary.json         KPIs with unit and definition, sizes, checks
    timeseries.parquet   every series of the optimal dispatch, index `time`; baseline.parquet likewise, uncontrolled
    bill.csv             one row per billing month and line; baseline_bill.csv likewise
    *.sessions.parquet   what every charging session got
    scenario.yaml        the scenario as resolved: enough to run it again
    run.json             versions, command, solver, timings, memory, digests of inputs and of every file above
    report.html          the page

`run.json` seals the folder: it holds the SHA-256 of every other file and of itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vpp_sim.components.base import Check, Kpi
from vpp_sim.dispatch import Dispatch, SolveRecord
from vpp_sim.dispatch.baseline import baseline_scenario
from vpp_sim.dispatch.result import OneWay, TieBreak
from vpp_sim.errors import InputError
from vpp_sim.kpi import Simulation, Summary, summarize
from vpp_sim.kpi.billing import bills_on_every_basis
from vpp_sim.kpi.policy import RuleOutcome
from vpp_sim.kpi.targets import TargetOutcome
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.whole_files import reason, whole_folder

if TYPE_CHECKING:
    import pandas as pd

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"
SCENARIO_FILE = "scenario.yaml"
PAGE_FILE = "report.html"
#: Status in the `run.json` of a run that has no result.
INFEASIBLE = "infeasible"
SERIES_FILES = {"optimal": "timeseries.parquet", "baseline": "baseline.parquet"}
BILL_FILES = {"optimal": "bill.csv", "baseline": "baseline_bill.csv"}
TABLE_PREFIX = {"optimal": "", "baseline": "baseline."}

PageMaker = Callable[[Simulation], str]


def write_folder(
    simulation: Simulation,
    folder: Path,
    *,
    command: str = "",
    page: PageMaker | None = None,
    files: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
    """Write a run, and further `files` of a study, to `folder`; returns what `run.json` holds.

    An earlier run folder of the same name is replaced once the new one is whole.

    Raises:
        InputError: the folder exists and is not a run folder, or cannot be written (no space, no permission).
    """
    check_place(folder)
    try:
        with whole_folder(folder) as made:
            return _write_files(simulation, made, command, page, files or {})
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {reason(error)}; nothing was left behind") from error


def check_place(folder: Path, holds: str = RUN_FILE, what: str = "run") -> None:
    """Refuse a place for results that holds something else, or that cannot be written to.

    Commands ask before they compute, so that nothing is computed in vain.

    Raises:
        InputError: the folder exists and is not the result of an earlier run (study), or it is read-only.
    """
    folder = folder.absolute()
    try:
        if folder.exists() and not (folder / holds).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder}: exists and is not the result of an earlier {what}; choose another --out")
        above = next(parent for parent in folder.parents if parent.exists())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {reason(error)}") from error
    if not above.is_dir():
        raise InputError(f"{folder}: cannot be written: {above} is a file; choose another --out")
    for place in (above, folder):
        if place.exists() and not os.access(place, os.W_OK | os.X_OK):
            raise InputError(f"{folder}: cannot be written: {place} is read-only; choose another --out")


@contextmanager
def amended(folder: Path) -> Iterator[Path]:
    """A copy of a run folder to change; sealed again, it takes the folder's place at the end of the block.

    Raises:
        InputError: the folder is not that of a run, or cannot be written.
    """
    document = read_run_document(folder)
    check_place(folder)
    try:
        with whole_folder(folder) as made:
            for path in folder.iterdir():
                shutil.copy(path, made / path.name)
            yield made
            seal(made, document)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {reason(error)}; it is as it was") from error


def _write_files(
    simulation: Simulation, folder: Path, command: str, page: PageMaker | None, files: Mapping[str, bytes]
) -> dict[str, Any]:
    started = time.perf_counter()
    scenario = simulation.scenario
    for which, result, summary in both(simulation):
        _write_parquet(result.frame(), folder / SERIES_FILES[which])
        summary.bill.lines.to_csv(folder / BILL_FILES[which], index=False, lineterminator="\n")
        for name, table in result.tables.items():
            _write_parquet(table, folder / f"{TABLE_PREFIX[which]}{name}.parquet")
    write_json(folder / SUMMARY_FILE, summary_document(simulation))
    write_scenario(scenario, folder / SCENARIO_FILE)
    written = time.perf_counter()
    if page is not None:
        (folder / PAGE_FILE).write_text(page(simulation), encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    timings = {**simulation.timings, "write": written - started, "report": time.perf_counter() - written}
    record = _run_document(simulation, command, timings)
    seal(folder, record)
    return record


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Dictionaries for words only: of numbers, which seldom repeat, they double the time and the size grows."""
    words = [str(name) for name in table.columns if table[name].dtype.kind not in "biuf"]
    table.to_parquet(path, compression="zstd", use_dictionary=words or False)


def both(simulation: Simulation) -> list[tuple[str, Dispatch, Summary]]:
    """The run with control and the one without, by the names they have in files."""
    if simulation.summary.baseline is None:
        raise ValueError("a run folder needs the summary of the baseline")
    return [
        ("optimal", simulation.optimal, simulation.summary),
        ("baseline", simulation.baseline, simulation.summary.baseline),
    ]


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON as people and programs read it; a number that is no number becomes null."""
    path.write_text(json.dumps(finite(document), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def finite(value: Any) -> Any:
    """A document in which every number that is no number is None, as JSON wants it."""
    if isinstance(value, Mapping):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _kpi(kpi: Kpi) -> dict[str, Any]:
    return {"value": kpi.value, "unit": kpi.unit, "definition": kpi.definition}


def _check(check: Check) -> dict[str, Any]:
    return {"passed": check.passed, "worst": check.worst, "tolerance": check.tolerance, "detail": check.detail}


def _target(outcome: TargetOutcome) -> dict[str, Any]:
    target = outcome.target
    return {
        "measure": target.measure,
        target.meaning.bound: target.bound,
        "unit": target.meaning.unit,
        "achieved": outcome.achieved,
        "by_ledger": outcome.by_ledger,
        "met": outcome.is_met,
        "shortfall": outcome.shortfall,
        "shortfall_unit": target.meaning.shortfall_unit,
        "times": list(outcome.times),
        "price": target.price,
        "penalty": outcome.penalty,
        "shadow_price": outcome.shadow_price,
        "shadow_price_per": outcome.shadow_unit,
        "rule": target.rule,
        "year": target.year,
        "cost": _known(outcome.cost),
    }


def _known(value: float) -> float | None:
    """A number, or None where there is none."""
    return None if np.isnan(value) else float(value)


def rule_document(outcome: RuleOutcome) -> dict[str, Any]:
    """One rule of `summary.json`, and of `vpp-sim policy`."""
    rule = outcome.rule
    return {
        "title": rule.title,
        "document": outcome.document.document,
        "standing": rule.standing,
        "kpi": rule.kpi,
        "year": outcome.year,
        rule.bound: _known(outcome.threshold),
        "unit": rule.unit,
        "value": _known(outcome.value),
        "margin": _known(outcome.margin),
        "verdict": outcome.verdict,
        "with_certificates": _known(outcome.with_certificates),
        "verdict_with_certificates": outcome.verdict_with_certificates,
        "reason": outcome.reason,
        "remarks": list(outcome.remarks),
        "definition": rule.definition,
        "source": rule.source,
        "certainty": rule.certainty,
    }


def summary_document(simulation: Simulation) -> dict[str, Any]:
    """What `summary.json` holds."""
    result, summary = simulation.optimal, simulation.summary
    grid = result.grid
    checks = {check.name: _check(check) for check in summary.checks}
    return {
        "scenario": result.scenario.name,
        "status": result.solver.status,
        "objective": result.objective,
        "currency": result.scenario.currency,
        "solver": _solver_document(result.solver),
        "horizon": {
            "start": grid.index[0].isoformat(),
            "steps": grid.num_steps,
            "step_minutes": grid.step_minutes,
            "timezone": grid.timezone,
        },
        "kpis": {name: _kpi(kpi) for name, kpi in summary.kpis.items()},
        "components": {
            part: {name: _kpi(kpi) for name, kpi in kpis.items()} for part, kpis in summary.components.items()
        },
        "sizes": dict(result.sizes),
        "targets": {name: _target(outcome) for name, outcome in summary.targets.items()},
        "policy": {outcome.id: rule_document(outcome) for outcome in summary.rules},
        "billing": _billing(simulation),
        "checks": {"passed": summary.passed, **checks},
    }


def _billing(simulation: Simulation) -> list[dict[str, Any]]:
    """The meter of the optimal run on every basis that the tariff offers, the one in use first."""
    accounts = simulation.summary.accounts
    bills = [] if accounts is None else bills_on_every_basis(simulation.optimal, accounts)
    return [finite(asdict(entry)) for entry in bills]


def _solver_document(record: SolveRecord) -> dict[str, Any]:
    return {**asdict(record), "notes": list(record.notes)}


def _run_document(simulation: Simulation, command: str, timings: Mapping[str, float]) -> dict[str, Any]:
    return {
        **origin_document(simulation.scenario, command),
        "solver": _solver_document(simulation.optimal.solver),
        "baseline_solver": _solver_document(simulation.baseline.solver),
        "objective": {"optimal": simulation.optimal.objective, "baseline": simulation.baseline.objective},
        "sizes": dict(simulation.optimal.sizes),
        "target_duals": dict(simulation.optimal.target_duals),
        "plan_cost": simulation.optimal.plan_cost,
        "ties": None if simulation.optimal.ties is None else asdict(simulation.optimal.ties),
        "exact": None if simulation.optimal.exact is None else asdict(simulation.optimal.exact),
        "cost_without": dict(simulation.optimal.cost_without),
        "globals": {
            which: {name: array.tolist() for name, array in result.globals_.items()}
            for which, result, _ in both(simulation)
        },
        "notes": list(simulation.optimal.notes),
        "timings": dict(timings),
        "peak_memory_mb": peak_memory_mb(),
    }


def origin_document(scenario: Scenario, command: str) -> dict[str, Any]:
    """What a run is made from: command, versions, digests of the scenario and of every file it reads."""
    from importlib.metadata import version

    packages = ("vpp-sim", "numpy", "scipy", "pandas", "pyarrow", "pvlib", "highspy", "pulp", "pydantic", "matplotlib")
    return {
        "command": command,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "scenario_digest": scenario.digest(),
        "inputs": {str(path.resolve()): file_digest(path) for path in scenario.files()},
    }


def peak_memory_mb() -> float | None:
    """Largest resident memory of this process so far [MB]; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(folder: Path, record: dict[str, Any]) -> None:
    """Write `run.json` with the digests of all other files and of itself."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != RUN_FILE)
    record["files"] = {path.name: file_digest(path) for path in files}
    record.pop("seal", None)
    record["seal"] = seal_of(record)
    write_json(folder / RUN_FILE, record)


def seal_of(record: Mapping[str, Any]) -> str:
    """The digest of a record without its seal."""
    unsealed = {key: value for key, value in record.items() if key != "seal"}
    text = json.dumps(finite(unsealed), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_scenario(scenario: Scenario, path: Path) -> None:
    """Write a scenario as resolved, as YAML that can be run again."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = True
    yaml.width = 120
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(scenario.to_mapping(), stream)


def read_run_document(folder: Path) -> dict[str, Any]:
    """What `run.json` of a run folder holds.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = folder / RUN_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); is this the folder of a run?") from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON: {error}") from error
    if isinstance(document, dict) and document.get("status") == INFEASIBLE:
        first = str(document.get("explanation", "")).partition("\n")[0]
        raise InputError(f"{folder}: this run has no result, for its site cannot be run: {first}")
    if not isinstance(document, dict) or not {"solver", "objective", "globals", "sizes"} <= document.keys():
        raise InputError(f"{path}: is not the record of a run")
    return document


def read_folder(folder: Path) -> Simulation:
    """A run from its files alone; every KPI, the bill and all checks are computed anew.

    Raises:
        InputError: a file is missing or cannot be read, or the files do not belong together.
    """
    document = read_run_document(folder)
    scenario = load_scenario(folder / SCENARIO_FILE, check_files=False)
    try:
        optimal = _read_dispatch(folder, "optimal", scenario, document)
        baseline = _read_dispatch(folder, "baseline", baseline_scenario(scenario, document["sizes"]), document)
        summary = summarize(optimal, baseline)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        # a series, table or entry that the components of the scenario have is absent or of another form
        raise InputError(f"{folder}: its files do not belong together: {type(error).__name__}: {error}") from error
    return Simulation(optimal, baseline, summary, document.get("timings", {}))


def _read_dispatch(folder: Path, which: str, scenario: Scenario, document: Mapping[str, Any]) -> Dispatch:
    frame = _read_parquet(folder / SERIES_FILES[which])
    if len(frame) != scenario.grid.num_steps or not frame.index.equals(scenario.grid.index):
        raise InputError(f"{folder / SERIES_FILES[which]}: its times are not those of scenario.yaml")
    tables = {}
    prefix = TABLE_PREFIX[which]
    for path in sorted(folder.glob(f"{prefix}*.parquet")):
        name = path.name.removeprefix(prefix).removesuffix(".parquet")
        if name.split(".")[0] in scenario.components and path.name not in SERIES_FILES.values():
            tables[name] = _read_parquet(path)
    solver = document["solver" if which == "optimal" else "baseline_solver"]
    solver = {**solver, "notes": tuple(solver["notes"])}
    nan = {key: np.nan for key in ("gap", "primal_residual", "dual_residual") if solver.get(key) is None}
    return Dispatch(
        scenario=scenario,
        series={str(name): frame[name].to_numpy() for name in frame.columns},
        globals_={name: np.asarray(values) for name, values in document["globals"][which].items()},
        sizes=document["sizes"] if which == "optimal" else {},
        tables=tables,
        objective=document["objective"][which],
        solver=SolveRecord(**{**solver, **nan}),
        notes=tuple(document.get("notes", ())),
        target_duals=document.get("target_duals", {}) if which == "optimal" else {},
        plan_cost=document.get("plan_cost") if which == "optimal" else None,
        cost_without=document.get("cost_without", {}) if which == "optimal" else {},
        ties=TieBreak(**document["ties"]) if which == "optimal" and document.get("ties") else None,
        exact=OneWay(**document["exact"]) if which == "optimal" and document.get("exact") else None,
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


def refresh_page(folder: Path, page: PageMaker) -> Path:
    """Make the page of a run folder anew from its files; returns its path."""
    text = page(read_folder(folder))
    with amended(folder) as made:
        (made / PAGE_FILE).write_text(text, encoding="utf-8")
    return folder / PAGE_FILE

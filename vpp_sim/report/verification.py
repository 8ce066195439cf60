"""Verifies the folder of a run: what its files say is computed again from the series, and compared.

What holds without solving: the digests; every KPI, bill line and verdict follows from the series; the series are those
of the scenario, are a point of its linear program at the cost that is written, and stand the replay of every component;
what components read from outside, series and tables, is what the scenario reads now; the page is the page of these
files (drawn by the same versions).

What needs a solve (`solve_again`): that the plan is the best one, marginal prices, what rules cost.

What cannot be seen, once all digests are made right again: the command, times, memory, iterations and versions in
`run.json`; a number of the scenario on which nothing depends; a page that was left out; tables of studies put into
the folder (`proforma.csv`, `curve.csv`, `marginal_values.csv`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Set
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vpp_sim.components.base import Check, Inputs
from vpp_sim.dispatch import Dispatch, build_program
from vpp_sim.dispatch.shortfalls import TABLE as SHORTFALLS
from vpp_sim.dispatch.shortfalls import with_shortfalls
from vpp_sim.errors import InputError, VppSimError
from vpp_sim.kpi import Simulation, Summary, simulate
from vpp_sim.lp import LinearProgram
from vpp_sim.lp.certificate import certify
from vpp_sim.report.folder import (
    BILL_FILES,
    PAGE_FILE,
    RUN_FILE,
    SUMMARY_FILE,
    PageMaker,
    both,
    file_digest,
    finite,
    read_folder,
    read_run_document,
    seal_of,
    summary_document,
)

if TYPE_CHECKING:
    import pandas as pd

#: Sections of summary.json that are computed again and compared.
SECTIONS = (
    "kpis",
    "components",
    "sizes",
    "targets",
    "policy",
    "billing",
    "solver",
    "horizon",
    "scenario",
    "status",
    "objective",
    "currency",
)
#: Deviations of two computations of one check may differ by their rounding.
ROUNDING = 1e-9
#: Energies of single sessions follow from series with the rounding of sums over many steps.
TABLES = 1e-6
#: Series that no component has: they come from the solution, not from inputs or variables.
OF_THE_SOLUTION = {"bus.marginal_price_per_kwh"}


def verify_folder(folder: Path, *, page: PageMaker | None = None, solve_again: bool = False) -> list[Check]:
    """Everything that can be said about a run folder from its files; all passed when nothing was altered.

    `page` makes the page that is compared with the one in the folder.

    Raises:
        InputError: the folder is not that of a run: there is no run.json that can be read.
    """
    document = read_run_document(folder)
    checks = [_said("run.json is as it was sealed", document.get("seal") == seal_of(document))]
    files = document.get("files", {})
    for name, digest in files.items():
        path = folder / name
        checks.append(_said(f"{name} is as it was written", path.is_file() and file_digest(path) == digest))
    added = [path.name for path in folder.iterdir() if path.name not in {*files, RUN_FILE} and path.name[0] != "."]
    checks.append(_said("no file was added", not added, ", ".join(sorted(added))))
    try:
        simulation, written = read_folder(folder), _read_summary(folder)
    except InputError as error:
        return [*checks, _said("the files can be read as a run", False, str(error))]
    scenario = simulation.scenario
    checks.append(_said("scenario.yaml is the scenario that ran", scenario.digest() == document["scenario_digest"]))
    afresh = summary_document(simulation)
    checks.append(_said("summary.json has the sections of a run", afresh.keys() == written.keys()))
    for section in SECTIONS:
        matched = _same(finite(afresh[section]), written.get(section))
        checks.append(_said(f"summary.json: {section} follow from the series", matched))
    checks += _verdict_checks(simulation, written.get("checks"))
    for which, _, summary in both(simulation):
        checks.append(_bill_check(folder / BILL_FILES[which], summary))
    checks += _outputs_checks(simulation)
    checks += _inputs_checks(simulation, document)
    if page is not None and (folder / PAGE_FILE).is_file():
        checks += _page_checks(simulation, folder, document, page)
    if solve_again:
        checks += _solved_again(simulation)
    return checks + list(simulation.summary.checks)


def unread_inputs(folder: Path) -> list[str]:
    """Files that the run read and that are no longer there as they were: what was read cannot be compared."""
    unread = []
    for path, digest in read_run_document(folder).get("inputs", {}).items():
        with contextlib.suppress(OSError):
            if file_digest(Path(path)) == digest:
                continue
        unread.append(path)
    return unread


def _said(name: str, true: bool, detail: str = "") -> Check:
    return Check(name, 0.0 if true else np.inf, detail=detail)


def _read_summary(folder: Path) -> dict[str, Any]:
    try:
        written = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / SUMMARY_FILE}: cannot be read: {error}") from error
    return written if isinstance(written, dict) else {}


def _same(afresh: Any, written: Any) -> bool:
    """Whether two plain documents agree, numbers to 1e-9 relative."""
    if isinstance(afresh, Mapping):
        return (
            isinstance(written, Mapping)
            and afresh.keys() == written.keys()
            and all(_same(value, written[key]) for key, value in afresh.items())
        )
    if isinstance(afresh, list):
        return isinstance(written, list) and len(afresh) == len(written) and all(map(_same, afresh, written))
    if isinstance(afresh, float) and isinstance(written, int | float):
        return bool(abs(afresh - written) <= 1e-9 * max(1.0, abs(afresh)))
    return bool(afresh == written)


def _verdict_checks(simulation: Simulation, written: Any) -> list[Check]:
    """Verdicts, tolerances and deviations of the written checks; where a deviation was worst may differ elsewhere."""
    now = {check.name: check for check in simulation.summary.checks}
    entries = {name: entry for name, entry in written.items() if name != "passed"} if isinstance(written, dict) else {}
    complete = isinstance(written, dict) and written.get("passed") is simulation.summary.passed
    alike = (
        complete and entries.keys() == now.keys() and all(_alike(now[name], entry) for name, entry in entries.items())
    )
    return [_said("summary.json: verdicts of the checks are those of now", alike)]


def _alike(now: Check, entry: Any) -> bool:
    if not isinstance(entry, Mapping) or entry.get("passed") is not now.passed:
        return False
    worst, tolerance = entry.get("worst"), entry.get("tolerance")
    if tolerance != now.tolerance:
        return False
    if worst is None:  # no number in JSON
        return not np.isfinite(now.worst)
    return isinstance(worst, int | float) and abs(worst - now.worst) <= ROUNDING + 1e-6 * abs(now.worst)


def _bill_check(path: Path, summary: Summary) -> Check:
    import pandas as pd

    name = f"{path.name} follows from the meter"
    try:
        written = pd.read_csv(path)
    except (OSError, ValueError) as error:
        return _said(name, False, str(error).splitlines()[0])
    lines = summary.bill.lines
    if list(written.columns) != list(lines.columns) or len(written) != len(lines):
        return _said(name, False, "other columns or another number of lines")
    for column in lines.columns:
        ours, theirs = lines[column], written[column]
        if pd.api.types.is_numeric_dtype(ours):
            if not pd.api.types.is_numeric_dtype(theirs):
                return _said(name, False, f"column {column} is not numeric")
            if not np.allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-9, atol=1e-9, equal_nan=True):
                return _said(name, False, f"column {column}")
        elif list(ours.fillna("").astype(str)) != list(theirs.fillna("").astype(str)):
            return _said(name, False, f"column {column}")
    return _said(name, True)


def _outputs_checks(simulation: Simulation) -> list[Check]:
    """Series that follow from others, and what plans come to when they are carried out, computed again."""
    checks = []
    for which, result, _ in both(simulation):
        for name, component in result.scenario.components.items():
            values = result.values(name)
            same = all(
                np.allclose(array, values.series.get(key, np.nan), rtol=1e-9, atol=1e-9)
                for key, array in component.outputs(values).items()
            )
            checks.append(_said(f"{name}: its derived series follow from the others ({which} run)", same))
            if values.tables:
                short = with_shortfalls(result).values(name).tables.get(SHORTFALLS)
                carried_out = component.settle(values, final=True).tables
                same = _same_table(short, values.tables.get(SHORTFALLS)) and all(
                    _same_table(table, values.tables.get(key)) for key, table in carried_out.items()
                )
                checks.append(_said(f"{name}: its tables are what the plan comes to ({which} run)", same))
    return checks


def _inputs_checks(simulation: Simulation, document: Mapping[str, Any]) -> list[Check]:
    """What components read from outside, read again for both runs, and both as points of their linear programs.

    Only where every file is there and the same.
    """
    for path, digest in document.get("inputs", {}).items():
        with contextlib.suppress(OSError):
            if file_digest(Path(path)) == digest:
                continue
        return []
    checks, notes = [], set(simulation.scenario.notes)
    for which, result, _ in both(simulation):
        try:
            read = result.scenario.read_inputs()
            program_checks = _program_checks(which, result, read)
        except (VppSimError, KeyError, ValueError) as error:
            checks.append(_said(f"the scenario can be read again ({which} run)", False, str(error)))
            continue
        for name, inputs in read.items():
            notes |= {f"{name}: {note}" for note in inputs.notes} if which == "optimal" else set()
            same = _same_inputs(name, inputs, result)
            checks.append(_said(f"{name}: its inputs are those of the scenario ({which} run)", same))
        checks += program_checks
    notes |= set(simulation.scenario.weather_notes)
    checks.append(_said("run.json: every remark on the inputs is there", notes <= set(simulation.optimal.notes)))
    return checks


def _same_inputs(name: str, inputs: Inputs, result: Dispatch) -> bool:
    """Whether the series and tables that a component reads now are in a result; tables may have more columns."""
    values = result.values(name)
    for key, array in inputs.series.items():
        if key not in values.series or not np.allclose(array, values.series[key], rtol=1e-9, atol=1e-9):
            return False
    return all(_same_table(table, values.tables.get(key)) for key, table in inputs.tables.items())


def _same_table(ours: pd.DataFrame | None, written: pd.DataFrame | None) -> bool:
    """Whether a table has all rows and columns of ours; it may have more columns. None is no table."""
    if ours is None or written is None:
        return ours is written
    if len(written) != len(ours) or not set(ours) <= set(written):
        return False
    for column in ours:
        one, other = ours[column].to_numpy(), written[column].to_numpy()
        if one.dtype.kind == "f" and other.dtype.kind == "f":
            same = np.allclose(one, other, rtol=TABLES, atol=TABLES, equal_nan=True)
        else:
            same = bool((one == other).all())
        if not same:
            return False
    return True


def _program_checks(which: str, result: Dispatch, inputs: Mapping[str, Inputs]) -> list[Check]:
    """The series are those of the scenario, and as variables of its program keep every row at the cost written."""
    program = build_program(result.scenario, inputs, tie_factor=1.0 if result.ties is None else result.ties.factor)
    derived = {
        f"{name}.{key}"
        for name, part in result.scenario.components.items()
        for key in part.outputs(result.values(name))
    }
    read = {f"{name}.{key}" for name, each in inputs.items() for key in each.series}
    variables = {block.name for block in program.step_blocks}
    globals_ = {block.name for block in program.global_blocks}
    known = read | variables | derived
    carried_out = {name for name, each in inputs.items() if each.tables}
    missing = {name for name in known - set(result.series) if name.partition(".")[0] not in carried_out}
    strange = (set(result.series) - known - OF_THE_SOLUTION) | (set(result.globals_) ^ globals_) | missing
    checks = [_said(f"the series are those of the scenario ({which} run)", not strange, ", ".join(sorted(strange)))]
    if strange:
        return checks
    point = np.zeros(program.num_columns)
    for name in variables & set(result.series):  # what was carried out need not use all that the plan may
        point[program.columns(name)] = result.series[name]
    for name in globals_:
        point[program.columns(name)] = result.globals_[name]
    found = certify(_without_limits_of(carried_out, program), point, None)
    scale = max(abs(result.objective), 1.0)
    return [
        *checks,
        Check(f"the dispatch keeps every row of the scenario's program ({which} run)", found.primal_residual),
        Check(
            f"the dispatch costs what is written in the scenario's program ({which} run)",
            abs(found.primal_objective - program.ties(point) - result.objective) / scale,
        ),
    ]


def _without_limits_of(components: Set[str], program: LinearProgram) -> LinearProgram:
    """The program in which components have no limits of their own: what stands for single sessions bounds their sum
    only until it is handed back to them."""
    lower, upper = program.lower.copy(), program.upper.copy()
    row_lower, row_upper = program.row_lower.copy(), program.row_upper.copy()
    columns = (*(block.name for block in program.step_blocks), *(block.name for block in program.global_blocks))
    for column in columns:
        if column.partition(".")[0] in components:
            lower[program.columns(column)], upper[program.columns(column)] = -np.inf, np.inf
    for row in (*(block.name for block in program.row_blocks), *(total.name for total in program.total_rows)):
        if row.partition(".")[0] in components:
            row_lower[program.rows(row)], row_upper[program.rows(row)] = -np.inf, np.inf
    return program.with_numbers(lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)


def _page_checks(simulation: Simulation, folder: Path, document: Mapping[str, Any], page: PageMaker) -> list[Check]:
    """The page once more; only where what draws it has the versions that drew it."""
    for name, then in document.get("versions", {}).items():
        if name in ("vpp-sim", "matplotlib", "numpy", "pandas") and version(name) != then:
            return []
    same = (folder / PAGE_FILE).read_text(encoding="utf-8") == page(simulation)
    return [_said(f"{PAGE_FILE} is the page of these files", same)]


def _solved_again(simulation: Simulation) -> list[Check]:
    """The scenario solved once more by the same solver: cost of the plan, with and without control, and prices."""
    written, solver = simulation.optimal, simulation.optimal.solver.name
    try:
        again = simulate(simulation.scenario, solver=solver)
    except VppSimError as error:
        return [_said("the scenario can be solved again", False, str(error))]
    checks = []
    for which, ours, theirs in (
        ("optimal", again.optimal, simulation.optimal),
        ("baseline", again.baseline, simulation.baseline),
    ):
        apart = abs(ours.objective - theirs.objective) / max(abs(ours.objective), 1.0)
        checks.append(Check(f"solved again, the {which} run costs the same", apart))
    for what, then, now in (
        ("the plan", {"plan": written.plan_cost}, {"plan": again.optimal.plan_cost}),
        ("the plan without each rule", written.cost_without, again.optimal.cost_without),
    ):
        same = then.keys() == now.keys() and all(
            then[key] == now[key]
            or abs((then[key] or 0.0) - (now[key] or 0.0)) <= 1e-6 * max(abs(now[key] or 0.0), 1.0)
            for key in now
        )
        checks.append(_said(f"solved again, {what} costs the same", same))
    if written.ties is not None and again.optimal.ties is not None:
        # both are bounds within a solver's tolerance of the loss
        apart = abs(again.optimal.ties.share - written.ties.share)
        checks.append(Check("solved again, deciding between equal plans costs the same", apart, 1e-7))
    name = "bus.marginal_price_per_kwh"
    if name in written.series and again.optimal.solver.version == written.solver.version:
        prices, before = again.optimal.series[name], written.series[name]
        scale = max(float(np.abs(prices).max()), 1e-9)
        checks.append(
            Check(
                f"solved again by {solver}, marginal prices are the same",
                float(np.abs(prices - before).max()) / scale,
                1e-4,
            )
        )
    return checks

"""The folder of a run whose site cannot be run: why, in words and as data, instead of results.

    run.json         status `infeasible`, the explanation in words, `findings` as data; what the run was made from
    scenario.yaml    the scenario as resolved

It is sealed like the folder of a result. `verify`, `compare` and the others refuse it with its first line; a later run
may take its place. A good result is never lost to a failure: where there is one, the failure goes beside it, to a
folder whose name ends in `.infeasible`.
"""

from __future__ import annotations

from pathlib import Path

from vpp_sim.errors import InfeasibleError, InputError
from vpp_sim.report.folder import (
    INFEASIBLE,
    RUN_FILE,
    SCENARIO_FILE,
    check_place,
    origin_document,
    peak_memory_mb,
    read_run_document,
    seal,
    write_scenario,
)
from vpp_sim.scenario import Scenario
from vpp_sim.whole_files import reason, whole_folder


def write_failed_run(scenario: Scenario, error: InfeasibleError, folder: Path, *, command: str = "") -> Path:
    """Write why a run has no result to `folder`, or beside it where it holds a result; returns where it is.

    Raises:
        InputError: the place holds something else, or cannot be written.
    """
    place = folder.with_name(f"{folder.name}.{INFEASIBLE}") if _holds_a_result(folder) else folder
    check_place(place)
    record = {
        "status": INFEASIBLE,
        "explanation": str(error),
        "findings": list(error.findings),
        **origin_document(scenario, command),
        "peak_memory_mb": peak_memory_mb(),
    }
    try:
        with whole_folder(place) as made:
            write_scenario(scenario, made / SCENARIO_FILE)
            seal(made, record)
    except OSError as problem:
        raise InputError(f"{place}: cannot be written: {reason(problem)}; nothing was left behind") from problem
    return place


def _holds_a_result(folder: Path) -> bool:
    if not (folder / RUN_FILE).is_file():
        return False
    try:
        read_run_document(folder)
    except InputError:
        return False
    return True

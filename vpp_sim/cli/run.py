"""`vpp-sim run`: one scenario to its optimal year, KPIs, bill and page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpp_sim.cli.options import scenario_options

if TYPE_CHECKING:
    from vpp_sim.kpi import Simulation


@click.command()
@scenario_options
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Result folder [results/NAME OF THE FILE]."
)
@click.option("--solver", metavar="NAME", help="auto, highs, or pulp:NAME (pulp:CBC); overrides the scenario.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="What is printed.")
@click.option("--no-page", is_flag=True, help="Leave report.html out.")
def run(
    path: str,
    overrides: tuple[str, ...],
    settings: tuple[str, ...],
    out: Path | None,
    solver: str | None,
    form: str,
    no_page: bool,
) -> None:
    """Find the optimal operation of SCENARIO and write a result folder."""
    from vpp_sim.cli.progress import phases
    from vpp_sim.errors import DefectError, InfeasibleError
    from vpp_sim.kpi import simulate
    from vpp_sim.report.failed_run import write_failed_run
    from vpp_sim.report.folder import PAGE_FILE, RUN_FILE, check_place, write_folder
    from vpp_sim.report.page import run_page
    from vpp_sim.scenario import load_scenario

    scenario = load_scenario(path, overrides=overrides, settings=settings)
    folder = out or Path("results") / Path(path).stem
    check_place(folder)
    command = " ".join(["vpp-sim", *sys.argv[1:]])
    with phases() as progress:
        try:
            simulation = simulate(scenario, solver=solver, progress=progress)
        except InfeasibleError as error:
            place = write_failed_run(scenario, error, folder, command=command)
            raise InfeasibleError(f"{error}\nthis explanation as data: {place / RUN_FILE}", error.findings) from None
        progress("writing the results")
        write_folder(simulation, folder, command=command, page=None if no_page else run_page)
    _print(simulation, folder, form)
    if not no_page and form == "table":
        click.echo(f"report: {folder / PAGE_FILE}")
    failed = [check for check in simulation.summary.checks if not check.passed]
    if failed:
        listed = "\n".join(f"  {check.name}: {check.worst:.2e}, at most {check.tolerance:g}" for check in failed)
        raise DefectError(f"{len(failed)} of our own checks failed; do not trust the results in {folder}:\n{listed}")


def _print(simulation: Simulation, folder: Path, form: str) -> None:
    import json

    from vpp_sim.report.folder import finite, summary_document

    if form == "json":
        click.echo(json.dumps(finite(summary_document(simulation)), indent=2, ensure_ascii=False))
        return
    from vpp_sim.cli.tables import show
    from vpp_sim.report.tables import kpi_table, target_lines, target_table

    summary, solver = simulation.summary, simulation.optimal.solver
    show(kpi_table(summary, simulation.scenario.currency))
    if summary.targets:
        show(
            target_table(summary.targets, simulation.scenario.currency),
            *target_lines(simulation.optimal, summary.targets),
        )
    passed = sum(check.passed for check in summary.checks)
    click.echo(
        f"solved by {solver.name} in {solver.seconds:.2f} s, gap {solver.gap:.1e}; "
        f"{passed} of {len(summary.checks)} checks passed"
    )
    for note in simulation.optimal.notes:
        click.echo(f"note: {note}")
    click.echo(f"results: {folder}")

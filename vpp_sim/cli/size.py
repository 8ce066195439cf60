"""`vpp-sim size`: the capacities of least cost, what the next unit is worth, and cost against size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpp_sim.cli.options import scenario_options

if TYPE_CHECKING:
    from vpp_sim.studies.sizing import Sizing


@click.command()
@scenario_options
@click.option(
    "--curve",
    "curves",
    multiple=True,
    metavar="PATH=FROM:TO:POINTS",
    help="Cost against a size, e.g. battery.energy_kwh=0:20000:41; given twice: a map of two sizes.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Result folder [results/NAME OF THE FILE-size]."
)
@click.option("--solver", metavar="NAME", help="auto, highs, or pulp:NAME (pulp:CBC); overrides the scenario.")
@click.option("--no-ranges", is_flag=True, help="Do not look how far the marginal values hold (saves solves).")
@click.option("--no-page", is_flag=True, help="Leave report.html out.")
def size(
    path: str,
    overrides: tuple[str, ...],
    settings: tuple[str, ...],
    curves: tuple[str, ...],
    out: Path | None,
    solver: str | None,
    no_ranges: bool,
    no_page: bool,
) -> None:
    """Find the sizes of least cost of SCENARIO, where capacities are {min, max, cost_per_unit, lifetime_years}."""
    from vpp_sim.cli.progress import phases
    from vpp_sim.report.folder import check_place, write_folder
    from vpp_sim.report.page import run_page
    from vpp_sim.scenario import load_scenario
    from vpp_sim.studies.sizing import Axis
    from vpp_sim.studies.sizing import size as find_sizes

    axes = [Axis.parsed(text) for text in curves]
    scenario = load_scenario(path, overrides=overrides, settings=settings)
    folder = out or Path("results") / f"{Path(path).stem}-size"
    check_place(folder)
    with phases() as progress:
        sizing = find_sizes(scenario, axes=axes, ranges=not no_ranges, solver=solver, progress=progress)
        progress("writing the results")
        command = " ".join(["vpp-sim", *sys.argv[1:]])
        page = None if no_page else run_page
        write_folder(sizing.simulation, folder, command=command, page=page, files=_files(sizing))
    _print(sizing, folder)
    failed = [check for check in sizing.simulation.summary.checks if not check.passed]
    if failed:
        from vpp_sim.errors import DefectError

        listed = "\n".join(f"  {check.name}: {check.worst:.2e}, at most {check.tolerance:g}" for check in failed)
        raise DefectError(f"{len(failed)} of our own checks failed; do not trust the results in {folder}:\n{listed}")


def _files(sizing: Sizing) -> dict[str, bytes]:
    from dataclasses import asdict

    import pandas as pd

    from vpp_sim.report.figures import studies
    from vpp_sim.report.figures.style import figure_of
    from vpp_sim.report.study_folder import csv, png

    currency = sizing.simulation.scenario.currency
    optimal = sizing.simulation.optimal
    files = {"marginal_values.csv": csv(pd.DataFrame([asdict(value) for value in sizing.marginal]))}
    if "bus.marginal_price_per_kwh" in optimal.series:
        files["bus_price.png"] = png(lambda: figure_of(studies.bus_price_by_month(optimal)))
    curve = sizing.curve
    if curve is not None:
        files["curve.csv"] = csv(curve.table)
        draw = studies.size_curve if len(curve.axes) == 1 else studies.size_map
        files["curve.png"] = png(lambda: draw(curve, currency))
    return files


def _print(sizing: Sizing, folder: Path) -> None:
    from rich.table import Table

    from vpp_sim.cli.tables import show
    from vpp_sim.report.formats import HEADLINES, kpi_amount, number, total
    from vpp_sim.report.tables import target_lines, target_table

    run = sizing.simulation
    currency, kpis = run.scenario.currency, run.summary.kpis
    chosen = Table(title="Sizes", title_justify="left")
    for heading in ("capacity", "size", "from", "to"):
        chosen.add_column(heading, justify="left" if heading == "capacity" else "right")
    for path, value in sizing.sizes.items():
        name, _, own = path.partition(".")
        free = run.scenario.components[name].free_sizes()[own]
        chosen.add_row(path, number(value), number(free.min), number(free.max))
    cost = Table(title=f"Cost over the horizon, {currency}", title_justify="left")
    cost.add_column("line")
    cost.add_column("amount", justify="right")
    for name in (
        "energy_cost",
        "demand_cost",
        "fixed_cost",
        "export_revenue",
        "wear_cost",
        "operating_cost",
        "penalty_cost",
        "target_penalty_cost",
        "investment_cost",
    ):
        if name in kpis:
            cost.add_row(name, total(kpis[name].value, currency))
    cost.add_row("total", number(run.optimal.objective), style="bold")
    show(chosen, cost)
    shown = [f"{words}: {kpi_amount(name, kpis[name])}" for name, words in HEADLINES.items() if name in kpis]
    click.echo("; ".join(shown))
    if run.summary.targets:
        show(target_table(run.summary.targets, currency), *target_lines(run.optimal, run.summary.targets))
    click.echo("what the next unit is worth, without its own cost, in the plan before it is handed back:")
    for marginal in sizing.marginal:
        click.echo(f"  {marginal.sentence(currency)}")
    for note in (*sizing.notes, *run.optimal.notes):
        click.echo(f"note: {note}")
    if sizing.curve is not None:
        words = ", ".join(f"{axis.path} = {number(sizing.curve.optimum[axis.path])}" for axis in sizing.curve.axes)
        click.echo(f"least cost of the curve at {words}: {number(sizing.curve.optimum['total_cost'])} {currency}")
    click.echo(f"results: {folder}")

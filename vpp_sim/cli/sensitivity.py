"""`vpp-sim sensitivity`: one parameter at a time, low and high."""

from __future__ import annotations

from pathlib import Path

import click

from vpp_sim.cli.options import scenario_options


@click.command()
@scenario_options
@click.option(
    "--vary",
    "swings",
    multiple=True,
    required=True,
    metavar="PATH=LOW:HIGH",
    help="A number of the scenario and two values, or changes in percent: battery.energy_kwh=-20%:+20%.",
)
@click.option("--kpi", "figure", default="total_cost", show_default=True, help="What is looked at: the id of a KPI.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Result folder [results/NAME OF THE FILE-sensitivity].",
)
@click.option("--solver", metavar="NAME", help="auto, highs, or pulp:NAME (pulp:CBC); overrides the scenario.")
def sensitivity(
    path: str,
    overrides: tuple[str, ...],
    settings: tuple[str, ...],
    swings: tuple[str, ...],
    figure: str,
    out: Path | None,
    solver: str | None,
) -> None:
    """Change one number of SCENARIO at a time and see what that does (a tornado)."""
    from rich.table import Table

    from vpp_sim.cli.progress import phases
    from vpp_sim.cli.tables import show
    from vpp_sim.report.figures import studies
    from vpp_sim.report.figures.style import figure_of
    from vpp_sim.report.formats import number
    from vpp_sim.report.study_folder import csv, png, write_study_folder
    from vpp_sim.scenario import load_scenario
    from vpp_sim.studies.sensitivity import Swing, tornado

    scenario = load_scenario(path, overrides=overrides, settings=settings)
    folder = out or Path("results") / f"{Path(path).stem}-sensitivity"
    with phases() as progress:
        found = tornado(scenario, [Swing.parsed(text) for text in swings], figure, solver=solver, progress=progress)
    words = f"{found.figure}, {found.unit}" if found.unit else found.figure
    document = {
        "study": "sensitivity",
        "scenario": scenario.name,
        "scenario_digest": scenario.digest(),
        "figure": found.figure,
        "base": found.base,
    }
    draw = png(lambda: figure_of(studies.tornado(found.table, found.base, words)))
    write_study_folder(folder, document, {"sensitivity.csv": csv(found.table), "sensitivity.png": draw})
    table = Table(title=f"{words}: {number(found.base)} as it is", title_justify="left")
    table.add_column("parameter")
    for heading in ("now", "low", "high", "at low", "at high"):
        table.add_column(heading, justify="right")
    for _, row in found.table.iterrows():
        names = ("base_value", "low", "high", "at_low", "at_high")
        table.add_row(str(row["path"]), *(number(float(row[name])) for name in names))
    show(table)
    click.echo(f"results: {folder}")

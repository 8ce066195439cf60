"""`vpp-sim sensitivity`: one parameter at a time, low and high, or all at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpp_sim.cli.options import scenario_options

if TYPE_CHECKING:
    from vpp_sim.scenario import Scenario
    from vpp_sim.studies.sensitivity import Swing


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
    "--method",
    type=click.Choice(["tornado", "morris", "sobol"]),
    default="tornado",
    show_default=True,
    help="One at a time, or all at once by SALib (pip install 'vpp-sim[sensitivity]').",
)
@click.option(
    "--samples", type=int, default=8, show_default=True, help="Trajectories of morris, base samples of sobol."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of morris and sobol.")
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
    method: str,
    samples: int,
    seed: int,
    out: Path | None,
    solver: str | None,
) -> None:
    """Change numbers of SCENARIO, one at a time (a tornado) or all at once, and see which of them matter."""
    from rich.table import Table

    from vpp_sim.cli.progress import phases
    from vpp_sim.cli.tables import show
    from vpp_sim.report.figures import studies
    from vpp_sim.report.figures.style import figure_of
    from vpp_sim.report.formats import number
    from vpp_sim.report.study_folder import check_study_place, csv, png, write_study_folder
    from vpp_sim.scenario import load_scenario
    from vpp_sim.studies.sensitivity import Swing, tornado

    scenario = load_scenario(path, overrides=overrides, settings=settings)
    folder = out or Path("results") / f"{Path(path).stem}-sensitivity"
    check_study_place(folder)
    parsed = [Swing.parsed(text) for text in swings]
    if method != "tornado":
        _indices(scenario, parsed, figure, method, samples, seed, folder, solver)
        return
    with phases() as progress:
        found = tornado(scenario, parsed, figure, solver=solver, progress=progress)
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


def _indices(
    scenario: Scenario,
    swings: list[Swing],
    figure: str,
    method: str,
    samples: int,
    seed: int,
    folder: Path,
    solver: str | None,
) -> None:
    from typing import cast

    from rich.table import Table

    from vpp_sim.cli.progress import phases
    from vpp_sim.cli.tables import show
    from vpp_sim.report.formats import number
    from vpp_sim.report.study_folder import csv, write_study_folder
    from vpp_sim.studies.indices import Method, indices

    with phases() as progress:
        found = indices(
            scenario,
            swings,
            figure,
            method=cast("Method", method),
            samples=samples,
            seed=seed,
            solver=solver,
            progress=progress,
        )
    document = {
        "study": found.method,
        "scenario": scenario.name,
        "scenario_digest": scenario.digest(),
        "figure": found.figure,
        "unit": found.unit,
        "samples": samples,
        "seed": seed,
        "plans": found.plans,
    }
    write_study_folder(folder, document, {"indices.csv": csv(found.table)})
    words = f"{found.figure}, {found.unit}" if found.unit else found.figure
    table = Table(title=f"{found.method} indices of {words}, {found.plans} plans", title_justify="left")
    for heading in found.table.columns:
        table.add_column(str(heading), justify="left" if heading == "path" else "right")
    by = "mu_star" if found.method == "morris" else "total"
    for _, row in found.table.sort_values(by, ascending=False).iterrows():
        table.add_row(str(row["path"]), *(number(float(value)) for value in row.iloc[1:]))
    show(table)
    click.echo(f"results: {folder}")

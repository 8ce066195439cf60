"""`vpp-sim pareto`: the least cost at every level of a second aim."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpp_sim.cli.options import scenario_options

if TYPE_CHECKING:
    from vpp_sim.studies.pareto import Front

#: A part of the cost below this is not spoken of.
WORTH_SAYING = 1e-4


@click.command()
@scenario_options
@click.option("--minimize", type=click.Choice(["cost"]), default="cost", show_default=True, help="The first aim.")
@click.option(
    "--and",
    "aim",
    default="emissions",
    show_default=True,
    metavar="AIM",
    help="The second aim: emissions, emissions_market, emissions_park, import, peak, onsite, matching.",
)
@click.option("--points", type=int, default=15, show_default=True, help="Points of the front.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Result folder [results/NAME OF THE FILE-pareto]."
)
@click.option("--solver", metavar="NAME", help="auto, highs, or pulp:NAME (pulp:CBC); overrides the scenario.")
def pareto(
    path: str,
    overrides: tuple[str, ...],
    settings: tuple[str, ...],
    minimize: str,
    aim: str,
    points: int,
    out: Path | None,
    solver: str | None,
) -> None:
    """Draw cost against a second aim for SCENARIO, free sizes chosen anew at each point."""
    from vpp_sim.cli.progress import phases
    from vpp_sim.report.figures import studies
    from vpp_sim.report.study_folder import check_study_place, csv, png, write_study_folder
    from vpp_sim.scenario import load_scenario
    from vpp_sim.studies.pareto import pareto as find_front

    scenario = load_scenario(path, overrides=overrides, settings=settings)
    folder = out or Path("results") / f"{Path(path).stem}-pareto"
    check_study_place(folder)
    with phases() as progress:
        front = find_front(scenario, aim, points, solver=solver, progress=progress)
    document = {
        "study": "pareto",
        "scenario": scenario.name,
        "scenario_digest": scenario.digest(),
        "first": minimize,
        "second": front.measure,
        "knee": front.knee,
    }
    files = {"front.csv": csv(front.table), "front.png": png(lambda: studies.pareto_front(front, scenario.currency))}
    write_study_folder(folder, document, files)
    _print(front, scenario.currency)
    click.echo(f"results: {folder}")


def _print(front: Front, currency: str) -> None:
    from rich.table import Table

    from vpp_sim.cli.tables import show
    from vpp_sim.report.formats import number
    from vpp_sim.scenario.targets import MEASURES

    unit = MEASURES[front.measure].unit
    table = Table(title=f"Least cost at each {front.measure}, money in {currency}", title_justify="left")
    table.add_column("")
    per = "percentage point" if unit == "-" else unit
    for heading in (front.measure, "cost", f"next {per} costs", *front.sizes):
        table.add_column(heading, justify="right")
    for position, row in front.table.iterrows():
        cells = [number(float(row[name])) for name in ("measure", "total_cost", "price", *front.sizes)]
        table.add_row("knee" if position == front.knee else "", *cells)
    show(table, *_turned_away(front, currency))


def _turned_away(front: Front, currency: str) -> list[str]:
    """What part of the cost along the front is the price of demand that is not met."""
    from vpp_sim.report.formats import number

    penalty = front.table["penalty_cost"]
    if penalty.max() - penalty.iloc[0] <= WORTH_SAYING * front.table["total_cost"].abs().max():
        return []
    words = ", ".join(number(float(amount)) for amount in penalty)
    return [f"of the cost, the price put on charging, work or load not served, point by point, {currency}: {words}"]

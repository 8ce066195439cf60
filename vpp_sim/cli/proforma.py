"""`vpp-sim proforma`: what the priced parts of a site are worth over the years, against business as usual."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from vpp_sim.dispatch.run import Progress
    from vpp_sim.kpi import Simulation
    from vpp_sim.studies.course import Course

#: Columns that the table on the terminal always has; others of the cash flow where they are not 0. The CSV has all.
ALWAYS = ("capital", "energy_saving", "demand_saving", "om", "replacement", "salvage", "net", "cumulative")
#: Amounts from which on the table is in thousands or millions.
THOUSANDS, MILLIONS = 1e7, 1e10


@click.command()
@click.argument("path", metavar="SCENARIO|DIR", type=click.Path(path_type=Path))
@click.option("--override", "overrides", multiple=True, metavar="NAME", help="Apply a named override of the file.")
@click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set one value; may be given several times."
)
@click.option("--fast", is_flag=True, help="Dispatch a few years and interpolate; says its error.")
@click.option(
    "--wear-from-ageing", is_flag=True, help="First find the battery's wear price that agrees with its ageing."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder [results/NAME OF THE FILE].")
@click.option("--solver", metavar="NAME", help="auto, highs, or pulp:NAME; overrides the scenario.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="What is printed.")
def proforma(
    path: Path,
    overrides: tuple[str, ...],
    settings: tuple[str, ...],
    fast: bool,
    wear_from_ageing: bool,
    out: Path | None,
    solver: str | None,
    form: str,
) -> None:
    """Judge the project of a SCENARIO, or of the run folder DIR, over its years.

    The project is what carries a `cost:`; business as usual is the uncontrolled site without it. The proforma is put
    into the run folder: proforma.csv, proforma.json and proforma.html.
    """
    import json

    from vpp_sim.cli.progress import phases
    from vpp_sim.report.folder import finite
    from vpp_sim.report.proforma import proforma_document, write_proforma
    from vpp_sim.studies.course import course

    said: list[str] = []
    with phases() as progress:
        if path.is_dir():
            simulation, folder = _from_folder(path, overrides, settings, wear_from_ageing, out)
        else:
            simulation, folder = _from_file(path, overrides, settings, wear_from_ageing, out, solver, progress, said)
        found = course(simulation.scenario, reference=simulation, fast=fast, solver=solver, progress=progress)
        progress("drawing the page")
        files = write_proforma(found, folder)
    if form == "json":
        click.echo(json.dumps(finite(proforma_document(found)), indent=2, ensure_ascii=False))
        return
    _print(found, said)
    click.echo(f"proforma: {', '.join(str(file) for file in files)}")


def _from_folder(
    path: Path, overrides: tuple[str, ...], settings: tuple[str, ...], wear: bool, out: Path | None
) -> tuple[Simulation, Path]:
    from vpp_sim.errors import InputError
    from vpp_sim.report.folder import read_folder

    if overrides or settings or wear or out is not None:
        raise InputError(
            "--override, --set, --wear-from-ageing and --out are for a scenario; a run folder is judged as it is"
        )
    return read_folder(path), path


def _from_file(
    path: Path,
    overrides: tuple[str, ...],
    settings: tuple[str, ...],
    wear: bool,
    out: Path | None,
    solver: str | None,
    progress: Progress,
    said: list[str],
) -> tuple[Simulation, Path]:
    from vpp_sim.kpi import simulate
    from vpp_sim.report.folder import check_place, write_folder
    from vpp_sim.report.page import run_page
    from vpp_sim.scenario import load_scenario
    from vpp_sim.studies.wear_price import consistent_wear_price

    scenario = load_scenario(path, overrides=overrides, settings=settings)
    folder = out or Path("results") / path.stem
    check_place(folder)
    if wear:
        price = consistent_wear_price(scenario, solver=solver, progress=progress)
        scenario = price.scenario
        word = "agrees with its ageing" if price.converged else "does not settle; the last price is used"
        said.append(
            f"wear price of {price.component}: {price.price_per_kwh:.4f} {scenario.currency}/kWh {word} "
            f"after {len(price.runs)} dispatches [WEAR-1]"
        )
    simulation = simulate(scenario, solver=solver, progress=progress)
    progress("writing the run")
    write_folder(simulation, folder, command=" ".join(["vpp-sim", *sys.argv[1:]]), page=run_page)
    return simulation, folder


def _print(found: Course, said: list[str]) -> None:
    from vpp_sim.cli.tables import show
    from vpp_sim.report.formats import number
    from vpp_sim.report.proforma import break_evens, control_words

    result = found.proforma
    lines = list(said)
    for entry in result.schedule.replacements:
        lines.append(f"{entry.component} is replaced after {entry.years:.1f} years ({entry.reason})")
    screened = found.reference.summary.screening
    if screened is not None:
        estimate = screened.kpis["npv"].value
        lines.append(f"the run's own estimate of the NPV, from its one year (SCR-1): {number(estimate)}")
    if found.error is not None:
        lines.append(
            f"{len(found.dispatched)} years dispatched; a straight line between them would miss the middle by "
            f"{found.error:.2%} of its saving, the parabola used by less"
        )
    lines.extend(f"note: {note}" for note in result.notes)
    lines.append(control_words(found))
    lines.append(" ".join(break_evens(found)))
    show(_years(found), "", _figures(found), "", _adds(found), "", *lines)


def _years(found: Course) -> Table:
    from rich.table import Table

    from vpp_sim.report.formats import number, percent
    from vpp_sim.report.proforma import COLUMNS

    table, capacities = found.proforma.table, found.capacities()
    flows = [name for name in COLUMNS if name in table]
    flows = flows[: flows.index("cumulative") + 1]
    names = [name for name in flows if name in ALWAYS or table[name].abs().max() >= 0.5]
    largest = float(table[names].abs().max().max())
    word, scale = (
        ("million ", 1e6) if largest >= MILLIONS else ("thousand ", 1e3) if largest >= THOUSANDS else ("", 1.0)
    )
    shown = Table(
        title=f"{found.scenario.name}: cash flow against business as usual, {word}{found.scenario.currency}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    shown.add_column("year", justify="right")
    for name in names:
        shown.add_column(COLUMNS[name], justify="right")
    for name in capacities.columns:
        shown.add_column(f"{name} left", justify="right")
    left = [[""] * capacities.shape[1]]
    left += [[percent(float(share)) for share in row] for row in capacities.to_numpy().tolist()]
    for year, amounts in enumerate(table[names].to_numpy().tolist()):
        shown.add_row(str(year), *(number(round(amount / scale)) for amount in amounts), *left[year])
    return shown


def _figures(found: Course) -> Table:
    from rich.table import Table

    from vpp_sim.report.proforma import kpi_text

    shown = Table(box=None, pad_edge=False)
    shown.add_column("figure", no_wrap=True)
    shown.add_column("value", justify="right", no_wrap=True)
    shown.add_column("what it is", overflow="fold")
    for name, kpi in found.proforma.kpis.items():
        shown.add_row(name, kpi_text(name, kpi.value, kpi.unit), kpi.definition)
    return shown


def _adds(found: Course) -> Table:
    from rich.table import Table

    from vpp_sim.report.formats import number, percent

    shown = Table(box=None, pad_edge=False)
    for heading in ("what each part adds, before tax", "capital", "saved in year 1", "NPV", "IRR"):
        shown.add_column(heading, justify="left" if heading.startswith("what") else "right")
    for entry in found.increments:
        shown.add_row(
            entry.component,
            number(entry.capital),
            number(entry.first_year_saving),
            number(entry.npv),
            percent(entry.irr),
        )
    worth = found.proforma.kpis["npv"].value - found.against_control.kpis["npv"].value
    shown.add_row("control, with nothing bought", "", number(found.control_saving), number(worth), "")
    return shown

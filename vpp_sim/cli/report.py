"""`vpp-sim report`: the page of a run folder, made anew from its files."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def report(folder: Path) -> None:
    """Make report.html of the run folder DIR anew from its files."""
    from vpp_sim.cli.progress import phases
    from vpp_sim.report.folder import refresh_page
    from vpp_sim.report.page import run_page

    with phases() as progress:
        progress("drawing the page")
        target = refresh_page(folder, run_page)
    click.echo(f"report: {target}")

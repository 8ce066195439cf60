"""`vpp-sim sweep`: all cases of a study to one table, safe against every kind of interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vpp_sim.studies.sweep import SweepResult, Tally, Watcher


@click.command()
@click.argument("path", metavar="STUDY", type=click.Path(dir_okay=False))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the sweep.")
@click.option("--workers", type=int, metavar="N", help="Processes [all cores]; 1 runs in this process.")
@click.option("--resume", is_flag=True, help="Go on with the sweep in the folder.")
@click.option("--cluster", metavar="ADDRESS", help="Run on a dask scheduler: tcp://HOST:PORT, FILE.json, or local.")
@click.option("--route", metavar="NAME", help="batch, warm or cold; measured if left out.")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set one value for every case.")
@click.option("--series/--no-series", default=None, help="Keep the time series of every case.")
@click.option("--baseline/--no-baseline", default=None, help="Run the uncontrolled site too, for the saving.")
def sweep(
    path: str,
    out: Path,
    workers: int | None,
    resume: bool,
    cluster: str | None,
    route: str | None,
    settings: tuple[str, ...],
    series: bool | None,
    baseline: bool | None,
) -> None:
    """Run every case of STUDY and write one table, a row per case."""
    from typing import cast

    from vpp_sim.studies.routes import Route
    from vpp_sim.studies.study import load_study
    from vpp_sim.studies.sweep import sweep as run_sweep

    study = load_study(path, settings=settings, series=series, baseline=baseline)
    try:
        with _bar(len(study.cases)) as watch:
            result = run_sweep(
                study,
                out,
                workers=workers,
                resume=resume,
                cluster=cluster,
                route=cast("Route | None", route),
                watch=watch,
            )
    except KeyboardInterrupt:
        click.echo(f"stopped; what is finished is safe in {out}, and --resume goes on with the rest", err=True)
        raise
    _print(result)


@contextmanager
def _bar(total: int) -> Iterator[Watcher]:
    """A bar with rate and time left on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda tally: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("starting", total=total, rate="")

        def watch(tally: Tally) -> None:
            description = tally.route or "starting"
            if tally.failed:
                description += f", {tally.failed:,} failed"
            bar.update(task, completed=tally.done, total=tally.total, description=description, rate=_rate(tally))

        yield watch


def _rate(tally: Tally) -> str:
    """Cases per minute and time left, as text."""
    if not tally.run:
        return ""
    left = (tally.total - tally.done) / tally.per_minute
    span = f"{left * 60:.0f} s" if left < 1.5 else f"{left:.0f} min" if left < 90 else f"{left / 60:.1f} h"
    return f"{tally.per_minute:,.3g} a minute, {span} left"


def _print(result: SweepResult) -> None:
    from vpp_sim.errors import InputError

    tally = result.tally
    routes = ", ".join(f"{count:,} {route}" for route, count in result.routes.items())
    click.echo(f"{tally.done:,} cases ({routes}), {tally.failed:,} of them failed")
    if tally.run:
        click.echo(f"{tally.run:,} of them now, in {tally.seconds:,.1f} s: {tally.per_minute:,.3g} a minute")
    click.echo(f"results: {result.results}")
    if tally.failed == tally.done:
        raise InputError(f"no case has a result; {result.first_failure}")
    if result.first_failure:
        click.echo(f"the first failure: {result.first_failure}", err=True)

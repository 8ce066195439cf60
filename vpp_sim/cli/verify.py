"""`vpp-sim verify`: the checks of a run folder, repeated from its files alone."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--solve", is_flag=True, help="Also solve the scenario again: the plan must be the best there is.")
@click.option("--all", "show_all", is_flag=True, help="List the checks that passed as well.")
def verify(folder: Path, solve: bool, show_all: bool) -> None:
    """Repeat all checks of the run folder DIR from its files; exit code 1 if anything was altered."""
    from vpp_sim.cli.progress import phases
    from vpp_sim.report.page import run_page
    from vpp_sim.report.verification import unread_inputs, verify_folder

    with phases() as progress:
        progress("verifying")
        checks = verify_folder(folder, page=run_page, solve_again=solve)
    failed = [check for check in checks if not check.passed]
    for check in checks if show_all else failed:
        verdict = "passed" if check.passed else "FAILED"
        click.echo(f"{verdict}: {check.name}" + (f" ({check.detail})" if check.detail else ""))
    for path in unread_inputs(folder):
        click.echo(f"not compared: what was read from {path}, which is no longer there as it was")
    click.echo(f"{len(checks) - len(failed)} of {len(checks)} checks passed")
    if failed:
        click.get_current_context().exit(1)

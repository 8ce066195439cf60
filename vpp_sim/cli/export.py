"""`vpp-sim export`: the linear program of a scenario as LP text or MPS."""

from __future__ import annotations

from pathlib import Path

import click

from vpp_sim.cli.options import scenario_options


@click.command()
@scenario_options
@click.option("--lp", type=click.Path(dir_okay=False, path_type=Path), help="Write LP text, for people.")
@click.option("--mps", type=click.Path(dir_okay=False, path_type=Path), help="Write free MPS, for solvers.")
def export(path: str, overrides: tuple[str, ...], settings: tuple[str, ...], lp: Path | None, mps: Path | None) -> None:
    """Write the linear program of SCENARIO without solving it."""
    from vpp_sim.dispatch import build_program
    from vpp_sim.errors import InputError
    from vpp_sim.lp.export import write_lp, write_mps
    from vpp_sim.scenario import load_scenario
    from vpp_sim.whole_files import reason, whole_file

    if lp is None and mps is None:
        raise click.UsageError("say what to write: --lp FILE, --mps FILE, or both")
    scenario = load_scenario(path, overrides=overrides, settings=settings)
    program = build_program(scenario, scenario.read_inputs())
    for target, write in ((lp, write_lp), (mps, write_mps)):
        if target is None:
            continue
        try:
            with whole_file(target) as made:
                write(program, made)
        except OSError as error:
            raise InputError(f"{target}: cannot be written: {reason(error)}") from error
        click.echo(f"{target}: {program.num_rows} rows, {program.num_columns} columns")

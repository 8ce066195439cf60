"""`vpp-sim init`: a commented scenario to start from."""

from __future__ import annotations

from pathlib import Path

import click

TEMPLATE = "site.yaml"


@click.command()
@click.argument("path", default="site.yaml", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(path: Path, force: bool) -> None:
    """Write a commented scenario to PATH [site.yaml]."""
    from importlib.resources import files

    from vpp_sim.errors import Fault, InputError
    from vpp_sim.whole_files import whole_file

    text = (files("vpp_sim.scenario") / "templates" / TEMPLATE).read_text(encoding="utf-8")
    if not path.parent.is_dir():
        raise InputError(Fault(f"there is no folder '{path.parent}'; make it first", file=str(path)))
    if path.exists() and not force:
        raise InputError(Fault("exists already; choose another name, or --force to overwrite it", file=str(path)))
    with whole_file(path) as made:
        made.write_text(text, encoding="utf-8")
    click.echo(f"{path}: written; next: vpp-sim check {path}")

"""`vpp-sim schema`: what editors need to complete and check scenario files."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead of printing.")
def schema(out: Path | None) -> None:
    """Print the JSON Schema of scenario files.

    An editor with a YAML language server completes and checks a scenario whose first line is
    `# yaml-language-server: $schema=FILE`.
    """
    import json

    from vpp_sim.scenario.schema import scenario_schema
    from vpp_sim.whole_files import whole_file

    text = json.dumps(scenario_schema(), indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        with whole_file(out) as made:
            made.write_text(text + "\n", encoding="utf-8")
        click.echo(f"{out}: written")

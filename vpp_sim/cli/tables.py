"""Tables on the terminal, as text that pipes and pagers can take."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Width of a table that no terminal limits.
FILE_WIDTH = 140


def show(*parts: RenderableType) -> None:
    """Print tables and texts; as wide as the terminal, without colours where there is none."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else FILE_WIDTH, no_color=not terminal, highlight=False, markup=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

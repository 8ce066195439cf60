"""Tables on the terminal, as text that pipes and pagers can take."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Width of a table that no terminal limits.
FILE_WIDTH = 140
#: Wider than any table.
WIDEST = 10_000


def show(*parts: RenderableType) -> None:
    """Print tables and texts without colours where there is no terminal, as wide as it is; no number is cut off."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    width = max(Console().width if terminal else FILE_WIDTH, *map(_least_width, parts))
    console = Console(width=width, no_color=not terminal, highlight=False, markup=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _least_width(part: RenderableType) -> int:
    """Columns that a table needs so that no word in it is cut; 0 for what folds."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    if not isinstance(part, Table) or any(column.overflow == "fold" for column in part.columns):
        return 0
    console = Console(width=WIDEST)
    return Measurement.get(console, console.options, part).minimum

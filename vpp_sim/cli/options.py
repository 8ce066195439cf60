"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def folder_names(folders: Sequence[Path]) -> list[str]:
    """Names of folders, as short as they can be while they differ."""
    for depth in range(1, 1 + max(len(folder.resolve().parts) for folder in folders)):
        names = ["/".join(folder.resolve().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [f"{number + 1}: {folder}" for number, folder in enumerate(folders)]


def scenario_options(command: F) -> F:
    """The scenario argument with `--override NAME` and `--set PATH=VALUE`, as `path`, `overrides`, `settings`."""
    decorators = (
        click.argument("path", metavar="SCENARIO", type=click.Path(dir_okay=False)),
        click.option(
            "--override", "overrides", multiple=True, metavar="NAME", help="Apply a named override of the file."
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set one value, e.g. battery.energy_kwh=8000; may be given several times.",
        ),
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command

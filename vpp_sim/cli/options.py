"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


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

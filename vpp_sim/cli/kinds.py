"""`vpp-sim kinds`: the kinds of components, the other parts of a scenario and of a study, as the models have them."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

import click

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.table import Table

    from vpp_sim.scenario.describe import Parameter


@click.command()
@click.argument("kind", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="What is printed.")
def kinds(kind: str | None, form: str) -> None:
    """List the kinds of components, or the parameters of one KIND.

    KIND may also be `profile` or `size`, which stand for what several parameters take, `scenario`, any part of it
    (`weather`, `tariff`, `targets`, ...), `policy_document`, or `study`, the file of a sweep.
    """
    import json

    from vpp_sim.cli.tables import show
    from vpp_sim.errors import Fault, InputError, nearest

    topics = _topics()
    if kind is None:
        summaries = {name: _summary(models) for name, models in topics.items()}
        if form == "json":
            click.echo(json.dumps(summaries, indent=2, ensure_ascii=False))
        else:
            show(_list_of_kinds(summaries))
        return
    if kind not in topics:
        close = nearest(kind, topics)
        hint = f"did you mean {close}? " if close else ""
        raise InputError(Fault(f"unknown kind '{kind}'; {hint}one of {', '.join(topics)}"))
    if form == "json":
        click.echo(json.dumps([_as_json(model) for _, model in topics[kind]], indent=2, ensure_ascii=False))
    else:
        tables = [_table(title, model) for title, model in topics[kind]]
        show(*[part for table in tables for part in (table, "")][:-1])


def _topics() -> dict[str, list[tuple[str, type[BaseModel]]]]:
    """Titles and models to show for every word."""
    from vpp_sim.components import REGISTRY
    from vpp_sim.components.base import FreeSize
    from vpp_sim.scenario.describe import PROFILE, SIZE, nested_models, profile_forms

    topics: dict[str, list[tuple[str, type[BaseModel]]]] = {}
    for word, model in sorted(REGISTRY.items()):
        topics[word] = [(word, model), *((f"{word}: {place}", inner) for place, inner in nested_models(model))]
    topics[PROFILE] = [(f"{PROFILE}: {_form_title(form)}", form) for form in profile_forms()]
    topics[SIZE] = [(SIZE, FreeSize)]
    topics.update(_parts_of_files())
    return topics


def _parts_of_files() -> dict[str, list[tuple[str, type[BaseModel]]]]:
    """What else is written in files: a scenario, its parts, the documents it names, and a study."""
    from vpp_sim.policies import PolicyDocument
    from vpp_sim.scenario.describe import nested_models, parameters
    from vpp_sim.scenario.model import Frame
    from vpp_sim.studies.study import StudyModel
    from vpp_sim.tariffs import Tariff

    topics: dict[str, list[tuple[str, type[BaseModel]]]] = {"scenario": [("scenario", Frame)]}
    parts = {part.name: list(part.models) for part in parameters(Frame) if part.models} | {
        "tariff": [Tariff],
        "policy_document": [PolicyDocument],
        "study": [StudyModel],
    }
    for word, models in parts.items():
        topics[word] = []
        for model in models:
            title = word + _choice(model)
            topics[word].append((title, model))
            topics[word] += [(f"{title}: {place}{_choice(inner)}", inner) for place, inner in nested_models(model)]
    return topics


def _choice(model: type[BaseModel]) -> str:
    """What chooses a model among several forms, with a blank before it; empty where there is one form."""
    for key in ("source", "basis"):
        field = model.model_fields.get(key)
        values = get_args(field.annotation) if field is not None else ()
        if len(values) == 1:
            return f" ({key}: {values[0]})"
    return ""


def _form_title(model: type[BaseModel]) -> str:
    from vpp_sim.scenario.describe import parameters

    found = [parameter for parameter in parameters(model) if parameter.name == "generator"]
    return f"generator {found[0].takes}" if found else "a file"


def _summary(models: list[tuple[str, type[BaseModel]]]) -> str:
    """First sentence of what a kind is: of its module for a component, which tells more than the model's."""
    model = models[0][1]
    if len(models) > 1 and "generator" not in model.model_fields and "path" in model.model_fields:
        return "A series in time: a number, a column of a file, or a named generator."
    module = inspect.getmodule(model)
    if "source" in model.model_fields and len(models) > 1:
        return "Where sun and temperature come from: a synthetic year, or a file of one of five forms."
    text = (module.__doc__ if "kind" in model.model_fields and module is not None else model.__doc__) or ""
    return " ".join(text.strip().split("\n\n")[0].split())


def _list_of_kinds(summaries: dict[str, str]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("kind")
    table.add_column("what it is")
    for name, text in summaries.items():
        table.add_row(name, text)
    table.caption = "vpp-sim kinds KIND lists its parameters"
    table.caption_justify = "left"
    return table


def _table(title: str, model: type[BaseModel]) -> Table:
    from rich.table import Table

    from vpp_sim.scenario.describe import parameters

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("parameter", "type", "unit", "bounds", "default", "meaning"):
        table.add_column(heading, overflow="fold")
    for parameter in parameters(model):
        table.add_row(
            parameter.name, parameter.takes, parameter.unit, parameter.bounds, parameter.default, parameter.doc
        )
    return table


def _as_json(model: type[BaseModel]) -> dict[str, Any]:
    from vpp_sim.scenario.describe import parameters

    def entry(parameter: Parameter) -> dict[str, Any]:
        return {key: value for key, value in asdict(parameter).items() if key != "models"}

    return {"name": model.__name__, "parameters": [entry(parameter) for parameter in parameters(model)]}

"""Policy documents by name, from a file, or written out in a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.policies.model import PolicyDocument, Rule
from vpp_sim.yaml_lines import Lines, faults_from_validation, read_yaml


@lru_cache(maxsize=1)
def shipped_documents() -> dict[str, PolicyDocument]:
    """The documents that come with the package, by name."""
    folder = files("vpp_sim.policies") / "data"
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            with as_file(entry) as place:
                content, lines = read_yaml(place, file=entry.name)
            document = _validated(content, lines, entry.name)
            found[document.name] = document
    return found


def policy_names() -> tuple[str, ...]:
    """Names of the documents that come with the package."""
    return tuple(shipped_documents())


def load_document(source: str | Mapping[str, Any], base_dir: Path = Path()) -> PolicyDocument:
    """A document by its name, from `{path: FILE.yaml}`, or written out as a mapping.

    Raises:
        InputError: unknown name, unreadable file, a name that a shipped document has, or every fault in it.
    """
    if isinstance(source, str):
        known = shipped_documents()
        if source in known:
            return known[source]
        close = nearest(source, known)
        hint = f"did you mean {close}?" if close else f"one of {', '.join(known)}, or {{path: FILE.yaml}}"
        raise InputError(f"unknown policy document {source!r}; {hint}")
    lines: Lines = {}
    file, content = "", dict(source)
    if isinstance(content.get("path"), str) and len(content) == 1:
        file = str(content["path"])
        content, lines = read_yaml(base_dir / file, file=file)
    document = _validated(content, lines, file)
    shipped = shipped_documents().get(document.name)
    if shipped is not None and shipped != document:
        raise InputError(
            Fault(
                f"{document.name!r} is the name of a document that comes with vpp_sim; give yours another name",
                path="name",
                file=file,
                line=lines.get(("name",)),
            )
        )
    return document


def _validated(content: Mapping[str, Any], lines: Lines, file: str) -> PolicyDocument:
    try:
        return PolicyDocument.model_validate(content)
    except ValidationError as error:
        raise InputError(faults_from_validation(error, lines, file, model=PolicyDocument)) from None


def applying_at(timezone: str) -> tuple[PolicyDocument, ...]:
    """The shipped documents that speak of places in a time zone.

    >>> [document.name for document in applying_at("Europe/Berlin")]
    []
    """
    return tuple(
        document
        for document in shipped_documents().values()
        if not document.timezones or timezone in document.timezones
    )


def rule_of(name: str, documents: Iterable[PolicyDocument]) -> tuple[PolicyDocument, Rule]:
    """The rule `document.rule` among documents, and after them among all that come with the package.

    Raises:
        InputError: there is none; says the nearest one.

    >>> rule_of("ndrc_650_2025.own_use_of_load", ())[1].bound
    'at_least'
    """
    rules = {}
    for document in [*shipped_documents().values(), *documents]:
        rules.update({document.rule_id(rule): (document, rule) for rule in document.rules})
    if name in rules:
        return rules[name]
    close = nearest(name, rules) or next((known for known in rules if known.endswith(f".{name}")), None)
    hint = f"did you mean {close}?" if close else f"one of {', '.join(rules)}"
    raise InputError(f"unknown rule {name!r}; {hint}")

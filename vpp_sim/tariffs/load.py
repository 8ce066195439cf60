"""A tariff by name, from a file, or written out in a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vpp_sim.errors import Fault, InputError, nearest
from vpp_sim.tariffs.model import Tariff
from vpp_sim.yaml_lines import Lines, faults_from_validation, read_yaml


def tariff_names() -> tuple[str, ...]:
    """Names of the tariffs that come with the package."""
    folder = files("vpp_sim.tariffs") / "data"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_tariff(source: str | Path | Mapping[str, Any], base_dir: str | Path = ".") -> Tariff:
    """The tariff that a scenario names: a name from `tariff_names()`, a YAML file, or the tariff itself as a mapping.

    A mapping or file may say `extends: NAME-or-file` and replace some of its top-level keys (`demand: {...}`). Paths
    of price series are relative to the file that names them, or to `base_dir` in a mapping, and come back absolute.

    Raises:
        InputError: unknown name, unreadable file, or every fault in it with its line.
    """
    content, lines, file = _content(source, Path(base_dir), above=())
    try:
        return Tariff.model_validate(content)
    except ValidationError as error:
        raise InputError(faults_from_validation(error, lines, file, model=Tariff)) from None


def tariff_content(source: str | Path | Mapping[str, Any], base_dir: str | Path = ".") -> dict[str, Any]:
    """What is written of a tariff, unchecked, with what it extends and with absolute paths; nobody may change it.

    Raises:
        InputError: as `load_tariff` for what cannot be read.
    """
    return _content(source, Path(base_dir), above=())[0]


def _content(
    source: str | Path | Mapping[str, Any], base_dir: Path, above: tuple[str, ...]
) -> tuple[dict[str, Any], Lines, str]:
    """Plain content with `extends` resolved and paths absolute, its lines, and the file that faults carry."""
    lines: Lines = {}
    file = ""
    if isinstance(source, Mapping):
        content = dict(source)
    else:
        place, file = _place(str(source), base_dir)
        content, lines = _file_content(place, file)
        if "components" in content:
            raise InputError(Fault("is a scenario, not a tariff; give the file with the prices", file=file))
        base_dir = place.parent
    content = _absolute(content, base_dir.resolve())
    parent = content.pop("extends", None)
    if parent is None:
        return content, lines, file
    if not isinstance(parent, str):
        raise InputError(
            Fault("must be the name or file of a tariff", path="extends", file=file, line=lines.get(("extends",)))
        )
    if parent in above or len(above) > 10:
        raise InputError(Fault(f"{parent!r} extends itself", path="extends", file=file, line=lines.get(("extends",))))
    try:
        inherited, _, _ = _content(parent, base_dir, (*above, parent))
    except InputError as error:
        here = lines.get(("extends",))
        raise InputError(
            [fault if fault.file else Fault(fault.message, "extends", file, here) for fault in error.faults]
        ) from None
    before = inherited.get("energy")
    lost = before.get("periods", []) if isinstance(before, dict) else []
    if (
        isinstance(lost, list)
        and isinstance(energy := content.get("energy"), dict)
        and len(lost) > 1
        and "periods" not in energy
    ):
        told = (
            f"missing: energy stands for the whole part of {parent}, its {len(lost)} periods included; write them "
            "again, or [{label: all hours}] for one price"
        )
        raise InputError(Fault(told, path="energy.periods", file=file, line=lines.get(("energy",))))
    return {**inherited, **content}, lines, file


def _file_content(place: Path, file: str) -> tuple[dict[str, Any], Lines]:
    try:
        written = place.stat()
    except OSError:
        return read_yaml(place, file=file)
    return _parsed(place, file, written.st_mtime_ns, written.st_size)


@lru_cache(maxsize=16)
def _parsed(place: Path, file: str, written: int, size: int) -> tuple[dict[str, Any], Lines]:
    """A file once for the cases of a study that extend it: parsing takes 20 ms. Nobody changes what comes back."""
    return read_yaml(place, file=file)


def _place(name: str, base_dir: Path) -> tuple[Path, str]:
    """The YAML file of a name or path, and the name that faults carry."""
    if name in tariff_names():
        with as_file(files("vpp_sim.tariffs") / "data" / f"{name}.yaml") as place:
            return place, f"{name}.yaml"
    if name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        return base_dir / name, name
    known = tariff_names()
    close = nearest(name, known)
    hint = f"did you mean {close}?" if close else f"one of {', '.join(known)}, or a path that ends in .yaml"
    raise InputError(Fault(f"unknown tariff {name!r}; {hint}", path="tariff"))


def _absolute(content: dict[str, Any], base_dir: Path) -> dict[str, Any]:
    """The content with the paths of price series made absolute."""
    changed = dict(content)
    for section, key in (("energy", "purchase_price_per_kwh"), ("export", "price_per_kwh")):
        part = changed.get(section)
        price = part.get(key) if isinstance(part, dict) else None
        if isinstance(price, dict) and isinstance(price.get("path"), str):
            changed[section] = {**part, key: {**price, "path": str(base_dir / price["path"])}}  # type: ignore[dict-item]
    return changed

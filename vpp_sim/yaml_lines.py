"""YAML that people write: read safely with the line of every key, and pydantic's errors told in their words.

`read_yaml` knows plain data only (mappings, lists, text, numbers, true/false, null, dates; YAML 1.2, so `yes` and
`17:00` are text). Tags, merge keys, doubled keys, several documents and aliases that expand without bound are
refused. `faults_from_validation` turns what pydantic found into faults that point at those lines.
"""

from __future__ import annotations

import datetime as dt
import re
import types
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from vpp_sim.errors import Fault, InputError, nearest

MAX_BYTES: Final = 5_000_000
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 50
#: Longer whole numbers are read as floats: beyond 1e308 infinite, which every field refuses.
MAX_DIGITS: Final = 300

Path_ = tuple[str | int, ...]
Lines = dict[Path_, int]

_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[-+][0-9]{2}:[0-9]{2})?"
)
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_yaml(path: str | Path, *, file: str | None = None) -> tuple[dict[str, Any], Lines]:
    """Content of a YAML file as plain containers, and the line (from 1) of every key and list entry.

    Lines are found by path: `lines["components", "battery", "power_kw"]`, `lines["fleets", 0]`; `lines[()]` is the
    line where the mapping begins. Content reached through an alias has the lines of its anchor. `file` is the name
    that faults carry, the path if left out.

    Raises:
        InputError: no such file, a folder, empty, binary, not UTF-8, above 5 MB, not a mapping, bad syntax, a tag,
            a merge key, a doubled key, several documents, nesting above 50 levels, aliases that expand to more
            than 100,000 values.
    """
    name = str(path) if file is None else file
    return parse_yaml(_text_of(Path(path), name), file=name)


def parse_yaml(text: str, *, file: str = "") -> tuple[dict[str, Any], Lines]:
    """What `read_yaml` gives, from text; `file` is the name that faults carry.

    >>> parse_yaml("battery:\\n  power_kw: 1800\\n")
    ({'battery': {'power_kw': 1800}}, {(): 1, ('battery',): 1, ('battery', 'power_kw'): 2})
    """
    if not text.strip():
        raise InputError(Fault("the file is empty; expected a mapping of `key: value` lines", file=file))
    try:
        content, lines = _Reader(text, file).read()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "bad YAML").strip()
        hint = "; indent with spaces, not tabs" if "\\t" in problem else "; check indentation, quotes and brackets here"
        raise InputError(
            Fault(f"not valid YAML: {problem}{hint}", file=file, line=None if mark is None else mark.line + 1)
        ) from None
    except YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            Fault(f"not valid YAML: {_short(reason, 120)}; save the file as plain UTF-8 text", file=file)
        ) from None
    if not isinstance(content, dict):
        raise InputError(
            Fault(f"must be a mapping of `key: value` lines, got {_kind_of(content)}", file=file, line=lines.get((), 1))
        )
    return content, lines


def _text_of(path: Path, file: str) -> str:
    """The text of a file that is small, readable and UTF-8."""
    if path.is_dir():
        raise InputError(Fault("is a folder; give a YAML file", file=file))
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        raise InputError(Fault(f"no such file; did you mean {close}?" if close else "no such file", file=file))
    try:
        if path.is_char_device() or path.is_block_device():
            raise InputError(Fault("is a device; give a YAML file", file=file))
        size = path.stat().st_size
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise InputError(
                Fault(
                    f"{max(size, len(raw)) / 1e6:.1f} MB is too large (at most {MAX_BYTES / 1e6:.0f} MB); "
                    "put series into CSV or Parquet files",
                    file=file,
                )
            )
    except OSError as error:
        raise InputError(Fault(f"cannot be read: {error.strerror or error}", file=file)) from None
    try:
        if b"\0" in raw:
            raise UnicodeDecodeError("utf-8", raw, raw.index(b"\0"), raw.index(b"\0") + 1, "binary content")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(Fault("is binary or not UTF-8; save it as UTF-8 text", file=file, line=line)) from None


class _Reader:
    """One pass over the parser's events; counts every value, also those that aliases repeat."""

    def __init__(self, text: str, file: str) -> None:
        self.events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self.file = file
        self.lines: Lines = {}
        self.nodes = 0
        self.faults: list[Fault] = []
        self.anchors: dict[str, tuple[Any, Lines, int]] = {}

    def read(self) -> tuple[Any, Lines]:
        content: Any = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.refuse("a second document begins here; write one document per file", event)
                content = self.value(next(self.events), ())
        if self.faults:
            raise InputError(self.faults)
        return content, self.lines

    def refuse(self, message: str, event: Any) -> None:
        raise InputError([*self.faults, Fault(message, file=self.file, line=event.start_mark.line + 1)])

    def count(self, number: int, event: Any) -> None:
        self.nodes += number
        if self.nodes > MAX_NODES:
            self.refuse(
                f"more than {MAX_NODES:,} values (aliases counted as often as used); put series into CSV files", event
            )

    def value(self, event: Any, path: Path_) -> Any:
        """The value that begins at `event`; fills `lines` below `path`."""
        line = event.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(path) > MAX_DEPTH:
            self.refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        if isinstance(event, AliasEvent):
            return self.alias(event, path)
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.refuse(f"tag {str(tag)!r} is not allowed; write plain values", event)
        self.count(1, event)
        before = self.nodes
        found: Any
        if isinstance(event, ScalarEvent):
            if any("\ud800" <= mark <= "\udfff" for mark in event.value):
                self.refuse("holds half a character (\\ud800 to \\udfff); write the character itself", event)
            plain = event.style in (None, "")
            found = _scalar(event.value) if plain else event.value
        elif isinstance(event, SequenceStartEvent):
            found = self.entries(path)
        else:
            found = self.mapping(path)
        if event.anchor is not None:
            below = {key[len(path) :]: at for key, at in self.lines.items() if key[: len(path)] == path}
            self.anchors[str(event.anchor)] = (found, below, self.nodes - before + 1)
        return found

    def alias(self, event: Any, path: Path_) -> Any:
        name = str(event.anchor)
        if name not in self.anchors:
            self.refuse(f"alias *{name} has no anchor &{name} that ends before it", event)
        found, below, size = self.anchors[name]
        self.count(size, event)
        for key, line in below.items():
            if key:
                self.lines[path + key] = line
        return _copied(found)

    def entries(self, path: Path_) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            found.append(self.value(event, (*path, len(found))))
        return found

    def mapping(self, path: Path_) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self.key(event)
            line = event.start_mark.line + 1
            at = (*path, key)
            if key in found:
                dotted = dotted_path(at)
                first = self.lines[at]
                self.faults.append(
                    Fault(f"doubled key; it stands already in line {first}", path=dotted, file=self.file, line=line)
                )
                self.value(next(self.events), (*at, "second"))
                continue
            self.lines[at] = line
            found[key] = self.value(next(self.events), at)
        return found

    def key(self, event: Any) -> str | int:
        if not isinstance(event, ScalarEvent) or getattr(event, "tag", None) is not None:
            self.refuse("a key must be plain text", event)
        self.count(1, event)
        if event.value == "<<" and event.style in (None, ""):
            self.refuse("merge keys (<<) are not allowed; write the keys out", event)
        key = _scalar(event.value) if event.style in (None, "") else event.value
        return key if type(key) is int else str(event.value)


def _scalar(word: str) -> Any:
    """The value of an unquoted word; an impossible date stays text."""
    if word in _WORDS:
        return _WORDS[word]
    try:
        if _INTEGER.fullmatch(word):
            return int(word) if len(word) <= MAX_DIGITS else float(word.replace("_", ""))
        if _FLOAT.fullmatch(word):
            return float(word.replace("_", ""))
        if _SPECIAL_FLOAT.fullmatch(word):
            return float(word.replace(".", "", 1))
        if _DATE.fullmatch(word):
            return dt.date.fromisoformat(word)
        if _DATETIME.fullmatch(word):
            return dt.datetime.fromisoformat(word)
    except ValueError:
        return word
    return word


def _copied(content: Any) -> Any:
    """A copy of nested containers, so that two aliases never share what can be changed."""
    if isinstance(content, dict):
        return {key: _copied(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_copied(value) for value in content]
    return content


def dotted_path(path: Sequence[str | int]) -> str:
    """The place in a file as people write it.

    >>> dotted_path(("charging", "fleets", 0, "power_kw"))
    'charging.fleets[0].power_kw'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def line_of(path: Sequence[str | int], lines: Mapping[Path_, int]) -> int | None:
    """Line of a path, or of the nearest key above it; None where nothing is known."""
    for length in range(len(path), -1, -1):
        if (line := lines.get(tuple(path[:length]))) is not None:
            return line
    return None


def faults_from_validation(
    error: ValidationError,
    lines: Mapping[Path_, int],
    file: str,
    prefix: Sequence[str | int] = (),
    *,
    model: Any,
) -> list[Fault]:
    """What pydantic found wrong, one fault per wrong value, sorted by line.

    Args:
        error: as raised by `model.model_validate(...)` or `TypeAdapter(model).validate_python(...)`.
        lines: from `read_yaml`; empty where there is no file.
        file: the file as the user named it.
        prefix: where in the file the validated part stands, e.g. `("components", "battery")`.
        model: the model class (or any annotation) that was validated; doc, unit, bounds and known keys are read
            from its fields.

    In a union only the errors of the member that was meant are told: the one whose tag was given, or the one whose
    type fits what was written.
    """
    placed = [_Placed(detail, model) for detail in error.errors(include_url=False)]
    order = {id(found): position for position, found in enumerate(placed)}
    faults = []
    for found in sorted(_meant(placed), key=lambda found: order[id(found)]):
        inner, message = found.named_by_validator()
        path = (*prefix, *found.path, *inner)
        faults.append(Fault(message, path=dotted_path(path), file=file, line=line_of(path, lines)))
    unique = dict.fromkeys(faults)
    return sorted(unique, key=lambda fault: fault.line or 0)


class _Placed:
    """One error of pydantic with its path in the data, the field it is about and the union members passed."""

    def __init__(self, detail: ErrorDetails, model: Any) -> None:
        self.detail = detail
        self.path: Path_ = ()
        self.field: FieldInfo | None = None
        #: (path in the data, member name) of every undiscriminated union passed
        self.unions: list[tuple[Path_, str]] = []
        self.expected: list[str] = []
        self._walk(model, list(detail["loc"]))

    def _walk(self, model: Any, location: list[str | int]) -> None:
        annotation = _Annotation(model)
        self.at = annotation
        self.keys_beside: list[str] = []
        while location or annotation.members:
            if annotation.members:
                if not location:
                    break
                label = str(location.pop(0))
                if not annotation.discriminated:
                    self.unions.append((self.path, label))
                chosen = annotation.member(label)
                annotation = _Annotation(chosen)
            else:
                part = location.pop(0)
                if part == "[key]":
                    continue
                self.path = (*self.path, part)
                self.keys_beside = annotation.keys()
                annotation, field = annotation.below(part)
                self.field = field if field is not None else self.field if isinstance(part, int) else None
            self.at = annotation

    def is_plain_type_error(self) -> bool:
        """Whether the value as a whole is of the wrong type for the last union member passed."""
        return bool(self.unions) and self.unions[-1][0] == self.path and self.detail["type"] in _TYPE_ERRORS

    def message(self) -> str:
        return _message(self)

    def named_by_validator(self) -> tuple[Path_, str]:
        """Path below this one, and message: a validator of a whole model names the field as `field: what is wrong`."""
        message = self.message()
        named = re.match(r"([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*): ", message)
        if self.detail["type"] != "value_error" or named is None:
            return (), message
        parts = named[1].split(".")
        return (tuple(parts), message[named.end() :]) if parts[0] in self.at.keys() else ((), message)  # noqa: SIM118


class _Annotation:
    """A type annotation stripped down to a model, a container, a union or a plain type."""

    def __init__(self, annotation: Any) -> None:
        self.members: list[Any] = []
        self.discriminator: str | None = None
        self.discriminated = False
        self.bare = annotation
        while True:
            origin = get_origin(self.bare)
            if origin is Annotated:
                for extra in get_args(self.bare)[1:]:
                    named = getattr(extra, "discriminator", None)
                    if isinstance(extra, Discriminator) or named is not None:
                        self.discriminated = True
                        inner = named.discriminator if isinstance(named, Discriminator) else named
                        self.discriminator = inner if isinstance(inner, str) else None
                self.bare = get_args(self.bare)[0]
            elif origin in (Union, types.UnionType):
                choices = [choice for choice in get_args(self.bare) if choice is not type(None)]
                if len(choices) == 1:
                    self.bare = choices[0]
                    continue
                self.members = choices
                return
            elif hasattr(self.bare, "__value__"):  # type X = ...
                self.bare = self.bare.__value__
            else:
                return

    @property
    def is_model(self) -> bool:
        return isinstance(self.bare, type) and issubclass(self.bare, BaseModel)

    def fields(self) -> dict[str, FieldInfo]:
        return dict(self.bare.model_fields) if self.is_model else {}

    def keys(self) -> list[str]:
        return [field.alias or name for name, field in self.fields().items()]

    def member(self, label: str) -> Any:
        """The union member that pydantic calls `label`, or `function-after[validator(), label]`."""
        while wrapped := re.fullmatch(r"function-\w+\[\w*\(\), (.*)\]", label):
            label = wrapped[1]
        for choice in self.members:
            if label in _labels(choice, self.discriminator):
                return choice
        return Any

    def below(self, part: str | int) -> tuple[_Annotation, FieldInfo | None]:
        """The annotation (and the field) of one key or entry inside."""
        if self.is_model:
            for name, field in self.fields().items():
                if part in (name, field.alias):
                    annotation = field.annotation
                    named: Any = field.discriminator
                    if named is not None:
                        annotation = Annotated[annotation, Discriminator(named) if isinstance(named, str) else named]  # type: ignore[assignment]
                    elif any(isinstance(extra, Discriminator) for extra in field.metadata):
                        annotation = Annotated[annotation, *field.metadata]  # type: ignore[assignment]
                    return _Annotation(annotation), field
            return _Annotation(Any), None
        arguments = get_args(self.bare)
        origin = get_origin(self.bare)
        if origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
            return _Annotation(arguments[1]), None
        if origin is tuple and isinstance(part, int) and len(arguments) > part and arguments[-1] is not Ellipsis:
            return _Annotation(arguments[part]), None
        return _Annotation(arguments[0] if arguments else Any), None


def _labels(choice: Any, discriminator: str | None) -> set[str]:
    """Names under which pydantic may report a union member."""
    labels: set[str] = set()
    if get_origin(choice) is Annotated:
        labels |= {extra.tag for extra in get_args(choice)[1:] if isinstance(extra, Tag)}
        labels |= _labels(get_args(choice)[0], discriminator)
        return labels
    bare = _Annotation(choice).bare
    if isinstance(bare, type):
        labels.add(bare.__name__)
        if discriminator and issubclass(bare, BaseModel) and discriminator in bare.model_fields:
            labels |= {str(value) for value in get_args(bare.model_fields[discriminator].annotation)}
    origin = get_origin(bare)
    if origin is Literal:
        labels.add("literal[" + ",".join(repr(value) for value in get_args(bare)) + "]")
    elif origin is not None:
        labels.add(_schema_label(choice))
        labels.add(getattr(origin, "__name__", str(origin)))
    return {*labels, _schema_label(choice)}


def _schema_label(choice: Any) -> str:
    """The label of a union member that pydantic derives from its schema, e.g. `list[float]`; empty if it has none."""
    schema: Any = TypeAdapter(choice).core_schema
    names = {"int": "int", "float": "float", "str": "str", "bool": "bool"}
    kind = schema.get("type", "")
    if kind == "list":
        return f"list[{names.get(schema.get('items_schema', {}).get('type', ''), 'any')}]"
    return names.get(kind, str(kind))


_TYPE_ERRORS: Final = {
    f"{kind}_{what}"
    for kind in ("float", "int", "string", "bool", "list", "tuple", "dict", "model", "date", "datetime", "time", "set")
    for what in ("type", "parsing", "attributes_type", "from_date_parsing", "from_datetime_parsing")
} | {"literal_error", "none_required", "model_attributes_type", "is_instance_of", "dataclass_type"}


def _meant(placed: list[_Placed]) -> list[_Placed]:
    """Errors without those of union members that were not meant."""
    groups: dict[Path_, dict[str, list[_Placed]]] = defaultdict(lambda: defaultdict(list))
    kept: list[_Placed] = []
    for found in placed:
        if found.unions:
            path, member = found.unions[0]
            groups[path][member].append(found)
        else:
            kept.append(found)
    for members in groups.values():
        fitting = {name: faults for name, faults in members.items() if not all(f.is_plain_type_error() for f in faults)}
        if fitting:
            best = min(fitting.values(), key=lambda faults: (len(faults), -max(len(f.path) for f in faults)))
            for found in best:
                found.unions.pop(0)
            kept.extend(_meant(best))
        else:
            first = next(iter(members.values()))[0]
            first.expected = [_wanted(found) for faults in members.values() for found in faults[:1]]
            kept.append(first)
    return kept


def _unit_of(field: FieldInfo | None) -> str:
    extra = field.json_schema_extra if field is not None else None
    unit = extra.get("unit", "-") if isinstance(extra, dict) else "-"
    return "" if unit == "-" else str(unit)


def _short(value: Any, length: int = 60) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= length else text[: length - 3] + "..."


def _kind_of(value: Any) -> str:
    """What a value is, for `got ...`.

    >>> _kind_of({"a": 1}), _kind_of("3,6"), _kind_of(None), _kind_of(-4.0), _kind_of(True)
    ('a mapping', "'3,6'", 'nothing', '-4', 'true')
    """
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, str):
        return repr(_short(value))
    return _short(str(value))


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = nearest(word, known)
    if close:
        return f"; did you mean {close}?"
    return f"; one of {', '.join(sorted(known))}" if known else ""


def _wanted(found: _Placed) -> str:
    """What would have been right, in words, for one type error."""
    kind = found.detail["type"]
    unit = _unit_of(found.field)
    bracket = f" [{unit}]" if unit else ""
    if kind.startswith("float"):
        return f"a number{bracket}"
    if kind.startswith("int"):
        return f"a whole number{bracket}"
    if kind.startswith("string"):
        return "text"
    if kind.startswith("bool"):
        return "true or false"
    if kind.startswith(("list", "tuple", "set")):
        return "a list"
    if kind.startswith("datetime"):
        return "a time such as 2025-01-31 17:00"
    if kind.startswith("date"):
        return "a date such as 2025-01-31"
    if kind.startswith("time"):
        return "a time of day such as 17:00"
    if kind == "literal_error":
        return "one of " + ", ".join(_literals(found))
    tags = sorted(tag for choice in found.at.members for tag in _tags(choice, found.at.discriminator))
    if found.at.discriminator and tags:
        return f"a mapping with {found.at.discriminator}: {' or '.join(tags)}"
    keys = found.at.keys()
    return f"a mapping with {', '.join(keys)}" if keys else "a mapping"


def _literals(found: _Placed) -> list[str]:
    expected = str(found.detail.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'\"") for word in re.split(r", | or ", expected) if word.strip()]


def _number_hint(value: Any, unit: str) -> str:
    """A remedy where text stands for a number: a unit written behind it, a decimal comma, a percent sign."""
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if re.fullmatch(r"[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+", text):
        plain = text.replace(",", "")
        point = f", or {text.replace(',', '.')} if the comma is a decimal one" if text.count(",") == 1 else ""
        return f"; write {plain} without thousands separators{point}"
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", text):
        return "; write a decimal point"
    if re.fullmatch(r"[-+]?[0-9.]+\s*%", text):
        return "; write a fraction such as 0.95 for 95 %"
    if re.fullmatch(r"[-+]?[0-9.]+\s*[A-Za-z/]+", text):
        return f"; write the number alone, in {unit}" if unit else "; write the number alone"
    return ""


def percent_hint(value: float, most: float = 1.0) -> str:
    """A remedy where a number above a bound of at most 1 looks like a percentage.

    >>> percent_hint(95), percent_hint(950)
    (' (a fraction: 95 % is 0.95)', '')
    """
    return f" (a fraction: {value:g} % is {value / 100:g})" if 1 < value <= 100 * most else ""


_BOUNDS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}


def _message(found: _Placed) -> str:
    detail = found.detail
    kind = detail["type"]
    value = detail["input"]
    context: dict[str, Any] = dict(detail.get("ctx", {}))
    unit = _unit_of(found.field)
    if found.expected:
        choices = " or ".join(dict.fromkeys(found.expected))
        return f"must be {choices}, got {_kind_of(value)}{_number_hint(value, unit)}"
    if kind == "missing":
        doc = (found.field.description if found.field is not None else None) or "a required value"
        return f"missing: {doc}" + (f" [{unit}]" if unit else "")
    if kind == "extra_forbidden":
        if isinstance(value, dict) and "kind" in value:
            return "unknown key; if it is a component of its own, check its indentation: it stands inside another one"
        return "unknown key" + _did_you_mean(str(found.path[-1]), found.keys_beside)
    if kind == "invalid_key":
        return f"a key must be text, got {_kind_of(value)}; write numbers without commas (1000, not 1,000)"
    if kind in _BOUNDS:
        short, words = _BOUNDS[kind]
        bound = context[short]
        spaced = f" {unit}" if unit else ""
        hint = ""
        if kind.startswith("less") and bound <= 1 and unit in ("", "1/a") and isinstance(value, int | float):
            hint = percent_hint(value, most=bound)
        return f"must be {words} {_kind_of(bound)}{spaced}, got {_kind_of(value)}{hint}"
    if kind == "finite_number":
        return f"must be a finite number{f' [{unit}]' if unit else ''}, got {_kind_of(value)}"
    if kind == "int_from_float":
        return f"must be a whole number{f' [{unit}]' if unit else ''}, got {_kind_of(value)}"
    if kind == "union_tag_invalid":
        tags = [tag.strip().strip("'") for tag in str(context["expected_tags"]).split(", ")]
        name = str(context["discriminator"]).strip("'")
        noun = "key" if name.endswith("()") else name
        close = nearest(str(context["tag"]), tags)
        return (
            f"unknown {noun} '{context['tag']}'; "
            + (f"did you mean {close}? " if close else "")
            + f"one of {', '.join(sorted(tags))}"
        )
    if kind == "union_tag_not_found":
        name = str(context["discriminator"]).strip("'")
        tags = sorted(tag for choice in found.at.members for tag in _tags(choice, found.at.discriminator))
        if isinstance(value, dict) or not name.endswith("()"):
            return f"missing: {name}" + (f", one of {', '.join(tags)}" if tags else "")
        return f"cannot be understood: {_kind_of(value)}"
    if kind == "literal_error":
        words = ", ".join(_literals(found))
        close = nearest(value, _literals(found)) if isinstance(value, str) else None
        return f"must be one of {words}, got {_kind_of(value)}" + (f"; did you mean {close}?" if close else "")
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", detail["msg"]))
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        bound, words = (
            (context.get("min_length"), "at least") if "short" in kind else (context.get("max_length"), "at most")
        )
        what = "characters" if kind.startswith("string") else "entries" if bound != 1 else "entry"
        actual = context.get("actual_length", len(value) if hasattr(value, "__len__") else "?")
        return f"must have {words} {bound} {what}, got {actual}"
    if kind in _TYPE_ERRORS:
        return f"must be {_wanted(found)}, got {_kind_of(value)}{_number_hint(value, unit)}"
    text = detail["msg"]
    return f"{text[:1].lower()}{text[1:]}, got {_kind_of(value)}"


def _tags(choice: Any, discriminator: str | None) -> set[str]:
    """Discriminator values of one union member."""
    if get_origin(choice) is Annotated:
        tags = {extra.tag for extra in get_args(choice)[1:] if isinstance(extra, Tag)}
        return tags or _tags(get_args(choice)[0], discriminator)
    if (
        discriminator
        and isinstance(choice, type)
        and issubclass(choice, BaseModel)
        and discriminator in choice.model_fields
    ):
        return {str(value) for value in get_args(choice.model_fields[discriminator].annotation)}
    return set()

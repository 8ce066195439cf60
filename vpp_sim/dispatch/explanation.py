"""Why a site cannot be run, and what would do: findings, remedies, and both in words and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpp_sim.components.base import FloatArray
from vpp_sim.time_grid import TimeGrid

#: A limit that must rise by so many times what is wanting is not named as the one that is short.
MUCH_MORE = 2.0
#: Energy that is left undone and told.
WORTH_SAYING_KWH = 1.0

BoolArray = NDArray[np.bool_]

#: Spans of time, and remedies, that the text lists; the plain data hold all.
LISTED_SPANS = 5
LISTED_REMEDIES = 4
#: Parts of the day by local hours, the first that holds all of them: name, first hour, hour after the last.
PARTS_OF_DAY = (("evenings", 16, 24), ("mornings", 5, 12), ("afternoons", 11, 18), ("nights", 0, 6))


def figure(value: float) -> str:
    """A number with four digits.

    >>> figure(2310.44), figure(50.0), figure(0.0912345)
    ('2,310', '50', '0.09123')
    """
    return f"{float(f'{value:.4g}'):,.10g}"


def exact(value: float) -> str:
    """A number with all its digits.

    >>> exact(3412.0), exact(0.35)
    ('3,412', '0.35')
    """
    return f"{value:,.12g}"


@dataclass(frozen=True)
class Span:
    """A span of local time, and the most that is wanting in it."""

    start: str
    end: str
    amount: float


def spans_of(grid: TimeGrid, amounts: FloatArray, wanting: BoolArray) -> tuple[Span, ...]:
    """Spans of adjoining steps in which something is wanting; `amounts` and `wanting` are (num_steps,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanting, [False]]).astype(np.int8)))
    length = np.timedelta64(grid.step_minutes, "m")
    found = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        until = grid.local[end - 1] + length
        span = f"{grid.local[begin]:%Y-%m-%d %H:%M}", f"{until:%Y-%m-%d %H:%M}"
        found.append(Span(*span, float(amounts[begin:end].max())))
    return tuple(found)


def days_in_words(grid: TimeGrid, wanting: BoolArray) -> str:
    """On how many days steps lie, and in which part of the day: `11 evenings of 365 days`."""
    number = np.unique(grid.day[wanting]).size
    hours = grid.hour_of_day[wanting]
    part = next((word for word, first, last in PARTS_OF_DAY if ((hours >= first) & (hours < last)).all()), "days")
    word = "" if part == "days" else f"{part.removesuffix('s') if number == 1 else part} "
    return f"{number:,} {word}of {grid.num_days:,} days" if grid.num_days > 1 else ""


@dataclass(frozen=True)
class Finding:
    """One limit that cannot be met: of a component (or `bus`, `targets`), which, on which side, by how much and when.

    `side` is `short` or `over` for the balance of the bus, else `above`, `below` or `missed`. `amount` [unit] is the
    most at any time, `total` its sum over the horizon where that means something.
    """

    component: str
    limit: str
    side: str
    unit: str
    amount: float
    words: str
    total: float | None = None
    total_unit: str = ""
    num_steps: int = 0
    days: str = ""
    spans: tuple[Span, ...] = ()
    #: Powers that stand at their limit whenever something is wanting, by block [kW].
    at_limits: Mapping[str, str] = field(default_factory=dict)

    @property
    def held(self) -> set[str]:
        """Components of which something stands at its limit then."""
        return {limit.partition(".")[0] for limit in self.at_limits}

    def lines(self) -> list[str]:
        """The finding and its first spans."""
        text = f"  {self.words}"
        if self.num_steps:
            steps = f"{self.num_steps:,} step{'s' if self.num_steps > 1 else ''}"
            text += f" in {steps} on {self.days}" if self.days else f" in {steps}"
        listed = [f"    {span.start} to {span.end}: {figure(span.amount)} {self.unit}" for span in self.spans]
        more = len(listed) - LISTED_SPANS
        return [text, *listed[:LISTED_SPANS], *([f"    and {more} more"] if more > 0 else [])]


@dataclass(frozen=True)
class Remedy:
    """One change that is enough, tried by solving: `settings` are values by place, as for `--set`."""

    component: str
    field: str
    words: str
    unit: str
    value: float | str | bool
    to: float | str | bool
    settings: Mapping[str, Any]
    less_service: bool = False
    #: Service that is asked for at a price and not given once this is done (of a combination: once all is) [kWh].
    undone_kwh: float = 0.0
    #: What else is to be said of the site as it then runs.
    remark: str = ""

    @property
    def amount(self) -> float | None:
        """By how much a number changes."""
        if isinstance(self.value, bool | str) or isinstance(self.to, bool | str):
            return None
        return round(self.to - self.value, 12)

    @property
    def rises(self) -> bool:
        """Whether it is a number that becomes larger."""
        return self.amount is not None and self.amount > 0.0

    def phrase(self) -> str:
        """`battery energy of 4,240 kWh (640 more)`."""
        name = f"{self.component} {self.words}"
        if self.amount is None:
            return f"{name} {str(self.to).lower()}"
        unit = "" if self.unit in ("-", self.words) else f" {self.unit}"
        much = f"{exact(round(abs(self.amount), 12))} {'more' if self.amount > 0 else 'less'}"
        return f"{name} of {exact(float(self.to))}{unit} ({much})"

    def after_words(self) -> str:
        """What is still left undone, and what else is to be said."""
        undone = f"then {figure(self.undone_kwh)} kWh that have a price are not given (load shed, work missed, ...)"
        said = [undone] if self.undone_kwh >= WORTH_SAYING_KWH else []
        return "".join(f"; {words}" for words in (*said, *([self.remark] if self.remark else [])))

    def set_words(self) -> str:
        """What to write behind the command: `--set battery.energy_kwh=4240`."""
        return " ".join(f"--set {place}={_plain(value)}" for place, value in self.settings.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "set": dict(self.settings),
            "component": self.component,
            "field": self.field,
            "unit": self.unit,
            "from": self.value,
            "to": self.to,
            "change": self.amount,
            "undone_kwh": self.undone_kwh,
            "remark": self.remark,
            "words": self.phrase(),
        }


def _plain(value: float | str | bool | None) -> str:
    if value is None:
        return "null"
    return f"{value:.12g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value).lower()


@dataclass(frozen=True)
class Explanation:
    """Why nothing meets every limit; each of `remedies` alone is enough, `combination` all together."""

    findings: tuple[Finding, ...]
    remedies: tuple[Remedy, ...] = ()
    combination: tuple[Remedy, ...] = ()
    not_enough: tuple[str, ...] = ()
    #: What might do and was not settled for want of time.
    not_tried: tuple[str, ...] = ()
    advice: str = ""
    searched: bool = False
    opening: str = "no operation meets every limit"
    #: Remarks of components on numbers of theirs that look wrong, as questions: the cause more often than any limit.
    doubts: tuple[str, ...] = ()

    def to_list(self) -> list[dict[str, Any]]:
        """One plain entry per finding; remedies are of the whole site and stand in each."""
        common = {
            "remedies": [remedy.to_dict() for remedy in self.remedies],
            "combination": [remedy.to_dict() for remedy in self.combination],
            "not_enough": list(self.not_enough),
            "not_tried": list(self.not_tried),
            "doubts": list(self.doubts),
        }
        short = [self._main(finding) for finding in self.findings]
        return [
            {**asdict(finding), "limit_that_is_short": remedy and f"{remedy.component}.{remedy.field}", **common}
            for finding, remedy in zip(self.findings, short, strict=True)
        ]

    def __str__(self) -> str:
        lines = [f"{self.opening}: {self._headline()}"]
        for finding in self.findings:
            lines += finding.lines()
            held = [f"{name} {power} kW" for name, power in finding.at_limits.items()]
            lines += [f"    at their limits then: {', '.join(held)}"] if held else []
        if self.doubts:
            lines += ["  look at these numbers first:", *(f"    {doubt}" for doubt in self.doubts)]
        if self.remedies:
            count = "this alone is enough" if len(self.remedies) == 1 else "each of these alone is enough"
            lines.append(f"  {count}, tried by solving again:")
            lines += [
                f"    {remedy.set_words()}    {remedy.phrase()}{remedy.after_words()}" for remedy in self.remedies
            ]
        if self.combination:
            other = "other " if self.remedies else ""
            lines.append(f"  no {other}single change is enough; together these are, tried by solving again:")
            lines += [f"    {remedy.set_words()}    {remedy.phrase()}" for remedy in self.combination]
            lines[-1] += self.combination[-1].after_words()
        if self.not_enough:
            lines.append(f"  not enough alone, whatever the value: {', '.join(self.not_enough)}")
        if self.not_tried:
            lines.append(f"  not settled for want of time: {', '.join(self.not_tried)}")
        if self.searched and not self.remedies and not self.combination:
            lines.append("  no change of a size, limit or target that was tried is enough")
        if self.advice:
            lines.append(f"  {self.advice}")
        return "\n".join(lines)

    def _headline(self) -> str:
        first = self.findings[0]
        return "; ".join(part for part in (self._what(first), self._would_do()) if part)

    def _what(self, first: Finding) -> str:
        main = self._main(first)
        if first.side not in ("short", "over") or not first.spans:
            return (
                first.words if main is None else f"{_limit(main)} is short by {figure(main.amount or 0.0)} {main.unit}"
            )
        subject, side, amount = "the bus", first.side, first.amount
        if main is not None and main.amount is not None:
            subject, side, amount = _limit(main), "short", main.amount
        span = first.spans[0]
        when = f"{span.start}-{span.end[11:]}" if span.start[:10] == span.end[:10] else f"{span.start} to {span.end}"
        often = f", {first.days}" if first.days and len(first.spans) > 1 else ""
        return f"{subject} is {side} by {figure(amount)} {first.unit} on {when}{often}"

    def _main(self, first: Finding) -> Remedy | None:
        """The limit that is short: what stands at its limit whenever something is wanting, and would do if larger."""
        for remedy in self.remedies:
            known = remedy.component in first.held or remedy.component == first.component
            # what would have to rise by far more than is wanting is not what is short
            near = first.side not in ("short", "over") or (remedy.amount or 0.0) <= MUCH_MORE * first.amount
            if known and remedy.rises and remedy.unit == first.unit and near:
                return remedy
        return None

    def _would_do(self) -> str:
        phrases = [remedy.phrase() for remedy in self.remedies[:LISTED_REMEDIES]]
        if self.combination:
            phrases.append(f"{' and '.join(remedy.phrase() for remedy in self.combination)} together")
        return f"{', or '.join(phrases)} would do" if phrases else ""


def _limit(remedy: Remedy) -> str:
    """`grid import limit 3,000 kW`: the limit as it is."""
    return f"{remedy.component} {remedy.words} {exact(float(remedy.value))} {remedy.unit}"


def joined(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)

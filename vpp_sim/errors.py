"""Every exception that vpp_sim raises on purpose, and the form of a fault: place, path, what, what next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in an input, as `file:line: path: message`.

    `file` is the file as the user named it, `line` counts from 1 (None where a line makes no sense),
    `path` is the dotted place inside the file (`battery.energy_kwh`, a column name), `message` says what is
    wrong, what was got and what would be right.
    """

    message: str
    path: str = ""
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line is not None else "")
        return ": ".join(part for part in (place, self.path, self.message) if part)

    def at(self, *, file: str | None = None, line: int | None = None, path: str | None = None) -> Fault:
        """The same fault with the places that were still unknown filled in."""
        return replace(
            self,
            file=self.file or (file or ""),
            line=self.line if self.line is not None or self.file else line,
            path=self.path or (path or ""),
        )


class VppSimError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class InputError(VppSimError):
    """Something the user gave cannot be used; carries every fault found, sorted by file and line."""

    exit_code = 2

    def __init__(self, faults: Fault | str | Iterable[Fault]) -> None:
        if isinstance(faults, str):
            faults = Fault(faults)
        listed = [faults] if isinstance(faults, Fault) else list(faults)
        self.faults: tuple[Fault, ...] = tuple(sorted(listed, key=lambda fault: (fault.file, fault.line or 0)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class InfeasibleError(VppSimError):
    """The site as described cannot be run: no dispatch meets every limit, or the cost has no lower bound.

    `findings` are plain data, one entry for each limit that cannot be met: `component`, `limit`, `unit`, `amount`,
    `spans` of local time, and `remedies` of the whole site, each of them enough alone. The text says the same.
    """

    exit_code = 3

    def __init__(self, message: str, findings: Iterable[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.findings: tuple[Mapping[str, Any], ...] = tuple(findings)

    @property
    def remedies(self) -> list[Mapping[str, Any]]:
        """Changes of which each alone is enough, with the values to set (`set`); none where not looked for."""
        return list(self.findings[0].get("remedies", ())) if self.findings else []


class SolverLimitError(VppSimError):
    """The solver stopped at a limit (time, iterations, accuracy) before an optimum was certified."""

    exit_code = 4


class DefectError(VppSimError):
    """A check of our own failed: a defect of vpp_sim, not of the input."""

    exit_code = 1


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is most likely a misspelling of, or None.

    >>> nearest("charge_eff", ["charge_efficiency", "power_kw"])
    'charge_efficiency'
    """
    candidates = list(known)
    prefixed = [candidate for candidate in candidates if candidate.startswith(word) and len(word) >= 3]
    if len(prefixed) == 1:
        return prefixed[0]
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return close[0] if close else None

"""Files of a study, tables as CSV and figures as PNG, and the folder that they make."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpp_sim.errors import InputError
from vpp_sim.report.figures.style import page_style
from vpp_sim.report.folder import check_place, write_json
from vpp_sim.whole_files import reason, whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.figure import Figure

STUDY_FILE = "study.json"
DOTS_PER_INCH = 150


def png(draw: Callable[[], Figure]) -> bytes:
    """A figure in the style of the page as PNG."""
    buffer = io.BytesIO()
    with page_style():
        draw().savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def csv(table: pd.DataFrame) -> bytes:
    """A table as CSV."""
    return str(table.to_csv(index=False, lineterminator="\n")).encode()


def check_study_place(folder: Path) -> None:
    """Refuse a place for a study that holds something else, or that cannot be written to.

    Raises:
        InputError: it cannot be used.
    """
    check_place(folder, STUDY_FILE, "study")


def write_study_folder(folder: Path, document: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a study's files and `study.json` to a folder, whole or not at all; an earlier study there is replaced.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    check_study_place(folder)
    try:
        with whole_folder(folder) as made:
            write_json(made / STUDY_FILE, document)
            for name, content in files.items():
                (made / name).write_bytes(content)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {reason(error)}; nothing was left behind") from error

"""Files of a study: tables as CSV, figures as PNG; added to the folder of a run, or a folder of their own."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpp_sim.errors import InputError
from vpp_sim.report.figures.style import page_style
from vpp_sim.report.folder import finite, read_run_document, seal

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


def add_to_run_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files into the folder of a run, under its seal.

    Raises:
        InputError: it cannot be written.
    """
    document = read_run_document(folder)
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        seal(folder, document)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error


def write_study_folder(folder: Path, document: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a study's files and `study.json` to a folder, whole or not at all; an earlier study there is replaced.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    folder = folder.absolute()
    if folder.exists() and not (folder / STUDY_FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is not the result of an earlier study; choose another --out")
    made = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        text = json.dumps(finite(document), indent=2, ensure_ascii=False) + "\n"
        (made / STUDY_FILE).write_text(text, encoding="utf-8")
        for name, content in files.items():
            (made / name).write_bytes(content)
        made.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)

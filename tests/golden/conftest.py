"""What texts of programs have in common: the digits that count, and where they are written anew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vpp_sim.lp import LinearProgram
from vpp_sim.lp.export import lp_text

WRITE = "VPP_SIM_WRITE_GOLDEN"


@pytest.fixture(scope="session")
def check_golden() -> Callable[[LinearProgram, Path], None]:
    """`check_golden(program, file)`: its text is the file's, which is written instead where WRITE is set."""

    def check(program: LinearProgram, file: Path) -> None:
        # the last digits of sums may differ between processors
        text = re.sub(r"\d+\.\d{12,}", lambda digits: f"{float(digits[0]):.12g}", lp_text(program))
        if os.environ.get(WRITE):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="ascii")
        assert text == file.read_text(encoding="ascii"), f"meant? then {WRITE}=1 pytest tests/golden, and read the diff"

    return check

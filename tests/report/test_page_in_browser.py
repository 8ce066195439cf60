"""The page in a real browser: it renders, complains about nothing and asks nobody for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vpp_sim.kpi import Simulation
from vpp_sim.report.page import run_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on the PATH")
    return found


@pytest.fixture(scope="module")
def page(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(run_page(simulation), encoding="utf-8")
    return path


def opened(browser: str, page: Path, profile: Path, *options: str) -> tuple[str, list[str]]:
    """What a browser prints for a page, and what its console says."""
    command = [browser, *QUIET, f"--user-data-dir={profile}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def test_the_page_renders_without_a_word_on_the_console(browser: str, page: Path, tmp_path: Path) -> None:
    text, complaints = opened(browser, page, tmp_path / "profile", "--dump-dom")
    assert complaints == []
    written = page.read_text(encoding="utf-8")
    for pattern in ("<h2>", "<svg ", "<tr", '<section id="'):
        assert len(re.findall(pattern, text)) == len(re.findall(pattern, written)), pattern


def test_a_request_to_anywhere_would_be_seen(browser: str, page: Path, tmp_path: Path) -> None:
    """The same test on a page that does ask: its own policy stops it, and the console says so."""
    asking = tmp_path / "asking.html"
    text = page.read_text(encoding="utf-8").replace("<main>", '<main><img src="https://example.com/a.png" alt="">', 1)
    asking.write_text(text, encoding="utf-8")
    _, complaints = opened(browser, asking, tmp_path / "profile", "--dump-dom")
    assert any("Content Security Policy" in line for line in complaints)


def test_figures_are_drawn(browser: str, page: Path, tmp_path: Path) -> None:
    """The colours of supply and use are on the screen, in more than a few dots."""
    from matplotlib.image import imread

    shot = tmp_path / "page.png"
    opened(browser, page, tmp_path / "profile", f"--screenshot={shot}", "--window-size=1200,6000")
    pixels = np.asarray(imread(shot))[:, :, :3]
    for colour in ("E69F00", "0072B2", "4D4D4D"):
        wanted = np.array([int(colour[start : start + 2], 16) for start in (0, 2, 4)]) / 255
        near = np.abs(pixels - wanted).max(axis=2) < 0.12
        assert near.sum() > 2000, colour

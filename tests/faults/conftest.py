"""A good base in which every planted fault is planted: the texts of `base/` and the data that they name."""

import math
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

BASE = Path(__file__).parent / "base"
XINING = (5.96, 20.46)  # sunrise and sunset in June, hours of Beijing time
BERLIN = (5.8, 15.8)  # in October, hours of UTC


def hourly(start: str, values: list[str], header: str) -> str:
    """A table with a local time an hour before each row's values."""
    first = datetime.fromisoformat(start)
    rows = [f"{first + timedelta(hours=hour):%Y-%m-%d %H:%M},{value}" for hour, value in enumerate(values)]
    return "\n".join([header, *rows]) + "\n"


def sun(hour_of_day: float, place: tuple[float, float] = XINING) -> float:
    """Share of the noon's radiation of a clear day, in the middle of an hour."""
    sunrise, sunset = place
    return max(0.0, math.sin(math.pi * (hour_of_day + 0.5 - sunrise) / (sunset - sunrise)))


def weather(start: str, days: int, place: tuple[float, float]) -> str:
    hours = [hour % 24 for hour in range(24 * days)]
    values = [f"{850 * sun(hour, place):.0f},{16 - 7 * math.cos((hour - 3) * math.pi / 12):.1f}" for hour in hours]
    return hourly(start, values, "time,ghi,temperature")


def base_files() -> dict[str, str]:
    """Data files of the base by name."""
    hours = range(48)
    typical = [f"{40 + 10 * math.sin(hour * math.pi / 12):.2f}" for hour in range(8760)]
    berlin = [f"2025-10-25 {hour:02d}:00" for hour in range(24)]
    berlin += [f"2025-10-26 {hour:02d}:00" for hour in (0, 1, 2, 2, *range(3, 24))]
    return {
        "weather.csv": weather("2025-06-01", 30, XINING),
        "berlin.csv": weather("2025-10-24", 4, BERLIN).replace(":00,", ":00Z,"),
        "load.csv": hourly("2025-06-09", [str(60 + hour % 24) for hour in hours], "time,load"),
        "yield.csv": hourly("2025-06-09", [f"{0.7 * sun(hour % 24):.3f}" for hour in hours], "time,yield"),
        "prices.csv": hourly("2025-06-09", [str(280 + 3 * (hour % 24)) for hour in hours], "time,price"),
        "typical.csv": "\n".join(["hall", *typical]) + "\n",
        "autumn.csv": "\n".join(["time,load", *(f"{stamp},{50 + n}" for n, stamp in enumerate(berlin))]) + "\n",
    }


@pytest.fixture(scope="session")
def good_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the base, never to be changed."""
    folder = tmp_path_factory.mktemp("base")
    for path in BASE.iterdir():
        shutil.copy(path, folder)
    for name, text in base_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def base(good_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of the base to plant faults in; it is the current folder."""
    folder = tmp_path / "site"
    shutil.copytree(good_base, folder)
    monkeypatch.chdir(folder)
    return folder

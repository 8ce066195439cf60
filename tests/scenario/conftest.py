"""A small scenario file to break, and the faults it then has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vpp_sim.errors import InputError
from vpp_sim.scenario import load_scenario

GOOD = """\
name: Site
currency: CNY
horizon: {start: 2025-01-01, days: 3, timezone: Asia/Shanghai}
site: {latitude: 36.62, longitude: 101.78, altitude_m: 2261}
weather: {source: climate}
tariff: flat
components:
  battery: {kind: battery, power_kw: 10, energy_kwh: 20}
  grid: {kind: grid, import_limit_kw: 100}
"""


@pytest.fixture
def good() -> str:
    """Text of a scenario without faults, 9 lines."""
    return GOOD


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one, so that faults name files without a folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def faults(folder: Path) -> Callable[..., list[str]]:
    """Faults of a text as `bad.yaml`, with the options of `load_scenario`."""

    def found(text: str, **options: object) -> list[str]:
        (folder / "bad.yaml").write_text(text)
        with pytest.raises(InputError) as caught:
            load_scenario("bad.yaml", **options)  # type: ignore[arg-type]
        assert str(caught.value) == "\n".join(str(fault) for fault in caught.value.faults)
        return [str(fault) for fault in caught.value.faults]

    return found

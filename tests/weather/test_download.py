"""`vpp-sim weather` against a local server that speaks the services' recorded formats, errors included."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from click.testing import CliRunner, Result

from vpp_sim.cli.weather import weather
from vpp_sim.errors import InputError


class Service:
    """A stub of PVGIS and NASA POWER on this machine; `answer` says what the next request gets."""

    def __init__(self) -> None:
        self.status = 200
        self.body: bytes = b""
        self.declared_length: int | None = None
        self.wait_seconds = 0.0
        self.requests: list[tuple[str, dict[str, list[str]]]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                service.requests.append((parts.path, parse_qs(parts.query)))
                time.sleep(service.wait_seconds)
                try:
                    self.send_response(service.status)
                    self.send_header("Content-Type", "application/json")
                    length = len(service.body) if service.declared_length is None else service.declared_length
                    self.send_header("Content-Length", str(length))
                    self.end_headers()
                    self.wfile.write(service.body)
                except OSError:  # the client has gone
                    pass

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/"
        self.host = f"127.0.0.1:{self.server.server_port}"

    def answers(self, content: Any, status: int = 200) -> None:
        self.status = status
        self.body = content if isinstance(content, bytes) else json.dumps(content).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Service()
    yield running
    running.close()


@pytest.fixture
def ask(service: Service, tmp_path: Path) -> Callable[..., Result]:
    """Run the command for Xining into out.json of the test's folder."""

    def run(*more: str, source: str = "pvgis", url: str | None = None, timeout: str = "20") -> Result:
        arguments = ["--latitude", "36.62", "--longitude", "101.78", "--source", source, "--timeout", timeout]
        arguments += ["--out", str(tmp_path / "out.json"), "--url", url or service.url, *more]
        return CliRunner().invoke(weather, arguments)

    return run


def error_of(result: Result, folder: Path, keeps: str | None = None) -> str:
    """The text of an input error that ends with exit code 2, with nothing half-written."""
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 2
    left = sorted(path.name for path in folder.iterdir())
    assert left == ([] if keeps is None else ["out.json"])
    if keeps is not None:
        assert (folder / "out.json").read_text() == keeps
    return str(result.exception)


@pytest.fixture(scope="module")
def utc_year(sky: Any) -> dict[str, np.ndarray]:
    return dict(sky.rows("2025-01-01", 8760))


def test_hours_of_pvgis_are_written_and_read_back(
    kit: Any, ask: Callable[..., Result], service: Service, utc_year: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """The file is PVGIS' own answer, and a scenario reads the sky from it."""
    content = kit.pvgis_hourly(utc_year)
    service.answers(content)
    result = ask("--year", "2025")
    assert result.exception is None, result.output
    path, query = service.requests[0]
    assert path == "/api/seriescalc"
    assert query == {
        "lat": ["36.62"],
        "lon": ["101.78"],
        "outputformat": ["json"],
        "startyear": ["2025"],
        "endyear": ["2025"],
        "components": ["1"],
        "angle": ["0"],
        "aspect": ["0"],
    }
    assert json.loads((tmp_path / "out.json").read_text()) == content
    assert "PVGIS hourly series of (36.62, 101.78, 2,261 m), 8,760 hours" in result.output
    assert "weather: {source: pvgis, path: out.json}" in result.output
    found = kit.weather_of(tmp_path, source="pvgis", path="out.json")
    assert found.ghi_w_per_m2.sum() == pytest.approx(utc_year["ghi"].sum(), rel=1e-3)


def test_the_typical_year_of_pvgis_is_the_default(
    kit: Any, ask: Callable[..., Result], service: Service, utc_year: dict[str, np.ndarray], tmp_path: Path
) -> None:
    service.answers(kit.pvgis_tmy(utc_year, offset_hours=0.5))
    result = ask()
    assert result.exception is None, result.output
    assert service.requests[0][0] == "/api/tmy"
    assert "PVGIS typical year" in result.output
    found = kit.weather_of(tmp_path, source="pvgis", path="out.json")
    assert found.ghi_w_per_m2.sum() == pytest.approx(utc_year["ghi"].sum(), rel=1e-3)


def test_hours_of_nasa_power_are_written_and_read_back(
    kit: Any, ask: Callable[..., Result], service: Service, utc_year: dict[str, np.ndarray], tmp_path: Path
) -> None:
    content = kit.nasa_power(utc_year)
    content["properties"]["parameter"]["ALLSKY_SFC_SW_DWN"]["2025123123"] = -999.0
    service.answers(content)
    result = ask("--year", "2025", source="nasa_power")
    assert result.exception is None, result.output
    query = service.requests[0][1]
    assert (query["start"], query["end"], query["time-standard"]) == (["20250101"], ["20251231"], ["utc"])
    assert query["parameters"] == ["ALLSKY_SFC_SW_DWN,ALLSKY_SFC_SW_DNI,ALLSKY_SFC_SW_DIFF,T2M,WS10M,PS,RH2M"]
    assert "warning: 1 of them have no radiation yet; a scenario cannot use these" in result.output
    service.answers(kit.nasa_power(utc_year))
    assert ask("--year", "2025", source="nasa_power").exception is None
    found = kit.weather_of(tmp_path, source="nasa_power", path="out.json")
    assert found.ghi_w_per_m2.sum() == pytest.approx(utc_year["ghi"].sum(), rel=1e-3)


def test_pvgis_says_why_it_refuses(ask: Callable[..., Result], service: Service, tmp_path: Path) -> None:
    service.answers({"message": "Location over the sea. Please, select another location", "status": 400}, 400)
    assert error_of(ask(), tmp_path) == (
        "PVGIS: refused the request: Location over the sea. Please, select another location; "
        "choose another place or other years"
    )


def test_nasa_power_says_why_it_refuses(ask: Callable[..., Result], service: Service, tmp_path: Path) -> None:
    service.answers({"header": "", "messages": ["Please provide a start date after 2001."], "times": {}}, 422)
    assert error_of(ask("--year", "1990", source="nasa_power"), tmp_path) == (
        "NASA POWER: refused the request: Please provide a start date after 2001; choose another place or other years"
    )


@pytest.mark.parametrize(
    ("status", "content", "text"),
    [
        (
            500,
            {"message": "Internal Server Error", "status": 500},
            "PVGIS: error of the service (HTTP 500: Internal Server Error); try again later",
        ),
        (503, b"<html>busy</html>", "PVGIS: error of the service (HTTP 503); try again later"),
        (429, b"", "PVGIS: too many requests (HTTP 429); wait a minute and try again"),
        (400, b"no JSON", "PVGIS: refused the request: HTTP 400; choose another place or other years"),
    ],
)
def test_errors_of_the_service_are_told(
    ask: Callable[..., Result], service: Service, tmp_path: Path, status: int, content: Any, text: str
) -> None:
    service.answers(content, status)
    assert error_of(ask(), tmp_path) == text


def test_a_wrong_address_is_told(ask: Callable[..., Result], service: Service, tmp_path: Path) -> None:
    service.answers(b"not here", 404)
    assert error_of(ask(), tmp_path) == f"PVGIS: unexpected answer (HTTP 404) from {service.host}; check --url"
    told = error_of(ask(url="no address"), tmp_path)
    assert told.startswith("PVGIS: cannot ask no address/tmy (")
    assert told.endswith("); correct --url")


def test_a_slow_service_is_given_up(ask: Callable[..., Result], service: Service, tmp_path: Path) -> None:
    service.wait_seconds = 1.0
    assert error_of(ask(timeout="0.2"), tmp_path) == (
        f"PVGIS: no answer from {service.host} within 0.2 s; try again, raise --timeout, "
        "or fetch the file with a browser and give its path"
    )


def test_no_connection_is_told(ask: Callable[..., Result], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert error_of(ask(url=f"http://127.0.0.1:{port}/"), tmp_path) == (
        f"PVGIS: cannot connect to 127.0.0.1:{port}; check the network (proxy, firewall) and try again, "
        "or fetch the file with a browser and give its path"
    )


def test_an_answer_that_breaks_off_is_told(
    kit: Any, ask: Callable[..., Result], service: Service, utc_year: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """The server closes after half of the announced bytes; and after half of the JSON with the right length."""
    whole = json.dumps(kit.pvgis_hourly(utc_year)).encode()
    service.answers(whole[: len(whole) // 2])
    service.declared_length = len(whole)
    assert error_of(ask("--year", "2025"), tmp_path) == (
        f"PVGIS: the answer of {service.host} broke off; try again, or fetch the file with a browser and give its path"
    )
    service.declared_length = None
    told = error_of(ask("--year", "2025"), tmp_path)
    assert told.startswith("answer of PVGIS:1: not valid JSON (")
    assert told.endswith("): cut off? download it again from PVGIS")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "PVGIS: the answer is empty; try again, or fetch the file with a browser and give its path"),
        (
            b"<html>Welcome to the hotel</html>",
            "answer of PVGIS:1: not a file of PVGIS: must be JSON or begin with 'Latitude (decimal degrees)'",
        ),
        (b'{"outputs": {"hourly": []}, "meta": {"inputs": {}}, "inputs": {}}', "answer of PVGIS: *"),
        (b"\xff\xfe\x00\x01", "answer of PVGIS:1: not a file of PVGIS: *"),
    ],
)
def test_rubbish_is_told(ask: Callable[..., Result], service: Service, tmp_path: Path, body: bytes, text: str) -> None:
    service.answers(body)
    told = error_of(ask("--year", "2025"), tmp_path)
    assert told.startswith(text[:-1]) if text.endswith("*") else told == text


def test_an_older_file_survives_a_failure(ask: Callable[..., Result], service: Service, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("older")
    service.answers(b"{", 200)
    error_of(ask(), tmp_path, keeps="older")


def test_wrong_options_are_told(ask: Callable[..., Result], service: Service, tmp_path: Path) -> None:
    assert error_of(ask(source="nasa_power"), tmp_path) == (
        "--year: missing: NASA POWER has real years only; give one, such as --year 2022"
    )
    assert error_of(ask("--end-year", "2020"), tmp_path) == "--end-year: needs --year as the first year"
    assert error_of(ask("--year", "2021", "--end-year", "2020"), tmp_path) == (
        "--end-year: must be at least --year (2021), got 2020"
    )
    gone = tmp_path / "gone" / "out.json"
    assert error_of(ask("--out", str(gone)), tmp_path) == f"{gone}: --out: no such folder {gone.parent}; make it first"
    assert error_of(ask("--out", str(tmp_path)), tmp_path) == f"{tmp_path}: --out: is a folder; give a file"
    assert service.requests == []
    north = CliRunner().invoke(weather, ["--latitude", "136", "--longitude", "1", "--out", "x"])
    assert north.exit_code == 2
    assert "136" in north.output


def test_a_target_that_cannot_be_written_is_told(
    kit: Any,
    ask: Callable[..., Result],
    service: Service,
    utc_year: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*given: Any, **options: Any) -> int:
        raise OSError(28, "No space left on device")

    service.answers(kit.pvgis_tmy(utc_year))
    monkeypatch.setattr(Path, "write_text", full)
    assert error_of(ask(), tmp_path) == (
        f"{tmp_path / 'out.json'}: --out: cannot be written: No space left on device; choose another place"
    )

"""Weather of a place from PVGIS or NASA POWER into a file that `source: pvgis` or `source: nasa_power` reads.

The answer is kept as the service gave it, once it has been read successfully: first into a file beside the target, then
renamed, so that the target is whole or untouched. pvlib's `get_pvgis_hourly`, `get_pvgis_tmy` and `get_nasa_power` ask
the same endpoints with the same parameters; they are not used because they drop the answer's text and the last one
knows no timeout. The answer is read with the readers of this package, which use pvlib's parsers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import numpy as np

from vpp_sim.errors import Fault, InputError
from vpp_sim.weather.nasa_power import read_nasa_power
from vpp_sim.weather.pvgis import read_pvgis
from vpp_sim.weather.series import GHI, Rows
from vpp_sim.weather.text import message_of, shortened
from vpp_sim.whole_files import reason, whole_file

PVGIS_URL: Final = "https://re.jrc.ec.europa.eu/api/v5_3/"
NASA_POWER_URL: Final = "https://power.larc.nasa.gov/api/temporal/hourly/point"
_NASA_PARAMETERS: Final = "ALLSKY_SFC_SW_DWN,ALLSKY_SFC_SW_DNI,ALLSKY_SFC_SW_DIFF,T2M,WS10M,PS,RH2M"
_BY_HAND: Final = "or fetch the file with a browser and give its path"


@dataclass(frozen=True)
class Downloaded:
    """What was written: the file, what it holds, its hours, and how many of them have no radiation value."""

    path: Path
    description: str
    num_hours: int
    num_missing: int


def download_weather(
    service: Literal["pvgis", "nasa_power"],
    latitude: float,
    longitude: float,
    years: tuple[int, int] | None,
    out: Path,
    *,
    timeout_seconds: float,
    url: str | None = None,
) -> Downloaded:
    """Ask a service for the hours of `years` (first and last; None: the typical year of PVGIS) and write `out`.

    Raises:
        InputError: no connection, no answer in time, an error told by the service, an answer that is cut off or
            something else, or a target that cannot be written; `out` is then as it was.
    """
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder; give a file" if out.is_dir() else f"no such folder {out.parent}; make it first"
        raise InputError(Fault(what, path="--out", file=str(out)))
    if service == "pvgis":
        name = "PVGIS"
        base = (url or PVGIS_URL).rstrip("/")
        query: dict[str, Any] = {"lat": latitude, "lon": longitude, "outputformat": "json"}
        if years is None:
            address = f"{base}/tmy"
        else:
            address = f"{base}/seriescalc"
            query |= {"startyear": years[0], "endyear": years[1], "components": 1, "angle": 0, "aspect": 0}
    else:
        name = "NASA POWER"
        if years is None:
            raise InputError(
                Fault("missing: NASA POWER has real years only; give one, such as --year 2022", path="--year")
            )
        address = url or NASA_POWER_URL
        query = {
            "latitude": latitude,
            "longitude": longitude,
            "start": f"{years[0]}0101",
            "end": f"{years[1]}1231",
            "community": "re",
            "parameters": _NASA_PARAMETERS,
            "format": "json",
            "header": "true",
            "time-standard": "utc",
        }
    text = _answer(name, address, query, timeout_seconds)
    rows = _read(service, name, text)
    _write_whole(out, text)
    missing = int(np.isnan(rows.values[GHI]).sum())
    return Downloaded(out, rows.description, rows.num_rows, missing)


def _answer(name: str, address: str, query: dict[str, Any], timeout_seconds: float) -> str:
    """Text of a successful answer; every way to fail in words."""
    import requests  # comes with pvlib

    host = urlsplit(address).netloc or address
    try:
        response = requests.get(address, params=query, timeout=timeout_seconds)
        text: str = response.content.decode("utf-8", errors="replace")
    except requests.exceptions.Timeout:
        raise _failed(
            name, f"no answer from {host} within {timeout_seconds:g} s; try again, raise --timeout, {_BY_HAND}"
        ) from None
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
        raise _failed(name, f"the answer of {host} broke off; try again, {_BY_HAND}") from None
    except requests.exceptions.ConnectionError:
        raise _failed(
            name, f"cannot connect to {host}; check the network (proxy, firewall) and try again, {_BY_HAND}"
        ) from None
    except (requests.exceptions.RequestException, ValueError) as error:
        raise _failed(name, f"cannot ask {shortened(address)} ({type(error).__name__}); correct --url") from None
    if response.ok:
        return text
    told = message_of(text)
    status = response.status_code
    if status in (400, 422):
        raise _failed(name, f"refused the request: {told or f'HTTP {status}'}; choose another place or other years")
    if status == 429:
        raise _failed(name, "too many requests (HTTP 429); wait a minute and try again")
    if status >= 500:
        raise _failed(name, f"error of the service (HTTP {status}{': ' + told if told else ''}); try again later")
    raise _failed(name, f"unexpected answer (HTTP {status}{': ' + told if told else ''}) from {host}; check --url")


def _failed(name: str, message: str) -> InputError:
    return InputError(Fault(message, path=name))


def _read(service: str, name: str, text: str) -> Rows:
    """The rows of an answer, read as its file will be."""
    answer = f"answer of {name}"
    if not text.strip():
        raise _failed(name, f"the answer is empty; try again, {_BY_HAND}")
    return (read_pvgis if service == "pvgis" else read_nasa_power)(text, answer)


def _write_whole(out: Path, text: str) -> None:
    """Write a file beside the target and rename it."""
    try:
        with whole_file(out) as made:
            made.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(
            Fault(f"cannot be written: {reason(error)}; choose another place", path="--out", file=str(out))
        ) from None

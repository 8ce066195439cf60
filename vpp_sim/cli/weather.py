"""`vpp-sim weather`: download the weather of a place into a file for a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from vpp_sim.errors import Fault, InputError


@click.command("weather")
@click.option("--latitude", type=click.FloatRange(-90, 90), required=True, help="Latitude [deg], north positive.")
@click.option("--longitude", type=click.FloatRange(-180, 180), required=True, help="Longitude [deg], east positive.")
@click.option(
    "--source",
    type=click.Choice(["pvgis", "nasa_power"]),
    default="pvgis",
    show_default=True,
    help="Service to ask: PVGIS (European Commission) or NASA POWER.",
)
@click.option(
    "--year",
    type=click.IntRange(1981, 2100),
    help="Calendar year wanted. Without it: the typical year of PVGIS.",
)
@click.option("--end-year", type=click.IntRange(1981, 2100), help="Last year of several, with --year as the first.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON file to write.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds to wait for the service.",
)
@click.option("--url", hidden=True, help="Another address of the service.")
def weather(
    latitude: float,
    longitude: float,
    source: Literal["pvgis", "nasa_power"],
    year: int | None,
    end_year: int | None,
    out: Path,
    timeout: float,
    url: str | None,
) -> None:
    """Download hourly weather of a place from PVGIS or NASA POWER into a file.

    A scenario reads the file with `weather: {source: pvgis, path: FILE}` (or nasa_power). The file is written whole
    or not at all.
    """
    from vpp_sim.weather.download import download_weather

    if end_year is not None and (year is None or end_year < year):
        what = "needs --year as the first year" if year is None else f"must be at least --year ({year}), got {end_year}"
        raise InputError(Fault(what, path="--end-year"))
    years = None if year is None else (year, end_year if end_year is not None else year)
    found = download_weather(source, latitude, longitude, years, out, timeout_seconds=timeout, url=url)
    click.echo(f"{found.path}: {found.description}, {found.num_hours:,} hours")
    if found.num_missing:
        click.echo(f"warning: {found.num_missing:,} of them have no radiation yet; a scenario cannot use these")
    click.echo(f"in a scenario: weather: {{source: {source}, path: {found.path.name}}}")

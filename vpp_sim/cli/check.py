"""`vpp-sim check`: everything that can be found wrong with a scenario and its files before solving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vpp_sim.cli.options import scenario_options

if TYPE_CHECKING:
    from rich.table import Table

    from vpp_sim.components.base import Component, Inputs
    from vpp_sim.scenario import Scenario
    from vpp_sim.weather import Weather

_SIZE_UNITS = ("kW", "kWh", "kWp", "racks")


@click.command()
@scenario_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="What is printed.")
def check(path: str, overrides: tuple[str, ...], settings: tuple[str, ...], form: str) -> None:
    """Check SCENARIO and every file it names without solving, and print what the site is."""
    import json

    from vpp_sim.cli.progress import phases
    from vpp_sim.scenario import load_scenario

    with phases() as progress:
        progress("reading the scenario")
        scenario = load_scenario(path, overrides=overrides, settings=settings)
        progress("reading the input files")
        weather, inputs = _read(scenario)
        report = _report(scenario, weather, inputs)
        progress("adding up what is used and what there is")
        _refuse_the_impossible(scenario, inputs)
    if form == "json":
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(path, report)


def _read(scenario: Scenario) -> tuple[Weather, dict[str, Inputs]]:
    """Weather and inputs; every fault of both at once."""
    from vpp_sim.errors import Fault, InputError

    faults: dict[Fault, None] = {}
    weather = inputs = None
    try:
        weather = scenario.read_weather()
    except InputError as error:
        faults.update(dict.fromkeys(error.faults))
    try:
        inputs = scenario.read_inputs()
    except InputError as error:
        faults.update(dict.fromkeys(error.faults))
    if weather is None or inputs is None:
        raise InputError(faults)
    return weather, inputs


def _refuse_the_impossible(scenario: Scenario, inputs: dict[str, Inputs]) -> None:
    """Fixed uses above all sources together, and whatever else the limits rule out one by one, need no solving."""
    from vpp_sim.dispatch import impossible
    from vpp_sim.errors import InfeasibleError

    why = impossible(scenario, inputs)
    if why is not None:
        raise InfeasibleError(str(why), why.to_list())


def _report(scenario: Scenario, weather: Weather, inputs: dict[str, Inputs]) -> dict[str, Any]:
    """What the site is, as plain data."""
    grid = scenario.grid
    hours = grid.step_hours
    notes = [*scenario.notes, *(f"weather: {note}" for note in weather.notes)]
    components = {}
    for name, component in scenario.components.items():
        found = inputs[name]
        notes += [f"{name}: {note}" for note in found.notes if note not in weather.notes]
        components[name] = {
            "kind": component.kind_name,
            "sizes": _sizes(component),
            "inputs": {key: _figures(key, values, hours) for key, values in found.series.items()},
            "tables": {key: len(table) for key, table in found.tables.items()},
        }
    return {
        "name": scenario.name,
        "horizon": {
            "start": scenario.horizon.start.isoformat(sep=" ", timespec="minutes"),
            "days": scenario.horizon.days,
            "step_minutes": grid.step_minutes,
            "steps": grid.num_steps,
            "timezone": grid.timezone,
        },
        "tariff": {"name": scenario.tariff.name, "title": scenario.tariff.title, "currency": scenario.currency},
        "weather": {
            "source": scenario.weather.source,
            "ghi_kwh_per_m2": round(float(weather.ghi_w_per_m2.sum()) * hours / 1000, 1),
            "temperature_mean_celsius": round(float(weather.temperature_celsius.mean()), 2),
        },
        "components": components,
        "files": [str(file) for file in scenario.files()],
        "notes": notes,
    }


def _sizes(component: Component) -> dict[str, float | str]:
    """Numbers of a component that are powers, energies or racks; a free size as its range."""
    from vpp_sim.components.base import FreeSize
    from vpp_sim.scenario.describe import parameters

    sizes: dict[str, float | str] = {}
    for parameter in parameters(type(component)):
        value = getattr(component, parameter.name, None)
        if isinstance(value, FreeSize):
            sizes[parameter.name] = f"free, {value.min:g} to {value.max:g}"
        elif parameter.unit in _SIZE_UNITS and isinstance(value, int | float):
            sizes[parameter.name] = value
    return sizes


def _figures(name: str, values: Any, step_hours: float) -> dict[str, float]:
    figures = {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
    if name.endswith("_kw"):
        figures["energy_kwh"] = float(values.sum()) * step_hours
    return {key: float(f"{value:.6g}") for key, value in figures.items()}


def _print(path: str, report: dict[str, Any]) -> None:
    from vpp_sim.cli.tables import show

    horizon, tariff, weather = report["horizon"], report["tariff"], report["weather"]
    lines = [
        f"{path}: {report['name']}",
        f"horizon: {horizon['days']} days from {horizon['start']} {horizon['timezone']}, "
        f"{horizon['steps']:,} steps of {horizon['step_minutes']} min",
        f"tariff: {tariff['name']} [{tariff['currency']}]" + (f", {tariff['title']}" if tariff["title"] else ""),
        f"weather: {weather['source']}, GHI {weather['ghi_kwh_per_m2']:,.0f} kWh/m2, "
        f"mean temperature {weather['temperature_mean_celsius']:.1f} degC",
    ]
    click.echo("\n".join(lines) + "\n")
    show(_component_table(report["components"]))
    for note in report["notes"]:
        click.echo(f"note: {note}")
    click.echo(f"{len(report['files'])} input files read; no fault found")


def _component_table(components: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("component", "kind", "sizes"):
        table.add_column(heading)
    table.add_column("input")
    for heading in ("mean", "min", "max", "MWh"):
        table.add_column(heading, justify="right")
    for name, part in components.items():
        sizes = ", ".join(
            f"{key} {value:,.6g}" if not isinstance(value, str) else f"{key} {value}"
            for key, value in part["sizes"].items()
        )
        rows = [
            (key, *(f"{figures[word]:,.4g}" for word in ("mean", "min", "max")), _megawatt_hours(figures))
            for key, figures in part["inputs"].items()
        ] + [(f"{key}: {count:,} rows", "", "", "", "") for key, count in part["tables"].items()]
        for position, row in enumerate(rows or [("", "", "", "", "")]):
            first = position == 0
            table.add_row(name if first else "", part["kind"] if first else "", sizes if first else "", *row)
    return table


def _megawatt_hours(figures: dict[str, float]) -> str:
    return f"{figures['energy_kwh'] / 1000:,.1f}" if "energy_kwh" in figures else ""

"""KPIs in a terminal: every one of them, the headlines first, in words that a person reads."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from vpp_sim.components.base import Kpi
from vpp_sim.kpi import Simulation
from vpp_sim.report.formats import HEADLINES, amount, change, kpi_amount, number, percent
from vpp_sim.report.tables import kpi_table


def printed(simulation: Simulation, width: int = 120) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(kpi_table(simulation.summary, simulation.scenario.currency))
    return console.export_text()


def test_headlines_first_then_all_others(simulation: Simulation) -> None:
    lines = printed(simulation).splitlines()
    names = [words[1] for line in lines if len(words := line.split()) > 2 and words[0] == "│"]
    assert names[: len(HEADLINES)] == list(HEADLINES)
    assert set(names) == set(simulation.summary.kpis)
    assert len(names) == len(set(names))


def test_values_stand_beside_those_without_control(simulation: Simulation) -> None:
    summary = simulation.summary
    assert summary.baseline is not None
    line = next(line for line in printed(simulation).splitlines() if "peak_import_kw" in line)
    now, before = summary.kpis["peak_import_kw"].value, summary.baseline.kpis["peak_import_kw"].value
    assert [number(now), number(before)] == [cell.strip() for cell in line.split("│")[3:5]]
    assert "money in CNY" in printed(simulation)


def test_a_summary_without_baseline_has_a_table(simulation: Simulation) -> None:
    alone = replace(simulation, summary=replace(simulation.summary, baseline=None))
    assert "operating_cost" in printed(alone)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1e-12, "0"),
        (2e-5, "2e-05"),
        (9e-6, "0"),
        (0.5, "0.5"),
        (9.999, "10"),
        (99.96, "100"),
        (100.5, "100"),
        (1234.5, "1,234"),
        (-1234567.0, "−1,234,567"),
        (float("inf"), "–"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("name", "now", "before", "text"),
    [
        ("import_kwh", 50.0, 100.0, "−50.0 %"),
        ("import_kwh", 1e-9, 0.0, ""),
        ("import_kwh", 3.0, 1e-12, "from 0"),
        ("import_kwh", 31.0, 1.0, "× 31"),
        ("import_kwh", 100.0001, 100.0, ""),
        ("saving", -50.0, -100.0, "+50.0 %"),
        ("self_sufficiency", 0.5, 0.7, "−20.0 points"),
        ("self_sufficiency", 0.50001, 0.5, ""),
    ],
)
def test_changes(name: str, now: float, before: float, text: str) -> None:
    assert change(name, now, before) == text


def test_units_grow_with_their_numbers() -> None:
    assert amount(9_999.0, "kWh") == "9,999 kWh"
    assert amount(10_000.0, "kWh") == "10 MWh"
    assert amount(2.5e9, "kWh") == "2,500 GWh"
    assert amount(-2.5e6, "kWh") == "−2.5 GWh"
    assert amount(150_000.0, "kW") == "150 MW"
    assert amount(1.0, "-") == "1"


def test_only_shares_are_percent() -> None:
    """A PUE or a number of cycles has no unit either, but is no part of a whole."""
    assert kpi_amount("self_consumption", Kpi(0.25, "-", "")) == "25.0 %"
    assert kpi_amount("pue", Kpi(1.25, "-", "")) == "1.25"
    assert percent(float("nan")) == "–"

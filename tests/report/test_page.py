"""The page: whole and self-contained for every shape of site, honest about failures, the same for the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vpp_sim.components.base import Check
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.report.formats import HEADLINES, kpi_amount, number
from vpp_sim.report.page import run_page
from vpp_sim.scenario.load import scenario_from_mapping

VOID = {"meta", "link", "br", "img", "hr", "input", "path", "use", "rect", "image", "circle", "line", "stop"}
LARGEST_BYTES = 2_500_000
SimulationOf = Callable[[str], Simulation]


class Reader(HTMLParser):
    """Collects what a browser would do with a page: tags that do not match, what it would fetch, ids and words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "srcset", "data", "poster", "action") or (name == "href" and tag != "a"):
                self.fetched.append(value or "")
            if name == "xlink:href":
                self.fetched.append(value or "")
            if name == "href" and tag == "a":
                self.links.append(value or "")
            if name.startswith("on"):
                self.faults.append(f"script in {name}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        before = list(self.open)
        self.handle_starttag(tag, attrs)
        self.open = before

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def page_of(simulation_of: SimulationOf) -> Callable[[str], str]:
    """The page of a shape, made once."""
    return cache(lambda shape: run_page(simulation_of(shape)))


@pytest.fixture(scope="module")
def page(page_of: Callable[[str], str]) -> str:
    return page_of("whole")


def test_a_page_is_whole_and_fetches_nothing(any_shape: str, page_of: Callable[[str], str]) -> None:
    text = page_of(any_shape)
    found = read(text)
    assert found.faults == []
    assert found.open == []
    assert [place for place in found.fetched if not place.startswith(("#", "data:"))] == []
    assert "@import" not in text
    assert "script" not in found.tags
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert len(text.encode()) < LARGEST_BYTES
    assert "nan" not in "".join(found.words).split()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("only a load", "No component of this site has a state of charge."),
        ("only a load", "No component of this site has demand that may wait."),
        ("only a load", "All demand was met, and no limit with a price was broken."),
        ("no battery", "No component of this site has a state of charge."),
        ("whole", "A map by day and hour needs 14 days; see the dispatch above."),
        ("whole", "Means by hour need 14 days; see the prices below the dispatch."),
    ],
)
def test_what_is_left_out_is_said(shape: str, words: str, page_of: Callable[[str], str]) -> None:
    assert words in page_of(shape)


@pytest.mark.parametrize(
    ("shape", "figures_drawn"),
    # flow, span, curve, bill, ladder, two shifts | ... | flow, months, week, two stores, curve, exchange, bill, peaks,
    # ladder, prices
    [("whole", 7), ("only a load", 4), ("two of a kind, quarter-hours", 11)],
)
def test_figures_with_content_are_all_there(shape: str, figures_drawn: int, page_of: Callable[[str], str]) -> None:
    assert read(page_of(shape)).tags.count("svg") == figures_drawn


def test_what_was_not_given_has_a_section_of_its_own() -> None:
    """Two hours without grid for 30 kW, and 10 kWh above a reserve of 70, which costs 2 per kWh and hour when missing.

    What the first hour takes from it is missing for two: 4, more than 3 for a kWh shed. So 10 kWh are given and 20 shed
    in the first hour, and 30 kWh of the reserve used in the second: 60 + 60.
    """
    mapping = {
        "name": "Outage",
        "currency": "CNY",
        "horizon": {"start": "2025-06-02", "days": 1, "timezone": "Asia/Shanghai"},
        "site": {"latitude": 36.62, "longitude": 101.78, "altitude_m": 2261},
        "weather": {"source": "climate", "climate": "xining", "seed": 1},
        "tariff": {"name": "t", "currency": "CNY", "energy": {"purchase_price_per_kwh": 0.5}},
        "components": {
            "grid": {"kind": "grid", "import_limit_kw": 100.0}
            | {"outages": [{"start": "2025-06-02 08:00", "end": "2025-06-02 10:00"}]},
            "park": {"kind": "load", "profile": 30.0, "sheddable_share": 1.0, "value_of_lost_load_per_kwh": 3.0},
            "store": {"kind": "battery", "power_kw": 60.0, "energy_kwh": 80.0, "soc_min": 0.0, "soc_max": 1.0}
            | {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
            | {"reserve_soc": 0.875, "value_of_missing_reserve_per_kwh_hour": 2.0},
        },
    }
    run = simulate(scenario_from_mapping(mapping, base_dir=Path.cwd()))
    words = "".join(read(run_page(run)).words)
    section = words[words.index("What was short, prices and costs") :]
    assert run.summary.kpis["penalty_cost"].value == pytest.approx(120.0)
    assert "battery (store): reserve used" in section
    assert "up to 30 kWh" in section
    assert "2 per kWh and hour" in section
    assert "Every span of time" in section
    assert "store.shortfalls.parquet" in section
    assert "All demand was met" not in words


def test_headlines_come_with_the_baseline(simulation: Simulation, page: str) -> None:
    summary = simulation.summary
    assert summary.baseline is not None
    words = "".join(read(page).words)
    for name, title in HEADLINES.items():
        assert title in words
        assert kpi_amount(name, summary.kpis[name]) in words
    assert f"without control {number(summary.baseline.kpis['peak_import_kw'].value)} kW" in words


def test_every_kpi_definition_source_parameter_and_note_is_there(simulation: Simulation, page: str) -> None:
    words = "".join(read(page).words)
    for name, kpi in simulation.summary.kpis.items():
        assert name in words
        assert kpi.definition in words
    for source in simulation.scenario.tariff.sources:
        assert source.source in words
    for note in simulation.optimal.notes:
        assert note in words
    for check in simulation.summary.checks:
        assert check.name.removeprefix("baseline: ") in words
    for text in ("largest charge or discharge power at the bus", "CNY/kWh", "assumption: unverified"):
        assert text in words


def test_names_are_text_and_not_tags(page: str) -> None:
    assert "Site &lt;whole&gt;" in page
    assert "<whole>" not in page


def test_the_same_run_gives_the_same_page(simulation: Simulation, page: str) -> None:
    assert run_page(simulation) == page


def test_no_path_of_this_machine_is_shown(simulation: Simulation, page: str) -> None:
    assert str(simulation.scenario.base_dir) not in page


def test_a_run_that_passed_says_so(simulation: Simulation, page: str) -> None:
    assert f"All {len(simulation.summary.checks)} checks passed" in page
    assert "FAILED" not in page


def test_a_failed_check_stands_at_the_top(simulation: Simulation) -> None:
    """A page must not look trustworthy when it is not."""
    checks = (*simulation.summary.checks, Check("battery: dynamics", 0.5))
    text = run_page(replace(simulation, summary=replace(simulation.summary, checks=checks)))
    top = text[: text.index('<section id="headlines">')]
    assert f"1 of {len(checks)} checks failed" in top
    assert "do not rely on these results" in top
    assert "battery: dynamics" in top
    assert "FAILED" in text


def test_a_run_without_a_baseline_has_a_page(simulation: Simulation) -> None:
    found = read(run_page(replace(simulation, summary=replace(simulation.summary, baseline=None))))
    assert found.faults == []


def test_a_solver_without_duals_has_a_page(simulation: Simulation) -> None:
    """No marginal price is drawn then."""
    series = {name: array for name, array in simulation.optimal.series.items() if name != "bus.marginal_price_per_kwh"}
    solver = replace(simulation.optimal.solver, gap=float("nan"), dual_residual=float("nan"))
    optimal = replace(simulation.optimal, series=series, solver=solver)
    text = run_page(replace(simulation, optimal=optimal))
    assert "marginal price of the bus" not in text
    assert "gap nan" not in text

"""What figures show is what the run says: flows, stacks, curves and bars add up, on every calendar and shape."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from vpp_sim.kpi import Simulation
from vpp_sim.report import figures
from vpp_sim.report.figures.energy_flow import ORIGIN, USE, Link, Node
from vpp_sim.report.figures.money import bill_by_line
from vpp_sim.report.figures.parts import labels_of, supply_order, use_order
from vpp_sim.report.figures.year import day_by_hour, hour_profile, month_by_hour
from vpp_sim.time_grid import TimeGrid

SimulationOf = Callable[[str], Simulation]
SEVERAL = "two of a kind, quarter-hours"


def energy_by_node(links: list[Link], end: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for link in links:
        found[getattr(link, end)] = found.get(getattr(link, end), 0.0) + link.kwh
    return found


@pytest.mark.parametrize("shape", ["whole", SEVERAL, "no sun"])
def test_the_sankey_adds_up_to_the_kpis(shape: str, simulation_of: SimulationOf) -> None:
    """Energy into each use is what it used; energy out of each origin is what it gave; storage gives what it takes."""
    simulation = simulation_of(shape)
    result, ledger, kpis = simulation.optimal, simulation.summary.ledger, simulation.summary.kpis
    nodes, links = figures.energy_flows(result, ledger)
    out, into = energy_by_node(links, "source"), energy_by_node(links, "target")
    least = 5e-3 * kpis["load_kwh"].value  # flows too thin to draw are left out
    for part in figures.parts_of(result):
        if part.flows.use_kw is not None:
            used = float(part.flows.use_kw.sum()) * result.grid.step_hours
            assert into[f"to {part.name}"] == pytest.approx(used, abs=least)
        if part.flows.import_kw is not None:
            assert out[f"from {part.name}"] == pytest.approx(kpis["import_kwh"].value, abs=least)
        available = part.flows.renewable_available_kw
        if available is not None:
            assert out[f"from {part.name}"] == pytest.approx(available.sum() * result.grid.step_hours, abs=least)
    assert out["storage"] == pytest.approx(into["storage"], abs=least)
    assert into["losses"] == pytest.approx(kpis["storage_losses_kwh"].value, abs=least)
    keys = {node.key for node in nodes}
    assert {link.source for link in links} | {link.target for link in links} == keys


def test_sankey_nodes_do_not_overlap(simulation_of: SimulationOf) -> None:
    """Neither boxes nor their two lines of words, however thin the flows are."""
    simulation = simulation_of(SEVERAL)
    with figures.page_style():
        ax = figures.energy_flow(simulation.optimal, simulation.summary.ledger)
        figure = figures.figure_of(ax)
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in ax.texts if text.get_ha() == "left"]
    assert len(boxes) >= 2 * 4
    for above, below in zip(boxes[1::2], boxes[2::2], strict=False):  # value of one node, label of the next
        assert above.y0 >= below.y1 - 1.0


def test_the_sankey_of_nothing_is_empty(simulation_of: SimulationOf) -> None:
    simulation = simulation_of("only a load")
    ledger = simulation.summary.ledger
    nothing = {key: np.zeros_like(power) for key, power in ledger.flow_kw.items()}
    ax = figures.energy_flow(simulation.optimal, replace(ledger, flow_kw=nothing))
    assert not ax.patches


@pytest.mark.parametrize("shape", ["whole", SEVERAL])
def test_both_sides_of_the_stack_are_equal(shape: str, simulation_of: SimulationOf) -> None:
    """What is given to the bus is taken from it in every step, or the picture of a week would be wrong."""
    parts = figures.parts_of(simulation_of(shape).optimal)
    gives, takes = (np.sum([getattr(part, side) for part in parts], axis=0) for side in ("gives_kw", "takes_kw"))
    assert np.allclose(gives, takes, atol=1e-6 * gives.max())
    assert supply_order(parts)[0].flows.renewable_kw is not None
    assert supply_order(parts)[-1].flows.import_kw is not None
    assert use_order(parts)[0].flows.use_kw is not None


def test_components_of_one_kind_are_told_apart(simulation_of: SimulationOf) -> None:
    """By their names and by shades of their colour."""
    result = simulation_of(SEVERAL).optimal
    labels = labels_of(result)
    assert labels["pv"] == "PV (pv)"
    assert labels["east"] == "PV (east)"
    assert labels["grid"] == "grid"
    parts = figures.parts_of(result)
    assert len({part.label for part in parts}) == len({part.colour for part in parts}) == len(parts)


def test_a_name_that_says_more_than_the_kind_is_shown(simulation: Simulation) -> None:
    labels = labels_of(simulation.optimal)
    assert labels["park"] == "load (park)"
    assert (labels["charging"], labels["data_centre"]) == ("EV charging", "data centre")


def test_duration_curves_begin_at_the_peaks(simulation: Simulation) -> None:
    ax = figures.duration_curves(simulation)
    heights = {line.get_label().split(",")[0]: line.get_ydata() for line in ax.lines}
    baseline = simulation.summary.baseline
    assert baseline is not None
    assert heights["with control"][0] == simulation.summary.kpis["peak_import_kw"].value
    assert heights["without control"][0] == baseline.kpis["peak_import_kw"].value
    assert all((np.diff(height) <= 0).all() for height in heights.values())


@pytest.mark.parametrize("shape", ["whole", SEVERAL])
def test_bars_of_the_bill_add_up_to_it(shape: str, simulation_of: SimulationOf) -> None:
    """Both bars of a month, export below the line included."""
    simulation = simulation_of(shape)
    baseline = simulation.summary.baseline
    assert baseline is not None
    ax = figures.monthly_bills(simulation)
    drawn = sum(patch.get_height() for patch in ax.patches)
    assert drawn == pytest.approx(simulation.summary.bill.total + baseline.bill.total)


def test_many_lines_of_a_bill_are_drawn_by_kind(simulation: Simulation) -> None:
    lines = simulation.summary.bill.lines
    many = lines.loc[lines.index.repeat(4)].reset_index(drop=True)
    many["line"] = [f"{line} {number}" for number, line in enumerate(many["line"])]
    found = bill_by_line(many, simulation.optimal.grid)
    assert list(found) == [("energy", "energy"), ("demand", "demand charge")]
    assert sum(amounts.sum() for amounts in found.values()) == pytest.approx(4 * simulation.summary.bill.total)


def test_months_of_the_load_add_up(simulation_of: SimulationOf) -> None:
    simulation = simulation_of("half a year")
    ledger = simulation.summary.ledger
    ax = figures.monthly_origins(ledger)
    factor = 1000.0 if ax.get_ylabel() == "MWh per month" else 1.0
    solid = sum(patch.get_height() for patch in ax.patches if not patch.get_hatch())
    assert solid * factor == pytest.approx(simulation.summary.kpis["load_kwh"].value)


def test_day_by_hour_follows_local_clocks() -> None:
    """Spring: the hour that a day does not have is empty; autumn: the hour that it has twice is a mean."""
    spring = TimeGrid(dt.datetime(2025, 3, 30), 60, 23, "Europe/Berlin")
    table = day_by_hour(np.arange(23.0), spring)
    assert table.shape == (24, 1)
    assert np.isnan(table[2, 0])
    assert table[3, 0] == 2.0
    autumn = TimeGrid(dt.datetime(2025, 10, 26), 60, 25, "Europe/Berlin")
    assert day_by_hour(np.arange(25.0), autumn)[2, 0] == pytest.approx((2 + 3) / 2)


def test_hours_are_means_of_their_quarters() -> None:
    grid = TimeGrid(dt.datetime(2025, 1, 31), 15, 2 * 96, "Asia/Shanghai")
    values = np.arange(192.0)
    assert day_by_hour(values, grid)[1].tolist() == [5.5, 101.5]
    assert month_by_hour(values, grid)[1].tolist() == [5.5, 101.5]  # the last day of January, the first of February
    assert hour_profile(values, grid)[1] == 53.5


def test_sample_weeks_are_of_their_season(simulation_of: SimulationOf) -> None:
    """The half year holds a summer and no winter; its week begins on a Monday and lasts seven days."""
    result = simulation_of("half a year").optimal
    (span,) = figures.sample_spans(result)
    assert span.title.startswith("Summer week, ")
    assert span.end - span.begin == 7 * 24
    assert result.grid.weekday[span.begin] == 0
    assert result.grid.hour_of_day[span.begin] == 0
    assert set(result.grid.month_of_year[span.begin : span.end]) <= {6, 7, 8}


def test_summer_is_where_the_sun_is(simulation_of: SimulationOf) -> None:
    """South of the equator the same months are winter."""
    result = simulation_of("half a year").optimal
    south = result.scenario.site.model_copy(update={"latitude": -33.0})
    (span,) = figures.sample_spans(replace(result, scenario=replace(result.scenario, site=south)))
    assert span.title.startswith("Winter week, ")


def test_a_short_horizon_is_drawn_whole(simulation: Simulation) -> None:
    (span,) = figures.sample_spans(simulation.optimal)
    assert (span.begin, span.end) == (0, simulation.optimal.grid.num_steps)
    assert span.title == "The whole horizon, 28 April 2025 to 30 April 2025"


def test_a_horizon_between_seasons_has_one_week(simulation_of: SimulationOf) -> None:
    """40 days of April to June, of which June has no whole week."""
    (span,) = figures.sample_spans(simulation_of(SEVERAL).optimal)
    assert span.title.startswith("A week, ")


def test_figures_draw_where_they_are_told(simulation: Simulation) -> None:
    """In the axes given, or in a figure of their own that is in no global list."""
    figure = figures.new_figure(3.0)
    ax = figure.add_subplot()
    assert figures.duration_curves(simulation, ax) is ax
    alone = figures.duration_curves(simulation)
    assert figures.figure_of(alone) is not figure


def test_drawing_leaves_no_trace(simulation: Simulation) -> None:
    before = dict(matplotlib.rcParams)
    with figures.page_style():
        figures.svg(figures.overview(simulation), "f1", "overview")
    assert dict(matplotlib.rcParams) == before


def test_figures_need_no_window_system_and_no_early_import() -> None:
    """Importing the page's modules loads no matplotlib; drawing never loads pyplot."""
    code = (
        "import sys; import vpp_sim.report.page, vpp_sim.report.figures as figures; "
        "assert 'matplotlib' not in sys.modules; "
        "figures.new_figure(2.0); assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_svg_stands_alone(simulation: Simulation) -> None:
    """Text stays text, names carry the prefix, nothing points outside, and the words are for everyone."""
    with figures.page_style():
        text = figures.svg(figures.figure_of(figures.duration_curves(simulation)), "f7", 'what "it" shows & more')
    assert text.startswith('<svg role="img" aria-label="what &quot;it&quot; shows &amp; more"')
    assert "without control, peak" in text
    assert "DejaVu" not in text
    assert re.findall(r'\bid="(?!f7-)', text) == []
    targets = re.findall(r'(?:href="|url\()(#?[^")]+)', text)
    assert targets
    assert all(target.startswith("#f7-") for target in targets)


def test_the_same_run_gives_the_same_svg(simulation: Simulation) -> None:
    def drawn() -> str:
        with figures.page_style():
            return figures.svg(figures.overview(simulation), "f1", "overview")

    assert drawn() == drawn()


def test_a_store_without_state_of_charge_is_refused(simulation: Simulation) -> None:
    part = next(part for part in figures.parts_of(simulation.optimal) if part.name == "park")
    with pytest.raises(ValueError, match="park has no state of charge"):
        figures.state_of_charge(part, simulation.optimal.grid)


def test_what_moved_keeps_its_energy(simulation: Simulation) -> None:
    """Declared shifts: as much was met as came (nothing is missed on this site), and nothing is met below zero."""
    shifted = {
        name: component.shifted(simulation.optimal.values(name))
        for name, component in simulation.scenario.components.items()
    }
    assert list(shifted["charging"]) == ["station power"]
    assert list(shifted["data_centre"]) == ["facility power", "class training"]
    assert not shifted["park"]
    for name in ("charging", "data_centre"):
        for came, met in shifted[name].values():
            assert met.min() >= -1e-6
            assert met.sum() == pytest.approx(came.sum(), rel=1e-6)


def test_columns_of_nodes(simulation: Simulation) -> None:
    nodes, _ = figures.energy_flows(simulation.optimal, simulation.summary.ledger)
    columns: dict[int, list[Node]] = {}
    for node in nodes:
        columns.setdefault(node.column, []).append(node)
    assert [node.label for node in columns[ORIGIN]] == ["PV", "grid"]
    assert [node.label for node in columns[USE]][-3:] == ["EV charging", "data centre", "load (park)"]


@pytest.mark.parametrize("shape", [SEVERAL, "half a year"])
def test_long_legends_do_not_squeeze_the_axes(shape: str, simulation_of: SimulationOf) -> None:
    """A legend wider than its axes would take their room; it is broken into lines instead."""
    simulation = simulation_of(shape)
    with figures.page_style():
        for ax in (
            figures.monthly_origins(simulation.summary.ledger),
            figures.monthly_bills(simulation),
            figures.supply_and_use(simulation.optimal, figures.sample_spans(simulation.optimal)[0]),
        ):
            figures.figure_of(ax).draw_without_rendering()
            assert ax.get_position().x1 > 0.93

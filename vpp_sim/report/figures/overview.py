"""One picture that shows what a run is: a week of dispatch above, energy flow and sorted import below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpp_sim.kpi import Simulation
from vpp_sim.report.figures.energy_flow import energy_flow
from vpp_sim.report.figures.style import new_figure
from vpp_sim.report.figures.weeks import price_lines, sample_spans, supply_and_use
from vpp_sim.report.figures.year import duration_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def overview(simulation: Simulation) -> Figure:
    """A figure for a README or a slide, 10 x 8 in."""
    figure = new_figure(8.0)
    grid = figure.add_gridspec(3, 2, height_ratios=[3.2, 1.0, 3.2])
    span = sample_spans(simulation.optimal)[-1]
    power = figure.add_subplot(grid[0, :])
    supply_and_use(simulation.optimal, span, power)
    power.tick_params(labelbottom=False)
    figure.suptitle(f"{simulation.scenario.name}: {span.title[:1].lower()}{span.title[1:]}", fontsize=11)
    price_lines(simulation.optimal, span, figure.add_subplot(grid[1, :], sharex=power))
    energy_flow(simulation.optimal, simulation.summary.ledger, figure.add_subplot(grid[2, 0]))
    duration_curves(simulation, figure.add_subplot(grid[2, 1]))
    return figure

"""One picture that shows what a run is: weeks of dispatch above, energy flow and sorted import below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpp_sim.kpi import Simulation
from vpp_sim.report.figures.energy_flow import energy_flow
from vpp_sim.report.figures.style import new_figure
from vpp_sim.report.figures.weeks import sample_spans, supply_and_use
from vpp_sim.report.figures.year import duration_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def overview(simulation: Simulation) -> Figure:
    """A figure for a README or a slide, 10 in wide: the sample weeks, then where energy went and when it was bought."""
    spans = sample_spans(simulation.optimal)
    figure = new_figure(4.2 + 2.5 * len(spans))
    grid = figure.add_gridspec(len(spans) + 1, 2, height_ratios=[*(2.5 for _ in spans), 4.2], width_ratios=[1.25, 1.0])
    for row, span in enumerate(spans):
        ax = figure.add_subplot(grid[row, :])
        supply_and_use(simulation.optimal, span, ax, legend=row == 0)
        ax.set_xlabel(span.title)
    energy_flow(simulation.optimal, simulation.summary.ledger, figure.add_subplot(grid[-1, 0]))
    duration_curves(simulation, figure.add_subplot(grid[-1, 1]))
    return figure

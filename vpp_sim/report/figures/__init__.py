"""Figures of a run: functions `(run or arrays, ax=None) -> ax`, and two that compose several axes to a figure.

Nothing here knows kinds of components: what is drawn follows from the flows, labels, colours and shifts that components
declare. Matplotlib is imported when something is drawn.
"""

from vpp_sim.report.figures.energy_flow import energy_flow, energy_flows
from vpp_sim.report.figures.matching import matching_by_month_and_hour, matching_ladder
from vpp_sim.report.figures.money import monthly_bills, monthly_peaks
from vpp_sim.report.figures.overview import overview
from vpp_sim.report.figures.parts import Part, marginal_price, parts_of, prices_of
from vpp_sim.report.figures.shortfalls import BARS_BY_DAY, shortfalls_over_time
from vpp_sim.report.figures.style import figure_of, new_figure, page_style, svg
from vpp_sim.report.figures.weeks import (
    Span,
    dispatch_of_span,
    moved_in_span,
    price_lines,
    sample_spans,
    stored_energy,
    supply_and_use,
)
from vpp_sim.report.figures.year import (
    duration_curves,
    heat_map,
    monthly_origins,
    moved_by_hour,
    prices_by_month_and_hour,
    state_of_charge,
)

__all__ = [
    "BARS_BY_DAY",
    "Part",
    "Span",
    "dispatch_of_span",
    "duration_curves",
    "energy_flow",
    "energy_flows",
    "figure_of",
    "heat_map",
    "marginal_price",
    "matching_by_month_and_hour",
    "matching_ladder",
    "monthly_bills",
    "monthly_origins",
    "monthly_peaks",
    "moved_by_hour",
    "moved_in_span",
    "new_figure",
    "overview",
    "page_style",
    "parts_of",
    "price_lines",
    "prices_by_month_and_hour",
    "prices_of",
    "sample_spans",
    "shortfalls_over_time",
    "state_of_charge",
    "stored_energy",
    "supply_and_use",
    "svg",
]

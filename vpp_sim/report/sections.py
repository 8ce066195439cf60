"""The pictures of a page by section, each with words that say what is to be seen, or why it is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.kpi import Simulation
from vpp_sim.report import figures
from vpp_sim.report.figures import Part
from vpp_sim.report.formats import amount, change, kpi_amount, larger_unit, number, percent
from vpp_sim.report.shortfalls import short_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A map by day and hour needs so many days, a view by month so many months.
LEAST_DAYS: Final = 14
LEAST_MONTHS: Final = 2
#: A part of the load below this is nothing.
NOTHING: Final = 1e-4
#: Stores that get a map of their own.
MOST_STORES: Final = 4


@dataclass(frozen=True)
class Picture:
    """A figure as SVG with its words; without SVG, only the words that say why."""

    title: str
    caption: str
    svg: str = ""


@dataclass(frozen=True)
class Section:
    """Pictures under one heading."""

    key: str
    title: str
    pictures: list[Picture] = field(default_factory=list)


class _Album:
    """Draws figures one after the other and keeps their SVG under names of their own."""

    def __init__(self) -> None:
        self.count = 0

    def picture(self, title: str, caption: str, figure: Figure) -> Picture:
        """A figure with its words."""
        self.count += 1
        return Picture(title, caption, figures.svg(figure, f"f{self.count}", f"{title}. {caption}"))

    def of_axes(self, title: str, caption: str, ax: Axes) -> Picture:
        """The figure of a single pair of axes."""
        return self.picture(title, caption, figures.figure_of(ax))


def figure_sections(simulation: Simulation) -> list[Section]:
    """All sections that hold pictures, in the order of the page; every one has at least a word."""
    makers: list[tuple[str, str, Callable[[Simulation, _Album], Iterator[Picture]]]] = [
        ("flow", "Where the energy comes from and where it goes", _flow),
        ("weeks", "How the site is run", _weeks),
        ("storage", "Storage", _storage),
        ("grid", "Grid connection", _grid),
        ("bill", "Bill", _bill),
        ("policy", "Rules, clean energy and emissions", _policy),
        ("moved", "Demand that was moved in time", _moved),
        ("short", "What was asked for and not given", _short),
        ("prices", "What a kilowatt-hour is worth", _prices),
    ]
    album = _Album()
    with figures.page_style():
        return [Section(key, title, list(maker(simulation, album))) for key, title, maker in makers]


def _flow(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    summary, result = simulation.summary, simulation.optimal
    kpis, ledger = summary.kpis, summary.ledger
    caption = (
        f"Of a load of {kpi_amount('load_kwh', kpis['load_kwh'])}, renewable energy of the site covers "
        f"{percent(kpis['onsite_renewable_share'].value)}, direct or through storage. "
    )
    available = kpis["renewable_available_kwh"].value
    if available > 0:
        caption += (
            f"{percent(kpis['curtailed_kwh'].value / available)} of the available renewable energy is curtailed. "
        )
    caption += "Flows of less than 0.02 % are not drawn."
    yield album.of_axes("Energy from origins to uses", caption, figures.energy_flow(result, ledger))
    if result.grid.num_months < LEAST_MONTHS:
        return
    yield album.of_axes(
        "Load by origin, month by month",
        "Full bars add up to the load. The ledger follows renewable energy through the storage, which keeps a "
        "proportional mix of what it was charged with.",
        figures.monthly_origins(ledger),
    )


def _weeks(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    spans = figures.sample_spans(simulation.optimal)
    caption = (
        "What each component gives to the bus stands above the line, what it takes stands below; both sides are equal "
        "in every step."
    )
    for span in spans:
        yield album.picture(span.title, caption, figures.dispatch_of_span(simulation.optimal, span))
        caption = "As above."
    if not spans:
        yield Picture("Weeks", "The horizon holds no whole week from Monday to Sunday; none is drawn.")


def _stores(simulation: Simulation) -> list[Part]:
    return [part for part in figures.parts_of(simulation.optimal) if part.has_state]


def _storage(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    stores, grid = _stores(simulation), simulation.optimal.grid
    if not stores:
        yield Picture("State of charge", "No component of this site has a state of charge.")
    elif grid.num_days < LEAST_DAYS:
        yield Picture("State of charge", f"A map by day and hour needs {LEAST_DAYS} days; see the dispatch above.")
    else:
        for part in stores[:MOST_STORES]:
            caption = "One column per day, hours upwards. Dark: empty, bright: full."
            yield album.of_axes(f"State of charge, {part.label}", caption, figures.state_of_charge(part, grid))
        if len(stores) > MOST_STORES:
            yield Picture("Further stores", f"{len(stores) - MOST_STORES} more stores are not drawn.")


def _grid(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    summary, grid = simulation.summary, simulation.optimal.grid
    ledger = summary.ledger
    if not ledger.import_kw.any() and not ledger.export_kw.any():
        yield Picture("Import", "Nothing is imported or exported.")
        return
    caption = "Steps sorted by their import; the area below a curve is the imported energy."
    yield album.of_axes("Load duration curve of the import", caption, figures.duration_curves(simulation))
    if grid.num_days >= LEAST_DAYS:
        net = ledger.import_kw - ledger.export_kw
        label = "import − export, kW" if ledger.export_kw.any() else "import, kW"
        title = "Exchange with the grid" if ledger.export_kw.any() else "Import by day and hour"
        yield album.of_axes(title, "With control; one column per day.", figures.heat_map(net, grid, label))


def _bill(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    summary, grid = simulation.summary, simulation.optimal.grid
    currency = simulation.scenario.currency
    now = summary.bill.total
    caption = f"The bill of the horizon is {number(now)} {currency}"
    if summary.baseline is not None:
        before = summary.baseline.bill.total
        caption += f" against {number(before)} {currency} without control"
    caption += ", recomputed from the meter alone."
    yield album.of_axes("Bill by month and line", caption, figures.monthly_bills(simulation))
    if grid.num_months >= LEAST_MONTHS:
        basis = str(summary.bill.demand["basis"].iloc[0])
        words = {"none": "This tariff does not charge for it."}.get(basis, "What the charge for power rests on.")
        title = "Highest import of each month, as measured"
        yield album.of_axes(title, words, figures.monthly_peaks(simulation))


def _policy(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    summary, grid = simulation.summary, simulation.optimal.grid
    title = "Renewable generation against load, in ever shorter periods"
    if summary.kpis["renewable_available_kwh"].value <= 0:
        yield Picture(title, "The site has no renewable plant.")
        return
    caption = (
        "The finer the period, the less the surplus of one time can stand for what is wanting at another; hour by hour "
        "is what is called 24/7 matching. "
    )
    if summary.kpis["export_kwh"].value <= NOTHING * summary.kpis["load_kwh"].value:
        caption += "Nothing is exported here: what is generated is used on the spot or stored, so the ladder is flat. "
    figure = figures.new_figure(2.9)
    if grid.num_days < LEAST_DAYS:
        figures.matching_ladder(summary, figure.add_subplot(), step_minutes=grid.step_minutes)
    else:
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
        figures.matching_ladder(summary, left, step_minutes=grid.step_minutes)
        figures.matching_by_month_and_hour(summary.ledger, right)
        caption += "Right: the hours and months that the site's own sun covers, direct and through storage."
    yield album.picture(title, caption, figure)


def _moved(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    result = simulation.optimal
    labels = {part.name: part.initial for part in figures.parts_of(result)}
    nothing = True
    for name, component in result.scenario.components.items():
        shifted = component.shifted(result.values(name))
        if not shifted:
            continue
        nothing = False
        told, moved = [], {}
        for what, (came, met) in shifted.items():
            energy = 0.5 * float(np.abs(met - came).sum()) * result.grid.step_hours
            whole = float(came.sum()) * result.grid.step_hours
            if whole > 0 and energy > 1e-6 * whole:
                moved[what] = came, met
                told.append(f"{what} {amount(energy, 'kWh')} ({percent(energy / whole)})")
        title = labels.get(name, name)
        if not moved:
            yield Picture(title, "Nothing was moved.")
            continue
        caption = (
            f"Met in other steps than it came in: {', '.join(told)}. “As it came” is all of it at once, whatever the "
            "limits of power."
        )
        yield album.picture(title, caption, _moved_figure(simulation, moved))
    if nothing:
        yield Picture("Nothing", "No component of this site has demand that may wait.")


def _short(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    result = simulation.optimal
    short = short_of(result)
    if not short:
        yield Picture("Nothing", "All demand was met, and no limit with a price was broken.")
        return
    titled = [(f"{label}: {shortfall.what}", shortfall) for _, label, shortfall, _ in short]
    caption = "Each of these has a price in the scenario, at which the optimiser may leave it undone. "
    if result.grid.num_days >= figures.BARS_BY_DAY:
        caption += "One bar per day."
    if any(shortfall.is_stored for _, shortfall in titled):
        caption += " Of what is missing in a store, the most at any time of the day counts."
    yield album.picture("When", caption.rstrip(), figures.shortfalls_over_time(result.grid, titled))


def _moved_figure(simulation: Simulation, moved: dict[str, tuple[FloatArray, FloatArray]]) -> Figure:
    """A row per kind of demand: its mean day on the left, a sample of the horizon on the right."""
    grid = simulation.optimal.grid
    spans = figures.sample_spans(simulation.optimal)
    figure = figures.new_figure(0.5 + 1.75 * len(moved))
    axes = figure.subplots(len(moved), 2, squeeze=False, width_ratios=[1.0, 1.7])
    for row, (what, (came, met)) in enumerate(moved.items()):
        figures.moved_by_hour(grid, came, met, axes[row][0], title=what, legend=row == 0)
        if spans:
            figures.moved_in_span(grid, spans[-1], came, met, axes[row][1])
        else:
            axes[row][1].set_axis_off()
        if row < len(moved) - 1:
            axes[row][0].set_xlabel("")
    if spans:
        axes[0][1].set_title(spans[-1].title, fontweight="normal", fontsize=9)
    return figure


def _prices(simulation: Simulation, album: _Album) -> Iterator[Picture]:
    result = simulation.optimal
    grid, currency = result.grid, simulation.scenario.currency
    price, marginal = figures.prices_of(result)["import"], figures.marginal_price(result)
    title = "Prices by month and hour of the day"
    if grid.num_days < LEAST_DAYS:
        yield Picture(title, f"Means by hour need {LEAST_DAYS} days; see the prices below the dispatch.")
        return
    figure = figures.new_figure(2.9)
    axes = figure.subplots(1, 2 if marginal is not None else 1, squeeze=False)[0]
    figures.prices_by_month_and_hour(price, grid, f"price of import, {currency}/kWh", axes[0])
    caption = "Left: the tariff's price of an imported kWh. "
    if marginal is not None:
        label = f"marginal price of the bus, {currency}/kWh"
        figures.prices_by_month_and_hour(marginal, grid, label, axes[1], highest=2.0 * float(price.max()))
        caption += (
            "Right: what one more kWh of use would have cost, all limits, storage and demand charge considered: low "
            "where renewable energy would be curtailed, high where the peak of a month is set."
        )
    yield album.picture(title, caption, figure)


def headline_change(simulation: Simulation, name: str) -> str:
    """How a headline differs from the uncontrolled site, in words."""
    baseline = simulation.summary.baseline
    if baseline is None or name not in baseline.kpis:
        return ""
    kpi, before = simulation.summary.kpis[name], baseline.kpis[name]
    unit, factor = larger_unit(kpi.unit, max(abs(before.value), abs(kpi.value)))
    was = kpi_amount(name, before) if kpi.unit == "-" else f"{number(before.value / factor)} {unit}"
    difference = change(name, kpi.value, before.value)
    return f"{difference} (without control {was})" if difference else f"as without control, {was}"

"""One self-contained page per run: headlines against the uncontrolled site, figures, every KPI, checks, assumptions.

Nothing is fetched when the page is opened: styles and figures stand inside it, and it says so to the browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vpp_sim.components.base import Check, Kpi
from vpp_sim.kpi import Simulation, Summary
from vpp_sim.kpi.billing import bills_on_every_basis
from vpp_sim.kpi.finance import formulas_in
from vpp_sim.report.figures.parts import labels_of
from vpp_sim.report.formats import CERTAINTY, HEADLINES, SHARES, amount, basis_words, change, in_order, number, percent
from vpp_sim.report.policy import policy_section
from vpp_sim.report.sections import figure_sections, headline_change
from vpp_sim.report.shortfalls import shortfall_rows
from vpp_sim.scenario.describe import parameters

if TYPE_CHECKING:
    from jinja2 import Environment

#: Lines of the table of costs, with the words of the page and the sign with which they enter the sum.
COST_LINES: Final[Mapping[str, str]] = {
    "energy_cost": "Imported energy",
    "demand_cost": "Demand charge",
    "fixed_cost": "Fixed charges",
    "export_revenue": "Revenue from export",
    "wear_cost": "Wear of storage",
    "operating_cost": "Operating cost",
    "penalty_cost": "Price put on service not given",
    "investment_cost": "Annuity of sizes chosen",
}
#: What control must not spoil: shown below the headlines where the site has it.
SERVICE: Final[Mapping[str, str]] = {
    "ev_unserved_kwh": "EV charging not served",
    "compute_missed_kwh": "compute work missed",
    "compute_mean_delay_hours": "mean delay of compute work",
    "unserved_load_kwh": "load shed",
}
#: Money or energy below this share of the operating cost or the load is what solvers leave, and is not told.
LEAST_SHARE: Final = 1e-6
#: Entries of a list that are shown.
MOST_SHOWN: Final = 12


def run_page(simulation: Simulation) -> str:
    """The page of a run as HTML; the same run gives the same text."""
    summary, scenario = simulation.summary, simulation.scenario
    sections = figure_sections(simulation)
    return (
        _templates()
        .get_template("page.html")
        .render(
            simulation=simulation,
            scenario=scenario,
            summary=summary,
            facts=_facts(simulation),
            tiles=_tiles(simulation),
            service=_service(summary),
            costs=_costs(summary),
            targets=_targets(summary, scenario.currency),
            sections=sections,
            contents=[(section.key, section.title) for section in sections],
            sizes=[(name, number(size)) for name, size in simulation.optimal.sizes.items()],
            kpis=[_kpi_row(name, summary.kpis[name], summary) for name in in_order(summary.kpis)],
            components=_components(simulation),
            checks=_checks(summary),
            failed=[check for check in summary.checks if not check.passed],
            bill_lines=_bill_lines(simulation),
            bases=_bases(simulation),
            shortfalls=shortfall_rows(simulation.optimal),
            policy=policy_section(simulation),
            certainty=CERTAINTY,
            formulas=formulas_in(kpi.definition for kpi in summary.kpis.values()),
        )
    )


def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vpp_sim.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


def _facts(simulation: Simulation) -> list[tuple[str, str]]:
    """What was computed, in a few lines."""
    scenario, grid = simulation.scenario, simulation.optimal.grid
    solver = simulation.optimal.solver
    # with absolute paths, as the folder has it: the page made again from there must say the same
    weather = {key: value for key, value in scenario.to_mapping()["weather"].items() if value is not None}
    gap = f"gap {solver.gap:.0e}" if solver.gap == solver.gap else "feasible; optimal by the solver's word (no duals)"
    words = [
        str(weather.pop("source")),
        *(f"{key.replace('_', ' ')} {_compact(word)}" for key, word in weather.items()),
    ]
    site = f"{scenario.site.latitude:g}°, {scenario.site.longitude:g}°, {number(scenario.site.altitude_m)} m"
    span = f"{grid.local[0]:%Y-%m-%d %H:%M} to {grid.local[-1]:%Y-%m-%d %H:%M}, {number(grid.num_steps)} steps of "
    return [
        ("Horizon", f"{span}{grid.step_minutes} min, {grid.timezone}"),
        ("Site", site),
        ("Weather", ", ".join(words)),
        ("Tariff", scenario.tariff.title or scenario.tariff.name),
        (
            "Optimum",
            f"{solver.status}; {solver.name} {solver.version}, {number(solver.num_rows)} rows × "
            f"{number(solver.num_columns)} columns, " + gap,
        ),
        *([("One flow at a time", exact.note())] if (exact := simulation.optimal.exact) is not None else []),
    ]


def _tiles(simulation: Simulation) -> list[dict[str, str]]:
    """Headlines: title, value, and how it compares."""
    summary = simulation.summary
    tiles = []
    for name, title in HEADLINES.items():
        kpi = summary.kpis.get(name)
        if kpi is None:
            continue
        if name == "saving":
            cost = summary.kpis["baseline_operating_cost"].value
            words = f"{percent(kpi.value / cost)} of the operating cost without control" if cost > 0 else ""
        else:
            words = headline_change(simulation, name)
        value = percent(kpi.value) if name in SHARES else amount(kpi.value, kpi.unit)
        tiles.append({"title": title, "value": value, "words": words})
    return tiles


def _service(summary: Summary) -> list[str]:
    """What was not served or delayed, with control, and without where that differs."""
    before = {} if summary.baseline is None else summary.baseline.kpis
    least = LEAST_SHARE * summary.kpis["load_kwh"].value

    def text(kpi: Kpi) -> str:
        return amount(0.0 if kpi.unit == "kWh" and kpi.value < least else kpi.value, kpi.unit)

    found = []
    for name, words in SERVICE.items():
        if name not in summary.kpis:
            continue
        now = text(summary.kpis[name])
        was = text(before[name]) if name in before else now
        found.append(f"{words} {now}" + (f" (without control {was})" if was != now else ""))
    return found


def _targets(summary: Summary, currency: str) -> list[dict[str, str]]:
    """Targets of the scenario: what was wanted, what was reached, and what a tighter one would cost."""
    rows = []
    for name, outcome in summary.targets.items():
        meaning = outcome.target.meaning

        def text(value: float, unit: str = meaning.unit) -> str:
            return percent(value) if unit == "-" else amount(value, unit)

        price = outcome.shadow_price
        told = f"{number(price)} {currency} per {outcome.shadow_unit}" if price == price else "–"
        missed = f"missed by {amount(outcome.shortfall, meaning.shortfall_unit)}"
        rows.append(
            {
                "name": name,
                "measure": outcome.target.limited,
                "wanted": f"{meaning.bound.replace('_', ' ')} {text(outcome.target.bound)}",
                "achieved": text(outcome.achieved),
                "verdict": "met" if outcome.is_met else missed,
                "price": told,
            }
        )
    return rows


def _costs(summary: Summary) -> list[dict[str, Any]]:
    """Rows of the table of costs; lines that are 0 on both sides are left out."""
    before = {} if summary.baseline is None else summary.baseline.kpis
    least = LEAST_SHARE * abs(summary.kpis["operating_cost"].value)
    rows = []
    for name, words in COST_LINES.items():
        if name not in summary.kpis:
            continue
        now, was = summary.kpis[name].value, before[name].value if name in before else 0.0
        if max(abs(now), abs(was)) <= least and name != "operating_cost":
            continue
        rows.append(
            {
                "words": words,
                "now": number(now),
                "before": number(was) if name in before else "",
                "change": number(now - was) if name in before else "",
                "total": name == "operating_cost",
            }
        )
    return rows


def _kpi_row(name: str, kpi: Kpi, summary: Summary, component: str | None = None) -> dict[str, Any]:
    """A row of a table of KPIs; the value before is of the uncontrolled site."""
    baseline = summary.baseline
    before: Kpi | None = None
    if baseline is not None:
        among = baseline.kpis if component is None else baseline.components.get(component, {})
        before = among.get(name)

    def text(value: float) -> str:
        return percent(value) if name in SHARES else number(value)

    return {
        "name": name,
        "value": text(kpi.value),
        "before": "" if before is None else text(before.value),
        "change": "" if before is None else change(name, kpi.value, before.value),
        "unit": "" if kpi.unit == "-" else kpi.unit,
        "definition": kpi.definition,
        "headline": component is None and name in HEADLINES,
    }


def _components(simulation: Simulation) -> list[dict[str, Any]]:
    """Parameters of every component, and those of its KPIs that are not the site's as well."""
    scenario, summary = simulation.scenario, simulation.summary
    labels = labels_of(simulation.optimal)
    written = scenario.to_mapping()["components"]
    listed = []
    for name, component in scenario.components.items():
        rows = [
            {
                "name": entry.name,
                "value": _compact(written[name].get(entry.name), lines=True),
                "unit": entry.unit.replace("currency", scenario.currency),
                "doc": entry.doc,
            }
            for entry in parameters(type(component))
            if entry.name != "kind" and written[name].get(entry.name) not in (None, [], {})
        ]
        kpis = summary.components.get(name, {})
        own = [
            _kpi_row(key, kpi, summary, component=name)
            for key, kpi in kpis.items()
            if key not in summary.kpis or summary.kpis[key].value != kpi.value
        ]
        listed.append({"name": name, "label": labels[name], "kind": component.kind_name, "rows": rows, "kpis": own})
    return listed


def _compact(value: Any, *, lines: bool = False) -> str:
    """Plain data close to YAML's flow style, files by name; long series are cut, mappings in a list get lines."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_compact(entry)}" for key, entry in value.items() if entry is not None) + "}"
    if isinstance(value, list | tuple):
        shown = [_compact(entry) for entry in value[:MOST_SHOWN]]
        if lines and any(isinstance(entry, Mapping) for entry in value):
            return "\n".join(shown)
        return "[" + ", ".join(shown) + (f", … {len(value)} in all]" if len(value) > len(shown) else "]")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,.10g}" if abs(value) >= 10_000 else f"{value:.10g}"
    if value is None:
        return "–"
    return Path(value).name if Path(str(value)).is_absolute() else str(value)


def _checks(summary: Summary) -> list[tuple[str, list[Check]]]:
    """Checks of the optimal run and of the uncontrolled one."""
    marks = "baseline: "
    own = [check for check in summary.checks if not check.name.startswith(marks)]
    others = [check for check in summary.checks if check.name.startswith(marks)]
    return [(title, listed) for title, listed in (("With control", own), ("Without control", others)) if listed]


def _bill_lines(simulation: Simulation) -> list[dict[str, str]]:
    """Lines of the bill over the horizon: quantity, mean price and amount, and the amount without control."""
    summary = simulation.summary
    now = summary.bill.lines.groupby(["kind", "line", "unit"], sort=False)[["quantity", "amount"]].sum()
    before: Mapping[Any, float] = {}
    if summary.baseline is not None:
        lines = summary.baseline.bill.lines
        before = lines.groupby(["kind", "line", "unit"], sort=False)["amount"].sum().to_dict()
    rows = []
    for key in [*now.index, *(key for key in before if key not in now.index)]:
        quantity, paid = (float(entry) for entry in now.loc[key]) if key in now.index else (0.0, 0.0)
        kind, line, unit = (str(word) for word in key)
        rows.append(
            {
                "kind": kind,
                "line": line,
                # powers are billed every month, so their sum over the horizon is power times months
                "quantity": f"{number(quantity)} {unit}{' months' if kind == 'demand' else ''}",
                "price": f"{paid / quantity:,.4f}" if quantity > 0 else "–",
                "amount": number(paid),
                "before": number(float(before[key])) if key in before else "–",
            }
        )
    return rows


def _bases(simulation: Simulation) -> dict[str, Any]:
    """The meter of this run on every basis that the tariff offers; empty where there is nothing to choose."""
    summary, currency = simulation.summary, simulation.scenario.currency
    if summary.accounts is None:
        return {}
    bills = bills_on_every_basis(simulation.optimal, summary.accounts)
    if len(bills) < 2:
        return {}
    before: Mapping[str, float] = {}
    if summary.baseline is not None and summary.baseline.accounts is not None:
        uncontrolled = bills_on_every_basis(simulation.baseline, summary.baseline.accounts)
        before = {entry.name: entry.total for entry in uncontrolled}
    used = bills[0]
    can = [entry for entry in bills if not entry.lacks]
    best = min(can, key=lambda entry: entry.total)
    rows = [
        {
            "name": basis_words(entry.name) + (" (in use)" if entry.in_use else ""),
            "energy": number(entry.energy_cost),
            "demand": number(entry.demand_cost),
            "total": number(entry.total),
            "difference": ""
            if entry is used
            else f"{'+' if entry.total > used.total else ''}{number(entry.total - used.total)}",
            "declared": f"{number(entry.contracted_kw)} kW" + (", the best" if entry.chosen else "")
            if entry.contracted_kw == entry.contracted_kw
            else "",
            "before": number(before.get(entry.name, float("nan"))),
            "best": entry is best,
        }
        for entry in can
    ]
    less = number(used.total - best.total)
    words = f"{basis_words(best.name)} would have been cheapest for this meter, by {less} {currency}."
    if best is used:
        words = f"{basis_words(best.name)}, the basis in use, is the cheapest for this meter."
    lacking = [
        f"{basis_words(entry.name)} needs {entry.lacks} of the grid connection" for entry in bills if entry.lacks
    ]
    return {
        "rows": rows,
        "words": words[0].upper() + words[1:],
        "used": basis_words(used.name),
        "lacking": "; ".join(lacking),
    }

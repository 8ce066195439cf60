"""The proforma as files of a run folder: `proforma.csv` (cash flow), `proforma.json`, and a page.

The page answers what an investor asks in turn: what is it worth, against what, what does it rest on, what does each
part add, year by year, how would it be worth nothing, and by which formulas.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vpp_sim.kpi.finance import FORMULAS, formulas_in
from vpp_sim.report import figures
from vpp_sim.report.figures import proforma as drawings
from vpp_sim.report.figures.parts import labels_of
from vpp_sim.report.folder import amended, write_json
from vpp_sim.report.formats import number, percent
from vpp_sim.studies.course import Course, with_economics

if TYPE_CHECKING:
    from vpp_sim.kpi.economics import Proforma

CSV_FILE, JSON_FILE, PROFORMA_PAGE = "proforma.csv", "proforma.json", "proforma.html"

#: The headlines, in order, with their titles.
HEADLINES: Final = {
    "npv": "Net present value",
    "irr": "Internal rate of return",
    "payback_years": "Simple payback",
    "capital_cost": "Capital",
    "first_year_saving": "Saved in year 1",
    "lcoe": "LCOE of the plants",
}
#: Figures that are also told against a site that is under control with nothing bought.
AGAINST_CONTROL: Final = ("npv", "irr", "mirr", "payback_years", "discounted_payback_years")
#: A part of the NPV below this is none.
NOTHING: Final = 1e-6
RATES: Final = ("irr", "mirr", "equity_irr")
#: Columns of the table on the page and on the terminal, with their headings.
COLUMNS: Final = {
    "capital": "capital",
    "subsidy": "subsidy",
    "energy_saving": "energy saved",
    "demand_saving": "demand saved",
    "fixed_saving": "fixed saved",
    "export_gain": "export",
    "service": "service",
    "om": "O&M",
    "replacement": "replace",
    "salvage": "salvage",
    "tax": "tax",
    "net": "net",
    "cumulative": "running total",
    "discounted": "discounted",
    "loan_drawn": "loan",
    "loan_interest": "interest",
    "loan_repaid": "repaid",
    "equity": "own money",
}


def write_proforma(found: Course, folder: Path) -> list[Path]:
    """Put the proforma into a run folder and seal it again; returns the files.

    Raises:
        InputError: the folder is not that of a run, or cannot be written.
    """
    page, document = proforma_page(found), proforma_document(found)
    table = found.proforma.table.join(found.capacities().add_suffix("_capacity"))
    with amended(folder) as made:
        table.to_csv(made / CSV_FILE, lineterminator="\n")
        write_json(made / JSON_FILE, document)
        (made / PROFORMA_PAGE).write_text(page, encoding="utf-8")
    return [folder / name for name in (CSV_FILE, JSON_FILE, PROFORMA_PAGE)]


def proforma_document(found: Course) -> dict[str, Any]:
    """What `proforma.json` holds."""
    economics = found.scenario.economics
    result = found.proforma
    return {
        "scenario": found.scenario.name,
        "currency": found.scenario.currency,
        "economics": economics.model_dump(),
        "nominal_discount_rate": economics.nominal_rate,
        "kpis": {
            name: {"value": kpi.value, "unit": kpi.unit, "definition": kpi.definition}
            for name, kpi in result.kpis.items()
        },
        "bought": {name: asdict(entry) for name, entry in result.project.bought.items()},
        "business_as_usual_without": sorted(result.project.absent),
        "replacements": [
            {"component": entry.component, "years": entry.years, "reason": entry.reason}
            for entry in result.schedule.replacements
        ],
        "life_left": dict(result.schedule.life_left),
        "adds": [asdict(entry) for entry in found.increments],
        "control_saving": found.control_saving,
        "against_control": {name: found.against_control.kpis[name].value for name in AGAINST_CONTROL},
        "sensitivity": [
            {"what": words, "worse": worse, "better": better} for words, worse, better in sensitivity(found)
        ],
        "years_dispatched": list(found.dispatched),
        "rounds": found.rounds,
        "capacity_residual": found.capacity_residual,
        "interpolation_error": found.error,
        "checks": {check.name: {"passed": check.passed, "worst": check.worst} for check in found.checks},
        "notes": list(result.notes),
        "formulas": dict(FORMULAS),
    }


def sensitivity(found: Course) -> list[tuple[str, float, float]]:
    """NPV when one assumption is worse and better than assumed: (words, worse, better); nothing is dispatched anew."""
    economics = found.scenario.economics
    rise = economics.escalation

    def npv(other: Proforma) -> float:
        return other.kpis["npv"].value

    def dearer(factor: float) -> float:
        return npv(with_economics(found, economics, capital_factor=factor))

    def saved(factor: float) -> float:
        return npv(with_economics(found, economics, saving_factor=factor))

    def risen(step: float) -> float:
        energy, demand = economics.rise("energy") + step, economics.rise("demand") + step
        changed = rise.model_copy(update={"energy": energy, "demand": demand})
        return npv(with_economics(found, economics.model_copy(update={"escalation": changed})))

    def discounted(step: float) -> float:
        rate = max(economics.discount_rate + step, 0.0)
        return npv(with_economics(found, economics.model_copy(update={"discount_rate": rate})))

    return [
        ("capital, O&M, replacement ±20 %", dearer(1.2), dearer(0.8)),
        ("savings ±20 %", saved(0.8), saved(1.2)),
        ("discount rate ±2 points", discounted(0.02), discounted(-0.02)),
        ("energy and demand prices ±1 % a year", risen(-0.01), risen(0.01)),
    ]


def break_evens(found: Course) -> list[str]:
    """How far an assumption may be off until the project is worth nothing, in words; linear, so exact before tax."""
    economics = found.scenario.economics
    base = found.proforma.kpis["npv"].value

    def root(worth: float) -> float:
        """Change of a factor from 1 at which a worth that is linear in it is 0, from its worth at 1.1."""
        return -base * 0.1 / (worth - base) if worth != base else float("inf")

    dearer = root(with_economics(found, economics, 1.1).kpis["npv"].value)
    saving = root(with_economics(found, economics, saving_factor=1.1).kpis["npv"].value)
    about = "" if economics.tax is None else "about "
    if base > 0:
        return [
            f"The project is worth nothing if all that is bought costs {about}{percent(dearer)} more,",
            f"or if {about}{percent(-saving)} of what is saved are not saved.",
        ]
    return [
        f"The project would be worth something if all that is bought cost {about}{percent(-dearer)} less,",
        f"or if {about}{percent(saving)} more were saved.",
    ]


def kpi_text(name: str, value: float, unit: str) -> str:
    """A figure of the proforma as people read it."""
    if name in RATES:
        return percent(value)
    if unit == "a":
        return f"{value:.1f} years" if value == value else "never"
    return number(value) + ("" if unit == "-" else f" {unit}")


def proforma_page(found: Course) -> str:
    """The page as HTML; the same course gives the same text."""
    from vpp_sim.report.page import _templates

    result, scenario = found.proforma, found.scenario
    economics = scenario.economics
    labels = labels_of(found.reference.optimal)
    with figures.page_style():
        pictures = [
            (
                "The cash flow",
                "Bars are each year's money against business as usual; the line is their running total. Where it "
                "crosses zero for good, the capital has come back.",
                drawings.cash_flow(result, scenario.currency),
            ),
            (
                "What is left of the capacities",
                "Each year is dispatched with the capacities of its middle. A part is replaced when its capacity or "
                "its age reaches the limit.",
                drawings.capacities_left(found.capacities(), result.schedule, labels),
            ),
            (
                "Worth against the discount rate",
                "The rate at which the curve crosses zero is the internal rate of return.",
                drawings.worth_by_rate(result, economics.nominal_rate, scenario.currency),
            ),
            (
                "What the worth depends on",
                "One assumption changed at a time, without dispatching anew. " + " ".join(break_evens(found)),
                drawings.tornado(sensitivity(found), result.kpis["npv"].value, scenario.currency),
            ),
        ]
        drawn = [
            (title, words, figures.svg(figures.figure_of(ax), f"p{position}", f"{title}. {words}"))
            for position, (title, words, ax) in enumerate(pictures)
        ]
    columns = [
        name
        for name in COLUMNS
        if name in result.table and (name in ("net", "cumulative") or result.table[name].abs().max() > 0.5)
    ]
    return (
        _templates()
        .get_template("proforma.html")
        .render(
            scenario=scenario,
            economics=economics,
            found=found,
            result=result,
            labels=labels,
            tiles=[
                {"title": title, "value": kpi_text(name, result.kpis[name].value, result.kpis[name].unit)}
                for name, title in HEADLINES.items()
                if name in result.kpis
            ],
            verdict=_verdict(found),
            kpis=[(name, kpi_text(name, kpi.value, kpi.unit), kpi.definition) for name, kpi in result.kpis.items()],
            bought=[
                (labels[name], entry, "on both sides" if entry.in_baseline else "")
                for name, entry in result.project.investments.items()
            ],
            adds=[(labels[entry.component], entry) for entry in found.increments],
            columns=[COLUMNS[name] for name in columns],
            rows=[
                (year, [number(round(float(amount))) for amount in amounts])
                for year, amounts in enumerate(result.table[columns].to_numpy().tolist())
            ],
            pictures=drawn,
            formulas=formulas_in(kpi.definition for kpi in result.kpis.values()),
            rates=_rates(found),
            percent=percent,
            worst=max(check.worst for check in found.checks),
        )
    )


def _rates(found: Course) -> list[tuple[str, str]]:
    economics = found.scenario.economics
    rows = [
        ("Years", str(economics.num_years)),
        ("Discount rate", f"{percent(economics.nominal_rate)} nominal, {percent(economics.real_rate)} real"),
        ("Inflation", percent(economics.inflation)),
    ]
    for kind in ("energy", "demand", "fixed", "export", "om", "replacement"):
        if abs(economics.rise(kind) - economics.inflation) > 1e-12:
            rows.append((f"Rise of {kind}", f"{percent(economics.rise(kind), signed=True)} a year"))
    rows.append(("Tax", "none" if economics.tax is None else f"{percent(economics.tax.rate)} of the profit"))
    if economics.loan is not None:
        loan = economics.loan
        rows.append(("Loan", f"{percent(loan.share)} of the capital at {percent(loan.rate)} over {loan.years} years"))
    return rows


def control_words(found: Course) -> str:
    """What control alone would bring, and what is left for the purchase."""
    against, currency = found.against_control.kpis, found.scenario.currency
    npv = against["npv"].value
    brings = found.proforma.kpis["npv"].value - npv
    payback = kpi_text("payback_years", against["payback_years"].value, "a")
    if abs(brings) < NOTHING * max(abs(npv), 1.0):
        return "Control alone, with nothing bought, would bring nothing: all of the NPV is the purchase's."
    there = sorted(found.proforma.project.unpriced)
    what = f"control of what is there already ({', '.join(there)} too)" if there else "control of charging and compute"
    return (
        f"{number(brings)} {currency} of the NPV is what {what} brings with nothing bought; "
        f"against the same site under control the purchase is worth {number(npv)} {currency} "
        f"(IRR {percent(against['irr'].value)}, payback {payback})."
    )


def _verdict(found: Course) -> str:
    """The answer in one sentence."""
    result, economics = found.proforma, found.scenario.economics
    npv, irr = result.kpis["npv"].value, result.kpis["irr"].value
    currency = found.scenario.currency
    taxed = "before tax" if economics.tax is None else "after tax"
    sentence = (
        f"Worth {number(npv)} {currency} today {taxed}: it earns more than {percent(economics.nominal_rate)} a year"
        if npv > 0
        else f"Not worth its capital at {percent(economics.nominal_rate)} {taxed}: {number(npv)} {currency}"
    )
    parts = [f"{sentence}."]
    if irr == irr:
        parts.append(f"The internal rate of return is {percent(irr)}.")
    parts.append(control_words(found))
    losing = [entry for entry in found.increments if entry.npv < 0]
    if losing and npv > 0:
        labels = labels_of(found.reference.optimal)
        listed = ", ".join(f"{labels[entry.component]} ({number(entry.npv)} {currency})" for entry in losing)
        parts.append(f"Taken for itself, this costs more than it adds: {listed}.")
    return " ".join(parts)

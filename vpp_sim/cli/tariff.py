"""`vpp-sim tariff`: the cheapest charge for power, with and without storage, and where it changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vpp_sim.cli.options import scenario_options

if TYPE_CHECKING:
    from vpp_sim.studies.billing import BillingStudy, Search


@click.command()
@scenario_options
@click.option(
    "--with-storage/--without-storage",
    "with_storage",
    default=None,
    help="Only with, or only without, the site's storage; both if left out.",
)
@click.option(
    "--along",
    "searches",
    multiple=True,
    metavar="PATH=FROM:TO[:POINTS]",
    help="Where the cheapest basis changes along a number: transformer_kva, demand_price_per_kw_month, "
    "capacity_price_per_kva_month, transmission_price_per_kwh, average_load_factor, storage_scale, or a path such as "
    "battery.energy_kwh. Several may be given; transformer_kva and storage_scale if left out.",
)
@click.option("--no-search", is_flag=True, help="Do not look where the cheapest basis changes (saves solves).")
@click.option(
    "--quarter-hours/--no-quarter-hours",
    "quarter_hours",
    default=None,
    help="Solve the basis in use on quarter-hours too, to see what hourly steps leave out of the peak; up to 52 days "
    "if left out, for a year of quarter-hours takes long.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Result folder [results/NAME OF THE FILE-tariff]."
)
@click.option("--solver", metavar="NAME", help="auto, highs, or pulp:NAME (pulp:CBC); overrides the scenario.")
def tariff(
    path: str,
    overrides: tuple[str, ...],
    settings: tuple[str, ...],
    with_storage: bool | None,
    searches: tuple[str, ...],
    no_search: bool,
    quarter_hours: bool | None,
    out: Path | None,
    solver: str | None,
) -> None:
    """Optimise SCENARIO on every basis its tariff offers: contracted or measured demand, transformers, the 1192号 fee.

    The bases are the tariff's `demand` and `demand_options`; transformer_kva and contracted_kw of the grid connection
    are the site's numbers. A declared demand that nobody gives is chosen.
    """
    from vpp_sim.cli.progress import phases
    from vpp_sim.errors import DefectError, InputError
    from vpp_sim.report.figures import billing as figures
    from vpp_sim.report.study_folder import csv, png, write_study_folder
    from vpp_sim.scenario import load_scenario
    from vpp_sim.studies.billing import Along, compare_bases

    if no_search and searches:
        raise InputError("--no-search: stands beside --along; keep one of them")
    along = [] if no_search else [Along.parsed(text) for text in searches] or None
    scenario = load_scenario(path, overrides=overrides, settings=settings)
    folder = out or Path("results") / f"{Path(path).stem}-tariff"
    side = {None: "both", True: "with", False: "without"}[with_storage]
    with phases() as progress:
        study = compare_bases(
            scenario,
            storage=side,  # type: ignore[arg-type]
            along=along,
            quarter_hours=quarter_hours,
            solver=solver,
            progress=progress,
        )
        progress("writing the results")
        files = {"bases.csv": csv(study.table), "bases.png": png(lambda: figures.bases(study))}
        for search in study.searches:
            files[f"{_file_of(search)}.csv"] = csv(search.table)
        if study.searches:
            files["along.png"] = png(lambda: figures.along(study))
        write_study_folder(folder, _document(study), files)
    _print(study)
    click.echo(f"results: {folder}")
    failed = [check for check in study.checks if not check.passed]
    if failed:
        listed = "\n".join(f"  {check.name}: {check.worst:.2e}, at most {check.tolerance:g}" for check in failed)
        raise DefectError(f"{len(failed)} of our own checks failed; do not trust the results in {folder}:\n{listed}")


def _file_of(search: Search) -> str:
    return f"along_{search.along.path.replace('.', '_')}_{'with' if search.storage else 'without'}_storage"


def _document(study: BillingStudy) -> dict[str, Any]:
    scenario, grid = study.scenario, study.scenario.grid
    sides = {"with_storage": study.cheapest(storage=True), "without_storage": study.cheapest(storage=False)}
    return {
        "study": "tariff",
        "scenario": scenario.name,
        "scenario_digest": scenario.digest(),
        "tariff": scenario.tariff.name,
        "currency": scenario.currency,
        "horizon": {"start": grid.index[0].isoformat(), "steps": grid.num_steps, "step_minutes": grid.step_minutes},
        "storage": list(study.storage_components),
        "bases": study.table.to_dict(orient="records"),
        "cheapest": {side: None if row is None else row.name for side, row in sides.items()},
        "left_out": study.left_out,
        "searches": [
            {
                "along": search.along.path,
                "unit": search.unit,
                "from": search.along.low,
                "to": search.along.high,
                "points": search.along.points,
                "now": search.base,
                "storage": search.storage,
                "table": f"{_file_of(search)}.csv",
                "switches": [vars(switch) for switch in search.switches],
            }
            for search in study.searches
        ],
        "quarter_hours": [{**vars(each), "peak_understated_by": each.share} for each in study.understatements],
        "checks": {check.name: check.passed for check in study.checks},
    }


def _print(study: BillingStudy) -> None:
    from rich.table import Table

    from vpp_sim.cli.tables import show
    from vpp_sim.report.formats import basis_words, number

    currency, grid = study.scenario.currency, study.scenario.grid
    span = "the year" if grid.years == 1.0 else f"{grid.num_days} days"
    table = Table(title=f"Least cost on each basis over {span}, {currency}", title_justify="left")
    table.add_column("charge for power")
    table.add_column("storage")
    for heading in ("energy", "power", "all else", "total", "storage saves", "declared kW", "mean peak kW"):
        table.add_column(heading, justify="right")
    saved = study.table["saving_by_storage"].tolist()
    best = [study.cheapest(storage=side) for side in (True, False)]
    for row, saving in zip(study.rows, saved, strict=True):
        name = basis_words(row.name) + (" (in use)" if row.in_use else "")
        parts = (row.energy_cost, row.demand_cost, row.other_cost, row.total_cost)
        declared = "" if row.contracted_kw != row.contracted_kw else number(row.contracted_kw)
        told = "" if saving != saving else number(saving)
        least = 1e-5 * max(abs(part) for part in parts)
        cells = [
            *(number(part if abs(part) > least else 0.0) for part in parts),
            told,
            declared + (" (best)" if row.chosen else ""),
        ]
        side = "with" if row.storage else "without"
        table.add_row(name, side, *cells, number(row.mean_peak_kw), style="bold" if row in best else "")
    show(table, *sentences(study))


def sentences(study: BillingStudy) -> list[str]:
    """What the study says, a line each."""
    from vpp_sim.report.formats import basis_words, number, percent

    currency, lines = study.scenario.currency, []
    for side in (True, False):
        best = study.cheapest(storage=side)
        if best is None:
            continue
        others = sorted((row.total_cost, row.name) for row in study.rows if row.storage == side and row is not best)
        word = f"{'with' if side else 'without'} storage " if study.storage_components else ""
        line = f"cheapest {word}is {basis_words(best.name)}, {number(best.total_cost)} {currency}"
        if best.chosen:
            line += f", with {number(best.contracted_kw)} kW declared"
        if others:
            line += f"; next is {basis_words(others[0][1])}, {number(others[0][0] - best.total_cost)} {currency} more"
            line += f" ({percent(others[0][0] / best.total_cost - 1, signed=True)})" if best.total_cost > 0 else ""
        lines.append(line)
        if best.basis == "nearby_consumption":
            lines.append("  only projects that consume new energy nearby may choose it (发改价格〔2025〕1192号)")
        lines += _rebate_said(study, side)
    lines += [f"left out: {basis_words(name)}: {reason}" for name, reason in study.left_out.items()]
    lines += [_switches_said(search, bool(study.storage_components)) for search in study.searches]
    for each in study.understatements:
        where = f"{'with' if each.storage else 'without'} storage, " if study.storage_components else ""
        lines.append(
            f"{where}on quarter-hours, as it is metered: the mean monthly peak of the basis in use is "
            f"{each.quarter_hour_mean_peak_kw:,.1f} kW instead of {each.mean_peak_kw:,.1f} "
            f"({percent(each.share, signed=True)}), its charge {number(each.quarter_hour_demand_cost)} instead of "
            f"{number(each.demand_cost)} {currency}; profiles that are hourly here do not move within the hour"
        )
    minutes = study.scenario.grid.step_minutes
    if not study.understatements and 15 % minutes:
        word = (
            "and so understated (--quarter-hours says by how much)"
            if minutes % 15 == 0
            else "which may be more or less"
        )
        lines.append(f"demand is measured on steps of {minutes} minutes, not on quarter-hours, {word}")
    if study.scenario.tariff.assumptions:
        about = "; ".join(source.about for source in study.scenario.tariff.assumptions)
        lines.append(f"assumptions in the tariff: {about}")
    return lines


def _rebate_said(study: BillingStudy, side: bool) -> list[str]:
    """What the rebate on demand would change, which is in no figure."""
    from vpp_sim.report.formats import basis_words, number, percent

    rule, rows = study.scenario.tariff.demand_rebate, [row for row in study.rows if row.storage == side]
    granted = [row for row in rows if row.rebate > 0]
    if rule is None or not granted:
        return []
    told = ", ".join(
        f"{number(row.rebate)} of {basis_words(row.name)} ({row.rebate_months} month{'s'[: row.rebate_months != 1]})"
        for row in granted
    )
    best = min(rows, key=lambda row: row.total_cost - row.rebate)
    same = best is study.cheapest(storage=side)
    return [
        f"  not in these figures: from {number(rule.kwh_per_kva_month)} kWh per kVA and month on, demand costs "
        f"{percent(rule.share)} less, which would take off {told}; the cheapest "
        + ("stays the same" if same else f"would be {basis_words(best.name)}")
    ]


def _switches_said(search: Search, has_storage: bool) -> str:
    from vpp_sim.report.formats import basis_words, number

    along, unit = search.along, f" {search.unit}" if search.unit else ""
    side = f", {'with' if search.storage else 'without'} storage" if has_storage else ""
    head = f"along {along.path} from {number(along.low)} to {number(along.high)}{unit}{side}"
    head += f" (now {number(search.base)}): " if search.base == search.base else ": "
    if not search.switches:
        names = {search.cheapest_at(row) for row in range(len(search.table))} - {""}
        return head + (
            f"{basis_words(names.pop())} is the cheapest throughout" if len(names) == 1 else "nothing can be run"
        )
    parts = [f"{basis_words(search.switches[0].below)} up to {number(search.switches[0].value)}"]
    parts += [f"{basis_words(switch.above)} from {number(switch.value)} on" for switch in search.switches]
    return head + ", ".join(parts)

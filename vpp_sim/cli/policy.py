"""`vpp-sim policy`: result folders held against the rules of policy documents, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from vpp_sim.kpi.policy import RuleOutcome

#: What the command ends with under --strict where a rule is not met, as `verify` does.
NOT_MET = 1


@click.command()
@click.argument("folders", metavar="[DIR ...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--year", type=click.IntRange(1990, 2200), help="Year whose thresholds hold [that of each run].")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", help="What is printed.")
@click.option("--strict", is_flag=True, help="End with exit code 1 if a rule that applies is not met.")
def policy(folders: tuple[Path, ...], year: int | None, form: str, strict: bool) -> None:
    """Hold the runs in DIR ... against the rules that parks are asked to meet; without DIR, list the rules.

    The folders are those of `run`, `size` or `proforma`; every figure is computed anew from their series. A rule that
    is not met is a finding and no failure: the exit code is 0, unless --strict asks for 1.
    """
    import json

    from vpp_sim.cli.options import folder_names
    from vpp_sim.cli.progress import phases
    from vpp_sim.kpi.policy import rule_outcomes
    from vpp_sim.report.folder import finite, read_folder, rule_document
    from vpp_sim.report.policy import policy_frame
    from vpp_sim.report.study_folder import csv

    if not folders:
        _list_rules(form)
        return
    runs: dict[str, Sequence[RuleOutcome]] = {}
    remarks: dict[str, list[str]] = {}
    with phases() as progress:
        for name, folder in zip(folder_names(folders), folders, strict=True):
            progress(f"reading {folder}")
            run = read_folder(folder)
            runs[name] = rule_outcomes(run.summary.kpis, run.scenario, year=year)
            remarks[name] = [] if run.summary.passed else ["checks of this run fail; see vpp-sim verify"]
    if form == "json":
        document = {name: {each.id: rule_document(each) for each in outcomes} for name, outcomes in runs.items()}
        click.echo(json.dumps(finite(document), indent=2, ensure_ascii=False))
    elif form == "csv":
        click.echo(csv(policy_frame(runs)).decode(), nl=False)
    else:
        _print(runs, remarks)
    if strict and any(outcome.verdict == "not met" for outcomes in runs.values() for outcome in outcomes):
        click.get_current_context().exit(NOT_MET)


def _print(runs: Mapping[str, Sequence[RuleOutcome]], remarks: Mapping[str, Sequence[str]]) -> None:
    from vpp_sim.cli.tables import show
    from vpp_sim.report.policy import verdict_words

    lines = []
    for name, outcomes in runs.items():
        lines.append(f"{name}: {verdict_words(outcomes)}")
        said = dict.fromkeys(remark for outcome in outcomes for remark in outcome.remarks)
        lines += [f"  {remark}" for remark in [*remarks[name], *said]]
    if not any(runs.values()):
        show(*lines, "no policy document with rules speaks of these places; policy.documents of a scenario names some")
        return
    one = next(iter(runs.values())) if len(runs) == 1 else None
    show(_of_one(one) if one is not None else _side_by_side(runs), *lines)


def _of_one(outcomes: Sequence[RuleOutcome]) -> Table:
    from rich.table import Table

    from vpp_sim.report.policy import rule_rows

    shown = Table(title=f"Rules, thresholds of {outcomes[0].year}", title_justify="left")
    for heading, side in (("rule", "left"), ("asked", "right"), ("this site", "right"), ("margin", "right")):
        shown.add_column(heading, justify="right" if side == "right" else "left", no_wrap=True)
    shown.add_column("verdict")
    shown.add_column("with certificates")
    for row in rule_rows(outcomes):
        verdict = row.verdict + (f": {row.outcome.reason}" if row.outcome.reason else "")
        shown.add_row(row.outcome.id, row.asked, row.value, row.margin, verdict, row.certificates)
    return shown


def _side_by_side(runs: Mapping[str, Sequence[RuleOutcome]]) -> Table:
    """Rules down, runs across; a threshold that differs between the runs stands with each of them."""
    from rich.table import Table

    from vpp_sim.report.policy import rule_rows

    years = sorted({outcome.year for outcomes in runs.values() for outcome in outcomes})
    words = f"{years[0]}" if len(years) == 1 else f"each run's year, {years[0]} to {years[-1]}"
    shown = Table(title=f"Rules, thresholds of {words}; figure, margin and verdict", title_justify="left")
    shown.add_column("rule", no_wrap=True)
    shown.add_column("asked", justify="right", no_wrap=True)
    for name in runs:
        shown.add_column(name)
    rows = {name: {row.outcome.id: row for row in rule_rows(outcomes)} for name, outcomes in runs.items()}
    for rule in dict.fromkeys(rule for listed in rows.values() for rule in listed):
        found = {name: listed.get(rule) for name, listed in rows.items()}
        asked = {row.asked for row in found.values() if row is not None}
        cells = []
        for row in found.values():
            if row is None:
                cells.append("not asked")
            elif row.outcome.reason:
                cells.append(f"does not apply: {row.outcome.reason}")
            else:
                own = "" if len(asked) == 1 else f"{row.asked}: "
                after = row.outcome.verdict_with_certificates
                changed = f", with certificates {after}" if after not in (None, row.verdict) else ""
                cells.append(f"{own}{row.value}, {row.margin}\n{row.verdict}{changed}")
        shown.add_row(rule, asked.pop() if len(asked) == 1 else "by year", *cells)
    return shown


def _list_rules(form: str) -> None:
    """The rules that come with the package."""
    import json

    from vpp_sim.cli.tables import show
    from vpp_sim.policies import shipped_documents

    documents = shipped_documents().values()
    if form == "json":
        listed = {document.name: document.model_dump(mode="json") for document in documents}
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    if form == "csv":
        import pandas as pd

        from vpp_sim.report.study_folder import csv

        click.echo(
            csv(
                pd.DataFrame(
                    {
                        "rule": document.rule_id(rule),
                        "title": rule.title,
                        "document": document.document,
                        "bound": rule.bound,
                        **threshold.model_dump(),
                        "unit": rule.unit,
                        "measure": rule.measure,
                        "certainty": rule.certainty,
                    }
                    for document in documents
                    for rule in document.rules
                    for threshold in rule.thresholds
                )
            ).decode(),
            nl=False,
        )
        return
    from rich.table import Table

    shown = Table(title="Rules that come with vpp_sim", title_justify="left")
    for heading in ("rule", "asked", "what", "as a target", "certainty"):
        shown.add_column(heading, no_wrap=heading == "rule")
    for document in documents:
        for rule in document.rules:
            sign = "≥" if rule.bound == "at_least" else "≤"
            asked = []
            for threshold in rule.thresholds:
                value = f"{threshold.value * 100:g} %" if rule.unit == "%" else f"{threshold.value:g} {rule.unit}"
                size = f", from {threshold.from_tce_per_year:,.0f} tce/a" if threshold.from_tce_per_year else ""
                asked.append(f"{sign} {value.removesuffix(' -')} from {threshold.from_year}{size}")
            shown.add_row(document.rule_id(rule), "\n".join(asked), rule.title, rule.measure or "no", rule.certainty)
    show(shown, "a target: targets: {NAME: {rule: DOCUMENT.RULE, year: 2030}}; your own: policy.documents")

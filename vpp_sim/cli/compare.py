"""`vpp-sim compare`: result folders side by side."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folders", metavar="DIR DIR ...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results/comparison"),
    show_default=True,
    help="Folder for the table and the figure.",
)
@click.option("--all", "everything", is_flag=True, help="Print every KPI, not only those that differ.")
def compare(folders: tuple[Path, ...], out: Path, everything: bool) -> None:
    """Put runs side by side: KPIs, bill, sizes, and the dispatch of the same week."""
    from rich.table import Table

    from vpp_sim.cli.options import folder_names
    from vpp_sim.cli.progress import phases
    from vpp_sim.cli.tables import show
    from vpp_sim.errors import InputError
    from vpp_sim.report.compare import comparison, comparison_page, differing
    from vpp_sim.report.figures import studies
    from vpp_sim.report.folder import read_folder
    from vpp_sim.report.formats import number
    from vpp_sim.report.study_folder import check_study_place, csv, png, write_study_folder

    if len(folders) < 2:
        raise InputError("compare needs at least two result folders")
    check_study_place(out)
    with phases() as progress:
        runs = {}
        for name, folder in zip(folder_names(folders), folders, strict=True):
            progress(f"reading {folder}")
            runs[name] = read_folder(folder)
        progress("drawing")
        table = comparison(runs)
        results = [(name, run.optimal) for name, run in runs.items()]
        files = {
            "comparison.csv": csv(table),
            "same_week.png": png(lambda: studies.same_week(results)),
            "comparison.html": comparison_page(runs, table).encode(),
        }
        write_study_folder(out, {"study": "comparison", "folders": [str(folder) for folder in folders]}, files)
    printed = table if everything else differing(table)
    shown = Table(title="Runs side by side", title_justify="left")
    for heading in ("", "what", "unit"):
        shown.add_column(heading)
    for name in runs:
        shown.add_column(name, justify="right")
    for _, row in printed.iterrows():
        shown.add_row(row["group"], row["name"], row["unit"], *(number(float(row[name])) for name in runs))
    if printed.empty:
        click.echo("these runs do not differ in any figure; --all prints them")
    else:
        show(shown)
    click.echo(f"results: {out / 'comparison.html'}")

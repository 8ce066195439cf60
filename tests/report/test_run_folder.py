"""The run folder: whole or absent, replaced and never mistaken, read back equal, and no alteration goes unseen.

Each alteration is made as someone would who also makes all digests right again (`resealed`), so that it must show in
the physics, the money or the definitions, and not only in a digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vpp_sim.errors import InputError
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.report.folder import (
    RUN_FILE,
    read_folder,
    read_run_document,
    refresh_page,
    seal,
    summary_document,
    write_folder,
)
from vpp_sim.report.page import run_page
from vpp_sim.report.verification import unread_inputs, verify_folder
from vpp_sim.scenario import load_scenario

Document = dict[str, Any]
Alteration = Callable[[Path, Document], None]


def noticed(folder: Path) -> list[str]:
    """Names of the checks that fail."""
    return [check.name for check in verify_folder(folder) if not check.passed]


def resealed(folder: Path, alter: Alteration) -> list[str]:
    """What is noticed after an alteration whose author made every digest right again."""
    document = read_run_document(folder)
    alter(folder, document)
    seal(folder, document)
    found = noticed(folder)
    assert not [name for name in found if "sealed" in name or "as it was written" in name], "the digests are right"
    return found


def in_series(change: Callable[[pd.DataFrame], Any], file: str = "timeseries.parquet") -> Alteration:
    """An alteration of a table of series; `change` alters it or returns another."""

    def alter(folder: Path, document: Document) -> None:
        frame = pd.read_parquet(folder / file)
        changed = change(frame)
        (frame if changed is None else changed).to_parquet(folder / file)

    return alter


def in_json(file: str, change: Callable[[Document], Any]) -> Alteration:
    """An alteration of a JSON file."""

    def alter(folder: Path, document: Document) -> None:
        if file == RUN_FILE:
            change(document)
            return
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        change(content)
        (folder / file).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    return alter


def in_text(file: str, old: str, new: str) -> Alteration:
    """An alteration of a text file; the old text must be there."""

    def alter(folder: Path, document: Document) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return alter


def in_bill(change: Callable[[pd.DataFrame], Any], file: str = "bill.csv") -> Alteration:
    """An alteration of a bill."""

    def alter(folder: Path, document: Document) -> None:
        lines = pd.read_csv(folder / file)
        changed = change(lines)
        (lines if changed is None else changed).to_csv(folder / file, index=False)

    return alter


def both(*alterations: Alteration) -> Alteration:
    """Several alterations at once."""

    def alter(folder: Path, document: Document) -> None:
        for alteration in alterations:
            alteration(folder, document)

    return alter


def add(frame: pd.DataFrame, column: str, row: int, amount: float) -> None:
    frame.iloc[row, frame.columns.get_loc(column)] += amount


def swapped(frame: pd.DataFrame, one: str, other: str) -> None:
    frame[one], frame[other] = frame[other].copy(), frame[one].copy()


def less_import_for_more_sun(frame: pd.DataFrame) -> None:
    """Keeps the bus balanced in every step."""
    night = int(np.argmin(frame["pv.generation_kw"]))
    add(frame, "grid.import_kw", night, -20.0)
    add(frame, "pv.generation_kw", night, 20.0)


def dearer_baseline(frame: pd.DataFrame) -> None:
    """More load without control, all of it imported: the bus stays balanced, the saving grows."""
    add(frame, "park.power_kw", 40, 50.0)
    add(frame, "grid.import_kw", 40, 50.0)


def changed_kpi(name: str, key: str, value: object) -> Alteration:
    return in_json("summary.json", lambda summary: summary["kpis"][name].__setitem__(key, value))


def times_shifted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index((frame.index + pd.Timedelta(hours=1)).rename("time"))


def reversed_column(name: str) -> Alteration:
    """A table of sessions with one column upside down."""
    return in_series(lambda table: table.__setitem__(name, table[name].to_numpy()[::-1]), "charging.sessions.parquet")


def turn_first(checks: Document) -> None:
    name = next(name for name in checks if name != "passed")
    checks[name]["passed"] = False


ALTERATIONS: dict[str, Alteration] = {
    "a number of the import": in_series(lambda frame: add(frame, "grid.import_kw", 30, -5.0)),
    "import made up for by sun at night": in_series(less_import_for_more_sun),
    "two columns swapped": in_series(lambda frame: swapped(frame, "battery.charge_kw", "battery.discharge_kw")),
    "two columns of one unit swapped": in_series(
        lambda frame: swapped(frame, "park.power_kw", "data_centre.facility_kw")
    ),
    "two hours swapped": in_series(
        lambda frame: frame.iloc[[1, 0, *range(2, len(frame))]].set_index(frame.index)  # the times stay in order
    ),
    "an hour missing": in_series(lambda frame: frame.drop(frame.index[20])),
    "an hour doubled": in_series(lambda frame: frame.iloc[[0, 0, *range(2, len(frame))]]),
    "all times an hour later": in_series(times_shifted),
    "a column missing": in_series(lambda frame: frame.drop(columns="battery.energy_kwh")),
    "no number in one step": in_series(lambda frame: add(frame, "bus.marginal_price_per_kwh", 3, np.nan)),
    "single precision": in_series(lambda frame: frame.astype("float32").astype("float64")),
    "cheaper hours": in_series(lambda frame: add(frame, "grid.import_price_per_kwh", 5, -0.2)),
    "a cleaner grid": in_series(lambda frame: frame.__setitem__("grid.emission_location_kg_per_kwh", 0.1)),
    "a derived series": in_series(lambda frame: add(frame, "data_centre.facility_kw", 7, 1.0)),
    "a dearer baseline": in_series(dearer_baseline, "baseline.parquet"),
    "the battery runs in the baseline": in_series(
        lambda frame: frame.__setitem__("battery.discharge_kw", 1.0), "baseline.parquet"
    ),
    "a session served in full": in_series(lambda frame: add(frame, "charged_kwh", 0, 1.0), "charging.sessions.parquet"),
    "another battery": in_text("scenario.yaml", "energy_kwh: 200", "energy_kwh: 220"),
    "another battery, with its digest": both(
        in_text("scenario.yaml", "energy_kwh: 200", "energy_kwh: 220"),
        lambda folder, document: document.__setitem__("scenario_digest", read_folder(folder).scenario.digest()),
    ),
    "another name": in_text("scenario.yaml", "Site <whole>", "Site <hole>"),
    "a rounded bill": in_bill(lambda lines: lines.round({"amount": 0})),
    "a bill with a line less": in_bill(lambda lines: lines.iloc[1:]),
    "a bill with a renamed line": in_bill(lambda lines: lines.replace({"line": {"peak": "valley"}})),
    "a rounded bill without control": in_bill(lambda lines: lines.round({"amount": 0}), "baseline_bill.csv"),
    "a KPI that is better": changed_kpi("onsite_renewable_share", "value", 0.81),
    "a KPI rounded": in_json(
        "summary.json", lambda s: s["kpis"]["saving"].__setitem__("value", round(s["kpis"]["saving"]["value"], 2))
    ),
    "a KPI in another unit": changed_kpi("load_kwh", "unit", "MWh"),
    "a KPI defined otherwise": changed_kpi("self_consumption", "definition", "as you like it"),
    "a KPI that is not there": in_json("summary.json", lambda summary: summary["kpis"].pop("curtailed_kwh")),
    "a KPI of a component": in_json(
        "summary.json", lambda s: s["components"]["charging"]["ev_energy_kwh"].__setitem__("value", 1.0)
    ),
    "a verdict turned": in_json("summary.json", lambda summary: turn_first(summary["checks"])),
    "an objective": both(
        in_json("summary.json", lambda summary: summary.__setitem__("objective", summary["objective"] - 1.0)),
        in_json(RUN_FILE, lambda document: document["objective"].__setitem__("optimal", 1.0)),
    ),
    "a worse gap in the summary": in_json("summary.json", lambda s: s["solver"].__setitem__("gap", 1e-3)),
    "another solver in the summary": in_json("summary.json", lambda s: s["solver"].__setitem__("name", "best")),
    "a table that is a text": in_text("bill.csv", "2025", "\x00"),
    "a summary that is no JSON": in_text("summary.json", "{", ""),
    "a scenario that is no scenario": in_text("scenario.yaml", "components", "parts"),
    "negative import": in_series(lambda frame: add(frame, "grid.import_kw", 30, -1e4)),
    "text for numbers": in_series(lambda frame: frame.astype({"grid.import_kw": str})),
    "a table missing": lambda folder, document: (folder / "charging.sessions.parquet").unlink(),
    "a session that came earlier": in_series(lambda t: add(t, "arrival_hours", 3, -0.5), "charging.sessions.parquet"),
    "a session that wanted less": in_series(lambda t: add(t, "wanted_kwh", 3, -1.0), "charging.sessions.parquet"),
    "a session that wanted less without control": in_series(
        lambda table: add(table, "energy_kwh", 3, -1.0), "baseline.charging.sessions.parquet"
    ),
    "sessions of others": reversed_column("session_id"),
    "a charger that gives more": in_series(lambda t: add(t, "max_kw", 0, 50.0), "charging.sessions.parquet"),
    "a session less": in_series(lambda table: table.iloc[1:], "charging.sessions.parquet"),
    "energy that two sessions swap": in_series(
        lambda table: [add(table, "charged_kwh", row, amount) for row, amount in ((0, -1.0), (1, 1.0))] and None,
        "charging.sessions.parquet",
    ),
    "a billed peak": in_json(
        RUN_FILE, lambda document: document["globals"]["optimal"].__setitem__("grid.peak_kw", [1.0, 1.0])
    ),
    "a variable that is not there": in_json(
        RUN_FILE, lambda document: document["globals"]["optimal"].__setitem__("grid.bonus_kw", [1.0])
    ),
    "a series that is not there": in_series(lambda frame: frame.__setitem__("grid.bonus_kw", 1.0)),
    "a remark left out": in_json(RUN_FILE, lambda document: document["notes"].pop(0)),
    "a remark made harmless": in_json(RUN_FILE, lambda document: document["notes"].__setitem__(0, "all is well")),
    "a check's deviation": in_json(
        "summary.json", lambda s: s["checks"]["battery: dynamics"].__setitem__("worst", 1e-3)
    ),
    "a looser tolerance": in_json(
        "summary.json", lambda s: s["checks"]["battery: dynamics"].__setitem__("tolerance", 1.0)
    ),
    "a check left out": in_json("summary.json", lambda summary: summary["checks"].pop("battery: dynamics")),
    "a section of its own": in_json("summary.json", lambda summary: summary.__setitem__("award", "best site")),
    "a bill on another basis": in_json(
        "summary.json", lambda summary: summary["billing"][0].__setitem__("total", 1.0) or summary
    ),
    "a dearer tariff": in_text("scenario.yaml", "purchase_price_per_kwh: ", "purchase_price_per_kwh: 1"),
    "more sun": in_text("scenario.yaml", "capacity_kw: 300", "capacity_kw: 330"),
    "another seed, with its digest": both(
        in_text("scenario.yaml", "seed: 21", "seed: 22"),
        lambda folder, document: document.__setitem__("scenario_digest", read_folder(folder).scenario.digest()),
    ),
    "cars that stay longer, with the digest": both(
        in_text("scenario.yaml", "dwell_hours: 4.0", "dwell_hours: 5.0"),
        lambda folder, document: document.__setitem__("scenario_digest", read_folder(folder).scenario.digest()),
    ),
    "a power in MW": in_series(lambda frame: frame.__setitem__("grid.import_kw", frame["grid.import_kw"] / 1000)),
    "a month's amount moved to another line": in_bill(
        lambda lines: lines.assign(amount=[lines["amount"].iloc[1], lines["amount"].iloc[0], *lines["amount"].iloc[2:]])
    ),
    "a bill in another order": in_bill(lambda lines: lines.iloc[::-1]),
    "a currency": in_json("summary.json", lambda summary: summary.__setitem__("currency", "EUR")),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_is_seen_even_with_all_digests_right(name: str, run_folder: Path) -> None:
    assert resealed(run_folder, ALTERATIONS[name])


@pytest.mark.parametrize("file", ["report.html", "summary.json", "bill.csv", "timeseries.parquet", "scenario.yaml"])
def test_a_changed_byte_breaks_the_seal(file: str, run_folder: Path) -> None:
    content = (run_folder / file).read_bytes()
    (run_folder / file).write_bytes(content + b"\n")
    assert f"{file} is as it was written" in noticed(run_folder)


def test_a_changed_record_breaks_its_own_seal(run_folder: Path) -> None:
    document = read_run_document(run_folder)
    document["command"] = "another"
    (run_folder / RUN_FILE).write_text(json.dumps(document), encoding="utf-8")
    assert noticed(run_folder) == ["run.json is as it was sealed"]


def seen_when_solved_again(folder: Path) -> list[str]:
    """Checks that fail only when the scenario is solved again; the files agree with each other."""
    document = read_run_document(folder)
    document["scenario_digest"] = read_folder(folder).scenario.digest()
    seal(folder, document)
    assert noticed(folder) == []
    return [check.name for check in verify_folder(folder, solve_again=True) if not check.passed]


def test_a_marginal_price_follows_from_nothing_written_but_from_a_solve(run_folder: Path) -> None:
    in_series(lambda frame: add(frame, "bus.marginal_price_per_kwh", 3, 0.5))(run_folder, {})
    assert seen_when_solved_again(run_folder) == ["solved again by highs, marginal prices are the same"]


def test_a_plan_that_is_possible_but_not_the_best_is_seen_when_solved_again(
    simulation: Simulation, tmp_path: Path
) -> None:
    """The plan of a weaker battery, passed off as that of the stronger one."""
    weak = simulation.scenario.components["battery"].model_copy(update={"power_kw": 5.0})
    write_folder(simulate(simulation.scenario.with_components(battery=weak)), tmp_path / "run")
    in_text("scenario.yaml", "power_kw: 5.0", "power_kw: 100.0")(tmp_path / "run", {})
    assert "solved again, the optimal run costs the same" in seen_when_solved_again(tmp_path / "run")


def test_an_untouched_folder_stands_being_solved_again(written: Path) -> None:
    checks = verify_folder(written, solve_again=True)
    assert [check.name for check in checks if not check.passed] == []
    assert sum(check.name.startswith("solved again") for check in checks) == 6


def test_a_page_that_says_otherwise_is_seen(run_folder: Path) -> None:
    def page(simulation: Simulation) -> str:
        return f"<p>{simulation.optimal.objective:.2f}</p>"

    refresh_page(run_folder, page)
    assert all(check.passed for check in verify_folder(run_folder, page=page))
    (run_folder / "report.html").write_text("<p>0.00</p>")
    seal(run_folder, read_run_document(run_folder))
    found = [check.name for check in verify_folder(run_folder, page=page) if not check.passed]
    assert found == ["report.html is the page of these files"]


def test_a_file_that_was_added_is_seen(run_folder: Path) -> None:
    (run_folder / "bill2.csv").write_text("month,line\n")
    assert noticed(run_folder) == ["no file was added"]


def test_a_missing_file_is_seen(run_folder: Path) -> None:
    (run_folder / "baseline_bill.csv").unlink()
    assert "baseline_bill.csv is as it was written" in noticed(run_folder)


def test_an_untouched_folder_passes_every_check(written: Path) -> None:
    checks = verify_folder(written)
    assert [check.name for check in checks if not check.passed] == []
    assert len(checks) > 50


def test_a_run_of_files_given_relatively_stands_wherever_it_is_verified_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remarks, page and digests name files; a folder has absolute paths, and the scenario had none."""
    place = tmp_path / "my site" / "data"
    place.mkdir(parents=True)
    hours = pd.date_range("2025-06-01", periods=48, freq="h").strftime("%Y-%m-%d %H:%M")
    day = np.clip(np.sin((np.arange(48) % 24 - 5.5) / 13 * np.pi), 0.0, None)
    pd.DataFrame({"time": hours, "ghi": 800 * day, "t": 20.0}).to_csv(place / "sky.csv", index=False)
    pd.DataFrame({"time": hours, "power_mw": 50.0}).to_csv(place / "load.csv", index=False)
    (tmp_path / "my site" / "site.yaml").write_text(
        """
name: Relative
currency: CNY
horizon: {start: 2025-06-01, days: 2, timezone: Asia/Shanghai}
site: {latitude: 36.6, longitude: 101.8, altitude_m: 2261}
weather: {source: csv, path: data/sky.csv, columns: {ghi_w_per_m2: ghi, temperature_celsius: t}}
tariff: flat
components:
  pv: {kind: pv, capacity_kw: 40}
  load: {kind: load, profile: {path: data/load.csv, column: power_mw, unit: kW}}
  grid: {kind: grid, import_limit_kw: 100}
""",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path / "my site")
    run = simulate(load_scenario("site.yaml"))
    assert "load: load.csv: power_mw: its name says MW, it is read in kW" in " ".join(run.optimal.notes)
    write_folder(run, tmp_path / "run", page=run_page)
    monkeypatch.chdir(tmp_path)
    passed = {check.name: check.passed for check in verify_folder(tmp_path / "run", page=run_page)}
    assert {"run.json: every remark on the inputs is there", "report.html is the page of these files"} <= passed.keys()
    assert [name for name, right in passed.items() if not right] == []
    assert unread_inputs(tmp_path / "run") == []


def test_the_folder_reads_back_as_the_run_it_came_from(simulation: Simulation, written: Path) -> None:
    """Not a digit is lost between a run and its files."""
    back = read_folder(written)
    for ours, theirs in ((simulation.optimal, back.optimal), (simulation.baseline, back.baseline)):
        assert ours.series.keys() == theirs.series.keys()
        assert all(np.array_equal(array, theirs.series[name]) for name, array in ours.series.items())
    assert summary_document(back) == summary_document(simulation)
    assert back.scenario == simulation.scenario


def test_two_folders_of_one_run_are_the_same(simulation: Simulation, written: Path, tmp_path: Path) -> None:
    """Only the record of time and memory differs."""
    write_folder(simulation, tmp_path / "again", command="test", page=lambda simulation: "<p>page</p>\n")
    names = sorted(path.name for path in written.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        if name != RUN_FILE:
            assert (tmp_path / "again" / name).read_bytes() == (written / name).read_bytes(), name


def test_the_record_says_what_ran(written: Path) -> None:
    document = read_run_document(written)
    assert {"load", "build", "solve", "kpi", "write", "report"} <= document["timings"].keys()
    assert {"name", "version", "status", "iterations", "gap", "primal_residual", "dual_residual"} <= document[
        "solver"
    ].keys()
    assert document["peak_memory_mb"] is None or document["peak_memory_mb"] > 10
    summary = json.loads((written / "summary.json").read_text(encoding="utf-8"))
    assert {"scenario", "status", "objective", "solver", "horizon", "kpis", "components", "sizes", "checks"} <= set(
        summary
    )
    assert all({"value", "unit", "definition"} == kpi.keys() for kpi in summary["kpis"].values())


def test_an_earlier_run_is_replaced_whole(run_folder: Path, simulation: Simulation) -> None:
    """Nothing of the earlier run is left behind, not even a file that the new one does not have."""
    (run_folder / "left.over.parquet").write_bytes(b"old")
    write_folder(simulation, run_folder)
    assert not (run_folder / "left.over.parquet").exists()
    assert noticed(run_folder) == []
    assert [path.name for path in run_folder.parent.iterdir()] == [run_folder.name]


def test_an_empty_folder_is_taken(tmp_path: Path, simulation: Simulation) -> None:
    (tmp_path / "out").mkdir()
    write_folder(simulation, tmp_path / "out")
    assert (tmp_path / "out" / RUN_FILE).is_file()


@pytest.mark.parametrize("foreign", ["folder", "file"])
def test_a_foreign_place_is_refused_and_left_alone(foreign: str, tmp_path: Path, simulation: Simulation) -> None:
    place = tmp_path / "mine"
    if foreign == "folder":
        place.mkdir()
        (place / "thesis.txt").write_text("years of work", encoding="utf-8")
    else:
        place.write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="exists and is not the result of an earlier run; choose another --out"):
        write_folder(simulation, place)
    kept = place / "thesis.txt" if foreign == "folder" else place
    assert kept.read_text(encoding="utf-8") == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_page_that_fails_leaves_nothing_behind(tmp_path: Path, simulation: Simulation) -> None:
    """The folder appears at the very end or not at all."""

    def broken(simulation: Simulation) -> str:
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError, match="no page"):
        write_folder(simulation, tmp_path / "out", page=broken)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_run_leaves_the_earlier_one_as_it_was(run_folder: Path, simulation: Simulation) -> None:
    def full_disk(simulation: Simulation) -> str:
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left on device; nothing was left behind"):
        write_folder(simulation, run_folder, page=full_disk)
    assert noticed(run_folder) == []
    assert [path.name for path in run_folder.parent.iterdir()] == [run_folder.name]


def test_the_page_can_be_made_anew(run_folder: Path) -> None:
    path = refresh_page(run_folder, lambda simulation: f"<p>{simulation.scenario.name}</p>")
    assert path.read_text(encoding="utf-8") == "<p>Site <whole></p>"
    assert noticed(run_folder) == []


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is this the folder of a run"):
        verify_folder(tmp_path)
    (tmp_path / RUN_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is not the record of a run"):
        verify_folder(tmp_path)
    (tmp_path / RUN_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        verify_folder(tmp_path)

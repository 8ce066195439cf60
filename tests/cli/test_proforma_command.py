"""`vpp-sim proforma` on the tiny site: from a scenario, from a run folder, and what it refuses."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vpp_sim.cli.main import exit_code

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
SHORT = ("--set", "economics.lifetime_years=4", "--set", "battery.cost.lifetime_years=2.5")


def invoke(*words: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("proforma") / "tiny"
    code, out, err = invoke("proforma", TINY, *SHORT, "--wear-from-ageing", "--out", target)
    assert code == 0, err
    assert "wear price of battery" in out
    assert "battery is replaced after 2.5 years (age)" in out
    assert "The project is worth nothing if" in out
    return target


def test_the_folder_holds_the_run_and_the_proforma_and_verifies(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {"summary.json", "report.html", "proforma.csv", "proforma.json", "proforma.html"} <= names
    code, out, _ = invoke("verify", folder)
    assert code == 0, out


def test_the_csv_adds_up_to_the_worth(folder: Path) -> None:
    table = pd.read_csv(folder / "proforma.csv", index_col="year")
    document = json.loads((folder / "proforma.json").read_text(encoding="utf-8"))
    assert len(table) == 5
    worth = (table["net"] / 1.06 ** np.arange(5)).sum()
    assert document["kpis"]["npv"]["value"] == pytest.approx(worth)
    lines = ["capital", "energy_saving", "demand_saving", "fixed_saving", "export_gain", "om", "replacement", "salvage"]
    assert table[lines].sum(axis=1).to_numpy() == pytest.approx(table["net"].to_numpy())
    assert table["battery_capacity"][1:].between(0.9, 1.0).all()
    assert document["replacements"] == [{"component": "battery", "years": pytest.approx(2.5), "reason": "age"}]
    assert all(check["passed"] for check in document["checks"].values())
    assert "NPV-1" in document["formulas"]


def test_the_table_on_the_terminal_adds_up_and_loses_no_digit(tmp_path: Path) -> None:
    target = tmp_path / "large"
    settings = ["economics.lifetime_years=2", "pv.capacity_kw=600", "grid.export_limit_kw=300", "pv.cost.capital=2e10"]
    words = [word for setting in settings for word in ("--set", setting)]
    code, out, err = invoke("proforma", TINY, *words, "--fast", "--out", target)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].endswith("million CNY")
    assert "…" not in out
    headings = " ".join(lines[1:3])
    assert "export" in headings, "an amount that is in the net must have its column"
    (year_0,) = [line.split() for line in lines if line.split()[:2] == ["0", "\N{MINUS SIGN}20,002"]]
    assert year_0[-2:] == ["\N{MINUS SIGN}20,002"] * 2


def test_the_page_tells_the_comparison_and_every_formula(folder: Path) -> None:
    page = (folder / "proforma.html").read_text(encoding="utf-8")
    for words in ("Business as usual", "What each part adds", "CRS-1", "LCOE-1", "is replaced 2.5 years"):
        assert words in page
    assert page.count("<svg ") == 4
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "SCR-1" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_run_folder_is_judged_as_it_is(folder: Path) -> None:
    before = json.loads((folder / "proforma.json").read_text(encoding="utf-8"))
    code, out, err = invoke("proforma", folder, "--fast", "--format", "json")
    assert code == 0, err
    after = json.loads(out)
    assert after["kpis"]["npv"]["value"] == pytest.approx(before["kpis"]["npv"]["value"], rel=1e-3)
    assert after["interpolation_error"] is not None
    assert invoke("verify", folder)[0] == 0


def test_settings_do_not_go_with_a_folder(folder: Path) -> None:
    code, _, err = invoke("proforma", folder, "--set", "battery.energy_kwh=1")
    assert code == 2
    assert "a run folder is judged as it is" in err


def test_a_site_without_prices_is_told_what_to_write(tmp_path: Path) -> None:
    code, _, err = invoke(
        "proforma", TINY, "--set", "pv.cost=null", "--set", "battery.cost=null", "--out", tmp_path / "none"
    )
    assert code == 2
    assert "give one a `cost:`" in err

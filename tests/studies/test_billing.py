"""The charge for power as a decision, against arithmetic by hand: costs of bases, the best contract, and switches."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vpp_sim.cli.main import exit_code
from vpp_sim.errors import InputError
from vpp_sim.kpi import simulate
from vpp_sim.kpi.billing import bills_on_every_basis
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.scenario.load import scenario_from_mapping
from vpp_sim.studies.billing import Along, BillingStudy, compare_bases

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
JANUARY_HOURS = 744


def demand_options(**changes: Any) -> dict[str, Any]:
    return {
        "contracted_demand": {
            "basis": "contracted_demand",
            "price_per_kw_month": 33.0,
            "tolerance": 0.05,
            "min_share": 0.4,
        },
        "transformer_kva": {"basis": "transformer_kva", "price_per_kva_month": 21.0},
        "nearby_consumption": {
            "basis": "nearby_consumption",
            "basic": {"basis": "max_demand", "price_per_kw_month": 33.0},
            "transmission_price_per_kwh": 0.1,
            "average_load_factor": 0.6,
        },
    } | changes


def january(
    *, connection: dict[str, Any] | None = None, tariff: dict[str, Any] | None = None, **parts: Any
) -> Scenario:
    """January 2025 with a load of 100 kW throughout, at 0.4 + 0.1 per kWh and 33 per kW of the highest demand."""
    energy = {"purchase_price_per_kwh": 0.4, "adders_per_kwh": {"network": 0.1}, "periods": [{"label": "all"}]}
    return scenario_from_mapping(
        {
            "name": "by hand",
            "currency": "CNY",
            "horizon": {"start": "2025-01-01", "days": 31, "step_minutes": 60, "timezone": "Asia/Shanghai"},
            "site": {"latitude": 36.6, "longitude": 101.8, "altitude_m": 2261},
            "weather": {"source": "climate", "climate": "xining", "seed": 1},
            "tariff": {
                "name": "by hand",
                "currency": "CNY",
                "energy": energy,
                "demand": {"basis": "max_demand", "price_per_kw_month": 33.0},
                "demand_options": demand_options(),
            }
            | (tariff or {}),
            "components": {
                "load": {"kind": "load", "profile": 100.0},
                "grid": {"kind": "grid", "import_limit_kw": 1000.0, "transformer_kva": 200.0} | (connection or {}),
                **parts,
            },
        },
        base_dir=Path(),
    )


def totals(study: BillingStudy, *, storage: bool = False) -> dict[str, float]:
    return {row.name: row.total_cost for row in study.rows if row.storage == storage}


def test_every_basis_costs_what_it_must() -> None:
    """74,400 kWh at 0.5. On demand 100 kW x 33; a declared demand of 100 / 1.05 kW; 200 kVA x 21; and the fee of
    200 x 0.1 x 0.6 x 730 for energy at 0.4."""
    study = compare_bases(january(), along=[], quarter_hours=False)
    energy = 100.0 * JANUARY_HOURS
    assert totals(study) == pytest.approx(
        {
            "max_demand": 0.5 * energy + 3300,
            "contracted_demand": 0.5 * energy + 3300 / 1.05,
            "transformer_kva": 0.5 * energy + 4200,
            "nearby_consumption": 0.4 * energy + 3300 + 200 * 0.1 * 0.6 * 730,
        }
    )
    assert all(check.passed for check in study.checks)
    assert study.storage_components == ()
    best = study.cheapest(storage=False)
    assert best is not None
    assert best.name == "contracted_demand"  # the fee does not pay: a load factor of 100 / 200 is below its 0.6
    assert study.cheapest(storage=True) is None


@pytest.mark.parametrize("solver", ["highs", "auto"])
def test_the_switches_along_the_transformers_are_where_the_costs_cross(solver: str) -> None:
    """Transformers cost 21 per kVA and a declared demand 3,300 / 1.05: equal at 149.66 kVA. 40 % of them are more than
    100 / 1.05 kW from 238.1 kVA on, and 100 kW, as much as is measured, at 250 kVA."""
    options = demand_options()
    del options["nearby_consumption"]
    scenario = january(tariff={"demand_options": options})
    along = [Along("transformer_kva", 120.0, 400.0, 5)]
    (search,) = compare_bases(scenario, along=along, quarter_hours=False, solver=solver).searches
    first, second = search.switches
    assert (first.below, first.above, second.above) == ("transformer_kva", "contracted_demand", "max_demand")
    assert first.value == pytest.approx(3300 / 1.05 / 21, abs=1e-4 * 280)
    assert second.value == pytest.approx(250.0, abs=1e-4 * 280)
    assert second.total_cost == pytest.approx(37200 + 3300, rel=1e-4)
    assert search.base == 200.0
    assert search.table["value"].is_monotonic_increasing
    assert len(search.table) == 7


@pytest.mark.parametrize(
    ("along", "switch"),
    [
        # the fee of 200 kVA is 200 x 0.1 x 730 x factor against 7,440 for energy and 157.14 for the better contract
        (Along("average_load_factor", 0.1, 1.0, 3), (7440 - 3300 + 3300 / 1.05) / (200 * 0.1 * 730)),
        # 200 kVA cost 4,200 against a declared demand of 100 / 1.05 kW
        (Along("demand_price_per_kw_month", 20.0, 60.0, 3), 4200 * 1.05 / 100),
        (Along("capacity_price_per_kva_month", 5.0, 30.0, 3), 3300 / 1.05 / 200),
        # the load itself: its contract is dearer than the transformers from 4,200 x 1.05 / 33 kW on
        (Along("load.profile", 100.0, 190.0, 3), 4200 * 1.05 / 33),
    ],
    ids=lambda each: each.path if isinstance(each, Along) else "",
)
def test_the_switch_along_any_number(along: Along, switch: float) -> None:
    options = demand_options()
    if along.path != "average_load_factor":
        del options["nearby_consumption"]
    scenario = january(tariff={"demand_options": options})
    (search,) = compare_bases(scenario, along=[along], quarter_hours=False).searches
    (found,) = search.switches
    assert found.value == pytest.approx(switch, abs=2e-4 * (along.high - along.low))


def with_profile(tmp_path: Path, powers: Any, minutes: int = 60, **parts: Any) -> Scenario:
    """January with a load from a file: the powers of a day, every day."""
    times = pd.date_range("2025-01-01", periods=31 * len(powers), freq=f"{minutes}min")
    pd.DataFrame({"time": times, "kw": np.tile(powers, 31)}).to_csv(tmp_path / "load.csv", index=False)
    profile = {"path": str(tmp_path / "load.csv"), "column": "kw", "unit": "kW"}
    options = demand_options()
    del options["nearby_consumption"]
    return january(tariff={"demand_options": options}, load={"kind": "load", "profile": profile}, **parts)


LOSSLESS = {
    "kind": "battery",
    "power_kw": 25.0,
    "energy_kwh": 50.0,
    "charge_efficiency": 1.0,
    "discharge_efficiency": 1.0,
    "soc_min": 0.0,
    "soc_max": 1.0,
}


def test_storage_is_left_out_and_scaled_by_what_it_does(tmp_path: Path) -> None:
    """100 kW and 200 at noon; a battery of 25 kW without losses takes 25 kW off, and nothing off the energy.

    Saved: 25 x 33 of measured demand, 25 / 1.05 x 33 of a declared one, nothing of transformers.
    """
    noon = np.where(np.arange(24) == 12, 200.0, 100.0)
    scenario = with_profile(tmp_path, noon, store=LOSSLESS)
    along = [Along("storage_scale", 0.0, 1.0, 3), Along("store.energy_kwh", 50.0, 100.0, 2)]
    study = compare_bases(scenario, along=along, quarter_hours=False)
    assert [(search.along.path, search.storage) for search in study.searches] == [
        ("storage_scale", True),
        ("store.energy_kwh", True),
    ], "without storage there is nothing to look for along its size"
    assert study.storage_components == ("store",)
    energy = 31 * 2500 * 0.5
    assert totals(study) == pytest.approx(
        {
            "max_demand": energy + 6600,
            "contracted_demand": energy + 6600 / 1.05,
            "transformer_kva": energy + 4200,
        }
    )
    saved = study.table.set_index("name").query("storage")["saving_by_storage"].to_dict()
    assert saved == pytest.approx(
        {"max_demand": 825.0, "contracted_demand": 825 / 1.05, "transformer_kva": 0.0}, abs=1e-3
    )
    search = study.searches[0]
    assert search.switches == []
    falling = [energy + 6600 - 825 * scale for scale in (0, 0.5, 1)]
    # a search compares costs of the program, which hold the tiny prices that decide between equal plans
    assert search.table["max_demand"].tolist() == pytest.approx(falling, rel=1e-5)
    only = compare_bases(scenario, storage="without", along=[], quarter_hours=False)
    assert totals(only) == pytest.approx(totals(study))
    assert not any(row.storage for row in only.rows)


def test_what_hourly_steps_leave_out_of_the_peak_is_said(tmp_path: Path) -> None:
    """A quarter-hour of 400 kW a day over 100: the hour's mean is 175. 33 x 175 = 5,775 are billed, 13,200 are due."""
    scenario = with_profile(tmp_path, np.where(np.arange(96) == 50, 400.0, 100.0), minutes=15)
    (found,) = compare_bases(scenario, along=[]).understatements
    assert not found.storage
    assert (found.mean_peak_kw, found.quarter_hour_mean_peak_kw) == pytest.approx((175.0, 400.0))
    assert (found.demand_cost, found.quarter_hour_demand_cost) == pytest.approx((5775.0, 13200.0))
    assert found.share == pytest.approx(400 / 175 - 1)


def test_the_meter_of_a_run_is_billed_on_every_basis() -> None:
    """As the study has it, for nothing can be moved here; but the fee needs transformers, which nobody gives."""
    scenario = january(connection={"transformer_kva": None})
    run = simulate(scenario)
    assert run.summary.accounts is not None
    bills = {entry.name: entry for entry in bills_on_every_basis(run.optimal, run.summary.accounts)}
    assert [name for name, entry in bills.items() if entry.in_use] == ["max_demand"]
    assert bills["max_demand"].total == pytest.approx(37200 + 3300)
    assert bills["contracted_demand"].total == pytest.approx(37200 + 3300 / 1.05)
    assert bills["contracted_demand"].contracted_kw == pytest.approx(100 / 1.05)
    assert bills["contracted_demand"].chosen
    assert bills["transformer_kva"].lacks == bills["nearby_consumption"].lacks == "transformer_kva"
    assert np.isnan(bills["nearby_consumption"].total)


def test_a_rebate_on_demand_is_told_and_not_billed() -> None:
    """74,400 kWh in January over 200 kVA are 372 per kVA: 10 % of the 3,300 for demand, of the declared one, and of the
    demand below the fee; not from 373 on, and not of transformers."""
    rebate = {"kwh_per_kva_month": 371.9, "share": 0.1}
    rows = compare_bases(january(tariff={"demand_rebate": rebate}), along=[], quarter_hours=False).rows
    assert {row.name: row.rebate for row in rows} == pytest.approx(
        {"max_demand": 330, "contracted_demand": 330 / 1.05, "transformer_kva": 0, "nearby_consumption": 330}
    )
    assert {row.rebate_months for row in rows} == {0, 1}
    assert rows[0].total_cost == pytest.approx(37200 + 3300)
    above = {"kwh_per_kva_month": 372.1, "share": 0.1}
    rows = compare_bases(january(tariff={"demand_rebate": above}), along=[], quarter_hours=False).rows
    assert {row.rebate for row in rows} == {0.0}


def test_what_cannot_be_compared_says_why() -> None:
    """No transformers are given; 30 kW are declared in use, and below the floor once there are 200 kVA."""
    study = compare_bases(january(connection={"transformer_kva": None}), along=[], quarter_hours=False)
    assert study.left_out == dict.fromkeys(["transformer_kva", "nearby_consumption"], "give grid.transformer_kva")
    given = demand_options()["contracted_demand"] | {"contracted_kw": 90.0}
    study = compare_bases(
        january(tariff={"demand_options": {"contracted_demand": given}}), along=[], quarter_hours=False
    )
    costs = totals(study)
    assert costs["contracted_demand"] == pytest.approx(37200 + 33 * 90 + 66 * (100 - 94.5))
    assert costs["contracted_demand, best level"] == pytest.approx(37200 + 3300 / 1.05)
    low = january(tariff={"demand_options": {"contracted_demand": given | {"contracted_kw": 30.0}}})
    assert compare_bases(low, along=[], quarter_hours=False).left_out == {
        "contracted_demand": "grid.contracted_kw: must be at least 40 % of transformer_kva, 80 kW, got 30"
    }
    with pytest.raises(InputError, match="offers one charge for power only, max_demand"):
        compare_bases(january(tariff={"demand_options": {}}))
    with pytest.raises(InputError, match="no storage that it could do without"):
        compare_bases(january(), storage="with")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("transformer_kva", "must be PATH=FROM:TO"),
        ("transformer_kva=1:x", "must be PATH=FROM:TO"),
        ("transformer_kva=3:2", "must rise, with 2 to 101 points"),
        ("transformer_kva=1:2:1", "must rise, with 2 to 101 points"),
        ("transformer_kva=0:2", "must be above 0 kVA"),
        ("average_load_factor=0.1:1.2", "out of its range"),
        ("load.profil=1:2", "--along load.profil: there is no profil; did you mean profile?"),
        ("storage_scale=0:2", "the site has no storage"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", "[?]")):
        compare_bases(january(), along=[Along.parsed(text)], quarter_hours=False)


def test_the_command_writes_what_it_found(tmp_path: Path) -> None:
    words = ["tariff", str(TINY), "--along", "transformer_kva=180:400:2", "--out", str(tmp_path / "study")]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code(words)
    assert code == 0, err.getvalue()
    document = json.loads((tmp_path / "study" / "study.json").read_text(encoding="utf-8"))
    assert document["cheapest"] == {"with_storage": "contracted_demand", "without_storage": "contracted_demand"}
    assert document["storage"] == ["battery"]
    assert [each["storage"] for each in document["quarter_hours"]] == [True, False]
    assert all(each["peak_understated_by"] > 0 for each in document["quarter_hours"])
    assert all(document["checks"].values())
    assert [len(search["switches"]) for search in document["searches"]] == [2, 2]
    table = pd.read_csv(tmp_path / "study" / "bases.csv")
    assert len(table) == 8
    parts = table[["energy_cost", "demand_cost", "other_cost"]].sum(axis=1)
    assert parts.to_numpy() == pytest.approx(table["total_cost"].to_numpy())
    assert (table.loc[table["storage"], "saving_by_storage"] > 0).all()
    assert {"bases.png", "along.png", "along_transformer_kva_with_storage.csv"} <= {
        path.name for path in (tmp_path / "study").iterdir()
    }
    assert "cheapest with storage is contracted demand" in out.getvalue()
    assert "transformer capacity up to" in out.getvalue()


def test_no_basis_costs_more_than_the_meter_of_another_run() -> None:
    """What each basis costs when the site is run for it, against the meter of the run for the basis in use."""
    scenario = load_scenario(TINY)
    study = compare_bases(scenario, storage="with", along=[], quarter_hours=False)
    run = simulate(scenario)
    assert run.summary.accounts is not None
    beside = run.optimal.objective - run.summary.bill.total
    for entry in bills_on_every_basis(run.optimal, run.summary.accounts):
        assert totals(study, storage=True)[entry.name] <= entry.total + beside + 1e-6 * entry.total

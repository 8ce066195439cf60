"""What soft limits left undone is listed with time, size and price; and what is said of the weather, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.components.base import Shortfall
from vpp_sim.dispatch import dispatch
from vpp_sim.dispatch.run import dispatch_steps
from vpp_sim.dispatch.shortfalls import shortfall_table
from vpp_sim.kpi import simulate
from vpp_sim.report.folder import read_folder, write_folder
from vpp_sim.scenario import Scenario, load_scenario
from vpp_sim.time_grid import TimeGrid

SmallSite = Callable[..., Scenario]
Station = Callable[..., dict[str, Any]]
TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
GRID = {"kind": "grid", "import_limit_kw": 100.0, "export_limit_kw": 10.0}
OUTAGES = [
    {"start": "2025-06-02 08:00", "end": "2025-06-02 10:00"},
    {"start": "2025-06-02 20:00", "end": "2025-06-02 21:00"},
]


def test_a_reserve_that_an_outage_uses_is_listed_as_what_was_missing_at_most(site: SmallSite, tmp_path: Path) -> None:
    """40 of 80 kWh are kept; two hours of 30 kW without grid take 20 kWh of them by 10:00, refilled within the hour.

    Missing at the ends of steps: 20 kWh once, so 20 kWh h at 0.4, on one line.
    """
    lossless = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "soc_min": 0.0, "soc_max": 1.0}
    reserve = {"reserve_soc": 0.5, "value_of_missing_reserve_per_kwh_hour": 0.4}
    run = simulate(
        site(
            grid={"kind": "grid", "import_limit_kw": 100.0, "outages": OUTAGES[:1]},
            park={"kind": "load", "profile": 30.0},
            store={"kind": "battery", "power_kw": 60.0, "energy_kwh": 80.0, **lossless, **reserve},
        )
    )
    (row,) = run.optimal.tables["store.shortfalls"].to_dict("records")
    assert (row["what"], f"{row['begin']:%H:%M}", f"{row['end']:%H:%M}") == ("reserve used", "09:00", "10:00")
    assert (row["energy_kwh"], row["peak_kw"], row["cost"]) == pytest.approx((20.0, 0.0, 8.0), abs=1e-6)
    assert any("store: reserve used: up to 20.0 kWh in one span of time" in note for note in run.optimal.notes)
    assert run.summary.kpis["penalty_cost"].value == pytest.approx(8.0)
    assert all(check.passed for check in run.summary.checks)
    write_folder(run, tmp_path / "out", command="test", page=None)
    assert read_folder(tmp_path / "out").optimal.tables["store.shortfalls"]["energy_kwh"].tolist() == [
        row["energy_kwh"]
    ]


def test_every_soft_limit_lists_its_spans_and_the_costs_add_up(
    site: SmallSite, station: Station, tmp_path: Path
) -> None:
    """A load of 50 kW at 3 per kWh, in three hours without grid; a car that may charge for one of them only."""
    run = simulate(
        site(
            grid={"kind": "grid", "import_limit_kw": 100.0, "outages": OUTAGES},
            park={"kind": "load", "profile": 50.0, "sheddable_share": 1.0, "value_of_lost_load_per_kwh": 3.0},
            cars=station([("08:00", "09:00", 7.0, 10.0)]),
        )
    )
    table = run.optimal.tables["park.shortfalls"]
    assert [f"{moment:%H:%M}" for moment in table["begin"]] == ["08:00", "20:00"]
    assert [f"{moment:%H:%M}" for moment in table["end"]] == ["10:00", "21:00"]
    assert table["energy_kwh"].tolist() == pytest.approx([100.0, 50.0])
    assert table["cost"].tolist() == pytest.approx([300.0, 150.0])
    assert run.optimal.tables["cars.shortfalls"]["energy_kwh"].tolist() == pytest.approx([7.0])
    assert any(
        note.startswith(
            "park: load shed: 150.0 kWh in 2 spans of time, priced at 450.00 CNY; most from 2025-06-02 08:00"
        )
        for note in run.optimal.notes
    )
    kpis = run.summary.kpis
    assert kpis["penalty_cost"].value == pytest.approx(450.0 + 70.0)
    assert kpis["operating_cost_with_penalty"].value == pytest.approx(kpis["operating_cost"].value + 520.0)
    # without control the car is charged all the same, and what that asks of the connection is told
    assert run.baseline.tables["grid.shortfalls"]["energy_kwh"].sum() == pytest.approx(7.0)
    write_folder(run, tmp_path / "run")
    read = read_folder(tmp_path / "run")
    assert read.optimal.tables["park.shortfalls"]["energy_kwh"].tolist() == pytest.approx([100.0, 50.0])


def test_a_site_that_lacks_nothing_lists_nothing(site: SmallSite) -> None:
    run = dispatch(site(park={"kind": "load", "profile": 50.0}))
    assert not any("shortfalls" in name for name in run.tables)


def test_a_solvers_rounding_is_no_shortfall() -> None:
    """0.1 W of 250 MW is no work that was missed; of a kiosk it is."""
    grid = TimeGrid(dt.datetime(2025, 6, 2), step_minutes=60, num_steps=3, timezone="Asia/Shanghai")
    missed = (Shortfall("work missed", np.array([0.0, 1e-4, 0.0]), 10.0),)
    assert shortfall_table(missed, grid, largest_kw=2.5e5).empty
    assert shortfall_table(missed, grid, largest_kw=50.0)["energy_kwh"].tolist() == [1e-4]


def test_a_large_sites_rounding_is_larger_and_still_none(site: SmallSite) -> None:
    """2e-8 kW beside 50 kW: reported, it would be an export, and an overload that a page speaks of."""
    steps = dispatch_steps(site(park={"kind": "load", "profile": 50.0}, grid=GRID), solver="highs")
    request = next(steps)
    answer = request.answer()
    assert answer.primal is not None
    dusty = answer.primal.copy()
    dusty[request.program.columns("grid.export_kw")] = 2e-8
    with pytest.raises(StopIteration) as finished:
        steps.send(replace(answer, primal=dusty))
    assert finished.value.value.series["grid.export_kw"].max() == 0.0


def test_why_the_plan_went_to_which_solver_stays_told_after_hand_back() -> None:
    """The solve after hand-back starts from a basis and says nothing of it."""
    many = ["charging.fleets[0].sessions_per_day=60", "charging.fleets[0].dwell_hours=6"]
    steps = dispatch_steps(load_scenario(TINY, settings=many), solver="highs")
    solves = []

    def answered() -> Any:
        request = next(steps)
        while True:
            solves.append(request)
            why = ("not the structured solver: too dense",) if len(solves) == 1 else ()
            request = steps.send(replace(request.answer(), notes=why))

    with pytest.raises(StopIteration) as finished:
        answered()
    assert len(solves) > 1
    assert "not the structured solver: too dense" in finished.value.value.solver.notes


@pytest.mark.parametrize("roofs", [0, 1, 3])
def test_the_weather_is_remarked_upon_once(site: SmallSite, roofs: int) -> None:
    """However many PV plants there are, and where only the cooling of racks asks for the weather."""
    parts = {f"roof{number}": {"kind": "pv", "capacity_kw": 10.0} for number in range(roofs)}
    centre = {"kind": "data_centre", "racks": 2.0, "pue": {"model": "plateau", "liquid_share": 0.0}}
    notes = dispatch(site(centre=centre, **parts)).notes
    assert len([note for note in notes if "synthetic year of Xining" in note]) == 1
    assert any(note.startswith("weather: synthetic year of Xining") for note in notes)

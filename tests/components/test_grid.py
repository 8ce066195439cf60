"""The grid connection: what the optimiser pays equals the bill recomputed from the meter, on every basis."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from vpp_sim.components.base import Block, Bus, Component, Context, FloatArray, Inputs, Values
from vpp_sim.components.battery import Battery
from vpp_sim.components.grid import Grid
from vpp_sim.components.load import Load
from vpp_sim.errors import InputError
from vpp_sim.lp import ProgramBuilder, solve
from vpp_sim.profiles import Profile
from vpp_sim.tariffs import Tariff, bill, load_tariff
from vpp_sim.time_grid import TimeGrid
from vpp_sim.weather import Site

XINING = Site(latitude=36.62, longitude=101.78, altitude_m=2261)
FLAT = {"periods": [{"label": "all", "price_per_kwh": 0.5}]}
DAY_NIGHT = {
    "purchase_price_per_kwh": 0.4,
    "adders_per_kwh": {"network": 0.1},
    "periods": [{"label": "day", "hours": "07-22", "ratio": 1.5}, {"label": "night", "hours": "22-07", "ratio": 0.5}],
}


def tariff_of(energy: Mapping[str, Any] = FLAT, **more: Any) -> Tariff:
    return load_tariff({"name": "test", "currency": "CNY", "energy": energy, **more})


def axis(steps: int, minutes: int = 60, start: dt.datetime = dt.datetime(2025, 1, 1)) -> TimeGrid:
    return TimeGrid(start, minutes, steps, "Asia/Shanghai")


@dataclass(frozen=True)
class Solved:
    objective: float
    grid: Values
    component: Grid
    context: Context
    globals_: dict[str, FloatArray]

    def bill_total(self) -> float:
        flows = self.component.flows(self.grid)
        assert flows.import_kw is not None
        assert flows.export_kw is not None
        return bill(
            self.context.tariff,
            self.context.grid,
            flows.import_kw,
            flows.export_kw,
            import_series=flows.price_series.get("import"),
            export_series=flows.price_series.get("export"),
        ).total


def solved(
    time: TimeGrid,
    tariff: Tariff,
    load_kw: FloatArray,
    *,
    sun_kw: FloatArray | None = None,
    battery: Mapping[str, Any] | None = None,
    base_dir: Path = Path(),
    **connection: Any,
) -> Solved:
    """The optimum of a load, free sun and perhaps a battery behind a connection; checks certificate and replay."""
    context = Context(time, XINING, tariff, base_dir, lambda: cast(Any, None))
    grid = Grid(kind="grid", **{"import_limit_kw": 1e4, **connection})
    parts: dict[str, Component] = {"grid": grid, "load": Load(kind="load", profile=0.0)}
    read = {"grid": grid.inputs(context), "load": Inputs(series={"power_kw": load_kw})}
    if battery is not None:
        parts["battery"] = Battery(kind="battery", **battery)
        read["battery"] = Inputs()
    builder = ProgramBuilder(time.num_steps)
    bus = Bus(builder, time, 0.0)
    for name, part in parts.items():
        part.add_to(Block(name, bus, context, read[name]))
    if sun_kw is not None:
        sun = Block("sun", bus, context, Inputs())
        sun.inject(sun.variables("generation_kw", upper=sun_kw), +1, role="renewable")
    bus.close()
    program = builder.freeze()
    solution = solve(program, "highs")
    assert solution.is_optimal, solution.status.value
    assert solution.primal is not None
    globals_ = {
        group.name.removeprefix("grid."): solution.primal[program.columns(group.name)]
        for group in program.global_blocks
    }
    found = {block.name: solution.primal[program.columns(block.name)] for block in program.step_blocks}
    own = {name: {key[len(name) + 1 :]: a for key, a in found.items() if key.startswith(f"{name}.")} for name in parts}
    series = {**read["grid"].series, **own["grid"]}
    ties = program.ties(solution.primal)
    sizes = {"import_limit_kw": float(globals_["import_limit_kw_size"][0])} if grid.free_sizes() else {}
    values = Values(time, series, sizes)
    for check in grid.replay(values):
        assert check.passed, check
    return Solved(float(solution.objective) - ties, values, grid, context, globals_)


BATTERY = {"power_kw": 300.0, "energy_kwh": 600.0}

DEMANDS: dict[str, dict[str, Any]] = {
    "none": {"basis": "none"},
    "max": {"basis": "max_demand", "price_per_kw_month": 33.0},
    "max with floor": {"basis": "max_demand", "price_per_kw_month": 33.0, "min_kw": 900.0},
    "ratchet": {
        "basis": "max_demand",
        "price_per_kw_month": 33.0,
        "ratchet": {"share": 0.9, "months": 1},
        "min_kw": 100.0,
    },
    "contract": {"basis": "contracted_demand", "price_per_kw_month": 33.0, "contracted_kw": 500.0, "tolerance": 0.05},
    "transformer": {"basis": "transformer_kva", "price_per_kva_month": 21.0, "transformer_kva": 1250.0},
    "share of transformers": {
        "basis": "max_demand",
        "price_per_kw_month": 33.0,
        "transformer_kva": 1250.0,
        "min_share": 0.4,
    },
}
NEARBY = {"basis": "nearby_consumption", "transmission_price_per_kwh": 0.06, "average_load_factor": 0.6}
DEMANDS |= {
    f"nearby, {name}": {**NEARBY, "connected_kva": 1250.0, "basic": DEMANDS[name]}
    for name in ("ratchet", "contract", "transformer")
}


@pytest.mark.parametrize("minutes", [5, 10, 15, 30, 60])
@pytest.mark.parametrize("demand", list(DEMANDS))
def test_the_objective_is_the_bill_on_every_demand_basis(demand: str, minutes: int) -> None:
    """Random load and sun over four days across a month's end, with tiers, fixed charges and export.

    If the optimiser and the bill disagreed about any hour's period, a peak, a share of a month or a tier, the two
    would differ: they share no code.
    """
    time = axis(96 * 60 // minutes, minutes, dt.datetime(2025, 1, 30, 5))
    random = np.random.default_rng(7)
    load_kw = 800 * random.random(time.num_steps) ** 2
    sun_kw = 900 * np.maximum(0, np.sin((time.hour_of_day - 6) / 12 * np.pi)) * random.random(time.num_steps)
    tariff = tariff_of(
        DAY_NIGHT,
        demand=DEMANDS[demand],
        export={"price_per_kwh": 0.2},
        tiers=[
            {"above_kwh": 0, "adder_per_kwh": 0.01},
            {"above_kwh": 50_000, "adder_per_kwh": 0.02},
            {"above_kwh": 90_000, "adder_per_kwh": 0.3},
        ],
        fixed_per_month={"metering": 100.0, "service": 50.0},
    )
    site = solved(time, tariff, load_kw, sun_kw=sun_kw, battery=BATTERY, export_limit_kw=200.0)
    assert site.objective == pytest.approx(site.bill_total(), rel=1e-9)
    assert site.component.kpis(site.grid)["simultaneous_import_export_steps"].value == 0


def test_a_fee_for_nearby_consumption_takes_transmission_off_every_kwh() -> None:
    """4 h of January at 10 kW and 0.5 - 0.1; 2 / kW / month on 10 kW; 0.1 x 0.6 x 730 = 43.8 per kVA on 20 kVA."""
    fee = {"transmission_price_per_kwh": 0.1, "average_load_factor": 0.6, "connected_kva": 20.0}
    basic = {"basis": "max_demand", "price_per_kw_month": 2.0}
    tariff = tariff_of(demand={"basis": "nearby_consumption", "basic": basic, **fee})
    site = solved(axis(4), tariff, np.full(4, 10.0))
    assert site.objective == pytest.approx(40 * 0.4 + (2 * 10 + 43.8 * 20) * 4 / 744)
    assert site.grid["import_price_per_kwh"] == pytest.approx(0.4)
    assert site.bill_total() == pytest.approx(site.objective)


def test_transformers_and_contract_of_the_connection_take_the_place_of_the_tariffs() -> None:
    """An hour of January: 744 x 21 x 50 kVA / 744, then a declared 30 kW at 33 and 10 kW above it at 66."""
    by_kva = tariff_of(demand={"basis": "transformer_kva", "price_per_kva_month": 744 * 21.0, "transformer_kva": 9.0})
    site = solved(axis(1), by_kva, np.array([40.0]), transformer_kva=50.0)
    assert site.objective == pytest.approx(20.0 + 21 * 50)
    by_contract = tariff_of(demand={"basis": "contracted_demand", "price_per_kw_month": 744 * 33.0})
    site = solved(axis(1), by_contract, np.array([40.0]), transformer_kva=50.0, contracted_kw=30.0)
    assert site.objective == pytest.approx(20.0 + 33 * 30 + 66 * 10)


@pytest.mark.parametrize(
    ("demand", "connection", "message"),
    [
        (
            {"basis": "transformer_kva", "price_per_kva_month": 21.0},
            {},
            "transformer_kva: missing: the tariff test bills",
        ),
        (
            {"basis": "contracted_demand", "price_per_kw_month": 33.0},
            {},
            "contracted_kw: missing: the tariff test bills",
        ),
        (
            {"basis": "contracted_demand", "price_per_kw_month": 33.0},
            {"contracted_kw": 30.0, "transformer_kva": 100.0},
            "contracted_kw: must be at least 40 % of transformer_kva, 40 kW, got 30",
        ),
        (
            {"basis": "contracted_demand", "price_per_kw_month": 33.0},
            {"contracted_kw": {"max": 30.0, "cost_per_unit": 0}, "transformer_kva": 100.0},
            "contracted_kw.max: must be at least 40 % of transformer_kva, 40 kW, got 30",
        ),
        (
            {**NEARBY, "basic": {"basis": "max_demand", "price_per_kw_month": 33.0}},
            {},
            "transformer_kva: missing: the tariff test bills by nearby_consumption",
        ),
    ],
)
def test_a_charge_that_waits_for_a_number_of_the_site_says_which(
    demand: dict[str, Any], connection: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message.replace("(", "[(]")):
        solved(axis(1), tariff_of(DAY_NIGHT, demand=demand), np.array([1.0]), **connection)


def test_a_demand_charge_is_worth_shaving() -> None:
    """Load 10, 10, 30, 10 kW at 0.5 per kWh and 31 * 24 / 4 * 2 = 372 per kW and month, i.e. 2 per kW for these 4 h.

    A lossless battery of 15 kWh that is charged evenly before takes 15 kW off the peak at best: 15 kW all along.
    """
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 372.0})
    store = {"power_kw": 20.0, "energy_kwh": 15.0, "soc_min": 0.0, "soc_max": 1.0}
    lossless = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    site = solved(axis(4), tariff, np.array([10.0, 10, 30, 10]), battery=store | lossless)
    np.testing.assert_allclose(site.grid["import_kw"], 15.0)
    assert site.globals_["peak_kw"] == pytest.approx([15.0])
    assert site.objective == pytest.approx(60 * 0.5 + 15 * 2)


def test_five_minute_steps_are_metered_as_quarter_hours() -> None:
    """9, 0, 0 | 3, 3, 0 kW: the means are 3 and 2 kW, so 3 kW are billed, not 9; 0.5 h of 744 h at 1488 is 1 per kW."""
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 1488.0})
    site = solved(axis(6, 5), tariff, np.array([9.0, 0, 0, 3, 3, 0]))
    assert site.globals_["peak_kw"] == pytest.approx([3.0])
    assert site.objective == pytest.approx(15 / 12 * 0.5 + 3.0)
    assert site.bill_total() == pytest.approx(site.objective)


def test_windows_cut_off_by_the_horizon_count_the_steps_there_are() -> None:
    """From 00:10: 6 | 3, 3, 0 | 4 kW: the first window has the single step of 6 kW, the last that of 4."""
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 1.0})
    site = solved(axis(5, 5, dt.datetime(2025, 1, 1, 0, 10)), tariff, np.array([6.0, 3, 3, 0, 4]))
    assert site.globals_["peak_kw"] == pytest.approx([6.0])
    assert site.bill_total() == pytest.approx(site.objective)


def test_a_ratchet_bills_a_share_of_the_earlier_peak() -> None:
    """100 kW on 31 January, 10 kW on 1 February: February pays 0.8 * 100 kW for its 2 of 672 hours."""
    tariff = tariff_of(
        demand={"basis": "max_demand", "price_per_kw_month": 33.0, "ratchet": {"share": 0.8, "months": 3}}
    )
    site = solved(axis(4, start=dt.datetime(2025, 1, 31, 22)), tariff, np.array([100.0, 50, 10, 10]))
    assert site.globals_["billed_kw"] == pytest.approx([100.0, 80.0])
    expected = 170 * 0.5 + 33 * (100 * 2 / 744 + 80 * 2 / 672)
    assert site.objective == pytest.approx(expected)
    assert site.bill_total() == pytest.approx(expected)


def test_a_whole_year_pays_twelve_peaks_and_twelve_fixed_charges() -> None:
    time = axis(8760)
    tariff = tariff_of(demand={"basis": "max_demand", "price_per_kw_month": 33.0}, fixed_per_month={"meter": 10.0})
    site = solved(time, tariff, np.where(time.month == 3, 50.0, 100.0))
    hours = np.bincount(time.month)
    energy = (hours.sum() * 100 - hours[3] * 50) * 0.5
    assert site.objective == pytest.approx(energy + 33 * (11 * 100 + 50) + 120)
    assert site.bill_total() == pytest.approx(site.objective, rel=1e-12)


def test_a_free_import_limit_is_bought_as_large_as_the_peak() -> None:
    """Two hours of 40 and 30 kW; a kW costs 8760 / 2 per year, so 1 for these two hours."""
    size = {"max": 1000.0, "cost_per_unit": 8760 / 2, "lifetime_years": 1.0}
    site = solved(axis(2), tariff_of(), np.array([40.0, 30.0]), import_limit_kw=size)
    assert site.globals_["import_limit_kw_size"] == pytest.approx([40.0])
    assert site.objective == pytest.approx(70 * 0.5 + 40)


def test_in_an_outage_nothing_flows_in_any_step_it_touches() -> None:
    outage = {"start": dt.datetime(2025, 1, 1, 1, 30), "end": dt.datetime(2025, 1, 1, 3, 0)}
    battery = {"power_kw": 20.0, "energy_kwh": 100.0, "closure": "fixed", "soc_start": 0.5, "soc_end": 0.2}
    site = solved(axis(4), tariff_of(), np.full(4, 10.0), battery=battery, outages=[outage], export_limit_kw=5.0)
    assert site.grid["import_available"].tolist() == [1, 0, 0, 1]
    assert site.grid["export_available"].tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(site.grid["import_kw"][1:3], 0.0)


def test_an_outage_may_stop_one_direction_only() -> None:
    context = Context(axis(2), XINING, tariff_of(), Path(), lambda: cast(Any, None))
    outage = {"start": dt.datetime(2025, 1, 1, 1), "end": dt.datetime(2025, 1, 1, 2), "what": "export"}
    inputs = Grid(kind="grid", import_limit_kw=1.0, outages=[outage]).inputs(context)
    assert inputs.series["import_available"].tolist() == [1, 1]
    assert inputs.series["export_available"].tolist() == [1, 0]


def test_importing_to_export_is_refused_or_prevented() -> None:
    tariff = tariff_of(DAY_NIGHT, export={"price_per_kwh": 0.5})
    context = Context(axis(24), XINING, tariff, Path(), lambda: cast(Any, None))
    grid = Grid(kind="grid", import_limit_kw=100.0, export_limit_kw=50.0)
    with pytest.raises(InputError) as caught:
        grid.inputs(context)
    assert str(caught.value) == (
        "export_limit_kw: in 9 of 24 steps, first at 2025-01-01 00:00, an exported kWh pays 0.5 and an imported one "
        "costs 0.3, so importing to export would earn money; correct the tariff, set export_limit_kw: 0, or set "
        "if_export_pays_more: no_export"
    )
    tamed = grid.model_copy(update={"if_export_pays_more": "no_export"}).inputs(context)
    assert tamed.series["export_available"].sum() == 15
    assert grid.model_copy(update={"export_limit_kw": 0.0}).inputs(context).series["export_available"].sum() == 24


def test_prices_and_factors_may_come_from_files(tmp_path: Path) -> None:
    """Purchase prices 100 and 300 per MWh plus 0.1: 10 kWh cost 2.0 and 4.0; half of a 90 g factor is kept as 0.09."""
    (tmp_path / "prices.csv").write_text("buy,sell\n100,50\n300,50\n")
    (tmp_path / "factor.csv").write_text("g\n90\n45\n")
    reference = {"path": "prices.csv", "unit": "per_mwh"}
    tariff = load_tariff(
        {
            "name": "spot",
            "currency": "EUR",
            "energy": {"purchase_price_per_kwh": {**reference, "column": "buy"}, "adders_per_kwh": {"grid": 0.1}},
            "export": {"price_per_kwh": {**reference, "column": "sell"}},
        },
        tmp_path,
    )
    factor = TypeAdapter(Profile).validate_python({"path": "factor.csv", "unit": "g_per_kwh"})
    site = solved(
        axis(2),
        tariff,
        np.array([10.0, 10.0]),
        base_dir=tmp_path,
        export_limit_kw=5.0,
        emission_location_kg_per_kwh=factor,
    )
    assert site.objective == pytest.approx(6.0)
    assert site.bill_total() == pytest.approx(6.0)
    flows = site.component.flows(site.grid)
    np.testing.assert_allclose(flows.import_factors["location"], [0.09, 0.045])
    np.testing.assert_allclose(flows.import_factors["park"], 0.8273)
    assert tariff.files(tmp_path) == (tmp_path / "prices.csv",) * 2
    assert site.component.files(tmp_path) == (tmp_path / "factor.csv",)


def test_every_file_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    tariff = load_tariff(
        {
            "name": "spot",
            "currency": "EUR",
            "energy": {"purchase_price_per_kwh": {"path": "none.csv", "unit": "per_mwh"}},
        },
        tmp_path,
    )
    grid = Grid(kind="grid", import_limit_kw=1.0, clean_share=1.2)
    with pytest.raises(InputError) as caught:
        grid.inputs(Context(axis(2), XINING, tariff, tmp_path, lambda: cast(Any, None)))
    told = str(caught.value).replace(str(tmp_path), "DIR")
    assert told == (
        "clean_share: must be at most 1, got 1.2\n"
        "tariff.import_series.path: no such file 'DIR/none.csv'; paths start from DIR"
    )


@pytest.mark.parametrize(
    ("latitude", "longitude", "zone", "foreign"),
    [(36.4, 94.9, "Asia/Shanghai", 0), (31.2, 121.5, "Asia/Shanghai", 1), (52.5, 13.4, "Europe/Berlin", 2)],
)
def test_emission_factors_of_another_place_are_remarked_on(
    latitude: float, longitude: float, zone: str, foreign: int
) -> None:
    site = Site(latitude=latitude, longitude=longitude, altitude_m=10)
    time = TimeGrid(dt.datetime(2025, 1, 1), step_minutes=60, num_steps=2, timezone=zone)
    context = Context(time, site, tariff_of(), Path(), lambda: cast(Any, None))
    notes = [note for note in Grid(kind="grid", import_limit_kw=1.0).inputs(context).notes if "does not stand" in note]
    assert len(notes) == foreign
    own = Grid(
        kind="grid",
        import_limit_kw=1.0,
        emission_location_kg_per_kwh=0.35,
        emission_market_kg_per_kwh=0.4,
        emission_park_kg_per_kwh=0.5,
        clean_share=0.5,
    )
    assert not [note for note in own.inputs(context).notes if "does not stand" in note]


def test_the_notes_tell_what_is_used_beyond_its_validity() -> None:
    outage = {"start": dt.datetime(2024, 1, 1), "end": dt.datetime(2024, 1, 2)}
    context = Context(axis(2), XINING, load_tariff("qinghai_two_part_2026_03"), Path(), lambda: cast(Any, None))
    notes = Grid(kind="grid", import_limit_kw=1.0, outages=[outage]).inputs(context).notes
    assert notes[0] == (
        "tariff qinghai_two_part_2026_03 is valid 2026-03-01 to 2026-03-31 "
        "and is used unchanged for 2025-01-01 to 2025-01-01"
    )
    assert notes[1].startswith("assumptions in tariff qinghai_two_part_2026_03: demand.price_per_kw_month; ")
    assert notes[2] == "demand is measured as the mean of 60-minute steps, not of quarter-hours"
    assert notes[3] == "the outage from 2024-01-01 00:00:00 to 2024-01-02 00:00:00 lies outside the horizon"


def test_an_outage_must_end_after_it_starts() -> None:
    moment = dt.datetime(2025, 1, 1)
    with pytest.raises(ValidationError, match="end: must be after start"):
        Grid(kind="grid", import_limit_kw=1.0, outages=[{"start": moment, "end": moment}])

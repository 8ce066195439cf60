"""Tariffs: what comes with the package, what is refused, with the line and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vpp_sim.errors import InputError
from vpp_sim.tariffs import load_tariff, tariff_names

PRICED = {"name": "x", "currency": "CNY"}


def told(source: Any, base_dir: Path = Path()) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_tariff(source, base_dir)
    return [str(fault) for fault in caught.value.faults]


def with_periods(*periods: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**PRICED, "energy": {"purchase_price_per_kwh": 1.0, "periods": list(periods)}, **more}


@pytest.mark.parametrize("name", tariff_names())
def test_tariffs_of_the_package_load_and_say_where_their_numbers_come_from(name: str) -> None:
    tariff = load_tariff(name)
    assert tariff.name == name
    assert tariff.sources
    for path in tariff.files(Path()):
        assert path.is_file()


def test_the_qinghai_tariff_has_the_published_prices_and_labels_its_assumptions() -> None:
    """0.2842 x {1.63, 1, 0.35} + 0.1580 are the published 0.6212, 0.4422, 0.2575 to four digits."""
    tariff = load_tariff("qinghai_two_part_2026_03")
    purchase = tariff.energy.purchase_price_per_kwh
    assert isinstance(purchase, float)
    adders = sum(tariff.energy.adders_per_kwh.values())
    prices = {period.label: purchase * (period.ratio or 0) + adders for period in tariff.energy.periods}
    assert prices == pytest.approx({"peak": 0.6212, "flat": 0.4422, "valley": 0.2575}, abs=5.1e-5)
    about = " ".join(source.about for source in tariff.assumptions)
    assert "demand.price_per_kw_month" in about
    assert "export.price_per_kwh" in about


def test_an_unknown_name_gets_the_nearest_one() -> None:
    assert told("qinghai_two_part_2026_3") == [
        "tariff: unknown tariff 'qinghai_two_part_2026_3'; did you mean qinghai_two_part_2026_03?"
    ]
    assert told("zzz") == [
        "tariff: unknown tariff 'zzz'; one of flat, hourly_price_example, qinghai_two_part_2026_03, "
        "or a path that ends in .yaml"
    ]
    assert told("tariffs/mine.yaml") == ["tariffs/mine.yaml: no such file"]


def test_faults_of_a_file_come_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\n"
        "currency: EURO\n"
        "energy:\n"
        "  purchase_price_per_kwh: {path: prices.csv, unit: EUR/MWh}\n"
        "  periods:\n"
        "    - {label: day, hours: 7-25}\n"
        "    - label: night\n"
        "      hours: 20-7\n"
        "      rato: 0.5\n"
        "demand: {basis: max_demand, price_per_kw_month: -1}\n"
    )
    assert told("mine.yaml", tmp_path) == [
        "mine.yaml:2: currency: must have at most 3 characters, got 4",
        "mine.yaml:4: energy.purchase_price_per_kwh.unit: must be one of per_kwh, per_mwh, got 'EUR/MWh'",
        "mine.yaml:6: energy.periods[0].hours: hours '7-25' do not exist; a day has 00:00 to 24:00",
        "mine.yaml:9: energy.periods[1].rato: unknown key; did you mean ratio?",
        "mine.yaml:10: demand.price_per_kw_month: must be at least 0 currency/kW/month, got -1",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"energy": {}},
            "energy.periods: 'all hours' has no price; give purchase_price_per_kwh or its own price_per_kwh",
        ),
        (
            with_periods({"label": "day", "hours": "07-20"}, {"label": "night", "hours": "21-07"}),
            "energy.periods: every hour needs exactly one period: no period covers 20:00-21:00",
        ),
        (
            with_periods({"label": "day", "hours": "07-22"}, {"label": "night", "hours": "21:30-07"}),
            "energy.periods: every hour needs exactly one period: 21:30-22:00 is in day and night",
        ),
        (
            with_periods(
                {"label": "all", "days": ["workdays"]},
                {"label": "rest", "days": ["saturdays"], "months": [1, 2]},
                {"label": "rest", "days": ["sundays"]},
            ),
            "energy.periods: every hour needs exactly one period: no period covers 00:00-24:00 on saturdays in months "
            "3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
        ),
        (
            with_periods({"label": "a", "days": ["workdays", "saturdays", "sundays"]}, holidays={"country": "CN"}),
            "energy.periods: every hour needs exactly one period: no period covers 00:00-24:00 on holidays",
        ),
        (with_periods({"label": "a", "hours": "8"}), "hours '8' are not understood; write 07-09 or 17:30-23:00"),
        (with_periods({"label": "a", "hours": "8:03-9"}), "hours '8:03-9' must lie on multiples of 5 minutes"),
        (with_periods({"label": "a", "hours": "8-8"}), "hours '8-8' cover nothing; write 00-24 for a whole day"),
        (
            with_periods({"label": "a", "ratio": 1, "price_per_kwh": 1}),
            "energy.periods[0].ratio: stands beside price_per_kwh; keep one of them",
        ),
        (with_periods({"label": "a", "months": [0]}), "energy.periods[0].months[0]: must be at least 1, got 0"),
        (
            with_periods({"label": "a"}, demand={"basis": "max"}),
            "demand: unknown basis 'max'; did you mean max_demand? "
            "one of contracted_demand, max_demand, nearby_consumption, none, transformer_kva",
        ),
        (
            with_periods(
                {"label": "a"},
                demand={
                    "basis": "contracted_demand",
                    "contracted_kw": 300,
                    "price_per_kw_month": 33,
                    "transformer_kva": 1000,
                },
            ),
            "demand.contracted_kw: must be at least 40 % of transformer_kva, 400 kW, got 300",
        ),
        (
            with_periods(
                {"label": "a", "price_per_kwh": 0.3},
                demand_options={
                    "nearby": {
                        "basis": "nearby_consumption",
                        "basic": {"basis": "max_demand", "price_per_kw_month": 33},
                        "transmission_price_per_kwh": 0.2,
                        "average_load_factor": 0.6,
                    }
                },
            )
            | {"energy": {"purchase_price_per_kwh": 0.3, "adders_per_kwh": {"grid": 0.1, "levy": 0.05}}},
            "demand_options.nearby: transmission_price_per_kwh 0.2 is more than all adders of the energy price "
            "together (0.15), of which it is a part",
        ),
        (
            with_periods(
                {"label": "a"}, tiers=[{"above_kwh": 0, "adder_per_kwh": 0.2}, {"above_kwh": 9, "adder_per_kwh": 0.1}]
            ),
            "tiers: an adder that falls (0.2 to 0.1) rewards using more (not convex); use one price for all",
        ),
        (
            with_periods(
                {"label": "a"}, tiers=[{"above_kwh": 9, "adder_per_kwh": 0.1}, {"above_kwh": 9, "adder_per_kwh": 0.2}]
            ),
            "tiers: above_kwh must rise, got 9 after 9",
        ),
        (
            with_periods({"label": "a"}, holidays={"country": "China"}),
            "holidays.country: unknown country 'China'; write two letters such as CN",
        ),
        (
            with_periods({"label": "a"}, holidays={"country": "CN", "subdivision": "63"}),
            "holidays.subdivision: unknown subdivision '63' of CN; one of none",
        ),
        (
            with_periods({"label": "a"}, valid_from="2026-03-01", valid_to="2026-02-01"),
            "valid_to: 2026-02-01 lies before valid_from 2026-03-01",
        ),
    ],
)
def test_a_tariff_that_cannot_be_billed_is_refused(changes: dict[str, Any], message: str) -> None:
    (fault,) = told({**PRICED, **changes})
    assert fault == message or fault.endswith(": " + message)


def test_a_tariff_may_extend_another(tmp_path: Path) -> None:
    tariff = load_tariff(
        {"extends": "qinghai_two_part_2026_03", "name": "kva", "demand": {"basis": "transformer_kva"}}
        | {"demand": {"basis": "transformer_kva", "transformer_kva": 1250, "price_per_kva_month": 21}}
    )
    assert tariff.name == "kva"
    assert tariff.demand.basis == "transformer_kva"
    assert tariff.energy == load_tariff("qinghai_two_part_2026_03").energy
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    assert told("a.yaml", tmp_path) == ["a.yaml:1: extends: 'b.yaml' extends itself"]
    assert told({"extends": 3}) == ["extends: must be the name or file of a tariff"]


def test_price_files_are_found_beside_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    text = "name: spot\ncurrency: EUR\nenergy:\n  purchase_price_per_kwh: {path: p.csv, unit: per_mwh}\n"
    (tmp_path / "sub" / "spot.yaml").write_text(text)
    tariff = load_tariff("sub/spot.yaml", tmp_path)
    assert tariff.files(tmp_path) == (tmp_path / "sub" / "p.csv",)
    assert tariff.import_series is not None
    assert tariff.export_series is None


@pytest.mark.parametrize("name", tariff_names())
def test_a_tariff_written_out_is_the_same_tariff(name: str) -> None:
    tariff = load_tariff(name)
    assert load_tariff(tariff.model_dump()) == tariff


def test_an_energy_part_that_forgets_the_periods_of_what_it_extends_is_refused() -> None:
    """It would have been a tariff of one price without a word."""
    with pytest.raises(InputError, match=r"energy\.periods: missing: energy stands for the whole part .*its 3 periods"):
        load_tariff({"extends": "qinghai_two_part_2026_03", "energy": {"purchase_price_per_kwh": 0.3}})
    flat = {"purchase_price_per_kwh": 0.3, "periods": [{"label": "all hours", "ratio": 1.0}]}
    assert load_tariff({"extends": "qinghai_two_part_2026_03", "energy": flat}).energy.adders_per_kwh == {}
    assert (
        load_tariff({"extends": "flat", "energy": {"purchase_price_per_kwh": 0.3}}).energy.purchase_price_per_kwh == 0.3
    )

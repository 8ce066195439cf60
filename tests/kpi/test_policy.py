"""Rules by hand: the figure of every rule, its verdict, its margin, and when it does not apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp_sim.components.base import Kpi
from vpp_sim.errors import InputError
from vpp_sim.kpi import Simulation, simulate
from vpp_sim.kpi.policy import RuleOutcome, rule_outcomes
from vpp_sim.policies import applying_at, load_document, rule_of, shipped_documents
from vpp_sim.scenario import Scenario, scenario_from_mapping

VALLEY = {
    "energy": {
        "purchase_price_per_kwh": 0.5,
        "periods": [{"label": "valley", "hours": "09-17", "ratio": 0.5}, {"label": "peak", "hours": "17-09"}],
    }
}
#: Two cars, each charged on arrival within the hour: 30 kWh in the valley, 20 kWh after it.
SESSIONS = """arrival,departure,energy_kwh,max_kw
2025-06-02 10:00,2025-06-02 12:00,30,30
2025-06-02 18:00,2025-06-02 20:00,20,20
"""


def site(
    base_dir: Path = Path(),
    *,
    pv_kw: float = 0.0,
    load_kw: float = 100.0,
    policy: dict[str, Any] | None = None,
    horizon: dict[str, Any] | None = None,
    currency: str = "CNY",
    **components: Any,
) -> Scenario:
    """A day with a steady load, and PV that gives its capacity in every hour, so that all can be done by hand.

    It lies at 80 degrees north, where the sun of June does not set.
    """
    parts = {"grid": {"kind": "grid", "import_limit_kw": 1000.0, "export_limit_kw": 1000.0}} | components
    if load_kw:
        parts["park"] = {"kind": "load", "profile": load_kw}
    if pv_kw:
        parts["pv"] = {"kind": "pv", "capacity_kw": pv_kw, "yield_profile": 1.0}
    content = {
        "name": "one day",
        "currency": currency,
        "horizon": {"start": "2025-06-02", "days": 1, "timezone": "Asia/Shanghai"} | (horizon or {}),
        "site": {"latitude": 80.0, "longitude": 101.78, "altitude_m": 2261.0},
        "weather": {"source": "climate", "climate": "xining", "seed": 1},
        "tariff": {"name": "t", "currency": currency} | VALLEY | {"export": {"price_per_kwh": 0.1}},
        "components": parts,
        "policy": policy or {},
    }
    return scenario_from_mapping(content, base_dir=base_dir)


def outcomes(run: Simulation, year: int | None = None) -> dict[str, RuleOutcome]:
    assert run.summary.passed
    return {each.id: each for each in rule_outcomes(run.summary.kpis, run.scenario, year=year)}


def said(outcome: RuleOutcome) -> tuple[float, float, str]:
    return round(outcome.value, 6), round(outcome.margin, 6), outcome.verdict


@pytest.fixture(scope="module")
def half() -> Simulation:
    """Half of the load from PV, all of it used: 1,200 of 2,400 kWh."""
    return simulate(site(pv_kw=50.0))


@pytest.fixture(scope="module")
def fivefold() -> Simulation:
    """PV five times the load: 2,400 kWh used, 9,600 kWh of 12,000 exported."""
    return simulate(site(pv_kw=500.0))


def test_direct_connection_where_all_is_used(half: Simulation) -> None:
    found = outcomes(half)
    assert said(found["ndrc_650_2025.own_use_of_available"]) == (1.0, 0.4, "met")
    assert said(found["ndrc_650_2025.own_use_of_load"]) == (0.5, 0.2, "met")
    assert said(found["ndrc_650_2025.export_of_available"]) == (0.0, 0.2, "met")


def test_direct_connection_where_most_is_exported(fivefold: Simulation) -> None:
    found = outcomes(fivefold)
    assert said(found["ndrc_650_2025.own_use_of_available"]) == (0.2, -0.4, "not met")
    assert said(found["ndrc_650_2025.own_use_of_load"]) == (1.0, 0.7, "met")
    assert said(found["ndrc_650_2025.export_of_available"]) == (0.8, -0.6, "not met")


def test_the_threshold_is_that_of_the_year() -> None:
    run = simulate(site(pv_kw=32.0))
    rule = "ndrc_650_2025.own_use_of_load"
    assert said(outcomes(run)[rule]) == (0.32, 0.02, "met")
    assert said(outcomes(run, 2029)[rule]) == (0.32, 0.02, "met")
    assert said(outcomes(run, 2030)[rule]) == (0.32, -0.03, "not met")
    early = outcomes(run, 2024)[rule]
    assert (early.verdict, early.reason) == ("does not apply", "in force from 2025")
    later = simulate(site(pv_kw=32.0, horizon={"start": "2031-06-02"}))
    assert said(outcomes(later)[rule]) == (0.32, -0.03, "not met")
    written = simulate(site(pv_kw=32.0, policy={"year": 2030}))
    assert said(outcomes(written)[rule]) == (0.32, -0.03, "not met")


def test_a_site_without_renewable_plant_is_no_direct_connection() -> None:
    found = outcomes(simulate(site()))
    for name in ("own_use_of_available", "own_use_of_load", "export_of_available"):
        outcome = found[f"ndrc_650_2025.{name}"]
        assert (outcome.verdict, outcome.reason) == ("does not apply", "the site has no renewable plant")
        assert np.isnan(outcome.value)
        assert np.isnan(outcome.margin)


def test_export_without_a_continuous_spot_market(half: Simulation) -> None:
    rule = "ndrc_650_2025.export_without_spot_market"
    assert outcomes(half)[rule].reason == "whether the spot market runs continuously is not said"
    runs = outcomes(simulate(site(pv_kw=50.0, policy={"continuous_spot_market": True})))[rule]
    assert (runs.verdict, runs.reason) == ("does not apply", "the spot market runs continuously")
    assert said(outcomes(simulate(site(pv_kw=50.0, policy={"continuous_spot_market": False})))[rule])[2] == "met"
    exports = outcomes(simulate(site(pv_kw=500.0, policy={"continuous_spot_market": False})))[rule]
    assert said(exports) == (0.8, -0.8, "not met")


def test_the_indicator_of_parks_and_its_sizes(half: Simulation) -> None:
    rule = "ndrc_910_2025.carbon_per_energy"
    by_hand = 1200 * 0.8273 / (2400 * 0.1229)
    outcome = outcomes(half)[rule]
    assert said(outcome) == (round(by_hand, 6), round(0.2 - by_hand, 6), "not met")
    assert outcome.threshold == 0.2
    # 2,400 kWh a day are 0.1229 x 365 x 2.4 tce a year, far below the sizes of the notice
    assert "the site uses 108 tce a year, the rule begins at 200,000" in outcome.remarks
    large = outcomes(simulate(site(pv_kw=50.0, policy={"park_tce_per_year": 1.5e6})))[rule]
    assert large.threshold == 0.3
    assert not [remark for remark in large.remarks if "begins" in remark]
    green = outcomes(simulate(site(pv_kw=98.0)))[rule]
    assert said(green)[2] == "met"
    own = {"kind": "grid", "import_limit_kw": 1000.0, "emission_park_kg_per_kwh": 0.04}
    cleaner = outcomes(simulate(site(pv_kw=50.0, grid=own)))[rule]
    assert said(cleaner)[0] == round(1200 * 0.04 / (2400 * 0.1229), 6)
    assert said(cleaner)[2] == "met"


def test_the_clean_share_with_and_without_certificates(half: Simulation) -> None:
    outcome = outcomes(half)["ndrc_910_2025.clean_share"]
    assert said(outcome) == (0.5, -0.4, "not met")
    assert (outcome.with_certificates, outcome.verdict_with_certificates) == (pytest.approx(1.0), "met")
    some = {"certificates": {"share": 0.6, "price_per_mwh": 10.0}}
    outcome = outcomes(simulate(site(pv_kw=50.0, policy=some)))["ndrc_910_2025.clean_share"]
    assert (outcome.with_certificates, outcome.verdict_with_certificates) == (pytest.approx(0.8), "not met")
    assert outcomes(simulate(site(pv_kw=95.0)))["ndrc_910_2025.clean_share"].verdict == "met"


def data_centre(pue: float) -> dict[str, Any]:
    work = [{"name": "online", "arrivals_kw": 10.0}]
    return {"kind": "data_centre", "racks": 10, "idle_share": 0.0, "pue": pue, "classes": work}


def test_data_centres_by_analogy() -> None:
    # 10 kW of IT and 12 kW in all beside 88 kW of other load; 25 kW of PV are a quarter of everything
    run = simulate(site(pv_kw=25.0, load_kw=88.0, dc=data_centre(1.2)))
    found = outcomes(run)
    assert said(found["data_centres_2021.pue"]) == (1.2, 0.05, "met")
    green = found["data_centres_2024.green_share"]
    assert said(green) == (0.25, -0.55, "not met")
    assert green.verdict_with_certificates == "met"
    assert found["data_centres_2021.pue"].verdict_with_certificates is None  # certificates do not cool
    warm = outcomes(simulate(site(pv_kw=90.0, load_kw=87.0, dc=data_centre(1.3))))
    assert said(warm["data_centres_2021.pue"]) == (1.3, -0.05, "not met")
    assert said(warm["data_centres_2024.green_share"]) == (0.9, 0.1, "met")


def test_no_data_centre_no_vehicles_no_rule(half: Simulation) -> None:
    found = outcomes(half)
    for name in ("data_centres_2021.pue", "data_centres_2024.green_share"):
        assert (found[name].verdict, found[name].reason) == ("does not apply", "the site has no data centre")
    valley = found["v2g_pilots_2024.valley_charging"]
    assert (valley.verdict, valley.reason) == ("does not apply", "no vehicles are charged")


def station(folder: Path, text: str = SESSIONS) -> dict[str, Any]:
    (folder / "sessions.csv").write_text(text, encoding="utf-8")
    return {"kind": "ev_station", "mode": "uncontrolled", "power_kw": 100.0, "sessions": {"path": "sessions.csv"}}


def test_charging_in_the_valley(tmp_path: Path) -> None:
    outcome = outcomes(simulate(site(tmp_path, ev=station(tmp_path))))["v2g_pilots_2024.valley_charging"]
    assert said(outcome) == (0.6, 0.0, "met")
    late = SESSIONS.replace("10:00", "08:30").replace("12:00", "09:30")  # half of the 30 kWh before the valley
    outcome = outcomes(simulate(site(tmp_path, ev=station(tmp_path, late))))["v2g_pilots_2024.valley_charging"]
    assert said(outcome) == (0.3, -0.3, "not met")


def test_a_tariff_without_valley_makes_no_such_rule(tmp_path: Path) -> None:
    scenario = site(tmp_path, ev=station(tmp_path))
    content = scenario.to_mapping() | {"tariff": "flat"}
    outcome = outcomes(simulate(scenario_from_mapping(content, base_dir=tmp_path)))["v2g_pilots_2024.valley_charging"]
    assert outcome.verdict == "does not apply"
    assert "no period called valley" in outcome.reason


def test_certificates_are_whole_priced_and_beside_the_operating_cost(half: Simulation) -> None:
    kpis = {name: kpi.value for name, kpi in half.summary.kpis.items()}
    assert kpis["certificates_mwh"] == 2  # 1.2 MWh
    assert kpis["certificate_cost"] == pytest.approx(2 * 5.22)
    assert kpis["emissions_market_after_certificates_kg"] == 0.0
    some = {"certificates": {"share": 0.25, "price_per_mwh": 8.0}}
    run = simulate(site(pv_kw=50.0, policy=some))
    kpis = {name: kpi.value for name, kpi in run.summary.kpis.items()}
    assert kpis["certificates_mwh"] == 1
    assert kpis["certificate_cost"] == pytest.approx(8.0)
    assert kpis["emissions_market_after_certificates_kg"] == pytest.approx(0.75 * 1200 * 0.6096)
    assert kpis["park_tco2_per_tce_with_certificates"] == pytest.approx(0.75 * kpis["park_tco2_per_tce"])
    assert kpis["operating_cost"] == pytest.approx(half.summary.kpis["operating_cost"].value)
    assert outcomes(run)["ndrc_910_2025.carbon_per_energy"].verdict_with_certificates == "not met"


def test_other_places_and_currencies_have_no_chinese_rules_or_prices() -> None:
    assert applying_at("Europe/Berlin") == ()
    run = simulate(site(pv_kw=50.0, horizon={"timezone": "Europe/Berlin"}, currency="EUR"))
    assert run.summary.rules == ()
    assert run.summary.kpis["certificates_mwh"].value == 2
    assert "certificate_cost" not in run.summary.kpis
    asked = simulate(site(pv_kw=50.0, currency="EUR", policy={"documents": ["ndrc_650_2025"]}))
    assert [outcome.verdict for outcome in asked.summary.rules] == ["met", "met", "met", "does not apply"]


def test_short_horizons_are_said(half: Simulation) -> None:
    assert "judged on 1 days; the rule speaks of a year" in outcomes(half)["ndrc_910_2025.clean_share"].remarks
    year = site(pv_kw=50.0, horizon={"start": "2025-01-01", "days": 365})
    kpis = half.summary.kpis
    assert not [r for each in rule_outcomes(kpis, year) for r in each.remarks if "judged" in r]


def test_a_figure_at_its_threshold_is_met_up_to_a_solvers_tolerance() -> None:
    scenario = site(pv_kw=50.0)
    share = "own_use_of_available_cn650"

    def verdict(value: float) -> str:
        kpis = {
            share: Kpi(value, "-", ""),
            "renewable_available_kwh": Kpi(1.0, "kWh", ""),
            "load_kwh": Kpi(1.0, "kWh", ""),
        }
        return next(each.verdict for each in rule_outcomes(kpis, scenario) if each.rule.kpi == share)

    assert [verdict(value) for value in (0.6, 0.6 - 5e-7, 0.6 - 2e-6)] == ["met", "met", "not met"]


def test_every_shipped_rule_can_be_judged_and_names_a_source() -> None:
    from vpp_sim.scenario.targets import MEASURES

    for document in shipped_documents().values():
        assert document.rules or document.certificate
        for rule in document.rules:
            assert rule.certainty in "ABCDM"
            assert rule.source
            if rule.measure is not None:
                meaning = MEASURES[rule.measure]  # type: ignore[index]
                assert meaning.bound == rule.bound
                assert meaning.kpi == rule.kpi


def test_an_own_document_is_judged_and_goes_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        """name: province_2027
title: The province's own plan
document: Plan No. 1
rules:
  - name: share
    title: Half of it
    definition: renewable energy delivered / load
    kpi: onsite_renewable_share
    bound: at_least
    unit: "%"
    thresholds: [{value: 0.5, from_year: 2025}, {value: 0.7, from_year: 2027}]
    standing: direct
    measure: onsite_renewable_share
    source: Plan No. 1
    certainty: A
""",
        encoding="utf-8",
    )
    policy = {"documents": [{"path": "mine.yaml"}, "ndrc_650_2025"]}
    scenario = site(tmp_path, pv_kw=50.0, policy=policy)
    assert [each.verdict for each in simulate(scenario).summary.rules][:1] == ["met"]
    again = scenario_from_mapping(scenario.to_mapping(), base_dir=Path())  # the file is in it
    assert again == scenario
    assert outcomes(simulate(again), 2027)["province_2027.share"].margin == pytest.approx(-0.2)
    assert rule_of("province_2027.share", scenario.documents)[0].name == "province_2027"


WRONG_DOCUMENTS: dict[str, tuple[Any, str]] = {
    "misspelt": ("ndrc_65_2025", "did you mean ndrc_650_2025?"),
    "empty": ({"name": "a", "title": "b", "document": "c"}, "needs rules"),
    "name taken": (
        shipped_documents()["ndrc_650_2025"].model_dump(mode="json") | {"title": "mine"},
        "is the name of a document that comes with vpp_sim",
    ),
    "no file": ({"path": "absent.yaml"}, "absent.yaml"),
}


@pytest.mark.parametrize("case", WRONG_DOCUMENTS)
def test_wrong_documents_are_refused_in_words(case: str, tmp_path: Path) -> None:
    source, words = WRONG_DOCUMENTS[case]
    with pytest.raises(InputError) as caught:
        load_document(source, tmp_path)
    assert words in str(caught.value)
    with pytest.raises(InputError) as caught:
        site(tmp_path, policy={"documents": [source]})
    assert "absent" in str(caught.value) or "policy.documents[0]" in str(caught.value)

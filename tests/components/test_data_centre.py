"""Data centres against arithmetic by hand, and against loops that follow every step and every job."""

from __future__ import annotations

import math
from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from vpp_sim.components.base import FloatArray
from vpp_sim.components.data_centre import LONGEST_WAIT_PRICE, DataCentre, WorkClass
from vpp_sim.components.pue import plateau_pue
from vpp_sim.components.queueing import longest_wait_steps, moving_sum, running_power, served_at_once
from vpp_sim.errors import InputError

HALF_LIFE_OF_AN_HOUR = 1 / math.log(2)  # run_hours at which half of the running power is left after an hour


def work(name: str = "batch", **changes: Any) -> dict[str, Any]:
    return {"name": name, "arrivals_kw": 0.0, **changes}


def centre(*classes: dict[str, Any], **changes: Any) -> DataCentre:
    """10 kW of racks, 2 kW idle and 8 kW dynamic, at a PUE of 1.5."""
    return DataCentre(
        **{"kind": "data_centre", "racks": 4.0, "idle_share": 0.2, "pue": 1.5, "classes": classes, **changes}
    )


def arrivals(steps: int, pue: Any = 1.5, **by_class: Any) -> dict[str, dict[str, Any]]:
    series = {f"{name}_arrivals_kw": values for name, values in by_class.items()}
    return {"centre": {"pue": np.broadcast_to(pue, steps), **series}}


class TestByHand:
    """Idle power costs 2 * 1.5 * (sum of prices) in each of these."""

    @pytest.mark.parametrize(("delay", "cost", "wait"), [(0.0, 27.0, 0.0), (1.0, 9.0, 1.0), (1.9, 9.0, 1.0)])
    def test_work_moves_to_the_cheapest_hour_within_its_delay(
        self, solve_site: Any, delay: float, cost: float, wait: float
    ) -> None:
        """6 kW of work in hour 1 at price 3 may move to hour 2 at price 1: 6 * 1.5 * 3 or 6 * 1.5 * 1."""
        site = solve_site(
            {"centre": centre(work(max_delay_hours=delay))}, [3.0, 1.0, 0.5], inputs=arrivals(3, batch=[6.0, 0.0, 0.0])
        )
        assert site.objective == pytest.approx(2 * 1.5 * 4.5 + cost)
        kpis = site.kpis("centre")
        assert kpis["compute_mean_delay_hours"] == pytest.approx(wait)
        assert kpis["compute_worst_delay_hours_batch"] == pytest.approx(wait)
        assert kpis["compute_served_kwh"] == pytest.approx(6.0)
        assert kpis["data_centre_kwh"] == pytest.approx(1.5 * (3 * 2 + 6))
        assert kpis["pue"] == pytest.approx(1.5)

    def test_classes_share_the_racks(self, solve_site: Any) -> None:
        """8 kW of racks, 5 taken by online work in hour 2 (price 1): 3 of 6 kW of batch fit, 3 wait for hour 3 (2)."""
        site = solve_site(
            {"centre": centre(work("online"), work(max_delay_hours=2))},
            [3.0, 1.0, 2.0],
            inputs=arrivals(3, online=[0.0, 5.0, 0.0], batch=[6.0, 0.0, 0.0]),
        )
        assert site.objective == pytest.approx(1.5 * (2 * 6 + 5 * 1 + 3 * 1 + 3 * 2))
        values = site.values("centre")
        np.testing.assert_allclose(values["batch_serve_kw"], [0.0, 3.0, 3.0], atol=1e-9)
        np.testing.assert_allclose(values["online_serve_kw"], [0.0, 5.0, 0.0], atol=1e-9)
        np.testing.assert_allclose(values["facility_kw"], [3.0, 15.0, 7.5], atol=1e-9)
        np.testing.assert_allclose(values["facility_at_once_kw"], [12.0, 10.5, 3.0])
        assert site.kpis("centre")["compute_mean_delay_hours"] == pytest.approx((3 * 1 + 3 * 2) / 6)

    @pytest.mark.parametrize("name", ["online", "batch"])
    def test_work_beyond_the_racks_is_missed_at_its_price(self, solve_site: Any, name: str) -> None:
        """Of 11 kW 8 fit in the only hour of the horizon: 3 kWh are missed at 7 each, waiting or not."""
        job = work(name, max_delay_hours=0.0 if name == "online" else 5.0, value_of_missed_work_per_kwh=7.0)
        site = solve_site({"centre": centre(job)}, [1.0], inputs=arrivals(1, **{name: [11.0]}))
        assert site.objective == pytest.approx(1.5 * (2 + 8) + 3 * 7)
        assert site.kpis("centre")["compute_missed_kwh"] == pytest.approx(3.0)
        costs = site.components["centre"].costs(site.values("centre"))
        assert costs == {"penalty_cost": pytest.approx(21.0)}

    def test_of_equal_plans_the_earliest_is_chosen(self, solve_site: Any) -> None:
        """With one price for all hours, work runs when it comes; what decides this costs 4e-5 per kWh at most."""
        job = work(max_delay_hours=2)
        site = solve_site({"centre": centre(job)}, [1.0, 1.0, 1.0], inputs=arrivals(3, batch=[6.0, 3.0, 0.0]))
        np.testing.assert_allclose(site.values("centre")["batch_serve_kw"], [6.0, 3.0, 0.0], atol=1e-9)
        site = solve_site({"centre": centre(job)}, [3.0, 2.0, 1.0], inputs=arrivals(3, batch=[6.0, 0.0, 0.0]))
        assert 6.0 * LONGEST_WAIT_PRICE <= site.ties <= 1.2 * 6.0 * LONGEST_WAIT_PRICE

    @pytest.mark.parametrize("name", ["online", "batch"])
    def test_a_class_has_its_own_limit(self, solve_site: Any, name: str) -> None:
        """At most 2 kW: 4 kWh need two hours if they may wait; if not, 2 kWh are missed at 10 each."""
        job = work(name, max_delay_hours=0.0 if name == "online" else 1.0, max_kw=2.0)
        site = solve_site({"centre": centre(job)}, [1.0, 1.0], inputs=arrivals(2, **{name: [4.0, 0.0]}))
        assert site.objective == pytest.approx(1.5 * 4 + (1.5 * 2 + 20 if name == "online" else 1.5 * 4))

    def test_work_worth_less_than_its_electricity_is_not_done(self, solve_site: Any) -> None:
        """A kWh of work costs 1.5 * 4 = 6 of electricity and is worth 5: missed."""
        site = solve_site(
            {"centre": centre(work(value_of_missed_work_per_kwh=5.0))}, [4.0], inputs=arrivals(1, batch=[1.0])
        )
        assert site.objective == pytest.approx(1.5 * 2 * 4 + 5)

    def test_running_jobs_taper_and_do_not_stop(self, solve_site: Any) -> None:
        """Half of the running power is left after an hour; 4 kWh start in the cheap hour 2, and a third runs in hour 1.

        r1 = r2/2, r2 = r1/2 + 4/2 (cyclic): r1 = 4/3, r2 = 8/3, cost 3 * 4/3 + 1 * 8/3 (idle share 0, PUE 1).
        """
        job = work(max_delay_hours=1, interruptible=False, run_hours=HALF_LIFE_OF_AN_HOUR)
        site = solve_site(
            {"centre": centre(job, idle_share=0.0)}, [3.0, 1.0], inputs=arrivals(2, pue=1.0, batch=[4.0, 0.0])
        )
        assert site.objective == pytest.approx(4 + 8 / 3)
        np.testing.assert_allclose(site.values("centre")["batch_serve_kw"], [4 / 3, 8 / 3])

    def test_racks_are_bought_where_waiting_does_not_help(self, solve_site: Any) -> None:
        """8 kWh in one of two hours need 4 kW of racks if they may wait an hour: 4 / 2.5 racks at 1 each."""
        size = {"max": 100.0, "cost_per_unit": 8760 / 2, "lifetime_years": 1.0}
        dear = work(max_delay_hours=1, value_of_missed_work_per_kwh=1000.0)
        site = solve_site(
            {"centre": centre(dear, racks=size, idle_share=0.0)}, [1.0, 1.0], inputs=arrivals(2, batch=[8.0, 0.0])
        )
        assert site.values("centre").sizes == {"racks": pytest.approx(1.6)}
        assert site.objective == pytest.approx(1.6 + 1.5 * 8)

    def test_idle_power_grows_with_free_racks(self, solve_site: Any) -> None:
        """Pinned to 4 racks, 2 kW are idle, as with 4 racks given; online and batch work keep their 8 kW."""
        classes = (work("online"), work(max_delay_hours=1))
        given = arrivals(3, pue=[1.5, 1.2, 1.3], online=[1.0, 5.0, 2.0], batch=[6.0, 0.0, 9.0])
        objectives = [
            solve_site({"centre": centre(*classes, racks=racks)}, [3.0, 1.0, 2.0], inputs=given).objective
            for racks in (4.0, {"min": 4.0, "max": 4.0, "cost_per_unit": 0.0})
        ]
        assert objectives[0] == pytest.approx(objectives[1])

    def test_pflop_hours_are_hours_of_full_racks(self, solve_site: Any) -> None:
        """4 of 8 kW for an hour on racks of 0.5 PFLOPS, of which 2 of 4 are in use: 4 kWh / 4 kW * 0.5 * 2 = 1."""
        half = centre(work(), occupancy=0.5, pflops_per_rack=0.5)
        site = solve_site({"centre": half}, [1.0], inputs=arrivals(1, batch=[4.0]))
        assert site.kpis("centre")["pflop_hours"] == pytest.approx(4 / 4 * 0.5 * 2)


class TestUncontrolled:
    def test_work_runs_as_soon_as_the_racks_allow(self, solve_site: Any) -> None:
        """12 kW in hour 1, 8 fit, 4 run in hour 2, whatever the price."""
        plain = centre(work(max_delay_hours=2)).uncontrolled()
        site = solve_site({"centre": plain}, [9.0, 9.0, 1.0], inputs=arrivals(3, batch=[12.0, 0.0, 0.0]))
        np.testing.assert_allclose(site.values("centre")["batch_serve_kw"], [8.0, 4.0, 0.0])
        assert site.kpis("centre")["compute_worst_delay_hours"] == 1.0
        assert site.program.num_rows == 3  # the balance: nothing is left to decide

    def test_tighter_delays_go_first_and_what_is_late_is_missed(self, solve_site: Any) -> None:
        """Online takes 5 of 8 kW in both hours; batch of 12 gets 3 + 3, and 6 are missed when its delay is over."""
        plain = centre(work(max_delay_hours=1), work("online")).uncontrolled()
        given = arrivals(3, online=[5.0, 5.0, 0.0], batch=[12.0, 0.0, 0.0])
        site = solve_site({"centre": plain}, [1.0, 1.0, 1.0], inputs=given)
        values = site.values("centre")
        np.testing.assert_allclose(values["batch_serve_kw"], [3.0, 3.0, 0.0])
        np.testing.assert_allclose(values["batch_missed_kw"], [0.0, 6.0, 0.0])
        np.testing.assert_allclose(values["online_serve_kw"], [5.0, 5.0, 0.0])

    def test_columns_are_those_of_the_managed_centre(self, solve_site: Any) -> None:
        classes = (work("online"), work(max_delay_hours=1))
        given = arrivals(2, online=[1.0, 2.0], batch=[3.0, 4.0])
        managed, plain = (
            solve_site({"centre": each}, [1.0, 1.0], inputs=given).values("centre")
            for each in (centre(*classes), centre(*classes).uncontrolled())
        )
        assert set(managed.series) == set(plain.series)

    @pytest.mark.parametrize("seed", range(6))
    def test_control_never_costs_more(self, solve_site: Any, seed: int) -> None:
        """On random work, sometimes beyond the racks, the managed optimum is at most as dear as running at once."""
        random = np.random.default_rng(seed)
        steps = 48
        classes = (
            work("online"),
            work("short", max_delay_hours=3, max_kw=4.0, value_of_missed_work_per_kwh=4.0),
            work("long", max_delay_hours=12),
        )
        given = arrivals(
            steps,
            pue=1 + random.random(steps),
            **{job["name"]: random.gamma(0.5, 1 + seed, steps) for job in classes},
        )
        prices = random.random(steps)
        managed, plain = (
            solve_site({"centre": each}, prices, inputs=given)
            for each in (centre(*classes), centre(*classes).uncontrolled())
        )
        assert managed.objective <= plain.objective + 1e-7
        assert managed.kpis("centre")["compute_missed_kwh"] <= plain.kpis("centre")["compute_missed_kwh"] + 1e-6

    def test_jobs_that_run_on_are_as_many_at_once_as_when_managed(self, solve_site: Any) -> None:
        """With racks enough, all work is done both ways, and the plan that runs at once is open to the managed one."""
        random = np.random.default_rng(3)
        job = work(max_delay_hours=6, interruptible=False, run_hours=4.0)
        given = arrivals(48, batch=random.gamma(0.5, 2.0, 48))
        managed, plain = (
            solve_site({"centre": each}, random.random(48), inputs=given)
            for each in (centre(job, racks=40.0), centre(job, racks=40.0).uncontrolled())
        )
        served = [site.kpis("centre")["compute_served_kwh"] for site in (managed, plain)]
        assert served[0] == pytest.approx(served[1])


class TestSteps:
    def test_half_steps_cost_the_same(self, solve_site: Any) -> None:
        """Delays, racks and prices mean the same in half steps, since all are held over the hour."""
        random = np.random.default_rng(1)
        classes = (work("online"), work(max_delay_hours=5), work("long", max_delay_hours=20, max_kw=2.0))
        prices, powers = random.random(48), random.gamma(0.7, 3.0, (3, 48))
        names = ("online", "batch", "long")
        objectives = [
            solve_site(
                {"centre": centre(*classes)},
                prices.repeat(repeats),
                inputs=arrivals(48 * repeats, **{n: p.repeat(repeats) for n, p in zip(names, powers, strict=True)}),
                step_minutes=60 // repeats,
            ).objective
            for repeats in (1, 2, 4)
        ]
        assert objectives[1] == pytest.approx(objectives[0])
        assert objectives[2] == pytest.approx(objectives[0])

    def test_a_delay_is_rounded_down_and_said(self, context_of: Any) -> None:
        read = centre(work(max_delay_hours=1.6)).inputs(context_of(4, 30))
        assert read.notes == ("batch: a delay of 1.6 h is 1.5 h in whole steps (rounded down)",)

    def test_a_delay_longer_than_the_horizon_is_no_limit(self, solve_site: Any) -> None:
        site = solve_site(
            {"centre": centre(work(max_delay_hours=1e6))}, [3.0, 2.0, 1.0], inputs=arrivals(3, batch=[6.0, 0.0, 0.0])
        )
        np.testing.assert_allclose(site.values("centre")["batch_serve_kw"], [0.0, 0.0, 6.0], atol=1e-9)


class TestQueueing:
    """Closed forms against loops."""

    @pytest.mark.parametrize("window", [0, 1, 2, 3, 7, 8, 50, 99])
    def test_moving_sum(self, window: int) -> None:
        values = np.random.default_rng(0).random(50)
        expected = [values[max(0, step + 1 - window) : step + 1].sum() for step in range(50)]
        np.testing.assert_allclose(moving_sum(values, window), expected)

    @pytest.mark.parametrize("seed", range(4))
    def test_service_follows_every_job(self, seed: int) -> None:
        """A queue of single amounts, first in, first out, each dropped when its delay is over."""
        random = np.random.default_rng(seed)
        steps, delay = 200, 5
        came, room = random.gamma(0.5, 2.0, steps), random.random(steps) * 2
        ceiling = moving_sum(came, delay)
        ceiling[-1] = 0.0
        queue: deque[list[float]] = deque()
        served, missed, longest = np.zeros(steps), np.zeros(steps), 0
        for step in range(steps):
            queue.append([step, came[step]])
            left = room[step]
            while queue and left > 0:
                take = min(left, queue[0][1])
                longest = max(longest, step - int(queue[0][0]))
                served[step] += take
                left -= take
                queue[0][1] -= take
                if queue[0][1] <= 1e-15:
                    queue.popleft()
            while queue and (queue[0][0] <= step - delay or step == steps - 1):
                missed[step] += queue.popleft()[1]
        found = served_at_once(came, room, ceiling)
        np.testing.assert_allclose(found.served, served, atol=1e-12)
        np.testing.assert_allclose(found.missed, missed, atol=1e-12)
        assert longest_wait_steps(came, found.backlog) == max(longest, delay if missed[:-1].any() else 0)

    def test_running_power_is_a_cyclic_filter(self) -> None:
        started = np.random.default_rng(2).random(30)
        power = running_power(started, 0.8)
        np.testing.assert_allclose(power, 0.8 * np.roll(power, 1) + 0.2 * started)
        assert power.sum() == pytest.approx(started.sum())


class TestPue:
    def test_yearly_means_of_xining(self) -> None:
        """Monthly mean and daily swing of the facts at 77 kPa: about 1.23 by air, 1.15 with 80 % liquid."""
        mean = np.array([-6.8, -4.9, 2.3, 8.2, 12.2, 15.7, 17.7, 16.0, 11.9, 5.9, -1.2, -6.3])
        high = np.array([3.0, 4.5, 10.1, 16.4, 19.4, 21.8, 24.9, 23.1, 18.6, 12.5, 8.2, 3.9])
        hour = np.arange(24)
        outside = mean[:, None] + (high - mean)[:, None] * np.cos((hour - 15) / 24 * 2 * np.pi)
        means = [float(plateau_pue(outside, np.full_like(outside, 77_000.0), share).mean()) for share in (0.0, 0.8)]
        assert means == [pytest.approx(1.23, abs=0.01), pytest.approx(1.15, abs=0.005)]

    @pytest.mark.real
    def test_yearly_means_of_the_typical_year(self, real_data: Any) -> None:
        """The typical year of Xining through the weather reader: 1.23 by air, 1.15 with 80 % liquid."""
        from datetime import datetime

        from pydantic import TypeAdapter

        from vpp_sim.time_grid import TimeGrid
        from vpp_sim.weather import Site, WeatherSource, read_weather

        folder = real_data("weather")
        source = TypeAdapter(WeatherSource).validate_python(
            {"source": "epw", "path": "CHN_Qinghai.Xining.528660_CSWD.epw"}
        )
        grid = TimeGrid(datetime(2025, 1, 1), 60, 8760, "Asia/Shanghai")
        weather = read_weather(source, grid, Site(latitude=36.62, longitude=101.78, altitude_m=2261), folder)
        means = [
            float(plateau_pue(weather.temperature_celsius, weather.pressure_pa, share).mean()) for share in (0.0, 0.8)
        ]
        assert means == [pytest.approx(1.235, abs=0.01), pytest.approx(1.15, abs=0.005)]

    def test_values_at_the_limits(self) -> None:
        """At 15 degC and sea level r = 1: 1 + 1/10 + 0.075 and 1 + 1/20 + 0.075; chillers at the end: 1/3 and 1/5."""
        sea = np.array([101_325.0])
        assert plateau_pue(np.array([15.0]), sea, 0.0)[0] == pytest.approx(1.175)
        assert plateau_pue(np.array([15.0]), sea, 1.0)[0] == pytest.approx(1.125)
        assert plateau_pue(np.array([35.0]), sea, 0.0)[0] == pytest.approx(1.075 + 1 / 3)
        assert plateau_pue(np.array([45.0]), sea, 1.0)[0] == pytest.approx(1.075 + 1 / 5)

    @pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("pressure", [45_000.0, 77_000.0, 101_325.0])
    def test_pue_rises_with_temperature_without_jumps(self, share: float, pressure: float) -> None:
        outside = np.linspace(-40.0, 60.0, 10_001)
        pue = plateau_pue(outside, np.full_like(outside, pressure), share)
        assert (np.diff(pue) >= -1e-12).all()
        assert np.diff(pue).max() < 5e-4

    def test_the_weather_is_read_and_warm_hours_are_said(self, context_of: Any) -> None:
        weather = SimpleNamespace(temperature_celsius=np.array([6.0, 25.0]), pressure_pa=np.full(2, 77_000.0))
        read = centre(pue={"model": "plateau"}).inputs(context_of(2, weather=weather))
        np.testing.assert_allclose(read.series["pue"], [1.2375, 1.2869], atol=1e-4)
        assert read.notes == ("air cooling by chillers (assumed COP) above 20 degC: 50.0% of the time",)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: centre(work(interruptible=False)), "run_hours: missing"),
        (lambda: centre(work(run_hours=3.0)), "run_hours: only with interruptible: false"),
        (lambda: centre(work(), work()), "classes: each needs a name of its own, got batch"),
        (lambda: centre(pue=0.9), "pue: must be at least 1, got 0.9"),
        (lambda: centre(racks={"max": 5.0, "cost_per_unit": 1.0}, managed=False), "racks: must be a number"),
        (lambda: centre(racks=-1.0), "greater than or equal to 0"),
        (lambda: centre(work("Batch 1")), "should match pattern"),
        (lambda: centre(pue={"model": "plateu"}), "plateau"),
    ],
)
def test_contradictions_are_refused_by_name(build: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        build()


def test_all_faults_of_the_inputs_are_told_at_once(context_of: Any) -> None:
    wrong = centre(work("a", arrivals_kw=-1.0), work("b", arrivals_kw=5000.0))
    with pytest.raises(InputError) as error:
        wrong.inputs(context_of(2))
    assert [fault.path for fault in error.value.faults] == ["classes[0].arrivals_kw", "classes[1].arrivals_kw"]


def test_an_overload_shows_in_the_replay() -> None:
    """The replay notices work that is neither served, missed nor waiting, racks beyond their power, and late work."""
    values = _values(serve=[9.0, 0.0, 0.0], missed=[0.0, 0.0, 0.0], backlog=[3.0, 3.0, 0.0])
    failed = {check.name for check in centre(work(max_delay_hours=1)).replay(values) if not check.passed}
    assert failed == {
        "racks shared",
        "batch: work leaves after it comes and within its delay",
        "batch: queue step by step",
        "batch: queue by cumulative curves",
    }


def _values(**series: Any) -> Any:
    from datetime import datetime

    from vpp_sim.components.base import Values
    from vpp_sim.time_grid import TimeGrid

    arrays: dict[str, FloatArray] = {
        "pue": np.full(3, 1.5),
        "batch_arrivals_kw": np.array([12.0, 0.0, 0.0]),
        "batch_serve_kw": np.array(series["serve"]),
        "batch_missed_kw": np.array(series["missed"]),
        "batch_backlog_kwh": np.array(series["backlog"]),
    }
    return Values(TimeGrid(datetime(2025, 1, 1), 60, 3, "Asia/Shanghai"), arrays)


def test_work_class_has_a_plain_default() -> None:
    assert WorkClass(name="online", arrivals_kw=3.0).max_delay_hours == 0

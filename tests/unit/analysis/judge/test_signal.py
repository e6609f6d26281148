from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.judge import judge_signal
from analysis.judge.points.binning import bin_series
from analysis.judge.signal import staircase_noise
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Margin, ReasonCode, Verdict
from tests.unit.analysis.judge.traces import HOUR_S, MARGIN, MARGIN_PER_S, MIB, clock, noise, points, readings

T_S = clock()
FLAT = 200 * MIB + noise(T_S, 1)


def test_flat_memory_is_no_leak_and_the_bound_is_stated() -> None:
    """Memory that stays where it is gets NO LEAK, an upper end below the margin and a minimum detectable leak."""
    found = judge_signal(readings(T_S, FLAT), MARGIN)
    assert found.verdict == NO_LEAK
    assert found.per_s is not None
    assert found.per_s.low < 0 < found.per_s.high < MARGIN_PER_S
    assert found.detectable_per_s is not None
    assert MARGIN_PER_S <= found.detectable_per_s < 3 * MARGIN_PER_S
    assert found.oom is None


def test_no_leak_below_the_margin_is_said_to_be_detectable() -> None:
    """Whatever the noise: what is measured well and below the margin is passed, not called."""
    found = [
        judge_signal(readings(T_S, 200 * MIB + noise(T_S, 1, mib)), MARGIN) for mib in (0.03, 0.1, 0.3, 0.5)
    ]
    assert {one.verdict for one in found} == {NO_LEAK}
    assert all(one.detectable_per_s is not None and one.detectable_per_s >= MARGIN_PER_S for one in found)


def test_what_falls_for_hours_is_not_passed() -> None:
    """No process does that for ever: the shape is not known, and what it hides would not be seen."""
    found = judge_signal(readings(T_S, FLAT + 50 * MIB - 5 * MARGIN_PER_S * T_S), MARGIN, detectable=False)
    assert found.reason_code is ReasonCode.FALLING
    assert found.reason.startswith("memory is falling: -")


@pytest.mark.slow
def test_a_linear_leak_is_called_and_its_interval_holds_its_rate() -> None:
    """A leak of three margins is a LEAK in all of ten seeds, and at least eight of the 95% intervals hold its rate."""
    rate = 3 * MARGIN_PER_S
    found = [
        judge_signal(readings(T_S, 200 * MIB + noise(T_S, seed) + rate * T_S), MARGIN, detectable=False)
        for seed in range(10)
    ]
    assert {one.verdict for one in found} == {LEAK}
    assert sum(one.per_s is not None and one.per_s.low < rate < one.per_s.high for one in found) >= 8
    assert found[0].detectable_per_s is None


def test_a_warm_up_is_no_leak() -> None:
    """An exponential start-up of 50 MiB over ten minutes is fitted, not called."""
    warm = 50 * MIB * (1 - np.exp(-T_S / 600))
    assert judge_signal(readings(T_S, FLAT + warm), MARGIN, detectable=False).verdict == NO_LEAK


def test_a_leak_under_a_warm_up_is_found() -> None:
    """The same start-up does not hide a leak of four margins."""
    warm = 50 * MIB * (1 - np.exp(-T_S / 600))
    value = FLAT + warm + 4 * MARGIN_PER_S * T_S
    assert judge_signal(readings(T_S, value), MARGIN, detectable=False).verdict == LEAK


def test_a_cache_that_has_filled_is_no_leak() -> None:
    """Linear growth that ends after a third of the run is a cache that is full."""
    fill = 80 * MIB * np.minimum(T_S / (T_S[-1] / 3), 1)
    assert judge_signal(readings(T_S, FLAT + fill), MARGIN, detectable=False).verdict == NO_LEAK


def test_a_cache_that_still_fills_is_neither() -> None:
    """Growth that slows down visibly but goes on at the end is INCONCLUSIVE, with that reason."""
    fill = 60 * MIB * (1 - np.exp(-T_S / T_S[-1] * 1.6))
    found = judge_signal(readings(T_S, FLAT + fill), MARGIN, detectable=False)
    assert (found.verdict, found.reason_code) == (INCONCLUSIVE, ReasonCode.SATURATION)
    assert found.more_s is not None


def test_a_gauge_that_still_grows_withholds_the_verdict() -> None:
    """Straight growth is a LEAK when nothing explains it, and not yet one while a gauge may."""
    leaking = readings(T_S, FLAT + 10 * MARGIN_PER_S * T_S)
    assert judge_signal(leaking, MARGIN, detectable=False).verdict == LEAK
    found = judge_signal(leaking, MARGIN, bounded=False, detectable=False)
    assert found.reason_code is ReasonCode.GROWING_GAUGE
    assert found.more_s is None


def test_a_leak_that_begins_late_is_found() -> None:
    """Flat for a third of the run, then five margins: the rate is that of the end."""
    rate = 5 * MARGIN_PER_S
    value = FLAT + rate * np.maximum(T_S - T_S[-1] / 3, 0)
    found = judge_signal(readings(T_S, value), MARGIN, detectable=False)
    assert found.verdict == LEAK
    assert found.per_s is not None
    assert found.per_s.value == pytest.approx(rate, rel=0.2)


def test_one_step_is_no_leak_unless_it_comes_at_the_end() -> None:
    """A shift of 20 MiB at half time is an event; one in the last quarter may be the first of many."""
    half = FLAT + 20 * MIB * (T_S[-1] * 0.5 <= T_S)
    late = FLAT + 20 * MIB * (T_S[-1] * 0.88 <= T_S)
    assert judge_signal(readings(T_S, half), MARGIN, detectable=False).verdict == NO_LEAK
    assert judge_signal(readings(T_S, late), MARGIN, detectable=False).verdict == INCONCLUSIVE


def test_growth_in_one_step_is_no_leak() -> None:
    """A rise of 10 MiB within a fifth of the run, under much noise: its quarters do not rise one after the other."""
    t_s = clock(4.0, 60.0)
    rise = 10 * MIB / (1 + np.exp(-(t_s / t_s[-1] - 0.7) / 0.05))
    found = judge_signal(readings(t_s, 200 * MIB + noise(t_s, 1, 2.0) + rise), MARGIN, detectable=False)
    assert found.reason_code is ReasonCode.ONE_STEP


def test_many_restarts_of_a_process_that_warms_up_are_no_leak() -> None:
    """A crash loop shows thirty warm-ups and nothing else; a leak that gains more than they do is one all the same."""
    life = np.floor(T_S / 480)
    age_s = T_S % 480
    warm = FLAT + 40 * MIB * (1 - np.exp(-age_s / 120))
    found = judge_signal(readings(T_S, warm, life=life), MARGIN, detectable=False)
    assert found.reason_code is ReasonCode.MANY_RESTARTS
    leaking = warm + 700 * MARGIN_PER_S * age_s
    assert judge_signal(readings(T_S, leaking, life=life), MARGIN, detectable=False).verdict == LEAK


def test_a_few_spikes_are_no_sawtooth() -> None:
    """What stands high for a moment is ended by no collection: all readings count, not a floor after each spike."""
    spikes = np.zeros(len(T_S))
    for at in range(60, len(T_S), 150):
        spikes[at : at + 4] = 60 * MIB
    assert len(bin_series(readings(T_S, FLAT + spikes)).t_s) > 90
    cycles = 60 * MIB * (T_S % 1500) / 1500
    assert len(bin_series(readings(T_S, FLAT + cycles)).t_s) < 20


@pytest.mark.parametrize("period_s", [3600, 5600])
def test_a_sawtooth_of_few_cycles_is_no_leak(period_s: float) -> None:
    """Too few for floors of its own, its falls are found as shifts, and what rises between them is not called."""
    saw = 40 * MIB * ((T_S / period_s + 0.75) % 1)
    found = judge_signal(readings(T_S, FLAT + saw), MARGIN, detectable=False)
    assert found.reason_code is ReasonCode.FALLS_BACK


@pytest.mark.parametrize(
    ("arenas", "verdict"), [(0.4, INCONCLUSIVE), (1, INCONCLUSIVE), (2, INCONCLUSIVE), (12, LEAK)]
)
def test_a_few_arenas_in_a_minute_are_not_called(arenas: float, verdict: Verdict) -> None:
    """Against a margin of 1 MiB per hour any growth of a minute would be a leak, and any process grows in one."""
    t_s = np.arange(65.0)
    value = 67 * MIB + np.floor(arenas * MIB * t_s / t_s[-1] / 4096) * 4096
    found = judge_signal(readings(t_s, value, quantum=MIB), MARGIN)
    assert found.verdict == verdict
    assert found.detectable_per_s is None or found.detectable_per_s * t_s[-1] >= MIB


def test_a_leak_that_takes_an_arena_now_and_then_is_not_passed() -> None:
    """Three arenas in an hour are no single events, and flat treads between them are no evidence of many readings."""
    t_s = clock(1.0)
    stairs = 200 * MIB + np.ceil(3 * MARGIN_PER_S * t_s / MIB) * MIB
    assert judge_signal(readings(t_s, stairs, quantum=MIB), MARGIN).verdict == INCONCLUSIVE
    stairs = 200 * MIB + np.ceil(3 * MARGIN_PER_S * T_S / MIB) * MIB
    assert judge_signal(readings(T_S, stairs, quantum=MIB), MARGIN).verdict == LEAK


def test_flat_memory_that_changes_by_arenas_needs_a_longer_run_and_the_time_that_is_stated_is_enough() -> (
    None
):
    """An amount less than an arena may have grown unseen; over a longer run it is a smaller rate."""
    t_s = clock(3.0)
    found = judge_signal(readings(t_s, np.full(len(t_s), 2e8), quantum=MIB), MARGIN)
    assert found.verdict == INCONCLUSIVE
    assert found.more_s is not None
    t_s = clock(3.0 + found.more_s / HOUR_S)
    assert judge_signal(readings(t_s, np.full(len(t_s), 2e8), quantum=MIB), MARGIN).verdict == NO_LEAK


def test_points_of_a_staircase_are_as_uncertain_as_its_steps() -> None:
    """The mean of n points has the error of that of K steps: one for each arena of the range, at least one a life."""
    step = MIB / np.sqrt(12)
    one = bin_series(readings(T_S, FLAT))
    count = len(one.value)
    assert staircase_noise(one, 0.0) == 0.0
    flat = replace(one, value=np.full(count, 2e8))
    assert staircase_noise(flat, MIB) / np.sqrt(count) == pytest.approx(step)
    rising = replace(one, value=2e8 + np.linspace(0, 9 * MIB, count))
    assert staircase_noise(rising, MIB) / np.sqrt(count) == pytest.approx(step / 3)
    lives = replace(flat, life=np.repeat(np.arange(4.0), count // 4))
    assert staircase_noise(lives, MIB) / np.sqrt(count) == pytest.approx(step / 2)
    steep = replace(one, value=2e8 + np.linspace(0, 1e4 * MIB, count))
    assert staircase_noise(steep, MIB) == pytest.approx(step)


@pytest.mark.slow
def test_what_falls_once_or_hardly_does_not_fall_again_and_again() -> None:
    """Something given back half way, and a little before, hides no leak of three margins."""
    share = T_S / T_S[-1]
    given_back = 10 * MIB * (share > 0.36) + MIB * (share > 0.28)
    leaking = FLAT + 3 * MARGIN_PER_S * T_S - given_back
    assert judge_signal(readings(T_S, leaking), MARGIN, detectable=False).verdict == LEAK


def test_floors_around_a_trough_are_not_all_that_is_known() -> None:
    """Where memory follows the load down, and nothing is collected meanwhile, the way up again is no leak."""
    rate = np.clip(1 + np.cos(2 * np.pi * 0.85 * T_S / T_S[-1]), 0.05, None)
    requests = np.cumsum(rate) * 500
    later = np.convolve(np.pad(rate, (40, 0), mode="edge"), np.ones(41) / 41, "valid")
    value = FLAT + 40 * MIB * later + 12 * MIB * ((requests / 15_000) % 1) * (rate > 0.35)
    assert (
        judge_signal(readings(T_S, value, requests=requests), MARGIN, detectable=False).verdict
        == INCONCLUSIVE
    )


def test_a_sawtooth_is_one_where_nothing_was_asked_for_a_while() -> None:
    """Nothing is collected while nothing is loaded: the floors before and after tell a leak from none."""
    busy = np.where((0.4 * T_S[-1] < T_S) & (0.7 * T_S[-1] > T_S), 0.02, 1.0)
    requests = np.cumsum(busy) * 500
    saw = FLAT + 40 * MIB * ((requests / 30_000) % 1)
    assert judge_signal(readings(T_S, saw, requests=requests), MARGIN, detectable=False).verdict == NO_LEAK
    leaking = saw + 3 * MARGIN_PER_S * T_S
    assert judge_signal(readings(T_S, leaking, requests=requests), MARGIN, detectable=False).verdict == LEAK


def test_a_sawtooth_that_ends_early_is_judged_by_all_of_its_readings() -> None:
    """Cycles in the first quarter alone leave no floors for the rest of the run, where there is a leak."""
    saw = 30 * MIB * (T_S % 437) / 437 * (0.25 * T_S[-1] > T_S)
    leaking = FLAT + saw + 8 * MARGIN_PER_S * T_S
    assert bin_series(readings(T_S, leaking)).span_s > 0.9 * T_S[-1]
    assert judge_signal(readings(T_S, leaking), MARGIN, detectable=False).verdict == LEAK


@pytest.mark.parametrize(("waves", "phase"), [(2.42, -0.33), (2.7, -1.9), (2.9, 0.0)])
def test_the_last_rise_of_a_wave_is_no_leak(waves: float, phase: float) -> None:
    """Memory that comes and goes with a load of which nothing is known, caught while it comes."""
    wave = 30 * MIB * np.sin(2 * np.pi * waves * T_S / T_S[-1] + phase)
    found = judge_signal(readings(T_S, FLAT + wave), MARGIN, detectable=False)
    assert found.reason_code is ReasonCode.LATE_RISE


@pytest.mark.parametrize("tau_s", [250, 600, 1100, 1800])
def test_a_high_warm_up_of_any_length_is_no_leak(tau_s: float) -> None:
    """Where little is noise, a time constant between those of the grid leaves no rate over."""
    warm = 300 * MIB * (1 - np.exp(-T_S / tau_s))
    found = judge_signal(readings(T_S, 200 * MIB + noise(T_S, 3, 0.1) + warm), MARGIN, detectable=False)
    assert found.verdict == NO_LEAK


def test_a_restart_neither_hides_a_leak_nor_makes_one() -> None:
    """Each life has its level: a leak goes on through restarts, and another level is no growth."""
    life = np.floor(T_S / (T_S[-1] / 3.2)) + 1
    began_s = np.array([T_S[life == one].min() for one in life])
    leaking = FLAT + 4 * MARGIN_PER_S * (T_S - began_s)
    found = judge_signal(readings(T_S, leaking, life=life), MARGIN, detectable=False)
    assert found.verdict == LEAK
    levels = 200 * MIB + noise(T_S, 1, 0.1) + 15 * MIB * life
    assert judge_signal(readings(T_S, levels, life=life), MARGIN, detectable=False).verdict == NO_LEAK


def test_floors_of_a_sawtooth_are_judged() -> None:
    """Garbage of 30 MiB per cycle hides no leak of four margins in its floors, and makes none."""
    saw = 30 * MIB * (T_S % 437) / 437
    assert judge_signal(readings(T_S, FLAT + saw), MARGIN, detectable=False).verdict == NO_LEAK
    leaking = FLAT + saw + 4 * MARGIN_PER_S * T_S
    assert judge_signal(readings(T_S, leaking), MARGIN, detectable=False).verdict == LEAK


def test_memory_that_follows_the_load_is_no_leak() -> None:
    """Buffers in proportion to the request rate come and go; requests tell them from a leak."""
    rate = 50 * (1 + 0.6 * np.sin(2 * np.pi * T_S / 5000 + 2))
    requests = np.cumsum(rate) * 10.0
    value = FLAT + 0.5 * MIB * rate
    found = judge_signal(readings(T_S, value, requests=requests), MARGIN, detectable=False)
    assert found.verdict == NO_LEAK


def test_spikes_do_not_move_the_trend() -> None:
    """Short peaks of 100 MiB, one of them at the very end, change nothing."""
    value = FLAT.copy()
    for at in (200, 700, 1100, len(T_S) - 3):
        value[at : at + 4] += 100 * MIB
    assert judge_signal(readings(T_S, value), MARGIN, detectable=False).verdict == NO_LEAK


def test_the_margin_per_request_is_that_per_second_at_the_mean_rate() -> None:
    """At 50 requests/s a margin per request is the fiftieth part; rates are given both ways."""
    requests = 50 * T_S
    by_time = judge_signal(readings(T_S, FLAT + 3 * MARGIN_PER_S * T_S, requests=requests), MARGIN)
    per_request = Margin(per_request=MARGIN_PER_S / 50)
    by_request = judge_signal(readings(T_S, FLAT + 3 * MARGIN_PER_S * T_S, requests=requests), per_request)
    assert by_time.verdict == by_request.verdict == LEAK
    assert by_time.per_s is not None
    assert by_request.per_s is not None
    assert by_request.per_request is not None
    assert by_request.per_s.value == pytest.approx(by_time.per_s.value)
    assert by_request.per_request.value == pytest.approx(by_request.per_s.value / 50, rel=1e-3)
    assert "B/request" in by_request.reason


@pytest.mark.slow
def test_the_stated_minimum_detectable_leak_is_found_when_it_is_there() -> None:
    """Added to other noise of the same kind, a leak of that size is called at least four times of five."""
    stated = judge_signal(readings(T_S, FLAT), MARGIN).detectable_per_s
    assert stated is not None
    found = [
        judge_signal(
            readings(T_S, 200 * MIB + noise(T_S, seed) + stated * T_S), MARGIN, detectable=False
        ).verdict
        == LEAK
        for seed in range(20, 30)
    ]
    assert sum(found) >= 8


def test_the_oom_window_holds_the_time_at_which_the_limit_is_met() -> None:
    """A leak of ten margins with 100 MiB to go meets its limit within the window."""
    rate = 10 * MARGIN_PER_S
    value = 200 * MIB + noise(T_S, 4) + rate * T_S
    limit = 200 * MIB + rate * T_S[-1] + 100 * MIB
    found = judge_signal(readings(T_S, value), MARGIN, limit_bytes=limit, detectable=False)
    assert found.oom is not None
    assert found.oom.low < 10 * HOUR_S < found.oom.high


class TestSettledPoints:
    """Few points, nearly exact: drained and collected."""

    MARGIN = Margin(per_request=200)

    @pytest.mark.parametrize("seed", range(3))
    def test_200_bytes_per_request_are_called_within_five_minutes(self, seed: int) -> None:
        """Twenty points are enough for a leak of exactly the margin."""
        found = judge_signal(points(20, 200, seed), self.MARGIN, detectable=False)
        assert found.verdict == LEAK
        assert found.per_request is not None
        assert found.per_request.low < 200 < found.per_request.high

    @pytest.mark.parametrize("seed", range(3))
    def test_2_kb_per_request_are_called_within_90_seconds(self, seed: int) -> None:
        """Six points, the first of them in the warm-up, are enough for ten margins."""
        assert judge_signal(points(6, 2000, seed), self.MARGIN, detectable=False).verdict == LEAK

    @pytest.mark.parametrize("seed", range(3))
    def test_a_healthy_service_is_signed_off(self, seed: int) -> None:
        """Flat points, and points of a cache that fills and stops, are NO LEAK."""
        assert judge_signal(points(20, 0, seed), self.MARGIN, detectable=False).verdict == NO_LEAK
        filling = points(20, 0, seed, fill_bytes=20e6)
        assert judge_signal(filling, self.MARGIN, detectable=False).verdict == NO_LEAK

    def test_a_filling_cache_does_not_hide_a_leak(self) -> None:
        """200 bytes per request beside a cache that fills until half time are a LEAK."""
        filling = points(20, 200, 5, fill_bytes=20e6, full_at=0.5)
        assert judge_signal(filling, self.MARGIN, detectable=False).verdict == LEAK

    @pytest.mark.parametrize("steepness", [1.3, 1.6, 2.2])
    def test_a_cache_by_labels_of_a_heavy_tail_is_no_leak(self, steepness: float) -> None:
        """It gains 300 bytes per request at the end, ever more slowly: the labels still missing are ever rarer."""
        made = points(40, 0, 7)
        labels = np.arange(1, 20_001.0)
        used = made.requests[:, None] / made.requests[-1] * 0.3 * (labels[-1] / labels) ** steepness
        seen = -np.expm1(-used).sum(axis=1)
        size = (
            300
            * made.requests[-1]
            / 10
            / (seen[-1] - np.interp(0.9 * made.requests[-1], made.requests, seen))
        )
        found = judge_signal(replace(made, value=made.value + size * seen), self.MARGIN, detectable=False)
        assert found.reason_code is ReasonCode.SATURATION

    def test_exact_points_have_no_exact_slope(self) -> None:
        """Points without any noise still have an interval: what is read has a grain."""
        found = judge_signal(points(8, 500, 1, noise_bytes=0.0), self.MARGIN, detectable=False)
        assert found.per_request is not None
        assert found.per_request.high - found.per_request.low > 0.5

    def test_five_points_are_too_few(self) -> None:
        """Fewer than six points are no series."""
        assert judge_signal(points(5, 2000, 1), self.MARGIN).verdict == INCONCLUSIVE


def test_a_count_is_judged_like_bytes() -> None:
    """Tasks that pile up by one a minute are a LEAK against a margin of one in ten minutes."""
    tasks = 20.0 + np.floor(T_S / 60)
    found = judge_signal(readings(T_S, tasks, signal="tasks_alive"), Margin(per_s=1 / 600), detectable=False)
    assert found.verdict == LEAK
    assert " tasks/h" in found.reason


def test_a_tail_that_still_rises_is_not_signed_off() -> None:
    """A logarithmic creep that still gains several margins at the end is no NO LEAK, however well it is explained."""
    creep = 25 * MIB * np.log1p(T_S / 400)
    assert judge_signal(readings(T_S, FLAT + creep), MARGIN, detectable=False).verdict != NO_LEAK


@pytest.mark.parametrize("each_s", [20.0, 100.0, 250.0])
def test_a_leak_in_lives_too_short_to_be_judged_is_not_passed(each_s: float) -> None:
    """From a third of the run on workers come and go, while the main process leaks: each life has its own level."""
    t_s = clock()
    churns = t_s >= HOUR_S * 4 / 3
    life = np.where(churns, 2 + (t_s - HOUR_S * 4 / 3) // each_s, 1.0)
    value = 80 * MIB + noise(t_s, 1, 0.02) + np.where(churns, (t_s - HOUR_S * 4 / 3) * 5 * MARGIN_PER_S, 0)
    found = judge_signal(readings(t_s, value, life=life, requests=t_s), MARGIN, detectable=False)
    assert (found.verdict, found.reason_code) == (INCONCLUSIVE, ReasonCode.SHORT_LIVES)
    assert found.more_s is None


def test_a_few_lives_too_short_to_be_judged_withhold_nothing() -> None:
    """A restart of all workers, one after the other, takes a tenth of the run."""
    t_s = clock()
    moved = (t_s > 2 * HOUR_S) & (t_s < 2.4 * HOUR_S)
    life = np.where(moved, 2 + t_s // 150, np.where(t_s < 2.2 * HOUR_S, 1.0, 1000.0))
    found = judge_signal(readings(t_s, 80 * MIB + noise(t_s, 1, 0.02), life=life), MARGIN, detectable=False)
    assert found.verdict == NO_LEAK

"""What happens at the very end of a run: nothing that cleaning takes out of the readings there clears them."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.judge import judge_signal
from analysis.judge.types import Numbers, ReasonCode
from tests.unit.analysis.judge.traces import MARGIN, MARGIN_PER_S, MIB, clock, noise, readings

T_S = clock()
SHARE = T_S / T_S[-1]
FLAT = 200 * MIB + noise(T_S, 1, 0.2)


def code_of(
    t_s: Numbers, value: Numbers, *, requests: Numbers | None = None, settled: bool = False
) -> ReasonCode | None:
    made = readings(t_s, value, requests=requests, settled=settled)
    return judge_signal(made, MARGIN, detectable=False).reason_code


@pytest.mark.parametrize("count", [11, 14, 20])
@pytest.mark.parametrize("rise", [(20.0, 40.0), (40.0, 40.0), (0.0, 40.0)])
def test_a_rise_of_the_last_quiesce_points_is_not_passed(count: int, rise: tuple[float, float]) -> None:
    """Of 40 MiB more at the last point, or at the last two, nobody knows that it goes again."""
    t_s = np.linspace(0, 4 * 3600.0, count)
    value = 200 * MIB + np.random.default_rng(2).normal(0, 8192, count)
    assert code_of(t_s, value, settled=True) is ReasonCode.BOUNDED
    value[-2:] += np.array(rise) * MIB
    assert code_of(t_s, value, settled=True) is ReasonCode.LATE_LEVEL_SHIFT


@pytest.mark.parametrize(
    "rise",
    [100 * (SHARE > 0.96), 2400 * np.maximum(SHARE - 0.95, 0), 2400 * np.maximum(SHARE - 0.93, 0)],
    ids=["a step", "a ramp", "a longer ramp"],
)
def test_a_rise_in_the_last_minutes_is_not_passed(rise: Numbers) -> None:
    """100 MiB and more in the last 4 to 7% are far above the noise, and were taken for a spike."""
    assert code_of(T_S, FLAT + rise * MIB) is ReasonCode.LATE_LEVEL_SHIFT


def test_a_rise_at_the_end_that_does_not_matter_withholds_nothing() -> None:
    """Two thirds of what a quarter of the margin would be."""
    assert code_of(T_S, 200 * MIB + noise(T_S, 1, 0.02) + 0.67 * MIB * (SHARE > 0.96)) is ReasonCode.BOUNDED


def test_one_of_many_spikes_at_the_end_withholds_nothing() -> None:
    """A service with spikes of some minutes has one at the end of its run, too."""
    spikes = sum(60 * MIB * ((at < SHARE) & (at + 0.03 > SHARE)) for at in (0.21, 0.47, 0.74, 0.98))
    assert code_of(T_S, FLAT + spikes) is ReasonCode.BOUNDED


class TestSawtooth:
    """Behind the last minimum of a sawtooth its lower envelope has no point."""

    REQUESTS = T_S * 100
    CYCLE_S = 900.0
    SAW = FLAT + 40 * MIB * (T_S % CYCLE_S) / CYCLE_S

    @pytest.mark.parametrize("requests", [None, REQUESTS])
    def test_a_rise_that_no_collection_ends_is_not_passed(self, requests: Numbers | None) -> None:
        """At the slope of its cycles memory goes on for an hour, four cycles high."""
        assert code_of(T_S, self.SAW, requests=requests) is ReasonCode.BOUNDED
        goes_on = self.SAW + 40 * MIB * np.maximum(np.floor((T_S - 3 * 3600.0) / self.CYCLE_S), 0)
        assert code_of(T_S, goes_on, requests=requests) is ReasonCode.RISING_TAIL

    @pytest.mark.parametrize(("busy", "idle_rate"), [(0.45, 0.15), (0.5, 0.01)])
    def test_a_rise_while_little_is_asked_for_is_not_passed(self, busy: float, idle_rate: float) -> None:
        """Where the load ends, nothing is collected; what then rises by five margins is more than requests explain."""
        t_s = clock(8.0)
        end_s = np.floor(busy * t_s[-1] / self.CYCLE_S) * self.CYCLE_S
        loaded = t_s < end_s
        requests = np.cumsum(np.where(loaded, 100.0, 100.0 * idle_rate)) * 10
        value = 200 * MIB + noise(t_s, 1, 0.1) + 40 * MIB * (t_s % self.CYCLE_S) / self.CYCLE_S * loaded
        assert code_of(t_s, value, requests=requests) is ReasonCode.BOUNDED
        leaking = value + 5 * MARGIN_PER_S * np.maximum(t_s - end_s, 0)
        assert code_of(t_s, leaking, requests=requests) is ReasonCode.RISING_TAIL

    @pytest.mark.parametrize("left_s", [0.2 * CYCLE_S, 0.5 * CYCLE_S, 0.9 * CYCLE_S])
    def test_a_cycle_that_is_not_over_withholds_nothing(self, left_s: float) -> None:
        """Most runs end within a cycle, at any height of it."""
        kept = 14 * self.CYCLE_S + left_s > T_S
        assert code_of(T_S[kept], self.SAW[kept]) is ReasonCode.BOUNDED

    @pytest.mark.parametrize(("height", "code"), [(1.2, ReasonCode.BOUNDED), (2.5, ReasonCode.RISING_TAIL)])
    def test_a_last_cycle_far_higher_than_any_before_is_not_passed(
        self, height: float, code: ReasonCode
    ) -> None:
        """It is not over, and not late: at the end of the run it has 100 MiB where the others had 40."""
        cycle_s = 300.0
        kept = cycle_s * 46.98 > T_S
        slope = np.where(46 * cycle_s > T_S, 40, 40 * height) * MIB / cycle_s
        assert code_of(T_S[kept], (FLAT + slope * (T_S % cycle_s))[kept]) is code

    def test_garbage_that_nothing_collects_once_the_load_ends_withholds_nothing(self) -> None:
        """It stays where it was: half a cycle high, for the last fifth of the run."""
        stopped = np.minimum(T_S, 12.5 * self.CYCLE_S)
        value = FLAT + 40 * MIB * (stopped % self.CYCLE_S) / self.CYCLE_S
        assert code_of(T_S, value) is ReasonCode.BOUNDED
        assert code_of(T_S, value, requests=stopped * 100) is ReasonCode.BOUNDED

    def test_garbage_of_the_few_requests_at_the_end_withholds_nothing(self) -> None:
        """At a tenth of the load it takes ten times as long to rise as high."""
        served = np.minimum(T_S, 11 * self.CYCLE_S) + 0.1 * np.maximum(T_S - 11 * self.CYCLE_S, 0)
        value = FLAT + 40 * MIB * (served % self.CYCLE_S) / self.CYCLE_S
        assert code_of(T_S, value, requests=served * 100) is ReasonCode.BOUNDED

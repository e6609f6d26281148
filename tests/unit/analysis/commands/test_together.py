"""Several processes, judged by the sum of their rates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.commands.together import together
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Judgement, Margin, Rate, ReasonCode
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import SignalVerdict

MARGIN = Margin(per_s=1.0)
ALONG = [(0.0, 100.0)] * 9
"""From when to when processes were there that ran side by side."""


def process(value: float, error: float, code: ReasonCode) -> ArmVerdict:
    """Return the verdict on a process with a rate of ``value`` plus or minus ``error``, per second."""
    rate = Rate(value, value - error, value + error)
    leading = SignalVerdict(
        Judgement("rss_bytes", code.verdict, "", per_s=rate, reason_code=code), MARGIN, False
    )
    return ArmVerdict("one", code.verdict, "", MARGIN, leading, (leading,), None, 0)


@pytest.mark.parametrize(
    ("processes", "verdict", "rate"),
    [
        ([(0.1, 0.3), (0.2, 0.4)], NO_LEAK, Rate(0.3, -0.2, 0.8)),
        ([(0.6, 0.3), (0.6, 0.4)], LEAK, Rate(1.2, 0.7, 1.7)),
        ([(0.4, 0.6), (0.2, 0.8)], INCONCLUSIVE, Rate(0.6, -0.4, 1.6)),
    ],
)
def test_errors_of_a_sum_add_up_in_quadrature_and_its_interval_decides(
    processes: list[tuple[float, float]], verdict: str, rate: Rate
) -> None:
    """Errors of 0.3 and 0.4 make one of 0.5."""
    found = together(
        "both", tuple(process(*one, ReasonCode.WIDE_INTERVAL) for one in processes), ALONG[:2], MARGIN
    )
    assert found is not None
    assert (found.arm, found.verdict) == ("both", verdict)
    assert found.rate is not None
    assert (found.rate.value, found.rate.low, found.rate.high) == pytest.approx(
        (rate.value, rate.low, rate.high)
    )


def test_what_could_still_be_filling_is_not_called_in_a_sum_either() -> None:
    """Two processes that the interval alone would call."""
    both = (process(0.8, 0.1, ReasonCode.SATURATION), process(0.8, 0.1, ReasonCode.WIDE_INTERVAL))
    found = together("both", both, ALONG[:2], MARGIN)
    assert found is not None
    assert found.verdict == INCONCLUSIVE


def test_a_sum_is_left_out_where_it_adds_nothing() -> None:
    """One process; one that leaks already; many flat ones, whose errors add up beyond the margin."""
    flat = process(0.0, 0.6, ReasonCode.BOUNDED)
    assert together("one", (flat,), ALONG[:1], MARGIN) is None
    assert together("two", (flat, process(3.0, 0.1, ReasonCode.LEAKING)), ALONG[:2], MARGIN) is None
    assert together("nine", (flat,) * 9, ALONG, MARGIN) is None


def test_a_sum_clears_no_process_whose_readings_are_doubted() -> None:
    """Its rate may be that of restarts which nobody told apart."""
    flat = process(0.0, 0.1, ReasonCode.BOUNDED)
    found = together("both", (flat, flat), ALONG[:2], MARGIN)
    assert found is not None
    assert found.verdict == NO_LEAK
    assert together("both", (flat, replace(flat, verdict=INCONCLUSIVE)), ALONG[:2], MARGIN) is None


@pytest.mark.parametrize(
    ("spans_s", "verdict", "rate"),
    [
        ([(0.0, 100.0), (0.0, 100.0), (0.0, 100.0)], LEAK, 1.2),
        ([(0.0, 100.0), (98.0, 200.0), (199.0, 300.0)], NO_LEAK, 0.412),
        ([(0.0, 300.0), (0.0, 100.0), (150.0, 300.0)], NO_LEAK, 0.8),
    ],
)
def test_processes_add_up_as_far_as_they_run_at_the_same_time(
    spans_s: list[tuple[float, float]], verdict: str, rate: float
) -> None:
    """Those of a roll-out follow one another: 0.4 in each is 0.4."""
    found = together("three", (process(0.4, 0.05, ReasonCode.BOUNDED),) * 3, spans_s, MARGIN)
    assert found is not None
    assert found.rate is not None
    assert found.verdict == verdict
    assert found.rate.value == pytest.approx(rate, abs=1e-3)

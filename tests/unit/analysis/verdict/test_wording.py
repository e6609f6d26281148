"""Rates as people read them."""

from __future__ import annotations

import pytest

from analysis.judge.types import NO_LEAK, Judgement, Margin, Rate
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import SignalVerdict
from analysis.verdict.wording import interval_text, rate_text, verdict_line

PER_HOUR = Margin(per_s=1.0)
PER_REQUEST = Margin(per_request=1.0)


@pytest.mark.parametrize(
    ("per_hour", "text"),
    [
        (-1e-6, "0 threads/h"),
        (0.0004, "0 threads/h"),
        (0.002, "0.002 threads/h"),
        (-0.91, "-0.91 threads/h"),
        (12.0, "12 threads/h"),
        (4321.0, "4,321 threads/h"),
    ],
)
def test_a_count_that_is_the_noise_of_the_arithmetic_is_nothing(per_hour: float, text: str) -> None:
    """A thousandth of a thread per hour is the least that is told, and never by an exponent."""
    assert rate_text(per_hour / 3600, "threads", PER_HOUR) == text


@pytest.mark.parametrize(
    ("per_request", "text"),
    [(-4e-7, "0 tasks/request"), (1.2e-5, "0.000012 tasks/request"), (1.0, "1 task/request")],
)
def test_per_request_it_is_a_millionth(per_request: float, text: str) -> None:
    """One task that is left behind by every 80,000th request is told."""
    assert rate_text(per_request, "tasks_alive", PER_REQUEST) == text


def test_no_bytes_are_0_bytes() -> None:
    """In a rate as in an interval."""
    assert rate_text(-1e-9, "rss_bytes", PER_HOUR) == "0 B/h"
    assert interval_text(Rate(0.0, -1e-7, 2e-3), "rss_bytes", PER_HOUR) == "0 B to 7.2 B"


@pytest.mark.parametrize(
    ("low", "high", "signal", "text"),
    [
        (1140.0, 1160.0, "rss_bytes", "1.11 KiB to 1.13 KiB"),
        (1140.0, 1200.0, "rss_bytes", "1.1 KiB to 1.2 KiB"),
        (61.2, 61.4, "rss_bytes", "61.2 B to 61.4 B"),
        (0.0102, 0.0104, "fds", "0.0102 to 0.0104"),
        (1024.0, 1024.0, "rss_bytes", "1 KiB to 1 KiB"),
    ],
)
def test_an_interval_that_is_not_empty_does_not_look_so(
    low: float, high: float, signal: str, text: str
) -> None:
    """It has as many more digits as its ends need to differ."""
    assert interval_text(Rate(low, low, high), signal, Margin(per_request=200.0)) == text


def test_memory_that_is_free_by_the_targets_own_word_is_named_where_that_clears_an_arm() -> None:
    """A release manager signs it, so the line has it."""
    rate = Rate(10.0, 0.0, 20.0)
    whole = SignalVerdict(
        Judgement("held_bytes", NO_LEAK, "", rate, rate), Margin(per_request=100.0), settled=False
    )
    verdict = ArmVerdict(
        "new",
        NO_LEAK,
        "",
        Margin(per_request=100.0),
        whole,
        (whole,),
        None,
        0,
        cleared_by_report_bytes=12 * 2**20,
    )
    assert verdict_line(verdict) == (
        "new: NO LEAK: leak < 20 B/request (95% upper bound; memory in use); own memory grew by 12 MiB, free by the "
        "target's own word, which is confirmed from outside."
    )

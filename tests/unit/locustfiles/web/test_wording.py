from __future__ import annotations

from dataclasses import replace

import pytest

from locustfiles.web.live_recording import LiveArm, LiveProcess
from locustfiles.web.wording import (
    MOST_PROCESSES,
    arm_texts,
    live_rate_text,
    memory_text,
    oom_text,
    process_texts,
)
from soak.contract import ArmLive, ProcessLive

LEAK = ArmLive("leak", "", rate_per_s=2_600_000.0, rate_per_request=17_300.0, low=2_585_000.0,
               high=2_615_000.0, oom_low_s=161.0, oom_high_s=3725.0)  # fmt: skip
NOTHING = ArmLive("", "")


def test_a_rate_has_its_interval_in_the_same_clock() -> None:
    """Per request where requests are known, else per hour; without a rate there is no text."""
    assert live_rate_text(LEAK) == "16.9 KiB/request (16.8 KiB to 17 KiB, 95%)"
    assert live_rate_text(replace(LEAK, rate_per_request=None)) == "8.72 GiB/hour (8.67 GiB to 8.77 GiB, 95%)"
    assert live_rate_text(replace(NOTHING, rate_per_s=10.0)) == "35.2 KiB/hour"
    assert live_rate_text(NOTHING) == ""


def test_the_time_to_oom_may_have_no_end() -> None:
    """JSON has no infinity: null is never."""
    assert oom_text(LEAK) == "0:02:41 to 1:02:05"
    assert oom_text(replace(LEAK, oom_high_s=None)) == "at least 0:02:41"
    assert oom_text(NOTHING) == ""


def test_an_arm_is_down_until_it_is_ready_again() -> None:
    """With the reason where it stays so, also where that was known before its end; its life has no number meanwhile."""
    arm, texts = LiveArm(now={"life": 1.0}), []
    for event, life in (
        ("start", "1"), ("ready", "1"), ("exit", "1"), ("start", "2"), ("not_restarted", "2"), ("exit", "2"),
        ("ready", "9"), ("start", "3"), ("ready", "3"),
    ):  # fmt: skip
        arm.lives.take(1.0, {"event": event, "life": life, "detail": "it ended before it was ready"})
        texts.append(arm_texts("leaky", arm, NOTHING)["life"])
    why = "down: it ended before it was ready"
    assert texts == ["1", "1", "down", "down", why, why, why, why, "1"]


def test_a_verdict_that_was_not_given_is_none() -> None:
    """Also where the file says a word that is none."""
    words = ("leak", "no_leak", "inconclusive", "maybe", "")
    texts = [arm_texts("leaky", LiveArm(), ArmLive(word, ""))["verdict"] for word in words]
    assert texts == ["LEAK", "NO LEAK", "INCONCLUSIVE", "none yet", "none yet"]


@pytest.mark.parametrize(
    ("per_request", "text"),
    [(0, "0 B"), (-0.001, "0 B"), (999.4, "999 B"), (1023.6, "1 KiB"), (17_284, "16.9 KiB"), (-20, "-20 B"),
     (2.5 * 2**20, "2.5 MiB"), (8 * 2**30, "8 GiB"), (100, "100 B"), (4.25, "4.25 B")],
)  # fmt: skip
def test_bytes_have_three_digits(per_request: float, text: str) -> None:
    """A zero at the end of a whole number is no decimal."""
    assert live_rate_text(replace(NOTHING, rate_per_s=1.0, rate_per_request=per_request)) == f"{text}/request"


def test_memory_agrees_with_the_recording_to_the_last_digit() -> None:
    """A tenth of a MiB; what was not read is empty and never 0."""
    assert [memory_text(value) for value in (64_626_688, 0, None)] == ["61.6", "0.0", ""]


def test_the_process_that_grows_fastest_comes_first() -> None:
    """In the judge's order, then those that it has not judged yet; one that is gone has no row."""
    arm = LiveArm(processes=tuple(LiveProcess(life, 300 + life, 2**20 * life) for life in (1, 2, 4)))
    live = replace(
        NOTHING,
        processes=(
            ProcessLive(2, "grows", 80_000.0, 1000.0),
            ProcessLive(3, "grows", 40_000.0, 500.0),
            ProcessLive(1, "does not grow", 0.8, 0.01),
        ),
    )
    texts = process_texts(arm, live)
    assert [tuple(row.values()) for row in texts["processes"]] == [
        ("child 302", "2.0", "grows", "1000 B/request"),
        ("main 301", "1.0", "does not grow", "0.01 B/request"),
        ("child 304", "4.0", "", ""),
    ]
    assert texts["more"] == ""


def test_very_many_processes_are_bounded() -> None:
    """The largest are shown before the first verdict, the others as their sum; of one process there is nothing."""
    assert process_texts(LiveArm(), NOTHING) == {"processes": [], "more": ""}
    many = LiveArm(processes=tuple(LiveProcess(life, None, 2**20 * life) for life in range(1, 65)))
    texts = process_texts(many, NOTHING)
    assert len(texts["processes"]) == MOST_PROCESSES
    assert texts["processes"][0] == {"name": "child", "rss": "64.0", "growth": "", "rate": ""}
    assert texts["more"] == "54 more with 1,485.0 MiB of RSS in all"

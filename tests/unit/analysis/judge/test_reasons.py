from __future__ import annotations

import pytest

from analysis.judge.reasons import SENTENCES, reason_sentence, unusable_sentence
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Rate, ReasonCode

RATE = Rate(2.0 * 2**20 / 3600, -0.25 * 2**20 / 3600, 4.25 * 2**20 / 3600)
MARGIN_PER_S = 2**20 / 3600


def sentence(code: ReasonCode, signal: str = "rss_bytes", *, more_s: float | None = 7200.0) -> str:
    return reason_sentence(code, RATE, signal, MARGIN_PER_S, mean_rps=None, more_s=more_s)


def test_every_reason_has_a_sentence() -> None:
    """No code is without its sentence, and none has two."""
    assert SENTENCES.keys() == set(ReasonCode)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_one_reason_each_stands_for_a_leak_and_for_none() -> None:
    """Every other reason is one for INCONCLUSIVE."""
    decided = {code: code.verdict for code in ReasonCode if code.verdict != INCONCLUSIVE}
    assert decided == {ReasonCode.LEAKING: LEAK, ReasonCode.BOUNDED: NO_LEAK}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (ReasonCode.LEAKING, "growth of 2.00 MiB/h (-0.25 to 4.25) does not slow down"),
        (ReasonCode.BOUNDED, "leak below 4.25 MiB/h (95% upper bound); the margin is 1.00 MiB/h"),
        (
            ReasonCode.WIDE_INTERVAL,
            "the interval -0.25 to 4.25 MiB/h includes both no relevant leak and one above the margin of 1.00 MiB/h; "
            "about 2.0 h more of this load would decide",
        ),
        (
            ReasonCode.FALLING,
            "memory is falling: 2.00 MiB/h (-0.25 to 4.25); a falling baseline can mask a leak; "
            "about 2.0 h more of this load would decide",
        ),
    ],
)
def test_a_sentence_has_its_numbers(code: ReasonCode, text: str) -> None:
    """In MiB per hour with the interval; what is inconclusive ends with how much longer a run would decide."""
    assert sentence(code) == text


def test_a_count_has_its_name_and_a_margin_per_request_is_in_bytes_per_request() -> None:
    """The signal and the margin choose the unit."""
    assert sentence(ReasonCode.LEAKING, "threads").startswith("growth of 2,097,152 threads/h")
    assert sentence(ReasonCode.FALLING, "fds", more_s=None).startswith(
        "the number of file descriptors is falling"
    )
    found = reason_sentence(
        ReasonCode.BOUNDED, Rate(0, 0, 500.0), "live_bytes", 1e3, mean_rps=10, more_s=None
    )
    assert found == "leak below 50.0 B/request (95% upper bound); the margin is 100 B/request"


@pytest.mark.parametrize(
    ("per_request", "text"),
    [
        (0.0102, "growth of 0.0102 open sessions/request (0.00918 to 0.0112) does not slow down"),
        (1.0, "growth of 1.00 open sessions/request (0.9 to 1.10) does not slow down"),
        (0.9996, "growth of 1.00 open sessions/request (0.9 to 1.10) does not slow down"),
        (1e-9, "growth of 0 open sessions/request (0 to 0) does not slow down"),
    ],
)
def test_a_count_has_three_figures_however_small_it_is(per_request: float, text: str) -> None:
    """A session for each hundredth request is no 0.01: ten percent would be lost in it."""
    rate = Rate(per_request, 0.9 * per_request, 1.1 * per_request)
    assert reason_sentence(ReasonCode.LEAKING, rate, "sessions_open", 1.0, mean_rps=1.0, more_s=None) == text


def test_unusable_readings_are_counted() -> None:
    """What cannot be judged is a sentence with the number of the readings in question."""
    assert unusable_sentence(ReasonCode.FEW_QUIESCE_POINTS, 3) == "too few quiesce points: 3"

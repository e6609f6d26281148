"""Which answers are of one process, which of the next, and which of several at a time."""

from __future__ import annotations

import pytest

from soak.elsewhere.exposition import Reported
from soak.elsewhere.lives import Lives, several


def answer(start_s: float, cpu_s: float | None = 1.0) -> Reported:
    return Reported(start_s, cpu_s, {"rss_bytes": 1})


def taken(*answers: Reported) -> list[tuple[bool, bool]]:
    """Return of each answer after the first whether it is of a new life, and whether several are seen."""
    lives = Lives(answers[0])
    found = [lives.take(one) for one in answers[1:]]
    return [(is_new, why is not None) for is_new, why in found]


def test_a_later_start_is_a_new_life() -> None:
    """Its processor time begins anew, which shows nothing."""
    assert taken(answer(10, 5), answer(10, 6), answer(20.01, 0.1), answer(20.01, 0.2)) == [
        (False, False), (True, False), (False, False),
    ]  # fmt: skip


def test_start_times_that_alternate_are_several_processes() -> None:
    """The first one back shows it: what was restarted was started later."""
    assert taken(answer(10), answer(10.01), answer(10)) == [(True, False), (False, True)]


@pytest.mark.parametrize(("cpu_s", "seen"), [(4.0, True), (4.97, False), (5.0, False), (None, False)])
def test_processor_time_that_falls_is_of_another_process(cpu_s: float | None, seen: bool) -> None:
    """Of one that was started in the same hundredth of a second, or a counter that was set back."""
    assert taken(answer(10, 5.0), answer(10, cpu_s)) == [(False, seen)]


def test_answers_that_were_asked_for_at_once_have_one_start() -> None:
    assert several((answer(10), answer(10, 2), answer(10))) is None
    assert several((answer(10), answer(12), answer(12))) == (
        "2 processes answer there, by their start times; name one by its own address"
    )

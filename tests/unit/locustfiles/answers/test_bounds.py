from __future__ import annotations

import pytest

from locustfiles.answers.bounds import HEAD_BYTES, AnswerBounds, AnswerTooLargeError, InFlight, Meter

MIB = 1 << 20


def test_a_body_within_its_bound_is_counted_to_the_last_byte() -> None:
    """The bound itself is allowed, a byte more is not; the head counts too."""
    meter = Meter(AnswerBounds(1000, 5.0))
    meter.receive(100, head=True)
    meter.receive(900, head=False)
    with pytest.raises(AnswerTooLargeError, match="the body of the answer is longer than 1000 bytes"):
        meter.receive(1, head=False)


def test_a_head_has_a_bound_of_its_own() -> None:
    """Headers, interim answers and trailers together, since clients keep all of them."""
    meter = Meter(AnswerBounds(16 * MIB, 5.0))
    meter.receive(HEAD_BYTES, head=True)
    with pytest.raises(AnswerTooLargeError, match="the head of the answer is longer than 65536 bytes"):
        meter.receive(1, head=True)


def test_a_decoded_body_has_the_bound_of_one_as_sent() -> None:
    """A small answer that decodes to a large one is too large."""
    meter = Meter(AnswerBounds(1000, 5.0))
    meter.receive(10, head=False)
    meter.decode(1000)
    with pytest.raises(AnswerTooLargeError):
        meter.decode(1)


class Waits:
    """A sleep that, at each wait, does the next thing of a script."""

    def __init__(self) -> None:
        self.script: list[Meter] = []
        self.waits = 0

    def sleep(self, _: float) -> None:
        """End the next meter of the script."""
        self.waits += 1
        self.script.pop(0).end()


def test_answers_in_flight_share_their_room() -> None:
    """A reader without room waits until another ends; the oldest one goes on, so none waits for ever."""
    waits = Waits()
    in_flight = InFlight(1000, waits.sleep)
    bounds = AnswerBounds(1000, 5.0, in_flight)
    oldest, other, third = Meter(bounds), Meter(bounds), Meter(bounds)
    oldest.receive(600, head=False)
    other.receive(400, head=False)
    oldest.receive(300, head=False)
    assert (in_flight.total, waits.waits) == (1300, 0)
    waits.script = [other, oldest]
    third.receive(500, head=False)
    assert (in_flight.total, waits.waits) == (500, 2)
    third.end()
    third.end()
    assert in_flight.total == 0


def test_what_is_kept_is_counted_once() -> None:
    """Of an answer as sent and decoded the longer counts; once ended, it holds nothing more."""
    in_flight = InFlight(1000)
    meter = Meter(AnswerBounds(1000, 5.0, in_flight))
    meter.receive(100, head=False)
    meter.decode(80)
    assert in_flight.total == 100
    meter.decode(80)
    assert in_flight.total == 160
    meter.end()
    meter.decode(80)
    assert in_flight.total == 0


@pytest.mark.parametrize("max_bytes", [MIB, 16 * MIB, 64 * MIB])
def test_in_flight_of_whole_answers(max_bytes: int) -> None:
    """All answers in flight stay below 64 MiB, or below two of the largest."""
    in_flight = AnswerBounds.of_whole_answers(max_bytes, 5.0).in_flight
    assert in_flight is not None
    most = in_flight._limit_bytes + max_bytes
    assert most <= max(64 * MIB, 2 * max_bytes)

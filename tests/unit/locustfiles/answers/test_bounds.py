from __future__ import annotations

from http.cookiejar import Cookie, CookieJar

import pytest
from requests.cookies import RequestsCookieJar

from locustfiles.answers.bounds import (
    COOKIE_BYTES,
    COOKIES,
    HEAD_BYTES,
    LOOK_EVERY_BYTES,
    AnswerBounds,
    AnswerTooLargeError,
    InFlight,
    Meter,
    bound_cookies,
)

MIB = 1 << 20


def test_a_body_within_its_bound_is_allowed_to_the_last_byte() -> None:
    """The bound itself is allowed, a byte more is not; the meter looks again before that."""
    meter = Meter(AnswerBounds(100_000, 5.0))
    assert meter.look(40_000, head=False) == 40_000 + LOOK_EVERY_BYTES
    assert meter.look(80_000, head=False) == 100_000
    assert meter.look(100_000, head=False) == 100_000
    with pytest.raises(AnswerTooLargeError, match="the body of the answer has more than 100000 bytes"):
        meter.look(100_001, head=False)


@pytest.mark.parametrize("max_bytes", [1000, 1 << 20])
def test_the_first_look_is_in_time(max_bytes: int) -> None:
    """An answer that is shorter than the bound and than the distance of looks needs no meter."""
    assert AnswerBounds(max_bytes, 5.0).first_look == min(max_bytes, LOOK_EVERY_BYTES)


def test_a_head_has_a_bound_of_its_own() -> None:
    """Headers, interim answers and trailers together, since clients keep all of them; the body is not among them."""
    meter = Meter(AnswerBounds(16 * MIB, 5.0))
    meter.look(40_000, head=True)
    meter.look(1_000_000, head=False)
    meter.look(1_000_000 + HEAD_BYTES - 40_000, head=True)
    with pytest.raises(AnswerTooLargeError, match="the head of the answer has more than 65536 bytes"):
        meter.look(1_000_001 + HEAD_BYTES - 40_000, head=True)


def test_a_decoded_body_has_the_bound_of_one_as_sent() -> None:
    """A small answer that decodes to a large one is too large."""
    meter = Meter(AnswerBounds(1000, 5.0))
    meter.look(10, head=False)
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
    oldest.look(600, head=False)
    other.look(400, head=False)
    oldest.look(900, head=False)
    assert (in_flight.total, waits.waits) == (1300, 0)
    waits.script = [other, oldest]
    third.look(500, head=False)
    assert (in_flight.total, waits.waits) == (500, 2)
    third.end()
    third.end()
    assert in_flight.total == 0


def test_what_is_kept_is_counted_once() -> None:
    """Of an answer as sent and decoded the longer counts; once ended, it holds nothing more."""
    in_flight = InFlight(1000)
    meter = Meter(AnswerBounds(1000, 5.0, in_flight))
    meter.look(100, head=False)
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


def _cookie(name: str, value: str) -> Cookie:
    return Cookie(
        0, name, value, None, False, "shop", False, False, "/", False, False, None, False, None, None, {}
    )


def test_a_user_keeps_a_bounded_number_of_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    """New ones beyond it and long ones are dropped; those that are kept go on being renewed."""
    bound_cookies(monkeypatch.setattr)
    for jar in (CookieJar(), RequestsCookieJar()):
        for number in range(2 * COOKIES):
            jar.set_cookie(_cookie(f"cookie-{number}", "old"))
        jar.set_cookie(_cookie("cookie-0", "new"))
        jar.set_cookie(_cookie("cookie-1", "x" * COOKIE_BYTES))
        kept = {cookie.name: cookie.value for cookie in jar}
        assert len(kept) == COOKIES
        assert (kept["cookie-0"], kept["cookie-1"]) == ("new", "old")

"""What a target's answer may cost the load generator, and the meter of one answer that is being read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import Cookie, CookieJar
from typing import Any, Final

import gevent
from geventhttpclient.useragent import ConnectionError as ClientError

HEAD_BYTES: Final = 64 * 1024
"""Bytes of an answer's status line, headers, interim answers and trailers from which on it is too large."""
HEAD_LINES: Final = 100
"""Most headers of an answer, as in http.client: thousands of them cost a client tens of milliseconds."""
COOKIES: Final = 50
"""Most cookies that a user keeps; the least number that RFC 6265 asks for, for each domain."""
COOKIE_BYTES: Final = 4096
"""Most characters of a cookie's name and value, from the same RFC."""
KEEP_BYTES: Final = 64 * 1024
"""Bytes of a body that the planned load keeps for its checks; the rest is counted and discarded."""
IN_FLIGHT_BYTES: Final = 64 * 1024 * 1024
"""Most bytes that a process keeps of answers that are being read, where they are kept whole."""
LOOK_EVERY_BYTES: Final = 32 * 1024
"""Bytes of an answer between two looks of its meter; an answer of fewer bytes costs nothing."""
WAIT_S: Final = 0.01
"""Time between two looks for room among the answers in flight, seconds."""


class AnswerTooLargeError(ClientError):
    """An answer is longer than its bound, as it is sent or when decoded.

    Locust's FastHttpUser counts errors of this base class as failed requests; urllib3 passes them on as they are.
    """

    def __init__(self, what: str, limit: int, unit: str = "bytes") -> None:
        super().__init__(None)
        self._text = f"{what} of the answer has more than {limit} {unit}"

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text!r})"  # Locust groups errors by it


class InFlight:
    """The bytes kept of all answers that are being read; a reader that finds no room waits.

    The oldest reader never waits, so one of them always comes to its end.
    """

    def __init__(self, limit_bytes: int, sleep: Callable[[float], Any] = gevent.sleep) -> None:
        self._limit_bytes = limit_bytes
        self._sleep = sleep
        self._held: dict[Meter, int] = {}
        self.total = 0

    def hold(self, meter: Meter, size: int) -> None:
        """Add bytes to those of a reader, once there is room."""
        self._held.setdefault(meter, 0)
        while self.total + size > self._limit_bytes and next(iter(self._held)) is not meter:
            self._sleep(WAIT_S)
        if meter in self._held:  # it may have been ended meanwhile
            self._held[meter] += size
            self.total += size

    def drop(self, meter: Meter) -> None:
        """Forget a reader and its bytes; idempotent."""
        self.total -= self._held.pop(meter, 0)


Hook = Callable[[Any, str, object], None]
"""Sets an attribute of a class or module, as ``setattr``."""


def bound_cookies(hook: Hook = setattr) -> None:
    """Bound the cookies of every jar in this process: a target may send new ones with each answer."""
    set_cookie = CookieJar.set_cookie

    def set_within_bounds(self: CookieJar, cookie: Cookie) -> None:
        place = (cookie.domain, cookie.path, cookie.name)
        others = sum((one.domain, one.path, one.name) != place for one in self)
        if others < COOKIES and len(cookie.name) + len(cookie.value or "") <= COOKIE_BYTES:
            set_cookie(self, cookie)

    hook(CookieJar, "set_cookie", set_within_bounds)


@dataclass(frozen=True, slots=True)
class AnswerBounds:
    """The bounds of one process of Locust."""

    max_bytes: int
    """Most bytes of an answer, head included, as sent; and of its body, decoded."""
    timeout_s: float
    """Deadline for a whole request of a custom locustfile, redirects and body included."""
    in_flight: InFlight | None = None
    """What is kept of the answers that are being read; None: only KEEP_BYTES of each."""

    @property
    def first_look(self) -> int:
        """Bytes of an answer from which on a meter looks after it."""
        return min(LOOK_EVERY_BYTES, self.max_bytes)

    @classmethod
    def of_whole_answers(cls, max_bytes: int, timeout_s: float) -> AnswerBounds:
        """Return the bounds where the code of the users may read the whole answer."""
        # the oldest reader may go beyond by one answer
        return cls(max_bytes, timeout_s, InFlight(max(IN_FLIGHT_BYTES - max_bytes, max_bytes)))


class Meter:
    """Looks after one answer that is being read: its length, what of it is kept, and the turns of other greenlets."""

    def __init__(self, bounds: AnswerBounds) -> None:
        self._bounds = bounds
        self._head = 0
        self._received = 0
        self._decoded = 0
        self._held = 0
        self._ended = False

    def look(self, received: int, *, head: bool) -> int:
        """Take note of the bytes received so far, the newest of the head or not; return at how many to look again.

        Raises AnswerTooLargeError beyond the bounds.
        """
        newest, self._received = received - self._received, received
        if head:
            self._head += newest
            if self._head > HEAD_BYTES:
                raise AnswerTooLargeError("the head", HEAD_BYTES)
        self._check(received)
        gevent.sleep(0)  # a socket that is always readable would starve the other greenlets
        return min(received + LOOK_EVERY_BYTES, self._bounds.max_bytes)

    def decode(self, size: int) -> None:
        """Count bytes of the decoded body; raises AnswerTooLargeError beyond the bounds."""
        self._decoded += size
        self._check(self._decoded)

    def end(self) -> None:
        """Keep nothing any more; idempotent."""
        self._ended = True
        if self._bounds.in_flight is not None:
            self._bounds.in_flight.drop(self)

    def _check(self, total: int) -> None:
        if total > self._bounds.max_bytes:
            raise AnswerTooLargeError("the body", self._bounds.max_bytes)
        if (in_flight := self._bounds.in_flight) is not None and total > self._held and not self._ended:
            in_flight.hold(self, total - self._held)
            self._held = total

"""The load client: keep-alive connections to one server, as fast as it answers or at a fixed rate.

``python -m bench.harness.load_client PLAN``, both ends in JSON: a process of its own, so that nothing else shares its
event loop. It parses with httptools on uvloop: a request costs it a small part of what it costs the server.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import cast

import httptools
import uvloop

HOST = "127.0.0.1"
SERVICES = ("orders", "users", "stock")
BODY_BYTES = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, and for how long."""

    port: int
    first_id: int
    """Each request has the next id and so a body of its own, which no cache has."""
    seconds: float
    """What counts: the time after the lead."""
    lead_s: float = 0.0
    """Load before that, which does not count."""
    connections: int = 32
    rate_rps: float | None = None
    """Requests per second at equal distances; None sends the next one as soon as one is answered."""
    requests: int | None = None
    """End after this many, should they be answered before ``seconds`` are over."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    next_id: int
    """The first id that was not sent."""
    failed: int
    """Answers that are not 200, or have an error inside; those of the lead too."""
    answered_rps: float
    """Answers per second that counts."""
    p99_s: float
    """Of the requests begun in the seconds that count: from sending, or from the planned start when no connection
    was free then."""


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time. httptools calls the ``on_`` methods."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[bool] | None = None

    def ask(self, request: bytes) -> asyncio.Future[bool]:
        """Send a request; the future is whether the answer is a good one, or raises ConnectionError."""
        assert self._transport is not None  # noqa: S101  create_connection returns after connection_made
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed the connection, or we have."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError(f"connection lost before the answer: {exc}"))

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._body = b""

    def on_body(self, body: bytes) -> None:
        """A part of the answer's body has come."""
        self._body += body

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._answered is not None and not self._answered.done():
            good = self._parser.get_status_code() == 200 and not self._body.startswith(b'{"error"')
            self._answered.set_result(good)


@dataclass(slots=True)
class Tally:
    """What the connections have sent and seen so far."""

    plan: Plan
    start_s: float
    next_id: int = field(init=False)
    answered: int = 0
    failed: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.next_id = self.plan.first_id

    def take_id(self) -> int:
        """Return the id of the next request."""
        self.next_id += 1
        return self.next_id - 1

    def note(self, began_s: float, ended_s: float, *, good: bool) -> None:
        """Count an answer."""
        self.failed += not good
        self.answered += self._counts(ended_s)
        if self._counts(began_s):
            self.latencies_s.append(ended_s - began_s)

    def enough(self, now_s: float) -> bool:
        """Whether nothing more is to be sent."""
        sent = self.next_id - self.plan.first_id
        return now_s >= self._ends_s or (self.plan.requests is not None and sent >= self.plan.requests)

    def result(self) -> Result:
        """Return the sums; raises ValueError when fewer than two requests count."""
        if len(self.latencies_s) < 2:
            raise ValueError("no answers came in the seconds that count")
        return Result(
            next_id=self.next_id,
            failed=self.failed,
            answered_rps=self.answered / self.plan.seconds,
            p99_s=statistics.quantiles(self.latencies_s, n=100, method="inclusive")[98],
        )

    @property
    def _ends_s(self) -> float:
        return self.start_s + self.plan.lead_s + self.plan.seconds

    def _counts(self, moment_s: float) -> bool:
        return self.start_s + self.plan.lead_s <= moment_s < self._ends_s


def request(number: int) -> bytes:
    """Return a whole HTTP request whose JSON body of BODY_BYTES has the id ``number``."""
    body = json.dumps({"id": number, "data": ""}).encode()
    body = body[:-2] + b"x" * (BODY_BYTES - len(body)) + body[-2:]
    service = SERVICES[number % len(SERVICES)]
    head = (
        f"POST /api/{service} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(plan: Plan) -> Result:
    """Carry out the plan; raises OSError when the server cannot be reached or breaks a connection."""
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, HOST, plan.port))[1] for _ in range(plan.connections)
    ]
    tally = Tally(plan, time.perf_counter())
    planned = None if plan.rate_rps is None else itertools.count(tally.start_s, 1 / plan.rate_rps)
    try:
        await asyncio.gather(*(keep_asking(connection, tally, planned) for connection in connections))
    finally:
        for connection in connections:
            connection.close()
    return tally.result()


async def keep_asking(
    connection: Connection,
    tally: Tally,
    planned: Iterator[float] | None,
    *,
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Send one request after the other, each at the next planned instant if there are any."""
    while not tally.enough(began_s := now()):
        number = tally.take_id()
        if planned is not None:
            due_s = next(planned)
            if due_s > began_s:
                await sleep(due_s - began_s)
                began_s = now()  # the timer's own lateness is not the server's
            else:
                began_s = due_s
        good = await connection.ask(request(number))
        tally.note(began_s, now(), good=good)


def main() -> int:
    """Read the plan from the command line, carry it out, print the result."""
    plan = Plan(**json.loads(sys.argv[1]))
    try:
        result = uvloop.run(load(plan))
    except (OSError, ValueError) as error:
        print(f"port {plan.port}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

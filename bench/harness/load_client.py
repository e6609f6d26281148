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
    parts: int = 1
    """Equal parts of ``seconds``, each with a result of its own."""
    begin_s: float | None = None
    """When to begin, by the machine's monotonic clock; None at once."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    next_id: int
    """The first id that was not sent."""
    failed: int
    """Answers that are not 200, or have an error inside; those of the lead too."""
    answered_rps: list[float]
    """Answers per second of each part."""
    p99_s: list[float]
    """Of the requests begun in each part: from sending, or from the planned start when no connection was free then."""


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
    failed: int = 0
    answered: list[int] = field(init=False)
    latencies_s: list[list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self.next_id = self.plan.first_id
        self.answered = [0] * self.plan.parts
        self.latencies_s = [[] for _ in range(self.plan.parts)]

    def take_id(self) -> int:
        """Return the id of the next request."""
        self.next_id += 1
        return self.next_id - 1

    def note(self, began_s: float, ended_s: float, *, good: bool) -> None:
        """Count an answer."""
        self.failed += not good
        if (part := self._part(ended_s)) is not None:
            self.answered[part] += 1
        if (part := self._part(began_s)) is not None:
            self.latencies_s[part].append(ended_s - began_s)

    def enough(self, now_s: float) -> bool:
        """Whether nothing more is to be sent."""
        sent = self.next_id - self.plan.first_id
        ends_s = self.start_s + self.plan.lead_s + self.plan.seconds
        return now_s >= ends_s or (self.plan.requests is not None and sent >= self.plan.requests)

    def result(self) -> Result:
        """Return the sums; raises ValueError where fewer than two requests of a part count."""
        if min(map(len, self.latencies_s)) < 2:
            raise ValueError("no answers came in the seconds that count")
        return Result(
            next_id=self.next_id,
            failed=self.failed,
            answered_rps=[count * self.plan.parts / self.plan.seconds for count in self.answered],
            p99_s=[
                statistics.quantiles(latencies_s, n=100, method="inclusive")[98]
                for latencies_s in self.latencies_s
            ],
        )

    def _part(self, moment_s: float) -> int | None:
        """Return the part of a moment; None for one that does not count."""
        counted_s = moment_s - self.start_s - self.plan.lead_s
        inside = 0 <= counted_s < self.plan.seconds
        return int(counted_s / self.plan.seconds * self.plan.parts) if inside else None


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
    """Carry out the plan.

    Raises OSError when the server cannot be reached or breaks a connection, ValueError when it began too late.
    """
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, HOST, plan.port))[1] for _ in range(plan.connections)
    ]
    tally = Tally(plan, await _begin(plan))
    planned = None if plan.rate_rps is None else itertools.count(tally.start_s, 1 / plan.rate_rps)
    try:
        await asyncio.gather(*(keep_asking(connection, tally, planned) for connection in connections))
    finally:
        for connection in connections:
            connection.close()
    return tally.result()


async def _begin(plan: Plan) -> float:
    """Wait for the moment to begin, and return it."""
    now_s = time.monotonic()
    if plan.begin_s is None:
        return now_s
    if (late_s := now_s - plan.begin_s) > plan.lead_s:
        raise ValueError(f"the load began {late_s:.1f} s late")
    await asyncio.sleep(max(0.0, -late_s))
    return plan.begin_s


async def keep_asking(
    connection: Connection,
    tally: Tally,
    planned: Iterator[float] | None,
    *,
    now: Callable[[], float] = time.monotonic,
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

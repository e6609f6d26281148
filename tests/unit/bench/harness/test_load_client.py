from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest

from bench.harness.load_client import (
    BODY_BYTES,
    HOST,
    SERVICES,
    Connection,
    Plan,
    Result,
    Tally,
    keep_asking,
    load,
    request,
)

ANSWER = b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%s"


def well(_number: int) -> bytes:
    return ANSWER % (200, 2, b"{}")


@contextlib.asynccontextmanager
async def serving(reply: Callable[[int], bytes]) -> AsyncIterator[int]:
    """A server that answers a request with ``reply`` to its id, "" by hanging up; yields the port."""
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                answer = reply(json.loads(await reader.readexactly(BODY_BYTES))["id"])
                if not answer:
                    break
                writer.write(answer)
        await writer.wait_closed()

    async with await asyncio.start_server(talk, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*(talk for talk in talks if talk))


def loaded(reply: Callable[[int], bytes], *, requests: int, rate_rps: float | None = None) -> Result:
    """What the client says of a server that answers with ``reply``."""

    async def run() -> Result:
        async with serving(reply) as port:
            return await load(
                Plan(port, first_id=100, seconds=60.0, connections=4, rate_rps=rate_rps, requests=requests)
            )

    return asyncio.run(run())


def test_each_id_is_sent_once() -> None:
    """Four connections share the ids from the first one on, and the result says where the next load begins."""
    seen: list[int] = []

    def reply(number: int) -> bytes:
        seen.append(number)
        return well(number)

    result = loaded(reply, requests=50)
    assert sorted(seen) == list(range(100, 150))
    assert (result.next_id, result.failed) == (150, 0)


@pytest.mark.parametrize("answer", [ANSWER % (503, 2, b"{}"), ANSWER % (200, 15, b'{"error": "no"}')])
def test_an_answer_that_is_no_answer_counts_as_failed(answer: bytes) -> None:
    """Another status, or an error inside a 200: one in ten of either is counted."""
    result = loaded(lambda number: answer if number % 10 == 0 else well(number), requests=50)
    assert result.failed == 5


def test_a_server_that_hangs_up_ends_the_load() -> None:
    """A broken connection is an error, not a pause."""
    with pytest.raises(ConnectionError, match="connection lost before the answer"):
        loaded(lambda number: b"" if number == 120 else well(number), requests=50)


def test_requests_differ_in_their_id_alone() -> None:
    """Bodies are equally long, whatever the id, and services take turns."""
    bodies = [request(number).partition(b"\r\n\r\n")[2] for number in (7, 123456)]
    assert [len(body) for body in bodies] == [BODY_BYTES, BODY_BYTES]
    assert [json.loads(body)["id"] for body in bodies] == [7, 123456]
    assert [request(number).split()[1].decode() for number in range(3)] == [
        f"/api/{name}" for name in SERVICES
    ]


class Scripted(Connection):
    """A connection whose answers take the times of the script; its clock moves with them."""

    def __init__(self, answers_s: list[float]) -> None:
        super().__init__()
        self.now_s = 0.0
        self._answers_s = iter(answers_s)

    def ask(self, request: bytes) -> asyncio.Future[bool]:
        del request
        self.now_s += next(self._answers_s)
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(True)
        return answered

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds + 0.001  # timers are late


def asked(tally: Tally, answers_s: list[float], planned: list[float] | None) -> Tally:
    """The tally after one connection has been through the script."""
    connection = Scripted(answers_s)
    instants = None if planned is None else itertools.chain(planned, itertools.repeat(99.0))
    asyncio.run(
        keep_asking(connection, tally, instants, now=lambda: connection.now_s, sleep=connection.sleep)
    )
    return tally


def test_waiting_for_a_connection_counts() -> None:
    """While the first answer takes 3.5 s, the two planned after it wait, and that is their latency."""
    plan = Plan(port=0, first_id=0, seconds=10.0, rate_rps=1.0, requests=4)
    tally = asked(Tally(plan, 0.0), [3.5, 0.25, 0.25, 0.25], planned=[0.0, 1.0, 2.0, 5.0])
    assert tally.latencies_s == [pytest.approx([3.5, 2.75, 2.0, 0.25])]


def test_only_the_seconds_after_the_lead_count() -> None:
    """Lead of 1 s and 2 s that count, an answer each 0.5 s: the one at 1.0 s is in, the one at 3.0 s is not."""
    plan = Plan(port=0, first_id=0, seconds=2.0, lead_s=1.0)
    tally = asked(Tally(plan, 0.0), [0.5] * 6, planned=None)
    assert tally.result().answered_rps == [2.0]
    assert list(map(len, tally.latencies_s)) == [4]  # begun at 1.0, 1.5, 2.0 and 2.5 s


def test_each_part_has_its_own_result() -> None:
    """Lead of 1 s, then two parts of 1 s: two quick answers in the first, four in the second."""
    plan = Plan(port=0, first_id=0, seconds=2.0, lead_s=1.0, parts=2)
    result = asked(Tally(plan, 0.0), [1.0, 0.5, 0.5, *[0.25] * 4], planned=None).result()
    assert result.answered_rps == [2.0, 4.0]  # at 1.0 and 1.5 s; at 2.0, 2.25, 2.5 and 2.75 s
    assert result.p99_s == pytest.approx([0.5, 0.25])


def test_a_load_that_began_late_is_no_result() -> None:
    """Its parts are not those of whoever divided the time."""

    async def run() -> None:
        async with serving(well) as port:
            await load(Plan(port, first_id=0, seconds=1.0, begin_s=time.monotonic() - 2.0))

    with pytest.raises(ValueError, match=r"the load began 2\.\d s late"):
        asyncio.run(run())


def test_the_quantile_is_that_of_the_latencies() -> None:
    """Of latencies of 1 to 101 s, 99% are at most 100 s."""
    plan = Plan(port=0, first_id=0, seconds=1e6)
    tally = Tally(plan, 0.0)
    for second in range(1, 102):
        tally.note(0.0, float(second), good=True)
    assert tally.result().p99_s == pytest.approx([100.0])


def test_no_answer_in_time_is_no_result() -> None:
    """A server that answers nothing has no speed."""
    plan = Plan(port=0, first_id=0, seconds=1.0)
    with pytest.raises(ValueError, match="no answers came in the seconds that count"):
        Tally(plan, 0.0).result()

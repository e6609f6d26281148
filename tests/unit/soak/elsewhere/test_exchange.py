"""One exchange with the metrics of a process elsewhere, by scripted servers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from soak.elsewhere import exchange
from soak.elsewhere.exchange import Metrics
from soak.elsewhere.exposition import NAMES, MetricsError, RefusedError
from tests.support.metrics_server import MetricsServer, answer, exposition
from tests.support.ports import free_port
from tests.support.rogue_server import HOSTILE


def test_the_series_are_asked_for_by_name() -> None:
    """Each time, on a connection of its own, uncompressed and with no header that identifies anybody."""
    with MetricsServer(lambda _: answer(exposition())) as server:
        metrics = Metrics(server.url, "/metrics")
        assert [metrics.fetch(), metrics.fetch()] == [exposition()] * 2
    target = server.heads[0].split(" ")[1]
    assert target.startswith("/metrics?name[]=")
    assert target.count("name[]=") == len(NAMES)
    headers = {line.split(":")[0].lower() for line in server.heads[0].splitlines()[1:] if line}
    assert headers == {"host", "accept-encoding", "accept", "connection", "user-agent"}


def test_a_redirect_on_the_same_host_is_followed_once() -> None:
    """A mounted metrics app answers 307; its last path is asked from then on, with the names in its query."""

    def reply(head: str) -> bytes:
        if head.startswith("GET /metrics?"):
            return answer(b"", "307 Temporary Redirect", "Location: /metrics/\r\n")
        return answer(exposition())

    with MetricsServer(reply) as server:
        metrics = Metrics(server.url, "/metrics")
        assert metrics.fetch() == metrics.fetch() == exposition()
    assert [head.split("=")[0] for head in server.heads] == [
        "GET /metrics?name[]", "GET /metrics/?name[]", "GET /metrics/?name[]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "there", ["http://127.0.0.1:1/", "https://127.0.0.1/", "http://elsewhere.example/", "//x/"]
)
def test_no_other_host_is_asked(there: str) -> None:
    """Not even for a redirect; its port and scheme count."""
    with (
        MetricsServer(lambda _: answer(b"", "302 Found", f"Location: {there}\r\n")) as server,
        pytest.raises(RefusedError, match=r"redirects to another address, .*which is not asked"),
    ):
        Metrics(server.url, "/metrics").fetch()
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (
            "401 Unauthorized",
            RefusedError,
            "refused with 401; give an address at which the metrics need no login",
        ),
        ("404 Not Found", RefusedError, "answered 404; set metrics to the path of its metrics"),
        ("503 Service Unavailable", MetricsError, "answered 503"),
        ("304 Not Modified", MetricsError, "answered 304"),
    ],
)
def test_a_status_is_named_with_its_fix(status: str, kind: type[MetricsError], message: str) -> None:
    """What may pass is tried again; what will not is refused."""
    with MetricsServer(lambda _: answer(b"", status)) as server, pytest.raises(MetricsError) as raised:
        Metrics(server.url, "/metrics").fetch()
    assert (type(raised.value), str(raised.value)) == (kind, message)


def test_a_loop_of_redirects_ends() -> None:
    with (
        MetricsServer(lambda _: answer(b"", "302 Found", "Location: /metrics\r\n")) as server,
        pytest.raises(RefusedError, match="more than 3 redirects"),
    ):
        Metrics(server.url, "/metrics").fetch()
    assert len(server.heads) == 4


def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MOST_BYTES", 1 << 20)
    with (
        MetricsServer(lambda _: answer(bytes(2 << 20))) as server,
        pytest.raises(RefusedError, match="its answer has more than 1 MiB"),
    ):
        Metrics(server.url, "/metrics").fetch()


def test_nobody_there_is_named() -> None:
    with pytest.raises(MetricsError, match=r"^no answer \(Connection refused\)$"):
        Metrics(f"http://127.0.0.1:{free_port()}", "/metrics").fetch()


@pytest.fixture(scope="module")
def rogue() -> Iterator[str]:
    """A server of hostile answers."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.rogue_server"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_answer_ends_by_one_deadline(
    rogue: str, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slowly, long or in whatever form it comes: it is a failed reading, or a body without such series."""
    monkeypatch.setattr(exchange, "_with_query", lambda path: path)
    monkeypatch.setattr(exchange, "MOST_BYTES", 4 << 20)
    began_s = time.monotonic()
    with suppress(MetricsError):
        assert len(Metrics(rogue, f"/{hostile}").fetch(timeout_s=0.2)) <= 4 << 20
    assert time.monotonic() - began_s < 10.0

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from locustfiles.worker.connection import SOCKETS
from locustfiles.worker.watched import WatchedConnection


def _turns_of_the_loop(seconds: float) -> int:
    """Return how often the event loop looks for events while nothing is to be done."""
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1

    watcher = gevent.get_hub().loop.check()
    watcher.start(count)
    gevent.sleep(seconds)
    watcher.stop()
    watcher.close()
    return turns


@pytest.fixture
def ends() -> Iterator[tuple[WatchedConnection, Any]]:
    """Return a watched connection and its other end."""
    here, there = SOCKETS.socketpair()
    with there:
        watched = WatchedConnection(here)
        yield watched, there
        watched.close()


def test_an_answer_is_waited_for(ends: tuple[WatchedConnection, Any]) -> None:
    """Its first bytes, those that follow, and the end of the connection."""
    watched, there = ends
    watched.sendall(b"question")

    def answer() -> None:
        assert there.recv(100) == b"question"
        there.sendall(b"one")
        gevent.sleep(0.01)
        there.sendall(b"two")
        gevent.sleep(0.01)
        there.close()

    answering = gevent.spawn(answer)
    with gevent.Timeout(5):
        assert [watched.recv(100), watched.recv(100), watched.recv(100)] == [b"one", b"two", b""]
    answering.get()


def test_bytes_that_nobody_waits_for_do_not_keep_the_loop_busy(ends: tuple[WatchedConnection, Any]) -> None:
    """Nor are they lost: they are read with the next answer, after which the connection works as before."""
    watched, there = ends
    watched.sendall(b"question")
    there.sendall(b"answer")
    with gevent.Timeout(5):
        assert watched.recv(100) == b"answer"
        there.sendall(b"more")
        turns = _turns_of_the_loop(0.02)
        watched.sendall(b"question")
        assert watched.recv(100) == b"more"
        gevent.spawn_later(0.01, there.sendall, b"second")
        watched.sendall(b"question")
        assert watched.recv(100) == b"second"
    assert turns < 20


def test_a_message_larger_than_the_buffers_is_sent_whole(ends: tuple[WatchedConnection, Any]) -> None:
    """The sender waits for room, also where the other end reads late."""
    watched, there = ends
    message = bytes(range(256)) * 20_000
    sending = gevent.spawn(watched.sendall, message)
    gevent.sleep(0.01)
    received = b""
    with gevent.Timeout(5):
        while len(received) < len(message):
            received += there.recv(1 << 20)
        sending.get()
        assert received == message
        there.sendall(b"answer")
        assert watched.recv(100) == b"answer"


def test_a_wait_that_was_cut_off_leaves_the_connection_usable(ends: tuple[WatchedConnection, Any]) -> None:
    """The deadline ends the wait, and bytes that come later switch to nobody."""
    watched, there = ends
    watched.sendall(b"question")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        watched.recv(100)
    there.sendall(b"late")
    gevent.sleep(0.005)
    with gevent.Timeout(5):
        assert watched.recv(100) == b"late"


def test_a_connection_is_closed_once(ends: tuple[WatchedConnection, Any]) -> None:
    """And again without an error; its other end sees the end."""
    watched, there = ends
    watched.sendall(b"")
    watched.close()
    watched.close()
    with gevent.Timeout(5):
        assert there.recv(100) == b""

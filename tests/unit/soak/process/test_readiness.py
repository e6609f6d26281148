"""The three forms of ready, against real sockets and planted output."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from soak.process import readiness
from soak.process.readiness import has_words, is_ready, is_valid, what_failed

NOTHING = list[str]


class Healthy(BaseHTTPRequestHandler):
    """Answers /healthz well, /busy with 503."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/busy" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Healthy)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_path_is_ready_when_it_answers_below_400(url: str) -> None:
    """A 503 is an answer, but not a ready one."""
    assert is_ready("/healthz", url, NOTHING)
    assert not is_ready("/busy", url, NOTHING)


def test_a_port_is_ready_when_it_accepts() -> None:
    """Bound is not enough, listening is; no HTTP is spoken."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert not is_ready("port", url, NOTHING)
        assert not is_ready("/healthz", url, NOTHING)
        server.listen()
        assert is_ready("port", url, NOTHING)


def drip(*pieces: bytes) -> Callable[[socket.socket], None]:
    """Return what sends the pieces repeatedly, one each hundredth of a second."""

    def send(connection: socket.socket) -> None:
        for piece in itertools.cycle(pieces):
            connection.sendall(piece)
            time.sleep(0.01)

    return send


@pytest.mark.parametrize(
    "behave",
    [
        drip(b"H"),
        drip(b"HTTP/1.1 200 OK\r\n", *[b"a: b\r\n"] * 99),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
        lambda connection: connection.recv(1 << 20),
        lambda connection: connection.sendall(b"HTTP/1.1 " + b"9" * 400 + b" OK\r\n\r\n"),
        lambda connection: connection.sendall(b"\x00\xff" * 100_000),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000),
        lambda connection: connection.close(),
    ],
    ids=[
        "status drips",
        "headers drip",
        "100 for ever",
        "nothing",
        "400 digits",
        "noise",
        "headers",
        "closes",
    ],
)
def test_no_answer_holds_a_try(
    behave: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a process sends, and however slowly: it is not ready, and the try is over in its time."""
    monkeypatch.setattr(readiness, "TRY_TIMEOUT_S", 0.05)

    def serve() -> None:
        with suppress(OSError), server.accept()[0] as connection:
            behave(connection)
            connection.settimeout(60.0)
            while connection.recv(65536):
                pass

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        began_s = time.monotonic()
        assert not is_ready("/healthz", f"http://127.0.0.1:{server.getsockname()[1]}", NOTHING)
        assert time.monotonic() - began_s < 30
        thread.join()


def test_interim_answers_come_before_the_answer() -> None:
    """One that is not without end."""

    def serve() -> None:
        with server.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No Content\n\n")

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        assert is_ready("/healthz", f"http://127.0.0.1:{server.getsockname()[1]}", NOTHING)
        thread.join()


def test_a_line_is_looked_for_in_what_is_new() -> None:
    """Each try reads what was printed since the last one."""
    printed = iter([["Started server process"], ["Application startup complete."]])
    tries = [is_ready("log: startup complete", "", lambda: next(printed)) for _ in range(2)]
    assert tries == [False, True]


@pytest.mark.parametrize(
    ("line", "words", "found"),
    [
        ("Listening on (8000", "on (8000", True),  # no regular expression, but words
        ("running on http://127.0.0.1:8000", r"running on .*:\d+$", True),
        ("running on http://127.0.0.1:8000", "Running", False),
        ("price in $", "$", True),
        ("it is ready", "[[ready]]", False),  # a warning of re would be an error here
    ],
)
def test_words_are_taken_as_they_are_or_as_a_regular_expression(
    line: str, words: str, *, found: bool
) -> None:
    """Whoever writes plain words need not know what a regular expression is."""
    assert has_words(line, words) is found


@pytest.mark.parametrize(
    ("ready", "valid"),
    [("/healthz", True), ("port", True), ("log: up", True), ("log:up", True),
     ("log: ", False), ("healthz", False), ("8080", False), ("", False), ("/with space", False)],
)  # fmt: skip
def test_only_the_three_forms_are_valid(ready: str, *, valid: bool) -> None:
    """A path without its slash is most likely a slip."""
    assert is_valid(ready) is valid


@pytest.mark.parametrize(
    ("ready", "sentence"),
    [
        ("/healthz", "http://127.0.0.1:80/healthz did not answer"),
        ("port", "127.0.0.1:80 did not accept a connection"),
        ("log: up and running", "no line of its output had 'up and running'"),
    ],
)
def test_what_failed_names_what_was_waited_for(ready: str, sentence: str) -> None:
    """The sentence goes on with how long it was waited for."""
    assert what_failed(ready, "http://127.0.0.1:80").startswith(sentence)

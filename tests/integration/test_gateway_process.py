"""Stubs and gateway as real processes: they start, answer, survive rude clients and end on SIGTERM."""

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(log: Path, port: int, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module as a process whose output goes to ``log``, from its first good answer to its end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *argv, "--port", str(port)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until_healthy(process, port, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        finally:
            process.kill()
            process.wait()


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return at the first 200 from /healthz; fails when the process ends or START_TIMEOUT_S are over."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if request(port, "GET", "/healthz") == (200, {"status": "ok"}):
                return
        except OSError:
            time.sleep(0.05)  # nothing tells when another process listens
    pytest.fail(f"port {port} is not healthy after {START_TIMEOUT_S} s: {log.read_text()}")


def request(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Send one request on a connection of its own and return status and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def leave_in_the_middle(port: int) -> None:
    """Send half a request body, then reset the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b'POST /api/orders HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{"half":')
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("variant", ["leaky", "fixed"])
def test_a_gateway_from_start_to_end(variant: str, tmp_path: Path) -> None:
    """It forwards to the stub, outlives a client that breaks off, prints no line per request and ends on SIGTERM."""
    stubs_port, port = free_port(), free_port()
    log = tmp_path / "gateway.log"
    upstreams = f"orders=127.0.0.1:{stubs_port}"
    with ExitStack() as processes:
        processes.enter_context(
            running(tmp_path / "stubs.log", stubs_port, "stubs", "--services", "orders", "--latency-ms", "1")
        )
        gateway = processes.enter_context(
            running(log, port, "gateway", "--variant", variant, "--upstreams", upstreams)
        )
        for number in range(1, 21):
            leave_in_the_middle(port)
            status, answer = request(port, "POST", f"/api/orders-{number:03d}", b'{"n": %d}' % number)
            assert (status, answer["service"], answer["id"]) == (200, "orders", number)
        assert request(port, "POST", "/api/users", b"{}") == (
            404,
            {"error": "no service 'users'; there are orders"},
        )
        gateway.terminate()
        assert gateway.wait(STOP_TIMEOUT_S) == -signal.SIGTERM
    assert log.read_text().splitlines() == [
        f"gateway ({variant}) on http://127.0.0.1:{port}",
        "UnknownServiceError, number 1: no service 'users'; there are orders",
    ]
    assert (tmp_path / "stubs.log").read_text() == f"stubs for orders on http://127.0.0.1:{stubs_port}\n"


def test_a_bad_command_line_is_one_line() -> None:
    """A fault left out of the variant without faults: status 2, one line, no traceback."""
    argv = ["--variant", "fixed", "--port", "1", "--upstreams", "orders=127.0.0.1:1", "--without", "tasks"]
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", *argv], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "Error: --without leaves out faults of the leaky variant (tasks, sessions, cache, history, cycles); "
        "fixed has none, so drop the option\n"
    )

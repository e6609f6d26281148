"""Stubs and gateway as real processes: they start, keep to their document, survive rude clients, end on SIGTERM."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import settings
from schemathesis.checks import negative_data_rejection

from gateway.app import create_app
from gateway.upstreams import Address, Upstreams
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

VARIANTS = ("leaky", "published_fix", "fixed")
TOKEN = "0123456789abcdef"
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10


@contextmanager
def running(log: Path, port: int, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module as a process whose output goes to ``log``, from its first good answer to its end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *argv, "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "GATEWAY_DEBUG_TOKEN": TOKEN},
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


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, Any]:
    """Send one request on a connection of its own and return status and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def leave_in_the_middle(port: int) -> None:
    """Send half a request body, then reset the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b'POST /api/orders HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{"half":')
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass(frozen=True)
class Serving:
    """A gateway in front of stubs, and the logs of both."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    stubs_port: int
    stubs_log: Path


@contextmanager
def serving(variant: str, directory: Path) -> Iterator[Serving]:
    """Run a gateway and stubs for the service ``orders``, which answer within milliseconds."""
    stubs_port, port = free_port(), free_port()
    stubs_log, log = directory / "stubs.log", directory / "gateway.log"
    stubs = ("stubs", "--services", "orders", "--latency-ms", "1")
    gateway = ("gateway", "--variant", variant, "--upstreams", f"orders=127.0.0.1:{stubs_port}")
    with running(stubs_log, stubs_port, *stubs), running(log, port, *gateway) as process:
        yield Serving(process, port, log, stubs_port, stubs_log)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_gateway_from_start_to_end(variant: str, tmp_path: Path) -> None:
    """It forwards to the stub, outlives a client that breaks off and ends on SIGTERM; only the published fix prints."""
    with serving(variant, tmp_path) as gateway:
        port = gateway.port
        for number in range(1, 21):
            leave_in_the_middle(port)
            status, answer = request(port, "POST", f"/api/orders-{number:03d}", b'{"n": %d}' % number)
            assert (status, answer["service"], answer["id"]) == (200, "orders", number)
        assert request(port, "POST", "/api/users", b"{}") == (
            404,
            {"error": "no service 'users'; there are orders"},
        )
        gateway.process.terminate()
        assert gateway.process.wait(STOP_TIMEOUT_S) == -signal.SIGTERM
    printed = [f"orders-{number:03d}: asked" for number in range(1, 21)]
    assert sorted(gateway.log.read_text().splitlines()) == sorted(
        [
            f"gateway ({variant}) on http://127.0.0.1:{port}",
            "UnknownServiceError, number 1: no service 'users'; there are orders",
            *(printed if variant == "published_fix" else []),
        ]
    )
    assert gateway.stubs_log.read_text() == f"stubs for orders on http://127.0.0.1:{gateway.stubs_port}\n"


def test_memory_is_shown_to_who_has_the_token(tmp_path: Path) -> None:
    """The token opens /debug/memory, which sees the leaky gateway's tasks and sessions; another does not."""
    with serving("leaky", tmp_path) as gateway:
        for number in range(30):
            request(gateway.port, "POST", f"/api/orders-{number}", b"{}")
        wrong = {"Authorization": "Bearer wrong"}
        assert request(gateway.port, "GET", "/debug/memory", headers=wrong)[0] == 401
        right = {"Authorization": f"Bearer {TOKEN}"}
        status, snapshot = request(gateway.port, "GET", "/debug/memory?description=leaky", headers=right)
        assert (status, snapshot["client_sessions"]) == (200, 30)
        assert 30 <= snapshot["tasks"] <= 40, "uvicorn has a few of its own"
        assert f"Objects: {snapshot['tasks']} Task, 30 ClientSession, " in snapshot["text"]


DOCUMENT = create_app(
    lambda: pytest.fail("it is not started"),
    Upstreams({"orders": Address("127.0.0.1", 1)}),
    debug_token=TOKEN,
).openapi()


@pytest.fixture(scope="module", params=VARIANTS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running gateway of each variant, to which any request may be sent."""
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as gateway:
        yield gateway.port


@pytest.fixture(scope="module")
def base_url(port: int) -> str:
    """Its URL, where it has the document."""
    url = f"http://127.0.0.1:{port}"
    assert requests.get(f"{url}/openapi.json", timeout=10).json() == DOCUMENT
    return url


def test_bad_requests_are_refused(port: int) -> None:
    """No JSON, 10 MB and nesting of 10,000 are refused with a reason, and the gateway goes on."""
    for body, status, error in (
        (b"no json", 422, "the body is not valid JSON: expected ident at line 1 column 2"),
        (b'{"a":"%s"}' % (b"x" * 10_000_000), 413, "the body is longer than 1048576 bytes"),
        (
            b'{"a":%s%s}' % (b"[" * 10_000, b"]" * 10_000),
            422,
            "the body is not valid JSON: recursion limit exceeded at line 1 column 206",
        ),
    ):
        assert request(port, "POST", "/api/orders", body) == (status, {"error": error})
        assert request(port, "POST", "/api/orders", b"{}")[0] == 200


@pytest.fixture(scope="module")
def client() -> Iterator[requests.Session]:
    """One connection for all requests."""
    with requests.Session() as session:
        yield session


@schemathesis.openapi.from_dict(DOCUMENT).parametrize()
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
def test_the_document_is_kept(case: schemathesis.Case[Any], base_url: str, client: requests.Session) -> None:
    """No request, valid or not, gets a status, a content type or a body that the document does not name."""
    case.call_and_validate(
        base_url,
        client,
        {"Authorization": f"Bearer {TOKEN}"},
        excluded_checks=[negative_data_rejection],  # a case without a token is sent with ours
    )


def test_a_bad_command_line_is_one_line() -> None:
    """A fault left out of the variant without faults: status 2, one line, no traceback."""
    argv = ["--variant", "fixed", "--port", "1", "--upstreams", "orders=127.0.0.1:1", "--without", "tasks"]
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", *argv], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "Error: --without leaves out faults of the leaky variant (tasks, sessions, cache, history, cycles); "
        "with fixed, drop the option\n"
    )

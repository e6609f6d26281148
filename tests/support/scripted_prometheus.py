"""A server that answers as a test has it, over HTTP or TLS, and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What is answered; ``chunks`` are sent one after the other, each when it is taken from the iterator."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answering = Callable[[Asked], Reply]


@dataclass
class Server:
    """A running server."""

    url: str
    asked: list[Asked] = field(default_factory=list)


def matrix(*series: tuple[Mapping[str, str], list[tuple[float, float]]]) -> Reply:
    """Return the answer of Prometheus with these series."""
    result = [
        {"metric": dict(labels), "values": [[float(t_s), repr(float(value))] for t_s, value in samples]}
        for labels, samples in series
    ]
    return success({"resultType": "matrix", "result": result})


def success(data: Any) -> Reply:
    """Return a successful answer with any data."""
    text = json.dumps({"status": "success", "data": data})
    return Reply(text.encode(), headers={"Content-Type": "application/json"})


def refusal(status: int, text: str) -> Reply:
    """Return the answer to a query that cannot be run."""
    return Reply(json.dumps({"status": "error", "errorType": "bad_data", "error": text}).encode(), status)


@contextmanager
def scripted(answering: Answering, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve on a free port of 127.0.0.1 until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            asked = Asked(self.path, dict(self.headers), form)
            server.asked.append(asked)
            reply = answering(asked)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST  # noqa: N815 - the name that the base class looks for

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client may end the connection
    if tls is not None:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    server = Server(f"{scheme}://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()

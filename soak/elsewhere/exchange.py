"""One exchange with the metrics of a process elsewhere: one deadline, a bounded answer, and no host but its own."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from typing import Final
from urllib.parse import urljoin, urlsplit

from soak.elsewhere.exposition import QUERY, MetricsError, RefusedError
from soak.process.deadline import connected

EXCHANGE_S: Final = 5.0
"""Time for a whole reading, redirects included, seconds; a name that is slow to resolve comes on top."""
MOST_BYTES: Final = 32 << 20
"""Size of the largest answer that is read, bytes: 1,000 histograms have 1.2 MB."""
MOST_REDIRECTS: Final = 3
PIECE_BYTES: Final = 1 << 16
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
HEADERS: Final = {"Accept": "text/plain; version=0.0.4", "Connection": "close", "User-Agent": "soakproof"}


class Metrics:
    """The metrics at one address. Each reading has a connection of its own, so that any process there may answer it."""

    def __init__(self, url: str, path: str) -> None:
        """``url`` has a host and a port alone; ``path`` is that of the metrics."""
        address = urlsplit(url)
        self._url = url
        self._host, self._port = address.hostname or "", address.port or 80
        self._path = _with_query(path)

    def fetch(self, timeout_s: float = EXCHANGE_S) -> bytes:
        """Return the body of a successful answer.

        Raises MetricsError where there is none this time, and RefusedError where there will be none at this address.
        """
        try:
            by_s = time.monotonic() + timeout_s
            for _ in range(MOST_REDIRECTS + 1):
                if (body := self._ask(by_s - time.monotonic())) is not None:
                    return body
        except TimeoutError:
            raise MetricsError(f"no whole answer within {timeout_s:g} s") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = error.strerror if isinstance(error, OSError) else None
            raise MetricsError(f"no answer ({why or type(error).__name__})") from None
        raise RefusedError(f"more than {MOST_REDIRECTS} redirects; set metrics to the last path")

    def _ask(self, timeout_s: float) -> bytes | None:
        """Ask once; None where it redirects, to a path that is asked from then on."""
        if timeout_s <= 0:
            raise TimeoutError
        with closing(connected(self._host, self._port, timeout_s)) as connection:
            connection.request("GET", self._path, headers=HEADERS)
            answer = connection.getresponse()
            if answer.status in REDIRECTS and (location := answer.getheader("Location")):
                self._path = self._redirected(location)
                return None
            if answer.status != 200:
                raise _status_error(answer.status)
            return _body(answer)

    def _redirected(self, location: str) -> str:
        """Return the path to ask instead, which must be on the same host and port."""
        there = urlsplit(urljoin(self._url + self._path, location))
        if (there.scheme, there.hostname, there.port or 80) != ("http", self._host, self._port):
            raise RefusedError(
                f"it redirects to another address, {there.scheme}://{there.hostname}, which is not asked; "
                "if it is the right one, give it as url"
            )
        return _with_query(f"{there.path or '/'}?{there.query}" if there.query else there.path or "/")


def _with_query(path: str) -> str:
    if "name%5B%5D=" in path or "name[]=" in path:
        return path
    return f"{path}{'&' if '?' in path else '?'}{QUERY}"


def _status_error(status: int) -> MetricsError:
    if status in {401, 403}:
        return RefusedError(f"refused with {status}; give an address at which the metrics need no login")
    if status in {404, 405, 410}:
        return RefusedError(f"answered {status}; set metrics to the path of its metrics")
    return MetricsError(f"answered {status}")


def _body(answer: http.client.HTTPResponse) -> bytes:
    body = bytearray()
    while piece := answer.read(PIECE_BYTES):
        body += piece
        if len(body) > MOST_BYTES:
            raise RefusedError(f"its answer has more than {MOST_BYTES >> 20} MiB; export fewer series there")
    return bytes(body)

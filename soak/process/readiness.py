"""When a process counts as ready: a URL path answers, its port accepts, or it prints a line."""

from __future__ import annotations

import http.client
import re
import socket
import warnings
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from soak.process.deadline import connected

PORT = "port"
LOG = "log:"
TRY_TIMEOUT_S = 0.5
"""Time for a connection, and for a whole request and answer on it, seconds."""


def is_valid(ready: str) -> bool:
    """Whether it is one of the three forms: "/path", "port", or "log:" and words of a line."""
    if ready.startswith(LOG):
        return bool(_words(ready))
    return ready == PORT or re.fullmatch(r"/[!-~]*", ready) is not None


def is_ready(ready: str, url: str, new_lines: Callable[[], list[str]]) -> bool:
    """Try once, which takes up to ``TRY_TIMEOUT_S`` twice, however slowly the process sends whatever.

    ``new_lines`` returns what the process printed since the last try.
    """
    if ready.startswith(LOG):
        return any(has_words(line, _words(ready)) for line in new_lines())
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 0
    return _accepts(host, port) if ready == PORT else _answers(host, port, ready)


def what_failed(ready: str, url: str) -> str:
    """Say what did not happen, for the sentence of a process that did not get ready."""
    if ready.startswith(LOG):
        return f"no line of its output had '{_words(ready)}' (Python buffers what is printed: PYTHONUNBUFFERED=1)"
    if ready == PORT:
        return f"{urlsplit(url).netloc} did not accept a connection"
    return f"{url}{ready} did not answer with a status below 400"


def has_words(line: str, words: str) -> bool:
    """Whether the line holds the words, as they are or as a regular expression."""
    if words in line:
        return True
    try:
        with warnings.catch_warnings(action="ignore"):  # of brackets that may get another meaning
            return re.search(words, line) is not None
    except re.error:
        return False  # plain words, then


def _words(ready: str) -> str:
    return ready.removeprefix(LOG).strip()


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), TRY_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _answers(host: str, port: int, path: str) -> bool:
    """Whether GET answers with a status below 400."""
    try:
        with closing(connected(host, port, TRY_TIMEOUT_S)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status < 400
    except (OSError, ValueError, http.client.HTTPException):
        return False

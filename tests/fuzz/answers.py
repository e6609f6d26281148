"""What a target sends: answers of its probe, and answers to the question whether it is ready."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from soak.contract.clock import RunClock
from soak.elsewhere.exposition import MOST, MetricsError, read_exposition
from soak.limit.base import Unlimited
from soak.process.readiness import TRY_TIMEOUT_S, is_ready
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from soak.sampling.replies import OF_PROBE, ask_all
from soak.sampling.target import Target
from tests.fuzz import mutate
from tests.support.metrics_server import exposition
from tests.support.rogue_probe import SAMPLE

PROBE_TIMEOUT_S: Final = 0.5
LATE_S: Final = 3.0
"""Seconds beyond a deadline that a busy machine may take to notice it."""
DRIP_S: Final = 0.02
SLOW_SHARE: Final = 0.02
"""Share of answers that only a deadline ends."""
ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "collect": {"ok": True, "freed": 3},
    "trim": {"ok": True, "trimmed": True},
    "inject": {"ok": True, "held": 3},
    "who": {"ok": True, "holders": [{"holder": "a.b", "retained_bytes": 3, "entries": [{"key": "x", "value": 1}]}]},
    "stuck": {
        "ok": True, "refused": "",
        "groups": [
            {"coroutine": "job", "waits_at": "a.py:1", "source": "await x", "waits_in": "", "created": "", "stuck": 3,
             "pending": 4},
        ],
    },
    "sample": SAMPLE | {"tasks_alive": 3, "gauges": {"pool": 2.5}},
}  # fmt: skip
HTTP: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
)


class Rogue:
    """Answers each request on one connection at a time with what it was given, in one of several ways."""

    def __init__(self, listener: socket.socket, end: bytes, *, keep: bool) -> None:
        self._listener, self._end, self._keep = listener, end, keep
        self.content, self.how = b"", "whole"
        self._closed = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            with suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    connection.settimeout(5)
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        while True:
            request = b""
            while not request.endswith(self._end):
                part = connection.recv(65536)
                if not part:
                    return
                request += part
            if self.how == "drip":
                for at in range(len(self.content)):
                    connection.sendall(self.content[at : at + 1])
                    time.sleep(DRIP_S)
            elif self.how == "endless":
                while True:
                    connection.sendall(self.content or b"x")
            elif self.how == "silent":
                connection.recv(1)
            else:
                half = len(self.content) // 2 if self.how == "halves" else len(self.content)
                connection.sendall(self.content[:half])
                connection.sendall(self.content[half:])
            if not self._keep or self.how != "whole":
                return


def _how(random: Random) -> str:
    if random.random() < SLOW_SHARE:
        return random.choice(("drip", "endless", "silent"))
    return random.choice(("whole", "whole", "whole", "halves"))


class ProbeAnswers:
    """Answers on the probe's socket, to every question that a run asks."""

    name = "probe"
    inputs = 4000
    cost_ms = 10.0

    def __init__(self, scratch: Path) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(scratch / f"{os.getpid()}.sock"))
        listener.listen()
        self._rogue = Rogue(listener, b"\n", keep=True)
        self._client = ProbeClient(scratch, os.getpid())
        self._target = Target("app", os.getpid(), 1, Unlimited(), self._client)

    def try_one(self, random: Random) -> str:
        """An answer, or a gap: with the columns of the probe alone, each finite and printable, and in time."""
        op = random.choice(("sample", "sample", "sample", *ANSWERS))
        self._rogue.how = _how(random)
        self._rogue.content = mutate.encoded(random, mutate.value(random, ANSWERS[op])) + b"\n"
        began_s = time.monotonic()
        if op == "sample":
            [reply] = ask_all([self._target], RunClock(began_s), lambda: PROBE_TIMEOUT_S, exact=False)
            answer, said = dict(reply.cells), [why for why in reply.problems.values() if why]
        else:
            answer, said = {}, []
            try:
                answer = self._client.ask(op, PROBE_TIMEOUT_S)
            except ProbeError as error:
                said = [str(error)]
        took_s = time.monotonic() - began_s
        if took_s > PROBE_TIMEOUT_S + LATE_S:
            return f"{took_s:.1f} s for one question"
        if op == "sample" and (foreign := answer.keys() - {*OF_PROBE, "probe_ms"}):
            return f"columns {foreign} taken from the probe"
        return _odd(answer) or next((f"gap {why[:200]!r}" for why in said if not why.isprintable()), "")

    def close(self) -> None:
        """Drop the connection, then the listener."""
        self._client.close()
        self._rogue.close()


def _odd(value: object) -> str:
    """Return what of an answer cannot go into a recording."""
    if isinstance(value, dict):
        return next((odd for pair in value.items() for one in pair if (odd := _odd(one))), "")
    if isinstance(value, list):
        return next((odd for one in value if (odd := _odd(one))), "")
    if isinstance(value, str):
        return "" if value.isprintable() else f"text {value[:200]!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"number {value}"
    return (
        f"an integer of {value.bit_length()} bits"
        if isinstance(value, int) and value.bit_length() > 64
        else ""
    )


class Readiness:
    """Answers to ``GET /healthz``."""

    name = "healthz"
    inputs = 2500
    cost_ms = 12.0

    def __init__(self, scratch: Path) -> None:
        del scratch
        listener = socket.create_server(("127.0.0.1", 0))
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._rogue = Rogue(listener, b"\r\n\r\n", keep=False)

    def try_one(self, random: Random) -> str:
        """Ready or not, in time."""
        self._rogue.how = _how(random)
        original = random.choice(
            (HTTP, HTTP, "HTTP/1.1 100 Continue\r\n\r\n" * random.choice((1, 50)) + HTTP)
        )
        self._rogue.content = mutate.encoded(random, mutate.text(random, original))
        if self._rogue.how == "endless":
            self._rogue.content = random.choice(
                (b"HTTP/1.1 100 Continue\r\n\r\n", b"X: y\r\n", b"x", b"\r\n")
            )
        began_s = time.monotonic()
        ready = is_ready("/healthz", self._url, list)
        took_s = time.monotonic() - began_s
        if took_s > 2 * TRY_TIMEOUT_S + LATE_S:
            return f"{took_s:.1f} s for one question"
        return "" if isinstance(ready, bool) else f"neither ready nor not: {ready!r}"

    def close(self) -> None:
        """Stop listening."""
        self._rogue.close()


class Metrics:
    """What a service that runs elsewhere states of itself."""

    name = "metrics"
    inputs = 2500
    cost_ms = 0.2

    def __init__(self, scratch: Path) -> None:
        del scratch
        self._original = exposition().decode()

    def try_one(self, random: Random) -> str:
        """A possible number, an empty cell, or a reading that failed."""
        try:
            found = read_exposition(mutate.encoded(random, mutate.text(random, self._original)))
        except MetricsError:
            return ""
        values = [found.start_s, *(value for value in found.cells.values() if value is not None)]
        wrong = [value for value in values if not isinstance(value, int | float) or not 0 <= value <= MOST]
        return f"taken as readings: {wrong}" if wrong else ""

    def close(self) -> None:
        """Stop nothing."""

"""Our end of the probe's socket, against targets that bind it themselves."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from tests.support.rogue_probe import SAMPLE, Behave, RogueProbe, line

SHORT_S = 0.05
MakeRogue = Callable[..., ProbeClient]


@pytest.fixture
def rogue(tmp_path: Path) -> Iterator[MakeRogue]:
    """Return a function that makes a target of a behaviour and returns the client of its probe."""
    made: list[RogueProbe | ProbeClient] = []

    def make(behave: Behave) -> ProbeClient:
        client = ProbeClient(tmp_path, os.getpid())
        made.extend((RogueProbe(tmp_path, behave), client))
        return client

    yield make
    for one in made:
        one.close()


def answering(answer: bytes) -> Behave:
    return lambda connection, _request: connection.sendall(answer)


def drip(connection: socket.socket, _request: object) -> None:
    """A byte each hundredth of a second, without end."""
    for _ in itertools.count():
        connection.sendall(b" ")
        time.sleep(0.01)


def never(_connection: socket.socket, _request: object) -> None: ...


def flood(connection: socket.socket, _request: object) -> None:
    for _ in itertools.count():
        connection.sendall(b"[" * 65536)


class Overlapping(ProbeClient):
    """Asks a second question while the first one waits for its answer."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), 1)
        self.second: dict[str, object] | ProbeError | None = None

    def _exchange(self, request: bytes, timeout_s: float) -> bytes:  # noqa: ARG002 - nothing is sent
        if self.second is None:
            try:
                self.second = self.ask("sample", 0.01)
            except ProbeError as error:
                self.second = error
        return b'{"ok": true, "trimmed": true}'


def test_a_question_behind_a_long_one_waits_no_longer_than_it_may() -> None:
    """The sampler's row is written without the probe while a search for holders goes on; the search has its answer."""
    probe = Overlapping()
    assert probe.ask("trim", 10.0) == {"ok": True, "trimmed": True}
    assert str(probe.second) == "probe: sample: it is still busy with another question"
    assert probe.ask("trim", 0.01) == {"ok": True, "trimmed": True}


def test_no_probe_is_an_error_that_names_the_question() -> None:
    """And the next question is asked again."""
    probe = ProbeClient(Path("nowhere"), 1)
    for _ in range(2):
        with pytest.raises(ProbeError, match=r"^probe: sample: "):
            probe.ask("sample", 0.01)


@pytest.mark.parametrize("behave", [drip, never], ids=["drips", "never answers"])
def test_an_exchange_has_one_deadline(rogue: MakeRogue, behave: Behave) -> None:
    """Each byte would begin a time-out of the socket anew."""
    probe = rogue(behave)
    began_s = time.monotonic()
    with pytest.raises(ProbeError, match=r"^probe: sample: timed out$"):
        probe.ask("sample", SHORT_S)
    assert SHORT_S <= time.monotonic() - began_s < SHORT_S + 0.5


def test_an_answer_without_end_is_cut(rogue: MakeRogue) -> None:
    """After a megabyte, long before the deadline."""
    probe = rogue(flood)
    with pytest.raises(ProbeError, match=r"^probe: sample: the answer is too long$"):
        probe.ask("sample", 30.0)


def test_a_queue_of_connections_that_is_full_has_the_same_deadline(tmp_path: Path) -> None:
    """A target that never accepts: a blocking connect to a Unix socket would wait without end."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(tmp_path / f"{os.getpid()}.sock"))
        listener.listen(0)
        first.connect(listener.getsockname())
        with pytest.raises(ProbeError, match=r"^probe: sample: timed out$"):
            ProbeClient(tmp_path, os.getpid()).ask("sample", SHORT_S)


def test_closing_ends_a_question_that_waits_and_every_later_one(rogue: MakeRogue) -> None:
    """The end of a run does not wait for a frozen target: here for 30 s."""
    asked = threading.Event()
    probe = rogue(lambda _connection, _request: asked.set())
    errors: list[str] = []

    def ask() -> None:
        try:
            probe.ask("who", 30.0)
        except ProbeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(5.0)
    probe.close()
    thread.join(5.0)
    assert not thread.is_alive()
    ask()
    assert errors == [
        "probe: who: the process closed the connection",
        "probe: who: the process has ended",
    ]


def test_after_a_bad_answer_the_next_question_has_a_connection_of_its_own(rogue: MakeRogue) -> None:
    """What came behind the first answer is not taken for the second."""
    two = line({**SAMPLE, "live_blocks": 1}) + line({**SAMPLE, "live_blocks": 2})
    answers = iter([two, line({**SAMPLE, "live_blocks": 3})])
    probe = rogue(lambda connection, _request: connection.sendall(next(answers)))
    with pytest.raises(ProbeError, match="not an answer"):
        probe.ask("sample", 5.0)
    assert probe.ask("sample", 5.0)["live_blocks"] == 3


def test_another_process_does_not_answer_for_the_target(tmp_path: Path) -> None:
    """An arm could bind the socket of the other arm: the directory is shared."""
    stranger = RogueProbe(tmp_path, answering(line(SAMPLE)), pid=1)
    with pytest.raises(ProbeError, match=rf"^probe: sample: pid {os.getpid()} answers for pid 1$"):
        ProbeClient(tmp_path, 1).ask("sample", 5.0)
    stranger.close()


def test_a_directory_that_may_not_be_looked_into_has_no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attached process names it in its environment."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "stat", refuse)
    assert not ProbeClient(Path("/secret"), 1).exists

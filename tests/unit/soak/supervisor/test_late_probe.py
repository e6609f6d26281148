"""The probe put into processes that run: what is tried, what is refused, and that nothing is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from soak.errors import UsageError
from soak.heap.cpython import remote_exec
from soak.heap.errors import HeapError
from soak.process import placed_files
from soak.supervisor import late_probe as module
from soak.supervisor.attachments import Attachment
from soak.supervisor.ending import StopRequest
from soak.supervisor.late_probe import ANSWER_S, late_probes

TARGET = "import sys\nprint(flush=True)\nfor line in sys.stdin: exec(open(line.strip()).read(), {})\n"
"""Runs the files whose paths it reads, each in a namespace of its own, as a Python runs what a debugger has it run."""


class Target:
    """A process that runs files on request, as ``RemoteExec`` has a Python of 3.14 do."""

    def __init__(self, script: str = TARGET) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.pid = self.process.pid
        self.attachment = Attachment(psutil.Process(self.pid))
        self.answers = True
        """Whether it runs what it is asked to."""
        self.withdrawn = False

    def request(self, path: str) -> None:
        assert self.process.stdin is not None
        if self.answers:
            print(path, file=self.process.stdin, flush=True)

    def withdraw(self) -> None:
        self.withdrawn = True


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which files are placed."""
    monkeypatch.setattr(placed_files, "PLACES", (str(tmp_path),))
    return tmp_path


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Target]]:
    """Return a function that starts a target; each other process takes no probe."""
    started: list[Target] = []

    def find(pid: int) -> Any:
        for target in started:
            if target.pid == pid:
                return target
        raise HeapError(f"pid {pid} runs Python 3.13.1; only 3.14 and 3.15 do.")

    def start(script: str = TARGET) -> Target:
        started.append(Target(script))
        return started[-1]

    monkeypatch.setattr(remote_exec, "find_remote_exec", find)
    yield start
    for target in started:
        target.process.kill()
        target.process.communicate()


Start = Callable[..., Target]


def test_a_probe_is_put_in_asked_and_its_files_are_gone(place: Path, targets: Start) -> None:
    """It answers as if the process had been started with it."""
    target = targets()
    with late_probes([target.attachment], StopRequest()) as found:
        late = found[target.attachment]
        assert list(late.directories) == [target.pid]
        assert late.directories[target.pid].parent == place
        probe = late.find(target.pid)
        assert probe is not None
        assert probe.ask("sample", 10.0)["live_blocks"] > 0
        probe.close()
    assert not list(place.iterdir())
    assert target.process.poll() is None


def test_a_second_visit_uses_what_the_first_left(place: Path, targets: Start) -> None:
    """Also what the first one did not import, from the files of the second."""
    target = targets()
    with late_probes([target.attachment], StopRequest()):
        pass
    with late_probes([target.attachment], StopRequest()) as found:
        probe = found[target.attachment].find(target.pid)
        assert probe is not None
        assert probe.ask("sample", 10.0)["live_blocks"] > 0
        probe.close()
    assert not list(place.iterdir())


def test_one_that_takes_no_probe_is_refused_before_anything_is_written(
    place: Path, targets: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line with the reason; the message ends once."""
    targets()
    here = Attachment(psutil.Process(os.getpid()))
    monkeypatch.setattr(module, "descendants", lambda _: [])
    with (
        pytest.raises(
            UsageError, match=r"^--inject: pid \d+ runs Python 3\.13\.1; only 3\.14 and 3\.15 do\.$"
        ),
        late_probes([here], StopRequest()),
    ):
        pass
    assert not list(place.iterdir())


def test_one_that_waits_for_an_event_is_refused_in_time(place: Path, targets: Start) -> None:
    """The request is taken back, and nothing is left for it to run later."""
    target, now_s = targets(), [0.0]
    target.answers = False

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    with (
        pytest.raises(
            UsageError, match=r"did not start the probe in time \(10 s\): .* as that of an idle server"
        ),
        late_probes([target.attachment], StopRequest(), sleep=sleep, now_s=lambda: now_s[0]),
    ):
        pass
    assert ANSWER_S <= now_s[0] < ANSWER_S + 0.1
    assert target.withdrawn
    assert not list(place.iterdir())


def test_a_stop_ends_the_wait(place: Path, targets: Start) -> None:
    """The recording that follows ends at once, too, and has the reason."""
    target = targets()
    target.answers = False
    stop_request = StopRequest()
    stop_request.note("SIGINT")
    with late_probes([target.attachment], stop_request) as found:
        assert "did not start the probe" in found[target.attachment].refused[target.pid]
    assert target.withdrawn
    assert not list(place.iterdir())


def test_a_probe_that_cannot_start_there_has_its_reason(place: Path, targets: Start) -> None:
    """Here a target in which no socket can be made."""
    broken = "import _socket\ndel _socket.AF_UNIX\n"
    target = targets(broken + TARGET)
    with (
        pytest.raises(
            UsageError,
            match=r"^--inject: pid \d+: the probe did not start in it: ImportError: .*AF_UNIX.*\.$",
        ),
        late_probes([target.attachment], StopRequest()),
    ):
        pass
    assert not list(place.iterdir())


def test_a_program_of_greenlets_takes_none(place: Path, targets: Start) -> None:
    """The probe would be one of them, and its waiting would stop the others."""
    target = targets("from gevent import monkey\nmonkey.patch_all()\n" + TARGET)
    with (
        pytest.raises(UsageError, match=r"RuntimeError: its threads are replaced, as by gevent or eventlet"),
        late_probes([target.attachment], StopRequest()),
    ):
        pass
    assert not list(place.iterdir())


def test_below_a_launcher_the_service_has_the_probe(
    place: Path, targets: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the launcher is refused for is noted, and no reason to give up."""
    target = targets()
    here = Attachment(psutil.Process(os.getpid()))
    monkeypatch.setattr(module, "descendants", lambda _: [target.pid])
    with late_probes([here], StopRequest()) as found:
        late = found[here]
        assert (list(late.directories), list(late.refused)) == ([target.pid], [os.getpid()])
        assert late.find(os.getpid()) is None
    assert not list(place.iterdir())

"""The probe put into processes that were started without it, on ``--inject``: CPython 3.14 and later run it on request.

A copy of the probe is placed where the process can read it, and removed at the end. The probe itself leaves when nobody
has asked it for twenty seconds, also after a ``kill -9`` of the harness.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soak.errors import UsageError, printable
from soak.heap.errors import HeapError
from soak.process.placed_files import PlacedFiles
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.process.procfs import descendants, environment_value
from soak.sampling.probe_client import ProbeClient
from soak.supervisor.attachments import Attachment
from soak.supervisor.ending import StopRequest

if TYPE_CHECKING:
    from soak.heap.cpython.remote_exec import RemoteExec

ANSWER_S: Final = 10.0
"""Time for the probes of all processes to start, seconds: a process that waits for an event starts none before it."""
_LOOK_EVERY_S: Final = 0.05
_SCRIPT: Final = """\
import os, sys
sys.path.insert(0, {path!r})
try:
    import soak_probe
    if not os.path.isdir(soak_probe.__path__[0]):
        soak_probe.__path__[:] = [{path!r} + "/soak_probe"]
    soak_probe.visit({path!r})
    result = ""
except Exception as error:
    result = type(error).__name__ + ": " + str(error)
if {path!r} in sys.path:
    sys.path.remove({path!r})
try:
    with open({path!r} + "/result.part", "w") as file:
        file.write(result)
    os.rename({path!r} + "/result.part", {path!r} + "/result")
except OSError:
    pass
"""
_SCRIPT_NAME: Final = "start.py"


@dataclass(frozen=True, slots=True)
class LateProbes:
    """What became of the processes of an attachment."""

    directories: dict[int, Path] = field(default_factory=dict)
    """By pid as we see it: the directory of its probe's socket, in its own mount namespace."""
    refused: dict[int, str] = field(default_factory=dict)
    """By pid: why it has no probe."""

    def find(self, pid: int) -> ProbeClient | None:
        """Return our end of the probe of a process; a forked child has its socket in the directory of its parent."""
        own = self.directories.get(pid)
        tried = [own] if own else self.directories.values()
        clients = (ProbeClient(directory, pid) for directory in tried)
        return next((client for client in clients if client.exists), None)


def probe_of(pid: int) -> ProbeClient | None:
    """Return our end of the probe that the process was started with, if it was: its environment names the directory."""
    directory = environment_value(pid, PROBE_DIRECTORY_VARIABLE)
    return None if directory is None else ProbeClient(Path(directory), pid)


class _Guest:
    """A probe on its way into one process."""

    def __init__(self, remote: RemoteExec) -> None:
        """Place its files and request that the process runs them; raises OSError, ValueError or HeapError."""
        self.pid = remote.pid
        self._remote = remote
        self._files = PlacedFiles(remote.pid)
        try:
            self.directory = Path(self._files.path)
            script = _SCRIPT.format(path=self._files.path).encode()
            self._files.write({_SCRIPT_NAME: script, **_probe_files()})
            remote.request(f"{self._files.path}/{_SCRIPT_NAME}")
        except BaseException:  # Ctrl-C, too, leaves no file in the process's mount namespace
            self._files.remove()
            raise

    @property
    def has_come(self) -> bool:
        """Whether the probe listens; raises HeapError with the reason why it never will."""
        result = self._files.read("result")
        if result:
            text = printable(result.decode(errors="replace"))
            raise HeapError(f"pid {self.pid}: the probe did not start in it: {text}")
        return result is not None

    def give_up(self) -> str:
        """Take the request back; return why; raises HeapError."""
        self._remote.withdraw()
        return (
            f"pid {self.pid} did not start the probe in time ({ANSWER_S:g} s): its main thread ran no Python since, "
            "as that of an idle server; send it a request meanwhile, and try again"
        )

    def leave(self) -> None:
        """Remove the files. Idempotent."""
        self._files.remove()


@contextmanager
def late_probes(
    attachments: Iterable[Attachment],
    stop_request: StopRequest,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> Iterator[dict[Attachment, LateProbes]]:
    """Put a probe into each process without one, and remove all files of ours at the end.

    Raises UsageError where no process of an attachment takes one, before anything is written if that is known then.
    """
    found = {one: LateProbes() for one in attachments}
    wanted = {one: _remotes(one, late) for one, late in found.items()}
    guests: dict[_Guest, LateProbes] = {}
    try:
        for one, late in found.items():
            for remote in wanted[one]:
                try:
                    guests[_Guest(remote)] = late
                except (OSError, ValueError, HeapError) as error:
                    late.refused[remote.pid] = str(error)
        _await(guests, stop_request, sleep, now_s)
        for one, late in found.items():
            if wanted[one] and not late.directories and not stop_request.is_noted:
                raise UsageError(_refusal(late, wanted[one][0].pid))
        yield found
    finally:
        for guest in guests:
            guest.leave()


def _remotes(one: Attachment, late: LateProbes) -> list[RemoteExec]:
    """Return how the processes without a probe are asked; raises UsageError where there are some but none takes one."""
    from soak.heap.cpython.remote_exec import find_remote_exec  # noqa: PLC0415 - numpy has no place beside a run

    remotes = []
    processes = [one.process.pid, *descendants(one.process.pid)]
    without = [pid for pid in processes if (probe := probe_of(pid)) is None or not probe.exists]
    for pid in without:
        try:
            remotes.append(find_remote_exec(pid))
        except HeapError as error:
            late.refused[pid] = str(error)
    if not remotes and len(without) == len(processes):
        raise UsageError(_refusal(late, one.process.pid))
    return remotes


def _refusal(late: LateProbes, pid: int) -> str:
    return f"--inject: {late.refused[pid].rstrip('.')}."


def _await(
    guests: dict[_Guest, LateProbes],
    stop_request: StopRequest,
    sleep: Callable[[float], None],
    now_s: Callable[[], float],
) -> None:
    """Wait until each probe listens, cannot, or the time is over; note which."""
    by_s = now_s() + ANSWER_S
    left = dict(guests)
    while left:
        is_late = stop_request.is_noted or now_s() >= by_s
        for guest, late in list(left.items()):
            try:
                if guest.has_come:
                    late.directories[guest.pid] = guest.directory
                    del left[guest]
                elif is_late:
                    late.refused[guest.pid] = guest.give_up()
                    del left[guest]
            except HeapError as error:
                late.refused[guest.pid] = str(error)
                del left[guest]
        if left:
            sleep(_LOOK_EVERY_S)


def _probe_files() -> dict[str, bytes]:
    """Return the probe's files by their paths below the directory."""
    root = PROBE_PATH / "soak_probe"
    return {str(path.relative_to(PROBE_PATH)): path.read_bytes() for path in sorted(root.rglob("*.py"))}

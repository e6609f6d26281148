"""One child process: started by its keeper into its limit, its output in a capped file, stopped by one ladder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from soak.contract.tail import LineTail
from soak.errors import HarnessError, UsageError
from soak.process import keeper
from soak.process.guard import Guard
from soak.process.listeners import Serving, listener_at, who_serves
from soak.process.log import cap_log
from soak.process.procfs import processes_of
from soak.process.readiness import LOG, is_ready, what_failed
from soak.process.spec import ProcessSpec
from soak.regular_files import open_output

_KILL_WAIT_S = 2.0
"""Time from SIGKILL until a process is taken for stuck in the kernel, seconds."""
_START_S = 10.0
"""Time for a keeper to start its command, seconds; it takes 0.05 on an idle machine."""
_LOOK_EVERY_S = 0.02
_SERVING_LOOKS = 3
"""Looks by which another process has to serve at the address before the start is refused."""
_SERVING_LOOK_EVERY_S = 0.1


def describe_exit(code: int) -> str:
    """Put an exit code of subprocess in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class Running(Protocol):
    """One life of an arm that was started: a process of ours, or a container whose client that is."""

    @property
    def spec(self) -> ProcessSpec:
        """What was started."""

    @property
    def log(self) -> Path:
        """The file of what it prints."""

    @property
    def sampled_pid(self) -> int | None:
        """The process that is sampled with all below it; None until that is known. May raise SoakError."""

    @property
    def detail(self) -> str:
        """What it is beside its command, for the event of its start; "" for nothing."""

    @property
    def doubt(self) -> str:
        """What is not known of it once it is ready, for the event of that; "" for nothing."""

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left that a next life could meet, once it has ended."""

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code, negative for a signal."""

    def is_ready(self) -> bool:
        """Whether it is ready; tries once. May raise UsageError."""

    def what_failed(self) -> str:
        """Say what did not happen, for the sentence of one that did not get ready."""

    def describe_exit(self, code: int) -> str:
        """Put its exit code in words."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """Kill it and all below it."""

    def leave(self) -> int:
        """Return the exit code; one that is stuck counts as killed, and is left to the guard."""

    def cap_log(self) -> None:
        """Keep the log small."""


class Spawn(Protocol):
    """Starts a process, as the constructor of ``Child`` does."""

    def __call__(  # noqa: D102
        self,
        spec: ProcessSpec,
        log: Path,
        guard: Guard,
        cgroup_procs: Path | None = None,
        *,
        stdin: bool = False,
    ) -> Child: ...


def start_kept(
    name: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    cgroup: str = "",
    directory: str = "",
    container: str = "",
    **how: Any,
) -> tuple[subprocess.Popen[bytes], socket.socket, int]:
    """Start a command below a keeper, ``how`` as for Popen; return the keeper, the channel to it and the command's pid.

    The keeper ends as the command does. Any byte on the channel has the command killed, and so has its end. Raises
    HarnessError when the command is not started within _START_S.
    """
    channel, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(theirs.fileno())],
            start_new_session=True,
            pass_fds=[theirs.fileno()],
            **how,
        )
    channel.settimeout(_START_S)
    try:
        channel.sendall(keeper.order_line(tuple(argv), env, cgroup, directory, container))
        answer = channel.recv(32)
    except OSError:
        answer = b""
    if not answer:
        process.kill()
        process.wait()
        channel.close()
        raise HarnessError(f"{name} could not be started; the machine may be out of memory. Free some.")
    return process, channel, int(answer)


class Child:
    """A running process in its own session, below a keeper that ends all that it leaves behind."""

    def __init__(
        self,
        spec: ProcessSpec,
        log: Path,
        guard: Guard,
        cgroup_procs: Path | None = None,
        *,
        stdin: bool = False,
    ) -> None:
        if (missing := spec.why_not_startable()) is not None:
            raise UsageError(f"{spec.name}: {' '.join(missing)}.")
        self.spec = spec
        self.log = log
        self._guard = guard
        if spec.container is not None:  # before there is one
            guard.add_container(*spec.container)
        # O_APPEND lets cap_log truncate the file under the child's feet
        with open_output(log, "a") as output:
            self._printed = LineTail(log, offset=output.tell())
            self._process, self._channel, self.pid = start_kept(
                spec.name,
                spec.argv,
                {**os.environ, **spec.env},
                cgroup="" if cgroup_procs is None else str(cgroup_procs.parent),
                directory=guard.directory,
                container=" ".join(spec.container or ()),
                cwd=spec.cwd,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._ended = False
        self._doubt = ""
        self._is_forwarded = False
        """Whether its address answered at the last try, and nobody listened there."""
        guard.add_group(self.pid)

    @property
    def sampled_pid(self) -> int | None:
        """The process itself."""
        return self.pid

    @property
    def detail(self) -> str:
        """Nothing: its command is in the manifest."""
        return ""

    @property
    def doubt(self) -> str:
        """Whether it is one of its processes that serves, where that could not be read."""
        return self._doubt

    @property
    def is_gone(self) -> bool:
        """Whether it is gone: with the process all that it left is."""
        return True

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code, negative for a signal."""
        code = self._process.poll()
        if code is not None:
            self._end_group()
        return code

    def send_line(self, line: str) -> None:
        """Write a line to its standard input; for a process that is gone, or gets no more, it is dropped."""
        try:
            if self._process.stdin is not None and not self._process.stdin.closed:
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its exit is noticed by poll

    def close_input(self) -> None:
        """Close its standard input: no more orders will come. Idempotent."""
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            if self._process.stdin is not None:
                self._process.stdin.close()

    def is_ready(self) -> bool:
        """Whether it is ready, and serves at its address; tries once.

        Raises UsageError where another process serves there: that one would be loaded, and this one judged.
        """
        if not is_ready(self.spec.ready, self.spec.url, self._printed.new_lines):
            return False
        return self.spec.container is not None or not self.spec.url or self._serves()

    def _serves(self) -> bool:
        """Whether it listens at its address, or may; one that has printed its line may listen later, or nowhere."""
        address = urlsplit(self.spec.url)
        host, port = address.hostname or "", address.port or 0
        for _ in range(_SERVING_LOOKS):  # a worker may be starting, or have another parent just now
            serving = who_serves(host, port, lambda: (self.pid, *processes_of(self.pid)))
            if serving is not Serving.OTHER:
                break
            time.sleep(_SERVING_LOOK_EVERY_S)
        else:
            other = listener_at(host, port) or "another process"
            raise UsageError(
                f"{self.spec.name}: port {port} is served by {other}, which is no process of its command. Soak a "
                "container by `image` and what runs elsewhere by `url` of the arm, or stop who took the port."
            )
        if serving is Serving.UNKNOWN:
            self._doubt = f"whether one of its processes listens at port {port} could not be read"
        self._is_forwarded = serving is Serving.NOBODY and not self.spec.ready.startswith(LOG)
        return not self._is_forwarded

    def what_failed(self) -> str:
        """Say what did not happen, for the sentence of a process that did not get ready."""
        if self._is_forwarded:
            return (
                f"{urlsplit(self.spec.url).netloc} answered (it is forwarded, as to a container, which is soaked by "
                "`image` of the arm), but no process of this machine listened there"
            )
        return what_failed(self.spec.ready, self.spec.url)

    def describe_exit(self, code: int) -> str:
        """Put its exit code in words."""
        return describe_exit(code)

    def terminate(self) -> None:
        """Ask the whole group to end; one that is stopped goes on, so that it can."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process and all below it."""
        self._signal(signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._channel.send(b"k")

    def stop(self) -> int:
        """Terminate, wait, kill; return the exit code. Safe to call again."""
        end_together([self])
        return self.leave()

    def leave(self) -> int:
        """Return the exit code; a process that is stuck in the kernel counts as killed, and is left to the guard."""
        code = self.poll()
        if code is None:
            self._process.kill()  # its keeper: the kernel kills the command when it can
            self._end_group()
        self.cap_log()
        return -signal.SIGKILL if code is None else code

    def cap_log(self) -> None:
        """Keep the log small, as ``log.cap_log``."""
        cap_log(self.log)

    def _signal(self, number: int) -> None:
        # gone already, or another user's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _end_group(self) -> None:
        """What the process left running in its session ends with it."""
        if self._ended:
            return  # the group id may belong to someone else by now
        self._ended = True
        self.close_input()
        self._signal(signal.SIGKILL)
        self._guard.drop_group(self.pid)
        self._channel.close()


def end_together(
    children: Sequence[Running],
    is_late: Callable[[Running, float], bool] = lambda child, waited_s: waited_s > child.spec.stop_timeout_s,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Terminate processes at the same time, and kill each that is late; returns when all are gone or stuck.

    ``is_late`` gets a process and the seconds since it was asked to end.
    """
    began_s = now_s()
    for child in children:
        child.terminate()
    killed_s: dict[Running, float] = {}
    waiting = list(children)
    while waiting := [child for child in waiting if child.poll() is None]:
        for child in waiting:
            if child not in killed_s and is_late(child, now_s() - began_s):
                child.kill()
                killed_s[child] = now_s()
        waiting = [child for child in waiting if now_s() - killed_s.get(child, now_s()) <= _KILL_WAIT_S]
        if waiting:
            sleep(_LOOK_EVERY_S)

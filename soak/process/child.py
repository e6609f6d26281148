"""One child process: started into its limit, with its output in a capped file, and stopped by one ladder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from soak.contract.tail import LineTail
from soak.errors import UsageError
from soak.process import exec_child
from soak.process.guard import Guard
from soak.process.readiness import is_ready
from soak.process.spec import ProcessSpec

LOG_CAP_BYTES = 10_000_000
_KILL_WAIT_S = 5.0


def describe_exit(code: int) -> str:
    """Put an exit code of subprocess in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


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


class Child:
    """A running process in its own session. Start it from the main thread: the parent-death signal is tied to it."""

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
        launcher = [
            sys.executable,
            "-I",
            "-S",
            exec_child.__file__,
            str(os.getpid()),
            str(cgroup_procs or "-"),
        ]
        # O_APPEND lets cap_log truncate the file under the child's feet
        with log.open("ab") as output:
            self._printed = LineTail(log, offset=output.tell())
            self._process = subprocess.Popen(
                [*launcher, *spec.argv],
                cwd=spec.cwd,
                env={**os.environ, **spec.env},
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._ended = False
        guard.add_group(self.pid)

    def poll(self) -> int | None:
        """Return None while it runs, else its exit code, negative for a signal."""
        code = self._process.poll()
        if code is not None:
            self._end_group()
        return code

    def send_line(self, line: str) -> None:
        """Write a line to its standard input; for a process that is gone it is dropped."""
        try:
            if self._process.stdin is not None:
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
        """Whether it is ready; tries once."""
        return is_ready(self.spec.ready, self.spec.url, self._printed.new_lines)

    def kill(self) -> None:
        """Send SIGKILL to the whole group."""
        self._signal(signal.SIGKILL)

    def stop(self) -> int:
        """Terminate, wait, kill the group; return the exit code. Safe to call again."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(self.spec.stop_timeout_s)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel: the guard goes on
                    self._process.wait(_KILL_WAIT_S)
        self._end_group()
        return -signal.SIGKILL if self._process.returncode is None else self._process.returncode

    def cap_log(self) -> None:
        """Keep the log below twice LOG_CAP_BYTES: the older part moves to ``<name>.1``."""
        with contextlib.suppress(OSError):  # no room for the older part, or somebody removed the log
            if self.log.stat().st_size > LOG_CAP_BYTES:
                try:
                    shutil.copyfile(self.log, f"{self.log}.1")
                finally:
                    os.truncate(self.log, 0)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # gone already
            os.killpg(self.pid, number)

    def _end_group(self) -> None:
        """What the process left running in its session ends with it."""
        if self._ended:
            return  # the group id may belong to someone else by now
        self._ended = True
        self.close_input()
        self._signal(signal.SIGKILL)
        self._guard.drop_group(self.pid)

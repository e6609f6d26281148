"""The guard: a small process that outlives the supervisor by a moment and leaves nothing behind.

The supervisor writes to its pipe what exists (process groups, containers, cgroups, the probe's directory) and what is
gone again. When the pipe closes, for whatever reason, also ``kill -9``, the guard kills and removes what is still on
its list. The kernel's parent-death signal reaches only direct children; this reaches the workers that a target forks.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

_REMOVE_S = 4.0
"""Time to remove a cgroup, seconds: what was killed is a member until it is gone."""
_REMOVE_PAUSE_S = 0.05
_CALL_S = 30.0
"""Time for one call of a container engine, seconds."""
_CONTAINER_S = 60.0
"""Time to remove a container, seconds; it takes 0.3 to 0.8 on an idle machine, but waits while podman imports an image.
"""
_ABSENT_TIMES = 5
"""How often in a row an engine must not have a container that counts as removed: it may still be creating it."""
NONE_SUCH = re.compile(
    r"no such (?:image|container|object)\b|image not known|no container with name", re.IGNORECASE
)
"""What both engines print about a name that they do not have; one that is not reached prints "no such file", "no such
host"."""
NO_PROGRAM = 127
"""Exit code that stands for an engine that is not on PATH, as a shell has it."""
_CLOSE_S = 5.0
"""Time to wait for the guard at the end, seconds; later, as with a process that is stuck in the kernel, it goes on."""


class Guard:
    """The supervisor's end of the pipe. ``close`` is idempotent."""

    def __init__(self) -> None:
        self.directory = ""
        """The run's private directory; empty before there is one."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=1,
            encoding="utf-8",
            errors="surrogateescape",  # a path may be no text
        )

    def add_group(self, pgid: int) -> None:
        """A process group to kill."""
        self._send(f"+group {pgid}")

    def drop_group(self, pgid: int) -> None:
        """The group is gone."""
        self._send(f"-group {pgid}")

    def add_cgroup(self, path: Path) -> None:
        """A cgroup whose processes are to be killed, and which is to be removed."""
        self._send(f"+cgroup {path}")

    def drop_cgroup(self, path: Path) -> None:
        """The cgroup is gone."""
        self._send(f"-cgroup {path}")

    def add_container(self, engine: str, name: str) -> None:
        """A container to kill and remove, by its name; ``engine`` is a program on PATH."""
        self._send(f"+container {engine} {name}")

    def drop_container(self, engine: str, name: str) -> None:
        """The container is gone."""
        self._send(f"-container {engine} {name}")

    def add_leaf(self, path: Path) -> None:
        """A cgroup v2 that the supervisor entered, and the guard with it; its parent had no controllers before."""
        self._send(f"+leaf {path}")

    def drop_leaf(self, path: Path) -> None:
        """The leaf is gone."""
        self._send(f"-leaf {path}")

    def add_directory(self, path: Path) -> None:
        """The run's private directory, to be removed; processes whose environment names it are killed."""
        self.directory = str(path)
        self._send(f"+directory {path}")

    def close(self) -> None:
        """Let the guard clear what is left, and wait for it."""
        self._process.send_signal(signal.SIGCONT)  # somebody may have stopped it
        if self._process.stdin is not None and not self._process.stdin.closed:
            # someone may have killed the guard; the parent-death signal still holds
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_S)

    def _send(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # as in close
            if self._process.stdin is not None:
                self._process.stdin.write(line + "\n")


def listen(pipe: IO[str]) -> dict[str, list[str]]:
    """Read the pipe to its end and return what is left, by kind, in the order it was added."""
    left: dict[str, list[str]] = {"group": [], "container": [], "cgroup": [], "leaf": [], "directory": []}
    for line in pipe:
        sign_and_kind, _, value = line.rstrip("\n").partition(" ")
        names = left[sign_and_kind[1:]]
        if sign_and_kind[0] == "+":
            names.append(value)
        elif value in names:
            names.remove(value)
    return left


def clear(left: dict[str, list[str]]) -> None:
    """Kill the groups, kill and remove containers and cgroups, remove the directories."""
    for pgid in left["group"]:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # already gone
            os.killpg(int(pgid), signal.SIGKILL)
    for container in left["container"]:
        engine, _, name = container.partition(" ")
        remove_container(engine, name)
    for cgroup in reversed(left["cgroup"]):
        remove_cgroup(Path(cgroup))
    for directory in left["directory"]:
        kill_marked(directory)
        shutil.rmtree(directory, ignore_errors=True)
    for leaf in left["leaf"]:
        leave_leaf(Path(leaf))


def leave_leaf(path: Path) -> None:
    """Leave a leaf, where that is possible, and remove it; what else is in it is killed."""
    for file, text in (("cgroup.subtree_control", "-memory"), ("cgroup.procs", str(os.getpid()))):
        with contextlib.suppress(OSError):
            (path.parent / file).write_text(text)
    remove_cgroup(path)


def kill_marked(directory: str) -> None:
    """Kill every process whose environment names the run's private directory: a target may have left its session."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile, or not ours to read
            if directory.encode() in environment.read_bytes():
                os.kill(int(environment.parent.name), signal.SIGKILL)


def remove_cgroup(path: Path, patience_s: float = _REMOVE_S) -> bool:
    """Kill what is left in a cgroup and those below it, and remove them.

    False when they would not go within ``patience_s`` seconds.
    """
    until_s = time.monotonic() + patience_s
    while path.exists():
        try:
            for directory, _, _ in os.walk(path, topdown=False):
                for pid in Path(directory, "cgroup.procs").read_text().split():
                    if int(pid) != os.getpid():
                        os.kill(int(pid), signal.SIGKILL)
                Path(directory).rmdir()
        except OSError:  # dying processes still count as members for a moment
            if time.monotonic() >= until_s:
                return False
            time.sleep(_REMOVE_PAUSE_S)
    return True


def remove_container(
    engine: str, name: str, patience_s: float = _CONTAINER_S, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Kill and remove a container with its anonymous volumes, until the engine has it no more.

    It is killed first: podman's ``rm`` waits 10 s for a process that runs. False when it would not go within
    ``patience_s`` seconds.
    """
    until_s = time.monotonic() + patience_s
    absent = 0
    while absent < _ABSENT_TIMES:
        code, errors = _call(engine, "container", "inspect", name)
        if code == 0:
            _call(engine, "kill", "--signal", "KILL", name)
            _call(engine, "rm", "--force", "--volumes", name)
        # an engine that restarts or is busy may still have it
        absent = absent + 1 if code == NO_PROGRAM or (code and NONE_SUCH.search(errors)) else 0
        if time.monotonic() >= until_s:
            return False
        sleep(_REMOVE_PAUSE_S)
    return True


def _call(*argv: str) -> tuple[int | None, str]:
    """Run an engine; return its exit code, None where it hangs or cannot be run now, and what it printed as errors."""
    try:
        ended = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_CALL_S,
            check=False,
            start_new_session=True,  # Ctrl-C at a terminal is not for it
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        return NO_PROGRAM, ""
    except (OSError, subprocess.TimeoutExpired):
        return None, ""
    return ended.returncode, ended.stderr


def main() -> None:
    """Listen until the supervisor is gone, then clear up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with open(0, encoding="utf-8", errors="surrogateescape") as pipe:
        clear(listen(pipe))


if __name__ == "__main__":
    main()

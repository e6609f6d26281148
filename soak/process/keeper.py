"""The keeper of a child process: starts it, is its parent, and ends all that it leaves behind.

Run as a script (standard library only, ``python -I -S keeper.py FD``) with one end of a pair of sockets as FD. The
order comes there, one line of JSON; the answer is the process id of the command. Orphans below the command become
children of the keeper (PR_SET_CHILD_SUBREAPER), whatever session or environment they gave themselves, and are killed
when the command ends. When the other end of FD closes, for whatever reason, also ``kill -9`` of the supervisor, the
keeper kills the command and all below it, then its container, its cgroup and the run's private directory are removed
as the guard does it. Else it ends as the command did.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
EXIT_CANNOT_START = 127
_KILL_S = 4.0
"""Time for killed processes to be gone, seconds; one that is stuck in the kernel takes longer."""
_PAUSE_S = 0.01


def order_line(
    argv: tuple[str, ...], env: Mapping[str, str], cgroup: str, directory: str, container: str = ""
) -> bytes:
    """Return the order to start a command; ``cgroup``, ``directory`` and ``container`` are empty where there is none.

    ``container`` is the engine and the name of the container that the command runs.
    """
    order = {
        "argv": argv,
        "env": dict(env),
        "container": container,
        "cgroup": cgroup,
        "directory": directory,
    }
    return json.dumps(order).encode() + b"\n"


def main(channel: int) -> NoReturn:
    """Start the command of the order and wait until it ends or the supervisor is gone."""
    with os.fdopen(os.dup(channel), "rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        os._exit(EXIT_CANNOT_START)  # the supervisor died before its child could start
    order = json.loads(line)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    keeper = os.getpid()
    in_session, started = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(channel)
        _become(order, keeper, started)
    os.close(started)
    os.read(in_session, 1)  # its end: the command leads its session, and a signal to that reaches it
    os.close(in_session)
    with contextlib.suppress(OSError):
        os.write(channel, b"%d\n" % pid)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)  # the command alone holds its input and its log open
    status, is_left = _wait(pid, channel, woken)
    status = _end(pid, status) if order["container"] else _end_below(pid, status)
    if is_left:
        _clear_like_guard(order)
    _end_like(signal.SIGKILL if status is None else status)


def _wait(pid: int, channel: int, woken: int) -> tuple[int | None, bool]:
    """Wait for the end; return the wait status of ``pid``, None while it lives, and whether the supervisor is gone."""
    while True:
        ready, _, _ = select.select([channel, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        status = _reap(pid)
        if channel in ready:  # any byte: kill it
            return status, _is_closed(channel)
        if status is not None:
            return status, False


def _is_closed(channel: int) -> bool:
    try:
        return not os.read(channel, 1)
    except OSError:
        return True


def _become(order: Mapping[str, Any], keeper: int, started: int) -> NoReturn:
    """Enter the memory limit, then turn into the command, which dies with its keeper; exits 127 if that fails.

    ``started`` is closed once the session is its own.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(EXIT_CANNOT_START)
    os.setsid()
    os.close(started)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and the command would, too
    command = order["argv"]
    try:
        if order["cgroup"]:
            with open(os.path.join(order["cgroup"], "cgroup.procs"), "w") as procs:
                procs.write(str(os.getpid()))
        os.execvpe(command[0], command, order["env"])  # noqa: S606 - starting the given command is the purpose
    except (OSError, ValueError) as error:
        print(f"soak: cannot start {command[0]}: {error}", file=sys.stderr, flush=True)
    os._exit(EXIT_CANNOT_START)


def _reap(pid: int) -> int | None:
    """Collect every child that has ended; return the wait status of ``pid``, None where it was not among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == pid:
                found = ended[1]
    return found


def _end(pid: int, status: int | None) -> int | None:
    """Kill the client of an engine alone, and return its wait status.

    What is below it is the engine's: podman leaves cgroups behind where its monitor was killed before the container.
    """
    until_s = time.monotonic() + _KILL_S
    while status is None and time.monotonic() < until_s:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
        status = _reap(pid)
    return status


def _end_below(pid: int, status: int | None) -> int | None:
    """Kill all processes below this one until none is left; return the wait status of ``pid``."""
    until_s = time.monotonic() + _KILL_S
    while (left := _descendants(os.getpid())) and time.monotonic() < until_s:
        for one in left:
            with contextlib.suppress(OSError):
                os.kill(one, signal.SIGKILL)
        time.sleep(_PAUSE_S)
        ended = _reap(pid)
        status = status if ended is None else ended
    return status


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting:
        tasks = f"/proc/{waiting.pop()}/task"
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/children") as children:
                    below = [int(one) for one in children.read().split()]
                found += below
                waiting += below
    return found


def _clear_like_guard(order: Mapping[str, Any]) -> None:
    """Turn into a guard whose supervisor has just gone: the run's own guard may be gone, too."""
    lines = [f"+{kind} {order[kind]}\n" for kind in ("container", "cgroup", "directory") if order[kind]]
    here, there = os.pipe()
    os.write(there, "".join(lines).encode())
    os.close(there)
    os.dup2(here, 0)
    guard = os.path.join(os.path.dirname(__file__), "guard.py")
    with contextlib.suppress(OSError):
        os.execv(sys.executable, [sys.executable, "-I", "-S", guard])  # noqa: S606 - a script of our own


def _end_like(status: int) -> NoReturn:
    """End with the exit code or by the signal that a wait status names."""
    if os.WIFSIGNALED(status):
        _prctl(_PR_SET_DUMPABLE, 0)  # no core of this process
        number = os.WTERMSIG(status)
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)
    os._exit(os.WEXITSTATUS(status))


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    main(int(sys.argv[1]))

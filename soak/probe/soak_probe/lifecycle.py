"""The probe's life: started with the process, out of the way of every fork, gone before the process ends.

Python 3.12 and later warn of a fork beside other threads. Some releases of 3.13 and 3.14 count too late, see CPython's
gh-137109, and so warn of our thread, which was not there at the fork; they show it where DeprecationWarning is shown.
"""

from __future__ import annotations

import atexit
import os
from _thread import RLock, start_new_thread

from .imports import when_imported
from .report import report
from .server import Server, is_served
from .sessions import Sessions
from .tracing import asked_for

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .native import Native
    from .tracing import Tracing

NATIVE_VARIABLE = "SOAK_PROBE_NATIVE"
"""Environment variable that asks for a capture of native allocations; its value is described in ``native``."""
VISIT_IDLE_S = 20.0
"""Time without a client after which the probe of a visit leaves, seconds. In a long sampling the next question is up to
10 s away, and a forked child is first asked at the tick after it was found, 4 s old at most."""


def start(directory: str) -> None:
    """Serve this process, and the children it forks, on ``<directory>/<pid>.sock`` until they end.

    In a directory of mode 1777, as of a container whose user is not known before, the socket is
    ``<directory>/<euid>/<pid>.sock``. Raises OSError when ``directory`` is missing, open to other users in another way
    or cannot be written, and RuntimeError when the system gives no thread.
    """
    tracing = asked_for() or _captured()
    probe = Probe(directory, Sessions(), tracing=tracing)
    probe.open()
    if tracing is None:
        _watch(probe)
    else:
        _follow_forks(probe)


def visit(directory: str) -> None:
    """Serve as ``start`` does, in a process that has run without the probe, until nobody has asked for a while.

    ``directory`` is a private one of this visit, with a copy of the probe; it is removed at the end. The hooks stay, as
    fork hooks cannot be taken back, and serve the next visit. Raises as ``start``, and RuntimeError where threads have
    been replaced: a server that is no thread would stop the target while it waits.
    """
    from types import BuiltinFunctionType

    if not isinstance(start_new_thread, BuiltinFunctionType):
        why = "its threads are replaced, as by gevent or eventlet; start it with the probe"
        raise RuntimeError(why)  # noqa: TRY004 - nobody has passed it
    if _visitor:
        _visitor[0].move(directory)
    else:
        probe = Probe(directory, Sessions(), idle_s=VISIT_IDLE_S)
        probe.open()
        _watch(probe)
        _visitor.append(probe)


def _watch(probe: Probe) -> None:
    """Have the probe follow every fork and count what is made from now on."""
    probe.sessions.watch()
    when_imported("asyncio.base_events", _watch_base_events)
    when_imported("uvloop", _watch_uvloop)
    _follow_forks(probe)


def _follow_forks(probe: Probe) -> None:
    """Have the probe stop for every fork, serve the children as well, and end with the process."""
    os.register_at_fork(
        before=probe.before_fork,
        after_in_parent=probe.after_fork_in_parent,
        after_in_child=probe.after_fork_in_child,
    )
    atexit.register(probe.leave)


_visitor: list[Probe] = []
"""The probe of the first visit, which serves all later ones; empty before it."""


class Probe:
    """The server of this process, whichever that is by now; with ``idle_s`` it leaves when nobody asks that long."""

    def __init__(
        self,
        directory: str,
        sessions: Sessions,
        idle_s: float | None = None,
        tracing: Tracing | Native | None = None,
    ) -> None:
        self.sessions = sessions
        self._tracing = tracing
        self._directory = directory
        self._idle_s = idle_s
        self._pid = os.getpid()
        self._server: Server | None = None
        self._lock = RLock()  # threads may fork at once, and a signal handler while its own thread does
        self._forks = 0

    def open(self) -> None:
        """Start to serve. Raises OSError when the socket cannot be bound, RuntimeError when there is no thread."""
        directory = _private(self._directory)
        _sweep(directory)
        path = f"{directory}/{os.getpid()}.sock"
        server = Server(path, _answerer(self.sessions, self._tracing), self._idle_s, self.leave)
        try:
            server.start()
        except RuntimeError:
            server.close()
            server.remove()
            raise
        self._server = server

    def before_fork(self) -> None:
        """Stop the thread, so that the fork happens in a process without it."""
        with self._lock:
            self._forks += 1
            if self._server is not None:
                self._server.stop()

    def after_fork_in_parent(self) -> None:
        """Start the thread again, on the same socket and connections, after the last of concurrent forks."""
        with self._lock:
            self._forks -= 1
            if self._forks == 0 and self._server is not None:
                _or_report(self._server.start)

    def after_fork_in_child(self) -> None:
        """Leave the parent's sockets to the parent and serve on one of our own."""
        self._lock = RLock()  # the parent's may be held by a thread that does not exist here
        self._forks = 0
        if self._server is not None:
            self._server.close()
            self._server = None
            _or_report(self.open)

    def move(self, directory: str) -> None:
        """Serve in another directory from now on. Raises as ``open``."""
        self.leave()
        self._directory = directory
        self._pid = os.getpid()
        self.open()

    def leave(self) -> None:
        """Stop for good; at the end of a visit, remove its directory, unless this is a forked child."""
        self.close()
        if self._idle_s is not None and self._pid == os.getpid():
            for directory, _, names in os.walk(self._directory, topdown=False):
                try:
                    for name in names:
                        os.unlink(f"{directory}/{name}")
                    os.rmdir(directory)
                except OSError:
                    pass  # whoever asked is removing it

    def close(self) -> None:
        """Stop for good and remove the socket's file."""
        with self._lock:
            server, self._server = self._server, None
            if server is not None:
                server.stop()
                server.close()
                server.remove()


def _private(directory: str) -> str:
    """Return the directory if it is private; in one where everybody may make files, that of our user, made now."""
    mode = os.stat(directory).st_mode
    if mode & 0o1002 == 0o1002:  # the sticky bit: what one user makes, another cannot exchange
        directory = f"{directory}/{os.geteuid()}"
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        found = os.lstat(directory)  # not a link that somebody else has put there
        if found.st_uid != os.geteuid():
            raise PermissionError(f"{directory} belongs to user {found.st_uid}; fix: remove it")
        mode = found.st_mode
    if mode & 0o077:
        raise PermissionError(f"{directory} is open to other users; fix: chmod 700 {directory}")
    return directory


def _sweep(directory: str) -> None:
    """Remove the sockets of processes that have died, or a target that forks for hours would fill the directory.

    A process in a pid namespace of its own does not see the others, which are alive and answer.
    """
    for name in os.listdir(directory):
        pid, extension = os.path.splitext(name)
        path = f"{directory}/{name}"
        if extension == ".sock" and not os.path.exists(f"/proc/{pid}") and not is_served(path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # another process has just swept


def _or_report(step: Callable[[], None]) -> None:
    try:
        step()
    except (OSError, RuntimeError) as error:
        report(error)


def _captured() -> Native | None:
    """Return the capture that the environment asks for, begun now; None where it asks for none."""
    if not (wanted := os.environ.get(NATIVE_VARIABLE)):
        return None
    from .native import Native

    return Native(wanted)


def _watch_base_events(module: ModuleType) -> None:
    from .creations import watch_base_events

    watch_base_events(module)


def _watch_uvloop(module: ModuleType) -> None:
    from .creations import watch_uvloop

    watch_uvloop(module)


def _answerer(sessions: Sessions, tracing: Tracing | Native | None) -> Callable[[bytes], bytes]:
    """Return the function that answers a request; the first request pays for importing what answers it."""
    answer: Callable[[bytes], bytes] | None = None

    def answer_line(line: bytes) -> bytes:
        nonlocal answer
        if answer is None:
            from .answers import Answers

            answer = Answers(sessions, tracing).answer
        return answer(line)

    return answer_line

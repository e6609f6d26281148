"""The capture of a replay: every allocation of the process, those past Python's allocators too, by memray.

``SOAK_PROBE_NATIVE`` asks for it, by a JSON object: ``directory`` for the captures, ``most_bytes`` of each, and
``memray``, directories where memray may be. It begins with the process, in its main thread: begun later, or elsewhere,
memray follows frames that it did not see entered, and with greenlets the process dies.

memray is imported from the process's own path, or else from a directory that the variable names, whose packages the
process does not see: they are found for this one import, and leave ``sys.modules`` after it.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from _signal import SIG_BLOCK, pthread_sigmask, valid_signals  # type: ignore[import-not-found]
from _thread import allocate_lock

from .pause import pause
from .server import start_thread
from .standstill import collect_as_target

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

NEEDED = ("memray", "rich", "typing_extensions")
"""Packages that the import of memray needs; the rest of a directory stays out of sight."""
MOST_CAPTURES = 16
"""Processes of an arm that are captured at most: one that starts helpers all the time must not fill the disk."""
INTERVAL_MS = 100
"""Time between two snapshots in the capture, milliseconds."""
SETTLE_S = 2.5 * INTERVAL_MS / 1000
"""Time that a point waits, seconds: a whole snapshot lies between its collection and its instant."""
WATCH_EVERY_S = 0.1
"""Time between two looks at the size of the capture, seconds."""


class Native:
    """The capture of this process, from the moment this is made to the last point or the bound of its size."""

    def __init__(self, wanted: str) -> None:
        self._lock = allocate_lock()
        self._tracker: Any = None
        self._pid = os.getpid()
        self._facts: dict[str, Any] = {}
        self._capture = ""
        self._ended = ""
        try:
            self._begin(**json.loads(wanted))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with memray, the target must run
            self._ended = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"

    @property
    def ops(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """What is answered, by op."""
        return {"trace_begin": self.begin, "trace_point": self.point, "trace_end": self.end}

    def begin(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Do nothing: it has begun. Raises ValueError with the reason where nothing is captured."""
        self._check()
        return {}

    def point(self, request: dict[str, Any]) -> dict[str, Any]:
        """Collect, and write how the capture is read to the new file ``file``, a JSON object.

        Its keys: ``capture``, the name of the capture beside it; ``instant_s``, seconds since the epoch, before which
        the capture has a snapshot of what is live now; ``memray``, the directory and ``version`` of what can read it,
        for the Python ``executable``; ``libraries``, the mapped files with code. Raises ValueError with the reason
        where nothing is captured, OSError where the file cannot be written.
        """
        collect_as_target()
        pause(SETTLE_S)
        self._check()
        facts = {**self._facts, "instant_s": time.time(), "libraries": _libraries()}
        descriptor = os.open(request["file"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # another user may read it; its directory is private
            json.dump(facts, file)
        return {"traces": None, "traced_bytes": None, "capture_bytes": os.stat(self._capture).st_size}

    def end(self, _request: dict[str, Any] | None = None) -> dict[str, Any]:
        """End the capture and close its file. Idempotent; a forked child leaves it to its parent."""
        self._end("the capture was ended")
        return {}

    def _begin(self, directory: str, most_bytes: int, memray: list[str]) -> None:
        if "t" in getattr(sys, "abiflags", ""):
            raise ValueError("a free-threaded build of Python is not traced")
        if sum(name.startswith("capture-") for name in os.listdir(directory)) >= MOST_CAPTURES:
            raise ValueError(f"{MOST_CAPTURES} processes are captured already")
        module, found_in, hidden = _import_memray(memray)
        self._capture = f"{directory}/capture-{self._pid}.bin"
        try:
            tracker = module.Tracker(
                destination=module.FileDestination(self._capture, overwrite=False, compress_on_exit=False),
                native_traces=True,
                trace_python_allocators=True,
                memory_interval_ms=INTERVAL_MS,
            )
        finally:
            _forget(hidden)
        os.chmod(self._capture, 0o644)  # as above
        tracker.__enter__()
        self._tracker = tracker
        self._facts = {
            "capture": os.path.basename(self._capture),
            "memray": found_in,
            "version": module.__version__,
            "executable": sys.executable,
        }
        atexit.register(self.end)
        start_thread(self._watch, (most_bytes,))

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise ValueError("a forked child is not captured")
        if self._ended:
            raise ValueError(self._ended)

    def _end(self, why: str) -> None:
        if self._pid != os.getpid():
            return
        with self._lock:
            tracker, self._tracker = self._tracker, None
            if tracker is not None:
                tracker.__exit__(None, None, None)
                self._ended = why

    def _watch(self, most_bytes: int) -> None:
        # what the target waits for must not be delivered here instead
        pthread_sigmask(SIG_BLOCK, valid_signals())
        while self._tracker is not None:
            try:
                if os.stat(self._capture).st_size > most_bytes:
                    self._end(f"the capture reached {most_bytes >> 20} MiB")
            except OSError as error:
                self._end(f"the capture is gone: {error.strerror}")
            pause(WATCH_EVERY_S)


class _Finder:
    """A meta path finder of the packages NEEDED in one directory."""

    def __init__(self, directory: str) -> None:
        self._path = [directory]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where one of the packages is in the directory; None for any other module."""
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, self._path, target) if path is None and name in NEEDED else None


def _import_memray(directories: list[str]) -> tuple[Any, str, list[str]]:
    """Return memray, the directory that it is in, and the modules that are to be forgotten.

    Raises ValueError when neither this process nor one of the directories has a memray for this very Python.
    """
    from importlib import import_module
    from importlib.machinery import EXTENSION_SUFFIXES, PathFinder

    if PathFinder.find_spec("memray") is not None:
        memray = import_module("memray")
        return memray, _directory(memray), []
    suffix = EXTENSION_SUFFIXES[0]  # names version, ABI, machine and C library
    directory = next((one for one in directories if os.path.exists(f"{one}/memray/_memray{suffix}")), None)
    if directory is None:
        python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        fix = f"{python} -m pip install --target DIR memray, and replay.memray = DIR"
        raise ValueError(f"no memray for this Python ({suffix.strip('.')}); fix: {fix}")
    before = set(sys.modules)
    finder: Any = _Finder(directory)
    sys.meta_path.insert(0, finder)
    try:
        memray = import_module("memray")
        import_module("memray.reporters.module_tools")  # a tracker does when it is made
    except BaseException:  # Ctrl-C, too, leaves no half of the package behind
        _forget(_new(before))
        raise
    finally:
        sys.meta_path.remove(finder)
    return memray, directory, _new(before)


def _new(before: set[str]) -> list[str]:
    return [name for name in sys.modules if name not in before and name.partition(".")[0] in NEEDED]


def _forget(names: list[str]) -> None:
    for name in names:
        sys.modules.pop(name, None)


def _directory(module: ModuleType) -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(str(module.__file__))))


def _libraries() -> list[str]:
    """Return the paths of the mapped files that have code, in the order of their addresses; none where unreadable."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            fields = [line.split(None, 5) for line in maps]
    except OSError:
        return []
    paths = [
        each[5].rstrip("\n") for each in fields if len(each) == 6 and "x" in each[1] and each[5][0] == "/"
    ]
    return list(dict.fromkeys(paths))

"""Files that a running Python is asked to run: real ones, and such as are not what they seem."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psutil import STATUS_SLEEPING, Process

from soak.heap.cpython.remote_exec import find_remote_exec
from soak.heap.errors import HeapError, ProcessGoneError
from tests.support.pythons import altered_copy, find_interpreter, running

RUNS = "import time\nprint('up', flush=True)\nwhile True: time.sleep(0.005)\n"


def _python(version: str = "3.14") -> Path:
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    return Path(python).resolve()


@contextmanager
def busy(python: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """A Python whose main thread runs on."""
    with subprocess.Popen([python, *flags, "-S", "-c", RUNS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


@pytest.mark.parametrize("version", ["3.14", "3.15"])
def test_a_file_is_run_once_for_each_request(version: str, tmp_path: Path) -> None:
    """In a namespace of its own, by the main thread; a shorter path after a longer one, too."""
    with busy(_python(version)) as process:
        assert process.stdout is not None
        for name in ("the first of them.py", "b.py"):
            file = tmp_path / name
            file.write_text(
                f"import threading\nprint({name!r}, threading.current_thread().name, flush=True)\n"
            )
            remote = find_remote_exec(process.pid)
            assert remote.version.startswith(version)
            remote.request(str(file))
            assert process.stdout.readline() == f"{name} MainThread\n"


def test_a_request_that_is_not_read_yet_can_be_taken_back(tmp_path: Path) -> None:
    """Before that nobody else may make one."""
    file = tmp_path / "a.py"
    file.write_text("print('ran')\n")
    with running(_python(), code="print('up', end='')") as (pid, _):
        remote = find_remote_exec(pid)
        while Process(pid).status() != STATUS_SLEEPING:  # it may not have got to the read that it waits in
            time.sleep(0.01)
        remote.request(str(file))
        with pytest.raises(
            HeapError, match=f"pid {pid} has not run the file of another debugger yet; try again"
        ):
            find_remote_exec(pid)
        remote.withdraw()
        assert find_remote_exec(pid) == remote


def test_a_path_that_has_no_room_is_not_written() -> None:
    """The state of the thread goes on behind it."""
    with running(_python()) as (pid, _):
        remote = find_remote_exec(pid)
        with pytest.raises(HeapError, match="is longer than 511 bytes"):
            remote.request("/" + "a" * 511)
        assert find_remote_exec(pid) == remote


def test_one_that_has_ended_is_an_error() -> None:
    """Also between the look and the request."""
    with busy(_python()) as process:
        remote = find_remote_exec(process.pid)
    with pytest.raises(ProcessGoneError, match="is gone"):
        remote.request("/tmp/a.py")
    with pytest.raises(ProcessGoneError, match="is gone"):
        find_remote_exec(process.pid)


def test_one_that_forbids_it_is_an_error() -> None:
    """Nothing is written, as the look comes first."""
    with (
        busy(_python(), "-X", "disable-remote-debug") as process,
        pytest.raises(HeapError, match=r"does not allow it: remote debugging is off in its Python 3\.14"),
    ):
        find_remote_exec(process.pid)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"free_threaded": 1}, "runs a free-threaded build of Python 3.14"),
        ({"debugger_support.remote_debugger_support": 8}, "is not where its Python 3.14"),
        ({"debugger_support.debugger_script_path": 1 << 19}, "is not where its Python 3.14"),
        ({"debugger_support.eval_breaker": 1 << 19}, "is not where its Python 3.14"),
        ({"thread_state.interp": 0}, "is not where its Python 3.14"),
        ({"interpreter_state.threads_main": 8}, "(is not where its Python 3.14|has no main thread)"),
        ({"runtime_state.interpreters_head": 8}, "(has no main thread|does not allow it)"),
    ],
    ids=str,
)
def test_a_python_that_is_built_otherwise_is_left_alone(
    changes: dict[str, int], reason: str, tmp_path: Path
) -> None:
    """What it has of itself does not fit the rest: nothing is written by it."""
    python = _python()
    altered = altered_copy(python, tmp_path, changes)
    with running(altered, python.parents[1]) as (pid, _), pytest.raises(HeapError, match=reason):
        find_remote_exec(pid)


def test_a_program_that_is_no_python_is_named() -> None:
    """And so is the fix."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        with pytest.raises(
            HeapError, match=r"\(cat\) has no CPython of 3.14 or later, .* start it with the probe"
        ):
            find_remote_exec(process.pid)
        process.kill()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python takes a probe")
def test_an_older_python_is_refused() -> None:
    """That of these tests."""
    with (
        running(Path(sys.executable)) as (pid, _),
        pytest.raises(HeapError, match=r"3\.14.*start it with the probe"),
    ):
        find_remote_exec(pid)

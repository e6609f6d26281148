"""Captures by memray from within a process, which is left as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from soak_probe import native

from soak.sampling.probe_answers import ProbeError
from tests.support.planted_captures import Target, captured

memray = pytest.importorskip("memray")
OURS = str(Path(memray.__file__).parents[1])
BARE = Path(sys.executable).resolve()
"""Our Python without the packages of our environment."""
REPORT = (
    "import atexit, sys; atexit.register(lambda: print("
    "[one for one in sys.modules if one.partition('.')[0] in ('memray', 'rich', 'typing_extensions')], sys.meta_path, "
    "[one for one in sys.path if 'site-packages' in one], file=sys.stderr))"
)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with captured(tmp_path) as found:
        yield found


def test_a_directory_is_seen_by_the_import_alone(tmp_path: Path) -> None:
    """A Python without memray is captured by one from a directory, and has none of its modules afterwards."""
    if subprocess.run([BARE, "-c", "import memray"], capture_output=True, check=False).returncode == 0:
        pytest.skip("our Python has memray itself")
    with captured(tmp_path, python=str(BARE), memray=[str(tmp_path), OURS], prelude=REPORT) as found:
        found.call(10)
        assert found.point()["capture_bytes"] > 10_000
        error = found.finish()
    assert "[] [" in error
    assert "memray" not in error
    assert "soak_probe" not in error
    assert OURS not in error


def test_a_memray_of_another_python_is_no_match(tmp_path: Path) -> None:
    """It is known by the name of its library: version, ABI, machine and C library. The process goes on."""
    if subprocess.run([BARE, "-c", "import memray"], capture_output=True, check=False).returncode == 0:
        pytest.skip("our Python has memray itself")
    package = tmp_path / "other" / "memray"
    package.mkdir(parents=True)
    (package / "_memray.cpython-38-x86_64-linux-gnu.so").touch()
    with captured(tmp_path, python=str(BARE), memray=[str(package.parent)]) as found:
        suffix = EXTENSION_SUFFIXES[0].strip(".")
        with pytest.raises(ProbeError, match=rf"no memray for this Python \({suffix}\); fix: python3\."):
            found.point()
        assert found.call(3) == 3


def test_a_broken_memray_is_a_reason(tmp_path: Path) -> None:
    """Whatever its import raises: the process goes on."""
    package = tmp_path / "broken" / "memray"
    package.mkdir(parents=True)
    (package / f"_memray{EXTENSION_SUFFIXES[0]}").touch()
    (package / "__init__.py").write_text("1 / 0")
    with captured(tmp_path, python=str(BARE), memray=[str(package.parent)]) as found:
        with pytest.raises(ProbeError, match="ZeroDivisionError: division by zero"):
            found.point()
        assert found.call(3) == 3


def test_a_capture_ends_at_its_bound(tmp_path: Path) -> None:
    """Later points are refused with the bound; the process goes on."""
    with captured(tmp_path, most_bytes=1 << 20) as found:
        found.call(20_000)
        with pytest.raises(ProbeError, match="the capture reached 1 MiB"):
            found.point()
        assert found.call(1) > 0


def test_nothing_is_captured_after_the_end(target: Target) -> None:
    """The end can be asked for twice."""
    target.point()
    target.end()
    target.end()
    size = {one: one.stat().st_size for one in target.raw.glob("capture-*")}
    target.call(2000)
    assert {one: one.stat().st_size for one in size} == size
    with pytest.raises(ProbeError, match="the capture was ended"):
        target.point()


def test_a_process_that_ends_closes_its_capture(target: Target) -> None:
    """Without being asked, and with the exit code that it would have had."""
    target.call(100)
    target.finish()
    assert target.process.returncode == 0
    (path,) = target.raw.glob("capture-*")
    with memray.FileReader(path) as reader:
        assert reader.metadata.end_time.timestamp() == pytest.approx(time.time(), abs=60)
        assert reader.metadata.total_allocations > 100


def test_the_file_of_a_point_is_new(target: Target) -> None:
    """One that is there is not written to: it may be a link."""
    (target.raw / "point-0.0.traces").symlink_to("/etc/passwd")
    with pytest.raises(ProbeError, match="FileExistsError"):
        target.point()


def test_a_target_that_starts_many_processes_does_not_fill_the_disk(tmp_path: Path) -> None:
    """Beyond sixteen captures no process begins another; it runs as ever."""
    with captured(tmp_path, captures=16) as found:
        with pytest.raises(ProbeError, match="16 processes are captured already"):
            found.point()
        assert found.call(3) == 3


def test_an_unknown_wish_is_a_reason(tmp_path: Path) -> None:
    """A variable that no runner of ours sets harms nothing."""
    with (
        captured(tmp_path, variables={"SOAK_PROBE_NATIVE": "[]"}) as found,
        pytest.raises(ProbeError, match="trace_point"),
    ):
        found.point()


def test_signals_are_left_to_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that watches the capture blocks all: one that the target waits for must not come there instead."""
    capture = native.Native("[]")  # it has not begun
    capture._tracker, capture._capture, capture._pid = object(), str(tmp_path), os.getpid()
    masks: list[set[int]] = []

    def pause(_seconds: float) -> None:
        masks.append({int(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, ())})
        capture._tracker = None

    monkeypatch.setattr(native, "pause", pause)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    watch = threading.Thread(target=capture._watch, args=(1 << 40,))
    watch.start()
    watch.join()
    assert {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD} <= masks[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before

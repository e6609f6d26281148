"""Captures of real processes, with leaks planted past Python's allocators."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.sites.native import capture
from analysis.sites.native.capture import Captured, CaptureError, Facts, Stack
from analysis.sites.native.functions import Functions
from soak.contract import MOST_CAPTURE_BYTES, traces_file
from soak.replay.one_pass import ANALYSIS_S
from tests.support.planted_captures import captured, line_of

pytest.importorskip("memray")
POINTS = 4
STEP = 200
LEAKS: Mapping[str, tuple[float, float]] = {
    "leak_malloc": (7152, 1),  # the state of an inflation
    "leak_mapping": (8292, 2),  # two pages, and the object that holds them
    "lost_reference": (89, 1),  # a str of 40 characters
}
"""Bytes, and blocks, per call."""


@dataclass(frozen=True)
class Run:
    """What is read of a process that leaks in several ways; ``requests`` are its calls before each point."""

    read: Captured
    facts: Facts
    raw: Path
    app: Path
    requests: tuple[int, ...]

    def of_line(self, function: str) -> list[Stack]:
        """Return the stacks whose innermost line of the app is that of the function."""
        at = str(self.app), line_of(function)
        places = [[(file, line) for _, file, line in one.python if file == at[0]] for one in self.read.stacks]
        return [one for one, place in zip(self.read.stacks, places, strict=True) if place and place[0] == at]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with captured(tmp_path_factory.mktemp("captured")) as target:
        requests = []
        for _ in range(POINTS):
            requests.append(target.call(STEP))
            target.point()
        target.end()
        facts = [capture.read_facts(traces_file(target.raw, point, 0)) for point in range(POINTS)]
        reader = capture.reader_for(facts[-1], may_run=True)
        read = capture.read(reader, target.raw / facts[-1].capture, [one.instant_s for one in facts])
    return Run(read, facts[-1], target.raw, target.app, tuple(requests))


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_exact(run: Run, leak: str) -> None:
    """Bytes and blocks per call from point to point are those planted, at their line."""
    size, blocks = LEAKS[leak]
    found = run.of_line(leak)
    gained = [sum(one.bytes[point] - one.bytes[point - 1] for one in found) for point in range(1, POINTS)]
    added = [sum(one.blocks[point] - one.blocks[point - 1] for one in found) for point in range(1, POINTS)]
    assert [each / STEP for each in gained] == pytest.approx([size] * len(gained), rel=0.02)
    assert [each / STEP for each in added] == pytest.approx([blocks] * len(added), rel=0.02)


def test_a_healthy_cache_stays_level(run: Run) -> None:
    """What replaces other entries is no growth, also where the interpreter calls another way than at first."""
    assert abs(sum(one.growth for one in run.of_line("healthy"))) < 2_000


def test_the_function_is_named_with_its_library(run: Run) -> None:
    """What zlib allocates is zlib's, whoever calls it; what Python itself allocates has no function."""
    functions = Functions(run.facts.libraries)
    leaked = max(run.of_line("leak_malloc"), key=lambda one: one.growth)
    assert re.fullmatch(r"inflateInit2?_ \(libz\.so\.1[.\d]*\)", functions.name(leaked.native))
    of_python = max(run.of_line("lost_reference"), key=lambda one: one.growth)
    assert functions.name(of_python.native) in (
        "",
        "_parse_array_unicode (_json)",
        "scanstring_unicode (_json)",
    )


def test_a_damaged_capture_is_a_reason(run: Run, tmp_path: Path) -> None:
    """A file that was cut short, is another's, or is gone: one clause, never a traceback."""
    facts = capture.read_facts(traces_file(run.raw, 0, 0))
    reader, whole = capture.reader_for(facts, may_run=True), run.raw / facts.capture
    for name, content in (("empty", b""), ("noise", b"x" * 5000), ("short", whole.read_bytes()[:3000])):
        damaged = tmp_path / name
        damaged.write_bytes(content)
        with pytest.raises(CaptureError) as error:
            capture.read(reader, damaged, [facts.instant_s])
        assert "\n" not in str(error.value)
        assert str(error.value).startswith("the capture cannot be read: ")
    with pytest.raises(CaptureError, match="the capture cannot be read: "):
        capture.read(reader, tmp_path / "none", [facts.instant_s])
    with pytest.raises(CaptureError, match="it ends before the last point"):
        capture.read(reader, whole, [facts.instant_s, facts.instant_s + 60])


def test_only_a_regular_file_of_bounded_size_is_read(run: Run, tmp_path: Path) -> None:
    """A link is not followed, no writer of a FIFO is waited for, and what is larger than a capture is not read."""
    reader, whole = capture.reader_for(run.facts, may_run=True), run.raw / run.facts.capture
    link, fifo, large = (tmp_path / name for name in ("link", "fifo", "large"))
    link.symlink_to(whole)
    os.mkfifo(fifo)
    with large.open("wb") as file:
        file.truncate(2 * MOST_CAPTURE_BYTES + 1)
    for path, why in ((link, "it is a link"), (fifo, "it is a FIFO"), (large, "it has 268,435,457 bytes")):
        with pytest.raises(CaptureError, match=f"^the capture cannot be read: {why}"):
            capture.read(reader, path, [run.facts.instant_s])


def test_reading_is_bounded_in_time(tmp_path: Path) -> None:
    """A reader that does not end is ended, before the analysis is: 15 s are left for the rest of that."""
    assert capture.READ_TIMEOUT_S <= ANALYSIS_S - 15
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o700)
    (tmp_path / "capture").touch()
    with pytest.raises(CaptureError, match=r"took longer than 45 s"):
        capture.read(capture.Reader(str(python), "/"), tmp_path / "capture", [0.0], timeout_s=0.05)


def test_another_version_is_read_by_its_own_python_or_refused(tmp_path: Path) -> None:
    """In a container that Python is none of this machine: the reason has the command that installs the version."""
    python = tmp_path / "python"
    python.touch()
    facts = Facts(
        capture="capture-1.bin",
        instant_s=1.0,
        memray="/venv",
        version="1.12.0",
        executable=str(python),
        libraries=[],
    )
    assert capture.reader_for(facts, may_run=True) == capture.Reader(str(python), "/venv")
    with pytest.raises(CaptureError, match=r"python -m pip install memray==1\.12\.0"):
        capture.reader_for(facts, may_run=False)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"capture": "../../etc/passwd"}', '{"capture": "capture-1.bin", "instant_s": NaN}'],
)
def test_facts_that_no_probe_writes_are_refused(tmp_path: Path, text: str) -> None:
    """They are the target's own word."""
    path = tmp_path / "point-0.0.traces"
    path.write_text(text)
    with pytest.raises(CaptureError, match="cannot be read"):
        capture.read_facts(path)

"""The traces of a replay, taken in this process."""

from __future__ import annotations

import gc
import json
import marshal
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from soak_probe.answers import Answers
from soak_probe.sessions import Sessions
from soak_probe.tracing import VARIABLE, Tracing, asked_for

MOST = 10_000_000


@pytest.fixture(autouse=True)
def _not_traced() -> Iterator[None]:
    """No test begins or ends with tracing."""
    assert not tracemalloc.is_tracing()
    yield
    tracemalloc.stop()


def _point(tracing: Tracing, file: Path) -> list[Any]:
    answer = tracing.point({"file": str(file), "most": MOST})
    traces: list[Any] = marshal.loads(file.read_bytes())  # noqa: S302 - we have written it
    assert answer["traces"] == len(traces)
    return traces


def test_a_point_has_what_lives_since_the_begin_and_nothing_from_before(tmp_path: Path) -> None:
    """With its size and traceback, the innermost frame first; what has gone is not among it."""
    before = [bytearray(1000) for _ in range(50)]
    tracing = Tracing(8)
    tracing.begin({})
    kept = [bytearray(2000) for _ in range(50)]
    gone = [bytearray(3000) for _ in range(50)]
    gone.clear()
    traces = _point(tracing, tmp_path / "point")
    here = [size for _, size, frames, *_ in traces if frames[0][0] == __file__]
    assert sum(2000 <= size < 2100 for size in here) == len(kept)
    assert not [size for size in here if 1000 <= size < 1100 or size >= 3000]
    assert len(before) == 50
    assert all(len(frames) <= 8 for _, _, frames, *_ in traces)


def test_a_second_begin_leaves_the_traces_alone(tmp_path: Path) -> None:
    """A forked worker has those of its parent."""
    tracing = Tracing(1)
    tracing.begin({})
    kept = bytearray(5000)
    tracing.begin({})
    assert [size for _, size, *_ in _point(tracing, tmp_path / "point") if size > len(kept)]


def test_a_point_is_a_new_file_and_follows_no_link(tmp_path: Path) -> None:
    """The directory of a container may be anybody's."""
    tracing = Tracing(1)
    tracing.begin({})
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(FileExistsError):
        tracing.point({"file": str(tmp_path / "link"), "most": MOST})
    assert not (tmp_path / "other").exists()


def test_a_target_that_stops_tracing_or_drops_its_traces_is_refused(tmp_path: Path) -> None:
    """Nothing is taken from what is left."""
    request = {"file": str(tmp_path / "point"), "most": MOST}
    tracing = Tracing(1)
    with pytest.raises(ValueError, match="nothing is traced"):
        tracing.point(request)
    tracing.begin({})
    tracemalloc.clear_traces()
    with pytest.raises(ValueError, match="cleared its traces"):
        tracing.point(request)
    tracemalloc.stop()
    with pytest.raises(ValueError, match="the target stopped tracemalloc"):
        tracing.point(request)
    assert not (tmp_path / "point").exists()


def test_a_target_that_traces_itself_keeps_its_traces() -> None:
    """Ours do not begin."""
    tracemalloc.start(1)
    tracing = Tracing(8)
    with pytest.raises(ValueError, match="the target uses tracemalloc itself"):
        tracing.begin({})
    tracing.end({})
    assert tracemalloc.get_traceback_limit() == 1
    assert tracemalloc.is_tracing()


def test_a_python_that_cannot_trace_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without the module, and one without the GIL."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "_tracemalloc", None)
        with pytest.raises(ValueError, match="has no tracemalloc"):
            Tracing(8).begin({})
    monkeypatch.setattr(sys, "abiflags", "t")
    with pytest.raises(ValueError, match="free-threaded"):
        Tracing(8).begin({})


def test_too_many_blocks_are_not_read(tmp_path: Path) -> None:
    """Reading them would take the memory of the machine."""
    tracing = Tracing(1)
    tracing.begin({})
    with pytest.raises(ValueError, match="blocks live, and at most 2 are read"):
        tracing.point({"file": str(tmp_path / "point"), "most": 1})


def test_a_replay_has_ops_of_its_own_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """All other work of the probe would be slowed down, and traced."""
    assert asked_for() is None
    monkeypatch.setenv(VARIABLE, "8")
    tracing = asked_for()
    assert tracing is not None
    answers = Answers(Sessions(), tracing)
    assert json.loads(answers.answer(b'{"op": "sample"}'))["ok"] is False
    assert json.loads(answers.answer(b'{"op": "trace_begin"}')) == {"ok": True}
    assert json.loads(answers.answer(b'{"op": "trace_end"}')) == {"ok": True}
    assert json.loads(Answers(Sessions()).answer(b'{"op": "trace_begin"}'))["ok"] is False


@pytest.mark.parametrize(("enabled", "kept"), [(True, 0), (False, 100)])
def test_cycles_of_a_target_without_a_collector_are_kept(tmp_path: Path, enabled: bool, kept: int) -> None:
    """There they are the leak; elsewhere they are collected before a point."""
    tracing = Tracing(1)
    tracing.begin({})
    gc.disable()
    try:
        for _ in range(100):
            cycle: list[object] = [bytearray(5_000)]
            cycle.append(cycle)
        del cycle
        if enabled:
            gc.enable()
        traces = _point(tracing, tmp_path / "point")
    finally:
        gc.enable()
        gc.collect()
    assert sum(5_000 <= size < 5_100 for _, size, *_ in traces) == kept

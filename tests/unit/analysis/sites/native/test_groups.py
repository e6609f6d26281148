"""A capture as groups, and the sites that they give."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.sites.naming import Name, Namer
from analysis.sites.native import groups
from analysis.sites.native.capture import READ_TIMEOUT_S, Captured, CaptureError, Reader, Stack
from analysis.sites.native.groups import _Sums, read_native_groups
from analysis.sites.regression import GrowingGroup, find_sites
from analysis.sites.sources import Sources
from soak.contract import traces_file
from tests.support.planted_captures import Target, captured, line_of

pytest.importorskip("memray")
STEP = 200


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """A process that leaked, with five points."""
    with captured(tmp_path_factory.mktemp("groups")) as found:
        for _ in range(5):
            found.call(STEP)
            found.point()
        found.end()
    return found


def sites(target: Target, root: Path | None) -> dict[int, GrowingGroup]:
    """Return the sites by the number of their line in the app."""
    found_groups = read_native_groups(target.raw, range(5), Namer(Sources(root)), root)
    requests = np.arange(1.0, 6.0) * STEP
    found = find_sites(found_groups, requests, {}, None)
    return {one.group.name.yours[1]: one for one in found if one.group.name.yours}


def test_planted_leaks_are_sites_and_what_is_replaced_is_none(target: Target) -> None:
    """With bytes and blocks per request, and the function of a library; a healthy line is not among them."""
    found = sites(target, Path("/"))
    inflated, mapped = found[line_of("leak_malloc")], found[line_of("leak_mapping")]
    assert inflated.bytes_per_request == pytest.approx(7152, rel=0.02)
    assert inflated.low is not None
    assert inflated.low > 7000
    assert inflated.blocks_per_request == pytest.approx(1, rel=0.02)
    assert inflated.group.function.startswith("inflateInit")
    assert mapped.bytes_per_request == pytest.approx(8292, rel=0.02)
    large = found[line_of("large_blocks") + 1]
    assert (large.low, large.blocks_per_request) == (None, 2.0)  # as many of the largest hold them
    assert line_of("healthy") not in found


def test_paths_of_another_root_name_no_function(target: Target, tmp_path: Path) -> None:
    """In a container, or where the arm has ended, the line alone is named, by our own memray."""
    for root in (None, tmp_path, tmp_path / "gone"):
        assert {one.group.function for one in sites(target, root).values()} == {""}


def test_nothing_of_the_target_is_run_where_its_root_is_not_ours(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a memray of another version the capture is refused: its Python is a path in a container."""
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.1")
    for root in (None, tmp_path):
        with pytest.raises(CaptureError, match="only that reads its capture"):
            sites(target, root)
    assert sites(target, Path("/"))


def test_a_line_is_named_with_the_function_that_allocates_most_of_it() -> None:
    """Sums of a function count together; where Python itself, or many, allocate most, none is named."""

    def named(*stacks: tuple[int, str]) -> str:
        none = np.zeros(2)
        name = Name(("app.py", 1), None, None)
        sums = _Sums(name, none, none, none)
        for grown, function in stacks:
            stack = Stack(bytes=(0, grown), blocks=(0, 1), largest=(0, 1), python=(), native=())
            sums.add(stack, name, (), function)
        return sums.function

    assert named((60, "decode"), (40, "resize")) == "decode"
    assert named((30, "decode"), (40, ""), (30, "decode")) == "decode"
    assert named((60, ""), (40, "decode")) == ""
    assert named((40, "decode"), (30, "resize"), (30, "hash")) == ""
    assert named((0, "decode")) == "decode"


def test_the_captures_of_an_arm_share_their_time(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reading the first took is not there for the second."""
    now_s, left_s = [100.0], []
    real_facts = traces_file(target.raw, 0, 0).read_bytes()
    for process in (0, 1):
        traces_file(tmp_path, 0, process).write_bytes(real_facts)

    def read(_reader: Reader, _capture: Path, _instants_s: list[float], timeout_s: float) -> Captured:
        left_s.append(timeout_s)
        now_s[0] += 30.0
        return Captured(stacks=[])

    monkeypatch.setattr(groups, "read", read)
    monkeypatch.setattr(groups, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    read_native_groups(tmp_path, [0], Namer(Sources(None)), None)
    assert left_s == [READ_TIMEOUT_S, READ_TIMEOUT_S - 30]


def test_points_without_a_capture_are_a_reason(tmp_path: Path) -> None:
    """No process has a file at each point."""
    with pytest.raises(CaptureError, match="no process of the arm was captured at every point"):
        read_native_groups(tmp_path, range(5), Namer(Sources(None)), None)

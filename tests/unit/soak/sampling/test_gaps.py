"""What is missed is counted, told once, and takes no more memory the longer a run lasts."""

from __future__ import annotations

import pytest

from soak.sampling.gaps import Gaps


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def gaps(told: list[str]) -> Gaps:
    return Gaps(told.append)


def test_a_row_of_missed_readings_is_told_at_its_begin_and_end(gaps: Gaps, told: list[str]) -> None:
    for _ in range(3):
        gaps.missed("probe", "timed out")
    gaps.read("probe")
    gaps.read("probe")
    assert told == ["probe: timed out", "probe: back after 3 missed"]
    assert gaps.total == {"probe": 3}


def test_processes_are_told_apart_and_counted_together(gaps: Gaps, told: list[str]) -> None:
    """The manifest, which has the total, stays as small as it is with one process."""
    for pid in range(1000):
        gaps.missed("probe", "timed out", whose=f" of pid {pid}")
    gaps.read("probe", " of pid 7")
    assert told[:1] + told[-1:] == ["probe of pid 0: timed out", "probe of pid 7: back after 1 missed"]
    assert gaps.total == {"probe": 1000}


def test_processes_that_have_gone_are_forgotten(gaps: Gaps, told: list[str]) -> None:
    """Their rows never end; that of the arm's own process, and of one that is there, go on."""
    for whose in ("", " of pid 1", " of pid 2"):
        gaps.missed("probe", "timed out", whose=whose)
    gaps.keep_only({" of pid 2"})
    told.clear()
    for whose in ("", " of pid 1", " of pid 2"):
        gaps.read("probe", whose)
    assert told == ["probe: back after 1 missed", "probe of pid 2: back after 1 missed"]

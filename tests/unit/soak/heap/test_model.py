"""Saved censuses."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from soak.heap.errors import HeapError
from soak.heap.model import CollectorStatistics, load_census
from tests.support.censuses import census


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    """Nothing is lost on the way."""
    path = tmp_path / "census.json"
    taken = census({"a.B": (3, 144)}, {0x7F00: 5000})
    for one in (
        taken,
        replace(
            taken, release="3.15.2", incremental_collector=True, collector=CollectorStatistics(3, 2156, 1)
        ),
    ):
        path.write_text(one.to_json())
        assert load_census(path) == one


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is damaged"),
        ("[1]", "is no census"),
        ('{"format": "other"}', "is no census"),
        ('{"format": "soak heap census", "format_version": 9}', "has format version 9"),
        ('{"format": "soak heap census", "format_version": 1}', "is damaged"),
        ('{"format": "soak heap census", "format_version": 1, "types": 7}', "is damaged"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_what_is_no_census_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    """The message names the file and says how to make one."""
    path = tmp_path / "census.json"
    path.write_text(content)
    with pytest.raises(HeapError, match=f"census.json {message}"):
        load_census(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pid", float("inf")), ("total_bytes", 10**400), ("total_objects", 1e308), ("cost_s", 1e308), ("cpu_s", "1"),
        ("monotonic_s", float("nan")), ("python", "3.12\x1b[31m"), ("wall_time", 7),
        ("types", [{"name": "a\x1b]0;b\x07", "objects": 1, "bytes": 1}]),
        ("types", [{"name": "\ud800", "objects": 1, "bytes": 1}]),
        ("containers", [{"address": 1, "type": "a\nb", "length": 1}]), ("release", "3\x1b"), ("collector", 7),
        ("collector", {"full_collections": -1, "collected": 0, "uncollectable": 0}),
    ],
)  # fmt: skip
def test_numbers_that_are_none_and_text_for_the_terminal_to_obey_are_damage(
    tmp_path: Path, key: str, value: object
) -> None:
    """A census may come from somebody else; what is read from a process is printable."""
    path = tmp_path / "census.json"
    path.write_text(json.dumps(json.loads(census().to_json()) | {key: value}))
    with pytest.raises(HeapError, match=r"census\.json is damaged"):
        load_census(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message has its path and the reason; no traceback of open() reaches the user."""
    with pytest.raises(HeapError, match=r"absent\.json cannot be read: No such file"):
        load_census(tmp_path / "absent.json")


@pytest.mark.parametrize("place", ["/dev/zero", "fifo"])
def test_only_a_regular_file_is_read(tmp_path: Path, place: str) -> None:
    """A device has no end, and a FIFO nobody who writes."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(HeapError, match="not a regular file"):
        load_census(tmp_path / place)

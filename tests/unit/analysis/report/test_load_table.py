"""The table of the load: its columns of WebSockets, where there were any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from analysis.recording.read import read_recording
from analysis.report.tables import load_table
from analysis.verdict.validity import load_summary


def test_websockets_have_columns_where_there_are_any(build_run: Callable[..., Path]) -> None:
    """Without one the table is as it was; with one in any arm each arm has its numbers."""
    recording = read_recording(build_run())
    loads = [load_summary(arm, recording.load) for arm in recording.arms]
    assert [load.opened for load in loads] == [0] * len(loads), "earlier recordings lack the columns"
    contents: Any = SimpleNamespace(recording=recording, loads=loads)
    head = load_table(contents).head
    assert "WebSockets opened" not in head
    loads[0] = replace(loads[0], opened=1200, messages_sent=24_000, messages_received=23_999)
    table = load_table(contents)
    assert table.head == (*head, "WebSockets opened", "messages sent", "messages received")
    assert [row[-3:] for row in table.rows] == [
        ("1,200", "24,000", "23,999"),
        *[("0", "0", "0")] * (len(loads) - 1),
    ]

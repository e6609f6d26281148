"""The heap's files of recordings of either schema."""

from __future__ import annotations

from pathlib import Path

from analysis.recording.heap_files import read_heap_files


def test_rows_by_the_probe_in_old_recordings_are_left_out(tmp_path: Path) -> None:
    """They count what the cyclic collector tracks, not every object; recordings of today have none, and no column."""
    (tmp_path / "census.csv").write_text(
        "t_s,life,rung,by,type,objects,bytes\n1,1,,outside,shop.Order,5,640\n1,1,,probe,shop.Order,4,\n"
    )
    assert read_heap_files(tmp_path).types["objects"].to_list() == [5]
    (tmp_path / "census.csv").write_text("t_s,life,rung,type,objects,bytes\n1,1,,shop.Order,5,640\n")
    assert read_heap_files(tmp_path).types["objects"].to_list() == [5]

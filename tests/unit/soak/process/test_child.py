"""Reading what a process has printed."""

from __future__ import annotations

from pathlib import Path

from soak.process.log import LogFollower


def test_whole_lines_are_read_once_and_in_order(tmp_path: Path) -> None:
    """A line that is still being written waits for its end."""
    log = tmp_path / "log"
    follower = LogFollower(log)
    assert follower.new_lines() == []
    with log.open("a") as file:
        file.write("one\ntwo\nthr")
        file.flush()
        assert follower.new_lines() == ["one", "two"]
        assert follower.new_lines() == []
        file.write("ee\n")
    assert follower.new_lines() == ["three"]


def test_a_log_that_was_capped_is_read_from_its_new_start(tmp_path: Path) -> None:
    """What came after the cut is not lost."""
    log = tmp_path / "log"
    follower = LogFollower(log)
    log.write_text("a long line before the cut\n")
    follower.new_lines()
    log.write_text("after\n")
    assert follower.new_lines() == ["after"]

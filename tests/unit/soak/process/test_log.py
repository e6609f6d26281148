"""A log is a file of the process that writes it: what that puts in its place is neither followed nor waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak.process.log import cap_log, last_line, last_words

CAP = 1000


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a log in a run directory of its own, capped at CAP bytes."""
    monkeypatch.setattr("soak.process.log.LOG_CAP_BYTES", CAP)
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "app.log"


def test_a_log_that_is_too_large_keeps_its_end(log: Path) -> None:
    log.write_text("a" * CAP)
    cap_log(log)
    assert (log.stat().st_size, log.with_name("app.log.1").exists()) == (CAP, False)
    log.write_text("a" * CAP + "b" * 10)
    cap_log(log)
    assert (log.stat().st_size, log.with_name("app.log.1").read_text()) == (0, "a" * (CAP - 10) + "b" * 10)


def test_a_log_of_any_size_is_copied_in_part(log: Path) -> None:
    """A process may state 8 TiB that nobody wrote."""
    with log.open("wb") as file:
        os.ftruncate(file.fileno(), 8 << 40)
    cap_log(log)
    assert (log.stat().st_size, log.with_name("app.log.1").stat().st_size) == (0, CAP)


def test_nothing_outside_is_written_or_cut(log: Path, tmp_path: Path) -> None:
    """Neither where the log is a link nor where its older part is one."""
    mine = tmp_path / "mine"
    mine.write_text("kept" * CAP)
    log.symlink_to(mine)
    cap_log(log)
    log.unlink()
    log.write_text("b" * 2 * CAP)
    log.with_name("app.log.1").symlink_to(mine)
    cap_log(log)
    assert mine.read_text() == "kept" * CAP
    assert log.with_name("app.log.1").read_text() == "b" * CAP


def test_what_is_no_file_is_not_waited_for(log: Path) -> None:
    """An error message says why it has no lines; the run goes on."""
    os.mkfifo(log)
    cap_log(log)
    assert last_words(log) == f"  | ({log} cannot be read: it is a FIFO, not a regular file)"
    assert last_line(log) == ""
    log.unlink()
    assert last_words(log) == f"  | ({log} cannot be read: No such file or directory)"
    log.write_text("one\n\ntwo\n\n")
    assert (last_words(log, 2), last_line(log)) == ("  | \n  | two", "two")

"""Ids of a process inside and outside, and steps that are taken as another user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak.process import namespaces
from soak.process.namespaces import Inside, as_user, look_inside

OTHER_USER, OTHER_GROUP = 12345, 23456
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def test_this_process_is_in_our_own_namespaces() -> None:
    """Its ids are the same on both sides."""
    assert look_inside(os.getpid()) == Inside(os.getpid(), os.geteuid(), os.getegid(), None)


def test_user_ids_are_mapped_by_the_ranges_of_the_namespace() -> None:
    """Root of a container may be user 100000 of ours; without a map they are the same."""
    inside = Inside(1, 100033, 100033, ((0, 100000, 1000), (1000, 5, 1)))
    assert [inside.uid_inside(uid) for uid in (100000, 100033, 5, 0)] == [0, 33, 1000, None]
    assert [inside.uid_outside(uid) for uid in (0, 33, 1000, 1001)] == [100000, 100033, 5, None]
    assert Inside(1, 33, 33, None).uid_inside(33) == Inside(1, 33, 33, None).uid_outside(33) == 33


def test_the_innermost_pid_and_the_effective_ids_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of a container in a user namespace; a kernel without pid namespaces shows no NSpid."""
    (tmp_path / "7").mkdir()
    monkeypatch.setattr(namespaces, "PROC", tmp_path)
    monkeypatch.setattr(namespaces, "_shares_user_namespace", lambda _: False)
    (tmp_path / "7/uid_map").write_text("         0     100000      65536\n")
    status = "Name:\tUid: 5\nNSpid:\t7\t3\t1\nUid:\t1\t100000\t2\t3\nGid:\t4\t100001\t5\t6\n"
    (tmp_path / "7/status").write_text(status)
    assert look_inside(7) == Inside(1, 100000, 100001, ((0, 100000, 65536),))
    (tmp_path / "7/status").write_text(status.replace("NSpid:\t7\t3\t1\n", ""))
    assert look_inside(7).pid == 7
    (tmp_path / "7/status").write_text("Name:\tx\n")
    with pytest.raises(ValueError, match="has no user id"):
        look_inside(7)


@needs_root
def test_a_step_is_taken_as_the_user_and_nothing_else_is(tmp_path: Path) -> None:
    """Other threads keep their rights, and so does whoever waits for the step."""
    ids = as_user(OTHER_USER, OTHER_GROUP, lambda: (os.geteuid(), os.getegid()))
    assert ids == (OTHER_USER, OTHER_GROUP)
    assert (os.geteuid(), os.getegid()) == (0, 0)
    (tmp_path / "ours").touch(0o600)
    with pytest.raises(PermissionError, match="ours"):
        as_user(OTHER_USER, OTHER_GROUP, (tmp_path / "ours").read_bytes)
    assert (tmp_path / "ours").read_bytes() == b""


def test_a_user_that_we_cannot_be_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose system calls are not known; the message has the capabilities. Our own user is no other."""
    monkeypatch.setattr(namespaces, "SET_IDS", {})
    with pytest.raises(PermissionError, match=r"cannot act as user 12345 .* capabilities SETUID and SETGID"):
        as_user(OTHER_USER, OTHER_GROUP, lambda: None)
    assert as_user(os.geteuid(), os.getegid(), lambda: 5) == 5

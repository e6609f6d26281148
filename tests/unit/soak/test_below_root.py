"""Ways below a root that another process may set traps on."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from soak.below_root import MOST_NAMES, look, root_of, walk


def arrive(root: Path, path: str) -> Path:
    """Return where a way below a root ends."""
    with ExitStack() as stack:
        return Path(f"/proc/self/fd/{walk(stack, look(stack, str(root), None), path)}").readlink()


def test_no_link_and_no_dots_leave_the_root(tmp_path: Path) -> None:
    """They begin anew at it, as in the process whose root it is."""
    (tmp_path / "etc/deep").mkdir(parents=True)
    (tmp_path / "out").symlink_to("/etc/deep")
    (tmp_path / "etc/up").symlink_to("../../../../etc")
    assert arrive(tmp_path, "/out") == tmp_path / "etc/deep"
    assert arrive(tmp_path, "etc/up/./deep/..") == tmp_path / "etc"
    assert arrive(tmp_path, "/../../..") == tmp_path


def test_what_is_not_there_or_no_directory_is_an_error(tmp_path: Path) -> None:
    """Also where a file is in the way."""
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError):
        arrive(tmp_path, "none")
    with pytest.raises(NotADirectoryError):
        arrive(tmp_path, "file/below")


def test_a_way_has_an_end(tmp_path: Path) -> None:
    """Of links that multiply, too: no more descriptors are opened than names are allowed."""
    (tmp_path / "a").symlink_to("a/a/a")
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for path in ("a", "/".join(["."] + ["x"] * (MOST_NAMES + 1))):
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            arrive(tmp_path, path)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_the_root_of_a_process_is_opened() -> None:
    """Ours is that of this process."""
    with ExitStack() as stack:
        assert os.fstat(root_of(stack, os.getpid())).st_ino == Path("/").stat().st_ino

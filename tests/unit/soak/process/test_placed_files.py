"""Files that are placed where another process can read them, and are gone afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.process import namespaces, placed_files
from soak.process.namespaces import Inside
from soak.process.placed_files import LONGEST_READ_BYTES, PlacedFiles

OTHER_USER, OTHER_GROUP = 12345, 23456


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlacedFiles]:
    """A directory for this process, in the second place of two."""
    monkeypatch.setattr(placed_files, "PLACES", (str(tmp_path / "none"), str(tmp_path)))
    made = PlacedFiles(os.getpid())
    yield made
    made.remove()


def test_files_are_private_and_removed(placed: PlacedFiles, tmp_path: Path) -> None:
    """Directories before what is in them; other files of the place stay."""
    placed.write({"a.py": b"1", "deep/er/b.py": b"2"})
    root = Path(placed.path)
    assert root.parent == tmp_path
    assert (root / "deep/er/b.py").read_bytes() == b"2"
    assert {path.stat().st_mode & 0o777 for path in root.rglob("*.py")} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (root, root / "deep")} == {0o700}
    (root / "made by the target").touch()
    (tmp_path / "kept").touch()
    for _ in range(2):
        placed.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_only_the_beginning_of_a_regular_file_is_read(placed: PlacedFiles) -> None:
    """Whoever it belongs to may have made it a pipe, a link or endless."""
    root = Path(placed.path)
    (root / "long").write_bytes(b"x" * 10_000)
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("long")
    assert placed.read("long") == b"x" * LONGEST_READ_BYTES
    assert [placed.read(name) for name in ("pipe", "link", "none", ".")] == [None] * 4


def test_nothing_is_overwritten(placed: PlacedFiles, tmp_path: Path) -> None:
    """A link that leads elsewhere is not followed to write."""
    (tmp_path / "theirs").write_text("theirs")
    (Path(placed.path) / "start.py").symlink_to(tmp_path / "theirs")
    with pytest.raises(FileExistsError):
        placed.write({"start.py": b"ours"})
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_where_nothing_can_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the places."""
    monkeypatch.setattr(placed_files, "PLACES", (str(tmp_path / "none"),))
    with pytest.raises(PermissionError, match=f"can write to none of {tmp_path}/none"):
        PlacedFiles(os.getpid())


def test_a_user_that_we_cannot_be_is_the_reason(placed: PlacedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not that no place could be written to."""
    del placed
    monkeypatch.setattr(namespaces, "SET_IDS", {})
    monkeypatch.setattr(placed_files, "look_inside", lambda _: Inside(1, OTHER_USER, OTHER_GROUP, None))
    with pytest.raises(PermissionError, match=f"cannot act as user {OTHER_USER} .* SETUID and SETGID"):
        PlacedFiles(os.getpid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_files_are_those_of_the_processs_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which can read them; and nothing is written where that user cannot."""
    private, open_to_all = tmp_path / "private", tmp_path / "open"
    private.mkdir(mode=0o700)
    open_to_all.mkdir()
    open_to_all.chmod(0o1777)
    monkeypatch.setattr(placed_files, "PLACES", (str(private), str(open_to_all)))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=OTHER_USER, group=OTHER_GROUP) as process:
        placed = PlacedFiles(process.pid)
        placed.write({"deep/a.py": b"1"})
        root = Path(placed.path)
        assert root.parent == open_to_all
        found = [path.stat() for path in (root, *root.rglob("*"))]
        assert {(one.st_uid, one.st_gid) for one in found} == {(OTHER_USER, OTHER_GROUP)}
        process.kill()
        process.wait()
        placed.remove()
    assert not list(open_to_all.iterdir())

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from soak.regular_files import open_output, open_regular, read_below, read_json, read_regular, replace_file


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


KINDS: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a directory": os.mkdir,
    "a socket": make_socket,
    "a link": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    """Any other is refused by its kind, without waiting for a writer."""
    path = tmp_path / "manifest.json"
    KINDS[kind](path)
    for read in (read_regular, read_json, open_regular):
        with pytest.raises(OSError, match=f"it is {kind}, not a regular file"):
            read(path)


def test_a_device_is_not_read(tmp_path: Path) -> None:
    """Neither by its name nor through a link that may be followed."""
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (Path("/dev/zero"), tmp_path / "zero"):
        with pytest.raises(OSError, match="it is a device, not a regular file"):
            read_regular(path, follow=True)


def test_a_link_to_a_regular_file_is_followed_only_if_asked_for(tmp_path: Path) -> None:
    """Files of other tools may be links, those of a recording never are."""
    (tmp_path / "there").write_text("content")
    (tmp_path / "link").symlink_to("there")
    assert read_regular(tmp_path / "link", follow=True) == b"content"
    with pytest.raises(OSError, match="it is a link"):
        read_regular(tmp_path / "link")


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte costs nothing."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match=r"it has 1,099,511,627,776 bytes, at most 16,777,216 are read"):
        read_regular(tmp_path / "large")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NaN", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        ("1e400", "beyond 1e300"),
        ("9" * 400, "a number of 400 digits"),
        ("9" * 9999, "a number of 9,999 digits"),
        ("[" * 99999, "nested too deeply"),
        ('"\\ud800"', "surrogates not allowed"),
        ("{", "Expecting property name"),
        ("", "Expecting value"),
    ],
)
def test_what_is_no_json_of_ours_is_a_value_error(tmp_path: Path, text: str, why: str) -> None:
    """Numbers that are not finite, whatever their notation, are refused as text that is no JSON is."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=why):
        read_json(tmp_path / "manifest.json")


def test_a_size_without_a_limit_is_a_number(tmp_path: Path) -> None:
    """The kernel gives 2**64 - 1 for it."""
    (tmp_path / "a.json").write_text(json.dumps([2**64 - 1, -(2**63), 1e300]))
    assert read_json(tmp_path / "a.json") == [2**64 - 1, -(2**63), 1e300]


PARTIAL = f".report.html.{os.getpid()}-{threading.get_ident()}.partial"
"""Where this thread writes a new report.html."""


@pytest.mark.parametrize("name", ["report.html", PARTIAL], ids=["file", "partial"])
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    """A link in the place of a file, or of its partial one, is replaced; what it points to stays as it was."""
    (tmp_path / "mine").write_text("kept")
    (tmp_path / name).symlink_to("mine")
    replace_file(tmp_path / "report.html", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "report.html"]
    assert not (tmp_path / "report.html").is_symlink()
    assert [(tmp_path / one).read_text() for one in ("mine", "report.html")] == ["kept", "new"]


def test_a_fifo_in_the_place_of_a_partial_file_is_not_waited_for(tmp_path: Path) -> None:
    """It is replaced as a link is."""
    os.mkfifo(tmp_path / PARTIAL)
    replace_file(tmp_path / "report.html", b"new")
    assert (tmp_path / "report.html").read_text() == "new"


def test_two_writers_at_once_leave_the_whole_file_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a partial file of its own: a report that is made twice at a time is whole, and no error."""
    place, step = tmp_path / "report.html", Path.replace
    other = threading.Thread(target=replace_file, args=(place, b"the other's"))

    def interrupted(partial: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", step)
        other.start()
        other.join()
        return step(partial, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    replace_file(place, b"whole")
    assert place.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    """The error is raised, and nothing half-written is left."""
    (tmp_path / "report.html").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "report.html", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_rows_are_not_appended_through_a_link(tmp_path: Path) -> None:
    """Nor is a reader of a FIFO waited for."""
    (tmp_path / "mine").write_text("kept")
    (tmp_path / "samples.csv").symlink_to("mine")
    os.mkfifo(tmp_path / "events.csv")
    for name in ("samples.csv", "events.csv"):
        with pytest.raises(OSError):  # noqa: PT011 - the two have messages of the system
            open_output(tmp_path / name, "a")
    assert (tmp_path / "mine").read_text() == "kept"


def test_a_file_below_a_root_is_read_as_it_is_there(tmp_path: Path) -> None:
    """Absolute links begin at the root, none leads out of it, and what is no regular file of that name is refused."""
    root = tmp_path / "root"
    (root / "srv").mkdir(parents=True)
    (root / "srv/app.py").write_text("text")
    (root / "link").symlink_to("/srv")
    (root / "out.py").symlink_to("../../outside.py")
    (root / "note.txt").write_text("secret")
    (root / "as.py").symlink_to("note.txt")
    os.mkfifo(root / "fifo.py")
    (tmp_path / "outside.py").write_text("secret")
    assert read_below(root, "/link/../srv/./app.py", ".py", 100)[0] == b"text"
    for name in ("/out.py", "/as.py", "/fifo.py", "/gone.py", "/srv", "/", "/../outside.py"):
        with pytest.raises(OSError):  # noqa: PT011 - each by another error
            read_below(root, name, ".py", 100)
    with pytest.raises(OSError, match="it has 4 bytes, at most 3 are read"):
        read_below(root, "/srv/app.py", ".py", 3)

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.sites.sources import Sources

TEXT = """import json


class A:
    def first(self):
        x = [
  1,
        ]
        return x


async def second():
\treturn 'ä\x1b[31m'  # \u2028 end
last = 1"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root directory of a target with an application in /srv, and a secret outside it."""
    (tmp_path / "root/srv").mkdir(parents=True)
    (tmp_path / "root/srv/app.py").write_text(TEXT)
    (tmp_path / "secret.py").write_text("password = 'x'\n")
    return tmp_path / "root"


def test_a_line_is_shown_without_what_a_terminal_obeys(root: Path) -> None:
    """Stripped, escaped, and of a long line 120 characters; a relative name is in the working directory."""
    sources = Sources(root, "/srv")
    assert sources.line("/srv/app.py", 1) == "import json"
    assert sources.line("app.py", 13) == r"return 'ä\x1b[31m'  # \u2028 end"
    assert [sources.line("/srv/app.py", number) for number in (0, -1, 15, 10**9)] == ["", "", "", ""]
    (root / "srv/long.py").write_text("x" * 500)
    assert sources.line("/srv/long.py", 1) == "x" * 119 + "…"


def test_the_function_of_a_line_is_the_one_around_it(root: Path) -> None:
    """By indentation; a module's own line is in none."""
    sources = Sources(root)
    found = [sources.function("/srv/app.py", number) for number in (1, 6, 9, 13, 14, 99)]
    assert found == ["", "first", "first", "second", "", ""]
    assert [sources.function("/srv/app.py", number, only_async=True) for number in (9, 13)] == ["", "second"]


def test_a_function_that_is_closed_already_is_not_around_a_line(root: Path) -> None:
    """Nor is one above a module's own block; of a file that is no Python no function is known."""
    (root / "srv/watch.py").write_text(
        "async def watch():\n    async def one(x):\n        return x\n    while True:\n        await one('\\d')\n"
        "def setup():\n    pass\nif True:\n    setup()\n"
    )
    (root / "srv/broken.py").write_text("def f():\n    return (\n")
    sources = Sources(root)
    found = [sources.function("/srv/watch.py", number, only_async=True) for number in (3, 5, 7, 9)]
    assert found == ["one", "watch", "", ""]
    assert sources.function("/srv/broken.py", 2) == ""


def test_links_are_followed_within_the_root_and_never_out_of_it(root: Path, tmp_path: Path) -> None:
    """A link of an image leads where it leads there; one to the machine's files leads nowhere."""
    sources = Sources(root)
    (root / "opt").symlink_to("/srv")
    (root / "srv/relative.py").symlink_to("../opt/app.py")
    (root / "srv/out.py").symlink_to(tmp_path / "secret.py")
    (root / "srv/up.py").symlink_to("../../secret.py")
    (root / "srv/loop.py").symlink_to("loop.py")
    assert sources.line("/opt/app.py", 1) == "import json"
    assert sources.line("/srv/relative.py", 1) == "import json"
    for name in ("/srv/out.py", "/srv/up.py", "/srv/loop.py", "/../secret.py", "/srv/../../secret.py"):
        assert sources.line(name, 1) == ""


def test_only_python_text_is_read(root: Path) -> None:
    """No other file, whatever a traceback names: no secret, FIFO, device, directory, binary or huge file."""
    (root / "srv/passwd").write_text("root:secret\n")
    (root / "srv/as.py").symlink_to("passwd")
    os.mkfifo(root / "srv/fifo.py")
    (root / "srv/dir.py").mkdir()
    (root / "srv/binary.py").write_bytes(b"\xff\xfe\x00" * 9)
    (root / "srv/odd.py").write_text("# coding: nonsense\nx\n")
    (root / "srv/nul\x01.py").write_text("x\n")
    with (root / "srv/huge.py").open("wb") as file:
        file.truncate(5 << 20)
    sources = Sources(root)
    for name in (
        "passwd",
        "as.py",
        "fifo.py",
        "dir.py",
        "binary.py",
        "odd.py",
        "huge.py",
        "gone.py",
        "a\0.py",
    ):
        assert sources.line(f"/srv/{name}", 1) == ""
    assert Sources(None).line("/srv/app.py", 1) == ""


def test_a_file_that_was_changed_since_is_another_one(root: Path) -> None:
    """What is newer than the run shows no line."""
    os.utime(root / "srv/app.py", (2_000, 2_000))
    assert Sources(root, newest_s=1_000).line("/srv/app.py", 1) == ""
    assert Sources(root, newest_s=3_000).line("/srv/app.py", 1) == "import json"


def test_a_declared_encoding_is_used(root: Path) -> None:
    """As Python reads a source file."""
    (root / "srv/latin.py").write_bytes("# coding: latin-1\nname = 'é'\n".encode("latin-1"))
    assert Sources(root).line("/srv/latin.py", 2) == "name = 'é'"

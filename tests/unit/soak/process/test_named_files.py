"""The files that a command names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from soak.process import named_files as module
from soak.process.named_files import digests, named_files


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """A directory with an app, a package and a script."""
    for name in (
        "shop.py",
        "api/__init__.py",
        "api/routes/orders.py",
        "bin/run.py",
        "bin/serve",
        "api/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["uvicorn", "shop:app", "--port", "8000"], ["shop.py"]),
        (["gunicorn", "api.main:app"], ["api/__init__.py", "api/routes/orders.py"]),
        (["python3", "bin/run.py"], ["bin/run.py"]),
        (["python3", "--app=shop.py"], ["shop.py"]),
        (["python3", "-m", "other"], []),
        (["bin/serve", "shop:app"], ["bin/serve", "shop.py"]),
        (["python3", "-u", "bin/serve", "--config", "api/notes.txt"], ["bin/serve"]),
        (["uvicorn", "shop:app", "--password-file=api/notes.txt", "api/notes.txt"], ["shop.py"]),
    ],
)
def test_paths_modules_and_apps_are_found_in_the_directory(
    cwd: Path, argv: list[str], names: list[str]
) -> None:
    """Of a package all its files of Python; of other files what is executed alone, as they may be secret."""
    assert [path.relative_to(cwd).as_posix() for path in named_files(argv, cwd)] == names


def test_a_module_of_this_python_is_found_where_that_runs_it(cwd: Path) -> None:
    """As the example is, which lies in no directory of the profile."""
    names = {path.name for path in named_files([sys.executable, "-m", "gateway"], cwd)}
    assert {"__init__.py", "app.py"} <= names
    assert list(named_files(["python3", "-m", "gateway"], cwd)) == []


def test_a_digest_changes_with_its_file_alone(cwd: Path) -> None:
    """Names are relative, so that a moved directory is the same."""
    before = digests(["uvicorn", "shop:app"], cwd)
    (cwd / "api/notes.txt").write_text("other")
    assert digests(["uvicorn", "shop:app"], cwd) == before
    (cwd / "shop.py").write_text("other")
    after = digests(["uvicorn", "shop:app"], cwd)
    assert before is not None
    assert after is not None
    assert before.keys() == after.keys() == {"shop.py"}
    assert before != after


def test_a_name_that_is_not_utf_8_leaves_no_digests(cwd: Path) -> None:
    """A manifest that had it could not be read."""
    Path(os.fsdecode(os.fsencode(cwd) + b"/api/caf\xe9.py")).touch()
    assert digests(["gunicorn", "api.main:app"], cwd) is None


def test_too_many_or_too_long_files_have_no_digests(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than some of them."""
    monkeypatch.setattr(module, "MOST_FILES", 1)
    assert digests(["gunicorn", "api.main:app"], cwd) is None
    monkeypatch.setattr(module, "MOST_BYTES", 3)
    assert digests(["uvicorn", "shop:app"], cwd) is None

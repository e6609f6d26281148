"""The commit that a directory has checked out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from soak.supervisor.revision import git_revision


def git(directory: Path, *words: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, and a virtual environment that it ignores."""
    git(tmp_path, "init", "-q")
    (tmp_path / "app.py").write_text("1\n")
    (tmp_path / ".gitignore").write_text(".venv/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    package = tmp_path / ".venv" / "soak"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return tmp_path


def test_a_checkout_has_the_commit_and_whether_it_was_changed(checkout: Path) -> None:
    """Also below its top directory."""
    commit = git(checkout, "rev-parse", "HEAD")
    assert git_revision(checkout) == git_revision(checkout / ".venv") == commit
    (checkout / "app.py").write_text("2\n")
    assert git_revision(checkout) == f"{commit}-dirty"


def test_what_is_installed_within_a_checkout_has_not_its_commit(checkout: Path) -> None:
    """An environment in a team's repository is no checkout of what is installed there."""
    assert git_revision(checkout / ".venv" / "soak", "__init__.py") is None
    assert git_revision(checkout, "app.py") == git(checkout, "rev-parse", "HEAD")


def test_outside_a_checkout_there_is_none(tmp_path: Path) -> None:
    """Nor in a directory that does not exist."""
    assert git_revision(tmp_path) is None
    assert git_revision(tmp_path / "none") is None


def test_variables_of_a_hook_do_not_change_whose_commit_it_is(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run may be started by a hook of another repository."""
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    commit = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert git_revision(checkout) == commit

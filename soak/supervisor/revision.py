"""Which commit a directory has checked out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 5.0
"""Seconds after which git is not waited for: a large work tree may take longer to compare with its index."""
OF_ANOTHER_REPOSITORY: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"})
"""Variables that hooks of git set, about the repository that they run for."""


def git_revision(directory: Path, tracked: str = "") -> str | None:
    """Return the commit of the checkout that ``directory`` is in, ``-dirty`` behind it when files differ.

    None outside a checkout, and where ``tracked``, a file of the directory, is no part of it: a virtual environment
    lies within the checkout of another project. Nothing in the checkout is written.
    """
    if tracked and _git(directory, "ls-files", "--error-unmatch", tracked) is None:
        return None
    return _git(directory, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(directory: Path, *words: str) -> str | None:
    """Return what a command of git prints; None when it fails, is missing or takes too long."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_ANOTHER_REPOSITORY}
    try:
        result = subprocess.run(
            ["git", *words],
            cwd=directory,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()

"""Finds real Python interpreters: of each candidate its own word counts, not its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ASK: Final = "import ensurepip, sys, venv; print(sys.implementation.name, *sys.version_info[:2], sep='.')"
ANSWER_TIMEOUT_S: Final = 20.0


def find(python: str) -> Path | None:
    """Return a CPython of that version (such as "3.12") that can make environments, or None."""
    return next((path for path in candidates(python) if _answers(path, python)), None)


def candidates(python: str) -> Iterator[Path]:
    """Yield what may be one: our own, pyenv's, uv's, the system's, and the name on PATH."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", home / ".local/share/uv/python"))
    yield Path(sys.executable)
    yield from sorted(pyenv.glob(f"{python}*/bin/python"), reverse=True)
    yield from sorted(uv.glob(f"cpython-{python}*/bin/python{python}"), reverse=True)
    yield from (
        Path(place) / f"python{python}" for place in ("/usr/local/bin", "/usr/bin", "/opt/python/bin")
    )
    if found := shutil.which(f"python{python}"):
        yield Path(found)


def _answers(path: Path, python: str) -> bool:
    try:
        done = subprocess.run(
            [path, "-c", ASK], capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == f"cpython.{python}"

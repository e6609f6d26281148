"""One environment for each set of pinned requirements, made by pip when it is first needed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
from pathlib import Path
from typing import Final

from soak.errors import HarnessError
from tests.leaks.interpreters import find

INSTALL_TIMEOUT_S: Final = 600.0
PIP: Final = (
    "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:",
    "--requirement",
)  # fmt: skip
"""All requirements are pinned; nothing of a release is built or run before its case does."""


def environment(python: str, requirements: Path, environments: Path) -> Path:
    """Return the interpreter of the environment with these requirements, which is made where it is missing.

    Its name says nothing of the case: the harness sees it. Raises HarnessError when there is no such Python, or pip
    cannot install them.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    directory = environments / f"{python}-{digest[:12]}"
    installed, interpreter = directory / "installed", directory / "bin" / "python"
    if installed.exists():
        return interpreter
    base = find(python)
    if base is None:
        raise HarnessError(f"no CPython {python} with venv is on this machine")
    _run([base, "-m", "venv", "--clear", directory])
    _run([interpreter, *PIP, requirements])
    installed.touch()
    return interpreter


def memray(python: str, environments: Path) -> Path:
    """Return the directory with our version of memray for that Python, which is made where it is missing.

    Raises HarnessError as ``environment``.
    """
    version = importlib.metadata.version("memray")
    directory = environments / f"memray-{version}-{python}"
    if not (directory / "installed").exists():
        base = find(python)
        if base is None:
            raise HarnessError(f"no CPython {python} with venv is on this machine")
        _run([base, *PIP[:-1], "--target", str(directory), f"memray=={version}", "rich", "typing_extensions"])
        (directory / "installed").touch()
    return directory


def preloads(interpreter: Path, library: str) -> bool:
    """Whether the library is loaded where LD_PRELOAD names it: one that is missing is skipped with a warning."""
    done = subprocess.run(
        [interpreter, "-c", f"print('/{library}' in open('/proc/self/maps').read())"],
        env={"LD_PRELOAD": library}, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False,
    )  # fmt: skip
    return done.stdout.strip() == "True"


def _run(command: list[str | Path]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        raise HarnessError(f"{command[0]} ended with {done.returncode}: {said}")

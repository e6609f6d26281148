"""Where and with what a run was made: facts for the manifest, none of them secret."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("aiohttp", "fastapi", "hdrhistogram", "locust", "numpy", "pandas", "psutil", "uvicorn", "uvloop")


def host_facts() -> dict[str, Any]:
    """Return what makes two runs comparable: machine, kernel, Python, libc, packages and our own revision."""
    return {
        "libc": " ".join(platform.libc_ver()),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "soakproof_revision": _git_revision(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def _git_revision() -> str | None:
    """Return the commit of our checkout, ``-dirty`` behind it when files differ; None outside one."""
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()

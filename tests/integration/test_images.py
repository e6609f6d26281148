"""Images made from Pythons of this machine, run by the engines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from soak.containers.engine import Engine
from tests.support.containers import require_engine, succeed
from tests.support.images import build_app_image
from tests.support.pythons import find_interpreter

pytestmark = pytest.mark.integration

PRINTS = """
import asyncio, bz2, ctypes, hashlib, lzma, os, socket, sqlite3, ssl, sys, uuid, zlib
socket.getaddrinfo("localhost", 80)
print(*sys.version_info[:2], os.getuid(), sys.prefix)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "prints").mkdir()
    (tmp_path / "prints" / "__main__.py").write_text(PRINTS)
    return tmp_path / "prints"


def run_once(engine: Engine, app: Path, name: str, python: str) -> list[str]:
    """Build an image for user 1000, run it once without a network, remove it; return the words that it printed."""
    build_app_image(engine, name, app, user="1000", python=python)
    try:
        return succeed(engine, ["run", "--rm", "--network", "none", name]).split()
    finally:
        engine.call(["rmi", "--force", name])


@pytest.mark.parametrize("version", ["3.12", "3.14"])
def test_an_image_of_another_python_has_all_of_its_libraries(version: str, app: Path) -> None:
    """Modules that need shared libraries can be imported, by another user than root and without a network.

    Python itself is in a library or in the executable.
    """
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"no CPython {version} on this machine")
    words = run_once(require_engine(), app, f"localhost/soakproof-test-python:{version}", python)
    assert words == [*version.split("."), "1000", "/opt/venv"]


def test_docker_takes_the_same_image(app: Path) -> None:
    words = run_once(require_engine("docker"), app, "soakproof-test-python:docker", sys.executable)
    assert words == [str(sys.version_info[0]), str(sys.version_info[1]), "1000", "/opt/venv"]

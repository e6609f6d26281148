"""Containers for tests: an engine that works here, and containers that are gone afterwards."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from soak.containers.engine import Engine, EngineError, engine_says, engines_on_path

RUN_S = 120.0
"""Time for a call that runs a container to its end, seconds."""
NO_COMMAND = 127
"""Exit code of a container that was made, but has not the command that it was to run."""


def require_engine(name: str = "podman") -> Engine:
    """Return the engine; skip the test where it is missing or runs no container.

    With SOAKPROOF_REQUIRE_CONTAINERS in the environment podman has to work.
    """
    if reason := _why_not(name):
        reason = f"{name} cannot be used here: {reason}"
        assert name != "podman" or "SOAKPROOF_REQUIRE_CONTAINERS" not in os.environ, reason
        pytest.skip(reason)
    (engine,) = engines_on_path(name)
    return engine


@cache
def _why_not(name: str) -> str:
    """Return why an engine runs no container, as where it lacks a right; empty where it does."""
    image = f"soakproof-test-empty-{os.getpid()}:1"
    try:
        (engine,) = engines_on_path(name)
    except ValueError:
        return "it is not on PATH"
    with TemporaryDirectory() as directory:
        tar = Path(directory, "empty.tar")
        with tarfile.open(tar, "w") as archive:
            archive.addfile(tarfile.TarInfo("nothing"))
        try:
            made = engine.call(["import", str(tar), image], RUN_S)
            if made.code:
                return engine_says(made.errors)
            ran = engine.call(["run", "--rm", "--network", "host", image, "/none"], RUN_S, directory)
            engine.call(["rmi", "--force", image])
        except EngineError as error:
            return str(error)
    return "" if ran.code == NO_COMMAND else engine_says(ran.errors)


def succeed(engine: Engine, words: Sequence[str], timeout_s: float = RUN_S) -> str:
    """Return what a call printed; fails the test unless it succeeded."""
    answer = engine.call(words, timeout_s)
    assert answer.code == 0, f"{engine.name} {' '.join(words)}: {answer.errors}"
    return answer.output.strip()


@contextmanager
def running(engine: Engine, name: str, words: Sequence[str]) -> Iterator[str]:
    """Run a container in the background: ``words`` are options of run, image and arguments; yield its name."""
    with TemporaryDirectory() as directory:  # podman's monitor notes a kill in a file where it was started
        answer = engine.call(["run", "--detach", "--name", name, *words], RUN_S, directory)
        assert answer.code == 0, answer.errors
        try:
            yield name
        finally:
            engine.call(["kill", name])  # else the engine waits for its end in peace
            engine.call(["rm", "--force", "--volumes", name], RUN_S)

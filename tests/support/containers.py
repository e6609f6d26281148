"""Containers for tests: an engine that works here, and containers that are gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest

from soak.containers.engine import Engine, EngineError, engines_on_path

RUN_S = 120.0
"""Time for a call that runs a container to its end, seconds."""


def require_engine(name: str = "podman") -> Engine:
    """Return the engine; skip the test where it is missing or does not answer.

    With SOAKPROOF_REQUIRE_CONTAINERS in the environment podman has to be there.
    """
    try:
        (engine,) = engines_on_path(name)
        answer = engine.call(["info"])
        reason = "" if answer.code == 0 else answer.errors
    except (ValueError, EngineError) as error:
        reason = str(error)
    if reason:
        reason = f"{name} cannot be used here: {reason}"
        assert name != "podman" or "SOAKPROOF_REQUIRE_CONTAINERS" not in os.environ, reason
        pytest.skip(reason)
    return engine


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

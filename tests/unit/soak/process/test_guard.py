"""What the guard does with containers, by fake engines; groups, cgroups and directories: tests/integration."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.process.guard import Guard, clear, listen, remove_container
from tests.support.fake_engine import running_engine, words_of

ABSENT = ["container", "inspect", "soakproof-1"]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The containers of a podman that alone is on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return running_engine(tmp_path, ["/bin/sleep", "60"])


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-IS", "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_container_that_is_on_the_list_is_removed(engine: Path, process: subprocess.Popen[bytes]) -> None:
    """It is killed first, since podman's rm waits 10 s; one that has been taken off the list is left alone."""
    state = {"Id": "0", "State": {"Pid": process.pid}}
    (engine / "soakproof-1").write_text(json.dumps(state))
    (engine / "soakproof-2").write_text("{}")
    lines = "+container podman soakproof-1\n+container podman soakproof-2\n-container podman soakproof-2\n"
    clear(listen(io.StringIO(lines)))
    assert process.wait() == -9
    assert [path.name for path in engine.glob("soakproof-*")] == ["soakproof-2"]
    assert words_of(engine / "calls") == [
        ABSENT,
        ["kill", "--signal", "KILL", "soakproof-1"],
        ["rm", "--force", "--volumes", "soakproof-1"],
        *[ABSENT] * 5,
    ]


def test_a_container_that_is_still_being_created_is_removed(
    engine: Path, process: subprocess.Popen[bytes]
) -> None:
    """The daemon may make it after its client has died: it must be absent five times in a row."""
    slept = 0

    def sleep(_seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept == 3:
            (engine / "soakproof-1").write_text(json.dumps({"State": {"Pid": process.pid}}))

    assert remove_container("podman", "soakproof-1", sleep=sleep)
    assert not (engine / "soakproof-1").exists()
    assert [words[0] for words in words_of(engine / "calls")] == ["container"] * 4 + ["kill", "rm"] + [
        "container"
    ] * 5


def test_a_container_that_would_not_go_is_given_up(engine: Path) -> None:
    """The guard ends also where an engine removes nothing."""
    (engine / "soakproof-1").write_text(json.dumps({"State": {"Pid": 2**30}}))
    (engine.parent / "podman").write_text("#!/bin/sh\n")
    assert not remove_container("podman", "soakproof-1", patience_s=0.0)


def test_an_engine_that_does_not_answer_may_still_have_it(engine: Path) -> None:
    """A daemon that restarts prints an error, too; once it answers, the container is removed."""
    (engine / "soakproof-1").write_text(json.dumps({"State": {"Pid": 2**30}}))
    program = engine.parent / "podman"
    answering, slept = program.read_text(), 0
    program.write_text("#!/bin/sh\necho 'dial unix /run/none.sock: no such file or directory' >&2\nexit 1\n")

    def sleep(_seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept == 9:
            program.write_text(answering)

    assert remove_container("podman", "soakproof-1", sleep=sleep)
    assert not (engine / "soakproof-1").exists()


def test_an_engine_that_is_gone_has_no_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert remove_container("podman", "soakproof-1", sleep=lambda _seconds: None)


def test_a_path_that_is_no_text_is_cleared_like_any_other(tmp_path: Path) -> None:
    """The name of a cgroup or a mount point may be in Latin-1."""
    directory = tmp_path / os.fsdecode(b"caf\xe9")
    directory.mkdir()
    guard = Guard()
    guard.add_directory(directory)
    guard.close()
    assert not directory.exists()

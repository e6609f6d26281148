from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path

import pytest

from soak.containers.engine import (
    Engine,
    EngineError,
    engine_says,
    engines_on_path,
    find_container,
    find_image,
    is_of_container,
    parse_container,
    parse_image,
)
from soak.errors import UsageError
from tests.support.fake_engine import (
    CONTAINER_ID,
    DAEMON_DOWN,
    IMAGE_ID,
    container,
    fake_engine,
    image,
    words_of,
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that alone is on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_an_image_is_read_from_either_engine() -> None:
    """podman prints a bare id, docker one with sha256: and null where there is nothing; both give the same image."""
    ports: dict[str, object] = {"9000/tcp": {}, "8000/tcp": {}, "53/udp": {}}
    podman = {"Id": IMAGE_ID, "Config": {"ExposedPorts": ports}}
    docker = image(f"sha256:{IMAGE_ID}", Env=None)
    found = parse_image("podman", "shop:2.1", podman)
    assert found.id == parse_image("docker", "shop:2.1", docker).id == f"sha256:{IMAGE_ID}"
    assert found.ports == (8000, 9000)
    assert parse_image("docker", "a", image(Env=["A=b=c", "EMPTY="])).env == {"A": "b=c", "EMPTY": ""}


@pytest.mark.parametrize("broken", [{}, {"Id": None}, {"Id": "latest"}])
def test_an_image_without_an_id_is_an_error(broken: dict[str, object]) -> None:
    """What cannot be named in the manifest is not run."""
    with pytest.raises(EngineError, match="podman printed no id"):
        parse_image("podman", "shop", broken)


def test_a_container_that_does_not_run_has_no_pid() -> None:
    """Pid 0, and the pid that an engine may still print of a container that has ended, are none."""
    assert parse_container("podman", "shop", container(4711)).pid == 4711
    assert parse_container("podman", "shop", container(0)).pid is None
    assert parse_container("docker", "shop", container(4711, running=False)).pid is None


def test_the_first_engine_that_has_the_image_is_taken(path: Path) -> None:
    """podman is asked first; an engine that is named is the only one asked."""
    podman = fake_engine(path, "podman", images={"both:1": image()})
    docker = fake_engine(path, "docker", images={"both:1": image(), "late:1": image()})
    assert find_image("both:1", "arms.a.image").engine == "podman"
    assert words_of(docker) == []
    assert find_image("late:1", "arms.a.image").engine == "docker"
    asked = len(words_of(podman))
    assert find_image("both:1", "arms.a.image", "docker").engine == "docker"
    assert len(words_of(podman)) == asked


def test_an_image_that_no_engine_has_is_named_with_the_command_that_fetches_it(path: Path) -> None:
    fake_engine(path, "podman")
    fake_engine(path, "docker")
    with pytest.raises(UsageError) as raised:
        find_image("shop:9.9", "arms.new.image")
    assert str(raised.value) == (
        "arms.new.image: no image shop:9.9 on this machine (asked podman and docker); fetch it first: "
        "podman pull shop:9.9"
    )


@pytest.mark.usefixtures("path")
def test_without_an_engine_the_message_says_which_to_install() -> None:
    with pytest.raises(
        UsageError, match=r"arms.new.image: shop:2.1 needs podman or docker, and neither was found on PATH"
    ):
        find_image("shop:2.1", "arms.new.image")
    with pytest.raises(UsageError, match="needs docker, which was not found on PATH"):
        find_image("shop:2.1", "arms.new.image", "docker")
    assert engines_on_path() == ()


def test_a_daemon_that_is_down_is_named_with_its_address(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that does not answer is no engine without the image: both are told apart in the message."""
    fake_engine(path, "docker", down=DAEMON_DOWN)
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/none.sock")
    with pytest.raises(
        UsageError, match=r"docker \(DOCKER_HOST=unix:///run/none.sock\) does not answer: Cannot connect"
    ):
        find_image("shop:2.1", "arms.new.image")
    fake_engine(path, "podman")
    with pytest.raises(
        UsageError, match=r"no image shop:2.1 on this machine \(asked podman; docker \(DOCKER_HOST="
    ):
        find_image("shop:2.1", "arms.new.image")
    fake_engine(path, "podman", images={"shop:2.1": image()})
    assert find_image("shop:2.1", "arms.new.image").engine == "podman"


@pytest.mark.parametrize(
    "printed",
    [
        "dial unix /run/none.sock: connect: no such file or directory",
        "error during connect: dial tcp: lookup nowhere: no such host",
    ],
)
def test_an_engine_that_is_not_reached_does_not_lack_the_image(path: Path, printed: str) -> None:
    fake_engine(path, "docker", down=printed)
    with pytest.raises(UsageError, match="docker does not answer"):
        find_image("shop:2.1", "arms.new.image", "docker")


def test_a_call_has_one_deadline(path: Path) -> None:
    """An engine that hangs is killed, and named with what it was asked."""
    fake_engine(path, "podman", slow_s=60)
    began_s = time.monotonic()
    with pytest.raises(EngineError, match=r"podman did not answer `podman image` within 0[.]2 s"):
        Engine("podman", str(path / "podman")).call(["image", "inspect", "shop"], 0.2)
    assert time.monotonic() - began_s < 10


def test_a_machine_without_a_file_to_spare_is_an_error_of_the_call(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a container asks again."""
    fake_engine(path, "podman")

    def full() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(EngineError, match=r"podman cannot be run \(Too many open files\)"):
        Engine("podman", str(path / "podman")).call(["image", "inspect", "shop"])


@pytest.mark.parametrize("name", ["", "-v", "--help", "a b", "a;b", "é"])
def test_a_name_that_no_engine_takes_is_not_passed_on(path: Path, name: str) -> None:
    """A name that begins like an option would be one."""
    calls = fake_engine(path, "podman", images={name: image()})
    assert Engine("podman", str(path / "podman")).image(name) is None
    assert words_of(calls) == []


def test_a_container_is_found_with_the_pid_of_its_first_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soak.containers.engine.is_of_container", lambda pid, _: pid == 4711)
    fake_engine(path, "podman")
    fake_engine(
        path, "docker", containers={"shop": container(4711), "far": container(815), "over": container(0)}
    )
    found = find_container("shop")
    assert (found.engine, found.pid, found.id) == ("docker", 4711, CONTAINER_ID)
    with pytest.raises(
        UsageError, match=r"--container: no container pub on this machine \(asked podman and docker\)"
    ):
        find_container("pub")
    with pytest.raises(UsageError, match="the container over of docker does not run"):
        find_container("over")
    with pytest.raises(
        UsageError, match="docker gives pid 815 for far, which is no process of it on this machine"
    ):
        find_container("far")


def test_a_process_of_another_machine_is_not_taken_for_the_containers() -> None:
    """A pid that an engine elsewhere prints is some process here: its cgroup does not hold the container's id."""
    assert not is_of_container(os.getpid(), CONTAINER_ID)
    assert not is_of_container(2**30, CONTAINER_ID)


def test_what_is_no_json_is_an_error_of_the_engine(path: Path) -> None:
    fake_engine(path, "podman")
    (path / "podman").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(EngineError, match="podman printed no JSON of one image for shop"):
        Engine("podman", str(path / "podman")).image("shop")


def test_the_last_line_of_an_engine_is_quoted_without_its_prefix() -> None:
    assert engine_says("time=now\nError: it broke.\n\n") == "it broke"
    assert engine_says("") == ""

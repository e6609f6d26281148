"""What may be attached to: processes, and containers by their engine's word and by their cgroup."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from soak.config.values import ARM_NAME
from soak.containers.engine import Container
from soak.errors import UsageError
from soak.supervisor import attachments as module
from soak.supervisor.attachments import find_attachments
from tests.support.fake_engine import CONTAINER_ID, IMAGE_ID


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_living_process_of_ours_is_found(sleeper: subprocess.Popen[bytes]) -> None:
    """By its pid and its start."""
    [found] = find_attachments([sleeper.pid], [])
    assert found.process.pid == sleeper.pid
    assert found.process.is_running()
    assert found.name == f"pid_{sleeper.pid}"


@pytest.mark.parametrize(
    ("pids", "sentence"),
    [
        ([999_999_999], "--pid 999999999: no such process"),
        (["sleeper", "sleeper"], "is given twice"),
        (["self", "sleeper"], "runs below --pid"),
    ],
)
def test_a_pid_that_cannot_be_sampled_is_a_sentence(
    sleeper: subprocess.Popen[bytes], pids: list[int | str], sentence: str
) -> None:
    """It names the pid and the fix."""
    known = {"self": os.getpid(), "sleeper": sleeper.pid}
    with pytest.raises(UsageError, match=sentence):
        find_attachments([pid if isinstance(pid, int) else known[pid] for pid in pids], [])


def test_a_thread_is_not_taken_for_a_process_of_its_own() -> None:
    """Its process would be judged as two services."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        with pytest.raises(UsageError, match=rf"^--pid {thread.native_id}: is a thread, not a process"):
            find_attachments([thread.native_id or 0], [])
    finally:
        ended.set()
        thread.join()


def test_a_hidden_process_is_not_taken_for_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under the mount option hidepid another user's process looks as if it were gone."""
    monkeypatch.setattr(module, "is_hidden", lambda _: True)
    with pytest.raises(UsageError, match="run this as its user, or as root"):
        find_attachments([999_999_999], [])


@pytest.fixture
def container(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is that of a container whose first process is the sleeper."""
    monkeypatch.setattr(
        module,
        "find_container",
        lambda name: Container("podman", name, CONTAINER_ID, f"sha256:{IMAGE_ID}", sleeper.pid),
    )


@pytest.mark.usefixtures("container")
@pytest.mark.parametrize(
    ("name", "arm"),
    [("shop", "container_shop"), ("Shop.2-a", "container_shop_2_a"), ("0" * 64, "container_" + "0" * 22)],
)
def test_a_container_is_its_first_process_and_an_arm_of_its_name(
    sleeper: subprocess.Popen[bytes], name: str, arm: str
) -> None:
    """The manifest has which container of which image it was."""
    [found] = find_attachments([], [name])
    assert (found.process.pid, found.name) == (sleeper.pid, arm)
    assert re.fullmatch(ARM_NAME, found.name)
    assert found.facts == {
        "name": arm,
        "pid": sleeper.pid,
        "container": {"engine": "podman", "name": name, "id": CONTAINER_ID, "image_id": f"sha256:{IMAGE_ID}"},
    }


@pytest.mark.usefixtures("container")
def test_a_process_of_a_container_is_sampled_once(sleeper: subprocess.Popen[bytes]) -> None:
    """Whichever way it was named."""
    with pytest.raises(
        UsageError, match=r"^--container shop is given twice: --pid \d+ is the same process\.$"
    ):
        find_attachments([sleeper.pid], ["shop"])
    with pytest.raises(UsageError, match=r"^--container shop runs below --pid \d+, which is sampled with it"):
        find_attachments([os.getpid()], ["shop"])


def test_two_containers_with_one_name_of_an_arm_are_told_apart_by_id(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of an arm holds 22 characters of theirs, which two of one service may share."""
    pids = {"acme-shop-production-web-1": sleeper.pid, "acme-shop-production-web-2": os.getpid()}
    monkeypatch.setattr(
        module, "find_container", lambda name: Container("podman", name, "0" * 64, "", pids[name])
    )
    monkeypatch.setattr(module, "found_limit_bytes", lambda _pid: None)
    both = (
        r"^--container \S+-2 and --container \S+-1 are both the arm container_acme_\w+: give one by its id\.$"
    )
    with pytest.raises(UsageError, match=both):
        find_attachments([], list(pids))


def test_nothing_to_attach_to_is_a_sentence() -> None:
    """Both options are named."""
    with pytest.raises(UsageError, match="Give --pid or --container"):
        find_attachments([], [])


def test_what_a_missing_capability_leaves_is_named(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root without SYS_PTRACE, as in a container, reads what /proc shows to everybody."""
    [found] = find_attachments([sleeper.pid], [])
    assert found.unreadable == ""
    monkeypatch.setattr(module, "is_traceable", lambda _pid: False)
    assert found.unreadable.startswith("only RSS and CPU can be read")
    assert "the capability SYS_PTRACE (docker run --cap-add SYS_PTRACE;" in found.unreadable


@pytest.mark.parametrize(
    ("euid", "fix"), [(1000, "as its user, or as root"), (0, "root needs DAC_OVERRIDE and SYS_PTRACE")]
)
def test_a_process_that_is_not_ours_to_read_is_refused_with_what_helps(
    euid: int, fix: str, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "count_fds", lambda _pid: None)
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    with pytest.raises(UsageError, match=f"it is not ours to read; .*{fix}"):
        find_attachments([sleeper.pid], [])

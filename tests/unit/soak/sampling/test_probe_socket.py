"""Where the socket of a probe is looked for: what a hostile target may put there, and what an honest one does."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soak.process.namespaces import Inside
from soak.sampling import probe_socket
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from tests.support.rogue_probe import SAMPLE, RogueProbe, line

OTHER_USER = 12345
NAME = f"{os.getpid()}.sock"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def bind(directory: Path) -> RogueProbe:
    """Answer as the probe of this process in a directory, by a path short enough for an address."""
    held = os.open(directory, os.O_PATH)
    try:
        return RogueProbe(
            Path(f"/proc/self/fd/{held}"), lambda connection, _: connection.sendall(line(SAMPLE))
        )
    finally:
        os.close(held)


@pytest.fixture
def answers() -> Iterator[Callable[[Path, Path], bool]]:
    """Return a function: whether a probe at the second directory is found by the first path, and answers."""
    made: list[RogueProbe | ProbeClient] = []

    def ask(given: Path, real: Path) -> bool:
        client = ProbeClient(given, os.getpid())
        made.extend((client, bind(real)))
        assert client.missing == ""
        return bool(client.ask("sample", 5.0))

    yield ask
    for one in made:
        one.close()


Answers = Callable[[Path, Path], bool]


def refused(directory: Path) -> str:
    """Return why there is no probe; a question fails, too."""
    client = ProbeClient(directory, os.getpid())
    assert not client.exists
    with pytest.raises(ProbeError, match=r"^probe: sample: "):
        client.ask("sample", 1.0)
    return client.missing


def test_a_long_path_a_link_and_dots_lead_to_the_socket(tmp_path: Path, answers: Answers) -> None:
    """As /var/run is a link to /run; of an address the kernel takes 107 bytes."""
    real = tmp_path / ("d" * 100) / ("e" * 100)
    real.mkdir(mode=0o700, parents=True)
    (tmp_path / "absolute").symlink_to(real.parent)
    (tmp_path / "relative").symlink_to("absolute/../absolute/.")
    assert answers(tmp_path / "relative" / ".." / real.parent.name / real.name, real)


def test_a_relative_directory_is_one_of_the_process(
    tmp_path: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was given to the process, whose working directory it is below."""
    monkeypatch.chdir(tmp_path)
    Path("inner").mkdir(mode=0o700)
    assert answers(Path("inner"), tmp_path / "inner")


def test_where_all_may_make_files_it_is_that_of_the_user(tmp_path: Path, answers: Answers) -> None:
    """As the probe makes it."""
    tmp_path.chmod(0o1777)
    own = tmp_path / str(os.geteuid())
    own.mkdir(mode=0o700)
    assert answers(tmp_path, own)


def test_a_directory_for_all_without_one_of_the_user_has_no_probe(tmp_path: Path) -> None:
    """Nor is a socket taken that lies there itself."""
    tmp_path.chmod(0o1777)
    rogue = bind(tmp_path)
    assert refused(tmp_path) == f"{tmp_path} has nothing of this user"
    rogue.close()


@needs_root
def test_a_process_that_has_given_up_root_has_its_socket_in_that_of_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there is one of its user: children that it forked since have theirs there."""
    tmp_path.chmod(0o1777)
    for uid in (0, OTHER_USER):
        (tmp_path / str(uid)).mkdir(mode=0o700)
        os.chown(tmp_path / str(uid), uid, uid)
    rogue = bind(tmp_path / "0")
    monkeypatch.setattr(probe_socket, "look_inside", lambda pid: Inside(pid, OTHER_USER, OTHER_USER, None))
    client = ProbeClient(tmp_path, os.getpid())
    assert client.missing == ""
    assert client.ask("sample", 5.0)
    client.close()
    rogue.close()


def test_where_its_root_may_not_be_looked_at_ours_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target of ours that changed its user; where nothing is there either, the reason is the first one."""

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(probe_socket, "root_of", refuse)
    rogue = bind(tmp_path)
    assert ProbeClient(tmp_path, os.getpid()).missing == ""
    assert refused(tmp_path / "none") == f"{tmp_path}/none: Permission denied"
    rogue.close()


@needs_root
def test_a_directory_of_another_user_is_not_looked_into(tmp_path: Path) -> None:
    """Under the name of ours, or named itself."""
    own = tmp_path / "all" / str(os.geteuid())
    own.mkdir(parents=True, mode=0o700)
    own.parent.chmod(0o1777)
    rogue = bind(own)
    os.chown(own, OTHER_USER, OTHER_USER)
    assert refused(own.parent) == f"{own} belongs to another user"
    assert refused(own) == f"{own} belongs to user {OTHER_USER}"
    rogue.close()


@needs_root
def test_a_socket_of_another_user_is_not_connected_to(tmp_path: Path) -> None:
    """A hard link to it may lie in a directory of the target."""
    rogue = bind(tmp_path)
    os.chown(tmp_path / NAME, OTHER_USER, OTHER_USER)
    assert refused(tmp_path) == f"its socket belongs to user {OTHER_USER}"
    rogue.close()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """The probe starts in none: the socket is not its own."""
    rogue = bind(tmp_path)
    tmp_path.chmod(mode)
    assert refused(tmp_path) == f"{tmp_path} is open to other users"
    rogue.close()


def plant_link(directory: Path) -> None:
    """A link to a socket that answers."""
    (directory / "real").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "real/s"))
    (directory / NAME).symlink_to("real/s")


def plant_pipe(directory: Path) -> None:
    """A pipe, which an ordinary open would wait for."""
    os.mkfifo(directory / NAME)


def plant_file(directory: Path) -> None:
    """A plain file."""
    (directory / NAME).touch()


@pytest.mark.parametrize("plant", [plant_link, plant_pipe, plant_file])
def test_what_is_no_socket_is_not_opened(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    """Nor is a link followed, which could name a socket of ours."""
    plant(tmp_path)
    assert refused(tmp_path) == f"{tmp_path}: {NAME} is not a socket"


def test_links_without_end_are_refused(tmp_path: Path) -> None:
    """And so is a way of more names than descriptors are to be opened."""
    (tmp_path / "loop").symlink_to("loop/loop")
    assert "Too many levels of symbolic links" in refused(tmp_path / "loop")
    assert "Too many levels of symbolic links" in refused(Path("/", *["."] * 3, *["proc", ".."] * 200))


def test_a_way_out_of_the_root_leads_back_to_it(tmp_path: Path, answers: Answers) -> None:
    """More dots than directories, as in the kernel."""
    assert answers(Path("/", *[".."] * 9, *tmp_path.parts[1:]), tmp_path)

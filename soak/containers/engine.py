"""What a container engine has, by its command line: images, and containers by name. Nothing is started here.

podman and docker take the same words and print nearly the same JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from soak.config.values import IMAGE_NAME
from soak.errors import UsageError
from soak.limit.membership import read_paths
from soak.process.guard import NONE_SUCH
from soak.process.procfs import PROC

ENGINES: Final = ("podman", "docker")
"""The programs that are asked, in this order."""
CALL_S: Final = 30.0
"""Time for one call of an engine, seconds; an inspect takes 0.02 to 0.04, but waits while podman imports an image."""
_ANSWER_MOST_BYTES: Final = 4 << 20
"""Longest output of a call that is read, bytes; an inspect prints about 10 KiB."""
_LAST_WORDS: Final = 400
"""Characters of what an engine printed that a message quotes."""


class EngineError(Exception):
    """A call of an engine failed; one clause, which begins with the name of the engine."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that an engine has."""

    engine: str
    name: str
    """As it was asked for."""
    id: str
    """``sha256:`` and 64 hexadecimal digits, from both engines."""
    ports: tuple[int, ...] = ()
    """TCP ports that it exposes, ascending."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """A container that an engine has."""

    engine: str
    name: str
    """As it was asked for."""
    id: str
    """64 hexadecimal digits."""
    image_id: str
    """As ``Image.id``."""
    pid: int | None
    """Process id of its first process on the machine of the engine; None while it does not run."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call of an engine ended, and what it printed."""

    code: int
    output: str
    errors: str


class Engine:
    """One engine's command line. Each call has one deadline and raises EngineError when it is over."""

    def __init__(self, name: str, program: str) -> None:
        self.name = name
        self.program = program

    def image(self, name: str) -> Image | None:
        """Return an image by its name or id, None where the engine has none; raises EngineError."""
        found = self._inspect("image", name)
        return None if found is None else parse_image(self.name, name, found)

    def container(self, name: str) -> Container | None:
        """Return a container by its name or id, None where the engine has none; raises EngineError."""
        found = self._inspect("container", name)
        return None if found is None else parse_container(self.name, name, found)

    def call(self, words: Sequence[str], timeout_s: float = CALL_S, cwd: str | None = None) -> Answer:
        """Run the engine with these words; raises EngineError where it does not end in time or cannot be run.

        Its output goes to files: a helper that it leaves behind cannot hold a pipe open.
        """
        try:
            with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
                process = subprocess.Popen(
                    [self.program, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,
                    cwd=cwd,
                )
                try:
                    code = process.wait(timeout_s)
                finally:
                    if process.returncode is None:
                        with contextlib.suppress(ProcessLookupError):
                            os.killpg(process.pid, signal.SIGKILL)
                        process.wait()
                return Answer(code, _read(output), _read(errors))
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"{self.at} did not answer `{self.name} {words[0]}` within {timeout_s:g} s"
            ) from None
        except OSError as error:  # of the program or, without a descriptor or room, of the files
            raise EngineError(f"{self.name} cannot be run ({error.strerror})") from error

    @property
    def at(self) -> str:
        """The engine's name, with the variable that moves it to another machine or socket, where that is set."""
        variable = {"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}.get(self.name, "")
        value = os.environ.get(variable)
        return f"{self.name} ({variable}={value})" if value else self.name

    def _inspect(self, kind: str, name: str) -> Mapping[str, Any] | None:
        if re.match(IMAGE_NAME, name) is None:
            return None
        answer = self.call([kind, "inspect", name])
        if answer.code != 0:
            if NONE_SUCH.search(answer.errors):
                return None
            raise EngineError(f"{self.at} does not answer: {engine_says(answer.errors) or answer.code}")
        try:
            (found,) = json.loads(answer.output)
            return dict(found)
        except (ValueError, TypeError):
            raise EngineError(f"{self.at} printed no JSON of one {kind} for {name}") from None


def engines_on_path(only: str = "") -> tuple[Engine, ...]:
    """Return the engines on PATH, in the order of ``ENGINES``; ``only`` one of them where it is named."""
    programs = {name: shutil.which(name) for name in ENGINES if only in ("", name)}
    return tuple(Engine(name, program) for name, program in programs.items() if program)


def find_image(name: str, key: str, only: str = "") -> Image:
    """Return an image of the first engine that has it, ``only`` of the named one.

    Raises UsageError with ``key``, the setting that named it, where no engine has it.
    """
    found, asked = _first("image", name, key, only)
    if isinstance(found, Image):
        return found
    fetch = only or engines_on_path(only)[0].name
    raise UsageError(f"{key}: no image {name} on this machine ({asked}); fetch it first: {fetch} pull {name}")


def find_container(name: str) -> Container:
    """Return a running container, as ``--container`` names it, of the first engine that has it.

    Raises UsageError where no engine has it, it does not run, or it runs on another machine.
    """
    found, asked = _first("container", name, "--container")
    if not isinstance(found, Container):
        raise UsageError(
            f"--container: no container {name} on this machine ({asked}); see `podman ps` or `docker ps`."
        )
    if found.pid is None:
        raise UsageError(f"--container: the container {name} of {found.engine} does not run; start it first.")
    if not is_of_container(found.pid, found.id):
        raise UsageError(
            f"--container: {found.engine} gives pid {found.pid} for {name}, which is no process of it on this "
            "machine; run this on the machine of the engine, outside of any container, or give the pid."
        )
    return found


def is_of_container(pid: int, container_id: str) -> bool:
    """Whether a process of this machine is in a cgroup of the container."""
    try:
        return container_id in read_paths(PROC / str(pid) / "cgroup")
    except OSError:
        return False


def parse_image(engine: str, name: str, found: Mapping[str, Any]) -> Image:
    """Return an image from what ``image inspect`` printed of it; raises EngineError where its id is missing."""
    config = found.get("Config") or {}
    exposed = (str(port).partition("/") for port in config.get("ExposedPorts") or {})
    return Image(
        engine,
        name,
        _image_id(engine, found.get("Id")),
        ports=tuple(
            sorted(int(port) for port, _, kind in exposed if kind in ("", "tcp") and port.isdecimal())
        ),
        env={key: value for key, _, value in (str(one).partition("=") for one in config.get("Env") or ())},
    )


def parse_container(engine: str, name: str, found: Mapping[str, Any]) -> Container:
    """Return a container from what ``container inspect`` printed of it; raises EngineError where its id is missing."""
    identity, state = found.get("Id"), found.get("State") or {}
    if not isinstance(identity, str) or re.fullmatch("[0-9a-f]{64}", identity) is None:
        raise EngineError(f"{engine} printed no id of the container {name}")
    pid = state.get("Pid")
    return Container(
        engine,
        name,
        identity,
        _image_id(engine, found.get("Image")),
        pid if isinstance(pid, int) and pid > 0 and state.get("Running") else None,
    )


def engine_says(text: str) -> str:
    """Return the last line that an engine printed, without "Error:" and shortened, for a message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[-1].removeprefix("Error: ").partition(" Is the docker daemon running?")[0] if lines else ""
    return line[:_LAST_WORDS].rstrip(".")


def _first(kind: str, name: str, key: str, only: str = "") -> tuple[Image | Container | None, str]:
    """Return what the first engine that has it has, None where none has it, and which were asked.

    Raises UsageError where none could be asked.
    """
    engines = engines_on_path(only)
    if not engines:
        missing = f"{only}, which was not found" if only else "podman or docker, and neither was found"
        raise UsageError(f"{key}: {name} needs {missing} on PATH; install it.")
    asked, failed = [], []
    for engine in engines:
        try:
            found = engine.image(name) if kind == "image" else engine.container(name)
        except EngineError as error:
            failed.append(str(error))
            continue
        if found is not None:
            return found, ""
        asked.append(engine.name)
    if not asked:
        raise UsageError(f"{key}: {'; '.join(failed)}. Start it, or correct its address.")
    return None, "; ".join([f"asked {' and '.join(asked)}", *failed])


def _image_id(engine: str, identity: object) -> str:
    if not isinstance(identity, str) or re.fullmatch("(sha256:)?[0-9a-f]{64}", identity) is None:
        raise EngineError(f"{engine} printed no id of an image")
    return identity if identity.startswith("sha256:") else f"sha256:{identity}"


def _read(file: Any) -> str:
    file.seek(0)
    text: bytes = file.read(_ANSWER_MOST_BYTES)
    return text.decode("utf-8", "replace")

"""A container in the foreground of its engine's client, which is a child of ours."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from soak.containers.engine import Container, Engine, EngineError, is_of_container
from soak.containers.spec import ContainerSpec
from soak.errors import SoakError, UsageError
from soak.process.child import Child, describe_exit
from soak.process.guard import Guard, remove_container
from soak.process.listeners import is_listening
from soak.process.readiness import PORT, what_failed
from soak.process.spec import ProcessSpec

LOOK_EVERY_S: Final = 0.03
"""Time between two questions for the container's process until there is one, seconds; each takes 0.02 to 0.04."""
ELSEWHERE_TIMES: Final = 10
"""How often in a row a container that runs must have no process here: its engine is taken for another machine's."""
REMOVE_S: Final = 5.0
"""Time to wait at the end for a container to be removed, seconds; else the guard goes on with it."""
ENGINE_FAILED: Final = 125
"""Exit code of a client whose engine could not start the container."""


class ContainerChild:
    """One container. Engine calls are made by threads of their own: nothing here waits for one but ``leave``."""

    def __init__(
        self, client: Child, container: ContainerSpec, life: int, engine: Engine, guard: Guard
    ) -> None:
        self._client = client
        self._container = container
        self._name = container.name(life)
        self._engine = engine
        self._guard = guard
        self._over = threading.Event()
        """Set once the client has ended."""
        self._found: Container | None = None
        self._failure: SoakError | None = None
        self._removal: threading.Thread | None = None
        self._is_removed = False
        self._is_killed = False
        self._in_thread("find", self._find)

    @property
    def spec(self) -> ProcessSpec:
        """The engine's client, as it was started."""
        return self._client.spec

    @property
    def log(self) -> Path:
        """What client and container print."""
        return self._client.log

    @property
    def sampled_pid(self) -> int | None:
        """Process id of the container's first process on this machine; None until there is one.

        Raises UsageError where it runs on another machine.
        """
        if self._failure is not None:
            raise self._failure
        return None if self._found is None else self._found.pid

    @property
    def detail(self) -> str:
        """What it is, for the event of its start."""
        image = self._container.image
        return f"container {self._name} of {image.engine}, image {image.name}, {image.id}"

    @property
    def doubt(self) -> str:
        """Nothing: its port is the engine's."""
        return ""

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left: its name and its port are free."""
        return self._removal is not None and not self._removal.is_alive()

    def poll(self) -> int | None:
        """Return None while the client runs, else its exit code; what it leaves is removed from then on."""
        code = self._client.poll()
        if code is not None:
            self._begin_removal()
        return code

    def is_ready(self) -> bool:
        """Whether it is ready; tries once. With ``port`` something in it must listen: a published port always does."""
        pid = self.sampled_pid
        if pid is None:
            return False
        if self.spec.ready == PORT:
            return is_listening(
                pid, self._container.listens, from_outside=self._container.published_at is not None
            )
        return self._client.is_ready()

    def what_failed(self) -> str:
        """Say what did not happen, for the sentence of a container that did not get ready."""
        container, pid = self._container, self.sampled_pid
        if pid is None or container.published_at is None or self.spec.ready.startswith("log:"):
            return what_failed(self.spec.ready, self.spec.url)
        if is_listening(pid, container.listens, from_outside=True):
            return what_failed(self.spec.ready, self.spec.url)
        if is_listening(pid, container.listens):
            here = f"127.0.0.1:{container.listens}"
            return f"nothing listened at 0.0.0.0:{container.listens} of the container (only at {here})"
        return f"nothing listened at port {container.listens} of the container (arms.{container.arm}.listens)"

    def describe_exit(self, code: int) -> str:
        """Put the client's exit code in words."""
        if code == ENGINE_FAILED:
            return f"{self._engine.name} could not start the container, exit code {code}"
        return describe_exit(code)

    def terminate(self) -> None:
        """Ask the container to end: the client passes the signal on."""
        self._client.terminate()

    def kill(self) -> None:
        """Kill all processes of the container, and the client, which would leave them alone."""
        if not self._is_killed:
            self._is_killed = True
            self._in_thread("kill", self._kill)

    def leave(self) -> int:
        """Return the exit code and wait until the container is removed, ``REMOVE_S`` at most."""
        code = self._client.leave()
        self._begin_removal().join(REMOVE_S)
        self._drop_if_removed()
        return code

    def cap_log(self) -> None:
        """Keep the log small, as ``Child.cap_log``."""
        self._client.cap_log()

    def _find(self) -> None:
        """Find the container's first process; where the engine does not answer, it is asked again."""
        elsewhere = 0
        while not self._over.wait(LOOK_EVERY_S) and elsewhere < ELSEWHERE_TIMES:
            try:
                found = self._engine.container(self._name)
            except EngineError:
                continue
            if found is None or found.pid is None:
                elsewhere = 0
            elif is_of_container(found.pid, found.id):
                if found.image_id == self._container.image.id:
                    self._found = found
                else:
                    self._failure = UsageError(
                        f"arms.{self._container.arm}.options: a word of them was taken for the image: "
                        f"{self._engine.name} runs {found.image_id} instead of {self._container.image.name}; put an "
                        "option before each value."
                    )
                return
            else:
                elsewhere += 1
        if elsewhere:
            self._failure = UsageError(
                f"arms.{self._container.arm}.image: {self._engine.at} runs the container on another machine, or hides "
                "its processes from this one; run soak on the machine of the engine, outside of any container."
            )

    def _kill(self) -> None:
        with suppress(EngineError):  # what is left is removed with the container
            self._engine.call(["kill", "--signal", "KILL", self._name])
        self._client.kill()

    def _begin_removal(self) -> threading.Thread:
        self._over.set()
        if self._removal is None:
            self._removal = self._in_thread("remove", self._remove)
        return self._removal

    def _remove(self) -> None:
        self._is_removed = remove_container(self._engine.name, self._name)

    def _drop_if_removed(self) -> None:
        """Take it from the guard, on the main thread; one that could not be removed is left to it."""
        if self._is_removed:
            self._guard.drop_container(self._engine.name, self._name)

    def _in_thread(self, what: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"{what}-{self._name}", daemon=True)
        thread.start()
        return thread

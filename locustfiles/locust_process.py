"""The Locust process in which a part of the load runs: its greenlets, listeners, failure and end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import BinaryIO, cast

import gevent
from gevent.fileobject import FileObject
from gevent.pool import Group
from locust.env import Environment
from locust.event import EventHook
from locust.runners import Runner

from soak.array_cache import fill_array_cache
from soak.errors import EXIT_HARNESS_FAILED, EXIT_OK, SoakError


class LocustProcess:
    """One process of Locust: master, worker, or both in one."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.runner = cast(Runner, environment.runner)
        self._greenlets = Group()
        # Otherwise Locust derives it from failed requests, and those are for the report to judge.
        environment.process_exit_code = EXIT_OK

    @property
    def failed(self) -> bool:
        """Whether the process ends with an exit code other than 0."""
        return self.environment.process_exit_code != EXIT_OK

    def spawn(self, work: Callable[..., None], *arguments: object) -> gevent.Greenlet:
        """Run ``work`` in a greenlet; when it raises, the process fails and quits."""
        greenlet: gevent.Greenlet = self._greenlets.spawn(work, *arguments)
        greenlet.link_exception(self._on_fault)
        return greenlet

    def fail(self, error: SoakError) -> None:
        """Print the error and take its exit code; errors after the first are dropped."""
        if not self.failed:
            print(error, file=sys.stderr, flush=True)
            self.environment.process_exit_code = error.exit_code

    def quit(self) -> None:
        """End Locust, its web UI included."""
        self.runner.quit()
        if self.environment.web_ui:
            self.environment.web_ui.stop()

    def close(self) -> None:
        """Kill the greenlets; idempotent."""
        self._greenlets.kill()

    def _on_fault(self, _: gevent.Greenlet) -> None:
        # gevent has printed the traceback; a load generator without its load must not look alive.
        self.environment.process_exit_code = EXIT_HARNESS_FAILED
        gevent.spawn(self.quit)


def listen_first(event: EventHook, listener: Callable[..., None]) -> None:
    """Call the listener before all that are there: one that raises StopUser or RescheduleTask ends an event."""
    event._handlers.insert(0, listener)  # noqa: SLF001 - Locust only appends


def set_up(environment: Environment, part: Callable[[LocustProcess, BinaryIO], None]) -> None:
    """Set up a part of the load with the process and its standard input; exits with the code of a SoakError."""
    fill_array_cache()  # its counts are arrays of another size in each second
    # Unbuffered: gevent's buffer would hold a line back until it is full.
    orders = FileObject(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    try:
        part(LocustProcess(environment), orders)
    except SoakError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)

"""The processes below an arm's own, or detached from it: each is a life, from when it has settled until it is gone.

Servers fork workers and start new ones for those that die. We are not their parent: what ended one is known only where
the memory limit counted a kill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from psutil import Process

from soak.contract import OOM_KILLERS
from soak.process.procfs import find_process, is_alive, is_hidden, processes_of
from soak.recording.events import EventLog
from soak.sampling.probe_client import ProbeClient
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target

SCAN_EVERY_S = 1.0
SETTLED_S = 2.0
"""Age from which a process below the arm is a life of it, seconds; a command that it runs ends sooner."""
MOST = 64
"""Processes below an arm that are sampled at most; more would cost a core of their own."""


class ProcessTree:
    """Has the sampler sample an arm's own process and, as they come and go, those below it."""

    def __init__(
        self,
        main: Target,
        sampler: Sampler,
        events: EventLog,
        *,
        next_life: Callable[[], int],
        probe_of: Callable[[int], ProbeClient | None],
        killer: Callable[[], str],
        below: Callable[[int], list[int]] = processes_of,
        find: Callable[[int], Process | None] = find_process,
        hidden: Callable[[int], bool] = is_hidden,
    ) -> None:
        """``killer`` names what ended the process that has just gone; ``below`` lists what a pid has started.

        ``find`` returns the process of a pid, ``hidden`` whether one is there that cannot be found.
        """
        self._main = main
        self._sampler = sampler
        self._events = events
        self._next_life = next_life
        self._probe_of = probe_of
        self._killer = killer
        self._below = below
        self._find = find
        self._hidden = hidden
        self._had_probe = False
        self._known_hidden: set[int] = set()
        self._next_scan_s = 0.0
        self._first_seen_s: dict[Process, float] = {}
        self._known: dict[Process, Target] = {}
        self._left_out = 0
        sampler.targets = (main,)

    def poll(self, now_s: float, *, at_once: bool = False) -> None:
        """Scan when it is time; ``at_once`` scans now and takes in every process that is there, settled or not."""
        if now_s < self._next_scan_s and not at_once:
            return
        self._next_scan_s = now_s + SCAN_EVERY_S
        for gone in [one for one in self._known if not is_alive(one)]:
            self._remove(self._known.pop(gone), self._killer(), "it is no longer there")
        for one in self._settled(now_s, at_once=at_once):
            self._known[one] = self._add(one.pid)
        self._known = {one: _with_probe(target) for one, target in self._known.items()}
        self._had_probe = self._had_probe or self._main.has_probe
        if not self._had_probe and any(target.probed for target in self._known.values()):
            # a shell or a launcher around the service: nothing is missed in it
            self._main = replace(self._main, outside_only=True)
        self._sampler.targets = (self._main, *self._known.values())

    def on_exit(self, by: str) -> None:
        """The arm's own process is over, and with it all below; what of them the limit had killed is told apart."""
        self._sampler.targets = ()
        for target in self._known.values():
            of_worker = by if by in OOM_KILLERS else self._killer()
            self._remove(target, of_worker if of_worker in OOM_KILLERS else by, "it ended with the arm")
        self._known.clear()

    def _settled(self, now_s: float, *, at_once: bool) -> list[Process]:
        """Return who is a life from now on, the oldest first."""
        below = {pid: self._find(pid) for pid in self._below(self._main.pid)}
        hidden = {pid for pid, one in below.items() if one is None and self._hidden(pid)}
        if not hidden <= self._known_hidden:
            self._known_hidden |= hidden
            number = len(self._known_hidden)
            self._record(
                "unsampled",
                f"{number} processes below pid {self._main.pid} that /proc hides from us (hidepid)",
            )
        found = [one for one in below.values() if one]
        self._first_seen_s = {one: self._first_seen_s.get(one, now_s) for one in found}
        patience_s = 0.0 if at_once else SETTLED_S
        settled = [
            one for one in found if one not in self._known and now_s - self._first_seen_s[one] >= patience_s
        ]
        settled.sort(key=lambda one: (one.create_time(), one.pid))
        room = MOST - len(self._known)
        if len(settled) - room > self._left_out:
            self._left_out = len(settled) - room
            self._record(
                "unsampled", f"{self._left_out} processes beyond the first {MOST} below pid {self._main.pid}"
            )
        return settled[:room]

    def _add(self, pid: int) -> Target:
        target = Target(self._main.arm, pid, self._next_life(), self._main.limit, self._probe_of(pid))
        target = replace(target, outside_only=not target.has_probe)
        self._record("start", f"below pid {self._main.pid}", target)
        self._record(
            "ready",
            "no probe: sampled from outside, until there is one" if target.outside_only else "",
            target,
        )
        return target

    def _remove(self, target: Target, by: str, detail: str) -> None:
        self._record("exit", detail, target, by)
        target.close()

    def _record(self, event: str, detail: str, target: Target | None = None, by: str = "") -> None:
        one = target or self._main
        self._events.record(event, detail, arm=one.arm, life=one.life, pid=one.pid, by=by)


def _with_probe(target: Target) -> Target:
    """Return the target as one with a probe, now that it has one: it may be sampled before its interpreter is up."""
    return replace(target, outside_only=False) if target.outside_only and target.has_probe else target

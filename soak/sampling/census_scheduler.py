"""The censuses of a run: ordered from a process that reads the targets from outside, which suspects what grows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from soak.contract import CENSUS_TAKEN
from soak.contract.clock import RunClock
from soak.contract.tail import LineTail
from soak.heap.model import HeapSuspect
from soak.process.child import Child, describe_exit
from soak.process.spec import ProcessSpec, module_argv
from soak.sampling.sampler import Sampler

NAME: Final = "census"
CENSUS_GAP: Final = "census from outside"
MOST_ANSWER_BYTES: Final = 1 << 22
"""Longest answer that is read: of ten arms of 64 processes with the longest names it is 2.6 MB."""


def census_process(run_directory: Path, t0_monotonic_s: float) -> ProcessSpec:
    """Return the process that takes the censuses of a run."""
    argv = module_argv("soak.heap.recorder", str(run_directory), "--t0", repr(t0_monotonic_s))
    return ProcessSpec(NAME, argv, run_directory, stop_timeout_s=2.0)


class CensusScheduler:
    """Orders censuses, one at a time, and hands what is suspected to the arms' samplers.

    It never waits. A census that failed, or that was due while the last one went on, is a counted gap of its arm.
    """

    def __init__(self, child: Child, clock: RunClock, every_s: float, samplers: Sequence[Sampler]) -> None:
        self.child = child
        self._clock = clock
        self._every_s = every_s
        self._samplers = tuple(samplers)
        self._answers = LineTail(child.log, most_bytes=MOST_ANSWER_BYTES)
        self._asked: tuple[Sampler, ...] = ()
        self._ordered_s = 0.0
        self._next_s = 0.0
        self._ended = False

    @property
    def busy(self) -> bool:
        """Whether an order is still being carried out."""
        return bool(self._asked)

    def tick(self) -> None:
        """Order the next census when it is due; only while the targets are loaded."""
        self.poll()
        now_s = self._clock.now_s()
        if self._ended or now_s < self._next_s:
            return
        if self.busy and now_s - self._ordered_s < self._every_s:
            return  # one that was ordered out of turn, as before the load: it has its time, too
        self._next_s = now_s + self._every_s
        if self.busy:
            for sampler in self._asked:
                sampler.gaps.missed(CENSUS_GAP, f"the last one took longer than {self._every_s:g} s")
        else:
            self.order(self._samplers)

    def order(self, samplers: Sequence[Sampler], rung: str = "") -> None:
        """Have the targets of some arms counted now; the caller has seen that it is not busy."""
        targets = [(one.arm, one.pid, one.life) for sampler in samplers for one in sampler.targets]
        if targets and not self._ended:
            self._asked, self._ordered_s = tuple(samplers), self._clock.now_s()
            self.child.send_line(json.dumps({"phase": samplers[0].phase, "rung": rung, "targets": targets}))

    def poll(self) -> None:
        """Take in what was answered; notice once that its process has ended, which a run goes on without."""
        for line in self._answers.new_lines():
            if line.startswith(CENSUS_TAKEN):
                self._take(line.removeprefix(CENSUS_TAKEN))
        self.child.cap_log()
        if not self._ended and (code := self.child.poll()) is not None:
            self._ended, self._asked = True, ()
            why = f"its process ended ({describe_exit(code)}); see {self.child.log}"
            for sampler in self._samplers:
                sampler.gaps.missed(CENSUS_GAP, why)

    def _take(self, line: str) -> None:
        asked, self._asked = self._asked, ()
        try:
            answer = json.loads(line)
        except ValueError:
            for sampler in asked:
                sampler.gaps.missed(CENSUS_GAP, f"its answer is longer than {MOST_ANSWER_BYTES:,} bytes")
            return
        for sampler in asked:
            pids = {str(target.pid) for target in sampler.targets}
            if problems := [problem for pid, problem in answer["errors"].items() if pid in pids]:
                sampler.gaps.missed(CENSUS_GAP, problems[0])
            else:
                sampler.gaps.read(CENSUS_GAP)
            found = {
                int(pid): tuple(HeapSuspect(*one) for one in answer["suspects"][pid])
                for pid in pids & answer["suspects"].keys()
            }
            # a process that is gone has none: another one may get its pid
            kept = {pid: known for pid, known in sampler.suspects.items() if str(pid) in pids}
            sampler.suspects = kept | found
            sampler.census_cells |= {pid: answer["cells"][str(pid)] for pid in found}
            for pid in pids & answer["incremental"].keys():
                sampler.note_incremental_collector(answer["incremental"][pid])

"""The quiesce ladder of a run: each rung is read, its heap counted and its holders named, while all is looked after."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeVar

from soak import contract
from soak.recording.csv_writer import CsvWriter
from soak.sampling.census_scheduler import CENSUS_GAP
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_rows import prove_stuck
from soak.sampling.sampler import EXACT_TIMEOUT_S
from soak.supervisor.arm import ArmRun
from soak.supervisor.session import POLL_EVERY_S, Session

LOOK_EVERY_S: Final = 0.02
T = TypeVar("T")


def meanwhile(session: Session, wait: Callable[[float], None], work: Callable[[], T]) -> T:
    """Return what ``work`` does, in a thread: a target may take long to answer.

    Raises what it raises, and what ``wait`` does, which looks after all else for some seconds.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            future.set_exception(error)

    session.machine.thread(target=run, name="ladder", daemon=True).start()
    while not future.done():
        wait(LOOK_EVERY_S)
    return future.result()


class Ladder:
    """Leads arms down the ladder; ``wait`` looks after the run for some seconds, and raises what ends it."""

    def __init__(self, session: Session, wait: Callable[[float], None]) -> None:
        self._session = session
        self._wait = wait

    def lead(self, arm: ArmRun) -> None:
        """Lead one arm down; a target that does not answer is left at the rung it reached."""
        rungs, reached = arm.quiesce(), ""
        while (rung := meanwhile(self._session, self._wait, lambda: next(rungs, None))) is not None:
            reached = rung
            self._count_heap(arm, rung)
            if rung == contract.RUNGS[0]:
                name_holders = partial(arm.sampler.name_holders, contract.RUNGS[0], EXACT_TIMEOUT_S)
                meanwhile(self._session, self._wait, name_holders)
        if reached in contract.RUNGS[1:]:
            self._prove_stuck(arm, reached)

    def _prove_stuck(self, arm: ArmRun, rung: str) -> None:
        """Have it proved which pending tasks nothing can wake; a process that does not answer is a counted gap.

        Garbage is collected by now, and the last rung is read: the memory that this takes is in no reading.
        """
        with CsvWriter(self._session.directory / arm.name / contract.STUCK, contract.STUCK_COLUMNS) as file:
            until_s = self._session.clock.now_s() + EXACT_TIMEOUT_S
            for target in arm.sampler.targets:
                t_s = self._session.clock.now_s()
                if not target.probed or t_s >= until_s:
                    continue
                prove = partial(prove_stuck, target, until_s - t_s, arm.room_bytes)
                try:
                    rows = meanwhile(self._session, self._wait, prove)
                except ProbeError as error:
                    arm.sampler.gaps.missed("stuck tasks", str(error).removeprefix("probe: stuck: "))
                    continue
                of = {"t_s": t_s, "arm": arm.name, "pid": target.pid, "life": target.life,
                      "phase": arm.sampler.phase, "rung": rung}  # fmt: skip
                file.write_all({**of, **row} for row in rows)

    def _count_heap(self, arm: ArmRun, rung: str) -> None:
        """Have an arm's heap counted on a rung of the ladder, and wait until it is."""
        censuses = self._session.censuses
        if censuses is None:
            return
        counted = self._wait_for_census()
        if counted:
            censuses.order([arm.sampler], rung)
            counted = self._wait_for_census()
        if not counted:
            arm.sampler.gaps.missed(CENSUS_GAP, f"none at the rung {rung} within {EXACT_TIMEOUT_S:g} s")

    def _wait_for_census(self) -> bool:
        """Wait for the census that is being taken; return whether it was in time."""
        clock = self._session.clock
        censuses, until_s = self._session.censuses, clock.now_s() + EXACT_TIMEOUT_S
        while censuses is not None and censuses.busy and clock.now_s() < until_s:
            self._wait(POLL_EVERY_S)
        return censuses is None or not censuses.busy

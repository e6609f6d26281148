"""The quiesce ladder of a run: each rung is read, its heap counted and its holders named, while all is looked after."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeVar

from soak import contract
from soak.sampling.census_scheduler import CENSUS_GAP
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
        rungs = arm.quiesce()
        while (rung := meanwhile(self._session, self._wait, lambda: next(rungs, None))) is not None:
            self._count_heap(arm, rung)
            if rung == contract.RUNGS[0]:
                name_holders = partial(arm.sampler.name_holders, contract.RUNGS[0], EXACT_TIMEOUT_S)
                meanwhile(self._session, self._wait, name_holders)

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

"""Whether the answers at one address are those of one process, and when that was another one."""

from __future__ import annotations

from typing import Final

from soak.elsewhere.exposition import CPU, Reported

ONE_ADDRESS: Final = "name one by its own address"
CPU_SLACK_S: Final = 0.05
"""By how much processor time may fall within a life, seconds: it is read with a tick of 0.01."""


def several(answers: tuple[Reported, ...]) -> str | None:
    """Return what shows that several processes gave answers that were asked for at once; None where nothing does."""
    if len(starts := {one.start_s for one in answers}) > 1:
        return f"{len(starts)} processes answer there, by their start times; {ONE_ADDRESS}"
    return None


class Lives:
    """The lives at one address, told apart by when each was started."""

    def __init__(self, first: Reported) -> None:
        self._last = first

    def take(self, answer: Reported) -> tuple[bool, str | None]:
        """Take the next answer; return whether it is of a new life, and what shows several processes, else None.

        A process that follows another was started later, and what it has used up of the processor never falls.
        """
        last = self._last
        if answer.start_s < last.start_s:
            return False, f"its start time went back: several processes answer there; {ONE_ADDRESS}"
        is_new = answer.start_s > last.start_s
        fell = None not in (answer.cpu_s, last.cpu_s) and answer.cpu_s < last.cpu_s - CPU_SLACK_S  # type: ignore[operator]
        if fell and not is_new:
            return False, f"its {CPU} went back: several processes answer there; {ONE_ADDRESS}"
        self._last = answer
        return is_new, None

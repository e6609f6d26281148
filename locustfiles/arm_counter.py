"""Counts what this process does to one arm, second by second."""

from __future__ import annotations

from collections import defaultdict

from locustfiles.second import Second


class ArmCounter:
    """Each thing counts in the second (``t_s``) in which it happens, until that second is taken."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Requests that were sent and have not ended."""
        self._seconds: defaultdict[int, Second] = defaultdict(Second)

    def missed(self, now_s: float) -> None:
        """Count a request that is given up."""
        self._seconds[int(now_s)].missed += 1

    def sent(self, now_s: float) -> None:
        """Count a request that is being sent."""
        self._seconds[int(now_s)].sent += 1
        self.in_flight += 1

    def ended(self, now_s: float, planned_s: float, sent_s: float, failure: str | None) -> None:
        """Count a request that was answered well (None) or failed."""
        second = self._seconds[int(now_s)]
        if failure is None:
            second.ok += 1
        else:
            second.failed[failure] += 1
        second.timings.record(*(round((now_s - since_s) * 1e6) for since_s in (planned_s, sent_s)))
        self.in_flight -= 1

    def take(self, second: int) -> Second:
        """Return the counts of a second and let them go."""
        return self._seconds.pop(second, None) or Second()

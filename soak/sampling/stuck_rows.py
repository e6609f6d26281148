"""Asks the probe which pending tasks nothing can wake: rows of ``stuck.csv``."""

from __future__ import annotations

from soak.recording.csv_writer import Row
from soak.sampling.holder_rows import probe_budget_s
from soak.sampling.probe_client import ProbeClient
from soak.sampling.target import Target


def prove_stuck(target: Target | ProbeClient, timeout_s: float, room_bytes: int | None) -> list[Row]:
    """Return a row for each place at which tasks wait, with the columns from ``coroutine`` to ``refused``.

    Ask while nothing is loaded, and after the last reading: the target stands still, and memory is taken, up to
    ``room_bytes`` of it (None: any). Where there is no proof, the one row has the reason; where no task is pending, the
    one row says so by its numbers. Raises ProbeError when the probe does not answer in time, or with something else.
    """
    answer = target.ask("stuck", timeout_s, budget_s=probe_budget_s(timeout_s), room_bytes=room_bytes)
    if answer["refused"]:
        return [{"refused": answer["refused"]}]
    return answer["groups"] or [{"stuck": 0, "pending": 0}]

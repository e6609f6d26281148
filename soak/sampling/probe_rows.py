"""Asks the probe who holds what grows, and which tasks nothing can wake: rows of ``holders.csv`` and ``stuck.csv``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from soak.heap.model import HeapSuspect
from soak.recording.csv_writer import Row
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from soak.sampling.target import Target

MARGIN_S: Final = 2.0
"""Part of the time for an answer that is left for what follows the probe's budget (sizes, a pass begun), seconds."""

SHORT_SHARE: Final = 0.7
"""Share of the time for an answer that is the probe's budget, where that time is not much longer than MARGIN_S."""
PROBE_BUDGET_AT_MOST_S: Final = 60.0
"""Largest budget that the probe accepts, seconds."""

MOST_DESCRIBED: Final = 1 << 16
"""Most characters of the description of entries that are recorded: twice as many are no cell that ``csv`` reads."""


def name_holders(
    target: Target | ProbeClient, suspects: Sequence[HeapSuspect], timeout_s: float
) -> list[Row]:
    """Return a row for each suspect, in their order, with the columns from ``address`` to ``entries``.

    Ask while nothing is loaded: the target is slowed down for up to ``timeout_s`` seconds. What is known of a thing
    that nobody holds by name is in ``entries``: ``[{"state": "cycle"}]``, "unreferenced" where references are counted
    that no object has, "probe" for what is the probe's own, "untracked" for a type that the collector never lists, or
    "absent".

    What the suspect is comes from the census; the probe only adds what holds it. Raises ProbeError when the probe does
    not answer in time, or with something else, or has none for more than 256.
    """
    if not suspects:
        return []
    budget_s = _probe_budget_s(timeout_s)
    asked = [asdict(suspect) for suspect in suspects]
    holders = target.ask("who", timeout_s, suspects=asked, budget_s=budget_s)["holders"]
    if len(holders) != len(suspects):
        raise ProbeError(f"probe: who: {len(holders)} answers about {len(suspects)} suspects")
    return [_row(suspect, holder) for suspect, holder in zip(suspects, holders, strict=True)]


def prove_stuck(target: Target | ProbeClient, timeout_s: float, room_bytes: int | None) -> list[Row]:
    """Return a row for each place at which tasks wait, with the columns from ``coroutine`` to ``refused``.

    Ask while nothing is loaded, and after the last reading: the target stands still, and memory is taken, up to
    ``room_bytes`` of it (None: any). Where there is no proof, the one row has the reason; where no task is pending, the
    one row says so by its numbers. Raises ProbeError when the probe does not answer in time, or with something else.
    """
    answer = target.ask("stuck", timeout_s, budget_s=_probe_budget_s(timeout_s), room_bytes=room_bytes)
    if answer["refused"]:
        return [{"refused": answer["refused"]}]
    return answer["groups"] or [{"stuck": 0, "pending": 0}]


def _probe_budget_s(timeout_s: float) -> float:
    """Return how long the probe may search where its answer is waited for so long, seconds."""
    return min(max(timeout_s - MARGIN_S, SHORT_SHARE * timeout_s), PROBE_BUDGET_AT_MOST_S)


def _row(suspect: HeapSuspect, holder: Mapping[str, Any]) -> Row:
    entries = holder.get("entries") if holder.get("state") is None else [{"state": holder["state"]}]
    described = None if entries is None else json.dumps(entries)
    return {
        "address": f"{suspect.address:#x}" if suspect.address else None,
        "type": suspect.type,
        "length": suspect.length,
        "holder": holder["holder"] or None,
        "retained_bytes": holder.get("retained_bytes"),
        "retained_whole": holder.get("retained_whole"),
        "entries": None if described is None or len(described) > MOST_DESCRIBED else described,
    }

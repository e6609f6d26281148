"""Asks the probe who holds what grows: rows of ``holders.csv``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from soak.heap.model import HeapSuspect
from soak.recording.csv_writer import Row
from soak.sampling.probe_client import ProbeClient, ProbeError
from soak.sampling.target import Target

MARGIN_S: Final = 2.0
"""Part of the time for an answer that is left for what follows the probe's budget (sizes, a pass begun), seconds."""

SHORT_SHARE: Final = 0.7
"""Share of the time for an answer that is the probe's budget, where that time is not much longer than MARGIN_S."""
PROBE_BUDGET_AT_MOST_S: Final = 60.0
"""Largest budget that the probe accepts, seconds."""


def name_holders(
    target: Target | ProbeClient, suspects: Sequence[HeapSuspect], timeout_s: float
) -> list[Row]:
    """Return a row for each suspect, in their order, with the columns from ``address`` to ``entries``.

    Ask while nothing is loaded: the target is slowed down for up to ``timeout_s`` seconds. What is known of a thing
    that nobody holds by name is in ``entries``: ``[{"state": "cycle"}]``, "unreferenced" where references are counted
    that no object has, "probe" for what is the probe's own, or "absent".

    Raises ProbeError when the probe does not answer in time, or with something else, or has none for more than 256.
    """
    if not suspects:
        return []
    budget_s = min(max(timeout_s - MARGIN_S, SHORT_SHARE * timeout_s), PROBE_BUDGET_AT_MOST_S)
    answer = target.ask(
        "who", timeout_s, suspects=[asdict(suspect) for suspect in suspects], budget_s=budget_s
    )
    try:
        return [_row(holder) for holder in answer["holders"]]
    except (AttributeError, KeyError, TypeError) as error:
        raise ProbeError(f"probe: who: not an answer about holders: {error!r}") from error


def _row(holder: Mapping[str, Any]) -> Row:
    entries = [{"state": holder["state"]}] if "state" in holder else holder.get("entries")
    return {
        "address": f"{holder['address']:#x}" if holder["address"] else None,
        "type": holder["type"],
        "length": holder["length"],
        "holder": holder["holder"] or None,
        "retained_bytes": holder.get("retained_bytes"),
        "retained_whole": holder.get("retained_whole"),
        "entries": None if entries is None else json.dumps(entries),
    }

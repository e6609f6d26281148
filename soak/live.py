"""The verdict so far, as the judge beside the run has written it."""

from __future__ import annotations

from pathlib import Path

from soak.contract import Live


def read_live(path: Path) -> Live | None:
    """Return what stands in ``live.json``; None while there is none that can be read."""
    try:
        return Live.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # the run does not depend on its judge


def certain_failure(live: Live | None, arm: str) -> str:
    """Return why a gate of the arm is certain to fail; "" when none is, or that is not known."""
    seen = None if live is None else live.arms.get(arm)
    return f"a gate of {arm} is certain to fail: {seen.reason}" if seen and seen.certain_fail else ""

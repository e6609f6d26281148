"""A pause of the calling thread that nothing in the target replaces, and a clock by which a long search ends early."""

from __future__ import annotations

import time
from _signal import sigtimedwait  # type: ignore[import-not-found]

_in_haste = False


def pause(seconds: float) -> None:
    """Wait for no signal: gevent's ``time.sleep`` would run other greenlets, or make an event loop in this thread."""
    sigtimedwait((), seconds)


def make_haste(*, on: bool) -> None:
    """Say whether the thread is to come to its end, as the target forks: a child would keep for ever what it holds."""
    global _in_haste  # noqa: PLW0603 - of the process, as is the fork
    _in_haste = on


def clock_s() -> float:
    """Return the seconds of the monotonic clock; in haste, that all time is over."""
    return float("inf") if _in_haste else time.monotonic()

"""A pause of the calling thread that nothing in the target replaces."""

from __future__ import annotations

from _signal import sigtimedwait  # type: ignore[import-not-found]


def pause(seconds: float) -> None:
    """Wait for no signal: gevent's ``time.sleep`` would run other greenlets, or make an event loop in this thread."""
    sigtimedwait((), seconds)

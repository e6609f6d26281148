"""The verdict so far, in the words of the report: for the Memory tab and the page beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

VERDICTS: Final = {"leak": "LEAK", "no_leak": "NO LEAK", "inconclusive": "INCONCLUSIVE"}
NONE_YET: Final = "none yet"
HOUR_S: Final = 3600.0
MIB: Final = 1 << 20

Said = Mapping[str, Any]
"""Fields of contract.ArmLive; empty before the first verdict."""


def verdict_text(said: Said) -> str:
    """Return the verdict so far: ``LEAK``; before the first ``none yet``."""
    return VERDICTS.get(str(said.get("verdict")), NONE_YET)


def rate_text(said: Said) -> str:
    """Return the leak rate with its interval: ``17.3 kB/request (17.1 to 17.5 kB)``; empty where it is not known."""
    per_s, low, high = (said.get(name) for name in ("rate_per_s", "low", "high"))
    if per_s is None:
        return ""
    per_request = said.get("rate_per_request")
    if per_request is not None and per_s:
        scale, clock = per_request / per_s, "request"
    else:
        scale, clock = HOUR_S, "hour"
    if low is None or high is None:
        return f"{size(per_s * scale)}/{clock}"
    return f"{size(per_s * scale)}/{clock} ({size(low * scale)} to {size(high * scale)}, 95%)"


def oom_text(said: Said) -> str:
    """Return when the memory limit would be met, counted from the verdict; empty where nothing leaks."""
    low, high = said.get("oom_low_s"), said.get("oom_high_s")
    if low is None:
        return ""
    return f"in {clock_text(low)} or more" if high is None else f"in {clock_text(low)} to {clock_text(high)}"


def size(size_bytes: float) -> str:
    """Return bytes in three digits, 1,000 apart: ``17.3 kB``, ``-20 B``."""
    amount = abs(size_bytes)
    for unit, each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= 0.9995 * each:
            return f"{_three(size_bytes / each)} {unit}"
    return f"{_three(size_bytes)} B"


def mebibytes(size_bytes: float | None) -> str:
    """Return memory with a tenth of a MiB; empty where it was not read."""
    return "" if size_bytes is None else f"{size_bytes / MIB:,.1f}"


def count(value: float | None) -> str:
    """Return a count; empty where it was not read."""
    return "" if value is None else f"{value:,.0f}"


def clock_text(seconds: float) -> str:
    """Return a time as ``h:mm:ss``, days in hours."""
    whole = round(seconds)
    return f"{whole // 3600:,}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _three(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0.0 turns -0.0 into 0.0
    return text.rstrip("0").rstrip(".") if "." in text else text

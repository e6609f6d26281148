"""Texts of an arm at this moment, as the report words them: for the Memory tab and the page /soak."""

from __future__ import annotations

from typing import Final

from locustfiles.web.live_recording import LiveArm
from soak.contract import ArmLive

VERDICT_TEXTS: Final = {"leak": "LEAK", "no_leak": "NO LEAK", "inconclusive": "INCONCLUSIVE"}


def arm_texts(name: str, arm: LiveArm, live: ArmLive) -> dict[str, str]:
    """Return the texts of an arm that tab and page share, by their keys there; empty for what is not known."""
    now = arm.now.get
    return {
        "name": name,
        "verdict": VERDICT_TEXTS.get(live.verdict, "none yet"),
        "rate": live_rate_text(live),
        "suspect": live.suspect,
        "rss": mebibytes(now("rss")),
        "uss": mebibytes(now("uss")),
        "blocks": count(now("blocks")),
        "tasks": count(now("tasks")),
        "sessions": count(now("sessions")),
        "oom": oom_text(live),
        "life": count(now("life")),
    }


def live_rate_text(live: ArmLive) -> str:
    """Return the leak rate and its interval: ``17.3 KiB/request (17.1 KiB to 17.5 KiB, 95%)``; empty if unknown."""
    per_s, low, high = live.rate_per_s, live.low, live.high
    if per_s is None:
        return ""
    per_request = live.rate_per_request
    scale, clock = (per_request / per_s, "request") if per_request is not None and per_s else (3600.0, "hour")
    interval = "" if low is None or high is None else f" ({_size(low * scale)} to {_size(high * scale)}, 95%)"
    return f"{_size(per_s * scale)}/{clock}{interval}"


def oom_text(live: ArmLive) -> str:
    """Return the time to OOM, counted from the verdict; empty where nothing leaks."""
    low, high = live.oom_low_s, live.oom_high_s
    if low is None:
        return ""
    return f"at least {hours_text(low)}" if high is None else f"{hours_text(low)} to {hours_text(high)}"


def mebibytes(size_bytes: float | None) -> str:
    """Return bytes as a number of MiB with one decimal; empty where it was not read."""
    return "" if size_bytes is None else f"{size_bytes / 2**20:,.1f}"


def count(value: float | None) -> str:
    """Return a count; empty where it was not read."""
    return "" if value is None else f"{value:,.0f}"


def hours_text(seconds: float) -> str:
    """Return a time as ``h:mm:ss``, days in hours."""
    whole = round(seconds)
    return f"{whole // 3600:,}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _size(size_bytes: float) -> str:
    """Return bytes with three digits: ``17.3 KiB``, ``-20 B``."""
    for unit, worth in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(size_bytes) >= 0.9995 * worth:
            return f"{_three_digits(size_bytes / worth)} {unit}"
    return f"{_three_digits(size_bytes)} B"


def _three_digits(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0.0 turns -0.0 into 0.0
    return text.rstrip("0").rstrip(".") if "." in text else text

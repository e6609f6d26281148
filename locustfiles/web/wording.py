"""Texts of an arm at this moment, for the Memory tab and the page /soak; bytes have a digit more than in the report."""

from __future__ import annotations

from typing import Any, Final

from locustfiles.web.live_recording import LiveArm
from soak.contract import VERDICTS, ArmLive, ProcessLive, verdict_name
from soak.contract.units import clock_text, mebibytes, three_digits

UNKNOWN: Final = "-"
"""What stands where a figure is expected that cannot be known."""

MOST_PROCESSES: Final = 10
"""Processes of an arm that the page /soak lists; of more, those that grow fastest, then those with the most RSS."""


def arm_texts(name: str, arm: LiveArm, live: ArmLive) -> dict[str, str]:
    """Return the texts of an arm that tab and page share, by their keys there; empty for what was not read."""
    now = arm.now.get
    return {
        "name": name,
        "verdict": verdict_name(live.verdict) if live.verdict in VERDICTS else "none yet",
        "rate": live_rate_text(live),
        "suspect": live.suspect,
        "rss": memory_text(now("rss")),
        "uss": memory_text(now("uss")),
        "blocks": count(now("blocks")),
        "tasks": count(now("tasks")),
        "sessions": count(now("sessions")),
        "oom": oom_text(live),
        "kills": UNKNOWN if arm.elsewhere else count(arm.lives.oom_kills),
        "life": down_text(arm) or count(now("life")),
    }


def down_text(arm: LiveArm) -> str:
    """Return that an arm is down, and why it stays so: ``down: it ended after 10 restarts``; empty while it is up."""
    reason = arm.lives.not_restarted
    return "" if not arm.lives.is_down else f"down: {reason}" if reason else "down"


def process_texts(arm: LiveArm, live: ArmLive) -> dict[str, Any]:
    """Return a row of texts for each process of an arm that has several now, and a line on those beyond; else empty."""
    judged = {one.life: place for place, one in enumerate(live.processes)}
    found = sorted(
        arm.processes, key=lambda one: (judged.get(one.life, len(judged)), -(one.rss_bytes or 0.0), one.life)
    )
    rows = []
    for one in found[:MOST_PROCESSES]:
        so_far = live.processes[judged[one.life]] if one.life in judged else None
        # The arm's own process is there for as long as any below it: it is the oldest.
        role = "main" if one.life == arm.processes[0].life else "child"
        rows.append(
            {
                "name": role if one.pid is None else f"{role} {one.pid}",
                "rss": memory_text(one.rss_bytes),
                "growth": so_far.growth if so_far else "",
                "rate": _rate_text(so_far) if so_far else "",
            }
        )
    rest = found[MOST_PROCESSES:]
    more = f"{len(rest)} more with {memory_text(sum(one.rss_bytes or 0.0 for one in rest))} MiB of RSS in all"
    return {"processes": rows, "more": more if rest else ""}


def live_rate_text(live: ArmLive) -> str:
    """Return the leak rate and its interval: ``17.3 KiB/request (17.1 KiB to 17.5 KiB, 95%)``; empty if unknown."""
    per_s, low, high = live.rate_per_s, live.low, live.high
    if per_s is None:
        return ""
    scale, _ = _clock(per_s, live.rate_per_request)
    interval = "" if low is None or high is None else f" ({_size(low * scale)} to {_size(high * scale)}, 95%)"
    return _rate_text(live) + interval


def _rate_text(live: ArmLive | ProcessLive) -> str:
    if live.rate_per_s is None:
        return ""
    scale, clock = _clock(live.rate_per_s, live.rate_per_request)
    return f"{_size(live.rate_per_s * scale)}/{clock}"


def _clock(per_s: float, per_request: float | None) -> tuple[float, str]:
    """Return what a rate per second is multiplied by, and the clock that it then has."""
    return (per_request / per_s, "request") if per_request is not None and per_s else (3600.0, "hour")


def oom_text(live: ArmLive) -> str:
    """Return the time to OOM, counted from the verdict; empty where nothing leaks."""
    low, high = live.oom_low_s, live.oom_high_s
    if low is None:
        return ""
    at_least = clock_text(low, hours=True)
    return f"at least {at_least}" if high is None else f"{at_least} to {clock_text(high, hours=True)}"


def memory_text(size_bytes: float | None) -> str:
    """Return bytes as a number of MiB with one decimal; empty where it was not read."""
    return "" if size_bytes is None else mebibytes(size_bytes, 1)


def count(value: float | None) -> str:
    """Return a count; empty where it was not read."""
    return "" if value is None else f"{value:,.0f}"


def _size(size_bytes: float) -> str:
    """Return bytes with three digits: ``17.3 KiB``, ``-20 B``."""
    for unit, worth in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(size_bytes) >= 0.9995 * worth:
            return f"{_short(size_bytes / worth)} {unit}"
    return f"{_short(size_bytes)} B"


def _short(value: float) -> str:
    text = three_digits(value, thousands="")
    return text.rstrip("0").rstrip(".") if "." in text else text

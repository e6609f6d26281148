"""Numbers as people read them."""

from __future__ import annotations


def memory(size_bytes: float, *, sign: bool = False) -> str:
    """Return bytes as MB or GB of the incident, 10^6 and 10^9: ``74 MB``, ``1.8 GB``, signed ``+41 MB``."""
    plus = "+" if sign else ""
    if abs(size_bytes) >= 0.9995e9:
        return f"{size_bytes / 1e9:{plus}.1f} GB"
    digits = 0 if abs(size_bytes) >= 9.95e6 else 1
    return f"{_round(size_bytes / 1e6, digits):{plus}.{digits}f} MB"


def memory_note(scale: float) -> str:
    """Return what memory in brackets means."""
    times = "" if scale == 1 else f", times {scale:g}"
    return (
        "Memory in brackets is at the incident's scale: its memory at start plus the measured growth above hour 0"
        f"{times}."
    )


def kilobytes(size_bytes: float) -> str:
    """Return bytes as signed thousands: ``+17.5 kB``."""
    return f"{_round(size_bytes / 1e3, 1):+,.1f} kB"


def size(size_bytes: float) -> str:
    """Return bytes in the unit that suits them, 10^3 apart: ``61 B``, ``1.4 kB``, ``2.0 MB``; never minus zero."""
    for unit, worth in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(size_bytes) >= 0.9995 * worth:
            return f"{size_bytes / worth:.{1 if abs(size_bytes) < 99.95 * worth else 0}f} {unit}"
    digits = 0 if abs(size_bytes) >= 9.95 or abs(size_bytes) < 0.05 else 1
    return f"{_round(size_bytes, digits):.{digits}f} B"


def binary(size_bytes: float) -> str:
    """Return bytes in the binary unit that suits them, as limits are given: ``512 MiB``, ``7.5 GiB``, ``61 B``."""
    for unit, worth in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(size_bytes) >= 0.9995 * worth:
            digits = 1 if abs(size_bytes) < 9.95 * worth and size_bytes % worth else 0
            return f"{size_bytes / worth:,.{digits}f} {unit}"
    return f"{_round(size_bytes, 0):.0f} B"


def clock_of(seconds: float, *, with_seconds: bool = False) -> str:
    """Return seconds as ``5:37``, hours and minutes, or ``0:05:37``; before 0 with a minus."""
    whole = round(abs(seconds)) if with_seconds else round(abs(seconds) / 60) * 60
    minus = "-" if seconds < 0 and whole else ""
    text = f"{minus}{whole // 3600}:{whole // 60 % 60:02d}"
    return f"{text}:{whole % 60:02d}" if with_seconds else text


def span(seconds: float) -> str:
    """Return a length of time in the unit that suits it: ``45 s``, ``12 min``, ``5.2 h``, ``40 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds < 10 * 365 * 86400:
        return f"{seconds / 86400:,.0f} days"
    return "10 years"


def change(before: float | None, after: float | None) -> str:
    """Return how ``after`` differs from ``before``, ``-74%``; empty when that is unknown."""
    if not before or after is None:
        return ""
    percent = round(100 * (after / before - 1))
    return f"{percent:+d}%" if percent else "0%"


def clock(hours: float) -> str:
    """Return hours as ``5:37 h``; before hour 0 with a minus."""
    minutes = round(abs(hours) * 60)
    return f"{'-' if hours < 0 and minutes else ''}{minutes // 60}:{minutes % 60:02d} h"


def verdict_name(verdict: str) -> str:
    """Return a verdict as it is printed: ``NO LEAK``."""
    return verdict.replace("_", " ").upper()


def not_unless(met: bool) -> str:
    """Return what a rule puts before its condition: ``not `` when it is not met."""
    return "" if met else "not "


def _round(value: float, digits: int) -> float:
    return round(value, digits) + 0.0  # adding 0.0 turns -0.0 into 0.0

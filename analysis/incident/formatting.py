"""The incident's own units, MB and GB of 10^6 and 10^9 bytes, and its words."""

from __future__ import annotations


def format_megabytes(size_bytes: float) -> str:
    """Return bytes as the incident has them: ``3.1 MB``, ``74 MB``, ``1.8 GB``."""
    if abs(size_bytes) >= 0.9995e9:
        return f"{size_bytes / 1e9:.1f} GB"
    digits = 0 if abs(size_bytes) >= 9.95e6 else 1
    return f"{round(size_bytes / 1e6, digits) + 0.0:.{digits}f} MB"  # adding 0.0 turns -0.0 into 0.0


def format_kilobytes(size_bytes: float) -> str:
    """Return bytes as signed thousands: ``+17.5 kB``."""
    return f"{round(size_bytes / 1e3, 1) + 0.0:+,.1f} kB"


def memory_note(scale: float) -> str:
    """Return what the figures of memory in the incident's tables mean."""
    times = "" if scale == 1 else f", times {scale:g}"
    return (
        "Memory in this table is in the incident's MB and GB, 10^6 and 10^9 bytes; in brackets it is at the incident's "
        f"scale: its memory at start plus the measured growth above hour 0{times}."
    )


def not_unless(met: bool) -> str:
    """Return what a rule puts before its condition: ``not `` when it is not met."""
    return "" if met else "not "

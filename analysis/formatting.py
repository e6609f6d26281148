"""Numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

Writer: TypeAlias = Callable[[float, int], str]
"""Writes a number, with how many digits beyond its usual ones."""

HOUR_S: Final = 3600
"""Seconds of an hour."""
YEAR_S: Final = 365 * 86400
KIB: Final = 2**10
MIB: Final = 2**20
MORE_DIGITS: Final = 2
"""Digits that the ends of an interval may have beyond the usual ones, where it would look empty without them."""
SHORT_COMMIT: Final = 10
"""Characters of a git revision that are shown."""
SHORT_ID: Final = 12
"""Characters of an image id that are shown, as podman and docker do."""
MOST_DIGITS: Final = 9
"""Digits that a value and its limit may have beyond the usual ones: more is the noise of the arithmetic."""
NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
BYTE_UNITS: Final = (("GiB", 2**30), ("MiB", MIB), ("KiB", KIB), ("B", 1))


def format_bytes(size_bytes: float, unit: str = "", *, sign: bool = False, more_digits: int = 0) -> str:
    """Return bytes in ``unit``, else in the one that suits: ``61 B``, ``1.4 KiB``, ``512 MiB``; never minus zero.

    Below 100 of a unit there is one decimal, but none of a whole number and none of bytes from 10 on. With ``sign`` a
    positive number has a plus; ``more_digits`` are decimals beyond these.
    """
    size = abs(size_bytes)
    units = [
        (name, worth) for name, worth in BYTE_UNITS if name == unit or (not unit and size >= 0.9995 * worth)
    ]
    name, worth = units[0] if units else BYTE_UNITS[-1]
    value = size_bytes / worth
    digits = (
        0 if abs(value) >= (9.95 if worth == 1 else 99.95) or round(value, 1) == 0 or value % 1 == 0 else 1
    ) + more_digits
    shown = round(value, digits) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return f"{shown:{'+' if sign and shown > 0 else ''},.{digits}f} {name}"


def bytes_text(size_bytes: float, more_digits: int = 0) -> str:
    """Return bytes as ``format_bytes`` does, in the unit that suits."""
    return format_bytes(size_bytes, more_digits=more_digits)


def format_interval(low: float, high: float, write: Writer = bytes_text) -> str:
    """Return ``low to high`` with as many further digits, MORE_DIGITS at most, as show that the ends differ."""
    more_digits = digits_apart((low,), high, write, MORE_DIGITS)
    return " to ".join(write(end, more_digits) for end in (low, high))


def digits_apart(values: Iterable[float], limit: float, write: Writer, most: int = MOST_DIGITS) -> int:
    """Return how many further digits show of each value that is not the ``limit`` that it is none; 0 beyond ``most``.

    With these digits both are in the same order as what was rounded.
    """
    others = [value for value in values if value != limit]
    for more_digits in range(most + 1):
        written = _number(write(limit, more_digits))
        if all(_number(write(value, more_digits)) != written for value in others):
            return more_digits
    return 0


def _number(text: str) -> str:
    """Return a text in which the same numbers look the same: ``12 MiB`` for ``12.0 MiB``."""
    return NUMBER.sub(lambda number: f"{float(number[0].replace(',', ''))}", text)


def number_text(items: float) -> str:
    """Return a number of items in three digits: ``1.00``, ``0.0123``, ``1,240``."""
    if abs(items) >= 100:
        return f"{items:,.0f}"
    digits = 2 if abs(items) >= 0.995 else 3
    return f"{items:.{digits}f}" if abs(items) >= 0.0995 else f"{items:.2g}"


def format_duration(seconds: float, more_digits: int = 0) -> str:
    """Return a length of time in the unit that suits it: ``45 s``, ``12 min``, ``5.2 h``, ``40 days``.

    With ``more_digits``, decimals beyond these, more than ten years are counted, too.
    """
    if seconds <= 90:
        return f"{seconds:.{more_digits}f} s"
    if seconds <= 90 * 60:
        return f"{seconds / 60:.{more_digits}f} min"
    if seconds <= 48 * 3600:
        return f"{seconds / 3600:.{1 + more_digits}f} h"
    if seconds <= 10 * YEAR_S:
        return f"{seconds / 86400:,.{more_digits}f} days"
    return f"{seconds / YEAR_S:,.{more_digits}f} years" if more_digits else "10 years"


def format_hours(hours: float, *, with_seconds: bool = False) -> str:
    """Return hours as ``5:37``, hours and minutes, or as ``0:05:37``; before 0 with a minus."""
    step_s = 1 if with_seconds else 60
    whole = round(abs(hours) * 3600 / step_s) * step_s
    minus = "-" if hours < 0 and whole else ""
    text = f"{minus}{whole // 3600}:{whole // 60 % 60:02d}"
    return f"{text}:{whole % 60:02d}" if with_seconds else text


def format_change(before: float | None, after: float | None) -> str:
    """Return how ``after`` differs from ``before``, ``-74%``; empty when that is unknown."""
    if not before or after is None:
        return ""
    percent = round(100 * (after / before - 1))
    return f"{percent:+d}%" if percent else "0%"


def short_build(build: str | None) -> str:
    """Return a git revision or an image id as people write it."""
    if not build:
        return ""
    if build.startswith("sha256:"):
        return build.removeprefix("sha256:")[:SHORT_ID]
    commit, dirty, _ = build.partition("-dirty")
    return commit[:SHORT_COMMIT] + dirty

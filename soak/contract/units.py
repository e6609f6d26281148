"""Numbers with units: sizes, durations, leak rates and the limits of gates, as a profile writes them and as shown."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from soak.contract.gates import AT_LEAST, AT_MOST, GATES, GateLimit
from soak.errors import UsageError

BYTES: Final[Mapping[str, float]] = {
    "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
SECONDS: Final[Mapping[str, float]] = {"ms": 1e-3, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
REQUEST: Final = "request"
LEAST_RATE: Final = 1e-6
MOST_RATE: Final = 1e15
"""Bounds of a leak that matters, bytes per second or per request: 32 B a year, and more than any machine has."""
MOST_LIMIT_BYTES: Final = 2**63 - 1
"""Largest memory limit, bytes: no kernel counts further."""

_UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "bytes": BYTES,
    "s": SECONDS,
    "ms": {"ms": 1, "s": 1000},
    "share": {"%": 0.01, "": 1},
    "times": {"x": 1, "": 1},
    "count": {"": 1},
}
"""Units that the limit of a gate may have, with their factors, by the unit of the gate."""
_NO_BASELINE: Final = ("s", "times", "leak")
"""Units of gates that cannot be a multiple of the baseline's: a time may be infinite, a leak none, a ratio is one."""
_NUMBER: Final = r"\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?"
_QUANTITY: Final = re.compile(rf"({_NUMBER})\s*(\D.*)?")
_LIMIT: Final = re.compile(rf"(<=|>=|≤|≥)\s*({_NUMBER})\s*(\D.*)?")
_RELATIONS: Final = {"<=": AT_MOST, "≤": AT_MOST, ">=": AT_LEAST, "≥": AT_LEAST}


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class LeakRate:
    """A leak rate, bytes per second or per request: exactly one of the two is set."""

    per_s: float | None = None
    per_request: float | None = None
    text: str = field(default="", compare=False)
    """The rate as it was written."""


DEFAULT_MAX_LEAK: Final = LeakRate(per_s=2**20 / 3600, text="1 MiB/h")
"""The smallest leak that matters, where no other is given."""


def parse_size(text: str) -> float:
    """Read ``300 MiB``; return bytes. Raises ValueError with the fix."""
    return _quantity(text, BYTES, "300 MiB")


def parse_duration(text: str) -> float:
    """Read ``30d`` or ``90 min``; return seconds. Raises ValueError with the fix."""
    return _quantity(text, SECONDS, "30d")


def parse_leak_rate(text: str) -> LeakRate:
    """Read ``1 MiB/h`` or ``200 B/request``. Raises ValueError with the fix."""
    return _leak_rate(text, "a leak is a size per time or per request, for example 1 MiB/h or 200 B/request")


def parse_leak_per_time(text: str) -> LeakRate:
    """Read ``1 MiB/h``, where no requests are counted. Raises ValueError with the fix, also for a leak per request."""
    form = "a leak is a size per time here, as no requests are counted, for example 1 MiB/h"
    rate = _leak_rate(text, form)
    if rate.per_s is None:
        raise ValueError(f"{form}, not {text!r}")
    return rate


def _leak_rate(text: str, form: str) -> LeakRate:
    size, slash, per = (part.strip() for part in text.partition("/"))
    if not slash:
        raise ValueError(f"{form}, not {text!r}")
    size_bytes = _quantity(size, BYTES, "1 MiB")
    if size_bytes <= 0:
        raise ValueError(f"the smallest leak that matters must be above 0, not {text!r}")
    rate = size_bytes / _worth(per, {**SECONDS, REQUEST: 1})
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise ValueError(
            f"{text!r} is too {'small' if rate < LEAST_RATE else 'large'}; for example '1 MiB/h'"
        )
    return (
        LeakRate(per_request=rate, text=text) if per.lower() == REQUEST else LeakRate(per_s=rate, text=text)
    )


def parse_option(option: str, text: str, parse: Callable[[str], Value]) -> Value:
    """Return the value of a command's option; raises UsageError, with the option's name, when it is invalid."""
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.") from None


def parse_limit_option(text: str) -> int | None:
    """Return the bytes of ``--limit``, None where it is empty; raises UsageError."""
    if not text:
        return None
    limit_bytes = round(parse_option("--limit", text, parse_size))
    if limit_bytes <= 0:
        raise UsageError(f"--limit {text}: give a size above 0.")
    if limit_bytes > MOST_LIMIT_BYTES:
        raise UsageError(
            f"--limit {text}: no machine has so much; give the memory limit of the process, for example '2 GiB'."
        )
    return limit_bytes


def parse_limit(gate: str, text: str) -> GateLimit:
    """Read the limit of a gate, ``<= 300 MiB`` or ``<= 1.05x before``.

    Raises ValueError, with the fix, for a relation that is not the gate's, an unknown unit and a missing number.
    """
    kind = GATES[gate]
    parts = _LIMIT.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f"a limit is written {kind.relation} and a value, for example {kind.example!r}")
    relation, number, unit = parts.group(1), float(parts.group(2)), (parts.group(3) or "").strip()
    if not number < 1e30:
        raise ValueError(f"{text[:40]!r} is too large; for example {kind.example!r}")
    if _RELATIONS[relation] != kind.relation:
        raise ValueError(f"{gate} takes {kind.relation} and a value, for example {kind.example!r}")
    of_before = re.fullmatch(r"x\s+before", unit) is not None
    if of_before and kind.unit in _NO_BASELINE:
        raise ValueError(f"{gate} cannot be relative to before; for example {kind.example!r}")
    text = f"{kind.relation} {text.strip()[len(relation) :].strip()}"
    if kind.unit == "leak":
        rate = parse_leak_rate(f"{parts.group(2)} {unit}")
        limit = rate.per_s if rate.per_request is None else rate.per_request
        return GateLimit(gate, kind.relation, limit or 0.0, False, text, rate.per_request is not None)
    worth = 1.0 if of_before else _worth(unit, _UNITS[kind.unit], or_else="x before")
    return GateLimit(
        gate,
        kind.relation,
        round(number * worth, 12),  # 99.9 * 0.01 is not 0.999
        of_before,
        text,
    )


def clock_text(seconds: float, *, hours: bool = False) -> str:
    """Return a duration as m:ss or h:mm:ss, days in hours; with ``hours`` always as h:mm:ss."""
    minutes, second = divmod(round(max(0.0, seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:,}:{minute:02}:{second:02}" if hour or hours else f"{minute}:{second:02}"


def mebibytes(size_bytes: float, decimals: int) -> str:
    """Return bytes as a number of MiB, without the unit: ``1,485.0``."""
    return f"{size_bytes / 2**20:,.{decimals}f}"


def three_digits(number: float, thousands: str = ",") -> str:
    """Return a number in three digits, two below 1, never minus zero: ``1,230``, ``12.3``, ``0.12``."""
    decimals = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    return f"{round(number, decimals) + 0.0:{thousands}.{decimals}f}"  # adding 0.0 turns -0.0 into 0.0


def _quantity(text: str, units: Mapping[str, float], example: str) -> float:
    parts = _QUANTITY.fullmatch(text.strip())
    if parts is None or not parts.group(2):
        raise ValueError(f"a number and a unit are needed, for example {example!r}, not {text!r}")
    value = float(parts.group(1)) * _worth(parts.group(2).strip(), units)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large; for example {example!r}")
    return value


def _worth(unit: str, units: Mapping[str, float], or_else: str = "") -> float:
    by_name = {name.lower(): worth for name, worth in units.items()}
    if unit.lower() in by_name:
        return by_name[unit.lower()]
    known = [name for name in (*units, or_else) if name]
    near = difflib.get_close_matches(unit, known, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(known) or 'a number alone'}"
    raise ValueError(f"unknown unit {unit!r}: {fix}" if unit else f"a unit is missing: {', '.join(known)}")

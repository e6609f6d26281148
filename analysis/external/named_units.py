"""The unit that a column's name ends with: ``rss_kb``, ``Memory (MiB)``, ``elapsedMs``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

NAMED_SIZES: Final[Mapping[str, float]] = {
    "byte": 1, "bytes": 1,
    "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
    "kilobytes": 2**10, "megabytes": 2**20, "gigabytes": 2**30, "terabytes": 2**40,
    "kibibytes": 2**10, "mebibytes": 2**20, "gibibytes": 2**30, "tebibytes": 2**40,
}  # fmt: skip
"""Units of memory in bytes. All are binary: ps, /proc, psrecord and most scripts write kB or MB and mean KiB or MiB. No
single letters, which a name may end with for another reason."""
NAMED_TIMES: Final[Mapping[str, float]] = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "millis": 1e-3, "milliseconds": 1e-3,
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "day": 86_400, "days": 86_400,
}  # fmt: skip
"""Units of time in seconds. Of single letters s alone: a wrong h or d would make every leak small."""
UNSURE_TIMES: Final[Mapping[str, float]] = {"m": 60, "h": 3600, "d": 86_400}
"""Letters with which a name may end for a unit of time or another reason: what is meant has to be said."""


def named_unit(name: str, units: Mapping[str, float]) -> float | None:
    """Return the worth of the unit that ends a name, as a word of its own or in camel case; None without one."""
    word = re.search(rf"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))((?i:{'|'.join(units)}))[^A-Za-z0-9]*$", name)
    return units[word[1].lower()] if word else None

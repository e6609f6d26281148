"""What a query of memory yields by its text: memory in bytes, in another unit, what it changes by, or a counter."""

from __future__ import annotations

import math
import re
from typing import Final

from analysis.external.named_units import NAMED_SIZES, named_unit
from analysis.prometheus.queries import GROUPING, RATE, STRING, Query

CHANGE: Final = re.compile(r"(?<![a-zA-Z0-9_:])(?:increase|i?delta|changes|resets)\s*\(")
"""Functions that yield what a value changes by; those of amounts per second are RATE."""
FILTER: Final = re.compile(r"\b(?:and|unless)\b")
"""Operators behind which an expression only chooses series."""
COUNTER: Final = "_total"
"""End of a counter's name, which OpenMetrics has it end with."""
NUMBER: Final = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
POWER: Final = rf"{NUMBER}(?:\s*\^\s*{NUMBER})?"
FACTOR: Final = re.compile(
    rf"([*/])\s*(?:({POWER})(?![\w.])|\(\s*({POWER}(?:\s*\*\s*{POWER})*)\s*\))|(?<![\w.^])({POWER})\s*\*\s*(?=[a-zA-Z_:(])"
)
"""A number that values are multiplied or divided by: ``/ 1024``, ``/ (1024 * 1024)``, ``1024 * m``, ``/ 2^20``."""
METRIC: Final = re.compile(r"(?<![a-zA-Z0-9_:])[a-zA-Z_:][a-zA-Z0-9_:]*(?![a-zA-Z0-9_:]|\s*\()")
LEAST_UNIT: Final = 500.0
"""Factor from which on values are in another unit: 1000 or 1024; two servers that scrape each process are a half."""
MOST_LOG: Final = 50.0
"""Greatest logarithm of such a factor that is plausible, either way: from bytes to ZiB."""


def yields_changes(query: Query) -> bool:
    """Return whether a query yields what memory changes by: it stays the same while memory leaks."""
    text = FILTER.split(_plain(query.text))[0]
    return RATE.search(text) is not None or CHANGE.search(text) is not None


def is_counter(query: Query) -> bool:
    """Return whether a query is a bare selector of a counter, which rises whatever memory does."""
    return query.metric.endswith(COUNTER)


def times_bytes(query: Query) -> float:
    """Return how many times the bytes a query yields, by its factors and the unit that its metric's name ends with.

    1 for less than a factor of LEAST_UNIT, and where no name has a unit, or several have different ones.
    """
    text = FILTER.split(_plain(query.text))[0]
    units = {unit for name in METRIC.findall(text) if (unit := named_unit(name, NAMED_SIZES)) is not None}
    if len(units) != 1:
        return 1.0
    log_times = -math.log(units.pop())
    for operator, bare, product, before in FACTOR.findall(text):
        log_worth = sum(map(_log, (bare or product or before).split("*")))
        log_times += -log_worth if operator == "/" else log_worth
    return math.exp(log_times) if math.log(LEAST_UNIT) <= abs(log_times) <= MOST_LOG else 1.0


def _plain(text: str) -> str:
    """Return a query without its strings, labels, ranges and groupings."""
    without = re.sub(r"\{[^}]*\}", " ", re.sub(STRING, "", text))
    return GROUPING.sub(" ", re.sub(r"\[[^\]]*\]", " ", without))


def _log(text: str) -> float:
    """Return the logarithm of ``1024`` or ``2^20``; 0 of what is 0 or beyond every float."""
    base, *exponent = map(float, text.split("^"))
    worth = math.log(base) * math.prod(exponent) if 0 < base < math.inf else 0.0
    return worth if abs(worth) <= MOST_LOG else 0.0

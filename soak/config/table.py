"""Reads TOML into a table that can be checked: bounded in size, depth and numbers, and text that a process can take."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, Final

MOST_BYTES: Final = 256 * 1024
"""Size of a profile, bytes, above which it is not read; the longest that comes with soakproof has 5 KiB."""
DEEPEST: Final = 16
"""Depth of tables and lists in a profile above which it is refused; the deepest key is at 4."""
INTEGERS: Final = range(-(2**63), 2**63)
"""The integers of TOML."""


class TooDeepError(ValueError):
    """TOML nested beyond the parser's stack, or an integer beyond its digits: no other reading of it is tried."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table of a TOML text.

    Raises tomllib.TOMLDecodeError, a ValueError, and TooDeepError for what the parser itself cannot hold.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise TooDeepError(f"tables and lists are nested more than {DEEPEST} deep") from None
    except ValueError:  # Python refuses to convert thousands of digits
        raise TooDeepError("an integer has more digits than fit in 64 bits") from None


def what_is_wrong(table: dict[str, Any]) -> str:
    """Return what no key of a profile can hold, with its place; empty where there is nothing of the kind."""
    for place, value in _values(table):
        if len(place) > DEEPEST:
            return f"'{'.'.join(place[:3])}': tables and lists are nested more than {DEEPEST} deep"
        text = place[-1] + (value if isinstance(value, str) else "")
        at = f"'{'.'.join(place)}'"
        if "\0" in text:
            return f"{at}: has a NUL character, which no process can be given; remove it"
        if any("\ud800" <= character <= "\udfff" for character in text):
            return f"{at}: is not UTF-8"
        if isinstance(value, int) and value not in INTEGERS:
            return f"{at}: an integer has more digits than fit in 64 bits"
    return ""


def _values(table: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every value with its place, without recursion and no deeper than one below ``DEEPEST``."""
    left: list[tuple[tuple[str, ...], object]] = [((key,), value) for key, value in table.items()]
    while left:
        place, value = left.pop()
        yield place, value
        if len(place) > DEEPEST:
            continue
        if isinstance(value, dict):
            left += [((*place, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            left += [((*place, str(number)), inner) for number, inner in enumerate(value)]

"""Seeded mutations of text, JSON and CSV; each takes its randomness as an argument, and nothing else is random."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any, Final

NUMBERS: Final = (
    "nan", "NaN", "inf", "-inf", "Infinity", "-Infinity", "1e400", "-1e400", "1e308", "1e-320", "-0", "-1", "0", "1e12",
    "9" * 400, "-" + "9" * 400, "9" * 5000, "0x" + "f" * 5000, "18446744073709551616", "9223372036854775808", "1_000",
    "1.5.5", "\u0663", "1e", "0.1", "1,5", "2026-01-01", "07:32:00", "true", "null", "[]", "{}", '""', "",
)  # fmt: skip
TEXTS: Final = (
    "\0", "a\0b", "\x1b]0;x\x07", "\x1b[2J", "\x9b31m", "\r\n", "\u202e", "\ufeff", "\udcff", "\ud800", "a" * 5000,
    "../../etc/passwd", "/dev/zero", "/dev/full", "/", ".", "..", "", " ", "{port[abc]}", "{port.__class__}",
    "{port:>1000000000}", "{", "}", "{}", "{0}", "%s", "=", ",", '"', "'", "\\", "<script>", "log: " + "(" * 500,
    "log: (a+)+$", "<= 1e999 MiB", ">= 1 x before", "1e999 GiB", "1e-320 B/h", "5 MiB/request", "99999999999999999999d",
    "before", "inject", "x" * 140_000,
)  # fmt: skip
AMOUNTS: Final[tuple[Any, ...]] = (
    0, -1, 1, 2**63, 10**400, -(10**400), 1e308, 5e-324, float("nan"), float("inf"), float("-inf"), True, "1", None,
)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (*AMOUNTS, [], {}, [[]], [None], {"": None}, {"a": {"b": {"c": []}}}, *TEXTS)
DEPTHS: Final = (20, 200, 1000, 100_000)
JSON_NUMBERS: Final = tuple(one for one in NUMBERS if re.fullmatch(r"-?(\d+(e\d+)?|NaN|Infinity)", one))
A_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def text(random: Random, original: str) -> str:
    """Return the text after one to three changes."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        original = random.choice(CHANGES)(random, original)
    return original


def _span(random: Random, length: int) -> slice:
    start = random.randrange(length + 1)
    return slice(start, min(length, start + random.choice((1, 2, 8, 64, 512))))


def _delete(random: Random, original: str) -> str:
    span = _span(random, len(original))
    return original[: span.start] + original[span.stop :]


def _double(random: Random, original: str) -> str:
    span = _span(random, len(original))
    return original[: span.stop] + original[span] * random.choice((1, 2, 50)) + original[span.stop :]


def _insert(random: Random, original: str) -> str:
    at = random.randrange(len(original) + 1)
    return original[:at] + random.choice((*TEXTS, *NUMBERS)) + original[at:]


def _flip(random: Random, original: str) -> str:
    at = random.randrange(len(original) + 1)
    return (
        original[:at]
        + chr(random.choice((random.randrange(128), random.randrange(0xD800))))
        + original[at + 1 :]
    )


def _cut(random: Random, original: str) -> str:
    return original[: random.randrange(len(original) + 1)]


def _number(random: Random, original: str) -> str:
    found = list(A_NUMBER.finditer(original))
    if not found:
        return original
    one = random.choice(found)
    return original[: one.start()] + random.choice(NUMBERS) + original[one.end() :]


def _nest(random: Random, original: str) -> str:
    opening, closing = random.choice((("[", "]"), ('{"a":', "}"), ("{a=", "}"), ("(", ")")))
    at, depth = random.randrange(len(original) + 1), random.choice(DEPTHS)
    return (
        original[:at] + opening * depth + (closing * depth if random.random() < 0.5 else "") + original[at:]
    )


def _lines(random: Random, original: str) -> str:
    lines = original.splitlines(keepends=True)
    if len(lines) < 2:
        return original
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first] * random.choice((0, 1, 1, 2))
    return "".join(lines)


Change = Callable[[Random, str], str]
CHANGES: Final[tuple[Change, ...]] = (_delete, _double, _insert, _flip, _cut, _number, _number, _nest, _lines)


def encoded(random: Random, mutated: str) -> bytes:
    """Return the text as bytes, now and then with one that is not UTF-8."""
    content = mutated.encode("utf-8", "surrogatepass")
    if random.random() < 0.05:
        at = random.randrange(len(content) + 1)
        content = content[:at] + random.choice((b"\xff", b"\xc3", b"\x00", b"\xed\xa0\x80")) + content[at:]
    return content


def value(random: Random, original: Any) -> str:
    """Return a JSON text of the value with one to three of its parts changed, or the text itself damaged."""
    if random.random() < 0.15:
        return text(random, json.dumps(original))
    changed = copy.deepcopy(original)
    unwritable: dict[str, str] = {}
    for _ in range(random.choice((1, 1, 2, 3))):
        _change_part(random, changed, unwritable)
    written = json.dumps(changed)
    for mark, instead in unwritable.items():
        written = written.replace(f'"{mark}"', instead)
    return written


def _change_part(random: Random, part: Any, unwritable: dict[str, str]) -> None:
    """Change one part in place; what ``json`` cannot write becomes a mark of ``unwritable``."""
    if not part:
        return
    key = _any_key(random, part)
    while isinstance(part[key], dict | list) and part[key] and random.random() < 0.8:
        part = part[key]
        key = _any_key(random, part)
    how = random.random()
    if how < 0.15:
        del part[key]
    elif how < 0.25 and isinstance(part, dict):
        part[random.choice(TEXTS)] = part.pop(key)
    elif how < 0.35:
        part[key] = random.choice(([part[key]], {"a": part[key]}))
    elif how < 0.5:
        mark, depth = f"mark-{len(unwritable)}", random.choice(DEPTHS)
        unwritable[mark] = random.choice((*JSON_NUMBERS, "[" * depth, "[" * depth + "]" * depth))
        part[key] = mark
    else:
        is_amount = isinstance(part[key], int | float) and random.random() < 0.7
        part[key] = copy.deepcopy(random.choice(AMOUNTS if is_amount else VALUES))


def _any_key(random: Random, part: Any) -> Any:
    return random.choice(list(part) if isinstance(part, dict) else range(len(part)))


def cells(random: Random, original: str) -> str:
    """Return a CSV text with cells, rows or columns changed; it differs from the original."""
    while True:
        rows = list(csv.reader(io.StringIO(original)))
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            random.choice(TABLE_CHANGES)(random, rows)
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows(rows)
        changed = written.getvalue() if random.random() < 0.9 else text(random, original)
        if changed != original:
            return changed


Rows = list[list[str]]


def _cell(random: Random, rows: Rows) -> None:
    row = random.choice(rows)
    if row:
        row[random.randrange(len(row))] = random.choice((*NUMBERS, *NUMBERS, *TEXTS))


def _column(random: Random, rows: Rows) -> None:
    """Give a whole column one value, drop it, or give it the name of another."""
    at, how = random.randrange(len(rows[0])), random.randrange(3)
    name, new = random.choice(rows[0]), random.choice((*NUMBERS, *TEXTS))
    for row in rows[1:] if how < 2 else rows[:1]:
        if at < len(row):
            row[at : at + 1] = ([new], [], [name])[how]


def _rows(random: Random, rows: Rows) -> None:
    """Double, drop, reverse or move a block of rows."""
    start = random.randrange(1, len(rows) + 1)
    block = rows[start : start + random.choice((1, 5, 50, 10_000))]
    rows[start : start + len(block)] = random.choice((block + copy.deepcopy(block), [], block[::-1]))
    if random.random() < 0.2:
        rows[1:1] = copy.deepcopy(block)


def _digit(random: Random, rows: Rows) -> None:
    """Change one digit: the least change there is."""
    row = random.choice(rows)
    digits = [at for at, one in enumerate(row) if any(map(str.isdigit, one))]
    if digits:
        at = random.choice(digits)
        places = [place for place, one in enumerate(row[at]) if one.isdigit()]
        place = random.choice(places)
        row[at] = row[at][:place] + random.choice("0123456789") + row[at][place + 1 :]


TABLE_CHANGES: Final[tuple[Callable[[Random, Rows], None], ...]] = (
    _cell,
    _cell,
    _cell,
    _column,
    _rows,
    _digit,
)

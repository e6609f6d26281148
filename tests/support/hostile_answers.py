"""Hostile answers to the probe's op ``sample``, made from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Final

from soak.contract import PROBE_COLUMNS, SAMPLE_COLUMNS
from tests.support.rogue_probe import SAMPLE

NO_CELL: Final = (
    b"NaN",
    b"-Infinity",
    b"Infinity",
    b"1e999",
    b"9" * 400,
    b"-1",
    b"true",
    b'"text"',
    b'"\\ud800"',
    b'"\\u0000"',
    b"[1]",
    b'{"a": 1}',
    b"[" * 2_000 + b"]" * 2_000,
)
"""Values that are no number of a column."""
LINES: Final = (
    b"",
    b"null",
    b"3",
    b'"ok"',
    b"[]",
    b"{}",
    b'{"ok": true}',
    b'{"ok": 1}',
    b'{"ok": false}',
    b'{"ok": false, "error": ["x"]}',
    b'{"ok": false, "error": "\\u001b[2J\\u0007"}',
    b'{"ok": false, "error": "' + b"x" * 100_000 + b'"}',
    b"[" * 200_000,
    b'{"ok":' * 30_000,
    b'{"a": ' * 100_000,
    b'{"ok": true,',
    b"\xff\xfe\x00",
    b"\x00" * 5_000,
    b"NaN",
    b"9" * 100_000,
    b"HTTP/1.1 200 OK\r\n\r",
    b"{" + b'"x": 1, ' * 50_000 + b'"ok": true}',
    b"x" * (1 << 20),
)
"""Whole lines that are no answer."""
PLACE: Final = '"@"'


def hostile_answers(seed: int, count: int) -> Iterator[tuple[bytes, bool]]:
    """Yield lines, and whether the rest of the line is a valid answer: then nothing but forged columns is in it."""
    random_ = random.Random(seed)
    outside = [column.name for column in SAMPLE_COLUMNS if not column.by_probe]
    yield from ((one, False) for one in LINES)
    for _ in range(count - len(LINES)):
        answer = dict(SAMPLE)
        forged = random_.sample(outside, random_.randint(1, len(outside)))
        answer |= {name: random_.choice([1, 10**12, -5, "forged", None, [], 0.5]) for name in forged}
        kind = random_.randrange(5)
        name = random_.choice([column.name for column in PROBE_COLUMNS if column.name != "allocator"])
        value = random_.choice(NO_CELL)
        if kind == 0:
            yield json.dumps(answer).encode(), True
        elif kind == 1:
            required = [column.name for column in PROBE_COLUMNS if not column.optional]
            del answer[random_.choice(required)]
            yield json.dumps(answer).encode(), False
        elif kind == 2:
            answer["gauges"] = {random_.choice(["pool", "Pool", "a b", "", "x" * 41]): "@"}
            value = b"[]" if value == b"-1" else value  # a gauge may be negative
            yield json.dumps(answer).replace(PLACE, value.decode()).encode(), False
        elif kind == 3:
            answer["problems"] = random_.choice([3, [], {"malloc": 3}, {"malloc": ["x"]}, "x"])
            yield json.dumps(answer).encode(), False
        else:
            answer[name] = "@"
            value = b"[]" if name == "gauges" and value == b'{"a": 1}' else value
            yield json.dumps(answer).replace(PLACE, value.decode()).encode(), False

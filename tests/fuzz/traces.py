"""What a target under replay leaves: its raw traces, which are not trusted, by ``python -m analysis sites``."""

from __future__ import annotations

import marshal
from pathlib import Path
from random import Random
from typing import Final

from soak.contract import traces_file
from soak.errors import EXIT_HARNESS_FAILED, EXIT_OK
from tests.fuzz.entry import Kind, analysis, complaint
from tests.fuzz.recordings import with_planted_judge
from tests.support.planted_incident import Planted, write_incident
from tests.support.planted_replay import EACH, write_points, write_traces

REQUESTS: Final = [EACH * point for point in range(1, 6)]
TYPES: Final = b"()[]{}<>szuUaAtTcrRiIlgyNFTS.?0"
"""Type codes of the marshal format."""


class Traces(Kind):
    """Damaged points of a replay."""

    name = "traces"
    inputs = 300
    cost_ms = 60.0

    def __init__(self, scratch: Path) -> None:
        self._run = write_incident(scratch / "replayed", Planted(incident=False))
        self._raw = scratch / "raw"
        self._raw.mkdir()
        write_points(self._run / "leaky", REQUESTS)
        write_traces(self._raw, REQUESTS, {(("/srv/app.py", 2), ("/srv/main.py", 9)): (4_096, 0.1)})
        self._honest = [traces_file(self._raw, point, 0).read_bytes() for point in range(len(REQUESTS))]
        self._give_back = with_planted_judge()

    def try_one(self, random: Random) -> str:
        """Sites are written, or it is refused in one line."""
        bad = random.randrange(len(self._honest))
        for point, honest in enumerate(self._honest):
            content = _damaged(random, honest) if point == bad else honest
            traces_file(self._raw, point, 0).write_bytes(content)
        return complaint(
            analysis("sites", str(self._run), "leaky", "--raw", str(self._raw)),
            (EXIT_OK, EXIT_HARNESS_FAILED),
        )

    def close(self) -> None:
        """Give the real judge back."""
        self._give_back()


def _damaged(random: Random, honest: bytes) -> bytes:
    content = bytearray(honest if random.random() < 0.8 else marshal.dumps([1.5, {1: 2}, "x", None, 1 << 80]))
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randrange(len(content) or 1)
        kind = random.randrange(4)
        if kind == 0:
            content[at : at + 1] = random.randbytes(1)
        elif kind == 1:
            del content[at : at + random.choice((1, 2, 9, 500))]
        elif kind == 2:
            content[at:at] = random.randbytes(random.choice((1, 4, 8)))
        else:
            content[at : at + 1] = bytes([random.choice(TYPES) | random.choice((0, 0x80))])
    return bytes(content)

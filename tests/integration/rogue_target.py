"""A target that answers its probe's socket itself: ``python rogue_target.py SOCKETS MODE``.

With each sample memory grows by STEP_BYTES. ``pools`` and ``malloc`` keep it and report it as free in Python's pools or
in malloc, beside memory in use that never changes; ``honest`` needs as much more for a moment, of which something small
stays that keeps the arenas from being given back, and answers with the real probe.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "soak" / "probe"))

from soak_probe.answers import Answers
from soak_probe.sessions import Sessions

STEP_BYTES = 1 << 20
PINNED = 1_000
"""Of so many new objects one is kept: an arena has twice as many of this size."""


def main(sockets: str, mode: str) -> None:
    """Serve one client, a line for a line."""
    kept: list[object] = []
    answers = Answers(Sessions())
    first = json.loads(answers.answer(b'{"op": "sample"}'))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{sockets}/{os.getpid()}.sock")
        listener.listen()
        print("ready", flush=True)
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as requests:
            for number, line in enumerate(requests):
                sample = json.loads(line)["op"] == "sample"
                if sample and mode == "honest":
                    step = STEP_BYTES // 512
                    objects = [bytes(470) for _ in range(step * (number + 1))]
                    kept.extend(objects[-step::PINNED])
                    del objects
                elif sample:
                    kept.append(bytearray(b"x") * STEP_BYTES)
                if sample and mode != "honest":
                    connection.sendall(json.dumps(_forged(first, mode, number * STEP_BYTES)).encode() + b"\n")
                else:
                    connection.sendall(answers.answer(line))


def _forged(first: dict[str, int], mode: str, free_bytes: int) -> dict[str, object]:
    names = {
        "pools": ("pymalloc_arena_bytes", "pymalloc_free_bytes"),
        "malloc": ("malloc_arena_bytes", "malloc_free_bytes"),
    }
    return {
        **first,
        **{name: first[name] + free_bytes for name in names[mode]},
        "rss_bytes": 1,
        "arm": "fixed",
        "t_s": 0,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Changes of a file of a recording, seeded: what a mistake, a broken disk or a forger makes of it."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

Change = Callable[[Path, random.Random], object]
"""Changes a file in place; the file then differs from what it was."""


def change_digit(path: Path, rng: random.Random) -> None:
    """Another digit somewhere below the head."""
    content = bytearray(path.read_bytes())
    body = content.find(b"\n") + 1
    at = rng.choice([match.start() for match in re.finditer(rb"\d", content[body:])]) + body
    content[at] = rng.choice([one for one in b"0123456789" if one != content[at]])
    path.write_bytes(content)


def remove_row(path: Path, rng: random.Random) -> None:
    """One row less."""
    head, rows = _rows(path)
    del rows[rng.randrange(len(rows))]
    _write(path, head, rows)


def double_row(path: Path, rng: random.Random) -> None:
    """One row twice, one after the other."""
    head, rows = _rows(path)
    at = rng.randrange(len(rows))
    _write(path, head, [*rows[:at], rows[at], *rows[at:]])


def double_all(path: Path, _: random.Random) -> None:
    """The whole file twice, as a careless concatenation has it."""
    head, rows = _rows(path)
    _write(path, head, [*rows, *rows])


def swap_rows(path: Path, rng: random.Random) -> None:
    """Two rows in each other's place, far enough apart to be of different moments."""
    head, rows = _rows(path)
    first = rng.randrange(len(rows) // 4)
    second = len(rows) - 1 - first
    rows[first], rows[second] = rows[second], rows[first]
    _write(path, head, rows)


def reverse_rows(path: Path, _: random.Random) -> None:
    """The last row first."""
    head, rows = _rows(path)
    _write(path, head, rows[::-1])


def truncate(path: Path, rng: random.Random) -> None:
    """Cut within a line below the head."""
    content = path.read_bytes()
    body = content.find(b"\n") + 2
    at = rng.randrange(body, len(content) - 1)
    path.write_bytes(content[: at - 1 if content[at - 1 : at] == b"\n" else at])


def empty(path: Path, _: random.Random) -> None:
    """Nothing left."""
    path.write_bytes(b"")


def delete(path: Path, _: random.Random) -> None:
    """Not there."""
    path.unlink()


def link(path: Path, _: random.Random) -> None:
    """A link to the same content elsewhere."""
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    path.symlink_to(aside.name)


def link_to_endless(path: Path, _: random.Random) -> None:
    """A link to a device that never ends."""
    path.unlink()
    path.symlink_to("/dev/zero")


def fifo(path: Path, _: random.Random) -> None:
    """A FIFO that nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def directory(path: Path, _: random.Random) -> None:
    """A directory of that name."""
    path.unlink()
    path.mkdir()


def append_garbage(path: Path, rng: random.Random) -> None:
    """Bytes that are no text, and a line end."""
    with path.open("ab") as file:
        file.write(b"\xff\xfe" + rng.randbytes(20).replace(b"\n", b"") + b"\n")


def overwrite_with_zeros(path: Path, rng: random.Random) -> None:
    """A block that the disk lost."""
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content) // 2)
    content[at : at + 64] = bytes(len(content[at : at + 64]))
    path.write_bytes(content)


EVERY: Final[dict[str, Change]] = {
    "digit": change_digit,
    "row removed": remove_row,
    "row doubled": double_row,
    "rows doubled": double_all,
    "rows swapped": swap_rows,
    "rows reversed": reverse_rows,
    "truncated": truncate,
    "emptied": empty,
    "deleted": delete,
    "link": link,
    "endless": link_to_endless,
    "FIFO": fifo,
    "directory": directory,
    "garbage": append_garbage,
    "zeros": overwrite_with_zeros,
}
"""The changes that a hash shows."""
SHOWN_BY_ROWS: Final = (
    "row doubled",
    "rows doubled",
    "rows swapped",
    "rows reversed",
    "emptied",
    "link",
    "endless",
    "FIFO",
    "directory",
    "garbage",
)
"""The changes that the rows show without a hash."""


def _rows(path: Path) -> tuple[bytes, list[bytes]]:
    head, *rows = path.read_bytes().splitlines(keepends=True)
    return head, rows


def _write(path: Path, head: bytes, rows: list[bytes]) -> None:
    path.write_bytes(b"".join([head, *rows]))

"""Names of types as a person writes them, ``module.qualname``, read from a process that may hold anything there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import numpy as np

from soak.heap.cpython import layout
from soak.heap.cpython.layout import Layout
from soak.heap.cpython.memory import PAGE_BYTES, USER_SPACE_END, Memory
from soak.heap.cpython.type_table import TypeTable

MOST_CHARACTERS = 200
"""Characters of a name that are kept."""
_CODES: Final[Mapping[int, Literal["B", "H", "I"]]] = {1: "B", 2: "H", 4: "I"}
"""Formats of the characters of a str, by their bytes each."""
_MODULE = "__module__"
_MOST_KEYS = 4096
_FIRST_KEYS = 4
"""Keys of a type's dict that are looked at first: a class statement sets ``__module__`` first."""
_MOST_LOOKS = 100_000
"""Keys that are read to find ``__module__``; then its address is known, since such words are interned."""


class TypeNames:
    """Names the types of one process; remembers where the word ``__module__`` is, and what modules are called."""

    def __init__(self, memory: Memory, layout: Layout, table: TypeTable) -> None:
        self._memory = memory
        self._layout = layout
        self._table = table
        self._texts: dict[int, str] = {}
        self._module_word = np.uint64(1)  # nothing's address
        self._looks = _MOST_LOOKS
        self._str_type = 0
        """The type of the last str that was read."""

    def of(self, indices: Sequence[int]) -> list[str]:
        """Return the names of types by their index in the table; raises HeapError when the process is gone."""
        return [self._name(index) for index in indices]

    def _name(self, index: int) -> str:
        name = self._c_string(int(self._table.name_addresses[index])) or "?"
        if not self._table.heap_types[index]:
            return name if "." in name else f"builtins.{name}"
        module = self._module(int(self._table.dict_addresses[index]))
        type_address = int(self._table.addresses[index])
        qualname = self._text(self._word(type_address + self._layout.ht_qualname)) or name.rpartition(".")[2]
        if module is None:
            return name if "." in name else f"?.{qualname}"
        return f"{module}.{qualname}"[:MOST_CHARACTERS]

    def _module(self, dict_address: int) -> str | None:
        """Return the value of ``__module__`` in a type's dict."""
        keys = self._word(dict_address + layout.MA_KEYS)
        head = self._bytes(keys, layout.DK_HEAD_BYTES)
        entries = int.from_bytes(head[self._layout.dk_usable + 8 :][:8], "little")
        if self._layout.log2_keys:
            slots = 1 << min(head[layout.DK_SIZE], 40)
            width, key_at = (24, 8) if head[layout.DK_SIZE + 2] == 0 else (16, 0)
            index_bytes = 1 << min(head[layout.DK_SIZE + 1], 48)
        else:
            slots = min(int.from_bytes(head[layout.DK_SIZE :][:8], "little"), 1 << 40)
            width, key_at = 24, 8
            index_bytes = slots * (1 if slots < 1 << 8 else 2 if slots < 1 << 16 else 4)
        first = keys + self._layout.keys_bytes + index_bytes
        entries = min(entries, _MOST_KEYS, slots)
        pairs: list[tuple[int, int]] = []
        for begin, end in ((0, _FIRST_KEYS), (_FIRST_KEYS, _MOST_KEYS)):
            count = min(end, entries) - begin
            if count <= 0:
                break
            words = np.frombuffer(self._bytes(first + begin * width, count * width), np.uint64)
            words = words.reshape(count, width // 8)[:, key_at // 8 :][:, :2]
            for place in np.flatnonzero(words[:, 0] == self._module_word):
                return self._text(int(words[place, 1])) or None
            pairs += words[: self._looks].tolist()
        for key, value in pairs[: self._looks]:
            self._looks -= 1
            if key and self._text(key) == _MODULE:
                self._module_word = np.uint64(key)
                return self._text(value) or None
        return None

    def _text(self, address: int) -> str:
        """Return a str object's text if it is compact, as names are; "" otherwise."""
        if address not in self._texts:
            if len(self._texts) > 1 << 16:
                self._texts.clear()
            self._texts[address] = self._read_text(address)
        return self._texts[address]

    def _read_text(self, address: int) -> str:
        head = self._bytes(address, 40)
        if not self._is_str(int.from_bytes(head[layout.TYPE :][:8], "little")):
            return ""
        state = head[layout.STR_STATE]
        length = int.from_bytes(head[layout.SIZE :][:8], "little")
        width = state >> layout.STR_KIND_SHIFT & layout.STR_KIND_MASK
        if not state & layout.STR_COMPACT or width not in (1, 2, 4) or length > 1 << 20:
            return ""
        is_ascii = state & layout.STR_ASCII
        first = address + (self._layout.str_bytes if is_ascii else self._layout.compact_str_bytes)
        raw = self._bytes(first, width * min(length, MOST_CHARACTERS))
        return _shown(
            chr(code) if code <= sys.maxunicode else "?" for code in memoryview(raw).cast(_CODES[width])
        )

    def _is_str(self, type_address: int) -> bool:
        if type_address != self._str_type:
            if not self._word(type_address + layout.TP_FLAGS) & layout.UNICODE:
                return False
            self._str_type = type_address
        return type_address != 0

    def _c_string(self, address: int) -> str:
        first = min(MOST_CHARACTERS, PAGE_BYTES - address % PAGE_BYTES)
        raw = self._bytes(address, first)
        if b"\0" not in raw:
            raw += self._bytes(address + first, MOST_CHARACTERS - first)
        return printable(raw.partition(b"\0")[0])

    def _word(self, address: int) -> int:
        return int.from_bytes(self._bytes(address, 8), "little")

    def _bytes(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes, zeros where nothing is."""
        if not 0 < address < USER_SPACE_END or size <= 0:
            return bytes(max(size, 0))
        return self._memory.read_each([address], size).tobytes()


def printable(raw: bytes) -> str:
    """Return bytes as text for a terminal: what is not printable is a question mark."""
    return _shown(raw.decode("utf-8", "replace"))


def _shown(letters: Iterable[str]) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in letters)

"""Finds the objects in a chunk of memory.

An object is a pair of words at a multiple of 16 bytes: a plausible reference count, then the address of a type. In a
pool of pymalloc it begins where its block does, behind its head; elsewhere it must lie inside no other. In the table of
a dict, the hash of a class comes before its address: in a program of fixed addresses that is as small as a count.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from soak.heap.cpython.chunks import Chunk
from soak.heap.cpython.interpreter import Interpreter
from soak.heap.cpython.memory import USER_SPACE_END, Words
from soak.heap.cpython.pymalloc_pools import Blocks, blocks_of
from soak.heap.cpython.type_table import Indices, Integers, TypeTable, plausible_refcounts

_MOST_TABLES = 8
"""Tables of an index: of a million addresses fewer than a thousandth are left after four."""

_GC_FLAGS = np.uint64(7)
_LEAST = np.uint64(2)
"""Least second word of a head beside an address: less is flags alone."""
_DEBUG_MARK = np.uint64(0xFDFD_FDFD_FDFD_FD)
"""Bytes that a debugging allocator puts before each block, behind the letter of its kind (Objects/obmalloc.c)."""
_LOWEST = np.uint64(1 << 16)
"""Lowest address of any process: vm.mmap_min_addr."""
_ADDRESSES = np.uint64(USER_SPACE_END) - _LOWEST
_PREVIOUS = np.uint64(USER_SPACE_END) - _LEAST
_PAIR = np.dtype((np.void, 16))
"""Two words as one item: gathered at once, they are fetched from memory once."""
_MOST_NEED = 127
"""Pairs of words above those of any block."""
_UNFIT = np.uint16(0x80FF)
"""Bits of the difference of what a block has and what a type needs, where an object of it cannot be there."""


class AddressIndex:
    """From addresses to indices of an array, at the speed of memory: hash tables with one address per slot.

    What collides in a table goes to the next, of another hash, and after the last one to a sorted array. The hashes are
    drawn anew each time (multiply-shift, Dietzfelbinger 1997), as the target may choose the addresses of its types.
    """

    def __init__(self, addresses: Words) -> None:
        self.none = len(addresses)
        """Index of what is no address."""
        self._addresses = np.append(addresses, np.uint64(0))  # no object has a type at 0
        bits = min(max(12, (16 * len(addresses)).bit_length()), 22)
        self._shift = np.uint64(64 - bits)
        self._tables: list[tuple[np.uint64, npt.NDArray[np.int32]]] = []
        left = np.arange(len(addresses), dtype=np.int32)
        while (left.size and len(self._tables) < _MOST_TABLES) or not self._tables:
            multiplier = np.uint64(secrets.randbits(64) | 1)
            table = np.full(1 << bits, self.none, np.int32)
            slots = self._slots(addresses[left], multiplier)
            table[slots[::-1]] = left[::-1]
            self._tables.append((multiplier, table))
            left = left[table[slots] != left]
        self._rest = left[np.argsort(addresses[left])]
        """Indices of the addresses that no table has, by rising address."""

    def find(self, words: Words) -> Indices:
        """Return the index of each word."""
        (multiplier, table), *others = self._tables
        index = table.take(self._slots(words, multiplier)).astype(np.intp)
        left = (self._addresses.take(index) != words).nonzero()[0]
        for multiplier, table in others:
            left = left[index.take(left) != self.none]  # what collided found its slot taken
            if not left.size:
                break
            some = words.take(left)
            found = table.take(self._slots(some, multiplier))
            index[left] = found
            left = left[self._addresses.take(found) != some]
        if self._rest.size and left.size:
            some = words.take(left)
            places = np.searchsorted(self._addresses.take(self._rest), some).clip(max=len(self._rest) - 1)
            index[left] = self._rest.take(places)
            left = left[self._addresses.take(index.take(left)) != some]
        index[left] = self.none
        return index

    def _slots(self, words: Words, multiplier: np.uint64) -> Integers:
        slots = words * multiplier
        slots >>= self._shift
        return slots.view(np.int64)


class ObjectFinder:
    """Finds the objects of the types of a table."""

    def __init__(self, table: TypeTable, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._lookup = AddressIndex(table.addresses)
        self._lowest, self._span = table.addresses[0], table.addresses[-1] - table.addresses[0]
        self._own_words = 2 * table.own_pairs
        heads = table.head_pairs
        self._has_head = heads > 0
        self._most_head = int(heads.max())
        need = np.minimum(heads + table.own_pairs, _MOST_NEED)
        self._needs = np.append((need << 8) + heads, _UNFIT).astype(np.uint16)

    def find(self, chunk: Chunk) -> tuple[Indices, Indices]:
        """Return where objects begin, in words, and the index of the type of each."""
        blocks = blocks_of(chunk.words[: chunk.searched], chunk.address)
        where, index = self._in_blocks(chunk.words, blocks)
        if blocks.outside:
            apart, of_type = self._elsewhere(chunk.words, blocks.outside)
            if apart.size:
                where, index = np.concatenate((where, apart)), np.concatenate((index, of_type))
        return where, index

    def _in_blocks(self, words: Words, blocks: Blocks, *, prefixed: bool = False) -> tuple[Indices, Indices]:
        """Return the same of the blocks of pools; ``prefixed`` is of those behind the prefix of a debugging allocator.

        Where the first word is no count, an object of the block begins behind a head, if at all.
        """
        pairs = words.view(_PAIR)
        begins, rooms = blocks.begins, blocks.pairs << np.uint16(8)
        both = pairs.take(begins).view(np.uint64)
        counted = live = plausible_refcounts(both[::2], self._interpreter)
        found = [_chosen(live, begins, rooms, both)]
        more: list[tuple[Indices, Indices]] = []
        for head in range(1, self._most_head + 1):
            left = (~counted).nonzero()[0]
            begins, rooms = begins.take(left), rooms.take(left)
            left *= 2
            following, previous = both.take(left), both[1:].take(left)
            if head == 1 and not prefixed:
                marked = (previous >> np.uint64(8) == _DEBUG_MARK).nonzero()[0]
                if marked.size:
                    behind = Blocks(
                        begins.take(marked) + 1, (rooms.take(marked) >> np.uint16(8)) - np.uint16(1), ()
                    )
                    more.append(self._in_blocks(words, behind, prefixed=True))
            begins += 1
            rooms += np.uint16(1)
            both = pairs.take(begins).view(np.uint64)
            counted = plausible_refcounts(both[::2], self._interpreter)
            found.append(_chosen(counted & _are_heads(following, previous), begins, rooms, both))
        where, rooms, types = (np.concatenate(parts) for parts in zip(*found, strict=True))
        index = self._lookup.find(types)
        fit = (((rooms - self._needs.take(index)) & _UNFIT) == 0).nonzero()[0]
        where, index = self._unhashed(words, 2 * where.take(fit), index.take(fit))
        for apart, of_type in more:
            where, index = np.concatenate((where, apart)), np.concatenate((index, of_type))
        return where, index

    def _elsewhere(self, words: Words, outside: Sequence[tuple[int, int]]) -> tuple[Indices, Indices]:
        """Return the same of what is outside pools, where the bounds of blocks are not known."""
        parts = []
        for begin, end in outside:
            pairs = words[2 * begin : 2 * end].reshape(-1, 2)
            maybe = plausible_refcounts(pairs[:, 0], self._interpreter)
            maybe &= (pairs[:, 1] - self._lowest) <= self._span
            parts.append(2 * (maybe.nonzero()[0] + begin))
        where = np.concatenate(parts)
        if not where.size:
            return where, where
        index = self._lookup.find(words[1:].take(where))
        known = (index != self._lookup.none).nonzero()[0]
        where, index = self._unhashed(words, where.take(known), index.take(known))
        before = np.maximum(where - 2, 0)
        following, previous = words.take(before), words[1:].take(before)
        headed = _are_heads(following, previous)
        headed |= ~self._has_head.take(index) | (where == 0)  # where the chunk begins it is not in it
        real = headed.nonzero()[0]
        where, index = where.take(real), index.take(real)
        inside = self._inside_others(where, index, following.take(real), previous.take(real))
        real = (~inside).nonzero()[0]
        return where.take(real), index.take(real)

    def _unhashed(self, words: Words, where: Indices, index: Indices) -> tuple[Indices, Indices]:
        """Leave out what is the hash of a class and its address."""
        if self._interpreter.low[1]:
            real = (words.take(where) != words[1:].take(where) >> np.uint64(4)).nonzero()[0]
            where, index = where.take(real), index.take(real)
        return where, index

    def _inside_others(
        self, where: Indices, index: Indices, following: Words, previous: Words
    ) -> npt.NDArray[np.bool_]:
        """Return which finds lie inside other objects, living or dead, by the two words before each.

        What looks like an object there is a small number and a reference to a type: a tuple's length and its first
        item; the values of an instance whose first attribute is a class.
        """
        inside = np.zeros(len(where), np.bool_)
        inside[1:] = where[1:] - where[:-1] < self._own_words.take(index[:-1])
        # what is no object hides none: in an unbroken row of finds inside their predecessors every second is one
        fake = inside.copy()
        places = inside.nonzero()[0]
        if places.size:
            starts = (np.diff(places, prepend=-2) > 1).nonzero()[0]
            in_row = np.arange(len(places)) - np.repeat(starts, np.diff(starts, append=len(places)))
            fake[places[in_row % 2 == 1]] = False
        candidates = ((following == 0) & (previous >= self._lowest) & (where > 0)).nonzero()[0]
        dead = self._lookup.find(previous.take(candidates))
        known = (dead != self._lookup.none).nonzero()[0]
        fake[candidates.take(known[self._own_words.take(dead.take(known)) > 2])] = True
        return fake


def _chosen(
    live: npt.NDArray[np.bool_], begins: Indices, rooms: npt.NDArray[np.uint16], both: Words
) -> tuple[Indices, npt.NDArray[np.uint16], Words]:
    """Return of what is live where it begins, its room, and the second of its words."""
    where = live.nonzero()[0]
    return begins.take(where), rooms.take(where), both[1:].take(2 * where)


def _are_heads(following: Words, previous: Words) -> npt.NDArray[np.bool_]:
    """Return which pairs of words may be the collector's head of an object.

    It is two addresses with flags, or flags alone (Include/internal/pycore_gc.h); in a collection the second is a
    count with flags. A freed block has an address and what was there: flags, or the text of another use.
    """
    heads = (following - _LOWEST) < _ADDRESSES
    heads &= (previous - _LEAST) < _PREVIOUS
    alone = (following == 0).nonzero()[0]
    heads[alone] = previous.take(alone) <= _GC_FLAGS
    return heads

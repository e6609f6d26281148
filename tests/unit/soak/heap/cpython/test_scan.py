"""The walk through memory: what is an object, what only looks like one, and that garbage does no harm."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soak.heap.census import Heap, read_heap
from soak.heap.cpython import layout
from soak.heap.cpython.layout import LAYOUTS
from soak.heap.cpython.memory import USER_SPACE_END
from soak.heap.cpython.objects import AddressIndex
from soak.heap.cpython.pymalloc_pools import POOL_BYTES, blocks_of
from soak.heap.cpython.type_table import _below
from soak.heap.errors import HeapError
from tests.support.fake_memory import (
    ALLOC,
    DATA,
    HEAP,
    HEAP_BYTES,
    SHAPED,
    SPARE,
    TYPES,
    fake_process,
    put,
    put_pool,
)  # fmt: skip

VERSIONS = sorted(LAYOUTS)


def _heap(*objects: tuple[int, Sequence[int]], version: tuple[int, int] = (3, 12)) -> Heap:
    memory, maps, interpreter = fake_process(version)
    for offset, words in objects:
        put(memory.segments[HEAP], offset, *words)
    return read_heap(maps, memory, interpreter, containers_over=10)


def _counts(heap: Heap) -> dict[str, int]:
    return {entry.name: entry.objects for entry in heap.types}


@pytest.mark.parametrize("version", VERSIONS)
def test_live_objects_are_counted_and_sized(version: tuple[int, int]) -> None:
    """Three instances of 32 bytes, each with 16 of the collector."""
    heap = _heap(*((64 * place, (1, SPARE)) for place in (0, 5, 900)), version=version)
    assert [(entry.name, entry.objects, entry.bytes) for entry in heap.types] == [("app.Thing", 3, 144)]


@pytest.mark.parametrize("refcount", [0, HEAP + 64, 1 << 40, 0xDDDD_DDDD_DDDD_DDDD, -1])
def test_a_freed_object_is_not_counted(refcount: int) -> None:
    """Its reference count is 0, or overwritten by the address of the next free block or a debugger's pattern."""
    assert _counts(_heap((64, (refcount, SPARE)))) == {}


def test_immortal_objects_are_counted() -> None:
    """3.12 gives them 2**32 - 1; 3.14 has flags above the count."""
    assert _counts(_heap((64, (0xFFFF_FFFF, SPARE)))) == {"app.Thing": 1}
    assert _counts(_heap((64, (5 << 48 | 3 << 30, SPARE)), version=(3, 14))) == {"app.Thing": 1}
    assert _counts(_heap((64, (5 << 48 | 3 << 30, SPARE)), version=(3, 13))) == {}


@pytest.mark.parametrize("refcount", [1, 0])
def test_the_first_item_of_a_tuple_is_no_object(refcount: int) -> None:
    """A length and a reference to a class, of a living tuple or a dead one, look like an instance of the class."""
    heap = _heap((64, (refcount, SPARE, 3, SPARE)))
    assert _counts(heap) == ({"app.Thing": 1} if refcount else {})


def test_neighbours_that_hold_classes_do_not_hide_each_other() -> None:
    """Blocks without a gap, each with a length and a class inside: every block is one object."""
    heap = _heap(*((48 * place, (HEAP, HEAP, 1, SPARE, 1, SPARE)) for place in range(100)))
    assert _counts(heap) == {"app.Thing": 100}


@pytest.mark.parametrize("head", [(0, 8), (5, HEAP), (0xFFFF, 0), (USER_SPACE_END, HEAP)])
def test_an_object_of_a_collected_type_needs_the_collectors_head(head: tuple[int, int]) -> None:
    """What is before it must be addresses, or nothing but flags."""
    assert _counts(_heap((64, (*head, 1, SPARE)))) == {}
    assert _counts(_heap((64, (*head, 1, SHAPED[b"int"])))) == {"builtins.int": 1}


def _pool(
    block_bytes: int, *objects: tuple[int, Sequence[int]], used: int = 9, after: int = 1 << 14
) -> dict[str, int]:
    """Return the counts of a heap that begins with a pool; objects have offsets behind its header."""
    memory, maps, interpreter = fake_process()
    put_pool(memory.segments[HEAP], 0, block_bytes, used=used, after=after)
    for offset, words in objects:
        put(memory.segments[HEAP], 48 + offset, *words)
    return _counts(read_heap(maps, memory, interpreter, containers_over=10))


@pytest.mark.parametrize("pool", [True, False])
def test_short_strings_side_by_side_are_all_counted(pool: bool) -> None:
    """Their blocks of 48 bytes are smaller than ``str.__basicsize__``, which is 64; without pools the bounds are their
    heads.
    """
    strings = [(48 * place, (1, SHAPED[b"str"], 5, 0, 0x64)) for place in range(100)]
    assert (_pool(48, *strings) if pool else _counts(_heap(*strings))) == {"builtins.str": 100}


def test_what_the_block_before_holds_hides_no_object() -> None:
    """Nor what a freed object left there: nothing, then the address of a type."""
    blocks = (
        words for place in (0, 128) for words in ((place + 48, (0, SPARE)), (place + 64, (1, SHAPED[b"int"])))
    )
    assert _pool(64, *blocks) == {"builtins.int": 2}


@pytest.mark.parametrize("offset", [16, 32, 48])
def test_an_object_in_a_pool_begins_where_its_block_does(offset: int) -> None:
    """What looks like one further in is none; the collector's head is part of the block."""
    assert _pool(64, (offset, (1, SHAPED[b"int"]))) == {}
    assert _pool(64, (offset, (1, SPARE))) == ({"app.Thing": 1} if offset == 16 else {})


def test_a_block_that_is_too_small_for_an_object_holds_none() -> None:
    """A text of a byte in a block of 16, behind it a type's address that an object left there."""
    assert _pool(16, (0, (0x78, SHAPED[b"str"]))) == {}
    assert _pool(32, (0, (0x78, SHAPED[b"str"]))) == {}
    assert _pool(48, (0, (0x78, SHAPED[b"str"]))) == {"builtins.str": 1}


def test_a_block_holds_one_object() -> None:
    """An instance of a type without a head, whose first fields are a number and a class with one."""
    assert _pool(48, (0, (HEAP, SHAPED[b"int"], 1, SPARE))) == {"app.Thing": 1}
    assert _pool(48, (0, (HEAP, HEAP, 1, SPARE, 1, SPARE))) == {"app.Thing": 1}
    assert _pool(48, (0, (1, SHAPED[b"int"], 1, SPARE))) == {"builtins.int": 1}


def test_where_no_block_was_handed_out_is_no_object() -> None:
    """Behind the last block ever used, in a pool that is free as a whole, and in the rest behind the last block."""
    things = [(64 * place + 16, (1, SPARE)) for place in range(4)]
    assert _pool(64, *things, after=48 + 128) == {"app.Thing": 2}
    assert _pool(64, *things, used=0) == {}
    assert _pool(512, (31 * 512, (1, SHAPED[b"int"]))) == {}


@pytest.mark.parametrize(
    ("head", "live"),
    [
        ((HEAP, 0), False),
        ((HEAP, 1), False),
        ((HEAP, 2), True),
        ((0, 0), True),
        (
            (HEAP, 0x7878_7878_7878_7878),
            False,
        ),  # of a text that was there, which ended in the reference count
    ],
)
def test_a_block_that_was_freed_when_its_object_moved_is_none(head: tuple[int, int], live: bool) -> None:
    """A resized tuple leaves a reference count behind; the head has a link and flags, as no live object's outside a
    collection.
    """
    assert _pool(64, (0, (*head, 1, SPARE))) == ({"app.Thing": 1} if live else {})


@pytest.mark.parametrize(("mark", "found"), [(0xFDFD_FDFD_FDFD_FD6F, 1), (0xFDFD_FDFD_FDFD_006F, 0)])
def test_a_debugging_allocators_prefix_is_skipped(mark: int, found: int) -> None:
    """Size, highest byte first, and mark before each object (Objects/obmalloc.c: PYMEM_DEBUG_EXTRA_BYTES)."""
    size = 40 << 56
    counts = _pool(64, (0, (size, mark, 1, SHAPED[b"int"])), (64, (size, mark, 0, 0, 1, SPARE)))
    assert list(counts.values()) == [found] * 2 * found


def test_blocks_are_found_where_a_chunk_begins_in_the_midst_of_a_pool() -> None:
    """Of a pool whose header is not there nothing is known; the next one counts, as far as its blocks were used."""
    memory = bytearray(4 * POOL_BYTES)
    put_pool(memory, POOL_BYTES, 32, after=48 + 64)
    put_pool(memory, 2 * POOL_BYTES, 512)
    words = np.frombuffer(memory, np.uint64)[4096 // 8 : 7 * POOL_BYTES // 16]
    blocks = blocks_of(words, HEAP + 4096)
    first = (POOL_BYTES - 4096) // 16
    second = first + POOL_BYTES // 16
    assert blocks.begins.tolist() == [first + 3, first + 5, *(second + 3 + 32 * block for block in range(31))]
    assert blocks.pairs.tolist() == [2] * 2 + [32] * 31
    assert blocks.outside == ((0, first), (second + POOL_BYTES // 16, len(words) // 2))


def test_blocks_end_where_memory_does() -> None:
    """Of a pool that is read in part, those are blocks that begin in this part."""
    memory = bytearray(POOL_BYTES)
    put_pool(memory, 0, 64)
    blocks = blocks_of(np.frombuffer(memory, np.uint64)[: (48 + 3 * 64 + 16) // 8], HEAP)
    assert blocks.begins.tolist() == [3, 7, 11, 15]
    assert blocks.outside == ()


def test_a_reference_count_in_a_program_of_fixed_addresses_is_no_address() -> None:
    """Where addresses are small numbers, those that are mapped are no counts."""
    memory, maps, interpreter = fake_process()
    put(memory.segments[HEAP], 64, 0x40_0000, SPARE)
    put(memory.segments[HEAP], 128, 0x3F_FFFF, SPARE)
    low = replace(interpreter, low=(0x40_0000, 0x90_0000))
    assert _counts(read_heap(maps, memory, low, 10)) == {"app.Thing": 1}


def test_a_class_of_many_instances_is_one_in_a_program_of_fixed_addresses() -> None:
    """Each instance refers to its class: from four million on the count looks like an address there."""
    memory, maps, interpreter = fake_process()
    put(memory.segments[DATA], SPARE - DATA, 0x41_9CE3)
    put(memory.segments[HEAP], 64, 1, SPARE)
    assert _counts(read_heap(maps, memory, replace(interpreter, low=(0x40_0000, 0x90_0000)), 10)) == {
        "app.Thing": 1
    }


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=60), st.sets(st.integers(0, 60)))
def test_descent_is_found_however_far_and_in_circles(links: list[tuple[int, int]], roots: set[int]) -> None:
    """As one would by going up step by step."""
    up = dict(links)
    addresses = sorted(up)

    def reaches(address: int) -> bool:
        met: set[int] = set()
        while address in up and address not in met and address not in roots:
            met.add(address)
            address = up[address]
        return address in up and address in roots

    found = _below(
        *(np.array(words, np.uint64) for words in (sorted(roots), addresses, [up[one] for one in addresses]))
    )
    assert found.tolist() == [reaches(address) for address in addresses]


def test_a_hundred_thousand_generations_of_classes_are_gone_through_at_once() -> None:
    """Which an attacker may write into memory; step by step it took hours."""
    addresses = np.arange(1, 100_001, dtype=np.uint64) * np.uint64(1024)
    assert _below(addresses[:1], addresses, np.append(addresses[:1], addresses[:-1])).all()


def test_a_class_of_any_metaclass_is_found() -> None:
    """A metaclass is a type whose instances are types; its own instances are too."""
    memory, maps, interpreter = fake_process()
    heap = memory.segments[HEAP]
    heap[8192:8197] = b"Meta\0"
    heap[8256:8262] = b"Class\0"
    for offset, of_type, name, flags in (
        (1024, TYPES[b"type"], HEAP + 8192, 1 << 31 | 1 << 12 | 1 << 9),
        (2048, HEAP + 1024, HEAP + 8256, 1 << 12 | 1 << 9),
    ):
        put(heap, offset, 1, of_type, 0, name, 24, 0)
        put(heap, offset + 168, flags)
        put(heap, offset + 304, ALLOC)
    put(heap, 4096, 1, HEAP + 2048)
    assert _counts(read_heap(maps, memory, interpreter, 10)) == {
        "?.Class": 1,
        "?.Meta": 1,
        "builtins.type": 1,
    }


@pytest.mark.parametrize(
    ("name", "fields", "extra_bytes", "length"),
    [
        (b"list", (50, 0, 64), 8 * 64, 50),
        (b"dict", (50, 0, HEAP + 4096, 0), 32 + 128 + 85 * 16, 50),
        (b"collections.deque", (70, 0, 0, 10, 0), 2 * 528, 70),
        (b"str", (99, 0, 0x64), 40 - 64 + 100, None),
        (b"int", (5 << 3,), 0, None),
    ],
)
def test_sizes_and_lengths_of_each_shape(
    name: bytes, fields: tuple[int, ...], extra_bytes: int, length: int | None
) -> None:
    """As sys.getsizeof and len would say; a length above the bound makes a container."""
    memory, maps, interpreter = fake_process()
    put(memory.segments[HEAP], 64, 1, SHAPED[name], *fields)
    put(memory.segments[HEAP], 4096, 1 << 48, 0x01_07_07)  # the head of a dict's keys: 128 slots, all str
    heap = read_heap(maps, memory, interpreter, containers_over=49)
    basic = {b"list": 40, b"dict": 48, b"collections.deque": 216, b"str": 64, b"int": 24}[name]
    assert [entry.bytes for entry in heap.types] == [basic + extra_bytes]
    assert [(found.address, found.length) for found in heap.containers] == (
        [(HEAP + 64, length)] if length else []
    )


@pytest.mark.parametrize(("version", "size_bytes"), [((3, 14), 16 + 1000), ((3, 15), 16)])
def test_the_buffer_of_a_bytearray_is_counted_once(version: tuple[int, int], size_bytes: int) -> None:
    """Since 3.15 it is an object of type bytes, which is counted as one."""
    heap = _heap((64, (1, TYPES[b"bytearray"], 900, 1000)), version=version)
    assert [entry.bytes for entry in heap.types] == [size_bytes]


def test_a_frozendict_is_a_dict_with_a_hash() -> None:
    """It is no subclass of dict, and has its table of keys and its length; a class of the same name has neither."""
    memory, maps, interpreter = fake_process((3, 15))
    fields = (1, TYPES[b"frozendict"], 50, 0, HEAP + 4096, 0)
    put(memory.segments[HEAP], 64, *fields)
    put(memory.segments[HEAP], 4096, 1 << 48, 0x01_07_07)
    heap = read_heap(maps, memory, interpreter, containers_over=49)
    assert [entry.bytes for entry in heap.types] == [16 + 32 + 128 + 85 * 16]
    assert [(found.type, found.length) for found in heap.containers] == [("builtins.frozendict", 50)]
    put(
        memory.segments[DATA],
        TYPES[b"frozendict"] - DATA + layout.TP_FLAGS,
        layout.READY | layout.HEAPTYPE,
    )
    heap = read_heap(maps, memory, interpreter, containers_over=49)
    assert [entry.bytes for entry in heap.types] == [16]
    assert heap.containers == ()


def test_the_bytes_of_a_generator_have_its_frame() -> None:
    """Two variables and a stack of five, as its code object says."""
    memory, maps, interpreter = fake_process()
    put(memory.segments[HEAP], 64, 1, SHAPED[b"generator"], *[0] * 7, HEAP + 4096)
    put(memory.segments[HEAP], 4096 + 64, 5, 2)
    assert [entry.bytes for entry in read_heap(maps, memory, interpreter, 10).types] == [
        16 + 144 + 8 * (5 + 2)
    ]


def test_the_bytes_of_a_type_have_the_keys_of_its_instances() -> None:
    """Of eight slots, five usable, all str; a table that members follow is no part of ``sys.getsizeof``."""
    memory, maps, interpreter = fake_process()
    put(memory.segments[HEAP], 1024, 1, TYPES[b"type"], 4)
    put(memory.segments[HEAP], 1024 + interpreter.layout.ht_cached_keys, HEAP + 4096)
    put(memory.segments[HEAP], 4096, 1, 0x02_03_03)
    assert [entry.bytes for entry in read_heap(maps, memory, interpreter, 10).types] == [
        920 + 32 + 8 + 5 * 16
    ]


def test_a_length_that_cannot_be_is_no_container() -> None:
    """Garbage where a length should be takes no bytes and makes no suspect."""
    heap = _heap(
        (64, (1, SHAPED[b"list"], 1 << 39, 0, 1 << 39)), (256, (1, SHAPED[b"list"], 1 << 63, 0, 1 << 62))
    )
    assert [(entry.objects, entry.bytes) for entry in heap.types] == [(2, 80)]
    assert heap.containers == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dict_of_a_length_that_no_table_has_is_empty(version: tuple[int, int]) -> None:
    """Its keys are garbage, of themselves or of a class that shares them: it takes no bytes, and none less."""
    for values in (0, HEAP):
        heap = _heap((64, (1, SHAPED[b"dict"], 1 << 39, 0, 1 << 46, values)), version=version)
        assert [(entry.objects, entry.bytes) for entry in heap.types] == [(1, 48)]


def test_an_address_space_without_types_is_refused() -> None:
    """A process that is starting, or is no Python after all."""
    memory, maps, interpreter = fake_process()
    memory.segments[DATA][:] = bytes(len(memory.segments[DATA]))
    with pytest.raises(HeapError, match="no type objects"):
        read_heap(maps, memory, interpreter, 10)


@given(
    st.sets(st.integers(0, (1 << 43) - 1), min_size=1, max_size=400), st.lists(st.integers(0, (1 << 43) - 1))
)
def test_each_address_is_found_and_no_other(known: set[int], others: list[int]) -> None:
    """The hash tables agree with a dict, collisions and all."""
    addresses = np.array(sorted(known), np.uint64) * np.uint64(16)
    words = np.array([*sorted(known), *others], np.uint64) * np.uint64(16)
    lookup = AddressIndex(addresses)
    expected = {int(address): number for number, address in enumerate(addresses)}
    assert lookup.find(words).tolist() == [expected.get(word, lookup.none) for word in words.tolist()]


_POINTERS = [
    *TYPES.values(), *SHAPED.values(), SPARE, ALLOC, HEAP, HEAP + 64, HEAP + HEAP_BYTES - 8, DATA + 8,
    0, 1, 2, 1 << 31, 0xFFFF_FFFF, 1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
]  # fmt: skip
_words = st.one_of(st.sampled_from(_POINTERS), st.integers(0, (1 << 64) - 1), st.integers(0, 4096))
_writes = st.lists(st.tuples(st.integers(0, HEAP_BYTES // 8 - 64), st.lists(_words, min_size=1, max_size=64)))


@settings(max_examples=150, deadline=2000)
@given(_writes, _writes, st.sampled_from(VERSIONS))
@pytest.mark.slow
def test_no_content_of_memory_crashes_hangs_or_bloats_the_census(
    heap_writes: list[tuple[int, list[int]]],
    data_writes: list[tuple[int, list[int]]],
    version: tuple[int, int],
) -> None:
    """Random words and mutated types give a census or a HeapError, in a bounded time and memory."""
    memory, maps, interpreter = fake_process(version)
    for offset, words in heap_writes:
        put(memory.segments[HEAP], 8 * offset, *words)
    data = memory.segments[DATA]
    for offset, words in data_writes:
        put(data, 8 * (offset % (len(data) // 8 - 64)), *words)
    tracemalloc.start()
    try:
        heap = read_heap(maps, memory, interpreter, containers_over=3)
    except HeapError:
        return
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 64 << 20
    assert sum(entry.objects for entry in heap.types) <= HEAP_BYTES // 16
    assert all(len(entry.name) <= 220 and entry.name.isprintable() for entry in heap.types)
    assert all(entry.bytes >= 0 for entry in heap.types)


@settings(max_examples=60, deadline=2000)
@given(st.binary(min_size=1, max_size=2000), st.sampled_from(VERSIONS))
def test_random_bytes_do_no_harm(pattern: bytes, version: tuple[int, int]) -> None:
    """A heap of any bytes gives a census; nothing is raised."""
    memory, maps, interpreter = fake_process(version)
    memory.segments[HEAP][:] = (pattern * (HEAP_BYTES // len(pattern) + 1))[:HEAP_BYTES]
    read_heap(maps, memory, interpreter, containers_over=3)

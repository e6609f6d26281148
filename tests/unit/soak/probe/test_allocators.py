from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from soak_probe import allocators

PRINTED = b"""\
# arenas allocated total           =                  412
# arenas reclaimed                 =                   12
# arenas allocated current         =                  400
400 arenas * 1048576 bytes/arena   =          419,430,400

# bytes in allocated blocks        =          300,000,000
# bytes in available blocks        =              327,616
18 unused pools * 16384 bytes      =              294,912
# bytes lost to pool headers       =               11,280
"""


class TestAllocators:
    def test_the_printed_statistics_are_read(self) -> None:
        """Arena bytes are the arenas' total; free bytes are in available blocks and unused pools, and these apart."""
        assert allocators.parse_pymalloc(PRINTED) == (419_430_400, 327_616 + 294_912, 294_912)

    @pytest.mark.parametrize("missing", [b"bytes/arena", b"available blocks", b"unused pools"])
    def test_a_line_that_is_missing_is_no_figure(self, missing: bytes) -> None:
        """Text of another form, as of a Python without pymalloc, gives nothing rather than half of it."""
        assert allocators.parse_pymalloc(PRINTED.replace(missing, b"")) is None

    def test_pymalloc_sees_small_objects(self) -> None:
        """300,000 small objects are at least 16 bytes each in use, and are free again after."""

        def used() -> int:
            figures = allocators.pymalloc()
            assert figures is not None
            return figures[0] - figures[1]

        before = used()
        kept = [object() for _ in range(300_000)]
        during = used()
        del kept
        after = used()
        assert during - before >= 300_000 * 16
        assert after - before < 300_000

    def test_malloc_sees_native_memory(self) -> None:
        """64 MB held by the C library's malloc are in use, and are not after."""
        if not allocators.malloc():
            pytest.skip("this C library has no mallinfo2 (glibc has it since 2.33)")

        def used() -> int:
            return allocators.malloc()["malloc_in_use_bytes"]

        before = used()
        held = bytearray(64_000_000)
        during = used()
        del held
        assert during - before >= 64_000_000
        assert used() - before < 1_000_000

    def test_a_library_without_the_function_gives_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where mallinfo2, malloc_trim or the statistics of pymalloc are missing there is no figure, not 0."""
        assert allocators._function(allocators._quick, "no_such_function", None) is None
        for name in ("_mallinfo2", "_malloc_trim", "_debug_malloc_stats"):
            monkeypatch.setattr(allocators, name, None)
        assert allocators.malloc() == {}
        assert allocators.trim() is None
        assert allocators.pymalloc() is None

    def test_pymalloc_switched_off_holds_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With PYTHONMALLOC=malloc it has no arenas: that is a reading, while text of another form is none."""
        monkeypatch.setattr(allocators, "_debug_malloc_stats", lambda _: 0)
        assert allocators.pymalloc() == (0, 0, 0)
        monkeypatch.setattr(allocators, "_debug_malloc_stats", lambda _: 1)
        assert allocators.pymalloc() is None


C, PRELOADED, PROGRAM = 1, 2, 3
"""Loaded objects: the C library, a preloaded one, and the program."""
GLIBC = {"gnu_get_libc_version": C, "mallinfo2": C}
JEMALLOC, TCMALLOC = {"mallctl": PRELOADED}, {"MallocExtension_GetNumericProperty": PRELOADED}


def defined_by(loaded: int) -> dict[str, int]:
    return dict.fromkeys(("malloc", "calloc", "realloc", "free"), loaded)


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        pytest.param({**GLIBC, **defined_by(C)}, "glibc", id="nothing preloaded"),
        pytest.param({**GLIBC, **JEMALLOC, **defined_by(PRELOADED)}, "jemalloc", id="jemalloc preloaded"),
        pytest.param({**GLIBC, **TCMALLOC, **defined_by(PRELOADED)}, "tcmalloc", id="tcmalloc preloaded"),
        pytest.param({**GLIBC, **defined_by(PRELOADED)}, "", id="another one preloaded, such as mimalloc"),
        pytest.param({**GLIBC, **JEMALLOC, **defined_by(C)}, "glibc", id="jemalloc loaded, not as malloc"),
        pytest.param(
            {**GLIBC, **defined_by(C), "malloc": PROGRAM, "free": PROGRAM}, "glibc", id="Debian's python3"
        ),
        pytest.param(
            {**GLIBC, **JEMALLOC, **defined_by(PRELOADED), "malloc": PROGRAM, "free": PROGRAM},
            "jemalloc",
            id="Debian's python3 with jemalloc",
        ),
        pytest.param(
            {**GLIBC, "mallctl": PROGRAM, **defined_by(PROGRAM)}, "jemalloc", id="jemalloc in the program"
        ),
        pytest.param(
            {**GLIBC, **TCMALLOC, **defined_by(PRELOADED), "mallinfo2": PRELOADED},
            "tcmalloc",
            id="tcmalloc with a mallinfo2 of its own",
        ),
        pytest.param(defined_by(C), "", id="a C library that is not glibc, such as musl"),
        pytest.param({}, "", id="nothing found"),
    ],
)
def test_the_allocator_behind_malloc_is_found(functions: dict[str, int], expected: str) -> None:
    """It is the one whose own function is in the same loaded object as malloc or its like."""
    assert allocators.find_allocator(functions.get) == expected


def glibc(**fields: int) -> object:
    """Return what mallinfo2 answers: 8 MB in use and 2 MB free in arenas of 10 MB, 5 MB mapped."""
    answer = {"arena": 10_000_000, "hblkhd": 5_000_000, "uordblks": 8_000_000, "fordblks": 2_000_000}
    return allocators._Mallinfo2(**(answer | {"keepcost": 1_000_000} | fields))


class TestMalloc:
    @pytest.fixture(autouse=True)
    def behind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch

    def test_glibc_answers_with_its_arenas(self) -> None:
        """Mapped blocks are in use and in no arena."""
        self.patch.setattr(allocators, "ALLOCATOR", "glibc")
        self.patch.setattr(allocators, "_mallinfo2", glibc)
        assert allocators.malloc() == {
            "malloc_in_use_bytes": 13_000_000,
            "malloc_free_bytes": 2_000_000,
            "malloc_arena_bytes": 10_000_000,
            "malloc_top_bytes": 1_000_000,
        }

    def test_an_allocator_that_cannot_be_asked_has_no_figures(self) -> None:
        """That of musl: none is not 0, whatever glibc beside it would answer."""
        self.patch.setattr(allocators, "ALLOCATOR", "")
        self.patch.setattr(allocators, "_mallinfo2", glibc)
        assert allocators.malloc() == {}
        assert allocators.trim() is None

    @pytest.mark.parametrize(
        "fields",
        [
            {"uordblks": 9_000_000},
            {"keepcost": 3_000_000},
            {"arena": 0, "uordblks": 0, "fordblks": 0, "keepcost": 0, "hblkhd": 0},
            {"hblkhd": 2**64 - 4096},
        ],
        ids=["more in use and free than arenas", "more at the top than free", "all 0", "below 0"],
    )
    def test_figures_of_glibc_that_cannot_be_true_are_refused(self, fields: dict[str, int]) -> None:
        """They would be taken for the memory of the target."""
        self.patch.setattr(allocators, "ALLOCATOR", "glibc")
        self.patch.setattr(allocators, "_mallinfo2", lambda: glibc(**fields))
        with pytest.raises(allocators.ImplausibleError, match="glibc answers"):
            allocators.malloc()

    @pytest.mark.parametrize(
        ("allocated", "cached", "active", "expected"),
        [
            (50_000, 10_000, 60_000, (40_000, 28_192)),
            (80_000, 0, 60_000, None),
            (0, 0, 50_000, None),
            (5_000, 6_000, 50_000, None),
            (2**63, 0, 2**63, None),
            (None, 0, 50_000, {}),
        ],
        ids=[
            "all",
            "more in use than taken",
            "nothing",
            "more cached than in use",
            "no address",
            "no statistics",
        ],
    )
    def test_jemalloc_is_believed_where_it_can_be_true(
        self,
        allocated: int | None,
        cached: int,
        active: int,
        expected: dict[str, int] | tuple[int, int] | None,
    ) -> None:
        """What threads keep in their caches is free, as are pages that are not given back yet; metadata is neither."""
        stats = {
            b"stats.allocated": allocated,
            b"stats.resident": 10**9,
            b"stats.active": active,
            b"stats.arenas.4096.tcache_bytes": cached,
            b"stats.arenas.4096.pdirty": 2,
            b"arenas.page": 4096,
        }
        self.patch.setattr(allocators, "ALLOCATOR", "jemalloc")
        self.patch.setattr(allocators, "_slow_mallctl", lambda *_: 0)
        self.patch.setattr(allocators, "_stat_of_jemalloc", stats.get)
        if expected is None:
            with pytest.raises(allocators.ImplausibleError, match="jemalloc answers"):
                allocators.malloc()
        elif isinstance(expected, dict):
            assert allocators.malloc() == expected
        else:
            in_use, free = expected
            assert allocators.malloc() == {
                "malloc_in_use_bytes": in_use,
                "malloc_free_bytes": free,
                "malloc_arena_bytes": active + 2 * 4096,
                "malloc_top_bytes": 0,
            }

    @pytest.mark.parametrize(
        ("in_use", "heap", "unmapped", "expected"),
        [
            (
                50,
                100,
                20,
                {
                    "malloc_in_use_bytes": 50,
                    "malloc_free_bytes": 30,
                    "malloc_arena_bytes": 80,
                    "malloc_top_bytes": 10,
                },
            ),
            (90, 100, 20, None),
            (50, 100, None, {}),
        ],
    )
    def test_tcmalloc_is_believed_where_it_can_be_true(
        self, in_use: int, heap: int, unmapped: int | None, expected: dict[str, int] | None
    ) -> None:
        """Pages that it has given back are no free memory of the process; some of the others it may not have used."""
        properties = {
            b"generic.current_allocated_bytes": in_use,
            b"generic.heap_size": heap,
            b"tcmalloc.pageheap_unmapped_bytes": unmapped,
            b"tcmalloc.pageheap_free_bytes": 10,
        }
        self.patch.setattr(allocators, "ALLOCATOR", "tcmalloc")
        self.patch.setattr(allocators, "_property_of_tcmalloc", properties.get)
        if expected is None:
            with pytest.raises(allocators.ImplausibleError, match="tcmalloc answers"):
                allocators.malloc()
        else:
            assert allocators.malloc() == expected


def test_malloc_is_asked_between_the_two_walks_through_the_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the interpreter is given up: a thread of the target waits for one walk at most, not for both."""
    asked: list[str] = []
    of_pools, of_malloc, blocks = allocators.pymalloc, allocators.malloc, sys.getallocatedblocks

    def noted(name: str, ask: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            asked.append(name)
            return ask()

        return call

    monkeypatch.setattr(allocators, "pymalloc", noted("pools", of_pools))
    monkeypatch.setattr(allocators, "malloc", noted("malloc", of_malloc))
    monkeypatch.setattr(sys, "getallocatedblocks", noted("blocks", blocks))
    allocators.figures()
    assert asked == ["pools", "malloc", "blocks"]

from __future__ import annotations

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
        """Arena bytes are the arenas' total; free bytes are those in available blocks and in unused pools."""
        assert allocators.parse_pymalloc(PRINTED) == (419_430_400, 327_616 + 294_912)

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
        if allocators.malloc() is None:
            pytest.skip("this C library has no mallinfo2 (glibc has it since 2.33)")

        def used() -> int:
            figures = allocators.malloc()
            assert figures is not None
            return figures[0]

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
        assert (allocators.malloc(), allocators.trim(), allocators.pymalloc()) == (None, None, None)

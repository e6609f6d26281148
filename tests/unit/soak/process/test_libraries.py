"""Libraries with an allocator of their own are recognised by their names among the mappings."""

from __future__ import annotations

import os

import pytest

from soak.process.libraries import foreign_allocators, loaded

AT = "7f00-7f01 r-xp 00000000 fe:00 12 "


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "jemalloc"),
        ("/usr/lib/x86_64-linux-gnu/libmimalloc.so.2.0", "mimalloc"),
        ("/usr/lib/libtcmalloc_minimal.so.4.5.9 (deleted)", "tcmalloc"),
        ("/app/.venv/lib/python3.12/site-packages/pyarrow/libarrow.so.1900", "arrow"),
        ("/site-packages/polars/polars.abi3.so", "polars"),
        ("/site-packages/_polars_runtime_32/_polars_runtime.abi3.so", "polars"),
        ("/site-packages/duckdb/duckdb.cpython-311-x86_64-linux-gnu.so", "duckdb"),
        ("/site-packages/torch/lib/libtorch_cpu.so", "torch"),
        ("/usr/lib/libcuda.so.550.54", "cuda"),
        ("/site-packages/yajl_arrow.so", ""),
        ("/data/arrow.parquet", ""),
        ("/usr/lib/libc.so.6", ""),
        ("/lib/ld-musl-x86_64.so.1", ""),
        ("[heap]", ""),
    ],
)
def test_a_library_is_known_by_its_name(path: str, found: str) -> None:
    """The begin of the file's name decides, whatever its directory, version and suffix."""
    assert loaded(f"{AT}{path}\n{AT}\n".encode()) == found


def test_each_is_named_once() -> None:
    """A library has several mappings."""
    lines = [
        f"{AT}/x/{name}"
        for name in ("libmkl_core.so.2", "libarrow.so.1", "libarrow.so.1", "libarrow_python.so")
    ]
    assert loaded("\n".join(lines).encode()) == "arrow mkl"


def test_a_living_process_is_read_and_one_that_is_gone_is_not() -> None:
    """None is not "none loaded"."""
    assert foreign_allocators(os.getpid()) is not None
    assert foreign_allocators(2**22 + 1) is None

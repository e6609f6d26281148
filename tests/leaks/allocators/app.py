"""Uses memory in one place at each request, and keeps it or gives it back: ``app.py PORT PLACE BYTES KEPT TRANSIENT``.

BYTES are used at each request in the PLACE, one of the functions below; they stay where KEPT is 1. TRANSIENT is the
largest of the buffers that come and go beside that, in the malloc of the process.
"""

import ctypes
import mmap
import os
import random
import signal
import sys
import tempfile
import threading

from serve import serve

PLACE, SIZE, KEPT, TRANSIENT = sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1", int(sys.argv[5])
REGION = 64 << 20
THREAD_BYTES = 20_000  # of an idle thread, about
DISK = "/var/tmp"  # where /tmp may be a tmpfs
MEAN_TRANSIENT = 75_000  # bytes per request, unless TRANSIENT is below twice of that

draw = random.Random(1)
buffers = []
kept = []


def malloc():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]

    def work(_n):
        block = libc.malloc(SIZE)
        ctypes.memset(block, 1, SIZE)
        if not KEPT:
            libc.free(block)

    return work


def mmap_private():
    return written_to(mmap.mmap(-1, REGION, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def mmap_shared():
    return written_to(mmap.mmap(-1, REGION))


def written_to(region):
    def work(n):
        start = n * SIZE if KEPT else 0
        region[start : start + SIZE] = b"x" * SIZE

    return work


def memfd():
    file = os.memfd_create("kept")

    def work(n):
        os.pwrite(file, b"x" * SIZE, n * SIZE if KEPT else 0)

    return work


def tmpfs():
    return files_in("/dev/shm")


def disk():
    return files_in(DISK)


def files_in(place):
    folder = tempfile.TemporaryDirectory(dir=place, prefix="uploads-")
    kept.append(folder)
    # uvicorn sends itself the signal again once it is shut down; so the process exits, and removes the folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())

    def work(_n):
        with tempfile.NamedTemporaryFile(dir=folder.name, delete=not KEPT) as file:
            file.write(b"x" * SIZE)

    return work


def threads():
    never = threading.Event()

    def work(n):
        if n % (THREAD_BYTES // SIZE) == 0:
            thread = threading.Thread(target=never.wait if KEPT else never.is_set, daemon=True)
            thread.start()
            if not KEPT:
                thread.join()

    return work


def arrow():
    import pyarrow

    return values_by(lambda n: pyarrow.array(range(n, n + SIZE // 8), pyarrow.int64()))


def polars():
    import polars

    return values_by(lambda n: polars.int_range(n, n + SIZE // 8, eager=True))


def values_by(make):
    def work(n):
        values = make(n)
        if KEPT:
            kept.append(values)

    return work


def duckdb():
    import duckdb

    database = duckdb.connect(":memory:", config={"threads": 1})
    database.execute("CREATE TABLE uploads (body BLOB)")
    statement = "INSERT INTO uploads VALUES (?)" if KEPT else "SELECT octet_length(?::BLOB)"

    def work(_n):
        database.execute(statement, [os.urandom(SIZE)]).fetchall()

    return work


work = globals()[PLACE]()


async def answer(n):
    if draw.random() < 2 * MEAN_TRANSIENT / TRANSIENT:
        buffers.append(bytearray(draw.randrange(1, TRANSIENT)))
    if len(buffers) > draw.randrange(1, 8):
        buffers.clear()
    work(n)
    return {"n": n}


serve(answer)

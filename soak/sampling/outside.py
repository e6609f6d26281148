"""One process as /proc shows it."""

from __future__ import annotations

from soak.limit.membership import threads_limit
from soak.process.libraries import foreign_allocators
from soak.process.procfs import count_fds, cpu_s, fds_limit, read_smaps, read_status, rss_bytes
from soak.recording.csv_writer import Row


def read_outside(pid: int, *, smaps: bool) -> tuple[Row, dict[str, str | None]]:
    """Return the columns of a process that are read from /proc, and what is wrong with each reading, None for nothing.

    ``smaps`` reads what costs milliseconds per gigabyte, too.
    """
    row: Row = {"rss_bytes": rss_bytes(pid), "fds": count_fds(pid), "cpu_s": cpu_s(pid)}
    expected = ["fds", "cpu_s", "anon_bytes"]
    sizes = read_smaps(pid) if smaps else None
    if status := read_status(pid):
        row["threads"] = status.threads
        row["shmem_bytes"], row["file_bytes"] = status.shmem_bytes, status.file_bytes
        anon = status.anon_bytes if sizes is None else sizes.anon_bytes
        row["anon_bytes"] = None if anon is None else anon + status.swap_bytes
    if smaps:
        if sizes:
            row["uss_bytes"], row["pss_bytes"] = sizes.uss_bytes, sizes.pss_bytes
        row["fds_limit"], row["threads_limit"] = fds_limit(pid), threads_limit(pid)
        row["foreign_allocators"] = foreign_allocators(pid)
        expected.append("uss_bytes")
    return row, {name: "not readable" if row.get(name) is None else None for name in expected}

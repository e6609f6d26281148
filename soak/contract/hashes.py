"""The hashes of a recording: written when its run ends, checked by everything that reads a recording which has them.

``SHA256SUMS`` has the format of ``sha256sum``; in the run directory ``sha256sum -c SHA256SUMS`` checks it as well.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from soak.contract.files import (
    CENSUS,
    CONTAINERS,
    EVENTS,
    HOLDERS,
    LATENCY_LOG,
    LIVE,
    LOGS,
    MANIFEST,
    REPORT,
    REQUESTS,
    SAMPLES,
    STATEMENT,
    STUCK,
    SUMMARY,
    SUMS,
    TRAFFIC,
)
from soak.contract.replay import REPLAY, without_replay
from soak.errors import HarnessError
from soak.regular_files import MOST_TABLE_BYTES, PARTIAL, open_regular, read_json, read_regular

MISSING, EXTRA, CHANGED = "missing", "extra", "changed"
UNLISTED: Final = "unlisted"
"""Of the manifest: it is as listed but for what a replay came to, which a kill kept from being listed."""
REMOVED: Final = f"{SUMS} is missing: it was removed, or the run was killed before it wrote it"
NO_EVIDENCE: Final = frozenset({LIVE, SUMS})
BESIDE: Final = (f"{SUMS}.", f"{Path(STATEMENT).stem}.")
"""Beginnings of the names of files in a run directory that are no evidence: the statement, and signatures of both."""
JUDGED: Final = frozenset(
    {MANIFEST, EVENTS, SAMPLES, REQUESTS, LATENCY_LOG, CENSUS, CONTAINERS, HOLDERS, STUCK}
)
"""Names of the files that a verdict and a report are made of."""
REPLAYED: Final = f"{LOGS}/{Path(REPLAY).stem}-"
"""Beginning of the logs of a replay, which are written after the first hashes of its run, as its tables are."""
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
MOST_NAMED: Final = 20
"""Number of files that an answer names; more are counted."""
PART_BYTES: Final = 1 << 20
"""Bytes of a file that are hashed at a time."""


@dataclass(frozen=True, slots=True)
class FileHash:
    """A file of a recording and its SHA-256, in hexadecimal."""

    name: str
    """The path within the run directory."""
    recorded: str
    """The hash in SHA256SUMS; empty where the file is not listed."""
    found: str
    """The hash of the file; empty where it is missing or cannot be read."""
    problem: str = ""
    """missing, extra, changed, unlisted or not readable (why); empty for none."""

    @property
    def difference(self) -> str:
        """How the recording differs by this file, a clause; empty for an extra file as no run writes."""
        if self.problem == UNLISTED:
            return ""
        if self.problem == EXTRA:
            is_ours = self.name.rpartition("/")[2] in {*JUDGED, TRAFFIC} or (
                self.name.startswith(f"{LOGS}/") and not self.name.startswith(REPLAYED)
            )
            return f"{self.name} was added: {SUMS} does not list it" if is_ours else ""
        if self.problem == CHANGED:
            return f"{self.name} was changed: its SHA-256 is not that in {SUMS}"
        return f"{self.name} is {self.problem}, but {SUMS} lists it" if self.problem else ""


@dataclass(frozen=True, slots=True)
class HashCheck:
    """The files of a recording, compared with its SHA256SUMS."""

    files: tuple[FileHash, ...]
    sums: str = ""
    """The SHA-256 of SHA256SUMS itself; empty where it is missing or damaged."""
    damage: str = ""
    """Why SHA256SUMS cannot be used, a clause; empty where it can, and where there is none."""

    @property
    def differences(self) -> tuple[str, ...]:
        """How a recording differs from its hashes, by clauses: MOST_NAMED, and the number of the others."""
        found = [self.damage] if self.damage else []
        found += [file.difference for file in self.files if file.difference]
        more = [f"{len(found) - MOST_NAMED} more files differ from {SUMS}"] if len(found) > MOST_NAMED else []
        return (*found[:MOST_NAMED], *more)


NO_HASHES: Final = HashCheck(())


def _go_on() -> None:
    """Make no pause."""


def sums_text(run_dir: Path, written: Mapping[str, str]) -> str:
    """Return the text of SHA256SUMS over every file of the recording; raises HarnessError when one cannot be read.

    ``written`` are the hashes of what was written to some files, by name: one that holds anything else is changed, and
    one that is not there any more is missing.
    """
    try:
        found = {name: _sha256(run_dir / name) for name in _recorded(run_dir) if name not in written}
    except OSError as error:
        raise HarnessError(
            f"{error.filename or run_dir}: cannot be hashed ({error.strerror}); the recording is kept without hashes."
        ) from error
    return "".join(f"{digest}  {name}\n" for name, digest in sorted({**found, **written}.items()))


def listed_files(run_dir: Path) -> frozenset[str]:
    """Return the files that SHA256SUMS lists, by their paths within the run directory; raises as ``compare``."""
    return frozenset(_read_sums(run_dir / SUMS))


def amended_sums(run_dir: Path, changed: Mapping[str, str]) -> str:
    """Return the text of SHA256SUMS with the hashes of ``changed``, by file, and of the files that it lacks.

    Raises OSError and ValueError when a file or SHA256SUMS itself cannot be read.
    """
    listed = {**_read_sums(run_dir / SUMS), **changed}
    added = {name: _sha256(run_dir / name) for name in _recorded(run_dir) if name not in listed}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted({**listed, **added}.items()))


def check(run_dir: Path) -> HashCheck:
    """Hash every file of a recording and compare it with SHA256SUMS; no files where there is none. Raises nothing."""
    try:
        listed = _read_sums(run_dir / SUMS)
        return HashCheck(tuple(_compare(run_dir, listed)), _sha256(run_dir / SUMS))
    except FileNotFoundError:
        return HashCheck((), damage=REMOVED if _was_written(run_dir) else "")
    except (OSError, ValueError) as error:
        unlisted = tuple(replace(file, problem="") for file in _compare(run_dir, {}))
        return HashCheck(unlisted, damage=f"{SUMS} is {reason_of(error)}")


def first_difference(run_dir: Path, pause: Callable[[], object] = _go_on) -> str:
    """Return how the first file that differs from SHA256SUMS does, a clause; empty for no difference or no hashes.

    For a list of many runs, which is made of summaries: that of the report counts, too. What was not touched since the
    run's end is not hashed again, unless SHA256SUMS has an earlier time than that end (a copy, where the clock is
    behind), nor is a file that this process hashed and that was not touched since. ``pause``, one and the same for each
    call, is called after each part of a file that is. Raises nothing.
    """
    try:
        listed = _read_sums(run_dir / SUMS)
    except FileNotFoundError:
        return REMOVED if _was_written(run_dir) else ""
    except (OSError, ValueError) as error:
        return f"{SUMS} is {reason_of(error)}"
    ended_ns = _ended_ns(run_dir)

    def hash_of(name: str) -> str:
        state = (run_dir / name).lstat()
        # the end is known from the events, whose own hash is therefore always compared
        if name != EVENTS and name in listed and state.st_ctime_ns < ended_ns:
            return listed[name]
        inode = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        return _hash_once(run_dir / name, inode, pause)

    differences = (file.difference for file in _compare(run_dir, listed, hash_of) if file.difference)
    return next(differences, "") or summary_difference(run_dir)


def summary_difference(run_dir: Path) -> str:
    """Return how the report's result differs from its statement, a clause. Raises nothing.

    The statement has the hash of summary.json, and that of the SHA256SUMS of the recording that was judged. Empty for
    no difference, for no report, and where no statement has the hashes: none can be read, or one of an older version.
    """
    name = f"{REPORT}/{SUMMARY}"
    try:
        statement = read_json(run_dir / STATEMENT)
        recorded = statement["predicate"]["soakproof"]["summary"]["digest"]["sha256"]
        judged = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    try:
        if judged.get(SUMS) != _sha256(run_dir / SUMS):
            return f"{STATEMENT} is about another recording: it has another {SUMS}; make the report again"
        found = hashlib.sha256(read_regular(run_dir / name)).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{name} is {reason_of(error)}: make the report again"
    is_changed = found != recorded
    return (
        f"{name} was changed: its SHA-256 is not that in {STATEMENT}; make the report again"
        if is_changed
        else ""
    )


def outdated_report(run_status: object, report_status: object) -> str:
    """Return that a report is not of the whole run, a clause; empty where it is.

    ``run_status`` stands in the manifest, ``report_status`` in the summary: that of the manifest when it was made.
    """
    is_outdated = run_status != report_status
    return "the report is older than the run's end; make it again with soak report" if is_outdated else ""


def compare(run_dir: Path) -> tuple[FileHash, ...]:
    """Return every file that SHA256SUMS lists or that is there, with its hash.

    Raises OSError where SHA256SUMS cannot be read, ValueError where it is damaged.
    """
    return tuple(_compare(run_dir, _read_sums(run_dir / SUMS)))


def strangers(run_dir: Path) -> tuple[str, ...]:
    """Return the names below a run directory that no run makes, sorted: links, FIFOs, names of more than one line."""
    return tuple(sorted(name for name, is_file in _entries(run_dir) if not is_file))


def _compare(
    run_dir: Path, listed: Mapping[str, str], hash_of: Callable[[str], str] | None = None
) -> Iterator[FileHash]:
    """Yield every file that is listed or there, by name; ``hash_of`` returns a hash, by default of the whole file."""
    there = set(_recorded(run_dir))
    for name in sorted(there | listed.keys()):
        recorded, found, problem = listed.get(name, ""), "", MISSING
        try:
            if name in there:
                found = hash_of(name) if hash_of else _sha256(run_dir / name)
                problem = EXTRA if not recorded else CHANGED if found != recorded else ""
                if name == MANIFEST and problem == CHANGED and recorded in without_replay(run_dir / name):
                    problem = UNLISTED
        except OSError as error:
            problem = f"not readable ({error.strerror})"
        yield FileHash(name, recorded, found, problem)


def _ended_ns(run_dir: Path) -> int:
    """Return when the run ended by its last event, in nanoseconds since 1970; 0 where that is not known.

    Nor is it where SHA256SUMS, which was written after it, is older by the clock of its file system.
    """
    try:
        events = read_regular(run_dir / EVENTS, MOST_TABLE_BYTES)
        last = events.rstrip(b"\n").rpartition(b"\n")[2].decode().split(",")
        ended_ns = int(datetime.fromisoformat(last[1]).timestamp() * 1e9) if "run_end" in last else 0
        return ended_ns if ended_ns <= (run_dir / SUMS).stat().st_ctime_ns else 0
    except (OSError, ValueError, IndexError, OverflowError):
        return 0


@lru_cache(maxsize=4096)
def _hash_once(path: Path, inode: tuple[int, ...], pause: Callable[[], object]) -> str:
    """Return the hash of a file in this state of its inode."""
    del inode
    return _sha256(path, pause)


def _was_written(run_dir: Path) -> bool:
    """Return whether the run has ended and, by its manifest, wrote SHA256SUMS then."""
    try:
        manifest = read_json(run_dir / MANIFEST)
    except (OSError, ValueError):  # whoever reads the manifest has the reason
        return False
    is_hashed = isinstance(manifest, dict) and manifest.get("hashed") is True
    return is_hashed and manifest.get("status") != "running"


def _recorded(run_dir: Path) -> Iterator[str]:
    """Yield the files of a recording: neither the report nor what is no evidence."""
    return (name for name, is_file in _entries(run_dir) if is_file)


def _entries(run_dir: Path) -> Iterator[tuple[str, bool]]:
    """Yield what is below a run directory by name, but for the report and what is no evidence.

    And whether SHA256SUMS can list it: a regular file. No process of a run makes names that are more than one line of
    text; SHA256SUMS could not have them.
    """
    for place, directories, names in os.walk(run_dir):
        here = Path(place)
        if here == run_dir and REPORT in directories:
            directories.remove(REPORT)
        for name in (*names, *(one for one in directories if (here / one).is_symlink())):
            relative = (here / name).relative_to(run_dir).as_posix()
            if relative in NO_EVIDENCE or relative.startswith(BESIDE) or PARTIAL.fullmatch(name):
                continue
            try:
                regular = stat.S_ISREG((here / name).lstat().st_mode)
            except OSError:  # gone since it was listed
                continue
            yield relative, regular and relative.isprintable()


def _read_sums(path: Path) -> dict[str, str]:
    """Return hash by file name; raises OSError where it cannot be read, ValueError where it is damaged."""
    try:
        lines = read_regular(path).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError("damaged: no text in UTF-8") from None
    matches = [_LINE.fullmatch(line) if line.isprintable() else None for line in lines]
    if not lines or None in matches:
        raise ValueError(f"damaged in line {matches.index(None) + 1 if lines else 1}")
    listed = {match[2]: match[1] for match in matches if match}
    if len(listed) < len(lines):
        raise ValueError("damaged: it lists a file twice")
    return listed


def _sha256(path: Path, pause: Callable[[], object] = _go_on) -> str:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        left = os.fstat(file.fileno()).st_size
        while part := file.read(min(left, PART_BYTES)):
            digest.update(part)
            left -= len(part)
            pause()
    return digest.hexdigest()


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read or used, as it follows its name and "is"."""
    return f"not readable ({error.strerror})" if isinstance(error, OSError) else str(error)

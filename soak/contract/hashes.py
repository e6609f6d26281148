"""The hashes of a recording: written when its run ends, checked whenever somebody asks whether it is still the same.

``SHA256SUMS`` has the format of ``sha256sum``; in the run directory ``sha256sum -c SHA256SUMS`` checks it as well.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak.contract.files import LIVE, MANIFEST, REPORT, SUMS
from soak.errors import EXIT_INCONCLUSIVE, EXIT_OK, HarnessError, RecordingError

NO_EVIDENCE: Final = frozenset({LIVE, SUMS})
LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
MOST_NAMED: Final = 20
"""Files that an answer names; more are counted."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What the command line prints, and the exit code it stands for."""

    text: str
    exit_code: int


def sums_text(run_dir: Path) -> str:
    """Return the text of SHA256SUMS over every file of the recording; raises HarnessError when one cannot be read."""
    try:
        lines = [f"{_sha256(run_dir / name)}  {name}\n" for name in sorted(_recorded(run_dir))]
    except OSError as error:
        raise HarnessError(
            f"{error.filename or run_dir}: cannot be hashed ({error.strerror}); the recording is kept without hashes."
        ) from error
    return "".join(lines)


def verify(run_dir: Path) -> Verification:
    """Compare every file of a recording with the hashes of its run's end.

    Raises RecordingError when it is no run directory or its SHA256SUMS cannot be read or is damaged.
    """
    if not (run_dir / MANIFEST).is_file():
        raise RecordingError(
            f"{run_dir}: no run directory, it has no {MANIFEST}; give one that `soak run` made."
        )
    if not (run_dir / SUMS).is_file():
        why = "the run goes on, was killed before it could write them, or is older than they are"
        return Verification(f"NOT VERIFIED: {run_dir} has no {SUMS}: {why}.", EXIT_INCONCLUSIVE)
    noted = _read_sums(run_dir / SUMS)
    found = set(_recorded(run_dir))
    wrong = [f"missing: {name}" for name in sorted(noted.keys() - found)]
    wrong += [f"extra, recorded by no run: {name}" for name in sorted(found - noted.keys())]
    both = sorted(noted.keys() & found)
    wrong += filter(None, (_changed(run_dir / name, name, noted[name]) for name in both))
    if not wrong:
        return Verification(f"OK: {run_dir}: all {len(noted)} files are as the run left them.", EXIT_OK)
    more = [f"- and {len(wrong) - MOST_NAMED} more"] if len(wrong) > MOST_NAMED else []
    lines = [f"- {one}" for one in wrong[:MOST_NAMED]] + more
    return Verification(
        "\n".join([f"NOT VERIFIED: {run_dir} is not what was recorded:", *lines]), EXIT_INCONCLUSIVE
    )


def _recorded(run_dir: Path) -> Iterator[str]:
    """Yield the regular files below a run directory, but for the report and what is no evidence."""
    for place, directories, names in os.walk(run_dir):
        here = Path(place)
        if here == run_dir and REPORT in directories:
            directories.remove(REPORT)
        for name in names:
            relative = (here / name).relative_to(run_dir).as_posix()
            if relative not in NO_EVIDENCE and not (here / name).is_symlink():
                yield relative


def _read_sums(path: Path) -> dict[str, str]:
    """Return hash by file name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: not readable ({error}); restore it from a copy of the run.") from None
    matches = [LINE.fullmatch(line) for line in lines]
    if not lines or None in matches:
        number = matches.index(None) + 1 if lines else 1
        raise RecordingError(f"{path}: line {number} is damaged; restore the file from a copy of the run.")
    return {match[2]: match[1] for match in matches if match}


def _changed(path: Path, name: str, noted: str) -> str:
    try:
        return "" if _sha256(path) == noted else f"changed: {name}"
    except OSError as error:
        return f"not readable ({error.strerror}): {name}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

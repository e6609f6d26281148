"""``soak verify``: a recording compared with the hashes of its run's end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak.contract import MANIFEST, SUMS
from soak.contract.hashes import (
    EXTRA,
    MISSING,
    MOST_NAMED,
    REPLAYED,
    UNLISTED,
    FileHash,
    compare,
    reason_of,
    strangers,
    summary_difference,
)
from soak.contract.replay import REPLAY, SITES
from soak.errors import EXIT_INCONCLUSIVE, EXIT_OK, RecordingError, message_line

_ORDER: Final = {MISSING: 0, EXTRA: 1}


@dataclass(frozen=True, slots=True)
class Verification:
    """What the command line prints, and the exit code it stands for."""

    text: str
    """Printable characters and line breaks."""
    exit_code: int


def verify(run_dir: Path) -> Verification:
    """Compare every file of a recording with the hashes of its run's end, and the summary with that of its report.

    What a replay left that was killed is named, and is no difference. Raises RecordingError when it is no run directory
    or its SHA256SUMS cannot be read or is damaged.
    """
    if not (run_dir / MANIFEST).is_file():
        raise RecordingError(
            f"{run_dir}: no run directory, it has no {MANIFEST}; give one that `soak run` made."
        )
    try:
        files = compare(run_dir)
    except FileNotFoundError:
        why = "the run goes on, was killed before it could write them, or is older than they are"
        return Verification(f"NOT VERIFIED: {run_dir} has no {SUMS}: {why}.", EXIT_INCONCLUSIVE)
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{run_dir / SUMS}: {reason_of(error)}; restore the file from a copy of the run."
        ) from None
    wrong = sorted((one for one in files if one.problem), key=lambda one: _ORDER.get(one.problem, 2))
    lines = [f"{_of(one)}: {one.name}" for one in wrong if not _is_of_replay(one)]
    lines += [f"made by no run: {name}" for name in strangers(run_dir)]
    lines = [
        *lines[:MOST_NAMED],
        *([f"and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []),
    ]
    lines += [summary] if (summary := summary_difference(run_dir)) else []
    left = [f"left by a replay that goes on or was killed: {one.name}" for one in wrong if _is_of_replay(one)]
    count = sum(bool(one.recorded) for one in files)
    first = (
        f"NOT VERIFIED: {run_dir} is not what was recorded:"
        if lines
        else f"OK: {run_dir}: all {count} files are as the run left them."
    )
    text = "\n".join(message_line(line) for line in (first, *(f"- {one}" for one in (*lines, *left))))
    return Verification(text, EXIT_INCONCLUSIVE if lines else EXIT_OK)


def _of(file: FileHash) -> str:
    return "extra, recorded by no run" if file.problem == EXTRA else file.problem


def _is_of_replay(file: FileHash) -> bool:
    """Return whether a replay of the run writes what SHA256SUMS does not list yet."""
    is_its = file.name.startswith(REPLAYED) or file.name.rpartition("/")[2] in {REPLAY, SITES}
    return file.problem == UNLISTED or (is_its and file.problem == EXTRA)

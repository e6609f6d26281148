"""The run directory, and files in it that are replaced in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from soak.contract import MANIFEST, SUMS
from soak.contract.hashes import amended_sums, sums_text
from soak.contract.replay import manifest_text
from soak.errors import HarnessError, UsageError
from soak.regular_files import read_regular, write_text


def write_manifest(run_dir: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a recording, or replace it in one step; raises HarnessError."""
    write_text(run_dir / MANIFEST, manifest_text(manifest))


def record_sums(run_dir: Path, written: Mapping[str, str]) -> None:
    """Write SHA256SUMS over every file of the recording; nothing may be written there any more.

    ``written`` are the hashes of what was written to some files, by name. Raises HarnessError when a file cannot be
    read or the hashes cannot be written.
    """
    write_text(run_dir / SUMS, sums_text(run_dir, written))


def amend(run_dir: Path, manifest: Mapping[str, Any]) -> None:
    """Replace the manifest of a recording that has its hashes, and add those of the files that came since.

    All other lines of SHA256SUMS stay: what was changed since they were written is found. The manifest may differ from
    the earlier one by ``replay`` alone and is written first: killed before its hash is written, the recording has no
    replay, and stands. Raises HarnessError when the hashes cannot be read or written; the manifest is the earlier one
    then.
    """
    text = manifest_text(manifest)
    try:
        earlier = read_regular(run_dir / MANIFEST).decode()
        sums = amended_sums(run_dir, {MANIFEST: hashlib.sha256(text.encode()).hexdigest()})
    except (OSError, ValueError) as error:
        raise HarnessError(f"{run_dir / SUMS}: cannot be amended ({error}).") from error
    write_text(run_dir / MANIFEST, text)
    try:
        write_text(run_dir / SUMS, sums)
    except HarnessError:
        write_text(run_dir / MANIFEST, earlier)
        raise


def check_encodable(path: Path) -> None:
    """Raise UsageError for a path that is no text: a recording that has it in its manifest could not be read."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{path}: the path is not UTF-8, and the recording has it; rename it, or use another."
        ) from None


def new_run_directory(runs: Path, profile: str, now: datetime) -> Path:
    """Make ``<runs>/<date>-<time>-<profile>`` and point ``<runs>/latest`` at it; an existing one is never reused.

    Raises UsageError when ``latest`` is no link, the path is not UTF-8, or nothing can be made there.
    """
    check_encodable(runs)
    stem = f"{now:%Y%m%d-%H%M%S}-{profile}"
    latest = runs / "latest"
    if latest.exists() and not latest.is_symlink():
        raise UsageError(
            f"{latest}: it is no link to the newest run and would be replaced; move it away or give another --runs."
        )
    try:
        runs.mkdir(parents=True, exist_ok=True)
        directory = first_free(runs, stem)
        scratch = runs / f".latest-{directory.name}"
        scratch.symlink_to(directory.name)
        scratch.replace(latest)
    except OSError as error:
        raise UsageError(
            f"{runs}: no run directory can be made there ({error.strerror}); give another place by --runs."
        ) from error
    return directory


def first_free(runs: Path, stem: str) -> Path:
    """Make the directory ``<runs>/<stem>``, or ``<stem>-2`` and so on where there is one; raises OSError."""
    number = 1
    while True:
        directory = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            directory.mkdir()
        except FileExistsError:
            number += 1
        else:
            return directory

"""What was live at each point of a native pass, from the captures that the processes of an arm have written."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis.sites.native import read_capture
from soak.contract import MOST_CAPTURE_BYTES
from soak.errors import SoakError, printable
from soak.regular_files import open_regular, read_regular

MOST_FACTS_BYTES: Final = 1 << 20
"""Size of the largest file of a point that is read, bytes."""
READ_TIMEOUT_S: Final = 45.0
"""Longest time that reading all captures of an arm may take, seconds: three quarters of that for the analysis."""
MOST_READ_BYTES: Final = 2 * MOST_CAPTURE_BYTES
"""Size of the largest capture that is read, bytes: what the target writes until its end is noticed is beyond."""
LONGEST_TEXT: Final = 4_000
"""Longest name of a function or file, characters."""
LONGEST_REASON: Final = 200
"""Longest text of the reader within a reason, characters."""
PIP: Final = "python -m pip install memray=={}"

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Amounts = tuple[Annotated[int, Field(ge=0)], ...]
Frames = Annotated[tuple[Annotated[tuple[Text, Text, int], Field(strict=False)], ...], Field(strict=False)]
"""Function, source file and line of each; ``<unknown>`` where there are no symbols."""


class CaptureError(SoakError):
    """A capture cannot be read; the message is a clause, which is recorded as the reason."""


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Facts(_Model):
    """What a process wrote at a point: how its capture is read. It is the target's own word."""

    capture: Annotated[str, Field(pattern=r"^capture-\d{1,10}\.bin$")]
    instant_s: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
    memray: Text
    version: Annotated[str, Field(pattern=r"^[0-9][0-9a-z.]{0,30}$")]
    executable: Text
    libraries: Annotated[list[Text], Field(max_length=10_000)]


class Stack(_Model):
    """What was allocated at one place, live at each point; frames are innermost first."""

    bytes: Annotated[Amounts, Field(strict=False)]
    blocks: Annotated[Amounts, Field(strict=False)]
    largest: Annotated[Amounts, Field(strict=False)]
    """Bytes of the largest block."""
    python: Frames
    native: Frames

    @property
    def growth(self) -> int:
        """Bytes that it grew from the first point to the last."""
        return self.bytes[-1] - self.bytes[0]


class Captured(_Model):
    """What is read of a capture: the stacks that changed most."""

    stacks: Annotated[list[Stack], Field(max_length=read_capture.MOST_STACKS)]


@dataclass(frozen=True, slots=True)
class Reader:
    """What can read a capture."""

    python: str
    directory: str
    """Where its memray is."""


def read_facts(path: Path) -> Facts:
    """Return what a process wrote at a point; raises CaptureError."""
    try:
        return Facts.model_validate_json(read_regular(path, MOST_FACTS_BYTES))
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise CaptureError(f"{path.name} cannot be read: {printable(first)}") from None


def reader_for(facts: Facts, *, may_run: bool) -> Reader:
    """Return what reads the captures of that memray: ours of its version, else the target's own Python.

    The latter only where ``may_run``: a path in a container names another file here. Raises CaptureError where
    there is none.
    """
    found = importlib.util.find_spec("memray")
    if found is not None and found.origin and _our_version() == facts.version:
        return Reader(sys.executable, str(Path(found.origin).parents[1]))
    if may_run and Path(facts.executable).is_file():
        return Reader(facts.executable, facts.memray)
    raise CaptureError(
        f"the target's memray is {facts.version}, and only that reads its capture: {PIP.format(facts.version)}"
    )


def _our_version() -> str:
    """Return the version of our memray; empty where it is not installed as a package."""
    try:
        return importlib.metadata.version("memray")
    except importlib.metadata.PackageNotFoundError:
        return ""


def read(
    reader: Reader, capture: Path, instants_s: Sequence[float], timeout_s: float = READ_TIMEOUT_S
) -> Captured:
    """Return what was live at each instant, read by a process of its own; raises CaptureError with the reason."""
    try:
        with open_regular(capture, MOST_READ_BYTES) as file:
            done = _run(reader, file.fileno(), instants_s, timeout_s)
    except OSError as error:
        raise CaptureError(f"the capture cannot be read: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise CaptureError(f"the capture cannot be read: {printable(lines[-1][:LONGEST_REASON])}")
    try:
        captured = Captured.model_validate_json(done.stdout)
    except ValidationError as error:
        raise CaptureError(f"the capture cannot be read: {printable(str(error).splitlines()[0])}") from None
    amounts = (each for one in captured.stacks for each in (one.bytes, one.blocks, one.largest))
    if any(len(each) != len(instants_s) for each in amounts):
        raise CaptureError("the capture cannot be read: not an amount for each point")
    return captured


def _run(
    reader: Reader, capture: int, instants_s: Sequence[float], timeout_s: float
) -> subprocess.CompletedProcess[bytes]:
    """Run the reader on an open file: by its path the target could put another one there meanwhile."""
    words = [
        reader.python,
        "-I",
        read_capture.__file__,
        reader.directory,
        f"/proc/self/fd/{capture}",
        *map(repr, instants_s),
    ]
    try:
        return subprocess.run(
            words,
            env={"DEBUGINFOD_URLS": ""},  # else each library without symbols is asked for on the net
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            pass_fds=(capture,),
        )
    except subprocess.TimeoutExpired:
        raise CaptureError(f"reading the captures took longer than {READ_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise CaptureError(f"{reader.python}: {error.strerror}") from None

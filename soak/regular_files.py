"""Files of a recording: only regular files are read, up to a bound, and nothing is written through a link."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import threading
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from soak.below_root import look, walk
from soak.errors import HarnessError

MOST_TEXT_BYTES: Final = 16 << 20
"""Size of the largest text or JSON file that is read, bytes: a manifest has 100 kB, a summary up to 2 MB."""
MOST_TABLE_BYTES: Final = 2 << 30
"""Size of the largest table or log that is read, bytes: a row a second of ten processes over more than a week."""
PARTIAL: Final = re.compile(r"\..+\.partial")
"""Names of files that are being written, or were when their writer was killed; nobody reads them."""
MOST_DIGITS: Final = 20
"""Digits of the longest whole number that is read from a JSON file: 2**64, the largest that a kernel gives, has 20."""

_KINDS: Final = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, most_bytes: int | None = None, *, follow: bool = False) -> BufferedReader:
    """Open a regular file for reading, through a link only with ``follow``; never waits for a writer.

    Raises OSError, which names the kind of any other file, and the size of one with more than ``most_bytes``.
    """
    # A device is not even opened, as that may have an effect; the second look is at the file that was opened.
    _require_regular(path, path.stat() if follow else path.lstat())
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _require_regular(path, os.fstat(file.fileno()), most_bytes)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: Path, most_bytes: int = MOST_TEXT_BYTES, *, follow: bool = False) -> bytes:
    """Return the content of a regular file, what is appended meanwhile left out; raises as ``open_regular``."""
    with open_regular(path, most_bytes, follow=follow) as file:
        return file.read(os.fstat(file.fileno()).st_size)


def read_below(root: Path, path: str, suffix: str, most_bytes: int) -> tuple[bytes, float]:
    """Return the content of a regular file of another file system tree, and when it was changed, seconds since 1970.

    ``path`` is absolute within ``root``. Links are followed as they would be there: none leads out of it. Raises
    OSError as ``open_regular``, also where the name of the file that is reached does not end with ``suffix``.
    """
    with ExitStack() as stack:
        found = walk(stack, look(stack, f"{root}/", None), path)
        reached = Path(f"/proc/self/fd/{found}")
        _require_regular(Path(path), os.fstat(found), most_bytes)
        if not reached.readlink().name.endswith(suffix):
            raise OSError(errno.EINVAL, f"its name does not end with {suffix}", path)
        with os.fdopen(os.open(reached, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            return file.read(min(status.st_size, most_bytes)), status.st_mtime


def read_json(path: Path) -> Any:
    """Return the value in a JSON file; raises OSError as ``open_regular``, ValueError as ``parse_json``."""
    return parse_json(read_regular(path).decode("utf-8"))


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; raises ValueError for any other.

    NaN, numbers that are infinite or have more than MOST_DIGITS digits, and halves of characters are refused, too.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be printed or written again
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a reader never sees half of it; a link is replaced, never written through.

    Of two writers at once, the file of the later one stays. Raises OSError; then the file is as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    with contextlib.suppress(FileNotFoundError):  # put there by someone else
        partial.unlink()
    try:
        with os.fdopen(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb"
        ) as file:
            file.write(content)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # the disk may be read-only by now
            partial.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it; raises HarnessError."""
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise HarnessError(
            f"{path}: cannot be written ({error.strerror}); make room and run again."
        ) from error


def real_path(path: Path) -> Path:
    """Return a path, which need not be there, without links; raises OSError for a circle of links.

    Path.resolve raises RuntimeError for that before Python 3.13, and nothing since.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
    return Path(os.path.realpath(path))


def open_output(path: Path, mode: Literal["a", "w"], encoding: str = "utf-8") -> TextIO:
    """Open a file, new or not, for lines of text; raises OSError for a link, and never waits for a reader."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags | (os.O_APPEND if mode == "a" else os.O_TRUNC), 0o666)
    os.set_blocking(descriptor, True)  # only the opening must not wait; a child may inherit the file
    return os.fdopen(descriptor, mode, encoding=encoding, newline="")


def _require_regular(path: Path, status: os.stat_result, most_bytes: int | None = None) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
    if most_bytes is not None and status.st_size > most_bytes:
        too_large = f"it has {status.st_size:,} bytes, at most {most_bytes:,} are read"
        raise OSError(errno.EFBIG, too_large, str(path))


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _finite(text: str) -> float:
    if abs(value := float(text)) > 1e300:
        raise ValueError(f"a number beyond 1e300: {text[:40]}")
    return value

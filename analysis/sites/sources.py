"""Lines of the target's source files, as the target has them: bounded, text only, printable."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak.errors import printable
from soak.regular_files import read_below

MOST_FILE_BYTES: Final = 4 << 20
"""Size of the largest source file that is read, bytes."""
MOST_FILES: Final = 1_000
"""Source files that are read at most."""
MOST_CHARACTERS: Final = 120
"""Characters of a source line that are shown at most."""
_LINE_END: Final = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class _Function:
    """A function of a file, with the first and the last line of its body."""

    name: str
    first: int
    last: int
    is_async: bool


class Sources:
    """The source files of a target, below its root directory.

    ``root`` is None where the target is gone: then no file has a line. ``cwd`` is the target's working directory, in
    which relative names are. A file that was changed after ``newest_s``, seconds since 1970, is another one than ran.
    """

    def __init__(self, root: Path | None, cwd: str = "/", newest_s: float = float("inf")) -> None:
        self._root = root
        self.cwd = cwd
        self._newest_s = newest_s
        self._read: dict[str, tuple[str, ...]] = {}
        self._functions: dict[str, tuple[_Function, ...]] = {}

    def line(self, file: str, number: int) -> str:
        """Return a line without the white space around it; empty where there is none, or the file is no text."""
        lines = self._lines(file)
        if not 1 <= number <= len(lines):
            return ""
        text = printable(lines[number - 1].strip())
        return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"

    def function(self, file: str, number: int, *, only_async: bool = False) -> str:
        """Return the name of the function that a line is in; empty for a module's own lines, or where not known.

        That is each line of a file that our own Python cannot parse. With ``only_async`` it is empty also where the
        function is no coroutine.
        """
        around = [one for one in self._functions_of(file) if one.first <= number <= one.last]
        innermost = max(around, key=lambda one: one.first, default=None)
        return "" if innermost is None or (only_async and not innermost.is_async) else innermost.name

    def _functions_of(self, file: str) -> tuple[_Function, ...]:
        if file not in self._functions:
            self._functions[file] = _functions_in("\n".join(self._lines(file)))
        return self._functions[file]

    def _lines(self, file: str) -> tuple[str, ...]:
        if file not in self._read:
            if len(self._read) >= MOST_FILES or self._root is None:
                return ()
            self._read[file] = self._lines_of(self._root, file)
        return self._read[file]

    def _lines_of(self, root: Path, file: str) -> tuple[str, ...]:
        try:
            path = file if file.startswith("/") else f"{self.cwd}/{file}"
            content, changed_s = read_below(root, path, ".py", MOST_FILE_BYTES)
            if changed_s > self._newest_s:
                return ()
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            return tuple(_LINE_END.split(content.decode(encoding)))
        except (OSError, ValueError, SyntaxError, LookupError):
            return ()


def _functions_in(text: str) -> tuple[_Function, ...]:
    """Return the functions of a file; none where it is not Python as we know it, or nested too deeply."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(
        _Function(
            node.name, node.body[0].lineno, node.end_lineno or 0, isinstance(node, ast.AsyncFunctionDef)
        )
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )

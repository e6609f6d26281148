"""The command line. What the analysis does starts at once: the commands of the runner take half a second to import."""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

from soak.cli.packages import refuse_foreign_packages
from soak.errors import exit_on_error
from soak.process.spec import module_argv

OF_ANALYSIS: Final = {
    "report": "Regenerate the report of a run, including an interrupted one.",
    "judge": "Print verdict and gates of a run, or judge another tool's recording of memory.",
    "compare": "Compare two runs recorded separately.",
    "history": "Write a page of the last runs of a profile: verdict, leak rate, memory, latency, and what changed.",
}
"""The commands that are the analysis's own, with their help."""


def become(command: str, words: list[str]) -> NoReturn:
    """Replace this process by a command of the analysis, which parses the words and sets the exit code."""
    argv = module_argv("analysis", command, *words)
    os.execv(argv[0], argv)  # noqa: S606 - a command of our own


def main() -> None:
    """Run the command line; the only place where an error of ours becomes an exit code."""
    exit_on_error(_checked)


def _checked() -> None:
    refuse_foreign_packages()
    command, *words = sys.argv[1:] or ("",)
    if command in OF_ANALYSIS:
        become(command, words)
    from soak.cli.commands import app  # noqa: PLC0415 - takes half a second, see above

    app()


if __name__ == "__main__":
    main()

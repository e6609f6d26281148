"""The commands that are the analysis's own: this process becomes the analysis for them."""

from __future__ import annotations

import os
from typing import Final, NoReturn

from soak.process.spec import module_argv

OF_ANALYSIS: Final = {
    "report": "Regenerate the report of a run, including an interrupted one.",
    "judge": "Print verdict and gates of a run, or judge memory that another tool or Prometheus recorded.",
    "compare": "Compare two runs recorded separately.",
    "history": "Write a page of the last runs of a profile: verdict, leak rate, memory, latency, and what changed.",
}
"""These commands, with their help."""


def become(command: str, words: list[str]) -> NoReturn:
    """Replace this process by a command of the analysis, which parses the words and sets the exit code."""
    argv = module_argv("analysis", command, *words)
    os.execv(argv[0], argv)  # noqa: S606 - a command of our own

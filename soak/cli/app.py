"""The command line. What the analysis does starts at once: the commands of the runner take half a second to import."""

from __future__ import annotations

import sys

from soak.cli.of_analysis import OF_ANALYSIS, become
from soak.cli.packages import refuse_foreign_packages
from soak.errors import exit_on_error


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

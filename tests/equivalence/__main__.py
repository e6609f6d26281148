"""The comparison's command line: ``python -m tests.equivalence BEFORE AFTER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from soak.errors import UsageError
from tests.equivalence.compare import Allowed, Comparison, compare, read_allowed

ALLOWED: Final = Path(__file__).parent / "allowed.toml"
EXIT_DIFFERENT: Final = 1


def text(found: Comparison) -> str:
    """Return what is printed: every difference that is not allowed, the counts, and the allowed entries."""
    counts = (
        f"{len(found.unexpected)} differences that are not allowed, {len(found.expected)} that are, "
        f"in {found.files} files that were compared."
    )
    lines = [*(one.text for one in found.unexpected), counts]
    return "\n".join([*lines, *_entries("used", found.used), *_entries("not used", found.unused)])


def _entries(title: str, entries: tuple[Allowed, ...]) -> list[str]:
    return [f"Allowed, {title}: {len(entries)}", *(f"  {entry.text}" for entry in entries)]


def equivalence(
    before: Annotated[Path, typer.Argument(help="Reports that the code made before the change.")],
    after: Annotated[Path, typer.Argument(help="Reports of the same recordings, made after it.")],
    allowed: Annotated[Path, typer.Option(help="The differences that are meant.")] = ALLOWED,
) -> None:
    """Compare two directories of reports that were made of the same recordings.

    Exits with 1 where there is a difference that is not allowed, with 2 where something cannot be read.
    """
    try:
        found = compare(before, after, read_allowed(allowed))
    except UsageError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    typer.echo(text(found))
    if found.unexpected:
        raise typer.Exit(EXIT_DIFFERENT)


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(equivalence)
    app(prog_name="python -m tests.equivalence")


if __name__ == "__main__":
    main()

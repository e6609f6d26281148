"""Options shared by several commands; each help text is complete in itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from soak.config.load import profile_names

MOST_PID: Final = 2**22
"""Highest PID of Linux on any machine."""
Profile = Annotated[
    str,
    typer.Argument(help=f"Name of a built-in profile ({', '.join(profile_names())}) or path of a TOML file."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a key of the profile, e.g. phases.load_s=60; may be given several times.",
    ),
]
Arms = Annotated[
    str,
    typer.Option(
        metavar="NAME,NAME", help="Arms to run, comma-separated (default: all that are not optional)."
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Serve the newest samples for Prometheus on this port of 127.0.0.1."),
]
Runs = Annotated[Path, typer.Option(help="Directory that contains the run directories.")]
RunDirectory = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run directory, for example runs/latest.")
]

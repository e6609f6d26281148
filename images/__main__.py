"""The command line of the images: ``python -m images``."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

import gateway
from images.build import Contents, Start, build_images
from soak.containers.engine import engines_on_path
from soak.errors import SoakError, UsageError

GATEWAY: Final = Contents(
    (
        "aiohttp",
        "cachetools",
        "fastapi",
        "httptools",
        "objgraph",
        "prometheus-client",
        "psutil",
        "typer",
        "uvicorn",
        "uvloop",
    ),
    (Path(gateway.__file__).parent,),
)
"""The worked example, with what it imports."""


def gateway_starts() -> list[Start]:
    """Return an image of each build of the gateway; its port and upstreams are given when it is run."""
    return [
        Start(
            f"soakproof-gateway:{variant}",
            entrypoint=("python", "-m", "gateway", "--variant", variant),
            expose=8000,
            user="1000:1000",
        )
        for variant in ("leaky", "fixed")
    ]


class What(StrEnum):
    """The images that can be built."""

    GATEWAY = "gateway"
    PYTHON = "python"


def build(
    what: Annotated[What, typer.Argument(help="python: the Python alone, with pip.")],
    engine: Annotated[str, typer.Option(help="podman or docker (default: the first found).")] = "",
    name: Annotated[str, typer.Option(help="Name of the image of python.")] = "soakproof-python:local",
) -> None:
    """Make images from this Python and its installed packages, without a registry.

    Example: python -m images gateway --engine podman
    """
    began = time.monotonic()
    try:
        engines = engines_on_path(engine)[:1]
        if not engines:
            raise UsageError(f"no {engine or 'podman and no docker'} was found on PATH; install one")
        contents, starts = GATEWAY, gateway_starts()
        if what is What.PYTHON:
            contents, starts = Contents(("pip",)), [Start(name)]
        size = build_images(contents, starts, engines)
    except SoakError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    typer.echo(
        f"{', '.join(start.image for start in starts)} for {engines[0].name}: "
        f"{size / 2**20:.0f} MiB of files each, in {time.monotonic() - began:.0f} s"
    )


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(build)
    app(prog_name="python -m images")


if __name__ == "__main__":
    main()

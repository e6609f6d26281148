"""Images of an application that a test writes, for the engines of this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from images.build import Contents, Start, build_images
from soak.containers.engine import Engine


def build_app_image(
    engine: Engine,
    name: str,
    app: Path,
    requires: Sequence[str] = (),
    *,
    user: str | None = None,
    expose: int | None = None,
    python: str = sys.executable,
) -> None:
    """Make image ``name``, which runs the package in directory ``app`` as ``python -m``, for the engine.

    Raises HarnessError; takes 2 to 4 seconds.
    """
    start = Start(name, entrypoint=("python", "-m", app.name), expose=expose, user=user)
    build_images(Contents(requires, (app,)), [start], [engine], python)

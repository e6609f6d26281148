"""Finds packages of other projects with the name of one of soakproof's, before a run starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from soak.errors import HarnessError

OURS: Final = ("analysis", "gateway", "locustfiles", "stubs")
"""Packages that the runner starts by name with ``python -P -m``."""
HOME: Final = Path(__file__).parents[2]
"""Where soakproof is installed, or its checkout."""


def refuse_foreign_packages(search: Sequence[str] | None = None) -> None:
    """Raise HarnessError when a package of soakproof would be imported from another place.

    ``search`` is the module search path of the processes to be started: by default this process's own, without the
    directory of its script, which ``-P`` leaves out.
    """
    if search is None:
        search = sys.path if sys.flags.safe_path else sys.path[1:]
    for name in OURS:
        spec = PathFinder.find_spec(name, list(search))
        place = None if spec is None or spec.origin is None else Path(spec.origin).parent
        if place is not None and place.parent.resolve() != HOME.resolve():
            raise HarnessError(
                f"{place}: another package called {name!r} hides soakproof's own ({HOME / name}). Install "
                "soakproof into an environment of its own, or remove that directory from PYTHONPATH."
            )

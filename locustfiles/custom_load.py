"""Locust's command line for a team's own locustfile, with our plugin in it: ``python custom_load.py -f theirs.py ...``.

Locust looks for modules in the working directory first, which is the team's: a ``soak`` or ``locustfiles`` there is
what their file means, and must not be what we mean. So ours are imported by the place of this file, before Locust
begins, and their names are given back.
"""

from __future__ import annotations

import sys
from pathlib import Path

from locust.main import main

OURS = ("locustfiles", "soak")


def plug_in() -> None:
    """Have our plugin listen to Locust, and leave no module of ours to be found by name."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # in the place of this script's own directory
    import locustfiles.custom.plugin  # noqa: F401, PLC0415 - it must come after that

    del sys.path[0]
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]


if __name__ == "__main__":
    plug_in()
    main()

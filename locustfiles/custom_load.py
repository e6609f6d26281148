"""Locust's command line for a custom locustfile, with soakproof's plugin: ``python custom_load.py -f custom.py ...``.

Locust looks for modules in the working directory first, which is the team's: a ``soak`` or ``locustfiles`` there is
the one that their file imports. So soakproof's packages are imported by the place of this file before Locust starts,
and are then removed from ``sys.modules``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from locust.main import main

SOAKPROOF_PACKAGES = ("locustfiles", "soak")


def plug_in() -> None:
    """Register the plugin with Locust, and leave no module of soakproof to be found by name."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # in the place of this script's own directory
    import locustfiles.custom.plugin  # noqa: F401, PLC0415 - it must come after that

    del sys.path[0]
    for name in [name for name in sys.modules if name.partition(".")[0] in SOAKPROOF_PACKAGES]:
        del sys.modules[name]


if __name__ == "__main__":
    plug_in()
    main()

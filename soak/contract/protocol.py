"""The lines and variables by which the run, Locust and the heap recorder talk to each other."""

from __future__ import annotations

from typing import Final

TRAFFIC_READY: Final = "soak: load ready"
"""Locust prints this line when it can start; it then waits for ``start <t_s>`` on its standard input.

With its web UI it waits for Start there, as often as it comes.
"""
LOAD_BEGAN: Final = "soak: load began"
"""Locust prints it with the starts of warm-up and load, ``t_s``, when a load is about to begin."""
LOAD_ENDED: Final = "soak: load ended"
"""Locust prints it with the ``t_s`` when the last answer of a load is recorded."""
WEB_USER: Final = "SOAK_WEB_USER"
WEB_PASSWORD: Final = "SOAK_WEB_PASSWORD"  # noqa: S105 - the name of the variable
"""Variables that tell Locust who may use its web UI."""
STATS_RESET: Final = "soak: stats reset"
"""Locust prints it when somebody resets its statistics in the web UI."""
CENSUS_TAKEN: Final = "soak: census taken"
"""The recorder of the heap prints it, with JSON, when it has obeyed an order."""

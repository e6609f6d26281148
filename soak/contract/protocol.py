"""Lines, environment variables and the address by which the run, Locust and the heap recorder communicate."""

from __future__ import annotations

from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""Address on which processes listen that only this machine may reach."""
TRAFFIC_READY: Final = "soak: load ready"
"""Line that Locust prints when it can start; it then waits for ``start <t_s>`` on its standard input.

With its web UI it waits for Start there, for any number of loads.
"""
LOAD_BEGAN: Final = "soak: load began"
"""Line that Locust prints when a load is about to begin, followed by the ``t_s`` of warm-up and load."""
LOAD_ENDED: Final = "soak: load ended"
"""Line that Locust prints when the last answer of a load is recorded, followed by its ``t_s``."""
WEB_USER: Final = "SOAK_WEB_USER"
"""Environment variable with the user name of Locust's web UI."""
WEB_PASSWORD: Final = "SOAK_WEB_PASSWORD"  # noqa: S105 - the name of the variable
"""Environment variable with the password of Locust's web UI."""
STATS_RESET: Final = "soak: stats reset"
"""Line that Locust prints when its statistics are reset in the web UI."""
WORKER_LOST: Final = "soak: worker lost"
"""Line that Locust prints when a worker is gone, followed by its name and what becomes of its share."""
CENSUS_TAKEN: Final = "soak: census taken"
"""Line that the heap recorder prints when it has carried out an order, followed by JSON."""
REPLAY_PAUSED: Final = "soak: replay paused"
"""Line that Locust prints in a replay when all requests of a period have ended, followed by JSON: since
the start, requests ``sent`` by name and ``failed`` by their kind."""

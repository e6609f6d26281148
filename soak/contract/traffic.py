"""The planned load, as the run hands it to Locust in ``traffic.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from soak.contract.files import SCHEMA_VERSION

INCIDENT_MEMORY_BYTES: Final = ((0, 200e6), (1, 850e6), (2, 1.8e9), (3, 3.2e9), (4, 5.1e9), (6, 8.0e9))
"""Memory of the incident's gateway before the fix, as (hours since its start, bytes). At 6 h it is OOM-killed."""

LOW_TRAFFIC_H: Final = (4.2, 4.6)
"""Begin and end of the low traffic of the shape ``incident``, hours of the incident."""

SHAPES: Final = ("steady", "incident", "diurnal", "steps")
"""Names of the shapes of the load over time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPlan:
    """What the shape ``incident`` needs to turn the planned growth of memory into request rates."""

    memory_scale: float
    """The incident's bytes are divided by this."""
    retained_bytes_per_request: float
    """Bytes that a request of the load leaves behind in the leaky arm."""
    start_bytes: float
    """Planned memory of the leaky arm at hour 0, after the warm-up."""
    limit_bytes: float
    """Memory limit of the leaky arm, reached at 5.6 h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The planned load. Fields that are keys of [traffic] in a profile have the same names and meanings there."""

    seed: int
    t0_monotonic_s: float
    """The run's start on this machine's monotonic clock."""
    out_dir: str
    """The run directory; each arm's recordings go to ``<out_dir>/<arm>/``, which exists."""
    arms: dict[str, str]
    """Arm name to base URL, ``http://127.0.0.1:8001``."""
    path: str
    services: tuple[str, ...]
    """Names from which instance names are made, such as ``orders-017``."""
    instances_per_hour: float
    instances_live: int
    hour_s: float
    """Seconds of the run for one hour, of the incident or of a day."""
    warmup_s: float
    warmup_rps: float
    warmup_request_bytes: int
    shape: str
    """One of SHAPES."""
    load_s: float
    rate_rps: float
    request_bytes: int
    users_per_arm: int
    max_lateness_s: float
    network_timeout_s: float
    incident: IncidentPlan | None = None
    quiesce_every_s: float | None = None
    """Period of the pauses, seconds, counted from the start of the warm-up; None: there are none."""
    quiesce_pause_s: float = 1.0
    """Pause k is [k * quiesce_every_s - quiesce_pause_s, k * quiesce_every_s), k from 1: no request starts in it."""
    locustfile: str = ""
    """Path of a custom locustfile: its users decide what is sent, and only arms, times and pauses count. Else empty."""

    def to_json(self) -> str:
        """Return the text of ``traffic.json``."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1) + "\n"

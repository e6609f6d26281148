"""The planned load, as the run hands it to Locust in ``traffic.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from soak.contract.files import SCHEMA_VERSION

INCIDENT_MEMORY_BYTES: Final = ((0, 200e6), (1, 850e6), (2, 1.8e9), (3, 3.2e9), (4, 5.1e9), (6, 8.0e9))
"""The incident's gateway before the fix: hours since start, memory. At 6 h it is OOM-killed."""

LOW_TRAFFIC_H: Final = (4.2, 4.6)
"""When the shape ``incident`` sends a tenth of its rate, hours of the incident."""

SHAPES: Final = ("steady", "incident", "diurnal", "steps")


@dataclass(frozen=True, slots=True)
class IncidentPlan:
    """What the shape ``incident`` needs to turn the planned growth of memory into request rates."""

    memory_scale: float
    """The incident's bytes are divided by this."""
    retained_bytes_per_request: float
    """What one loaded request leaves behind in the arm that leaks."""
    start_bytes: float
    """Planned memory of that arm at hour 0, after the warm-up."""
    limit_bytes: float
    """The arm's memory limit, met at 5.6 h."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The planned load, written to ``traffic.json`` by the run and read by the locustfile."""

    seed: int
    t0_monotonic_s: float
    """The run's start on this machine's monotonic clock."""
    out_dir: str
    """The run directory; each arm's recordings go to ``<out_dir>/<arm>/``, which exists."""
    arms: dict[str, str]
    """Arm name to base URL, ``http://127.0.0.1:8001``."""
    path: str
    """``/api/{service}``; the service is an instance name such as ``orders-017``."""
    services: tuple[str, ...]
    instances_per_hour: float
    """New instance names per incident hour."""
    instances_live: int
    """Instance names in use at a time."""
    hour_s: float
    """Seconds an incident hour takes."""
    warmup_s: float
    warmup_rps: float
    warmup_request_bytes: int
    shape: str
    """One of SHAPES."""
    load_s: float
    rate_rps: float
    """Requests per second and arm: of ``steady``, the mean of a day of ``diurnal``, the peak of ``steps``."""
    request_bytes: int
    users_per_arm: int
    """Requests an arm can have in flight, for each process that sends."""
    max_lateness_s: float
    network_timeout_s: float
    incident: IncidentPlan | None = None
    quiesce_every_s: float | None = None
    """Period of the pauses, counted from the start of the warm-up; None: there are none."""
    quiesce_pause_s: float = 1.0
    """Pause k is [k * quiesce_every_s - quiesce_pause_s, k * quiesce_every_s), k from 1: no request starts in it."""
    locustfile: str = ""
    """A team's own; its users decide what is sent, and of this plan only arms, times and pauses count. Else empty."""

    def to_json(self) -> str:
        """Return the text of ``traffic.json``."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Traffic:
        """Read what ``to_json`` wrote; raises ValueError, TypeError or KeyError for anything else."""
        fields = json.loads(text)
        if (version := fields.pop("schema_version")) != SCHEMA_VERSION:
            raise ValueError(f"traffic plan of schema {version}, this is {SCHEMA_VERSION}")
        incident = fields.pop("incident")
        fields["services"] = tuple(fields["services"])
        return cls(**fields, incident=None if incident is None else IncidentPlan(**incident))

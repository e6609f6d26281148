"""The planned load, as the run hands it to Locust in ``traffic.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final, Literal

from pydantic import Field

from soak.contract.files import SCHEMA_VERSION

INCIDENT_MEMORY_BYTES: Final = ((0, 200e6), (1, 850e6), (2, 1.8e9), (3, 3.2e9), (4, 5.1e9), (6, 8.0e9))
"""Memory of the incident's gateway before the fix, as (hours since its start, bytes). At 6 h it is OOM-killed."""

LOW_TRAFFIC_H: Final = (4.2, 4.6)
"""Begin and end of the low traffic of the shape ``incident``, hours of the incident."""

SHAPES: Final = ("steady", "incident", "diurnal", "steps")
"""Names of the shapes of the load over time."""

DIURNAL_SWING: Final = 0.75
"""Amplitude of the rate over a day of the shape ``diurnal``, as a share of its mean."""

MOST_HOURS: Final = 100_000
"""Longest load of the shape ``diurnal``, hours of its days: 400,000 segments are held in memory."""

DRAIN_MARGIN_S: Final = 1.0
"""Time beyond the lateness and timeout of a request in which the load generator notices its end, seconds."""

ROTATE_S: Final = 10.0
"""Seconds of the load for which the mix ``rotate`` sends one kind of request more than the others."""
ROTATE_WEIGHT: Final = 5.0
"""Factor of the weight of that kind."""
MIN_ROTATE_PERIODS: Final = 8
"""Periods of ROTATE_S that the load has at the least."""
MORE_TURNS_THAN_KINDS: Final = 3
"""Number by which those periods exceed the kinds of requests, at the least: what each holds and keeps is fitted."""

WEBSOCKET: Final = "WEBSOCKET"
"""Method of a kind of request that is a WebSocket connection."""

_AboveZero = Annotated[float, Field(gt=0)]
_FromZero = Annotated[float, Field(ge=0)]
_Count = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPlan:
    """What the shape ``incident`` needs to turn the planned growth of memory into request rates."""

    memory_scale: _AboveZero
    """The incident's bytes are divided by this."""
    retained_bytes_per_request: _AboveZero
    """Bytes that a request of the load leaves behind in the leaky arm."""
    start_bytes: _FromZero
    """Planned memory of the leaky arm at hour 0, after the warm-up."""
    limit_bytes: _AboveZero
    """Memory limit of the leaky arm, reached at 5.6 h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRequest:
    """A kind of planned request; ``path``, ``query``, ``headers`` and ``body`` are templates.

    With the method WEBSOCKET it is a connection, and ``body`` is each of its messages.
    """

    name: str
    """Name in requests.csv and in Locust's statistics."""
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    """Names and values, appended to the path."""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    """Text of the body; empty: the request has none."""
    weight: _AboveZero = 1.0
    """Its share of the requests is this over the sum of all weights."""
    client: Literal["", "abort", "slow", "half"] = ""
    """A bad client that sends it: ``abort`` resets the connection within the answer, ``slow`` reads 1 kB/s, ``half``
    sends half of the body. Empty: one that reads the answer. Of a WebSocket ``abort`` resets it at its end."""
    read_s: _AboveZero | None = None
    """Seconds after which the reading of an answer ends without failure; None: an answer is read to its end."""
    open_s: _AboveZero | None = None
    """Seconds for which a WebSocket stays open; None of any other request."""
    send_every_s: _AboveZero | None = None
    """Seconds between two messages of a WebSocket, the first at its opening; None: there is no second one."""
    echo: bool = False
    """Whether the service answers each message of a WebSocket with one, so that round trips are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The planned load. Fields that are keys of [traffic] in a profile have the same names and meanings there."""

    seed: int
    t0_monotonic_s: float
    """The run's start on this machine's monotonic clock."""
    out_dir: str
    """The run directory; each arm's recordings go to ``<out_dir>/<arm>/``, which exists."""
    arms: Annotated[dict[str, str], Field(min_length=1)]
    """Arm name to base URL, ``http://127.0.0.1:8001``."""
    path: str
    """Path of the one kind of request where ``requests`` is empty."""
    services: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names from which instance names are made, such as ``orders-017``."""
    instances_per_hour: _FromZero
    instances_live: _Count
    hour_s: _AboveZero
    """Seconds of the run for one hour, of the incident or of a day."""
    warmup_s: _FromZero
    warmup_rps: _FromZero
    warmup_request_bytes: Annotated[int, Field(ge=0)]
    shape: str
    """One of SHAPES."""
    load_s: _AboveZero
    rate_rps: _FromZero
    request_bytes: _Count
    users_per_arm: _Count
    max_lateness_s: _AboveZero
    network_timeout_s: _AboveZero
    max_response: _Count = 16 * 1024 * 1024
    """Most bytes of an answer; the request of a longer one fails."""
    incident: IncidentPlan | None = None
    quiesce_every_s: _AboveZero | None = None
    """Period of the pauses, seconds, counted from the start of the warm-up; None: there are none."""
    quiesce_pause_s: _FromZero = 1.0
    """Pause k is [k * quiesce_every_s - quiesce_pause_s, k * quiesce_every_s), k from 1: no request starts in it."""
    locustfile: str = ""
    """Path of a custom locustfile: its users decide what is sent, and only arms, times and pauses count. Else empty."""
    mix: Literal["random", "rotate"] = "random"
    """``random``: the kinds are drawn by their weights. ``rotate``: in each ROTATE_S of the load, the warm-up is none
    of it, one kind in turn has ROTATE_WEIGHT times its weight, so that growth is told apart by name."""
    requests: tuple[TrafficRequest, ...] = ()
    """The kinds of requests; empty: POST of a generated JSON object to ``path``."""

    @property
    def kinds(self) -> tuple[TrafficRequest, ...]:
        """The kinds of requests, at least one."""
        return self.requests or (
            TrafficRequest(
                name=self.path,
                method="POST",
                path=self.path,
                headers={"Content-Type": "application/json"},
                body="{payload}",
            ),
        )

    def to_json(self) -> str:
        """Return the text of ``traffic.json``."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1) + "\n"

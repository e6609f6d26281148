"""A profile: what to run, how hard, under which limit; checked and frozen."""

from __future__ import annotations

import math
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from soak.contract import GateLimit
from soak.contract.units import (
    DEFAULT_MAX_LEAK,
    LeakRate,
    parse_duration,
    parse_leak_rate,
    parse_limit,
    parse_size,
)
from soak.process.readiness import is_valid

LOOPBACK = IPv4Address("127.0.0.1")

OF_A_LOCUSTFILE = frozenset({"users", "spawn_rate"})
OF_PLANNED_REQUESTS = frozenset({
    "shape", "workers", "remote_workers", "path", "rate_rps", "request_bytes", "warmup_rps", "warmup_request_bytes",
    "instances_per_hour", "instances_live", "users_per_arm", "max_lateness_s", "incident",
})  # fmt: skip
"""Keys of [traffic] that mean nothing to the users of a locustfile of the team's own."""


def _duration(value: object) -> object:
    """Read "90s", "15m", "6h" or "3d"; a number is left to pydantic."""
    if isinstance(value, bool):
        raise ValueError('give seconds, or a time with a unit such as "90s", "15m", "6h" or "3d"')  # noqa: TRY004 - pydantic's
    if isinstance(value, str) and not _is_number(value):
        return parse_duration(value)
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _size(value: object) -> object:
    """Say how a size is written where pydantic would not."""
    if isinstance(value, str) and not _is_number(value):
        parse_size(value)
    return value


def _words(value: object) -> object:
    if isinstance(value, str):
        raise ValueError('give a list of words, such as ["uvicorn", "shop:app"]')  # noqa: TRY004 - as in _duration
    return value


Seconds = Annotated[float, Field(gt=0), BeforeValidator(_duration)]
Size = Annotated[ByteSize, BeforeValidator(_size)]
Ratio = Annotated[float, Field(ge=0, le=1)]


def _ready(value: str) -> str:
    if not is_valid(value):
        raise ValueError('give a URL path such as "/healthz", "port", or "log: words of a line it prints"')
    return value


UrlPath = Annotated[str, Field(pattern=r"^/[!-~]*$")]
Ready = Annotated[str, AfterValidator(_ready)]
ArmName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Scale(_Table):
    """How the hours and bytes of the incident map onto this run."""

    hour_s: Seconds = 3600.0
    memory: Annotated[float, Field(gt=0)] = 1.0


class Phases(_Table):
    """Lengths of the phases around the load, seconds."""

    idle_s: Seconds = 10.0
    warmup_s: Seconds = 60.0
    load_s: Seconds = 3600.0
    drain_s: Seconds = 10.0
    quiesce_s: Seconds = 10.0


class Limit(_Table):
    """The memory limit of each arm, and what happens after it was met."""

    memory: Size | None = Field(default=None, gt=0)
    needs_free: Size | None = Field(default=None, gt=0)
    restart_delay_s: Seconds = 13.0
    max_restarts: Annotated[int, Field(ge=0)] = 10


class Sampling(_Table):
    """The rhythm of the sampler."""

    every_s: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    smaps_every_s: Seconds = 30.0
    census_every_s: Annotated[float, Field(ge=0)] = 30.0
    quiesce_every_s: Seconds | None = None
    quiesce_pause_s: Seconds = 1.0


class Stubs(_Table):
    """The upstream services, answered by one process of ours."""

    services: Annotated[tuple[str, ...], Field(min_length=1)] = ("orders", "users", "stock")
    body_bytes: Annotated[int, Field(ge=64, le=1_000_000)] = 256
    latency_ms: Annotated[float, Field(ge=0)] = 5.0
    latency_sigma: Annotated[float, Field(ge=0, le=3)] = 0.3
    error_rate: Ratio | dict[str, Ratio] = 0.0
    hang_rate: Ratio | dict[str, Ratio] = 0.0
    port: Annotated[int, Field(ge=1, le=65535)] | None = None

    @model_validator(mode="after")
    def _services_are_known(self) -> Stubs:
        for name, rates in (("error_rate", self.error_rate), ("hang_rate", self.hang_rate)):
            if isinstance(rates, dict) and (unknown := rates.keys() - set(self.services)):
                raise ValueError(f"{name} names '{min(unknown)}', which is not among the services")
        return self


class IncidentGrowth(_Table):
    """What the shape ``incident`` needs to plan the growth of memory."""

    retained_bytes_per_request: Annotated[float, Field(gt=0)]
    start: Size


class Traffic(_Table):
    """The load, the same for every arm."""

    seed: int = 1
    shape: Literal["steady", "incident", "diurnal", "steps"] = "steady"
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    remote_workers: Annotated[int, Field(ge=0, le=64)] = 0
    remote_timeout_s: Seconds = 300.0
    bind_host: IPv4Address = LOOPBACK
    bind_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    locustfile: Path | None = None
    users: Annotated[int, Field(ge=1, le=100_000)] = 50
    spawn_rate: Annotated[float, Field(gt=0, le=1000)] = 10.0
    path: UrlPath = "/api/{service}"
    rate_rps: Annotated[float, Field(gt=0, le=10_000)] = 50.0
    request_bytes: Annotated[int, Field(ge=64, le=10_000_000)] = 1000
    warmup_rps: Annotated[float, Field(gt=0, le=10_000)] = 50.0
    warmup_request_bytes: Annotated[int, Field(ge=64, le=10_000_000)] = 200
    instances_per_hour: Annotated[float, Field(ge=0)] = 50.0
    instances_live: Annotated[int, Field(ge=1, le=1000)] = 4
    users_per_arm: Annotated[int, Field(ge=1, le=1000)] = 50
    max_lateness_s: Seconds = 1.0
    network_timeout_s: Seconds = 5.0
    incident: IncidentGrowth | None = None

    @model_validator(mode="after")
    def _somebody_decides_what_is_sent(self) -> Traffic:
        if self.locustfile is None:
            if given := self.model_fields_set & OF_A_LOCUSTFILE:
                raise ValueError(f"{min(given)} belongs to traffic.locustfile, and there is none")
        elif given := self.model_fields_set & OF_PLANNED_REQUESTS:
            raise ValueError(
                f"{min(given)} plans requests, and with traffic.locustfile its users decide: leave one of both out"
            )
        return self

    @model_validator(mode="after")
    def _other_machines_reach_it(self) -> Traffic:
        if self.bind_host.is_unspecified:
            raise ValueError(
                "bind_host must be an address of this machine that the workers reach, not 0.0.0.0"
            )
        if self.remote_workers and self.bind_host == LOOPBACK:
            raise ValueError(
                f"remote_workers cannot reach {LOOPBACK}: give bind_host an address of this machine that they reach"
            )
        return self


class Arm(_Table):
    """One target build: any command that listens on ``{port}``."""

    command: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_words)]
    role: Literal["before", "after", ""] = ""
    optional: bool = False
    cwd: Path | None = None
    env: dict[str, str] = {}
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    ready: Ready = "/healthz"
    ready_timeout_s: Seconds = 30.0
    stop_timeout_s: Seconds = 10.0


class Judge(_Table):
    """The leak that would matter, and who is judged beside whom."""

    max_leak: str | None = None
    min_time_to_oom: Seconds | None = None
    candidate: str = ""
    control: str = ""
    live: bool = True
    stop_on_fail: bool = False

    @field_validator("max_leak")
    @classmethod
    def _is_a_leak_rate(cls, text: str | None) -> str | None:
        if text is not None:
            parse_leak_rate(text)
        return text

    @model_validator(mode="after")
    def _has_one_margin(self) -> Judge:
        if self.max_leak and self.min_time_to_oom:
            raise ValueError("max_leak and min_time_to_oom both set the margin: keep one")
        if self.stop_on_fail and not self.live:
            raise ValueError("stop_on_fail needs live = true: it acts on the verdict so far")
        return self

    @property
    def margin(self) -> LeakRate | None:
        """The leak that would matter; None where ``min_time_to_oom`` and the limit set it."""
        return None if self.min_time_to_oom else parse_leak_rate(self.max_leak or DEFAULT_MAX_LEAK.text)


class Gates(_Table):
    """What else the candidate must hold to be signed off; each is a relation and a value."""

    min_time_to_oom: str | None = None
    max_rss: str | None = None
    p99_ms: str | None = None
    p99_drift: str | None = None
    error_rate: str | None = None
    availability: str | None = None
    tasks: str | None = None
    sessions: str | None = None
    fds: str | None = None

    @field_validator("*")
    @classmethod
    def _is_a_limit(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and info.field_name:
            parse_limit(info.field_name, text)
        return text

    @property
    def limits(self) -> tuple[GateLimit, ...]:
        """The gates that are set, in the order of their declaration."""
        return tuple(parse_limit(gate, text) for gate, text in self.model_dump(exclude_none=True).items())


OURS: Final = frozenset({"stubs", "locust", "judge", "census", "report", "logs"})
"""Our own processes, and the directories beside those of the arms."""


class Profile(_Table):
    """A whole profile. ``name`` and ``directory`` come from the file it was read from."""

    name: str
    directory: Path
    about: str = ""
    incident: bool = False
    scale: Scale = Scale()
    phases: Phases = Phases()
    limit: Limit = Limit()
    sampling: Sampling = Sampling()
    stubs: Stubs | None = None
    traffic: Traffic = Traffic()
    arms: Annotated[dict[ArmName, Arm], Field(min_length=1)]
    judge: Judge = Judge()
    gates: Gates = Gates()

    @model_validator(mode="after")
    def _belongs_together(self) -> Profile:
        if self.traffic.shape == "incident" and (self.traffic.incident is None or self.limit.memory is None):
            raise ValueError('shape = "incident" needs [traffic.incident] and limit.memory')
        for role in ("before", "after"):
            if sum(arm.role == role for arm in self.arms.values()) > 1:
                raise ValueError(f'only one arm may have role = "{role}"')
        if taken := OURS & self.arms.keys():
            raise ValueError(
                f"an arm may not be called {min(taken)}: that names something of ours in the recording"
            )
        return self

    @model_validator(mode="after")
    def _pauses_leave_room(self) -> Profile:
        """Requests are moved from a pause to the time before it; the load must have begun well before its first."""
        every_s, pause_s = self.sampling.quiesce_every_s, self.sampling.quiesce_pause_s
        if every_s is None:
            return self
        if pause_s > every_s / 2:
            raise ValueError(
                f"sampling.quiesce_pause_s ({pause_s:g}) is more than half of sampling.quiesce_every_s ({every_s:g})"
            )
        before_s = -math.remainder(self.phases.warmup_s, every_s)
        before_s += every_s if before_s < 1e-9 * every_s else 0.0
        if pause_s > before_s / 2:
            raise ValueError(
                f"the warm-up ends {before_s:g} s before the end of a pause of {pause_s:g} s; make phases.warmup_s a "
                f"multiple of sampling.quiesce_every_s ({every_s:g})"
            )
        return self

    @model_validator(mode="after")
    def _can_be_judged(self) -> Profile:
        for key, arm in (("candidate", self.judge.candidate), ("control", self.judge.control)):
            if arm and arm not in self.arms:
                raise ValueError(f"judge.{key} names '{arm}', which is no arm; it has {', '.join(self.arms)}")
        if self.limit.memory is None:
            for key, value in (("judge", self.judge.min_time_to_oom), ("gates", self.gates.min_time_to_oom)):
                if value is not None:
                    raise ValueError(f"{key}.min_time_to_oom needs limit.memory")
        return self

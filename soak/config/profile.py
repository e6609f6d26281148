"""A profile: what to run, under which load and limit; checked and frozen.

The docstrings of the fields are the reference of the keys in the documentation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from soak.config.arm_settings import ArmSettings
from soak.config.traffic_settings import StubSettings, TrafficSettings
from soak.config.values import (
    DURATION,
    ArmName,
    NotTiny,
    ParsedLeak,
    ParsedLimit,
    ProfileTable,
    Seconds,
    SecondsOrZero,
    Size,
)
from soak.contract import (
    GATES,
    INJECT,
    LOGS,
    MIN_ROTATE_PERIODS,
    MORE_TURNS_THAN_KINDS,
    MOST_HOURS,
    REPORT,
    ROTATE_S,
    GateLimit,
)
from soak.contract.evidence import spacing
from soak.contract.units import DEFAULT_MAX_LEAK, LeakRate, parse_limit

RESERVED: Final = frozenset({"stubs", "locust", "judge", "census", REPORT, LOGS})
"""Names that no arm may have: of soakproof's processes, and of the directories beside those of the arms."""


class ScaleSettings(ProfileTable):
    """How hours and bytes of the incident map onto the run."""

    hour_s: Seconds = 3600.0
    """Seconds of the run for one hour, of the incident and of a day of `diurnal`. Incident only"""
    memory: Annotated[float, Field(gt=0, le=1e6), NotTiny] = 1.0
    """The incident's bytes are divided by this. Incident only"""


class PhaseSettings(ProfileTable):
    """Lengths of the phases."""

    idle_s: Seconds = 10.0
    """Seconds without traffic before the warm-up"""
    warmup_s: Seconds = 60.0
    """Seconds of warm-up; long enough to fill caches and pools"""
    load_s: Seconds = 3600.0
    """Seconds of load, on which the verdict rests"""
    drain_s: Seconds = 10.0
    """Seconds for requests in flight to end after the load"""
    quiesce_s: Seconds = 10.0
    """Seconds for the quiesce ladder after the drain"""


class LimitSettings(ProfileTable):
    """The memory limit of each arm, and what happens after it was met."""

    memory: Size | None = None
    """Memory limit of each arm, all its processes together ("512 MiB")"""
    needs_free: Size | None = None
    """Free memory without which the run does not start. Incident only"""
    restart_delay_s: Seconds = 13.0
    """Seconds from the death of an arm to its restart"""
    max_restarts: Annotated[int, Field(ge=0)] = 10
    """Restarts of an arm after which it stays down"""


class SamplingSettings(ProfileTable):
    """How often the arms are read."""

    every_s: Annotated[float, Field(ge=0.1, le=60), DURATION] = 1.0
    """Seconds between two samples; if not set, 1 for each 8 h of load begun, at most 10; 1 for a mix that rotates"""
    smaps_every_s: Seconds = 30.0
    """Seconds between two readings of USS and PSS"""
    census_every_s: SecondsOrZero = 30.0
    """Seconds between two heap censuses under load, 0: none; if not set, 30 for each 8 h of load begun, at most 300"""
    quiesce_every_s: Seconds | None = None
    """Seconds between two quiesce points in warm-up and load"""
    quiesce_pause_s: Seconds = 1.0
    """Seconds of each pause: twice the slowest request or full garbage collection"""

    def spaced(self, load_s: float, *, rotates: bool) -> SamplingSettings:
        """Return them with what is not set as it is for a load of ``load_s`` seconds.

        Where the mix ``rotates``, growth is told apart by readings at the ends of its half turns, of 5 s each.
        """
        names = {"census_every_s"} if rotates else {"every_s", "census_every_s"}
        unset = names - self.model_fields_set
        return self.model_copy(update={name: spacing(load_s) * getattr(self, name) for name in unset})


class JudgeSettings(ProfileTable):
    """The leak that matters, and the parts of the arms in the sign-off."""

    max_leak: ParsedLeak | None = None
    """Margin: the smallest leak that matters, per time or per request ("200 B/request")"""
    min_time_to_oom: Seconds | None = None
    """Margin instead of `max_leak`: the leak that reaches `limit.memory` in this time ("30d")"""
    candidate: str = ""
    """Arm to sign off"""
    control: str = ""
    """Arm whose known leak sign-off requires to be detected; "inject": a copy of the candidate with an injected leak"""
    inject: Annotated[
        Mapping[Literal["python", "native", "mmap"], Annotated[float, Field(gt=0, le=1000), NotTiny]],
        Field(min_length=1),
    ] = {"python": 2.0, "native": 2.0}
    """Rate of the injected leak by kind (python, native, mmap), times the margin"""
    live: bool = True
    """Whether the run is judged while it runs, for the display and `live.json`"""
    stop_on_fail: bool = False
    """Whether the load ends as soon as a gate of the candidate is certain to fail"""

    @model_validator(mode="after")
    def _has_one_margin(self) -> JudgeSettings:
        if self.max_leak and self.min_time_to_oom:
            raise ValueError("max_leak and min_time_to_oom both set the margin: keep one")
        if self.control == INJECT and self.min_time_to_oom:
            raise ValueError(
                'control = "inject" needs a margin that is known before the run: give max_leak instead of '
                "min_time_to_oom, which may be a gate, or name an arm with a known leak as control"
            )
        if self.stop_on_fail and not self.live:
            raise ValueError("stop_on_fail needs live = true: it acts on the verdict so far")
        return self

    @property
    def margin(self) -> LeakRate | None:
        """The smallest leak that matters; None where ``min_time_to_oom`` and the limit set it."""
        return None if self.min_time_to_oom else self.max_leak or DEFAULT_MAX_LEAK


def _gate(name: str) -> Any:
    return Field(default=None, description=f'"{GATES[name].example}": {GATES[name].meaning}')


class GateSettings(ProfileTable):
    """What the candidate must hold to be signed off, beside the verdict; each is a relation and a value."""

    leak_vs_before: ParsedLimit | None = _gate("leak_vs_before")
    min_time_to_oom: ParsedLimit | None = _gate("min_time_to_oom")
    max_rss: ParsedLimit | None = _gate("max_rss")
    p99_ms: ParsedLimit | None = _gate("p99_ms")
    p99_drift: ParsedLimit | None = _gate("p99_drift")
    error_rate: ParsedLimit | None = _gate("error_rate")
    availability: ParsedLimit | None = _gate("availability")
    tasks: ParsedLimit | None = _gate("tasks")
    sessions: ParsedLimit | None = _gate("sessions")
    fds: ParsedLimit | None = _gate("fds")

    @field_validator("*", mode="before")
    @classmethod
    def _parse(cls, value: object, info: ValidationInfo) -> GateLimit:
        gate = str(info.field_name)
        if not isinstance(value, str):
            raise ValueError(f"give a relation and a value, for example {GATES[gate].example!r}")  # noqa: TRY004
        return parse_limit(gate, value)

    @property
    def limits(self) -> tuple[GateLimit, ...]:
        """The gates that are set, in the order of their declaration."""
        return tuple(limit for _, limit in self if limit is not None)


class ReplaySettings(ProfileTable):
    """How an arm that leaks is replayed after the verdict, to find where it allocates what it retains."""

    seconds: Annotated[float, Field(ge=0, le=3600), DURATION] = 30.0
    """Seconds for the replay of all arms that leak, together; 0: none"""
    frames: Annotated[int, Field(ge=1, le=64)] = 8
    """Frames of a traceback that are kept for each allocation"""
    native: Literal["auto", "off", "on"] = "auto"
    """Whether native memory is traced, too: where it may leak ("auto"), never ("off") or always ("on")"""
    memray: Path | None = None
    """Directory with memray for the Python of the arms, where neither they nor soakproof have it"""
    control: bool = False
    """Whether the control is replayed, too"""


class Profile(ProfileTable):
    """A whole profile. ``name`` and ``directory`` come from the file it was read from."""

    name: str
    directory: Path
    about: str = ""
    """What the profile is for, one line"""
    incident: bool = False
    """Whether the report compares the run with the published incident. Incident only"""
    scale: ScaleSettings = ScaleSettings()
    phases: PhaseSettings = PhaseSettings()
    limit: LimitSettings = LimitSettings()
    traffic: TrafficSettings = TrafficSettings()
    # after phases and traffic, by which it is spaced
    sampling: Annotated[SamplingSettings, Field(validate_default=True)] = SamplingSettings()
    stubs: StubSettings | None = None
    arms: Annotated[dict[ArmName, ArmSettings], Field(min_length=1)]
    judge: JudgeSettings = JudgeSettings()
    gates: GateSettings = GateSettings()
    replay: ReplaySettings = ReplaySettings()

    @field_validator("sampling")
    @classmethod
    def _spaced(cls, sampling: SamplingSettings, info: ValidationInfo) -> SamplingSettings:
        phases, traffic = info.data.get("phases"), info.data.get("traffic")  # None where not valid
        if phases is None or traffic is None:
            return sampling
        return sampling.spaced(phases.load_s, rotates=traffic.mix == "rotate")

    @model_validator(mode="after")
    def _belongs_together(self) -> Profile:
        if self.traffic.shape == "incident" and (self.traffic.incident is None or self.limit.memory is None):
            raise ValueError('shape = "incident" needs [traffic.incident] and limit.memory')
        if self.traffic.shape == "diurnal" and self.phases.load_s / self.scale.hour_s > MOST_HOURS:
            raise ValueError(
                f"phases.load_s is more than {MOST_HOURS:,} hours of scale.hour_s, too many days to plan"
            )
        for role in ("before", "after"):
            if sum(arm.role == role for arm in self.arms.values()) > 1:
                raise ValueError(f'only one arm may have role = "{role}"')
        if taken := RESERVED & self.arms.keys():
            raise ValueError(
                f"an arm may not be called {min(taken)}: soakproof uses that name in the recording"
            )
        return self

    @model_validator(mode="after")
    def _mix_rotates_often_enough(self) -> Profile:
        traffic, load_s = self.traffic, self.phases.load_s
        kinds = len(traffic.requests or ())
        least_s = ROTATE_S * max(MIN_ROTATE_PERIODS, kinds + MORE_TURNS_THAN_KINDS)
        if traffic.mix == "rotate" and load_s < least_s:
            raise ValueError(
                f'traffic.mix = "rotate" needs phases.load_s of at least {least_s:g} s for {kinds} '
                f"kinds of requests, in turns of {ROTATE_S:g} s; it is {load_s:g}"
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
    def _websockets_have_room(self) -> Profile:
        traffic = self.traffic
        processes = max(1, traffic.workers + traffic.remote_workers)
        most = processes * traffic.users_per_arm
        at_once = traffic.open_at_once(min(self.phases.load_s, self.sampling.quiesce_every_s or math.inf))
        if traffic.shape != "incident" and at_once > most:
            raise ValueError(
                f"about {at_once:,.0f} WebSockets would be open at a time, by rate_rps and open_s, and "
                f"traffic.users_per_arm allows {most:,}: raise it to {math.ceil(at_once / processes):,}, or lower "
                "weight or open_s"
            )
        return self

    @model_validator(mode="after")
    def _can_be_judged(self) -> Profile:
        for key, arm in (("candidate", self.judge.candidate), ("control", self.judge.control)):
            if arm and arm not in self.arms and (key, arm) != ("control", INJECT):
                raise ValueError(f"judge.{key} names '{arm}', which is no arm; it has {', '.join(self.arms)}")
        if self.judge.control == INJECT in self.arms:
            raise ValueError(
                f'judge.control = "{INJECT}" is the copy of the candidate; rename the arm {INJECT}'
            )
        if self.limit.memory is None:
            for key, value in (("judge", self.judge.min_time_to_oom), ("gates", self.gates.min_time_to_oom)):
                if value is not None:
                    raise ValueError(f"{key}.min_time_to_oom needs limit.memory")
        return self

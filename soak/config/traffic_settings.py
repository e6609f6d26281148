"""The keys of a profile that describe the load: [traffic], and [stubs] for its upstream services."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from soak.config.request_settings import RequestSettings, TemplatePath
from soak.config.values import Address, NotTiny, Port, ProfileTable, Seconds, ServiceName, Share, Size
from soak.contract import DIURNAL_SWING, ROTATE_S, ROTATE_WEIGHT
from soak.contract.protocol import LOOPBACK


class StubSettings(ProfileTable):
    """The upstream services, all answered by one process."""

    services: Annotated[tuple[ServiceName, ...], Field(min_length=1, max_length=1000)] = (
        "orders",
        "users",
        "stock",
    )
    """Names of the upstream services; without `[stubs]` none are started"""
    body_bytes: Annotated[int, Field(ge=64, le=1_000_000)] = 256
    """Size of an upstream answer, bytes"""
    latency_ms: Annotated[float, Field(ge=0, le=60_000)] = 5.0
    """Median latency of an upstream answer, milliseconds; lognormal"""
    latency_sigma: Annotated[float, Field(ge=0, le=3)] = 0.3
    """Standard deviation of the logarithm of the upstream latency. Incident only"""
    error_rate: Share | dict[str, Share] = 0.0
    """Share of upstream answers with status 500; a number, or a table by service"""
    hang_rate: Share | dict[str, Share] = 0.0
    """Share of upstream requests that are never answered; a number, or a table by service"""
    port: Port | None = None
    """Port of the upstream services"""

    @model_validator(mode="after")
    def _services_are_known(self) -> StubSettings:
        for name, rates in (("error_rate", self.error_rate), ("hang_rate", self.hang_rate)):
            if isinstance(rates, dict) and (unknown := rates.keys() - set(self.services)):
                raise ValueError(f"{name} names '{min(unknown)}', which is not among the services")
        if len(set(self.services)) < len(self.services):
            raise ValueError("services names one of them twice")
        for service in self.services:
            failing, hanging = (
                rates.get(service, 0.0) if isinstance(rates, dict) else rates
                for rates in (self.error_rate, self.hang_rate)
            )
            if failing + hanging > 1:
                raise ValueError(f"error_rate and hang_rate of '{service}' add up to more than 1")
        return self


class IncidentGrowth(ProfileTable):
    """What the shape ``incident`` needs to plan the growth of memory."""

    retained_bytes_per_request: Annotated[float, Field(gt=0, le=1e12), NotTiny]
    """Bytes that a request leaves behind in the leaky arm. Incident only"""
    start: Size
    """Memory charged to the leaky arm after the warm-up, as planned. Incident only"""


class PlannedRequests(ProfileTable):
    """Keys of [traffic] for requests that are planned; a locustfile's users decide these things themselves."""

    shape: Literal["steady", "incident", "diurnal", "steps"] = "steady"
    """Rate over time: "steady", "diurnal", "steps"; "incident" for the incident's profiles"""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Locust workers on this machine; with none here and elsewhere, one process sends all requests"""
    remote_workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Locust workers on other machines"""
    path: TemplatePath = "/api/{service}"
    """Path of each POST; `{service}` becomes an instance of a service: `orders-017`. Short for one of `requests`"""
    requests: Annotated[tuple[RequestSettings, ...], Field(min_length=1, max_length=100)] | None = None
    """Kinds of requests, tables [[traffic.requests]], instead of `path`"""
    mix: Literal["random", "rotate"] = "random"
    """"rotate": each kind in turn has 5 times its weight for 10 s of the load, which tells endpoints apart"""
    rate_rps: Annotated[float, Field(gt=0, le=10_000), NotTiny] = 50.0
    """Requests per second and arm; the mean, for `diurnal`; the peak, for `steps`"""
    request_bytes: Annotated[int, Field(ge=64, le=10_000_000)] = 1000
    """Size of a request's JSON body, bytes"""
    warmup_rps: Annotated[float, Field(gt=0, le=10_000), NotTiny] = 50.0
    """Requests per second and arm during the warm-up"""
    warmup_request_bytes: Annotated[int, Field(ge=64, le=10_000_000)] | None = None
    """Size of a request's JSON body during the warm-up, bytes; the default fills caches of bodies, too"""
    instances_per_hour: Annotated[float, Field(ge=0, le=1e6)] = 50.0
    """New instance names per hour. Incident only"""
    instances_live: Annotated[int, Field(ge=1, le=1000)] = 4
    """Instance names in use at a time. Incident only"""
    users_per_arm: Annotated[int, Field(ge=1, le=1000)] = 50
    """Requests that can be in flight at an arm, for each Locust process; as many WebSockets beside them"""
    max_lateness_s: Seconds = 1.0
    """Seconds after its planned instant by which a request must start, or it is missed"""
    incident: IncidentGrowth | None = None
    """Figures for the shape `incident`"""


class LocustfileUsers(ProfileTable):
    """Keys of [traffic] for the users of a locustfile."""

    users: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Users of the locustfile, for each arm"""
    spawn_rate: Annotated[float, Field(gt=0, le=1000), NotTiny] = 10.0
    """Users of the locustfile started per second"""


class TrafficSettings(PlannedRequests, LocustfileUsers):
    """The load, the same for every arm."""

    seed: int = 1
    """Seed of all random choices; the same seed gives the same load"""
    locustfile: Path | None = None
    """Custom locustfile, relative to the profile"""
    network_timeout_s: Seconds = 5.0
    """Seconds for a whole answer, to open or close a WebSocket, and for users of a locustfile to finish at the end"""
    max_response: Size = 16 * 1024 * 1024
    """Largest answer, as sent and decoded ("16 MiB"), or message of a WebSocket; a request with a larger one fails"""
    bind_host: Address = IPv4Address(LOOPBACK)
    """IPv4 address of this machine on which the arms and Locust's master listen"""
    bind_port: Port | None = None
    """Port of Locust's master"""
    remote_timeout_s: Seconds = 300.0
    """Seconds to wait for workers from other machines"""

    @model_validator(mode="after")
    def _requests_have_one_source(self) -> TrafficSettings:
        if self.locustfile is None:
            if given := self.model_fields_set & LocustfileUsers.model_fields.keys():
                raise ValueError(f"{min(given)} needs traffic.locustfile, and there is none")
        elif given := self.model_fields_set & PlannedRequests.model_fields.keys():
            raise ValueError(
                f"{min(given)} plans requests, and with traffic.locustfile its users decide: leave one of both out"
            )
        return self

    @model_validator(mode="after")
    def _requests_can_be_told_apart(self) -> TrafficSettings:
        if self.requests is None:
            return self
        if "path" in self.model_fields_set:
            raise ValueError(
                "path is short for one of the requests: give its path there, and leave this one out"
            )
        names = [request.known_as for request in self.requests]
        if doubled := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"requests has '{doubled}' twice: give each of them a name of its own")
        for request in self.requests:
            if (request.read_s or 0) > self.network_timeout_s:
                raise ValueError(
                    f"read_s of '{request.known_as}' ({request.read_s:g}) is above network_timeout_s "
                    f"({self.network_timeout_s:g}), the time for a whole answer"
                )
        return self

    @model_validator(mode="after")
    def _rotates_among_several(self) -> TrafficSettings:
        if self.mix == "rotate" and len(self.requests or ()) < 2:
            raise ValueError(
                'mix = "rotate" sends kinds in turn: give at least two [[traffic.requests]], or leave mix out'
            )
        return self

    @model_validator(mode="after")
    def _is_reached_from_other_machines(self) -> TrafficSettings:
        if self.bind_host.is_unspecified:
            raise ValueError(
                "bind_host must be an address of this machine that the workers reach, not 0.0.0.0"
            )
        if self.remote_workers and str(self.bind_host) == LOOPBACK:
            raise ValueError(
                f"remote_workers cannot reach {LOOPBACK}: give bind_host an address of this machine that they reach"
            )
        return self

    @property
    def _peak_rps(self) -> float:
        return self.rate_rps * (1 + DIURNAL_SWING if self.shape == "diurnal" else 1)

    def open_at_once(self, longest_s: float) -> float:
        """Return the most WebSockets that are open at an arm at a time, at the peak of the rate on average.

        Each is open for ``longest_s`` at most.

        Of a rotating mix: at the end of a turn, with what was opened before it as the turns have it on average.
        """
        requests = self.requests or ()
        turns = requests if self.mix == "rotate" else (None,)
        shares = [_shares(requests, turn) for turn in turns]
        found = [0.0]
        for of_turn in shares if requests else ():
            held_s = 0.0
            for number, one in enumerate(requests):
                open_s = min(one.open_s or 0.0, longest_s)
                in_turn_s = min(open_s, ROTATE_S)
                usual = sum(share[number] for share in shares) / len(shares)
                held_s += of_turn[number] * in_turn_s + usual * (open_s - in_turn_s)
            found.append(self._peak_rps * held_s)
        return max(found)


def _shares(requests: Sequence[RequestSettings], turn: RequestSettings | None) -> list[float]:
    """Return the share of each kind of request in its turn of a rotating mix, or in a constant one."""
    weights = [one.weight * (ROTATE_WEIGHT if one is turn else 1.0) for one in requests]
    return [weight / sum(weights) for weight in weights]

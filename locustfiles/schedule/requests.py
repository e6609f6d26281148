"""The requests of a mix: which kind comes next, and its texts filled in, from the seed alone."""

from __future__ import annotations

import random
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final
from urllib.parse import quote_plus

from soak.contract import ROTATE_S, ROTATE_WEIGHT, Traffic, TrafficRequest
from soak.contract.templates import (
    CHOICE,
    ENV,
    EVERYWHERE,
    IN_BODIES,
    IN_HEADERS,
    NUMBER,
    PAYLOAD,
    SERVICE,
    UUID,
    Part,
    header_from,
    parse_template,
)
from soak.errors import UsageError

NO_END: Final = float("inf")
USERS: Final = "users"
"""Lane of the requests that Locust's users send."""
BAD_CLIENTS: Final = "bad clients"
"""Lane of the requests of bad clients."""
WEBSOCKETS: Final = "websockets"
"""Lane of WebSocket connections."""
LANES: Final = (USERS, BAD_CLIENTS, WEBSOCKETS)
"""What waits apart at an arm, so that one of them holds up no other."""


@dataclass(frozen=True, slots=True)
class Messages:
    """The texts of a WebSocket's messages, the same at each arm; iterated over without end."""

    seed: int
    template: Template = field(compare=False, repr=False)
    values: Values = field(compare=False, repr=False)

    def __iter__(self) -> Iterator[str]:
        values = replace(self.values, draw=random.Random(self.seed))
        while True:
            yield self.template.fill(values)


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request, shared by all arms."""

    index: int
    planned_s: float
    """Planned start, ``t_s``."""
    path: str
    """Path and query."""
    body: bytes
    """Empty: it has no body."""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    name: str = ""
    client: str = ""
    """The kind of a bad client, as in TrafficRequest; empty for one that reads the answer."""
    read_s: float | None = None
    """Seconds after which the reading of its answer ends without failure."""
    until_s: float = NO_END
    """Start of the next pause, ``t_s``: streams, bad clients and WebSockets end before it."""
    open_s: float | None = None
    """Seconds for which a WebSocket stays open; None of any other request."""
    send_every_s: float | None = None
    """Seconds between two messages of a WebSocket; None: there is no second one."""
    echo: bool = False
    """Whether the service answers each message of a WebSocket with one."""
    messages: Messages | None = None
    """The messages of a WebSocket; None: it sends none."""

    @property
    def lane(self) -> str:
        """Where it waits for its turn, one of LANES."""
        if self.open_s is not None:
            return WEBSOCKETS
        return BAD_CLIENTS if self.client else USERS


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders of one request are replaced by."""

    index: int
    service: str
    payload: Callable[[], str]
    """Makes the generated JSON object of the body."""
    draw: random.Random


class Template:
    """A template that is filled in for each request."""

    def __init__(
        self,
        text: str,
        known: tuple[str, ...],
        environment: Mapping[str, str],
        encode: Callable[[str], str] = str,
    ) -> None:
        """Parse the text, of which ``encode`` encodes what is literal or a choice; raises ValueError."""
        self._parts: list[str | Part | tuple[str, ...]] = []
        for part in parse_template(text, known):
            if part.placeholder == CHOICE:
                self._parts.append(tuple(map(encode, part.choices)))
            elif part.placeholder == ENV:
                self._parts.append(header_from(environment, part.text))
            else:
                self._parts.append(part if part.placeholder else encode(part.text))

    @property
    def draws(self) -> bool:
        """Whether filling it in takes random numbers."""
        return any(
            isinstance(part, tuple) or (isinstance(part, Part) and part.placeholder == UUID)
            for part in self._parts
        )

    def fill(self, values: Values) -> str:
        """Return the text of one request."""
        return "".join(
            part
            if isinstance(part, str)
            else part[int(values.draw.random() * len(part))]
            if isinstance(part, tuple)
            else _filled(part.placeholder, values)
            for part in self._parts
        )


def _filled(placeholder: str, values: Values) -> str:
    if placeholder == NUMBER:
        return str(values.index)
    if placeholder == SERVICE:
        return values.service
    if placeholder == PAYLOAD:
        return values.payload()
    return str(uuid.UUID(int=values.draw.getrandbits(128), version=4))


class _Kind:
    """A kind of request with its templates."""

    def __init__(self, request: TrafficRequest, environment: Mapping[str, str]) -> None:
        self.request = request
        self._path = Template(request.path, EVERYWHERE, environment)
        self._query = [
            (quote_plus(name), Template(value, EVERYWHERE, environment, quote_plus))
            for name, value in request.query.items()
        ]
        self._headers = {
            name: Template(value, IN_HEADERS, environment) for name, value in request.headers.items()
        }
        self._body = Template(request.body, IN_BODIES, environment)
        texts = (self._path, *(value for _, value in self._query), *self._headers.values(), self._body)
        self.draws = request.open_s is not None or any(text.draws for text in texts)
        """Whether filling it in takes random numbers."""

    def filled(self, planned_s: float, until_s: float, values: Values) -> PlannedRequest:
        """Return a request of this kind."""
        request, path = self.request, self._path.fill(values)
        if self._query:
            query = "&".join(f"{name}={value.fill(values)}" for name, value in self._query)
            path = f"{path}{'&' if '?' in path else '?'}{query}"
        connects = request.open_s is not None
        body = b"" if connects else self._body.fill(values).encode()
        headers = {name: value.fill(values) for name, value in self._headers.items()}
        messages = None
        if connects and request.body:
            messages = Messages(values.draw.getrandbits(64), self._body, values)
        return PlannedRequest(
            values.index,
            planned_s,
            path,
            body,
            request.method,
            headers,
            request.name,
            request.client,
            request.read_s,
            until_s,
            request.open_s,
            request.send_every_s,
            request.echo,
            messages,
        )


class Mix:
    """Draws the kind of each request by the weights of its moment, and fills it in.

    The draws depend on the seed and the kinds alone; those of one request follow those of the one before.
    """

    def __init__(self, traffic: Traffic, environment: Mapping[str, str]) -> None:
        """Prepare the kinds; raises UsageError for a template or a variable that cannot be used."""
        self._draw = random.Random(f"{traffic.seed} mix")
        try:
            self._kinds = [_Kind(request, environment) for request in traffic.kinds]
        except ValueError as error:
            raise UsageError(f"traffic.requests: {error}") from None
        weights = [request.weight for request in traffic.kinds]
        self._shares = list(accumulate(weights))
        self._turns = [
            list(
                accumulate(
                    weight * (ROTATE_WEIGHT if at == turn else 1.0) for at, weight in enumerate(weights)
                )
            )
            for turn in range(len(weights) if traffic.mix == "rotate" else 0)
        ]

    def next(
        self,
        index: int,
        planned_s: float,
        until_s: float,
        service: str,
        payload: Callable[[], str],
        load_s: float = 0.0,
    ) -> PlannedRequest:
        """Return the next request; ``load_s`` is its planned start in the load, below 0 in the warm-up."""
        return self._drawn(load_s).filled(planned_s, until_s, Values(index, service, payload, self._draw))

    def skip(self, load_s: float) -> None:
        """Draw the next request without making it: it is in the share of another worker."""
        kind = self._drawn(load_s)
        if kind.draws:
            kind.filled(0.0, 0.0, Values(0, "", str, self._draw))

    def _drawn(self, load_s: float) -> _Kind:
        if len(self._kinds) == 1:
            return self._kinds[0]
        shares = self._shares
        if self._turns and load_s >= 0:
            shares = self._turns[int(load_s // ROTATE_S) % len(self._turns)]
        at = bisect_right(shares, self._draw.random() * shares[-1])
        return self._kinds[min(at, len(self._kinds) - 1)]

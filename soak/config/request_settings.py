"""The keys of [[traffic.requests]]: the kinds of requests that are planned, and their mix."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from soak.config.values import NotTiny, ProfileTable, Seconds, UrlPath
from soak.contract import WEBSOCKET, TrafficRequest
from soak.contract.templates import ENV, EVERYWHERE, IN_BODIES, IN_HEADERS, parse_template

LEAST_PERIOD_S: Final = 0.01
"""Shortest time between two messages of a WebSocket, seconds."""
REQUEST_NAME: Final = r"^[!-~]([ -~]{0,78}[!-~])?$"
HEADER_NAME: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
HEADER_VALUE: Final = r"^[ -~]*$"
OF_THE_CLIENT: Final = frozenset(
    {
        "connection", "content-length", "expect", "host", "sec-websocket-extensions", "sec-websocket-key",
        "sec-websocket-version", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers that the client sets, since they decide where a request ends or what a WebSocket is."""
WITHOUT_SECRETS: Final = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "content-encoding",
        "content-language", "content-type", "forwarded", "idempotency-key", "if-match", "if-modified-since",
        "if-none-match", "last-event-id", "origin", "pragma", "prefer", "priority", "range", "referer",
        "sec-websocket-protocol",
        "traceparent", "user-agent", "x-correlation-id", "x-forwarded-for", "x-forwarded-proto", "x-request-id",
        "x-requested-with",
    }
)  # fmt: skip
"""Headers whose values carry no credentials and may be written in a profile, which is recorded."""


def _template(text: str) -> str:
    parse_template(text, EVERYWHERE)
    return text


def _text_of_body(body: object) -> str:
    """Return the template of a body; raises ValueError for a value that JSON does not have."""
    if isinstance(body, str):
        return body
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("the body has a value that JSON does not have, such as a date, nan or inf") from None


def _body(body: object) -> object:
    parse_template(_text_of_body(body), IN_BODIES)
    return body


def _query_text(value: object) -> object:
    """Return the text of a number or truth value."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) and math.isfinite(value) else value


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header is given twice")
    for name, value in headers.items():
        if name.lower() in OF_THE_CLIENT:
            raise ValueError(f"the load sets the header {name} itself; leave it out")
        parts = parse_template(value, IN_HEADERS)
        if name.lower() not in WITHOUT_SECRETS and not any(part.placeholder == ENV for part in parts):
            raise ValueError(
                f"a profile is recorded, so the value of the header {name} is taken from the environment; write it as "
                f'{name} = "{{env:VARIABLE}}" and set VARIABLE where soak is started'
            )
    return headers


TemplatePath = Annotated[UrlPath, AfterValidator(_template)]


class RequestSettings(ProfileTable):
    """A kind of request; the placeholders of its texts are filled in from the seed, the same for every arm."""

    name: Annotated[str, Field(pattern=REQUEST_NAME)] = ""
    """Name in `requests.csv` and in Locust's statistics"""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "WEBSOCKET"] = "GET"
    """HTTP method, or "WEBSOCKET": a connection that is held for `open_s`"""
    path: TemplatePath
    """Path; it may contain placeholders, as `query`, `headers` and `body` may"""
    query: Mapping[str, Annotated[str, BeforeValidator(_query_text), AfterValidator(_template)]] = {}
    """Table of query parameters, encoded and appended to the path"""
    headers: Annotated[
        Mapping[
            Annotated[str, Field(pattern=HEADER_NAME)],
            Annotated[str, Field(pattern=HEADER_VALUE)],
        ],
        AfterValidator(_headers),
    ] = {}
    """Table of headers; values by `{env:NAME}`, except of headers that carry no credentials, such as Accept"""
    body: Annotated[Any, AfterValidator(_body)] = ""
    """Body, or each message: a table or list is sent as JSON, text as it is; `{payload}` has `request_bytes`"""
    weight: Annotated[float, Field(gt=0, le=1e6), NotTiny] = 1.0
    """Share of the requests, relative to the sum of all weights"""
    client: Literal["", "abort", "slow", "half"] = ""
    """A bad client: "abort" resets the connection in the answer, "slow" reads 1 kB/s, "half" sends half of the body"""
    read_s: Seconds | None = None
    """Seconds after which the reading of a stream ends without failure; none: answers are read to their end"""
    open_s: Seconds | None = None
    """Seconds for which a WebSocket stays open; then it is closed"""
    send_every_s: Annotated[Seconds, Field(ge=LEAST_PERIOD_S)] | None = None
    """Seconds between two messages of a WebSocket, the first at its opening; none: only that one"""
    echo: bool = False
    """Whether the service answers each message of a WebSocket by one: round trips are recorded, no answer fails"""

    @model_validator(mode="after")
    def _is_a_websocket_or_none(self) -> RequestSettings:
        of_websockets = {"open_s": self.open_s, "send_every_s": self.send_every_s, "echo": self.echo}
        if self.method != WEBSOCKET:
            if given := next((key for key, value in of_websockets.items() if value), ""):
                raise ValueError(
                    f'{given} is for a WebSocket: give method = "{WEBSOCKET}", or leave {given} out'
                )
            return self
        if self.open_s is None:
            raise ValueError("a WebSocket needs open_s, the seconds for which it stays open")
        if self.client not in {"", "abort"}:
            raise ValueError('the bad client of a WebSocket is client = "abort", which resets it at its end')
        if self.read_s:
            raise ValueError("read_s is for the answer to a request: give open_s to a WebSocket")
        if self.body == "" and (self.send_every_s or self.echo):
            raise ValueError("send_every_s and echo are about messages: give body, the text of each message")
        return self

    @model_validator(mode="after")
    def _client_can_do_it(self) -> RequestSettings:
        if self.client == "half" and len(_text_of_body(self.body)) < 2:
            raise ValueError('client = "half" sends half of a body: give body at least two characters')
        if self.client and self.read_s:
            raise ValueError("read_s is for a client that reads; leave out client or read_s")
        return self

    def planned(self) -> TrafficRequest:
        """Return the kind of request as it is planned, with a name and the type of its body."""
        headers = dict(self.headers)
        has_type = "content-type" in {name.lower() for name in headers}
        if self.body != "" and not has_type and self.method != WEBSOCKET:
            is_text = isinstance(self.body, str) and self.body != "{payload}"
            headers["Content-Type"] = "text/plain; charset=utf-8" if is_text else "application/json"
        return TrafficRequest(
            name=self.known_as,
            method=self.method,
            path=self.path,
            query=dict(self.query),
            headers=headers,
            body=_text_of_body(self.body),
            weight=self.weight,
            client=self.client,
            read_s=self.read_s,
            open_s=self.open_s,
            send_every_s=self.send_every_s,
            echo=self.echo,
        )

    @property
    def known_as(self) -> str:
        """The name, which by default is made of the client, method and path."""
        return self.name or " ".join(filter(None, (self.client, self.method, self.path)))

"""The keys of [[traffic.requests]]: the kinds of requests that are planned, and their mix."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from soak.config.values import NotTiny, ProfileTable, Seconds, UrlPath
from soak.contract import TrafficRequest
from soak.contract.templates import ENV, EVERYWHERE, IN_BODIES, IN_HEADERS, parse_template

REQUEST_NAME: Final = r"^[!-~]([ -~]{0,78}[!-~])?$"
HEADER_NAME: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
HEADER_VALUE: Final = r"^[ -~]*$"
OF_THE_CLIENT: Final = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that the client sets, since they decide where a request ends."""
WITHOUT_SECRETS: Final = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "content-encoding",
        "content-language", "content-type", "forwarded", "idempotency-key", "if-match", "if-modified-since",
        "if-none-match", "last-event-id", "origin", "pragma", "prefer", "priority", "range", "referer", "traceparent",
        "user-agent", "x-correlation-id", "x-forwarded-for", "x-forwarded-proto", "x-request-id", "x-requested-with",
    }
)  # fmt: skip
"""Headers whose values carry no credentials and may be written in a profile, which is recorded."""


def _template(known: tuple[str, ...]) -> AfterValidator:
    def check(text: str) -> str:
        parse_template(text, known)
        return text

    return AfterValidator(check)


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


TemplatePath = Annotated[UrlPath, _template(EVERYWHERE)]


class RequestSettings(ProfileTable):
    """A kind of request; the placeholders of its texts are filled in from the seed, the same for every arm."""

    name: Annotated[str, Field(pattern=REQUEST_NAME)] = ""
    """Name in `requests.csv` and in Locust's statistics"""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    """HTTP method"""
    path: TemplatePath
    """Path; it may contain placeholders, as `query`, `headers` and `body` may"""
    query: Mapping[str, Annotated[str, BeforeValidator(_query_text), _template(EVERYWHERE)]] = {}
    """Table of query parameters, encoded and appended to the path"""
    headers: Annotated[
        Mapping[
            Annotated[str, Field(pattern=HEADER_NAME)],
            Annotated[str, Field(pattern=HEADER_VALUE)],
        ],
        AfterValidator(_headers),
    ] = {}
    """Table of headers; values that may be secret, of Authorization and Cookie among them, by `{env:NAME}`"""
    body: Annotated[Any, AfterValidator(_body)] = ""
    """Body: a table or a list is sent as JSON, a text as it is; `{payload}` is the object of `request_bytes`"""
    weight: Annotated[float, Field(gt=0, le=1e6), NotTiny] = 1.0
    """Share of the requests, relative to the sum of all weights"""
    client: Literal["", "abort", "slow", "half"] = ""
    """A bad client: "abort" resets the connection in the answer, "slow" reads 1 kB/s, "half" ends in mid-body"""
    read_s: Seconds | None = None
    """Seconds after which the reading of a stream ends without failure; none: answers are read to their end"""

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
        if self.body != "" and "content-type" not in {name.lower() for name in headers}:
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
        )

    @property
    def known_as(self) -> str:
        """The name, which by default is made of the client, method and path."""
        return self.name or " ".join(filter(None, (self.client, self.method, self.path)))

"""What the tables of a profile are made of: values, parsed once from their text."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Annotated, Final, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)

from soak.contract import GateLimit
from soak.contract.units import LeakRate, parse_duration, parse_leak_rate, parse_size
from soak.process.readiness import LOG, is_valid

A_DURATION: Final = 'give seconds, or a time with a unit such as "90s", "15m", "6h" or "3d"'
A_SIZE: Final = 'give bytes, or a size with a unit such as "512 MiB"'
ARM_NAME: Final = r"^[a-z][a-z0-9_]{0,31}$"
URL_PATH: Final = r"^/[!-~]*$"
SERVICE_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
VARIABLE_NAME: Final = r"^[^=]+$"
IMAGE_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$"
"""Names of images and containers, as podman and docker take them; none begins like an option."""
MOST_SECONDS: Final = 10 * 365 * 86_400
"""Longest duration in a profile, seconds: timers of Python end at 292 years, and no run lasts ten."""
LEAST: Final = 1e-6
"""Least positive number in a profile, of any unit: what is divided by it stays far from the largest float."""
MOST_BYTES: Final = 2**60
"""Largest size in a profile, bytes: more than any machine has."""
A_LEAK: Final = 'give a leak per time or per request, such as "1 MiB/h" or "200 B/request"'


def _quantity(parse: Callable[[str], float], form: str) -> BeforeValidator:
    """Parse a number with a unit; a plain number, also in quotes, is left to pydantic."""

    def read(value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(form)  # noqa: TRY004 - pydantic takes ValueError only
        return parse(value) if isinstance(value, str) and not _is_number(value) else value

    return BeforeValidator(read)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _leak_rate(value: object) -> LeakRate:
    if not isinstance(value, str):
        raise ValueError(A_LEAK)  # noqa: TRY004 - as above
    return parse_leak_rate(value)


def _words(value: object) -> object:
    if isinstance(value, str):
        raise ValueError('give a list of words, such as ["uvicorn", "shop:app"]')  # noqa: TRY004 - as above
    return value


def _at_least_least(value: float) -> float:
    if value < LEAST:
        raise ValueError(f"must be at least {LEAST:g}")
    return value


def _address(value: object) -> object:
    if not isinstance(value, str | IPv4Address):
        raise ValueError('give an address such as "192.168.0.5"')  # noqa: TRY004 - as above
    return value


def _zero_or_least(value: float) -> float:
    return _at_least_least(value) if value else value


def _ready(value: str) -> str:
    if not is_valid(value):
        raise ValueError('give a URL path such as "/healthz", "port", or "log: words of a line it prints"')
    try:
        with warnings.catch_warnings(action="ignore"):  # of a regular expression that may change its meaning
            re.compile(value.removeprefix(LOG).strip())
    except re.error:
        pass  # plain words
    except (RecursionError, OverflowError):
        raise ValueError("the regular expression is too complex; give words of the line") from None
    return value


def _url(value: str) -> str:
    """Return ``http://host:port``; no message repeats one that has a password in it."""
    if "@" in value:
        raise ValueError("give it without user and password, since URLs are recorded")
    try:
        url = urlsplit(value)
        whole = url.scheme == "http" and bool(url.hostname) and url.port != 0
    except ValueError:
        whole = False
    if not whole or not re.fullmatch(r"http://[!-~]+", value):
        raise ValueError('give an http URL, such as "http://10.0.0.7:8000"; https is not supported')
    if url.path not in {"", "/"} or url.query or url.fragment:
        raise ValueError(
            'give host and port alone, such as "http://10.0.0.7:8000"; paths are traffic.path, metrics'
        )
    return f"http://{url.netloc}"


NotTiny = AfterValidator(_at_least_least)
Address = Annotated[IPv4Address, BeforeValidator(_address)]
DURATION: Final = _quantity(parse_duration, A_DURATION)
"""Makes a number one that may be written as a time with a unit."""
Seconds = Annotated[float, Field(gt=0, le=MOST_SECONDS), NotTiny, DURATION]
SecondsOrZero = Annotated[float, Field(ge=0, le=MOST_SECONDS), AfterValidator(_zero_or_least), DURATION]
"""Seconds; 0: none."""
Size = Annotated[int, Field(gt=0, le=MOST_BYTES), _quantity(lambda text: int(parse_size(text)), A_SIZE)]
"""Bytes."""
ParsedLeak = Annotated[LeakRate, BeforeValidator(_leak_rate), PlainSerializer(lambda rate: rate.text)]
ParsedLimit = Annotated[GateLimit, PlainSerializer(lambda limit: limit.text)]
"""Parsed by the model, since what is valid depends on the name of the gate."""
Share = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
WordList = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_words)]
UrlPath = Annotated[str, Field(pattern=URL_PATH)]
Ready = Annotated[str, AfterValidator(_ready)]
Url = Annotated[str, AfterValidator(_url)]
ImageName = Annotated[str, Field(pattern=IMAGE_NAME)]
ArmName = Annotated[str, Field(pattern=ARM_NAME)]
ServiceName = Annotated[str, Field(pattern=SERVICE_NAME)]
VariableName = Annotated[str, Field(pattern=VARIABLE_NAME)]


def _is_plain_number(kind: object) -> bool:
    """Return whether a type takes a number that it does not parse by itself, as which Python would take a truth."""
    inner, *metadata = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if any(isinstance(one, BeforeValidator) for one in metadata):
        return False
    return inner in (int, float) or any(map(_is_plain_number, get_args(inner)))


class ProfileTable(BaseModel):
    """A table of a profile; the docstrings of its fields are the documentation of its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[str(info.field_name)]
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        if isinstance(value, bool) and _is_plain_number(kind):
            raise ValueError("give a number")
        return value

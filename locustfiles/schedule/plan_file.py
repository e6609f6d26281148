"""Reading ``traffic.json``, the planned load."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from locustfiles.schedule.rates import segments
from soak.contract import SCHEMA_VERSION, Traffic
from soak.errors import UsageError
from soak.regular_files import parse_json, read_regular

READER: Final = TypeAdapter(Traffic)
"""Made at import: pydantic finds types by the name of their module, which `custom_load` gives back to the team."""


class TrafficFileError(UsageError):
    """The planned load is missing or invalid; the message names the file and the key."""


def read_traffic(path: Path) -> Traffic:
    """Return the planned load of a file; raises TrafficFileError."""
    try:
        return parse_traffic(read_regular(path, follow=True).decode("utf-8"))
    except OSError as error:
        raise TrafficFileError(f"{path}: {error.strerror}; `soak run` writes this file") from error
    except ValueError as error:
        raise TrafficFileError(f"{path}: {error}") from error


def parse_traffic(text: str) -> Traffic:
    """Read what ``Traffic.to_json`` wrote; raises ValueError for another schema, a bad key and a shape without rates.

    Keys of later versions are ignored.
    """
    content = parse_json(text)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise ValueError(f"planned load of schema {version}, this is {SCHEMA_VERSION}")
    try:
        traffic = READER.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        given = "" if first["type"] == "missing" else f" (it is {first['input']!r})"
        raise ValueError(f"key {key}: {first['msg']}{given}") from None
    try:
        segments(traffic)
    except ArithmeticError as error:
        raise ValueError(f"its numbers are out of range ({error})") from None
    return traffic

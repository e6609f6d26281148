"""Reading ``traffic.json``, the planned load."""

from __future__ import annotations

from pathlib import Path

from locustfiles.schedule.rates import segments
from soak.contract import Traffic
from soak.errors import UsageError

ABOVE_ZERO = (
    "hour_s",
    "load_s",
    "request_bytes",
    "instances_live",
    "users_per_arm",
    "max_lateness_s",
    "network_timeout_s",
)
NOT_NEGATIVE = ("warmup_s", "warmup_rps", "warmup_request_bytes", "rate_rps", "instances_per_hour")


class TrafficFileError(UsageError):
    """The planned load is missing or invalid; the message names the file and the key."""


def read_traffic(path: Path) -> Traffic:
    """Return the planned load of a file; raises TrafficFileError."""
    try:
        traffic = Traffic.from_json(path.read_text(encoding="utf-8"))
        _check(traffic)
    except OSError as error:
        raise TrafficFileError(f"{path}: {error.strerror}; `soak run` writes this file") from error
    except KeyError as error:
        raise TrafficFileError(f"{path}: the key {error} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise TrafficFileError(f"{path}: {error}") from error
    return traffic


def _check(traffic: Traffic) -> None:
    for keys, zero_allowed in ((ABOVE_ZERO, False), (NOT_NEGATIVE, True)):
        for key in keys:
            value = getattr(traffic, key)
            if not isinstance(value, int | float) or value < 0 or (value == 0 and not zero_allowed):
                raise ValueError(
                    f"{key} is {value!r}; it must be a number {'from' if zero_allowed else 'above'} 0"
                )
    if not isinstance(traffic.arms, dict) or not traffic.arms:
        raise ValueError(f"arms is {traffic.arms!r}; it must give at least one arm its URL")
    if not traffic.services:
        raise ValueError("services is empty; it must name at least one")
    segments(traffic)

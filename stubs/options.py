"""Reads the command line's texts into the behaviour of each service."""

from __future__ import annotations

import math

from stubs.answers import Behaviour

LONGEST_LATENCY_MS = 60_000


def parse_behaviours(
    services: str, *, body_bytes: int, latency_ms: str, latency_sigma: float, error_rate: str, hang_rate: str
) -> dict[str, Behaviour]:
    """Return each service's behaviour, in the order given; raises ValueError that names the bad option."""
    names = parse_services(services)
    latencies = per_service("--latency-ms", latency_ms, names, highest=LONGEST_LATENCY_MS)
    errors = per_service("--error-rate", error_rate, names, highest=1)
    hangs = per_service("--hang-rate", hang_rate, names, highest=1)
    for name in names:
        if errors[name] + hangs[name] > 1:
            raise ValueError(f"--error-rate and --hang-rate of {name!r} add up to more than 1; lower one")
    return {
        name: Behaviour(body_bytes, latencies[name], latency_sigma, errors[name], hangs[name])
        for name in names
    }


def parse_services(text: str) -> tuple[str, ...]:
    """Read ``orders,users``; raises ValueError when a name is empty or given twice."""
    names = tuple(name.strip() for name in text.split(","))
    if "" in names or len(set(names)) < len(names):
        raise ValueError(f"--services: {text!r} has an empty or repeated name; write it as orders,users")
    return names


def per_service(option: str, text: str, services: tuple[str, ...], *, highest: float) -> dict[str, float]:
    """Read one number for all services, or ``orders=0.01,users=0`` with each of them.

    Raises ValueError that names the option, the bad part and its fix.
    """
    if "=" not in text:
        return dict.fromkeys(services, _number(option, text, highest))
    values: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in services:
            raise ValueError(f"{option}: no service {name!r}; there are {', '.join(services)}")
        values[name] = _number(option, value, highest)
    if missing := [name for name in services if name not in values]:
        raise ValueError(f"{option}: no value for {', '.join(missing)}; give each one, or one number for all")
    return values


def _number(option: str, text: str, highest: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= highest:
        raise ValueError(f"{option}: {text!r} is not a number from 0 to {highest:g}")
    return value

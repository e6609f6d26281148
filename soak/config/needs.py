"""Keys that do nothing without another one: silence about them would read as "it works"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from soak.contract import INJECT


@dataclass(frozen=True, slots=True)
class Need:
    """What a key needs to have an effect."""

    key: str
    what: str
    """What it needs, for the message."""
    is_met: Callable[[Callable[[str], Any]], bool]
    """Whether that is there; it gets what returns the value of a key, None where it is not given."""


NEEDS: Final = (
    Need("judge.inject", f'judge.control = "{INJECT}"', lambda value: value("judge.control") == INJECT),
    Need(
        "sampling.quiesce_pause_s",
        "sampling.quiesce_every_s",
        lambda value: value("sampling.quiesce_every_s") is not None,
    ),
    Need(
        "traffic.bind_port",
        "traffic.workers, traffic.remote_workers or traffic.locustfile",
        lambda value: any(map(value, ("traffic.workers", "traffic.remote_workers", "traffic.locustfile"))),
    ),
    Need(
        "traffic.incident",
        'traffic.shape = "incident"',
        lambda value: value("traffic.shape") == "incident",
    ),
    Need(
        "traffic.remote_timeout_s",
        "traffic.remote_workers",
        lambda value: bool(value("traffic.remote_workers")),
    ),
)


def without_effect(stages: Sequence[Mapping[str, Any]]) -> tuple[int, str] | None:
    """Return which stage of a profile brought in a key that never had an effect, and what is wrong with it; else None.

    The stages are the table of the file, and that after each setting. A key of the file whose need a setting takes away
    is meant so: no setting can remove the key.
    """
    for need in NEEDS:
        having = [number for number, table in enumerate(stages) if _value(table, need.key) is not None]
        if having and not any(need.is_met(partial(_value, stages[number])) for number in having):
            return having[0], f"{need.key} does nothing without {need.what}: give that, or leave it out."
    return None


def _value(table: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key with its tables; None where it is not given."""
    value: Any = table
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value

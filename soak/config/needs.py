"""Keys that do nothing without another one, or an arm: silence about them would read as "it works"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from soak.config.profile import Profile
from soak.contract import INJECT, candidate_arm, compared_arms


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


def no_arm_for(profile: Profile) -> str:
    """Return which key needs an arm that no arm is, and the fix; empty where all have theirs.

    A run may leave arms out, so these are all of the profile.
    """
    roles = {name: arm.role for name, arm in profile.arms.items()}
    before, _ = compared_arms(roles)
    candidate, judge = candidate_arm(roles, profile.judge.candidate), profile.judge
    if candidate is None:
        fix = 'give the arm to sign off role = "after", or name it as judge.candidate'
        if judge.control == INJECT:
            return f'judge.control = "{INJECT}" leaks in a copy of the candidate, and no arm is one: {fix}'
        if judge.stop_on_fail or profile.gates.limits:
            key = "judge.stop_on_fail" if judge.stop_on_fail else f"gates.{profile.gates.limits[0].gate}"
            return f"{key} is for the candidate, and no arm is one: {fix}"
    if candidate is not None and candidate == judge.control:
        return (
            f"judge.candidate and judge.control are both {candidate}: the leak of a control is called, so that it is "
            "never signed off; name another arm"
        )
    relative = [limit.gate for limit in profile.gates.limits if limit.needs_before]
    # of one arm alone, soak compare has the arm before in another run
    if relative and candidate == before and len(roles) > 1:
        return (
            f"gates.{relative[0]} compares the candidate with the arm before, and {candidate} is both: give the other "
            'arm role = "before"'
        )
    return ""


def _value(table: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key with its tables; None where it is not given."""
    value: Any = table
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value

"""A real memory limit for each life of an arm: the first mechanism of this machine that works."""

from __future__ import annotations

from soak.limit.base import Counters, LifeLimit, LimitMechanism, who_ended
from soak.limit.choose import Choice, choose

__all__ = ["Choice", "Counters", "LifeLimit", "LimitMechanism", "choose", "who_ended"]

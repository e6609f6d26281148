"""A real memory limit for each life of an arm: the first mechanism of this machine that works."""

from __future__ import annotations

from soak.limit.around import LimitAround, limit_around
from soak.limit.base import Counters, LifeLimit, LimitMechanism, Usage, who_ended
from soak.limit.cgroup import whole_pages
from soak.limit.choose import Choice, choose
from soak.limit.membership import threads_limit

__all__ = [
    "Choice",
    "Counters",
    "LifeLimit",
    "LimitAround",
    "LimitMechanism",
    "Usage",
    "choose",
    "limit_around",
    "threads_limit",
    "who_ended",
    "whole_pages",
]

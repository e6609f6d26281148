"""The readings of a load whose mix rotates: their growth by name of requests, and as in a constant mix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.judge.by_name import ERROR, GrowthByName, as_in_a_constant_mix, growth_by_name
from analysis.judge.types import Numbers, SignalSeries
from analysis.recording.sent_by_name import SentByName
from soak.contract import ROTATE_S


def growth_of(
    sent: SentByName, t_s: Numbers, value: Numbers, life: Numbers, error: float = ERROR
) -> GrowthByName:
    """Return the growth per request of each name; readings that are missing are left out.

    What a turn holds while it lasts, as connections and caches of one name are, is no growth.
    """
    read = np.isfinite(value) & np.isfinite(life)
    t_s, value, life = t_s[read], value[read], life[read]
    order = np.lexsort((t_s, life))
    t_s = t_s[order]
    held = sent.between(t_s - ROTATE_S / 2, t_s)
    return growth_by_name(value[order], sent.before(t_s), life[order], held=held, error=error)


def steadied(readings: SignalSeries, sent: SentByName) -> SignalSeries:
    """Return readings as they would be in a constant mix, where their growth follows some names more than others.

    A leak of one name grows in its turns only, which is like level shifts. Memory that changes in whole arenas stays as
    it is.
    """
    if not sent.sent or readings.quantum:
        return readings
    growth = growth_of(sent, readings.t_s, readings.value, readings.life)
    value = as_in_a_constant_mix(readings.value, sent.before(readings.t_s), growth)
    return replace(readings, value=value)

"""The least evidence on which an arm is judged: the judge requires it, and the plan of a run states it beforehand."""

from __future__ import annotations

from typing import Final

MIN_READINGS_UNDER_LOAD: Final = 12
"""Readings of a signal under load from which on it is judged."""
MIN_QUIESCE_POINTS: Final = 6
"""Quiesce points from which on a signal is judged."""

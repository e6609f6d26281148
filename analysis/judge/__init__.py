"""The judge: from readings of one signal to LEAK, NO LEAK or INCONCLUSIVE, with the interval behind it."""

from analysis.judge.signal import judge

__all__ = ["judge"]

"""The judge: from readings of one signal to LEAK, NO LEAK or INCONCLUSIVE, with the interval behind it."""

from analysis.judge.judge import judge

__all__ = ["judge"]

"""Readings of one signal go in; LEAK, NO LEAK or INCONCLUSIVE with its interval and its reason comes out."""

from analysis.judge.signal import judge_signal, unusable_judgement

__all__ = ["judge_signal", "unusable_judgement"]

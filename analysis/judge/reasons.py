"""Why a verdict, in one sentence with its numbers."""

from __future__ import annotations

from analysis.judge.decision import Trend, Why
from analysis.judge.types import Rate


def reason(
    trend: Trend, signal: str, margin_per_s: float, mean_rps: float | None, more_s: float | None
) -> str:
    """Return the sentence, without a full stop: per request where ``mean_rps`` is given, else per hour."""
    per, scale = ("request", 1 / mean_rps) if mean_rps else ("hour", 3600.0)
    rate = Rate(trend.rate.value * scale, trend.rate.low * scale, trend.rate.high * scale)
    unit = "bytes" if signal.endswith("bytes") else "units"
    if unit == "bytes" and per == "hour":
        unit, rate, margin_per_s = "MiB", Rate(*(end / 2**20 for end in _ends(rate))), margin_per_s / 2**20
    each = f"{unit} per {per}"
    margin = f"{_figure(margin_per_s * scale)} {each}"
    found = f"{_figure(rate.value)} {each} ({_figure(rate.low)} to {_figure(rate.high)})"
    longer = f"; about {_duration(more_s)} more of this load would tell" if more_s is not None else ""
    sentences: dict[Why, str] = {
        "leaks": f"it goes on growing by {found} and does not slow down",
        "bounded": f"any leak is below {_figure(rate.high)} {each}, the margin is {margin}",
        "between": f"a leak of {found} may be none, or above what the margin of {margin} allows{longer}",
        "fills": f"it grows by {found}, but something that fills up would look the same{longer}",
        "gauge": f"it grows by {found} while a gauge that may explain it still grows: run until that meets its bound",
        "late step": f"its level shifted in the last quarter of the run, maybe the first time of many{longer}",
        "load": f"it grows by {found}, but the load came and went too few times to tell that from its waves{longer}",
        "late": f"it grows by {found} late in the run, which may be the last rise of a wave{longer}",
        "rises": f"it still rises at the end of the run, though a warm-up may explain that{longer}",
        "falls": f"it changes by {found}, and nothing falls for ever: what falls hides what leaks{longer}",
        "restarts": f"it grows by {found}, but between its many restarts that may be what is left of a warm-up",
        "little": f"it grows by {found}, in all of this run by less than an allocator takes at one time{longer}",
        "drops": f"it grows by {found} and falls back, again and again: what is left each time may be nothing{longer}",
        "bursts": f"it grew by {found}, nearly all of it at one time{longer}",
    }
    return sentences[trend.why]


def _ends(rate: Rate) -> tuple[float, float, float]:
    return rate.value, rate.low, rate.high


def _figure(number: float) -> str:
    """Return a number with three figures: ``1,230``, ``12.3``, ``0.123``."""
    digits = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    return f"{round(number, digits) + 0.0:,.{digits}f}"


def _duration(seconds: float) -> str:
    """Return a duration in the unit that fits: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"

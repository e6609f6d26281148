"""The sentence of every reason for a verdict; nothing may depend on its words, see ``ReasonCode``."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import INCONCLUSIVE, Rate, ReasonCode
from soak.contract.units import three_digits

SENTENCES: Final = {
    ReasonCode.LEAKING: "growth of {rate} does not slow down",
    ReasonCode.BOUNDED: "leak below {bound} (95% upper bound); the margin is {margin}",
    ReasonCode.WIDE_INTERVAL: "{interval} includes both no relevant leak and one above the margin of {margin}",
    ReasonCode.FALLING: "{subject} is falling: {rate}; a falling baseline can mask a leak",
    ReasonCode.RISING_TAIL: "{subject} still rises at the end of the run, which may be a warm-up",
    ReasonCode.LATE_LEVEL_SHIFT: "level shift in the last quarter of the run; it may be the first of several",
    ReasonCode.GROWING_GAUGE: "growth of {rate} may be what a gauge counts that still grows: run until it is constant",
    ReasonCode.ONE_STEP: "nearly all growth, {rate}, happened in one step",
    ReasonCode.FALLS_BACK: "sawtooth that rises by {rate}, with no clear residual growth",
    ReasonCode.VARYING_LOAD: "growth of {rate} cannot be separated from the load, which varied too few times",
    ReasonCode.LATE_RISE: "growth of {rate} late in the run may be the last rise of a wave",
    ReasonCode.MANY_RESTARTS: "growth of {rate} between many restarts may be the rest of a warm-up",
    ReasonCode.UNKNOWN_LOAD: "{subject} changes unevenly, as with the load of a day, and the requests are not known "
    "({rate}): record one process for two days",
    ReasonCode.SHORT_LIVES: "more than a fifth of the readings are of lives too short to be judged, as processes "
    "began or ended repeatedly, which can hide a leak",
    ReasonCode.ONE_LIFE: "{subject} grows by {rate} in one of its lives by itself, and in none that settled grew so "
    "at that age: it may leak, or still warm up",
    ReasonCode.SATURATION: "growth of {rate} could also be a cache that is still filling",
    ReasonCode.FILLING_PART: "memory grows in several parts, one of which could also be a cache that is still filling",
    ReasonCode.RESERVE: (
        "a leak can hide in the {reserve:,.1f} MiB that memory of no known allocator gained since the start, which may "
        "be free; {times:.1f} times the load would decide"
    ),
    ReasonCode.UNCONFIRMED_FREE: (
        "{free:,.1f} MiB of the growth are free by the target's own account alone; {fix} would confirm them"
    ),
    ReasonCode.CONTRADICTED_FREE: (
        "the probe contradicts {witness}: it reports {reported:,.1f} MiB more free than at the start, and "
        "{unconfirmed:,.1f} MiB of free memory are not confirmed"
    ),
    ReasonCode.CLOSED_BY_DRAIN: (
        "{name} grew by {grew:,.0f} under load, and {closed:,.0f} were gone after it: the growth may be of what the "
        "load holds open, or a leak; a longer load would decide"
    ),
    ReasonCode.NO_MARGIN: "the margin is not a positive number",
    ReasonCode.NO_READINGS: "no readings",
    ReasonCode.TIME_BACKWARDS: "time goes backwards",
    ReasonCode.IMPLAUSIBLE_READINGS: "{count} readings are negative or implausibly large",
    ReasonCode.FEW_READINGS: "too few readings in long enough lives: {count}",
    ReasonCode.FEW_QUIESCE_POINTS: "too few quiesce points: {count}",
    ReasonCode.NO_REQUESTS: "the margin is per request, but request counts are not known",
}
"""Each without a full stop; ``{rate}`` is the rate with its interval."""

COUNT_NAMES: Final = {
    "tasks_alive": "tasks",
    "sessions_open": "open sessions",
    "fds": "file descriptors",
    "threads": "threads",
}
"""What a signal counts, by its column."""


def unusable_sentence(code: ReasonCode, count: int) -> str:
    """Return why readings cannot be judged; ``count`` is the number of those that the sentence is about."""
    return SENTENCES[code].format(count=count)


def reason_sentence(
    code: ReasonCode,
    rate: Rate,
    signal: str,
    margin_per_s: float,
    *,
    mean_rps: float | None,
    more_s: float | None,
) -> str:
    """Return the reason without a full stop.

    ``rate`` and ``margin_per_s`` are in the signal's unit per second. They are shown per request where ``mean_rps`` is
    given, else per hour. Every reason for INCONCLUSIVE ends with how much longer a run would decide, where that is
    known.
    """
    per, scale = ("request", 1 / mean_rps) if mean_rps else ("h", 3600.0)
    in_bytes = signal.endswith("bytes")
    write, unit = (
        (three_digits, "B") if in_bytes else (_count, COUNT_NAMES.get(signal, signal.replace("_", " ")))
    )
    if in_bytes and per == "h":
        unit, scale = "MiB", scale / 2**20
    each, shown = f"{unit}/{per}", rate.scaled(scale)
    low, high = write(shown.low), write(shown.high)
    sentence = SENTENCES[code].format(
        rate=f"{write(shown.value)} {each} ({low} to {high})",
        interval=f"the interval {low} to {high} {each}",
        bound=f"{high} {each}",
        margin=f"{write(margin_per_s * scale)} {each}",
        subject="memory" if in_bytes else f"the number of {unit}",
    )
    if code.verdict != INCONCLUSIVE or more_s is None:
        return sentence
    return f"{sentence}; about {_duration(more_s)} more of this load would decide"


def _count(number: float) -> str:
    """Return a number of a count with three figures, also below 1: ``12.3``, ``0.0102``; below 1e-6 it is 0."""
    if abs(number) >= 0.9995:
        return three_digits(number)
    return np.format_float_positional(float(f"{round(number, 6) + 0.0:.3g}"), trim="-")


def _duration(seconds: float) -> str:
    """Return a duration in the unit that fits: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"

"""The story of a leak for a developer: what grew, who retains it, where it is allocated, by which endpoint, since when.

Each step is one line, or states why it is not known; pages, Markdown and programs show the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from analysis.formatting import format_bytes, format_duration, format_interval, number_text
from analysis.growth.arm import ArmGrowth
from analysis.growth.by_endpoint import EndpointGrowth, endpoint_growth
from analysis.growth.classify import short_type
from analysis.growth.suspect import LeakSuspect
from analysis.judge.onset import Onset, find_onset
from analysis.judge.types import LEAK, Judgement, Margin
from analysis.recording.accounting import PARTS
from analysis.recording.model import Arm, Recording
from analysis.verdict.arm import ArmVerdict, JudgedArm
from analysis.verdict.signals import evidence, in_bytes
from analysis.verdict.wording import SIGNAL_NAMES, interval_text, rate_text

Question = Literal["grew", "retained_by", "allocated_at", "endpoint", "since"]
QUESTIONS: Final[dict[Question, str]] = {
    "grew": "What grew",
    "retained_by": "Retained by",
    "allocated_at": "Allocated at",
    "endpoint": "Endpoint",
    "since": "Since",
}
"""Questions of a story in their order, as they are shown."""
SHOWN: Final = 3
"""Types, holders, lines or endpoints that one step names."""


@dataclass(frozen=True, slots=True)
class StoryLine:
    """A line of a step."""

    text: str
    """Without a full stop."""
    code: str = ""
    """The text of the line of code that it names; empty without one."""


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step of a story."""

    question: Question
    lines: tuple[StoryLine, ...]
    """One or more; of what is not known one, which says why."""
    known: bool = True


@dataclass(frozen=True, slots=True)
class LeakStory:
    """The story of one arm that leaks."""

    arm: str
    steps: tuple[StoryStep, ...]
    onset: Onset | None
    """Since when the signal that leads grows; None where that is not clear."""
    endpoints: EndpointGrowth

    @property
    def known(self) -> tuple[StoryStep, ...]:
        """The steps that are known."""
        return tuple(step for step in self.steps if step.known)


def leak_stories(
    recording: Recording, judged: tuple[JudgedArm, ...], growth: tuple[ArmGrowth, ...]
) -> tuple[LeakStory, ...]:
    """Return the story of each arm that is LEAK, in the manifest's order."""
    grown = {one.arm: one for one in growth}
    return tuple(
        _story(recording, one.arm, one.verdict, grown.get(one.arm.name))
        for one in judged
        if one.verdict.verdict == LEAK
    )


def _story(recording: Recording, arm: Arm, verdict: ArmVerdict, growth: ArmGrowth | None) -> LeakStory:
    onset, endpoints = _onset(recording, arm, verdict), endpoint_growth(recording, arm)
    steps = (
        _grew(verdict, growth),
        _retained(growth),
        _allocated(),
        _endpoint(endpoints),
        _since(recording, onset),
    )
    return LeakStory(arm.name, steps, onset, endpoints)


def _known(question: Question, texts: Iterable[str]) -> StoryStep:
    return StoryStep(question, tuple(StoryLine(text) for text in texts))


def _unknown(question: Question, why: str) -> StoryStep:
    return StoryStep(question, (StoryLine(f"not known: {why}"),), known=False)


def _grew(verdict: ArmVerdict, growth: ArmGrowth | None) -> StoryStep:
    """Return the parts of memory and the counts that leak, with their rates, and the types whose objects grow."""
    leaking = [one for one in verdict.signals if one.leaks]
    parts = [one for one in leaking if one.judgement.signal in PARTS] or leaking[:1]
    texts = [
        _rate(one.judgement, verdict.margin)
        for one in leaking
        if one in parts or not in_bytes(one.judgement.signal)
    ]
    types = [one for one in (growth.types if growth else ()) if one.objects_per_request][:SHOWN]
    if types:
        objects = (f"{number_text(one.objects_per_request or 0.0)} {short_type(one.type)}" for one in types)
        texts.append(f"objects per request: {', '.join(objects)}")
    return _known("grew", texts or [verdict.reason])


def _rate(judgement: Judgement, margin: Margin) -> str:
    """Return the rate of a signal with its interval: ``Python memory 120 B/request (117 B to 123 B, 95%)``."""
    name = judgement.signal
    rate = judgement.per_s if margin.per_request is None else judgement.per_request
    of = f"{SIGNAL_NAMES[name]} " if in_bytes(name) else ""
    if rate is None:
        return SIGNAL_NAMES[name]
    return f"{of}{rate_text(rate.value, name, margin)} ({interval_text(rate, name, margin)}, 95%)"


def _retained(growth: ArmGrowth | None) -> StoryStep:
    suspects = growth.suspects if growth else ()
    held = [one for one in suspects if one.holder][:SHOWN]
    if not held:
        why = suspects[0].why if suspects else "no heap census was taken under load"
        return _unknown("retained_by", why)
    return _known("retained_by", map(_holder, held))


def _holder(one: LeakSuspect) -> str:
    items = "" if one.items_per_request is None else f", {number_text(one.items_per_request)} items/request"
    share = "" if one.share is None else f", {one.share:.0%} of the growth"
    return f"{one.name}: {one.kind}{items}{share}"


def _allocated() -> StoryStep:
    return _unknown("allocated_at", "the arm was not replayed")


def _endpoint(growth: EndpointGrowth) -> StoryStep:
    blocks = growth.blocks
    if blocks.reason:
        return _unknown("endpoint", blocks.reason)
    if blocks.alike:
        return _known("endpoint", ["every request alike: code that all share, or growth with time"])
    if not blocks.follows:
        return _unknown("endpoint", "live blocks follow no endpoint")
    return _known("endpoint", (_of_endpoint(name, growth) for name in blocks.follows[:SHOWN]))


def _of_endpoint(name: str, growth: EndpointGrowth) -> str:
    rate = growth.bytes.rates.get(name)
    of_bytes = ""
    if rate is not None and rate.low > 0:
        of_bytes = f", {format_bytes(rate.value)} ({format_interval(rate.low, rate.high, _bytes)}, 95%)"
    return f"{name}: {number_text(growth.blocks.rates[name].value)} blocks{of_bytes} per request of it"


def _bytes(size: float, more_digits: int) -> str:
    return format_bytes(size, more_digits=more_digits)


def _since(recording: Recording, onset: Onset | None) -> StoryStep:
    load = recording.load
    if onset is None or load is None:
        return _unknown("since", "the growth is too uneven to name a second")
    since, low, high = (
        format_duration(max(t_s - load.start_s, 0.0)) for t_s in (onset.since_s, onset.low_s, onset.high_s)
    )
    if onset.from_the_first:
        return _known("since", [f"the start of the load; above the noise after {high}"])
    return _known("since", [f"{since} into the load ({low} to {high}, 95%)"])


def _onset(recording: Recording, arm: Arm, verdict: ArmVerdict) -> Onset | None:
    """Return since when the signal of the verdict grows."""
    if recording.load is None or verdict.leading is None:
        return None
    found = evidence(arm, recording.load, verdict.margin, verdict.headroom_bytes)
    signals = () if found is None else found.accusers
    leading = verdict.leading.judgement.signal
    readings = next((one.readings for one in signals if one.readings.signal == leading), None)
    return None if readings is None else find_onset(readings)

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
from analysis.growth.classify import PENDING_TASKS, short_type
from analysis.growth.suspect import LeakSuspect, short_name
from analysis.judge.by_name import COUNTED_PERIODS
from analysis.judge.onset import Onset, find_onset
from analysis.judge.types import LEAK, Judgement, Margin
from analysis.recording.accounting import PARTS
from analysis.recording.model import Arm, Recording
from analysis.recording.replay import ReplayFiles, Site
from analysis.report.own_word import MARK
from analysis.report.site_lines import first_sites, site_text, why_no_lines
from analysis.sites.found import ArmSites
from analysis.verdict.arm import ArmVerdict, JudgedArm
from analysis.verdict.signals import evidence, in_bytes
from analysis.verdict.wording import SIGNAL_NAMES, interval_text, rate_text
from soak.contract import PASSES

Question = Literal["grew", "stuck_tasks", "retained_by", "allocated_at", "endpoint", "since"]
QUESTIONS: Final[dict[Question, str]] = {
    "grew": "What grew",
    "stuck_tasks": f"Stuck tasks {MARK}",
    "retained_by": "Retained by",
    "allocated_at": "Allocated at",
    "endpoint": "Endpoint",
    "since": "Since",
}
"""Questions of a story in their order, as they are shown."""
FEW: Final = 0.01
"""Objects per request below which a type is not named."""
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
    """One or more; of what is not known one, which states why."""
    known: bool = True

    @property
    def text(self) -> str:
        """All lines as one."""
        return "; ".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class LeakStory:
    """The story of one arm that leaks."""

    arm: str
    steps: tuple[StoryStep, ...]
    onset: Onset | None
    """Since when the signal that leads grows; None where that is not clear."""
    endpoints: EndpointGrowth

    @property
    def known_text(self) -> str:
        """What is known of where it comes from, as one line: ``retained by: app.cache ...; since: ...``."""
        told = (step for step in self.steps if step.known and step.question != "grew")
        return ". ".join(f"{QUESTIONS[step.question]}: {step.text}" for step in told)


def leak_stories(
    recording: Recording,
    judged: tuple[JudgedArm, ...],
    growth: tuple[ArmGrowth, ...],
    sites: tuple[ArmSites, ...] = (),
) -> tuple[LeakStory, ...]:
    """Return the story of each arm that is LEAK, in the manifest's order."""
    grown = {one.arm: one for one in growth}
    found = {one.arm: one for one in sites}
    return tuple(
        _story(recording, one.arm, one.verdict, grown.get(one.arm.name), found.get(one.arm.name))
        for one in judged
        if one.verdict.verdict == LEAK
    )


def _story(
    recording: Recording, arm: Arm, verdict: ArmVerdict, growth: ArmGrowth | None, sites: ArmSites | None
) -> LeakStory:
    onset, endpoints = _onset(recording, arm, verdict), endpoint_growth(recording, arm)
    steps = (
        _grew(verdict, growth),
        *stuck_step(growth),
        _retained(growth),
        _allocated(sites),
        _endpoint(endpoints, arm.replay, recording.manifest.only_kind),
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
    types = [one for one in (growth.types if growth else ()) if (one.objects_per_request or 0) >= FEW][:SHOWN]
    if types:
        objects = (f"{short_type(one.type)} {number_text(one.objects_per_request or 0.0)}" for one in types)
        texts.append(f"objects per request: {', '.join(objects)}")
    return _known("grew", texts or [verdict.reason])


def _rate(judgement: Judgement, margin: Margin) -> str:
    """Return the rate of a signal with its interval: ``Python memory 120 B/request (117 B to 123 B, 95%)``."""
    name = judgement.signal
    rate = margin.of(judgement.per_s, judgement.per_request)
    of = f"{SIGNAL_NAMES[name]} " if in_bytes(name) else ""
    if rate is None:
        return SIGNAL_NAMES[name]
    return f"{of}{rate_text(rate.value, name, margin)} ({interval_text(rate, name, margin)}, 95%)"


def stuck_step(growth: ArmGrowth | None) -> tuple[StoryStep, ...]:
    """Return how many pending tasks nothing can wake, and where most wait; no step where no task leaks."""
    stuck = growth.stuck if growth else None
    if growth is None or stuck is None or PENDING_TASKS not in {one.kind for one in growth.suspects}:
        return ()
    lines = [StoryLine(place.text, place.source) for place in stuck.places[:SHOWN]]
    return (StoryStep("stuck_tasks", (StoryLine(stuck.text), *lines), known=not stuck.refused),)


def _retained(growth: ArmGrowth | None) -> StoryStep:
    suspects = growth.suspects if growth else ()
    held = [one for one in suspects if one.holder][:SHOWN]
    if held:
        return _known("retained_by", map(_holder, held))
    if growth is None or not growth.censuses:
        return _unknown("retained_by", "no heap census was taken under load")
    if not suspects:
        return _unknown("retained_by", "no container grows in the heap censuses")
    return _unknown("retained_by", f"{suspects[0].kind}: {suspects[0].why}")


def _holder(one: LeakSuspect) -> str:
    items = "" if one.items_per_request is None else f", {number_text(one.items_per_request)} items/request"
    share = "" if one.share is None else f", {one.share:.0%} of the growth"
    return f"{short_name(one)}: {one.kind}{items}{share}"


def _allocated(sites: ArmSites | None) -> StoryStep:
    if sites is None or (why := why_no_lines(sites)):
        return _unknown("allocated_at", why if sites else "the arm was not replayed")
    return StoryStep(
        "allocated_at", tuple(StoryLine(site_text(site), site.source) for site in first_sites(sites))
    )


def _endpoint(growth: EndpointGrowth, replay: ReplayFiles, only_kind: str) -> StoryStep:
    blocks = growth.blocks
    if only_kind:
        return _known("endpoint", [f"{only_kind}, the only kind of request"])
    if blocks.follows:
        largest = sorted(blocks.follows, key=lambda name: -_bytes_of(name, growth))[:SHOWN]
        texts = [_of_endpoint(name, growth) for name in largest]
        if others := blocks.not_excluded:
            texts.append(f"not excluded: {', '.join(others[:SHOWN])}{', …' if len(others) > SHOWN else ''}")
        return _known("endpoint", texts)
    alike = ["every request alike: code that all share, or growth with time"] if blocks.alike else []
    named = dict.fromkeys(site.endpoint for site in replay.sites if site.endpoint)
    if alike or named:
        replayed = (_replayed(name, replay.sites) for name in [*named][:SHOWN])
        return _known("endpoint", [*alike, *replayed])
    too_few = _too_few_periods(replay)
    return _unknown(
        "endpoint", too_few or blocks.reason or "live blocks of no endpoint grow by more than those of all"
    )


def _too_few_periods(replay: ReplayFiles) -> str:
    """Return that a replay with sites had too few points to tell endpoints apart; empty where it had enough."""
    points = [one for one in replay.points if replay.sites and one.of_pass == PASSES[0] and one.requests]
    names = max((len(point.by_name) for point in points), default=0)
    periods = len(points) - 1
    if names < 2 or periods >= COUNTED_PERIODS:
        return ""
    return f"the replay had {periods} periods, {COUNTED_PERIODS} are needed: raise replay.seconds"


def _replayed(name: str, sites: tuple[Site, ...]) -> str:
    """Return an endpoint and the lines that keep memory with each request of it alone, in the replay."""
    lines = dict.fromkeys(site.your_line for site in sites if site.endpoint == name and site.your_line)
    return f"{name}{' at ' if lines else ''}{', '.join([*lines][:SHOWN])}, by the replay"


def _bytes_of(name: str, growth: EndpointGrowth) -> float:
    rate = growth.bytes.rates.get(name)
    return 0.0 if rate is None else rate.value


def _of_endpoint(name: str, growth: EndpointGrowth) -> str:
    rate = growth.bytes.rates.get(name)
    of_bytes = ""
    if rate is not None and rate.low > 0:
        of_bytes = f", {format_bytes(rate.value)} ({format_interval(rate.low, rate.high)}, 95%)"
    return f"{name}: {number_text(growth.blocks.rates[name].value)} blocks{of_bytes} per request of it"


def _since(recording: Recording, onset: Onset | None) -> StoryStep:
    load = recording.load
    if onset is None or load is None:
        return _unknown("since", "the growth is too uneven to name a second")
    since, low, high = (
        format_duration(max(t_s - load.start_s, 0.0)) for t_s in (onset.since_s, onset.low_s, onset.high_s)
    )
    if onset.from_the_first:
        at_once = onset.high_s - load.start_s < 1
        return _known("since", ["the start of the load" if at_once else f"the first {high} of the load"])
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

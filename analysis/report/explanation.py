"""How the run was judged, in plain words and with its numbers."""

from __future__ import annotations

from analysis.formatting import format_bytes, format_duration
from analysis.judge.types import LEAK, NO_LEAK, Margin
from analysis.prometheus.queries import Query
from analysis.recording.manifest import Manifest
from analysis.report.contents import ReportContents
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import FAMILY_ERROR, SignalVerdict
from analysis.verdict.injected import UNCOUNTED_SHARE, InjectedControl
from analysis.verdict.signals import BYTES_EACH, in_bytes
from analysis.verdict.wording import (
    SIGNAL_NAMES,
    injected_text,
    interval_text,
    margin_text,
    rate_text,
    signal_text,
)
from soak.contract import verdict_name


def decided(contents: ReportContents) -> tuple[str, ...]:
    """Return paragraphs: what was done, how each arm was judged, what the sign-off asks for."""
    return (
        _done(contents),
        *(_judged(contents, verdict) for verdict in contents.judged.verdicts),
        *_signed(contents),
    )


def _done(contents: ReportContents) -> str:
    recording = contents.recording
    manifest, load = recording.manifest, recording.load
    if load is None:
        return "The run did not reach the phase load, so there is nothing to judge."
    lasted = format_duration(load.end_s - load.start_s)
    every = f"memory was read every {manifest.every_s:g} s"
    if manifest.from_prometheus:
        return (
            f"The memory of {lasted} was fetched from Prometheus, which {_done_at_each_step(manifest)} every "
            f"{manifest.every_s:g} s. Each service is judged by itself, never their sum; a restart and a roll-out "
            "begin a new life, and the requests go on over them. The family-wise false-alarm rate of "
            f"{FAMILY_ERROR:.1%} is divided among {len(recording.arms)}."
        )
    if manifest.attached:
        known = manifest.prometheus is not None and any(not arm.requests.empty for arm in recording.arms)
        sent = "send; their requests are those that Prometheus has" if known else "send or record"
        return f"soak attached to running processes, whose load it did not {sent}; for {lasted} {every}."
    sent = ", ".join(f"{load.arm} {load.sent:,}" for load in contents.loads)
    how = (
        "the users of a locustfile sent requests"
        if manifest.closed_loop
        else "all arms received the same scheduled requests"
    )
    elsewhere = [arm.name for arm in contents.recording.arms if arm.url]
    source = "from outside the process"
    if elsewhere:
        source += f", that of {', '.join(elsewhere)} from its own metrics, which are its own word"
    return (
        f"For {lasted} {how}: {sent}. {every.capitalize()}, {source}; a warm-up, which is not judged, had filled "
        "caches and pools."
    )


def _done_at_each_step(manifest: Manifest) -> str:
    """Return what Prometheus did at each step: scraped samples are its readings, an expression is our question."""
    asked = manifest.prometheus
    scraped = asked is not None and Query(asked.query, "--query").is_selector
    return "read it" if scraped else "evaluated the query"


def _judged(contents: ReportContents, verdict: ArmVerdict) -> str:
    leading, rate, margin = verdict.leading, verdict.rate, verdict.margin
    if leading is None or rate is None:
        return f"{verdict.arm} is {verdict_name(verdict.verdict)}: {verdict.reason}."
    name, judgement = leading.judgement.signal, leading.judgement
    settled = ", where no request is in flight" if leading.settled else ""
    why = {
        LEAK: "The interval lies above zero and the leak matters: LEAK.",
        NO_LEAK: f"The interval{_with_reserve(verdict)} lies below the margin: NO LEAK.",
    }.get(verdict.verdict, f"This does not decide: {verdict.reason}.")
    since = "The"
    if judgement.steady_from_s is not None and contents.recording.load is not None:
        settling = judgement.steady_from_s - contents.recording.load.start_s
        since = f"Once settled, {format_duration(settling)} into the load, the" if settling > 1 else "The"
    detectable = (
        ""
        if verdict.detectable is None
        else f"The minimum detectable leak is {rate_text(verdict.detectable, name, margin)}. "
    )
    return (
        f"{verdict.arm} is judged by {signal_text(leading)}{settled}. {since} trend is "
        f"{rate_text(rate.value, name, margin)}, with a 95% interval of {interval_text(rate, name, margin)}. "
        f"The margin, the smallest leak that matters, is {_margin(leading, margin)}. "
        f"{detectable}{why}{_others(verdict)}"
    )


def _with_reserve(verdict: ArmVerdict) -> str:
    """Return that the interval has the reserve in it, where there is one."""
    if not verdict.reserve_bytes:
        return ""
    return (
        f", with a reserve of {format_bytes(verdict.reserve_bytes)} (what memory of no known allocator gained since "
        "the start of the process, in which a leak could hide),"
    )


def _margin(leading: SignalVerdict, margin: Margin) -> str:
    """Return the margin in the unit of the signal, and in bytes where that is another."""
    name, of_signal = leading.judgement.signal, leading.margin
    value = margin.of(of_signal.per_s, of_signal.per_request)
    if in_bytes(name) or value is None:
        return margin_text(margin)
    matters = f"of memory, {margin_text(margin)}"
    if value < (margin.amount or 0.0) / BYTES_EACH[name]:
        matters = "what a pool may gain, or meets its limit within 30 days"
    return f"{rate_text(value, name, margin)} ({matters})"


def _others(verdict: ArmVerdict) -> str:
    others = [SIGNAL_NAMES[s.judgement.signal] for s in verdict.signals if s is not verdict.leading]
    leaks = [
        SIGNAL_NAMES[s.judgement.signal] for s in verdict.signals if s.leaks and s is not verdict.leading
    ]
    accusers = len(verdict.signals) - (verdict.charged is not None)
    if not others:
        return ""
    return (
        f" Also tested: {', '.join(others)}. Also leaking: {', '.join(leaks) or 'none'}. The family-wise false-alarm "
        f"rate of {FAMILY_ERROR:.1%} is split over {accusers} signals (Bonferroni)."
    )


def _injected(control: InjectedControl, candidate: str) -> str:
    copy = control.copy.verdict.arm
    return (
        f"{copy} is the control: a copy of {candidate} in which the probe kept {injected_text(control)}, "
        f"{format_bytes(control.injected_bytes)} in all. Sign-off requires that a part of its memory is LEAK, and that "
        f"its rate agrees at 99.9% with the injected one, within {UNCOUNTED_SHARE:.0%} for what allocators add, beside "
        f"the rate of {candidate} itself. It does not show that a leak of another shape than a steady one would be "
        "detected, or that the load drives the path on which the service leaks."
    )


def _signed(contents: ReportContents) -> tuple[str, ...]:
    signoff, lines = contents.judged.signoff, []
    if (control := contents.judged.control) is not None:
        lines.append(_injected(control, signoff.candidate))
    elif signoff.control:
        lines.append(
            f"{signoff.control} is the control: its leak is known, and sign-off requires it to be detected."
        )
    if contents.reasons:
        lines.append("Problems with this recording: " + "; ".join(contents.reasons) + ".")
    elif contents.recording.manifest.from_prometheus:
        pass
    elif contents.recording.manifest.attached:
        lines.append("The recording is complete.")
    elif contents.recording.manifest.closed_loop:
        lines.append("The recording is complete, and the users sent requests throughout the load.")
    else:
        lines.append("The recording is complete, and the load arrived as planned.")
    return tuple(lines)

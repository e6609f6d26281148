"""The replay of a run that has just ended: which arms, one after the other, and what is recorded of it."""

from __future__ import annotations

import csv
import io
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from soak import contract
from soak.contract import LEAK, MOST_REASON, NO_LEAK, ArmReplay
from soak.contract.units import clock_text
from soak.errors import HarnessError, SoakError, message_line
from soak.plan.arm_plan import ArmPlan
from soak.plan.run_plan import RunPlan
from soak.recording.files import amend
from soak.regular_files import read_regular, write_text
from soak.replay.life import Life
from soak.replay.one_pass import TIME_OVER, PassResult, PassRun, PassState
from soak.replay.passes import Pass, native_pass, python_pass
from soak.replay.plan import plan_pass
from soak.replay.recorded import changed_code
from soak.replay.verdicts import Judged, judged_arms
from soak.supervisor.launch import Ended
from soak.supervisor.session import Session

EXPLAINED: Final = 0.5
"""Share of the leak below which native memory is looked for, as well."""
SECOND_PASS: Final = 0.5
"""Time that is kept for the native pass where the Python pass decides whether there is one, in times of the latter."""
SEGFAULTS: Final = (-signal.SIGSEGV, 128 + signal.SIGSEGV)
"""Exit codes of a process, and of a container, that a segmentation fault has ended."""


def replay_run(ended: Ended) -> None:
    """Replay the arms of a run that leak, and record it in the manifest; raises nothing.

    The verdict is printed first. Ctrl-C ends the replay alone.
    """
    try:
        _replay_run(ended)
    except Exception as error:  # noqa: BLE001 - a full disk, or a defect of ours, must not cost the run its exit code
        ended.session.progress.print_line(f"replay: {message_line(error)}")


def _replay_run(ended: Ended) -> None:
    plan = ended.plan
    candidates = [arm for arm in plan.arms if is_eligible(plan, arm)]
    if not candidates:
        return
    seconds = plan.profile.replay.seconds
    if not seconds:
        off = ArmReplay("refused", "replay.seconds is 0")
        record(ended, {arm.name: off for arm in candidates})
        return
    if _are_cleared(ended, candidates):
        return
    try:
        found = judged_arms(ended)
    except SoakError as error:
        reason = message_line(error).rstrip(".")
        ended.session.progress.print_line(f"replay: {reason}")
        record(ended, {arm.name: ArmReplay("refused", reason) for arm in candidates})
        return
    leaking = [arm for arm in candidates if arm.name in found and found[arm.name].verdict == LEAK]
    refused = _of_changed_code(ended, leaking)
    unchanged = [arm for arm in leaking if arm.name not in refused]
    if leaking:
        record(ended, refused | replay_arms(ended, unchanged, seconds, found))


def _of_changed_code(ended: Ended, arms: Sequence[ArmPlan]) -> dict[str, ArmReplay]:
    """Return the arms that would not run as they did, refused: their code was changed during the run."""
    facts = {one["name"]: one for one in ended.session.manifest["arms"]}
    changed = {arm.name: "; ".join(changed_code(facts[arm.name], arm)) for arm in arms}
    return {
        name: ArmReplay("refused", f"it would not run as it did: {why}")
        for name, why in changed.items()
        if why
    }


def replay_arms(
    ended: Ended, arms: Sequence[ArmPlan], seconds: float, found: Mapping[str, Judged]
) -> dict[str, ArmReplay]:
    """Replay arms one after the other within so many seconds, and print what each came to; raises nothing.

    ``found`` is what the analysis found of them.
    """
    session = ended.session
    done: dict[str, ArmReplay] = {}
    until_s = session.clock.now_s() + seconds
    native = {arm.name: arm.name in found and found[arm.name].native for arm in arms}
    leaks = {arm.name: arm.name not in found or found[arm.name].verdict == LEAK for arm in arms}
    mode = ended.plan.profile.replay.native
    parts = [_parts(mode, is_native=native[arm.name], leaks=leaks[arm.name]) for arm in arms]
    for number, arm in enumerate(arms):
        share_s = (until_s - session.clock.now_s()) * parts[number] / sum(parts[number:])
        done[arm.name] = replay_arm(
            ended, arm, session.clock.now_s() + share_s, is_native=native[arm.name], leaks=leaks[arm.name]
        )
        session.progress.print_line(_summary(arm.name, done[arm.name]))
    return done


def _parts(native: str, *, is_native: bool, leaks: bool) -> float:
    """Return the time of an arm in times of its passes that are certain, by ``replay.native``."""
    return 1.0 if native != "auto" or is_native or not leaks else 1.0 + SECOND_PASS


def _are_cleared(ended: Ended, arms: Sequence[ArmPlan]) -> bool:
    """Whether the last verdict under load cleared all of the arms: then the run need not be judged twice."""
    live = contract.read_live(ended.plan.run_directory / contract.LIVE)
    seen = {} if live is None else live.arms
    return all(arm.name in seen and seen[arm.name].verdict == NO_LEAK for arm in arms)


def is_eligible(plan: RunPlan, arm: ArmPlan) -> bool:
    """Whether an arm is replayed where it leaks: a control only where that is asked for, and never an injected one."""
    is_control = arm.name == plan.profile.judge.control
    return arm.injected is None and (not is_control or plan.profile.replay.control)


def replay_arm(
    ended: Ended, arm: ArmPlan, until_s: float, *, is_native: bool, leaks: bool = True
) -> ArmReplay:
    """Replay one arm until ``until_s`` (``t_s``); raises nothing.

    ``is_native``: what leaks is of native code, by its suspects. Where it is not, and the Python pass explains less
    than half of the leak of an arm that ``leaks``, the native pass takes the rest of the time, a third is kept for it.
    """
    clock = ended.session.clock
    began_s = clock.now_s()
    if ended.session.stop_request.is_noted:
        return ArmReplay("interrupted", f"{ended.session.stop_request.signal_name} before it")
    if arm.metrics:
        return ArmReplay("refused", "it runs elsewhere, and is not started here")
    results: dict[str, PassResult] = {}
    try:
        for one, end_s in _passes(ended, arm, until_s, is_native=is_native, leaks=leaks):
            results[one.name] = _run_pass(ended, arm, one, end_s)
            if results[one.name].is_interrupted:
                break
    except (SoakError, OSError) as error:
        return _cut_short(message_line(error), clock.now_s() - began_s, results)
    except Exception as error:  # noqa: BLE001 - a defect of ours must not cost the run its report
        return _cut_short(message_line(f"{type(error).__name__}: {error}"), clock.now_s() - began_s, results)
    return outcome(results, clock.now_s() - began_s)


def _passes(
    ended: Ended, arm: ArmPlan, until_s: float, *, is_native: bool, leaks: bool
) -> Iterator[tuple[Pass, float]]:
    """Yield the passes of an arm, each with its end (``t_s``); whether there is a second one depends on the first."""
    profile, began_s = ended.plan.profile, ended.session.clock.now_s()
    native = profile.replay.native
    has_both = native == "on" or (native == "auto" and is_native)
    parts = _parts(native, is_native=is_native, leaks=leaks)
    yield python_pass(profile.replay), began_s + (until_s - began_s) / (2.0 if has_both else parts)
    is_open = parts > 1.0  # time is kept for a second pass
    if has_both or (is_open and explained_share(ended.plan.run_directory / arm.name) < EXPLAINED):
        yield native_pass(profile), until_s


def explained_share(directory: Path) -> float:
    """Return the share of the leak that the Python pass explains; 1 where it has no sites.csv or that is not known."""
    try:
        text = read_regular(directory / contract.SITES).decode()
        rows = [row for row in csv.DictReader(io.StringIO(text)) if row["pass"] == contract.BY_TRACEMALLOC]
        return sum(float(row["share"]) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return 1.0


def outcome(results: Mapping[str, PassResult], seconds: float) -> ArmReplay:
    """Return what the passes of an arm came to."""
    done = tuple(name for name, result in results.items() if result.is_analysed)
    reasons = [f"{name}: {result.reason}" for name, result in results.items() if result.reason]
    interrupted = any(result.is_interrupted for result in results.values())
    requests = sum(result.requests for result in results.values())
    status: Literal["done", "refused", "interrupted"] = "done" if done else "refused"
    if len(results) == 1:
        reasons = [result.reason for result in results.values() if result.reason]
    return ArmReplay(
        "interrupted" if interrupted else status, "; ".join(reasons), round(seconds, 1), requests, done
    )


def _cut_short(reason: str, seconds: float, results: Mapping[str, PassResult]) -> ArmReplay:
    """Return what the passes came to before the one that failed: what was analysed stays."""
    before = outcome(results, seconds)
    return replace(before, status="done" if before.passes else "refused", reason=reason)


def _run_pass(ended: Ended, arm: ArmPlan, one: Pass, until_s: float) -> PassResult:
    result = _run_life(ended, arm, one, until_s)
    has_time = ended.session.clock.now_s() < until_s
    if one.name == contract.BY_MEMRAY and result.died in SEGFAULTS and not result.points and has_time:
        # before Python 3.12 memray loses track of greenlets that take turns: one request at a time has one of them
        return _run_life(ended, arm, one, until_s, users=1)
    return result


def _run_life(ended: Ended, arm: ArmPlan, one: Pass, until_s: float, users: int | None = None) -> PassResult:
    """Carry out a pass; ``users`` send at once, None: as many as in the run."""
    if ended.session.clock.now_s() >= until_s:
        return PassResult(reason=TIME_OVER)
    plan = plan_pass(ended.plan, arm, one, ended.private, psutil.virtual_memory().available, users)
    session, traffic = ended.session, ended.plan.traffic
    traffic = replace(traffic, users_per_arm=users or traffic.users_per_arm)
    write_text(ended.private / contract.TRAFFIC, traffic.to_json())
    life = Life(
        plan, session, ended.mechanism, lambda: _show(session, f"{arm.name}, {one.name}", running.state)
    )
    running = PassRun(plan, life, session.clock.now_s, until_s)
    return running.go()


def _show(session: Session, what: str, state: PassState) -> None:
    left = clock_text(state.until_s - session.clock.now_s())
    points = f"{state.points} of at most {contract.MOST_REPLAY_POINTS} points"
    text = f"replay [{left} left] {what}: {points}, {state.requests:,} requests"
    session.progress.show_text(text, session.clock.now_s())


def _summary(name: str, found: ArmReplay) -> str:
    why = f": {found.reason}" if found.reason else ""
    return f"replay of {name}: {found.status} in {found.seconds:.0f} s, {found.requests:,} requests{why}"


def record(ended: Ended, found: Mapping[str, ArmReplay]) -> None:
    """Write what the replays came to into the manifest, and the hashes of their files.

    Where that is impossible the recording stays as it was judged, and has no replay.
    """
    session = ended.session
    session.manifest = {**session.manifest, "replay": facts(found)}
    if not (session.directory / contract.SUMS).exists():
        session.save_manifest("complete")
        return
    try:
        amend(session.directory, session.manifest_at("complete"))
    except HarnessError as error:
        session.progress.print_line(f"warning: the replay is not recorded: {error}")


def facts(found: Mapping[str, ArmReplay]) -> dict[str, Any]:
    """Return what the replays came to, as the manifest has it; of a reason MOST_REASON characters."""
    short = {name: replace(replay, reason=replay.reason[:MOST_REASON]) for name, replay in found.items()}
    return {name: asdict(replay) for name, replay in short.items()}

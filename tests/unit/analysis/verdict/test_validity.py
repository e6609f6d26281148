from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.recording.model import Arm, Gap, Life
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.verdict.run import judged_run
from analysis.verdict.validity import (
    ENDED,
    Objection,
    ObjectionKind,
    alive_seconds,
    arm_objections,
    load_summary,
)
from soak.contract import DRAIN, LOAD, WARMUP

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


def reasons(run_dir: Path) -> tuple[str, ...]:
    """Return why the recording is inconclusive."""
    return report_contents(read_recording(run_dir)).reasons


def test_a_whole_recording_has_no_reason_against_it(build_run: Build) -> None:
    """Requests missed while an arm was dead are stated, and are no reason."""
    findings = report_contents(read_recording(build_run()))
    assert findings.reasons == ()
    leaky, fixed = findings.loads
    assert (leaky.planned, leaky.sent, leaky.missed, leaky.missed_dead) == (14_400, 14_160, 240, 240)
    assert (fixed.planned, fixed.sent, fixed.missed, fixed.missed_dead) == (14_400, 14_400, 0, 0)
    assert (leaky.arrived, fixed.arrived) == (1.0, 1.0)


def test_a_load_that_did_not_arrive_is_a_reason(build_run: Build) -> None:
    """Nothing can be said of a target that did not get its load."""
    assert reasons(build_run(sent_share=0.975, kill_hour=None)) == (
        "leaky: 14,040 of 14,400 requests planned while it was alive were sent (97.5%, at least 99% are needed)",
        "fixed: 14,040 of 14,400 requests planned while it was alive were sent (97.5%, at least 99% are needed)",
    )


def test_lost_requests_are_a_reason(build_run: Build) -> None:
    """Without requests.csv nobody knows whether the load arrived; one cut short says how far it goes."""
    run_dir = build_run()
    (run_dir / "leaky" / "requests.csv").unlink()
    path = run_dir / "fixed" / "requests.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:100]))
    assert reasons(run_dir) == (
        "leaky: requests.csv is missing (No such file or directory)",
        "fixed: requests.csv has 84 of the load's 180 seconds",
    )


def test_a_run_that_was_interrupted_is_a_reason(build_run: Build) -> None:
    """A Ctrl-C in the middle is told with its detail, and how much of the load there was."""
    assert reasons(build_run(status="interrupted", status_detail="Ctrl-C", end_s=81.0)) == (
        "the run was interrupted: Ctrl-C",
        "the load was cut short: 59 s of the planned 180 s",
    )


def test_a_supervisor_that_was_killed_is_a_reason(build_run: Build) -> None:
    """A manifest that still says running has lost its supervisor."""
    assert reasons(build_run(status="running", end_s=15.0))[0] == (
        "the run never ended its recording: the supervisor was killed, or is still at work"
    )


def test_a_run_that_never_loaded_is_a_reason(build_run: Build) -> None:
    """Without the phase load there is nothing to judge."""
    assert reasons(build_run(status="failed", status_detail="port taken", end_s=15.0)) == (
        "the run failed: port taken",
        "the run did not reach the phase load",
    )


def test_missed_ticks_are_a_reason_beyond_one_in_twenty(build_run: Build) -> None:
    """Nine of 180 seconds may be missed, or read without memory; ten may not."""
    run_dir = build_run()
    path = run_dir / "fixed" / "samples.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:60] + lines[69:]))
    assert reasons(run_dir) == ()
    path.write_text("".join(lines[:60] + lines[70:]))
    assert reasons(run_dir) == (
        "fixed: memory was read at 170 of the 180 ticks while it was alive and loaded",
    )


def _rewrite(path: Path, change: Callable[[dict[str, str]], None]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_load_that_was_refused_is_a_reason(build_run: Build) -> None:
    """An arm that answers 404 to everything shows no growth, and that says nothing of the code behind it."""
    run_dir = build_run()

    def refuse(row: dict[str, str]) -> None:
        row["failed_4xx"], row["ok"] = row["ok"], "0"

    _rewrite(run_dir / "fixed" / "requests.csv", refuse)
    assert reasons(run_dir) == (
        "fixed: 14,400 of 14,400 requests sent while it was alive failed, 14,400 of them by 4xx (at most 5% may)",
    )


def test_failures_of_a_dead_arm_are_no_reason(build_run: Build) -> None:
    """Connections that nobody accepts after a kill are the incident, not a load that went astray."""
    run_dir = build_run()

    def refuse(row: dict[str, str]) -> None:
        if row["planned"] != row["sent"]:
            row["failed_connect"] = row["planned"]

    _rewrite(run_dir / "leaky" / "requests.csv", refuse)
    assert reasons(run_dir) == ()


def test_a_probe_that_fell_silent_is_a_reason(build_run: Build) -> None:
    """It answered before the load, so its silence under load is missing evidence; an arm without a probe is none."""
    run_dir = build_run()

    def silence(row: dict[str, str]) -> None:
        if row["phase"] == "load":
            row["probe_ms"] = ""

    _rewrite(run_dir / "fixed" / "samples.csv", silence)
    assert reasons(run_dir) == ("fixed: its probe answered at 0 of 180 samples under load",)


def test_an_arm_without_a_probe_is_no_reason(build_run: Build) -> None:
    """It is sampled from outside, and the report says so."""
    assert reasons(build_run(probe=False)) == ()


def test_an_arm_that_was_dead_for_long_is_a_reason(build_run: Build) -> None:
    """It ended by itself and stayed dead: what was seen of it shows no growth, and too little was seen."""
    recording = read_recording(build_run())
    leaky, fixed = recording.arms
    dead = replace(fixed, lives=(replace(fixed.lives[0], end_s=90.0),))
    text = "was alive for 69 s of the load's 180 s (at least 90% are needed)"
    loads = [load_summary(arm, recording.load) for arm in (fixed, dead)]
    assert arm_objections(recording, fixed, loads[0]) == ()
    assert arm_objections(recording, dead, loads[1]) == (Objection("fixed", ObjectionKind.UNREAD, text),)
    judged = judged_run(replace(recording, arms=(leaky, dead)))
    assert judged.signoff.decision == "inconclusive"
    assert judged.reasons == (f"fixed: {text}",)


def test_workers_that_take_turns_are_one_arm_alive(build_run: Build) -> None:
    """Each is recycled after a second and a half, and the next is ready before it ends."""
    arm, seconds = read_recording(build_run()).arms[1], pd.Series(np.arange(0.0, 60.0))
    lives = tuple(Life(n, n, 1.5 * n, 1.5 * n, 1.5 * n + 1.6, "itself") for n in range(40))
    assert alive_seconds(replace(arm, lives=lives), seconds).sum() == 59
    apart = tuple(replace(life, end_s=life.end_s - 0.2) for life in lives)
    assert alive_seconds(replace(arm, lives=apart), seconds).sum() == 0


def test_the_rhythm_of_the_sampler_is_reckoned_with(build_run: Build) -> None:
    """A sample every 0.1 s makes 1,800 ticks of three minutes: 180 are too few."""
    run_dir = build_run()
    manifest = run_dir / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"every_s": 1.0', '"every_s": 0.1'))
    assert "fixed: memory was read at 180 of the 1800 ticks while it was alive and loaded" in reasons(run_dir)


@pytest.mark.parametrize(
    ("missing", "found"),
    [
        ((), ()),
        ((7, 17), ("fixed: memory was read at 18 of the 20 ticks while it was alive and loaded",)),
    ],
)
def test_a_row_that_was_not_due_is_no_gap_and_one_that_was_is(
    build_run: Build, missing: tuple[int, ...], found: tuple[str, ...]
) -> None:
    """Rows each 9 s are all there are of a long load; without one in ten of them memory was not read."""
    run_dir = build_run()
    manifest, path = run_dir / "manifest.json", run_dir / "fixed" / "samples.csv"
    manifest.write_text(manifest.read_text().replace('"every_s": 1.0', '"every_s": 9.0'))
    head, *lines = path.read_text().splitlines()
    kept = [line for number, line in enumerate(lines[::9]) if number not in missing]
    path.write_text("\n".join((head, *kept, "")))
    assert reasons(run_dir) == found


def test_processes_that_nobody_looked_into_are_a_reason(build_run: Build) -> None:
    """The leak may be in a worker that was not sampled."""
    run_dir = build_run()
    with (run_dir / "events.csv").open("a") as file:
        file.write("220,2026-01-01T00:03:40Z,unsampled,fixed,1,12,,2 processes below pid 12\n")
    assert reasons(run_dir) == ("fixed: 2 processes below pid 12 were not sampled",)


def _of_users(run_dir: Path) -> Path:
    """Let the load be that of a locustfile's users; return the run directory."""
    manifest = run_dir / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(facts | {"config": {"traffic": {"locustfile": "team.py"}}}))
    return run_dir


@pytest.mark.parametrize(
    ("of_100", "found"), [(0, ()), (1, ()), (2, ("288 of 14,400",)), (100, ("14,400 of 14,400",))]
)
@pytest.mark.parametrize("planned", [True, False])
def test_requests_that_end_neither_way_are_a_reason(
    build_run: Build, of_100: int, found: tuple[str, ...], *, planned: bool
) -> None:
    """They may all have failed; what was in flight at the end of the load has ended in the drain."""
    run_dir = build_run(kill_hour=None)
    if not planned:
        _of_users(run_dir)

    def lose(row: dict[str, str]) -> None:
        row["ok"] = f"{float(row['ok']) * (100 - of_100) / 100}"

    _rewrite(run_dir / "fixed" / "requests.csv", lose)
    assert reasons(run_dir) == tuple(
        f"fixed: {count} requests neither succeeded nor failed, not even in the drain (at most 1% may); where answers "
        "take long, raise phases.drain_s"
        for count in found
    )


def test_users_who_stop_are_a_reason(build_run: Build) -> None:
    """Without a plan, requests must be sent throughout; a pause of some seconds is none."""
    run_dir = _of_users(build_run(kill_hour=None))
    for arm, silent_s in (("leaky", 9), ("fixed", 30)):
        path = run_dir / arm / "requests.csv"
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows[60 : 60 + silent_s]:
            row.update(dict.fromkeys(("planned", "sent", "ok"), "0"))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    (reason,) = reasons(run_dir)
    assert re.fullmatch(
        r"fixed: in 21 of the 1\d\d seconds while it was alive and loaded no user had sent a request for 10 s "
        r"\(at most 1% may\)",
        reason,
    )


def test_an_objection_to_another_arm_is_none_to_this_one(build_run: Build) -> None:
    """Whatever its text is: the arms are told apart by the record, also where one's name begins another's sentence."""
    recording = read_recording(build_run())
    leaky, fixed = recording.arms
    gaps = (Gap(None, "events.csv is empty"), Gap("leaky", "fixed: samples.csv is empty"))
    changed = replace(recording, gaps=gaps)
    texts = {
        arm.name: [one.text for one in arm_objections(changed, arm, load_summary(arm, recording.load))]
        for arm in (leaky, fixed)
    }
    assert texts == {
        "leaky": ["events.csv is empty", "fixed: samples.csv is empty"],
        "fixed": ["events.csv is empty"],
    }
    assert judged_run(changed).reasons == ("events.csv is empty", "leaky: fixed: samples.csv is empty")


@pytest.mark.parametrize(("ok", "planned", "share"), [(99, 100, 0.99), (101, 100, 1.0), (0, 0, None)])
def test_availability_is_at_most_1(build_run: Build, ok: int, planned: int, share: float | None) -> None:
    """Answers of the warm-up fall into the load's first second; claims and gates use the one figure."""
    recording = read_recording(build_run())
    load = replace(load_summary(recording.arms[1], recording.load), ok=ok, planned=planned)
    assert load.availability == share


def test_what_is_answered_after_the_load_counts(build_run: Build) -> None:
    """As WebSockets are, which the drain closes; those that the warm-up left open do not, nor what was never sent."""
    recording = read_recording(build_run())
    arm, load = recording.arms[1], recording.load
    assert load is not None
    whole = load_summary(arm, load)
    assert whole.availability == 1.0

    def moved(count: int, *, sent_before: int = 0) -> Arm:
        """Let requests of the load's last second end in the drain, and some be sent before the load."""
        rows = arm.requests.copy()
        last = rows.index[rows["phase"] == LOAD][-1]
        drain = rows.iloc[-1:].assign(t_s=rows["t_s"].max() + 1, phase=DRAIN, planned=0, sent=0, ok=count)
        rows.loc[last, "ok"] -= count
        before = rows.index[rows["phase"] == "warm-up"][-1]
        rows.loc[before, "ok"] -= sent_before
        rows.loc[last, "ok"] += sent_before
        return replace(arm, requests=pd.concat([rows, drain], ignore_index=True))

    assert load_summary(moved(5), load).ok == whole.ok
    assert load_summary(moved(5, sent_before=3), load).ok == whole.ok
    lost = moved(5)
    lost.requests.loc[lost.requests.index[-1], "ok"] = 0
    assert load_summary(lost, load).ok == whole.ok - 5


def drained(arm: Arm, **counts: int) -> pd.DataFrame:
    """Return the requests of an arm with a second of the drain in which so many ended."""
    zeros = dict.fromkeys(("planned", "sent", "missed", *ENDED), 0)
    last = arm.requests.iloc[-1:]
    drain = last.assign(t_s=last["t_s"] + 1, phase=DRAIN, **(zeros | counts))
    return pd.concat([arm.requests, drain], ignore_index=True)


def test_what_fails_after_the_load_has_failed(build_run: Build) -> None:
    """WebSockets that all fail in the drain are in the gate and the objection; no more than were in flight are."""
    recording = read_recording(build_run(kill_hour=None))
    arm, load = recording.arms[1], recording.load
    assert load is not None
    whole = load_summary(arm, load)
    during = arm.requests["phase"] == LOAD
    sockets = replace(arm, requests=arm.requests.assign(ok=arm.requests["ok"].where(~during, 70)))
    sockets = replace(sockets, requests=drained(sockets, failed_reset=1_800))
    found = load_summary(sockets, load)
    assert (found.sent, found.ok, found.failed["reset"], found.failed_alive["reset"]) == (
        14_400,
        12_600,
        1_800,
        1_800,
    )
    assert [one.text for one in arm_objections(recording, sockets, found)] == [
        "1,800 of 14,400 requests sent while it was alive failed, 1,800 of them by reset (at most 5% may)"
    ]
    more = replace(sockets, requests=sockets.requests.replace({"failed_reset": {1_800: 3_600}}))
    assert load_summary(more, load).failed == found.failed
    none_open = load_summary(replace(arm, requests=drained(arm, failed_reset=50, ok=50)), load)
    assert (none_open.ok, none_open.failed) == (whole.ok, whole.failed)


def test_requests_of_before_the_load_cost_none_of_its_answers(build_run: Build) -> None:
    """Those of the warm-up that fail in the load, and those of an earlier load that never end."""
    recording = read_recording(build_run(kill_hour=None))
    arm, load = recording.arms[1], recording.load
    assert load is not None
    whole = load_summary(arm, load)
    first, before = (arm.requests.index[arm.requests["phase"] == phase] for phase in (LOAD, WARMUP))
    timed_out = arm.requests.copy()
    timed_out.loc[before[-1], "ok"] -= 50
    timed_out.loc[first[1], "failed_timeout"] += 50
    found = load_summary(replace(arm, requests=timed_out), load)
    assert (found.ok, found.failed["timeout"], found.availability) == (whole.sent, 50, 1.0)
    earlier = arm.requests.copy()
    earlier.loc[before[:2], "phase"] = [LOAD, DRAIN]
    earlier.loc[before[0], "ok"] -= 70
    assert load_summary(replace(arm, requests=earlier), load).ok == whole.sent
    late = earlier.copy()
    late.loc[first[0], "ok"] += 70
    assert load_summary(replace(arm, requests=late), load).ok == whole.sent


def test_a_main_process_that_lives_throughout_is_alive_while_workers_are_replaced(build_run: Build) -> None:
    """The stretches of such an arm have gaps, from the end of a worker to the next tick; the arm has none."""
    arm = read_recording(build_run()).arms[0]
    seconds = pd.Series(np.arange(0.0, 60.0))
    stretches = tuple(Life(k, 1, 10.0 * k, 10.0 * k, 10.0 * k + 5, None) for k in range(6))
    processes = (
        Life(1, 1, 0.0, 0.0, 60.0, "soak"),
        *(Life(k + 2, 9, 10.0 * k, 10.0 * k, 10.0 * k + 5, "") for k in range(6)),
    )
    assert alive_seconds(replace(arm, lives=stretches, processes=processes), seconds).sum() == 59

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.recording.model import Gap, Life, Phase
from analysis.recording.read import read_recording
from analysis.verdict.validity import load_summary
from soak.errors import RecordingError

Build = Callable[..., Path]


def test_phases_and_lives_come_from_the_events(build_run: Build) -> None:
    """Each phase ends where the next begins, and a kill with its restart makes two lives."""
    recording = read_recording(build_run())
    assert recording.gaps == ()
    assert recording.phases == (
        Phase("idle", 0.0, 6.0),
        Phase("warm-up", 6.0, 21.0),
        Phase("load", 21.0, 201.0),
        Phase("drain", 201.0, 211.0),
        Phase("quiesce", 211.0, 216.0),
    )
    leaky, fixed = recording.arms
    assert leaky.lives == (
        Life(1, 100, 0.1, 0.9, 189.0, "kernel"),
        Life(2, 200, 191.0, 192.0, 215.5, "soak"),
    )
    assert [life.oom_killed for life in leaky.lives] == [True, False]
    assert fixed.lives == (Life(1, 101, 0.1, 0.9, 215.5, "soak"),)
    assert recording.hours(189.0) == pytest.approx(5.6)


def test_a_run_cut_short_ends_with_its_last_row(build_run: Build) -> None:
    """Without run_end and exit events, what was recorded last ends the phase and the lives."""
    recording = read_recording(build_run(status="running", end_s=100.0))
    assert recording.phases[-1] == Phase("load", 21.0, 99.002)
    assert {(life.end_s, life.ended_by) for arm in recording.arms for life in arm.lives} == {(99.002, None)}


def test_samples_of_the_ladder_and_of_a_life_not_ready_are_left_out(build_run: Build) -> None:
    """Memory after gc.collect, or of a process still importing, is no ordinary reading."""
    run_dir = build_run()
    path = run_dir / "fixed" / "samples.csv"
    rows = path.read_text().splitlines()
    early = rows[1].replace("1.002", "0.502", 1)
    rung = rows[-1].replace("214.002", "214.502", 1).replace(",quiesce,,", ",quiesce,collected,", 1)
    path.write_text("\n".join([*rows, early, rung, ""]))
    fixed = read_recording(run_dir).arms[1]
    assert len(fixed.samples) == len(rows) - 1
    assert fixed.samples["t_s"].agg(["min", "max"]).to_list() == [1.002, 214.002]


def test_a_ladder_before_the_load_is_that_of_an_earlier_one(build_run: Build) -> None:
    """A run led by hand loads again: what was read before says nothing of what the last load left."""
    run_dir = build_run()
    path = run_dir / "fixed" / "samples.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*(row.replace(",idle,,", ",quiesce,drained,", 1) for row in rows), ""]))
    assert read_recording(run_dir).arms[1].ladder.empty
    path.write_text("\n".join([*(row.replace(",quiesce,,", ",quiesce,drained,", 1) for row in rows), ""]))
    assert read_recording(run_dir).arms[1].ladder["rung"].to_list() == ["drained"]


def test_points_are_neither_samples_nor_rungs_of_the_ladder(build_run: Build) -> None:
    """They stand apart, all of them, with the columns of what is held and its parts."""
    run_dir = build_run()
    path = run_dir / "fixed" / "samples.csv"
    rows = path.read_text().splitlines()
    at_100, at_110 = (
        next(row for row in rows if row.startswith(f"{t_s}.002")).replace(",load,,", ",load,point,", 1)
        for t_s in (100, 110)
    )
    path.write_text("\n".join([*rows, at_100, at_110, ""]))
    fixed = read_recording(run_dir).arms[1]
    assert len(fixed.samples) == len(rows) - 1
    assert fixed.ladder.empty
    assert fixed.points["t_s"].to_list() == [100.002, 110.002]
    columns = {"held_bytes", "python_bytes", "native_bytes", "rest_bytes", "fds", "threads", "tasks_alive"}
    assert columns <= set(fixed.points.columns) & set(fixed.samples.columns) & set(fixed.ladder.columns)


def test_samples_without_events_are_kept(build_run: Build) -> None:
    """When events.csv is lost, the readings are still there to be drawn."""
    run_dir = build_run()
    (run_dir / "events.csv").unlink()
    recording = read_recording(run_dir)
    assert recording.gaps == (Gap(None, "events.csv is missing (No such file or directory)"),)
    assert recording.load is None
    assert len(recording.arms[1].samples) == 214


def test_gaps_and_an_arm_that_stays_dead_are_noted(build_run: Build) -> None:
    """Missed readings are counted, not listed; an arm that stays dead is named."""
    run_dir = build_run()
    with (run_dir / "events.csv").open("a") as events:
        events.write(
            "50,,gap,fixed,1,101,,probe late\n60,,gap,fixed,1,101,,probe late\n70,,given_up,leaky,2,,,died twice\n"
        )
    leaky, fixed = read_recording(run_dir).arms
    assert fixed.notes == ("readings missed: 3 probe; the first at 50 s: probe late",)
    assert leaky.notes == ("not restarted, 70 s: died twice",)


def test_a_lost_worker_of_locust_is_noted_at_every_arm(build_run: Build) -> None:
    """Its share of the load was theirs, and the reason that requests did not arrive does not name it."""
    run_dir = build_run()
    with (run_dir / "events.csv").open("a") as events:
        events.write("50,,worker_lost,,,,,host_1: the rest of its share counts as missed\n")
    note = "a worker of Locust was lost at 50 s, host_1: the rest of its share counts as missed"
    assert [arm.notes for arm in read_recording(run_dir).arms] == [(note,), (note,)]


def test_an_incremental_collector_is_noted_once(build_run: Build) -> None:
    """Of an arm whose Python frees reference cycles late; the others have no such note."""
    run_dir = build_run()
    with (run_dir / "events.csv").open("a") as events:
        events.write("50,,incremental_collector,fixed,,,,CPython 3.14.2\n" * 2)
    leaky, fixed = read_recording(run_dir).arms
    assert (leaky.incremental_collector, leaky.notes) == ("", ())
    assert fixed.incremental_collector == "CPython 3.14.2"
    assert fixed.notes == (
        "CPython 3.14.2 has the incremental collector of 3.14.0 to 3.14.4: reference cycles are freed late, and memory "
        "can grow several-fold before; use 3.14.5 or later",
    )


def test_a_damaged_file_is_named_with_its_arm(build_run: Build) -> None:
    """Every gap says which file of which arm it is in."""
    run_dir = build_run()
    with (run_dir / "leaky" / "samples.csv").open("a") as samples:
        samples.write("215.0,torn")
    (run_dir / "fixed" / "requests.csv").write_text("")
    (run_dir / "fixed" / "latency.hlog").unlink()
    assert read_recording(run_dir).gaps == (
        Gap("leaky", "samples.csv: its last line is torn and was dropped"),
        Gap("fixed", "requests.csv is empty"),
        Gap("fixed", "latency.hlog is missing"),
    )


def test_seconds_without_a_count_that_older_recordings_lack_are_a_gap_where_others_have_it(
    build_run: Build,
) -> None:
    """A recording without the column at all is older; one with half of it is damaged."""
    run_dir = build_run()
    path = run_dir / "fixed" / "requests.csv"
    frame = pd.read_csv(path)
    frame["failed_refused"] = [0.0, None] * (len(frame) // 2) + [0.0] * (len(frame) % 2)
    frame.to_csv(path, index=False)
    [gap] = read_recording(run_dir).gaps
    assert gap.arm == "fixed"
    assert gap.text.startswith(f"{len(frame) // 2} rows of requests.csv lack a count")
    frame.assign(failed_refused=None, failed_too_large=None).to_csv(path, index=False)
    assert read_recording(run_dir).gaps == ()


def test_seconds_without_counts_are_a_gap(build_run: Build) -> None:
    """Nothing planned, nothing lost: half of a load that nobody recorded would have arrived as planned."""
    run_dir = build_run()
    path = run_dir / "fixed" / "requests.csv"
    frame = pd.read_csv(path)
    late = frame["t_s"] > frame["t_s"].median()
    frame.loc[late, ["planned", "sent", "ok"]] = None
    frame.to_csv(path, index=False)
    [gap] = read_recording(run_dir).gaps
    first_s = frame.loc[late, "t_s"].iloc[0]
    assert gap == Gap(
        "fixed", f"{late.sum()} rows of requests.csv lack a count, the first at t_s {first_s:.3f}"
    )


def test_a_recording_without_a_kind_of_failure_of_today(build_run: Build) -> None:
    """Requests of an earlier version lack the column of answers that are too large: no gap, and nothing failed so."""
    run_dir = build_run()
    path = run_dir / "fixed" / "requests.csv"
    frame = pd.read_csv(path)
    frame.drop(columns="failed_too_large").to_csv(path, index=False)
    recording = read_recording(run_dir)
    assert recording.gaps == ()
    assert load_summary(recording.arms[1], recording.load).failed["too_large"] == 0


def change_manifest(run_dir: Path, **keys: Any) -> None:
    """Replace keys of the manifest."""
    path = run_dir / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"schema_version": 3}, "schema_version is 3, this version reads 1 and 2; make the report with"),
        ({"schema_version": None}, "schema_version is None"),
        ({"hour_s": 0}, "key hour_s: Input should be greater than 0"),
        ({"hour_s": 1e-300}, "key hour_s: Value error, it must be between 1e-9 and 1e18"),
        ({"started_wall_time": "9999-12-31T23:59:59Z"}, "its year must be between 1970 and 9000"),
        ({"planned_load_s": -1}, "key planned_load_s: "),
        ({"planned_load_s": float("nan")}, "not readable (NaN is no number)"),
        ({"planned_load_s": 10**400}, "not readable (a number of 401 digits)"),
        ({"arms": [{"name": "x", "role": "old", "memory_limit_bytes": None}]}, "key arms.0.role: "),
        ({"arms": []}, "key arms: "),
        *(
            ({"arms": [{"name": name, "role": "", "memory_limit_bytes": None}]}, "key arms.0.name: ")
            for name in ("", "..", "../fixed", "a/b", "nul\0", "x" * 300)
        ),
        (
            {"arms": [{"name": "x", "role": "", "memory_limit_bytes": None}] * 2},
            "arms: the name 'x' is there twice",
        ),
        ({"profile": "half \ud800"}, "not readable ("),
        ({"status": "fine"}, "key status: "),
    ],
)
def test_a_manifest_that_cannot_be_used_is_an_error(
    build_run: Build, keys: dict[str, Any], said: str
) -> None:
    """Another schema version and a bad value are refused with the file and the key."""
    run_dir = build_run()
    change_manifest(run_dir, **keys)
    with pytest.raises(RecordingError, match=r"manifest\.json: ") as error:
        read_recording(run_dir)
    assert said in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 100_000])
def test_a_damaged_manifest_is_an_error(build_run: Build, content: bytes) -> None:
    """A manifest that is no JSON object is refused, without a traceback of its parser."""
    run_dir = build_run()
    (run_dir / "manifest.json").write_bytes(content)
    with pytest.raises(RecordingError, match=r"manifest\.json: "):
        read_recording(run_dir)


def test_a_manifest_that_is_no_file_is_an_error(build_run: Build) -> None:
    """A FIFO is not waited for, a device is not read without end: one line that names the file and what it is."""
    run_dir = build_run()
    path = run_dir / "manifest.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(
        RecordingError, match=r"manifest\.json: not readable \(it is a FIFO, not a regular file\)"
    ):
        read_recording(run_dir)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(
        RecordingError, match=r"manifest\.json: not readable \(it is a link, not a regular file\)"
    ):
        read_recording(run_dir)


def test_a_missing_run_is_an_error(tmp_path: Path) -> None:
    """A directory that is not there, and one that is no run, are told apart."""
    with pytest.raises(RecordingError, match="no such run directory"):
        read_recording(tmp_path / "nothing")
    with pytest.raises(RecordingError, match="is no run directory"):
        read_recording(tmp_path)


def test_the_flag_of_the_incident_is_read_under_its_old_key(build_run: Build) -> None:
    """Manifests of older versions have ``article`` where today's have ``incident``."""
    path = build_run() / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"article": content.pop("incident"), **content}))
    assert read_recording(path.parent).manifest.incident


@pytest.mark.parametrize(
    ("roles", "judge", "candidate", "baseline"),
    [
        (("before", "after"), {}, "fixed", "leaky"),
        (("", ""), {}, "fixed", "leaky"),
        (("",), {}, "leaky", "leaky"),
        (("before",), {}, None, "leaky"),
        (("before", "after"), {"candidate": "other"}, "other", "leaky"),
    ],
)
def test_an_older_manifest_has_its_roles_and_margin_resolved(
    build_run: Build,
    roles: tuple[str, ...],
    judge: dict[str, str],
    candidate: str | None,
    baseline: str | None,
) -> None:
    """As a run resolves them today."""
    margin = {"max_leak_bytes_per_request": 7.0}
    manifest = read_recording(build_run(roles=roles, judge=judge | margin)).manifest
    assert (manifest.candidate, manifest.baseline) == (candidate, baseline)
    assert manifest.margin.max_leak_bytes_per_request == 7.0


def test_what_a_manifest_resolved_is_not_resolved_again(build_run: Build) -> None:
    """A run writes candidate, baseline and margin; null is no arm. The oldest manifests have no judge at all."""
    run_dir = build_run()
    path = run_dir / "manifest.json"
    facts = json.loads(path.read_text())
    margin = {"max_leak_bytes_per_s": 5.0}
    path.write_text(json.dumps(facts | {"candidate": None, "baseline": "fixed", "margin": margin}))
    manifest = read_recording(run_dir).manifest
    assert (manifest.candidate, manifest.baseline, manifest.margin.max_leak_bytes_per_s) == (None, "fixed", 5)
    path.write_text(json.dumps({key: value for key, value in facts.items() if key != "judge"}))
    assert read_recording(run_dir).manifest.margin.max_leak_bytes_per_s == pytest.approx(2**20 / 3600)

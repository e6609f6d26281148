"""A recording that grows: what is kept of it, and that it does not depend on when it was looked at."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analysis.commands.live import live
from analysis.recording import growing
from analysis.recording.growing import GrowingArm, GrowingRecording, Thinned, keep_readings_and_peaks
from analysis.recording.manifest import read_manifest
from analysis.recording.model import Recording
from analysis.recording.read import read_recording
from soak.contract import LOAD, ROTATE_S
from tests.support.planted_heap import FOUR_LEAKS, write_heap
from tests.support.planted_processes import PlantedProcess, write_processes

Build = Callable[..., Path]
FRAMES = ("samples", "points", "ladder", "requests", "by_process")


def grow(source: Path, target: Path, share: float) -> None:
    """Make every table in ``target`` the first ``share`` of its bytes, which may end within a line."""
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            content = path.read_bytes()
            whole = path.suffix == ".json"
            copy.write_bytes(content if whole else content[: int(share * len(content))])


def assert_equal(one: Recording, other: Recording) -> None:
    """Compare all that a live verdict is made of."""
    assert one.phases == other.phases
    for mine, theirs in zip(one.arms, other.arms, strict=True):
        assert mine.lives == theirs.lives
        for name in FRAMES:
            assert_frame_equal(getattr(mine, name), getattr(theirs, name), obj=name, check_like=True)
        for name in ("containers", "holders"):
            assert_frame_equal(
                getattr(mine.heap, name).reset_index(drop=True),
                getattr(theirs.heap, name).reset_index(drop=True),
                obj=name,
            )


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a recording of minutes exceeds several times."""
    for name, most in (("MOST_GROUPS", 20), ("MOST_POINT_GROUPS", 4), ("MOST_CENSUS_GROUPS", 6)):
        monkeypatch.setattr(growing, name, most)


def whole_run(build_run: Build) -> Path:
    """Write a run with heap files and return its directory."""
    run_dir = build_run(status="running", end_s=150.0)
    write_heap(run_dir / "leaky", FOUR_LEAKS, end_s=150.0)
    return run_dir


@pytest.mark.usefixtures("small_bounds", "planted_verdicts")
def test_each_look_is_as_a_first_look_at_the_same_rows(build_run: Build, tmp_path: Path) -> None:
    """At many instants, also in the middle of a line, rows and verdicts are those of a judge that begins there."""
    source, target = whole_run(build_run), tmp_path / "grown"
    followed = None
    shares = sorted(Random(1).uniform(0.01, 1.0) for _ in range(12))
    for look, share in enumerate((*shares, 1.0), 1):
        grow(source, target, share)
        followed = followed or GrowingRecording(target)
        so_far, fresh = followed.read(), GrowingRecording(target).read()
        assert_equal(so_far, fresh)
        if so_far.load:
            assert live(so_far, look) == live(fresh, look)


@pytest.mark.usefixtures("small_bounds")
def test_processes_of_one_tick_are_kept_together(build_run: Build, tmp_path: Path) -> None:
    """So that an arm of several processes is the same sum however its rows were cut."""
    source = build_run(status="running", end_s=150.0)
    write_processes(
        source, "leaky", [PlantedProcess(rss_bytes=1e3 * number) for number in range(3)], end_s=150.0
    )
    followed, so_far = None, GrowingRecording(source).read()
    for share in np.linspace(0.1, 1.0, 8):
        grow(source, tmp_path / "grown", float(share))
        followed = followed or GrowingRecording(tmp_path / "grown")
        so_far = followed.read()
        assert_equal(so_far, GrowingRecording(tmp_path / "grown").read())
    assert set(so_far.arms[0].by_process.groupby("t_s").size()) == {3}


def test_a_recording_within_the_bounds_is_kept_whole(build_run: Build) -> None:
    """The first quarter of an hour is judged as the report would judge it."""
    run_dir = whole_run(build_run)
    kept, whole = GrowingRecording(run_dir).read(), read_recording(run_dir)
    for mine, theirs in zip(kept.arms, whole.arms, strict=True):
        for name in FRAMES:
            assert_frame_equal(getattr(mine, name), getattr(theirs, name), obj=name)
    for mine, theirs in zip(kept.arms[:1], whole.arms[:1], strict=True):  # the other arm has no heap files
        assert_frame_equal(
            mine.heap.containers, theirs.heap.containers.astype(mine.heap.containers.dtypes), check_like=True
        )


@pytest.mark.usefixtures("small_bounds")
def test_requests_and_the_highest_memory_are_kept_exactly(build_run: Build) -> None:
    """However few rows are left, no request and no peak is lost."""
    run_dir = whole_run(build_run)
    kept, whole = GrowingRecording(run_dir).read(), read_recording(run_dir)
    for mine, theirs in zip(kept.arms, whole.arms, strict=True):
        assert len(mine.samples) < len(theirs.samples)
        assert len(mine.requests) <= 21
        assert mine.requests["ok"].sum() == theirs.requests["ok"].sum()
        assert mine.samples["rss_bytes"].max() == theirs.samples["rss_bytes"].max()
        assert mine.samples["t_s"].max() == theirs.samples["t_s"].max()


def test_rows_are_bounded_and_a_rare_reading_is_kept() -> None:
    """A column read at every fiftieth tick keeps all its readings, until a group has two of them."""
    kept, ticks, part = Thinned(100, keep_readings_and_peaks), 6000, 500
    for begin in range(0, ticks, part):
        t_s = np.arange(begin, begin + part, dtype=float)
        nothing = np.full(part, np.nan)
        kept.add(
            pd.DataFrame(
                {
                    "t_s": t_s,
                    "phase": "load",
                    "rss_bytes": 1e6 + t_s,
                    "cgroup_bytes": nothing,
                    "cgroup_file_bytes": nothing,
                    "pool_free_bytes": np.where(t_s % 50 == 7, t_s, np.nan),
                }
            )
        )
        assert len(kept.rows()) <= 300
    old, new = np.arange(0, 2816), np.arange(3200, ticks)  # in groups of 64, those between in groups of 32
    rare = kept.rows()["pool_free_bytes"].dropna().to_numpy()
    for moments, group in ((old, 64), (np.arange(2816, 3200), 32), (new, 64)):
        theirs = rare[(rare >= moments[0]) & (rare <= moments[-1])]
        assert set(theirs // group) == set(moments[moments % 50 == 7] // group)
        assert len(theirs) == len(set(theirs // group))


@pytest.mark.parametrize("most", [2, 6, 64])
def test_the_number_of_groups_stays_the_same(most: int) -> None:
    """Once there are as many as may be, so that what is kept takes the same memory at every hour.

    A group holds its moments and no other, and groups only ever merge.
    """
    thinned, before = Thinned(most, keep_readings_and_peaks), np.arange(0)
    for moments in range(1, 40 * most):
        thinned.moments = moments
        moment = np.arange(moments)
        group = thinned.groups_of(moment)
        assert (np.diff(group) >= 0).all()
        assert len(np.unique(group)) == min(moments, most)
        assert np.diff(np.unique(group), append=moments).max() <= 2 * moments / most + 2
        if len(before):
            assert len({(one, other) for one, other in zip(before, group, strict=False)}) == len(set(before))
        before = group


def test_three_days_are_kept_in_the_memory_of_twelve_hours() -> None:
    """A row per second, a slower reading each 5 s and a census each 30 s: 64 KiB more at most, in sixty hours.

    Once a group is longer than the time between two censuses, it is as many rows but for some.
    """
    kept, sizes = Thinned(growing.MOST_GROUPS, keep_readings_and_peaks), []
    noise = np.random.default_rng(1)
    for hour in range(72):
        t_s = np.arange(hour * 3600.0, (hour + 1) * 3600.0)
        memory = 1e8 + noise.normal(0.0, 1e5, len(t_s))
        kept.add(
            pd.DataFrame(
                {
                    "t_s": t_s,
                    "phase": "load",
                    "rss_bytes": memory,
                    "cgroup_bytes": memory + noise.normal(0.0, 1e5, len(t_s)),
                    "cgroup_file_bytes": 0.0,
                    "uss_bytes": np.where(t_s % 5 == 0, memory, np.nan),
                    "pool_free_bytes": np.where(t_s % 30 == 7, t_s, np.nan),
                }
            )
        )
        sizes.append(int(kept.rows().memory_usage(deep=True).sum()))
    assert max(sizes[12:]) - sizes[11] < 64 << 10
    assert max(sizes[17:]) - min(sizes[17:]) < 4 << 10
    assert max(sizes) < 1 << 20


@pytest.mark.usefixtures("small_bounds")
def test_equal_texts_of_many_looks_are_one_object(build_run: Build, tmp_path: Path) -> None:
    """Each look parses texts of its own, so that a row of each look would keep some of them."""
    source, target = whole_run(build_run), tmp_path / "grown"
    grow(source, target, 0.1)
    followed = GrowingArm(target / "leaky", read_manifest(target))
    for share in (0.3, 0.5, 0.7, 0.9):
        grow(source, target, share)
        tables = followed.read()
    phases = tables.samples.frame["phase"].to_numpy(object)
    assert len({id(phase) for phase in phases[phases == LOAD]}) <= 2


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("grows", [True, False])
def test_many_looks_leave_no_references_behind(build_run: Build, tmp_path: Path, *, grows: bool) -> None:
    """pandas keeps one to each view of a table, dead or not, up to some hundreds; also where nothing is new."""
    source, target = whole_run(build_run), tmp_path / "grown"
    grow(source, target, 0.3)
    followed, counts = GrowingRecording(target), []
    for look in range(60):
        if grows:
            grow(source, target, 0.3 + look / 100)
        followed.read()
        if look in (29, 59):
            gc.collect()
            counts.append(sum(type(one) is weakref.ref and one() is None for one in gc.get_objects()))
    assert counts[1] - counts[0] < 100  # those of one look are there until the next


@pytest.mark.usefixtures("small_bounds")
def test_of_a_mix_that_rotates_all_is_known_that_was_sent_before_a_reading(
    build_run: Build, tmp_path: Path
) -> None:
    """And within half a turn before it, exactly; the seconds between the readings that are kept are not."""
    source, target = whole_run(build_run), tmp_path / "grown"
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["config"] = {"traffic": {"mix": "rotate"}}
    (source / "manifest.json").write_text(json.dumps(manifest))
    path = source / "leaky" / "requests.csv"
    requests = pd.read_csv(path)
    requests["sent_by_name"] = [
        json.dumps({"add": 9 * (second // 10 % 2) + 1, "find": 20 + second % 7}) for second in requests.index
    ]
    requests.to_csv(path, index=False)
    followed = None
    for share in (0.05, 0.2, 0.21, 0.5, 0.8, 1.0):
        grow(source, target, share)
        followed = followed or GrowingRecording(target)
        kept = followed.read().arms[0]
    whole = read_recording(source).arms[0]
    t_s = kept.samples["t_s"].to_numpy()
    assert kept.sent.sent.keys() == {"add", "find"}
    for moments in (t_s, t_s - ROTATE_S / 2):
        for name, sent in whole.sent.before(moments).items():
            np.testing.assert_array_equal(kept.sent.before(moments)[name], sent)
    assert len(kept.sent.ends_s) < 4 * len(kept.samples) + 2 * ROTATE_S < len(requests)


def test_of_the_gaps_of_an_arm_the_first_is_kept(build_run: Build) -> None:
    """A busy machine has some each second; a note tells of the first, and all other events are kept."""
    run_dir = whole_run(build_run)
    with (run_dir / "events.csv").open("a") as file:
        file.writelines(f"{t_s}.000,,gap,leaky,,,,tick: missed\n" for t_s in range(100, 400))
    growing_recording = GrowingRecording(run_dir)
    kept, whole = growing_recording.read(), read_recording(run_dir)
    assert [arm.notes for arm in kept.arms] == [arm.notes for arm in whole.arms]
    assert "the first at 100 s: tick: missed" in " ".join(kept.arms[0].notes)
    before = len((run_dir / "events.csv").read_text().splitlines()) - 301
    assert len(growing_recording._known) == before + 1


def test_a_damaged_line_costs_only_itself(build_run: Build, tmp_path: Path) -> None:
    """A judge that follows goes on behind it."""
    source, target = whole_run(build_run), tmp_path / "grown"
    grow(source, target, 0.5)
    followed = GrowingRecording(target)
    followed.read()
    samples = source / "leaky" / "samples.csv"
    lines = samples.read_bytes().splitlines(keepends=True)
    lines[100] = b"\xff,torn\n"
    samples.write_bytes(b"".join(lines))
    grow(source, target, 1.0)
    so_far, whole = followed.read(), read_recording(source)
    assert len(so_far.arms[0].samples) == len(whole.arms[0].samples)

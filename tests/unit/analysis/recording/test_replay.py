from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.recording.read import read_recording
from analysis.recording.replay import ReplayFiles, read_replay
from soak.contract import REPLAY, SITES
from soak.recording.files import record_sums
from tests.support.planted_replay import SITE, add_replay, write_points, write_sites

Build = Callable[..., Path]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Points with their requests by name, and sites in their order; a site without interval or share has none."""
    write_points(tmp_path, [400, 800], [{"a": 300, "b": 100}, {"a": 600, "b": 200}])
    few = replace(SITE, rank=2, low=None, high=None, share=None, source='a "quoted", line')
    write_sites(tmp_path, [SITE, few])
    found = read_replay(tmp_path)
    assert found.sites == (SITE, few)
    assert [(point.number, point.requests, point.by_name) for point in found.points] == [
        (0, 400.0, {"a": 300.0, "b": 100.0}),
        (1, 800.0, {"a": 600.0, "b": 200.0}),
    ]
    assert found.gaps == ()


def test_a_recording_without_a_replay_has_none(build_run: Build) -> None:
    """Recordings made before there was one are read as they were."""
    recording = read_recording(build_run())
    assert recording.manifest.replay == {}
    assert all(arm.replay == ReplayFiles() for arm in recording.arms)


def test_a_damaged_entry_of_a_replay_costs_no_verdict(build_run: Build) -> None:
    """It is no evidence: a reason that is too long is left out, and so is what is no replay."""
    run_dir = build_run()
    add_replay(run_dir, "leaky", status="refused", reason="x" * 2_001)
    assert read_recording(run_dir).manifest.replay == {}


def test_a_replay_is_part_of_its_recording(build_run: Build) -> None:
    """Its outcome is in the manifest, its sites are with the arm."""
    run_dir = build_run()
    write_sites(run_dir / "leaky", [SITE])
    add_replay(run_dir, "leaky", status="refused", reason="no probe")
    recording = read_recording(run_dir)
    assert recording.arms[0].replay.sites == (SITE,)
    assert recording.manifest.replay["leaky"].reason == "no probe"


@pytest.mark.parametrize(
    ("cell", "instead"),
    [
        ("15176.0", "many"),
        ("15176.0", "nan"),
        ("15176.0", "-5"),
        ("python", "perl"),
        (",1,", ",1,,"),
        ("0.88", "1e99"),
    ],
)
def test_a_damaged_row_is_left_out(cell: str, instead: str, tmp_path: Path) -> None:
    """And is a sentence; the other rows stay."""
    write_sites(tmp_path, [SITE, replace(SITE, rank=2)])
    head, first, rest = (tmp_path / SITES).read_text().split("\n", 2)
    (tmp_path / SITES).write_text("\n".join([head, first.replace(cell, instead, 1), rest]))
    found = read_replay(tmp_path)
    assert [site.rank for site in found.sites] == [2]
    assert found.gaps == ("sites.csv: 1 damaged rows were left out",)


@pytest.mark.parametrize("name", [SITES, REPLAY])
def test_a_changed_table_is_a_changed_recording(name: str, build_run: Build) -> None:
    """As every other file: another digit and a missing file are differences; what was added later is not shown."""
    run_dir = build_run()
    path = run_dir / "leaky" / name
    write_sites(run_dir / "leaky", [SITE])
    write_points(run_dir / "leaky", [400, 800])
    record_sums(run_dir, {})
    assert read_recording(run_dir).hashes.differences == ()
    content = path.read_text()
    path.write_text(content.replace("1", "2", 1))
    assert read_recording(run_dir).hashes.differences[0].startswith(f"leaky/{name} was changed")
    path.unlink()
    assert read_recording(run_dir).hashes.differences == (
        f"leaky/{name} is missing, but SHA256SUMS lists it",
    )
    path.write_text(content)
    (run_dir / "fixed" / name).write_text(content)
    recording = read_recording(run_dir)
    assert recording.hashes.differences == ()
    assert recording.arms[1].replay == ReplayFiles(gaps=(f"fixed/{name} is not in SHA256SUMS: not shown",))


def test_damaged_files_never_raise(tmp_path: Path) -> None:
    """No text, no regular file, other columns, an endless cell: each is a sentence."""
    (tmp_path / SITES).write_bytes(b"\xff\xfe\x00")
    os.mkfifo(tmp_path / REPLAY)
    first, second = read_replay(tmp_path).gaps
    assert "it is a FIFO" in first
    assert second.startswith("sites.csv is not readable")
    (tmp_path / SITES).write_text("pass,rank\npython,1\n")
    assert read_replay(tmp_path).gaps[1] == "sites.csv: 1 damaged rows were left out"
    write_sites(tmp_path, [replace(SITE, frames="x" * 200_000)])
    assert read_replay(tmp_path).sites == ()

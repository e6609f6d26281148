from __future__ import annotations

import json
import random
import shutil
from itertools import product
from pathlib import Path

import pytest

from analysis.recording.read import read_recording
from analysis.verdict.run import judged_run
from soak.contract.hashes import check, first_difference
from soak.contract.replay import manifest_text
from soak.recording.files import record_sums
from tests.support.changes import EVERY, SHOWN_BY_ROWS
from tests.support.planted_heap import FOUR_LEAKS, write_heap
from tests.support.planted_incident import Planted, write_incident

SEED = 14
LOG = "".join(f"line {number} of a log\n" for number in range(40))
TABLES = ("samples.csv", "requests.csv", "census.csv", "containers.csv", "holders.csv", "latency.hlog")
FILES = (
    "manifest.json",
    "events.csv",
    "logs/fixed.log",
    *(f"leaky/{name}" for name in TABLES),
    *(f"fixed/{name}" for name in ("samples.csv", "requests.csv", "latency.hlog")),
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole recording with every file that is judged and a log; it is signed off by what is planted."""
    run_dir = write_incident(tmp_path_factory.mktemp("planted") / "run", Planted(kill_hour=None))
    write_heap(run_dir / "leaky", FOUR_LEAKS)
    manifest = run_dir / "manifest.json"
    manifest.write_text(manifest.read_text().replace(", ", ",\n"))  # rows to change
    (run_dir / "logs").mkdir()
    (run_dir / "logs" / "fixed.log").write_text(LOG)
    return run_dir


@pytest.fixture
def run_dir(planted: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(planted, tmp_path / "run"))


def test_every_change_of_a_file_is_a_difference_from_the_hashes(planted: Path, tmp_path: Path) -> None:
    """12 files in 15 ways, seeded: none is taken as recorded, and each is named, by the list of runs too."""
    record_sums(planted, {})
    changes = list(product(FILES, EVERY))
    silent = []
    for name, kind in changes:
        run_dir = Path(shutil.copytree(planted, tmp_path / "changed"))
        EVERY[kind](run_dir / name, random.Random(f"{SEED} {name} {kind}"))
        differences = check(run_dir).differences
        if not any(one.startswith(f"{name} ") for one in differences) or not first_difference(run_dir):
            silent.append((name, kind))
        shutil.rmtree(run_dir)
    (planted / "SHA256SUMS").unlink()
    assert (silent, len(changes)) == ([], 180)


def test_a_replay_that_no_hash_is_of_is_not_shown(run_dir: Path) -> None:
    """As after a kill between manifest and hashes: the recording is whole, and has no replay, forged or not."""
    manifest = run_dir / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(manifest_text(facts))
    record_sums(run_dir, {})
    replayed = {"status": "done", "seconds": 12.0, "requests": 4800, "passes": ["python"]}
    manifest.write_text(manifest_text({**facts, "replay": {"leaky": replayed}}))
    recording = read_recording(run_dir)
    assert (recording.hashes.differences, recording.manifest.replay) == ((), {})
    record_sums(run_dir, {})
    assert list(read_recording(run_dir).manifest.replay) == ["leaky"]


@pytest.mark.slow
@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize("kind", ["", "digit", "deleted", "link"])
def test_a_changed_recording_is_never_signed_off(run_dir: Path, kind: str) -> None:
    """INCONCLUSIVE with the name of the file, whatever the data would be called; left alone it is signed off."""
    record_sums(run_dir, {})
    if kind:
        EVERY[kind](run_dir / "leaky" / "samples.csv", random.Random(SEED))
    judged = judged_run(read_recording(run_dir))
    if not kind:
        assert (judged.signoff.decision, judged.reasons) == ("signed", ())
        return
    assert (judged.signoff.decision, judged.signoff.exit_code) == ("inconclusive", 4)
    assert judged.signoff.sentence.startswith("NOT SIGNED OFF: the recording was changed: leaky/samples.csv ")
    assert {one.verdict for one in judged.verdicts} == {"inconclusive"}
    assert all("leaky/samples.csv" in one.reason for one in judged.verdicts)


def test_a_recording_that_was_left_alone_has_no_gap(planted: Path) -> None:
    """What is a gap below is so by the change."""
    assert read_recording(planted).gaps == ()


@pytest.mark.slow
@pytest.mark.parametrize("arm", [None, "leaky", "fixed"])
@pytest.mark.parametrize("kind", SHOWN_BY_ROWS)
def test_rows_show_what_no_hash_does(run_dir: Path, arm: str | None, kind: str) -> None:
    """Without hashes, doubled, reversed and moved rows, and files that are none, are gaps that name arm and file.

    All files of an arm are changed at once, or that of no arm: none hides another. The rows of holders.csv are of one
    moment here, and have no order within it.
    """
    paths = [run_dir / name for name in FILES if name.endswith((".csv", ".hlog"))]
    changed = {path for path in paths if path.parent == run_dir / (arm or "")}
    if kind in {"rows swapped", "rows reversed"}:
        changed.discard(run_dir / "leaky" / "holders.csv")
    for path in changed:
        EVERY[kind](path, random.Random(f"{SEED} {path.relative_to(run_dir)} {kind}"))
    gaps = read_recording(run_dir).gaps
    named = {
        path for path in changed if any(gap.arm == arm and gap.text.startswith(path.name) for gap in gaps)
    }
    assert named == changed


@pytest.mark.parametrize("name", ["samples.csv", "requests.csv"])
def test_the_file_of_another_arm_is_a_gap(run_dir: Path, name: str) -> None:
    """A leak would be judged that of the other build."""
    leaky, fixed = run_dir / "leaky" / name, run_dir / "fixed" / name
    fixed.write_text(leaky.read_text().replace("leaky", "other"))
    assert [gap.text for gap in read_recording(run_dir).gaps if gap.arm == "fixed"] == [
        f"{name}: {len(leaky.read_text().splitlines()) - 1} rows are of another arm"
    ]

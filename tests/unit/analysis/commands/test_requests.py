"""The requests of attached processes are added to their recording, or it stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.commands.requests import add_requests, command
from analysis.prometheus.access import read_access
from analysis.prometheus.queries import Query
from analysis.recording.read import read_recording
from analysis.verdict.run import judged_run
from soak import contract
from soak.errors import RecordingError
from tests.support import run_directory
from tests.support.scripted_prometheus import Answering, Asked, Reply, matrix, scripted

BEGAN_S = 1_767_225_600.0
"""2026-01-01, when the runs of run_directory begin."""
MIB = float(1 << 20)
HOURS = 12
COUNTER = Query("http_requests_total", "--requests-query")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two processes that were attached to for HOURS, the first of which leaks."""
    t_s = np.arange(1.0, HOURS * 3600, 60.0)
    noise = np.random.default_rng(1)
    arms: dict[str, tuple[list[dict[str, object]], tuple[()]]] = {}
    for name, rate in (("pid_1", 6), ("pid_2", 0)):
        memory = (80 + rate * t_s / 3600 + noise.normal(0, 0.3, len(t_s))) * MIB
        rows = [
            {"t_s": t, "life": 1, "pid": 100, "phase": contract.LOAD, "rss_bytes": round(value)}
            for t, value in zip(t_s, memory, strict=True)
        ]
        arms[name] = (rows, ())
    manifest = run_directory.manifest(
        dict.fromkeys(arms, ""), 0.0, attached=True, profile="attach", incident=False, every_s=60.0,
        judge={"max_leak_bytes_per_s": MIB / 3600},
    )  # fmt: skip
    events = run_directory.events({contract.LOAD: 0.0}, HOURS * 3600.0, arms)
    return run_directory.write_run(tmp_path / "run", manifest, events, arms)


def counting(until_s: float = HOURS * 3600.0) -> Answering:
    """Return a server with a counter of 10 requests per second, in two series, read every minute."""

    def answering(asked: Asked) -> Reply:
        end_s = float(asked.form["time"])
        t_s = np.arange(BEGAN_S - 600, min(end_s, BEGAN_S + until_s) + 1, 60.0)
        samples = [(t, 5 * (t - t_s[0])) for t in t_s]
        return matrix(({"code": "200"}, samples), ({"code": "500"}, samples))

    return answering


def test_steady_requests_decide_on_every_process(run: Path) -> None:
    """Before them, nothing is decided; with them, the leak is called and the other is cleared."""
    assert judged_run(read_recording(run)).signoff.exit_code == 4
    with scripted(counting()) as server:
        add_requests(run, read_access(server.url), COUNTER)
    recording = read_recording(run)
    judged = judged_run(recording)
    assert [one.verdict for one in judged.verdicts] == ["leak", "no_leak"]
    answered = float(recording.arms[0].requests["ok"].sum())
    assert answered == pytest.approx(10 * HOURS * 3600, rel=0.01)
    assert recording.gaps == ()


def test_requests_that_end_before_the_recording_are_refused_and_nothing_is_written(run: Path) -> None:
    with scripted(counting(6 * 3600.0)) as server, pytest.raises(RecordingError, match="no samples for"):
        add_requests(run, read_access(server.url), COUNTER)
    assert read_recording(run).arms[0].requests.empty


def test_without_a_recording_the_question_is_only_tried(tmp_path: Path) -> None:
    with (
        scripted(lambda _: matrix()) as server,
        pytest.raises(RecordingError, match="no series in the last 10 min"),
    ):
        command(server.url, "up")
    with scripted(lambda asked: matrix(({}, [(float(asked.form["time"]), 1.0)]))) as server:
        command(server.url, "up")
    assert not list(tmp_path.iterdir())

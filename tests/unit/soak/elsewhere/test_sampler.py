"""The rows of an arm that runs elsewhere, by scripted answers and a scripted clock."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.contract import LOAD, SAMPLE_COLUMNS
from soak.contract.clock import RunClock
from soak.elsewhere.exposition import MetricsError, RefusedError
from soak.elsewhere.sampler import ElsewhereSampler
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from tests.support.metrics_server import START, exposition

Answer = bytes | MetricsError


class Far:
    """A process elsewhere whose answers follow a script, the last one repeatedly."""

    def __init__(self, directory: Path) -> None:
        self.now_s = 0.0
        self.took_s = 0.004
        self.answers: list[Answer] = [exposition()]
        self.directory = directory
        clock = RunClock(0.0, lambda: self.now_s, lambda: 1.7e9 + self.now_s)
        self.events = EventLog(directory / "events.csv", clock)
        self.samples = CsvWriter(directory / "samples.csv", SAMPLE_COLUMNS)
        self.sampler = ElsewhereSampler(
            "prod", clock, self.events, self.samples, every_s=1.0, fetch=self.fetch
        )
        self.sampler.phase = LOAD

    def fetch(self) -> bytes:
        self.now_s += self.took_s
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, MetricsError):
            raise answer
        return answer

    def tick(self, *answers: Answer) -> None:
        """Take one row for each answer, a second apart."""
        for answer in answers:
            self.answers = [answer]
            self.sampler.tick()
            self.now_s += 1.0 - self.took_s

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.directory / name).open() as file:
            return list(csv.DictReader(file))

    def told(self) -> list[tuple[str, str, str]]:
        return [(row["event"], row["life"], row["detail"]) for row in self.rows("events.csv")]


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    made = Far(tmp_path)
    yield made
    made.events.close()
    made.samples.close()


def test_a_row_has_what_the_process_states_and_nothing_else(far: Far) -> None:
    """In the columns that are read from outside of any other arm; without a pid, which is not of this machine."""
    far.sampler.begin()
    far.tick(exposition(rss=5e7))
    [row] = far.rows("samples.csv")
    assert {name for name, value in row.items() if value} == {
        "t_s", "wall_time", "arm", "life", "phase", "rss_bytes", "cpu_s", "fds", "fds_limit", "metrics_ms",
        "gc_gen2_collections", "gc_collected", "gc_uncollectable",
    }  # fmt: skip
    assert (row["rss_bytes"], row["life"], row["phase"]) == ("50000000", "1", LOAD)
    assert float(row["metrics_ms"]) == pytest.approx(4.0)
    assert far.sampler.latest["rss_bytes"] == 50_000_000


def test_metrics_that_are_away_are_a_counted_gap(far: Far) -> None:
    """No row, and no life ends: nobody knows whether the process does."""
    away = MetricsError("no answer (Connection refused)")
    far.sampler.begin()
    far.tick(exposition(), away, away, exposition())
    assert len(far.rows("samples.csv")) == 2
    assert far.sampler.gaps.total == {"metrics": 2}
    assert far.told() == [
        ("gap", "", "metrics: no answer (Connection refused)"),
        ("gap", "", "metrics: back after 2 missed"),
    ]
    assert not far.sampler.is_away


def test_a_later_start_time_ends_the_life_and_begins_the_next(far: Far) -> None:
    far.sampler.begin()
    far.tick(exposition(), exposition(start=START + 60, cpu=0.2))
    assert [row["life"] for row in far.rows("samples.csv")] == ["1", "2"]
    assert [(event, life) for event, life, _ in far.told()] == [("exit", "1"), ("start", "2"), ("ready", "2")]


@pytest.mark.parametrize("second", [exposition(start=START - 1), exposition(cpu=1.0)])
def test_several_processes_are_refused_from_the_moment_they_are_seen(far: Far, second: bytes) -> None:
    """By a start time or a processor time that goes back; what is read from then on is of nobody."""
    far.sampler.begin()
    far.tick(exposition(), second, exposition(), exposition())
    assert len(far.rows("samples.csv")) == 1
    assert far.sampler.gaps.total == {"metrics": 3}
    assert [event for event, _, _ in far.told()] == ["unsampled", "gap"]
    assert "name one by its own address" in far.told()[1][2]


def test_several_processes_are_seen_before_the_run_begins(far: Far) -> None:
    """By connections that are open at once: one after the other would all go to the process that is idle."""
    far.answers = [exposition(), exposition(start=START + 1), exposition()]
    with pytest.raises(RefusedError, match="2 processes answer there"):
        far.sampler.begin()


def test_an_answer_that_costs_more_than_its_share_is_asked_for_less_often(far: Far) -> None:
    """The quickest of five: one wait for a busy process lengthens nothing. What was planned is no gap."""
    for far.took_s in (0.070, 0.064, 0.300, 0.061):
        far.tick(exposition())
    assert far.told() == []
    assert far.sampler.next_due(far.now_s) == pytest.approx(far.now_s + 1)
    far.tick(exposition())
    detail = "each 4 s: an answer of its metrics takes more than 2% of the time between two readings"
    assert far.told() == [("sampled_less", "", detail)]
    assert far.sampler.next_due(far.now_s) == pytest.approx(far.now_s + 4)
    assert [row["until_next_s"] for row in far.rows("samples.csv")] == ["", "", "", "", "4.000"]
    assert far.sampler.gaps.total == {}


def test_quick_answers_keep_the_rhythm(far: Far) -> None:
    far.took_s = 0.019
    far.tick(*[exposition()] * 12)
    assert far.told() == []

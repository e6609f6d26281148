"""What was proved of pending tasks, as a run records it and as somebody else might."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.growth.arm import ArmGrowth
from analysis.growth.classify import CONTAINER, PENDING_TASKS
from analysis.growth.stuck import StuckTasks, find_stuck, with_proof
from analysis.growth.suspect import UNKNOWN_RATES, suspect_without_container
from analysis.recording.heap_files import HeapFiles, read_heap_files
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Life, Phase
from analysis.report.story import stuck_step
from soak.contract import LOAD, STUCK
from tests.support.run_directory import write_table

LOAD_PHASE = Phase(LOAD, 10.0, 110.0)
ROW: Mapping[str, Any] = {
    "t_s": 120.0, "arm": "shop", "pid": 7, "life": 1, "phase": "quiesce", "rung": "trimmed", "coroutine": "run",
    "waits_at": "app.py:12", "source": "await stream.receive()", "waits_in": "asyncio/locks.py:213 Event.wait()",
    "created": "app.py:30", "stuck": 300, "pending": 300, "refused": "",
}  # fmt: skip
ASLEEP = {
    **ROW,
    "coroutine": "polls",
    "waits_at": "app.py:40",
    "source": "",
    "created": "",
    "stuck": 0,
    "pending": 2,
}


def an_arm(heap: HeapFiles, lives: int = 1) -> Arm:
    """An arm that answered one request each second from 10 s to 110 s."""
    requests = pd.DataFrame({"t_s": [float(t_s) for t_s in range(10, 110)], "ok": 1.0})
    return Arm(
        name="shop",
        role="",
        limit_bytes=None,
        lives=tuple(Life(number, number, 0.0, 1.0, 130.0, "soak") for number in range(1, lives + 1)),
        samples=pd.DataFrame(),
        ladder=pd.DataFrame(),
        points=pd.DataFrame(),
        requests=requests,
        latency=Latency(),
        notes=(),
        heap=heap,
    )


def found_in(tmp_path: Path, rows: list[Mapping[str, Any]], lives: int = 1) -> StuckTasks | None:
    """Return what is found in a file with these rows."""
    directory = tmp_path / "shop"
    directory.mkdir(exist_ok=True)
    write_table(directory / STUCK, rows)
    return find_stuck(an_arm(read_heap_files(directory), lives), LOAD_PHASE)


class TestFindStuck:
    def test_what_was_proved_is_read_with_its_places(self, tmp_path: Path) -> None:
        """300 of 302 pending tasks, 3.00 per request, and the line at which they wait."""
        stuck = found_in(tmp_path, [ROW, ASLEEP])
        assert stuck is not None
        assert (stuck.stuck, stuck.pending) == (300, 302)
        assert stuck.per_request == pytest.approx(3.0)
        assert stuck.text == "300 of 302 pending tasks can never be woken (proved), 3.00 per request"
        [place] = stuck.places
        assert place.text == (
            "300 of run wait at app.py:12 in asyncio/locks.py:213 Event.wait(), created at app.py:30"
        )
        assert place.source == "await stream.receive()"

    def test_the_processes_of_an_arm_add_up(self, tmp_path: Path) -> None:
        """The same line in two workers is one place."""
        stuck = found_in(
            tmp_path, [ROW, {**ROW, "life": 2, "pid": 8, "t_s": 121.0, "stuck": 100, "pending": 110}], 2
        )
        assert stuck is not None
        assert (stuck.stuck, stuck.pending, len(stuck.places)) == (400, 410, 1)

    def test_of_several_loads_the_newest_counts(self, tmp_path: Path) -> None:
        """A run led by hand climbs down after each."""
        stuck = found_in(tmp_path, [{**ROW, "t_s": 5.0, "stuck": 1}, {**ROW, "t_s": 60.0, "stuck": 2}, ROW])
        assert stuck is not None
        assert stuck.stuck == 300

    def test_why_nothing_was_proved_is_kept(self, tmp_path: Path) -> None:
        """With the reason of the probe."""
        stuck = found_in(tmp_path, [{**ROW, "stuck": None, "pending": None, "refused": "too many objects"}])
        assert stuck is not None
        assert stuck.text == "which of them can be woken was not proved: too many objects"
        assert stuck.per_request is None

    def test_tasks_that_can_be_woken_are_none(self, tmp_path: Path) -> None:
        """Such as those that poll with sleep: their number is all there is."""
        stuck = found_in(tmp_path, [ASLEEP])
        assert stuck is not None
        assert stuck.text == "2 pending tasks, none proved never to be woken"

    def test_a_recording_without_the_file_is_whole(self, tmp_path: Path) -> None:
        """Earlier versions wrote none: nothing is known, and nothing is wrong."""
        files = read_heap_files(tmp_path)
        assert files.gaps == ()
        assert find_stuck(an_arm(files), LOAD_PHASE) is None

    def test_forged_numbers_are_left_out(self, tmp_path: Path) -> None:
        """More stuck than pending, or no number at all: the row counts for nothing."""
        forged = [{**ROW, "waits_at": "a.py:1", "stuck": 301}, {**ROW, "waits_at": "a.py:2", "stuck": -1}]
        stuck = found_in(tmp_path, [ROW, *forged])
        assert stuck is not None
        assert stuck.stuck == 300


class TestWithProof:
    def test_the_first_suspect_of_pending_tasks_has_the_proof(self, tmp_path: Path) -> None:
        """It is evidence beside what was seen; other suspects stay as they are."""
        arm = an_arm(HeapFiles())
        kinds = (CONTAINER, PENDING_TASKS, PENDING_TASKS)
        suspects = [
            suspect_without_container(arm, kind, "x", "their number grows", UNKNOWN_RATES) for kind in kinds
        ]
        stuck = found_in(tmp_path, [ROW, ASLEEP])
        whys = [one.why for one in with_proof(suspects, stuck)]
        assert whys[1].startswith("their number grows; 300 of 302 pending tasks can never be woken (proved)")
        assert {whys[0], whys[2]} == {"their number grows"}
        assert with_proof(suspects, None) == suspects


class TestStuckStep:
    @pytest.fixture
    def growth(self, tmp_path: Path) -> ArmGrowth:
        """The growth of an arm in which tasks leak, and are stuck."""
        arm = an_arm(HeapFiles())
        suspect = suspect_without_container(arm, PENDING_TASKS, "x", "their number grows", UNKNOWN_RATES)
        return ArmGrowth("shop", 0, (suspect,), (), None, found_in(tmp_path, [ROW, ASLEEP]))

    def test_a_story_has_them_with_the_line_of_code(self, growth: ArmGrowth) -> None:
        """The result first, then where most wait."""
        [step] = stuck_step(growth)
        assert step.known
        assert [line.code for line in step.lines] == ["", "await stream.receive()"]
        assert step.lines[0].text.startswith("300 of 302 pending tasks")

    def test_where_no_task_leaks_there_is_no_step(self, growth: ArmGrowth) -> None:
        """Tasks whose number does not grow, as those of a registry that is full, or that nobody asked about."""
        assert stuck_step(replace(growth, suspects=())) == ()
        assert stuck_step(replace(growth, stuck=None)) == ()

    def test_tasks_that_leak_and_can_be_woken_have_a_step(self, growth: ArmGrowth) -> None:
        """It tells them from lost ones."""
        assert growth.stuck is not None
        [step] = stuck_step(replace(growth, stuck=replace(growth.stuck, stuck=0, places=())))
        assert step.lines[0].text.startswith("302 pending tasks, none proved")

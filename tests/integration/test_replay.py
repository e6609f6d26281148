"""A pass of a replay, with a real service, its workers and a real load."""

from __future__ import annotations

import csv
import json
import marshal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soak.config.load import load_profile
from soak.contract import MIN_REPLAY_POINTS, REPLAY, TRAFFIC, traces_file
from soak.plan.run_plan import plan_run
from soak.process.spec import ProcessSpec
from soak.regular_files import write_text
from soak.replay.life import Life
from soak.replay.one_pass import PassRun
from soak.replay.passes import python_pass
from soak.replay.plan import PassPlan, plan_pass
from soak.status.terminal import Progress
from soak.supervisor.ending import StopRequest
from soak.supervisor.session import THIS_MACHINE, Session

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
LEAK_BYTES = 5000
SECONDS = 9.0
PROFILE = """
[traffic]
users_per_arm = 5
[[traffic.requests]]
name = "leaks"
path = "/leaks"
[[traffic.requests]]
name = "keeps nothing"
path = "/keeps-nothing"
[arms.new]
command = ["{{python}}", "-m", "uvicorn", "replay_app:app", "--port", "{{port}}", "--workers", "2"]
cwd = "{cwd}"
"""
LOCUSTFILE = """
from locust import FastHttpUser, between, task
class Shopper(FastHttpUser):
    wait_time = between(30, 60)
    @task
    def leak(self):
        self.client.get("/leaks", name="leaks")
    @task
    def keep_nothing(self):
        self.client.get("/keeps-nothing", name="keeps nothing")
"""


class ReadLife(Life):
    """A life whose points are read in the place of their analysis."""

    blocks: list[Counter[str]]
    """Blocks of LEAK_BYTES and their object by their line, at each point."""

    def run(self, spec: ProcessSpec, log: Path, timeout_s: float) -> int | None:  # noqa: ARG002 - as Life
        raw = Path(spec.argv[spec.argv.index("--raw") + 1])
        numbers = range(len(list(raw.glob("point-*.0.traces"))))
        self.blocks = [Counter(_lines(raw, number)) for number in numbers]
        return 0


def _lines(raw: Path, point: int) -> list[str]:
    found: list[str] = []
    for process in range(len(list(raw.glob(f"point-{point}.*.traces")))):
        traces: list[Any] = marshal.loads(traces_file(raw, point, process).read_bytes())  # noqa: S302 - ours
        found += [
            f"{Path(frames[0][0]).name}:{frames[0][1]}"
            for _, size, frames, *_ in traces
            if 0 <= size - LEAK_BYTES < 100
        ]
    return found


def _replay(place: Path, profile: str) -> tuple[ReadLife, PassPlan, PassRun]:
    """Replay the arm of a profile; return its life with the points, the plan and the pass that has ended."""
    run, private = place / "run", place / "private"
    for directory in (run, run / "new", private):
        directory.mkdir()
    private.chmod(0o700)
    (place / "mine.toml").write_text(profile)
    with ExitStack() as stack:
        guard = THIS_MACHINE.new_guard()
        stack.callback(guard.close)
        choice = THIS_MACHINE.choose_limit(guard, "replay-test")
        stack.callback(choice.mechanism.close)
        clock = THIS_MACHINE.new_clock()
        plan = plan_run(load_profile(str(place / "mine.toml")), run, private).at(clock.t0_monotonic_s)
        progress = Progress(Console(quiet=True))
        session = Session(run, {}, guard, progress, clock, THIS_MACHINE, StopRequest())
        stack.callback(session.close)
        write_text(private / TRAFFIC, plan.traffic.to_json())
        one = python_pass(plan.profile.replay)
        of_pass = plan_pass(plan, plan.arms[0], one, private, 8 << 30)
        life = ReadLife(of_pass, session, choice.mechanism, lambda: None)
        running = PassRun(of_pass, life, clock.now_s, clock.now_s() + SECONDS)
        result = running.go()
    log = of_pass.log.read_text() if of_pass.log.exists() else ""
    assert (result.reason, result.is_analysed) == ("", True), log
    assert result.points >= MIN_REPLAY_POINTS
    return life, of_pass, running


def _check(life: ReadLife, plan: PassPlan) -> None:
    """Check that the leaking line has one block more for each request of its name, and no other line any."""
    with (plan.directory / REPLAY).open() as file:
        rows = list(csv.DictReader(file))
    sent = [json.loads(row["answered_by_name"]) for row in rows]
    assert all(set(names) == {"leaks", "keeps nothing"} for names in sent)
    assert [int(row["requests"]) for row in rows] == [sum(names.values()) for names in sent]
    assert sent[-1]["leaks"] - sent[0]["leaks"] >= 100
    grown = Counter(life.blocks[-1])
    grown.subtract(life.blocks[0])
    lines = (HERE / "replay_app.py").read_text().splitlines()
    leaking = (
        f"replay_app.py:{next(at for at, line in enumerate(lines, start=1) if 'bytearray(5000)' in line)}"
    )
    assert grown[leaking] == sent[-1]["leaks"] - sent[0]["leaks"]
    assert all(abs(grown[line]) < 20 for line in grown if line != leaking)


def test_a_line_of_a_service_with_workers_retains_one_block_for_each_of_its_requests(tmp_path: Path) -> None:
    """By the traces of all its processes, exactly; the planned load is sent closed-loop."""
    life, plan, _ = _replay(tmp_path, PROFILE.format(cwd=HERE))
    _check(life, plan)
    assert not plan.raw.exists()


def test_the_users_of_a_locustfile_never_wait_and_stand_still_at_a_point(tmp_path: Path) -> None:
    """So its requests are counted exactly, too."""
    (tmp_path / "users.py").write_text(LOCUSTFILE)
    planned = PROFILE.format(cwd=HERE)
    arms = planned[planned.index("[arms.new]") :].replace(', "--workers", "2"', "")
    life, plan, _ = _replay(tmp_path, f'[traffic]\nlocustfile = "users.py"\nusers = 10\n{arms}')
    _check(life, plan)

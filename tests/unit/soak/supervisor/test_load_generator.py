"""Locust and its workers, by scripted processes: who may end when, and what Locust prints."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soak.contract import LOAD, LOAD_ENDED, STATS_RESET, WORKER_LOST
from soak.errors import HarnessError, UsageError
from soak.supervisor import load_generator
from soak.supervisor.load_generator import LoadGenerator
from soak.supervisor.run import Run
from tests.unit.soak.supervisor.conftest import MakeRun


@pytest.mark.parametrize(("t_s", "phase"), [(4.0, "idle"), (10.0, "warm-up"), (40.0, "load")])
def test_without_locust_the_run_is_cut_short(make_run: MakeRun, t_s: float, phase: str) -> None:
    """What was recorded is worth a report."""
    run = make_run()
    run.machine.at(t_s, lambda: run.machine.child("locust").end(1))
    run.go()
    log = run.directory / "logs" / "locust.log"
    assert run.manifest["status"] == "interrupted"
    assert run.manifest["status_detail"] == f"Locust ended in phase {phase} (exit code 1); its log is {log}"
    assert ("exit", "locust", "exit code 1") in run.events("exit")


def test_locust_may_end_a_moment_before_the_load_does(make_run: MakeRun) -> None:
    """Its clock and the run's are read at different moments."""
    run = make_run()
    run.machine.at(76.5, lambda: run.machine.child("locust").end(0))
    run.go()
    assert run.manifest["status"] == "complete"


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [
        (1, HarnessError, r"locust ended \(exit code 1\) after"),
        (2, UsageError, r"locust ended \(exit code 2\) after"),
        (None, HarnessError, "locust did not get ready after"),
    ],
)
def test_locust_that_does_not_get_ready_fails_the_run(
    make_run: MakeRun, code: int | None, error: type[Exception], sentence: str
) -> None:
    """What it refuses (exit code 2) the profile has asked for; the sentence ends with its last lines."""
    run = make_run()
    run.machine.ready_after_s["locust"] = 999.0
    if code is not None:
        run.machine.at(2.0, lambda: run.machine.child("locust").end(code))
    run.machine.on_spawn = lambda child: child.print(f"{child.spec.name} was here")
    with pytest.raises(error, match=sentence) as raised:
        run.go()
    assert "  | locust was here" in str(raised.value)


CUSTOM = "traffic.locustfile=users.py"


@pytest.mark.parametrize("name", ["locust", "worker-2"])
def test_a_locustfile_that_cannot_be_loaded_is_the_profiles_fault(make_run: MakeRun, name: str) -> None:
    """Whichever of the processes that load it ends first, and with whatever code."""
    run = make_run(CUSTOM)
    run.machine.ready_after_s["locust"] = 999.0
    run.machine.at(2.0, lambda: run.machine.child(name).end(1))
    run.machine.on_spawn = lambda child: child.print("ImportError: no module named shop")
    with pytest.raises(UsageError, match=rf"{name} ended \(exit code 1\). Fix traffic.locustfile") as raised:
        run.go()
    assert "ImportError: no module named shop" in str(raised.value)


def test_a_worker_that_dies_at_the_start_fails_the_run(make_run: MakeRun) -> None:
    """Its share of the load would be missing from the first second on."""
    run = make_run("traffic.workers=2")
    run.machine.ready_after_s["locust"] = 999.0
    run.machine.at(2.0, lambda: run.machine.child("worker-1").end(1))
    with pytest.raises(HarnessError, match=r"worker-1 ended \(exit code 1\)"):
        run.go()


def test_a_worker_that_dies_under_load_is_an_event(make_run: MakeRun) -> None:
    """The requests it owes are missed, which the load check sees."""
    run = make_run("traffic.workers=2")
    run.machine.at(40.0, lambda: run.machine.child("worker-1").end(-9))
    run.go()
    assert ("exit", "worker-1", "killed by SIGKILL") in run.events("exit")
    assert run.manifest["status"] == "complete"


@pytest.mark.parametrize("name", ["locust", "worker-2"])
def test_a_process_that_takes_the_memory_of_the_machine_ends_the_load(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What was recorded until then is kept, the status names the process, and nothing of the run goes on."""
    run = make_run("traffic.workers=2")
    used = dict.fromkeys(("locust", "worker-1", "worker-2"), load_generator.MEMORY_BYTES)
    monkeypatch.setattr(
        load_generator,
        "rss_bytes",
        lambda pid: next(used[child.spec.name] for child in run.machine.children if child.pid == pid),
    )
    run.machine.at(40.0, lambda: used.update({name: 2 * load_generator.MEMORY_BYTES}))
    run.go()
    assert run.manifest["status"] == "interrupted"
    assert (
        f"{name} (pid {run.machine.child(name).pid}) of Locust has 2.0 GiB" in run.manifest["status_detail"]
    )
    assert {"locust", "worker-1", "worker-2"} <= set(run.machine.stopped)


def test_locust_is_stopped_before_its_workers(make_run: MakeRun) -> None:
    """It ends the load of all of them; a worker that is gone before would count as lost, and its share as missed."""
    run = make_run("traffic.workers=2")
    run.go()
    assert run.machine.stopped[:4] == ["judge", "locust", "worker-1", "worker-2"]


def test_a_reset_of_locusts_statistics_is_an_event_and_no_answer(make_run: MakeRun) -> None:
    """It may stand between an order and its answer."""
    run = make_run()
    found: list[str | None] = []

    def script(started: Run) -> None:
        locust = run.machine.child("locust")
        for line in ("some warning", STATS_RESET, "soak: load began 12 20", "soak: load ended 30"):
            locust.print(line)
        found.extend(started.next_locust_line(beginning) for beginning in ("soak: load began", "soak: load"))

    run.go(script)
    assert found == ["12 20", "ended 30"]
    assert run.events("stats_reset") == [("stats_reset", "", "")]


def test_a_lost_worker_is_an_event(make_run: MakeRun) -> None:
    """Locust names it and what becomes of its share, as its own log does."""
    run = make_run("traffic.workers=2")

    def script(started: Run) -> None:
        run.machine.child("locust").print(f"{WORKER_LOST} host_1: the rest of its share counts as missed")
        started.next_locust_line("soak: load")

    run.go(script)
    assert run.events("worker_lost") == [
        ("worker_lost", "", "host_1: the rest of its share counts as missed")
    ]


def test_of_what_locust_prints_its_answers_alone_are_kept(tmp_path: Path) -> None:
    """A locustfile may print with every request, for days, and nobody asks for an answer meanwhile."""
    plan: Any = SimpleNamespace(locust=SimpleNamespace(name="locust"))
    session: Any = SimpleNamespace(logs=tmp_path)
    load = LoadGenerator(plan, session)
    lines = [f"request {number}" for number in range(1000)]
    (tmp_path / "locust.log").write_text("\n".join([*lines, f"{LOAD_ENDED} 7.5", *lines, ""]))
    load.poll(LOAD, starting=False, over=False)
    assert load._lines == [f"{LOAD_ENDED} 7.5"]
    assert load.next_line(LOAD_ENDED) == "7.5"

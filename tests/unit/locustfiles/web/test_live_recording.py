from __future__ import annotations

from pathlib import Path

import pytest

from locustfiles.web.live_recording import LiveProcess
from locustfiles.web.wording import arm_texts
from soak.contract import PHASES, ArmLive
from tests.unit.locustfiles.web.live_run import GrowingRun


@pytest.fixture
def run(tmp_path: Path) -> GrowingRun:
    return GrowingRun(tmp_path)


def test_what_is_shown_is_what_was_read(run: GrowingRun) -> None:
    """The newest whole tick; USS, which is read less often, stays until it is read again."""
    run.sample("leaky", 1.5, rss_bytes=60_000_000, uss_bytes=40_000_000, tasks_alive=7)
    run.sample("leaky", 2.5, rss_bytes=61_000_000, tasks_alive=9)
    run.sample("leaky", 3.5, rss_bytes=62_000_000)
    run.recording.read_new()
    now = run.recording.arms["leaky"].now
    assert (now["t"], now["rss"], now["uss"], now["tasks"]) == (2.5, 61_000_000, 40_000_000, 9)
    points = run.recording.arms["leaky"].readings.since(-1, 0)["points"]
    assert [point[:4] for point in points] == [[1.5, 1, 60_000_000, 40_000_000], [2.5, 1, 61_000_000, None]]


def test_another_process_does_not_inherit_readings(run: GrowingRun) -> None:
    """The USS of the life that was killed is not that of the next."""
    run.sample("leaky", 1.5, uss_bytes=40_000_000)
    run.sample("leaky", 9.5, life=2, rss_bytes=50_000_000)
    run.sample("leaky", 10.5, life=2)
    run.recording.read_new()
    assert run.recording.arms["leaky"].now["uss"] is None


def test_processes_of_one_arm_add_up(run: GrowingRun) -> None:
    """Where one of them was not read, the sum is not known."""
    for life, tasks in ((1, 3), (2, 4)):
        run.sample("leaky", 1.5, life=life, rss_bytes=10_000_000, tasks_alive=tasks)
    run.sample("leaky", 2.5, rss_bytes=10_000_000, tasks_alive=3)
    run.sample("leaky", 2.5, life=2, rss_bytes=10_000_000)
    run.sample("leaky", 3.5)
    run.recording.read_new()
    points = run.recording.arms["leaky"].readings.since(-1, 0)["points"]
    assert [(point[2], point[5]) for point in points] == [(20_000_000, 7), (20_000_000, None)]


def test_the_processes_of_the_newest_tick_are_kept(run: GrowingRun) -> None:
    """The oldest first, also one whose memory was not read; of an arm with one process there are none."""
    run.sample("leaky", 1.5, life=2, pid=302, rss_bytes=20_000_000)
    run.sample("leaky", 1.5, life=1, pid=301, rss_bytes=10_000_000)
    run.sample("leaky", 2.5, life=1, pid=301, rss_bytes=11_000_000)
    run.sample("leaky", 2.5, life=3, pid=303)
    run.sample("leaky", 3.5, life=1, pid=301)
    run.recording.read_new()
    found = [run.recording.arms["leaky"].processes]
    run.sample("leaky", 4.5, life=1, pid=301)
    run.recording.read_new()
    found.append(run.recording.arms["leaky"].processes)
    assert found == [(LiveProcess(1, 301, 11_000_000), LiveProcess(3, 303, None)), ()]


def test_a_launcher_without_a_probe_hides_nothing(run: GrowingRun) -> None:
    """A shell around the service never has blocks or tasks; once the service misses a reading, the sum is not known."""
    for t_s, read in ((1.5, {"live_blocks": 50_000}), (2.5, {"live_blocks": 51_000}), (3.5, {})):
        run.sample("leaky", t_s, rss_bytes=2_000_000)
        run.sample("leaky", t_s, life=2, rss_bytes=60_000_000, **read)
    run.sample("leaky", 4.5)
    run.recording.read_new()
    points = run.recording.arms["leaky"].readings.since(-1, 0)["points"]
    assert [(point[2], point[4]) for point in points] == [
        (62_000_000, 50_000), (62_000_000, 51_000), (62_000_000, None),
    ]  # fmt: skip


def test_an_arm_that_is_down_has_no_readings_of_now(run: GrowingRun) -> None:
    """Neither those of its dead processes that are read after its end; the next process has its own."""
    leaky = run.recording.arms["leaky"]

    def now(*events: str, life: int) -> tuple[float | None, int]:
        for event in events:
            run.event(9.0, event, "", "leaky", life)
        run.recording.read_new()
        return leaky.now.get("rss"), len(leaky.processes)

    run.event(1.0, "start", "below pid 301", "leaky", 2)
    for t_s in (1.5, 2.5, 3.5):
        for life in (1, 2):
            run.sample("leaky", t_s, life, pid=300 + life, rss_bytes=10_000_000)
    assert now(life=1) == (20_000_000, 2)
    assert now("exit", life=2) == (20_000_000, 2)  # a worker alone
    run.event(4.0, "start", "below pid 301", "leaky", 3)
    run.sample("leaky", 4.5, 1, rss_bytes=10_000_000)
    run.sample("leaky", 5.5, 3, rss_bytes=10_000_000)
    run.sample("leaky", 6.5, 3, rss_bytes=10_000_000)
    assert (now("exit", life=1), leaky.lives.is_down) == ((None, 0), True)
    assert (now("exit", "limit", "restart", "start", life=4), leaky.lives.is_down) == ((None, 0), True)
    assert (now("ready", life=4), leaky.lives.is_down) == ((None, 0), False)
    for t_s in (10.5, 11.5):
        run.sample("leaky", t_s, 4, rss_bytes=30_000_000)
    assert now(life=4) == (30_000_000, 0)
    assert len(leaky.readings) == 7  # the curve has all but the newest, which may not be whole


def test_phases_are_marked(run: GrowingRun) -> None:
    """Each with its start."""
    run.event(1.0, "phase", "idle")
    run.event(9.0, "phase", "load")
    run.recording.read_new()
    assert run.recording.phases == [(1.0, "idle"), (9.0, "load")]
    assert run.recording.phase == "load"


def test_failed_and_missed_requests_are_one_number(run: GrowingRun) -> None:
    """Beside those answered well, and the latency."""
    run.second(
        "fixed",
        8.0,
        ok=300,
        failed_timeout=2,
        failed_5xx=1,
        missed=4,
        latency_p50_ms=7.9,
        latency_p99_ms=27.3,
    )
    run.recording.read_new()
    expected = {"t": 8.0, "ok": 300.0, "failed": 7.0, "p50": 7.9, "p99": 27.3}
    assert run.recording.arms["fixed"].per_s == expected


def test_the_verdict_so_far_is_the_judges(run: GrowingRun) -> None:
    """One that is half-written or nonsense leaves the last one standing."""
    run.verdict(61.0, leaky=ArmLive("leak", "it grows"), fixed=ArmLive("no_leak", "it does not"))
    run.recording.read_new()
    assert run.recording.live_of("leaky").verdict == "leak"
    assert run.recording.live is not None
    assert run.recording.live.updated_t_s == 61.0
    (run.directory / "live.json").write_text('{"arms": ')
    run.recording.read_new()
    assert run.recording.live_of("fixed").reason == "it does not"


def test_a_verdict_that_the_run_withdraws_is_shown_no_more(run: GrowingRun) -> None:
    """As before the next load, and where the judge died; the verdict on that load is shown again."""
    for _ in range(2):
        run.verdict(61.0, leaky=ArmLive("leak", "it grows"))
        run.recording.read_new()
        assert run.recording.live_of("leaky").verdict == "leak"
        (run.directory / "live.json").unlink()
        run.recording.read_new()
        assert (run.recording.live, run.recording.live_of("leaky").verdict) == (None, "")


def test_a_report_is_that_of_the_newest_load(run: GrowingRun) -> None:
    """The link is away from the start of the next load until the report of that one is made."""
    (run.directory / "report").mkdir()
    (run.directory / "report" / "report.html").write_text("<h1>of the first load</h1>")
    found = []
    for t_s, phase in enumerate((*PHASES, "idle")):
        run.event(float(t_s), "phase", phase)
        run.recording.read_new()
        found.append(run.recording.has_report)
    assert found == [True, False, False, False, False, True]


def test_a_directory_that_is_not_there_yet_says_nothing(tmp_path: Path) -> None:
    """Nor one from which everything was taken away."""
    run = GrowingRun(tmp_path)
    (run.directory / "manifest.json").unlink()
    run.recording.read_new()
    assert (run.recording.phase, run.recording.limit_bytes, run.recording.live) == ("", None, None)
    assert not run.recording.has_report


def test_how_an_arm_elsewhere_ends_is_not_known(tmp_path: Path) -> None:
    """Nor has it a memory limit of ours; that of the other arm is shown."""
    run = GrowingRun(tmp_path, elsewhere=("fixed",))
    run.recording.read_new()
    kills = {name: arm_texts(name, arm, ArmLive("", ""))["kills"] for name, arm in run.recording.arms.items()}
    assert (kills, run.recording.limit_bytes) == ({"leaky": "0", "fixed": "-"}, 512 << 20)


def test_the_arms_are_known_once_the_manifest_is_there(tmp_path: Path) -> None:
    """None or half of one is read again; where all arms run elsewhere there is no limit."""
    run = GrowingRun(tmp_path, elsewhere=("leaky", "fixed"))
    manifest = run.directory / "manifest.json"
    whole = manifest.read_text()
    for text in ("", "{}", '{"arms": [{}]}', whole):
        assert not run.recording.arms["leaky"].elsewhere
        manifest.write_text(text)
        run.recording.read_new()
    assert run.recording.arms["leaky"].elsewhere
    assert run.recording.limit_bytes is None

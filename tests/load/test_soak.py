"""Whole runs of the command line: real processes, real traffic, a real OOM kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from soak.cli.verify import verify
from soak.config.load import load_profile
from soak.contract import (
    MIN_POINT_REQUESTS,
    MIN_REPLAY_POINTS,
    PHASES,
    POINT,
    REPLAY,
    RUNGS,
    SITES,
    ArmLive,
    Live,
)
from soak.plan.run_plan import plan_run

from .conftest import Soak, finish, is_running, soak_until, start_soak, wait_for_event

pytestmark = pytest.mark.integration

GATEWAYS = """
about = "half a minute of leaking against a small limit"
[scale]
hour_s = 10
[phases]
idle_s = 1
warmup_s = 4
load_s = 28
drain_s = 2
quiesce_s = 2
[limit]
memory = "160 MiB"
restart_delay_s = 1
max_restarts = 9
[sampling]
smaps_every_s = 2
census_every_s = 2
quiesce_every_s = 4
[stubs]
[traffic]
rate_rps = 60
request_bytes = 100000
[replay]
seconds = 12
native = "off"
[arms.leaky]
role = "before"
command = ["{python}", "-m", "gateway", "--variant", "leaky", "--port", "{port}", "--upstreams", "{upstreams}"]
[arms.fixed]
role = "after"
command = ["{python}", "-m", "gateway", "--variant", "fixed", "--port", "{port}", "--upstreams", "{upstreams}"]
"""


@pytest.fixture(scope="module")
def oom_run(tmp_path_factory: pytest.TempPathFactory) -> Soak:
    directory = tmp_path_factory.mktemp("oom")
    profile = directory / "short.toml"
    profile.write_text(GATEWAYS)
    soak = soak_until(lambda soak: soak.replayed("leaky"), profile, directory / "runs")
    mechanism = json.loads((soak.directory / "manifest.json").read_text())["limit_mechanism"]
    if not mechanism.startswith("cgroup"):
        reason = f"no cgroup can be had here, the limit is a {mechanism}"
        assert "SOAKPROOF_REQUIRE_CGROUP" not in os.environ, reason
        pytest.skip(reason)
    return soak


def test_the_kernel_kills_the_leaky_gateway_and_it_is_restarted(oom_run: Soak) -> None:
    """The kill is the kernel's by its own counter, at the limit, and the next life follows after the delay."""
    kills = [row for row in oom_run.events("exit") if row["arm"] == "leaky" and row["by"] == "kernel"]
    assert kills
    assert kills[0]["detail"] == "killed by SIGKILL"
    restarts = [row for row in oom_run.events("ready") if row["arm"] == "leaky" and row["life"] == "2"]
    assert float(restarts[0]["t_s"]) - float(kills[0]["t_s"]) >= 1
    [limit, *_] = [row for row in oom_run.events("limit") if row["arm"] == "leaky"]
    counters = json.loads(limit["detail"])
    assert counters["oom_kills"] == 1
    assert 0.95 * (160 << 20) <= counters["peak_bytes"] <= 160 << 20


def test_the_fixed_gateway_lives_through_it(oom_run: Soak) -> None:
    """One life, ended by us."""
    assert [(row["life"], row["by"]) for row in oom_run.events("exit") if row["arm"] == "fixed"] == [
        ("1", "soak")
    ]


def test_both_arms_are_sampled_from_outside_and_inside_through_every_phase(oom_run: Soak) -> None:
    """Rows of each phase and rung, with memory, blocks, tasks and gauges; the leak is seen in all of them."""
    growth, last = {}, {}
    for arm in ("leaky", "fixed"):
        rows = oom_run.rows(f"{arm}/samples.csv")
        assert list(dict.fromkeys(row["phase"] for row in rows)) == list(PHASES)
        assert [row["rung"] for row in rows if row["rung"] not in ("", POINT)] == list(RUNGS)
        loaded = [row for row in rows if row["phase"] == "load" and row["life"] == "1" and row["live_blocks"]]
        last[arm] = loaded[-1]
        growth[arm] = {
            name: int(loaded[-1][name]) - int(loaded[0][name])
            for name in ("rss_bytes", "live_blocks", "tasks_finished", "sessions_open")
        }
        first, newest = (json.loads(row["gauges"]) for row in (loaded[0], loaded[-1]))
        growth[arm]["history_entries"] = newest["history_entries"] - first["history_entries"]
    assert growth["leaky"]["rss_bytes"] > max(10_000_000, 2 * growth["fixed"]["rss_bytes"])
    assert growth["leaky"]["tasks_finished"] > 100
    assert growth["leaky"]["live_blocks"] > 1_000
    assert growth["leaky"]["history_entries"] > 100
    assert int(last["fixed"]["tasks_finished"]) < 50
    assert int(last["fixed"]["sessions_open"]) < 10


def test_the_load_pauses_for_points_and_loses_no_request(oom_run: Soak) -> None:
    """Every four seconds nothing is planned for one, the plan's total stays, and what is read then was collected."""
    rows = oom_run.rows("fixed/samples.csv")
    taken = [row for row in rows if row["rung"] == POINT]
    assert [row["phase"] for row in taken] == ["warm-up", *["load"] * 7]
    collections = [int(row["gc_gen2_collections"]) for row in taken]
    assert collections == sorted(set(collections))
    assert all(
        row["uss_bytes"] and row["pymalloc_arena_bytes"] and row["malloc_in_use_bytes"] for row in taken
    )
    requests = oom_run.rows("fixed/requests.csv")
    start_s = int(requests[0]["t_s"])
    planned = {int(row["t_s"]) - start_s: int(row["planned"]) for row in requests}
    assert [second for second in range(32) if planned[second] == 0] == [3, 7, 11, 15, 19, 23, 27, 31]
    assert sum(planned.values()) == 4 * 50 + 28 * 60
    assert [3 <= (float(row["t_s"]) - start_s) % 4 < 4 for row in taken] == [True] * 8


def test_the_ladder_separates_what_is_kept_from_what_was_held(oom_run: Soak) -> None:
    """A collect and a trim are made between the rungs: collections rise, and native bytes free fall."""
    rungs = {row["rung"]: row for row in oom_run.rows("fixed/samples.csv") if row["rung"]}
    collections = [int(rungs[rung]["gc_gen2_collections"]) for rung in RUNGS]
    assert collections[1] > collections[0]
    assert int(rungs["trimmed"]["rss_bytes"]) <= int(rungs["collected"]["rss_bytes"])


def test_the_heap_is_counted_from_outside_under_load_and_on_the_ladder(oom_run: Soak) -> None:
    """What the leaky gateway keeps grows from census to census; the other's history stops at its bound."""
    rows = [row for row in oom_run.rows("leaky/census.csv") if row["life"] == "1"]
    assert {"warm-up", "load"} <= {row["phase"] for row in rows}
    kept = [int(row["objects"]) for row in rows if row["type"] == "_asyncio.Task" and row["phase"] == "load"]
    assert len(kept) >= 3
    assert kept == sorted(kept)
    assert kept[-1] > kept[0]
    assert {row["rung"] for row in oom_run.rows("fixed/census.csv")} >= set(RUNGS)


def test_the_holders_are_named_although_the_kernel_kills_the_process(oom_run: Soak) -> None:
    """In pauses of the load, before it is ever drained: each by the path of references, with what it holds.

    It lives for three pauses of the load, at each of which what was not found before is searched for.
    """
    rows = [row for row in oom_run.rows("leaky/holders.csv") if row["life"] == "1" and row["rung"] == "point"]
    held = {row["holder"].rpartition(".")[2]: row["entries"] for row in rows}
    assert {"background_tasks", "response_cache", "request_history"} <= held.keys()
    assert '"finished"' in held["background_tasks"]


def test_a_gateway_that_lives_is_searched_once_before_its_load_and_after_it(oom_run: Soak) -> None:
    """While numbers are taken a search would look like a leak: before them it is rehearsed, for nothing.

    On a machine too busy for that it is left out.
    """
    rows = oom_run.rows("fixed/holders.csv")
    before = [row for row in rows if row["rung"] == POINT]
    assert [(row["phase"], row["holder"], row["type"]) for row in before] in ([], [("warm-up", "", "")])
    assert {row["phase"] for row in rows} <= {"warm-up", "quiesce"}


def test_the_arm_that_leaks_is_replayed_after_the_verdict(oom_run: Soak) -> None:
    """The line that retains most is the gateway's, with nearly all of a request's body; no other arm is replayed.

    Each request that was sent is counted, and so are those after the last point, too few for another.
    """
    manifest = json.loads((oom_run.directory / "manifest.json").read_text())
    assert manifest["replay"].keys() == {"leaky"}
    found = manifest["replay"]["leaky"]
    assert (found["status"], found["reason"], found["passes"]) == ("done", "", ["python"]), found
    assert found["seconds"] < 20
    points = oom_run.rows(f"leaky/{REPLAY}")
    assert len(points) >= MIN_REPLAY_POINTS
    assert 0 <= found["requests"] - int(points[-1]["requests"]) < MIN_POINT_REQUESTS
    first = oom_run.rows(f"leaky/{SITES}")[0]
    assert "gateway/app.py:" in first["your_line"]
    assert float(first["bytes_per_request"]) == pytest.approx(100_000, rel=0.02)
    assert "from_json" in first["source"]
    printed = oom_run.stdout
    assert printed.index("leaky: LEAK: ") < printed.index("replay of leaky: done") < printed.index("Report: ")


def test_the_run_ends_with_a_report_and_nothing_left_behind(oom_run: Soak) -> None:
    """The report is printed and stands in files; no process, socket directory or cgroup stays.

    The control is caught in 28 seconds; too few for a verdict on the candidate, and that is said.
    """
    assert oom_run.code == 4, oom_run.stdout + oom_run.stderr
    assert "leaky: LEAK: " in oom_run.stdout
    assert "fixed: INCONCLUSIVE: " in oom_run.stdout
    made = {path.name for path in (oom_run.directory / "report").iterdir()}
    assert {
        "comparison.csv",
        "comparison.md",
        "junit.xml",
        "report.html",
        "report.md",
        "memory.png",
        "objects.png",
        "latency.png",
        "summary.json",
    } <= made
    assert oom_run.running() == []
    manifest = json.loads((oom_run.directory / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert verify(oom_run.directory).exit_code == 0
    assert list(oom_run.temporary.iterdir()) == []
    assert not list(Path("/sys/fs/cgroup").rglob(f"soakproof-{oom_run.directory.resolve().name}*"))


@pytest.fixture(scope="module")
def strangers(starlette_profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Soak:
    """A run of two arms that are not our gateway: one has a process that left its session, the other no probe."""
    directory = tmp_path_factory.mktemp("strangers")
    leaving = (
        f'arms.old.command=["sh", "-c", "setsid sleep 300 & echo $! > {directory}/pid; '
        'exec {python} -m uvicorn starlette_app:app --port {port} --log-level warning"]'
    )
    without_probe = (
        'arms.new.command=["{python}", "-I", "-c", "import sys, uvicorn; sys.path.insert(0, \'.\'); '
        "uvicorn.run('starlette_app:app', port={port}, log_level='warning')\"]"
    )
    runs = directory / "runs"
    return finish(start_soak(starlette_profile, runs, "--set", leaving, "--set", without_probe), runs)


def test_another_asgi_app_is_sampled_probed_and_reported(strangers: Soak) -> None:
    """Ten lines of Starlette, without stubs, limit or aiohttp: what is not there is empty, and nothing fails.

    Three seconds of load are too few for a verdict, and that is said.
    """
    assert strangers.code == 4, strangers.stdout + strangers.stderr
    assert "INCONCLUSIVE: " in strangers.stdout
    rows = [row for row in strangers.rows("old/samples.csv") if row["life"] == "1"]
    assert all(row["live_blocks"] and row["tasks_alive"] for row in rows)
    assert not any(row["sessions_open"] or row["gauges"] for row in rows)
    requests = strangers.rows("old/requests.csv")
    assert sum(int(row["ok"]) for row in requests) == sum(int(row["planned"]) for row in requests) > 120
    assert (strangers.directory / "report" / "memory.png").exists()


def test_a_target_started_without_our_probe_is_sampled_from_outside(strangers: Soak) -> None:
    """python -I skips the probe: outside readings go on and the events say so."""
    rows = strangers.rows("new/samples.csv")
    assert rows
    assert all(row["rss_bytes"] and not row["live_blocks"] for row in rows)
    assert any("sampled from outside only" in row["detail"] for row in strangers.events("gap"))


def test_a_process_that_left_the_session_of_its_target_ends_with_the_run(strangers: Soak) -> None:
    """setsid takes it out of the group we kill; its environment still names the run."""
    left = (strangers.directory.parents[1] / "pid").read_text().strip()
    wait_until_gone(int(left))
    [below] = [row for row in strangers.events("start") if row["life"] == "2"]
    assert below["pid"] == left
    assert any(row["pid"] == left and row["rss_bytes"] for row in strangers.rows("old/samples.csv"))


def test_ctrl_c_in_the_middle_still_makes_a_report(starlette_profile: Path, tmp_path: Path) -> None:
    """Exit code 4, the reason, a report of what was recorded, and no process left, though an arm is stopped."""
    process = start_soak(starlette_profile, tmp_path, "--set", "phases.load_s=600")
    wait_for_event(tmp_path, "phase", "load")
    [old] = [row for row in Soak.of(tmp_path).events("start") if row["arm"] == "old"]
    os.kill(int(old["pid"]), signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    soak = finish(process, tmp_path)
    [asked], [down] = soak.events("interrupted"), soak.events("run_end")
    assert float(down["t_s"]) - float(asked["t_s"]) < 15
    assert soak.code == 4, soak.stdout + soak.stderr
    assert soak.events("interrupted")[0]["detail"] == "SIGINT in phase load"
    assert "SIGINT in phase load" in soak.stdout
    assert (soak.directory / "report" / "summary.json").exists()
    assert verify(soak.directory).exit_code == 0
    assert soak.running() == []


def test_kill_9_of_the_supervisor_leaves_no_process_and_a_recording(
    starlette_profile: Path, tmp_path: Path
) -> None:
    """Everything ends with it, and soak report still makes its report."""
    process = start_soak(starlette_profile, tmp_path, "--set", "phases.load_s=600")
    wait_for_event(tmp_path, "phase", "load")
    process.kill()
    soak = finish(process, tmp_path)
    for row in soak.events("start"):
        wait_until_gone(int(row["pid"]))
    assert soak.running() == []
    report = subprocess.run(
        [sys.executable, "-m", "soak", "report", str(tmp_path / "latest")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.returncode == 4, report.stdout + report.stderr
    assert (soak.directory / "report" / "memory.png").exists()


def wait_until_gone(pid: int) -> None:
    """Wait on the process itself, by its pidfd: it is nobody's child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        import select

        select.select([descriptor], [], [], 15)
    finally:
        os.close(descriptor)
    assert not is_running(pid)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            'arms.old.command=["{python}", "-c", "print(1/0)"]',
            "old: it ended before it was ready (exit code 1)",
        ),
        ("arms.old.ready=/nowhere", "/nowhere did not answer with a status below 400 within 2 s"),
    ],
)
def test_a_target_that_does_not_start_is_a_sentence_with_its_last_lines(
    starlette_profile: Path, tmp_path: Path, setting: str, sentence: str
) -> None:
    """Exit code 2, what is wrong, and the fix; a target's own traceback is quoted, ours is not shown."""
    process = start_soak(starlette_profile, tmp_path, "--set", setting, "--set", "arms.old.ready_timeout_s=2")
    soak = finish(process, tmp_path)
    assert soak.code == 2, soak.stdout + soak.stderr
    assert sentence in soak.stderr
    if "1/0" in setting:
        assert "  | ZeroDivisionError: division by zero" in soak.stderr
    assert 'File "' not in soak.stderr.replace('  |   File "', "")
    assert soak.running() == []


def test_a_locustfile_that_cannot_be_loaded_is_a_sentence_with_its_last_lines(
    starlette_profile: Path, tmp_path: Path
) -> None:
    """The profile asked for it: exit code 2, the key to fix, and what Locust said."""
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_package\n")
    profile = tmp_path / "own.toml"
    profile.write_text(
        starlette_profile.read_text().replace("rate_rps = 40", f'locustfile = "{broken}"\nusers = 1')
    )
    soak = finish(start_soak(profile, tmp_path / "runs"), tmp_path / "runs")
    assert soak.code == 2, soak.stdout + soak.stderr
    assert "Fix traffic.locustfile" in soak.stderr
    assert "  | ModuleNotFoundError: No module named 'no_such_package'" in soak.stderr
    assert soak.running() == []


def test_stubs_are_ours_where_the_working_directory_has_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of stubs for types is nothing rare."""
    (tmp_path / "stubs").mkdir()
    (tmp_path / "stubs" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    plan = plan_run(load_profile("demo"), tmp_path / "run", tmp_path)
    assert plan.stubs is not None
    help_text = subprocess.run(
        [*plan.stubs.argv[:4], "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (help_text.returncode, "--hang-rate" in help_text.stdout) == (0, True)


def test_stubs_that_die_end_the_run_as_a_fault_of_ours_with_a_report(tmp_path: Path) -> None:
    """Exit code 1 and the last words; what was recorded is reported."""
    profile = tmp_path / "short.toml"
    profile.write_text(GATEWAYS)
    process = start_soak(profile, tmp_path / "runs", "--set", "phases.idle_s=1")
    wait_for_event(tmp_path / "runs", "phase", "load")
    [stubs] = [row for row in Soak.of(tmp_path / "runs").events("start") if row["arm"] == "stubs"]
    os.kill(int(stubs["pid"]), signal.SIGKILL)
    soak = finish(process, tmp_path / "runs")
    assert soak.code == 1, soak.stdout + soak.stderr
    assert "stubs ended (killed by SIGKILL)" in soak.stderr
    assert (soak.directory / "report" / "summary.json").exists()
    assert soak.running() == []


def test_a_full_disk_ends_the_run_and_loses_nothing(starlette_profile: Path, tmp_path: Path) -> None:
    """Something else fills the file system: exit code 1, the file named, whole rows kept."""
    runs = tmp_path / "runs"
    runs.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(runs)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no small file system can be mounted here (needs root)")
    try:
        process = start_soak(starlette_profile, runs, "--set", "phases.load_s=600", "--set", "traffic.rate_rps=1",
                             "--set", "sampling.every_s=0.1")  # fmt: skip
        wait_for_event(runs, "phase", "load")
        with contextlib.suppress(OSError), (runs / "other").open("wb", buffering=0) as other:
            while other.write(bytes(1 << 12)):
                pass
        soak = finish(process, runs)
        assert soak.code == 1, soak.stdout + soak.stderr
        assert "No space left on device" in soak.stderr
        assert "Traceback" not in soak.stderr
        assert len(soak.rows("old/samples.csv")) > 10
        assert soak.running() == []
    finally:
        subprocess.run(["umount", "--lazy", str(runs)], check=True)


def helper_of(runs: Path, name: str) -> psutil.Process:
    """Return a process of the run's own, such as the judge, once it was started."""
    wait_for_event(runs, "start", f",{name},")
    [started] = [row for row in Soak.of(runs).events("start") if row["arm"] == name]
    return psutil.Process(int(started["pid"]))


def judge_a_certain_failure(runs: Path) -> None:
    """Write the verdict so far in the place of the judge: a gate of the candidate is certain to fail."""
    certain = ArmLive("leak", "its blocks grow", certain_fail=True)
    aside = runs / "live.tmp"
    aside.write_text(Live(1.0, {"new": certain}).to_json())
    aside.replace(runs / "latest" / "live.json")


def test_a_certain_failure_ends_the_load_early_and_not_the_recording(
    starlette_profile: Path, tmp_path: Path
) -> None:
    """Asked to stop on it, the run goes on to drain and quiesce, complete, with the reason as an event."""
    settings = ("--set", "judge.stop_on_fail=true", "--set", "phases.load_s=600")
    process = start_soak(starlette_profile, tmp_path, *settings)
    wait_for_event(tmp_path, "phase", "load")
    helper_of(tmp_path, "judge").suspend()
    judge_a_certain_failure(tmp_path)
    soak = finish(process, tmp_path)
    [stopped] = soak.events("stopped_early")
    assert stopped["detail"] == "a gate of new is certain to fail: its blocks grow"
    phases = {row["detail"]: float(row["t_s"]) for row in soak.events("phase")}
    assert list(phases) == list(PHASES)
    assert phases["drain"] - phases["load"] < 10
    assert json.loads((soak.directory / "manifest.json").read_text())["status"] == "complete"
    rows = soak.rows("new/requests.csv")
    assert sum(int(row["ok"]) for row in rows) == sum(int(row["planned"]) for row in rows) > 0
    assert [row["rung"] for row in soak.rows("new/samples.csv") if row["rung"]] == list(RUNGS)
    assert soak.running() == []


@pytest.fixture(scope="module")
def bereft(starlette_profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Soak:
    """A run whose judge and whose recorder of the heap are killed as soon as the load begins."""
    runs = tmp_path_factory.mktemp("bereft") / "runs"
    process = start_soak(starlette_profile, runs)
    wait_for_event(runs, "phase", "load")
    for name in ("judge", "census"):
        helper_of(runs, name).kill()
    judge_a_certain_failure(runs)
    return finish(process, runs)


def test_a_recorder_of_the_heap_that_dies_is_a_gap_and_the_run_goes_on(bereft: Soak) -> None:
    """The censuses are missing; all else is there."""
    gaps = [row for row in bereft.events("gap") if row["detail"].startswith("census from outside: ")]
    assert [gap["arm"] for gap in gaps] == ["old", "new"]
    assert all("its process ended (killed by SIGKILL)" in gap["detail"] for gap in gaps)
    assert json.loads((bereft.directory / "manifest.json").read_text())["status"] == "complete"
    assert [row["rung"] for row in bereft.rows("new/samples.csv") if row["rung"]] == list(RUNGS)
    assert bereft.running() == []


def test_a_judge_that_dies_is_an_event_and_the_run_goes_on(bereft: Soak) -> None:
    """Unasked, a certain failure stops nothing either."""
    [died] = [row for row in bereft.events("exit") if row["arm"] == "judge"]
    assert died["detail"] == "killed by SIGKILL"
    assert bereft.events("stopped_early") == []
    phases = {row["detail"]: float(row["t_s"]) for row in bereft.events("phase")}
    assert phases["drain"] - phases["load"] == pytest.approx(3.0, abs=0.3)

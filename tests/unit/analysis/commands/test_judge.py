"""`soak judge` and `soak compare`, on recordings of ours and of other tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.commands.compare import compare_runs
from analysis.commands.judge import judge_file, judge_run
from analysis.external.tables import Columns
from analysis.formatting import MIB
from analysis.judge.types import Margin
from soak.contract import GateLimit
from soak.errors import RecordingError, UsageError

Build = Callable[..., Path]
MARGIN = Margin(per_s=2**20 / 3600)


def change(run_dir: Path, **keys: Any) -> None:
    """Set keys of a manifest."""
    path = run_dir / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.fixture
def two_runs(build_run: Build, tmp_path: Path) -> tuple[Path, Path]:
    """The run of a release and that of a candidate, made alike."""
    gates = (GateLimit("max_rss", "<=", 1.05, of_before=True, text="<= 1.05x before"),)
    first = build_run(gates=gates).rename(tmp_path / "release")
    second = build_run(gates=gates, after_start_bytes=80e6).rename(tmp_path / "candidate")
    for run_dir in (first, second):
        change(run_dir, run_id=run_dir.name, config={"traffic": {"seed": 1, "shape": "steady"}})
    return first, second


@pytest.mark.usefixtures("planted_verdicts")
def test_a_recording_is_judged_without_figures(build_run: Build) -> None:
    """Verdicts, gates and sign-off are printed, and no report is written."""
    run_dir = build_run()
    answer = judge_run(run_dir)
    assert answer.exit_code == 0
    assert answer.text.startswith("leaky: LEAK: 34.0 KiB/request")
    assert "SIGNED OFF: fixed passed its gate" in answer.text
    assert not (run_dir / "report").exists()


@pytest.mark.usefixtures("planted_verdicts")
def test_two_runs_made_apart_are_compared(two_runs: tuple[Path, Path]) -> None:
    """The release's own arm is what ``x before`` means, not the leaky one that ran beside the candidate."""
    answer = compare_runs(*two_runs)
    assert answer.exit_code == 3
    assert answer.text.startswith(
        "release: fixed: NO LEAK: leak < 99 B/request (95% upper bound; memory in use, "
    )
    assert "\ncandidate:\nleaky: LEAK:" in answer.text
    assert "<= 1.05x before (79.1 MiB)" in answer.text
    assert "NOT SIGNED OFF: fixed failed the gate max_rss." in answer.text


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"python": "3.12.1"}, "Python: 3.11.7, 3.12.1"),
        ({"host": {"cores": 2, "kernel": "6.1"}}, "host kernel: not set, 6.1"),
        ({"config": {"traffic": {"seed": 2, "shape": "steady"}}}, "traffic.seed: 1, 2"),
        (
            {"config": {"traffic": {"seed": 1, "shape": "steady"}, "limit": {"memory": 1}}},
            "limit.memory: not set, 1",
        ),
    ],
)
def test_runs_that_differ_are_refused_with_the_difference(
    two_runs: tuple[Path, Path], keys: dict[str, Any], sentence: str
) -> None:
    """Host, Python, load and limits must be the same."""
    change(two_runs[1], **keys)
    with pytest.raises(UsageError) as caught:
        compare_runs(*two_runs)
    assert f"do not compare: {sentence}. Repeat one of them" in str(caught.value)


def ran_image(run_dir: Path, engine: str, build: str) -> None:
    """Have every arm be an image of a build."""
    arms = json.loads((run_dir / "manifest.json").read_text())["arms"]
    image = {"engine": engine, "name": "shop:latest"}
    change(run_dir, arms=[{**arm, "build": build, "image": image} for arm in arms])


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize(("other", "is_same"), [("sha256:aa", True), ("sha256:bb", False)])
def test_two_runs_of_one_image_are_said_to_be(two_runs: tuple[Path, Path], other: str, is_same: bool) -> None:
    """A tag may have moved, or not: the id decides."""
    ran_image(two_runs[0], "podman", "sha256:aa")
    ran_image(two_runs[1], "podman", other)
    text = " ".join(compare_runs(*two_runs).text.split())
    assert (
        "Both candidates are the same build, sha256:aa; what differs is no change of it." in text
    ) == is_same


@pytest.mark.parametrize(("engine", "found"), [("docker", "podman, docker"), ("", "podman, not set")])
def test_runs_by_different_engines_are_refused(two_runs: tuple[Path, Path], engine: str, found: str) -> None:
    """Or by an engine and without one: what a container is charged with differs."""
    ran_image(two_runs[0], "podman", "sha256:aa")
    if engine:
        ran_image(two_runs[1], engine, "sha256:bb")
    with pytest.raises(UsageError, match=f"do not compare: engine of the candidate: {found}. Repeat"):
        compare_runs(*two_runs)


def test_runs_of_another_schema_are_refused(two_runs: tuple[Path, Path]) -> None:
    """As everywhere."""
    change(two_runs[0], schema_version=99)
    with pytest.raises(RecordingError, match="schema_version is 99"):
        compare_runs(*two_runs)


@pytest.mark.usefixtures("planted_verdicts")
def test_a_run_of_an_older_schema_is_compared(two_runs: tuple[Path, Path]) -> None:
    """The last release may have been recorded before an update of soakproof."""
    change(two_runs[0], schema_version=1)
    assert "<= 1.05x before (79.1 MiB)" in compare_runs(*two_runs).text


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize(("slope", "code"), [(0.0, 0), (1000.0, 3)])
def test_a_file_is_judged_like_an_arm(tmp_path: Path, slope: float, code: int) -> None:
    """The exit code is that of the verdict."""
    path = tmp_path / "x.csv"
    rows = "".join(f"{t},{50e6 + slope * t}\n" for t in range(0, 3600, 60))
    path.write_text("t,rss\n" + rows)
    answer = judge_file(path, Columns("t", "rss", rss_bytes=1.0), MARGIN, 100e6)
    assert answer.exit_code == code
    lines = {
        0: "x.csv: NO LEAK: leak < 102 KiB/h (95% upper bound; RSS); the memory limit is reached in "
        "20 days at the earliest.",
        3: "x.csv: LEAK: 3.4 MiB/h (3.3 MiB to 3.5 MiB, 95%) by RSS; time to OOM: 11.6 h to 14.2 h.",
    }
    span = "x.csv: the margin is 1 MiB/h; 60 readings over 59 min, usually 60 s apart."
    doubt = (
        "x.csv: the load of 59 min is not known, and memory that rises with it looks like a leak: if it rose, record a "
        "day or more."
    )
    assert answer.text.split() == f"{lines[code]} {span} {doubt if code else ''}".split()


@pytest.mark.parametrize(("mib_per_h", "code"), [(100.0, 3), (0.0, 0)])
def test_kib_of_ps_are_not_taken_for_bytes(tmp_path: Path, mib_per_h: float, code: int) -> None:
    """A process above 1 GiB, 24 h of ``ps -o rss``: refused until the unit is stated, by the option or the name."""
    rows = [
        (1_764_162_000 + t, 4 * round(mib * MIB / 4096)) for t, mib in memory(24, 1200, mib_per_h, step_s=300)
    ]
    lines = "".join(f"{t},{kib}\n" for t, kib in rows)
    with pytest.raises(
        RecordingError, match=r"column rss, row 2: .* name the unit by --rss-unit, for example KiB"
    ):
        judged(tmp_path, "t,rss\n" + lines, Columns("t", "rss"))
    assert judged(tmp_path, "t,rss\n" + lines, Columns("t", "rss", rss_bytes=1024))[0] == code
    assert judged(tmp_path, "t,rss_kb\n" + lines, Columns("t", "rss_kb"))[0] == code
    pages = "".join(f"{t},{kib * 1024}\n" for t, kib in rows)
    assert judged(tmp_path, "t,rss\n" + pages, Columns("t", "rss"))[0] == code


@pytest.mark.parametrize(("mib_per_h", "code"), [(100.0, 3), (0.0, 0)])
def test_milliseconds_are_not_taken_for_seconds(tmp_path: Path, mib_per_h: float, code: int) -> None:
    """Six hours of elapsed milliseconds: refused until the unit is stated, by the option or the name."""
    lines = "".join(f"{1000 * t},{mib:.2f}\n" for t, mib in memory(6, 100, mib_per_h))
    with pytest.raises(
        RecordingError, match=r"column t, row 3: .* name the unit by --time-unit, for example ms"
    ):
        judged(tmp_path, "t,rss_mib\n" + lines, Columns("t", "rss_mib"))
    assert judged(tmp_path, "t,rss_mib\n" + lines, Columns("t", "rss_mib", time_s=1e-3))[0] == code
    assert judged(tmp_path, "t_ms,rss_mib\n" + lines, Columns("t_ms", "rss_mib"))[0] == code


@pytest.mark.parametrize(
    ("hours", "mib_per_h", "code"), [(6, 1.6, 4), (72, 0.0, 0), (168, 0.0, 0), (168, 3.0, 3)]
)
def test_a_leak_does_not_hide_in_rounded_cells(
    tmp_path: Path, hours: float, mib_per_h: float, code: int
) -> None:
    """Docker writes four digits, so above 10 GiB it rounds to 10.2 MiB; days show what hours do not."""
    rows = memory(hours, 12_300, mib_per_h, step_s=300)
    text = "t,rss\n" + "".join(f"{t},{mib / 1024:.4g}GiB\n" for t, mib in rows)
    found, line = judged(tmp_path, text, Columns("t", "rss", time_s=1.0))
    assert found == code
    assert ("rss is rounded to 10.2 MiB, which hides what leaks: record bytes or KiB" in line) is (code == 4)


@pytest.mark.parametrize("cell", ["{:.6f}MiB", "{:.2f}MiB", "{:.4g}MiB"])
@pytest.mark.parametrize(("mib_per_h", "code"), [(5.0, 4), (0.0, 0)])
def test_a_leak_whose_readings_freeze_is_not_passed(
    tmp_path: Path, mib_per_h: float, code: int, cell: str
) -> None:
    """The memory of a healthy service may settle and then stay the same for days, to the byte."""
    rows = [(t, cell.format(mib)) for t, mib in memory(60, 200, mib_per_h, step_s=300)]
    rows += [(rows[-1][0] + 300 * k, rows[-1][1]) for k in range(1, 1297)]
    found, line = judged(
        tmp_path, "t_s,rss\n" + "".join(f"{t},{size}\n" for t, size in rows), Columns("t_s", "rss")
    )
    assert found == code
    assert ("it has not changed in the last 4 days, and grew until then: is it" in line) is (code == 4)
    assert line.endswith("usually 5 min apart; without any change in the last 4 days.")


def test_a_leak_that_would_be_of_a_week_end_is_not_passed_once_it_froze(tmp_path: Path) -> None:
    """What leaves a leak open clears none."""
    rows = [(t, mib + 5.0 * max(0.0, t / 3600 - 84)) for t, mib in memory(144, 200, 0.0, step_s=300)]
    rows += [(rows[-1][0] + 300 * k, rows[-1][1]) for k in range(1, 15 * 288)]
    text = "t_s,rss\n" + "".join(f"{t},{4096 * round(256 * mib)}\n" for t, mib in rows)
    assert judged(tmp_path, text, Columns("t_s", "rss"))[0] == 4


@pytest.mark.parametrize(("load_s", "hours", "step_s"), [(60, 8, 1), (600, 24, 10), (1800, 23, 60)])
def test_data_that_are_loaded_at_the_start_are_no_leak_that_froze(
    tmp_path: Path, load_s: int, hours: int, step_s: int
) -> None:
    """Memory rises in a straight line, and then stays to the byte."""
    times = range(0, hours * 3600, step_s)
    rows = [(t, 4096 * int(256 * (60 + 300 * min(t, load_s) / load_s))) for t in times]
    text = "t_s,rss\n" + "".join(f"{t},{size}\n" for t, size in rows)
    assert judged(tmp_path, text, Columns("t_s", "rss"))[0] == 0


def test_a_service_that_settles_at_once_is_not_taken_for_frozen(tmp_path: Path) -> None:
    """As soak's own load generator did: a warm-up of a quarter of an hour, then not a page in a day."""
    rows = [(60 * k, 4096 * int(256 * (60 + 20 * (1 - np.exp(-min(k, 14) / 3))))) for k in range(1440)]
    code, line = judged(
        tmp_path, "t_s,rss\n" + "".join(f"{t},{size}\n" for t, size in rows), Columns("t_s", "rss")
    )
    assert code == 0
    assert "without any change in the last 23.8 h." in line


@pytest.mark.parametrize("order", ["autumn", "newest first", "utc"])
def test_time_that_goes_backwards_names_its_fix(tmp_path: Path, order: str) -> None:
    """Local times without a zone have an hour twice in autumn; the same moments in UTC are judged, in either order."""
    hours = [(k, k / 60 - (1 if order == "autumn" and k >= 180 else 0)) for k in range(600)]
    rows = [f"2026-10-25T{int(hour):02d}:{k % 60:02d}:00,{80 + 0.1 * (k % 3):.1f}MiB" for k, hour in hours]
    text = "t,rss\n" + "\n".join(reversed(rows) if order == "newest first" else rows) + "\n"
    code, line = judged(tmp_path, text, Columns("t", "rss"))
    assert code == (4 if order == "autumn" else 0)
    assert ("record seconds since 1970, as date +%s writes them, or UTC, and sort" in line) is (
        order == "autumn"
    )


def test_restarts_that_are_not_told_apart_are_not_passed(tmp_path: Path) -> None:
    """A leak through restarts is a sawtooth to who takes them for one process; with their pids it is a leak."""
    path = tmp_path / "x.csv"
    rows = "".join(f"{t},{50e6 + 40e3 * (t % 4000)},{1 + t // 4000}\n" for t in range(0, 40_000, 30))
    path.write_text("t,rss,pid\n" + rows)
    unknown = judge_file(path, Columns("t", "rss", rss_bytes=1.0), MARGIN, None)
    known = judge_file(path, Columns("t", "rss", rss_bytes=1.0, life="pid"), MARGIN, None)
    assert (unknown.exit_code, known.exit_code) == (4, 3)
    assert "its memory fell by more than half 9 times" in " ".join(unknown.text.split())


def judged(tmp_path: Path, text: str, columns: Columns | None = None) -> tuple[int, str]:
    """Return the exit code and the lines of a file, by the real judge."""
    path = tmp_path / "x.csv"
    path.write_text(text)
    answer = judge_file(path, columns, MARGIN, None)
    return answer.exit_code, " ".join(answer.text.split())


def memory(
    hours: float, mib: float, mib_per_h: float, seed: int = 1, step_s: int = 60
) -> list[tuple[int, float]]:
    """Return a reading of MiB every ``step_s`` seconds: a level, a leak and noise."""
    noise = np.random.default_rng(seed).normal(0, 0.2, int(hours * 3600 / step_s))
    return [(step_s * k, mib + mib_per_h * step_s * k / 3600 + noise[k]) for k in range(len(noise))]


def test_no_memory_is_none_that_was_read(tmp_path: Path) -> None:
    """A process has some: a column of zeros, as a tool writes that never filled it, is named and no pass."""
    text = "t,rss\n" + "".join(f"{t},0\n" for t in range(0, 14_400, 5))
    code, line = judged(tmp_path, text, Columns("t", "rss"))
    assert code == 4
    assert "rss is 0 in all 2,880 rows: record it again, or name another column by --rss-column" in line


@pytest.mark.parametrize(("cell", "code"), [(84_410_000, 4), (80 * MIB, 0)])
def test_memory_that_never_changes_is_no_measurement(tmp_path: Path, cell: int, code: int) -> None:
    """Not one page in hours is a column that nobody updates; one in whole MiB is only coarse."""
    text = "t,rss\n" + "".join(f"{t},{cell}\n" for t in range(0, 28_800, 60))
    found, line = judged(tmp_path, text, Columns("t", "rss", rss_bytes=1.0))
    assert found == code
    assert ("rss is 84410000 bytes in all 480 rows" in line) is (code == 4)


@pytest.mark.parametrize(("leak", "code"), [(30.0, 3), (0.0, 0)])
def test_a_pause_is_a_life_of_its_own(tmp_path: Path, leak: float, code: int) -> None:
    """Runs of an hour, appended with hours between them: the leak is that within each, and none is none."""
    rows = [
        (run * 8 * 3600 + t, mib) for run in range(5) for t, mib in memory(1, 70, leak, seed=run, step_s=20)
    ]
    text = "t,rss\n" + "".join(f"{t},{mib:.2f}\n" for t, mib in rows)
    assert judged(tmp_path, text, Columns("t", "rss", rss_bytes=MIB))[0] == code


def test_memory_that_rises_from_pause_to_pause_is_not_cleared(tmp_path: Path) -> None:
    """Flat in each stretch and higher in each: of one process it is a leak, of several it is none."""
    rows = [
        (run * 8 * 3600 + t, mib)
        for run in range(5)
        for t, mib in memory(1, 70 + 20 * run, 0, seed=run, step_s=20)
    ]
    text = "t,rss,pid\n" + "".join(f"{t},{mib:.2f},4711\n" for t, mib in rows)
    code, line = judged(tmp_path, text, Columns("t", "rss", rss_bytes=MIB))
    assert code == 4
    assert (
        "pauses of up to 7.0 h without readings, 4 times: the process may have been started again; name the"
        in line
    )
    assert "--life-column, or one that is the same in all rows if it was not" in line
    known = judged(tmp_path, text, Columns("t", "rss", rss_bytes=MIB, life="pid"))
    assert "pauses" not in known[1]


@pytest.mark.parametrize(("leak", "code"), [(20.0, 3), (0.0, 4)])
def test_time_that_starts_over_is_a_restart(tmp_path: Path, leak: float, code: int) -> None:
    """Each run is a life, so its leak is found; blocks of other processes would look the same, so none is cleared."""
    text = "t,rss\n" + "".join(
        f"{t},{mib:.2f}\n" for run in range(3) for t, mib in memory(2, 70, leak, seed=run)
    )
    found, line = judged(tmp_path, text, Columns("t", "rss", rss_bytes=MIB))
    assert found == code
    assert ("its time starts over 2 times" in line) is (code == 4)


@pytest.mark.parametrize(("leak", "code"), [(6.0, 3), (0.0, 0)])
@pytest.mark.parametrize("blocks", [False, True])
def test_processes_side_by_side_are_judged_each(tmp_path: Path, leak: float, code: int, blocks: bool) -> None:
    """One leaks beside one that is flat, row by row in turn or one after the other in the file."""
    worker = [(t, "worker", mib) for t, mib in memory(8, 80, leak, seed=2)]
    web = [(t, "web", mib) for t, mib in memory(8, 300, 0)]
    rows = worker + web if blocks else sorted(worker + web)
    text = "t,name,rss\n" + "".join(f"{t},{name},{mib:.2f}\n" for t, name, mib in rows)
    found, line = judged(tmp_path, text, Columns("t", "rss", rss_bytes=MIB, life="name"))
    assert found == code
    assert "x.csv, web: NO LEAK" in line
    assert f"x.csv, worker: {'LEAK: 6.0 MiB/h' if leak else 'NO LEAK'}" in line


@pytest.mark.parametrize(
    ("leak", "code", "sentence"),
    [
        (0.0, 0, "x.csv, 3 processes together: NO LEAK: leak < "),
        (0.6, 3, "x.csv, 3 processes together: LEAK: 1.8 MiB/h (1.6 MiB to 1.9 MiB, 95%) by RSS."),
    ],
)
def test_processes_below_the_margin_whose_sum_is_above_it_are_not_cleared(
    tmp_path: Path, leak: float, code: int, sentence: str
) -> None:
    """Each is NO LEAK by itself; what they leak together decides."""
    rows = sorted((t, name, mib) for name in "abc" for t, mib in memory(24, 80, leak, seed=ord(name)))
    text = "t,name,rss\n" + "".join(f"{t},{name},{mib:.2f}\n" for t, name, mib in rows)
    found, line = judged(tmp_path, text, Columns("t", "rss", rss_bytes=MIB, life="name"))
    assert [f"x.csv, {name}: NO LEAK" in line for name in "abc"] == [True] * 3
    assert sentence in line
    assert found == code


def test_rows_that_take_turns_are_not_passed(tmp_path: Path) -> None:
    """Two processes that are not told apart differ by less than half, so no fall gives them away."""
    rows = sorted([*memory(8, 100, 0), *memory(8, 80, 0, seed=2)])
    text = "t,rss\n" + "".join(f"{t},{mib:.2f}\n" for t, mib in rows)
    code, line = judged(tmp_path, text, Columns("t", "rss", rss_bytes=MIB))
    assert code == 4
    assert "its rows take turns between levels" in line


def test_processes_that_become_more_are_not_cleared(tmp_path: Path) -> None:
    """Each is flat, but their sum is not."""
    lines = [(t, f"MEM {mib:.3f} {t}") for t, mib in memory(8, 40, 0)]
    for pid in (11, 12):
        lines += [
            (t, f"CHLD {pid} {mib:.3f} {t}") for t, mib in memory(8, 60, 0, seed=pid) if t > 3600 * (pid - 10)
        ]
    code, line = judged(tmp_path, "CMDLINE x\n" + "\n".join(text for _, text in sorted(lines)) + "\n")
    assert code == 4
    assert "x.csv, main process: NO LEAK" in line
    assert "child 11: INCONCLUSIVE: the number of processes grew from 1 to 3" in line


@pytest.mark.parametrize(
    ("swing", "leak", "code"), [(60.0, 0.0, 4), (60.0, 5.0, 4), (0.0, 5.0, 3), (0.0, 0.0, 0)]
)
def test_a_file_of_a_service_that_is_deployed_each_day_is_no_leak_by_its_load(
    tmp_path: Path, swing: float, leak: float, code: int
) -> None:
    """Lives that all rise alike and fall back decide nothing; what leaks under a level load is called."""
    day_h = [(t / 3600, mib) for t, mib in memory(72, 100, 0)]
    lines = (
        f"{hour:.5f},pod-{hour // 24:.0f},{mib + leak * (hour % 24) - swing * np.cos(2 * np.pi * hour / 24):.2f}\n"
        for hour, mib in day_h
    )
    columns = Columns("t", "rss", time_s=3600.0, rss_bytes=MIB, life="pod")
    assert judged(tmp_path, "t,pod,rss\n" + "".join(lines), columns)[0] == code


def test_an_empty_file_decides_nothing(tmp_path: Path) -> None:
    """By the real judge: too few readings are inconclusive, never a pass."""
    assert judged(tmp_path, "t,rss\n", Columns("t", "rss"))[0] == 4

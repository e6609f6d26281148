"""What is seen while a run goes on."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soak.contract import REQUEST_COLUMNS, ArmLive, names
from soak.status.model import ArmStatus, RunStatus
from soak.status.requests_tail import RequestTail
from soak.status.terminal import Progress, plain_line


def now(elapsed_s: float = 65.0, live: ArmLive | None = None) -> RunStatus:
    return RunStatus(
        phase="load",
        elapsed_s=elapsed_s,
        left_s=3725.0,
        arms=[
            ArmStatus(
                name="leaky",
                life=2,
                oom_kills=1,
                up=True,
                sample={"rss_bytes": 100 << 20, "tasks_alive": 7, "sessions_open": 3},
                limit_bytes=512 << 20,
                requests={"planned": 50, "ok": 48, "failed": 2},
                live=live,
            ),
            ArmStatus(name="fixed", life=1, oom_kills=0, up=False, sample={}, limit_bytes=None),
        ],
    )


def test_without_a_terminal_a_run_is_one_line_now_and_then() -> None:
    """Phase, time, time left, and for each arm its life, memory, tasks, sessions, rate and failures."""
    assert plain_line(now()) == (
        "[1:05, 1:02:05 left] load: "
        "leaky #2, MiB 100 of 512, tasks 7, sessions 3, ok/s 48, failed/s 2, OOM kills 1; "
        "fixed down, OOM kills 0"
    )


@pytest.mark.parametrize(
    ("live", "cells"),
    [
        (
            ArmLive("no_leak", "", rate_per_s=3.0, rate_per_request=12.4),
            ", verdict: no leak, 12 B/request",
        ),
        (ArmLive("leak", "", rate_per_s=17_400.0), ", verdict: leak, 17,400 B/s"),
        (ArmLive("inconclusive", ""), ", verdict: inconclusive"),
        (
            ArmLive("leak", "", suspect="gateway…cache: +1.00 items/request"),
            ", verdict: leak, suspect: gateway…cache: +1.00 items/request",
        ),
    ],
)
def test_the_verdict_so_far_is_shown_with_its_rate_and_suspect(live: ArmLive, cells: str) -> None:
    """Per request where requests are known; an arm that is not judged yet has neither."""
    leaky, _, fixed = plain_line(now(live=live)).partition("; fixed")
    assert leaky.endswith(f"OOM kills 1{cells}")
    assert "verdict" not in fixed


def test_plain_lines_come_every_ten_seconds() -> None:
    """A log of hours stays readable."""
    output = io.StringIO()
    with Progress(Console(file=output, width=200)) as progress:
        for second in range(25):
            progress.show(now(float(second)))
    assert len(output.getvalue().splitlines()) == 3


def test_on_a_terminal_there_is_a_table_that_leaves_nothing_behind() -> None:
    """Each arm is a row; the table is gone at the end."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Progress(console) as progress:
        progress.show(now())
        text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "100 of 512" in text
    assert "OOM kills" in text


@pytest.mark.parametrize("named", ["x[/y]", "list[int]", "[red]no", "bell\x07"])
def test_what_a_target_calls_its_things_is_no_markup(named: str) -> None:
    """A suspect is shown as it is named, whatever that does to a terminal."""
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    arm = replace(now().arms[0], live=ArmLive("leak", "", suspect=named))
    with Progress(console) as progress:
        progress.show(replace(now(), arms=[arm]))
        text = console.file.getvalue()  # type: ignore[attr-defined]
    assert named.replace("\x07", r"\x07") in text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"up": False, "starting": True}, "starting, ok/s 48"),
        ({"up": False}, "down, ok/s 48"),
        ({"requests": {"ok": 297.8, "failed": 0.2}}, "#2, ok/s 298, failed/s 0.2"),
        ({"requests": {"ok": 0.5, "failed": 0}}, "#2, ok/s 0.5, failed/s 0"),
    ],
)
def test_an_arm_that_starts_is_not_down_and_a_low_rate_is_not_none(status: dict[str, Any], text: str) -> None:
    """Down is an arm without a process."""
    leaky = replace(now().arms[0], sample={}, oom_kills=None, **status)
    assert plain_line(replace(now(), arms=[leaky])).partition("leaky ")[2].startswith(text)


COLUMNS = names(REQUEST_COLUMNS)


def second(planned: int, ok: int, **failed: int) -> str:
    """Return a row of requests.csv."""
    row = {**dict.fromkeys(COLUMNS, 0), "planned": planned, "ok": ok, **failed}
    return ",".join(map(str, row.values())) + "\n"


def test_the_whole_seconds_of_the_load_are_followed(tmp_path: Path) -> None:
    """A row that is still being written waits for its end; failures of every kind and missed ones are added up."""
    path = tmp_path / "requests.csv"
    tail = RequestTail(path)
    assert tail.rates(1.0) == {}
    line = second(9, 5, failed_timeout=1, missed=3)
    path.write_text(",".join(COLUMNS) + "\n")
    assert tail.rates(1.0) == {}
    with path.open("a") as file:
        file.write(line[:20])
        file.flush()
        assert tail.rates(1.0) == {}
        file.write(line[20:])
        file.flush()
    assert tail.rates(1.0) == tail.rates(1.0) == {"planned": 9, "ok": 5, "failed": 4}


@pytest.mark.parametrize(
    ("planned", "rate"),
    [
        ([300] * 40, 300),
        ([300] * 20 + [0], 300),
        ([300] * 9 + [0] * 3 + [300], 300),
        ([1, 0, 0, 0, 0] * 4, 0.2),
        ([300] * 20 + [0] * 10, 0),
    ],
    ids=["steady", "in a pause", "after a long pause", "slow", "over"],
)
def test_a_pause_of_the_load_is_no_drop_of_its_rate(tmp_path: Path, planned: list[int], rate: float) -> None:
    """The mean is over the newest seconds under load; a slow load has seconds without a request of its own."""
    path = tmp_path / "requests.csv"
    path.write_text(",".join(COLUMNS) + "\n" + "".join(second(one, one) for one in planned))
    assert RequestTail(path).rates(1.0)["ok"] == pytest.approx(rate)


def test_an_arm_that_answers_nothing_has_the_rate_of_that(tmp_path: Path) -> None:
    """What is planned makes a second one under load, not what is answered."""
    path = tmp_path / "requests.csv"
    path.write_text(",".join(COLUMNS) + "\n" + second(300, 300) * 5 + second(300, 0, missed=300) * 5)
    assert RequestTail(path).rates(1.0) == {"planned": 300, "ok": 150, "failed": 150}


@pytest.mark.parametrize(
    "damaged",
    ["x" + second(1, 1), second(7, 7).replace("7", "7x"), "1,3\n", "\x00\x00\n", "\n"],
    ids=["its second", "its counts", "cut", "never written", "empty"],
)
def test_a_damaged_row_is_left_out(tmp_path: Path, damaged: str) -> None:
    """A run does not end for a number that is shown."""
    path = tmp_path / "requests.csv"
    path.write_text(",".join(COLUMNS) + "\n" + second(300, 200) + damaged + second(300, 100, missed=200))
    assert RequestTail(path).rates(1.0) == {"planned": 300, "ok": 150, "failed": 100}


def test_old_rates_are_none_of_now(tmp_path: Path) -> None:
    """Once no second came for as long as the mean is of, as between two loads of a web UI."""
    path = tmp_path / "requests.csv"
    path.write_text(",".join(COLUMNS) + "\n" + second(300, 300) * 30)
    tail = RequestTail(path)
    assert (tail.rates(9.0)["ok"], tail.rates(11.0)) == (300, {})

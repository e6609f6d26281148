"""`soak judge` on a file of pods that come and go: by roll-outs, and with the load of a day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.commands.judge import judge_file
from analysis.external.tables import Columns
from analysis.formatting import MIB
from analysis.judge.types import Margin, Numbers

HOUR_S = 3600.0
STEP_S = 120.0
Pod = tuple[str, Numbers, Numbers]
"""Its name, hours and MiB."""


def judged(tmp_path: Path, pods: list[Pod]) -> tuple[int, str]:
    """Return the exit code and the lines of a file of pods, row by row in order of time."""
    rows = sorted(
        (h * HOUR_S, name, mib) for name, hours, mibs in pods for h, mib in zip(hours, mibs, strict=True)
    )
    path = tmp_path / "pods.csv"
    path.write_text("t_s,pod,rss\n" + "".join(f"{t:.0f},{name},{mib:.2f}\n" for t, name, mib in rows))
    columns = Columns("t_s", "rss", rss_bytes=MIB, life="pod")
    answer = judge_file(path, columns, Margin(per_s=MIB / HOUR_S), None)
    return answer.exit_code, " ".join(answer.text.split())


def pod(name: str, begins_h: float, ends_h: float, leak: float, swing: float = 0.0) -> Pod:
    """Return a pod that leaks MiB per hour of its life, and of whose memory ``swing`` MiB follow the load of a day."""
    hours = np.arange(begins_h, ends_h, STEP_S / HOUR_S)
    noise = np.random.default_rng(sum(map(ord, name))).normal(0, 0.3, len(hours))
    follows = swing * (0.5 - 0.5 * np.cos((hours - 3) / 24 * 2 * np.pi))
    return name, hours, 200 + follows + leak * (hours - begins_h) + noise


@pytest.mark.parametrize(("leak", "code"), [(0.0, 0), (0.25, 0), (2.0, 3)])
def test_pods_that_follow_one_another_by_roll_outs_do_not_add_up(
    tmp_path: Path, leak: float, code: int
) -> None:
    """Each overlaps the next by minutes: five that leak a quarter of the margin are one at a time."""
    pods = [pod(f"shop-{k}", 60.0 * k, 60.0 * (k + 1) + 0.05, leak) for k in range(5)]
    assert judged(tmp_path, pods)[0] == code


@pytest.mark.parametrize(("leak", "code"), [(0.0, 4), (3.0, 3)])
@pytest.mark.parametrize("begins_h", [7.0, 5.5])
def test_pods_that_are_there_for_a_morning_are_no_leak_by_its_load(
    tmp_path: Path, begins_h: float, leak: float, code: int
) -> None:
    """An autoscaler adds them as the load rises, and memory with it; the leak is that of the pod that stays."""
    pods = [pod("stays", 0, 72, leak, 40)]
    pods += [pod(f"morning-{day}", 24 * day + begins_h, 24 * day + 12, leak, 40) for day in range(3)]
    found, line = judged(tmp_path, pods)
    assert found == code
    assert f"pods.csv, stays: {'LEAK' if leak else 'NO LEAK'}" in line
    assert (
        f"morning-1: INCONCLUSIVE: it was there for {12 - begins_h:.1f} h of 3 days, in which its memory may follow"
        in line
    )


@pytest.mark.parametrize("leak", [0.0, 5.0])
def test_what_is_recorded_for_hours_alone_is_called(tmp_path: Path, leak: float) -> None:
    """Two processes of a test of four hours: there is no day to take them for."""
    assert (judged(tmp_path, [pod("web", 0, 4, 0), pod("worker", 0, 4, leak)])[0] == 3) is (leak > 0)

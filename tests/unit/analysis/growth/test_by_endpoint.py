"""The endpoint that a leak of the measured run follows, from whole recordings with a planted truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.growth import by_endpoint
from analysis.growth.by_endpoint import EndpointGrowth, endpoint_growth
from analysis.judge.by_name import GrowthByName
from analysis.recording.read import read_recording
from soak import contract
from tests.support import run_directory

NAMES = ("add", "find", "change", "remove", "follow")
LOAD_S = 100
PHASES = {contract.IDLE: 0, contract.WARMUP: 5, contract.LOAD: 20, contract.DRAIN: 120, contract.QUIESCE: 125}
END_S = 130


def record(
    run_dir: Path,
    seed: int = 0,
    *,
    blocks: tuple[float, ...] = (0.0,) * 5,
    rotate: bool = True,
    probe: bool = True,
    points: bool = False,
    named: bool = True,
    config: dict[str, Any] | None = None,
    **manifest: Any,
) -> EndpointGrowth:
    """Write a run of 50 requests/s for 100 s that leaves ``blocks`` of each name; return its growth by name."""
    draw = np.random.default_rng(seed)
    sent = np.zeros((END_S, len(NAMES)))
    for second in range(5, 120):
        weight = np.ones(len(NAMES))
        if rotate and second >= 20:
            weight[(second - 20) // 10 % len(NAMES)] = 5.0
        sent[second] = draw.multinomial(50, weight / weight.sum())
    requests = [
        {
            "t_s": second, "phase": "load", "planned": 50, "sent": 50, "missed": 0, "ok": 50,
            **dict.fromkeys((f"failed_{kind}" for kind in contract.FAILURE_KINDS), 0),
            "sent_by_name": json.dumps(dict(zip(NAMES, map(int, sent[second]), strict=True))) if named else "",
        }
        for second in range(5, 121)
    ]  # fmt: skip
    kept = np.vstack([np.zeros(len(NAMES)), sent.cumsum(axis=0)]) @ blocks
    rows = []
    for t_s in range(1, END_S):
        reading = {"t_s": t_s, "life": 1, "phase": "load", "rss_bytes": 70e6}
        if probe:
            turn = 100.0 * ((t_s - 21) // 10 % 5 == 1)  # what find holds while it is sent most
            reading["live_blocks"] = round(3e5 + kept[t_s] + turn + draw.normal(0, 10))
        rows.append(reading)
        if points and t_s % 5 == 0:
            rows.append({**reading, "rung": contract.POINT, "t_s": t_s + 0.5})
            if probe:
                rows[-1]["live_blocks"] = 3e5 + kept[t_s : t_s + 2].mean()
    plan = {"traffic": {"mix": "rotate"}} if rotate and config is None else config or {}
    run_directory.write_run(
        run_dir,
        run_directory.manifest({"only": ""}, LOAD_S, profile="mine", incident=False, config=plan, **manifest),
        run_directory.events(PHASES, END_S, ["only"]),
        {"only": (rows, requests)},
    )
    recording = read_recording(run_dir, whole=False)
    return endpoint_growth(recording, recording.arms[0])


@pytest.mark.parametrize("seed", range(10))
def test_two_leaking_of_five_are_named(tmp_path: Path, seed: int) -> None:
    """A block per request of one and two of another, right in each of ten seeds; a third holds 100 in its turns."""
    found = record(tmp_path / "run", seed, blocks=(1, 0, 0, 2, 0)).blocks
    assert found.follows == ("remove", "add")
    assert found.rates["add"].low < 1 < found.rates["add"].high


def test_the_choice_of_readings_is_no_second_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of readings share the chance of error by which endpoints are named."""
    errors: list[float] = []

    def noted(*rows: Any) -> GrowthByName:
        errors.append(rows[-1])
        return GrowthByName(reason="not fitted")

    monkeypatch.setattr(by_endpoint, "growth_of", noted)
    record(tmp_path / "run")
    assert sum(errors[:2]) == by_endpoint.NAMING_ERROR


def test_a_healthy_app_has_no_endpoint(tmp_path: Path) -> None:
    """No name grows, and that is known."""
    found = record(tmp_path / "run").blocks
    assert not found.follows
    assert not found.alike
    assert found.rates


def test_quiesce_points_are_taken_where_they_tell(tmp_path: Path) -> None:
    """Twenty points of exact counts have no noise at all."""
    found = record(tmp_path / "run", blocks=(0, 1, 0, 0, 0), points=True).blocks
    assert found.follows == ("find",)
    assert found.rates["find"].high - found.rates["find"].low < 1e-6


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"rotate": False}, 'the mix of requests is constant; traffic.mix = "rotate" tells endpoints apart'),
        ({"probe": False}, "no probe read live blocks"),
        ({"named": False}, "requests have no names"),
        ({"attached": True}, "the requests of attached processes are not recorded by name"),
        (
            {"config": {"traffic": {"locustfile": "a.py"}}},
            "a locustfile decides what is sent; [[traffic.requests]] would plan it by name",
        ),
    ],
)
def test_what_cannot_be_known_has_a_reason(tmp_path: Path, keys: dict[str, Any], reason: str) -> None:
    """No probe, no names, no plan, a constant mix."""
    found = record(tmp_path / "run", blocks=(1, 0, 0, 0, 0), **keys).blocks
    assert found.reason == reason
    assert not found.follows


def test_a_run_without_a_load(tmp_path: Path) -> None:
    """The reason is that the run did not get there."""
    run_directory.write_run(
        tmp_path / "run",
        run_directory.manifest({"only": ""}, LOAD_S, profile="mine", incident=False),
        run_directory.events({contract.IDLE: 0}, 5, ["only"]),
        {"only": ([{"t_s": 1, "life": 1, "rss_bytes": 7e7}], [])},
    )
    recording = read_recording(tmp_path / "run", whole=False)
    assert (
        endpoint_growth(recording, recording.arms[0]).blocks.reason == "the run did not reach the phase load"
    )


def test_damaged_cells_count_for_nothing(tmp_path: Path) -> None:
    """What is no object of positive numbers is passed over, and the run is still told apart."""
    record(tmp_path / "run", blocks=(1, 0, 0, 0, 0))
    table = tmp_path / "run" / "only" / contract.REQUESTS
    lines = table.read_text().splitlines()
    for at, cell in enumerate(
        [
            "[1]",
            "{",
            "-",
            '"{""add"": ""x"", ""find"": -5, ""follow"": NaN}"',
            "[" * 5000,
            '"{""find"": 1e300}"',
        ]
    ):
        lines[8 + at] = f"{lines[8 + at].partition(',' + chr(34))[0]},{cell}"
    table.write_text("\n".join(lines) + "\n")
    recording = read_recording(tmp_path / "run", whole=False)
    assert endpoint_growth(recording, recording.arms[0]).blocks.follows == ("add",)

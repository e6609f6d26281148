"""A name decides nothing alone: neither that something is a connection, nor that it explains what grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.growth import from_signals
from analysis.growth.classify import kind_of_container, kind_of_type
from analysis.growth.from_signals import count_suspects
from analysis.growth.from_types import attribute_type
from analysis.growth.suspect import LeakSuspect
from analysis.growth.trends import TypeGrowth
from analysis.judge.types import LEAK, NO_LEAK, Judgement, Margin, Rate, SignalSeries, Verdict
from analysis.recording.heap_files import HeapFiles
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Phase
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from tests.support.planted_heap import Container, write_heap
from tests.support.planted_judge import planted_judge
from tests.unit.analysis.conftest import JudgeBy

CACHE = LeakSuspect(
    arm="app", name="app.cache", kind="unbounded cache or list", holder="app.cache", type="builtins.dict",
    address="0x1", lives="1", censuses=9, length=900, holds="str", items_per_request=0.1, items_per_request_low=0.09,
    items_per_request_high=0.11, items_per_s=10.0, bytes_per_request=0.1, bytes_per_s=10.0, share=None,
    retained_bytes=900.0, retained_whole=True, why="",
)  # fmt: skip
LOAD = Phase("load", 0.0, 100.0)
DICTS = TypeGrowth("builtins.dict", 1, 1.0, 100.0, 99.0, 101.0, 10_000.0, 0.99, steady=True)
SESSIONS = replace(CACHE, kind="unclosed sessions or connectors", name="app.sessions", items_per_s=1.0)


@pytest.mark.parametrize(
    ("contained", "leak", "kind"),
    [
        ("shop.auth.UserSession", False, "unbounded cache or list"),
        ("shop.graph.Connection", False, "unbounded cache or list"),
        ("aiohttp_session.Session", False, "unbounded cache or list"),
        ("shop.db.Connection", True, "unclosed sessions or connectors"),
        ("aiohttp.client.ClientSession", False, "unclosed sessions or connectors"),
        ("sqlalchemy.orm.session.Session", False, "unclosed sessions or connectors"),
        ("socket.socket", False, "unclosed sessions or connectors"),
        ("shop.Order", True, "unbounded cache or list"),
    ],
)
def test_a_connection_is_of_a_library_or_something_open_leaks(
    contained: str, *, leak: bool, kind: str
) -> None:
    """The cache of a login has sessions that were never open."""
    assert kind_of_container("dict", [{"type": contained}], connections_leak=leak).name == kind
    held = kind_of_type(contained, "app.kept", [], freed=False, connections_leak=leak)
    assert held.name == kind


@pytest.mark.parametrize(
    ("suspect", "left_out"),
    [
        (replace(SESSIONS, holds="shop.auth.UserSession"), True),
        (replace(SESSIONS, holds="shop.auth.UserSession", items_per_s=100.0), False),
        (replace(SESSIONS, holds="shop.auth.UserSession", items_per_s=0.01), False),
        (replace(SESSIONS, holds="str, aiohttp.client.ClientSession", items_per_s=0.01), True),
        (CACHE, False),
    ],
)
def test_descriptors_are_left_out_where_connections_explain_them(
    suspect: LeakSuspect, *, left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a library, however many each has, or what grows about as fast; no other leak hides theirs."""
    rate = Rate(1.0, 0.9, 1.1)
    monkeypatch.setattr(from_signals, "leak_rates", lambda _verdict: {"fds": (rate, rate)})
    nothing = pd.DataFrame()
    arm = Arm("app", "", None, (), nothing, nothing, nothing, nothing, Latency(), ())
    verdict: Any = None
    found = [one.kind for one in count_suspects(arm, verdict, [suspect])]
    assert found == ([] if left_out else ["file descriptors"])


@pytest.mark.parametrize(
    ("suspects", "explained"),
    [
        ([CACHE], ""),
        ([replace(CACHE, bytes_per_s=5_000.0)], "app.cache"),
        ([replace(CACHE, bytes_per_s=None)], "app.cache"),
        (
            [replace(CACHE, bytes_per_s=3_000.0), replace(CACHE, name="app.other", bytes_per_s=3_000.0)],
            "app.cache",
        ),
        ([replace(CACHE, type="builtins.list", holds="str, dict")], ""),
        ([replace(CACHE, type="builtins.list", holds="str, dict", items_per_request=1.0)], "app.cache"),
        ([replace(CACHE, items_per_request=1.0)], ""),
    ],
)
def test_what_holds_little_of_a_type_explains_none_of_its_growth(
    suspects: list[LeakSuspect], explained: str
) -> None:
    """Half of its bytes, or of its objects as items; one dict that grows is no reason for many."""
    assert attribute_type(DICTS, suspects, HeapFiles(), LOAD, 1e9).explained_by == explained


@pytest.mark.parametrize(
    ("state", "explained"), [("unreferenced", ""), ("referenced", "all of these together")]
)
def test_most_of_the_bytes_explain_no_type_whose_references_are_lost(state: str, explained: str) -> None:
    """A second leak may be as large as the first: the probe found that no object refers to its objects."""
    row = {"t_s": 50.0, "address": "", "type": "ext.Blob", "life": 1.0, "holder": "", "retained_bytes": 1e6,
           "retained_whole": 1.0, "length": 1000.0, "entries": f'[{{"state":"{state}"}}]'}  # fmt: skip
    blobs = TypeGrowth("ext.Blob", 1, 1.0, 15_000.0, 14_999.0, 15_001.0, 15_000.0, 0.4, steady=True)
    suspects = [replace(CACHE, bytes_per_s=19_000.0)]
    files = HeapFiles(holders=pd.DataFrame([row]))
    assert attribute_type(blobs, suspects, files, LOAD, 34_000.0).explained_by == explained


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize(
    ("leaking", "kind"),
    [("sessions_open", "unclosed sessions or connectors"), ("held_bytes", "unbounded cache or list")],
)
def test_the_verdict_on_open_sessions_tells_what_a_name_means(
    leaking: str, kind: str, build_run: Callable[..., Path], judge_by: JudgeBy
) -> None:
    """From the recording to the report."""

    def judge(readings: SignalSeries, margin: Margin, **settings: Any) -> Judgement:
        verdict: Verdict = LEAK if readings.signal == leaking else NO_LEAK
        return replace(planted_judge(readings, margin, **settings), verdict=verdict)

    judge_by(judge)
    run_dir = build_run(kill_hour=None)
    sessions = Container(
        0x10, "builtins.dict", lambda n: n, "shop.logins", 400, [{"type": "shop.UserSession"}]
    )
    write_heap(run_dir / "leaky", [sessions])
    leaky = report_contents(read_recording(run_dir)).growth[0]
    assert [one.kind for one in leaky.suspects if one.address] == [kind]

"""What grew in planted recordings, and what did not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.growth.arm import ArmGrowth, arm_growth
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Judgement, Margin, Rate, SignalSeries, Verdict
from analysis.recording.heap_files import read_heap_files
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.growth_tables import suspect_text
from analysis.verdict.decision import SignalVerdict
from soak import contract
from tests.support.planted_heap import FOUR_LEAKS, STATE, Container, served, write_heap
from tests.support.planted_incident import HOUR_S, LOAD_S
from tests.support.planted_judge import planted_judge
from tests.support.run_directory import RESTART_S
from tests.unit.analysis.conftest import JudgeBy

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


def find_growth(run_dir: Path) -> dict[str, ArmGrowth]:
    """Return what grew, by arm."""
    return {arm.arm: arm for arm in report_contents(read_recording(run_dir)).growth}


def holders(arm: ArmGrowth) -> list[str]:
    """Return the last parts of the paths."""
    return [grower.holder.rpartition(".")[2] for grower in arm.suspects]


@pytest.fixture
def run_dir(build_run: Build) -> Path:
    """A run that nobody dies in; its leaky arm leaks 34.8 kB per request."""
    return build_run(kill_hour=None)


def test_four_leaks_are_named_in_order_of_bytes(run_dir: Path) -> None:
    """Each with its path, its kind, its items and bytes per request; what is flat is not among them."""
    flat = Container(0x7F0000000050, "dict", lambda _: 400, "gateway.app.routes", 100)
    write_heap(run_dir / "leaky", (*FOUR_LEAKS, flat))
    found = find_growth(run_dir)["leaky"]
    assert holders(found) == ["request_history", "response_cache", "background_tasks", "http_sessions"]
    assert [one.kind for one in found.suspects] == [
        "unbounded cache or list",
        "unbounded cache or list",
        "finished tasks still referenced",
        "unclosed sessions or connectors",
    ]
    assert [one.items_per_request for one in found.suspects] == [
        pytest.approx(rate, rel=0.02) for rate in (1, 1, 1, 0.01)
    ]
    assert [one.bytes_per_request for one in found.suspects] == [
        pytest.approx(rate, rel=0.02) for rate in (22_000, 4_000, 1_300, 600)
    ]
    assert found.suspects[0].share == pytest.approx(22_000 / 34_800, rel=0.03)
    assert found.suspects[2].why == "it contains finished tasks of audit, made in gateway/leaky.py:57"
    assert found.censuses == 12


def test_a_cache_that_stops_at_its_bound_did_not_grow(run_dir: Path) -> None:
    """However late in the load it was full; while it still fills it is named."""
    for bound, named in ((5_000, []), (13_000, []), (1_000_000, ["cache"])):
        cache = Container(0x10, "builtins.dict", partial(min, bound), "app.cache", 100)
        write_heap(run_dir / "fixed", [cache])
        assert holders(find_growth(run_dir)["fixed"]) == named


def test_a_container_that_goes_up_and_down_did_not_grow(run_dir: Path) -> None:
    """Requests in flight, however many, and one that is emptied before the last census."""
    waves = iter(range(1, 100))
    in_flight = Container(0x10, "set", lambda n: 100 + n / 1000 + 40 * (next(waves) % 2), "app.flight", 10)
    emptied = Container(0x20, "list", lambda n: n if n < 13_000 else 0, "app.batch", 10)
    write_heap(run_dir / "fixed", [in_flight, emptied])
    assert find_growth(run_dir)["fixed"].suspects == ()


def test_a_bounded_cache_that_still_fills_is_no_suspect_of_a_healthy_arm(run_dir: Path) -> None:
    """Its entries say that it has a bound; in an arm that leaks it is told for what it is."""
    entries = [{"type": "functools._lru_list_elem", "bytes": 72}]
    cache = Container(0x10, "builtins.dict", lambda n: n, "app.lookup<dict>", 100, entries)
    leaks = ["bounded cache, still filling", "native memory", "unclosed sessions or connectors"]
    for arm, kinds in (("fixed", []), ("leaky", leaks)):
        write_heap(run_dir / arm, [cache])
        assert sorted(one.kind for one in find_growth(run_dir)[arm].suspects) == kinds


def test_an_answer_that_ran_out_of_time_hides_none_before_it(run_dir: Path) -> None:
    """The path and the entries of an earlier pause are kept."""
    late = {"address": hex(FOUR_LEAKS[0].address), "type": "builtins.set", "length": 14_000}
    write_heap(run_dir / "leaky", FOUR_LEAKS, more_holders=[late])
    found = {one.holder: one.kind for one in find_growth(run_dir)["leaky"].suspects}
    assert found[f"{STATE}.background_tasks"] == "finished tasks still referenced"


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "weakref.ReferenceType", "bytes": 72},
        {"type": "builtins.weakref", "bytes": 72},
        {"state": "probe"},
    ],
)
def test_a_registry_of_weak_references_holds_nothing(run_dir: Path, entry: dict[str, object]) -> None:
    """It grows with what others keep; those are named. The probe's own count of sessions is one, too."""
    registry = Container(0x10, "builtins.set", lambda n: n, "asyncio.tasks._all_tasks.data", 1, [entry])
    write_heap(run_dir / "leaky", (*FOUR_LEAKS, registry))
    assert len(find_growth(run_dir)["leaky"].suspects) == 4


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "weakref.finalize._Info", "bytes": 2_400},
        {"type": "weakref.WeakValueDictionary", "bytes": 300},
        {"type": "weakref.WeakSet", "bytes": 300},
        {"type": "weakref.ReferenceType", "bytes": 72, "state": "dead"},
    ],
)
def test_what_weakref_has_beside_references_is_held(run_dir: Path, entry: dict[str, object]) -> None:
    """Finalizers that hold their objects, dicts of weak references, references to what is gone."""
    registry = Container(0x10, "builtins.dict", lambda n: n, "weakref.finalize._registry", 1, [entry])
    write_heap(run_dir / "leaky", (*FOUR_LEAKS, registry))
    found = {one.holder: one.kind for one in find_growth(run_dir)["leaky"].suspects}
    assert found["weakref.finalize._registry"] == "unbounded cache or list"


def test_a_dict_with_weak_keys_follows_who_holds_them(run_dir: Path) -> None:
    """Beside the set of the tasks that are its keys it is no finding; alone it is one, as its values may hold them."""
    states = Container(0x10, "builtins.dict", lambda n: n, "anyio._task_states.data", 1, [{"state": "weak"}])
    for others in (FOUR_LEAKS, ()):
        write_heap(run_dir / "leaky", (*others, states))
        found = {one.holder for one in find_growth(run_dir)["leaky"].suspects}
        assert (states.holder in found) == (not others)


def test_without_a_census_the_counts_are_named(run_dir: Path, judge_by: JudgeBy) -> None:
    """Of a Python that the census does not know, tasks and sessions that are judged a leak are told all the same."""

    def sessions_leak(readings: SignalSeries, margin: Margin, **settings: Any) -> Judgement:
        verdict: Verdict = LEAK if readings.signal == "sessions_open" else NO_LEAK
        return replace(planted_judge(readings, margin, **settings), verdict=verdict)

    judge_by(sessions_leak)
    leaky = report_contents(read_recording(run_dir)).growth[0]
    assert [one.kind for one in leaky.suspects] == ["unclosed sessions or connectors"]
    assert leaky.censuses == 0
    judge_by(planted_judge)
    assert find_growth(run_dir)["fixed"].suspects == ()


def test_nothing_is_named_from_two_censuses(run_dir: Path) -> None:
    """Three is the least; an arm without any says that there was none."""
    leak = FOUR_LEAKS[3]
    for end_s, named in ((LOAD_S + 25, 0), (LOAD_S + 40, 1)):
        write_heap(run_dir / "leaky", [leak], end_s=end_s)
        assert len([one for one in find_growth(run_dir)["leaky"].suspects if one.address]) == named
    fixed = find_growth(run_dir)["fixed"]
    assert fixed == ArmGrowth("fixed", 0, (), (), fixed.breakdown)


def test_two_lives_that_hold_the_same_are_one_line(build_run: Build) -> None:
    """The figures are those of the life that was counted more often."""
    run_dir = build_run(kill_hour=3.0)
    killed_s = LOAD_S + 3 * HOUR_S
    again_s = killed_s + RESTART_S
    parts = []
    for life, born_s, end_s in ((1, LOAD_S, killed_s), (2, again_s, 200.0)):
        write_heap(run_dir / "leaky", FOUR_LEAKS, life=life, born_s=born_s, end_s=end_s)
        parts.append({name: (run_dir / "leaky" / name).read_text() for name in HEAP})
    for name in HEAP:
        (run_dir / "leaky" / name).write_text(parts[0][name] + parts[1][name].split("\n", 1)[1])
    found = find_growth(run_dir)["leaky"]
    assert [one.lives for one in found.suspects] == ["1 2"] * 4
    assert [one.items_per_request for one in found.suspects][:3] == [pytest.approx(1, rel=0.03)] * 3


HEAP = (contract.CENSUS, contract.CONTAINERS, contract.HOLDERS)


def test_a_life_that_died_unnamed_says_so(run_dir: Path) -> None:
    """Its containers are told by type and address; without a probe, that naming needs one."""
    leak = Container(0xABC0, "collections.deque", lambda n: n)
    write_heap(run_dir / "leaky", [leak])
    (one,) = (g for g in find_growth(run_dir)["leaky"].suspects if g.address)
    assert one.name == "collections.deque at 0xabc0 (holder unknown: not searched for)"
    assert (one.holder, one.bytes_per_request, one.share) == ("", None, None)
    strip_probe(run_dir / "leaky")
    (one,) = (g for g in find_growth(run_dir)["leaky"].suspects if g.address)
    assert one.name == "collections.deque at 0xabc0 (holder unknown: no probe)"


def strip_probe(arm_dir: Path) -> None:
    """Empty the cells that only the probe fills."""
    with (arm_dir / contract.SAMPLES).open(newline="") as file:
        rows = list(csv.DictReader(file))
    read = ("live_blocks", "pymalloc_arena_bytes", "malloc_in_use_bytes", "tasks_finished", "sessions_open")
    unread = dict.fromkeys(read, "")
    rows = [row | unread for row in rows]
    with (arm_dir / contract.SAMPLES).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_half_written_rows_are_left_out(run_dir: Path) -> None:
    """A torn last line, garbage and an address that is no number spoil no other row; garbage is objected to."""
    write_heap(run_dir / "leaky", FOUR_LEAKS)
    for name in HEAP:
        with (run_dir / "leaky" / name).open("ab") as file:
            file.write(b"garbage,,\xff\xfe\n200.0,leaky,100,1,load,,zzz,list,\n200.0,lea")
    found = report_contents(read_recording(run_dir))
    assert holders(found.growth[0])[:2] == ["request_history", "response_cache"]
    assert [reason for reason in found.reasons if "census.csv" in reason] == [
        "leaky: census.csv: 1 damaged lines were dropped",
        "leaky: census.csv: it has bytes that are no text in UTF-8",
        "leaky: census.csv: 1 cells hold no number and count as not read, the first in column objects",
    ]
    assert "torn" not in "".join(found.reasons)


def test_a_recording_without_a_census_has_no_such_part(run_dir: Path) -> None:
    """Only the counts that are judged a leak are suspects."""
    found = report_contents(read_recording(run_dir))
    assert [(arm.censuses, arm.types) for arm in found.growth] == [(0, ())] * 2
    assert [len(arm.suspects) for arm in found.growth] == [1, 0]


def test_types_are_ranked_by_bytes_and_say_what_holds_them(run_dir: Path) -> None:
    """The tasks and what the sample of entries shows; a type that does not grow is not there."""
    types = {"_asyncio.Task": (lambda n: n, 200.0), "builtins.dict": (lambda n: 2 * n, 300.0)}
    write_heap(run_dir / "leaky", FOUR_LEAKS, types)
    found = find_growth(run_dir)["leaky"].types
    assert [(one.type, one.explained_by.rpartition(".")[2]) for one in found] == [
        ("builtins.dict", "request_history"),
        ("_asyncio.Task", "background_tasks"),
    ]
    assert [one.objects_per_request for one in found] == [
        pytest.approx(2, rel=0.03),
        pytest.approx(1, rel=0.03),
    ]
    assert [round(one.share, 2) for one in found] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("state", "kind"),
    [("unreferenced", "reference lost in native code"), ("cycle", "uncollected reference cycles")],
)
def test_what_the_probe_says_of_a_type_is_its_kind(run_dir: Path, state: str, kind: str) -> None:
    """Although a container grows, too."""
    row = {"type": "app.Node", "length": 9, "entries": f'[{{"state": "{state}"}}]'}
    small = Container(0x10, "builtins.list", lambda n: n / 100 + 100, "app.log", 10)
    write_heap(run_dir / "leaky", [small], {"app.Node": (lambda n: n, 20_000.0)}, more_holders=[row])
    assert find_growth(run_dir)["leaky"].suspects[0].kind == kind


def test_cycles_of_an_incremental_collector_have_that_as_a_reason(run_dir: Path) -> None:
    """CPython 3.14.0 to 3.14.4 free them late; other kinds have nothing to do with it."""
    row = {"type": "app.Node", "length": 9, "entries": '[{"state": "cycle"}]'}
    write_heap(run_dir / "leaky", [], {"app.Node": (lambda n: n, 20_000.0)}, more_holders=[row])
    with (run_dir / "events.csv").open("a") as events:
        events.write("50,,incremental_collector,leaky,,,,CPython 3.14.2\n")
    late = "; the incremental collector of CPython 3.14.2 frees cycles late, that of 3.14.5 does not"
    assert [
        (one.kind, one.why.endswith(late))
        for one in find_growth(run_dir)["leaky"].suspects
        if one.kind != "native memory"
    ] == [("uncollected reference cycles", True), ("unclosed sessions or connectors", False)]


def test_memory_that_no_object_explains_is_native(run_dir: Path) -> None:
    """Malloc's bytes grow by 34.8 kB a request, and no type and no container with them."""
    write_heap(run_dir / "leaky", [])
    one, sessions = find_growth(run_dir)["leaky"].suspects
    assert (one.kind, sessions.kind) == ("native memory", "unclosed sessions or connectors")
    assert one.share == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("native", "rest", "kinds"), [(9.0, 1.0, ["native memory"]), (1.0, 9.0, ["mappings"]), (-1.0, 0.0, [])]
)
def test_the_part_that_grows_most_is_named_where_only_the_whole_leaks(
    run_dir: Path, native: float, rest: float, kinds: list[str]
) -> None:
    """Python's memory is flat, and a large block moves from native memory to the rest as it fills."""
    recording = read_recording(run_dir)
    assert recording.load is not None
    leaky = next(one for one in report_contents(recording).judged.verdicts if one.arm == "leaky")
    malloc = next(one for one in leaky.signals if one.judgement.signal == "native_bytes")

    def judged(signal: str, verdict: Verdict, rate: float) -> SignalVerdict:
        per_s = Rate(rate, -10.0, 10.0)
        return replace(
            malloc, judgement=replace(malloc.judgement, signal=signal, verdict=verdict, per_s=per_s)
        )

    signals = (
        judged("held_bytes", LEAK, 10.0),
        judged("python_bytes", NO_LEAK, 0.0),
        judged("native_bytes", INCONCLUSIVE, native),
        judged("rest_bytes", INCONCLUSIVE, rest),
    )
    arm = next(one for one in recording.arms if one.name == "leaky")
    write_heap(run_dir / "leaky", [])
    files = read_heap_files(run_dir / "leaky")
    found = arm_growth(arm, recording.load, replace(leaky, signals=signals), files).suspects
    assert [one.kind for one in found] == kinds


def test_blocks_of_python_that_are_no_objects_have_a_kind(run_dir: Path) -> None:
    """Python's memory leaks and malloc's does not: what the census does not count is a buffer; objects are none."""
    recording = read_recording(run_dir)
    load = recording.load
    assert load is not None
    leaky = next(one for one in report_contents(recording).judged.verdicts if one.arm == "leaky")
    malloc = next(one for one in leaky.signals if one.judgement.signal == "native_bytes")
    flat = replace(malloc.judgement, verdict=NO_LEAK, per_s=Rate(0.0, -1.0, 1.0))
    python = replace(malloc.judgement, signal="python_bytes")
    judged = tuple(replace(malloc, judgement=one) for one in (python, flat))
    arm = next(one for one in recording.arms if one.name == "leaky")

    def suspects() -> list[tuple[str, str]]:
        files = read_heap_files(run_dir / "leaky")
        found = arm_growth(arm, load, replace(leaky, signals=judged), files).suspects
        return [(one.kind, one.name) for one in found]

    write_heap(run_dir / "leaky", [])
    assert suspects() == [("Python's allocator, no objects", "memory of no object")]
    write_heap(run_dir / "leaky", [], {"app.Node": (lambda n: n, 30_000.0)})
    assert suspects() == [("retained objects, holder unknown", "objects of app.Node")]


def test_objects_that_a_suspect_leads_to_are_its_own(run_dir: Path) -> None:
    """What the probe found in a container that grows hangs on that: it is no suspect beside it."""
    rows = Container(0x10, "builtins.list", lambda n: n, "app.rows", 50, [{"type": "app.Row"}])
    beside = [
        {"type": "app.Label", "length": 9, "holder": "app.rows[7]<type>.label", "entries": "[]"},
        {"type": "app.Other", "length": 9, "holder": "app.rows_seen[7]", "entries": "[]"},
    ]
    types = {name: (lambda n: n, 9_000.0) for name in ("app.Label", "app.Other")}
    write_heap(run_dir / "leaky", [rows], types, more_holders=beside)
    assert {one.name for one in find_growth(run_dir)["leaky"].suspects if one.holder} == {
        "app.rows",
        "app.rows_seen[7]",
    }


def test_an_arm_without_a_leak_has_no_lost_objects(run_dir: Path) -> None:
    """Types rise by chance and by warm caches; the verdict has judged the bytes."""
    write_heap(run_dir / "fixed", [], {"app.Node": (lambda n: n / 100, 50.0)})
    found = find_growth(run_dir)["fixed"]
    assert found.suspects == ()
    assert [one.type for one in found.types] == ["app.Node"]


def test_a_suspect_fits_on_the_line_of_the_run_so_far(run_dir: Path) -> None:
    """First and last part of its path, and its rate."""
    write_heap(run_dir / "leaky", [FOUR_LEAKS[2]])
    (one,) = (g for g in find_growth(run_dir)["leaky"].suspects if g.address)
    assert one.holder == f"{STATE}.response_cache"
    assert suspect_text(one) == "…gateway.response_cache: +1.00 items/request"


def test_the_planted_requests_are_those_of_the_recording() -> None:
    """80 a second from the start of the load."""
    assert served(LOAD_S + 10) == 800

"""The cases and their runner, without running any."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.errors import HarnessError, UsageError
from tests.leaks import allocators_table, environments, interpreters
from tests.leaks.case import Case, Kind, Release, allocator_cases, release_cases
from tests.leaks.outcome import (
    Found,
    Outcome,
    Sites,
    read_outcome,
    read_sites,
    summary_line,
    too_many_skipped,
)
from tests.leaks.profile import Effort, effort, margin, profile_text
from tests.leaks.table import HEAD, markdown, rows
from tests.leaks.yardsticks import ALLOCATORS, RELEASES

CASE = Case("some_cache", Path("app.py"), "3.12", "unbounded_cache", (
    Release("leaky", Path("leaky.txt"), 300.0), Release("fixed", Path("fixed.txt"), 0.2),
))  # fmt: skip


def _found(kind: Kind, verdict: str, *, right: bool) -> Found:
    return Found(kind, 300.0, verdict, "native_bytes", 296.04, 280.0, 310.0, 301.0, right, "It says why.")


def test_twenty_leaks_and_four_healthy_apps_are_whole() -> None:
    """Every case has an app, pinned requirements and what is known of its releases."""
    cases = release_cases()
    assert sum(bool(case.leak_class) for case in cases) == 20
    assert [case.name for case in cases if len(case.releases) == 1] == [
        "healthy_fragmentation", "healthy_gc_sawtooth", "healthy_lru_fill", "healthy_thread_scratch",
    ]  # fmt: skip
    for case in cases:
        assert case.app.is_file()
        for release in case.releases:
            assert all("==" in line for line in release.requirements.read_text().splitlines())
        different = {(release.requirements, release.arguments) for release in case.releases}
        assert len(different) == len(case.releases)
        assert all(release.known for release in case.releases if release.kind == "leaky")


def test_each_allocator_has_a_leaky_app_and_a_healthy_twin() -> None:
    """Only files that the kernel can drop have no leaky one; the twins differ in what is kept, and in nothing else."""
    cases = allocator_cases()
    assert [case.name for case in cases if len(case.releases) == 1] == ["disk_files"]
    assert len(cases) == 14
    for case in cases:
        assert case.app.is_file()
        assert bool(case.preload) == bool(case.package)
        kept = [release.arguments[2] for release in case.releases]
        assert kept == (["1", "0"] if case.leak_class else ["1"])
        for release in case.releases:
            assert all("==" in line for line in release.requirements.read_text().splitlines())


@pytest.mark.parametrize("case", release_cases(), ids=lambda case: case.name)
def test_no_case_is_loaded_beyond_what_it_allows(case: Case) -> None:
    """At most 300 requests a second, 180 seconds of load, and few more requests than the case can bear."""
    plan = effort(case, 180)
    assert plan.rps * plan.point_every_s / (plan.point_every_s - plan.pause_s) <= 300
    assert plan.warmup_s % plan.point_every_s == 0
    assert plan.rps * plan.warmup_s >= 0.9 * case.warmup_requests
    if case.max_requests is not None:
        assert plan.rps * (plan.warmup_s + plan.load_s) <= 1.1 * case.max_requests


@pytest.mark.parametrize("case", release_cases(), ids=lambda case: case.name)
def test_a_leak_is_twice_its_margin_and_more(case: Case) -> None:
    """In three minutes; the fewer the requests, the larger is the least that can be cleared."""
    least, of_a_short_load = (
        float(margin(case, effort(case, load_s)).replace(" kB/request", "000").removesuffix(" B/request"))
        for load_s in (180, 24)
    )
    assert 30 <= least <= of_a_short_load
    assert all(release.known >= 2 * least for release in case.releases if release.kind == "leaky")


def test_a_profile_says_nothing_of_the_case(tmp_path: Path) -> None:
    """The harness takes the profile, and learns from it neither which arm leaks nor what."""
    text = profile_text(
        CASE, (Path("/e/1/bin/python"), Path("/e/{2}/bin/python")), Effort(240, 10, 180, 10, 2.0)
    )
    path = tmp_path / "soak.toml"
    path.write_text(text)
    profile = load_profile(str(path))
    assert list(profile.arms) == ["a", "b"]
    assert profile.arms["b"].command[0] == "/e/{{2}}/bin/python"
    assert not any(word in text for word in ("leaky", "fixed", "unbounded"))


def test_a_profile_has_the_preload_and_the_limit_of_its_case(tmp_path: Path) -> None:
    """Both arms are started with the case's malloc, within its limit, and differ in an argument."""
    case = replace(
        CASE,
        preload="libother.so.2",
        limit="400 MiB",
        max_leak="100 B/request",
        releases=tuple(replace(one, arguments=("malloc", one.kind)) for one in CASE.releases),
    )
    path = tmp_path / "soak.toml"
    path.write_text(profile_text(case, (Path("/e/python"), Path("/e/python")), effort(case, 68)))
    profile = load_profile(str(path))
    assert [arm.env["LD_PRELOAD"] for arm in profile.arms.values()] == ["libother.so.2"] * 2
    assert [arm.command[3:] for arm in profile.arms.values()] == [("malloc", "leaky"), ("malloc", "fixed")]
    assert profile.limit.memory == 400 << 20


def test_a_missing_preload_is_the_reason_to_skip() -> None:
    """The loader itself only warns, and the case would be one of the system's malloc."""
    assert not environments.preloads(Path(sys.executable), "libnowhere.so.9")
    assert environments.preloads(Path(sys.executable), "libc.so.6")


def test_an_unknown_case_is_named_with_the_known_ones() -> None:
    """A wrong name is answered with the right ones, of the yardstick that was asked for."""
    with pytest.raises(UsageError, match=r"No case 'bable'.*babel_pattern_cache"):
        RELEASES.chosen(["bable"])
    with pytest.raises(UsageError, match=r"No case 'babel_pattern_cache'.*malloc_glibc"):
        ALLOCATORS.chosen(["babel_pattern_cache"])


def test_an_interpreter_is_believed_for_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim of the right name that starts another Python, or none, is passed over for a real one."""
    shim, broken, real = (tmp_path / name for name in ("shim", "broken", "real"))
    for path, script in ((shim, "echo cpython.3.7"), (broken, "exit 127"), (real, "echo cpython.3.12")):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    order = [tmp_path / "missing", shim, broken, real]
    monkeypatch.setattr(interpreters, "candidates", lambda _python: iter(order))
    assert interpreters.find("3.12") == real
    assert interpreters.find("3.8") is None


def test_a_missing_interpreter_is_the_reason_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the version."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("nothing==1\n")
    monkeypatch.setattr(environments, "find", lambda _python: None)
    with pytest.raises(HarnessError, match=r"no CPython 3\.4"):
        environments.environment("3.4", requirements, tmp_path)


@pytest.mark.parametrize(
    ("kind", "right"),
    [("leaky", "leak"), ("fixed", "no_leak"), ("healthy", "no_leak")],
)
@pytest.mark.parametrize("open_", [False, True])
def test_what_is_right_depends_on_the_release(kind: Kind, right: str, open_: bool) -> None:
    """A leak must be called and what is none must not; where it may be undecided, it need be neither."""
    release = Release(kind, Path("requirements.txt"), 0.0, may_be_undecided=open_)
    found = {verdict for verdict in ("leak", "no_leak", "inconclusive") if release.is_right(verdict)}
    assert found == ({right, "inconclusive"} if open_ else {right})


def test_an_outcome_is_read_from_the_summary(tmp_path: Path) -> None:
    """Arms are matched to releases by their order, rates by the signal that leads."""
    signals = [
        {"signal": "native_bytes", "verdict": "leak", "reason_code": "leaking",
         "per_request": {"value": 296.0, "low": 280.0, "high": 310.0}},
        {"signal": "held_bytes", "verdict": "leak", "reason_code": "leaking", "per_request": None},
    ]  # fmt: skip
    verdicts = [
        {
            "arm": arm,
            "verdict": verdict,
            "leading_signal": "native_bytes",
            "signals": signals,
            "sentence": "S.",
            "reserve_bytes": 2000.0,
        }
        for arm, verdict in (("a", "leak"), ("b", "leak"))
    ]
    growers = [
        {"kind": "unbounded cache or list", "name": "shop.prices._cache"},
        {"kind": "threads", "name": "threads"},
    ]
    grew = [{"arm": "a", "growers": growers}, {"arm": "b", "growers": []}]
    arms = [{"name": "a", "load": {"ok": 500}}, {"name": "b", "load": {"ok": 0}}]
    path = tmp_path / "report" / "summary.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"verdicts": verdicts, "grew": grew, "arms": arms}))
    for arm, allocator in (("a", "jemalloc"), ("b", "")):
        (tmp_path / arm).mkdir()
        (tmp_path / arm / "samples.csv").write_text(f"t_s,allocator\n1,\n2,{allocator}\n")
    case = replace(CASE, kinds=("unbounded cache or list",), holder="prices._stock")
    outcome = read_outcome(case, path)
    assert [(found.what, found.kind_right, found.holder_right) for found in outcome.found] == [
        ("unbounded cache or list", True, False),
        ("", None, None),
    ]
    assert [(found.kind, found.right, found.rate, found.whole) for found in outcome.found] == [
        ("leaky", True, 296.0, None),
        ("fixed", False, 296.0, None),
    ]
    assert [(found.asked, found.reserve) for found in outcome.found] == [("jemalloc", 4.0), ("", None)]
    path.write_text('{"verdicts": []}')
    assert not read_outcome(CASE, path).right


def test_without_a_cgroup_a_case_with_a_limit_is_skipped(tmp_path: Path) -> None:
    """The watchdog sums what processes have, and files on tmpfs are nobody's."""
    path = tmp_path / "summary.json"
    path.write_text('{"limit_mechanism": "watchdog"}')
    assert "cgroup" in read_outcome(replace(CASE, limit="400 MiB"), path).skipped
    assert read_outcome(CASE, path).failed


def test_more_than_a_quarter_skipped_is_a_failure() -> None:
    """Too many missing interpreters are no success."""
    right = Outcome(CASE, (_found("leaky", "leak", right=True),))
    skipped = Outcome(CASE, skipped="no CPython 3.12")
    assert not too_many_skipped([right, right, right, skipped])
    assert too_many_skipped([right, right, skipped])
    assert summary_line([right, right, skipped]) == (
        "2 of 3 cases right; 1 skipped, more than 25%: that is a failure."
    )


def test_right_kinds_and_holders_are_counted_of_the_leaks_that_have_them() -> None:
    """A leak whose holder has no name counts for its kind alone."""
    named = replace(_found("leaky", "leak", right=True), kind_right=True, holder_right=False)
    nameless = replace(named, holder_right=None)
    assert summary_line(
        [Outcome(CASE, (named, _found("fixed", "no_leak", right=True))), Outcome(CASE, (nameless,))]
    ) == ("2 of 2 cases right; kind right in 2 of 2 leaks; holder right in 0 of 1 leaks.")


def test_the_table_shows_what_was_found_beside_the_truth() -> None:
    """Each release has a line, and a wrong verdict its sentence."""
    leaky = replace(
        _found("leaky", "leak", right=True),
        what="native memory",
        holder="native memory",
        kind_right=False,
        sites=Sites(2, "app.py:12", "", True, False),
    )
    fixed = replace(_found("fixed", "leak", right=False), sites=Sites(0))
    whole = Outcome(CASE, (leaky, fixed))
    skipped = Outcome(replace(CASE, name="other"), skipped="no CPython 3.9")
    assert markdown(HEAD, rows([whole, skipped]), [whole, skipped]) == (
        "| case | class | release | verdict | by | B/request | in use | known RSS |  | what grew |  | line named |  | "
        "native line named |  |\n"
        f"|{' --- |' * 15}\n"
        "| some_cache | unbounded_cache | leaky | LEAK | native_bytes | 296.0 | 301.0 | 300.0 | right | "
        "native memory: native memory | wrong | app.py:12 | right | none | wrong |\n"
        "|  |  | fixed | LEAK | native_bytes | 296.0 | 301.0 | 300.0 | wrong | nothing |  | 0 sites | right |  |  |\n"
        f"| other | unbounded_cache | {' | ' * 11} | skipped: no CPython 3.9 |\n"
        "\n- some_cache, fixed: It says why.\n"
    )


SITES = (
    "pass,rank,your_line,in_line,allocated_line,task,function\n"
    "python,1,cases/app.py:12,,,,\nnative,1,,lib/a.py:3,,serve (mcp/s.py),f (lib)\n"
)


@pytest.mark.parametrize(
    ("lines", "native_lines", "rights"),
    [
        (("app.py:12",), ("lib/a.py:3",), (True, True)),
        (("app.py:1",), ("lib/b.py",), (False, False)),
        ((), ("mcp/s",), (None, True)),
        (("app.py:9", "app.py:12"), (), (True, None)),
    ],
)
def test_the_first_line_of_each_pass_is_the_expected_one_or_wrong(
    tmp_path: Path,
    lines: tuple[str, ...],
    native_lines: tuple[str, ...],
    rights: tuple[bool | None, bool | None],
) -> None:
    """The line, or the task, has one of the expected; the number of a line is whole."""
    case = replace(CASE, lines=lines, native_lines=native_lines)
    (tmp_path / "run" / "a").mkdir(parents=True)
    (tmp_path / "run" / "a" / "sites.csv").write_text(SITES)
    sites = read_sites(case, case.releases[0], tmp_path / "run", "a")
    assert (sites.line, sites.native_line) == ("cases/app.py:12", "lib/a.py:3, by f (lib)")
    assert (sites.line_right, sites.native_right) == rights


def test_a_replay_that_was_not_made_names_no_line(tmp_path: Path) -> None:
    """Of a leak that is wrong; of a fixed release nothing is known, until it was replayed after the run."""
    case = replace(CASE, lines=("app.py:12",))
    leaky, fixed = case.releases
    assert read_sites(case, leaky, tmp_path / "run", "a").line_right is False
    assert read_sites(case, fixed, tmp_path / "run", "b").count is None
    (tmp_path / "run-replay" / "b").mkdir(parents=True)
    (tmp_path / "run-replay" / "b" / "sites.csv").write_text(SITES)
    assert read_sites(case, fixed, tmp_path / "run", "b").count == 1


def test_every_leak_of_python_or_native_code_has_its_line() -> None:
    """Those of Python's allocators, those past them, and references that native code lost: both."""
    cases = [case for case in release_cases() if case.leak_class]
    assert all(case.lines or case.native_lines for case in cases)
    assert sum(bool(case.lines) for case in cases) == 17
    assert sum(bool(case.native_lines) for case in cases) == 10


def test_the_table_of_allocators_has_twins_on_one_line() -> None:
    """A leak has its rate with the interval, a cleared app its bound; both are counted below, the undecided, too."""
    case = replace(CASE, name="malloc_other")
    leaky = replace(
        _found("leaky", "leak", right=True), what="native memory", holder="malloc", kind_right=True
    )
    decided = Outcome(
        case,
        (replace(leaky, asked="jemalloc"), replace(_found("healthy", "no_leak", right=True), reserve=5.0)),
    )
    undecided = Outcome(
        replace(case, name="pool"),
        (
            replace(_found("leaky", "inconclusive", right=True), undecided="wide_interval"),
            replace(_found("healthy", "inconclusive", right=True), undecided="reserve"),
        ),
    )
    assert allocators_table.rows([decided, undecided]) == [
        ("malloc_other", "jemalloc", "300 B", "LEAK by native 296 (280 to 310)", "NO LEAK < 310, 5 of it reserve",
         "native memory: malloc", "right"),
        ("pool", "nobody", "300 B", "INCONCLUSIVE (wide interval)", "INCONCLUSIVE (reserve)", "", ""),
    ]  # fmt: skip
    assert allocators_table.summary_line([decided, undecided, Outcome(case, skipped="no such library")]) == (
        "leaky: 1 called, 0 passed, 1 inconclusive; healthy: 0 called, 1 cleared, 1 inconclusive; 1 skipped."
    )


def test_most_allocators_must_be_decided() -> None:
    """A harness that leaves everything open passes none wrongly, and is of no use."""
    decided = Outcome(CASE, (_found("leaky", "leak", right=True), _found("healthy", "no_leak", right=True)))
    missed = Outcome(
        CASE, (_found("leaky", "inconclusive", right=True), _found("healthy", "no_leak", right=True))
    )
    assert not allocators_table.decides_too_little([decided] * 6)
    assert allocators_table.decides_too_little([decided] * 5 + [missed])

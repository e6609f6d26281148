"""Keys that do nothing without another one are refused where they were brought in; those that once did are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.config.load import load_profile, profile_names
from soak.errors import UsageError
from tests.support.paths import ROOT

ARM = """[arms.app]
role = "after"
command = ["serve", "{port}"]
[arms.old]
role = "before"
command = ["serve", "{port}"]
"""
CASES = [
    ("judge", "inject = { python = 1 }", 'control = "inject"', 'judge.control="inject"'),
    ("judge", 'control = "old"\ninject = { python = 1 }', "", "judge.control=inject"),
    ("sampling", "quiesce_pause_s = 2", "quiesce_every_s = 10", "sampling.quiesce_every_s=10"),
    ("traffic", "bind_port = 5557", "workers = 1", "traffic.workers=1"),
    ("traffic", "bind_port = 5557", 'locustfile = "team.py"', "traffic.locustfile=team.py"),
    (
        "traffic",
        'bind_host = "127.0.0.2"\nremote_timeout_s = 60',
        "remote_workers = 1",
        "traffic.remote_workers=1",
    ),
    (
        "limit = { memory = 1000000 }\n[traffic",
        "incident = { retained_bytes_per_request = 1, start = 1 }",
        'shape = "incident"',
        "traffic.shape=incident",
    ),
]


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A function that writes a profile with lines of a table, and returns its path."""

    def write(table: str, *lines: str) -> str:
        path = tmp_path / "mine.toml"
        head = table if "[" in table else f"[{table}"
        path.write_text("\n".join((f"{head}]", *lines, ARM)))
        return str(path)

    return write


@pytest.mark.parametrize(("table", "key", "need", "setting"), CASES)
def test_a_key_without_what_it_needs_is_refused(  # type: ignore[no-untyped-def]
    table: str, key: str, need: str, setting: str, write
) -> None:
    """With what it needs, in the file or by a setting, it is taken."""
    path = write(table, key)
    with pytest.raises(
        UsageError, match=rf"^{path}: \w+\.\w+ does nothing without .*: give that, or leave it out"
    ):
        load_profile(path)
    load_profile(path, [setting])
    if need:
        load_profile(write(table, need, key))


def test_a_setting_that_does_nothing_is_named(write) -> None:  # type: ignore[no-untyped-def]
    path = write("phases", "load_s = 60")
    with pytest.raises(UsageError, match=r"^--set traffic\.bind_port=5557: traffic\.bind_port does nothing"):
        load_profile(path, ["phases.load_s=30", "traffic.bind_port=5557", "phases.idle_s=1"])


@pytest.mark.parametrize(
    ("table", "lines", "setting"),
    [
        ("judge", ('control = "inject"', "inject = { python = 1 }"), "judge.control="),
        ("traffic", ("workers = 2", "bind_port = 5557"), "traffic.workers=0"),
    ],
)
def test_a_setting_may_take_away_what_a_key_needs(  # type: ignore[no-untyped-def]
    table: str, lines: tuple[str, ...], setting: str, write
) -> None:
    """For one run without it: no setting can remove the key."""
    load_profile(write(table, *lines), [setting])


def test_the_shape_of_the_incident_may_be_left() -> None:
    """Of the built-in profiles, by a setting."""
    assert load_profile("demo", ["traffic.shape=steady"]).traffic.incident is not None


@pytest.mark.parametrize("profile", [*profile_names(), *map(str, sorted((ROOT / "docs").rglob("*.toml")))])
def test_no_profile_of_ours_has_a_key_without_effect(profile: str) -> None:
    load_profile(profile)


ROLELESS = '[arms.new]\ncommand = ["serve", "{port}"]\n[arms.old]\ncommand = ["serve", "{port}"]\n'
SINGLE = '[arms.app]\ncommand = ["serve", "{port}"]\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[judge]\ncandidate = "new"\n[gates]\nmax_rss = "<= 1.1x before"\n' + ROLELESS,
            "gates.max_rss compares the candidate with the arm before, and new is both: give the other arm role = ",
        ),
        (
            '[gates]\nmax_rss = "<= 1 MiB"\n[arms.x]\nrole = "before"\ncommand = ["a"]\n' + SINGLE,
            "gates.max_rss is for the candidate, and no arm is one: give the arm to sign off role = ",
        ),
        (
            '[judge]\nstop_on_fail = true\n[arms.x]\nrole = "before"\ncommand = ["a"]\n' + SINGLE,
            "judge.stop_on_fail is for the candidate, and no arm is one: ",
        ),
        (
            '[judge]\ncandidate = "new"\ncontrol = "new"\n' + ROLELESS,
            "judge.candidate and judge.control are both new: ",
        ),
    ],
)
def test_a_key_without_the_arm_that_it_is_for_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """Else it is known after hours: a gate that nobody is held to passes, one of an arm and itself does always."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_profile(str(path))
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_gates_of_one_arm_or_of_the_second_are_held(tmp_path: Path) -> None:
    """One arm without a role is the candidate; of two the first is the one before."""
    path = tmp_path / "mine.toml"
    path.write_text('[gates]\nmax_rss = "<= 1 MiB"\n' + SINGLE)
    load_profile(str(path))
    for arms in (ROLELESS, SINGLE):  # of one arm, soak compare has that of another run
        path.write_text('[gates]\nmax_rss = "<= 1.1x before"\n' + arms)
        load_profile(str(path))

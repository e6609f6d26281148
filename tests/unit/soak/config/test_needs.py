"""Keys that do nothing without another one are refused where they were brought in; those that once did are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.config.load import load_profile, profile_names
from soak.errors import UsageError
from tests.support.paths import ROOT

ARM = '[arms.app]\nrole = "after"\ncommand = ["serve", "{port}"]\n'
CASES = [
    ("judge", "inject = { python = 1 }", 'control = "inject"', 'judge.control="inject"'),
    ("judge", 'control = "app"\ninject = { python = 1 }', "", "judge.control=inject"),
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

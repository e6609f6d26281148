"""The profile that soak init writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.config.template import PROFILE_TEMPLATE, write_profile
from soak.contract import GATES
from soak.errors import UsageError
from soak.plan.run_plan import plan_run
from tests.support.paths import ROOT

REQUESTS = r"^# \[\[traffic\.requests\]\]\n(# \w+ = .*\n)+"
"""The requests that are commented out."""


def test_the_written_profile_loads_and_can_be_planned(tmp_path: Path) -> None:
    """Its two commands stand for the user's; all else can stay."""
    path = tmp_path / "soak.toml"
    write_profile(path)
    profile = load_profile(
        str(path),
        [
            'arms.today.command=["{python}", "-m", "old", "{port}"]',
            'arms.candidate.command=["new", "{port}"]',
        ],
    )
    assert {arm.role for arm in profile.arms.values()} == {"before", "after"}
    assert profile.judge.control == "inject"
    plan = plan_run(profile, tmp_path / "run", tmp_path)
    assert [arm.process.argv[0] for arm in plan.arms[1:]] == ["new", "new"]
    assert plan.arms[2].name == "candidate.leak"


def test_two_images_are_a_profile_of_twelve_lines(tmp_path: Path) -> None:
    """The one of today first. What the README shows is what is written, less its comments."""
    path = tmp_path / "soak.toml"
    write_profile(path, ("shop:2.0", "shop:2.1"))
    arms = load_profile(str(path)).arms
    assert [(name, arm.role, arm.image) for name, arm in arms.items()] == [
        ("old", "before", "shop:2.0"), ("new", "after", "shop:2.1"),
    ]  # fmt: skip
    text = re.sub(r" +#.*", "", path.read_text())
    assert len(text.splitlines()) <= 12
    assert f"```toml\n{text}```" in (ROOT / "README.md").read_text()


def test_one_image_is_soaked_beside_an_injected_leak(tmp_path: Path) -> None:
    """There is nothing to compare it with, and sign-off asks for a leak that is detected."""
    path = tmp_path / "soak.toml"
    write_profile(path, ("registry:5000/shop@sha256:01",))
    profile = load_profile(str(path))
    assert (list(profile.arms), profile.judge.control) == (["new"], "inject")


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (("a", "b", "c"), "--image is given 3 times: give the image of today, then the candidate."),
        (('a"b',), "give the name of an image"),
        (("",), "give the name of an image"),
        (("a:1\n",), "give the name of an image"),
    ],
)
def test_other_images_are_refused_and_nothing_is_written(
    tmp_path: Path, images: tuple[str, ...], sentence: str
) -> None:
    path = tmp_path / "soak.toml"
    with pytest.raises(UsageError, match=sentence):
        write_profile(path, images)
    assert not path.exists()


def test_every_key_that_is_commented_out_is_valid(tmp_path: Path) -> None:
    """Whoever takes the comment sign away has a profile that loads."""
    text = re.sub(REQUESTS, "", PROFILE_TEMPLATE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"^(rate_rps|path|request_bytes) = .*\n", "", text, flags=re.MULTILINE)
    path = tmp_path / "all.toml"
    path.write_text(text)
    profile = load_profile(str(path))
    assert {limit.gate for limit in profile.gates.limits} == set(GATES)
    assert profile.traffic.locustfile is not None
    assert profile.judge.inject == {"python": 2.0, "native": 2.0}
    assert profile.arms["today"].env


def test_the_requests_that_are_commented_out_are_valid(tmp_path: Path) -> None:
    """They replace the path."""

    def uncommented(found: re.Match[str]) -> str:
        return re.sub("^# ", "", found[0], flags=re.MULTILINE)

    text = re.sub(REQUESTS, uncommented, PROFILE_TEMPLATE.read_text(), flags=re.MULTILINE)
    path = tmp_path / "requests.toml"
    path.write_text(text.replace('path = "/orders"\n', "", 1))
    request, websocket = load_profile(str(path)).traffic.requests or ()
    assert (request.method, request.path, request.weight) == ("PUT", "/orders/{n}", 4.0)
    assert (websocket.method, websocket.open_s, websocket.send_every_s) == ("WEBSOCKET", 20.0, 1.0)


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """The message names the file and the fix."""
    path = tmp_path / "soak.toml"
    path.write_text("mine")
    with pytest.raises(UsageError, match=r"soak\.toml already exists and was not changed; give another name"):
        write_profile(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("soak.cfg", "a profile's name ends in .toml"), ("no/such/soak.toml", "cannot be written")],
)
def test_a_place_where_no_profile_can_be_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    """What soak run would not find, or what cannot be made."""
    with pytest.raises(UsageError, match=sentence):
        write_profile(tmp_path / name)

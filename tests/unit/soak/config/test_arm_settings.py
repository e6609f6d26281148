from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soak.config.load import load_profile
from soak.errors import UsageError


def wrong(tmp_path: Path, arm: str) -> str:
    """Return what is wrong with a profile whose only arm has these keys."""
    path = tmp_path / "mine.toml"
    path.write_text(f"[arms.new]\n{arm}\n")
    with pytest.raises(UsageError) as raised:
        load_profile(str(path))
    return str(raised.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://10.0.0.7:8000", "http://10.0.0.7:8000/"),
        ("http://Shop.test", "http://shop.test.:80"),
        ("http://localhost:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[0:0::1]:8000"),
    ],
)
def test_two_arms_are_not_one_process(one: str, other: str, tmp_path: Path) -> None:
    """It would be loaded and read twice, and the old build be signed off as the new one."""
    path = tmp_path / "mine.toml"
    path.write_text(f'[arms.old]\nurl = "{one}"\n[arms.new]\nurl = "{other}"\n')
    with pytest.raises(UsageError, match=r"arms\.old\.url and arms\.new\.url are the same address"):
        load_profile(str(path))
    assert list(load_profile(str(path), arms="new").arms) == ["new"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://10.0.0.7:8000", "http://10.0.0.7:8001"),
        ("http://10.0.0.7:8000", "http://10.0.0.8:8000"),
        ("http://localhost:8000", "http://localhost.test:8000"),
    ],
)
def test_two_arms_elsewhere_are_told_apart_by_host_or_port(one: str, other: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[arms.old]\nurl = "{one}"\n[arms.new]\nurl = "{other}"\n[arms.own]\ncommand = ["a"]\n')
    assert list(load_profile(str(path)).arms) == ["old", "new", "own"]


def test_an_image_needs_no_other_key(tmp_path: Path) -> None:
    """All else has a default that runs it as it ships."""
    path = tmp_path / "mine.toml"
    path.write_text('[arms.new]\nimage = "registry.example:5000/team/shop@sha256:0123"\n')
    arm = load_profile(str(path)).arms["new"]
    assert (arm.command, arm.args, arm.network, arm.listens, arm.engine) == ((), (), "published", None, "")


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ("", "'arms.new': an arm has a command, an image or a url: give one of them."),
        ('command = ["a"]\nimage = "b"', "'arms.new': an arm has a command, an image or a url: keep one of them."),
        ('image = "a"\nurl = "http://b"', "'arms.new': an arm has a command, an image or a url: keep one of them."),
        ("command = []", "'arms.new.command': give at least one (it is [])."),
        ('image = "-v"', "'arms.new.image': give the name of an image, such as \"shop:2.1\" (it is '-v')."),
        ('image = "a b"', "'arms.new.image': give the name of an image, such as \"shop:2.1\" (it is 'a b')."),
        ('command = ["a"]\nlistens = 8000', "'arms.new': listens belongs to an arm with an image; this"),
        ('image = "a"\ncwd = "/srv"', "'arms.new': cwd belongs to an arm with a command; an image has options"),
        ('image = "a"\nnetwork = "bridge"', "'arms.new.network': give 'published' or 'host' (it is 'bridge')."),
        ('url = "http://a"\ncwd = "/srv"', "'arms.new': cwd belongs to an arm that is started; this one has a url."),
        ('url = "http://a"\nport = 80', "'arms.new': port belongs to an arm that is started; this one has a url."),
        ('url = "http://a"\nargs = ["b"]', "'arms.new': args belongs to an arm with an image; this one has a url."),
        ('command = ["a"]\nmetrics = "/m"', "'arms.new': metrics belongs to an arm with a url; this one"),
        ('image = "a"\nargs = "serve"', "'arms.new.args': give a list of words"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_named(tmp_path: Path, arm: str, sentence: str) -> None:
    assert wrong(tmp_path, arm).startswith(sentence)


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--memory=1g", "set limit.memory"),
        ("-m", "set limit.memory"),
        ("--env=TOKEN=hush", "write arms.NAME.env"),
        ("--network=host", "set arms.NAME.network"),
        ("--detach", "the container stays in the foreground"),
        ("-t", "signals would not reach"),
        ("--name=x", "soakproof sets it"),
        ("--pull=always", "soakproof sets it"),
        ("--restart=always", "soakproof starts the next life"),
        ("-it", "signals would not reach"),
        ("-iPd", "the container stays in the foreground"),
    ],
)
def test_an_option_that_is_ours_is_refused(tmp_path: Path, option: str, why: str) -> None:
    """It would undo what the run relies on; the value, which may be secret, is not repeated."""
    sentence = wrong(tmp_path, f'image = "a"\noptions = ["{option}"]')
    assert f"options may not have {option.partition('=')[0]}: {why}" in sentence
    assert "hush" not in sentence


@pytest.mark.parametrize(
    "options", [["--pid=host", "--read-only"], ["--volume", "/a:/b"], ["--user", "4242"], ["-i", "-v/d:/d"]]
)
def test_other_options_are_the_users(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[arms.new]\nimage = "a"\noptions = {options}\n')
    assert load_profile(str(path)).arms["new"].options == tuple(options)


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ('{ TOKEN = "hush\\nhush" }', "env.TOKEN has a line break"),
        ('{ "A B" = "hush" }', "the name of a container's variable has no spaces and no #"),
        ('{ "#A" = "hush" }', "the name of a container's variable has no spaces and no #"),
    ],
)
def test_a_variable_that_no_env_file_holds_is_refused_without_its_value(
    tmp_path: Path, env: str, sentence: str
) -> None:
    found = wrong(tmp_path, f'image = "a"\nenv = {env}')
    assert sentence in found
    assert "hush" not in found


def test_a_command_may_have_any_variable(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[arms.new]\ncommand = ["a"]\nenv = { "A B" = "two\\nlines" }\n')
    env: dict[str, Any] = load_profile(str(path)).arms["new"].env
    assert env == {"A B": "two\nlines"}


@pytest.mark.parametrize(
    ("url", "is_kept"),
    [
        ("http://10.0.0.7:8000", "http://10.0.0.7:8000"),
        ("http://shop/", "http://shop"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_a_url_has_a_host_and_a_port_alone(tmp_path: Path, url: str, is_kept: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[arms.prod]\nurl = "{url}"\n')
    arm = load_profile(str(path)).arms["prod"]
    assert (arm.url, arm.metrics) == (is_kept, "/metrics")


@pytest.mark.parametrize(
    "url",
    [
        "https://a", "ftp://a", "a:80", "http://", "http://:80", "http://a:99999", "http://a:0", "http://a b",
        "http://a/shop", "http://a?b", "http://a#b", "http://[::1", "http://\u00e9", "",
    ],
)  # fmt: skip
def test_any_other_url_is_refused(tmp_path: Path, url: str) -> None:
    assert wrong(tmp_path, f'url = "{url}"').startswith("'arms.new.url': give ")


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """URLs are recorded."""
    said = wrong(tmp_path, 'url = "http://admin:hush@10.0.0.7"')
    assert said == "'arms.new.url': give it without user and password, since URLs are recorded."

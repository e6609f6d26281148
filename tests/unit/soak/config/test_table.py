"""Profiles and settings that no run can be made of: one sentence with the place, before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.config.table import DEEPEST
from soak.errors import UsageError, message_line
from soak.plan.run_plan import plan_run

ARM = '[arms.app]\ncommand = ["sh", "{port}"]\n'


def plan(profile: str, *settings: str) -> None:
    """Do what ``soak run --dry-run`` does before it prints."""
    plan_run(load_profile(profile, settings), Path("RUN"), Path("PROBE")).check_commands()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def _write(text: str) -> str:
        (tmp_path / "mine.toml").write_text(text)
        return str(tmp_path / "mine.toml")

    return _write


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"about = {'[' * 1000}{']' * 1000}\n", "nested more than 16 deep"),
        (f"about = {'{a=' * 1000}1{'}' * 1000}\n", "nested more than 16 deep"),
        (f"{'.'.join('a' * 1000)} = 1\n", "'a.a.a': tables and lists are nested more than 16 deep"),
        (f"limit.memory = {'9' * 5000}\n", "an integer has more digits than fit in 64 bits"),
        (f"limit.memory = 0x{'f' * 5000}\n", "'limit.memory': an integer has more digits than fit in 64 bits"),
        (f"about = '{'x' * 300_000}'\n", "at most 262,144 are read"),
        ('[arms.app]\ncommand = ["a\\u0000b"]\n', "'arms.app.command.0': has a NUL character"),
        (f'{ARM}env = {{ A = "\\u0000" }}\n', "'arms.app.env.A': has a NUL character"),
        (f'{ARM}env = {{ "A\\u0000" = "" }}\n', "has a NUL character"),
        (f'{ARM}env = {{ "A=secret" = "" }}\n', "'arms.app.env.A': the name of an environment variable is not"),
        (f'{ARM}env = {{ "" = "" }}\n', "the name of an environment variable is not empty"),
        (f'{ARM}cwd = "{"d" * 5000}"\n', "arms.app.cwd: "),
        (f'{ARM}env = {{ A = "{"x" * 140_000}" }}\n', "arms.app.env: a variable has 140,002 bytes"),
        (f'[arms.app]\ncommand = ["sh", "{"x" * 140_000}"]\n', "arms.app.command: a word has 140,000 bytes"),
        (f'{ARM}ready = "log: {"(" * 1000}x{")" * 1000}"\n', "the regular expression is too complex"),
        (f'{ARM}ready = "log: a{{{"9" * 30}}}"\n', "the regular expression is too complex"),
        (f'{ARM}[traffic]\nlocustfile = "a\\u0000.py"\n', "'traffic.locustfile': has a NUL character"),
        (f'{ARM}[traffic]\nlocustfile = "{"l" * 5000}.py"\n', "traffic.locustfile: "),
        (f'{ARM}[stubs]\nservices = ["a\\u0000"]\n', "'stubs.services.0': has a NUL character"),
        (f'{ARM}[stubs]\nservices = ["a,b"]\n', "a service's name is 1 to 63 letters"),
        (f'{ARM}[stubs]\nservices = ["a", "a"]\n', "services names one of them twice"),
        (f"{ARM}[stubs]\nerror_rate = 0.6\nhang_rate = 0.5\n", "add up to more than 1"),
        ('[arms.app]\ncommand = ["sh", "{port[abc]}"]\n', "cannot fill in the placeholder 'port[abc]'"),
        ('[arms.app]\ncommand = ["sh", "{port.real}"]\n', "cannot fill in the placeholder 'port.real'"),
        ('[arms.app]\ncommand = ["sh", "{port:>1000000000}"]\n', "cannot fill in the placeholder with a format"),
        (f"{ARM}[phases]\nload_s = 1e300\n", "'phases.load_s': must be at most 315,360,000"),
        (f'{ARM}[traffic]\nshape = "diurnal"\n[scale]\nhour_s = 0.001\n', "too many days to plan"),
        (f"{ARM}[traffic]\nrate_rps = 1e-320\n", "'traffic.rate_rps': must be at least 1e-06 (it is 1e-320)"),
        (f'{ARM}[judge]\nmax_leak = "1e-320 B/h"\n', "'judge.max_leak': '1e-320 B/h' is too small"),
        (f'{ARM}[judge]\nmax_leak = "1e300 GB/s"\n', "too large"),
        (f'{ARM}[gates]\nmax_rss = "<= 1e999 MiB"\n', "too large"),
        ('[[arms.app]]\nenv = { T = "secret" }\n', "'arms.app': give a table of keys"),
    ],
    ids=range(32),
)  # fmt: skip
def test_a_profile_that_cannot_run_is_refused_in_one_sentence(
    write: Callable[[str], str], text: str, sentence: str
) -> None:
    """With the key, in little memory, and without what may be secret."""
    profile = write(text)
    with pytest.raises(UsageError) as caught:
        plan(profile)
    message = message_line(caught.value)
    assert sentence in message
    assert "secret" not in message
    assert len(message) < 1000 + 5000


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (f"about={'[' * 1000}{']' * 1000}", "nested more than 16 deep"),
        (f"arms.leaky.env.{'.'.join('a' * 1000)}=1", "nested more than 16 deep"),
        (f"traffic.seed={'9' * 5000}", "an integer has more digits than fit in 64 bits"),
        ('arms.leaky.command=["{port[abc]}"]', "cannot fill in the placeholder 'port[abc]'"),
        ("about=\udcff", "is not UTF-8"),
        ("about=a\0b", "'about': has a NUL character"),
        ("limit.memory=\x1b]0;title\x07", "a number and a unit are needed"),
    ],
    ids=range(7),
)  # fmt: skip
def test_a_setting_that_cannot_run_is_refused_in_one_sentence(setting: str, sentence: str) -> None:
    """As in a file; what a terminal would obey is shown as an escape."""
    with pytest.raises(UsageError) as caught:
        plan("demo", setting)
    message = message_line(caught.value)
    assert sentence in message
    assert message.isprintable()


@pytest.mark.parametrize("name", ["n" * 5000, "n" * 120, "a\nb", "a\0b"], ids=range(4))
def test_a_profiles_name_is_one_of_a_directory(tmp_path: Path, name: str) -> None:
    """A run directory and control groups are named after it."""
    path = tmp_path / f"{name}.toml"
    try:
        path.write_text(ARM)
    except (OSError, ValueError):
        assert "120" not in name
    with pytest.raises(UsageError):
        load_profile(str(path))


def test_what_is_odd_but_possible_is_accepted(write: Callable[[str], str]) -> None:
    """Line ends and escapes in words and variables, long words, doubled braces, plain words as a regular expression."""
    profile = write(
        '[arms.app]\ncommand = ["sh", "-c", """a\nb {{x}} {port}""", "\\u001b"]\nready = "log: ready (all"\n'
        f'env = {{ "A B" = "x\\n", LONG = "{"x" * 100_000}" }}\n[limit]\nmemory = {2**40}\n'
    )
    plan(profile, "traffic.seed=-9223372036854775808")
    [arm] = plan_run(load_profile(profile), Path("RUN"), Path("PROBE")).arms
    assert arm.process.argv[2].startswith("a\nb {x} ")


def test_the_depth_that_is_refused_lies_beyond_every_key() -> None:
    """The deepest key is at 4: ``arms.NAME.env.NAME``."""
    assert DEEPEST > 8
    load_profile("demo", ['arms.leaky.env.A="x"'])

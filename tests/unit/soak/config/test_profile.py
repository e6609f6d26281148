"""Profiles: what is accepted, and what a user reads when it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soak.config.load import load_profile, profile_names
from soak.contract import GateLimit
from soak.contract.units import LeakRate
from soak.errors import UsageError

Write = Callable[[str], str]
SMALLEST = '[arms.app]\ncommand = ["serve", "{port}"]\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return _write


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_that_comes_with_soakproof_is_valid(name: str) -> None:
    """The profiles in the package load, and name themselves after their file."""
    assert load_profile(name).name == name


def test_the_incident_from_images_is_that_of_the_demo() -> None:
    """Load, limit, judge and gates are the same; only how the arms are started differs."""
    demo, images = load_profile("demo"), load_profile("images")
    own = {"name": demo.name, "about": demo.about, "arms": demo.arms}
    assert images.model_copy(update=own) == demo
    assert {name: arm.role for name, arm in images.arms.items()} == {
        name: arm.role for name, arm in demo.arms.items()
    }


def test_a_profile_needs_no_more_than_one_arm_with_a_command(write: Write) -> None:
    """Everything else has a default that works."""
    profile = load_profile(write(SMALLEST))
    assert profile.arms["app"].command == ("serve", "{port}")
    assert profile.limit.memory is None


def test_a_setting_changes_one_key_and_reads_sizes_without_quotes() -> None:
    """--set takes TOML values, and bare words where TOML would want quotes."""
    profile = load_profile("demo", ["limit.memory=256 MiB", "phases.load_s=60", "arms.leaky.role="])
    assert profile.limit.memory == 256 << 20
    assert profile.phases.load_s == 60
    assert profile.arms["leaky"].role == ""
    assert profile.phases.idle_s == load_profile("demo").phases.idle_s


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("phases.lod_s=3", "unknown key 'phases.lod_s': did you mean 'load_s'?"),
        ("arms.leaky.comand=x", "unknown key 'arms.leaky.comand': did you mean 'command'?"),
        (
            "traffic.incident.zzz=1",
            "unknown key 'traffic.incident.zzz': valid here: retained_bytes_per_request, start.",
        ),
        ("phases.load_s=-1", "'phases.load_s': must be above 0 (it is -1)."),
        ("phases.load_s=inf", "'phases.load_s': must be a finite number (it is inf)."),
        (
            "limit.memory=lots",
            "'limit.memory': a number and a unit are needed, for example '300 MiB', not 'lots' (it is 'lots').",
        ),
        ("limit.memory=1 MiBs", "'limit.memory': unknown unit 'MiBs': did you mean 'MiB'? (it is '1 MiBs')."),
        (
            "phases.load_s=1 week",
            "'phases.load_s': unknown unit 'week': valid here: ms, s, min, m, h, d (it is '1 week').",
        ),
        (
            "phases.load_s=true",
            '\'phases.load_s\': give seconds, or a time with a unit such as "90s", "15m", "6h" or "3d" '
            "(it is True).",
        ),
        (
            "arms.leaky.command=uvicorn shop:app",
            '\'arms.leaky.command\': give a list of words, such as ["uvicorn", "shop:app"] '
            "(it is 'uvicorn shop:app').",
        ),
        ("arms.leaky.env.TOKEN=12345", "'arms.leaky.env.TOKEN': give a text in quotes."),
        ("arms.leaky.env=TOKEN", "'arms.leaky.env': give a table, such as { NAME = \"value\" }."),
        ("arms.fixed.role=before", 'only one arm may have role = "before".'),
        (
            "sampling.quiesce_pause_s=6",
            "sampling.quiesce_pause_s (6) is more than half of sampling.quiesce_every_s (10).",
        ),
        (
            "phases.warmup_s=19",
            "the warm-up ends 1 s before the end of a pause of 1.5 s; make phases.warmup_s a multiple of "
            "sampling.quiesce_every_s (10).",
        ),
        (
            "limit.memory=true",
            "'limit.memory': give bytes, or a size with a unit such as \"512 MiB\" (it is True).",
        ),
        (
            "judge.max_leak=5",
            '\'judge.max_leak\': give a leak per time or per request, such as "1 MiB/h" or "200 B/request" (it is 5).',
        ),
        ("gates.tasks=50", "'gates.tasks': give a relation and a value, for example '<= 50' (it is 50)."),
        (
            "traffic.users=5",
            "'traffic': users needs traffic.locustfile, and there is none.",
        ),
        (
            "traffic.locustfile=team.py",
            "'traffic': incident plans requests, and with traffic.locustfile its users decide: leave one of both out.",
        ),
        (
            "traffic.remote_workers=2",
            "'traffic': remote_workers cannot reach 127.0.0.1: give bind_host an address of this machine that they "
            "reach.",
        ),
        (
            "traffic.bind_host=0.0.0.0",
            "'traffic': bind_host must be an address of this machine that the workers reach, not 0.0.0.0.",
        ),
        (
            "load_s=60",
            "unknown key 'load_s': did you mean 'phases.load_s'?",
        ),
        ("traffic.incidents=1", "unknown key 'traffic.incidents': did you mean 'incident'?"),
        ("judge.fds=<= 5", "unknown key 'judge.fds': did you mean 'gates.fds'?"),
        ("traffic.seed=1.5", "'traffic.seed': give a whole number (it is 1.5)."),
        ("traffic.rate_rps=true", "'traffic.rate_rps': give a number (it is True)."),
        ("stubs.error_rate=true", "'stubs.error_rate': give a number (it is True)."),
        ("arms.fixed.port=true", "'arms.fixed.port': give a number (it is True)."),
        ("limit.max_restarts=true", "'limit.max_restarts': give a number (it is True)."),
        ("traffic.rate_rps=fast", "'traffic.rate_rps': give a number (it is 'fast')."),
        ("judge.live=perhaps", "'judge.live': give true or false (it is 'perhaps')."),
        ("phases=3", "'phases': give a table of keys (it is 3)."),
        ("stubs.error_rate=2", "'stubs.error_rate': must be at most 1 (it is 2). (1 more like this.)"),
        (
            'stubs.error_rate={orders="often"}',
            "'stubs.error_rate.orders': give a number (it is 'often'). (1 more like this.)",
        ),
        (
            "traffic.path=orders",
            "'traffic.path': give a URL path that begins with / and has no spaces (it is 'orders').",
        ),
        (
            "arms.My-Arm.command=[]",
            "'arms.My-Arm': an arm's name has lower-case letters, digits and _, at most 32, and begins with a letter "
            "(it is 'My-Arm'). (1 more like this.)",
        ),
        (
            "traffic.bind_host=true",
            "'traffic.bind_host': give an address such as \"192.168.0.5\" (it is True).",
        ),
        (
            "sampling.census_every_s=1e-310",
            "'sampling.census_every_s': must be at least 1e-06 (it is 1e-310).",
        ),
        (
            "traffic.shape=sawtooth",
            "'traffic.shape': give 'steady', 'incident', 'diurnal' or 'steps' (it is 'sawtooth').",
        ),
    ],
)
def test_a_bad_key_or_value_is_named_with_its_place(setting: str, sentence: str) -> None:
    """An unknown key comes with the nearest valid one, a bad value with what it is."""
    with pytest.raises(UsageError) as caught:
        load_profile("demo", [setting])
    assert str(caught.value) == f"--set {setting}: {sentence}"


@pytest.mark.parametrize(
    "setting",
    [
        "limit.memory=512 # MiB",
        "phases.load_s=5] # x",
        "phases.load_s=600\nwarmup_s=7",
        "phases.load_s=5]\nx=[1",
    ],
)
def test_a_setting_is_one_value_and_nothing_of_it_is_left_out(setting: str) -> None:
    """A comment of TOML, or a second line, would be dropped in silence: 512 bytes are not 512 MiB."""
    with pytest.raises(UsageError, match=r"unknown unit|a number and a unit are needed"):
        load_profile("demo", [setting])


def test_of_several_settings_the_one_that_is_wrong_is_named_and_of_a_wrong_file_the_file(
    write: Write,
) -> None:
    """Each fault is where it was brought in."""
    with pytest.raises(UsageError, match=r"^--set phases\.load_s=-1: 'phases\.load_s': must be above 0"):
        load_profile("demo", ["phases.idle_s=3", "phases.load_s=-1", "phases.drain_s=3"])
    with pytest.raises(UsageError, match=r"^--set phases\.load_s=-1: .*more like this"):
        load_profile("demo", ["phases.load_s=-1", "phases.drain_s=0"])
    with pytest.raises(UsageError, match=r"mine\.toml: 'phases\.load_s': must be above 0 \(it is 0\)"):
        load_profile(write(f"{SMALLEST}[phases]\nload_s = 0\n"), ["phases.idle_s=3"])


@pytest.mark.parametrize("setting", ["phases.load_s", "=3", "phases..load_s=3"])
def test_a_setting_without_key_or_value_is_refused(setting: str) -> None:
    """The message shows the form it should have."""
    with pytest.raises(UsageError, match="give it as key=value"):
        load_profile("demo", [setting])


def test_a_setting_below_a_value_is_refused() -> None:
    """A value cannot be used as a table."""
    with pytest.raises(UsageError, match="'hour_s' is a value, not a table"):
        load_profile("demo", ["scale.hour_s.x=3"])


def test_an_unknown_profile_is_answered_with_the_known_ones() -> None:
    """A typing error costs one look."""
    with pytest.raises(UsageError, match=r"No profile 'dmo'.*Did you mean 'demo'\?"):
        load_profile("dmo")


def test_a_file_that_is_no_toml_is_named(write: Write) -> None:
    """The parser's own position is kept."""
    with pytest.raises(UsageError, match=r"mine\.toml: not valid TOML: .*line 1, column 7"):
        load_profile(write("a = 1 1"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Binary rubbish is a sentence, not a traceback."""
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"mine\.toml: not UTF-8 \(byte 0\); save it as UTF-8\.$"):
        load_profile(str(path))


def test_a_file_with_the_mark_of_an_editor_is_read(write: Write) -> None:
    """Windows' Notepad puts a byte order mark before the text."""
    assert load_profile(write(f"\ufeff{SMALLEST}")).name == "mine"


def test_a_profile_cannot_name_itself(write: Write) -> None:
    """The file's name is the profile's name."""
    with pytest.raises(UsageError, match="unknown key 'name'"):
        load_profile(write(f'name = "x"\n{SMALLEST}'))


@pytest.mark.parametrize("name", ["stubs", "census", "logs"])
def test_an_arm_may_not_take_the_name_of_our_own_processes(write: Write, name: str) -> None:
    """Logs and events of an arm called stubs would be taken for ours."""
    with pytest.raises(UsageError, match=f"may not be called {name}"):
        load_profile(write(SMALLEST.replace("arms.app", f"arms.{name}")))


def test_no_arm_has_the_name_of_a_copy(write: Write) -> None:
    """A dot is in the name of the injected control alone."""
    with pytest.raises(UsageError, match="has lower-case letters, digits and _"):
        load_profile(write(SMALLEST.replace("arms.app", 'arms."app.leak"')))


def test_the_incident_shape_needs_a_limit(write: Write) -> None:
    """Its rates are solved from the limit."""
    with pytest.raises(UsageError, match=r"needs \[traffic\.incident\] and limit\.memory"):
        load_profile(write(f'{SMALLEST}[traffic]\nshape = "incident"\n'))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("6h", 21600), ("1.5d", 129600), ("90 min", 5400), ("7", 7)],
)
def test_durations_may_carry_a_unit(text: str, seconds: float) -> None:
    """phases.load_s=6h reads better than 21600."""
    assert load_profile("demo", [f"phases.load_s={text}"]).phases.load_s == seconds


@pytest.mark.parametrize("text", ["h", "sixh", "-6h"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    """With its place."""
    with pytest.raises(UsageError, match=r"'phases\.load_s'"):
        load_profile("demo", [f"phases.load_s={text}"])


@pytest.mark.parametrize(
    ("settings", "times_s"),
    [
        ((), (1, 30)),
        (("phases.load_s=8h",), (1, 30)),
        (("phases.load_s=72h",), (9, 270)),
        (("phases.load_s=30d",), (10, 300)),
        (("phases.load_s=72h", "sampling.every_s=1"), (1, 270)),
        (("phases.load_s=72h", "sampling.census_every_s=0"), (9, 0)),
        (("phases.load_s=72h", "sampling.every_s=2s", "sampling.census_every_s=1.5m"), (2, 90)),
    ],
)
def test_what_is_not_set_of_the_sampling_follows_the_load(
    settings: tuple[str, ...], times_s: tuple[int, int]
) -> None:
    """A long load is read less often, unless the profile has the times."""
    sampling = load_profile("release", settings).sampling
    assert (sampling.every_s, sampling.census_every_s) == times_s


def test_a_mix_that_rotates_has_a_row_per_second(write: Write) -> None:
    """Endpoints are told apart within its turns of 10 s, however long the load is."""
    kinds = '[[traffic.requests]]\npath = "/a"\n[[traffic.requests]]\npath = "/b"\n'
    path = write(f'{SMALLEST}[traffic]\nmix = "rotate"\n{kinds}')
    sampling = load_profile(path, ["phases.load_s=72h"]).sampling
    assert (sampling.every_s, sampling.census_every_s) == (1, 270)


def test_optional_arms_run_only_when_they_are_named() -> None:
    """And in the order in which they are named."""
    assert list(load_profile("demo").arms) == ["leaky", "fixed"]
    assert list(load_profile("demo", arms="fixed,published_fix").arms) == ["fixed", "published_fix"]


def test_an_arm_that_is_not_there_is_refused_with_those_that_are() -> None:
    """A typing error costs one look."""
    with pytest.raises(
        UsageError, match="--arms leaky,fixd: no arm 'fixd'; the profile has leaky, published_fix, fixed"
    ):
        load_profile("demo", arms="leaky,fixd")


@pytest.mark.parametrize("warmup_s", [20, 10.0, 4, 17])
def test_a_warmup_may_end_anywhere_well_before_a_pause(warmup_s: float) -> None:
    """The first requests of the load then have room before it."""
    assert load_profile("demo", [f"phases.warmup_s={warmup_s}"]).phases.warmup_s == warmup_s


def test_stopping_early_needs_the_judge_that_it_acts_on() -> None:
    """Without one the key would do nothing, in silence."""
    with pytest.raises(UsageError, match="stop_on_fail needs live = true"):
        load_profile("demo", ["judge.stop_on_fail=true", "judge.live=false"])


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("article", [], "The profile article is deprecated; use incident.\n"),
        ("release", ["article=true"], "--set article=true: the key article is deprecated; use incident.\n"),
    ],
)
def test_the_old_words_for_the_incident_still_hold(
    name: str, settings: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """``article`` names the profile and the key for one version more, and each use is called deprecated."""
    profile = load_profile(name, settings)
    assert (profile.name, profile.incident) == (name.replace("article", "incident"), True)
    assert capsys.readouterr().err.endswith(line)


def test_the_old_key_also_changes_the_new_one(write: Write) -> None:
    """What is set on the command line holds, whichever of the two words the file and the setting use."""
    assert not load_profile("demo", ["article=false"]).incident
    assert not load_profile(write(f"article = true\n{SMALLEST}"), ["incident=false"]).incident


def test_limits_and_leaks_are_parsed_once_and_written_as_they_were_given() -> None:
    """A checked profile holds numbers; the manifest's copy of it keeps the text."""
    profile = load_profile("demo", ["gates.max_rss=≤300 MiB", "judge.max_leak=2 kB/request"])
    assert (profile.gates.max_rss, profile.judge.max_leak) == (
        GateLimit("max_rss", "<=", 300 * 2**20, of_before=False, text="<= 300 MiB"),
        LeakRate(per_request=2000.0),
    )
    written = profile.model_dump(mode="json")
    assert written["judge"]["max_leak"] == "2 kB/request"
    assert written["gates"]["max_rss"] == "<= 300 MiB"
    assert written["gates"]["p99_ms"] is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            ("judge.inject={gpu = 1}",),
            "'judge.inject.gpu': give 'python', 'native' or 'mmap' (it is 'gpu').",
        ),
        (("judge.inject={}",), "'judge.inject': give at least one"),
        (
            ('arms.inject.command=["x"]',),
            'judge.control = "inject" is the copy of the candidate; rename the arm inject.',
        ),
    ],
)
def test_the_injected_control_is_checked(settings: tuple[str, ...], sentence: str) -> None:
    """Kinds are known, at least one is given, and no arm has the name of the control."""
    assert load_profile("demo", ["judge.control=inject"]).judge.inject == {"python": 2.0, "native": 2.0}
    with pytest.raises(UsageError) as caught:
        load_profile("demo", ["judge.control=inject", *settings])
    assert sentence in str(caught.value)


def test_the_injected_control_needs_a_margin_in_bytes(write: Write) -> None:
    """What a limit leaves above the memory of an arm is known only after the run; the sentence has both ways out."""
    profile = write(
        'limit = { memory = "1 GiB" }\njudge = { control = "inject", min_time_to_oom = "30d" }\n'
        '[arms.app]\ncommand = ["app", "{port}"]\n'
    )
    with pytest.raises(
        UsageError, match="give max_leak instead of min_time_to_oom, which may be a gate, or name"
    ):
        load_profile(profile)

"""A profile becomes a plan before anything is started."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.errors import UsageError
from soak.plan.run_plan import RunPlan, plan_run
from soak.process.probe_injection import PROBE_PATH

RUN = Path("/runs/r")
PROBE = Path("/tmp/probe")


def plan_of(profile: Profile) -> RunPlan:
    return plan_run(profile, RUN, PROBE)


def with_command(*command: str, **arm: object) -> Profile:
    profile = load_profile("demo")
    leaky = profile.arms["leaky"].model_copy(update={"command": command, **arm})
    return profile.model_copy(update={"arms": {"leaky": leaky}})


def test_placeholders_are_filled_and_no_port_is_given_twice() -> None:
    """Stubs and both arms get ports of their own, and every arm hears where the upstreams are."""
    plan = plan_of(load_profile("demo"))
    assert plan.stubs is not None
    urls = [plan.stubs.url, *(arm.process.url for arm in plan.arms)]
    assert len(set(urls)) == 3
    leaky = plan.arms[0].process
    assert leaky.argv[:5] == (sys.executable, "-m", "gateway", "--variant", "leaky")
    assert leaky.argv[6] == leaky.url.rpartition(":")[2]
    assert f"orders={plan.stubs.url.removeprefix('http://')}" in leaky.argv[8]


def test_every_arm_gets_the_probe_and_keeps_its_own_python_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe comes first on the path, and what was there stays."""
    monkeypatch.setenv("PYTHONPATH", "/theirs")
    process = plan_of(with_command("app", env={"KEY": "{port}"})).arms[0].process
    assert process.env["PYTHONPATH"] == f"{PROBE_PATH}:/theirs"
    assert process.env["SOAK_PROBE_DIR"] == str(PROBE)
    assert process.env["KEY"] == process.url.rpartition(":")[2]


def test_an_unknown_placeholder_is_named_with_the_known_ones() -> None:
    """A braced word we do not know is a mistake, not text."""
    with pytest.raises(
        UsageError, match=r"arms\.leaky\.command: .*'prot'.*known here: \{python\}, .*\{port\}"
    ):
        plan_of(with_command("app", "{prot}"))


def test_a_doubled_brace_is_a_brace() -> None:
    """Commands may hold JSON."""
    assert plan_of(with_command("app", "{{}}")).arms[0].process.argv == ("app", "{}")


def test_a_taken_port_is_refused_with_its_key() -> None:
    """The message names port, key and fix; nothing was started."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(UsageError, match=rf"Port {port} \(arms\.leaky\.port\) cannot be used"):
            plan_of(with_command("app", port=port))


def test_the_plan_can_be_read_before_it_runs() -> None:
    """--dry-run shows every process in the order of its start, and no value of an environment variable."""
    plan = plan_of(with_command("app", "--port", "{port}", env={"TOKEN": "hush"}))
    lines = plan.describe().splitlines()
    started = [line.split()[1] for line in lines if line.startswith("start")]
    assert started == ["stubs", "leaky", "locust", "judge"]
    assert "TOKEN" in plan.describe()
    assert "hush" not in plan.describe()


def test_the_judge_beside_the_run_is_niced_and_can_be_left_out() -> None:
    """It yields the processor to what is measured, and is not started where the profile wants none."""
    judge = plan_of(load_profile("demo")).judge
    assert judge is not None
    assert judge.argv[0] == "nice"
    assert judge.argv[-2:] == ("--follow", str(RUN))
    assert plan_of(load_profile("demo", ["judge.live=false"])).judge is None


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ({"command": ("no-such-program",)}, r"arms\.leaky\.command: 'no-such-program' was not found on PATH"),
        (
            {"command": ("bin/app",)},
            r"arms\.leaky\.command: 'bin/app' was not found in /.*, or may not be executed",
        ),
        ({"command": ("true",), "cwd": Path("/no/such")}, r"arms\.leaky\.cwd: /no/such is no directory"),
    ],
)
def test_a_command_that_cannot_be_started_is_named_with_its_key(
    arm: dict[str, object], sentence: str
) -> None:
    """A dry run and a run refuse it before anything is started."""
    profile = load_profile("demo")
    leaky = profile.arms["leaky"].model_copy(update=arm)
    plan = plan_of(profile.model_copy(update={"arms": {"leaky": leaky}}))
    with pytest.raises(UsageError, match=sentence):
        plan.check_commands()
    plan_of(load_profile("demo")).check_commands()


def injected(*settings: str) -> RunPlan:
    return plan_of(load_profile("demo", ["judge.control=inject", *settings]))


def test_the_injected_control_is_a_copy_of_the_candidate() -> None:
    """Its command, directory and environment are the candidate's, its port and its name are its own."""
    plan = injected()
    leaky, fixed, copy = plan.arms
    assert (copy.name, copy.role) == ("fixed.leak", "control")
    port, own_port = (arm.process.url.rpartition(":")[2] for arm in (fixed, copy))
    assert [word.replace(own_port, port) for word in copy.process.argv] == list(fixed.process.argv)
    assert own_port not in (port, leaky.process.url.rpartition(":")[2])
    assert copy.process.cwd == fixed.process.cwd
    assert dict(copy.process.env) == {**fixed.process.env, "SOAK_PROBE_INJECT": "1"}
    assert plan.traffic.arms["fixed.leak"] == copy.process.url


def test_no_other_arm_may_be_injected() -> None:
    """The variable that permits it is in the copy's environment alone."""
    leaky, fixed, copy = injected().arms
    assert [arm.injected is not None for arm in (leaky, fixed, copy)] == [False, False, True]
    assert "SOAK_PROBE_INJECT" not in {**leaky.process.env, **fixed.process.env}


@pytest.mark.parametrize(
    ("settings", "per", "rates"),
    [
        ((), "request", {"python": 400.0, "native": 400.0}),
        (("judge.max_leak=1 MiB/h",), "s", {"python": 2 * 2**20 / 3600, "native": 2 * 2**20 / 3600}),
        (("judge.inject={mmap = 3}",), "request", {"mmap": 600.0}),
    ],
)
def test_the_injected_rate_is_a_multiple_of_the_margin(
    settings: tuple[str, ...], per: str, rates: dict[str, float]
) -> None:
    """Four times by default, in halves, per request or per second as the margin is."""
    found = injected(*settings).arms[-1].injected
    assert found is not None
    assert found.per == per
    assert found.rates == pytest.approx(rates)


def test_a_command_that_fixes_its_port_cannot_be_copied() -> None:
    """Both would listen on the same port: the message names the arm and both fixes."""
    with pytest.raises(
        UsageError, match=r"arms\.fixed: its command fixes its port.*Write \{port\}.*judge\.control"
    ):
        injected("arms.fixed.command=['app', '--port', '8000', '{{port}}']")
    assert injected("arms.fixed.command=['app']", "arms.fixed.env.PORT='{port}'").arms[-1].injected


def test_without_a_candidate_there_is_nothing_to_copy() -> None:
    """A run of the baseline alone stays possible."""
    plan = plan_of(load_profile("demo", ["judge.control=inject"], arms="leaky"))
    assert [arm.name for arm in plan.arms] == ["leaky"]


def test_the_plan_shows_the_copy_and_what_it_leaks() -> None:
    """--dry-run states the rates, and that files and database are shared."""
    text = injected().describe()
    assert "start    fixed.leak  at http://" in text
    assert (
        "the control: a copy of the candidate, sharing its files and database, into which 400 B/request (python) and "
        "400 B/request (native) are injected" in text
    )
    assert (
        "into which 2 MiB/h (python) and 2 MiB/h (native) are"
        in injected("judge.max_leak=1 MiB/h").describe()
    )

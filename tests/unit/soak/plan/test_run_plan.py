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

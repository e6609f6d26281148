"""A profile becomes a plan before anything is started."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.contract import Traffic
from soak.errors import UsageError
from soak.plan.plan import Plan, make_plan
from soak.process.probe_injection import PROBE_PATH

RUN = Path("/runs/r")
PROBE = Path("/tmp/probe")


def plan_of(profile: Profile) -> Plan:
    return make_plan(profile, RUN, PROBE)


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


def test_the_traffic_survives_its_file() -> None:
    """What the locustfile reads is what was planned."""
    traffic = plan_of(load_profile("demo")).at(12.5).traffic
    assert traffic.t0_monotonic_s == 12.5
    assert Traffic.from_json(traffic.to_json()) == traffic
    assert traffic.incident is not None
    assert traffic.incident.limit_bytes == 512 << 20


def test_traffic_of_another_schema_is_refused() -> None:
    """An old file is not read as if it were new."""
    text = plan_of(load_profile("demo")).traffic.to_json()
    with pytest.raises(ValueError, match="traffic plan of schema 99"):
        Traffic.from_json(text.replace('"schema_version": 2', '"schema_version": 99'))


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


def _with_traffic(*settings: str) -> Profile:
    return load_profile("release", [f"traffic.{setting}" for setting in settings])


def test_by_default_nothing_listens_beyond_this_machine() -> None:
    """Arms, master and workers are on loopback, and nobody is waited for."""
    plan = plan_of(_with_traffic("workers=2"))
    assert {arm.process.url.rpartition(":")[0] for arm in plan.arms} == {"http://127.0.0.1"}
    assert "--master-bind-host 127.0.0.1" in " ".join(plan.locust.argv)
    assert [worker.name for worker in plan.workers] == ["worker-1", "worker-2"]
    assert plan.invitation == ""


def test_workers_of_other_machines_are_invited() -> None:
    """Arms and master listen where the profile says, and the command for the other machines can be copied."""
    plan = plan_of(
        _with_traffic("workers=1", "remote_workers=2", "bind_host=127.0.0.2", "remote_timeout_s=90")
    )
    port = plan.locust.argv[plan.locust.argv.index("--master-bind-port") + 1]
    assert plan.invitation == (
        f"waiting for 2 workers from other machines, 90 s at most; start each with: soak worker 127.0.0.2:{port}"
    )
    assert plan.describe().splitlines()[-1] == f"then     {plan.invitation}"
    assert plan.locust.ready_timeout_s == 90
    assert plan.locust.argv[-2:] == ("--expect-workers", "3")
    assert len(plan.workers) == 1
    for arm in plan.arms:
        assert arm.process.url.startswith("http://127.0.0.2:")
        assert arm.process.argv[arm.process.argv.index("--host") + 1] == "127.0.0.2"


def test_an_address_of_another_machine() -> None:
    """An address that this machine does not have is refused with its key before anything starts."""
    with pytest.raises(UsageError, match=r"traffic\.bind_host: 192\.0\.2\.1 is no address of this machine"):
        plan_of(_with_traffic("remote_workers=1", "bind_host=192.0.2.1"))


def test_a_locustfile_of_the_team(tmp_path: Path) -> None:
    """One process for each arm runs it from the profile's directory, under a master that counts users per arm."""
    own = tmp_path / "team.py"
    own.touch()
    profile = tmp_path / "own.toml"
    profile.write_text(
        '[traffic]\nlocustfile = "team.py"\nusers = 7\nspawn_rate = 2.5\n[arms.old]\ncommand = ["a"]\n'
        '[arms.new]\ncommand = ["b"]\n'
    )
    plan = plan_of(load_profile(str(profile)))
    assert plan.traffic.locustfile == str(own)
    assert [worker.argv[-2:] for worker in plan.workers] == [("--soak-arm", "old"), ("--soak-arm", "new")]
    master = " ".join(plan.locust.argv)
    assert f"custom_load.py --loglevel WARNING -f {own} " in master
    assert "--users 7 --spawn-rate 2.5 --master" in master
    assert {process.cwd for process in (plan.locust, *plan.workers)} == {tmp_path}
    assert "traffic  7 users of team.py for each arm, 2.5 more a second" in plan.describe()
    own.unlink()
    with pytest.raises(UsageError, match=r"traffic\.locustfile: .*team\.py is no Python file"):
        plan_of(load_profile(str(profile)))

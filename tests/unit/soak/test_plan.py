"""A profile becomes a plan before anything is started."""

from __future__ import annotations

import dataclasses
import socket
import sys
from pathlib import Path

import pytest

from soak.config import Profile, load_profile
from soak.contract import Traffic
from soak.errors import UsageError
from soak.plan import Plan, make_plan
from soak.probe_client import PROBE_PATH

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
    """The message names port, key and mend; nothing was started."""
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
        Traffic.from_json(text.replace('"schema_version": 1', '"schema_version": 99'))


def test_the_plan_can_be_read_before_it_runs() -> None:
    """--dry-run shows every process in the order of its start, and no value of an environment variable."""
    plan = plan_of(with_command("app", "--port", "{port}", env={"TOKEN": "hush"}))
    lines = plan.describe().splitlines()
    started = [line.split()[1] for line in lines if line.startswith("start")]
    assert started == ["stubs", "leaky", "locust"]
    assert "TOKEN" in plan.describe()
    assert "hush" not in plan.describe()


def test_a_plan_is_frozen() -> None:
    """What was printed is what will run."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan_of(load_profile("demo")).stubs = None  # type: ignore[misc]

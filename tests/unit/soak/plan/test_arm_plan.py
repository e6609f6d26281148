"""Arms that are images or run elsewhere, planned; commands are in test_run_plan.py."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.containers.engine import Image
from soak.errors import UsageError
from soak.plan import ports
from soak.plan.run_plan import RunPlan, plan_run

IMAGE = Image("podman", "shop:2.1", f"sha256:{'ab' * 32}", ports=(8000,), env={"PYTHONPATH": "/srv"})
PROFILE = """
limit = { memory = "64 MiB" }
stubs = {}
[arms.today]
command = ["true", "{port}"]
role = "before"
[arms.new]
image = "shop:2.1"
role = "after"
"""


@pytest.fixture
def plan(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A function that plans a run of a command and an image with these settings."""
    path = tmp_path / "mine.toml"
    path.write_text(PROFILE)

    def plan(*settings: str, image: Image = IMAGE) -> RunPlan:
        return plan_run(
            load_profile(str(path), settings), Path("runs/R"), Path("/tmp/soak-x1y2"), images={"new": image}
        )

    return plan


def test_an_image_is_a_container_at_a_free_port(plan) -> None:  # type: ignore[no-untyped-def]
    """The port it exposes is published at the address of the arms; its process is the engine's client."""
    arm = plan().arms[1]
    assert arm.container.published_at == ("127.0.0.1", int(arm.process.url.rpartition(":")[2]))
    assert (arm.container.listens, arm.container.limit_bytes) == (8000, 64 << 20)
    assert arm.container.name(1) == "soakproof-R-x1y2-new-1"
    assert arm.process.argv == arm.container.argv(1)
    assert arm.process.env == {}
    assert arm.environment_names == ["PYTHONPATH", "SOAK_PROBE_DIR"]


def test_a_port_that_needs_root_is_the_engines_to_bind(plan, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """That of a container; a command would need the right itself."""

    def refuse(_host: str, port: int) -> int:
        if port == 80:
            raise PermissionError(errno.EACCES, "Permission denied")
        return 21234 + port

    monkeypatch.setattr(ports, "_bind", refuse)
    monkeypatch.setattr(ports, "listener_at", lambda _host, _port: "")
    settings = ("traffic.workers=0", "stubs.port=21300", "arms.today.port=21301")
    assert plan(*settings, "arms.new.port=80").arms[1].container.published_at == ("127.0.0.1", 80)
    with pytest.raises(UsageError, match=r"Port 80 \(arms\.today\.port\) cannot be used"):
        plan(*settings[:-1], "arms.today.port=80")


def test_words_are_filled_in_as_they_are_inside(plan) -> None:  # type: ignore[no-untyped-def]
    """A published container listens at all of its own addresses, at its own port; no word names our Python."""
    arm = plan(
        'arms.new.args=["{host}:{port}", "{arm}"]', 'arms.new.env.AT="{port}"', "arms.new.port=21234"
    ).arms[1]
    assert arm.container.args == ("0.0.0.0:8000", "new")
    assert arm.container.env == {"AT": "8000"}
    assert arm.process.url == "http://127.0.0.1:21234"
    with pytest.raises(UsageError, match=r"arms\.new\.args: cannot fill in the placeholder 'python'"):
        plan('arms.new.args=["{python}"]')
    with pytest.raises(UsageError, match=r"arms\.new\.args: cannot fill in the placeholder"):
        plan('arms.new.args=["{port"]')


def test_in_the_hosts_network_it_is_told_its_port_or_has_its_own(plan) -> None:  # type: ignore[no-untyped-def]
    told = plan('arms.new.network="host"', 'arms.new.args=["{host}:{port}"]').arms[1]
    port = int(told.process.url.rpartition(":")[2])
    assert told.container.args == (f"127.0.0.1:{port}",)
    assert (told.container.published_at, told.container.listens) == (None, port)
    own = plan('arms.new.network="host"', image=Image("podman", "shop:2.1", "", ports=(21235,))).arms[1]
    assert own.process.url == "http://127.0.0.1:21235"
    with pytest.raises(
        UsageError, match=r"arms\.new\.listens: give the port .* \(it exposes none\), or \{port\} in args"
    ):
        plan('arms.new.network="host"', image=Image("podman", "shop:2.1", ""))


def test_the_stubs_are_reached_through_the_hosts_network_alone(plan) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=r'arms\.new: \{upstreams\} needs network = "host"'):
        plan('arms.new.env.UP="{upstreams}"')
    arm = plan('arms.new.env.UP="{upstreams}"', 'arms.new.network="host"', "arms.new.listens=21236").arms[1]
    assert arm.container.env["UP"].startswith("orders=127.0.0.1:")


@pytest.mark.parametrize(("ports", "exposed"), [((), "none"), ((80, 443), "80, 443")])
def test_the_port_must_be_known(plan, ports: tuple[int, ...], exposed: str) -> None:  # type: ignore[no-untyped-def]
    image = Image("podman", "shop:2.1", "", ports=ports)
    with pytest.raises(UsageError) as raised:
        plan(image=image)
    assert str(raised.value) == (
        f"arms.new.listens: give the port at which shop:2.1 listens (it exposes {exposed}), "
        'or network = "host".'
    )
    assert plan("arms.new.listens=443", image=image).arms[1].container.listens == 443


def test_the_injected_control_is_a_copy_of_an_image_too(plan) -> None:  # type: ignore[no-untyped-def]
    """At a port of its own, by a name of its own, and permitted to leak; published, it needs no {port}."""
    arms = plan("judge.control=inject", "judge.max_leak=200 B/request", "arms.new.port=21237").arms
    new, copy = arms[1:]
    assert (copy.name, copy.role, copy.injected is not None) == ("new.leak", "control", True)
    assert copy.container.image is new.container.image
    assert copy.container.env == {**new.container.env, "SOAK_PROBE_INJECT": "1"}
    assert copy.process.url != new.process.url
    assert copy.container.env_file != new.container.env_file
    host = (
        'arms.new.network="host"',
        "arms.new.listens=21238",
        "judge.control=inject",
        "judge.max_leak=200 B/request",
    )
    with pytest.raises(UsageError, match=r"arms\.new: its image fixes its port, and the control is a copy"):
        plan(*host)


def test_a_control_without_a_candidate_is_refused(plan) -> None:  # type: ignore[no-untyped-def]
    """Nothing would be copied, and hours later nothing signed off."""
    keys = ("judge.control=inject", "judge.max_leak=200 B/request", "arms.new.port=21237", "arms.new.role=")
    with pytest.raises(UsageError, match="leaks in a copy of the candidate, and no arm is one"):
        plan(*keys)
    assert len(plan(*keys, "judge.candidate=new").arms) == 3


def test_the_plan_shows_the_image_and_no_value_of_its_environment(plan) -> None:  # type: ignore[no-untyped-def]
    text = plan('arms.new.env.TOKEN="hush"').describe()
    assert f"image shop:2.1, sha256:{'ab' * 32}" in text
    assert "with PYTHONPATH, SOAK_PROBE_DIR, TOKEN set" in text
    assert "podman run --name soakproof-R-x1y2-new-1 " in text
    assert "hush" not in text


ELSEWHERE = 'arms.prod={ url = "http://10.0.0.7:8000", metrics = "/debug/metrics" }'


def test_an_arm_elsewhere_has_no_process_and_no_port_of_ours(plan) -> None:  # type: ignore[no-untyped-def]
    """It is loaded at its own address; the plan has what is not done with it, and nothing that is started."""
    planned = plan(ELSEWHERE)
    prod = planned.arms[2]
    assert (prod.process.url, prod.metrics, prod.process.argv) == (
        "http://10.0.0.7:8000",
        "/debug/metrics",
        (),
    )
    assert planned.traffic.arms["prod"] == "http://10.0.0.7:8000"
    assert "prod" not in [process.name for process in planned.processes]
    planned.check_commands()
    assert (
        "load     prod  at http://10.0.0.7:8000: it runs elsewhere and is neither started, limited nor stopped\n"
        "         read by its own metrics at /debug/metrics: memory, CPU, descriptors; no objects, holders or ladder\n"
    ) in planned.describe()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            ["judge.candidate=prod", "judge.control=inject"],
            "arms.prod runs elsewhere, so no leak can be injected",
        ),
        (
            ["judge.min_time_to_oom=1h"],
            "judge.min_time_to_oom: arms.prod runs elsewhere, and its memory limit is not",
        ),
        (
            ["judge.candidate=prod", 'gates.min_time_to_oom=">= 1h"'],
            "gates.min_time_to_oom: arms.prod runs elsewhere, and its memory limit is not known; leave it out.",
        ),
    ],
)
def test_what_needs_its_process_or_its_limit_is_refused(plan, settings: list[str], sentence: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as raised:
        plan(ELSEWHERE, *settings)
    assert str(raised.value).startswith(sentence)


def test_another_candidate_keeps_its_gates_and_its_control_beside_it(plan) -> None:  # type: ignore[no-untyped-def]
    """Only what concerns the arm elsewhere is refused."""
    planned = plan(ELSEWHERE, "judge.control=inject", 'gates.min_time_to_oom=">= 1h"')
    assert [arm.name for arm in planned.arms] == ["today", "new", "prod", "new.leak"]

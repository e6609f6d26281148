"""The load's part of a plan: Locust's processes and the planned requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from locustfiles.schedule.plan_file import parse_traffic
from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.errors import UsageError
from soak.plan.run_plan import RunPlan, plan_run


def plan_of(profile: Profile) -> RunPlan:
    return plan_run(profile, Path("/runs/r"), Path("/tmp/probe"))


def test_the_traffic_survives_its_file() -> None:
    """What the locustfile reads is what was planned."""
    traffic = plan_of(load_profile("demo")).at(12.5).traffic
    assert traffic.t0_monotonic_s == 12.5
    assert parse_traffic(traffic.to_json()) == traffic
    assert traffic.incident is not None
    assert traffic.incident.limit_bytes == 512 << 20


def _with_traffic(*settings: str) -> Profile:
    return load_profile("release", [f"traffic.{setting}" for setting in settings])


def test_the_warm_up_fills_caches_with_bodies_of_the_load() -> None:
    """Unless the profile gives its bodies a size of their own: a cache that is full has then all that it will hold."""
    traffic = plan_of(_with_traffic("request_bytes=3000")).traffic
    assert (traffic.warmup_request_bytes, traffic.request_bytes) == (3000, 3000)
    own = plan_of(_with_traffic("request_bytes=3000", "warmup_request_bytes=200")).traffic
    assert (own.warmup_request_bytes, own.request_bytes) == (200, 3000)


@pytest.mark.parametrize(
    ("settings", "max_bytes"),
    [((), 16 << 20), (("max_response=1 MiB",), 1 << 20), (("max_response=5000",), 5000)],
)
def test_the_largest_answer(settings: tuple[str, ...], max_bytes: int) -> None:
    """It is a size like the others of a profile, 16 MiB by default, and reaches every process of Locust."""
    traffic = plan_of(_with_traffic(*settings)).traffic
    assert parse_traffic(traffic.to_json()).max_response == max_bytes


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
    with pytest.raises(
        UsageError, match=r"traffic\.bind_host: 192\.0\.2\.1 is not an address of this machine"
    ):
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
    assert f"custom_load.py -f {own} --soak-traffic /runs/r/traffic.json " in master
    assert "--users 7 --spawn-rate 2.5 --master" in master
    assert {process.cwd for process in (plan.locust, *plan.workers)} == {tmp_path}
    assert "traffic  7 users of team.py for each arm, 2.5 started per second" in plan.describe()
    own.unlink()
    with pytest.raises(UsageError, match=r"traffic\.locustfile: .*team\.py is not a Python file"):
        plan_of(load_profile(str(profile)))


def test_a_locustfile_in_a_circle_of_links_is_no_file(tmp_path: Path) -> None:
    """The message has the key."""
    path = tmp_path / "mine.toml"
    path.write_text('[traffic]\nlocustfile = "team.py"\n[arms.old]\ncommand = ["a"]\n')
    (tmp_path / "team.py").symlink_to("team.py")
    with pytest.raises(UsageError, match=r"traffic\.locustfile: .*team\.py is not a Python file"):
        plan_of(load_profile(str(path)))


REQUESTS = """
[stubs]
services = ["orders"]
[[traffic.requests]]
name = "add"
method = "POST"
path = "/items"
body = { id = "{uuid}" }
headers = { Authorization = "Bearer {env:SHOP_TOKEN}" }
weight = 3
[[traffic.requests]]
path = "/events"
read_s = 2
[[traffic.requests]]
path = "/items"
client = "abort"
[[traffic.requests]]
method = "WEBSOCKET"
path = "/chat"
body = "{uuid}"
open_s = 5
send_every_s = 0.5
weight = 0.5
[arms.only]
command = ["serve"]
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Profile:
    """Return a profile of four kinds of requests, one of them with a token."""
    path = tmp_path / "mixed.toml"
    path.write_text(REQUESTS)
    return load_profile(str(path))


def test_a_mix_survives_its_file_without_its_secrets(mixed: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the workers read is what was planned; the token is in no part of the plan."""
    monkeypatch.setenv("SHOP_TOKEN", "hush")
    plan = plan_of(mixed)
    assert parse_traffic(plan.traffic.to_json()) == plan.traffic
    assert [kind.name for kind in plan.traffic.kinds] == [
        "add",
        "GET /events",
        "abort GET /items",
        "WEBSOCKET /chat",
    ]
    assert "hush" not in repr(plan) + plan.describe() + plan.traffic.to_json() + mixed.model_dump_json()


def test_the_plan_shows_the_mix(mixed: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind with its share, before anything is started."""
    monkeypatch.setenv("SHOP_TOKEN", "hush")
    lines = plan_of(mixed).describe().splitlines()
    at = lines.index("traffic  steady 50 requests/s, seed 1, the same for every arm")
    assert lines[at + 1 : at + 5] == [
        "          54.5%  add: POST /items",
        "          18.2%  GET /events, read for 2 s at most",
        "          18.2%  GET /items, client abort",
        "           9.1%  WEBSOCKET /chat, open for 5 s, a message every 0.5 s",
    ]


def test_the_plan_shows_that_the_mix_rotates(mixed: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the weight and the length of a turn; traffic.json has the key."""
    monkeypatch.setenv("SHOP_TOKEN", "hush")
    plan = plan_of(mixed.model_copy(update={"traffic": mixed.traffic.model_copy(update={"mix": "rotate"})}))
    assert "same for every arm, each kind in turn 5 times as often for 10 s\n" in plan.describe()
    assert parse_traffic(plan.traffic.to_json()).mix == "rotate"


@pytest.mark.parametrize(
    ("value", "fault"), [("", "not set or empty"), ("hu\nsh", "characters that no header")]
)
def test_a_variable_that_cannot_be_sent_is_named_before_the_run(
    mixed: Profile, monkeypatch: pytest.MonkeyPatch, value: str, fault: str
) -> None:
    """With its key and without its value; where only other machines send, theirs counts."""
    monkeypatch.setenv("SHOP_TOKEN", value)
    with pytest.raises(
        UsageError, match=r"^traffic\.requests\.0\.headers\.Authorization: .*SHOP_TOKEN"
    ) as refused:
        plan_of(mixed)
    assert fault in str(refused.value)
    assert not value or value not in str(refused.value)
    elsewhere = mixed.traffic.model_copy(update={"remote_workers": 1, "bind_host": "10.0.0.5"})
    monkeypatch.setattr("soak.plan.ports.Ports.take", lambda *_: 9)
    assert plan_of(mixed.model_copy(update={"traffic": elsewhere})).traffic.requests

"""A pass of an arm before anything is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.containers.engine import Image
from soak.containers.spec import RAW_INSIDE, SOCKETS_INSIDE
from soak.plan.run_plan import RunPlan, plan_run
from soak.process.probe_injection import TRACE_VARIABLE
from soak.replay.passes import python_pass
from soak.replay.plan import PassPlan, analysis_process, limit_bytes, plan_pass

GIB = 1 << 30


@pytest.mark.parametrize(
    ("limit", "free", "found"),
    [
        (None, 64 * GIB, None),
        (GIB, 64 * GIB, 4 * GIB),
        (GIB, 2 * GIB, int(1.6 * GIB)),
        (GIB, GIB // 2, GIB),
    ],
    ids=["no-limit", "four-times", "what-is-free", "never-less"],
)
def test_the_limit_is_four_times_that_of_the_run_where_the_machine_has_it(
    limit: int | None, free: int, found: int | None
) -> None:
    """Tracebacks take more than what they are of; the rest of the machine keeps a fifth of what is free."""
    assert limit_bytes(limit, free) == found


def test_a_command_differs_from_that_of_the_run_by_its_instrumentation_alone(
    plan: PassPlan, run_plan: RunPlan
) -> None:
    """Same words, directory, port and variables."""
    arm = run_plan.arms[0].process
    assert plan.arm.process == replace(arm, env={**arm.env, TRACE_VARIABLE: "8"})
    assert (plan.raw_inside, plan.stubs) == (plan.raw, run_plan.stubs)
    assert plan.log == run_plan.run_directory / "logs" / "replay-leaky-python.log"
    assert plan.log_of("stubs") == plan.log.with_name("replay-leaky-python-stubs.log")


def test_the_load_is_one_process_for_the_one_arm(plan: PassPlan, tmp_path: Path) -> None:
    """It reads a plan in the private directory: that of a finished run is not written to."""
    words = plan.locust.argv
    assert words[words.index("--replay") + 1] == "leaky"
    assert words[words.index("--traffic") + 1] == str(tmp_path / "private" / "traffic.json")
    assert not {"--master", "--worker"} & set(words)


def test_a_locustfile_is_replayed_by_its_own_users(tmp_path: Path) -> None:
    """As many as in the run, in its directory."""
    (tmp_path / "users.py").touch()
    (tmp_path / "mine.toml").write_text(
        '[traffic]\nlocustfile = "users.py"\nusers = 7\n[arms.old]\ncommand = ["old"]\n'
    )
    run = plan_run(load_profile(str(tmp_path / "mine.toml")), tmp_path / "run", tmp_path)
    plan = plan_pass(run, run.arms[0], python_pass(run.profile.replay), tmp_path, 64 * GIB)
    words = plan.locust.argv
    assert words[words.index("-f") + 1] == str(tmp_path / "users.py")
    assert words[words.index("--users") + 1] == "7"
    assert words[words.index("--soak-arm") + 1] == "old"
    assert plan.locust.cwd == tmp_path


def test_a_container_writes_into_a_mount_of_its_own(tmp_path: Path) -> None:
    """And gets its limit and variables as in the run, by its engine."""
    (tmp_path / "mine.toml").write_text('limit = { memory = "64 MiB" }\n[arms.old]\nimage = "shop:2.1"\n')
    images = {"old": Image("podman", "shop:2.1", f"sha256:{'ab' * 32}", (8000,))}
    run = plan_run(load_profile(str(tmp_path / "mine.toml")), tmp_path / "run", tmp_path, images=images)
    plan = plan_pass(run, run.arms[0], python_pass(run.profile.replay), tmp_path, 64 * GIB)
    container = plan.arm.container
    assert container is not None
    words = container.argv(1001)
    assert f"type=bind,source={plan.raw},destination={RAW_INSIDE}" in words
    assert words[words.index("--memory") + 1] == str(256 << 20)
    assert container.environment()[TRACE_VARIABLE] == "8"
    assert (plan.raw_inside, plan.probe_directory) == (Path(RAW_INSIDE), Path(SOCKETS_INSIDE))
    original = run.arms[0].container
    assert original is not None
    assert not any(RAW_INSIDE in word for word in original.argv(1))


def test_the_analysis_reads_the_files_of_the_arm_while_it_lives(plan: PassPlan) -> None:
    """Of one that has died it has none."""
    assert analysis_process(plan, Path("/proc/7/root")).argv[-2:] == ("--root", "/proc/7/root")
    assert "--root" not in analysis_process(plan, None).argv

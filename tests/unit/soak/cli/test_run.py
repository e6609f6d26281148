"""Who may use Locust's web UI, from the command line to the processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from soak.cli import run as cli
from soak.cli.commands import app
from soak.config.load import load_profile
from soak.contract import WEB_PASSWORD, WEB_USER
from soak.errors import UsageError
from soak.limit.choose import Choice
from soak.limit.watchdog import WatchdogMechanism
from soak.plan.load_plan import WebAccess
from soak.plan.ports import Ports
from soak.plan.run_plan import RunPlan, plan_run
from soak.supervisor.manifest import run_manifest

PASSWORD = "correct-horse"


@pytest.fixture
def web() -> WebAccess:
    """A web UI with a login, on a port that nobody uses."""
    return WebAccess(Ports().take(None, ""), "signer", PASSWORD)


@pytest.fixture
def plan(web: WebAccess) -> RunPlan:
    """A plan with that web UI."""
    return plan_run(load_profile("demo", ()), Path("runs/1"), Path("probe"), web=web)


def test_the_password_reaches_locust_and_nobody_else(plan: RunPlan, web: WebAccess) -> None:
    """By its environment alone: in no argv, no manifest, no printed plan, and not with the targets."""
    assert [process.name for process in plan.processes if PASSWORD in process.env.values()] == ["locust"]
    assert plan.locust.env == {WEB_USER: "signer", WEB_PASSWORD: PASSWORD}
    assert "--web-login" in plan.locust.argv
    assert PASSWORD not in repr([process.argv for process in plan.processes])
    assert PASSWORD not in repr(run_manifest(plan, Choice(WatchdogMechanism(), ())))
    assert PASSWORD not in plan.describe()
    assert PASSWORD not in repr(web)


def test_without_a_login_locust_gets_none(web: WebAccess) -> None:
    """A password that happens to be set asks nobody for it."""
    plan = plan_run(load_profile("demo", ()), Path("runs/1"), Path("probe"), web=WebAccess(web.port))
    assert "--web-login" not in plan.locust.argv
    assert plan.locust.env == {}


def test_the_password_is_there_for_a_second_start_and_gone_for_the_targets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a scope of its own the command starts once more, and reads it again; children inherit what is left."""
    seen: dict[str, Any] = {}

    def run_profile(*_: object, web: WebAccess, **__: object) -> None:
        seen.update(web=web, at_run=os.environ.get(WEB_PASSWORD))
        raise UsageError("far enough")

    monkeypatch.setenv(WEB_PASSWORD, PASSWORD)
    monkeypatch.setattr(cli, "enter_scope", lambda: seen.update(at_scope=os.environ.get(WEB_PASSWORD)))
    monkeypatch.setattr(cli, "run_profile", run_profile)
    CliRunner().invoke(app, ["ui", "--web-login", "--web-user", "signer"])
    assert seen == {"at_scope": PASSWORD, "at_run": None, "web": WebAccess(8089, "signer", PASSWORD)}


@pytest.mark.parametrize("user", ["soak", ""])
def test_a_login_without_a_password_names_the_variable(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    """A usage error that says the fix."""
    monkeypatch.setenv(WEB_PASSWORD, "")
    result = CliRunner().invoke(app, ["ui", "--web-login", "--web-user", user])
    assert isinstance(result.exception, UsageError)
    assert "set SOAK_WEB_PASSWORD in the environment" in str(result.exception)


def test_a_dry_run_refuses_a_command_that_is_not_there() -> None:
    """It prints no plan of what cannot start."""
    result = CliRunner().invoke(app, ["run", "demo", "--dry-run", "--set", 'arms.fixed.command=["absent"]'])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith("arms.fixed.command: 'absent' was not found on PATH")
    assert result.output == ""


def test_a_run_that_is_too_short_to_clear_warns_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shortest load that can clear."""

    def run_profile(*_: object, **__: object) -> None:
        raise UsageError("far enough")

    monkeypatch.setattr(cli, "enter_scope", lambda: None)
    monkeypatch.setattr(cli, "run_profile", run_profile)
    short = CliRunner().invoke(app, ["run", "release", "--set", "phases.load_s=60"])
    long = CliRunner().invoke(app, ["run", "release"])
    assert short.stderr.startswith(
        "warning: shortest load that can clear: 1:00:00 at a reserve of 1 MiB; planned 1:00"
    )
    assert long.stderr == ""


def test_the_plan_shows_escapes_of_a_terminal_as_text(tmp_path: Path) -> None:
    """A profile from elsewhere may be looked at: nothing of it reaches the terminal as an order."""
    profile = tmp_path / "mine.toml"
    profile.write_text('about = "\\u001b]0;x\\u0007"\n[arms.app]\ncommand = ["sh", "{port}", "\\u001b[2J"]\n')
    shown = CliRunner().invoke(app, ["run", str(profile), "--dry-run"])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.output
    assert "mine: \\x1b]0;x\\x07" in shown.output

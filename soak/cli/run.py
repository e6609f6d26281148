"""``soak run``, ``ui``, ``worker`` and ``ablate``: what starts a load."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from soak.cli import options
from soak.cli.analysis_process import FailOn, finish
from soak.cli.progress import make_progress
from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.containers.images import images_of
from soak.contract import WEB_PASSWORD, WEB_USER
from soak.errors import UsageError
from soak.limit.choose import enter_scope
from soak.plan.load_plan import WebAccess
from soak.plan.run_plan import plan_run
from soak.plan.shortest_load import TOO_SHORT, shortest_load
from soak.regular_files import real_path
from soak.replay.arms import replay_run
from soak.supervisor.launch import Ended, noted_signals, run_profile
from soak.supervisor.phases import led_by_ui, timed
from soak.supervisor.run import Run

RUNS = Path("runs")


def run(
    profile: options.Profile,
    settings: options.Settings = None,
    arms: options.Arms = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Print the plan and start nothing.")
    ] = False,
    metrics_port: options.MetricsPort = None,
    runs: options.Runs = RUNS,
    fail_on: Annotated[
        FailOn,
        typer.Option(help="What counts as failure: inconclusive keeps exit code 4, leak turns it into 0."),
    ] = "inconclusive",
) -> None:
    """Soak the arms of a profile under one load and make the report.

    Exit codes: 0 signed off, 1 harness failed, 2 usage, 3 a gate failed, 4 inconclusive or refused, 130 no report.

    Ctrl-C ends the run early and still makes the report.
    """
    checked = load_profile(profile, settings or (), arms)
    if dry_run:
        plan = plan_run(checked, runs / "RUN", Path("PROBE"), images=images_of(checked))
        plan.check_commands()
        print(plan.describe())
        return
    if shortest_load(checked).too_short:
        print(f"warning: {shortest_load(checked)}: {TOO_SHORT}", file=sys.stderr)
    _soak(checked, runs, timed, metrics_port, fail_on=fail_on, then=replay_run)


def ui(
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    arms: options.Arms = "",
    web_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web UI, on 127.0.0.1.")] = 8089,
    web_login: Annotated[
        bool,
        typer.Option(
            "--web-login", metavar="", help=f"Require a login; the password is read from {WEB_PASSWORD}."
        ),
    ] = False,
    metrics_port: options.MetricsPort = None,
    web_user: Annotated[str, typer.Option(envvar=WEB_USER, help="Name of the user who may log in.")] = "soak",
    runs: options.Runs = RUNS,
) -> None:
    """Run interactively from Locust's web UI: Start and Stop begin and end the load; Stop makes the report.

    Exit codes: 0 signed off, 1 harness failed, 2 usage, 3 a gate failed, 4 inconclusive or refused, 130 no report.
    """
    password = os.environ.get(WEB_PASSWORD, "")
    if web_login and not (password and web_user):
        raise UsageError(f"--web-login: set {WEB_PASSWORD} in the environment to the password to ask for.")
    web = WebAccess(web_port, web_user, password) if web_login else WebAccess(web_port)
    _soak(load_profile(profile, settings or (), arms), runs, led_by_ui, metrics_port, web)


def worker(
    master: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="Address of the master, as printed by soak run.")
    ],
) -> None:
    """Send a share of the load of a run from this machine until the run ends; it needs no file of the run.

    Set traffic.remote_workers in the profile of the run.
    """
    os.execv(sys.executable, [sys.executable, "-P", "-m", "locustfiles.remote_worker", master])  # noqa: S606 - a command of our own


def ablate(settings: options.Settings = None, runs: options.Runs = RUNS) -> None:
    """Measure what each fault of the leaky gateway leaks per request: each alone, all together, none.

    It takes three minutes; the table and figure are in the report.

    Exit codes: 0 done, 1 harness failed, 2 usage or configuration, 4 inconclusive.
    """
    _soak(load_profile("ablation", settings or ()), runs, timed, command="ablation")


def _soak(
    profile: Profile,
    runs: Path,
    script: Callable[[Run], None],
    metrics_port: int | None = None,
    web: WebAccess | None = None,
    command: str = "report",
    fail_on: FailOn = "inconclusive",
    then: Callable[[Ended], None] = lambda _ended: None,
) -> NoReturn:
    """Make a run, then what follows one that is complete, then its report; raises as ``finish``."""
    enter_scope()  # may start this command again, which needs the password too
    os.environ.pop(WEB_PASSWORD, None)  # the targets would inherit it
    with noted_signals() as stop_request:
        with make_progress(metrics_port) as progress:
            outcome = run_profile(
                profile, real_path(runs), progress, script, stop_request, web=web, then=then
            )
        finish(outcome, stop_request, command, fail_on)

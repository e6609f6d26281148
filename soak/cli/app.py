"""The command line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from soak.cli import analysis_process as findings
from soak.cli.runs import list_runs, listing_json, listing_table
from soak.config.load import load_profile, profile_names
from soak.config.profile import DEFAULT_MAX_LEAK, Profile
from soak.config.template import NEXT, write_profile
from soak.contract import WEB_PASSWORD, WEB_USER
from soak.contract.hashes import verify as verify_run
from soak.contract.units import parse_duration, parse_leak_rate, parse_size
from soak.errors import EXIT_HARNESS_FAILED, SoakError, UsageError
from soak.limit.choose import enter_scope
from soak.plan.plan import make_plan
from soak.plan.traffic import Web
from soak.status.terminal import Progress
from soak.supervisor.attach import Watch, find_processes
from soak.supervisor.attach import attach as attach_to
from soak.supervisor.launch import Outcome, noted_signals, run_profile
from soak.supervisor.phases import led_by_ui, timed
from soak.supervisor.run import Run

Value = TypeVar("Value")
MetricsPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Serve the newest samples for Prometheus on this port of 127.0.0.1."),
]


app = typer.Typer(
    help="Proves that a long-running Python service does not leak memory, or shows what leaks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    profile: Annotated[
        str, typer.Argument(help=f"A name ({', '.join(profile_names())}) or the path of a TOML file.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a key of the profile, e.g. phases.load_s=60."
        ),
    ] = None,
    arms: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="Run these arms instead of those that are not optional.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and start nothing.")] = False,
    metrics_port: MetricsPort = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Soak the arms of a profile under one load and end with the report.

    Exit codes: 0 signed off, 1 the harness failed, 2 usage or configuration, 3 a gate failed, 4 inconclusive or
    refused.
    Ctrl-C ends the run early and still makes the report.
    """
    checked = load_profile(profile, settings or (), arms)
    if dry_run:
        print(make_plan(checked, runs / "RUN", Path("PROBE")).describe())
        return
    findings.finish(_soak(checked, runs, timed, metrics_port), findings.report)


@app.command()
def ui(
    profile: Annotated[str, typer.Argument(help="As for run.")] = "demo",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As for run.")
    ] = None,
    arms: Annotated[str, typer.Option(metavar="NAME,NAME", help="As for run.")] = "",
    web_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web UI, on 127.0.0.1.")] = 8089,
    web_login: Annotated[
        bool,
        typer.Option(
            "--web-login",
            help=f"Ask for user and password; the password is read from {WEB_PASSWORD}.",
        ),
    ] = False,
    metrics_port: MetricsPort = None,
    web_user: Annotated[str, typer.Option(envvar=WEB_USER, help="Who may log in.")] = "soak",
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Soak by hand: Start and Stop in Locust's web UI begin and end the load; Stop makes the report."""
    password = os.environ.get(WEB_PASSWORD, "")
    if web_login and not (password and web_user):
        raise UsageError(f"--web-login: set {WEB_PASSWORD} in the environment to the password to ask for.")
    web = Web(web_port, web_user, password) if web_login else Web(web_port)
    checked = load_profile(profile, settings or (), arms)
    findings.finish(_soak(checked, runs, led_by_ui, metrics_port, web), findings.report)


@app.command()
def worker(
    master: Annotated[str, typer.Argument(metavar="HOST:PORT", help="As the run printed it.")],
) -> None:
    """Send a share of a run's load from this machine, until the run ends; needs no file of the run.

    The profile of the run asks for it by traffic.remote_workers.
    """
    os.execv(sys.executable, [sys.executable, "-P", "-m", "locustfiles.remote_worker", master])  # noqa: S606 - a command of our own


@app.command()
def ablate(
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As for run.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Measure what each fault of the leaky gateway keeps per request: each alone, all together, none."""
    findings.finish(_soak(load_profile("ablation", settings or ()), runs, timed), findings.ablation)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run directory, for example runs/latest.")],
) -> None:
    """Make the report of a recording again, also of one whose run was cut short."""
    raise typer.Exit(findings.show(findings.report(run)))


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="A run directory, for example runs/latest.")],
) -> None:
    """Check that every file of a recording is as its run left it, by the SHA256SUMS written at its end.

    Exit codes: 0 all are, 2 no run directory or damaged hashes, 4 a file was changed, is missing or was added, or the
    run was cut short before the hashes were written.
    """
    raise typer.Exit(findings.show(verify_run(run)))


@app.command("list")
def list_(
    runs: Annotated[Path, typer.Option(help="The directory with the run directories.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the runs of a directory with what became of them, the newest first; broken ones with the reason."""
    listed = list_runs(runs)
    if as_json:
        print(listing_json(listed))
    else:
        width = None if sys.stdout.isatty() else 120
        Console(file=sys.stdout, width=width).print(listing_table(listed, runs))


@app.command()
def judge(
    path: Annotated[
        Path, typer.Argument(help="A run directory, or a file of memory over time that another tool wrote.")
    ],
    follow: Annotated[
        bool, typer.Option("--follow", help="Judge a run that goes on, again and again, into its live.json.")
    ] = False,
    time_column: Annotated[
        str, typer.Option(metavar="NAME", help="Of a CSV: seconds, or moments in ISO 8601.")
    ] = "",
    rss_column: Annotated[str, typer.Option(metavar="NAME", help="Of a CSV: memory, in bytes.")] = "",
    life_column: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of a CSV: what changes with a restart, e.g. the pid; else it is one process.",
        ),
    ] = "",
    time_unit: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Of that column: ms, s, min, h or d; seconds without.")
    ] = None,
    rss_unit: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Of that column: B, kB, KiB, MB, ...; bytes without.")
    ] = None,
    max_leak: Annotated[
        str, typer.Option(metavar="LEAK", help="Of a file: the leak that would matter, e.g. 1 MiB/h.")
    ] = DEFAULT_MAX_LEAK,
    limit: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Of a file: the memory limit, e.g. 2 GiB, for the time to OOM."),
    ] = "",
) -> None:
    """Print verdict and gates of a recording, without figures and without writing a report.

    A file may be psrecord's (--log) or mprof's, or a CSV whose columns are named. Exit codes: 0 signed off or no leak,
    2 usage, 3 a gate failed or a leak, 4 inconclusive or refused.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or run directory.")
    if path.is_dir():
        if follow:
            findings.follow(path)
            return
        raise typer.Exit(findings.show(findings.judge_run(path)))
    if follow:
        raise UsageError(f"{path}: only a run directory can be followed.")
    margin = _value("--max-leak", max_leak, parse_leak_rate)
    if margin.per_s is None:
        raise UsageError(
            "--max-leak: requests are not known in a file; give it per time, for example 1 MiB/h."
        )
    if bool(time_column) != bool(rss_column):
        raise UsageError("Name both columns: --time-column and --rss-column.")
    if not time_column and (time_unit, rss_unit, life_column) != (None, None, ""):
        raise UsageError(
            "--time-unit, --rss-unit, --life-column: the formats of psrecord and mprof are known; of a CSV name the "
            "columns, too."
        )
    units = (
        None if time_unit is None else _value("--time-unit", f"1 {time_unit}", parse_duration),
        None if rss_unit is None else _value("--rss-unit", f"1 {rss_unit}", parse_size),
    )
    limit_bytes = _limit(limit)
    raise typer.Exit(
        findings.show(
            findings.judge_file(
                path, (time_column, rss_column, life_column), units, margin.per_s, limit_bytes
            )
        )
    )


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run of the last release.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run of today's candidate.")],
) -> None:
    """Judge two recordings that were made apart; "x before" in the gates of RUN_B is the candidate of RUN_A.

    Refused where host, Python, load, limits or file format differ, with the differences named. Exit codes: as for
    judge.
    """
    raise typer.Exit(findings.show(findings.compare(first, second)))


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("soak.toml"),
) -> None:
    """Write a commented profile for a service of your own."""
    write_profile(path)
    print(NEXT.format(path=path))


@app.command()
def attach(
    pids: Annotated[
        list[int], typer.Option("--pid", min=1, help="A process to sample, with those below it; repeatable.")
    ],
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long, e.g. 10m; without it until Ctrl-C.")
    ] = "",
    every: Annotated[str, typer.Option(metavar="TIME", help="Between samples.")] = "1s",
    max_leak: Annotated[
        str, typer.Option(metavar="LEAK", help="The leak that would matter, e.g. 1 MiB/h.")
    ] = DEFAULT_MAX_LEAK,
    limit: Annotated[
        str,
        typer.Option(metavar="SIZE", help="The memory limit it runs under, e.g. 2 GiB, for the time to OOM."),
    ] = "",
    metrics_port: MetricsPort = None,
    runs: Annotated[Path, typer.Option(help="As for run.")] = Path("runs"),
) -> None:
    """Sample and judge processes that are running already, under the load they have. They are only read."""
    margin = _value("--max-leak", max_leak, parse_leak_rate)
    if margin.per_s is None:
        raise UsageError("--max-leak: requests are not known here; give it per time, for example 1 MiB/h.")
    every_s = _value("--every", every, parse_duration)
    if not 0.1 <= every_s <= 60:
        raise UsageError(f"--every {every}: give a time from 0.1s to 60s.")
    watch = Watch(
        find_processes(pids),
        every_s=every_s,
        for_s=_value("--for", duration, parse_duration) if duration else None,
        max_leak=margin,
        limit_bytes=_limit(limit),
    )
    with _progress(metrics_port) as progress, noted_signals() as interrupted:
        outcome = attach_to(watch, runs.resolve(), progress, interrupted)
    findings.finish(outcome, findings.report)


def _limit(text: str) -> int | None:
    if not text:
        return None
    limit_bytes = round(_value("--limit", text, parse_size))
    if limit_bytes <= 0:
        raise UsageError(f"--limit {text}: give a size above 0.")
    return limit_bytes


def _value(option: str, text: str, parse: Callable[[str], Value]) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.") from None


@app.command()
def heap(
    pid: Annotated[int | None, typer.Argument(help="A running Python process.", min=1)] = None,
    watch: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.5, max=86_400, help="Again and again, with rates."),
    ] = None,
    times: Annotated[int | None, typer.Option(min=1, help="With --watch, end after so many.")] = None,
    growing: Annotated[
        bool, typer.Option("--growing", help="Show the containers that keep growing.")
    ] = False,
    diff: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A B", help="Compare two saved censuses.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Save the census, the latest with --watch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line per census.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print type, objects and bytes as CSV.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Lines of a table.")] = 30,
) -> None:
    """Count the objects of a live Python process by type, from outside: nothing is stopped or injected."""
    from soak.cli.heap import Request, run_heap  # noqa: PLC0415 - numpy has no place beside a run

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.")
    form = "json" if as_json else "csv" if as_csv else "table"
    request = Request(pid, watch, times, growing, diff, save, form, top)
    run_heap(request, Console(file=sys.stdout), lambda text: print(text, end="", flush=True))


def _soak(
    profile: Profile,
    runs: Path,
    script: Callable[[Run], None],
    metrics_port: int | None = None,
    web: Web | None = None,
) -> Outcome:
    enter_scope()  # may start this command again, which needs the password too
    os.environ.pop(WEB_PASSWORD, None)  # the targets would inherit it
    with _progress(metrics_port) as progress:
        return run_profile(profile, runs.resolve(), progress, script, web=web)


def _progress(metrics_port: int | None) -> Progress:
    console = Console(file=sys.stdout)
    if metrics_port is None:
        return Progress(console)
    from soak.status.prometheus import serve_metrics  # noqa: PLC0415 - most runs serve none

    return Progress(console, serve_metrics(metrics_port).show)


def main() -> None:
    """Run the command line; the only place where an error of ours becomes an exit code."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except SoakError as error:
        print(f"soak: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to print would fail again
        if error.errno == errno.ENOSPC:
            print("soak: the disk is full where this was to be printed; free some of it.", file=sys.stderr)
        sys.exit(EXIT_HARNESS_FAILED)


if __name__ == "__main__":
    main()

"""The command line."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console

from soak.config import Profile, load_profile, profile_names
from soak.errors import EXIT_INCONCLUSIVE, EXIT_OK, SoakError
from soak.launch import Outcome, run_profile
from soak.limit.choose import enter_scope
from soak.phases import led_by_ui, timed
from soak.plan import make_plan
from soak.progress import Progress
from soak.run import Run


class Finding(Protocol):
    """What the analysis returns: text to print, and why the recording is inconclusive."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102


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
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Soak the arms of a profile under one load and end with the report.

    Exit codes: 0 done, 1 the harness failed, 2 usage or configuration, 4 inconclusive (the reasons are printed).
    Ctrl-C ends the run early and still makes the report.
    """
    checked = load_profile(profile, settings or (), arms)
    if dry_run:
        print(make_plan(checked, runs / "RUN", Path("PROBE")).describe())
        return
    _finish(_soak(checked, runs, timed), _report)


@app.command()
def ui(
    profile: Annotated[str, typer.Argument(help="As for run.")] = "demo",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As for run.")
    ] = None,
    arms: Annotated[str, typer.Option(metavar="NAME,NAME", help="As for run.")] = "",
    web_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web UI, on 127.0.0.1.")] = 8089,
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Soak by hand: Start and Stop in Locust's web UI begin and end the load; Stop makes the report."""
    _finish(_soak(load_profile(profile, settings or (), arms), runs, led_by_ui, web_port), _report)


@app.command()
def ablate(
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As for run.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Measure what each fault of the leaky gateway keeps per request: each alone, all together, none."""
    _finish(_soak(load_profile("ablation", settings or ()), runs, timed), _ablation)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run directory, for example runs/latest.")],
) -> None:
    """Make the report of a recording again, also of one whose run was cut short."""
    raise typer.Exit(_print(_report(run)))


def _soak(
    profile: Profile, runs: Path, script: Callable[[Run], None], web_port: int | None = None
) -> Outcome:
    enter_scope()
    with Progress(Console(file=sys.stdout)) as progress:
        return run_profile(profile, runs.resolve(), progress, script, web_port=web_port)


def _finish(outcome: Outcome, make: Callable[[Path], Finding]) -> None:
    """Report what was recorded, and only then say what ended the run early."""
    try:
        code = _print(make(outcome.directory))
    except SoakError:
        if outcome.error is None:
            raise
        raise outcome.error from None  # a report that cannot be made is the lesser news
    if outcome.error is not None:
        raise outcome.error
    raise typer.Exit(code)


def _report(directory: Path) -> Finding:
    from analysis.report import make_report  # noqa: PLC0415 - pandas and matplotlib have no place beside a run

    return make_report(directory)


def _ablation(directory: Path) -> Finding:
    from analysis.ablation import make_ablation  # noqa: PLC0415 - as in _report

    _report(directory)
    return make_ablation(directory)


def _print(finding: Finding) -> int:
    """Print it and return the exit code it stands for."""
    with contextlib.suppress(OSError):  # the terminal is gone; the report stands in its files
        print(finding.text, flush=True)
    return EXIT_INCONCLUSIVE if finding.reasons else EXIT_OK


def main() -> None:
    """Run the command line; the only place where an error of ours becomes an exit code."""
    try:
        app()
    except SoakError as error:
        print(f"soak: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

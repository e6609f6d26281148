"""The commands: each is a function of one of these modules."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from soak.cli.attach import attach
from soak.cli.of_analysis import OF_ANALYSIS, become
from soak.cli.options import MOST_PID, RunDirectory, Runs
from soak.cli.replay import replay
from soak.cli.run import ablate, run, ui, worker
from soak.cli.runs import list_runs, listing_json, listing_table
from soak.cli.verify import verify as verify_run
from soak.config.load import load_profile
from soak.config.template import TRIAL, trial_command, write_profile
from soak.errors import UsageError
from soak.plan.shortest_load import shortest_load

app = typer.Typer(
    help="Soak-test a long-running Python service: verdict on memory leaks, leak suspects, sign-off.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for function in (run, ui, worker, ablate, attach, replay):
    app.command()(function)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"soakproof {version('soakproof')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            callback=_print_version,
            is_eager=True,
            help="Print the version of soakproof.",
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def _become(context: typer.Context) -> None:
    become(context.info_name or "", context.args)


for name, text in OF_ANALYSIS.items():
    # The analysis parses the words of its commands itself, --help among them.
    words_as_they_are = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(name, help=text, context_settings=words_as_they_are, add_help_option=False)(_become)


@app.command()
def verify(directory: RunDirectory) -> None:
    """Check the files of a run against the SHA256SUMS written at its end.

    Exit codes: 0 unchanged, 2 no run or damaged hashes, 4 a file differs, or there are no hashes.
    """
    found = verify_run(directory)
    print(found.text)
    raise typer.Exit(found.exit_code)


@app.command("list")
def list_(
    runs: Runs = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print JSON.")] = False,
) -> None:
    """List runs, newest first, with status, sign-off and verdicts."""
    listed = list_runs(runs)
    if as_json:
        print(listing_json(listed))
    else:
        width = None if sys.stdout.isatty() else 120
        Console(file=sys.stdout, width=width).print(listing_table(listed, runs))


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("soak.toml"),
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--image", metavar="NAME", help="Image of today, then the candidate; may be given twice."
        ),
    ] = None,
) -> None:
    """Write a commented profile for a service of your own."""
    write_profile(path, images or ())
    what = "your memory limit and load" if images else "your two commands, their directories and your load"
    run_it = f"    soak run {shlex.quote(str(path))}"
    whole, trial = (shortest_load(load_profile(str(path), settings)) for settings in ((), TRIAL))
    print(
        f"Wrote {path}. Enter {what}, then:\n\n"
        f"{run_it} --dry-run    # print the plan, start nothing\n"
        f"{trial_command(path)}\n"
        f"{run_it}\n\n"
        f"The second is a trial: {trial}.\n"
        f"The third is the soak: {whole}."
    )


@app.command()
def heap(
    pid: Annotated[
        int | None,
        typer.Argument(help="PID of a running Python process; not with --diff.", min=1, max=MOST_PID),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.5, max=86_400, help="Repeat every SECONDS and show rates."),
    ] = None,
    times: Annotated[
        int | None, typer.Option(min=1, help="Number of repetitions (with --watch or --growing).")
    ] = None,
    growing: Annotated[
        bool, typer.Option("--growing", metavar="", help="Show the containers that keep growing.")
    ] = False,
    diff: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A B", help="Compare two saved censuses.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="File to save the census to (with --watch: the latest one).")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print JSON, one line per census.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", metavar="", help="Print type, objects and bytes as CSV.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 30,
) -> None:
    """Count the objects of a live Python process by type, from outside. Read-only: the process is not stopped."""
    from soak.cli.heap import Request, run_heap  # noqa: PLC0415 - numpy has no place beside a run

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.")
    form = "json" if as_json else "csv" if as_csv else "table"
    request = Request(pid, watch, times, growing, diff, save, form, top)
    run_heap(request, Console(file=sys.stdout), lambda text: print(text, end="", flush=True))

from __future__ import annotations

import io
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from soak.errors import (
    EXIT_HARNESS_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    UsageError,
    exit_on_error,
)


def test_ctrl_c_before_a_command_runs_is_no_traceback() -> None:
    """The commands of the analysis import for a second or two before typer is there to catch it."""

    def interrupted() -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        exit_on_error(interrupted)
    assert ended.value.code == EXIT_INTERRUPTED


@pytest.mark.parametrize("package", ["soak.cli", "analysis"])
@pytest.mark.parametrize(("error", "shown"), [("KeyboardInterrupt", False), ("ValueError", True)])
def test_ctrl_c_while_the_commands_are_imported_is_no_traceback(
    package: str, error: str, shown: bool
) -> None:
    """The shell still sees it; any other error keeps its traceback."""
    ended = subprocess.run(
        [sys.executable, "-c", f"import {package}; raise {error}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert ("Traceback" in ended.stderr) is shown
    assert bool(ended.stderr) is shown


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_changes_nothing_else(tmp_path: Path, closed: str) -> None:
    """A command that prints, and one that fails, end with their exit codes; no file gets the number of a stream."""
    soak = f"{shlex.quote(sys.executable)} -m soak"
    made = f"{soak} init new.toml {closed} && {soak} list --runs . {closed}; echo $?; {soak} list --runs none {closed}"
    shell = subprocess.run(
        ["sh", "-c", f"{made}; echo $?"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert [line for line in shell.stdout.splitlines() if line.isdigit()] == ["0", "2"]
    assert "unexpected" not in shell.stderr
    assert "Traceback" not in shell.stderr
    assert "Wrote new.toml" not in (tmp_path / "new.toml").read_text()


def test_an_unexpected_error_is_one_line_that_names_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traceback is for a maintainer: it is in the file, and not on the terminal."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        exit_on_error(lambda: int("\x1b[2J\n"))
    [file] = tmp_path.iterdir()
    line = capsys.readouterr().err
    assert ended.value.code == EXIT_HARNESS_FAILED
    assert line.startswith("soak: unexpected ValueError: ")
    assert line.endswith(f", {file}.\n")
    assert line[:-1].isprintable()
    assert "Traceback (most recent call last)" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_an_unexpected_error_is_one_line_where_no_file_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line then names the place in the code."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(SystemExit):
        exit_on_error(lambda: int("x"))
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert f"{Path(__file__).name}:" in line


def test_a_message_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal escapes, line ends, bidirectional marks and lone surrogates: nothing acts, and the line is one."""

    def refuse() -> NoReturn:
        raise UsageError("--set a\x1b]0;x\x07\r\n\u202e\udcff=é: " + "y" * 100_000)

    with pytest.raises(SystemExit) as ended:
        exit_on_error(refuse)
    line = capsys.readouterr().err
    assert ended.value.code == UsageError.exit_code
    assert line.startswith("soak: --set a\\x1b]0;x\\x07\\r\\n\\u202e\\udcff=é: yyy")
    assert (line.count("\n"), len(line) < 5000) == (1, True)


@pytest.mark.parametrize(
    "words",
    [["judge", "a" * 5000], ["list", "--runs", "a" * 5000], ["heap", str(10**23)], ["worker", "x:99999"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_an_argument_that_names_nothing_possible_is_usage(words: list[str]) -> None:
    """A path longer than the system takes, a number beyond every PID and port: exit 2, and no traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "soak", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == EXIT_USAGE
    assert "unexpected" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_lines_of_a_log_stay_lines_below_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    """What a target printed last is quoted as it is, but for what a terminal would obey."""

    def refuse() -> NoReturn:
        raise UsageError("app ended. The last lines of app.log:", "Traceback\n  \x1b[31mError")

    with pytest.raises(SystemExit):
        exit_on_error(refuse)
    shown = "soak: app ended. The last lines of app.log:\nTraceback\n  \\x1b[31mError\n"
    assert capsys.readouterr().err == shown
    assert str(UsageError("a", "b")) == "a\nb"


def test_a_terminal_that_lacks_a_character_shows_its_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have characters beyond ASCII and Latin-1."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    exit_on_error(lambda: print("<= 5 \u2264 \u00fc"))
    assert stream.buffer.getvalue() == b"<= 5 \\u2264 \\xfc\n"

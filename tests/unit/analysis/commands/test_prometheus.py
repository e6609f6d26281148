"""``soak judge --prometheus`` against a scripted server: verdicts, exit codes, errors, and the report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jsonschema_rs
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from analysis.commands.judge import command
from analysis.judge.types import Numbers
from soak.errors import HarnessError, UsageError
from tests.support.paths import ROOT
from tests.support.scripted_prometheus import Answering, Asked, Reply, matrix, refusal, scripted

HOUR_S = 3600.0
MIB = float(1 << 20)
DAYS = 3
Memory = Callable[[Numbers], Numbers]
"""MiB by hours since the beginning."""


def flat(hours: Numbers) -> Numbers:
    return 100 + 0 * hours


def leaking(hours: Numbers) -> Numbers:
    return 100 + 5 * hours


def prometheus(
    pods: Mapping[str, Memory], *, known: bool = True, noise_mib: float = 0.2, unit: float = 4096
) -> Answering:
    """Return a server whose pods were scraped every five minutes of DAYS, memory in multiples of ``unit``."""
    end_s = float(int(time.time()))
    t_s = end_s - DAYS * 24 * HOUR_S + np.arange(0.0, DAYS * 24 * HOUR_S, 300.0)
    hours = (t_s - t_s[0]) / HOUR_S
    noise = np.random.default_rng(1)

    def samples(pod: str, metric: str) -> Numbers:
        if metric == "http_requests_total":
            return np.asarray(np.arange(len(t_s)) * 600.0, dtype=np.float64)
        if metric.endswith("_start_time_seconds"):
            return np.full(len(t_s), t_s[0] - 1)
        mib = pods[pod](hours) + noise.normal(0, noise_mib, len(t_s))
        return np.asarray(np.round(mib * MIB / unit) * unit)

    def answering(asked: Asked) -> Reply:
        metric = asked.form["query"].partition("{")[0].partition("[")[0]
        if metric.endswith("_start_time_seconds") and not known:
            return matrix()
        ends_s = float(asked.form["time"])
        begins_s = ends_s - float(asked.form["query"].rpartition("[")[2].rstrip("s]"))
        during = (t_s >= begins_s) & (t_s <= ends_s)
        return matrix(
            *(
                (
                    {"pod": pod, "job": "shop"},
                    list(zip(t_s[during], samples(pod, metric)[during], strict=True)),
                )
                for pod in pods
                if during.any()
            )
        )

    return answering


def soak(*words: str) -> Result:

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, list(words))


def judged(answering: Answering, *words: str) -> Result:
    with scripted(answering) as server:
        return soak(
            "--prometheus", server.url, "--query", 'process_resident_memory_bytes{job="shop"}', *words
        )


@pytest.mark.parametrize(
    ("pods", "code"),
    [
        ({"a": flat}, 0),
        ({"a": leaking}, 3),
        ({"a": flat, "b": leaking}, 3),
        ({"a": flat, "b": flat}, 0),
    ],
)
def test_each_pod_is_judged_and_one_leak_is_enough(pods: Mapping[str, Memory], code: int) -> None:
    """Leaks come first."""
    result = judged(prometheus(pods), "--since", "3d")
    assert result.exit_code == code, result.output
    lines = [line.partition(":")[0] for line in result.output.splitlines() if line]
    assert lines == sorted(pods, key=lambda pod: pods[pod] is not leaking)


def test_one_that_is_open_is_exit_code_4() -> None:
    """Half a day of unknown requests; the line has what would decide, and what the data alone would."""
    result = judged(prometheus({"a": leaking}), "--since", "12h")
    assert result.exit_code == 4
    text = result.output.replace("\n", " ")
    assert "a life of two days would decide" in text
    assert "on the data alone: LEAK" in text


def test_steady_requests_decide_in_half_a_day() -> None:
    result = judged(prometheus({"a": leaking}), "--since", "12h", "--requests-query", "http_requests_total")
    assert result.exit_code == 3, result.output


def test_without_start_times_a_leak_is_called_and_nothing_is_cleared() -> None:
    assert judged(prometheus({"a": leaking}, known=False), "--since", "3d").exit_code == 3
    result = judged(prometheus({"a": flat}, known=False), "--since", "3d")
    assert result.exit_code == 4
    assert "--start-query" in result.output


def test_a_query_in_mib_clears_nothing() -> None:
    """100 MiB an hour in MiB is 100 bytes an hour; the line names the option."""
    in_mib = {"a": lambda hours: (100 + 100 * hours) / MIB, "b": lambda hours: 100 / MIB + 0 * hours}
    result = judged(prometheus(in_mib, noise_mib=0.2 / MIB, unit=1e-3), "--since", "3d")
    assert result.exit_code == 4, result.output
    text = " ".join(result.output.split())
    assert "NO LEAK:" not in text
    assert text.count("too few for a process: give --query in bytes") == 2


def test_the_time_to_oom_is_that_of_the_limit() -> None:
    result = judged(prometheus({"a": leaking}), "--since", "3d", "--limit", "1 GiB", "--max-leak", "2 MiB/h")
    assert "time to OOM:" in result.output


def test_the_report_has_the_files_of_a_run_and_no_secret(tmp_path: Path) -> None:
    """Page, summary by its schema, figures; the query and the address are in it, the token is not."""
    token, directory = tmp_path / "token", tmp_path / "report"
    token.write_text("s3cret")
    result = judged(
        prometheus({"a": flat, "b": leaking}), "--since", "3d", "--requests-query", "http_requests_total",
        "--bearer-file", str(token), "--report", str(directory),
    )  # fmt: skip
    assert result.exit_code == 3, result.output
    names = {path.name for path in directory.iterdir()}
    assert {
        "report.html",
        "report.md",
        "summary.json",
        "junit.xml",
        "memory.png",
        "memory.svg",
        "requests.png",
    } <= names
    page = (directory / "report.html").read_text()
    assert "Memory that Prometheus recorded" in page
    assert "process_resident_memory_bytes{job=&#34;shop&#34;}" in page
    for absent in ("s3cret", str(token), "Objects", "Latency", "SHA-256"):
        assert all(absent not in path.read_text(errors="ignore") for path in directory.glob("*.[hjm]*")), (
            absent
        )
    summary = json.loads((directory / "summary.json").read_text())
    schema = json.loads((ROOT / "docs" / "summary.schema.json").read_text())
    jsonschema_rs.validate(schema, summary)
    assert [one["verdict"] for one in summary["verdicts"]] == ["leak", "no_leak"]
    assert summary["signoff"]["exit_code"] == 3


def test_memory_with_file_pages_is_judged_with_a_line_that_says_so(tmp_path: Path) -> None:
    """On the terminal and on the page; of many services the figures have the most telling."""
    with scripted(prometheus({f"p{n}": flat for n in range(7)})) as server:
        result = soak(
            "--prometheus", server.url, "--query", "container_memory_working_set_bytes", "--since", "3d",
            "--report", str(tmp_path / "report"),
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "The query counts file pages" in result.output
    assert "95% upper bound; memory with file pages" in result.output.replace("\n", " ")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "The query counts file pages" in page
    assert "The figures have 6 of 7" in page


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nope/deeper", "nope is no directory; make it first."),
        ("file", "it is no directory; name one, or one that is to be made."),
        ("file/deeper", "file is no directory; make it first."),
        ("link", "it is a link, and nothing is written through one; name a directory."),
    ],
)
def test_a_report_that_has_no_place_is_refused_before_anything_is_fetched(
    tmp_path: Path, place: str, message: str
) -> None:
    """It was found out when everything was fetched and judged, and the verdicts were lost."""
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "link").symlink_to(tmp_path)
    with scripted(prometheus({"a": flat})) as server:
        words = ("--prometheus", server.url, "--query", "m", "--report", str(tmp_path / place))
        result = soak(*words)
        assert not server.asked
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(f"--report {tmp_path / place}: ")
    assert str(result.exception).endswith(message)


def test_a_query_of_what_memory_changes_by_is_refused() -> None:
    """It is level while memory leaks, and would be NO LEAK; nothing is asked."""
    with scripted(prometheus({"a": leaking})) as server:
        result = soak("--prometheus", server.url, "--query", "delta(process_resident_memory_bytes[1h])")
        assert not server.asked
    assert isinstance(result.exception, UsageError)
    assert "--query yields what memory changes by" in str(result.exception)


def test_the_verdicts_do_not_wait_for_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    """They are printed first; the message names this command, and no recording, as there is none."""
    (tmp_path / "report" / "report.html").mkdir(parents=True)
    result = judged(prometheus({"a": leaking}), "--since", "3d", "--report", str(tmp_path / "report"))
    assert result.output.startswith("a: LEAK: ")
    assert isinstance(result.exception, HarnessError)
    assert "fix this and run soak judge again." in str(result.exception)
    assert "recording" not in str(result.exception)


def test_the_place_of_the_report_is_printed_below_the_verdicts(tmp_path: Path) -> None:
    result = judged(prometheus({"a": flat}), "--since", "3d", "--report", str(tmp_path / "report"))
    assert result.exit_code == 0
    lines = [line for line in result.output.splitlines() if line]
    assert lines[0].startswith("a: NO LEAK: ")
    assert lines[-1] == f"Report: {tmp_path / 'report' / 'report.html'}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--prometheus", "http://127.0.0.1:1"), "--prometheus needs --query"),
        (("--prometheus", "http://127.0.0.1:1", "--query", "m", "--since", "9min"), "--since 9min"),
        (("--prometheus", "http://127.0.0.1:1", "--query", "m", "--since", "x"), "--since"),
        (("--prometheus", "http://127.0.0.1:1", "--query", "m", "--max-leak", "1 B/request"), "--max-leak"),
        (
            ("--prometheus", "http://127.0.0.1:1", "--query", "m", "--limit", "9000000 TiB"),
            "--limit 9000000 TiB: no machine has so much",
        ),
        (("--prometheus", "http://127.0.0.1:1", "--query", "m", "runs/latest"), "leave out PATH"),
        (("--query", "m", "--report", "x"), "--query, --report: only with --prometheus URL"),
        (("--since", "1d", "x.log"), "--since: only with --prometheus URL"),
        (("--prometheus", "http://127.0.0.1:1", "--time-unit", "s"), "leave out the options of a CSV"),
        ((), "Name a run directory"),
    ],
)
def test_options_that_do_not_fit_are_named(words: tuple[str, ...], message: str) -> None:
    result = soak(*words)
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (matrix(), "--query: no series in the last 3 days"),
        (refusal(400, "parse error"), "--query: Prometheus refused the query: parse error."),
        (Reply(b"", 401), "give --bearer-file or --basic-file"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(reply: Reply, message: str) -> None:
    result = judged(lambda _: reply, "--since", "3d")
    assert message in str(result.exception)

"""``soak judge --prometheus`` on a real Prometheus, whose data of days promtool makes at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from analysis.__main__ import main
from tests.prometheus.openmetrics import lines
from tests.prometheus.simulator import Kind, simulate
from tests.support.paths import ROOT
from tests.support.prometheus_server import block_of, serving

pytestmark = pytest.mark.integration

TLS = ROOT / "tests" / "support" / "tls"
DAY = Kind("day", 24.0, daily=False)
WEEK = Kind("week", 168.0, replicas=3, rollouts=1)
SERVICES: Final = {
    "leak": replace(DAY, leak=5.0),
    "healthy": DAY,
    "week": WEEK,
}
SCRAPE_S = 120.0
HASH_OF_HUNTER2 = "$2b$04$tddmvkW0xnR/qiJCoqSXEeK0HDUsWI1YbJgAceUBtzsySDcb8OCYG"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with all services."""
    end_s = time.time()

    def planted() -> Iterator[str]:
        for name, kind in SERVICES.items():
            yield from lines(name, simulate(kind, 1, end_s, SCRAPE_S))

    return block_of(planted(), tmp_path_factory.mktemp("prometheus"))


@pytest.fixture(scope="module")
def url(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(data, tmp_path_factory.mktemp("server")) as found:
        yield found


@dataclass(frozen=True)
class Judged:
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


Judge = Callable[..., Judged]


def memory_of(service: str) -> tuple[str, str]:
    return "--query", f'process_resident_memory_bytes{{service="{service}"}}'


@pytest.fixture
def judge(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Judge:
    """A function that judges by the server what the words ask for.

    It is the command that ``soak judge`` becomes, in this process: a process each time would spend most of its time on
    imports. The test of a server with TLS starts ``soak judge`` itself.
    """

    def judge(*words: str) -> Judged:
        monkeypatch.setattr(sys, "argv", ["soak", "judge", "--prometheus", url, *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Judged(ended.value.code, *capsys.readouterr())

    return judge


def requests(service: str) -> tuple[str, str]:
    return "--requests-query", f'http_requests_total{{service="{service}"}}'


@pytest.mark.parametrize(
    ("service", "code", "text"), [("leak", 3, "LEAK: 5"), ("healthy", 0, "NO LEAK: leak <")]
)
def test_a_day_with_its_requests_is_decided(judge: Judge, service: str, code: int, text: str) -> None:
    found = judge(*memory_of(service), "--since", "24h", *requests(service))
    assert (found.code, text in found.stdout) == (code, True), found.stdout + found.stderr


def test_the_requests_may_be_a_rate(judge: Judge) -> None:
    """A sum by pod of an expression matches the memory of the same pod."""
    rate = 'sum by (pod) (rate(http_requests_total{service="leak"}[10m]))'
    found = judge(*memory_of("leak"), "--since", "24h", "--requests-query", rate)
    assert found.code == 3, found.stdout + found.stderr


def test_memory_may_be_an_expression_with_start_times_of_its_own(judge: Judge) -> None:
    found = judge(
        "--since", "24h",
        "--query", 'max by (pod) (process_resident_memory_bytes{service="leak"})',
        "--start-query", 'process_start_time_seconds{service="leak"}', *requests("leak"),
    )  # fmt: skip
    assert found.code == 3, found.stdout + found.stderr


def test_a_day_without_requests_is_open_and_says_what_would_decide(judge: Judge) -> None:
    found = judge(*memory_of("leak"), "--since", "24h")
    assert found.code == 4
    assert "a life of two days would decide" in found.stdout.replace("\n", " ")


def test_a_week_of_three_pods_and_their_roll_outs_has_a_report(judge: Judge, tmp_path: Path) -> None:
    """Six series are three services; the summary has the verdict on each."""
    found = judge(*memory_of("week"), *requests("week"), "--report", str(tmp_path / "report"))
    assert found.code in {0, 4}, found.stdout + found.stderr
    assert found.stdout.count("1 roll-out") == 3
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert len(summary["verdicts"]) == 3
    assert [len(arm["lives"]) for arm in summary["arms"]] == [2, 2, 2]


@pytest.mark.parametrize(
    ("service", "words", "message"),
    [
        ("nobody", (), "--query: no series in the last 7 days"),
        ('leak"', (), "parse error"),
        (
            "leak",
            ("--requests-query", "sum(http_requests_total"),
            "--requests-query: Prometheus refused the query",
        ),
    ],
)
def test_what_prometheus_cannot_answer_is_exit_code_2(
    judge: Judge, service: str, words: tuple[str, ...], message: str
) -> None:
    found = judge(*memory_of(service), *words)
    assert found.code == 2
    assert message in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_server_with_tls_and_a_password(data: Path, tmp_path: Path) -> None:
    """Each of the two is asked for by the option that is missing; with both it answers."""
    web, secret = tmp_path / "web.yml", tmp_path / "secret"
    web.write_text(
        f"tls_server_config: {{cert_file: {TLS / 'server.pem'}, key_file: {TLS / 'server.key'}}}\n"
        f"basic_auth_users: {{soak: '{HASH_OF_HUNTER2}'}}\n"
    )
    secret.write_text("soak:hunter2\n")
    certificate = ("--ca-file", str(TLS / "server.pem"))
    with serving(data, tmp_path, f"--web.config.file={web}") as url:
        secure = url.replace("http:", "https:")
        unknown, nobody, somebody = (
            subprocess.run(
                [sys.executable, "-P", "-m", "soak", "judge", "--prometheus", secure, "--since", "24h",
                 *memory_of("leak"), *requests("leak"), *words],
                capture_output=True, text=True, check=False, cwd="/",
            )
            for words in ((), certificate, (*certificate, "--basic-file", str(secret)))
        )  # fmt: skip
    assert (unknown.returncode, "--ca-file" in unknown.stderr) == (2, True), unknown.stderr
    assert (nobody.returncode, "refused with 401; give --bearer-file" in nobody.stderr) == (2, True), (
        nobody.stderr
    )
    assert somebody.returncode == 3, somebody.stderr

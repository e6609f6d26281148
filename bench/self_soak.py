"""Whether soakproof leaks itself: ``python -m bench.self_soak``, or ``make soak-self``.

A run under Locust's web UI is watched by a browser and soaked by ``soak attach``: rows ten times as often as usual,
censuses, quiesce points and looks of the judge close together, and as many names of requests as a profile may have.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import psutil
import typer
from playwright.sync_api import Browser, CDPSession, sync_playwright
from rich.table import Table

from bench.harness.ending import measuring
from bench.harness.load_client import HOST
from bench.harness.progress import Progress
from bench.harness.servers import free_port
from bench.harness.subprocesses import ROOT
from bench.harness.table import new_console
from soak.errors import EXIT_GATE_FAILED, HarnessError
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient
from soak.supervisor.late_probe import probe_of

NAMES: Final = 100
RATE_RPS: Final = 150
WARMUP_S: Final = 3_300
"""Time until the soak begins, seconds: then the live judge has as many rows as it keeps, 512 groups of quiesce points
and 1,024 of rows (``growing``), Locust as many rows of its statistics as we let it keep, half an hour, and its
dictionaries of response times, one for each name, have the size in which they stay."""
MARGIN_KIB_H: Final = 64.0
"""Growth of one process, KiB per hour, that would matter."""
COLLECT_EVERY_S: Final = 5.0
"""Time between two full collections in each process with a probe, seconds: left alone, some have none in an hour, and
what waits for one looks like growth."""
SAMPLE_EVERY: Final = "0.3s"
"""Time between two readings of a process: a census is each second and takes memory for a tenth of one, which readings
in step with it would see in some minutes and not in others."""
START_S: Final = 60.0
"""Time for the run to start and for its report, seconds."""
UNCHANGED: Final = "unchanged"
"""Finding of a process whose memory is the same at the end; of one without a probe, no shorter soak shows more."""
FINE: Final = ("does not grow", UNCHANGED)
PAGE_MARGIN_BYTES: Final = 5_000_000
"""Growth of the page's JavaScript heap that would matter, bytes."""

PROFILE: Final = f"""about = "soakproof itself."

[phases]
idle_s = 2
warmup_s = 5
load_s = 86_400
drain_s = 2
quiesce_s = 2

[sampling]
every_s = 0.1
smaps_every_s = 1
census_every_s = 1
quiesce_every_s = 2
quiesce_pause_s = 0.5

[stubs]

[traffic]
rate_rps = {RATE_RPS}

[judge]
max_leak = "200 B/request"

[arms.fixed]
command = ["{{python}}", "-m", "gateway", "--variant", "fixed", "--port", "{{port}}", "--upstreams", "{{upstreams}}"]
cwd = "{ROOT}"
"""

REQUEST: Final = """
[[traffic.requests]]
name = "request {number}"
method = "POST"
path = "/api/{{service}}"
query = {{ page = "{number}" }}
body = "{{payload}}"
"""


@dataclass(frozen=True, slots=True)
class Own:
    """One process of ours and what the attached sampler found."""

    name: str
    growth: str
    """As in processes.csv, or UNCHANGED."""
    rss_mib: float
    low_kib_h: float | None
    high_kib_h: float | None


def name_of(command: list[str]) -> str:
    """Return what a process of the run is, by its command line."""
    words = " ".join(command)
    for name, part in (
        ("keeper", "keeper.py"),
        ("guard", "guard.py"),
        ("Locust and web UI", "locust"),
        ("census", "soak.heap"),
        ("live judge", "analysis"),
        ("stubs", "stubs"),
        ("gateway, the arm", "gateway"),
        ("supervisor", "soak ui"),
    ):
        if part in words:
            return name
    return words[:40]


def main(
    minutes: Annotated[
        float, typer.Option(min=2, max=1440, help="Duration of the soak, minutes, after 55 of warm-up.")
    ] = 60.0,
    keep: Annotated[Path | None, typer.Option(help="Directory to keep both recordings in.")] = None,
) -> None:
    """Soak a run of soakproof under its own judge.

    Exit codes: 0 no process and no page grows, 2 not measured, 3 one grows or is undecided.
    """
    console = new_console()
    with measuring(), TemporaryDirectory(prefix="soak-self-") as temporary:
        directory = (keep or Path(temporary)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        progress = Progress(console.print, minutes * 60 + WARMUP_S + START_S)
        own, page_bytes = measure(directory, minutes * 60, progress)
    console.print(table_of(own, page_bytes, minutes))
    fine = all(one.growth in FINE for one in own) and page_bytes <= PAGE_MARGIN_BYTES
    raise typer.Exit(0 if fine else EXIT_GATE_FAILED)


def measure(directory: Path, soak_s: float, progress: Progress) -> tuple[list[Own], float]:
    """Return the processes of a run with their growth, and the bytes by which the page's heap grew.

    Raises HarnessError where the run or the sampler failed, or no browser is there.
    """
    port = free_port()
    url = f"http://{HOST}:{port}"
    with _run(directory, port) as run, _browser() as browser:
        live, page = browser.new_page(), browser.new_page()
        _wait(lambda: ",idle" in _events(directory), run, "the run to be ready")
        live.goto(f"{url}/soak")
        page.goto(f"{url}/")
        page.get_by_label("Host").fill("http://127.0.0.1:9")
        page.get_by_role("button", name="Start").click()
        _wait(lambda: "start,judge," in _events(directory), run, "the load")
        heap = live.context.new_cdp_session(live)
        names = {process.pid: name_of(process.cmdline()) for process in _tree(run.pid)}
        soaked = _Soaked(
            run, heap, [probe for pid in names if (probe := probe_of(pid)) and probe.exists], progress
        )
        soaked.watch(WARMUP_S, "warming up")
        margin = f"{MARGIN_KIB_H * len(names):g} KiB/h"
        words = (
            "--pid",
            str(run.pid),
            "--for",
            f"{soak_s:g}s",
            "--every",
            SAMPLE_EVERY,
            "--max-leak",
            margin,
        )
        sampler = subprocess.Popen(
            [sys.executable, "-m", "soak", "attach", *words, "--runs", str(directory / "attached")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        began = soaked.page_bytes()
        soaked.watch(soak_s, "soaking")
        grown = soaked.page_bytes() - began
        output, _ = sampler.communicate(timeout=START_S * 2)
        found = sorted((directory / "attached").glob("*/report/processes.csv"))
        if not found:
            raise HarnessError(f"the sampler wrote no report: {output.strip()[-300:]}")
    with found[-1].open(newline="") as file:
        return [_own(row, names) for row in csv.DictReader(file)], grown


def table_of(own: list[Own], page_bytes: float, minutes: float) -> Table:
    """Return the findings as a table, the process that grows fastest first."""
    table = Table(box=None, padding=(0, 2, 0, 0), title=f"{minutes:g} minutes, margin {MARGIN_KIB_H:g} KiB/h")
    table.add_column("process")
    for column in ("RSS, MiB", "growth, KiB/h (95%)", "finding"):
        table.add_column(column, justify="right")
    for one in own:
        is_known = one.low_kib_h is not None and one.growth != UNCHANGED
        interval = "" if not is_known else f"{one.low_kib_h:,.1f} to {one.high_kib_h:,.1f}"
        table.add_row(one.name, f"{one.rss_mib:.1f}", interval, one.growth)
    fine = "does not grow" if page_bytes <= PAGE_MARGIN_BYTES else "grows"
    table.add_row("page /soak, JavaScript", "", f"{page_bytes / 1024:+,.0f} KiB in all", fine)
    return table


def _own(row: dict[str, str], names: dict[int, str]) -> Own:
    low, high = (row[f"bytes_per_s_{end}"] for end in ("low", "high"))
    undecided = row["growth"] not in ("grows", "does not grow")
    return Own(
        names.get(int(row["pid"]), f"pid {row['pid']}"),
        UNCHANGED if undecided and row["gained_bytes"] == "0.0" else row["growth"],
        float(row["rss_bytes"]) / 2**20,
        float(low) * 3600 / 1024 if low else None,
        float(high) * 3600 / 1024 if high else None,
    )


@dataclass(frozen=True, slots=True)
class _Soaked:
    """The run while it is soaked, and the page that shows it."""

    run: subprocess.Popen[bytes]
    heap: CDPSession
    probes: list[ProbeClient]
    progress: Progress

    def watch(self, seconds: float, doing: str) -> None:
        """Wait, with a line each minute, while each process collects its garbage."""
        ends_s = time.monotonic() + seconds
        said_s = time.monotonic()
        while (left_s := ends_s - time.monotonic()) > 0:
            _pause(min(COLLECT_EVERY_S, left_s), self.run)
            for probe in self.probes:
                with suppress(ProbeError):  # it is busy; the next is soon
                    probe.ask("collect", COLLECT_EVERY_S)
            if time.monotonic() - said_s >= 60:
                said_s = time.monotonic()
                self.progress.say(f"{doing}: page {self.page_bytes() / 1e6:.1f} MB")

    def page_bytes(self) -> float:
        """Return the bytes of the page's live JavaScript objects."""
        self.heap.send("HeapProfiler.collectGarbage")
        return float(self.heap.send("Runtime.getHeapUsage")["usedSize"])


@contextmanager
def _run(directory: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start the run that is soaked; it is ended by Ctrl-C."""
    profile = directory / "self.toml"
    profile.write_text(PROFILE + "".join(REQUEST.format(number=number) for number in range(NAMES)))
    probes = directory / "probes"
    probes.mkdir(mode=0o700)
    env = {**os.environ, "PYTHONPATH": str(PROBE_PATH), PROBE_DIRECTORY_VARIABLE: str(probes)}
    with (directory / "run.log").open("wb") as log:
        argv = [sys.executable, "-m", "soak", "ui", str(profile), "--web-port", str(port)]
        process = subprocess.Popen(
            [*argv, "--runs", str(directory / "runs")], cwd=ROOT, env=env, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()  # its guard ends the rest


@contextmanager
def _browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise HarnessError("no chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _events(directory: Path) -> str:
    path = directory / "runs" / "latest" / "events.csv"
    return path.read_text() if path.exists() else ""


def _wait(condition: Callable[[], bool], run: subprocess.Popen[bytes], what: str) -> None:
    ends_s = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > ends_s:
            raise HarnessError(f"waited {START_S:g} s for {what}")
        _pause(0.2, run)


def _pause(seconds: float, run: subprocess.Popen[bytes]) -> None:
    time.sleep(seconds)
    if (code := run.poll()) is not None:
        raise HarnessError(f"the run ended with exit code {code}")


if __name__ == "__main__":
    typer.run(main)

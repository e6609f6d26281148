"""Recordings on disk: manifests, summaries, tables and logs, without and with the sums of the end of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import analysis.verdict.decision
import analysis.verdict.injected
import analysis.verdict.processes
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.machine.junit import junit_xml
from analysis.report.machine.summary import summary_json
from analysis.report.markdown.comment import report_markdown
from analysis.report.terminal.report import report_text
from soak.contract import MANIFEST, REPORT, SUMMARY
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_USAGE
from soak.recording.files import record_sums
from tests.fuzz import mutate
from tests.fuzz.entry import analysis as run_analysis
from tests.fuzz.entry import complaint, ended, soak
from tests.support.planted_arms import PlantedArm, Soak, write_soak
from tests.support.planted_heap import FOUR_LEAKS, write_heap
from tests.support.planted_incident import Planted, write_incident
from tests.support.planted_judge import planted_judge

ANSWERS: Final = (EXIT_OK, EXIT_USAGE, EXIT_GATE_FAILED, EXIT_INCONCLUSIVE)
JUDGES: Final = (analysis.verdict.decision, analysis.verdict.injected, analysis.verdict.processes)
TABLES: Final = ("*.csv", "*.hlog")


def with_planted_judge() -> Callable[[], None]:
    """Judge every signal in microseconds; return what gives the real judge back."""
    real: list[Any] = [module.judge_signal for module in JUDGES]

    def judge_by(judges: list[Any]) -> None:
        for module, judge in zip(JUDGES, judges, strict=True):
            module.judge_signal = judge  # type: ignore[attr-defined]

    judge_by([planted_judge] * len(JUDGES))
    return lambda: judge_by(real)


class _Recorded:
    """A recording that is signed off, in which one file at a time is changed; judged in milliseconds."""

    def __init__(self, scratch: Path) -> None:
        self._runs = scratch / "runs"
        self._runs.mkdir()
        self._run = self._write(self._runs / "20260101-000000-demo")
        self._honest = {path: path.read_bytes() for path in self._run.rglob("*") if path.is_file()}
        self._tables = sorted(path for pattern in TABLES for path in self._run.rglob(pattern))
        self.close = with_planted_judge()

    def _write(self, run: Path) -> Path:
        write_incident(run, Planted())
        write_heap(run / "leaky", FOUR_LEAKS)
        return run

    def _add_summary(self) -> None:
        report = self._run / REPORT
        report.mkdir()
        (report / SUMMARY).write_text(summary_json(report_contents(read_recording(self._run))))

    def _change_a_table(self, random: Random) -> Path:
        """Write a changed table or log in the place of an honest one, and return its path."""
        path = random.choice(self._tables)
        original = self._honest[path].decode()
        change = mutate.cells if path.suffix == ".csv" else mutate.text
        while (content := mutate.encoded(random, change(random, original))) == self._honest[path]:
            pass
        path.write_bytes(content)
        return path

    def _restore(self) -> None:
        for path, content in self._honest.items():
            path.write_bytes(content)


class Listings(_Recorded):
    """Manifests and summaries, by ``soak list``: one bad run is one line."""

    name = "listings"
    inputs = 3000
    cost_ms = 12.0

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self._add_summary()
        self._bad = self._runs / "20260102-000000-bad"
        (self._bad / REPORT).mkdir(parents=True)

    def _change(self, random: Random, which: str) -> None:
        """Write manifest and summary of the bad run, one of them changed."""
        for name in (MANIFEST, f"{REPORT}/{SUMMARY}"):
            content = (self._run / name).read_text()
            if name == which:
                content = mutate.value(random, json.loads(content))
            (self._bad / name).write_bytes(mutate.encoded(random, content))

    def try_one(self, random: Random) -> str:
        """Both runs are listed, and the list for programs is JSON."""
        self._change(random, random.choice((MANIFEST, f"{REPORT}/{SUMMARY}")))
        table, listed = (
            soak("list", "--runs", str(self._runs)),
            soak("list", "--runs", str(self._runs), "--json"),
        )
        found = complaint(table, (EXIT_OK,)) or complaint(listed, (EXIT_OK,))
        names = [] if found else [one["run"] for one in _strict(listed.out)]
        return found or ("" if len(names) == 2 else f"listed are {names}")


class Histories(Listings):
    """Summaries, by ``soak history``: one bad run is one line."""

    name = "histories"
    inputs = 600
    cost_ms = 150.0

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self._profile = str(json.loads(self._honest[self._run / MANIFEST])["profile"])

    def try_one(self, random: Random) -> str:
        """The page is written, and the good run is in it."""
        self._change(random, f"{REPORT}/{SUMMARY}")  # it may have become a run of another profile
        found = complaint(run_analysis("history", str(self._runs), "--profile", self._profile), (EXIT_OK,))
        page = "" if found else (self._runs / "history.html").read_text()
        return found or ("" if self._run.name in page else "the good run is not on the page")


class Manifests(_Recorded):
    """Manifests, by ``soak judge``."""

    name = "manifests"
    inputs = 600
    cost_ms = 70.0

    def try_one(self, random: Random) -> str:
        """Judged, or refused in one line."""
        manifest = json.loads(self._honest[self._run / MANIFEST])
        (self._run / MANIFEST).write_bytes(mutate.encoded(random, mutate.value(random, manifest)))
        return complaint(run_analysis("judge", str(self._run)), ANSWERS)


class Cells(_Recorded):
    """Tables and logs without sums, by all of a report but its figures."""

    name = "cells"
    inputs = 800
    cost_ms = 300.0

    def try_one(self, random: Random) -> str:
        """Whatever is in a cell, the report is made, and its numbers are finite."""
        for _ in range(random.choice((1, 1, 2))):
            self._change_a_table(random)
        written: list[str] = []
        try:
            found = complaint(ended(lambda: written.extend(self._texts())), ANSWERS)
        finally:
            self._restore()
        if not found and written:
            _strict(written[0])
        return found

    def _texts(self) -> list[str]:
        findings = report_contents(read_recording(self._run))
        return [summary_json(findings), report_text(findings), report_markdown(findings), junit_xml(findings)]


class Reports(_Recorded):
    """Tables and logs without sums, by ``soak report``, figures and all."""

    name = "reports"
    inputs = 12
    cost_ms = 7000.0

    def try_one(self, random: Random) -> str:
        """The whole report is made."""
        self._change_a_table(random)
        try:
            return complaint(run_analysis("report", str(self._run)), ANSWERS)
        finally:
            self._restore()


class Judged(_Recorded):
    """Tables without sums, by ``soak judge`` with the real judge."""

    name = "judged"
    inputs = 80
    cost_ms = 500.0

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.close()

    def _write(self, run: Path) -> Path:
        noisy = PlantedArm("after", noise_bytes=20e3, live_blocks=0.01)
        return write_soak(run, Soak("own", 120, 20, 3600.0), {"fixed": noisy})

    def try_one(self, random: Random) -> str:
        """A verdict."""
        self._change_a_table(random)
        try:
            return complaint(run_analysis("judge", str(self._run)), ANSWERS)
        finally:
            self._restore()


class Sums(_Recorded):
    """Files of a recording with SHA256SUMS, by ``soak judge``, ``list`` and ``verify``."""

    name = "sums"
    inputs = 600
    cost_ms = 200.0

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self._add_summary()
        record_sums(self._run, {})
        honest = run_analysis("judge", str(self._run))
        if (honest.code, self._decision()) != (EXIT_OK, "signed"):
            raise AssertionError(f"the honest recording is not signed off: {honest}")

    def try_one(self, random: Random) -> str:
        """A recording that was changed is never signed off, and the changed file is named."""
        changed = self._change_a_table(random)
        if random.random() < 0.1:
            changed.write_bytes(self._honest[changed])
            changed = random.choice((self._run / MANIFEST, *self._tables))
            changed.unlink()
        try:
            judged, verified = run_analysis("judge", str(self._run)), soak("verify", str(self._run))
            decision = self._decision()
        finally:
            self._restore()
        if EXIT_OK in (judged.code, verified.code) or decision == "signed":
            return f"judge {judged.code}, verify {verified.code}, list {decision!r} with a changed {changed}"
        if changed.name not in judged.out + judged.err:
            return f"{changed} was changed and is not named"
        return complaint(judged, ANSWERS) or complaint(verified, ANSWERS)

    def _decision(self) -> str:
        [listed] = _strict(soak("list", "--runs", str(self._runs), "--json").out)
        return str(listed["decision"])


def _strict(text: str) -> Any:
    """Return the JSON; raises ValueError where it has NaN or Infinity, which no standard parser takes."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} in a file for programs")

    return json.loads(text, parse_constant=refuse)

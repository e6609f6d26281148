"""An ablation as text for the terminal."""

from __future__ import annotations

from rich.text import Text

from analysis.ablation.leak_per_fault import ALL, SESSIONS_ONLY, SUM, FaultLeak
from analysis.recording.model import Recording
from analysis.report.tables import Table
from analysis.report.terminal.tables import outcome, render, terminal_table

NOTE = (
    'Bytes are slopes of RSS over the successful requests, with an indicative 95% interval; from "above none" the '
    "slope of the arm without faults is subtracted."
)


def ablation_text(recording: Recording, leaks: tuple[FaultLeak, ...], reasons: tuple[str, ...]) -> str:
    """Return what the command line prints, at most 100 columns wide."""
    manifest = recording.manifest
    head = ("faults", "requests", "RSS B/request", "above none", "blocks/request", "native B/request")
    rows = tuple(
        (
            line.arm,
            _number(line.requests, ","),
            _with_interval(line.rss_bytes_per_request, line.rss_ci95_bytes_per_request),
            _with_interval(line.above_none_bytes_per_request, line.above_none_ci95_bytes_per_request),
            _number(line.live_blocks_per_request, "+.2f"),
            _number(line.native_bytes_per_request, "+,.0f"),
        )
        for line in leaks
    )
    caption = f"{manifest.run_id}: memory that each fault leaks per request, Python {manifest.python}"
    return render(
        [
            Text(f"{caption}\n"),
            terminal_table(Table(caption, head, rows, frozenset(head[1:]))),
            Text("\n" + NOTE),
            *(Text(sentence) for sentence in (*_sum_against_all(leaks), *_per_session(leaks))),
            *outcome(reasons),
        ]
    )


def _sum_against_all(leaks: tuple[FaultLeak, ...]) -> list[str]:
    by_arm = {line.arm: line.above_none_bytes_per_request for line in leaks}
    together, added = by_arm[ALL], by_arm[SUM]
    if not together or added is None:
        return []
    return [
        f"The five alone add up to {added / together:.1%} of all together. An object that two faults retain, as "
        "cache and history retain the same answer, counts twice in the sum."
    ]


def _per_session(leaks: tuple[FaultLeak, ...]) -> list[str]:
    line = next(line for line in leaks if line.arm == SESSIONS_ONLY)
    if line.sessions_opened is None or line.above_none_bytes_per_session is None:
        return []
    return [
        f"Sessions come with new instance names, not with requests: {line.sessions_opened:,} were opened, "
        f"{line.above_none_bytes_per_session:,.0f} B each."
    ]


def _with_interval(value: float | None, half: float | None) -> str:
    return "-" if value is None or half is None else f"{value:+,.0f} ± {half:,.0f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"

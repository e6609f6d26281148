"""The figure of an ablation: a bar for what each fault leaks per request."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.ablation.leak_per_fault import ALL, NONE, SUM, FaultLeak
from analysis.recording.model import Recording
from analysis.report.figures.axes import new_axes, note_no_data
from analysis.report.figures.labels import annotate_point
from analysis.report.figures.style import FAINT, INK, new_figure

TOGETHER, ALONE, BASE = "#3b3b3b", "#8c8c8c", "#d9d9d9"


def ablation_figure(recording: Recording, leaks: tuple[FaultLeak, ...]) -> Figure:
    """Draw RSS per request above the arm without faults, and that arm's own, with 95% intervals, from the top down."""
    figure = new_figure("RSS leaked per request by each fault", recording, height=3.8)
    axes = new_axes(figure, figure.add_gridspec(1, 1)[0])
    axes.grid(visible=False)
    axes.set_xlabel("bytes per request above the arm without faults", fontsize=8.5, color=INK)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    names = {ALL: "all together", SUM: SUM, NONE: "none, subtracted above"}
    axes.set_yticks(range(len(leaks)), [names.get(line.arm, line.arm) for line in leaks], parse_math=False)
    axes.set_ylim(len(leaks) - 0.5, -0.5)
    axes.margins(x=0.01)
    for y, line in enumerate(leaks):
        value, half = bar_of(line)
        if value is None or half is None:
            annotate_point(axes, "not measured", (0, y), offset=(4, 0), va="center", colour=FAINT)
            continue
        colour = {ALL: TOGETHER, SUM: TOGETHER, NONE: BASE}.get(line.arm, ALONE)
        axes.barh(y, value, xerr=half, height=0.62, color=colour, ecolor=INK, capsize=2.5)
        end = max(0.0, value) + half
        annotate_point(axes, f"{value:+,.0f} ± {half:,.0f} B", (end, y), offset=(5, 0), va="center")
    if not axes.patches:
        note_no_data(axes, "RSS was not read")
        return figure
    axes.axvline(0, color=FAINT, linewidth=0.8)
    low, high = axes.get_xlim()
    axes.set_xlim(low if low < 0 else 0, high * 1.15)  # room for the figures beside the longest bars
    return figure


def bar_of(line: FaultLeak) -> tuple[float | None, float | None]:
    """Return what is drawn of a line, bytes per request, and half its interval."""
    if line.arm == NONE:
        return line.rss_bytes_per_request, line.rss_ci95_bytes_per_request
    return line.above_none_bytes_per_request, line.above_none_ci95_bytes_per_request

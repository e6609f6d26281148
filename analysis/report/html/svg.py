"""A figure as SVG: a file of its own, and inline in a page whose colours it takes."""

from __future__ import annotations

import re
from html import escape
from io import StringIO
from typing import Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from analysis.report.figures.style import AFTER, BAND, BEFORE, FAINT, GRID, INK, OTHERS, PAPER

COLOURS: Final = {
    INK: "--ink",
    FAINT: "--faint",
    BAND: "--band",
    GRID: "--grid",
    PAPER: "--paper",
    **{look.colour: f"--arm-{n}" for n, look in enumerate((BEFORE, AFTER, *OTHERS)) if look.colour != INK},
}
"""Colours of the figures, and the names a page has for them, so that a dark page has dark figures."""

COLOUR: Final = re.compile("|".join(COLOURS), re.IGNORECASE)
NO_CONTENT: Final = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)
REFERENCE: Final = re.compile(r'(\bid="|href="#|url\(#)')


def svg_text(figure: Figure, name: str) -> str:
    """Return a figure as the text of an SVG file; letters are outlines, so that it looks the same everywhere.

    The figure keeps this layout: to lay it out again for another format would take as long as to draw it.
    """
    text = StringIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    figure.set_layout_engine("none")
    return text.getvalue()


def inline_svg(svg: str, name: str, alt: str) -> str:
    """Return what ``svg_text`` made as an element of a page, with ids that begin with ``name``."""
    body = NO_CONTENT.sub("", svg[svg.index("<svg") :])
    body = COLOUR.sub(lambda match: f"var({COLOURS[match[0].lower()]})", body)
    body = REFERENCE.sub(lambda match: f"{match[1]}{name}-", body)
    size = re.search(r'viewBox="[^"]*"', body)
    opening = f'<svg role="img" aria-label="{escape(alt)}" {size[0] if size else ""} xmlns:xlink="http://www.w3.org/1999/xlink">'
    return re.sub(r"<svg\b[^>]*>", lambda _: opening, body, count=1).strip()

from __future__ import annotations

import re
from io import BytesIO
from xml.etree import ElementTree

from matplotlib.figure import Figure

from analysis.report.figures.style import BEFORE, INK
from analysis.report.html.svg import inline_svg, svg_text


def figure() -> Figure:
    """Two areas that need a clip path each, and words with markup in them."""
    drawn = Figure()
    for place in (1, 2):
        axes = drawn.add_subplot(1, 2, place)
        axes.plot([0, 1], [0, 1], color=BEFORE.colour)
        axes.set_title("<b> -- --> ]]>", color=INK, parse_math=False)
    return drawn


def test_the_same_figure_is_the_same_file() -> None:
    """No date and no random names: a report made again differs only where the recording does."""
    first, second = (svg_text(figure(), "memory") for _ in range(2))
    assert first == second
    assert ElementTree.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own file


def test_a_figure_keeps_the_layout_of_its_svg() -> None:
    """It is laid out once, whatever it is drawn as afterwards: the picture beside the page is the page's."""
    drawn = figure()
    drawn.set_layout_engine("constrained")
    svg_text(drawn, "memory")
    places = [axes.get_position().bounds for axes in drawn.axes]
    assert places != [axes.get_position().bounds for axes in figure().axes]
    drawn.axes[0].set_ylabel("wide\n" * 5)
    drawn.savefig(BytesIO(), format="png")
    assert [axes.get_position().bounds for axes in drawn.axes] == places


def test_figures_of_one_page_do_not_share_names() -> None:
    """Each reference leads to a name of its own figure."""
    one, other = (inline_svg(svg_text(figure(), name), name, "") for name in ("one", "other"))
    assert not set(re.findall(r'\bid="([^"]+)"', one)) & set(re.findall(r'\bid="([^"]+)"', other))
    names = set(re.findall(r'\bid="([^"]+)"', one))
    assert set(re.findall(r"url\(#([^)]+)\)", one)) <= names
    assert set(re.findall(r'href="#([^"]+)"', one)) <= names
    assert len(re.findall(r"url\(#", one)) >= 2


def test_a_figure_in_a_page_is_well_formed() -> None:
    """Whatever is written in it; it has the page's colours, words for who cannot see it, and no comments."""
    text = inline_svg(svg_text(figure(), "one"), "one", 'what "it" shows & <says>')
    assert (
        ElementTree.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)).get(  # noqa: S314
            "aria-label"
        )
        == 'what "it" shows & <says>'
    )
    assert "<!--" not in text
    assert "stroke: var(--arm-0)" in text
    assert BEFORE.colour not in text

"""The documentation says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import BaseModel

from analysis.history.runs import HistoryRun
from soak import contract
from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.config.sentences import FROM_THE_FILE, table_within
from tests.support.paths import ROOT

REFERENCE = ROOT / "docs" / "reference"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key of a profile and what it means."""
    for name, field in model.model_fields.items():
        table = table_within(field.annotation)
        if table is not None:
            yield from _keys(table, f"{prefix}{name}." + ("NAME." if name == "arms" else ""))
        elif prefix or name not in FROM_THE_FILE:
            yield f"{prefix}{name}", field.description or ""


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading of it where one is named."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        if name.startswith("http"):
            continue
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in headings], (
                target
            )


def test_every_key_of_a_profile_is_documented_and_no_other() -> None:
    """The table of the keys has the code's own words, one row per key; links may be added."""
    text = (REFERENCE / "profile.md").read_text()
    rows = re.findall(r"^\| `([A-Za-z0-9_.]+)` \| .*? ?\| (.*) \|$", text, re.MULTILINE)
    documented = {key: re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", meaning) for key, meaning in rows}
    assert documented == dict(_keys(Profile))


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("samples.csv", contract.SAMPLE_COLUMNS),
        ("requests.csv", contract.REQUEST_COLUMNS),
        ("census.csv", contract.CENSUS_COLUMNS),
        ("containers.csv", contract.CONTAINER_COLUMNS),
        ("holders.csv", contract.HOLDER_COLUMNS),
        ("stuck.csv", contract.STUCK_COLUMNS),
        ("replay.csv", contract.REPLAY_COLUMNS),
        ("sites.csv", contract.SITE_COLUMNS),
        ("events.csv", contract.EVENT_COLUMNS),
    ],
)
def test_every_column_is_documented_with_its_meaning(
    heading: str, columns: tuple[contract.Column, ...]
) -> None:
    """docs/reference/file-formats.md has the contract's own words."""
    text = (REFERENCE / "file-formats.md").read_text()
    section = text.partition(f"## {heading}\n")[2]
    section = re.split(r"\n##+ ", section)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    assert rows == [(column.name, column.meaning) for column in columns]


def test_every_key_of_the_verdict_so_far_is_documented_in_order() -> None:
    """The run's, then an arm's."""
    text = (REFERENCE / "file-formats.md").read_text()
    section = re.split(r"\n##+ ", text.partition("## live.json\n")[2])[0]
    keys = [field.name for kind in (contract.Live, contract.ArmLive) for field in fields(kind)]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == ["schema_version", *keys]


def test_every_event_is_documented() -> None:
    """With the contract's own words, and no event besides."""
    text = (REFERENCE / "file-formats.md").read_text()
    section = text.partition("### Events\n")[2]
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)) == contract.EVENT_NAMES


def test_every_column_of_a_history_is_documented_in_order() -> None:
    """One or several in a row."""
    text = (REFERENCE / "file-formats.md").read_text()
    section = re.split(r"\n##+ ", text.partition("### history.csv\n")[2])[0]
    heads = re.findall(r"^\| (`.*?) \| ", section, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(heads)) == [field.name for field in fields(HistoryRun)]


def _profiles() -> dict[str, str]:
    """Return the profiles that pages show, by page and number; a page's other TOML is a part of one."""
    found = {}
    for page in PAGES:
        blocks = re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        for number, block in enumerate(block for block in blocks if "[arms." in block):
            found[f"{page.relative_to(ROOT).as_posix()}-{number}"] = block
    return found


@pytest.mark.parametrize("name", list(_profiles()))
def test_every_profile_in_the_pages_is_valid(name: str, tmp_path: Path) -> None:
    """A reader who copies it gets as far as its commands and images go."""
    (tmp_path / "mine.toml").write_text(_profiles()[name])
    assert load_profile(str(tmp_path / "mine.toml")).arms


def test_two_images_take_twelve_lines() -> None:
    """What the README gives a release engineer to write."""
    block = _profiles()["README.md-1"]
    assert len(block.splitlines()) <= 12
    assert block.count("image = ") == 2

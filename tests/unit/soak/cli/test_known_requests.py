"""The options of ``soak attach`` that name the requests."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from soak.cli import known_requests
from soak.cli.known_requests import known_requests as read
from soak.errors import UsageError
from soak.supervisor.ending import StopRequest


@pytest.mark.parametrize(
    ("url", "query", "secret"), [("http://h", "", None), ("", "q", None), ("", "", Path("token"))]
)
def test_half_of_the_options_is_refused(url: str, query: str, secret: Path | None) -> None:
    with pytest.raises(UsageError, match="Give both --prometheus and --requests-query"):
        read(url, query, secret, None, None)


def test_without_any_nothing_is_asked() -> None:
    assert read("", "", None, None, None) is None


def test_what_is_recorded_has_no_file_of_a_secret(tmp_path: Path) -> None:
    found = read("http://h", "q", tmp_path / "token", None, tmp_path / "ca")
    assert found is not None
    assert "token" not in repr(found.source)
    assert found.words[-4:] == ("--bearer-file", str(tmp_path / "token"), "--ca-file", str(tmp_path / "ca"))


def test_a_question_that_fails_ends_before_anything_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own exit code; at the end of a recording it is a warning."""
    monkeypatch.setattr(known_requests, "run_analysis", lambda *_: 2)
    found = read("http://h", "q", None, None, None)
    assert found is not None
    with pytest.raises(typer.Exit) as raised:
        found.check(StopRequest())
    assert raised.value.exit_code == 2


def test_requests_that_cannot_be_had_at_the_end_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[tuple[object, ...]] = []

    def refuse(*words: object) -> int:
        asked.append(words)
        return 2

    monkeypatch.setattr(known_requests, "run_analysis", refuse)
    found = read("http://h", "q", None, None, None)
    assert found is not None
    found.add_to(tmp_path, StopRequest())
    assert asked[0][1:3] == ("requests", str(tmp_path))
    assert "the requests are not recorded" in capsys.readouterr().err

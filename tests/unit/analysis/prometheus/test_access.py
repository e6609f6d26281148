"""The options that tell where Prometheus is and as whom it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.prometheus.access import read_access
from soak.errors import UsageError


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9090", "ftp://host", "http://", "http://h:99999", "", "http://[", "/x"]
)
def test_what_is_no_url_of_http_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--prometheus"):
        read_access(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@host",
        "http://hunter2@host",
        "http://a:hunter2@[x",
        "host:9090/?token=hunter2",
        "http://h:99999/#hunter2",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_access(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://host/?token=x", "http://host/#x"])
def test_a_url_has_no_query(url: str) -> None:
    with pytest.raises(
        UsageError, match=r"--prometheus http://host/?: give the URL without what begins with"
    ):
        read_access(url)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff", b"a\x07b"])
def test_a_secret_is_one_printable_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"--bearer-file .* one line of printable ASCII"):
        read_access("http://host", bearer_file=path)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """Missing, a directory, no user:password, no certificate."""
    path = tmp_path / "file"
    with pytest.raises(UsageError, match=r"--bearer-file .*No such file"):
        read_access("http://host", bearer_file=path)
    with pytest.raises(UsageError, match=r"--basic-file .*it is a directory"):
        read_access("http://host", basic_file=tmp_path)
    with pytest.raises(UsageError, match=r"--ca-file .*No such file"):
        read_access("http://host", ca_file=path)
    path.write_text("no colon, no certificate")
    with pytest.raises(UsageError, match="user:password"):
        read_access("http://host", basic_file=path)
    with pytest.raises(UsageError, match="no certificate in PEM form"):
        read_access("http://host", ca_file=path)
    with pytest.raises(UsageError, match="exclude each other"):
        read_access("http://host", bearer_file=path, basic_file=path)


def test_the_text_of_an_access_has_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret")
    access = read_access("http://host", bearer_file=path)
    assert access.authorization == "Bearer s3cret"
    assert "s3cret" not in repr(access)

"""Exchanges with a server that refuses, redirects, sends too much or nothing: a message each, and no secret in it."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.prometheus.access import read_access
from analysis.prometheus.client import Client
from soak.errors import RecordingError
from tests.support.ports import free_port
from tests.support.scripted_prometheus import Answering, Asked, Reply, matrix, refusal, scripted

TLS = Path(__file__).parents[3] / "support" / "tls"
SECRET = "s3cret-token"


def ask(
    url: str,
    *,
    bearer: Path | None = None,
    basic: Path | None = None,
    ca: Path | None = None,
    exchange_s: float = 20.0,
    most_bytes: int = 1 << 20,
) -> bytes:
    async def once() -> bytes:
        access = read_access(url, bearer, basic, ca)
        async with Client(access, exchange_s=exchange_s, most_bytes=most_bytes) as client:
            return await client.ask("query", {"query": "up[60s]"}, "--query")

    return asyncio.run(once())


def refused(url: str, **options: Path | float | int | None) -> str:
    with pytest.raises(RecordingError) as raised:
        ask(url, **options)  # type: ignore[arg-type]
    message = str(raised.value)
    assert SECRET not in message
    assert "\n" not in message
    return message


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    return path


def always(reply: Reply) -> Answering:
    return lambda _: reply


def test_a_query_is_posted_below_the_path_of_the_url(token: Path) -> None:
    """The form has the query, the header the token; nothing else identifies us."""
    with scripted(always(matrix())) as server:
        assert b"matrix" in ask(f"{server.url}/prom/", bearer=token)
    (asked,) = server.asked
    assert asked.path == "/prom/api/v1/query"
    assert asked.form == {"query": "up[60s]"}
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"


def test_user_and_password_are_sent_as_basic(tmp_path: Path) -> None:
    path = tmp_path / "basic"
    path.write_text("user:pass")
    with scripted(always(matrix())) as server:
        ask(server.url, basic=path)
    assert server.asked[0].headers["Authorization"] == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_options_of_a_secret(status: int, token: Path) -> None:
    """Without a secret both options; with one, the option whose secret is not accepted."""
    with scripted(always(Reply(b"no", status))) as server:
        assert f"refused with {status}; give --bearer-file or --basic-file." in refused(server.url)
        assert "does not accept what --bearer-file names" in refused(server.url, bearer=token)


def test_a_query_that_prometheus_cannot_read_is_quoted_with_its_option() -> None:
    with scripted(always(refusal(400, "1:4: parse error: unexpected end of input"))) as server:
        message = refused(server.url)
    assert message == "--query: Prometheus refused the query: 1:4: parse error: unexpected end of input."


@pytest.mark.parametrize("status", [301, 303, 404, 405])
def test_what_is_not_prometheus_is_named_by_its_status(status: int) -> None:
    with scripted(always(Reply(b"<html>", status, {"Content-Type": "text/html"}))) as server:
        message = refused(server.url)
    assert f"answered {status} (text/html) to POST /api/v1; give the URL below which" in message


TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            refusal(0, "query timed out in expression evaluation"),
            " (query timed out in expression evaluation)",
        ),
        (Reply(b"upstream connect error\n", 0, TEXT), " (upstream connect error)"),
        (Reply(b"<html>", 0, {"Content-Type": "text/html"}), ""),
        (refusal(0, "a\nb\x1b[31m" + "x" * 300), " (a b [31m" + "x" * 189 + "...)"),
    ],
)
def test_a_server_that_fails_is_asked_again_later(status: int, reply: Reply, why: str) -> None:
    """Its own error is quoted, in one line; the URL is right."""
    with scripted(always(replace(reply, status=status))) as server:
        message = refused(server.url)
    assert message == (
        f"{server.url}: answered {status} to --query{why}; repeat this later, or with a shorter --since."
    )


def test_a_refusal_in_plain_text_is_quoted_if_it_is_short(token: Path, tmp_path: Path) -> None:
    """Mimir misses its tenant; a page, or what repeats the secret, is not shown."""
    with scripted(always(Reply(b"no org id\n", 401, TEXT))) as server:
        assert "refused with 401 (no org id); give --bearer-file or --basic-file." in refused(server.url)
    for nothing in (b"x" * 1000, b"Unauthorized\n"):
        with scripted(always(Reply(nothing, 401, TEXT))) as server:
            assert "refused with 401; give" in refused(server.url)
    with scripted(always(Reply(f"bad token {SECRET}".encode(), 403, TEXT))) as server:
        assert "refused with 403; it does not accept" in refused(server.url, bearer=token)
    basic = tmp_path / "basic"
    basic.write_text(f"user:{SECRET}")
    for before in ("", "x" * 190):  # the quote ends within it
        with scripted(always(refusal(400, f"{before}no user with {SECRET}"))) as server:
            message = refused(server.url, basic=basic)
        assert "answered 400" in message
        assert "no user" not in message


def test_a_port_where_nobody_listens_is_not_reached() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert refused(url) == f"{url}: not reached (Connection refused); does Prometheus listen there?"


def tls_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    return context


def test_a_certificate_is_verified_by_the_authorities_that_are_named() -> None:
    """Without --ca-file it is refused before the header is sent; with it, the query is answered."""
    with scripted(always(matrix()), tls_server()) as server:
        message = refused(server.url)
        assert not server.asked
        assert b"matrix" in ask(server.url, ca=TLS / "server.pem")
    assert "its certificate could not be verified (self-signed certificate)" in message
    assert "--ca-file" in message


def test_http_at_a_port_of_https_and_the_other_way_round_are_named() -> None:
    with scripted(always(matrix())) as plain:
        assert "no TLS connection" in refused(plain.url.replace("http", "https"))
    with scripted(always(matrix()), tls_server()) as secure:
        assert "no answer in HTTP" in refused(secure.url.replace("https", "http"))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_on_the_same_host_is_followed_with_the_whole_question(status: int, token: Path) -> None:
    def answering(asked: Asked) -> Reply:
        if asked.path.startswith("/prometheus"):
            return matrix()
        return Reply(status=status, headers={"Location": f"/prometheus{asked.path}"})

    with scripted(answering) as server:
        ask(server.url, bearer=token)
    first, second = server.asked
    assert second.path == "/prometheus/api/v1/query"
    assert second.form == first.form
    assert second.headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:{port}/x", "http://localhost:{own}/x", "//127.0.0.1:{port}/x"]
)
def test_a_redirect_elsewhere_is_never_followed(place: str, token: Path) -> None:
    """Another port or name is another host: it is not asked at all, so no header reaches it."""
    with scripted(always(matrix())) as other:
        ports = {"port": other.url.rpartition(":")[2], "own": ""}

        def answering(_: Asked) -> Reply:
            return Reply(status=307, headers={"Location": place.format(**ports)})

        with scripted(answering) as server:
            ports["own"] = server.url.rpartition(":")[2]
            assert "redirects to another host" in refused(server.url, bearer=token)
            assert len(server.asked) == 1
    assert not other.asked


def test_redirects_come_to_an_end() -> None:
    with scripted(lambda asked: Reply(status=307, headers={"Location": asked.path})) as server:
        assert "more than 5 redirects" in refused(server.url)
    assert len(server.asked) == 6


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_answer_is_bounded_as_sent_and_when_decompressed(pack: Callable[[bytes], bytes]) -> None:
    """A megabyte that comes as a kilobyte is a megabyte."""
    headers = {} if pack is bytes else {"Content-Encoding": "gzip"}
    with scripted(always(Reply(pack(b"x" * 1_000_000), headers=headers))) as server:
        assert len(ask(server.url, most_bytes=1_000_000)) == 1_000_000
        assert "has more than 999,999 bytes" in refused(server.url, most_bytes=999_999)


def test_one_deadline_holds_for_the_whole_exchange() -> None:
    """A server that is silent is left alone; what it would have sent later is not waited for."""
    over = threading.Event()

    def silent(_: Asked) -> Reply:
        over.wait(20)
        return matrix()

    with scripted(silent) as server:
        try:
            assert "no whole answer to --query within 0.2 s" in refused(server.url, exchange_s=0.2)
        finally:
            over.set()

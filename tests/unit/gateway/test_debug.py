import asyncio
from types import MappingProxyType
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from gateway.app import create_app
from gateway.debug import read_token
from gateway.upstreams import Address, Upstreams

TOKEN = "0123456789abcdef"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
END: Message = {"type": "http.request", "body": b"", "more_body": False}


def application(token: str | None = TOKEN) -> FastAPI:
    """Return an application that is never started: the debug routes need no gateway."""

    def build() -> Any:
        raise AssertionError

    return create_app(build, Upstreams({"orders": Address("127.0.0.1", 1)}), debug_token=token)


def ask(call: Any, app: FastAPI, **options: Any) -> Any:
    return asyncio.run(call(app, "GET", "/debug/memory", END, **options))


def test_a_snapshot_for_who_may(call: Any) -> None:
    """With the token and from this machine: the snapshot as JSON, and its text for people."""
    reply = ask(call, application(), headers=RIGHT, query="description=after%20a%20while")
    assert reply.status == 200
    assert reply.body["description"] == "after a while"
    assert reply.body["rss_bytes"] > 1_000_000
    assert reply.body["largest"] is None
    assert reply.body["tasks"] >= 1
    assert reply.body["text"].startswith("Memory: after a while\nRSS: ")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer \xe9\xff"},
        {"Authorization": f"Basic {TOKEN}"},
        {"X-Token": TOKEN},
    ],
)
def test_the_token_is_needed(call: Any, headers: dict[str, str]) -> None:
    """Without it, or with another, the answer is 401 and says which scheme is wanted."""
    reply = ask(call, application(), headers=headers)
    assert (reply.status, reply.body) == (401, {"error": "the debug token is missing or wrong"})
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("client", [("192.0.2.1", 50000), ("::ffff:192.0.2.1", 50000), None])
@pytest.mark.parametrize("headers", [RIGHT, RIGHT | {"X-Forwarded-For": "127.0.0.1"}, {}])
def test_no_other_machine(call: Any, client: Any, headers: dict[str, str]) -> None:
    """From elsewhere, or from nobody knows where, it is 403 with the right token too."""
    reply = ask(call, application(), headers=headers, client=client)
    assert (reply.status, reply.body) == (403, {"error": "only for clients on this machine"})


def test_without_a_token_there_is_nothing(call: Any) -> None:
    """Where no token is configured the path does not exist, and the document does not name it."""
    app = application(token=None)
    for headers in ({}, RIGHT, {"Authorization": "Bearer None"}, {"Authorization": "Bearer "}):
        reply = ask(call, app, headers=headers)
        assert (reply.status, reply.body) == (404, {"error": "Not Found"})
    assert "/debug/memory" not in app.openapi()["paths"]
    assert sorted(application().openapi()["paths"]["/debug/memory"]["get"]["responses"]) == [
        "200", "401", "403", "422",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "token"),
    [({}, None), ({"GATEWAY_DEBUG_TOKEN": ""}, None), ({"GATEWAY_DEBUG_TOKEN": TOKEN}, TOKEN)],
)
def test_the_token_comes_from_the_environment(environment: dict[str, str], token: str | None) -> None:
    """An empty variable is as good as none."""
    assert read_token(MappingProxyType(environment)) == token


@pytest.mark.parametrize("token", ["short", "0123456789 abcdef", "0123456789abcdefé", "0123456789abcdef\n"])
def test_a_poor_token_is_refused(token: str) -> None:
    """A token that could be guessed, or that no client could send, is refused with its fix and never shown."""
    with pytest.raises(ValueError, match=r"^GATEWAY_DEBUG_TOKEN ") as error:
        read_token({"GATEWAY_DEBUG_TOKEN": token})
    assert str(error.value) == (
        "GATEWAY_DEBUG_TOKEN must be 16 or more ASCII characters without spaces; openssl rand -hex 16 makes one"
    )

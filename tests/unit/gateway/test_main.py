import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from gateway.__main__ import Variant, choose_variant, serve_gateway
from gateway.upstreams import parse_upstreams
from gateway.variants.fixed import FixedGateway, Limits
from gateway.variants.leaky import LeakyGateway
from gateway.variants.published_fix import PublishedFixGateway

UPSTREAMS = "orders=127.0.0.1:9000"


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that is taken while the test runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("variant", "without", "message"),
    [
        (
            Variant.FIXED,
            "tasks",
            "Error: --without leaves out faults of the leaky variant (tasks, sessions, cache, history, cycles); "
            "with fixed, drop the option\n",
        ),
        (
            Variant.LEAKY,
            "task",
            "Error: --without: no fault 'task'; there are tasks, sessions, cache, history, cycles\n",
        ),
    ],
)
def test_bad_options(
    variant: Variant, without: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad option ends with status 2 and one line that names the valid ones."""
    with pytest.raises(typer.Exit) as ended:
        serve_gateway(variant=variant, port=1, upstreams=UPSTREAMS, without=without)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == message


def test_a_poor_debug_token(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A debug token that could be guessed ends with status 2 and one line that does not show it."""
    monkeypatch.setenv("GATEWAY_DEBUG_TOKEN", "guess-me")
    with pytest.raises(typer.Exit) as ended:
        serve_gateway(variant=Variant.FIXED, port=1, upstreams=UPSTREAMS)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == (
        "Error: GATEWAY_DEBUG_TOKEN must be 16 or more ASCII characters without spaces; "
        "openssl rand -hex 16 makes one\n"
    )


@pytest.mark.parametrize("variant", Variant)
def test_each_variant_is_built(variant: Variant) -> None:
    """The option's names stand for the classes of those names, and the warning levels reach the fixed one."""
    built = {
        Variant.LEAKY: LeakyGateway,
        Variant.PUBLISHED_FIX: PublishedFixGateway,
        Variant.FIXED: FixedGateway,
    }

    async def scenario() -> None:
        limits = Limits(warn_memory_bytes=7)
        gateway = choose_variant(variant, parse_upstreams(UPSTREAMS), frozenset(), limits)()
        assert type(gateway) is built[variant]
        if isinstance(gateway, FixedGateway):
            assert gateway._limits is limits
        await gateway.aclose()

    asyncio.run(scenario())


def test_bounds_reach_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bound given on the command line is the gateway's; the others keep their defaults."""
    given: list[Limits] = []

    def choose(*args: Any) -> None:
        given.append(args[-1])
        raise ValueError

    monkeypatch.setattr("gateway.__main__.choose_variant", choose)
    with pytest.raises(typer.Exit):
        serve_gateway(
            Variant.FIXED,
            port=1,
            upstreams=UPSTREAMS,
            connections_per_service=4,
            warn_memory_bytes=5,
            warn_growth_bytes_per_s=6,
        )
    assert given == [Limits(connections_per_service=4, warn_memory_bytes=5, warn_growth_bytes_per_s=6)]


def test_a_taken_port(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken ends with status 2 and one line that names it."""
    with pytest.raises(typer.Exit) as ended:
        serve_gateway(variant=Variant.LEAKY, port=taken_port, upstreams=UPSTREAMS)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == (
        f"Error: cannot listen on 127.0.0.1:{taken_port}: Address already in use (while attempting to bind on "
        f"address ('127.0.0.1', {taken_port})); choose another port or host\n"
    )

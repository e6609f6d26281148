"""The gateway's command line: ``python -m gateway``."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer
import uvicorn

from gateway.app import create_app
from gateway.debug import read_token
from gateway.interface import Gateway
from gateway.upstreams import Upstreams, parse_upstreams
from gateway.variants.fixed import FixedGateway, Limits
from gateway.variants.leaky import Fault, LeakyGateway, parse_faults
from gateway.variants.published_fix import PublishedFixGateway


class Variant(StrEnum):
    """The builds of the gateway."""

    LEAKY = "leaky"
    PUBLISHED_FIX = "published_fix"
    FIXED = "fixed"


def serve_gateway(
    variant: Annotated[
        Variant,
        typer.Option(
            help="leaky: the incident's faults; published_fix: its published fix; fixed: none of the faults."
        ),
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port to listen on.")],
    upstreams: Annotated[
        str, typer.Option(help="Where each service listens: orders=127.0.0.1:9000,users=127.0.0.1:9000")
    ],
    host: Annotated[str, typer.Option(help="IPv4 address to listen on.")] = "127.0.0.1",
    without: Annotated[
        str, typer.Option(help=f"Faults the leaky variant leaves out: {','.join(Fault)}", show_default=False)
    ] = "",
    connections_per_service: Annotated[
        int, typer.Option(min=1, help="Connections that the fixed variant opens to each service at most.")
    ] = Limits().connections_per_service,
    warn_memory_bytes: Annotated[
        int, typer.Option(min=1, help="Resident memory above which the fixed variant logs a warning.")
    ] = Limits().warn_memory_bytes,
    warn_growth_bytes_per_s: Annotated[
        int, typer.Option(min=1, help="Its growth over five minutes above which it logs one.")
    ] = Limits().warn_growth_bytes_per_s,
) -> None:
    """Run an API gateway: POST /api/{service} with a JSON object returns the service's JSON answer.

    A service's instances are its name with a number: orders-017 is an instance of orders. GET /healthz
    answers when the gateway is up, GET /metrics states what it holds, for Prometheus; SIGTERM ends it and closes
    all of that. One process, on uvicorn.

    With GATEWAY_DEBUG_TOKEN in the environment, GET /debug/memory?description=... describes this process's
    memory to clients on this machine that send it as "Authorization: Bearer TOKEN".

    Example: python -m gateway --variant leaky --port 8001 --upstreams orders=127.0.0.1:9000
    """
    try:
        services = parse_upstreams(upstreams)
        limits = Limits(
            connections_per_service=connections_per_service,
            warn_memory_bytes=warn_memory_bytes,
            warn_growth_bytes_per_s=warn_growth_bytes_per_s,
        )
        build = choose_variant(variant, services, parse_faults(without), limits)
        debug_token = read_token(os.environ)
        listener = bind_gateway(host, port)
    except ValueError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    config = uvicorn.Config(
        create_app(build, services, debug_token=debug_token),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        # longer than clients keep idle connections: one that is being reused is never closed
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        access_log=False,
        log_level="error",
        proxy_headers=False,
        server_header=False,
    )
    typer.echo(f"gateway ({variant}) on http://{host}:{port}")
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
        uvicorn.Server(config).run(sockets=[listener])


def choose_variant(
    variant: Variant, upstreams: Upstreams, without: frozenset[Fault], limits: Limits
) -> Callable[[], Gateway]:
    """Return what makes the variant; raises ValueError when faults are to be left out of a variant that has none."""
    if variant is Variant.LEAKY:
        return lambda: LeakyGateway(upstreams, without)
    if without:
        raise ValueError(
            f"--without leaves out faults of the leaky variant ({', '.join(Fault)}); "
            f"with {variant}, drop the option"
        )
    if variant is Variant.PUBLISHED_FIX:
        return lambda: PublishedFixGateway(upstreams)
    return lambda: FixedGateway(upstreams, limits)


def bind_gateway(host: str, port: int) -> socket.socket:
    """Return a bound socket; raises ValueError when the port cannot be used."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ValueError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port or host"
        ) from None


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(serve_gateway)
    app(prog_name="python -m gateway")


if __name__ == "__main__":
    main()

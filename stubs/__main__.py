"""The stubs' command line: ``python -m stubs``."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Annotated

import typer
import uvicorn

from stubs.answers import answers
from stubs.app import stub_app
from stubs.options import parse_behaviours


def serve_stubs(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port to listen on.")],
    services: Annotated[str, typer.Option(help="Services to answer for: orders,users")],
    host: Annotated[str, typer.Option(help="IPv4 address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="Seed of all answers.")] = 1,
    body_bytes: Annotated[int, typer.Option(min=1, max=1024 * 1024, help="Size of an answer.")] = 256,
    latency_ms: Annotated[str, typer.Option(help="Median latency.")] = "5",
    latency_sigma: Annotated[
        float, typer.Option(min=0, max=3, help="Standard deviation of ln(latency).")
    ] = 0.3,
    error_rate: Annotated[str, typer.Option(help="Share of requests answered with 500.")] = "0",
    hang_rate: Annotated[str, typer.Option(help="Share of requests never answered.")] = "0",
) -> None:
    """Run the services behind the gateway: GET /api answers for the service that the Host header names.

    An instance such as orders-017 is answered as orders. Latency and the two rates are one number for all
    services, or orders=0.01,users=0. GET /healthz answers when the stubs are up; SIGTERM ends them.
    One process, on uvicorn.

    Example: python -m stubs --port 9000 --services orders,users --error-rate orders=0.01,users=0
    """
    try:
        behaviours = parse_behaviours(
            services,
            body_bytes=body_bytes,
            latency_ms=latency_ms,
            latency_sigma=latency_sigma,
            error_rate=error_rate,
            hang_rate=hang_rate,
        )
        listener = bind_stubs(host, port)
    except ValueError as problem:
        typer.echo(f"Error: {problem}", err=True)
        raise typer.Exit(2) from None
    config = uvicorn.Config(
        stub_app({name: answers(name, behaviour, seed) for name, behaviour in behaviours.items()}),
        loop="uvloop",
        http="httptools",
        ws="none",
        interface="asgi3",
        lifespan="off",
        # longer than the gateway keeps idle connections: one that is being reused is never closed
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        access_log=False,
        log_level="error",
        proxy_headers=False,
        server_header=False,
    )
    typer.echo(f"stubs for {', '.join(behaviours)} on http://{host}:{port}")
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
        uvicorn.Server(config).run(sockets=[listener])


def bind_stubs(host: str, port: int) -> socket.socket:
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
    app.command()(serve_stubs)
    app(prog_name="python -m stubs")


if __name__ == "__main__":
    main()

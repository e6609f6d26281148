import socket

import pytest
import typer

from stubs.__main__ import serve_stubs
from stubs.answers import Behaviour
from stubs.options import parse_behaviours


def parse(
    services: str = "orders,users", latency_ms: str = "5", error_rate: str = "0", hang_rate: str = "0"
) -> dict[str, Behaviour]:
    """Parse with the other options at values that are fine."""
    return parse_behaviours(
        services,
        body_bytes=256,
        latency_ms=latency_ms,
        latency_sigma=0.3,
        error_rate=error_rate,
        hang_rate=hang_rate,
    )


def test_one_number_is_for_all() -> None:
    """A plain number holds for every service."""
    calm = Behaviour(body_bytes=256, latency_ms=5, latency_sigma=0.3, error_rate=0.01, hang_rate=0)
    assert parse(error_rate="0.01") == {"orders": calm, "users": calm}


def test_each_service_can_have_its_own() -> None:
    """Named numbers hold for their service."""
    behaviours = parse(latency_ms="users=7, orders=3", hang_rate="orders=0.5,users=0")
    assert [(name, b.latency_ms, b.hang_rate) for name, b in behaviours.items()] == [
        ("orders", 3, 0.5),
        ("users", 7, 0),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"services": "orders,"},
            "--services: 'orders,' has an empty or repeated name; write it as orders,users",
        ),
        (
            {"services": "orders,orders"},
            "--services: 'orders,orders' has an empty or repeated name; write it as orders,users",
        ),
        ({"error_rate": "much"}, "--error-rate: 'much' is not a number from 0 to 1"),
        ({"error_rate": "1.1"}, "--error-rate: '1.1' is not a number from 0 to 1"),
        ({"hang_rate": "orders=-1,users=0"}, "--hang-rate: '-1' is not a number from 0 to 1"),
        ({"latency_ms": "nan"}, "--latency-ms: 'nan' is not a number from 0 to 60000"),
        ({"latency_ms": "cart=1"}, "--latency-ms: no service 'cart'; there are orders, users"),
        (
            {"latency_ms": "orders=1"},
            "--latency-ms: no value for users; give each one, or one number for all",
        ),
        (
            {"error_rate": "0.6", "hang_rate": "orders=0.3,users=0.6"},
            "--error-rate and --hang-rate of 'users' add up to more than 1; lower one",
        ),
    ],
)
def test_bad_options(options: dict[str, str], message: str) -> None:
    """What is wrong is said with the option, the bad part and the fix."""
    with pytest.raises(ValueError, match=r"^--") as error:
        parse(**options)
    assert str(error.value) == message


def test_the_command_says_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A bad option ends the command with status 2 and one line."""
    with pytest.raises(typer.Exit) as ended:
        serve_stubs(port=1, services="orders", error_rate="2")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "Error: --error-rate: '2' is not a number from 0 to 1\n"


def test_a_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken ends the command with status 2 and one line that names it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(typer.Exit) as ended:
            serve_stubs(port=port, services="orders")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.startswith(
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use"
    )

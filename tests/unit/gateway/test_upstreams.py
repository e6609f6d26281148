import asyncio
import re

import pytest

from gateway.failures import UnknownServiceError
from gateway.upstreams import Address, UpstreamResolver, Upstreams, parse_upstreams

UPSTREAMS = Upstreams({"orders": Address("127.0.0.1", 9000), "user-data": Address("127.0.0.2", 9001)})


@pytest.mark.parametrize(
    ("name", "service"),
    [("orders", "orders"), ("orders-0", "orders"), ("orders-017", "orders"), ("user-data-3", "user-data")],
)
def test_known_names(name: str, service: str) -> None:
    """A service's name, alone or with a number, is that service."""
    assert UPSTREAMS.service_of(name) == service


@pytest.mark.parametrize(
    "name",
    ["", "nope", "orders-", "orders-x", "orders-1-2", "orders-٣", "orders-1\n", "orders.evil", "127.0.0.1"],
)
def test_unknown_names(name: str) -> None:
    """No other name is a service, not even one that looks like a host."""
    with pytest.raises(UnknownServiceError) as error:
        UPSTREAMS.service_of(name)
    assert str(error.value) == f"no service {name!r}; there are orders, user-data"


@pytest.mark.parametrize(
    "name", ["orders", "orders-017", "user-data-3", "", "nope", "orders-", "orders-x", "orders-1-2"]
)
def test_the_pattern_says_the_same(name: str) -> None:
    """The regular expression for readers accepts the names that are accepted, and no other."""
    try:
        UPSTREAMS.service_of(name)
    except UnknownServiceError:
        known = False
    else:
        known = True
    assert (re.search(UPSTREAMS.pattern, name) is not None) is known


def test_an_instance_resolves_to_its_service() -> None:
    """aiohttp is sent to the configured host and port, whatever port the URL implied."""
    (found,) = asyncio.run(UpstreamResolver(UPSTREAMS).resolve("orders-017", 80))
    assert (found["host"], found["port"]) == ("127.0.0.1", 9000)


def test_no_other_host_resolves() -> None:
    """A host that is not configured is not looked up."""
    with pytest.raises(UnknownServiceError):
        asyncio.run(UpstreamResolver(UPSTREAMS).resolve("localhost", 80))


def test_parse() -> None:
    """The option lists services and their addresses; spaces do not matter."""
    parsed = parse_upstreams("orders=127.0.0.1:9000, user-data=127.0.0.2:9001")
    assert parsed.addresses == UPSTREAMS.addresses


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--upstreams: '' has no service name; write it as orders=127.0.0.1:9000"),
        (
            "127.0.0.1:9000",
            "--upstreams: '127.0.0.1:9000' has no service name; write it as orders=127.0.0.1:9000",
        ),
        (
            "orders-1=127.0.0.1:9000",
            "--upstreams: 'orders-1=127.0.0.1:9000' has no service name; write it as orders=127.0.0.1:9000",
        ),
        (
            "orders=localhost:9000",
            "--upstreams: 'orders' needs an IPv4 address and a port such as 127.0.0.1:9000, "
            "got 'localhost:9000'",
        ),
        (
            "orders=127.0.0.1:70000",
            "--upstreams: 'orders' needs an IPv4 address and a port such as 127.0.0.1:9000, "
            "got '127.0.0.1:70000'",
        ),
        (
            "orders=127.0.0.1:1,orders=127.0.0.1:2",
            "--upstreams: 'orders' is given twice; keep one of the two",
        ),
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    """What is wrong with the option is said with its fix."""
    with pytest.raises(ValueError, match=r"^--upstreams: ") as error:
        parse_upstreams(text)
    assert str(error.value) == message

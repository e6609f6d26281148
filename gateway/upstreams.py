"""Which services there are and where they listen; the only place a host and a port come from."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.failures import UnknownServiceError

_SERVICE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*")
_INSTANCE_NUMBER = re.compile(r"-[0-9]{1,9}\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens: an IPv4 address and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The configured services by name.

    An instance is a service's name, optionally followed by ``-`` and digits: ``orders``, ``orders-017``.
    """

    addresses: Mapping[str, Address]

    @property
    def pattern(self) -> str:
        """The valid names as a regular expression, for people and tools to read."""
        return f"^({'|'.join(self.addresses)})(-[0-9]{{1,9}})?$"

    def service_of(self, name: str) -> str:
        """Return the service that ``name`` is an instance of; raises UnknownServiceError for any other name."""
        service = _INSTANCE_NUMBER.sub("", name)
        if service not in self.addresses:
            raise UnknownServiceError(f"no service {name!r}; there are {', '.join(self.addresses)}")
        return service


def parse_upstreams(text: str) -> Upstreams:
    """Read ``orders=127.0.0.1:9000,users=127.0.0.1:9001``.

    Raises ValueError that names the bad part and its fix.
    """
    addresses: dict[str, Address] = {}
    for part in text.split(","):
        service, _, address = part.strip().partition("=")
        host, _, port = address.rpartition(":")
        if not _SERVICE.fullmatch(service):
            raise ValueError(
                f"--upstreams: {part.strip()!r} has no service name; write it as orders=127.0.0.1:9000"
            )
        if service in addresses:
            raise ValueError(f"--upstreams: {service!r} is given twice; keep one of the two")
        if not _is_ipv4(host) or not (port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(
                f"--upstreams: {service!r} needs an IPv4 address and a port such as 127.0.0.1:9000, "
                f"got {address!r}"
            )
        addresses[service] = Address(host, int(port))
    return Upstreams(addresses)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


class UpstreamResolver(AbstractResolver):
    """Answers aiohttp's look-ups from the configuration alone; aiohttp connects to the port it gives."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the configured address of an instance; raises UnknownServiceError for any other host."""
        del port, family
        address = self._upstreams.addresses[self._upstreams.service_of(host)]
        return [
            ResolveResult(
                hostname=host, host=address.host, port=address.port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Nothing is held open."""

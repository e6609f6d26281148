"""Who listens at a TCP port: the tables of sockets and the descriptors of processes in /proc."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import psutil

from soak.process.procfs import PROC, is_hidden

_LISTEN: Final = "0A"
"""TCP_LISTEN in /proc/PID/net/tcp."""
_SOCKET: Final = "socket:["
"""Beginning of what a descriptor of a socket links to; its inode follows."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens."""

    address: IPv4Address | IPv6Address
    """That of IPv4 where an IPv6 socket has one mapped."""
    port: int
    uid: int
    """User who made it."""
    inode: int
    """Its number, the same in the descriptors of all processes that have it; no two sockets of a machine share one."""


class Serving(Enum):
    """Whether processes serve at an address."""

    OWN = auto()
    """One of them listens there."""
    OTHER = auto()
    """Somebody else does."""
    NOBODY = auto()
    """No process of this network does: what answers there is forwarded."""
    UNKNOWN = auto()
    """Not all that is needed could be read."""


def who_serves(host: str, port: int, processes: Callable[[], Iterable[int]]) -> Serving:
    """Return whether some of the processes listen at an IPv4 address and port of our own network.

    They are asked for by their ids once the listeners are read, so that one that has just begun is among them.
    """
    here = listeners()
    if here is None:
        return Serving.UNKNOWN
    found, own = chosen(here, host, port), {pid: sockets_of(pid) for pid in processes()}
    held = {inode for sockets in own.values() for inode in sockets or ()}
    # those in a network of their own are reached by forwarding
    if held & {one.inode for one in found or _elsewhere(here, own)}:
        return Serving.OWN
    if any(sockets is None or is_hidden(pid) for pid, sockets in own.items()):
        return Serving.UNKNOWN
    return Serving.OTHER if found else Serving.NOBODY


def listener_at(host: str, port: int) -> str:
    """Return who listens at an IPv4 address and port, as far as that is ours to see; "" for nobody."""
    found = chosen(listeners() or [], host, port)
    if not found:
        return ""
    inodes = {one.inode for one in found}
    for pid in psutil.pids():
        if inodes & (sockets_of(pid) or set()):
            with contextlib.suppress(psutil.Error):
                return f"pid {pid} ({psutil.Process(pid).name()})"
    return f"another process (of uid {found[0].uid})"


def is_listening(pid: int, port: int, *, from_outside: bool = False) -> bool:
    """Whether something listens at a TCP port in the network of a process; ``from_outside``: not at loopback alone.

    False where that cannot be read.
    """
    return any(
        one.port == port and not (from_outside and one.address.is_loopback) for one in listeners(pid) or ()
    )


def listeners(pid: int | None = None) -> list[Listener] | None:
    """Return the listeners in the network of a process, by default our own; None where they cannot be read."""
    tables = PROC / ("self" if pid is None else str(pid)) / "net"
    try:
        found = list(parse_listeners((tables / "tcp").read_text()))
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a kernel without IPv6
        found += parse_listeners((tables / "tcp6").read_text())
    return found


def parse_listeners(text: str) -> Iterator[Listener]:
    """Yield the listeners of a text as of /proc/PID/net/tcp or tcp6."""
    for line in text.splitlines()[1:]:
        _, local, _, state, _, _, _, uid, _, inode, *_ = line.split(maxsplit=10)
        if state == _LISTEN:
            address, _, port = local.partition(":")
            yield Listener(_address(address), int(port, 16), int(uid), int(inode))


def chosen(known: Sequence[Listener], host: str, port: int) -> list[Listener]:
    """Return those among which the kernel chooses for a connection to an IPv4 address: the most particular ones."""
    for address in (IPv4Address(host), IPv4Address(0), IPv6Address(0)):
        if found := [one for one in known if one.port == port and one.address == address]:
            return found
    return []


def sockets_of(pid: int) -> set[int] | None:
    """Return the inodes of the sockets that a process has; None where its descriptors are not ours to read."""
    found: set[int] = set()
    try:
        descriptors = list((PROC / str(pid) / "fd").iterdir())
        for one in descriptors:
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if (target := str(one.readlink())).startswith(_SOCKET):
                    found.add(int(target[len(_SOCKET) : -1]))
    except PermissionError:
        return None
    except OSError:
        return found  # it is gone
    return found


def _elsewhere(here: Sequence[Listener], pids: Iterable[int]) -> list[Listener]:
    """Return the listeners of the networks of processes which are not among those of our own."""
    known = {one.inode for one in here}
    return [one for pid in pids for one in listeners(pid) or () if one.inode not in known]


def _address(text: str) -> IPv4Address | IPv6Address:
    """Return an address of such a table, which has its words of 32 bits as the machine has them."""
    words = (text[begin : begin + 8] for begin in range(0, len(text), 8))
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    if len(packed) == 4:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address
